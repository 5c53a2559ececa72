/* SPDX-License-Identifier: MIT
 *
 * Between the files of AVX-512 kernels.
 */
#ifndef VITA_CPU_KERNELS_AVX512_H
#define VITA_CPU_KERNELS_AVX512_H

#include "kernels.h"

#if defined(__x86_64__) && defined(__AVX512VNNI__) && defined(__AVX512BF16__)
#define KERNELS_AVX512
#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

/* Loops over accumulators must vanish, or these live in memory. */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

/* Instructions that add to their first operand are written out: given the intrinsic functions, GCC (12) moves
 * accumulators around between registers, and code is several times slower. */
INLINE __m512i dot_bytes(__m512i sum, __m512i unsigned_bytes, __m512i signed_bytes)
{
	__asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(unsigned_bytes), "v"(signed_bytes));
	return sum;
}

/* The same four signed bytes, in memory, for all lanes: no instruction, and no register, for bringing them there. */
INLINE __m512i dot_four_bytes(__m512i sum, __m512i unsigned_bytes, const int8_t *four)
{
	__asm__("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(unsigned_bytes), "m"(*(const int8_t (*)[4])four));
	return sum;
}

INLINE __m512i dot_words(__m512i sum, __m512i a, __m512i b)
{
	__asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
	return sum;
}

INLINE __m512 dot_bf16(__m512 sum, __m512i a, __m512i b)
{
	__asm__("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
	return sum;
}

INLINE __m512 multiply_add(__m512 sum, __m512 a, __m512 b)
{
	__asm__("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
	return sum;
}

/* The same factor, in memory, for all lanes. */
INLINE __m512 multiply_add_one(__m512 sum, __m512 a, const float *factor)
{
	__asm__("vfmadd231ps %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(a), "m"(*factor));
	return sum;
}

/* The same four bytes in all lanes. */
INLINE __m512i broadcast4(const void *p)
{
	int32_t v;
	memcpy(&v, p, sizeof v);
	return _mm512_set1_epi32(v);
}

/* The first n lanes, all where n is larger. */
INLINE __mmask16 tail16(int64_t n)
{
	return n >= 16 ? 0xffff : n <= 0 ? 0 : (__mmask16)((1u << n) - 1);
}

INLINE __mmask32 tail32(int64_t n)
{
	return n >= 32 ? 0xffffffffu : n <= 0 ? 0 : (__mmask32)((1u << n) - 1);
}

/* 16 × 16 words: r[i] becomes column i. */
INLINE void transpose(__m512i r[16])
{
	__m512i t[16];
	UNROLL
	for (int i = 0; i < 16; i += 2) {
		t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
		t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
	}
	UNROLL
	for (int i = 0; i < 16; i += 4) {
		r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
		r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
		r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
		r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
	}
	/* quarter q of r[4 g + c] holds column 4 q + c of rows 4 g … 4 g + 3 */
	UNROLL
	for (int c = 0; c < 4; c++) {
		const __m512i a = _mm512_shuffle_i32x4(r[c], r[c + 4], 0x88), b = _mm512_shuffle_i32x4(r[c + 8], r[c + 12], 0x88);
		const __m512i d = _mm512_shuffle_i32x4(r[c], r[c + 4], 0xdd), e = _mm512_shuffle_i32x4(r[c + 8], r[c + 12], 0xdd);
		t[c] = _mm512_shuffle_i32x4(a, b, 0x88);
		t[c + 8] = _mm512_shuffle_i32x4(a, b, 0xdd);
		t[c + 4] = _mm512_shuffle_i32x4(d, e, 0x88);
		t[c + 12] = _mm512_shuffle_i32x4(d, e, 0xdd);
	}
	UNROLL
	for (int i = 0; i < 16; i++) r[i] = t[i];
}

extern const struct half_kernels avx512_half;
tile_kernel avx512_tile_q8_0, avx512_tile_q4_0, avx512_tile_q4_1, avx512_tile_q4_k, avx512_tile_q6_k;
quantise_kernel avx512_quantise, avx512_quantise_bytes;
spread_kernel avx512_spread;
bytes_kernel avx512_bytes;
#endif

#endif
