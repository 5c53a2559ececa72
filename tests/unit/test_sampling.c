/* SPDX-License-Identifier: MIT
 *
 * The sampling chain: golden distributions of the transformers processors, ties, penalties, ranges, draws.
 */
#include "engine/sampling.h"

#include <vita/model.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const vita_sampling neutral = { 1, 1, 0, 1, 0 };

/* ---- golden data ---------------------------------------------------------------------------------- */

typedef struct golden_case {
	const char *name;
	vita_sampling how;
} golden_case;

/* sampling.json */
static const golden_case cases[] = {
	{ "temp", { 0.7, 1, 0, 1, 0 } },      { "topk", { 1, 1, 0, 1, 20 } },
	{ "topp", { 1, 0.8, 0, 1, 0 } },      { "rep", { 1, 1, 0, 1.2, 0 } },
	{ "all", { 0.8, 0.9, 0, 1.05, 50 } }, { "minp", { 1, 1, 0.05, 1, 0 } },
	{ "k1", { 1, 1, 0, 1, 1 } },          { "ptiny", { 1, 0.01, 0, 1, 0 } },
};

typedef struct golden {
	vita_model *model;
	vita_array logits, history;
	uint32_t n_rows, n_vocab, n_history;
} golden;

static void golden_open(golden *g)
{
	char path[4096];
	const char *root = getenv("VITA_SRCDIR");
	const int64_t any[2] = { -1, -1 };
	vita_error err = { 0 };
	snprintf(path, sizeof path, "%s/tests/golden/llm/sampling.safetensors", root ? root : ".");
	if (vita_model_open(path, VITA_MODEL_WANT_TENSORS, &g->model, &err) != VITA_OK)
		fail_msg("%s", err.message);
	assert_int_equal(vita_model_tensor(g->model, "logits", 2, any, &g->logits, &err), VITA_OK);
	assert_int_equal(vita_model_tensor(g->model, "history", 2, any, &g->history, &err), VITA_OK);
	g->n_rows = (uint32_t)g->logits.shape[0];
	g->n_vocab = (uint32_t)g->logits.shape[1];
	g->n_history = (uint32_t)g->history.shape[1];
}

/* The reference sorts unstably, so which of several equal scores at top-p's border it drops is an accident
 * of its sort. Ours drops the lower ids. So ids whose raw scores are equal may change places, and nothing
 * else may. */
static void assert_row(const golden_case *c, uint32_t row, const float *logits, const float *got,
                       const float *want, uint32_t n)
{
	uint32_t n_swapped = 0;
	for (uint32_t i = 0; i < n; i++) {
		if ((got[i] > 0) == (want[i] > 0)) {
			if (fabsf(got[i] - want[i]) > 1e-6f)
				fail_msg("%s row %u id %u: %.9g, expected %.9g", c->name, row, i,
				         (double)got[i], (double)want[i]);
			continue;
		}
		uint32_t other = n;
		for (uint32_t j = 0; j < n; j++)
			if (logits[j] == logits[i] && fabsf(got[i] - want[j]) < 1e-6f &&
			    fabsf(got[j] - want[i]) < 1e-6f)
				other = j;
		if (other == n)
			fail_msg("%s row %u id %u: %.9g, expected %.9g", c->name, row, i, (double)got[i],
			         (double)want[i]);
		n_swapped++;
	}
	assert_true(n_swapped == 0 || (strcmp(c->name, "topp") == 0 && row == 2 && n_swapped == 2));
}

static void test_golden(void **state)
{
	(void)state;
	golden g;
	vita_error err;
	vita_sampler sampler;
	vita_token_set seen;
	golden_open(&g);
	assert_int_equal(vita_sampler_open(&sampler, g.n_vocab, &err), VITA_OK);
	assert_int_equal(vita_token_set_open(&seen, g.n_vocab, &err), VITA_OK);
	float *got = calloc(g.n_vocab, sizeof *got);
	assert_non_null(got);
	for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
		char name[32];
		vita_array probs;
		snprintf(name, sizeof name, "%s.probs", cases[c].name);
		assert_int_equal(vita_model_tensor(g.model, name, 2, g.logits.shape, &probs, &err), VITA_OK);
		for (uint32_t row = 0; row < g.n_rows; row++) {
			vita_range all = { 0, (int32_t)g.n_vocab };
			const float *logits = (const float *)g.logits.data + row * g.n_vocab;
			vita_scores scores = { logits, &all, 1, (int32_t)g.n_vocab, &seen, NULL, 0 };
			vita_token_set_cut(&seen, 0);
			for (uint32_t i = 0; i < g.n_history; i++)
				vita_token_set_add(&seen,
				                   ((const int32_t *)g.history.data)[row * g.n_history + i]);
			uint32_t n = vita_sampler_distribution(&sampler, &cases[c].how, &scores);
			memset(got, 0, g.n_vocab * sizeof *got);
			for (uint32_t i = 0; i < n; i++)
				got[sampler.candidate[i].id] = sampler.candidate[i].probability;
			assert_row(&cases[c], row, logits, got, (const float *)probs.data + row * g.n_vocab,
			           g.n_vocab);
		}
	}
	free(got);
	vita_token_set_close(&seen);
	vita_sampler_close(&sampler);
	vita_model_close(g.model);
}

/* ---- hand-made rows ------------------------------------------------------------------------------- */

/* The chain over logits[n]; probabilities by id in got. */
static uint32_t distribution(const vita_sampling *how, const float *logits, uint32_t n, float *got)
{
	vita_sampler sampler;
	vita_range all = { 0, (int32_t)n };
	vita_scores row = { logits, &all, 1, (int32_t)n, NULL, NULL, 0 };
	assert_int_equal(vita_sampler_open(&sampler, n, NULL), VITA_OK);
	uint32_t count = vita_sampler_distribution(&sampler, how, &row);
	for (uint32_t i = 0; i < n; i++) got[i] = 0;
	for (uint32_t i = 0; i < count; i++) got[sampler.candidate[i].id] = sampler.candidate[i].probability;
	vita_sampler_close(&sampler);
	return count;
}

static int32_t greedy(const vita_scores *row, double penalty)
{
	vita_sampler sampler;
	vita_sampling how = neutral;
	int32_t id;
	int64_t n = 0;
	for (uint32_t i = 0; i < row->n_ranges; i++) n += row->ranges[i].count;
	how.repetition_penalty = penalty;
	assert_int_equal(vita_sampler_open(&sampler, (uint32_t)n, NULL), VITA_OK);
	vita_sampler_greedy(&sampler, &how, row, &id);
	vita_sampler_close(&sampler);
	return id;
}

static void test_greedy(void **state)
{
	(void)state;
	const float logits[6] = { 1, NAN, 3, 3, -INFINITY, 2 };
	vita_range all = { 0, 6 };
	vita_scores row = { logits, &all, 1, 6, NULL, NULL, 0 };
	assert_int_equal(greedy(&row, 1), 2); /* the lowest of equals, never NaN */
	const int32_t banned[] = { 2, 3 };
	row.banned = banned, row.n_banned = 2;
	assert_int_equal(greedy(&row, 1), 5);
	row.limit = 5; /* padding rows are out */
	assert_int_equal(greedy(&row, 1), 0);
	row.n_banned = 0, row.limit = 1;
	assert_int_equal(greedy(&row, 1), 0);
	row.limit = 0;
	assert_int_equal(greedy(&row, 1), -1);
}

static void test_penalty(void **state)
{
	(void)state;
	const float logits[4] = { 1.0f, 1.1f, -0.5f, -0.6f };
	vita_range all = { 0, 4 };
	vita_token_set seen;
	vita_scores row = { logits, &all, 1, 4, &seen, NULL, 0 };
	assert_int_equal(vita_token_set_open(&seen, 4, NULL), VITA_OK);
	vita_token_set_add(&seen, 1);
	vita_token_set_add(&seen, 1); /* once, however often it was said */
	assert_int_equal(seen.n, 1);
	assert_int_equal(greedy(&row, 1.05), 1);
	assert_int_equal(greedy(&row, 1.2), 0);
	vita_token_set_add(&seen, 0);
	assert_int_equal(greedy(&row, 1.2), 1);
	const int32_t positive[] = { 0, 1 };
	row.banned = positive, row.n_banned = 2;
	assert_int_equal(greedy(&row, 1.5), 2);
	vita_token_set_add(&seen, 2); /* a negative score is multiplied: -0.5 becomes -0.75 */
	assert_int_equal(greedy(&row, 1.5), 3);
	vita_token_set_cut(&seen, 2);
	assert_int_equal(greedy(&row, 1.5), 2);
	vita_token_set_close(&seen);
}

static void test_ranges(void **state)
{
	(void)state;
	/* ids 2,3 | 10,11,12 | 20 */
	const vita_range ranges[] = { { 2, 2 }, { 10, 3 }, { 20, 1 } };
	const float logits[6] = { 0, 1, 5, 7, 6, 4 };
	vita_token_set seen;
	vita_scores row = { logits, ranges, 3, 100, &seen, NULL, 0 };
	assert_int_equal(vita_token_set_open(&seen, 100, NULL), VITA_OK);
	assert_int_equal(greedy(&row, 2), 11);
	vita_token_set_add(&seen, 11);
	vita_token_set_add(&seen, 5); /* not part of the row */
	vita_token_set_add(&seen, 99);
	assert_int_equal(greedy(&row, 2), 12);
	row.limit = 12;
	assert_int_equal(greedy(&row, 2), 10);
	row.limit = 11;
	vita_token_set_add(&seen, 10);
	assert_int_equal(greedy(&row, 10), 3);
	vita_token_set_close(&seen);
}

static void test_top_k_keeps_ties(void **state)
{
	(void)state;
	const float logits[8] = { 1, 4, 2, 4, 3, 3, 0, 3 };
	float got[8];
	vita_sampling how = neutral;
	how.top_k = 3;
	assert_int_equal(distribution(&how, logits, 8, got), 5);
	assert_true(got[1] > 0 && got[3] > 0 && got[4] > 0 && got[5] > 0 && got[7] > 0);
	how.top_k = 2;
	assert_int_equal(distribution(&how, logits, 8, got), 2);
	how.top_k = 1;
	assert_int_equal(distribution(&how, logits, 8, got), 2);
	how.top_k = 100;
	assert_int_equal(distribution(&how, logits, 8, got), 8);
}

static void test_top_p_border(void **state)
{
	(void)state;
	float logits[10] = { 0 }, got[10];
	vita_sampling how = neutral;
	how.top_p = 0.8; /* of ten equals two go, the lower ids; 1 - 0.8 is compared in float */
	assert_int_equal(distribution(&how, logits, 10, got), 8);
	assert_true(got[0] == 0 && got[1] == 0 && got[2] > 0);
	how.top_p = 0;
	assert_int_equal(distribution(&how, logits, 10, got), 1);
	assert_true(got[9] == 1);
}

/* Against the definition, written down with a sort. */
static int by_score(const void *a, const void *b)
{
	const vita_candidate *x = a, *y = b;
	if (x->score != y->score) return x->score < y->score ? -1 : 1;
	return x->id < y->id ? -1 : 1;
}

static void test_top_p_against_sorting(void **state)
{
	(void)state;
	enum { N = 400 };
	vita_random random = { 5 };
	for (int round = 0; round < 200; round++) {
		float logits[N], got[N];
		vita_candidate sorted[N];
		double sum = 0, below = 0;
		vita_sampling how = neutral;
		how.top_p = vita_random_uniform(&random);
		for (int i = 0; i < N; i++) {
			logits[i] = floorf((float)(vita_random_uniform(&random) * 40)) / 4;
			sorted[i] = (vita_candidate){ logits[i], 0, i };
			sum += exp((double)logits[i] - 10);
		}
		qsort(sorted, N, sizeof sorted[0], by_score);
		uint32_t n_kept = N;
		for (int i = 0; i + 1 < N; i++) {
			below += exp((double)sorted[i].score - 10) / sum;
			if ((float)below <= (float)(1 - how.top_p)) n_kept--;
		}
		assert_int_equal(distribution(&how, logits, N, got), n_kept);
		for (uint32_t i = 0; i < N; i++) assert_true((got[sorted[i].id] > 0) == (i >= N - n_kept));
	}
}

static void test_hostile_scores(void **state)
{
	(void)state;
	const float nothing[3] = { NAN, -INFINITY, NAN }, infinite[3] = { 1, INFINITY, NAN },
		    wide[3] = { -3e38f, 0, 3e38f };
	float got[3];
	vita_sampling how = neutral;
	how.top_k = 2, how.top_p = 0.9, how.min_p = 0.1;
	assert_int_equal(distribution(&how, nothing, 3, got), 0);
	assert_int_equal(distribution(&how, infinite, 3, got), 1);
	assert_true(got[1] == 1);
	how.temperature = VITA_LEAST_TEMPERATURE;
	assert_int_equal(distribution(&how, wide, 3, got), 1);
	assert_true(got[2] == 1);

	vita_sampler sampler;
	vita_range all = { 0, 3 };
	vita_scores row = { nothing, &all, 1, 3, NULL, NULL, 0 };
	vita_random random = { 1 };
	vita_error err = { 0 };
	int32_t id;
	assert_int_equal(vita_sampler_open(&sampler, 3, NULL), VITA_OK);
	assert_int_equal(vita_sampler_choose(&sampler, &how, &row, &random, &id, &err), VITA_E_INTERNAL);
	assert_true(strlen(err.message) > 20);
	how.temperature = 0;
	assert_int_equal(vita_sampler_choose(&sampler, &how, &row, &random, &id, &err), VITA_E_INTERNAL);
	row.logits = wide;
	assert_int_equal(vita_sampler_choose(&sampler, &how, &row, &random, &id, &err), VITA_OK);
	assert_int_equal(id, 2);
	vita_sampler_close(&sampler);
}

/* ---- draws ---------------------------------------------------------------------------------------- */

/* The first outputs for seed 1234567 that the published algorithm gives. */
static void test_generator(void **state)
{
	(void)state;
	vita_random random = { 1234567 };
	static const uint64_t expected[] = { 6457827717110365317u, 3203168211198807973u,
		                             9817491932198370423u };
	for (size_t i = 0; i < 3; i++) assert_true(vita_random_next(&random) == expected[i]);
	for (int i = 0; i < 1000; i++) {
		double u = vita_random_uniform(&random);
		assert_true(u >= 0 && u < 1);
	}
}

static void test_draws_follow_the_distribution(void **state)
{
	(void)state;
	enum { DRAWS = 200000 };
	const float logits[5] = { logf(0.5f), logf(0.3f), logf(0.15f), logf(0.05f), -INFINITY };
	const double expected[5] = { 0.5, 0.3, 0.15, 0.05, 0 };
	int count[5] = { 0 };
	vita_sampler sampler;
	vita_range all = { 0, 5 };
	vita_scores row = { logits, &all, 1, 5, NULL, NULL, 0 };
	vita_random random = { 99 };
	assert_int_equal(vita_sampler_open(&sampler, 5, NULL), VITA_OK);
	for (int i = 0; i < DRAWS; i++) {
		int32_t id;
		assert_int_equal(vita_sampler_choose(&sampler, &neutral, &row, &random, &id, NULL), VITA_OK);
		count[id]++;
	}
	for (int i = 0; i < 5; i++) { /* five standard deviations */
		double deviation = sqrt(expected[i] * (1 - expected[i]) / DRAWS);
		assert_true(fabs((double)count[i] / DRAWS - expected[i]) <= 5 * deviation);
	}
	vita_sampler_close(&sampler);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_greedy),
		cmocka_unit_test(test_penalty),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_top_k_keeps_ties),
		cmocka_unit_test(test_top_p_border),
		cmocka_unit_test(test_top_p_against_sorting),
		cmocka_unit_test(test_hostile_scores),
		cmocka_unit_test(test_generator),
		cmocka_unit_test(test_draws_follow_the_distribution),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
