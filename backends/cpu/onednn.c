/* SPDX-License-Identifier: MIT
 *
 * Matrix products through oneDNN 2.x (2.6 is Debian's) or 3.x, whose way of describing an operation differs.
 *
 * Weights are read where they lie, rows of k values, as the transpose of the k × m matrix that oneDNN wants;
 * bf16 weights meet activations rounded to bf16 (the backend's own kernels, for few rows, keep
 * them f32). Primitives are kept by
 * shape.
 */
#include "onednn.h"

#ifdef HAVE_ONEDNN
#include <oneapi/dnnl/dnnl.h>
#include <pthread.h>
#include <stdlib.h>

#define CACHED 64     /* primitives kept */
#define ROWS_LEAST 17 /* fewer rows are for the backend's own kernels */
#define BF16_MACS 1.3e8 /* bf16 products below this take under 10 ms exactly, so nothing is rounded for them */

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t description;
#else
typedef dnnl_memory_desc_t *description;
#endif

struct key {
	int64_t n, k, m, x_stride, w_stride, y_stride; /* strides in elements */
	uint32_t dtype;
	bool bias, residual;
};

struct entry {
	struct key key;
	dnnl_primitive_t primitive;
	dnnl_memory_t x, w, bias, y; /* bound to addresses at each use */
	uint64_t used;
};

struct onednn {
	dnnl_engine_t engine;
	dnnl_stream_t stream;
	pthread_mutex_t lock;
	struct entry entry[CACHED];
	uint64_t clock;
};

struct onednn *onednn_open(void)
{
	struct onednn *o = calloc(1, sizeof *o);
	if (!o) return NULL;
	if (dnnl_engine_create(&o->engine, dnnl_cpu, 0) == dnnl_success &&
	    dnnl_stream_create(&o->stream, o->engine, dnnl_stream_default_flags) == dnnl_success &&
	    pthread_mutex_init(&o->lock, NULL) == 0)
		return o;
	if (o->stream) (void)dnnl_stream_destroy(o->stream);
	if (o->engine) (void)dnnl_engine_destroy(o->engine);
	free(o);
	return NULL;
}

static void entry_clear(struct entry *e)
{
	if (e->primitive) (void)dnnl_primitive_destroy(e->primitive);
	if (e->x) (void)dnnl_memory_destroy(e->x);
	if (e->w) (void)dnnl_memory_destroy(e->w);
	if (e->bias) (void)dnnl_memory_destroy(e->bias);
	if (e->y) (void)dnnl_memory_destroy(e->y);
	memset(e, 0, sizeof *e);
}

void onednn_close(struct onednn *o)
{
	if (!o) return;
	for (int i = 0; i < CACHED; i++) entry_clear(&o->entry[i]);
	(void)dnnl_stream_destroy(o->stream);
	(void)dnnl_engine_destroy(o->engine);
	(void)pthread_mutex_destroy(&o->lock);
	free(o);
}

const char *onednn_version(void)
{
	static char text[48];
	const dnnl_version_t *v = dnnl_version();
	(void)snprintf(text, sizeof text, "%d.%d.%d", v->major, v->minor, v->patch);
	return text;
}

bool onednn_takes(const struct onednn *o, const vita_op *op)
{
	const vita_tensor *w = op->input[1], *r = op->input[3], *y = op->output[0];
	const vita_matmul_params *p = op->params;
	if (!o || (w->dtype != VITA_F32 && w->dtype != VITA_BF16) || y->shape[0] < ROWS_LEAST) return false;
	if (p && p->activation != VITA_UNARY_NONE) return false;
	if (w->dtype == VITA_BF16 &&
	    (double)y->shape[0] * (double)w->shape[0] * (double)w->shape[1] < BF16_MACS) return false;
	/* A residual is added to what y holds, so it must be y. */
	return !r || (r->buffer == y->buffer && r->offset == y->offset && r->stride[0] == y->stride[0]);
}

/* ---- descriptions, the part in which 2.x and 3.x differ ------------------------------------------------ */

#if DNNL_VERSION_MAJOR >= 3
static dnnl_status_t describe(description *out, int rank, int64_t rows, int64_t columns, dnnl_data_type_t type,
                              int64_t row_stride, int64_t column_stride)
{
	dnnl_dims_t dims = { rows, columns }, strides = { row_stride, column_stride };
	return dnnl_memory_desc_create_with_strides(out, rank, dims, type, strides);
}

static void forget(description *d)
{
	if (*d) (void)dnnl_memory_desc_destroy(*d);
}

static dnnl_status_t describe_product(dnnl_primitive_desc_t *out, dnnl_engine_t engine, const description *d,
                                      const_dnnl_primitive_attr_t attributes)
{
	return dnnl_matmul_primitive_desc_create(out, engine, d[0], d[1], d[2], d[3], attributes);
}
#else
static dnnl_status_t describe(description *out, int rank, int64_t rows, int64_t columns, dnnl_data_type_t type,
                              int64_t row_stride, int64_t column_stride)
{
	dnnl_dims_t dims = { rows, columns }, strides = { row_stride, column_stride };
	*out = malloc(sizeof **out);
	if (!*out) return dnnl_out_of_memory;
	return dnnl_memory_desc_init_by_strides(*out, rank, dims, type, strides);
}

static void forget(description *d)
{
	free(*d);
}

static dnnl_status_t describe_product(dnnl_primitive_desc_t *out, dnnl_engine_t engine, const description *d,
                                      const_dnnl_primitive_attr_t attributes)
{
	dnnl_matmul_desc_t product;
	dnnl_status_t status = dnnl_matmul_desc_init(&product, d[0], d[1], d[2], d[3]);
	if (status != dnnl_success) return status;
	return dnnl_primitive_desc_create(out, &product, attributes, engine, NULL);
}
#endif

/* ---- primitives ------------------------------------------------------------------------------------------ */

static dnnl_status_t attributes_of(const struct key *key, dnnl_primitive_attr_t *out)
{
	dnnl_post_ops_t add = NULL;
	dnnl_status_t status = dnnl_primitive_attr_create(out);
	if (status != dnnl_success || !key->residual) return status;
	status = dnnl_post_ops_create(&add);
#if DNNL_VERSION_MAJOR >= 3
	if (status == dnnl_success) status = dnnl_post_ops_append_sum(add, 1.0f, 0, dnnl_f32);
#else
	if (status == dnnl_success) status = dnnl_post_ops_append_sum(add, 1.0f);
#endif
	if (status == dnnl_success) status = dnnl_primitive_attr_set_post_ops(*out, add);
	if (add) (void)dnnl_post_ops_destroy(add);
	return status;
}

static dnnl_status_t entry_create(struct onednn *o, const struct key *key, struct entry *e)
{
	dnnl_data_type_t type = key->dtype == VITA_BF16 ? dnnl_bf16 : dnnl_f32;
	description d[4] = { NULL, NULL, NULL, NULL };
	dnnl_primitive_attr_t attributes = NULL;
	dnnl_primitive_desc_t pd = NULL;
	dnnl_status_t status = describe(&d[0], 2, key->n, key->k, type, key->x_stride, 1);
	if (status == dnnl_success) status = describe(&d[1], 2, key->k, key->m, type, 1, key->w_stride);
	if (status == dnnl_success && key->bias) status = describe(&d[2], 2, 1, key->m, dnnl_f32, key->m, 1);
	if (status == dnnl_success) status = describe(&d[3], 2, key->n, key->m, dnnl_f32, key->y_stride, 1);
	if (status == dnnl_success) status = attributes_of(key, &attributes);
	if (status == dnnl_success) status = describe_product(&pd, o->engine, d, attributes);
	if (status == dnnl_success) status = dnnl_primitive_create(&e->primitive, pd);
	if (status == dnnl_success) status = dnnl_memory_create(&e->x, d[0], o->engine, DNNL_MEMORY_NONE);
	if (status == dnnl_success) status = dnnl_memory_create(&e->w, d[1], o->engine, DNNL_MEMORY_NONE);
	if (status == dnnl_success && key->bias) status = dnnl_memory_create(&e->bias, d[2], o->engine, DNNL_MEMORY_NONE);
	if (status == dnnl_success) status = dnnl_memory_create(&e->y, d[3], o->engine, DNNL_MEMORY_NONE);
	if (pd) (void)dnnl_primitive_desc_destroy(pd);
	if (attributes) (void)dnnl_primitive_attr_destroy(attributes);
	for (int i = 0; i < 4; i++) forget(&d[i]);
	if (status != dnnl_success) entry_clear(e);
	else e->key = *key;
	return status;
}

/* The entry for key, made in place of the longest unused one where there is none; NULL where oneDNN declines. */
static struct entry *entry_for(struct onednn *o, const struct key *key)
{
	struct entry *oldest = &o->entry[0];
	for (int i = 0; i < CACHED; i++) {
		struct entry *e = &o->entry[i];
		if (e->primitive && memcmp(&e->key, key, sizeof *key) == 0) return e;
		if (e->used < oldest->used) oldest = e;
	}
	entry_clear(oldest);
	return entry_create(o, key, oldest) == dnnl_success ? oldest : NULL;
}

static dnnl_status_t run(struct onednn *o, struct entry *e, const void *x, const vita_op *op)
{
	dnnl_exec_arg_t args[4] = { { DNNL_ARG_SRC, e->x }, { DNNL_ARG_WEIGHTS, e->w }, { DNNL_ARG_DST, e->y } };
	int n = 3;
	dnnl_status_t status = dnnl_memory_set_data_handle(e->x, (void *)(uintptr_t)x);
	if (status == dnnl_success) status = dnnl_memory_set_data_handle(e->w, tensor_data(op->input[1]));
	if (status == dnnl_success) status = dnnl_memory_set_data_handle(e->y, tensor_data(op->output[0]));
	if (status == dnnl_success && e->bias) {
		status = dnnl_memory_set_data_handle(e->bias, tensor_data(op->input[2]));
		args[n++] = (dnnl_exec_arg_t){ DNNL_ARG_BIAS, e->bias };
	}
	if (status == dnnl_success) status = dnnl_primitive_execute(e->primitive, o->stream, n, args);
	return status == dnnl_success ? dnnl_stream_wait(o->stream) : status;
}

/* x rounded to bf16, NULL where memory is out. */
static uint16_t *rounded(const vita_backend *backend, const vita_tensor *x)
{
	int64_t n = x->shape[0], k = x->shape[1];
	uint16_t *out = malloc((size_t)(n * k) * sizeof *out);
	if (!out) return NULL;
	PARALLEL(for num_threads(backend->threads) schedule(static))
	for (int64_t i = 0; i < n; i++)
		backend->kernels->to_bf16((const float *)(const void *)((const char *)tensor_data(x) + i * x->stride[0]),
		                          out + i * k, k);
	return out;
}

vita_status onednn_matmul(struct onednn *o, const vita_backend *backend, const vita_op *op, vita_error *err)
{
	const vita_tensor *x = op->input[0], *w = op->input[1], *y = op->output[0];
	bool bf16 = w->dtype == VITA_BF16;
	uint16_t *round = NULL;
	struct key key;
	memset(&key, 0, sizeof key);
	key.n = x->shape[0], key.k = x->shape[1], key.m = w->shape[0];
	key.x_stride = bf16 ? key.k : x->stride[0] / 4;
	key.w_stride = w->stride[0] / (bf16 ? 2 : 4);
	key.y_stride = y->stride[0] / 4;
	key.dtype = w->dtype;
	key.bias = op->input[2] != NULL;
	key.residual = op->input[3] != NULL;
	if (bf16 && (round = rounded(backend, x)) == NULL)
		return vita_fail(err, VITA_E_NOMEM, "cpu: no memory for %lld activations", (long long)(key.n * key.k));
	(void)pthread_mutex_lock(&o->lock);
	struct entry *e = entry_for(o, &key);
	dnnl_status_t status = dnnl_unimplemented;
	if (e) {
		e->used = ++o->clock;
		status = run(o, e, bf16 ? (const void *)round : tensor_data(x), op);
	}
	(void)pthread_mutex_unlock(&o->lock);
	free(round);
	if (!e) return VITA_E_UNSUPPORTED;
	return status == dnnl_success ? VITA_OK : vita_fail(err, VITA_E_DEVICE, "cpu: oneDNN failed with status %d", (int)status);
}

#else

struct onednn *onednn_open(void)
{
	return NULL;
}

void onednn_close(struct onednn *onednn)
{
	(void)onednn;
}

const char *onednn_version(void)
{
	return "";
}

bool onednn_takes(const struct onednn *onednn, const vita_op *op)
{
	(void)onednn, (void)op;
	return false;
}

vita_status onednn_matmul(struct onednn *onednn, const vita_backend *backend, const vita_op *op, vita_error *err)
{
	(void)onednn, (void)backend, (void)op, (void)err;
	return VITA_E_UNSUPPORTED;
}
#endif
