/* SPDX-License-Identifier: MIT
 *
 * GATHER and SCATTER: rows by number.
 */
#include "reference.h"

vita_status check_gather(const ref_call *c)
{
	const vita_tensor *table = c->in[0], *ids = c->in[1];
	vita_status status;
	int64_t shape[2];

	if ((status = ref_expect(c, "table", table, REF_WEIGHTS, 2, 2)) != VITA_OK) return status;
	if ((status = ref_expect(c, "ids", ids, REF_I32, 1, 1)) != VITA_OK) return status;
	shape[0] = ids->shape[0], shape[1] = table->shape[1];
	return ref_expect_shape(c, "y", c->out[0], 2, shape);
}

/* y[i] = table[ids[i]] */
vita_status run_gather(const ref_call *c)
{
	const vita_tensor *table = c->in[0], *y = c->out[0];
	const int32_t *ids = (const int32_t *)(const void *)ref_at(c->in[1], 1, 0);
	vita_status status = ref_expect_ids(c, c->in[1], table->shape[0]);

	if (status != VITA_OK) return status;
	for (int64_t i = 0; i < y->shape[0]; i++)
		(void)vita_row_to_f32(table->dtype, ref_at(table, 1, ids[i]), y->shape[1], ref_row(y, i));
	return VITA_OK;
}

vita_status check_scatter(const ref_call *c)
{
	const vita_tensor *y = c->out[0], *ids = c->in[1];
	vita_status status;
	int64_t shape[2];

	if ((status = ref_expect(c, "y", y, REF_FLOATS, 2, 2)) != VITA_OK) return status;
	if ((status = ref_expect(c, "ids", ids, REF_I32, 1, 1)) != VITA_OK) return status;
	shape[0] = ids->shape[0], shape[1] = y->shape[1];
	return ref_expect_shape(c, "x", c->in[0], 2, shape);
}

/* y[ids[i]] = x[i], in order, so that the last of equal ids wins; nothing is written if an id is wrong. */
vita_status run_scatter(const ref_call *c)
{
	const vita_tensor *x = c->in[0], *y = c->out[0];
	const int32_t *ids = (const int32_t *)(const void *)ref_at(c->in[1], 1, 0);
	vita_status status = ref_expect_ids(c, c->in[1], y->shape[0]);

	if (status != VITA_OK) return status;
	for (int64_t i = 0; i < x->shape[0]; i++)
		(void)vita_row_from_f32(y->dtype, ref_row(x, i), x->shape[1], ref_at(y, 1, ids[i]));
	return VITA_OK;
}
