/* SPDX-License-Identifier: MIT
 *
 * COPY, CONCAT, FILL, GATHER and SCATTER.
 */
#include <math.h>

#include <vita/blocks.h>

#include "tiles.h"

static bool is_block(uint32_t dtype)
{
	return vita_dtype_block(dtype) > 1;
}

/* Rows of blocks seen as rows of 2-byte words; every block is a whole number of them. */
static vita_tensor as_words(const vita_tensor *t)
{
	vita_tensor w = *t;
	w.shape[t->rank - 1] = vita_row_bytes(t->dtype, op_last(t, 0)) / 2;
	w.stride[t->rank - 1] = 2;
	w.dtype = VITA_F16;
	return w;
}

/* The longest dimension along which a work-item's neighbours lie side by side becomes the innermost: a work-group's
 * items are along that. Only for elements that do not care about their place in a row. */
static void turn_to_longest(vita_tensor *x, vita_tensor *y)
{
	const uint32_t last = y->rank - 1;
	uint32_t longest = last;
	if (y->shape[last] >= ELEMENTS) return;
	for (uint32_t i = 0; i < last; i++)
		if (y->shape[i] > y->shape[longest]) longest = i;
	const int64_t n = y->shape[last], x_step = x->stride[last], y_step = y->stride[last];
	x->shape[last] = y->shape[last] = y->shape[longest];
	x->stride[last] = x->stride[longest], y->stride[last] = y->stride[longest];
	x->shape[longest] = y->shape[longest] = n;
	x->stride[longest] = x_step, y->stride[longest] = y_step;
}

static vita_status run_elements(struct launch *l, const vita_tensor *y)
{
	return launch_run(l, ELEMENTS, (const int64_t[]){ op_last(y, 0), count_of(y, 1), 1 });
}

static vita_status copy_equal(vita_backend *backend, const op_call *c, const vita_tensor *x, const vita_tensor *y,
                              vita_error *err)
{
	static const struct kernel_source source = { "move.cl", "copy_values", NULL };
	vita_tensor from = *x, to = *y;
	if (is_block(x->dtype)) from = as_words(x), to = as_words(y);
	turn_to_longest(&from, &to);
	struct launch l = launch_begin(backend, c, &source, 0, err);
	launch_tensor(&l, &from);
	launch_tensor(&l, &to);
	launch_int(&l, vita_dtype_bytes(to.dtype));
	return run_elements(&l, &to);
}

static vita_status copy_quantised(vita_backend *backend, const op_call *c, const vita_tensor *x, const vita_tensor *y,
                                  vita_error *err)
{
	static const struct kernel_source source = { "move.cl", "quantise_rows", NULL };
	struct launch l = launch_begin(backend, c, &source, 0, err);
	launch_tensor(&l, x);
	launch_tensor(&l, y);
	return launch_run(&l, ELEMENTS, (const int64_t[]){ op_last(y, 0) / 32, count_of(y, 1), 1 });
}

/* c may be NULL: it is only for sentences. */
vita_status copy_tensor(vita_backend *backend, const op_call *c, const vita_tensor *x, const vita_tensor *y,
                        vita_error *err)
{
	static const struct kernel_source source = { "move.cl", "convert_values", NULL };
	vita_tensor from = *x, to = *y;
	if (x->dtype == y->dtype) return copy_equal(backend, c, x, y, err);
	if (is_block(y->dtype)) return copy_quantised(backend, c, x, y, err);
	if (!is_block(x->dtype)) turn_to_longest(&from, &to);
	struct launch l = launch_begin(backend, c, &source, 0, err);
	launch_tensor(&l, &from);
	launch_int(&l, x->dtype);
	launch_tensor(&l, &to);
	launch_int(&l, y->dtype);
	return run_elements(&l, &to);
}

vita_status run_copy(vita_backend *backend, const op_call *c, vita_error *err)
{
	return copy_tensor(backend, c, c->in[0], c->out[0], err);
}

/* y[…, a, …] = x_i[…, a - (sizes of the inputs before i), …] along the axis */
vita_status run_concat(vita_backend *backend, const op_call *c, vita_error *err)
{
	const vita_tensor *y = c->out[0];
	const uint32_t axis = ((const vita_kind_params *)c->params)->kind;
	const int64_t unit = axis + 1 == y->rank ? (int64_t)vita_dtype_block(y->dtype) : 1;
	const int64_t step = axis + 1 == y->rank ? (int64_t)vita_dtype_bytes(y->dtype) : y->stride[axis];
	vita_tensor part = *y;
	for (uint32_t i = 0; i < c->n_in; i++) {
		part.shape[axis] = c->in[i]->shape[axis];
		if (count_of(&part, 0) > 0) {
			const vita_status status = copy_tensor(backend, c, c->in[i], &part, err);
			if (status != VITA_OK) return status;
		}
		part.offset += (uint64_t)(part.shape[axis] / unit * step);
	}
	return VITA_OK;
}

/* ---- FILL ------------------------------------------------------------------------------------------ */

/* To f32, but a value between two of them goes to the odd one; see kernels/move.cl. */
static float to_odd(double value)
{
	const float single = (float)value;
	uint32_t bits = vita_f32_bits(single);
	if ((double)single == value || isnan(value) || isinf(single)) return single;
	if (fabs((double)single) > fabs(value)) bits--;
	return vita_f32_from_bits(bits | 1);
}

static int32_t to_integer(double value, int32_t low, int32_t high)
{
	if (!(value > low)) return value <= low ? low : 0;
	return value < high ? (int32_t)value : high;
}

static uint32_t bits_of(uint32_t dtype, double value)
{
	switch (dtype) {
	case VITA_F32: return vita_f32_bits((float)value);
	case VITA_F16: return vita_f32_to_f16(to_odd(value));
	case VITA_BF16: return vita_f32_to_bf16(to_odd(value));
	case VITA_I32: return (uint32_t)to_integer(value, INT32_MIN, INT32_MAX);
	default: return (uint32_t)to_integer(value, 0, 255);
	}
}

vita_status run_fill(vita_backend *backend, const op_call *c, vita_error *err)
{
	static const struct kernel_source source = { "move.cl", "fill_values", NULL };
	vita_tensor x = *c->out[0], y = *c->out[0];
	const cl_uint bits = bits_of(y.dtype, ((const vita_affine_params *)c->params)->shift);
	turn_to_longest(&x, &y);
	struct launch l = launch_begin(backend, c, &source, 0, err);
	launch_tensor(&l, &y);
	launch_int(&l, vita_dtype_bytes(y.dtype));
	launch_bytes(&l, &bits, sizeof bits);
	return run_elements(&l, &y);
}

/* ---- rows by number -------------------------------------------------------------------------------- */

vita_status run_gather(vita_backend *backend, const op_call *c, vita_error *err)
{
	static const struct kernel_source source = { "move.cl", "gather", NULL };
	const uint32_t slot = fault_slot(backend);
	if (is_packed(c->in[0])) return tiles_gather(backend, c, err);
	struct launch l = launch_begin(backend, c, &source, 0, err);
	launch_tensor(&l, c->in[0]);
	launch_int(&l, c->in[0]->dtype);
	launch_tensor(&l, c->in[1]);
	launch_tensor(&l, c->out[0]);
	launch_buffer(&l, backend->faults);
	launch_int(&l, slot);
	backend->armed |= UINT64_C(1) << slot;
	return run_elements(&l, c->out[0]);
}

vita_status run_scatter(vita_backend *backend, const op_call *c, vita_error *err)
{
	static const struct kernel_source check = { "move.cl", "check_ids", NULL };
	static const struct kernel_source source = { "move.cl", "scatter", NULL };
	const uint32_t slot = fault_slot(backend);
	cl_mem good;
	const vita_status status = memory_scratch(backend, sizeof(cl_int), &good, err);
	if (status != VITA_OK || c->in[1]->shape[0] == 0) return status;
	struct launch l = launch_begin(backend, c, &check, 0, err);
	launch_tensor(&l, c->in[1]);
	launch_int(&l, c->out[0]->shape[0]);
	launch_buffer(&l, backend->faults);
	launch_int(&l, slot);
	launch_buffer(&l, good);
	backend->armed |= UINT64_C(1) << slot;
	if (launch_run(&l, backend->group, (const int64_t[]){ backend->group, 1, 1 }) != VITA_OK) return l.status;
	l = launch_begin(backend, c, &source, 0, err);
	launch_tensor(&l, c->in[0]);
	launch_tensor(&l, c->in[1]);
	launch_tensor(&l, c->out[0]);
	launch_int(&l, c->out[0]->dtype);
	launch_buffer(&l, good);
	return launch_run(&l, ELEMENTS, (const int64_t[]){ op_last(c->out[0], 0), 1, 1 });
}
