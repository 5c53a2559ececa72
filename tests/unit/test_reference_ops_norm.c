/* SPDX-License-Identifier: MIT
 *
 * Reference backend: RMS_NORM, LAYER_NORM, GROUP_NORM and SOFTMAX by hand.
 */
#include "fixture.h"

/* mean of squares of (3, 4) is 12.5: divided by √12.5 = 3.5355339; of (0, 0) with epsilon 1: 0 */
static void rms_norm(void **state)
{
	(void)state;
	vita_tensor x = gappy(SHAPE(2, 2), 1, F(3, 4, 0, 0)), y = gappy(SHAPE(2, 2), 3, NULL);
	vita_tensor weight = f32(SHAPE(2), F(1, -2));
	vita_rms_norm(r, &x, NULL, 0, &y);
	expect_f32(&y, F(0.84852814f, 1.1313708f, NAN, NAN), 2e-7); /* 0 / √0 is not a number */
	vita_rms_norm(r, &x, &weight, 12.5, &y);                    /* √25 = 5 */
	expect_f32(&y, F(0.6f, -1.6f, 0, 0), 1e-7);
	vita_rms_norm(r, &x, &weight, 12.5, &x); /* in place */
	expect_f32(&x, F(0.6f, -1.6f, 0, 0), 1e-7);
}

/* (1, 2, 3): mean 2, variance 2/3; with epsilon 1/3: divided by 1 */
static void layer_norm(void **state)
{
	(void)state;
	vita_tensor x = gappy(SHAPE(1, 2, 3), 2, F(1, 2, 3, -3, 0, 3)), y = empty(VITA_F32, SHAPE(1, 2, 3));
	vita_tensor weight = f32(SHAPE(3), F(1, 2, 3)), bias = f32(SHAPE(3), F(10, 20, 30));
	vita_layer_norm(r, &x, NULL, NULL, 1.0 / 3, &y);
	expect_f32(&y, F(-1, 0, 1, -1.1920791f, 0, 1.1920791f), 1e-6); /* 3 / √(6 + 1/3) = 1.1920791 */
	vita_layer_norm(r, &x, &weight, &bias, 1.0 / 3, &y);
	expect_f32(&y, F(9, 20, 33, 8.8079209f, 20, 33.576237f), 1e-6);
	vita_layer_norm(r, &x, NULL, &bias, 1.0 / 3, &x);
	expect_f32(&x, F(9, 20, 31, 8.8079209f, 20, 31.192079f), 1e-6);
}

/* [c = 4, t = 2] in 2 groups: (1 3; 5 7) has mean 4, variance 5; (0 0; 0 4) mean 1, variance 3 */
static void group_norm(void **state)
{
	(void)state;
	vita_tensor x = gappy(SHAPE(4, 2), 1, F(1, 3, 5, 7, 0, 0, 0, 4)), y = empty(VITA_F32, SHAPE(4, 2));
	vita_tensor weight = f32(SHAPE(4), F(1, 2, 3, 4)), bias = f32(SHAPE(4), F(0, 0, 1, 0));
	vita_group_norm(r, &x, &weight, &bias, 2, 4, &y); /* √(5 + 4) = 3; √(3 + 4) = 2.6457513 */
	expect_f32(&y, F(-1, -1 / 3.0f, 2 / 3.0f, 2, -0.13389342f, -0.13389342f, -1.5118579f, 4.5355737f),
	           1e-6);
	vita_group_norm(r, &x, NULL, NULL, 4, 1, &y); /* each row by itself: (1 3) has mean 2, variance 1 */
	expect_f32(&y,
	           F(-0.70710678f, 0.70710678f, -0.70710678f, 0.70710678f, 0, 0, -0.89442719f, 0.89442719f),
	           1e-6);
	/* two planes of [2, 1], 1 group: channels are counted anew in each */
	vita_tensor planes = f32(SHAPE(2, 2, 1), F(1, 3, 10, 30)), w = f32(SHAPE(2), F(1, 10));
	vita_group_norm(r, &planes, &w, NULL, 1, 0, &planes);
	expect_f32(&planes, F(-1, 10, -1, 10), 1e-6);
}

/* exp(0) : exp(ln 3) = 1 : 3 */
static void softmax(void **state)
{
	(void)state;
	float ln3 = 1.0986123f;
	vita_tensor x = gappy(SHAPE(3, 2), 1, F(0, ln3, 1000, 1000, -INFINITY, 5));
	vita_tensor y = empty(VITA_F32, SHAPE(3, 2));
	vita_softmax(r, &x, 1, &y);
	expect_f32(&y, F(0.25f, 0.75f, 0.5f, 0.5f, 0, 1), 1e-7);
	vita_softmax(r, &x, 2, &x); /* 1 : 9, in place */
	expect_f32(&x, F(0.1f, 0.9f, 0.5f, 0.5f, 0, 1), 1e-7);
	vita_tensor hidden = f32(SHAPE(2, 2), F(-INFINITY, -INFINITY, NAN, 1));
	vita_softmax(r, &hidden, 1, &hidden);
	expect_f32(&hidden, F(0, 0, NAN, NAN), 0);
}

static void refusals(void **state)
{
	(void)state;
	vita_tensor x = empty(VITA_F32, SHAPE(3, 4)), y = empty(VITA_F32, SHAPE(3, 4));
	vita_tensor three = empty(VITA_F32, SHAPE(3));
	vita_tensor other = empty(VITA_F32, SHAPE(4, 3)), half = empty(VITA_F16, SHAPE(4));
	vita_tensor line = empty(VITA_F32, SHAPE(4));

	vita_rms_norm(r, &x, &three, 0, &y);
	fail_with(VITA_E_SHAPE, "RMS_NORM: weight is f32 [3], expected f32 [4]");
	vita_rms_norm(r, &x, &half, 0, &y);
	fail_with(VITA_E_UNSUPPORTED, "weight is f16 [4], expected f32 [4]");
	vita_rms_norm(r, &x, NULL, 0, &other);
	fail_with(VITA_E_SHAPE, "y is f32 [4, 3], expected f32 [3, 4]");
	vita_layer_norm(r, &x, NULL, &three, 0, &y);
	fail_with(VITA_E_SHAPE, "LAYER_NORM: bias is f32 [3]");
	vita_group_norm(r, &x, NULL, NULL, 2, 0, &y);
	fail_with(VITA_E_INVALID, "GROUP_NORM: 2 groups do not divide 3 channels");
	vita_group_norm(r, &x, NULL, NULL, 0, 0, &y);
	fail_with(VITA_E_INVALID, "0 groups");
	vita_group_norm(r, &line, NULL, NULL, 1, 0, &line);
	fail_with(VITA_E_SHAPE, "x has rank 1, expected 2 to 4");
	vita_softmax(r, &x, 1, &other);
	fail_with(VITA_E_SHAPE, "SOFTMAX: y");
	vita_softmax(r, &half, 1, &half);
	fail_with(VITA_E_UNSUPPORTED, "x is f16 [4], expected f32");
}

static void sizes_of_zero(void **state)
{
	(void)state;
	vita_tensor x = empty(VITA_F32, SHAPE(0, 4)), y = empty(VITA_F32, SHAPE(0, 4));
	vita_tensor thin = empty(VITA_F32, SHAPE(4, 0));
	vita_rms_norm(r, &x, NULL, 0, &y);
	vita_layer_norm(r, &thin, NULL, NULL, 0, &thin);
	vita_group_norm(r, &thin, NULL, NULL, 2, 0, &thin);
	vita_softmax(r, &thin, 1, &thin);
	succeed();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(rms_norm), TEST(layer_norm), TEST(group_norm),
		TEST(softmax),  TEST(refusals),   TEST(sizes_of_zero),
	};
	return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
