/* SPDX-License-Identifier: MIT
 *
 * The table of training ops, what they share, and the products among them.
 */
#include <stdlib.h>

#include "train.h"

/* ---- what ops share --------------------------------------------------------------------------------- */

/* Made at the first op. Ops of two threads take turns, as submits do. */
static struct trainer *open_trainer(vita_backend *backend)
{
	static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;
	(void)pthread_mutex_lock(&opening);
	if (!backend->trainer) {
		struct trainer *t = calloc(1, sizeof *t);
		if (t) (void)pthread_mutex_init(&t->lock, NULL);
		backend->trainer = t;
	}
	struct trainer *t = backend->trainer;
	(void)pthread_mutex_unlock(&opening);
	return t;
}

vita_status trainer_begin(vita_backend *backend, train_call *c)
{
	if (c->status != VITA_OK) return c->status;
	struct trainer *t = open_trainer(backend);
	if (!t) return c->status = vita_fail(c->err, VITA_E_NOMEM, "cpu: no memory for training op %s", c->op);
	(void)pthread_mutex_lock(&t->lock);
	return VITA_OK;
}

vita_status trainer_end(vita_backend *backend, const train_call *c)
{
	(void)pthread_mutex_unlock(&backend->trainer->lock);
	return c->status;
}

void trainer_close(vita_backend *backend)
{
	struct trainer *t = backend->trainer;
	if (!t) return;
	for (size_t i = 0; i < sizeof t->scratch / sizeof t->scratch[0]; i++) free(t->scratch[i]);
	free(t->angles);
	(void)pthread_mutex_destroy(&t->lock);
	free(t);
}

void *trainer_scratch(vita_backend *backend, train_call *c, int which, uint64_t size)
{
	struct trainer *t = backend->trainer;
	if (c->status != VITA_OK) return NULL;
	if (size > t->size[which]) {
		free(t->scratch[which]);
		t->size[which] = 0;
		t->scratch[which] = size < SIZE_MAX / 2 ? aligned_alloc(64, (size_t)aligned(size)) : NULL;
		if (!t->scratch[which]) {
			c->status = vita_fail(c->err, VITA_E_NOMEM, "cpu: training op %s: no memory for %.1f MiB", c->op,
			                      (double)size / 1048576);
			return NULL;
		}
		t->size[which] = size;
	}
	return t->scratch[which];
}

void trainer_run(vita_backend *backend, struct train_work *work, team_work *run)
{
	work->backend = backend;
	work->kernels = backend->kernels;
	atomic_init(&work->next, 0);
	team_barrier_init(&work->barrier);
	planner_run(backend, run, work);
}

/* ---- products --------------------------------------------------------------------------------------- */

static vita_status matmul(vita_backend *backend, uint32_t flags, const vita_tensor *x_, const vita_tensor *w_,
                          const vita_tensor *bias_, const vita_tensor *residual_, const vita_tensor *y_, vita_error *err)
{
	train_call c = CPU_TRAIN_CALL("MATMUL", err);
	const train_rows x = train_matrix(&c, "x", x_, -1, -1, TRAIN_READ);
	const train_rows w = train_matrix(&c, "w", w_, -1, x.width, TRAIN_READ);
	const train_rows bias = train_vector(&c, "bias", bias_, w.n, TRAIN_OPTIONAL);
	const train_rows residual = train_matrix(&c, "residual", residual_, x.n, w.n, TRAIN_OPTIONAL);
	const train_rows y = train_matrix(&c, "y", y_, x.n, w.n, TRAIN_WRITE);
	const bool in_place = residual.at && residual.at == y.at && residual.step == y.step;
	const struct product p = {
		.a = x.at, .a_row = x.step, .a_step = 1, .b = w.at, .b_row = 1, .b_step = w.step, .c = y.at, .c_row = y.step,
		.m = x.n, .n = w.n, .k = x.width, .bias = bias.at, .residual = in_place ? NULL : residual.at,
		.residual_row = residual.step, .add = in_place, .bf16 = flags & VITA_TRAIN_F_BF16,
	};
	if (trainer_begin(backend, &c) != VITA_OK) return c.status;
	train_product(backend, &c, &p);
	return trainer_end(backend, &c);
}

static vita_status matmul_backward(vita_backend *backend, uint32_t flags, const vita_tensor *dy_, const vita_tensor *x_,
                                   const vita_tensor *w_, const vita_tensor *dx_, const vita_tensor *dw_,
                                   const vita_tensor *dbias_, vita_error *err)
{
	train_call c = CPU_TRAIN_CALL("MATMUL_BACKWARD", err);
	const train_rows dy = train_matrix(&c, "dy", dy_, -1, -1, TRAIN_READ);
	const train_rows x = train_matrix(&c, "x", x_, dy.n, -1, TRAIN_READ);
	const train_rows w = train_matrix(&c, "w", w_, dy.width, x.width, TRAIN_READ);
	const train_rows dx = train_matrix(&c, "dx", dx_, dy.n, x.width, TRAIN_WRITE | TRAIN_OPTIONAL);
	const train_rows dw = train_matrix(&c, "dw", dw_, dy.width, x.width, TRAIN_WRITE | TRAIN_OPTIONAL);
	const train_rows dbias = train_vector(&c, "dbias", dbias_, dy.width, TRAIN_WRITE | TRAIN_OPTIONAL);
	const bool bf16 = flags & VITA_TRAIN_F_BF16;
	const struct product to_x = {
		.a = dy.at, .a_row = dy.step, .a_step = 1, .b = w.at, .b_row = w.step, .b_step = 1, .c = dx.at, .c_row = dx.step,
		.m = dy.n, .n = x.width, .k = dy.width, .add = flags & VITA_TRAIN_F_ADD, .bf16 = bf16,
	};
	const struct product to_w = {
		.a = dy.at, .a_row = 1, .a_step = dy.step, .b = x.at, .b_row = x.step, .b_step = 1, .c = dw.at, .c_row = dw.step,
		.m = dy.width, .n = x.width, .k = dy.n, .add = true, .bf16 = bf16,
	};
	if (trainer_begin(backend, &c) != VITA_OK) return c.status;
	if (dx.at) train_product(backend, &c, &to_x);
	if (dw.at) train_product(backend, &c, &to_w);
	if (dbias.at) train_add_columns(backend, &dy, dbias.at);
	return trainer_end(backend, &c);
}

const vita_train_api cpu_train_api = {
	.struct_size = sizeof cpu_train_api,
	.matmul = matmul,
	.matmul_backward = matmul_backward,
	.rms_norm = cpu_train_rms_norm,
	.rms_norm_backward = cpu_train_rms_norm_backward,
	.rope = cpu_train_rope,
	.attention = cpu_train_attention,
	.attention_backward = cpu_train_attention_backward,
	.glu = cpu_train_glu,
	.glu_backward = cpu_train_glu_backward,
	.gather = cpu_train_gather,
	.gather_backward = cpu_train_gather_backward,
	.cross_entropy = cpu_train_cross_entropy,
	.sum_squares = cpu_train_sum_squares,
	.adamw = cpu_train_adamw,
};
