/* SPDX-License-Identifier: MIT
 *
 * What is checked for every op alike: struct sizes, counts, types, ranks, and that all elements of a
 * tensor lie inside its buffer. Everything that a caller can get wrong becomes a sentence here.
 */
#include "op_expect.h"

/* Whose tensor it is, for the beginning of a sentence: "reference: MATMUL: input 1". */
typedef struct place {
	const char *backend, *call; /* "MATMUL" or "read" */
	const char *kind;           /* "input", "output"; NULL: the call's only tensor */
	uint32_t index;
	vita_error *err;
} place;

/* What follows the tensor: " has …" or ", f32 [2], …". */
VITA_PRINTF(3, 4) static vita_status refuse(const place *at, vita_status status, const char *format, ...)
{
	char text[512], who[64] = "the tensor";
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (at->kind) (void)snprintf(who, sizeof who, "%s %u", at->kind, at->index);
	return vita_fail(at->err, status, "%s: %s: %s%s", at->backend, at->call, who, text);
}

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

static int is_empty(const vita_tensor *t)
{
	for (uint32_t i = 0; i < t->rank; i++)
		if (t->shape[i] == 0) return 1;
	return 0;
}

int op_any_elements(const vita_tensor *const *t, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (!is_empty(t[i])) return 1;
	return 0;
}

static int64_t alignment(uint32_t dtype)
{
	return vita_dtype_block(dtype) == 1 ? (int64_t)vita_dtype_bytes(dtype) : 1;
}

/* ---- a tensor by itself ---------------------------------------------------------------------------- */

static vita_status check_view(const place *at, const vita_tensor *t, int any_strides)
{
	uint32_t block, last;
	int64_t count = 1;

	if (t->struct_size < sizeof *t)
		return refuse(at, VITA_E_INVALID, " has struct_size %u, expected at least %u", t->struct_size,
		              (unsigned)sizeof *t);
	block = vita_dtype_block(t->dtype);
	if (block == 0) return refuse(at, VITA_E_SHAPE, " has the unknown element type %u", t->dtype);
	if (t->rank < 1 || t->rank > VITA_MAX_RANK)
		return refuse(at, VITA_E_SHAPE, " has rank %u, expected 1 to %d", t->rank, VITA_MAX_RANK);
	last = t->rank - 1;
	for (uint32_t i = 0; i < t->rank; i++)
		if (t->shape[i] < 0)
			return refuse(at, VITA_E_SHAPE, " has the negative size %lld in dimension %u",
			              (long long)t->shape[i], i);
	for (uint32_t i = 0; i < t->rank && !is_empty(t); i++)
		if (!multiply(count, t->shape[i], &count))
			return refuse(at, VITA_E_SHAPE, " has more elements than can be counted");
	if (t->shape[last] % block != 0)
		return refuse(at, VITA_E_SHAPE, " has rows of %lld values, expected a multiple of %u (%s)",
		              (long long)t->shape[last], block, vita_dtype_name(t->dtype));
	if (any_strides && block == 1) return VITA_OK;
	if (t->shape[last] > (int64_t)block && t->stride[last] != (int64_t)vita_dtype_bytes(t->dtype))
		return refuse(at, VITA_E_SHAPE,
		              " has stride %lld in its innermost dimension, expected %u: copy it to a contiguous "
		              "tensor first",
		              (long long)t->stride[last], vita_dtype_bytes(t->dtype));
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

/* Address of element [0, 0, …] as far as alignment and overlap are concerned. */
static uintptr_t position(const op_memory *memory, const vita_tensor *t)
{
	return (uintptr_t)memory->bytes + (uintptr_t)t->offset;
}

static vita_status check_memory(const place *at, const op_memory *memory, const vita_tensor *t)
{
	char text[OP_DESCRIPTION];
	int64_t low, high, first, end, step = alignment(t->dtype);

	if (is_empty(t)) return VITA_OK;
	if (t->offset > INT64_MAX || !extent(t, &low, &high) || !add((int64_t)t->offset, low, &first) ||
	    !add((int64_t)t->offset, high, &end) || first < 0 || (uint64_t)end > memory->size)
		return refuse(at, VITA_E_INVALID,
		              ", %s at offset %llu, does not lie within its buffer of %llu bytes",
		              op_describe(t, text), (unsigned long long)t->offset,
		              (unsigned long long)memory->size);
	if (position(memory, t) % (uintptr_t)step != 0)
		return refuse(at, VITA_E_INVALID, ", %s, starts at an address that is no multiple of %lld",
		              op_describe(t, text), (long long)step);
	for (uint32_t i = 0; i < t->rank; i++)
		if (t->shape[i] > 1 && t->stride[i] % step != 0)
			return refuse(at, VITA_E_INVALID,
			              ", %s, has stride %lld in dimension %u, expected a multiple of %lld",
			              op_describe(t, text), (long long)t->stride[i], i, (long long)step);
	return VITA_OK;
}

/* The copy is what the rest of a backend sees. */
static vita_status take(const place *at, const vita_tensor *from, int any_strides, op_memory_fn *memory,
                        vita_tensor *copy)
{
	op_memory facts;
	vita_status status = check_view(at, from, any_strides);

	if (status != VITA_OK) return status;
	*copy = *from;
	for (uint32_t i = copy->rank; i < VITA_MAX_RANK; i++) copy->shape[i] = 1, copy->stride[i] = 0;
	if (is_empty(copy)) { /* nothing will be touched: let no address be computed from it either */
		copy->offset = 0;
		memset(copy->stride, 0, sizeof copy->stride);
	}
	if (!memory) return VITA_OK;
	if (!copy->buffer) return refuse(at, VITA_E_INVALID, " has no buffer");
	facts = memory(copy->buffer);
	return check_memory(at, &facts, copy);
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
			int64_t stride;
			if (used[i] || t->shape[i] <= 1) continue;
			stride = t->stride[i] < 0 ? -t->stride[i] : t->stride[i]; /* no INT64_MIN: see extent() */
			if (stride <= best) best = stride, smallest = i;
		}
		if (smallest == VITA_MAX_RANK) return 0;
		if (best < span) return 1;
		if (best != span) *dense = 0;
		if (!multiply(t->shape[smallest] - 1, best, &far) || !add(span, far, &span)) return 1;
		used[smallest] = 1;
	}
}

/* In one memory: both in the host's, or both in one buffer. */
static int same_memory(const op_memory *m, const vita_tensor *a, const op_memory *n, const vita_tensor *b)
{
	return m->bytes && n->bytes ? 1 : a->buffer == b->buffer;
}

static int same_view(const op_memory *m, const vita_tensor *a, const op_memory *n, const vita_tensor *b)
{
	if (!same_memory(m, a, n, b) || position(m, a) != position(n, b)) return 0;
	if (a->dtype != b->dtype || a->rank != b->rank) return 0;
	for (uint32_t i = 0; i < a->rank; i++)
		if (a->shape[i] != b->shape[i] || (a->shape[i] > 1 && a->stride[i] != b->stride[i])) return 0;
	return 1;
}

/* Do they share bytes for certain? Two views with gaps may lie in each other's gaps: no. */
static int overlap(op_memory_fn *memory, const vita_tensor *a, const vita_tensor *b, int *same)
{
	int dense_a, dense_b;
	int64_t low_a, high_a, low_b, high_b;
	op_memory m = memory(a->buffer), n = memory(b->buffer);

	*same = 0;
	if (is_empty(a) || is_empty(b) || !same_memory(&m, a, &n, b)) return 0;
	if (!extent(a, &low_a, &high_a) || !extent(b, &low_b, &high_b)) return 0;
	if (position(&m, a) + (uintptr_t)low_a >= position(&n, b) + (uintptr_t)high_b ||
	    position(&n, b) + (uintptr_t)low_b >= position(&m, a) + (uintptr_t)high_a)
		return 0;
	*same = same_view(&m, a, &n, b);
	if (*same) return 1;
	(void)repeats(a, &dense_a);
	(void)repeats(b, &dense_b);
	return dense_a && dense_b;
}

static vita_status check_output(const op_call *c, const op_spec *spec, uint32_t index)
{
	const vita_tensor *y = c->out[index];
	char text[OP_DESCRIPTION];
	int dense, same;

	if (c->memory(y->buffer).constant)
		return op_fail(c, VITA_E_INVALID, "output %u is a read-only buffer", index);
	if (is_empty(y)) return VITA_OK;
	if (repeats(y, &dense))
		return op_fail(c, VITA_E_INVALID,
		              "output %u, %s, has strides that put several elements at one place", index,
		              op_describe(y, text));
	for (uint32_t i = 0; i < c->n_in; i++)
		if (c->in[i] && overlap(c->memory, y, c->in[i], &same) && !(same && spec->in_place >> i & 1))
			return op_fail(c, VITA_E_INVALID, "output %u overlaps input %u", index, i);
	for (uint32_t i = 0; i < index; i++)
		if (overlap(c->memory, y, c->out[i], &same))
			return op_fail(c, VITA_E_INVALID, "outputs %u and %u overlap", i, index);
	return VITA_OK;
}

/* ---- an op as a whole ------------------------------------------------------------------------------ */

static vita_status check_counts(const op_call *c, const vita_op *op, const op_spec *spec)
{
	uint32_t size = 0;

	if (op->n_inputs > spec->most || op->n_inputs < spec->required)
		return op_fail(c, VITA_E_INVALID, "%u inputs, expected %u to %u", op->n_inputs,
		              spec->required, spec->most);
	if (op->n_outputs != spec->n_out)
		return op_fail(c, VITA_E_INVALID, "%u outputs, expected %u", op->n_outputs, spec->n_out);
	for (uint32_t i = 0; i < spec->required; i++)
		if (!op->input[i]) return op_fail(c, VITA_E_INVALID, "input %u is missing", i);
	for (uint32_t i = 0; i < spec->n_out; i++)
		if (!op->output[i]) return op_fail(c, VITA_E_INVALID, "output %u is missing", i);
	if (spec->params_size == 0) return VITA_OK;
	if (!op->params) return op_fail(c, VITA_E_INVALID, "params are missing");
	memcpy(&size, op->params, sizeof size); /* every params struct begins with its struct_size */
	if (size < spec->params_size)
		return op_fail(c, VITA_E_INVALID, "params have struct_size %u, expected at least %u", size,
		              spec->params_size);
	return VITA_OK;
}

static vita_status take_tensors(op_call *c, const vita_op *op, const op_spec *spec)
{
	place at = { c->backend, c->name, "input", 0, c->err };
	vita_status status;

	for (uint32_t i = 0; i < VITA_OP_MAX_INPUTS; i++) {
		c->in[i] = i < c->n_in && op->input[i] ? &c->in_copy[i] : NULL;
		if (!c->in[i]) continue;
		at.index = i;
		status = take(&at, op->input[i], (int)spec->any_strides, c->memory, &c->in_copy[i]);
		if (status != VITA_OK) return status;
	}
	at.kind = "output";
	for (uint32_t i = 0; i < c->n_out; i++) {
		c->out[i] = &c->out_copy[i];
		at.index = i;
		status = take(&at, op->output[i], (int)spec->any_strides, c->memory, &c->out_copy[i]);
		if (status == VITA_OK && c->memory) status = check_output(c, spec, i);
		if (status != VITA_OK) return status;
	}
	return VITA_OK;
}

vita_status op_check(const char *backend, op_memory_fn *memory, const vita_op *op, op_call *c, vita_error *err)
{
	const op_spec *spec;
	vita_status status;

	if (!op || op->struct_size < sizeof *op)
		return vita_fail(err, VITA_E_INVALID, "%s: %s", backend,
		                 op ? "an op has too small a struct_size" : "an op is NULL");
	spec = op_spec_find(op->code);
	if (!spec)
		return vita_fail(err, VITA_E_UNSUPPORTED, "%s: there is no op with code %u", backend, op->code);
	c->backend = backend;
	c->name = spec->name;
	c->memory = memory;
	c->err = err;
	c->code = op->code;
	c->params = op->params;
	c->n_in = op->n_inputs;
	c->n_out = op->n_outputs;
	status = check_counts(c, op, spec);
	if (status == VITA_OK) status = take_tensors(c, op, spec);
	return status == VITA_OK ? spec->check(c) : status;
}

vita_status op_check_transfer(const char *backend, const char *call, op_memory_fn *memory, const vita_tensor *t,
                              const void *host, uint64_t size, vita_tensor *copy, vita_error *err)
{
	place at = { backend, call, NULL, 0, err };
	char text[OP_DESCRIPTION];
	vita_status status;
	int64_t bytes;

	if (!t) return vita_fail(err, VITA_E_INVALID, "%s: %s was given no tensor", backend, call);
	status = take(&at, t, 1, memory, copy);
	if (status != VITA_OK) return status;
	bytes = vita_row_bytes(copy->dtype, op_last(copy, 0));
	for (uint32_t i = 0; i + 1 < copy->rank && bytes > 0; i++)
		if (!multiply(copy->shape[i], bytes, &bytes))
			return refuse(&at, VITA_E_SHAPE, ", %s, has more bytes than can be counted",
			              op_describe(copy, text));
	if (size != (uint64_t)bytes)
		return vita_fail(err, VITA_E_SHAPE,
		                 "%s: %s: %s is %lld bytes when dense, but the host's memory has %llu", backend,
		                 call, op_describe(copy, text), (long long)bytes, (unsigned long long)size);
	if (size > 0 && !host)
		return vita_fail(err, VITA_E_INVALID, "%s: %s was given no host memory", backend, call);
	return VITA_OK;
}
