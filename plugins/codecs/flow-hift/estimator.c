/* SPDX-License-Identifier: MIT
 *
 * One pass of the estimator: a U-Net of two levels. Convolutions see [channels, frames], transformers [frames,
 * channels]; both guidance branches go through together, so that each weight is read once.
 */
#include "flow.h"

#include <math.h>
#include <vita/blocks.h>

#define NORM_GROUPS 8u
#define EPSILON 1e-5

/* ---- loading --------------------------------------------------------------------------------------- */

static void load_transformer(loader *l, const char *at, int64_t width, int64_t inner, transformer *t)
{
	tensor_name name;
	load_norm(l, name_of(name, "%s.norm1", at), width, &t->norm1);
	load_matrix(l, name_of(name, "%s.attn1.to_q", at), inner, width, 0, &t->q);
	load_matrix(l, name_of(name, "%s.attn1.to_k", at), inner, width, 0, &t->k);
	load_matrix(l, name_of(name, "%s.attn1.to_v", at), inner, width, 0, &t->v);
	load_matrix(l, name_of(name, "%s.attn1.to_out.0", at), width, inner, 1, &t->out);
	load_norm(l, name_of(name, "%s.norm3", at), width, &t->norm3);
	load_matrix(l, name_of(name, "%s.ff.net.0.proj", at), -1, width, 1, &t->up);
	load_matrix(l, name_of(name, "%s.ff.net.2", at), width, t->up.out, 1, &t->down);
}

/* y = w x + b, w [out, in]. */
static void multiply(const float *w, const float *b, const float *x, int64_t out, int64_t in, float *y)
{
	for (int64_t i = 0; i < out; i++) {
		double sum = b[i];
		for (int64_t j = 0; j < in; j++) sum += (double)w[i * in + j] * x[j];
		y[i] = (float)sum;
	}
}

/* Linear layer `name` of each of n rows, x [n, in]: [n, *out] in the store's memory. NULL after a failure. */
static float *apply(loader *l, const char *name, const float *x, uint32_t n, int64_t in, int64_t *out)
{
	const int64_t shape[2] = { -1, in };
	tensor_name part;
	int64_t size = 0;
	const float *w = load_values(l, name_of(part, "%s.weight", name), 2, shape, &size);
	*out = l->status == VITA_OK ? size / in : 0;
	const float *b = load_values(l, name_of(part, "%s.bias", name), 1, out, &size);
	float *y = store_memory(l, (uint64_t)*out * n, sizeof *y);
	for (uint32_t i = 0; y && i < n; i++) multiply(w, b, x + i * in, *out, in, y + i * *out);
	store_drop(l->store, w);
	store_drop(l->store, b);
	return y;
}

static float silu(float x)
{
	return x / (1 + expf(-x));
}

static float mish(float x)
{
	return x > 20 ? x : x * tanhf(log1pf(expf(x)));
}

/* Sines first, then cosines, of 1000 times the step's time. */
static void embed_time(double time, int64_t width, float *out)
{
	const int64_t half = width / 2;
	for (int64_t k = 0; k < half; k++) {
		const double frequency = exp(-log(10000.0) * (double)k / (double)(half > 1 ? half - 1 : 1));
		const double angle = (double)(1000 * (float)time) * frequency;
		out[k] = (float)sin(angle);
		out[half + k] = (float)cos(angle);
	}
}

/* For every step, [n, width], what the stages' own layers take: mish(time embedding). */
typedef struct times {
	const float *value;
	uint32_t n;
	int64_t width;
} times;

static void load_time(loader *l, const double *time, int64_t width, times *out)
{
	const uint32_t n = out->n;
	float *x = store_memory(l, (uint64_t)width * n, sizeof *x);
	for (uint32_t i = 0; x && i < n; i++) embed_time(time[i], width, x + i * width);
	float *y = apply(l, "decoder.estimator.time_mlp.linear_1", x, n, width, &out->width);
	for (int64_t i = 0; y && i < out->width * n; i++) y[i] = silu(y[i]);
	y = apply(l, "decoder.estimator.time_mlp.linear_2", y, n, out->width, &out->width);
	for (int64_t i = 0; y && i < out->width * n; i++) y[i] = mish(y[i]);
	out->value = y;
}

static void load_stage(loader *l, const char *at, const estimator *e, const times *time, int64_t in, stage *s)
{
	tensor_name name;
	int64_t width = 0;
	load_conv(l, name_of(name, "decoder.estimator.%s.0.block1.block.0", at), -1, in, 3, &s->conv1);
	if (l->status != VITA_OK) return;
	s->in = in;
	s->out = s->conv1.out;
	if (s->out % NORM_GROUPS != 0) {
		l->status = vita_fail(l->err, VITA_E_SHAPE,
		                      "tensor \"%s.weight\" has %lld output channels, which must be a multiple of %u", name,
		                      (long long)s->out, NORM_GROUPS);
		return;
	}
	load_norm(l, name_of(name, "decoder.estimator.%s.0.block1.block.1", at), s->out, &s->norm1);
	load_conv(l, name_of(name, "decoder.estimator.%s.0.block2.block.0", at), s->out, s->out, 3, &s->conv2);
	load_norm(l, name_of(name, "decoder.estimator.%s.0.block2.block.1", at), s->out, &s->norm2);
	load_conv(l, name_of(name, "decoder.estimator.%s.0.res_conv", at), s->out, in, 1, &s->residual);
	const float *added =
		apply(l, name_of(name, "decoder.estimator.%s.0.mlp.1", at), time->value, time->n, time->width, &width);
	if (l->status == VITA_OK && width != s->out)
		l->status = vita_fail(l->err, VITA_E_SHAPE, "tensor \"%s.weight\" has %lld rows, but its stage %lld channels", name,
		                      (long long)width, (long long)s->out);
	load_made(l, added, time->n, s->out, &s->time);
	for (uint32_t i = 0; i < e->n_transformers; i++)
		load_transformer(l, name_of(name, "decoder.estimator.%s.1.%u", at, i), s->out, e->heads * e->head_dim,
		                 &s->transformer[i]);
}

/* How many of "….N.…" there are; one more than `most` where there are more. */
static uint32_t count_names(const loader *l, const char *front, const char *back, uint32_t most)
{
	tensor_name name;
	uint32_t n = 0;
	while (n <= most && has_tensor(l, name_of(name, "%s%u%s", front, n, back))) n++;
	return n;
}

static void count_parts(loader *l, estimator *e)
{
	if (l->status != VITA_OK) return;
	e->n_stages = 4 + count_names(l, "decoder.estimator.mid_blocks.", ".0.res_conv.weight", MOST_STAGES - 4);
	e->n_transformers = count_names(l, "decoder.estimator.down_blocks.0.1.", ".norm1.weight", MOST_TRANSFORMERS);
	if (e->n_stages > MOST_STAGES || e->n_transformers > MOST_TRANSFORMERS)
		l->status = vita_fail(l->err, VITA_E_UNSUPPORTED,
		                      "the estimator has more than %d stages or %d transformers in a stage, the most known here",
		                      MOST_STAGES, MOST_TRANSFORMERS);
	else if (has_tensor(l, "decoder.estimator.down_blocks.2.0.res_conv.weight"))
		l->status = vita_fail(l->err, VITA_E_UNSUPPORTED, "the estimator has more than two levels, which is not known here");
}

static void load_stages(loader *l, estimator *e, const times *time)
{
	tensor_name at;
	stage *s = e->stage;
	load_stage(l, "down_blocks.0", e, time, e->in, &s[0]);
	load_conv(l, "decoder.estimator.down_blocks.0.2.conv", s[0].out, s[0].out, 3, &e->down0);
	load_stage(l, "down_blocks.1", e, time, s[0].out, &s[1]);
	load_conv(l, "decoder.estimator.down_blocks.1.2", s[1].out, s[1].out, 3, &e->down1);
	for (uint32_t i = 2; i + 2 < e->n_stages; i++)
		load_stage(l, name_of(at, "mid_blocks.%u", i - 2), e, time, s[i - 1].out, &s[i]);
	const uint32_t up = e->n_stages - 2;
	load_stage(l, "up_blocks.0", e, time, s[up - 1].out + s[1].out, &s[up]);
	load_conv(l, "decoder.estimator.up_blocks.0.2.conv", s[up].out, s[up].out, 4, &e->up0);
	load_stage(l, "up_blocks.1", e, time, s[up].out + s[0].out, &s[up + 1]);
	load_conv(l, "decoder.estimator.up_blocks.1.2", s[up + 1].out, s[up + 1].out, 3, &e->up1);
}

void estimator_load(loader *l, const flow_config *config, const double *time, uint32_t n_steps, int64_t mel, estimator *e)
{
	times steps = { .n = n_steps };
	e->heads = config->est_heads;
	e->head_dim = config->est_head_dim;
	e->mel = mel;
	e->in = 4 * mel;
	count_parts(l, e);
	if (l->status != VITA_OK) return; /* the number of stages is not known */
	load_time(l, time, e->in, &steps);
	load_stages(l, e, &steps);
	if (l->status != VITA_OK) return;
	const int64_t last = e->stage[e->n_stages - 1].out;
	load_conv(l, "decoder.estimator.final_block.block.0", last, last, 3, &e->final_conv);
	load_norm(l, "decoder.estimator.final_block.block.1", last, &e->final_norm);
	load_conv(l, "decoder.estimator.final_proj", mel, last, 1, &e->final_proj);
	const uint32_t dtype = e->n_transformers > 0 ? e->stage[0].transformer[0].k.weight.dtype : VITA_F32;
	e->key_dtype = dtype == VITA_F16 || vita_dtype_block(dtype) > 1 ? VITA_F16 : VITA_F32;
	for (uint32_t i = 0; i < e->n_stages; i++) {
		if (e->stage[i].out > e->widest) e->widest = e->stage[i].out;
		for (uint32_t k = 0; k < e->n_transformers; k++)
			if (e->stage[i].transformer[k].up.out > e->feed) e->feed = e->stage[i].transformer[k].up.out;
	}
}

/* ---- memory ---------------------------------------------------------------------------------------- */

static int64_t half_of(int64_t frames)
{
	return (frames + 1) / 2;
}

void estimator_take(const estimator *e, space *s, int64_t batch, int64_t frames, estimator_space *t)
{
	const int64_t inner = e->heads * e->head_dim, up = e->n_stages - 2, rows = batch * frames;
	t->in = space_take(s, 3, batch, e->in, frames, 0);
	t->out = space_take(s, 3, batch, e->mel, frames, 0);
	t->hold = space_take(s, 3, batch, e->widest, frames, 0);
	t->a = space_take(s, 3, batch, e->widest, frames, 0);
	t->b = space_take(s, 3, batch, e->widest, frames, 0);
	t->skip0 = space_take(s, 3, batch, e->stage[up + 1].in, frames, 0);
	t->skip1 = space_take(s, 3, batch, e->stage[up].in, half_of(frames), 0);
	t->rows = space_take(s, 2, rows, e->widest, 0, 0);
	t->rows_norm = space_take(s, 2, rows, e->widest, 0, 0);
	t->q = space_take(s, 2, rows, inner, 0, 0);
	t->k = space_take(s, 2, rows, inner, 0, 0);
	t->v = space_take(s, 2, rows, inner, 0, 0);
	t->attended = space_take(s, 2, rows, inner, 0, 0);
	t->feed = space_take(s, 2, rows, e->feed > 0 ? e->feed : 1, 0, 0);
	t->halves = space_take(s, 2, e->key_dtype == VITA_F32 ? 0 : rows, inner, 0, 0);
}

void estimator_put(const space *s, estimator_space *t)
{
	vita_tensor *const all[] = { &t->in, &t->out, &t->hold, &t->a, &t->b, &t->skip0, &t->skip1, &t->rows, &t->rows_norm,
		                     &t->q, &t->k, &t->v, &t->attended, &t->feed, &t->halves };
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) space_put(s, all[i]);
}

/* The same memory as another dense shape. */
static vita_tensor shaped(const vita_tensor *t, uint32_t rank, int64_t d0, int64_t d1, int64_t d2)
{
	return vita_view(t->buffer, t->offset, VITA_F32, rank, d0, d1, d2, 0);
}

/* ---- a pass ---------------------------------------------------------------------------------------- */

typedef struct pass {
	const estimator *e;
	vita_recorder *r;
	const estimator_space *s;
	int64_t batch;
	uint32_t step;
} pass;

static void convolve(const pass *p, const layer *l, const vita_tensor *x, uint32_t stride, int64_t pad, const vita_tensor *y)
{
	const vita_conv_params params = { .struct_size = sizeof params, .stride = stride, .dilation = 1, .groups = 1,
		                          .pad_left = pad, .pad_right = pad };
	vita_conv1d(p->r, x, &l->weight, &l->bias, &params, y);
}

/* x = mish(norm(x)) */
static void activate(const pass *p, const layer *norm, const vita_tensor *x)
{
	vita_group_norm(p->r, x, &norm->weight, &norm->bias, NORM_GROUPS, EPSILON, x);
	vita_unary(p->r, VITA_UNARY_MISH, x, NULL, 0, x);
}

/* q, k, v and the answer are of shape [frames, heads, head_dim] for each branch. */
static void attend(const pass *p, int64_t frames)
{
	const estimator_space *s = p->s;
	const estimator *e = p->e;
	const int64_t rows = p->batch * frames, inner = e->heads * e->head_dim;
	vita_tensor whole[4] = { s->q, s->k, s->v, s->attended };
	for (int i = 1; i < 3 && e->key_dtype != VITA_F32; i++) {
		const uint64_t half = (uint64_t)(i - 1) * (uint64_t)(rows * inner) * vita_dtype_bytes(e->key_dtype);
		vita_tensor from = shaped(&whole[i], 2, rows, inner, 0);
		whole[i] = vita_view(s->halves.buffer, s->halves.offset + half, e->key_dtype, 2, rows, inner, 0, 0);
		vita_copy(p->r, &from, &whole[i]);
	}
	for (int64_t b = 0; b < p->batch; b++) {
		vita_tensor part[4];
		for (int i = 0; i < 4; i++) {
			const uint64_t plane = (uint64_t)(frames * inner) * vita_dtype_bytes(whole[i].dtype);
			part[i] = vita_view(whole[i].buffer, whole[i].offset + (uint64_t)b * plane, whole[i].dtype, 3, frames, e->heads,
			                    e->head_dim, 0);
		}
		vita_attention(p->r, &part[0], &part[1], &part[2], NULL, VITA_MASK_FULL, 0, 1 / sqrt((double)e->head_dim), &part[3]);
	}
}

/* x [batch · frames, channels] in place. */
static void transform(const pass *p, const transformer *t, const vita_tensor *x, int64_t frames)
{
	const estimator_space *s = p->s;
	const int64_t rows = p->batch * frames, inner = p->e->heads * p->e->head_dim;
	vita_tensor y = shaped(&s->rows_norm, 2, rows, x->shape[1], 0), q = shaped(&s->q, 2, rows, inner, 0);
	vita_tensor k = shaped(&s->k, 2, rows, inner, 0), v = shaped(&s->v, 2, rows, inner, 0);
	vita_tensor attended = shaped(&s->attended, 2, rows, inner, 0), feed = shaped(&s->feed, 2, rows, t->up.out, 0);
	vita_layer_norm(p->r, x, &t->norm1.weight, &t->norm1.bias, EPSILON, &y);
	vita_matmul(p->r, &y, &t->q.weight, NULL, NULL, VITA_UNARY_NONE, &q);
	vita_matmul(p->r, &y, &t->k.weight, NULL, NULL, VITA_UNARY_NONE, &k);
	vita_matmul(p->r, &y, &t->v.weight, NULL, NULL, VITA_UNARY_NONE, &v);
	attend(p, frames);
	vita_matmul(p->r, &attended, &t->out.weight, &t->out.bias, x, VITA_UNARY_NONE, x);
	vita_layer_norm(p->r, x, &t->norm3.weight, &t->norm3.bias, EPSILON, &y);
	vita_matmul(p->r, &y, &t->up.weight, &t->up.bias, NULL, VITA_UNARY_GELU, &feed);
	vita_matmul(p->r, &feed, &t->down.weight, &t->down.bias, x, VITA_UNARY_NONE, x);
}

/* in [batch, channels, frames] to out, which may be in. */
static void run_stage(const pass *p, const stage *st, const vita_tensor *in, const vita_tensor *out)
{
	const estimator_space *s = p->s;
	const int64_t frames = in->shape[2];
	vita_tensor a = shaped(&s->a, 3, p->batch, st->out, frames), b = shaped(&s->b, 3, p->batch, st->out, frames);
	vita_tensor rows = shaped(&s->rows, 3, p->batch, frames, st->out), x = shaped(&rows, 2, p->batch * frames, st->out, 0);
	vita_tensor time = vita_view(st->time.buffer, st->time.offset + p->step * (uint64_t)st->out * sizeof(float), VITA_F32, 2,
	                             st->out, 1, 0, 0);
	convolve(p, &st->conv1, in, 1, 1, &a);
	activate(p, &st->norm1, &a);
	vita_binary(p->r, VITA_BINARY_ADD, &a, &time, &a);
	convolve(p, &st->conv2, &a, 1, 1, &b);
	activate(p, &st->norm2, &b);
	convolve(p, &st->residual, in, 1, 0, &a);
	vita_binary(p->r, VITA_BINARY_ADD, &b, &a, &b);
	vita_tensor turned = vita_transpose(&b, 1, 2);
	vita_copy(p->r, &turned, &rows);
	for (uint32_t i = 0; i < p->e->n_transformers; i++) transform(p, &st->transformer[i], &x, frames);
	turned = vita_transpose(&rows, 1, 2);
	vita_copy(p->r, &turned, out);
}

/* The transposed convolution gives a frame too many where the number of frames is odd. */
static void upsample(const pass *p, const vita_tensor *x, const vita_tensor *y)
{
	const vita_conv_params params = { .struct_size = sizeof params, .stride = 2, .dilation = 1, .groups = 1, .pad_left = 1,
		                          .pad_right = 1 + 2 * x->shape[2] - y->shape[2] };
	vita_conv_transpose1d(p->r, x, &p->e->up0.weight, &p->e->up0.bias, &params, y);
}

void estimator_record(const estimator *e, vita_recorder *r, const estimator_space *s, int64_t batch, int64_t frames,
                      uint32_t step)
{
	const pass p = { e, r, s, batch, step };
	const stage *st = e->stage;
	const uint32_t up = e->n_stages - 2;
	const int64_t half = half_of(frames);
	/* Concatenation puts the running tensor first, the skip behind it. */
	vita_tensor running1 = vita_slice(&s->skip1, 1, 0, st[up - 1].out), running0 = vita_slice(&s->skip0, 1, 0, st[up].out);
	vita_tensor skip1 = vita_slice(&s->skip1, 1, st[up - 1].out, st[1].out);
	vita_tensor skip0 = vita_slice(&s->skip0, 1, st[up].out, st[0].out);

	run_stage(&p, &st[0], &s->in, &skip0);
	vita_tensor x = shaped(&s->hold, 3, batch, st[0].out, half), y;
	convolve(&p, &e->down0, &skip0, 2, 1, &x);
	run_stage(&p, &st[1], &x, &skip1);
	x = shaped(&s->hold, 3, batch, st[1].out, half);
	convolve(&p, &e->down1, &skip1, 1, 1, up > 2 ? &x : &running1);
	for (uint32_t i = 2; i < up; i++) {
		y = shaped(&s->hold, 3, batch, st[i].out, half);
		run_stage(&p, &st[i], &x, i + 1 < up ? &y : &running1);
		x = y;
	}
	x = shaped(&s->hold, 3, batch, st[up].out, half);
	run_stage(&p, &st[up], &s->skip1, &x);
	upsample(&p, &x, &running0);
	x = shaped(&s->hold, 3, batch, st[up + 1].out, frames);
	run_stage(&p, &st[up + 1], &s->skip0, &x);
	y = shaped(&s->a, 3, batch, st[up + 1].out, frames);
	convolve(&p, &e->up1, &x, 1, 1, &y);
	x = shaped(&s->b, 3, batch, st[up + 1].out, frames);
	convolve(&p, &e->final_conv, &y, 1, 1, &x);
	activate(&p, &e->final_norm, &x);
	convolve(&p, &e->final_proj, &x, 1, 0, &s->out);
}
