/* SPDX-License-Identifier: MIT
 *
 * Arguments of training ops, looked at once for all backends in host memory: a tensor becomes rows of floats.
 */
#ifndef BACKENDS_TRAIN_CHECK_H
#define BACKENDS_TRAIN_CHECK_H

#include <vita/train_ops.h>

#include "op_check.h"

#include <stdbool.h>

/* A matrix in host memory; a vector is one row. */
typedef struct train_rows {
	float *at;            /* NULL: an optional tensor that was not given */
	int64_t n, width;
	int64_t step;         /* floats from a row to the next */
} train_rows;

/* One call of an op. The first thing wrong stays in status, so that one look at it serves all arguments. */
typedef struct train_call {
	const char *backend, *op;
	op_memory_fn *memory;
	vita_error *err;
	vita_status status;
} train_call;

#define TRAIN_READ 0u
#define TRAIN_WRITE 1u
#define TRAIN_OPTIONAL 2u

/* An f32 matrix [n, width], either -1 where any will do; use is TRAIN_*. what is the argument's name. */
train_rows train_matrix(train_call *c, const char *what, const vita_tensor *t, int64_t n, int64_t width, uint32_t use);
/* An f32 vector [n]. */
train_rows train_vector(train_call *c, const char *what, const vita_tensor *t, int64_t n, uint32_t use);
/* All elements of an f32 tensor that lies without gaps. */
train_rows train_dense(train_call *c, const char *what, const vita_tensor *t, int64_t n, uint32_t use);

/* Each of n ids is in first … end - 1. */
void train_ids(train_call *c, const char *what, const int32_t *ids, int64_t n, int64_t first, int64_t end);

/* Heads and samples of n rows make sense. */
void train_attention_shape(train_call *c, const vita_train_attention *a, int64_t n);

VITA_PRINTF(2, 3) void train_fail(train_call *c, const char *format, ...);

static inline float *train_row(const train_rows *m, int64_t row)
{
	return m->at + row * m->step;
}

#endif
