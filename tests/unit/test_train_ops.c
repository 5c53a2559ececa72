/* SPDX-License-Identifier: MIT
 *
 * Training ops of the cpu backend against the reference backend's, at sizes that leave remainders everywhere, with
 * each set of kernels that this machine runs.
 */
#include "cpu_support.h"

#include <vita/train_ops.h>

#define TOLERANCE 2e-5 /* of the largest value, in f32 */
#define MOST_TENSORS 12

/* The same tensors on both devices: [0] cpu, [1] reference. */
typedef struct pair {
	vita_tensor on[2];
} pair;

typedef struct both {
	const test_device *device[2];
	const vita_train_api *api[2];
	pair made[MOST_TENSORS];
	int n;
} both;

static both begin(const test_device *cpu, const test_device *reference)
{
	both b = { .device = { cpu, reference } };
	for (int i = 0; i < 2; i++) {
		b.api[i] = b.device[i]->api->get_extension(b.device[i]->self, VITA_TRAIN_ID);
		assert_non_null(b.api[i]);
	}
	return b;
}

/* rows × columns of random numbers, or with columns 0 a vector. */
static pair *add(both *b, int64_t rows, int64_t columns)
{
	const int64_t n = rows * (columns ? columns : 1);
	float *values = malloc((size_t)n * sizeof *values);
	pair *p = &b->made[b->n++];
	assert_non_null(values);
	random_floats(values, n);
	for (int i = 0; i < 2; i++)
		p->on[i] = make(b->device[i], VITA_F32, columns ? 2 : 1, rows, columns, 0, values);
	free(values);
	return p;
}

static void compare(const both *b, const pair *p, double tolerance)
{
	double largest;
	const vita_tensor *t = &p->on[0];
	float *ours = values_of(b->device[0], t), *theirs = values_of(b->device[1], &p->on[1]);
	const double off = difference(ours, theirs, t->shape[0] * t->shape[1], &largest);
	if (!(off <= tolerance * (largest > 1 ? largest : 1)))
		fail_msg("tensor %d: %g off, the largest value is %g", (int)(p - b->made), off, largest);
	free(ours);
	free(theirs);
}

static void end(both *b)
{
	for (int k = 0; k < b->n; k++)
		for (int i = 0; i < 2; i++) drop(b->device[i], &b->made[k].on[i]);
}

/* Call api.member(backend, …) on both devices; T(x) is the tensor of pair x there. */
#define T(x) (&(x)->on[i])
#define ON_BOTH(b, member, ...) \
	for (int i = 0; i < 2; i++) { \
		vita_error err; \
		if ((b)->api[i]->member((b)->device[i]->self, __VA_ARGS__, &err) != VITA_OK) fail_msg("%s", err.message); \
	}

static void products_of(const test_device *cpu, const test_device *reference, int64_t n, int64_t k, int64_t m,
                        uint32_t flags)
{
	both b = begin(cpu, reference);
	const double tolerance = flags & VITA_TRAIN_F_BF16 ? 0.03 : TOLERANCE;
	pair *x = add(&b, n, k), *w = add(&b, m, k), *bias = add(&b, m, 0), *residual = add(&b, n, m), *y = add(&b, n, m);
	pair *dx = add(&b, n, k), *dw = add(&b, m, k), *dbias = add(&b, m, 0);
	ON_BOTH(&b, matmul, flags, T(x), T(w), T(bias), T(residual), T(y))
	compare(&b, y, tolerance);
	ON_BOTH(&b, matmul, flags, T(x), T(w), NULL, T(residual), T(residual))
	compare(&b, residual, tolerance);
	ON_BOTH(&b, matmul_backward, flags, T(y), T(x), T(w), T(dx), T(dw), T(dbias))
	compare(&b, dx, tolerance);
	ON_BOTH(&b, matmul_backward, flags | VITA_TRAIN_F_ADD, T(y), T(x), T(w), T(dx), NULL, NULL)
	compare(&b, dx, tolerance);
	compare(&b, dw, tolerance);
	compare(&b, dbias, tolerance);
	end(&b);
}

static void products(const test_device *cpu, const test_device *reference)
{
	static const int64_t sizes[][3] = { { 1, 1, 1 }, { 5, 7, 33 }, { 57, 300, 70 }, { 130, 64, 129 }, { 13, 257, 32 } };
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
		for (uint32_t flags = 0; flags <= VITA_TRAIN_F_BF16; flags++)
			products_of(cpu, reference, sizes[i][0], sizes[i][1], sizes[i][2], flags);
}

static void attention(const test_device *cpu, const test_device *reference)
{
	static const int32_t starts[] = { 0, 1, 60, 60, 167 }; /* one of them empty */
	static const int64_t head_sizes[] = { 16, 20, 64 };
	for (size_t s = 0; s < sizeof head_sizes / sizeof head_sizes[0]; s++) {
		both b = begin(cpu, reference);
		const int64_t size = head_sizes[s], n = 167;
		const vita_train_attention a = { sizeof a, 4, starts, 4, 2, size, 1 / sqrt((double)size) };
		pair *q = add(&b, n, 4 * size), *k = add(&b, n, 2 * size), *v = add(&b, n, 2 * size), *y = add(&b, n, 4 * size);
		pair *log_sum = add(&b, n, 4), *dy = add(&b, n, 4 * size), *dq = add(&b, n, 4 * size);
		pair *dk = add(&b, n, 2 * size), *dv = add(&b, n, 2 * size);
		ON_BOTH(&b, attention, &a, T(q), T(k), T(v), T(y), T(log_sum))
		compare(&b, y, TOLERANCE);
		compare(&b, log_sum, TOLERANCE);
		ON_BOTH(&b, attention_backward, &a, T(dy), T(q), T(k), T(v), T(y), T(log_sum), T(dq), T(dk), T(dv))
		compare(&b, dq, TOLERANCE);
		compare(&b, dk, TOLERANCE);
		compare(&b, dv, TOLERANCE);
		end(&b);
	}
}

static void rows(const test_device *cpu, const test_device *reference)
{
	both b = begin(cpu, reference);
	const int64_t n = 37, width = 100;
	int32_t ids[37], targets[37];
	double sum[2];
	pair *x = add(&b, n, width), *weight = add(&b, width, 0), *y = add(&b, n, width), *inverse = add(&b, n, 0);
	pair *dx = add(&b, n, width), *dweight = add(&b, width, 0), *table = add(&b, 75, width), *dtable = add(&b, 75, width);
	pair *up = add(&b, n, width);
	for (int64_t i = 0; i < n; i++) {
		ids[i] = (int32_t)random_between(0, 74);
		targets[i] = i % 3 ? ids[i] : VITA_TRAIN_NO_TARGET;
	}
	ON_BOTH(&b, rms_norm, T(x), T(weight), 1e-6, T(y), T(inverse))
	compare(&b, y, TOLERANCE);
	ON_BOTH(&b, rms_norm_backward, VITA_TRAIN_F_ADD, T(y), T(x), T(weight), T(inverse), T(dx), T(dweight))
	compare(&b, dx, TOLERANCE);
	compare(&b, dweight, TOLERANCE);
	ON_BOTH(&b, rope, 0, T(y), ids, 20, 1e4, 1.0)
	compare(&b, y, TOLERANCE);
	ON_BOTH(&b, rope, 1, T(y), ids, 20, 1e4, 1.0)
	compare(&b, y, TOLERANCE);
	ON_BOTH(&b, gather, T(table), ids, T(x))
	compare(&b, x, 0);
	ON_BOTH(&b, gather_backward, T(x), ids, T(dtable))
	compare(&b, dtable, TOLERANCE);
	ON_BOTH(&b, cross_entropy, 0, T(y), T(table), targets, 0.7, T(dx), T(dtable), &sum[i])
	compare(&b, dx, TOLERANCE);
	compare(&b, dtable, TOLERANCE);
	assert_true(fabs(sum[0] - sum[1]) <= TOLERANCE * fabs(sum[1]));
	ON_BOTH(&b, glu, T(x), T(up), T(y))
	compare(&b, y, TOLERANCE);
	ON_BOTH(&b, glu_backward, T(y), T(x), T(up), T(x), T(up))
	compare(&b, x, TOLERANCE);
	compare(&b, up, TOLERANCE);
	end(&b);
}

static void with(void (*test)(const test_device *cpu, const test_device *reference))
{
	random_seed(7);
	with_kernels(2, test);
}

static void test_products(void **state)
{
	(void)state;
	with(products);
}

static void test_attention(void **state)
{
	(void)state;
	with(attention);
}

static void test_rows(void **state)
{
	(void)state;
	with(rows);
}

/* Callers' mistakes get a sentence on both backends. */
static void mistakes(const test_device *cpu, const test_device *reference)
{
	static const int32_t ids[] = { 0, 75 };
	both b = begin(cpu, reference);
	pair *x = add(&b, 2, 8), *w = add(&b, 75, 9), *y = add(&b, 2, 75), *rows9 = add(&b, 2, 9);
	for (int i = 0; i < 2; i++) {
		vita_error err;
		vita_backend *self = b.device[i]->self;
		assert_int_equal(b.api[i]->matmul(self, 0, T(x), T(w), NULL, NULL, T(y), &err), VITA_E_SHAPE);
		assert_non_null(strstr(err.message, "MATMUL"));
		assert_int_equal(b.api[i]->matmul(self, 0, T(x), NULL, NULL, NULL, T(y), &err), VITA_E_SHAPE);
		assert_int_equal(b.api[i]->gather(self, T(w), ids, T(rows9), &err), VITA_E_SHAPE);
		assert_non_null(strstr(err.message, "75"));
		assert_int_equal(b.api[i]->rope(self, 0, T(x), ids, 3, 1e4, 1, &err), VITA_E_SHAPE);
	}
	end(&b);
}

static void test_mistakes(void **state)
{
	(void)state;
	with(mistakes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_products), cmocka_unit_test(test_attention), cmocka_unit_test(test_rows),
		cmocka_unit_test(test_mistakes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
