/* SPDX-License-Identifier: MIT
 *
 * RMS_NORM, LAYER_NORM, GROUP_NORM and SOFTMAX: rows brought to one scale.
 */
#include <math.h>

#include "reference.h"

/* y[r, i] = x[r, i] / sqrt(mean(x[r]²) + epsilon) · weight[i] */
vita_status run_rms_norm(const op_call *c)
{
	const vita_norm_params *p = c->params;
	const float *weight = c->in[1] ? ref_row(c->in[1], 0) : NULL;
	int64_t rows = ref_count(c->in[0], 1), k = op_last(c->in[0], 0);

	for (int64_t r = 0; r < rows; r++) {
		const float *x = ref_row(c->in[0], r);
		float *y = ref_row(c->out[0], r);
		double squares = 0, scale;
		for (int64_t i = 0; i < k; i++) squares += (double)x[i] * (double)x[i];
		scale = 1 / sqrt(squares / (double)k + p->epsilon);
		for (int64_t i = 0; i < k; i++)
			y[i] = (float)((double)x[i] * scale * (weight ? (double)weight[i] : 1));
	}
	return VITA_OK;
}

typedef struct moments {
	double mean, scale; /* scale = 1 / sqrt(variance + epsilon), the variance over n, not n - 1 */
} moments;

/* Over n_rows rows of n values from row `first` on. */
static moments moments_of(const vita_tensor *x, int64_t first, int64_t n_rows, double epsilon)
{
	int64_t n = op_last(x, 0);
	double count = (double)n * (double)n_rows, sum = 0, squares = 0;
	moments m;

	for (int64_t r = first; r < first + n_rows; r++) {
		const float *row = ref_row(x, r);
		for (int64_t i = 0; i < n; i++) sum += (double)row[i];
	}
	m.mean = sum / count;
	for (int64_t r = first; r < first + n_rows; r++) {
		const float *row = ref_row(x, r);
		for (int64_t i = 0; i < n; i++)
			squares += ((double)row[i] - m.mean) * ((double)row[i] - m.mean);
	}
	m.scale = 1 / sqrt(squares / count + epsilon);
	return m;
}

/* y[r, i] = (x[r, i] - mean(x[r])) / sqrt(variance(x[r]) + epsilon) · weight[i] + bias[i] */
vita_status run_layer_norm(const op_call *c)
{
	const vita_norm_params *p = c->params;
	const float *weight = c->in[1] ? ref_row(c->in[1], 0) : NULL,
		    *bias = c->in[2] ? ref_row(c->in[2], 0) : NULL;
	int64_t rows = ref_count(c->in[0], 1), k = op_last(c->in[0], 0);

	for (int64_t r = 0; r < rows; r++) {
		const float *x = ref_row(c->in[0], r);
		float *y = ref_row(c->out[0], r);
		moments m = moments_of(c->in[0], r, 1, p->epsilon);
		for (int64_t i = 0; i < k; i++)
			y[i] = (float)(((double)x[i] - m.mean) * m.scale * (weight ? (double)weight[i] : 1) +
			               (bias ? (double)bias[i] : 0));
	}
	return VITA_OK;
}

/* For each group of channels / groups rows, its moments over all its rows:
 * y[…, i, t] = (x[…, i, t] - mean) / sqrt(variance + epsilon) · weight[i] + bias[i] */
vita_status run_group_norm(const op_call *c)
{
	const vita_norm_params *p = c->params;
	const float *weight = c->in[1] ? ref_row(c->in[1], 0) : NULL,
		    *bias = c->in[2] ? ref_row(c->in[2], 0) : NULL;
	int64_t channels = op_last(c->in[0], 1), width = channels / p->groups, n = op_last(c->in[0], 0);
	int64_t rows = ref_count(c->in[0], 1);

	for (int64_t first = 0; first < rows; first += width) {
		moments m = moments_of(c->in[0], first, width, p->epsilon);
		for (int64_t r = first; r < first + width; r++) {
			const float *x = ref_row(c->in[0], r);
			float *y = ref_row(c->out[0], r);
			double w = weight ? (double)weight[r % channels] : 1,
			       b = bias ? (double)bias[r % channels] : 0;
			for (int64_t t = 0; t < n; t++)
				y[t] = (float)(((double)x[t] - m.mean) * m.scale * w + b);
		}
	}
	return VITA_OK;
}

/* y[r, i] = exp(scale · x[r, i]) / Σ_j exp(scale · x[r, j]), computed from the largest downwards; a row of
 * nothing but -inf is 0. */
vita_status run_softmax(const op_call *c)
{
	double scale = ((const vita_affine_params *)c->params)->scale;
	int64_t rows = ref_count(c->in[0], 1), k = op_last(c->in[0], 0);

	for (int64_t r = 0; r < rows; r++) {
		const float *x = ref_row(c->in[0], r);
		float *y = ref_row(c->out[0], r);
		double largest = -INFINITY, sum = 0;
		int seen = 0;
		for (int64_t i = 0; i < k; i++) {
			largest = fmax(largest, scale * (double)x[i]);
			seen |= scale * (double)x[i] != -INFINITY;
		}
		for (int64_t i = 0; i < k && seen; i++) sum += exp(scale * (double)x[i] - largest);
		for (int64_t i = 0; i < k; i++)
			y[i] = seen ? (float)(exp(scale * (double)x[i] - largest) / sum) : 0;
	}
	return VITA_OK;
}
