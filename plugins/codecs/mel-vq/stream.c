/* SPDX-License-Identifier: MIT
 *
 * One answer on its way through mel-vq. A token's frames can be made once the tokens are known that its network
 * looks ahead to; a window of tokens is run at once, of which those at the edges are only there for the others'
 * sake. Griffin-Lim carries phases from chunk to chunk, so that nothing is heard of the cuts.
 */
#include "mel_vq.h"

#include <math.h>

#define TOKENS_A_PASS 32 /* new ones at most: bounds the memory of a stream */
#define LOUDEST 20.0     /* ln of a magnitude: a bound against broken weights */

struct vita_codec_stream {
	const vita_codec *codec;
	int32_t *ids; /* [most_tokens] from token `first` on */
	uint64_t first, n_ids, most_tokens;
	uint64_t done;  /* tokens whose frames were made */
	uint64_t total; /* tokens that were pushed */

	mel_vq_network network;
	mel_inverse inverse;
	griffin_lim vocoder;
	float *mel;       /* [TOKENS_A_PASS · stack, bands] */
	float *magnitude; /* [TOKENS_A_PASS · stack, n_fft / 2 + 1] */
	uint64_t to_skip; /* samples before the first token's own */
	uint64_t made;    /* samples that went to pcm */

	int32_t ended; /* last was pushed, or a push failed half-way */
	float *pcm;    /* ready: from pcm_at to n_pcm */
	uint64_t n_pcm, pcm_at, capacity;
};

/* ---- opening --------------------------------------------------------------------------------------- */

static vita_status open_parts(vita_codec_stream *s, vita_error *err)
{
	const vita_codec *c = s->codec;
	const vita_host *host = c->host;
	const mel_vq_front *f = &c->front;
	const griffin_lim_params p = {.n_fft = f->n_fft,
				      .length = f->window,
				      .hop = f->hop,
				      .iterations = c->iterations,
				      .held = c->held,
				      .most = TOKENS_A_PASS * f->stack,
				      .momentum = c->momentum};
	s->most_tokens = TOKENS_A_PASS + (uint64_t)(c->before + c->ahead);
	s->to_skip = f->window / 2; /* frames lie around their moments */
	vita_status status = mel_inverse_open(&s->inverse, host, &c->bank, f->n_fft, err);
	if (status == VITA_OK) status = griffin_lim_open(&s->vocoder, host, &p, c->window, err);
	if (status != VITA_OK) return status;
	s->ids = host_zeroed(host, s->most_tokens, sizeof *s->ids);
	s->mel = host_zeroed(host, (uint64_t)p.most * f->bands, sizeof *s->mel);
	s->magnitude = host_zeroed(host, (uint64_t)p.most * (f->n_fft / 2 + 1), sizeof *s->magnitude);
	if (!s->ids || !s->mel || !s->magnitude) return vita_fail(err, VITA_E_NOMEM, "mel-vq: out of memory");
	return mel_vq_network_open(&s->network, c, (int64_t)s->most_tokens, err);
}

void mel_vq_stream_close(vita_codec_stream *s)
{
	if (!s) return;
	const vita_host *host = s->codec->host;
	mel_vq_network_close(&s->network);
	mel_inverse_close(&s->inverse);
	griffin_lim_close(&s->vocoder);
	host_release(host, s->ids);
	host_release(host, s->mel);
	host_release(host, s->magnitude);
	host_release(host, s->pcm);
	host_release(host, s);
}

vita_status mel_vq_stream_open(vita_codec *codec, vita_codec_stream **out, vita_error *err)
{
	*out = NULL;
	vita_codec_stream *s = host_zeroed(codec->host, 1, sizeof *s);
	if (!s) return vita_fail(err, VITA_E_NOMEM, "mel-vq: out of memory");
	s->codec = codec;
	vita_status status = open_parts(s, err);
	if (status == VITA_OK)
		*out = s;
	else
		mel_vq_stream_close(s);
	return status;
}

/* ---- sound ----------------------------------------------------------------------------------------- */

static float *pcm_reserve(vita_codec_stream *s, uint64_t n, vita_error *err)
{
	if (s->n_pcm + n > s->capacity) {
		uint64_t capacity = 2 * s->capacity + n;
		const vita_host *host = s->codec->host;
		float *pcm = host->reallocate(host->context, s->pcm, capacity * sizeof *pcm);
		if (!pcm) {
			(void)vita_fail(err, VITA_E_NOMEM, "mel-vq: out of memory");
			return NULL;
		}
		s->pcm = pcm;
		s->capacity = capacity;
	}
	return s->pcm + s->n_pcm;
}

/* n samples were written behind the ready ones. Those before the first token's sound go again, and those behind
 * the last token's: a token is stack · hop samples, no more and no less. */
static void take_samples(vita_codec_stream *s, uint64_t n)
{
	const mel_vq_front *f = &s->codec->front;
	uint64_t skip = n < s->to_skip ? n : s->to_skip, most = s->total * f->stack * f->hop - s->made;
	float *pcm = s->pcm + s->n_pcm;
	s->to_skip -= skip;
	n -= skip;
	if (n > most) n = most;
	memmove(pcm, pcm + skip, n * sizeof *pcm);
	for (uint64_t i = 0; i < n; i++)
		pcm[i] = fminf(fmaxf(pcm[i], -1), 1);
	s->n_pcm += n;
	s->made += n;
}

/* Speak n rows of mel. */
static vita_status speak(vita_codec_stream *s, uint64_t n, vita_error *err)
{
	const vita_codec *c = s->codec;
	const mel_vq_front *f = &c->front;
	uint64_t n_bins = f->n_fft / 2 + 1;
	float *pcm = pcm_reserve(s, (s->vocoder.p.held + n) * f->hop, err);
	if (!pcm) return VITA_E_NOMEM;
	for (uint64_t t = 0; t < n; t++) {
		float *mel = s->mel + t * f->bands;
		for (uint32_t b = 0; b < f->bands; b++)
			mel[b] = expf((float)fmin((double)mel[b] * c->mel_scale + c->mel_shift, LOUDEST));
		mel_inverse_apply(&s->inverse, mel, s->magnitude + t * n_bins);
	}
	take_samples(s, griffin_lim_push(&s->vocoder, s->magnitude, (uint32_t)n, 0, pcm));
	return VITA_OK;
}

/* What was held back, and the half window behind the last frame. */
static vita_status finish(vita_codec_stream *s, vita_error *err)
{
	const mel_vq_front *f = &s->codec->front;
	float *pcm = pcm_reserve(s, (uint64_t)s->vocoder.p.held * f->hop + f->window, err);
	if (!pcm) return VITA_E_NOMEM;
	uint64_t n = griffin_lim_push(&s->vocoder, NULL, 0, 1, pcm);
	take_samples(s, n + griffin_lim_rest(&s->vocoder, pcm + n));
	return VITA_OK;
}

/* Make the frames of all tokens that can be made, and their sound. */
static vita_status run_window(vita_codec_stream *s, int32_t last, const vita_cancel *cancel, vita_error *err)
{
	const vita_codec *c = s->codec;
	const vita_host *host = c->host;
	uint64_t stack = c->front.stack;
	uint64_t end = s->first + s->n_ids - (last ? 0 : (uint64_t)c->ahead);
	if (host->cancelled(host->context, cancel))
		return vita_fail(err, VITA_E_CANCELLED, "decoding was cancelled");
	vita_status status = mel_vq_network_run(&s->network, s->ids, (int64_t)s->n_ids, err);
	while (s->done < end && status == VITA_OK) {
		uint64_t n = end - s->done < TOKENS_A_PASS ? end - s->done : TOKENS_A_PASS;
		int64_t first = (int64_t)((s->done - s->first) * stack);
		status = mel_vq_network_read(&s->network, first, (int64_t)(n * stack), s->mel, err);
		if (status == VITA_OK) status = speak(s, n * stack, err);
		s->done += n;
	}
	return status;
}

/* The next window begins `before` tokens before its first new one. */
static void forget(vita_codec_stream *s)
{
	uint64_t before = (uint64_t)s->codec->before, first = s->done > before ? s->done - before : 0;
	uint64_t gone = first - s->first;
	memmove(s->ids, s->ids + gone, (s->n_ids - gone) * sizeof *s->ids);
	s->n_ids -= gone;
	s->first = first;
}

/* ---- in and out ------------------------------------------------------------------------------------ */

static vita_status push_ids(vita_codec_stream *s, const int32_t *ids, uint64_t n, int32_t last,
			    const vita_cancel *cancel, vita_error *err)
{
	uint64_t ahead = (uint64_t)s->codec->ahead;
	do {
		uint64_t room = s->most_tokens - s->n_ids, taken = n < room ? n : room;
		if (taken > 0) memcpy(s->ids + s->n_ids, ids, taken * sizeof *ids);
		s->n_ids += taken;
		s->total += taken;
		ids += taken;
		n -= taken;
		int32_t ends = last && n == 0;
		uint64_t known = s->first + s->n_ids;
		if (known <= s->done + (ends ? 0 : ahead)) continue;
		vita_status status = run_window(s, ends, cancel, err);
		if (status != VITA_OK) return status;
		forget(s);
	} while (n > 0);
	return last ? finish(s, err) : VITA_OK;
}

vita_status mel_vq_stream_push(vita_codec_stream *s, const int32_t *ids, uint64_t n, int32_t last,
			       const vita_cancel *cancel, vita_error *err)
{
	uint32_t codes = s->codec->codes;
	if (s->ended) return vita_fail(err, VITA_E_STATE, "mel-vq: tokens came after the end of the speech");
	for (uint64_t i = 0; i < n; i++)
		if (ids[i] < 0 || (uint32_t)ids[i] >= codes)
			return vita_fail(err, VITA_E_INVALID,
					 "mel-vq: token %ld is outside 0 ... %u, the codebook", (long)ids[i],
					 (unsigned)codes - 1);
	vita_status status = push_ids(s, ids, n, last, cancel, err);
	s->ended = last || status != VITA_OK;
	return status;
}

vita_status mel_vq_stream_pull(vita_codec_stream *s, float *pcm, uint64_t capacity, uint64_t *n,
			       vita_error *err)
{
	(void)err;
	*n = s->n_pcm - s->pcm_at;
	if (*n > capacity) *n = capacity;
	if (*n > 0) memcpy(pcm, s->pcm + s->pcm_at, *n * sizeof *pcm);
	s->pcm_at += *n;
	if (s->pcm_at < s->n_pcm) return VITA_OK;
	s->pcm_at = s->n_pcm = 0;
	return *n == 0 && s->ended ? VITA_END : VITA_OK;
}
