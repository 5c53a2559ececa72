/* SPDX-License-Identifier: MIT
 *
 * Griffin and Lim's algorithm on a stream of frames; see griffin_lim.h.
 */
#include "griffin_lim.h"

#include "plugin_memory.h"

#include <math.h>

#define TINY 1e-12f /* magnitudes below have no phase */

vita_status griffin_lim_open(griffin_lim *g, const vita_host *host, const griffin_lim_params *params,
			     const float *window, vita_error *err)
{
	memset(g, 0, sizeof *g);
	g->host = host;
	g->p = *params;
	g->n_bins = params->n_fft / 2 + 1;
	g->random = 1;
	vita_status status = stft_open(&g->stft, host, params->n_fft, window, params->length, err);
	if (status == VITA_OK) status = real_fft_open(host, params->n_fft, 1, &g->inverse, err);
	if (status != VITA_OK) return status;
	uint64_t frames = (uint64_t)params->held + params->most, bins = frames * g->n_bins;
	uint64_t samples = frames * params->hop + params->length;
	g->window = host_zeroed(host, params->length, sizeof(float));
	g->padded = host_zeroed(host, params->n_fft, sizeof(float));
	g->scratch = host_zeroed(host, 2 * (uint64_t)g->n_bins, sizeof(float));
	g->magnitude = host_zeroed(host, bins, sizeof(float));
	g->spectrum = host_zeroed(host, 2 * bins, sizeof(float));
	g->before = host_zeroed(host, 2 * bins, sizeof(float));
	g->sum = host_zeroed(host, samples, sizeof(float));
	g->weight = host_zeroed(host, samples, sizeof(float));
	g->signal = host_zeroed(host, samples, sizeof(float));
	g->norm = host_zeroed(host, samples, sizeof(float));
	if (!g->window || !g->padded || !g->scratch || !g->magnitude || !g->spectrum || !g->before ||
	    !g->sum || !g->weight || !g->signal || !g->norm)
		return vita_fail(err, VITA_E_NOMEM, "no memory for %llu frames of sound",
				 (unsigned long long)frames);
	memcpy(g->window, window, params->length * sizeof *window);
	return VITA_OK;
}

void griffin_lim_close(griffin_lim *g)
{
	if (!g->host) return;
	stft_close(&g->stft);
	real_fft_close(g->inverse);
	float *const memory[] = {g->window, g->padded, g->scratch, g->magnitude, g->spectrum,
				 g->before, g->sum,    g->weight,  g->signal,    g->norm};
	for (size_t i = 0; i < sizeof memory / sizeof memory[0]; i++)
		host_release(g->host, memory[i]);
	memset(g, 0, sizeof *g);
}

/* ---- frames and the signal ------------------------------------------------------------------------- */

/* A phase where there is none: anything, but the same in every run (Marsaglia 2003, "Xorshift RNGs"). */
static float random_angle(griffin_lim *g)
{
	g->random ^= g->random << 13;
	g->random ^= g->random >> 17;
	g->random ^= g->random << 5;
	return (float)g->random * (float)(6.283185307179586 / 4294967296.0);
}

/* Frame t with its magnitudes and its estimate's phases, added where it lies in the signal. */
static void add_frame(griffin_lim *g, uint32_t t)
{
	const float *magnitude = g->magnitude + (uint64_t)t * g->n_bins;
	const float *estimate = g->spectrum + 2 * (uint64_t)t * g->n_bins;
	float *signal = g->signal + (uint64_t)t * g->p.hop, *norm = g->norm + (uint64_t)t * g->p.hop;
	for (uint32_t k = 0; k < g->n_bins; k++) {
		float re = estimate[2 * k], im = estimate[2 * k + 1], size = sqrtf(re * re + im * im);
		float scale = size > TINY ? magnitude[k] / size : 0;
		g->scratch[2 * k] = re * scale;
		g->scratch[2 * k + 1] = im * scale;
	}
	real_fft_inverse(g->inverse, g->scratch, g->padded);
	for (uint32_t i = 0; i < g->p.length; i++) {
		signal[i] += g->window[i] * g->padded[i];
		norm[i] += g->window[i] * g->window[i];
	}
}

/* The signal as far as frames that are out determine it; add_frame adds the others. */
static void begin_signal(griffin_lim *g)
{
	uint64_t samples = (uint64_t)g->n * g->p.hop + g->p.length;
	memset(g->signal, 0, samples * sizeof *g->signal);
	memset(g->norm, 0, samples * sizeof *g->norm);
	memcpy(g->signal, g->sum, g->p.length * sizeof *g->sum);
	memcpy(g->norm, g->weight, g->p.length * sizeof *g->weight);
}

/* From sums to the signal that is nearest to all frames in the sense of least squares. */
static void end_signal(griffin_lim *g)
{
	uint64_t samples = (uint64_t)g->n * g->p.hop + g->p.length;
	for (uint64_t i = 0; i < samples; i++)
		g->signal[i] = g->norm[i] > 1e-8f ? g->signal[i] / g->norm[i] : 0;
}

/* New frames begin with the phases of what overlaps with them from before (Beauregard, Zhu and Wyse 2005,
 * "An Efficient Algorithm for Real-Time Spectrogram Inversion"). */
static void begin_phases(griffin_lim *g, uint32_t first)
{
	begin_signal(g);
	for (uint32_t t = 0; t < g->n; t++) {
		float *estimate = g->spectrum + 2 * (uint64_t)t * g->n_bins;
		if (t >= first) {
			stft_spectrum(&g->stft, g->signal + (uint64_t)t * g->p.hop, estimate);
			for (uint32_t k = 0; k < g->n_bins; k++) {
				float re = estimate[2 * k], im = estimate[2 * k + 1];
				if (re * re + im * im > TINY) continue;
				float angle = random_angle(g);
				estimate[2 * k] = cosf(angle);
				estimate[2 * k + 1] = sinf(angle);
			}
			memcpy(g->before + 2 * (uint64_t)t * g->n_bins, estimate,
			       2 * (uint64_t)g->n_bins * sizeof *estimate);
		}
		add_frame(g, t);
	}
}

static void iterate(griffin_lim *g)
{
	float momentum = (float)g->p.momentum;
	begin_signal(g);
	for (uint32_t t = 0; t < g->n; t++)
		add_frame(g, t);
	end_signal(g);
	for (uint32_t t = 0; t < g->n; t++) {
		float *estimate = g->spectrum + 2 * (uint64_t)t * g->n_bins;
		float *before = g->before + 2 * (uint64_t)t * g->n_bins;
		stft_spectrum(&g->stft, g->signal + (uint64_t)t * g->p.hop, g->scratch);
		for (uint32_t k = 0; k < 2 * g->n_bins; k++) {
			float now = g->scratch[k];
			estimate[k] = now + momentum * (now - before[k]);
			before[k] = now;
		}
	}
}

/* ---- in and out ------------------------------------------------------------------------------------ */

/* The first n frames are final: their samples go out, what they leave for the next frame is kept. */
static uint32_t leave(griffin_lim *g, uint32_t n, float *pcm)
{
	uint32_t all = g->n, rest = all - n;
	uint64_t out = (uint64_t)n * g->p.hop, bins = g->n_bins;
	g->n = n;
	begin_signal(g);
	for (uint32_t t = 0; t < n; t++)
		add_frame(g, t);
	memcpy(g->sum, g->signal + out, g->p.length * sizeof *g->sum);
	memcpy(g->weight, g->norm + out, g->p.length * sizeof *g->weight);
	for (uint64_t i = 0; i < out; i++)
		pcm[i] = g->norm[i] > 1e-8f ? g->signal[i] / g->norm[i] : 0;
	memmove(g->magnitude, g->magnitude + n * bins, rest * bins * sizeof *g->magnitude);
	memmove(g->spectrum, g->spectrum + 2 * n * bins, 2 * rest * bins * sizeof *g->spectrum);
	memmove(g->before, g->before + 2 * n * bins, 2 * rest * bins * sizeof *g->before);
	g->n = rest;
	return (uint32_t)out;
}

uint32_t griffin_lim_push(griffin_lim *g, const float *magnitudes, uint32_t n, int32_t last, float *pcm)
{
	uint32_t first = g->n, held = last ? 0 : g->p.held;
	if (n > 0)
		memcpy(g->magnitude + (uint64_t)first * g->n_bins, magnitudes,
		       (uint64_t)n * g->n_bins * sizeof *magnitudes);
	g->n += n;
	begin_phases(g, first);
	if (g->n <= held) return 0;
	for (uint32_t i = 0; i < g->p.iterations; i++)
		iterate(g);
	return leave(g, g->n - held, pcm);
}

uint32_t griffin_lim_rest(const griffin_lim *g, float *pcm)
{
	uint32_t n = g->p.length - g->p.hop;
	for (uint32_t i = 0; i < n; i++)
		pcm[i] = g->weight[i] > 1e-8f ? g->sum[i] / g->weight[i] : 0;
	return n;
}
