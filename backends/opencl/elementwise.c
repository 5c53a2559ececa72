/* SPDX-License-Identifier: MIT
 *
 * UNARY, BINARY, GLU and AFFINE.
 */
#include "opencl.h"

/* A work-item an element of y. */
static vita_status run_elements(struct launch *l, const vita_tensor *y)
{
	return launch_run(l, ELEMENTS, (const int64_t[]){ op_last(y, 0), count_of(y, 1), 1 });
}

vita_status run_unary(vita_backend *backend, const op_call *c, vita_error *err)
{
	static const struct kernel_source source = { "elementwise.cl", "unary", NULL };
	const vita_unary_params *p = c->params;
	struct launch l = launch_begin(backend, c, &source, 0, err);
	launch_tensor(&l, c->in[0]);
	launch_tensor(&l, c->in[1]);
	launch_tensor(&l, c->out[0]);
	launch_int(&l, p->function);
	launch_float(&l, p->alpha);
	return run_elements(&l, c->out[0]);
}

vita_status run_binary(vita_backend *backend, const op_call *c, vita_error *err)
{
	static const struct kernel_source source = { "elementwise.cl", "binary", NULL };
	struct launch l = launch_begin(backend, c, &source, 0, err);
	launch_tensor(&l, c->in[0]);
	launch_tensor(&l, c->in[1]);
	launch_tensor(&l, c->out[0]);
	launch_int(&l, ((const vita_kind_params *)c->params)->kind);
	return run_elements(&l, c->out[0]);
}

vita_status run_glu(vita_backend *backend, const op_call *c, vita_error *err)
{
	static const struct kernel_source source = { "elementwise.cl", "glu", NULL };
	struct launch l = launch_begin(backend, c, &source, 0, err);
	launch_tensor(&l, c->in[0]);
	launch_tensor(&l, c->in[1]);
	launch_tensor(&l, c->out[0]);
	launch_int(&l, ((const vita_kind_params *)c->params)->kind);
	return run_elements(&l, c->out[0]);
}

vita_status run_affine(vita_backend *backend, const op_call *c, vita_error *err)
{
	static const struct kernel_source source = { "elementwise.cl", "affine", NULL };
	const vita_affine_params *p = c->params;
	struct launch l = launch_begin(backend, c, &source, 0, err);
	launch_tensor(&l, c->in[0]);
	launch_tensor(&l, c->out[0]);
	launch_float(&l, p->scale);
	launch_float(&l, p->shift);
	return run_elements(&l, c->out[0]);
}
