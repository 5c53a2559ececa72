/* SPDX-License-Identifier: MIT
 *
 * Values from one element type to another, in pieces that go through f32.
 */
#include <vita/blocks.h>
#include <vita/model.h>

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>

#include "quantise.h"

#define PIECE 1024 /* values; a multiple of every block */

/* The float at or next to x towards zero, its last bit set where x lies between two floats. To round
 * that once more to fewer bits gives what rounding x itself gives (Boldo and Melquiond 2008, "Emulation
 * of FMA and correctly rounded sums: proved algorithms using rounding to odd"). */
static float int_to_odd(int32_t x)
{
	float nearest = (float)x;
	double exact = (double)x;
	uint32_t bits;

	if ((double)nearest == exact) return nearest;
	memcpy(&bits, &nearest, sizeof bits);
	if (fabs((double)nearest) > fabs(exact)) bits--;
	bits |= 1u;
	memcpy(&nearest, &bits, sizeof bits);
	return nearest;
}

/* Not rint, which follows the caller's rounding mode. */
static int32_t float_to_int(float x)
{
	if (!(x > -2147483648.0f)) return x != x ? 0 : INT32_MIN;
	if (x >= 2147483648.0f) return INT32_MAX;
	int32_t whole = (int32_t)x;
	float rest = x - (float)whole; /* exact: from 2^23 on it is 0 */
	if (rest > 0.5f || (rest == 0.5f && (whole & 1))) whole++;
	if (rest < -0.5f || (rest == -0.5f && (whole & 1))) whole--;
	return whole;
}

static void ints_to_floats(const unsigned char *source, uint32_t to, int64_t n, float *out)
{
	for (int64_t i = 0; i < n; i++) {
		int32_t x;
		memcpy(&x, source + 4 * i, sizeof x);
		out[i] = to == VITA_F32 ? (float)x : int_to_odd(x);
	}
}

static void floats_to_ints(const float *in, int64_t n, unsigned char *target)
{
	for (int64_t i = 0; i < n; i++) {
		int32_t x = float_to_int(in[i]);
		memcpy(target + 4 * i, &x, sizeof x);
	}
}

static bool can_convert(uint32_t from, uint32_t to)
{
	bool source_fits = vita_dtype_block(from) != 0 && from != VITA_U8;
	return source_fits &&
	       (to == VITA_F32 || to == VITA_F16 || to == VITA_BF16 || to == VITA_I32 || to == VITA_Q8_0 ||
	        vita_quantises(to));
}

vita_status vita_convert(uint32_t from, const void *source, uint32_t to, void *target, uint64_t n,
                         vita_error *err)
{
	const unsigned char *in = source;
	unsigned char *out = target;
	float piece[PIECE];

	if (from != to && !can_convert(from, to))
		return vita_fail(err, VITA_E_UNSUPPORTED, "values of type %s cannot be converted to %s",
		                 vita_dtype_name(from), vita_dtype_name(to));
	if (vita_dtype_block(from) == 0)
		return vita_fail(err, VITA_E_UNSUPPORTED, "there is no element type number %" PRIu32, from);
	if (n > INT64_MAX || vita_row_bytes(from, (int64_t)n) < 0 || vita_row_bytes(to, (int64_t)n) < 0)
		return vita_fail(err, VITA_E_INVALID,
		                 "%" PRIu64 " values are no whole number of blocks of %s and %s", n,
		                 vita_dtype_name(from), vita_dtype_name(to));
	if (from == to) {
		if (n > 0) memcpy(target, source, (size_t)vita_row_bytes(from, (int64_t)n));
		return VITA_OK;
	}
	for (uint64_t done = 0; done < n; done += PIECE) {
		int64_t count = n - done < PIECE ? (int64_t)(n - done) : PIECE;
		if (from == VITA_I32) ints_to_floats(in, to, count, piece);
		else (void)vita_row_to_f32(from, in, count, piece);
		if (to == VITA_I32) floats_to_ints(piece, count, out);
		else if (vita_quantises(to)) vita_quantise_row(to, piece, count, out);
		else (void)vita_row_from_f32(to, piece, count, out);
		in += vita_row_bytes(from, count);
		out += vita_row_bytes(to, count);
	}
	return VITA_OK;
}
