/* SPDX-License-Identifier: MIT
 *
 * GATHER and SCATTER: rows by number.
 */
#include "reference.h"

vita_status ref_expect_ids(const op_call *c, const vita_tensor *ids, int64_t rows)
{
	const int32_t *id = (const int32_t *)(const void *)ref_at(ids, 1, 0);

	for (int64_t i = 0; i < ids->shape[0]; i++)
		if (id[i] < 0 || id[i] >= rows)
			return op_fail(c, VITA_E_INVALID, "ids[%lld] is %d, expected 0 to %lld",
			               (long long)i, (int)id[i], (long long)rows - 1);
	return VITA_OK;
}

/* y[i] = table[ids[i]] */
vita_status run_gather(const op_call *c)
{
	const vita_tensor *table = c->in[0], *y = c->out[0];
	const int32_t *ids = (const int32_t *)(const void *)ref_at(c->in[1], 1, 0);
	vita_status status = ref_expect_ids(c, c->in[1], table->shape[0]);

	if (status != VITA_OK) return status;
	for (int64_t i = 0; i < y->shape[0]; i++)
		(void)vita_row_to_f32(table->dtype, ref_at(table, 1, ids[i]), y->shape[1], ref_row(y, i));
	return VITA_OK;
}

/* y[ids[i]] = x[i], in order, so that the last of equal ids wins; nothing is written if an id is wrong. */
vita_status run_scatter(const op_call *c)
{
	const vita_tensor *x = c->in[0], *y = c->out[0];
	const int32_t *ids = (const int32_t *)(const void *)ref_at(c->in[1], 1, 0);
	vita_status status = ref_expect_ids(c, c->in[1], y->shape[0]);

	if (status != VITA_OK) return status;
	for (int64_t i = 0; i < x->shape[0]; i++)
		(void)vita_row_from_f32(y->dtype, ref_row(x, i), x->shape[1], ref_at(y, 1, ids[i]));
	return VITA_OK;
}
