/* SPDX-License-Identifier: MIT
 *
 * Finding the rows of a tensor, and the inner product that all ops share.
 */
#include <stdlib.h>

#include "reference.h"

int64_t ref_count(const vita_tensor *t, uint32_t trailing)
{
	int64_t count = 1;
	for (uint32_t i = 0; i + trailing < t->rank; i++) count *= t->shape[i];
	return count;
}

unsigned char *ref_at(const vita_tensor *t, uint32_t trailing, int64_t index)
{
	unsigned char *at = t->buffer->bytes + t->offset;
	for (uint32_t i = t->rank - trailing; i-- > 0; index /= t->shape[i])
		at += index % t->shape[i] * t->stride[i];
	return at;
}

float *ref_row(const vita_tensor *t, int64_t row) { return (float *)(void *)ref_at(t, 1, row); }

float *ref_row2(const vita_tensor *t, int64_t plane, int64_t row)
{
	return (float *)(void *)(ref_at(t, 2, plane) + row * op_step(t, 1));
}

const float *ref_f32_row(uint32_t dtype, const unsigned char *row, int64_t n, float *scratch)
{
	if (dtype == VITA_F32) return (const float *)(const void *)row;
	(void)vita_row_to_f32(dtype, row, n, scratch);
	return scratch;
}

void *ref_scratch(const op_call *c, int64_t n, size_t size)
{
	size_t count = n > 0 ? (size_t)n : 1;
	void *memory = (uint64_t)n <= SIZE_MAX / size ? malloc(count * size) : NULL;

	if (!memory)
		(void)op_fail(c, VITA_E_NOMEM, "no memory for %lld values of %u bytes to work with",
		              (long long)n, (unsigned)size);
	return memory;
}

/* Sixteen partial sums in f32, which compilers turn into vector registers, added up in double every 256
 * products, so that the error does not grow with n. The order never depends on anything but n. */
double ref_dot(const float *a, const float *b, int64_t n)
{
	double sum = 0;

	while (n > 0) {
		int64_t run = n < 256 ? n : 256, i = 0;
		float lane[16] = { 0 };
		for (; i + 16 <= run; i += 16)
			for (int l = 0; l < 16; l++) lane[l] += a[i + l] * b[i + l];
		for (; i < run; i++) lane[i & 15] += a[i] * b[i];
		for (int l = 0; l < 16; l++) sum += (double)lane[l];
		a += run;
		b += run;
		n -= run;
	}
	return sum;
}
