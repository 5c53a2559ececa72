/* SPDX-License-Identifier: MIT
 *
 * POOL, INTERPOLATE and CUMSUM.
 */
#include "opencl.h"

vita_status run_pool(vita_backend *backend, const op_call *c, vita_error *err)
{
	static const struct kernel_source source = { "timeline.cl", "pool", NULL };
	const vita_pool_params *p = c->params;
	struct launch l = launch_begin(backend, c, &source, 0, err);
	launch_tensor(&l, c->in[0]);
	launch_tensor(&l, c->out[0]);
	launch_int(&l, p->kind);
	launch_int(&l, p->kernel);
	launch_int(&l, p->stride > INT32_MAX ? INT32_MAX : p->stride); /* no second place then */
	return launch_run(&l, ELEMENTS, (const int64_t[]){ op_last(c->out[0], 0), count_of(c->out[0], 1), 1 });
}

vita_status run_interpolate(vita_backend *backend, const op_call *c, vita_error *err)
{
	static const struct kernel_source source = { "timeline.cl", "interpolate", NULL };
	struct launch l = launch_begin(backend, c, &source, 0, err);
	launch_tensor(&l, c->in[0]);
	launch_tensor(&l, c->out[0]);
	launch_int(&l, ((const vita_kind_params *)c->params)->kind);
	return launch_run(&l, ELEMENTS, (const int64_t[]){ op_last(c->out[0], 0), count_of(c->out[0], 1), 1 });
}

vita_status run_cumsum(vita_backend *backend, const op_call *c, vita_error *err)
{
	static const struct kernel_source source = { "timeline.cl", "cumsum", NULL };
	struct launch l = launch_begin(backend, c, &source, 0, err);
	launch_tensor(&l, c->in[0]);
	launch_tensor(&l, c->out[0]);
	launch_int(&l, count_of(c->out[0], 1));
	return launch_run(&l, ELEMENTS, (const int64_t[]){ count_of(c->out[0], 1), 1, 1 });
}
