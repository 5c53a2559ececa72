/* SPDX-License-Identifier: MIT
 *
 * Training the language model: embedding, layers, final norm, forward and back.
 */
#include "train.h"

#include "../../common/train_layer.h"

#include <stdbool.h>

struct vita_train_llm {
	train_graph graph;
	train_table table;
	vita_parameter *embedding, *output, *norm;
	train_layer *layers;  /* graph.config.n_layers */
	train_kept *kept;     /* as many; only the first is used where nothing is kept */
	vita_tensor *streams; /* the input of each layer, and the output of the last */
	device_memory memory; /* of the streams */
	int64_t capacity;     /* rows that it is cut for, where n_streams of them are */
	int64_t n_streams;
	device_memory ends;   /* of the next two */
	int64_t end_capacity;
	vita_tensor hidden, inverse;
	int32_t back_possible; /* the last forward kept what the way back needs */
};

static void llm_close(vita_train_llm *llm)
{
	if (!llm) return;
	const vita_host *host = llm->graph.setup.host;
	const vita_device *device = llm->graph.setup.device;
	for (int64_t i = 0; llm->kept && i < llm->graph.config.n_layers; i++) train_kept_free(&llm->graph, &llm->kept[i]);
	device_memory_free(device, &llm->memory);
	device_memory_free(device, &llm->ends);
	train_graph_close(&llm->graph);
	train_table_close(&llm->table);
	host_release(host, llm->layers);
	host_release(host, llm->kept);
	host_release(host, llm->streams);
	host_release(host, llm);
}

/* The vocabulary's size: config.json's, or the rows of the embedding that is there. */
static vita_status read_vocabulary(vita_train_llm *llm, vita_error *err)
{
	const vita_host *host = llm->graph.setup.host;
	const vita_model *model = llm->graph.setup.model;
	decoder_config *c = &llm->graph.config;
	const int64_t shape[2] = { -1, c->hidden_size };
	vita_array array;
	VITA_INIT(&array);
	if (c->vocab_size > 0) return VITA_OK;
	vita_status status = host->model_tensor(host->context, model, "model.embed_tokens.weight", 2, shape, &array, err);
	if (status == VITA_OK) c->vocab_size = array.shape[0];
	return status;
}

static vita_status build(vita_train_llm *llm, vita_error *err)
{
	const vita_host *host = llm->graph.setup.host;
	const decoder_config *c = &llm->graph.config;
	const uint64_t n = (uint64_t)c->n_layers;
	vita_status status = read_vocabulary(llm, err);
	if (status == VITA_OK) status = train_table_open(&llm->table, host, n * TRAIN_LAYER_PARAMETERS + 3, err);
	if (status != VITA_OK) return status;
	llm->layers = host_zeroed(host, n, sizeof *llm->layers);
	llm->kept = host_zeroed(host, n, sizeof *llm->kept);
	llm->streams = host_zeroed(host, n + 1, sizeof *llm->streams);
	if (!llm->layers || !llm->kept || !llm->streams)
		return vita_fail(err, VITA_E_NOMEM, "no memory for %lld layers", (long long)c->n_layers);
	const double initial = llm->graph.initial;
	llm->embedding = train_table_add(&llm->table, VITA_PARAMETER_NORMAL, initial, c->vocab_size, c->hidden_size,
	                                 "model.embed_tokens.weight");
	llm->embedding->flags |= VITA_PARAMETER_F_GROWS;
	for (int64_t i = 0; i < c->n_layers; i++) train_layer_add(&llm->graph, &llm->table, i, -1, &llm->layers[i]);
	llm->norm = train_table_add(&llm->table, VITA_PARAMETER_ONE, 0, c->hidden_size, 0, "model.norm.weight");
	llm->output = llm->embedding;
	if (!c->tied) {
		llm->output = train_table_add(&llm->table, VITA_PARAMETER_NORMAL, initial, c->vocab_size, c->hidden_size,
		                              "lm_head.weight");
		llm->output->flags |= VITA_PARAMETER_F_GROWS;
	}
	return VITA_OK;
}

static vita_status llm_open(const vita_train_setup *setup, vita_train_llm **out, vita_error *err)
{
	*out = NULL;
	vita_train_llm *llm = host_zeroed(setup->host, 1, sizeof *llm);
	if (!llm) return vita_fail(err, VITA_E_NOMEM, "no memory for a language model");
	vita_status status = train_graph_open(&llm->graph, setup, err);
	if (status == VITA_OK) status = build(llm, err);
	if (status != VITA_OK) {
		llm_close(llm);
		return status;
	}
	*out = llm;
	return VITA_OK;
}

static vita_parameter *parameters(vita_train_llm *llm, uint32_t *n)
{
	*n = llm->table.n;
	return llm->table.list;
}

static void share(vita_train_llm *llm, vita_train_shared *out)
{
	out->hidden_size = llm->graph.config.hidden_size;
	out->vocab_size = llm->graph.config.vocab_size;
	out->norm_epsilon = llm->graph.config.norm_epsilon;
	out->embedding = llm->embedding;
	out->output = llm->output;
	out->norm = llm->norm;
}

/* Room for n rows: a stream for every layer where the way back will follow, else two that take turns. */
static vita_status reserve(vita_train_llm *llm, int64_t n, bool keep, vita_error *err)
{
	const vita_device *device = llm->graph.setup.device;
	const int64_t n_layers = llm->graph.config.n_layers, h = llm->graph.config.hidden_size;
	const int64_t n_streams = keep ? n_layers + 1 : 2;
	const train_cut ends[] = { { &llm->hidden, h }, { &llm->inverse, 0 } };
	vita_tensor all;
	const train_cut whole = { &all, h };
	vita_status status = train_cut_reserve(device, &llm->ends, &llm->end_capacity, n, ends, 2, err);
	if (status != VITA_OK) return status;
	if (llm->capacity < n || llm->n_streams < n_streams) {
		int64_t none = 0;
		llm->capacity = llm->n_streams = 0;
		status = train_cut_reserve(device, &llm->memory, &none, n * n_streams, &whole, 1, err);
		if (status != VITA_OK) return status;
		for (int64_t i = 0; i <= n_layers && i < n_streams; i++) llm->streams[i] = vita_slice(&all, 0, i * n, n);
		llm->capacity = n;
		llm->n_streams = n_streams;
	}
	for (int64_t i = 0; i < (keep ? n_layers : 1) && status == VITA_OK; i++)
		status = train_kept_reserve(&llm->graph, &llm->kept[i], n, err);
	return status;
}

static vita_tensor stream_of(const vita_train_llm *llm, int64_t layer, bool keep, int64_t n)
{
	return train_first(&llm->streams[keep ? layer : layer % 2], n);
}

static vita_status forward(vita_train_llm *llm, const vita_train_rows *rows, uint32_t keep, vita_tensor *hidden,
                           vita_error *err)
{
	train_graph *g = &llm->graph;
	const int64_t n = rows->n, n_layers = g->config.n_layers;
	llm->back_possible = 0;
	vita_status status = reserve(llm, n, keep, err);
	if (status != VITA_OK) return status;
	vita_tensor x = stream_of(llm, 0, keep, n);
	status = g->setup.ops->gather(g->backend, &llm->embedding->value, rows->ids, &x, err);
	for (int64_t i = 0; i < n_layers && status == VITA_OK; i++) {
		vita_tensor y = stream_of(llm, i + 1, keep, n);
		status = train_layer_forward(g, &llm->layers[i], &llm->kept[keep ? i : 0], rows, rows->positions, &x, &y, err);
		x = y;
	}
	if (status != VITA_OK) return status;
	*hidden = train_first(&llm->hidden, n);
	vita_tensor inverse = train_first(&llm->inverse, n);
	status = g->setup.ops->rms_norm(g->backend, &x, &llm->norm->value, g->config.norm_epsilon, hidden, &inverse, err);
	llm->back_possible = status == VITA_OK && keep;
	return status;
}

static vita_status backward(vita_train_llm *llm, const vita_train_rows *rows, const vita_tensor *d, vita_error *err)
{
	train_graph *g = &llm->graph;
	const int64_t n = rows->n, n_layers = g->config.n_layers;
	if (!llm->back_possible)
		return vita_fail(err, VITA_E_STATE, "there was no forward pass that kept what the way back needs");
	llm->back_possible = 0;
	vita_tensor x = stream_of(llm, n_layers, true, n), inverse = train_first(&llm->inverse, n);
	vita_status status = g->setup.ops->rms_norm_backward(g->backend, 0, d, &x, &llm->norm->value, &inverse, d,
	                                                     train_gradient(llm->norm), err);
	for (int64_t i = n_layers; i-- > 0 && status == VITA_OK;) {
		x = stream_of(llm, i, true, n);
		status = train_layer_backward(g, &llm->layers[i], &llm->kept[i], rows, rows->positions, &x, d, err);
	}
	if (status == VITA_OK && train_gradient(llm->embedding))
		status = g->setup.ops->gather_backward(g->backend, d, rows->ids, &llm->embedding->gradient, err);
	return status;
}

const vita_train_llm_api qwen2_train_api = {
	.struct_size = sizeof qwen2_train_api,
	.open = llm_open,
	.close = llm_close,
	.parameters = parameters,
	.share = share,
	.forward = forward,
	.backward = backward,
};
