/* SPDX-License-Identifier: MIT
 *
 * Codes to mu: embedding, transformer with relative positions in which a code sees all before it and the rest of its own
 * block, projection, and the length regulator that stretches codes to frames and smooths them.
 *
 * Relative positions (Dai et al. 2019, "Transformer-XL"): the score of codes i and j has the part (q_i + v) · P(i - j),
 * P being the positions' encodings through a layer of their own. All P(n) in falling order of n are the rows of one
 * matrix; then the parts of a query for all j are neighbours, and the whole is a view with a stride one less than its
 * rows: the attention's bias. Queries go a run at a time, so that memory does not grow with the square of the length.
 */
#include "flow.h"

#include <math.h>

#define EPSILON 1e-5
#define RUN_LEAST 64 /* queries of a run: whole blocks, this many or a few more */

/* ---- loading --------------------------------------------------------------------------------------- */

static void load_block(loader *l, const flow_encoder *e, uint32_t i, encoder_block *b)
{
	const int64_t heads[2] = { e->heads, e->width / e->heads };
	tensor_name n;
	load_norm(l, name_of(n, "encoder.encoders.%u.norm_mha", i), e->width, &b->norm_mha);
	load_matrix(l, name_of(n, "encoder.encoders.%u.self_attn.linear_q", i), e->width, e->width, 1, &b->q);
	load_matrix(l, name_of(n, "encoder.encoders.%u.self_attn.linear_k", i), e->width, e->width, 1, &b->k);
	load_matrix(l, name_of(n, "encoder.encoders.%u.self_attn.linear_v", i), e->width, e->width, 1, &b->v);
	load_matrix(l, name_of(n, "encoder.encoders.%u.self_attn.linear_out", i), e->width, e->width, 1, &b->out);
	load_matrix(l, name_of(n, "encoder.encoders.%u.self_attn.linear_pos", i), e->width, e->width, 0, &b->pos);
	load_plain(l, name_of(n, "encoder.encoders.%u.self_attn.pos_bias_u", i), 2, heads, &b->u);
	load_plain(l, name_of(n, "encoder.encoders.%u.self_attn.pos_bias_v", i), 2, heads, &b->v_bias);
	load_norm(l, name_of(n, "encoder.encoders.%u.norm_ff", i), e->width, &b->norm_ff);
	load_matrix(l, name_of(n, "encoder.encoders.%u.feed_forward.w_1", i), -1, e->width, 1, &b->w1);
	load_matrix(l, name_of(n, "encoder.encoders.%u.feed_forward.w_2", i), e->width, b->w1.out, 1, &b->w2);
}

static void load_regulator(loader *l, flow_encoder *e)
{
	tensor_name n;
	for (uint32_t i = 0; i < e->n_regulator; i++) {
		load_conv(l, name_of(n, "length_regulator.model.%u", 3 * i), e->mel, e->mel, 3, &e->regulator[i].conv);
		load_norm(l, name_of(n, "length_regulator.model.%u", 3 * i + 1), e->mel, &e->regulator[i].norm);
	}
	load_conv(l, name_of(n, "length_regulator.model.%u", 3 * e->n_regulator), e->mel, e->mel, 1, &e->regulator_out);
}

static void load_blocks(loader *l, flow_encoder *e)
{
	tensor_name n;
	for (uint32_t i = 0; has_tensor(l, name_of(n, "encoder.encoders.%u.norm_mha.weight", i)); i++) {
		if (i == MOST_ENCODER_BLOCKS) {
			l->status = vita_fail(l->err, VITA_E_UNSUPPORTED, "the encoder has more than %d blocks, the most known here", i);
			return;
		}
		load_block(l, e, i, &e->block[i]);
		if (e->block[i].w1.out > e->inner) e->inner = e->block[i].w1.out;
		e->n_blocks = i + 1;
	}
}

void flow_encoder_load(loader *l, const flow_config *config, flow_encoder *e)
{
	layer table;
	load_matrix(l, "input_embedding", -1, -1, 0, &table);
	if (l->status != VITA_OK) return;
	e->embedding = table.weight;
	e->vocab = table.out;
	e->input = table.in;
	e->n_regulator = (uint32_t)config->n_regulator;
	e->heads = config->heads;
	e->look_ahead = config->block;
	load_matrix(l, "encoder.embed.out.0", -1, e->input, 1, &e->embed);
	if (l->status != VITA_OK) return;
	e->width = e->embed.out;
	if (e->width % e->heads != 0 || e->width % 2 != 0) {
		l->status = vita_fail(l->err, VITA_E_SHAPE,
		                      "config.yaml: flow.encoder.attention_heads = %lld must divide the encoder's width, an even "
		                      "number, which is %lld", (long long)e->heads, (long long)e->width);
		return;
	}
	load_norm(l, "encoder.embed.out.1", e->width, &e->embed_norm);
	load_blocks(l, e);
	load_norm(l, "encoder.after_norm", e->width, &e->after_norm);
	load_matrix(l, "encoder_proj", -1, e->width, 1, &e->projection);
	if (l->status != VITA_OK) return;
	e->mel = e->projection.out;
	load_regulator(l, e);
}

/* ---- running --------------------------------------------------------------------------------------- */

/* Queries of a run: whole blocks. */
static int64_t run_of(const flow_encoder *e, int64_t n)
{
	const int64_t run = (RUN_LEAST + e->look_ahead - 1) / e->look_ahead * e->look_ahead;
	return run < n ? run : n;
}

typedef struct encoding {
	const flow_encoder *e;
	vita_recorder *r;
	space memory;
	int64_t n, frames, run, n_positions;
	vita_tensor x, embedded, y, q, qu, qv, k, v, feed, positions, p, parts, mel, frames_mel, a, b;
} encoding;

/* Sines and cosines of the distances, which fall from n - 1 on, alternating. */
static vita_status write_positions(const encoding *c, const vita_host *host, const vita_device *device, vita_error *err)
{
	const int64_t width = c->e->width, size = c->n_positions * width;
	float *values = host_zeroed(host, (uint64_t)size, sizeof *values);
	if (!values) return vita_fail(err, VITA_E_NOMEM, "flow-hift: no memory for %lld positions", (long long)c->n_positions);
	for (int64_t i = 0; i < width / 2; i++) {
		const double frequency = pow(10000.0, -2.0 * (double)i / (double)width);
		for (int64_t row = 0; row < c->n_positions; row++) {
			const double angle = (double)(c->n - 1 - row) * frequency;
			values[row * width + 2 * i] = (float)sin(angle);
			values[row * width + 2 * i + 1] = (float)cos(angle);
		}
	}
	vita_status status = device->api->write(device->self, &c->positions, values, (uint64_t)size * sizeof *values, err);
	host_release(host, values);
	return status;
}

static vita_status take_all(encoding *c, const vita_device *device, vita_error *err)
{
	const flow_encoder *e = c->e;
	space *s = &c->memory;
	const int64_t n = c->n, w = e->width;
	vita_tensor *const all[] = { &c->x, &c->embedded, &c->y, &c->q, &c->qu, &c->qv, &c->k, &c->v, &c->feed, &c->positions,
		                     &c->p, &c->parts, &c->mel, &c->frames_mel, &c->a, &c->b };
	space_begin(s);
	for (size_t i = 0; i < 8; i++) *all[i] = space_take(s, 2, n, i == 1 ? e->input : w, 0, 0);
	c->feed = space_take(s, 2, n, e->inner > 0 ? e->inner : 1, 0, 0);
	c->positions = space_take(s, 2, c->n_positions, w, 0, 0);
	c->p = space_take(s, 2, c->n_positions, w, 0, 0);
	c->parts = space_take(s, 3, e->heads, c->run, c->n_positions, 0);
	c->mel = space_take(s, 2, n, e->mel, 0, 0);
	c->frames_mel = space_take(s, 2, c->frames, e->mel, 0, 0);
	c->a = space_take(s, 2, e->mel, c->frames, 0, 0);
	c->b = space_take(s, 2, e->mel, c->frames, 0, 0);
	vita_status status = space_reserve(s, device, err);
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) space_put(s, all[i]);
	return status;
}

/* [n, width] as [heads, n, head_dim]. */
static vita_tensor by_head(const vita_tensor *t, int64_t heads)
{
	vita_tensor split = vita_split(t, heads, t->shape[1] / heads);
	return vita_transpose(&split, 0, 1);
}

/* Queries first … end - 1 over keys 0 … end - 1; end is the end of a block or of all. The answer goes to y. */
static void attend(const encoding *c, int64_t first, int64_t end)
{
	const flow_encoder *e = c->e;
	const int64_t head_dim = e->width / e->heads, count = end - first, reach = end + count - 1;
	/* Rows of P from the distance end - 1, the farthest that the last query looks back, to 1 - count. */
	vita_tensor p = vita_slice(&c->p, 0, c->n - end, reach), qv = vita_slice(&c->qv, 0, first, count);
	vita_tensor p_heads = by_head(&p, e->heads), q_heads = by_head(&qv, e->heads);
	vita_tensor parts = vita_view(c->parts.buffer, c->parts.offset, VITA_F32, 3, e->heads, count, reach, 0);
	vita_matmul(c->r, &q_heads, &p_heads, NULL, NULL, VITA_UNARY_NONE, &parts);
	/* Query first + i and key j are first + i - j apart, which is row count - 1 - i + j of these. */
	vita_tensor bias = parts;
	bias.shape[2] = end;
	bias.offset += (uint64_t)(count - 1) * sizeof(float);
	bias.stride[1] = (reach - 1) * (int64_t)sizeof(float);
	vita_tensor rows[4] = { vita_slice(&c->qu, 0, first, count), vita_slice(&c->k, 0, 0, end), vita_slice(&c->v, 0, 0, end),
		                vita_slice(&c->y, 0, first, count) };
	for (int i = 0; i < 4; i++) rows[i] = vita_split(&rows[i], e->heads, head_dim);
	vita_attention(c->r, &rows[0], &rows[1], &rows[2], &bias, VITA_MASK_BLOCK_CAUSAL, (uint32_t)e->look_ahead,
	               1 / sqrt((double)head_dim), &rows[3]);
}

static vita_tensor flat(const vita_tensor *t, int64_t n)
{
	return vita_view(t->buffer, t->offset, VITA_F32, 1, n, 0, 0, 0);
}

static void run_block(const encoding *c, const encoder_block *b)
{
	const flow_encoder *e = c->e;
	vita_recorder *r = c->r;
	vita_tensor u = flat(&b->u, e->width), v_bias = flat(&b->v_bias, e->width);
	vita_tensor feed = vita_view(c->feed.buffer, c->feed.offset, VITA_F32, 2, c->n, b->w1.out, 0, 0);
	vita_layer_norm(r, &c->x, &b->norm_mha.weight, &b->norm_mha.bias, EPSILON, &c->y);
	vita_matmul(r, &c->y, &b->q.weight, &b->q.bias, NULL, VITA_UNARY_NONE, &c->q);
	vita_matmul(r, &c->y, &b->k.weight, &b->k.bias, NULL, VITA_UNARY_NONE, &c->k);
	vita_matmul(r, &c->y, &b->v.weight, &b->v.bias, NULL, VITA_UNARY_NONE, &c->v);
	vita_binary(r, VITA_BINARY_ADD, &c->q, &u, &c->qu);
	vita_binary(r, VITA_BINARY_ADD, &c->q, &v_bias, &c->qv);
	vita_affine(r, &c->qv, 1 / sqrt((double)(e->width / e->heads)), 0, &c->qv);
	vita_matmul(r, &c->positions, &b->pos.weight, NULL, NULL, VITA_UNARY_NONE, &c->p);
	for (int64_t first = 0; first < c->n; first += c->run)
		attend(c, first, first + c->run < c->n ? first + c->run : c->n);
	vita_matmul(r, &c->y, &b->out.weight, &b->out.bias, &c->x, VITA_UNARY_NONE, &c->x);
	vita_layer_norm(r, &c->x, &b->norm_ff.weight, &b->norm_ff.bias, EPSILON, &c->y);
	vita_matmul(r, &c->y, &b->w1.weight, &b->w1.bias, NULL, VITA_UNARY_SILU, &feed);
	vita_matmul(r, &feed, &b->w2.weight, &b->w2.bias, &c->x, VITA_UNARY_NONE, &c->x);
}

/* Frames as long as their codes last, then smoothed. */
static void regulate(const encoding *c, const flow_space *s)
{
	const flow_encoder *e = c->e;
	const vita_conv_params three = { .struct_size = sizeof three, .stride = 1, .dilation = 1, .groups = 1, .pad_left = 1,
		                         .pad_right = 1 };
	const vita_conv_params one = { .struct_size = sizeof one, .stride = 1, .dilation = 1, .groups = 1 };
	const vita_tensor *x = &c->a, *y = &c->b;
	vita_gather(c->r, &c->mel, &s->sources, &c->frames_mel);
	vita_tensor turned = vita_transpose(&c->frames_mel, 0, 1);
	vita_copy(c->r, &turned, x);
	for (uint32_t i = 0; i < e->n_regulator; i++) {
		const regulator_layer *l = &e->regulator[i];
		const vita_tensor *swap = x;
		vita_conv1d(c->r, x, &l->conv.weight, &l->conv.bias, &three, y);
		vita_group_norm(c->r, y, &l->norm.weight, &l->norm.bias, 1, EPSILON, y);
		vita_unary(c->r, VITA_UNARY_MISH, y, NULL, 0, y);
		x = y, y = swap;
	}
	vita_conv1d(c->r, x, &e->regulator_out.weight, &e->regulator_out.bias, &one, &s->mu);
}

static vita_status run(const encoding *c, const vita_device *device, const flow_space *s, vita_error *err)
{
	const flow_encoder *e = c->e;
	vita_gather(c->r, &e->embedding, &s->ids, &c->embedded);
	vita_matmul(c->r, &c->embedded, &e->embed.weight, &e->embed.bias, NULL, VITA_UNARY_NONE, &c->x);
	vita_layer_norm(c->r, &c->x, &e->embed_norm.weight, &e->embed_norm.bias, EPSILON, &c->x);
	vita_affine(c->r, &c->x, sqrt((double)e->width), 0, &c->x);
	for (uint32_t i = 0; i < e->n_blocks; i++) run_block(c, &e->block[i]);
	vita_layer_norm(c->r, &c->x, &e->after_norm.weight, &e->after_norm.bias, EPSILON, &c->x);
	vita_matmul(c->r, &c->x, &e->projection.weight, &e->projection.bias, NULL, VITA_UNARY_NONE, &c->mel);
	regulate(c, s);
	vita_status status = vita_recorder_end(c->r);
	vita_status waited = device->api->wait(device->self, status == VITA_OK ? err : NULL);
	return status == VITA_OK ? waited : status; /* the memory goes when we return */
}

vita_status flow_encoder_run(const flow_encoder *e, const vita_host *host, const vita_device *device, flow_space *s,
                             const flow_input *in, vita_error *err)
{
	encoding c = { .e = e, .r = &s->recorder, .n = in->n_codes, .frames = in->n_frames };
	c.run = run_of(e, c.n);
	c.n_positions = c.n + c.run - 1;
	vita_status status = take_all(&c, device, err);
	if (status == VITA_OK) status = write_positions(&c, host, device, err);
	if (status == VITA_OK) status = run(&c, device, s, err);
	device_memory_free(device, &c.memory.memory);
	return status;
}
