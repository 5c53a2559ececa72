/* SPDX-License-Identifier: MIT
 *
 * Arguments and sizes of one launch.
 */
#include "opencl.h"

struct view view_of(const vita_tensor *t)
{
	struct view v = { (cl_long)t->offset, { 1, 1, 1, 1 }, { 0, 0, 0, 0 } };
	for (uint32_t i = 0; i < t->rank; i++) {
		v.shape[4 - t->rank + i] = t->shape[i];
		v.stride[4 - t->rank + i] = t->stride[i];
	}
	return v;
}

struct launch launch_begin(vita_backend *backend, const op_call *c, const struct kernel_source *source,
                           uint64_t variant, vita_error *err)
{
	struct launch l = { .backend = backend, .c = c, .err = err };
	l.status = program_kernel(backend, source, variant, &l.kernel, err);
	return l;
}

void launch_bytes(struct launch *l, const void *bytes, size_t size)
{
	if (l->status != VITA_OK) return;
	const cl_int error = clSetKernelArg(l->kernel, l->n++, size, bytes);
	if (error != CL_SUCCESS) l->status = cl_failure(l->backend, l->c ? l->c->name : "an argument", error, l->err);
}

void launch_buffer(struct launch *l, cl_mem memory)
{
	launch_bytes(l, &memory, sizeof memory);
}

void launch_tensor(struct launch *l, const vita_tensor *t)
{
	struct view v = { 0, { 0, 0, 0, 0 }, { 0, 0, 0, 0 } };
	launch_buffer(l, t ? t->buffer->memory : NULL);
	if (t) v = view_of(t);
	launch_bytes(l, &v, sizeof v);
}

void launch_int(struct launch *l, int64_t value)
{
	const cl_int narrow = (cl_int)value;
	if (l->status == VITA_OK && narrow != value)
		l->status = vita_fail(l->err, VITA_E_UNSUPPORTED, "opencl: %s: a size of %lld is more than kernels count to",
		                      l->c ? l->c->name : "a kernel", (long long)value);
	launch_bytes(l, &narrow, sizeof narrow);
}

void launch_long(struct launch *l, int64_t value)
{
	const cl_long wide = value;
	launch_bytes(l, &wide, sizeof wide);
}

void launch_float(struct launch *l, double value)
{
	const cl_float single = (cl_float)value;
	launch_bytes(l, &single, sizeof single);
}

vita_status launch_run_2d(struct launch *l, size_t group_x, size_t group_y, const int64_t n[3])
{
	const size_t local[3] = { group_x, group_y, 1 };
	size_t global[3];
	if (l->status != VITA_OK) return l->status;
	for (int i = 0; i < 3; i++) {
		if (n[i] == 0) return VITA_OK;
		global[i] = ((size_t)n[i] + local[i] - 1) / local[i] * local[i];
	}
	const cl_int error = clEnqueueNDRangeKernel(l->backend->queue, l->kernel, 3, NULL, global, local, 0, NULL, NULL);
	if (error != CL_SUCCESS) l->status = cl_failure(l->backend, l->c ? l->c->name : "a kernel", error, l->err);
	return l->status;
}

vita_status launch_run(struct launch *l, size_t group, const int64_t n[3])
{
	return launch_run_2d(l, group, 1, n);
}
