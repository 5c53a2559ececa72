/* SPDX-License-Identifier: MIT
 *
 * Reference backend: UNARY, GLU, BINARY and AFFINE by hand.
 */
#include "fixture.h"

static void every_function(void **state)
{
	(void)state;
	/* At -1 and 2. e = 2.7182818, Φ(1) = 0.84134475, Φ(2) = 0.97724987. */
	static const struct {
		uint32_t function;
		float alpha, at_minus_1, at_2;
	} table[] = {
		{ VITA_UNARY_NONE, 0, -1, 2 },
		{ VITA_UNARY_SILU, 0, -0.26894142f, 1.7615942f }, /* -1 / (1 + e), 2 / (1 + e^-2) */
		{ VITA_UNARY_GELU, 0, -0.15865525f, 1.9544997f }, /* -(1 - Φ(1)), 2 Φ(2) */
		{ VITA_UNARY_GELU_TANH, 0, -0.15880801f,
		  1.9545977f }, /* -(1 - tanh 0.83356197) / 2; 1 + tanh 1.8811884 */
		{ VITA_UNARY_RELU, 0, 0, 2 },
		{ VITA_UNARY_LEAKY_RELU, 0.1f, -0.1f, 2 },
		{ VITA_UNARY_ELU, 2, -1.2642411f, 2 }, /* 2 (1/e - 1) */
		{ VITA_UNARY_TANH, 0, -0.76159416f, 0.96402758f },
		{ VITA_UNARY_SIGMOID, 0, 0.26894142f, 0.88079708f },
		{ VITA_UNARY_MISH, 0, -0.30340146f, 1.9439590f }, /* -tanh 0.31326169, 2 tanh 2.1269280 */
		{ VITA_UNARY_EXP, 0, 0.36787944f, 7.3890561f },
		{ VITA_UNARY_LOG, 0, NAN, 0.69314718f },
		{ VITA_UNARY_SIN, 0, -0.84147098f, 0.90929743f },
		{ VITA_UNARY_COS, 0, 0.54030231f, -0.41614684f },
		{ VITA_UNARY_SQRT, 0, NAN, 1.4142136f },
		{ VITA_UNARY_ABS, 0, 1, 2 },
		{ VITA_UNARY_SQUARE, 0, 1, 4 },
	};
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		vita_tensor x = f32(SHAPE(2), F(-1, 2)), y = empty(VITA_F32, SHAPE(2));
		vita_unary(r, table[i].function, &x, NULL, (double)table[i].alpha, &y);
		expect_f32(&y, F(table[i].at_minus_1, table[i].at_2), 1e-7);
		vita_unary(r, table[i].function, &x, NULL, (double)table[i].alpha, &x);
		expect_f32(&x, F(table[i].at_minus_1, table[i].at_2), 1e-7);
	}
}

static void far_ends(void **state)
{
	(void)state;
	vita_tensor x = f32(SHAPE(2), F(-1000, 1000)), y = empty(VITA_F32, SHAPE(2));
	vita_unary(r, VITA_UNARY_SILU, &x, NULL, 0, &y);
	expect_f32(&y, F(0, 1000), 0);
	vita_unary(r, VITA_UNARY_MISH, &x, NULL, 0, &y);
	expect_f32(&y, F(0, 1000), 0);
	vita_unary(r, VITA_UNARY_GELU_TANH, &x, NULL, 0, &y);
	expect_f32(&y, F(0, 1000), 0);
	vita_unary(r, VITA_UNARY_EXP, &x, NULL, 0, &y);
	expect_f32(&y, F(0, INFINITY), 0);
}

/* alpha 1 and 2: x + sin²(x), x + sin²(2x) / 2; sin² 1 = 0.70807342, sin² 2 = 0.82682181 */
static void snake(void **state)
{
	(void)state;
	vita_tensor x = gappy(SHAPE(2, 2, 2), 1, F(0, 1, 0, 1, 1, 0, 1, 0));
	vita_tensor y = gappy(SHAPE(2, 2, 2), 2, NULL);
	vita_tensor alpha = f32(SHAPE(2), F(1, 2));
	vita_unary(r, VITA_UNARY_SNAKE, &x, &alpha, 0, &y);
	expect_f32(&y, F(0, 1.7080734f, 0, 1.4134109f, 1.7080734f, 0, 1.4134109f, 0), 1e-6);
}

static void gated_units(void **state)
{
	(void)state;
	vita_tensor gate = gappy(SHAPE(1, 2), 1, F(-1, 2)), up = gappy(SHAPE(1, 2), 2, F(10, -1));
	vita_tensor y = empty(VITA_F32, SHAPE(1, 2));
	vita_glu(r, VITA_UNARY_SILU, &gate, &up, &y);
	expect_f32(&y, F(-2.6894142f, -1.7615942f), 1e-7);
	vita_glu(r, VITA_UNARY_GELU, &gate, &up, &y);
	expect_f32(&y, F(-1.5865525f, -1.9544997f), 1e-7);
	vita_glu(r, VITA_UNARY_GELU_TANH, &gate, &up, &gate);
	expect_f32(&gate, F(-1.5880801f, -1.9545977f), 1e-7);
	gate = f32(SHAPE(1, 2), F(-1, 2));
	vita_glu(r, VITA_UNARY_SIGMOID, &gate, &up, &up);
	expect_f32(&up, F(2.6894142f, -0.88079708f), 1e-7);
}

static void every_binary_kind(void **state)
{
	(void)state;
	const float expected[][3] = { { 3, 2, 5 }, { -1, 2, -1 }, { 2, 0, 6 }, { 0.5f, INFINITY, 2 / 3.0f },
		                      { 2, 2, 3 }, { 1, 0, 2 } };
	for (uint32_t kind = VITA_BINARY_ADD; kind <= VITA_BINARY_MIN; kind++) {
		vita_tensor a = f32(SHAPE(3), F(1, 2, 2)), b = f32(SHAPE(3), F(2, 0, 3));
		vita_tensor y = empty(VITA_F32, SHAPE(3));
		vita_binary(r, kind, &a, &b, &y);
		expect_f32(&y, expected[kind], 0);
		vita_binary(r, kind, &a, &b, &a);
		expect_f32(&a, expected[kind], 0);
	}
}

static void broadcasting(void **state)
{
	(void)state;
	const float values[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	vita_tensor a = gappy(SHAPE(2, 2, 2), 1, values), y = empty(VITA_F32, SHAPE(2, 2, 2));
	vita_tensor one = f32(SHAPE(1), F(10)), row = f32(SHAPE(2), F(10, 20));
	vita_tensor column = gappy(SHAPE(2, 1), 1, F(10, 20));
	vita_tensor planes = f32(SHAPE(2, 1, 1), F(10, 20)), rows = f32(SHAPE(2, 1, 2), F(10, 20, 30, 40));
	vita_binary(r, VITA_BINARY_ADD, &a, &one, &y);
	expect_f32(&y, F(11, 12, 13, 14, 15, 16, 17, 18), 0);
	vita_binary(r, VITA_BINARY_ADD, &a, &row, &y);
	expect_f32(&y, F(11, 22, 13, 24, 15, 26, 17, 28), 0);
	vita_binary(r, VITA_BINARY_ADD, &a, &column, &y);
	expect_f32(&y, F(11, 12, 23, 24, 15, 16, 27, 28), 0);
	vita_binary(r, VITA_BINARY_ADD, &a, &planes, &y);
	expect_f32(&y, F(11, 12, 13, 14, 25, 26, 27, 28), 0);
	vita_binary(r, VITA_BINARY_ADD, &a, &rows, &y);
	expect_f32(&y, F(11, 22, 13, 24, 35, 46, 37, 48), 0);
	one.stride[0] = 0; /* a repeated row as a view: stride 0 in an input is allowed */
	rows = f32(SHAPE(1, 2), F(1, 2));
	rows.shape[0] = 2, rows.stride[0] = 0;
	vita_binary(r, VITA_BINARY_MUL, &a, &rows, &a);
	expect_f32(&a, F(1, 4, 3, 8, 5, 12, 7, 16), 0);
}

static void affine(void **state)
{
	(void)state;
	vita_tensor x = gappy(SHAPE(2, 2), 1, F(1, 2, 3, -4)), y = empty(VITA_F32, SHAPE(2, 2));
	vita_affine(r, &x, 0.5, 1, &y);
	expect_f32(&y, F(1.5f, 2, 2.5f, -1), 0);
	vita_affine(r, &x, -1, 0, &x);
	expect_f32(&x, F(-1, -2, -3, 4), 0);
	vita_tensor large =
		f32(SHAPE(1), F(16777216)); /* rounded once: 3 · 2^24 + 3 = 50331651, to a multiple of 4 */
	vita_affine(r, &large, 3, 3, &large);
	expect_f32(&large, F(50331652), 0);
}

static void refusals(void **state)
{
	(void)state;
	vita_tensor x = empty(VITA_F32, SHAPE(2, 3)), y = empty(VITA_F32, SHAPE(2, 3));
	vita_tensor three = empty(VITA_F32, SHAPE(3));
	vita_tensor two = empty(VITA_F32, SHAPE(2)), deep = empty(VITA_F32, SHAPE(1, 2, 3));
	vita_tensor i = empty(VITA_I32, SHAPE(2, 3));

	vita_unary(r, 18, &x, NULL, 0, &y);
	fail_with(VITA_E_INVALID, "UNARY: function is 18");
	vita_unary(r, VITA_UNARY_SNAKE, &x, NULL, 0, &y);
	fail_with(VITA_E_INVALID, "SNAKE needs the input alpha");
	vita_unary(r, VITA_UNARY_SNAKE, &x, &three, 0, &y);
	fail_with(VITA_E_SHAPE, "alpha is f32 [3], expected f32 [2]");
	vita_unary(r, VITA_UNARY_SNAKE, &three, &two, 0, &three);
	fail_with(VITA_E_SHAPE, "x has rank 1, expected 2 to 4");
	vita_unary(r, VITA_UNARY_EXP, &x, &three, 0, &y);
	fail_with(VITA_E_INVALID, "takes no input alpha");
	vita_unary(r, VITA_UNARY_EXP, &i, NULL, 0, &i);
	fail_with(VITA_E_UNSUPPORTED, "x is i32 [2, 3], expected f32");
	vita_glu(r, VITA_UNARY_RELU, &x, &x, &y);
	fail_with(VITA_E_INVALID, "GLU: function is 4");
	vita_glu(r, VITA_UNARY_SILU, &x, &three, &y);
	fail_with(VITA_E_SHAPE, "up is f32 [3], expected f32 [2, 3]");
	vita_binary(r, VITA_BINARY_ADD, &x, &two, &y);
	fail_with(VITA_E_SHAPE, "BINARY: b is f32 [2] and cannot be repeated to f32 [2, 3]");
	vita_binary(r, VITA_BINARY_ADD, &x, &deep, &y);
	fail_with(VITA_E_SHAPE, "b has rank 3, expected 1 to 2");
	vita_binary(r, 6, &x, &x, &y);
	fail_with(VITA_E_INVALID, "kind is 6");
	vita_binary(r, VITA_BINARY_ADD, &x, &y, &y);
	fail_with(VITA_E_INVALID, "output 0 overlaps input 1");
	vita_affine(r, &x, 1, 0, &three);
	fail_with(VITA_E_SHAPE, "AFFINE: y is f32 [3], expected f32 [2, 3]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_function),    TEST(far_ends),     TEST(snake),  TEST(gated_units),
		TEST(every_binary_kind), TEST(broadcasting), TEST(affine), TEST(refusals),
	};
	return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
