/* SPDX-License-Identifier: MIT
 *
 * How many threads convert and make weights: affinity, OMP_NUM_THREADS, and what the caller allows.
 */
#include <config.h> /* for sched_setaffinity */

#include <sched.h>
#include <stdlib.h>

#include "unit.h"

#include "files/processors.h"

static void test_what_is_asked_for(void **state)
{
	(void)state;
	assert_int_equal(unsetenv("OMP_NUM_THREADS"), 0);
	const int64_t all = vita_processors(0);
	assert_in_range(all, 1, VITA_MOST_PROCESSORS);
	assert_int_equal(vita_processors(1), 1);
	assert_int_equal(vita_processors(all), all);
	assert_int_equal(vita_processors(4096), all);
}

static void test_environment(void **state)
{
	static const char *const ignored[] = { "", "0", "-1", "many", "100000" };
	(void)state;
	assert_int_equal(unsetenv("OMP_NUM_THREADS"), 0);
	const int64_t all = vita_processors(0);
	for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) {
		assert_int_equal(setenv("OMP_NUM_THREADS", ignored[i], 1), 0);
		assert_int_equal(vita_processors(0), all);
	}
	assert_int_equal(setenv("OMP_NUM_THREADS", "1,2", 1), 0); /* nested levels; the first is what counts here */
	assert_int_equal(vita_processors(0), 1);
	assert_int_equal(unsetenv("OMP_NUM_THREADS"), 0);
}

static void test_affinity(void **state)
{
	cpu_set_t before, one;
	int first = 0;
	(void)state;
	assert_int_equal(unsetenv("OMP_NUM_THREADS"), 0);
	assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
	while (!CPU_ISSET(first, &before)) first++;
	CPU_ZERO(&one);
	CPU_SET(first, &one);
	assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
	assert_int_equal(vita_processors(0), 1);
	assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_asked_for),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_affinity),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
