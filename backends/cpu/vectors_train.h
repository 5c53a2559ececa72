/* SPDX-License-Identifier: MIT
 *
 * Loops over vectors of floats that only training needs; included as vectors.h is, and by it.
 */
#ifndef VITA_CPU_VECTORS_TRAIN_H
#define VITA_CPU_VECTORS_TRAIN_H

/* y += factor · x */
static void train_add_scaled(float *y, const float *x, float factor, int64_t n)
{
	INDEPENDENT
	for (int64_t i = 0; i < n; i++) y[i] += factor * x[i];
}

/* y += factor · a · b */
static void train_add_product(float *y, const float *a, const float *b, float factor, int64_t n)
{
	INDEPENDENT
	for (int64_t i = 0; i < n; i++) y[i] += factor * a[i] * b[i];
}

/* Σ a · b · c */
static float train_triple(const float *a, const float *b, const float *c, int64_t n)
{
	float lane[LANES] = { 0 }, sum = 0;
	int64_t i = 0;
	for (; i + LANES <= n; i += LANES)
		for (int l = 0; l < LANES; l++) lane[l] += a[i + l] * b[i + l] * c[i + l];
	for (; i < n; i++) sum += a[i] * b[i] * c[i];
	for (int l = 0; l < LANES; l++) sum += lane[l];
	return sum;
}

static float train_dot(const float *a, const float *b, int64_t n)
{
	float lane[LANES] = { 0 }, sum = 0;
	int64_t i = 0;
	for (; i + LANES <= n; i += LANES)
		for (int l = 0; l < LANES; l++) lane[l] += a[i + l] * b[i + l];
	for (; i < n; i++) sum += a[i] * b[i];
	for (int l = 0; l < LANES; l++) sum += lane[l];
	return sum;
}

/* One row back through RMS_NORM; dx may be dy. */
static void train_norm_back(float *dx, const float *dy, const float *x, const float *w, float inverse, bool add, int64_t n)
{
	const float mean = inverse * inverse * train_triple(dy, w, x, n) / (float)n;
	if (add) {
		INDEPENDENT
		for (int64_t i = 0; i < n; i++) dx[i] += inverse * (dy[i] * w[i] - x[i] * mean);
	} else {
		INDEPENDENT
		for (int64_t i = 0; i < n; i++) dx[i] = inverse * (dy[i] * w[i] - x[i] * mean);
	}
}

static void train_glu_back(float *dgate, float *dup, const float *dy, const float *gate, const float *up, int64_t n)
{
	INDEPENDENT
	for (int64_t i = 0; i < n; i++) {
		const float d = dy[i], g = gate[i], u = up[i], s = sigmoid_float(g);
		dgate[i] = d * u * s * (1 + g * (1 - s));
		dup[i] = d * g * s;
	}
}

/* A row of the softmax's gradient: d = scale · p · (d - mean) */
static void train_softmax_back(float *d, const float *p, float mean, float scale, int64_t n)
{
	INDEPENDENT
	for (int64_t i = 0; i < n; i++) d[i] = scale * p[i] * (d[i] - mean);
}

static void train_adamw(float *p, const float *g, float *m, float *v, const struct train_adamw *a, int64_t n)
{
	INDEPENDENT
	for (int64_t i = 0; i < n; i++) {
		const float gradient = a->scale * g[i];
		const float mean = a->beta1 * m[i] + a->rest1 * gradient;
		const float square = a->beta2 * v[i] + a->rest2 * gradient * gradient;
		m[i] = mean;
		v[i] = square;
		p[i] = p[i] * a->keep - a->rate * mean / (sqrtf(square * a->correct2) + a->epsilon);
	}
}

/* Two rows as pairs of bf16. */
static void train_pair_bf16(const float *x0, const float *x1, uint32_t *y, int64_t n)
{
	INDEPENDENT
	for (int64_t i = 0; i < n; i++) {
		const uint32_t low = vita_f32_bits(x0[i]), high = vita_f32_bits(x1[i]);
		y[i] = (low + 0x7fffu + (low >> 16 & 1u)) >> 16 | ((high + 0x7fffu + (high >> 16 & 1u)) & 0xffff0000u);
	}
}

#define VECTOR_TRAIN_KERNELS \
	.add_scaled = train_add_scaled, .add_product = train_add_product, .dot = train_dot, .norm_back = train_norm_back, \
	.glu_back = train_glu_back, .softmax_back = train_softmax_back, .adamw = train_adamw, .pair_bf16 = train_pair_bf16

#endif
