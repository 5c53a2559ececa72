/* SPDX-License-Identifier: MIT
 *
 * The table of ops, and running them: one after the other, each finished before the next begins.
 */
#include "reference.h"

#define ALL 0xffu

/*              name      required most outputs params                    in place  any strides */
static const ref_op ops[VITA_OP_COUNT] = {
	[VITA_OP_MATMUL] = { "MATMUL", 2, 4, 1, sizeof(vita_matmul_params), 1 << 3, 0, check_matmul, run_matmul },
	[VITA_OP_GATHER] = { "GATHER", 2, 2, 1, 0, 0, 0, check_gather, run_gather },
	[VITA_OP_SCATTER] = { "SCATTER", 2, 2, 1, 0, 0, 0, check_scatter, run_scatter },
	[VITA_OP_RMS_NORM] = { "RMS_NORM", 1, 2, 1, sizeof(vita_norm_params), 1, 0, check_rms_norm, run_rms_norm },
	[VITA_OP_LAYER_NORM] = { "LAYER_NORM", 1, 3, 1, sizeof(vita_norm_params), 1, 0, check_layer_norm, run_layer_norm },
	[VITA_OP_GROUP_NORM] = { "GROUP_NORM", 1, 3, 1, sizeof(vita_norm_params), 1, 0, check_group_norm, run_group_norm },
	[VITA_OP_ROPE] = { "ROPE", 2, 3, 1, sizeof(vita_rope_params), 1, 0, check_rope, run_rope },
	[VITA_OP_ATTENTION] = { "ATTENTION", 3, 4, 1, sizeof(vita_attention_params), 0, 0, check_attention, run_attention },
	[VITA_OP_SOFTMAX] = { "SOFTMAX", 1, 1, 1, sizeof(vita_affine_params), 1, 0, check_softmax, run_softmax },
	[VITA_OP_UNARY] = { "UNARY", 1, 2, 1, sizeof(vita_unary_params), 1, 0, check_unary, run_unary },
	[VITA_OP_BINARY] = { "BINARY", 2, 2, 1, sizeof(vita_kind_params), 1, 0, check_binary, run_binary },
	[VITA_OP_GLU] = { "GLU", 2, 2, 1, sizeof(vita_kind_params), 3, 0, check_glu, run_glu },
	[VITA_OP_AFFINE] = { "AFFINE", 1, 1, 1, sizeof(vita_affine_params), 1, 0, check_affine, run_affine },
	[VITA_OP_CONV1D] = { "CONV1D", 2, 3, 1, sizeof(vita_conv_params), 0, 0, check_conv1d, run_conv1d },
	[VITA_OP_CONV_TRANSPOSE1D] = { "CONV_TRANSPOSE1D", 2, 3, 1, sizeof(vita_conv_params), 0, 0,
	                               check_conv_transpose1d, run_conv_transpose1d },
	[VITA_OP_POOL] = { "POOL", 1, 1, 1, sizeof(vita_pool_params), 0, 0, check_pool, run_pool },
	[VITA_OP_INTERPOLATE] = { "INTERPOLATE", 1, 1, 1, sizeof(vita_kind_params), 0, 0, check_interpolate, run_interpolate },
	[VITA_OP_CUMSUM] = { "CUMSUM", 1, 1, 1, 0, 1, 0, check_cumsum, run_cumsum },
	[VITA_OP_ARGMAX] = { "ARGMAX", 1, 1, 1, 0, 0, 0, check_argmax, run_argmax },
	[VITA_OP_TOP_K] = { "TOP_K", 1, 1, 2, 0, 0, 0, check_top_k, run_top_k },
	[VITA_OP_NEAREST] = { "NEAREST", 2, 2, 1, 0, 0, 0, check_nearest, run_nearest },
	[VITA_OP_REDUCE] = { "REDUCE", 1, 1, 1, sizeof(vita_kind_params), 0, 0, check_reduce, run_reduce },
	[VITA_OP_COPY] = { "COPY", 1, 1, 1, 0, 1, 1, check_copy, run_copy },
	[VITA_OP_CONCAT] = { "CONCAT", 1, VITA_OP_MAX_INPUTS, 1, sizeof(vita_kind_params), 0, 0, check_concat, run_concat },
	[VITA_OP_FILL] = { "FILL", 0, 0, 1, sizeof(vita_affine_params), 0, 1, check_fill, run_fill },
};

const ref_op *ref_op_find(uint32_t code)
{
	return code < VITA_OP_COUNT && ops[code].name ? &ops[code] : NULL;
}

int32_t ref_supports(vita_backend *backend, const vita_op *op)
{
	ref_call c;
	const ref_op *spec;

	(void)backend;
	return ref_call_make(op, 0, &c, &spec, NULL) == VITA_OK && spec->check(&c) == VITA_OK;
}

static int nothing_to_write(const ref_call *c)
{
	for (uint32_t i = 0; i < c->n_out; i++)
		if (ref_count(c->out[i], 0) > 0) return 0;
	return 1;
}

vita_status ref_submit(vita_backend *backend, const vita_op *const *list, uint32_t n, vita_error *err)
{
	(void)backend;
	if (n > 0 && !list) return vita_fail(err, VITA_E_INVALID, "reference: submit was given no list of ops");
	for (uint32_t i = 0; i < n; i++) {
		ref_call c;
		const ref_op *spec;
		vita_status status = ref_call_make(list[i], 1, &c, &spec, err);
		if (status == VITA_OK) status = spec->check(&c);
		if (status == VITA_OK && !nothing_to_write(&c)) status = spec->run(&c);
		if (status != VITA_OK) return status;
	}
	return VITA_OK;
}
