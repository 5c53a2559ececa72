/* SPDX-License-Identifier: MIT
 *
 * Sizes of tensors in bytes; see tensor_bytes.h.
 */
#include <config.h>

#include "host/tensor_bytes.h"

int64_t vita_dense_bytes(uint32_t dtype, uint32_t rank, const int64_t *shape)
{
	if (rank == 0) return vita_row_bytes(dtype, 1);
	int64_t bytes = vita_row_bytes(dtype, shape[rank - 1]);
	if (bytes < 0) return -1;
	for (uint32_t i = 0; i + 1 < rank; i++)
		if (shape[i] < 0 || __builtin_mul_overflow(bytes, shape[i], &bytes)) return -1;
	return bytes;
}

int32_t vita_tensor_is_sound(const vita_tensor *tensor)
{
	if (tensor->rank < 1 || tensor->rank > VITA_MAX_RANK || vita_dtype_block(tensor->dtype) == 0)
		return 0;
	if (tensor->offset > INT64_MAX) return 0;
	for (uint32_t i = 0; i < tensor->rank; i++)
		if (tensor->shape[i] < 0) return 0;
	return vita_dense_bytes(tensor->dtype, tensor->rank, tensor->shape) >= 0;
}

int64_t vita_tensor_reach(const vita_tensor *tensor)
{
	uint32_t last = tensor->rank - 1;
	int64_t reach = (int64_t)tensor->offset, part;
	for (uint32_t i = 0; i <= last; i++)
		if (tensor->shape[i] == 0) return reach;
	int blocks = vita_dtype_block(tensor->dtype) > 1; /* those of a row lie one behind the other */
	for (uint32_t i = 0; i < last + !blocks; i++) {
		if (__builtin_mul_overflow(tensor->shape[i] - 1, tensor->stride[i], &part)) return -1;
		if (part > 0 && __builtin_add_overflow(reach, part, &reach))
			return -1; /* negative ones lead back */
	}
	part = blocks ? vita_row_bytes(tensor->dtype, tensor->shape[last])
	              : (int64_t)vita_dtype_bytes(tensor->dtype);
	return __builtin_add_overflow(reach, part, &reach) ? -1 : reach;
}
