/* SPDX-License-Identifier: MIT
 *
 * The fakes; see fake_parts.h.
 */
#include "fake_parts.h"

#include <vita/record.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static void trace(fake *f, const char *format, unsigned number)
{
	size_t used = strlen(f->trace);
	snprintf(f->trace + used, sizeof f->trace - used, format, number);
}

/* ---- scores --------------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t h, uint64_t value)
{
	h = (h ^ value) * 0x9e3779b97f4a7c15u;
	return h ^ (h >> 29);
}

static uint64_t hash_tokens(const fake *f, const int32_t *tokens, uint32_t n)
{
	uint64_t h = f->salt + 12345;
	for (uint32_t i = 0; i < n; i++) h = mix(h, (uint64_t)tokens[i] + 1);
	return h;
}

/* Score of one id: uniform over -4 … 4, or 10 for the script's token. */
static float score(const fake *f, uint64_t hash, uint32_t n, int32_t id)
{
	if (f->script) {
		int32_t wanted = n >= f->script_start && n - f->script_start < f->n_script
		                         ? f->script[n - f->script_start]
		                         : 0;
		return id == wanted ? 10.0f : 0.0f;
	}
	return (float)(mix(hash, (uint64_t)id + 77) >> 40) / (float)(1 << 24) * 8 - 4;
}

static int32_t best_of(const fake *f, uint64_t hash, uint32_t n)
{
	int32_t best = 0;
	for (int32_t id = 1; id < f->engine.id_limit; id++)
		if (score(f, hash, n, id) > score(f, hash, n, best)) best = id;
	return best;
}

int32_t fake_next(const fake *f, const int32_t *tokens, uint32_t n)
{
	return best_of(f, hash_tokens(f, tokens, n), n);
}

/* ---- llm ------------------------------------------------------------------------------------------ */

struct vita_buffer {
	uint64_t row[FAKE_MOST]; /* hidden row i: the hash of all tokens up to its own */
};

struct vita_llm_state {
	fake *f;
	int32_t tokens[FAKE_MOST];
	float rows[FAKE_MOST];
	uint32_t n;
	vita_buffer buffer;
};

static fake *fake_of_llm(vita_llm *llm)
{
	return (fake *)(void *)llm;
}

static vita_status llm_state_open(vita_llm *llm, vita_llm_state **out, vita_error *err)
{
	(void)err;
	*out = calloc(1, sizeof **out);
	assert_non_null(*out);
	(*out)->f = fake_of_llm(llm);
	return VITA_OK;
}

static void llm_state_close(vita_llm_state *state)
{
	free(state);
}

static uint32_t llm_state_length(const vita_llm_state *state)
{
	return state->n;
}

static vita_status llm_state_truncate(vita_llm_state *state, uint32_t length, vita_error *err)
{
	if (length > state->n) return vita_fail(err, VITA_E_INVALID, "truncate to more than there is");
	state->n = length;
	return VITA_OK;
}

static vita_status llm_forward(vita_llm *llm, vita_llm_block *const *blocks, uint32_t n,
                               const vita_cancel *cancel, vita_error *err)
{
	fake *f = fake_of_llm(llm);
	vita_llm_block *block = blocks[0];
	vita_llm_state *state = block->state;
	assert_int_equal(n, 1);
	assert_true(block->n_tokens >= 1 && block->n_logits <= block->n_tokens);
	if (f->fail_forward == 0) return vita_fail(err, VITA_E_DEVICE, "the fake device is lost");
	f->fail_forward -= f->fail_forward > 0;
	if (cancel && vita_cancel_requested(cancel)) return vita_fail(err, VITA_E_CANCELLED, "cancelled");
	if (state->n + block->n_tokens > f->engine.llm_info.context)
		return vita_fail(err, VITA_E_NOMEM, "context full");
	trace(f, "M%u ", block->n_tokens);
	for (uint32_t i = 0; i < block->n_tokens; i++) {
		state->tokens[state->n + i] = block->ids[i];
		state->rows[state->n + i] = 0;
	}
	for (uint32_t i = 0; i < block->n_rows; i++) {
		assert_true(block->row_index[i] < block->n_tokens);
		state->rows[state->n + block->row_index[i]] = block->rows[i * FAKE_WIDTH];
	}
	for (uint32_t i = 0; i < block->n_tokens; i++)
		state->buffer.row[i] = hash_tokens(f, state->tokens, state->n + i + 1);
	state->n += block->n_tokens;
	f->n_logit_rows += block->n_logits;
	for (uint32_t r = 0; r < block->n_logits; r++) {
		uint32_t length = state->n - block->n_logits + r + 1;
		uint64_t hash = hash_tokens(f, state->tokens, length);
		for (int32_t id = 0; id < (int32_t)FAKE_VOCAB; id++)
			block->logits[r * FAKE_VOCAB + (uint32_t)id] = score(f, hash, length, id);
	}
	block->hidden = vita_view(&state->buffer, 0, VITA_F32, 2, block->n_tokens, FAKE_WIDTH, 1, 1);
	return VITA_OK;
}

static const vita_llm_api llm_api = {
	.struct_size = sizeof llm_api,
	.state_open = llm_state_open,
	.state_close = llm_state_close,
	.state_length = llm_state_length,
	.state_truncate = llm_state_truncate,
	.forward = llm_forward,
};

/* ---- heads ---------------------------------------------------------------------------------------- */

struct vita_head_state {
	fake *f;
	uint64_t row[FAKE_MOST];
	uint32_t n_rows, next;
	int32_t used[FAKE_MOST]; /* tokens that caches were made from */
	uint32_t n_used;
};

static vita_status head_state_open(vita_head *head, vita_head_state **out, vita_error *err)
{
	(void)err;
	*out = calloc(1, sizeof **out);
	assert_non_null(*out);
	(*out)->f = (fake *)(void *)head;
	return VITA_OK;
}

static void head_state_close(vita_head_state *state)
{
	free(state);
}

static vita_status head_observe(vita_head_state *state, uint32_t first, uint32_t n, const vita_tensor *hidden,
                                vita_error *err)
{
	if (first != state->n_rows || hidden->shape[0] != (int64_t)n)
		return vita_fail(err, VITA_E_STATE, "observe from row %u where %u are known", (unsigned)first,
		                 (unsigned)state->n_rows);
	memcpy(state->row + first, hidden->buffer->row + hidden->offset / (FAKE_WIDTH * 4),
	       n * sizeof(uint64_t));
	state->n_rows += n;
	state->next = 0;
	return VITA_OK;
}

/* Every hidden row must be that of the tokens as they stand now. */
static vita_status check_rows(const vita_head_state *state, const int32_t *tokens, uint32_t n,
                              vita_error *err)
{
	for (uint32_t i = 0; i < n; i++)
		if (state->row[i] != hash_tokens(state->f, tokens, i + 1))
			return vita_fail(err, VITA_E_STATE, "hidden row %u is not that of its tokens",
			                 (unsigned)i);
	return VITA_OK;
}

/* What caches were made from must still stand, or have been cut away. */
static vita_status check_used(vita_head_state *state, const int32_t *tokens, uint32_t n, vita_error *err)
{
	for (uint32_t i = 0; i < state->n_used; i++)
		if (i >= n || state->used[i] != tokens[i])
			return vita_fail(err, VITA_E_STATE, "token %u changed behind the head's back", (unsigned)i);
	memcpy(state->used, tokens, n * sizeof *tokens);
	state->n_used = n;
	return VITA_OK;
}

static vita_status head_propose(vita_head *head, vita_head_call *const *calls, uint32_t n,
                                const vita_cancel *cancel, vita_error *err)
{
	fake *f = (fake *)(void *)head;
	vita_head_call *call = calls[0];
	vita_head_state *state = call->state;
	(void)cancel;
	assert_int_equal(n, 1);
	if (f->fail_propose == 0) return vita_fail(err, VITA_E_DEVICE, "the fake head's device is lost");
	f->fail_propose -= f->fail_propose > 0;
	if (call->index >= f->n_heads || call->index != state->next)
		return vita_fail(err, VITA_E_STATE, "head %u asked where it was head %u's turn",
		                 (unsigned)call->index, (unsigned)state->next);
	if (call->n_tokens != state->n_rows + 1 + call->index)
		return vita_fail(err, VITA_E_STATE, "head %u asked with %u tokens and %u rows",
		                 (unsigned)call->index, (unsigned)call->n_tokens, (unsigned)state->n_rows);
	vita_status status = check_rows(state, call->tokens, state->n_rows, err);
	if (status == VITA_OK) status = check_used(state, call->tokens, call->n_tokens, err);
	if (status != VITA_OK) return status;
	trace(f, "%u ", call->index);
	state->next = call->index + 1;
	uint64_t hash = hash_tokens(f, call->tokens, call->n_tokens);
	if (mix(hash, 5) % 100 >= f->agreement) hash = mix(hash, 6);
	uint32_t column = 0;
	if (f->engine.head_info.gives_tokens) {
		call->token = mix(hash, 8) % 100 < f->silence ? -1 : best_of(f, hash, call->n_tokens);
		if (f->bad_token) call->token = f->bad_token;
		return VITA_OK;
	}
	for (uint32_t i = 0; i < call->n_ranges; i++)
		for (int32_t j = 0; j < call->ranges[i].count; j++)
			call->logits[column++] = score(f, hash, call->n_tokens, call->ranges[i].first + j);
	return VITA_OK;
}

static vita_status head_prefill(vita_head_state *state, const int32_t *tokens, uint32_t n_tokens,
                                const vita_cancel *cancel, vita_error *err)
{
	(void)cancel;
	assert_int_equal(state->n_rows, n_tokens);
	trace(state->f, "P ", 0);
	return check_rows(state, tokens, n_tokens, err);
}

static vita_status head_truncate(vita_head_state *state, uint32_t length, vita_error *err)
{
	(void)err;
	if (state->n_rows > length) state->n_rows = length;
	if (state->n_used > length) state->n_used = length;
	state->next = 0;
	return VITA_OK;
}

static const vita_head_api head_api = {
	.struct_size = sizeof head_api,
	.state_open = head_state_open,
	.state_close = head_state_close,
	.observe = head_observe,
	.propose = head_propose,
	.prefill = head_prefill,
	.truncate = head_truncate,
};

/* ---- encoder: at 100 Hz, every ten samples are one token or row ------------------------------------ */

struct vita_encoder_stream {
	fake *f;
	uint64_t n_samples, n_given;
	int last;
};

static vita_status encoder_stream_open(vita_encoder *encoder, vita_encoder_stream **out, vita_error *err)
{
	(void)err;
	*out = calloc(1, sizeof **out);
	assert_non_null(*out);
	(*out)->f = (fake *)(void *)encoder;
	return VITA_OK;
}

static void encoder_stream_close(vita_encoder_stream *stream)
{
	free(stream);
}

static vita_status encoder_push(vita_encoder_stream *stream, const float *pcm, uint64_t n, int32_t last,
                                const vita_cancel *cancel, vita_error *err)
{
	(void)pcm;
	(void)cancel;
	if (stream->last) return vita_fail(err, VITA_E_STATE, "push after the last");
	stream->f->pushed[stream->f->n_pushed] = n;
	if (stream->f->n_pushed < 63) stream->f->n_pushed++;
	stream->n_samples += n;
	stream->last = last;
	return VITA_OK;
}

static vita_status encoder_pull(vita_encoder_stream *stream, int32_t *ids, float *rows, uint64_t capacity,
                                uint64_t *n, vita_error *err)
{
	(void)err;
	assert_true((ids == NULL) != (rows == NULL));
	for (*n = 0; *n < capacity && (stream->n_given + 1) * 10 <= stream->n_samples;
	     stream->n_given++, (*n)++) {
		if (ids) ids[*n] = (int32_t)(stream->n_given % FAKE_N_AUDIO);
		for (uint32_t i = 0; rows && i < FAKE_WIDTH; i++)
			rows[*n * FAKE_WIDTH + i] = (float)stream->n_given + 0.5f;
	}
	return stream->last && *n == 0 ? VITA_END : VITA_OK;
}

/* As if the first two tokens had come too early. */
static void encoder_deviation(const vita_encoder_stream *stream, vita_deviation *out)
{
	out->n_tokens = stream->n_given < 2 ? stream->n_given : 2;
	out->most_db = 1.5;
}

static const void *encoder_extension(vita_encoder *encoder, const char *id)
{
	static const vita_deviation_api deviation = { sizeof deviation, 0, encoder_deviation };
	(void)encoder;
	return strcmp(id, VITA_DEVIATION_ID) == 0 ? &deviation : NULL;
}

static const vita_encoder_api encoder_api = {
	.struct_size = sizeof encoder_api,
	.get_extension = encoder_extension,
	.stream_open = encoder_stream_open,
	.stream_close = encoder_stream_close,
	.push = encoder_push,
	.pull = encoder_pull,
};

/* ---- codec: five samples a token, one held back until the end -------------------------------------- */

struct vita_codec_stream {
	fake *f;
	uint64_t n_tokens, n_given;
	int last;
};

static vita_status codec_stream_open(vita_codec *codec, vita_codec_stream **out, vita_error *err)
{
	(void)err;
	*out = calloc(1, sizeof **out);
	assert_non_null(*out);
	(*out)->f = (fake *)(void *)codec;
	return VITA_OK;
}

static void codec_stream_close(vita_codec_stream *stream)
{
	free(stream);
}

static vita_status codec_push(vita_codec_stream *stream, const int32_t *ids, uint64_t n, int32_t last,
                              const vita_cancel *cancel, vita_error *err)
{
	fake *f = stream->f;
	(void)cancel;
	if (stream->last) return vita_fail(err, VITA_E_STATE, "push after the last");
	for (uint64_t i = 0; i < n; i++) f->codes[f->n_codes++] = ids[i];
	f->chunk[f->n_chunks++] = (uint32_t)n;
	stream->n_tokens += n;
	stream->last = f->codec_ended = last;
	return VITA_OK;
}

static vita_status codec_pull(vita_codec_stream *stream, float *pcm, uint64_t capacity, uint64_t *n,
                              vita_error *err)
{
	uint64_t ready = stream->n_tokens * 5 - (stream->n_tokens > 0 && !stream->last);
	(void)err;
	if (stream->f->codec_endless) ready = UINT64_MAX;
	for (*n = 0; *n < capacity && stream->n_given < ready; stream->n_given++)
		pcm[(*n)++] = (float)stream->n_given;
	if (stream->f->codec_overrun) *n = capacity + stream->f->codec_overrun;
	return stream->last && *n == 0 ? VITA_END : VITA_OK;
}

static const vita_codec_api codec_api = {
	.struct_size = sizeof codec_api,
	.stream_open = codec_stream_open,
	.stream_close = codec_stream_close,
	.push = codec_push,
	.pull = codec_pull,
};

/* ---- tokenizer ------------------------------------------------------------------------------------ */

/* The byte alphabet of GPT-2: printable bytes are themselves, the others follow from U+0100 on. */
static void write_vocabulary(FILE *file)
{
	unsigned next = 256;
	fprintf(file, "{\"model\": {\"type\": \"BPE\", \"vocab\": {");
	for (unsigned byte = 0; byte < 256; byte++) {
		int printable = (byte > 32 && byte < 127) || (byte > 160 && byte != 173);
		fprintf(file, "\"\\u%04x\": %u, ", printable ? byte : next++, byte);
	}
	fprintf(file, "\"he\": 256}, \"merges\": [\"h e\"]}, ");
}

static void write_added(FILE *file, int gap)
{
	static const char *const names[] = {
		"<|endoftext|>",      "<|im_start|>",     "<|im_end|>",
		"<|begin_of_audio|>", "<|end_of_audio|>", "<|context_of_audio|>"
	};
	fprintf(file, "\"added_tokens\": [");
	for (int i = 0; i < 6; i++)
		fprintf(file, "{\"id\": %d, \"content\": \"%s\", \"special\": true}, ", FAKE_END_OF_TEXT + i,
		        names[i]);
	for (int i = 0; i < FAKE_N_AUDIO; i++)
		fprintf(file, "%s{\"id\": %d, \"content\": \"<|audio_%d|>\", \"special\": false}",
		        i ? ", " : "", FAKE_AUDIO + i + (i < 3 ? 0 : gap), i);
	fprintf(file, "], \"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false, "
	              "\"trim_offsets\": false, \"use_regex\": true}, \"decoder\": {\"type\": "
	              "\"ByteLevel\"}}");
}

void fake_write_tokenizer(const char *path, int gap)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	write_vocabulary(file);
	write_added(file, gap);
	assert_int_equal(fclose(file), 0);
}

static vita_tokenizer *open_tokenizer(void)
{
	char path[] = "/tmp/vita-fake-XXXXXX", name[64];
	vita_tokenizer *tokenizer;
	vita_error err = { 0 };
	assert_non_null(mkdtemp(path));
	snprintf(name, sizeof name, "%s/tokenizer.json", path);
	fake_write_tokenizer(name, 0);
	vita_status status = vita_tokenizer_open(name, &tokenizer, &err);
	unlink(name);
	rmdir(path);
	if (status != VITA_OK) fail_msg("%s", err.message);
	return tokenizer;
}

/* ---- the engine ----------------------------------------------------------------------------------- */

static const vita_factory factory = { .struct_size = sizeof factory, .name = "fake" };

fake *fake_open(uint32_t n_heads, int tokenizer)
{
	fake *f = calloc(1, sizeof *f);
	assert_non_null(f);
	vita_engine *e = &f->engine;
	f->n_heads = n_heads;
	f->agreement = 60;
	f->fail_forward = f->fail_propose = -1;
	e->llm_api = &llm_api;
	e->llm = (vita_llm *)(void *)f;
	e->head_api = n_heads ? &head_api : NULL;
	e->head = n_heads ? (vita_head *)(void *)f : NULL;
	e->encoder_api = &encoder_api;
	e->encoder = (vita_encoder *)(void *)f;
	e->codec_api = &codec_api;
	e->codec = (vita_codec *)(void *)f;
	e->llm_part.factory = e->head_part.factory = e->encoder_part.factory = e->codec_part.factory =
		&factory;
	e->llm_info.vocab_size = FAKE_VOCAB;
	e->llm_info.hidden_size = FAKE_WIDTH;
	e->llm_info.context = 2000;
	e->head_info.count = n_heads;
	e->encoder_info.sample_rate = 100;
	e->encoder_info.width = FAKE_WIDTH;
	e->encoder_info.vocab_size = FAKE_N_AUDIO;
	e->codec_info.sample_rate = 50;
	e->codec_info.vocab_size = FAKE_N_AUDIO;
	e->generation.sampling = (vita_sampling){ 0, 1, 0, 1, 0 };
	e->generation.max_tokens = 40;
	e->all_ids = (vita_range){ 0, FAKE_VOCAB };
	e->id_limit = tokenizer ? FAKE_SIZE : (int32_t)FAKE_VOCAB;
	e->head_ranges = malloc(sizeof *e->head_ranges);
	assert_non_null(e->head_ranges);
	e->head_ranges[0] = e->all_ids;
	e->n_head_ranges = 1;
	e->head_rows_full = 1;
	e->markers = (vita_markers){ -1, 0, -1, -1, -1, -1, -1 };
	if (tokenizer) {
		e->tokenizer = open_tokenizer();
		assert_int_equal(vita_markers_find(&e->markers, e->tokenizer, NULL), VITA_OK);
	}
	assert_int_equal(vita_schedule_parse(&e->vanilla, "vanilla", NULL), VITA_OK);
	fake_schedule(f, "1,2");
	fake_chunks(f, (const uint32_t[]){ 2, 3 }, 2);
	return f;
}

void fake_close(fake *f)
{
	vita_engine *e = &f->engine;
	vita_schedule_free(&e->schedule);
	vita_schedule_free(&e->vanilla);
	vita_generation_free(&e->generation);
	vita_tokenizer_close(e->tokenizer);
	free(e->head_ranges);
	free(e->chunk);
	free(f);
}

void fake_schedule(fake *f, const char *text)
{
	vita_schedule_free(&f->engine.schedule);
	assert_int_equal(vita_schedule_parse(&f->engine.schedule, text, NULL), VITA_OK);
	f->engine.schedule_given = 1;
}

void fake_chunks(fake *f, const uint32_t *chunk, uint32_t n)
{
	free(f->engine.chunk);
	f->engine.chunk = malloc(n * sizeof *chunk);
	assert_non_null(f->engine.chunk);
	memcpy(f->engine.chunk, chunk, n * sizeof *chunk);
	f->engine.n_chunk = n;
}

void fake_audio_heads(fake *f)
{
	vita_engine *e = &f->engine;
	free(e->head_ranges);
	e->head_ranges = malloc(2 * sizeof *e->head_ranges);
	assert_non_null(e->head_ranges);
	e->head_ranges[0] = (vita_range){ FAKE_IM_END, 3 };
	e->head_ranges[1] = (vita_range){ FAKE_AUDIO, FAKE_N_AUDIO };
	e->n_head_ranges = 2;
	e->head_rows_full = 0;
}

const int32_t *fake_fed(const vita_conversation *c, uint32_t *n, const float **rows)
{
	*n = c->llm->n;
	if (rows) *rows = c->llm->rows;
	return c->llm->tokens;
}

/* ---- turns ---------------------------------------------------------------------------------------- */

static void compare(heard *h, const float *logits)
{
	for (uint32_t i = 0; i < h->n_vocab; i++) {
		double difference = (double)logits[i] - (double)h->reference[(size_t)h->n * h->n_vocab + i];
		if (difference < 0) difference = -difference;
		if (!(difference <= h->worst)) h->worst = difference;
	}
}

static vita_status on_token(void *user, int32_t id, uint32_t source, const float *logits, vita_error *err)
{
	heard *h = user;
	if (h->reference && logits) compare(h, logits);
	h->ids[h->n] = id;
	h->sources[h->n] = source;
	h->n_with_logits += logits != NULL;
	h->n_pcm_at_token[h->n++] = h->n_pcm;
	if (h->n == h->cancel_at) vita_cancel_request(h->cancel);
	return h->n == h->fail_at ? vita_fail(err, VITA_E_IO, "the listener has had enough") : VITA_OK;
}

static vita_status on_text(void *user, const char *text, uint64_t size, vita_error *err)
{
	heard *h = user;
	size_t used = strlen(h->text);
	(void)err;
	assert_true(size > 0 && used + size < sizeof h->text);
	memcpy(h->text + used, text, size);
	return VITA_OK;
}

static vita_status on_audio(void *user, const float *pcm, uint64_t n, vita_error *err)
{
	heard *h = user;
	(void)err;
	assert_true(n > 0 && h->n_pcm + n <= FAKE_MOST);
	memcpy(h->pcm + h->n_pcm, pcm, n * sizeof *pcm);
	h->n_pcm += n;
	return VITA_OK;
}

static vita_status on_progress(void *user, uint64_t done, uint64_t total, vita_error *err)
{
	heard *h = user;
	(void)err;
	assert_true(done == h->progress + 1 && done <= total);
	h->progress = done;
	return VITA_OK;
}

vita_turn_events heard_events(heard *h)
{
	vita_turn_events events;
	VITA_INIT(&events);
	events.user = h;
	events.token = on_token;
	events.text = on_text;
	events.audio = on_audio;
	events.progress = on_progress;
	return events;
}

static void forget(heard *h)
{
	h->n = h->n_with_logits = 0;
	h->n_pcm = h->progress = 0;
	memset(h->text, 0, sizeof h->text);
	VITA_INIT(&h->result);
	VITA_INIT(&h->err);
}

static vita_status hear(vita_conversation *c, heard *h, vita_turn *turn)
{
	vita_turn_events events = heard_events(h);
	forget(h);
	h->n_vocab = c->engine->llm_info.vocab_size;
	turn->events = &events;
	turn->cancel = h->cancel;
	turn->unscored = h->unscored;
	return vita_turn_run(c, turn, &h->result, &h->err);
}

vita_status hear_ids(vita_conversation *c, heard *h, const int32_t *ids, uint64_t n, int64_t max_tokens)
{
	vita_turn turn;
	VITA_INIT(&turn);
	turn.ids = ids;
	turn.n_ids = n;
	turn.max_tokens = max_tokens;
	return hear(c, h, &turn);
}

vita_status hear_text(vita_conversation *c, heard *h, uint32_t task, const char *text, int64_t max_tokens)
{
	vita_turn turn;
	VITA_INIT(&turn);
	turn.task = task;
	turn.text = text;
	turn.max_tokens = max_tokens;
	return hear(c, h, &turn);
}

static vita_status give_silence(void *user, float *pcm, uint64_t capacity, uint64_t *n, vita_error *err)
{
	uint64_t *left = user;
	(void)err;
	*n = *left < capacity ? *left : capacity;
	if (*n > 1000) *n = 1000;
	memset(pcm, 0, *n * sizeof *pcm);
	*left -= *n;
	return *n ? VITA_OK : VITA_END;
}

vita_status hear_speech(vita_conversation *c, heard *h, uint32_t task, uint64_t n_samples, int64_t max_tokens)
{
	vita_turn turn;
	VITA_INIT(&turn);
	turn.task = task;
	turn.source = give_silence;
	turn.source_user = &n_samples;
	turn.recorded = h->recorded;
	turn.max_tokens = max_tokens;
	return hear(c, h, &turn);
}
