/* SPDX-License-Identifier: MIT
 *
 * The pass of one recording through encoder and projector. All rows see all others, so that nothing comes out
 * before the recording has ended.
 */
#include "sensevoice.h"

#include <vita/blocks.h>

#include <math.h>

#define EPSILON 1e-5
#define HALF (FEATURE_WIDTH / 2)
#define PIECE_ROWS                                                                                           \
	512 /* through the feed-forward part and the projector at a time, which bounds their memory */

/* ---- positions ------------------------------------------------------------------------------------ */

static double bf16(double x)
{
	return vita_bf16_to_f32(vita_f32_to_bf16((float)x));
}

/* The reference's table, rounded after each step. On a CPU PyTorch rounds the divisor 279 to bf16 as well. */
static void position_bf16(int on_cpu, uint64_t position, float *row)
{
	double divisor = on_cpu ? bf16(HALF - 1) : HALF - 1;
	double increment = bf16(bf16(log(bf16(10000))) / divisor), p = bf16((double)position);
	for (int c = 0; c < HALF; c++) {
		double angle = bf16(p * bf16(exp(bf16(bf16(c) * -increment))));
		row[c] = (float)bf16(sin(angle));
		row[HALF + c] = (float)bf16(cos(angle));
	}
}

void sensevoice_position(positions how, uint64_t position, float *row)
{
	if (how != POSITIONS_F32) {
		position_bf16(how == POSITIONS_BF16_CPU, position, row);
		return;
	}
	for (int c = 0; c < HALF; c++) {
		double angle = (double)position * exp(-c * log(10000) / (HALF - 1));
		row[c] = (float)sin(angle);
		row[HALF + c] = (float)cos(angle);
	}
}

/* Queries and features, scaled, with positions: what the first layer reads. */
static void make_input(const vita_encoder *encoder, const float *features, uint64_t n_rows, float *out)
{
	float scale = (float)sqrt((double)encoder->sizes.width), position[FEATURE_WIDTH];
	for (uint64_t t = 0; t < n_rows; t++) {
		const float *row = t < SENSEVOICE_QUERIES
					   ? encoder->queries[t]
					   : features + (t - SENSEVOICE_QUERIES) * FEATURE_WIDTH;
		sensevoice_position(encoder->positions, t + 1, position);
		for (int i = 0; i < FEATURE_WIDTH; i++)
			out[t * FEATURE_WIDTH + (uint64_t)i] = row[i] * scale + position[i];
	}
}

/* ---- one pass ------------------------------------------------------------------------------------- */

typedef struct pass {
	const vita_encoder *encoder;
	const vita_cancel *cancel;
	int64_t n; /* rows */
	vita_buffer *buffer;
	vita_tensor input;        /* [n, FEATURE_WIDTH] */
	vita_tensor x, z, memory; /* [n, width] */
	vita_tensor z_wide;       /* [n, FEATURE_WIDTH], the first layer's z */
	vita_tensor qkv;          /* [n, 3 · width] */
	vita_tensor product;      /* [n, width] */
	vita_tensor wide;         /* [PIECE_ROWS, the widest of feed-forward and projector] */
	vita_tensor projected;    /* [PIECE_ROWS, projected] */
	vita_recorder recorder;
} pass;

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* All tensors side by side in one buffer; sizes are far from overflow, since the rows are bounded. */
static vita_status pass_open(pass *p, vita_error *err)
{
	const sanm_sizes *s = &p->encoder->sizes;
	int64_t piece = p->n < PIECE_ROWS ? p->n : PIECE_ROWS, offset = 0;
	const struct {
		vita_tensor *tensor;
		int64_t rows, columns;
	} parts[] = {
		{&p->input, p->n, FEATURE_WIDTH},
		{&p->x, p->n, s->width},
		{&p->z, p->n, s->width},
		{&p->z_wide, p->n, FEATURE_WIDTH},
		{&p->memory, p->n, s->width},
		{&p->qkv, p->n, 3 * s->width},
		{&p->product, p->n, s->width},
		{&p->wide, piece, larger(s->ff, s->projector_wide)},
		{&p->projected, piece, s->projected},
	};
	const size_t n_parts = sizeof parts / sizeof parts[0];
	const vita_device *device = p->encoder->device;
	for (int make = 0; make < 2; make++) {
		offset = 0;
		for (size_t i = 0; i < n_parts; i++) {
			if (make)
				*parts[i].tensor = vita_view(p->buffer, (uint64_t)offset, VITA_F32, 2,
							     parts[i].rows, parts[i].columns, 0, 0);
			offset +=
				(parts[i].rows * parts[i].columns * (int64_t)sizeof(float) + 255) / 256 * 256;
		}
		vita_status status =
			make ? VITA_OK : device->api->alloc(device->self, (uint64_t)offset, &p->buffer, err);
		if (status != VITA_OK) return status;
	}
	return VITA_OK;
}

static void linear(pass *p, const vita_tensor *x, const decoder_linear *w, const vita_tensor *residual,
		   uint32_t activation, const vita_tensor *y)
{
	vita_matmul(&p->recorder, x, &w->weight, &w->bias, residual, activation, y);
}

/* Each row of values with a weighted sum of its neighbours, which are zero beyond the ends: a depthwise convolution
 * along time, as shifted products. Rows stay as they lie, which costs less than turning them for CONV1D. */
static void record_memory(pass *p, const sanm_layer *layer, const vita_tensor *v)
{
	const sanm_sizes *s = &p->encoder->sizes;
	vita_recorder *r = &p->recorder;
	int64_t centre = sensevoice_centre(s);
	for (int64_t i = 0; i < s->kernel; i++) {
		int64_t tap = (centre + i) % s->kernel, ahead = tap - centre; /* the row's own first */
		int64_t n = p->n - (ahead < 0 ? -ahead : ahead);
		if (n <= 0) continue;
		vita_tensor weight =
			vita_view(layer->memory.buffer, layer->memory.offset, VITA_F32, 1, s->width, 0, 0, 0);
		weight.offset += (uint64_t)(tap * s->width) * sizeof(float);
		vita_tensor from = vita_slice(v, 0, ahead > 0 ? ahead : 0, n);
		vita_tensor to = vita_slice(&p->memory, 0, ahead < 0 ? -ahead : 0, n);
		vita_tensor product = vita_slice(&p->product, 0, 0, n);
		vita_binary(r, VITA_BINARY_MUL, &from, &weight, ahead == 0 ? &to : &product);
		if (ahead != 0) vita_binary(r, VITA_BINARY_ADD, &to, &product, &to);
	}
}

/* x = (x +) attention + memory; the first layer, whose input has another width, has no residual. */
static void record_attention(pass *p, const sanm_layer *layer, int first)
{
	const sanm_sizes *s = &p->encoder->sizes;
	vita_recorder *r = &p->recorder;
	const vita_tensor *x = first ? &p->input : &p->x, *z = first ? &p->z_wide : &p->z;
	vita_tensor part[3], heads[3], o = vita_split(&p->z, s->n_heads, s->width / s->n_heads);
	vita_layer_norm(r, x, &layer->norm1, &layer->norm1_bias, EPSILON, z);
	linear(p, z, &layer->qkv, NULL, VITA_UNARY_NONE, &p->qkv);
	for (int i = 0; i < 3; i++) {
		part[i] = vita_slice(&p->qkv, 1, i * s->width, s->width);
		heads[i] = vita_split(&part[i], s->n_heads, s->width / s->n_heads);
	}
	record_memory(p, layer, &part[2]);
	vita_attention(r, &heads[0], &heads[1], &heads[2], NULL, VITA_MASK_FULL, 0,
		       1 / sqrt((double)s->width / (double)s->n_heads), &o);
	if (!first) vita_binary(r, VITA_BINARY_ADD, &p->memory, &p->x, &p->memory);
	linear(p, &p->z, &layer->out, &p->memory, VITA_UNARY_NONE, &p->x);
}

static void record_feed_forward(pass *p, const sanm_layer *layer)
{
	const sanm_sizes *s = &p->encoder->sizes;
	vita_layer_norm(&p->recorder, &p->x, &layer->norm2, &layer->norm2_bias, EPSILON, &p->z);
	for (int64_t first = 0; first < p->n; first += PIECE_ROWS) {
		int64_t n = p->n - first < PIECE_ROWS ? p->n - first : PIECE_ROWS;
		vita_tensor z = vita_slice(&p->z, 0, first, n), x = vita_slice(&p->x, 0, first, n);
		vita_tensor h = vita_view(p->buffer, p->wide.offset, VITA_F32, 2, n, s->ff, 0, 0);
		linear(p, &z, &layer->up, NULL, VITA_UNARY_RELU, &h);
		linear(p, &h, &layer->down, &x, VITA_UNARY_NONE, &x);
	}
}

/* What was recorded has been done, or why not. */
static vita_status pass_finish(pass *p, vita_error *err)
{
	const vita_device *device = p->encoder->device;
	const vita_host *host = p->encoder->host;
	vita_status status = vita_recorder_end(&p->recorder);
	if (status == VITA_OK) status = device->api->wait(device->self, err);
	if (status != VITA_OK || !host->cancelled(host->context, p->cancel)) return status;
	return vita_fail(err, VITA_E_CANCELLED, "encoding was cancelled");
}

static vita_status run_layers(pass *p, vita_error *err)
{
	const vita_encoder *e = p->encoder;
	for (int64_t i = 0; i < e->sizes.n_layers; i++) {
		vita_recorder_begin(&p->recorder, e->device, err);
		record_attention(p, &e->layers[i], i == 0);
		record_feed_forward(p, &e->layers[i]);
		if (i + 1 == e->sizes.n_first)
			vita_layer_norm(&p->recorder, &p->x, &e->after_norm, &e->after_norm_bias, EPSILON,
					&p->x);
		if (i + 1 == e->sizes.n_layers)
			vita_layer_norm(&p->recorder, &p->x, &e->tp_norm, &e->tp_norm_bias, EPSILON, &p->x);
		vita_status status = pass_finish(p, err);
		if (status != VITA_OK) return status;
	}
	return VITA_OK;
}

static vita_status read_rows(const pass *p, const vita_tensor *rows, float *out, vita_error *err)
{
	const vita_device *device = p->encoder->device;
	uint64_t bytes = (uint64_t)(rows->shape[0] * rows->shape[1]) * sizeof(float);
	return device->api->read(device->self, rows, out, bytes, err);
}

/* Rows of the encoder to rows of the language model. */
static vita_status project(pass *p, float *out, vita_error *err)
{
	const vita_encoder *e = p->encoder;
	int64_t width = e->sizes.projected, wide = e->sizes.projector_wide;
	if (!e->projects) return read_rows(p, &p->x, out, err);
	vita_recorder_begin(&p->recorder, e->device, err);
	vita_layer_norm(&p->recorder, &p->x, &e->projector_norm, &e->projector_norm_bias, EPSILON, &p->z);
	for (int64_t first = 0; first < p->n; first += PIECE_ROWS) {
		int64_t n = p->n - first < PIECE_ROWS ? p->n - first : PIECE_ROWS;
		vita_tensor z = vita_slice(&p->z, 0, first, n), y = vita_slice(&p->projected, 0, 0, n);
		vita_tensor h = vita_view(p->buffer, p->wide.offset, VITA_F32, 2, n, wide, 0, 0);
		vita_matmul(&p->recorder, &z, &e->projector_in, NULL, NULL, VITA_UNARY_GELU, &h);
		vita_matmul(&p->recorder, &h, &e->projector_out, NULL, NULL, VITA_UNARY_NONE, &y);
		vita_status status = pass_finish(p, err);
		if (status == VITA_OK) status = read_rows(p, &y, out + first * width, err);
		if (status != VITA_OK) return status;
	}
	return VITA_OK;
}

static vita_status write_input(pass *p, const float *features, vita_error *err)
{
	const vita_encoder *e = p->encoder;
	uint64_t bytes = (uint64_t)p->n * FEATURE_WIDTH * sizeof(float);
	float *rows = e->host->allocate(e->host->context, bytes);
	if (!rows)
		return vita_fail(err, VITA_E_NOMEM, "sensevoice: no memory for %lld rows", (long long)p->n);
	make_input(e, features, (uint64_t)p->n, rows);
	vita_status status = e->device->api->write(e->device->self, &p->input, rows, bytes, err);
	e->host->release(e->host->context, rows);
	return status;
}

vita_status sensevoice_encode(const vita_encoder *encoder, const float *features, uint64_t n, float *out,
			      const vita_cancel *cancel, vita_error *err)
{
	const vita_host *host = encoder->host;
	pass *p = host->allocate(host->context, sizeof *p); /* a recorder is large */
	if (!p) return vita_fail(err, VITA_E_NOMEM, "sensevoice: out of memory");
	memset(p, 0, sizeof *p);
	p->encoder = encoder;
	p->cancel = cancel;
	p->n = (int64_t)n + SENSEVOICE_QUERIES;
	vita_status status = pass_open(p, err);
	if (status == VITA_OK) status = write_input(p, features, err);
	if (status == VITA_OK) status = run_layers(p, err);
	if (status == VITA_OK) status = project(p, out, err);
	if (p->buffer) encoder->device->api->free(encoder->device->self, p->buffer);
	host->release(host->context, p);
	return status;
}
