/* SPDX-License-Identifier: MIT
 *
 * Kernels for AVX2, FMA and F16C. This file alone is compiled with those instructions; nothing in it runs
 * before cpu_kernels_choose has asked the processor.
 *
 * Integer products: vpmaddubsw multiplies unsigned by signed bytes and adds pairs into 16 bits, with
 * saturation, so what is added up in 16 bits is counted: 4-bit weights give at most 2 · 15 · 127 = 3810 a
 * pair (eight fit), 6-bit weights 2 · 63 · 127 = 16002 (two fit), and 8-bit weights go in as magnitudes with
 * their signs moved to the activations, at most 2 · 128 · 127 = 32512 (one fits).
 * A tile's 32 rows are taken in four parts of eight lanes, span by span, so that a span is read from memory
 * once.
 */
#include "tiles.h"
#include "vectors.h"

#if defined(__x86_64__) && defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#define INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

#define AT_ONCE 3 /* rows of activations that meet one unpacking of weights */
#define PART 8    /* rows of a tile in one register */

INLINE __m256i broadcast4(const void *p)
{
	int32_t v;
	memcpy(&v, p, sizeof v);
	return _mm256_set1_epi32(v);
}

INLINE __m256i load_bytes(const unsigned char *p)
{
	return _mm256_load_si256((const void *)p);
}

INLINE __m256 load_halves(const unsigned char *p)
{
	return _mm256_cvtph_ps(_mm_load_si128((const void *)p));
}

INLINE __m256i pairs_to_32(__m256i v)
{
	return _mm256_madd_epi16(v, _mm256_set1_epi16(1));
}

/* One span, one part of its rows and up to AT_ONCE rows of activations. */
struct span {
	const unsigned char *head; /* the first block of the span, moved by the part's bytes in a group */
	const int8_t *q;
	const void *sums;
	const float *scale;
	int blocks, stride, rows, part;
	float *out;
};

INLINE __m256i nibbles(const unsigned char *p, int high)
{
	const __m256i v = load_bytes(p);
	return _mm256_and_si256(high ? _mm256_srli_epi16(v, 4) : v, _mm256_set1_epi8(15));
}

/* Σ over eight groups of four 4-bit weights. */
INLINE __m256i dot_4bit(const __m256i w[8], const int8_t *q)
{
	__m256i sum = _mm256_maddubs_epi16(w[0], broadcast4(q));
	UNROLL
	for (int j = 1; j < 8; j++) sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(w[j], broadcast4(q + 4 * j)));
	return pairs_to_32(sum);
}

/* Σ over eight groups of four 8-bit weights. */
INLINE __m256i dot_8bit(const __m256i w[8], const int8_t *q)
{
	__m256i sum = _mm256_setzero_si256();
	UNROLL
	for (int j = 0; j < 8; j++) {
		const __m256i p = _mm256_maddubs_epi16(_mm256_abs_epi8(w[j]), _mm256_sign_epi8(broadcast4(q + 4 * j), w[j]));
		sum = _mm256_add_epi32(sum, pairs_to_32(p));
	}
	return sum;
}

/* Σ over four groups of four 6-bit weights. */
INLINE __m256i dot_6bit(const __m256i w[4], const int8_t *q)
{
	const __m256i a = _mm256_add_epi16(_mm256_maddubs_epi16(w[0], broadcast4(q)),
	                                   _mm256_maddubs_epi16(w[1], broadcast4(q + 4)));
	const __m256i b = _mm256_add_epi16(_mm256_maddubs_epi16(w[2], broadcast4(q + 8)),
	                                   _mm256_maddubs_epi16(w[3], broadcast4(q + 12)));
	return _mm256_add_epi32(pairs_to_32(a), pairs_to_32(b));
}

INLINE __m256 accumulate(__m256 sum, __m256i i, __m256 factor)
{
	return _mm256_fmadd_ps(_mm256_cvtepi32_ps(i), factor, sum);
}

/* out += scale · sum */
INLINE void add_to_out(const struct span *s, const float *scale, const __m256 sum[AT_ONCE])
{
	for (int r = 0; r < s->rows; r++) {
		float *out = s->out + TILE * r + PART * s->part;
		const __m256 factor = _mm256_set1_ps(scale ? scale[r] : 1.0f);
		_mm256_storeu_ps(out, _mm256_fmadd_ps(sum[r], factor, _mm256_loadu_ps(out)));
	}
}

INLINE void span_32(uint32_t dtype, const struct span *s)
{
	const int64_t bytes = tile_block_bytes(dtype);
	__m256 sum[AT_ONCE];
	for (int r = 0; r < AT_ONCE; r++) sum[r] = _mm256_setzero_ps();
	for (int b = 0; b < s->blocks; b++) {
		const unsigned char *head = s->head + b * bytes, *d = head + 16 * s->part;
		const unsigned char *groups = head + (dtype == VITA_Q4_1 ? 2 : 1) * HALVES + 32 * s->part;
		const int64_t at = (int64_t)s->stride * b;
		__m256i w[8];
		UNROLL
		for (int j = 0; j < 8; j++)
			w[j] = dtype == VITA_Q8_0 ? _mm256_xor_si256(load_bytes(groups + GROUP * j), _mm256_set1_epi8(-128))
			                          : nibbles(groups + GROUP * (j & 3), j >= 4);
		for (int r = 0; r < s->rows; r++) {
			const int8_t *q = s->q + 32 * (at + r);
			__m256i i = dtype == VITA_Q8_0 ? dot_8bit(w, q) : dot_4bit(w, q);
			__m256 factor = load_halves(d);
			if (dtype == VITA_Q4_0) i = _mm256_add_epi32(i, _mm256_set1_epi32(((const int32_t *)s->sums)[at + r]));
			if (dtype != VITA_Q4_0) factor = _mm256_mul_ps(factor, _mm256_set1_ps(s->scale[at + r]));
			sum[r] = accumulate(sum[r], i, factor);
			if (dtype == VITA_Q4_1)
				sum[r] = _mm256_fmadd_ps(load_halves(d + HALVES), _mm256_set1_ps(((const float *)s->sums)[at + r]),
				                         sum[r]);
		}
	}
	add_to_out(s, dtype == VITA_Q4_0 ? s->scale : NULL, sum);
}

static void span_q8_0(const struct span *s)
{
	span_32(VITA_Q8_0, s);
}

static void span_q4_0(const struct span *s)
{
	span_32(VITA_Q4_0, s);
}

static void span_q4_1(const struct span *s)
{
	span_32(VITA_Q4_1, s);
}

/* Eight scales of a sub-block times d. */
INLINE __m256 scales(__m256 d, const unsigned char *p, int is_signed)
{
	const __m128i bytes = _mm_loadl_epi64((const void *)p);
	return _mm256_mul_ps(d, _mm256_cvtepi32_ps(is_signed ? _mm256_cvtepi8_epi32(bytes) : _mm256_cvtepu8_epi32(bytes)));
}

static void span_q4_k(const struct span *s)
{
	const __m256 d = load_halves(s->head + 16 * s->part), dmin = load_halves(s->head + HALVES + 16 * s->part);
	__m256 sum[AT_ONCE];
	__m256i minima[AT_ONCE];
	for (int r = 0; r < AT_ONCE; r++) sum[r] = _mm256_setzero_ps(), minima[r] = _mm256_setzero_si256();
	for (int b = 0; b < 8; b++) {
		const unsigned char *groups = s->head + Q4_K_NIBBLES + 8 * GROUP * (b / 2) + 32 * s->part;
		const __m256 factor = scales(d, s->head + Q4_K_SCALES + TILE * b + PART * s->part, 0);
		__m256i w[8];
		UNROLL
		for (int j = 0; j < 8; j++) w[j] = nibbles(groups + GROUP * j, b & 1);
		for (int r = 0; r < s->rows; r++)
			sum[r] = accumulate(sum[r], dot_4bit(w, s->q + 32 * ((int64_t)s->stride * b + r)), factor);
	}
	for (int p = 0; p < 4; p++) {
		const __m128i bytes = _mm_load_si128((const void *)(s->head + Q4_K_MINIMA + 2 * TILE * p + 16 * s->part));
		for (int r = 0; r < s->rows; r++) {
			const __m256i x = broadcast4((const int16_t *)s->sums + 2 * ((int64_t)s->stride * p + r));
			minima[r] = _mm256_add_epi32(minima[r], _mm256_madd_epi16(_mm256_cvtepu8_epi16(bytes), x));
		}
	}
	for (int r = 0; r < s->rows; r++) sum[r] = _mm256_fnmadd_ps(_mm256_cvtepi32_ps(minima[r]), dmin, sum[r]);
	add_to_out(s, s->scale, sum);
}

/* Four columns of six-bit weights; see kernels_avx512.c for how they lie. */
INLINE __m256i six_bits(const unsigned char *low, const unsigned char *pairs, int quarter)
{
	__m256i h = load_bytes(pairs);
	if (quarter == 0) h = _mm256_slli_epi16(h, 4);
	if (quarter == 1) h = _mm256_slli_epi16(h, 2);
	if (quarter == 3) h = _mm256_srli_epi16(h, 2);
	return _mm256_or_si256(nibbles(low, quarter >= 2), _mm256_and_si256(h, _mm256_set1_epi8(48)));
}

/* A quarter of a half: 32 columns, two sub-blocks of 16. */
INLINE void quarter_q6_k(const struct span *s, int half, int quarter, __m256 d, __m256 sum[AT_ONCE])
{
	const unsigned char *low = s->head + Q6_K_NIBBLES + (16 * half + 8 * (quarter & 1)) * GROUP + 32 * s->part;
	const unsigned char *pairs = s->head + Q6_K_PAIRS + 8 * half * GROUP + 32 * s->part;
	for (int part = 0; part < 2; part++) {
		const int b = 2 * (4 * half + quarter) + part;
		const __m256 factor = scales(d, s->head + Q6_K_SCALES + TILE * b + PART * s->part, 1);
		__m256i w[4];
		UNROLL
		for (int j = 0; j < 4; j++) w[j] = six_bits(low + GROUP * (4 * part + j), pairs + GROUP * (4 * part + j), quarter);
		for (int r = 0; r < s->rows; r++) {
			const int8_t *q = s->q + 32 * ((int64_t)s->stride * (b / 2) + r) + 16 * part;
			const int32_t offset = ((const int32_t *)s->sums)[(int64_t)s->stride * b + r];
			sum[r] = accumulate(sum[r], _mm256_add_epi32(dot_6bit(w, q), _mm256_set1_epi32(offset)), factor);
		}
	}
}

static void span_q6_k(const struct span *s)
{
	const __m256 d = load_halves(s->head + 16 * s->part);
	__m256 sum[AT_ONCE];
	for (int r = 0; r < AT_ONCE; r++) sum[r] = _mm256_setzero_ps();
	for (int half = 0; half < 2; half++) {
		quarter_q6_k(s, half, 0, d, sum);
		quarter_q6_k(s, half, 1, d, sum);
		quarter_q6_k(s, half, 2, d, sum);
		quarter_q6_k(s, half, 3, d, sum);
	}
	add_to_out(s, s->scale, sum);
}

static void tile_any(uint32_t dtype, void (*span)(const struct span *), const unsigned char *tile,
                     const struct quantised_rows *x, int64_t number, float *out)
{
	const struct group g = group_of(x, number);
	const int64_t blocks = x->k / 32, span_bytes = tile_block_bytes(dtype) * SPAN / tile_block_columns(dtype);
	const int64_t sum_bytes = dtype == VITA_Q6_K ? 8 : dtype == VITA_Q4_K ? 2 : 4; /* of 32 values */
	memset(out, 0, sizeof *out * TILE * (size_t)g.n);
	for (int64_t b = 0; b < blocks; b += SPAN_BLOCKS, tile += span_bytes)
		for (int first = 0; first < g.n; first += AT_ONCE) {
			struct span s = { .head = tile, .stride = g.n };
			s.blocks = blocks - b < SPAN_BLOCKS ? (int)(blocks - b) : SPAN_BLOCKS;
			s.rows = g.n - first < AT_ONCE ? g.n - first : AT_ONCE;
			s.q = g.q + (b * g.n + first) * 32;
			s.sums = (const char *)g.sums + b * g.n * sum_bytes + first * 4;
			s.scale = g.scale + b * 32 / scale_span(dtype) * g.n + first;
			s.out = out + TILE * first;
			for (s.part = 0; s.part < TILE / PART; s.part++) span(&s);
		}
}

#define TILE_KERNEL(type, dtype) \
	static void tile_##type(const unsigned char *tile, const struct quantised_rows *x, int64_t group, float *out) \
	{ \
		tile_any(dtype, span_##type, tile, x, group, out); \
	}
TILE_KERNEL(q8_0, VITA_Q8_0)
TILE_KERNEL(q4_0, VITA_Q4_0)
TILE_KERNEL(q4_1, VITA_Q4_1)
TILE_KERNEL(q4_k, VITA_Q4_K)
TILE_KERNEL(q6_k, VITA_Q6_K)

/* ---- plain weights --------------------------------------------------------------------------------- */

INLINE float sum8(__m256 v)
{
	__m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
	s = _mm_add_ps(s, _mm_movehl_ps(s, s));
	return _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps(s, s, 1)));
}

INLINE __m256 load_weights(uint32_t dtype, const void *w, int64_t i)
{
	if (dtype == VITA_F32) return _mm256_loadu_ps((const float *)w + i);
	const __m128i half = _mm_loadu_si128((const void *)((const uint16_t *)w + i));
	if (dtype == VITA_F16) return _mm256_cvtph_ps(half);
	return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}

/* The last k % 8 values of a row, zeros behind them. */
INLINE __m256 load_tail(uint32_t dtype, const void *w, int64_t i, int64_t k)
{
	const size_t size = dtype == VITA_F32 ? 4 : 2;
	unsigned char bytes[32] = { 0 };
	memcpy(bytes, (const char *)w + (size_t)i * size, (size_t)(k - i) * size);
	return load_weights(dtype, bytes, 0);
}

/* n_w and n are constants where this is inlined. */
INLINE void rows_n(uint32_t dtype, const char *w, int64_t w_stride, int n_w, const char *x, int64_t x_stride, int n,
                   int64_t k, float *out)
{
	__m256 sum[2][4];
	int64_t j = 0;
	UNROLL
	for (int i = 0; i < 4; i++) sum[0][i] = sum[1][i] = _mm256_setzero_ps();
	for (; j + 8 <= k; j += 8) {
		UNROLL
		for (int i = 0; i < n_w; i++) {
			const __m256 wv = load_weights(dtype, w + i * w_stride, j);
			UNROLL
			for (int r = 0; r < n; r++)
				sum[r][i] = _mm256_fmadd_ps(wv, _mm256_loadu_ps((const float *)(const void *)(x + r * x_stride) + j),
				                            sum[r][i]);
		}
	}
	for (int i = 0; i < n_w && j < k; i++) {
		const __m256 wv = load_tail(dtype, w + i * w_stride, j, k);
		for (int r = 0; r < n; r++)
			sum[r][i] = _mm256_fmadd_ps(wv, load_tail(VITA_F32, x + r * x_stride, j, k), sum[r][i]);
	}
	for (int r = 0; r < n; r++)
		for (int i = 0; i < n_w; i++) out[r * TILE + i] = sum8(sum[r][i]);
}

INLINE void rows_any(uint32_t dtype, const void *w, int64_t w_stride, int n_w, const void *x, int64_t x_stride, int n,
                     int64_t k, float *out)
{
	const char *row = x;
	for (; n > 0; n -= 2, row += 2 * x_stride, out += 2 * TILE) {
		if (n_w == 4 && n >= 2) rows_n(dtype, w, w_stride, 4, row, x_stride, 2, k, out);
		else if (n_w == 4) rows_n(dtype, w, w_stride, 4, row, x_stride, 1, k, out);
		else
			for (int r = 0; r < (n < 2 ? n : 2); r++)
				for (int i = 0; i < n_w; i++)
					rows_n(dtype, (const char *)w + i * w_stride, w_stride, 1, row + r * x_stride, x_stride, 1, k,
					       out + r * TILE + i);
	}
}

static void rows_f32(const void *w, int64_t w_stride, int n_w, const void *x, int64_t x_stride, int n, int64_t k,
                     float *out)
{
	rows_any(VITA_F32, w, w_stride, n_w, x, x_stride, n, k, out);
}

static void rows_f16(const void *w, int64_t w_stride, int n_w, const void *x, int64_t x_stride, int n, int64_t k,
                     float *out)
{
	rows_any(VITA_F16, w, w_stride, n_w, x, x_stride, n, k, out);
}

static void rows_bf16(const void *w, int64_t w_stride, int n_w, const void *x, int64_t x_stride, int n, int64_t k,
                      float *out)
{
	rows_any(VITA_BF16, w, w_stride, n_w, x, x_stride, n, k, out);
}

/* ---- many rows ------------------------------------------------------------------------------------- */

/* Four rows of weights at a time, a float of each after the other: memory is written in runs of 16 bytes. */
static void widen_f32(uint32_t dtype, const void *w, int64_t w_stride, int n_w, int64_t k, void *tile)
{
	float *to = tile;
	for (int row = 0; row < WIDE; row += 4)
		for (int64_t j = 0; j < k; j += 8) {
			const int64_t end = k - j < 8 ? k - j : 8;
			float v[4][8] = { { 0 } };
			for (int i = 0; i < 4 && row + i < n_w; i++) {
				const char *from = (const char *)w + (row + i) * w_stride;
				_mm256_storeu_ps(v[i], end == 8 ? load_weights(dtype, from, j) : load_tail(dtype, from, j, k));
			}
			for (int64_t l = 0; l < end; l++)
				for (int i = 0; i < 4; i++) to[(j + l) * WIDE + row + i] = v[i][l];
		}
}

/* n is a constant where this is inlined; sixteen weight rows at a time. */
INLINE void wide_n(const float *tile, const char *x, int64_t x_stride, int n, int64_t k, float *out, bool add)
{
	__m256 sum[6][2];
	UNROLL
	for (int r = 0; r < n; r++) {
		sum[r][0] = add ? _mm256_loadu_ps(out + WIDE * r) : _mm256_setzero_ps();
		sum[r][1] = add ? _mm256_loadu_ps(out + WIDE * r + 8) : _mm256_setzero_ps();
	}
	for (int64_t j = 0; j < k; j++, tile += WIDE, x += 4) {
		const __m256 w0 = _mm256_loadu_ps(tile), w1 = _mm256_loadu_ps(tile + 8);
		UNROLL
		for (int r = 0; r < n; r++) {
			const __m256 xv = _mm256_broadcast_ss((const float *)(const void *)(x + r * x_stride));
			sum[r][0] = _mm256_fmadd_ps(w0, xv, sum[r][0]);
			sum[r][1] = _mm256_fmadd_ps(w1, xv, sum[r][1]);
		}
	}
	UNROLL
	for (int r = 0; r < n; r++) {
		_mm256_storeu_ps(out + WIDE * r, sum[r][0]);
		_mm256_storeu_ps(out + WIDE * r + 8, sum[r][1]);
	}
}

static void wide_f32(const void *tile, const void *x, int64_t x_stride, int n, int64_t k, float *out, bool add)
{
	const char *rows = x;
	for (; n > 0; n -= 6, rows += 6 * x_stride, out += 6 * WIDE)
		for (int half = 0; half < WIDE; half += 16) {
			const float *t = (const float *)tile + half;
			switch (n) {
			case 1: wide_n(t, rows, x_stride, 1, k, out + half, add); break;
			case 2: wide_n(t, rows, x_stride, 2, k, out + half, add); break;
			case 3: wide_n(t, rows, x_stride, 3, k, out + half, add); break;
			case 4: wide_n(t, rows, x_stride, 4, k, out + half, add); break;
			case 5: wide_n(t, rows, x_stride, 5, k, out + half, add); break;
			default: wide_n(t, rows, x_stride, 6, k, out + half, add); break;
			}
		}
}

/* ---- blocks of f32 --------------------------------------------------------------------------------- */

/* n is a constant where this is inlined; sixteen columns at a time. */
INLINE void block_n(const float *a, int64_t a_row, int64_t a_step, const float *b, const int64_t *b_at, int64_t k, int n,
                    float *c, int64_t c_row, bool add)
{
	for (int half = 0; half < BLOCK_COLUMNS; half += 16) {
		__m256 sum[4][2];
		UNROLL
		for (int r = 0; r < n; r++) {
			sum[r][0] = add ? _mm256_loadu_ps(c + r * c_row + half) : _mm256_setzero_ps();
			sum[r][1] = add ? _mm256_loadu_ps(c + r * c_row + half + 8) : _mm256_setzero_ps();
		}
		for (int64_t j = 0; j < k; j++) {
			const float *from = b + b_at[j] + half;
			const __m256 b0 = _mm256_loadu_ps(from), b1 = _mm256_loadu_ps(from + 8);
			UNROLL
			for (int r = 0; r < n; r++) {
				const __m256 av = _mm256_set1_ps(a[r * a_row + j * a_step]);
				sum[r][0] = _mm256_fmadd_ps(av, b0, sum[r][0]);
				sum[r][1] = _mm256_fmadd_ps(av, b1, sum[r][1]);
			}
		}
		UNROLL
		for (int r = 0; r < n; r++) {
			_mm256_storeu_ps(c + r * c_row + half, sum[r][0]);
			_mm256_storeu_ps(c + r * c_row + half + 8, sum[r][1]);
		}
	}
}

static void block(const float *a, int64_t a_row, int64_t a_step, const float *b, const int64_t *b_at, int64_t k, int n,
                  float *c, int64_t c_row, bool add)
{
	for (; n > 0; n -= 4, a += 4 * a_row, c += 4 * c_row) {
		switch (n) {
		case 1: block_n(a, a_row, a_step, b, b_at, k, 1, c, c_row, add); break;
		case 2: block_n(a, a_row, a_step, b, b_at, k, 2, c, c_row, add); break;
		case 3: block_n(a, a_row, a_step, b, b_at, k, 3, c, c_row, add); break;
		default: block_n(a, a_row, a_step, b, b_at, k, 4, c, c_row, add); break;
		}
	}
}

/* ---- roofs --------------------------------------------------------------------------------------------- */

static uint64_t read_memory(const void *memory, int64_t n)
{
	const __m256i *v = memory;
	__m256i a = _mm256_setzero_si256(), b = a;
	for (int64_t i = 0; i < n / 32; i += 2) {
		a = _mm256_xor_si256(a, _mm256_loadu_si256(v + i));
		b = _mm256_xor_si256(b, _mm256_loadu_si256(v + i + 1));
	}
	a = _mm256_xor_si256(a, b);
	return (uint64_t)_mm256_extract_epi64(a, 0) ^ (uint64_t)_mm256_extract_epi64(a, 1) ^
	       (uint64_t)_mm256_extract_epi64(a, 2) ^ (uint64_t)_mm256_extract_epi64(a, 3);
}

/* Ten chains hide the latency; the empty assembler keeps the compiler from folding the rounds. */
#define CHAINS 10

static double spin(uint32_t dtype, int64_t steps)
{
	if (dtype == VITA_F32) {
		__m256 acc[CHAINS], x = _mm256_set1_ps(0.999f);
		for (int i = 0; i < CHAINS; i++) acc[i] = _mm256_setzero_ps();
		for (int64_t s = 0; s < steps; s++) {
			UNROLL
			for (int i = 0; i < CHAINS; i++) {
				acc[i] = _mm256_fmadd_ps(acc[i], x, x);
				__asm__("" : "+x"(acc[i]));
			}
		}
		return 2.0 * 8 * CHAINS * (double)steps;
	}
	if (dtype == VITA_Q8_0) {
		__m256i acc[CHAINS], x = _mm256_set1_epi8(3);
		for (int i = 0; i < CHAINS; i++) acc[i] = _mm256_setzero_si256();
		for (int64_t s = 0; s < steps; s++) {
			UNROLL
			for (int i = 0; i < CHAINS; i++) {
				acc[i] = _mm256_add_epi32(acc[i], pairs_to_32(_mm256_maddubs_epi16(x, x)));
				__asm__("" : "+x"(acc[i]), "+x"(x));
			}
		}
		return 2.0 * 32 * CHAINS * (double)steps;
	}
	return 0;
}

const struct cpu_kernels cpu_kernels_avx2 = {
	.name = "avx2",
	.tile_q8_0 = tile_q8_0, .tile_q4_0 = tile_q4_0, .tile_q4_1 = tile_q4_1,
	.tile_q4_k = tile_q4_k, .tile_q6_k = tile_q6_k, .quantise = cpu_quantise_plain,
	.rows_f32 = rows_f32, .rows_f16 = rows_f16, .rows_bf16 = rows_bf16,
	.widen_f32 = widen_f32, .wide_f32 = wide_f32, .block = block, .round_bf16 = vector_round_bf16, .read = read_memory, .spin = spin,
	VECTOR_KERNELS,
};
#endif
