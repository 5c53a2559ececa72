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

bool evenly_spaced(const vita_tensor *t)
{
	int64_t step = op_step(t, 1) * op_last(t, 1);
	for (uint32_t back = 2; back < t->rank; back++) {
		if (op_last(t, back) > 1 && op_step(t, back) != step) return false;
		step = step * op_last(t, back);
	}
	return true;
}
