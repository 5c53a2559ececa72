/* SPDX-License-Identifier: MIT
 *
 * The naive backend: elements of any type, memory, and the table of functions. The ops are in naive_ops.c.
 */
#include "naive.h"

#include <math.h>
#include <stdlib.h>

struct vita_buffer {
	unsigned char *bytes;
};

struct vita_backend {
	int unused;
};

static struct vita_backend only;

unsigned char *naive_bytes(const vita_tensor *t) { return t->buffer->bytes; }

/* ---- numbers in bytes ------------------------------------------------------------------------------ */

/* A float of this many exponent and fraction bits, by its definition. */
static double decode_float(uint32_t bits, int exponent_bits, int fraction_bits)
{
	int exponent = (int)(bits >> fraction_bits) & ((1 << exponent_bits) - 1),
	    bias = (1 << (exponent_bits - 1)) - 1;
	double fraction = (double)(bits & ((1u << fraction_bits) - 1)) / (double)(1u << fraction_bits), value;

	if (exponent == 2 * bias + 1)
		value = fraction > 0 ? NAN : INFINITY;
	else if (exponent == 0)
		value = ldexp(fraction, 1 - bias);
	else
		value = ldexp(1 + fraction, exponent - bias);
	return bits >> (exponent_bits + fraction_bits) & 1 ? -value : value;
}

/* The nearest such float: candidates are whole multiples of the step at the value's exponent. */
static uint32_t encode_float(double value, int exponent_bits, int fraction_bits)
{
	int bias = (1 << (exponent_bits - 1)) - 1, exponent;
	uint32_t sign = (uint32_t)(signbit(value) != 0) << (exponent_bits + fraction_bits);
	uint32_t infinite = (uint32_t)(2 * bias + 1) << fraction_bits;
	double steps;

	if (isnan(value)) return sign | infinite | 1u << (fraction_bits - 1);
	if (value == 0) return sign;
	if (isinf(value)) return sign | infinite;
	(void)frexp(fabs(value), &exponent);
	exponent -= 1; /* |value| = m · 2^exponent with 1 <= m < 2 */
	if (exponent < 1 - bias) exponent = 1 - bias;
	steps = nearbyint(ldexp(fabs(value), fraction_bits - exponent)); /* ties to even, as C starts out */
	if (exponent > bias || (exponent == bias && steps >= ldexp(1, fraction_bits + 1)))
		return sign | infinite;
	/* For normal numbers steps has the leading one in it: that is one exponent more, as wanted. */
	return sign | (((uint32_t)(exponent + bias - 1) << fraction_bits) + (uint32_t)steps);
}

static uint32_t little(const unsigned char *at, int n)
{
	uint32_t value = 0;
	for (int i = 0; i < n; i++) value |= (uint32_t)at[i] << (8 * i);
	return value;
}

static int signed_byte(unsigned char byte) { return byte < 128 ? byte : byte - 256; }

/* Value i of one block, straight from the prose of vita/blocks.h. */
static double block_value(uint32_t dtype, const unsigned char *b, int i)
{
	double d = decode_float(little(b, 2), 5, 10), second = decode_float(little(b + 2, 2), 5, 10);
	int nibble;

	switch (dtype) {
	case VITA_Q8_0: return d * signed_byte(b[2 + i]);
	case VITA_Q4_0: nibble = i < 16 ? b[2 + i] % 16 : b[2 + i - 16] / 16; return d * (nibble - 8);
	case VITA_Q4_1: nibble = i < 16 ? b[4 + i] % 16 : b[4 + i - 16] / 16; return d * nibble + second;
	case VITA_Q4_K: {
		int sub = i / 32, j = sub % 4, scale, minimum;
		const unsigned char *packed = b + 4, *halves = b + 16 + sub / 2 * 32;
		nibble = sub % 2 ? halves[i % 32] / 16 : halves[i % 32] % 16;
		scale = sub < 4 ? packed[j] % 64 : packed[j + 8] % 16 + packed[j] / 64 * 16;
		minimum = sub < 4 ? packed[j + 4] % 64 : packed[j + 8] / 16 + packed[j + 4] / 64 * 16;
		return d * scale * nibble - second * minimum;
	}
	default: {
		int half = i / 128, quarter = i % 128 / 32, l = i % 32, low, high;
		low = b[half * 64 + quarter % 2 * 32 + l];
		low = quarter < 2 ? low % 16 : low / 16;
		high = b[128 + half * 32 + l] >> (2 * quarter) & 3;
		return decode_float(little(b + 208, 2), 5, 10) * signed_byte(b[192 + i / 16]) *
		       (low + 16 * high - 32);
	}
	}
}

int64_t naive_place(const vita_tensor *t, const int64_t *at)
{
	int64_t block = vita_dtype_block(t->dtype), place = (int64_t)t->offset;
	for (uint32_t i = 0; i < t->rank; i++)
		place += (i + 1 == t->rank ? at[i] / block : at[i]) * t->stride[i];
	return place;
}

double naive_get(const vita_tensor *t, const unsigned char *bytes, const int64_t *at)
{
	const unsigned char *from = bytes + naive_place(t, at);
	switch (t->dtype) {
	case VITA_F32: return decode_float(little(from, 4), 8, 23);
	case VITA_F16: return decode_float(little(from, 2), 5, 10);
	case VITA_BF16: return decode_float(little(from, 2), 8, 7);
	case VITA_I32: return (double)(int32_t)little(from, 4);
	case VITA_U8: return from[0];
	default: return block_value(t->dtype, from, (int)(at[t->rank - 1] % vita_dtype_block(t->dtype)));
	}
}

static double clip(double value, double low, double high)
{
	return isnan(value) ? 0 : fmin(fmax(trunc(value), low), high);
}

void naive_put(const vita_tensor *t, unsigned char *bytes, const int64_t *at, double value)
{
	int n = (int)vita_dtype_bytes(t->dtype);
	unsigned char *to = bytes + naive_place(t, at);
	uint32_t bits = 0;
	switch (t->dtype) {
	case VITA_F32: bits = encode_float(value, 8, 23); break;
	case VITA_F16: bits = encode_float(value, 5, 10); break;
	case VITA_BF16: bits = encode_float(value, 8, 7); break;
	case VITA_I32: bits = (uint32_t)(int32_t)clip(value, INT32_MIN, INT32_MAX); break;
	default: bits = (uint32_t)clip(value, 0, 255); break;
	}
	for (int i = 0; i < n; i++) to[i] = (unsigned char)(bits >> (8 * i));
}

int naive_next(const vita_tensor *t, int64_t *at)
{
	for (uint32_t i = t->rank; i-- > 0; at[i] = 0)
		if (++at[i] < t->shape[i]) return 1;
	return 0;
}

/* ---- the table ------------------------------------------------------------------------------------- */

static vita_status open(const vita_host *host, const vita_settings *settings, vita_backend **out,
                        vita_error *err)
{
	(void)host, (void)settings, (void)err;
	*out = &only;
	return VITA_OK;
}

static void close(vita_backend *backend) { (void)backend; }

static vita_status alloc(vita_backend *backend, uint64_t size, vita_buffer **out, vita_error *err)
{
	vita_buffer *buffer = malloc(sizeof *buffer);
	(void)backend;
	if (buffer) buffer->bytes = malloc((size_t)size + 1);
	if (!buffer || !buffer->bytes) return vita_fail(err, VITA_E_NOMEM, "naive: no memory");
	*out = buffer;
	return VITA_OK;
}

static void release(vita_backend *backend, vita_buffer *buffer)
{
	(void)backend;
	if (buffer) free(buffer->bytes);
	free(buffer);
}

/* Only whole buffers are ever read and written: the harness describes them as bytes. */
static vita_status write(vita_backend *backend, const vita_tensor *target, const void *source, uint64_t size,
                         vita_error *err)
{
	(void)backend, (void)err;
	memcpy(target->buffer->bytes, source, (size_t)size);
	return VITA_OK;
}

static vita_status read(vita_backend *backend, const vita_tensor *source, void *target, uint64_t size,
                        vita_error *err)
{
	(void)backend, (void)err;
	memcpy(target, source->buffer->bytes, (size_t)size);
	return VITA_OK;
}

static int32_t supports(vita_backend *backend, const vita_op *op)
{
	(void)backend, (void)op;
	return 1;
}

static vita_status submit(vita_backend *backend, const vita_op *const *ops, uint32_t n, vita_error *err)
{
	(void)backend, (void)err;
	for (uint32_t i = 0; i < n; i++) naive_run(ops[i]);
	return VITA_OK;
}

static vita_status wait(vita_backend *backend, vita_error *err)
{
	(void)backend, (void)err;
	return VITA_OK;
}

const vita_backend_api naive_backend = {
	.struct_size = sizeof naive_backend,
	.open = open,
	.close = close,
	.alloc = alloc,
	.free = release,
	.write = write,
	.read = read,
	.supports = supports,
	.submit = submit,
	.wait = wait,
};
