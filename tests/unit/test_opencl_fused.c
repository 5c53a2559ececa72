/* SPDX-License-Identifier: MIT
 *
 * The opencl backend does some ops together. Whatever they are, the results are those of the ops one by one, to the
 * last bit but for exp, which vectors have their own of: a layer's worth of ops is submitted as a whole and op by op.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <vita/blocks.h>
#include <vita/record.h>

#include "device.h"

#define HIDDEN 256
#define FEED 512
#define HEADS 4
#define KV_HEADS 2
#define HEAD 64
#define MOST_ROWS 30
#define CACHE 40

static test_device device;
static vita_device handle;
static vita_error err;
static uint64_t state;

static double uniform(void)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (double)(state >> 33) / 2147483648.0 * 2 - 1;
}

static vita_tensor room(uint32_t dtype, int64_t rows, int64_t columns)
{
	vita_tensor t = vita_view(NULL, 0, dtype, 2, rows, columns, 0, 0);
	const uint64_t size = (uint64_t)(rows * vita_row_bytes(dtype, columns));
	assert_int_equal(device.api->alloc(device.self, size, &t.buffer, &err), VITA_OK);
	return t;
}

static vita_tensor random_matrix(int64_t rows, int64_t columns)
{
	vita_tensor t = room(VITA_F32, rows, columns);
	float *values = malloc((size_t)(rows * columns) * sizeof *values);
	assert_non_null(values);
	for (int64_t i = 0; i < rows * columns; i++) values[i] = (float)uniform();
	assert_int_equal(device.api->write(device.self, &t, values, (uint64_t)(rows * columns) * sizeof *values, &err), VITA_OK);
	free(values);
	return t;
}

static vita_tensor random_vector(int64_t n)
{
	vita_tensor t = random_matrix(1, n);
	t.rank = 1;
	t.shape[0] = n, t.stride[0] = sizeof(float);
	t.shape[1] = 1, t.stride[1] = 0;
	return t;
}

/* Block types: random bits with scales that make values of about -1 … 1. */
static void fill_weight(uint32_t dtype, unsigned char *bytes, uint64_t size)
{
	const uint32_t block = vita_dtype_bytes(dtype);
	const uint16_t scale = vita_f32_to_f16(dtype == VITA_Q8_0 ? 0.01f : dtype == VITA_Q4_K ? 0.002f : 0.1f);
	const uint16_t small = vita_f32_to_f16(0.0005f);
	if (vita_dtype_block(dtype) == 1) {
		for (uint64_t i = 0; i < size / block; i++) {
			const float value = (float)uniform();
			(void)vita_row_from_f32(dtype, &value, 1, bytes + i * block);
		}
		return;
	}
	for (uint64_t i = 0; i < size; i++) bytes[i] = (unsigned char)(uniform() * 128 + 128);
	for (uint64_t b = 0; b < size; b += block) {
		memcpy(bytes + b + (dtype == VITA_Q6_K ? 208 : 0), dtype == VITA_Q6_K ? &small : &scale, 2);
		if (dtype == VITA_Q4_1 || dtype == VITA_Q4_K) memcpy(bytes + b + 2, &scale, 2);
	}
}

static vita_tensor weight(uint32_t dtype, int64_t rows, int64_t columns)
{
	vita_array source;
	vita_tensor w;
	VITA_INIT(&source);
	source.dtype = dtype;
	source.rank = 2;
	source.shape[0] = rows, source.shape[1] = columns, source.shape[2] = source.shape[3] = 1;
	source.size_bytes = (uint64_t)rows * (uint64_t)columns / vita_dtype_block(dtype) * vita_dtype_bytes(dtype);
	unsigned char *bytes = malloc((size_t)source.size_bytes + 1);
	assert_non_null(bytes);
	fill_weight(dtype, bytes, source.size_bytes);
	source.data = bytes;
	assert_int_equal(device.api->load(device.self, &source, dtype, &w, &err), VITA_OK);
	free(bytes);
	return w;
}

/* ---- a layer --------------------------------------------------------------------------------------- */

struct layer {
	vita_tensor norm, q_w, k_w, v_w, gate_w, up_w, q_bias, gate_bias, positions;
	vita_tensor x, a, q, k, v, gate, up, keys, values;
};

static void make_layer(struct layer *l, uint32_t dtype, uint32_t cache)
{
	l->norm = random_vector(HIDDEN);
	l->q_w = weight(dtype, HEADS * HEAD, HIDDEN);
	l->k_w = weight(dtype, KV_HEADS * HEAD, HIDDEN);
	l->v_w = weight(dtype, KV_HEADS * HEAD, HIDDEN);
	l->gate_w = weight(dtype, FEED, HIDDEN);
	l->up_w = weight(dtype, FEED, HIDDEN);
	l->q_bias = random_vector(HEADS * HEAD);
	l->gate_bias = random_vector(FEED);
	l->positions = room(VITA_I32, 1, MOST_ROWS);
	l->x = random_matrix(MOST_ROWS, HIDDEN);
	l->a = room(VITA_F32, MOST_ROWS, HIDDEN);
	l->q = room(VITA_F32, MOST_ROWS, HEADS * HEAD);
	l->k = room(VITA_F32, MOST_ROWS, KV_HEADS * HEAD);
	l->v = room(VITA_F32, MOST_ROWS, KV_HEADS * HEAD);
	l->gate = room(VITA_F32, MOST_ROWS, FEED);
	l->up = room(VITA_F32, MOST_ROWS, FEED);
	l->keys = room(cache, CACHE, KV_HEADS * HEAD);
	l->values = room(cache, CACHE, KV_HEADS * HEAD);
	int32_t positions[MOST_ROWS];
	for (int i = 0; i < MOST_ROWS; i++) positions[i] = 1000 + 7 * i;
	assert_int_equal(device.api->write(device.self, &l->positions, positions, sizeof positions, &err), VITA_OK);
}

static void free_layer(const struct layer *l)
{
	const vita_tensor *all = &l->norm;
	for (size_t i = 0; i < sizeof *l / sizeof *all; i++) device.api->free(device.self, all[i].buffer);
}

static void rotate(vita_recorder *r, const vita_tensor *rows, int64_t heads, const vita_tensor *positions)
{
	vita_rope_params p;
	const vita_tensor t = vita_split(rows, heads, HEAD);
	VITA_INIT(&p);
	p.n_rotated = HEAD;
	p.theta = 10000;
	p.scale = 1;
	vita_rope(r, &t, positions, NULL, &p, &t);
}

/* Submit what is recorded: as a whole, or (apart) op by op. */
static void submit(const vita_recorder *r, int apart)
{
	for (uint32_t i = 0; i < r->n; i += apart ? 1 : r->n) {
		const vita_status status = device.api->submit(device.self, r->pointer + i, apart ? 1 : r->n, &err);
		if (status != VITA_OK) fail_msg("%s", err.message);
	}
	assert_int_equal(device.api->wait(device.self, &err), VITA_OK);
}

static void run_layer(const struct layer *l, int64_t n, int apart)
{
	static vita_recorder r;
	vita_tensor positions = l->positions;
	positions.rank = 1;
	positions.shape[0] = n, positions.stride[0] = sizeof(int32_t), positions.shape[1] = 1, positions.stride[1] = 0;
	const vita_tensor x = vita_slice(&l->x, 0, 0, n), a = vita_slice(&l->a, 0, 0, n), q = vita_slice(&l->q, 0, 0, n);
	const vita_tensor k = vita_slice(&l->k, 0, 0, n), v = vita_slice(&l->v, 0, 0, n);
	const vita_tensor gate = vita_slice(&l->gate, 0, 0, n), up = vita_slice(&l->up, 0, 0, n);
	const vita_tensor keys = vita_slice(&l->keys, 0, CACHE - n, n), values = vita_slice(&l->values, 0, CACHE - n, n);
	vita_recorder_begin(&r, &handle, &err);
	vita_rms_norm(&r, &x, &l->norm, 1e-6, &a);
	vita_matmul(&r, &a, &l->q_w, &l->q_bias, NULL, VITA_UNARY_NONE, &q);
	vita_matmul(&r, &a, &l->k_w, NULL, NULL, VITA_UNARY_NONE, &k);
	vita_matmul(&r, &a, &l->v_w, NULL, NULL, VITA_UNARY_NONE, &v);
	rotate(&r, &q, HEADS, &positions);
	rotate(&r, &k, KV_HEADS, &positions);
	vita_copy(&r, &k, &keys);
	vita_copy(&r, &v, &values);
	vita_matmul(&r, &a, &l->gate_w, &l->gate_bias, NULL, VITA_UNARY_NONE, &gate);
	vita_matmul(&r, &a, &l->up_w, NULL, NULL, VITA_UNARY_NONE, &up);
	vita_glu(&r, VITA_UNARY_SILU, &gate, &up, &gate);
	submit(&r, apart);
}

/* ---- comparing ------------------------------------------------------------------------------------- */

static unsigned char *contents(const vita_tensor *t, uint64_t *size)
{
	*size = (uint64_t)(t->shape[0] * vita_row_bytes(t->dtype, t->shape[1]));
	unsigned char *bytes = malloc((size_t)*size);
	assert_non_null(bytes);
	assert_int_equal(device.api->read(device.self, t, bytes, *size, &err), VITA_OK);
	return bytes;
}

#define GATE 4 /* of the outputs: the one behind an exp */

static int agree(int output, const unsigned char *found, const unsigned char *expected, uint64_t size)
{
	const float *f = (const float *)(const void *)found, *e = (const float *)(const void *)expected;
	if (output != GATE) return memcmp(found, expected, (size_t)size) == 0;
	for (uint64_t i = 0; i < size / sizeof *f; i++)
		if (!(fabsf(f[i] - e[i]) <= 1e-5f * fabsf(e[i]) + 1e-6f)) return 0;
	return 1;
}

static void compare(uint32_t dtype, uint32_t cache, int64_t n)
{
	struct layer l;
	unsigned char *together[8];
	make_layer(&l, dtype, cache);
	const vita_tensor *outputs[] = { &l.a, &l.q, &l.k, &l.v, &l.gate, &l.up, &l.keys, &l.values };
	for (int i = 0; i < 8; i++) {
		vita_recorder r;
		vita_recorder_begin(&r, &handle, &err);
		vita_fill(&r, 0.5, outputs[i]);
		submit(&r, 0);
	}
	run_layer(&l, n, 0);
	for (int i = 0; i < 8; i++) {
		uint64_t size;
		together[i] = contents(outputs[i], &size);
	}
	run_layer(&l, n, 1);
	for (int i = 0; i < 8; i++) {
		uint64_t size;
		unsigned char *apart = contents(outputs[i], &size);
		if (!agree(i, apart, together[i], size))
			fail_msg("%s weights, %s cache, %lld rows: output %d differs", vita_dtype_name(dtype),
			         vita_dtype_name(cache), (long long)n, i);
		free(apart);
		free(together[i]);
	}
	free_layer(&l);
}

/* ---- the largest of long rows ------------------------------------------------------------------------ */

#define LONG 50000
#define ROWS 4

/* Ties in different parts, numbers behind NaN, nothing but NaN and -inf, and the largest at the very end. */
static void fill_long_rows(float *rows, int64_t n, int32_t *expected)
{
	for (int64_t i = 0; i < ROWS * n; i++) rows[i] = (float)uniform();
	expected[0] = (int32_t)(n / 3);
	rows[n / 3] = rows[n - 2] = 2;
	expected[1] = (int32_t)(n - 5);
	for (int64_t i = 0; i < n - 5; i++) rows[n + i] = NAN;
	rows[n + n - 5] = 3;
	expected[2] = (int32_t)(n / 2);
	for (int64_t i = 0; i < n; i++) rows[2 * n + i] = i < n / 2 ? NAN : -INFINITY;
	expected[3] = (int32_t)(n - 1);
	rows[4 * n - 1] = INFINITY;
}

static void choose_from_long_rows(void)
{
	static const int64_t lengths[] = { 4095, 4097, 12288, LONG };
	static float scores[ROWS * LONG];
	for (size_t l = 0; l < sizeof lengths / sizeof lengths[0]; l++) {
		int32_t expected[ROWS], places[2][ROWS];
		float values[ROWS];
		const int64_t n = lengths[l];
		static vita_recorder r;
		vita_tensor x = room(VITA_F32, ROWS, n), alone = room(VITA_I32, 1, ROWS);
		vita_tensor index = room(VITA_I32, ROWS, 1), value = room(VITA_F32, ROWS, 1);
		vita_tensor y = vita_view(alone.buffer, 0, VITA_I32, 1, ROWS, 0, 0, 0);
		fill_long_rows(scores, n, expected);
		assert_int_equal(device.api->write(device.self, &x, scores, (uint64_t)(ROWS * n) * sizeof *scores, &err), VITA_OK);
		vita_recorder_begin(&r, &handle, &err);
		vita_argmax(&r, &x, &y);
		vita_top_k(&r, &x, &value, &index);
		submit(&r, 0);
		assert_int_equal(device.api->read(device.self, &y, places[0], sizeof places[0], &err), VITA_OK);
		assert_int_equal(device.api->read(device.self, &index, places[1], sizeof places[1], &err), VITA_OK);
		assert_int_equal(device.api->read(device.self, &value, values, sizeof values, &err), VITA_OK);
		for (int i = 0; i < ROWS; i++) {
			assert_int_equal(places[0][i], expected[i]);
			assert_int_equal(places[1][i], expected[i]);
			assert_true(values[i] == scores[i * n + expected[i]]);
		}
		const vita_tensor *all[] = { &x, &alone, &index, &value };
		for (int i = 0; i < 4; i++) device.api->free(device.self, all[i]->buffer);
	}
}

static void compare_all(const char *class)
{
	char why[1024];
	assert_int_equal(setenv("VITA_OPENCL_CLASS", class, 1), 0);
	if (!test_device_open(&device, "opencl", "", 0, why)) {
		print_message("skipped: %s\n", why);
		skip();
	}
	VITA_INIT(&handle);
	handle.api = device.api;
	handle.self = device.self;
	state = 1;
	compare(VITA_F32, VITA_F32, 1);
	compare(VITA_BF16, VITA_BF16, 5);
	compare(VITA_Q4_0, VITA_F16, 1);
	compare(VITA_Q4_0, VITA_F32, 30);
	compare(VITA_Q4_K, VITA_F16, 5);
	choose_from_long_rows();
	test_device_close(&device);
	assert_int_equal(unsetenv("VITA_OPENCL_CLASS"), 0);
}

static void kernels_for_processors(void **unused)
{
	(void)unused;
	compare_all("cpu");
}

static void kernels_for_gpus(void **unused)
{
	(void)unused;
	compare_all("gpu");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kernels_for_processors),
		cmocka_unit_test(kernels_for_gpus),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
