/* SPDX-License-Identifier: MIT
 *
 * CONV1D and CONV_TRANSPOSE1D.
 */
#include "opencl.h"

static vita_status run_conv(vita_backend *backend, const op_call *c, const struct kernel_source *source, vita_error *err)
{
	const vita_conv_params *p = c->params;
	const vita_tensor *y = c->out[0];
	struct launch l = launch_begin(backend, c, source, 0, err);
	launch_tensor(&l, c->in[0]);
	launch_tensor(&l, c->in[1]);
	launch_int(&l, c->in[1]->dtype);
	launch_tensor(&l, c->in[2]);
	launch_tensor(&l, y);
	launch_int(&l, p->stride);
	launch_int(&l, p->dilation);
	launch_int(&l, p->groups);
	launch_int(&l, p->pad_left);
	return launch_run(&l, ELEMENTS, (const int64_t[]){ op_last(y, 0), count_of(y, 1), 1 });
}

vita_status run_conv1d(vita_backend *backend, const op_call *c, vita_error *err)
{
	static const struct kernel_source source = { "conv.cl", "conv1d", NULL };
	return run_conv(backend, c, &source, err);
}

vita_status run_conv_transpose1d(vita_backend *backend, const op_call *c, vita_error *err)
{
	static const struct kernel_source source = { "conv.cl", "conv_transpose1d", NULL };
	return run_conv(backend, c, &source, err);
}
