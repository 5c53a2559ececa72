/* SPDX-License-Identifier: MIT
 *
 * The random numbers that a speech decoder begins with: the spectrogram's start z, the phases of the harmonics, and the
 * noise of the source. They come from a file, or from a seed:
 *   speech of known length   the numbers that PyTorch draws on a CPU, in the reference's order: z, phases, source noise.
 *                            They depend on the length
 *   a stream                 numbers that depend on the frame or sample alone, so that a frame keeps its noise
 *                            whatever comes after it
 */
#ifndef FLOW_HIFT_NOISE_H
#define FLOW_HIFT_NOISE_H

#include <vita/host.h>

#define MOST_SINES 65 /* fundamental and harmonics */

typedef struct noise {
	const float *z, *phase, *sine; /* of a file: [mel, z_frames], [n_sines], [n_sines, n_samples]; NULL: zero */
	int64_t z_frames, n_samples;
	int64_t mel, n_sines, frame_samples;
	uint32_t seed;
	int32_t from_file;
} noise;

/* Matsumoto and Nishimura 1998, "Mersenne Twister". */
typedef struct twister {
	uint32_t state[624];
	uint32_t at;
} twister;

void twister_seed(twister *t, uint32_t seed);
uint32_t twister_next(twister *t);

/* Where one stream is. */
typedef struct noise_stream {
	const noise *noise;
	float phase[MOST_SINES];
	int32_t as_reference;
	int64_t sample;            /* the next of the source's noise */
	twister sine[MOST_SINES];  /* as_reference: each sine's place in the draws */
} noise_stream;

/* n_frames: the length where it is known and all comes at once, else -1. z [mel, n_frames] is filled where it is known. */
void noise_begin(noise_stream *s, const noise *n, int64_t n_frames, float *z);

/* z [mel, n] of frames first … first + n - 1 of a stream of unknown length. */
void noise_frames(const noise_stream *s, int64_t first, int64_t n, float *z);

/* The source's noise for n more samples, n a multiple of 16: g [n_sines, n]. */
void noise_samples(noise_stream *s, int64_t n, float *g);

#endif
