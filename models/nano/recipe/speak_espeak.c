/* SPDX-License-Identifier: MIT
 *
 * eSpeak NG's voices and their variants. The library carries its oscillators' state from one utterance into
 * the next; so each is spoken by a child that has the library as it was when it started, and the sound
 * depends on the job alone.
 */
#include "speak.h"

#include <espeak-ng/espeak_ng.h>
#include <espeak-ng/speak_lib.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* Written by the child; the library calls back without a pointer of ours. */
static struct shared {
	size_t n;
	short pcm[SPEAK_MOST_SECONDS * 48000];
} * shared;

static int take(short *pcm, int n, espeak_EVENT *events)
{
	(void)events;
	if (!pcm || n <= 0) return 0;
	if (shared->n + (size_t)n > sizeof shared->pcm / sizeof shared->pcm[0]) return 1;
	memcpy(shared->pcm + shared->n, pcm, (size_t)n * sizeof *pcm);
	shared->n += (size_t)n;
	return 0;
}

static int start(char why[256])
{
	static int rate;
	if (rate > 0) return rate;
	(void)snprintf(why, 256, "espeak-ng does not start: its data may be missing");
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) return -1;
	rate = espeak_Initialize(AUDIO_OUTPUT_SYNCHRONOUS, 0, NULL, espeakINITIALIZE_DONT_EXIT);
	espeak_SetSynthCallback(take);
	return rate;
}

static int set(espeak_PARAMETER parameter, double value, double low, double high)
{
	return espeak_SetParameter(parameter, (int)lround(fmin(fmax(value, low), high)), 0) == EE_OK;
}

/* In the child: 0, or what failed. */
enum { NO_VOICE = 1, NO_SETTING, NO_SOUND };

static int speak(const struct speak_job *job, const char *voice)
{
	if (espeak_SetVoiceByName(voice) != EE_OK) return NO_VOICE;
	if (!set(espeakRATE, 160 * job->speed, 80, 450) || !set(espeakPITCH, 50 * job->pitch, 0, 99) ||
	    !set(espeakRANGE, 50 * job->range, 0, 99))
		return NO_SETTING;
	srand(1); /* breath and fricatives */
	espeak_ERROR error = espeak_Synth(job->text, strlen(job->text) + 1, 0, POS_CHARACTER, 0,
					  espeakCHARS_UTF8 | espeakENDPAUSE, NULL, NULL);
	if (error == EE_OK) error = espeak_Synchronize();
	return error == EE_OK ? 0 : NO_SOUND;
}

int speak_espeak(const struct speak_job *job, const char *voice, struct speak_sound *sound, char why[256])
{
	int rate = start(why), status = -1;
	if (rate <= 0) return -1;
	shared->n = 0;
	(void)fflush(NULL);
	pid_t child = fork();
	if (child == 0) _exit(speak(job, voice));
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) || shared->n == 0) {
		(void)snprintf(why, 256, "espeak-ng made nothing of it");
		return -1;
	}
	if (WEXITSTATUS(status) != 0) {
		(void)snprintf(why, 256, "espeak-ng %s %.64s",
			       WEXITSTATUS(status) == NO_VOICE ? "has no voice" : "refuses this with voice",
			       voice);
		return -1;
	}
	sound->n = shared->n;
	sound->rate = (uint32_t)rate;
	sound->pcm = malloc(sound->n * sizeof *sound->pcm);
	for (size_t i = 0; sound->pcm && i < sound->n; i++)
		sound->pcm[i] = (float)shared->pcm[i] / 32768.0f;
	return sound->pcm ? 0 : -1;
}
