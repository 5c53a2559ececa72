/* SPDX-License-Identifier: MIT
 *
 * Kernels in plain C: what runs on any processor, and what the vector variants are compared with.
 */
#include <math.h>
#include <vita/blocks.h>

#include "cpu.h"

static float half(const unsigned char *p)
{
	return vita_block_scale(p);
}

/* Σ of n products of a group layout: weight byte (i / 4, lane, i % 4), taken from `shift`, times x[i]. */
static int32_t group_dot(const unsigned char *groups, int lane, int shift, int mask, const int8_t *x, int n)
{
	int32_t sum = 0;
	for (int i = 0; i < n; i++) sum += (groups[i / 4 * 4 * TILE + lane * 4 + i % 4] >> shift & mask) * x[i];
	return sum;
}

static void tile_32(uint32_t dtype, const unsigned char *tile, const struct quantised_rows *x, int64_t group, float *out)
{
	const int64_t blocks = x->k / 32, base = group * MAX_ROWS * blocks;
	const int n = group_rows(x, group), bytes = dtype == VITA_Q8_0 ? 544 : dtype == VITA_Q4_0 ? 288 : 320, start = dtype == VITA_Q4_1 ? 64 : 32;
	for (int r = 0; r < n; r++) {
		for (int lane = 0; lane < TILE; lane++) {
			float sum = 0;
			for (int64_t b = 0; b < blocks; b++) {
				const unsigned char *t = tile + b * bytes;
				const int64_t at = base + b * n + r;
				const int8_t *q = x->q + at * 32;
				int32_t i = dtype == VITA_Q4_1 ? 0 : x->offset[at];
				if (dtype == VITA_Q8_0) {
					i += group_dot(t + start, lane, 0, 255, q, 32);
				} else {
					i += group_dot(t + start, lane, 0, 15, q, 16);
					i += group_dot(t + start, lane, 4, 15, q + 16, 16);
				}
				sum += (float)i * (half(t + 2 * lane) * x->scale[at]);
				if (dtype == VITA_Q4_1) sum += half(t + 32 + 2 * lane) * x->sum[at];
			}
			out[r * TILE + lane] = sum;
		}
	}
}

static void tile_q8_0(const void *tile, const struct quantised_rows *x, int64_t group, float *out)
{
	tile_32(VITA_Q8_0, tile, x, group, out);
}

static void tile_q4_0(const void *tile, const struct quantised_rows *x, int64_t group, float *out)
{
	tile_32(VITA_Q4_0, tile, x, group, out);
}

static void tile_q4_1(const void *tile, const struct quantised_rows *x, int64_t group, float *out)
{
	tile_32(VITA_Q4_1, tile, x, group, out);
}

static void tile_q4_k(const void *tile, const struct quantised_rows *x, int64_t group, float *out)
{
	const int64_t blocks = x->k / 32, base = group * MAX_ROWS * blocks;
	const int n = group_rows(x, group);
	for (int r = 0; r < n; r++) {
		for (int lane = 0; lane < TILE; lane++) {
			float sum = 0;
			for (int64_t b = 0; b < blocks; b++) {
				const unsigned char *t = (const unsigned char *)tile + b / 8 * 2368;
				const int s = (int)(b % 8);
				const int64_t at = base + b * n + r;
				const int8_t *q = x->q + at * 32;
				int32_t i = group_dot(t + 320 + 512 * (s / 2), lane, s % 2 * 4, 15, q, 32);
				float step = half(t + 2 * lane) * (float)t[64 + 16 * s + lane];
				float base = half(t + 32 + 2 * lane) * (float)t[192 + 16 * s + lane];
				sum += (float)i * (step * x->scale[at]);
				sum -= base * x->sum[at];
			}
			out[r * TILE + lane] = sum;
		}
	}
}

static void tile_q6_k(const void *tile, const struct quantised_rows *x, int64_t group, float *out)
{
	const int64_t parts = x->k / 16, base = group * MAX_ROWS * (x->k / 32);
	const int n = group_rows(x, group);
	for (int r = 0; r < n; r++) {
		for (int lane = 0; lane < TILE; lane++) {
			float sum = 0;
			for (int64_t b = 0; b < parts; b++) {
				const unsigned char *t = (const unsigned char *)tile + b / 16 * 3360;
				int s = (int)(b % 16), half_block = s / 8, quarter = s % 8 / 2, part = s % 2;
				const unsigned char *low = t + 288 + 1024 * half_block + 512 * (quarter & 1) + 256 * part;
				const unsigned char *high = t + 288 + 2048 + 512 * half_block + 256 * part;
				const int64_t at = base + b / 2 * n + r;
				const int8_t *q = x->q + at * 32 + 16 * part;
				int32_t i = x->offset[2 * base + b * n + r];
				i += group_dot(low, lane, quarter / 2 * 4, 15, q, 16);
				i += 16 * group_dot(high, lane, quarter * 2, 3, q, 16);
				float step = half(t + 2 * lane) * (float)(signed char)t[32 + 16 * s + lane];
				sum += (float)i * (step * x->scale[at]);
			}
			out[r * TILE + lane] = sum;
		}
	}
}

void cpu_quantise_plain(const float *x, int64_t row, struct quantised_rows *out)
{
	const int64_t blocks = out->k / QUANT_BLOCK, group = row / MAX_ROWS, base = group * MAX_ROWS * blocks;
	const int n = group_rows(out, group), r = (int)(row % MAX_ROWS);
	for (int64_t b = 0; b < blocks; b++) {
		const int64_t at = base + b * n + r;
		const float *v = x + b * QUANT_BLOCK;
		float largest = 0;
		int32_t sum[2] = { 0, 0 };
		for (int i = 0; i < QUANT_BLOCK; i++)
			if (fabsf(v[i]) > largest) largest = fabsf(v[i]);
		float scale = largest / 127.0f, inverse = largest > 0 ? 127.0f / largest : 0;
		for (int i = 0; i < QUANT_BLOCK; i++) {
			int8_t q = (int8_t)lrintf(v[i] * inverse);
			out->q[at * QUANT_BLOCK + i] = q;
			sum[i / 16] += q;
		}
		out->scale[at] = scale;
		out->sum[at] = scale * (float)(sum[0] + sum[1]);
		if (out->sum_block == 16) {
			out->offset[2 * base + 2 * b * n + r] = -out->zero_point * sum[0];
			out->offset[2 * base + (2 * b + 1) * n + r] = -out->zero_point * sum[1];
		} else {
			out->offset[at] = -out->zero_point * (sum[0] + sum[1]);
		}
	}
}

static float weight(uint32_t dtype, const void *w, int64_t i)
{
	if (dtype == VITA_F32) return ((const float *)w)[i];
	uint16_t bits = ((const uint16_t *)w)[i];
	return dtype == VITA_F16 ? vita_f16_to_f32(bits) : vita_bf16_to_f32(bits);
}

static void rows_any(uint32_t dtype, const void *w, int64_t w_stride, int n_w, const void *x, int64_t x_stride, int n,
                     int64_t k, float *out)
{
	for (int r = 0; r < n; r++) {
		const float *xr = (const float *)(const void *)((const char *)x + r * x_stride);
		for (int i = 0; i < n_w; i++) {
			const void *wr = (const char *)w + i * w_stride;
			float sum[4] = { 0, 0, 0, 0 };
			int64_t j = 0;
			for (; j + 4 <= k; j += 4)
				for (int lane = 0; lane < 4; lane++) sum[lane] += weight(dtype, wr, j + lane) * xr[j + lane];
			for (; j < k; j++) sum[0] += weight(dtype, wr, j) * xr[j];
			out[r * TILE + i] = sum[0] + sum[1] + sum[2] + sum[3];
		}
	}
}

static void rows_f32(const void *w, int64_t w_stride, int n_w, const void *x, int64_t x_stride, int n, int64_t k,
                     float *out)
{
	rows_any(VITA_F32, w, w_stride, n_w, x, x_stride, n, k, out);
}

static void rows_f16(const void *w, int64_t w_stride, int n_w, const void *x, int64_t x_stride, int n, int64_t k,
                     float *out)
{
	rows_any(VITA_F16, w, w_stride, n_w, x, x_stride, n, k, out);
}

static void rows_bf16(const void *w, int64_t w_stride, int n_w, const void *x, int64_t x_stride, int n, int64_t k,
                      float *out)
{
	rows_any(VITA_BF16, w, w_stride, n_w, x, x_stride, n, k, out);
}

void cpu_to_bf16_plain(const float *x, uint16_t *y, int64_t n)
{
	for (int64_t i = 0; i < n; i++) y[i] = vita_f32_to_bf16(x[i]);
}

static float dot(const float *a, const float *b, int64_t n)
{
	float sum = 0;
	for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
	return sum;
}

static float dot_f16(const float *a, const uint16_t *b, int64_t n)
{
	float sum = 0;
	for (int64_t i = 0; i < n; i++) sum += a[i] * vita_f16_to_f32(b[i]);
	return sum;
}

static void axpy(float a, const float *x, float *y, int64_t n)
{
	for (int64_t i = 0; i < n; i++) y[i] += a * x[i];
}

static void axpy_f16(float a, const uint16_t *x, float *y, int64_t n)
{
	for (int64_t i = 0; i < n; i++) y[i] += a * vita_f16_to_f32(x[i]);
}

static float sum_squares(const float *x, int64_t n)
{
	double sum = 0;
	for (int64_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
	return (float)sum;
}

static void scale_mul(float *y, const float *x, const float *w, float scale, int64_t n)
{
	for (int64_t i = 0; i < n; i++) y[i] = x[i] * scale * (w ? w[i] : 1.0f);
}

static float softmax_exp(float *x, float max, int64_t n)
{
	float sum = 0;
	for (int64_t i = 0; i < n; i++) sum += x[i] = expf(x[i] - max);
	return sum;
}

static void silu_mul(float *y, const float *gate, const float *up, int64_t n)
{
	for (int64_t i = 0; i < n; i++) y[i] = gate[i] / (1.0f + expf(-gate[i])) * up[i];
}

static uint64_t read_memory(const void *memory, int64_t n)
{
	const uint64_t *words = memory;
	uint64_t sum[4] = { 0, 0, 0, 0 };
	for (int64_t i = 0; i < n / 8; i += 4)
		for (int lane = 0; lane < 4; lane++) sum[lane] ^= words[i + lane];
	return sum[0] ^ sum[1] ^ sum[2] ^ sum[3];
}

static double spin(uint32_t dtype, int64_t steps)
{
	volatile float sink;
	float acc[16] = { 0 };
	if (dtype != VITA_F32) return 0;
	for (int64_t i = 0; i < steps; i++)
		for (int lane = 0; lane < 16; lane++) acc[lane] = acc[lane] * 0.999f + 1.0f;
	for (int lane = 1; lane < 16; lane++) acc[0] += acc[lane];
	sink = acc[0];
	(void)sink;
	return 2.0 * 16 * (double)steps;
}

const struct cpu_kernels cpu_kernels_plain = {
	.name = "plain",
	.tile_q8_0 = tile_q8_0, .tile_q4_0 = tile_q4_0, .tile_q4_1 = tile_q4_1,
	.tile_q4_k = tile_q4_k, .tile_q6_k = tile_q6_k, .quantise = cpu_quantise_plain,
	.rows_f32 = rows_f32, .rows_f16 = rows_f16, .rows_bf16 = rows_bf16,
	.to_bf16 = cpu_to_bf16_plain,
	.dot = dot, .dot_f16 = dot_f16, .axpy = axpy, .axpy_f16 = axpy_f16,
	.sum_squares = sum_squares, .scale_mul = scale_mul, .softmax_exp = softmax_exp, .silu_mul = silu_mul,
	.read = read_memory, .spin = spin,
};
