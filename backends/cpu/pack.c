/* SPDX-License-Identifier: MIT
 *
 * Packed weights: TILE rows of a block type interleaved, so that one vector load gives all rows' share of
 * the same four columns. No number is changed, so a tile takes the bytes of its rows (q4_k 3 % more: its
 * 6-bit scales become bytes), and plain rows can be had back.
 *
 *   q8_0, a block of 32 columns   d[16], then 8 groups: [row][4] bytes of value + 128
 *   q4_0                          d[16], then 4 groups: [row][4] bytes of nibbles as in the plain block
 *   q4_1                          d[16], m[16], groups as q4_0
 *   q4_k, a block of 256          d[16], dmin[16], scale[8][16], minimum[8][16], 32 groups of nibbles
 *   q6_k                          d[16], scale[16][16], 32 groups of nibbles, 16 groups of bit pairs
 */
#include <stdlib.h>
#include <vita/blocks.h>

#include "cpu.h"

struct layout {
	uint32_t dtype;
	int columns, plain, packed; /* of a block: columns, bytes in a row, bytes in a tile */
};

static const struct layout layouts[] = {
	{ VITA_Q8_0, 32, 34, 32 + 512 },
	{ VITA_Q4_0, 32, 18, 32 + 256 },
	{ VITA_Q4_1, 32, 20, 64 + 256 },
	{ VITA_Q4_K, 256, 144, 64 + 256 + 2048 },
	{ VITA_Q6_K, 256, 210, 32 + 256 + 2048 + 1024 },
};

static const struct layout *layout_of(uint32_t dtype)
{
	for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
		if (layouts[i].dtype == dtype) return &layouts[i];
	return NULL;
}

int64_t packed_tile_bytes(uint32_t dtype, int64_t columns)
{
	const struct layout *l = layout_of(dtype);
	return l && columns % l->columns == 0 ? columns / l->columns * l->packed : 0;
}

/* A run of bytes of one row to or from groups of four, TILE · 4 bytes apart. */
static void spread(unsigned char *groups, int row, const unsigned char *bytes, int n)
{
	for (int i = 0; i < n; i += 4) memcpy(groups + i * TILE + row * 4, bytes + i, 4);
}

static void gather(unsigned char *bytes, const unsigned char *groups, int row, int n)
{
	for (int i = 0; i < n; i += 4) memcpy(bytes + i, groups + i * TILE + row * 4, 4);
}

static void flip(unsigned char *bytes, int n)
{
	for (int i = 0; i < n; i++) bytes[i] ^= 0x80;
}

static void pack_block(uint32_t dtype, const unsigned char *b, int row, unsigned char *t)
{
	switch (dtype) {
	case VITA_Q8_0: {
		unsigned char q[32];
		memcpy(q, b + 2, 32);
		flip(q, 32);
		memcpy(t + 2 * row, b, 2);
		spread(t + 32, row, q, 32);
		break;
	}
	case VITA_Q4_0:
		memcpy(t + 2 * row, b, 2);
		spread(t + 32, row, b + 2, 16);
		break;
	case VITA_Q4_1:
		memcpy(t + 2 * row, b, 2);
		memcpy(t + 32 + 2 * row, b + 2, 2);
		spread(t + 64, row, b + 4, 16);
		break;
	case VITA_Q4_K: {
		const vita_block_q4_k *block = (const void *)b;
		memcpy(t + 2 * row, block->d, 2);
		memcpy(t + 32 + 2 * row, block->dmin, 2);
		for (int s = 0; s < 8; s++) {
			int scale, minimum;
			vita_q4_k_scale(block->scales, s, &scale, &minimum);
			t[64 + 16 * s + row] = (unsigned char)scale;
			t[192 + 16 * s + row] = (unsigned char)minimum;
		}
		spread(t + 320, row, block->nibbles, 128);
		break;
	}
	default: {
		const vita_block_q6_k *block = (const void *)b;
		memcpy(t + 2 * row, block->d, 2);
		for (int s = 0; s < 16; s++) t[32 + 16 * s + row] = (unsigned char)block->scales[s];
		spread(t + 288, row, block->nibbles, 128);
		spread(t + 288 + 2048, row, block->pairs, 64);
	}
	}
}

static void unpack_block(uint32_t dtype, const unsigned char *t, int row, unsigned char *b)
{
	switch (dtype) {
	case VITA_Q8_0:
		memcpy(b, t + 2 * row, 2);
		gather(b + 2, t + 32, row, 32);
		flip(b + 2, 32);
		break;
	case VITA_Q4_0:
		memcpy(b, t + 2 * row, 2);
		gather(b + 2, t + 32, row, 16);
		break;
	case VITA_Q4_1:
		memcpy(b, t + 2 * row, 2);
		memcpy(b + 2, t + 32 + 2 * row, 2);
		gather(b + 4, t + 64, row, 16);
		break;
	case VITA_Q4_K: {
		vita_block_q4_k *block = (void *)b;
		const unsigned char *scale = t + 64 + row, *minimum = t + 192 + row;
		memcpy(block->d, t + 2 * row, 2);
		memcpy(block->dmin, t + 32 + 2 * row, 2);
		for (int j = 0; j < 4; j++) {
			int s0 = scale[16 * j], s1 = scale[16 * (j + 4)], m0 = minimum[16 * j], m1 = minimum[16 * (j + 4)];
			block->scales[j] = (uint8_t)(s0 | s1 >> 4 << 6);
			block->scales[j + 4] = (uint8_t)(m0 | m1 >> 4 << 6);
			block->scales[j + 8] = (uint8_t)((s1 & 15) | (m1 & 15) << 4);
		}
		gather(block->nibbles, t + 320, row, 128);
		break;
	}
	default: {
		vita_block_q6_k *block = (void *)b;
		memcpy(block->d, t + 2 * row, 2);
		for (int s = 0; s < 16; s++) block->scales[s] = (int8_t)t[32 + 16 * s + row];
		gather(block->nibbles, t + 288, row, 128);
		gather(block->pairs, t + 288 + 2048, row, 64);
	}
	}
}

void pack_tile(uint32_t dtype, const unsigned char *rows, int n_rows, int64_t columns, unsigned char *tile)
{
	static const unsigned char zeros[256];
	const struct layout *l = layout_of(dtype);
	const int64_t blocks = columns / l->columns, stride = blocks * l->plain;
	for (int64_t b = 0; b < blocks; b++)
		for (int row = 0; row < TILE; row++)
			pack_block(dtype, row < n_rows ? rows + row * stride + b * l->plain : zeros, row, tile + b * l->packed);
}

void unpack_row(uint32_t dtype, const unsigned char *tile, int row, int64_t columns, unsigned char *out)
{
	const struct layout *l = layout_of(dtype);
	for (int64_t b = 0; b < columns / l->columns; b++)
		unpack_block(dtype, tile + b * l->packed, row, out + b * l->plain);
}

/* Block by block, so that any number of columns needs no memory. */
void dequantise_row(const vita_tensor *w, int64_t row, float *out)
{
	const vita_buffer *buffer = w->buffer;
	if (buffer->packed_dtype == VITA_DTYPE_NONE) {
		(void)vita_row_to_f32(w->dtype, (const char *)tensor_data(w) + row * w->stride[w->rank - 2],
		                      w->shape[w->rank - 1], out);
		return;
	}
	const struct layout *l = layout_of(buffer->packed_dtype);
	int64_t all = (int64_t)w->offset / vita_row_bytes(w->dtype, buffer->columns) + row;
	const unsigned char *tile = buffer->memory + all / TILE * packed_tile_bytes(w->dtype, buffer->columns);
	for (int64_t b = 0; b < buffer->columns / l->columns; b++) {
		unsigned char plain[256];
		unpack_block(w->dtype, tile + b * l->packed, (int)(all % TILE), plain);
		(void)vita_row_to_f32(w->dtype, plain, l->columns, out + b * l->columns);
	}
}
