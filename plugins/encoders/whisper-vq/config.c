/* SPDX-License-Identifier: MIT
 *
 * Encoder whisper-vq: its settings. What config.json does not say is as in the published model.
 */
#include "whisper.h"

/* A whole number that must be there, or (missing_is given) may be missing. */
typedef struct number {
	uint32_t file;
	const char *key;
	int64_t min, max;
	int64_t missing_is; /* below min: it must be there */
	int64_t *out;
} number;

static vita_status read_numbers(const vita_host *host, const vita_model *model, const number *numbers,
				size_t n, vita_error *err)
{
	for (size_t i = 0; i < n; i++) {
		const number *p = &numbers[i];
		*p->out = p->missing_is;
		vita_status status = host->model_get_int(host->context, model, p->file, p->key, p->min,
							 p->max, p->out, err);
		if (status != VITA_OK && (status != VITA_E_NOTFOUND || p->missing_is < p->min)) return status;
	}
	return VITA_OK;
}

static vita_status read_activation(const vita_host *host, const vita_model *model, uint32_t *out,
				   vita_error *err)
{
	static const struct {
		const char *name;
		uint32_t function;
	} known[] = {{"gelu", VITA_UNARY_GELU},
		     {"gelu_new", VITA_UNARY_GELU_TANH},
		     {"gelu_pytorch_tanh", VITA_UNARY_GELU_TANH},
		     {"relu", VITA_UNARY_RELU},
		     {"silu", VITA_UNARY_SILU},
		     {"swish", VITA_UNARY_SILU}};
	const char *name = "gelu";
	vita_status status = host->model_get_string(host->context, model, VITA_CONFIG_MODEL,
						    "activation_function", &name, err);
	if (status != VITA_OK && status != VITA_E_NOTFOUND) return status;
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (strcmp(known[i].name, name) == 0) return *out = known[i].function, VITA_OK;
	return vita_fail(err, VITA_E_UNSUPPORTED,
			 "%s: activation_function is \"%.64s\"; gelu, gelu_new, relu and silu are known",
			 host->model_path(host->context, model), name);
}

static vita_status read_pooling(const vita_host *host, const vita_model *model, uint32_t *out,
				vita_error *err)
{
	const char *type = "avg";
	vita_status status =
		host->model_get_string(host->context, model, VITA_CONFIG_MODEL, "pooling_type", &type, err);
	if (status != VITA_OK && status != VITA_E_NOTFOUND) return status;
	*out = strcmp(type, "max") == 0 ? VITA_BINARY_MAX : VITA_BINARY_ADD;
	if (*out == VITA_BINARY_MAX || strcmp(type, "avg") == 0) return VITA_OK;
	return vita_fail(err, VITA_E_UNSUPPORTED, "%s: pooling_type is \"%.64s\"; avg and max are known",
			 host->model_path(host->context, model), type);
}

/* A switch that only ever has one value in models that we can run. */
static vita_status expect_flag(const vita_host *host, const vita_model *model, const char *key,
			       int32_t expected, int32_t missing_is, vita_error *err)
{
	int32_t value = missing_is;
	vita_status status = host->model_get_bool(host->context, model, VITA_CONFIG_MODEL, key, &value, err);
	if (status != VITA_OK && status != VITA_E_NOTFOUND) return status;
	if (value == expected) return VITA_OK;
	return vita_fail(err, VITA_E_UNSUPPORTED, "%s: %s is %s; only models with %s can be run",
			 host->model_path(host->context, model), key, value ? "true" : "false",
			 expected ? "true" : "false");
}

/* Do the sizes fit each other? */
static vita_status check(const char *path, whisper_config *c, int64_t n_samples, vita_error *err)
{
	if (c->width % c->n_heads != 0)
		return vita_fail(err, VITA_E_FORMAT,
				 "%s: d_model (%lld) is not a multiple of encoder_attention_heads (%lld)",
				 path, (long long)c->width, (long long)c->n_heads);
	if (c->pool_after > c->n_layers)
		return vita_fail(err, VITA_E_FORMAT,
				 "%s: pooling_position (%lld) lies behind quantize_position (%lld)", path,
				 (long long)c->pool_after, (long long)c->n_layers);
	if (c->n_fft % 2 != 0 || c->hop > c->n_fft)
		return vita_fail(err, VITA_E_FORMAT,
				 "%s: n_fft (%lld) must be even and hop_length (%lld) not above it "
				 "(preprocessor_config.json)",
				 path, (long long)c->n_fft, (long long)c->hop);
	int64_t code = whisper_code_samples(c), longest = c->n_positions * whisper_frame_samples(c);
	c->segment = (n_samples < longest ? n_samples : longest) / code * code;
	if (c->segment == 0 || c->segment <= c->n_fft)
		return vita_fail(err, VITA_E_FORMAT,
				 "%s: segments of %lld samples and %lld positions have no room for a token "
				 "of %lld samples",
				 path, (long long)n_samples, (long long)c->n_positions, (long long)code);
	int64_t n_frames = c->segment / whisper_frame_samples(c);
	if (c->block > n_frames) c->block = n_frames;
	if (c->block % c->pool != 0)
		return vita_fail(err, VITA_E_FORMAT,
				 "%s: quantize_causal_block_size (%lld) is not a multiple of "
				 "pooling_kernel_size (%lld)",
				 path, (long long)c->block, (long long)c->pool);
	return VITA_OK;
}

/* What the features are made with. */
static vita_status read_sound(const vita_host *host, const vita_model *model, whisper_config *c,
			      int64_t *n_samples, vita_error *err)
{
	const uint32_t file = VITA_CONFIG_PREPROCESSOR;
	int64_t seconds, n_mels;
	const number numbers[] = {
		{file, "feature_size", 1, 1 << 10, c->n_mels, &n_mels},
		{file, "sampling_rate", 1000, 192000, 16000, &c->rate_hz},
		{file, "n_fft", 16, 1 << 16, 400, &c->n_fft},
		{file, "hop_length", 1, 1 << 16, 160, &c->hop},
		{file, "chunk_length", 1, 3600, 30, &seconds},
	};
	vita_status status = read_numbers(host, model, numbers, sizeof numbers / sizeof numbers[0], err);
	if (status != VITA_OK) return status;
	if (n_mels != c->n_mels)
		return vita_fail(err, VITA_E_FORMAT,
				 "%s: feature_size of preprocessor_config.json is %lld, num_mel_bins of "
				 "config.json %lld; both say "
				 "how many mel bands there are",
				 host->model_path(host->context, model), (long long)n_mels,
				 (long long)c->n_mels);
	const number length = {file, "n_samples", 1, 1 << 30, seconds * c->rate_hz, n_samples};
	return read_numbers(host, model, &length, 1, err);
}

vita_status whisper_config_read(const vita_host *host, const vita_model *model, whisper_config *c,
				vita_error *err)
{
	const uint32_t file = VITA_CONFIG_MODEL;
	const char *path = host->model_path(host->context, model);
	int64_t n_samples = 0;
	const number numbers[] = {
		{file, "d_model", 1, 1 << 16, 0, &c->width},
		{file, "encoder_attention_heads", 1, 1 << 10, 0, &c->n_heads},
		{file, "encoder_ffn_dim", 1, 1 << 20, 0, &c->ffn},
		{file, "quantize_position", 1, 1 << 10, 0, &c->n_layers},
		{file, "quantize_vocab_size", 1, 1 << 24, 0, &c->n_codes},
		{file, "pooling_position", 1, 1 << 10, 0, &c->pool_after},
		{file, "pooling_kernel_size", 1, 1 << 10, 4, &c->pool},
		{file, "max_source_positions", 1, 1 << 20, 1500, &c->n_positions},
		{file, "num_mel_bins", 1, 1 << 10, 128, &c->n_mels},
		{file, "quantize_causal_block_size", 1, 1 << 20, 1 << 20,
		 &c->block}, /* null: all see each other */
	};
	vita_status status = read_numbers(host, model, numbers, sizeof numbers / sizeof numbers[0], err);
	if (status == VITA_OK) status = read_sound(host, model, c, &n_samples, err);
	if (status == VITA_OK) status = read_activation(host, model, &c->activation, err);
	if (status == VITA_OK) status = read_pooling(host, model, &c->pool_kind, err);
	if (status == VITA_OK) status = expect_flag(host, model, "encoder_causal_convolution", 1, 1, err);
	if (status == VITA_OK) status = expect_flag(host, model, "encoder_causal_attention", 0, 0, err);
	if (status == VITA_OK) status = expect_flag(host, model, "quantize_causal_encoder", 0, 0, err);
	return status == VITA_OK ? check(path, c, n_samples, err) : status;
}
