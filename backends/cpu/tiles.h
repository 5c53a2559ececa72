/* SPDX-License-Identifier: MIT
 *
 * How packed weights lie: TILE rows of a block type interleaved, so that one vector load gives 16 rows' share
 * of the same four columns. No number is changed, so a tile takes the bytes of its rows (q4_k 3 % more: its
 * 6-bit scales become bytes), and plain rows can be had back. Everything is a multiple of 64 bytes.
 *
 *   "groups" are [TILE rows][4 bytes], 128 bytes: four neighbouring bytes of each plain row
 *
 *   q8_0, a block of 32 columns   d[TILE], then 8 groups of value + 128
 *   q4_0                          d[TILE], then 4 groups of nibbles as in the plain block
 *   q4_1                          d[TILE], m[TILE], groups as q4_0
 *   q4_k, a block of 256          d[TILE], dmin[TILE], scale[8][TILE], minimum[4][TILE][2] (pairs of
 *                                 sub-blocks), 32 groups of nibbles
 *   q6_k                          d[TILE], scale[16][TILE], 32 groups of nibbles, 16 groups of bit pairs
 */
#ifndef VITA_CPU_TILES_H
#define VITA_CPU_TILES_H

#include "kernels.h"

#define GROUP (TILE * 4)
#define HALVES (TILE * 2) /* bytes of one f16 for each row */

#define Q4_K_SCALES (2 * HALVES)
#define Q4_K_MINIMA (Q4_K_SCALES + 8 * TILE)
#define Q4_K_NIBBLES (Q4_K_MINIMA + 8 * TILE)
#define Q6_K_SCALES HALVES
#define Q6_K_NIBBLES (Q6_K_SCALES + 16 * TILE)
#define Q6_K_PAIRS (Q6_K_NIBBLES + 32 * GROUP)

/* Bytes of one block of a tile, and its columns. */
static inline int64_t tile_block_bytes(uint32_t dtype)
{
	switch (dtype) {
	case VITA_Q8_0: return HALVES + 8 * GROUP;
	case VITA_Q4_0: return HALVES + 4 * GROUP;
	case VITA_Q4_1: return 2 * HALVES + 4 * GROUP;
	case VITA_Q4_K: return Q4_K_NIBBLES + 32 * GROUP;
	case VITA_Q6_K: return Q6_K_PAIRS + 16 * GROUP;
	default: return 0;
	}
}

static inline int64_t tile_block_columns(uint32_t dtype)
{
	return dtype == VITA_Q4_K || dtype == VITA_Q6_K ? 256 : 32;
}

/* The activations of one group of rows. */
struct group {
	int n;
	const int8_t *q;
	const float *scale;
	const void *sums;
};

static inline struct group group_of(const struct quantised_rows *x, int64_t number)
{
	const int64_t first = number * x->per_group, blocks = x->k / 32;
	const int64_t span = scale_span(x->dtype), scales = (x->k + span - 1) / span;
	struct group g = { group_rows(x, number), x->q + first * x->k, x->scale + first * scales, NULL };
	/* all kinds of sums but q6_k's and q4_k's take 4 bytes for 32 values */
	const int64_t sum_bytes = x->dtype == VITA_Q6_K ? 8 : x->dtype == VITA_Q4_K ? 2 : 4;
	g.sums = (const char *)x->sums + first * blocks * sum_bytes;
	return g;
}

/* Scale and inverse scale of a span whose largest magnitude has these bits. */
static inline float quantiser(uint32_t largest_bits, float *inverse)
{
	const float largest = vita_f32_from_bits(largest_bits);
	*inverse = largest_bits > 0x00800000u && largest_bits < 0x7f800000u ? 127.0f / largest : 0;
	if (largest_bits >= 0x7f800000u) return vita_f32_from_bits(0x7fc00000u);
	return *inverse > 0 ? largest / 127.0f : 0;
}

#endif
