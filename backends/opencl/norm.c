/* SPDX-License-Identifier: MIT
 *
 * RMS_NORM, LAYER_NORM, GROUP_NORM and SOFTMAX.
 */
#include "opencl.h"

/* A work-group a row. */
static vita_status run_rows(struct launch *l, int64_t rows)
{
	return launch_run(l, l->backend->group, (const int64_t[]){ rows * (int64_t)l->backend->group, 1, 1 });
}

vita_status run_rms_norm(vita_backend *backend, const op_call *c, vita_error *err)
{
	static const struct kernel_source source = { "norm.cl", "rms_norm", NULL };
	struct launch l = launch_begin(backend, c, &source, 0, err);
	launch_tensor(&l, c->in[0]);
	launch_tensor(&l, c->in[1]);
	launch_tensor(&l, c->out[0]);
	launch_float(&l, ((const vita_norm_params *)c->params)->epsilon);
	return run_rows(&l, count_of(c->out[0], 1));
}

vita_status run_layer_norm(vita_backend *backend, const op_call *c, vita_error *err)
{
	static const struct kernel_source source = { "norm.cl", "layer_norm", NULL };
	struct launch l = launch_begin(backend, c, &source, 0, err);
	launch_tensor(&l, c->in[0]);
	launch_tensor(&l, c->in[1]);
	launch_tensor(&l, c->in[2]);
	launch_tensor(&l, c->out[0]);
	launch_float(&l, ((const vita_norm_params *)c->params)->epsilon);
	return run_rows(&l, count_of(c->out[0], 1));
}

vita_status run_group_norm(vita_backend *backend, const op_call *c, vita_error *err)
{
	static const struct kernel_source source = { "norm.cl", "group_norm", NULL };
	const vita_norm_params *p = c->params;
	const int64_t width = op_last(c->in[0], 1) / p->groups;
	struct launch l = launch_begin(backend, c, &source, 0, err);
	launch_tensor(&l, c->in[0]);
	launch_tensor(&l, c->in[1]);
	launch_tensor(&l, c->in[2]);
	launch_tensor(&l, c->out[0]);
	launch_int(&l, width);
	launch_float(&l, p->epsilon);
	return run_rows(&l, count_of(c->out[0], 1) / width);
}

vita_status run_softmax(vita_backend *backend, const op_call *c, vita_error *err)
{
	static const struct kernel_source source = { "norm.cl", "softmax", NULL };
	struct launch l = launch_begin(backend, c, &source, 0, err);
	launch_tensor(&l, c->in[0]);
	launch_tensor(&l, c->out[0]);
	launch_float(&l, ((const vita_affine_params *)c->params)->scale);
	return run_rows(&l, count_of(c->out[0], 1));
}
