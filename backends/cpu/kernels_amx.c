/* SPDX-License-Identifier: MIT
 *
 * Products in bf16 by the tile registers of AMX: eight of up to 16 rows of 64 bytes. One instruction adds to 16 × 16 sums
 * in f32 the products of 32 columns.
 */
#include "kernels.h"
#include "kernels_amx.h"

#ifdef __x86_64__ /* GCC and clang call the instruction sets by different names */
#include <immintrin.h>

#define TILE_ROWS 16
#define COLUMNS 32 /* of a step: a tile's row of bf16 */
#define PAIRS (COLUMNS / 2)

/* What the compiler may not move loads of tiles across: it does not know what memory they read. */
#define WRITTEN() __asm__ volatile("" : : : "memory")

/* Tiles 0 … 3 are sums, of rows 0-15 and 16-31 by columns 0-15 and 16-31; 4 and 5 hold activations, 6 and 7 weights. */
#define GROUP (2 * TILE_ROWS)

struct config {
	uint8_t palette, start, reserved[14];
	uint16_t row_bytes[16];
	uint8_t rows[16];
};

#define ALL_BYTES { 64, 64, 64, 64, 64, 64, 64, 64 }
static const struct config whole = { .palette = 1, .row_bytes = ALL_BYTES, .rows = { 16, 16, 16, 16, 16, 16, 16, 16 } };

/* Fewer rows than a group has. */
static void configure(int n)
{
	const uint8_t low = (uint8_t)(n < TILE_ROWS ? n : TILE_ROWS), high = (uint8_t)(n > TILE_ROWS ? n - TILE_ROWS : TILE_ROWS);
	const struct config part = { .palette = 1, .row_bytes = ALL_BYTES, .rows = { low, low, high, high, low, high, 16, 16 } };
	WRITTEN();
	_tile_loadconfig(&part);
}

static inline void clear_sums(void)
{
	_tile_zero(0);
	_tile_zero(1);
	_tile_zero(2);
	_tile_zero(3);
}

static inline void step(const char *w, const char *x, int64_t x_stride, bool both)
{
	_tile_loadd(6, w, WIDE * 4);
	_tile_loadd(7, w + 64, WIDE * 4);
	_tile_loadd(4, x, x_stride);
	_tile_dpbf16ps(0, 4, 6);
	_tile_dpbf16ps(1, 4, 7);
	if (!both) return;
	_tile_loadd(5, x + TILE_ROWS * x_stride, x_stride);
	_tile_dpbf16ps(2, 5, 6);
	_tile_dpbf16ps(3, 5, 7);
}

/* The last columns, of which there are not enough for a step: zeros follow them. */
static void last_step(const char *w, const char *x, int64_t x_stride, int n, int64_t k)
{
	_Alignas(64) char w_end[PAIRS * WIDE * 4], x_end[GROUP * 64];
	memset(w_end, 0, sizeof w_end);
	memset(x_end, 0, sizeof x_end);
	memcpy(w_end, w, (size_t)k / 2 * WIDE * 4);
	for (int r = 0; r < n; r++) memcpy(x_end + 64 * r, x + r * x_stride, (size_t)k * 2);
	WRITTEN();
	step(w_end, x_end, 64, n > TILE_ROWS);
}

static void group(const void *tile, const char *x, int64_t x_stride, int n, int64_t k, float *out, bool add)
{
	const bool both = n > TILE_ROWS;
	const char *w = tile;
	float *second = out + TILE_ROWS * WIDE;
	clear_sums();
	if (add) {
		_tile_loadd(0, out, WIDE * 4);
		_tile_loadd(1, out + 16, WIDE * 4);
	}
	if (add && both) {
		_tile_loadd(2, second, WIDE * 4);
		_tile_loadd(3, second + 16, WIDE * 4);
	}
	for (; k >= COLUMNS; k -= COLUMNS, w += PAIRS * WIDE * 4, x += COLUMNS * 2) step(w, x, x_stride, both);
	if (k > 0) last_step(w, x, x_stride, n, k);
	_tile_stored(0, out, WIDE * 4);
	_tile_stored(1, out + 16, WIDE * 4);
	if (!both) return;
	_tile_stored(2, second, WIDE * 4);
	_tile_stored(3, second + 16, WIDE * 4);
}

void amx_wide_bf16(const void *tile, const void *x, int64_t x_stride, int n, int64_t k, float *out, bool add)
{
	const char *from = x;
	k += k % 2;
	if (n >= GROUP) _tile_loadconfig(&whole);
	for (; n >= GROUP; n -= GROUP, from += GROUP * x_stride, out += GROUP * WIDE) group(tile, from, x_stride, GROUP, k, out, add);
	if (n > 0) {
		configure(n);
		group(tile, from, x_stride, n, k, out, add);
	}
	_tile_release();
}

double amx_spin(int64_t steps)
{
	_tile_loadconfig(&whole);
	clear_sums();
	_tile_zero(4);
	_tile_zero(5);
	_tile_zero(6);
	_tile_zero(7);
	for (int64_t s = 0; s < steps; s++) {
		_tile_dpbf16ps(0, 4, 6);
		_tile_dpbf16ps(1, 4, 7);
		_tile_dpbf16ps(2, 5, 6);
		_tile_dpbf16ps(3, 5, 7);
	}
	_tile_release();
	return 2.0 * 4 * TILE_ROWS * TILE_ROWS * COLUMNS * (double)steps;
}
#endif
