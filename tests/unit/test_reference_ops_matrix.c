/* SPDX-License-Identifier: MIT
 *
 * Reference backend: MATMUL, GATHER and SCATTER by hand.
 */
#include "fixture.h"

/* x = [1 2 3; 4 5 6], w = [1 0 -1; 2 1 0]: x wᵀ = [1-3, 2+2; 4-6, 8+5] */
static void product(void **state)
{
	(void)state;
	vita_tensor x = f32(SHAPE(2, 3), F(1, 2, 3, 4, 5, 6)), w = f32(SHAPE(2, 3), F(1, 0, -1, 2, 1, 0));
	vita_tensor y = empty(VITA_F32, SHAPE(2, 2));
	vita_matmul(r, &x, &w, NULL, NULL, VITA_UNARY_NONE, &y);
	expect_f32(&y, F(-2, 4, -2, 13), 0);
}

/* relu([-2 4; -2 13] + [1 -5]) + residual = relu([-1 -1; -1 8]) + [10 20; 30 40] */
static void bias_then_activation_then_residual(void **state)
{
	(void)state;
	vita_tensor x = f32(SHAPE(2, 3), F(1, 2, 3, 4, 5, 6)), w = f32(SHAPE(2, 3), F(1, 0, -1, 2, 1, 0));
	vita_tensor bias = f32(SHAPE(2), F(1, -5)), residual = f32(SHAPE(2, 2), F(10, 20, 30, 40));
	vita_tensor y = empty(VITA_F32, SHAPE(2, 2));
	vita_matmul(r, &x, &w, &bias, &residual, VITA_UNARY_RELU, &y);
	expect_f32(&y, F(10, 20, 30, 48), 0);
	vita_matmul(r, &x, &w, &bias, &residual, VITA_UNARY_RELU, &residual); /* in place */
	expect_f32(&residual, F(10, 20, 30, 48), 0);
	vita_matmul(r, &x, &w, &bias, NULL, VITA_UNARY_SIGMOID,
	            &y); /* sigmoid(-1) = 0.26894, sigmoid(8) = 0.99966 */
	expect_f32(&y, F(0.26894142f, 0.26894142f, 0.26894142f, 0.99966465f), 1e-7);
}

/* Two planes of x with a w each, and with one w for both; rows with gaps. */
static void batches_and_gaps(void **state)
{
	(void)state;
	vita_tensor x = gappy(SHAPE(2, 1, 2), 3, F(1, 2, 3, 4)), y = gappy(SHAPE(2, 1, 2), 1, NULL);
	vita_tensor w = gappy(SHAPE(2, 2, 2), 5, F(1, 1, 1, -1, 2, 0, 0, 2)), one;
	vita_matmul(r, &x, &w, NULL, NULL, VITA_UNARY_NONE, &y);
	expect_f32(&y, F(3, -1, 6, 8), 0); /* [1 2]·[1 1; 1 -1]ᵀ, [3 4]·[2 0; 0 2]ᵀ */
	one = vita_slice(&w, 0, 0, 1);
	one = vita_view(one.buffer, one.offset, VITA_F32, 2, 2, 2, 1, 1);
	one.stride[0] = w.stride[1];
	vita_matmul(r, &x, &one, NULL, NULL, VITA_UNARY_NONE, &y);
	expect_f32(&y, F(3, -1, 7, -1), 0);
}

/* w[0] = 1 … 1, w[1] = (0, 1, 2, …) in each type: x = 1 gives n and n (n - 1) / 2. */
static void every_plain_weight_type(void **state)
{
	(void)state;
	const uint32_t types[] = { VITA_F32, VITA_F16, VITA_BF16 };
	float values[80], ones[40];
	for (int i = 0; i < 40; i++) values[i] = ones[i] = 1, values[40 + i] = (float)i;
	for (size_t t = 0; t < 3; t++) {
		vita_tensor x = f32(SHAPE(1, 40), ones), w = dense(types[t], SHAPE(2, 40), values);
		vita_tensor y = empty(VITA_F32, SHAPE(1, 2));
		vita_matmul(r, &x, &w, NULL, NULL, VITA_UNARY_NONE, &y);
		expect_f32(&y, F(40, 780), 0);
	}
}

/* A weight of one block type, its bytes given, times ones. */
static void times_ones(uint32_t dtype, const void *blocks, int64_t rows, int64_t k, const float *expected)
{
	float ones[512];
	vita_tensor w = empty(dtype, SHAPE(rows, k)), x, y = empty(VITA_F32, SHAPE(1, rows));

	for (int i = 0; i < 512; i++) ones[i] = 1;
	x = f32(SHAPE(1, k), ones);
	assert_int_equal(
		device.api->write(device.self, &w, blocks, (uint64_t)(rows * vita_row_bytes(dtype, k)), NULL),
		0);
	vita_matmul(r, &x, &w, NULL, NULL, VITA_UNARY_NONE, &y);
	expect_f32(&y, expected, 0);
}

static void every_block_weight_type(void **state)
{
	(void)state;
	vita_block_q8_0 q8[4] = { { { 0x00, 0x38 }, { 4, 2 } },
		                  { { 0x00, 0x3c }, { 7 } },
		                  { { 0, 0 }, { 1 } },
		                  { { 0x00, 0xbc }, { 1, 1 } } };
	vita_block_q4_0 q4 = { { 0x00, 0x3c }, { 0 } };
	vita_block_q4_1 q41 = { { 0x00, 0x3c }, { 0x00, 0x38 }, { 0x21 } };
	vita_block_q4_k q4k;
	vita_block_q6_k q6k;

	times_ones(VITA_Q8_0, q8, 2, 64, F(0.5f * 6 + 7, -2));
	q4.nibbles[0] = 0x2a;
	times_ones(VITA_Q4_0, &q4, 1, 32, F(30 * -8 + 2 - 6)); /* 30 values of -8, 10 - 8, 2 - 8 */
	times_ones(VITA_Q4_1, &q41, 1, 32, F(3 + 32 * 0.5f));
	memset(&q4k, 0, sizeof q4k);
	q4k.d[1] = 0x3c, q4k.dmin[1] = 0x3c, q4k.scales[0] = 2, q4k.scales[4] = 1, q4k.nibbles[9] = 5;
	times_ones(VITA_Q4_K, &q4k, 1, 256, F(2 * 5 - 32)); /* sub-block 0: 2 · 5, and 32 minima of 1 */
	memset(&q6k, 0, sizeof q6k);
	q6k.d[1] = 0x3c, q6k.scales[3] = 3, q6k.nibbles[16 + 32] = 9;
	times_ones(VITA_Q6_K, &q6k, 1, 256, F(3 * (16 * -32 + 9))); /* 16 values of -32, one of them 9 more */
}

/* heads.verify = exact relies on this: a row's product is the same bits alone and in any block. */
static void rows_do_not_depend_on_their_neighbours(void **state)
{
	(void)state;
	enum { N = 70, K = 300, M = 9 };
	float *x_values = malloc(sizeof(float) * N * K), *w_values = malloc(sizeof(float) * M * K),
	      together[N * M];
	vita_tensor x, w, y = empty(VITA_F32, SHAPE(N, M)), one = empty(VITA_F32, SHAPE(1, M));

	assert_true(x_values && w_values);
	for (int i = 0; i < N * K; i++) x_values[i] = sinf((float)i * 0.7f);
	for (int i = 0; i < M * K; i++) w_values[i] = cosf((float)i * 0.3f);
	x = f32(SHAPE(N, K), x_values);
	w = dense(VITA_BF16, SHAPE(M, K), w_values);
	vita_matmul(r, &x, &w, NULL, NULL, VITA_UNARY_GELU, &y);
	succeed();
	assert_int_equal(device.api->read(device.self, &y, together, sizeof together, NULL), 0);
	for (int i = 0; i < N; i++) {
		vita_tensor row = vita_slice(&x, 0, i, 1);
		vita_matmul(r, &row, &w, NULL, NULL, VITA_UNARY_GELU, &one);
		expect_bytes(&one, together + i * M, M * sizeof(float));
	}
	free(x_values);
	free(w_values);
}

/* k = 0 is a sum of nothing; n = 0 and m = 0 have nothing to write. */
static void sizes_of_zero(void **state)
{
	(void)state;
	vita_tensor x = empty(VITA_F32, SHAPE(2, 0)), w = empty(VITA_F32, SHAPE(3, 0));
	vita_tensor bias = f32(SHAPE(3), F(1, 2, 3)), y = empty(VITA_F32, SHAPE(2, 3));
	vita_matmul(r, &x, &w, &bias, NULL, VITA_UNARY_NONE, &y);
	expect_f32(&y, F(1, 2, 3, 1, 2, 3), 0);
	vita_tensor no_rows = empty(VITA_F32, SHAPE(0, 0)), no_y = empty(VITA_F32, SHAPE(0, 3));
	vita_matmul(r, &no_rows, &w, &bias, NULL, VITA_UNARY_NONE, &no_y);
	succeed();
}

static void refusals_of_matmul(void **state)
{
	(void)state;
	vita_tensor x = empty(VITA_F32, SHAPE(2, 3)), w = empty(VITA_F32, SHAPE(4, 3));
	vita_tensor y = empty(VITA_F32, SHAPE(2, 4));
	vita_tensor w5 = empty(VITA_F32, SHAPE(4, 5)), i = empty(VITA_I32, SHAPE(4, 3));
	vita_tensor v = empty(VITA_F32, SHAPE(3));
	vita_tensor y3 = empty(VITA_F32, SHAPE(2, 3)), w3 = empty(VITA_F32, SHAPE(2, 4, 3));
	vita_tensor half = empty(VITA_F16, SHAPE(2, 3)), bent = vita_transpose(&w5, 0, 1);

	vita_matmul(r, &x, &w5, NULL, NULL, 0, &y);
	fail_with(VITA_E_SHAPE, "MATMUL: w is f32 [4, 5], expected f32 [4, 3]");
	vita_matmul(r, &x, &i, NULL, NULL, 0, &y);
	fail_with(VITA_E_UNSUPPORTED, "w is i32 [4, 3], expected f32 or f16 or bf16 or q8_0");
	vita_matmul(r, &half, &w, NULL, NULL, 0, &y);
	fail_with(VITA_E_UNSUPPORTED, "x is f16 [2, 3], expected f32");
	vita_matmul(r, &v, &w, NULL, NULL, 0, &y);
	fail_with(VITA_E_SHAPE, "x has rank 1, expected 2 to 4");
	vita_matmul(r, &x, &w3, NULL, NULL, 0, &y);
	fail_with(VITA_E_SHAPE, "w is f32 [2, 4, 3], expected f32 [4, 3]");
	vita_matmul(r, &x, &w, NULL, NULL, 0, &y3);
	fail_with(VITA_E_SHAPE, "y is f32 [2, 3], expected f32 [2, 4]");
	vita_matmul(r, &x, &w, &v, NULL, 0, &y);
	fail_with(VITA_E_SHAPE, "bias is f32 [3], expected f32 [4]");
	vita_matmul(r, &x, &w, NULL, &x, 0, &y);
	fail_with(VITA_E_SHAPE, "residual is f32 [2, 3], expected f32 [2, 4]");
	vita_matmul(r, &x, &w, NULL, NULL, VITA_UNARY_SNAKE, &y);
	fail_with(VITA_E_INVALID, "activation is 10");
	vita_matmul(r, &x, &w, NULL, NULL, 99, &y);
	fail_with(VITA_E_INVALID, "activation is 99");
	vita_matmul(r, &x, &bent, NULL, NULL, 0, &y);
	fail_with(VITA_E_SHAPE, "input 1 has stride 20 in its innermost dimension, expected 4");
}

static void gather_takes_rows(void **state)
{
	(void)state;
	vita_tensor table = gappy(SHAPE(3, 2), 1, F(1, 2, 3, 4, 5, 6)), ids = i32(SHAPE(4), I(2, 0, 2, 1));
	vita_tensor y = gappy(SHAPE(4, 2), 2, NULL);
	vita_tensor half = dense(VITA_F16, SHAPE(2, 3), F(1, 2, 3, 4, 5, 6.5f));
	vita_gather(r, &table, &ids, &y);
	expect_f32(&y, F(5, 6, 1, 2, 5, 6, 3, 4), 0);
	vita_tensor last = i32(SHAPE(1), I(1)), one = empty(VITA_F32, SHAPE(1, 3));
	vita_gather(r, &half, &last, &one);
	expect_f32(&one, F(4, 5, 6.5f), 0);
	float quantised[64] = { 127, 1, [32] = 0, -127, 2 }; /* steps of 1 in both rows */
	vita_tensor q = dense(VITA_Q8_0, SHAPE(2, 32), quantised), row = empty(VITA_F32, SHAPE(1, 32));
	vita_gather(r, &q, &last, &row);
	expect_f32(&row, quantised + 32, 0);
}

static void scatter_puts_rows(void **state)
{
	(void)state;
	vita_tensor y = f32(SHAPE(4, 2), F(0, 0, 1, 1, 2, 2, 3, 3)), ids = i32(SHAPE(3), I(3, 1, 3));
	vita_tensor x = gappy(SHAPE(3, 2), 1, F(10, 11, 20, 21, 30, 31));
	vita_scatter(r, &x, &ids, &y);
	expect_f32(&y, F(0, 0, 20, 21, 2, 2, 30, 31), 0); /* the last of equal ids wins */
	vita_tensor half = dense(VITA_F16, SHAPE(4, 2), F(0, 0, 1, 1, 2, 2, 3, 3));
	vita_tensor fine = f32(SHAPE(1, 2), F(2049, 1e9f)), one = i32(SHAPE(1), I(0));
	vita_scatter(r, &fine, &one, &half); /* 2049 lies between the halves 2048 and 2050: to even */
	expect_bytes(&half, (uint16_t[]){ 0x6800, 0x7c00, 0x3c00, 0x3c00, 0x4000, 0x4000, 0x4200, 0x4200 },
	             16);
	vita_tensor brain = dense(VITA_BF16, SHAPE(1, 2), F(0, 0));
	vita_tensor bx = f32(SHAPE(1, 2), F(1, -2));
	vita_scatter(r, &bx, &one, &brain);
	expect_bytes(&brain, (uint16_t[]){ 0x3f80, 0xc000 }, 4);
}

static void refusals_of_rows(void **state)
{
	(void)state;
	vita_tensor table = empty(VITA_F32, SHAPE(3, 2)), y = f32(SHAPE(2, 2), F(1, 2, 3, 4));
	vita_tensor high = i32(SHAPE(2), I(0, 3)), low = i32(SHAPE(2), I(-1, 0));
	vita_tensor ids = i32(SHAPE(2), I(0, 1));
	vita_tensor floats = empty(VITA_F32, SHAPE(2)), three = i32(SHAPE(3), I(0, 1, 2));
	vita_tensor q8 = empty(VITA_Q8_0, SHAPE(2, 32)), x32 = empty(VITA_F32, SHAPE(2, 32));

	vita_gather(r, &table, &high, &y);
	fail_with(VITA_E_INVALID, "GATHER: ids[1] is 3, expected 0 to 2");
	vita_gather(r, &table, &low, &y);
	fail_with(VITA_E_INVALID, "ids[0] is -1");
	vita_gather(r, &table, &floats, &y);
	fail_with(VITA_E_UNSUPPORTED, "ids is f32 [2], expected i32");
	vita_gather(r, &table, &three, &y);
	fail_with(VITA_E_SHAPE, "y is f32 [2, 2], expected f32 [3, 2]");
	vita_gather(r, &ids, &ids, &y);
	fail_with(VITA_E_SHAPE, "table has rank 1, expected 2");
	vita_tensor x = f32(SHAPE(2, 2), F(9, 9, 9, 9)), bad = i32(SHAPE(2), I(0, 2));
	vita_scatter(r, &x, &bad, &y);
	fail_with(VITA_E_INVALID, "SCATTER: ids[1] is 2, expected 0 to 1");
	expect_f32(&y, F(1, 2, 3, 4), 0); /* not half done */
	vita_scatter(r, &x32, &ids, &q8);
	fail_with(VITA_E_UNSUPPORTED, "y is q8_0 [2, 32]");
	vita_scatter(r, &x, &three, &y);
	fail_with(VITA_E_SHAPE, "x is f32 [2, 2], expected f32 [3, 2]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(product),
		TEST(bias_then_activation_then_residual),
		TEST(batches_and_gaps),
		TEST(every_plain_weight_type),
		TEST(every_block_weight_type),
		TEST(rows_do_not_depend_on_their_neighbours),
		TEST(sizes_of_zero),
		TEST(refusals_of_matmul),
		TEST(gather_takes_rows),
		TEST(scatter_puts_rows),
		TEST(refusals_of_rows),
	};
	return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
