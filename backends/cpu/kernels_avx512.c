/* SPDX-License-Identifier: MIT
 *
 * Products with packed weights for AVX-512 with VNNI. This file and kernels_avx512_plain.c alone are compiled
 * with those instructions; nothing in them runs before cpu_kernels_choose has asked the processor.
 *
 * vpdpbusd adds, in each of 16 lanes, four products of an unsigned byte (a weight, its zero point not yet
 * taken off) and a signed byte (an activation). A lane is a weight row; the four bytes are neighbours along k,
 * which is how tiles lie. Two registers hold a tile's 32 rows, so that one broadcast of four activations
 * serves both: a memory operand of either product, so that it takes no instruction of its own. The zero point's share,
 * -zero · Σ x, is what accumulators start from.
 *
 * A span of a tile meets all rows of a group, up to 7 at a time (their accumulators fit the registers), while
 * it is in the first-level cache and the next one is being fetched: memory is read once and evenly.
 */
#include "kernels_avx512.h"
#include "tiles.h"

#if defined(KERNELS_AVX512)

#define AT_ONCE 7 /* activation rows whose accumulators fit the registers */
#define AHEAD 6144 /* bytes between what is multiplied and what is fetched */

/* More rows than fit the registers take several calls. The first takes the weights apart and leaves them as bytes,
 * [columns / 4][TILE rows][4], for the others. */
enum call { ONLY, FIRST, LATER };

/* One span of a tile and the rows that meet it. */
struct span {
	const unsigned char *head;  /* its first block */
	unsigned char *bytes;       /* its weights as bytes, where several calls need them */
	const int8_t *q;            /* [blocks][stride][32] from the first of these rows on */
	const void *sums;
	const float *scale;
	int blocks, stride;         /* blocks of 32 in this span; rows of the group */
	const unsigned char *ahead; /* what to fetch meanwhile */
	int64_t step;               /* bytes from what to fetch with a block to what with the next */
	float *out;                 /* [rows][TILE], added to */
};

/* With group `group` of the eight of a block of `lines` lines. All at once would wait for one another: the first-level cache
 * has only so many buffers for lines that are under way. Several calls share the lines; how many each of them asks for is
 * a constant, or there would be a branch for each group: the third and later ones ask for lines again. */
INLINE void fetch(const unsigned char *ahead, int group, int lines, enum call call)
{
	const int n = call == ONLY ? lines : (lines + 1) / 2;
	UNROLL
	for (int i = group; i < n; i += 8)
		_mm_prefetch((const char *)ahead + 64 * i, _MM_HINT_T1);
}

INLINE __m512 load_halves(const unsigned char *p)
{
	return _mm512_cvtph_ps(_mm256_load_si256((const void *)p));
}

/* Lanes 0 … 15 and 16 … 31 of a group of four columns; plain bytes, or the low or high nibbles of them. */
INLINE void load_group(const unsigned char *p, int nibbles, int high, __m512i w[2])
{
	UNROLL
	for (int t = 0; t < 2; t++) {
		w[t] = _mm512_load_si512(p + 64 * t);
		if (high) w[t] = _mm512_srli_epi16(w[t], 4);
		if (nibbles) w[t] = _mm512_and_si512(w[t], _mm512_set1_epi8(15));
	}
}

/* For later calls. */
INLINE void keep_group(enum call call, const __m512i w[2], unsigned char *bytes)
{
	if (call != FIRST) return;
	_mm512_store_si512(bytes, w[0]);
	_mm512_store_si512(bytes + 64, w[1]);
}

/* i[row][t] += w[t] · four bytes of each row */
INLINE void multiply_group(const __m512i w[2], const int8_t *q, int rows, __m512i i[AT_ONCE][2])
{
	UNROLL
	for (int r = 0; r < rows; r++) {
		i[r][0] = dot_four_bytes(i[r][0], w[0], q + 32 * r);
		i[r][1] = dot_four_bytes(i[r][1], w[1], q + 32 * r);
	}
}

INLINE void clear(__m512 sum[AT_ONCE][2], int rows)
{
	UNROLL
	for (int r = 0; r < rows; r++) sum[r][0] = sum[r][1] = _mm512_setzero_ps();
}

/* out += scale · sum, the scale of a span in each row; NULL where sums have theirs already. */
INLINE void add_to_out(const struct span *s, int rows, const float *scale, __m512 sum[AT_ONCE][2])
{
	UNROLL
	for (int r = 0; r < rows; r++) {
		UNROLL
		for (int t = 0; t < 2; t++) {
			float *out = s->out + TILE * r + 16 * t;
			const __m512 factor = _mm512_set1_ps(scale ? scale[r] : 1.0f);
			_mm512_storeu_ps(out, _mm512_fmadd_ps(sum[r][t], factor, _mm512_loadu_ps(out)));
		}
	}
}

/* ---- q4_1 ---------------------------------------------------------------------------------------------- */

/* rows and call are constants where this is inlined. */
INLINE void span_q4_1(const struct span *s, int rows, enum call call)
{
	const int bytes = 2 * HALVES + 4 * GROUP;
	__m512 sum[AT_ONCE][2];
	clear(sum, rows);
	for (int b = 0; b < s->blocks; b++) {
		const unsigned char *head = s->head + b * bytes, *ahead = s->ahead + b * s->step;
		const unsigned char *groups = call == LATER ? s->bytes + 8 * GROUP * b : head + 2 * HALVES;
		const int8_t *q = s->q + 32 * (int64_t)s->stride * b;
		const float *whole = (const float *)s->sums + (int64_t)s->stride * b;
		__m512i i[AT_ONCE][2];
		UNROLL
		for (int r = 0; r < rows; r++) i[r][0] = i[r][1] = _mm512_setzero_si512();
		UNROLL
		for (int j = 0; j < 8; j++) {
			__m512i w[2];
			fetch(ahead, j, bytes / 64, call);
			load_group(groups + GROUP * (call == LATER ? j : j & 3), call != LATER, call != LATER && j >= 4, w);
			keep_group(call, w, s->bytes + GROUP * (8 * b + j));
			multiply_group(w, q + 4 * j, rows, i);
		}
		const __m512 d[2] = { load_halves(head), load_halves(head + 32) };
		const __m512 m[2] = { load_halves(head + HALVES), load_halves(head + HALVES + 32) };
		UNROLL
		for (int r = 0; r < rows; r++) {
			const __m512 scale = _mm512_set1_ps(s->scale[(int64_t)s->stride * b + r]);
			sum[r][0] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(i[r][0]), _mm512_mul_ps(d[0], scale), sum[r][0]);
			sum[r][1] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(i[r][1]), _mm512_mul_ps(d[1], scale), sum[r][1]);
			sum[r][0] = _mm512_fmadd_ps(m[0], _mm512_set1_ps(whole[r]), sum[r][0]);
			sum[r][1] = _mm512_fmadd_ps(m[1], _mm512_set1_ps(whole[r]), sum[r][1]);
		}
	}
	add_to_out(s, rows, NULL, sum);
}

/* ---- q4_0 ---------------------------------------------------------------------------------------------- */

/* Integers become floats without an instruction that converts: the bits of FLOAT_AT, plus i, are those of the float
 * FLOAT_AT + i, for |i| < 2^22. So accumulators start from such bits, and what scales have added too much at the end of a
 * span, FLOAT_AT · Σ d, is the same for all rows. Odd blocks start from -FLOAT_AT and meet activations of opposite sign:
 * where all d have one sign that sum stays small, and results are off by 0.0003 of their root mean square; where they have
 * either, as others' files have, it is up to eight times FLOAT_AT · d, and they are off by 0.001 (both by simulation).
 * Rounding activations to bytes costs 20 and 8 times as much.
 *
 * What later calls need lies in `bytes`: of each block d as floats, then the bytes; at the end the excess. */
#define FLOAT_AT 12582912.0f /* 1.5 · 2^23 */
#define FLOAT_AT_BITS 0x4b400000
#define KEPT (TILE * 4)      /* bytes of a float for each row */

INLINE void load_floats(const unsigned char *kept, __m512 x[2])
{
	x[0] = _mm512_load_ps(kept);
	x[1] = _mm512_load_ps(kept + 64);
}

INLINE void keep_floats(enum call call, unsigned char *kept, const __m512 x[2])
{
	if (call != FIRST) return;
	_mm512_store_ps(kept, x[0]);
	_mm512_store_ps(kept + 64, x[1]);
}

/* A block's products, which start from start[row]. */
INLINE void block_q4_0(const unsigned char *head, unsigned char *kept, const unsigned char *ahead, const int8_t *q,
                       const int32_t *start, int rows, enum call call, __m512i i[AT_ONCE][2])
{
	UNROLL
	for (int r = 0; r < rows; r++) i[r][0] = i[r][1] = _mm512_set1_epi32(start[r]);
	UNROLL
	for (int j = 0; j < 8; j++) {
		__m512i w[2];
		fetch(ahead, j, (HALVES + 4 * GROUP) / 64, call);
		if (call == LATER) load_group(kept + KEPT + GROUP * j, 0, 0, w);
		else load_group(head + HALVES + GROUP * (j & 3), 1, j >= 4, w);
		keep_group(call, w, kept + KEPT + GROUP * j);
		multiply_group(w, q + 4 * j, rows, i);
	}
}

INLINE void span_q4_0(const struct span *s, int rows, enum call call)
{
	const unsigned char *head = s->head, *ahead = s->ahead;
	unsigned char *kept = s->bytes;
	const int8_t *q = s->q;
	const int32_t *start = s->sums;
	__m512 sum[AT_ONCE][2], excess[2] = { _mm512_setzero_ps(), _mm512_setzero_ps() };
	clear(sum, rows);
	for (int b = 0; b < s->blocks; b++) {
		const float sign = b % 2 ? -FLOAT_AT : FLOAT_AT;
		__m512i i[AT_ONCE][2];
		__m512 d[2] = { _mm512_setzero_ps(), _mm512_setzero_ps() };
		block_q4_0(head, kept, ahead, q, start, rows, call, i);
		if (call == LATER) load_floats(kept, d);
		UNROLL
		for (int t = 0; t < 2 && call != LATER; t++) {
			d[t] = load_halves(head + 32 * t);
			excess[t] = _mm512_fmadd_ps(d[t], _mm512_set1_ps(sign), excess[t]);
		}
		keep_floats(call, kept, d);
		UNROLL
		for (int r = 0; r < rows; r++) {
			sum[r][0] = multiply_add(sum[r][0], _mm512_castsi512_ps(i[r][0]), d[0]);
			sum[r][1] = multiply_add(sum[r][1], _mm512_castsi512_ps(i[r][1]), d[1]);
		}
		head += HALVES + 4 * GROUP, kept += KEPT + 8 * GROUP, ahead += s->step;
		q += 32 * (int64_t)s->stride, start += s->stride;
	}
	keep_floats(call, kept, excess);
	if (call == LATER) load_floats(kept, excess);
	UNROLL
	for (int r = 0; r < rows; r++) {
		sum[r][0] = _mm512_sub_ps(sum[r][0], excess[0]);
		sum[r][1] = _mm512_sub_ps(sum[r][1], excess[1]);
	}
	add_to_out(s, rows, s->scale, sum);
}

/* ---- q8_0 ---------------------------------------------------------------------------------------------- */

/* As in q4_0 integers are numbers that stand FLOAT_AT too high. Each block of activations has its own scale, so what is
 * too much is taken off before that: number · d - FLOAT_AT · d, rounded once. FLOAT_AT · d is exact, so nothing is lost. What
 * later calls need lies in `bytes`: of each block d as floats, then FLOAT_AT · d. */

/* number · d - excess */
INLINE __m512 take_off(__m512 number, __m512 d, const unsigned char *excess)
{
	__asm__("vfmsub213ps %2, %1, %0" : "+v"(number) : "v"(d), "m"(*(const unsigned char (*)[64])excess));
	return number;
}

/* A block's products, which start from start[row]. Four bytes of activations are loaded once for both halves of the tile:
 * that takes an instruction more, but loads would be what this waits for. */
INLINE void block_q8_0(const unsigned char *head, const unsigned char *ahead, const int8_t *q, const int32_t *start,
                       int rows, enum call call, __m512i i[AT_ONCE][2])
{
	UNROLL
	for (int r = 0; r < rows; r++) i[r][0] = i[r][1] = _mm512_set1_epi32(start[r]);
	UNROLL
	for (int j = 0; j < 8; j++) {
		__m512i w[2];
		fetch(ahead, j, (HALVES + 8 * GROUP) / 64, call);
		load_group(head + HALVES + GROUP * j, 0, 0, w);
		UNROLL
		for (int r = 0; r < rows; r++) {
			const __m512i x = broadcast4(q + 32 * r + 4 * j);
			i[r][0] = dot_bytes(i[r][0], w[0], x);
			i[r][1] = dot_bytes(i[r][1], w[1], x);
		}
	}
}

INLINE void span_q8_0(const struct span *s, int rows, enum call call)
{
	const unsigned char *head = s->head, *ahead = s->ahead;
	unsigned char *kept = s->bytes;
	const int8_t *q = s->q;
	const int32_t *start = s->sums;
	const float *scale = s->scale;
	__m512 sum[AT_ONCE][2];
	clear(sum, rows);
	for (int b = 0; b < s->blocks; b++) {
		__m512i i[AT_ONCE][2];
		__m512 d[2];
		UNROLL
		for (int t = 0; t < 2 && call != LATER; t++) {
			d[t] = load_halves(head + 32 * t);
			_mm512_store_ps(kept + 64 * t, d[t]);
			_mm512_store_ps(kept + KEPT + 64 * t, _mm512_mul_ps(d[t], _mm512_set1_ps(FLOAT_AT)));
		}
		block_q8_0(head, ahead, q, start, rows, call, i);
		load_floats(kept, d);
		UNROLL
		for (int r = 0; r < rows; r++) {
			UNROLL
			for (int t = 0; t < 2; t++) {
				const __m512 v = take_off(_mm512_castsi512_ps(i[r][t]), d[t], kept + KEPT + 64 * t);
				sum[r][t] = multiply_add_one(sum[r][t], v, scale + r);
			}
		}
		head += HALVES + 8 * GROUP, kept += 2 * KEPT, ahead += s->step;
		q += 32 * (int64_t)s->stride, start += s->stride, scale += s->stride;
	}
	add_to_out(s, rows, NULL, sum);
}

/* ---- blocks of 256: q4_k, q6_k ------------------------------------------------------------------------ */

/* Minima: in each lane two neighbouring sub-blocks' minima meet the sums of two sub-blocks of activations. */
INLINE void subtract_minima(const struct span *s, int rows, __m512 sum[AT_ONCE][2])
{
	const int16_t *sums = s->sums;
	__m512i i[AT_ONCE][2];
	UNROLL
	for (int r = 0; r < rows; r++) i[r][0] = i[r][1] = _mm512_setzero_si512();
	UNROLL
	for (int p = 0; p < 4; p++) {
		const unsigned char *minima = s->head + Q4_K_MINIMA + 2 * TILE * p;
		const __m512i m0 = _mm512_cvtepu8_epi16(_mm256_load_si256((const void *)minima));
		const __m512i m1 = _mm512_cvtepu8_epi16(_mm256_load_si256((const void *)(minima + TILE)));
		UNROLL
		for (int r = 0; r < rows; r++) {
			const __m512i x = broadcast4(sums + 2 * ((int64_t)s->stride * p + r));
			i[r][0] = dot_words(i[r][0], m0, x);
			i[r][1] = dot_words(i[r][1], m1, x);
		}
	}
	const __m512 d[2] = { load_halves(s->head + HALVES), load_halves(s->head + HALVES + 32) };
	UNROLL
	for (int r = 0; r < rows; r++) {
		sum[r][0] = _mm512_fnmadd_ps(_mm512_cvtepi32_ps(i[r][0]), d[0], sum[r][0]);
		sum[r][1] = _mm512_fnmadd_ps(_mm512_cvtepi32_ps(i[r][1]), d[1], sum[r][1]);
	}
}

/* sum += d · scale · i, the scales being 16 bytes for each half of the tile's rows. */
INLINE void add_scaled(__m512 d0, __m512 d1, __m512i scale0, __m512i scale1, int rows, __m512i i[AT_ONCE][2],
                       __m512 sum[AT_ONCE][2])
{
	const __m512 f0 = _mm512_mul_ps(d0, _mm512_cvtepi32_ps(scale0)), f1 = _mm512_mul_ps(d1, _mm512_cvtepi32_ps(scale1));
	UNROLL
	for (int r = 0; r < rows; r++) {
		sum[r][0] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(i[r][0]), f0, sum[r][0]);
		sum[r][1] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(i[r][1]), f1, sum[r][1]);
	}
}

/* Sub-blocks of 32 with 6-bit scales and minima: value = d · scale · q - dmin · minimum. */
INLINE void span_q4_k(const struct span *s, int rows, enum call call)
{
	const __m512 d0 = load_halves(s->head), d1 = load_halves(s->head + 32);
	__m512 sum[AT_ONCE][2];
	clear(sum, rows);
	for (int b = 0; b < 8; b += 2) {
		const unsigned char *groups = s->head + Q4_K_NIBBLES + 4 * GROUP * b;
		UNROLL
		for (int side = 0; side < 2; side++) {
			const unsigned char *scales = s->head + Q4_K_SCALES + TILE * (b + side);
			const int8_t *q = s->q + 32 * (int64_t)s->stride * (b + side);
			__m512i i[AT_ONCE][2];
			UNROLL
			for (int r = 0; r < rows; r++) i[r][0] = i[r][1] = _mm512_setzero_si512();
			UNROLL
			for (int j = 0; j < 8; j++) {
				__m512i w[2];
				fetch(s->ahead + (b + side) * s->step, j, 9, call);
				if (call == LATER) load_group(s->bytes + GROUP * (8 * (b + side) + j), 0, 0, w);
				else load_group(groups + GROUP * j, 1, side, w);
				keep_group(call, w, s->bytes + GROUP * (8 * (b + side) + j));
				multiply_group(w, q + 4 * j, rows, i);
			}
			add_scaled(d0, d1, _mm512_cvtepu8_epi32(_mm_load_si128((const void *)scales)),
			           _mm512_cvtepu8_epi32(_mm_load_si128((const void *)(scales + 16))), rows, i, sum);
		}
	}
	subtract_minima(s, rows, sum);
	add_to_out(s, rows, s->scale, sum);
}

/* Four columns of six-bit weights of a quarter: low bits from nibbles, two more from the pairs. */
INLINE void load_six_bits(const unsigned char *nibbles, const unsigned char *pairs, int quarter, __m512i w[2])
{
	UNROLL
	for (int t = 0; t < 2; t++) {
		__m512i l = _mm512_load_si512(nibbles + 64 * t), h = _mm512_load_si512(pairs + 64 * t);
		if (quarter >= 2) l = _mm512_srli_epi16(l, 4);
		if (quarter == 0) h = _mm512_slli_epi16(h, 4);
		if (quarter == 1) h = _mm512_slli_epi16(h, 2);
		if (quarter == 3) h = _mm512_srli_epi16(h, 2);
		/* bits 4 and 5 from h, the others from l, of which those above 3 go */
		l = _mm512_and_si512(l, _mm512_set1_epi8(15));
		w[t] = _mm512_ternarylogic_epi32(l, h, _mm512_set1_epi8(48), 0xf8);
	}
}

/* One quarter of a half: 32 columns in two sub-blocks of 16 with 8-bit scales; value = d · scale · (q - 32). */
INLINE void quarter_q6_k(const struct span *s, int half, int quarter, int rows, enum call call, __m512 d0, __m512 d1,
                         __m512 sum[AT_ONCE][2])
{
	const int b = 4 * half + quarter;
	const unsigned char *nibbles = s->head + Q6_K_NIBBLES + (16 * half + 8 * (quarter & 1)) * GROUP;
	const unsigned char *pairs = s->head + Q6_K_PAIRS + 8 * half * GROUP;
	const int8_t *q = s->q + 32 * (int64_t)s->stride * b;
	UNROLL
	for (int part = 0; part < 2; part++) {
		const int32_t *offset = (const int32_t *)s->sums + (int64_t)s->stride * (2 * b + part);
		const unsigned char *scales = s->head + Q6_K_SCALES + TILE * (2 * b + part);
		__m512i i[AT_ONCE][2];
		UNROLL
		for (int r = 0; r < rows; r++) i[r][0] = i[r][1] = _mm512_set1_epi32(offset[r]);
		UNROLL
		for (int j = 4 * part; j < 4 * part + 4; j++) {
			__m512i w[2];
			fetch(s->ahead + b * s->step, j, 13, call);
			if (call == LATER) load_group(s->bytes + GROUP * (8 * b + j), 0, 0, w);
			else load_six_bits(nibbles + GROUP * j, pairs + GROUP * j, quarter, w);
			keep_group(call, w, s->bytes + GROUP * (8 * b + j));
			multiply_group(w, q + 4 * j, rows, i);
		}
		add_scaled(d0, d1, _mm512_cvtepi8_epi32(_mm_load_si128((const void *)scales)),
		           _mm512_cvtepi8_epi32(_mm_load_si128((const void *)(scales + 16))), rows, i, sum);
	}
}

INLINE void span_q6_k(const struct span *s, int rows, enum call call)
{
	const __m512 d0 = load_halves(s->head), d1 = load_halves(s->head + 32);
	__m512 sum[AT_ONCE][2];
	clear(sum, rows);
	for (int half = 0; half < 2; half++) {
		UNROLL
		for (int quarter = 0; quarter < 4; quarter++) {
			quarter_q6_k(s, half, quarter, rows, call, d0, d1, sum);
		}
	}
	add_to_out(s, rows, s->scale, sum);
}

/* ---- tiles -------------------------------------------------------------------------------------------- */

typedef void span_fn(const struct span *s);

/* Functions for 1 … AT_ONCE rows, in a table; several calls share the rows evenly, so that none of them has few. */
#define SPAN_N(type, n, name, call) \
	static void span_##type##_##name(const struct span *s) \
	{ \
		span_##type(s, n, call); \
	}
#define SPANS(type) \
	SPAN_N(type, 1, 1, ONLY) SPAN_N(type, 2, 2, ONLY) SPAN_N(type, 3, 3, ONLY) SPAN_N(type, 4, 4, ONLY) \
	SPAN_N(type, 5, 5, ONLY) SPAN_N(type, 6, 6, ONLY) SPAN_N(type, 7, 7, ONLY) \
	SPAN_N(type, 4, first_4, FIRST) SPAN_N(type, 5, first_5, FIRST) SPAN_N(type, 6, first_6, FIRST) \
	SPAN_N(type, 7, first_7, FIRST) \
	SPAN_N(type, 4, later_4, LATER) SPAN_N(type, 5, later_5, LATER) SPAN_N(type, 6, later_6, LATER) \
	SPAN_N(type, 7, later_7, LATER) \
	static span_fn *const spans_##type[3][AT_ONCE + 1] = { \
		{ NULL, span_##type##_1, span_##type##_2, span_##type##_3, span_##type##_4, span_##type##_5, span_##type##_6, \
		  span_##type##_7 }, \
		{ NULL, NULL, NULL, NULL, span_##type##_first_4, span_##type##_first_5, span_##type##_first_6, \
		  span_##type##_first_7 }, \
		{ NULL, NULL, NULL, NULL, span_##type##_later_4, span_##type##_later_5, span_##type##_later_6, \
		  span_##type##_later_7 } \
	};
SPANS(q8_0)
SPANS(q4_0)
SPANS(q4_1)
SPANS(q4_k)
SPANS(q6_k)

/* Results of n rows from number `first` on are written soon; each is in another page. */
INLINE void fetch_results(const struct quantised_rows *x, int64_t first, int n)
{
	const char *at = x->y + first * x->y_stride;
	for (int r = 0; r < n; r++, at += x->y_stride) {
		_mm_prefetch(at, _MM_HINT_T0);
		_mm_prefetch(at + 4 * TILE - 4, _MM_HINT_T0);
		_mm_prefetch(at + 2 * TILE, _MM_HINT_T0);
	}
}

INLINE void tile_any(uint32_t dtype, span_fn *const spans[3][AT_ONCE + 1], const unsigned char *tile,
                     const struct quantised_rows *x, int64_t number, float *out)
{
	const struct group g = group_of(x, number);
	const int64_t blocks = x->k / 32, span_bytes = tile_block_bytes(dtype) * SPAN / tile_block_columns(dtype);
	const int64_t sum_bytes = dtype == VITA_Q6_K ? 8 : dtype == VITA_Q4_K ? 2 : 4; /* of 32 values */
	const unsigned char *end = tile + blocks * 32 / tile_block_columns(dtype) * tile_block_bytes(dtype);
	const int calls = (g.n + AT_ONCE - 1) / AT_ONCE, lines = (int)(span_bytes / 64 / SPAN_BLOCKS);
	unsigned char bytes[SPAN * TILE + (SPAN_BLOCKS + 1) * KEPT] __attribute__((aligned(64)));
	for (int i = 0; i < g.n; i++) {
		_mm512_storeu_ps(out + TILE * i, _mm512_setzero_ps());
		_mm512_storeu_ps(out + TILE * i + 16, _mm512_setzero_ps());
	}
	for (int64_t b = 0; b < blocks; b += SPAN_BLOCKS, tile += span_bytes) {
		struct span s = { .head = tile, .ahead = tile + AHEAD, .stride = g.n, .bytes = bytes };
		s.step = (lines + calls - 1) / calls * 64;
		if (s.ahead >= end) s.ahead = (const unsigned char *)x->next + (s.ahead - end);
		s.blocks = blocks - b < SPAN_BLOCKS ? (int)(blocks - b) : SPAN_BLOCKS;
		for (int call = 0; call < calls; call++) {
			const int first = g.n * call / calls, n = g.n * (call + 1) / calls - first;
			s.q = g.q + (b * g.n + first) * 32;
			s.sums = (const char *)g.sums + b * g.n * sum_bytes + first * 4;
			s.scale = g.scale + b * 32 / scale_span(dtype) * g.n + first;
			s.out = out + TILE * first;
			if (x->y && b + SPAN_BLOCKS >= blocks) fetch_results(x, first, n);
			spans[calls == 1 ? ONLY : call == 0 ? FIRST : LATER][n](&s);
			s.ahead += s.step * SPAN_BLOCKS;
		}
	}
}

#define TILE_KERNEL(type, dtype) \
	void avx512_tile_##type(const unsigned char *tile, const struct quantised_rows *x, int64_t group, float *out) \
	{ \
		tile_any(dtype, spans_##type, tile, x, group, out); \
	}
TILE_KERNEL(q8_0, VITA_Q8_0)
TILE_KERNEL(q4_0, VITA_Q4_0)
TILE_KERNEL(q4_1, VITA_Q4_1)
TILE_KERNEL(q4_k, VITA_Q4_K)
TILE_KERNEL(q6_k, VITA_Q6_K)

/* ---- activations -------------------------------------------------------------------------------------- */

/* Bits of the largest magnitude of n values, a multiple of 32. */
INLINE uint32_t largest_bits(const float *x, int64_t n)
{
	const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
	__m512i a = _mm512_setzero_si512(), b = a;
	for (int64_t i = 0; i < n; i += 32) {
		a = _mm512_max_epi32(a, _mm512_and_si512(_mm512_loadu_si512(x + i), magnitude));
		b = _mm512_max_epi32(b, _mm512_and_si512(_mm512_loadu_si512(x + i + 16), magnitude));
	}
	return (uint32_t)_mm512_reduce_max_epi32(_mm512_max_epi32(a, b));
}

/* As cpu_quantise_plain, but sums for q4_0 and q8_0 have FLOAT_AT's bits added, and for q4_0 activations of odd blocks have
 * the other sign. */
void avx512_quantise(const float *x, int64_t row, const struct quantised_rows *out)
{
	const struct group g = group_of(out, row / out->per_group);
	const int64_t n = g.n, r = row % out->per_group, span = scale_span(out->dtype) / 32, blocks = out->k / 32;
	const int32_t zero = zero_point(out->dtype);
	const __m512i ones = _mm512_set1_epi8(1);
	float *scale = (float *)(uintptr_t)g.scale + r;
	char *sums = (char *)(uintptr_t)g.sums;
	float whole = 0, inverse = 0;
	for (int64_t b = 0; b < blocks; b++) {
		int8_t *q = (int8_t *)(uintptr_t)g.q + (b * n + r) * 32;
		if (b % span == 0) {
			const int64_t left = blocks - b < span ? blocks - b : span;
			scale[b / span * n] = whole = quantiser(largest_bits(x + 32 * b, 32 * left), &inverse);
		}
		const bool odd = out->dtype == VITA_Q4_0 && b % 2;
		const __m512 factor = _mm512_set1_ps(odd ? -inverse : inverse);
		const __m512i i0 = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + 32 * b), factor));
		const __m512i i1 = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + 32 * b + 16), factor));
		const __m128i q0 = _mm512_cvtsepi32_epi8(i0), q1 = _mm512_cvtsepi32_epi8(i1);
		_mm_storeu_si128((void *)q, q0);
		_mm_storeu_si128((void *)(q + 16), q1);
		/* four partial sums of each half, then both halves' */
		__m128i p0 = _mm_dpbusd_epi32(_mm_setzero_si128(), _mm512_castsi512_si128(ones), q0);
		__m128i p1 = _mm_dpbusd_epi32(_mm_setzero_si128(), _mm512_castsi512_si128(ones), q1);
		__m128i p = _mm_add_epi32(_mm_unpacklo_epi32(p0, p1), _mm_unpackhi_epi32(p0, p1));
		p = _mm_add_epi32(p, _mm_unpackhi_epi64(p, p));
		const int32_t s0 = _mm_cvtsi128_si32(p), s1 = _mm_extract_epi32(p, 1);
		switch (out->dtype) {
		case VITA_Q4_1: ((float *)(void *)sums)[b * n + r] = whole * (float)(s0 + s1); break;
		case VITA_Q4_K: ((int16_t *)(void *)sums)[2 * (b / 2 * n + r) + b % 2] = (int16_t)(s0 + s1); break;
		case VITA_Q6_K:
			((int32_t *)(void *)sums)[2 * b * n + r] = -zero * s0;
			((int32_t *)(void *)sums)[(2 * b + 1) * n + r] = -zero * s1;
			break;
		case VITA_Q4_0:
			((int32_t *)(void *)sums)[b * n + r] = (odd ? INT32_MIN | FLOAT_AT_BITS : FLOAT_AT_BITS) - zero * (s0 + s1);
			break;
		default: ((int32_t *)(void *)sums)[b * n + r] = FLOAT_AT_BITS - zero * (s0 + s1); /* q8_0 */
		}
	}
}
#endif
