/* SPDX-License-Identifier: MIT
 *
 * One op of a device on the reference backend: over the device's own memory where the host can address it,
 * over copies that are fetched before and put back after where it cannot.
 */
#include <config.h>

#include "host/fallback.h"
#include "host/tensor_bytes.h"

#include <stdlib.h>

#define MOST_OPERANDS (VITA_OP_MAX_INPUTS + VITA_OP_MAX_OUTPUTS)

/* Memory that the reference backend computes on: a device buffer's, or a copy of one operand. */
typedef struct arena {
	vita_buffer *of; /* the device buffer whose memory it is; NULL for a copy */
	void *memory;
	uint64_t size;
	vita_buffer *wrapped; /* the reference backend's buffer over it */
} arena;

typedef struct operand {
	const vita_tensor *view; /* on the device; NULL where an optional input is absent */
	vita_tensor local;       /* the same on the reference backend */
	uint32_t arena;
	int is_output;
} operand;

typedef struct detour {
	const vita_device *inner, *reference;
	const char *who;
	const vita_op *op;
	operand operand[MOST_OPERANDS]; /* inputs, then outputs */
	uint32_t n_operands;
	arena arena[MOST_OPERANDS];
	uint32_t n_arenas;
	vita_error *err;
} detour;

/* ---- looking at the op ----------------------------------------------------------------------------- */

static vita_status add_operand(detour *d, const vita_tensor *view, int is_output)
{
	operand *o = &d->operand[d->n_operands++];
	o->view = view;
	o->is_output = is_output;
	if (!view && !is_output) return VITA_OK;
	if (!view || !view->buffer || !vita_tensor_is_sound(view) || vita_tensor_reach(view) < 0)
		return vita_fail(d->err, VITA_E_INVALID, "op %u has an operand that is no tensor in memory",
		                 d->op->code);
	return VITA_OK;
}

static vita_status collect(detour *d)
{
	vita_status status = VITA_OK;
	if (d->op->n_inputs > VITA_OP_MAX_INPUTS || d->op->n_outputs > VITA_OP_MAX_OUTPUTS)
		return vita_fail(d->err, VITA_E_INVALID, "op %u has %u inputs and %u outputs", d->op->code,
		                 d->op->n_inputs, d->op->n_outputs);
	for (uint32_t i = 0; i < d->op->n_inputs && status == VITA_OK; i++)
		status = add_operand(d, d->op->input[i], 0);
	for (uint32_t i = 0; i < d->op->n_outputs && status == VITA_OK; i++)
		status = add_operand(d, d->op->output[i], 1);
	return status;
}

/* Does the op keep some of what was in its output? Of ops that are newer than this code, nobody knows. */
static int keeps_output(const vita_op *op)
{
	return op->code == VITA_OP_SCATTER || op->code >= VITA_OP_COUNT;
}

/* ---- memory to compute on -------------------------------------------------------------------------- */

/* Mapped files need not keep elements where a processor wants them. */
static int is_aligned(const char *memory, const vita_tensor *view)
{
	uint32_t step = vita_dtype_block(view->dtype) > 1 ? 2 : vita_dtype_bytes(view->dtype);
	return ((uintptr_t)memory + view->offset) % step == 0;
}

/* All views into one buffer share an arena, so that "in place" stays in place. */
static int use_device_memory(detour *d, operand *o)
{
	uint64_t reach = (uint64_t)vita_tensor_reach(o->view);
	if (!VITA_HAS(d->inner->api, vita_backend_api, address)) return 0;
	char *memory = d->inner->api->address(d->inner->self, o->view->buffer);
	if (!memory || !is_aligned(memory, o->view)) return 0;
	o->local = *o->view;
	for (o->arena = 0; o->arena < d->n_arenas; o->arena++) {
		arena *a = &d->arena[o->arena];
		if (a->of != o->view->buffer) continue;
		if (reach > a->size) a->size = reach;
		return 1;
	}
	d->arena[d->n_arenas++] = (arena){ o->view->buffer, memory, reach, NULL };
	return 1;
}

static vita_status use_copy(detour *d, operand *o)
{
	const vita_tensor *view = o->view;
	uint64_t size = (uint64_t)vita_dense_bytes(view->dtype, view->rank, view->shape);
	void *memory = size <= SIZE_MAX - 64 ? malloc((size_t)size + 64) : NULL; /* never 0 bytes */
	if (!memory)
		return vita_fail(d->err, VITA_E_NOMEM, "no memory (%llu bytes) to run an op that %s lacks",
		                 (unsigned long long)size, d->who);
	o->arena = d->n_arenas++;
	d->arena[o->arena] = (arena){ NULL, memory, size, NULL };
	o->local = *view;
	o->local.offset = 0;
	o->local.stride[view->rank - 1] = (int64_t)vita_dtype_bytes(view->dtype);
	for (uint32_t i = view->rank - 1; i-- > 0;)
		o->local.stride[i] = vita_dense_bytes(view->dtype, view->rank - 1 - i, view->shape + i + 1);
	if (size == 0 || (o->is_output && !keeps_output(d->op))) return VITA_OK;
	return vita_answer(d->inner->api->read(d->inner->self, view, memory, size, d->err), d->who, "read",
	                   d->err);
}

static vita_status prepare(detour *d)
{
	vita_status status = VITA_OK;
	for (uint32_t i = 0; i < d->n_operands && status == VITA_OK; i++)
		if (d->operand[i].view && !use_device_memory(d, &d->operand[i]))
			status = use_copy(d, &d->operand[i]);
	for (uint32_t i = 0; i < d->n_arenas && status == VITA_OK; i++) {
		arena *a = &d->arena[i];
		status = d->reference->api->wrap(d->reference->self, a->memory, a->size, 0, &a->wrapped,
		                                 d->err);
		status = vita_answer(status, "the reference backend", "wrap", d->err);
		if (status == VITA_OK && !a->wrapped)
			status = vita_fail(d->err, VITA_E_INTERNAL, "the reference backend gives no buffer");
	}
	for (uint32_t i = 0; i < d->n_operands && status == VITA_OK; i++)
		if (d->operand[i].view) d->operand[i].local.buffer = d->arena[d->operand[i].arena].wrapped;
	return status;
}

/* ---- the op ---------------------------------------------------------------------------------------- */

static vita_status compute(detour *d)
{
	vita_op op;
	const vita_op *one = &op;
	VITA_INIT(&op);
	op.code = d->op->code;
	op.n_inputs = d->op->n_inputs;
	op.n_outputs = d->op->n_outputs;
	op.params = d->op->params;
	for (uint32_t i = 0; i < op.n_inputs; i++)
		op.input[i] = d->operand[i].view ? &d->operand[i].local : NULL;
	for (uint32_t i = 0; i < op.n_outputs; i++) op.output[i] = &d->operand[op.n_inputs + i].local;
	vita_status status = d->reference->api->submit(d->reference->self, &one, 1, d->err);
	if (status == VITA_OK) status = d->reference->api->wait(d->reference->self, d->err);
	return vita_answer(status, "the reference backend", "submit", d->err);
}

static vita_status put_back(detour *d)
{
	for (uint32_t i = d->op->n_inputs; i < d->n_operands; i++) {
		const operand *o = &d->operand[i];
		const arena *a = &d->arena[o->arena];
		if (a->of || a->size == 0) continue;
		vita_status status =
			d->inner->api->write(d->inner->self, o->view, a->memory, a->size, d->err);
		status = vita_answer(status, d->who, "write", d->err);
		if (status != VITA_OK) return status;
	}
	return VITA_OK;
}

static void clean_up(detour *d)
{
	for (uint32_t i = 0; i < d->n_arenas; i++) {
		if (d->arena[i].wrapped) d->reference->api->free(d->reference->self, d->arena[i].wrapped);
		if (!d->arena[i].of) free(d->arena[i].memory);
	}
}

vita_status vita_fallback_op(const vita_device *inner, const vita_device *reference, const char *name,
                             const vita_op *op, vita_error *err)
{
	detour d;
	memset(&d, 0, sizeof d);
	d.inner = inner;
	d.reference = reference;
	d.who = name;
	d.op = op;
	d.err = err;
	vita_status status = collect(&d);
	if (status == VITA_OK) status = prepare(&d);
	if (status == VITA_OK) status = compute(&d);
	if (status == VITA_OK) status = put_back(&d);
	clean_up(&d);
	return status;
}
