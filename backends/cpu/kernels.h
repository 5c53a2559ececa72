/* SPDX-License-Identifier: MIT
 *
 * The kernels of the cpu backend: one table a set of instructions, chosen at run time (detect.c). Every
 * kernel has a plain twin in kernels_plain.c; vectors.h holds the loops that all tables share in source.
 */
#ifndef VITA_CPU_KERNELS_H
#define VITA_CPU_KERNELS_H

#include <stdbool.h>
#include <vita/blocks.h>
#include <vita/ops.h>

#define TILE 32          /* weight rows that lie interleaved in a packed weight */
#define MAX_ROWS 16      /* activation rows that every product kernel takes in one call */
#define SPAN 256         /* columns that a product kernel does at a time: a tile's share stays in the cache */
#define SPAN_BLOCKS 8    /* blocks of 32 in a span */

/* ---- products with packed weights ------------------------------------------------------------------ */

/* Activation rows as signed bytes for packed weights, in groups: of any number of rows where a table has `bytes`, else of
 * up to MAX_ROWS. Within a group of N rows everything lies in the order in which a kernel walks: block by block of 32
 * along k, row by row in a block.
 *   q       [groups][k / 32][N][32]
 *   scale   [groups][spans][N]: q · scale is the activation; a span is 32 values for q8_0 and q4_1 weights and 256
 *           for the others, whose own error is larger, or who are meant to be fast
 *   sums    what takes the zero point, or a block's minimum, off the weights:
 *           q8_0 q4_0  int32 [groups][k / 32][N]     -zero_point · Σ q
 *           q6_k       int32 [groups][k / 16][N]     -zero_point · Σ q
 *           q4_1       float [groups][k / 32][N]     scale · Σ q
 *           q4_k       int16 [groups][k / 64][N][2]  Σ q
 * A table's own quantise kernel may put other numbers there, for its tile kernels alone.
 */
struct quantised_rows {
	int8_t *q;
	float *scale;
	void *sums;
	int64_t n, k;
	uint32_t dtype;      /* of the weights that this is for */
	int32_t per_group;   /* rows of a group, fewer in the last */
	const void *next;    /* where this thread will read when a tile is done: a kernel may fetch it early. Any address */
	const char *y;       /* where the group's results will be written, y_stride bytes a row, likewise; NULL: not known */
	int64_t y_stride;
};

/* Values that share a scale. */
static inline int64_t scale_span(uint32_t dtype)
{
	return dtype == VITA_Q8_0 || dtype == VITA_Q4_1 ? 32 : SPAN;
}

/* Values that share an entry of sums. */
static inline int64_t sum_span(uint32_t dtype)
{
	return dtype == VITA_Q6_K ? 16 : 32;
}

/* What the unsigned numbers in a tile stand above the weights' own; 0 where minima do that. */
static inline int32_t zero_point(uint32_t dtype)
{
	return dtype == VITA_Q8_0 ? 128 : dtype == VITA_Q4_0 ? 8 : dtype == VITA_Q6_K ? 32 : 0;
}

static inline int group_rows(const struct quantised_rows *x, int64_t group)
{
	int64_t left = x->n - group * x->per_group;
	return left < x->per_group ? (int)left : x->per_group;
}

/* One tile of TILE packed weight rows times the rows of one group: out[r · TILE + i], overwritten. The
 * result for a row does not depend on the rows beside it. */
typedef void tile_kernel(const unsigned char *tile, const struct quantised_rows *x, int64_t group, float *out);

/* Row number `row` of the activations into its place. */
typedef void quantise_kernel(const float *x, int64_t row, const struct quantised_rows *out);
quantise_kernel cpu_quantise_plain;

/* ---- products with plain weights ------------------------------------------------------------------- */

/* n_w weight rows (w_stride bytes apart, at most 4) times n rows (at most MAX_ROWS) of k activations, f32: out[r ·
 * TILE + i]. Rows do not depend on each other here either. */
typedef void row_kernel(const void *w, int64_t w_stride, int n_w, const void *x, int64_t x_stride, int n, int64_t k,
                        float *out);

/* Many rows against plain weights: up to WIDE rows of weights are laid out anew so that a lane is a weight row, and
 * meet groups of rows of activations, x_stride bytes apart.
 *   f32    tile [k][WIDE], x f32; up to WIDE_ROWS rows
 *   bf16   tile [k / 2][WIDE][2], x bf16; where k is odd, a zero follows in both; up to bf16_rows rows
 * out[r · WIDE + i] is overwritten, or added to. widen takes f32, f16 and bf16 weights to both; rows beyond n_w are
 * zeros. Kernels of one table may have the first or both, or (NULL) none: row kernels then do many rows too. */
#define WIDE TILE
#define WIDE_ROWS 14
typedef void widen_kernel(uint32_t dtype, const void *w, int64_t w_stride, int n_w, int64_t k, void *tile);
typedef void wide_kernel(const void *tile, const void *x, int64_t x_stride, int n, int64_t k, float *out, bool add);

/* Many rows against f16 and bf16 weights with f16 arithmetic, where the processor has it: operands of 11 bits, sums of
 * HALF_SPAN products in f16, of which those of HALF_SUM columns are added up in f16 and the rest in f32. Activations lie
 * in groups of up to HALF_ROWS rows:
 *   values  [groups][padded / 32][N][32] f16, zeros from k to padded, a multiple of 32
 *   scale   [n]: scale · value is the activation
 * and meet tiles [k, rounded up to 32][WIDE] f16, scale · value being the weight. halve gives that scale; multiply takes
 * x from the group's block on in which k columns begin, and writes or adds to out[r · WIDE + i]. */
#define HALF_ROWS 28
#define HALF_SPAN 64
#define HALF_SUM 256
struct half_rows {
	uint16_t *values;
	float *scale;
	int64_t n, k, padded;
	int32_t per_group;
};

/* Attention in f16. A row's scores with up to 64 keys become HALF_WEIGHT · p = exp(score - max); its maximum is raised if need
 * be, and its total and sums brought to that. */
#define HALF_WEIGHT 0.25f
struct half_weights {
	const float *scores;         /* [2][rows][WIDE] */
	float *sums, *max, *total;   /* [n_sums][rows][WIDE], [rows], [rows]: Σ exp v, the largest score, Σ exp so far */
	int64_t tile_step, n_sums;   /* rows · WIDE */
	uint16_t *p;                 /* the row's first 32; the others lie block_step further */
	int64_t block_step;
};

struct half_kernels {
	void (*halve_row)(const float *x, int64_t row, const struct half_rows *out);
	float (*halve)(uint32_t dtype, const void *w, int64_t w_stride, int n_w, int64_t k, uint16_t *tile);
	/* a tile of n rows of up to WIDE values each as they lie, a row of the tile each: weights [k][WIDE] already */
	float (*halve_along)(uint32_t dtype, const void *v, int64_t stride, int n, int64_t columns, uint16_t *tile);
	void (*multiply)(const uint16_t *tile, float tile_scale, const uint16_t *x, const float *scale, int n, int64_t k,
	                 float *out, bool add);
	double (*spin)(int64_t steps); /* multiplies and adds in registers; the operations done */
	void (*weigh)(const struct half_weights *w, int64_t row, int n);

	/* Convolutions: rows of weights, which lie as activations do in a group of n, meet 32 neighbours in x for each of k terms:
	 * out[r · out_row + i] += x_scale · scale[r] · Σ_j w[r][j] · x[x_at[j] + i] */
	void (*block)(const uint16_t *w, const float *scale, int n, const uint16_t *x, float x_scale, const int64_t *x_at, int64_t k,
	              float *out, int64_t out_row);
	float (*larger)(float largest, const float *x, int64_t n);                     /* of it and all |x| */
	float (*halve_values)(float largest, const float *x, uint16_t *y, int64_t n); /* as weights are; the scale */
};

/* Many rows against packed weights of q4_0, q4_k and q6_k. A tile's rows become bytes that share a scale over each SPAN of
 * columns, as activations do:
 *   bytes  [k / 4][TILE][4], value + 128
 *   scale  [spans][TILE]: scale · value is the weight
 * and meet groups of up to BYTE_ROWS rows, which lie as above but for
 *   sums   int32 [groups][spans][N]: -128 Σ q of the span
 * out[r · TILE + i] is added to. k is a multiple of 32; columns `first` to first + k - 1 are meant, which begin a span.
 * Kernels of one table have all of these or none. */
#define BYTE_ROWS 14
struct byte_tile {
	unsigned char *bytes;
	float *scale;
};
typedef void spread_kernel(uint32_t dtype, const unsigned char *tile, int64_t k, unsigned char *bytes, float *scale);
typedef void bytes_kernel(const struct byte_tile *w, const struct quantised_rows *x, int64_t group, int64_t first, int64_t k,
                          float *out);

/* c[r][0 … 31] (+)= Σ_j a[r · a_row + j · a_step] · b[b_at[j] + 0 … 31], r < n <= BLOCK_ROWS, j < k; b_at is in floats. */
#define BLOCK_ROWS 12
#define BLOCK_COLUMNS 32
typedef void block_kernel(const float *a, int64_t a_row, int64_t a_step, const float *b, const int64_t *b_at, int64_t k,
                          int n, float *c, int64_t c_row, bool add);

/* What stands at the end of a product: rows of up to TILE columns, y = act(x + bias) + residual. Rows of x are x_stride
 * floats apart; the other strides are in bytes; bias and residual may be NULL, and the residual may be y. */
struct finish {
	float *y;
	const float *bias, *residual;
	int64_t x_stride, y_stride, residual_stride;
	uint32_t activation;
	int count;
};

/* Numbers of a step of AdamW: keep is what weight decay leaves, rate has the first moment's correction in it. */
struct train_adamw {
	float rate, keep, beta1, rest1, beta2, rest2, correct2, epsilon, scale;
};

/* ---- the table ------------------------------------------------------------------------------------- */

struct cpu_kernels {
	const char *name;
	tile_kernel *tile_q8_0, *tile_q4_0, *tile_q4_1, *tile_q4_k, *tile_q6_k;
	quantise_kernel *quantise;
	row_kernel *rows_f32, *rows_f16, *rows_bf16;
	spread_kernel *spread;
	quantise_kernel *quantise_bytes;
	bytes_kernel *bytes;
	widen_kernel *widen_f32, *widen_bf16;
	wide_kernel *wide_f32, *wide_bf16;
	int32_t bf16_rows;
	bool bf16_first; /* products in bf16 are far quicker than those in f16 */
	const struct half_kernels *half; /* NULL: no f16 arithmetic */
	block_kernel *block;

	/* Vectors; y may be x. */
	double (*sum)(const float *x, int64_t n);
	double (*sum_squares)(const float *x, double mean, int64_t n); /* Σ (x - mean)² */
	float (*largest)(const float *x, int64_t n);                   /* NaN never is; -inf where n is 0 */
	void (*normalise)(float *y, const float *x, float mean, float scale, const float *w, const float *b, int64_t n);
	void (*scale)(float *y, const float *x, float factor, int64_t n);
	float (*exponentials)(float *y, const float *x, float factor, float max, int64_t n); /* y = exp(factor x - max), or 0 below e^-87; Σ */
	void (*unary)(uint32_t function, float *y, const float *x, float alpha, int64_t n);
	void (*snake)(float *y, const float *x, float alpha, int64_t n);
	void (*glu)(uint32_t function, float *y, const float *gate, const float *up, int64_t n);
	void (*binary)(uint32_t kind, float *y, const float *a, const float *b, bool one_b, int64_t n);
	void (*affine)(float *y, const float *x, double scale, double shift, int64_t n);
	void (*rotate)(float *y0, float *y1, const float *x0, const float *x1, const float *cosine, const float *sine,
	               int64_t step, int64_t n); /* n pairs, `step` floats from each to the next */
	void (*angles)(const double *step, double position, float *cosine, float *sine, int64_t n); /* of position · step */
	void (*finish)(const struct finish *f, const float *x, int64_t n_rows);
	double (*squared_distance)(const float *a, const float *b, int64_t n);
	void (*to_f32)(uint32_t dtype, const void *x, float *y, int64_t n);   /* f16, bf16, q8_0 … as vita_row_to_f32 */
	void (*from_f32)(uint32_t dtype, const float *x, void *y, int64_t n); /* as vita_row_from_f32 */
	void (*round_bf16)(const float *x, uint16_t *y, int64_t n);           /* activations: quick, tiny values may become 0 */

	/* Minimal filtering; see vectors_filter.h. */
	void (*filter_weights)(int taps, const float *w, int64_t w_step, float *u, int64_t u_step, int64_t n);
	void (*filter_input)(int taps, const float *x, int64_t x_step, int64_t next, float *v, int64_t v_step, int64_t n);
	void (*filter_output)(int taps, const float *m, int64_t m_step, float bias, float *y, int64_t y_step, int64_t n);
	void (*filter_split)(const float *x, int64_t run, float *y, int64_t y_step, int64_t n);
	void (*filter_weave)(const float *x, int64_t x_step, int64_t run, float *y, int64_t n);

	/* Training; see vectors_train.h. */
	void (*add_scaled)(float *y, const float *x, float factor, int64_t n);
	void (*add_product)(float *y, const float *a, const float *b, float factor, int64_t n);
	float (*dot)(const float *a, const float *b, int64_t n);
	void (*norm_back)(float *dx, const float *dy, const float *x, const float *w, float inverse, bool add, int64_t n);
	void (*glu_back)(float *dgate, float *dup, const float *dy, const float *gate, const float *up, int64_t n);
	void (*softmax_back)(float *d, const float *p, float mean, float scale, int64_t n);
	void (*adamw)(float *p, const float *g, float *m, float *v, const struct train_adamw *a, int64_t n);
	void (*pair_bf16)(const float *x0, const float *x1, uint32_t *y, int64_t n);

	/* Roofs: touch n bytes (a multiple of 128); do `steps` rounds of multiply-adds on f32, bf16 or (q8_0) bytes in
	 * registers and say how many operations that was, 0 where there is no instruction for it. */
	uint64_t (*read)(const void *memory, int64_t n);
	double (*spin)(uint32_t dtype, int64_t steps);
};

extern const struct cpu_kernels cpu_kernels_plain;
extern const struct cpu_kernels cpu_kernels_avx2;
extern const struct cpu_kernels cpu_kernels_avx512, cpu_kernels_avx512_bf16;
extern const struct cpu_kernels cpu_kernels_avx512_fp16[2]; /* either of these, with products in f16 */
extern const struct cpu_kernels cpu_kernels_amx;            /* that, with products in bf16 by tile registers */

/* The best table that this processor and operating system run; $VITA_CPU_KERNELS names another. */
const struct cpu_kernels *cpu_kernels_choose(char *description, size_t size);

#endif
