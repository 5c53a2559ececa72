/* SPDX-License-Identifier: MIT
 *
 * What the encoder and the codec mel-vq share: how config.json says that sound becomes rows of log mel values.
 */
#ifndef COMMON_MEL_VQ_FRONT_H
#define COMMON_MEL_VQ_FRONT_H

#include "mel_bank.h"

typedef struct mel_vq_front {
	uint32_t sample_rate;        /* Hz */
	uint32_t n_fft, window, hop; /* samples; window <= n_fft, hop <= window / 2 */
	uint32_t bands, stack;       /* values of a row; rows of a token */
	double low_hz, high_hz;      /* of the mel bank: triangles of height 1, spaced in HTK's mel */
} mel_vq_front;

/* OK | E_FORMAT, with a sentence that names the file and the key */
vita_status mel_vq_front_read(const vita_host *host, const vita_model *model, mel_vq_front *out,
			      vita_error *err);

/* One required key of config.json.  OK | E_FORMAT */
vita_status mel_vq_int(const vita_host *host, const vita_model *model, const char *key, int64_t min,
		       int64_t max, uint32_t *out, vita_error *err);
vita_status mel_vq_float(const vita_host *host, const vita_model *model, const char *key, double min,
			 double max, double *out, vita_error *err);

vita_status mel_vq_bank_open(const mel_vq_front *front, const vita_host *host, mel_bank *out,
			     vita_error *err);

/* Periodic Hann window, [window] values. */
void mel_vq_window(const mel_vq_front *front, float *out);

#endif
