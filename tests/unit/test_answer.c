/* SPDX-License-Identifier: MIT
 *
 * The answer's loop on fakes: who is asked when, stop rules, limits, cancelling, verified heads.
 */
#include "fake_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const int32_t prompt[] = { 9, 8, 7, 6, 5 };

static vita_conversation *converse(fake *f)
{
	vita_conversation *c;
	vita_error err = { 0 };
	if (vita_conversation_open(&f->engine, &c, &err) != VITA_OK) fail_msg("%s", err.message);
	return c;
}

static heard *listener(void)
{
	heard *h = calloc(1, sizeof *h);
	assert_non_null(h);
	return h;
}

static void ok(vita_status status, const heard *h)
{
	if (status != VITA_OK) fail_msg("%d: %s", (int)status, h->err.message);
}

/* The states must hold exactly what stands: a prefix of prompt and answer, without the last token. */
static void assert_consistent(const vita_conversation *c)
{
	uint32_t n;
	const int32_t *fed = fake_fed(c, &n, NULL);
	assert_int_equal(n, c->n_fed);
	assert_true(n < c->n_tokens || n == 0);
	assert_memory_equal(fed, c->tokens, n * sizeof *fed);
	uint32_t n_distinct = 0;
	for (uint32_t i = 0; i < c->n_tokens; i++) {
		uint32_t j = 0;
		while (j < i && c->tokens[j] != c->tokens[i]) j++;
		n_distinct += j == i;
	}
	assert_int_equal(c->seen.n, n_distinct);
}

/* ---- the schedule at work ------------------------------------------------------------------------- */

static void assert_trace(uint32_t n_heads, const char *schedule, int64_t n, const char *expected)
{
	fake *f = fake_open(n_heads, 0);
	vita_conversation *c = converse(f);
	heard *h = listener();
	fake_schedule(f, schedule);
	ok(hear_ids(c, h, prompt, 5, n), h);
	assert_string_equal(f->trace, expected);
	assert_int_equal(h->n, n);
	assert_consistent(c);
	free(h);
	vita_conversation_close(c);
	fake_close(f);
}

static void test_passes_and_heads(void **state)
{
	(void)state;
	assert_trace(3, "1,2", 10, "M5 0 1 M3 0 1 M3 0 1 M3 ");
	assert_trace(3, "1,1,2,3", 10, "M5 0 M2 M1 0 1 2 M4 M1 0 ");
	assert_trace(3, "1,5", 12, "M5 0 1 2 M4 0 M2 0 1 2 M4 0 ");
	assert_trace(0, "turbo", 4, "M5 M1 M1 M1 ");
	assert_trace(10, "balance", 30,
	             "M5 0 1 2 3 M5 M1 M1 0 1 2 3 4 5 6 7 M9 M1 M1 M1 0 1 2 3 4 5 6 7 8 9 ");
}

static void test_answer_is_what_was_chosen(void **state)
{
	(void)state;
	fake *f = fake_open(3, 0);
	vita_conversation *c = converse(f);
	heard *h = listener();
	f->agreement = 100;
	ok(hear_ids(c, h, prompt, 5, 20), h);
	int32_t tokens[25];
	memcpy(tokens, prompt, sizeof prompt);
	for (uint32_t i = 0; i < 20; i++) {
		tokens[5 + i] = fake_next(f, tokens, 5 + i);
		assert_int_equal(h->ids[i], tokens[5 + i]);
		assert_int_equal(h->sources[i], i % 3);
	}
	assert_int_equal(h->n_with_logits, 20);
	assert_int_equal(h->result.n_prompt, 5);
	assert_int_equal(h->result.n_tokens, 20);
	assert_int_equal(h->result.n_main, 6);
	assert_int_equal(h->result.n_proposed, 13);
	assert_int_equal(h->result.n_accepted, 13);
	assert_int_equal(h->result.stop, VITA_STOP_LENGTH);
	assert_int_equal(h->progress, 20);
	assert_true(h->result.first_audio_ms == -1);
	free(h);
	vita_conversation_close(c);
	fake_close(f);
}

/* ---- stop rules ----------------------------------------------------------------------------------- */

static void set_ends(fake *f, const int32_t *ids, uint32_t n)
{
	free(f->engine.generation.end_ids);
	f->engine.generation.end_ids = malloc(n * sizeof *ids);
	assert_non_null(f->engine.generation.end_ids);
	memcpy(f->engine.generation.end_ids, ids, n * sizeof *ids);
	f->engine.generation.n_end_ids = n;
}

static void test_end_tokens(void **state)
{
	(void)state;
	static const int32_t script[] = { 10, 11, 12, 77, 13, 14, 15 };
	fake *f = fake_open(3, 0);
	heard *h = listener();
	f->script = script, f->n_script = 7, f->script_start = 5;
	f->agreement = 100;
	for (int verify = 0; verify < 2; verify++) {
		f->engine.verify = verify;
		fake_schedule(f, "1,3"); /* the end lies inside a run of heads */
		set_ends(f, (const int32_t[]){ 99, 77 }, 2);
		vita_conversation *c = converse(f);
		ok(hear_ids(c, h, prompt, 5, 20), h);
		assert_int_equal(h->n, 4);
		assert_int_equal(h->ids[3], 77);
		assert_int_equal(h->sources[3], 3);
		assert_int_equal(h->result.stop, VITA_STOP_TOKEN);
		assert_consistent(c);
		ok(hear_ids(c, h, (const int32_t[]){ 1 }, 1, 2), h); /* and on it goes */
		assert_consistent(c);
		vita_conversation_close(c);
		set_ends(f, (const int32_t[]){ 10 }, 1); /* at once */
		c = converse(f);
		ok(hear_ids(c, h, prompt, 5, 20), h);
		assert_int_equal(h->n, 1);
		assert_int_equal(h->result.stop, VITA_STOP_TOKEN);
		vita_conversation_close(c);
	}
	free(h);
	fake_close(f);
}

static void test_minimum_length(void **state)
{
	(void)state;
	static const int32_t script[] = { 10, 77, 77, 77, 77, 77, 77 };
	fake *f = fake_open(3, 0);
	heard *h = listener();
	f->script = script, f->n_script = 7, f->script_start = 5;
	f->engine.generation.min_tokens = 4;
	f->agreement = 100;
	fake_schedule(f, "1,5");
	set_ends(f, (const int32_t[]){ 77 }, 1);
	for (int verify = 0; verify < 2; verify++) {
		f->engine.verify = verify;
		vita_conversation *c = converse(f);
		ok(hear_ids(c, h, prompt, 5, 20), h);
		assert_int_equal(h->n, 5);
		assert_int_equal(h->ids[3], 0);
		assert_int_equal(h->ids[4], 77);
		vita_conversation_close(c);
	}
	free(h);
	fake_close(f);
}

static void test_length_limits(void **state)
{
	(void)state;
	fake *f = fake_open(3, 0);
	heard *h = listener();
	for (int verify = 0; verify < 2; verify++) {
		f->engine.verify = verify;
		f->engine.llm_info.context = 2000;
		vita_conversation *c = converse(f);
		ok(hear_ids(c, h, prompt, 5, 0), h);
		assert_int_equal(h->n, 0);
		assert_int_equal(h->result.stop, VITA_STOP_LENGTH);
		ok(hear_ids(c, h, NULL, 0, 1), h); /* the prompt was kept */
		assert_int_equal(h->n, 1);
		assert_int_equal(h->ids[0], fake_next(f, prompt, 5));
		ok(hear_ids(c, h, NULL, 0, -1), h); /* as the config says */
		assert_int_equal(h->n, 40);
		vita_conversation_close(c);
		f->engine.llm_info.context = 12;
		c = converse(f);
		ok(hear_ids(c, h, prompt, 5, 40), h);
		assert_int_equal(h->n, 7);
		assert_int_equal(h->result.stop, VITA_STOP_LENGTH);
		assert_consistent(c);
		ok(hear_ids(c, h, NULL, 0, 40), h);
		assert_int_equal(h->n, 0);
		assert_int_equal(hear_ids(c, h, prompt, 1, 40), VITA_E_NOMEM);
		assert_non_null(strstr(h->err.message, "12 tokens"));
		vita_conversation_close(c);
	}
	free(h);
	fake_close(f);
}

/* A long prompt goes in blocks, and only its end is worth scores. */
static void test_long_prompt(void **state)
{
	(void)state;
	fake *f = fake_open(3, 0);
	vita_conversation *c = converse(f);
	heard *h = listener();
	int32_t ids[1200];
	for (int i = 0; i < 1200; i++) ids[i] = i % 250;
	ok(hear_ids(c, h, ids, 1200, 1), h);
	assert_string_equal(f->trace, "M512 M512 M176 ");
	assert_int_equal(f->n_logit_rows, 1);
	assert_int_equal(h->ids[0], fake_next(f, ids, 1200));
	free(h);
	vita_conversation_close(c);
	fake_close(f);
}

static void test_bad_ids(void **state)
{
	(void)state;
	fake *f = fake_open(0, 0);
	vita_conversation *c = converse(f);
	heard *h = listener();
	assert_int_equal(hear_ids(c, h, NULL, 0, 5), VITA_E_INVALID);
	assert_int_equal(hear_ids(c, h, NULL, 3, 5), VITA_E_INVALID);
	assert_int_equal(hear_ids(c, h, (const int32_t[]){ 3, -1 }, 2, 5), VITA_E_INVALID);
	assert_non_null(strstr(h->err.message, "number 1 is -1"));
	assert_int_equal(hear_ids(c, h, (const int32_t[]){ FAKE_VOCAB }, 1, 5), VITA_E_INVALID);
	assert_int_equal(c->n_tokens, 0);
	assert_int_equal(hear_text(c, h, VITA_TASK_TEXT, "hello", 5), VITA_E_STATE); /* no tokenizer */
	assert_int_equal(hear_text(c, h, 9, "hello", 5), VITA_E_INVALID);
	ok(hear_ids(c, h, prompt, 5, 3), h);
	free(h);
	vita_conversation_close(c);
	fake_close(f);
}

/* ---- going wrong ---------------------------------------------------------------------------------- */

/* What a conversation says next must be what a new one says after the same tokens. */
static void assert_goes_on(fake *f, vita_conversation *c, heard *h)
{
	static const int32_t more[] = { 3, 1, 4 };
	uint32_t n = c->n_tokens;
	int32_t *whole = malloc((n + 3) * sizeof *whole);
	assert_non_null(whole);
	if (n) memcpy(whole, c->tokens, n * sizeof *whole);
	memcpy(whole + n, more, sizeof more);
	assert_consistent(c);
	h->cancel_at = h->fail_at = 0;
	vita_cancel_clear(h->cancel);
	ok(hear_ids(c, h, more, 3, 12), h);
	assert_consistent(c);
	heard *fresh = listener();
	vita_conversation *other = converse(f);
	ok(hear_ids(other, fresh, whole, n + 3, 12), fresh);
	assert_int_equal(fresh->n, h->n);
	assert_memory_equal(fresh->ids, h->ids, h->n * sizeof h->ids[0]);
	vita_conversation_close(other);
	free(fresh);
	free(whole);
}

static void test_cancel_anywhere(void **state)
{
	(void)state;
	fake *f = fake_open(3, 0);
	heard *h = listener();
	h->cancel = vita_cancel_create();
	fake_schedule(f, "1,3,2,2");
	for (int verify = 0; verify < 2; verify++) {
		f->engine.verify = verify;
		f->agreement = verify ? 80 : 0;
		for (uint32_t at = 1; at < 16; at++) {
			vita_conversation *c = converse(f);
			h->cancel_at = at;
			assert_int_equal(hear_ids(c, h, prompt, 5, 30), VITA_E_CANCELLED);
			assert_int_equal(h->n, at);
			assert_int_equal(c->n_tokens, 5 + at);
			assert_int_equal(h->result.n_tokens, at);
			assert_memory_equal(c->tokens + 5, h->ids, at * sizeof h->ids[0]);
			assert_goes_on(f, c, h);
			vita_conversation_close(c);
		}
	}
	vita_cancel_request(h->cancel); /* before anything was said: the question is taken back */
	vita_conversation *c = converse(f);
	assert_int_equal(hear_ids(c, h, prompt, 5, 30), VITA_E_CANCELLED);
	assert_int_equal(c->n_tokens, 0);
	assert_goes_on(f, c, h);
	vita_conversation_close(c);
	vita_cancel_destroy(h->cancel);
	free(h);
	fake_close(f);
}

static void test_failures_anywhere(void **state)
{
	(void)state;
	fake *f = fake_open(3, 0);
	heard *h = listener();
	h->cancel = vita_cancel_create();
	fake_schedule(f, "1,3");
	for (int verify = 0; verify < 2; verify++) {
		f->engine.verify = verify;
		for (int at = 0; at < 24; at++) {
			vita_conversation *c = converse(f);
			int which = at % 3;
			if (which == 0) f->fail_forward = at / 3;
			if (which == 1) f->fail_propose = at / 3;
			if (which == 2) h->fail_at = (uint32_t)at / 3 + 1;
			assert_int_equal(hear_ids(c, h, prompt, 5, 60),
			                 which == 2 ? VITA_E_IO : VITA_E_DEVICE);
			assert_int_equal(c->n_tokens, h->n ? 5 + h->n : 0);
			f->fail_forward = f->fail_propose = -1;
			assert_goes_on(f, c, h);
			vita_conversation_close(c);
		}
	}
	vita_cancel_destroy(h->cancel);
	free(h);
	fake_close(f);
}

static void test_reset(void **state)
{
	(void)state;
	fake *f = fake_open(3, 0);
	vita_conversation *c = converse(f);
	heard *first = listener(), *second = listener();
	f->engine.generation.sampling.temperature = 1;
	f->engine.generation.seed = 42;
	ok(vita_conversation_reset(c, NULL), first);
	ok(hear_ids(c, first, prompt, 5, 30), first);
	ok(vita_conversation_reset(c, NULL), first);
	assert_int_equal(c->n_tokens, 0);
	ok(hear_ids(c, second, prompt, 5, 30), second);
	assert_memory_equal(first->ids, second->ids, 30 * sizeof first->ids[0]);
	free(first);
	free(second);
	vita_conversation_close(c);
	fake_close(f);
}

/* ---- heads.verify = exact ------------------------------------------------------------------------- */

static void assert_verified(fake *f, const char *schedule)
{
	heard *plain = listener(), *verified = listener();
	fake_schedule(f, "vanilla");
	f->engine.verify = 0;
	vita_conversation *c = converse(f);
	for (int turn = 0; turn < 2; turn++) ok(hear_ids(c, plain, prompt, 5, 50), plain);
	vita_conversation_close(c);
	fake_schedule(f, schedule);
	f->engine.verify = 1;
	c = converse(f);
	for (int turn = 0; turn < 2; turn++) {
		ok(hear_ids(c, verified, prompt, 5, 50), verified);
		assert_consistent(c);
	}
	vita_conversation_close(c);
	assert_int_equal(plain->n, verified->n);
	assert_memory_equal(plain->ids, verified->ids, plain->n * sizeof plain->ids[0]);
	uint32_t n_accepted = 0;
	for (uint32_t i = 0; i < verified->n; i++) n_accepted += verified->sources[i] > 0;
	assert_int_equal(n_accepted, verified->result.n_accepted);
	assert_true(verified->result.n_accepted <= verified->result.n_proposed);
	if (f->agreement == 100 && f->engine.generation.sampling.temperature == 0)
		assert_int_equal(verified->result.n_accepted, verified->result.n_proposed);
	assert_int_equal(verified->n_with_logits, verified->n);
	free(plain);
	free(verified);
}

static void test_verified_is_vanilla(void **state)
{
	(void)state;
	static const char *const schedules[] = { "1,3",         "turbo", "boost",  "balance",
		                                 "1,1,2,2,1,3", "2,1",   "vanilla" };
	static const uint32_t agreement[] = { 0, 30, 70, 95, 100 };
	for (uint32_t n_heads = 1; n_heads <= 10; n_heads += 3) {
		fake *f = fake_open(n_heads, 0);
		for (size_t s = 0; s < sizeof schedules / sizeof schedules[0]; s++) {
			for (size_t a = 0; a < sizeof agreement / sizeof agreement[0]; a++) {
				f->agreement = agreement[a];
				f->salt = s * 100 + a;
				f->engine.generation.sampling = (vita_sampling){ 0, 1, 0, 1, 0 };
				assert_verified(f, schedules[s]);
				f->engine.generation.sampling.repetition_penalty = 1.7;
				assert_verified(f, schedules[s]);
				/* Drafts take no random numbers, so even drawn answers are the same. */
				f->engine.generation.sampling = (vita_sampling){ 0.3, 0.9, 0, 1.2, 20 };
				assert_verified(f, schedules[s]);
			}
		}
		fake_close(f);
	}
}

static void test_verified_saves_passes(void **state)
{
	(void)state;
	fake *f = fake_open(10, 0);
	f->engine.verify = 1;
	vita_conversation *c = converse(f);
	heard *h = listener();
	f->agreement = 100;
	fake_schedule(f, "turbo");
	ok(hear_ids(c, h, prompt, 5, 34), h);
	assert_int_equal(h->result.n_main, 3);
	assert_int_equal(h->result.n_accepted, 30);
	assert_string_equal(f->trace, "M5 0 1 2 3 4 5 6 7 8 9 M11 0 1 2 3 4 5 6 7 8 9 M11 0 1 2 3 4 5 6 7 8 "
	                              "9 M11 ");
	free(h);
	vita_conversation_close(c);
	fake_close(f);
}

static void test_verified_ends(void **state)
{
	(void)state;
	fake *f = fake_open(4, 0);
	fake_schedule(f, "1,4");
	f->agreement = 90;
	for (int32_t end = 0; end < 40; end++) {
		set_ends(f, &end, 1);
		f->salt = (uint64_t)end;
		assert_verified(f, "1,4");
	}
	fake_close(f);
}

/* Heads that give tokens instead of scores, and sometimes none: a main pass takes over, and after it head
 * 0. */
static void test_heads_that_give_tokens(void **state)
{
	(void)state;
	fake *f = fake_open(3, 0);
	vita_conversation *c = converse(f);
	heard *h = listener();
	f->engine.head_info.gives_tokens = 1;
	f->silence = 40;
	f->agreement = 100;
	f->bad_token = FAKE_VOCAB;
	assert_int_equal(hear_ids(c, h, prompt, 5, 60), VITA_E_INTERNAL);
	vita_conversation_reset(c, NULL);
	f->bad_token = 0;
	fake_schedule(f, "1,20");
	ok(hear_ids(c, h, prompt, 5, 60), h);
	assert_consistent(c);
	uint32_t n_of[4] = { 0 };
	for (uint32_t i = 1; i < h->n; i++) {
		assert_true(h->sources[i] == 0 || h->sources[i] == h->sources[i - 1] + 1);
		n_of[h->sources[i]]++;
	}
	assert_true(n_of[0] > 10 && n_of[1] > 10 && n_of[2] > 3 && n_of[3] > 0);
	assert_int_equal(h->n_with_logits, n_of[0] + 1);
	assert_int_equal(h->result.n_proposed, n_of[1] + n_of[2] + n_of[3]);
	assert_verified(f, "1,20");
	f->agreement = 50;
	assert_verified(f, "1,3");
	free(h);
	vita_conversation_close(c);
	fake_close(f);
}

static void test_audio_heads(void **state)
{
	(void)state;
	fake *f = fake_open(3, 0);
	vita_conversation *c = converse(f);
	heard *h = listener();
	fake_audio_heads(f);
	ok(hear_ids(c, h, prompt, 5, 30), h);
	for (uint32_t i = 0; i < h->n; i++) {
		int audio = (h->ids[i] >= FAKE_IM_END && h->ids[i] <= FAKE_END) ||
		            (h->ids[i] >= FAKE_AUDIO && h->ids[i] < FAKE_AUDIO + FAKE_N_AUDIO);
		if (h->sources[i] > 0) assert_true(audio);
	}
	assert_int_equal(h->n_with_logits, 10);
	vita_conversation_close(c);
	f->agreement = 100;
	assert_int_equal(f->engine.head_rows_full, 0);
	heard *plain = listener();
	f->engine.verify = 1;
	c = converse(f);
	ok(hear_ids(c, h, prompt, 5, 30), h);
	vita_conversation_close(c);
	fake_schedule(f, "vanilla");
	c = converse(f);
	ok(hear_ids(c, plain, prompt, 5, 30), plain);
	assert_memory_equal(plain->ids, h->ids, 30 * sizeof h->ids[0]);
	free(plain);
	free(h);
	vita_conversation_close(c);
	fake_close(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_passes_and_heads),
		cmocka_unit_test(test_answer_is_what_was_chosen),
		cmocka_unit_test(test_end_tokens),
		cmocka_unit_test(test_minimum_length),
		cmocka_unit_test(test_length_limits),
		cmocka_unit_test(test_long_prompt),
		cmocka_unit_test(test_bad_ids),
		cmocka_unit_test(test_cancel_anywhere),
		cmocka_unit_test(test_failures_anywhere),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_verified_is_vanilla),
		cmocka_unit_test(test_verified_saves_passes),
		cmocka_unit_test(test_verified_ends),
		cmocka_unit_test(test_heads_that_give_tokens),
		cmocka_unit_test(test_audio_heads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
