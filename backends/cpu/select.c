/* SPDX-License-Identifier: MIT
 *
 * ARGMAX, TOP_K, NEAREST and REDUCE.
 */
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
		choose(from, columns_of(x), n, index);
		for (int64_t j = 0; j < n; j++) to[j] = from[index[j]];
	}
}

/* ---- NEAREST ------------------------------------------------------------------------------------------- */

void nearest_needs(struct step *s)
{
	s->own = (uint64_t)columns_of(s->c->in[0]) * sizeof(float);
}

static double exact_distance(const float *a, const float *b, int64_t n)
{
	double sum = 0;
	for (int64_t i = 0; i < n; i++) sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
	return sum;
}

/* Rows of x are shared out; each code, as f32, meets a thread's rows in turn. Where it comes near the best so far
 * the distance is computed once more in double, so that rounding decides nothing. */
void nearest_step(const struct step *s, int thread, int n_threads)
{
	enum { ROWS = 64 };
	const struct cpu_kernels *kernels = s->backend->kernels;
	const vita_tensor *x = s->c->in[0], *codebook = s->c->in[1], *y = s->c->out[0];
	const int64_t d = columns_of(x);
	int64_t first, end;
	share(x->shape[0], thread, n_threads, &first, &end);
	for (; first < end; first += ROWS) {
		const int64_t rows = end - first < ROWS ? end - first : ROWS;
		double best[ROWS];
		int32_t at[ROWS] = { 0 };
		for (int64_t i = 0; i < rows; i++) best[i] = INFINITY;
		for (int64_t j = 0; j < codebook->shape[0]; j++) {
			const float *code = row_at(codebook, j);
			if (codebook->dtype != VITA_F32) {
				kernels->to_f32(codebook->dtype, row_at(codebook, j), own_scratch(s, thread), d);
				code = own_scratch(s, thread);
			}
			for (int64_t i = 0; i < rows; i++) {
				const float *row = row_at(x, first + i);
				if (kernels->squared_distance(row, code, d) > best[i] * 1.0001) continue;
				const double distance = exact_distance(row, code, d);
				if (distance < best[i]) best[i] = distance, at[i] = (int32_t)j;
			}
		}
		for (int64_t i = 0; i < rows; i++) memcpy(view_at(y, 0, first + i), &at[i], sizeof at[i]);
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
