/* SPDX-License-Identifier: MIT
 *
 * Sound from magnitudes alone, as they come: Griffin and Lim 1984, "Signal Estimation from Modified Short-Time
 * Fourier Transform", with the momentum of Perraudin, Balazs and Søndergaard 2013, "A Fast Griffin-Lim
 * Algorithm", over the frames that are not out yet.
 *
 * The newest frames stay back until more have come. Frames that are out keep their phases and still overlap with
 * those that are not; so a new chunk continues the old one's waves, and there is no seam to be heard.
 */
#ifndef MEL_VQ_GRIFFIN_LIM_H
#define MEL_VQ_GRIFFIN_LIM_H

#include "stft.h"

typedef struct griffin_lim_params {
	uint32_t n_fft, length, hop; /* samples; hop <= length / 2, length <= n_fft */
	uint32_t iterations;
	uint32_t held;   /* frames that stay back */
	uint32_t most;   /* frames of a push at most */
	double momentum; /* 0: Griffin and Lim's own */
} griffin_lim_params;

typedef struct griffin_lim {
	const vita_host *host;
	griffin_lim_params p;
	uint32_t n_bins;
	stft stft;
	real_fft *inverse;
	float *window;            /* [length] */
	float *padded;            /* [n_fft] */
	float *scratch;           /* [n_bins][2] */
	uint32_t n;               /* frames that are not out */
	float *magnitude;         /* [held + most][n_bins] */
	float *spectrum, *before; /* [held + most][n_bins][2]: estimates of this and the last iteration */
	float *sum, *weight;      /* what frames that are out left for the samples of the next */
	float *signal, *norm;     /* [(held + most) hop + length] */
	uint32_t random;
} griffin_lim;

/* window [length]; copied.  OK | E_INVALID | E_NOMEM; to be closed in any case */
vita_status griffin_lim_open(griffin_lim *g, const vita_host *host, const griffin_lim_params *params,
			     const float *window, vita_error *err);
void griffin_lim_close(griffin_lim *g); /* also of a zeroed one */

/* Takes in n frames of magnitudes [n][n_fft/2 + 1], n at most `most`, and writes the samples that are final by that:
 * hop for each frame that leaves, which are all of them with last = 1. Returns how many. pcm has room for
 * (held + most) · hop samples. The first sample is that with which the first frame begins. */
uint32_t griffin_lim_push(griffin_lim *g, const float *magnitudes, uint32_t n, int32_t last, float *pcm);

/* What the last frame leaves behind its hop, length - hop samples, after a push with last = 1. Returns how many. */
uint32_t griffin_lim_rest(const griffin_lim *g, float *pcm);

#endif
