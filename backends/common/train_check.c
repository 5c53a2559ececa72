/* SPDX-License-Identifier: MIT
 *
 * Arguments of training ops; see train_check.h.
 */
#include "train_check.h"

void train_fail(train_call *c, const char *format, ...)
{
	char text[512];
	va_list args;
	if (c->status != VITA_OK) return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	c->status = vita_fail(c->err, VITA_E_SHAPE, "%s: training op %s: %s", c->backend, c->op, text);
}

/* Rows of floats that lie within the buffer and may be used as asked. */
static train_rows look(train_call *c, const char *what, const vita_tensor *t, int64_t n, int64_t width, int64_t step,
                       uint32_t use)
{
	train_rows rows = { NULL, n, width, step };
	const op_memory memory = c->memory(t->buffer);
	const int64_t size = (int64_t)sizeof(float);
	if (!memory.bytes || memory.size > INT64_MAX) {
		train_fail(c, "%s is not plain host memory", what);
	} else if (n < 0 || width < 0 || step < width) {
		train_fail(c, "%s has %lld rows of %lld values, %lld apart", what, (long long)n, (long long)width,
		           (long long)step);
	} else if (n > 0 && width > 0) {
		const int64_t floats = (int64_t)memory.size / size;
		if (t->offset % sizeof(float) || t->offset > memory.size || step > floats || n - 1 > floats / step ||
		    (n - 1) * step + width > floats - (int64_t)(t->offset / sizeof(float)))
			train_fail(c, "%s does not lie within its buffer", what);
		else if ((use & TRAIN_WRITE) && memory.constant)
			train_fail(c, "%s may not be written to", what);
	}
	if (c->status == VITA_OK) rows.at = (float *)(uintptr_t)(memory.bytes + t->offset);
	return rows;
}

/* Is there a tensor to look at? */
static bool given(train_call *c, const char *what, const vita_tensor *t, uint32_t rank, uint32_t use)
{
	if (c->status != VITA_OK) return false;
	if (!t || !t->buffer) {
		if (!(use & TRAIN_OPTIONAL)) train_fail(c, "%s is missing", what);
		return false;
	}
	if (t->dtype != VITA_F32 || (rank && t->rank != rank) || t->rank < 1 || t->rank > 2 ||
	    t->stride[t->rank - 1] != (int64_t)sizeof(float) || t->stride[0] % (int64_t)sizeof(float))
		train_fail(c, "%s is not an f32 tensor of %u dimensions with contiguous rows", what, rank ? rank : 2);
	return c->status == VITA_OK;
}

train_rows train_matrix(train_call *c, const char *what, const vita_tensor *t, int64_t n, int64_t width, uint32_t use)
{
	train_rows none = { NULL, 0, 0, 0 };
	if (!given(c, what, t, 2, use)) return none;
	if ((n >= 0 && t->shape[0] != n) || (width >= 0 && t->shape[1] != width)) {
		train_fail(c, "%s is [%lld, %lld]; the other arguments want [%lld, %lld]", what, (long long)t->shape[0],
		           (long long)t->shape[1], (long long)n, (long long)width);
		return none;
	}
	return look(c, what, t, t->shape[0], t->shape[1], t->stride[0] / (int64_t)sizeof(float), use);
}

train_rows train_vector(train_call *c, const char *what, const vita_tensor *t, int64_t n, uint32_t use)
{
	train_rows none = { NULL, 0, 0, 0 };
	if (!given(c, what, t, 1, use)) return none;
	if (n >= 0 && t->shape[0] != n) {
		train_fail(c, "%s has %lld values; the other arguments want %lld", what, (long long)t->shape[0],
		           (long long)n);
		return none;
	}
	return look(c, what, t, 1, t->shape[0], t->shape[0], use);
}

train_rows train_dense(train_call *c, const char *what, const vita_tensor *t, int64_t n, uint32_t use)
{
	train_rows none = { NULL, 0, 0, 0 };
	if (!given(c, what, t, 0, use)) return none;
	const int64_t rows = t->rank == 2 ? t->shape[0] : 1, width = t->shape[t->rank - 1];
	if (rows < 0 || width < 0 || (width > 0 && rows > INT64_MAX / 8 / width) ||
	    (t->rank == 2 && rows > 1 && t->stride[0] != width * (int64_t)sizeof(float)))
		train_fail(c, "%s does not lie without gaps", what);
	else if (n >= 0 && rows * width != n)
		train_fail(c, "%s has %lld values; the other arguments have %lld", what, (long long)(rows * width),
		           (long long)n);
	return c->status == VITA_OK ? look(c, what, t, 1, rows * width, rows * width, use) : none;
}

void train_ids(train_call *c, const char *what, const int32_t *ids, int64_t n, int64_t first, int64_t end)
{
	if (c->status == VITA_OK && n > 0 && !ids) train_fail(c, "%s are missing", what);
	for (int64_t i = 0; i < n && c->status == VITA_OK; i++)
		if (ids[i] < first || ids[i] >= end)
			train_fail(c, "number %lld of %s is %ld; they go from %lld to %lld", (long long)i, what,
			           (long)ids[i], (long long)first, (long long)end - 1);
}

void train_attention_shape(train_call *c, const vita_train_attention *a, int64_t n)
{
	if (c->status != VITA_OK) return;
	if (a->heads < 1 || a->kv_heads < 1 || a->heads % a->kv_heads || a->size < 1 || a->heads > INT32_MAX ||
	    a->size > INT32_MAX)
		train_fail(c, "%lld heads on %lld of size %lld cannot be", (long long)a->heads, (long long)a->kv_heads,
		           (long long)a->size);
	else if (a->n_samples < 1 || !a->starts || a->starts[0] != 0 || a->starts[a->n_samples] != n)
		train_fail(c, "the samples do not go from row 0 to row %lld", (long long)n);
	for (uint32_t s = 0; c->status == VITA_OK && s < a->n_samples; s++)
		if (a->starts[s] > a->starts[s + 1]) train_fail(c, "sample %u begins behind its end", s);
}
