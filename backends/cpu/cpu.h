/* SPDX-License-Identifier: MIT
 *
 * The cpu backend's insides: memory, packed weights, the plan of a submit, and the table of kernels that
 * the processor at hand chooses.
 *
 * A submit becomes a plan: steps that all threads run together, with a barrier where a step reads what
 * an earlier one writes. A step splits its own work; no two threads ever add into the same number, so
 * results do not depend on the number of threads.
 */
#ifndef VITA_CPU_H
#define VITA_CPU_H

#include <stdatomic.h>
#include <stdbool.h>
#include <vita/host.h>

/* PARALLEL(for num_threads(n)) before a loop; without OpenMP one thread does it all. */
#ifdef _OPENMP
#define PRAGMA(...) _Pragma(#__VA_ARGS__)
#define PARALLEL(...) PRAGMA(omp parallel __VA_ARGS__)
#else
#define PARALLEL(...)
#endif

#define TILE 16          /* weight rows that lie interleaved in a packed weight */
#define MAX_ROWS 16      /* activation rows that one call of a matrix kernel takes */
#define QUANT_BLOCK 32   /* activation values that share a scale */

/* ---- kernels --------------------------------------------------------------------------------------- */

/* Activation rows as 8-bit integers, in groups of MAX_ROWS rows (the last group may have fewer). Within a group of
 * N rows everything lies in the order in which a kernel walks: block by block along k, and row by row in a
 * block. For each QUANT_BLOCK values of a row a scale and sum = scale · Σ q; for each `sum_block` values
 * offset = -zero_point · Σ q, what it costs to take the zero point off the weights. */
struct quantised_rows {
	int8_t *q;           /* [groups][k / QUANT_BLOCK][N][QUANT_BLOCK] */
	float *scale;        /* [groups][k / QUANT_BLOCK][N] */
	float *sum;          /* the same */
	int32_t *offset;     /* [groups][k / sum_block][N] */
	int64_t n, k;
	int32_t zero_point;
	uint32_t sum_block;
};

/* Where group number g begins, and how many rows it has. */
static inline int group_rows(const struct quantised_rows *x, int64_t g)
{
	int64_t left = x->n - g * MAX_ROWS;
	return left < MAX_ROWS ? (int)left : MAX_ROWS;
}

/* One tile of TILE packed weight rows times the rows of one group: out[r · TILE + i], overwritten. */
typedef void tile_kernel(const void *tile, const struct quantised_rows *x, int64_t group, float *out);

/* n_w plain weight rows (stride bytes apart, at most 4) times n rows of k f32 values: out[r · TILE + i]. */
typedef void row_kernel(const void *w, int64_t w_stride, int n_w, const void *x, int64_t x_stride, int n, int64_t k,
                        float *out);

struct cpu_kernels {
	const char *name;
	/* packed weights, by dtype */
	tile_kernel *tile_q8_0, *tile_q4_0, *tile_q4_1, *tile_q4_k, *tile_q6_k;
	void (*quantise)(const float *x, int64_t row, struct quantised_rows *out);
	/* plain weights */
	row_kernel *rows_f32, *rows_f16, *rows_bf16;
	void (*to_bf16)(const float *x, uint16_t *y, int64_t n);
	/* vectors */
	float (*dot)(const float *a, const float *b, int64_t n);
	float (*dot_f16)(const float *a, const uint16_t *b, int64_t n);
	void (*axpy)(float a, const float *x, float *y, int64_t n);
	void (*axpy_f16)(float a, const uint16_t *x, float *y, int64_t n);
	float (*sum_squares)(const float *x, int64_t n);
	void (*scale_mul)(float *y, const float *x, const float *w, float scale, int64_t n); /* w may be NULL */
	float (*softmax_exp)(float *x, float max, int64_t n);                                /* x = exp(x - max); Σ */
	void (*silu_mul)(float *y, const float *gate, const float *up, int64_t n);
	/* roofs: touch n bytes (a multiple of 64); do `steps` rounds of multiply-adds on f32, bf16 or (q8_0) bytes
	 * in registers and say how many operations that was, 0 where there is no instruction for it */
	uint64_t (*read)(const void *memory, int64_t n);
	double (*spin)(uint32_t dtype, int64_t steps);
};

extern const struct cpu_kernels cpu_kernels_plain;
extern const struct cpu_kernels cpu_kernels_avx2;
extern const struct cpu_kernels cpu_kernels_avx512;

/* Converting activations is a small part of a product: the AVX2 table has the plain functions too. */
void cpu_quantise_plain(const float *x, int64_t row, struct quantised_rows *out);
void cpu_to_bf16_plain(const float *x, uint16_t *y, int64_t n);

/* The best table that this processor and operating system run; $VITA_CPU_KERNELS names another. */
const struct cpu_kernels *cpu_kernels_choose(char *description, size_t size);

/* ---- memory ---------------------------------------------------------------------------------------- */

struct vita_buffer {
	unsigned char *memory;
	uint64_t size;
	size_t mapped;          /* bytes to munmap, 0 where memory is not ours or malloc's */
	bool owned, constant;
	/* packed weights: */
	uint32_t packed_dtype;  /* VITA_DTYPE_NONE where plain */
	int64_t rows, columns;
};

struct vita_backend {
	const vita_host *host;
	const struct cpu_kernels *kernels;
	struct onednn *onednn;   /* NULL: the backend's own kernels do everything */
	int threads;
};

vita_status cpu_alloc(vita_backend *backend, uint64_t size, vita_buffer **out, vita_error *err);
void cpu_free(vita_backend *backend, vita_buffer *buffer);
vita_status cpu_wrap(vita_backend *backend, void *memory, uint64_t size, uint32_t constant, vita_buffer **out,
                     vita_error *err);
void *cpu_address(vita_backend *backend, vita_buffer *buffer);
vita_status cpu_load(vita_backend *backend, const vita_array *source, uint32_t dtype, vita_tensor *out, vita_error *err);
vita_status cpu_write(vita_backend *backend, const vita_tensor *target, const void *source, uint64_t size,
                      vita_error *err);
vita_status cpu_read(vita_backend *backend, const vita_tensor *source, void *target, uint64_t size, vita_error *err);

static inline void *tensor_data(const vita_tensor *t)
{
	return t->buffer->memory + t->offset;
}

/* ---- packed weights --------------------------------------------------------------------------------- */

/* Bytes of one tile of `columns` columns, 0 where the type is not packed. */
int64_t packed_tile_bytes(uint32_t dtype, int64_t columns);
/* TILE rows (those from n_rows on are taken as zeros) of plain blocks into one tile, and one row back. */
void pack_tile(uint32_t dtype, const unsigned char *rows, int n_rows, int64_t columns, unsigned char *tile);
void unpack_row(uint32_t dtype, const unsigned char *tile, int row, int64_t columns, unsigned char *out);
/* One row of a packed or plain weight as f32. */
void dequantise_row(const vita_tensor *w, int64_t row, float *out);

/* ---- plans ------------------------------------------------------------------------------------------ */

struct step;
typedef void step_fn(const struct step *step, const vita_backend *backend, int thread, int n_threads);

struct step {
	step_fn *run;
	const vita_op *op;
	bool barrier;                    /* wait for all threads before this step */
	struct quantised_rows rows;      /* matrix products */
	void *scratch;
	atomic_int *next;                /* work handed out so far */
};

int32_t cpu_supports(vita_backend *backend, const vita_op *op);
vita_status cpu_submit(vita_backend *backend, const vita_op *const *ops, uint32_t n, vita_error *err);

/* Matrix products: how much scratch the op's activations take, and its two steps. */
uint64_t matmul_scratch(const vita_op *op);
void matmul_prepare(const vita_op *op, void *scratch, struct step *step);
step_fn matmul_convert_step, matmul_multiply_step;
bool matmul_converts(const vita_op *op);
bool matmul_supports(const vita_op *op);

/* Every other op: its step, or NULL. */
step_fn *simple_step(const vita_op *op);

/* Contiguous share of n items for a thread. */
static inline void share(int64_t n, int thread, int n_threads, int64_t *first, int64_t *end)
{
	*first = n * thread / n_threads;
	*end = n * (thread + 1) / n_threads;
}

#endif
