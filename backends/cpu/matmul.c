/* SPDX-License-Identifier: MIT
 *
 * Matrix products: y[…, n, m] = act(x[…, n, k] · w[m, k]ᵀ + bias) + residual.
 *
 * Two steps of a plan: the activations become what the weight's kernel wants, then tiles of TILE weight rows
 * are handed out to the threads. A tile meets all rows of a chunk while it is in the cache; a chunk's
 * activations fit the second-level cache.
 *
 *   weights          rows of x      activations         kernel
 *   block types      any            8-bit integers      tile_*; plain (not packed) blocks are packed tile by tile as
 *                                                       they are used
 *   packed q4_0 q4_k q6_k, large,   8-bit integers      spread and bytes, where there are such kernels
 *                    some dozens up
 *   f32, f16, bf16   up to 16       f32                 rows_*
 *   bf16             more           bf16                wide_bf16, where that is far quicker than half
 *   f16, bf16        more           f16                 half, where there are such kernels and the weight is large
 *   f16, bf16        more           bf16                wide_bf16, likewise
 *   f32, f16, bf16   more           f32                 oneDNN where it is quicker, wide_f32 where there is one, rows_*
 */
#include "matmul.h"
#include "onednn.h"

#define CHUNK_BYTES (512 * 1024) /* of activations that meet one tile after another */
#define ROUNDED_LEAST 65536      /* values of a weight whose activations may be rounded: small models stay exact */
#define TILE_ROWS 80             /* that tiles of block types meet together, where there are kernels for that */
#define PACKED_GROUP 12          /* rows of a group where there are not: the integer kernels take six at a time */

/* Is a tile laid out anew for many rows? */
static bool is_wide(const struct product *p)
{
	return p->way == WAY_BYTES || p->way == WAY_WIDE || p->way == WAY_HALF;
}

static bool is_block(uint32_t dtype)
{
	return vita_dtype_block(dtype) > 1;
}

static int32_t even_groups(int64_t n, int64_t most)
{
	const int64_t groups = (n + most - 1) / most;
	return groups > 0 ? (int32_t)((n + groups - 1) / groups) : 1;
}

/* Up to so many rows weights of a block type are quicker as they are than made bytes first, which costs as much as some
 * dozens of rows. q8_0 and q4_1 always are. */
static int64_t most_as_tiles(uint32_t dtype)
{
	switch (dtype) {
	case VITA_Q4_0: return 80;
	case VITA_Q4_K: return 56;
	case VITA_Q6_K: return 40;
	default: return INT64_MAX;
	}
}

/* Ways of block types. */
static void choose_way(const vita_backend *backend, const op_call *c, struct product *p)
{
	const bool has_bytes = backend->kernels->bytes != NULL;
	p->way = WAY_TILES;
	p->per_group = even_groups(p->n, has_bytes ? TILE_ROWS : p->n <= MAX_ROWS ? MAX_ROWS : PACKED_GROUP);
	if (!has_bytes || p->n <= most_as_tiles(p->dtype) || !is_packed(c->in[1]) || p->m * p->k < ROUNDED_LEAST) return;
	p->way = WAY_BYTES;
	p->per_group = even_groups(p->n, BYTE_ROWS);
}

static struct product product_of(const vita_backend *backend, const op_call *c)
{
	const vita_tensor *x = c->in[0], *w = c->in[1];
	struct product p = { .way = WAY_ROWS, .k = columns_of(x), .m = op_last(w, 1), .dtype = w->dtype };
	p.planes = w->rank > 2 ? count_of(w, 2) : 1;
	p.n = w->rank > 2 ? op_last(x, 1) : count_of(x, 1);
	p.per_group = even_groups(p.n, MAX_ROWS);
	if (is_block(w->dtype)) {
		choose_way(backend, c, &p);
	} else if (p.n > MAX_ROWS && onednn_takes(backend, c)) {
		p.way = WAY_ONEDNN;
	} else {
		if (p.n > MAX_ROWS && backend->kernels->wide_f32) {
			const bool may_round = w->dtype != VITA_F32 && p.m * p.k >= ROUNDED_LEAST;
			const bool stays_bf16 = w->dtype == VITA_BF16 && backend->kernels->bf16_first;
			p.way = may_round && backend->kernels->half && !stays_bf16 ? WAY_HALF : WAY_WIDE;
			p.rounds = p.way == WAY_WIDE && may_round && backend->kernels->wide_bf16;
			p.per_group = even_groups(p.n, p.way == WAY_HALF ? HALF_ROWS : p.rounds ? backend->kernels->bf16_rows : WIDE_ROWS);
		}
		p.gathers = p.way != WAY_HALF && !p.rounds && !evenly_spaced(x);
	}
	return p;
}

/* ---- activations --------------------------------------------------------------------------------------- */

bool matmul_converts(const vita_backend *backend, const op_call *c)
{
	const struct product p = product_of(backend, c);
	return p.way == WAY_TILES || p.way == WAY_BYTES || p.way == WAY_HALF || p.rounds || p.gathers;
}

bool matmul_converts_alike(const vita_backend *backend, const op_call *a, const op_call *b)
{
	const struct product p = product_of(backend, a), q = product_of(backend, b);
	return p.dtype == q.dtype && p.way == q.way && p.rounds == q.rounds && p.gathers == q.gathers &&
	       (a->in[1]->rank > 2) == (b->in[1]->rank > 2);
}

struct quantised_rows matmul_quantised(const struct product *p, unsigned char *scratch, int64_t plane)
{
	const int64_t scales = (p->k + scale_span(p->dtype) - 1) / scale_span(p->dtype);
	const int64_t sums = p->way == WAY_BYTES ? scales : p->k / sum_span(p->dtype);
	const int64_t rows = p->planes * p->n;
	struct quantised_rows x = { .n = p->n, .k = p->k, .dtype = p->dtype, .per_group = p->per_group };
	float *scale = (float *)(void *)(scratch + aligned((uint64_t)(rows * p->k)));
	unsigned char *sum = (unsigned char *)scale + aligned((uint64_t)(rows * scales) * sizeof(float));
	x.q = (int8_t *)scratch + plane * p->n * p->k;
	x.scale = scale + plane * p->n * scales;
	x.sums = sum + plane * p->n * sums * (p->dtype == VITA_Q4_K && p->way == WAY_TILES ? 2 : 4);
	return x;
}

struct half_rows matmul_halved(const struct product *p, unsigned char *scratch, int64_t plane)
{
	struct half_rows x = { .n = p->n, .k = p->k, .padded = (p->k + 31) / 32 * 32, .per_group = p->per_group };
	const int64_t rows = p->planes * p->n;
	x.values = (uint16_t *)(void *)scratch + plane * p->n * x.padded;
	x.scale = (float *)(void *)(scratch + aligned((uint64_t)(rows * x.padded) * 2)) + plane * p->n;
	return x;
}

/* Bytes from a converted row to the next; bf16 rows not a multiple of a page apart, or they would compete for the same
 * lines of the cache. */
static int64_t converted_stride(const struct product *p)
{
	return p->rounds ? (int64_t)aligned((uint64_t)(p->k + 1) * 2) + 64 : p->k * 4;
}

void matmul_convert_needs(struct step *s)
{
	const struct product p = product_of(s->backend, s->c);
	const uint64_t rows = (uint64_t)(p.planes * p.n), k = (uint64_t)p.k;
	if (p.way == WAY_TILES || p.way == WAY_BYTES)
		s->shared = aligned(rows * k) + aligned(rows * (k / (uint64_t)scale_span(p.dtype) + 1) * sizeof(float)) +
		            rows * (k / (uint64_t)sum_span(p.dtype) + 1) * 4;
	else if (p.way == WAY_HALF) s->shared = aligned(rows * ((k + 31) / 32 * 32) * 2) + rows * sizeof(float);
	else s->shared = rows * (uint64_t)converted_stride(&p);
}

void matmul_convert_step(const struct step *s, int thread, int n_threads)
{
	const struct cpu_kernels *kernels = s->backend->kernels;
	const struct product p = product_of(s->backend, s->c);
	int64_t first, end;
	share(p.planes * p.n, thread, n_threads, &first, &end);
	for (int64_t i = first; i < end; i++) {
		const float *from = row_at(s->c->in[0], i);
		if (p.way == WAY_TILES || p.way == WAY_BYTES) {
			const struct quantised_rows x = matmul_quantised(&p, s->scratch, i / p.n);
			(p.way == WAY_TILES ? kernels->quantise : kernels->quantise_bytes)(from, i % p.n, &x);
		} else if (p.way == WAY_HALF) {
			const struct half_rows x = matmul_halved(&p, s->scratch, i / p.n);
			kernels->half->halve_row(from, i % p.n, &x);
		} else if (p.rounds) {
			uint16_t *to = (uint16_t *)(void *)(s->scratch + i * converted_stride(&p));
			to[p.k] = 0;
			kernels->round_bf16(from, to, p.k);
		} else {
			memcpy(s->scratch + i * converted_stride(&p), from, (size_t)p.k * sizeof *from);
		}
	}
}

/* ---- products -------------------------------------------------------------------------------------------- */

void matmul_multiply_needs(struct step *s)
{
	const struct product p = product_of(s->backend, s->c);
	if (p.way == WAY_TILES && !is_packed(s->c->in[1])) s->own = (uint64_t)packed_tile_bytes(p.dtype, p.k);
	if (is_wide(&p)) s->own = matmul_wide_needs(&p);
	if (p.way == WAY_ONEDNN) onednn_needs(s);
}

static tile_kernel *tile_kernel_of(const struct cpu_kernels *kernels, uint32_t dtype)
{
	switch (dtype) {
	case VITA_Q8_0: return kernels->tile_q8_0;
	case VITA_Q4_0: return kernels->tile_q4_0;
	case VITA_Q4_1: return kernels->tile_q4_1;
	case VITA_Q4_K: return kernels->tile_q4_k;
	default: return kernels->tile_q6_k;
	}
}

const char *matmul_activations(const struct tile *t, int64_t row, int64_t *stride)
{
	const struct product *p = t->p;
	const vita_tensor *x = t->step->c->in[0];
	const int64_t all = t->plane * p->n + row; /* row number among all planes */
	if (p->rounds || p->gathers) {
		*stride = converted_stride(p);
		return (const char *)t->step->scratch + all * *stride;
	}
	*stride = op_step(x, 1);
	return row_at(x, all);
}

static void multiply_rows(const struct tile *t, int64_t row, int n, float *out)
{
	const struct product *p = t->p;
	const struct cpu_kernels *kernels = t->step->backend->kernels;
	int64_t stride;
	const char *rows = matmul_activations(t, row, &stride);
	row_kernel *kernel = p->dtype == VITA_F32 ? kernels->rows_f32 : p->dtype == VITA_F16 ? kernels->rows_f16
	                                                                                      : kernels->rows_bf16;
	for (int i = 0; i < t->count; i += 4)
		kernel(t->memory + i * t->stride, t->stride, t->count - i < 4 ? t->count - i : 4, rows, stride, n, p->k, out + i);
}

/* Where the rows of y or the residual are not evenly spaced they go one by one. */
void matmul_finish(const struct tile *t, int64_t row, int64_t n, const float *out)
{
	const op_call *c = t->step->c;
	const vita_tensor *residual = c->in[3], *y = c->out[0];
	const bool together = evenly_spaced(y) && (!residual || evenly_spaced(residual));
	struct finish f = { .x_stride = TILE, .count = t->count };
	f.activation = ((const vita_matmul_params *)c->params)->activation;
	f.bias = c->in[2] ? vector_data(c->in[2]) + t->column : NULL;
	f.y_stride = op_step(y, 1);
	f.residual_stride = residual ? op_step(residual, 1) : 0;
	for (int64_t r = 0; r < n; r += together ? n : 1) {
		const int64_t all = t->plane * t->p->n + row + r;
		f.y = (float *)row_at(y, all) + t->column;
		f.residual = residual ? (const float *)row_at(residual, all) + t->column : NULL;
		t->step->backend->kernels->finish(&f, out + r * TILE + t->lane, together ? n : 1);
	}
}

/* Rows of one group of the plane times the tile. */
static void multiply_group(const struct tile *t, int64_t row, int n)
{
	const struct product *p = t->p;
	float out[TILE_ROWS * TILE] __attribute__((aligned(64)));
	if (p->way == WAY_TILES) {
		struct quantised_rows x = matmul_quantised(p, t->step->scratch, t->plane);
		const vita_tensor *y = t->step->c->out[0];
		x.next = t->next;
		if (n > MAX_ROWS && evenly_spaced(y)) {
			x.y = (const char *)row_at(y, t->plane * p->n + row) + t->column * (int64_t)sizeof(float);
			x.y_stride = op_step(y, 1);
		}
		tile_kernel_of(t->step->backend->kernels, p->dtype)(t->memory, &x, row / p->per_group, out);
	} else {
		multiply_rows(t, row, n, out);
	}
	matmul_finish(t, row, n, out);
}

static void multiply_groups(const struct tile *t, int64_t row, int64_t end)
{
	const int32_t most = t->p->per_group;
	for (; row < end; row += most) multiply_group(t, row, end - row < most ? (int)(end - row) : most);
}

/* Tile number `number` of a plane's weight; false where it has none of the view's rows. */
static void find_tile(struct tile *t, int64_t number, int thread)
{
	const vita_tensor *w = t->step->c->in[1];
	const struct product *p = t->p;
	int64_t skip = 0; /* rows of the first tile before the view */
	if (is_packed(w)) {
		int in_tile;
		const unsigned char *first = packed_row(w, 0, &in_tile);
		skip = in_tile;
		t->memory = first + number * packed_tile_bytes(p->dtype, p->k);
	}
	t->column = number * TILE - skip;
	t->lane = t->column < 0 ? (int)-t->column : 0;
	t->column += t->lane;
	t->count = TILE - t->lane;
	if (p->m - t->column < t->count) t->count = (int)(p->m - t->column);
	t->bytes = is_packed(w) ? packed_tile_bytes(p->dtype, p->k) : op_step(w, 1) * TILE;
	if (is_packed(w)) return;
	t->stride = op_step(w, 1);
	const unsigned char *rows = row_of_plane(w, t->plane, t->column);
	unsigned char *own = own_scratch(t->step, thread);
	if (p->way == WAY_TILES) pack_tile(p->dtype, rows, t->stride, t->count, p->k, own);
	t->memory = p->way == WAY_TILES ? own : rows;
}

static int64_t tiles_of(const struct step *s, const struct product *p)
{
	int skip = 0;
	if (is_packed(s->c->in[1])) (void)packed_row(s->c->in[1], 0, &skip);
	return (skip + p->m + TILE - 1) / TILE;
}

/* Rows of a plane that go through a run of tiles together: a whole number of groups. Laying out a tile costs, so then
 * more rows go together. */
static int64_t chunk_of(const struct step *s, const struct product *p)
{
	const int64_t bytes = p->k * (p->way == WAY_TILES ? 1 : 4);
	int64_t rows = CHUNK_BYTES / (bytes > 0 ? bytes : 1);
	if (is_wide(p)) return matmul_wide_chunk(p);
	if (p->way == WAY_TILES && !is_packed(s->c->in[1])) return p->n;
	rows = rows / p->per_group * p->per_group;
	return rows < p->per_group ? p->per_group : rows;
}

/* How tiles are handed out: long runs first, one for each thread, so that memory is read in order; the rest in short
 * ones, so that threads end together. */
struct runs {
	int64_t tiles, n_long, per_long, n_short, per_short;
};

static struct runs runs_of(int64_t tiles, int n_threads)
{
	struct runs r = { .tiles = tiles, .per_short = tiles / (n_threads * 32) + 1 };
	r.per_long = tiles * 3 / (4 * n_threads);
	r.n_long = r.per_long > r.per_short ? n_threads : 0;
	r.n_short = (tiles - r.n_long * r.per_long + r.per_short - 1) / r.per_short;
	return r;
}

/* Tiles first … end - 1 of run number i. */
static void run_of(const struct runs *r, int64_t i, int64_t *first, int64_t *end)
{
	const int64_t longs = r->n_long * r->per_long, per = i < r->n_long ? r->per_long : r->per_short;
	*first = i < r->n_long ? i * per : longs + (i - r->n_long) * per;
	*end = *first + per < r->tiles ? *first + per : r->tiles;
}

/* Where a thread begins to read for a product: its first run is the one of its number. */
static const unsigned char *first_memory(const struct step *s, int thread, int n_threads)
{
	const vita_tensor *w = s->c->in[1];
	int64_t first, end;
	int skip;
	if (!is_packed(w)) return tensor_data(w);
	const struct product p = product_of(s->backend, s->c);
	const struct runs runs = runs_of(tiles_of(s, &p), n_threads);
	run_of(&runs, thread, &first, &end);
	return packed_row(w, 0, &skip) + first * packed_tile_bytes(p.dtype, p.k);
}

/* A thread's work at a product. */
struct work {
	const struct step *s;
	const struct product *p;
	struct runs runs;
	int64_t chunk, n_items; /* rows that meet a tile one after another; runs for all of them, in all planes */
	int thread, n_threads;
};

static int64_t next_run(const struct work *w)
{
	const int64_t item = next_item(w->s, w->n_items - w->n_threads);
	return item < 0 ? -1 : item + w->n_threads;
}

/* One run of tiles. Takes the next one before the last tiles, so that it is known where to read on. */
static int64_t multiply_run(const struct work *w, int64_t item)
{
	const struct product *p = w->p;
	const int64_t n_runs = w->runs.n_long + w->runs.n_short, chunks = w->n_items / n_runs / p->planes;
	const int64_t row0 = item / n_runs % chunks * w->chunk, row_end = row0 + w->chunk < p->n ? row0 + w->chunk : p->n;
	const int most = is_wide(p) ? matmul_wide_tiles(p) : 1;
	struct tile t[MATMUL_MOST_TILES];
	int64_t tile, end, next = -1, next_tile, next_end;
	run_of(&w->runs, item % n_runs, &tile, &end);
	while (tile < end) {
		int n = 0;
		for (; n < most && tile < end; n++, tile++) {
			t[n] = (struct tile){ .step = w->s, .p = p, .plane = item / n_runs / chunks };
			find_tile(&t[n], tile, w->thread);
			t[n].next = t[n].memory + t[n].bytes;
		}
		struct tile *last = &t[n - 1];
		if (tile == end) {
			next = next_run(w);
			if (next >= 0) run_of(&w->runs, next % n_runs, &next_tile, &next_end);
			if (next >= 0) last->next = last->memory + (next_tile - tile + 1) * last->bytes;
			else if (w->s->then) last->next = first_memory(w->s->then, w->thread, w->n_threads);
		}
		if (is_wide(p)) matmul_wide(t, n, row0, row_end, w->thread);
		else multiply_groups(t, row0, row_end);
	}
	return next;
}

void matmul_multiply_step(const struct step *s, int thread, int n_threads)
{
	const struct product p = product_of(s->backend, s->c);
	if (p.way == WAY_ONEDNN) {
		onednn_multiply(s, thread);
		return;
	}
	struct work w = { .s = s, .p = &p, .runs = runs_of(tiles_of(s, &p), n_threads), .chunk = chunk_of(s, &p) };
	w.thread = thread, w.n_threads = n_threads;
	w.n_items = p.planes * ((p.n + w.chunk - 1) / w.chunk) * (w.runs.n_long + w.runs.n_short);
	for (int64_t item = thread < w.n_items ? thread : -1; item >= 0;) item = multiply_run(&w, item);
}
