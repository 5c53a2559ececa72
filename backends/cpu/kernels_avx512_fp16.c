/* SPDX-License-Identifier: MIT
 *
 * Products of many rows in f16, for processors with AVX-512 FP16: twice as many multiply-adds an instruction as in
 * f32, with operands of 11 bits. A sum of HALF_SPAN products is kept in f16; these sums are added up in f32.
 *
 * A lane is a weight row, and one register holds a tile's 32. An activation is broadcast by the multiply-add that
 * reads it, which costs nothing but the load: 28 rows of activations keep both multipliers busy with 29 loads for
 * 28 operations.
 *
 * Nothing overflows: activations are scaled so that the largest of a row is between 4 and 8, and weights so that the
 * largest of a tile is between 32 and 64: a sum of HALF_SPAN products stays below 2^15. Scales are powers of two, and
 * lose nothing.
 */
#include "kernels_avx512.h"

#if defined(KERNELS_AVX512) && defined(__AVX512FP16__)

#define HALF_BLOCK 32 /* values of a row that lie together */
#define X_TOP 2       /* activations are brought to below 2^(X_TOP + 1) */
#define W_TOP 5

/* sum += w · x in each of 32 lanes */
INLINE __m512i add_product(__m512i sum, __m512i w, const uint16_t *x)
{
	__asm__("vfmadd231ph %2%{1to32%}, %1, %0" : "+v"(sum) : "v"(w), "m"(*x));
	return sum;
}

/* ---- activations --------------------------------------------------------------------------------------- */

/* The power of two that brings magnitudes of up to these bits to below 2^(top + 1), and its inverse. What is not
 * finite stays that. */
static float power_to(uint32_t largest_bits, uint32_t top, float *inverse)
{
	uint32_t exponent = largest_bits >> 23;
	*inverse = 1;
	if (exponent == 255) return 1;
	if (exponent < 16) exponent = 16;
	*inverse = vita_f32_from_bits((exponent - top) << 23);
	return vita_f32_from_bits((254 + top - exponent) << 23);
}

static void halve_row(const float *x, int64_t row, const struct half_rows *out)
{
	const int64_t group = row / out->per_group, first = group * out->per_group;
	const int64_t n = out->n - first < out->per_group ? out->n - first : out->per_group;
	uint16_t *to = out->values + first * out->padded + (row - first) * HALF_BLOCK;
	const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
	__m512i largest = _mm512_setzero_si512();
	for (int64_t i = 0; i < out->k; i += 16)
		largest = _mm512_max_epu32(largest, _mm512_and_si512(magnitude, _mm512_maskz_loadu_epi32(tail16(out->k - i), x + i)));
	const __m512 factor = _mm512_set1_ps(power_to(_mm512_reduce_max_epu32(largest), X_TOP, &out->scale[row]));
	for (int64_t i = 0; i < out->padded; i += HALF_BLOCK, to += n * HALF_BLOCK)
		for (int h = 0; h < HALF_BLOCK; h += 16) {
			const __m512 v = _mm512_mul_ps(_mm512_maskz_loadu_ps(tail16(out->k - i - h), x + i + h), factor);
			_mm256_storeu_si256((void *)(to + h), _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
		}
}

/* ---- weights -------------------------------------------------------------------------------------------- */

INLINE __m256i halves16(uint32_t dtype, const char *row, int64_t i, int64_t k, __m512 factor)
{
	const int64_t left = k - i;
	const __mmask16 mask = tail16(left);
	const __m256i raw = _mm256_maskz_loadu_epi16(mask, row + 2 * i);
	const __m512 v = dtype == VITA_F16 ? _mm512_cvtph_ps(raw)
	                                   : _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(raw), 16));
	return _mm512_cvtps_ph(_mm512_mul_ps(v, factor), _MM_FROUND_TO_NEAREST_INT);
}

/* The largest magnitude of n_w rows. That of f16 and bf16 alike is ordered as its bits are. */
static float largest_of(uint32_t dtype, const char *w, int64_t w_stride, int n_w, int64_t k)
{
	const __m512i magnitude = _mm512_set1_epi16(0x7fff), low = _mm512_set1_epi32(0xffff);
	__m512i largest = _mm512_setzero_si512();
	for (int r = 0; r < n_w; r++)
		for (int64_t i = 0; i < k; i += 32) {
			const __m512i v = _mm512_maskz_loadu_epi16(tail32(k - i), w + r * w_stride + 2 * i);
			largest = _mm512_max_epu16(largest, _mm512_and_si512(v, magnitude));
		}
	const __m512i words = _mm512_max_epu32(_mm512_and_si512(largest, low), _mm512_srli_epi32(largest, 16));
	const uint16_t bits = (uint16_t)_mm512_reduce_max_epu32(words);
	return dtype == VITA_F16 ? vita_f16_to_f32(bits) : vita_bf16_to_f32(bits);
}

/* Values i … i + 31 of 16 rows as pairs of f16: v[p] has the pairs i + 2p and i + 2p + 1 of row after row. */
INLINE void take_pairs(uint32_t dtype, const char *w, int64_t w_stride, int n_w, int64_t i, int64_t k, __m512 factor,
                       __m512i v[16])
{
	UNROLL
	for (int r = 0; r < 16; r++) {
		const char *row = w + r * w_stride;
		v[r] = _mm512_setzero_si512();
		if (r < n_w)
			v[r] = _mm512_inserti64x4(_mm512_castsi256_si512(halves16(dtype, row, i, k, factor)),
			                          halves16(dtype, row, i + 16, k, factor), 1);
	}
	transpose(v);
}

INLINE void lay_out(uint32_t dtype, const char *w, int64_t w_stride, int n_w, int64_t k, float factor, uint16_t *tile)
{
	const __m512 f = _mm512_set1_ps(factor);
	const int first = n_w < 16 ? n_w : 16, second = n_w - first;
	__m512i a[16], b[16];
	for (int64_t i = 0; i < k; i += HALF_BLOCK, tile += HALF_BLOCK * WIDE) {
		take_pairs(dtype, w, w_stride, first, i, k, f, a);
		take_pairs(dtype, w + 16 * w_stride, w_stride, second, i, k, f, b);
		UNROLL
		for (int p = 0; p < 16; p++) {
			const __m256i a0 = _mm512_cvtepi32_epi16(a[p]), b0 = _mm512_cvtepi32_epi16(b[p]);
			const __m256i a1 = _mm512_cvtepi32_epi16(_mm512_srli_epi32(a[p], 16));
			const __m256i b1 = _mm512_cvtepi32_epi16(_mm512_srli_epi32(b[p], 16));
			_mm256_store_si256((void *)(tile + 2 * p * WIDE), a0);
			_mm256_store_si256((void *)(tile + 2 * p * WIDE + 16), b0);
			_mm256_store_si256((void *)(tile + (2 * p + 1) * WIDE), a1);
			_mm256_store_si256((void *)(tile + (2 * p + 1) * WIDE + 16), b1);
		}
	}
}

static float halve(uint32_t dtype, const void *w, int64_t w_stride, int n_w, int64_t k, uint16_t *tile)
{
	float scale;
	const float factor = power_to(vita_f32_bits(largest_of(dtype, w, w_stride, n_w, k)), W_TOP, &scale);
	if (dtype == VITA_F16) lay_out(VITA_F16, w, w_stride, n_w, k, factor, tile);
	else lay_out(VITA_BF16, w, w_stride, n_w, k, factor, tile);
	return scale;
}

/* ---- products ------------------------------------------------------------------------------------------- */

/* n is a constant where this is inlined. */
INLINE void half_n(const uint16_t *tile, const uint16_t *x, const float *factor, int n, int64_t k, float *out)
{
	for (int64_t i = 0; i < k; i += HALF_SPAN) {
		const int64_t blocks = k - i < HALF_SPAN ? (k - i + HALF_BLOCK - 1) / HALF_BLOCK : HALF_SPAN / HALF_BLOCK;
		__m512i sum[HALF_ROWS];
		UNROLL
		for (int r = 0; r < n; r++) sum[r] = _mm512_setzero_si512();
		for (int64_t b = 0; b < blocks; b++, x += (n - 1) * HALF_BLOCK)
			for (const uint16_t *end = x + HALF_BLOCK; x < end; x++, tile += WIDE) {
				const __m512i w = _mm512_load_si512(tile);
				UNROLL
				for (int r = 0; r < n; r++) sum[r] = add_product(sum[r], w, x + r * HALF_BLOCK);
			}
		UNROLL
		for (int r = 0; r < n; r++) {
			const __m512 f = _mm512_set1_ps(factor[r]), low = _mm512_cvtph_ps(_mm512_castsi512_si256(sum[r]));
			const __m512 high = _mm512_cvtph_ps(_mm512_extracti64x4_epi64(sum[r], 1));
			float *o = out + WIDE * r;
			_mm512_storeu_ps(o, _mm512_fmadd_ps(low, f, _mm512_loadu_ps(o)));
			_mm512_storeu_ps(o + 16, _mm512_fmadd_ps(high, f, _mm512_loadu_ps(o + 16)));
		}
	}
}

static void half(const uint16_t *tile, float tile_scale, const uint16_t *x, const float *scale, int n, int64_t k, float *out,
                 bool add)
{
	float factor[HALF_ROWS];
	for (int r = 0; r < n; r++) factor[r] = tile_scale * scale[r];
	if (!add) memset(out, 0, (size_t)n * WIDE * sizeof *out);
#define CASE(N) \
	case N: half_n(tile, x, factor, N, k, out); break;
	switch (n) {
		CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10)
		CASE(11) CASE(12) CASE(13) CASE(14) CASE(15) CASE(16) CASE(17) CASE(18) CASE(19) CASE(20)
		CASE(21) CASE(22) CASE(23) CASE(24) CASE(25) CASE(26) CASE(27) CASE(28)
	}
#undef CASE
}

#define CHAINS 16

static double spin(int64_t steps)
{
	static const uint16_t tenth = 0x2e66;
	__m512i sum[CHAINS];
	const __m512i w = _mm512_set1_epi16((short)tenth);
	UNROLL
	for (int i = 0; i < CHAINS; i++) sum[i] = _mm512_set1_epi16((short)(0x3c00 + i));
	for (int64_t s = 0; s < steps; s++) {
		UNROLL
		for (int i = 0; i < CHAINS; i++) __asm__("vfmadd231ph %1, %1, %0" : "+v"(sum[i]) : "v"(w));
	}
	UNROLL
	for (int i = 0; i < CHAINS; i++) __asm__ volatile("" : : "v"(sum[i]));
	return 2.0 * 32 * CHAINS * (double)steps;
}

const struct half_kernels avx512_half = { .halve_row = halve_row, .halve = halve, .multiply = half, .spin = spin };
#endif
