/* SPDX-License-Identifier: MIT
 *
 * Encoder whisper-vq: frames of a segment through the model.
 *
 *     y = gelu(conv(mel))    x = gelu(conv(y)) + position                  both convolutions see the past only
 *     x = x + Wo attention(LN(x)) + bo    x = x + W2 gelu(W1 LN(x) + b1) + b2
 *     pooled = mean of neighbours         code = nearest row of the codebook
 *
 * Activations are rows of time. So a convolution is a product with rows that overlap: taps · inputs values from
 * every row, or every second one, on.
 */
#include "whisper.h"

#include <math.h>
#include <vita/record.h>

#define EPSILON 1e-5

/* What one run works with. All but x are free between steps; `wide` has room for the widest of them. */
typedef struct run {
	const vita_encoder *encoder;
	whisper_pass *pass;
	vita_recorder r;
	whisper_span span;    /* in rows of x, which pooling makes fewer */
	int64_t block;        /* likewise */
	int64_t position;     /* layer */
	vita_tensor x, a, q;  /* [rows, width] */
	vita_tensor wide;     /* flat */
	vita_tensor mel, ids; /* [rows, n_mels], i32 [rows] */
	vita_tensor alone;    /* [2, rows, width]: keys and values where nothing is kept */
} run;

/* ---- memory ------------------------------------------------------------------------------------------- */

static vita_tensor carve(uint64_t *size, uint32_t dtype, int64_t rows, int64_t columns)
{
	vita_tensor t = vita_view(NULL, *size, dtype, 2, rows, columns, 0, 0);
	*size += ((uint64_t)(rows * columns) * vita_dtype_bytes(dtype) + 255) / 256 * 256;
	return t;
}

static vita_status take_memory(run *u, vita_error *err)
{
	const whisper_config *c = &u->encoder->config;
	const int64_t n = u->span.n, stem = WHISPER_STRIDE * n + 1;
	int64_t wide = c->ffn > 2 * c->width ? n * c->ffn : 2 * n * c->width;
	uint64_t size = 0;
	if (wide < stem * c->width) wide = stem * c->width;
	u->x = carve(&size, VITA_F32, n, c->width);
	u->a = carve(&size, VITA_F32, n, c->width);
	u->q = carve(&size, VITA_F32, n, c->width);
	u->wide = carve(&size, VITA_F32, 1, wide);
	u->mel = carve(&size, VITA_F32, stem + WHISPER_TAPS - 1, c->n_mels);
	u->ids = carve(&size, VITA_I32, 1, n);
	/* bf16 reaches further than f16 does; the scales of quantised weights do not */
	u->alone = carve(&size, u->encoder->weights.dtype == VITA_BF16 ? VITA_F32 : u->encoder->cache_dtype,
			 u->span.whole && u->span.first == 0 ? 2 * n : 0, c->width);
	vita_status status = device_memory_reserve(u->encoder->device, &u->pass->scratch, size, err);
	vita_tensor *const all[] = {&u->x, &u->a, &u->q, &u->wide, &u->mel, &u->ids, &u->alone};
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		all[i]->buffer = u->pass->scratch.buffer;
	return status;
}

/* [rows, columns] at the beginning of the wide memory. */
static vita_tensor wide_rows(const run *u, int64_t rows, int64_t columns)
{
	return vita_view(u->wide.buffer, u->wide.offset, VITA_F32, 2, rows, columns, 0, 0);
}

static vita_tensor rows_of(const vita_tensor *t, int64_t first, int64_t n)
{
	return vita_slice(t, 0, first, n);
}

/* ---- convolutions ------------------------------------------------------------------------------------- */

/* Rows that overlap: n of them, taps · columns values each, from every `stride`th row of t on. */
static vita_tensor windows(const vita_tensor *t, int64_t n, int64_t stride)
{
	vita_tensor w = *t;
	w.shape[0] = n;
	w.shape[1] = WHISPER_TAPS * t->shape[1];
	w.stride[0] = stride * t->stride[0];
	return w;
}

static vita_status write_mel(run *u, const whisper_features *features, vita_error *err)
{
	const vita_device *device = u->encoder->device;
	whisper_pass *pass = u->pass;
	const int64_t rows = u->mel.shape[0], n_mels = u->mel.shape[1];
	if (pass->mel_capacity < rows * n_mels) {
		host_release(u->encoder->host, pass->mel);
		pass->mel =
			host_zeroed(u->encoder->host, (uint64_t)rows, (uint64_t)n_mels * sizeof *pass->mel);
		pass->mel_capacity = pass->mel ? rows * n_mels : 0;
		if (!pass->mel)
			return vita_fail(err, VITA_E_NOMEM, "whisper-vq: no memory for %lld rows of features",
					 (long long)rows);
	}
	whisper_features_take(features, WHISPER_STRIDE * u->span.first - 2 * (WHISPER_TAPS - 1), rows,
			      pass->mel);
	return device->api->write(device->self, &u->mel, pass->mel,
				  (uint64_t)(rows * n_mels) * sizeof *pass->mel, err);
}

/* Frame j sees rows 2j - 2 … 2j of y, and row t of y those t - 2 … t of mel. Before the beginning both are 0. */
static void record_stem(run *u)
{
	const whisper_conv *conv = u->encoder->weights.conv;
	const uint32_t activation = u->encoder->config.activation;
	const int64_t n = u->span.n, skip = u->span.first == 0 ? WHISPER_TAPS - 1 : 0;
	vita_tensor y = wide_rows(u, WHISPER_STRIDE * n + 1, u->x.shape[1]);
	vita_tensor y_made = rows_of(&y, skip, y.shape[0] - skip), y_none = rows_of(&y, 0, skip);
	vita_tensor mel = rows_of(&u->mel, skip, u->mel.shape[0] - skip);
	vita_tensor in = windows(&mel, y_made.shape[0], 1);
	if (skip > 0) vita_fill(&u->r, 0, &y_none);
	vita_matmul(&u->r, &in, &conv[0].linear.weight, &conv[0].linear.bias, NULL, activation, &y_made);
	in = windows(&y, n, WHISPER_STRIDE);
	vita_matmul(&u->r, &in, &conv[1].linear.weight, &conv[1].linear.bias, NULL, activation, &u->x);
	vita_tensor positions = rows_of(&u->encoder->weights.positions, u->span.first, n);
	vita_binary(&u->r, VITA_BINARY_ADD, &u->x, &positions, &u->x);
}

/* ---- layers ------------------------------------------------------------------------------------------- */

/* Keys and values of all rows up to the span's end, [rows, width] each. */
static vita_status layer_cache(run *u, vita_tensor *keys, vita_tensor *values, vita_error *err)
{
	const vita_encoder *e = u->encoder;
	const whisper_config *c = &e->config;
	int64_t rows = u->span.first + u->span.n;
	if (u->span.whole && u->span.first == 0) {
		*keys = rows_of(&u->alone, 0, rows);
		*values = rows_of(&u->alone, rows, rows);
		return VITA_OK;
	}
	int64_t capacity = c->segment / whisper_frame_samples(c); /* untouched memory costs nothing */
	device_memory *memory = &u->pass->caches[u->position];
	uint64_t half = (uint64_t)(capacity * vita_row_bytes(e->cache_dtype, c->width));
	if (!memory->buffer) {
		vita_status status = device_memory_reserve(e->device, memory, 2 * half, err);
		if (status != VITA_OK) return status;
	}
	*keys = vita_view(memory->buffer, 0, e->cache_dtype, 2, rows, c->width, 0, 0);
	*values = vita_view(memory->buffer, half, e->cache_dtype, 2, rows, c->width, 0, 0);
	return VITA_OK;
}

static void project(run *u, const decoder_linear *linear, const vita_tensor *to)
{
	vita_matmul(&u->r, &u->a, &linear->weight, linear->bias.buffer ? &linear->bias : NULL, NULL,
		    VITA_UNARY_NONE, to);
}

/* Queries, keys and values: one product after the other, so that the rows are laid out for all of them once. Products
 * are f32, and go by way of the wide memory where keys are not. */
static void record_projections(run *u, const whisper_layer *l, const vita_tensor *k, const vita_tensor *v)
{
	const vita_tensor wide = wide_rows(u, 2 * k->shape[0], k->shape[1]);
	const int32_t direct = k->dtype == VITA_F32;
	const vita_tensor wide_k = rows_of(&wide, 0, k->shape[0]), wide_v = rows_of(&wide, k->shape[0], k->shape[0]);
	project(u, &l->q, &u->q);
	project(u, &l->k, direct ? k : &wide_k);
	project(u, &l->v, direct ? v : &wide_v);
	if (direct) return;
	vita_copy(&u->r, &wide_k, k);
	vita_copy(&u->r, &wide_v, v);
}

/* Rows of x whose blocks lie in the recording as a whole see all blocks up to their own. Those of the last see all
 * that lies in the recording. */
static void record_attention(run *u, const vita_tensor *keys, const vita_tensor *values)
{
	const int64_t heads = u->encoder->config.n_heads, d = u->x.shape[1] / heads;
	const int64_t end = u->span.first + u->span.n;
	int64_t whole = u->span.valid / u->block * u->block;
	if (whole < u->span.first) whole = u->span.first;
	if (whole > end) whole = end;
	const struct {
		int64_t first, end, n_keys;
		uint32_t mask;
	} parts[] = {{u->span.first, whole, whole, VITA_MASK_BLOCK_CAUSAL},
		     {whole, end, u->span.valid, VITA_MASK_FULL}};
	for (int i = 0; i < 2; i++) {
		if (parts[i].first == parts[i].end) continue;
		vita_tensor q = rows_of(&u->q, parts[i].first - u->span.first, parts[i].end - parts[i].first);
		vita_tensor y = rows_of(&u->a, parts[i].first - u->span.first, parts[i].end - parts[i].first);
		vita_tensor k = rows_of(keys, 0, parts[i].n_keys), v = rows_of(values, 0, parts[i].n_keys);
		q = vita_split(&q, heads, d), y = vita_split(&y, heads, d);
		k = vita_split(&k, heads, d), v = vita_split(&v, heads, d);
		vita_attention(&u->r, &q, &k, &v, NULL, parts[i].mask, (uint32_t)u->block,
			       1 / sqrt((double)d), &y);
	}
}

static vita_status record_layer(run *u, vita_error *err)
{
	const whisper_layer *l = &u->encoder->weights.layers[u->position];
	const uint32_t activation = u->encoder->config.activation;
	vita_recorder *r = &u->r;
	vita_tensor keys, values, wide = wide_rows(u, u->x.shape[0], u->encoder->config.ffn);
	vita_status status = layer_cache(u, &keys, &values, err);
	if (status != VITA_OK) return status;
	vita_tensor k = rows_of(&keys, u->span.first, u->span.n),
		    v = rows_of(&values, u->span.first, u->span.n);
	vita_layer_norm(r, &u->x, &l->attention_norm, &l->attention_norm_bias, EPSILON, &u->a);
	record_projections(u, l, &k, &v);
	record_attention(u, &keys, &values);
	vita_matmul(r, &u->a, &l->out.weight, &l->out.bias, &u->x, VITA_UNARY_NONE, &u->x);
	vita_layer_norm(r, &u->x, &l->ffn_norm, &l->ffn_norm_bias, EPSILON, &u->a);
	vita_matmul(r, &u->a, &l->up.weight, &l->up.bias, NULL, activation, &wide);
	vita_matmul(r, &wide, &l->down.weight, &l->down.bias, &u->x, VITA_UNARY_NONE, &u->x);
	return vita_recorder_end(r);
}

/* Every `pool` rows become one, into the memory of a; x and a change places. */
static void record_pooling(run *u)
{
	const whisper_config *c = &u->encoder->config;
	const int64_t pool = c->pool, n = u->span.n / pool;
	vita_tensor part = windows(&u->x, n, pool), pooled = rows_of(&u->a, 0, n), x = u->x;
	part.shape[1] = c->width;
	if (pool == 1) vita_copy(&u->r, &part, &pooled);
	for (int64_t i = 1; i < pool; i++) {
		vita_tensor first = part, next = part;
		next.offset += (uint64_t)(i * u->x.stride[0]);
		vita_binary(&u->r, c->pool_kind, i == 1 ? &first : &pooled, &next, &pooled);
	}
	if (pool > 1 && c->pool_kind == VITA_BINARY_ADD)
		vita_affine(&u->r, &pooled, 1 / (double)pool, 0, &pooled);
	u->x = pooled;
	u->a = rows_of(&x, 0, n);
	u->q = rows_of(&u->q, 0, n);
	u->block /= pool;
	u->span.first /= pool;
	u->span.n = n;
	u->span.valid = (u->span.valid + pool - 1) / pool;
}

/* ---- the whole ---------------------------------------------------------------------------------------- */

static vita_status run_layers(run *u, const vita_cancel *cancel, vita_error *err)
{
	const vita_host *host = u->encoder->host;
	const whisper_config *c = &u->encoder->config;
	for (u->position = 0; u->position < c->n_layers; u->position++) {
		if (host->cancelled(host->context, cancel))
			return vita_fail(err, VITA_E_CANCELLED, "encoding was cancelled");
		vita_status status = record_layer(u, err);
		if (status != VITA_OK) return status;
		if (u->position + 1 == c->pool_after) record_pooling(u);
	}
	vita_tensor ids = vita_view(u->ids.buffer, u->ids.offset, VITA_I32, 1, u->span.n, 0, 0, 0);
	vita_nearest(&u->r, &u->x, &u->encoder->weights.codebook, &ids);
	return vita_recorder_end(&u->r);
}

vita_status whisper_pass_run(const vita_encoder *encoder, whisper_pass *pass,
			     const whisper_features *features, const whisper_span *span, int32_t *codes,
			     const vita_cancel *cancel, vita_error *err)
{
	const vita_device *device = encoder->device;
	run u = {.encoder = encoder, .pass = pass, .span = *span, .block = encoder->config.block};
	vita_status status = take_memory(&u, err);
	if (status == VITA_OK) status = write_mel(&u, features, err);
	if (status != VITA_OK) return status;
	vita_recorder_begin(&u.r, device, err);
	record_stem(&u);
	status = run_layers(&u, cancel, err);
	if (status != VITA_OK) {
		(void)device->api->wait(device->self, NULL);
		return status;
	}
	vita_tensor ids = vita_view(u.ids.buffer, u.ids.offset, VITA_I32, 1, u.span.n, 0, 0, 0);
	return device->api->read(device->self, &ids, codes, (uint64_t)u.span.n * sizeof *codes, err);
}

void whisper_pass_free(const vita_encoder *encoder, whisper_pass *pass)
{
	for (int64_t i = 0; pass->caches && i < encoder->config.n_layers; i++)
		device_memory_free(encoder->device, &pass->caches[i]);
	host_release(encoder->host, pass->caches);
	host_release(encoder->host, pass->mel);
	device_memory_free(encoder->device, &pass->scratch);
}
