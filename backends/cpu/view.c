/* SPDX-License-Identifier: MIT
 *
 * Finding the rows of a tensor.
 */
#include "cpu.h"

void *view_at(const vita_tensor *t, uint32_t trailing, int64_t index)
{
	char *at = tensor_data(t);
	if (t->rank <= trailing) return at;
	for (uint32_t i = t->rank - trailing; i-- > 1; index /= t->shape[i]) at += index % t->shape[i] * t->stride[i];
	return at + index * t->stride[0];
}
