/* SPDX-License-Identifier: MIT
 *
 * Head plugin mctp: the cascade of VITA-Audio's multiple cross-modal token prediction (arXiv 2505.03739).
 * Each module is one decoder layer that makes, from the hidden state of the stage before it and the newest
 * token, the hidden state of the next token. This file loads the weights and describes the plugin; state.c
 * keeps what a conversation needs; propose.c runs the modules.
 */
#include "mctp.h"
#include "train.h"

static int64_t modules_in_config(const vita_host *host, const vita_model *model)
{
	decoder_config config;
	return decoder_config_read(host, model, &config, NULL) == VITA_OK ? config.n_predict : 0;
}

static int32_t match(const vita_host *host, const vita_model *model)
{
	vita_array array;
	VITA_INIT(&array);
	if (modules_in_config(host, model) == 0) return 0;
	vita_status found =
		host->model_tensor(host->context, model, "mtp_projs.0.weight", 0, NULL, &array, NULL);
	return found == VITA_OK ? 100 : 0;
}

static vita_status load_module(vita_head *head, decoder_loader *loader, uint32_t k, vita_error *err)
{
	const decoder_config *c = &head->decoder.config;
	mctp_module *m = &head->modules[k];
	char name[64];
	(void)snprintf(name, sizeof name, "mtp_projs.%u.weight", k);
	vita_status status = decoder_matrix_load(loader, name, c->hidden_size, 2 * c->hidden_size,
	                                         &m->projection, err);
	(void)snprintf(name, sizeof name, "mtp_embed_norms.%u.weight", k);
	if (status == VITA_OK)
		status = decoder_vector_load(loader, name, c->hidden_size, &m->embed_norm, err);
	(void)snprintf(name, sizeof name, "mtp_hidden_norms.%u.weight", k);
	if (status == VITA_OK)
		status = decoder_vector_load(loader, name, c->hidden_size, &m->hidden_norm, err);
	if (status == VITA_OK)
		status = decoder_layer_load(loader, c, c->n_layers + (int64_t)k, &m->layer, err);
	return status;
}

static vita_status choose_count(vita_head *head, const vita_settings *settings, vita_error *err)
{
	int64_t there = head->decoder.config.n_predict;
	int64_t asked = head->host->setting_int(head->host->context, settings, "count");
	if (asked > there)
		return vita_fail(err, VITA_E_CONFIG, "count = %lld in [heads], but %s has %lld MCTP modules",
		                 (long long)asked,
		                 head->host->model_path(head->host->context, head->llm_api->model(head->llm)),
		                 (long long)there);
	head->count = (uint32_t)(asked < 0 ? there : asked);
	return VITA_OK;
}

static vita_status check_llm(vita_head *head, vita_error *err)
{
	vita_llm_info info;
	VITA_INIT(&info);
	head->llm_api->describe(head->llm, &info);
	head->vocab_size = info.vocab_size;
	head->decoder.context = info.context;
	if (info.hidden_size == head->decoder.config.hidden_size) return VITA_OK;
	return vita_fail(err, VITA_E_SHAPE,
	                 "the LLM's hidden states have %u values, but its config.json says %lld",
	                 info.hidden_size, (long long)head->decoder.config.hidden_size);
}

static void head_close(vita_head *head)
{
	if (!head) return;
	const vita_host *host = head->host;
	for (pass_item *item; (item = pass_pool_take(&head->pool)) != NULL;)
		mctp_pass_free(head, (mctp_pass *)item);
	pass_pool_destroy(&head->pool);
	for (uint32_t k = 0; head->modules && k < head->count; k++) {
		device_tensor_free(head->device, &head->modules[k].projection);
		device_tensor_free(head->device, &head->modules[k].embed_norm);
		device_tensor_free(head->device, &head->modules[k].hidden_norm);
		decoder_layer_free(head->device, &head->modules[k].layer);
	}
	host_release(host, head->modules);
	decoder_close(&head->decoder);
	host_release(host, head);
}

static vita_status load_modules(vita_head *head, decoder_loader *loader, vita_error *err)
{
	vita_status status = VITA_OK;
	head->modules = host_zeroed(head->host, head->count, sizeof *head->modules);
	if (!head->modules) return vita_fail(err, VITA_E_NOMEM, "no memory for %u MCTP modules", head->count);
	for (uint32_t k = 0; k < head->count && status == VITA_OK; k++)
		status = load_module(head, loader, k, err);
	head->weight_bytes = loader->bytes;
	head->row_macs = loader->macs;
	return status;
}

static vita_status head_open(const vita_host *host, const vita_device *device, const vita_llm_api *llm_api,
                             vita_llm *llm, const vita_settings *settings, vita_head **out, vita_error *err)
{
	decoder_loader loader = { host, device, llm_api->model(llm), VITA_DTYPE_NONE, 0, 0, 0 };
	*out = NULL;
	vita_head *head = host_zeroed(host, 1, sizeof *head);
	if (!head) return vita_fail(err, VITA_E_NOMEM, "no memory for heads");
	head->host = host;
	head->device = device;
	head->llm_api = llm_api;
	head->llm = llm;
	head->greedy = llm_api->get_extension(llm, VITA_GREEDY_ID);
	if (head->greedy && !VITA_HAS(head->greedy, vita_greedy_api, embed)) head->greedy = NULL;
	head->llm_device = llm_api->device(llm);
	head->one_device = head->llm_device->self == device->self;
	pass_pool_init(&head->pool);
	vita_status status = decoder_open(&head->decoder, &loader, settings, err);
	if (status == VITA_OK) status = check_llm(head, err);
	if (status == VITA_OK) status = choose_count(head, settings, err);
	if (status == VITA_OK) status = load_modules(head, &loader, err);
	if (status != VITA_OK) {
		status = decoder_config_explain(&head->decoder.config, status, err);
		head_close(head);
		return status;
	}
	*out = head;
	return VITA_OK;
}

static void describe(const vita_head *head, vita_head_info *info)
{
	info->count = head->count;
	info->weight_bytes = head->weight_bytes;
	info->pass_bytes = head->count ? head->weight_bytes / head->count : 0;
	info->row_macs = head->count ? head->row_macs / head->count : 0;
	if (!VITA_COVERS(info, vita_head_info, state_bytes) || head->count == 0) return;
	/* a cache a head, and the LLM's hidden states */
	info->state_bytes = (uint64_t)head->decoder.context * (head->count * decoder_cache_row_bytes(&head->decoder) +
	                                                       (uint64_t)head->decoder.config.hidden_size * sizeof(float));
}

static const void *get_extension(vita_head *head, const char *id)
{
	return strcmp(id, VITA_CHAIN_ID) == 0 ? mctp_chain(head) : NULL;
}

static const void *ability(const char *id)
{
	return strcmp(id, VITA_TRAINABLE_ID) == 0 ? &mctp_train_api : NULL;
}

static const vita_head_api api = {
	sizeof api, 0, match, head_open, head_close, describe, mctp_state_open, mctp_state_close,
	mctp_observe, mctp_propose, mctp_prefill, mctp_truncate, get_extension,
	ability,
};

static const vita_key cache_key = DECODER_CACHE_KEY("heads");
static const vita_key *const keys[] = { &cache_key };
static const vita_factory factory = {
	sizeof factory, 0, VITA_HEAD_ID, "mctp",
	"VITA-Audio's cascade of one-layer heads, each proposing the token after the one before.",
	&api, keys, 1, 0,
};
static const vita_factory *const factories[] = { &factory };
static const vita_module module = {
	sizeof module, VITA_ABI_MAJOR, VITA_ABI_MINOR, 1, "head-mctp", "1.0", "MIT", factories,
};

const vita_module *vita_module_query(uint32_t host_major, uint32_t host_minor)
{
	(void)host_minor;
	return host_major == VITA_ABI_MAJOR ? &module : NULL;
}
