/* SPDX-License-Identifier: MIT
 *
 * The mctp heads on the reference backend: golden runs, the rows that every call processes, and the
 * self-consistency of the specification's section 4.6 over random models, prompts and modes. Each logit row
 * belongs to a stage (0 the backbone, k + 1 module k) and a row number of it, and must be the same bits
 * however the schedule came there.
 */
#include "lm_oracle.h"
#include "lm_random.h"
#include "lm_setup.h"

#include <jansson.h>

#define TOLERANCE 1e-4

static const char *const golden_models[] = { "tiny", "tiny-tied", "tiny-bf16-sharded" };
#define N_GOLDEN (sizeof golden_models / sizeof golden_models[0])

/* ---- golden runs ----------------------------------------------------------------------------------- */

static json_t *golden_json(const char *name)
{
	char *path = lm_golden_path(name, "golden.json");
	json_t *json = json_load_file(path, 0, NULL);
	assert_non_null(json);
	free(path);
	return json;
}

static vita_model *golden_tensors(const char *name)
{
	vita_error err;
	vita_model *model = NULL;
	char *path = lm_golden_path(name, "golden.safetensors");
	lm_ok(vita_model_open(path, VITA_MODEL_WANT_TENSORS, &model, &err), &err);
	free(path);
	return model;
}

/* A list of integers of at most LM_MAX_TOKENS. */
static uint32_t read_list(const json_t *list, int32_t *out)
{
	size_t n = json_array_size(list);
	assert_true(n > 0 && n <= LM_MAX_TOKENS);
	for (size_t i = 0; i < n; i++)
		out[i] = (int32_t)json_integer_value(json_array_get(list, i));
	return (uint32_t)n;
}

/* Every layer call noted by the trace is one of the run's, in order: its rows, positions and cached rows. */
static void check_calls(const lm_trace *trace, const json_t *calls)
{
	uint32_t at = 0;
	size_t c;
	const json_t *call;
	json_array_foreach(calls, c, call) {
		int32_t positions[LM_MAX_TOKENS];
		uint32_t n = read_list(json_object_get(call, "positions"), positions);
		for (size_t l = 0; l < json_array_size(json_object_get(call, "layers")); l++, at++) {
			assert_true(at < trace->n);
			assert_int_equal(trace->call[at].rows, n);
			assert_int_equal(trace->call[at].before,
			                 json_integer_value(json_object_get(call, "kv_before")));
			assert_memory_equal(trace->call[at].positions, positions, n * sizeof *positions);
		}
	}
	assert_int_equal(at, trace->n);
}

/* Run the mode greedily (or along `forced`) and compare tokens, who gave them, and calls; logits are those
 * of the first n_logits steps. */
static void check_run(lm *m, const int32_t *prompt, uint32_t n_prompt, const json_t *run,
                      const int32_t *forced, const float *logits, int64_t n_logits)
{
	static int32_t mode[LM_MAX_TOKENS], tokens[LM_MAX_TOKENS];
	uint32_t n_mode = read_list(json_object_get(run, "mode"), mode);
	uint32_t n = read_list(json_object_get(run, "tokens"), tokens);
	const char *schedule = json_string_value(json_object_get(run, "schedule"));
	int64_t vocab = m->info.vocab_size;
	lm_talk talk;
	m->llm_trace->n = 0;
	lm_talk_open(&talk, m, prompt, n_prompt);
	for (uint32_t j = 0; j < n; j++) {
		lm_talk_step(&talk, mode, n_mode);
		if (schedule) assert_int_equal(lm_schedule(mode, n_mode, j), schedule[j]);
		if (j < n_logits)
			assert_true(lm_distance(talk.logits, logits + j * vocab, vocab) < TOLERANCE);
		if (!forced) assert_int_equal(lm_talk_best(&talk), tokens[j]);
		lm_talk_add(&talk, tokens[j]);
	}
	if (json_object_get(run, "calls")) check_calls(m->llm_trace, json_object_get(run, "calls"));
	lm_talk_close(&talk);
}

static void check_golden(const char *name)
{
	static int32_t prompt[LM_MAX_TOKENS];
	json_t *json = golden_json(name);
	vita_model *tensors = golden_tensors(name);
	uint32_t n = read_list(json_object_get(json, "prompt"), prompt);
	size_t i;
	const json_t *run;
	lm m;
	lm_open_golden(&m, name, NULL);
	assert_int_equal(m.head_info.count, 3);
	json_array_foreach(json_object_get(json, "runs"), i, run) {
		char key[64];
		int64_t rows;
		(void)snprintf(key, sizeof key, "%s.logits_first8",
		               json_string_value(json_object_get(run, "key")));
		float *logits = lm_golden_floats(tensors, key, &rows);
		check_run(&m, prompt, n, run, NULL, logits, rows);
		free(logits);
	}
	static const char *const forced_keys[] = { "forced", "forced2" };
	int32_t *forced = lm_golden_ids(tensors, "forced.tokens", NULL);
	for (int f = 0; f < 2; f++) {
		char key[64];
		int64_t rows;
		(void)snprintf(key, sizeof key, "%s.logits", forced_keys[f]);
		float *logits = lm_golden_floats(tensors, key, &rows);
		assert_int_equal(rows, 32);
		check_run(&m, prompt, n, json_object_get(json, forced_keys[f]), forced, logits, rows);
		free(logits);
	}
	free(forced);
	if (json_object_get(json, "over"))
		check_run(&m, prompt, n, json_object_get(json, "over"), NULL, NULL, 0);
	if (json_object_get(json, "eos"))
		check_run(&m, prompt, n, json_object_get(json, "eos"), NULL, NULL, 0);
	const json_t *one = json_object_get(json, "prompt1");
	if (one) {
		n = read_list(json_object_get(one, "prompt"), prompt);
		assert_int_equal(n, 1);
		check_run(&m, prompt, n, one, NULL, NULL, 0);
	}
	lm_close(&m);
	vita_model_close(tensors);
	json_decref(json);
}

static void test_golden_runs(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_GOLDEN; i++)
		check_golden(golden_models[i]);
}

/* ---- every row of every stage ---------------------------------------------------------------------- */

/* Logits by stage and row for one sequence of tokens. */
typedef struct table {
	const int32_t *ids;
	uint32_t n, stages;
	int64_t vocab;
	float *rows; /* [stages, n, vocab] */
} table;

static float *table_row(const table *t, uint32_t stage, uint32_t row)
{
	return t->rows + ((int64_t)stage * t->n + row) * t->vocab;
}

/* Teacher-forced: a token at a time, all heads after each main pass as far as tokens are known. */
static table make_table(lm *m, const int32_t *ids, uint32_t n)
{
	static const int32_t all_main[2] = { 1, 0 };
	table t = { ids, n, m->head_info.count + 1, m->info.vocab_size, NULL };
	t.rows = calloc((size_t)t.stages * n, (size_t)t.vocab * sizeof *t.rows);
	assert_non_null(t.rows);
	lm_talk talk;
	lm_talk_open(&talk, m, ids, 1);
	for (uint32_t i = 0; i < n; i++) {
		talk.n_prompt = talk.n = i + 1;
		memcpy(talk.tokens, ids, n * sizeof *ids);
		lm_talk_step(&talk, all_main, 2);
		memcpy(table_row(&t, 0, i), talk.logits, (size_t)t.vocab * sizeof *t.rows);
		for (uint32_t k = 0; k < m->head_info.count && i + k + 2 <= n; k++) {
			static const int32_t heads[2] = { 1, 1000 };
			talk.n = i + k + 2;
			lm_talk_step(&talk, heads, 2);
			assert_int_equal(talk.stage, k + 1);
			assert_int_equal(talk.row, i);
			memcpy(table_row(&t, k + 1, i), talk.logits, (size_t)t.vocab * sizeof *t.rows);
		}
	}
	lm_talk_close(&talk);
	return t;
}

/* The newest logits are the bits of the table. */
static void check_row(const lm_talk *talk, const table *t)
{
	assert_memory_equal(talk->logits, table_row(t, talk->stage, talk->row),
	                    (size_t)t->vocab * sizeof(float));
}

static void check_table_golden(const char *name)
{
	vita_model *tensors = golden_tensors(name);
	json_t *json = golden_json(name);
	static int32_t prompt[LM_MAX_TOKENS];
	uint32_t n = read_list(json_object_get(json, "prompt"), prompt);
	lm m;
	lm_open_golden(&m, name, NULL);
	table t = make_table(&m, prompt, n);
	for (uint32_t stage = 0; stage < t.stages; stage++) {
		char key[64] = "main_logits";
		int64_t rows;
		if (stage > 0) (void)snprintf(key, sizeof key, "mtp%u_logits", stage - 1);
		float *expected = lm_golden_floats(tensors, key, &rows);
		assert_int_equal(rows, n - stage);
		assert_true(lm_distance(table_row(&t, stage, 0), expected, rows * t.vocab) < TOLERANCE);
		free(expected);
	}
	free(t.rows);
	lm_close(&m);
	json_decref(json);
	vita_model_close(tensors);
}

static void test_golden_teacher_forced(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_GOLDEN; i++)
		check_table_golden(golden_models[i]);
}

/* ---- random models, prompts and modes -------------------------------------------------------------- */

static uint32_t random_mode(uint64_t *seed, int32_t *mode)
{
	static const int32_t named[3][6] = { { 1, 10 }, { 1, 10, 4, 10 }, { 1, 4, 3, 8, 4, 10 } };
	static const uint32_t named_n[3] = { 2, 4, 6 };
	uint32_t which = lm_random_below(seed, 6), n = 2 * (1 + lm_random_below(seed, 3));
	if (which < 3) {
		memcpy(mode, named[which], sizeof named[which]);
		return named_n[which];
	}
	for (uint32_t i = 0; i < n; i += 2) {
		mode[i] = 1 + (int32_t)lm_random_below(seed, 3);
		mode[i + 1] = (int32_t)lm_random_below(seed, 6);
	}
	return n;
}

static void check_oracle(const table *t, const lm *m)
{
	lm_oracle oracle;
	lm_oracle_run(m->model, t->ids, t->n, NULL, NULL, 0, &oracle);
	assert_int_equal(oracle.modules, m->head_info.count);
	assert_true(lm_distance_double(table_row(t, 0, 0), oracle.main, t->n * t->vocab) < TOLERANCE);
	for (uint32_t k = 0; k + 1 < t->stages; k++)
		assert_true(lm_distance_double(table_row(t, k + 1, 0), oracle.module[k],
		                               (t->n - 1 - k) * t->vocab) < TOLERANCE);
	lm_oracle_free(&oracle);
}

/* After each step of a mode its logits are those of the table. */
static void follow(lm *m, const table *t, uint32_t n_prompt, const int32_t *mode, uint32_t n_mode,
                   int prefill)
{
	lm_talk talk;
	vita_error err;
	lm_talk_open(&talk, m, t->ids, n_prompt);
	while (talk.n < t->n) {
		lm_talk_step(&talk, mode, n_mode);
		check_row(&talk, t);
		if (prefill && talk.n == n_prompt)
			lm_ok(m->head_api->prefill(talk.head, talk.tokens, talk.n, NULL, &err), &err);
		lm_talk_add(&talk, t->ids[talk.n]);
	}
	lm_talk_close(&talk);
}

static void test_random_models(void **state)
{
	uint64_t seed = 20250503;
	(void)state;
	for (int round = 0; round < 24; round++) {
		int32_t ids[40], mode[8];
		lm_shape shape = lm_random_shape(&seed);
		char *path = lm_random_write(&shape, seed, NULL, NULL);
		vita_error err;
		lm m;
		lm_ok(lm_open(&m, path, NULL, &err), &err);
		for (int i = 0; i < 40; i++)
			ids[i] = (int32_t)lm_random_below(&seed, (uint32_t)shape.vocab);
		table t = make_table(&m, ids, 40);
		check_oracle(&t, &m);
		for (int run = 0; run < 6; run++) {
			uint32_t n_mode = random_mode(&seed, mode);
			follow(&m, &t, 1 + lm_random_below(&seed, 20), mode, n_mode, run % 2);
		}
		free(t.rows);
		lm_close(&m);
		lm_random_remove(path);
	}
}

/* ---- one model for the rest ------------------------------------------------------------------------ */

static const lm_shape usual = { "qwen2_mtp", 90, 24, 40, 6, 2, 8, 2, 4, 0, 1, 0, "" };

typedef struct bench {
	char *path;
	lm m;
	int32_t ids[120];
	table t;
} bench;

static int bench_up(void **state)
{
	uint64_t seed = 7;
	bench *b = calloc(1, sizeof *b);
	vita_error err;
	assert_non_null(b);
	b->path = lm_random_write(&usual, 5, NULL, NULL);
	lm_ok(lm_open(&b->m, b->path, NULL, &err), &err);
	for (int i = 0; i < 120; i++)
		b->ids[i] = (int32_t)lm_random_below(&seed, 90);
	b->t = make_table(&b->m, b->ids, 120);
	*state = b;
	return 0;
}

static int bench_down(void **state)
{
	bench *b = *state;
	free(b->t.rows);
	lm_close(&b->m);
	lm_random_remove(b->path);
	free(b);
	return 0;
}

/* Cut back anywhere, any number of times, from shallow to all: nothing changes. */
static void test_truncate(void **state)
{
	bench *b = *state;
	uint64_t seed = 99;
	for (int round = 0; round < 12; round++) {
		int32_t mode[8];
		uint32_t n_mode = random_mode(&seed, mode);
		lm_talk talk;
		lm_talk_open(&talk, &b->m, b->ids, 1 + lm_random_below(&seed, 20));
		for (int step = 0; step < 150; step++) {
			uint32_t kind = lm_random_below(&seed, 12), back = 0;
			if (kind == 0) back = lm_random_below(&seed, 6);
			if (kind == 1 && step % 3 == 0) back = lm_random_below(&seed, talk.n);
			if (back > 0 && back < talk.n) {
				lm_talk_cut(&talk, talk.n - back);
				/* the schedule starts anew with a main pass over what is not held */
				talk.n_prompt = talk.n;
				if (b->m.llm_api->state_length(talk.state) == talk.n)
					lm_talk_cut(&talk, talk.n - 1);
				talk.n = talk.n_prompt;
			}
			if (talk.n == 120) break;
			lm_talk_step(&talk, mode, n_mode);
			check_row(&talk, &b->t);
			lm_talk_add(&talk, b->ids[talk.n]);
		}
		lm_talk_close(&talk);
	}
}

/* What heads.verify = exact does: proposals, some of them wrong, run through a main pass and are taken back
 * on both sides as far as they are wrong. No module then does a row again but those that a wrong token
 * spoiled. */
static void test_verify(void **state)
{
	bench *b = *state;
	static const int32_t turbo[2] = { 1, 4 };
	uint64_t seed = 4;
	uint32_t before = UINT32_MAX; /* right proposals of the round before */
	vita_error err;
	lm_talk talk;
	lm_talk_open(&talk, &b->m, b->ids, 9);
	lm_talk_step(&talk, turbo, 2);
	while (talk.n + 6 < 120) {
		uint32_t right = lm_random_below(&seed, 5), held = talk.n;
		lm_talk_add(&talk, b->ids[talk.n]);
		b->m.llm_trace->n = 0;
		for (uint32_t k = 0; k < 4; k++) {
			talk.n_prompt = held;
			lm_talk_step(&talk, turbo, 2);
			assert_int_equal(talk.stage, k + 1);
			if (k <= right) check_row(&talk, &b->t);
			uint32_t spoiled = k > before ? k - before : 0;
			if (before != UINT32_MAX)
				assert_int_equal(b->m.llm_trace->call[k].rows, before + 1 + spoiled);
			lm_talk_add(&talk, k < right ? b->ids[talk.n] : (b->ids[talk.n] + 1) % 90);
		}
		vita_llm_block block, *blocks[1] = { &block };
		VITA_INIT(&block);
		block.state = talk.state;
		block.ids = talk.tokens + held;
		block.n_tokens = talk.n - held;
		lm_ok(b->m.llm_api->forward(b->m.llm, blocks, 1, NULL, &err), &err);
		lm_ok(b->m.head_api->observe(talk.head, held, block.n_tokens, &block.hidden, &err), &err);
		lm_talk_cut(&talk, held + 1 + right);
		before = right;
	}
	lm_talk_close(&talk);
}

/* A prefill of the prompt leaves a first proposal few rows to do. */
static void test_prefill(void **state)
{
	bench *b = *state;
	static const int32_t mode[2] = { 1, 10 };
	vita_error err;
	lm_talk talk;
	lm_talk_open(&talk, &b->m, b->ids, 60);
	lm_talk_step(&talk, mode, 2);
	lm_ok(b->m.head_api->prefill(talk.head, talk.tokens, 60, NULL, &err), &err);
	lm_ok(b->m.head_api->prefill(talk.head, talk.tokens, 60, NULL, &err), &err);
	for (uint32_t k = 0; k < 4; k++) {
		lm_talk_add(&talk, b->ids[60 + k]);
		b->m.llm_trace->n = 0;
		lm_talk_step(&talk, mode, 2);
		check_row(&talk, &b->t);
		assert_int_equal(b->m.llm_trace->n, 1);
		assert_int_equal(b->m.llm_trace->call[0].rows, k + 1);
		assert_int_equal(b->m.llm_trace->call[0].before, 59 - k);
	}
	lm_talk_close(&talk);
}

/* A prompt longer than a piece of a pass, done by each head at once or bit by bit. */
static void test_long_prompt(void **state)
{
	bench *b = *state;
	enum { LONG = 700 };
	static const int32_t mode[2] = { 1, 10 };
	static int32_t ids[LONG + 5];
	float *at_once = calloc(4 * 90, sizeof *at_once);
	uint64_t seed = 21;
	lm_talk talk;
	assert_non_null(at_once);
	for (int i = 0; i < LONG + 5; i++)
		ids[i] = (int32_t)lm_random_below(&seed, 90);
	for (int gradual = 0; gradual < 2; gradual++) {
		lm_talk_open(&talk, &b->m, ids, gradual ? 150 : LONG);
		for (uint32_t n = talk.n; n <= LONG; n += 50) {
			memcpy(talk.tokens, ids, sizeof ids);
			talk.n = talk.n_prompt = n;
			lm_talk_step(&talk, mode, 2);
			for (uint32_t k = 0; k < 4; k++) {
				lm_talk_add(&talk, ids[n + k]);
				lm_talk_step(&talk, mode, 2);
				if (!gradual)
					memcpy(at_once + 90 * k, talk.logits, 90 * sizeof *at_once);
				else if (n == LONG)
					assert_memory_equal(at_once + 90 * k, talk.logits,
					                    90 * sizeof *at_once);
			}
		}
		lm_talk_close(&talk);
	}
	free(at_once);
}

/* Heads on a device that is not the LLM's give the same bits. */
static void test_apart(void **state)
{
	bench *b = *state;
	static const lm_options apart = { NULL, 1, 0 };
	static const int32_t modes[2][4] = { { 1, 4, 2, 3 }, { 2, 2, 1, 4 } };
	vita_error err;
	lm m;
	lm_ok(lm_open(&m, b->path, &apart, &err), &err);
	follow(&m, &b->t, 13, modes[0], 4, 0);
	follow(&m, &b->t, 1, modes[1], 4, 1);
	assert_true(m.head_trace->n > 0);
	lm_close(&m);
}

/* Several conversations in one proposal, at different heads and lengths, are as each alone. */
static void test_batch(void **state)
{
	bench *b = *state;
	static const uint32_t prompts[4] = { 5, 30, 17, 60 }, asked[4] = { 0, 0, 2, 1 };
	static const vita_range all = { 0, 90 }, some[2] = { { 80, 10 }, { 3, 4 } };
	static const int32_t mode[2] = { 1, 10 };
	static float logits[4][90];
	vita_head_call call[4], *calls[4];
	vita_error err;
	lm_talk talk[4];
	for (int i = 0; i < 4; i++) {
		lm_talk_open(&talk[i], &b->m, b->ids, prompts[i]);
		lm_talk_step(&talk[i], mode, 2);
		for (uint32_t k = 0; k < asked[i]; k++) {
			lm_talk_add(&talk[i], b->ids[talk[i].n]);
			lm_talk_step(&talk[i], mode, 2);
		}
		lm_talk_add(&talk[i], b->ids[talk[i].n]);
		VITA_INIT(&call[i]);
		call[i].index = asked[i];
		call[i].state = talk[i].head;
		call[i].tokens = talk[i].tokens;
		call[i].n_tokens = talk[i].n;
		call[i].ranges = i == 1 ? some : &all;
		call[i].n_ranges = i == 1 ? 2 : 1;
		call[i].logits = logits[i];
		calls[i] = &call[i];
	}
	lm_ok(b->m.head_api->propose(b->m.head, calls, 4, NULL, &err), &err);
	for (int i = 0; i < 4; i++) {
		const float *expected = table_row(&b->t, asked[i] + 1, prompts[i] - 1);
		if (i != 1) assert_memory_equal(logits[i], expected, 90 * sizeof(float));
	}
	const float *expected = table_row(&b->t, 1, 29);
	assert_memory_equal(logits[1], expected + 80, 10 * sizeof(float));
	assert_memory_equal(logits[1] + 10, expected + 3, 4 * sizeof(float));
	calls[1] = calls[0];
	assert_int_equal(b->m.head_api->propose(b->m.head, calls, 2, NULL, &err), VITA_E_STATE);
	for (int i = 0; i < 4; i++)
		lm_talk_close(&talk[i]);
}

/* Whichever submit fails, the states stay as they were and the next try gives the right bits. */
static void test_device_failure(void **state)
{
	bench *b = *state;
	static const lm_options apart = { NULL, 1, 0 };
	static const int32_t mode[2] = { 1, 4 };
	int failures = 0;
	for (int64_t after = 0; after < 12; after++) {
		vita_error err;
		lm m;
		lm_talk talk;
		lm_ok(lm_open(&m, b->path, &apart, &err), &err);
		lm_talk_open(&talk, &m, b->ids, 20);
		lm_talk_step(&talk, mode, 2);
		lm_talk_add(&talk, b->ids[20]);
		vita_range all = { 0, 90 };
		vita_head_call call = { sizeof call, 0, talk.head, talk.tokens, talk.n, 1, &all,
		                        talk.logits, 0, 0 };
		vita_head_call *calls[1] = { &call };
		m.head_trace->fail_after = after;
		vita_status status = m.head_api->propose(m.head, calls, 1, NULL, &err);
		m.head_trace->fail_after = -1;
		if (status != VITA_OK) {
			assert_int_equal(status, VITA_E_DEVICE);
			failures++;
			lm_talk_step(&talk, mode, 2);
			check_row(&talk, &b->t);
		}
		lm_talk_close(&talk);
		lm_close(&m);
	}
	assert_true(failures > 0 && failures < 12);
}

static void test_wrong_order(void **state)
{
	bench *b = *state;
	const vita_head_api *api = b->m.head_api;
	static const int32_t mode[2] = { 1, 10 };
	static const vita_range outside[3] = { { 0, 91 }, { -1, 5 }, { 89, 2 } };
	vita_range all = { 0, 90 };
	vita_error err;
	lm_talk talk;
	lm_talk_open(&talk, &b->m, b->ids, 8);
	vita_head_call call = { sizeof call, 0, talk.head, talk.tokens, 9, 1, &all, talk.logits, 0, 0 };
	vita_head_call *calls[1] = { &call };
	assert_int_equal(api->propose(b->m.head, calls, 1, NULL, &err), VITA_E_STATE); /* no main pass yet */
	lm_talk_step(&talk, mode, 2);
	call.n_tokens = 8;
	assert_int_equal(api->propose(b->m.head, calls, 1, NULL, &err), VITA_E_STATE); /* a token too few */
	call.n_tokens = 10;
	assert_int_equal(api->propose(b->m.head, calls, 1, NULL, &err), VITA_E_STATE);
	call.index = 1;
	assert_int_equal(api->propose(b->m.head, calls, 1, NULL, &err), VITA_E_STATE); /* head 0 first */
	call.index = 4;
	assert_int_equal(api->propose(b->m.head, calls, 1, NULL, &err), VITA_E_STATE); /* there are four */
	lm_talk_add(&talk, b->ids[8]);
	call.index = 0;
	call.n_tokens = 9;
	for (int i = 0; i < 3; i++) {
		call.ranges = &outside[i];
		assert_int_equal(api->propose(b->m.head, calls, 1, NULL, &err), VITA_E_INVALID);
	}
	call.ranges = &all;
	talk.tokens[4] = 90;
	assert_int_equal(api->propose(b->m.head, calls, 1, NULL, &err), VITA_E_INVALID);
	assert_non_null(strstr(err.message, "90"));
	talk.tokens[4] = b->ids[4];
	lm_ok(api->propose(b->m.head, calls, 1, NULL, &err), &err);
	assert_memory_equal(talk.logits, table_row(&b->t, 1, 7), 90 * sizeof(float));
	assert_int_equal(api->propose(b->m.head, calls, 1, NULL, &err), VITA_E_STATE); /* twice */
	vita_tensor none = { 0 };
	assert_int_equal(api->observe(talk.head, 7, 1, &none, &err), VITA_E_STATE);
	assert_int_equal(api->observe(talk.head, 8, 1, &none, &err), VITA_E_INVALID);
	lm_talk_close(&talk);
}

static void test_cancel(void **state)
{
	bench *b = *state;
	static const int32_t mode[2] = { 1, 10 };
	vita_cancel *cancel = vita_cancel_create();
	vita_range all = { 0, 90 };
	vita_error err;
	lm_talk talk;
	assert_non_null(cancel);
	lm_talk_open(&talk, &b->m, b->ids, 20);
	lm_talk_step(&talk, mode, 2);
	lm_talk_add(&talk, b->ids[20]);
	vita_head_call call = { sizeof call, 0, talk.head, talk.tokens, 21, 1, &all, talk.logits, 0, 0 };
	vita_head_call *calls[1] = { &call };
	vita_cancel_request(cancel);
	assert_int_equal(b->m.head_api->propose(b->m.head, calls, 1, cancel, &err), VITA_E_CANCELLED);
	assert_int_equal(b->m.head_api->prefill(talk.head, talk.tokens, 20, cancel, &err), VITA_E_CANCELLED);
	lm_talk_step(&talk, mode, 2);
	check_row(&talk, &b->t);
	lm_talk_close(&talk);
	vita_cancel_destroy(cancel);
}

static void test_count(void **state)
{
	bench *b = *state;
	static const char *const two[] = { "heads.count=2", NULL }, *const five[] = { "heads.count=5", NULL };
	static const char *const zero[] = { "heads.count=0", NULL };
	static const int32_t mode[2] = { 1, 3 };
	lm_options options = { two, 0, 0 };
	vita_error err;
	lm m;
	lm_ok(lm_open(&m, b->path, &options, &err), &err);
	assert_int_equal(m.head_info.count, 2);
	assert_true(m.head_info.weight_bytes > 0 && m.head_info.weight_bytes < b->m.head_info.weight_bytes);
	follow(&m, &b->t, 6, mode, 2, 0);
	lm_close(&m);
	options.settings = zero;
	lm_ok(lm_open(&m, b->path, &options, &err), &err);
	assert_int_equal(m.head_info.count, 0);
	follow(&m, &b->t, 6, mode, 2, 0);
	lm_close(&m);
	options.settings = five;
	assert_int_equal(lm_open(&m, b->path, &options, &err), VITA_E_CONFIG);
	assert_non_null(strstr(err.message, "count"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden_runs),
		cmocka_unit_test(test_golden_teacher_forced),
		cmocka_unit_test(test_random_models),
		cmocka_unit_test_setup_teardown(test_truncate, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(test_verify, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(test_prefill, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(test_long_prompt, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(test_apart, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(test_batch, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(test_device_failure, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(test_wrong_order, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(test_cancel, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(test_count, bench_up, bench_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
