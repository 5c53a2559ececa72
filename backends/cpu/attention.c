/* SPDX-License-Identifier: MIT
 *
 * Attention over a KV cache: blocks of keys, with a running maximum and sum (online softmax: Milakov and
 * Gimelshein 2018; Dao et al. 2022), so that scratch does not grow with the context.
 *
 * An item of work is a KV head and a run of queries. All query heads that share the KV head, for all
 * queries of the run, are rows that meet a block of KEYS keys together. Keys are laid out as f32, keys across, so
 * that both products are the block kernel's: scores = Q Kᵀ, 32 keys at a time, and Y += P V, 32 values of a head
 * at a time. Values are read where they lie if they can be. A query's result does not depend on which others are in its run: sums go over
 * keys in order, and rows that do not see the whole block are done by themselves, so that what lies beyond
 * their last key is never touched.
 *
 * Many queries over f16 and bf16 go another way where there is f16 arithmetic; see attention_half.c.
 */
#include <math.h>

#include "attention.h"

#define KEYS 64     /* of a block: two tiles of the block kernel */
#define MOST_ROWS 96 /* query heads times queries of an item, about */

struct attention {
	const vita_tensor *q, *k, *v, *bias, *y;
	const vita_attention_params *p;
	int64_t n_q, n_k, d, kv_heads, per_kv; /* query heads that share a KV head */
	int64_t run;                           /* queries of an item */
	int64_t padded;                        /* d, rounded up to the block kernel's width */
	bool values_in_place;
};

static struct attention attention_of(const op_call *c)
{
	struct attention a = { .q = c->in[0], .k = c->in[1], .v = c->in[2], .bias = c->in[3], .y = c->out[0] };
	a.p = c->params;
	a.n_q = a.q->shape[0], a.n_k = a.k->shape[0], a.d = a.q->shape[2];
	a.kv_heads = a.k->shape[1];
	a.per_kv = a.q->shape[1] / a.kv_heads;
	a.run = MOST_ROWS / a.per_kv;
	if (a.run < 1) a.run = 1;
	if (a.run > a.n_q) a.run = a.n_q;
	a.padded = (a.d + BLOCK_COLUMNS - 1) / BLOCK_COLUMNS * BLOCK_COLUMNS;
	a.values_in_place = a.v->dtype == VITA_F32 && a.d == a.padded && a.v->stride[0] % 4 == 0;
	return a;
}

/* Keys 0 … answer - 1 are those that query i sees. */
static int64_t visible(const struct attention *a, int64_t i)
{
	const int64_t position = i + a->n_k - a->n_q;
	int64_t end;
	if (a->p->mask == VITA_MASK_FULL) return a->n_k;
	if (position < 0) return 0;
	end = a->p->mask == VITA_MASK_CAUSAL ? position + 1 : (position / a->p->block + 1) * a->p->block;
	return end < a->n_k ? end : a->n_k;
}

/* A thread's scratch. Rows are (query, head) pairs of the item, a query's heads together. */
struct room {
	float *keys;      /* [KEYS / WIDE][d][WIDE] */
	float *values;    /* [KEYS][padded] */
	float *row;       /* [padded] */
	const float *block_values; /* those of the block: `values` or where they lie */
	float *scores;    /* [rows][KEYS] */
	float *sums;      /* [rows][padded]: Σ p v so far */
	float *max, *total; /* [rows] */
	float *queries;   /* [rows][d] */
	int64_t *key_at, *value_at; /* where the block kernel finds term j: of d, of KEYS */
	int64_t *seen_at; /* [KEYS]: of those keys that a bias does not hide */
	float *seen;      /* [KEYS]: their weights */
};

static struct room room_of(const struct attention *a, unsigned char *at, uint64_t *bytes)
{
	const uint64_t rows = (uint64_t)(a->run * a->per_kv), d = (uint64_t)a->d, padded = (uint64_t)a->padded;
	uint64_t used = 0;
	struct room r;
#define TAKE(member, count) \
	r.member = (void *)(at + used); \
	used += aligned((count) * sizeof *r.member)
	TAKE(keys, d * KEYS);
	TAKE(values, padded * KEYS);
	TAKE(row, padded);
	TAKE(scores, rows * KEYS);
	TAKE(sums, rows * padded);
	TAKE(max, rows);
	TAKE(total, rows);
	TAKE(queries, rows * d);
	TAKE(key_at, d);
	TAKE(value_at, KEYS);
	TAKE(seen_at, KEYS);
	TAKE(seen, KEYS);
#undef TAKE
	*bytes = used;
	return r;
}

void attention_needs(struct step *s)
{
	static unsigned char nowhere;
	if (attention_is_half(s)) {
		attention_half_needs(s);
		return;
	}
	const struct attention a = attention_of(s->c);
	(void)room_of(&a, &nowhere, &s->own);
}

/* ---- a block of keys --------------------------------------------------------------------------------------- */

/* Keys across, by the kernel that lays out weights so where there is one. */
static void take_keys_across(const struct step *s, const struct attention *a, const char *from, int64_t n, struct room *r)
{
	const struct cpu_kernels *kernels = s->backend->kernels;
	for (int64_t j0 = 0; j0 < KEYS; j0 += WIDE, from += WIDE * a->k->stride[0]) {
		float *tile = r->keys + j0 * a->d;
		const int64_t count = n - j0 < WIDE ? n - j0 : WIDE;
		if (count <= 0) return;
		if (kernels->widen_f32 && vita_dtype_block(a->k->dtype) == 1) {
			kernels->widen_f32(a->k->dtype, from, a->k->stride[0], (int)count, a->d, tile);
			continue;
		}
		memset(tile, 0, (size_t)(a->d * WIDE) * sizeof *tile);
		for (int64_t j = 0; j < count; j++) {
			kernels->to_f32(a->k->dtype, from + j * a->k->stride[0], r->row, a->d);
			for (int64_t i = 0; i < a->d; i++) tile[i * WIDE + j] = r->row[i];
		}
	}
}

/* Rows that are needed soon. A few queries are done with one before memory has answered for the next. */
static void fetch_rows(const vita_tensor *t, int64_t head, int64_t first, int64_t n)
{
	const int64_t bytes = vita_row_bytes(t->dtype, t->shape[2]);
	const char *row = (const char *)tensor_data(t) + first * t->stride[0] + head * t->stride[1];
	for (; n > 0; n--, row += t->stride[0])
		for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(row + i, 0, 2);
}

/* Keys and values first … first + n - 1 of a KV head, for the block kernel. */
static void take_block(const struct step *s, const struct attention *a, int64_t head, int64_t first, int64_t n,
                       struct room *r)
{
	const struct cpu_kernels *kernels = s->backend->kernels;
	const char *k = (const char *)tensor_data(a->k) + first * a->k->stride[0] + head * a->k->stride[1];
	const char *v = (const char *)tensor_data(a->v) + first * a->v->stride[0] + head * a->v->stride[1];
	take_keys_across(s, a, k, n, r);
	r->block_values = a->values_in_place ? (const float *)(const void *)v : r->values;
	for (int64_t j = 0; j < n && !a->values_in_place; j++)
		kernels->to_f32(a->v->dtype, v + j * a->v->stride[0], r->values + j * a->padded, a->d);
}

/* scores[row][j] = q[row] · k[j] for all rows of the item */
static void score(const struct step *s, const struct attention *a, int64_t rows, int64_t n, struct room *r)
{
	for (int64_t first = 0; first < rows; first += BLOCK_ROWS) {
		const int count = rows - first < BLOCK_ROWS ? (int)(rows - first) : BLOCK_ROWS;
		for (int64_t j = 0; j < n; j += BLOCK_COLUMNS)
			s->backend->kernels->block(r->queries + first * a->d, a->d, 1, r->keys + j * a->d, r->key_at, a->d, count,
			                           r->scores + first * KEYS + j, KEYS, false);
	}
}

/* sums[row] += Σ_j p[row][j] v[j] over n keys that are at value_at */
static void add_values(const struct step *s, const struct attention *a, const float *p, const int64_t *value_at, int64_t first,
                       int64_t rows, int64_t n, struct room *r)
{
	for (; rows > 0; rows -= BLOCK_ROWS, first += BLOCK_ROWS, p += BLOCK_ROWS * KEYS)
		for (int64_t i = 0; i < a->d; i += BLOCK_COLUMNS)
			s->backend->kernels->block(p, KEYS, 1, r->block_values + i, value_at, n, rows < BLOCK_ROWS ? (int)rows : BLOCK_ROWS,
			                           r->sums + first * a->padded + i, a->padded, true);
}

/* Turns a row's first n scores into weights, and brings its sums to the new maximum. */
static void weigh(const struct step *s, const struct attention *a, int64_t row, int64_t n, const float *bias, struct room *r)
{
	const struct cpu_kernels *kernels = s->backend->kernels;
	float *x = r->scores + row * KEYS; /* scaled already, as queries are */
	if (bias) kernels->binary(VITA_BINARY_ADD, x, x, bias, false, n);
	const float largest = kernels->largest(x, n), max = r->max[row] > largest ? r->max[row] : largest;
	if (max == -INFINITY) { /* nothing seen yet; NaN stays */
		for (int64_t j = 0; j < n; j++) x[j] = isnan(x[j]) ? x[j] : 0;
		return;
	}
	if (max > r->max[row]) {
		const float shrink = r->max[row] == -INFINITY ? 0 : expf(r->max[row] - max);
		r->total[row] *= shrink;
		kernels->scale(r->sums + row * a->padded, r->sums + row * a->padded, shrink, a->d);
		r->max[row] = max;
	}
	r->total[row] += kernels->exponentials(x, x, 1, max, n);
}

/* A row whose bias hides keys takes the others alone. */
static void add_seen(const struct step *s, const struct attention *a, int64_t row, int64_t n, const float *bias, struct room *r)
{
	int64_t count = 0;
	for (int64_t j = 0; j < n; j++) {
		if (bias[j] == -INFINITY) continue;
		r->seen[count] = r->scores[row * KEYS + j];
		r->seen_at[count++] = r->value_at[j];
	}
	add_values(s, a, r->seen, r->seen_at, row, 1, count, r);
}

static bool hides(const float *bias, int64_t n)
{
	for (int64_t j = 0; bias && j < n; j++)
		if (bias[j] == -INFINITY) return true;
	return false;
}

/* ---- an item of work ------------------------------------------------------------------------------------- */

static const float *bias_of(const struct attention *a, int64_t head, int64_t i, int64_t first)
{
	if (!a->bias) return NULL;
	return (const float *)row_of_plane(a->bias, a->bias->shape[0] == 1 ? 0 : head, i) + first;
}

/* One block of keys for queries i0 … i0 + n - 1: those that see all of it together, the others one by one. */
static void meet_block(const struct step *s, const struct attention *a, int64_t head, int64_t i0, int64_t n, int64_t first,
                       int64_t keys, struct room *r)
{
	const int64_t g = a->per_kv;
	int64_t together = 0; /* rows from `together` on see all and have waited for their values */
	int64_t waiting = 0;
	score(s, a, n * g, keys, r);
	for (int64_t i = 0; i < n; i++) {
		int64_t seen = visible(a, i0 + i) - first;
		bool hidden = false;
		if (seen > keys) seen = keys;
		if (seen < 0) seen = 0;
		for (int64_t h = 0; h < g && seen > 0; h++) {
			const float *bias = bias_of(a, head * g + h, i0 + i, first);
			weigh(s, a, i * g + h, seen, bias, r);
			if (hides(bias, seen)) hidden = true;
		}
		if (seen == keys && !hidden) {
			if (waiting == 0) together = i * g;
			waiting += g;
			continue;
		}
		add_values(s, a, r->scores + together * KEYS, r->value_at, together, waiting, keys, r);
		waiting = 0;
		for (int64_t h = 0; h < g && seen > 0; h++) {
			const float *bias = bias_of(a, head * g + h, i0 + i, first);
			if (bias) add_seen(s, a, i * g + h, seen, bias, r);
			else add_values(s, a, r->scores + (i * g + h) * KEYS, r->value_at, i * g + h, 1, seen, r);
		}
	}
	add_values(s, a, r->scores + together * KEYS, r->value_at, together, waiting, keys, r);
}

/* Queries i0 … i0 + n - 1 of the heads that share a KV head. */
static void attend(const struct step *s, const struct attention *a, int64_t head, int64_t i0, int64_t n, struct room *r)
{
	const int64_t g = a->per_kv, rows = n * g;
	int64_t end = 0;
	for (int64_t row = 0; row < rows; row++) {
		const float *q = row_of_plane(a->q, i0 + row / g, head * g + row % g);
		s->backend->kernels->scale(r->queries + row * a->d, q, (float)a->p->scale, a->d);
		r->max[row] = -INFINITY;
		r->total[row] = 0;
		memset(r->sums + row * a->padded, 0, (size_t)a->padded * sizeof *r->sums);
	}
	for (int64_t i = 0; i < n; i++)
		if (visible(a, i0 + i) > end) end = visible(a, i0 + i);
	fetch_rows(a->k, head, 0, end < KEYS ? end : KEYS);
	for (int64_t first = 0; first < end; first += KEYS) {
		const int64_t keys = a->n_k - first < KEYS ? a->n_k - first : KEYS, left = a->n_k - first - keys;
		fetch_rows(a->v, head, first, keys);
		fetch_rows(a->k, head, first + keys, left < KEYS ? left : KEYS);
		take_block(s, a, head, first, keys, r);
		meet_block(s, a, head, i0, n, first, keys, r);
	}
	for (int64_t row = 0; row < rows; row++)
		s->backend->kernels->scale(row_of_plane(a->y, i0 + row / g, head * g + row % g), r->sums + row * a->padded,
		                           r->total[row] == 0 ? 0 : 1 / r->total[row], a->d);
}

void attention_step(const struct step *s, int thread, int n_threads)
{
	if (attention_is_half(s)) {
		attention_half_step(s, thread);
		return;
	}
	const struct attention a = attention_of(s->c);
	const int64_t runs = (a.n_q + a.run - 1) / a.run;
	uint64_t bytes;
	struct room r = room_of(&a, own_scratch(s, thread), &bytes);
	int64_t item;
	(void)n_threads;
	for (int64_t i = 0; i < a.d; i++) r.key_at[i] = i * WIDE;
	for (int64_t j = 0; j < KEYS; j++) r.value_at[j] = j * (a.values_in_place ? a.v->stride[0] / 4 : a.padded);
	/* columns beyond d are multiplied too: let them be numbers */
	memset(r.values, 0, (size_t)(a.padded * KEYS) * sizeof *r.values);
	while ((item = next_item(s, runs * a.kv_heads)) >= 0) {
		/* the last queries see most keys: hand them out first */
		const int64_t run = runs - 1 - item / a.kv_heads, i0 = run * a.run;
		attend(s, &a, item % a.kv_heads, i0, a.n_q - i0 < a.run ? a.n_q - i0 : a.run, &r);
	}
}
