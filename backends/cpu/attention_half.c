/* SPDX-License-Identifier: MIT
 *
 * Attention of many queries over keys and values that have 11 bits or fewer, in f16 where the processor has that (see
 * kernels.h): both products are those of MATMUL in f16, sums of 64 keys added up in f32.
 *
 * An item of work is a KV head and a run of queries that see the same keys: of all queries, or of those of one block of
 * VITA_MASK_BLOCK_CAUSAL. All query heads that share the KV head, for all queries of the run, are rows in groups as
 * MATMUL's activations are. Blocks of KEYS keys are laid out as weights, keys across for the scores and values as they
 * lie for the sums, and meet all rows.
 */
#include <math.h>

#include "attention.h"

#define KEYS 64
#define MOST_ROWS (12 * HALF_ROWS) /* of an item: laying out a block of keys costs as much as some dozens of rows */
#define LEAST_BLOCK 64             /* of the mask: shorter ones give runs too short to be worth it */
#define MOST_VALUES 256            /* of a head */

struct halves {
	const vita_tensor *q, *k, *v, *y;
	int64_t n_q, n_k, d, padded, kv_heads, per_kv; /* padded: d rounded up to whole tiles */
	int64_t n_span, n_spans;  /* queries that see the same keys: spans begin at multiples of n_span, counted in keys */
	int64_t first_span;       /* the first query's */
	int64_t run, runs;        /* queries of an item; items of a span */
	float scale;
};

bool attention_is_half(const struct step *s)
{
	const op_call *c = s->c;
	const vita_attention_params *p = c->params;
	const uint32_t dtype = c->in[1]->dtype;
	if (!s->backend->kernels->half || c->in[3] || c->in[2]->dtype != dtype) return false;
	if (dtype != VITA_F16 && dtype != VITA_BF16) return false;
	if (p->mask == VITA_MASK_CAUSAL || (p->mask == VITA_MASK_BLOCK_CAUSAL && p->block < LEAST_BLOCK)) return false;
	return c->in[0]->shape[0] > MAX_ROWS && c->in[1]->shape[0] >= c->in[0]->shape[0] && c->in[0]->shape[2] <= MOST_VALUES;
}

static struct halves halves_of(const op_call *c)
{
	const vita_attention_params *p = c->params;
	struct halves h = { .q = c->in[0], .k = c->in[1], .v = c->in[2], .y = c->out[0], .scale = (float)p->scale };
	h.n_q = h.q->shape[0], h.n_k = h.k->shape[0], h.d = h.q->shape[2];
	h.padded = (h.d + WIDE - 1) / WIDE * WIDE;
	h.kv_heads = h.k->shape[1];
	h.per_kv = h.q->shape[1] / h.kv_heads;
	h.n_span = p->mask == VITA_MASK_FULL ? h.n_k : p->block;
	h.first_span = p->mask == VITA_MASK_FULL ? 0 : (h.n_k - h.n_q) / h.n_span;
	h.n_spans = (h.n_k - 1) / h.n_span - h.first_span + 1;
	const int64_t queries = h.n_span < h.n_q ? h.n_span : h.n_q, most = MOST_ROWS / h.per_kv > 0 ? MOST_ROWS / h.per_kv : 1;
	h.runs = (queries + most - 1) / most;
	h.run = (queries + h.runs - 1) / h.runs;
	return h;
}

/* A thread's scratch. */
struct room {
	uint16_t *queries, *p;              /* [groups][padded / 32][n][32], [groups][KEYS / 32][n][32] */
	uint16_t *keys, *values;            /* a tile of each: [padded][WIDE], [KEYS][WIDE] */
	float *query_scale, *p_scale, *row; /* [rows], [rows], [padded] */
	float *scores, *sums, *max, *total; /* as in struct half_weights */
};

static struct room room_of(const struct halves *h, unsigned char *at, uint64_t *bytes)
{
	const uint64_t rows = (uint64_t)(h->run * h->per_kv), padded = (uint64_t)h->padded;
	uint64_t used = 0;
	struct room r;
#define TAKE(member, count) \
	r.member = (void *)(at + used); \
	used += aligned((count) * sizeof *r.member)
	TAKE(queries, rows * padded);
	TAKE(keys, WIDE * padded);
	TAKE(values, KEYS * WIDE);
	TAKE(p, rows * KEYS);
	TAKE(query_scale, rows);
	TAKE(p_scale, rows);
	TAKE(row, padded);
	TAKE(scores, rows * KEYS);
	TAKE(sums, rows * padded);
	TAKE(max, rows);
	TAKE(total, rows);
#undef TAKE
	*bytes = used;
	return r;
}

void attention_half_needs(struct step *s)
{
	static unsigned char nowhere;
	const struct halves h = halves_of(s->c);
	(void)room_of(&h, &nowhere, &s->own);
}

/* Rows of an item: queries first … first + n - 1 of the heads that share a KV head. */
struct item {
	int64_t head, first, n, keys; /* keys: that they see */
	int64_t rows, per_group;
};

static void take_queries(const struct step *s, const struct halves *h, const struct item *it, const struct room *r)
{
	const struct cpu_kernels *kernels = s->backend->kernels;
	const struct half_rows out = { r->queries, r->query_scale, it->rows, h->d, h->padded, (int32_t)it->per_group };
	for (int64_t row = 0; row < it->rows; row++) {
		const float *q = row_of_plane(h->q, it->first + row / h->per_kv, it->head * h->per_kv + row % h->per_kv);
		kernels->scale(r->row, q, h->scale, h->d);
		kernels->half->halve_row(r->row, row, &out);
		r->max[row] = -INFINITY;
		r->total[row] = 0;
		r->p_scale[row] = HALF_WEIGHT;
	}
	memset(r->sums, 0, (size_t)(it->rows * h->padded) * sizeof *r->sums);
}

/* All rows meet a tile of k terms, of which x holds `stride` a row: out [rows][WIDE]. */
static void meet(const struct half_kernels *kernels, const struct item *it, const uint16_t *tile, float scale,
                 const uint16_t *x, const float *x_scale, int64_t stride, int64_t k, float *out, bool add)
{
	for (int64_t i = 0; i < it->rows; i += it->per_group) {
		const int64_t n = it->rows - i < it->per_group ? it->rows - i : it->per_group;
		kernels->multiply(tile, scale, x + i * stride, x_scale + i, (int)n, k, out + i * WIDE, add);
	}
}

/* Rows that are needed soon; each comes from another page. */
static void fetch_rows(const vita_tensor *t, int64_t head, int64_t first, int64_t n)
{
	const int64_t bytes = t->shape[2] * (int64_t)vita_dtype_bytes(t->dtype);
	const char *row = (const char *)tensor_data(t) + first * t->stride[0] + head * t->stride[1];
	for (; n > 0; n--, row += t->stride[0])
		for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(row + i, 0, 2);
}

/* n keys from number `first` on. */
static void meet_keys(const struct step *s, const struct halves *h, const struct item *it, int64_t first, int n,
                      const struct room *r)
{
	const struct half_kernels *kernels = s->backend->kernels->half;
	const char *k = row_of_plane(h->k, first, it->head), *v = row_of_plane(h->v, first, it->head);
	const int64_t k_stride = h->k->stride[0], v_stride = h->v->stride[0];
	struct half_weights w = { .scores = r->scores, .sums = r->sums, .max = r->max, .total = r->total,
		                  .tile_step = it->rows * WIDE, .n_sums = h->padded / WIDE };
	const int64_t next = it->keys - first - n;
	fetch_rows(h->v, it->head, first, n);
	for (int j = 0; j < n; j += WIDE) {
		const float scale = kernels->halve(h->k->dtype, k + j * k_stride, k_stride, n - j < WIDE ? n - j : WIDE, h->d, r->keys);
		meet(kernels, it, r->keys, scale, r->queries, r->query_scale, h->padded, h->d, r->scores + j / WIDE * w.tile_step, false);
	}
	for (int64_t row = 0; row < it->rows; row++) {
		const int64_t group = row / it->per_group * it->per_group, left = it->rows - group;
		w.block_step = (left < it->per_group ? left : it->per_group) * WIDE;
		w.p = r->p + group * KEYS + (row - group) * WIDE;
		kernels->weigh(&w, row, n);
	}
	fetch_rows(h->k, it->head, first + n, next < KEYS ? next : KEYS);
	for (int64_t i = 0; i < h->d; i += WIDE) {
		const int64_t columns = h->d - i < WIDE ? h->d - i : WIDE;
		const float scale = kernels->halve_along(h->v->dtype, v + 2 * i, v_stride, n, columns, r->values);
		meet(kernels, it, r->values, scale, r->p, r->p_scale, KEYS, n, r->sums + i * it->rows, true);
	}
}

static void put_rows(const struct step *s, const struct halves *h, const struct item *it, const struct room *r)
{
	for (int64_t row = 0; row < it->rows; row++) {
		float *y = row_of_plane(h->y, it->first + row / h->per_kv, it->head * h->per_kv + row % h->per_kv);
		const float share = r->total[row] == 0 ? 0 : 1 / r->total[row];
		for (int64_t i = 0; i < h->d; i += WIDE)
			s->backend->kernels->scale(y + i, r->sums + i * it->rows + row * WIDE, share, h->d - i < WIDE ? h->d - i : WIDE);
	}
}

void attention_half_step(const struct step *s, int thread)
{
	const struct halves h = halves_of(s->c);
	const int64_t before = h.n_k - h.n_q; /* keys before the first query's own */
	uint64_t bytes;
	const struct room r = room_of(&h, own_scratch(s, thread), &bytes);
	int64_t number;
	while ((number = next_item(s, h.n_spans * h.runs * h.kv_heads)) >= 0) {
		/* the last queries see most keys: hand them out first */
		const int64_t place = h.n_spans * h.runs - 1 - number / h.kv_heads;
		const int64_t span = (h.first_span + place / h.runs) * h.n_span;
		const int64_t start = span - before, end = start + h.n_span < h.n_q ? start + h.n_span : h.n_q;
		struct item it = { .head = number % h.kv_heads, .keys = span + h.n_span < h.n_k ? span + h.n_span : h.n_k };
		it.first = (start > 0 ? start : 0) + place % h.runs * h.run;
		it.n = end - it.first < h.run ? end - it.first : h.run;
		if (it.n <= 0) continue;
		it.rows = it.n * h.per_kv;
		it.per_group = (it.rows + HALF_ROWS - 1) / HALF_ROWS;
		it.per_group = (it.rows + it.per_group - 1) / it.per_group;
		take_queries(s, &h, &it, &r);
		for (int64_t key = 0; key < it.keys; key += KEYS)
			meet_keys(s, &h, &it, key, it.keys - key < KEYS ? (int)(it.keys - key) : KEYS, &r);
		put_rows(s, &h, &it, &r);
	}
}
