/* SPDX-License-Identifier: MIT
 *
 * Source and spectra of the vocoder; see source.h.
 */
#include "source.h"

#include "plugin_memory.h"

#include <math.h>

#define PI 3.14159265358979323846

/* ---- harmonics ------------------------------------------------------------------------------------- */

/* f0 holds for a whole frame, so the phase is linear in it. The step is rounded as the reference rounds it. */
static void make_frame(const hift_config *c, const source_mix *mix, source_state *s, const float *phase, float f0,
                       const float *g, int64_t g_row, float *out)
{
	const int64_t n = c->frame_samples, n_sines = c->harmonics + 1;
	const int voiced = f0 > c->threshold_hz;
	const float amplitude = (float)(voiced ? c->sigma : c->alpha / 3);
	for (int64_t i = 0; i < n; i++) out[i] = mix->bias;
	for (int64_t k = 0; k < n_sines; k++) {
		const float weight = mix->weight[k], tone = (float)c->alpha * weight;
		const double step = f0 * (float)(k + 1) / (float)c->sample_rate;
		const double start = s->turns[k];
		for (int64_t i = 0; i < n; i++) out[i] += weight * amplitude * g[k * g_row + i];
		for (int64_t i = 0; voiced && i < n; i++) {
			double turns = start + step * (double)(i + 1);
			turns -= floor(turns);
			out[i] += tone * sinf((float)(2 * PI) * (float)turns + phase[k]);
		}
		const double end = start + step * (double)n;
		s->turns[k] = end - floor(end);
	}
	for (int64_t i = 0; i < n; i++) out[i] = tanhf(out[i]);
}

void source_make(const hift_config *c, const source_mix *mix, source_state *s, const float *phase, const float *f0,
                 const float *g, int64_t n_frames, float *source)
{
	const int64_t n = c->frame_samples;
	for (int64_t t = 0; t < n_frames; t++)
		make_frame(c, mix, s, phase, f0[t], g + t * n, n_frames * n, source + t * n);
}

/* ---- spectra --------------------------------------------------------------------------------------- */

vita_status short_fourier_open(short_fourier *t, const vita_host *host, int64_t n_fft, int64_t hop, vita_error *err)
{
	*t = (short_fourier){ .host = host, .n_fft = n_fft, .hop = hop, .bins = n_fft / 2 + 1 };
	t->window = host_zeroed(host, (uint64_t)n_fft, sizeof(float));
	t->cosine = host_zeroed(host, (uint64_t)(t->bins * n_fft), sizeof(float));
	t->sine = host_zeroed(host, (uint64_t)(t->bins * n_fft), sizeof(float));
	if (!t->window || !t->cosine || !t->sine) return vita_fail(err, VITA_E_NOMEM, "flow-hift: no memory for a transform of %lld",
	                                                           (long long)n_fft);
	for (int64_t i = 0; i < n_fft; i++) {
		t->window[i] = (float)(0.5 - 0.5 * cos(2 * PI * (double)i / (double)n_fft)); /* Hann, periodic */
		for (int64_t b = 0; b < t->bins; b++) {
			const double angle = 2 * PI * (double)(b * i % n_fft) / (double)n_fft;
			t->cosine[b * n_fft + i] = (float)cos(angle);
			t->sine[b * n_fft + i] = (float)sin(angle);
		}
	}
	return VITA_OK;
}

void short_fourier_close(short_fourier *t)
{
	if (!t->host) return;
	host_release(t->host, t->window);
	host_release(t->host, t->cosine);
	host_release(t->host, t->sine);
	memset(t, 0, sizeof *t);
}

static int64_t mirrored(int64_t i, int64_t n)
{
	if (i < 0) i = -i;
	return i < n ? i : 2 * (n - 1) - i;
}

void short_fourier_forward(const short_fourier *t, const float *x, int64_t n, float *spectrum)
{
	const int64_t frames = n / t->hop + 1, half = t->n_fft / 2;
	float frame[1024];
	for (int64_t f = 0; f < frames; f++) {
		for (int64_t i = 0; i < t->n_fft; i++) frame[i] = t->window[i] * x[mirrored(f * t->hop + i - half, n)];
		for (int64_t b = 0; b < t->bins; b++) {
			const float *cosine = t->cosine + b * t->n_fft, *sine = t->sine + b * t->n_fft;
			float real = 0, imaginary = 0;
			for (int64_t i = 0; i < t->n_fft; i++) {
				real += frame[i] * cosine[i];
				imaginary -= frame[i] * sine[i];
			}
			spectrum[b * frames + f] = real;
			spectrum[(t->bins + b) * frames + f] = imaginary;
		}
	}
}

/* A frame's samples, windowed. Bins 0 and n/2 stand once in the spectrum of a real signal, the others twice. */
static void transform_back(const short_fourier *t, const float *real, const float *imaginary, float *out)
{
	for (int64_t i = 0; i < t->n_fft; i++) out[i] = 0;
	for (int64_t b = 0; b < t->bins; b++) {
		const int single = b == 0 || b == t->bins - 1;
		const float re = real[b] * (single ? 1.0f : 2.0f), im = single ? 0 : 2 * imaginary[b];
		const float *cosine = t->cosine + b * t->n_fft, *sine = t->sine + b * t->n_fft;
		for (int64_t i = 0; i < t->n_fft; i++) out[i] += re * cosine[i] - im * sine[i];
	}
	for (int64_t i = 0; i < t->n_fft; i++) out[i] *= t->window[i] / (float)t->n_fft;
}

/* What the overlapping squared windows add up to at sample i of all. */
static float envelope(const short_fourier *t, int64_t i, int64_t frames)
{
	float sum = 0;
	for (int64_t f = i / t->hop; f >= 0 && f * t->hop > i - t->n_fft; f--)
		if (f < frames) sum += t->window[i - f * t->hop] * t->window[i - f * t->hop];
	return sum;
}

void short_fourier_back(const short_fourier *t, const float *rows, int64_t n, float *sums, float *x)
{
	const int64_t frames = n / t->hop + 1, half = t->n_fft / 2;
	float real[513], imaginary[513], out[1024];
	memset(sums, 0, (size_t)(n + t->n_fft) * sizeof *sums);
	for (int64_t f = 0; f < frames; f++) {
		for (int64_t b = 0; b < t->bins; b++) {
			const float magnitude = fminf(expf(rows[b * frames + f]), 100);
			const float phase = sinf(rows[(t->bins + b) * frames + f]);
			real[b] = magnitude * cosf(phase);
			imaginary[b] = magnitude * sinf(phase);
		}
		transform_back(t, real, imaginary, out);
		for (int64_t i = 0; i < t->n_fft; i++) sums[f * t->hop + i] += out[i];
	}
	for (int64_t i = 0; i < n; i++) x[i] = sums[i + half] / envelope(t, i + half, frames);
}
