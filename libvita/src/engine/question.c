/* SPDX-License-Identifier: MIT
 *
 * Listening: the recording goes through the encoder as it comes, and into the LLM while it still comes.
 */
#include "engine/running.h"

#include <stdlib.h>

#define PCM_SAMPLES 4096u
#define MOST_SAMPLES (1u << 24) /* that are gathered for one piece, whatever the encoder wishes */
#define PULL_TOKENS 256u
#define PULL_VALUES (1u << 16)

/* While the question comes in nobody waits for an answer. So as soon as this many tokens lie there, the
 * LLM reads them, and the heads prepare themselves for them; what is left at the end of the question stays
 * small. */
#define LISTEN_TOKENS 64u

typedef struct listener {
	vita_running *r;
	vita_encoder_stream *stream;
	float *pcm;        /* one piece */
	uint64_t piece;    /* samples of it */
	float *rows;       /* room for one pull, FEATURES */
	uint32_t capacity; /* rows of it */
	uint64_t n_samples;
} listener;

static vita_status read_ahead(vita_running *r)
{
	vita_conversation *c = r->conversation;
	const vita_head_api *heads = c->head ? r->engine->head_api : NULL;
	if (c->n_tokens - c->n_fed < LISTEN_TOKENS) return VITA_OK;
	vita_status status = vita_conversation_feed(c, VITA_WANT_NOTHING, r->turn->cancel, r->err);
	if (status != VITA_OK || !heads || !VITA_HAS(heads, vita_head_api, prefill)) return status;
	if (!vita_schedule_uses_heads(r->schedule)) return VITA_OK;
	return vita_answer(heads->prefill(c->head, c->tokens, c->n_tokens, r->turn->cancel, r->err), "the plugin of heads",
	                   "prefill", r->err);
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
		vita_status status = vita_encoder_pull(api, l->stream, &r->engine->encoder_info, features ? NULL : codes,
		                                       features ? l->rows : NULL, l->capacity, &n, r->err);
		if (status < 0) return status;
		*end = status == VITA_END;
		if (n > 0) {
			r->result.n_question_tokens += n;
			status = features ? vita_conversation_append_rows(r->conversation,
			                                                  r->engine->markers.context_audio,
			                                                  l->rows, n, r->err)
			                  : append_codes(r, codes, n);
			if (status == VITA_OK)
				status = vita_encoder_check_length(&r->engine->encoder_info, l->n_samples,
				                                   r->result.n_question_tokens, r->err);
			if (status != VITA_OK) return status;
		}
		if (n == 0 || *end) return VITA_OK;
	}
}

/* The next piece of sound. What is spoken goes on as it comes; of what lies there all of the piece is waited for. */
static vita_status read_piece(listener *l, uint64_t *n, int *over)
{
	vita_running *r = l->r;
	*n = 0;
	do {
		uint64_t got = 0, room = l->piece - *n < PCM_SAMPLES ? l->piece - *n : PCM_SAMPLES;
		vita_status status = r->turn->source(r->turn->source_user, l->pcm + *n, room, &got, r->err);
		if (status < 0) return status;
		if (got > room)
			return vita_fail(r->err, VITA_E_INVALID,
			                 "the source of the question gave %llu samples where %llu were asked for",
			                 (unsigned long long)got, (unsigned long long)room);
		*over = status == VITA_END;
		*n += got;
	} while (!*over && *n < l->piece && l->piece > PCM_SAMPLES);
	return VITA_OK;
}

/* One piece of sound from the caller to the encoder; *over is 1 once there is no more. */
static vita_status push_piece(listener *l, int *over)
{
	vita_running *r = l->r;
	uint64_t n = 0;
	vita_status status = read_piece(l, &n, over);
	if (status != VITA_OK) return status;
	l->n_samples += n;
	r->result.question_s = (double)l->n_samples / r->engine->encoder_info.sample_rate;
	if (*over) {
		r->question_end = vita_clock_ms();
		r->result.listen_ms = r->question_end - r->started;
	}
	return vita_encoder_push(r->engine->encoder_api, l->stream, l->pcm, n, *over, r->turn->cancel, r->err);
}

/* Are the tokens those of the whole recording? */
static void measure_deviation(listener *l)
{
	const vita_engine *engine = l->r->engine;
	if (!VITA_HAS(engine->encoder_api, vita_encoder_api, get_extension)) return;
	const vita_deviation_api *api = engine->encoder_api->get_extension(engine->encoder, VITA_DEVIATION_ID);
	if (!api || !VITA_HAS(api, vita_deviation_api, measure)) return;
	vita_deviation deviation;
	VITA_INIT(&deviation);
	api->measure(l->stream, &deviation);
	l->r->result.n_deviating = deviation.n_tokens;
	l->r->result.deviation_db = deviation.most_db;
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
	measure_deviation(l);
	if (l->r->result.n_question_tokens > 0) return VITA_OK;
	return vita_fail(l->r->err, VITA_E_INVALID,
	                 "the recording of %.3f s is too short: encoder %s made no token of it",
	                 l->r->result.question_s, l->r->engine->encoder_part.factory->name);
}

static vita_status make_room(listener *l)
{
	const vita_encoder_info *info = &l->r->engine->encoder_info;
	const vita_turn *turn = l->r->turn;
	l->piece = PCM_SAMPLES;
	if (VITA_HAS(turn, vita_turn, recorded) && info->segment > PCM_SAMPLES)
		l->piece = info->segment < MOST_SAMPLES ? info->segment : MOST_SAMPLES;
	l->pcm = malloc((size_t)l->piece * sizeof *l->pcm);
	if (!l->pcm)
		return vita_fail(l->r->err, VITA_E_NOMEM, "no memory for %llu samples of the question",
		                 (unsigned long long)l->piece);
	if (info->output != VITA_ENCODER_FEATURES) return VITA_OK;
	l->capacity = info->width < PULL_VALUES ? PULL_VALUES / info->width : 1;
	l->rows = malloc((size_t)l->capacity * info->width * sizeof *l->rows);
	return l->rows ? VITA_OK
	               : vita_fail(l->r->err, VITA_E_NOMEM, "no memory for rows of %u values",
	                           (unsigned)info->width);
}

vita_status vita_question_listen(vita_running *r)
{
	const vita_engine *engine = r->engine;
	listener l = { .r = r, .capacity = PULL_TOKENS };
	vita_status status = make_room(&l);
	if (status == VITA_OK) status = vita_encoder_stream_open(engine->encoder_api, engine->encoder, &l.stream, r->err);
	if (status == VITA_OK) {
		status = listen(&l);
		engine->encoder_api->stream_close(l.stream);
	}
	free(l.pcm);
	free(l.rows);
	if (status != VITA_OK) return status;
	r->encoded = vita_clock_ms();
	r->result.encode_ms = r->encoded - r->question_end;
	return VITA_OK;
}
