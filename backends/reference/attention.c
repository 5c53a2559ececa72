/* SPDX-License-Identifier: MIT
 *
 * ROPE and ATTENTION.
 */
#include <math.h>
#include <stdlib.h>

#include "reference.h"

/* Pair j of each head of row i, (a, b), turned by angle = positions[i] · scale · theta^(-2j / n) / factor[j]:
 * (a cos - b sin, b cos + a sin). */
vita_status run_rope(const op_call *c)
{
	const vita_tensor *x = c->in[0], *y = c->out[0];
	const vita_rope_params *p = c->params;
	const int32_t *positions = (const int32_t *)(const void *)ref_at(c->in[1], 1, 0);
	const float *factor = c->in[2] ? ref_row(c->in[2], 0) : NULL;
	int64_t n = x->shape[0], heads = x->shape[1], half = p->n_rotated / 2;

	for (int64_t r = 0; r < n * heads; r++)
		memmove(ref_row(y, r), ref_row(x, r), (size_t)x->shape[2] * sizeof(float));
	for (int64_t j = 0; j < half; j++) {
		int64_t first = p->style == VITA_ROPE_HALF ? j : 2 * j,
			second = p->style == VITA_ROPE_HALF ? j + half : 2 * j + 1;
		double step = p->scale * pow(p->theta, -(double)j / (double)half) /
		              (factor ? (double)factor[j] : 1);
		for (int64_t i = 0; i < n; i++) {
			double angle = positions[i] * step, cosine = cos(angle), sine = sin(angle);
			for (int64_t h = 0; h < heads; h++) {
				float *row = ref_row2(y, i, h);
				double a = (double)row[first], b = (double)row[second];
				row[first] = (float)(a * cosine - b * sine);
				row[second] = (float)(b * cosine + a * sine);
			}
		}
	}
	return VITA_OK;
}

/* Keys 0 … answer - 1 are those that query i sees. */
static int64_t visible(const vita_attention_params *p, int64_t i, int64_t n_q, int64_t n_k)
{
	int64_t position = i + n_k - n_q, end;

	if (p->mask == VITA_MASK_FULL) return n_k;
	if (position < 0) return 0;
	end = p->mask == VITA_MASK_CAUSAL ? position + 1 : (position / p->block + 1) * p->block;
	return end < n_k ? end : n_k;
}

/* The rows of one key-value head as f32: where they lie, or converted. */
typedef struct head_rows {
	const float *first;
	int64_t step; /* in floats */
} head_rows;

static head_rows rows_of(const vita_tensor *t, int64_t head, float *scratch)
{
	const unsigned char *at = t->buffer->bytes + t->offset + head * t->stride[1];
	int64_t d = t->shape[2];

	if (t->dtype == VITA_F32)
		return (head_rows){ (const float *)(const void *)at, t->stride[0] / (int64_t)sizeof(float) };
	for (int64_t j = 0; j < t->shape[0]; j++)
		(void)vita_row_to_f32(t->dtype, at + j * t->stride[0], d, scratch + j * d);
	return (head_rows){ scratch, d };
}

/* One query: y = Σ_j p[j] v[j], p = softmax(scale · q · k[j] + bias[j]) over the first n keys. Keys with
 * weight 0 are left out altogether, so that what lies there cannot matter. */
static void attend(const float *q, head_rows k, head_rows v, const float *bias, double scale, int64_t n,
                   int64_t d, double *weight, double *sums, float *y)
{
	double largest = -INFINITY, total = 0;
	int seen = 0;

	for (int64_t j = 0; j < n; j++) {
		weight[j] = bias && bias[j] == -INFINITY ? -INFINITY
		                                         : scale * ref_dot(q, k.first + j * k.step, d) +
		                                                   (bias ? (double)bias[j] : 0);
		largest = fmax(largest, weight[j]);
		seen |= weight[j] != -INFINITY;
	}
	for (int64_t i = 0; i < d; i++) sums[i] = 0;
	for (int64_t j = 0; j < n && seen; j++) {
		const float *row = v.first + j * v.step;
		double p = exp(weight[j] - largest);
		if (p == 0) continue;
		total += p;
		for (int64_t i = 0; i < d; i++) sums[i] += p * (double)row[i];
	}
	for (int64_t i = 0; i < d; i++) y[i] = total == 0 ? 0 : (float)(sums[i] / total);
}

vita_status run_attention(const op_call *c)
{
	const vita_tensor *q = c->in[0], *k = c->in[1], *v = c->in[2], *bias = c->in[3], *y = c->out[0];
	const vita_attention_params *p = c->params;
	int64_t n_q = q->shape[0], n_k = k->shape[0], d = q->shape[2], group = q->shape[1] / k->shape[1];
	float *k_scratch = ref_scratch(c, k->dtype == VITA_F32 ? 0 : n_k * d, sizeof *k_scratch);
	float *v_scratch = ref_scratch(c, v->dtype == VITA_F32 ? 0 : n_k * d, sizeof *v_scratch);
	double *weight = ref_scratch(c, n_k, sizeof *weight), *sums = ref_scratch(c, d, sizeof *sums);
	vita_status status = k_scratch && v_scratch && weight && sums ? VITA_OK : VITA_E_NOMEM;

	for (int64_t g = 0; g < k->shape[1] && status == VITA_OK; g++) {
		head_rows keys = rows_of(k, g, k_scratch), values = rows_of(v, g, v_scratch);
		for (int64_t h = g * group; h < (g + 1) * group; h++)
			for (int64_t i = 0; i < n_q; i++)
				attend(ref_row2(q, i, h), keys, values,
				       bias ? ref_row2(bias, bias->shape[0] == 1 ? 0 : h, i) : NULL, p->scale,
				       visible(p, i, n_q, n_k), d, weight, sums, ref_row2(y, i, h));
	}
	free(k_scratch);
	free(v_scratch);
	free(weight);
	free(sums);
	return status;
}
