/* SPDX-License-Identifier: MIT
 *
 * Kernels in plain C, for processors without the instructions that the others want, and to compare those
 * with.
 */
#include "tiles.h"
#include "vectors.h"

/* ---- packed weights -------------------------------------------------------------------------------- */

/* The 32 unsigned values of one row in block b of 32 columns; head is where the type's own block begins. */
static void row_values(uint32_t dtype, const unsigned char *head, int64_t b, int row, uint8_t v[32])
{
	const int64_t quarter = b % 4, half = b % 8 / 4, sub = b % 8;
	for (int j = 0; j < 32; j++) {
		const unsigned char *at = head + 4 * row + j % 4 + j / 4 * GROUP;
		switch (dtype) {
		case VITA_Q8_0: v[j] = at[HALVES]; break;
		case VITA_Q4_0: v[j] = j < 16 ? at[HALVES] & 15 : at[HALVES - 4 * GROUP] >> 4; break;
		case VITA_Q4_1: v[j] = j < 16 ? at[2 * HALVES] & 15 : at[2 * HALVES - 4 * GROUP] >> 4; break;
		case VITA_Q4_K: v[j] = at[Q4_K_NIBBLES + sub / 2 * 8 * GROUP] >> (sub % 2 * 4) & 15; break;
		default:
			v[j] = at[Q6_K_NIBBLES + (16 * half + 8 * (quarter % 2)) * GROUP] >> (quarter / 2 * 4) & 15;
			v[j] = (uint8_t)(v[j] | (at[Q6_K_PAIRS + 8 * half * GROUP] >> (2 * quarter) & 3) << 4);
		}
	}
}

static int32_t integer_dot(const uint8_t *w, const int8_t *x, int n)
{
	int32_t sum = 0;
	for (int j = 0; j < n; j++) sum += w[j] * x[j];
	return sum;
}

/* What block b of a weight row adds to its product with row r of a group, whose scale there is `scale`. */
static float block_product(uint32_t dtype, const unsigned char *head, const struct group *x, int64_t b, int row, int r,
                           float scale, const uint8_t *w)
{
	const int8_t *q = x->q + (b * x->n + r) * 32;
	const int64_t entry = b * x->n + r;
	const float d = scale * vita_block_scale(head + 2 * row);
	switch (dtype) {
	case VITA_Q4_1:
		return d * (float)integer_dot(w, q, 32) +
		       vita_block_scale(head + HALVES + 2 * row) * ((const float *)x->sums)[entry];
	case VITA_Q4_K: {
		const int16_t sum = ((const int16_t *)x->sums)[2 * (b / 2 * x->n + r) + b % 2];
		const int factor = head[Q4_K_SCALES + b % 8 * TILE + row];
		const int minimum = head[Q4_K_MINIMA + b % 8 / 2 * 2 * TILE + 2 * row + b % 2];
		return d * (float)(factor * integer_dot(w, q, 32)) -
		       scale * vita_block_scale(head + HALVES + 2 * row) * (float)(minimum * sum);
	}
	case VITA_Q6_K: {
		int32_t sum = 0;
		for (int part = 0; part < 2; part++) {
			const int factor = (int8_t)head[Q6_K_SCALES + (b % 8 * 2 + part) * TILE + row];
			const int32_t offset = ((const int32_t *)x->sums)[(2 * b + part) * x->n + r];
			sum += factor * (integer_dot(w + 16 * part, q + 16 * part, 16) + offset);
		}
		return d * (float)sum;
	}
	default: return d * (float)(integer_dot(w, q, 32) + ((const int32_t *)x->sums)[entry]);
	}
}

static void tile_plain(const unsigned char *tile, const struct quantised_rows *rows, int64_t number, float *out)
{
	const struct group x = group_of(rows, number);
	const uint32_t dtype = rows->dtype;
	const int64_t per_head = tile_block_columns(dtype) / 32, per_scale = scale_span(dtype) / 32;
	for (int i = 0; i < x.n * TILE; i++) out[i] = 0;
	for (int64_t b = 0; b < rows->k / 32; b++) {
		const unsigned char *head = tile + b / per_head * tile_block_bytes(dtype);
		for (int row = 0; row < TILE; row++) {
			uint8_t w[32];
			row_values(dtype, head, b, row, w);
			for (int r = 0; r < x.n; r++)
				out[r * TILE + row] +=
					block_product(dtype, head, &x, b, row, r, x.scale[b / per_scale * x.n + r], w);
		}
	}
}

static void quantise_block(const float *x, float inverse, int8_t q[32], int32_t sum[2])
{
	sum[0] = sum[1] = 0;
	for (int j = 0; j < 32; j++) {
		q[j] = (int8_t)lrintf(x[j] * inverse);
		sum[j / 16] += q[j];
	}
}

/* Scale by the largest magnitude of each span, so that it becomes 127; NaN and infinity make it all NaN. */
void cpu_quantise_plain(const float *x, int64_t row, const struct quantised_rows *out)
{
	const struct group g = group_of(out, row / out->per_group);
	const int64_t n = g.n, r = row % out->per_group, per_scale = scale_span(out->dtype) / 32;
	const int32_t zero = zero_point(out->dtype);
	float scale = 0, inverse = 0;
	for (int64_t b = 0; b < out->k / 32; b++) {
		if (b % per_scale == 0) {
			const int64_t left = out->k / 32 - b, blocks = left < per_scale ? left : per_scale;
			uint32_t largest = 0; /* bits of a magnitude: they are in order, NaN above all */
			for (int64_t j = 0; j < 32 * blocks; j++) {
				const uint32_t bits = vita_f32_bits(x[32 * b + j]) & 0x7fffffffu;
				if (bits > largest) largest = bits;
			}
			((float *)(uintptr_t)g.scale)[b / per_scale * n + r] = scale = quantiser(largest, &inverse);
		}
		int32_t sum[2];
		quantise_block(x + 32 * b, inverse, (int8_t *)(uintptr_t)g.q + (b * n + r) * 32, sum);
		void *sums = (void *)(uintptr_t)g.sums;
		switch (out->dtype) {
		case VITA_Q4_1: ((float *)sums)[b * n + r] = scale * (float)(sum[0] + sum[1]); break;
		case VITA_Q4_K: ((int16_t *)sums)[2 * (b / 2 * n + r) + b % 2] = (int16_t)(sum[0] + sum[1]); break;
		case VITA_Q6_K:
			((int32_t *)sums)[2 * b * n + r] = -zero * sum[0];
			((int32_t *)sums)[(2 * b + 1) * n + r] = -zero * sum[1];
			break;
		default: ((int32_t *)sums)[b * n + r] = -zero * (sum[0] + sum[1]);
		}
	}
}

/* ---- plain weights --------------------------------------------------------------------------------- */

/* Sixteen partial sums, as many as the vector kernels have. */
static float dot(const float *a, const float *b, int64_t n)
{
	float lane[LANES] = { 0 }, sum = 0;
	int64_t i = 0;
	for (; i + LANES <= n; i += LANES)
		for (int l = 0; l < LANES; l++) lane[l] += a[i + l] * b[i + l];
	for (int64_t j = i; j < n; j++) lane[j - i] += a[j] * b[j];
	for (int l = 0; l < LANES; l++) sum += lane[l];
	return sum;
}

static void rows_plain(uint32_t dtype, const void *w, int64_t w_stride, int n_w, const void *x, int64_t x_stride, int n,
                       int64_t k, float *out)
{
	enum { PIECE = 512 };
	float piece[PIECE];
	for (int i = 0; i < n_w; i++) {
		const char *row = (const char *)w + i * w_stride;
		for (int r = 0; r < n; r++) out[r * TILE + i] = 0;
		for (int64_t j = 0; j < k; j += PIECE) {
			const int64_t count = k - j < PIECE ? k - j : PIECE;
			vector_to_f32(dtype, row + j * (int64_t)vita_dtype_bytes(dtype), piece, count);
			for (int r = 0; r < n; r++)
				out[r * TILE + i] += dot(piece, (const float *)((const char *)x + r * x_stride) + j, count);
		}
	}
}

static void rows_f32(const void *w, int64_t w_stride, int n_w, const void *x, int64_t x_stride, int n, int64_t k,
                     float *out)
{
	rows_plain(VITA_F32, w, w_stride, n_w, x, x_stride, n, k, out);
}

static void rows_f16(const void *w, int64_t w_stride, int n_w, const void *x, int64_t x_stride, int n, int64_t k,
                     float *out)
{
	rows_plain(VITA_F16, w, w_stride, n_w, x, x_stride, n, k, out);
}

static void rows_bf16(const void *w, int64_t w_stride, int n_w, const void *x, int64_t x_stride, int n, int64_t k,
                      float *out)
{
	rows_plain(VITA_BF16, w, w_stride, n_w, x, x_stride, n, k, out);
}

static void block_plain(const float *a, int64_t a_row, int64_t a_step, const float *b, const int64_t *b_at, int64_t k,
                        int n, float *c, int64_t c_row, bool add)
{
	for (int r = 0; r < n; r++) {
		float sum[BLOCK_COLUMNS];
		for (int i = 0; i < BLOCK_COLUMNS; i++) sum[i] = add ? c[r * c_row + i] : 0;
		for (int64_t j = 0; j < k; j++) {
			const float f = a[r * a_row + j * a_step], *from = b + b_at[j];
			for (int i = 0; i < BLOCK_COLUMNS; i++) sum[i] += f * from[i];
		}
		memcpy(c + r * c_row, sum, sizeof sum);
	}
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
	.tile_q8_0 = tile_plain, .tile_q4_0 = tile_plain, .tile_q4_1 = tile_plain,
	.tile_q4_k = tile_plain, .tile_q6_k = tile_plain, .quantise = cpu_quantise_plain,
	.rows_f32 = rows_f32, .rows_f16 = rows_f16, .rows_bf16 = rows_bf16,
	.block = block_plain, .round_bf16 = vector_round_bf16, .read = read_memory, .spin = spin,
	VECTOR_KERNELS,
};
