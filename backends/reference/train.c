/* SPDX-License-Identifier: MIT
 *
 * Training ops of vita/train_ops.h, forward and backward: products, norms, positions, GLU and rows of tables.
 */
#include <math.h>
#include <stdlib.h>

#include "train.h"

float *ref_train_scratch(train_call *c, int64_t n)
{
	float *memory = n >= 0 && n < INT64_MAX / 8 ? calloc(n ? (size_t)n : 1, sizeof *memory) : NULL;
	if (!memory)
		c->status = vita_fail(c->err, VITA_E_NOMEM, "reference: training op %s: no memory for %lld values", c->op,
		                      (long long)n);
	return memory;
}

/* ---- products -------------------------------------------------------------------------------------- */

static vita_status matmul(vita_backend *backend, uint32_t flags, const vita_tensor *x_, const vita_tensor *w_,
                          const vita_tensor *bias_, const vita_tensor *residual_, const vita_tensor *y_, vita_error *err)
{
	train_call c = REF_CALL("MATMUL", err);
	(void)backend, (void)flags;
	const train_rows x = train_matrix(&c, "x", x_, -1, -1, TRAIN_READ);
	const train_rows w = train_matrix(&c, "w", w_, -1, x.width, TRAIN_READ);
	const train_rows bias = train_vector(&c, "bias", bias_, w.n, TRAIN_OPTIONAL);
	const train_rows residual = train_matrix(&c, "residual", residual_, x.n, w.n, TRAIN_OPTIONAL);
	const train_rows y = train_matrix(&c, "y", y_, x.n, w.n, TRAIN_WRITE);
	if (c.status != VITA_OK) return c.status;
	for (int64_t i = 0; i < x.n; i++)
		for (int64_t j = 0; j < w.n; j++) {
			double sum = ref_dot(train_row(&x, i), train_row(&w, j), x.width);
			if (bias.at) sum += (double)bias.at[j];
			if (residual.at) sum += (double)train_row(&residual, i)[j];
			train_row(&y, i)[j] = (float)sum;
		}
	return VITA_OK;
}

/* dx[i, p] = Σ_j dy[i, j] w[j, p] */
static void product_dx(const train_rows *dy, const train_rows *w, bool add, const train_rows *dx)
{
	for (int64_t i = 0; i < dx->n; i++)
		for (int64_t p = 0; p < dx->width; p++) {
			double sum = add ? (double)train_row(dx, i)[p] : 0;
			for (int64_t j = 0; j < w->n; j++)
				sum += (double)train_row(dy, i)[j] * (double)train_row(w, j)[p];
			train_row(dx, i)[p] = (float)sum;
		}
}

/* dw[j, p] += Σ_i dy[i, j] x[i, p] */
static void product_dw(const train_rows *dy, const train_rows *x, const train_rows *dw)
{
	for (int64_t j = 0; j < dw->n; j++)
		for (int64_t p = 0; p < dw->width; p++) {
			double sum = 0;
			for (int64_t i = 0; i < dy->n; i++)
				sum += (double)train_row(dy, i)[j] * (double)train_row(x, i)[p];
			train_row(dw, j)[p] += (float)sum;
		}
}

static vita_status matmul_backward(vita_backend *backend, uint32_t flags, const vita_tensor *dy_, const vita_tensor *x_,
                                   const vita_tensor *w_, const vita_tensor *dx_, const vita_tensor *dw_,
                                   const vita_tensor *dbias_, vita_error *err)
{
	train_call c = REF_CALL("MATMUL_BACKWARD", err);
	(void)backend;
	const train_rows dy = train_matrix(&c, "dy", dy_, -1, -1, TRAIN_READ);
	const train_rows x = train_matrix(&c, "x", x_, dy.n, -1, TRAIN_READ);
	const train_rows w = train_matrix(&c, "w", w_, dy.width, x.width, TRAIN_READ);
	const train_rows dx = train_matrix(&c, "dx", dx_, dy.n, x.width, TRAIN_WRITE | TRAIN_OPTIONAL);
	const train_rows dw = train_matrix(&c, "dw", dw_, dy.width, x.width, TRAIN_WRITE | TRAIN_OPTIONAL);
	const train_rows dbias = train_vector(&c, "dbias", dbias_, dy.width, TRAIN_WRITE | TRAIN_OPTIONAL);
	if (c.status != VITA_OK) return c.status;
	if (dx.at) product_dx(&dy, &w, flags & VITA_TRAIN_F_ADD, &dx);
	if (dw.at) product_dw(&dy, &x, &dw);
	for (int64_t j = 0; dbias.at && j < dbias.width; j++) {
		double sum = 0;
		for (int64_t i = 0; i < dy.n; i++) sum += (double)train_row(&dy, i)[j];
		dbias.at[j] += (float)sum;
	}
	return VITA_OK;
}

/* ---- norm ------------------------------------------------------------------------------------------ */

static vita_status rms_norm(vita_backend *backend, const vita_tensor *x_, const vita_tensor *weight_, double epsilon,
                            const vita_tensor *y_, const vita_tensor *inverse_, vita_error *err)
{
	train_call c = REF_CALL("RMS_NORM", err);
	(void)backend;
	const train_rows x = train_matrix(&c, "x", x_, -1, -1, TRAIN_READ);
	const train_rows weight = train_vector(&c, "weight", weight_, x.width, TRAIN_READ);
	const train_rows y = train_matrix(&c, "y", y_, x.n, x.width, TRAIN_WRITE);
	const train_rows inverse = train_vector(&c, "inverse", inverse_, x.n, TRAIN_WRITE);
	if (c.status != VITA_OK) return c.status;
	for (int64_t i = 0; i < x.n; i++) {
		const float *row = train_row(&x, i);
		const double scale = 1 / sqrt(ref_dot(row, row, x.width) / (double)x.width + epsilon);
		inverse.at[i] = (float)scale;
		for (int64_t j = 0; j < x.width; j++)
			train_row(&y, i)[j] = (float)((double)row[j] * scale * (double)weight.at[j]);
	}
	return VITA_OK;
}

/* With h = x · inverse and g = dy · weight: dx = inverse · (g - h · mean(g · h)), dweight = Σ dy · h. */
static vita_status rms_norm_backward(vita_backend *backend, uint32_t flags, const vita_tensor *dy_,
                                     const vita_tensor *x_, const vita_tensor *weight_, const vita_tensor *inverse_,
                                     const vita_tensor *dx_, const vita_tensor *dweight_, vita_error *err)
{
	train_call c = REF_CALL("RMS_NORM_BACKWARD", err);
	(void)backend;
	const train_rows dy = train_matrix(&c, "dy", dy_, -1, -1, TRAIN_READ);
	const train_rows x = train_matrix(&c, "x", x_, dy.n, dy.width, TRAIN_READ);
	const train_rows weight = train_vector(&c, "weight", weight_, dy.width, TRAIN_READ);
	const train_rows inverse = train_vector(&c, "inverse", inverse_, dy.n, TRAIN_READ);
	const train_rows dx = train_matrix(&c, "dx", dx_, dy.n, dy.width, TRAIN_WRITE | TRAIN_OPTIONAL);
	const train_rows dweight = train_vector(&c, "dweight", dweight_, dy.width, TRAIN_WRITE | TRAIN_OPTIONAL);
	if (c.status != VITA_OK) return c.status;
	for (int64_t j = 0; dweight.at && j < dy.width; j++) {
		double sum = 0;
		for (int64_t i = 0; i < dy.n; i++)
			sum += (double)train_row(&dy, i)[j] * (double)train_row(&x, i)[j] * (double)inverse.at[i];
		dweight.at[j] += (float)sum;
	}
	for (int64_t i = 0; dx.at && i < dy.n; i++) {
		const float *g = train_row(&dy, i), *row = train_row(&x, i);
		const double scale = (double)inverse.at[i];
		double mean = 0;
		for (int64_t j = 0; j < dy.width; j++) mean += (double)g[j] * (double)weight.at[j] * (double)row[j];
		mean *= scale / (double)dy.width;
		for (int64_t j = 0; j < dy.width; j++) {
			float *to = train_row(&dx, i) + j;
			const double d = scale * ((double)g[j] * (double)weight.at[j] - (double)row[j] * scale * mean);
			*to = (float)(flags & VITA_TRAIN_F_ADD ? (double)*to + d : d);
		}
	}
	return VITA_OK;
}

/* ---- positions ------------------------------------------------------------------------------------- */

static vita_status rope(vita_backend *backend, uint32_t back, const vita_tensor *x_, const int32_t *positions,
                        int64_t size, double theta, double scale, vita_error *err)
{
	train_call c = REF_CALL("ROPE", err);
	(void)backend;
	const train_rows x = train_matrix(&c, "x", x_, -1, -1, TRAIN_WRITE);
	train_ids(&c, "positions", positions, x.n, 0, INT32_MAX);
	if (size < 2 || size % 2 || x.width % size) train_fail(&c, "heads of %lld values", (long long)size);
	if (c.status != VITA_OK) return c.status;
	const int64_t half = size / 2;
	for (int64_t i = 0; i < x.n; i++)
		for (int64_t j = 0; j < half; j++) {
			const double angle = scale * positions[i] * pow(theta, -(double)j / (double)half);
			const double cosine = cos(angle), sine = back ? -sin(angle) : sin(angle);
			for (float *head = train_row(&x, i); head < train_row(&x, i) + x.width; head += size) {
				const double a = (double)head[j], b = (double)head[j + half];
				head[j] = (float)(a * cosine - b * sine);
				head[j + half] = (float)(b * cosine + a * sine);
			}
		}
	return VITA_OK;
}

/* ---- GLU ------------------------------------------------------------------------------------------- */

static double sigmoid(double x)
{
	return 1 / (1 + exp(-x));
}

static vita_status glu(vita_backend *backend, const vita_tensor *gate_, const vita_tensor *up_, const vita_tensor *y_,
                       vita_error *err)
{
	train_call c = REF_CALL("GLU", err);
	(void)backend;
	const train_rows gate = train_matrix(&c, "gate", gate_, -1, -1, TRAIN_READ);
	const train_rows up = train_matrix(&c, "up", up_, gate.n, gate.width, TRAIN_READ);
	const train_rows y = train_matrix(&c, "y", y_, gate.n, gate.width, TRAIN_WRITE);
	if (c.status != VITA_OK) return c.status;
	for (int64_t i = 0; i < gate.n; i++)
		for (int64_t j = 0; j < gate.width; j++) {
			const double g = (double)train_row(&gate, i)[j];
			train_row(&y, i)[j] = (float)(g * sigmoid(g) * (double)train_row(&up, i)[j]);
		}
	return VITA_OK;
}

/* silu'(g) = s (1 + g (1 - s)), s = sigmoid(g) */
static vita_status glu_backward(vita_backend *backend, const vita_tensor *dy_, const vita_tensor *gate_,
                                const vita_tensor *up_, const vita_tensor *dgate_, const vita_tensor *dup_,
                                vita_error *err)
{
	train_call c = REF_CALL("GLU_BACKWARD", err);
	(void)backend;
	const train_rows dy = train_matrix(&c, "dy", dy_, -1, -1, TRAIN_READ);
	const train_rows gate = train_matrix(&c, "gate", gate_, dy.n, dy.width, TRAIN_READ);
	const train_rows up = train_matrix(&c, "up", up_, dy.n, dy.width, TRAIN_READ);
	const train_rows dgate = train_matrix(&c, "dgate", dgate_, dy.n, dy.width, TRAIN_WRITE);
	const train_rows dup = train_matrix(&c, "dup", dup_, dy.n, dy.width, TRAIN_WRITE);
	if (c.status != VITA_OK) return c.status;
	for (int64_t i = 0; i < dy.n; i++)
		for (int64_t j = 0; j < dy.width; j++) {
			const double d = (double)train_row(&dy, i)[j], g = (double)train_row(&gate, i)[j];
			const double u = (double)train_row(&up, i)[j], s = sigmoid(g);
			train_row(&dgate, i)[j] = (float)(d * u * s * (1 + g * (1 - s)));
			train_row(&dup, i)[j] = (float)(d * g * s);
		}
	return VITA_OK;
}

/* ---- rows of a table ------------------------------------------------------------------------------- */

static vita_status gather(vita_backend *backend, const vita_tensor *table_, const int32_t *ids, const vita_tensor *y_,
                          vita_error *err)
{
	train_call c = REF_CALL("GATHER", err);
	(void)backend;
	const train_rows table = train_matrix(&c, "table", table_, -1, -1, TRAIN_READ);
	const train_rows y = train_matrix(&c, "y", y_, -1, table.width, TRAIN_WRITE);
	train_ids(&c, "ids", ids, y.n, 0, table.n);
	if (c.status != VITA_OK) return c.status;
	for (int64_t i = 0; i < y.n; i++)
		memcpy(train_row(&y, i), train_row(&table, ids[i]), (size_t)y.width * sizeof(float));
	return VITA_OK;
}

static vita_status gather_backward(vita_backend *backend, const vita_tensor *dy_, const int32_t *ids,
                                   const vita_tensor *dtable_, vita_error *err)
{
	train_call c = REF_CALL("GATHER_BACKWARD", err);
	(void)backend;
	const train_rows dy = train_matrix(&c, "dy", dy_, -1, -1, TRAIN_READ);
	const train_rows dtable = train_matrix(&c, "dtable", dtable_, -1, dy.width, TRAIN_WRITE);
	train_ids(&c, "ids", ids, dy.n, 0, dtable.n);
	if (c.status != VITA_OK) return c.status;
	for (int64_t i = 0; i < dy.n; i++)
		for (int64_t j = 0; j < dy.width; j++) train_row(&dtable, ids[i])[j] += train_row(&dy, i)[j];
	return VITA_OK;
}

const vita_train_api ref_train_api = {
	.struct_size = sizeof ref_train_api,
	.matmul = matmul,
	.matmul_backward = matmul_backward,
	.rms_norm = rms_norm,
	.rms_norm_backward = rms_norm_backward,
	.rope = rope,
	.attention = ref_train_attention,
	.attention_backward = ref_train_attention_backward,
	.glu = glu,
	.glu_backward = glu_backward,
	.gather = gather,
	.gather_backward = gather_backward,
	.cross_entropy = ref_train_cross_entropy,
	.sum_squares = ref_train_sum_squares,
	.adamw = ref_train_adamw,
};
