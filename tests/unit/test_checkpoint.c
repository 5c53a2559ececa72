/* SPDX-License-Identifier: MIT
 *
 * PyTorch checkpoints: what PyTorch itself wrote is read, and files that are damaged or want more than to be read get a
 * sentence. The hostile ones are PyTorch's, changed in the places that matter.
 */
#include <vita/model.h>

#include "files/zip.h"
#include "files_support.h"
#include "unit.h"

#include <stdbool.h>

#define MOST 65536

typedef struct bytes {
	unsigned char data[MOST];
	size_t size;
} bytes;

static void load(bytes *b, const char *name)
{
	char path[1024];
	(void)snprintf(path, sizeof path, "%s/tests/data/%s", unit_srcdir(), name);
	FILE *file = fopen(path, "rb");
	assert_non_null(file);
	b->size = fread(b->data, 1, MOST, file);
	fclose(file);
	assert_in_range(b->size, 1, MOST - 1);
}

/* Where the n-th occurrence (from 0) of these bytes begins. */
static unsigned char *find(bytes *b, const void *what, size_t size, int n)
{
	for (size_t i = 0; i + size <= b->size; i++)
		if (memcmp(b->data + i, what, size) == 0 && n-- == 0) return b->data + i;
	fail_msg("the file does not hold what this test wants to change");
	return NULL;
}

static void put16(unsigned char *at, unsigned value)
{
	at[0] = (unsigned char)value, at[1] = (unsigned char)(value >> 8);
}

static void put32(unsigned char *at, uint32_t value)
{
	put16(at, value & 0xffff), put16(at + 2, value >> 16);
}

/* Refused with this status and a sentence that says this. */
static void assert_refused(const bytes *b, vita_status expected, const char *says)
{
	vita_error err;
	vita_model *model;
	const char *path = in_scratch("changed.pt");
	put_file(path, b->data, b->size);
	vita_status status = vita_model_open(path, VITA_MODEL_WANT_TENSORS, &model, &err);
	assert_null(model);
	if (status != expected || !strstr(err.message, says))
		fail_msg("status %d instead of %d, \"%s\" instead of \"%s\"", (int)status, (int)expected,
		         status ? err.message : "", says);
	assert_non_null(strstr(err.message, path));
	assert_int_equal(unlink(path), 0);
}

/* ---- what PyTorch wrote -------------------------------------------------------------------------- */

static vita_model *open_data(const char *name)
{
	char path[1024];
	vita_error err;
	vita_model *model = NULL;
	(void)snprintf(path, sizeof path, "%s/tests/data/%s", unit_srcdir(), name);
	assert_ok(vita_model_open(path, VITA_MODEL_WANT_TENSORS, &model, &err), &err);
	return model;
}

static void assert_floats(const vita_model *model, const char *name, uint32_t rank, const int64_t *shape, const float *values,
                          size_t n)
{
	vita_error err;
	vita_array found;
	assert_ok(vita_model_tensor(model, name, rank, shape, &found, &err), &err);
	assert_int_equal(found.rank, rank);
	assert_int_equal(found.dtype, VITA_F32);
	assert_int_equal(found.size_bytes, n * sizeof *values);
	if (n > 0) assert_memory_equal(found.data, values, n * sizeof *values);
}

static void assert_halves(const vita_model *model, const char *name, uint32_t dtype, const uint16_t *values, size_t n)
{
	vita_error err;
	vita_array found;
	assert_ok(vita_model_tensor(model, name, 0, NULL, &found, &err), &err);
	assert_int_equal(found.dtype, dtype);
	assert_int_equal(found.size_bytes, n * sizeof *values);
	assert_memory_equal(found.data, values, n * sizeof *values);
}

static void test_read(void **state)
{
	static const float a[] = { 0, 1, 2, 3, 4, 5 }, transposed[] = { 0, 3, 1, 4, 2, 5 }, view[] = { 1, 1.5f, 2 };
	static const float second[] = { 0.5f, 1.5f, 2.5f, 3.5f, 4.5f }, parameter[] = { 4, 5 }, scalar[] = { 2.5f };
	static const uint16_t half[] = { 0x3c00, 0xc000, 0x3800 }, brain[] = { 0x3f80, 0xc040 };
	static const int32_t ints[] = { -7, 7 };
	vita_error err;
	vita_array found;
	(void)state;
	vita_model *model = open_data("small.pt");
	assert_int_equal(vita_model_n_tensors(model), 11);
	assert_floats(model, "a", 2, (const int64_t[]){ 2, 3 }, a, 6);
	assert_floats(model, "transposed", 2, (const int64_t[]){ 3, 2 }, transposed, 6);
	assert_floats(model, "view", 1, (const int64_t[]){ 3 }, view, 3);
	assert_floats(model, "every.second", 1, (const int64_t[]){ 5 }, second, 5);
	assert_floats(model, "parameter", 2, (const int64_t[]){ 1, 2 }, parameter, 2);
	assert_floats(model, "scalar", 0, NULL, scalar, 1);
	assert_floats(model, "empty", 2, (const int64_t[]){ 0, 3 }, NULL, 0);
	assert_halves(model, "half", VITA_F16, half, 3);
	assert_halves(model, "brain", VITA_BF16, brain, 2);
	assert_ok(vita_model_tensor(model, "int", 0, NULL, &found, &err), &err);
	assert_memory_equal(found.data, ints, sizeof ints);
	assert_int_equal(vita_model_tensor(model, "long", 0, NULL, &found, &err), VITA_E_UNSUPPORTED);
	vita_model_close(model);
}

/* A state dict beside a trainer's other things. */
static void test_read_wrapped(void **state)
{
	static const float w[] = { 1, 1 };
	(void)state;
	vita_model *model = open_data("wrapped.pt");
	assert_int_equal(vita_model_n_tensors(model), 1);
	assert_floats(model, "w", 1, (const int64_t[]){ 2 }, w, 2);
	vita_model_close(model);
}

/* ---- archives ------------------------------------------------------------------------------------ */

/* Fields of an entry of the central directory. */
enum { FLAGS = 8, METHOD = 10, PACKED_SIZE = 20, SIZE = 24, LOCAL = 42, NAME = 46 };

/* An entry's field is given this value. */
static void change_entry(int entry, size_t field, uint32_t value, bool wide, vita_status status, const char *says)
{
	bytes b;
	load(&b, "small.pt");
	unsigned char *at = find(&b, "PK\1\2", 4, entry) + field;
	if (wide) put32(at, value);
	else put16(at, value);
	assert_refused(&b, status, says);
}

static void test_archives(void **state)
{
	bytes b;
	(void)state;
	change_entry(1, METHOD, 8, false, VITA_E_UNSUPPORTED, "compressed");
	change_entry(1, FLAGS, 1, false, VITA_E_UNSUPPORTED, "encrypted");
	change_entry(1, SIZE, 25, true, VITA_E_FORMAT, "two sizes");
	change_entry(1, LOCAL, 0x7fffffff, true, VITA_E_FORMAT, "is not where the directory says");
	change_entry(1, LOCAL, 0xffffffff, true, VITA_E_FORMAT, "zip64");
	change_entry(1, NAME + 1, '.' | '.' << 8, false, VITA_E_FORMAT, "\"..\"");
	change_entry(1, NAME + 1, '\n', false, VITA_E_FORMAT, "control character");
	change_entry(1, NAME, 'S' | 'm' << 8, false, VITA_E_FORMAT, "another name");

	load(&b, "small.pt"); /* size and packed size agree, but leave the file */
	unsigned char *entry = find(&b, "PK\1\2", 4, 1);
	put32(entry + SIZE, 0x10000000);
	put32(entry + PACKED_SIZE, 0x10000000);
	assert_refused(&b, VITA_E_FORMAT, "reaches outside the file");

	load(&b, "small.pt"); /* data/1 becomes a second data/0 */
	find(&b, "small/data/1", 12, 0)[11] = '0';
	find(&b, "small/data/1PK", 14, 0)[11] = '0';
	assert_refused(&b, VITA_E_FORMAT, "two members");
}

static void test_ends(void **state)
{
	bytes b;
	(void)state;
	load(&b, "small.pt");
	put32(find(&b, "PK\6\6", 4, 0) + 32, 100001);
	put32(find(&b, "PK\6\6", 4, 0) + 24, 100001);
	assert_refused(&b, VITA_E_FORMAT, "claims 100001 members");
	load(&b, "small.pt");
	put32(find(&b, "PK\6\6", 4, 0) + 48 + 4, 1);
	assert_refused(&b, VITA_E_FORMAT, "does not lie within the file");
	load(&b, "small.pt");
	put32(find(&b, "PK\6\7", 4, 0) + 8, 1);
	assert_refused(&b, VITA_E_FORMAT, "zip64 end record");
	for (size_t cut = 1; cut < 200; cut += 7) {
		load(&b, "small.pt");
		b.size -= cut;
		assert_refused(&b, VITA_E_FORMAT, "truncated");
	}
	load(&b, "small.pt");
	b.size = 4;
	assert_refused(&b, VITA_E_FORMAT, "truncated");
}

static void test_other_files(void **state)
{
	static const unsigned char legacy[] = "\x80\2\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\2";
	bytes b = { .size = sizeof legacy };
	(void)state;
	memcpy(b.data, legacy, sizeof legacy);
	assert_refused(&b, VITA_E_UNSUPPORTED, "legacy");
	memset(b.data, 'x', b.size);
	assert_refused(&b, VITA_E_FORMAT, "no PyTorch checkpoint");
	load(&b, "small.pt");
	find(&b, "small/data.pkl", 14, 0)[6] = 'D';
	find(&b, "small/data.pkl", 14, 0)[6] = 'D';
	assert_refused(&b, VITA_E_FORMAT, "without a data.pkl");
}

/* ---- pickles ------------------------------------------------------------------------------------- */

/* The n-th occurrence of `what` in the file becomes `with`, of the same length. */
static void change(const char *what, const char *with, size_t size, int n, vita_status status, const char *says)
{
	bytes b;
	load(&b, "small.pt");
	memcpy(find(&b, what, size, n), with, size);
	assert_refused(&b, status, says);
}

static void test_pickles(void **state)
{
	(void)state;
	change("ctorch._utils\n_rebuild_tensor_v2\n", "cposix..utils\n_rebuild_tensor_v2\n", 33, 0, VITA_E_UNSUPPORTED,
	       "asks for \"posix..utils");
	change("ctorch\nFloatStorage\n", "ctorch\nfloatstorage\n", 20, 0, VITA_E_UNSUPPORTED, "asks for");
	change("\x80\2ccollections", "\x80\4ccollections", 13, 0, VITA_E_UNSUPPORTED, "protocol 4");
	change(")R", ")\x81", 2, 0, VITA_E_UNSUPPORTED, "opcode 0x81"); /* NEWOBJ */
	change(")R", ")i", 2, 0, VITA_E_UNSUPPORTED, "opcode 0x69");    /* INST */
	change(")R", "))", 2, 0, VITA_E_FORMAT, "data.pkl");
	change("\x80\2ccollections", "\x80\2.collections", 13, 0, VITA_E_FORMAT, "other than one value");
	change("X\6\0\0\0scala", "X\377\377\377\377scala", 10, 0, VITA_E_FORMAT, "middle of a text");
	change("X\7\0\0\0storage", "X\7\0\0\0storagf", 12, 0, VITA_E_FORMAT, "not described");
	change("X\1\0\0\0a", "X\1\0\0\0\xff", 6, 0, VITA_E_FORMAT, "UTF-8");
	change("X\4\0\0\0view", "X\4\0\0\0half", 9, 0, VITA_E_FORMAT, "two tensors \"half\"");
}

/* Tensor "a" is its storage of 6 floats from 0 on: ("storage", FloatStorage, "0", "cpu", 6), 0, (2, 3), (3, 1). */
static void test_views(void **state)
{
	static const char sizes[] = "K\0K\2K\3\x86q";
	bytes b;
	(void)state;
	load(&b, "small.pt");
	unsigned char *at = find(&b, sizes, 8, 0);
	size_t i = (size_t)(at - b.data);
	static const struct {
		size_t at;
		unsigned char value;
		const char *says;
	} cases[] = {
		{ 1, 1, "reaches outside its storage" },  /* offset */
		{ 3, 3, "reaches outside its storage" },  /* rows */
		{ 5, 255, "reaches outside its storage" },
	};
	for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
		load(&b, "small.pt");
		b.data[i + cases[c].at] = cases[c].value;
		assert_refused(&b, VITA_E_FORMAT, cases[c].says);
	}
	load(&b, "small.pt"); /* strides (0, 1): rows that repeat, more elements than there are */
	b.data[i + 3] = 255;
	unsigned char *strides = find(&b, "K\3K\1\x86", 5, 0);
	strides[1] = 0;
	assert_refused(&b, VITA_E_FORMAT, "more elements than its storage");
	/* One size and one stride, as numbers of four bytes: products near 2^64, and what lies before the beginning. */
	static const struct {
		const char *size, *stride, *says;
	} numbers[] = {
		{ "(J\xff\xff\xff\x7ft", "(J\xff\xff\xff\x7ft", "outside its storage" },
		{ "(J\xff\xff\xff\x7ft", "(J\0\0\0\0t", "elements" },
		{ "(J\2\0\0\0t", "(J\xff\xff\xff\xfft", "stride" },
		{ "(J\xff\xff\xff\xfft", "(J\1\0\0\0t", "0 or more" },
		{ "(J\2\0\0\0t", "(J\xff\xff\xff\x7ft", "outside its storage" },
	};
	for (size_t c = 0; c < sizeof numbers / sizeof numbers[0]; c++) {
		load(&b, "small.pt");
		memcpy(b.data + i + 2, numbers[c].size, 7);
		memcpy(b.data + i + 9, numbers[c].stride, 7);
		assert_refused(&b, VITA_E_FORMAT, numbers[c].says);
	}
	load(&b, "small.pt"); /* the storage claims more */
	unsigned char *cpu = find(&b, "X\3\0\0\0cpu", 8, 0);
	while (*cpu != 'K') cpu++;
	cpu[1] = 200;
	assert_refused(&b, VITA_E_FORMAT, "more elements than the archive holds");
}

/* The stride of a dimension of 1 is never taken: however large it is, nothing is added up with it. */
static void test_stride_never_taken(void **state)
{
	static const char pickle[] =
		"\x80\2}X\1\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\7\0\0\0storagectorch\nFloatStorage\n"
		"X\1\0\0\0" "0X\3\0\0\0cpuK\6tQK\1K\2K\1K\2\x87K\1\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fK\2\x87\x89"
		"ccollections\nOrderedDict\n)RtRs.";
	static const float wanted[] = { 1, 3, 2, 4 };
	const char *path = in_scratch("changed.pt");
	vita_error err;
	vita_model *model;
	bytes b;
	(void)state;
	load(&b, "small.pt");
	memcpy(find(&b, "\x80\2ccollections", 14, 0), pickle, sizeof pickle - 1);
	put_file(path, b.data, b.size);
	assert_ok(vita_model_open(path, VITA_MODEL_WANT_TENSORS, &model, &err), &err);
	assert_floats(model, "w", 3, (const int64_t[]){ 2, 1, 2 }, wanted, 4);
	vita_model_close(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_read_wrapped),
		cmocka_unit_test_setup_teardown(test_archives, setup_directory, teardown_directory),
		cmocka_unit_test_setup_teardown(test_ends, setup_directory, teardown_directory),
		cmocka_unit_test_setup_teardown(test_other_files, setup_directory, teardown_directory),
		cmocka_unit_test_setup_teardown(test_pickles, setup_directory, teardown_directory),
		cmocka_unit_test_setup_teardown(test_views, setup_directory, teardown_directory),
		cmocka_unit_test_setup_teardown(test_stride_never_taken, setup_directory, teardown_directory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
