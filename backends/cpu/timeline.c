/* SPDX-License-Identifier: MIT
 *
 * POOL, INTERPOLATE and CUMSUM: along the innermost dimension, time. Threads share rows; pooling and
 * interpolation cut them into pieces.
 */
#include <math.h>

#include "cpu.h"

void pool_step(const struct step *s, int thread, int n_threads)
{
	const vita_tensor *x = s->c->in[0], *y = s->c->out[0];
	const vita_pool_params *p = s->c->params;
	const int64_t columns = columns_of(y);
	int64_t first, end;
	share(pieces_of(count_of(y, 1), columns), thread, n_threads, &first, &end);
	for (int64_t item = first; item < end; item++) {
		const struct piece at = piece_of(item, columns);
		const float *row = row_at(x, at.row);
		float *to = (float *)row_at(y, at.row) + at.first;
		for (int64_t i = 0; i < at.n; i++) {
			const float *from = row + (at.first + i) * p->stride;
			double sum = 0;
			float largest = from[0];
			for (uint32_t j = 0; j < p->kernel; j++) {
				sum += (double)from[j];
				largest = from[j] > largest ? from[j] : largest;
			}
			to[i] = p->kind == VITA_POOL_MEAN ? (float)(sum / p->kernel) : largest;
		}
	}
}

/* As the reference: NEAREST with the ratio in f32, LINEAR with half-pixel centres. */
static float sample(uint32_t kind, const float *x, int64_t t, int64_t i, int64_t n)
{
	const int64_t last = t - 1;
	if (kind == VITA_INTERPOLATE_NEAREST) {
		const int64_t j = (int64_t)floorf((float)i * ((float)t / (float)n));
		return x[j < last ? j : last];
	}
	const double at = fmax(((double)i + 0.5) * (double)t / (double)n - 0.5, 0);
	const int64_t j = (int64_t)at < last ? (int64_t)at : last;
	const double f = at - (double)j;
	return f == 0 || j == last ? x[j] : (float)((double)x[j] * (1 - f) + (double)x[j + 1] * f);
}

void interpolate_step(const struct step *s, int thread, int n_threads)
{
	const vita_tensor *x = s->c->in[0], *y = s->c->out[0];
	const uint32_t kind = ((const vita_kind_params *)s->c->params)->kind;
	const int64_t columns = columns_of(y);
	int64_t first, end;
	share(pieces_of(count_of(y, 1), columns), thread, n_threads, &first, &end);
	for (int64_t item = first; item < end; item++) {
		const struct piece at = piece_of(item, columns);
		float *to = row_at(y, at.row);
		for (int64_t i = at.first; i < at.first + at.n; i++) to[i] = sample(kind, row_at(x, at.row), columns_of(x), i, columns);
	}
}

void cumsum_step(const struct step *s, int thread, int n_threads)
{
	const vita_tensor *x = s->c->in[0], *y = s->c->out[0];
	int64_t first, end;
	share(count_of(x, 1), thread, n_threads, &first, &end);
	for (int64_t row = first; row < end; row++) {
		const float *from = row_at(x, row);
		float *to = row_at(y, row);
		double sum = 0;
		for (int64_t i = 0; i < columns_of(x); i++) to[i] = (float)(sum += (double)from[i]);
	}
}
