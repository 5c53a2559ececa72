/* SPDX-License-Identifier: MIT
 *
 * Matrix products of the cpu backend with weights as models have them: loaded (packed) or plain, seen through
 * views of rows, with every set of kernels, for every number of rows, against the reference backend.
 */
#include "cpu_support.h"

#include <time.h>

static const uint32_t types[] = { VITA_F32,  VITA_F16,  VITA_BF16, VITA_Q8_0,
	                          VITA_Q4_0, VITA_Q4_1, VITA_Q4_K, VITA_Q6_K };
#define N_TYPES (sizeof types / sizeof *types)

/* One product: random shape and data, the same on any device. */
struct product {
	uint32_t dtype, activation;
	int64_t n, m, k, first, all; /* rows first … first + m - 1 of `all` weight rows */
	int has_bias, has_residual;
	void *w;
	float *x, *bias, *residual;
};

static struct product random_product(uint32_t dtype, int64_t n, int64_t m, int64_t k)
{
	static const uint32_t activations[] = { VITA_UNARY_NONE, VITA_UNARY_NONE, VITA_UNARY_SILU, VITA_UNARY_GELU };
	struct product p = { .dtype = dtype, .n = n, .m = m, .k = k };
	p.first = random_between(0, 40);
	p.all = p.first + m + random_between(0, 20);
	p.activation = activations[random_between(0, 3)];
	p.has_bias = (int)random_between(0, 1);
	p.has_residual = (int)random_between(0, 1);
	p.w = random_weights(dtype, p.all * k);
	p.x = random_weights(VITA_F32, n * k);
	p.bias = random_weights(VITA_F32, m);
	p.residual = random_weights(VITA_F32, n * m);
	return p;
}

static void free_product(struct product *p)
{
	free(p->w);
	free(p->x);
	free(p->bias);
	free(p->residual);
}

/* The product's answer for rows first … first + n - 1 of x; free it. */
static float *run(const test_device *device, const struct product *p, int64_t first, int64_t n, int packed)
{
	const int64_t row = vita_row_bytes(p->dtype, p->k);
	vita_tensor all = packed ? make_weight(device, p->dtype, p->all, p->k, p->w)
	                         : make(device, p->dtype, 2, p->all, p->k, 0, p->w);
	vita_tensor w = all, x = make(device, VITA_F32, 2, n, p->k, 0, p->x + first * p->k);
	vita_tensor bias = make(device, VITA_F32, 1, p->m, 0, 0, p->bias);
	vita_tensor y = make(device, VITA_F32, 2, n, p->m, 0, p->residual + first * p->m); /* in place */
	vita_matmul_params params = { sizeof params, p->activation };
	vita_op op;
	w.offset += (uint64_t)(p->first * row);
	w.shape[0] = p->m;
	VITA_INIT(&op);
	op.code = VITA_OP_MATMUL;
	op.n_inputs = 4;
	op.n_outputs = 1;
	op.input[0] = &x, op.input[1] = &w;
	op.input[2] = p->has_bias ? &bias : NULL;
	op.input[3] = p->has_residual ? &y : NULL;
	op.output[0] = &y;
	op.params = &params;
	submit(device, &op);
	float *out = values_of(device, &y);
	drop(device, &all);
	drop(device, &x);
	drop(device, &bias);
	drop(device, &y);
	return out;
}

/* tolerance: relative to √k, as product_tolerance gives it. */
static void compare_within(const test_device *cpu, const test_device *reference, const struct product *p, int packed,
                           double tolerance)
{
	double largest, worst, allowed = tolerance * sqrt((double)p->k) + 1e-5;
	float *found = run(cpu, p, 0, p->n, packed), *expected = run(reference, p, 0, p->n, 0);
	worst = difference(found, expected, p->n * p->m, &largest);
	if (!(worst <= allowed))
		fail_msg("%s, %lld rows, %lld of %lld from %lld on by %lld: off by %g of %g, allowed %g",
		         vita_dtype_name(p->dtype), (long long)p->n, (long long)p->m, (long long)p->all,
		         (long long)p->first, (long long)p->k, worst, largest, allowed);
	free(found);
	free(expected);
}

static void compare(const test_device *cpu, const test_device *reference, const struct product *p, int packed)
{
	compare_within(cpu, reference, p, packed, product_tolerance(p->dtype, p->n));
}

/* ---- against the reference --------------------------------------------------------------------------- */

static void every_number_of_rows(const test_device *cpu, const test_device *reference)
{
	for (size_t t = 0; t < N_TYPES; t++)
		for (int64_t n = 1; n <= 17; n++) {
			const int64_t block = vita_dtype_block(types[t]);
			const int64_t k = block == 1 ? random_between(1, 300) : block * random_between(1, block == 32 ? 11 : 3);
			struct product p = random_product(types[t], n, random_between(1, 100), k);
			compare(cpu, reference, &p, 1);
			free_product(&p);
		}
}

static void many_rows(const test_device *cpu, const test_device *reference)
{
	static const int64_t rows[] = { 18, 33, 64, 131 };
	for (size_t t = 0; t < N_TYPES; t++)
		for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
			struct product p = random_product(types[t], rows[i], random_between(30, 90), 256 * random_between(1, 2));
			compare(cpu, reference, &p, 1);
			free_product(&p);
		}
}

/* Large enough that weights are laid out anew for many rows, in bf16 or as bytes; odd numbers of columns. */
static void large_weights(const test_device *cpu, const test_device *reference)
{
	for (size_t t = 0; t < N_TYPES; t++) {
		const int64_t block = vita_dtype_block(types[t]), k = block == 1 ? 401 : block == 32 ? 416 : 512;
		for (int i = 0; i < 4; i++) {
			const int64_t n = i < 2 ? random_between(17, 60) : random_between(81, 200);
			struct product p = random_product(types[t], n, random_between(200, 240), k);
			compare(cpu, reference, &p, 1);
			free_product(&p);
		}
	}
}

/* More rows than meet a tile at once, more columns than are laid out at once, more tiles than go together. */
static void chunks_and_runs(const test_device *cpu, const test_device *reference)
{
	static const int64_t shapes[][3] = { { 40, 530, 131 }, { 790, 70, 1601 } };
	for (size_t t = 1; t < 3; t++) /* f16, bf16 */
		for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
			struct product p = random_product(types[t], shapes[i][0], shapes[i][1], shapes[i][2]);
			compare(cpu, reference, &p, 1);
			free_product(&p);
		}
}

/* Weights and activations of any size do as well: times powers of two, which are exact in bf16, results are exactly
 * that larger or smaller. */
static void scaled_products(const test_device *cpu, const test_device *reference)
{
	static const int powers[][2] = { { 0, 0 }, { 30, -40 }, { -60, 20 }, { 3, 60 } };
	const int64_t n = 37, m = 210, k = 401;
	struct product p = random_product(VITA_BF16, n, m, k);
	float *out[4];
	(void)reference;
	p.has_bias = p.has_residual = 0;
	p.activation = VITA_UNARY_NONE;
	for (int i = 0; i < 4; i++) {
		struct product q = p;
		q.w = malloc((size_t)(p.all * k * 2));
		q.x = malloc((size_t)(n * k) * sizeof *q.x);
		for (int64_t j = 0; j < p.all * k; j++)
			((uint16_t *)q.w)[j] = vita_f32_to_bf16(ldexpf(vita_bf16_to_f32(((uint16_t *)p.w)[j]), powers[i][0]));
		for (int64_t j = 0; j < n * k; j++) q.x[j] = ldexpf(p.x[j], powers[i][1]);
		out[i] = run(cpu, &q, 0, n, 1);
		for (int64_t j = 0; j < n * m; j++) {
			const float expected = ldexpf(out[0][j], powers[i][0] + powers[i][1]);
			if (out[i][j] != expected)
				fail_msg("times 2^%d and 2^%d: %g, expected %g", powers[i][0], powers[i][1], (double)out[i][j],
				         (double)expected);
		}
		free(q.w);
		free(q.x);
	}
	for (int i = 0; i < 4; i++) free(out[i]);
	free_product(&p);
}

static void plain_blocks(const test_device *cpu, const test_device *reference)
{
	for (size_t t = 3; t < N_TYPES; t++)
		for (int64_t n = 1; n <= 20; n += 19) {
			struct product p = random_product(types[t], n, random_between(1, 70), 512);
			compare(cpu, reference, &p, 0);
			free_product(&p);
		}
}

/* ---- exactness ----------------------------------------------------------------------------------------- */

/* A row's result is the same, bit for bit, alone and in any block of up to 16: heads.verify = exact relies on it. */
static void rows_stand_alone(const test_device *cpu, const test_device *reference)
{
	(void)reference;
	for (size_t t = 0; t < N_TYPES; t++) {
		struct product p = random_product(types[t], 16, 75, 512);
		float *all = run(cpu, &p, 0, 16, 1);
		for (int64_t n = 1; n <= 15; n++) {
			const int64_t first = random_between(0, 16 - n);
			float *some = run(cpu, &p, first, n, 1);
			assert_memory_equal(some, all + first * p.m, (size_t)(n * p.m) * sizeof *some);
			free(some);
		}
		free(all);
		free_product(&p);
	}
}

static void threads_agree_with(const char *kernels)
{
	test_device device[3];
	for (int i = 0; i < 3; i++)
		if (!cpu_open(&device[i], kernels, i + 1)) return;
	random_seed(5);
	for (size_t t = 0; t < N_TYPES; t++) {
		struct product p = random_product(types[t], t % 2 ? 5 : 100, 300, 256);
		float *out[4];
		for (int i = 0; i < 3; i++) out[i] = run(&device[i], &p, 0, p.n, 1);
		out[3] = run(&device[2], &p, 0, p.n, 1);
		for (int i = 1; i < 4; i++) assert_memory_equal(out[i], out[0], (size_t)(p.n * p.m) * sizeof *out[i]);
		for (int i = 0; i < 4; i++) free(out[i]);
		free_product(&p);
	}
	for (int i = 0; i < 3; i++) test_device_close(&device[i]);
}

/* ---- oneDNN --------------------------------------------------------------------------------------------- */

/* Weights of all plain types come to it as f32, so f32's tolerance holds for them too. */
static void shapes_through_onednn(const test_device *cpu, const test_device *reference)
{
	static const int64_t rows[] = { 33, 131, 513, 1100 };
	for (size_t t = 0; t < 3; t++) {
		for (int64_t n = 1; n <= 17; n++) {
			struct product p = random_product(types[t], n, random_between(120, 400), random_between(130, 400));
			compare_within(cpu, reference, &p, 1, product_tolerance(VITA_F32, n));
			free_product(&p);
		}
		for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
			struct product p = random_product(types[t], rows[i], random_between(50, 700), random_between(330, 500));
			compare_within(cpu, reference, &p, 1, product_tolerance(VITA_F32, rows[i]));
			free_product(&p);
		}
	}
	/* so long that slices of f16 and bf16 weights are short */
	struct product p = random_product(VITA_BF16, 20, 130, 5001);
	compare_within(cpu, reference, &p, 1, product_tolerance(VITA_F32, p.n));
	free_product(&p);
}

static void through_onednn(void **state)
{
	static const char *const kernels[] = { "plain", "avx2", "avx512" };
	test_device cpu, reference;
	(void)state;
	reference_open(&reference);
	for (int64_t threads = 1; threads <= 3; threads++)
		for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++) {
			if (!cpu_open_onednn(&cpu, kernels[i], threads)) continue;
			random_seed((uint64_t)threads);
			shapes_through_onednn(&cpu, &reference);
			test_device_close(&cpu);
		}
	test_device_close(&reference);
}

/* Left to itself, the backend takes it beside all kernels but those for AVX-512. */
static void onednn_where_it_is_quicker(void **state)
{
	static const struct {
		const char *kernels, *says;
	} expected[] = { { "plain", " for large products" }, { "avx2", " for large products" }, { "avx512", " not used" } };
	(void)state;
	for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
		test_device cpu;
		vita_backend_device found;
		vita_error err;
		if (!cpu_open(&cpu, expected[i].kernels, 1)) continue;
		VITA_INIT(&found);
		assert_int_equal(cpu.api->probe(&cpu.host, 0, &found, &err), VITA_OK);
		const int there_is_none = strstr(found.details, "no oneDNN") != NULL;
		test_device_close(&cpu);
		if (there_is_none) skip();
		assert_non_null(strstr(found.details, expected[i].says));
	}
}

static int threads_there_are(void)
{
	char line[128];
	int n = 0;
	FILE *f = fopen("/proc/self/status", "re");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "Threads: %d", &n) == 1) break;
	if (f) (void)fclose(f);
	return n;
}

/* oneDNN multiplies in the team's threads, starts none of its own, and sums do not depend on how many there are. Sums
 * come in another order than in the backend's own kernels: they would be the same if oneDNN were not asked. */
static void onednn_threads(void **state)
{
	test_device with[3], without;
	random_seed(7);
	struct product p = random_product(VITA_F32, 600, 500, 700);
	float *out[3], *own;
	(void)state;
	for (int i = 0; i < 3; i++) {
		if (!cpu_open_onednn(&with[i], "plain", i + 1)) skip();
		const int before = threads_there_are();
		out[i] = run(&with[i], &p, 0, p.n, 1);
		assert_int_equal(threads_there_are(), before > 0 ? before + i : 0);
		assert_memory_equal(out[i], out[0], (size_t)(p.n * p.m) * sizeof *out[i]);
	}
	assert_int_equal(setenv("VITA_CPU_ONEDNN", "no", 1), 0);
	assert_int_equal(cpu_open(&without, "plain", 1), 1);
	assert_int_equal(unsetenv("VITA_CPU_ONEDNN"), 0);
	own = run(&without, &p, 0, p.n, 1);
	assert_true(memcmp(own, out[0], (size_t)(p.n * p.m) * sizeof *own) != 0);
	for (int i = 0; i < 3; i++) {
		free(out[i]);
		test_device_close(&with[i]);
	}
	free(own);
	free_product(&p);
	test_device_close(&without);
}

/* ---- packed weights as data ---------------------------------------------------------------------------- */

static void packed_rows_come_back(const test_device *cpu, const test_device *reference)
{
	(void)reference;
	for (size_t t = 3; t < N_TYPES; t++) {
		const int64_t rows = random_between(1, 90), k = 512, row = vita_row_bytes(types[t], k);
		const int64_t first = random_between(0, rows - 1), n = random_between(1, rows - first);
		unsigned char *plain = random_weights(types[t], rows * k), *back = malloc((size_t)(rows * row));
		vita_tensor w = make_weight(cpu, types[t], rows, k, plain), some;
		vita_error err;
		assert_null(cpu->api->address(cpu->self, w.buffer));
		assert_int_equal(cpu->api->read(cpu->self, &w, back, (uint64_t)(rows * row), &err), VITA_OK);
		assert_memory_equal(back, plain, (size_t)(rows * row));
		some = vita_slice(&w, 0, first, n);
		assert_int_equal(cpu->api->read(cpu->self, &some, back, (uint64_t)(n * row), &err), VITA_OK);
		assert_memory_equal(back, plain + first * row, (size_t)(n * row));
		drop(cpu, &w);
		free(plain);
		free(back);
	}
}

/* GATHER and COPY of packed weights give exactly what the type's formulas say. */
static void packed_rows_as_numbers(const test_device *cpu, const test_device *reference)
{
	(void)reference;
	for (size_t t = 3; t < N_TYPES; t++) {
		const int64_t rows = 70, k = 256, row = vita_row_bytes(types[t], k);
		unsigned char *plain = random_weights(types[t], rows * k);
		const int32_t ids[4] = { 69, 3, 31, 32 };
		vita_tensor w = make_weight(cpu, types[t], rows, k, plain), id = make(cpu, VITA_I32, 1, 4, 0, 0, ids);
		vita_tensor y = make(cpu, VITA_F32, 2, 4, k, 0, NULL), c = make(cpu, VITA_F32, 2, rows, k, 0, NULL);
		vita_device handle = { sizeof handle, 0, cpu->api, cpu->self };
		vita_recorder *r = malloc(sizeof *r);
		vita_error err;
		float expected[256];
		vita_recorder_begin(r, &handle, &err);
		vita_gather(r, &w, &id, &y);
		vita_copy(r, &w, &c);
		assert_int_equal(vita_recorder_end(r), VITA_OK);
		float *gathered = values_of(cpu, &y), *copied = values_of(cpu, &c);
		for (int i = 0; i < 4; i++) {
			(void)vita_row_to_f32(types[t], plain + ids[i] * row, k, expected);
			assert_memory_equal(gathered + i * k, expected, sizeof expected);
			assert_memory_equal(copied + ids[i] * k, expected, sizeof expected);
		}
		drop(cpu, &w), drop(cpu, &id), drop(cpu, &y), drop(cpu, &c);
		free(gathered), free(copied), free(plain), free(r);
	}
}

/* What is laid out for MATMUL is refused elsewhere, in a sentence. */
static void packed_rows_misused(const test_device *cpu, const test_device *reference)
{
	unsigned char *plain = random_weights(VITA_Q8_0, 64 * 64);
	vita_tensor w = make_weight(cpu, VITA_Q8_0, 64, 64, plain), bad = w, y = make(cpu, VITA_F32, 2, 64, 64, 0, NULL);
	vita_device handle = { sizeof handle, 0, cpu->api, cpu->self };
	vita_recorder *r = malloc(sizeof *r);
	const vita_tensor *inputs[1] = { &w };
	vita_error err;
	(void)reference;
	vita_recorder_begin(r, &handle, &err);
	vita_concat(r, inputs, 1, 0, &w);
	assert_int_equal(vita_recorder_end(r), VITA_E_INVALID); /* nobody writes weights */
	vita_recorder_begin(r, &handle, &err);
	bad.offset = 34, bad.shape[0] = 2;
	vita_copy(r, &bad, &y);
	assert_int_equal(vita_recorder_end(r), VITA_E_SHAPE);
	vita_recorder_begin(r, &handle, &err);
	y.shape[0] = 2;
	vita_copy(r, &bad, &y);
	assert_int_equal(vita_recorder_end(r), VITA_E_UNSUPPORTED);
	assert_non_null(strstr(err.message, "whole rows of 64 values"));
	assert_int_equal(cpu->api->write(cpu->self, &w, plain, 64 * 68, &err), VITA_E_INVALID);
	assert_int_equal(cpu->api->read(cpu->self, &bad, plain, 2 * 68, &err), VITA_E_SHAPE);
	y.shape[0] = 64;
	drop(cpu, &w), drop(cpu, &y);
	free(plain), free(r);
}

/* ---- all of them ------------------------------------------------------------------------------------------ */

#define EACH_KERNELS(name) \
	static void test_##name(void **state) \
	{ \
		(void)state; \
		with_kernels_and_threads(name); \
	}
EACH_KERNELS(every_number_of_rows)
EACH_KERNELS(many_rows)
EACH_KERNELS(large_weights)
EACH_KERNELS(chunks_and_runs)
EACH_KERNELS(scaled_products)
EACH_KERNELS(plain_blocks)
EACH_KERNELS(rows_stand_alone)
EACH_KERNELS(packed_rows_come_back)
EACH_KERNELS(packed_rows_as_numbers)
EACH_KERNELS(packed_rows_misused)

static void threads_agree(void **state)
{
	(void)state;
	threads_agree_with("plain");
	threads_agree_with("avx2");
	threads_agree_with("avx512");
	threads_agree_with("avx512_fp16");
	threads_agree_with("avx512_amx");
}

static double seconds_of(clockid_t clock)
{
	struct timespec t;
	assert_int_equal(clock_gettime(clock, &t), 0);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Between calls the process sleeps: a second of waiting takes next to no processor time. */
static void idle_threads_sleep(void **state)
{
	static const struct timespec second = { 1, 0 };
	test_device cpu;
	(void)state;
	if (!cpu_open(&cpu, "plain", 3)) skip();
	random_seed(11);
	struct product p = random_product(VITA_F32, 4, 200, 256);
	free(run(&cpu, &p, 0, p.n, 1));
	const double before = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
	(void)nanosleep(&second, NULL);
	assert_true(seconds_of(CLOCK_PROCESS_CPUTIME_ID) - before < 0.1);
	free_product(&p);
	test_device_close(&cpu);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_number_of_rows), cmocka_unit_test(test_many_rows),
		cmocka_unit_test(test_large_weights),        cmocka_unit_test(test_plain_blocks),
		cmocka_unit_test(test_scaled_products),       cmocka_unit_test(test_chunks_and_runs),
		cmocka_unit_test(test_rows_stand_alone),     cmocka_unit_test(threads_agree),
		cmocka_unit_test(test_packed_rows_come_back), cmocka_unit_test(test_packed_rows_as_numbers),
		cmocka_unit_test(test_packed_rows_misused),   cmocka_unit_test(through_onednn),
		cmocka_unit_test(onednn_where_it_is_quicker), cmocka_unit_test(onednn_threads),
		cmocka_unit_test(idle_threads_sleep),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
