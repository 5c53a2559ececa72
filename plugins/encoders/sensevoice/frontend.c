/* SPDX-License-Identifier: MIT
 *
 * Samples to feature rows; see frontend.h.
 */
#include "frontend.h"

#include <math.h>

#define FULL_SCALE 32768.0f
#define RING (LFR_FRAMES + 1)

/* ---- dither --------------------------------------------------------------------------------------- */

/* Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators". */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* A normal variate that depends on the seed and the sample's number alone, so that frames that overlap share
 * their noise and chunks of any size give the same (Box and Muller 1958). */
static float noise(uint64_t seed, uint64_t sample)
{
	uint64_t a = mix(seed + (2 * sample + 1) * 0x9e3779b97f4a7c15u);
	uint64_t b = mix(seed + (2 * sample + 2) * 0x9e3779b97f4a7c15u);
	double u = ((double)(a >> 11) + 1) / 9007199254740992.0, v = (double)(b >> 11) / 9007199254740992.0;
	return (float)(sqrt(-2 * log(u)) * cos(6.283185307179586 * v));
}

static int is_silent(const float *samples, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (samples[i] != 0) return 0;
	return 1;
}

static void add_noise(const frontend *f, float *samples, uint32_t n)
{
	uint64_t first = f->n_samples - n;
	if (f->config->dither == DITHER_OFF) return;
	if (f->config->dither == DITHER_SILENCE && !is_silent(samples, n)) return;
	for (uint32_t i = 0; i < n; i++)
		samples[i] += noise(f->config->seed, first + i);
}

/* ---- rows ----------------------------------------------------------------------------------------- */

static vita_status reserve_row(frontend *f, vita_error *err)
{
	if (f->n_rows < f->capacity) return VITA_OK;
	uint64_t capacity = f->capacity + f->capacity / 2 + 64;
	float *rows = f->host->reallocate(f->host->context, f->rows, capacity * FEATURE_WIDTH * sizeof *rows);
	if (!rows)
		return vita_fail(err, VITA_E_NOMEM, "sensevoice: no memory for %llu rows of features",
				 (unsigned long long)capacity);
	f->rows = rows;
	f->capacity = capacity;
	return VITA_OK;
}

/* The next row, from frames that are all there or, at the end, were the last. */
static vita_status make_row(frontend *f, vita_error *err)
{
	vita_status status = reserve_row(f, err);
	if (status != VITA_OK) return status;
	float *row = f->rows + f->n_rows * FEATURE_WIDTH;
	int64_t middle = (int64_t)f->n_rows * LFR_STEP, last = (int64_t)f->n_frames - 1;
	for (int j = 0; j < LFR_FRAMES; j++) {
		int64_t t = middle + j - LFR_FRAMES / 2;
		t = t < 0 ? 0 : t > last ? last : t;
		memcpy(row + j * FBANK_BANDS, f->frames[t % RING], sizeof f->frames[0]);
	}
	for (int i = 0; i < FEATURE_WIDTH; i++)
		row[i] = (row[i] + f->config->shift[i]) * f->config->scale[i];
	f->n_rows++;
	return VITA_OK;
}

/* A frame lies in the window. */
static vita_status make_frame(frontend *f, fbank *bank, vita_error *err)
{
	float samples[FBANK_WINDOW];
	memcpy(samples, f->window, f->n_window * sizeof *samples);
	add_noise(f, samples, f->n_window);
	fbank_frame(bank, samples, f->frames[f->n_frames % RING]);
	f->n_frames++;
	if (f->n_frames - 1 < f->n_rows * LFR_STEP + LFR_FRAMES / 2) return VITA_OK;
	return make_row(f, err);
}

/* As FunASR does: the frame shrinks to the recording. */
static vita_status make_short_frame(frontend *f, vita_error *err)
{
	fbank *bank;
	if (f->n_samples < 2)
		return vita_fail(err, VITA_E_INVALID, "sensevoice: a recording of one sample is too short");
	vita_status status = fbank_create(f->host, f->n_window, &bank, err);
	if (status != VITA_OK) return status;
	status = make_frame(f, bank, err);
	fbank_destroy(bank);
	return status;
}

static vita_status finish(frontend *f, vita_error *err)
{
	vita_status status = VITA_OK;
	if (f->n_frames == 0 && f->n_samples > 0) status = make_short_frame(f, err);
	while (status == VITA_OK && f->n_rows * LFR_STEP < f->n_frames)
		status = make_row(f, err);
	return status;
}

vita_status frontend_push(frontend *f, const float *pcm, uint64_t n, int last, vita_error *err)
{
	vita_status status = VITA_OK;
	for (uint64_t i = 0; i < n && status == VITA_OK; i++) {
		f->window[f->n_window++] = pcm[i] * FULL_SCALE;
		f->n_samples++;
		if (f->n_window < FBANK_WINDOW) continue;
		status = make_frame(f, f->bank, err);
		f->n_window -= FBANK_SHIFT;
		memmove(f->window, f->window + FBANK_SHIFT, f->n_window * sizeof *f->window);
	}
	return status == VITA_OK && last ? finish(f, err) : status;
}

/* ---- open and close ------------------------------------------------------------------------------- */

vita_status frontend_open(frontend *f, const vita_host *host, const frontend_config *config, vita_error *err)
{
	memset(f, 0, sizeof *f);
	f->host = host;
	f->config = config;
	return fbank_create(host, FBANK_WINDOW, &f->bank, err);
}

void frontend_close(frontend *f)
{
	fbank_destroy(f->bank);
	if (f->rows) f->host->release(f->host->context, f->rows);
	memset(f, 0, sizeof *f);
}
