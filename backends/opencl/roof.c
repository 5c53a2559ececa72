/* SPDX-License-Identifier: MIT
 *
 * What the device could do at best: read its memory, copy it, and multiply and add in registers.
 */
#include <time.h>

#include "roof.h"

#define LARGEST (UINT64_C(512) << 20) /* bytes that are read, where the device has them to spare */
#define ROUNDS 4
#define STEPS 4096

static double now(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Seconds of the best of ROUNDS launches of one kernel, after one that warms; negative where it fails. */
static double time_kernel(struct launch *l, size_t group, int64_t items)
{
	double best = -1;
	for (int i = 0; i <= ROUNDS; i++) {
		const double start = now();
		if (launch_run(l, group, (const int64_t[]){ items, 1, 1 }) != VITA_OK) return -1;
		if (clFinish(l->backend->queue) != CL_SUCCESS) return -1;
		if (i > 0 && (best < 0 || now() - start < best)) best = now() - start;
	}
	return best;
}

static double time_copy(vita_backend *backend, cl_mem memory, uint64_t half)
{
	double best = -1;
	for (int i = 0; i <= ROUNDS; i++) {
		const double start = now();
		if (clEnqueueCopyBuffer(backend->queue, memory, memory, 0, (size_t)half, (size_t)half, 0, NULL, NULL) != CL_SUCCESS ||
		    clFinish(backend->queue) != CL_SUCCESS)
			return -1;
		if (i > 0 && (best < 0 || now() - start < best)) best = now() - start;
	}
	return best;
}

static vita_status measure_locked(vita_backend *backend, const vita_buffer *buffer, vita_roof *out, vita_error *err)
{
	static const struct kernel_source read = { "roof.cl", "read_all", NULL }, spin = { "roof.cl", "spin", NULL };
	static const struct kernel_source spin_bytes = { "roof.cl", "spin_bytes", NULL };
	const int64_t units = backend->device.compute_units, items = backend->is_cpu ? 4 * units : 2048 * units;
	const int64_t vectors = (int64_t)(buffer->size / 64) / items;
	const size_t group = backend->group;
	double seconds = time_copy(backend, buffer->memory, buffer->size / 2);
	if (seconds > 0) out->read_bytes = (double)buffer->size / seconds; /* a copy reads half of them */
	if (seconds > 0 && VITA_COVERS(out, vita_roof, copy_bytes)) out->copy_bytes = out->read_bytes;
	struct launch l = launch_begin(backend, NULL, &read, 0, err);
	launch_buffer(&l, buffer->memory);
	launch_long(&l, vectors);
	launch_long(&l, items);
	launch_buffer(&l, backend->faults); /* never written: it stands for a use of what is read */
	seconds = time_kernel(&l, group, items);
	if (seconds > 0 && (double)(vectors * items * 64) / seconds > out->read_bytes)
		out->read_bytes = (double)(vectors * items * 64) / seconds;
	if (l.status != VITA_OK) return l.status;
	l = launch_begin(backend, NULL, &spin, 0, err);
	launch_int(&l, STEPS);
	launch_buffer(&l, backend->faults);
	seconds = time_kernel(&l, group, items);
	if (seconds > 0) out->f32_ops = 2.0 * 16 * 8 * STEPS * (double)items / seconds;
	if (l.status != VITA_OK || !backend->device.int_dot || !backend->dot) return l.status;
	l = launch_begin(backend, NULL, &spin_bytes, 0, err);
	launch_int(&l, STEPS);
	launch_buffer(&l, backend->faults);
	seconds = time_kernel(&l, group, items);
	if (seconds > 0) out->int8_ops = 2.0 * 4 * 8 * STEPS * (double)items / seconds;
	return l.status;
}

static vita_status measure(vita_backend *backend, vita_roof *out, vita_error *err)
{
	uint64_t size = LARGEST;
	vita_buffer *buffer = NULL;
	while (size > backend->device.memory / 8 || size > backend->device.largest) size /= 2;
	vita_status status = memory_alloc(backend, size, &buffer, err);
	if (status != VITA_OK) return status;
	(void)pthread_mutex_lock(&backend->lock);
	const cl_int zero = 0;
	const cl_int error = clEnqueueFillBuffer(backend->queue, buffer->memory, &zero, sizeof zero, 0, (size_t)size, 0, NULL, NULL);
	status = error == CL_SUCCESS ? measure_locked(backend, buffer, out, err)
	                             : cl_failure(backend, "clEnqueueFillBuffer", error, err);
	(void)pthread_mutex_unlock(&backend->lock);
	memory_free(backend, buffer);
	return status;
}

const vita_roof_api opencl_roof_api = { .struct_size = sizeof opencl_roof_api, .measure = measure };
