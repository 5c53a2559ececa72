/* SPDX-License-Identifier: MIT
 *
 * ARGMAX, TOP_K, NEAREST and REDUCE: a work-group a row.
 */
#include "opencl.h"

static vita_status run_rows(struct launch *l, int64_t rows)
{
	return launch_run(l, l->backend->group, (const int64_t[]){ rows * (int64_t)l->backend->group, 1, 1 });
}

#define PART 4096 /* columns that one work-group looks through for the largest */

/* The place of each row's largest value, and the value itself where `value` is not NULL. A row of scores is long and often
 * alone: many work-groups look through it, then one through what they found. */
static vita_status run_largest(vita_backend *backend, const op_call *c, const vita_tensor *value, const vita_tensor *index,
                               vita_error *err)
{
	static const struct kernel_source part = { "select.cl", "largest_of_part", NULL };
	static const struct kernel_source all = { "select.cl", "largest_of_parts", NULL };
	const vita_tensor *x = c->in[0];
	const int64_t rows = count_of(x, 1), parts = (op_last(x, 0) + PART - 1) / PART;
	cl_mem found;
	const vita_status status = memory_scratch(backend, (uint64_t)(rows * parts) * sizeof(cl_int), &found, err);
	if (status != VITA_OK) return status;
	struct launch l = launch_begin(backend, c, &part, 0, err);
	launch_tensor(&l, x);
	launch_int(&l, PART);
	launch_int(&l, parts);
	launch_buffer(&l, found);
	if (run_rows(&l, rows * parts) != VITA_OK) return l.status;
	l = launch_begin(backend, c, &all, 0, err);
	launch_tensor(&l, x);
	launch_int(&l, parts);
	launch_buffer(&l, found);
	launch_tensor(&l, index);
	launch_tensor(&l, value);
	return run_rows(&l, rows);
}

vita_status run_argmax(vita_backend *backend, const op_call *c, vita_error *err)
{
	const vita_tensor *y = c->out[0];
	vita_tensor one_a_row = *y; /* y with a last dimension of 1, so that rows are found as in other ops */
	one_a_row.rank = y->rank + 1;
	one_a_row.shape[y->rank] = 1;
	one_a_row.stride[y->rank] = sizeof(int32_t);
	return run_largest(backend, c, NULL, &one_a_row, err);
}

vita_status run_top_k(vita_backend *backend, const op_call *c, vita_error *err)
{
	static const struct kernel_source source = { "select.cl", "top_k", NULL };
	if (op_last(c->out[0], 0) == 1) return run_largest(backend, c, c->out[0], c->out[1], err);
	struct launch l = launch_begin(backend, c, &source, 0, err);
	launch_tensor(&l, c->in[0]);
	launch_tensor(&l, c->out[0]);
	launch_tensor(&l, c->out[1]);
	return run_rows(&l, count_of(c->in[0], 1));
}

vita_status run_nearest(vita_backend *backend, const op_call *c, vita_error *err)
{
	static const struct kernel_source source = { "select.cl", "nearest", NULL };
	struct launch l = launch_begin(backend, c, &source, 0, err);
	launch_tensor(&l, c->in[0]);
	launch_tensor(&l, c->in[1]);
	launch_int(&l, c->in[1]->dtype);
	launch_tensor(&l, c->out[0]);
	return run_rows(&l, c->in[0]->shape[0]);
}

vita_status run_reduce(vita_backend *backend, const op_call *c, vita_error *err)
{
	static const struct kernel_source source = { "select.cl", "reduce", NULL };
	struct launch l = launch_begin(backend, c, &source, 0, err);
	launch_tensor(&l, c->in[0]);
	launch_tensor(&l, c->out[0]);
	launch_int(&l, ((const vita_kind_params *)c->params)->kind);
	return run_rows(&l, count_of(c->out[0], 1));
}
