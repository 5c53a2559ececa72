/* SPDX-License-Identifier: MIT
 *
 * Memory of a device: buffers, and elements to and from the host.
 */
#include <stdlib.h>

#include "pack.h"

#define COPY_LIMIT (1u << 20)    /* a write up to this size is copied and queued; a larger one is waited for */
#define STAGED_LIMIT (64u << 20) /* bytes in copies for queued writes; then the queue is waited for */
#define PAGE 4096
#define RUNS 8                   /* a view of more pieces than this is brought together on the device first */

op_memory memory_facts(const vita_buffer *buffer)
{
	return (op_memory){ NULL, buffer->size, buffer->constant, 0 };
}

bool memory_wraps(const vita_backend *backend)
{
	return backend->device.shares_memory && (backend->device.type & CL_DEVICE_TYPE_CPU) != 0;
}

static double mib(uint64_t bytes)
{
	return (double)bytes / 1048576;
}

/* ---- buffers --------------------------------------------------------------------------------------- */

/* Is there room for size bytes more? Many drivers promise any amount and fail only when it is used. */
static vita_status check_room(const vita_backend *backend, uint64_t size, vita_error *err)
{
	const struct device_info *d = &backend->device;
	if (size > d->largest)
		return vita_fail(err, VITA_E_NOMEM, "opencl: %.1f MiB in one piece were asked for, but %s gives at most %.1f MiB at once",
		                 mib(size), d->name, mib(d->largest));
	if (backend->taken <= backend->limit && size <= backend->limit - backend->taken) return VITA_OK;
	return vita_fail(err, VITA_E_NOMEM, "opencl: %.1f MiB were asked for, but of the %.1f MiB of %s %.1f are taken: %.1f MiB are missing",
	                 mib(size), mib(backend->limit), d->name, mib(backend->taken),
	                 mib(size - (backend->limit > backend->taken ? backend->limit - backend->taken : 0)));
}

/* memory: of the host, which is the buffer's from now on; NULL: the driver finds some. */
static vita_status create_buffer(vita_backend *backend, uint64_t size, void *memory, vita_buffer *buffer, vita_error *err)
{
	const cl_mem_flags flags = CL_MEM_READ_WRITE | (memory ? CL_MEM_USE_HOST_PTR : 0);
	cl_int error;
	vita_status status = check_lost(backend, err);
	if (status == VITA_OK) status = check_room(backend, size, err);
	if (status != VITA_OK) return status;
	buffer->taken = size > 64 ? size : 64;
	buffer->memory = clCreateBuffer(backend->context, flags, (size_t)buffer->taken, memory, &error);
	if (error != CL_SUCCESS) {
		buffer->memory = NULL;
		return cl_failure(backend, "clCreateBuffer", error, err);
	}
	backend->taken += buffer->taken;
	return VITA_OK;
}

static vita_status allocate(vita_backend *backend, uint64_t size, void *memory, vita_buffer **out, vita_error *err)
{
	vita_buffer *buffer = calloc(1, sizeof *buffer);
	*out = NULL;
	if (!buffer) return vita_fail(err, VITA_E_NOMEM, "opencl: no memory for a buffer");
	buffer->size = size;
	buffer->packed_dtype = VITA_DTYPE_NONE;
	(void)pthread_mutex_lock(&backend->lock);
	vita_status status = create_buffer(backend, size, memory, buffer, err);
	(void)pthread_mutex_unlock(&backend->lock);
	if (status == VITA_OK) *out = buffer;
	else free(buffer);
	return status;
}

vita_status memory_alloc(vita_backend *backend, uint64_t size, vita_buffer **out, vita_error *err)
{
	return allocate(backend, size, NULL, out, err);
}

/* Drivers use the host's memory as it lies where it is whole pages. */
uint64_t memory_weight_bytes(const vita_backend *backend, uint64_t size)
{
	return memory_wraps(backend) ? (size + PAGE - 1) / PAGE * PAGE : size;
}

vita_status memory_alloc_weight(vita_backend *backend, uint64_t size, vita_buffer **out, vita_error *err)
{
	struct slab *slab = NULL;
	unsigned char *memory = NULL;
	size = memory_weight_bytes(backend, size);
	if (memory_wraps(backend) && size <= backend->device.largest) memory = slab_take(&backend->slabs, (size_t)size, &slab);
	const vita_status status = allocate(backend, size, memory, out, err);
	if (status == VITA_OK) (*out)->slab = slab;
	else if (slab) slab_give_back(&backend->slabs, slab);
	return status;
}

/* OpenCL keeps the memory until the commands that use it are done, but where it is not its own. */
void memory_free(vita_backend *backend, vita_buffer *buffer)
{
	if (!buffer) return;
	(void)pthread_mutex_lock(&backend->lock);
	if (buffer->wrapped || buffer->slab) (void)clFinish(backend->queue);
	if (buffer->memory) (void)clReleaseMemObject(buffer->memory);
	backend->taken -= buffer->taken;
	(void)pthread_mutex_unlock(&backend->lock);
	if (buffer->slab) slab_give_back(&backend->slabs, buffer->slab);
	free(buffer);
}

/* Pages of the host serve as they lie where the device works in the host's memory anyway. */
vita_status memory_wrap(vita_backend *backend, void *memory, uint64_t size, uint32_t constant, vita_buffer **out,
                        vita_error *err)
{
	cl_int error;
	*out = NULL;
	if (!memory || size == 0 || !constant || !memory_wraps(backend) || size > backend->device.largest)
		return vita_fail(err, VITA_E_UNSUPPORTED, "opencl: %s does not use the host's pages", backend->device.name);
	vita_buffer *buffer = calloc(1, sizeof *buffer);
	if (!buffer) return vita_fail(err, VITA_E_NOMEM, "opencl: no memory for a buffer");
	buffer->size = size;
	buffer->constant = buffer->wrapped = true;
	buffer->packed_dtype = VITA_DTYPE_NONE;
	(void)pthread_mutex_lock(&backend->lock);
	vita_status status = check_lost(backend, err);
	if (status == VITA_OK) {
		buffer->memory = clCreateBuffer(backend->context, CL_MEM_READ_ONLY | CL_MEM_USE_HOST_PTR, (size_t)size, memory,
		                                &error);
		if (error != CL_SUCCESS) status = vita_fail(err, VITA_E_UNSUPPORTED, "opencl: these pages cannot be used (%s)",
			                                    cl_error_name(error));
	}
	(void)pthread_mutex_unlock(&backend->lock);
	if (status == VITA_OK) *out = buffer;
	else free(buffer);
	return status;
}

vita_status memory_scratch(vita_backend *backend, uint64_t size, cl_mem *out, vita_error *err)
{
	vita_buffer *s = backend->scratch;
	*out = NULL;
	if (!s) s = backend->scratch = calloc(1, sizeof *s);
	if (!s) return vita_fail(err, VITA_E_NOMEM, "opencl: no memory for a buffer");
	if (!s->memory || s->size < size) {
		if (s->memory) (void)clReleaseMemObject(s->memory);
		backend->taken -= s->taken;
		memset(s, 0, sizeof *s);
		size = (size + 65535) / 65536 * 65536;
		const vita_status status = create_buffer(backend, size, NULL, s, err);
		if (status != VITA_OK) return status;
		s->size = size;
	}
	*out = s->memory;
	return VITA_OK;
}

static void free_staged(vita_backend *backend)
{
	while (backend->staged) {
		struct staged *next = backend->staged->next;
		free(backend->staged);
		backend->staged = next;
	}
	backend->staged_bytes = 0;
}

void memory_close(vita_backend *backend)
{
	free_staged(backend);
	if (!backend->scratch) return;
	if (backend->scratch->memory) (void)clReleaseMemObject(backend->scratch->memory);
	free(backend->scratch);
}

/* ---- waiting --------------------------------------------------------------------------------------- */

/* A kernel that met a wrong id left a note in its thread's slot: queue to read it. */
static vita_status ask_for_fault(vita_backend *backend, uint32_t slot, vita_error *err)
{
	cl_int *fault = backend->noted[slot];
	fault[0] = 0;
	if (!(backend->armed >> slot & 1)) return VITA_OK;
	const cl_int error = clEnqueueReadBuffer(backend->queue, backend->faults, CL_FALSE, slot * sizeof backend->noted[0],
	                                         sizeof backend->noted[0], fault, 0, NULL, NULL);
	if (error != CL_SUCCESS) return cl_failure(backend, "clEnqueueReadBuffer", error, err);
	backend->armed &= ~(UINT64_C(1) << slot);
	return VITA_OK;
}

/* Clear it, and say what it says. */
static vita_status tell_fault(vita_backend *backend, uint32_t slot, vita_error *err)
{
	static const cl_int zeros[4] = { 0 };
	const cl_int *fault = backend->noted[slot];
	if (fault[0] == 0) return VITA_OK;
	const cl_int error = clEnqueueWriteBuffer(backend->queue, backend->faults, CL_TRUE, slot * sizeof zeros, sizeof zeros,
	                                          zeros, 0, NULL, NULL);
	if (error != CL_SUCCESS) return cl_failure(backend, "clEnqueueWriteBuffer", error, err);
	return vita_fail(err, VITA_E_INVALID, "opencl: %s: ids[%d] is %d, expected 0 to %d",
	                 fault[0] == 1 + (cl_int)VITA_OP_GATHER ? "GATHER" : "SCATTER", fault[1], fault[2], fault[3] - 1);
}

static vita_status finish(vita_backend *backend, vita_error *err)
{
	vita_status status = check_lost(backend, err);
	if (status != VITA_OK) return status;
	const cl_int error = clFinish(backend->queue);
	if (error != CL_SUCCESS) return cl_failure(backend, "clFinish", error, err);
	free_staged(backend);
	return VITA_OK;
}

vita_status memory_wait(vita_backend *backend, vita_error *err)
{
	const uint32_t slot = fault_slot(backend);
	(void)pthread_mutex_lock(&backend->lock);
	vita_status status = check_lost(backend, err);
	if (status == VITA_OK) status = ask_for_fault(backend, slot, err);
	if (status == VITA_OK) status = finish(backend, err);
	if (status == VITA_OK) status = tell_fault(backend, slot, err);
	(void)pthread_mutex_unlock(&backend->lock);
	return status;
}

/* ---- to the device --------------------------------------------------------------------------------- */

vita_status memory_put(vita_backend *backend, cl_mem memory, uint64_t offset, const void *source, uint64_t size,
                       vita_error *err)
{
	struct staged *copy = NULL;
	if (size == 0) return VITA_OK;
	if (size <= COPY_LIMIT) copy = malloc(sizeof *copy + (size_t)size);
	if (copy) {
		memcpy(copy + 1, source, (size_t)size);
		source = copy + 1;
	}
	const cl_int error = clEnqueueWriteBuffer(backend->queue, memory, copy ? CL_FALSE : CL_TRUE, (size_t)offset,
	                                          (size_t)size, source, 0, NULL, NULL);
	if (error != CL_SUCCESS) {
		free(copy);
		return cl_failure(backend, "clEnqueueWriteBuffer", error, err);
	}
	if (!copy) return VITA_OK;
	copy->size = size;
	copy->next = backend->staged;
	backend->staged = copy;
	backend->staged_bytes += size;
	return backend->staged_bytes > STAGED_LIMIT ? finish(backend, err) : VITA_OK;
}

/* Bytes that lie together at the view's end, and how many trailing dimensions they take up. */
static uint32_t together(const vita_tensor *t, int64_t *bytes)
{
	uint32_t trailing = 0;
	*bytes = (int64_t)vita_dtype_bytes(t->dtype);
	if (vita_dtype_block(t->dtype) > 1) {
		*bytes = vita_row_bytes(t->dtype, op_last(t, 0));
		trailing = 1;
	}
	while (trailing < t->rank && (op_last(t, trailing) == 1 || op_step(t, trailing) == *bytes))
		*bytes *= op_last(t, trailing++);
	return trailing;
}

static uint64_t place(const vita_tensor *t, uint32_t trailing, int64_t index)
{
	uint64_t at = t->offset;
	for (uint32_t i = t->rank - trailing; i-- > 0; index /= t->shape[i])
		at += (uint64_t)(index % t->shape[i] * t->stride[i]);
	return at;
}

/* A dense tensor like t at the start of a buffer. */
static vita_tensor dense_like(const vita_tensor *t, vita_buffer *buffer)
{
	vita_tensor d = *t;
	d.buffer = buffer;
	d.offset = 0;
	d.stride[t->rank - 1] = (int64_t)vita_dtype_bytes(t->dtype);
	for (uint32_t i = t->rank - 1; i-- > 0;)
		d.stride[i] = i + 2 == t->rank ? vita_row_bytes(t->dtype, op_last(t, 0)) : d.stride[i + 1] * d.shape[i + 1];
	return d;
}

/* A view with gaps, through a dense buffer of the device. */
static vita_status transfer_scattered(vita_backend *backend, const vita_tensor *t, void *to, const void *from, uint64_t size,
                                      vita_error *err)
{
	vita_buffer dense = { .size = size, .packed_dtype = VITA_DTYPE_NONE };
	vita_status status = create_buffer(backend, size, NULL, &dense, err);
	if (status != VITA_OK) return status;
	const vita_tensor d = dense_like(t, &dense);
	if (from) {
		status = memory_put(backend, dense.memory, 0, from, size, err);
		if (status == VITA_OK) status = copy_tensor(backend, NULL, &d, t, err);
	} else {
		status = copy_tensor(backend, NULL, t, &d, err);
		const cl_int error = status == VITA_OK ? clEnqueueReadBuffer(backend->queue, dense.memory, CL_TRUE, 0, (size_t)size,
		                                                             to, 0, NULL, NULL)
		                                       : CL_SUCCESS;
		if (error != CL_SUCCESS) status = cl_failure(backend, "clEnqueueReadBuffer", error, err);
	}
	(void)clReleaseMemObject(dense.memory);
	backend->taken -= dense.taken;
	return status;
}

static vita_status write_locked(vita_backend *backend, const vita_tensor *t, const void *source, uint64_t size,
                                vita_error *err)
{
	int64_t bytes;
	const uint32_t trailing = together(t, &bytes);
	const int64_t n = count_of(t, trailing);
	vita_status status = check_lost(backend, err);
	if (status == VITA_OK && n > RUNS) return transfer_scattered(backend, t, NULL, source, size, err);
	for (int64_t i = 0; i < n && status == VITA_OK; i++)
		status = memory_put(backend, t->buffer->memory, place(t, trailing, i), (const char *)source + i * bytes,
		                    (uint64_t)bytes, err);
	return status;
}

vita_status memory_write(vita_backend *backend, const vita_tensor *target, const void *source, uint64_t size,
                         vita_error *err)
{
	vita_tensor t;
	vita_status status = op_check_transfer("opencl", "write", memory_facts, target, source, size, &t, err);
	if (status != VITA_OK || size == 0) return status;
	if (t.buffer->constant) return vita_fail(err, VITA_E_INVALID, "opencl: write: the buffer is read-only");
	(void)pthread_mutex_lock(&backend->lock);
	status = write_locked(backend, &t, source, size, err);
	(void)pthread_mutex_unlock(&backend->lock);
	return status;
}

/* ---- from the device ------------------------------------------------------------------------------- */

static vita_status read_locked(vita_backend *backend, const vita_tensor *t, void *target, uint64_t size, vita_error *err)
{
	int64_t bytes;
	const uint32_t trailing = together(t, &bytes);
	const int64_t n = count_of(t, trailing);
	vita_status status = check_lost(backend, err);
	if (status != VITA_OK) return status;
	if (is_packed(t)) return pack_read(backend, t, target, err);
	if (n > RUNS) return transfer_scattered(backend, t, target, NULL, size, err);
	for (int64_t i = 0; i < n; i++) {
		const cl_int error = clEnqueueReadBuffer(backend->queue, t->buffer->memory, i + 1 == n ? CL_TRUE : CL_FALSE,
		                                         (size_t)place(t, trailing, i), (size_t)bytes, (char *)target + i * bytes,
		                                         0, NULL, NULL);
		if (error == CL_SUCCESS) continue;
		(void)clFinish(backend->queue); /* nothing may write to target after we return */
		return cl_failure(backend, "clEnqueueReadBuffer", error, err);
	}
	return VITA_OK;
}

vita_status memory_read(vita_backend *backend, const vita_tensor *source, void *target, uint64_t size, vita_error *err)
{
	vita_tensor t;
	vita_status status = op_check_transfer("opencl", "read", memory_facts, source, target, size, &t, err);
	if (status != VITA_OK || size == 0) return status;
	(void)pthread_mutex_lock(&backend->lock);
	status = read_locked(backend, &t, target, size, err);
	if (status == VITA_OK) free_staged(backend); /* the queue is in order: all writes before this read are done */
	(void)pthread_mutex_unlock(&backend->lock);
	return status;
}
