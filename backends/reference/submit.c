/* SPDX-License-Identifier: MIT
 *
 * The table of ops, and running them: one after the other, each finished before the next begins.
 */
#include "reference.h"

#define OP(code, function, required, most, n_out, params_size, in_place, any_strides)                        \
	[VITA_OP_##code] = { #code,       required,         most,          n_out, params_size, in_place,     \
		             any_strides, check_##function, run_##function }

/* clang-format off: a table */
static const ref_op ops[VITA_OP_COUNT] = {
	/* code, function, inputs required, at most, outputs, params, in place with, any strides */
	OP(MATMUL, matmul, 2, 4, 1, sizeof(vita_matmul_params), 1 << 3, 0),
	OP(GATHER, gather, 2, 2, 1, 0, 0, 0),
	OP(SCATTER, scatter, 2, 2, 1, 0, 0, 0),
	OP(RMS_NORM, rms_norm, 1, 2, 1, sizeof(vita_norm_params), 1, 0),
	OP(LAYER_NORM, layer_norm, 1, 3, 1, sizeof(vita_norm_params), 1, 0),
	OP(GROUP_NORM, group_norm, 1, 3, 1, sizeof(vita_norm_params), 1, 0),
	OP(ROPE, rope, 2, 3, 1, sizeof(vita_rope_params), 1, 0),
	OP(ATTENTION, attention, 3, 4, 1, sizeof(vita_attention_params), 0, 0),
	OP(SOFTMAX, softmax, 1, 1, 1, sizeof(vita_affine_params), 1, 0),
	OP(UNARY, unary, 1, 2, 1, sizeof(vita_unary_params), 1, 0),
	OP(BINARY, binary, 2, 2, 1, sizeof(vita_kind_params), 1, 0),
	OP(GLU, glu, 2, 2, 1, sizeof(vita_kind_params), 3, 0),
	OP(AFFINE, affine, 1, 1, 1, sizeof(vita_affine_params), 1, 0),
	OP(CONV1D, conv1d, 2, 3, 1, sizeof(vita_conv_params), 0, 0),
	OP(CONV_TRANSPOSE1D, conv_transpose1d, 2, 3, 1, sizeof(vita_conv_params), 0, 0),
	OP(POOL, pool, 1, 1, 1, sizeof(vita_pool_params), 0, 0),
	OP(INTERPOLATE, interpolate, 1, 1, 1, sizeof(vita_kind_params), 0, 0),
	OP(CUMSUM, cumsum, 1, 1, 1, 0, 1, 0),
	OP(ARGMAX, argmax, 1, 1, 1, 0, 0, 0),
	OP(TOP_K, top_k, 1, 1, 2, 0, 0, 0),
	OP(NEAREST, nearest, 2, 2, 1, 0, 0, 0),
	OP(REDUCE, reduce, 1, 1, 1, sizeof(vita_kind_params), 0, 0),
	OP(COPY, copy, 1, 1, 1, 0, 1, 1),
	OP(CONCAT, concat, 1, VITA_OP_MAX_INPUTS, 1, sizeof(vita_kind_params), 0, 0),
	OP(FILL, fill, 0, 0, 1, sizeof(vita_affine_params), 0, 1),
};
#undef OP
/* clang-format on */

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
	if (n > 0 && !list)
		return vita_fail(err, VITA_E_INVALID, "reference: submit was given no list of ops");
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
