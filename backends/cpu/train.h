/* SPDX-License-Identifier: MIT
 *
 * Training ops of the cpu backend. Each runs on the backend's team at once; items of work are handed out, and no
 * two threads add into the same number.
 */
#ifndef VITA_CPU_TRAIN_H
#define VITA_CPU_TRAIN_H

#include <pthread.h>

#include "../common/train_check.h"
#include "cpu.h"

extern const vita_train_api cpu_train_api;

/* What training keeps from op to op: scratch, and the angles of rotary positions. */
struct trainer {
	pthread_mutex_t lock;
	unsigned char *scratch[3]; /* TRAIN_SHARED, TRAIN_OWN, TRAIN_LOGITS */
	uint64_t size[3];
	double theta, scale;       /* that the angles are for */
	int64_t half, n_positions;
	float *angles;             /* [n_positions][2][half]: cosines, then sines */
};

/* Scratch lasts until the op ends; different ones do not overlap. */
#define TRAIN_SHARED 0
#define TRAIN_OWN 1
#define TRAIN_LOGITS 2

#define CPU_TRAIN_CALL(name, err) { "cpu", name, cpu_memory, (err), VITA_OK }

/* Begin an op, if nothing was wrong with its arguments: its status, with the trainer's lock held where that is
 * OK. End it with trainer_end. */
vita_status trainer_begin(vita_backend *backend, train_call *c);
vita_status trainer_end(vita_backend *backend, const train_call *c);
void trainer_close(vita_backend *backend);

/* At least size bytes, aligned for vectors; NULL and the call's failure where there is no memory. */
void *trainer_scratch(vita_backend *backend, train_call *c, int which, uint64_t size);

/* Run work on the team. It is begun with the counter of handed out items at 0. */
struct train_work {
	const vita_backend *backend;
	const struct cpu_kernels *kernels;
	atomic_llong next;
	team_barrier barrier;
};
void trainer_run(vita_backend *backend, struct train_work *work, team_work *run);

/* The next of n items, or -1. */
static inline int64_t train_next(struct train_work *w, int64_t n)
{
	const long long item = atomic_fetch_add_explicit(&w->next, 1, memory_order_relaxed);
	return item < n ? (int64_t)item : -1;
}

/* ---- products (train_product.c) ---- */

/* c[m, n] = Σ_p a(i, p) · b(p, j) + bias[j] + residual[i, j], or with `add` added to c; strides are in floats, and one
 * of each pair is 1. */
struct product {
	const float *a, *b;
	int64_t a_row, a_step;  /* from i to i + 1, from p to p + 1 */
	int64_t b_row, b_step;  /* from p to p + 1, from j to j + 1 */
	float *c;
	int64_t c_row;
	int64_t m, n, k;
	const float *bias, *residual; /* may be NULL */
	int64_t residual_row;
	bool add, bf16;
};
void train_product(vita_backend *backend, train_call *c, const struct product *p);

/* ---- the table's functions ---- */

vita_status cpu_train_rms_norm(vita_backend *backend, const vita_tensor *x, const vita_tensor *weight, double epsilon,
                               const vita_tensor *y, const vita_tensor *inverse, vita_error *err);
vita_status cpu_train_rms_norm_backward(vita_backend *backend, uint32_t flags, const vita_tensor *dy,
                                        const vita_tensor *x, const vita_tensor *weight, const vita_tensor *inverse,
                                        const vita_tensor *dx, const vita_tensor *dweight, vita_error *err);
vita_status cpu_train_rope(vita_backend *backend, uint32_t back, const vita_tensor *x, const int32_t *positions,
                           int64_t size, double theta, double scale, vita_error *err);
vita_status cpu_train_glu(vita_backend *backend, const vita_tensor *gate, const vita_tensor *up, const vita_tensor *y,
                          vita_error *err);
vita_status cpu_train_glu_backward(vita_backend *backend, const vita_tensor *dy, const vita_tensor *gate,
                                   const vita_tensor *up, const vita_tensor *dgate, const vita_tensor *dup,
                                   vita_error *err);
vita_status cpu_train_gather(vita_backend *backend, const vita_tensor *table, const int32_t *ids, const vita_tensor *y,
                             vita_error *err);
vita_status cpu_train_gather_backward(vita_backend *backend, const vita_tensor *dy, const int32_t *ids,
                                      const vita_tensor *dtable, vita_error *err);
vita_status cpu_train_sum_squares(vita_backend *backend, const vita_tensor *x, double *sum, vita_error *err);
vita_status cpu_train_adamw(vita_backend *backend, const vita_train_adamw *a, const vita_tensor *p,
                            const vita_tensor *g, const vita_tensor *m, const vita_tensor *v, vita_error *err);
vita_status cpu_train_attention(vita_backend *backend, const vita_train_attention *a, const vita_tensor *q,
                                const vita_tensor *k, const vita_tensor *v, const vita_tensor *y,
                                const vita_tensor *log_sum, vita_error *err);
vita_status cpu_train_attention_backward(vita_backend *backend, const vita_train_attention *a, const vita_tensor *dy,
                                         const vita_tensor *q, const vita_tensor *k, const vita_tensor *v,
                                         const vita_tensor *y, const vita_tensor *log_sum, const vita_tensor *dq,
                                         const vita_tensor *dk, const vita_tensor *dv, vita_error *err);
vita_status cpu_train_cross_entropy(vita_backend *backend, uint32_t flags, const vita_tensor *x, const vita_tensor *w,
                                    const int32_t *targets, double factor, const vita_tensor *dx,
                                    const vita_tensor *dw, double *sum, vita_error *err);

/* dbias[j] += Σ over rows of dy (train_rows.c). */
void train_add_columns(vita_backend *backend, const train_rows *dy, float *dbias);

#endif
