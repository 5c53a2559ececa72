/* SPDX-License-Identifier: MIT
 *
 * The cpu backend's insides: memory, packed weights, and the plan that a submit becomes: steps that all threads
 * run together, with a barrier where a step touches what an earlier one writes. A step splits its own
 * work; no two threads ever add into the same number, so results do not depend on the number of threads.
 */
#ifndef VITA_CPU_H
#define VITA_CPU_H

#include <vita/host.h>

#include "../common/op_check.h"
#include "../common/slab.h"
#include "kernels.h"
#include "team.h"

/* ---- memory ---------------------------------------------------------------------------------------- */

struct vita_buffer {
	unsigned char *memory;
	uint64_t size;          /* that a caller may address; for packed weights that of the plain rows */
	size_t mapped;          /* bytes to munmap, 0 where memory is not ours or malloc's */
	struct slab *slab;      /* that packed weights came from */
	bool owned, constant;
	uint32_t packed_dtype;  /* VITA_DTYPE_NONE where plain */
	int64_t rows, columns;  /* of packed weights */
};

struct vita_backend {
	const vita_host *host;
	const struct cpu_kernels *kernels;
	int64_t onednn_least;   /* weights of so many values go to oneDNN where there are many rows; 0: none do */
	struct planner *planner;
	struct rope_table *rope_tables;
	struct slabs slabs;
	struct trainer *trainer; /* NULL until something is trained */
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

op_memory cpu_memory(const vita_buffer *buffer);

static inline bool is_packed(const vita_tensor *t)
{
	return t->buffer && t->buffer->packed_dtype != VITA_DTYPE_NONE;
}

/* ---- views: what op_check let through -------------------------------------------------------------- */

static inline void *tensor_data(const vita_tensor *t)
{
	return t->buffer->memory + t->offset;
}

/* Elements of all dimensions but the last `trailing`. */
static inline int64_t count_of(const vita_tensor *t, uint32_t trailing)
{
	int64_t n = 1;
	for (uint32_t i = 0; i + trailing < t->rank; i++) n *= t->shape[i];
	return n;
}

static inline int64_t columns_of(const vita_tensor *t)
{
	return t->shape[t->rank - 1];
}

/* Address of number `index` of those, in row-major order. */
void *view_at(const vita_tensor *t, uint32_t trailing, int64_t index);

static inline void *row_at(const vita_tensor *t, int64_t row)
{
	return view_at(t, 1, row);
}

/* Row of one of the trailing matrices. */
static inline void *row_of_plane(const vita_tensor *t, int64_t plane, int64_t row)
{
	return (char *)view_at(t, 2, plane) + row * op_step(t, 1);
}

/* Are all rows one stride apart? */
bool evenly_spaced(const vita_tensor *t);

/* The data of an optional vector. */
static inline const float *vector_data(const vita_tensor *t)
{
	return t ? tensor_data(t) : NULL;
}

/* ---- packed weights (pack.c) ----------------------------------------------------------------------- */

/* Bytes of one tile of `columns` columns, 0 where the type is not packed. */
int64_t packed_tile_bytes(uint32_t dtype, int64_t columns);
/* n_rows plain rows (stride bytes apart; rows beyond them are taken as zeros) into one tile, and one row back. */
void pack_tile(uint32_t dtype, const unsigned char *rows, int64_t stride, int n_rows, int64_t columns,
               unsigned char *tile);
void unpack_row(uint32_t dtype, const unsigned char *tile, int row, int64_t columns, unsigned char *out);
/* The tile that has this row of a view of packed weights, and which row of the tile it is. */
const unsigned char *packed_row(const vita_tensor *w, int64_t row, int *in_tile);
/* One row of a packed or plain weight as f32. */
void dequantise_row(const struct cpu_kernels *kernels, const vita_tensor *w, int64_t row, float *out);

/* ---- plans (plan.c) -------------------------------------------------------------------------------- */

struct step;
typedef void step_fn(const struct step *step, int thread, int n_threads);

struct step {
	step_fn *run;
	const vita_backend *backend;
	const op_call *c;
	const struct step *then; /* the next product's, NULL where there is none */
	bool barrier;            /* wait for all threads before this step */
	uint64_t shared, own;    /* bytes of scratch that it needs: for all threads together, and for each */
	uint64_t at;             /* where the shared scratch begins in the plan's */
	unsigned char *scratch;  /* it, while the plan runs */
	unsigned char *own_base; /* the threads' own, own_step apart */
	uint64_t own_step;
	atomic_llong *next;      /* work handed out so far */
};

/* This thread's scratch; what it holds does not last beyond the step. */
static inline void *own_scratch(const struct step *s, int thread)
{
	return s->own_base + (uint64_t)thread * s->own_step;
}

/* The next item of work that no thread has, or -1 where there are n. */
static inline int64_t next_item(const struct step *s, int64_t n)
{
	const long long item = atomic_fetch_add_explicit(s->next, 1, memory_order_relaxed);
	return item < n ? (int64_t)item : -1;
}

/* Contiguous share of n items for a thread. */
static inline void share(int64_t n, int thread, int n_threads, int64_t *first, int64_t *end)
{
	*first = n / n_threads * thread + (n % n_threads < thread ? n % n_threads : thread);
	*end = *first + n / n_threads + (thread < n % n_threads);
}

/* Rows cut into pieces, so that one long row feeds all threads too. Number `item` of them: its row, first column
 * and columns. */
#define PIECE 1024
struct piece {
	int64_t row, first, n;
};

static inline int64_t pieces_of(int64_t rows, int64_t columns)
{
	return rows * ((columns + PIECE - 1) / PIECE);
}

static inline struct piece piece_of(int64_t item, int64_t columns)
{
	const int64_t per_row = (columns + PIECE - 1) / PIECE;
	struct piece p = { item / per_row, item % per_row * PIECE, PIECE };
	if (columns - p.first < PIECE) p.n = columns - p.first;
	return p;
}

static inline uint64_t aligned(uint64_t bytes)
{
	return (bytes + 63) & ~(uint64_t)63;
}

vita_status planner_open(vita_backend *backend, vita_error *err);
void planner_close(vita_backend *backend);
/* Work that is no op, on the backend's threads. */
void planner_run(vita_backend *backend, team_work *run, void *work);
int32_t cpu_supports(vita_backend *backend, const vita_op *op);
vita_status cpu_submit(vita_backend *backend, const vita_op *const *ops, uint32_t n, vita_error *err);

/* ---- the ops --------------------------------------------------------------------------------------- */

/* Says in step->shared and step->own what scratch a step needs. */
typedef void step_needs(struct step *step);

step_fn gather_step, scatter_step, rms_norm_step, layer_norm_step, group_norm_step, rope_step, attention_step,
	softmax_step, unary_step, binary_step, glu_step, affine_step, pool_step, interpolate_step, cumsum_step,
	argmax_step, top_k_step, nearest_step, reduce_step, copy_step, concat_step, fill_step;
step_needs rope_needs, attention_needs, copy_needs, nearest_needs;

void rope_close(vita_backend *backend);

/* Products: activations are converted to what the weight's kernel wants, unless it wants them as they are; then tiles
 * of weight rows are handed out. */
bool matmul_converts(const vita_backend *backend, const op_call *c);
/* Would products of both convert alike? */
bool matmul_converts_alike(const vita_backend *backend, const op_call *a, const op_call *b);
step_fn matmul_convert_step, matmul_multiply_step;
step_needs matmul_convert_needs, matmul_multiply_needs;

/* Convolutions: the input is laid out so that every tap reads a contiguous row, then blocks of output. */
step_fn conv_spread_step, conv_multiply_step;
step_needs conv_spread_needs, conv_multiply_needs;
vita_status conv_check(const op_call *c);

#endif
