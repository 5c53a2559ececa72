/* SPDX-License-Identifier: MIT
 *
 * MATMUL.
 */
#include "tiles.h"

vita_status run_matmul(vita_backend *backend, const op_call *c, vita_error *err)
{
	static const struct kernel_source source = { "matmul.cl", "multiply_any", NULL };
	const vita_tensor *y = c->out[0];
	if (is_packed(c->in[1])) return tiles_multiply(backend, &c, 1, NULL, err);
	struct launch l = launch_begin(backend, c, &source, 0, err);
	launch_tensor(&l, c->in[0]);
	launch_tensor(&l, c->in[1]);
	launch_int(&l, c->in[1]->dtype);
	launch_tensor(&l, c->in[2]);
	launch_tensor(&l, c->in[3]);
	launch_tensor(&l, y);
	launch_int(&l, ((const vita_matmul_params *)c->params)->activation);
	return launch_run(&l, backend->group, (const int64_t[]){ op_last(y, 0) * (int64_t)backend->group, count_of(y, 1), 1 });
}
