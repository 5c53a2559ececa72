/* SPDX-License-Identifier: MIT
 *
 * Loops over vectors of floats, for inclusion by each kernels_*.c: the compiler turns them into the vector
 * instructions that the including file is compiled with. There is no branch on data in them. A result
 * depends on the values and n alone, never on the row's address or its neighbours.
 */
#ifndef VITA_CPU_VECTORS_H
#define VITA_CPU_VECTORS_H

#include <math.h>

#include "kernels.h"

#if defined(__F16C__)
#include <immintrin.h>
#endif

/* Before loops whose y may be x itself: iterations do not depend on each other all the same. */
#if defined(__clang__)
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define INDEPENDENT _Pragma("GCC ivdep")
#endif

/* ---- functions of one number ----------------------------------------------------------------------- */

static inline float select_float(bool condition, float yes, float no)
{
	return condition ? yes : no;
}

/* 2^n for -126 <= n <= 127, n a whole number. */
static inline float power_of_two(float n)
{
	return vita_f32_from_bits((uint32_t)(vita_f32_bits(n + 12582912.0f) - 0x4b400000u + 127u) << 23);
}

/* e^x = 2^n e^r, n the nearest whole number to x log2(e), |r| <= ln(2) / 2, e^r - 1 = r p(r) with p the Taylor
 * polynomial of degree 6, whose error there is below half a unit in the last place. Adding 1.5 · 2^23 rounds
 * to a whole number. */
struct reduced {
	float n, r, rp;
};

static inline struct reduced reduce_exp(float x)
{
	float n = x * 1.44269504089f + 12582912.0f - 12582912.0f;
	float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
	float p = 1.0f / 5040;
	p = p * r + 1.0f / 720;
	p = p * r + 1.0f / 120;
	p = p * r + 1.0f / 24;
	p = p * r + 1.0f / 6;
	p = p * r + 0.5f;
	p = p * r + 1.0f;
	return (struct reduced){ n, r, r * p };
}

/* 2^n in two factors, so that results below the smallest normal number and above 2^127 come out right. */
static inline float exp_float(float x)
{
	x = select_float(x > 89.0f, 89.0f, x);
	x = select_float(x < -104.0f, -104.0f, x);
	struct reduced e = reduce_exp(x);
	float half = e.n * 0.5f + 12582912.0f - 12582912.0f;
	return (e.rp + 1.0f) * power_of_two(half) * power_of_two(e.n - half);
}

/* Likewise, but 0 below e^-87, about the least of normal numbers: others take a hundred times as long, and beside the largest
 * of a softmax they are nothing. */
static inline float exp_normal(float x)
{
	return select_float(x < -87.0f, 0.0f, exp_float(select_float(x < -87.0f, -87.0f, x)));
}

static inline float sigmoid_float(float x)
{
	return 1.0f / (1.0f + exp_float(-x));
}

/* Near 0 what exp_float loses by adding 1 matters. */
static inline float expm1_float(float x)
{
	return select_float(x > -0.34f && x < 0.34f, reduce_exp(x).rp, exp_float(x) - 1.0f);
}

static inline float tanh_float(float x)
{
	float magnitude = select_float(x < 0, -x, x), e = expm1_float(-2.0f * magnitude), t = -e / (e + 2.0f);
	return select_float(x < 0, -t, t);
}

/* Abramowitz and Stegun 7.1.26; absolute error below 1.5e-7. Where z² is above 70 it counts as 70: e^-70 is nothing beside 1,
 * and products with it are normal numbers, where smaller ones would take a hundred times as long. */
static inline float gelu_float(float x)
{
	float z = select_float(x < 0, -x, x) * 0.70710678f, t = 1.0f / (1.0f + 0.3275911f * z), square = z * z;
	float p = 1.061405429f;
	p = p * t - 1.453152027f;
	p = p * t + 1.421413741f;
	p = p * t - 0.284496736f;
	p = p * t + 0.254829592f;
	struct reduced e = reduce_exp(-select_float(square > 70.0f, 70.0f, square));
	float tail = 0.5f * p * t * ((e.rp + 1.0f) * power_of_two(e.n)); /* (1 - erf(z)) / 2 */
	return x * select_float(x < 0, tail, 1.0f - tail);
}

static inline float gelu_tanh_float(float x)
{
	return x * sigmoid_float(1.5957691216f * (x + 0.044715f * x * x * x));
}

/* tanh(ln(1 + e)) = e (e + 2) / (e (e + 2) + 2) */
static inline float mish_float(float x)
{
	float e = exp_float(select_float(x > 20.0f, 20.0f, x)), f = e * (e + 2.0f);
	return x * (f / (f + 2.0f));
}

/* sin(x + quarter · π/2), right to a few units in the last place of 1 for |x| < 10^7. */
static inline float sin_double(double x, int32_t quarter)
{
	double n = x * 0.63661977236758134 + 6755399441055744.0;
	uint64_t bits;
	memcpy(&bits, &n, sizeof bits);
	uint32_t q = (uint32_t)bits + (uint32_t)quarter;
	float f = (float)(x - (n - 6755399441055744.0) * 1.5707963267948966), s = f * f;
	float sine = f + f * s * (-1.0f / 6 + s * (1.0f / 120 + s * (-1.0f / 5040 + s * (1.0f / 362880))));
	float cosine = 1.0f + s * (-0.5f + s * (1.0f / 24 + s * (-1.0f / 720 + s * (1.0f / 40320 - s * (1.0f / 3628800)))));
	float v = select_float((q & 1) != 0, cosine, sine);
	return select_float((q & 2) != 0, -v, v);
}

#define SIN_LIMIT 1e7f

/* ---- sums ------------------------------------------------------------------------------------------ */

#define LANES 16

/* Partial sums in f32 lanes, put together in double every 512 values. */
#define SUM_OF(expression) \
	double total = 0; \
	for (int64_t from = 0; from < n; from += 512) { \
		int64_t end = n - from < 512 ? n : from + 512, i = from; \
		float lane[LANES] = { 0 }; \
		for (; i + LANES <= end; i += LANES) \
			for (int l = 0; l < LANES; l++) { \
				int64_t j = i + l; \
				lane[l] += (expression); \
			} \
		for (int64_t j = i; j < end; j++) lane[j - i] += (expression); \
		for (int l = 0; l < LANES; l++) total += (double)lane[l]; \
	} \
	return total

static double vector_sum(const float *x, int64_t n)
{
	SUM_OF(x[j]);
}

static double vector_sum_squares(const float *x, double mean, int64_t n)
{
	const float m = (float)mean;
	SUM_OF((x[j] - m) * (x[j] - m));
}

static double vector_squared_distance(const float *a, const float *b, int64_t n)
{
	SUM_OF((a[j] - b[j]) * (a[j] - b[j]));
}

static float vector_largest(const float *x, int64_t n)
{
	float lane[LANES], largest = -INFINITY;
	int64_t i = 0;
	for (int l = 0; l < LANES; l++) lane[l] = -INFINITY;
	for (; i + LANES <= n; i += LANES)
		for (int l = 0; l < LANES; l++) lane[l] = x[i + l] > lane[l] ? x[i + l] : lane[l];
	for (; i < n; i++) largest = x[i] > largest ? x[i] : largest;
	for (int l = 0; l < LANES; l++) largest = lane[l] > largest ? lane[l] : largest;
	return largest;
}

static float vector_exponentials(float *y, const float *x, float factor, float max, int64_t n)
{
	float lane[LANES] = { 0 }, sum = 0;
	int64_t i = 0;
	for (; i + LANES <= n; i += LANES)
		INDEPENDENT
		for (int l = 0; l < LANES; l++) {
			float e = exp_normal(factor * x[i + l] - max);
			y[i + l] = e;
			lane[l] += e;
		}
	for (; i < n; i++) sum += y[i] = exp_normal(factor * x[i] - max);
	for (int l = 0; l < LANES; l++) sum += lane[l];
	return sum;
}

/* ---- element by element ---------------------------------------------------------------------------- */

#define EACH(expression) \
	INDEPENDENT \
	for (int64_t i = 0; i < n; i++) y[i] = (expression); \
	return

static void vector_normalise(float *y, const float *x, float mean, float scale, const float *w, const float *b, int64_t n)
{
	if (w && b) { EACH((x[i] - mean) * scale * w[i] + b[i]); }
	if (w) { EACH((x[i] - mean) * scale * w[i]); }
	if (b) { EACH((x[i] - mean) * scale + b[i]); }
	EACH((x[i] - mean) * scale);
}

static void vector_scale(float *y, const float *x, float factor, int64_t n)
{
	EACH(x[i] * factor);
}

static void vector_affine(float *y, const float *x, double scale, double shift, int64_t n)
{
	EACH((float)(scale * (double)x[i] + shift));
}

/* sin(x + quarter · π/2); arguments that no phase has any sense for go to the C library. */
static void vector_sine(float *y, const float *x, int32_t quarter, int64_t n)
{
	for (int64_t from = 0; from < n; from += 256) {
		int64_t end = n - from < 256 ? n : from + 256;
		bool small = true;
		for (int64_t i = from; i < end; i++) small &= x[i] < SIN_LIMIT && x[i] > -SIN_LIMIT;
		if (small) {
			INDEPENDENT
			for (int64_t i = from; i < end; i++) y[i] = sin_double((double)x[i], quarter);
			continue;
		}
		for (int64_t i = from; i < end; i++) y[i] = quarter ? cosf(x[i]) : sinf(x[i]);
	}
}

/* Every VITA_UNARY_* but SNAKE. */
static void vector_unary(uint32_t function, float *y, const float *x, float alpha, int64_t n)
{
	switch (function) {
	case VITA_UNARY_SILU: EACH(x[i] * sigmoid_float(x[i]));
	case VITA_UNARY_GELU: EACH(gelu_float(x[i]));
	case VITA_UNARY_GELU_TANH: EACH(gelu_tanh_float(x[i]));
	case VITA_UNARY_RELU: EACH(select_float(x[i] < 0, 0, x[i]));
	case VITA_UNARY_LEAKY_RELU: EACH(select_float(x[i] < 0, alpha * x[i], x[i]));
	case VITA_UNARY_ELU: EACH(select_float(x[i] < 0, alpha * expm1_float(x[i]), x[i]));
	case VITA_UNARY_TANH: EACH(tanh_float(x[i]));
	case VITA_UNARY_SIGMOID: EACH(sigmoid_float(x[i]));
	case VITA_UNARY_MISH: EACH(mish_float(x[i]));
	case VITA_UNARY_EXP: EACH(exp_float(x[i]));
	case VITA_UNARY_LOG: EACH(logf(x[i]));
	case VITA_UNARY_SIN: vector_sine(y, x, 0, n); return;
	case VITA_UNARY_COS: vector_sine(y, x, 1, n); return;
	case VITA_UNARY_SQRT: EACH(sqrtf(x[i]));
	case VITA_UNARY_ABS: EACH(fabsf(x[i]));
	case VITA_UNARY_SQUARE: EACH(x[i] * x[i]);
	default: memmove(y, x, (size_t)n * sizeof *y);
	}
}

/* sin² x for |x| < SQUARE_LIMIT: its period is π, so x less a whole number of them will do. π is in three parts, of which the
 * first two times the number are exact (Cody and Waite 1980, "Software Manual for the Elementary Functions"). The Taylor
 * polynomial's error at π/2 is 6e-8. */
#define SQUARE_LIMIT 4096.0f
static inline float sine_squared(float x)
{
	const float n = x * 0.318309886f + 12582912.0f - 12582912.0f; /* 1.5 · 2^23: to a whole number */
	const float f = ((x - n * 3.140625f) - n * 9.67502593994140625e-4f) - n * 1.509957990978376e-7f, s = f * f;
	const float p = -1.0f / 6 + s * (1.0f / 120 + s * (-1.0f / 5040 + s * (1.0f / 362880 - s * (1.0f / 39916800))));
	const float sine = f + f * s * p;
	return sine * sine;
}

static void vector_snake(float *y, const float *x, float alpha, int64_t n)
{
	const float inverse = (float)(1.0 / ((double)alpha + 1e-9));
	for (int64_t from = 0; from < n; from += 256) {
		int64_t count = n - from < 256 ? n - from : 256;
		float s[256];
		int32_t largest = 0; /* magnitudes are ordered as their bits are, NaN above all: unlike comparisons that is a vector loop */
		for (int64_t i = 0; i < count; i++) {
			s[i] = alpha * x[from + i];
			const int32_t magnitude = (int32_t)(vita_f32_bits(s[i]) & 0x7fffffffu);
			largest = magnitude > largest ? magnitude : largest;
		}
		if (largest < (int32_t)vita_f32_bits(SQUARE_LIMIT)) {
			INDEPENDENT
			for (int64_t i = 0; i < count; i++) y[from + i] = x[from + i] + sine_squared(s[i]) * inverse;
			continue;
		}
		vector_sine(s, s, 0, count);
		INDEPENDENT
		for (int64_t i = 0; i < count; i++) y[from + i] = x[from + i] + s[i] * s[i] * inverse;
	}
}

static void vector_glu(uint32_t function, float *y, const float *gate, const float *up, int64_t n)
{
	switch (function) {
	case VITA_UNARY_SILU: EACH(gate[i] * sigmoid_float(gate[i]) * up[i]);
	case VITA_UNARY_GELU: EACH(gelu_float(gate[i]) * up[i]);
	case VITA_UNARY_GELU_TANH: EACH(gelu_tanh_float(gate[i]) * up[i]);
	default: EACH(sigmoid_float(gate[i]) * up[i]);
	}
}

#define EACH_PAIR(expression) \
	if (one_b) { \
		const float v = b[0]; \
		INDEPENDENT \
		for (int64_t i = 0; i < n; i++) { \
			const float u = a[i]; \
			y[i] = (expression); \
		} \
	} else { \
		INDEPENDENT \
		for (int64_t i = 0; i < n; i++) { \
			const float u = a[i], v = b[i]; \
			y[i] = (expression); \
		} \
	} \
	return

static void vector_binary(uint32_t kind, float *y, const float *a, const float *b, bool one_b, int64_t n)
{
	switch (kind) {
	case VITA_BINARY_ADD: EACH_PAIR(u + v);
	case VITA_BINARY_SUB: EACH_PAIR(u - v);
	case VITA_BINARY_MUL: EACH_PAIR(u * v);
	case VITA_BINARY_DIV: EACH_PAIR(u / v);
	case VITA_BINARY_MAX: EACH_PAIR(u < v ? v : u);
	default: EACH_PAIR(u > v ? v : u);
	}
}

static void vector_rotate(float *y0, float *y1, const float *x0, const float *x1, const float *cosine, const float *sine,
                          int64_t step, int64_t n)
{
	INDEPENDENT
	for (int64_t i = 0; i < n; i++) {
		float u = x0[i * step], v = x1[i * step];
		y0[i * step] = u * cosine[i] - v * sine[i];
		y1[i * step] = v * cosine[i] + u * sine[i];
	}
}

static void vector_angles(const double *step, double position, float *cosine, float *sine, int64_t n)
{
	for (int64_t i = 0; i < n; i++) sine[i] = sin_double(position * step[i], 0);
	for (int64_t i = 0; i < n; i++) cosine[i] = sin_double(position * step[i], 1);
}

/* One row of n columns, n being a constant for most. The residual may be y. */
static inline void finish_row(float *y, const float *x, const float *bias, const float *residual, uint32_t activation,
                              int n)
{
	float v[TILE] = { 0 };
	for (int i = 0; i < n; i++) v[i] = x[i];
	for (int i = 0; bias && i < n; i++) v[i] += bias[i];
	if (activation != VITA_UNARY_NONE) vector_unary(activation, v, v, 0, n);
	for (int i = 0; residual && i < n; i++) v[i] += residual[i];
	for (int i = 0; i < n; i++) y[i] = v[i];
}

static void vector_finish(const struct finish *f, const float *x, int64_t n_rows)
{
	char *y = (char *)f->y;
	const char *r = (const char *)f->residual;
	for (int64_t i = 0; i < n_rows; i++, x += f->x_stride, y += f->y_stride) {
		float *to = (float *)(void *)y;
		const float *residual = r ? (const float *)(const void *)(r + i * f->residual_stride) : NULL;
		if (f->count == TILE && f->activation == VITA_UNARY_NONE)
			finish_row(to, x, f->bias, residual, VITA_UNARY_NONE, TILE);
		else finish_row(to, x, f->bias, residual, f->activation, f->count);
	}
}

/* ---- between types --------------------------------------------------------------------------------- */

static void vector_to_f32(uint32_t dtype, const void *x, float *y, int64_t n)
{
	const uint16_t *half = x;
	int64_t i = 0;
	if (dtype == VITA_BF16) {
		EACH(vita_bf16_to_f32(half[i]));
	}
#if defined(__F16C__)
	if (dtype == VITA_F16) {
		for (; i + 8 <= n; i += 8)
			_mm256_storeu_ps(y + i, _mm256_cvtph_ps(_mm_loadu_si128((const void *)(half + i))));
		for (; i < n; i++) y[i] = vita_f16_to_f32(half[i]);
		return;
	}
#endif
	if (dtype == VITA_F16) {
		EACH(vita_f16_to_f32(half[i]));
	}
	(void)i;
	(void)vita_row_to_f32(dtype, x, n, y);
}

static void vector_from_f32(uint32_t dtype, const float *x, void *to, int64_t n)
{
	uint16_t *half = to;
	int64_t i = 0;
	if (dtype == VITA_BF16) { /* vita_f32_to_bf16 without its branch */
		for (; i < n; i++) {
			const uint32_t bits = vita_f32_bits(x[i]), nan = (bits & 0x7fffffffu) > 0x7f800000u ? 1 : 0;
			half[i] = (uint16_t)((bits + (nan ? 0 : 0x7fffu + (bits >> 16 & 1u))) >> 16 | nan << 6);
		}
		return;
	}
#if defined(__F16C__)
	if (dtype == VITA_F16) {
		for (; i + 8 <= n; i += 8)
			_mm_storeu_si128((void *)(half + i), _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
		for (; i < n; i++) half[i] = vita_f32_to_f16(x[i]);
		return;
	}
#endif
	(void)vita_row_from_f32(dtype, x, n, to);
}

static inline void vector_round_bf16(const float *x, uint16_t *y, int64_t n)
{
	vector_from_f32(VITA_BF16, x, y, n);
}

#include "vectors_filter.h"
#include "vectors_train.h"

#define VECTOR_KERNELS \
	VECTOR_TRAIN_KERNELS, VECTOR_FILTER_KERNELS, \
	.sum = vector_sum, .sum_squares = vector_sum_squares, .squared_distance = vector_squared_distance, \
	.largest = vector_largest, .normalise = vector_normalise, .scale = vector_scale, \
	.exponentials = vector_exponentials, .unary = vector_unary, .snake = vector_snake, .glu = vector_glu, \
	.binary = vector_binary, .affine = vector_affine, .rotate = vector_rotate, .angles = vector_angles, .finish = vector_finish, \
	.to_f32 = vector_to_f32, .from_f32 = vector_from_f32

#endif
