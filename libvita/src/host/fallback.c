/* SPDX-License-Identifier: MIT
 *
 * The layer over a backend: passes calls on, splits submits where an op is missing, stands in for optional
 * members, and turns senseless answers into errors.
 */
#include <config.h>

#include "host/fallback.h"

#include "host/words.h"

#include <stdatomic.h>
#include <stdlib.h>

struct vita_fallback {
	vita_device device; /* what modules get: our table, this struct as its backend */
	char who[96];       /* `backend "toy"`, for sentences */
	vita_device inner;
	char reference_name[64];
	const vita_device *reference; /* NULL: none */
	const vita_log *log;
	_Atomic uint64_t told; /* a bit an op code: the log knows that it runs elsewhere */
};

static vita_fallback *layer_of(vita_backend *backend)
{
	return (vita_fallback *)backend;
}

/* What was in a caller's error before is not the backend's message. */
static void clear_message(vita_error *err)
{
	if (!err) return;
	err->struct_size = (uint32_t)sizeof *err;
	err->status = VITA_OK;
	err->message[0] = '\0';
}

/* ---- memory ------------------------------------------------------------------------------------------- */

/* The buffer that alloc or wrap gave, or a failure. */
static vita_status check_buffer(const vita_fallback *layer, vita_status status, const char *call,
                                vita_buffer **out, vita_error *err)
{
	status = vita_answer(status, layer->who, call, err);
	if (status == VITA_OK && !*out)
		status = vita_fail(err, VITA_E_INTERNAL, "%s says that %s worked but gives no buffer",
		                   layer->who, call);
	if (status != VITA_OK) *out = NULL;
	return status;
}

static vita_status layer_alloc(vita_backend *backend, uint64_t size, vita_buffer **out, vita_error *err)
{
	vita_fallback *layer = layer_of(backend);
	*out = NULL;
	clear_message(err);
	return check_buffer(layer, layer->inner.api->alloc(layer->inner.self, size, out, err), "alloc", out,
	                    err);
}

static void layer_free(vita_backend *backend, vita_buffer *buffer)
{
	vita_fallback *layer = layer_of(backend);
	if (buffer) layer->inner.api->free(layer->inner.self, buffer);
}

static vita_status layer_wrap(vita_backend *backend, void *memory, uint64_t size, uint32_t constant,
                              vita_buffer **out, vita_error *err)
{
	vita_fallback *layer = layer_of(backend);
	*out = NULL;
	clear_message(err);
	if (!VITA_HAS(layer->inner.api, vita_backend_api, wrap))
		return vita_fail(err, VITA_E_UNSUPPORTED, "%s cannot use host memory as it lies", layer->who);
	return check_buffer(layer,
	                    layer->inner.api->wrap(layer->inner.self, memory, size, constant, out, err),
	                    "wrap", out, err);
}

static void *layer_address(vita_backend *backend, vita_buffer *buffer)
{
	vita_fallback *layer = layer_of(backend);
	if (!VITA_HAS(layer->inner.api, vita_backend_api, address)) return NULL;
	return layer->inner.api->address(layer->inner.self, buffer);
}

static vita_status layer_load(vita_backend *backend, const vita_array *source, uint32_t dtype,
                              vita_tensor *out, vita_error *err)
{
	vita_fallback *layer = layer_of(backend);
	VITA_INIT(out);
	clear_message(err);
	if (!VITA_HAS(layer->inner.api, vita_backend_api, load))
		return vita_fail(err, VITA_E_UNSUPPORTED, "%s has no layout of its own for weights",
		                 layer->who);
	vita_status status = layer->inner.api->load(layer->inner.self, source, dtype, out, err);
	status = vita_answer(status, layer->who, "load", err);
	if (status != VITA_OK) return status;
	int as_asked = out->buffer && out->dtype == dtype && out->rank == source->rank;
	for (uint32_t i = 0; as_asked && i < source->rank; i++) as_asked = out->shape[i] == source->shape[i];
	if (as_asked) return VITA_OK;
	return vita_fail(err, VITA_E_INTERNAL,
	                 "%s says that load worked but gives another tensor than \"%s\"", layer->who,
	                 source->name ? source->name : "?");
}

static vita_status layer_write(vita_backend *backend, const vita_tensor *target, const void *source,
                               uint64_t size, vita_error *err)
{
	vita_fallback *layer = layer_of(backend);
	clear_message(err);
	return vita_answer(layer->inner.api->write(layer->inner.self, target, source, size, err), layer->who,
	                   "write", err);
}

static vita_status layer_read(vita_backend *backend, const vita_tensor *source, void *target, uint64_t size,
                              vita_error *err)
{
	vita_fallback *layer = layer_of(backend);
	clear_message(err);
	return vita_answer(layer->inner.api->read(layer->inner.self, source, target, size, err), layer->who,
	                   "read", err);
}

/* ---- work --------------------------------------------------------------------------------------------- */

static const char *op_name(uint32_t code)
{
	static const char *const names[VITA_OP_COUNT] = {
		"?",          "MATMUL", "GATHER",    "SCATTER",          "RMS_NORM", "LAYER_NORM",
		"GROUP_NORM", "ROPE",   "ATTENTION", "SOFTMAX",          "UNARY",    "BINARY",
		"GLU",        "AFFINE", "CONV1D",    "CONV_TRANSPOSE1D", "POOL",     "INTERPOLATE",
		"CUMSUM",     "ARGMAX", "TOP_K",     "NEAREST",          "REDUCE",   "COPY",
		"CONCAT",     "FILL",
	};
	return code < VITA_OP_COUNT ? names[code] : "a newer op";
}

/* MATMUL(f32, q8_0) */
static const char *op_text(char *out, size_t size, const vita_op *op)
{
	(void)snprintf(out, size, "%s(", op_name(op->code));
	for (uint32_t i = 0, n = 0; i < op->n_inputs && i < VITA_OP_MAX_INPUTS; i++)
		if (op->input[i])
			vita_append(out, size, "%s%s", n++ ? ", " : "", vita_dtype_name(op->input[i]->dtype));
	vita_append(out, size, ")");
	return out;
}

static int inner_supports(const vita_fallback *layer, const vita_op *op)
{
	return layer->inner.api->supports(layer->inner.self, op) != 0;
}

static int reference_supports(const vita_fallback *layer, const vita_op *op)
{
	return layer->reference && layer->reference->api->supports(layer->reference->self, op) != 0;
}

static int32_t layer_supports(vita_backend *backend, const vita_op *op)
{
	const vita_fallback *layer = layer_of(backend);
	return inner_supports(layer, op) || reference_supports(layer, op);
}

static void tell_once(vita_fallback *layer, const vita_op *op)
{
	char text[128];
	uint64_t bit = UINT64_C(1) << (op->code & 63);
	if (atomic_fetch_or(&layer->told, bit) & bit) return;
	vita_log_format(layer->log, VITA_LOG_INFO, "host", "%s cannot run %s, so backend \"%s\" runs it",
	                layer->who, op_text(text, sizeof text, op), layer->reference_name);
}

static vita_status run_elsewhere(vita_fallback *layer, const vita_op *op, vita_error *err)
{
	char text[128];
	if (!layer->reference)
		return vita_fail(err, VITA_E_UNSUPPORTED,
		                 "%s cannot run %s, and there is no reference backend that could", layer->who,
		                 op_text(text, sizeof text, op));
	if (!reference_supports(layer, op))
		return vita_fail(err, VITA_E_UNSUPPORTED,
		                 "neither %s nor the reference backend can run %s with these shapes",
		                 layer->who, op_text(text, sizeof text, op));
	tell_once(layer, op);
	return vita_fallback_op(&layer->inner, layer->reference, layer->who, op, err);
}

static vita_status layer_submit(vita_backend *backend, const vita_op *const *ops, uint32_t n, vita_error *err)
{
	vita_fallback *layer = layer_of(backend);
	vita_status status = VITA_OK;
	clear_message(err);
	for (uint32_t first = 0; first < n && status == VITA_OK;) {
		uint32_t end = first;
		while (end < n && inner_supports(layer, ops[end])) end++;
		if (end > first) {
			status = layer->inner.api->submit(layer->inner.self, ops + first, end - first, err);
			status = vita_answer(status, layer->who, "submit", err);
		}
		if (end < n && status == VITA_OK) status = run_elsewhere(layer, ops[end++], err);
		first = end;
	}
	return status;
}

static vita_status layer_wait(vita_backend *backend, vita_error *err)
{
	vita_fallback *layer = layer_of(backend);
	clear_message(err);
	return vita_answer(layer->inner.api->wait(layer->inner.self, err), layer->who, "wait", err);
}

/* An extension's functions want the real backend's handle, which modules do not have through this layer. */
static const void *layer_get_extension(vita_backend *backend, const char *id)
{
	(void)backend;
	(void)id;
	return NULL;
}

/* ---- the table ---------------------------------------------------------------------------------------- */

/* Backends are found and opened by the loader, never through this layer. */
static vita_status layer_probe(const vita_host *host, uint32_t index, vita_backend_device *out,
                               vita_error *err)
{
	(void)host;
	(void)index;
	(void)out;
	(void)err;
	return VITA_END;
}

static vita_status layer_open(const vita_host *host, const vita_settings *settings, vita_backend **out,
                              vita_error *err)
{
	(void)host;
	(void)settings;
	*out = NULL;
	return vita_fail(err, VITA_E_STATE, "a device is opened by the host, not through another device");
}

static void layer_close(vita_backend *backend)
{
	(void)backend;
}

static const vita_backend_api layer_api = {
	.struct_size = sizeof(vita_backend_api),
	.probe = layer_probe,
	.open = layer_open,
	.close = layer_close,
	.alloc = layer_alloc,
	.free = layer_free,
	.wrap = layer_wrap,
	.address = layer_address,
	.load = layer_load,
	.write = layer_write,
	.read = layer_read,
	.supports = layer_supports,
	.submit = layer_submit,
	.wait = layer_wait,
	.get_extension = layer_get_extension,
};

const vita_device *vita_fallback_inner(const vita_device *device)
{
	return device->api == &layer_api ? &((const vita_fallback *)(const void *)device->self)->inner : device;
}

vita_status vita_fallback_create(const char *name, const vita_device *inner, const char *reference_name,
                                 const vita_device *reference, const vita_log *log, vita_fallback **out,
                                 vita_error *err)
{
	vita_fallback *layer = calloc(1, sizeof *layer);
	*out = layer;
	if (!layer) return vita_fail(err, VITA_E_NOMEM, "no memory for a device");
	VITA_INIT(&layer->device);
	layer->device.api = &layer_api;
	layer->device.self = (vita_backend *)layer;
	(void)snprintf(layer->who, sizeof layer->who, "backend \"%s\"", name);
	layer->inner = *inner;
	(void)snprintf(layer->reference_name, sizeof layer->reference_name, "%s",
	               reference ? reference_name : "");
	layer->reference = reference;
	layer->log = log;
	atomic_init(&layer->told, 0);
	return VITA_OK;
}

void vita_fallback_destroy(vita_fallback *fallback)
{
	free(fallback);
}

const vita_device *vita_fallback_device(const vita_fallback *fallback)
{
	return &fallback->device;
}
