/* SPDX-License-Identifier: MIT
 *
 * f32 values to the 4- and 6-bit block types: for each block the scale (and minimum) whose squared error
 * is smallest among a few candidates.
 *
 * Given the integers, the best scale has a closed form (least squares); given the scale, the best integers
 * are the nearest. Each candidate starts from a guess of the scale and takes one turn of both.
 */
#include "quantise.h"

#include <math.h>
#include <vita/blocks.h>

#define MAX_SCALE 65504.0f /* the largest half */

bool vita_quantises(uint32_t dtype)
{
	return dtype == VITA_Q4_0 || dtype == VITA_Q4_1 || dtype == VITA_Q4_K || dtype == VITA_Q6_K;
}

static float clip(float x, float low, float high)
{
	return x < low ? low : x > high ? high : x;
}

/* Nearest integer, halves to even, in low … high. */
static int nearest(float x, int low, int high)
{
	x = clip(x, (float)low, (float)high) + 12582912.0f; /* 1.5 · 2^23: the last bit is worth 1 */
	return (int)(x - 12582912.0f);
}

static float to_half(float x, uint8_t bytes[2])
{
	uint16_t half = vita_f32_to_f16(clip(x, -MAX_SCALE, MAX_SCALE));
	bytes[0] = (uint8_t)(half & 255);
	bytes[1] = (uint8_t)(half >> 8);
	return vita_f16_to_f32(half);
}

/* ---- scale alone: value = scale · q, q in low … high -------------------------------------------------- */

static float symmetric_error(const float *x, int n, float scale, int low, int high)
{
	float error = 0, inverse = scale != 0 ? 1.0f / scale : 0;
	for (int i = 0; i < n; i++) {
		float rest = x[i] - scale * (float)nearest(x[i] * inverse, low, high);
		error += rest * rest;
	}
	return error;
}

static float refine_symmetric(const float *x, int n, float scale, int low, int high)
{
	float xq = 0, qq = 0, inverse = 1.0f / scale;
	for (int i = 0; i < n; i++) {
		float q = (float)nearest(x[i] * inverse, low, high);
		xq += x[i] * q;
		qq += q * q;
	}
	return qq > 0 && isfinite(xq / qq) ? xq / qq : scale;
}

/* The value of largest magnitude may take the end of the range that reaches further (low), or a little
 * less than it. */
static float best_symmetric(const float *x, int n, int low, int high)
{
	static const float ends[] = { 1.0f, 0.95f, 0.9f, 1.06f };
	float extreme = 0, best = 0, least = INFINITY;
	for (int i = 0; i < n; i++)
		if (fabsf(x[i]) > fabsf(extreme)) extreme = x[i];
	if (extreme == 0) return 0;
	for (size_t c = 0; c < sizeof ends / sizeof *ends; c++) {
		float scale = extreme / ((float)low * ends[c]);
		if (scale == 0 || !isfinite(1.0f / scale)) continue;
		scale = refine_symmetric(x, n, scale, low, high);
		float error = symmetric_error(x, n, scale, low, high);
		if (error < least) least = error, best = scale;
	}
	return best;
}

/* ---- scale and minimum: value = scale · q + minimum, q in 0 … 15 --------------------------------------- */

static float affine_error(const float *x, float scale, float minimum)
{
	float error = 0, inverse = scale != 0 ? 1.0f / scale : 0;
	for (int i = 0; i < 32; i++) {
		float rest = x[i] - (scale * (float)nearest((x[i] - minimum) * inverse, 0, 15) + minimum);
		error += rest * rest;
	}
	return error;
}

/* Least squares in both; with `below` the minimum may not be above 0. False where it has no answer. */
static bool refine_affine(const float *x, bool below, float *scale, float *minimum)
{
	double q1 = 0, q2 = 0, x1 = 0, xq = 0;
	float inverse = 1.0f / *scale;
	for (int i = 0; i < 32; i++) {
		double q = nearest((x[i] - *minimum) * inverse, 0, 15);
		q1 += q;
		q2 += q * q;
		x1 += (double)x[i];
		xq += (double)x[i] * q;
	}
	double determinant = 32 * q2 - q1 * q1;
	if (determinant <= 0) return false;
	double s = (32 * xq - q1 * x1) / determinant, m = (q2 * x1 - q1 * xq) / determinant;
	if (below && m > 0) m = 0, s = q2 > 0 ? xq / q2 : 0;
	if (!(s > 0)) return false;
	*scale = (float)s;
	*minimum = (float)m;
	return true;
}

static void best_affine(const float *x, bool below, float *scale, float *minimum)
{
	static const float widths[] = { 1.0f, 0.93f, 0.86f };
	float low = x[0], high = x[0], least;
	for (int i = 1; i < 32; i++) {
		if (x[i] < low) low = x[i];
		if (x[i] > high) high = x[i];
	}
	if (below && low > 0) low = 0;
	*minimum = low;
	*scale = (high - low) / 15.0f;
	if (!(*scale > 0) || !isfinite(1.0f / *scale)) {
		*scale = 0;
		return;
	}
	least = affine_error(x, *scale, *minimum);
	for (size_t c = 0; c < sizeof widths / sizeof *widths; c++) {
		float middle = (low + high) * 0.5f, s = (high - low) * widths[c] / 15.0f, m = middle - 7.5f * s;
		if (below && m > 0) m = 0;
		if (!refine_affine(x, below, &s, &m)) continue;
		float error = affine_error(x, s, m);
		if (error < least) least = error, *scale = s, *minimum = m;
	}
}

/* ---- blocks -------------------------------------------------------------------------------------------- */

static void to_q4_0(const float *x, vita_block_q4_0 *block)
{
	float d = to_half(best_symmetric(x, 32, -8, 7), block->d), inverse = d != 0 ? 1.0f / d : 0;
	for (int i = 0; i < 16; i++)
		block->nibbles[i] = (uint8_t)((nearest(x[i] * inverse, -8, 7) + 8) |
		                              (nearest(x[i + 16] * inverse, -8, 7) + 8) << 4);
}

static void to_q4_1(const float *x, vita_block_q4_1 *block)
{
	float scale, minimum;
	best_affine(x, false, &scale, &minimum);
	float d = to_half(scale, block->d), m = to_half(minimum, block->m), inverse = d != 0 ? 1.0f / d : 0;
	for (int i = 0; i < 16; i++)
		block->nibbles[i] = (uint8_t)(nearest((x[i] - m) * inverse, 0, 15) |
		                              nearest((x[i + 16] - m) * inverse, 0, 15) << 4);
}

static void to_q4_k(const float *x, vita_block_q4_k *block)
{
	float scale[8], minimum[8], largest_scale = 0, largest_minimum = 0;
	int s6[8], m6[8];
	for (int s = 0; s < 8; s++) {
		best_affine(x + 32 * s, true, &scale[s], &minimum[s]);
		minimum[s] = -minimum[s];
		if (scale[s] > largest_scale) largest_scale = scale[s];
		if (minimum[s] > largest_minimum) largest_minimum = minimum[s];
	}
	float d = to_half(largest_scale / 63.0f, block->d), dmin = to_half(largest_minimum / 63.0f, block->dmin);
	memset(block->nibbles, 0, sizeof block->nibbles);
	for (int s = 0; s < 8; s++) {
		s6[s] = d != 0 ? nearest(scale[s] / d, 0, 63) : 0;
		m6[s] = dmin != 0 ? nearest(minimum[s] / dmin, 0, 63) : 0;
		float step = d * (float)s6[s], base = dmin * (float)m6[s], inverse = step != 0 ? 1.0f / step : 0;
		for (int i = 0; i < 32; i++)
			block->nibbles[s / 2 * 32 + i] |=
				(uint8_t)(nearest((x[32 * s + i] + base) * inverse, 0, 15) << (s % 2 * 4));
	}
	for (int j = 0; j < 4; j++) {
		block->scales[j] = (uint8_t)(s6[j] | s6[j + 4] >> 4 << 6);
		block->scales[j + 4] = (uint8_t)(m6[j] | m6[j + 4] >> 4 << 6);
		block->scales[j + 8] = (uint8_t)((s6[j + 4] & 15) | (m6[j + 4] & 15) << 4);
	}
}

static void to_q6_k(const float *x, vita_block_q6_k *block)
{
	float scale[16], largest = 0;
	for (int s = 0; s < 16; s++) {
		scale[s] = best_symmetric(x + 16 * s, 16, -32, 31);
		if (fabsf(scale[s]) > largest) largest = fabsf(scale[s]);
	}
	float d = to_half(largest / 127.0f, block->d);
	memset(block->nibbles, 0, sizeof block->nibbles);
	memset(block->pairs, 0, sizeof block->pairs);
	for (int s = 0; s < 16; s++) {
		/* As vita_q6_k_to_f32 reads them. */
		int half = s / 8, quarter = s % 8 / 2, first = s % 2 * 16;
		uint8_t *nibbles = block->nibbles + half * 64 + quarter % 2 * 32 + first;
		uint8_t *pairs = block->pairs + half * 32 + first;
		block->scales[s] = (int8_t)(d != 0 ? nearest(scale[s] / d, -127, 127) : 0);
		float step = d * (float)block->scales[s], inverse = step != 0 ? 1.0f / step : 0;
		for (int i = 0; i < 16; i++) {
			int q = nearest(x[16 * s + i] * inverse, -32, 31) + 32;
			nibbles[i] |= (uint8_t)((q & 15) << (quarter / 2 * 4));
			pairs[i] |= (uint8_t)(q >> 4 << (quarter * 2));
		}
	}
}

/* NaN and what cannot be scaled to are taken out first, so that no block is spoilt by one value. */
static void clean(const float *in, float *out, int64_t n)
{
	const float most = 4.0f * MAX_SCALE;
	for (int64_t i = 0; i < n; i++) out[i] = in[i] != in[i] ? 0 : clip(in[i], -most, most);
}

void vita_quantise_row(uint32_t dtype, const float *in, int64_t n, void *out)
{
	const int64_t block = (int64_t)vita_dtype_block(dtype), bytes = (int64_t)vita_dtype_bytes(dtype);
	float x[256];
	for (int64_t i = 0; i < n; i += block) {
		void *to = (char *)out + i / block * bytes;
		clean(in + i, x, block);
		switch (dtype) {
		case VITA_Q4_0: to_q4_0(x, to); break;
		case VITA_Q4_1: to_q4_1(x, to); break;
		case VITA_Q4_K: to_q4_k(x, to); break;
		default: to_q6_k(x, to); break;
		}
	}
}
