/* SPDX-License-Identifier: MIT
 *
 * ARGMAX, TOP_K, NEAREST and REDUCE: a work-group a row.
 */
#include "opencl.h"

static vita_status run_rows(struct launch *l, int64_t rows)
{
	return launch_run(l, l->backend->group, (const int64_t[]){ rows * (int64_t)l->backend->group, 1, 1 });
}

vita_status run_argmax(vita_backend *backend, const op_call *c, vita_error *err)
{
	static const struct kernel_source source = { "select.cl", "argmax", NULL };
	const vita_tensor *y = c->out[0];
	vita_tensor one_a_row = *y; /* y with a last dimension of 1, so that rows are found as in other ops */
	one_a_row.rank = y->rank + 1;
	one_a_row.shape[y->rank] = 1;
	one_a_row.stride[y->rank] = sizeof(int32_t);
	struct launch l = launch_begin(backend, c, &source, 0, err);
	launch_tensor(&l, c->in[0]);
	launch_tensor(&l, &one_a_row);
	return run_rows(&l, count_of(y, 0));
}

vita_status run_top_k(vita_backend *backend, const op_call *c, vita_error *err)
{
	static const struct kernel_source source = { "select.cl", "top_k", NULL };
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
