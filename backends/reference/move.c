/* SPDX-License-Identifier: MIT
 *
 * COPY, CONCAT and FILL: elements to another place, shape of memory or type.
 */
#include <math.h>
#include <stdlib.h>

#include "reference.h"

/* ---- single elements of plain types; double holds each of them exactly ----------------------------- */

static double load(uint32_t dtype, const unsigned char *at)
{
	float single;
	uint16_t half;
	int32_t integer;

	switch (dtype) {
	case VITA_F32: memcpy(&single, at, sizeof single); return (double)single;
	case VITA_F16: memcpy(&half, at, sizeof half); return (double)vita_f16_to_f32(half);
	case VITA_BF16: memcpy(&half, at, sizeof half); return (double)vita_bf16_to_f32(half);
	case VITA_I32: memcpy(&integer, at, sizeof integer); return integer;
	default: return *at;
	}
}

/* Toward zero, clipped; NaN becomes 0. */
static int32_t to_integer(double value, int32_t low, int32_t high)
{
	if (!(value > low)) return value <= low ? low : 0;
	return value < high ? (int32_t)value : high;
}

/* To f32, but a value between two of them goes to the odd one: rounding to fewer bits afterwards then
 * gives what rounding once would have given. */
static float to_odd(double value)
{
	float single = (float)value;
	uint32_t bits = vita_f32_bits(single);

	if ((double)single == value || isnan(value) || isinf(single)) return single;
	if (fabs((double)single) > fabs(value)) bits--;
	return vita_f32_from_bits(bits | 1);
}

static void store(uint32_t dtype, double value, unsigned char *at)
{
	float single;
	uint16_t half;
	int32_t integer;

	switch (dtype) {
	case VITA_F32:
		single = (float)value;
		memcpy(at, &single, sizeof single);
		return;
	case VITA_F16:
		half = vita_f32_to_f16(to_odd(value));
		memcpy(at, &half, sizeof half);
		return;
	case VITA_BF16:
		half = vita_f32_to_bf16(to_odd(value));
		memcpy(at, &half, sizeof half);
		return;
	case VITA_I32:
		integer = to_integer(value, INT32_MIN, INT32_MAX);
		memcpy(at, &integer, sizeof integer);
		return;
	default: *at = (unsigned char)to_integer(value, 0, 255); return;
	}
}

/* ---- COPY ------------------------------------------------------------------------------------------ */

static int is_block(uint32_t dtype) { return vita_dtype_block(dtype) > 1; }

/* n values of plain types, each with a stride in bytes */
static void copy_plain(uint32_t from, const unsigned char *x, int64_t x_step, uint32_t to, unsigned char *y,
                       int64_t y_step, int64_t n)
{
	int64_t size = (int64_t)vita_dtype_bytes(from);

	if (from != to)
		for (int64_t i = 0; i < n; i++) store(to, load(from, x + i * x_step), y + i * y_step);
	else if (x_step == size && y_step == size)
		memmove(y, x, (size_t)(n * size));
	else if (size == 4)
		for (int64_t i = 0; i < n; i++) memmove(y + i * y_step, x + i * x_step, 4);
	else if (size == 2)
		for (int64_t i = 0; i < n; i++) memmove(y + i * y_step, x + i * x_step, 2);
	else
		for (int64_t i = 0; i < n; i++) y[i * y_step] = x[i * x_step];
}

/* y[i] = x[i] for every element; check_conversion has passed. */
static vita_status copy(const op_call *c, const vita_tensor *x, const vita_tensor *y)
{
	int64_t rows = ref_count(x, 1), n = op_last(x, 0);
	float *scratch = ref_scratch(c, is_block(x->dtype) && y->dtype == VITA_F32 ? n : 0, sizeof *scratch);

	if (!scratch) return VITA_E_NOMEM;
	for (int64_t r = 0; r < rows; r++) {
		const unsigned char *from = ref_at(x, 1, r);
		unsigned char *to = ref_at(y, 1, r);
		if (is_block(x->dtype) && x->dtype == y->dtype) {
			memmove(to, from, (size_t)vita_row_bytes(x->dtype, n));
		} else if (is_block(x->dtype)) {
			(void)vita_row_to_f32(x->dtype, from, n, scratch);
			copy_plain(VITA_F32, (const unsigned char *)scratch, sizeof(float), VITA_F32, to,
			           op_step(y, 0), n);
		} else if (is_block(y->dtype)) {
			(void)vita_row_from_f32(y->dtype, (const float *)(const void *)from, n, to);
		} else {
			copy_plain(x->dtype, from, op_step(x, 0), y->dtype, to, op_step(y, 0), n);
		}
	}
	free(scratch);
	return VITA_OK;
}

vita_status run_copy(const op_call *c) { return copy(c, c->in[0], c->out[0]); }

/* ---- CONCAT ---------------------------------------------------------------------------------------- */

/* y[…, a, …] = x_i[…, a - (sizes of the inputs before i), …] along the axis */
vita_status run_concat(const op_call *c)
{
	const vita_tensor *y = c->out[0];
	uint32_t axis = ((const vita_kind_params *)c->params)->kind;
	int64_t unit = axis + 1 == y->rank ? (int64_t)vita_dtype_block(y->dtype) : 1;
	int64_t step = axis + 1 == y->rank ? (int64_t)vita_dtype_bytes(y->dtype) : y->stride[axis];
	vita_tensor part = *y;

	for (uint32_t i = 0; i < c->n_in; i++) {
		vita_status status;
		part.shape[axis] = c->in[i]->shape[axis];
		status = ref_count(&part, 0) > 0 ? copy(c, c->in[i], &part) : VITA_OK;
		if (status != VITA_OK) return status;
		part.offset += (uint64_t)(part.shape[axis] / unit * step);
	}
	return VITA_OK;
}

/* ---- FILL ------------------------------------------------------------------------------------------ */

/* y = value everywhere */
vita_status run_fill(const op_call *c)
{
	const vita_tensor *y = c->out[0];
	int64_t rows = ref_count(y, 1), n = op_last(y, 0);

	for (int64_t r = 0; r < rows; r++) {
		unsigned char *row = ref_at(y, 1, r);
		for (int64_t i = 0; i < n; i++)
			store(y->dtype, ((const vita_affine_params *)c->params)->shift,
			      row + i * op_step(y, 0));
	}
	return VITA_OK;
}
