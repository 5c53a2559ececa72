/* SPDX-License-Identifier: MIT
 *
 * Products through oneDNN: weights stay where they are, f16 and bf16 ones become f32 a slice at a time.
 *
 * dnnl_sgemm is called, not a matmul primitive. Both run the same kernels where weights are not laid out anew, which
 * would take a second copy of them; and it is the same in oneDNN 2 and 3, with nothing to be made, kept and looked
 * up for each shape.
 *
 * oneDNN would multiply with threads of its own. They would fight with the team's for the processors, and stay when the
 * work is done. So each of the team's threads asks for one thread, its own, and multiplies slices of the weight that
 * are cut without regard to how many threads there are: results do not depend on that.
 */
#include "onednn.h"

#ifdef HAVE_ONEDNN
#include <oneapi/dnnl/dnnl.h>
#include <stdlib.h>

#define SLICE_MOST 256        /* weight rows that are multiplied at a time */
#define SLICE_LEAST 64
#define SLICE_VALUES (1 << 18) /* of a slice that is brought to f32: a second-level cache holds them */
#define CHUNK 512             /* rows of x that meet it */
#define WORTHWHILE 16384      /* values of a weight: smaller ones are not worth the call */

/* OpenMP's: they come with an oneDNN that was built with it, from whichever library it was built for. */
__attribute__((weak)) int omp_get_max_threads(void);
__attribute__((weak)) void omp_set_num_threads(int n);

const char *onednn_version(void)
{
	static char text[48];
	const dnnl_version_t *v = dnnl_version();
	(void)snprintf(text, sizeof text, "%d.%d.%d", v->major, v->minor, v->patch);
	return text;
}

int64_t onednn_least(const struct cpu_kernels *kernels)
{
	const char *wish = getenv("VITA_CPU_ONEDNN");
	if (wish && strcmp(wish, "no") == 0) return 0;
	if (wish && strcmp(wish, "yes") == 0) return 1;
#ifdef __x86_64__
	return strncmp(kernels->name, "avx512", 6) == 0 ? 0 : WORTHWHILE;
#else
	(void)kernels; /* on other processors it was not measured */
	return 0;
#endif
}

/* A product as it is cut: rows of x into chunks, rows of w into slices. */
struct cut {
	int64_t n, m, k;
	int64_t chunk, slice, n_chunks, n_slices;
};

static int64_t round_up(int64_t n, int64_t to)
{
	return (n + to - 1) / to * to;
}

static struct cut cut_of(const op_call *c)
{
	const vita_tensor *x = c->in[0], *w = c->in[1];
	struct cut cut = { .n = count_of(x, 1), .m = w->shape[0], .k = columns_of(x) };
	int64_t most = SLICE_MOST;
	while (w->dtype != VITA_F32 && most > SLICE_LEAST && most * cut.k > SLICE_VALUES) most /= 2;
	/* enough slices for some threads */
	cut.slice = round_up(cut.m / 8, TILE);
	if (cut.slice > most) cut.slice = most;
	if (cut.slice < SLICE_LEAST) cut.slice = SLICE_LEAST;
	cut.n_slices = (cut.m + cut.slice - 1) / cut.slice;
	cut.n_chunks = (cut.n + CHUNK - 1) / CHUNK;
	cut.chunk = (cut.n + cut.n_chunks - 1) / cut.n_chunks;
	return cut;
}

/* Rows at least their own length apart, as dnnl_sgemm wants them. */
static bool is_matrix(const vita_tensor *t, int64_t value_bytes)
{
	const int64_t step = op_step(t, 1);
	return evenly_spaced(t) && step % value_bytes == 0 && step >= columns_of(t) * value_bytes;
}

bool onednn_takes(const vita_backend *backend, const op_call *c)
{
	const vita_tensor *x = c->in[0], *w = c->in[1], *residual = c->in[3];
	return backend->onednn_least > 0 && w->rank == 2 && w->shape[0] * w->shape[1] >= backend->onednn_least &&
	       is_matrix(x, 4) && is_matrix(w, (int64_t)vita_dtype_bytes(w->dtype)) && evenly_spaced(c->out[0]) &&
	       (!residual || evenly_spaced(residual));
}

/* For each thread: its result before bias, activation and residual, and the slice in f32. */
void onednn_needs(struct step *s)
{
	const struct cut cut = cut_of(s->c);
	s->own = aligned((uint64_t)(cut.chunk * cut.slice) * sizeof(float));
	if (s->c->in[1]->dtype != VITA_F32) s->own += (uint64_t)(cut.slice * cut.k) * sizeof(float);
}

/* Where m weight rows from `first` on lie as f32, *stride values apart. */
static const float *weights(const struct step *s, const struct cut *cut, int64_t first, int64_t m, float *room,
                            int64_t *stride)
{
	const vita_tensor *w = s->c->in[1];
	if (w->dtype == VITA_F32) {
		*stride = op_step(w, 1) / 4;
		return row_at(w, first);
	}
	*stride = cut->k;
	for (int64_t i = 0; i < m; i++)
		s->backend->kernels->to_f32(w->dtype, row_at(w, first + i), room + i * cut->k, cut->k);
	return room;
}

/* out[n, m] = x · wᵀ */
static void multiply(const struct cpu_kernels *kernels, const float *x, int64_t x_stride, const float *w,
                     int64_t w_stride, int64_t n, int64_t m, int64_t k, float *out)
{
	if (dnnl_sgemm('N', 'T', n, m, k, 1, x, x_stride, w, w_stride, 0, out, m) == dnnl_success) return;
	/* it had no memory */
	for (int64_t r = 0; r < n; r++)
		for (int64_t i = 0; i < m; i++) out[r * m + i] = kernels->dot(x + r * x_stride, w + i * w_stride, k);
}

/* n rows of m results to y, from its row and column on. */
static void finish(const struct step *s, int64_t row, int64_t column, int64_t n, int64_t m, const float *out)
{
	const op_call *c = s->c;
	const vita_tensor *bias = c->in[2], *residual = c->in[3], *y = c->out[0];
	struct finish f = { .x_stride = m, .activation = ((const vita_matmul_params *)c->params)->activation };
	f.y_stride = op_step(y, 1);
	f.residual_stride = residual ? op_step(residual, 1) : 0;
	for (int64_t i = 0; i < m; i += TILE) {
		f.count = m - i < TILE ? (int)(m - i) : TILE;
		f.bias = bias ? vector_data(bias) + column + i : NULL;
		f.residual = residual ? (const float *)row_at(residual, row) + column + i : NULL;
		f.y = (float *)row_at(y, row) + column + i;
		s->backend->kernels->finish(&f, out + i, n);
	}
}

static void multiply_slice(const struct step *s, const struct cut *cut, int64_t item, float *own)
{
	const int64_t row = item % cut->n_chunks * cut->chunk, column = item / cut->n_chunks * cut->slice;
	const int64_t n = cut->n - row < cut->chunk ? cut->n - row : cut->chunk;
	const int64_t m = cut->m - column < cut->slice ? cut->m - column : cut->slice;
	float *room = own + aligned((uint64_t)(cut->chunk * cut->slice) * sizeof(float)) / sizeof(float);
	int64_t w_stride;
	const float *w = weights(s, cut, column, m, room, &w_stride);
	multiply(s->backend->kernels, row_at(s->c->in[0], row), op_step(s->c->in[0], 1) / 4, w, w_stride, n, m, cut->k, own);
	finish(s, row, column, n, m, own);
}

void onednn_multiply(const struct step *s, int thread)
{
	const struct cut cut = cut_of(s->c);
	const bool limits = omp_get_max_threads && omp_set_num_threads;
	const int before = limits ? omp_get_max_threads() : 1;
	int64_t item;
	if (before != 1) omp_set_num_threads(1);
	while ((item = next_item(s, cut.n_chunks * cut.n_slices)) >= 0) multiply_slice(s, &cut, item, own_scratch(s, thread));
	if (before != 1) omp_set_num_threads(before); /* the thread may be the caller's */
}

#else

const char *onednn_version(void)
{
	return "";
}

int64_t onednn_least(const struct cpu_kernels *kernels)
{
	(void)kernels;
	return 0;
}

bool onednn_takes(const vita_backend *backend, const op_call *c)
{
	(void)backend, (void)c;
	return false;
}

void onednn_needs(struct step *s)
{
	(void)s;
}

void onednn_multiply(const struct step *s, int thread)
{
	(void)s, (void)thread;
}

#endif
