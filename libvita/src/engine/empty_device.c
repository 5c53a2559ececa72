/* SPDX-License-Identifier: MIT
 *
 * A device that holds nothing; see empty_device.h.
 */
#include "engine/empty_device.h"

#include <stdlib.h>

/* The device that does not count needs an address and nothing behind it. */
static char nothing;

struct vita_buffer {
	vita_counting_device *counter; /* NULL: nobody counts */
	uint64_t bytes;
};

static vita_counting_device *counter_of(vita_backend *backend)
{
	return (char *)backend == &nothing ? NULL : (vita_counting_device *)backend;
}

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
	vita_counting_device *counter = counter_of(backend);
	vita_buffer *buffer = *out = malloc(sizeof *buffer);
	if (!buffer) return vita_fail(err, VITA_E_NOMEM, "no memory for a handle");
	*buffer = (vita_buffer){counter, size};
	if (!counter) return VITA_OK;
	counter->taken += size;
	if (size > counter->largest) counter->largest = size;
	return VITA_OK;
}

static void free_buffer(vita_backend *backend, vita_buffer *buffer)
{
	(void)backend;
	if (buffer && buffer->counter) buffer->counter->taken -= buffer->bytes;
	free(buffer);
}

static vita_status wrap(vita_backend *backend, void *memory, uint64_t size, uint32_t constant,
			vita_buffer **out, vita_error *err)
{
	const vita_counting_device *counter = counter_of(backend);
	(void)memory;
	return alloc(backend, counter && counter->wraps_pages && constant ? 0 : size, out, err);
}

/* Of the matrix as the device that is counted for lays it out. */
static uint64_t load_bytes(const vita_counting_device *counter, const vita_tensor *w)
{
	uint64_t bytes = 0;
	if (counter && VITA_HAS(counter->room, vita_room_api, load_bytes))
		bytes = counter->room->load_bytes(counter->counted.self, w->shape[0], w->shape[1], w->dtype);
	return bytes ? bytes : (uint64_t)(w->shape[0] * w->stride[0]);
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
	return alloc(backend, load_bytes(counter_of(backend), out), &out->buffer, err);
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

void vita_counting_device_begin(vita_counting_device *counter)
{
	VITA_INIT(&counter->device);
	counter->device.api = &api;
	counter->device.self = (vita_backend *)(void *)counter;
}
