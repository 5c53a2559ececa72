/* SPDX-License-Identifier: MIT
 *
 * Whole models on devices by others: the toy backend of tests/stubs, which has three ops and memory of its
 * own, runs the golden models, alone and mixed with the reference backend, and the ids stay the golden ones.
 */
#include "golden_support.h"

static void run_on(const char *model, const char *llm, const char *heads, uint32_t most)
{
	json_t *golden = golden_of(model);
	const json_t *runs = json_object_get(golden, "runs");
	for (size_t i = 0; i < json_array_size(runs); i++) {
		const json_t *golden_run = json_array_get(runs, i),
			     *mode = json_object_get(golden_run, "mode");
		char schedule[128];
		schedule_of(golden_run, schedule, sizeof schedule);
		vita_context *context = open_context(model, schedule, llm, heads);
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
		assert_int_equal(times_logged("never freed"), 0);
		assert_int_equal(times_logged("cannot run ATTENTION"),
		                 strcmp(llm, "toy") == 0 || json_integer_value(json_array_get(mode, 1)) > 0);
		assert_int_equal(times_logged("cannot run MATMUL(f32, f32)"), 0);
	}
	json_decref(golden);
}

static void llm_on_the_toy_heads_on_the_reference(void **state)
{
	(void)state;
	put_stub("toy_backend", "toy");
	run_on("tiny", "toy", "reference", 48);
	run_on("tiny-tied", "toy", "reference", 12);
	run_on("tiny-bf16-sharded", "toy", "reference", 12);
}

static void llm_on_the_reference_heads_on_the_toy(void **state)
{
	(void)state;
	put_stub("toy_backend", "toy");
	run_on("tiny", "reference", "toy", 24);
}

static void everything_on_the_toy(void **state)
{
	(void)state;
	put_stub("toy_backend", "toy");
	run_on("tiny", "toy", "toy", 24);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_directory, teardown_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(llm_on_the_toy_heads_on_the_reference),
		TEST(llm_on_the_reference_heads_on_the_toy),
		TEST(everything_on_the_toy),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
