/* SPDX-License-Identifier: MIT
 *
 * Encoder "mel-vq": speech to audio tokens by a small convolutional network and a codebook (van den Oord et al.
 * 2017, "Neural Discrete Representation Learning"). It is meant to be copied as a start for encoders with weights.
 *
 *     frames → log mel, against the speech's level → `stack` rows a token → network → nearest codeword
 *
 * A model is a directory of config.json and model.safetensors; models/nano/audio/model.py is the same network
 * in PyTorch. This file opens it; stream.c runs it while the sound still comes in.
 */
#include "mel_vq.h"

#include <vita/audio.h>

static void encoder_close(vita_encoder *encoder)
{
	if (!encoder) return;
	const vita_host *host = encoder->host;
	conv_weights_free(encoder->device, &encoder->input);
	conv_weights_free(encoder->device, &encoder->output);
	conv_stack_free(&encoder->blocks);
	device_tensor_free(encoder->device, &encoder->codebook);
	mel_bank_close(&encoder->bank);
	host_release(host, encoder->window);
	if (encoder->model) host->model_close(host->context, encoder->model);
	host_release(host, encoder);
}

static vita_status read_config(vita_encoder *e, vita_error *err)
{
	const vita_host *host = e->host;
	vita_status status = mel_vq_front_read(host, e->model, &e->front, err);
	if (status == VITA_OK)
		status = mel_vq_int(host, e->model, "level_ahead", 0, 1000, &e->level_ahead, err);
	if (status == VITA_OK)
		status = mel_vq_float(host, e->model, "level_decay", 0, 100, &e->level_decay, err);
	if (status == VITA_OK)
		status = mel_vq_float(host, e->model, "level_least", -100, 100, &e->level_least, err);
	if (status == VITA_OK)
		status = mel_vq_float(host, e->model, "level_range", 0.01, 100, &e->level_range, err);
	if (status == VITA_OK) status = mel_vq_int(host, e->model, "encoder.code", 1, 4096, &e->width, err);
	if (status == VITA_OK)
		status = mel_vq_int(host, e->model, "encoder.codes", 2, 1 << 20, &e->codes, err);
	if (status != VITA_OK) return status;
	return conv_stack_configure(host, e->model, "encoder.width", "encoder.kernel", "encoder.dilations",
				    NULL, &e->blocks, err);
}

static vita_status load_codebook(vita_encoder *e, vita_error *err)
{
	const int64_t shape[2] = {e->codes, e->width};
	vita_array array;
	VITA_INIT(&array);
	vita_status status =
		e->host->model_tensor(e->host->context, e->model, "codebook.weight", 2, shape, &array, err);
	if (status != VITA_OK) return status;
	array.flags |= VITA_ARRAY_F_PLAIN; /* NEAREST reads it, not MATMUL */
	VITA_INIT(&e->codebook);
	status =
		e->host->weight_load(e->host->context, e->device, &array, VITA_DTYPE_NONE, &e->codebook, err);
	if (status != VITA_OK) e->codebook.buffer = NULL;
	return status;
}

static vita_status load_weights(vita_encoder *e, vita_error *err)
{
	int64_t input[3] = {e->blocks.width, (int64_t)e->front.stack * e->front.bands, -1};
	const int64_t output[2] = {e->width, e->blocks.width};
	vita_status status = conv_weights_load(e->host, e->device, e->model, "encoder.input", 3, input,
					       e->blocks.width, &e->input, err);
	if (status == VITA_OK)
		status = conv_stack_load(e->host, e->device, e->model, "encoder.blocks", &e->blocks, err);
	if (status == VITA_OK)
		status = conv_weights_load(e->host, e->device, e->model, "encoder.output", 2, output,
					   e->width, &e->output, err);
	if (status == VITA_OK) status = load_codebook(e, err);
	if (status != VITA_OK) return status;
	int64_t kernel = e->input.weight.shape[2];
	if (kernel < 1 || kernel > MEL_VQ_MOST_KERNEL)
		return vita_fail(err, VITA_E_SHAPE,
				 "%s: encoder.input.weight has %lld taps, expected 1 to %d",
				 e->host->model_path(e->host->context, e->model), (long long)kernel,
				 MEL_VQ_MOST_KERNEL);
	e->input_ahead = kernel / 2;
	e->input_before = kernel - 1 - kernel / 2;
	e->before = e->input_before + conv_stack_before(&e->blocks);
	e->ahead = e->input_ahead + conv_stack_ahead(&e->blocks);
	return VITA_OK;
}

static vita_status open_parts(vita_encoder *e, const vita_settings *settings, vita_error *err)
{
	const vita_host *host = e->host;
	const char *path = host->setting_string(host->context, settings, "model");
	if (!path || !path[0])
		return vita_fail(err, VITA_E_CONFIG,
				 "mel-vq: [encoder] model is not set; it is a directory with config.json and "
				 "model.safetensors");
	e->chunk = (uint32_t)host->setting_int(host->context, settings, "chunk");
	vita_status status = host->model_open(
		host->context, path, VITA_MODEL_WANT_TENSORS | VITA_MODEL_WANT_CONFIG, &e->model, err);
	if (status == VITA_OK) status = read_config(e, err);
	if (status == VITA_OK) status = mel_vq_bank_open(&e->front, host, &e->bank, err);
	if (status != VITA_OK) return status;
	e->window = host_zeroed(host, e->front.window, sizeof *e->window);
	if (!e->window) return vita_fail(err, VITA_E_NOMEM, "mel-vq: out of memory");
	mel_vq_window(&e->front, e->window);
	return load_weights(e, err);
}

static vita_status encoder_open(const vita_host *host, const vita_device *device,
				const vita_settings *settings, vita_encoder **out, vita_error *err)
{
	*out = NULL;
	vita_encoder *encoder = host_zeroed(host, 1, sizeof *encoder);
	if (!encoder) return vita_fail(err, VITA_E_NOMEM, "mel-vq: out of memory");
	encoder->host = host;
	encoder->device = encoder->blocks.device = device;
	vita_status status = open_parts(encoder, settings, err);
	if (status == VITA_OK)
		*out = encoder;
	else
		encoder_close(encoder);
	return status;
}

static void encoder_describe(const vita_encoder *encoder, vita_encoder_info *info)
{
	double frame = (double)encoder->front.hop / encoder->front.sample_rate;
	info->output = VITA_ENCODER_TOKENS;
	info->sample_rate = encoder->front.sample_rate;
	info->mix = VITA_MIX_MEAN;
	info->vocab_size = encoder->codes;
	info->width = 0;
	info->rate = 1 / (frame * encoder->front.stack);
	info->latency_s = frame * ((double)encoder->ahead * encoder->front.stack + encoder->level_ahead + 2);
}

/* Is this model one of ours? Where the config names no plugin, the host asks. */
static int32_t match(const vita_host *host, const vita_model *model)
{
	const char *type = "";
	(void)host->model_get_string(host->context, model, VITA_CONFIG_MODEL, "model_type", &type, NULL);
	return strcmp(type, "mel-vq") == 0 ? 100 : 0;
}

static const vita_match_api match_api = {.struct_size = sizeof match_api, .match = match};

static const void *get_extension(vita_encoder *encoder, const char *id)
{
	(void)encoder;
	return strcmp(id, VITA_MATCH_ID) == 0 ? &match_api : NULL;
}

/* ---- what the module tells its host -------------------------------------------------------------- */

static const vita_encoder_api api = {
	.struct_size = sizeof api,
	.flags = VITA_ENCODER_F_MATCH,
	.open = encoder_open,
	.close = encoder_close,
	.describe = encoder_describe,
	.stream_open = mel_vq_stream_open,
	.stream_close = mel_vq_stream_close,
	.push = mel_vq_stream_push,
	.pull = mel_vq_stream_pull,
	.get_extension = get_extension,
};

static const vita_key chunk_key = {
	.struct_size = sizeof chunk_key,
	.type = VITA_KEY_INT,
	.name = "chunk",
	.fallback = "8",
	.help = "tokens to wait for before the network runs; fewer: earlier tokens and more work",
	.min = 1,
	.max = 256,
};

static const vita_key *const keys[] = {&chunk_key};

static const vita_factory factory = {
	.struct_size = sizeof factory,
	.interface_id = VITA_ENCODER_ID,
	.name = "mel-vq",
	.summary = "Speech to the nearest codewords of a small network over log mel rows.",
	.api = &api,
	.keys = keys,
	.n_keys = 1,
};

static const vita_factory *const factories[] = {&factory};

static const vita_module module = {
	.struct_size = sizeof module,
	.abi_major = VITA_ABI_MAJOR,
	.abi_minor = VITA_ABI_MINOR,
	.n_factories = 1,
	.name = "encoder-mel-vq",
	.version = "1.0",
	.licence = "MIT",
	.factories = factories,
};

const vita_module *vita_module_query(uint32_t host_major, uint32_t host_minor)
{
	(void)host_minor;
	return host_major == VITA_ABI_MAJOR ? &module : NULL;
}
