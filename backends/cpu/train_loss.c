/* SPDX-License-Identifier: MIT
 *
 * Training op CROSS_ENTROPY: blocks of rows with a target, as three products and a softmax between them.
 */
#include <math.h>

#include "train.h"

#define LOGITS ((int64_t)1 << 24) /* that a block has, at most, where the vocabulary allows it */
#define LEAST_ROWS 64

struct loss_work {
	struct train_work work;
	float *logits;          /* [n][vocabulary] */
	const int32_t *targets; /* of the block's rows */
	double *losses;         /* the same */
	int64_t n, vocabulary;
	double factor;
};

/* A row's loss; logits become their gradient. Rows without a target give nothing. */
static double softmax_row(const struct cpu_kernels *kernels, float *logits, int64_t n, int32_t target, double factor)
{
	if (target < 0) {
		memset(logits, 0, (size_t)n * sizeof *logits);
		return 0;
	}
	const float largest = kernels->largest(logits, n), own = logits[target];
	const double sum = (double)kernels->exponentials(logits, logits, 1, largest, n);
	kernels->scale(logits, logits, (float)(factor / sum), n);
	logits[target] -= (float)factor;
	return (double)largest + log(sum) - (double)own;
}

static void softmax_rows(void *work, int thread, int n_threads)
{
	struct loss_work *w = work;
	int64_t i;
	(void)thread, (void)n_threads;
	while ((i = train_next(&w->work, w->n)) >= 0)
		w->losses[i] = softmax_row(w->work.kernels, w->logits + i * w->vocabulary, w->vocabulary, w->targets[i], w->factor);
}

/* Everything of an op's arguments. */
struct loss_call {
	train_call *c;
	train_rows x, w, dx, dw;
	const int32_t *targets;
	double factor;
	bool add, bf16;
	float *logits;
	double *losses;
};

static double loss_block(vita_backend *backend, const struct loss_call *l, int64_t first, int64_t n)
{
	const int64_t vocabulary = l->w.n, width = l->x.width;
	const struct product to_logits = {
		.a = train_row(&l->x, first), .a_row = l->x.step, .a_step = 1, .b = l->w.at, .b_row = 1, .b_step = l->w.step,
		.c = l->logits, .c_row = vocabulary, .m = n, .n = vocabulary, .k = width, .bf16 = l->bf16,
	};
	const struct product to_x = {
		.a = l->logits, .a_row = vocabulary, .a_step = 1, .b = l->w.at, .b_row = l->w.step, .b_step = 1,
		.c = l->dx.at + first * l->dx.step, .c_row = l->dx.step, .m = n, .n = width, .k = vocabulary, .add = l->add,
		.bf16 = l->bf16,
	};
	const struct product to_w = {
		.a = l->logits, .a_row = 1, .a_step = vocabulary, .b = train_row(&l->x, first), .b_row = l->x.step, .b_step = 1,
		.c = l->dw.at, .c_row = l->dw.step, .m = vocabulary, .n = width, .k = n, .add = true, .bf16 = l->bf16,
	};
	struct loss_work w = {
		.logits = l->logits, .targets = l->targets + first, .losses = l->losses, .n = n, .vocabulary = vocabulary,
		.factor = l->factor,
	};
	double sum = 0;
	train_product(backend, l->c, &to_logits);
	if (l->c->status != VITA_OK) return 0;
	trainer_run(backend, &w.work, softmax_rows);
	if (l->dx.at) train_product(backend, l->c, &to_x);
	if (l->dw.at) train_product(backend, l->c, &to_w);
	for (int64_t i = 0; i < n; i++) sum += l->losses[i];
	return sum;
}

vita_status cpu_train_cross_entropy(vita_backend *backend, uint32_t flags, const vita_tensor *x, const vita_tensor *w,
                                    const int32_t *targets, double factor, const vita_tensor *dx,
                                    const vita_tensor *dw, double *sum, vita_error *err)
{
	train_call c = CPU_TRAIN_CALL("CROSS_ENTROPY", err);
	struct loss_call l = { .c = &c, .targets = targets, .factor = factor };
	*sum = 0;
	l.x = train_matrix(&c, "x", x, -1, -1, TRAIN_READ);
	l.w = train_matrix(&c, "w", w, -1, l.x.width, TRAIN_READ);
	l.dx = train_matrix(&c, "dx", dx, l.x.n, l.x.width, TRAIN_WRITE | TRAIN_OPTIONAL);
	l.dw = train_matrix(&c, "dw", dw, l.w.n, l.x.width, TRAIN_WRITE | TRAIN_OPTIONAL);
	train_ids(&c, "targets", targets, l.x.n, VITA_TRAIN_NO_TARGET, l.w.n);
	if (c.status == VITA_OK && l.w.n < 1) train_fail(&c, "w has no rows");
	l.add = flags & VITA_TRAIN_F_ADD;
	l.bf16 = flags & VITA_TRAIN_F_BF16;
	if (trainer_begin(backend, &c) != VITA_OK) return c.status;
	int64_t rows = LOGITS / l.w.n > LEAST_ROWS ? LOGITS / l.w.n : LEAST_ROWS;
	if (rows > l.x.n) rows = l.x.n;
	const uint64_t losses = aligned((uint64_t)rows * sizeof *l.losses);
	l.losses = trainer_scratch(backend, &c, TRAIN_LOGITS, losses + (uint64_t)rows * (uint64_t)l.w.n * sizeof *l.logits);
	if (l.losses) l.logits = (float *)(void *)((unsigned char *)l.losses + losses);
	for (int64_t first = 0; first < l.x.n && c.status == VITA_OK; first += rows)
		*sum += loss_block(backend, &l, first, l.x.n - first < rows ? l.x.n - first : rows);
	return trainer_end(backend, &c);
}
