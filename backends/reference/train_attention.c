/* SPDX-License-Identifier: MIT
 *
 * Training op ATTENTION, forward and backward, over packed samples: row after row and head after head.
 */
#include <math.h>
#include <stdlib.h>

#include "train.h"

/* Queries, keys and values of one head, for the row at hand. */
typedef struct head_rows {
	const vita_train_attention *a;
	const train_rows *q, *k, *v;
	int64_t head, first; /* first row of the sample */
} head_rows;

static float *part(const head_rows *h, const train_rows *m, int64_t row, bool kv)
{
	const int64_t head = kv ? h->head / (h->a->heads / h->a->kv_heads) : h->head;
	return train_row(m, row) + head * h->a->size;
}

static double score(const head_rows *h, int64_t i, int64_t j)
{
	return h->a->scale * ref_dot(part(h, h->q, i, false), part(h, h->k, j, true), h->a->size);
}

/* The logarithm of Σ_j exp(score) over the rows that row i sees. */
static double log_sum_of(const head_rows *h, int64_t i)
{
	double largest = -INFINITY, sum = 0;
	for (int64_t j = h->first; j <= i; j++) largest = fmax(largest, score(h, i, j));
	for (int64_t j = h->first; j <= i; j++) sum += exp(score(h, i, j) - largest);
	return largest + log(sum);
}

static void attend(const head_rows *h, int64_t i, float *y, float *log_sum)
{
	const int64_t size = h->a->size;
	const double all = log_sum_of(h, i);
	*log_sum = (float)all;
	for (int64_t d = 0; d < size; d++) {
		double sum = 0;
		for (int64_t j = h->first; j <= i; j++)
			sum += exp(score(h, i, j) - all) * (double)part(h, h->v, j, true)[d];
		y[d] = (float)sum;
	}
}

/* What row i of a head gives to its query and to keys and values. With p the softmax and e = dy · v:
 * dv += p dy, and ds = p (e - y · dy) scales q and k in dk and dq. */
static void attend_backward(const head_rows *h, int64_t i, const float *dy, const float *y, double log_sum,
                            const train_rows *dq_, const train_rows *dk_, const train_rows *dv_)
{
	const int64_t size = h->a->size;
	const double mean = ref_dot(dy, y, size);
	const float *q = part(h, h->q, i, false);
	float *dq = part(h, dq_, i, false);
	for (int64_t j = h->first; j <= i; j++) {
		const float *k = part(h, h->k, j, true);
		float *dk = part(h, dk_, j, true), *dv = part(h, dv_, j, true);
		const double p = exp(score(h, i, j) - log_sum);
		const double ds = h->a->scale * p * (ref_dot(dy, part(h, h->v, j, true), size) - mean);
		for (int64_t d = 0; d < size; d++) {
			dv[d] += (float)(p * (double)dy[d]);
			dk[d] += (float)(ds * (double)q[d]);
			dq[d] += (float)(ds * (double)k[d]);
		}
	}
}

/* First row of the sample that row i is in; *sample goes along with rising i. */
static int64_t first_of(const vita_train_attention *a, int64_t i, uint32_t *sample)
{
	while (a->starts[*sample + 1] <= i) ++*sample;
	return a->starts[*sample];
}

vita_status ref_train_attention(vita_backend *backend, const vita_train_attention *a, const vita_tensor *q_,
                                const vita_tensor *k_, const vita_tensor *v_, const vita_tensor *y_,
                                const vita_tensor *log_sum_, vita_error *err)
{
	train_call c = REF_CALL("ATTENTION", err);
	(void)backend;
	const train_rows q = train_matrix(&c, "q", q_, -1, a->heads * a->size, TRAIN_READ);
	const train_rows k = train_matrix(&c, "k", k_, q.n, a->kv_heads * a->size, TRAIN_READ);
	const train_rows v = train_matrix(&c, "v", v_, q.n, k.width, TRAIN_READ);
	const train_rows y = train_matrix(&c, "y", y_, q.n, q.width, TRAIN_WRITE);
	const train_rows log_sum = train_matrix(&c, "log_sum", log_sum_, q.n, a->heads, TRAIN_WRITE);
	train_attention_shape(&c, a, q.n);
	if (c.status != VITA_OK) return c.status;
	uint32_t sample = 0;
	for (int64_t i = 0; i < q.n; i++) {
		const int64_t first = first_of(a, i, &sample);
		for (int64_t head = 0; head < a->heads; head++) {
			const head_rows h = { a, &q, &k, &v, head, first };
			attend(&h, i, part(&h, &y, i, false), train_row(&log_sum, i) + head);
		}
	}
	return VITA_OK;
}

static void clear(const train_rows *m)
{
	for (int64_t i = 0; i < m->n; i++) memset(train_row(m, i), 0, (size_t)m->width * sizeof(float));
}

vita_status ref_train_attention_backward(vita_backend *backend, const vita_train_attention *a, const vita_tensor *dy_,
                                         const vita_tensor *q_, const vita_tensor *k_, const vita_tensor *v_,
                                         const vita_tensor *y_, const vita_tensor *log_sum_, const vita_tensor *dq_,
                                         const vita_tensor *dk_, const vita_tensor *dv_, vita_error *err)
{
	train_call c = REF_CALL("ATTENTION_BACKWARD", err);
	(void)backend;
	const train_rows dy = train_matrix(&c, "dy", dy_, -1, a->heads * a->size, TRAIN_READ);
	const train_rows q = train_matrix(&c, "q", q_, dy.n, dy.width, TRAIN_READ);
	const train_rows k = train_matrix(&c, "k", k_, q.n, a->kv_heads * a->size, TRAIN_READ);
	const train_rows v = train_matrix(&c, "v", v_, q.n, k.width, TRAIN_READ);
	const train_rows y = train_matrix(&c, "y", y_, q.n, q.width, TRAIN_READ);
	const train_rows log_sum = train_matrix(&c, "log_sum", log_sum_, q.n, a->heads, TRAIN_READ);
	const train_rows dq = train_matrix(&c, "dq", dq_, q.n, q.width, TRAIN_WRITE);
	const train_rows dk = train_matrix(&c, "dk", dk_, q.n, k.width, TRAIN_WRITE);
	const train_rows dv = train_matrix(&c, "dv", dv_, q.n, k.width, TRAIN_WRITE);
	train_attention_shape(&c, a, q.n);
	if (c.status != VITA_OK) return c.status;
	clear(&dq), clear(&dk), clear(&dv);
	uint32_t sample = 0;
	for (int64_t i = 0; i < q.n; i++) {
		const int64_t first = first_of(a, i, &sample);
		for (int64_t head = 0; head < a->heads; head++) {
			const head_rows h = { a, &q, &k, &v, head, first };
			attend_backward(&h, i, part(&h, &dy, i, false), part(&h, &y, i, false),
			                (double)train_row(&log_sum, i)[head], &dq, &dk, &dv);
		}
	}
	return VITA_OK;
}
