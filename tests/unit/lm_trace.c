/* SPDX-License-Identifier: MIT
 *
 * The tracing device; see lm_trace.h.
 */
#include "lm_trace.h"

static lm_trace *of(vita_backend *backend)
{
	return (lm_trace *)(void *)backend;
}

static vita_status trace_alloc(vita_backend *b, uint64_t size, vita_buffer **out, vita_error *err)
{
	const vita_device *inner = of(b)->inner;
	vita_status status = inner->api->alloc(inner->self, size, out, err);
	if (status == VITA_OK) of(b)->allocated++;
	return status;
}

static void trace_free(vita_backend *b, vita_buffer *buffer)
{
	of(b)->allocated--;
	of(b)->inner->api->free(of(b)->inner->self, buffer);
}

static vita_status trace_write(vita_backend *b, const vita_tensor *target, const void *source, uint64_t size,
                               vita_error *err)
{
	return of(b)->inner->api->write(of(b)->inner->self, target, source, size, err);
}

static vita_status trace_read(vita_backend *b, const vita_tensor *source, void *target, uint64_t size,
                              vita_error *err)
{
	of(b)->reads++;
	return of(b)->inner->api->read(of(b)->inner->self, source, target, size, err);
}

static int32_t trace_supports(vita_backend *b, const vita_op *op)
{
	return of(b)->inner->api->supports(of(b)->inner->self, op);
}

static void note(lm_trace *t, const vita_op *op)
{
	const vita_device *inner = t->inner;
	if (op->code == VITA_OP_ROPE) {
		vita_tensor head = *op->input[1];
		t->rows = head.shape[0];
		if (head.shape[0] > LM_TRACE_ROWS) head.shape[0] = LM_TRACE_ROWS;
		(void)inner->api->read(inner->self, &head, t->positions,
		                       (uint64_t)head.shape[0] * sizeof(int32_t), NULL);
	} else if (op->code == VITA_OP_ATTENTION && t->n < LM_TRACE_MAX) {
		lm_trace_call *call = &t->call[t->n++];
		call->rows = t->rows;
		call->before = op->input[1]->shape[0] - call->rows;
		memcpy(call->positions, t->positions, sizeof call->positions);
	}
}

static vita_status trace_submit(vita_backend *b, const vita_op *const *ops, uint32_t n, vita_error *err)
{
	lm_trace *t = of(b);
	t->submits++;
	if (t->fail_after == 0) return vita_fail(err, VITA_E_DEVICE, "the device was told to fail");
	if (t->fail_after > 0) t->fail_after--;
	for (uint32_t i = 0; i < n; i++)
		note(t, ops[i]);
	return t->inner->api->submit(t->inner->self, ops, n, err);
}

static vita_status trace_wait(vita_backend *b, vita_error *err)
{
	of(b)->waits++;
	return of(b)->inner->api->wait(of(b)->inner->self, err);
}

static const void *trace_extension(vita_backend *b, const char *id)
{
	(void)b;
	(void)id;
	return NULL;
}

void lm_trace_init(lm_trace *t, const vita_device *inner)
{
	memset(t, 0, sizeof *t);
	VITA_INIT(&t->api);
	t->api.alloc = trace_alloc;
	t->api.free = trace_free;
	t->api.write = trace_write;
	t->api.read = trace_read;
	t->api.supports = trace_supports;
	t->api.submit = trace_submit;
	t->api.wait = trace_wait;
	t->api.get_extension = trace_extension;
	VITA_INIT(&t->device);
	t->device.api = &t->api;
	t->device.self = (vita_backend *)(void *)t;
	t->inner = inner;
	t->fail_after = -1;
}
