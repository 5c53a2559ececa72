/* SPDX-License-Identifier: MIT
 *
 * What an op accepts: code that our backends share, compiled into each. op_check looks at everything that
 * a caller can get wrong, from counts and struct sizes to where the last element lies, and says in one
 * sentence what was expected and what was found. What passes may be run without another look, except for
 * ids: they are data.
 */
#ifndef VITA_OP_CHECK_H
#define VITA_OP_CHECK_H

#include <vita/backend.h>

/* What a backend knows of one of its buffers. */
typedef struct op_memory {
	const unsigned char *bytes; /* NULL: not in host memory, or not in plain layout */
	uint64_t size;
	uint32_t constant;          /* no op may write here */
	uint32_t reserved;
} op_memory;

typedef op_memory op_memory_fn(const vita_buffer *buffer);

/* An op with normalised copies of its tensors: in[] has a pointer for each input that is there, NULL for
 * optional ones that are not; beyond rank all shapes are 1 and all strides 0, and so are the strides of
 * tensors without elements. It may be neither copied nor moved. */
typedef struct op_call {
	const char *backend; /* "reference": every sentence begins with it */
	const char *name;    /* "MATMUL" */
	op_memory_fn *memory;
	vita_error *err;
	uint32_t code;
	uint32_t n_in, n_out;
	const vita_tensor *in[VITA_OP_MAX_INPUTS];
	const vita_tensor *out[VITA_OP_MAX_OUTPUTS];
	const void *params;
	vita_tensor in_copy[VITA_OP_MAX_INPUTS];
	vita_tensor out_copy[VITA_OP_MAX_OUTPUTS];
} op_call;

/* Everything; without memory buffers are not looked into (`supports`).
 * OK | E_UNSUPPORTED | E_SHAPE | E_INVALID                                        [any-thread] */
vita_status op_check(const char *backend, op_memory_fn *memory, const vita_op *op, op_call *c, vita_error *err);

/* The tensor of a read or write (call says which), and that `size` bytes at `host` are its dense form. *copy
 * is normalised as in op_call.
 * OK | E_SHAPE | E_INVALID                                                        [any-thread] */
vita_status op_check_transfer(const char *backend, const char *call, op_memory_fn *memory, const vita_tensor *t,
                              const void *host, uint64_t size, vita_tensor *copy, vita_error *err);

/* Has one of n tensors elements at all? */
int op_any_elements(const vita_tensor *const *t, uint32_t n);

/* "cpu: MATMUL: …" */
VITA_PRINTF(3, 4) vita_status op_fail(const op_call *c, vita_status status, const char *format, ...);

#define OP_DESCRIPTION 112 /* "f32 [2, 3]" */
const char *op_describe(const vita_tensor *t, char text[OP_DESCRIPTION]);

/* Size and stride in bytes of the last (0), last but one (1) … dimension. */
static inline int64_t op_last(const vita_tensor *t, uint32_t back) { return t->shape[t->rank - 1 - back]; }

static inline int64_t op_step(const vita_tensor *t, uint32_t back) { return t->stride[t->rank - 1 - back]; }

#endif
