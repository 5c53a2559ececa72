/* SPDX-License-Identifier: MIT
 *
 * Weights laid out for MATMUL: tiles of LANES rows, interleaved so that one load serves a vector's lanes, or
 * work-items side by side.
 *
 * A row is cut into blocks (of a block type; 1 or 2 values of others), and a block into halves (2 bytes: scales, or an
 * f16 value) and words (4 bytes). A tile has first all halves, [block][half][lane], then, from a multiple of 64 bytes
 * on, all words, [block][word][lane]. Words of a block:
 *   f32   the value                    bf16   two values
 *   q8_0  8 words of 4 values          q4_0, q4_1  4 words as they lie: nibbles of values i and i + 16
 *   q4_k  scales 0-3, 4-7, minima 0-3, 4-7, a byte each; for each 32 values 4 words of nibbles i and i + 16
 *   q6_k  4 words of scales; for each 32 values 4 words of their lower nibbles, i and i + 16, and 2 words of their
 *         upper bits: bits 2g and 2g + 1 of word w's byte b belong to value 16 w + 4 g + b
 * Rows beyond the last are zeros.
 */
#include <stdlib.h>

#include <vita/blocks.h>

#include "pack.h"

#define MOST_WORDS 56
#define PIECE (UINT64_C(8) << 20) /* bytes of tiles made on the host at a time */

struct packed_block {
	uint16_t half[2];
	uint32_t word[MOST_WORDS];
};

struct pack_layout pack_layout_of(const vita_backend *backend, uint32_t dtype, int64_t columns)
{
	struct pack_layout l = { .lanes = backend->lanes, .block = vita_dtype_block(dtype) };
	switch (dtype) {
	case VITA_F32: l.words = 1; break;
	case VITA_F16: l.halves = 1; break;
	case VITA_BF16: l.words = 1, l.block = 2; break;
	case VITA_Q8_0: l.halves = 1, l.words = 8; break;
	case VITA_Q4_0: l.halves = 1, l.words = 4; break;
	case VITA_Q4_1: l.halves = 2, l.words = 4; break;
	case VITA_Q4_K: l.halves = 2, l.words = 4 + 8 * 4; break;
	case VITA_Q6_K: l.halves = 1, l.words = 4 + 8 * 6; break;
	default: return l;
	}
	if (columns % l.block != 0) {
		l.halves = l.words = 0;
		return l;
	}
	l.blocks = columns / l.block;
	l.words_at = (l.blocks * l.halves * 2 * l.lanes + 63) / 64 * 64;
	l.tile_bytes = l.words_at + l.blocks * l.words * 4 * l.lanes;
	return l;
}

/* ---- one block ------------------------------------------------------------------------------------- */

static uint16_t get_half(const uint8_t *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

static void put_half(uint8_t *at, uint16_t half)
{
	at[0] = (uint8_t)half;
	at[1] = (uint8_t)(half >> 8);
}

/* Nibbles of 32 values as q4_0 has them; and back. */
static void join_nibbles(const uint8_t value[32], uint32_t words[4])
{
	uint8_t bytes[16];
	for (int i = 0; i < 16; i++) bytes[i] = (uint8_t)((value[i] & 15) | (value[i + 16] & 15) << 4);
	memcpy(words, bytes, sizeof bytes);
}

static void split_nibbles(const uint32_t words[4], uint8_t value[32])
{
	uint8_t bytes[16];
	memcpy(bytes, words, sizeof bytes);
	for (int i = 0; i < 16; i++) value[i] = bytes[i] & 15, value[i + 16] = bytes[i] >> 4;
}

static void q4_k_in(const vita_block_q4_k *q, struct packed_block *p)
{
	uint8_t scales[8], minima[8];
	p->half[0] = get_half(q->d);
	p->half[1] = get_half(q->dmin);
	for (int sub = 0; sub < 8; sub++) {
		int scale, minimum;
		uint8_t value[32];
		vita_q4_k_scale(q->scales, sub, &scale, &minimum);
		scales[sub] = (uint8_t)scale, minima[sub] = (uint8_t)minimum;
		for (int i = 0; i < 32; i++) value[i] = q->nibbles[sub / 2 * 32 + i] >> (sub % 2 * 4) & 15;
		join_nibbles(value, &p->word[4 + sub * 4]);
	}
	memcpy(&p->word[0], scales, 8);
	memcpy(&p->word[2], minima, 8);
}

static void q4_k_out(const struct packed_block *p, vita_block_q4_k *q)
{
	uint8_t scales[8], minima[8];
	memset(q, 0, sizeof *q);
	put_half(q->d, p->half[0]);
	put_half(q->dmin, p->half[1]);
	memcpy(scales, &p->word[0], 8);
	memcpy(minima, &p->word[2], 8);
	for (int j = 0; j < 4; j++) {
		q->scales[j] = (uint8_t)(scales[j] | scales[j + 4] >> 4 << 6);
		q->scales[j + 4] = (uint8_t)(minima[j] | minima[j + 4] >> 4 << 6);
		q->scales[j + 8] = (uint8_t)((scales[j + 4] & 15) | (minima[j + 4] & 15) << 4);
	}
	for (int sub = 0; sub < 8; sub++) {
		uint8_t value[32];
		split_nibbles(&p->word[4 + sub * 4], value);
		for (int i = 0; i < 32; i++) q->nibbles[sub / 2 * 32 + i] |= (uint8_t)(value[i] << (sub % 2 * 4));
	}
}

/* Where the upper two bits of value i of 32 are. */
static int high_byte(int i)
{
	return i / 16 * 4 + i % 4;
}

static int high_shift(int i)
{
	return i % 16 / 4 * 2;
}

static void q6_k_in(const vita_block_q6_k *q, struct packed_block *p)
{
	p->half[0] = get_half(q->d);
	memcpy(&p->word[0], q->scales, 16);
	for (int sub = 0; sub < 8; sub++) {
		/* quarter `sub % 4` of half `sub / 4`: see vita/blocks.h */
		const uint8_t *low = q->nibbles + sub / 4 * 64 + sub % 2 * 32, *pairs = q->pairs + sub / 4 * 32;
		const int quarter = sub % 4;
		uint8_t value[32], high[8] = { 0 };
		for (int i = 0; i < 32; i++) {
			value[i] = low[i] >> (quarter / 2 * 4) & 15;
			high[high_byte(i)] |= (uint8_t)((pairs[i] >> (quarter * 2) & 3) << high_shift(i));
		}
		join_nibbles(value, &p->word[4 + sub * 6]);
		memcpy(&p->word[8 + sub * 6], high, 8);
	}
}

static void q6_k_out(const struct packed_block *p, vita_block_q6_k *q)
{
	memset(q, 0, sizeof *q);
	put_half(q->d, p->half[0]);
	memcpy(q->scales, &p->word[0], 16);
	for (int sub = 0; sub < 8; sub++) {
		uint8_t *low = q->nibbles + sub / 4 * 64 + sub % 2 * 32, *pairs = q->pairs + sub / 4 * 32;
		const int quarter = sub % 4;
		uint8_t value[32], high[8];
		split_nibbles(&p->word[4 + sub * 6], value);
		memcpy(high, &p->word[8 + sub * 6], 8);
		for (int i = 0; i < 32; i++) {
			low[i] |= (uint8_t)(value[i] << (quarter / 2 * 4));
			pairs[i] |= (uint8_t)((high[high_byte(i)] >> high_shift(i) & 3) << (quarter * 2));
		}
	}
}

static void block_in(uint32_t dtype, const uint8_t *from, struct packed_block *p)
{
	switch (dtype) {
	case VITA_F32: case VITA_BF16: memcpy(p->word, from, 4); break;
	case VITA_F16: memcpy(p->half, from, 2); break;
	case VITA_Q8_0: p->half[0] = get_half(from), memcpy(p->word, from + 2, 32); break;
	case VITA_Q4_0: p->half[0] = get_half(from), memcpy(p->word, from + 2, 16); break;
	case VITA_Q4_1: p->half[0] = get_half(from), p->half[1] = get_half(from + 2), memcpy(p->word, from + 4, 16); break;
	case VITA_Q4_K: q4_k_in((const vita_block_q4_k *)(const void *)from, p); break;
	default: q6_k_in((const vita_block_q6_k *)(const void *)from, p); break;
	}
}

static void block_out(uint32_t dtype, const struct packed_block *p, uint8_t *to)
{
	switch (dtype) {
	case VITA_F32: case VITA_BF16: memcpy(to, p->word, 4); break;
	case VITA_F16: memcpy(to, p->half, 2); break;
	case VITA_Q8_0: put_half(to, p->half[0]), memcpy(to + 2, p->word, 32); break;
	case VITA_Q4_0: put_half(to, p->half[0]), memcpy(to + 2, p->word, 16); break;
	case VITA_Q4_1: put_half(to, p->half[0]), put_half(to + 2, p->half[1]), memcpy(to + 4, p->word, 16); break;
	case VITA_Q4_K: q4_k_out(p, (vita_block_q4_k *)(void *)to); break;
	default: q6_k_out(p, (vita_block_q6_k *)(void *)to); break;
	}
}

/* ---- tiles ----------------------------------------------------------------------------------------- */

/* Bytes of a block in plain rows. */
static int64_t block_bytes(const struct pack_layout *l, uint32_t dtype)
{
	return vita_row_bytes(dtype, l->block);
}

static void pack_row(const struct pack_layout *l, uint32_t dtype, const uint8_t *row, int64_t lane, uint8_t *tile)
{
	const int64_t bytes = block_bytes(l, dtype);
	struct packed_block p;
	for (int64_t b = 0; b < l->blocks; b++) {
		block_in(dtype, row + b * bytes, &p);
		for (int64_t h = 0; h < l->halves; h++)
			memcpy(tile + ((b * l->halves + h) * l->lanes + lane) * 2, &p.half[h], 2);
		for (int64_t w = 0; w < l->words; w++)
			memcpy(tile + l->words_at + ((b * l->words + w) * l->lanes + lane) * 4, &p.word[w], 4);
	}
}

static void unpack_row(const struct pack_layout *l, uint32_t dtype, const uint8_t *tile, int64_t lane, uint8_t *row)
{
	const int64_t bytes = block_bytes(l, dtype);
	struct packed_block p;
	memset(&p, 0, sizeof p);
	for (int64_t b = 0; b < l->blocks; b++) {
		for (int64_t h = 0; h < l->halves; h++)
			memcpy(&p.half[h], tile + ((b * l->halves + h) * l->lanes + lane) * 2, 2);
		for (int64_t w = 0; w < l->words; w++)
			memcpy(&p.word[w], tile + l->words_at + ((b * l->words + w) * l->lanes + lane) * 4, 4);
		block_out(dtype, &p, row + b * bytes);
	}
}

/* ---- loading --------------------------------------------------------------------------------------- */

/* Tiles first … first + n - 1 made in memory, then written. */
static vita_status write_tiles(vita_backend *backend, const struct pack_layout *l, const vita_array *source,
                               const vita_buffer *buffer, int64_t first, int64_t n, uint8_t *memory, vita_error *err)
{
	const int64_t row_bytes = vita_row_bytes(source->dtype, source->shape[1]), end = (first + n) * l->lanes;
	const uint8_t *rows = source->data;
	memset(memory, 0, (size_t)(n * l->tile_bytes));
	for (int64_t r = first * l->lanes; r < end && r < source->shape[0]; r++)
		pack_row(l, source->dtype, rows + r * row_bytes, r % l->lanes, memory + (r / l->lanes - first) * l->tile_bytes);
	(void)pthread_mutex_lock(&backend->lock);
	const vita_status status = memory_put(backend, buffer->memory, (uint64_t)(first * l->tile_bytes), memory,
	                                      (uint64_t)(n * l->tile_bytes), err);
	(void)pthread_mutex_unlock(&backend->lock);
	return status;
}

static vita_status write_all(vita_backend *backend, const struct pack_layout *l, const vita_array *source,
                             const vita_buffer *buffer, int64_t tiles, vita_error *err)
{
	int64_t at_once = (int64_t)PIECE / l->tile_bytes + 1;
	vita_status status = VITA_OK;
	if (at_once > tiles) at_once = tiles;
	uint8_t *memory = malloc((size_t)(at_once * l->tile_bytes));
	if (!memory) return vita_fail(err, VITA_E_NOMEM, "opencl: no memory to lay out a weight");
	for (int64_t first = 0; first < tiles && status == VITA_OK; first += at_once) {
		const int64_t left = tiles - first;
		status = write_tiles(backend, l, source, buffer, first, left < at_once ? left : at_once, memory, err);
	}
	free(memory);
	return status;
}

vita_status pack_load(vita_backend *backend, const vita_array *source, uint32_t dtype, vita_tensor *out, vita_error *err)
{
	VITA_INIT(out);
	if (source->rank != 2 || source->dtype != dtype || source->shape[0] < 1 || source->shape[1] < 1)
		return vita_fail(err, VITA_E_UNSUPPORTED, "opencl: only matrices of the type that is wanted are laid out anew");
	const struct pack_layout l = pack_layout_of(backend, dtype, source->shape[1]);
	const int64_t row_bytes = vita_row_bytes(dtype, source->shape[1]), tiles = (source->shape[0] - 1) / l.lanes + 1;
	if (l.tile_bytes == 0 || source->shape[0] > INT32_MAX || source->shape[1] > INT32_MAX || row_bytes < 0)
		return vita_fail(err, VITA_E_UNSUPPORTED, "opencl: weights of this type and shape stay as they are");
	if (tiles > INT64_MAX / l.tile_bytes || source->size_bytes / (uint64_t)row_bytes < (uint64_t)source->shape[0])
		return vita_fail(err, VITA_E_SHAPE, "opencl: a weight of %lld by %lld values is not in %llu bytes",
		                 (long long)source->shape[0], (long long)source->shape[1],
		                 (unsigned long long)source->size_bytes);
	vita_buffer *buffer;
	vita_status status = memory_alloc_weight(backend, (uint64_t)(tiles * l.tile_bytes), &buffer, err);
	if (status == VITA_OK) status = write_all(backend, &l, source, buffer, tiles, err);
	if (status != VITA_OK) {
		memory_free(backend, buffer);
		return status;
	}
	buffer->size = (uint64_t)(source->shape[0] * row_bytes);
	buffer->packed_dtype = dtype;
	buffer->rows = source->shape[0];
	buffer->columns = source->shape[1];
	buffer->constant = true;
	out->dtype = dtype;
	out->rank = 2;
	out->buffer = buffer;
	out->shape[0] = source->shape[0], out->shape[1] = source->shape[1], out->shape[2] = out->shape[3] = 1;
	out->stride[0] = row_bytes, out->stride[1] = (int64_t)vita_dtype_bytes(dtype);
	status = matmul_warm(backend, out, err);
	if (status == VITA_OK) {
		tune_weight(backend, out);
		return VITA_OK;
	}
	memory_free(backend, buffer);
	VITA_INIT(out);
	return status;
}

/* ---- reading back ---------------------------------------------------------------------------------- */

bool pack_is_rows(const vita_tensor *t)
{
	const vita_buffer *b = t->buffer;
	const int64_t row = vita_row_bytes(b->packed_dtype, b->columns);
	return t->rank == 2 && t->dtype == b->packed_dtype && t->shape[1] == b->columns &&
	       (t->shape[0] <= 1 || t->stride[0] == row) && t->offset % (uint64_t)row == 0;
}

vita_status pack_read(vita_backend *backend, const vita_tensor *t, void *target, vita_error *err)
{
	const vita_buffer *b = t->buffer;
	const struct pack_layout l = pack_layout_of(backend, b->packed_dtype, b->columns);
	const int64_t row_bytes = vita_row_bytes(b->packed_dtype, b->columns), first = (int64_t)t->offset / row_bytes;
	vita_status status = VITA_OK;
	if (!pack_is_rows(t))
		return vita_fail(err, VITA_E_SHAPE, "opencl: read: a weight laid out for MATMUL is read by whole rows of %lld values",
		                 (long long)b->columns);
	uint8_t *tile = malloc((size_t)l.tile_bytes);
	if (!tile) return vita_fail(err, VITA_E_NOMEM, "opencl: no memory to read a weight");
	for (int64_t r = first, have = -1; r < first + t->shape[0] && status == VITA_OK; r++) {
		if (r / l.lanes != have) {
			have = r / l.lanes;
			const cl_int error = clEnqueueReadBuffer(backend->queue, b->memory, CL_TRUE, (size_t)(have * l.tile_bytes),
			                                         (size_t)l.tile_bytes, tile, 0, NULL, NULL);
			if (error != CL_SUCCESS) status = cl_failure(backend, "clEnqueueReadBuffer", error, err);
		}
		if (status == VITA_OK)
			unpack_row(&l, b->packed_dtype, tile, r % l.lanes, (uint8_t *)target + (r - first) * row_bytes);
	}
	free(tile);
	return status;
}
