/* SPDX-License-Identifier: MIT
 *
 * Mel filter banks; see mel_bank.h.
 */
#include "mel_bank.h"

#include "plugin_memory.h"

#include <math.h>

/* ---- scales ---------------------------------------------------------------------------------------- */

#define SLANEY_HZ 1000.0                      /* where it bends, */
#define SLANEY_MEL 15.0                       /* and the mel there */
#define SLANEY_STEP (1.8562979903656263 / 27) /* ln(6.4) / 27 */

static double to_mel(uint32_t scale, double hz)
{
	if (scale == MEL_HTK) return 2595 * log10(1 + hz / 700);
	return hz < SLANEY_HZ ? hz * 3 / 200 : SLANEY_MEL + log(hz / SLANEY_HZ) / SLANEY_STEP;
}

static double to_hz(uint32_t scale, double mel)
{
	if (scale == MEL_HTK) return 700 * (pow(10, mel / 2595) - 1);
	return mel < SLANEY_MEL ? mel * 200 / 3 : SLANEY_HZ * exp((mel - SLANEY_MEL) * SLANEY_STEP);
}

/* ---- triangles ------------------------------------------------------------------------------------- */

typedef struct triangle {
	double left, centre, right; /* Hz, or mel where the sides are straight over mel */
	double height;
} triangle;

static triangle triangle_of(const mel_bank_params *p, uint32_t band)
{
	double low = to_mel(p->scale, p->low_hz), high = to_mel(p->scale, p->high_hz);
	double edge[3];
	for (uint32_t i = 0; i < 3; i++) {
		edge[i] = low + (high - low) * (band + i) / (p->n_bands + 1);
		if (!(p->flags & MEL_BANK_F_IN_MEL)) edge[i] = to_hz(p->scale, edge[i]);
	}
	triangle t = {edge[0], edge[1], edge[2], 1};
	if (p->flags & MEL_BANK_F_AREA) t.height = 2 / (edge[2] - edge[0]);
	return t;
}

static float weight_at(const mel_bank_params *p, const triangle *t, uint32_t bin)
{
	double x = p->rate_hz * bin / p->n_fft;
	if (p->flags & MEL_BANK_F_IN_MEL) x = to_mel(p->scale, x);
	double up = (x - t->left) / (t->centre - t->left), down = (t->right - x) / (t->right - t->centre);
	return (float)(fmax(0, fmin(up, down)) * t->height);
}

/* Appends a band's weights, from the first bin that counts to the last, and returns how many. */
static uint32_t fill_band(const mel_bank_params *p, uint32_t index, mel_band *band, float *weights)
{
	triangle t = triangle_of(p, index);
	uint32_t n = 0, n_bins = p->n_fft / 2 + 1;
	for (uint32_t k = 0; k < n_bins; k++) {
		float weight = weight_at(p, &t, k);
		if (weight > 0) {
			if (n == 0) band->first = k;
			weights[n++] = weight;
		} else if (n > 0)
			break;
	}
	band->count = n;
	band->weights = weights;
	return n;
}

/* ---- the bank -------------------------------------------------------------------------------------- */

vita_status mel_bank_open(mel_bank *bank, const vita_host *host, const mel_bank_params *p, vita_error *err)
{
	memset(bank, 0, sizeof *bank);
	bank->host = host;
	if (p->n_bands < 1 || p->n_bands > 4096 || p->n_fft < 2 || p->n_fft > 1u << 20 ||
	    p->scale > MEL_SLANEY ||
	    !(p->low_hz >= 0 && p->low_hz < p->high_hz && p->high_hz <= p->rate_hz / 2))
		return vita_fail(err, VITA_E_INVALID,
				 "a bank of %u mel filters from %g to %g Hz was asked for, on spectra of %u "
				 "values at %g Hz",
				 (unsigned)p->n_bands, p->low_hz, p->high_hz, (unsigned)p->n_fft, p->rate_hz);
	bank->n_bands = p->n_bands;
	bank->bands = host_zeroed(host, p->n_bands, sizeof *bank->bands);
	/* A bin lies below at most two triangles. */
	bank->weights = host_zeroed(host, 2 * ((uint64_t)p->n_fft / 2 + 1), sizeof *bank->weights);
	if (!bank->bands || !bank->weights) {
		mel_bank_close(bank);
		return vita_fail(err, VITA_E_NOMEM, "no memory for %u mel filters", (unsigned)p->n_bands);
	}
	uint64_t n = 0;
	for (uint32_t b = 0; b < p->n_bands; b++)
		n += fill_band(p, b, &bank->bands[b], bank->weights + n);
	return VITA_OK;
}

void mel_bank_close(mel_bank *bank)
{
	host_release(bank->host, bank->bands);
	host_release(bank->host, bank->weights);
	memset(bank, 0, sizeof *bank);
}

void mel_bank_apply(const mel_bank *bank, const float *spectrum, float *mel)
{
	for (uint32_t b = 0; b < bank->n_bands; b++) {
		const mel_band *band = &bank->bands[b];
		double sum = 0;
		for (uint32_t i = 0; i < band->count; i++)
			sum += (double)band->weights[i] * spectrum[band->first + i];
		mel[b] = (float)sum;
	}
}
