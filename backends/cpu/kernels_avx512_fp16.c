/* SPDX-License-Identifier: MIT
 *
 * Products of many rows in f16, for processors with AVX-512 FP16: twice as many multiply-adds an instruction as in
 * f32, with operands of 11 bits. A sum of HALF_SPAN products is kept in f16, and so is that of these over
 * HALF_SUM columns; the rest is added up in f32.
 *
 * A lane is a weight row, and one register holds a tile's 32. An activation is broadcast by the multiply-add that
 * reads it, which costs nothing but the load: 28 rows of activations keep both multipliers busy with 29 loads for
 * 28 operations.
 *
 * Nothing overflows: activations are scaled so that the largest of a row is between 4 and 8, and weights so that the
 * largest of a tile is between 8 and 16: a sum of HALF_SUM products stays below 2^15. Scales are powers of two, and
 * lose nothing.
 */
#include <math.h>

#include "kernels_avx512.h"

#if defined(KERNELS_AVX512) && defined(__AVX512FP16__)

#define HALF_BLOCK 32 /* values of a row that lie together */
#define X_TOP 2       /* activations are brought to below 2^(X_TOP + 1) */
#define W_TOP 3

/* sum += w · x in each of 32 lanes */
INLINE __m512i add_product(__m512i sum, __m512i w, const uint16_t *x)
{
	__asm__("vfmadd231ph %2%{1to32%}, %1, %0" : "+v"(sum) : "v"(w), "m"(*x));
	return sum;
}

INLINE __m512i add_halves(__m512i a, __m512i b)
{
	return _mm512_castph_si512(_mm512_add_ph(_mm512_castsi512_ph(a), _mm512_castsi512_ph(b)));
}

/* ---- activations --------------------------------------------------------------------------------------- */

/* The power of two that brings magnitudes of up to these bits to below 2^(top + 1), and its inverse. What is not
 * finite stays that. */
static float power_to(uint32_t largest_bits, int top, float *inverse)
{
	int exponent = (int)(largest_bits >> 23);
	*inverse = 1;
	if (exponent == 255) return 1;
	if (exponent < 16) exponent = 16;
	*inverse = vita_f32_from_bits((uint32_t)(exponent - top) << 23);
	return vita_f32_from_bits((uint32_t)(254 + top - exponent) << 23);
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

/* Halves times a power of two, and bf16 as halves. */
struct scaling {
	__m512h exponent;
	__m512 factor;
};

static struct scaling scaling_to(uint32_t dtype, const char *w, int64_t w_stride, int n_w, int64_t k, float *scale)
{
	const float factor = power_to(vita_f32_bits(largest_of(dtype, w, w_stride, n_w, k)), W_TOP, scale);
	const int exponent = (int)(vita_f32_bits(factor) >> 23) - 127;
	return (struct scaling){ _mm512_cvtepi16_ph(_mm512_set1_epi16((short)exponent)), _mm512_set1_ps(factor) };
}

/* Values i … i + 31 of a row, zeros from k on. */
INLINE __m512i halves32(uint32_t dtype, const char *row, int64_t i, int64_t k, const struct scaling *s)
{
	const __m512i raw = _mm512_maskz_loadu_epi16(tail32(k - i), row + 2 * i);
	if (dtype == VITA_F16) return _mm512_castph_si512(_mm512_scalef_ph(_mm512_castsi512_ph(raw), s->exponent));
	const __m512i low = _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_castsi512_si256(raw)), 16);
	const __m512i high = _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(raw, 1)), 16);
	const __m256i a = _mm512_cvtps_ph(_mm512_mul_ps(_mm512_castsi512_ps(low), s->factor), _MM_FROUND_TO_NEAREST_INT);
	const __m256i b = _mm512_cvtps_ph(_mm512_mul_ps(_mm512_castsi512_ps(high), s->factor), _MM_FROUND_TO_NEAREST_INT);
	return _mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1);
}

/* 32 values of 32 rows, n_w of which there are. Neighbouring rows are interleaved, in every quarter of a register columns 0 … 3
 * of 8 or 4 … 7; then words are pairs of rows, and turned. */
INLINE void lay_out_block(uint32_t dtype, const char *w, int64_t w_stride, int n_w, int64_t i, int64_t k,
                          const struct scaling *s, uint16_t *tile)
{
	const __m512i zero = _mm512_setzero_si512();
	__m512i low[16], high[16];
	UNROLL
	for (int p = 0; p < 16; p++) {
		const __m512i a = 2 * p < n_w ? halves32(dtype, w + 2 * p * w_stride, i, k, s) : zero;
		const __m512i b = 2 * p + 1 < n_w ? halves32(dtype, w + (2 * p + 1) * w_stride, i, k, s) : zero;
		low[p] = _mm512_unpacklo_epi16(a, b);
		high[p] = _mm512_unpackhi_epi16(a, b);
	}
	transpose(low);
	transpose(high);
	UNROLL
	for (int p = 0; p < 16; p++) {
		uint16_t *column = tile + (p / 4 * 8 + p % 4) * WIDE;
		_mm512_store_si512(column, low[p]);
		_mm512_store_si512(column + 4 * WIDE, high[p]);
	}
}

INLINE void lay_out(uint32_t dtype, const char *w, int64_t w_stride, int n_w, int64_t k, const struct scaling *s,
                    uint16_t *tile)
{
	for (int64_t i = 0; i < k; i += HALF_BLOCK, tile += HALF_BLOCK * WIDE)
		if (n_w == WIDE) lay_out_block(dtype, w, w_stride, WIDE, i, k, s, tile);
		else lay_out_block(dtype, w, w_stride, n_w, i, k, s, tile);
}

static float halve(uint32_t dtype, const void *w, int64_t w_stride, int n_w, int64_t k, uint16_t *tile)
{
	float scale;
	const struct scaling s = scaling_to(dtype, w, w_stride, n_w, k, &scale);
	if (dtype == VITA_F16) lay_out(VITA_F16, w, w_stride, n_w, k, &s, tile);
	else lay_out(VITA_BF16, w, w_stride, n_w, k, &s, tile);
	return scale;
}

static float halve_along(uint32_t dtype, const void *v, int64_t stride, int n, int64_t columns, uint16_t *tile)
{
	float scale;
	const struct scaling s = scaling_to(dtype, v, stride, n, columns, &scale);
	for (int j = 0; j < n; j++) _mm512_store_si512(tile + j * WIDE, halves32(dtype, (const char *)v + j * stride, 0, columns, &s));
	for (int j = n; j % HALF_BLOCK != 0; j++) _mm512_store_si512(tile + j * WIDE, _mm512_setzero_si512());
	return scale;
}

/* ---- products ------------------------------------------------------------------------------------------- */

/* out[r] += factor[r] · sum[r], which has 32 lanes. */
INLINE void add_sum(__m512i sum, float factor, float *out)
{
	const __m512 f = _mm512_set1_ps(factor), low = _mm512_cvtph_ps(_mm512_castsi512_si256(sum));
	const __m512 high = _mm512_cvtph_ps(_mm512_extracti64x4_epi64(sum, 1));
	_mm512_storeu_ps(out, _mm512_fmadd_ps(low, f, _mm512_loadu_ps(out)));
	_mm512_storeu_ps(out + 16, _mm512_fmadd_ps(high, f, _mm512_loadu_ps(out + 16)));
}

/* Where a product is: each step takes 32 values of the tile and one of x for each of n rows. Where tile_at is given, a step's 32
 * lie that far from the tile's beginning. */
struct half_place {
	const uint16_t *tile, *x;
	const int64_t *tile_at;
};

/* sum[r] = Σ w · x over so many columns. n and placed are constants where this is inlined. */
INLINE void half_span(struct half_place *at, bool placed, int n, int64_t columns, __m512i *sum)
{
	UNROLL
	for (int r = 0; r < n; r++) sum[r] = _mm512_setzero_si512();
	for (int64_t c = 0; c < columns; c += HALF_BLOCK, at->x += (n - 1) * HALF_BLOCK) {
		const int64_t count = placed && columns - c < HALF_BLOCK ? columns - c : HALF_BLOCK;
		for (const uint16_t *end = at->x + count; at->x < end; at->x++) {
			const __m512i w = placed ? _mm512_loadu_si512(at->tile + *at->tile_at++) : _mm512_load_si512(at->tile);
			if (!placed) at->tile += WIDE;
			UNROLL
			for (int r = 0; r < n; r++) sum[r] = add_product(sum[r], w, at->x + r * HALF_BLOCK);
		}
	}
}

/* Sums of spans are added up in f16 to those of HALF_SUM, and these in f32: rounding the sum of two spans loses little
 * beside the sum of a span, which is rounded at every step. */
INLINE void half_n(struct half_place at, bool placed, const float *factor, int n, int64_t k, float *out, int64_t out_row)
{
	__m512i sum[HALF_ROWS], before[HALF_ROWS];
	UNROLL
	for (int r = 0; r < n; r++) before[r] = _mm512_setzero_si512();
	for (int64_t i = 0; i < k; i += HALF_SPAN) {
		half_span(&at, placed, n, k - i < HALF_SPAN ? k - i : HALF_SPAN, sum);
		if (i % HALF_SUM > 0) {
			UNROLL
			for (int r = 0; r < n; r++) sum[r] = add_halves(sum[r], before[r]);
		}
		if (i + HALF_SPAN >= k || (i + HALF_SPAN) % HALF_SUM == 0) {
			UNROLL
			for (int r = 0; r < n; r++) add_sum(sum[r], factor[r], out + r * out_row);
		} else {
			UNROLL
			for (int r = 0; r < n; r++) before[r] = sum[r];
		}
	}
}

#define CASE(call, n) \
	case n: call(n); break;
#define CASES_28(call) \
	CASE(call, 1) CASE(call, 2) CASE(call, 3) CASE(call, 4) CASE(call, 5) CASE(call, 6) CASE(call, 7) \
	CASE(call, 8) CASE(call, 9) CASE(call, 10) CASE(call, 11) CASE(call, 12) CASE(call, 13) CASE(call, 14) \
	CASE(call, 15) CASE(call, 16) CASE(call, 17) CASE(call, 18) CASE(call, 19) CASE(call, 20) CASE(call, 21) \
	CASE(call, 22) CASE(call, 23) CASE(call, 24) CASE(call, 25) CASE(call, 26) CASE(call, 27) CASE(call, 28)

static void half(const uint16_t *tile, float tile_scale, const uint16_t *x, const float *scale, int n, int64_t k, float *out,
                 bool add)
{
	const struct half_place at = { tile, x, NULL };
	float factor[HALF_ROWS];
	for (int r = 0; r < n; r++) factor[r] = tile_scale * scale[r];
	if (!add) memset(out, 0, (size_t)n * WIDE * sizeof *out);
#define CALL(N) half_n(at, false, factor, N, k, out, WIDE)
	switch (n) { CASES_28(CALL) }
#undef CALL
}

/* ---- convolutions --------------------------------------------------------------------------------------- */

static void half_block(const uint16_t *w, const float *scale, int n, const uint16_t *x, float x_scale, const int64_t *x_at,
                       int64_t k, float *out, int64_t out_row)
{
	const struct half_place at = { x, w, x_at };
	float factor[HALF_ROWS];
	for (int r = 0; r < n; r++) factor[r] = x_scale * scale[r];
#define CALL(N) half_n(at, true, factor, N, k, out, out_row)
	switch (n) { CASES_28(CALL) }
#undef CALL
}

static float larger(float largest, const float *x, int64_t n)
{
	const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
	__m512i most = _mm512_set1_epi32((int)vita_f32_bits(largest));
	for (int64_t i = 0; i < n; i += 16)
		most = _mm512_max_epu32(most, _mm512_and_si512(magnitude, _mm512_maskz_loadu_epi32(tail16(n - i), x + i)));
	return vita_f32_from_bits(_mm512_reduce_max_epu32(most));
}

static float halve_values(float largest, const float *x, uint16_t *y, int64_t n)
{
	float scale;
	const __m512 factor = _mm512_set1_ps(power_to(vita_f32_bits(largest), W_TOP, &scale));
	for (int64_t i = 0; i < n; i += 16) {
		const __m512 v = _mm512_mul_ps(_mm512_maskz_loadu_ps(tail16(n - i), x + i), factor);
		_mm256_mask_storeu_epi16(y + i, tail16(n - i), _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
	}
	return scale;
}

/* ---- roof ----------------------------------------------------------------------------------------------- */

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

/* ---- attention ------------------------------------------------------------------------------------------ */

/* 2^y to five digits, the Taylor polynomial of 2^r for |r| <= 1/2; 0 below 2^-100, which is nothing beside the largest, 1, where
 * results that are not normal numbers would take a hundred times as long. NaN stays that. */
INLINE __m512 power2(__m512 y)
{
	const __mmask16 counts = _mm512_cmp_ps_mask(y, _mm512_set1_ps(-100), _CMP_NLT_UQ);
	const __m512 n = _mm512_roundscale_ps(y, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC), r = _mm512_sub_ps(y, n);
	__m512 p = _mm512_set1_ps(1.333355815e-3f);
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(9.618129108e-3f));
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.550410866e-2f));
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.240226507f));
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.693147181f));
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1));
	return _mm512_maskz_scalef_ps(counts, p, n);
}

static void weigh(const struct half_weights *w, int64_t row, int n)
{
	const float *score = w->scores + row * WIDE, *second = score + w->tile_step;
	const __m512 log2_e = _mm512_set1_ps(1.44269504f), none = _mm512_set1_ps(-INFINITY);
	__m512 s[4], sum = _mm512_setzero_ps();
	UNROLL
	for (int i = 0; i < 4; i++)
		s[i] = _mm512_mask_loadu_ps(none, tail16(n - 16 * i), (i < 2 ? score : second) + i % 2 * 16);
	const __m512 most = _mm512_max_ps(_mm512_max_ps(none, s[0]), s[1]);
	const float largest = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_max_ps(most, s[2]), s[3])), before = w->max[row];
	const float max = largest > before ? largest : before;
	/* nothing but -inf so far: all weights are 0, where they are not NaN */
	const __m512 shift = _mm512_mul_ps(_mm512_set1_ps(max == -INFINITY ? 0 : max), log2_e);
	UNROLL
	for (int i = 0; i < 4; i += 2) {
		const __m512 a = power2(_mm512_fmsub_ps(s[i], log2_e, shift)), b = power2(_mm512_fmsub_ps(s[i + 1], log2_e, shift));
		const __m512 top = _mm512_set1_ps(1 / HALF_WEIGHT);
		uint16_t *to = w->p + i / 2 * w->block_step;
		sum = _mm512_add_ps(sum, _mm512_add_ps(a, b));
		_mm256_storeu_si256((void *)to, _mm512_cvtps_ph(_mm512_mul_ps(a, top), _MM_FROUND_TO_NEAREST_INT));
		_mm256_storeu_si256((void *)(to + 16), _mm512_cvtps_ph(_mm512_mul_ps(b, top), _MM_FROUND_TO_NEAREST_INT));
	}
	const float added = _mm512_reduce_add_ps(sum);
	if (max > before) {
		const __m512 shrink = power2(_mm512_set1_ps((before - max) * 1.44269504f));
		for (int64_t t = 0; t < w->n_sums; t++) {
			float *at = w->sums + t * w->tile_step + row * WIDE;
			_mm512_storeu_ps(at, _mm512_mul_ps(shrink, _mm512_loadu_ps(at)));
			_mm512_storeu_ps(at + 16, _mm512_mul_ps(shrink, _mm512_loadu_ps(at + 16)));
		}
		w->max[row] = max;
		w->total[row] *= _mm512_cvtss_f32(shrink);
	}
	w->total[row] += added;
}

const struct half_kernels avx512_half = {
	.halve_row = halve_row, .halve = halve, .halve_along = halve_along, .multiply = half, .weigh = weigh,
	.spin = spin, .block = half_block, .larger = larger, .halve_values = halve_values
};
#endif
