/* SPDX-License-Identifier: MIT
 *
 * Listening: the recording goes through the encoder as it comes, and into the LLM while it still comes.
 */
#include "engine/running.h"

#include <stdlib.h>

#define PCM_SAMPLES 4096u
#define PULL_TOKENS 256u
#define PULL_VALUES (1u << 16)

/* While the question comes in nobody waits for an answer. So as soon as this many tokens lie there, the
 * LLM reads them, and the heads prepare themselves for them; what is left at the end of the question stays
 * small. */
#define LISTEN_TOKENS 64u

typedef struct listener {
	vita_running *r;
	vita_encoder_stream *stream;
	float *rows;       /* room for one pull, FEATURES */
	uint32_t capacity; /* rows of it */
	uint64_t n_samples;
} listener;

static vita_status read_ahead(vita_running *r)
{
	vita_conversation *c = r->conversation;
	const vita_head_api *heads = c->head ? r->engine->head_api : NULL;
	if (c->n_tokens - c->n_fed < LISTEN_TOKENS) return VITA_OK;
	vita_status status = vita_conversation_feed(c, 0, r->turn->cancel, r->err);
	if (status != VITA_OK || !heads || !VITA_HAS(heads, vita_head_api, prefill)) return status;
	if (!vita_schedule_uses_heads(r->schedule)) return VITA_OK;
	return heads->prefill(c->head, c->tokens, c->n_tokens, r->turn->cancel, r->err);
}

/* Codes to the ids of their audio tokens. */
static vita_status append_codes(vita_running *r, int32_t *codes, uint64_t n)
{
	const vita_markers *markers = &r->engine->markers;
	for (uint64_t i = 0; i < n; i++) {
		if (codes[i] < 0 || codes[i] >= markers->audio_count)
			return vita_fail(r->err, VITA_E_INTERNAL,
			                 "encoder %s gave token %ld; its codebook has %ld",
			                 r->engine->encoder_part.factory->name, (long)codes[i],
			                 (long)markers->audio_count);
		codes[i] += markers->audio_first;
	}
	return vita_conversation_append(r->conversation, codes, n, r->err);
}

/* Take what is ready; *end is 1 once the encoder has said all. */
static vita_status pull_question(listener *l, int *end)
{
	vita_running *r = l->r;
	const vita_encoder_api *api = r->engine->encoder_api;
	int features = r->engine->encoder_info.output == VITA_ENCODER_FEATURES;
	*end = 0;
	for (;;) {
		int32_t codes[PULL_TOKENS];
		uint64_t n = 0;
		vita_status status = api->pull(l->stream, features ? NULL : codes, features ? l->rows : NULL,
		                               l->capacity, &n, r->err);
		if (status < 0) return status;
		if (n > l->capacity)
			return vita_fail(r->err, VITA_E_INTERNAL,
			                 "encoder %s gave %llu tokens where %u were asked for",
			                 r->engine->encoder_part.factory->name, (unsigned long long)n,
			                 (unsigned)l->capacity);
		*end = status == VITA_END;
		if (n > 0) {
			r->result.n_question_tokens += n;
			status = features ? vita_conversation_append_rows(r->conversation,
			                                                  r->engine->markers.context_audio,
			                                                  l->rows, n, r->err)
			                  : append_codes(r, codes, n);
			if (status != VITA_OK) return status;
		}
		if (n == 0 || *end) return VITA_OK;
	}
}

/* One piece of sound from the caller to the encoder; *over is 1 once there is no more. */
static vita_status push_piece(listener *l, int *over)
{
	vita_running *r = l->r;
	float pcm[PCM_SAMPLES];
	uint64_t n = 0;
	vita_status status = r->turn->source(r->turn->source_user, pcm, PCM_SAMPLES, &n, r->err);
	if (status < 0) return status;
	if (n > PCM_SAMPLES)
		return vita_fail(r->err, VITA_E_INVALID,
		                 "the source of the question gave %llu samples where %u were asked for",
		                 (unsigned long long)n, PCM_SAMPLES);
	*over = status == VITA_END;
	l->n_samples += n;
	r->result.question_s = (double)l->n_samples / r->engine->encoder_info.sample_rate;
	if (*over) {
		r->question_end = vita_clock_ms();
		r->result.listen_ms = r->question_end - r->started;
	}
	return r->engine->encoder_api->push(l->stream, pcm, n, *over, r->turn->cancel, r->err);
}

static vita_status listen(listener *l)
{
	int over = 0, end = 0;
	while (!over) {
		vita_status status = vita_running_check(l->r);
		if (status == VITA_OK) status = read_ahead(l->r);
		if (status == VITA_OK) status = push_piece(l, &over);
		if (status == VITA_OK) status = pull_question(l, &end);
		if (status != VITA_OK) return status;
	}
	if (l->r->result.n_question_tokens > 0) return VITA_OK;
	return vita_fail(l->r->err, VITA_E_INVALID,
	                 "the recording of %.3f s is too short: encoder %s made no token of it",
	                 l->r->result.question_s, l->r->engine->encoder_part.factory->name);
}

vita_status vita_question_listen(vita_running *r)
{
	const vita_engine *engine = r->engine;
	listener l = { .r = r, .capacity = PULL_TOKENS };
	if (engine->encoder_info.output == VITA_ENCODER_FEATURES) {
		uint32_t width = engine->encoder_info.width;
		l.capacity = width < PULL_VALUES ? PULL_VALUES / width : 1;
		l.rows = malloc((size_t)l.capacity * width * sizeof *l.rows);
		if (!l.rows)
			return vita_fail(r->err, VITA_E_NOMEM, "no memory for rows of %u values",
			                 (unsigned)width);
	}
	vita_status status = engine->encoder_api->stream_open(engine->encoder, &l.stream, r->err);
	if (status == VITA_OK) {
		status = listen(&l);
		engine->encoder_api->stream_close(l.stream);
	}
	free(l.rows);
	if (status != VITA_OK) return status;
	r->encoded = vita_clock_ms();
	r->result.encode_ms = r->encoded - r->question_end;
	return VITA_OK;
}
