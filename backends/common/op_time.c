/* SPDX-License-Identifier: MIT
 *
 * Shapes, types and params of the ops along time, of choosing, reducing and moving.
 */
#include "op_expect.h"

/* Larger sizes than this are mistakes, and smaller ones cannot overflow any product below. */
#define LARGEST ((int64_t)1 << 30)

static vita_status check_geometry(const op_call *c, int64_t t, int64_t kernel)
{
	const vita_conv_params *p = c->params;

	if (kernel < 1) return op_fail(c, VITA_E_SHAPE, "the kernel has no taps");
	if (p->stride < 1 || p->dilation < 1 || p->groups < 1)
		return op_fail(c, VITA_E_INVALID, "stride %u, dilation %u and groups %u must be at least 1",
		               p->stride, p->dilation, p->groups);
	if (p->stride > LARGEST || p->dilation > LARGEST || t > LARGEST || kernel > LARGEST ||
	    p->pad_left > LARGEST || p->pad_left < -LARGEST || p->pad_right > LARGEST ||
	    p->pad_right < -LARGEST || p->output_pad > LARGEST || p->output_pad < -LARGEST)
		return op_fail(c, VITA_E_INVALID, "a size, stride, dilation or padding is beyond %lld",
		               (long long)LARGEST);
	return VITA_OK;
}

/* What both kinds have in common: x […, c_in, t], w of 3 dimensions, bias [c_out], y […, c_out, t_out]. */
static vita_status check_types(const op_call *c)
{
	vita_status status = op_expect(c, "x", c->in[0], OP_F32, 2, VITA_MAX_RANK);

	if (status == VITA_OK) status = op_expect(c, "w", c->in[1], OP_FLOATS, 3, 3);
	if (status == VITA_OK) status = op_expect(c, "y", c->out[0], OP_F32, 2, VITA_MAX_RANK);
	if (status == VITA_OK) status = check_geometry(c, op_last(c->in[0], 0), c->in[1]->shape[2]);
	return status;
}

static vita_status check_channels(const op_call *c, int64_t c_in, int64_t c_out, int64_t t_out)
{
	int64_t groups = ((const vita_conv_params *)c->params)->groups, sizes[2];
	vita_status status;

	if (c_in != op_last(c->in[0], 1) || c_in % groups != 0 || c_out % groups != 0)
		return op_fail(c, VITA_E_SHAPE,
		               "w has %lld input and %lld output channels, expected %lld input channels "
		               "and multiples of %lld groups",
		               (long long)c_in, (long long)c_out, (long long)op_last(c->in[0], 1),
		               (long long)groups);
	sizes[0] = c_out, sizes[1] = t_out < 0 ? 0 : t_out;
	if ((status = op_expect_like(c, "y", c->out[0], c->in[0], 2, sizes)) != VITA_OK) return status;
	return op_expect_vector(c, "bias", c->in[2], c_out);
}

vita_status check_conv1d(const op_call *c)
{
	const vita_tensor *w = c->in[1];
	const vita_conv_params *p = c->params;
	vita_status status = check_types(c);
	int64_t room, t_out;

	if (status != VITA_OK) return status;
	room = op_last(c->in[0], 0) + p->pad_left + p->pad_right - p->dilation * (w->shape[2] - 1) - 1;
	t_out = room < 0 ? 0 : room / p->stride + 1;
	if (w->shape[1] > LARGEST) return op_fail(c, VITA_E_SHAPE, "w has too many channels");
	return check_channels(c, w->shape[1] * p->groups, w->shape[0], t_out);
}

vita_status check_conv_transpose1d(const op_call *c)
{
	const vita_tensor *w = c->in[1];
	const vita_conv_params *p = c->params;
	vita_status status = check_types(c);
	int64_t t_out;

	if (status != VITA_OK) return status;
	t_out = (op_last(c->in[0], 0) - 1) * p->stride + p->dilation * (w->shape[2] - 1) + 1 +
	        p->output_pad - p->pad_left - p->pad_right;
	if (w->shape[1] > LARGEST) return op_fail(c, VITA_E_SHAPE, "w has too many channels");
	return check_channels(c, w->shape[0], w->shape[1] * p->groups, t_out);
}

vita_status check_pool(const op_call *c)
{
	const vita_tensor *x = c->in[0];
	const vita_pool_params *p = c->params;
	vita_status status = op_expect(c, "x", x, OP_F32, 1, VITA_MAX_RANK);
	int64_t t_out;

	if (status != VITA_OK) return status;
	if ((status = op_expect(c, "y", c->out[0], OP_F32, 1, VITA_MAX_RANK)) != VITA_OK) return status;
	if (p->kind > VITA_POOL_MAX)
		return op_fail(c, VITA_E_INVALID, "kind is %u, expected a VITA_POOL_*", p->kind);
	if (p->kernel < 1 || p->stride < 1)
		return op_fail(c, VITA_E_INVALID, "kernel %u and stride %u must be at least 1", p->kernel,
		               p->stride);
	t_out = op_last(x, 0) < p->kernel ? 0 : (op_last(x, 0) - p->kernel) / p->stride + 1;
	return op_expect_like(c, "y", c->out[0], x, 1, &t_out);
}

vita_status check_interpolate(const op_call *c)
{
	const vita_tensor *x = c->in[0], *y = c->out[0];
	uint32_t kind = ((const vita_kind_params *)c->params)->kind;
	vita_status status = op_expect(c, "x", x, OP_F32, 1, VITA_MAX_RANK);
	int64_t t_out = op_last(y, 0);

	if (status != VITA_OK) return status;
	if ((status = op_expect(c, "y", y, OP_F32, 1, VITA_MAX_RANK)) != VITA_OK) return status;
	if ((status = op_expect_like(c, "y", y, x, 1, &t_out)) != VITA_OK) return status;
	if (kind > VITA_INTERPOLATE_LINEAR)
		return op_fail(c, VITA_E_INVALID, "kind is %u, expected a VITA_INTERPOLATE_*", kind);
	if (op_last(x, 0) == 0 && t_out > 0)
		return op_fail(c, VITA_E_SHAPE, "x has no values to make %lld of", (long long)t_out);
	return VITA_OK;
}

vita_status check_cumsum(const op_call *c) { return op_expect_same(c, 1); }

/* y has the shape of x without its last dimension. */
static vita_status expect_without_last(const op_call *c, const vita_tensor *y, const vita_tensor *x)
{
	vita_tensor model = *x;

	model.rank--;
	model.shape[model.rank] = 1;
	return op_expect_like(c, "y", y, &model, 0, NULL);
}

vita_status check_argmax(const op_call *c)
{
	const vita_tensor *x = c->in[0], *y = c->out[0];
	vita_status status = op_expect(c, "x", x, OP_F32, 2, VITA_MAX_RANK);

	if (status != VITA_OK) return status;
	if ((status = op_expect(c, "y", y, OP_I32, 1, VITA_MAX_RANK)) != VITA_OK) return status;
	if ((status = expect_without_last(c, y, x)) != VITA_OK) return status;
	if (op_last(x, 0) < 1 || op_last(x, 0) > INT32_MAX)
		return op_fail(c, VITA_E_SHAPE, "rows of %lld values, expected 1 to %d",
		               (long long)op_last(x, 0), INT32_MAX);
	return VITA_OK;
}

vita_status check_top_k(const op_call *c)
{
	const vita_tensor *x = c->in[0], *values = c->out[0], *indices = c->out[1];
	int64_t n = op_last(values, 0);
	vita_status status = op_expect(c, "x", x, OP_F32, 1, VITA_MAX_RANK);

	if (status != VITA_OK) return status;
	if ((status = op_expect(c, "values", values, OP_F32, 1, VITA_MAX_RANK)) != VITA_OK) return status;
	if ((status = op_expect(c, "indices", indices, OP_I32, 1, VITA_MAX_RANK)) != VITA_OK) return status;
	if ((status = op_expect_like(c, "values", values, x, 1, &n)) != VITA_OK) return status;
	if ((status = op_expect_like(c, "indices", indices, x, 1, &n)) != VITA_OK) return status;
	if (n > op_last(x, 0) || op_last(x, 0) > INT32_MAX)
		return op_fail(c, VITA_E_SHAPE, "%lld of %lld values were asked for", (long long)n,
		               (long long)op_last(x, 0));
	return VITA_OK;
}

vita_status check_nearest(const op_call *c)
{
	const vita_tensor *x = c->in[0], *codebook = c->in[1], *y = c->out[0];
	vita_status status = op_expect(c, "x", x, OP_F32, 2, 2);

	if (status != VITA_OK) return status;
	if ((status = op_expect(c, "codebook", codebook, OP_FLOATS, 2, 2)) != VITA_OK) return status;
	if ((status = op_expect(c, "y", y, OP_I32, 1, 1)) != VITA_OK) return status;
	if ((status = op_expect_like(c, "codebook", codebook, codebook, 1, &x->shape[1])) != VITA_OK)
		return status;
	if ((status = expect_without_last(c, y, x)) != VITA_OK) return status;
	if (codebook->shape[0] < 1 || codebook->shape[0] > INT32_MAX)
		return op_fail(c, VITA_E_SHAPE, "the codebook has %lld rows, expected 1 to %d",
		               (long long)codebook->shape[0], INT32_MAX);
	return VITA_OK;
}

vita_status check_reduce(const op_call *c)
{
	const vita_tensor *x = c->in[0], *y = c->out[0];
	uint32_t kind = ((const vita_kind_params *)c->params)->kind;
	int64_t one = 1;
	vita_status status = op_expect(c, "x", x, OP_F32, 1, VITA_MAX_RANK);

	if (status != VITA_OK) return status;
	if ((status = op_expect(c, "y", y, OP_F32, 1, VITA_MAX_RANK)) != VITA_OK) return status;
	if ((status = op_expect_like(c, "y", y, x, 1, &one)) != VITA_OK) return status;
	if (kind > VITA_REDUCE_MAX)
		return op_fail(c, VITA_E_INVALID, "kind is %u, expected a VITA_REDUCE_*", kind);
	if (op_last(x, 0) == 0 && kind != VITA_REDUCE_SUM)
		return op_fail(c, VITA_E_SHAPE, "rows without values have no mean or maximum");
	return VITA_OK;
}

static int is_block(uint32_t dtype) { return vita_dtype_block(dtype) > 1; }

static vita_status check_conversion(const op_call *c, const vita_tensor *x, const vita_tensor *y)
{
	int contiguous = op_step(x, 0) == (int64_t)sizeof(float) || op_last(x, 0) <= 1;

	if (x->dtype == y->dtype) return VITA_OK;
	if (!is_block(x->dtype) && !is_block(y->dtype)) return VITA_OK;
	if (is_block(x->dtype) && y->dtype == VITA_F32) return VITA_OK;
	if (x->dtype == VITA_F32 && y->dtype == VITA_Q8_0 && contiguous) return VITA_OK;
	return op_fail(c, VITA_E_UNSUPPORTED, "from %s to %s is only for %s", vita_dtype_name(x->dtype),
	               vita_dtype_name(y->dtype),
	               is_block(y->dtype) ? "contiguous f32 rows to q8_0" : "f32");
}

vita_status check_copy(const op_call *c)
{
	vita_status status = op_expect_like(c, "y", c->out[0], c->in[0], 0, NULL);
	return status == VITA_OK ? check_conversion(c, c->in[0], c->out[0]) : status;
}

vita_status check_concat(const op_call *c)
{
	const vita_tensor *y = c->out[0];
	uint32_t axis = ((const vita_kind_params *)c->params)->kind;
	char text[OP_DESCRIPTION], text_y[OP_DESCRIPTION];
	int64_t sum = 0;

	if (axis >= y->rank)
		return op_fail(c, VITA_E_INVALID, "axis is %u, expected less than %u", axis, y->rank);
	for (uint32_t i = 0; i < c->n_in; i++) {
		const vita_tensor *x = c->in[i];
		vita_tensor like = *y;
		if (!x) return op_fail(c, VITA_E_INVALID, "input %u is missing", i);
		like.shape[axis] = x->rank == y->rank ? x->shape[axis] : 0;
		if (x->dtype != y->dtype || x->rank != y->rank ||
		    memcmp(x->shape, like.shape, sizeof like.shape) != 0 ||
		    x->shape[axis] > y->shape[axis] - sum)
			return op_fail(c, VITA_E_SHAPE,
			               "input %u, %s, does not fit into y, %s, along axis %u", i,
			               op_describe(x, text), op_describe(y, text_y), axis);
		sum += x->shape[axis];
	}
	if (sum != y->shape[axis])
		return op_fail(c, VITA_E_SHAPE, "the inputs make up %lld of %lld along axis %u of y",
		               (long long)sum, (long long)y->shape[axis], axis);
	return VITA_OK;
}

vita_status check_fill(const op_call *c)
{
	return op_expect(c, "y", c->out[0], OP_PLAIN, 1, VITA_MAX_RANK);
}
