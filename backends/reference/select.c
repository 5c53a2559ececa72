/* SPDX-License-Identifier: MIT
 *
 * ARGMAX, TOP_K, NEAREST and REDUCE: choosing among values, and adding them up.
 */
#include <math.h>
#include <stdlib.h>

#include "reference.h"

/* y has the shape of x without its last dimension. */
static vita_status expect_without_last(const ref_call *c, const vita_tensor *y, const vita_tensor *x)
{
	vita_tensor model = *x;

	model.rank--;
	model.shape[model.rank] = 1;
	return ref_expect_like(c, "y", y, &model, 0, NULL);
}

vita_status check_argmax(const ref_call *c)
{
	const vita_tensor *x = c->in[0], *y = c->out[0];
	vita_status status = ref_expect(c, "x", x, REF_F32, 2, VITA_MAX_RANK);

	if (status != VITA_OK) return status;
	if ((status = ref_expect(c, "y", y, REF_I32, 1, VITA_MAX_RANK)) != VITA_OK) return status;
	if ((status = expect_without_last(c, y, x)) != VITA_OK) return status;
	if (ref_last(x, 0) < 1 || ref_last(x, 0) > INT32_MAX)
		return ref_fail(c, VITA_E_SHAPE, "rows of %lld values, expected 1 to %d",
		                (long long)ref_last(x, 0), INT32_MAX);
	return VITA_OK;
}

/* y[r] = the first i with the largest x[r, i]; a row of nothing but NaN gives 0 */
vita_status run_argmax(const ref_call *c)
{
	int64_t rows = ref_count(c->in[0], 1), k = ref_last(c->in[0], 0);

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

vita_status check_top_k(const ref_call *c)
{
	const vita_tensor *x = c->in[0], *values = c->out[0], *indices = c->out[1];
	int64_t n = ref_last(values, 0);
	vita_status status = ref_expect(c, "x", x, REF_F32, 1, VITA_MAX_RANK);

	if (status != VITA_OK) return status;
	if ((status = ref_expect(c, "values", values, REF_F32, 1, VITA_MAX_RANK)) != VITA_OK) return status;
	if ((status = ref_expect(c, "indices", indices, REF_I32, 1, VITA_MAX_RANK)) != VITA_OK) return status;
	if ((status = ref_expect_like(c, "values", values, x, 1, &n)) != VITA_OK) return status;
	if ((status = ref_expect_like(c, "indices", indices, x, 1, &n)) != VITA_OK) return status;
	if (n > ref_last(x, 0) || ref_last(x, 0) > INT32_MAX)
		return ref_fail(c, VITA_E_SHAPE, "%lld of %lld values were asked for", (long long)n,
		                (long long)ref_last(x, 0));
	return VITA_OK;
}

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

vita_status run_top_k(const ref_call *c)
{
	int64_t rows = ref_count(c->in[0], 1), k = ref_last(c->in[0], 0), n = ref_last(c->out[0], 0);

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

vita_status check_nearest(const ref_call *c)
{
	const vita_tensor *x = c->in[0], *codebook = c->in[1], *y = c->out[0];
	vita_status status = ref_expect(c, "x", x, REF_F32, 2, 2);

	if (status != VITA_OK) return status;
	if ((status = ref_expect(c, "codebook", codebook, REF_FLOATS, 2, 2)) != VITA_OK) return status;
	if ((status = ref_expect(c, "y", y, REF_I32, 1, 1)) != VITA_OK) return status;
	if ((status = ref_expect_like(c, "codebook", codebook, codebook, 1, &x->shape[1])) != VITA_OK)
		return status;
	if ((status = expect_without_last(c, y, x)) != VITA_OK) return status;
	if (codebook->shape[0] < 1 || codebook->shape[0] > INT32_MAX)
		return ref_fail(c, VITA_E_SHAPE, "the codebook has %lld rows, expected 1 to %d",
		                (long long)codebook->shape[0], INT32_MAX);
	return VITA_OK;
}

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
vita_status run_nearest(const ref_call *c)
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

vita_status check_reduce(const ref_call *c)
{
	const vita_tensor *x = c->in[0], *y = c->out[0];
	uint32_t kind = ((const vita_kind_params *)c->params)->kind;
	int64_t one = 1;
	vita_status status = ref_expect(c, "x", x, REF_F32, 1, VITA_MAX_RANK);

	if (status != VITA_OK) return status;
	if ((status = ref_expect(c, "y", y, REF_F32, 1, VITA_MAX_RANK)) != VITA_OK) return status;
	if ((status = ref_expect_like(c, "y", y, x, 1, &one)) != VITA_OK) return status;
	if (kind > VITA_REDUCE_MAX)
		return ref_fail(c, VITA_E_INVALID, "kind is %u, expected a VITA_REDUCE_*", kind);
	if (ref_last(x, 0) == 0 && kind != VITA_REDUCE_SUM)
		return ref_fail(c, VITA_E_SHAPE, "rows without values have no mean or maximum");
	return VITA_OK;
}

/* y[…, 0] = sum, mean or maximum of x[…, i] */
vita_status run_reduce(const ref_call *c)
{
	uint32_t kind = ((const vita_kind_params *)c->params)->kind;
	int64_t rows = ref_count(c->out[0], 1), k = ref_last(c->in[0], 0);

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
