/* SPDX-License-Identifier: MIT
 *
 * Conversions between element types against plain definitions in double arithmetic.
 */
#include <vita/blocks.h>
#include <vita/model.h>

#include "files_support.h"

#include <math.h>
#include <stdbool.h>

static void convert(uint32_t from, const void *source, uint32_t to, void *target, uint64_t n)
{
	vita_error err;
	assert_ok(vita_convert(from, source, to, target, n, &err), &err);
}

/* A small generator of its own, so that failures repeat (Marsaglia 2003, "Xorshift RNGs"). */
static uint32_t random_bits(void)
{
	static uint32_t x = 2463534242u;
	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

/* The nearest number with `digits` binary digits and exponents from `lowest`, ties to even; infinite
 * from `limit` on. */
static double rounded(double x, int digits, int lowest, double limit)
{
	int exponent;
	if (x == 0 || !isfinite(x)) return x;
	(void)frexp(x, &exponent); /* |x| in [2^(exponent - 1), 2^exponent) */
	double step = ldexp(1, (exponent - 1 > lowest ? exponent - 1 : lowest) - digits + 1);
	double result = rint(x / step) * step;
	return fabs(result) >= limit ? copysign(INFINITY, x) : result;
}

static double to_half(double x)
{
	return rounded(x, 11, -14, 65536);
}

static double to_brain(double x)
{
	return rounded(x, 8, -126, ldexp(1, 128));
}

static void assert_same_number(double found, double expected, double of)
{
	bool same = isnan(expected) ? isnan(found) : found == expected && signbit(found) == signbit(expected);
	if (!same) fail_msg("%a became %a instead of %a", of, found, expected);
}

static double half_value(uint16_t bits)
{
	int exponent = bits >> 10 & 31, fraction = bits & 1023;
	double x = exponent == 31
	                   ? (fraction ? NAN : INFINITY)
	                   : ldexp(exponent ? 1024 + fraction : fraction, (exponent ? exponent : 1) - 25);
	return bits & 0x8000 ? -x : x;
}

static void test_halves_are_exact(void **state)
{
	static uint16_t all[65536], back[65536];
	static float floats[65536];
	(void)state;
	for (int i = 0; i < 65536; i++) all[i] = (uint16_t)i;
	convert(VITA_F16, all, VITA_F32, floats, 65536);
	for (int i = 0; i < 65536; i++) {
		double expected = half_value(all[i]);
		if (isnan(expected)) assert_true(isnan(floats[i]));
		else assert_same_number((double)floats[i], expected, i);
	}
	convert(VITA_F32, floats, VITA_F16, back, 65536);
	for (int i = 0; i < 65536; i++)
		if (!isnan(floats[i])) assert_int_equal(back[i], all[i]);
	convert(VITA_BF16, all, VITA_F32, floats, 65536);
	convert(VITA_F32, floats, VITA_BF16, back, 65536);
	for (int i = 0; i < 65536; i++)
		if (!isnan(floats[i])) assert_int_equal(back[i], all[i]);
}

static void test_nan_is_kept(void **state)
{
	static const uint32_t nans[4] = { 0x7fc00000u, 0xffc12345u, 0x7f800001u, 0xff800001u };
	float floats[4], back[4];
	uint16_t halves[4], brains[4];
	int32_t ints[4];
	(void)state;
	memcpy(floats, nans, sizeof floats);
	convert(VITA_F32, floats, VITA_F16, halves, 4);
	convert(VITA_F32, floats, VITA_BF16, brains, 4);
	convert(VITA_F16, halves, VITA_F32, back, 4);
	for (int i = 0; i < 4; i++) assert_true(isnan(back[i]) && !signbit(back[i]) == !signbit(floats[i]));
	convert(VITA_BF16, brains, VITA_F32, back, 4);
	for (int i = 0; i < 4; i++) assert_true(isnan(back[i]) && !signbit(back[i]) == !signbit(floats[i]));
	convert(VITA_F16, halves, VITA_BF16, brains, 4);
	convert(VITA_BF16, brains, VITA_F32, back, 4);
	for (int i = 0; i < 4; i++) assert_true(isnan(back[i]));
	convert(VITA_F32, floats, VITA_I32, ints, 4);
	for (int i = 0; i < 4; i++) assert_int_equal(ints[i], 0);
}

/* Random floats, and floats at and beside the middle between two halves or two brains. */
static float some_float(int i)
{
	uint32_t bits = random_bits();
	float x;
	if (i % 4 == 1) bits = (bits & 0xffffe000u) | (0x1000u + (bits & 2u) - 1u + (bits & 1u));
	if (i % 4 == 2) bits = (bits & 0xffff0000u) | (0x8000u + (bits & 2u) - 1u + (bits & 1u));
	if (i % 8 > 4) bits = (bits & 0x81ffffffu) | 0x36000000u | (bits & 0x08000000u);
	memcpy(&x, &bits, sizeof x);
	return x;
}

static void test_floats_are_rounded_to_nearest_even(void **state)
{
	enum { N = 200000 };
	static float floats[N], back[N];
	static uint16_t small[N];
	(void)state;
	for (int i = 0; i < N; i++) floats[i] = some_float(i);
	floats[0] = 65519.996f;
	floats[1] = 65520.0f;
	floats[2] = -65520.0f;
	floats[3] = 0x1p-25f;
	floats[4] = 0x1.000002p-25f;
	floats[5] = 0x1.ffp127f;
	floats[6] = -0.0f;
	floats[7] = 0x1p-149f;
	convert(VITA_F32, floats, VITA_F16, small, N);
	convert(VITA_F16, small, VITA_F32, back, N);
	for (int i = 0; i < N; i++)
		assert_same_number((double)back[i], to_half((double)floats[i]), (double)floats[i]);
	convert(VITA_F32, floats, VITA_BF16, small, N);
	convert(VITA_BF16, small, VITA_F32, back, N);
	for (int i = 0; i < N; i++)
		assert_same_number((double)back[i], to_brain((double)floats[i]), (double)floats[i]);
}

static int32_t some_int(int i)
{
	uint32_t bits = random_bits() >> random_bits() % 31;
	/* Just beside a middle: rounding to a float first would hide on which side. */
	if (i % 2) bits = ((bits & 0xffu) | 0x80u) << 23 | 1u << 22 | (random_bits() % 3 - 1u);
	return (int32_t)(random_bits() & 1 ? bits : 0u - bits);
}

static void test_ints_are_rounded_once(void **state)
{
	enum { N = 100000 };
	static int32_t ints[N];
	static float floats[N];
	static uint16_t small[N];
	(void)state;
	for (int i = 0; i < N; i++) ints[i] = some_int(i);
	ints[0] = INT32_MIN;
	ints[1] = INT32_MAX;
	ints[2] = 65519;
	ints[3] = 65520;
	convert(VITA_I32, ints, VITA_F32, floats, N);
	for (int i = 0; i < N; i++)
		assert_same_number((double)floats[i], rounded(ints[i], 24, -126, INFINITY), ints[i]);
	convert(VITA_I32, ints, VITA_BF16, small, N);
	convert(VITA_BF16, small, VITA_F32, floats, N);
	for (int i = 0; i < N; i++) assert_same_number((double)floats[i], to_brain(ints[i]), ints[i]);
	convert(VITA_I32, ints, VITA_F16, small, N);
	convert(VITA_F16, small, VITA_F32, floats, N);
	for (int i = 0; i < N; i++) assert_same_number((double)floats[i], to_half(ints[i]), ints[i]);
}

static void test_to_ints(void **state)
{
	static const float floats[] = { 0.5f,       1.5f,          2.5f,  -0.5f,          -1.5f,
		                        -2.5f,      0.49999997f,   -0.7f, 8388607.5f,     16777216,
		                        2147483520, 2147483648.0f, 3e38f, -2147483648.0f, -2147483904.0f,
		                        -INFINITY,  INFINITY };
	static const int32_t expected[] = { 0,         2,         2,         0,         -2,         -2,
		                            0,         -1,        8388608,   16777216,  2147483520, INT32_MAX,
		                            INT32_MAX, INT32_MIN, INT32_MIN, INT32_MIN, INT32_MAX };
	enum { N = sizeof floats / sizeof floats[0] };
	static const uint16_t brains[2] = { 0x3fc0, 0xc020 }; /* 1.5, -2.5 */
	int32_t ints[N];
	(void)state;
	convert(VITA_F32, floats, VITA_I32, ints, N);
	for (size_t i = 0; i < N; i++) assert_int_equal(ints[i], expected[i]);
	convert(VITA_BF16, brains, VITA_I32, ints, 2);
	assert_int_equal(ints[0], 2);
	assert_int_equal(ints[1], -2);
}

/* Unaligned, every length about the internal piece, nothing written beyond the end. */
static void test_any_alignment_and_length(void **state)
{
	enum { N = 2100 };
	static unsigned char source[4 * N + 4], target[4 * N + 8];
	static const uint64_t lengths[] = { 0, 1, 2, 1023, 1024, 1025, 2048, 2049, N };
	(void)state;
	for (size_t k = 0; k < sizeof lengths / sizeof lengths[0]; k++) {
		uint64_t n = lengths[k];
		for (uint64_t i = 0; i < n; i++) {
			uint16_t half = (uint16_t)(i * 7 & 0x7bff);
			memcpy(source + 1 + 2 * i, &half, 2);
		}
		memset(target, 0xaa, sizeof target);
		convert(VITA_F16, source + 1, VITA_F32, target + 3, n);
		for (uint64_t i = 0; i < n; i++) {
			float x;
			memcpy(&x, target + 3 + 4 * i, 4);
			assert_same_number((double)x, half_value((uint16_t)(i * 7 & 0x7bff)), (double)i);
		}
		assert_int_equal(target[2], 0xaa);
		assert_int_equal(target[3 + 4 * n], 0xaa);
	}
	convert(VITA_F32, NULL, VITA_F16, NULL, 0);
	convert(VITA_U8, "abc", VITA_U8, target, 3);
	assert_memory_equal(target, "abc", 3);
}

static void test_blocks(void **state)
{
	enum { N = 2560 };
	static const uint32_t types[] = { VITA_Q8_0, VITA_Q4_0, VITA_Q4_1, VITA_Q4_K, VITA_Q6_K };
	static unsigned char source[N * 4 + 1];
	static float expected[N], found[N];
	static uint16_t brains[N];
	(void)state;
	/* Scales of moderate size wherever they lie in a block: no byte pair is a NaN. */
	for (size_t i = 0; i < sizeof source; i++) source[i] = (unsigned char)(random_bits() % 0x7c);
	for (size_t k = 0; k < sizeof types / sizeof types[0]; k++) {
		assert_int_equal(vita_row_to_f32(types[k], source + 1, N, expected), VITA_OK);
		convert(types[k], source + 1, VITA_F32, found, N);
		assert_memory_equal(found, expected, sizeof found);
		convert(types[k], source + 1, VITA_BF16, brains, N);
		convert(VITA_BF16, brains, VITA_F32, found, N);
		for (size_t i = 0; i < N; i++)
			assert_same_number((double)found[i], to_brain((double)expected[i]),
			                   (double)expected[i]);
	}
	for (size_t i = 0; i < N; i++) expected[i] = sinf((float)i);
	convert(VITA_F32, expected, VITA_Q8_0, source, N);
	convert(VITA_Q8_0, source, VITA_F32, found, N);
	for (size_t i = 0; i < N; i++) assert_true(fabsf(found[i] - expected[i]) <= 0.5f / 127 + 1e-3f);
}

static double gaussian(void)
{
	double u = ((double)random_bits() + 1) / 4294967297.0, v = (double)random_bits() / 4294967296.0;
	return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

/* Root mean square error over that of the values; the bounds are those of plain rounding between the largest
 * and smallest value of a block, which a search for the best scale must beat. */
static void test_block_types_lose_little(void **state)
{
	enum { N = 1 << 15 };
	static const struct {
		uint32_t dtype;
		double bound;
	} types[] = { { VITA_Q4_0, 0.088 }, { VITA_Q4_1, 0.080 }, { VITA_Q4_K, 0.080 }, { VITA_Q6_K, 0.019 } };
	static float values[N], found[N];
	static unsigned char blocks[N];
	(void)state;
	for (int i = 0; i < N; i++) values[i] = (float)gaussian() * 0.02f;
	for (size_t k = 0; k < sizeof types / sizeof types[0]; k++) {
		double error = 0, power = 0;
		convert(VITA_F32, values, types[k].dtype, blocks, N);
		convert(types[k].dtype, blocks, VITA_F32, found, N);
		for (int i = 0; i < N; i++) {
			error += pow((double)found[i] - (double)values[i], 2);
			power += pow((double)values[i], 2);
		}
		assert_true(sqrt(error / power) < types[k].bound);
	}
}

/* What a block can hold exactly comes back exactly; zeros, NaN and huge values spoil nothing else. */
static void test_block_types_keep_what_fits(void **state)
{
	static const uint32_t types[] = { VITA_Q4_0, VITA_Q4_1, VITA_Q4_K, VITA_Q6_K };
	float values[256], found[256];
	unsigned char blocks[256];
	(void)state;
	for (size_t k = 0; k < sizeof types / sizeof types[0]; k++) {
		memset(values, 0, sizeof values);
		convert(VITA_F32, values, types[k], blocks, 256);
		convert(types[k], blocks, VITA_F32, found, 256);
		assert_memory_equal(found, values, sizeof found);
		values[3] = NAN;
		values[200] = INFINITY;
		values[40] = -1e30f;
		convert(VITA_F32, values, types[k], blocks, 256);
		convert(types[k], blocks, VITA_F32, found, 256);
		for (int i = 0; i < 256; i++) assert_true(isfinite(found[i]));
		assert_true(found[200] > 60000.0f && found[40] < -60000.0f && found[3] == 0);
	}
	for (int i = 0; i < 256; i++) values[i] = 0.25f * (float)(i * 7 % 16 - 8);
	convert(VITA_F32, values, VITA_Q4_0, blocks, 256);
	convert(VITA_Q4_0, blocks, VITA_F32, found, 256);
	assert_memory_equal(found, values, sizeof found);
}

static void test_what_cannot_be_converted(void **state)
{
	unsigned char bytes[256] = { 0 };
	vita_error err;
	(void)state;
	assert_failure(vita_convert(VITA_F32, bytes, VITA_Q4_K, bytes, 32, &err), VITA_E_INVALID, &err,
	               "32 values");
	assert_failure(vita_convert(VITA_U8, bytes, VITA_F32, bytes, 0, &err), VITA_E_UNSUPPORTED, &err,
	               "type u8");
	assert_failure(vita_convert(VITA_F32, bytes, VITA_U8, bytes, 0, &err), VITA_E_UNSUPPORTED, &err,
	               "to u8");
	assert_failure(vita_convert(77, bytes, 77, bytes, 0, &err), VITA_E_UNSUPPORTED, &err, "number 77");
	assert_failure(vita_convert(VITA_DTYPE_NONE, bytes, VITA_F32, bytes, 0, &err), VITA_E_UNSUPPORTED,
	               &err, "type ?");
	assert_failure(vita_convert(VITA_Q8_0, bytes, VITA_F32, bytes, 33, &err), VITA_E_INVALID, &err,
	               "33 values");
	assert_failure(vita_convert(VITA_Q6_K, bytes, VITA_Q8_0, bytes, 32, &err), VITA_E_INVALID, &err,
	               "32 values");
	assert_failure(vita_convert(VITA_F32, bytes, VITA_F16, bytes, UINT64_MAX, &err), VITA_E_INVALID, &err,
	               "values");
	assert_int_equal(vita_convert(VITA_F32, bytes, VITA_U8, bytes, 0, NULL), VITA_E_UNSUPPORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_halves_are_exact),
		cmocka_unit_test(test_nan_is_kept),
		cmocka_unit_test(test_floats_are_rounded_to_nearest_even),
		cmocka_unit_test(test_ints_are_rounded_once),
		cmocka_unit_test(test_to_ints),
		cmocka_unit_test(test_any_alignment_and_length),
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_block_types_lose_little),
		cmocka_unit_test(test_block_types_keep_what_fits),
		cmocka_unit_test(test_what_cannot_be_converted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
