/* SPDX-License-Identifier: MIT
 *
 * CONV1D and CONV_TRANSPOSE1D. Both shift whole rows against each other, one tap of the kernel at a time,
 * and add up in double.
 */
#include <stdlib.h>

#include "reference.h"

/* Larger sizes than this are mistakes, and smaller ones cannot overflow any product below. */
#define LARGEST ((int64_t)1 << 30)

static vita_status check_geometry(const ref_call *c, int64_t t, int64_t kernel)
{
	const vita_conv_params *p = c->params;

	if (kernel < 1) return ref_fail(c, VITA_E_SHAPE, "the kernel has no taps");
	if (p->stride < 1 || p->dilation < 1 || p->groups < 1)
		return ref_fail(c, VITA_E_INVALID, "stride %u, dilation %u and groups %u must be at least 1",
		                p->stride, p->dilation, p->groups);
	if (p->stride > LARGEST || p->dilation > LARGEST || t > LARGEST || kernel > LARGEST ||
	    p->pad_left > LARGEST || p->pad_left < -LARGEST || p->pad_right > LARGEST ||
	    p->pad_right < -LARGEST || p->output_pad > LARGEST || p->output_pad < -LARGEST)
		return ref_fail(c, VITA_E_INVALID, "a size, stride, dilation or padding is beyond %lld",
		                (long long)LARGEST);
	return VITA_OK;
}

/* What both kinds have in common: x […, c_in, t], w of 3 dimensions, bias [c_out], y […, c_out, t_out]. */
static vita_status check_types(const ref_call *c)
{
	vita_status status = ref_expect(c, "x", c->in[0], REF_F32, 2, VITA_MAX_RANK);

	if (status == VITA_OK) status = ref_expect(c, "w", c->in[1], REF_FLOATS, 3, 3);
	if (status == VITA_OK) status = ref_expect(c, "y", c->out[0], REF_F32, 2, VITA_MAX_RANK);
	if (status == VITA_OK) status = check_geometry(c, ref_last(c->in[0], 0), c->in[1]->shape[2]);
	return status;
}

static vita_status check_channels(const ref_call *c, int64_t c_in, int64_t c_out, int64_t t_out)
{
	int64_t groups = ((const vita_conv_params *)c->params)->groups, sizes[2];
	vita_status status;

	if (c_in != ref_last(c->in[0], 1) || c_in % groups != 0 || c_out % groups != 0)
		return ref_fail(c, VITA_E_SHAPE,
		                "w has %lld input and %lld output channels, expected %lld input channels "
		                "and multiples of %lld groups",
		                (long long)c_in, (long long)c_out, (long long)ref_last(c->in[0], 1),
		                (long long)groups);
	sizes[0] = c_out, sizes[1] = t_out < 0 ? 0 : t_out;
	if ((status = ref_expect_like(c, "y", c->out[0], c->in[0], 2, sizes)) != VITA_OK) return status;
	return ref_expect_vector(c, "bias", c->in[2], c_out);
}

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
static void begin_row(const ref_call *c, int64_t channel, double *sums, int64_t n)
{
	double bias = c->in[2] ? (double)ref_row(c->in[2], 0)[channel] : 0;
	for (int64_t t = 0; t < n; t++) sums[t] = bias;
}

static void end_row(const ref_call *c, int64_t row, const double *sums, int64_t n)
{
	float *y = ref_row(c->out[0], row);
	for (int64_t t = 0; t < n; t++) y[t] = (float)sums[t];
}

vita_status check_conv1d(const ref_call *c)
{
	const vita_tensor *w = c->in[1];
	const vita_conv_params *p = c->params;
	vita_status status = check_types(c);
	int64_t room, t_out;

	if (status != VITA_OK) return status;
	room = ref_last(c->in[0], 0) + p->pad_left + p->pad_right - p->dilation * (w->shape[2] - 1) - 1;
	t_out = room < 0 ? 0 : room / p->stride + 1;
	if (w->shape[1] > LARGEST) return ref_fail(c, VITA_E_SHAPE, "w has too many channels");
	return check_channels(c, w->shape[1] * p->groups, w->shape[0], t_out);
}

/* y[…, o, t] = bias[o] + Σ_{i, s} w[o, i, s] · x[…, first channel of o's group + i,
 *              t · stride + s · dilation - pad_left] */
vita_status run_conv1d(const ref_call *c)
{
	const vita_tensor *x = c->in[0], *w = c->in[1];
	const vita_conv_params *p = c->params;
	int64_t planes = ref_count(x, 2), t_in = ref_last(x, 0), t_out = ref_last(c->out[0], 0);
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

vita_status check_conv_transpose1d(const ref_call *c)
{
	const vita_tensor *w = c->in[1];
	const vita_conv_params *p = c->params;
	vita_status status = check_types(c);
	int64_t t_out;

	if (status != VITA_OK) return status;
	t_out = (ref_last(c->in[0], 0) - 1) * p->stride + p->dilation * (w->shape[2] - 1) + 1 +
	        p->output_pad - p->pad_left - p->pad_right;
	if (w->shape[1] > LARGEST) return ref_fail(c, VITA_E_SHAPE, "w has too many channels");
	return check_channels(c, w->shape[0], w->shape[1] * p->groups, t_out);
}

/* y[…, o, u] = bias[o] + Σ w[i, o - first channel of its group, s] · x[…, i, t] over the i of o's group
 *              and all s, t with u = t · stride + s · dilation - pad_left */
vita_status run_conv_transpose1d(const ref_call *c)
{
	const vita_tensor *x = c->in[0], *w = c->in[1];
	const vita_conv_params *p = c->params;
	int64_t planes = ref_count(x, 2), t_in = ref_last(x, 0), t_out = ref_last(c->out[0], 0);
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
