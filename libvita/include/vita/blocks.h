/* SPDX-License-Identifier: MIT
 *
 * vita/blocks.h - element formats bit by bit: half precision floats, and the block types of GGUF.
 *
 * A block type stores a row of weights as blocks of 32 or 256 values that share scales. A block is
 * bytes: no alignment, no padding; its 16-bit members are little-endian binary16. The formulas below
 * give every value with at most one rounding to binary32 (each product is exact), so that all
 * implementations of them agree to the last bit, with fused multiply-add or without.
 *
 *   q8_0   32 values, 34 bytes    d, then q[32], signed.
 *          value[i] = d · q[i]
 *
 *   q4_0   32 values, 18 bytes    d, then 16 bytes of nibbles: byte i holds value i in its low half and
 *          value i + 16 in its high half.
 *          value[i] = d · (nibble - 8)
 *
 *   q4_1   32 values, 20 bytes    d, m, then nibbles as in q4_0.
 *          value[i] = d · nibble + m
 *
 *   q4_k   256 values, 144 bytes  d, dmin, 12 bytes of packed 6-bit scales and minima, 128 bytes of
 *          nibbles. Eight sub-blocks of 32 values, each with a scale and a minimum:
 *          value[i] = d · scale[i / 32] · nibble - dmin · minimum[i / 32]
 *          Sub-blocks 2p and 2p + 1 share 32 bytes: low halves are the 32 values of 2p, high halves
 *          those of 2p + 1. Byte b of the 12, for j = 0 … 3:
 *            b[j]      low 6 bits: scale[j]      top 2 bits: upper 2 bits of scale[j + 4]
 *            b[j + 4]  low 6 bits: minimum[j]    top 2 bits: upper 2 bits of minimum[j + 4]
 *            b[j + 8]  low half: lower 4 bits of scale[j + 4], high half: those of minimum[j + 4]
 *
 *   q6_k   256 values, 210 bytes  128 bytes of lower nibbles, 64 bytes of upper bit pairs, 16 signed
 *          8-bit scales, d. Sixteen sub-blocks of 16 values:
 *          value[i] = d · scale[i / 16] · (six bits - 32)
 *          Each half of 128 values has 64 bytes of nibbles l and 32 bytes of pairs h. With i = 0 … 31:
 *            value i        low half of l[i]         bits 0-1 of h[i]
 *            value i + 32   low half of l[i + 32]    bits 2-3 of h[i]
 *            value i + 64   high half of l[i]        bits 4-5 of h[i]
 *            value i + 96   high half of l[i + 32]   bits 6-7 of h[i]
 */
#ifndef VITA_BLOCKS_H
#define VITA_BLOCKS_H

#include <assert.h>

#include <vita/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vita_block_q8_0 {
	uint8_t d[2];
	int8_t q[32];
} vita_block_q8_0;

typedef struct vita_block_q4_0 {
	uint8_t d[2];
	uint8_t nibbles[16];
} vita_block_q4_0;

typedef struct vita_block_q4_1 {
	uint8_t d[2];
	uint8_t m[2];
	uint8_t nibbles[16];
} vita_block_q4_1;

typedef struct vita_block_q4_k {
	uint8_t d[2];
	uint8_t dmin[2];
	uint8_t scales[12];
	uint8_t nibbles[128];
} vita_block_q4_k;

typedef struct vita_block_q6_k {
	uint8_t nibbles[128];
	uint8_t pairs[64];
	int8_t scales[16];
	uint8_t d[2];
} vita_block_q6_k;

static_assert(sizeof(vita_block_q8_0) == 34, "q8_0 is 34 bytes");
static_assert(sizeof(vita_block_q4_0) == 18, "q4_0 is 18 bytes");
static_assert(sizeof(vita_block_q4_1) == 20, "q4_1 is 20 bytes");
static_assert(sizeof(vita_block_q4_k) == 144, "q4_k is 144 bytes");
static_assert(sizeof(vita_block_q6_k) == 210, "q6_k is 210 bytes");

/* ---- single values ------------------------------------------------------------------------------- */

VITA_UNUSED static inline uint32_t vita_f32_bits(float value)
{
	uint32_t bits;
	memcpy(&bits, &value, sizeof bits);
	return bits;
}

VITA_UNUSED static inline float vita_f32_from_bits(uint32_t bits)
{
	float value;
	memcpy(&value, &bits, sizeof value);
	return value;
}

/* Exact. A NaN stays a NaN with its payload. */
VITA_UNUSED static inline float vita_f16_to_f32(uint16_t half)
{
	uint32_t sign = (uint32_t)(half & 0x8000u) << 16, magnitude = half & 0x7fffu;
	/* 0.5 has steps of 2^-24, as a subnormal half: put the fraction below a 0.5 and take that away. */
	float small = vita_f32_from_bits(0x3f000000u | magnitude) - 0.5f;
	uint32_t large = (magnitude << 13) + (magnitude < 0x7c00u ? 112u << 23 : 224u << 23);
	return vita_f32_from_bits(sign | (magnitude < 0x400u ? vita_f32_bits(small) : large));
}

/* To nearest, ties to even; too large becomes infinite; a NaN stays a (quiet) NaN. */
VITA_UNUSED static inline uint16_t vita_f32_to_f16(float value)
{
	uint32_t bits = vita_f32_bits(value), sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
	if (magnitude > 0x7f800000u) return (uint16_t)(sign | 0x7e00u | (magnitude >> 13 & 0x3ffu));
	if (magnitude >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u); /* 65520 and more */
	if (magnitude < 0x38800000u)                                      /* a subnormal half: see above */
		return (uint16_t)(sign | (vita_f32_bits(vita_f32_from_bits(magnitude) + 0.5f) - 0x3f000000u));
	return (uint16_t)(sign | (magnitude - (112u << 23) + 0xfffu + (magnitude >> 13 & 1u)) >> 13);
}

VITA_UNUSED static inline float vita_bf16_to_f32(uint16_t brain)
{
	return vita_f32_from_bits((uint32_t)brain << 16);
}

/* To nearest, ties to even; a NaN stays a (quiet) NaN. */
VITA_UNUSED static inline uint16_t vita_f32_to_bf16(float value)
{
	uint32_t bits = vita_f32_bits(value);
	if ((bits & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(bits >> 16 | 0x40u);
	return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

/* A binary16 member of a block. */
VITA_UNUSED static inline float vita_block_scale(const uint8_t *bytes)
{
	return vita_f16_to_f32((uint16_t)(bytes[0] | bytes[1] << 8));
}

/* ---- one block to f32 (out has room for its 32 or 256 values) ------------------------------------- */

VITA_UNUSED static inline void vita_q8_0_to_f32(const vita_block_q8_0 *block, float *out)
{
	float d = vita_block_scale(block->d);
	for (int i = 0; i < 32; i++) out[i] = d * (float)block->q[i];
}

VITA_UNUSED static inline void vita_q4_0_to_f32(const vita_block_q4_0 *block, float *out)
{
	float d = vita_block_scale(block->d);
	for (int i = 0; i < 16; i++) {
		out[i] = d * (float)((block->nibbles[i] & 15) - 8);
		out[i + 16] = d * (float)((block->nibbles[i] >> 4) - 8);
	}
}

VITA_UNUSED static inline void vita_q4_1_to_f32(const vita_block_q4_1 *block, float *out)
{
	float d = vita_block_scale(block->d), m = vita_block_scale(block->m);
	for (int i = 0; i < 16; i++) {
		out[i] = d * (float)(block->nibbles[i] & 15) + m;
		out[i + 16] = d * (float)(block->nibbles[i] >> 4) + m;
	}
}

/* Scale and minimum, 0 … 63, of sub-block 0 … 7. */
VITA_UNUSED static inline void vita_q4_k_scale(const uint8_t *packed, int sub, int *scale, int *minimum)
{
	int j = sub & 3;
	if (sub < 4) {
		*scale = packed[j] & 63;
		*minimum = packed[j + 4] & 63;
	} else {
		*scale = (packed[j + 8] & 15) | packed[j] >> 6 << 4;
		*minimum = packed[j + 8] >> 4 | packed[j + 4] >> 6 << 4;
	}
}

VITA_UNUSED static inline void vita_q4_k_to_f32(const vita_block_q4_k *block, float *out)
{
	float d = vita_block_scale(block->d), dmin = vita_block_scale(block->dmin);
	for (int sub = 0; sub < 8; sub++) {
		const uint8_t *nibbles = block->nibbles + sub / 2 * 32;
		int scale, minimum, shift = sub % 2 * 4;
		vita_q4_k_scale(block->scales, sub, &scale, &minimum);
		float step = d * (float)scale, base = dmin * (float)minimum;
		for (int i = 0; i < 32; i++)
			out[sub * 32 + i] = step * (float)(nibbles[i] >> shift & 15) - base;
	}
}

VITA_UNUSED static inline void vita_q6_k_to_f32(const vita_block_q6_k *block, float *out)
{
	float d = vita_block_scale(block->d);
	for (int sub = 0; sub < 16; sub++) {
		/* Quarter 0 … 3 of a half of 128 values, and first or second 16 of its 32. */
		int half = sub / 8, quarter = sub % 8 / 2, first = sub % 2 * 16;
		const uint8_t *nibbles = block->nibbles + half * 64 + quarter % 2 * 32 + first;
		const uint8_t *pairs = block->pairs + half * 32 + first;
		float step = d * (float)block->scales[sub];
		for (int i = 0; i < 16; i++) {
			int low = nibbles[i] >> (quarter / 2 * 4) & 15, high = pairs[i] >> (quarter * 2) & 3;
			out[sub * 16 + i] = step * (float)((low | high << 4) - 32);
		}
	}
}

/* ---- rows ---------------------------------------------------------------------------------------- */

/* n values of f32, f16, bf16 or a block type (n then a whole number of blocks) as f32. row needs no
 * alignment.
 * OK | E_UNSUPPORTED (another type) | E_SHAPE (no whole number of blocks)          [any-thread] */
VITA_UNUSED static inline vita_status vita_row_to_f32(uint32_t dtype, const void *row, int64_t n, float *out)
{
	const uint8_t *bytes = (const uint8_t *)row;
	int64_t block = (int64_t)vita_dtype_block(dtype), size = (int64_t)vita_dtype_bytes(dtype), i;
	uint16_t half;

	if (block == 0 || dtype == VITA_I32 || dtype == VITA_U8) return VITA_E_UNSUPPORTED;
	if (n < 0 || n % block != 0) return VITA_E_SHAPE;
	switch (dtype) {
	case VITA_F32:
		if (n > 0) memcpy(out, row, (size_t)n * sizeof *out);
		return VITA_OK;
	case VITA_F16:
		for (i = 0; i < n; i++) memcpy(&half, bytes + i * 2, 2), out[i] = vita_f16_to_f32(half);
		return VITA_OK;
	case VITA_BF16:
		for (i = 0; i < n; i++) memcpy(&half, bytes + i * 2, 2), out[i] = vita_bf16_to_f32(half);
		return VITA_OK;
	default:
		break;
	}
	for (i = 0; i < n; i += block, bytes += size) {
		const void *at = bytes;
		switch (dtype) {
		case VITA_Q8_0: vita_q8_0_to_f32((const vita_block_q8_0 *)at, out + i); break;
		case VITA_Q4_0: vita_q4_0_to_f32((const vita_block_q4_0 *)at, out + i); break;
		case VITA_Q4_1: vita_q4_1_to_f32((const vita_block_q4_1 *)at, out + i); break;
		case VITA_Q4_K: vita_q4_k_to_f32((const vita_block_q4_k *)at, out + i); break;
		default: vita_q6_k_to_f32((const vita_block_q6_k *)at, out + i); break;
		}
	}
	return VITA_OK;
}

/* 32 values as the nearest q8_0: the largest magnitude becomes 127 steps, halves round away from zero,
 * as GGUF's own tools do. NaN becomes 0 and what a half cannot scale to (beyond ±8 319 008) is clipped. */
VITA_UNUSED static inline void vita_q8_0_from_f32(const float *in, vita_block_q8_0 *block)
{
	float largest = 0;
	for (int i = 0; i < 32; i++) {
		float magnitude = in[i] < 0 ? -in[i] : in[i];
		if (magnitude > largest) largest = magnitude;
	}
	float d = largest > 65504.0f * 127.0f ? 65504.0f : largest / 127.0f, inverse = d > 0 ? 1.0f / d : 0;
	uint16_t half = vita_f32_to_f16(d);
	block->d[0] = (uint8_t)(half & 255);
	block->d[1] = (uint8_t)(half >> 8);
	for (int i = 0; i < 32; i++) {
		double steps = (double)(in[i] * inverse);
		if (steps > 127) steps = 127;
		if (steps < -127) steps = -127;
		block->q[i] = (int8_t)(steps >= 0 ? steps + 0.5 : steps < 0 ? steps - 0.5 : 0);
	}
}

/* n f32 values as f32, f16, bf16 or q8_0 (n then a whole number of blocks). row needs no alignment.
 * OK | E_UNSUPPORTED (another type) | E_SHAPE (no whole number of blocks)          [any-thread] */
VITA_UNUSED static inline vita_status vita_row_from_f32(uint32_t dtype, const float *in, int64_t n, void *row)
{
	uint8_t *bytes = (uint8_t *)row;
	uint16_t half;
	int64_t i;

	if (dtype != VITA_F32 && dtype != VITA_F16 && dtype != VITA_BF16 && dtype != VITA_Q8_0)
		return VITA_E_UNSUPPORTED;
	if (n < 0 || n % (int64_t)vita_dtype_block(dtype) != 0) return VITA_E_SHAPE;
	if (dtype == VITA_F32 && n > 0) memcpy(row, in, (size_t)n * sizeof *in);
	if (dtype == VITA_F16)
		for (i = 0; i < n; i++) half = vita_f32_to_f16(in[i]), memcpy(bytes + i * 2, &half, 2);
	if (dtype == VITA_BF16)
		for (i = 0; i < n; i++) half = vita_f32_to_bf16(in[i]), memcpy(bytes + i * 2, &half, 2);
	if (dtype == VITA_Q8_0)
		for (i = 0; i < n; i += 32)
			vita_q8_0_from_f32(in + i, (vita_block_q8_0 *)(void *)(bytes + i / 32 * 34));
	return VITA_OK;
}

#ifdef __cplusplus
}
#endif
#endif
