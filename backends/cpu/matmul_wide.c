/* SPDX-License-Identifier: MIT
 *
 * Products of many rows: a tile of weights is laid out anew, a run of columns at a time, and meets group after group of
 * rows of activations. Laying out costs, so many rows go together.
 *
 * In f16 a tile is so quickly through that activations which come from beyond the second-level cache hold it up. So runs
 * of columns are the outermost loop there, and several tiles have their sums in memory: what a run needs of the
 * activations is read once for all of them.
 */
#include "matmul.h"

#define BYTE_COLUMNS 512 /* of a tile made bytes at a time: it stays in the first-level cache */
#define BYTE_SCALES (BYTE_COLUMNS / SPAN * TILE)
#define WIDE_COLUMNS 2048 /* of a tile laid out at a time: it stays in the second-level cache */
#define WIDE_CHUNK 512    /* rows that meet it */

/* In f16 */
#define HALF_COLUMNS 2048             /* of a run at most */
#define HALF_CHUNK 768                /* rows that meet a tile, */
#define HALF_ROWS_BYTES (1280 * 1024) /* and bytes of them in a run: most of the second-level cache */

/* ---- sizes ------------------------------------------------------------------------------------------------ */

/* Whole groups; in f16 chunks are about alike, since tiles are laid out for a short one too. */
int64_t matmul_wide_chunk(const struct product *p)
{
	const int64_t most = p->way == WAY_HALF ? HALF_CHUNK : WIDE_CHUNK / p->per_group * p->per_group;
	if (p->way != WAY_HALF) return most < p->per_group ? p->per_group : most;
	const int64_t chunks = (p->n + most - 1) / most, rows = (p->n + chunks - 1) / chunks;
	return (rows + p->per_group - 1) / p->per_group * p->per_group;
}

int matmul_wide_tiles(const struct product *p)
{
	return p->way == WAY_HALF ? MATMUL_MOST_TILES : 1;
}

/* Columns of a run in f16: runs are about alike, and end where sums end anyway. */
static int64_t half_columns(const struct product *p)
{
	int64_t most = HALF_ROWS_BYTES / (2 * matmul_wide_chunk(p)) / HALF_SUM * HALF_SUM;
	if (most > HALF_COLUMNS) most = HALF_COLUMNS;
	const int64_t runs = (p->k + most - 1) / most;
	return runs < 2 ? most : ((p->k + runs - 1) / runs + HALF_SUM - 1) / HALF_SUM * HALF_SUM;
}

uint64_t matmul_wide_needs(const struct product *p)
{
	const uint64_t sums = (uint64_t)matmul_wide_chunk(p) * TILE * sizeof(float);
	if (p->way == WAY_BYTES) return BYTE_COLUMNS * TILE + BYTE_SCALES * sizeof(float) + sums;
	if (p->way == WAY_WIDE) return WIDE_COLUMNS * WIDE * sizeof(float) + sums;
	return HALF_COLUMNS * WIDE * sizeof(uint16_t) + sums * MATMUL_MOST_TILES;
}

/* ---- what is needed soon ----------------------------------------------------------------------------------- */

/* While group i of n is multiplied, bring some of what is read next into the cache: rows that each come from another page
 * would arrive slowly. Not before the last groups, or the activations of the others drive it out again. */
static void fetch_next(const unsigned char *next, int64_t bytes, int64_t i, int64_t n)
{
	const int64_t late = n - n / 4 - 1;
	if (i < late) return;
	const int64_t from = bytes * (i - late) / (n - late), end = bytes * (i - late + 1) / (n - late);
	for (int64_t at = from & -64; at < end; at += 64) __builtin_prefetch(next + at, 0, 2);
}

/* While group i of n is multiplied, bring its share of a plain tile's rows. */
static void fetch_rows(const struct tile *t, int64_t first, int64_t columns, int64_t i, int64_t n)
{
	int64_t row, end;
	share(t->count, (int)i, (int)n, &row, &end);
	for (; row < end; row++)
		for (int64_t at = 0; at < 2 * columns; at += 64)
			__builtin_prefetch(t->memory + row * t->stride + 2 * first + at, 0, 2);
}

/* Rows of y are written soon. */
static void fetch_rows_of_y(const struct tile *t, int64_t row, int64_t n)
{
	const vita_tensor *y = t->step->c->out[0];
	for (int64_t r = 0; r < n; r++) {
		const float *at = (const float *)row_at(y, t->plane * t->p->n + row + r) + t->column;
		__builtin_prefetch(at, 1, 3);
		__builtin_prefetch(at + t->count - 1, 1, 3);
		__builtin_prefetch(at + t->count / 2, 1, 3);
	}
}

/* ---- ways ----------------------------------------------------------------------------------------------------- */

/* Rows row … end - 1 of the plane times a packed tile, a run of columns after the other, group by group. */
static void multiply_bytes(const struct tile *t, int64_t row, int64_t end, int thread)
{
	const struct product *p = t->p;
	const struct cpu_kernels *kernels = t->step->backend->kernels;
	unsigned char *own = own_scratch(t->step, thread);
	const struct byte_tile w = { own, (float *)(void *)(own + BYTE_COLUMNS * TILE) };
	float *out = w.scale + BYTE_SCALES;
	const struct quantised_rows x = matmul_quantised(p, t->step->scratch, t->plane);
	const int64_t groups = (end - row + p->per_group - 1) / p->per_group, run_bytes = packed_tile_bytes(p->dtype, BYTE_COLUMNS);
	memset(out, 0, (size_t)((end - row) * TILE) * sizeof *out);
	for (int64_t j = 0; j < p->k; j += BYTE_COLUMNS) {
		const bool last = p->k - j <= BYTE_COLUMNS;
		const int64_t columns = last ? p->k - j : BYTE_COLUMNS;
		const unsigned char *from = t->memory + packed_tile_bytes(p->dtype, j);
		kernels->spread(p->dtype, from, columns, w.bytes, w.scale);
		for (int64_t i = row, group = 0; i < end; i += p->per_group, group++) {
			const int n = end - i < p->per_group ? (int)(end - i) : p->per_group;
			fetch_next(last ? t->next : from + run_bytes, run_bytes, group, groups);
			if (last) fetch_rows_of_y(t, i, n);
			kernels->bytes(&w, &x, i / p->per_group, j, columns, out + (i - row) * TILE);
			if (last) matmul_finish(t, i, n, out + (i - row) * TILE);
		}
	}
}

/* Rows row … end - 1 of the plane times the tile, a run of columns after the other, group by group. */
static void multiply_wide(const struct tile *t, int64_t row, int64_t end, int thread)
{
	const struct product *p = t->p;
	const struct cpu_kernels *kernels = t->step->backend->kernels;
	char *wide = own_scratch(t->step, thread);
	float *out = (float *)(void *)(wide + aligned(WIDE_COLUMNS * WIDE * sizeof(float)));
	const int64_t size = (int64_t)vita_dtype_bytes(p->dtype), x_size = p->rounds ? 2 : 4;
	const int64_t groups = (end - row + p->per_group - 1) / p->per_group, runs = (p->k + WIDE_COLUMNS - 1) / WIDE_COLUMNS;
	int64_t part = 0;
	memset(out, 0, p->k == 0 ? (size_t)(end - row) * WIDE * sizeof *out : 0);
	for (int64_t j = 0; j < p->k; j += WIDE_COLUMNS) {
		const int64_t columns = p->k - j < WIDE_COLUMNS ? p->k - j : WIDE_COLUMNS;
		(p->rounds ? kernels->widen_bf16 : kernels->widen_f32)(p->dtype, t->memory + j * size, t->stride, t->count, columns,
		                                                        wide);
		for (int64_t i = row; i < end; i += p->per_group) {
			int64_t stride;
			const char *x = matmul_activations(t, i, &stride) + j * x_size;
			fetch_next(t->next, t->bytes, part++, groups * runs);
			(p->rounds ? kernels->wide_bf16 : kernels->wide_f32)(
				wide, x, stride, end - i < p->per_group ? (int)(end - i) : p->per_group, columns,
				out + (i - row) * WIDE, j > 0);
		}
	}
	matmul_finish(t, row, end - row, out);
}

/* What each thread has for products in f16. */
struct halves {
	struct half_rows x;
	uint16_t *tile;
	float *sums;             /* [tiles][rows][WIDE] */
	int64_t row, end, rows;  /* of the plane */
	int32_t per_group;
};

static int group_at(const struct halves *h, int64_t row)
{
	return h->end - row < h->per_group ? (int)(h->end - row) : h->per_group;
}

/* A tile's columns j … j + columns - 1; meanwhile those of `next` from `first` on come, where there is one. */
static void multiply_half_run(const struct halves *h, const struct tile *t, int64_t j, int64_t columns,
                              const struct tile *next, int64_t first, float *sums)
{
	const struct half_kernels *kernels = t->step->backend->kernels->half;
	const float scale = kernels->halve(t->p->dtype, t->memory + j * 2, t->stride, t->count, columns, h->tile);
	const int64_t groups = (h->rows + h->per_group - 1) / h->per_group;
	const int64_t next_columns = t->p->k - first < columns ? t->p->k - first : columns;
	for (int64_t row = h->row, group = 0; row < h->end; row += h->per_group, group++) {
		const int n = group_at(h, row);
		if (next) fetch_rows(next, first, next_columns, group, groups);
		kernels->multiply(h->tile, scale, h->x.values + row * h->x.padded + j * n, h->x.scale + row, n, columns,
		                  sums + (row - h->row) * WIDE, j > 0);
	}
}

static void multiply_halves(const struct tile *tiles, int n, int64_t row, int64_t end, int thread)
{
	const struct product *p = tiles->p;
	struct halves h = { .row = row, .end = end, .rows = end - row, .per_group = p->per_group };
	const int64_t run = half_columns(p);
	h.x = matmul_halved(p, tiles->step->scratch, tiles->plane);
	h.tile = own_scratch(tiles->step, thread);
	h.sums = (float *)(void *)(h.tile + HALF_COLUMNS * WIDE);
	for (int64_t j = 0; j < p->k; j += run)
		for (int i = 0; i < n; i++) {
			const bool last = i + 1 == n, ends = j + run >= p->k;
			multiply_half_run(&h, &tiles[i], j, p->k - j < run ? p->k - j : run, last && ends ? NULL : &tiles[last ? 0 : i + 1],
			                  last ? j + run : j, h.sums + i * h.rows * WIDE);
		}
	for (; row < end; row += h.per_group)
		for (int i = 0; i < n; i++) {
			if (i + 1 < n) fetch_rows_of_y(&tiles[i + 1], row, group_at(&h, row));
			matmul_finish(&tiles[i], row, group_at(&h, row), h.sums + (i * h.rows + row - h.row) * WIDE);
		}
}

void matmul_wide(const struct tile *tiles, int n, int64_t row, int64_t end, int thread)
{
	switch (tiles->p->way) {
	case WAY_BYTES: multiply_bytes(tiles, row, end, thread); return;
	case WAY_WIDE: multiply_wide(tiles, row, end, thread); return;
	default: multiply_halves(tiles, n, row, end, thread);
	}
}
