/* SPDX-License-Identifier: MIT
 *
 * Reference backend: CONV1D, CONV_TRANSPOSE1D, POOL, INTERPOLATE and CUMSUM by hand.
 */
#include "fixture.h"

static vita_conv_params conv(uint32_t stride, uint32_t dilation, uint32_t groups, int64_t left, int64_t right)
{
	return (vita_conv_params){ sizeof(vita_conv_params), stride, dilation, groups, left, right, 0 };
}

static void conv1d_one_channel(void **state)
{
	(void)state;
	vita_tensor x = gappy(SHAPE(1, 5), 1, F(1, 2, 3, 4, 5)), w = f32(SHAPE(1, 1, 3), F(1, 10, 100)), y;
	vita_conv_params p = conv(1, 1, 1, 0, 0);
	y = empty(VITA_F32, SHAPE(1, 3));
	vita_conv1d(r, &x, &w, NULL, &p, &y);
	expect_f32(&y, F(321, 432, 543), 0);
	p = conv(1, 1, 1, 2, 0); /* causal */
	y = empty(VITA_F32, SHAPE(1, 5));
	vita_conv1d(r, &x, &w, NULL, &p, &y);
	expect_f32(&y, F(100, 210, 321, 432, 543), 0);
	p = conv(2, 1, 1, 1, 1); /* windows at -1, 1, 3 */
	y = empty(VITA_F32, SHAPE(1, 3));
	vita_conv1d(r, &x, &w, NULL, &p, &y);
	expect_f32(&y, F(210, 432, 54), 0);
	p = conv(1, 2, 1, 0, 1); /* taps two apart: 1 3 5 and 2 4 - */
	y = empty(VITA_F32, SHAPE(1, 2));
	vita_conv1d(r, &x, &w, NULL, &p, &y);
	expect_f32(&y, F(531, 42), 0);
	p = conv(1, 1, 1, -1, -1); /* negative padding crops: 2 3 4 */
	y = empty(VITA_F32, SHAPE(1, 1));
	vita_conv1d(r, &x, &w, NULL, &p, &y);
	expect_f32(&y, F(432), 0);
}

/* Two channels in, three out, kernel 1 and 2: plain sums. */
static void conv1d_channels_and_bias(void **state)
{
	(void)state;
	vita_tensor x = f32(SHAPE(2, 2), F(1, 2, 10, 20)), y = gappy(SHAPE(3, 2), 1, NULL);
	vita_tensor bias = f32(SHAPE(3), F(0, 100, -1));
	vita_tensor w = f32(SHAPE(3, 2, 1), F(1, 1, 1, -1, 0, 2)), two = f32(SHAPE(1, 2, 2), F(1, 2, 3, 4));
	vita_tensor one;
	vita_conv_params p = conv(1, 1, 1, 0, 0);
	vita_conv1d(r, &x, &w, &bias, &p, &y);
	expect_f32(&y, F(11, 22, 91, 82, 19, 39), 0);
	one = empty(VITA_F32, SHAPE(1, 1));
	vita_conv1d(r, &x, &two, NULL, &p, &one);
	expect_f32(&one, F(1 + 4 + 30 + 80), 0);
}

static void conv1d_groups_and_planes(void **state)
{
	(void)state;
	vita_tensor x = f32(SHAPE(2, 2, 2), F(1, 2, 3, 4, 5, 6, 7, 8));
	vita_tensor w = dense(VITA_F16, SHAPE(2, 1, 2), F(1, 1, 1, -1));
	vita_tensor y = empty(VITA_F32, SHAPE(2, 2, 1)), bf = dense(VITA_BF16, SHAPE(2, 1, 2), F(2, 0, 0, 2));
	vita_conv_params p = conv(1, 1, 2, 0, 0);
	vita_conv1d(r, &x, &w, NULL, &p, &y);
	expect_f32(&y, F(3, -1, 11, -1), 0);
	vita_conv1d(r, &x, &bf, NULL, &p, &y);
	expect_f32(&y, F(2, 8, 10, 16), 0);
	/* 1 group of 2 in, 2 out of different taps; w with gaps between its rows */
	vita_tensor wide = gappy(SHAPE(2, 2, 2), 1, F(1, 0, 0, 0, 0, 0, 0, 1));
	p = conv(1, 1, 1, 0, 0);
	vita_conv1d(r, &x, &wide, NULL, &p, &y);
	expect_f32(&y, F(1, 4, 5, 8), 0);
}

/* An input shorter than the kernel gives nothing; no input but padding gives the bias. */
static void conv1d_short_input(void **state)
{
	(void)state;
	vita_tensor x = f32(SHAPE(1, 2), F(1, 2)), w = f32(SHAPE(1, 1, 3), F(1, 1, 1));
	vita_tensor none = empty(VITA_F32, SHAPE(1, 0));
	vita_tensor y = empty(VITA_F32, SHAPE(1, 0)), bias = f32(SHAPE(1), F(7));
	vita_tensor two = empty(VITA_F32, SHAPE(1, 2));
	vita_conv_params p = conv(1, 1, 1, 0, 0);
	vita_conv1d(r, &x, &w, NULL, &p, &y);
	vita_conv1d(r, &none, &w, NULL, &p, &y);
	succeed();
	p = conv(1, 1, 1, 4, 0);
	vita_conv1d(r, &none, &w, &bias, &p, &two);
	expect_f32(&two, F(7, 7), 0);
}

static void transposed_one_channel(void **state)
{
	(void)state;
	vita_tensor x = gappy(SHAPE(1, 3), 1, F(1, 2, 3)), w = f32(SHAPE(1, 1, 2), F(1, 10)), y;
	vita_conv_params p = conv(1, 1, 1, 0, 0);
	y = empty(VITA_F32, SHAPE(1, 4));
	vita_conv_transpose1d(r, &x, &w, NULL, &p, &y);
	expect_f32(&y, F(1, 12, 23, 30), 0);
	p = conv(2, 1, 1, 0, 0);
	y = empty(VITA_F32, SHAPE(1, 6));
	vita_conv_transpose1d(r, &x, &w, NULL, &p, &y);
	expect_f32(&y, F(1, 10, 2, 20, 3, 30), 0);
	p = conv(2, 1, 1, 1, 1); /* both ends cut */
	y = empty(VITA_F32, SHAPE(1, 4));
	vita_conv_transpose1d(r, &x, &w, NULL, &p, &y);
	expect_f32(&y, F(10, 2, 20, 3), 0);
	p = conv(3, 2, 1, 0, 0); /* taps two apart, steps of 3: 1 0 10, then one more 0 of output padding */
	p.output_pad = 1;
	y = empty(VITA_F32, SHAPE(1, 10));
	vita_conv_transpose1d(r, &x, &w, NULL, &p, &y);
	expect_f32(&y, F(1, 0, 10, 2, 0, 20, 3, 0, 30, 0), 0);
}

/* w [c_in = 2, c_out / groups, 1]. One group: y[o] = Σ_i x[i] w[i, o]; two groups: y = x[0] · w[0, 0],
 * x[0] · w[0, 1], x[1] · w[1, 0], x[1] · w[1, 1]. */
static void transposed_channels_and_groups(void **state)
{
	(void)state;
	vita_tensor x = f32(SHAPE(1, 2, 1), F(1, 10)), w = dense(VITA_F16, SHAPE(2, 2, 1), F(1, 2, 3, 4));
	vita_tensor y2 = empty(VITA_F32, SHAPE(1, 2, 1)), y4 = gappy(SHAPE(1, 4, 1), 3, NULL);
	vita_tensor bias = f32(SHAPE(2), F(100, 200));
	vita_conv_params p = conv(1, 1, 1, 0, 0);
	vita_conv_transpose1d(r, &x, &w, &bias, &p, &y2);
	expect_f32(&y2, F(131, 242), 0);
	p.groups = 2;
	vita_conv_transpose1d(r, &x, &w, NULL, &p, &y4);
	expect_f32(&y4, F(1, 2, 30, 40), 0);
}

static void refusals_of_conv(void **state)
{
	(void)state;
	vita_tensor x = empty(VITA_F32, SHAPE(4, 5)), y = empty(VITA_F32, SHAPE(4, 5));
	vita_tensor w = empty(VITA_F32, SHAPE(4, 4, 1));
	vita_tensor w3 = empty(VITA_F32, SHAPE(4, 3, 1)), q = empty(VITA_Q8_0, SHAPE(4, 4, 32));
	vita_tensor flat = empty(VITA_F32, SHAPE(4, 4));
	vita_tensor no_taps = empty(VITA_F32, SHAPE(4, 4, 0)), bias = empty(VITA_F32, SHAPE(3));
	vita_conv_params p = conv(1, 1, 1, 0, 0);

	vita_conv1d(r, &x, &w3, NULL, &p, &y);
	fail_with(VITA_E_SHAPE, "CONV1D: w has 3 input and 4 output channels, expected 4 input channels");
	vita_conv1d(r, &x, &q, NULL, &p, &y);
	fail_with(VITA_E_UNSUPPORTED, "w is q8_0 [4, 4, 32], expected f32 or f16 or bf16");
	vita_conv1d(r, &x, &flat, NULL, &p, &y);
	fail_with(VITA_E_SHAPE, "w has rank 2, expected 3");
	vita_conv1d(r, &x, &no_taps, NULL, &p, &y);
	fail_with(VITA_E_SHAPE, "the kernel has no taps");
	vita_conv1d(r, &x, &w, &bias, &p, &y);
	fail_with(VITA_E_SHAPE, "bias is f32 [3], expected f32 [4]");
	p.pad_left = 1;
	vita_conv1d(r, &x, &w, NULL, &p, &y);
	fail_with(VITA_E_SHAPE, "y is f32 [4, 5], expected f32 [4, 6]");
	vita_conv_transpose1d(r, &x, &w, NULL, &p, &y);
	fail_with(VITA_E_SHAPE, "CONV_TRANSPOSE1D: y is f32 [4, 5], expected f32 [4, 4]");
	p = conv(1, 1, 3, 0, 0);
	vita_conv1d(r, &x, &w, NULL, &p, &y);
	fail_with(VITA_E_SHAPE, "multiples of 3 groups");
	vita_conv_transpose1d(r, &x, &w, NULL, &p, &y);
	fail_with(VITA_E_SHAPE, "multiples of 3 groups");
	p = conv(0, 1, 1, 0, 0);
	vita_conv1d(r, &x, &w, NULL, &p, &y);
	fail_with(VITA_E_INVALID, "stride 0, dilation 1 and groups 1 must be at least 1");
	p = conv(0xffffffff, 1, 1, 0, 0);
	vita_conv1d(r, &x, &w, NULL, &p, &y);
	fail_with(VITA_E_INVALID, "is beyond");
	p = conv(1, 1, 1, INT64_MAX, INT64_MIN);
	vita_conv_transpose1d(r, &x, &w, NULL, &p, &y);
	fail_with(VITA_E_INVALID, "is beyond");
}

static void pools(void **state)
{
	(void)state;
	vita_tensor x = gappy(SHAPE(2, 5), 1, F(1, 2, 6, 4, 5, -1, -2, -3, -4, -5));
	vita_tensor y = gappy(SHAPE(2, 2), 1, NULL);
	vita_tensor four = empty(VITA_F32, SHAPE(2, 4)), none = empty(VITA_F32, SHAPE(2, 0));
	vita_pool(r, VITA_POOL_MEAN, &x, 3, 2, &y);
	expect_f32(&y, F(3, 5, -2, -4), 0);
	vita_pool(r, VITA_POOL_MAX, &x, 3, 2, &y);
	expect_f32(&y, F(6, 6, -1, -3), 0);
	vita_pool(r, VITA_POOL_MAX, &x, 2, 1, &four);
	expect_f32(&four, F(2, 6, 6, 5, -1, -2, -3, -4), 0);
	vita_pool(r, VITA_POOL_MEAN, &x, 6, 1, &none);
	succeed();
	vita_pool(r, VITA_POOL_MEAN, &x, 3, 1, &y);
	fail_with(VITA_E_SHAPE, "POOL: y is f32 [2, 2], expected f32 [2, 3]");
	vita_pool(r, VITA_POOL_MEAN, &x, 0, 1, &y);
	fail_with(VITA_E_INVALID, "kernel 0 and stride 1 must be at least 1");
	vita_pool(r, 2, &x, 3, 2, &y);
	fail_with(VITA_E_INVALID, "kind is 2");
}

static void interpolations(void **state)
{
	(void)state;
	vita_tensor x = gappy(SHAPE(1, 3), 1, F(10, 20, 40)), five = gappy(SHAPE(1, 5), 1, NULL);
	vita_tensor two = empty(VITA_F32, SHAPE(1, 2));
	vita_tensor six = empty(VITA_F32, SHAPE(1, 6)), none = empty(VITA_F32, SHAPE(1, 0));
	vita_interpolate(r, VITA_INTERPOLATE_NEAREST, &x, &five); /* floor(0, 0.6, 1.2, 1.8, 2.4) */
	expect_f32(&five, F(10, 10, 20, 20, 40), 0);
	vita_interpolate(r, VITA_INTERPOLATE_NEAREST, &x, &two); /* floor(0, 1.5) */
	expect_f32(&two, F(10, 20), 0);
	float steps[26];
	for (int i = 0; i < 26; i++) steps[i] = (float)i;
	vita_tensor ramp = f32(SHAPE(1, 26), steps), fewer = empty(VITA_F32, SHAPE(1, 22));
	vita_tensor twelfth = vita_slice(&fewer, 1, 11, 1); /* 11 · 26 / 22 = 13, but 12.999999 in f32 */
	vita_interpolate(r, VITA_INTERPOLATE_NEAREST, &ramp, &fewer);
	expect_f32(&twelfth, F(12), 0);
	vita_interpolate(r, VITA_INTERPOLATE_LINEAR, &x, &six); /* at -0.25, 0.25, 0.75, 1.25, 1.75, 2.25 */
	expect_f32(&six, F(10, 12.5f, 17.5f, 25, 35, 40), 0);
	vita_interpolate(r, VITA_INTERPOLATE_LINEAR, &x, &two); /* at 0.25, 1.75 */
	expect_f32(&two, F(12.5f, 35), 0);
	vita_interpolate(r, VITA_INTERPOLATE_LINEAR, &x, &none);
	succeed();
	vita_interpolate(r, VITA_INTERPOLATE_LINEAR, &none, &two);
	fail_with(VITA_E_SHAPE, "INTERPOLATE: x has no values to make 2 of");
	vita_interpolate(r, 2, &x, &two);
	fail_with(VITA_E_INVALID, "kind is 2");
	vita_tensor rows = empty(VITA_F32, SHAPE(2, 3));
	vita_interpolate(r, 0, &x, &rows);
	fail_with(VITA_E_SHAPE, "y is f32 [2, 3], expected f32 [1, 3]");
}

static void running_sums(void **state)
{
	(void)state;
	vita_tensor x = gappy(SHAPE(2, 3), 1, F(1, 2, 3, 16777216, 1, 1)), y = empty(VITA_F32, SHAPE(2, 3));
	vita_cumsum(r, &x, &y); /* 2^24 + 2 is only seen where the sum is kept in double */
	expect_f32(&y, F(1, 3, 6, 16777216, 16777216, 16777218), 0);
	vita_cumsum(r, &x, &x);
	expect_f32(&x, F(1, 3, 6, 16777216, 16777216, 16777218), 0);
	vita_tensor other = empty(VITA_F32, SHAPE(3, 2));
	vita_cumsum(r, &x, &other);
	fail_with(VITA_E_SHAPE, "CUMSUM: y is f32 [3, 2], expected f32 [2, 3]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(conv1d_one_channel),       TEST(conv1d_channels_and_bias),
		TEST(conv1d_groups_and_planes), TEST(conv1d_short_input),
		TEST(transposed_one_channel),   TEST(transposed_channels_and_groups),
		TEST(refusals_of_conv),         TEST(pools),
		TEST(interpolations),           TEST(running_sums),
	};
	return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
