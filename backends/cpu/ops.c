/* SPDX-License-Identifier: MIT
 *
 * The ops beside products and attention: each a step that takes its share of the rows. What an op means is
 * in vita/ops.h and, in code, in the reference backend.
 */
#include <math.h>
#include <vita/blocks.h>

#include "ops.h"

/* ---- rows -------------------------------------------------------------------------------------------- */

int64_t n_rows(const vita_tensor *t)
{
	int64_t n = 1;
	for (uint32_t i = 0; i + 1 < t->rank; i++) n *= t->shape[i];
	return n;
}

void *row_at(const vita_tensor *t, int64_t row)
{
	char *p = tensor_data(t);
	for (uint32_t i = t->rank - 1; i-- > 0;) {
		p += row % t->shape[i] * t->stride[i];
		row /= t->shape[i];
	}
	return p;
}

/* The row of b that row number `row` of shape `like` meets, repeating b's dimensions of size 1. */
static void *broadcast_row(const vita_tensor *b, const vita_tensor *like, int64_t row)
{
	char *p = tensor_data(b);
	int32_t behind = (int32_t)like->rank - (int32_t)b->rank;
	for (uint32_t i = like->rank - 1; i-- > 0;) {
		int64_t index = row % like->shape[i];
		row /= like->shape[i];
		if ((int32_t)i >= behind && b->shape[i - (uint32_t)behind] > 1) p += index * b->stride[i - (uint32_t)behind];
	}
	return p;
}

static int64_t columns(const vita_tensor *t)
{
	return t->shape[t->rank - 1];
}

/* ---- steps ------------------------------------------------------------------------------------------- */

static void gather_step(const struct step *s, const vita_backend *backend, int thread, int n_threads)
{
	const vita_tensor *table = s->op->input[0], *ids = s->op->input[1], *y = s->op->output[0];
	int64_t first, end;
	(void)backend;
	share(ids->shape[0], thread, n_threads, &first, &end);
	for (int64_t i = first; i < end; i++) {
		int32_t id;
		memcpy(&id, (const char *)tensor_data(ids) + i * ids->stride[0], sizeof id);
		dequantise_row(table, id, row_at(y, i));
	}
}

/* In order on one thread, so that the last of equal ids wins. */
static void scatter_step(const struct step *s, const vita_backend *backend, int thread, int n_threads)
{
	const vita_tensor *x = s->op->input[0], *ids = s->op->input[1], *y = s->op->output[0];
	(void)backend, (void)n_threads;
	for (int64_t i = 0; thread == 0 && i < ids->shape[0]; i++) {
		int32_t id;
		memcpy(&id, (const char *)tensor_data(ids) + i * ids->stride[0], sizeof id);
		(void)vita_row_from_f32(y->dtype, row_at(x, i), columns(x), row_at(y, id));
	}
}

static void rms_norm_step(const struct step *s, const vita_backend *backend, int thread, int n_threads)
{
	const vita_tensor *x = s->op->input[0], *w = s->op->input[1], *y = s->op->output[0];
	const vita_norm_params *p = s->op->params;
	int64_t first, end, k = columns(x);
	share(n_rows(x), thread, n_threads, &first, &end);
	for (int64_t i = first; i < end; i++) {
		const float *from = row_at(x, i);
		double mean = (double)backend->kernels->sum_squares(from, k) / (double)k;
		backend->kernels->scale_mul(row_at(y, i), from, w ? tensor_data(w) : NULL,
		                            (float)(1.0 / sqrt(mean + p->epsilon)), k);
	}
}

static void layer_norm_step(const struct step *s, const vita_backend *backend, int thread, int n_threads)
{
	const vita_tensor *x = s->op->input[0], *y = s->op->output[0];
	const float *w = s->op->input[1] ? tensor_data(s->op->input[1]) : NULL;
	const float *b = s->op->input[2] ? tensor_data(s->op->input[2]) : NULL;
	const vita_norm_params *p = s->op->params;
	int64_t first, end, k = columns(x);
	(void)backend;
	share(n_rows(x), thread, n_threads, &first, &end);
	for (int64_t i = first; i < end; i++) {
		const float *from = row_at(x, i);
		float *to = row_at(y, i);
		double sum = 0, squares = 0;
		for (int64_t j = 0; j < k; j++) sum += (double)from[j];
		double mean = sum / (double)k;
		for (int64_t j = 0; j < k; j++) squares += ((double)from[j] - mean) * ((double)from[j] - mean);
		float scale = (float)(1.0 / sqrt(squares / (double)k + p->epsilon)), shift = (float)mean;
		for (int64_t j = 0; j < k; j++) to[j] = (from[j] - shift) * scale * (w ? w[j] : 1.0f) + (b ? b[j] : 0.0f);
	}
}

/* The angles of a position serve all heads of its row. */
static void rope_step(const struct step *s, const vita_backend *backend, int thread, int n_threads)
{
	const vita_tensor *x = s->op->input[0], *positions = s->op->input[1], *factors = s->op->input[2];
	const vita_tensor *y = s->op->output[0];
	const vita_rope_params *p = s->op->params;
	const float *factor = factors ? tensor_data(factors) : NULL;
	int64_t first, end, heads = x->shape[1], d = x->shape[2], half = p->n_rotated / 2;
	(void)backend;
	share(x->shape[0], thread, n_threads, &first, &end);
	for (int64_t i = first; i < end; i++) {
		int32_t position;
		float c[ROPE_MAX / 2], z[ROPE_MAX / 2];
		memcpy(&position, (const char *)tensor_data(positions) + i * positions->stride[0], sizeof position);
		for (int64_t j = 0; j < half; j++) {
			double angle = position * p->scale * pow(p->theta, -2.0 * (double)j / p->n_rotated);
			if (factor) angle /= (double)factor[j];
			c[j] = (float)cos(angle);
			z[j] = (float)sin(angle);
		}
		for (int64_t h = 0; h < heads; h++) {
			const float *from = row_at(x, i * heads + h);
			float *to = row_at(y, i * heads + h);
			for (int64_t j = 0; j < half; j++) {
				int64_t a = p->style == VITA_ROPE_HALF ? j : 2 * j;
				int64_t b = p->style == VITA_ROPE_HALF ? j + half : 2 * j + 1;
				float u = from[a], v = from[b];
				to[a] = u * c[j] - v * z[j];
				to[b] = v * c[j] + u * z[j];
			}
			for (int64_t j = 2 * half; j < d; j++) to[j] = from[j];
		}
	}
}

static void softmax_step(const struct step *s, const vita_backend *backend, int thread, int n_threads)
{
	const vita_tensor *x = s->op->input[0], *y = s->op->output[0];
	const vita_affine_params *p = s->op->params;
	int64_t first, end, k = columns(x);
	share(n_rows(x), thread, n_threads, &first, &end);
	for (int64_t i = first; i < end; i++) {
		float *to = row_at(y, i), max = -INFINITY;
		const float *from = row_at(x, i);
		for (int64_t j = 0; j < k; j++) {
			to[j] = from[j] * (float)p->scale;
			if (to[j] > max) max = to[j];
		}
		float sum = backend->kernels->softmax_exp(to, max, k);
		backend->kernels->scale_mul(to, to, NULL, 1.0f / sum, k);
	}
}

static float unary(uint32_t function, float v, float alpha)
{
	switch (function) {
	case VITA_UNARY_SILU: return v / (1.0f + expf(-v));
	case VITA_UNARY_GELU: return 0.5f * v * (1.0f + erff(v * 0.70710678f));
	case VITA_UNARY_GELU_TANH: return 0.5f * v * (1.0f + tanhf(0.79788456f * (v + 0.044715f * v * v * v)));
	case VITA_UNARY_RELU: return v > 0 ? v : 0;
	case VITA_UNARY_LEAKY_RELU: return v < 0 ? alpha * v : v;
	case VITA_UNARY_ELU: return v < 0 ? alpha * expm1f(v) : v;
	case VITA_UNARY_TANH: return tanhf(v);
	case VITA_UNARY_SIGMOID: return 1.0f / (1.0f + expf(-v));
	case VITA_UNARY_MISH: return v * tanhf(v > 20 ? v : log1pf(expf(v)));
	case VITA_UNARY_EXP: return expf(v);
	case VITA_UNARY_LOG: return logf(v);
	case VITA_UNARY_SIN: return sinf(v);
	case VITA_UNARY_COS: return cosf(v);
	case VITA_UNARY_SQRT: return sqrtf(v);
	case VITA_UNARY_ABS: return fabsf(v);
	case VITA_UNARY_SQUARE: return v * v;
	default: return v;
	}
}

/* Rows are cut where there are few, so that one long row still feeds all threads. */
static void unary_step(const struct step *s, const vita_backend *backend, int thread, int n_threads)
{
	const vita_tensor *x = s->op->input[0], *alphas = s->op->input[1], *y = s->op->output[0];
	const vita_unary_params *p = s->op->params;
	int64_t first, end, k = columns(x), channels = x->rank > 1 ? x->shape[x->rank - 2] : 1;
	(void)backend;
	share(n_rows(x), thread, n_threads, &first, &end);
	for (int64_t i = first; i < end; i++) {
		const float *from = row_at(x, i);
		float *to = row_at(y, i);
		if (p->function == VITA_UNARY_SNAKE) {
			float alpha = ((const float *)tensor_data(alphas))[i % channels];
			for (int64_t j = 0; j < k; j++) {
				float w = sinf(alpha * from[j]);
				to[j] = from[j] + w * w / (alpha + 1e-9f);
			}
		} else {
			for (int64_t j = 0; j < k; j++) to[j] = unary(p->function, from[j], (float)p->alpha);
		}
	}
}

#define EACH(expression) for (int64_t j = 0; j < k; j++) { float u = a[j], v = b[j * step]; to[j] = expression; } break

static void binary_step(const struct step *s, const vita_backend *backend, int thread, int n_threads)
{
	const vita_tensor *x = s->op->input[0], *z = s->op->input[1], *y = s->op->output[0];
	const vita_kind_params *p = s->op->params;
	int64_t first, end, k = columns(x), step = columns(z) == 1 ? 0 : 1;
	(void)backend;
	share(n_rows(x), thread, n_threads, &first, &end);
	for (int64_t i = first; i < end; i++) {
		const float *a = row_at(x, i), *b = broadcast_row(z, x, i);
		float *to = row_at(y, i);
		switch (p->kind) {
		case VITA_BINARY_ADD: EACH(u + v);
		case VITA_BINARY_SUB: EACH(u - v);
		case VITA_BINARY_MUL: EACH(u * v);
		case VITA_BINARY_DIV: EACH(u / v);
		case VITA_BINARY_MAX: EACH(u > v ? u : v);
		default: EACH(u < v ? u : v);
		}
	}
}

static void glu_step(const struct step *s, const vita_backend *backend, int thread, int n_threads)
{
	const vita_tensor *gate = s->op->input[0], *up = s->op->input[1], *y = s->op->output[0];
	const vita_kind_params *p = s->op->params;
	int64_t k = columns(gate), pieces = (k + 511) / 512, first, end;
	share(n_rows(gate) * pieces, thread, n_threads, &first, &end);
	for (int64_t i = first; i < end; i++) {
		int64_t row = i / pieces, j0 = i % pieces * 512, n = k - j0 < 512 ? k - j0 : 512;
		const float *g = (const float *)row_at(gate, row) + j0, *u = (const float *)row_at(up, row) + j0;
		float *to = (float *)row_at(y, row) + j0;
		if (p->kind == VITA_UNARY_SILU) backend->kernels->silu_mul(to, g, u, n);
		else
			for (int64_t j = 0; j < n; j++) to[j] = unary(p->kind, g[j], 0) * u[j];
	}
}

static void affine_step(const struct step *s, const vita_backend *backend, int thread, int n_threads)
{
	const vita_tensor *x = s->op->input[0], *y = s->op->output[0];
	const vita_affine_params *p = s->op->params;
	int64_t first, end, k = columns(x);
	float scale = (float)p->scale, shift = (float)p->shift;
	(void)backend;
	share(n_rows(x), thread, n_threads, &first, &end);
	for (int64_t i = first; i < end; i++) {
		const float *from = row_at(x, i);
		float *to = row_at(y, i);
		for (int64_t j = 0; j < k; j++) to[j] = scale * from[j] + shift;
	}
}

/* Rows of contiguous f32 to f32, f16, bf16 or q8_0, and back to f32; other pairs of types are declined. */
static void copy_step(const struct step *s, const vita_backend *backend, int thread, int n_threads)
{
	const vita_tensor *x = s->op->input[0], *y = s->op->output[0];
	int64_t first, end, k = columns(x);
	(void)backend;
	share(n_rows(x), thread, n_threads, &first, &end);
	for (int64_t i = first; i < end; i++) {
		void *to = row_at(y, i);
		const void *from = row_at(x, i);
		if (x->dtype == y->dtype) memmove(to, from, (size_t)vita_row_bytes(x->dtype, k));
		else if (x->dtype == VITA_F32) (void)vita_row_from_f32(y->dtype, from, k, to);
		else (void)vita_row_to_f32(x->dtype, from, k, to);
	}
}

static void fill_step(const struct step *s, const vita_backend *backend, int thread, int n_threads)
{
	const vita_tensor *y = s->op->output[0];
	const vita_affine_params *p = s->op->params;
	int64_t first, end;
	(void)backend;
	share(n_rows(y), thread, n_threads, &first, &end);
	for (int64_t i = first; i < end; i++) {
		float *to = row_at(y, i);
		for (int64_t j = 0; j < columns(y); j++) to[j] = (float)p->shift;
	}
}

static void argmax_step(const struct step *s, const vita_backend *backend, int thread, int n_threads)
{
	const vita_tensor *x = s->op->input[0], *y = s->op->output[0];
	int64_t first, end, k = columns(x);
	(void)backend;
	share(n_rows(x), thread, n_threads, &first, &end);
	for (int64_t i = first; i < end; i++) {
		const float *from = row_at(x, i);
		int32_t best = 0;
		float largest = -INFINITY;
		for (int64_t j = 0; j < k; j++)
			if (from[j] > largest) largest = from[j], best = (int32_t)j;
		memcpy((char *)tensor_data(y) + i * 4, &best, sizeof best);
	}
}

/* ---- what is supported ------------------------------------------------------------------------------- */

static bool rows_of(const vita_tensor *t, uint32_t dtype)
{
	return t && t->dtype == dtype && t->rank >= 1 && t->rank <= VITA_MAX_RANK &&
	       t->stride[t->rank - 1] == (int64_t)vita_dtype_bytes(dtype);
}

static bool f32_rows(const vita_tensor *t)
{
	return rows_of(t, VITA_F32);
}

static bool vector(const vita_tensor *t, int64_t n)
{
	return !t || (f32_rows(t) && t->rank == 1 && t->shape[0] == n);
}

static bool same_shape(const vita_tensor *a, const vita_tensor *b)
{
	return a->rank == b->rank && memcmp(a->shape, b->shape, sizeof a->shape) == 0;
}

static bool same_rows(const vita_op *op)
{
	return f32_rows(op->input[0]) && f32_rows(op->output[0]) && same_shape(op->input[0], op->output[0]);
}

static bool broadcasts(const vita_tensor *b, const vita_tensor *a)
{
	if (!f32_rows(b) || b->rank > a->rank) return false;
	for (uint32_t i = 1; i <= b->rank; i++)
		if (b->shape[b->rank - i] != 1 && b->shape[b->rank - i] != a->shape[a->rank - i]) return false;
	return true;
}

static bool ids_of(const vita_tensor *ids)
{
	return ids && ids->dtype == VITA_I32 && ids->rank == 1;
}

static bool copies(const vita_tensor *x, const vita_tensor *y)
{
	if (!x || !y || !same_shape(x, y) || vita_dtype_block(x->dtype) == 0 || vita_dtype_block(y->dtype) == 0) return false;
	if (!rows_of(x, x->dtype) || !rows_of(y, y->dtype)) return false;
	if (x->buffer && x->buffer->packed_dtype != VITA_DTYPE_NONE) return false;
	if (columns(x) % vita_dtype_block(x->dtype) || columns(x) % vita_dtype_block(y->dtype)) return false;
	if (x->dtype == y->dtype) return true;
	if (x->dtype == VITA_F32) return y->dtype == VITA_F16 || y->dtype == VITA_BF16 || y->dtype == VITA_Q8_0;
	return y->dtype == VITA_F32 && x->dtype != VITA_I32 && x->dtype != VITA_U8;
}

static bool gathers(const vita_op *op)
{
	const vita_tensor *table = op->input[0], *ids = op->input[1], *y = op->output[0];
	if (!table || !ids_of(ids) || !f32_rows(y) || table->rank != 2 || y->rank != 2) return false;
	return table->dtype != VITA_I32 && table->dtype != VITA_U8 && table->shape[1] == y->shape[1] &&
	       y->shape[0] == ids->shape[0] && table->shape[1] % vita_dtype_block(table->dtype) == 0;
}

static bool scatters(const vita_op *op)
{
	const vita_tensor *x = op->input[0], *ids = op->input[1], *y = op->output[0];
	return f32_rows(x) && ids_of(ids) && y && x->rank == 2 && y->rank == 2 && x->shape[1] == y->shape[1] &&
	       x->shape[0] == ids->shape[0] && (y->dtype == VITA_F32 || y->dtype == VITA_F16 || y->dtype == VITA_BF16) &&
	       rows_of(y, y->dtype);
}

static bool ropes(const vita_op *op)
{
	const vita_tensor *x = op->input[0], *positions = op->input[1];
	const vita_rope_params *p = op->params;
	return p && same_rows(op) && x->rank == 3 && ids_of(positions) && positions->shape[0] == x->shape[0] &&
	       p->n_rotated % 2 == 0 && p->n_rotated <= x->shape[2] && p->n_rotated <= ROPE_MAX && p->style <= 1 &&
	       vector(op->input[2], p->n_rotated / 2);
}

step_fn *simple_step(const vita_op *op)
{
	const vita_tensor *x = op->input[0];
	const vita_unary_params *unary_params = op->params;
	const vita_kind_params *kind = op->params;
	switch (op->code) {
	case VITA_OP_GATHER: return gathers(op) ? gather_step : NULL;
	case VITA_OP_SCATTER: return scatters(op) ? scatter_step : NULL;
	case VITA_OP_RMS_NORM:
		return op->params && same_rows(op) && vector(op->input[1], columns(x)) ? rms_norm_step : NULL;
	case VITA_OP_LAYER_NORM:
		return op->params && same_rows(op) && vector(op->input[1], columns(x)) && vector(op->input[2], columns(x))
		       ? layer_norm_step : NULL;
	case VITA_OP_ROPE: return ropes(op) ? rope_step : NULL;
	case VITA_OP_ATTENTION: return attention_supports(op) ? attention_step : NULL;
	case VITA_OP_SOFTMAX: return op->params && same_rows(op) ? softmax_step : NULL;
	case VITA_OP_UNARY:
		if (!op->params || !same_rows(op) || unary_params->function > VITA_UNARY_SQUARE) return NULL;
		if (unary_params->function == VITA_UNARY_SNAKE && (x->rank < 2 || !op->input[1] ||
		    !vector(op->input[1], x->shape[x->rank - 2]))) return NULL;
		return unary_step;
	case VITA_OP_BINARY:
		return op->params && same_rows(op) && op->input[1] && broadcasts(op->input[1], x) && kind->kind <= VITA_BINARY_MIN
		       ? binary_step : NULL;
	case VITA_OP_GLU:
		if (!op->params || !same_rows(op) || !f32_rows(op->input[1]) || !same_shape(x, op->input[1])) return NULL;
		return kind->kind == VITA_UNARY_SILU || kind->kind == VITA_UNARY_GELU || kind->kind == VITA_UNARY_GELU_TANH ||
		       kind->kind == VITA_UNARY_SIGMOID ? glu_step : NULL;
	case VITA_OP_AFFINE: return op->params && same_rows(op) ? affine_step : NULL;
	case VITA_OP_COPY: return copies(x, op->output[0]) ? copy_step : NULL;
	case VITA_OP_FILL: return op->params && f32_rows(op->output[0]) ? fill_step : NULL;
	case VITA_OP_ARGMAX:
		return f32_rows(x) && op->output[0] && op->output[0]->dtype == VITA_I32 && x->rank <= 2 && op->output[0]->rank == 1 &&
		       op->output[0]->stride[0] == 4 && op->output[0]->shape[0] == n_rows(x) && columns(x) > 0 ? argmax_step : NULL;
	default: return NULL;
	}
}

int32_t cpu_supports(vita_backend *backend, const vita_op *op)
{
	(void)backend;
	if (op->code == VITA_OP_MATMUL) {
		const vita_tensor *x = op->input[0], *w = op->input[1], *y = op->output[0];
		return x && w && y && x->rank == 2 && w->rank == 2 && y->rank == 2 && x->shape[1] == w->shape[1] &&
		       y->shape[0] == x->shape[0] && y->shape[1] == w->shape[0] && x->shape[1] > 0 && matmul_supports(op);
	}
	return simple_step(op) != NULL;
}
