/* SPDX-License-Identifier: MIT
 *
 * The LLM plugin's own structures: weights, states, and the working memory of a pass.
 */
#ifndef QWEN2_H
#define QWEN2_H

#include "../../common/decoder_layer.h"
#include "../../common/likeliest.h"

#include <vita/attention.h>

struct vita_llm {
	const vita_host *host;
	const vita_device *device;
	vita_model *model;
	decoder decoder;
	vita_tensor embedding; /* [vocab_size, hidden_size] */
	vita_tensor output;    /* the same; tied: the embedding itself */
	vita_tensor norm;
	decoder_layer *layers; /* decoder.config.n_layers */
	uint64_t weight_bytes;
	uint64_t layer_bytes, layer_macs; /* of all layers */
	pass_pool pool;
};

struct vita_llm_state {
	vita_llm *llm;
	int64_t length;        /* tokens held; what caches hold beyond is void */
	decoder_cache *caches; /* one a layer */
	device_memory hidden;  /* of the last forward, f32 [n, hidden_size] */
	const decoder_watch *watch; /* NULL but while the state is observed */
};

/* Wanted logits: rows of a block's hidden states. */
typedef struct qwen2_piece {
	uint32_t block;
	int64_t first, count;
} qwen2_piece;

/* Working memory of one running pass. Device buffers in it are idle whenever it is in the pool. */
typedef struct qwen2_pass {
	pass_item item;
	vita_recorder recorder;
	decoder_scratch scratch;
	decoder_indices ids, positions;
	device_memory wanted; /* hidden rows of several blocks side by side */
	device_memory logits;
	device_memory found; /* the likeliest of LOGITS_ROWS rows */
	uint32_t capacity; /* blocks that the three lists have room for */
	decoder_block *blocks;
	decoder_segment *segments;
	qwen2_piece *pieces;
} qwen2_pass;

/* Idle working memory or new. Give it back after waiting for the device where its buffers were used. */
vita_status qwen2_pass_take(vita_llm *llm, uint32_t n_blocks, qwen2_pass **out, vita_error *err);
void qwen2_pass_give(vita_llm *llm, qwen2_pass *pass);
void qwen2_pass_free(vita_llm *llm, qwen2_pass *pass);

/* Every id is one of the vocabulary's, or E_INVALID names the first that is not and its place. */
vita_status qwen2_check_ids(const vita_llm *llm, const int32_t *ids, int64_t n, vita_error *err);

/* Embedding rows of n ids (at most DECODER_MAX_ROWS) into y, queued. */
vita_status qwen2_gather(vita_llm *llm, qwen2_pass *pass, const int32_t *ids, int64_t n, const vita_tensor *y,
                         vita_error *err);

/* The methods of vita_llm_api that are not in qwen2.c. */
vita_status qwen2_state_open(vita_llm *llm, vita_llm_state **out, vita_error *err);
void qwen2_state_close(vita_llm_state *state);
uint32_t qwen2_state_length(const vita_llm_state *state);
vita_status qwen2_state_truncate(vita_llm_state *state, uint32_t length, vita_error *err);
vita_status qwen2_forward(vita_llm *llm, vita_llm_block *const *blocks, uint32_t n, const vita_cancel *cancel,
                          vita_error *err);
vita_status qwen2_embed(vita_llm *llm, const int32_t *ids, uint32_t n, const vita_tensor *y, vita_error *err);
vita_status qwen2_unembed(vita_llm *llm, const vita_tensor *hidden, const vita_range *ranges,
                          uint32_t n_ranges, const vita_tensor *y, vita_error *err);
/* See vita/greedy.h. */
vita_status qwen2_choose(vita_llm *llm, vita_llm_block *const *blocks, const vita_choice *const *choices, uint32_t n,
                         const vita_cancel *cancel, vita_error *err);
vita_status qwen2_embed_there(vita_llm *llm, const vita_tensor *ids, const vita_tensor *y, vita_error *err);
/* See vita/attention.h. */
vita_status qwen2_observe(vita_llm *llm, const vita_attention_query *query, const vita_cancel *cancel,
                          vita_error *err);
vita_status qwen2_final_norm(vita_llm *llm, const vita_tensor *x, const vita_tensor *y, vita_error *err);

#endif
