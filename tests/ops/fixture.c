/* SPDX-License-Identifier: MIT
 *
 * Op tests by hand; see fixture.h.
 */
#include "fixture.h"

#include <stdlib.h>

test_device device;
vita_recorder *r;

static vita_recorder recorder;
static vita_device handle;
static vita_error err;
static vita_buffer *buffers[256];
static uint32_t n_buffers;

int fixture_open(void **state)
{
	char why[1024];

	(void)state;
	if (!test_device_open(&device, "reference", "", 0, why)) {
		print_error("%s\n", why);
		return -1;
	}
	VITA_INIT(&handle);
	handle.api = device.api;
	handle.self = device.self;
	r = &recorder;
	vita_recorder_begin(r, &handle, &err);
	return 0;
}

int fixture_reset(void **state)
{
	(void)state;
	while (n_buffers > 0) device.api->free(device.self, buffers[--n_buffers]);
	vita_recorder_begin(r, &handle, &err);
	return 0;
}

int fixture_close(void **state)
{
	(void)fixture_reset(state);
	test_device_close(&device);
	return 0;
}

static vita_buffer *room(uint64_t size)
{
	vita_buffer *buffer;
	assert_true(n_buffers < sizeof buffers / sizeof *buffers);
	assert_int_equal(device.api->alloc(device.self, size, &buffer, &err), VITA_OK);
	buffers[n_buffers++] = buffer;
	return buffer;
}

static int64_t count(uint32_t rank, const int64_t *shape)
{
	int64_t n = 1;
	for (uint32_t i = 0; i < rank; i++) n *= shape[i];
	return n;
}

vita_tensor empty(uint32_t dtype, uint32_t rank, const int64_t *shape)
{
	int64_t s[VITA_MAX_RANK] = { 0 };
	vita_tensor t;

	memcpy(s, shape, rank * sizeof *shape);
	t = vita_view(NULL, 0, dtype, rank, s[0], s[1], s[2], s[3]);
	t.buffer = room((uint64_t)vita_row_bytes(dtype, count(rank, shape)));
	return t;
}

static void write_values(const vita_tensor *t, const float *values)
{
	int64_t n = count(t->rank, t->shape), size = vita_row_bytes(t->dtype, n);
	void *bytes = malloc((size_t)size + 1);

	assert_non_null(bytes);
	assert_int_equal(vita_row_from_f32(t->dtype, values, n, bytes), VITA_OK);
	assert_int_equal(device.api->write(device.self, t, bytes, (uint64_t)size, &err), VITA_OK);
	free(bytes);
}

vita_tensor dense(uint32_t dtype, uint32_t rank, const int64_t *shape, const float *values)
{
	vita_tensor t = empty(dtype, rank, shape);
	write_values(&t, values);
	return t;
}

vita_tensor f32(uint32_t rank, const int64_t *shape, const float *values)
{
	return dense(VITA_F32, rank, shape, values);
}

vita_tensor i32(uint32_t rank, const int64_t *shape, const int32_t *values)
{
	vita_tensor t = empty(VITA_I32, rank, shape);
	uint64_t size = (uint64_t)count(rank, shape) * sizeof *values;
	assert_int_equal(device.api->write(device.self, &t, values, size, &err), VITA_OK);
	return t;
}

vita_tensor gappy(uint32_t rank, const int64_t *shape, int64_t gap, const float *values)
{
	int64_t wide[VITA_MAX_RANK];
	vita_tensor t;

	memcpy(wide, shape, rank * sizeof *shape);
	wide[rank - 1] += gap;
	t = empty(VITA_F32, rank, wide);
	vita_fill(r, NAN, &t);
	succeed();
	t.shape[rank - 1] = shape[rank - 1];
	if (values) write_values(&t, values);
	return t;
}

void succeed(void)
{
	vita_status status = vita_recorder_end(r);
	if (status != VITA_OK) fail_msg("status %d: %s", (int)status, err.message);
}

void fail_with(vita_status status, const char *part_of_message)
{
	vita_status got = vita_recorder_end(r);

	if (got != status)
		fail_msg("status %d (%s), expected %d", (int)got, got ? err.message : "", (int)status);
	if (!strstr(err.message, part_of_message))
		fail_msg("\"%s\" does not say \"%s\"", err.message, part_of_message);
	vita_recorder_begin(r, &handle, &err);
}

void expect_f32(const vita_tensor *y, const float *values, double tolerance)
{
	int64_t n = count(y->rank, y->shape);
	float *found = malloc((size_t)n * sizeof *found + 1);

	succeed();
	assert_non_null(found);
	assert_int_equal(device.api->read(device.self, y, found, (uint64_t)n * sizeof *found, &err), VITA_OK);
	for (int64_t i = 0; i < n; i++) {
		double error = fabs((double)found[i] - (double)values[i]),
		       size = fmax(1, fabs((double)values[i]));
		int same = found[i] == values[i] || (isnan(found[i]) && isnan(values[i]));
		if (!same && !(error <= tolerance * size))
			fail_msg("element %lld is %.9g, expected %.9g", (long long)i, (double)found[i],
			         (double)values[i]);
	}
	free(found);
}

void expect_bytes(const vita_tensor *y, const void *bytes, uint64_t size)
{
	void *found = malloc((size_t)size + 1);

	succeed();
	assert_non_null(found);
	assert_int_equal(device.api->read(device.self, y, found, size, &err), VITA_OK);
	assert_memory_equal(found, bytes, size);
	free(found);
}

void expect_i32(const vita_tensor *y, const int32_t *values)
{
	expect_bytes(y, values, (uint64_t)count(y->rank, y->shape) * sizeof *values);
}
