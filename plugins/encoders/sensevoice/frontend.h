/* SPDX-License-Identifier: MIT
 *
 * Samples to SenseVoice's feature rows, as they come: filter banks every 10 ms, seven of them side by side every
 * 60 ms, then a shift and a scale for each value.
 *
 * With T frames row i holds frames 6i - 3 … 6i + 3, those outside of 0 … T - 1 replaced by the nearest; there
 * are ceil(T / 6) rows. A recording shorter than a frame gives one, of a frame as long as itself.
 */
#ifndef SENSEVOICE_FRONTEND_H
#define SENSEVOICE_FRONTEND_H

#include "fbank.h"

#define LFR_FRAMES 7 /* side by side in a row */
#define LFR_STEP 6   /* frames from row to row */
#define FEATURE_WIDTH (LFR_FRAMES * FBANK_BANDS)

/* Noise of one 16-bit step, which Kaldi adds so that silence has a logarithm. */
typedef enum dither {
	DITHER_OFF,
	DITHER_SILENCE, /* to frames of nothing but zeros, which no microphone gives */
	DITHER_ALL,     /* to every frame */
} dither;

typedef struct frontend_config {
	float shift[FEATURE_WIDTH], scale[FEATURE_WIDTH]; /* feature = (value + shift) · scale */
	dither dither;
	uint64_t seed;
} frontend_config;

typedef struct frontend {
	const vita_host *host;
	const frontend_config *config; /* borrowed */
	fbank *bank;
	float window[FBANK_WINDOW]; /* samples of the frame that is being filled */
	uint32_t n_window;
	uint64_t n_samples, n_frames;
	float frames[LFR_FRAMES + 1][FBANK_BANDS]; /* the latest; frame t is at t mod 8 */
	float *rows;                               /* [n_rows, FEATURE_WIDTH] */
	uint64_t n_rows, capacity;
} frontend;

vita_status frontend_open(frontend *f, const vita_host *host, const frontend_config *config, vita_error *err);
void frontend_close(frontend *f);

/* n samples, full scale ±1, finite; last = 1 ends the recording. */
vita_status frontend_push(frontend *f, const float *pcm, uint64_t n, int last, vita_error *err);

#endif
