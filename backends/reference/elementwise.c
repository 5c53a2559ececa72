/* SPDX-License-Identifier: MIT
 *
 * BINARY and AFFINE.
 */
#include "reference.h"

/* b in the shape of a: dimensions that it lacks or that are 1 get stride 0. */
static vita_tensor repeated(const vita_tensor *b, const vita_tensor *a)
{
	vita_tensor view = *a;

	view.buffer = b->buffer;
	view.offset = b->offset;
	for (uint32_t back = 0; back < a->rank; back++) {
		int there = back < b->rank && op_last(b, back) != 1;
		view.stride[a->rank - 1 - back] = there ? op_step(b, back) : 0;
	}
	return view;
}

/* y[i] = a[i] ∘ b[i · step] for one row */
static void binary_row(uint32_t kind, const float *a, const float *b, int64_t step, int64_t n, float *y)
{
	switch (kind) {
	case VITA_BINARY_ADD:
		for (int64_t i = 0; i < n; i++) y[i] = a[i] + b[i * step];
		break;
	case VITA_BINARY_SUB:
		for (int64_t i = 0; i < n; i++) y[i] = a[i] - b[i * step];
		break;
	case VITA_BINARY_MUL:
		for (int64_t i = 0; i < n; i++) y[i] = a[i] * b[i * step];
		break;
	case VITA_BINARY_DIV:
		for (int64_t i = 0; i < n; i++) y[i] = a[i] / b[i * step];
		break;
	case VITA_BINARY_MAX:
		for (int64_t i = 0; i < n; i++) y[i] = a[i] < b[i * step] ? b[i * step] : a[i];
		break;
	default:
		for (int64_t i = 0; i < n; i++) y[i] = a[i] > b[i * step] ? b[i * step] : a[i];
		break;
	}
}

vita_status run_binary(const op_call *c)
{
	const vita_tensor *a = c->in[0], *y = c->out[0];
	vita_tensor b = repeated(c->in[1], a);
	int64_t rows = ref_count(a, 1), n = op_last(a, 0);

	for (int64_t r = 0; r < rows; r++)
		binary_row(((const vita_kind_params *)c->params)->kind, ref_row(a, r), ref_row(&b, r),
		           op_last(c->in[1], 0) == 1 ? 0 : 1, n, ref_row(y, r));
	return VITA_OK;
}

/* y = scale · x + shift, rounded once */
vita_status run_affine(const op_call *c)
{
	const vita_affine_params *p = c->params;
	int64_t rows = ref_count(c->in[0], 1), n = op_last(c->in[0], 0);

	for (int64_t r = 0; r < rows; r++) {
		const float *x = ref_row(c->in[0], r);
		float *y = ref_row(c->out[0], r);
		for (int64_t i = 0; i < n; i++) y[i] = (float)(p->scale * (double)x[i] + p->shift);
	}
	return VITA_OK;
}
