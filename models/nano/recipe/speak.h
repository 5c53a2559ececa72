/* SPDX-License-Identifier: MIT
 *
 * speak: the speech synthesisers behind one face, and what a room and a microphone do to speech.
 * A program to make training data with; not installed, no part of libvita.
 */
#ifndef SPEAK_H
#define SPEAK_H

#include <stddef.h>
#include <stdint.h>

#define SPEAK_RATE 16000 /* Hz, of everything that leaves this program */
#define SPEAK_MOST_WORDS 64
#define SPEAK_MOST_SECONDS 60

/* One recording to make. Defaults stand in speak_job_read. */
struct speak_job {
	const char *text;
	const char *voice; /* "flite:rms", "espeak:en-us+f2" */
	double speed;      /* 1 as the voice speaks by itself, 1.2 faster */
	double pitch;      /* 1 as it is */
	double range;      /* of the pitch: 1 as it is (espeak only) */
	double warp;       /* pitch, formants and speed together, as a tape played faster: 1 as it is */
	double lead, tail; /* seconds of silence before and behind */
	double room;       /* seconds until its echo is 60 dB down; 0: none */
	double tilt;       /* -1 … 1: dull … bright; 0 as it is */
	double snr;        /* dB of speech over noise; at least 100: no noise */
	double band;       /* Hz that pass at most; at least 8000: all */
	double peak;       /* largest sample, full scale 1 */
	uint64_t seed;     /* of the noise and the room */
};

/* Sound with the end of each word where the synthesiser says it (samples). */
struct speak_sound {
	float *pcm;
	size_t n;
	uint32_t rate;
	size_t n_words;
	char word[SPEAK_MOST_WORDS][32];
	size_t word_end[SPEAK_MOST_WORDS];
};

/* Each takes the voice's name behind the colon and gives 0, or -1 with a sentence in `why`. The caller frees
 * sound->pcm. The sound depends on the job alone, not on what was spoken before. */
int speak_flite(const struct speak_job *job, const char *voice, struct speak_sound *sound, char why[256]);
int speak_espeak(const struct speak_job *job, const char *voice, struct speak_sound *sound, char why[256]);

/* From the synthesiser's sound to the job's: its rate and warp, silence, room, noise, loudness. */
int speak_finish(const struct speak_job *job, struct speak_sound *sound, char why[256]);

#endif
