/* SPDX-License-Identifier: MIT
 *
 * Kernels for AVX-512 F/BW/DQ/VL and BF16: products with plain weights, and the table.
 *
 * One to sixteen rows: each lane takes its own values along k, and lanes are added up at the end. More rows: 32
 * weight rows are laid out so that a lane is a weight row, as in tiles.
 */
#include "kernels_amx.h"
#include "kernels_avx512.h"
#include "vectors.h"

#if defined(KERNELS_AVX512)

/* The sums of four vectors' lanes. */
INLINE __m128 add_lanes(__m512 a, __m512 b, __m512 c, __m512 d)
{
	const __m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
	const __m512 cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
	const __m512d low = _mm512_unpacklo_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd));
	const __m512d high = _mm512_unpackhi_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd));
	const __m512 four = _mm512_add_ps(_mm512_castpd_ps(low), _mm512_castpd_ps(high));
	const __m256 two = _mm256_add_ps(_mm512_castps512_ps256(four), _mm512_extractf32x8_ps(four, 1));
	return _mm_add_ps(_mm256_castps256_ps128(two), _mm256_extractf128_ps(two, 1));
}

#define ROWS_AT_ONCE 6

/* Weight rows, the last repeated where there are fewer than four. */
struct four_rows {
	const char *row[4];
};

INLINE struct four_rows four_rows(const void *w, int64_t stride, int n_w)
{
	struct four_rows f;
	for (int i = 0; i < 4; i++) f.row[i] = (const char *)w + stride * (i < n_w ? i : n_w - 1);
	return f;
}

INLINE __m512 load_weights(uint32_t dtype, const char *w, int64_t j, __mmask16 mask)
{
	if (dtype == VITA_F32) return _mm512_maskz_loadu_ps(mask, w + 4 * j);
	const __m256i half = _mm256_maskz_loadu_epi16(mask, w + 2 * j);
	if (dtype == VITA_F16) return _mm512_cvtph_ps(half);
	return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

INLINE void step(uint32_t dtype, struct four_rows w, const char *x, int64_t x_stride, int n, int64_t j,
                       __mmask16 mask, __m512 sum[ROWS_AT_ONCE][4])
{
	__m512 wv[4];
	UNROLL
	for (int i = 0; i < 4; i++) wv[i] = load_weights(dtype, w.row[i], j, mask);
	UNROLL
	for (int r = 0; r < n; r++) {
		const __m512 xv = _mm512_maskz_loadu_ps(mask, x + r * x_stride + 4 * j);
		UNROLL
		for (int i = 0; i < 4; i++) sum[r][i] = multiply_add(sum[r][i], wv[i], xv);
	}
}

/* n is a constant where this is inlined. */
INLINE void rows_n(uint32_t dtype, struct four_rows w, int n_w, const char *x, int64_t x_stride, int n, int64_t k,
                   float *out)
{
	const int64_t size = dtype == VITA_F32 ? 4 : 2, ahead = 4 * (w.row[1] - w.row[0]);
	__m512 sum[ROWS_AT_ONCE][4];
	UNROLL
	for (int r = 0; r < n; r++) {
		UNROLL
		for (int i = 0; i < 4; i++) sum[r][i] = _mm512_setzero_ps();
	}
	int64_t j = 0;
	for (; j + 32 <= k; j += 32) {
		/* rows are too short for the processor to see where this goes: the next four, most likely */
		UNROLL
		for (int i = 0; i < 4; i++) {
			_mm_prefetch(w.row[i] + ahead + j * size, _MM_HINT_T0);
			if (size == 4) _mm_prefetch(w.row[i] + ahead + j * size + 64, _MM_HINT_T0);
		}
		step(dtype, w, x, x_stride, n, j, 0xffff, sum);
		step(dtype, w, x, x_stride, n, j + 16, 0xffff, sum);
	}
	for (; j + 16 <= k; j += 16) step(dtype, w, x, x_stride, n, j, 0xffff, sum);
	if (j < k) step(dtype, w, x, x_stride, n, j, tail16(k - j), sum);
	UNROLL
	for (int r = 0; r < n; r++)
		_mm_mask_storeu_ps(out + r * TILE, (__mmask8)((1 << n_w) - 1),
		                   add_lanes(sum[r][0], sum[r][1], sum[r][2], sum[r][3]));
}

/* Up to ROWS_AT_ONCE rows at a time, about equally many. */
#define ROWS_KERNEL(name, dtype) \
	static void name(const void *w, int64_t w_stride, int n_w, const void *x, int64_t x_stride, int n, int64_t k, \
	                 float *out) \
	{ \
		const struct four_rows rows = four_rows(w, w_stride, n_w); \
		const int calls = (n + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE; \
		for (int call = 0; call < calls; call++) { \
			const int first = n * call / calls; \
			const char *from = (const char *)x + first * x_stride; \
			float *to = out + first * TILE; \
			switch (n * (call + 1) / calls - first) { \
			case 1: rows_n(dtype, rows, n_w, from, x_stride, 1, k, to); break; \
			case 2: rows_n(dtype, rows, n_w, from, x_stride, 2, k, to); break; \
			case 3: rows_n(dtype, rows, n_w, from, x_stride, 3, k, to); break; \
			case 4: rows_n(dtype, rows, n_w, from, x_stride, 4, k, to); break; \
			case 5: rows_n(dtype, rows, n_w, from, x_stride, 5, k, to); break; \
			default: rows_n(dtype, rows, n_w, from, x_stride, 6, k, to); break; \
			} \
		} \
	}
ROWS_KERNEL(rows_f32, VITA_F32)
ROWS_KERNEL(rows_f16, VITA_F16)
ROWS_KERNEL(rows_bf16, VITA_BF16)

/* ---- many rows ------------------------------------------------------------------------------------------- */

/* 32 values of a weight row from number j on as 16 pairs of bf16, zeros past its end. */
INLINE __m512i load_pairs(uint32_t dtype, const char *w, int64_t j, int64_t k)
{
	if (dtype == VITA_F32) {
		const __m512 low = _mm512_maskz_loadu_ps(tail16(k - j), w + 4 * j);
		const __m512 high = _mm512_maskz_loadu_ps(tail16(k - j - 16), w + 4 * j + 64);
		return (__m512i)_mm512_cvtne2ps_pbh(high, low);
	}
	const __m512i halves = _mm512_maskz_loadu_epi16(tail32(k - j), w + 2 * j);
	if (dtype == VITA_BF16) return halves;
	const __m512 low = _mm512_cvtph_ps(_mm512_castsi512_si256(halves));
	const __m512 high = _mm512_cvtph_ps(_mm512_extracti64x4_epi64(halves, 1));
	return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

/* 16 words of 32 bits from word p on, each a pair of bf16 or an f32; all of them are there unless `last`. */
INLINE __m512i load_words(uint32_t dtype, bool pairs, const char *row, int64_t p, int64_t k, bool last)
{
	const int64_t end = last ? k : INT64_MAX / 2;
	if (pairs) return load_pairs(dtype, row, 2 * p, end);
	return _mm512_castps_si512(load_weights(dtype, row, p, tail16(end - p)));
}

/* 16 words of 16 rows, n_w of which there are, to column after column of the tile. */
INLINE void widen_block(uint32_t dtype, bool pairs, const char *w, int64_t w_stride, int64_t n_w, int64_t p, int64_t k,
                        int64_t end, bool last, char *tile)
{
	__m512i v[16];
	UNROLL
	for (int i = 0; i < 16; i++)
		v[i] = i < n_w ? load_words(dtype, pairs, w + i * w_stride, p, k, last) : _mm512_setzero_si512();
	transpose(v);
	UNROLL
	for (int i = 0; i < 16; i++)
		if (i < end) _mm512_store_si512(tile + (p + i) * WIDE * 4, v[i]);
}

INLINE void widen(uint32_t dtype, bool pairs, const char *w, int64_t w_stride, int n_w, int64_t k, char *tile)
{
	const int64_t words = pairs ? (k + 1) / 2 : k, whole = pairs ? k / 32 * 16 : k / 16 * 16;
	for (int half = 0; half < WIDE; half += 16, w += 16 * w_stride, tile += 64, n_w -= 16) {
		int64_t p = 0;
		for (; n_w >= 16 && p < whole; p += 16) widen_block(dtype, pairs, w, w_stride, 16, p, k, 16, false, tile);
		for (; p < words; p += 16) widen_block(dtype, pairs, w, w_stride, n_w, p, k, words - p, true, tile);
	}
}

#define WIDEN(pairs) \
	switch (dtype) { \
	case VITA_F32: widen(VITA_F32, pairs, w, w_stride, n_w, k, tile); break; \
	case VITA_F16: widen(VITA_F16, pairs, w, w_stride, n_w, k, tile); break; \
	default: widen(VITA_BF16, pairs, w, w_stride, n_w, k, tile); \
	}

static void widen_bf16(uint32_t dtype, const void *w, int64_t w_stride, int n_w, int64_t k, void *tile)
{
	WIDEN(true)
}

static void widen_f32(uint32_t dtype, const void *w, int64_t w_stride, int n_w, int64_t k, void *tile)
{
	WIDEN(false)
}

/* n is a constant where this is inlined. */
INLINE void wide_n(bool pairs, const char *tile, const char *x, int64_t x_stride, int n, int64_t words, float *out, bool add)
{
	__m512 sum[WIDE_ROWS][2];
	UNROLL
	for (int r = 0; r < n; r++) {
		sum[r][0] = add ? _mm512_loadu_ps(out + WIDE * r) : _mm512_setzero_ps();
		sum[r][1] = add ? _mm512_loadu_ps(out + WIDE * r + 16) : _mm512_setzero_ps();
	}
	for (int64_t p = 0; p < words; p++, tile += 4 * WIDE, x += 4) {
		const __m512i w0 = _mm512_load_si512(tile), w1 = _mm512_load_si512(tile + 64);
		UNROLL
		for (int r = 0; r < n; r++) {
			const __m512i xv = broadcast4(x + r * x_stride);
			if (pairs) {
				sum[r][0] = dot_bf16(sum[r][0], w0, xv);
				sum[r][1] = dot_bf16(sum[r][1], w1, xv);
			} else {
				sum[r][0] = multiply_add(sum[r][0], _mm512_castsi512_ps(w0), _mm512_castsi512_ps(xv));
				sum[r][1] = multiply_add(sum[r][1], _mm512_castsi512_ps(w1), _mm512_castsi512_ps(xv));
			}
		}
	}
	UNROLL
	for (int r = 0; r < n; r++) {
		_mm512_storeu_ps(out + WIDE * r, sum[r][0]);
		_mm512_storeu_ps(out + WIDE * r + 16, sum[r][1]);
	}
}

#define CASE(call, n) \
	case n: call(n); break;
#define CASES_12(call) \
	CASE(call, 1) CASE(call, 2) CASE(call, 3) CASE(call, 4) CASE(call, 5) CASE(call, 6) \
	CASE(call, 7) CASE(call, 8) CASE(call, 9) CASE(call, 10) CASE(call, 11) CASE(call, 12)

static void wide_bf16(const void *tile, const void *x, int64_t x_stride, int n, int64_t k, float *out, bool add)
{
#define CALL(N) wide_n(true, tile, x, x_stride, N, (k + 1) / 2, out, add)
	switch (n) {
		CASES_12(CALL)
		CASE(CALL, 13)
		CASE(CALL, 14)
	}
#undef CALL
}

static void wide_f32(const void *tile, const void *x, int64_t x_stride, int n, int64_t k, float *out, bool add)
{
#define CALL(N) wide_n(false, tile, x, x_stride, N, k, out, add)
	switch (n) {
		CASES_12(CALL)
		CASE(CALL, 13)
		CASE(CALL, 14)
	}
#undef CALL
}

/* ---- blocks of f32 ------------------------------------------------------------------------------------- */

INLINE void block_n(const float *a, int64_t a_row, int64_t a_step, const float *b, const int64_t *b_at, int64_t k, int n,
                    float *c, int64_t c_row, bool add)
{
	__m512 sum[BLOCK_ROWS][2];
	UNROLL
	for (int r = 0; r < n; r++) {
		sum[r][0] = add ? _mm512_loadu_ps(c + r * c_row) : _mm512_setzero_ps();
		sum[r][1] = add ? _mm512_loadu_ps(c + r * c_row + 16) : _mm512_setzero_ps();
	}
	for (int64_t j = 0; j < k; j++, a += a_step) {
		const __m512 b0 = _mm512_loadu_ps(b + b_at[j]), b1 = _mm512_loadu_ps(b + b_at[j] + 16);
		UNROLL
		for (int r = 0; r < n; r++) {
			const __m512 av = _mm512_set1_ps(a[r * a_row]);
			sum[r][0] = multiply_add(sum[r][0], av, b0);
			sum[r][1] = multiply_add(sum[r][1], av, b1);
		}
	}
	UNROLL
	for (int r = 0; r < n; r++) {
		_mm512_storeu_ps(c + r * c_row, sum[r][0]);
		_mm512_storeu_ps(c + r * c_row + 16, sum[r][1]);
	}
}

static void block(const float *a, int64_t a_row, int64_t a_step, const float *b, const int64_t *b_at, int64_t k, int n,
                  float *c, int64_t c_row, bool add)
{
#define CALL(N) block_n(a, a_row, a_step, b, b_at, k, N, c, c_row, add)
	switch (n) {
		CASES_12(CALL)
	}
#undef CALL
}

static void round_bf16(const float *x, uint16_t *y, int64_t n)
{
	for (int64_t i = 0; i < n; i += 16) {
		const __mmask16 mask = tail16(n - i);
		const __m256bh v = _mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, x + i));
		_mm256_mask_storeu_epi16(y + i, mask, (__m256i)v);
	}
}

/* ---- roofs --------------------------------------------------------------------------------------------- */

static uint64_t read_memory(const void *memory, int64_t n)
{
	const char *p = memory;
	__m512i a = _mm512_setzero_si512(), b = a;
	for (int64_t i = 0; i + 128 <= n; i += 128) {
		a = _mm512_xor_si512(a, _mm512_loadu_si512(p + i));
		b = _mm512_xor_si512(b, _mm512_loadu_si512(p + i + 64));
	}
	return (uint64_t)_mm512_reduce_or_epi64(_mm512_xor_si512(a, b));
}

/* Chains that hide the latency, each of its own number, or the compiler makes them one. */
#define CHAINS 16

static double spin(uint32_t dtype, int64_t steps)
{
	__m512 sum[CHAINS];
	const __m512 x = _mm512_set1_ps(0.999f);
	UNROLL
	for (int i = 0; i < CHAINS; i++) sum[i] = _mm512_set1_ps((float)i);
	for (int64_t s = 0; s < steps; s++) {
		UNROLL
		for (int i = 0; i < CHAINS; i++) {
			const __m512i bits = _mm512_castps_si512(x);
			if (dtype == VITA_F32) sum[i] = multiply_add(sum[i], x, x);
			else if (dtype == VITA_BF16) sum[i] = dot_bf16(sum[i], bits, bits);
			else sum[i] = _mm512_castsi512_ps(dot_bytes(_mm512_castps_si512(sum[i]), bits, bits));
		}
	}
	UNROLL
	for (int i = 0; i < CHAINS; i++) __asm__ volatile("" : : "v"(sum[i]));
	return 2.0 * (dtype == VITA_F32 ? 16 : dtype == VITA_BF16 ? 32 : 64) * CHAINS * (double)steps;
}

/* Two tables: processors differ in whether products of bf16 are twice as quick as those of f32 (with the same
 * accumulators) or half as quick. */
#define COMMON_KERNELS \
	.tile_q8_0 = avx512_tile_q8_0, .tile_q4_0 = avx512_tile_q4_0, .tile_q4_1 = avx512_tile_q4_1, \
	.tile_q4_k = avx512_tile_q4_k, .tile_q6_k = avx512_tile_q6_k, .quantise = avx512_quantise, \
	.spread = avx512_spread, .quantise_bytes = avx512_quantise_bytes, .bytes = avx512_bytes, \
	.rows_f32 = rows_f32, .rows_f16 = rows_f16, .rows_bf16 = rows_bf16, \
	.widen_f32 = widen_f32, .wide_f32 = wide_f32, .block = block, .round_bf16 = round_bf16, \
	.read = read_memory, \
	VECTOR_KERNELS
#define BF16_KERNELS .widen_bf16 = widen_bf16, .wide_bf16 = wide_bf16, .bf16_rows = WIDE_ROWS

const struct cpu_kernels cpu_kernels_avx512 = { .name = "avx512", .spin = spin, COMMON_KERNELS };
const struct cpu_kernels cpu_kernels_avx512_bf16 = { .name = "avx512_bf16", .spin = spin, BF16_KERNELS, COMMON_KERNELS };
#ifdef HAVE_KERNELS_AVX512FP16
const struct cpu_kernels cpu_kernels_avx512_fp16[2] = {
	{ .name = "avx512_fp16", .spin = spin, .half = &avx512_half, COMMON_KERNELS },
	{ .name = "avx512_fp16", .spin = spin, .half = &avx512_half, BF16_KERNELS, COMMON_KERNELS },
};
#ifdef HAVE_KERNELS_AMX
static double spin_tiles(uint32_t dtype, int64_t steps)
{
	return dtype == VITA_BF16 ? amx_spin(steps) : spin(dtype, steps);
}

const struct cpu_kernels cpu_kernels_amx = {
	.name = "avx512_amx", .spin = spin_tiles, .half = &avx512_half, .widen_bf16 = widen_bf16, .wide_bf16 = amx_wide_bf16,
	.bf16_rows = AMX_ROWS, .bf16_first = true, COMMON_KERNELS
};
#endif
#endif
#endif
