/* SPDX-License-Identifier: MIT
 *
 * The check before loading: how much a model takes in each type, and what is said where it is too much.
 */
#include "engine/fit.h"

#include "files_support.h"

static vita_model *open_shape(const char *shape)
{
	vita_model *model;
	vita_error err;
	assert_ok(vita_model_open(shape, VITA_MODEL_WANT_CONFIG | VITA_MODEL_WANT_TENSORS, &model, &err), &err);
	return model;
}

/* 7.6 billion parameters are 15 GB in bf16; blocks take 8.5 and 4.5 bits a value. */
static void test_sizes(void **state)
{
	vita_model *model = open_shape("synthetic:qwen2.5-7b:bf16");
	(void)state;
	const double bf16 = vita_weight_bytes(model, VITA_DTYPE_NONE);
	assert_true(bf16 > 15.2e9 && bf16 < 15.3e9);
	assert_true(vita_weight_bytes(model, VITA_BF16) == bf16);
	const double q8_0 = vita_weight_bytes(model, VITA_Q8_0) / bf16, q4_0 = vita_weight_bytes(model, VITA_Q4_0) / bf16;
	assert_true(q8_0 > 8.5 / 16 && q8_0 < 8.52 / 16);
	assert_true(q4_0 > 4.5 / 16 && q4_0 < 4.52 / 16);
	vita_model_close(model);
}

static void test_what_fits(void **state)
{
	vita_model *model = open_shape("synthetic:qwen2.5-7b:bf16");
	vita_error err;
	(void)state;
	assert_ok(vita_check_fit(model, NULL, 16e9, &err), &err);
	assert_ok(vita_check_fit(model, "", 16e9, &err), &err);
	assert_ok(vita_check_fit(model, "as-is", 16e9, &err), &err);
	assert_ok(vita_check_fit(model, "q4_0", 5e9, &err), &err);
	assert_failure(vita_check_fit(model, "f32", 16e9, &err), VITA_E_NOMEM, &err,
	               "synthetic:qwen2.5-7b:bf16: its weights take 30.5 GB and 16.0 GB of memory are free; with llm.dtype = q8_0 "
	               "they would take 8.1 GB");
	vita_model_close(model);
}

/* The largest type that leaves some room is the one that is named. */
static void test_what_would_fit(void **state)
{
	static const struct {
		double left;
		const char *said;
	} cases[] = {
		{ 15e9, "with llm.dtype = q8_0 they would take 8.1 GB" },
		{ 8e9, "with llm.dtype = q6_k they would take 6.2 GB" },
		{ 6e9, "with llm.dtype = q4_1 they would take 4.8 GB" },
		{ 5e9, "with llm.dtype = q4_k they would take 4.3 GB" },
		{ 4e9, "even as q4_0 they would take 4.3 GB" },
		{ 0, "even as q4_0" },
	};
	vita_model *model = open_shape("synthetic:qwen2.5-7b:bf16");
	vita_error err;
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_failure(vita_check_fit(model, "as-is", cases[i].left, &err), VITA_E_NOMEM, &err, cases[i].said);
	vita_model_close(model);
}

/* What the system says is between what a test takes and what machines have. */
static void test_memory_left(void **state)
{
	(void)state;
	const double left = vita_memory_left();
	assert_true(left > 1e6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_what_fits),
		cmocka_unit_test(test_what_would_fit),
		cmocka_unit_test(test_memory_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
