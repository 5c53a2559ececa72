/* SPDX-License-Identifier: MIT
 *
 * ARGMAX, TOP_K, NEAREST and REDUCE: choosing among values, and adding them up.
 */
#include <math.h>
#include <stdlib.h>

#include "reference.h"

/* y[r] = the first i with the largest x[r, i]; a row of nothing but NaN gives 0 */
vita_status run_argmax(const op_call *c)
{
	int64_t rows = ref_count(c->in[0], 1), k = op_last(c->in[0], 0);

	for (int64_t r = 0; r < rows; r++) {
		const float *x = ref_row(c->in[0], r);
		int64_t best = 0;
		for (int64_t i = 1; i < k; i++)
			if (x[i] > x[best] || (isnan(x[best]) && !isnan(x[i]))) best = i;
		*(int32_t *)(void *)ref_at(c->out[0], 0, r) = (int32_t)best;
	}
	return VITA_OK;
}

/* ---- TOP_K ----------------------------------------------------------------------------------------- */

/* Larger values come first, then lower indices; NaN comes after all numbers. */
static int before(const float *x, int32_t a, int32_t b)
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
		int32_t moved = heap[i];
		if (child >= n) return;
		if (child + 1 < n && before(x, heap[child], heap[child + 1])) child++;
		if (!before(x, heap[i], heap[child])) return;
		heap[i] = heap[child];
		heap[child] = moved;
		i = child;
	}
}

/* The n first of 0 … k - 1, in order: keep the best n seen so far in the heap, then empty it from the
 * worst upwards. */
static void choose(const float *x, int64_t k, int64_t n, int32_t *heap)
{
	for (int64_t i = 0; i < n; i++) heap[i] = (int32_t)i;
	for (int64_t i = n / 2; i-- > 0;) sink(x, heap, n, i);
	for (int64_t i = n; i < k; i++) {
		if (!before(x, (int32_t)i, heap[0])) continue;
		heap[0] = (int32_t)i;
		sink(x, heap, n, 0);
	}
	for (int64_t left = n - 1; left > 0; left--) {
		int32_t worst = heap[0];
		heap[0] = heap[left];
		heap[left] = worst;
		sink(x, heap, left, 0);
	}
}

vita_status run_top_k(const op_call *c)
{
	int64_t rows = ref_count(c->in[0], 1), k = op_last(c->in[0], 0), n = op_last(c->out[0], 0);

	for (int64_t r = 0; r < rows; r++) {
		const float *x = ref_row(c->in[0], r);
		float *values = ref_row(c->out[0], r);
		int32_t *indices = (int32_t *)(void *)ref_at(c->out[1], 1, r);
		choose(x, k, n, indices);
		for (int64_t i = 0; i < n; i++) values[i] = x[indices[i]];
	}
	return VITA_OK;
}

/* ---- NEAREST --------------------------------------------------------------------------------------- */

static double squared_distance(const float *a, const float *b, int64_t n)
{
	double sum = 0;
	for (int64_t i = 0; i < n; i++) {
		double difference = (double)a[i] - (double)b[i];
		sum += difference * difference;
	}
	return sum;
}

/* y[i] = the first j with the smallest Σ (x[i] - codebook[j])²; a distance of NaN never wins */
vita_status run_nearest(const op_call *c)
{
	const vita_tensor *x = c->in[0], *codebook = c->in[1];
	int64_t n = x->shape[0], d = x->shape[1];
	float *scratch = ref_scratch(c, d, sizeof *scratch);
	double *best = ref_scratch(c, n, sizeof *best);
	int32_t *y = (int32_t *)(void *)ref_at(c->out[0], 1, 0);
	vita_status status = scratch && best ? VITA_OK : VITA_E_NOMEM;

	for (int64_t i = 0; i < n && status == VITA_OK; i++) best[i] = INFINITY, y[i] = 0;
	for (int64_t j = 0; j < codebook->shape[0] && status == VITA_OK; j++) {
		const float *code = ref_f32_row(codebook->dtype, ref_at(codebook, 1, j), d, scratch);
		for (int64_t i = 0; i < n; i++) {
			double distance = squared_distance(ref_row(x, i), code, d);
			if (distance < best[i]) best[i] = distance, y[i] = (int32_t)j;
		}
	}
	free(scratch);
	free(best);
	return status;
}

/* ---- REDUCE ---------------------------------------------------------------------------------------- */

/* y[…, 0] = sum, mean or maximum of x[…, i] */
vita_status run_reduce(const op_call *c)
{
	uint32_t kind = ((const vita_kind_params *)c->params)->kind;
	int64_t rows = ref_count(c->out[0], 1), k = op_last(c->in[0], 0);

	for (int64_t r = 0; r < rows; r++) {
		const float *x = ref_row(c->in[0], r);
		double sum = 0;
		float largest = k > 0 ? x[0] : 0;
		for (int64_t i = 0; i < k; i++) {
			sum += (double)x[i];
			largest = x[i] > largest ? x[i] : largest;
		}
		if (kind == VITA_REDUCE_MEAN) sum /= (double)k;
		*ref_row(c->out[0], r) = kind == VITA_REDUCE_MAX ? largest : (float)sum;
	}
	return VITA_OK;
}
