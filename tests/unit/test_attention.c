/* SPDX-License-Identifier: MIT
 *
 * The ability to observe attention (vita/attention.h) of the qwen2 language model, on random models against the
 * specification in double precision, with nothing hidden, with tokens hidden at random, and what bad queries get.
 */
#include "lm_oracle.h"
#include "lm_random.h"
#include "lm_setup.h"

#include <vita/attention.h>

#define TOLERANCE 1e-4
#define MAX_TOKENS 40

static const lm_options llm_only = { NULL, 0, 1 };

static const vita_attention_api *attention_of(const lm *m)
{
	const vita_attention_api *api = m->llm_api->get_extension(m->llm, VITA_ATTENTION_ID);
	assert_non_null(api);
	assert_true(VITA_HAS(api, vita_attention_api, observe));
	return api;
}

static void *room(uint64_t n, size_t size)
{
	void *memory = calloc((size_t)n, size);
	assert_non_null(memory);
	return memory;
}

/* One query: weights and logits are the oracle's, rows sum to 1, and what is hidden gets nothing. */
static void check(lm *m, const int32_t *ids, uint32_t n, const uint8_t *hidden)
{
	const uint64_t vocab = m->info.vocab_size, square = (uint64_t)n * n;
	vita_attention_query query;
	vita_error err;
	double *looks, *scores = lm_oracle_attention(m->model, ids, n, hidden, &looks);
	float *weights = room(m->info.n_layers * square, sizeof *weights);
	float *logits = room(n * vocab, sizeof *logits);
	VITA_INIT(&query);
	query.n_tokens = query.n_logits = n;
	query.ids = ids;
	query.hidden = hidden;
	query.weights = weights;
	query.logits = logits;
	lm_ok(attention_of(m)->observe(m->llm, &query, NULL, &err), &err);
	assert_true(lm_distance_double(logits, scores, (int64_t)(n * vocab)) < TOLERANCE);
	assert_true(lm_distance_double(weights, looks, (int64_t)(m->info.n_layers * square)) < TOLERANCE);
	for (uint64_t row = 0; row < m->info.n_layers * (uint64_t)n; row++) {
		double sum = 0;
		for (uint64_t j = 0; j < n; j++) {
			uint64_t i = row % n;
			sum += (double)weights[row * n + j];
			if (j > i || (hidden && j < i && hidden[i * n + j]))
				assert_true(weights[row * n + j] == 0);
		}
		assert_true(sum > 1 - 1e-5 && sum < 1 + 1e-5);
	}
	/* The same without weights, and logits of the last row alone. */
	float *last = room(vocab, sizeof *last);
	query.weights = NULL;
	query.logits = last;
	query.n_logits = 1;
	lm_ok(attention_of(m)->observe(m->llm, &query, NULL, &err), &err);
	assert_memory_equal(last, logits + (n - 1) * vocab, vocab * sizeof *last);
	free(weights), free(logits), free(last), free(looks), free(scores);
}

static void test_random_models(void **state)
{
	uint64_t seed = 21;
	(void)state;
	for (int round = 0; round < 12; round++) {
		lm_shape shape = lm_random_shape(&seed);
		uint32_t n = 1 + lm_random_below(&seed, MAX_TOKENS);
		int32_t ids[MAX_TOKENS];
		uint8_t hidden[MAX_TOKENS * MAX_TOKENS];
		char *path = lm_random_write(&shape, seed, NULL, NULL);
		vita_error err;
		lm m;
		lm_ok(lm_open(&m, path, &llm_only, &err), &err);
		for (uint32_t i = 0; i < n; i++)
			ids[i] = (int32_t)lm_random_below(&seed, (uint32_t)shape.vocab);
		for (uint32_t i = 0; i < n * n; i++)
			hidden[i] = lm_random_below(&seed, 3) == 0;
		check(&m, ids, n, NULL);
		check(&m, ids, n, hidden);
		lm_close(&m);
		lm_random_remove(path);
	}
}

/* A prompt of several pieces, and a cache that is not f32: the rows still sum to 1. */
static void test_long(void **state)
{
	static const char *const settings[] = { "llm.cache=f16", NULL };
	const lm_options options = { settings, 0, 1 };
	enum { N = 700 };
	vita_attention_query query;
	vita_error err;
	int32_t ids[N];
	lm m;
	(void)state;
	lm_open_golden(&m, "tiny", &options);
	float *weights = room((uint64_t)m.info.n_layers * N * N, sizeof *weights);
	for (int32_t i = 0; i < N; i++) ids[i] = (i * 7) % (int32_t)m.info.vocab_size;
	VITA_INIT(&query);
	query.n_tokens = N;
	query.ids = ids;
	query.weights = weights;
	lm_ok(attention_of(&m)->observe(m.llm, &query, NULL, &err), &err);
	for (uint64_t row = 0; row < (uint64_t)m.info.n_layers * N; row++) {
		double sum = 0;
		for (uint64_t j = 0; j < N; j++) sum += (double)weights[row * N + j];
		assert_true(sum > 1 - 1e-4 && sum < 1 + 1e-4);
	}
	free(weights);
	lm_close(&m);
}

static void test_bad_queries(void **state)
{
	const int32_t good[3] = { 1, 2, 3 }, bad[3] = { 1, 1 << 30, 3 };
	vita_attention_query query;
	vita_error err;
	lm m;
	(void)state;
	lm_open_golden(&m, "tiny", &llm_only);
	const vita_attention_api *api = attention_of(&m);
	VITA_INIT(&query);
	assert_int_equal(api->observe(m.llm, &query, NULL, &err), VITA_E_INVALID);
	query.ids = good;
	assert_int_equal(api->observe(m.llm, &query, NULL, &err), VITA_E_INVALID);
	query.n_tokens = 20000;
	assert_int_equal(api->observe(m.llm, &query, NULL, &err), VITA_E_INVALID);
	assert_non_null(strstr(err.message, "20000"));
	query.n_tokens = 3;
	query.ids = bad;
	assert_int_equal(api->observe(m.llm, &query, NULL, &err), VITA_E_INVALID);
	assert_non_null(strstr(err.message, "1073741824"));
	query.ids = good;
	query.n_logits = 4;
	assert_int_equal(api->observe(m.llm, &query, NULL, &err), VITA_E_INVALID);
	lm_close(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_models),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_bad_queries),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
