/* SPDX-License-Identifier: MIT
 *
 * The cpu backend's attention and convolutions at sizes that compare_ops does not reach, chains of ops in one
 * submit, and ops that lie, against the reference backend.
 */
#include "cpu_support.h"

/* ---- attention ----------------------------------------------------------------------------------------- */

struct shape {
	int64_t n_q, n_k, heads, kv_heads, d;
	uint32_t k_type, v_type, mask, block;
	int bias; /* 0 none, 1 numbers, 2 with hidden keys */
};

struct attention_data {
	float *q, *bias;
	void *k, *v;
};

static struct attention_data attention_data(const struct shape *s)
{
	struct attention_data a;
	const int64_t n = s->heads * s->n_q * s->n_k;
	a.q = random_weights(VITA_F32, s->n_q * s->heads * s->d);
	a.k = random_weights(s->k_type, s->n_k * s->kv_heads * s->d);
	a.v = random_weights(s->v_type, s->n_k * s->kv_heads * s->d);
	a.bias = random_weights(VITA_F32, n);
	for (int64_t i = 0; s->bias == 2 && i < n; i++)
		if (random_between(0, 3) == 0) a.bias[i] = -INFINITY;
	return a;
}

static void free_attention(struct attention_data *a)
{
	free(a->q);
	free(a->k);
	free(a->v);
	free(a->bias);
}

/* Queries first … first + n - 1, with as many keys as the last of them has before it. */
static float *attend(const test_device *device, const struct shape *s, const struct attention_data *a, int64_t first,
                     int64_t n, int64_t n_k)
{
	vita_tensor q = make(device, VITA_F32, 3, n, s->heads, s->d, a->q + first * s->heads * s->d);
	vita_tensor k = make(device, s->k_type, 3, n_k, s->kv_heads, s->d, a->k);
	vita_tensor v = make(device, s->v_type, 3, n_k, s->kv_heads, s->d, a->v);
	vita_tensor bias = make(device, VITA_F32, 3, s->heads, s->n_q, s->n_k, a->bias), y = make(device, VITA_F32, 3, n, s->heads, s->d, NULL);
	vita_attention_params p = { sizeof p, s->mask, s->block, 0, 1 / sqrt((double)s->d) };
	vita_op op;
	VITA_INIT(&op);
	op.code = VITA_OP_ATTENTION;
	op.n_inputs = 4, op.n_outputs = 1;
	op.input[0] = &q, op.input[1] = &k, op.input[2] = &v;
	op.input[3] = s->bias ? &bias : NULL;
	op.output[0] = &y;
	op.params = &p;
	submit(device, &op);
	float *out = values_of(device, &y);
	drop(device, &q), drop(device, &k), drop(device, &v), drop(device, &bias), drop(device, &y);
	return out;
}

static const struct shape shapes[] = {
	{ 130, 130, 14, 2, 64, VITA_F32, VITA_F32, VITA_MASK_CAUSAL, 0, 0 },
	{ 1, 300, 14, 2, 64, VITA_F32, VITA_F32, VITA_MASK_CAUSAL, 0, 0 },
	{ 14, 200, 28, 4, 128, VITA_F16, VITA_F16, VITA_MASK_CAUSAL, 0, 0 },
	{ 70, 150, 4, 4, 96, VITA_BF16, VITA_BF16, VITA_MASK_CAUSAL, 0, 0 },
	{ 9, 90, 6, 3, 64, VITA_Q8_0, VITA_F16, VITA_MASK_CAUSAL, 0, 0 },
	{ 100, 100, 3, 1, 80, VITA_F32, VITA_F32, VITA_MASK_BLOCK_CAUSAL, 25, 0 },
	{ 66, 129, 2, 2, 40, VITA_F32, VITA_F32, VITA_MASK_FULL, 0, 1 },
	{ 66, 129, 2, 1, 33, VITA_F32, VITA_F16, VITA_MASK_FULL, 0, 2 },
	{ 80, 70, 2, 1, 16, VITA_F32, VITA_F32, VITA_MASK_CAUSAL, 0, 2 }, /* the first rows see no key */
	{ 3, 65, 120, 1, 8, VITA_F32, VITA_F32, VITA_MASK_CAUSAL, 0, 0 },
};
#define N_SHAPES (sizeof shapes / sizeof *shapes)

/* f32 sums in another order, at most 300 of them: 1e-5. */
static void attention_agrees(const test_device *cpu, const test_device *reference)
{
	for (size_t i = 0; i < N_SHAPES; i++) {
		const struct shape *s = &shapes[i];
		struct attention_data a = attention_data(s);
		float *found = attend(cpu, s, &a, 0, s->n_q, s->n_k), *expected = attend(reference, s, &a, 0, s->n_q, s->n_k);
		double largest, worst = difference(found, expected, s->n_q * s->heads * s->d, &largest);
		if (!(worst <= 1e-5)) fail_msg("shape %d: off by %g of %g", (int)i, worst, largest);
		free(found), free(expected);
		free_attention(&a);
	}
}

/* A query's answer is the same, bit for bit, alone and with others. */
static void queries_stand_alone(const test_device *cpu, const test_device *reference)
{
	(void)reference;
	for (size_t i = 0; i < N_SHAPES; i++) {
		const struct shape *s = &shapes[i];
		if (s->mask != VITA_MASK_CAUSAL || s->bias || s->n_k < s->n_q) continue;
		struct attention_data a = attention_data(s);
		float *all = attend(cpu, s, &a, 0, s->n_q, s->n_k);
		for (int64_t n = 1; n <= 16 && n <= s->n_q; n++) {
			const int64_t first = random_between(0, s->n_q - n), end = first + n;
			float *some = attend(cpu, s, &a, first, n, s->n_k - s->n_q + end);
			assert_memory_equal(some, all + first * s->heads * s->d, (size_t)(n * s->heads * s->d) * sizeof *some);
			free(some);
		}
		free(all);
		free_attention(&a);
	}
}

/* What lies beyond the last key that a query sees does not matter, even if it is no number. */
static void unseen_keys_do_not_matter(const test_device *cpu, const test_device *reference)
{
	const struct shape s = { 5, 70, 2, 1, 32, VITA_F32, VITA_F32, VITA_MASK_CAUSAL, 0, 0 };
	struct attention_data a = attention_data(&s);
	float *clean, *dirty;
	(void)reference;
	clean = attend(cpu, &s, &a, 0, s.n_q, s.n_k);
	for (int64_t i = 0; i < 32; i++) ((float *)a.k)[69 * 32 + i] = ((float *)a.v)[69 * 32 + i] = NAN;
	dirty = attend(cpu, &s, &a, 0, s.n_q, s.n_k);
	assert_memory_equal(dirty, clean, 4 * 2 * 32 * sizeof(float)); /* all but the last query */
	assert_true(isnan(dirty[4 * 2 * 32]));
	free(clean), free(dirty);
	free_attention(&a);
}

/* Many queries over halves: in f16 where the processor has that, else in f32. */
static const struct shape half_shapes[] = {
	{ 400, 400, 3, 3, 64, VITA_F16, VITA_F16, VITA_MASK_BLOCK_CAUSAL, 200, 0 },
	{ 300, 900, 4, 2, 64, VITA_F16, VITA_F16, VITA_MASK_BLOCK_CAUSAL, 130, 0 },
	{ 90, 333, 6, 2, 40, VITA_BF16, VITA_BF16, VITA_MASK_FULL, 0, 0 },
	{ 17, 17, 2, 1, 100, VITA_F16, VITA_F16, VITA_MASK_FULL, 0, 0 },
	{ 700, 700, 2, 1, 32, VITA_F16, VITA_F16, VITA_MASK_FULL, 0, 0 },
	{ 20, 70, 500, 1, 8, VITA_F16, VITA_F16, VITA_MASK_BLOCK_CAUSAL, 64, 0 },
};
#define N_HALF_SHAPES (sizeof half_shapes / sizeof *half_shapes)

/* Values of about -1 … 1, of which averages are taken: the largest difference measured was 0.0009. */
static void halves_agree(const test_device *cpu, const test_device *reference)
{
	for (size_t i = 0; i < N_HALF_SHAPES; i++) {
		const struct shape *s = &half_shapes[i];
		struct attention_data a = attention_data(s);
		float *found = attend(cpu, s, &a, 0, s->n_q, s->n_k), *expected = attend(reference, s, &a, 0, s->n_q, s->n_k);
		double largest, worst = difference(found, expected, s->n_q * s->heads * s->d, &largest);
		if (!(worst <= 1.5e-3)) fail_msg("shape %d: off by %g of %g", (int)i, worst, largest);
		free(found), free(expected);
		free_attention(&a);
	}
}

/* Halves as large as there are, and as small: sums do not overflow, nor vanish. */
static void halves_of_any_size_agree(const test_device *cpu, const test_device *reference)
{
	const struct shape s = { 70, 140, 2, 2, 64, VITA_F16, VITA_F16, VITA_MASK_FULL, 0, 0 };
	for (int power = -14; power <= 15; power += 29) {
		struct attention_data a = attention_data(&s);
		uint16_t *k = a.k, *v = a.v;
		for (int64_t i = 0; i < s.n_k * s.kv_heads * s.d; i++) {
			k[i] = vita_f32_to_f16(ldexpf(vita_f16_to_f32(k[i]), power));
			v[i] = vita_f32_to_f16(ldexpf(vita_f16_to_f32(v[i]), power));
		}
		for (int64_t i = 0; i < s.n_q * s.heads * s.d; i++) a.q[i] = ldexpf(a.q[i], -power);
		float *found = attend(cpu, &s, &a, 0, s.n_q, s.n_k), *expected = attend(reference, &s, &a, 0, s.n_q, s.n_k);
		double largest, worst = difference(found, expected, s.n_q * s.heads * s.d, &largest);
		assert_true(largest > 0 && worst <= 0.01 * largest);
		free(found), free(expected);
		free_attention(&a);
	}
}

/* A block's queries get the same bits whatever comes behind them, be it no numbers. */
static void blocks_of_halves_stand_alone(const test_device *cpu, const test_device *reference)
{
	const struct shape s = { 256, 256, 2, 1, 32, VITA_F16, VITA_F16, VITA_MASK_BLOCK_CAUSAL, 100, 0 };
	struct attention_data a = attention_data(&s);
	float *alone = attend(cpu, &s, &a, 0, 200, 200);
	(void)reference;
	for (int64_t i = 200 * 32; i < 256 * 32; i++) ((uint16_t *)a.k)[i] = ((uint16_t *)a.v)[i] = 0x7e00;
	float *all = attend(cpu, &s, &a, 0, s.n_q, s.n_k);
	assert_memory_equal(all, alone, 200 * 2 * 32 * sizeof *all);
	for (int64_t i = 200 * 2 * 32; i < 256 * 2 * 32; i++) assert_true(isnan(all[i]));
	float *later = attend(cpu, &s, &a, 100, 100, 200);
	assert_memory_equal(later, alone + 100 * 2 * 32, 100 * 2 * 32 * sizeof *all);
	free(all), free(alone), free(later);
	free_attention(&a);
}

/* ---- convolutions ---------------------------------------------------------------------------------------- */

struct conv {
	int transposed;
	int64_t c_in, c_out, t, kernel, groups, stride, dilation, pad_left, pad_right, output_pad;
	uint32_t dtype;
};

static const struct conv convs[] = {
	{ 0, 80, 100, 200, 3, 1, 2, 1, 1, 1, 0, VITA_F32 },   { 0, 64, 64, 500, 7, 1, 1, 3, 18, 0, 0, VITA_F16 },
	{ 0, 96, 96, 300, 7, 96, 1, 1, 3, 3, 0, VITA_F32 },   { 0, 33, 26, 41, 4, 1, 3, 2, 0, 5, 0, VITA_BF16 },
	{ 0, 48, 30, 11, 5, 6, 1, 1, 4, 0, 0, VITA_F32 },     { 0, 200, 50, 2, 1, 1, 1, 1, 0, 0, 0, VITA_F16 },
	{ 0, 1, 20, 900, 400, 1, 160, 1, 200, 200, 0, VITA_F32 }, { 0, 20, 20, 60, 3, 1, 1, 1, -5, -7, 0, VITA_F32 },
	{ 1, 64, 40, 37, 16, 1, 8, 1, 4, 4, 0, VITA_F32 },    { 1, 30, 30, 100, 4, 5, 2, 1, 1, 1, 1, VITA_F16 },
	{ 1, 20, 24, 50, 3, 2, 3, 4, 0, 2, 2, VITA_F32 },     { 1, 16, 16, 1, 11, 1, 5, 1, 3, 3, 0, VITA_F32 },
	{ 1, 24, 13, 70, 7, 1, 1, 1, 6, 0, 0, VITA_BF16 },    { 1, 8, 8, 40, 4, 1, 2, 1, -3, 1, 0, VITA_F32 },
	{ 0, 64, 64, 700, 3, 1, 1, 1, 1, 1, 0, VITA_F32 },    { 0, 128, 70, 433, 11, 1, 1, 5, 25, 25, 0, VITA_F32 },
	{ 0, 200, 26, 600, 7, 1, 1, 3, 9, 9, 0, VITA_BF16 },  { 0, 64, 48, 510, 9, 2, 1, 4, -3, 40, 0, VITA_F16 },
	{ 0, 300, 40, 490, 4, 1, 1, 1, 0, 3, 0, VITA_F32 },    { 0, 32, 36, 2500, 5, 1, 1, 7, 30, -20, 0, VITA_F32 },
	/* in f16 where the processor has that: one run of moments and several, short blocks of channels, phases, groups */
	{ 0, 160, 140, 86, 3, 1, 1, 1, 1, 1, 0, VITA_F16 },    { 0, 512, 130, 172, 1, 1, 1, 1, 0, 0, 0, VITA_BF16 },
	{ 0, 128, 61, 700, 9, 1, 2, 1, 7, 2, 0, VITA_F16 },    { 0, 200, 140, 301, 6, 2, 2, 3, 4, 9, 0, VITA_F16 },
	{ 0, 33, 500, 17, 4, 1, 1, 2, 9, -1, 0, VITA_BF16 },   { 1, 64, 66, 300, 16, 1, 8, 1, 4, 4, 0, VITA_F16 },
	{ 1, 160, 120, 41, 7, 2, 3, 2, 5, 1, 2, VITA_BF16 },   { 1, 90, 100, 60, 8, 1, 1, 1, 3, -2, 0, VITA_F16 },
	/* many phases, most of them without a tap */
	{ 1, 12, 10, 3, 5, 2, 3000, 7, 2, 4, 9, VITA_F32 },    { 1, 96, 110, 40, 7, 1, 50, 9, 3, 8, 2, VITA_F16 },
};

static float *convolve(const test_device *device, const struct conv *c, const float *x, const void *w, const float *bias,
                       int64_t *n)
{
	const int64_t spread = c->dilation * (c->kernel - 1);
	const int64_t t_out = c->transposed ? (c->t - 1) * c->stride + spread + 1 + c->output_pad - c->pad_left - c->pad_right
	                                    : (c->t + c->pad_left + c->pad_right - spread - 1) / c->stride + 1;
	vita_tensor tx = make(device, VITA_F32, 3, 2, c->c_in, c->t, x), tb = make(device, VITA_F32, 1, c->c_out, 0, 0, bias);
	vita_tensor tw = c->transposed ? make(device, c->dtype, 3, c->c_in, c->c_out / c->groups, c->kernel, w)
	                               : make(device, c->dtype, 3, c->c_out, c->c_in / c->groups, c->kernel, w);
	vita_tensor ty = make(device, VITA_F32, 3, 2, c->c_out, t_out, NULL);
	vita_conv_params p = { sizeof p,     (uint32_t)c->stride, (uint32_t)c->dilation, (uint32_t)c->groups,
		               c->pad_left, c->pad_right,        c->output_pad };
	vita_op op;
	VITA_INIT(&op);
	op.code = c->transposed ? VITA_OP_CONV_TRANSPOSE1D : VITA_OP_CONV1D;
	op.n_inputs = 3, op.n_outputs = 1;
	op.input[0] = &tx, op.input[1] = &tw, op.input[2] = &tb;
	op.output[0] = &ty;
	op.params = &p;
	submit(device, &op);
	*n = 2 * c->c_out * t_out;
	float *out = values_of(device, &ty);
	drop(device, &tx), drop(device, &tw), drop(device, &tb), drop(device, &ty);
	return out;
}

/* Each √(terms) may be off by so much: f32 sums in another order by 3e-6; by minimal filtering, which long enough filters get, up
 * to three times that; in f16, where large ones are in that, by what products there may be. */
static double convolution_unit(const test_device *cpu, const struct conv *c)
{
	const int large = c->dtype != VITA_F32 && c->c_out * c->c_in / c->groups * c->kernel >= 65536;
	if (large && cpu_multiplies_in_f16(cpu)) return product_tolerance(c->dtype, c->t);
	return !c->transposed && c->stride == 1 && c->kernel > 2 && c->groups < c->c_in ? 9e-6 : 3e-6;
}

static void convolutions_agree(const test_device *cpu, const test_device *reference)
{
	for (size_t i = 0; i < sizeof convs / sizeof *convs; i++) {
		const struct conv *c = &convs[i];
		const int64_t terms = c->c_in / c->groups * c->kernel;
		float *x = random_weights(VITA_F32, 2 * c->c_in * c->t), *bias = random_weights(VITA_F32, c->c_out);
		void *w = random_weights(c->dtype, c->c_out * terms);
		int64_t n;
		float *found = convolve(cpu, c, x, w, bias, &n), *expected = convolve(reference, c, x, w, bias, &n);
		double largest, worst = difference(found, expected, n, &largest);
		if (!(worst <= convolution_unit(cpu, c) * (1 + sqrt((double)terms))))
			fail_msg("convolution %d: off by %g of %g", (int)i, worst, largest);
		free(x), free(bias), free(w), free(found), free(expected);
	}
}

/* ---- several ops in one submit ------------------------------------------------------------------------- */

/* Each op reads what the one before wrote, some in place: a barrier left out shows. */
static float *chain(const test_device *device, const float *data, const void *weights)
{
	enum { N = 9, K = 256 };
	vita_tensor x = make(device, VITA_F32, 2, N, K, 0, data), a = make(device, VITA_F32, 2, N, K, 0, NULL);
	vita_tensor w = make_weight(device, VITA_Q8_0, K, K, weights), b = make(device, VITA_F32, 2, N, K, 0, NULL);
	vita_device handle = { sizeof handle, 0, device->api, device->self };
	vita_recorder *r = malloc(sizeof *r);
	vita_error err;
	vita_recorder_begin(r, &handle, &err);
	for (int i = 0; i < 30; i++) {
		vita_rms_norm(r, &x, NULL, 1e-6, &a);
		vita_matmul(r, &a, &w, NULL, NULL, VITA_UNARY_NONE, &b);
		vita_matmul(r, &a, &w, NULL, &b, VITA_UNARY_SILU, &b);
		vita_affine(r, &b, 0.1, 0, &b);
		vita_binary(r, VITA_BINARY_ADD, &x, &b, &x);
	}
	if (vita_recorder_end(r) != VITA_OK) fail_msg("%s", err.message);
	float *out = values_of(device, &x);
	drop(device, &x), drop(device, &a), drop(device, &b), drop(device, &w);
	free(r);
	return out;
}

static void chains_are_in_order(const test_device *cpu, const test_device *reference)
{
	float *data = random_weights(VITA_F32, 9 * 256), *first, *again, *expected;
	void *weights = random_weights(VITA_Q8_0, 256 * 256);
	double largest;
	first = chain(cpu, data, weights);
	expected = chain(reference, data, weights);
	assert_true(difference(first, expected, 9 * 256, &largest) < 0.1 * largest);
	for (int i = 0; i < 20; i++) {
		again = chain(cpu, data, weights);
		assert_memory_equal(again, first, 9 * 256 * sizeof *first);
		free(again);
	}
	free(first), free(expected), free(data), free(weights);
}

/* Ids that an earlier op of the same submit makes. */
static void ids_from_the_same_submit(const test_device *cpu, const test_device *reference)
{
	const float scores[4] = { 0, 3, 1, 2 }, rows[4] = { 10, 11, 12, 13 };
	vita_tensor x = make(cpu, VITA_F32, 2, 1, 4, 0, scores), id = make(cpu, VITA_I32, 1, 1, 0, 0, NULL);
	vita_tensor table = make(cpu, VITA_F32, 2, 4, 1, 0, rows), y = make(cpu, VITA_F32, 2, 1, 1, 0, NULL);
	vita_device handle = { sizeof handle, 0, cpu->api, cpu->self };
	vita_recorder *r = malloc(sizeof *r);
	vita_error err;
	(void)reference;
	vita_recorder_begin(r, &handle, &err);
	vita_affine(r, &x, 1, 0, &x);
	vita_argmax(r, &x, &id);
	vita_gather(r, &table, &id, &y);
	vita_affine(r, &y, 2, 0, &y);
	assert_int_equal(vita_recorder_end(r), VITA_OK);
	float *out = values_of(cpu, &y);
	assert_true(out[0] == 22);
	/* an id out of range fails, and what came before it is done */
	table.shape[0] = 1;
	x.shape[1] = 1;
	vita_recorder_begin(r, &handle, &err);
	vita_affine(r, &y, 0.5, 0, &y);
	vita_gather(r, &table, &id, &x);
	assert_int_equal(vita_recorder_end(r), VITA_E_INVALID);
	assert_string_equal(err.message, "cpu: GATHER: ids[0] is 1, expected 0 to 0");
	free(out);
	out = values_of(cpu, &y);
	assert_true(out[0] == 11);
	x.shape[1] = 4, table.shape[0] = 4;
	drop(cpu, &x), drop(cpu, &id), drop(cpu, &table), drop(cpu, &y);
	free(out), free(r);
}

/* ---- ops that lie ------------------------------------------------------------------------------------------ */

static int64_t a_lie(int64_t truth)
{
	static const int64_t lies[] = { 0, 1, -1, 2, 3, 7, 33, 1 << 20, INT64_MAX, INT64_MIN, INT64_MAX / 4 };
	const int64_t pick = random_between(0, 14);
	return pick < 11 ? lies[pick] : pick == 11 ? truth ^ 1 : pick == 12 ? truth ^ 2 : truth ^ -1;
}

static void lie(vita_tensor *t)
{
	const uint32_t i = (uint32_t)random_between(0, 3);
	switch (random_between(0, 6)) {
	case 0: t->dtype = (uint32_t)random_between(0, 14); break;
	case 1: t->rank = (uint32_t)random_between(0, 6); break;
	case 2: t->shape[i] = a_lie(t->shape[i]); break;
	case 3: t->stride[i] = a_lie(t->stride[i]); break;
	case 4: t->offset = (uint64_t)a_lie((int64_t)t->offset); break;
	case 5: t->struct_size = (uint32_t)random_between(0, 200); break;
	default: t->buffer = random_between(0, 3) ? t->buffer : NULL;
	}
}

/* Params are words: one of them becomes another. */
static void lie_in_params(uint32_t *words, size_t n)
{
	words[random_between(0, (int64_t)n - 1)] = random_between(0, 1) ? (uint32_t)random_between(0, 40)
	                                                                : (uint32_t)random_bits();
}

/* Random ops on small buffers, most of them nonsense: the cpu backend answers as the reference does, and both live. */
static void lies_are_refused(const test_device *cpu, const test_device *reference)
{
	enum { BYTES = 4096, TENSORS = 10 };
	const test_device *devices[2] = { cpu, reference };
	vita_buffer *buffers[2][TENSORS];
	unsigned char *zeros = calloc(1, BYTES);
	int refused = 0, done = 0;
	vita_error err;
	for (int d = 0; d < 2; d++)
		for (int i = 0; i < TENSORS; i++) {
			vita_tensor all = make(devices[d], VITA_U8, 1, BYTES, 0, 0, zeros);
			buffers[d][i] = all.buffer;
		}
	for (int round = 0; round < 20000; round++) {
		uint32_t params[12] = { 64, 0, 1, 1, 1, 0, 1, 0 };
		vita_tensor t[TENSORS];
		vita_status status[2];
		vita_op op;
		const uint32_t code = (uint32_t)random_between(0, VITA_OP_COUNT);
		const uint32_t rank = (uint32_t)random_between(1, 3);
		const int64_t a = random_between(1, 4), b = random_between(1, 4), c = random_between(1, 2) * 4;
		VITA_INIT(&op);
		op.code = code;
		op.n_inputs = (uint32_t)random_between(1, random_between(0, 1) ? 2 : 4);
		op.n_outputs = (uint32_t)random_between(code == VITA_OP_TOP_K, random_between(0, 20) ? 1 : 3);
		op.params = random_between(0, 30) ? params : NULL;
		for (int i = 0; i < TENSORS; i++) {
			const uint32_t dtype = random_between(0, 9) ? VITA_F32 : (uint32_t)random_between(0, 12);
			const int64_t last = vita_dtype_block(dtype) > 1 ? vita_dtype_block(dtype) : c;
			t[i] = vita_view(NULL, 0, dtype, rank, random_between(0, 9) ? a : b, b, last, 1);
			t[i].buffer = (vita_buffer *)(uintptr_t)1; /* stands for one until the device is known */
			while (random_between(0, 15) == 0) lie(&t[i]);
		}
		while (random_between(0, 4) == 0) lie_in_params(params, sizeof params / sizeof *params);
		for (uint32_t i = 0; i < op.n_inputs && i < VITA_OP_MAX_INPUTS; i++) op.input[i] = random_between(0, 20) ? &t[i] : NULL;
		for (uint32_t i = 0; i < op.n_outputs && i < VITA_OP_MAX_OUTPUTS; i++) op.output[i] = random_between(0, 40) ? &t[8 + i] : NULL;
		for (int d = 0; d < 2; d++) {
			const vita_op *one = &op;
			for (int i = 0; i < TENSORS; i++)
				if (t[i].buffer) t[i].buffer = buffers[d][i];
			err.message[0] = 0;
			status[d] = devices[d]->api->submit(devices[d]->self, &one, 1, &err);
			if (status[d] != VITA_OK) assert_true(err.message[0] != 0);
		}
		if (status[0] != status[1] && status[0] != VITA_E_NOMEM)
			fail_msg("round %d: op %u: status %d, reference %d", round, code, (int)status[0], (int)status[1]);
		refused += status[0] != VITA_OK;
		done += status[0] == VITA_OK;
	}
	print_message("%d refused, %d done\n", refused, done);
	assert_true(refused > 1000 && done > 500);
	for (int d = 0; d < 2; d++)
		for (int i = 0; i < TENSORS; i++) devices[d]->api->free(devices[d]->self, buffers[d][i]);
	free(zeros);
}

/* ---- all of them ------------------------------------------------------------------------------------------ */

#define EACH_KERNELS(name) \
	static void test_##name(void **state) \
	{ \
		(void)state; \
		with_kernels_and_threads(name); \
	}
EACH_KERNELS(attention_agrees)
EACH_KERNELS(halves_agree)
EACH_KERNELS(halves_of_any_size_agree)
EACH_KERNELS(blocks_of_halves_stand_alone)
EACH_KERNELS(queries_stand_alone)
EACH_KERNELS(unseen_keys_do_not_matter)
EACH_KERNELS(convolutions_agree)
EACH_KERNELS(chains_are_in_order)
EACH_KERNELS(ids_from_the_same_submit)

static void test_lies_are_refused(void **state)
{
	test_device cpu, reference;
	(void)state;
	reference_open(&reference);
	assert_true(cpu_open(&cpu, NULL, 2));
	random_seed(11);
	lies_are_refused(&cpu, &reference);
	test_device_close(&cpu);
	test_device_close(&reference);
}

/* A wish for threads is met or refused, never changed in silence. */
static void threads_are_refused(void **state)
{
	static const int64_t wrong[] = { -1, 4097, INT64_MAX };
	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		test_device device;
		char why[1024], value[32];
		(void)snprintf(value, sizeof value, "threads is %lld,", (long long)wrong[i]);
		assert_int_equal(test_device_open(&device, "cpu", "", wrong[i], why), 0);
		assert_non_null(strstr(why, value));
		assert_non_null(strstr(why, "to 4096"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_attention_agrees),     cmocka_unit_test(test_halves_agree),
		cmocka_unit_test(test_halves_of_any_size_agree), cmocka_unit_test(test_blocks_of_halves_stand_alone),
		cmocka_unit_test(test_queries_stand_alone),
		cmocka_unit_test(test_unseen_keys_do_not_matter), cmocka_unit_test(test_convolutions_agree),
		cmocka_unit_test(test_chains_are_in_order),  cmocka_unit_test(test_ids_from_the_same_submit),
		cmocka_unit_test(test_lies_are_refused), cmocka_unit_test(threads_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
