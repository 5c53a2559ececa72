/* SPDX-License-Identifier: MIT
 *
 * Memory that runs out: every allocation of libvita's own in opening a model, writing one, reading a config
 * and opening a device fails once, and each time the answer is E_NOMEM, nothing is left behind (with a leak
 * checker: in memory too) and the next attempt works. Allocations within jansson are not made to fail: its
 * parser takes some such failures for syntax errors and does not survive others.
 */
#include "host/context_internal.h"

#include "modules_support.h"

#include <vita/file.h>
#include <vita/model.h>

#include <errno.h>

/* The linker puts these in the place of libcore's own calls. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *memory, size_t size);
char *__real_strdup(const char *string);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *memory, size_t size);
char *__wrap_strdup(const char *string);

static long left = -1; /* allocations until one fails; negative: none does */

static int fails(void)
{
	if (left < 0 || left-- > 0) return 0;
	errno = ENOMEM;
	return 1;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
	return fails() ? NULL : __real_realloc(memory, size);
}

char *__wrap_strdup(const char *string)
{
	return fails() ? NULL : __real_strdup(string);
}

/* Fail the first, second, … allocation of the attempt until one passes without a failure. */
static long until_it_works(vita_status (*attempt)(vita_error *err))
{
	vita_error err;
	for (long n = 0;; n++) {
		left = n;
		vita_status status = attempt(&err);
		int was_reached = left < 0;
		left = -1;
		if (!was_reached) {
			assert_ok(status, &err);
			return n;
		}
		assert_failure(status, VITA_E_NOMEM, &err, "memory");
	}
}

static vita_status open_golden(vita_error *err)
{
	char path[1024];
	vita_model *model;
	const char *root = getenv("VITA_SRCDIR");
	(void)snprintf(path, sizeof path, "%s/tests/golden/llm/tiny-bf16-sharded",
	               root && root[0] ? root : ".");
	vita_status status = vita_model_open(path, VITA_MODEL_WANT_TENSORS, &model, err);
	vita_model_close(model);
	return status;
}

static vita_status open_unindexed(vita_error *err)
{
	vita_model *model;
	vita_status status = vita_model_open(scratch, VITA_MODEL_WANT_TENSORS, &model, err);
	vita_model_close(model);
	return status;
}

static vita_status write_model(vita_error *err)
{
	static const float values[4] = { 1, 2, 3, 4 };
	static const char *const metadata[] = { "key", "value" };
	vita_array arrays[2];
	for (int i = 0; i < 2; i++) {
		VITA_INIT(&arrays[i]);
		arrays[i].name = i == 0 ? "one" : "two";
		arrays[i].dtype = VITA_F32;
		arrays[i].rank = 1;
		arrays[i].shape[0] = 4;
		arrays[i].size_bytes = sizeof values;
		arrays[i].data = values;
	}
	vita_status status =
		vita_safetensors_write(in_scratch("out.safetensors"), arrays, 2, metadata, 1, err);
	assert_int_equal(count_entries(), status == VITA_OK);
	return status;
}

static vita_status save_text(vita_error *err)
{
	vita_status status = vita_file_save(in_scratch("text"), "text", 4, err);
	assert_int_equal(count_entries(), status == VITA_OK);
	return status;
}

static vita_status read_config(vita_error *err)
{
	vita_config *config = NULL;
	vita_status status = vita_config_create(&config, err);
	if (status == VITA_OK) status = vita_config_read(config, in_scratch("test.ini"), err);
	if (status == VITA_OK) status = vita_config_set(config, "codec.chunk=1,2,3", err);
	if (status == VITA_OK) assert_string_equal(vita_config_get(config, "generation", "top_p"), "0.5");
	vita_config_destroy(config);
	return status;
}

static vita_config *module_config;

/* With modules that this process has loaded: then nothing is asked in a child, whose memory is its own. */
static vita_status open_device(vita_error *err)
{
	vita_context *context = NULL;
	const vita_device *device = NULL;
	vita_status status = vita_context_create(module_config, NULL, NULL, &context, err);
	if (status == VITA_OK) status = vita_context_device_open(context, "llm", &device, err);
	if (context) vita_context_device_close(context, device);
	vita_context_destroy(context);
	return status;
}

static void test_configuring(void **state)
{
	vita_error err;
	(void)state;
	put_text(in_scratch("test.ini"), "[llm]\nmodel = m\n[generation]\ntop_p = 0.5\nsystem = x\n");
	assert_true(until_it_works(read_config) > 10);
	put_module("backend-reference");
	assert_int_equal(setenv("VITA_PLUGIN_PATH", scratch, 1), 0);
	assert_ok(vita_config_create(&module_config, &err), &err);
	assert_ok(vita_config_set(module_config, "backend.name=reference", &err), &err);
	assert_ok(vita_config_set(module_config, "vita.plugin_path=a:b", &err), &err);
	assert_ok(open_device(&err), &err);
	assert_true(until_it_works(open_device) > 100);
	vita_config_destroy(module_config);
}

static void test_opening(void **state)
{
	(void)state;
	assert_true(until_it_works(open_golden) > 8);
}

static void test_opening_without_an_index(void **state)
{
	static const char one[] = "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}";
	static const char two[] = "{\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}";
	(void)state;
	put_safetensors(in_scratch("model-00001-of-00002.safetensors"), one, 2);
	put_safetensors(in_scratch("model-00002-of-00002.safetensors"), two, 2);
	put_text(in_scratch("config.json"), "{\"a\": [1, 2.5, \"text\", null]}");
	assert_true(until_it_works(open_unindexed) > 8);
}

static void test_writing(void **state)
{
	(void)state;
	assert_true(until_it_works(write_model) >= 3);
}

static void test_saving(void **state)
{
	(void)state;
	assert_true(until_it_works(save_text) >= 4);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, setup_directory, teardown_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_opening),
		IN_DIRECTORY(test_opening_without_an_index),
		IN_DIRECTORY(test_writing),
		IN_DIRECTORY(test_saving),
		IN_DIRECTORY(test_configuring),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
