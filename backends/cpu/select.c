/* SPDX-License-Identifier: MIT
 *
 * ARGMAX, TOP_K, NEAREST and REDUCE.
 */
#include <float.h>
#include <math.h>

#include "cpu.h"

/* The first index of the largest value; NaN never wins, and a row of nothing else gives 0. */
static int32_t index_of_largest(const struct cpu_kernels *kernels, const float *x, int64_t n)
{
	const float largest = kernels->largest(x, n);
	for (int64_t i = 0; i < n; i++)
		if (x[i] == largest) return (int32_t)i;
	return 0;
}

void argmax_step(const struct step *s, int thread, int n_threads)
{
	const vita_tensor *x = s->c->in[0], *y = s->c->out[0];
	int64_t first, end;
	share(count_of(x, 1), thread, n_threads, &first, &end);
	for (int64_t i = first; i < end; i++) {
		const int32_t best = index_of_largest(s->backend->kernels, row_at(x, i), columns_of(x));
		memcpy(view_at(y, 0, i), &best, sizeof best);
	}
}

/* ---- TOP_K --------------------------------------------------------------------------------------------- */

/* Larger values come first, then lower indices; NaN comes after all numbers. */
static bool before(const float *x, int32_t a, int32_t b)
{
	if (isnan(x[a]) != isnan(x[b])) return isnan(x[b]);
	if (x[a] != x[b] && !isnan(x[a])) return x[a] > x[b];
	return a < b;
}

/* A heap of indices with the worst at its root: no child comes after its parent. Restore that below i. */
static void sink(const float *x, int32_t *heap, int64_t n, int64_t i)
{
	for (;;) {
		int64_t child = 2 * i + 1;
		const int32_t moved = heap[i];
		if (child >= n) return;
		if (child + 1 < n && before(x, heap[child], heap[child + 1])) child++;
		if (!before(x, heap[i], heap[child])) return;
		heap[i] = heap[child];
		heap[child] = moved;
		i = child;
	}
}

/* The best n of 0 … k - 1 in order: a heap of the best seen so far, then emptied from the worst upwards. Most
 * values are not above its worst and cost one comparison. */
static void choose(const float *x, int64_t k, int64_t n, int32_t *heap)
{
	if (n == 0) return;
	for (int64_t i = 0; i < n; i++) heap[i] = (int32_t)i;
	for (int64_t i = n / 2; i-- > 0;) sink(x, heap, n, i);
	for (int64_t i = n; i < k; i++) {
		if (x[i] <= x[heap[0]] || !before(x, (int32_t)i, heap[0])) continue;
		heap[0] = (int32_t)i;
		sink(x, heap, n, 0);
	}
	for (int64_t left = n - 1; left > 0; left--) {
		const int32_t worst = heap[0];
		heap[0] = heap[left];
		heap[left] = worst;
		sink(x, heap, left, 0);
	}
}

void top_k_step(const struct step *s, int thread, int n_threads)
{
	const vita_tensor *x = s->c->in[0], *values = s->c->out[0], *indices = s->c->out[1];
	const int64_t n = columns_of(values);
	int64_t first, end;
	share(count_of(x, 1), thread, n_threads, &first, &end);
	for (int64_t i = first; i < end; i++) {
		const float *from = row_at(x, i);
		float *to = row_at(values, i);
		int32_t *index = row_at(indices, i);
		if (n == 1) *index = index_of_largest(s->backend->kernels, from, columns_of(x));
		else choose(from, columns_of(x), n, index);
		for (int64_t j = 0; j < n; j++) to[j] = from[index[j]];
	}
}

/* ---- NEAREST ------------------------------------------------------------------------------------------- */

#define NEAREST_ROWS 64

/* What a thread works with: rows first … first + n - 1 of x, what is nearest to each so far, and memory for a tile of
 * codes, for the tile's products with the rows, and for one code. */
struct nearest {
	const struct step *s;
	const vita_tensor *x, *codebook;
	int64_t first, n, d;
	double best[NEAREST_ROWS], squares[NEAREST_ROWS];
	int32_t at[NEAREST_ROWS];
	float *tile, *products, *code;
};

void nearest_needs(struct step *s)
{
	const uint64_t d = (uint64_t)columns_of(s->c->in[0]);
	s->own = aligned(d * WIDE * sizeof(float)) + aligned(NEAREST_ROWS * WIDE * sizeof(float)) + d * sizeof(float);
}

static double exact_distance(const float *a, const float *b, int64_t n)
{
	double sum = 0;
	for (int64_t i = 0; i < n; i++) sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
	return sum;
}

static const float *code_of(const struct nearest *w, int64_t j)
{
	if (w->codebook->dtype == VITA_F32) return row_at(w->codebook, j);
	w->s->backend->kernels->to_f32(w->codebook->dtype, row_at(w->codebook, j), w->code, w->d);
	return w->code;
}

/* Is code j nearer to row i than the best so far? Where it comes near that the distance is computed once more in
 * double, so that rounding decides nothing. */
static void consider(struct nearest *w, int64_t i, int64_t j, const float *code)
{
	const float *row = row_at(w->x, w->first + i);
	if (w->s->backend->kernels->squared_distance(row, code, w->d) > w->best[i] * 1.0001) return;
	const double distance = exact_distance(row, code, w->d);
	if (distance < w->best[i]) w->best[i] = distance, w->at[i] = (int32_t)j;
}

/* A tile of codes meets all rows as in a product, and only codes that |x|² + |c|² - 2xc leaves in question are looked at
 * one by one. The sums of d products are off by less than d · epsilon of |x||c|. */
static void nearest_of_tile(struct nearest *w, int64_t j, int count)
{
	const struct cpu_kernels *kernels = w->s->backend->kernels;
	const double slack = 2 * (double)w->d * (double)FLT_EPSILON;
	float squares[WIDE] = { 0 };
	kernels->widen_f32(w->codebook->dtype, row_at(w->codebook, j), op_step(w->codebook, 1), count, w->d, w->tile);
	for (int64_t k = 0; k < w->d; k++)
		for (int l = 0; l < WIDE; l++) squares[l] += w->tile[k * WIDE + l] * w->tile[k * WIDE + l];
	for (int64_t i = 0; i < w->n; i += WIDE_ROWS) {
		const int n = w->n - i < WIDE_ROWS ? (int)(w->n - i) : WIDE_ROWS;
		kernels->wide_f32(w->tile, row_at(w->x, w->first + i), op_step(w->x, 1), n, w->d, w->products + i * WIDE, false);
	}
	for (int64_t i = 0; i < w->n; i++)
		for (int l = 0; l < count; l++) {
			const double both = w->squares[i] + (double)squares[l];
			if (both - 2 * (double)w->products[i * WIDE + l] - slack * both > w->best[i]) continue;
			consider(w, i, j + l, code_of(w, j + l));
		}
}

static void nearest_rows(struct nearest *w)
{
	const struct cpu_kernels *kernels = w->s->backend->kernels;
	const int64_t n_codes = w->codebook->shape[0];
	for (int64_t i = 0; i < w->n; i++) {
		w->best[i] = INFINITY;
		w->at[i] = 0;
		w->squares[i] = kernels->sum_squares(row_at(w->x, w->first + i), 0, w->d);
	}
	if (kernels->wide_f32 && w->n > 4) {
		for (int64_t j = 0; j < n_codes; j += WIDE) nearest_of_tile(w, j, n_codes - j < WIDE ? (int)(n_codes - j) : WIDE);
		return;
	}
	for (int64_t j = 0; j < n_codes; j++) {
		const float *code = code_of(w, j);
		for (int64_t i = 0; i < w->n; i++) consider(w, i, j, code);
	}
}

/* Rows of x are shared out. */
void nearest_step(const struct step *s, int thread, int n_threads)
{
	const vita_tensor *y = s->c->out[0];
	struct nearest w = { .s = s, .x = s->c->in[0], .codebook = s->c->in[1], .d = columns_of(s->c->in[0]) };
	char *own = own_scratch(s, thread);
	int64_t end;
	w.tile = (float *)(void *)own;
	w.products = (float *)(void *)(own + aligned((uint64_t)w.d * WIDE * sizeof(float)));
	w.code = (float *)(void *)((char *)w.products + aligned(NEAREST_ROWS * WIDE * sizeof(float)));
	share(w.x->shape[0], thread, n_threads, &w.first, &end);
	for (; w.first < end; w.first += w.n) {
		w.n = end - w.first < NEAREST_ROWS ? end - w.first : NEAREST_ROWS;
		nearest_rows(&w);
		for (int64_t i = 0; i < w.n; i++) memcpy(view_at(y, 0, w.first + i), &w.at[i], sizeof w.at[i]);
	}
}

/* ---- REDUCE -------------------------------------------------------------------------------------------- */

/* As in the reference: a NaN in first place stays. */
static float largest_of(const struct cpu_kernels *kernels, const float *x, int64_t n)
{
	return isnan(x[0]) ? x[0] : kernels->largest(x, n);
}

void reduce_step(const struct step *s, int thread, int n_threads)
{
	const struct cpu_kernels *kernels = s->backend->kernels;
	const vita_tensor *x = s->c->in[0], *y = s->c->out[0];
	const uint32_t kind = ((const vita_kind_params *)s->c->params)->kind;
	const int64_t n = columns_of(x);
	int64_t first, end;
	share(count_of(x, 1), thread, n_threads, &first, &end);
	for (int64_t i = first; i < end; i++) {
		const float *from = row_at(x, i);
		float *to = row_at(y, i);
		if (kind == VITA_REDUCE_MAX) *to = largest_of(kernels, from, n);
		else *to = (float)(kernels->sum(from, n) / (kind == VITA_REDUCE_MEAN ? (double)n : 1));
	}
}
