/* SPDX-License-Identifier: MIT
 *
 * The transforms of Winograd's minimal filtering (conv_filter.c); included as vectors.h is, and by it.
 *
 * Four outputs of a filter of 3 or 4 taps are a product of two polynomials, read backwards. It is known from its values
 * at 6 or 7 points, each of which costs one multiplication: 0, 1, -1, 2, -2, with four taps 1/2, and infinity (the
 * leading coefficient). Factors of a point are shared out so that inputs are combined with whole numbers. Sums in f32
 * come out about twice as far off as those of the filter written out.
 *
 * Winograd 1980, "Arithmetic Complexity of Computations"; Lavin and Gray 2016, "Fast Algorithms for Convolutional
 * Neural Networks".
 */
#ifndef VITA_CPU_VECTORS_FILTER_H
#define VITA_CPU_VECTORS_FILTER_H

/* Filters w[s][i], s < taps, at the points: u[p][i]. Rows are a step apart. */
static void filter_weights(int taps, const float *w, int64_t w_step, float *u, int64_t u_step, int64_t n)
{
	const float *w0 = w, *w1 = w + w_step, *w2 = w + 2 * w_step, *w3 = w + 3 * w_step;
	float *u0 = u, *u1 = u + u_step, *u2 = u + 2 * u_step, *u3 = u + 3 * u_step, *u4 = u + 4 * u_step, *u5 = u + 5 * u_step;
	float *u6 = u + 6 * u_step;
	if (taps == 3) {
		INDEPENDENT
		for (int64_t i = 0; i < n; i++) {
			const float a = w0[i], b = w1[i], c = w2[i];
			u0[i] = a / 4;
			u1[i] = (a + b + c) / 6;
			u2[i] = (b - a - c) / 6;
			u3[i] = -(a + 2 * b + 4 * c) / 24;
			u4[i] = (a - 2 * b + 4 * c) / 24;
			u5[i] = c;
		}
		return;
	}
	INDEPENDENT
	for (int64_t i = 0; i < n; i++) {
		const float a = w0[i], b = w1[i], c = w2[i], d = w3[i];
		u0[i] = a / 4;
		u1[i] = -(a + b + c + d) / 6;
		u2[i] = (b - a + d - c) / 18;
		u3[i] = (a + 2 * b + 4 * c + 8 * d) / 72;
		u4[i] = (a - 2 * b + 4 * c - 8 * d) / 120;
		u5[i] = (32 * a + 16 * b + 8 * c + 4 * d) / 45;
		u6[i] = -d / 2;
	}
}

/* Inputs to what meets the points: v[p][i] from x[0 … 3][i] and, as inputs 4 … 6, x[0 … 2][i + next]. */
static void filter_input(int taps, const float *x, int64_t x_step, int64_t next, float *v, int64_t v_step, int64_t n)
{
	const float *r0 = x, *r1 = x + x_step, *r2 = x + 2 * x_step, *r3 = x + 3 * x_step;
	const float *r4 = r0 + next, *r5 = r1 + next, *r6 = r2 + next;
	float *v0 = v, *v1 = v + v_step, *v2 = v + 2 * v_step, *v3 = v + 3 * v_step, *v4 = v + 4 * v_step, *v5 = v + 5 * v_step;
	float *v6 = v + 6 * v_step;
	if (taps == 3) {
		INDEPENDENT
		for (int64_t i = 0; i < n; i++) {
			const float x0 = r0[i], x1 = r1[i], x2 = r2[i], x3 = r3[i], x4 = r4[i], x5 = r5[i];
			v0[i] = 4 * x0 - 5 * x2 + x4;
			v1[i] = 4 * (x1 + x2) - (x3 + x4);
			v2[i] = 4 * (x1 - x2) - (x3 - x4);
			v3[i] = 2 * (x1 - x3) + (x2 - x4);
			v4[i] = 2 * (x1 - x3) - (x2 - x4);
			v5[i] = 4 * x1 - 5 * x3 + x5;
		}
		return;
	}
	INDEPENDENT
	for (int64_t i = 0; i < n; i++) {
		const float x0 = r0[i], x1 = r1[i], x2 = r2[i], x3 = r3[i], x4 = r4[i], x5 = r5[i], x6 = r6[i];
		v0[i] = 4 * x0 - 8 * x1 - 5 * x2 + 10 * x3 + x4 - 2 * x5;
		v1[i] = 4 * (x1 - x2) - 9 * x3 + x4 + 2 * x5;
		v2[i] = 4 * x1 - 12 * x2 + 7 * x3 + 3 * x4 - 2 * x5;
		v3[i] = 2 * (x1 + x5) - 3 * (x2 - x4) - 4 * x3;
		v4[i] = 2 * (x1 - x5) - 5 * (x2 - x4);
		v5[i] = 4 * x1 - 5 * x3 + x5;
		v6[i] = 4 * x1 - 8 * x2 - 5 * x3 + 10 * x4 + x5 - 2 * x6;
	}
}

/* Products at the points, m[p][i], to outputs y[0 … 3][i], and the bias to them. */
static void filter_output(int taps, const float *m, int64_t m_step, float bias, float *y, int64_t y_step, int64_t n)
{
	const float *m0 = m, *m1 = m + m_step, *m2 = m + 2 * m_step, *m3 = m + 3 * m_step, *m4 = m + 4 * m_step;
	const float *m5 = m + 5 * m_step, *m6 = m + 6 * m_step;
	float *y0 = y, *y1 = y + y_step, *y2 = y + 2 * y_step, *y3 = y + 3 * y_step;
	if (taps == 3) {
		INDEPENDENT
		for (int64_t i = 0; i < n; i++) {
			const float even1 = m1[i] + m2[i], odd1 = m1[i] - m2[i], even2 = m3[i] + m4[i], odd2 = m3[i] - m4[i];
			y0[i] = bias + (m0[i] + even1 + even2);
			y1[i] = bias + (odd1 + 2 * odd2);
			y2[i] = bias + (even1 + 4 * even2);
			y3[i] = bias + (odd1 + 8 * odd2 + m5[i]);
		}
		return;
	}
	INDEPENDENT
	for (int64_t i = 0; i < n; i++) {
		const float even1 = m1[i] + m2[i], odd1 = m1[i] - m2[i], even2 = m3[i] + m4[i], odd2 = m3[i] - m4[i], half = m5[i];
		y0[i] = bias + (m0[i] + even1 + even2 + half);
		y1[i] = bias + (odd1 + 2 * odd2 + 0.5f * half);
		y2[i] = bias + (even1 + 4 * even2 + 0.25f * half);
		y3[i] = bias + (odd1 + 8 * odd2 + 0.125f * half + m6[i]);
	}
}

/* A run of floats, or where enough others come behind it, which are written later, more than that at once. */
#define SHORT_RUN 8
static inline void filter_copy(const float *x, float *y, int64_t run, bool others)
{
	float at_once[SHORT_RUN];
	if (run > SHORT_RUN || !others) {
		for (int64_t j = 0; j < run; j++) y[j] = x[j];
		return;
	}
	for (int j = 0; j < SHORT_RUN; j++) at_once[j] = x[j];
	for (int j = 0; j < SHORT_RUN; j++) y[j] = at_once[j];
}

/* x as [n][4][run] to four rows of n · run values. */
static void filter_split(const float *x, int64_t run, float *y, int64_t y_step, int64_t n)
{
	float *y0 = y, *y1 = y + y_step, *y2 = y + 2 * y_step, *y3 = y + 3 * y_step;
	if (run > 1) {
		for (int64_t row = 0; row < 4; row++)
			for (int64_t i = 0; i < n; i++)
				filter_copy(x + (4 * i + row) * run, y + row * y_step + i * run, run, i + SHORT_RUN < n);
		return;
	}
	INDEPENDENT
	for (int64_t i = 0; i < n; i++) y0[i] = x[4 * i], y1[i] = x[4 * i + 1], y2[i] = x[4 * i + 2], y3[i] = x[4 * i + 3];
}

/* And back. */
static void filter_weave(const float *x, int64_t x_step, int64_t run, float *y, int64_t n)
{
	const float *x0 = x, *x1 = x + x_step, *x2 = x + 2 * x_step, *x3 = x + 3 * x_step;
	if (run > 1) {
		for (int64_t i = 0; i < n; i++)
			for (int64_t row = 0; row < 4; row++)
				filter_copy(x + row * x_step + i * run, y + (4 * i + row) * run, run, i + SHORT_RUN < n);
		return;
	}
	INDEPENDENT
	for (int64_t i = 0; i < n; i++) y[4 * i] = x0[i], y[4 * i + 1] = x1[i], y[4 * i + 2] = x2[i], y[4 * i + 3] = x3[i];
}

#define VECTOR_FILTER_KERNELS \
	.filter_weights = filter_weights, .filter_input = filter_input, .filter_output = filter_output, \
	.filter_split = filter_split, .filter_weave = filter_weave

#endif
