/* SPDX-License-Identifier: MIT
 *
 * CONV1D and CONV_TRANSPOSE1D. Both shift whole rows against each other, one tap of the kernel at a time,
 * and add up in double.
 */
#include <stdlib.h>

#include "reference.h"

/* Those t of 0 … n - 1 for which 0 <= t · stride + shift < limit. */
typedef struct range {
	int64_t first, end;
} range;

static range inside(int64_t n, int64_t stride, int64_t shift, int64_t limit)
{
	range r;
	r.first = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
	r.end = limit - 1 - shift < 0 ? 0 : (limit - 1 - shift) / stride + 1;
	if (r.end > n) r.end = n;
	return r;
}

/* sums of one output row begin with its bias and end as y's f32 */
static void begin_row(const op_call *c, int64_t channel, double *sums, int64_t n)
{
	double bias = c->in[2] ? (double)ref_row(c->in[2], 0)[channel] : 0;
	for (int64_t t = 0; t < n; t++) sums[t] = bias;
}

static void end_row(const op_call *c, int64_t row, const double *sums, int64_t n)
{
	float *y = ref_row(c->out[0], row);
	for (int64_t t = 0; t < n; t++) y[t] = (float)sums[t];
}

/* y[…, o, t] = bias[o] + Σ_{i, s} w[o, i, s] · x[…, first channel of o's group + i,
 *              t · stride + s · dilation - pad_left] */
vita_status run_conv1d(const op_call *c)
{
	const vita_tensor *x = c->in[0], *w = c->in[1];
	const vita_conv_params *p = c->params;
	int64_t planes = ref_count(x, 2), t_in = op_last(x, 0), t_out = op_last(c->out[0], 0);
	int64_t c_out = w->shape[0], width = w->shape[1], kernel = w->shape[2];
	double *sums = ref_scratch(c, t_out, sizeof *sums);
	float *scratch = ref_scratch(c, kernel, sizeof *scratch);
	vita_status status = sums && scratch ? VITA_OK : VITA_E_NOMEM;

	for (int64_t row = 0; row < planes * c_out && status == VITA_OK; row++) {
		int64_t plane = row / c_out, o = row % c_out, group = o / (c_out / p->groups);
		begin_row(c, o, sums, t_out);
		for (int64_t i = 0; i < width; i++) {
			const float *from = ref_row2(x, plane, group * width + i);
			const float *taps =
				ref_f32_row(w->dtype, ref_at(w, 1, o * width + i), kernel, scratch);
			for (int64_t s = 0; s < kernel; s++) {
				int64_t shift = s * p->dilation - p->pad_left;
				range r = inside(t_out, p->stride, shift, t_in);
				for (int64_t t = r.first; t < r.end; t++)
					sums[t] += (double)taps[s] * (double)from[t * p->stride + shift];
			}
		}
		end_row(c, row, sums, t_out);
	}
	free(sums);
	free(scratch);
	return status;
}

/* y[…, o, u] = bias[o] + Σ w[i, o - first channel of its group, s] · x[…, i, t] over the i of o's group
 *              and all s, t with u = t · stride + s · dilation - pad_left */
vita_status run_conv_transpose1d(const op_call *c)
{
	const vita_tensor *x = c->in[0], *w = c->in[1];
	const vita_conv_params *p = c->params;
	int64_t planes = ref_count(x, 2), t_in = op_last(x, 0), t_out = op_last(c->out[0], 0);
	int64_t per_group = w->shape[1], c_out = per_group * p->groups, width = w->shape[0] / p->groups;
	int64_t kernel = w->shape[2];
	double *sums = ref_scratch(c, t_out, sizeof *sums);
	float *scratch = ref_scratch(c, kernel, sizeof *scratch);
	vita_status status = sums && scratch ? VITA_OK : VITA_E_NOMEM;

	for (int64_t row = 0; row < planes * c_out && status == VITA_OK; row++) {
		int64_t plane = row / c_out, o = row % c_out, first = o / per_group * width;
		begin_row(c, o, sums, t_out);
		for (int64_t i = first; i < first + width; i++) {
			const float *from = ref_row2(x, plane, i);
			const float *taps = ref_f32_row(w->dtype, ref_at(w, 1, i * per_group + o % per_group),
			                                kernel, scratch);
			for (int64_t s = 0; s < kernel; s++) {
				int64_t shift = s * p->dilation - p->pad_left;
				range r = inside(t_in, p->stride, shift, t_out);
				for (int64_t t = r.first; t < r.end; t++)
					sums[t * p->stride + shift] += (double)taps[s] * (double)from[t];
			}
		}
		end_row(c, row, sums, t_out);
	}
	free(sums);
	free(scratch);
	return status;
}
