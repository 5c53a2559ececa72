/* SPDX-License-Identifier: MIT
 *
 * Ops that are done together.
 *
 *   RMS_NORM, then MATMUL of its result   the norm's kernel leaves its result in 8 bits too, where products want that
 *   MATMULs of the same x                 one launch for up to three weights (Q, K and V)
 *   MATMUL, MATMUL, GLU(SILU) of both     one launch
 *   ROPE, ROPE, COPY, COPY                queries and keys in place, keys and values into their caches: one launch
 *
 * What an op reads must be what it would have read by itself, so ops join only if none touches what another writes.
 * The results are the same, but for the last bits of exp, which is another function for vectors.
 */
#include "fuse.h"

#include "tiles.h"

/* Bytes of its buffer that a view may touch. */
static void span_of(const vita_tensor *t, int64_t *first, int64_t *end)
{
	const bool blocks = vita_dtype_block(t->dtype) > 1;
	*first = (int64_t)t->offset;
	*end = *first + (blocks ? vita_row_bytes(t->dtype, op_last(t, 0)) : (int64_t)vita_dtype_bytes(t->dtype));
	for (uint32_t i = 0; i + blocks < t->rank; i++) {
		const int64_t far = (t->shape[i] - 1) * t->stride[i];
		if (far < 0) *first += far;
		else *end += far;
	}
}

static bool meet(const vita_tensor *a, const vita_tensor *b)
{
	int64_t a_first, a_end, b_first, b_end;
	if (!a || !b || a->buffer != b->buffer) return false;
	span_of(a, &a_first, &a_end);
	span_of(b, &b_first, &b_end);
	return a_first < b_end && b_first < a_end;
}

/* Does op b touch what op a writes, or write what a reads? (Of outputs the first alone: none here has two.) */
static bool depend(const op_call *a, const op_call *b)
{
	for (uint32_t i = 0; i < VITA_OP_MAX_INPUTS; i++)
		if (meet(a->out[0], b->in[i]) || meet(b->out[0], a->in[i])) return true;
	return meet(a->out[0], b->out[0]);
}

static bool same_view(const vita_tensor *a, const vita_tensor *b)
{
	return a->buffer == b->buffer && a->offset == b->offset && a->dtype == b->dtype && a->rank == b->rank &&
	       memcmp(a->shape, b->shape, sizeof a->shape) == 0 && memcmp(a->stride, b->stride, sizeof a->stride) == 0;
}

/* A product with tiles whose rows all lie a fixed step apart. */
static bool is_tiled(const op_call *c)
{
	struct matrix m;
	return c->code == VITA_OP_MATMUL && is_packed(c->in[1]) && matrix_of(c->in[0], &m) && matrix_of(c->out[0], &m) &&
	       (!c->in[3] || matrix_of(c->in[3], &m));
}

/* How many of the first ops are products of one x that may be done at once. */
static uint32_t count_products(const op_call *calls, uint32_t n)
{
	uint32_t together = 0;
	while (together < n && together < TILES_MOST && is_tiled(&calls[together]) && tiles_alike(&calls[0], &calls[together])) {
		for (uint32_t i = 0; i < together; i++)
			if (depend(&calls[i], &calls[together])) return together;
		together++;
	}
	return together;
}

/* gate = x · wᵀ, up = x · vᵀ, gate = silu(gate) · up */
static bool is_gated(const op_call *calls, uint32_t n)
{
	if (n < 3 || calls[2].code != VITA_OP_GLU || ((const vita_kind_params *)calls[2].params)->kind != VITA_UNARY_SILU)
		return false;
	const op_call *gate = &calls[0], *up = &calls[1], *glu = &calls[2];
	return !gate->in[3] && !up->in[3] && ((const vita_matmul_params *)gate->params)->activation == VITA_UNARY_NONE &&
	       same_view(gate->out[0], glu->in[0]) && same_view(up->out[0], glu->in[1]) &&
	       same_view(gate->out[0], glu->out[0]) && gate->in[1]->shape[0] == up->in[1]->shape[0] &&
	       gate->in[1]->offset == up->in[1]->offset;
}

/* Products from calls[0] on; their x is in 8 bits already where quantised is given. */
static vita_status fuse_products(vita_backend *backend, const op_call *calls, uint32_t n, const struct matrix *quantised,
                                 uint32_t *done, vita_error *err)
{
	const uint32_t together = count_products(calls, n);
	const op_call *list[TILES_MOST];
	for (uint32_t i = 0; i < together; i++) list[i] = &calls[i];
	*done = together;
	if (together == 2 && is_gated(calls, n)) {
		*done = 3;
		return tiles_multiply_gated(backend, &calls[0], &calls[1], quantised, err);
	}
	return together ? tiles_multiply(backend, list, together, quantised, err) : VITA_OK;
}

static bool normalises_for(const vita_backend *backend, const op_call *norm, const op_call *product)
{
	struct matrix m;
	return norm->code == VITA_OP_RMS_NORM && is_tiled(product) && tiles_quantise(backend, product->in[1]) &&
	       same_view(norm->out[0], product->in[0]) && matrix_of(norm->in[0], &m) && matrix_of(norm->out[0], &m) &&
	       count_of(norm->out[0], 1) <= tiles_most_rows(op_last(norm->out[0], 0));
}

/* ---- rotations ------------------------------------------------------------------------------------- */

static bool is_rope_in_place(const op_call *c)
{
	return c->code == VITA_OP_ROPE && same_view(c->in[0], c->out[0]);
}

static bool rotate_alike(const op_call *a, const op_call *b)
{
	const vita_rope_params *p = a->params, *q = b->params;
	const vita_tensor *f = a->in[2], *g = b->in[2];
	return p->style == q->style && p->n_rotated == q->n_rotated && p->theta == q->theta && p->scale == q->scale &&
	       same_view(a->in[1], b->in[1]) && (f && g ? same_view(f, g) : f == g) &&
	       a->out[0]->shape[0] == b->out[0]->shape[0] && a->out[0]->shape[2] == b->out[0]->shape[2];
}

/* A copy of [n, heads · d] floats, rows without gaps, to a plain type. */
static bool is_cache_copy(const op_call *c, int64_t n, int64_t width)
{
	const vita_tensor *x = c->in[0], *y = c->out[0];
	if (c->code != VITA_OP_COPY || x->rank != 2 || x->dtype != VITA_F32 || x->shape[0] != n || x->shape[1] != width)
		return false;
	return (y->dtype == VITA_F32 || y->dtype == VITA_F16 || y->dtype == VITA_BF16) && x->stride[1] == sizeof(float) &&
	       y->stride[1] == (int64_t)vita_dtype_bytes(y->dtype);
}

/* Is x the rotated heads, seen as rows? */
static bool is_rows_of(const vita_tensor *x, const vita_tensor *heads)
{
	return x->buffer == heads->buffer && x->offset == heads->offset && (x->shape[0] == 1 || x->stride[0] == heads->stride[0]) &&
	       (heads->shape[1] == 1 || heads->stride[1] == heads->shape[2] * (int64_t)sizeof(float));
}

static bool rotates_into_cache(const op_call *q, const op_call *k, const op_call *copies)
{
	const vita_tensor *heads = k->out[0];
	const int64_t n = heads->shape[0], width = heads->shape[1] * heads->shape[2];
	if (!is_rope_in_place(k) || !is_cache_copy(&copies[0], n, width) || !is_cache_copy(&copies[1], n, width) ||
	    !is_rows_of(copies[0].in[0], heads) || depend(k, &copies[1]) || depend(&copies[0], &copies[1]) ||
	    meet(copies[0].out[0], k->in[1]) || meet(copies[0].out[0], k->in[2]) || meet(copies[1].out[0], k->in[1]) ||
	    meet(copies[1].out[0], k->in[2]))
		return false;
	return !q || (is_rope_in_place(q) && rotate_alike(q, k) && !depend(q, k) && !depend(q, &copies[0]) &&
	              !depend(q, &copies[1]));
}

static vita_status fuse_rotations(vita_backend *backend, const op_call *calls, uint32_t n, uint32_t *done, vita_error *err)
{
	if (n >= 4 && calls[1].code == VITA_OP_ROPE && rotates_into_cache(&calls[0], &calls[1], calls + 2)) {
		*done = 4;
		return rope_into_cache(backend, &calls[0], &calls[1], &calls[2], &calls[3], err);
	}
	if (n >= 3 && rotates_into_cache(NULL, &calls[0], calls + 1)) {
		*done = 3;
		return rope_into_cache(backend, NULL, &calls[0], &calls[1], &calls[2], err);
	}
	return VITA_OK;
}

vita_status fuse(vita_backend *backend, const op_call *calls, uint32_t n, uint32_t *done, vita_error *err)
{
	struct matrix quantised;
	uint32_t more = 0;
	*done = 0;
	if (calls[0].code == VITA_OP_ROPE) return fuse_rotations(backend, calls, n, done, err);
	if (n >= 2 && normalises_for(backend, &calls[0], &calls[1])) {
		vita_status status = tiles_rms_norm(backend, &calls[0], &quantised, err);
		if (status == VITA_OK) status = fuse_products(backend, calls + 1, n - 1, &quantised, &more, err);
		*done = 1 + more;
		return status;
	}
	return fuse_products(backend, calls, n, NULL, done, err);
}
