/* SPDX-License-Identifier: MIT
 *
 * ROPE. The powers of theta are kept from one op to the next; sines and cosines of a row's angles serve all
 * its heads.
 */
#include <math.h>
#include <stdlib.h>

#include "cpu.h"

/* theta^(-2j / n) for all pairs; tables are made while planning and live as long as the backend. */
struct rope_table {
	struct rope_table *next;
	double theta;
	uint32_t n_rotated;
	double power[];
};

static void fill_powers(const vita_rope_params *p, double *power)
{
	const int64_t half = p->n_rotated / 2;
	for (int64_t j = 0; j < half; j++) power[j] = pow(p->theta, -(double)j / (double)half);
}

/* As many tables as models may be open at once; NULL where there is none. */
static const struct rope_table *find_table(const vita_backend *backend, const vita_rope_params *p, int *count)
{
	const struct rope_table *t = backend->rope_tables;
	for (*count = 0; t && !(t->theta == p->theta && t->n_rotated == p->n_rotated); t = t->next) (*count)++;
	return t;
}

void rope_needs(struct step *s)
{
	enum { MOST_TABLES = 16 };
	const vita_rope_params *p = s->c->params;
	const uint64_t half = p->n_rotated / 2;
	int count;
	s->own = half * (2 * sizeof(float) + 2 * sizeof(double));
	if (find_table(s->backend, p, &count) || count == MOST_TABLES) return;
	struct rope_table *t = malloc(sizeof *t + half * sizeof *t->power);
	if (!t) return; /* each thread computes its own then */
	t->theta = p->theta;
	t->n_rotated = p->n_rotated;
	fill_powers(p, t->power);
	t->next = s->backend->rope_tables;
	((vita_backend *)(uintptr_t)s->backend)->rope_tables = t;
}

void rope_close(vita_backend *backend)
{
	while (backend->rope_tables) {
		struct rope_table *t = backend->rope_tables;
		backend->rope_tables = t->next;
		free(t);
	}
}

static void rotate_row(const struct step *s, int64_t row, const float *cosine, const float *sine)
{
	const vita_tensor *x = s->c->in[0], *y = s->c->out[0];
	const vita_rope_params *p = s->c->params;
	const int64_t heads = x->shape[1], d = x->shape[2], half = p->n_rotated / 2;
	const bool interleaved = p->style == VITA_ROPE_INTERLEAVED;
	for (int64_t h = 0; h < heads; h++) {
		const float *from = row_of_plane(x, row, h);
		float *to = row_of_plane(y, row, h);
		const int64_t second = interleaved ? 1 : half;
		s->backend->kernels->rotate(to, to + second, from, from + second, cosine, sine, interleaved ? 2 : 1, half);
		if (to != from && d > 2 * half) memcpy(to + 2 * half, from + 2 * half, (size_t)(d - 2 * half) * sizeof *to);
	}
}

void rope_step(const struct step *s, int thread, int n_threads)
{
	const vita_tensor *positions = s->c->in[1];
	const vita_rope_params *p = s->c->params;
	const float *factor = vector_data(s->c->in[2]);
	const int64_t half = p->n_rotated / 2;
	double *step = own_scratch(s, thread), *own_power = step + half;
	float *cosine = (float *)(void *)(own_power + half), *sine = cosine + half;
	int64_t first, end;
	int count;
	share(s->c->in[0]->shape[0], thread, n_threads, &first, &end);
	if (first == end) return;
	const struct rope_table *t = find_table(s->backend, p, &count);
	if (!t) fill_powers(p, own_power);
	for (int64_t j = 0; j < half; j++)
		step[j] = p->scale * (t ? t->power : own_power)[j] / (factor ? (double)factor[j] : 1);
	for (int64_t i = first; i < end; i++) {
		int32_t position;
		memcpy(&position, (const char *)tensor_data(positions) + i * positions->stride[0], sizeof position);
		s->backend->kernels->angles(step, position, cosine, sine, half);
		rotate_row(s, i, cosine, sine);
	}
}
