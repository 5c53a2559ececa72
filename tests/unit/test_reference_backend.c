/* SPDX-License-Identifier: MIT
 *
 * Reference backend: opening, memory, and what hostile callers of submit get.
 */
#include "fixture.h"

static vita_error err;

static void probes_one_device(void **state)
{
	vita_backend_device found;
	(void)state;
	assert_int_equal(device.api->flags, VITA_BACKEND_F_REFERENCE);
	assert_int_equal(device.api->probe(&device.host, 0, &found, &err), VITA_OK);
	assert_int_equal(found.available, 1);
	assert_int_equal(found.score, 1);
	assert_string_equal(found.name, "plain C, one thread");
	assert_int_equal(device.api->probe(&device.host, 1, &found, &err), VITA_END);
	assert_null(device.api->get_extension(device.self, "vita.nothing/1"));
	device.api->close(NULL);
}

static void opens_by_index_or_part_of_the_name(void **state)
{
	test_device other;
	char why[1024];
	const char *good[] = { "", "0", "plain", "ONE THREAD" };
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		assert_true(test_device_open(&other, "reference", good[i], 0, why));
		assert_string_equal(other.last_log, "");
		test_device_close(&other);
	}
	assert_false(test_device_open(&other, "reference", "H200", 0, why));
	assert_string_equal(why, "reference: there is no device \"H200\", only 0: plain C, one thread");
	test_device_close(&other);
	assert_true(test_device_open(&other, "reference", "", 8, why));
	assert_string_equal(other.last_log,
	                    "3 reference: threads = 8 is ignored: this backend has one thread");
	test_device_close(&other);
}

static void buffers(void **state)
{
	vita_buffer *buffer = NULL;
	float memory[4] = { 1, 2, 3, 4 };
	(void)state;
	assert_int_equal(device.api->alloc(device.self, 100, &buffer, &err), VITA_OK);
	assert_int_equal((uintptr_t)device.api->address(device.self, buffer) % 64, 0);
	device.api->free(device.self, buffer);
	assert_int_equal(device.api->alloc(device.self, 0, &buffer, &err), VITA_OK);
	assert_non_null(buffer);
	device.api->free(device.self, buffer);
	device.api->free(device.self, NULL);
	assert_int_equal(device.api->alloc(device.self, UINT64_MAX, &buffer, &err), VITA_E_NOMEM);
	assert_null(buffer);
	assert_non_null(strstr(err.message,
	                       "reference: no memory for a buffer of 18446744073709551615 bytes; about "));
	assert_int_equal(device.api->wrap(device.self, memory, sizeof memory, 0, &buffer, &err), VITA_OK);
	assert_ptr_equal(device.api->address(device.self, buffer), memory);
	vita_tensor t = vita_view(buffer, 4, VITA_F32, 1, 2, 1, 1, 1);
	vita_affine(r, &t, 10, 0, &t);
	expect_f32(&t, F(20, 30), 0);
	assert_memory_equal(memory, F(1, 20, 30, 4), sizeof memory);
	device.api->free(device.self, buffer);
	assert_int_equal(device.api->wrap(device.self, NULL, 1, 0, &buffer, &err), VITA_E_INVALID);
	assert_int_equal(device.api->wrap(device.self, NULL, 0, 0, &buffer, &err), VITA_OK);
	device.api->free(device.self, buffer);
	assert_null(device.api->address(device.self, NULL));
}

static void read_only_memory(void **state)
{
	static const float memory[2] = { 1, 2 };
	vita_buffer *buffer;
	float values[2];
	(void)state;
	assert_int_equal(device.api->wrap(device.self, (void *)(uintptr_t)memory, 8, 1, &buffer, &err),
	                 VITA_OK);
	vita_tensor t = vita_view(buffer, 0, VITA_F32, 1, 2, 1, 1, 1);
	vita_affine(r, &t, 10, 0, &t);
	fail_with(VITA_E_INVALID, "AFFINE: output 0 is a read-only buffer");
	assert_int_equal(device.api->write(device.self, &t, values, 8, &err), VITA_E_INVALID);
	assert_int_equal(device.api->read(device.self, &t, values, 8, &err), VITA_OK);
	assert_memory_equal(values, memory, 8);
	device.api->free(device.self, buffer);
}

/* Dense host memory to and from views with gaps, turned, and of blocks. */
static void transfers(void **state)
{
	float host[6];
	char blocks[68], back[68];
	(void)state;
	vita_tensor whole = f32(SHAPE(2, 4), F(0, 0, 0, 0, 0, 0, 0, 0)), part = vita_slice(&whole, 1, 1, 3);
	assert_int_equal(device.api->write(device.self, &part, F(1, 2, 3, 4, 5, 6), 24, &err), VITA_OK);
	expect_f32(&whole, F(0, 1, 2, 3, 0, 4, 5, 6), 0);
	vita_tensor turned = vita_transpose(&part, 0, 1);
	assert_int_equal(device.api->read(device.self, &turned, host, 24, &err), VITA_OK);
	assert_memory_equal(host, F(1, 4, 2, 5, 3, 6), 24);
	vita_tensor q = empty(VITA_Q8_0, SHAPE(4, 64)), second;
	for (int i = 0; i < 68; i++) blocks[i] = (char)i;
	second = vita_slice(&q, 1, 32, 32);
	second.shape[0] = 2, second.stride[0] *= 2; /* second block of rows 0 and 2 */
	assert_int_equal(device.api->write(device.self, &second, blocks, 68, &err), VITA_OK);
	assert_int_equal(device.api->read(device.self, &second, back, 68, &err), VITA_OK);
	assert_memory_equal(blocks, back, 68);
	assert_memory_equal((char *)device.api->address(device.self, q.buffer) + 34, blocks, 34);
	assert_memory_equal((char *)device.api->address(device.self, q.buffer) + 170, blocks + 34, 34);
	vita_tensor none = empty(VITA_F32, SHAPE(3, 0));
	assert_int_equal(device.api->write(device.self, &none, NULL, 0, &err), VITA_OK);
	assert_int_equal(device.api->read(device.self, &none, NULL, 0, &err), VITA_OK);
}

static void transfers_that_do_not_fit(void **state)
{
	float host[8] = { 0 };
	(void)state;
	vita_tensor t = empty(VITA_F32, SHAPE(2, 2)), bad;
	assert_int_equal(device.api->write(device.self, &t, host, 12, &err), VITA_E_SHAPE);
	assert_string_equal(
		err.message,
		"reference: write: f32 [2, 2] is 16 bytes when dense, but the host's memory has 12");
	assert_int_equal(device.api->read(device.self, &t, NULL, 16, &err), VITA_E_INVALID);
	assert_int_equal(device.api->read(device.self, NULL, host, 16, &err), VITA_E_INVALID);
	bad = t, bad.offset = 8;
	assert_int_equal(device.api->read(device.self, &bad, host, 16, &err), VITA_E_INVALID);
	assert_non_null(strstr(err.message, "at offset 8, does not lie within its buffer of 16 bytes"));
	bad = t, bad.buffer = NULL;
	assert_int_equal(device.api->write(device.self, &bad, host, 16, &err), VITA_E_INVALID);
	bad = t, bad.rank = 5;
	assert_int_equal(device.api->write(device.self, &bad, host, 16, &err), VITA_E_SHAPE);
	bad = t, bad.shape[0] = INT64_MAX,
	bad.stride[0] = 0; /* repeated rows of more bytes than there are numbers */
	assert_int_equal(device.api->read(device.self, &bad, host, 16, &err), VITA_E_SHAPE);
}

/* ---- views that lie -------------------------------------------------------------------------------- */

static void refuse_view(vita_tensor bad, vita_status status, const char *sentence)
{
	vita_tensor y = empty(VITA_F32, SHAPE(2, 4));
	vita_copy(r, &bad, &y);
	fail_with(status, sentence);
	vita_fill(r, 1, &bad);
	fail_with(status, status == VITA_E_INVALID ? "reference: FILL: output 0" : "reference: FILL: ");
}

static void views_that_lie(void **state)
{
	(void)state;
	vita_tensor t = empty(VITA_F32, SHAPE(2, 4)), bad;
	bad = t, bad.struct_size = 8;
	refuse_view(bad, VITA_E_INVALID, "COPY: input 0 has struct_size 8, expected at least ");
	bad = t, bad.dtype = 7;
	refuse_view(bad, VITA_E_SHAPE, "has the unknown element type 7");
	bad = t, bad.dtype = VITA_DTYPE_NONE;
	refuse_view(bad, VITA_E_SHAPE, "unknown element type 4294967295");
	bad = t, bad.rank = 0;
	refuse_view(bad, VITA_E_SHAPE, "has rank 0, expected 1 to 4");
	bad = t, bad.rank = 0xffffffff;
	refuse_view(bad, VITA_E_SHAPE, "has rank 4294967295");
	bad = t, bad.shape[0] = -1;
	refuse_view(bad, VITA_E_SHAPE, "has the negative size -1 in dimension 0");
	bad = t, bad.shape[0] = bad.shape[1] = INT64_MAX / 2;
	refuse_view(bad, VITA_E_SHAPE, "more elements than can be counted");
	bad = t, bad.buffer = NULL;
	refuse_view(bad, VITA_E_INVALID, "has no buffer");
	bad = t, bad.offset = 4;
	refuse_view(bad, VITA_E_INVALID, "does not lie within its buffer of 32 bytes");
	bad = t, bad.offset = UINT64_MAX - 3;
	refuse_view(bad, VITA_E_INVALID, "does not lie within");
	bad = t, bad.offset = 1, bad.shape[1] = 2;
	refuse_view(bad, VITA_E_INVALID, "starts at an address that is no multiple of 4");
	bad = t, bad.stride[0] = 17, bad.shape[1] = 2;
	refuse_view(bad, VITA_E_INVALID, "has stride 17 in dimension 0, expected a multiple of 4");
	bad = t, bad.stride[0] = 20;
	refuse_view(bad, VITA_E_INVALID, "does not lie within");
	bad = t, bad.stride[0] = INT64_MAX - 3;
	refuse_view(bad, VITA_E_INVALID, "does not lie within");
	bad = t, bad.stride[0] = INT64_MIN;
	refuse_view(bad, VITA_E_INVALID, "does not lie within");
	bad = t, bad.stride[0] = -16;
	refuse_view(bad, VITA_E_INVALID, "does not lie within");
	bad = t, bad.dtype = VITA_Q8_0;
	refuse_view(bad, VITA_E_SHAPE, "has rows of 4 values, expected a multiple of 32 (q8_0)");
	bad = empty(VITA_Q8_0, SHAPE(2, 64)), bad.stride[1] = 35;
	refuse_view(bad, VITA_E_SHAPE, "has stride 35 in its innermost dimension, expected 34");
	bad = empty(VITA_Q8_0, SHAPE(1, 32)), bad.shape[1] = INT64_MAX - 31;
	refuse_view(bad, VITA_E_INVALID, "does not lie within");
}

/* An empty view may say anything about places: none is touched. */
static void empty_views(void **state)
{
	(void)state;
	vita_tensor x = empty(VITA_F32, SHAPE(0, 4)), y = empty(VITA_F32, SHAPE(0, 4)), all, part;
	x.offset = UINT64_MAX, x.stride[0] = INT64_MIN, y.offset = 1;
	vita_copy(r, &x, &y);
	vita_rms_norm(r, &x, NULL, 0, &y);
	succeed();
	all = f32(SHAPE(1, 4), F(1, 2, 3, 4)), part = empty(VITA_F32, SHAPE(1, 4));
	const vita_tensor *parts[] = { &x, &all };
	vita_concat(r, parts, 2, 0, &part);
	expect_f32(&part, F(1, 2, 3, 4), 0);
}

/* ---- ops that lie ---------------------------------------------------------------------------------- */

static vita_status submit(const vita_op *op)
{
	err.message[0] = 0;
	return device.api->submit(device.self, &op, 1, &err);
}

static void ops_that_lie(void **state)
{
	(void)state;
	vita_tensor t = f32(SHAPE(2), F(1, 2));
	vita_affine_params p = { sizeof p, 0, 2, 0 };
	vita_op good = { sizeof good, VITA_OP_AFFINE, 1, 1, { &t }, { &t }, &p }, op;

	assert_int_equal(submit(&good), VITA_OK);
	assert_int_equal(submit(NULL), VITA_E_INVALID);
	op = good, op.struct_size = 16;
	assert_int_equal(submit(&op), VITA_E_INVALID);
	op = good, op.code = 0;
	assert_int_equal(submit(&op), VITA_E_UNSUPPORTED);
	assert_string_equal(err.message, "reference: there is no op with code 0");
	op = good, op.code = VITA_OP_COUNT;
	assert_int_equal(submit(&op), VITA_E_UNSUPPORTED);
	op = good, op.n_inputs = 0xffffffff;
	assert_int_equal(submit(&op), VITA_E_INVALID);
	assert_string_equal(err.message, "reference: AFFINE: 4294967295 inputs, expected 1 to 1");
	op = good, op.n_inputs = 0;
	assert_int_equal(submit(&op), VITA_E_INVALID);
	op = good, op.n_outputs = 2;
	assert_int_equal(submit(&op), VITA_E_INVALID);
	op = good, op.input[0] = NULL;
	assert_int_equal(submit(&op), VITA_E_INVALID);
	assert_string_equal(err.message, "reference: AFFINE: input 0 is missing");
	op = good, op.output[0] = NULL;
	assert_int_equal(submit(&op), VITA_E_INVALID);
	op = good, op.params = NULL;
	assert_int_equal(submit(&op), VITA_E_INVALID);
	assert_string_equal(err.message, "reference: AFFINE: params are missing");
	p.struct_size = 4;
	assert_int_equal(submit(&good), VITA_E_INVALID);
	assert_string_equal(err.message,
	                    "reference: AFFINE: params have struct_size 4, expected at least 24");
	assert_int_equal(device.api->submit(device.self, NULL, 1, NULL), VITA_E_INVALID);
	assert_int_equal(device.api->submit(device.self, NULL, 0, NULL), VITA_OK);
	expect_f32(&t, F(2, 4), 0);
}

/* Ops before the failed one are done, those after it are not. */
static void a_failure_ends_the_list(void **state)
{
	(void)state;
	vita_tensor t = f32(SHAPE(2), F(1, 2)), three = empty(VITA_F32, SHAPE(3));
	vita_affine(r, &t, 10, 0, &t);
	vita_affine(r, &t, 1, 0, &three);
	vita_affine(r, &t, 10, 0, &t);
	fail_with(VITA_E_SHAPE, "AFFINE: y is f32 [3], expected f32 [2]");
	expect_f32(&t, F(10, 20), 0);
	assert_int_equal(device.api->wait(device.self, &err), VITA_OK);
}

/* Overlap is only what is certain: dense views that share bytes, or one and the same view. */
static void overlap(void **state)
{
	(void)state;
	vita_tensor t = f32(SHAPE(2, 4), F(1, 2, 3, 4, 5, 6, 7, 8)), left = vita_slice(&t, 1, 0, 2);
	vita_tensor right = vita_slice(&t, 1, 2, 2);
	vita_tensor line = vita_view(t.buffer, 0, VITA_F32, 1, 6, 1, 1, 1), next = line;
	vita_copy(r, &left, &right); /* interleaved columns of one buffer */
	expect_f32(&t, F(1, 2, 1, 2, 5, 6, 5, 6), 0);
	next.offset = 8;
	vita_affine(r, &line, 1, 0, &next);
	fail_with(VITA_E_INVALID, "output 0 overlaps input 0");
	vita_tensor scatter_ids = i32(SHAPE(2), I(0, 1));
	vita_scatter(r, &left, &scatter_ids, &left);
	fail_with(VITA_E_INVALID, "output 0 overlaps input 0");
}

static void supports_looks_at_types_and_shapes_only(void **state)
{
	(void)state;
	vita_tensor x = vita_view(NULL, 0, VITA_F32, 2, 3, 64, 1, 1);
	vita_tensor w = vita_view(NULL, 0, VITA_Q4_0, 2, 5, 64, 1, 1);
	vita_tensor y = vita_view(NULL, 0, VITA_F32, 2, 3, 5, 1, 1);
	vita_matmul_params p = { sizeof p, VITA_UNARY_NONE };
	vita_op op = { sizeof op, VITA_OP_MATMUL, 2, 1, { &x, &w }, { &y }, &p };
	assert_int_equal(device.api->supports(device.self, &op), 1);
	y.shape[1] = 6;
	assert_int_equal(device.api->supports(device.self, &op), 0);
	op.code = VITA_OP_COUNT;
	assert_int_equal(device.api->supports(device.self, &op), 0);
	assert_int_equal(device.api->supports(device.self, NULL), 0);
	assert_int_equal(submit(&op), VITA_E_UNSUPPORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(probes_one_device), TEST(opens_by_index_or_part_of_the_name),
		TEST(buffers),           TEST(read_only_memory),
		TEST(transfers),         TEST(transfers_that_do_not_fit),
		TEST(views_that_lie),    TEST(empty_views),
		TEST(ops_that_lie),      TEST(a_failure_ends_the_list),
		TEST(overlap),           TEST(supports_looks_at_types_and_shapes_only),
	};
	return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
