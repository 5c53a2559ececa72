/* SPDX-License-Identifier: MIT
 *
 * Many rows against packed weights, for AVX-512 with VNNI.
 *
 * The kernels for few rows leave weights as they are and bring each block's sums to scale by themselves, a third of their
 * work. Many rows pay for laying out a tile anew: bytes that share one scale for each weight row and span of 256
 * columns, so that nearly all that is left is multiplying. Rounding them once more moves a 4-bit weight by less than a
 * tenth of its step. q8_0, whose step is as fine as a byte's, would lose by that, and blocks of q4_1 meet activations with a
 * scale for each: both stay with the kernels for few rows.
 */
#include "kernels_avx512.h"
#include "tiles.h"

#if defined(KERNELS_AVX512)

/* A weight of a block is (step · q + least), q unsigned and up to `most`. For all of a span to share the scale D, its
 * byte is (q · m + a) / FRACTION with m = FRACTION step / D and a = FRACTION least / D, in words of 16 bits: D is
 * chosen so that no byte goes beyond ±127. */
#define FRACTION_BITS 7

/* What takes the q of one block to bytes, for the 32 rows of a tile. */
struct rescale {
	__m512 step[2], least[2];
};

INLINE __m512 halves(const unsigned char *p)
{
	return _mm512_cvtph_ps(_mm256_load_si256((const void *)p));
}

INLINE __m512 bytes_as_floats(const unsigned char *p)
{
	return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_load_si128((const void *)p)));
}

INLINE __m512 signed_bytes_as_floats(const unsigned char *p)
{
	return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_load_si128((const void *)p)));
}

/* Of part `part` (16 columns) of a span. */
INLINE struct rescale rescale_of(uint32_t dtype, const unsigned char *head, int part)
{
	const int b = part / 2;
	struct rescale r;
	UNROLL
	for (int t = 0; t < 2; t++) {
		if (dtype == VITA_Q4_0) {
			r.step[t] = halves(head + (HALVES + 4 * GROUP) * b + 32 * t);
			r.least[t] = _mm512_mul_ps(r.step[t], _mm512_set1_ps(-8));
		} else if (dtype == VITA_Q4_K) {
			const __m512i pairs = _mm512_cvtepu16_epi32(
				_mm256_load_si256((const void *)(head + Q4_K_MINIMA + 2 * TILE * (b / 2) + 32 * t)));
			const __m512i minimum = b % 2 ? _mm512_srli_epi32(pairs, 8) : _mm512_and_si512(pairs, _mm512_set1_epi32(255));
			r.step[t] = _mm512_mul_ps(halves(head + 32 * t), bytes_as_floats(head + Q4_K_SCALES + TILE * b + 16 * t));
			r.least[t] = _mm512_fnmadd_ps(halves(head + HALVES + 32 * t), _mm512_cvtepi32_ps(minimum), _mm512_setzero_ps());
		} else {
			r.step[t] = _mm512_mul_ps(halves(head + 32 * t),
			                          signed_bytes_as_floats(head + Q6_K_SCALES + TILE * part + 16 * t));
			r.least[t] = _mm512_mul_ps(r.step[t], _mm512_set1_ps(-32));
		}
	}
	return r;
}

INLINE float most_of(uint32_t dtype)
{
	return dtype == VITA_Q6_K ? 63 : 15;
}

/* A word for each column of four of 16 rows. */
INLINE __m512i as_words(__m512 x)
{
	const __m512i v = _mm512_cvtps_epi32(x);
	return _mm512_or_si512(_mm512_and_si512(v, _mm512_set1_epi32(0xffff)), _mm512_slli_epi32(v, 16));
}

/* q, unsigned bytes, to signed bytes plus 128. */
INLINE __m512i rescaled(__m512i q, __m512i m, __m512i a)
{
	const __m512i low = _mm512_set1_epi16(255);
	__m512i even = _mm512_and_si512(q, low), odd = _mm512_srli_epi16(q, 8);
	even = _mm512_srai_epi16(_mm512_add_epi16(_mm512_mullo_epi16(even, m), a), FRACTION_BITS);
	odd = _mm512_srai_epi16(_mm512_add_epi16(_mm512_mullo_epi16(odd, m), a), FRACTION_BITS);
	even = _mm512_ternarylogic_epi32(even, low, _mm512_slli_epi16(odd, 8), 0xea); /* even & low | odd */
	return _mm512_xor_si512(even, _mm512_set1_epi8(-128));
}

INLINE __m512i nibbles(const unsigned char *p, int high)
{
	__m512i w = _mm512_load_si512(p);
	if (high) w = _mm512_srli_epi16(w, 4);
	return _mm512_and_si512(w, _mm512_set1_epi8(15));
}

/* Four columns, number 4 · j of block b, of half t of the rows. */
INLINE __m512i load_q(uint32_t dtype, const unsigned char *head, int b, int j, int t)
{
	if (dtype == VITA_Q4_0)
		return nibbles(head + (HALVES + 4 * GROUP) * b + HALVES + GROUP * (j & 3) + 64 * t, j >= 4);
	if (dtype == VITA_Q4_K) return nibbles(head + Q4_K_NIBBLES + GROUP * (8 * (b / 2) + j) + 64 * t, b % 2);
	const int half = b / 4, quarter = b % 4;
	const __m512i l = nibbles(head + Q6_K_NIBBLES + GROUP * (16 * half + 8 * (quarter & 1) + j) + 64 * t, quarter >= 2);
	__m512i h = _mm512_load_si512(head + Q6_K_PAIRS + GROUP * (8 * half + j) + 64 * t);
	h = _mm512_srl_epi16(h, _mm_cvtsi32_si128(2 * quarter));
	h = _mm512_slli_epi16(_mm512_and_si512(h, _mm512_set1_epi8(3)), 4);
	return _mm512_or_si512(l, h);
}

/* Largest magnitude in a span: of a block's least and greatest. */
INLINE void largest_of(uint32_t dtype, const struct rescale *r, __m512 largest[2])
{
	UNROLL
	for (int t = 0; t < 2; t++) {
		const __m512 greatest = _mm512_fmadd_ps(r->step[t], _mm512_set1_ps(most_of(dtype)), r->least[t]);
		largest[t] = _mm512_max_ps(largest[t], _mm512_max_ps(_mm512_abs_ps(r->least[t]), _mm512_abs_ps(greatest)));
	}
}

/* One span: bytes [columns / 4][TILE][4] and the scales of its TILE rows. */
INLINE void spread_span(uint32_t dtype, const unsigned char *head, int blocks, unsigned char *bytes, float *scale)
{
	const int parts_per_block = dtype == VITA_Q6_K ? 2 : 1;
	__m512 largest[2] = { _mm512_setzero_ps(), _mm512_setzero_ps() }, inverse[2];
	for (int part = 0; part < 2 * blocks; part += 2 / parts_per_block) {
		const struct rescale r = rescale_of(dtype, head, part);
		largest_of(dtype, &r, largest);
	}
	UNROLL
	for (int t = 0; t < 2; t++) {
		const __m512 d = _mm512_mul_ps(largest[t], _mm512_set1_ps(1.0f / 127));
		const __mmask16 some = _mm512_cmp_ps_mask(d, _mm512_set1_ps(1e-30f), _CMP_NLE_UQ);
		_mm512_storeu_ps(scale + 16 * t, _mm512_maskz_mov_ps(some, d));
		inverse[t] = _mm512_maskz_div_ps(some, _mm512_set1_ps(1 << FRACTION_BITS), d);
	}
	for (int part = 0; part < 2 * blocks; part += 2 / parts_per_block) {
		const struct rescale r = rescale_of(dtype, head, part);
		const int b = part / 2, first = part % 2 * 4, n = 8 / parts_per_block;
		UNROLL
		for (int t = 0; t < 2; t++) {
			const __m512i m = as_words(_mm512_mul_ps(r.step[t], inverse[t]));
			const __m512i a = as_words(_mm512_fmadd_ps(r.least[t], inverse[t], _mm512_set1_ps(1 << (FRACTION_BITS - 1))));
			for (int j = first; j < first + n; j++) {
				const __m512i q = load_q(dtype, head, b, j, t);
				_mm512_store_si512(bytes + GROUP * (8 * b + j) + 64 * t, rescaled(q, m, a));
			}
		}
	}
}

INLINE void spread(uint32_t dtype, const unsigned char *tile, int64_t k, unsigned char *bytes, float *scale)
{
	const int64_t span_bytes = tile_block_bytes(dtype) * SPAN / tile_block_columns(dtype);
	for (int64_t j = 0; j < k; j += SPAN) {
		spread_span(dtype, tile, (int)((k - j < SPAN ? k - j : SPAN) / 32), bytes, scale);
		tile += span_bytes;
		bytes += SPAN * TILE;
		scale += TILE;
	}
}

void avx512_spread(uint32_t dtype, const unsigned char *tile, int64_t k, unsigned char *bytes, float *scale)
{
	switch (dtype) {
	case VITA_Q4_0: spread(VITA_Q4_0, tile, k, bytes, scale); break;
	case VITA_Q4_K: spread(VITA_Q4_K, tile, k, bytes, scale); break;
	default: spread(VITA_Q6_K, tile, k, bytes, scale); break;
	}
}

/* ---- products ----------------------------------------------------------------------------------------- */

/* Rows of a group from a span on. */
struct part {
	const int8_t *q;       /* [columns / 32][n][32] */
	const float *scale;    /* [spans][n] */
	const int32_t *sums;
};

/* Sums of products, as integers, over some columns. n is a constant where this is inlined. */
INLINE void add_products(const unsigned char *bytes, const int8_t *q, int n, int columns, __m512i i[BYTE_ROWS][2])
{
	for (int j = 0; j < columns; j += 32, q += 32 * n) {
		UNROLL
		for (int four = 0; four < 8; four++, bytes += GROUP) {
			const __m512i w0 = _mm512_load_si512(bytes), w1 = _mm512_load_si512(bytes + 64);
			UNROLL
			for (int r = 0; r < n; r++) {
				i[r][0] = dot_four_bytes(i[r][0], w0, q + 32 * r + 4 * four);
				i[r][1] = dot_four_bytes(i[r][1], w1, q + 32 * r + 4 * four);
			}
		}
	}
}

/* A span, or what there is of it: out += Σ · scale of the activations · scale of the weights */
INLINE void add_span(const unsigned char *bytes, const float *scale, struct part x, int n, int columns, float *out)
{
	__m512i i[BYTE_ROWS][2];
	UNROLL
	for (int r = 0; r < n; r++) i[r][0] = i[r][1] = _mm512_set1_epi32(x.sums[r]);
	add_products(bytes, x.q, n, columns, i);
	const __m512 d[2] = { _mm512_loadu_ps(scale), _mm512_loadu_ps(scale + 16) };
	UNROLL
	for (int r = 0; r < n; r++) {
		const __m512 factor = _mm512_set1_ps(x.scale[r]);
		UNROLL
		for (int t = 0; t < 2; t++) {
			float *to = out + r * TILE + 16 * t;
			const __m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(i[r][t]), factor);
			_mm512_storeu_ps(to, _mm512_fmadd_ps(v, d[t], _mm512_loadu_ps(to)));
		}
	}
}

INLINE void bytes_n(const struct byte_tile *w, struct part x, int n, int64_t k, float *out)
{
	for (int64_t j = 0; j < k; j += SPAN) {
		add_span(w->bytes + j * TILE, w->scale + j / SPAN * TILE, x, n, k - j < SPAN ? (int)(k - j) : SPAN, out);
		x.q += SPAN * n, x.scale += n, x.sums += n;
	}
}

#define CASE(n) \
	case n: bytes_n(w, p, n, k, out); break;

void avx512_bytes(const struct byte_tile *w, const struct quantised_rows *x, int64_t group, int64_t first, int64_t k, float *out)
{
	const int n = group_rows(x, group);
	const int64_t row = group * x->per_group, spans = (x->k + SPAN - 1) / SPAN;
	const struct part p = { x->q + row * x->k + first * n, x->scale + row * spans + first / SPAN * n,
		                (const int32_t *)x->sums + row * spans + first / SPAN * n };
	switch (n) {
		CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12) CASE(13)
		CASE(14)
	}
}

/* ---- activations -------------------------------------------------------------------------------------- */

INLINE uint32_t largest_bits(const float *x, int64_t n)
{
	__m512i a = _mm512_setzero_si512();
	for (int64_t i = 0; i < n; i += 16)
		a = _mm512_max_epi32(a, _mm512_and_si512(_mm512_loadu_si512(x + i), _mm512_set1_epi32(0x7fffffff)));
	return (uint32_t)_mm512_reduce_max_epi32(a);
}

void avx512_quantise_bytes(const float *x, int64_t row, const struct quantised_rows *out)
{
	const int64_t group = row / out->per_group, first = group * out->per_group, r = row - first;
	const int64_t n = group_rows(out, group), spans = (out->k + SPAN - 1) / SPAN;
	int8_t *q = out->q + first * out->k + 32 * r;
	float *scale = out->scale + first * spans + r;
	int32_t *sums = (int32_t *)out->sums + first * spans + r;
	for (int64_t j = 0; j < out->k; j += SPAN, scale += n, sums += n) {
		const int64_t end = out->k - j < SPAN ? out->k : j + SPAN;
		float inverse;
		*scale = quantiser(largest_bits(x + j, end - j), &inverse);
		const __m512 factor = _mm512_set1_ps(inverse);
		__m512i sum = _mm512_setzero_si512();
		for (int64_t i = j; i < end; i += 16) {
			const __m512i v = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + i), factor));
			sum = _mm512_add_epi32(sum, v);
			_mm_storeu_si128((void *)(q + i / 32 * 32 * n + i % 32), _mm512_cvtsepi32_epi8(v));
		}
		*sums = -128 * _mm512_reduce_add_epi32(sum);
	}
}
#endif
