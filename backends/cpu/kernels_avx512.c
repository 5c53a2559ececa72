/* SPDX-License-Identifier: MIT
 *
 * Kernels for AVX-512 F/BW/DQ/VL with VNNI and BF16. This file alone is compiled with those instructions;
 * nothing in it runs before cpu_kernels_choose has asked the processor.
 *
 * Integer products: vpdpbusd adds, in each of 16 lanes, four products of an unsigned byte (a weight, its
 * zero point not yet taken off) and a signed byte (an activation). A lane is a weight row; the four bytes
 * are neighbours along k, which is how packed tiles lie. The zero point's share, -zero · Σ x, is what the
 * accumulator starts from.
 */
#include "cpu.h"

#if defined(__x86_64__) && defined(__AVX512VNNI__) && defined(__AVX512BF16__)
#include <immintrin.h>
#include <math.h>

#define INLINE static inline __attribute__((always_inline))

/* The four activation bytes that all lanes multiply. */
INLINE __m512i broadcast4(const int8_t *q)
{
	int32_t v;
	memcpy(&v, q, sizeof v);
	return _mm512_set1_epi32(v);
}

INLINE __m512 load_f16x16(const void *p)
{
	return _mm512_cvtph_ps(_mm256_loadu_si256(p));
}

/* Σ over 32 values of one block: eight groups of four, in two chains. */
INLINE __m512i dot32(const __m512i *w, const int8_t *x, __m512i start)
{
	__m512i a = start, b = _mm512_setzero_si512();
	a = _mm512_dpbusd_epi32(a, w[0], broadcast4(x));
	b = _mm512_dpbusd_epi32(b, w[1], broadcast4(x + 4));
	a = _mm512_dpbusd_epi32(a, w[2], broadcast4(x + 8));
	b = _mm512_dpbusd_epi32(b, w[3], broadcast4(x + 12));
	a = _mm512_dpbusd_epi32(a, w[4], broadcast4(x + 16));
	b = _mm512_dpbusd_epi32(b, w[5], broadcast4(x + 20));
	a = _mm512_dpbusd_epi32(a, w[6], broadcast4(x + 24));
	b = _mm512_dpbusd_epi32(b, w[7], broadcast4(x + 28));
	return _mm512_add_epi32(a, b);
}

/* Unpack a block's 16 × 32 nibbles: low halves are values 0 … 15 of each row, high halves 16 … 31. */
INLINE void nibbles(const unsigned char *p, __m512i *w)
{
	const __m512i low = _mm512_set1_epi8(15);
	for (int j = 0; j < 4; j++) {
		__m512i v = _mm512_loadu_si512(p + 64 * j);
		w[j] = _mm512_and_si512(v, low);
		w[j + 4] = _mm512_and_si512(_mm512_srli_epi16(v, 4), low);
	}
}

#define Q8_0_BLOCK (32 + 512)
#define Q4_0_BLOCK (32 + 256)
#define Q4_1_BLOCK (64 + 256)
#define Q4_K_BLOCK (64 + 256 + 2048)
#define Q6_K_BLOCK (32 + 256 + 2048 + 1024)

/* n is a constant where this is inlined, so that the accumulators stay in registers. */
INLINE void tile_32(uint32_t dtype, const unsigned char *tile, const struct quantised_rows *x, int64_t group, int n,
                    float *out)
{
	const int64_t blocks = x->k / 32, at = group * MAX_ROWS * blocks;
	const int8_t *q = x->q + at * 32;
	const float *scale = x->scale + at, *sum = x->sum + at;
	const int32_t *offset = x->offset + at;
	__m512 acc[MAX_ROWS];
	for (int r = 0; r < n; r++) acc[r] = _mm512_setzero_ps();
	for (int64_t b = 0; b < blocks; b++, q += 32 * n, scale += n, sum += n, offset += n) {
		__m512i w[8];
		__m512 d = load_f16x16(tile), m = d;
		if (dtype == VITA_Q8_0) {
			for (int j = 0; j < 8; j++) w[j] = _mm512_loadu_si512(tile + 32 + 64 * j);
			tile += Q8_0_BLOCK;
		} else if (dtype == VITA_Q4_0) {
			nibbles(tile + 32, w);
			tile += Q4_0_BLOCK;
		} else {
			m = load_f16x16(tile + 32);
			nibbles(tile + 64, w);
			tile += Q4_1_BLOCK;
		}
		for (int r = 0; r < n; r++) {
			__m512i start = dtype == VITA_Q4_1 ? _mm512_setzero_si512()
			                                   : _mm512_set1_epi32(offset[r]);
			__m512 p = _mm512_cvtepi32_ps(dot32(w, q + 32 * r, start));
			acc[r] = _mm512_fmadd_ps(p, _mm512_mul_ps(d, _mm512_set1_ps(scale[r])), acc[r]);
			if (dtype == VITA_Q4_1)
				acc[r] = _mm512_fmadd_ps(m, _mm512_set1_ps(sum[r]), acc[r]);
		}
	}
	for (int r = 0; r < n; r++) _mm512_storeu_ps(out + TILE * r, acc[r]);
}

/* Sub-blocks of 32 with 6-bit scales and minima: value = d · scale · q - dmin · minimum. */
INLINE void tile_q4_k_n(const unsigned char *tile, const struct quantised_rows *x, int64_t group, int n, float *out)
{
	const int64_t blocks = x->k / 32, at = group * MAX_ROWS * blocks;
	const int8_t *q = x->q + at * 32;
	const float *scale = x->scale + at, *sum = x->sum + at;
	const __m512i low = _mm512_set1_epi8(15);
	__m512 acc[MAX_ROWS];
	for (int r = 0; r < n; r++) acc[r] = _mm512_setzero_ps();
	for (int64_t b = 0; b < blocks; b += 8, tile += Q4_K_BLOCK) {
		__m512 d = load_f16x16(tile), dmin = load_f16x16(tile + 32);
		for (int s = 0; s < 8; s++, q += 32 * n, scale += n, sum += n) {
			const unsigned char *p = tile + 320 + 512 * (s / 2);
			__m512i w[8];
			for (int j = 0; j < 8; j++) {
				__m512i v = _mm512_loadu_si512(p + 64 * j);
				w[j] = _mm512_and_si512(s & 1 ? _mm512_srli_epi16(v, 4) : v, low);
			}
			__m512i sc = _mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)(tile + 64 + 16 * s)));
			__m512i mn = _mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)(tile + 192 + 16 * s)));
			__m512 ds = _mm512_mul_ps(d, _mm512_cvtepi32_ps(sc));
			__m512 ms = _mm512_mul_ps(dmin, _mm512_cvtepi32_ps(mn));
			for (int r = 0; r < n; r++) {
				__m512i i = dot32(w, q + 32 * r, _mm512_setzero_si512());
				__m512 p32 = _mm512_mul_ps(ds, _mm512_set1_ps(scale[r]));
				acc[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(i), p32, acc[r]);
				acc[r] = _mm512_fnmadd_ps(ms, _mm512_set1_ps(sum[r]), acc[r]);
			}
		}
	}
	for (int r = 0; r < n; r++) _mm512_storeu_ps(out + TILE * r, acc[r]);
}

/* Six bits a value, sub-blocks of 16 with 8-bit scales; value = d · scale · (q - 32). A half of 128 values
 * takes 64 bytes of low nibbles and 32 bytes of upper bit pairs; quarter t of a half (32 values) has its
 * nibbles in bytes 32 (t & 1) …, the low ones where t < 2, and its pairs at bit 2 t. */
INLINE void tile_q6_k_n(const unsigned char *tile, const struct quantised_rows *x, int64_t group, int n, float *out)
{
	const int64_t blocks = x->k / 32, at = group * MAX_ROWS * blocks;
	const int8_t *q = x->q + at * 32;
	const float *scale = x->scale + at;
	const int32_t *offset = x->offset + at * 2;
	const __m512i low = _mm512_set1_epi8(15), pair = _mm512_set1_epi8(48);
	__m512 acc[MAX_ROWS];
	for (int r = 0; r < n; r++) acc[r] = _mm512_setzero_ps();
	for (int64_t b = 0; b < blocks; b += 8, tile += Q6_K_BLOCK) {
		__m512 d = load_f16x16(tile);
		for (int s = 0; s < 8; s++, q += 32 * n, scale += n) {
			int half = s / 4, t = s % 4;
			const unsigned char *ql = tile + 288 + 1024 * half + 512 * (t & 1);
			const unsigned char *qh = tile + 288 + 2048 + 512 * half;
			__m512i w[8];
			for (int j = 0; j < 8; j++) {
				__m512i l = _mm512_loadu_si512(ql + 64 * j), h = _mm512_loadu_si512(qh + 64 * j);
				if (t >= 2) l = _mm512_srli_epi16(l, 4);
				h = t == 3 ? _mm512_srli_epi16(h, 2) : t == 2 ? h : t == 1 ? _mm512_slli_epi16(h, 2)
				                                                           : _mm512_slli_epi16(h, 4);
				w[j] = _mm512_or_si512(_mm512_and_si512(l, low), _mm512_and_si512(h, pair));
			}
			for (int part = 0; part < 2; part++, offset += n) {
				const signed char *sc = (const signed char *)tile + 32 + 16 * (2 * s + part);
				__m512 ds = _mm512_mul_ps(d, _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(
				                                 _mm_loadu_si128((const void *)sc))));
				const __m512i *wp = w + 4 * part;
				for (int r = 0; r < n; r++) {
					const int8_t *xq = q + 32 * r + 16 * part;
					__m512i i = _mm512_set1_epi32(offset[r]);
					for (int j = 0; j < 4; j++) i = _mm512_dpbusd_epi32(i, wp[j], broadcast4(xq + 4 * j));
					__m512 f = _mm512_mul_ps(ds, _mm512_set1_ps(scale[r]));
					acc[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(i), f, acc[r]);
				}
			}
		}
	}
	for (int r = 0; r < n; r++) _mm512_storeu_ps(out + TILE * r, acc[r]);
}

/* One function a number of rows, 1 … MAX_ROWS. */
#define EACH_N(call) \
	switch (group_rows(x, group)) { \
	case 1: call(1); break; case 2: call(2); break; case 3: call(3); break; case 4: call(4); break; \
	case 5: call(5); break; case 6: call(6); break; case 7: call(7); break; case 8: call(8); break; \
	case 9: call(9); break; case 10: call(10); break; case 11: call(11); break; case 12: call(12); break; \
	case 13: call(13); break; case 14: call(14); break; case 15: call(15); break; default: call(16); break; \
	}

static void tile_q8_0(const void *tile, const struct quantised_rows *x, int64_t group, float *out)
{
#define CALL(N) tile_32(VITA_Q8_0, tile, x, group, N, out)
	EACH_N(CALL)
#undef CALL
}

static void tile_q4_0(const void *tile, const struct quantised_rows *x, int64_t group, float *out)
{
#define CALL(N) tile_32(VITA_Q4_0, tile, x, group, N, out)
	EACH_N(CALL)
#undef CALL
}

static void tile_q4_1(const void *tile, const struct quantised_rows *x, int64_t group, float *out)
{
#define CALL(N) tile_32(VITA_Q4_1, tile, x, group, N, out)
	EACH_N(CALL)
#undef CALL
}

static void tile_q4_k(const void *tile, const struct quantised_rows *x, int64_t group, float *out)
{
#define CALL(N) tile_q4_k_n(tile, x, group, N, out)
	EACH_N(CALL)
#undef CALL
}

static void tile_q6_k(const void *tile, const struct quantised_rows *x, int64_t group, float *out)
{
#define CALL(N) tile_q6_k_n(tile, x, group, N, out)
	EACH_N(CALL)
#undef CALL
}

/* Scale by the largest magnitude of each 32 values, so that it becomes 127. */
static void quantise(const float *x, int64_t row, struct quantised_rows *out)
{
	const int64_t blocks = out->k / QUANT_BLOCK, group = row / MAX_ROWS, at = group * MAX_ROWS * blocks;
	const int n = group_rows(out, group), r = (int)(row % MAX_ROWS), halves = out->sum_block == 16;
	for (int64_t b = 0; b < blocks; b++) {
		int8_t *q = out->q + (at + b * n + r) * 32;
		__m512 v0 = _mm512_loadu_ps(x + 32 * b), v1 = _mm512_loadu_ps(x + 32 * b + 16);
		float largest = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(v0), _mm512_abs_ps(v1)));
		float scale = largest / 127.0f;
		__m512 inverse = _mm512_set1_ps(largest > 0 ? 127.0f / largest : 0);
		__m512i i0 = _mm512_cvtps_epi32(_mm512_mul_ps(v0, inverse));
		__m512i i1 = _mm512_cvtps_epi32(_mm512_mul_ps(v1, inverse));
		_mm_storeu_si128((void *)q, _mm512_cvtepi32_epi8(i0));
		_mm_storeu_si128((void *)(q + 16), _mm512_cvtepi32_epi8(i1));
		int32_t s0 = _mm512_reduce_add_epi32(i0), s1 = _mm512_reduce_add_epi32(i1);
		out->scale[at + b * n + r] = scale;
		out->sum[at + b * n + r] = scale * (float)(s0 + s1);
		if (halves) {
			out->offset[2 * at + 2 * b * n + r] = -out->zero_point * s0;
			out->offset[2 * at + (2 * b + 1) * n + r] = -out->zero_point * s1;
		} else {
			out->offset[at + b * n + r] = -out->zero_point * (s0 + s1);
		}
	}
}

/* ---- plain weights: each lane takes its own values along k, summed at the end ------------------------ */

INLINE __mmask16 tail16(int64_t n)
{
	return n >= 16 ? 0xffff : (__mmask16)((1u << n) - 1);
}

INLINE __m512 load_weights(uint32_t dtype, const void *w, int64_t i, __mmask16 mask)
{
	if (dtype == VITA_F32) return _mm512_maskz_loadu_ps(mask, (const float *)w + i);
	__m256i half = _mm256_maskz_loadu_epi16(mask, (const uint16_t *)w + i);
	if (dtype == VITA_F16) return _mm512_cvtph_ps(half);
	return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

INLINE void rows_float(uint32_t dtype, const void *w, int64_t w_stride, int n_w, const void *x, int64_t x_stride, int n,
                       int64_t k, float *out)
{
	__m512 acc[6][4];
	for (int r = 0; r < n; r++)
		for (int i = 0; i < n_w; i++) acc[r][i] = _mm512_setzero_ps();
	for (int64_t j = 0; j < k; j += 16) {
		__mmask16 mask = tail16(k - j);
		__m512 wv[4];
		for (int i = 0; i < n_w; i++) wv[i] = load_weights(dtype, (const char *)w + i * w_stride, j, mask);
		for (int r = 0; r < n; r++) {
			__m512 xv = _mm512_maskz_loadu_ps(mask, (const float *)((const char *)x + r * x_stride) + j);
			for (int i = 0; i < n_w; i++) acc[r][i] = _mm512_fmadd_ps(wv[i], xv, acc[r][i]);
		}
	}
	for (int r = 0; r < n; r++)
		for (int i = 0; i < n_w; i++) out[r * TILE + i] = _mm512_reduce_add_ps(acc[r][i]);
}

/* Blocks of 6, then what is left, so that accumulators fit the registers. */
#define ROWS_KERNEL(name, body, ...) \
	static void name(const void *w, int64_t w_stride, int n_w, const void *x, int64_t x_stride, int n, int64_t k, \
	                 float *out) \
	{ \
		const char *xr = x; \
		for (; n > 0; n -= 6, xr += 6 * x_stride, out += 6 * TILE) { \
			if (n_w != 4) { \
				for (int r = 0; r < (n < 6 ? n : 6); r++) \
					for (int i = 0; i < n_w; i++) \
						body(__VA_ARGS__ (const char *)w + i * w_stride, w_stride, 1, xr + r * x_stride, \
						     x_stride, 1, k, out + r * TILE + i); \
				continue; \
			} \
			switch (n) { \
			case 1: body(__VA_ARGS__ w, w_stride, 4, xr, x_stride, 1, k, out); break; \
			case 2: body(__VA_ARGS__ w, w_stride, 4, xr, x_stride, 2, k, out); break; \
			case 3: body(__VA_ARGS__ w, w_stride, 4, xr, x_stride, 3, k, out); break; \
			case 4: body(__VA_ARGS__ w, w_stride, 4, xr, x_stride, 4, k, out); break; \
			case 5: body(__VA_ARGS__ w, w_stride, 4, xr, x_stride, 5, k, out); break; \
			default: body(__VA_ARGS__ w, w_stride, 4, xr, x_stride, 6, k, out); break; \
			} \
		} \
	}
#define COMMA ,
ROWS_KERNEL(rows_f32, rows_float, VITA_F32 COMMA)
ROWS_KERNEL(rows_f16, rows_float, VITA_F16 COMMA)
ROWS_KERNEL(rows_bf16, rows_float, VITA_BF16 COMMA)

static void to_bf16(const float *x, uint16_t *y, int64_t n)
{
	for (int64_t i = 0; i < n; i += 16) {
		__mmask16 mask = tail16(n - i);
		__m256bh v = _mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, x + i));
		_mm256_mask_storeu_epi16(y + i, mask, (__m256i)v);
	}
}

/* ---- vectors ----------------------------------------------------------------------------------------- */

static float dot(const float *a, const float *b, int64_t n)
{
	__m512 s = _mm512_setzero_ps();
	for (int64_t i = 0; i < n; i += 16) {
		__mmask16 mask = tail16(n - i);
		s = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, a + i), _mm512_maskz_loadu_ps(mask, b + i), s);
	}
	return _mm512_reduce_add_ps(s);
}

static float dot_f16(const float *a, const uint16_t *b, int64_t n)
{
	__m512 s = _mm512_setzero_ps();
	for (int64_t i = 0; i < n; i += 16) {
		__mmask16 mask = tail16(n - i);
		s = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, a + i), load_weights(VITA_F16, b, i, mask), s);
	}
	return _mm512_reduce_add_ps(s);
}

static void axpy(float a, const float *x, float *y, int64_t n)
{
	__m512 av = _mm512_set1_ps(a);
	for (int64_t i = 0; i < n; i += 16) {
		__mmask16 mask = tail16(n - i);
		__m512 v = _mm512_fmadd_ps(av, _mm512_maskz_loadu_ps(mask, x + i), _mm512_maskz_loadu_ps(mask, y + i));
		_mm512_mask_storeu_ps(y + i, mask, v);
	}
}

static void axpy_f16(float a, const uint16_t *x, float *y, int64_t n)
{
	__m512 av = _mm512_set1_ps(a);
	for (int64_t i = 0; i < n; i += 16) {
		__mmask16 mask = tail16(n - i);
		__m512 v = _mm512_fmadd_ps(av, load_weights(VITA_F16, x, i, mask), _mm512_maskz_loadu_ps(mask, y + i));
		_mm512_mask_storeu_ps(y + i, mask, v);
	}
}

static float sum_squares(const float *x, int64_t n)
{
	return dot(x, x, n);
}

static void scale_mul(float *y, const float *x, const float *w, float scale, int64_t n)
{
	__m512 s = _mm512_set1_ps(scale);
	for (int64_t i = 0; i < n; i += 16) {
		__mmask16 mask = tail16(n - i);
		__m512 v = _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, x + i), s);
		if (w) v = _mm512_mul_ps(v, _mm512_maskz_loadu_ps(mask, w + i));
		_mm512_mask_storeu_ps(y + i, mask, v);
	}
}

/* exp by 2^n · p(f), x log2(e) = n + f, |f| <= 1/2; p is the Taylor polynomial of degree 6 of 2^f, whose
 * error on that interval is below 2^-23. Large negative x give 0. */
INLINE __m512 exp16(__m512 x)
{
	x = _mm512_max_ps(_mm512_min_ps(x, _mm512_set1_ps(88.7f)), _mm512_set1_ps(-126.0f));
	__m512 t = _mm512_mul_ps(x, _mm512_set1_ps(1.44269504089f));
	__m512 n = _mm512_roundscale_ps(t, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
	__m512 f = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
	f = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), f);
	__m512 p = _mm512_set1_ps(1.0f / 5040);
	p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1.0f / 720));
	p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1.0f / 120));
	p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1.0f / 24));
	p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1.0f / 6));
	p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.5f));
	p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1.0f));
	p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1.0f));
	return _mm512_scalef_ps(p, n);
}

static float softmax_exp(float *x, float max, int64_t n)
{
	__m512 sum = _mm512_setzero_ps(), m = _mm512_set1_ps(max);
	for (int64_t i = 0; i < n; i += 16) {
		__mmask16 mask = tail16(n - i);
		__m512 v = _mm512_maskz_loadu_ps(mask, x + i);
		__mmask16 hidden = _mm512_cmp_ps_mask(v, _mm512_set1_ps(-INFINITY), _CMP_EQ_OQ);
		__m512 e = _mm512_maskz_mov_ps((__mmask16)(mask & ~hidden), exp16(_mm512_sub_ps(v, m)));
		_mm512_mask_storeu_ps(x + i, mask, e);
		sum = _mm512_add_ps(sum, e);
	}
	return _mm512_reduce_add_ps(sum);
}

static void silu_mul(float *y, const float *gate, const float *up, int64_t n)
{
	const __m512 one = _mm512_set1_ps(1.0f);
	for (int64_t i = 0; i < n; i += 16) {
		__mmask16 mask = tail16(n - i);
		__m512 g = _mm512_maskz_loadu_ps(mask, gate + i);
		__m512 e = exp16(_mm512_sub_ps(_mm512_setzero_ps(), g));
		__m512 v = _mm512_div_ps(_mm512_mul_ps(g, _mm512_maskz_loadu_ps(mask, up + i)), _mm512_add_ps(one, e));
		_mm512_mask_storeu_ps(y + i, mask, v);
	}
}

/* ---- roofs ------------------------------------------------------------------------------------------- */

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

/* Sixteen chains hide the latency; the empty assembler keeps the compiler from folding the rounds. */
#define CHAINS 16

static double spin(uint32_t dtype, int64_t steps)
{
	if (dtype == VITA_Q8_0) {
		__m512i acc[CHAINS], x = _mm512_set1_epi8(3);
		for (int i = 0; i < CHAINS; i++) acc[i] = _mm512_setzero_si512();
		for (int64_t s = 0; s < steps; s++)
			for (int i = 0; i < CHAINS; i++) {
				acc[i] = _mm512_dpbusd_epi32(acc[i], x, x);
				__asm__("" : "+v"(acc[i]));
			}
		return 2.0 * 64 * CHAINS * (double)steps;
	}
	__m512 acc[CHAINS], x = _mm512_set1_ps(0.999f);
	for (int i = 0; i < CHAINS; i++) acc[i] = _mm512_setzero_ps();
	for (int64_t s = 0; s < steps; s++)
		for (int i = 0; i < CHAINS; i++) {
			if (dtype == VITA_F32) acc[i] = _mm512_fmadd_ps(acc[i], x, x);
			else acc[i] = _mm512_dpbf16_ps(acc[i], (__m512bh)_mm512_castps_si512(x), (__m512bh)_mm512_castps_si512(x));
			__asm__("" : "+v"(acc[i]));
		}
	return 2.0 * (dtype == VITA_F32 ? 16 : 32) * CHAINS * (double)steps;
}

const struct cpu_kernels cpu_kernels_avx512 = {
	.name = "avx512",
	.tile_q8_0 = tile_q8_0, .tile_q4_0 = tile_q4_0, .tile_q4_1 = tile_q4_1,
	.tile_q4_k = tile_q4_k, .tile_q6_k = tile_q6_k, .quantise = quantise,
	.rows_f32 = rows_f32, .rows_f16 = rows_f16, .rows_bf16 = rows_bf16,
	.to_bf16 = to_bf16,
	.dot = dot, .dot_f16 = dot_f16, .axpy = axpy, .axpy_f16 = axpy_f16,
	.sum_squares = sum_squares, .scale_mul = scale_mul, .softmax_exp = softmax_exp, .silu_mul = silu_mul,
	.read = read_memory, .spin = spin,
};
#endif
