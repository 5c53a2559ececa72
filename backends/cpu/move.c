/* SPDX-License-Identifier: MIT
 *
 * GATHER, SCATTER, COPY, CONCAT and FILL: elements to another place, shape of memory or type.
 */
#include <math.h>
#include <stdlib.h>

#include "cpu.h"

static bool is_block(uint32_t dtype)
{
	return vita_dtype_block(dtype) > 1;
}

static int32_t id_at(const vita_tensor *ids, int64_t i)
{
	int32_t id;
	memcpy(&id, (const char *)tensor_data(ids) + i * ids->stride[0], sizeof id);
	return id;
}

void gather_step(const struct step *s, int thread, int n_threads)
{
	const vita_tensor *table = s->c->in[0], *ids = s->c->in[1], *y = s->c->out[0];
	int64_t first, end;
	share(ids->shape[0], thread, n_threads, &first, &end);
	for (int64_t i = first; i < end; i++) dequantise_row(s->backend->kernels, table, id_at(ids, i), row_at(y, i));
}

/* In order on one thread, so that the last of equal ids wins. */
void scatter_step(const struct step *s, int thread, int n_threads)
{
	const vita_tensor *x = s->c->in[0], *ids = s->c->in[1], *y = s->c->out[0];
	(void)n_threads;
	for (int64_t i = 0; thread == 0 && i < ids->shape[0]; i++) {
		void *to = row_at(y, id_at(ids, i));
		if (y->dtype == VITA_F32) memcpy(to, row_at(x, i), (size_t)columns_of(x) * sizeof(float));
		else s->backend->kernels->from_f32(y->dtype, row_at(x, i), to, columns_of(x));
	}
}

/* ---- single elements of plain types; double holds each of them exactly --------------------------------- */

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

/* To f32, but a value between two of them goes to the odd one: rounding to fewer bits afterwards then gives what
 * rounding once would have given. */
static float to_odd(double value)
{
	const float single = (float)value;
	uint32_t bits = vita_f32_bits(single);
	if ((double)single == value || isnan(value) || isinf(single)) return single;
	if (fabs((double)single) > fabs(value)) bits--;
	return vita_f32_from_bits(bits | 1);
}

static void store(uint32_t dtype, double value, unsigned char *at)
{
	const float single = (float)value;
	uint16_t half;
	int32_t integer;
	switch (dtype) {
	case VITA_F32: memcpy(at, &single, sizeof single); return;
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
	default: *at = (unsigned char)to_integer(value, 0, 255);
	}
}

/* ---- rows of elements ---------------------------------------------------------------------------------- */

/* A row of x and of y: types, addresses, steps in bytes. */
struct lane {
	uint32_t from, to;
	const unsigned char *x;
	unsigned char *y;
	int64_t x_step, y_step;
};

static void copy_elements(struct lane l, int64_t n)
{
	const int64_t size = (int64_t)vita_dtype_bytes(l.from);
	if (l.from != l.to)
		for (int64_t i = 0; i < n; i++) store(l.to, load(l.from, l.x + i * l.x_step), l.y + i * l.y_step);
	else if (size == 4)
		for (int64_t i = 0; i < n; i++) memcpy(l.y + i * l.y_step, l.x + i * l.x_step, 4);
	else if (size == 2)
		for (int64_t i = 0; i < n; i++) memcpy(l.y + i * l.y_step, l.x + i * l.x_step, 2);
	else
		for (int64_t i = 0; i < n; i++) l.y[i * l.y_step] = l.x[i * l.x_step];
}

static void copy_row(const struct cpu_kernels *kernels, struct lane l, int64_t n)
{
	const int64_t x_size = (int64_t)vita_dtype_bytes(l.from), y_size = (int64_t)vita_dtype_bytes(l.to);
	const bool dense = (l.x_step == x_size && l.y_step == y_size) || n == 1;
	const bool halves = l.to == VITA_F16 || l.to == VITA_BF16 || l.to == VITA_Q8_0;
	if (dense && l.from == l.to) {
		if (l.x != l.y) memcpy(l.y, l.x, (size_t)vita_row_bytes(l.from, n));
	} else if (dense && l.from == VITA_F32 && halves) {
		kernels->from_f32(l.to, (const float *)(const void *)l.x, l.y, n);
	} else if (dense && l.to == VITA_F32 && (l.from == VITA_F16 || l.from == VITA_BF16)) {
		kernels->to_f32(l.from, l.x, (float *)(void *)l.y, n);
	} else {
		copy_elements(l, n);
	}
}

/* ---- COPY and CONCAT ----------------------------------------------------------------------------------- */

/* A row of blocks to f32 goes through scratch where y has gaps; packed weights always do. */
void copy_needs(struct step *s)
{
	const vita_tensor *x = s->c->in[0];
	if (is_packed(x)) s->own = (uint64_t)vita_row_bytes(x->dtype, columns_of(x));
	if (is_block(x->dtype) && s->c->out[0]->dtype == VITA_F32) s->own = (uint64_t)columns_of(x) * sizeof(float);
}

static void copy_block_row(const struct step *s, int64_t row, void *scratch)
{
	const vita_tensor *x = s->c->in[0], *y = s->c->out[0];
	const int64_t n = columns_of(x);
	unsigned char *to = row_at(y, row);
	if (y->dtype == VITA_F32) {
		struct lane l = { VITA_F32, VITA_F32, scratch, to, sizeof(float), op_step(y, 0) };
		dequantise_row(s->backend->kernels, x, row, scratch);
		copy_row(s->backend->kernels, l, n);
	} else if (is_packed(x)) {
		int in_tile;
		const unsigned char *tile = packed_row(x, row, &in_tile);
		unpack_row(x->dtype, tile, in_tile, n, to);
	} else if (to != row_at(x, row)) {
		memcpy(to, row_at(x, row), (size_t)vita_row_bytes(x->dtype, n));
	}
}

/* The two innermost dimensions in squares, so that both sides' cache lines are used up where one of them runs
 * across the other: a transposition. */
static void copy_squares(const struct step *s, int64_t plane, int64_t first, int64_t end)
{
	enum { SQUARE = 16 };
	const vita_tensor *x = s->c->in[0], *y = s->c->out[0];
	const int64_t n = columns_of(x);
	struct lane l = { x->dtype, y->dtype, NULL, NULL, op_step(x, 0), op_step(y, 0) };
	for (int64_t row = first; row < end; row += SQUARE)
		for (int64_t j = 0; j < n; j += SQUARE)
			for (int64_t i = row; i < row + SQUARE && i < end; i++) {
				l.x = (const unsigned char *)row_of_plane(x, plane, i) + j * l.x_step;
				l.y = (unsigned char *)row_of_plane(y, plane, i) + j * l.y_step;
				copy_row(s->backend->kernels, l, n - j < SQUARE ? n - j : SQUARE);
			}
}

static bool runs_across(const vita_tensor *t)
{
	return t->rank > 1 && llabs(op_step(t, 0)) > llabs(op_step(t, 1)) && op_last(t, 1) > 1;
}

static void copy_transposed(const struct step *s)
{
	enum { ROWS = 64 };
	const vita_tensor *x = s->c->in[0];
	const int64_t rows = op_last(x, 1), per_plane = (rows + ROWS - 1) / ROWS;
	int64_t item;
	while ((item = next_item(s, count_of(x, 2) * per_plane)) >= 0) {
		const int64_t first = item % per_plane * ROWS;
		copy_squares(s, item / per_plane, first, first + ROWS < rows ? first + ROWS : rows);
	}
}

void copy_step(const struct step *s, int thread, int n_threads)
{
	const vita_tensor *x = s->c->in[0], *y = s->c->out[0];
	int64_t first, end;
	if (is_block(x->dtype)) {
		share(count_of(x, 1), thread, n_threads, &first, &end);
		for (int64_t i = first; i < end; i++) copy_block_row(s, i, own_scratch(s, thread));
		return;
	}
	if (runs_across(x) || runs_across(y)) {
		copy_transposed(s);
		return;
	}
	share(pieces_of(count_of(x, 1), columns_of(x)), thread, n_threads, &first, &end);
	for (int64_t i = first; i < end; i++) {
		const struct piece at = piece_of(i, columns_of(x));
		struct lane l = { x->dtype, y->dtype, row_at(x, at.row), row_at(y, at.row), op_step(x, 0), op_step(y, 0) };
		l.x += at.first * l.x_step;
		l.y += y->dtype == VITA_Q8_0 ? vita_row_bytes(y->dtype, at.first) : at.first * l.y_step;
		copy_row(s->backend->kernels, l, at.n);
	}
}

/* Input after input into its part of y. */
void concat_step(const struct step *s, int thread, int n_threads)
{
	const vita_tensor *y = s->c->out[0];
	const uint32_t axis = ((const vita_kind_params *)s->c->params)->kind;
	const int64_t unit = axis + 1 == y->rank ? (int64_t)vita_dtype_block(y->dtype) : 1;
	const int64_t step = axis + 1 == y->rank ? (int64_t)vita_dtype_bytes(y->dtype) : y->stride[axis];
	vita_tensor part = *y;
	for (uint32_t i = 0; i < s->c->n_in; i++) {
		const vita_tensor *x = s->c->in[i];
		int64_t first, end;
		part.shape[axis] = x->shape[axis];
		share(count_of(x, 0) > 0 ? count_of(x, 1) : 0, thread, n_threads, &first, &end);
		for (int64_t row = first; row < end; row++)
			memcpy(row_at(&part, row), row_at(x, row), (size_t)vita_row_bytes(x->dtype, columns_of(x)));
		part.offset += (uint64_t)(x->shape[axis] / unit * step);
	}
}

/* ---- FILL ---------------------------------------------------------------------------------------------- */

void fill_step(const struct step *s, int thread, int n_threads)
{
	const vita_tensor *y = s->c->out[0];
	const int64_t columns = columns_of(y), step = op_step(y, 0);
	unsigned char value[4];
	int64_t first, end;
	store(y->dtype, ((const vita_affine_params *)s->c->params)->shift, value);
	share(pieces_of(count_of(y, 1), columns), thread, n_threads, &first, &end);
	for (int64_t item = first; item < end; item++) {
		const struct piece at = piece_of(item, columns);
		unsigned char *to = (unsigned char *)row_at(y, at.row) + at.first * step;
		/* each element from the same place */
		copy_elements((struct lane){ y->dtype, y->dtype, value, to, 0, step }, at.n);
	}
}
