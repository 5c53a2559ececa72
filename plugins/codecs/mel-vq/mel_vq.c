/* SPDX-License-Identifier: MIT
 *
 * Codec "mel-vq": audio tokens back to the speech of one voice. It is meant to be copied as a start for codecs with
 * weights.
 *
 *     token → network → rows of log mel → magnitudes → Griffin-Lim → sound
 *
 * A model is a directory of config.json and model.safetensors, the encoder's too; models/nano/audio/model.py is
 * the same network in PyTorch. This file opens it; stream.c runs it chunk by chunk.
 */
#include "mel_vq.h"

static void codec_close(vita_codec *codec)
{
	if (!codec) return;
	const vita_host *host = codec->host;
	device_tensor_free(codec->device, &codec->embed);
	conv_stack_free(&codec->blocks);
	conv_stack_free(&codec->frame_blocks);
	conv_weights_free(codec->device, &codec->spread);
	conv_weights_free(codec->device, &codec->output);
	mel_bank_close(&codec->bank);
	host_release(host, codec->window);
	if (codec->model) host->model_close(host->context, codec->model);
	host_release(host, codec);
}

static vita_status read_config(vita_codec *c, vita_error *err)
{
	const vita_host *host = c->host;
	int64_t width = 0;
	if (host->model_get_int(host->context, c->model, VITA_CONFIG_MODEL, "decoder.width", 1, INT32_MAX,
				&width, NULL) == VITA_E_NOTFOUND)
		return vita_fail(err, VITA_E_FORMAT,
				 "%s: config.json has no \"decoder\": this model hears but does not speak",
				 host->model_path(host->context, c->model));
	vita_status status = mel_vq_front_read(host, c->model, &c->front, err);
	if (status == VITA_OK)
		status = mel_vq_int(host, c->model, "encoder.codes", 2, 1 << 20, &c->codes, err);
	if (status == VITA_OK)
		status = mel_vq_float(host, c->model, "decoder.mel_shift", -100, 100, &c->mel_shift, err);
	if (status == VITA_OK)
		status = mel_vq_float(host, c->model, "decoder.mel_scale", 1e-3, 100, &c->mel_scale, err);
	if (status == VITA_OK)
		status = conv_stack_configure(host, c->model, "decoder.width", "decoder.kernel",
					      "decoder.dilations", "decoder.ahead", &c->blocks, err);
	if (status == VITA_OK)
		status = conv_stack_configure(host, c->model, "decoder.frame_width", "decoder.kernel",
					      "decoder.frame_dilations", "decoder.frame_ahead",
					      &c->frame_blocks, err);
	return status;
}

static vita_status load_embedding(vita_codec *c, vita_error *err)
{
	const int64_t shape[2] = {c->codes, c->blocks.width};
	vita_array array;
	VITA_INIT(&array);
	vita_status status = c->host->model_tensor(c->host->context, c->model, "decoder.embed.weight", 2,
						   shape, &array, err);
	if (status != VITA_OK) return status;
	VITA_INIT(&c->embed);
	status = c->host->weight_load(c->host->context, c->device, &array, VITA_DTYPE_NONE, &c->embed, err);
	if (status != VITA_OK) c->embed.buffer = NULL;
	return status;
}

static vita_status load_weights(vita_codec *c, vita_error *err)
{
	int64_t frame_width = c->frame_blocks.width, stack = c->front.stack, bands = c->front.bands;
	const int64_t spread[2] = {stack * frame_width, c->blocks.width}, output[2] = {bands, frame_width};
	vita_status status = load_embedding(c, err);
	if (status == VITA_OK)
		status = conv_stack_load(c->host, c->device, c->model, "decoder.blocks", &c->blocks, err);
	if (status == VITA_OK)
		status = conv_weights_load(c->host, c->device, c->model, "decoder.spread", 2, spread,
					   spread[0], &c->spread, err);
	if (status == VITA_OK)
		status = conv_stack_load(c->host, c->device, c->model, "decoder.frame_blocks",
					 &c->frame_blocks, err);
	if (status == VITA_OK)
		status = conv_weights_load(c->host, c->device, c->model, "decoder.output", 2, output, bands,
					   &c->output, err);
	/* frames that a frame depends on, in whole tokens */
	c->before = conv_stack_before(&c->blocks) + (conv_stack_before(&c->frame_blocks) + stack - 1) / stack;
	c->ahead = conv_stack_ahead(&c->blocks) + (conv_stack_ahead(&c->frame_blocks) + stack - 1) / stack;
	return status;
}

static vita_status open_parts(vita_codec *c, const vita_settings *settings, vita_error *err)
{
	const vita_host *host = c->host;
	const char *path = host->setting_string(host->context, settings, "model");
	if (!path || !path[0])
		return vita_fail(err, VITA_E_CONFIG,
				 "mel-vq: [codec] model is not set; it is a directory with config.json and "
				 "model.safetensors");
	c->iterations = (uint32_t)host->setting_int(host->context, settings, "iterations");
	c->held = (uint32_t)host->setting_int(host->context, settings, "held");
	c->momentum = host->setting_float(host->context, settings, "momentum");
	vita_status status = host->model_open(
		host->context, path, VITA_MODEL_WANT_TENSORS | VITA_MODEL_WANT_CONFIG, &c->model, err);
	if (status == VITA_OK) status = read_config(c, err);
	if (status == VITA_OK) status = mel_vq_bank_open(&c->front, host, &c->bank, err);
	if (status != VITA_OK) return status;
	c->window = host_zeroed(host, c->front.window, sizeof *c->window);
	if (!c->window) return vita_fail(err, VITA_E_NOMEM, "mel-vq: out of memory");
	mel_vq_window(&c->front, c->window);
	return load_weights(c, err);
}

static vita_status codec_open(const vita_host *host, const vita_device *device, const vita_settings *settings,
			      vita_codec **out, vita_error *err)
{
	*out = NULL;
	vita_codec *codec = host_zeroed(host, 1, sizeof *codec);
	if (!codec) return vita_fail(err, VITA_E_NOMEM, "mel-vq: out of memory");
	codec->host = host;
	codec->device = codec->blocks.device = codec->frame_blocks.device = device;
	vita_status status = open_parts(codec, settings, err);
	if (status == VITA_OK)
		*out = codec;
	else
		codec_close(codec);
	return status;
}

static void codec_describe(const vita_codec *codec, vita_codec_info *info)
{
	double frame = (double)codec->front.hop / codec->front.sample_rate;
	info->sample_rate = codec->front.sample_rate;
	info->vocab_size = codec->codes;
	info->min_chunk = 1;
	info->rate = 1 / (frame * codec->front.stack);
	info->latency_s = frame * ((double)codec->ahead * codec->front.stack + codec->held + 2);
}

/* Is this model one of ours? Where the config names no plugin, the host asks. */
static int32_t match(const vita_host *host, const vita_model *model)
{
	const char *type = "";
	(void)host->model_get_string(host->context, model, VITA_CONFIG_MODEL, "model_type", &type, NULL);
	return strcmp(type, "mel-vq") == 0 ? 100 : 0;
}

static const vita_match_api match_api = {.struct_size = sizeof match_api, .match = match};

static const void *get_extension(vita_codec *codec, const char *id)
{
	(void)codec;
	return strcmp(id, VITA_MATCH_ID) == 0 ? &match_api : NULL;
}

/* ---- what the module tells its host -------------------------------------------------------------- */

static const vita_codec_api api = {
	.struct_size = sizeof api,
	.flags = VITA_CODEC_F_MATCH,
	.open = codec_open,
	.close = codec_close,
	.describe = codec_describe,
	.stream_open = mel_vq_stream_open,
	.stream_close = mel_vq_stream_close,
	.push = mel_vq_stream_push,
	.pull = mel_vq_stream_pull,
	.get_extension = get_extension,
};

static const vita_key iterations_key = {
	.struct_size = sizeof iterations_key,
	.type = VITA_KEY_INT,
	.name = "iterations",
	.fallback = "32",
	.help = "of Griffin-Lim a chunk; more: clearer sound and more work",
	.min = 0,
	.max = 1000,
};

static const vita_key momentum_key = {
	.struct_size = sizeof momentum_key,
	.type = VITA_KEY_FLOAT,
	.name = "momentum",
	.fallback = "0.99",
	.help = "of Griffin-Lim; 0: the algorithm of 1984",
	.min = 0,
	.max = 1.5,
};

static const vita_key held_key = {
	.struct_size = sizeof held_key,
	.type = VITA_KEY_INT,
	.name = "held",
	.fallback = "4",
	.help = "frames held back until more come; more: clearer joints and later sound",
	.min = 0,
	.max = 100,
};

static const vita_key *const keys[] = {&iterations_key, &momentum_key, &held_key};

static const vita_factory factory = {
	.struct_size = sizeof factory,
	.interface_id = VITA_CODEC_ID,
	.name = "mel-vq",
	.summary = "Codewords to rows of log mel by a small network, and to sound by Griffin-Lim.",
	.api = &api,
	.keys = keys,
	.n_keys = 3,
};

static const vita_factory *const factories[] = {&factory};

static const vita_module module = {
	.struct_size = sizeof module,
	.abi_major = VITA_ABI_MAJOR,
	.abi_minor = VITA_ABI_MINOR,
	.n_factories = 1,
	.name = "codec-mel-vq",
	.version = "1.0",
	.licence = "MIT",
	.factories = factories,
};

const vita_module *vita_module_query(uint32_t host_major, uint32_t host_minor)
{
	(void)host_minor;
	return host_major == VITA_ABI_MAJOR ? &module : NULL;
}
