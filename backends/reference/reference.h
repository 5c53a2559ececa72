/* SPDX-License-Identifier: MIT
 *
 * The reference backend: what every op means, in plain C on host memory. One thread, each op done when
 * submit returns. This header is what its files share.
 *
 * A call goes: op_check (backends/common) makes an op_call of the op and looks at everything that its caller
 * can get wrong; then run_* may trust everything except ids, which are data.
 */
#ifndef VITA_REFERENCE_H
#define VITA_REFERENCE_H

#include <vita/backend.h>
#include <vita/blocks.h>
#include <vita/host.h>

#include "../common/op_check.h"

struct vita_buffer {
	unsigned char *bytes;
	uint64_t size;
	uint32_t owned;    /* bytes were allocated here */
	uint32_t constant; /* no op may write here */
};

/* The table of what runs an op that op_check let through. */
typedef vita_status ref_run(const op_call *c);

op_memory ref_memory(const vita_buffer *buffer);

/* Every one of ids is in 0 … rows - 1. */
vita_status ref_expect_ids(const op_call *c, const vita_tensor *ids, int64_t rows);

/* ---- for the run_* functions (view.c) -------------------------------------------------------------- */

/* Elements of the dimensions before the last `trailing`: how many rows, planes … there are. */
int64_t ref_count(const vita_tensor *t, uint32_t trailing);

/* Address of number `index` among those, in row-major order. */
unsigned char *ref_at(const vita_tensor *t, uint32_t trailing, int64_t index);
float *ref_row(const vita_tensor *t, int64_t row);                 /* trailing 1 of an f32 tensor */
float *ref_row2(const vita_tensor *t, int64_t plane, int64_t row); /* row of one of the trailing matrices */

/* Row at this address as f32: itself where it is f32, else converted into scratch. */
const float *ref_f32_row(uint32_t dtype, const unsigned char *row, int64_t n, float *scratch);

/* Room for n elements of a size, at least 1; NULL and an error where there is none. The caller frees. */
void *ref_scratch(const op_call *c, int64_t n, size_t size);

/* Σ a[i] b[i]: the one inner product of all ops, so that a result never depends on its neighbours. */
double ref_dot(const float *a, const float *b, int64_t n);

/* VITA_UNARY_* except SNAKE and NONE; NULL for others. alpha is that of LEAKY_RELU and ELU. */
typedef double (*ref_function)(double x, double alpha);
ref_function ref_unary_function(uint32_t function);

/* ---- memory.c -------------------------------------------------------------------------------------- */

vita_status ref_alloc(vita_backend *backend, uint64_t size, vita_buffer **out, vita_error *err);
void ref_free(vita_backend *backend, vita_buffer *buffer);
vita_status ref_wrap(vita_backend *backend, void *memory, uint64_t size, uint32_t constant, vita_buffer **out,
                     vita_error *err);
void *ref_address(vita_backend *backend, vita_buffer *buffer);
vita_status ref_write(vita_backend *backend, const vita_tensor *target, const void *source, uint64_t size,
                      vita_error *err);
vita_status ref_read(vita_backend *backend, const vita_tensor *source, void *target, uint64_t size,
                     vita_error *err);

/* ---- submit.c -------------------------------------------------------------------------------------- */

int32_t ref_supports(vita_backend *backend, const vita_op *op);
vita_status ref_submit(vita_backend *backend, const vita_op *const *ops, uint32_t n, vita_error *err);

/* ---- the ops --------------------------------------------------------------------------------------- */

#define REF_DECLARE(op) vita_status run_##op(const op_call *c)
REF_DECLARE(matmul);
REF_DECLARE(gather);
REF_DECLARE(scatter);
REF_DECLARE(rms_norm);
REF_DECLARE(layer_norm);
REF_DECLARE(group_norm);
REF_DECLARE(rope);
REF_DECLARE(attention);
REF_DECLARE(softmax);
REF_DECLARE(unary);
REF_DECLARE(binary);
REF_DECLARE(glu);
REF_DECLARE(affine);
REF_DECLARE(conv1d);
REF_DECLARE(conv_transpose1d);
REF_DECLARE(pool);
REF_DECLARE(interpolate);
REF_DECLARE(cumsum);
REF_DECLARE(argmax);
REF_DECLARE(top_k);
REF_DECLARE(nearest);
REF_DECLARE(reduce);
REF_DECLARE(copy);
REF_DECLARE(concat);
REF_DECLARE(fill);
#undef REF_DECLARE

#endif
