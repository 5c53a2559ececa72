/* SPDX-License-Identifier: MIT
 *
 * Plain rows of block types into tiles and back; tiles.h says how those lie.
 */
#include <string.h>

#include "cpu.h"
#include "tiles.h"

static int64_t plain_block_bytes(uint32_t dtype)
{
	return (int64_t)vita_dtype_bytes(dtype);
}

int64_t packed_tile_bytes(uint32_t dtype, int64_t columns)
{
	const int64_t bytes = tile_block_bytes(dtype), per_block = tile_block_columns(dtype);
	if (bytes == 0 || columns % per_block != 0 || columns / per_block > INT64_MAX / bytes) return 0;
	return columns / per_block * bytes;
}

/* A run of n bytes of one row to or from groups of four. */
static inline void spread(unsigned char *groups, int row, const unsigned char *bytes, int n)
{
	for (int i = 0; i < n; i += 4) memcpy(groups + i / 4 * GROUP + row * 4, bytes + i, 4);
}

static inline void gather(unsigned char *bytes, const unsigned char *groups, int row, int n)
{
	for (int i = 0; i < n; i += 4) memcpy(bytes + i, groups + i / 4 * GROUP + row * 4, 4);
}

static inline void flip(unsigned char *bytes, int n)
{
	for (int i = 0; i < n; i++) bytes[i] ^= 0x80;
}

static void pack_q4_k(const vita_block_q4_k *b, int row, unsigned char *t)
{
	memcpy(t + 2 * row, b->d, 2);
	memcpy(t + HALVES + 2 * row, b->dmin, 2);
	for (int s = 0; s < 8; s++) {
		int scale, minimum;
		vita_q4_k_scale(b->scales, s, &scale, &minimum);
		t[Q4_K_SCALES + TILE * s + row] = (unsigned char)scale;
		t[Q4_K_MINIMA + 2 * TILE * (s / 2) + 2 * row + s % 2] = (unsigned char)minimum;
	}
	spread(t + Q4_K_NIBBLES, row, b->nibbles, 128);
}

static void unpack_q4_k(const unsigned char *t, int row, vita_block_q4_k *b)
{
	const unsigned char *scale = t + Q4_K_SCALES + row, *minimum = t + Q4_K_MINIMA + 2 * row;
	memcpy(b->d, t + 2 * row, 2);
	memcpy(b->dmin, t + HALVES + 2 * row, 2);
	for (int j = 0; j < 4; j++) {
		const int low = 2 * TILE * (j / 2) + j % 2, s0 = scale[TILE * j], s1 = scale[TILE * (j + 4)];
		const int m0 = minimum[low], m1 = minimum[low + 4 * TILE];
		b->scales[j] = (uint8_t)(s0 | s1 >> 4 << 6);
		b->scales[j + 4] = (uint8_t)(m0 | m1 >> 4 << 6);
		b->scales[j + 8] = (uint8_t)((s1 & 15) | (m1 & 15) << 4);
	}
	gather(b->nibbles, t + Q4_K_NIBBLES, row, 128);
}

static void pack_q6_k(const vita_block_q6_k *b, int row, unsigned char *t)
{
	memcpy(t + 2 * row, b->d, 2);
	for (int s = 0; s < 16; s++) t[Q6_K_SCALES + TILE * s + row] = (unsigned char)b->scales[s];
	spread(t + Q6_K_NIBBLES, row, b->nibbles, 128);
	spread(t + Q6_K_PAIRS, row, b->pairs, 64);
}

static void unpack_q6_k(const unsigned char *t, int row, vita_block_q6_k *b)
{
	memcpy(b->d, t + 2 * row, 2);
	for (int s = 0; s < 16; s++) b->scales[s] = (int8_t)t[Q6_K_SCALES + TILE * s + row];
	gather(b->nibbles, t + Q6_K_NIBBLES, row, 128);
	gather(b->pairs, t + Q6_K_PAIRS, row, 64);
}

static inline void pack_block(uint32_t dtype, const unsigned char *b, int row, unsigned char *t)
{
	switch (dtype) {
	case VITA_Q8_0: {
		unsigned char q[32];
		memcpy(q, b + 2, 32);
		flip(q, 32);
		memcpy(t + 2 * row, b, 2);
		spread(t + HALVES, row, q, 32);
		break;
	}
	case VITA_Q4_0:
		memcpy(t + 2 * row, b, 2);
		spread(t + HALVES, row, b + 2, 16);
		break;
	case VITA_Q4_1:
		memcpy(t + 2 * row, b, 2);
		memcpy(t + HALVES + 2 * row, b + 2, 2);
		spread(t + 2 * HALVES, row, b + 4, 16);
		break;
	case VITA_Q4_K: pack_q4_k((const void *)b, row, t); break;
	default: pack_q6_k((const void *)b, row, t);
	}
}

static void unpack_block(uint32_t dtype, const unsigned char *t, int row, unsigned char *b)
{
	switch (dtype) {
	case VITA_Q8_0:
		memcpy(b, t + 2 * row, 2);
		gather(b + 2, t + HALVES, row, 32);
		flip(b + 2, 32);
		break;
	case VITA_Q4_0:
		memcpy(b, t + 2 * row, 2);
		gather(b + 2, t + HALVES, row, 16);
		break;
	case VITA_Q4_1:
		memcpy(b, t + 2 * row, 2);
		memcpy(b + 2, t + HALVES + 2 * row, 2);
		gather(b + 4, t + 2 * HALVES, row, 16);
		break;
	case VITA_Q4_K: unpack_q4_k(t, row, (void *)b); break;
	default: unpack_q6_k(t, row, (void *)b);
	}
}

/* Block after block of all rows, so that the tile is written from its beginning to its end. */
void pack_tile(uint32_t dtype, const unsigned char *rows, int64_t stride, int n_rows, int64_t columns,
               unsigned char *tile)
{
	static const unsigned char zeros[256];
	const int64_t blocks = columns / tile_block_columns(dtype), bytes = tile_block_bytes(dtype);
	const int64_t plain = plain_block_bytes(dtype);
	for (int64_t b = 0; b < blocks; b++)
		for (int row = 0; row < TILE; row++)
			pack_block(dtype, row < n_rows ? rows + row * stride + b * plain : zeros, row, tile + b * bytes);
}

void unpack_row(uint32_t dtype, const unsigned char *tile, int row, int64_t columns, unsigned char *out)
{
	for (int64_t b = 0; b < columns / tile_block_columns(dtype); b++)
		unpack_block(dtype, tile + b * tile_block_bytes(dtype), row, out + b * plain_block_bytes(dtype));
}

const unsigned char *packed_row(const vita_tensor *w, int64_t row, int *in_tile)
{
	const vita_buffer *buffer = w->buffer;
	const int64_t all = (int64_t)w->offset / vita_row_bytes(w->dtype, buffer->columns) + row;
	*in_tile = (int)(all % TILE);
	return buffer->memory + all / TILE * packed_tile_bytes(w->dtype, buffer->columns);
}

/* Block by block, so that any number of columns needs no memory. */
void dequantise_row(const struct cpu_kernels *kernels, const vita_tensor *w, int64_t row, float *out)
{
	if (!is_packed(w)) {
		kernels->to_f32(w->dtype, row_at(w, row), out, columns_of(w));
		return;
	}
	int in_tile;
	const unsigned char *tile = packed_row(w, row, &in_tile);
	const int64_t per_block = tile_block_columns(w->dtype);
	for (int64_t b = 0; b < w->buffer->columns / per_block; b++) {
		unsigned char plain[256];
		unpack_block(w->dtype, tile + b * tile_block_bytes(w->dtype), in_tile, plain);
		(void)vita_row_to_f32(w->dtype, plain, per_block, out + b * per_block);
	}
}
