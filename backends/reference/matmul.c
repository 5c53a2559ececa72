/* SPDX-License-Identifier: MIT
 *
 * MATMUL: products of activations with weights of any type.
 */
#include <stdlib.h>

#include "reference.h"

/* Rows of x that share one conversion of a weight row; together they stay in a cache. */
#define ROWS 32

/* Rows first … first + n - 1 of one plane:
 * y[i, j] = act(x[i] · w[j] + bias[j]) + residual[i, j]. */
static void multiply_rows(const op_call *c, int64_t plane, int64_t first, int64_t n, float *scratch)
{
	const vita_tensor *x = c->in[0], *w = c->in[1], *residual = c->in[3], *y = c->out[0];
	const float *bias = c->in[2] ? ref_row(c->in[2], 0) : NULL;
	ref_function act = ref_unary_function(((const vita_matmul_params *)c->params)->activation);
	const unsigned char *w_row = ref_at(w, 2, w->rank > 2 ? plane : 0);
	int64_t k = op_last(x, 0), m = op_last(y, 0);
	const float *x_row[ROWS], *r_row[ROWS];
	float *y_row[ROWS];

	for (int64_t i = 0; i < n; i++) {
		x_row[i] = ref_row2(x, plane, first + i);
		y_row[i] = ref_row2(y, plane, first + i);
		r_row[i] = residual ? ref_row2(residual, plane, first + i) : NULL;
	}
	for (int64_t j = 0; j < m; j++, w_row += op_step(w, 1)) {
		const float *weight = ref_f32_row(w->dtype, w_row, k, scratch);
		for (int64_t i = 0; i < n; i++) {
			double sum = ref_dot(x_row[i], weight, k);
			if (bias) sum += (double)bias[j];
			if (act) sum = act(sum, 0);
			if (residual) sum += (double)r_row[i][j];
			y_row[i][j] = (float)sum;
		}
	}
}

vita_status run_matmul(const op_call *c)
{
	int64_t planes = ref_count(c->out[0], 2), n = op_last(c->out[0], 1);
	float *scratch = ref_scratch(c, op_last(c->in[0], 0), sizeof *scratch);

	if (!scratch) return VITA_E_NOMEM;
	for (int64_t plane = 0; plane < planes; plane++)
		for (int64_t first = 0; first < n; first += ROWS)
			multiply_rows(c, plane, first, n - first < ROWS ? n - first : ROWS, scratch);
	free(scratch);
	return VITA_OK;
}
