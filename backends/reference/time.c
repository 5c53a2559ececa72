/* SPDX-License-Identifier: MIT
 *
 * POOL, INTERPOLATE and CUMSUM: along the innermost dimension, time.
 */
#include <math.h>

#include "reference.h"

/* y[…, i] = mean or maximum of x[…, i · stride + j], j = 0 … kernel - 1 */
vita_status run_pool(const op_call *c)
{
	const vita_pool_params *p = c->params;
	int64_t rows = ref_count(c->in[0], 1), n = op_last(c->out[0], 0);

	for (int64_t r = 0; r < rows; r++) {
		float *y = ref_row(c->out[0], r);
		for (int64_t i = 0; i < n; i++) {
			const float *x = ref_row(c->in[0], r) + i * p->stride;
			double sum = 0;
			float largest = x[0];
			for (uint32_t j = 0; j < p->kernel; j++) {
				sum += (double)x[j];
				largest = x[j] > largest ? x[j] : largest;
			}
			y[i] = p->kind == VITA_POOL_MEAN ? (float)(sum / p->kernel) : largest;
		}
	}
	return VITA_OK;
}

/* NEAREST: y[i] = x[min(floor(i · ratio), t - 1)], ratio = t / t' and the product in f32, as PyTorch has it.
 * LINEAR: y[i] = x[j] (1 - f) + x[j + 1] f, where j + f = max((i + 0.5) t / t' - 0.5, 0); past the last
 * value, that value. */
vita_status run_interpolate(const op_call *c)
{
	uint32_t kind = ((const vita_kind_params *)c->params)->kind;
	int64_t rows = ref_count(c->in[0], 1), n = op_last(c->out[0], 0), last = op_last(c->in[0], 0) - 1;
	float ratio = (float)(last + 1) / (float)n;

	for (int64_t r = 0; r < rows; r++) {
		const float *x = ref_row(c->in[0], r);
		float *y = ref_row(c->out[0], r);
		for (int64_t i = 0; i < n; i++) {
			double at = fmax(((double)i + 0.5) * (double)(last + 1) / (double)n - 0.5, 0), f;
			int64_t j = kind == VITA_INTERPOLATE_NEAREST ? (int64_t)floorf((float)i * ratio)
			                                             : (int64_t)at;
			if (j > last) j = last;
			f = kind == VITA_INTERPOLATE_NEAREST ? 0 : at - (double)j;
			y[i] = f == 0 || j == last ? x[j]
			                           : (float)((double)x[j] * (1 - f) + (double)x[j + 1] * f);
		}
	}
	return VITA_OK;
}

/* y[…, i] = x[…, 0] + … + x[…, i] */
vita_status run_cumsum(const op_call *c)
{
	int64_t rows = ref_count(c->in[0], 1), n = op_last(c->in[0], 0);

	for (int64_t r = 0; r < rows; r++) {
		const float *x = ref_row(c->in[0], r);
		float *y = ref_row(c->out[0], r);
		double sum = 0;
		for (int64_t i = 0; i < n; i++) y[i] = (float)(sum += (double)x[i]);
	}
	return VITA_OK;
}
