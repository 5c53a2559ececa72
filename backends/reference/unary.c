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

vita_status check_unary(const ref_call *c)
{
	const vita_tensor *x = c->in[0];
	const vita_unary_params *p = c->params;
	vita_status status = ref_expect_same(c, p->function == VITA_UNARY_SNAKE ? 2 : 1);

	if (status != VITA_OK) return status;
	if (p->function == VITA_UNARY_SNAKE) {
		if (!c->in[1]) return ref_fail(c, VITA_E_INVALID, "SNAKE needs the input alpha");
		return ref_expect_vector(c, "alpha", c->in[1], ref_last(x, 1));
	}
	if (c->in[1]) return ref_fail(c, VITA_E_INVALID, "function %u takes no input alpha", p->function);
	if (p->function != VITA_UNARY_NONE && !ref_unary_function(p->function))
		return ref_fail(c, VITA_E_INVALID, "function is %u, expected a VITA_UNARY_*", p->function);
	return VITA_OK;
}

/* y[…, i, t] = x + sin²(alpha[i] x) / (alpha[i] + 1e-9), x = x[…, i, t]. Ziyin, Hartwig and Ueda 2020. */
static void run_snake(const ref_call *c)
{
	const float *alpha = ref_row(c->in[1], 0);
	int64_t rows = ref_count(c->in[0], 1), n = ref_last(c->in[0], 0), channels = ref_last(c->in[0], 1);

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
vita_status run_unary(const ref_call *c)
{
	const vita_unary_params *p = c->params;
	ref_function f = ref_unary_function(p->function);
	int64_t rows = ref_count(c->in[0], 1), n = ref_last(c->in[0], 0);

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

vita_status check_glu(const ref_call *c)
{
	const vita_tensor *gate = c->in[0], *up = c->in[1];
	uint32_t kind = ((const vita_kind_params *)c->params)->kind;
	vita_status status = ref_expect(c, "gate", gate, REF_F32, 1, VITA_MAX_RANK);

	if (status != VITA_OK) return status;
	if ((status = ref_expect_shape(c, "up", up, gate->rank, gate->shape)) != VITA_OK) return status;
	if ((status = ref_expect_shape(c, "y", c->out[0], gate->rank, gate->shape)) != VITA_OK) return status;
	if (kind == VITA_UNARY_SILU || kind == VITA_UNARY_GELU || kind == VITA_UNARY_GELU_TANH ||
	    kind == VITA_UNARY_SIGMOID)
		return VITA_OK;
	return ref_fail(c, VITA_E_INVALID, "function is %u, expected SILU, GELU, GELU_TANH or SIGMOID", kind);
}

/* y = f(gate) · up */
vita_status run_glu(const ref_call *c)
{
	ref_function f = ref_unary_function(((const vita_kind_params *)c->params)->kind);
	int64_t rows = ref_count(c->in[0], 1), n = ref_last(c->in[0], 0);

	for (int64_t r = 0; r < rows; r++) {
		const float *gate = ref_row(c->in[0], r), *up = ref_row(c->in[1], r);
		float *y = ref_row(c->out[0], r);
		for (int64_t i = 0; i < n; i++) y[i] = (float)(f((double)gate[i], 0) * (double)up[i]);
	}
	return VITA_OK;
}
