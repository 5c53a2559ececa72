/* SPDX-License-Identifier: MIT
 *
 * Training op ATTENTION, forward and backward. An item of work is a sample and a head of keys and values, with all
 * heads of queries that share it; queries go in blocks, whose scores are all in the cache.
 */
#include <math.h>

#include "train.h"

#define QUERIES (4 * BLOCK_ROWS) /* of a block */

struct attention_work {
	struct train_work work;
	const vita_train_attention *a;
	train_rows q, k, v, y, log_sum, dy, dq, dk, dv;
	int64_t length, width; /* of the longest sample, and of a head, as multiples of 32 */
	unsigned char *own;
	uint64_t own_bytes;
};

/* A thread's scratch: a sample's keys and values for one head, turned round or with rows of `width`. */
struct attention_own {
	int64_t *row_at, *column_at; /* j · width, c · length */
	float *k_turned, *v_turned;  /* [size][length], zeros behind the sample */
	float *k, *v, *dk, *dv;      /* [length][width], zeros behind the head's size */
	float *scores, *dscores;     /* [QUERIES][length] */
	float *q, *dy, *out;         /* [QUERIES][width] */
};

static int64_t up32(int64_t n)
{
	return (n + 31) / 32 * 32;
}

/* Cut memory, or where that is NULL only say how much is needed. */
static uint64_t cut_own(const struct attention_work *w, unsigned char *memory, struct attention_own *o)
{
	const int64_t length = w->length, width = w->width, size = w->a->size;
	float **const floats[] = { &o->k_turned, &o->v_turned, &o->k, &o->v, &o->dk, &o->dv,
		                   &o->scores, &o->dscores, &o->q, &o->dy, &o->out };
	const int64_t counts[] = { size * length, size * length, length * width, length * width, length * width,
		                   length * width, QUERIES * length, QUERIES * length, QUERIES * width, QUERIES * width,
		                   QUERIES * width };
	const uint64_t columns = aligned((uint64_t)length * sizeof *o->row_at);
	uint64_t at = columns + aligned((uint64_t)size * sizeof *o->column_at);
	if (memory) {
		o->row_at = (int64_t *)(void *)memory;
		o->column_at = (int64_t *)(void *)(memory + columns);
	}
	for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
		if (memory) *floats[i] = (float *)(void *)(memory + at);
		at += aligned((uint64_t)counts[i] * sizeof(float));
	}
	return at;
}

/* What one item is about. */
struct part {
	const struct attention_work *w;
	const struct attention_own *o;
	const struct cpu_kernels *kernels;
	int64_t first, n;       /* rows of the sample */
	int64_t kv_head;
};

static float *head_row(const struct part *p, const train_rows *m, int64_t i, int64_t head)
{
	return train_row(m, p->first + i) + head * p->w->a->size;
}

/* n rows of a head from row i on, each with zeros behind it. */
static void take_rows(const struct part *p, const train_rows *m, int64_t i, int64_t n, int64_t head, float *out)
{
	const int64_t size = p->w->a->size, width = p->w->width;
	for (int64_t r = 0; r < n; r++, out += width) {
		memcpy(out, head_row(p, m, i + r, head), (size_t)size * sizeof *out);
		for (int64_t d = size; d < width; d++) out[d] = 0;
	}
}

/* The sample's rows of a head as columns, times scale. */
static void take_turned(const struct part *p, const train_rows *m, float scale, float *out)
{
	const int64_t size = p->w->a->size, length = p->w->length, end = up32(p->n);
	for (int64_t from = 0; from < end; from += 32) {
		for (int64_t j = from; j < from + 32; j++) {
			const float *row = j < p->n ? head_row(p, m, j, p->kv_head) : NULL;
			for (int64_t d = 0; d < size; d++) out[d * length + j] = row ? scale * row[d] : 0;
		}
	}
}

/* c[n][columns] (+)= a · b, columns a multiple of 32. */
static void multiply(const struct part *p, const float *a, int64_t a_row, int64_t a_step, const float *b,
                     const int64_t *b_at, int64_t k, int64_t n, int64_t columns, float *c, int64_t c_row, bool add)
{
	for (int64_t j = 0; j < columns; j += BLOCK_COLUMNS)
		for (int64_t i = 0; i < n; i += BLOCK_ROWS)
			p->kernels->block(a + i * a_row, a_row, a_step, b + j, b_at, k, (int)(n - i < BLOCK_ROWS ? n - i : BLOCK_ROWS),
			                  c + i * c_row + j, c_row, add);
}

/* Scores of n queries from row i on with all keys up to the last of them. */
static void score(const struct part *p, const train_rows *queries, int64_t i, int64_t n, int64_t head,
                  const float *turned, float *scores)
{
	multiply(p, head_row(p, queries, i, head), queries->step, 1, turned, p->o->column_at, p->w->a->size, n, up32(i + n),
	         scores, p->w->length, false);
}

static void hide(float *row, int64_t from, int64_t end)
{
	memset(row + from, 0, (size_t)(end - from) * sizeof *row);
}

static struct part part_of(const struct attention_work *w, const struct attention_own *o, int64_t item)
{
	const int64_t sample = item / w->a->kv_heads;
	const int64_t first = w->a->starts[sample];
	return (struct part){ w, o, w->work.kernels, first, w->a->starts[sample + 1] - first, item % w->a->kv_heads };
}

static void begin_own(struct attention_work *w, int thread, struct attention_own *o)
{
	(void)cut_own(w, w->own + (uint64_t)thread * w->own_bytes, o);
	for (int64_t j = 0; j < w->length; j++) o->row_at[j] = j * w->width;
	for (int64_t d = 0; d < w->a->size; d++) o->column_at[d] = d * w->length;
}

/* ---- forward ---------------------------------------------------------------------------------------- */

static void attend(const struct part *p, int64_t i, int64_t n, int64_t head)
{
	const struct attention_work *w = p->w;
	const struct attention_own *o = p->o;
	float inverse[QUERIES];
	score(p, &w->q, i, n, head, o->k_turned, o->scores);
	for (int64_t r = 0; r < n; r++) {
		float *row = o->scores + r * w->length;
		const float largest = p->kernels->largest(row, i + r + 1);
		const float sum = p->kernels->exponentials(row, row, 1, largest, i + r + 1);
		inverse[r] = 1 / sum;
		train_row(&w->log_sum, p->first + i + r)[head] = largest + logf(sum);
		hide(row, i + r + 1, up32(i + n));
	}
	multiply(p, o->scores, w->length, 1, o->v, o->row_at, i + n, n, w->width, o->out, w->width, false);
	for (int64_t r = 0; r < n; r++)
		p->kernels->scale(head_row(p, &w->y, i + r, head), o->out + r * w->width, inverse[r], w->a->size);
}

static void forward(void *work, int thread, int n_threads)
{
	struct attention_work *w = work;
	struct attention_own o;
	const int64_t shared = w->a->heads / w->a->kv_heads;
	int64_t item;
	(void)n_threads;
	begin_own(w, thread, &o);
	while ((item = train_next(&w->work, (int64_t)w->a->n_samples * w->a->kv_heads)) >= 0) {
		const struct part p = part_of(w, &o, item);
		take_turned(&p, &w->k, (float)w->a->scale, o.k_turned);
		take_rows(&p, &w->v, 0, p.n, p.kv_head, o.v);
		for (int64_t head = p.kv_head * shared; head < (p.kv_head + 1) * shared; head++)
			for (int64_t i = 0; i < p.n; i += QUERIES)
				attend(&p, i, p.n - i < QUERIES ? p.n - i : QUERIES, head);
	}
}

/* ---- back ------------------------------------------------------------------------------------------- */

/* Scores become the softmax's, dscores theirs times scale. */
static void scores_back(const struct part *p, int64_t i, int64_t n, int64_t head)
{
	const struct attention_work *w = p->w;
	const struct attention_own *o = p->o;
	score(p, &w->q, i, n, head, o->k_turned, o->scores);
	score(p, &w->dy, i, n, head, o->v_turned, o->dscores);
	for (int64_t r = 0; r < n; r++) {
		float *row = o->scores + r * w->length, *d = o->dscores + r * w->length;
		const float log_sum = train_row(&w->log_sum, p->first + i + r)[head];
		const float mean = p->kernels->dot(head_row(p, &w->dy, i + r, head), head_row(p, &w->y, i + r, head), w->a->size);
		(void)p->kernels->exponentials(row, row, 1, log_sum, i + r + 1);
		p->kernels->softmax_back(d, row, mean, (float)w->a->scale, i + r + 1);
		hide(row, i + r + 1, up32(i + n));
		hide(d, i + r + 1, up32(i + n));
	}
}

/* out[j] += Σ_r scores[r][j] · rows[r]; keys behind a query have nothing from it. */
static void join_keys(const struct part *p, const float *scores, const float *rows, int64_t i, int64_t n, float *out)
{
	const int64_t length = p->w->length, width = p->w->width;
	for (int64_t j = 0; j < i + n; j += BLOCK_ROWS) {
		const int64_t skip = j > i ? j - i : 0, count = i + n - j < BLOCK_ROWS ? i + n - j : BLOCK_ROWS;
		multiply(p, scores + skip * length + j, 1, length, rows + skip * width, p->o->row_at, n - skip, count, width,
		         out + j * width, width, true);
	}
}

static void attend_back(const struct part *p, int64_t i, int64_t n, int64_t head)
{
	const struct attention_work *w = p->w;
	const struct attention_own *o = p->o;
	scores_back(p, i, n, head);
	take_rows(p, &w->q, i, n, head, o->q);
	take_rows(p, &w->dy, i, n, head, o->dy);
	multiply(p, o->dscores, w->length, 1, o->k, o->row_at, i + n, n, w->width, o->out, w->width, false);
	for (int64_t r = 0; r < n; r++)
		memcpy(head_row(p, &w->dq, i + r, head), o->out + r * w->width, (size_t)w->a->size * sizeof(float));
	join_keys(p, o->dscores, o->q, i, n, o->dk);
	join_keys(p, o->scores, o->dy, i, n, o->dv);
}

static void backward(void *work, int thread, int n_threads)
{
	struct attention_work *w = work;
	struct attention_own o;
	const int64_t shared = w->a->heads / w->a->kv_heads;
	int64_t item;
	(void)n_threads;
	begin_own(w, thread, &o);
	while ((item = train_next(&w->work, (int64_t)w->a->n_samples * w->a->kv_heads)) >= 0) {
		const struct part p = part_of(w, &o, item);
		take_turned(&p, &w->k, (float)w->a->scale, o.k_turned);
		take_turned(&p, &w->v, 1, o.v_turned);
		take_rows(&p, &w->k, 0, p.n, p.kv_head, o.k);
		memset(o.dk, 0, (size_t)(p.n * w->width) * sizeof *o.dk);
		memset(o.dv, 0, (size_t)(p.n * w->width) * sizeof *o.dv);
		for (int64_t head = p.kv_head * shared; head < (p.kv_head + 1) * shared; head++)
			for (int64_t i = 0; i < p.n; i += QUERIES)
				attend_back(&p, i, p.n - i < QUERIES ? p.n - i : QUERIES, head);
		for (int64_t i = 0; i < p.n; i++) {
			memcpy(head_row(&p, &w->dk, i, p.kv_head), o.dk + i * w->width, (size_t)w->a->size * sizeof *o.dk);
			memcpy(head_row(&p, &w->dv, i, p.kv_head), o.dv + i * w->width, (size_t)w->a->size * sizeof *o.dv);
		}
	}
}

/* ---- calls ------------------------------------------------------------------------------------------ */

static vita_status run(vita_backend *backend, train_call *c, struct attention_work *w, team_work *work)
{
	struct attention_own o;
	train_attention_shape(c, w->a, w->q.n);
	if (trainer_begin(backend, c) != VITA_OK) return c->status;
	for (uint32_t s = 0; s < w->a->n_samples; s++) {
		const int64_t n = up32(w->a->starts[s + 1] - w->a->starts[s]);
		if (n > w->length) w->length = n;
	}
	w->width = up32(w->a->size);
	w->own_bytes = cut_own(w, NULL, &o);
	w->own = trainer_scratch(backend, c, TRAIN_OWN, w->own_bytes * (uint64_t)backend->threads);
	if (w->own) trainer_run(backend, &w->work, work);
	return trainer_end(backend, c);
}

vita_status cpu_train_attention(vita_backend *backend, const vita_train_attention *a, const vita_tensor *q,
                                const vita_tensor *k, const vita_tensor *v, const vita_tensor *y,
                                const vita_tensor *log_sum, vita_error *err)
{
	train_call c = CPU_TRAIN_CALL("ATTENTION", err);
	struct attention_work w = { .a = a };
	w.q = train_matrix(&c, "q", q, -1, a->heads * a->size, TRAIN_READ);
	w.k = train_matrix(&c, "k", k, w.q.n, a->kv_heads * a->size, TRAIN_READ);
	w.v = train_matrix(&c, "v", v, w.q.n, w.k.width, TRAIN_READ);
	w.y = train_matrix(&c, "y", y, w.q.n, w.q.width, TRAIN_WRITE);
	w.log_sum = train_matrix(&c, "log_sum", log_sum, w.q.n, a->heads, TRAIN_WRITE);
	return run(backend, &c, &w, forward);
}

vita_status cpu_train_attention_backward(vita_backend *backend, const vita_train_attention *a, const vita_tensor *dy,
                                         const vita_tensor *q, const vita_tensor *k, const vita_tensor *v,
                                         const vita_tensor *y, const vita_tensor *log_sum, const vita_tensor *dq,
                                         const vita_tensor *dk, const vita_tensor *dv, vita_error *err)
{
	train_call c = CPU_TRAIN_CALL("ATTENTION_BACKWARD", err);
	struct attention_work w = { .a = a };
	w.dy = train_matrix(&c, "dy", dy, -1, a->heads * a->size, TRAIN_READ);
	w.q = train_matrix(&c, "q", q, w.dy.n, w.dy.width, TRAIN_READ);
	w.k = train_matrix(&c, "k", k, w.q.n, a->kv_heads * a->size, TRAIN_READ);
	w.v = train_matrix(&c, "v", v, w.q.n, w.k.width, TRAIN_READ);
	w.y = train_matrix(&c, "y", y, w.q.n, w.q.width, TRAIN_READ);
	w.log_sum = train_matrix(&c, "log_sum", log_sum, w.q.n, a->heads, TRAIN_READ);
	w.dq = train_matrix(&c, "dq", dq, w.q.n, w.q.width, TRAIN_WRITE);
	w.dk = train_matrix(&c, "dk", dk, w.q.n, w.k.width, TRAIN_WRITE);
	w.dv = train_matrix(&c, "dv", dv, w.q.n, w.k.width, TRAIN_WRITE);
	return run(backend, &c, &w, backward);
}
