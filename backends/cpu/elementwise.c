/* SPDX-License-Identifier: MIT
 *
 * UNARY, BINARY, GLU and AFFINE: each thread takes its share of the rows' pieces.
 */
#include "cpu.h"

void unary_step(const struct step *s, int thread, int n_threads)
{
	const vita_tensor *x = s->c->in[0], *y = s->c->out[0];
	const vita_unary_params *p = s->c->params;
	const float *alphas = vector_data(s->c->in[1]);
	const int64_t columns = columns_of(x), channels = x->rank > 1 ? op_last(x, 1) : 1;
	int64_t first, end;
	share(pieces_of(count_of(x, 1), columns), thread, n_threads, &first, &end);
	for (int64_t i = first; i < end; i++) {
		const struct piece at = piece_of(i, columns);
		const float *from = (const float *)row_at(x, at.row) + at.first;
		float *to = (float *)row_at(y, at.row) + at.first;
		if (p->function == VITA_UNARY_SNAKE) s->backend->kernels->snake(to, from, alphas[at.row % channels], at.n);
		else s->backend->kernels->unary(p->function, to, from, (float)p->alpha, at.n);
	}
}

/* b in the shape of a: dimensions that it lacks or that are 1 get stride 0. */
static vita_tensor repeated(const vita_tensor *b, const vita_tensor *a)
{
	vita_tensor view = *a;
	view.buffer = b->buffer;
	view.offset = b->offset;
	for (uint32_t back = 0; back < a->rank; back++) {
		const bool there = back < b->rank && op_last(b, back) != 1;
		view.stride[a->rank - 1 - back] = there ? op_step(b, back) : 0;
	}
	return view;
}

void binary_step(const struct step *s, int thread, int n_threads)
{
	const vita_tensor *a = s->c->in[0], *y = s->c->out[0];
	const vita_kind_params *p = s->c->params;
	const vita_tensor b = repeated(s->c->in[1], a);
	const int64_t columns = columns_of(a);
	const bool one_b = columns_of(s->c->in[1]) == 1;
	int64_t first, end;
	share(pieces_of(count_of(a, 1), columns), thread, n_threads, &first, &end);
	for (int64_t i = first; i < end; i++) {
		const struct piece at = piece_of(i, columns);
		s->backend->kernels->binary(p->kind, (float *)row_at(y, at.row) + at.first,
		                            (const float *)row_at(a, at.row) + at.first,
		                            (const float *)row_at(&b, at.row) + (one_b ? 0 : at.first), one_b, at.n);
	}
}

void glu_step(const struct step *s, int thread, int n_threads)
{
	const vita_tensor *gate = s->c->in[0], *up = s->c->in[1], *y = s->c->out[0];
	const vita_kind_params *p = s->c->params;
	const int64_t columns = columns_of(gate);
	int64_t first, end;
	share(pieces_of(count_of(gate, 1), columns), thread, n_threads, &first, &end);
	for (int64_t i = first; i < end; i++) {
		const struct piece at = piece_of(i, columns);
		s->backend->kernels->glu(p->kind, (float *)row_at(y, at.row) + at.first,
		                         (const float *)row_at(gate, at.row) + at.first,
		                         (const float *)row_at(up, at.row) + at.first, at.n);
	}
}

void affine_step(const struct step *s, int thread, int n_threads)
{
	const vita_tensor *x = s->c->in[0], *y = s->c->out[0];
	const vita_affine_params *p = s->c->params;
	const int64_t columns = columns_of(x);
	int64_t first, end;
	share(pieces_of(count_of(x, 1), columns), thread, n_threads, &first, &end);
	for (int64_t i = first; i < end; i++) {
		const struct piece at = piece_of(i, columns);
		s->backend->kernels->affine((float *)row_at(y, at.row) + at.first, (const float *)row_at(x, at.row) + at.first,
		                            p->scale, p->shift, at.n);
	}
}
