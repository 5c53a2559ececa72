/* SPDX-License-Identifier: MIT
 *
 * A second, independent backend, for checking the first: every op as its formula in vita/ops.h reads, one
 * output element at a time, in double, through a getter that takes any type and stride. It shares no code
 * with backends/reference or vita/blocks.h, trusts its caller, and is very slow.
 */
#ifndef TEST_NAIVE_H
#define TEST_NAIVE_H

#include <vita/backend.h>

extern const vita_backend_api naive_backend;

/* Element `at` of a tensor over these bytes, whatever its type; and the reverse for plain types. */
double naive_get(const vita_tensor *t, const unsigned char *bytes, const int64_t *at);
void naive_put(const vita_tensor *t, unsigned char *bytes, const int64_t *at, double value);

/* Where element `at`, or the block that it is in, begins: bytes from the start of the buffer. */
int64_t naive_place(const vita_tensor *t, const int64_t *at);

/* Step `at` to the next index of t in row-major order; 0 past the last. Begin with zeros; t is not empty. */
int naive_next(const vita_tensor *t, int64_t *at);

/* naive_ops.c: compute the op on tensors whose buffers are naive_bytes(…). */
void naive_run(const vita_op *op);
unsigned char *naive_bytes(const vita_tensor *t);

#endif
