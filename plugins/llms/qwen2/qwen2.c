/* SPDX-License-Identifier: MIT
 *
 * LLM plugin qwen2: decoder-only language models with pre-norm layers, rotary positions and grouped-query
 * attention (Qwen2, Qwen3, Llama, Mistral), and the backbone of VITA-Audio. This file loads the weights
 * and describes the plugin; forward.c runs them.
 */
#include "qwen2.h"
#include "train.h"

static int32_t match(const vita_host *host, const vita_model *model)
{
	vita_array array;
	VITA_INIT(&array);
	if (!decoder_config_known(host, model)) return 0;
	vita_status found =
		host->model_tensor(host->context, model, "model.embed_tokens.weight", 0, NULL, &array, NULL);
	return found == VITA_OK ? 100 : 0;
}

/* The `context` key against what the model was made for. Sliding-window layers see what full ones would as
 * long as the conversation fits into the window, so that is where we end. */
static vita_status choose_context(vita_llm *llm, const vita_settings *settings, vita_error *err)
{
	const decoder_config *c = &llm->decoder.config;
	const vita_host *host = llm->host;
	int64_t asked = host->setting_int(host->context, settings, "context");
	int64_t context = asked > 0 ? asked : c->context;
	if (context > INT32_MAX)
		return vita_fail(err, VITA_E_CONFIG,
		                 "context = %lld is more than %d, the most that positions can count",
		                 (long long)asked, INT32_MAX);
	if (c->window && context > c->window) {
		if (asked > 0)
			return vita_fail(
				err, VITA_E_CONFIG,
				"context = %lld is more than the sliding window of %lld tokens of %s; "
				"longer conversations are not supported for such models",
				(long long)asked, (long long)c->window,
				host->model_path(host->context, llm->model));
		vita_logf(host, VITA_LOG_INFO, "qwen2",
		          "the context ends at the sliding window of %lld tokens", (long long)c->window);
		context = c->window;
	}
	if (context > c->context)
		vita_logf(host, VITA_LOG_WARNING, "qwen2",
		          "context = %lld is more than the %lld tokens that %s was made for",
		          (long long)context, (long long)c->context,
		          host->model_path(host->context, llm->model));
	llm->decoder.context = context;
	return VITA_OK;
}

static vita_status load_weights(vita_llm *llm, decoder_loader *loader, vita_error *err)
{
	decoder_config *c = &llm->decoder.config;
	int64_t rows = c->vocab_size > 0 ? c->vocab_size : -1;
	vita_status status = decoder_matrix_load(loader, "model.embed_tokens.weight", rows, c->hidden_size,
	                                         &llm->embedding, err);
	if (status != VITA_OK) return status;
	if (llm->embedding.shape[0] < 1 || llm->embedding.shape[0] > 1 << 28)
		return vita_fail(err, VITA_E_SHAPE,
		                 "%s: model.embed_tokens.weight has %lld rows, but a vocabulary has 1 to %d",
		                 llm->host->model_path(llm->host->context, llm->model),
		                 (long long)llm->embedding.shape[0], 1 << 28);
	c->vocab_size = llm->embedding.shape[0];
	if (c->tied)
		llm->output = llm->embedding;
	else
		status = decoder_matrix_load(loader, "lm_head.weight", c->vocab_size, c->hidden_size,
		                             &llm->output, err);
	if (status == VITA_OK)
		status = decoder_vector_load(loader, "model.norm.weight", c->hidden_size, &llm->norm, err);
	if (status != VITA_OK) return status;
	uint64_t bytes = loader->bytes, macs = loader->macs;
	llm->layers = host_zeroed(llm->host, (uint64_t)c->n_layers, sizeof *llm->layers);
	if (!llm->layers)
		return vita_fail(err, VITA_E_NOMEM, "no memory for %lld layers", (long long)c->n_layers);
	for (int64_t i = 0; i < c->n_layers && status == VITA_OK; i++)
		status = decoder_layer_load(loader, c, i, &llm->layers[i], err);
	llm->weight_bytes = loader->bytes;
	llm->layer_bytes = loader->bytes - bytes;
	llm->layer_macs = loader->macs - macs;
	return status;
}

static void llm_close(vita_llm *llm)
{
	if (!llm) return;
	const vita_host *host = llm->host;
	for (pass_item *item; (item = pass_pool_take(&llm->pool)) != NULL;)
		qwen2_pass_free(llm, (qwen2_pass *)item);
	pass_pool_destroy(&llm->pool);
	for (int64_t i = 0; llm->layers && i < llm->decoder.config.n_layers; i++)
		decoder_layer_free(llm->device, &llm->layers[i]);
	host_release(host, llm->layers);
	if (!llm->decoder.config.tied) device_tensor_free(llm->device, &llm->output);
	device_tensor_free(llm->device, &llm->embedding);
	device_tensor_free(llm->device, &llm->norm);
	decoder_close(&llm->decoder);
	host_release(host, llm);
}

static vita_status llm_open(const vita_host *host, const vita_device *device, vita_model *model,
                            const vita_settings *settings, vita_llm **out, vita_error *err)
{
	decoder_loader loader = { host, device, model, VITA_DTYPE_NONE, 0, 0, 0 };
	*out = NULL;
	vita_llm *llm = host_zeroed(host, 1, sizeof *llm);
	if (!llm) return vita_fail(err, VITA_E_NOMEM, "no memory for a language model");
	llm->host = host;
	llm->device = device;
	llm->model = model;
	pass_pool_init(&llm->pool);
	vita_status status = decoder_open(&llm->decoder, &loader, settings, err);
	if (status == VITA_OK) status = choose_context(llm, settings, err);
	if (status == VITA_OK) status = load_weights(llm, &loader, err);
	if (status != VITA_OK) {
		status = decoder_config_explain(&llm->decoder.config, status, err);
		llm_close(llm);
		return status;
	}
	*out = llm;
	return VITA_OK;
}

static void describe(const vita_llm *llm, vita_llm_info *info)
{
	const decoder_config *c = &llm->decoder.config;
	info->vocab_size = (uint32_t)c->vocab_size;
	info->hidden_size = (uint32_t)c->hidden_size;
	info->n_layers = (uint32_t)c->n_layers;
	info->context = (uint32_t)llm->decoder.context;
	info->weight_bytes = llm->weight_bytes;
	info->weight_dtype = c->n_layers > 0 ? llm->layers[0].q.weight.dtype : llm->output.dtype;
	info->pass_bytes = llm->layer_bytes;
	info->row_macs = llm->layer_macs;
	info->output_bytes = (uint64_t)(vita_row_bytes(llm->output.dtype, c->hidden_size) * c->vocab_size);
	info->output_macs = (uint64_t)(c->vocab_size * c->hidden_size);
	info->state_bytes = (uint64_t)c->n_layers * (uint64_t)llm->decoder.context *
	                    decoder_cache_row_bytes(&llm->decoder);
}

static const vita_device *lend_device(const vita_llm *llm)
{
	return llm->device;
}

static vita_model *lend_model(const vita_llm *llm)
{
	return llm->model;
}

static const void *get_extension(vita_llm *llm, const char *id)
{
	static const vita_attention_api attention = { sizeof attention, 0, qwen2_observe };
	static const vita_greedy_api greedy = { sizeof greedy, 0, qwen2_choose, qwen2_embed_there };
	(void)llm;
	if (strcmp(id, VITA_GREEDY_ID) == 0) return &greedy;
	return strcmp(id, VITA_ATTENTION_ID) == 0 ? &attention : NULL;
}

static const void *ability(const char *id)
{
	return strcmp(id, VITA_TRAINABLE_ID) == 0 ? &qwen2_train_api : NULL;
}

static const vita_llm_api api = {
	sizeof api, 0, match, llm_open, llm_close, describe,
	qwen2_state_open, qwen2_state_close, qwen2_state_length, qwen2_state_truncate, qwen2_forward,
	qwen2_embed, qwen2_unembed, qwen2_final_norm, lend_device, lend_model, get_extension,
	ability,
};

static const vita_key cache_key = DECODER_CACHE_KEY("LLM");
static const vita_key *const keys[] = { &cache_key };
static const vita_factory factory = {
	sizeof factory, 0, VITA_LLM_ID, "qwen2",
	"Qwen2, Qwen3, Llama and Mistral decoders from Hugging Face checkpoints, VITA-Audio's among them.",
	&api, keys, 1, 0,
};
static const vita_factory *const factories[] = { &factory };
static const vita_module module = {
	sizeof module, VITA_ABI_MAJOR, VITA_ABI_MINOR, 1, "llm-qwen2", "1.0", "MIT", factories,
};

const vita_module *vita_module_query(uint32_t host_major, uint32_t host_minor)
{
	(void)host_minor;
	return host_major == VITA_ABI_MAJOR ? &module : NULL;
}
