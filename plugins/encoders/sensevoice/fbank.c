/* SPDX-License-Identifier: MIT
 *
 * Kaldi's filter banks; see fbank.h.
 */
#include "fbank.h"

#include "mel_bank.h"
#include "plugin_memory.h"
#include "stft.h"

#include <math.h>

#define LOW_HZ 20.0
#define PREEMPHASIS 0.97f
#define SMALLEST 1.1920929e-07f /* the least energy whose logarithm is taken */
#define MAX_FFT 512

struct fbank {
	const vita_host *host;
	uint32_t window;
	stft stft;
	mel_bank mel;
};

static vita_status open_parts(fbank *bank, vita_error *err)
{
	float hamming[FBANK_WINDOW];
	uint32_t n_fft = 2;
	while (n_fft < bank->window)
		n_fft *= 2;
	const mel_bank_params params = {MEL_HTK, MEL_BANK_F_IN_MEL,  FBANK_BANDS, n_fft, FBANK_RATE_HZ,
					LOW_HZ,  FBANK_RATE_HZ / 2.0};
	window_fill(WINDOW_HAMMING, bank->window - 1, hamming, bank->window);
	vita_status status = stft_open(&bank->stft, bank->host, n_fft, hamming, bank->window, err);
	return status == VITA_OK ? mel_bank_open(&bank->mel, bank->host, &params, err) : status;
}

vita_status fbank_create(const vita_host *host, uint32_t window, fbank **out, vita_error *err)
{
	*out = NULL;
	fbank *bank = host_zeroed(host, 1, sizeof *bank);
	if (!bank) return vita_fail(err, VITA_E_NOMEM, "no memory for filter banks");
	bank->host = host;
	bank->window = window;
	vita_status status = open_parts(bank, err);
	if (status == VITA_OK)
		*out = bank;
	else
		fbank_destroy(bank);
	return status;
}

void fbank_destroy(fbank *bank)
{
	if (!bank) return;
	stft_close(&bank->stft);
	mel_bank_close(&bank->mel);
	host_release(bank->host, bank);
}

void fbank_frame(fbank *bank, const float *samples, float *bands)
{
	double sum = 0;
	float frame[FBANK_WINDOW], power[MAX_FFT / 2 + 1];
	for (uint32_t i = 0; i < bank->window; i++)
		sum += samples[i];
	float mean = (float)(sum / bank->window);
	float before = samples[0] - mean; /* the first sample stands for its own predecessor */
	for (uint32_t i = 0; i < bank->window; i++) {
		float x = samples[i] - mean;
		frame[i] = x - PREEMPHASIS * before;
		before = x;
	}
	stft_power(&bank->stft, frame, power);
	mel_bank_apply(&bank->mel, power, bands);
	for (uint32_t b = 0; b < FBANK_BANDS; b++)
		bands[b] = logf(bands[b] > SMALLEST ? bands[b] : SMALLEST);
}
