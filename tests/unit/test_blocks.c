/* SPDX-License-Identifier: MIT
 *
 * vita/blocks.h: half precision conversions over all halves, and each block type against values worked
 * out by hand from the layout in the header.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <vita/blocks.h>

/* The definition of binary16: sign, 5 bits of exponent with bias 15, 10 bits of fraction. */
static float half_by_definition(uint16_t half)
{
	int exponent = half >> 10 & 31, fraction = half & 1023;
	double value = exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25);
	return (float)(half & 0x8000 ? -value : value);
}

static void every_half_is_exact_and_comes_back(void **state)
{
	(void)state;
	for (uint32_t h = 0; h < 0x10000; h++) {
		float value = vita_f16_to_f32((uint16_t)h);
		if ((h & 0x7fff) > 0x7c00) {
			assert_true(isnan(value));
			assert_int_equal(vita_f32_to_f16(value), h | 0x200);
			continue;
		}
		if ((h & 0x7fff) == 0x7c00)
			assert_true(isinf(value) && !signbit(value) == !(h & 0x8000));
		else
			assert_int_equal(vita_f32_bits(value),
			                 vita_f32_bits(half_by_definition((uint16_t)h)));
		assert_int_equal(vita_f32_to_f16(value), h);
	}
}

/* Half way between two halves the even one wins, and one step of a float decides either way. */
static void f16_rounds_to_nearest_even(void **state)
{
	(void)state;
	for (uint16_t h = 0; h < 0x7bff; h++) {
		float middle = (half_by_definition(h) + half_by_definition((uint16_t)(h + 1))) / 2;
		uint16_t even = (uint16_t)(h & 1 ? h + 1 : h);
		assert_int_equal(vita_f32_to_f16(middle), even);
		assert_int_equal(vita_f32_to_f16(-middle), even | 0x8000);
		assert_int_equal(vita_f32_to_f16(nextafterf(middle, 0)), h);
		assert_int_equal(vita_f32_to_f16(nextafterf(middle, INFINITY)), h + 1);
	}
	assert_int_equal(vita_f32_to_f16(65519.996f), 0x7bff); /* below 65520: the largest half, 65504 */
	assert_int_equal(vita_f32_to_f16(65520), 0x7c00);
	assert_int_equal(vita_f32_to_f16(3e38f), 0x7c00);
	assert_int_equal(vita_f32_to_f16(-INFINITY), 0xfc00);
	assert_int_equal(vita_f32_to_f16(1e-40f), 0);
}

static void bf16_rounds_to_nearest_even(void **state)
{
	(void)state;
	assert_int_equal(vita_f32_to_bf16(1.0f), 0x3f80);
	assert_int_equal(vita_f32_to_bf16(vita_f32_from_bits(0x3f808000)), 0x3f80); /* tie, even below */
	assert_int_equal(vita_f32_to_bf16(vita_f32_from_bits(0x3f818000)), 0x3f82); /* tie, even above */
	assert_int_equal(vita_f32_to_bf16(vita_f32_from_bits(0x3f808001)), 0x3f81);
	assert_int_equal(vita_f32_to_bf16(vita_f32_from_bits(0x7f7fffff)), 0x7f80); /* overflow */
	assert_int_equal(vita_f32_to_bf16(vita_f32_from_bits(0x7f800001)), 0x7fc0); /* a NaN, not infinity */
	assert_int_equal(vita_f32_to_bf16(vita_f32_from_bits(0xffffffff)), 0xffff);
	for (uint32_t b = 0; b < 0x10000; b++) {
		uint16_t back = vita_f32_to_bf16(vita_bf16_to_f32((uint16_t)b));
		assert_int_equal(back, (b & 0x7fff) > 0x7f80 ? b | 0x40 : b);
	}
}

/* d = 0.5 (half 0x3800). */
static void q8_0_by_hand(void **state)
{
	(void)state;
	vita_block_q8_0 block = { { 0x00, 0x38 }, { 0 } };
	float out[32];
	block.q[0] = -128;
	block.q[31] = 127;
	block.q[5] = 3;
	vita_q8_0_to_f32(&block, out);
	assert_float_equal(out[0], -64, 0);
	assert_float_equal(out[5], 1.5, 0);
	assert_float_equal(out[6], 0, 0);
	assert_float_equal(out[31], 63.5, 0);
}

static void q4_0_and_q4_1_by_hand(void **state)
{
	(void)state;
	float out[32];
	vita_block_q4_0 b0 = { { 0x00, 0x40 }, { 0 } };                 /* d = 2 */
	vita_block_q4_1 b1 = { { 0x00, 0x40 }, { 0x00, 0xbc }, { 0 } }; /* d = 2, m = -1 */
	b0.nibbles[0] = b1.nibbles[0] = 0xf3;                           /* value 0: 3, value 16: 15 */
	b0.nibbles[15] = b1.nibbles[15] = 0x08;
	vita_q4_0_to_f32(&b0, out);
	assert_float_equal(out[0], -10, 0); /* 2 (3 - 8) */
	assert_float_equal(out[16], 14, 0); /* 2 (15 - 8) */
	assert_float_equal(out[15], 0, 0);
	assert_float_equal(out[31], -16, 0); /* 2 (0 - 8) */
	vita_q4_1_to_f32(&b1, out);
	assert_float_equal(out[0], 5, 0); /* 2 · 3 - 1 */
	assert_float_equal(out[16], 29, 0);
	assert_float_equal(out[15], 15, 0);
	assert_float_equal(out[31], -1, 0);
}

static void q4_k_by_hand(void **state)
{
	(void)state;
	float out[256];
	vita_block_q4_k block;
	memset(&block, 0, sizeof block);
	block.d[1] = 0x3c;             /* 1 */
	block.dmin[1] = 0x38;          /* 0.5 */
	block.scales[1] = 0xc0 | 5;    /* scale[1] = 5, upper bits of scale[5] = 3 */
	block.scales[5] = 0x40 | 20;   /* minimum[1] = 20, upper bits of minimum[5] = 1 */
	block.scales[9] = 0x9a;        /* lower bits: scale[5] = 10, minimum[5] = 9 */
	block.nibbles[2] = 0x70;       /* sub-block 0, value 2: 0; sub-block 1, value 2: 7 */
	block.nibbles[64 + 31] = 0xb0; /* sub-block 5, value 31: 11 */
	vita_q4_k_to_f32(&block, out);
	assert_float_equal(out[2], 0, 0);
	assert_float_equal(out[32 + 2], 25, 0); /* 5 · 7 - 0.5 · 20 */
	assert_float_equal(out[32 + 3], -10, 0);
	assert_float_equal(out[160 + 31], 625.5, 0); /* (48 + 10) 11 - 0.5 (16 + 9) */
	assert_float_equal(out[160], -12.5, 0);
	assert_float_equal(out[255], 0, 0);
}

static void q6_k_by_hand(void **state)
{
	(void)state;
	float out[256];
	vita_block_q6_k block;
	memset(&block, 0, sizeof block);
	block.d[1] = 0x3c; /* 1 */
	for (int i = 0; i < 16; i++) block.scales[i] = (int8_t)(i % 2 ? -i : i + 1);
	block.nibbles[3] = 0x5a;       /* value 3: 10; value 67: 5 */
	block.nibbles[32 + 3] = 0xc1;  /* value 35: 1; value 99: 12 */
	block.pairs[3] = 0xe4;         /* pairs 0, 1, 2, 3 from the lowest */
	block.nibbles[64 + 16] = 0x0f; /* second half, value 16: 15 */
	block.pairs[32 + 16] = 0x02;   /* and its pair: 2 */
	vita_q6_k_to_f32(&block, out);
	assert_float_equal(out[3], -22, 0);       /* scale[0] = 1: 10 - 32 */
	assert_float_equal(out[35], 3 * -15, 0);  /* scale[2] = 3: 1 + 16 - 32 */
	assert_float_equal(out[67], 5 * 5, 0);    /* scale[4] = 5: 5 + 32 - 32 */
	assert_float_equal(out[99], 7 * 28, 0);   /* scale[6] = 7: 12 + 48 - 32 */
	assert_float_equal(out[144], -9 * 15, 0); /* scale[9] = -9: 15 + 32 - 32 */
	assert_float_equal(out[255], -15 * -32, 0);
}

static void q8_0_quantises_to_the_nearest_step(void **state)
{
	(void)state;
	float in[32] = { 127, -127, 1.5f, -2.5f, 0.49f, 3.51f, NAN }, out[32];
	vita_block_q8_0 block;
	vita_q8_0_from_f32(in, &block);
	assert_int_equal(block.d[1] << 8 | block.d[0], 0x3c00);
	assert_int_equal(block.q[0], 127);
	assert_int_equal(block.q[1], -127);
	assert_int_equal(block.q[2], 2);
	assert_int_equal(block.q[3], -3);
	assert_int_equal(block.q[4], 0);
	assert_int_equal(block.q[5], 4);
	assert_int_equal(block.q[6], 0);
	in[0] = INFINITY, in[1] = -1e30f; /* clipped, not NaN */
	vita_q8_0_from_f32(in, &block);
	vita_q8_0_to_f32(&block, out);
	assert_float_equal(out[0], 8319008, 0);
	assert_float_equal(out[1], -8319008, 0);
	assert_float_equal(out[2], 0, 0);
	memset(in, 0, sizeof in);
	vita_q8_0_from_f32(in, &block);
	vita_q8_0_to_f32(&block, out);
	for (int i = 0; i < 32; i++) assert_float_equal(out[i], 0, 0);
}

static void rows_convert_and_refuse(void **state)
{
	(void)state;
	char bytes[2 * 34 + 1];
	float in[64], out[64];
	const uint32_t floats[] = { VITA_F32, VITA_F16, VITA_BF16, VITA_Q8_0 };
	for (int i = 0; i < 64; i++) in[i] = (float)(i < 32 ? i * 4 : i == 63 ? -127 : 63 - i);
	for (size_t t = 0; t < 4;
	     t++) { /* through an odd address; small whole numbers survive in every type */
		int64_t n = floats[t] == VITA_Q8_0 ? 64 : 16;
		memset(out, 0, sizeof out);
		assert_int_equal(vita_row_from_f32(floats[t], in + 64 - n, n, bytes + 1), VITA_OK);
		assert_int_equal(vita_row_to_f32(floats[t], bytes + 1, n, out), VITA_OK);
		for (int64_t i = 0; i < n; i++) assert_float_equal(out[i], in[64 - n + i], 0.6);
		if (n == 16) assert_memory_equal(out, in + 48, 16 * sizeof *in);
	}
	assert_int_equal(vita_row_to_f32(VITA_I32, bytes, 4, out), VITA_E_UNSUPPORTED);
	assert_int_equal(vita_row_to_f32(77, bytes, 4, out), VITA_E_UNSUPPORTED);
	assert_int_equal(vita_row_to_f32(VITA_Q8_0, bytes, 31, out), VITA_E_SHAPE);
	assert_int_equal(vita_row_to_f32(VITA_F32, bytes, -1, out), VITA_E_SHAPE);
	assert_int_equal(vita_row_from_f32(VITA_Q4_K, in, 256, bytes), VITA_E_UNSUPPORTED);
	assert_int_equal(vita_row_from_f32(VITA_Q8_0, in, 33, bytes), VITA_E_SHAPE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_half_is_exact_and_comes_back),
		cmocka_unit_test(f16_rounds_to_nearest_even),
		cmocka_unit_test(bf16_rounds_to_nearest_even),
		cmocka_unit_test(q8_0_by_hand),
		cmocka_unit_test(q4_0_and_q4_1_by_hand),
		cmocka_unit_test(q4_k_by_hand),
		cmocka_unit_test(q6_k_by_hand),
		cmocka_unit_test(q8_0_quantises_to_the_nearest_step),
		cmocka_unit_test(rows_convert_and_refuse),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
