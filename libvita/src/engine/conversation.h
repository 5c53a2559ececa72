/* SPDX-License-Identifier: MIT
 *
 * A conversation: all its tokens, and the states of LLM and heads, which hold the first n_fed of them.
 */
#ifndef VITA_ENGINE_CONVERSATION_H
#define VITA_ENGINE_CONVERSATION_H

#include "engine/engine_internal.h"

struct vita_conversation {
	vita_engine *engine;
	vita_llm_state *llm;
	vita_head_state *head;        /* NULL: no heads */
	int32_t *tokens;
	uint32_t n_tokens, capacity;  /* vita_conversation_reserve makes room for drafts behind the tokens */
	uint32_t n_fed;               /* tokens that the LLM has seen and the heads have observed */

	/* Rows that stand in place of embeddings at tokens not fed yet. */
	float *rows;                  /* [n_rows, hidden_size] */
	uint32_t *row_token;          /* [n_rows] rising */
	uint32_t *row_index;          /* room for the same, relative to a block */
	uint32_t n_rows, rows_capacity;

	vita_token_set seen;          /* ids among the tokens */
	vita_sampler sampler;
	vita_random random;
	float *logits;                /* [1, or one more than heads where they are verified; vocab_size] */
	int32_t *chosen;              /* [rows of logits] ids that the LLM chose by itself, in place of logits */
	int32_t *ahead;               /* [heads] ids that a chain of heads chose (greedy.c) */
	int broken;                   /* a state could not be cut back: only reset helps */
};

/* Add tokens behind the others. E_INVALID names an id outside the vocabulary; E_NOMEM: the context is
 * full. */
vita_status vita_conversation_append(vita_conversation *c, const int32_t *ids, uint64_t n, vita_error *err);

/* n feature rows, each at a token of its own with this id. */
vita_status vita_conversation_append_rows(vita_conversation *c, int32_t id, const float *rows, uint64_t n,
                                          vita_error *err);

/* Make room for n tokens behind the last. */
vita_status vita_conversation_reserve(vita_conversation *c, uint64_t n, vita_error *err);

/* What a pass is to leave for its last rows. */
typedef enum vita_wanted {
	VITA_WANT_NOTHING,
	VITA_WANT_SCORES, /* in c->logits */
	VITA_WANT_IDS,    /* the likeliest, in c->chosen */
} vita_wanted;

/* Feed the LLM all tokens it has not seen, and show the heads what it made of them; what is wanted is for the token
 * after the last. */
vita_status vita_conversation_feed(vita_conversation *c, vita_wanted wanted, const vita_cancel *cancel,
                                   vita_error *err);

/* One block of the LLM over the next n tokens, which may reach into drafts. n_fed stays and the heads see
 * nothing; on success the LLM's state is n tokens longer. hidden: its hidden states, as vita_llm_block's. */
vita_status vita_conversation_forward(vita_conversation *c, uint32_t n, vita_wanted wanted, uint32_t n_wanted,
                                      vita_tensor *hidden, const vita_cancel *cancel, vita_error *err);

/* Let the heads forget what comes after that many tokens. */
vita_status vita_conversation_cut_heads(vita_conversation *c, uint32_t length, vita_error *err);

/* The first n of the rows that forward gave stand: show them to the heads and let the LLM forget the
 * others. With rejected = 1 the heads saw tokens that do not stand. */
vita_status vita_conversation_accept(vita_conversation *c, uint32_t n, const vita_tensor *hidden,
                                     int rejected, vita_error *err);

/* Only the first n tokens stand, and no draft does. */
vita_status vita_conversation_cut(vita_conversation *c, uint32_t n, vita_error *err);

#endif
