/* SPDX-License-Identifier: MIT
 *
 * Fourier transforms of real signals; see real_fft.h.
 */
#include "real_fft.h"

#include "plugin_memory.h"

#include <kiss_fftr.h>

#define MOST_VALUES (1u << 20)

struct real_fft {
	const vita_host *host;
	kiss_fftr_cfg plan; /* lies in `memory` */
	void *memory;
	kiss_fft_cpx *bins; /* [n/2 + 1], inverse only */
	uint32_t n;
};

static vita_status open_plan(real_fft *fft, int inverse, vita_error *err)
{
	size_t size = 0;
	(void)kiss_fftr_alloc((int)fft->n, inverse, NULL, &size);
	fft->memory = size ? host_zeroed(fft->host, size, 1) : NULL;
	if (fft->memory) fft->plan = kiss_fftr_alloc((int)fft->n, inverse, fft->memory, &size);
	if (fft->plan && inverse) fft->bins = host_zeroed(fft->host, fft->n / 2 + 1, sizeof *fft->bins);
	if (fft->plan && (fft->bins || !inverse)) return VITA_OK;
	return vita_fail(err, VITA_E_NOMEM, "no memory for Fourier transforms of %u values",
			 (unsigned)fft->n);
}

vita_status real_fft_open(const vita_host *host, uint32_t n, int inverse, real_fft **out, vita_error *err)
{
	*out = NULL;
	if (n < 2 || n % 2 != 0 || n > MOST_VALUES)
		return vita_fail(err, VITA_E_INVALID,
				 "a Fourier transform of %u values was asked for; an even number from 2 to "
				 "%u can be had",
				 (unsigned)n, MOST_VALUES);
	real_fft *fft = host_zeroed(host, 1, sizeof *fft);
	if (!fft) return vita_fail(err, VITA_E_NOMEM, "no memory for a Fourier transform");
	fft->host = host;
	fft->n = n;
	vita_status status = open_plan(fft, inverse != 0, err);
	if (status == VITA_OK)
		*out = fft;
	else
		real_fft_close(fft);
	return status;
}

void real_fft_close(real_fft *fft)
{
	if (!fft) return;
	host_release(fft->host, fft->memory);
	host_release(fft->host, fft->bins);
	host_release(fft->host, fft);
}

void real_fft_forward(real_fft *fft, const float *x, float *spectrum)
{
	/* kiss_fft_cpx is two floats. */
	kiss_fftr(fft->plan, x, (kiss_fft_cpx *)(void *)spectrum);
}

void real_fft_inverse(real_fft *fft, const float *spectrum, float *x)
{
	const uint32_t last = fft->n / 2;
	const float scale = 1.0f / (float)fft->n;
	for (uint32_t k = 0; k <= last; k++) {
		fft->bins[k].r = spectrum[2 * k] * scale;
		fft->bins[k].i = spectrum[2 * k + 1] * scale;
	}
	fft->bins[0].i = fft->bins[last].i = 0;
	kiss_fftri(fft->plan, fft->bins, x);
}
