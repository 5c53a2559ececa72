/* SPDX-License-Identifier: MIT
 *
 * From ops to launches.
 */
#include <stdatomic.h>

#include "fuse.h"
#include "pack.h"

static op_run *const run[VITA_OP_COUNT] = {
	[VITA_OP_MATMUL] = run_matmul,
	[VITA_OP_GATHER] = run_gather,
	[VITA_OP_SCATTER] = run_scatter,
	[VITA_OP_RMS_NORM] = run_rms_norm,
	[VITA_OP_LAYER_NORM] = run_layer_norm,
	[VITA_OP_GROUP_NORM] = run_group_norm,
	[VITA_OP_ROPE] = run_rope,
	[VITA_OP_ATTENTION] = run_attention,
	[VITA_OP_SOFTMAX] = run_softmax,
	[VITA_OP_UNARY] = run_unary,
	[VITA_OP_BINARY] = run_binary,
	[VITA_OP_GLU] = run_glu,
	[VITA_OP_AFFINE] = run_affine,
	[VITA_OP_CONV1D] = run_conv1d,
	[VITA_OP_CONV_TRANSPOSE1D] = run_conv_transpose1d,
	[VITA_OP_POOL] = run_pool,
	[VITA_OP_INTERPOLATE] = run_interpolate,
	[VITA_OP_CUMSUM] = run_cumsum,
	[VITA_OP_ARGMAX] = run_argmax,
	[VITA_OP_TOP_K] = run_top_k,
	[VITA_OP_NEAREST] = run_nearest,
	[VITA_OP_REDUCE] = run_reduce,
	[VITA_OP_COPY] = run_copy,
	[VITA_OP_CONCAT] = run_concat,
	[VITA_OP_FILL] = run_fill,
};

/* Threads share slots where there are more than 64 of them, and may then see each other's wrong ids. */
uint32_t fault_slot(vita_backend *backend)
{
	static atomic_uint next;
	static _Thread_local uint32_t mine;
	(void)backend;
	if (mine == 0) mine = 1 + atomic_fetch_add(&next, 1) % FAULT_SLOTS;
	return mine - 1;
}

/* ---- what op_check cannot know --------------------------------------------------------------------- */

/* Kernels count in 32 bits along each dimension and over all elements of an output's rows. */
static vita_status check_counts(const op_call *c)
{
	for (uint32_t i = 0; i < c->n_in + c->n_out; i++) {
		const vita_tensor *t = i < c->n_in ? c->in[i] : c->out[i - c->n_in];
		if (!t) continue;
		if (count_of(t, 1) > INT32_MAX || op_last(t, 0) > INT32_MAX)
			return op_fail(c, VITA_E_UNSUPPORTED, "more than 2147483647 rows, or values in a row, are too many for a kernel");
	}
	return VITA_OK;
}

/* Packed weights are described as dense rows and can only be used by whole rows. */
static vita_status check_packed(const op_call *c)
{
	const bool reads = c->code == VITA_OP_MATMUL || c->code == VITA_OP_GATHER;
	const uint32_t allowed = c->code == VITA_OP_MATMUL ? 1 : 0;
	for (uint32_t i = 0; i < c->n_in; i++) {
		const vita_tensor *t = c->in[i];
		if (!is_packed(t)) continue;
		if (!reads || i != allowed)
			return op_fail(c, VITA_E_UNSUPPORTED, "input %u is a weight laid out for MATMUL and GATHER: upload it in plain "
			               "layout (VITA_ARRAY_F_PLAIN)", i);
		if (!pack_is_rows(t))
			return op_fail(c, VITA_E_UNSUPPORTED, "input %u must be whole rows of %lld values: its buffer holds a weight "
			               "laid out for MATMUL", i, (long long)t->buffer->columns);
	}
	return VITA_OK;
}

/* ---- the backend's own ----------------------------------------------------------------------------- */

int32_t ops_supports(vita_backend *backend, const vita_op *op)
{
	op_call c;
	(void)backend;
	return op && op->code < VITA_OP_COUNT && run[op->code] && op_check("opencl", NULL, op, &c, NULL) == VITA_OK &&
	       check_counts(&c) == VITA_OK;
}

static vita_status check(const vita_op *op, op_call *c, vita_error *err)
{
	vita_status status = op_check("opencl", memory_facts, op, c, err);
	if (status == VITA_OK && !run[c->code]) status = op_fail(c, VITA_E_UNSUPPORTED, "there are no kernels for this op");
	if (status == VITA_OK) status = check_counts(c);
	if (status == VITA_OK) status = check_packed(c);
	return status;
}

/* Queue checked ops, some of them together. */
static vita_status launch_all(vita_backend *backend, const op_call *calls, uint32_t n, vita_error *err)
{
	vita_status status = VITA_OK;
	for (uint32_t i = 0, done; i < n && status == VITA_OK; i += done) {
		status = fuse(backend, calls + i, n - i, &done, err);
		if (done > 0) continue;
		done = 1;
		if (status == VITA_OK) status = run[calls[i].code](backend, &calls[i], err);
	}
	return status;
}

/* Ops without any element are left out. The ops before one that fails are queued all the same. */
static vita_status submit_locked(vita_backend *backend, const vita_op *const *ops, uint32_t n, vita_error *err)
{
	vita_status status = check_lost(backend, err);
	for (uint32_t i = 0; i < n && status == VITA_OK;) {
		uint32_t checked = 0;
		for (; i < n && checked < SUBMIT_MOST && status == VITA_OK; i++) {
			op_call *c = &backend->calls[checked];
			status = check(ops[i], c, err);
			if (status == VITA_OK && op_any_elements(c->out, c->n_out)) checked++;
		}
		const vita_status launched = launch_all(backend, backend->calls, checked, status == VITA_OK ? err : NULL);
		if (status == VITA_OK) status = launched;
	}
	return status;
}

vita_status ops_submit(vita_backend *backend, const vita_op *const *ops, uint32_t n, vita_error *err)
{
	if (n > 0 && !ops) return vita_fail(err, VITA_E_INVALID, "opencl: submit was given no list of ops");
	(void)pthread_mutex_lock(&backend->lock);
	vita_status status = submit_locked(backend, ops, n, err);
	if (backend->lost == CL_SUCCESS) {
		const cl_int error = clFlush(backend->queue); /* what is queued begins, also where a later op failed */
		if (error != CL_SUCCESS && status == VITA_OK) status = cl_failure(backend, "clFlush", error, err);
	}
	(void)pthread_mutex_unlock(&backend->lock);
	return status;
}
