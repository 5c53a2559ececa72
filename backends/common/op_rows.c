/* SPDX-License-Identifier: MIT
 *
 * Shapes, types and params of the ops on rows: products, norms, attention, functions of numbers.
 */
#include "op_expect.h"

/* VITA_UNARY_* but NONE; SNAKE wants an input of its own, LEAKY_RELU and ELU a parameter. */
static int is_function(uint32_t function)
{
	return function > VITA_UNARY_NONE && function <= VITA_UNARY_SQUARE;
}

static int has_parameter(uint32_t function)
{
	return function == VITA_UNARY_LEAKY_RELU || function == VITA_UNARY_ELU ||
	       function == VITA_UNARY_SNAKE;
}

vita_status check_matmul(const op_call *c)
{
	const vita_tensor *x = c->in[0], *w = c->in[1], *y = c->out[0];
	const vita_matmul_params *p = c->params;
	vita_status status;
	int64_t shape[2], m;

	if ((status = op_expect(c, "x", x, OP_F32, 2, VITA_MAX_RANK)) != VITA_OK) return status;
	if ((status = op_expect(c, "w", w, OP_WEIGHTS, 2, VITA_MAX_RANK)) != VITA_OK) return status;
	if ((status = op_expect(c, "y", y, OP_F32, 2, VITA_MAX_RANK)) != VITA_OK) return status;
	m = op_last(w, 1);
	shape[0] = m, shape[1] = op_last(x, 0);
	if ((status = op_expect_like(c, "w", w, w->rank == 2 ? w : x, 2, shape)) != VITA_OK) return status;
	if ((status = op_expect_like(c, "y", y, x, 1, &m)) != VITA_OK) return status;
	if ((status = op_expect_vector(c, "bias", c->in[2], m)) != VITA_OK) return status;
	if ((status = op_expect_shape(c, "residual", c->in[3], y->rank, y->shape)) != VITA_OK) return status;
	if (p->activation != VITA_UNARY_NONE &&
	    (has_parameter(p->activation) || !is_function(p->activation)))
		return op_fail(c, VITA_E_INVALID,
		               "activation is %u, expected a VITA_UNARY_* without a parameter",
		               p->activation);
	return VITA_OK;
}

vita_status check_gather(const op_call *c)
{
	const vita_tensor *table = c->in[0], *ids = c->in[1];
	vita_status status;
	int64_t shape[2];

	if ((status = op_expect(c, "table", table, OP_WEIGHTS, 2, 2)) != VITA_OK) return status;
	if ((status = op_expect(c, "ids", ids, OP_I32, 1, 1)) != VITA_OK) return status;
	shape[0] = ids->shape[0], shape[1] = table->shape[1];
	return op_expect_shape(c, "y", c->out[0], 2, shape);
}

vita_status check_scatter(const op_call *c)
{
	const vita_tensor *y = c->out[0], *ids = c->in[1];
	vita_status status;
	int64_t shape[2];

	if ((status = op_expect(c, "y", y, OP_FLOATS, 2, 2)) != VITA_OK) return status;
	if ((status = op_expect(c, "ids", ids, OP_I32, 1, 1)) != VITA_OK) return status;
	shape[0] = ids->shape[0], shape[1] = y->shape[1];
	return op_expect_shape(c, "x", c->in[0], 2, shape);
}

static vita_status check_norm(const op_call *c, uint32_t min_rank, int64_t channels)
{
	vita_status status = op_expect_same(c, min_rank);

	if (status != VITA_OK) return status;
	if ((status = op_expect_vector(c, "weight", c->in[1], channels)) != VITA_OK) return status;
	return op_expect_vector(c, "bias", c->in[2], channels);
}

vita_status check_rms_norm(const op_call *c) { return check_norm(c, 1, op_last(c->in[0], 0)); }

vita_status check_layer_norm(const op_call *c) { return check_norm(c, 1, op_last(c->in[0], 0)); }

vita_status check_group_norm(const op_call *c)
{
	const vita_norm_params *p = c->params;
	vita_status status = op_expect_same(c, 2);

	if (status != VITA_OK) return status;
	if (p->groups < 1 || op_last(c->in[0], 1) % p->groups != 0)
		return op_fail(c, VITA_E_INVALID, "%u groups do not divide %lld channels", p->groups,
		               (long long)op_last(c->in[0], 1));
	return check_norm(c, 2, op_last(c->in[0], 1));
}

vita_status check_softmax(const op_call *c) { return op_expect_same(c, 1); }

vita_status check_rope(const op_call *c)
{
	const vita_tensor *x = c->in[0], *positions = c->in[1];
	const vita_rope_params *p = c->params;
	vita_status status = op_expect_same(c, 3);

	if (status != VITA_OK) return status;
	if ((status = op_expect(c, "x", x, OP_F32, 3, 3)) != VITA_OK) return status;
	if ((status = op_expect(c, "positions", positions, OP_I32, 1, 1)) != VITA_OK) return status;
	if ((status = op_expect_like(c, "positions", positions, positions, 1, &x->shape[0])) != VITA_OK)
		return status;
	if (p->style > VITA_ROPE_INTERLEAVED)
		return op_fail(c, VITA_E_INVALID, "style is %u, expected 0 or 1", p->style);
	if (p->n_rotated % 2 != 0 || p->n_rotated > x->shape[2])
		return op_fail(c, VITA_E_INVALID, "n_rotated is %u, expected an even number up to %lld",
		               p->n_rotated, (long long)x->shape[2]);
	if (!(p->theta > 0))
		return op_fail(c, VITA_E_INVALID, "theta is %g, expected more than 0", p->theta);
	return op_expect_vector(c, "factor", c->in[2], p->n_rotated / 2);
}

vita_status check_attention(const op_call *c)
{
	const vita_tensor *q = c->in[0], *k = c->in[1], *v = c->in[2], *bias = c->in[3];
	const vita_attention_params *p = c->params;
	vita_status status;
	int64_t shape[3];

	if ((status = op_expect(c, "q", q, OP_F32, 3, 3)) != VITA_OK) return status;
	if ((status = op_expect(c, "k", k, OP_CACHE, 3, 3)) != VITA_OK) return status;
	if ((status = op_expect(c, "v", v, OP_CACHE, 3, 3)) != VITA_OK) return status;
	if ((status = op_expect_like(c, "k", k, k, 1, &q->shape[2])) != VITA_OK) return status;
	if ((status = op_expect_like(c, "v", v, k, 0, NULL)) != VITA_OK) return status;
	if ((status = op_expect_shape(c, "y", c->out[0], 3, q->shape)) != VITA_OK) return status;
	if (q->shape[1] > 0 && (k->shape[1] < 1 || q->shape[1] % k->shape[1] != 0))
		return op_fail(c, VITA_E_SHAPE, "%lld heads are no multiple of %lld key-value heads",
		               (long long)q->shape[1], (long long)k->shape[1]);
	if (p->mask > VITA_MASK_BLOCK_CAUSAL)
		return op_fail(c, VITA_E_INVALID, "mask is %u, expected a VITA_MASK_*", p->mask);
	if (p->mask == VITA_MASK_BLOCK_CAUSAL && p->block < 1)
		return op_fail(c, VITA_E_INVALID, "block is 0, expected at least 1");
	if (!bias) return VITA_OK;
	shape[0] = bias->shape[0] == 1 ? 1 : q->shape[1], shape[1] = q->shape[0], shape[2] = k->shape[0];
	return op_expect_shape(c, "bias", bias, 3, shape);
}

vita_status check_unary(const op_call *c)
{
	const vita_tensor *x = c->in[0];
	const vita_unary_params *p = c->params;
	vita_status status = op_expect_same(c, p->function == VITA_UNARY_SNAKE ? 2 : 1);

	if (status != VITA_OK) return status;
	if (p->function == VITA_UNARY_SNAKE) {
		if (!c->in[1]) return op_fail(c, VITA_E_INVALID, "SNAKE needs the input alpha");
		return op_expect_vector(c, "alpha", c->in[1], op_last(x, 1));
	}
	if (c->in[1]) return op_fail(c, VITA_E_INVALID, "function %u takes no input alpha", p->function);
	if (p->function != VITA_UNARY_NONE && !is_function(p->function))
		return op_fail(c, VITA_E_INVALID, "function is %u, expected a VITA_UNARY_*", p->function);
	return VITA_OK;
}

vita_status check_glu(const op_call *c)
{
	const vita_tensor *gate = c->in[0], *up = c->in[1];
	uint32_t kind = ((const vita_kind_params *)c->params)->kind;
	vita_status status = op_expect(c, "gate", gate, OP_F32, 1, VITA_MAX_RANK);

	if (status != VITA_OK) return status;
	if ((status = op_expect_shape(c, "up", up, gate->rank, gate->shape)) != VITA_OK) return status;
	if ((status = op_expect_shape(c, "y", c->out[0], gate->rank, gate->shape)) != VITA_OK) return status;
	if (kind == VITA_UNARY_SILU || kind == VITA_UNARY_GELU || kind == VITA_UNARY_GELU_TANH ||
	    kind == VITA_UNARY_SIGMOID)
		return VITA_OK;
	return op_fail(c, VITA_E_INVALID, "function is %u, expected SILU, GELU, GELU_TANH or SIGMOID", kind);
}

vita_status check_binary(const op_call *c)
{
	const vita_tensor *a = c->in[0], *b = c->in[1];
	uint32_t kind = ((const vita_kind_params *)c->params)->kind;
	char text_a[OP_DESCRIPTION], text_b[OP_DESCRIPTION];
	vita_status status = op_expect_same(c, 1);

	if (status != VITA_OK) return status;
	if ((status = op_expect(c, "b", b, OP_F32, 1, a->rank)) != VITA_OK) return status;
	for (uint32_t back = 0; back < b->rank; back++)
		if (op_last(b, back) != 1 && op_last(b, back) != op_last(a, back))
			return op_fail(c, VITA_E_SHAPE, "b is %s and cannot be repeated to %s",
			               op_describe(b, text_b), op_describe(a, text_a));
	if (kind > VITA_BINARY_MIN)
		return op_fail(c, VITA_E_INVALID, "kind is %u, expected a VITA_BINARY_*", kind);
	return VITA_OK;
}

vita_status check_affine(const op_call *c) { return op_expect_same(c, 1); }
