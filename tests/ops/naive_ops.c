/* SPDX-License-Identifier: MIT
 *
 * The naive backend's ops: for each output element, the formula of vita/ops.h in double. An output's value
 * depends on inputs only, so all of them are computed before any is stored: that makes every op work in
 * place.
 */
#include "naive.h"

#include <math.h>
#include <stdlib.h>

/* One element of input or output number i of an op, by its index. */
static double in(const vita_op *op, int i, const int64_t *at)
{
	return naive_get(op->input[i], naive_bytes(op->input[i]), at);
}

static int has(const vita_op *op, uint32_t i) { return i < op->n_inputs && op->input[i]; }

static double vector(const vita_op *op, int i, int64_t at, double otherwise)
{
	return has(op, (uint32_t)i) ? in(op, i, &at) : otherwise;
}

/* index with its last or last but one entry changed */
typedef struct index4 {
	int64_t at[VITA_MAX_RANK];
} index4;

static index4 with(const int64_t *at, uint32_t rank, uint32_t back, int64_t value)
{
	index4 i;
	memcpy(i.at, at, sizeof i.at);
	i.at[rank - 1 - back] = value;
	return i;
}

static double function_of(uint32_t function, double x, double alpha)
{
	double e;
	switch (function) {
	case VITA_UNARY_SILU: return x / 2 * (1 + tanh(x / 2));
	case VITA_UNARY_GELU: return x * erfc(-x / sqrt(2)) / 2;
	case VITA_UNARY_GELU_TANH: return x / (1 + exp(-2 * sqrt(2 / acos(-1)) * (x + 0.044715 * pow(x, 3))));
	case VITA_UNARY_RELU: return fmax(x, 0);
	case VITA_UNARY_LEAKY_RELU: return fmax(x, 0) + alpha * fmin(x, 0);
	case VITA_UNARY_ELU: return fmax(x, 0) + alpha * (exp(fmin(x, 0)) - 1);
	case VITA_UNARY_TANH: return 1 - 2 / (exp(2 * x) + 1);
	case VITA_UNARY_SIGMOID: return (1 + tanh(x / 2)) / 2;
	case VITA_UNARY_MISH: e = (1 + exp(x)) * (1 + exp(x)); return x * (e - 1) / (e + 1);
	case VITA_UNARY_EXP: return pow(exp(1), x);
	case VITA_UNARY_LOG: return log2(x) * log(2);
	case VITA_UNARY_SIN: return cos(x - acos(0));
	case VITA_UNARY_COS: return sin(x + acos(0));
	case VITA_UNARY_SQRT: return pow(x, 0.5);
	case VITA_UNARY_ABS: return x < 0 ? -x : x;
	case VITA_UNARY_SQUARE: return pow(x, 2);
	default: return x;
	}
}

static double matmul(const vita_op *op, const int64_t *at)
{
	const vita_tensor *x = op->input[0], *w = op->input[1];
	uint32_t activation = ((const vita_matmul_params *)op->params)->activation;
	double sum = 0;
	for (int64_t k = 0; k < x->shape[x->rank - 1]; k++) {
		index4 xi = with(at, x->rank, 0, k), wi = with(xi.at, x->rank, 1, at[x->rank - 1]);
		sum += in(op, 0, xi.at) * in(op, 1, wi.at + (x->rank - w->rank));
	}
	sum = function_of(activation, sum + vector(op, 2, at[x->rank - 1], 0), 0);
	return has(op, 3) ? sum + in(op, 3, at) : sum;
}

/* Mean and variance of x over n_rows × its last dimension, from the row of `at` in its group of n_rows on */
static void moments(const vita_op *op, const int64_t *at, int64_t first, int64_t n_rows, double *mean,
                    double *variance)
{
	const vita_tensor *x = op->input[0];
	double sum = 0, squares = 0, n = (double)n_rows * (double)x->shape[x->rank - 1];
	for (int64_t r = 0; r < n_rows; r++)
		for (int64_t t = 0; t < x->shape[x->rank - 1]; t++) {
			index4 i = with(at, x->rank, 0, t);
			if (first >= 0) i = with(i.at, x->rank, 1, first + r);
			sum += in(op, 0, i.at);
			squares += pow(in(op, 0, i.at), 2);
		}
	*mean = sum / n;
	*variance = squares / n - *mean * *mean;
}

static double norm(const vita_op *op, const int64_t *at)
{
	const vita_tensor *x = op->input[0];
	const vita_norm_params *p = op->params;
	double mean, variance;
	int64_t channel = at[x->rank - 1], first = -1, rows = 1;
	if (op->code == VITA_OP_GROUP_NORM) {
		rows = x->shape[x->rank - 2] / p->groups;
		channel = at[x->rank - 2];
		first = channel / rows * rows;
	}
	moments(op, at, first, rows, &mean, &variance);
	if (op->code == VITA_OP_RMS_NORM) variance += mean * mean, mean = 0;
	return (in(op, 0, at) - mean) / sqrt(variance + p->epsilon) * vector(op, 1, channel, 1) +
	       vector(op, 2, channel, 0);
}

static double rope(const vita_op *op, const int64_t *at)
{
	const vita_rope_params *p = op->params;
	int64_t n = p->n_rotated, j = at[2], pair, other;
	double angle;
	if (j >= n) return in(op, 0, at);
	pair = p->style == VITA_ROPE_HALF ? j % (n / 2) : j / 2;
	other = p->style == VITA_ROPE_HALF ? (j + n / 2) % n : j % 2 ? j - 1 : j + 1;
	angle = vector(op, 1, at[0], 0) * p->scale * exp(-2.0 * (double)pair / (double)n * log(p->theta)) /
	        vector(op, 2, pair, 1);
	return in(op, 0, at) * cos(angle) +
	       (other > j ? -1 : 1) * in(op, 0, with(at, 3, 0, other).at) * sin(angle);
}

static int sees(const vita_attention_params *p, int64_t position, int64_t j)
{
	if (p->mask == VITA_MASK_FULL) return 1;
	if (p->mask == VITA_MASK_CAUSAL) return j <= position;
	return j / p->block <= (int64_t)floor((double)position / (double)p->block);
}

static double attention(const vita_op *op, const int64_t *at)
{
	const vita_tensor *q = op->input[0], *k = op->input[1];
	const vita_attention_params *p = op->params;
	int64_t group = at[1] / (q->shape[1] / k->shape[1]);
	double sum = 0, weights = 0;
	for (int64_t j = 0; j < k->shape[0]; j++) {
		double score = 0, weight;
		if (!sees(p, at[0] + k->shape[0] - q->shape[0], j)) continue;
		for (int64_t i = 0; i < q->shape[2]; i++)
			score += in(op, 0, with(at, 3, 0, i).at) * in(op, 1, (int64_t[]){ j, group, i });
		score *= p->scale;
		if (has(op, 3))
			score += in(op, 3, (int64_t[]){ op->input[3]->shape[0] == 1 ? 0 : at[1], at[0], j });
		weight = exp(score);
		weights += weight;
		sum += weight * in(op, 2, (int64_t[]){ j, group, at[2] });
	}
	return weights > 0 ? sum / weights : 0;
}

static double softmax(const vita_op *op, const int64_t *at)
{
	const vita_tensor *x = op->input[0];
	double scale = ((const vita_affine_params *)op->params)->scale, sum = 0;
	for (int64_t i = 0; i < x->shape[x->rank - 1]; i++)
		sum += exp(scale * in(op, 0, with(at, x->rank, 0, i).at));
	return exp(scale * in(op, 0, at)) / sum;
}

static double unary(const vita_op *op, const int64_t *at)
{
	const vita_unary_params *p = op->params;
	double x = in(op, 0, at), alpha;
	if (p->function != VITA_UNARY_SNAKE) return function_of(p->function, x, p->alpha);
	alpha = vector(op, 1, at[op->input[0]->rank - 2], 0);
	return x + (1 - cos(2 * alpha * x)) / 2 / (alpha + 1e-9);
}

static double binary(const vita_op *op, const int64_t *at)
{
	const vita_tensor *a = op->input[0], *b = op->input[1];
	int64_t b_at[VITA_MAX_RANK] = { 0 };
	double x = in(op, 0, at), y;
	for (uint32_t i = 0; i < b->rank; i++) b_at[i] = b->shape[i] == 1 ? 0 : at[a->rank - b->rank + i];
	y = in(op, 1, b_at);
	switch (((const vita_kind_params *)op->params)->kind) {
	case VITA_BINARY_ADD: return x + y;
	case VITA_BINARY_SUB: return x - y;
	case VITA_BINARY_MUL: return x * y;
	case VITA_BINARY_DIV: return x / y;
	case VITA_BINARY_MAX: return fmax(x, y);
	default: return fmin(x, y);
	}
}

static double conv1d(const vita_op *op, const int64_t *at)
{
	const vita_tensor *x = op->input[0], *w = op->input[1];
	const vita_conv_params *p = op->params;
	int64_t o = at[x->rank - 2], t = at[x->rank - 1], group = o / (w->shape[0] / p->groups);
	double sum = vector(op, 2, o, 0);
	for (int64_t i = 0; i < w->shape[1]; i++)
		for (int64_t s = 0; s < w->shape[2]; s++) {
			int64_t from = t * p->stride + s * p->dilation - p->pad_left;
			index4 xi = with(at, x->rank, 0, from);
			if (from < 0 || from >= x->shape[x->rank - 1]) continue;
			xi = with(xi.at, x->rank, 1, group * w->shape[1] + i);
			sum += in(op, 1, (int64_t[]){ o, i, s }) * in(op, 0, xi.at);
		}
	return sum;
}

static double conv_transpose1d(const vita_op *op, const int64_t *at)
{
	const vita_tensor *x = op->input[0], *w = op->input[1];
	const vita_conv_params *p = op->params;
	int64_t o = at[x->rank - 2], u = at[x->rank - 1], group = o / w->shape[1],
		width = w->shape[0] / p->groups;
	double sum = vector(op, 2, o, 0);
	for (int64_t i = group * width; i < (group + 1) * width; i++)
		for (int64_t s = 0; s < w->shape[2]; s++)
			for (int64_t t = 0; t < x->shape[x->rank - 1]; t++) {
				index4 xi = with(at, x->rank, 0, t);
				if (t * p->stride + s * p->dilation - p->pad_left != u) continue;
				xi = with(xi.at, x->rank, 1, i);
				sum += in(op, 1, (int64_t[]){ i, o % w->shape[1], s }) * in(op, 0, xi.at);
			}
	return sum;
}

static double pool(const vita_op *op, const int64_t *at)
{
	const vita_pool_params *p = op->params;
	uint32_t rank = op->input[0]->rank;
	double sum = 0, largest = -INFINITY;
	for (int64_t j = 0; j < p->kernel; j++) {
		double x = in(op, 0, with(at, rank, 0, at[rank - 1] * p->stride + j).at);
		sum += x;
		largest = fmax(largest, x);
	}
	return p->kind == VITA_POOL_MEAN ? sum / p->kernel : largest;
}

static double interpolate(const vita_op *op, const int64_t *at)
{
	uint32_t rank = op->input[0]->rank;
	int64_t t = op->input[0]->shape[rank - 1], to = op->output[0]->shape[rank - 1], i = at[rank - 1], low;
	double centre, high;
	if (((const vita_kind_params *)op->params)->kind == VITA_INTERPOLATE_NEAREST) {
		float from = (float)i * ((float)t / (float)to);
		return in(op, 0, with(at, rank, 0, from > (float)(t - 1) ? t - 1 : (int64_t)from).at);
	}
	centre = ((double)i + 0.5) * (double)t / (double)to - 0.5;
	centre = fmin(fmax(centre, 0), (double)(t - 1)); /* edges held */
	low = (int64_t)centre;
	high = in(op, 0, with(at, rank, 0, low + 1 < t ? low + 1 : low).at);
	return in(op, 0, with(at, rank, 0, low).at) * ((double)(low + 1) - centre) +
	       high * (centre - (double)low);
}

static double cumsum(const vita_op *op, const int64_t *at)
{
	uint32_t rank = op->input[0]->rank;
	double sum = 0;
	for (int64_t j = 0; j <= at[rank - 1]; j++) sum += in(op, 0, with(at, rank, 0, j).at);
	return sum;
}

/* Place of x[…, i] in falling order: how many come before it. */
static int64_t place_of(const vita_op *op, const int64_t *row, int64_t i)
{
	uint32_t rank = op->input[0]->rank;
	double x = in(op, 0, with(row, rank, 0, i).at);
	int64_t place = 0;
	for (int64_t j = 0; j < op->input[0]->shape[rank - 1]; j++) {
		double other = in(op, 0, with(row, rank, 0, j).at);
		int equal = other == x || (isnan(other) && isnan(x));
		place += equal ? j < i : other > x || (isnan(x) && !isnan(other));
	}
	return place;
}

/* The i with this place. */
static int64_t ranked(const vita_op *op, const int64_t *row, int64_t place)
{
	for (int64_t i = 0; i < op->input[0]->shape[op->input[0]->rank - 1]; i++)
		if (place_of(op, row, i) == place) return i;
	return -1;
}

static double nearest(const vita_op *op, const int64_t *at)
{
	double best = INFINITY;
	int64_t answer = 0;
	for (int64_t j = 0; j < op->input[1]->shape[0]; j++) {
		double distance = 0;
		for (int64_t i = 0; i < op->input[0]->shape[1]; i++)
			distance +=
				pow(in(op, 0, (int64_t[]){ at[0], i }) - in(op, 1, (int64_t[]){ j, i }), 2);
		if (distance < best) best = distance, answer = j;
	}
	return (double)answer;
}

static double reduce(const vita_op *op, const int64_t *at)
{
	uint32_t rank = op->input[0]->rank, kind = ((const vita_kind_params *)op->params)->kind;
	int64_t k = op->input[0]->shape[rank - 1];
	double sum = 0, largest = -INFINITY;
	for (int64_t i = 0; i < k; i++) {
		sum += in(op, 0, with(at, rank, 0, i).at);
		largest = fmax(largest, in(op, 0, with(at, rank, 0, i).at));
	}
	return kind == VITA_REDUCE_SUM ? sum : kind == VITA_REDUCE_MEAN ? sum / (double)k : largest;
}

static double concat(const vita_op *op, const int64_t *at)
{
	uint32_t axis = ((const vita_kind_params *)op->params)->kind;
	index4 i;
	memcpy(i.at, at, sizeof i.at);
	for (int n = 0;; i.at[axis] -= op->input[n++]->shape[axis])
		if (i.at[axis] < op->input[n]->shape[axis]) return in(op, n, i.at);
}

/* Where in x the row y[at] comes from; the last of equal ids wins. -1: nowhere. */
static int64_t scattered_from(const vita_op *op, int64_t row)
{
	for (int64_t i = op->input[1]->shape[0]; i-- > 0;)
		if ((int64_t)in(op, 1, &i) == row) return i;
	return -1;
}

static double value_of(const vita_op *op, int output, const int64_t *at)
{
	const vita_affine_params *affine = op->params;
	int64_t from;
	switch (op->code) {
	case VITA_OP_MATMUL: return matmul(op, at);
	case VITA_OP_GATHER: return in(op, 0, (int64_t[]){ (int64_t)in(op, 1, at), at[1] });
	case VITA_OP_SCATTER:
		from = scattered_from(op, at[0]);
		if (from < 0) return naive_get(op->output[0], naive_bytes(op->output[0]), at);
		return in(op, 0, (int64_t[]){ from, at[1] });
	case VITA_OP_RMS_NORM:
	case VITA_OP_LAYER_NORM:
	case VITA_OP_GROUP_NORM: return norm(op, at);
	case VITA_OP_ROPE: return rope(op, at);
	case VITA_OP_ATTENTION: return attention(op, at);
	case VITA_OP_SOFTMAX: return softmax(op, at);
	case VITA_OP_UNARY: return unary(op, at);
	case VITA_OP_BINARY: return binary(op, at);
	case VITA_OP_GLU:
		return function_of(((const vita_kind_params *)op->params)->kind, in(op, 0, at), 0) *
		       in(op, 1, at);
	case VITA_OP_AFFINE: return affine->scale * in(op, 0, at) + affine->shift;
	case VITA_OP_CONV1D: return conv1d(op, at);
	case VITA_OP_CONV_TRANSPOSE1D: return conv_transpose1d(op, at);
	case VITA_OP_POOL: return pool(op, at);
	case VITA_OP_INTERPOLATE: return interpolate(op, at);
	case VITA_OP_CUMSUM: return cumsum(op, at);
	case VITA_OP_ARGMAX: return (double)ranked(op, at, 0);
	case VITA_OP_TOP_K:
		from = ranked(op, at, at[op->input[0]->rank - 1]);
		return output == 1 ? (double)from : in(op, 0, with(at, op->input[0]->rank, 0, from).at);
	case VITA_OP_NEAREST: return nearest(op, at);
	case VITA_OP_REDUCE: return reduce(op, at);
	case VITA_OP_COPY: return in(op, 0, at);
	case VITA_OP_CONCAT: return concat(op, at);
	default: return affine->shift;
	}
}

/* To a block type: q8_0 from the nearest multiples of the largest / 127 (as a half), or the bytes as they
 * are where x is of the same type. */
static void put_blocks(const vita_op *op)
{
	const vita_tensor *x = op->input[0], *y = op->output[0];
	int64_t block = vita_dtype_block(y->dtype), at[VITA_MAX_RANK] = { 0 };
	do {
		unsigned char *to = naive_bytes(y) + naive_place(y, at);
		vita_tensor half = { .dtype = VITA_F16, .rank = 1, .shape = { 1 }, .stride = { 2 } };
		double largest = 0;
		int64_t zero = 0;
		if (at[y->rank - 1] % block != 0) continue;
		if (x->dtype == y->dtype) {
			memcpy(to, naive_bytes(x) + naive_place(x, at), vita_dtype_bytes(y->dtype));
			continue;
		}
		for (int64_t i = 0; i < block; i++)
			largest =
				fmax(largest, fabs(in(op, 0, with(at, y->rank, 0, at[y->rank - 1] + i).at)));
		naive_put(&half, to, &zero, largest / 127);
		for (int64_t i = 0; i < block; i++) {
			double value = in(op, 0, with(at, y->rank, 0, at[y->rank - 1] + i).at);
			to[2 + i] = (unsigned char)(int)round(largest > 0 ? value * 127 / largest : 0);
		}
	} while (naive_next(y, at));
}

/* CONCAT of blocks: by way of a COPY into each part. */
static void concat_blocks(const vita_op *op)
{
	uint32_t axis = ((const vita_kind_params *)op->params)->kind, last = op->output[0]->rank - 1;
	int64_t unit = axis == last ? vita_dtype_block(op->output[0]->dtype) : 1;
	vita_tensor part = *op->output[0];
	for (uint32_t i = 0; i < op->n_inputs; i++) {
		vita_op copy = { .code = VITA_OP_COPY,
			         .n_inputs = 1,
			         .n_outputs = 1,
			         .input = { op->input[i] },
			         .output = { &part } };
		part.shape[axis] = op->input[i]->shape[axis];
		naive_run(&copy);
		part.offset += (uint64_t)(part.shape[axis] / unit * part.stride[axis]);
	}
}

void naive_run(const vita_op *op)
{
	double *values[VITA_OP_MAX_OUTPUTS] = { NULL };
	for (uint32_t o = 0; o < op->n_outputs; o++) {
		const vita_tensor *y = op->output[o];
		int64_t at[VITA_MAX_RANK] = { 0 }, n = 1, i = 0;
		for (uint32_t d = 0; d < y->rank; d++) n *= y->shape[d];
		values[o] = calloc((size_t)n + 1, sizeof **values);
		if (n == 0 || !values[o]) continue;
		if (vita_dtype_block(y->dtype) > 1) {
			if (op->code == VITA_OP_COPY)
				put_blocks(op);
			else
				concat_blocks(op);
			continue;
		}
		do values[o][i++] = value_of(op, (int)o, at);
		while (naive_next(y, at));
	}
	for (uint32_t o = 0; o < op->n_outputs; o++) {
		const vita_tensor *y = op->output[o];
		int64_t at[VITA_MAX_RANK] = { 0 }, empty = 0, i = 0;
		for (uint32_t d = 0; d < y->rank; d++) empty |= y->shape[d] == 0;
		if (!empty && values[o] && vita_dtype_block(y->dtype) == 1) do
				naive_put(y, naive_bytes(y), at, values[o][i++]);
			while (naive_next(y, at));
		free(values[o]);
	}
}
