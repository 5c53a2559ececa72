/* SPDX-License-Identifier: MIT
 *
 * The main/head schedule: expansion, parsing, and who makes which token when heads run short.
 */
#include "engine/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* The first characters of the expansion as a string over M and m. */
static void assert_expands(const char *text, const char *expected)
{
	vita_schedule schedule;
	vita_error err;
	assert_int_equal(vita_schedule_parse(&schedule, text, &err), VITA_OK);
	for (uint64_t i = 0; expected[i]; i++) {
		char letter = vita_schedule_is_main(&schedule, i) ? 'M' : 'm';
		if (letter != expected[i])
			fail_msg("%s: token %d is %c in %s", text, (int)i, letter, expected);
	}
	vita_schedule_free(&schedule);
}

static void test_expansion(void **state)
{
	(void)state;
	assert_expands("vanilla", "MMMMMMMMMMMMMMMMMMMMMMMM");
	assert_expands("turbo", "MmmmmmmmmmmMmmmmmmmmmmMm");
	assert_expands("boost", "MmmmmmmmmmmMMMMmmmmmmmmmmMMMMmmmmmmmmmmM");
	assert_expands("balance", "MmmmmMMMmmmmmmmmMMMMmmmmmmmmmmMMMMmmmmmmmmmmMMMM");
	assert_expands("1,10", "MmmmmmmmmmmM");
	assert_expands(" 1 , 1,2, 2,1,3 ", "MmMMmmMmmmMmmmMmmm");
	assert_expands("2,0,1,2", "MMMmmMmmMmm");
	assert_expands("1,2,0,3,1,0", "MmmmmmMMMM");
	assert_expands("1,1,0,1", "Mmmmmmmm");
}

static void assert_refused(const char *text, const char *word)
{
	vita_schedule schedule;
	vita_error err;
	if (vita_schedule_parse(&schedule, text, &err) != VITA_E_CONFIG)
		fail_msg("\"%s\" was accepted", text);
	if (!strstr(err.message, word)) fail_msg("\"%s\": \"%s\" lacks \"%s\"", text, err.message, word);
	assert_null(schedule.pair);
}

static void test_refusals(void **state)
{
	(void)state;
	assert_refused("", "not a schedule");
	assert_refused("1", "even count");
	assert_refused("1,4,3", "even count");
	assert_refused("0,4", "at least one main step");
	assert_refused("1,2,0,0", "0,0");
	assert_refused("1,-3", "negative");
	assert_refused("1,4,", "not a schedule");
	assert_refused("1;4", "';'");
	assert_refused("1,4 x", "'x'");
	assert_refused("Turbo!", "vanilla, turbo, boost, balance");
	assert_refused("1,99999999999999999999", "2^63");
	char *many = malloc(2 * 70000 + 1);
	assert_non_null(many);
	for (int i = 0; i < 70000; i++) memcpy(many + 2 * i, "1,", 2);
	many[2 * 70000 - 1] = '\0';
	assert_refused(many, "more than");
	free(many);
}

static void test_huge_numbers(void **state)
{
	(void)state;
	vita_schedule schedule;
	vita_error err;
	assert_int_equal(vita_schedule_parse(&schedule,
	                                     "1,1,9223372036854775807,9223372036854775807,"
	                                     "9223372036854775807,1,2,3",
	                                     &err),
	                 VITA_OK);
	assert_true(vita_schedule_is_main(&schedule, 0));
	assert_false(vita_schedule_is_main(&schedule, 1));
	assert_true(vita_schedule_is_main(&schedule, 2));
	assert_true(vita_schedule_is_main(&schedule, (uint64_t)INT64_MAX + 1));
	assert_false(vita_schedule_is_main(&schedule, (uint64_t)INT64_MAX + 2));
	assert_int_equal(vita_schedule_head_run(&schedule, (uint64_t)INT64_MAX + 2), INT64_MAX);
	(void)vita_schedule_is_main(&schedule, UINT64_MAX);
	vita_schedule_free(&schedule);
}

static void test_head_run(void **state)
{
	(void)state;
	static const uint64_t expected[] = { 0, 4, 3, 2, 1, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0, 0, 0, 10 };
	vita_schedule schedule;
	vita_error err;
	assert_int_equal(vita_schedule_parse(&schedule, "balance", &err), VITA_OK);
	for (uint64_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
		assert_int_equal(vita_schedule_head_run(&schedule, i), expected[i]);
	assert_true(vita_schedule_uses_heads(&schedule));
	vita_schedule_free(&schedule);
	assert_int_equal(vita_schedule_parse(&schedule, "vanilla", &err), VITA_OK);
	assert_false(vita_schedule_uses_heads(&schedule));
	vita_schedule_free(&schedule);
}

/* Who makes the first tokens: '.' a main pass, a digit that head. */
static void assert_steps(const char *text, uint32_t n_heads, const char *expected)
{
	vita_schedule schedule;
	vita_error err;
	int64_t next_head = 7;
	assert_int_equal(vita_schedule_parse(&schedule, text, &err), VITA_OK);
	for (uint64_t i = 0; expected[i]; i++) {
		int64_t step = vita_schedule_step(&schedule, i, n_heads, &next_head);
		char letter = step == VITA_STEP_MAIN ? '.' : (char)('0' + step);
		if (letter != expected[i])
			fail_msg("%s with %u heads: token %d is %c in %s", text, (unsigned)n_heads, (int)i,
			         letter, expected);
	}
	vita_schedule_free(&schedule);
}

static void test_steps(void **state)
{
	(void)state;
	assert_steps("1,2", 3, ".01.01.01");
	assert_steps("1,1,2,3", 3, ".0..012..012");
	assert_steps("balance", 10, ".0123...01234567....0123456789....01");
	assert_steps("turbo", 10, ".0123456789.0123456789");
	assert_steps("boost", 1,
	             "."
	             "0.0.0.0.0."
	             "...."
	             "0.0.0.0.0."
	             "....");
	assert_steps("turbo", 0, "...........................");
	assert_steps("vanilla", 10, "...........................");
}

/* More head steps than heads: the surplus step is a main pass and the next head step starts at 0. */
static void test_overrun(void **state)
{
	(void)state;
	assert_steps("1,5", 3, ".012.0.012.0.012.0");
	assert_steps("1,10", 3, ".012.012.01.012.012.01");
	assert_steps("1,1,0,1", 2, ".01.01.01.01");
	assert_steps("1,3", 1, ".0.0.0.0.0.0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_expansion),    cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_huge_numbers), cmocka_unit_test(test_head_run),
		cmocka_unit_test(test_steps),        cmocka_unit_test(test_overrun),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
