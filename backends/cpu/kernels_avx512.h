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

/* The same four bytes in all lanes. */
INLINE __m512i broadcast4(const void *p)
{
	int32_t v;
	memcpy(&v, p, sizeof v);
	return _mm512_set1_epi32(v);
}

tile_kernel avx512_tile_q8_0, avx512_tile_q4_0, avx512_tile_q4_1, avx512_tile_q4_k, avx512_tile_q6_k;
quantise_kernel avx512_quantise, avx512_quantise_bytes;
spread_kernel avx512_spread;
bytes_kernel avx512_bytes;
#endif

#endif
