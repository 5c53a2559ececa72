/* SPDX-License-Identifier: MIT
 *
 * A device that holds nothing; see empty_device.h.
 */
#include "engine/empty_device.h"

/* Handles need an address and nothing behind it. */
static char nothing;

static vita_status probe(const vita_host *host, uint32_t index, vita_backend_device *out, vita_error *err)
{
	(void)host, (void)index, (void)out, (void)err;
	return VITA_END;
}

static vita_status open_device(const vita_host *host, const vita_settings *settings, vita_backend **out,
			       vita_error *err)
{
	(void)host, (void)settings, (void)err;
	*out = (vita_backend *)(void *)&nothing;
	return VITA_OK;
}

static void close_device(vita_backend *backend)
{
	(void)backend;
}

static vita_status alloc(vita_backend *backend, uint64_t size, vita_buffer **out, vita_error *err)
{
	(void)backend, (void)size, (void)err;
	*out = (vita_buffer *)(void *)&nothing;
	return VITA_OK;
}

static void free_buffer(vita_backend *backend, vita_buffer *buffer)
{
	(void)backend, (void)buffer;
}

static vita_status wrap(vita_backend *backend, void *memory, uint64_t size, uint32_t constant,
			vita_buffer **out, vita_error *err)
{
	(void)memory, (void)constant;
	return alloc(backend, size, out, err);
}

/* A matrix becomes dense rows of the wanted type, as the interface says, in no memory. */
static vita_status load(vita_backend *backend, const vita_array *source, uint32_t dtype, vita_tensor *out,
			vita_error *err)
{
	VITA_INIT(out);
	out->dtype = dtype;
	out->rank = source->rank;
	for (uint32_t i = 0; i < VITA_MAX_RANK; i++)
		out->shape[i] = i < source->rank ? source->shape[i] : 1;
	out->stride[1] = (int64_t)vita_dtype_bytes(dtype);
	out->stride[0] = vita_row_bytes(dtype, out->shape[1]);
	return alloc(backend, source->size_bytes, &out->buffer, err);
}

static vita_status write_tensor(vita_backend *backend, const vita_tensor *target, const void *source,
				uint64_t size, vita_error *err)
{
	(void)backend, (void)target, (void)source, (void)size, (void)err;
	return VITA_OK;
}

static vita_status read_tensor(vita_backend *backend, const vita_tensor *source, void *target, uint64_t size,
			       vita_error *err)
{
	(void)backend, (void)source, (void)err;
	memset(target, 0, (size_t)size);
	return VITA_OK;
}

static int32_t supports(vita_backend *backend, const vita_op *op)
{
	(void)backend, (void)op;
	return 1;
}

static vita_status submit(vita_backend *backend, const vita_op *const *ops, uint32_t n, vita_error *err)
{
	(void)backend, (void)ops, (void)n, (void)err;
	return VITA_OK;
}

static vita_status wait_device(vita_backend *backend, vita_error *err)
{
	(void)backend, (void)err;
	return VITA_OK;
}

static const vita_backend_api api = {
	.struct_size = sizeof api,
	.probe = probe,
	.open = open_device,
	.close = close_device,
	.alloc = alloc,
	.free = free_buffer,
	.wrap = wrap,
	.load = load,
	.write = write_tensor,
	.read = read_tensor,
	.supports = supports,
	.submit = submit,
	.wait = wait_device,
};

const vita_device vita_empty_device = {sizeof vita_empty_device, 0, &api, (vita_backend *)(void *)&nothing};
