/* SPDX-License-Identifier: MIT
 *
 * From a synthesiser's dry sound to a recording: resampled, with silence around it, in a room, through a
 * microphone, with noise. Every step depends on the job alone.
 */
#include "speak.h"

#include <math.h>
#include <samplerate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUIET 0.02f /* of the loudest sample: what is softer at the ends is silence */
#define TWO_PI 6.283185307179586

/* SplitMix64 (Steele, Lea and Flood 2014). */
static double uniform(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15u);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static double normal(uint64_t *state)
{
	double u = 1 - uniform(state);
	return sqrt(-2 * log(u)) * cos(TWO_PI * uniform(state));
}

static void scale_words(struct speak_sound *sound, double factor)
{
	for (size_t i = 0; i < sound->n_words; i++)
		sound->word_end[i] = (size_t)((double)sound->word_end[i] * factor + 0.5);
}

/* To our rate; a tape played `warp` times as fast is shorter by that. */
static int resample(struct speak_sound *sound, double warp)
{
	double ratio = SPEAK_RATE / (sound->rate * warp);
	if (ratio > 0.9999 && ratio < 1.0001) return 0;
	long room = (long)ceil((double)sound->n * ratio) + 16;
	float *out = malloc((size_t)room * sizeof *out);
	if (!out) return -1;
	SRC_DATA data = {.data_in = sound->pcm,
			 .data_out = out,
			 .input_frames = (long)sound->n,
			 .output_frames = room,
			 .src_ratio = ratio};
	if (src_simple(&data, SRC_SINC_FASTEST, 1) != 0) {
		free(out);
		return -1;
	}
	free(sound->pcm);
	sound->pcm = out;
	sound->n = (size_t)data.output_frames_gen;
	sound->rate = SPEAK_RATE;
	scale_words(sound, ratio);
	return 0;
}

static float loudest(const struct speak_sound *sound)
{
	float most = 0;
	for (size_t i = 0; i < sound->n; i++)
		most = fmaxf(most, fabsf(sound->pcm[i]));
	return most;
}

/* Silence at the ends becomes lead and tail seconds long. */
static int frame(const struct speak_job *job, struct speak_sound *sound)
{
	float quiet = QUIET * loudest(sound);
	size_t first = 0, end = sound->n;
	while (first < end && fabsf(sound->pcm[first]) <= quiet)
		first++;
	while (end > first && fabsf(sound->pcm[end - 1]) <= quiet)
		end--;
	size_t lead = (size_t)(job->lead * SPEAK_RATE), tail = (size_t)(job->tail * SPEAK_RATE);
	size_t n = lead + (end - first) + tail;
	float *out = calloc(n + 1, sizeof *out);
	if (!out) return -1;
	/* what the synthesiser itself left there is kept as far as it reaches */
	for (size_t i = 0; i < n; i++)
		if (i + first >= lead && i + first - lead < sound->n) out[i] = sound->pcm[i + first - lead];
	for (size_t i = 0; i < sound->n_words; i++) {
		size_t at = sound->word_end[i];
		at = at < first ? lead : at - first + lead;
		sound->word_end[i] = at < n ? at : n;
	}
	free(sound->pcm);
	sound->pcm = out;
	sound->n = n;
	return 0;
}

/* A room as four combs and two all-passes (Schroeder 1962) whose delays depend on the seed. */
static int reverberate(struct speak_sound *sound, double seconds, uint64_t *seed)
{
	static const double comb_ms[] = {29.7, 37.1, 41.1, 43.7};
	static const double pass_ms[] = {5.0, 1.7};
	float *wet = calloc(sound->n + 1, sizeof *wet), *line = calloc(SPEAK_RATE / 10, sizeof *line);
	double size = 0.5 + uniform(seed), amount = 0.15 + 0.35 * uniform(seed);
	for (size_t k = 0; wet && line && k < 4; k++) {
		size_t delay = (size_t)(comb_ms[k] * size * SPEAK_RATE / 1000) + 1;
		float gain = (float)pow(10, -3.0 * (double)delay / (SPEAK_RATE * seconds));
		memset(line, 0, SPEAK_RATE / 10 * sizeof *line);
		for (size_t i = 0, at = 0; i < sound->n; i++, at = (at + 1) % delay) {
			float back = line[at];
			line[at] = sound->pcm[i] + gain * back;
			wet[i] += 0.25f * back;
		}
	}
	for (size_t k = 0; wet && line && k < 2; k++) {
		size_t delay = (size_t)(pass_ms[k] * SPEAK_RATE / 1000);
		memset(line, 0, SPEAK_RATE / 10 * sizeof *line);
		for (size_t i = 0, at = 0; i < sound->n; i++, at = (at + 1) % delay) {
			float back = line[at], in = wet[i] + 0.7f * back;
			line[at] = in;
			wet[i] = back - 0.7f * in;
		}
	}
	for (size_t i = 0; wet && line && i < sound->n; i++)
		sound->pcm[i] += (float)amount * wet[i];
	int result = wet && line ? 0 : -1;
	free(wet);
	free(line);
	return result;
}

/* First difference mixed in makes bright, a leaky mean dull. */
static void tilt(struct speak_sound *sound, double amount)
{
	float before = 0, mean = 0, a = (float)fabs(amount) * 0.7f;
	for (size_t i = 0; i < sound->n; i++) {
		float x = sound->pcm[i];
		mean = a * mean + (1 - a) * x;
		sound->pcm[i] = amount > 0 ? x - a * before : mean;
		before = x;
	}
}

/* Noise between white and brown, its level measured against the speech's own. */
static void add_noise(struct speak_sound *sound, double snr, uint64_t *seed)
{
	double power = 0, noise_power = 0, state = 0, colour = 0.98 * uniform(seed);
	for (size_t i = 0; i < sound->n; i++)
		power += (double)sound->pcm[i] * (double)sound->pcm[i];
	noise_power = (1 - colour) * (1 - colour) / (1 - colour * colour);
	double level = sqrt(power / (double)(sound->n + 1) / pow(10, snr / 10) / noise_power);
	for (size_t i = 0; i < sound->n; i++) {
		state = colour * state + (1 - colour) * normal(seed);
		sound->pcm[i] += (float)(level * state);
	}
}

/* Two Butterworth sections of order two (Bristow-Johnson's cookbook). */
static void low_pass(struct speak_sound *sound, double hz)
{
	static const double q[] = {0.54119610, 1.30656296};
	double w = TWO_PI * hz / SPEAK_RATE, c = cos(w);
	for (size_t k = 0; k < 2; k++) {
		double alpha = sin(w) / (2 * q[k]), a0 = 1 + alpha, b = (1 - c) / 2 / a0;
		double a1 = -2 * c / a0, a2 = (1 - alpha) / a0, x1 = 0, x2 = 0, y1 = 0, y2 = 0;
		for (size_t i = 0; i < sound->n; i++) {
			double x = sound->pcm[i], y = b * (x + 2 * x1 + x2) - a1 * y1 - a2 * y2;
			x2 = x1, x1 = x, y2 = y1, y1 = y;
			sound->pcm[i] = (float)y;
		}
	}
}

int speak_finish(const struct speak_job *job, struct speak_sound *sound, char why[256])
{
	uint64_t seed = job->seed;
	int result = resample(sound, job->warp);
	if (result == 0) result = frame(job, sound);
	if (result == 0 && job->room > 0) result = reverberate(sound, job->room, &seed);
	if (result != 0) {
		(void)snprintf(why, 256, "no memory, or no resampling from %u Hz", (unsigned)sound->rate);
		return result;
	}
	if (job->tilt != 0) tilt(sound, job->tilt);
	if (job->snr < 100) add_noise(sound, job->snr, &seed);
	if (job->band < SPEAK_RATE / 2.0) low_pass(sound, job->band);
	float most = loudest(sound), gain = most > 0 ? (float)job->peak / most : 1;
	for (size_t i = 0; i < sound->n; i++)
		sound->pcm[i] *= gain;
	return 0;
}
