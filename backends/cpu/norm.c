/* SPDX-License-Identifier: MIT
 *
 * RMS_NORM, LAYER_NORM, GROUP_NORM and SOFTMAX: whole rows, each thread its share.
 */
#include <math.h>

#include "cpu.h"

void rms_norm_step(const struct step *s, int thread, int n_threads)
{
	const struct cpu_kernels *kernels = s->backend->kernels;
	const vita_tensor *x = s->c->in[0], *y = s->c->out[0];
	const vita_norm_params *p = s->c->params;
	const float *weight = vector_data(s->c->in[1]);
	const int64_t n = columns_of(x);
	int64_t first, end;
	share(count_of(x, 1), thread, n_threads, &first, &end);
	for (int64_t i = first; i < end; i++) {
		const float *from = row_at(x, i);
		const double mean = kernels->sum_squares(from, 0, n) / (double)n;
		kernels->normalise(row_at(y, i), from, 0, (float)(1 / sqrt(mean + p->epsilon)), weight, NULL, n);
	}
}

void layer_norm_step(const struct step *s, int thread, int n_threads)
{
	const struct cpu_kernels *kernels = s->backend->kernels;
	const vita_tensor *x = s->c->in[0], *y = s->c->out[0];
	const vita_norm_params *p = s->c->params;
	const float *weight = vector_data(s->c->in[1]), *bias = vector_data(s->c->in[2]);
	const int64_t n = columns_of(x);
	int64_t first, end;
	share(count_of(x, 1), thread, n_threads, &first, &end);
	for (int64_t i = first; i < end; i++) {
		const float *from = row_at(x, i);
		const double mean = kernels->sum(from, n) / (double)n;
		const double variance = kernels->sum_squares(from, mean, n) / (double)n;
		kernels->normalise(row_at(y, i), from, (float)mean, (float)(1 / sqrt(variance + p->epsilon)), weight, bias, n);
	}
}

/* A group of channels is one item of work: its moments are over all its rows together. */
void group_norm_step(const struct step *s, int thread, int n_threads)
{
	const struct cpu_kernels *kernels = s->backend->kernels;
	const vita_tensor *x = s->c->in[0], *y = s->c->out[0];
	const vita_norm_params *p = s->c->params;
	const float *weight = vector_data(s->c->in[1]), *bias = vector_data(s->c->in[2]);
	const int64_t n = columns_of(x), channels = op_last(x, 1), width = channels / p->groups;
	const double values = (double)n * (double)width;
	int64_t item;
	(void)thread, (void)n_threads;
	while ((item = next_item(s, count_of(x, 1) / width)) >= 0) {
		double sum = 0, squares = 0;
		for (int64_t i = item * width; i < (item + 1) * width; i++) sum += kernels->sum(row_at(x, i), n);
		const double mean = sum / values;
		for (int64_t i = item * width; i < (item + 1) * width; i++) squares += kernels->sum_squares(row_at(x, i), mean, n);
		const float scale = (float)(1 / sqrt(squares / values + p->epsilon));
		for (int64_t i = item * width; i < (item + 1) * width; i++) {
			/* one weight and one bias for the row: they go into factor and mean */
			const float factor = scale * (weight ? weight[i % channels] : 1);
			kernels->normalise(row_at(y, i), row_at(x, i), (float)mean, factor, NULL, NULL, n);
			if (bias) kernels->affine(row_at(y, i), row_at(y, i), 1, (double)bias[i % channels], n);
		}
	}
}

void softmax_step(const struct step *s, int thread, int n_threads)
{
	const struct cpu_kernels *kernels = s->backend->kernels;
	const vita_tensor *x = s->c->in[0], *y = s->c->out[0];
	const float scale = (float)((const vita_affine_params *)s->c->params)->scale;
	const int64_t n = columns_of(x);
	int64_t first, end;
	share(count_of(x, 1), thread, n_threads, &first, &end);
	for (int64_t i = first; i < end; i++) {
		float *to = row_at(y, i);
		kernels->scale(to, row_at(x, i), scale, n);
		const float largest = kernels->largest(to, n);
		if (largest == -INFINITY) { /* nothing to see; NaN stays NaN */
			for (int64_t j = 0; j < n; j++) to[j] = isnan(to[j]) ? to[j] : 0;
			continue;
		}
		const float sum = kernels->exponentials(to, to, 1, largest, n);
		kernels->scale(to, to, 1 / sum, n);
	}
}
