/* SPDX-License-Identifier: MIT
 *
 * The vocoder's source: a fundamental and its harmonics that follow f0, with noise, and its short-time spectrum; and the
 * way back from the spectrum that the vocoder makes of it to samples. Small enough to be done on the host.
 *
 * Wang, Takaki and Yamagishi 2019, "Neural source-filter waveform models"; Kaneko et al. 2022, "iSTFTNet".
 */
#ifndef FLOW_HIFT_SOURCE_H
#define FLOW_HIFT_SOURCE_H

#include "config.h"
#include "noise.h"

/* Where the harmonics are: phases in turns, so that a long speech loses nothing. (The reference rounds the turns since the
 * beginning to f32, a thousandth of a turn after ten seconds.) Plain data; a copy is a fork. */
typedef struct source_state {
	double turns[MOST_SINES];
} source_state;

/* The layer that mixes the harmonics, [n_sines] and one. */
typedef struct source_mix {
	const float *weight;
	float bias;
} source_mix;

/* f0 [n_frames] in Hz and noise g [n_sines, n_frames · frame_samples] to source [n_frames · frame_samples]. */
void source_make(const hift_config *c, const source_mix *mix, source_state *s, const float *phase, const float *f0,
                 const float *g, int64_t n_frames, float *source);

/* Tables for both directions of the transform. */
typedef struct short_fourier {
	const vita_host *host;
	int64_t n_fft, hop, bins;
	float *window, *cosine, *sine; /* [n_fft], [bins, n_fft] each */
} short_fourier;

vita_status short_fourier_open(short_fourier *t, const vita_host *host, int64_t n_fft, int64_t hop, vita_error *err);
void short_fourier_close(short_fourier *t); /* also of a zeroed one */

/* x [n], n a multiple of hop and longer than n_fft / 2, mirrored at its ends, to [2 bins, n / hop + 1]: real parts, then
 * imaginary parts. */
void short_fourier_forward(const short_fourier *t, const float *x, int64_t n, float *spectrum);

/* Rows of log magnitudes, then rows of which the sine is the phase, [2 bins, n / hop + 1], to x [n]. sums [n + n_fft] is
 * working memory. */
void short_fourier_back(const short_fourier *t, const float *rows, int64_t n, float *sums, float *x);

#endif
