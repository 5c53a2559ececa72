/* SPDX-License-Identifier: MIT
 *
 * Models that are only a shape.
 */
#include <vita/blocks.h>
#include <vita/model.h>

#include "files/model.h"
#include "files_support.h"

#include <math.h>

static void open_model(const char *path, vita_model **model)
{
	vita_error err;
	assert_ok(vita_model_open(path, VITA_MODEL_WANT_CONFIG | VITA_MODEL_WANT_TENSORS, model, &err), &err);
}

static void test_a_shape_opens_like_a_directory(void **state)
{
	vita_model *model;
	vita_array array;
	vita_error err;
	int64_t layers = 0;
	(void)state;
	open_model("synthetic:vita-audio-7b:q4_0", &model);
	assert_ok(vita_model_get_int(model, VITA_CONFIG_MODEL, "num_hidden_layers", 0, 1000, &layers, &err), &err);
	assert_int_equal(layers, 38);
	assert_int_equal(vita_model_n_tensors(model), 489);
	assert_ok(vita_model_tensor(model, "model.layers.37.self_attn.k_proj.weight", 2, (int64_t[]){ 512, 3584 }, &array, &err),
	          &err);
	assert_int_equal(array.dtype, VITA_Q4_0);
	assert_int_equal(array.size_bytes, 512 * 3584 / 32 * 18);
	vita_model_close(model);
}

/* The speech tokenizer: the sizes that are published, convolutions among them. */
static void test_tokenizer_shape(void **state)
{
	vita_model *model;
	vita_array array;
	vita_error err;
	const char *section;
	uint64_t n_values = 0;
	(void)state;
	open_model("synthetic:glm4-voice-tokenizer:q4_0", &model);
	assert_ok(vita_model_get_string(model, VITA_CONFIG_MODEL, "vita_section", &section, &err), &err);
	assert_string_equal(section, "encoder");
	assert_ok(vita_model_tensor(model, "conv2.weight", 3, (int64_t[]){ 1280, 1280, 3 }, &array, &err), &err);
	assert_int_equal(array.dtype, VITA_BF16);
	for (uint64_t i = 0; i < vita_model_n_tensors(model); i++) {
		vita_tensor_info info;
		VITA_INIT(&info);
		assert_int_equal(vita_model_tensor_describe(model, i, &info), VITA_OK);
		n_values += info.n_values;
	}
	assert_int_equal(n_values, 343599360 - 375 * 1280); /* all but embed_positions2 */
	vita_model_close(model);
}

/* Values of every type are centred and spread as a new model's are, and come back the same after they were dropped. */
static void test_numbers(void **state)
{
	static const char *const types[] = { "f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q4_k", "q6_k" };
	static float values[768 * 256], again[768 * 256];
	(void)state;
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		char path[64];
		vita_model *model;
		vita_array array;
		vita_error err;
		double sum = 0, squares = 0;
		(void)snprintf(path, sizeof path, "synthetic:nano:%s", types[i]);
		open_model(path, &model);
		for (int round = 0; round < 2; round++) {
			assert_ok(vita_model_tensor(model, "model.layers.2.mlp.up_proj.weight", 2, (int64_t[]){ 768, 256 }, &array,
			                            &err), &err);
			assert_int_equal(vita_row_to_f32(array.dtype, array.data, 768 * 256, round ? again : values), VITA_OK);
			vita_model_release(model, array.data, array.size_bytes);
		}
		assert_memory_equal(values, again, sizeof values);
		for (int j = 0; j < 768 * 256; j++) {
			sum += (double)values[j];
			squares += (double)values[j] * (double)values[j];
		}
		double mean = sum / (768 * 256), deviation = sqrt(squares / (768 * 256) - mean * mean);
		assert_true(fabs(mean) < 0.004);
		assert_true(deviation > 0.012 && deviation < 0.04);
		vita_model_close(model);
	}
}

static void test_what_there_is_not(void **state)
{
	vita_model *model;
	vita_error err;
	(void)state;
	assert_failure(vita_model_open("synthetic:gpt-5", 0, &model, &err), VITA_E_NOTFOUND, &err, "qwen2.5-0.5b");
	assert_failure(vita_model_open("synthetic:nano:i32", 0, &model, &err), VITA_E_NOTFOUND, &err, "TYPE");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_shape_opens_like_a_directory),
		cmocka_unit_test(test_tokenizer_shape),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_what_there_is_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
