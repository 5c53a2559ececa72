/* SPDX-License-Identifier: MIT
 *
 * Matrix products: y[n, m] = act(x[n, k] · w[m, k]ᵀ + bias) + residual.
 *
 * Two steps of a plan: the activations become what the weight's kernel wants (8-bit integers for block
 * types, else f32 as they are), then tiles of TILE weight rows are handed out to the threads. A tile meets all
 * rows of a chunk while it is in the cache; a chunk's activations fit the second-level cache.
 */
#include "cpu.h"

#include <math.h>

#define CHUNK_BYTES (384 * 1024) /* of activations that meet one tile after another */

static uint64_t aligned(uint64_t n)
{
	return (n + 63) & ~(uint64_t)63;
}

static bool is_packed(const vita_tensor *w)
{
	return packed_tile_bytes(w->dtype, w->shape[1]) > 0;
}

static bool plain_matrix(const vita_tensor *t, uint32_t dtype)
{
	return t->dtype == dtype && t->rank == 2 && t->stride[1] == (int64_t)vita_dtype_bytes(dtype);
}

bool matmul_supports(const vita_op *op)
{
	const vita_tensor *x = op->input[0], *w = op->input[1], *bias = op->input[2], *r = op->input[3];
	const vita_tensor *y = op->output[0];
	if (!plain_matrix(x, VITA_F32) || !plain_matrix(y, VITA_F32) || w->rank != 2) return false;
	if (bias && (bias->dtype != VITA_F32 || bias->rank != 1 || bias->stride[0] != 4)) return false;
	if (r && !plain_matrix(r, VITA_F32)) return false;
	const vita_matmul_params *p = op->params;
	if (p && p->activation != VITA_UNARY_NONE && p->activation != VITA_UNARY_SILU && p->activation != VITA_UNARY_RELU &&
	    p->activation != VITA_UNARY_GELU)
		return false;
	if (w->dtype == VITA_F32 || w->dtype == VITA_F16 || w->dtype == VITA_BF16) return plain_matrix(w, w->dtype);
	/* Plain blocks (a buffer that load did not pack) are left to the reference backend. */
	return is_packed(w) && (!w->buffer || w->buffer->packed_dtype == w->dtype);
}

static uint32_t sum_block_of(uint32_t dtype)
{
	return dtype == VITA_Q6_K ? 16 : 32;
}

static int32_t zero_point_of(uint32_t dtype)
{
	switch (dtype) {
	case VITA_Q8_0: return 128;
	case VITA_Q4_0: return 8;
	case VITA_Q6_K: return 32;
	default: return 0;
	}
}

bool matmul_converts(const vita_op *op)
{
	return is_packed(op->input[1]);
}

uint64_t matmul_scratch(const vita_op *op)
{
	const vita_tensor *x = op->input[0], *w = op->input[1];
	uint64_t n = (uint64_t)x->shape[0], k = (uint64_t)x->shape[1];
	if (!is_packed(w)) return 0;
	return aligned(n * k) + 2 * aligned(n * (k / QUANT_BLOCK) * 4) + aligned(n * (k / sum_block_of(w->dtype)) * 4);
}

void matmul_prepare(const vita_op *op, void *scratch, struct step *step)
{
	const vita_tensor *x = op->input[0], *w = op->input[1];
	uint64_t n = (uint64_t)x->shape[0], k = (uint64_t)x->shape[1];
	unsigned char *p = scratch;
	step->op = op;
	step->scratch = scratch;
	if (!is_packed(w)) return;
	step->rows.n = (int64_t)n;
	step->rows.k = (int64_t)k;
	step->rows.zero_point = zero_point_of(w->dtype);
	step->rows.sum_block = sum_block_of(w->dtype);
	step->rows.q = (int8_t *)p;
	p += aligned(n * k);
	step->rows.scale = (float *)(void *)p;
	p += aligned(n * (k / QUANT_BLOCK) * 4);
	step->rows.sum = (float *)(void *)p;
	p += aligned(n * (k / QUANT_BLOCK) * 4);
	step->rows.offset = (int32_t *)(void *)p;
}

static const float *row_of(const vita_tensor *t, int64_t row)
{
	return (const float *)(const void *)((const char *)tensor_data(t) + row * t->stride[0]);
}

void matmul_convert_step(const struct step *step, const vita_backend *backend, int thread, int n_threads)
{
	const vita_tensor *x = step->op->input[0];
	int64_t first, end;
	share(x->shape[0], thread, n_threads, &first, &end);
	for (int64_t row = first; row < end; row++) {
		struct quantised_rows rows = step->rows;
		backend->kernels->quantise(row_of(x, row), row, &rows);
	}
}

/* Rows first … first+n-1 of the activations times tile number t of the weight's own memory. */
static void multiply_tile(const struct step *step, const vita_backend *backend, int64_t t, int64_t first, int n,
                          float *out)
{
	const struct cpu_kernels *kernels = backend->kernels;
	const vita_tensor *x = step->op->input[0], *w = step->op->input[1];
	int64_t k = x->shape[1];
	if (is_packed(w)) {
		const unsigned char *tile = w->buffer->memory + t * packed_tile_bytes(w->dtype, k);
		tile_kernel *kernel = w->dtype == VITA_Q8_0 ? kernels->tile_q8_0 : w->dtype == VITA_Q4_0 ? kernels->tile_q4_0
		                      : w->dtype == VITA_Q4_1 ? kernels->tile_q4_1 : w->dtype == VITA_Q4_K
		                      ? kernels->tile_q4_k : kernels->tile_q6_k;
		kernel(tile, &step->rows, first / MAX_ROWS, out);
		return;
	}
	row_kernel *kernel = w->dtype == VITA_F32 ? kernels->rows_f32 : w->dtype == VITA_F16 ? kernels->rows_f16
	                                                                                      : kernels->rows_bf16;
	for (int64_t i = 0; i < TILE && t * TILE + i < w->shape[0]; i += 4) {
		int64_t left = w->shape[0] - t * TILE - i;
		kernel((const char *)tensor_data(w) + (t * TILE + i) * w->stride[0], w->stride[0], left < 4 ? (int)left : 4,
		       row_of(x, first), x->stride[0], n, k, out + i);
	}
}

static float activate(uint32_t function, float v)
{
	switch (function) {
	case VITA_UNARY_SILU: return v / (1.0f + expf(-v));
	case VITA_UNARY_RELU: return v > 0 ? v : 0;
	case VITA_UNARY_GELU: return 0.5f * v * (1.0f + erff(v * 0.70710678f));
	default: return v;
	}
}

/* Columns column … column+count-1 of y from lanes lane … of a tile's result. */
static void store_tile(const vita_op *op, int64_t first, int n, int64_t column, int lane, int count, const float *out)
{
	const vita_tensor *bias = op->input[2], *residual = op->input[3], *y = op->output[0];
	const vita_matmul_params *p = op->params;
	const float *b = bias ? (const float *)tensor_data(bias) + column : NULL;
	for (int r = 0; r < n; r++) {
		float *to = (float *)(uintptr_t)row_of(y, first + r) + column;
		const float *from = out + r * TILE + lane;
		const float *add = residual ? row_of(residual, first + r) + column : NULL;
		for (int i = 0; i < count; i++) {
			float v = b ? from[i] + b[i] : from[i];
			if (p && p->activation != VITA_UNARY_NONE) v = activate(p->activation, v);
			to[i] = add ? v + add[i] : v;
		}
	}
}

void matmul_multiply_step(const struct step *step, const vita_backend *backend, int thread, int n_threads)
{
	const vita_tensor *x = step->op->input[0], *w = step->op->input[1];
	int64_t n = x->shape[0], k = x->shape[1], m = w->shape[0];
	int64_t skip = is_packed(w) ? (int64_t)w->offset / w->stride[0] : 0; /* rows of the memory before the view */
	int64_t first_tile = skip / TILE, tiles = (skip + m + TILE - 1) / TILE - first_tile;
	int64_t chunk = CHUNK_BYTES / (k > 0 ? k : 1) / MAX_ROWS * MAX_ROWS;
	if (chunk < MAX_ROWS) chunk = MAX_ROWS;
	int64_t grain = tiles / (n_threads * 8), chunks = (n + chunk - 1) / chunk;
	if (grain < 1) grain = 1;
	int64_t grains = (tiles + grain - 1) / grain;
	(void)thread;
	for (;;) {
		int64_t item = atomic_fetch_add_explicit(step->next, 1, memory_order_relaxed);
		if (item >= chunks * grains) return;
		int64_t row0 = item / grains * chunk, row_end = row0 + chunk < n ? row0 + chunk : n;
		int64_t t0 = item % grains * grain, t_end = t0 + grain < tiles ? t0 + grain : tiles;
		for (int64_t t = t0; t < t_end; t++) {
			int64_t column = (first_tile + t) * TILE - skip; /* of lane 0; negative in a first tile cut by the view */
			int lane = column < 0 ? (int)-column : 0;
			int count = (int)(m - column < TILE ? m - column : TILE) - lane;
			for (int64_t row = row0; row < row_end; row += MAX_ROWS) {
				float out[MAX_ROWS * TILE];
				int rows = row_end - row < MAX_ROWS ? (int)(row_end - row) : MAX_ROWS;
				multiply_tile(step, backend, first_tile + t, row, rows, out);
				store_tile(step->op, row, rows, column + lane, lane, count, out);
			}
		}
	}
}
