/* SPDX-License-Identifier: MIT
 *
 * Sizes of tensors in bytes, overflow-safe: dense, and as far as a view reaches into its buffer.
 */
#ifndef VITA_HOST_TENSOR_BYTES_H
#define VITA_HOST_TENSOR_BYTES_H

#include <vita/types.h>

/* rank 1 … 4, known dtype, no negative sizes, whole blocks: 1. Otherwise 0. */
int32_t vita_tensor_is_sound(const vita_tensor *tensor);

/* Bytes of the dense form; -1 where that is no number. rank 0 … VITA_MAX_RANK. */
int64_t vita_dense_bytes(uint32_t dtype, uint32_t rank, const int64_t *shape);

/* Bytes from the start of the buffer to the end of a sound view; -1 on overflow. */
int64_t vita_tensor_reach(const vita_tensor *tensor);

#endif
