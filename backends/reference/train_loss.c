/* SPDX-License-Identifier: MIT
 *
 * Training ops from the hidden states to the loss, and what is done with gradients.
 */
#include <math.h>
#include <stdlib.h>

#include "train.h"

/* One row's cross-entropy; logits become their gradient times factor. */
static double cross_entropy_row(const float *x, const train_rows *w, int32_t target, double factor, float *logits)
{
	double largest = -INFINITY, sum = 0;
	for (int64_t j = 0; j < w->n; j++) {
		logits[j] = (float)ref_dot(x, train_row(w, j), w->width);
		largest = fmax(largest, (double)logits[j]);
	}
	for (int64_t j = 0; j < w->n; j++) sum += exp((double)logits[j] - largest);
	const double loss = largest + log(sum) - (double)logits[target];
	for (int64_t j = 0; j < w->n; j++)
		logits[j] = (float)(factor * (exp((double)logits[j] - largest) / sum - (j == target ? 1 : 0)));
	return loss;
}

vita_status ref_train_cross_entropy(vita_backend *backend, uint32_t flags, const vita_tensor *x_, const vita_tensor *w_,
                                    const int32_t *targets, double factor, const vita_tensor *dx_,
                                    const vita_tensor *dw_, double *sum, vita_error *err)
{
	train_call c = REF_CALL("CROSS_ENTROPY", err);
	(void)backend;
	*sum = 0;
	const train_rows x = train_matrix(&c, "x", x_, -1, -1, TRAIN_READ);
	const train_rows w = train_matrix(&c, "w", w_, -1, x.width, TRAIN_READ);
	const train_rows dx = train_matrix(&c, "dx", dx_, x.n, x.width, TRAIN_WRITE | TRAIN_OPTIONAL);
	const train_rows dw = train_matrix(&c, "dw", dw_, w.n, x.width, TRAIN_WRITE | TRAIN_OPTIONAL);
	train_ids(&c, "targets", targets, x.n, VITA_TRAIN_NO_TARGET, w.n);
	if (c.status != VITA_OK) return c.status;
	float *d = ref_train_scratch(&c, w.n);
	for (int64_t i = 0; d && i < x.n; i++) {
		if (dx.at && !(flags & VITA_TRAIN_F_ADD)) memset(train_row(&dx, i), 0, (size_t)dx.width * sizeof(float));
		if (targets[i] < 0) continue;
		*sum += cross_entropy_row(train_row(&x, i), &w, targets[i], factor, d);
		for (int64_t p = 0; dx.at && p < x.width; p++) {
			double all = (double)train_row(&dx, i)[p];
			for (int64_t j = 0; j < w.n; j++) all += (double)d[j] * (double)train_row(&w, j)[p];
			train_row(&dx, i)[p] = (float)all;
		}
		for (int64_t j = 0; dw.at && j < w.n; j++)
			for (int64_t p = 0; p < x.width; p++) train_row(&dw, j)[p] += d[j] * train_row(&x, i)[p];
	}
	free(d);
	return c.status;
}

vita_status ref_train_sum_squares(vita_backend *backend, const vita_tensor *x_, double *sum, vita_error *err)
{
	train_call c = REF_CALL("SUM_SQUARES", err);
	(void)backend;
	*sum = 0;
	const train_rows x = train_dense(&c, "x", x_, -1, TRAIN_READ);
	if (c.status != VITA_OK) return c.status;
	for (int64_t i = 0; i < x.width; i++) *sum += (double)x.at[i] * (double)x.at[i];
	return VITA_OK;
}

vita_status ref_train_adamw(vita_backend *backend, const vita_train_adamw *a, const vita_tensor *p_,
                            const vita_tensor *g_, const vita_tensor *m_, const vita_tensor *v_, vita_error *err)
{
	train_call c = REF_CALL("ADAMW", err);
	(void)backend;
	const train_rows p = train_dense(&c, "p", p_, -1, TRAIN_WRITE);
	const train_rows g = train_dense(&c, "g", g_, p.width, TRAIN_READ);
	const train_rows m = train_dense(&c, "m", m_, p.width, TRAIN_WRITE);
	const train_rows v = train_dense(&c, "v", v_, p.width, TRAIN_WRITE);
	if (c.status != VITA_OK) return c.status;
	const double first = 1 - pow(a->beta1, (double)a->step), second = 1 - pow(a->beta2, (double)a->step);
	for (int64_t i = 0; i < p.width; i++) {
		const double gradient = a->scale * (double)g.at[i];
		const double mean = a->beta1 * (double)m.at[i] + (1 - a->beta1) * gradient;
		const double square = a->beta2 * (double)v.at[i] + (1 - a->beta2) * gradient * gradient;
		m.at[i] = (float)mean;
		v.at[i] = (float)square;
		p.at[i] = (float)((double)p.at[i] * (1 - a->rate * a->decay) -
		                  a->rate * (mean / first) / (sqrt(square / second) + a->epsilon));
	}
	return VITA_OK;
}
