/* SPDX-License-Identifier: MIT
 *
 * Encoder whisper-vq: opening a model, and what the module tells its host.
 */
#include "whisper.h"

#include <vita/audio.h>

/* ---- the encoder -------------------------------------------------------------------------------------- */

static int32_t match(const vita_host *host, const vita_model *model)
{
	const char *architecture = "";
	(void)host->model_get_list_string(host->context, model, VITA_CONFIG_MODEL, "architectures", 0,
					  &architecture, NULL);
	if (strcmp(architecture, "WhisperVQEncoder") == 0) return 100;
	int64_t codes = 0;
	vita_status status = host->model_get_int(host->context, model, VITA_CONFIG_MODEL,
						 "quantize_vocab_size", 1, INT32_MAX, &codes, NULL);
	return status == VITA_OK && whisper_prefix(host, model) ? 80 : 0;
}

static void encoder_close(vita_encoder *encoder)
{
	if (!encoder) return;
	const vita_host *host = encoder->host;
	whisper_weights_free(&encoder->weights, host, encoder->device);
	if (encoder->model) host->model_close(host->context, encoder->model);
	host_release(host, encoder);
}

static vita_status open_model(vita_encoder *encoder, const vita_settings *settings, vita_error *err)
{
	const vita_host *host = encoder->host;
	decoder_loader loader = {host, encoder->device, NULL, VITA_DTYPE_NONE, 0, 0, 0};
	const char *path = host->setting_string(host->context, settings, "model");
	if (!path || !*path)
		return vita_fail(err, VITA_E_CONFIG,
				 "whisper-vq: [encoder] model must name the directory with the tokenizer's "
				 "config.json and "
				 "model.safetensors");
	vita_status status = decoder_dtype_setting(host, settings, &loader.dtype, err);
	if (status == VITA_OK)
		status = host->model_open(host->context, path,
					  VITA_MODEL_WANT_CONFIG | VITA_MODEL_WANT_TENSORS, &encoder->model,
					  err);
	if (status == VITA_OK) status = whisper_config_read(host, encoder->model, &encoder->config, err);
	if (status != VITA_OK) return status;
	loader.model = encoder->model;
	status = whisper_weights_load(&encoder->weights, &loader, &encoder->config, err);
	if (status != VITA_OK) return status;
	/* Half the precision where the weights have no more: a segment's keys and values take less than they then. */
	encoder->cache_dtype = encoder->weights.dtype == VITA_F32 ? VITA_F32 : VITA_F16;
	encoder->exact = strcmp(host->setting_string(host->context, settings, "loudest"), "segment") == 0;
	vita_logf(host, VITA_LOG_INFO, "whisper-vq", "%lld layers of %lld values in %s, %.0f MB, %lld codes",
		  (long long)encoder->config.n_layers, (long long)encoder->config.width,
		  vita_dtype_name(encoder->weights.dtype), (double)encoder->weights.bytes / 1e6,
		  (long long)encoder->config.n_codes);
	return VITA_OK;
}

static vita_status encoder_open(const vita_host *host, const vita_device *device,
				const vita_settings *settings, vita_encoder **out, vita_error *err)
{
	*out = NULL;
	vita_encoder *encoder = host_zeroed(host, 1, sizeof *encoder);
	if (!encoder) return vita_fail(err, VITA_E_NOMEM, "whisper-vq: no memory for an encoder");
	encoder->host = host;
	encoder->device = device;
	vita_status status = open_model(encoder, settings, err);
	if (status == VITA_OK)
		*out = encoder;
	else
		encoder_close(encoder);
	return status;
}

static void describe(const vita_encoder *encoder, vita_encoder_info *info)
{
	const whisper_config *c = &encoder->config;
	info->output = VITA_ENCODER_TOKENS;
	info->sample_rate = (uint32_t)c->rate_hz;
	info->mix = VITA_MIX_FIRST | VITA_RESAMPLE_SINC;
	info->vocab_size = (uint32_t)c->n_codes;
	info->width = 0;
	info->rate = (double)c->rate_hz / (double)whisper_code_samples(c);
	int64_t wait = encoder->exact ? c->segment : c->block * whisper_frame_samples(c);
	if (VITA_COVERS(info, vita_encoder_info, segment)) info->segment = encoder->exact ? 0 : (uint64_t)c->segment;
	info->latency_s = (double)(wait - whisper_code_samples(c)) / (double)c->rate_hz;
}

static const void *get_extension(vita_encoder *encoder, const char *id)
{
	static const vita_match_api matching = {sizeof matching, 0, match};
	static const vita_deviation_api deviation = {sizeof deviation, 0, whisper_deviation};
	(void)encoder;
	if (strcmp(id, VITA_MATCH_ID) == 0) return &matching;
	return strcmp(id, VITA_DEVIATION_ID) == 0 ? &deviation : NULL;
}

/* ---- what the module tells its host ------------------------------------------------------------------- */

static const vita_encoder_api api = {
	.struct_size = sizeof api,
	.flags = VITA_ENCODER_F_MATCH,
	.open = encoder_open,
	.close = encoder_close,
	.describe = describe,
	.stream_open = whisper_stream_open,
	.stream_close = whisper_stream_close,
	.push = whisper_push,
	.pull = whisper_pull,
	.get_extension = get_extension,
};

static const vita_key dtype_key = {
	.struct_size = sizeof dtype_key,
	.type = VITA_KEY_CHOICE,
	.name = "dtype",
	.fallback = "as-is",
	.help = "type to hold the weights in; bf16 halves memory and changes a token in a hundred",
	.choices = "as-is f32 f16 bf16 q8_0 q4_0 q4_1 q4_k q6_k",
};

static const vita_key loudest_key = {
	.struct_size = sizeof loudest_key,
	.type = VITA_KEY_CHOICE,
	.name = "loudest",
	.fallback = "so-far",
	.help = "sound that features are measured against: the loudest that was heard, for tokens every block, or of "
		"the segment, as the reference does; recordings that lie there whole are exact with both",
	.choices = "so-far segment",
};

static const vita_key *const keys[] = {&dtype_key, &loudest_key};

static const vita_factory factory = {
	.struct_size = sizeof factory,
	.interface_id = VITA_ENCODER_ID,
	.name = "whisper-vq",
	.summary = "The speech tokenizer of GLM-4-Voice and VITA-Audio, 12.5 tokens a second.",
	.api = &api,
	.keys = keys,
	.n_keys = 2,
};

static const vita_factory *const factories[] = {&factory};

static const vita_module module = {
	.struct_size = sizeof module,
	.abi_major = VITA_ABI_MAJOR,
	.abi_minor = VITA_ABI_MINOR,
	.n_factories = 1,
	.name = "encoder-whisper-vq",
	.version = "1.0",
	.licence = "MIT",
	.factories = factories,
};

const vita_module *vita_module_query(uint32_t host_major, uint32_t host_minor)
{
	(void)host_minor;
	return host_major == VITA_ABI_MAJOR ? &module : NULL;
}
