/* SPDX-License-Identifier: MIT
 *
 * Whole models on the opencl backend, alone and mixed with others: greedy ids are the golden ones.
 */
#include "golden_support.h"

/* 0 where there is no device (the build machine has no driver). */
static int there_is_a_device(void)
{
	vita_context *context = open_context("tiny", "heads.schedule=1,0", "opencl", "opencl");
	vita_engine *engine;
	const int there = vita_engine_open(context, VITA_PART_HEADS, &engine, &err) == VITA_OK;
	if (there) vita_engine_close(engine);
	else print_message("skipped: %s\n", err.message);
	vita_context_destroy(context);
	return there;
}

/* Every schedule that the golden file has, and not an op elsewhere. */
static void run_on(const char *model, const char *llm, const char *heads, const char *more, uint32_t most)
{
	json_t *golden = golden_of(model);
	const json_t *runs = json_object_get(golden, "runs");
	for (size_t i = 0; i < json_array_size(runs); i++) {
		const json_t *golden_run = json_array_get(runs, i);
		char schedule[128];
		schedule_of(golden_run, schedule, sizeof schedule);
		vita_context *context = open_context_with(model, schedule, llm, heads, more);
		vita_engine *engine;
		vita_engine_info info;
		assert_ok(vita_engine_open(context, VITA_PART_HEADS, &engine, &err), &err);
		VITA_INIT(&info);
		vita_engine_describe(engine, &info);
		assert_string_equal(info.llm_backend, llm);
		assert_string_equal(info.head_backend, heads);
		run(engine, golden, golden_run, most);
		vita_engine_close(engine);
		vita_context_destroy(context);
		assert_int_equal(times_logged("cannot run"), 0);
		assert_int_equal(times_logged("never freed"), 0);
	}
	json_decref(golden);
}

static void everything_on_opencl(void **state)
{
	(void)state;
	if (!there_is_a_device()) skip();
	run_on("tiny", "opencl", "opencl", NULL, 48);
	run_on("tiny-tied", "opencl", "opencl", NULL, 24);
	run_on("tiny-bf16-sharded", "opencl", "opencl", NULL, 24);
}

static void caches_of_other_types(void **state)
{
	(void)state;
	if (!there_is_a_device()) skip();
	run_on("tiny", "opencl", "opencl", "llm.cache=f16", 8);
}

static void mixed_with_others(void **state)
{
	(void)state;
	if (!there_is_a_device()) skip();
	run_on("tiny", "opencl", "reference", NULL, 16);
	run_on("tiny", "reference", "opencl", NULL, 16);
}

/* The kernels for GPUs, on whatever device there is. */
static void kernels_for_gpus(void **state)
{
	(void)state;
	assert_int_equal(setenv("VITA_OPENCL_CLASS", "gpu", 1), 0);
	if (there_is_a_device()) run_on("tiny", "opencl", "opencl", NULL, 16);
	assert_int_equal(unsetenv("VITA_OPENCL_CLASS"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_directory, teardown_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(everything_on_opencl),
		TEST(caches_of_other_types),
		TEST(mixed_with_others),
		TEST(kernels_for_gpus),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
