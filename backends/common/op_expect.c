/* SPDX-License-Identifier: MIT
 *
 * The table of ops, and sentences about shapes and types: each function compares a tensor with what an op
 * needs and says what it expected and what it found.
 */
#include "op_expect.h"

#define OP(code, function, required, most, n_out, params_size, in_place, any_strides) \
	[VITA_OP_##code] = { #code, required, most, n_out, params_size, in_place, any_strides, check_##function }

/* clang-format off: a table */
static const op_spec ops[VITA_OP_COUNT] = {
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

const op_spec *op_spec_find(uint32_t code)
{
	return code < VITA_OP_COUNT && ops[code].name ? &ops[code] : NULL;
}

const char *op_describe(const vita_tensor *t, char text[OP_DESCRIPTION])
{
	int n = snprintf(text, OP_DESCRIPTION, "%s [", vita_dtype_name(t->dtype));
	for (uint32_t i = 0; i < t->rank && i < VITA_MAX_RANK; i++)
		n += snprintf(text + n, OP_DESCRIPTION - (size_t)n, i ? ", %lld" : "%lld",
		              (long long)t->shape[i]);
	(void)snprintf(text + n, OP_DESCRIPTION - (size_t)n, "]");
	return text;
}

vita_status op_fail(const op_call *c, vita_status status, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	return vita_fail(c->err, status, "%s: %s: %s", c->backend, c->name, text);
}

vita_status op_expect(const op_call *c, const char *label, const vita_tensor *t, uint32_t types,
                       uint32_t min_rank, uint32_t max_rank)
{
	char found[OP_DESCRIPTION], wanted[128];
	size_t n = 0;

	if (t->rank < min_rank || t->rank > max_rank) {
		if (min_rank == max_rank)
			return op_fail(c, VITA_E_SHAPE, "%s has rank %u, expected %u", label, t->rank,
			               min_rank);
		return op_fail(c, VITA_E_SHAPE, "%s has rank %u, expected %u to %u", label, t->rank,
		               min_rank, max_rank);
	}
	if (types >> t->dtype & 1) return VITA_OK;
	for (uint32_t dtype = 0; dtype <= VITA_Q6_K; dtype++)
		if (types >> dtype & 1)
			n += (size_t)snprintf(wanted + n, sizeof wanted - n, n ? " or %s" : "%s",
			                      vita_dtype_name(dtype));
	return op_fail(c, VITA_E_UNSUPPORTED, "%s is %s, expected %s", label, op_describe(t, found),
	               wanted);
}

vita_status op_expect_shape(const op_call *c, const char *label, const vita_tensor *t, uint32_t rank,
                             const int64_t *shape)
{
	char found[OP_DESCRIPTION], wanted[OP_DESCRIPTION];
	vita_tensor w;

	if (!t) return VITA_OK;
	VITA_INIT(&w);
	w.rank = rank;
	memcpy(w.shape, shape, rank * sizeof *shape);
	if (t->dtype == VITA_F32 && t->rank == rank && memcmp(t->shape, shape, rank * sizeof *shape) == 0)
		return VITA_OK;
	return op_fail(c, t->dtype == VITA_F32 ? VITA_E_SHAPE : VITA_E_UNSUPPORTED, "%s is %s, expected %s",
	               label, op_describe(t, found), op_describe(&w, wanted));
}

vita_status op_expect_vector(const op_call *c, const char *label, const vita_tensor *t, int64_t n)
{
	return op_expect_shape(c, label, t, 1, &n);
}

vita_status op_expect_like(const op_call *c, const char *label, const vita_tensor *t,
                            const vita_tensor *model, uint32_t but, const int64_t *sizes)
{
	char found[OP_DESCRIPTION], wanted[OP_DESCRIPTION];
	vita_tensor w = *model;

	w.dtype = t->dtype;
	for (uint32_t i = 0; i < but; i++) w.shape[w.rank - but + i] = sizes[i];
	if (t->rank == w.rank && memcmp(t->shape, w.shape, w.rank * sizeof *sizes) == 0) return VITA_OK;
	return op_fail(c, VITA_E_SHAPE, "%s is %s, expected %s", label, op_describe(t, found),
	               op_describe(&w, wanted));
}

vita_status op_expect_same(const op_call *c, uint32_t min_rank)
{
	vita_status status = op_expect(c, "x", c->in[0], OP_F32, min_rank, VITA_MAX_RANK);
	if (status != VITA_OK) return status;
	return op_expect_shape(c, "y", c->out[0], c->in[0]->rank, c->in[0]->shape);
}
