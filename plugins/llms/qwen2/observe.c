/* SPDX-License-Identifier: MIT
 *
 * A pass that is looked at: which tokens each token attended to, with some of them hidden where the caller
 * wants to know what happens then. See vita/attention.h.
 */
#include "qwen2.h"

#include <math.h>

#define MAX_TOKENS 16384 /* their squares are a gigabyte a layer */

/* Device memory of one observation; the parts of `memory` are decoder_watch's tensors. */
typedef struct observation {
	device_memory memory;
	decoder_watch watch;
} observation;

static vita_status check_query(const vita_attention_query *query, vita_error *err)
{
	if (!query->ids || query->n_tokens < 1)
		return vita_fail(err, VITA_E_INVALID, "at least one token is needed to observe attention");
	if (query->n_tokens > MAX_TOKENS)
		return vita_fail(err, VITA_E_INVALID, "attention is observed over %d tokens at most, not %u",
		                 MAX_TOKENS, query->n_tokens);
	return VITA_OK;
}

static vita_status reserve(vita_llm *llm, const vita_attention_query *query, observation *o, vita_error *err)
{
	const decoder_config *c = &llm->decoder.config;
	const uint64_t n = query->n_tokens, square = n * n, n_layers = query->weights ? (uint64_t)c->n_layers : 0;
	const uint64_t keys = n * (uint64_t)c->head_dim;
	const uint64_t parts[] = { square, square, keys, n_layers * square };
	uint64_t size = 0;
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) size += parts[i] * sizeof(float);
	vita_status status = device_memory_reserve(llm->device, &o->memory, size, err);
	if (status != VITA_OK) return status;
	vita_buffer *buffer = o->memory.buffer;
	const int64_t rows = (int64_t)n;
	o->watch.hidden = vita_view(buffer, 0, VITA_F32, 2, rows, rows, 0, 0);
	o->watch.scores = vita_view(buffer, square * sizeof(float), VITA_F32, 2, rows, rows, 0, 0);
	o->watch.keys = vita_view(buffer, 2 * square * sizeof(float), VITA_F32, 2, rows, c->head_dim, 0, 0);
	if (n_layers > 0)
		o->watch.weights = vita_view(buffer, (2 * square + keys) * sizeof(float), VITA_F32, 3,
		                             c->n_layers, rows, rows, 0);
	return VITA_OK;
}

/* 0 where a row sees a column, -inf where it does not, to the device; no weights yet. */
static vita_status prepare(vita_llm *llm, const vita_attention_query *query, observation *o, vita_error *err)
{
	const uint64_t n = query->n_tokens;
	float *hidden = host_zeroed(llm->host, n * n, sizeof *hidden);
	vita_recorder recorder;
	if (!hidden)
		return vita_fail(err, VITA_E_NOMEM, "no memory for what %llu tokens may see of each other",
		                 (unsigned long long)n);
	for (uint64_t i = 0; i < n; i++)
		for (uint64_t j = 0; j < n; j++)
			if (j > i || (j < i && query->hidden && query->hidden[i * n + j]))
				hidden[i * n + j] = -INFINITY;
	vita_status status = llm->device->api->write(llm->device->self, &o->watch.hidden, hidden,
	                                             n * n * sizeof *hidden, err);
	host_release(llm->host, hidden);
	if (status != VITA_OK || !query->weights) return status;
	vita_recorder_begin(&recorder, llm->device, err);
	vita_fill(&recorder, 0, &o->watch.weights);
	return vita_recorder_end(&recorder);
}

static vita_status run(vita_llm *llm, const vita_attention_query *query, observation *o,
                       const vita_cancel *cancel, vita_error *err)
{
	vita_llm_block block;
	vita_llm_block *const blocks[] = { &block };
	VITA_INIT(&block);
	vita_status status = qwen2_state_open(llm, &block.state, err);
	if (status != VITA_OK) return status;
	block.state->watch = &o->watch;
	block.ids = query->ids;
	block.n_tokens = query->n_tokens;
	block.n_logits = query->n_logits;
	block.logits = query->logits;
	status = qwen2_forward(llm, blocks, 1, cancel, err);
	qwen2_state_close(block.state);
	if (status != VITA_OK || !query->weights) return status;
	uint64_t n = query->n_tokens;
	return llm->device->api->read(llm->device->self, &o->watch.weights, query->weights,
	                              (uint64_t)llm->decoder.config.n_layers * n * n * sizeof(float), err);
}

vita_status qwen2_observe(vita_llm *llm, const vita_attention_query *query, const vita_cancel *cancel,
                          vita_error *err)
{
	observation o = { 0 };
	vita_status status = check_query(query, err);
	if (status == VITA_OK) status = reserve(llm, query, &o, err);
	if (status == VITA_OK) status = prepare(llm, query, &o, err);
	if (status == VITA_OK) status = run(llm, query, &o, cancel, err);
	device_memory_free(llm->device, &o.memory);
	return status;
}
