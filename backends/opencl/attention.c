/* SPDX-License-Identifier: MIT
 *
 * ROPE and ATTENTION.
 */
#include <math.h>
#include <stdlib.h>

#include "opencl.h"

/* ---- ROPE ------------------------------------------------------------------------------------------ */

/* Turns a position: scale · theta^(-2j / n) / 2π, each as the sum of two floats. */
struct rope_table {
	struct rope_table *next;
	double theta, scale;
	uint32_t n_rotated;
	cl_mem steps;
};

static vita_status make_table(vita_backend *backend, const vita_rope_params *p, struct rope_table **out, vita_error *err)
{
	const double pi = acos(-1);
	const size_t half = p->n_rotated / 2, size = (half ? half : 1) * sizeof(cl_float2);
	cl_int error;
	*out = NULL;
	struct rope_table *t = calloc(1, sizeof *t);
	cl_float2 *steps = malloc(size);
	if (!t || !steps) {
		free(t);
		free(steps);
		return vita_fail(err, VITA_E_NOMEM, "opencl: no memory for a table of rotations");
	}
	for (size_t j = 0; j < half; j++) {
		const double turns = p->scale * pow(p->theta, -(double)j / (double)half) / (2 * pi);
		steps[j].s[0] = (float)turns;
		steps[j].s[1] = (float)(turns - (double)steps[j].s[0]);
	}
	t->steps = clCreateBuffer(backend->context, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, size, steps, &error);
	free(steps);
	if (error != CL_SUCCESS) {
		free(t);
		return cl_failure(backend, "clCreateBuffer", error, err);
	}
	t->theta = p->theta;
	t->scale = p->scale;
	t->n_rotated = p->n_rotated;
	t->next = backend->rope_tables;
	*out = backend->rope_tables = t;
	return VITA_OK;
}

#define MOST_TABLES 32 /* models want one or two */

static vita_status find_table(vita_backend *backend, const vita_rope_params *p, cl_mem *steps, vita_error *err)
{
	struct rope_table *t = backend->rope_tables;
	uint32_t n = 0;
	while (t && (t->theta != p->theta || t->scale != p->scale || t->n_rotated != p->n_rotated)) t = t->next, n++;
	if (!t && n >= MOST_TABLES) rope_close(backend);
	if (!t) {
		const vita_status status = make_table(backend, p, &t, err);
		if (status != VITA_OK) return status;
	}
	*steps = t->steps;
	return VITA_OK;
}

/* Commands that use a table keep its memory. */
void rope_close(vita_backend *backend)
{
	while (backend->rope_tables) {
		struct rope_table *next = backend->rope_tables->next;
		(void)clReleaseMemObject(backend->rope_tables->steps);
		free(backend->rope_tables);
		backend->rope_tables = next;
	}
}

vita_status run_rope(vita_backend *backend, const op_call *c, vita_error *err)
{
	static const struct kernel_source source = { "rope.cl", "rope", NULL };
	const vita_rope_params *p = c->params;
	const vita_tensor *x = c->in[0];
	cl_mem steps;
	const vita_status status = find_table(backend, p, &steps, err);
	if (status != VITA_OK) return status;
	struct launch l = launch_begin(backend, c, &source, 0, err);
	launch_tensor(&l, x);
	launch_tensor(&l, c->in[1]);
	launch_tensor(&l, c->in[2]);
	launch_tensor(&l, c->out[0]);
	launch_buffer(&l, steps);
	launch_int(&l, p->n_rotated);
	launch_int(&l, p->style);
	return launch_run(&l, ELEMENTS, (const int64_t[]){ x->shape[2] - p->n_rotated / 2, x->shape[1], x->shape[0] });
}

vita_status rope_into_cache(vita_backend *backend, const op_call *q, const op_call *k, const op_call *k_copy,
                            const op_call *v_copy, vita_error *err)
{
	static const struct kernel_source source = { "rope.cl", "rope_cache", NULL };
	const vita_rope_params *p = k->params;
	const vita_tensor *x = k->out[0], *v = v_copy->in[0], *slots[] = { k_copy->out[0], v_copy->out[0] };
	vita_tensor none = *x; /* k once more, without heads */
	none.shape[1] = 0;
	cl_mem steps;
	const vita_status status = find_table(backend, p, &steps, err);
	if (status != VITA_OK) return status;
	struct launch l = launch_begin(backend, k, &source, 0, err);
	launch_tensor(&l, q ? q->out[0] : &none);
	launch_tensor(&l, x);
	launch_tensor(&l, k->in[1]);
	launch_tensor(&l, k->in[2]);
	launch_buffer(&l, steps);
	launch_int(&l, p->n_rotated);
	launch_int(&l, p->style);
	launch_buffer(&l, v->buffer->memory);
	launch_long(&l, (int64_t)v->offset);
	launch_long(&l, v->stride[0]);
	for (int i = 0; i < 2; i++) {
		launch_buffer(&l, slots[i]->buffer->memory);
		launch_long(&l, (int64_t)slots[i]->offset);
		launch_long(&l, slots[i]->stride[0]);
		launch_int(&l, slots[i]->dtype);
	}
	const int64_t heads = (q ? q->out[0]->shape[1] : 0) + 2 * x->shape[1];
	return launch_run(&l, ELEMENTS, (const int64_t[]){ x->shape[2] - p->n_rotated / 2, heads, x->shape[0] });
}

/* ---- ATTENTION ------------------------------------------------------------------------------------- */

#define LONGEST_HEAD 256
#define QUERIES 4 /* of one head that share a reading of keys, where there are as many */

/* variant: head size, k type << 16, v type << 20, queries << 24 */
static void options(const vita_backend *backend, uint64_t variant, char *text, size_t size)
{
	(void)backend;
	(void)snprintf(text, size, "-DHEAD=%u -DK_TYPE=%u -DV_TYPE=%u -DQUERIES=%u", (unsigned)(variant & 0xffff),
	               (unsigned)(variant >> 16 & 15), (unsigned)(variant >> 20 & 15), (unsigned)(variant >> 24));
}

static void any_head(const vita_backend *backend, uint64_t variant, char *text, size_t size)
{
	(void)backend, (void)variant;
	(void)snprintf(text, size, "-DHEAD=0");
}

static vita_status run_fast(vita_backend *backend, const op_call *c, vita_error *err)
{
	static const struct kernel_source source = { "attention.cl", "attention", options };
	const vita_attention_params *p = c->params;
	const vita_tensor *q = c->in[0], *k = c->in[1], *v = c->in[2];
	const int64_t queries = backend->is_cpu && q->shape[0] >= QUERIES && q->shape[2] <= 128 ? QUERIES : 1;
	const int64_t groups = (q->shape[0] + queries - 1) / queries;
	struct launch l = launch_begin(backend, c, &source, (uint64_t)q->shape[2] | (uint64_t)k->dtype << 16 |
	                               (uint64_t)v->dtype << 20 | (uint64_t)queries << 24, err);
	launch_tensor(&l, q);
	launch_tensor(&l, k);
	launch_tensor(&l, v);
	launch_tensor(&l, c->in[3]);
	launch_tensor(&l, c->out[0]);
	launch_int(&l, p->mask);
	launch_int(&l, p->block > INT32_MAX ? INT32_MAX : p->block);
	launch_float(&l, p->scale);
	return launch_run(&l, backend->group, (const int64_t[]){ groups * (int64_t)backend->group, q->shape[1], 1 });
}

vita_status run_attention(vita_backend *backend, const op_call *c, vita_error *err)
{
	static const struct kernel_source source = { "attention.cl", "attention_any", any_head };
	const vita_attention_params *p = c->params;
	const vita_tensor *q = c->in[0];
	if (q->shape[2] % 16 == 0 && q->shape[2] <= LONGEST_HEAD && c->in[1]->shape[0] > 0) return run_fast(backend, c, err);
	struct launch l = launch_begin(backend, c, &source, 0, err);
	launch_tensor(&l, q);
	launch_tensor(&l, c->in[1]);
	launch_int(&l, c->in[1]->dtype);
	launch_tensor(&l, c->in[2]);
	launch_int(&l, c->in[2]->dtype);
	launch_tensor(&l, c->in[3]);
	launch_tensor(&l, c->out[0]);
	launch_int(&l, p->mask);
	launch_int(&l, p->block > INT32_MAX ? INT32_MAX : p->block);
	launch_float(&l, p->scale);
	return launch_run(&l, backend->group, (const int64_t[]){ q->shape[0] * (int64_t)backend->group, q->shape[1], 1 });
}
