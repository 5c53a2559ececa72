/* SPDX-License-Identifier: MIT
 *
 * Model directories: the golden models, indexes and settings good and bad.
 */
#include "files/model.h"
#include "files_support.h"

#include <math.h>
#include <pthread.h>
#include <time.h>

static const char *golden(const char *name)
{
	static char path[1024];
	const char *root = getenv("VITA_SRCDIR");
	(void)snprintf(path, sizeof path, "%s/tests/golden/llm/%s", root && root[0] ? root : ".", name);
	return path;
}

static vita_model *open_model(const char *path, uint32_t want)
{
	vita_error err;
	vita_model *model = NULL;
	assert_ok(vita_model_open(path, want, &model, &err), &err);
	return model;
}

static void expect_open(const char *path, uint32_t want, vita_status status, const char *text)
{
	vita_error err;
	vita_model *model = (vita_model *)1;
	assert_failure(vita_model_open(path, want, &model, &err), status, &err, text);
	assert_null(model);
}

#define WANT_ALL (VITA_MODEL_WANT_TENSORS | VITA_MODEL_WANT_CONFIG)

/* ---- golden models ------------------------------------------------------------------------------- */

static void assert_tensor(const vita_model *model, const char *name, uint32_t dtype, int64_t rows,
                          int64_t columns, float first, float last)
{
	const int64_t shape[2] = { rows, columns };
	uint32_t rank = columns ? 2 : 1;
	uint64_t n = (uint64_t)(rows * (columns ? columns : 1));
	vita_array array;
	vita_error err;
	float *values = malloc(n * sizeof *values);
	assert_non_null(values);
	assert_ok(vita_model_tensor(model, name, rank, shape, &array, &err), &err);
	assert_int_equal(array.dtype, dtype);
	assert_string_equal(array.name, name);
	assert_ok(vita_convert(dtype, array.data, VITA_F32, values, n, &err), &err);
	assert_true(values[0] == first);
	assert_true(values[n - 1] == last);
	free(values);
}

static void test_single_file(void **state)
{
	(void)state;
	vita_model *model = open_model(golden("tiny"), WANT_ALL);
	assert_string_equal(vita_model_path(model), golden("tiny"));
	assert_int_equal(vita_model_n_tensors(model), 84);
	assert_tensor(model, "model.embed_tokens.weight", VITA_F32, 300, 64, 0.12766610085964203f,
	              0x1.17e674p-2f);
	assert_tensor(model, "lm_head.weight", VITA_F32, 300, 64, -0.061845701187849045f, -0x1.b74286p-1f);
	assert_tensor(model, "model.layers.3.self_attn.q_proj.bias", VITA_F32, 64, 0, 0.07417275756597519f,
	              -0x1.027f8ap-3f);
	vita_model_close(model);
}

static void test_shards_with_index(void **state)
{
	vita_array array, before = { .name = "" };
	uint64_t total = 0;
	(void)state;
	vita_model *model = open_model(golden("tiny-bf16-sharded"), WANT_ALL);
	assert_int_equal(vita_model_n_tensors(model), 84);
	/* From the first shard and from the second. */
	assert_tensor(model, "model.embed_tokens.weight", VITA_BF16, 300, 64, -0.546875f, -0x1.36p-1f);
	assert_tensor(model, "lm_head.weight", VITA_BF16, 300, 64, 0.462890625f, 0x1.74p-3f);
	for (uint64_t i = 0; i < 84; i++) {
		assert_int_equal(vita_model_tensor_at(model, i, &array), VITA_OK);
		assert_true(strcmp(before.name, array.name) < 0);
		before = array;
		total += array.size_bytes;
	}
	assert_int_equal(total, 646016); /* as the index says */
	vita_model_close(model);
}

static void test_tied_embeddings(void **state)
{
	vita_array array;
	vita_error err;
	int32_t tied = 0;
	(void)state;
	vita_model *model = open_model(golden("tiny-tied"), WANT_ALL);
	assert_int_equal(vita_model_n_tensors(model), 83);
	assert_failure(vita_model_tensor(model, "lm_head.weight", 0, NULL, &array, &err), VITA_E_NOTFOUND,
	               &err, "has no tensor \"lm_head.weight\"");
	assert_ok(vita_model_get_bool(model, VITA_CONFIG_MODEL, "tie_word_embeddings", &tied, &err), &err);
	assert_int_equal(tied, 1);
	vita_model_close(model);
}

static void test_shapes(void **state)
{
	static const int64_t any[2] = { -1, 64 }, wrong[2] = { 151646, -1 }, line[1] = { 300 };
	vita_array array;
	vita_error err;
	(void)state;
	vita_model *model = open_model(golden("tiny"), 0);
	assert_ok(vita_model_tensor(model, "lm_head.weight", 2, any, &array, &err), &err);
	assert_int_equal(array.shape[0], 300);
	assert_ok(vita_model_tensor(model, "lm_head.weight", 0, NULL, &array, &err), &err);
	assert_int_equal(array.rank, 2);
	assert_failure(vita_model_tensor(model, "lm_head.weight", 2, wrong, &array, &err), VITA_E_SHAPE, &err,
	               "\"lm_head.weight\" must have the shape [151646, *], but has [300, 64]");
	assert_null(array.data);
	assert_failure(vita_model_tensor(model, "lm_head.weight", 1, line, &array, &err), VITA_E_SHAPE, &err,
	               "[300]");
	assert_failure(vita_model_tensor(model, "lm_head.weight", 5, line, &array, &err), VITA_E_INVALID,
	               &err, "rank 5");
	assert_failure(vita_model_tensor(model, "a\x1b[2Jb", 0, NULL, &array, &err), VITA_E_NOTFOUND, &err,
	               "\"a?[2Jb\"");
	vita_model_close(model);
}

/* ---- settings ------------------------------------------------------------------------------------ */

static void test_golden_settings(void **state)
{
	vita_error err;
	int64_t number = -1, list[4] = { 0 };
	uint32_t count = 0;
	double theta = 0;
	int32_t sample = 7;
	const char *text = NULL;
	(void)state;
	vita_model *model = open_model(golden("tiny"), WANT_ALL);
	assert_ok(vita_model_get_int(model, VITA_CONFIG_MODEL, "hidden_size", 1, 65536, &number, &err), &err);
	assert_int_equal(number, 64);
	assert_ok(vita_model_get_float(model, VITA_CONFIG_MODEL, "rope_theta", &theta, &err), &err);
	assert_true(theta == 1e6);
	assert_ok(vita_model_get_list_string(model, VITA_CONFIG_MODEL, "architectures", 0, &text, &err),
	          &err);
	assert_string_equal(text, "Qwen2MTPForCausalLM");
	assert_ok(vita_model_get_string(model, VITA_CONFIG_MODEL, "auto_map.AutoConfig", &text, &err), &err);
	assert_string_equal(text, "configuration_qwen2.Qwen2MTPConfig");
	assert_ok(vita_model_get_bool(model, VITA_CONFIG_GENERATION, "do_sample", &sample, &err), &err);
	assert_int_equal(sample, 0);
	assert_ok(vita_model_get_ints(model, VITA_CONFIG_GENERATION, "mtp_inference_mode", list, 4, &count,
	                              &err),
	          &err);
	assert_int_equal(count, 2);
	assert_int_equal(list[1], 3);
	assert_ok(vita_model_get_ints(model, VITA_CONFIG_GENERATION, "eos_token_id", list, 4, &count, &err),
	          &err);
	assert_int_equal(count, 1);
	assert_int_equal(list[0], 2);
	number = 5;
	assert_failure(vita_model_get_int(model, VITA_CONFIG_MODEL, "sliding_window", 0, 9, &number, &err),
	               VITA_E_NOTFOUND, &err, "has no \"sliding_window\""); /* it is null */
	assert_int_equal(number, 5);
	vita_model_close(model);
}

static const char config_text[] =
	"{\"int\": 7, \"whole\": 8.0, \"part\": 8.5, \"huge\": 1e300, \"text\": \"seven\\u001b[2J\", "
	"\"yes\": true,\n"
	" \"list\": [1, 2, 3], \"mixed\": [1, \"2\"], \"texts\": [\"a\", \"b\"], \"none\": null, \"empty\": "
	"[],\n"
	" \"object\": {\"inner\": {\"value\": 9}}, \"a.b\": 10, \"min\": -9223372036854775808}";

static void expect_int(const vita_model *model, const char *key, vita_status status, int64_t value,
                       const char *text)
{
	vita_error err;
	int64_t number = 12345;
	vita_status found = vita_model_get_int(model, VITA_CONFIG_MODEL, key, -100, 100, &number, &err);
	if (status != VITA_OK) assert_failure(found, status, &err, text);
	else assert_ok(found, &err);
	assert_int_equal(number, status == VITA_OK ? value : 12345);
}

static void test_kinds_of_settings(void **state)
{
	vita_error err;
	(void)state;
	put_text(in_scratch("config.json"), config_text);
	vita_model *model = open_model(scratch, VITA_MODEL_WANT_CONFIG);
	expect_int(model, "int", VITA_OK, 7, "");
	expect_int(model, "whole", VITA_OK, 8, "");
	expect_int(model, "object.inner.value", VITA_OK, 9, "");
	expect_int(model, "a.b", VITA_OK, 10, "");
	expect_int(model, "part", VITA_E_FORMAT, 0,
	           "config.json: \"part\" must be an integer from -100 to 100, but is 8.5");
	expect_int(model, "huge", VITA_E_FORMAT, 0, "but is 1e+300");
	expect_int(model, "min", VITA_E_FORMAT, 0, "but is -9223372036854775808");
	expect_int(model, "text", VITA_E_FORMAT, 0, "but is seven?[2J");
	expect_int(model, "yes", VITA_E_FORMAT, 0, "but is true or false");
	expect_int(model, "list", VITA_E_FORMAT, 0, "but is a list");
	expect_int(model, "none", VITA_E_NOTFOUND, 0, "config.json: has no \"none\"");
	expect_int(model, "object.inner.none", VITA_E_NOTFOUND, 0, "has no \"object.inner.none\"");
	expect_int(model, "int.inner", VITA_E_NOTFOUND, 0, "has no \"int.inner\"");
	expect_int(model, "object.", VITA_E_NOTFOUND, 0, "has no");
	expect_int(model, "", VITA_E_NOTFOUND, 0, "has no");

	double real = 1;
	assert_ok(vita_model_get_float(model, VITA_CONFIG_MODEL, "int", &real, &err), &err);
	assert_true(real == 7);
	assert_failure(vita_model_get_float(model, VITA_CONFIG_MODEL, "text", &real, &err), VITA_E_FORMAT,
	               &err, "a number");
	int32_t flag = 0;
	assert_ok(vita_model_get_bool(model, VITA_CONFIG_MODEL, "yes", &flag, &err), &err);
	assert_int_equal(flag, 1);
	assert_failure(vita_model_get_bool(model, VITA_CONFIG_MODEL, "int", &flag, &err), VITA_E_FORMAT, &err,
	               "true or false");
	const char *text = "kept";
	assert_failure(vita_model_get_string(model, VITA_CONFIG_MODEL, "int", &text, &err), VITA_E_FORMAT,
	               &err, "a text");
	assert_string_equal(text, "kept");
	assert_failure(vita_model_get_int(model, 4, "int", 0, 9, &(int64_t){ 0 }, &err), VITA_E_INVALID, &err,
	               "number 4");
	assert_failure(vita_model_get_int(model, VITA_CONFIG_GENERATION, "int", 0, 9, &(int64_t){ 0 }, &err),
	               VITA_E_NOTFOUND, &err, "has no generation_config.json, and so no \"int\"");
	vita_model_close(model);
}

static void test_lists_of_settings(void **state)
{
	vita_error err;
	int64_t list[3] = { -1, -1, -1 };
	uint32_t count = 77;
	const char *text = "kept";
	(void)state;
	put_text(in_scratch("config.json"), config_text);
	vita_model *model = open_model(scratch, VITA_MODEL_WANT_CONFIG);
	assert_ok(vita_model_get_ints(model, VITA_CONFIG_MODEL, "list", list, 2, &count, &err), &err);
	assert_int_equal(count, 3);
	assert_int_equal(list[1], 2);
	assert_int_equal(list[2], -1);
	assert_ok(vita_model_get_ints(model, VITA_CONFIG_MODEL, "list", NULL, 0, &count, &err), &err);
	assert_int_equal(count, 3);
	assert_ok(vita_model_get_ints(model, VITA_CONFIG_MODEL, "empty", list, 3, &count, &err), &err);
	assert_int_equal(count, 0);
	list[0] = -1;
	assert_failure(vita_model_get_ints(model, VITA_CONFIG_MODEL, "mixed", list, 3, &count, &err),
	               VITA_E_FORMAT, &err, "\"mixed\" must be an integer or a list of integers, but is 2");
	assert_int_equal(list[0], -1);
	assert_int_equal(count, 0);
	assert_ok(vita_model_get_list_string(model, VITA_CONFIG_MODEL, "texts", 1, &text, &err), &err);
	assert_string_equal(text, "b");
	assert_failure(vita_model_get_list_string(model, VITA_CONFIG_MODEL, "texts", 2, &text, &err),
	               VITA_E_NOTFOUND, &err, "\"texts\" has 2 entries");
	assert_failure(vita_model_get_list_string(model, VITA_CONFIG_MODEL, "list", 0, &text, &err),
	               VITA_E_FORMAT, &err, "a list of texts");
	assert_failure(vita_model_get_list_string(model, VITA_CONFIG_MODEL, "text", 0, &text, &err),
	               VITA_E_FORMAT, &err, "a list of texts");
	vita_model_close(model);
}

static void test_bad_settings_files(void **state)
{
	static const struct {
		const char *text, *sentence;
	} cases[] = {
		{ "", "config.json: is empty" },
		{ "[]", "config.json: must hold a JSON object, but is a list" },
		{ "12", "config.json:1:" },
		{ "{\n\"a\": 1,\n\"b\": }", "config.json:3:" },
		{ "{\n\"a\": 1,\n\"a\": 2}", "duplicate" },
		{ "{\"a\": \"\\u0000\"}", "NUL" },
		{ "{\"a\": 1", "the JSON ends too early" },
		{ "{\"a\": NaN}", "config.json:1:" },
		{ "{\"a\": 99999999999999999999}", "config.json:1:" },
		{ "{\"a\": 1e999}", "config.json:1:" },
		{ "{} {}", "config.json:1:" },
		{ "\x1b[31m{}", "config.json:1:1: is not valid JSON" },
		{ "this is a plugin", "config.json:1:" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		put_text(in_scratch("config.json"), cases[i].text);
		expect_open(scratch, 0, VITA_E_FORMAT, cases[i].sentence);
	}
	char deep[10001];
	memset(deep, '[', sizeof deep - 1);
	deep[10000] = '\0';
	put_text(in_scratch("config.json"), deep);
	expect_open(scratch, 0, VITA_E_FORMAT,
	            "config.json:1: lists and objects are nested more than 64 deep");
	assert_int_equal(truncate(in_scratch("config.json"), 9 << 20), 0);
	expect_open(scratch, 0, VITA_E_FORMAT, "has 9437184 bytes; a file of this kind has at most 8388608");
	put_text(in_scratch("config.json"), "\xef\xbb\xbf{\"a\": 1}");
	vita_model_close(open_model(scratch, VITA_MODEL_WANT_CONFIG));
	put_text(in_scratch("generation_config.json"), "{");
	expect_open(scratch, 0, VITA_E_FORMAT, "generation_config.json:1:");
}

/* ---- directories --------------------------------------------------------------------------------- */

#define TENSOR(name) "{\"" name "\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}"

static void test_what_must_be_there(void **state)
{
	(void)state;
	expect_open(in_scratch("none"), 0, VITA_E_NOTFOUND, "there is no such model file or directory");
	put_text(in_scratch("tokenizer.json"), "{}");
	vita_model *model = open_model(scratch, 0);
	assert_int_equal(vita_model_n_tensors(model), 0);
	vita_model_close(model);
	expect_open(scratch, VITA_MODEL_WANT_CONFIG, VITA_E_NOTFOUND, "has no config.json");
	expect_open(scratch, VITA_MODEL_WANT_TENSORS, VITA_E_NOTFOUND, "has no weights");
	put_text(in_scratch("config.json"), "{}");
	vita_model_close(open_model(scratch, VITA_MODEL_WANT_CONFIG));
	expect_open(scratch, WANT_ALL, VITA_E_NOTFOUND, "has no weights");
	put_safetensors(in_scratch("model.safetensors"), TENSOR("a"), 2);
	model = open_model(scratch, WANT_ALL);
	vita_error err;
	assert_ok(vita_model_require(model, WANT_ALL, &err), &err);
	vita_model_close(model);
	put_safetensors(in_scratch("model.safetensors"), TENSOR("a"), 1);
	expect_open(scratch, 0, VITA_E_FORMAT, "it may be truncated");
}

static void test_bad_indexes(void **state)
{
	static const struct {
		const char *index;
		vita_status status;
		const char *sentence;
	} cases[] = {
		{ "{}", VITA_E_FORMAT,
		  "weight_map must be an object of tensor names and files, but is missing" },
		{ "{\"weight_map\":[\"s1.safetensors\"]}", VITA_E_FORMAT, "but is a list" },
		{ "{\"weight_map\":{\"a\":5}}", VITA_E_FORMAT, "gives for tensor \"a\" an integer" },
		{ "{\"weight_map\":{\"a\":\"../s1.safetensors\"}}", VITA_E_FORMAT,
		  "must name a file of the same directory" },
		{ "{\"weight_map\":{\"a\":\"/etc/passwd\"}}", VITA_E_FORMAT,
		  "must name a file of the same directory" },
		{ "{\"weight_map\":{\"a\":\"..\"}}", VITA_E_FORMAT,
		  "must name a file of the same directory" },
		{ "{\"weight_map\":{\"a\":\"\"}}", VITA_E_FORMAT, "must name a file of the same directory" },
		{ "{\"weight_map\":{\"a\":\"sub/s1.safetensors\"}}", VITA_E_FORMAT, "the same directory" },
		{ "{\"weight_map\":{\"a\":\"s9.safetensors\"}}", VITA_E_NOTFOUND,
		  "index.json: names the shard s9.safetensors, which is not there" },
		{ "{\"weight_map\":{\"a\":\"s1.safetensors\",\"c\":\"s2.safetensors\"}}", VITA_E_FORMAT,
		  "places tensor \"c\" in s2.safetensors, which does not hold it" },
		{ "{\"weight_map\":{\"a\":\"s2.safetensors\"}}", VITA_E_FORMAT,
		  "places tensor \"a\" in s2.safetensors" },
		{ "{\"weight_map\":{\"a\":\"s1.safetensors\",\"a\":\"s2.safetensors\"}}", VITA_E_FORMAT,
		  "duplicate" },
		{ "{\"weight_map\":{\"a\":\"config.json\"}}", VITA_E_FORMAT,
		  "config.json: is not a model file" },
	};
	(void)state;
	put_text(in_scratch("config.json"), "{}");
	put_safetensors(in_scratch("s1.safetensors"), TENSOR("a"), 2);
	put_safetensors(in_scratch("s2.safetensors"), TENSOR("b"), 2);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		put_text(in_scratch("model.safetensors.index.json"), cases[i].index);
		expect_open(scratch, 0, cases[i].status, cases[i].sentence);
	}
}

static void test_good_indexes(void **state)
{
	vita_array array;
	vita_error err;
	(void)state;
	/* Both shards hold "both"; the index says which one counts, and leaves "unused" out. */
	put_safetensors(in_scratch("s1.safetensors"),
	                "{\"both\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
	                "\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]}}",
	                4);
	put_safetensors(in_scratch("s2.safetensors"),
	                "{\"unused\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
	                "\"both\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]}}",
	                4);
	put_text(in_scratch("model.safetensors.index.json"),
	         "{\"metadata\":{},\"weight_map\":{\"both\":\"s2.safetensors\",\"a\":\"s1.safetensors\"}}");
	vita_model *model = open_model(scratch, VITA_MODEL_WANT_TENSORS);
	assert_int_equal(vita_model_n_tensors(model), 2);
	assert_ok(vita_model_tensor(model, "both", 0, NULL, &array, &err), &err);
	assert_int_equal(*(const unsigned char *)array.data, 2);
	vita_model_close(model);
	/* A file of the plain name goes before an index. */
	put_safetensors(in_scratch("model.safetensors"), TENSOR("plain"), 2);
	model = open_model(scratch, VITA_MODEL_WANT_TENSORS);
	assert_ok(vita_model_tensor(model, "plain", 0, NULL, &array, &err), &err);
	vita_model_close(model);
}

static void test_shards_without_an_index(void **state)
{
	(void)state;
	put_safetensors(in_scratch("model-00001-of-00002.safetensors"), TENSOR("a"), 2);
	expect_open(scratch, 0, VITA_E_NOTFOUND, "holds 1 of 2 shards; model-00002-of-00002.safetensors is missing");
	put_safetensors(in_scratch("model-00002-of-00002.safetensors"), TENSOR("a"), 2);
	expect_open(scratch, 0, VITA_E_FORMAT, "tensor \"a\" is both in");
	put_safetensors(in_scratch("model-00002-of-00002.safetensors"), TENSOR("b"), 2);
	put_safetensors(in_scratch("model-00000-of-00002.safetensors"), TENSOR("c"), 2);
	expect_open(scratch, 0, VITA_E_FORMAT, "holds 3 shards, of which there should be 2");
	assert_int_equal(unlink(in_scratch("model-00001-of-00002.safetensors")), 0);
	assert_int_equal(unlink(in_scratch("model-00002-of-00002.safetensors")), 0);
	expect_open(scratch, 0, VITA_E_NOTFOUND, "model-00002-of-00002.safetensors are missing");
	assert_int_equal(unlink(in_scratch("model-00000-of-00002.safetensors")), 0);
	put_safetensors(in_scratch("model-00001-of-00002.safetensors"), TENSOR("a"), 2);
	put_safetensors(in_scratch("model-00002-of-00002.safetensors"), TENSOR("b"), 2);
	vita_model *model = open_model(scratch, VITA_MODEL_WANT_TENSORS);
	assert_int_equal(vita_model_n_tensors(model), 2);
	vita_model_close(model);
	assert_int_equal(rename(in_scratch("model-00002-of-00002.safetensors"),
	                        in_scratch("modem-00002-of-00002.safetensors")),
	                 0);
	expect_open(scratch, VITA_MODEL_WANT_TENSORS, VITA_E_FORMAT, "it is not clear which is the model");
	put_safetensors(in_scratch("other.safetensors"), TENSOR("c"), 2);
	expect_open(scratch, VITA_MODEL_WANT_TENSORS, VITA_E_FORMAT, "it is not clear which is the model");
	model = open_model(scratch, 0);
	assert_int_equal(vita_model_n_tensors(model), 0);
	vita_model_close(model);
}

static void test_a_single_file_of_another_name(void **state)
{
	vita_error err;
	const char *text;
	(void)state;
	put_safetensors(in_scratch("flow.safetensors"),
	                "{\"__metadata__\":{\"k\":\"v\"},\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_"
	                "offsets\":[0,2]}}",
	                2);
	put_text(in_scratch(".vita-0123.safetensors"), "an unfinished file of somebody");
	vita_model *model = open_model(scratch, VITA_MODEL_WANT_TENSORS);
	assert_int_equal(vita_model_n_tensors(model), 1);
	/* What a weights file says of itself is not the directory's config.json. */
	assert_int_equal(vita_model_get_string(model, VITA_CONFIG_MODEL, "k", &text, &err), VITA_E_NOTFOUND);
	vita_model_close(model);
	model = open_model(in_scratch("flow.safetensors"), VITA_MODEL_WANT_TENSORS);
	assert_ok(vita_model_get_string(model, VITA_CONFIG_MODEL, "k", &text, &err), &err);
	assert_string_equal(text, "v");
	vita_model_close(model);
}

/* ---- paths and threads --------------------------------------------------------------------------- */

static void *ask_paths(void *model)
{
	char name[32];
	for (int i = 0; i < 200; i++) {
		(void)snprintf(name, sizeof name, "file-%d.json", i % 50);
		const char *path = vita_model_file_path(model, name);
		if (!path || strcmp(path + strlen(path) - strlen(name), name) != 0) return model;
		if (path != vita_model_file_path(model, name)) return model;
	}
	return NULL;
}

static void test_paths(void **state)
{
	pthread_t threads[4];
	char with_slash[600];
	(void)state;
	put_safetensors(in_scratch("model.safetensors"), TENSOR("a"), 2);
	(void)snprintf(with_slash, sizeof with_slash, "%s/", scratch);
	vita_model *model = open_model(with_slash, 0);
	assert_string_equal(vita_model_file_path(model, "tokenizer.json"), in_scratch("tokenizer.json"));
	assert_null(vita_model_file_path(model, "../x"));
	assert_null(vita_model_file_path(model, ".."));
	assert_null(vita_model_file_path(model, "/etc/passwd"));
	for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, ask_paths, model), 0);
	for (int i = 0; i < 4; i++) {
		void *failed;
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
	vita_model_close(model);
	model = open_model(in_scratch("model.safetensors"), 0);
	assert_string_equal(vita_model_file_path(model, "tokenizer.json"), in_scratch("tokenizer.json"));
	vita_model_close(model);
	vita_model_close(NULL);
}

/* ---- size ---------------------------------------------------------------------------------------- */

/* Of this process: others that keep the processor busy do not count. */
static double seconds(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static double time_to_open(int n_tensors)
{
	static const unsigned char byte;
	char(*names)[64] = malloc((size_t)n_tensors * sizeof *names);
	vita_array *arrays = malloc((size_t)n_tensors * sizeof *arrays);
	vita_error err;
	assert_non_null(names);
	assert_non_null(arrays);
	for (int i = 0; i < n_tensors; i++) {
		(void)snprintf(names[i], sizeof names[i], "model.layers.%d.mlp.experts.%d.down_proj.weight",
		               i / 7, i % 7);
		VITA_INIT(&arrays[i]);
		arrays[i].name = names[i];
		arrays[i].dtype = VITA_U8;
		arrays[i].size_bytes = 1;
		arrays[i].data = &byte;
	}
	const char *path = in_scratch("many.safetensors");
	assert_ok(vita_safetensors_write(path, arrays, (uint64_t)n_tensors, NULL, 0, &err), &err);
	double best = INFINITY;
	for (int i = 0; i < 3; i++) {
		double start = seconds();
		vita_model *model = open_model(path, VITA_MODEL_WANT_TENSORS);
		vita_array found;
		for (int k = 0; k < n_tensors; k++)
			assert_ok(vita_model_tensor(model, names[k], 0, NULL, &found, &err), &err);
		vita_model_close(model);
		best = fmin(best, seconds() - start);
	}
	free(names);
	free(arrays);
	return best;
}

/* 16 times the tensors may take no more than 100 times as long: quadratic would be 256. */
static void test_time_grows_with_size(void **state)
{
	(void)state;
	double few = time_to_open(2000), many = time_to_open(32000);
	print_message("opening 2000 tensors: %.2f ms, 32000 tensors: %.1f ms\n", few * 1e3, many * 1e3);
	assert_true(many < 100 * few);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, setup_directory, teardown_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_single_file),
		cmocka_unit_test(test_shards_with_index),
		cmocka_unit_test(test_tied_embeddings),
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_golden_settings),
		IN_DIRECTORY(test_kinds_of_settings),
		IN_DIRECTORY(test_lists_of_settings),
		IN_DIRECTORY(test_bad_settings_files),
		IN_DIRECTORY(test_what_must_be_there),
		IN_DIRECTORY(test_bad_indexes),
		IN_DIRECTORY(test_good_indexes),
		IN_DIRECTORY(test_shards_without_an_index),
		IN_DIRECTORY(test_a_single_file_of_another_name),
		IN_DIRECTORY(test_paths),
		IN_DIRECTORY(test_time_grows_with_size),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
