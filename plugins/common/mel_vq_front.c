/* SPDX-License-Identifier: MIT
 *
 * The front end of mel-vq; see mel_vq_front.h.
 */
#include "mel_vq_front.h"

#include "stft.h"

vita_status mel_vq_int(const vita_host *host, const vita_model *model, const char *key, int64_t min,
		       int64_t max, uint32_t *out, vita_error *err)
{
	int64_t value = 0;
	vita_status status =
		host->model_get_int(host->context, model, VITA_CONFIG_MODEL, key, min, max, &value, err);
	*out = (uint32_t)value;
	if (status != VITA_E_NOTFOUND) return status;
	return vita_fail(err, VITA_E_FORMAT, "%s: config.json lacks \"%s\", an integer from %lld to %lld",
			 host->model_path(host->context, model), key, (long long)min, (long long)max);
}

vita_status mel_vq_float(const vita_host *host, const vita_model *model, const char *key, double min,
			 double max, double *out, vita_error *err)
{
	double value = min;
	vita_status status = host->model_get_float(host->context, model, VITA_CONFIG_MODEL, key, &value, err);
	*out = value;
	if (status != VITA_OK && status != VITA_E_NOTFOUND) return status;
	if (status == VITA_OK && value >= min && value <= max) return VITA_OK;
	return vita_fail(err, VITA_E_FORMAT, "%s: config.json: \"%s\" %s, expected a number from %g to %g",
			 host->model_path(host->context, model), key,
			 status == VITA_OK ? "is out of range" : "is missing", min, max);
}

vita_status mel_vq_front_read(const vita_host *host, const vita_model *model, mel_vq_front *out,
			      vita_error *err)
{
	vita_status status = mel_vq_int(host, model, "sample_rate", 1000, 192000, &out->sample_rate, err);
	if (status == VITA_OK) status = mel_vq_int(host, model, "n_fft", 16, 65536, &out->n_fft, err);
	if (status == VITA_OK) status = mel_vq_int(host, model, "window", 8, out->n_fft, &out->window, err);
	if (status == VITA_OK) status = mel_vq_int(host, model, "hop", 1, out->window / 2, &out->hop, err);
	if (status == VITA_OK) status = mel_vq_int(host, model, "bands", 1, 1024, &out->bands, err);
	if (status == VITA_OK) status = mel_vq_int(host, model, "stack", 1, 64, &out->stack, err);
	double most = out->sample_rate / 2.0;
	if (status == VITA_OK) status = mel_vq_float(host, model, "low_hz", 0, most, &out->low_hz, err);
	if (status == VITA_OK)
		status = mel_vq_float(host, model, "high_hz", out->low_hz + 1, most, &out->high_hz, err);
	if (status == VITA_OK && out->n_fft % 2)
		return vita_fail(err, VITA_E_FORMAT,
				 "%s: config.json: \"n_fft\" is %u, expected an even number",
				 host->model_path(host->context, model), out->n_fft);
	return status;
}

vita_status mel_vq_bank_open(const mel_vq_front *front, const vita_host *host, mel_bank *out, vita_error *err)
{
	const mel_bank_params p = {.scale = MEL_HTK,
				   .n_bands = front->bands,
				   .n_fft = front->n_fft,
				   .rate_hz = front->sample_rate,
				   .low_hz = front->low_hz,
				   .high_hz = front->high_hz};
	return mel_bank_open(out, host, &p, err);
}

void mel_vq_window(const mel_vq_front *front, float *out)
{
	window_fill(WINDOW_HANN, front->window, out, front->window);
}
