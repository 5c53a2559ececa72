/* SPDX-License-Identifier: MIT
 *
 * Reference backend: ROPE and ATTENTION by hand.
 */
#include "fixture.h"

/* theta = 1: every pair turns by its position. cos 1 = 0.54030231, sin 1 = 0.84147098. */
static void rope_turns_pairs(void **state)
{
	(void)state;
	const float c = 0.54030231f, s = 0.84147098f;
	vita_rope_params p = { sizeof p, VITA_ROPE_HALF, 4, 0, 1, 1 };
	vita_tensor x = gappy(SHAPE(2, 1, 5), 1, F(1, 0, 0, 1, 7, 1, 2, 3, 4, 8));
	vita_tensor y = empty(VITA_F32, SHAPE(2, 1, 5));
	vita_tensor positions = i32(SHAPE(2), I(1, 0));
	vita_rope(r, &x, &positions, NULL, &p, &y); /* pairs (0, 2) and (1, 3); the fifth value is copied */
	expect_f32(&y, F(c, -s, s, c, 7, 1, 2, 3, 4, 8), 1e-7);
	p.style = VITA_ROPE_INTERLEAVED; /* pairs (0, 1) and (2, 3) */
	vita_rope(r, &x, &positions, NULL, &p, &y);
	expect_f32(&y, F(c, s, -s, c, 7, 1, 2, 3, 4, 8), 1e-7);
	vita_rope(r, &x, &positions, NULL, &p, &x);
	expect_f32(&x, F(c, s, -s, c, 7, 1, 2, 3, 4, 8), 1e-7);
}

/* The angle of pair j: position · scale · theta^(-2j / n) / factor[j]; with theta 16, n = 4: 16^(-1/2) = 1/4.
 * x is (1, 0) in each pair, so that y is (cos, sin). */
static void rope_angles(void **state)
{
	(void)state;
	vita_rope_params p = { sizeof p, VITA_ROPE_INTERLEAVED, 4, 0, 16, 0.5 };
	vita_tensor x = f32(SHAPE(1, 2, 4), F(1, 0, 1, 0, 1, 0, 1, 0)), y = empty(VITA_F32, SHAPE(1, 2, 4));
	vita_tensor positions = i32(SHAPE(1), I(12)), factor = f32(SHAPE(2), F(2, 5));
	float a = 12 * 0.5f, b = 12 * 0.5f / 4;
	vita_rope(r, &x, &positions, NULL, &p, &y);
	expect_f32(&y, F(cosf(a), sinf(a), cosf(b), sinf(b), cosf(a), sinf(a), cosf(b), sinf(b)), 1e-6);
	vita_rope(r, &x, &positions, &factor, &p, &y);
	a /= 2, b /= 5;
	expect_f32(&y, F(cosf(a), sinf(a), cosf(b), sinf(b), cosf(a), sinf(a), cosf(b), sinf(b)), 1e-6);
}

static void refusals_of_rope(void **state)
{
	(void)state;
	vita_rope_params p = { sizeof p, VITA_ROPE_HALF, 4, 0, 10000, 1 };
	vita_tensor x = empty(VITA_F32, SHAPE(2, 1, 4)), y = empty(VITA_F32, SHAPE(2, 1, 4));
	vita_tensor flat = empty(VITA_F32, SHAPE(2, 4));
	vita_tensor positions = i32(SHAPE(2), I(0, 1)), three = i32(SHAPE(3), I(0, 1, 2));
	vita_tensor floats = empty(VITA_F32, SHAPE(2));

	vita_rope(r, &x, &three, NULL, &p, &y);
	fail_with(VITA_E_SHAPE, "ROPE: positions is i32 [3], expected i32 [2]");
	vita_rope(r, &x, &floats, NULL, &p, &y);
	fail_with(VITA_E_UNSUPPORTED, "positions is f32 [2], expected i32");
	vita_rope(r, &flat, &positions, NULL, &p, &flat);
	fail_with(VITA_E_SHAPE, "x has rank 2, expected 3");
	vita_rope(r, &x, &positions, &(vita_tensor){ 0 }, &p, &y);
	fail_with(VITA_E_INVALID, "input 2 has struct_size 0");
	floats = empty(VITA_F32, SHAPE(3));
	vita_rope(r, &x, &positions, &floats, &p, &y);
	fail_with(VITA_E_SHAPE, "factor is f32 [3], expected f32 [2]");
	p.n_rotated = 3;
	vita_rope(r, &x, &positions, NULL, &p, &y);
	fail_with(VITA_E_INVALID, "n_rotated is 3, expected an even number up to 4");
	p.n_rotated = 6;
	vita_rope(r, &x, &positions, NULL, &p, &y);
	fail_with(VITA_E_INVALID, "n_rotated is 6");
	p.n_rotated = 4, p.style = 2;
	vita_rope(r, &x, &positions, NULL, &p, &y);
	fail_with(VITA_E_INVALID, "style is 2");
	p.style = 0, p.theta = 0;
	vita_rope(r, &x, &positions, NULL, &p, &y);
	fail_with(VITA_E_INVALID, "theta is 0");
}

/* Keys 0 and ln 3 for the query 1: weights 1 : 3 where both are seen. */
#define LN3 1.0986123f

static void attention_masks(void **state)
{
	(void)state;
	vita_tensor q = f32(SHAPE(2, 1, 1), F(1, 1)), y = empty(VITA_F32, SHAPE(2, 1, 1));
	vita_tensor k = f32(SHAPE(3, 1, 1), F(0, LN3, 0)), v = f32(SHAPE(3, 1, 1), F(4, 8, 100));
	vita_attention(r, &q, &k, &v, NULL, VITA_MASK_FULL, 0, 1, &y); /* (4 + 3 · 8 + 100) / 5 */
	expect_f32(&y, F(25.6f, 25.6f), 1e-6);
	vita_attention(r, &q, &k, &v, NULL, VITA_MASK_CAUSAL, 0, 1, &y); /* the first query sees two keys */
	expect_f32(&y, F(7, 25.6f), 1e-6);
	vita_attention(r, &q, &k, &v, NULL, VITA_MASK_BLOCK_CAUSAL, 2, 1,
	               &y); /* position 1: block 0; 2: block 1 */
	expect_f32(&y, F(7, 25.6f), 1e-6);
	vita_attention(r, &q, &k, &v, NULL, VITA_MASK_BLOCK_CAUSAL, 3, 1, &y); /* all in block 0 */
	expect_f32(&y, F(25.6f, 25.6f), 1e-6);
	vita_attention(r, &q, &k, &v, NULL, VITA_MASK_CAUSAL, 0, 2, &y); /* 2 ln 3: 1 : 9 */
	expect_f32(&y, F(7.6f, (4 + 72 + 100) / 11.0f), 1e-6);
}

/* More queries than keys: those before the first key see nothing and are 0. */
static void queries_before_all_keys(void **state)
{
	(void)state;
	vita_tensor q = f32(SHAPE(3, 1, 1), F(1, 1, 1)), y = empty(VITA_F32, SHAPE(3, 1, 1));
	vita_tensor k = f32(SHAPE(1, 1, 1), F(2)), v = f32(SHAPE(1, 1, 1), F(5));
	vita_tensor none = empty(VITA_F32, SHAPE(0, 1, 1));
	vita_attention(r, &q, &k, &v, NULL, VITA_MASK_CAUSAL, 0, 1, &y);
	expect_f32(&y, F(0, 0, 5), 0);
	vita_attention(r, &q, &k, &v, NULL, VITA_MASK_BLOCK_CAUSAL, 2, 1, &y);
	expect_f32(&y, F(0, 0, 5), 0);
	vita_attention(r, &q, &none, &none, NULL, VITA_MASK_FULL, 0, 1, &y);
	expect_f32(&y, F(0, 0, 0), 0);
}

static void attention_bias(void **state)
{
	(void)state;
	vita_tensor q = f32(SHAPE(1, 2, 1), F(0, 0)), y = empty(VITA_F32, SHAPE(1, 2, 1));
	vita_tensor k = f32(SHAPE(2, 1, 1), F(1, 1)), v = f32(SHAPE(2, 1, 1), F(4, 8));
	vita_tensor shared = gappy(SHAPE(1, 1, 2), 1, F(0, LN3));
	vita_tensor each = f32(SHAPE(2, 1, 2), F(0, -INFINITY, -INFINITY, -INFINITY));
	vita_attention(r, &q, &k, &v, &shared, VITA_MASK_FULL, 0, 1, &y);
	expect_f32(&y, F(7, 7), 1e-6);
	vita_attention(r, &q, &k, &v, &each, VITA_MASK_FULL, 0, 1, &y);
	expect_f32(&y, F(4, 0), 0);
	/* What a hidden key holds does not matter, be it NaN. */
	vita_tensor bad = f32(SHAPE(2, 1, 1), F(4, NAN));
	vita_attention(r, &q, &bad, &bad, &each, VITA_MASK_FULL, 0, 1, &y);
	expect_f32(&y, F(4, 0), 0);
	vita_attention(r, &q, &bad, &bad, NULL, VITA_MASK_FULL, 0, 1, &y);
	expect_f32(&y, F(NAN, NAN), 0);
}

/* 4 heads on 2 key-value heads: 0 and 1 read the first, 2 and 3 the second. One key: y = v. The cache is a
 * view with gaps, [n_k, kv_heads, d] within [n_k, kv_heads · d + 1]. */
static void grouped_heads_and_a_strided_cache(void **state)
{
	(void)state;
	vita_tensor q = f32(SHAPE(1, 4, 2), F(1, 2, 3, 4, 5, 6, 7, 8)), y = gappy(SHAPE(1, 4, 2), 2, NULL);
	vita_tensor wide = gappy(SHAPE(1, 4), 1, F(10, 11, 20, 21)), cache = vita_split(&wide, 2, 2);
	vita_attention(r, &q, &cache, &cache, NULL, VITA_MASK_CAUSAL, 0, 1, &y);
	expect_f32(&y, F(10, 11, 10, 11, 20, 21, 20, 21), 0);
}

static void every_cache_type(void **state)
{
	(void)state;
	const uint32_t types[] = { VITA_F32, VITA_F16, VITA_BF16, VITA_Q8_0 };
	float q_values[32] = { 1 }, k_values[64] = { 0, [32] = LN3 }, v_values[64], expected[32];
	for (int i = 0; i < 32; i++) v_values[i] = 4, v_values[32 + i] = 8, expected[i] = 7;
	for (size_t t = 0; t < 4; t++) {
		vita_tensor q = f32(SHAPE(1, 1, 32), q_values), y = empty(VITA_F32, SHAPE(1, 1, 32));
		vita_tensor k = dense(types[t], SHAPE(2, 1, 32), k_values);
		vita_tensor v = dense(types[3 - t], SHAPE(2, 1, 32), v_values);
		vita_attention(r, &q, &k, &v, NULL, VITA_MASK_CAUSAL, 0, 1, &y);
		expect_f32(&y, expected, 1e-3); /* bf16: ln 3 is 1.1016, weights 1 : 3.009 */
	}
}

/* A query's result is the same bits alone and in a block: heads.verify = exact relies on it. */
static void queries_do_not_depend_on_their_neighbours(void **state)
{
	(void)state;
	enum { N = 20, H = 2, D = 24 };
	float values[N * H * D], together[N * H * D];
	vita_tensor q, k, y = empty(VITA_F32, SHAPE(N, H, D)), one = empty(VITA_F32, SHAPE(1, H, D));
	for (int i = 0; i < N * H * D; i++) values[i] = 2 * sinf((float)i * 1.7f);
	q = f32(SHAPE(N, H, D), values);
	k = dense(VITA_F16, SHAPE(N, 1, D), values);
	vita_attention(r, &q, &k, &k, NULL, VITA_MASK_CAUSAL, 0, 0.2, &y);
	succeed();
	assert_int_equal(device.api->read(device.self, &y, together, sizeof together, NULL), 0);
	for (int i = 0; i < N; i++) {
		vita_tensor query = vita_slice(&q, 0, i, 1), keys = vita_slice(&k, 0, 0, i + 1);
		vita_attention(r, &query, &keys, &keys, NULL, VITA_MASK_CAUSAL, 0, 0.2, &one);
		expect_bytes(&one, together + i * H * D, H * D * sizeof(float));
	}
}

static void refusals_of_attention(void **state)
{
	(void)state;
	vita_tensor q = empty(VITA_F32, SHAPE(2, 4, 8)), y = empty(VITA_F32, SHAPE(2, 4, 8));
	vita_tensor k = empty(VITA_F32, SHAPE(5, 2, 8));
	vita_tensor k3 = empty(VITA_F32, SHAPE(5, 3, 8)), k0 = empty(VITA_F32, SHAPE(5, 0, 8));
	vita_tensor k6 = empty(VITA_F32, SHAPE(5, 2, 6));
	vita_tensor longer = empty(VITA_F32, SHAPE(6, 2, 8)), q4 = empty(VITA_Q4_0, SHAPE(5, 2, 32));
	vita_tensor bias = empty(VITA_F32, SHAPE(3, 2, 5)), y3 = empty(VITA_F32, SHAPE(3, 4, 8));

	vita_attention(r, &q, &k3, &k3, NULL, VITA_MASK_FULL, 0, 1, &y);
	fail_with(VITA_E_SHAPE, "ATTENTION: 4 heads are no multiple of 3 key-value heads");
	vita_attention(r, &q, &k0, &k0, NULL, VITA_MASK_FULL, 0, 1, &y);
	fail_with(VITA_E_SHAPE, "no multiple of 0");
	vita_attention(r, &q, &k6, &k6, NULL, VITA_MASK_FULL, 0, 1, &y);
	fail_with(VITA_E_SHAPE, "k is f32 [5, 2, 6], expected f32 [5, 2, 8]");
	vita_attention(r, &q, &k, &longer, NULL, VITA_MASK_FULL, 0, 1, &y);
	fail_with(VITA_E_SHAPE, "v is f32 [6, 2, 8], expected f32 [5, 2, 8]");
	vita_attention(r, &q, &q4, &q4, NULL, VITA_MASK_FULL, 0, 1, &y);
	fail_with(VITA_E_UNSUPPORTED, "k is q4_0 [5, 2, 32], expected f32 or f16 or bf16 or q8_0");
	vita_attention(r, &q, &k, &k, &bias, VITA_MASK_FULL, 0, 1, &y);
	fail_with(VITA_E_SHAPE, "bias is f32 [3, 2, 5], expected f32 [4, 2, 5]");
	vita_attention(r, &q, &k, &k, NULL, VITA_MASK_FULL, 0, 1, &y3);
	fail_with(VITA_E_SHAPE, "y is f32 [3, 4, 8], expected f32 [2, 4, 8]");
	vita_attention(r, &q, &k, &k, NULL, 3, 0, 1, &y);
	fail_with(VITA_E_INVALID, "mask is 3");
	vita_attention(r, &q, &k, &k, NULL, VITA_MASK_BLOCK_CAUSAL, 0, 1, &y);
	fail_with(VITA_E_INVALID, "block is 0");
	vita_attention(r, &q, &k, &k, NULL, VITA_MASK_FULL, 0, 1, &q);
	fail_with(VITA_E_INVALID, "output 0 overlaps input 0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(rope_turns_pairs),
		TEST(rope_angles),
		TEST(refusals_of_rope),
		TEST(attention_masks),
		TEST(queries_before_all_keys),
		TEST(attention_bias),
		TEST(grouped_heads_and_a_strided_cache),
		TEST(every_cache_type),
		TEST(queries_do_not_depend_on_their_neighbours),
		TEST(refusals_of_attention),
	};
	return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
