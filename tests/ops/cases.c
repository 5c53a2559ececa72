/* SPDX-License-Identifier: MIT
 *
 * Random cases: a generator of numbers, tensors with random layouts, and a function for each op.
 */
#include "cases.h"

#include <math.h>
#include <stdlib.h>

#include "naive.h"

/* ---- numbers (SplitMix64: Steele, Lea and Flood 2014) ---------------------------------------------- */

uint64_t case_random(op_case *c)
{
	uint64_t z = c->random += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static int64_t pick(op_case *c, int64_t low, int64_t high)
{
	return low + (int64_t)(case_random(c) % (uint64_t)(high - low + 1));
}

static int one_in(op_case *c, int64_t n) { return pick(c, 1, n) == 1; }

static double uniform(op_case *c, double low, double high)
{
	return low + (high - low) * (double)(case_random(c) >> 11) / 9007199254740992.0;
}

/* A size: mostly small, now and then large enough for the fast paths of kernels, seldom 0. */
static int64_t size_of_dimension(op_case *c)
{
	if (one_in(c, 60)) return 0;
	return one_in(c, 5) ? pick(c, 10, 70) : pick(c, 1, 9);
}

/* Leading dimensions "…": up to `most`, small. */
static uint32_t leading(op_case *c, int64_t most, int64_t *shape)
{
	uint32_t n = (uint32_t)pick(c, 0, most);
	for (uint32_t i = 0; i < n; i++) shape[i] = pick(c, 1, 3);
	return n;
}

/* ---- tensors --------------------------------------------------------------------------------------- */

typedef enum filling {
	FILL_NUMBERS,  /* -2 … 2 */
	FILL_POSITIVE, /* 0.1 … 2 */
	FILL_WHOLE,    /* -3 … 3, so that there are ties and every sum is exact */
	FILL_ANY,      /* all magnitudes, infinities and NaN */
	FILL_NOTHING   /* an output */
} filling;

static double a_number(op_case *c, filling how)
{
	switch (how) {
	case FILL_NUMBERS: return uniform(c, -2, 2);
	case FILL_POSITIVE: return uniform(c, 0.1, 2);
	case FILL_WHOLE: return (double)pick(c, -3, 3);
	default:
		if (one_in(c, 20)) return one_in(c, 2) ? NAN : one_in(c, 2) ? INFINITY : -INFINITY;
		return ldexp(uniform(c, -1, 1), (int)pick(c, -30, 40));
	}
}

/* One block of random bits whose values are about -2 … 2. */
static void fill_block(op_case *c, uint32_t dtype, unsigned char *at)
{
	static const double scales[] = { [VITA_Q8_0] = 0.015,
		                         [VITA_Q4_0] = 0.25,
		                         [VITA_Q4_1] = 0.25,
		                         [VITA_Q4_K] = 0.002,
		                         [VITA_Q6_K] = 0.0005 };
	vita_tensor half = { .dtype = VITA_F16, .rank = 1, .shape = { 1 }, .stride = { 2 } };
	int64_t zero = 0;

	for (uint32_t i = 0; i < vita_dtype_bytes(dtype); i++) at[i] = (unsigned char)case_random(c);
	naive_put(&half, dtype == VITA_Q6_K ? at + 208 : at, &zero, scales[dtype] * uniform(c, 0.3, 1));
	if (dtype == VITA_Q4_1) naive_put(&half, at + 2, &zero, uniform(c, -2, 0));
	if (dtype == VITA_Q4_K) naive_put(&half, at + 2, &zero, uniform(c, 0, 0.03));
}

static void fill(op_case *c, const vita_tensor *t, unsigned char *bytes, filling how)
{
	int64_t at[VITA_MAX_RANK] = { 0 }, block = vita_dtype_block(t->dtype);
	do {
		if (block == 1) {
			naive_put(t, bytes, at, a_number(c, how));
			continue;
		}
		if (at[t->rank - 1] % block == 0) fill_block(c, t->dtype, bytes + naive_place(t, at));
	} while (naive_next(t, at));
}

/* Strides: dimensions in a random order (the innermost stays, unless any = 1), with random gaps. Returns the
 * bytes that they span. */
static int64_t lay_out(op_case *c, vita_tensor *t, int any)
{
	uint32_t order[VITA_MAX_RANK],
		movable = any && vita_dtype_block(t->dtype) == 1 ? t->rank : t->rank - 1;
	int64_t unit = vita_dtype_bytes(t->dtype), span = unit;
	int gaps = one_in(c, 2);

	for (uint32_t i = 0; i < t->rank; i++) order[i] = i;
	for (uint32_t i = movable; i > 1 && one_in(c, 3); i--) {
		uint32_t j = (uint32_t)pick(c, 0, i - 1), moved = order[i - 1];
		order[i - 1] = order[j], order[j] = moved;
	}
	for (uint32_t i = t->rank; i-- > 0;) {
		int64_t n = t->shape[order[i]];
		int innermost = order[i] == t->rank - 1;
		if (innermost) n /= vita_dtype_block(t->dtype);
		if (gaps && (!innermost || (any && movable == t->rank))) span += unit * pick(c, 0, 3);
		t->stride[order[i]] = span;
		span *= n > 0 ? n : 1;
	}
	return span;
}

static int make_tensor(op_case *c, vita_tensor *t, uint32_t *store, uint32_t dtype, uint32_t rank,
                       const int64_t *shape, filling how)
{
	int any = (c->op.code == VITA_OP_COPY && !c->contiguous_rows) || c->op.code == VITA_OP_FILL;
	int64_t unit = vita_dtype_bytes(dtype), empty = 0, span;

	VITA_INIT(t);
	t->dtype = dtype;
	t->rank = rank;
	for (uint32_t i = 0; i < VITA_MAX_RANK; i++)
		t->shape[i] = i < rank ? shape[i] : 1, empty |= t->shape[i] == 0;
	t->offset = (uint64_t)(one_in(c, 2) ? unit * pick(c, 1, 5) : 0);
	span = lay_out(c, t, any);
	*store = c->n_stores++;
	c->store_size[*store] = t->offset + (uint64_t)(span + unit * pick(c, 0, 2));
	c->store[*store] = malloc((size_t)c->store_size[*store]);
	if (!c->store[*store]) return 0;
	memset(c->store[*store], 0xff, (size_t)c->store_size[*store]);
	if (how != FILL_NOTHING && !empty) fill(c, t, c->store[*store], how);
	return 1;
}

static int input(op_case *c, uint32_t i, uint32_t dtype, uint32_t rank, const int64_t *shape, filling how)
{
	if (c->op.n_inputs <= i) c->op.n_inputs = i + 1;
	c->op.input[i] = &c->input[i];
	return make_tensor(c, &c->input[i], &c->input_store[i], dtype, rank, shape, how);
}

static int input_vector(op_case *c, uint32_t i, int64_t n)
{
	return input(c, i, VITA_F32, 1, &n, FILL_NUMBERS);
}

static int output(op_case *c, uint32_t i, uint32_t dtype, uint32_t rank, const int64_t *shape)
{
	c->op.n_outputs = i + 1;
	c->op.output[i] = &c->output[i];
	return make_tensor(c, &c->output[i], &c->output_store[i], dtype, rank, shape, FILL_NOTHING);
}

/* Output 0 in place of input i, or, as often, by itself. */
static int output_or_in_place(op_case *c, uint32_t i)
{
	if (one_in(c, 2)) return output(c, 0, VITA_F32, c->input[i].rank, c->input[i].shape);
	c->op.n_outputs = 1;
	c->op.output[0] = &c->output[0];
	c->output[0] = c->input[i];
	c->output_store[0] = c->input_store[i];
	return 1;
}

/* i32 [n] of 0 … rows - 1 */
static int input_ids(op_case *c, uint32_t i, int64_t n, int64_t rows)
{
	if (!input(c, i, VITA_I32, 1, &n, FILL_WHOLE)) return 0;
	for (int64_t j = 0; j < n; j++)
		naive_put(&c->input[i], c->store[c->input_store[i]], &j, (double)pick(c, 0, rows - 1));
	return 1;
}

static const uint32_t weight_types[] = { VITA_F32,  VITA_F16,  VITA_BF16, VITA_Q8_0,
	                                 VITA_Q4_0, VITA_Q4_1, VITA_Q4_K, VITA_Q6_K };

static uint32_t a_weight_type(op_case *c, int64_t of_the_first)
{
	return weight_types[pick(c, 0, of_the_first - 1)];
}

/* A row length that the type allows. */
static int64_t row_size(op_case *c, uint32_t dtype)
{
	int64_t block = vita_dtype_block(dtype);
	return block == 1 ? one_in(c, 8) ? pick(c, 250, 600) : size_of_dimension(c)
	                  : block * pick(c, 1, block == 32 ? 9 : 3);
}

/* Sums of n products with weights of this type, in whatever order and precision a device has. For block types one
 * may round activations to 8 bits: with values of -2 … 2 on both sides a product is off by 0.005 in the mean square,
 * and many thousand sums are looked at. */
static void tolerate_sum(op_case *c, double n, uint32_t dtype)
{
	static const double device[] = {
		[VITA_F32] = 1e-5,  [VITA_F16] = 2e-3,  [VITA_BF16] = 1e-2, [VITA_Q8_0] = 3e-2,
		[VITA_Q4_0] = 3e-2, [VITA_Q4_1] = 3e-2, [VITA_Q4_K] = 3e-2, [VITA_Q6_K] = 3e-2
	};
	double tolerance = c->strictness == CASE_EXACT ? 1e-6 : device[dtype];
	c->scale = sqrt(n);
	if (tolerance > c->absolute) c->absolute = tolerance;
	c->relative = c->absolute;
}

/* ---- a function an op ------------------------------------------------------------------------------ */

static int make_matmul(op_case *c)
{
	static const uint32_t activations[] = { VITA_UNARY_NONE,      VITA_UNARY_SILU, VITA_UNARY_GELU,
		                                VITA_UNARY_GELU_TANH, VITA_UNARY_RELU, VITA_UNARY_TANH,
		                                VITA_UNARY_SIGMOID,   VITA_UNARY_MISH };
	uint32_t dtype = a_weight_type(c, 8);
	int64_t shape[VITA_MAX_RANK], w_shape[VITA_MAX_RANK], m = size_of_dimension(c),
							      n = size_of_dimension(c);
	int64_t k = row_size(c, dtype);
	uint32_t lead = leading(c, 2, shape), w_lead = one_in(c, 2) ? 0 : lead;

	shape[lead] = n, shape[lead + 1] = k;
	memcpy(w_shape, shape, sizeof w_shape);
	w_shape[w_lead] = m, w_shape[w_lead + 1] = k;
	c->params.matmul.activation = activations[one_in(c, 2) ? 0 : pick(c, 0, 7)];
	(void)snprintf(c->params_text, sizeof c->params_text, "activation %u", c->params.matmul.activation);
	if (!input(c, 0, VITA_F32, lead + 2, shape, FILL_NUMBERS)) return 0;
	if (!input(c, 1, dtype, w_lead + 2, w_shape, FILL_NUMBERS)) return 0;
	if (one_in(c, 2) && !input_vector(c, 2, m)) return 0;
	shape[lead + 1] = m;
	tolerate_sum(c, (double)k, dtype);
	if (one_in(c, 2)) return output(c, 0, VITA_F32, lead + 2, shape);
	return input(c, 3, VITA_F32, lead + 2, shape, FILL_NUMBERS) && output_or_in_place(c, 3);
}

static int make_gather(op_case *c)
{
	uint32_t dtype = a_weight_type(c, 8);
	int64_t rows = pick(c, 1, 20), n = size_of_dimension(c), k = row_size(c, dtype);
	return input(c, 0, dtype, 2, (int64_t[]){ rows, k }, FILL_NUMBERS) && input_ids(c, 1, n, rows) &&
	       output(c, 0, VITA_F32, 2, (int64_t[]){ n, k });
}

static int make_scatter(op_case *c)
{
	int64_t rows = pick(c, 1, 20), n = size_of_dimension(c), k = size_of_dimension(c);
	uint32_t dtype = a_weight_type(c, 3);
	if (!input(c, 0, VITA_F32, 2, (int64_t[]){ n, k }, FILL_NUMBERS) || !input_ids(c, 1, n, rows))
		return 0;
	if (!output(c, 0, dtype, 2, (int64_t[]){ rows, k })) return 0;
	if (k > 0)
		fill(c, &c->output[0], c->store[c->output_store[0]], FILL_NUMBERS); /* rows not named stay */
	return 1;
}

static int make_norm(op_case *c)
{
	int64_t shape[VITA_MAX_RANK];
	int by_groups = c->op.code == VITA_OP_GROUP_NORM;
	uint32_t lead = leading(c, by_groups ? 2 : 3, shape), rank = lead + (by_groups ? 2 : 1);
	int64_t groups = pick(c, 1, 4), channels;

	shape[rank - 1] = pick(c, 2, 70);
	if (by_groups) shape[rank - 2] = groups * pick(c, 1, 5);
	channels = by_groups ? shape[rank - 2] : shape[rank - 1];
	c->params.norm.groups = (uint32_t)groups;
	c->params.norm.epsilon = one_in(c, 2) ? 1e-6 : 1e-3;
	(void)snprintf(c->params_text, sizeof c->params_text, "groups %d, epsilon %g", (int)groups,
	               c->params.norm.epsilon);
	tolerate_sum(c, 1, VITA_F32);
	if (!input(c, 0, VITA_F32, rank, shape, FILL_NUMBERS)) return 0;
	if (one_in(c, 2) && !input_vector(c, 1, channels)) return 0;
	if (c->op.code != VITA_OP_RMS_NORM && one_in(c, 2) && !input_vector(c, 2, channels)) return 0;
	return output_or_in_place(c, 0);
}

static int make_rope(op_case *c)
{
	int64_t shape[] = { size_of_dimension(c), pick(c, 1, 5), 2 * pick(c, 1, 20) }, half;
	vita_rope_params *p = &c->params.rope;

	p->style = (uint32_t)pick(c, 0, 1);
	p->n_rotated = (uint32_t)(one_in(c, 2) ? shape[2] : 2 * pick(c, 0, shape[2] / 2));
	p->theta = one_in(c, 2) ? 10000 : uniform(c, 2, 1e6);
	p->scale = one_in(c, 2) ? 1 : uniform(c, 0.1, 2);
	half = p->n_rotated / 2;
	shape[2] += pick(c, 0, 1);
	(void)snprintf(c->params_text, sizeof c->params_text, "style %u, n_rotated %u, theta %g, scale %g",
	               p->style, p->n_rotated, p->theta, p->scale);
	c->scale = 2;
	c->absolute = c->strictness == CASE_EXACT ? 1e-6 : 1e-4; /* angles of 1000s in f32 */
	if (!input(c, 0, VITA_F32, 3, shape, FILL_NUMBERS) || !input_ids(c, 1, shape[0], 2000)) return 0;
	if (one_in(c, 3) && !input(c, 2, VITA_F32, 1, &half, FILL_POSITIVE)) return 0;
	return output_or_in_place(c, 0);
}

static int make_attention(op_case *c)
{
	uint32_t k_type = a_weight_type(c, 4), v_type = one_in(c, 2) ? k_type : a_weight_type(c, 4);
	int blocks = k_type == VITA_Q8_0 || v_type == VITA_Q8_0;
	int64_t kv_heads = pick(c, 1, 3), heads = kv_heads * pick(c, 1, 3),
		d = blocks ? 32 * pick(c, 1, 2) : pick(c, 1, 40);
	int64_t n_q = size_of_dimension(c), n_k = one_in(c, 2) ? n_q + pick(c, 0, 20) : size_of_dimension(c);
	vita_attention_params *p = &c->params.attention;

	p->mask = (uint32_t)pick(c, 0, 2);
	p->block = (uint32_t)pick(c, 1, 5);
	p->scale = uniform(c, 0.05, 1) / sqrt((double)d);
	(void)snprintf(c->params_text, sizeof c->params_text, "mask %u, block %u, scale %g", p->mask,
	               p->block, p->scale);
	tolerate_sum(c, 4, k_type);
	tolerate_sum(c, 4, v_type);
	if (!input(c, 0, VITA_F32, 3, (int64_t[]){ n_q, heads, d }, FILL_NUMBERS)) return 0;
	if (!input(c, 1, k_type, 3, (int64_t[]){ n_k, kv_heads, d }, FILL_NUMBERS)) return 0;
	if (!input(c, 2, v_type, 3, (int64_t[]){ n_k, kv_heads, d }, FILL_NUMBERS)) return 0;
	if (one_in(c, 2) &&
	    !input(c, 3, VITA_F32, 3, (int64_t[]){ one_in(c, 2) ? 1 : heads, n_q, n_k }, FILL_NUMBERS))
		return 0;
	for (int64_t i = 0; c->op.n_inputs == 4 && i < n_q * n_k / 4;
	     i++) /* hide some keys, but few rows altogether */
		naive_put(&c->input[3], c->store[c->input_store[3]],
		          (int64_t[]){ pick(c, 0, c->input[3].shape[0] - 1), pick(c, 0, n_q - 1),
		                       pick(c, 0, n_k - 1) },
		          -INFINITY);
	return output(c, 0, VITA_F32, 3, (int64_t[]){ n_q, heads, d });
}

/* x of any rank, y like it or in place */
static int one_in_one_out(op_case *c)
{
	int64_t shape[VITA_MAX_RANK];
	uint32_t lead = leading(c, 3, shape);
	shape[lead] = size_of_dimension(c);
	return input(c, 0, VITA_F32, lead + 1, shape, FILL_NUMBERS) && output_or_in_place(c, 0);
}

static int make_affine(op_case *c) /* and SOFTMAX */
{
	c->params.affine.scale = uniform(c, -3, 3);
	c->params.affine.shift = c->op.code == VITA_OP_AFFINE ? uniform(c, -3, 3) : 0;
	(void)snprintf(c->params_text, sizeof c->params_text, "scale %g, shift %g", c->params.affine.scale,
	               c->params.affine.shift);
	return one_in_one_out(c);
}

static int make_unary(op_case *c)
{
	int64_t shape[VITA_MAX_RANK];
	uint32_t f = (uint32_t)pick(c, VITA_UNARY_NONE, VITA_UNARY_SQUARE), lead = leading(c, 2, shape);
	int positive = f == VITA_UNARY_LOG || f == VITA_UNARY_SQRT;

	shape[lead] = pick(c, 1, 6), shape[lead + 1] = size_of_dimension(c);
	c->params.unary.function = f;
	c->params.unary.alpha = uniform(c, 0, 2);
	(void)snprintf(c->params_text, sizeof c->params_text, "function %u, alpha %g", f,
	               c->params.unary.alpha);
	if (!input(c, 0, VITA_F32, lead + 2, shape, positive ? FILL_POSITIVE : FILL_NUMBERS)) return 0;
	if (f == VITA_UNARY_SNAKE && !input(c, 1, VITA_F32, 1, &shape[lead], FILL_POSITIVE)) return 0;
	return output_or_in_place(c, 0);
}

static int make_binary(op_case *c)
{
	int64_t shape[VITA_MAX_RANK], other[VITA_MAX_RANK];
	uint32_t lead = leading(c, 3, shape), kind = (uint32_t)pick(c, VITA_BINARY_ADD, VITA_BINARY_MIN),
		 skip;

	shape[lead] = size_of_dimension(c);
	skip = one_in(c, 2) ? (uint32_t)pick(c, 0, lead) : 0;
	for (uint32_t i = skip; i <= lead; i++) other[i - skip] = one_in(c, 3) ? 1 : shape[i];
	c->params.kind.kind = kind;
	(void)snprintf(c->params_text, sizeof c->params_text, "kind %u", kind);
	return input(c, 0, VITA_F32, lead + 1, shape, FILL_NUMBERS) &&
	       input(c, 1, VITA_F32, lead + 1 - skip, other,
	             kind == VITA_BINARY_DIV ? FILL_POSITIVE : FILL_NUMBERS) &&
	       output_or_in_place(c, 0);
}

static int make_glu(op_case *c)
{
	static const uint32_t functions[] = { VITA_UNARY_SILU, VITA_UNARY_GELU, VITA_UNARY_GELU_TANH,
		                              VITA_UNARY_SIGMOID };
	int64_t shape[VITA_MAX_RANK];
	uint32_t lead = leading(c, 3, shape);

	shape[lead] = size_of_dimension(c);
	c->params.kind.kind = functions[pick(c, 0, 3)];
	(void)snprintf(c->params_text, sizeof c->params_text, "function %u", c->params.kind.kind);
	return input(c, 0, VITA_F32, lead + 1, shape, FILL_NUMBERS) &&
	       input(c, 1, VITA_F32, lead + 1, shape, FILL_NUMBERS) &&
	       output_or_in_place(c, (uint32_t)pick(c, 0, 1));
}

static int make_conv(op_case *c)
{
	vita_conv_params *p = &c->params.conv;
	int transposed = c->op.code == VITA_OP_CONV_TRANSPOSE1D;
	int64_t shape[VITA_MAX_RANK], kernel = pick(c, 1, 7), groups = pick(c, 1, 3), t_out, spread;
	int64_t c_in = groups * pick(c, 1, 4), c_out = groups * pick(c, 1, 4), t = pick(c, 1, 40);
	uint32_t lead = leading(c, 2, shape), dtype = a_weight_type(c, 3);

	p->stride = (uint32_t)pick(c, 1, 4), p->dilation = (uint32_t)pick(c, 1, 3),
	p->groups = (uint32_t)groups;
	spread = p->dilation * (kernel - 1);
	p->pad_left = one_in(c, 3) ? spread : pick(c, 0, 4), p->pad_right = one_in(c, 2) ? 0 : pick(c, 0, 4);
	p->output_pad = transposed ? pick(c, 0, p->stride - 1) : 0;
	if (transposed)
		t_out = (t - 1) * p->stride + spread + 1 + p->output_pad - p->pad_left - p->pad_right;
	else
		t_out = (int64_t)floor((double)(t + p->pad_left + p->pad_right - spread - 1) / p->stride) + 1;
	if (t_out < 0) t_out = 0;
	(void)snprintf(c->params_text, sizeof c->params_text,
	               "stride %u, dilation %u, groups %u, padding %d %d %d", p->stride, p->dilation,
	               p->groups, (int)p->pad_left, (int)p->pad_right, (int)p->output_pad);
	tolerate_sum(c, (double)(c_in / groups * kernel), dtype);
	shape[lead] = c_in, shape[lead + 1] = t;
	if (!input(c, 0, VITA_F32, lead + 2, shape, FILL_NUMBERS)) return 0;
	if (!input(c, 1, dtype, 3,
	           transposed ? (int64_t[]){ c_in, c_out / groups, kernel }
	                      : (int64_t[]){ c_out, c_in / groups, kernel },
	           FILL_NUMBERS))
		return 0;
	if (one_in(c, 2) && !input_vector(c, 2, c_out)) return 0;
	shape[lead] = c_out, shape[lead + 1] = t_out;
	return output(c, 0, VITA_F32, lead + 2, shape);
}

static int make_pool(op_case *c)
{
	vita_pool_params *p = &c->params.pool;
	int64_t shape[VITA_MAX_RANK];
	uint32_t lead = leading(c, 3, shape);

	p->kind = (uint32_t)pick(c, 0, 1), p->kernel = (uint32_t)pick(c, 1, 6),
	p->stride = (uint32_t)pick(c, 1, 4);
	shape[lead] = size_of_dimension(c);
	(void)snprintf(c->params_text, sizeof c->params_text, "kind %u, kernel %u, stride %u", p->kind,
	               p->kernel, p->stride);
	tolerate_sum(c, 1, VITA_F32);
	if (!input(c, 0, VITA_F32, lead + 1, shape, FILL_NUMBERS)) return 0;
	shape[lead] = shape[lead] < p->kernel ? 0 : (shape[lead] - p->kernel) / p->stride + 1;
	return output(c, 0, VITA_F32, lead + 1, shape);
}

static int make_interpolate(op_case *c)
{
	int64_t shape[VITA_MAX_RANK];
	uint32_t lead = leading(c, 3, shape);

	c->params.kind.kind = (uint32_t)pick(c, 0, 1);
	(void)snprintf(c->params_text, sizeof c->params_text, "kind %u", c->params.kind.kind);
	shape[lead] = pick(c, 1, 40);
	tolerate_sum(c, 4, VITA_F32);
	if (!input(c, 0, VITA_F32, lead + 1, shape, FILL_NUMBERS)) return 0;
	shape[lead] = one_in(c, 3) ? shape[lead] * pick(c, 1, 3) : size_of_dimension(c);
	return output(c, 0, VITA_F32, lead + 1, shape);
}

static int make_cumsum(op_case *c)
{
	tolerate_sum(c, 30, VITA_F32);
	return one_in_one_out(c);
}

/* Values with many ties, and a NaN now and then: ARGMAX and TOP_K. */
static int input_with_ties(op_case *c, uint32_t lead, int64_t *shape, int64_t k)
{
	int64_t at[VITA_MAX_RANK] = { 0 };
	shape[lead] = k;
	if (!input(c, 0, VITA_F32, lead + 1, shape, one_in(c, 2) ? FILL_WHOLE : FILL_NUMBERS)) return 0;
	if (one_in(c, 4)) naive_put(&c->input[0], c->store[c->input_store[0]], at, NAN);
	return 1;
}

static int make_argmax(op_case *c)
{
	int64_t shape[VITA_MAX_RANK];
	uint32_t lead = 1 + leading(c, 2, shape);
	shape[lead - 1] = pick(c, 1, 5);
	return input_with_ties(c, lead, shape, pick(c, 1, 90)) && output(c, 0, VITA_I32, lead, shape);
}

static int make_top_k(op_case *c)
{
	int64_t shape[VITA_MAX_RANK], k = pick(c, 1, 40);
	uint32_t lead = leading(c, 2, shape);
	if (!input_with_ties(c, lead, shape, k)) return 0;
	shape[lead] = one_in(c, 4) ? k : pick(c, 0, k);
	return output(c, 0, VITA_F32, lead + 1, shape) && output(c, 1, VITA_I32, lead + 1, shape);
}

static int make_nearest(op_case *c)
{
	int64_t n = size_of_dimension(c), d = pick(c, 1, 20), codes = pick(c, 1, 60);
	return input(c, 0, VITA_F32, 2, (int64_t[]){ n, d }, FILL_WHOLE) &&
	       input(c, 1, a_weight_type(c, 3), 2, (int64_t[]){ codes, d }, FILL_WHOLE) &&
	       output(c, 0, VITA_I32, 1, &n);
}

static int make_reduce(op_case *c)
{
	int64_t shape[VITA_MAX_RANK];
	uint32_t lead = leading(c, 3, shape);

	shape[lead] = pick(c, 1, 90);
	c->params.kind.kind = (uint32_t)pick(c, VITA_REDUCE_SUM, VITA_REDUCE_MAX);
	(void)snprintf(c->params_text, sizeof c->params_text, "kind %u", c->params.kind.kind);
	tolerate_sum(c, (double)shape[lead], VITA_F32);
	if (!input(c, 0, VITA_F32, lead + 1, shape, FILL_NUMBERS)) return 0;
	shape[lead] = 1;
	return output(c, 0, VITA_F32, lead + 1, shape);
}

static int make_copy(op_case *c)
{
	static const uint32_t plain[] = { VITA_F32, VITA_F16, VITA_BF16, VITA_I32, VITA_U8 };
	int64_t shape[VITA_MAX_RANK];
	uint32_t lead = leading(c, 3, shape), from = plain[pick(c, 0, 4)], to = plain[pick(c, 0, 4)];

	if (one_in(c, 4)) from = a_weight_type(c, 8), to = VITA_F32;
	if (one_in(c, 8)) from = one_in(c, 2) ? VITA_F32 : VITA_Q8_0, to = VITA_Q8_0;
	c->contiguous_rows = to == VITA_Q8_0;
	shape[lead] = vita_dtype_block(from) > vita_dtype_block(to) ? row_size(c, from) : row_size(c, to);
	if (to == VITA_Q8_0)
		c->absolute = 1.01 / 127, c->relative = 1e-3; /* a step either way */
	else
		c->absolute = c->relative = 0;
	return input(c, 0, from, lead + 1, shape, to == VITA_Q8_0 ? FILL_NUMBERS : FILL_ANY) &&
	       output(c, 0, to, lead + 1, shape);
}

static int make_concat(op_case *c)
{
	static const uint32_t types[] = { VITA_F32, VITA_F16,  VITA_BF16, VITA_I32,
		                          VITA_U8,  VITA_Q8_0, VITA_Q4_K };
	int64_t shape[VITA_MAX_RANK], sum = 0;
	uint32_t lead = leading(c, 3, shape), axis = (uint32_t)pick(c, 0, lead), dtype = types[pick(c, 0, 6)];
	uint32_t n = (uint32_t)pick(c, 1, VITA_OP_MAX_INPUTS);

	shape[lead] = row_size(c, dtype);
	c->params.kind.kind = axis;
	(void)snprintf(c->params_text, sizeof c->params_text, "axis %u", axis);
	c->absolute = c->relative = 0;
	for (uint32_t i = 0; i < n; i++) {
		shape[axis] = axis == lead ? row_size(c, dtype) : pick(c, 0, 3);
		sum += shape[axis];
		if (!input(c, i, dtype, lead + 1, shape, FILL_NUMBERS)) return 0;
	}
	shape[axis] = sum;
	return output(c, 0, dtype, lead + 1, shape);
}

static int make_fill(op_case *c)
{
	static const uint32_t plain[] = { VITA_F32, VITA_F16, VITA_BF16, VITA_I32, VITA_U8 };
	int64_t shape[VITA_MAX_RANK];
	uint32_t lead = leading(c, 3, shape);

	shape[lead] = size_of_dimension(c);
	c->params.affine.shift = uniform(c, -300, 300);
	c->params.affine.scale = 1;
	c->absolute = c->relative = 0;
	(void)snprintf(c->params_text, sizeof c->params_text, "value %.17g", c->params.affine.shift);
	return output(c, 0, plain[pick(c, 0, 4)], lead + 1, shape);
}

/* ---- all of them ----------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	int (*make)(op_case *c);
	uint32_t params_size;
} ops[VITA_OP_COUNT] = {
	[VITA_OP_MATMUL] = { "MATMUL", make_matmul, sizeof(vita_matmul_params) },
	[VITA_OP_GATHER] = { "GATHER", make_gather, 0 },
	[VITA_OP_SCATTER] = { "SCATTER", make_scatter, 0 },
	[VITA_OP_RMS_NORM] = { "RMS_NORM", make_norm, sizeof(vita_norm_params) },
	[VITA_OP_LAYER_NORM] = { "LAYER_NORM", make_norm, sizeof(vita_norm_params) },
	[VITA_OP_GROUP_NORM] = { "GROUP_NORM", make_norm, sizeof(vita_norm_params) },
	[VITA_OP_ROPE] = { "ROPE", make_rope, sizeof(vita_rope_params) },
	[VITA_OP_ATTENTION] = { "ATTENTION", make_attention, sizeof(vita_attention_params) },
	[VITA_OP_SOFTMAX] = { "SOFTMAX", make_affine, sizeof(vita_affine_params) },
	[VITA_OP_UNARY] = { "UNARY", make_unary, sizeof(vita_unary_params) },
	[VITA_OP_BINARY] = { "BINARY", make_binary, sizeof(vita_kind_params) },
	[VITA_OP_GLU] = { "GLU", make_glu, sizeof(vita_kind_params) },
	[VITA_OP_AFFINE] = { "AFFINE", make_affine, sizeof(vita_affine_params) },
	[VITA_OP_CONV1D] = { "CONV1D", make_conv, sizeof(vita_conv_params) },
	[VITA_OP_CONV_TRANSPOSE1D] = { "CONV_TRANSPOSE1D", make_conv, sizeof(vita_conv_params) },
	[VITA_OP_POOL] = { "POOL", make_pool, sizeof(vita_pool_params) },
	[VITA_OP_INTERPOLATE] = { "INTERPOLATE", make_interpolate, sizeof(vita_kind_params) },
	[VITA_OP_CUMSUM] = { "CUMSUM", make_cumsum, 0 },
	[VITA_OP_ARGMAX] = { "ARGMAX", make_argmax, 0 },
	[VITA_OP_TOP_K] = { "TOP_K", make_top_k, 0 },
	[VITA_OP_NEAREST] = { "NEAREST", make_nearest, 0 },
	[VITA_OP_REDUCE] = { "REDUCE", make_reduce, sizeof(vita_kind_params) },
	[VITA_OP_COPY] = { "COPY", make_copy, 0 },
	[VITA_OP_CONCAT] = { "CONCAT", make_concat, sizeof(vita_kind_params) },
	[VITA_OP_FILL] = { "FILL", make_fill, sizeof(vita_affine_params) },
};

const char *case_op_name(uint32_t code) { return code < VITA_OP_COUNT ? ops[code].name : NULL; }

int case_make(op_case *c, uint32_t code, uint64_t seed, case_strictness strictness)
{
	memset(c, 0, sizeof *c);
	if (!case_op_name(code)) return 0;
	c->seed = seed;
	c->random = seed * 1000003u + code;
	c->strictness = strictness;
	c->name = ops[code].name;
	VITA_INIT(&c->op);
	c->op.code = code;
	c->absolute = strictness == CASE_EXACT ? 1e-7 : 1e-6;
	c->relative = strictness == CASE_EXACT ? 1e-6 : 1e-5;
	if (!ops[code].make(c)) return 0;
	if (ops[code].params_size == 0) return 1;
	memcpy(&c->params, &ops[code].params_size,
	       sizeof(uint32_t)); /* struct_size comes first in all of them */
	c->op.params = &c->params;
	return 1;
}

void case_free(op_case *c)
{
	for (uint32_t i = 0; i < c->n_stores; i++) free(c->store[i]);
	c->n_stores = 0;
}

static void print_tensor(const char *kind, uint32_t i, const vita_tensor *t, uint32_t store)
{
	printf("  %s %u: %s [", kind, i, vita_dtype_name(t->dtype));
	for (uint32_t d = 0; d < t->rank; d++) printf(d ? ", %lld" : "%lld", (long long)t->shape[d]);
	printf("], strides [");
	for (uint32_t d = 0; d < t->rank; d++) printf(d ? ", %lld" : "%lld", (long long)t->stride[d]);
	printf("] at %llu of buffer %u\n", (unsigned long long)t->offset, store);
}

void case_print(const op_case *c)
{
	printf("%s %s\n", c->name, c->params_text);
	for (uint32_t i = 0; i < c->op.n_inputs; i++)
		if (c->op.input[i]) print_tensor("input", i, &c->input[i], c->input_store[i]);
	for (uint32_t i = 0; i < c->op.n_outputs; i++)
		print_tensor("output", i, &c->output[i], c->output_store[i]);
}
