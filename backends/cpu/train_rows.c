/* SPDX-License-Identifier: MIT
 *
 * Training ops that go row by row, or sum columns over all rows.
 */
#include <math.h>
#include <stdlib.h>

#include "train.h"

#define ROWS 16     /* of an item of work */
#define COLUMNS 64  /* the same where columns are summed */
#define VALUES 4096 /* the same where all is one vector */

/* Everything that one of these ops needs; work comes first. */
struct rows_work {
	struct train_work work;
	train_rows a, b, c, out, second; /* as each op says */
	const float *weight;
	const int32_t *ids;
	float *sums;
	double *partial;
	double epsilon;
	int64_t half;
	bool add, back;
	struct train_adamw adamw;
};

static int64_t items_of(int64_t n, int64_t each)
{
	return (n + each - 1) / each;
}

/* The next rows `first` … `end`; false where there are none left. */
static bool next_rows(struct rows_work *w, int64_t n, int64_t each, int64_t *first, int64_t *end)
{
	const int64_t item = train_next(&w->work, items_of(n, each));
	if (item < 0) return false;
	*first = item * each;
	*end = n - *first < each ? n : *first + each;
	return true;
}

/* ---- columns ---------------------------------------------------------------------------------------- */

static void sum_columns(void *work, int thread, int n_threads)
{
	struct rows_work *w = work;
	int64_t first, end;
	(void)thread, (void)n_threads;
	while (next_rows(w, w->a.width, COLUMNS, &first, &end))
		for (int64_t i = 0; i < w->a.n; i++)
			w->work.kernels->add_scaled(w->sums + first, train_row(&w->a, i) + first, 1, end - first);
}

void train_add_columns(vita_backend *backend, const train_rows *dy, float *dbias)
{
	struct rows_work w = { .a = *dy, .sums = dbias };
	trainer_run(backend, &w.work, sum_columns);
}

/* ---- norm: a is x, c one inverse a row -------------------------------------------------------------- */

static void norm_rows(void *work, int thread, int n_threads)
{
	struct rows_work *w = work;
	const struct cpu_kernels *kernels = w->work.kernels;
	int64_t first, end;
	(void)thread, (void)n_threads;
	while (next_rows(w, w->a.n, ROWS, &first, &end))
		for (int64_t i = first; i < end; i++) {
			const float *x = train_row(&w->a, i);
			const double mean = kernels->sum_squares(x, 0, w->a.width) / (double)w->a.width;
			const float inverse = (float)(1 / sqrt(mean + w->epsilon));
			w->c.at[i] = inverse;
			kernels->normalise(train_row(&w->out, i), x, 0, inverse, w->weight, NULL, w->a.width);
		}
}

vita_status cpu_train_rms_norm(vita_backend *backend, const vita_tensor *x, const vita_tensor *weight_, double epsilon,
                               const vita_tensor *y, const vita_tensor *inverse, vita_error *err)
{
	train_call c = CPU_TRAIN_CALL("RMS_NORM", err);
	struct rows_work w = { .epsilon = epsilon };
	w.a = train_matrix(&c, "x", x, -1, -1, TRAIN_READ);
	w.weight = train_vector(&c, "weight", weight_, w.a.width, TRAIN_READ).at;
	w.out = train_matrix(&c, "y", y, w.a.n, w.a.width, TRAIN_WRITE);
	w.c = train_vector(&c, "inverse", inverse, w.a.n, TRAIN_WRITE);
	if (trainer_begin(backend, &c) != VITA_OK) return c.status;
	trainer_run(backend, &w.work, norm_rows);
	return trainer_end(backend, &c);
}

static void norm_weight(void *work, int thread, int n_threads)
{
	struct rows_work *w = work;
	int64_t first, end;
	(void)thread, (void)n_threads;
	while (next_rows(w, w->a.width, COLUMNS, &first, &end))
		for (int64_t i = 0; i < w->a.n; i++)
			w->work.kernels->add_product(w->sums + first, train_row(&w->b, i) + first, train_row(&w->a, i) + first,
			                             w->c.at[i], end - first);
}

static void norm_rows_back(void *work, int thread, int n_threads)
{
	struct rows_work *w = work;
	int64_t first, end;
	(void)thread, (void)n_threads;
	while (next_rows(w, w->a.n, ROWS, &first, &end))
		for (int64_t i = first; i < end; i++)
			w->work.kernels->norm_back(train_row(&w->out, i), train_row(&w->b, i), train_row(&w->a, i), w->weight,
			                           w->c.at[i], w->add, w->a.width);
}

vita_status cpu_train_rms_norm_backward(vita_backend *backend, uint32_t flags, const vita_tensor *dy,
                                        const vita_tensor *x, const vita_tensor *weight_, const vita_tensor *inverse,
                                        const vita_tensor *dx, const vita_tensor *dweight, vita_error *err)
{
	train_call c = CPU_TRAIN_CALL("RMS_NORM_BACKWARD", err);
	struct rows_work w = { .add = flags & VITA_TRAIN_F_ADD };
	w.b = train_matrix(&c, "dy", dy, -1, -1, TRAIN_READ);
	w.a = train_matrix(&c, "x", x, w.b.n, w.b.width, TRAIN_READ);
	w.weight = train_vector(&c, "weight", weight_, w.b.width, TRAIN_READ).at;
	w.c = train_vector(&c, "inverse", inverse, w.b.n, TRAIN_READ);
	w.out = train_matrix(&c, "dx", dx, w.b.n, w.b.width, TRAIN_WRITE | TRAIN_OPTIONAL);
	w.sums = train_vector(&c, "dweight", dweight, w.b.width, TRAIN_WRITE | TRAIN_OPTIONAL).at;
	if (trainer_begin(backend, &c) != VITA_OK) return c.status;
	if (w.sums) trainer_run(backend, &w.work, norm_weight);
	if (w.out.at) trainer_run(backend, &w.work, norm_rows_back);
	return trainer_end(backend, &c);
}

/* ---- positions -------------------------------------------------------------------------------------- */

/* Cosines and sines of all positions up to the largest one, kept from op to op. */
static void reserve_angles(vita_backend *backend, train_call *c, double theta, double scale, int64_t half, int64_t n)
{
	struct trainer *t = backend->trainer;
	const bool same = t->angles && t->theta == theta && t->scale == scale && t->half == half;
	if (same && n <= t->n_positions) return;
	if (same && n < 2 * t->n_positions) n = 2 * t->n_positions;
	free(t->angles);
	t->n_positions = 0;
	t->angles = n < INT64_MAX / 64 / half ? malloc((size_t)(n * 2 * half) * sizeof *t->angles) : NULL;
	if (!t->angles) {
		c->status = vita_fail(c->err, VITA_E_NOMEM, "cpu: no memory for the angles of %lld positions", (long long)n);
		return;
	}
	for (int64_t p = 0; p < n; p++)
		for (int64_t j = 0; j < half; j++) {
			const double angle = scale * (double)p * pow(theta, -(double)j / (double)half);
			t->angles[p * 2 * half + j] = (float)cos(angle);
			t->angles[(p * 2 + 1) * half + j] = (float)sin(angle);
		}
	t->theta = theta;
	t->scale = scale;
	t->half = half;
	t->n_positions = n;
}

static void rope_rows(void *work, int thread, int n_threads)
{
	struct rows_work *w = work;
	const float *angles = w->work.backend->trainer->angles;
	const int64_t half = w->half;
	int64_t first, end;
	(void)thread, (void)n_threads;
	while (next_rows(w, w->out.n, ROWS, &first, &end))
		for (int64_t i = first; i < end; i++) {
			const float *cosine = angles + w->ids[i] * 2 * half, *sine = cosine + half;
			for (float *x = train_row(&w->out, i), *last = x + w->out.width; x < last; x += 2 * half) {
				/* Back is forward with the halves exchanged: (b, a) is turned the other way. */
				float *a = w->back ? x + half : x, *b = w->back ? x : x + half;
				w->work.kernels->rotate(a, b, a, b, cosine, sine, 1, half);
			}
		}
}

vita_status cpu_train_rope(vita_backend *backend, uint32_t back, const vita_tensor *x, const int32_t *positions,
                           int64_t size, double theta, double scale, vita_error *err)
{
	train_call c = CPU_TRAIN_CALL("ROPE", err);
	struct rows_work w = { .ids = positions, .half = size / 2, .back = back };
	int64_t most = 0;
	w.out = train_matrix(&c, "x", x, -1, -1, TRAIN_WRITE);
	train_ids(&c, "positions", positions, w.out.n, 0, INT32_MAX);
	if (size < 2 || size % 2 || w.out.width % size) train_fail(&c, "heads of %lld values", (long long)size);
	if (trainer_begin(backend, &c) != VITA_OK) return c.status;
	for (int64_t i = 0; i < w.out.n; i++)
		if (positions[i] > most) most = positions[i];
	reserve_angles(backend, &c, theta, scale, w.half, most + 1);
	if (c.status == VITA_OK) trainer_run(backend, &w.work, rope_rows);
	return trainer_end(backend, &c);
}

/* ---- GLU: a is gate, b up, c dy --------------------------------------------------------------------- */

static void glu_rows(void *work, int thread, int n_threads)
{
	struct rows_work *w = work;
	int64_t first, end;
	(void)thread, (void)n_threads;
	while (next_rows(w, w->a.n, ROWS, &first, &end))
		for (int64_t i = first; i < end; i++)
			w->work.kernels->glu(VITA_UNARY_SILU, train_row(&w->out, i), train_row(&w->a, i), train_row(&w->b, i),
			                     w->a.width);
}

vita_status cpu_train_glu(vita_backend *backend, const vita_tensor *gate, const vita_tensor *up, const vita_tensor *y,
                          vita_error *err)
{
	train_call c = CPU_TRAIN_CALL("GLU", err);
	struct rows_work w = { .add = false };
	w.a = train_matrix(&c, "gate", gate, -1, -1, TRAIN_READ);
	w.b = train_matrix(&c, "up", up, w.a.n, w.a.width, TRAIN_READ);
	w.out = train_matrix(&c, "y", y, w.a.n, w.a.width, TRAIN_WRITE);
	if (trainer_begin(backend, &c) != VITA_OK) return c.status;
	trainer_run(backend, &w.work, glu_rows);
	return trainer_end(backend, &c);
}

static void glu_rows_back(void *work, int thread, int n_threads)
{
	struct rows_work *w = work;
	int64_t first, end;
	(void)thread, (void)n_threads;
	while (next_rows(w, w->a.n, ROWS, &first, &end))
		for (int64_t i = first; i < end; i++)
			w->work.kernels->glu_back(train_row(&w->out, i), train_row(&w->second, i), train_row(&w->c, i),
			                          train_row(&w->a, i), train_row(&w->b, i), w->a.width);
}

vita_status cpu_train_glu_backward(vita_backend *backend, const vita_tensor *dy, const vita_tensor *gate,
                                   const vita_tensor *up, const vita_tensor *dgate, const vita_tensor *dup,
                                   vita_error *err)
{
	train_call c = CPU_TRAIN_CALL("GLU_BACKWARD", err);
	struct rows_work w = { .add = false };
	w.c = train_matrix(&c, "dy", dy, -1, -1, TRAIN_READ);
	w.a = train_matrix(&c, "gate", gate, w.c.n, w.c.width, TRAIN_READ);
	w.b = train_matrix(&c, "up", up, w.c.n, w.c.width, TRAIN_READ);
	w.out = train_matrix(&c, "dgate", dgate, w.c.n, w.c.width, TRAIN_WRITE);
	w.second = train_matrix(&c, "dup", dup, w.c.n, w.c.width, TRAIN_WRITE);
	if (trainer_begin(backend, &c) != VITA_OK) return c.status;
	trainer_run(backend, &w.work, glu_rows_back);
	return trainer_end(backend, &c);
}

/* ---- rows of a table -------------------------------------------------------------------------------- */

static void gather_rows(void *work, int thread, int n_threads)
{
	struct rows_work *w = work;
	int64_t first, end;
	(void)thread, (void)n_threads;
	while (next_rows(w, w->out.n, ROWS, &first, &end))
		for (int64_t i = first; i < end; i++)
			memcpy(train_row(&w->out, i), train_row(&w->a, w->ids[i]), (size_t)w->out.width * sizeof(float));
}

vita_status cpu_train_gather(vita_backend *backend, const vita_tensor *table, const int32_t *ids, const vita_tensor *y,
                             vita_error *err)
{
	train_call c = CPU_TRAIN_CALL("GATHER", err);
	struct rows_work w = { .ids = ids };
	w.a = train_matrix(&c, "table", table, -1, -1, TRAIN_READ);
	w.out = train_matrix(&c, "y", y, -1, w.a.width, TRAIN_WRITE);
	train_ids(&c, "ids", ids, w.out.n, 0, w.a.n);
	if (trainer_begin(backend, &c) != VITA_OK) return c.status;
	trainer_run(backend, &w.work, gather_rows);
	return trainer_end(backend, &c);
}

/* An id may come more than once, so a thread has columns, not rows. */
static void scatter_columns(void *work, int thread, int n_threads)
{
	struct rows_work *w = work;
	int64_t first, end;
	(void)thread, (void)n_threads;
	while (next_rows(w, w->a.width, COLUMNS, &first, &end))
		for (int64_t i = 0; i < w->a.n; i++)
			w->work.kernels->add_scaled(train_row(&w->out, w->ids[i]) + first, train_row(&w->a, i) + first, 1,
			                            end - first);
}

vita_status cpu_train_gather_backward(vita_backend *backend, const vita_tensor *dy, const int32_t *ids,
                                      const vita_tensor *dtable, vita_error *err)
{
	train_call c = CPU_TRAIN_CALL("GATHER_BACKWARD", err);
	struct rows_work w = { .ids = ids };
	w.a = train_matrix(&c, "dy", dy, -1, -1, TRAIN_READ);
	w.out = train_matrix(&c, "dtable", dtable, -1, w.a.width, TRAIN_WRITE);
	train_ids(&c, "ids", ids, w.a.n, 0, w.out.n);
	if (trainer_begin(backend, &c) != VITA_OK) return c.status;
	trainer_run(backend, &w.work, scatter_columns);
	return trainer_end(backend, &c);
}

/* ---- gradients and parameters ----------------------------------------------------------------------- */

static void square_values(void *work, int thread, int n_threads)
{
	struct rows_work *w = work;
	int64_t first, end;
	(void)thread, (void)n_threads;
	while (next_rows(w, w->a.width, VALUES, &first, &end))
		w->partial[first / VALUES] = w->work.kernels->sum_squares(w->a.at + first, 0, end - first);
}

vita_status cpu_train_sum_squares(vita_backend *backend, const vita_tensor *x, double *sum, vita_error *err)
{
	train_call c = CPU_TRAIN_CALL("SUM_SQUARES", err);
	struct rows_work w = { .add = false };
	*sum = 0;
	w.a = train_dense(&c, "x", x, -1, TRAIN_READ);
	if (trainer_begin(backend, &c) != VITA_OK) return c.status;
	const int64_t n = items_of(w.a.width, VALUES);
	w.partial = trainer_scratch(backend, &c, TRAIN_SHARED, (uint64_t)n * sizeof *w.partial);
	if (w.partial) trainer_run(backend, &w.work, square_values);
	for (int64_t i = 0; w.partial && i < n; i++) *sum += w.partial[i];
	return trainer_end(backend, &c);
}

/* a is p, b the gradient, out and second the moments. */
static void adamw_values(void *work, int thread, int n_threads)
{
	struct rows_work *w = work;
	int64_t first, end;
	(void)thread, (void)n_threads;
	while (next_rows(w, w->a.width, VALUES, &first, &end))
		w->work.kernels->adamw(w->a.at + first, w->b.at + first, w->out.at + first, w->second.at + first, &w->adamw,
		                       end - first);
}

vita_status cpu_train_adamw(vita_backend *backend, const vita_train_adamw *a, const vita_tensor *p,
                            const vita_tensor *g, const vita_tensor *m, const vita_tensor *v, vita_error *err)
{
	train_call c = CPU_TRAIN_CALL("ADAMW", err);
	struct rows_work w = { .add = false };
	w.a = train_dense(&c, "p", p, -1, TRAIN_WRITE);
	w.b = train_dense(&c, "g", g, w.a.width, TRAIN_READ);
	w.out = train_dense(&c, "m", m, w.a.width, TRAIN_WRITE);
	w.second = train_dense(&c, "v", v, w.a.width, TRAIN_WRITE);
	w.adamw = (struct train_adamw){
		.rate = (float)(a->rate / (1 - pow(a->beta1, (double)a->step))),
		.keep = (float)(1 - a->rate * a->decay),
		.beta1 = (float)a->beta1, .rest1 = (float)(1 - a->beta1),
		.beta2 = (float)a->beta2, .rest2 = (float)(1 - a->beta2),
		.correct2 = (float)(1 / (1 - pow(a->beta2, (double)a->step))),
		.epsilon = (float)a->epsilon, .scale = (float)a->scale,
	};
	if (trainer_begin(backend, &c) != VITA_OK) return c.status;
	trainer_run(backend, &w.work, adamw_values);
	return trainer_end(backend, &c);
}
