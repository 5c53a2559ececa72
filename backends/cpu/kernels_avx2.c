/* SPDX-License-Identifier: MIT
 *
 * Kernels for AVX2, FMA and F16C. This file alone is compiled with those instructions; nothing in it runs
 * before cpu_kernels_choose has asked the processor.
 *
 * Integer products: vpmaddubsw multiplies unsigned by signed bytes and adds pairs into 16 bits, with
 * saturation, so what is added up in 16 bits is counted: 4-bit weights give at most 2 · 15 · 127 = 3810 a
 * pair (eight fit), 6-bit weights 2 · 63 · 127 = 16002 (two fit), and 8-bit weights go in as magnitudes with
 * their signs moved to the activations, at most 2 · 128 · 127 = 32512 (one fits).
 * A tile's sixteen rows are taken in two halves of eight lanes.
 */
#include "cpu.h"

#if defined(__x86_64__) && defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#include <immintrin.h>
#include <math.h>

#define INLINE static inline __attribute__((always_inline))

INLINE __m256i broadcast4(const int8_t *q)
{
	int32_t v;
	memcpy(&v, q, sizeof v);
	return _mm256_set1_epi32(v);
}

INLINE __m256 load_f16x8(const void *p)
{
	return _mm256_cvtph_ps(_mm_loadu_si128(p));
}

INLINE __m256i pairs_to_32(__m256i v)
{
	return _mm256_madd_epi16(v, _mm256_set1_epi16(1));
}

/* Σ over n groups of four 4-bit weights, n <= 8. */
INLINE __m256i dot_4bit(const __m256i *w, const int8_t *x, int n)
{
	__m256i sum = _mm256_maddubs_epi16(w[0], broadcast4(x));
	for (int j = 1; j < n; j++) sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(w[j], broadcast4(x + 4 * j)));
	return pairs_to_32(sum);
}

/* Σ over eight groups of four 8-bit weights, stored as value + 128. */
INLINE __m256i dot_8bit(const unsigned char *groups, const int8_t *x)
{
	__m256i sum = _mm256_setzero_si256();
	for (int j = 0; j < 8; j++) {
		__m256i w = _mm256_xor_si256(_mm256_loadu_si256((const void *)(groups + 64 * j)), _mm256_set1_epi8(-128));
		__m256i p = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(broadcast4(x + 4 * j), w));
		sum = _mm256_add_epi32(sum, pairs_to_32(p));
	}
	return sum;
}

INLINE void nibbles(const unsigned char *p, __m256i *w)
{
	const __m256i low = _mm256_set1_epi8(15);
	for (int j = 0; j < 4; j++) {
		__m256i v = _mm256_loadu_si256((const void *)(p + 64 * j));
		w[j] = _mm256_and_si256(v, low);
		w[j + 4] = _mm256_and_si256(_mm256_srli_epi16(v, 4), low);
	}
}

INLINE void tile_32(uint32_t dtype, const unsigned char *tile, const struct quantised_rows *x, int64_t group, float *out)
{
	const int64_t blocks = x->k / 32, at = group * MAX_ROWS * blocks;
	const int n = group_rows(x, group), bytes = dtype == VITA_Q8_0 ? 544 : dtype == VITA_Q4_0 ? 288 : 320;
	for (int half = 0; half < 2; half++) {
		__m256 acc[MAX_ROWS];
		for (int r = 0; r < n; r++) acc[r] = _mm256_setzero_ps();
		for (int64_t b = 0; b < blocks; b++) {
			const unsigned char *t = tile + b * bytes;
			const int64_t row = at + b * n;
			__m256 d = load_f16x8(t + 16 * half), m = d;
			__m256i w[8];
			if (dtype == VITA_Q4_1) m = load_f16x8(t + 32 + 16 * half);
			if (dtype != VITA_Q8_0) nibbles(t + (dtype == VITA_Q4_1 ? 64 : 32) + 32 * half, w);
			for (int r = 0; r < n; r++) {
				const int8_t *q = x->q + (row + r) * 32;
				__m256i i = dtype == VITA_Q8_0 ? dot_8bit(t + 32 + 32 * half, q) : dot_4bit(w, q, 8);
				if (dtype == VITA_Q4_0) i = _mm256_add_epi32(i, _mm256_set1_epi32(x->offset[row + r]));
				__m256 f = _mm256_mul_ps(d, _mm256_set1_ps(x->scale[row + r]));
				acc[r] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(i), f, acc[r]);
				if (dtype == VITA_Q4_1) acc[r] = _mm256_fmadd_ps(m, _mm256_set1_ps(x->sum[row + r]), acc[r]);
			}
		}
		for (int r = 0; r < n; r++) _mm256_storeu_ps(out + TILE * r + 8 * half, acc[r]);
	}
}

static void tile_q8_0(const void *tile, const struct quantised_rows *x, int64_t group, float *out)
{
	tile_32(VITA_Q8_0, tile, x, group, out);
}

static void tile_q4_0(const void *tile, const struct quantised_rows *x, int64_t group, float *out)
{
	tile_32(VITA_Q4_0, tile, x, group, out);
}

static void tile_q4_1(const void *tile, const struct quantised_rows *x, int64_t group, float *out)
{
	tile_32(VITA_Q4_1, tile, x, group, out);
}

static void tile_q4_k(const void *tile, const struct quantised_rows *x, int64_t group, float *out)
{
	const int64_t blocks = x->k / 32, at = group * MAX_ROWS * blocks;
	const int n = group_rows(x, group);
	for (int half = 0; half < 2; half++) {
		__m256 acc[MAX_ROWS];
		for (int r = 0; r < n; r++) acc[r] = _mm256_setzero_ps();
		for (int64_t b = 0; b < blocks; b++) {
			const unsigned char *t = (const unsigned char *)tile + b / 8 * 2368;
			const int s = (int)(b % 8);
			const int64_t row = at + b * n;
			__m256i w[8];
			for (int j = 0; j < 8; j++) {
				__m256i v = _mm256_loadu_si256((const void *)(t + 320 + 512 * (s / 2) + 64 * j + 32 * half));
				w[j] = _mm256_and_si256(s & 1 ? _mm256_srli_epi16(v, 4) : v, _mm256_set1_epi8(15));
			}
			__m256i sc = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)(t + 64 + 16 * s + 8 * half)));
			__m256i mn = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)(t + 192 + 16 * s + 8 * half)));
			__m256 ds = _mm256_mul_ps(load_f16x8(t + 16 * half), _mm256_cvtepi32_ps(sc));
			__m256 ms = _mm256_mul_ps(load_f16x8(t + 32 + 16 * half), _mm256_cvtepi32_ps(mn));
			for (int r = 0; r < n; r++) {
				__m256i i = dot_4bit(w, x->q + (row + r) * 32, 8);
				__m256 f = _mm256_mul_ps(ds, _mm256_set1_ps(x->scale[row + r]));
				acc[r] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(i), f, acc[r]);
				acc[r] = _mm256_fnmadd_ps(ms, _mm256_set1_ps(x->sum[row + r]), acc[r]);
			}
		}
		for (int r = 0; r < n; r++) _mm256_storeu_ps(out + TILE * r + 8 * half, acc[r]);
	}
}

/* The four groups of a sub-block of 16 six-bit weights; see kernels_avx512.c for how they lie. */
INLINE void six_bits(const unsigned char *t, int sub_block, int half, __m256i *w)
{
	const int side = sub_block / 8, quarter = sub_block % 8 / 2, part = sub_block % 2;
	const unsigned char *ql = t + 288 + 1024 * side + 512 * (quarter & 1) + 256 * part + 32 * half;
	const unsigned char *qh = t + 288 + 2048 + 512 * side + 256 * part + 32 * half;
	for (int j = 0; j < 4; j++) {
		__m256i l = _mm256_loadu_si256((const void *)(ql + 64 * j));
		__m256i h = _mm256_loadu_si256((const void *)(qh + 64 * j));
		if (quarter >= 2) l = _mm256_srli_epi16(l, 4);
		h = quarter == 3 ? _mm256_srli_epi16(h, 2) : quarter == 2 ? h
		    : quarter == 1 ? _mm256_slli_epi16(h, 2) : _mm256_slli_epi16(h, 4);
		w[j] = _mm256_or_si256(_mm256_and_si256(l, _mm256_set1_epi8(15)),
		                       _mm256_and_si256(h, _mm256_set1_epi8(48)));
	}
}

static void tile_q6_k(const void *tile, const struct quantised_rows *x, int64_t group, float *out)
{
	const int64_t parts = x->k / 16, at = group * MAX_ROWS * (x->k / 32);
	const int n = group_rows(x, group);
	for (int half = 0; half < 2; half++) {
		__m256 acc[MAX_ROWS];
		for (int r = 0; r < n; r++) acc[r] = _mm256_setzero_ps();
		for (int64_t b = 0; b < parts; b++) {
			const unsigned char *t = (const unsigned char *)tile + b / 16 * 3360;
			const int s = (int)(b % 16);
			const int64_t row = at + b / 2 * n;
			__m256i w[4];
			six_bits(t, s, half, w);
			__m256i sc = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)(t + 32 + 16 * s + 8 * half)));
			__m256 ds = _mm256_mul_ps(load_f16x8(t + 16 * half), _mm256_cvtepi32_ps(sc));
			for (int r = 0; r < n; r++) {
				const int8_t *q = x->q + (row + r) * 32 + 16 * (b % 2);
				__m256i a = _mm256_add_epi16(_mm256_maddubs_epi16(w[0], broadcast4(q)),
				                             _mm256_maddubs_epi16(w[1], broadcast4(q + 4)));
				__m256i c = _mm256_add_epi16(_mm256_maddubs_epi16(w[2], broadcast4(q + 8)),
				                             _mm256_maddubs_epi16(w[3], broadcast4(q + 12)));
				__m256i i = _mm256_add_epi32(pairs_to_32(a), pairs_to_32(c));
				i = _mm256_add_epi32(i, _mm256_set1_epi32(x->offset[2 * at + b * n + r]));
				__m256 f = _mm256_mul_ps(ds, _mm256_set1_ps(x->scale[row + r]));
				acc[r] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(i), f, acc[r]);
			}
		}
		for (int r = 0; r < n; r++) _mm256_storeu_ps(out + TILE * r + 8 * half, acc[r]);
	}
}

/* ---- plain weights ------------------------------------------------------------------------------------- */

INLINE float sum8(__m256 v)
{
	__m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
	s = _mm_add_ps(s, _mm_movehl_ps(s, s));
	return _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps(s, s, 1)));
}

INLINE __m256 load_weights(uint32_t dtype, const void *w, int64_t i)
{
	if (dtype == VITA_F32) return _mm256_loadu_ps((const float *)w + i);
	__m128i half = _mm_loadu_si128((const void *)((const uint16_t *)w + i));
	if (dtype == VITA_F16) return _mm256_cvtph_ps(half);
	return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}

/* The last k % 8 weights of a row, zeros behind them. */
INLINE __m256 load_tail(uint32_t dtype, const void *w, int64_t i, int64_t k)
{
	const size_t size = dtype == VITA_F32 ? 4 : 2;
	unsigned char bytes[32] = { 0 };
	memcpy(bytes, (const char *)w + (size_t)i * size, (size_t)(k - i) * size);
	return load_weights(dtype, bytes, 0);
}

INLINE void rows_block(uint32_t dtype, const void *w, int64_t w_stride, int n_w, const void *x, int64_t x_stride, int n,
                       int64_t k, float *out)
{
	__m256 acc[2][4];
	for (int r = 0; r < n; r++)
		for (int i = 0; i < n_w; i++) acc[r][i] = _mm256_setzero_ps();
	for (int64_t j = 0; j < k; j += 8) {
		__m256 wv[4];
		for (int i = 0; i < n_w; i++) {
			const void *row = (const char *)w + i * w_stride;
			wv[i] = j + 8 <= k ? load_weights(dtype, row, j) : load_tail(dtype, row, j, k);
		}
		for (int r = 0; r < n; r++) {
			const float *row = (const float *)(const void *)((const char *)x + r * x_stride);
			__m256 xv = j + 8 <= k ? _mm256_loadu_ps(row + j) : load_tail(VITA_F32, row, j, k);
			for (int i = 0; i < n_w; i++) acc[r][i] = _mm256_fmadd_ps(wv[i], xv, acc[r][i]);
		}
	}
	for (int r = 0; r < n; r++)
		for (int i = 0; i < n_w; i++) out[r * TILE + i] = sum8(acc[r][i]);
}

INLINE void rows_any(uint32_t dtype, const void *w, int64_t w_stride, int n_w, const void *x, int64_t x_stride, int n,
                     int64_t k, float *out)
{
	const char *row = x;
	for (; n > 0; n -= 2, row += 2 * x_stride, out += 2 * TILE) {
		if (n_w == 4 && n >= 2) rows_block(dtype, w, w_stride, 4, row, x_stride, 2, k, out);
		else if (n_w == 4) rows_block(dtype, w, w_stride, 4, row, x_stride, 1, k, out);
		else
			for (int r = 0; r < (n < 2 ? n : 2); r++)
				for (int i = 0; i < n_w; i++)
					rows_block(dtype, (const char *)w + i * w_stride, w_stride, 1, row + r * x_stride, x_stride, 1, k,
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

/* ---- vectors ------------------------------------------------------------------------------------------- */

INLINE float dot_any(uint32_t dtype, const float *a, const void *b, int64_t n)
{
	__m256 s = _mm256_setzero_ps();
	for (int64_t i = 0; i < n; i += 8)
		s = i + 8 <= n ? _mm256_fmadd_ps(_mm256_loadu_ps(a + i), load_weights(dtype, b, i), s)
		               : _mm256_fmadd_ps(load_tail(VITA_F32, a, i, n), load_tail(dtype, b, i, n), s);
	return sum8(s);
}

static float dot(const float *a, const float *b, int64_t n)
{
	return dot_any(VITA_F32, a, b, n);
}

static float dot_f16(const float *a, const uint16_t *b, int64_t n)
{
	return dot_any(VITA_F16, a, b, n);
}

static void axpy(float a, const float *x, float *y, int64_t n)
{
	for (int64_t i = 0; i < n; i++) y[i] = fmaf(a, x[i], y[i]);
}

static void axpy_f16(float a, const uint16_t *x, float *y, int64_t n)
{
	int64_t i = 0;
	for (; i + 8 <= n; i += 8)
		_mm256_storeu_ps(y + i, _mm256_fmadd_ps(_mm256_set1_ps(a), load_weights(VITA_F16, x, i), _mm256_loadu_ps(y + i)));
	for (; i < n; i++) y[i] = fmaf(a, _cvtsh_ss(x[i]), y[i]);
}

static float sum_squares(const float *x, int64_t n)
{
	return dot(x, x, n);
}

static void scale_mul(float *y, const float *x, const float *w, float scale, int64_t n)
{
	if (w)
		for (int64_t i = 0; i < n; i++) y[i] = x[i] * scale * w[i];
	else
		for (int64_t i = 0; i < n; i++) y[i] = x[i] * scale;
}

/* As exp16 of kernels_avx512.c. */
INLINE __m256 exp8(__m256 x)
{
	x = _mm256_max_ps(_mm256_min_ps(x, _mm256_set1_ps(88.0f)), _mm256_set1_ps(-87.0f));
	__m256 n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504089f)),
	                           _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
	__m256 f = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693359375f), x);
	f = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.12194440e-4f), f);
	__m256 p = _mm256_set1_ps(1.0f / 5040);
	p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(1.0f / 720));
	p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(1.0f / 120));
	p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(1.0f / 24));
	p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(1.0f / 6));
	p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(0.5f));
	p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(1.0f));
	p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(1.0f));
	__m256i e = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
	return _mm256_mul_ps(p, _mm256_castsi256_ps(e));
}

static float softmax_exp(float *x, float max, int64_t n)
{
	float sum = 0;
	int64_t i = 0;
	__m256 s = _mm256_setzero_ps();
	for (; i + 8 <= n; i += 8) {
		__m256 v = _mm256_loadu_ps(x + i);
		__m256 seen = _mm256_cmp_ps(v, _mm256_set1_ps(-INFINITY), _CMP_NEQ_OQ);
		__m256 e = _mm256_and_ps(exp8(_mm256_sub_ps(v, _mm256_set1_ps(max))), seen);
		_mm256_storeu_ps(x + i, e);
		s = _mm256_add_ps(s, e);
	}
	for (; i < n; i++) sum += x[i] = x[i] == -INFINITY ? 0 : expf(x[i] - max);
	return sum + sum8(s);
}

static void silu_mul(float *y, const float *gate, const float *up, int64_t n)
{
	int64_t i = 0;
	for (; i + 8 <= n; i += 8) {
		__m256 g = _mm256_loadu_ps(gate + i), e = exp8(_mm256_sub_ps(_mm256_setzero_ps(), g));
		__m256 v = _mm256_mul_ps(g, _mm256_loadu_ps(up + i));
		_mm256_storeu_ps(y + i, _mm256_div_ps(v, _mm256_add_ps(_mm256_set1_ps(1.0f), e)));
	}
	for (; i < n; i++) y[i] = gate[i] / (1.0f + expf(-gate[i])) * up[i];
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
		for (int64_t s = 0; s < steps; s++)
			for (int i = 0; i < CHAINS; i++) {
				acc[i] = _mm256_fmadd_ps(acc[i], x, x);
				__asm__("" : "+x"(acc[i]));
			}
		return 2.0 * 8 * CHAINS * (double)steps;
	}
	if (dtype == VITA_Q8_0) {
		__m256i acc[CHAINS], x = _mm256_set1_epi8(3);
		for (int i = 0; i < CHAINS; i++) acc[i] = _mm256_setzero_si256();
		for (int64_t s = 0; s < steps; s++)
			for (int i = 0; i < CHAINS; i++) {
				acc[i] = _mm256_add_epi32(acc[i], pairs_to_32(_mm256_maddubs_epi16(x, x)));
				__asm__("" : "+x"(acc[i]), "+x"(x));
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
	.to_bf16 = cpu_to_bf16_plain,
	.dot = dot, .dot_f16 = dot_f16, .axpy = axpy, .axpy_f16 = axpy_f16,
	.sum_squares = sum_squares, .scale_mul = scale_mul, .softmax_exp = softmax_exp, .silu_mul = silu_mul,
	.read = read_memory, .spin = spin,
};
#endif
