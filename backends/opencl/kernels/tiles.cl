/* SPDX-License-Identifier: MIT
 *
 * MATMUL with weights laid out in tiles (../pack.c): y = act(x · wᵀ + bias) + residual for ROWS rows of x at a time.
 *
 *   TYPE    of the weights                ROWS    rows of x that share one reading of a tile, 1 … 12
 *   DOT     1: x comes in 8 bits (quantise_x), block types are multiplied in whole numbers
 *   SLICES  parts into which the columns are cut          GATED   0: kernel multiply, 1: multiply_gated
 *   ACTIVATION  a VITA_UNARY_*
 *
 * On CPU devices a work-item has a tile: a vector's 16 lanes are 16 rows of weights, and each value of x is spread over
 * all of them; no sum goes across lanes. On others a work-group is 32 × SLICES work-items: 32 side by side are the
 * tile's rows and read neighbouring words, SLICES of them one behind the other share its columns and add up at the end
 * in local memory. Along y blocks of rows are handed out.
 */

/* Tiles are read once each, one after the other, and longer than the pages at whose ends processors stop to read ahead:
 * each load of 64 bytes of weights asks for those that come AHEAD bytes later. Where pointers are plain addresses. */
#if CPU && (defined(__x86_64__) || defined(__aarch64__))
#define AHEAD 2048
#define FETCH_AHEAD(p, i) __builtin_prefetch((const void *)((size_t)(p) + (size_t)(i) * 64 + AHEAD))
#else
#define FETCH_AHEAD(p, i) (void)0
#endif

#if CPU
typedef float16 F;
typedef int16 W;
#define TO_F convert_float16
#define AS_F as_float16
#define LOAD_WORD(p, i) (FETCH_AHEAD(p, i), vload16(i, (global const int *)(p)))
#define LOAD_FLOAT(p, i) (FETCH_AHEAD(p, i), vload16(i, (global const float *)(p)))
#define LOAD_HALF(p, i) vload_half16(i, (global const half *)(p))
#define SLICE 0
#define TILES_KERNEL kernel __attribute__((reqd_work_group_size(1, 1, 1)))
#else
typedef float F;
typedef int W;
#define TO_F convert_float
#define AS_F as_float
#define COLUMN ((int)get_local_id(0))
#define LOAD_WORD(p, i) ((global const int *)(p))[(i) * LANES + COLUMN]
#define LOAD_FLOAT(p, i) ((global const float *)(p))[(i) * LANES + COLUMN]
#define LOAD_HALF(p, i) vload_half((i) * LANES + COLUMN, (global const half *)(p))
#define SLICE ((int)get_local_id(1))
#define TILES_KERNEL kernel __attribute__((reqd_work_group_size(LANES, SLICES, 1)))
#endif

#define FOR_ROWS _Pragma("unroll") for (int r = 0; r < ROWS; r++)

/* ---- products of 8-bit values ---------------------------------------------------------------------------- */

/* UNSIGNED(w, x): four products of unsigned bytes of w with signed ones of x, in one lane a word, not yet added up where
 * that is a step of its own; SIGNED(w, x) of signed ones, WIDEN(p) adds up. The compiler of PoCL knows the names of the
 * processor's instructions: 64 products at a time. A PART holds up to 32767. */
#if CPU && defined(__AVX512BW__)
typedef char bytes64 __attribute__((ext_vector_type(64)));
typedef short PART __attribute__((ext_vector_type(32)));
#define BYTES(w) __builtin_astype((w), bytes64)
#define UNSIGNED(w, x) __builtin_ia32_pmaddubsw512(BYTES(w), BYTES((W)(x)))
#define WIDEN(p) __builtin_ia32_pmaddwd512((p), (PART)1)
/* w x = |w| · (x with w's sign) */
static inline PART signed_products(W w, int x)
{
	const bytes64 a = BYTES(w), b = BYTES((W)(x));
	return __builtin_ia32_pmaddubsw512(a < (bytes64)0 ? -a : a, a < (bytes64)0 ? -b : b);
}
#define SIGNED(w, x) signed_products(w, x)
#else
typedef W PART;
#define WIDEN(p) (p)
#if !CPU && defined(__opencl_c_integer_dot_product_input_4x8bit_packed)
#define UNSIGNED(w, x) dot_4x8packed_us_int(as_uint(w), as_uint(x))
#define SIGNED(w, x) dot_4x8packed_ss_int(as_uint(w), as_uint(x))
#else
#define BYTE_OF(x, j) ((x) << (24 - 8 * (j)) >> 24)
#define UNSIGNED(w, x)                                                                             \
	(((w) & 255) * BYTE_OF(x, 0) + ((w) >> 8 & 255) * BYTE_OF(x, 1) + ((w) >> 16 & 255) * BYTE_OF(x, 2) + \
	 ((w) >> 24 & 255) * BYTE_OF(x, 3))
#define SIGNED(w, x)                                                                               \
	(BYTE_OF(w, 0) * BYTE_OF(x, 0) + BYTE_OF(w, 1) * BYTE_OF(x, 1) + BYTE_OF(w, 2) * BYTE_OF(x, 2) +  \
	 BYTE_OF(w, 3) * BYTE_OF(x, 3))
#endif
#endif

/* ---- a tile times rows of x ------------------------------------------------------------------------------ */

/* x: the first of ROWS rows, x_step bytes apart; f32, or, with DOT, as quantise_x leaves them. */
#define X(r, c) ((global const float *)(x + (r) * x_step))[c]
#define X_WORD(r, i) ((global const int *)(x + (r) * x_step))[i]
#define X_SUM(r, b) ((global const float2 *)(x + (r) * x_step + k))[b]
#define X_SCALE(r, b) ((global const float *)(x + (r) * x_step + k + k / 4))[b]

/* Several sums a row where there are few rows: one would wait for itself. */
#define CHAINS (ROWS > 3 ? 1 : ROWS > 1 ? 2 : 4)
#define ADD(c, u, w)                                                                               \
	do {                                                                                       \
		const F w_ = (w);                                                                  \
		FOR_ROWS sum[r * CHAINS + (u) % CHAINS] =                                          \
			fma((F)(X(r, c)), w_, sum[r * CHAINS + (u) % CHAINS]);                     \
	} while (0)

#define NIBBLES(w) ((w) & 0x0f0f0f0f)

#if TYPE == F32 || TYPE == F16 || TYPE == BF16
/* 8 columns at a time */
#if TYPE == F32
#define WEIGHT(c) LOAD_FLOAT(words, c)
#elif TYPE == F16
#define WEIGHT(c) (FETCH_AHEAD(tile, (c) / 2), LOAD_HALF(tile, c))
#else
#define WEIGHT(c) AS_F(((c) & 1) ? LOAD_WORD(words, (c) / 2) & (int)0xffff0000 : LOAD_WORD(words, (c) / 2) << 16)
#endif
static inline void product(global const uchar *tile, global const uchar *words, global const uchar *x, long x_step, int k,
                           F acc[ROWS])
{
	F sum[ROWS * CHAINS];
	for (int i = 0; i < ROWS * CHAINS; i++) sum[i] = 0;
	for (int c = SLICE * 8; c < k; c += SLICES * 8) {
		if (c + 8 > k) {
			for (; c < k; c++) ADD(c, 0, WEIGHT(c));
			break;
		}
		_Pragma("unroll") for (int u = 0; u < 8; u++) ADD(c + u, u, WEIGHT(c + u));
	}
	FOR_ROWS {
		acc[r] = sum[r * CHAINS];
		for (int i = 1; i < CHAINS; i++) acc[r] += sum[r * CHAINS + i];
	}
}

#elif DOT
/* One block of 32 values of 4 words of nibbles: p[r] = Σ nibble · x. 8 · 2 · 15 · 127 fits a PART. */
#define NIBBLE_PRODUCTS(at, b)                                                                     \
	PART p[ROWS];                                                                              \
	FOR_ROWS p[r] = 0;                                                                         \
	_Pragma("unroll") for (int i = 0; i < 4; i++)                                              \
	{                                                                                          \
		const W w = LOAD_WORD(words, (at) + i), low = NIBBLES(w), high = NIBBLES(w >> 4);  \
		FOR_ROWS p[r] += UNSIGNED(low, X_WORD(r, (b) * 8 + i)) + UNSIGNED(high, X_WORD(r, (b) * 8 + 4 + i)); \
	}

static inline void product(global const uchar *tile, global const uchar *words, global const uchar *x, long x_step, int k,
                           F acc[ROWS])
{
	FOR_ROWS acc[r] = 0;
#if TYPE == Q8_0
	for (int b = SLICE; b < k / 32; b += SLICES) {
		W p[ROWS];
		FOR_ROWS p[r] = 0;
		_Pragma("unroll") for (int i = 0; i < 8; i++)
		{
			const W w = LOAD_WORD(words, b * 8 + i);
			FOR_ROWS p[r] += WIDEN(SIGNED(w, X_WORD(r, b * 8 + i)));
		}
		const F d = LOAD_HALF(tile, b);
		FOR_ROWS acc[r] = fma(d * X_SCALE(r, b), TO_F(p[r]), acc[r]);
	}
#elif TYPE == Q4_0
	for (int b = SLICE; b < k / 32; b += SLICES) {
		NIBBLE_PRODUCTS(b * 4, b)
		const F d = LOAD_HALF(tile, b);
		FOR_ROWS {
			const float2 s = X_SUM(r, b);
			acc[r] = fma(d, fma((F)(X_SCALE(r, b)), TO_F(WIDEN(p[r])), (F)(-8 * (s.x + s.y))), acc[r]);
		}
	}
#elif TYPE == Q4_1
	for (int b = SLICE; b < k / 32; b += SLICES) {
		NIBBLE_PRODUCTS(b * 4, b)
		const F d = LOAD_HALF(tile, 2 * b), m = LOAD_HALF(tile, 2 * b + 1);
		FOR_ROWS {
			const float2 s = X_SUM(r, b);
			acc[r] = fma(m, (F)(s.x + s.y), fma(d * X_SCALE(r, b), TO_F(WIDEN(p[r])), acc[r]));
		}
	}
#elif TYPE == Q4_K
	for (int b = SLICE; b < k / 256; b += SLICES) {
		const F d = LOAD_HALF(tile, 2 * b), m = LOAD_HALF(tile, 2 * b + 1);
		for (int sub = 0; sub < 8; sub++) {
			const int at = b * 36, shift = sub % 4 * 8;
			NIBBLE_PRODUCTS(at + 4 + sub * 4, b * 8 + sub)
			const F step = d * TO_F(LOAD_WORD(words, at + sub / 4) >> shift & 63);
			const F base = m * TO_F(LOAD_WORD(words, at + 2 + sub / 4) >> shift & 63);
			FOR_ROWS {
				const float2 s = X_SUM(r, b * 8 + sub);
				acc[r] = fma(step * X_SCALE(r, b * 8 + sub), TO_F(WIDEN(p[r])),
				             fma(base, (F)(-(s.x + s.y)), acc[r]));
			}
		}
	}
#else /* Q6_K: two products of 63 · 127 fit a PART */
	for (int b = SLICE; b < k / 256; b += SLICES) {
		const F d = LOAD_HALF(tile, b);
		for (int sub = 0; sub < 8; sub++) {
			const int at = b * 52 + 4 + sub * 6, column = b * 8 + sub;
			const W upper0 = LOAD_WORD(words, at + 4), upper1 = LOAD_WORD(words, at + 5);
			const W scales = LOAD_WORD(words, b * 52 + sub / 2) >> (sub % 2 * 16);
			const F scale0 = d * TO_F(scales << 24 >> 24), scale1 = d * TO_F(scales << 16 >> 24);
			W p0[ROWS], p1[ROWS];
			FOR_ROWS p0[r] = 0, p1[r] = 0;
			_Pragma("unroll") for (int i = 0; i < 4; i += 2)
			{
				const W w = LOAD_WORD(words, at + i), v = LOAD_WORD(words, at + i + 1);
				const W w0 = NIBBLES(w) | (upper0 >> (2 * i) & 0x03030303) << 4;
				const W w1 = NIBBLES(w >> 4) | (upper1 >> (2 * i) & 0x03030303) << 4;
				const W v0 = NIBBLES(v) | (upper0 >> (2 * i + 2) & 0x03030303) << 4;
				const W v1 = NIBBLES(v >> 4) | (upper1 >> (2 * i + 2) & 0x03030303) << 4;
				FOR_ROWS {
					p0[r] += WIDEN(UNSIGNED(w0, X_WORD(r, column * 8 + i)) +
					               UNSIGNED(v0, X_WORD(r, column * 8 + i + 1)));
					p1[r] += WIDEN(UNSIGNED(w1, X_WORD(r, column * 8 + 4 + i)) +
					               UNSIGNED(v1, X_WORD(r, column * 8 + 5 + i)));
				}
			}
			FOR_ROWS {
				const float2 s = X_SUM(r, column);
				const F dx = X_SCALE(r, column);
				acc[r] = fma(scale0, fma(dx, TO_F(p0[r]), (F)(-32 * s.x)), acc[r]);
				acc[r] = fma(scale1, fma(dx, TO_F(p1[r]), (F)(-32 * s.y)), acc[r]);
			}
		}
	}
#endif
}

#else
/* Values 4 i + j and 16 + 4 i + j of a block, of nibbles or (with their upper bits) of six bits */
#define ADD_TO(part, c, value)                                                                     \
	do {                                                                                       \
		const F v_ = (value);                                                              \
		FOR_ROWS part[r] = fma((F)(X(r, c)), v_, part[r]);                                 \
	} while (0)
#define NIBBLE_SUMS(at, b, offset)                                                                 \
	F p[ROWS];                                                                                 \
	FOR_ROWS p[r] = 0;                                                                         \
	_Pragma("unroll") for (int i = 0; i < 4; i++)                                              \
	{                                                                                          \
		const W w = LOAD_WORD(words, (at) + i);                                            \
		_Pragma("unroll") for (int j = 0; j < 4; j++)                                      \
		{                                                                                  \
			ADD_TO(p, (b) * 32 + 4 * i + j, TO_F((w >> (8 * j) & 15) - (offset)));     \
			ADD_TO(p, (b) * 32 + 16 + 4 * i + j, TO_F((w >> (8 * j + 4) & 15) - (offset))); \
		}                                                                                  \
	}

static inline void product(global const uchar *tile, global const uchar *words, global const uchar *x, long x_step, int k,
                           F acc[ROWS])
{
	FOR_ROWS acc[r] = 0;
#if TYPE == Q8_0
	for (int b = SLICE; b < k / 32; b += SLICES) {
		F p[ROWS];
		FOR_ROWS p[r] = 0;
		_Pragma("unroll") for (int i = 0; i < 8; i++)
		{
			const W w = LOAD_WORD(words, b * 8 + i);
			_Pragma("unroll") for (int j = 0; j < 4; j++)
				ADD_TO(p, b * 32 + 4 * i + j, TO_F(w << (24 - 8 * j) >> 24));
		}
		const F d = LOAD_HALF(tile, b);
		FOR_ROWS acc[r] = fma(d, p[r], acc[r]);
	}
#elif TYPE == Q4_0
	for (int b = SLICE; b < k / 32; b += SLICES) {
		NIBBLE_SUMS(b * 4, b, 8)
		const F d = LOAD_HALF(tile, b);
		FOR_ROWS acc[r] = fma(d, p[r], acc[r]);
	}
#elif TYPE == Q4_1
	for (int b = SLICE; b < k / 32; b += SLICES) {
		const F d = LOAD_HALF(tile, 2 * b), m = LOAD_HALF(tile, 2 * b + 1);
		_Pragma("unroll") for (int i = 0; i < 4; i++)
		{
			const W w = LOAD_WORD(words, b * 4 + i);
			_Pragma("unroll") for (int j = 0; j < 4; j++)
			{
				ADD_TO(acc, b * 32 + 4 * i + j, fma(d, TO_F(w >> (8 * j) & 15), m));
				ADD_TO(acc, b * 32 + 16 + 4 * i + j, fma(d, TO_F(w >> (8 * j + 4) & 15), m));
			}
		}
	}
#elif TYPE == Q4_K
	for (int b = SLICE; b < k / 256; b += SLICES) {
		const F d = LOAD_HALF(tile, 2 * b), m = LOAD_HALF(tile, 2 * b + 1);
		for (int sub = 0; sub < 8; sub++) {
			const int at = b * 36, shift = sub % 4 * 8, column = (b * 8 + sub) * 32;
			const F step = d * TO_F(LOAD_WORD(words, at + sub / 4) >> shift & 63);
			const F base = m * TO_F(LOAD_WORD(words, at + 2 + sub / 4) >> shift & 63);
			_Pragma("unroll") for (int i = 0; i < 4; i++)
			{
				const W w = LOAD_WORD(words, at + 4 + sub * 4 + i);
				_Pragma("unroll") for (int j = 0; j < 4; j++)
				{
					ADD_TO(acc, column + 4 * i + j, fma(step, TO_F(w >> (8 * j) & 15), -base));
					ADD_TO(acc, column + 16 + 4 * i + j,
					       fma(step, TO_F(w >> (8 * j + 4) & 15), -base));
				}
			}
		}
	}
#else
	for (int b = SLICE; b < k / 256; b += SLICES) {
		const F d = LOAD_HALF(tile, b);
		for (int sub = 0; sub < 8; sub++) {
			const int at = b * 52 + 4 + sub * 6, column = (b * 8 + sub) * 32;
			const W upper0 = LOAD_WORD(words, at + 4), upper1 = LOAD_WORD(words, at + 5);
			const W scales = LOAD_WORD(words, b * 52 + sub / 2) >> (sub % 2 * 16);
			const F scale0 = d * TO_F(scales << 24 >> 24), scale1 = d * TO_F(scales << 16 >> 24);
			_Pragma("unroll") for (int i = 0; i < 4; i++)
			{
				const W w = LOAD_WORD(words, at + i);
				_Pragma("unroll") for (int j = 0; j < 4; j++)
				{
					const W low = (w >> (8 * j) & 15) | (upper0 >> (8 * j + 2 * i) & 3) << 4;
					const W high = (w >> (8 * j + 4) & 15) | (upper1 >> (8 * j + 2 * i) & 3) << 4;
					ADD_TO(acc, column + 4 * i + j, scale0 * TO_F(low - 32));
					ADD_TO(acc, column + 16 + 4 * i + j, scale1 * TO_F(high - 32));
				}
			}
		}
	}
#endif
}
#endif

/* ---- what becomes of the sums ---------------------------------------------------------------------------- */

/* One weight matrix of a launch, and where its products go; places and steps in bytes. As on the host: tiles.c. */
typedef struct {
	long bias, residual, residual_step, y, y_step;
	int first, m;           /* the weight's row that is y's column 0, and y's columns */
	int tiles;              /* that have one of these rows */
	int has_bias, has_residual, reserved;
} part;

static inline void store_one(const part *p, int row, int j, float value, global uchar *bias,
                             global uchar *residual, global uchar *y)
{
	if (j < 0 || j >= p->m) return;
	if (p->has_bias) value += FLOATS(bias, p->bias)[j];
	if (ACTIVATION) value = apply(ACTIVATION, value, 0);
	if (p->has_residual) value += FLOATS(residual, p->residual + row * p->residual_step)[j];
	FLOATS(y, p->y + row * p->y_step)[j] = value;
}

/* Lanes of row `row`, the first of which is y's column j. */
#if CPU
static inline void store_lanes(const part *p, int row, int j, F value, global uchar *bias,
                               global uchar *residual, global uchar *y)
{
	if (ACTIVATION || j < 0 || j + 16 > p->m) {
		float one[16];
		vstore16(value, 0, one);
		for (int l = 0; l < 16; l++) store_one(p, row, j + l, one[l], bias, residual, y);
		return;
	}
	if (p->has_bias) value += vload16(0, FLOATS(bias, p->bias) + j);
	if (p->has_residual) value += vload16(0, FLOATS(residual, p->residual + row * p->residual_step) + j);
	vstore16(value, 0, FLOATS(y, p->y + row * p->y_step) + j);
}
#endif

/* A block of rows: those from `begin` on are wanted; the block begins earlier where it would reach past the end. */
#define BLOCK_OF_ROWS(index)                                                                       \
	const int begin = (index) * ROWS, row0 = begin + ROWS > n ? n - ROWS : begin

#if CPU
#define SHARED_SUMS
#define STORE(p, acc, tile_index, bias, residual, y)                                               \
	FOR_ROWS if (row0 + r >= begin)                                                            \
		store_lanes(p, row0 + r, (tile_index) * LANES - (p)->first, acc[r], bias, residual, y)
#else
#define SHARED_SUMS local float shared_sums[(1 + GATED) * SLICES * ROWS * LANES]
#define SUM_AT(s, r) ((s) * ROWS + (r)) * LANES + COLUMN

/* The sum of row r over all slices, for the one that stores it. */
static inline float add_slices(local float *sums, int r)
{
	float sum = 0;
	for (int s = 0; s < SLICES; s++) sum += sums[SUM_AT(s, r)];
	return sum;
}
#define STORE(p, acc, tile_index, bias, residual, y)                                               \
	do {                                                                                       \
		FOR_ROWS shared_sums[SUM_AT(SLICE, r)] = acc[r];                                   \
		barrier(CLK_LOCAL_MEM_FENCE);                                                      \
		for (int r = SLICE; r < ROWS; r += SLICES)                                         \
			if (row0 + r >= begin)                                                     \
				store_one(p, row0 + r, (tile_index) * LANES + COLUMN - (p)->first,  \
				          add_slices(shared_sums, r), bias, residual, y);           \
		barrier(CLK_LOCAL_MEM_FENCE);                                                      \
	} while (0)
#endif

#if !GATED
/* Up to three weights of the same type and row length: Q, K and V of a layer together. */
TILES_KERNEL void multiply(global const uchar *x, long x_at, long x_step, int n, int k, long tile_bytes, long words_at,
                           global uchar *w0, global uchar *bias0, global uchar *residual0, global uchar *y0, part p0,
                           global uchar *w1, global uchar *bias1, global uchar *residual1,
                           global uchar *y1, part p1, global uchar *w2, global uchar *bias2, global uchar *residual2,
                           global uchar *y2, part p2)
{
	SHARED_SUMS;
	const int t = (int)get_group_id(0);
	const int which = t < p0.tiles ? 0 : t < p0.tiles + p1.tiles ? 1 : 2;
	const part p = which == 0 ? p0 : which == 1 ? p1 : p2;
	global uchar *bias = which == 0 ? bias0 : which == 1 ? bias1 : bias2;
	global uchar *residual = which == 0 ? residual0 : which == 1 ? residual1 : residual2;
	global uchar *y = which == 0 ? y0 : which == 1 ? y1 : y2;
	const int tile_index = p.first / LANES + t - (which > 0 ? p0.tiles : 0) - (which > 1 ? p1.tiles : 0);
	global const uchar *tile = (which == 0 ? w0 : which == 1 ? w1 : w2) + tile_index * tile_bytes;
	for (int block = (int)get_group_id(1); block * ROWS < n; block += (int)get_num_groups(1)) {
		BLOCK_OF_ROWS(block);
		F acc[ROWS];
		product(tile, tile + words_at, x + x_at + row0 * x_step, x_step, k, acc);
		STORE(&p, acc, tile_index, bias, residual, y);
	}
}

#else
/* gate = silu(x · gateᵀ + bias) · up, up = x · upᵀ + bias: two weights of one shape, without residuals */
static inline void store_gated(const part *pg, const part *pu, int row, int j, float g, float u, global uchar *gate_bias,
                               global uchar *up_bias, global uchar *gate, global uchar *up)
{
	if (j < 0 || j >= pg->m) return;
	if (pg->has_bias) g += FLOATS(gate_bias, pg->bias)[j];
	if (pu->has_bias) u += FLOATS(up_bias, pu->bias)[j];
	FLOATS(up, pu->y + row * pu->y_step)[j] = u;
	FLOATS(gate, pg->y + row * pg->y_step)[j] = g / (1 + exp(-g)) * u;
}

#if CPU
static inline void store_gated_lanes(const part *pg, const part *pu, int row, int j, F g, F u, global uchar *gate_bias,
                                     global uchar *up_bias, global uchar *gate, global uchar *up)
{
	if (j < 0 || j + 16 > pg->m) {
		float one_g[16], one_u[16];
		vstore16(g, 0, one_g);
		vstore16(u, 0, one_u);
		for (int l = 0; l < 16; l++)
			store_gated(pg, pu, row, j + l, one_g[l], one_u[l], gate_bias, up_bias, gate, up);
		return;
	}
	if (pg->has_bias) g += vload16(0, FLOATS(gate_bias, pg->bias) + j);
	if (pu->has_bias) u += vload16(0, FLOATS(up_bias, pu->bias) + j);
	vstore16(u, 0, FLOATS(up, pu->y + row * pu->y_step) + j);
	vstore16(g / (1 + exp(-g)) * u, 0, FLOATS(gate, pg->y + row * pg->y_step) + j);
}
#endif

TILES_KERNEL void multiply_gated(global const uchar *x, long x_at, long x_step, int n, int k, long tile_bytes, long words_at,
                                 global uchar *gate_w, global uchar *gate_bias, global uchar *gate, part pg,
                                 global uchar *up_w, global uchar *up_bias, global uchar *up, part pu)
{
	SHARED_SUMS;
	const int tile_index = pg.first / LANES + (int)get_group_id(0), j0 = tile_index * LANES - pg.first;
	global const uchar *g_tile = gate_w + tile_index * tile_bytes, *u_tile = up_w + tile_index * tile_bytes;
	for (int block = (int)get_group_id(1); block * ROWS < n; block += (int)get_num_groups(1)) {
		BLOCK_OF_ROWS(block);
		F g[ROWS], u[ROWS];
		product(g_tile, g_tile + words_at, x + x_at + row0 * x_step, x_step, k, g);
		product(u_tile, u_tile + words_at, x + x_at + row0 * x_step, x_step, k, u);
#if CPU
		FOR_ROWS if (row0 + r >= begin)
			store_gated_lanes(&pg, &pu, row0 + r, j0, g[r], u[r], gate_bias, up_bias, gate, up);
#else
		local float *up_sums = shared_sums + SLICES * ROWS * LANES;
		FOR_ROWS shared_sums[SUM_AT(SLICE, r)] = g[r], up_sums[SUM_AT(SLICE, r)] = u[r];
		barrier(CLK_LOCAL_MEM_FENCE);
		for (int r = SLICE; r < ROWS; r += SLICES)
			if (row0 + r >= begin)
				store_gated(&pg, &pu, row0 + r, j0 + COLUMN, add_slices(shared_sums, r),
				            add_slices(up_sums, r), gate_bias, up_bias, gate, up);
		barrier(CLK_LOCAL_MEM_FENCE);
#endif
	}
}
#endif
