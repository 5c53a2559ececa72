/* SPDX-License-Identifier: MIT
 *
 * Products with weights laid out in tiles; see kernels/tiles.cl and kernels/rows.cl.
 */
#include "tiles.h"

#define GATED (UINT64_C(1) << 25)           /* in a variant */
#define FEW_SUMS 4                        /* of a work-item, with which work-groups may be large */
#define SLICES_OF_FEW 16                  /* where nothing was measured */
#define SLICES_OF_MANY 8
#define SUMS_LIMIT 16384                  /* bytes of local memory; OpenCL 1.2 has 32768 everywhere */
#define SCRATCH_LIMIT (INT64_C(32) << 20) /* bytes of x in 8 bits at a time */

/* As in kernels/tiles.cl. */
struct part {
	cl_long bias, residual, residual_step, y, y_step;
	cl_int first, m, tiles, has_bias, has_residual, reserved;
};

/* ---- views ----------------------------------------------------------------------------------------- */

bool matrix_of(const vita_tensor *t, struct matrix *out)
{
	*out = (struct matrix){ t->buffer->memory, (int64_t)t->offset, 0 };
	int64_t rows = 1;
	for (uint32_t i = t->rank - 1; i-- > 0;) {
		if (t->shape[i] == 1) continue;
		if (rows == 1) out->step = t->stride[i];
		else if (t->stride[i] != rows * out->step) return false;
		rows *= t->shape[i];
	}
	return true;
}

/* Matrix number `plane` of t: a view of rank 2. */
static vita_tensor plane_of(const vita_tensor *t, int64_t plane)
{
	vita_tensor p = *t;
	for (uint32_t i = t->rank - 2; i-- > 0; plane /= t->shape[i]) p.offset += (uint64_t)(plane % t->shape[i] * t->stride[i]);
	p.rank = 2;
	for (uint32_t i = 0; i < 2; i++) p.shape[i] = t->shape[t->rank - 2 + i], p.stride[i] = t->stride[t->rank - 2 + i];
	return p;
}

/* ---- kernels --------------------------------------------------------------------------------------- */

/* variant: type, rows << 8, slices << 16, dot << 24, gated << 25, activation << 26 */
static void options(const vita_backend *backend, uint64_t variant, char *text, size_t size)
{
	(void)backend;
	(void)snprintf(text, size, "-DTYPE=%u -DROWS=%u -DSLICES=%u -DDOT=%u -DGATED=%u -DACTIVATION=%u", (unsigned)(variant & 255),
	               (unsigned)(variant >> 8 & 255), (unsigned)(variant >> 16 & 255), (unsigned)(variant >> 24 & 1),
	               (unsigned)(variant >> 25 & 1), (unsigned)(variant >> 26));
}

static const struct kernel_source multiply = { "tiles.cl", "multiply", options };
static const struct kernel_source multiply_gated = { "tiles.cl", "multiply_gated", options };
static const struct kernel_source quantise = { "rows.cl", "quantise_x", NULL };
static const struct kernel_source norm_quantise = { "rows.cl", "rms_norm_quantise", NULL };
static const struct kernel_source gather = { "rows.cl", "gather_tiles", NULL };

bool tiles_quantise(const vita_backend *backend, const vita_tensor *w)
{
	return backend->dot && vita_dtype_block(w->dtype) > 1;
}

int64_t tiles_row_bytes(int64_t k)
{
	return (k + k / 4 + k / 8 + 63) / 64 * 64;
}

int64_t tiles_most_rows(int64_t k)
{
	const int64_t n = SCRATCH_LIMIT / tiles_row_bytes(k);
	return n > TILES_MOST_ROWS ? n : TILES_MOST_ROWS;
}

/* Few rows in one block, or two of the same size; many in blocks of what was found quickest. */
static int64_t rows_of_block(const vita_backend *backend, const vita_tensor *w, int64_t n)
{
	const int64_t most = backend->tuned.rows[w->dtype] ? backend->tuned.rows[w->dtype] : TILES_MOST_ROWS;
	return n <= TILES_MOST_ROWS ? n : n <= 2 * TILES_MOST_ROWS ? (n + 1) / 2 : most;
}

/* Work-items one behind the other, on devices that want many: each with two steps at least. One row of x and a weight of
 * some thousand rows make a hundred work-groups, fewer than a large GPU could run at once, so that what a group has under
 * way decides how much of the bandwidth is used: with few rows it is made larger, as far as the sums fit into local
 * memory. With many rows registers are what is short. */
static int64_t slices_of(const vita_backend *backend, const vita_tensor *w, int64_t rows, bool gated)
{
	const int64_t block = vita_dtype_block(w->dtype), steps = op_last(w, 0) / (block > 1 ? block : 8);
	const int64_t sums = rows * (gated ? 2 : 1), row_bytes = backend->lanes * (int64_t)sizeof(float);
	int64_t most = (int64_t)backend->device.group_limit / backend->lanes, slices = 1;
	const int64_t wish = sums > FEW_SUMS               ? SLICES_OF_MANY
	                     : backend->tuned.slices[w->dtype] ? backend->tuned.slices[w->dtype]
	                                                       : SLICES_OF_FEW;
	if (backend->is_cpu) return 1;
	if (most > SUMS_LIMIT / (sums * row_bytes)) most = SUMS_LIMIT / (sums * row_bytes);
	while (slices < wish && slices * 2 <= most && slices * 4 <= steps) slices *= 2;
	return slices;
}

static uint64_t variant_of(const vita_backend *backend, const vita_tensor *w, int64_t rows, bool gated)
{
	return (uint64_t)w->dtype | (uint64_t)rows << 8 | (uint64_t)slices_of(backend, w, rows, gated) << 16 |
	       (uint64_t)tiles_quantise(backend, w) << 24 | (gated ? GATED : 0);
}

vita_status matmul_warm(vita_backend *backend, const vita_tensor *w, vita_error *err)
{
	cl_kernel kernel;
	(void)pthread_mutex_lock(&backend->lock);
	vita_status status = program_kernel(backend, &multiply, variant_of(backend, w, 1, false), &kernel, err);
	if (status == VITA_OK) status = program_kernel(backend, &norm_quantise, 0, &kernel, err);
	(void)pthread_mutex_unlock(&backend->lock);
	return status;
}

/* ---- one launch ------------------------------------------------------------------------------------ */

static int64_t first_row(const vita_tensor *w)
{
	return (int64_t)w->offset / vita_row_bytes(w->dtype, w->shape[1]);
}

/* Tiles that have one of the weight's rows. */
static int64_t tiles_of(const vita_backend *backend, const vita_tensor *w)
{
	const int64_t lanes = backend->lanes, first = first_row(w);
	return (first + w->shape[0] + lanes - 1) / lanes - first / lanes;
}

/* What is the same for all weights of a launch: n rows of x, which begin at row `row` of the op's. */
struct rows {
	struct matrix x;
	int64_t row, n, k;
};

static void put_shared(struct launch *l, const struct rows *r, const vita_tensor *w)
{
	const struct pack_layout layout = pack_layout_of(l->backend, w->dtype, w->shape[1]);
	launch_buffer(l, r->x.memory);
	launch_long(l, r->x.at);
	launch_long(l, r->x.step);
	launch_int(l, r->n);
	launch_int(l, r->k);
	launch_long(l, layout.tile_bytes);
	launch_long(l, layout.words_at);
}

static struct part part_of(const vita_backend *backend, const op_call *c, const struct rows *r)
{
	const vita_tensor *w = c->in[1];
	struct matrix y, residual = { NULL, 0, 0 };
	(void)matrix_of(c->out[0], &y);
	if (c->in[3]) (void)matrix_of(c->in[3], &residual);
	return (struct part){
		.bias = c->in[2] ? (cl_long)c->in[2]->offset : 0,
		.residual = residual.at + r->row * residual.step,
		.residual_step = residual.step,
		.y = y.at + r->row * y.step,
		.y_step = y.step,
		.first = (cl_int)first_row(w),
		.m = (cl_int)w->shape[0],
		.tiles = (cl_int)tiles_of(backend, w),
		.has_bias = c->in[2] != NULL,
		.has_residual = c->in[3] != NULL,
	};
}

static cl_mem memory_of(const vita_tensor *t)
{
	return t ? t->buffer->memory : NULL;
}

/* On CPU devices a work-item takes all blocks of rows with its tile in the cache, unless tiles are few. */
static vita_status run(struct launch *l, const vita_tensor *w, const struct rows *r, int64_t block, bool gated, int64_t tiles)
{
	const vita_backend *backend = l->backend;
	const int64_t blocks = (r->n + block - 1) / block, wanted = 4 * (int64_t)backend->device.compute_units;
	if (backend->is_cpu) {
		int64_t shares = (wanted + tiles - 1) / tiles;
		if (shares > blocks) shares = blocks;
		return launch_run(l, 1, (const int64_t[]){ tiles, shares, 1 });
	}
	const int64_t slices = slices_of(backend, w, block, gated);
	return launch_run_2d(l, backend->lanes, (size_t)slices,
	                     (const int64_t[]){ tiles * backend->lanes, blocks * slices, 1 });
}

static vita_status multiply_rows(vita_backend *backend, const op_call *const *calls, uint32_t n, const struct rows *r,
                                 vita_error *err)
{
	const vita_tensor *w = calls[0]->in[1];
	const int64_t block = rows_of_block(backend, w, r->n);
	const struct part none = { 0 };
	int64_t tiles = 0;
	const uint64_t activation = ((const vita_matmul_params *)calls[0]->params)->activation;
	struct launch l = launch_begin(backend, calls[0], &multiply, variant_of(backend, w, block, false) | activation << 26, err);
	put_shared(&l, r, w);
	for (uint32_t i = 0; i < TILES_MOST; i++) {
		const op_call *c = i < n ? calls[i] : NULL;
		const struct part part = c ? part_of(backend, c, r) : none;
		tiles += part.tiles;
		launch_buffer(&l, memory_of(c ? c->in[1] : NULL));
		launch_buffer(&l, memory_of(c ? c->in[2] : NULL));
		launch_buffer(&l, memory_of(c ? c->in[3] : NULL));
		launch_buffer(&l, memory_of(c ? c->out[0] : NULL));
		launch_bytes(&l, &part, sizeof part);
	}
	return run(&l, w, r, block, false, tiles);
}

static vita_status gated_rows(vita_backend *backend, const op_call *gate, const op_call *up, const struct rows *r,
                              vita_error *err)
{
	const vita_tensor *w = gate->in[1];
	int64_t block = rows_of_block(backend, w, r->n);
	if (block > TILES_MOST_ROWS / 2) block = (block + 1) / 2; /* two sums a row and lane */
	const struct part pg = part_of(backend, gate, r), pu = part_of(backend, up, r);
	struct launch l = launch_begin(backend, gate, &multiply_gated, variant_of(backend, w, block, true), err);
	put_shared(&l, r, w);
	launch_buffer(&l, memory_of(w));
	launch_buffer(&l, memory_of(gate->in[2]));
	launch_buffer(&l, memory_of(gate->out[0]));
	launch_bytes(&l, &pg, sizeof pg);
	launch_buffer(&l, memory_of(up->in[1]));
	launch_buffer(&l, memory_of(up->in[2]));
	launch_buffer(&l, memory_of(up->out[0]));
	launch_bytes(&l, &pu, sizeof pu);
	return run(&l, w, r, block, true, pg.tiles);
}

/* ---- x in 8 bits ----------------------------------------------------------------------------------- */

static vita_status quantise_rows(vita_backend *backend, struct rows *r, vita_error *err)
{
	const int64_t step = tiles_row_bytes(r->k);
	struct matrix q = { NULL, 0, step };
	const vita_status status = memory_scratch(backend, (uint64_t)(r->n * step), &q.memory, err);
	if (status != VITA_OK) return status;
	struct launch l = launch_begin(backend, NULL, &quantise, 0, err);
	launch_buffer(&l, r->x.memory);
	launch_long(&l, r->x.at);
	launch_long(&l, r->x.step);
	launch_int(&l, r->k);
	launch_buffer(&l, q.memory);
	launch_int(&l, step);
	r->x = q;
	return launch_run(&l, ELEMENTS, (const int64_t[]){ r->k / 32, r->n, 1 });
}

vita_status tiles_rms_norm(vita_backend *backend, const op_call *norm, struct matrix *quantised, vita_error *err)
{
	const int64_t k = op_last(norm->in[0], 0), n = count_of(norm->in[0], 1), step = tiles_row_bytes(k);
	struct matrix x, y;
	(void)matrix_of(norm->in[0], &x);
	(void)matrix_of(norm->out[0], &y);
	*quantised = (struct matrix){ NULL, 0, step };
	const vita_status status = memory_scratch(backend, (uint64_t)(n * step), &quantised->memory, err);
	if (status != VITA_OK) return status;
	struct launch l = launch_begin(backend, norm, &norm_quantise, 0, err);
	launch_buffer(&l, x.memory);
	launch_long(&l, x.at);
	launch_long(&l, x.step);
	launch_buffer(&l, memory_of(norm->in[1]));
	launch_long(&l, norm->in[1] ? (int64_t)norm->in[1]->offset : 0);
	launch_int(&l, norm->in[1] != NULL);
	launch_buffer(&l, y.memory);
	launch_long(&l, y.at);
	launch_long(&l, y.step);
	launch_float(&l, ((const vita_norm_params *)norm->params)->epsilon);
	launch_int(&l, k);
	launch_buffer(&l, quantised->memory);
	launch_int(&l, step);
	return launch_run(&l, backend->group, (const int64_t[]){ n * (int64_t)backend->group, 1, 1 });
}

/* ---- whole ops ------------------------------------------------------------------------------------- */

bool tiles_alike(const op_call *a, const op_call *b)
{
	const vita_tensor *x = a->in[0], *z = b->in[0], *w = a->in[1], *v = b->in[1];
	return is_packed(w) && is_packed(v) && w->dtype == v->dtype && w->shape[1] == v->shape[1] && x->buffer == z->buffer &&
	       x->offset == z->offset && x->rank == z->rank && memcmp(x->shape, z->shape, sizeof x->shape) == 0 &&
	       memcmp(x->stride, z->stride, sizeof x->stride) == 0 &&
	       ((const vita_matmul_params *)a->params)->activation == ((const vita_matmul_params *)b->params)->activation;
}

/* All rows in as many launches as the scratch wants. */
static vita_status in_pieces(vita_backend *backend, const op_call *const *calls, uint32_t n, bool gated,
                             const struct matrix *quantised, vita_error *err)
{
	const vita_tensor *x = calls[0]->in[0];
	const int64_t all = count_of(x, 1), k = op_last(x, 0);
	const bool converts = tiles_quantise(backend, calls[0]->in[1]);
	int64_t most = converts && !quantised ? tiles_most_rows(k) : all;
	struct matrix plain;
	vita_status status = VITA_OK;
	(void)matrix_of(x, &plain);
	for (int64_t row = 0; row < all && status == VITA_OK; row += most) {
		struct rows r = { plain, row, all - row < most ? all - row : most, k };
		r.x.at += row * plain.step;
		if (quantised) r.x = *quantised;
		else if (converts) status = quantise_rows(backend, &r, err);
		if (status != VITA_OK) return status;
		status = gated ? gated_rows(backend, calls[0], calls[1], &r, err) : multiply_rows(backend, calls, n, &r, err);
	}
	return status;
}

vita_status tiles_multiply(vita_backend *backend, const op_call *const *calls, uint32_t n, const struct matrix *quantised,
                           vita_error *err)
{
	struct matrix m;
	const op_call *c = calls[0];
	if (n > 1 || (matrix_of(c->in[0], &m) && matrix_of(c->out[0], &m) && (!c->in[3] || matrix_of(c->in[3], &m))))
		return in_pieces(backend, calls, n, false, quantised, err);
	for (int64_t plane = 0; plane < count_of(c->in[0], 2); plane++) {
		op_call one = *c; /* its tensors but two are those of *c, which stays where it is */
		const op_call *list = &one;
		const vita_tensor x = plane_of(c->in[0], plane), y = plane_of(c->out[0], plane);
		vita_tensor residual;
		one.in[0] = &x;
		one.out[0] = &y;
		if (c->in[3]) {
			residual = plane_of(c->in[3], plane);
			one.in[3] = &residual;
		}
		const vita_status status = in_pieces(backend, &list, 1, false, NULL, err);
		if (status != VITA_OK) return status;
	}
	return VITA_OK;
}

vita_status tiles_multiply_gated(vita_backend *backend, const op_call *gate, const op_call *up,
                                 const struct matrix *quantised, vita_error *err)
{
	const op_call *const calls[] = { gate, up };
	return in_pieces(backend, calls, 2, true, quantised, err);
}

vita_status tiles_gather(vita_backend *backend, const op_call *c, vita_error *err)
{
	const vita_tensor *table = c->in[0], *y = c->out[0];
	const struct pack_layout layout = pack_layout_of(backend, table->dtype, table->shape[1]);
	const uint32_t slot = fault_slot(backend);
	struct launch l = launch_begin(backend, c, &gather, 0, err);
	launch_buffer(&l, table->buffer->memory);
	launch_int(&l, table->dtype);
	launch_long(&l, layout.tile_bytes);
	launch_long(&l, layout.words_at);
	launch_int(&l, first_row(table));
	launch_int(&l, table->shape[0]);
	launch_tensor(&l, c->in[1]);
	launch_tensor(&l, y);
	launch_buffer(&l, backend->faults);
	launch_int(&l, slot);
	backend->armed |= UINT64_C(1) << slot;
	return launch_run(&l, ELEMENTS, (const int64_t[]){ op_last(y, 0), y->shape[0], 1 });
}
