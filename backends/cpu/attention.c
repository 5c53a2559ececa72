/* SPDX-License-Identifier: MIT
 *
 * Attention over a KV cache: blocks of keys, with a running maximum and sum (online softmax: Milakov and
 * Gimelshein 2018; Dao et al. 2022), so that scratch does not grow with the context.
 *
 * Work is handed out by KV head and row: all query heads of a group meet a block of keys while it is in
 * the first-level cache.
 */
#include <math.h>
#include <vita/blocks.h>

#include "ops.h"

#define KEYS 64       /* keys of a block */
#define GROUP_MAX 16  /* query heads that share a KV head, at most */
#define HEAD_MAX 256  /* values of a head, at most */

bool attention_supports(const vita_op *op)
{
	const vita_tensor *q = op->input[0], *k = op->input[1], *v = op->input[2], *bias = op->input[3];
	const vita_tensor *y = op->output[0];
	const vita_attention_params *p = op->params;
	if (!q || !k || !v || !y || !p || q->rank != 3 || k->rank != 3 || v->rank != 3 || y->rank != 3) return false;
	if (q->dtype != VITA_F32 || y->dtype != VITA_F32 || k->dtype != v->dtype) return false;
	if (k->dtype != VITA_F32 && k->dtype != VITA_F16) return false;
	int64_t size = vita_dtype_bytes(k->dtype);
	if (q->stride[2] != 4 || y->stride[2] != 4 || k->stride[2] != size || v->stride[2] != size) return false;
	if (memcmp(q->shape, y->shape, sizeof q->shape) || memcmp(k->shape, v->shape, sizeof k->shape)) return false;
	if (k->shape[1] < 1 || q->shape[1] % k->shape[1] || q->shape[1] / k->shape[1] > GROUP_MAX) return false;
	if (q->shape[2] != k->shape[2] || q->shape[2] > HEAD_MAX || bias) return false;
	return p->mask == VITA_MASK_FULL || (p->mask == VITA_MASK_CAUSAL && k->shape[0] >= q->shape[0]) ||
	       (p->mask == VITA_MASK_BLOCK_CAUSAL && p->block > 0 && k->shape[0] >= q->shape[0]);
}

/* How many keys row i sees. */
static int64_t visible(const vita_attention_params *p, int64_t i, int64_t n_q, int64_t n_k)
{
	int64_t last = i + n_k - n_q, end;
	if (p->mask == VITA_MASK_FULL) return n_k;
	if (p->mask == VITA_MASK_CAUSAL) return last + 1;
	end = (last / p->block + 1) * p->block;
	return end < n_k ? end : n_k;
}

struct running {
	float max, sum;
	float value[HEAD_MAX];
};

static const char *cache_row(const vita_tensor *t, int64_t key, int64_t head)
{
	return (const char *)tensor_data(t) + key * t->stride[0] + head * t->stride[1];
}

/* Take keys first … first+n-1 of a KV head into one query head's running softmax. */
static void take_block(const struct cpu_kernels *kernels, const vita_op *op, int64_t kv, int64_t first, int64_t n,
                       const float *q, float scale, struct running *r)
{
	const vita_tensor *k = op->input[1], *v = op->input[2];
	int64_t d = k->shape[2];
	float score[KEYS], max = r->max;
	for (int64_t j = 0; j < n; j++) {
		const void *key = cache_row(k, first + j, kv);
		score[j] = scale * (k->dtype == VITA_F32 ? kernels->dot(q, key, d) : kernels->dot_f16(q, key, d));
		if (score[j] > max) max = score[j];
	}
	if (max > r->max) {
		float shrink = r->sum > 0 ? expf(r->max - max) : 0;
		r->sum *= shrink;
		kernels->scale_mul(r->value, r->value, NULL, shrink, d);
		r->max = max;
	}
	r->sum += kernels->softmax_exp(score, r->max, n);
	for (int64_t j = 0; j < n; j++) {
		const void *value = cache_row(v, first + j, kv);
		if (v->dtype == VITA_F32) kernels->axpy(score[j], value, r->value, d);
		else kernels->axpy_f16(score[j], value, r->value, d);
	}
}

void attention_step(const struct step *step, const vita_backend *backend, int thread, int n_threads)
{
	const vita_op *op = step->op;
	const vita_tensor *q = op->input[0], *k = op->input[1], *y = op->output[0];
	const vita_attention_params *p = op->params;
	int64_t n_q = q->shape[0], n_k = k->shape[0], kv_heads = k->shape[1], d = q->shape[2];
	int64_t group = q->shape[1] / kv_heads;
	(void)thread, (void)n_threads;
	for (;;) {
		int64_t item = atomic_fetch_add_explicit(step->next, 1, memory_order_relaxed);
		if (item >= n_q * kv_heads) return;
		/* The last rows see most keys: hand them out first. */
		int64_t i = n_q - 1 - item / kv_heads, kv = item % kv_heads, n = visible(p, i, n_q, n_k);
		struct running running[GROUP_MAX];
		for (int64_t g = 0; g < group; g++) {
			running[g].max = -INFINITY;
			running[g].sum = 0;
			memset(running[g].value, 0, sizeof(float) * (size_t)d);
		}
		for (int64_t first = 0; first < n; first += KEYS)
			for (int64_t g = 0; g < group; g++)
				take_block(backend->kernels, op, kv, first, n - first < KEYS ? n - first : KEYS,
				           row_at(q, i * q->shape[1] + kv * group + g), (float)p->scale, &running[g]);
		for (int64_t g = 0; g < group; g++)
			backend->kernels->scale_mul(row_at(y, i * y->shape[1] + kv * group + g), running[g].value, NULL,
			                            running[g].sum > 0 ? 1.0f / running[g].sum : 0, d);
	}
}
