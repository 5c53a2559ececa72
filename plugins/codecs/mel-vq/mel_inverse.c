/* SPDX-License-Identifier: MIT
 *
 * From mel bands back to a spectrum of magnitudes.
 */
#include "mel_vq.h"

#define UPDATES 10
#define LEAST 1e-8f

vita_status mel_inverse_open(mel_inverse *m, const vita_host *host, const mel_bank *bank, uint32_t n_fft,
			     vita_error *err)
{
	memset(m, 0, sizeof *m);
	m->host = host;
	m->bank = bank;
	m->n_bins = n_fft / 2 + 1;
	m->reach = host_zeroed(host, m->n_bins, sizeof *m->reach);
	m->ratio = host_zeroed(host, m->n_bins, sizeof *m->ratio);
	if (!m->reach || !m->ratio) return vita_fail(err, VITA_E_NOMEM, "mel-vq: out of memory");
	for (uint32_t b = 0; b < bank->n_bands; b++)
		for (uint32_t i = 0; i < bank->bands[b].count; i++)
			m->reach[bank->bands[b].first + i] += bank->bands[b].weights[i];
	return VITA_OK;
}

void mel_inverse_close(mel_inverse *m)
{
	if (!m->host) return;
	host_release(m->host, m->reach);
	host_release(m->host, m->ratio);
	memset(m, 0, sizeof *m);
}

/* The multiplicative updates of Lee and Seung 2001, "Algorithms for Non-negative Matrix Factorization", for the
 * divergence, with the bank fixed. From ones, the first update gives each bin the mean of its bands' averages;
 * bins outside of all bands become zero. */
void mel_inverse_apply(mel_inverse *m, const float *mel, float *magnitude)
{
	for (uint32_t k = 0; k < m->n_bins; k++)
		magnitude[k] = 1;
	for (uint32_t update = 0; update < UPDATES; update++) {
		memset(m->ratio, 0, m->n_bins * sizeof *m->ratio);
		for (uint32_t b = 0; b < m->bank->n_bands; b++) {
			const mel_band *band = &m->bank->bands[b];
			float sum = LEAST;
			for (uint32_t i = 0; i < band->count; i++)
				sum += band->weights[i] * magnitude[band->first + i];
			for (uint32_t i = 0; i < band->count; i++)
				m->ratio[band->first + i] += band->weights[i] * (mel[b] / sum);
		}
		for (uint32_t k = 0; k < m->n_bins; k++)
			magnitude[k] *= m->reach[k] > 0 ? m->ratio[k] / m->reach[k] : 0;
	}
}
