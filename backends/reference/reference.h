/* SPDX-License-Identifier: MIT
 *
 * The reference backend: what every op means, in plain C on host memory. One thread, each op done when
 * submit returns. This header is what its files share.
 *
 * A call goes: submit.c builds a ref_call (normalised copies of the op's tensors), check.c looks at what
 * all ops have in common, the op's own check_* function at its shapes and types, and then run_* may trust
 * everything except ids, which are data.
 */
#ifndef VITA_REFERENCE_H
#define VITA_REFERENCE_H

#include <vita/backend.h>
#include <vita/blocks.h>
#include <vita/host.h>

struct vita_buffer {
	unsigned char *bytes;
	uint64_t size;
	uint32_t owned;    /* bytes were allocated here */
	uint32_t constant; /* no op may write here */
};

/* ---- an op on its way ----------------------------------------------------------------------------- */

/* in[] has a pointer for each input that is there, NULL for optional ones that are not; beyond rank all
 * shapes are 1 and all strides 0. */
typedef struct ref_call {
	const char *name; /* "MATMUL" */
	vita_error *err;
	uint32_t n_in, n_out;
	const vita_tensor *in[VITA_OP_MAX_INPUTS];
	const vita_tensor *out[VITA_OP_MAX_OUTPUTS];
	const void *params;
	vita_tensor in_copy[VITA_OP_MAX_INPUTS];
	vita_tensor out_copy[VITA_OP_MAX_OUTPUTS];
} ref_call;

typedef struct ref_op {
	const char *name;
	uint32_t required; /* so many inputs must be there */
	uint32_t most;     /* and so many may be */
	uint32_t n_out;
	uint32_t params_size; /* 0: none */
	uint32_t in_place;    /* bit i: an output may be exactly input i */
	uint32_t any_strides; /* 1: also the innermost dimension of plain types may have gaps */
	vita_status (*check)(const ref_call *c);
	vita_status (*run)(const ref_call *c);
} ref_op;

/* The table of all ops; NULL where there is no such code. */
const ref_op *ref_op_find(uint32_t code);

/* check.c: everything that does not depend on the op. with_buffers = 0 leaves memory out of it. */
vita_status ref_call_make(const vita_op *op, int with_buffers, ref_call *c, const ref_op **spec,
                          vita_error *err);

/* check.c: a tensor by itself, and where its elements lie. who names it in messages: "MATMUL: w". */
vita_status ref_check_view(const char *who, const vita_tensor *t, int any_strides, vita_error *err);
vita_status ref_check_memory(const char *who, const vita_tensor *t, vita_error *err);

/* ---- for the check_* functions (expect.c); each says what it expected and what it found ------------- */

#define REF_F32 (1u << VITA_F32)
#define REF_I32 (1u << VITA_I32)
#define REF_FLOATS (REF_F32 | 1u << VITA_F16 | 1u << VITA_BF16)
#define REF_CACHE (REF_FLOATS | 1u << VITA_Q8_0)
#define REF_BLOCKS (1u << VITA_Q8_0 | 1u << VITA_Q4_0 | 1u << VITA_Q4_1 | 1u << VITA_Q4_K | 1u << VITA_Q6_K)
#define REF_WEIGHTS (REF_FLOATS | REF_BLOCKS)
#define REF_PLAIN (REF_FLOATS | REF_I32 | 1u << VITA_U8)

VITA_PRINTF(3, 4) vita_status ref_fail(const ref_call *c, vita_status status, const char *format, ...);

/* t is one of these types and has min_rank … max_rank dimensions. */
vita_status ref_expect(const ref_call *c, const char *label, const vita_tensor *t, uint32_t types,
                       uint32_t min_rank, uint32_t max_rank);

/* t is f32 and has exactly this shape: rank sizes follow as int64_t. A NULL t passes. */
vita_status ref_expect_shape(const ref_call *c, const char *label, const vita_tensor *t, uint32_t rank,
                             const int64_t *shape);
vita_status ref_expect_vector(const ref_call *c, const char *label, const vita_tensor *t, int64_t n);

/* t has the rank and shape of model, but its last `but` sizes are those given. */
vita_status ref_expect_like(const ref_call *c, const char *label, const vita_tensor *t,
                            const vita_tensor *model, uint32_t but, const int64_t *sizes);

/* x and y are f32 and of one shape, rank at least min_rank. */
vita_status ref_expect_same(const ref_call *c, uint32_t min_rank);

/* Every one of ids is in 0 … rows - 1. */
vita_status ref_expect_ids(const ref_call *c, const vita_tensor *ids, int64_t rows);

/* "f32 [2, 3]" */
#define REF_DESCRIPTION 112
const char *ref_describe(const vita_tensor *t, char text[REF_DESCRIPTION]);

/* ---- for the run_* functions (view.c) -------------------------------------------------------------- */

/* Elements of the dimensions before the last `trailing`: how many rows, planes … there are. */
int64_t ref_count(const vita_tensor *t, uint32_t trailing);
int64_t ref_last(const vita_tensor *t,
                 uint32_t back); /* size of the last (0), last but one (1) … dimension */
int64_t ref_step(const vita_tensor *t, uint32_t back); /* its stride in bytes */

/* Address of number `index` among those, in row-major order. */
unsigned char *ref_at(const vita_tensor *t, uint32_t trailing, int64_t index);
float *ref_row(const vita_tensor *t, int64_t row);                 /* trailing 1 of an f32 tensor */
float *ref_row2(const vita_tensor *t, int64_t plane, int64_t row); /* row of one of the trailing matrices */

/* Row at this address as f32: itself where it is f32, else converted into scratch. */
const float *ref_f32_row(uint32_t dtype, const unsigned char *row, int64_t n, float *scratch);

/* Room for n elements of a size, at least 1; NULL and an error where there is none. The caller frees. */
void *ref_scratch(const ref_call *c, int64_t n, size_t size);

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

#define REF_DECLARE(op)                                                                                      \
	vita_status check_##op(const ref_call *c);                                                           \
	vita_status run_##op(const ref_call *c)
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
