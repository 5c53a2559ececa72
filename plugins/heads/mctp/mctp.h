/* SPDX-License-Identifier: MIT
 *
 * The head plugin's own structures. Notation, for tokens x, module k and row i:
 *
 *     h⁰[i]   = the LLM's hidden state of token i
 *     u       = [ RMSNorm(E[x[i+k+1]]; embed_norm) ‖ RMSNorm(hᵏ[i]; hidden_norm) ]
 *     s       = layer(u · projectionᵀ), at position i+k+1, seeing this module's rows 0 … i
 *     hᵏ⁺¹[i] = the LLM's final norm of s, from which come the logits of token i+k+2
 *
 * So row i of module k depends on tokens up to i+k+1. A state keeps per module how many rows it has done, a
 * KV cache of them, and those rows of hᵏ that may still be needed:
 *   - all rows of h⁰ (hidden_size f32 values a token, about an eighth of an f32 KV cache at 7B): from them
 *     everything can be made again, however far back a conversation is cut;
 *   - of hᵏ, k > 0, the rows not done yet, and done ones until their room is wanted. What of them is missing
 *     after a cut, at most count rows a module, is made again.
 */
#ifndef MCTP_H
#define MCTP_H

#include "../../common/decoder_layer.h"

#include <vita/greedy.h>
#include <vita/head.h>

typedef struct mctp_module {
	vita_tensor projection; /* [hidden_size, 2 * hidden_size] */
	vita_tensor embed_norm, hidden_norm;
	decoder_layer layer;
} mctp_module;

struct vita_head {
	const vita_host *host;
	const vita_device *device; /* of the modules */
	const vita_llm_api *llm_api;
	vita_llm *llm;
	const vita_greedy_api *greedy; /* the LLM's, or NULL */
	const vita_device *llm_device;
	int32_t one_device; /* both are the same */
	uint32_t count;     /* modules in use */
	int64_t vocab_size;
	decoder decoder;
	mctp_module *modules;
	uint64_t weight_bytes, row_macs; /* of all modules */
	pass_pool pool;
};

/* Rows first … of a stage's hidden states, f32 [capacity, hidden_size] on the modules' device. Where they
 * end is the stage's affair. */
typedef struct mctp_rows {
	vita_buffer *buffer;
	int64_t first, capacity;
} mctp_rows;

typedef struct mctp_stage {
	int64_t done;        /* rows that the module has done */
	decoder_cache cache; /* their keys and values */
	mctp_rows hidden;    /* hᵏ: what the module reads */
} mctp_stage;

struct vita_head_state {
	vita_head *head;
	int64_t observed;   /* rows of h⁰ */
	mctp_stage *stages; /* count */
};

/* The end of a conversation's tokens as the device of a chain has them: known ones, then room for what each head of the
 * chain chooses. */
typedef struct mctp_tail {
	int64_t first;     /* number of the first of them in the conversation */
	vita_tensor ids;   /* i32 [tokens] */
	vita_tensor found; /* likeliest [heads of the chain], for the host */
} mctp_tail;

/* Ids of the columns of logits that these ranges make. */
typedef struct mctp_columns {
	device_memory memory; /* f32 [columns] */
	vita_range *ranges;
	uint32_t n_ranges; /* 0: not filled */
} mctp_columns;

/* Rows that one state's module k has yet to do. */
typedef struct mctp_job {
	vita_head_state *state;
	const int32_t *tokens;      /* all */
	int64_t end;                /* rows done … end-1 are to be done */
	const vita_head_call *call; /* who wants logits of the last row, or NULL */
	const mctp_tail *tail;      /* NULL, or where tokens are looked up and the last row's choice is put instead */
} mctp_job;

/* Working memory of one running pass; idle whenever it is in the pool. */
typedef struct mctp_pass {
	pass_item item;
	vita_recorder recorder;
	decoder_scratch scratch;
	decoder_indices positions;
	int32_t ids[DECODER_MAX_ROWS];
	device_memory embeddings, inputs;     /* on the modules' device: [n, h] and [n, 2h] */
	device_memory transfer, last, logits; /* on the LLM's: [n, h], [jobs, h], [jobs, wanted rows] */
	device_memory tokens, found, number;  /* on the LLM's, of chains: ids, what was chosen, one id as f32 */
	mctp_columns columns;
	uint32_t capacity;                    /* jobs that the lists have room for */
	mctp_job *jobs;
	mctp_tail *tails;
	decoder_block *blocks;
	decoder_segment *segments;
} mctp_pass;

vita_status mctp_pass_take(vita_head *head, uint32_t n_jobs, mctp_pass **out, vita_error *err);
void mctp_pass_free(vita_head *head, mctp_pass *pass);

/* Wait for both devices and give the pass back; the first failure counts. */
vita_status mctp_pass_finish(vita_head *head, mctp_pass *pass, vita_status status, vita_error *err);

/* Rows that stage k's hidden states reach to: what module k could do. */
int64_t mctp_stage_end(const vita_head_state *state, uint32_t k);

/* Rows first … first+count-1 of stage k's hidden states, which are there. */
vita_tensor mctp_stage_rows(const vita_head_state *state, uint32_t k, int64_t first, int64_t count);

/* Room for stage k's hidden states up to row `needed`; those that module k has not done are kept. */
vita_status mctp_stage_reserve(vita_head_state *state, mctp_pass *pass, uint32_t k, int64_t needed,
                               vita_error *err);

/* Module k over the first n of pass->jobs: rows, caches and the next stage's hidden states are written, and
 * the last rows' logits where wanted, or what was chosen from them. No state has moved on yet when it returns. */
vita_status mctp_run(vita_head *head, mctp_pass *pass, uint32_t k, uint32_t n, const vita_cancel *cancel,
                     vita_error *err);

/* Is this what head call->index can be asked now? */
vita_status mctp_check_call(const vita_head *head, const vita_head_call *call, int wants_logits, vita_error *err);
int64_t mctp_wanted_rows(const vita_head_call *call); /* of the output matrix */

/* Jobs first … first+n-1, who want the same columns, choose from rows of logits; queued. */
vita_status mctp_choose(vita_head *head, mctp_pass *pass, uint32_t k, uint32_t first, uint32_t n,
                        const vita_tensor *logits, vita_error *err);

/* The ability, where LLM and device allow it. */
const vita_chain_api *mctp_chain(const vita_head *head);

/* The methods of vita_head_api that are not in mctp.c. */
vita_status mctp_state_open(vita_head *head, vita_head_state **out, vita_error *err);
void mctp_state_close(vita_head_state *state);
vita_status mctp_observe(vita_head_state *state, uint32_t first, uint32_t n, const vita_tensor *hidden,
                         vita_error *err);
vita_status mctp_truncate(vita_head_state *state, uint32_t length, vita_error *err);
vita_status mctp_propose(vita_head *head, vita_head_call *const *calls, uint32_t n, const vita_cancel *cancel,
                         vita_error *err);
vita_status mctp_prefill(vita_head_state *state, const int32_t *tokens, uint32_t n_tokens,
                         const vita_cancel *cancel, vita_error *err);

#endif
