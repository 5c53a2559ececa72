/* SPDX-License-Identifier: MIT
 *
 * Reference backend: ARGMAX, TOP_K, NEAREST and REDUCE by hand.
 */
#include "fixture.h"

static void argmax(void **state)
{
	(void)state;
	vita_tensor x = gappy(SHAPE(2, 2, 3), 1, F(1, 3, 2, 5, 5, 4, NAN, -1, NAN, NAN, NAN, NAN));
	vita_tensor y = empty(VITA_I32, SHAPE(2, 2)), line = f32(SHAPE(1, 2), F(-INFINITY, -INFINITY)), one;
	vita_argmax(r, &x, &y);
	expect_i32(&y, I(1, 0, 1, 0)); /* the lowest among equals; NaN never, unless there is nothing else */
	one = empty(VITA_I32, SHAPE(1));
	vita_argmax(r, &line, &one);
	expect_i32(&one, I(0));
	vita_tensor nan_first = f32(SHAPE(1, 3), F(NAN, -INFINITY, NAN));
	vita_argmax(r, &nan_first, &one);
	expect_i32(&one, I(1));
}

static void top_k(void **state)
{
	(void)state;
	vita_tensor x = gappy(SHAPE(2, 6), 1, F(3, 1, 4, 1, 5, 4, NAN, -1, NAN, -INFINITY, -1, 0));
	vita_tensor values = gappy(SHAPE(2, 4), 2, NULL), indices = empty(VITA_I32, SHAPE(2, 4));
	vita_top_k(r, &x, &values, &indices);
	expect_f32(&values, F(5, 4, 4, 3, 0, -1, -1, -INFINITY), 0);
	expect_i32(&indices, I(4, 2, 5, 0, 5, 1, 4, 3));
	values = empty(VITA_F32, SHAPE(2, 6)), indices = empty(VITA_I32, SHAPE(2, 6));
	vita_top_k(r, &x, &values, &indices); /* all of them: a stable sort */
	expect_f32(&values, F(5, 4, 4, 3, 1, 1, 0, -1, -1, -INFINITY, NAN, NAN), 0);
	expect_i32(&indices, I(4, 2, 5, 0, 1, 3, 5, 1, 4, 3, 0, 2));
	values = empty(VITA_F32, SHAPE(2, 0)), indices = empty(VITA_I32, SHAPE(2, 0));
	vita_top_k(r, &x, &values, &indices);
	succeed();
}

/* Every length against sorting by hand: values i · 7 mod 11 */
static void top_k_of_many(void **state)
{
	(void)state;
	float x_values[50], expected[50];
	int32_t order[50];
	for (int i = 0; i < 50; i++) x_values[i] = (float)(i * 7 % 11);
	for (int value = 10, n = 0; value >= 0; value--)
		for (int i = 0; i < 50; i++)
			if (i * 7 % 11 == value) expected[n] = (float)value, order[n++] = i;
	for (int n = 1; n <= 50; n++) {
		vita_tensor x = f32(SHAPE(1, 50), x_values), values = empty(VITA_F32, SHAPE(1, n));
		vita_tensor indices = empty(VITA_I32, SHAPE(1, n));
		vita_top_k(r, &x, &values, &indices);
		expect_f32(&values, expected, 0);
		expect_i32(&indices, order);
	}
}

/* Codes (0, 0), (2, 0), (0, 2), (2, 0): (1, 0) is as near to the first as to the second. */
static void nearest(void **state)
{
	(void)state;
	const uint32_t types[] = { VITA_F32, VITA_F16, VITA_BF16 };
	for (size_t t = 0; t < 3; t++) {
		vita_tensor codebook = dense(types[t], SHAPE(4, 2), F(0, 0, 2, 0, 0, 2, 2, 0));
		vita_tensor x = gappy(SHAPE(5, 2), 1, F(1, 0, 3, 0, 0.5f, 1.5f, NAN, 0, -5, -5));
		vita_tensor y = empty(VITA_I32, SHAPE(5));
		vita_nearest(r, &x, &codebook, &y);
		expect_i32(&y, I(0, 1, 2, 0, 0));
	}
}

static void reductions(void **state)
{
	(void)state;
	vita_tensor x = gappy(SHAPE(2, 3), 1, F(1, 2, 6, -4, -1, -1)), y = gappy(SHAPE(2, 1), 1, NULL);
	vita_tensor none = empty(VITA_F32, SHAPE(2, 0));
	vita_reduce(r, VITA_REDUCE_SUM, &x, &y);
	expect_f32(&y, F(9, -6), 0);
	vita_reduce(r, VITA_REDUCE_MEAN, &x, &y);
	expect_f32(&y, F(3, -2), 0);
	vita_reduce(r, VITA_REDUCE_MAX, &x, &y);
	expect_f32(&y, F(6, -1), 0);
	vita_reduce(r, VITA_REDUCE_SUM, &none, &y);
	expect_f32(&y, F(0, 0), 0);
}

static void refusals(void **state)
{
	(void)state;
	vita_tensor x = empty(VITA_F32, SHAPE(2, 3)), y = empty(VITA_I32, SHAPE(2));
	vita_tensor y3 = empty(VITA_I32, SHAPE(3));
	vita_tensor none = empty(VITA_F32, SHAPE(2, 0)), line = empty(VITA_F32, SHAPE(2));
	vita_tensor y1 = empty(VITA_F32, SHAPE(2, 1));
	vita_tensor v4 = empty(VITA_F32, SHAPE(2, 4)), i4 = empty(VITA_I32, SHAPE(2, 4));
	vita_tensor i2 = empty(VITA_I32, SHAPE(2, 2));
	vita_tensor codes = empty(VITA_F32, SHAPE(0, 3)), flat = empty(VITA_F32, SHAPE(4, 2));
	vita_tensor q = empty(VITA_Q8_0, SHAPE(4, 32));

	vita_argmax(r, &x, &y3);
	fail_with(VITA_E_SHAPE, "ARGMAX: y is i32 [3], expected i32 [2]");
	vita_argmax(r, &x, &line);
	fail_with(VITA_E_UNSUPPORTED, "y is f32 [2], expected i32");
	vita_argmax(r, &line, &y);
	fail_with(VITA_E_SHAPE, "x has rank 1, expected 2 to 4");
	vita_argmax(r, &none, &y);
	fail_with(VITA_E_SHAPE, "rows of 0 values");
	vita_top_k(r, &x, &v4, &i4);
	fail_with(VITA_E_SHAPE, "TOP_K: 4 of 3 values were asked for");
	vita_top_k(r, &x, &y1, &i2);
	fail_with(VITA_E_SHAPE, "indices is i32 [2, 2], expected i32 [2, 1]");
	vita_top_k(r, &x, &y1, &y1);
	fail_with(VITA_E_INVALID, "outputs 0 and 1 overlap");
	vita_nearest(r, &x, &codes, &y);
	fail_with(VITA_E_SHAPE, "NEAREST: the codebook has 0 rows");
	vita_nearest(r, &x, &flat, &y);
	fail_with(VITA_E_SHAPE, "codebook is f32 [4, 2], expected f32 [4, 3]");
	vita_nearest(r, &x, &q, &y);
	fail_with(VITA_E_UNSUPPORTED, "codebook is q8_0 [4, 32], expected f32 or f16 or bf16");
	vita_reduce(r, VITA_REDUCE_SUM, &x, &x);
	fail_with(VITA_E_INVALID, "output 0 overlaps input 0");
	vita_reduce(r, VITA_REDUCE_SUM, &x, &v4);
	fail_with(VITA_E_SHAPE, "REDUCE: y is f32 [2, 4], expected f32 [2, 1]");
	vita_reduce(r, VITA_REDUCE_MAX, &none, &y1);
	fail_with(VITA_E_SHAPE, "have no mean or maximum");
	vita_reduce(r, 3, &x, &y1);
	fail_with(VITA_E_INVALID, "kind is 3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(argmax),  TEST(top_k),      TEST(top_k_of_many),
		TEST(nearest), TEST(reductions), TEST(refusals),
	};
	return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
