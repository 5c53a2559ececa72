/* SPDX-License-Identifier: MIT
 *
 * vita/attention.h - an optional ability of language models: tell which tokens each token looked at, and run
 * with some tokens hidden from others.
 *
 * For study, not for speech: it answers where a model finds what it says (Bahdanau, Cho and Bengio 2015 read
 * attention weights as soft alignments; VITA-Audio, arXiv 2505.03739, found so that audio tokens follow their
 * own text token).
 *
 *   const vita_attention_api *api = llm_api->get_extension(llm, VITA_ATTENTION_ID);
 */
#ifndef VITA_ATTENTION_H
#define VITA_ATTENTION_H

#include <vita/llm.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VITA_ATTENTION_ID "vita.attention/1"

/* Tokens from the beginning of a conversation of their own. All arrays are the caller's. */
typedef struct vita_attention_query {
	uint32_t struct_size;
	uint32_t n_tokens;       /* 1 … 16384, and at most the context */
	const int32_t *ids;      /* [n_tokens] */
	const uint8_t *hidden;   /* [n_tokens, n_tokens]: not 0 in row i, column j hides token j from token i, in every
	                          * layer. A token always sees itself, and never a later one. NULL: nothing is hidden */
	float *weights;          /* out [n_layers, n_tokens, n_tokens]: row i, column j is how much of its attention token
	                          * i gave token j in that layer, mean over heads; a row sums to 1. NULL: not wanted */
	float *logits;           /* out [n_logits, vocab_size] of the last n_logits tokens; unused where 0 */
	uint32_t n_logits;       /* 0 … n_tokens */
	uint32_t reserved;       /* 0 */
} vita_attention_query;

typedef struct vita_attention_api {
	uint32_t struct_size;
	uint32_t flags;          /* 0 */

	/* Run the query; no state of a conversation takes part or changes. Takes host and device memory for
	 * weights and the hidden matrix, n_tokens² values a layer.
	 * OK | E_INVALID | E_NOMEM | E_CANCELLED | E_DEVICE                    [any-thread, may-block] */
	vita_status (*observe)(vita_llm *llm, const vita_attention_query *query, const vita_cancel *cancel,
	                       vita_error *err);
} vita_attention_api;

#ifdef __cplusplus
}
#endif
#endif
