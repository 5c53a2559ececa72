/* SPDX-License-Identifier: MIT
 *
 * What is quickest on this device, found out once a weight type and kept on disk: how many rows of x share a reading of
 * a tile where there are many, and how many work-items share its columns where there is one row.
 */
#include <stdlib.h>
#include <time.h>

#include "tiles.h"

#define LEAST_VALUES (INT64_C(1) << 20) /* of a weight that is worth it: small models never wait for this */
#define MEASURED_ROWS 4096              /* of the weight */
#define MANY 48
#define RUNS 3

static void key_of(const vita_backend *backend, char *key, size_t size)
{
	uint64_t hash = CACHE_HASH_BEGIN;
	for (const struct kernel_file *f = kernel_files; f->name; f++) hash = cache_hash(hash, f->text, f->size);
	(void)snprintf(key, size, "tune 2|%s|%s|%s|%u|%d|%016llx", backend->device.platform_name, backend->device.name,
	               backend->device.driver, (unsigned)backend->device.compute_units, (int)backend->is_cpu,
	               (unsigned long long)hash);
}

void tune_open(vita_backend *backend)
{
	char key[1024];
	size_t size = 0;
	key_of(backend, key, sizeof key);
	unsigned char *table = cache_read(key, &size);
	if (table && size == sizeof backend->tuned) memcpy(&backend->tuned, table, size);
	free(table);
	for (uint32_t i = 0; i < TUNED_TYPES; i++) { /* never believed further than it can be used */
		if (backend->tuned.rows[i] > TILES_MOST_ROWS) backend->tuned.rows[i] = 0;
		if (backend->tuned.slices[i] > 32) backend->tuned.slices[i] = 0;
	}
}

static double now(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* The best of RUNS products, after one that builds and warms; a negative number where they fail. */
static double time_product(vita_backend *backend, const op_call *c)
{
	double best = -1;
	for (int i = 0; i <= RUNS; i++) {
		const double start = now();
		if (tiles_multiply(backend, &c, 1, NULL, NULL) != VITA_OK || clFinish(backend->queue) != CL_SUCCESS) return -1;
		const double took = now() - start;
		if (i > 0 && (best < 0 || took < best)) best = took;
	}
	return best;
}

/* *choice becomes the quickest of the candidates, a list that ends with 0. */
static void choose(vita_backend *backend, const op_call *c, uint8_t *choice, const uint8_t *candidates)
{
	double best = -1;
	uint8_t quickest = candidates[0];
	for (; *candidates; candidates++) {
		*choice = *candidates;
		const double took = time_product(backend, c);
		if (took < 0) backend->lost = CL_SUCCESS; /* a launch that is too large for this device */
		if (took < 0 || (best >= 0 && took >= best)) continue;
		best = took;
		quickest = *candidates;
	}
	*choice = quickest;
}

static void measure(vita_backend *backend, const vita_tensor *w, vita_buffer *x_buffer, vita_buffer *y_buffer)
{
	static const uint8_t rows[] = { 12, 8, 6, 4, 0 }, slices[] = { 16, 32, 8, 4, 2, 1, 0 };
	static const vita_matmul_params params = { sizeof params, VITA_UNARY_NONE };
	vita_tensor part = *w, x, y;
	op_call c;
	part.shape[0] = w->shape[0] < MEASURED_ROWS ? w->shape[0] : MEASURED_ROWS;
	VITA_INIT(&x);
	x.dtype = VITA_F32;
	x.rank = 2;
	x.buffer = x_buffer;
	x.shape[0] = MANY, x.shape[1] = w->shape[1], x.shape[2] = x.shape[3] = 1;
	x.stride[0] = w->shape[1] * (int64_t)sizeof(float), x.stride[1] = sizeof(float);
	y = x;
	y.buffer = y_buffer;
	y.shape[1] = part.shape[0];
	y.stride[0] = part.shape[0] * (int64_t)sizeof(float);
	memset(&c, 0, sizeof c);
	c.code = VITA_OP_MATMUL;
	c.name = "MATMUL";
	c.params = &params;
	c.in[0] = &x, c.in[1] = &part, c.out[0] = &y;
	choose(backend, &c, &backend->tuned.rows[w->dtype], rows);
	if (backend->is_cpu) return;
	x.shape[0] = y.shape[0] = 1;
	choose(backend, &c, &backend->tuned.slices[w->dtype], slices);
}

void tune_weight(vita_backend *backend, const vita_tensor *w)
{
	char key[1024];
	vita_buffer *x = NULL, *y = NULL;
	const int64_t wide = w->shape[1], high = w->shape[0] < MEASURED_ROWS ? w->shape[0] : MEASURED_ROWS;
	if (backend->tuned.rows[w->dtype] != 0 || w->shape[0] * wide < LEAST_VALUES) return;
	if (memory_alloc(backend, (uint64_t)(MANY * wide) * sizeof(float), &x, NULL) == VITA_OK &&
	    memory_alloc(backend, (uint64_t)(MANY * high) * sizeof(float), &y, NULL) == VITA_OK) {
		(void)pthread_mutex_lock(&backend->lock);
		measure(backend, w, x, y);
		(void)pthread_mutex_unlock(&backend->lock);
		key_of(backend, key, sizeof key);
		cache_write(key, (const unsigned char *)&backend->tuned, sizeof backend->tuned);
		vita_logf(backend->host, VITA_LOG_DEBUG, "opencl", "%s weights: %d rows a block, %d slices", vita_dtype_name(w->dtype),
		          backend->tuned.rows[w->dtype], backend->tuned.slices[w->dtype]);
	}
	memory_free(backend, x);
	memory_free(backend, y);
}
