/* SPDX-License-Identifier: MIT
 *
 * Encoder whisper-vq: its weights. The published file has no prefix before the names, converted ones do; what the
 * file has beyond the quantizer (later layers, statistics of training, the decoder) is left alone.
 */
#include "whisper.h"

#include <vita/blocks.h>

/* ---- names -------------------------------------------------------------------------------------------- */

const char *whisper_prefix(const vita_host *host, const vita_model *model)
{
	static const char *const prefixes[] = {"", "model.encoder.", "encoder."};
	vita_array array;
	char name[64];
	for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
		VITA_INIT(&array);
		(void)snprintf(name, sizeof name, "%scodebook.weight", prefixes[i]);
		if (host->model_tensor(host->context, model, name, 0, NULL, &array, NULL) == VITA_OK)
			return prefixes[i];
	}
	return NULL;
}

typedef struct names {
	char text[96];
	const char *prefix;
	int64_t layer; /* -1: outside of layers */
} names;

static const char *name_of(names *n, const char *rest)
{
	if (n->layer < 0)
		(void)snprintf(n->text, sizeof n->text, "%s%s", n->prefix, rest);
	else
		(void)snprintf(n->text, sizeof n->text, "%slayers.%lld.%s", n->prefix, (long long)n->layer,
			       rest);
	return n->text;
}

/* ---- layers ------------------------------------------------------------------------------------------- */

typedef struct part {
	vita_tensor *target;
	const char *name;
	int64_t rows, columns; /* columns 0: a vector */
} part;

static vita_status load_layer(whisper_layer *l, names *n, decoder_loader *loader, const whisper_config *c,
			      vita_error *err)
{
	const int64_t w = c->width, f = c->ffn;
	const part parts[] = {
		{&l->attention_norm, "self_attn_layer_norm.weight", w, 0},
		{&l->attention_norm_bias, "self_attn_layer_norm.bias", w, 0},
		{&l->q.weight, "self_attn.q_proj.weight", w, w},
		{&l->q.bias, "self_attn.q_proj.bias", w, 0},
		{&l->k.weight, "self_attn.k_proj.weight", w, w},
		{&l->v.weight, "self_attn.v_proj.weight", w, w},
		{&l->v.bias, "self_attn.v_proj.bias", w, 0},
		{&l->out.weight, "self_attn.out_proj.weight", w, w},
		{&l->out.bias, "self_attn.out_proj.bias", w, 0},
		{&l->ffn_norm, "final_layer_norm.weight", w, 0},
		{&l->ffn_norm_bias, "final_layer_norm.bias", w, 0},
		{&l->up.weight, "fc1.weight", f, w},
		{&l->up.bias, "fc1.bias", f, 0},
		{&l->down.weight, "fc2.weight", w, f},
		{&l->down.bias, "fc2.bias", w, 0},
	};
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		const part *p = &parts[i];
		const char *name = name_of(n, p->name);
		vita_status status =
			p->columns ? decoder_matrix_load(loader, name, p->rows, p->columns, p->target, err)
				   : decoder_vector_load(loader, name, p->rows, p->target, err);
		if (status != VITA_OK) return status;
	}
	return VITA_OK;
}

/* ---- convolutions ------------------------------------------------------------------------------------- */

/* [outputs, inputs, taps] to [outputs, taps, inputs] in f32: as rows of time lie one after the other. */
static void turn_taps(const vita_array *source, float *row, float *out)
{
	const int64_t inputs = source->shape[1], n = inputs * WHISPER_TAPS;
	const char *from = source->data;
	for (int64_t o = 0; o < source->shape[0]; o++, out += n) {
		vita_row_to_f32(source->dtype, from + o * vita_row_bytes(source->dtype, n), n, row);
		for (int64_t i = 0; i < inputs; i++)
			for (int64_t tap = 0; tap < WHISPER_TAPS; tap++)
				out[tap * inputs + i] = row[i * WHISPER_TAPS + tap];
	}
}

/* Blocks of quantised types would mix taps, and convolutions are a hundredth of the weights: f16 has more bits, and
 * reaches as far as a block's scale. */
static uint32_t conv_dtype(const decoder_loader *loader, const vita_array *source)
{
	uint32_t dtype = loader->dtype == VITA_DTYPE_NONE ? source->dtype : loader->dtype;
	return vita_dtype_block(dtype) > 1 ? VITA_F16 : dtype;
}

static vita_status upload_conv(decoder_loader *loader, const vita_array *source, whisper_conv *conv,
			       float *row, vita_error *err)
{
	vita_array turned = *source;
	turned.dtype = VITA_F32;
	turned.rank = 2;
	turned.shape[1] = source->shape[1] * WHISPER_TAPS;
	turned.shape[2] = 1;
	turned.size_bytes = (uint64_t)turned.shape[0] * (uint64_t)turned.shape[1] * sizeof(float);
	turned.data = conv->memory;
	turn_taps(source, row, conv->memory);
	VITA_INIT(&conv->linear.weight);
	vita_status status = loader->host->weight_load(loader->host->context, loader->device, &turned,
						       conv_dtype(loader, source), &conv->linear.weight, err);
	if (status != VITA_OK) conv->linear.weight.buffer = NULL;
	return status;
}

static vita_status load_conv(whisper_conv *conv, names *n, int index, decoder_loader *loader, int64_t outputs,
			     int64_t inputs, vita_error *err)
{
	const vita_host *host = loader->host;
	const int64_t shape[3] = {outputs, inputs, WHISPER_TAPS};
	vita_array array;
	VITA_INIT(&array);
	vita_status status = decoder_vector_load(loader, name_of(n, index ? "conv2.bias" : "conv1.bias"),
						 outputs, &conv->linear.bias, err);
	const char *name = name_of(n, index ? "conv2.weight" : "conv1.weight");
	if (status == VITA_OK)
		status = host->model_tensor(host->context, loader->model, name, 3, shape, &array, err);
	if (status != VITA_OK) return status;
	if (vita_dtype_block(array.dtype) > 1)
		return vita_fail(err, VITA_E_UNSUPPORTED, "%s: is %s; f32, f16 or bf16 can be used", name,
				 vita_dtype_name(array.dtype));
	float *row = host_zeroed(host, (uint64_t)inputs * WHISPER_TAPS, sizeof *row);
	conv->memory =
		host_zeroed(host, (uint64_t)outputs * (uint64_t)inputs * WHISPER_TAPS, sizeof *conv->memory);
	if (row && conv->memory)
		status = upload_conv(loader, &array, conv, row, err);
	else
		status = vita_fail(err, VITA_E_NOMEM, "%s: no memory to lay it out anew", name);
	host_release(host, row);
	if (status == VITA_OK && conv->linear.weight.dtype != VITA_F32) { /* a copy is on the device */
		host_release(host, conv->memory);
		conv->memory = NULL;
	}
	return status;
}

/* ---- all ---------------------------------------------------------------------------------------------- */

/* A matrix that other ops than products read. */
static vita_status load_plain(decoder_loader *loader, const char *name, int64_t rows, int64_t columns,
			      uint32_t dtype, vita_tensor *out, vita_error *err)
{
	const vita_host *host = loader->host;
	const int64_t shape[2] = {rows, columns};
	vita_array array;
	VITA_INIT(&array);
	vita_status status = host->model_tensor(host->context, loader->model, name, 2, shape, &array, err);
	if (status != VITA_OK) return status;
	if (vita_dtype_block(array.dtype) > 1) dtype = VITA_F32;
	array.flags |= VITA_ARRAY_F_PLAIN;
	VITA_INIT(out);
	status = host->weight_load(host->context, loader->device, &array, dtype, out, err);
	if (status != VITA_OK) return out->buffer = NULL, status;
	loader->bytes += (uint64_t)(rows * vita_row_bytes(out->dtype, columns));
	return VITA_OK;
}

vita_status whisper_weights_load(whisper_weights *w, decoder_loader *loader, const whisper_config *c,
				 vita_error *err)
{
	names n = {"", whisper_prefix(loader->host, loader->model), -1};
	if (!n.prefix) n.prefix = "";
	/* The codebook first: where it is missing, this is no such model. It stays exact, since it decides. */
	vita_status status = load_plain(loader, name_of(&n, "codebook.weight"), c->n_codes, c->width,
					VITA_DTYPE_NONE, &w->codebook, err);
	if (status == VITA_OK)
		status = load_plain(loader, name_of(&n, "embed_positions.weight"), c->n_positions, c->width,
				    VITA_F32, &w->positions, err);
	if (status == VITA_OK) status = load_conv(&w->conv[0], &n, 0, loader, c->width, c->n_mels, err);
	if (status == VITA_OK) status = load_conv(&w->conv[1], &n, 1, loader, c->width, c->width, err);
	if (status != VITA_OK) return status;
	w->layers = host_zeroed(loader->host, (uint64_t)c->n_layers, sizeof *w->layers);
	if (!w->layers)
		return vita_fail(err, VITA_E_NOMEM, "whisper-vq: no memory for %lld layers",
				 (long long)c->n_layers);
	w->n_layers = c->n_layers;
	for (n.layer = 0; n.layer < c->n_layers && status == VITA_OK; n.layer++)
		status = load_layer(&w->layers[n.layer], &n, loader, c, err);
	if (status != VITA_OK) return status;
	w->bytes = loader->bytes;
	w->dtype = w->layers[0].up.weight.dtype;
	return VITA_OK;
}

static void linear_free(const vita_device *device, decoder_linear *linear)
{
	device_tensor_free(device, &linear->weight);
	device_tensor_free(device, &linear->bias);
}

void whisper_weights_free(whisper_weights *w, const vita_host *host, const vita_device *device)
{
	for (int64_t i = 0; w->layers && i < w->n_layers; i++) {
		whisper_layer *l = &w->layers[i];
		device_tensor_free(device, &l->attention_norm);
		device_tensor_free(device, &l->attention_norm_bias);
		device_tensor_free(device, &l->ffn_norm);
		device_tensor_free(device, &l->ffn_norm_bias);
		linear_free(device, &l->q);
		linear_free(device, &l->k);
		linear_free(device, &l->v);
		linear_free(device, &l->out);
		linear_free(device, &l->up);
		linear_free(device, &l->down);
	}
	host_release(host, w->layers);
	for (int i = 0; i < 2; i++) {
		linear_free(device, &w->conv[i].linear);
		host_release(host, w->conv[i].memory);
	}
	device_tensor_free(device, &w->positions);
	device_tensor_free(device, &w->codebook);
}
