/* SPDX-License-Identifier: MIT
 *
 * Encoder whisper-vq: log-mel features as Whisper computes them.
 *
 *     p = |STFT|² of a periodic Hann window, the sound mirrored at both ends of the segment
 *     m = log10(max(mel filters · p, 1e-10))
 *     feature = (max(m, loudest m of the segment - 8) + 4) / 4
 *
 * All but the last line needs no more sound than the row's own. So m is what is kept.
 */
#include "whisper.h"

#include <math.h>

static vita_status take_memory(whisper_features *f, vita_error *err)
{
	const whisper_config *c = f->config;
	f->capacity = c->segment / c->hop;
	f->rows = host_zeroed(f->host, (uint64_t)f->capacity, (uint64_t)c->n_mels * sizeof *f->rows);
	f->power = host_zeroed(f->host, (uint64_t)c->n_fft / 2 + 1, sizeof *f->power);
	if (f->rows && f->power) return VITA_OK;
	return vita_fail(err, VITA_E_NOMEM, "whisper-vq: no memory for the features of %lld samples",
			 (long long)c->segment);
}

static vita_status open_window(whisper_features *f, vita_error *err)
{
	const uint32_t n = (uint32_t)f->config->n_fft;
	float *window = host_zeroed(f->host, n, sizeof *window);
	if (!window) return vita_fail(err, VITA_E_NOMEM, "whisper-vq: no memory for a window");
	window_fill(WINDOW_HANN, n, window, n);
	vita_status status = stft_open(&f->stft, f->host, n, window, n, err);
	host_release(f->host, window);
	return status;
}

vita_status whisper_features_open(whisper_features *f, const vita_host *host, const whisper_config *c,
				  vita_error *err)
{
	const mel_bank_params bank = {MEL_SLANEY,
				      MEL_BANK_F_AREA,
				      (uint32_t)c->n_mels,
				      (uint32_t)c->n_fft,
				      (double)c->rate_hz,
				      0,
				      (double)c->rate_hz / 2};
	memset(f, 0, sizeof *f);
	f->host = host;
	f->config = c;
	vita_status status =
		sound_frames_open(&f->frames, host, (uint32_t)c->n_fft, (uint32_t)c->hop, FRAMES_MIRROR, err);
	if (status == VITA_OK) status = open_window(f, err);
	if (status == VITA_OK) status = mel_bank_open(&f->bank, host, &bank, err);
	if (status == VITA_OK) status = take_memory(f, err);
	if (status == VITA_OK)
		whisper_features_reset(f);
	else
		whisper_features_close(f);
	return status;
}

void whisper_features_close(whisper_features *f)
{
	if (!f->host) return;
	sound_frames_close(&f->frames);
	stft_close(&f->stft);
	if (f->bank.host) mel_bank_close(&f->bank);
	host_release(f->host, f->rows);
	host_release(f->host, f->power);
	memset(f, 0, sizeof *f);
}

void whisper_features_reset(whisper_features *f)
{
	sound_frames_reset(&f->frames);
	f->n_rows = 0;
	f->loudest = -INFINITY;
}

/* Frames that are ready become rows. The one that begins where the segment ends is not wanted. */
static void add_rows(whisper_features *f)
{
	const int64_t n_mels = f->config->n_mels;
	for (const float *frame; (frame = sound_frames_next(&f->frames));) {
		if (f->n_rows == f->capacity) continue;
		float *row = f->rows + f->n_rows++ * n_mels;
		stft_power(&f->stft, frame, f->power);
		mel_bank_apply(&f->bank, f->power, row);
		for (int64_t b = 0; b < n_mels; b++) {
			row[b] = (float)log10(fmax((double)row[b], 1e-10));
			if (row[b] > f->loudest) f->loudest = row[b];
		}
	}
}

void whisper_features_push(whisper_features *f, const float *pcm, uint64_t n)
{
	for (uint64_t at = 0; at < n;) {
		at += sound_frames_push(&f->frames, pcm + at, n - at);
		add_rows(f);
	}
}

void whisper_features_end(whisper_features *f, int64_t n, int64_t n_padded)
{
	static const float silence[160];
	const int64_t piece = (int64_t)(sizeof silence / sizeof silence[0]);
	for (; n < n_padded; n += piece)
		whisper_features_push(f, silence, (uint64_t)(n_padded - n < piece ? n_padded - n : piece));
	f->capacity = n_padded / f->config->hop;
	sound_frames_end(&f->frames);
	add_rows(f);
	f->capacity = f->config->segment / f->config->hop;
}

float whisper_features_floor(const whisper_features *f)
{
	return f->loudest - 8;
}

void whisper_features_take(const whisper_features *f, int64_t first, int64_t n, float *out)
{
	const int64_t n_mels = f->config->n_mels;
	const float floor = whisper_features_floor(f);
	for (int64_t i = 0; i < n; i++, out += n_mels) {
		const float *row = f->rows + (first + i) * n_mels;
		if (first + i < 0)
			memset(out, 0, (size_t)n_mels * sizeof *out);
		else
			for (int64_t b = 0; b < n_mels; b++)
				out[b] = ((row[b] > floor ? row[b] : floor) + 4) / 4;
	}
}

uint64_t whisper_features_changed(const whisper_features *f, int64_t first, int64_t n, float then,
				  float *most)
{
	const int64_t n_mels = f->config->n_mels;
	const float now = whisper_features_floor(f);
	uint64_t changed = 0;
	for (int64_t i = first * n_mels; i < (first + n) * n_mels; i++) {
		float before = f->rows[i] > then ? f->rows[i] : then,
		      after = f->rows[i] > now ? f->rows[i] : now;
		if (before == after) continue;
		changed++;
		if (after - before > *most) *most = after - before;
	}
	return changed;
}
