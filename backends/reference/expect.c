/* SPDX-License-Identifier: MIT
 *
 * Sentences about shapes and types: each function compares a tensor with what an op needs and says what
 * it expected and what it found.
 */
#include "reference.h"

vita_status ref_fail(const ref_call *c, vita_status status, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	return vita_fail(c->err, status, "reference: %s: %s", c->name, text);
}

vita_status ref_expect(const ref_call *c, const char *label, const vita_tensor *t, uint32_t types,
                       uint32_t min_rank, uint32_t max_rank)
{
	char found[REF_DESCRIPTION], wanted[128];
	size_t n = 0;

	if (t->rank < min_rank || t->rank > max_rank) {
		if (min_rank == max_rank)
			return ref_fail(c, VITA_E_SHAPE, "%s has rank %u, expected %u", label, t->rank,
			                min_rank);
		return ref_fail(c, VITA_E_SHAPE, "%s has rank %u, expected %u to %u", label, t->rank,
		                min_rank, max_rank);
	}
	if (types >> t->dtype & 1) return VITA_OK;
	for (uint32_t dtype = 0; dtype <= VITA_Q6_K; dtype++)
		if (types >> dtype & 1)
			n += (size_t)snprintf(wanted + n, sizeof wanted - n, n ? " or %s" : "%s",
			                      vita_dtype_name(dtype));
	return ref_fail(c, VITA_E_UNSUPPORTED, "%s is %s, expected %s", label, ref_describe(t, found),
	                wanted);
}

vita_status ref_expect_shape(const ref_call *c, const char *label, const vita_tensor *t, uint32_t rank,
                             const int64_t *shape)
{
	char found[REF_DESCRIPTION], wanted[REF_DESCRIPTION];
	vita_tensor w;

	if (!t) return VITA_OK;
	VITA_INIT(&w);
	w.rank = rank;
	memcpy(w.shape, shape, rank * sizeof *shape);
	if (t->dtype == VITA_F32 && t->rank == rank && memcmp(t->shape, shape, rank * sizeof *shape) == 0)
		return VITA_OK;
	return ref_fail(c, t->dtype == VITA_F32 ? VITA_E_SHAPE : VITA_E_UNSUPPORTED, "%s is %s, expected %s",
	                label, ref_describe(t, found), ref_describe(&w, wanted));
}

vita_status ref_expect_vector(const ref_call *c, const char *label, const vita_tensor *t, int64_t n)
{
	return ref_expect_shape(c, label, t, 1, &n);
}

vita_status ref_expect_like(const ref_call *c, const char *label, const vita_tensor *t,
                            const vita_tensor *model, uint32_t but, const int64_t *sizes)
{
	char found[REF_DESCRIPTION], wanted[REF_DESCRIPTION];
	vita_tensor w = *model;

	w.dtype = t->dtype;
	for (uint32_t i = 0; i < but; i++) w.shape[w.rank - but + i] = sizes[i];
	if (t->rank == w.rank && memcmp(t->shape, w.shape, w.rank * sizeof *sizes) == 0) return VITA_OK;
	return ref_fail(c, VITA_E_SHAPE, "%s is %s, expected %s", label, ref_describe(t, found),
	                ref_describe(&w, wanted));
}

vita_status ref_expect_same(const ref_call *c, uint32_t min_rank)
{
	vita_status status = ref_expect(c, "x", c->in[0], REF_F32, min_rank, VITA_MAX_RANK);
	if (status != VITA_OK) return status;
	return ref_expect_shape(c, "y", c->out[0], c->in[0]->rank, c->in[0]->shape);
}

vita_status ref_expect_ids(const ref_call *c, const vita_tensor *ids, int64_t rows)
{
	const int32_t *id = (const int32_t *)(const void *)ref_at(ids, 1, 0);

	for (int64_t i = 0; i < ids->shape[0]; i++)
		if (id[i] < 0 || id[i] >= rows)
			return ref_fail(c, VITA_E_INVALID, "ids[%lld] is %d, expected 0 to %lld",
			                (long long)i, (int)id[i], (long long)rows - 1);
	return VITA_OK;
}
