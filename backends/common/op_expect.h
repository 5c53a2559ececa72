/* SPDX-License-Identifier: MIT
 *
 * Between the files of this folder: the words in which an op's own check_* function says what it expects.
 */
#ifndef VITA_OP_EXPECT_H
#define VITA_OP_EXPECT_H

#include "op_check.h"

typedef struct op_spec {
	const char *name;
	uint32_t required; /* so many inputs must be there */
	uint32_t most;     /* and so many may be */
	uint32_t n_out;
	uint32_t params_size; /* 0: none */
	uint32_t in_place;    /* bit i: an output may be exactly input i */
	uint32_t any_strides; /* 1: also the innermost dimension of plain types may have gaps */
	vita_status (*check)(const op_call *c);
} op_spec;

/* NULL where there is no such op. */
const op_spec *op_spec_find(uint32_t code);

#define OP_F32 (1u << VITA_F32)
#define OP_I32 (1u << VITA_I32)
#define OP_FLOATS (OP_F32 | 1u << VITA_F16 | 1u << VITA_BF16)
#define OP_CACHE (OP_FLOATS | 1u << VITA_Q8_0)
#define OP_BLOCKS (1u << VITA_Q8_0 | 1u << VITA_Q4_0 | 1u << VITA_Q4_1 | 1u << VITA_Q4_K | 1u << VITA_Q6_K)
#define OP_WEIGHTS (OP_FLOATS | OP_BLOCKS)
#define OP_PLAIN (OP_FLOATS | OP_I32 | 1u << VITA_U8)

/* t is one of these types and has min_rank … max_rank dimensions. */
vita_status op_expect(const op_call *c, const char *label, const vita_tensor *t, uint32_t types,
                      uint32_t min_rank, uint32_t max_rank);

/* t is f32 and has exactly this shape. A NULL t passes. */
vita_status op_expect_shape(const op_call *c, const char *label, const vita_tensor *t, uint32_t rank,
                            const int64_t *shape);
vita_status op_expect_vector(const op_call *c, const char *label, const vita_tensor *t, int64_t n);

/* t has the rank and shape of model, but its last `but` sizes are those given. */
vita_status op_expect_like(const op_call *c, const char *label, const vita_tensor *t,
                           const vita_tensor *model, uint32_t but, const int64_t *sizes);

/* x and y are f32 and of one shape, rank at least min_rank. */
vita_status op_expect_same(const op_call *c, uint32_t min_rank);

#define OP_DECLARE(op) vita_status check_##op(const op_call *c)
OP_DECLARE(matmul);
OP_DECLARE(gather);
OP_DECLARE(scatter);
OP_DECLARE(rms_norm);
OP_DECLARE(layer_norm);
OP_DECLARE(group_norm);
OP_DECLARE(rope);
OP_DECLARE(attention);
OP_DECLARE(softmax);
OP_DECLARE(unary);
OP_DECLARE(binary);
OP_DECLARE(glu);
OP_DECLARE(affine);
OP_DECLARE(conv1d);
OP_DECLARE(conv_transpose1d);
OP_DECLARE(pool);
OP_DECLARE(interpolate);
OP_DECLARE(cumsum);
OP_DECLARE(argmax);
OP_DECLARE(top_k);
OP_DECLARE(nearest);
OP_DECLARE(reduce);
OP_DECLARE(copy);
OP_DECLARE(concat);
OP_DECLARE(fill);
#undef OP_DECLARE

#endif
