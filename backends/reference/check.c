/* SPDX-License-Identifier: MIT
 *
 * What is checked for every op alike: struct sizes, counts, types, ranks, and that all elements of a
 * tensor lie inside its buffer. Everything that a caller can get wrong becomes a sentence here.
 */
#include "reference.h"

/* a · b and a + b; 0 where the result does not fit. a is not negative. */
static int multiply(int64_t a, int64_t b, int64_t *out)
{
	if (a != 0 && (b > 0 ? a > INT64_MAX / b : b < INT64_MIN / a)) return 0;
	*out = a * b;
	return 1;
}

static int add(int64_t a, int64_t b, int64_t *out)
{
	if (b > 0 ? a > INT64_MAX - b : a < INT64_MIN - b) return 0;
	*out = a + b;
	return 1;
}

const char *ref_describe(const vita_tensor *t, char text[REF_DESCRIPTION])
{
	int n = snprintf(text, REF_DESCRIPTION, "%s [", vita_dtype_name(t->dtype));
	for (uint32_t i = 0; i < t->rank && i < VITA_MAX_RANK; i++)
		n += snprintf(text + n, REF_DESCRIPTION - (size_t)n, i ? ", %lld" : "%lld",
		              (long long)t->shape[i]);
	(void)snprintf(text + n, REF_DESCRIPTION - (size_t)n, "]");
	return text;
}

static int is_empty(const vita_tensor *t)
{
	for (uint32_t i = 0; i < t->rank; i++)
		if (t->shape[i] == 0) return 1;
	return 0;
}

static int64_t alignment(uint32_t dtype)
{
	return vita_dtype_block(dtype) == 1 ? (int64_t)vita_dtype_bytes(dtype) : 1;
}

vita_status ref_check_view(const char *who, const vita_tensor *t, int any_strides, vita_error *err)
{
	uint32_t block, last;
	int64_t count = 1;

	if (t->struct_size < sizeof *t)
		return vita_fail(err, VITA_E_INVALID,
		                 "reference: %s has struct_size %u, expected at least %u", who,
		                 t->struct_size, (unsigned)sizeof *t);
	block = vita_dtype_block(t->dtype);
	if (block == 0)
		return vita_fail(err, VITA_E_SHAPE, "reference: %s has the unknown element type %u", who,
		                 t->dtype);
	if (t->rank < 1 || t->rank > VITA_MAX_RANK)
		return vita_fail(err, VITA_E_SHAPE, "reference: %s has rank %u, expected 1 to %d", who,
		                 t->rank, VITA_MAX_RANK);
	last = t->rank - 1;
	for (uint32_t i = 0; i < t->rank; i++)
		if (t->shape[i] < 0)
			return vita_fail(err, VITA_E_SHAPE,
			                 "reference: %s has the negative size %lld in dimension %u", who,
			                 (long long)t->shape[i], i);
	for (uint32_t i = 0; i < t->rank && !is_empty(t); i++)
		if (!multiply(count, t->shape[i], &count))
			return vita_fail(err, VITA_E_SHAPE,
			                 "reference: %s has more elements than can be counted", who);
	if (t->shape[last] % block != 0)
		return vita_fail(err, VITA_E_SHAPE,
		                 "reference: %s has rows of %lld values, expected a multiple of %u (%s)", who,
		                 (long long)t->shape[last], block, vita_dtype_name(t->dtype));
	if (any_strides && block == 1) return VITA_OK;
	if (t->shape[last] > (int64_t)block && t->stride[last] != (int64_t)vita_dtype_bytes(t->dtype))
		return vita_fail(err, VITA_E_SHAPE,
		                 "reference: %s has stride %lld in its innermost dimension, expected %u: "
		                 "copy it to a contiguous tensor first",
		                 who, (long long)t->stride[last], vita_dtype_bytes(t->dtype));
	return VITA_OK;
}

/* Bytes from element [0, 0, …] to the lowest and past the highest byte; 0 where that does not fit. */
static int extent(const vita_tensor *t, int64_t *low, int64_t *high)
{
	uint32_t strided = vita_dtype_block(t->dtype) == 1 ? t->rank : t->rank - 1;
	*low = 0;
	*high = strided == t->rank ? (int64_t)vita_dtype_bytes(t->dtype)
	                           : vita_row_bytes(t->dtype, t->shape[strided]);
	if (*high < 0) return 0;
	for (uint32_t i = 0; i < strided; i++) {
		int64_t far, *end;
		if (!multiply(t->shape[i] - 1, t->stride[i], &far)) return 0;
		end = far < 0 ? low : high;
		if (!add(*end, far, end)) return 0;
	}
	return 1;
}

vita_status ref_check_memory(const char *who, const vita_tensor *t, vita_error *err)
{
	char text[REF_DESCRIPTION];
	int64_t low, high, first, end, step = alignment(t->dtype);

	if (!t->buffer) return vita_fail(err, VITA_E_INVALID, "reference: %s has no buffer", who);
	if (is_empty(t)) return VITA_OK;
	if (t->offset > INT64_MAX || !extent(t, &low, &high) || !add((int64_t)t->offset, low, &first) ||
	    !add((int64_t)t->offset, high, &end) || first < 0 || (uint64_t)end > t->buffer->size)
		return vita_fail(err, VITA_E_INVALID,
		                 "reference: %s, %s at offset %llu, does not lie within its buffer of "
		                 "%llu bytes",
		                 who, ref_describe(t, text), (unsigned long long)t->offset,
		                 (unsigned long long)t->buffer->size);
	if ((uintptr_t)(t->buffer->bytes + t->offset) % (uintptr_t)step != 0)
		return vita_fail(err, VITA_E_INVALID,
		                 "reference: %s, %s, starts at an address that is no multiple of %lld", who,
		                 ref_describe(t, text), (long long)step);
	for (uint32_t i = 0; i < t->rank; i++)
		if (t->shape[i] > 1 && t->stride[i] % step != 0)
			return vita_fail(err, VITA_E_INVALID,
			                 "reference: %s, %s, has stride %lld in dimension %u, expected a "
			                 "multiple of %lld",
			                 who, ref_describe(t, text), (long long)t->stride[i], i,
			                 (long long)step);
	return VITA_OK;
}

/* ---- outputs --------------------------------------------------------------------------------------- */

/* Could two elements lie at one place? Walks the dimensions from the smallest stride to the largest;
 * each must step over all that the smaller ones span. *dense: they also leave no gaps. */
static int repeats(const vita_tensor *t, int *dense)
{
	int used[VITA_MAX_RANK] = { 0 };
	int blocks = vita_dtype_block(t->dtype) > 1;
	int64_t span = blocks ? vita_row_bytes(t->dtype, t->shape[t->rank - 1])
	                      : (int64_t)vita_dtype_bytes(t->dtype);

	*dense = 1;
	if (blocks) used[t->rank - 1] = 1;
	for (;;) {
		uint32_t smallest = VITA_MAX_RANK;
		int64_t best = INT64_MAX, far;
		for (uint32_t i = 0; i < t->rank; i++) {
			int64_t stride = t->stride[i] < 0 ? -t->stride[i]
			                                  : t->stride[i]; /* no INT64_MIN: see extent() */
			if (!used[i] && t->shape[i] > 1 && stride <= best) best = stride, smallest = i;
		}
		if (smallest == VITA_MAX_RANK) return 0;
		if (best < span) return 1;
		if (best != span) *dense = 0;
		if (!multiply(t->shape[smallest] - 1, best, &far) || !add(span, far, &span)) return 1;
		used[smallest] = 1;
	}
}

static int same_view(const vita_tensor *a, const vita_tensor *b)
{
	if (a->buffer->bytes + a->offset != b->buffer->bytes + b->offset) return 0;
	if (a->dtype != b->dtype || a->rank != b->rank) return 0;
	for (uint32_t i = 0; i < a->rank; i++)
		if (a->shape[i] != b->shape[i] || (a->shape[i] > 1 && a->stride[i] != b->stride[i])) return 0;
	return 1;
}

/* Do they share bytes for certain? Two views with gaps may lie in each other's gaps: no. */
static int overlap(const vita_tensor *a, const vita_tensor *b)
{
	int dense_a, dense_b;
	int64_t low_a, high_a, low_b, high_b;
	const unsigned char *at_a, *at_b;

	if (is_empty(a) || is_empty(b) || !extent(a, &low_a, &high_a) || !extent(b, &low_b, &high_b))
		return 0;
	if (same_view(a, b)) return 1;
	(void)repeats(a, &dense_a);
	(void)repeats(b, &dense_b);
	at_a = a->buffer->bytes + a->offset;
	at_b = b->buffer->bytes + b->offset;
	return dense_a && dense_b && (uintptr_t)(at_a + low_a) < (uintptr_t)(at_b + high_b) &&
	       (uintptr_t)(at_b + low_b) < (uintptr_t)(at_a + high_a);
}

static vita_status check_output(const ref_call *c, const ref_op *spec, uint32_t index)
{
	const vita_tensor *y = c->out[index];
	char text[REF_DESCRIPTION];
	int dense;

	if (y->buffer->constant) return ref_fail(c, VITA_E_INVALID, "output %u is a read-only buffer", index);
	if (is_empty(y)) return VITA_OK;
	if (repeats(y, &dense))
		return ref_fail(c, VITA_E_INVALID,
		                "output %u, %s, has strides that put several elements at one place", index,
		                ref_describe(y, text));
	for (uint32_t i = 0; i < c->n_in; i++) {
		if (!c->in[i] || !overlap(y, c->in[i])) continue;
		if (same_view(y, c->in[i]) && spec->in_place >> i & 1) continue;
		return ref_fail(c, VITA_E_INVALID, "output %u overlaps input %u", index, i);
	}
	for (uint32_t i = 0; i < index; i++)
		if (overlap(y, c->out[i]))
			return ref_fail(c, VITA_E_INVALID, "outputs %u and %u overlap", i, index);
	return VITA_OK;
}

/* ---- an op as a whole ------------------------------------------------------------------------------ */

static vita_status take(ref_call *c, const char *kind, uint32_t index, const vita_tensor *from,
                        int with_buffers, const ref_op *spec, vita_tensor *copy)
{
	char who[64];
	vita_status status;

	(void)snprintf(who, sizeof who, "%s: %s %u", c->name, kind, index);
	status = ref_check_view(who, from, (int)spec->any_strides, c->err);
	if (status != VITA_OK) return status;
	*copy = *from;
	for (uint32_t i = copy->rank; i < VITA_MAX_RANK; i++) copy->shape[i] = 1, copy->stride[i] = 0;
	if (is_empty(copy)) { /* nothing will be touched: let no address be computed from it either */
		copy->offset = 0;
		memset(copy->stride, 0, sizeof copy->stride);
	}
	return with_buffers ? ref_check_memory(who, copy, c->err) : VITA_OK;
}

static vita_status check_counts(const ref_call *c, const vita_op *op, const ref_op *spec)
{
	uint32_t size = 0;

	if (op->n_inputs > spec->most || op->n_inputs < spec->required)
		return ref_fail(c, VITA_E_INVALID, "%u inputs, expected %u to %u", op->n_inputs,
		                spec->required, spec->most);
	if (op->n_outputs != spec->n_out)
		return ref_fail(c, VITA_E_INVALID, "%u outputs, expected %u", op->n_outputs, spec->n_out);
	for (uint32_t i = 0; i < spec->required; i++)
		if (!op->input[i]) return ref_fail(c, VITA_E_INVALID, "input %u is missing", i);
	for (uint32_t i = 0; i < spec->n_out; i++)
		if (!op->output[i]) return ref_fail(c, VITA_E_INVALID, "output %u is missing", i);
	if (spec->params_size == 0) return VITA_OK;
	if (!op->params) return ref_fail(c, VITA_E_INVALID, "params are missing");
	memcpy(&size, op->params, sizeof size); /* every params struct begins with its struct_size */
	if (size < spec->params_size)
		return ref_fail(c, VITA_E_INVALID, "params have struct_size %u, expected at least %u", size,
		                spec->params_size);
	return VITA_OK;
}

vita_status ref_call_make(const vita_op *op, int with_buffers, ref_call *c, const ref_op **spec,
                          vita_error *err)
{
	vita_status status;

	c->err = err;
	c->name = "op";
	if (!op || op->struct_size < sizeof *op)
		return vita_fail(err, VITA_E_INVALID, "reference: %s",
		                 op ? "an op has too small a struct_size" : "an op is NULL");
	*spec = ref_op_find(op->code);
	if (!*spec)
		return vita_fail(err, VITA_E_UNSUPPORTED, "reference: there is no op with code %u", op->code);
	c->name = (*spec)->name;
	c->params = op->params;
	c->n_in = op->n_inputs;
	c->n_out = op->n_outputs;
	status = check_counts(c, op, *spec);
	if (status != VITA_OK) return status;

	for (uint32_t i = 0; i < c->n_in; i++) {
		c->in[i] = op->input[i] ? &c->in_copy[i] : NULL;
		if (!op->input[i]) continue;
		status = take(c, "input", i, op->input[i], with_buffers, *spec, &c->in_copy[i]);
		if (status != VITA_OK) return status;
	}
	for (uint32_t i = c->n_in; i < VITA_OP_MAX_INPUTS; i++) c->in[i] = NULL;
	for (uint32_t i = 0; i < c->n_out; i++) {
		c->out[i] = &c->out_copy[i];
		status = take(c, "output", i, op->output[i], with_buffers, *spec, &c->out_copy[i]);
		if (status == VITA_OK && with_buffers) status = check_output(c, *spec, i);
		if (status != VITA_OK) return status;
	}
	return VITA_OK;
}
