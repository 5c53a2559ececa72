/* SPDX-License-Identifier: MIT
 *
 * Support for tests of the cpu backend; see cpu_support.h.
 */
#include "cpu_support.h"

/* Has it these kernels? */
static int runs_kernels(const test_device *device, const char *kernels)
{
	char words[48];
	vita_backend_device found;
	vita_error err;
	VITA_INIT(&found);
	assert_int_equal(device->api->probe(&device->host, 0, &found, &err), VITA_OK);
	(void)snprintf(words, sizeof words, " %s kernels", kernels);
	return strstr(found.name, words) != NULL;
}

int cpu_open(test_device *device, const char *kernels, int64_t threads)
{
	char why[1024];

	if (kernels) assert_int_equal(setenv("VITA_CPU_KERNELS", kernels, 1), 0);
	else assert_int_equal(unsetenv("VITA_CPU_KERNELS"), 0);
	if (!test_device_open(device, "cpu", "", threads, why)) fail_msg("%s", why);
	if (!kernels || runs_kernels(device, kernels)) return 1;
	test_device_close(device);
	return 0;
}

int cpu_multiplies_in_f16(const test_device *cpu)
{
	return runs_kernels(cpu, "avx512_fp16") || runs_kernels(cpu, "avx512_amx");
}

int cpu_open_onednn(test_device *device, const char *kernels, int64_t threads)
{
	vita_backend_device found;
	vita_error err;

	assert_int_equal(setenv("VITA_CPU_ONEDNN", "yes", 1), 0);
	int opened = cpu_open(device, kernels, threads);
	if (opened) {
		VITA_INIT(&found);
		assert_int_equal(device->api->probe(&device->host, 0, &found, &err), VITA_OK);
		opened = strstr(found.details, "no oneDNN") == NULL;
		if (opened) assert_non_null(strstr(found.details, " for large products"));
		else test_device_close(device);
	}
	assert_int_equal(unsetenv("VITA_CPU_ONEDNN"), 0);
	return opened;
}

void reference_open(test_device *device)
{
	char why[1024];
	if (!test_device_open(device, "reference", "", 0, why)) fail_msg("%s", why);
}

/* Is `kernels` among the words of VITA_TEST_KERNELS, where that is set? */
static int wanted(const char *kernels)
{
	const char *words = getenv("VITA_TEST_KERNELS");
	const size_t n = strlen(kernels);
	if (!words) return 1;
	for (;; words++) {
		const size_t length = strcspn(words, " ");
		if (length == n && strncmp(words, kernels, n) == 0) return 1;
		words += length;
		if (!*words) return 0;
	}
}

void with_kernels(int64_t threads, void (*test)(const test_device *cpu, const test_device *reference))
{
	static const char *const kernels[] = { "plain", "avx2", "avx512", "avx512_bf16", "avx512_fp16", "avx512_amx" };
	test_device cpu, reference;
	int n_run = 0;

	reference_open(&reference);
	for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++) {
		if (!wanted(kernels[i]) || !cpu_open(&cpu, kernels[i], threads)) continue;
		print_message("%s kernels, %d threads\n", kernels[i], (int)threads);
		random_seed(i + 1);
		test(&cpu, &reference);
		test_device_close(&cpu);
		n_run++;
	}
	test_device_close(&reference);
	if (n_run == 0) fail_msg("no kernels of VITA_TEST_KERNELS=%s run here", getenv("VITA_TEST_KERNELS"));
}

void with_kernels_and_threads(void (*test)(const test_device *cpu, const test_device *reference))
{
	const char *only = getenv("VITA_TEST_THREADS");
	if (only) with_kernels(strtol(only, NULL, 10), test);
	for (int64_t threads = 1; !only && threads <= 3; threads++) with_kernels(threads, test);
}

/* ---- numbers (SplitMix64: Steele, Lea and Flood 2014) ----------------------------------------------- */

static uint64_t state;

void random_seed(uint64_t seed)
{
	state = seed * 0x2545f4914f6cdd1du;
}

uint64_t random_bits(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

int64_t random_between(int64_t low, int64_t high)
{
	return low + (int64_t)(random_bits() % (uint64_t)(high - low + 1));
}

float random_float(void)
{
	return (float)(random_bits() >> 40) / 8388608.0f - 1.0f;
}

void random_floats(float *x, int64_t n)
{
	for (int64_t i = 0; i < n; i++) x[i] = random_float();
}

static void put_half(unsigned char *at, float value)
{
	const uint16_t half = vita_f32_to_f16(value);
	memcpy(at, &half, 2);
}

/* Random bits, and scales that bring the values to about -1 … 1. */
static void random_block(uint32_t dtype, unsigned char *at)
{
	const size_t size = vita_dtype_bytes(dtype);
	for (size_t i = 0; i < size; i++) at[i] = (unsigned char)random_bits();
	const float jitter = 0.75f + 0.25f * random_float();
	switch (dtype) {
	case VITA_Q8_0: put_half(at, jitter / 127); return;
	case VITA_Q4_0: put_half(at, (random_bits() & 1 ? jitter : -jitter) / 8); return;
	case VITA_Q4_1: put_half(at, jitter / 8), put_half(at + 2, -jitter); return;
	case VITA_Q4_K: put_half(at, jitter / 400), put_half(at + 2, jitter / 60); return;
	default: put_half(at + 208, jitter / 2000); return;
	}
}

void *random_weights(uint32_t dtype, int64_t n)
{
	const int64_t bytes = vita_row_bytes(dtype, n);
	unsigned char *memory = malloc((size_t)bytes + 1);
	assert_non_null(memory);
	for (int64_t i = 0; vita_dtype_block(dtype) > 1 && i < bytes; i += vita_dtype_bytes(dtype))
		random_block(dtype, memory + i);
	for (int64_t i = 0; vita_dtype_block(dtype) == 1 && i < n; i++) {
		const float value = random_float();
		(void)vita_row_from_f32(dtype, &value, 1, memory + i * (int64_t)vita_dtype_bytes(dtype));
	}
	return memory;
}

/* ---- tensors ---------------------------------------------------------------------------------------- */

vita_tensor make(const test_device *device, uint32_t dtype, uint32_t rank, int64_t d0, int64_t d1, int64_t d2,
                 const void *data)
{
	vita_tensor t = vita_view(NULL, 0, dtype, rank, d0, d1, d2, 0);
	uint64_t bytes = (uint64_t)(t.shape[0] * t.stride[0]);
	vita_error err;
	if (rank == 1) bytes = (uint64_t)vita_row_bytes(dtype, d0);
	assert_int_equal(device->api->alloc(device->self, bytes, &t.buffer, &err), VITA_OK);
	if (data && device->api->write(device->self, &t, data, bytes, &err) != VITA_OK) fail_msg("%s", err.message);
	return t;
}

vita_tensor make_weight(const test_device *device, uint32_t dtype, int64_t rows, int64_t columns, const void *data)
{
	vita_tensor t;
	vita_array array;
	vita_error err;
	VITA_INIT(&array);
	array.dtype = dtype;
	array.rank = 2;
	array.shape[0] = rows, array.shape[1] = columns, array.shape[2] = array.shape[3] = 1;
	array.size_bytes = (uint64_t)(rows * vita_row_bytes(dtype, columns));
	array.data = data;
	if (device->api->load && device->api->load(device->self, &array, dtype, &t, &err) == VITA_OK) return t;
	return make(device, dtype, 2, rows, columns, 0, data);
}

void drop(const test_device *device, vita_tensor *t)
{
	device->api->free(device->self, t->buffer);
	t->buffer = NULL;
}

float *values_of(const test_device *device, const vita_tensor *t)
{
	int64_t n = 1;
	vita_error err;
	for (uint32_t i = 0; i < t->rank; i++) n *= t->shape[i];
	float *out = malloc((size_t)n * sizeof *out + 1);
	assert_non_null(out);
	if (device->api->read(device->self, t, out, (uint64_t)n * sizeof *out, &err) != VITA_OK) fail_msg("%s", err.message);
	return out;
}

void submit(const test_device *device, const vita_op *op)
{
	vita_error err;
	if (device->api->submit(device->self, &op, 1, &err) != VITA_OK) fail_msg("%s", err.message);
	assert_int_equal(device->api->wait(device->self, &err), VITA_OK);
}

double difference(const float *a, const float *b, int64_t n, double *largest)
{
	double worst = 0;
	*largest = 0;
	for (int64_t i = 0; i < n; i++) {
		const double d = fabs((double)a[i] - (double)b[i]);
		if (!(d <= worst)) worst = d;
		if (fabs((double)b[i]) > *largest) *largest = fabs((double)b[i]);
	}
	return worst;
}

double product_tolerance(uint32_t dtype, int64_t rows)
{
	/* activations are rounded; where there are many rows so are weights, of up to 3 in random q4_k blocks */
	if (vita_dtype_block(dtype) > 1) return 4 * (1.0 / 127) / sqrt(12) * sqrt(1.0 / 3) * (rows > 16 ? 3.3 : 1.5);
	if (dtype == VITA_F32 || rows <= 16) return 1e-5;
	return 4 * 2 * (1.0 / 512) * (1.0 / 3);
}
