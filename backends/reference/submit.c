/* SPDX-License-Identifier: MIT
 *
 * Running ops: one after the other, each finished before the next begins.
 */
#include "reference.h"

static ref_run *const run[VITA_OP_COUNT] = {
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

int32_t ref_supports(vita_backend *backend, const vita_op *op)
{
	op_call c;

	(void)backend;
	return op_check("reference", NULL, op, &c, NULL) == VITA_OK;
}

vita_status ref_submit(vita_backend *backend, const vita_op *const *list, uint32_t n, vita_error *err)
{
	(void)backend;
	if (n > 0 && !list)
		return vita_fail(err, VITA_E_INVALID, "reference: submit was given no list of ops");
	for (uint32_t i = 0; i < n; i++) {
		op_call c;
		vita_status status = op_check("reference", ref_memory, list[i], &c, err);
		if (status == VITA_OK && op_any_elements(c.out, c.n_out)) status = run[c.code](&c);
		if (status != VITA_OK) return status;
	}
	return VITA_OK;
}
