/* SPDX-License-Identifier: MIT
 *
 * safetensors files: what is written is read back, and damaged or hostile files get a sentence.
 */
#include <vita/model.h>

#include "files_support.h"

#include <stdbool.h>

static vita_model *open_file(const char *path)
{
	vita_error err;
	vita_model *model = NULL;
	assert_ok(vita_model_open(path, 0, &model, &err), &err);
	return model;
}

/* ---- round trips --------------------------------------------------------------------------------- */

static vita_array array_of(const char *name, uint32_t dtype, uint32_t rank, int64_t a, int64_t b,
                           const void *data)
{
	vita_array array;
	VITA_INIT(&array);
	array.name = name;
	array.dtype = dtype;
	array.rank = rank;
	array.shape[0] = a;
	array.shape[1] = b;
	array.data = data;
	array.size_bytes = vita_dtype_bytes(dtype);
	for (uint32_t i = 0; i < rank; i++) array.size_bytes *= (uint64_t)array.shape[i];
	return array;
}

static void assert_same(const vita_model *model, const vita_array *array)
{
	vita_error err;
	vita_array found;
	assert_ok(vita_model_tensor(model, array->name, array->rank, array->shape, &found, &err), &err);
	assert_int_equal(found.dtype, array->dtype);
	assert_int_equal(found.rank, array->rank);
	assert_int_equal(found.size_bytes, array->size_bytes);
	assert_string_equal(found.name, array->name);
	if (array->size_bytes > 0) assert_memory_equal(found.data, array->data, array->size_bytes);
	/* The writer's promise: aligned to the element when mapped. */
	assert_int_equal((uintptr_t)found.data % vita_dtype_bytes(found.dtype), 0);
}

static void test_round_trip(void **state)
{
	static const float floats[6] = { 1, -2, 3.5f, 4, 5, 6 };
	static const uint16_t halves[3] = { 0x3c00, 0x7e00, 0x0001 };
	static const int32_t ints[4] = { INT32_MIN, -1, 0, INT32_MAX };
	static const uint8_t bytes[5] = { 0, 1, 2, 254, 255 };
	const vita_array arrays[] = {
		array_of("u8", VITA_U8, 1, 5, 0, bytes),
		array_of("weird \"name\"\n\xc3\xa4 \xf0\x9f\x8e\xa4", VITA_F32, 2, 2, 3, floats),
		array_of("f16", VITA_F16, 1, 3, 0, halves),
		array_of("scalar", VITA_F32, 0, 0, 0, floats),
		array_of("empty", VITA_BF16, 2, 0, 7, NULL),
		array_of("i32", VITA_I32, 2, 4, 1, ints),
		array_of("bf16", VITA_BF16, 1, 3, 0, halves),
	};
	const size_t n = sizeof arrays / sizeof arrays[0];
	const char *const metadata[] = { "format", "vita", "note", "two\nlines", "count", "42" };
	const char *path = in_scratch("all.safetensors"), *text;
	vita_error err;
	vita_array first;
	int64_t number = 0;
	(void)state;

	assert_ok(vita_safetensors_write(path, arrays, n, metadata, 3, &err), &err);
	assert_int_equal(count_entries(), 1);
	vita_model *model = open_file(path);
	assert_int_equal(vita_model_n_tensors(model), n);
	for (size_t i = 0; i < n; i++) assert_same(model, &arrays[i]);
	assert_ok(vita_model_tensor_at(model, 0, &first), &err);
	assert_string_equal(first.name, "bf16");
	assert_int_equal(vita_model_tensor_at(model, n, &first), VITA_E_INVALID);
	assert_ok(vita_model_get_string(model, VITA_CONFIG_MODEL, "note", &text, &err), &err);
	assert_string_equal(text, "two\nlines");
	assert_ok(vita_model_get_int(model, VITA_CONFIG_MODEL, "count", 0, 100, &number, &err), &err);
	assert_int_equal(number, 42);
	assert_failure(vita_model_get_int(model, VITA_CONFIG_MODEL, "format", 0, 9, &number, &err),
	               VITA_E_FORMAT, &err, "\"format\" must be an integer from 0 to 9, but is vita");
	vita_model_close(model);
}

static void test_no_tensors_and_no_metadata(void **state)
{
	const char *path = in_scratch("none.safetensors");
	vita_error err;
	vita_model *model = NULL;
	(void)state;
	assert_ok(vita_safetensors_write(path, NULL, 0, NULL, 0, &err), &err);
	model = open_file(path);
	assert_int_equal(vita_model_n_tensors(model), 0);
	vita_model_close(model);
	assert_failure(vita_model_open(path, VITA_MODEL_WANT_TENSORS, &model, &err), VITA_E_FORMAT, &err,
	               "holds no tensors");
	assert_null(model);
	assert_failure(vita_model_open(path, VITA_MODEL_WANT_CONFIG, &model, &err), VITA_E_NOTFOUND, &err,
	               "config.json is needed");
}

static void expect_refusal(const vita_array *arrays, uint64_t n, vita_status status, const char *text)
{
	vita_error err;
	assert_failure(vita_safetensors_write(in_scratch("x.safetensors"), arrays, n, NULL, 0, &err), status,
	               &err, text);
	assert_int_equal(count_entries(), 0);
}

static void test_what_cannot_be_written(void **state)
{
	static const float floats[256];
	const char *const bad_metadata[] = { "key", "\xff" };
	vita_error err;
	vita_array good = array_of("a", VITA_F32, 1, 4, 0, floats), bad = good, two[2] = { good, good };
	(void)state;

	bad.name = NULL;
	expect_refusal(&bad, 1, VITA_E_INVALID, "name");
	bad.name = "__metadata__";
	expect_refusal(&bad, 1, VITA_E_INVALID, "name");
	bad.name = "\xff\xfe";
	expect_refusal(&bad, 1, VITA_E_INVALID, "UTF-8");
	bad = good;
	bad.size_bytes = 15;
	expect_refusal(&bad, 1, VITA_E_SHAPE, "\"a\" has 15 bytes, but its shape and type make 16");
	bad = good;
	bad.shape[0] = -4;
	expect_refusal(&bad, 1, VITA_E_SHAPE, "impossible shape");
	bad = good;
	bad.rank = 2;
	bad.shape[0] = bad.shape[1] = INT64_C(1) << 32;
	expect_refusal(&bad, 1, VITA_E_SHAPE, "impossible shape");
	bad.rank = 5;
	expect_refusal(&bad, 1, VITA_E_SHAPE, "5 dimensions");
	bad = good;
	bad.data = NULL;
	expect_refusal(&bad, 1, VITA_E_SHAPE, "\"a\"");
	bad = array_of("q", VITA_Q8_0, 1, 32, 0, floats);
	expect_refusal(&bad, 1, VITA_E_UNSUPPORTED, "is of type q8_0");
	expect_refusal(two, 2, VITA_E_INVALID, "two tensors are named \"a\"");
	assert_failure(vita_safetensors_write(in_scratch("x"), &good, 1, bad_metadata, 1, &err),
	               VITA_E_INVALID, &err, "metadata entry 0 is not UTF-8");
	assert_failure(vita_safetensors_write(in_scratch("no/x"), &good, 1, NULL, 0, &err), VITA_E_NOTFOUND,
	               &err, "no/x");
	assert_int_equal(count_entries(), 0);
}

/* ---- hostile files ------------------------------------------------------------------------------- */

static void expect_damage(const char *what, vita_status status, const vita_error *err, const char *text)
{
	if (status != VITA_E_FORMAT || !strstr(err->message, text) || !strstr(err->message, "x.safetensors"))
		fail_msg("%s: expected \"%s\", got %d \"%s\"", what, text, (int)status,
		         status < 0 ? err->message : "");
	for (const char *c = err->message; *c; c++) assert_true((unsigned char)*c >= 0x20);
}

static void test_hostile_headers(void **state)
{
	static const struct {
		const char *header;
		size_t n_data;
		const char *text;
	} cases[] = {
		{ "", 0, "does not begin with '{'" },
		{ "[]", 0, "does not begin with '{'" },
		{ " {}", 0, "does not begin with '{'" },
		{ "{", 0, "does not begin with '{'" },
		{ "{]", 0, "header:1:2: is not valid JSON" },
		{ "{\"a\":", 0, "ends too early" },
		{ "{}x", 0, "is not valid JSON" },
		{ "{\"\xff\":1}", 0, "is not valid JSON" },
		{ "{\"\x1b[2J\":1}", 0, "is not valid JSON" },
		{ "{}", 1, "cover 0 of 1 bytes" },
		{ "{\"a\":1}", 0, "\"a\": its description must be an object" },
		{ "{\"a\":{}}", 0, "\"a\": its dtype must be a text" },
		{ "{\"a\":{\"dtype\":5}}", 0, "its dtype must be a text" },
		{ "{\"a\":{\"dtype\":\"F32\"}}", 0, "its shape must be a list" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":{}}}", 0, "its shape must be a list" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4,
		  "integers of 0 or more" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}", 4,
		  "integers of 0 or more" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[\"1\"],\"data_offsets\":[0,4]}}", 4,
		  "integers of 0 or more" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[[1]],\"data_offsets\":[0,4]}}", 4,
		  "integers of 0 or more" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,4]}}", 4,
		  "is not valid JSON" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,4]}}", 4,
		  "too large" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[9223372036854775807,3],\"data_offsets\":[0,4]}}", 4,
		  "too large" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387905],\"data_offsets\":[0,4]}}", 4,
		  "no possible number of bytes" },
		{ "{\"a\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,2]}}", 2,
		  "no possible number of bytes" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 0, "list of two integers" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4,
		  "list of two integers" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", 8,
		  "list of two integers" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4.0]}}", 4,
		  "list of two integers" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4,
		  "must be 0 or more and rise" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 4,
		  "must be 0 or more and rise" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 3,
		  "ends at byte 4, but the file has only 3" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,9223372036854775807]}}", 4,
		  "ends at byte 9223372036854775807" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[9223372036854775803,"
		  "9223372036854775807]}}",
		  4, "ends at byte 9223372036854775807" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4,
		  "make 8 bytes, but its data_offsets span 4" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8,
		  "make 4 bytes, but its data_offsets span 8" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,4]}}", 4, "make 0 bytes" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
		  "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[2,6]}}",
		  6, "\"b\" begins at byte 2 of the data, but the tensors before it end at byte 4" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
		  "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
		  4, "overlaps and gaps" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]},"
		  "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
		  12, "\"a\" begins at byte 8 of the data, but the tensors before it end at byte 4" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 5,
		  "cover 4 of 5 bytes" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
		  "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
		  4, "duplicate" },
		{ "{\"a\\u0000b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "NUL" },
		{ "{\"a\":{\"dtype\":\"F\\u0000\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "NUL" },
		{ "{\"__metadata__\":[]}", 0, "__metadata__ must be an object, but is a list" },
		{ "{\"__metadata__\":{\"a\":1}}", 0,
		  "__metadata__ entry \"a\" must be a text, but is an integer" },
		{ "{\"a\\u001b[2J\\n\":1}", 0, "\"a?[2J?\"" },
	};
	const char *path = in_scratch("x.safetensors");
	vita_model *model = NULL;
	vita_error err;
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		put_safetensors(path, cases[i].header, cases[i].n_data);
		vita_status status = vita_model_open(path, 0, &model, &err);
		expect_damage(cases[i].header, status, &err, cases[i].text);
		assert_null(model);
		assert_int_equal(vita_model_open(path, 0, &model, NULL), VITA_E_FORMAT);
	}
}

static void test_hostile_lengths(void **state)
{
	static const struct {
		uint64_t length;
		const char *text;
	} cases[] = {
		{ UINT64_MAX, "claims a header of 18446744073709551615 bytes, but only 2 follow" },
		{ UINT64_MAX - 7, "claims a header of 18446744073709551608 bytes" },
		{ UINT64_MAX - 8, "claims a header of" },
		{ (uint64_t)1 << 63, "claims a header of" },
		{ 3, "claims a header of 3 bytes, but only 2 follow" },
		{ 1, "does not begin with '{'" },
	};
	unsigned char bytes[10] = { 0, 0, 0, 0, 0, 0, 0, 0, '{', '}' };
	const char *path = in_scratch("x.safetensors");
	vita_model *model;
	vita_error err;
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		for (int k = 0; k < 8; k++) bytes[k] = (unsigned char)(cases[i].length >> 8 * k);
		put_file(path, bytes, sizeof bytes);
		expect_damage("length", vita_model_open(path, 0, &model, &err), &err, cases[i].text);
	}
	for (size_t size = 0; size < 8; size++) {
		put_file(path, bytes, size);
		expect_damage("short", vita_model_open(path, 0, &model, &err), &err,
		              "8 bytes of header length");
	}
}

/* The header of a file that is larger than any header may be: sparse, so that it costs nothing. */
static void test_header_over_the_limit(void **state)
{
	static const unsigned char bytes[9] = { 0x01, 0xe1, 0xf5, 0x05, 0, 0, 0, 0, '{' }; /* 100 000 001 */
	const char *path = in_scratch("x.safetensors");
	vita_model *model;
	vita_error err;
	(void)state;
	put_file(path, bytes, sizeof bytes);
	assert_int_equal(truncate(path, 100000100), 0);
	expect_damage("limit", vita_model_open(path, 0, &model, &err), &err, "at most 100000000");
}

static char *repeated(const char *lead, const char *part, size_t n, const char *tail)
{
	size_t m = strlen(part), k = strlen(lead);
	char *text = malloc(k + n * m + strlen(tail) + 1);
	assert_non_null(text);
	memcpy(text, lead, k);
	for (size_t i = 0; i < n; i++) memcpy(text + k + i * m, part, m);
	strcpy(text + k + n * m, tail);
	return text;
}

static void test_deep_and_wide_headers(void **state)
{
	static const struct {
		const char *lead, *part;
		size_t n;
		const char *tail, *text;
	} cases[] = {
		{ "{\"a\":", "[", 10000, "", "nested more than 64 deep" },
		{ "{\"a\":", "{\"a\":", 10000, "", "nested more than 64 deep" },
		{ "{\"a\":", "[", 63, "1", "ends too early" },
		{ "{\"a\":[0", ",{}", 2000000, "]}", "too many values" },
		{ "{\"a\":[0", ",0", 4000000, "]}", "too many values" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[1", ",1", 100000, "],\"data_offsets\":[0,8]}}",
		  "span 8" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[1", ",2", 100000, "],\"data_offsets\":[0,8]}}",
		  "too large" },
	};
	const char *path = in_scratch("x.safetensors");
	vita_model *model;
	vita_error err;
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char *header = repeated(cases[i].lead, cases[i].part, cases[i].n, cases[i].tail);
		put_safetensors(path, header, 8);
		expect_damage(cases[i].part, vita_model_open(path, 0, &model, &err), &err, cases[i].text);
		free(header);
	}
}

static void test_a_name_of_a_megabyte(void **state)
{
	const char *path = in_scratch("x.safetensors");
	char *name = repeated("", "\xc3\xa4", 500000, "");
	char *header =
		repeated("{\"", name, 1, "\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,8]}}");
	vita_model *model;
	vita_error err;
	(void)state;
	put_safetensors(path, header, 8);
	expect_damage("name", vita_model_open(path, 0, &model, &err), &err,
	              "...\": its shape and type F32 make 4 bytes");
	/* Cut between characters. */
	assert_non_null(strstr(err.message, "\xc3\xa4..."));
	free(header);
	free(name);
}

/* ---- what is listed but not used ----------------------------------------------------------------- */

static void test_types_and_ranks_without_use(void **state)
{
	static const char header[] =
		"{\"f64\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]},"
		"\"i64\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[8,16]},"
		"\"bool\":{\"dtype\":\"BOOL\",\"shape\":[2],\"data_offsets\":[16,18]},"
		"\"f8\":{\"dtype\":\"F8_E4M3\",\"shape\":[2],\"data_offsets\":[18,20]},"
		"\"f4\":{\"dtype\":\"F4\",\"shape\":[4],\"data_offsets\":[20,22]},"
		"\"new\":{\"dtype\":\"X\\u001b9\",\"shape\":[77],\"data_offsets\":[22,24]},"
		"\"rank5\":{\"dtype\":\"F32\",\"shape\":[1,2,1,1,2],\"data_offsets\":[24,40]},"
		"\"zero\":{\"dtype\":\"F32\",\"shape\":[0,5],\"data_offsets\":[24,24]},"
		"\"extra\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[40,41],\"note\":\"ignored\"}}";
	static const int64_t five[5] = { 1, 2, 1, 1, 2 };
	const char *path = in_scratch("x.safetensors");
	vita_tensor_info info;
	vita_array array;
	vita_error err;
	(void)state;

	put_safetensors(path, header, 41);
	vita_model *model = open_file(path);
	assert_int_equal(vita_model_n_tensors(model), 9);
	assert_failure(vita_model_tensor(model, "f64", 0, NULL, &array, &err), VITA_E_UNSUPPORTED, &err,
	               "is of type F64");
	assert_failure(vita_model_tensor(model, "f4", 0, NULL, &array, &err), VITA_E_UNSUPPORTED, &err,
	               "is of type F4");
	assert_failure(vita_model_tensor(model, "new", 0, NULL, &array, &err), VITA_E_UNSUPPORTED, &err,
	               "is of type X?9");
	assert_failure(vita_model_tensor(model, "rank5", 0, NULL, &array, &err), VITA_E_UNSUPPORTED, &err,
	               "5 dimensions");
	assert_null(array.data);
	assert_ok(vita_model_tensor(model, "zero", 0, NULL, &array, &err), &err);
	assert_ok(vita_model_tensor(model, "extra", 0, NULL, &array, &err), &err);
	assert_int_equal(*(const unsigned char *)array.data, 40);

	for (uint64_t i = 0; i < 9; i++) {
		assert_int_equal(vita_model_tensor_describe(model, i, &info), VITA_OK);
		assert_int_equal(vita_model_tensor_at(model, i, &array), VITA_OK);
		assert_string_equal(info.path, path);
		assert_string_equal(info.name, array.name);
		assert_int_equal(info.size_bytes, array.size_bytes);
		bool usable = strcmp(info.name, "zero") == 0 || strcmp(info.name, "extra") == 0;
		assert_int_equal(array.dtype != VITA_DTYPE_NONE, usable);
		assert_int_equal(array.data != NULL, usable);
		if (strcmp(info.name, "rank5") != 0) continue;
		assert_int_equal(info.rank, 5);
		assert_memory_equal(info.shape, five, sizeof five);
		assert_int_equal(info.n_values, 4);
		assert_string_equal(info.type, "F32");
		assert_int_equal(array.rank, 0);
	}
	assert_int_equal(vita_model_tensor_describe(model, 9, &info), VITA_E_INVALID);
	vita_model_close(model);
}

/* ---- other files --------------------------------------------------------------------------------- */

static void test_other_files(void **state)
{
	vita_model *model = NULL;
	vita_error err;
	(void)state;
	put_text(in_scratch("text"), "This is no model at all.");
	assert_failure(vita_model_open(in_scratch("text"), 0, &model, &err), VITA_E_FORMAT, &err,
	               "not a model file");
	put_text(in_scratch("x.gguf"), "GGUF\3\0\0\0");
	assert_failure(vita_model_open(in_scratch("x.gguf"), 0, &model, &err), VITA_E_FORMAT, &err,
	               "ends within its first 8 bytes");
	put_text(in_scratch("x.pt"), "PK\3\4....");
	assert_failure(vita_model_open(in_scratch("x.pt"), 0, &model, &err), VITA_E_FORMAT, &err,
	               "no PyTorch checkpoint");
	put_text(in_scratch("empty"), "");
	assert_failure(vita_model_open(in_scratch("empty"), 0, &model, &err), VITA_E_FORMAT, &err,
	               "not a model file");
	assert_failure(vita_model_open(in_scratch("none"), 0, &model, &err), VITA_E_NOTFOUND, &err,
	               "there is no such");
	assert_failure(vita_model_open("/dev/null", 0, &model, &err), VITA_E_FORMAT, &err,
	               "not a regular file");
	assert_int_equal(mkfifo(in_scratch("pipe"), 0600), 0);
	assert_failure(vita_model_open(in_scratch("pipe"), 0, &model, &err), VITA_E_FORMAT, &err,
	               "not a regular file");
	assert_null(model);
	/* By content, whatever its name. */
	put_safetensors(in_scratch("noname"),
	                "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", 2);
	model = open_file(in_scratch("noname"));
	assert_int_equal(vita_model_n_tensors(model), 1);
	vita_model_close(model);
}

/* Every prefix of a good file is refused, and no byte of its header, changed, brings anything down. */
static void test_truncation_and_noise(void **state)
{
	static const float floats[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	const vita_array arrays[] = { array_of("first", VITA_F32, 2, 2, 2, floats),
		                      array_of("second", VITA_F16, 1, 4, 0, floats) };
	const char *path = in_scratch("x.safetensors");
	size_t size;
	vita_error err;
	vita_model *model;
	(void)state;
	assert_ok(vita_safetensors_write(path, arrays, 2, NULL, 0, &err), &err);
	char *good = get_file(path, &size);
	for (size_t n = 0; n < size; n++) {
		put_file(path, good, n);
		assert_int_equal(vita_model_open(path, 0, &model, &err), VITA_E_FORMAT);
	}
	for (size_t i = 0; i < size; i++) {
		char kept = good[i];
		good[i] = (char)(kept ^ (1 << i % 8));
		put_file(path, good, size);
		vita_status status = vita_model_open(path, 0, &model, &err);
		assert_true(status == VITA_OK || status == VITA_E_FORMAT);
		for (uint64_t k = 0; status == VITA_OK && k < vita_model_n_tensors(model); k++) {
			vita_array array;
			unsigned char sum = 0;
			assert_int_equal(vita_model_tensor_at(model, k, &array), VITA_OK);
			for (uint64_t b = 0; array.data && b < array.size_bytes; b++)
				sum = (unsigned char)(sum + ((const unsigned char *)array.data)[b]);
			(void)sum;
		}
		vita_model_close(model);
		good[i] = kept;
	}
	free(good);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, setup_directory, teardown_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIRECTORY(test_round_trip),
		IN_DIRECTORY(test_no_tensors_and_no_metadata),
		IN_DIRECTORY(test_what_cannot_be_written),
		IN_DIRECTORY(test_hostile_headers),
		IN_DIRECTORY(test_hostile_lengths),
		IN_DIRECTORY(test_header_over_the_limit),
		IN_DIRECTORY(test_deep_and_wide_headers),
		IN_DIRECTORY(test_a_name_of_a_megabyte),
		IN_DIRECTORY(test_types_and_ranks_without_use),
		IN_DIRECTORY(test_other_files),
		IN_DIRECTORY(test_truncation_and_noise),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
