/* SPDX-License-Identifier: MIT
 *
 * Mel filter banks: triangles that overlap by half, equally wide on a scale of pitch. Computed in double.
 */
#ifndef COMMON_MEL_BANK_H
#define COMMON_MEL_BANK_H

#include <vita/host.h>

/* Stevens, Volkmann and Newman's scale of pitch, in two approximations. */
#define MEL_HTK 0u    /* 2595 log10(1 + f/700): HTK, Kaldi */
#define MEL_SLANEY 1u /* linear below 1 kHz, logarithmic above: Slaney's Auditory Toolbox, librosa, Whisper */

#define MEL_BANK_F_AREA 1u   /* each triangle has the area 1 over Hz ("norm=slaney"); else the height 1 */
#define MEL_BANK_F_IN_MEL 2u /* sides are straight over mel (Kaldi); else over Hz */

typedef struct mel_bank_params {
	uint32_t scale, flags;
	uint32_t n_bands, n_fft;
	double rate_hz, low_hz, high_hz; /* 0 <= low < high <= rate/2 */
} mel_bank_params;

typedef struct mel_band {
	uint32_t first, count; /* bins */
	const float *weights;  /* [count] */
} mel_band;

typedef struct mel_bank {
	const vita_host *host;
	mel_band *bands;
	float *weights;
	uint32_t n_bands;
} mel_bank;

/* OK | E_INVALID | E_NOMEM */
vita_status mel_bank_open(mel_bank *bank, const vita_host *host, const mel_bank_params *params,
			  vita_error *err);
void mel_bank_close(mel_bank *bank); /* also of a zeroed one */

/* spectrum [n_fft/2 + 1] (power or magnitude) to mel [n_bands]. */
void mel_bank_apply(const mel_bank *bank, const float *spectrum, float *mel);

#endif
