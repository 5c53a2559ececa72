/* SPDX-License-Identifier: MIT
 *
 * Matrix products for training. The right factor is laid out anew in panels of 32 columns, for all threads; then
 * blocks of the result are handed out. In bf16 the left factor is laid out anew too, as rows of halves.
 */
#include "train.h"

#define BLOCK_M 48        /* rows of a block of the result */
#define BLOCK_M_HALVES 64 /* the same for bf16, at most: whole groups */
#define BLOCK_PANELS 4    /* panels of 32 columns of a block */
#define BLOCK_K 256       /* terms that a panel's part in the cache has */

struct product_work {
	struct train_work work;
	const struct product *p;
	unsigned char *panels;    /* [n_panels] of panel_bytes */
	unsigned char *halves;    /* bf16: left factor [m][k_even] */
	unsigned char *own;       /* a thread's scratch, own_bytes each */
	uint64_t panel_bytes, half_bytes, own_bytes;
	int64_t n_panels;
	int64_t b_at[BLOCK_K];
	atomic_llong packed;      /* pieces of the left factor handed out */
};

/* ---- laying out anew -------------------------------------------------------------------------------- */

static int64_t panel_width(const struct product_work *w, int64_t panel)
{
	const int64_t left = w->p->n - panel * WIDE;
	return left < WIDE ? left : WIDE;
}

/* Rows of the right factor lie along the columns of the result. */
static void pack_rows(const struct product_work *w, int64_t panel, float *out)
{
	const struct product *p = w->p;
	const int64_t width = panel_width(w, panel);
	const float *from = p->b + panel * WIDE;
	for (int64_t i = 0; i < p->k; i++, from += p->b_row, out += WIDE) {
		memcpy(out, from, (size_t)width * sizeof *out);
		for (int64_t j = width; j < WIDE; j++) out[j] = 0;
	}
}

static void pack_rows_halves(const struct product_work *w, int64_t panel, uint32_t *out)
{
	static const float zeros[WIDE];
	const struct product *p = w->p;
	const int64_t width = panel_width(w, panel);
	const float *from = p->b + panel * WIDE;
	for (int64_t i = 0; i < p->k; i += 2, from += 2 * p->b_row, out += WIDE) {
		w->work.kernels->pair_bf16(from, i + 1 < p->k ? from + p->b_row : zeros, out, width);
		for (int64_t j = width; j < WIDE; j++) out[j] = 0;
	}
}

/* Rows of the right factor lie along the sum: weights as they are stored. */
static void pack_columns(const struct product_work *w, int64_t panel, void *out)
{
	const struct product *p = w->p;
	const int width = (int)panel_width(w, panel);
	const float *from = p->b + panel * WIDE * p->b_step;
	const struct cpu_kernels *kernels = w->work.kernels;
	widen_kernel *widen = p->bf16 ? kernels->widen_bf16 : kernels->widen_f32;
	if (widen) {
		widen(VITA_F32, from, p->b_step * (int64_t)sizeof *from, width, p->k, out);
		return;
	}
	float *to = out;
	for (int64_t i = 0; i < p->k; i++, to += WIDE)
		for (int64_t j = 0; j < WIDE; j++) to[j] = j < width ? from[j * p->b_step + i] : 0;
}

static void pack_panel(const struct product_work *w, int64_t panel)
{
	void *out = w->panels + (uint64_t)panel * w->panel_bytes;
	if (w->p->b_step != 1) pack_columns(w, panel, out);
	else if (w->p->bf16) pack_rows_halves(w, panel, out);
	else pack_rows(w, panel, out);
}

/* Piece number `piece` of the left factor as halves: WIDE of its rows, or where the sum runs along its rows' columns,
 * WIDE terms of all rows. */
static int64_t half_pieces(const struct product *p)
{
	return ((p->a_step == 1 ? p->m : p->k) + WIDE - 1) / WIDE;
}

static uint16_t *half_row(const struct product_work *w, int64_t row)
{
	return (uint16_t *)(void *)(w->halves + (uint64_t)row * w->half_bytes);
}

static void pack_halves(const struct product_work *w, int64_t piece, float *tile)
{
	const struct product *p = w->p;
	const struct cpu_kernels *kernels = w->work.kernels;
	const int64_t first = piece * WIDE, all = p->a_step == 1 ? p->m : p->k;
	const int n = (int)(all - first < WIDE ? all - first : WIDE);
	if (p->a_step == 1) {
		for (int64_t i = first; i < first + n; i++) {
			kernels->round_bf16(p->a + i * p->a_row, half_row(w, i), p->k);
			if (p->k % 2) half_row(w, i)[p->k] = 0;
		}
		return;
	}
	/* The last piece is cut to whole pairs; lanes beyond n are zeros. */
	kernels->widen_f32(VITA_F32, p->a + first * p->a_step, p->a_step * (int64_t)sizeof *p->a, n, p->m, tile);
	for (int64_t i = 0; i < p->m; i++) kernels->round_bf16(tile + i * WIDE, half_row(w, i) + first, (n + 1) / 2 * 2);
}

/* ---- blocks of the result --------------------------------------------------------------------------- */

/* Columns `first` … of n rows of the result are done but for what stands at the end of a product. */
static void finish_rows(const struct cpu_kernels *kernels, const struct product *p, int64_t row, int64_t n,
                        int64_t first, int64_t width)
{
	for (int64_t i = row; i < row + n; i++) {
		float *c = p->c + i * p->c_row + first;
		if (p->bias) kernels->add_scaled(c, p->bias + first, 1, width);
		if (p->residual) kernels->add_scaled(c, p->residual + i * p->residual_row + first, 1, width);
	}
}

/* Part of a sum for up to BLOCK_ROWS rows and one panel. */
static void panel_rows(const struct product_work *w, const float *a, int64_t a_row, int64_t a_step, int64_t row, int n,
                       int64_t panel, int64_t from, int64_t k)
{
	const struct product *p = w->p;
	const float *b = (const float *)(const void *)(w->panels + (uint64_t)panel * w->panel_bytes) + from * WIDE;
	const int64_t width = panel_width(w, panel);
	float *c = p->c + row * p->c_row + panel * WIDE, edge[BLOCK_ROWS * WIDE];
	const bool add = p->add || from > 0;
	if (width == WIDE) {
		w->work.kernels->block(a, a_row, a_step, b, w->b_at, k, n, c, p->c_row, add);
		return;
	}
	w->work.kernels->block(a, a_row, a_step, b, w->b_at, k, n, edge, WIDE, false);
	for (int i = 0; i < n; i++)
		for (int64_t j = 0; j < width; j++) c[i * p->c_row + j] = edge[i * WIDE + j] + (add ? c[i * p->c_row + j] : 0);
}

/* Left factor whose rows' columns the sum runs along: a strip of it, so that the kernel reads it line by line. */
static void take_strip(const struct product *p, int64_t row, int n, int64_t from, int64_t k, float *strip)
{
	const float *a = p->a + row + from * p->a_step;
	for (int64_t i = 0; i < k; i++, a += p->a_step, strip += BLOCK_ROWS)
		for (int r = 0; r < n; r++) strip[r] = a[r];
}

static void block_f32(const struct product_work *w, int64_t row, int64_t end, int64_t panel, int64_t last, float *strip)
{
	const struct product *p = w->p;
	for (int64_t from = 0; from < p->k; from += BLOCK_K) {
		const int64_t k = p->k - from < BLOCK_K ? p->k - from : BLOCK_K;
		const bool along = p->a_step == 1;
		for (int64_t i = row; !along && i < end; i += BLOCK_ROWS)
			take_strip(p, i, (int)(end - i < BLOCK_ROWS ? end - i : BLOCK_ROWS), from, k,
			           strip + (i - row) / BLOCK_ROWS * BLOCK_ROWS * BLOCK_K);
		for (int64_t j = panel; j < last; j++)
			for (int64_t i = row; i < end; i += BLOCK_ROWS) {
				const int n = (int)(end - i < BLOCK_ROWS ? end - i : BLOCK_ROWS);
				const float *a = along ? p->a + i * p->a_row + from
				                       : strip + (i - row) / BLOCK_ROWS * BLOCK_ROWS * BLOCK_K;
				panel_rows(w, a, along ? p->a_row : 1, along ? 1 : BLOCK_ROWS, i, n, j, from, k);
			}
	}
}

static void block_bf16(const struct product_work *w, int64_t row, int64_t end, int64_t panel, int64_t last, float *tile)
{
	const struct product *p = w->p;
	const int64_t k = (p->k + 1) / 2 * 2, most = w->work.kernels->bf16_rows;
	for (int64_t j = panel; j < last; j++) {
		const unsigned char *b = w->panels + (uint64_t)j * w->panel_bytes;
		const int64_t width = panel_width(w, j);
		for (int64_t i = row; i < end; i += most) {
			const int n = (int)(end - i < most ? end - i : most);
			w->work.kernels->wide_bf16(b, half_row(w, i), (int64_t)w->half_bytes, n, k, tile, false);
			for (int r = 0; r < n; r++) {
				float *c = p->c + (i + r) * p->c_row + j * WIDE;
				if (p->add) w->work.kernels->add_scaled(c, tile + r * WIDE, 1, width);
				else memcpy(c, tile + r * WIDE, (size_t)width * sizeof *c);
			}
		}
	}
}

static void multiply(void *work, int thread, int n_threads)
{
	struct product_work *w = work;
	const struct product *p = w->p;
	const int64_t group = p->bf16 ? w->work.kernels->bf16_rows : 1;
	const int64_t per_block = p->bf16 ? BLOCK_M_HALVES / group * group : BLOCK_M;
	const int64_t columns = (w->n_panels + BLOCK_PANELS - 1) / BLOCK_PANELS;
	const int64_t pieces = p->bf16 ? half_pieces(p) : 0, blocks = (p->m + per_block - 1) / per_block * columns;
	float *own = (float *)(void *)(w->own + (uint64_t)thread * w->own_bytes);
	int64_t item;
	while ((item = atomic_fetch_add_explicit(&w->packed, 1, memory_order_relaxed)) < w->n_panels + pieces) {
		if (item < w->n_panels) pack_panel(w, item);
		else pack_halves(w, item - w->n_panels, own);
	}
	team_meet(&w->work.barrier, n_threads);
	while ((item = train_next(&w->work, blocks)) >= 0) {
		const int64_t row = item / columns * per_block, panel = item % columns * BLOCK_PANELS;
		const int64_t end = p->m - row < per_block ? p->m : row + per_block;
		const int64_t last = w->n_panels - panel < BLOCK_PANELS ? w->n_panels : panel + BLOCK_PANELS;
		const int64_t first = panel * WIDE, width = (last * WIDE < p->n ? last * WIDE : p->n) - first;
		if (p->bf16) block_bf16(w, row, end, panel, last, own);
		else block_f32(w, row, end, panel, last, own);
		if (p->bias || p->residual) finish_rows(w->work.kernels, p, row, end - row, first, width);
	}
}

/* A sum of nothing. */
static void clear(const struct cpu_kernels *kernels, const struct product *p)
{
	for (int64_t i = 0; i < p->m && !p->add; i++) memset(p->c + i * p->c_row, 0, (size_t)p->n * sizeof *p->c);
	if (p->bias || p->residual) finish_rows(kernels, p, 0, p->m, 0, p->n);
}

void train_product(vita_backend *backend, train_call *c, const struct product *asked)
{
	const struct cpu_kernels *kernels = backend->kernels;
	struct product p = *asked;
	struct product_work w = { .p = &p };
	if (c->status != VITA_OK || p.m == 0 || p.n == 0) return;
	if (p.k == 0) {
		clear(kernels, &p);
		return;
	}
	p.bf16 = p.bf16 && kernels->wide_bf16 && kernels->widen_bf16 && kernels->widen_f32;
	const uint64_t k = (uint64_t)(p.k + 1) / 2 * 2;
	const int64_t group = kernels->bf16_rows;
	w.n_panels = (p.n + WIDE - 1) / WIDE;
	w.panel_bytes = aligned(k * WIDE * (p.bf16 ? sizeof(uint16_t) : sizeof(float)));
	w.half_bytes = p.bf16 ? aligned(k * sizeof(uint16_t)) : 0;
	w.own_bytes = p.bf16 ? aligned((uint64_t)(p.m > group ? p.m : group) * WIDE * sizeof(float))
	                     : aligned(BLOCK_M * BLOCK_K * sizeof(float));
	const uint64_t panels = (uint64_t)w.n_panels * w.panel_bytes;
	w.panels = trainer_scratch(backend, c, TRAIN_SHARED, panels + (uint64_t)p.m * w.half_bytes);
	w.own = trainer_scratch(backend, c, TRAIN_OWN, w.own_bytes * (uint64_t)backend->threads);
	if (c->status != VITA_OK) return;
	w.halves = w.panels + panels;
	for (int64_t i = 0; i < BLOCK_K; i++) w.b_at[i] = i * WIDE;
	trainer_run(backend, &w.work, multiply);
}
