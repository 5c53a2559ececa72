/* SPDX-License-Identifier: MIT
 *
 * UNARY and GLU: functions of one number.
 */
#include <math.h>

#include "reference.h"

/* alpha matters to LEAKY_RELU and ELU alone. */
static double silu(double x, double alpha) { return (void)alpha, x / (1 + exp(-x)); }
static double gelu(double x, double alpha) { return (void)alpha, x * (1 + erf(x * sqrt(0.5))) / 2; }
static double gelu_tanh(double x, double alpha)
{
	double pi = acos(-1);
	return (void)alpha, x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x * x * x))) / 2;
}
static double relu(double x, double alpha) { return (void)alpha, x < 0 ? 0 : x; }
static double leaky_relu(double x, double alpha) { return x < 0 ? alpha * x : x; }
static double elu(double x, double alpha) { return x < 0 ? alpha * expm1(x) : x; }
static double tangent(double x, double alpha) { return (void)alpha, tanh(x); }
static double sigmoid(double x, double alpha) { return (void)alpha, 1 / (1 + exp(-x)); }
static double mish(double x, double alpha) { return (void)alpha, x * tanh(log1p(exp(x))); }
static double exponential(double x, double alpha) { return (void)alpha, exp(x); }
static double logarithm(double x, double alpha) { return (void)alpha, log(x); }
static double sine(double x, double alpha) { return (void)alpha, sin(x); }
static double cosine(double x, double alpha) { return (void)alpha, cos(x); }
static double root(double x, double alpha) { return (void)alpha, sqrt(x); }
static double absolute(double x, double alpha) { return (void)alpha, fabs(x); }
static double square(double x, double alpha) { return (void)alpha, x * x; }

ref_function ref_unary_function(uint32_t function)
{
	static const ref_function functions[] = {
		[VITA_UNARY_SILU] = silu,
		[VITA_UNARY_GELU] = gelu,
		[VITA_UNARY_GELU_TANH] = gelu_tanh,
		[VITA_UNARY_RELU] = relu,
		[VITA_UNARY_LEAKY_RELU] = leaky_relu,
		[VITA_UNARY_ELU] = elu,
		[VITA_UNARY_TANH] = tangent,
		[VITA_UNARY_SIGMOID] = sigmoid,
		[VITA_UNARY_MISH] = mish,
		[VITA_UNARY_EXP] = exponential,
		[VITA_UNARY_LOG] = logarithm,
		[VITA_UNARY_SIN] = sine,
		[VITA_UNARY_COS] = cosine,
		[VITA_UNARY_SQRT] = root,
		[VITA_UNARY_ABS] = absolute,
		[VITA_UNARY_SQUARE] = square,
	};
	return function < sizeof functions / sizeof *functions ? functions[function] : NULL;
}

/* y[…, i, t] = x + sin²(alpha[i] x) / (alpha[i] + 1e-9), x = x[…, i, t]. Ziyin, Hartwig and Ueda 2020. */
static void run_snake(const op_call *c)
{
	const float *alpha = ref_row(c->in[1], 0);
	int64_t rows = ref_count(c->in[0], 1), n = op_last(c->in[0], 0), channels = op_last(c->in[0], 1);

	for (int64_t r = 0; r < rows; r++) {
		const float *x = ref_row(c->in[0], r);
		float *y = ref_row(c->out[0], r);
		double a = (double)alpha[r % channels];
		for (int64_t t = 0; t < n; t++) {
			double s = sin(a * (double)x[t]);
			y[t] = (float)((double)x[t] + s * s / (a + 1e-9));
		}
	}
}

/* y = f(x) */
vita_status run_unary(const op_call *c)
{
	const vita_unary_params *p = c->params;
	ref_function f = ref_unary_function(p->function);
	int64_t rows = ref_count(c->in[0], 1), n = op_last(c->in[0], 0);

	if (p->function == VITA_UNARY_SNAKE) {
		run_snake(c);
		return VITA_OK;
	}
	for (int64_t r = 0; r < rows; r++) {
		const float *x = ref_row(c->in[0], r);
		float *y = ref_row(c->out[0], r);
		for (int64_t i = 0; i < n; i++) y[i] = f ? (float)f((double)x[i], p->alpha) : x[i];
	}
	return VITA_OK;
}

/* y = f(gate) · up */
vita_status run_glu(const op_call *c)
{
	ref_function f = ref_unary_function(((const vita_kind_params *)c->params)->kind);
	int64_t rows = ref_count(c->in[0], 1), n = op_last(c->in[0], 0);

	for (int64_t r = 0; r < rows; r++) {
		const float *gate = ref_row(c->in[0], r), *up = ref_row(c->in[1], r);
		float *y = ref_row(c->out[0], r);
		for (int64_t i = 0; i < n; i++) y[i] = (float)(f((double)gate[i], 0) * (double)up[i]);
	}
	return VITA_OK;
}
