/* SPDX-License-Identifier: MIT
 *
 * Reference backend: COPY, CONCAT and FILL by hand.
 */
#include "fixture.h"

static void permuted_views(void **state)
{
	(void)state;
	vita_tensor x = f32(SHAPE(2, 3), F(1, 2, 3, 4, 5, 6)), turned = vita_transpose(&x, 0, 1);
	vita_tensor y = gappy(SHAPE(3, 2), 1, NULL);
	vita_copy(r, &turned, &y);
	expect_f32(&y, F(1, 4, 2, 5, 3, 6), 0);
	vita_tensor into = vita_transpose(&y, 0, 1), ones = f32(SHAPE(1, 3), F(7, 8, 9));
	ones.shape[0] = 2, ones.stride[0] = 0; /* a repeated row */
	vita_copy(r, &ones, &into);
	expect_f32(&y, F(7, 7, 8, 8, 9, 9), 0);
	vita_copy(r, &y, &y); /* identical views may overlap */
	expect_f32(&y, F(7, 7, 8, 8, 9, 9), 0);
	vita_tensor backwards = vita_view(x.buffer, 20, VITA_F32, 1, 6, 1, 1, 1);
	vita_tensor line = empty(VITA_F32, SHAPE(6));
	backwards.stride[0] = -4;
	vita_copy(r, &backwards, &line);
	expect_f32(&line, F(6, 5, 4, 3, 2, 1), 0);
	const uint32_t narrow[] = { VITA_F16, VITA_BF16 };
	for (size_t t = 0; t < 2; t++) { /* 2-byte elements move as bits */
		vita_tensor a = dense(narrow[t], SHAPE(2, 2), F(1, 2, 3, 4));
		vita_tensor b = empty(narrow[t], SHAPE(2, 2)), c;
		vita_tensor back = empty(VITA_F32, SHAPE(2, 2));
		c = vita_transpose(&a, 0, 1);
		vita_copy(r, &c, &b);
		vita_copy(r, &b, &back);
		expect_f32(&back, F(1, 3, 2, 4), 0);
	}
}

static void conversions(void **state)
{
	(void)state;
	vita_tensor x = f32(SHAPE(6), F(1.9f, -1.9f, 300, -5, NAN, 3e9f)), i = empty(VITA_I32, SHAPE(6));
	vita_tensor u = empty(VITA_U8, SHAPE(6));
	vita_tensor y = empty(VITA_F32, SHAPE(6)), h = empty(VITA_F16, SHAPE(6));
	vita_tensor b = empty(VITA_BF16, SHAPE(6));
	vita_copy(r, &x, &i);
	expect_i32(&i, I(1, -1, 300, -5, 0, INT32_MAX));
	vita_copy(r, &x, &u);
	expect_bytes(&u, (uint8_t[]){ 1, 0, 255, 0, 0, 255 }, 6);
	vita_copy(r, &i, &u);
	expect_bytes(&u, (uint8_t[]){ 1, 0, 255, 0, 0, 255 }, 6);
	vita_copy(r, &i, &y);
	expect_f32(&y, F(1, -1, 300, -5, 0, 2147483648.0f), 0);
	vita_copy(r, &u, &i);
	expect_i32(&i, I(1, 0, 255, 0, 0, 255));
	vita_copy(r, &x, &h);
	vita_copy(r, &h, &y);
	expect_f32(&y, F(1.9003906f, -1.9003906f, 300, -5, NAN, INFINITY), 0); /* 1946 / 1024 */
	vita_copy(r, &x, &b);
	vita_copy(r, &b, &h);
	vita_copy(r, &h, &y);
	expect_f32(&y, F(1.8984375f, -1.8984375f, 300, -5, NAN, INFINITY), 0); /* 243 / 128 */
	/* 2^24 + 2^16 + 1 is just above the middle of two bf16; as an f32 it would fall onto the middle. */
	vita_tensor odd = i32(SHAPE(2), I(16842753, -16842753)), near = empty(VITA_BF16, SHAPE(2));
	vita_copy(r, &odd, &near);
	expect_bytes(&near, (uint16_t[]){ 0x4b81, 0xcb81 }, 4);
	vita_tensor least = f32(SHAPE(2), F(-3e9f, -INFINITY)), i2 = empty(VITA_I32, SHAPE(2));
	vita_copy(r, &least, &i2);
	expect_i32(&i2, I(INT32_MIN, INT32_MIN));
}

static void blocks(void **state)
{
	(void)state;
	float values[64] = { 127, -3, [32] = -127, [63] = 64 };
	vita_tensor x = gappy(SHAPE(2, 32), 1, values), q = empty(VITA_Q8_0, SHAPE(2, 32));
	vita_tensor other = empty(VITA_Q8_0, SHAPE(2, 32));
	vita_tensor y = empty(VITA_F32, SHAPE(2, 32)), turned = empty(VITA_F32, SHAPE(32, 2));
	vita_tensor into = vita_transpose(&turned, 0, 1);
	float expected[64];
	vita_copy(r, &x, &q);
	vita_copy(r, &q, &other);
	vita_copy(r, &other, &y);
	expect_f32(&y, values, 0);
	vita_copy(r, &q, &into);
	for (int i = 0; i < 64; i++) expected[i] = values[i % 2 * 32 + i / 2];
	expect_f32(&turned, expected, 0);
	vita_block_q4_k zero; /* and the larger blocks */
	memset(&zero, 0, sizeof zero);
	zero.dmin[1] = 0x3c, zero.scales[4] = 3;
	vita_tensor k = empty(VITA_Q4_K, SHAPE(1, 256)), wide = empty(VITA_F32, SHAPE(1, 256));
	vita_tensor first = vita_slice(&wide, 1, 31, 2);
	assert_int_equal(device.api->write(device.self, &k, &zero, sizeof zero, NULL), VITA_OK);
	vita_copy(r, &k, &wide);
	expect_f32(&first, F(-3, 0), 0);
}

static void concat(void **state)
{
	(void)state;
	vita_tensor a = f32(SHAPE(1, 2), F(1, 2)), b = gappy(SHAPE(2, 2), 1, F(3, 4, 5, 6));
	vita_tensor none = empty(VITA_F32, SHAPE(0, 2));
	vita_tensor y = gappy(SHAPE(3, 2), 1, NULL), wide = empty(VITA_F32, SHAPE(2, 4));
	vita_tensor c = f32(SHAPE(2, 1), F(7, 8));
	const vita_tensor *rows[] = { &a, &none, &b }, *columns[] = { &c, &b, &c };
	vita_concat(r, rows, 3, 0, &y);
	expect_f32(&y, F(1, 2, 3, 4, 5, 6), 0);
	vita_concat(r, columns, 3, 1, &wide);
	expect_f32(&wide, F(7, 3, 4, 7, 8, 5, 6, 8), 0);
	vita_tensor i = i32(SHAPE(2), I(1, 2)), j = i32(SHAPE(1), I(3)), ij = empty(VITA_I32, SHAPE(3));
	const vita_tensor *ids[] = { &i, &j };
	vita_concat(r, ids, 2, 0, &ij);
	expect_i32(&ij, I(1, 2, 3));
	float ones[32] = { 127, 1 }, twos[32] = { 127, 2 }; /* block types, along the blocks too */
	vita_tensor q1 = dense(VITA_Q8_0, SHAPE(1, 32), ones), q2 = dense(VITA_Q8_0, SHAPE(1, 32), twos);
	vita_tensor q = empty(VITA_Q8_0, SHAPE(1, 64)), full = empty(VITA_F32, SHAPE(1, 64));
	vita_tensor part = vita_slice(&full, 1, 32, 3);
	const vita_tensor *qs[] = { &q1, &q2 };
	vita_concat(r, qs, 2, 1, &q);
	vita_copy(r, &q, &full);
	expect_f32(&part, F(127, 2, 0), 0);
}

static void fill(void **state)
{
	(void)state;
	vita_tensor y = f32(SHAPE(2, 3), F(1, 2, 3, 4, 5, 6)), column = vita_slice(&y, 1, 1, 1);
	vita_tensor turned = vita_transpose(&column, 0, 1);
	vita_fill(r, -2.5, &turned);
	expect_f32(&y, F(1, -2.5f, 3, 4, -2.5f, 6), 0);
	vita_tensor i = empty(VITA_I32, SHAPE(2)), u = empty(VITA_U8, SHAPE(2));
	vita_tensor h = empty(VITA_F16, SHAPE(2)), b = empty(VITA_BF16, SHAPE(2));
	vita_fill(r, -2.5, &i);
	expect_i32(&i, I(-2, -2));
	vita_fill(r, 256, &u);
	expect_bytes(&u, (uint8_t[]){ 255, 255 }, 2);
	vita_fill(r, 1, &h);
	expect_bytes(&h, (uint16_t[]){ 0x3c00, 0x3c00 }, 4);
	vita_fill(r, 1, &b);
	expect_bytes(&b, (uint16_t[]){ 0x3f80, 0x3f80 }, 4);
}

static void refusals(void **state)
{
	(void)state;
	vita_tensor x = empty(VITA_F32, SHAPE(2, 32)), y = empty(VITA_F32, SHAPE(2, 16));
	vita_tensor q8 = empty(VITA_Q8_0, SHAPE(2, 32));
	vita_tensor q4 = empty(VITA_Q4_0, SHAPE(2, 32)), i = empty(VITA_I32, SHAPE(2, 32));
	vita_tensor wide = empty(VITA_F32, SHAPE(32, 2));
	vita_tensor turned = vita_transpose(&wide, 0, 1), sum = empty(VITA_F32, SHAPE(4, 32));
	vita_tensor five = empty(VITA_F32, SHAPE(5, 32));
	const vita_tensor *two[] = { &x, &x }, *mixed[] = { &x, &i }, *narrow[] = { &x, &y },
			  *hole[] = { &x, NULL };

	vita_copy(r, &x, &y);
	fail_with(VITA_E_SHAPE, "COPY: y is f32 [2, 16], expected f32 [2, 32]");
	vita_copy(r, &x, &q4);
	fail_with(VITA_E_UNSUPPORTED, "from f32 to q4_0 is only for contiguous f32 rows to q8_0");
	vita_copy(r, &turned, &q8);
	fail_with(VITA_E_UNSUPPORTED, "contiguous f32 rows");
	vita_copy(r, &q4, &i);
	fail_with(VITA_E_UNSUPPORTED, "from q4_0 to i32 is only for f32");
	vita_copy(r, &q8, &q4);
	fail_with(VITA_E_UNSUPPORTED, "from q8_0 to q4_0");
	vita_tensor shifted = vita_slice(&sum, 0, 0, 2), later = vita_slice(&sum, 0, 1, 2);
	vita_copy(r, &shifted, &later);
	fail_with(VITA_E_INVALID, "output 0 overlaps input 0");
	vita_concat(r, two, 2, 0, &five);
	fail_with(VITA_E_SHAPE, "CONCAT: the inputs make up 4 of 5 along axis 0 of y");
	vita_concat(r, two, 2, 0, &x);
	fail_with(VITA_E_INVALID, "output 0 overlaps input 0");
	vita_tensor three = empty(VITA_F32, SHAPE(3, 32));
	vita_concat(r, two, 2, 0, &three);
	fail_with(VITA_E_SHAPE, "input 1, f32 [2, 32], does not fit into y, f32 [3, 32], along axis 0");
	vita_concat(r, mixed, 2, 0, &sum);
	fail_with(VITA_E_SHAPE, "input 1, i32 [2, 32], does not fit");
	vita_concat(r, narrow, 2, 0, &sum);
	fail_with(VITA_E_SHAPE, "input 1, f32 [2, 16], does not fit");
	vita_concat(r, hole, 2, 0, &sum);
	fail_with(VITA_E_INVALID, "input 1 is missing");
	vita_concat(r, two, 2, 2, &sum);
	fail_with(VITA_E_INVALID, "axis is 2, expected less than 2");
	vita_fill(r, 0, &q8);
	fail_with(VITA_E_UNSUPPORTED, "FILL: y is q8_0");
	vita_tensor repeated = vita_slice(&x, 0, 0, 2);
	repeated.stride[0] = 0;
	vita_fill(r, 0, &repeated);
	fail_with(VITA_E_INVALID, "strides that put several elements at one place");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(permuted_views), TEST(conversions), TEST(blocks),
		TEST(concat),         TEST(fill),        TEST(refusals),
	};
	return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
