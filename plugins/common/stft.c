/* SPDX-License-Identifier: MIT
 *
 * Short-time spectra; see stft.h.
 */
#include "stft.h"

#include "plugin_memory.h"

#include <math.h>

#define TWO_PI 6.28318530717958647692
#define MOST_VALUES (1u << 20)

/* ---- windows --------------------------------------------------------------------------------------- */

void window_fill(double a, uint32_t period, float *window, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		window[i] = (float)(a - (1 - a) * cos(TWO_PI * i / period));
}

static vita_status copy_window(const vita_host *host, const float *window, uint32_t length, float **out,
			       vita_error *err)
{
	*out = host_zeroed(host, length, sizeof **out);
	if (!*out)
		return vita_fail(err, VITA_E_NOMEM, "no memory for a window of %u values", (unsigned)length);
	memcpy(*out, window, length * sizeof **out);
	return VITA_OK;
}

/* ---- frames ---------------------------------------------------------------------------------------- */

vita_status sound_frames_open(sound_frames *f, const vita_host *host, uint32_t length, uint32_t hop,
			      uint32_t edge, vita_error *err)
{
	memset(f, 0, sizeof *f);
	f->host = host;
	if (length < 1 || length > MOST_VALUES || hop < 1 || hop > length || edge > FRAMES_MIRROR)
		return vita_fail(err, VITA_E_INVALID,
				 "frames of %u samples every %u were asked for; each must be 1 … %u, the "
				 "step no more than a frame",
				 (unsigned)length, (unsigned)hop, MOST_VALUES);
	f->length = length;
	f->hop = hop;
	f->edge = edge;
	f->capacity = 4 * (uint64_t)length;
	f->samples = host_zeroed(host, f->capacity, sizeof *f->samples);
	if (!f->samples)
		return vita_fail(err, VITA_E_NOMEM, "no memory for frames of %u samples", (unsigned)length);
	sound_frames_reset(f);
	return VITA_OK;
}

void sound_frames_close(sound_frames *f)
{
	if (f->samples) host_release(f->host, f->samples);
	memset(f, 0, sizeof *f);
}

void sound_frames_reset(sound_frames *f)
{
	const uint32_t pad = f->edge == FRAMES_WHOLE ? 0 : f->length / 2;
	f->start = 0;
	f->end = pad;
	f->lead = f->edge == FRAMES_MIRROR ? pad : 0;
	f->begun = f->ended = 0;
	memset(f->samples, 0, pad * sizeof *f->samples);
}

/* What lies before the next frame goes, but for what the end may have to mirror. */
static void make_room(sound_frames *f)
{
	uint64_t first = f->end > f->length ? f->end - f->length : 0;
	if (f->start < first) first = f->start;
	memmove(f->samples, f->samples + first, (size_t)(f->end - first) * sizeof *f->samples);
	f->start -= first;
	f->end -= first;
}

/* The sound begins at `lead`. Once there is enough of it, what mirrors it goes before it. */
static void mirror_lead(sound_frames *f)
{
	for (uint32_t i = 1; i <= f->lead; i++)
		f->samples[f->lead - i] = f->lead + i < f->end ? f->samples[f->lead + i] : 0;
	f->lead = 0;
}

uint64_t sound_frames_push(sound_frames *f, const float *pcm, uint64_t n)
{
	if (n == 0 || f->ended) return 0;
	if (f->capacity - f->end < n && f->lead == 0) make_room(f);
	uint64_t room = f->capacity - f->end, taken = n < room ? n : room;
	memcpy(f->samples + f->end, pcm, (size_t)taken * sizeof *pcm);
	f->end += taken;
	f->begun = 1;
	if (f->lead > 0 && f->end > 2 * (uint64_t)f->lead) mirror_lead(f);
	return taken;
}

void sound_frames_end(sound_frames *f)
{
	const uint32_t pad = f->edge == FRAMES_WHOLE ? 0 : f->length / 2;
	const int mirrors = f->edge == FRAMES_MIRROR && f->lead == 0;
	if (f->ended) return;
	f->ended = 1;
	if (!f->begun) return;
	if (f->lead > 0)
		mirror_lead(f);
	else
		make_room(f);
	for (uint32_t i = 0; i < pad; i++)
		f->samples[f->end + i] = mirrors ? f->samples[f->end - 2 - i] : 0;
	f->end += pad;
}

const float *sound_frames_next(sound_frames *f)
{
	if (f->lead > 0 || !f->begun || f->end < f->start + f->length) return NULL;
	const float *frame = f->samples + f->start;
	f->start += f->hop;
	return frame;
}

/* ---- there ----------------------------------------------------------------------------------------- */

static vita_status check_lengths(uint32_t n_fft, uint32_t length, vita_error *err)
{
	if (length >= 1 && length <= n_fft) return VITA_OK;
	return vita_fail(err, VITA_E_INVALID, "a window of %u values does not fit a Fourier transform of %u",
			 (unsigned)length, (unsigned)n_fft);
}

vita_status stft_open(stft *s, const vita_host *host, uint32_t n_fft, const float *window, uint32_t length,
		      vita_error *err)
{
	memset(s, 0, sizeof *s);
	s->host = host;
	vita_status status = check_lengths(n_fft, length, err);
	if (status == VITA_OK) status = real_fft_open(host, n_fft, 0, &s->fft, err);
	if (status == VITA_OK) status = copy_window(host, window, length, &s->window, err);
	if (status != VITA_OK) return stft_close(s), status;
	s->n_fft = n_fft;
	s->length = length;
	s->frame = host_zeroed(host, n_fft, sizeof *s->frame);
	s->spectrum = host_zeroed(host, n_fft + 2, sizeof *s->spectrum);
	if (s->frame && s->spectrum) return VITA_OK;
	stft_close(s);
	return vita_fail(err, VITA_E_NOMEM, "no memory for spectra of %u values", (unsigned)n_fft);
}

void stft_close(stft *s)
{
	real_fft_close(s->fft);
	if (s->host) {
		host_release(s->host, s->window);
		host_release(s->host, s->frame);
		host_release(s->host, s->spectrum);
	}
	memset(s, 0, sizeof *s);
}

void stft_spectrum(stft *s, const float *frame, float *spectrum)
{
	for (uint32_t i = 0; i < s->length; i++)
		s->frame[i] = frame[i] * s->window[i];
	real_fft_forward(s->fft, s->frame, spectrum);
}

void stft_power(stft *s, const float *frame, float *power)
{
	stft_spectrum(s, frame, s->spectrum);
	for (uint32_t k = 0; k <= s->n_fft / 2; k++) {
		float re = s->spectrum[2 * k], im = s->spectrum[2 * k + 1];
		power[k] = re * re + im * im;
	}
}

/* ---- and back -------------------------------------------------------------------------------------- */

vita_status istft_open(istft *s, const vita_host *host, uint32_t n_fft, const float *window, uint32_t length,
		       uint32_t hop, uint32_t trim, vita_error *err)
{
	memset(s, 0, sizeof *s);
	s->host = host;
	vita_status status = check_lengths(n_fft, length, err);
	if (status == VITA_OK && (hop < 1 || hop > length || trim > length - hop))
		status =
			vita_fail(err, VITA_E_INVALID,
				  "frames of %u samples cannot be added every %u with %u trimmed at the ends",
				  (unsigned)length, (unsigned)hop, (unsigned)trim);
	if (status == VITA_OK) status = real_fft_open(host, n_fft, 1, &s->fft, err);
	if (status == VITA_OK) status = copy_window(host, window, length, &s->window, err);
	if (status != VITA_OK) return istft_close(s), status;
	s->n_fft = n_fft;
	s->length = length;
	s->hop = hop;
	s->trim = trim;
	s->frame = host_zeroed(host, n_fft, sizeof *s->frame);
	s->sum = host_zeroed(host, length, sizeof *s->sum);
	s->weight = host_zeroed(host, length, sizeof *s->weight);
	if (!s->frame || !s->sum || !s->weight) {
		istft_close(s);
		return vita_fail(err, VITA_E_NOMEM, "no memory for spectra of %u values", (unsigned)n_fft);
	}
	istft_reset(s);
	return VITA_OK;
}

void istft_close(istft *s)
{
	real_fft_close(s->fft);
	if (s->host) {
		host_release(s->host, s->window);
		host_release(s->host, s->frame);
		host_release(s->host, s->sum);
		host_release(s->host, s->weight);
	}
	memset(s, 0, sizeof *s);
}

void istft_reset(istft *s)
{
	memset(s->sum, 0, s->length * sizeof *s->sum);
	memset(s->weight, 0, s->length * sizeof *s->weight);
	s->to_skip = s->trim;
	s->n_frames = 0;
}

/* The first n of what lies there, less what is still to be skipped. */
static uint32_t give(istft *s, uint32_t n, float *pcm)
{
	uint32_t skip = n < s->to_skip ? n : s->to_skip;
	for (uint32_t i = skip; i < n; i++)
		pcm[i - skip] = s->weight[i] > 1e-11 ? (float)(s->sum[i] / s->weight[i]) : 0;
	s->to_skip -= skip;
	return n - skip;
}

uint32_t istft_push(istft *s, const float *spectrum, float *pcm)
{
	const uint32_t rest = s->length - s->hop;
	real_fft_inverse(s->fft, spectrum, s->frame);
	for (uint32_t i = 0; i < s->length; i++) {
		double w = s->window[i];
		s->sum[i] += w * s->frame[i];
		s->weight[i] += w * w;
	}
	uint32_t n = give(s, s->hop, pcm);
	memmove(s->sum, s->sum + s->hop, rest * sizeof *s->sum);
	memmove(s->weight, s->weight + s->hop, rest * sizeof *s->weight);
	memset(s->sum + rest, 0, s->hop * sizeof *s->sum);
	memset(s->weight + rest, 0, s->hop * sizeof *s->weight);
	s->n_frames++;
	return n;
}

uint32_t istft_end(istft *s, float *pcm)
{
	uint32_t n = s->n_frames > 0 ? give(s, s->length - s->hop - s->trim, pcm) : 0;
	istft_reset(s);
	return n;
}
