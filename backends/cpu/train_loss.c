/* SPDX-License-Identifier: MIT
 *
 * Training op CROSS_ENTROPY: rows with a target are put together, since many have none, and go in blocks through
 * three products with a softmax between them.
 */
#include <math.h>

#include "train.h"

#define LOGITS ((int64_t)1 << 24) /* that a block has, at most, where the vocabulary allows it */
#define LEAST_ROWS 64

struct loss_work {
	struct train_work work;
	float *logits;       /* [n][vocabulary] */
	const int64_t *rows; /* of the targets */
	const int32_t *targets;
	double *losses;      /* [n] */
	int64_t n, vocabulary;
	double factor;
};

/* A row's loss; logits become their gradient. */
static double softmax_row(const struct cpu_kernels *kernels, float *logits, int64_t n, int32_t target, double factor)
{
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
		w->losses[i] = softmax_row(w->work.kernels, w->logits + i * w->vocabulary, w->vocabulary,
		                           w->targets[w->rows[i]], w->factor);
}

/* An op's arguments, and the memory of a block. */
struct loss_call {
	train_call *c;
	train_rows x, w, dx, dw;
	const int32_t *targets;
	double factor;
	bool bf16;
	int64_t most;           /* rows of a block */
	int64_t *rows;          /* [most] where they are in x */
	float *logits, *in, *d; /* [most][vocabulary], [most][width] rows of x, the same of dx */
	double *losses;         /* [most] */
};

/* Cut scratch for blocks, or where memory is NULL only say how much is needed. */
static uint64_t cut_block(struct loss_call *l, unsigned char *memory)
{
	const uint64_t n = (uint64_t)l->most;
	const uint64_t rows = aligned(n * sizeof *l->rows), losses = aligned(n * sizeof *l->losses);
	const uint64_t width = aligned(n * (uint64_t)l->x.width * sizeof *l->in);
	if (memory) {
		l->rows = (int64_t *)(void *)memory;
		l->losses = (double *)(void *)(memory + rows);
		l->in = (float *)(void *)(memory + rows + losses);
		l->d = (float *)(void *)(memory + rows + losses + width);
		l->logits = (float *)(void *)(memory + rows + losses + 2 * width);
	}
	return rows + losses + 2 * width + n * (uint64_t)l->w.n * sizeof *l->logits;
}

/* The next rows with a target from row *from on, put together; how many. */
static int64_t take_block(const struct loss_call *l, int64_t *from)
{
	const int64_t width = l->x.width;
	int64_t n = 0;
	for (; *from < l->x.n && n < l->most; ++*from) {
		if (l->targets[*from] < 0) continue;
		memcpy(l->in + n * width, train_row(&l->x, *from), (size_t)width * sizeof *l->in);
		l->rows[n++] = *from;
	}
	return n;
}

static double loss_block(vita_backend *backend, const struct loss_call *l, int64_t n)
{
	const int64_t vocabulary = l->w.n, width = l->x.width;
	const struct product to_logits = {
		.a = l->in, .a_row = width, .a_step = 1, .b = l->w.at, .b_row = 1, .b_step = l->w.step,
		.c = l->logits, .c_row = vocabulary, .m = n, .n = vocabulary, .k = width, .bf16 = l->bf16,
	};
	const struct product to_x = {
		.a = l->logits, .a_row = vocabulary, .a_step = 1, .b = l->w.at, .b_row = l->w.step, .b_step = 1,
		.c = l->d, .c_row = width, .m = n, .n = width, .k = vocabulary, .bf16 = l->bf16,
	};
	const struct product to_w = {
		.a = l->logits, .a_row = 1, .a_step = vocabulary, .b = l->in, .b_row = width, .b_step = 1,
		.c = l->dw.at, .c_row = l->dw.step, .m = vocabulary, .n = width, .k = n, .add = true, .bf16 = l->bf16,
	};
	struct loss_work w = {
		.logits = l->logits, .rows = l->rows, .targets = l->targets, .losses = l->losses, .n = n,
		.vocabulary = vocabulary, .factor = l->factor,
	};
	double sum = 0;
	train_product(backend, l->c, &to_logits);
	if (l->c->status != VITA_OK) return 0;
	trainer_run(backend, &w.work, softmax_rows);
	if (l->dx.at) train_product(backend, l->c, &to_x);
	if (l->dw.at) train_product(backend, l->c, &to_w);
	for (int64_t i = 0; i < n; i++) sum += l->losses[i];
	for (int64_t i = 0; l->dx.at && i < n; i++)
		backend->kernels->add_scaled(train_row(&l->dx, l->rows[i]), l->d + i * width, 1, width);
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
	l.bf16 = flags & VITA_TRAIN_F_BF16;
	if (trainer_begin(backend, &c) != VITA_OK) return c.status;
	for (int64_t i = 0; i < l.x.n; i++) l.most += targets[i] >= 0;
	const int64_t limit = LOGITS / l.w.n > LEAST_ROWS ? LOGITS / l.w.n : LEAST_ROWS;
	if (l.most > limit) l.most = limit;
	unsigned char *memory = trainer_scratch(backend, &c, TRAIN_LOGITS, cut_block(&l, NULL));
	if (memory) (void)cut_block(&l, memory);
	if (memory && l.dx.at && !(flags & VITA_TRAIN_F_ADD))
		for (int64_t i = 0; i < l.dx.n; i++) memset(train_row(&l.dx, i), 0, (size_t)l.dx.width * sizeof *l.in);
	for (int64_t from = 0, n; c.status == VITA_OK && (n = take_block(&l, &from)) > 0;)
		*sum += loss_block(backend, &l, n);
	return trainer_end(backend, &c);
}
