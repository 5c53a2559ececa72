/* SPDX-License-Identifier: MIT
 *
 * The qwen2 language model on the reference backend: golden logits and hidden states, random models against
 * the specification in double precision, and states: blocks of any size, several at once, cut back, failing,
 * full.
 */
#include "lm_oracle.h"
#include "lm_random.h"
#include "lm_setup.h"

#include <math.h>
#include <pthread.h>

#define TOLERANCE 1e-4

static const lm_options llm_only = { NULL, 0, 1 };

/* Logits of all tokens (may be NULL) of one block; the block comes back with its hidden states. */
static vita_status forward(lm *m, vita_llm_state *state, const int32_t *ids, uint32_t n, float *logits,
                           vita_llm_block *block, vita_error *err)
{
	vita_llm_block *blocks[1] = { block };
	VITA_INIT(block);
	block->state = state;
	block->ids = ids;
	block->n_tokens = n;
	block->n_logits = logits ? n : 0;
	block->logits = logits;
	return m->llm_api->forward(m->llm, blocks, 1, NULL, err);
}

/* The same for a state of its own that is gone afterwards. */
static void forward_once(lm *m, const int32_t *ids, uint32_t n, float *logits)
{
	vita_error err;
	vita_llm_block block;
	vita_llm_state *state;
	lm_ok(m->llm_api->state_open(m->llm, &state, &err), &err);
	lm_ok(forward(m, state, ids, n, logits, &block, &err), &err);
	m->llm_api->state_close(state);
}

static float *read_tensor(const vita_device *device, const vita_tensor *t)
{
	vita_error err;
	size_t size = (size_t)(t->shape[0] * t->shape[1]) * sizeof(float);
	float *data = malloc(size);
	assert_non_null(data);
	lm_ok(device->api->read(device->self, t, data, size, &err), &err);
	return data;
}

static void *room(uint64_t n, size_t size)
{
	void *memory = calloc((size_t)n, size);
	assert_non_null(memory);
	return memory;
}

/* ---- golden data ----------------------------------------------------------------------------------- */

/* ids into a model; its logits (all, or of the last row) and hidden states as the golden file has them. */
static void check_golden(const char *name, const char *file, const int32_t *ids, int64_t n,
                         const char *logits_name, const char *hidden_name)
{
	vita_error err;
	vita_model *golden;
	vita_llm_block block;
	vita_llm_state *state;
	lm m;
	char *path = lm_golden_path(name, file);
	lm_ok(vita_model_open(path, VITA_MODEL_WANT_TENSORS, &golden, &err), &err);
	int32_t *own_ids = ids ? NULL : lm_golden_ids(golden, "ids", &n);
	lm_open_golden(&m, name, &llm_only);
	int64_t vocab = m.info.vocab_size, rows = 0, hidden_rows = 0;
	float *logits = room((uint64_t)(n * vocab), sizeof *logits);
	lm_ok(m.llm_api->state_open(m.llm, &state, &err), &err);
	lm_ok(forward(&m, state, ids ? ids : own_ids, (uint32_t)n, logits, &block, &err), &err);
	assert_int_equal(m.llm_api->state_length(state), n);
	float *expected = lm_golden_floats(golden, logits_name, &rows);
	if (rows == vocab) rows = 1; /* one row is stored as a vector */
	assert_true(lm_distance(logits + (n - rows) * vocab, expected, rows * vocab) < TOLERANCE);
	float *expected_hidden = lm_golden_floats(golden, hidden_name, &hidden_rows);
	float *hidden = read_tensor(&m.llm_trace->device, &block.hidden);
	assert_int_equal(hidden_rows, n);
	assert_true(lm_distance(hidden, expected_hidden, n * (int64_t)m.info.hidden_size) < TOLERANCE);
	m.llm_api->state_close(state);
	lm_close(&m);
	vita_model_close(golden);
	free(path), free(own_ids), free(logits), free(expected), free(expected_hidden), free(hidden);
}

static void test_golden(void **state)
{
	static const int32_t prompt[13] = { 7, 251, 33, 98, 5, 174, 262, 19, 140, 77, 3, 288, 61 };
	static const char *const names[] = { "tiny", "tiny-tied", "tiny-bf16-sharded" };
	(void)state;
	for (int i = 0; i < 3; i++)
		check_golden(names[i], "golden.safetensors", prompt, 13, "main_logits", "main_hidden");
}

static void test_golden_long(void **state)
{
	(void)state;
	check_golden("tiny", "golden_long.safetensors", NULL, 0, "main_logits_last", "main_hidden");
}

/* Hosts of other versions have structs of other sizes, which only they know. */
static void test_describe_keeps_size(void **state)
{
	struct {
		vita_llm_info info;
		uint64_t later;
	} newer = { .info.struct_size = sizeof newer, .later = 7 };
	lm m;
	(void)state;
	lm_open_golden(&m, "tiny", &llm_only);
	m.llm_api->describe(m.llm, &newer.info);
	assert_int_equal(newer.info.struct_size, sizeof newer);
	assert_int_equal(newer.info.vocab_size, m.info.vocab_size);
	assert_int_equal(newer.later, 7);
	lm_close(&m);
}

static void test_describe(void **state)
{
	lm m, quantised;
	vita_error err;
	static const char *const q8[] = { "llm.dtype=q8_0", NULL };
	const lm_options options = { q8, 0, 1 };
	(void)state;
	lm_open_golden(&m, "tiny", &llm_only);
	assert_int_equal(m.info.vocab_size, 300);
	assert_int_equal(m.info.hidden_size, 64);
	assert_int_equal(m.info.n_layers, 3);
	assert_int_equal(m.info.context, 1024);
	/* two matrices of 300 rows, three layers, the final norm */
	uint64_t layer = 64 + 64 * 64 + 64 + 2 * (32 * 64 + 32) + 64 * 64 + 64 + 3 * 160 * 64;
	assert_int_equal(m.info.weight_bytes, 4 * (2 * 300 * 64 + 3 * layer + 64));
	assert_int_equal(m.info.state_bytes, 3 * 1024 * 2 * 32 * 4);
	assert_ptr_equal(m.llm_api->device(m.llm), &m.llm_trace->device);
	assert_ptr_equal(m.llm_api->model(m.llm), m.model);
	assert_null(m.llm_api->get_extension(m.llm, "vita.nothing/1"));
	char *path = lm_golden_path("tiny", "");
	lm_ok(lm_open(&quantised, path, &options, &err), &err);
	assert_true(quantised.info.weight_bytes < m.info.weight_bytes / 3);
	lm_close(&quantised);
	lm_close(&m);
	free(path);
}

/* ---- random models --------------------------------------------------------------------------------- */

/* Random shapes, with rows in place of some embeddings. */
static void test_random_models(void **state)
{
	uint64_t seed = 1;
	(void)state;
	for (int round = 0; round < 30; round++) {
		int32_t ids[24];
		lm_shape shape = lm_random_shape(&seed);
		uint32_t n = 1 + lm_random_below(&seed, 24), n_rows = 0, index[24];
		char *path = lm_random_write(&shape, seed, NULL, NULL);
		vita_error err;
		vita_llm_block block, *blocks[1] = { &block };
		vita_llm_state *talk;
		lm_oracle oracle;
		lm m;
		lm_ok(lm_open(&m, path, &llm_only, &err), &err);
		for (uint32_t i = 0; i < n; i++)
			ids[i] = (int32_t)lm_random_below(&seed, (uint32_t)shape.vocab);
		for (uint32_t i = 0; i < n && round % 2; i++)
			if (lm_random_below(&seed, 3)) index[n_rows++] = i;
		float *rows = room(24 * (uint64_t)shape.hidden, sizeof *rows);
		float *logits = room(24 * (uint64_t)shape.vocab, sizeof *logits);
		for (int64_t i = 0; i < n_rows * shape.hidden; i++)
			rows[i] = lm_random_value(&seed);
		lm_ok(m.llm_api->state_open(m.llm, &talk, &err), &err);
		VITA_INIT(&block);
		block.state = talk;
		block.ids = ids;
		block.n_tokens = block.n_logits = n;
		block.logits = logits;
		block.rows = rows;
		block.row_index = index;
		block.n_rows = n_rows;
		lm_ok(m.llm_api->forward(m.llm, blocks, 1, NULL, &err), &err);
		lm_oracle_run(m.model, ids, n, rows, index, n_rows, &oracle);
		assert_true(lm_distance_double(logits, oracle.main, n * shape.vocab) < TOLERANCE);
		lm_oracle_free(&oracle);
		m.llm_api->state_close(talk);
		lm_close(&m);
		lm_random_remove(path);
		free(rows), free(logits);
	}
}

/* ---- one model for the rest ------------------------------------------------------------------------ */

#define N_IDS 1100
#define VOCAB 70

static const lm_shape usual = { "qwen2", VOCAB, 32, 24, 4, 2, 8, 2, 0, 0, 1, 0, "" };

typedef struct bench {
	char *path;
	lm m;
	int32_t ids[N_IDS];
	float *logits; /* [N_IDS, VOCAB], a token at a time */
} bench;

static const float *expected_row(const bench *b, uint32_t row)
{
	return b->logits + row * VOCAB;
}

static int bench_up(void **state)
{
	uint64_t seed = 11;
	bench *b = room(1, sizeof *b);
	vita_error err;
	vita_llm_state *talk;
	vita_llm_block block;
	b->path = lm_random_write(&usual, 12, NULL, NULL);
	lm_ok(lm_open(&b->m, b->path, &llm_only, &err), &err);
	b->logits = room(N_IDS * VOCAB, sizeof *b->logits);
	for (int i = 0; i < N_IDS; i++)
		b->ids[i] = (int32_t)lm_random_below(&seed, VOCAB);
	lm_ok(b->m.llm_api->state_open(b->m.llm, &talk, &err), &err);
	for (uint32_t i = 0; i < N_IDS; i++)
		lm_ok(forward(&b->m, talk, b->ids + i, 1, b->logits + i * VOCAB, &block, &err), &err);
	b->m.llm_api->state_close(talk);
	*state = b;
	return 0;
}

static int bench_down(void **state)
{
	bench *b = *state;
	lm_close(&b->m);
	lm_random_remove(b->path);
	free(b->logits);
	free(b);
	return 0;
}

/* However the tokens come, in one block of more than a piece, or in random ones: the same bits. */
static void test_blocks(void **state)
{
	bench *b = *state;
	uint64_t seed = 5;
	float *logits = room(N_IDS * VOCAB, sizeof *logits);
	forward_once(&b->m, b->ids, N_IDS, logits);
	assert_memory_equal(logits, b->logits, N_IDS * VOCAB * sizeof *logits);
	vita_llm_state *talk;
	vita_llm_block block;
	vita_error err;
	lm_ok(b->m.llm_api->state_open(b->m.llm, &talk, &err), &err);
	for (uint32_t at = 0, n; at < N_IDS; at += n) {
		n = 1 + lm_random_below(&seed, 60);
		if (n > N_IDS - at) n = N_IDS - at;
		lm_ok(forward(&b->m, talk, b->ids + at, n, logits, &block, &err), &err);
		assert_memory_equal(logits, expected_row(b, at), n * VOCAB * sizeof *logits);
	}
	b->m.llm_api->state_close(talk);
	free(logits);
}

/* Conversations of different lengths in one pass are as each alone; only what is asked for is written. */
static void test_batch(void **state)
{
	bench *b = *state;
	static const uint32_t start[5] = { 0, 3, 600, 40, 1 }, count[5] = { 7, 1, 450, 100, 3 };
	static const uint32_t wanted[5] = { 1, 1, 40, 0, 3 };
	vita_llm_block block[5], *blocks[5], first;
	vita_error err;
	for (int i = 0; i < 5; i++) {
		VITA_INIT(&block[i]);
		blocks[i] = &block[i];
		lm_ok(b->m.llm_api->state_open(b->m.llm, &block[i].state, &err), &err);
		if (start[i])
			lm_ok(forward(&b->m, block[i].state, b->ids, start[i], NULL, &first, &err), &err);
		block[i].ids = b->ids + start[i];
		block[i].n_tokens = count[i];
		block[i].n_logits = wanted[i];
		block[i].logits = room(wanted[i] * VOCAB + 1, sizeof(float));
		block[i].logits[wanted[i] * VOCAB] = 1234;
	}
	lm_ok(b->m.llm_api->forward(b->m.llm, blocks, 5, NULL, &err), &err);
	for (int i = 0; i < 5; i++) {
		const float *expected = expected_row(b, start[i] + count[i] - wanted[i]);
		assert_int_equal(b->m.llm_api->state_length(block[i].state), start[i] + count[i]);
		assert_memory_equal(block[i].logits, expected, wanted[i] * VOCAB * sizeof(float));
		assert_true(block[i].logits[wanted[i] * VOCAB] == 1234);
		assert_int_equal(block[i].hidden.shape[0], count[i]);
		b->m.llm_api->state_close(block[i].state);
		free(block[i].logits);
	}
}

static void test_truncate(void **state)
{
	bench *b = *state;
	uint64_t seed = 8;
	float *logits = room(64 * VOCAB, sizeof *logits);
	vita_llm_state *talk;
	vita_llm_block block;
	vita_error err;
	lm_ok(b->m.llm_api->state_open(b->m.llm, &talk, &err), &err);
	assert_int_equal(b->m.llm_api->state_truncate(talk, 1, &err), VITA_E_INVALID);
	for (int step = 0; step < 40; step++) {
		uint32_t at = b->m.llm_api->state_length(talk), n = 1 + lm_random_below(&seed, 64);
		lm_ok(forward(&b->m, talk, b->ids + at, n, logits, &block, &err), &err);
		assert_memory_equal(logits, expected_row(b, at), n * VOCAB * sizeof *logits);
		uint32_t cut = lm_random_below(&seed, at + n + 1);
		if (step % 4 == 3) lm_ok(b->m.llm_api->state_truncate(talk, cut, &err), &err);
		if (at + n > 900) lm_ok(b->m.llm_api->state_truncate(talk, 0, &err), &err);
	}
	b->m.llm_api->state_close(talk);
	free(logits);
}

/* Rows equal to the embeddings that they replace change nothing, wherever they lie. */
static void test_rows(void **state)
{
	bench *b = *state;
	static uint32_t index[600];
	static float rows[600 * 32];
	float *logits = room(600 * VOCAB, sizeof *logits);
	uint32_t n = 0;
	vita_llm_block block, *blocks[1] = { &block };
	vita_array table;
	vita_error err;
	VITA_INIT(&table);
	lm_ok(vita_model_tensor(b->m.model, "model.embed_tokens.weight", 0, NULL, &table, &err), &err);
	for (uint32_t i = 0; i < 600; i++) {
		if (i % 50 >= 20 && i != 511 && i != 512 && i != 599) continue;
		memcpy(rows + n * 32, (const char *)table.data + (size_t)b->ids[i] * 32 * sizeof(float),
		       32 * sizeof(float));
		index[n++] = i;
	}
	VITA_INIT(&block);
	lm_ok(b->m.llm_api->state_open(b->m.llm, &block.state, &err), &err);
	block.ids = b->ids;
	block.n_tokens = block.n_logits = 600;
	block.rows = rows;
	block.row_index = index;
	block.n_rows = n;
	block.logits = logits;
	lm_ok(b->m.llm_api->forward(b->m.llm, blocks, 1, NULL, &err), &err);
	assert_memory_equal(logits, b->logits, 600 * VOCAB * sizeof *logits);
	for (uint32_t i = 0; i < n * 32; i++)
		rows[i] += 1;
	lm_ok(b->m.llm_api->state_truncate(block.state, 0, &err), &err);
	lm_ok(b->m.llm_api->forward(b->m.llm, blocks, 1, NULL, &err), &err);
	assert_true(lm_distance(logits, b->logits, VOCAB) > 0.01);
	b->m.llm_api->state_close(block.state);
	free(logits);
}

static void expect_failure(bench *b, vita_llm_block *const *blocks, uint32_t n, vita_status expected,
                           const char *words)
{
	vita_error err;
	uint32_t length = b->m.llm_api->state_length(blocks[0]->state);
	vita_status status = b->m.llm_api->forward(b->m.llm, blocks, n, NULL, &err);
	assert_int_equal(status, expected);
	assert_int_equal(err.status, expected);
	if (!strstr(err.message, words)) fail_msg("\"%s\" does not say \"%s\"", err.message, words);
	assert_int_equal(b->m.llm_api->state_length(blocks[0]->state), length);
}

static void test_bad_blocks(void **state)
{
	bench *b = *state;
	static const uint32_t falling[2] = { 3, 2 }, beyond[1] = { 5 };
	static const float rows[64];
	int32_t ids[5] = { 1, 2, 3, 4, 5 };
	float logits[5 * VOCAB];
	vita_error err;
	vita_llm_block block, other, *blocks[2] = { &block, &other };
	VITA_INIT(&block);
	lm_ok(b->m.llm_api->state_open(b->m.llm, &block.state, &err), &err);
	block.ids = ids;
	block.n_tokens = block.n_logits = 5;
	block.logits = logits;
	ids[3] = VOCAB;
	expect_failure(b, blocks, 1, VITA_E_INVALID,
	               "token id 70 at place 4 of 5 is outside the vocabulary of 70");
	ids[3] = -1;
	expect_failure(b, blocks, 1, VITA_E_INVALID, "token id -1");
	ids[3] = 4;
	block.n_logits = 6;
	expect_failure(b, blocks, 1, VITA_E_INVALID, "6 rows of logits");
	block.n_logits = 5;
	block.logits = NULL;
	expect_failure(b, blocks, 1, VITA_E_INVALID, "without memory");
	block.logits = logits;
	block.n_tokens = 0;
	expect_failure(b, blocks, 1, VITA_E_INVALID, "at least one token");
	block.n_tokens = 5;
	block.n_rows = 2;
	expect_failure(b, blocks, 1, VITA_E_INVALID, "lacks the rows");
	block.rows = rows;
	block.row_index = falling;
	expect_failure(b, blocks, 1, VITA_E_INVALID, "must rise");
	block.n_rows = 1;
	block.row_index = beyond;
	expect_failure(b, blocks, 1, VITA_E_INVALID, "below 5");
	block.n_rows = 0;
	other = block;
	expect_failure(b, blocks, 2, VITA_E_INVALID, "same state");
	lm_ok(b->m.llm_api->forward(b->m.llm, blocks, 1, NULL, &err), &err);
	b->m.llm_api->state_close(block.state);
}

static void test_full_context(void **state)
{
	bench *b = *state;
	static const char *const fifty[] = { "llm.context=50", NULL };
	const lm_options options = { fifty, 0, 1 };
	float logits[VOCAB];
	vita_error err;
	vita_llm_block block;
	vita_llm_state *talk;
	lm m;
	lm_ok(lm_open(&m, b->path, &options, &err), &err);
	assert_int_equal(m.info.context, 50);
	lm_ok(m.llm_api->state_open(m.llm, &talk, &err), &err);
	lm_ok(forward(&m, talk, b->ids, 48, NULL, &block, &err), &err);
	assert_int_equal(forward(&m, talk, b->ids + 48, 3, NULL, &block, &err), VITA_E_NOMEM);
	assert_non_null(strstr(err.message, "holds 50 tokens, of which 48 are taken, and 3 more"));
	assert_int_equal(m.llm_api->state_length(talk), 48);
	lm_ok(forward(&m, talk, b->ids + 48, 1, logits, &block, &err), &err);
	lm_ok(forward(&m, talk, b->ids + 49, 1, logits, &block, &err), &err);
	assert_memory_equal(logits, expected_row(b, 49), sizeof logits);
	assert_int_equal(forward(&m, talk, b->ids, 1, logits, &block, &err), VITA_E_NOMEM);
	m.llm_api->state_close(talk);
	lm_close(&m);
}

/* Whichever submit fails, the state is as it was and the next try gives the right bits. */
static void test_device_failure(void **state)
{
	bench *b = *state;
	float logits[70 * VOCAB];
	vita_llm_state *talk;
	vita_llm_block block;
	vita_error err;
	int64_t after = 0;
	lm_ok(b->m.llm_api->state_open(b->m.llm, &talk, &err), &err);
	lm_ok(forward(&b->m, talk, b->ids, 60, NULL, &block, &err), &err);
	for (;; after++) {
		b->m.llm_trace->fail_after = after;
		/* the caches must grow */
		vita_status status = forward(&b->m, talk, b->ids + 60, 70, logits, &block, &err);
		b->m.llm_trace->fail_after = -1;
		if (status == VITA_OK) break;
		assert_int_equal(status, VITA_E_DEVICE);
		assert_int_equal(b->m.llm_api->state_length(talk), 60);
	}
	assert_true(after >= 5);
	assert_memory_equal(logits, expected_row(b, 60), sizeof logits);
	b->m.llm_api->state_close(talk);
}

static void test_cancel(void **state)
{
	bench *b = *state;
	vita_cancel *cancel = vita_cancel_create();
	float logits[VOCAB];
	vita_error err;
	vita_llm_block block, *blocks[1] = { &block };
	assert_non_null(cancel);
	VITA_INIT(&block);
	lm_ok(b->m.llm_api->state_open(b->m.llm, &block.state, &err), &err);
	block.ids = b->ids;
	block.n_tokens = 9;
	block.n_logits = 1;
	block.logits = logits;
	vita_cancel_request(cancel);
	assert_int_equal(b->m.llm_api->forward(b->m.llm, blocks, 1, cancel, &err), VITA_E_CANCELLED);
	assert_int_equal(b->m.llm_api->state_length(block.state), 0);
	vita_cancel_clear(cancel);
	lm_ok(b->m.llm_api->forward(b->m.llm, blocks, 1, cancel, &err), &err);
	assert_memory_equal(logits, expected_row(b, 8), sizeof logits);
	b->m.llm_api->state_close(block.state);
	vita_cancel_destroy(cancel);
}

typedef struct worker {
	bench *b;
	uint32_t block;
	int wrong;
} worker;

static void *work(void *argument)
{
	worker *w = argument;
	float logits[64 * VOCAB];
	vita_llm_state *talk = NULL;
	vita_llm_block block;
	if (w->b->m.llm_api->state_open(w->b->m.llm, &talk, NULL) != VITA_OK) return NULL;
	for (uint32_t at = 0; at + w->block <= 300; at += w->block) {
		if (forward(&w->b->m, talk, w->b->ids + at, w->block, logits, &block, NULL) != VITA_OK)
			w->wrong++;
		if (memcmp(logits, expected_row(w->b, at), w->block * VOCAB * sizeof *logits) != 0)
			w->wrong++;
	}
	w->b->m.llm_api->state_close(talk);
	return w;
}

/* Different states on different threads at once. */
static void test_threads(void **state)
{
	enum { N = 4 };
	pthread_t thread[N];
	worker workers[N];
	static const uint32_t blocks[N] = { 1, 64, 7, 20 };
	lm_trace *trace = ((bench *)*state)->m.llm_trace;
	/* the trace counts without locks: take it out of the way */
	bench copy = *(bench *)*state;
	vita_error err;
	trace->n = LM_TRACE_MAX;
	lm plain = copy.m;
	const vita_factory *factory;
	vita_settings *settings;
	lm_ok(vita_context_section_factory(plain.context, "llm", &factory, &err), &err);
	lm_ok(vita_context_settings(plain.context, "llm", factory, &settings, &err), &err);
	lm_ok(plain.llm_api->open(plain.host, plain.device, plain.model, settings, &copy.m.llm, &err), &err);
	vita_settings_destroy(settings);
	for (int i = 0; i < N; i++) {
		workers[i] = (worker){ &copy, blocks[i], 0 };
		assert_int_equal(pthread_create(&thread[i], NULL, work, &workers[i]), 0);
	}
	for (int i = 0; i < N; i++) {
		void *result;
		assert_int_equal(pthread_join(thread[i], &result), 0);
		assert_ptr_equal(result, &workers[i]);
		assert_int_equal(workers[i].wrong, 0);
	}
	copy.m.llm_api->close(copy.m.llm);
}

/* Caches and weights of other types are near, and not the same. */
static void test_types(void **state)
{
	bench *b = *state;
	static const struct {
		const char *setting;
		double near;
	} types[] = {
		{ "llm.cache=f16", 2e-2 }, { "llm.cache=bf16", 0.1 }, { "llm.dtype=f16", 2e-2 },
		{ "llm.dtype=bf16", 0.1 }, { "llm.dtype=q8_0", 0.2 },
	};
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		const char *const settings[] = { types[i].setting, NULL };
		const lm_options options = { settings, 0, 1 };
		float logits[40 * VOCAB];
		vita_error err;
		lm m;
		lm_ok(lm_open(&m, b->path, &options, &err), &err);
		forward_once(&m, b->ids, 40, logits);
		double distance = lm_distance(logits, b->logits, 40 * VOCAB);
		if (!(distance > 1e-6 && distance < types[i].near))
			fail_msg("%s: %g", types[i].setting, distance);
		lm_close(&m);
	}
	/* rows of 32 values take q4_1 in place of q4_k, rows of 24 (down_proj) f16, vectors stay f32 */
	static const char *const q4_k[] = { "llm.dtype=q4_k", NULL };
	static const char *const q8_cache[] = { "llm.cache=q8_0", NULL };
	lm_options options = { q4_k, 0, 1 };
	vita_error err;
	lm m;
	lm_ok(lm_open(&m, b->path, &options, &err), &err);
	uint64_t rows = 2 * VOCAB + 2 * (32 + 16 + 16 + 32 + 24 + 24);
	uint64_t vectors = 32 + 2 * (32 + 32 + 16 + 16 + 32);
	assert_int_equal(m.info.weight_bytes, rows * 20 + 2 * 32 * 24 * 2 + vectors * 4);
	lm_close(&m);
	options.settings = q8_cache;
	assert_int_equal(lm_open(&m, b->path, &options, &err), VITA_E_CONFIG); /* heads of 8 values */
	assert_non_null(strstr(err.message, "multiple of 32"));
}

static void test_lent(void **state)
{
	bench *b = *state;
	static const vita_range ranges[3] = { { 60, 10 }, { 0, 5 }, { 33, 1 } }, outside = { 66, 5 };
	static const int32_t bad[2] = { 3, VOCAB };
	const vita_device *device = &b->m.llm_trace->device;
	vita_buffer *buffer;
	vita_error err;
	vita_array table;
	float logits[16 * VOCAB];
	vita_llm_state *talk;
	vita_llm_block block;
	VITA_INIT(&table);
	lm_ok(vita_model_tensor(b->m.model, "model.embed_tokens.weight", 0, NULL, &table, &err), &err);
	lm_ok(device->api->alloc(device->self, N_IDS * 32 * sizeof(float), &buffer, &err), &err);
	vita_tensor y = vita_view(buffer, 0, VITA_F32, 2, N_IDS, 32, 0, 0);
	lm_ok(b->m.llm_api->embed(b->m.llm, b->ids, N_IDS, &y, &err), &err);
	float *rows = read_tensor(device, &y);
	for (int i = 0; i < N_IDS; i++)
		assert_memory_equal(rows + i * 32,
		                    (const char *)table.data + (size_t)b->ids[i] * 32 * sizeof(float), 128);
	free(rows);
	assert_int_equal(b->m.llm_api->embed(b->m.llm, bad, 2, &y, &err), VITA_E_INVALID);

	lm_ok(b->m.llm_api->state_open(b->m.llm, &talk, &err), &err);
	lm_ok(forward(&b->m, talk, b->ids, 16, logits, &block, &err), &err);
	y = vita_view(buffer, 0, VITA_F32, 2, 16, 16, 0, 0);
	lm_ok(b->m.llm_api->unembed(b->m.llm, &block.hidden, ranges, 3, &y, &err), &err);
	rows = read_tensor(device, &y);
	for (int i = 0; i < 16; i++) {
		assert_memory_equal(rows + i * 16, logits + i * VOCAB + 60, 10 * sizeof(float));
		assert_memory_equal(rows + i * 16 + 10, logits + i * VOCAB, 5 * sizeof(float));
		assert_memory_equal(rows + i * 16 + 15, logits + i * VOCAB + 33, sizeof(float));
	}
	free(rows);
	assert_int_equal(b->m.llm_api->unembed(b->m.llm, &block.hidden, &outside, 1, &y, &err),
	                 VITA_E_INVALID);

	vita_array norm;
	VITA_INIT(&norm);
	lm_ok(vita_model_tensor(b->m.model, "model.norm.weight", 0, NULL, &norm, &err), &err);
	float *before = read_tensor(device, &block.hidden);
	lm_ok(b->m.llm_api->final_norm(b->m.llm, &block.hidden, &block.hidden, &err), &err);
	float *after = read_tensor(device, &block.hidden);
	double square = 0;
	for (int j = 0; j < 32; j++)
		square += (double)before[j] * (double)before[j];
	for (int j = 0; j < 32; j++) {
		double expected = (double)before[j] / sqrt(square / 32 + 1e-6) *
		                  (double)((const float *)norm.data)[j];
		assert_true(fabs((double)after[j] - expected) < 1e-5);
	}
	free(before), free(after);
	b->m.llm_api->state_close(talk);
	device->api->free(device->self, buffer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_golden_long),
		cmocka_unit_test(test_describe),
		cmocka_unit_test(test_describe_keeps_size),
		cmocka_unit_test(test_random_models),
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_batch),
		cmocka_unit_test(test_truncate),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_bad_blocks),
		cmocka_unit_test(test_full_context),
		cmocka_unit_test(test_device_failure),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_lent),
	};
	return cmocka_run_group_tests(tests, bench_up, bench_down);
}
