/* SPDX-License-Identifier: MIT
 *
 * vita/greedy.h - optional abilities of language models and heads: choose the likeliest token where its scores lie.
 *
 * Greedy decoding needs of some hundred thousand scores one id. Where the device is not the host, reading the scores
 * and waiting for them costs about as much as a head does. With these abilities a main pass tells an id, and a run of
 * heads is one piece of work: each head looks up the token of the one before it on the device, and the ids come back
 * together.
 *
 *   const vita_greedy_api *greedy = llm_api->get_extension(llm, VITA_GREEDY_ID);
 *   const vita_chain_api *chain = head_api->get_extension(head, VITA_CHAIN_ID);
 *
 * "Likeliest" is the highest score, the lowest id among equals. NaN is no score, nor is -infinity: where a row has
 * nothing else its id is -1.
 */
#ifndef VITA_GREEDY_H
#define VITA_GREEDY_H

#include <vita/head.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- of language models --------------------------------------------------------------------------- */

#define VITA_GREEDY_ID "vita.greedy/1"

/* What a block of a pass wants chosen, in place of logits. */
typedef struct vita_choice {
	uint32_t struct_size;
	uint32_t count;        /* for the last `count` of the block's tokens, 0 … n_tokens */
	int32_t limit;         /* among ids 0 … limit-1; 1 … vocab_size */
	uint32_t reserved;
	int32_t *ids;          /* out: [count], the caller's */
} vita_choice;

typedef struct vita_greedy_api {
	uint32_t struct_size;
	uint32_t flags;        /* 0 */

	/* vita_llm_api.forward, but the blocks' n_logits and logits are not looked at: choices[i] says what
	 * blocks[i] wants. Answers and failures are forward's.             [one-thread a state, may-block] */
	vita_status (*forward)(vita_llm *llm, vita_llm_block *const *blocks, const vita_choice *const *choices,
	                       uint32_t n, const vita_cancel *cancel, vita_error *err);

	/* vita_llm_api.embed by ids that lie on the LLM's device, i32 [n]; y f32 [n, hidden_size]. Queued, nothing
	 * waits: the device's next wait tells of an id outside the vocabulary.              [any-thread] */
	vita_status (*embed)(vita_llm *llm, const vita_tensor *ids, const vita_tensor *y, vita_error *err);
} vita_greedy_api;

/* ---- of heads ------------------------------------------------------------------------------------- */

#define VITA_CHAIN_ID "vita.chain/1"

/* One state's run of heads: call->index, the one after it, and so on. */
typedef struct vita_chain {
	uint32_t struct_size;
	uint32_t count;        /* how many, at least 1 and not beyond the last head */
	vita_head_call *call;  /* as vita_head_api.propose wants it for the first; logits and token are unused */
	int32_t *ids;          /* out: [count], the caller's. From a -1 on they mean nothing */
} vita_chain;

typedef struct vita_chain_api {
	uint32_t struct_size;
	uint32_t flags;        /* 0 */

	/* As that many calls of propose, each with the likeliest token of the one before it added to its tokens.
	 * Tokens that the host then does not keep are taken back with truncate.
	 * OK | what propose returns                                        [one-thread a state, may-block] */
	vita_status (*propose)(vita_head *head, vita_chain *const *chains, uint32_t n, const vita_cancel *cancel,
	                       vita_error *err);
} vita_chain_api;

#ifdef __cplusplus
}
#endif
#endif
