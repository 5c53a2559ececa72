/* SPDX-License-Identifier: MIT
 *
 * vita/head.h - proposing tokens without another main pass.
 * open -> (state_open -> (observe | propose | truncate | prefill)* -> state_close)* -> close.
 *
 * A head module holds `count` heads. After a main pass the host shows it the hidden states (observe);
 * then head 0 may propose the token after the one that the main pass gave, head 1 the next, and so on.
 * A proposal is a row of logits, sampled by the host as the LLM's are, or a token. The module owns its
 * caches and catches up lazily: heads that are not asked cost nothing until they are.
 *
 * `mctp` is the cascade of VITA-Audio (arXiv 2505.03739); parallel heads, n-gram lookup or none fit too.
 */
#ifndef VITA_HEAD_H
#define VITA_HEAD_H

#include <vita/llm.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VITA_HEAD_ID "vita.head/1"

typedef struct vita_head vita_head;               /* the plugin defines both */
typedef struct vita_head_state vita_head_state;

typedef struct vita_head_info {
	uint32_t struct_size;
	uint32_t count;           /* heads that can be asked, 0 … count-1 */
	uint32_t gives_tokens;    /* 1: propose sets token and leaves logits alone */
	uint32_t reserved;
	uint64_t weight_bytes;
	uint64_t pass_bytes;      /* as vita_llm_info's, of one head */
	uint64_t row_macs;
	uint64_t state_bytes;     /* of one state when the LLM's context is full; 0: not told */
} vita_head_info;

/* One state's share of a proposal. */
typedef struct vita_head_call {
	uint32_t struct_size;
	uint32_t index;               /* which head: 0 right after a main pass, then 1, 2, … */
	vita_head_state *state;
	const int32_t *tokens;        /* all tokens known, prompt first; the proposal is for number n_tokens */
	uint32_t n_tokens;
	uint32_t n_ranges;
	const vita_range *ranges;     /* rows of the output matrix that are wanted */
	float *logits;                /* out: [Σ count], host memory, the caller's */
	int32_t token;                /* out, where gives_tokens: an id of the LLM, or -1: no proposal, which
	                               * makes this token a main pass's; any other id ends the turn */
	uint32_t reserved;
} vita_head_call;

typedef struct vita_head_api {
	uint32_t struct_size;
	uint32_t flags;               /* 0 */

	/* As vita_llm_api.match: 0 where the checkpoint has no heads of this kind.        [any-thread] */
	int32_t (*match)(const vita_host *host, const vita_model *model);

	/* llm_api and llm live until close; so do host and device (perhaps not the LLM's). settings: this factory's
	 * keys of [heads], and the host's `count` (int, -1: all that the checkpoint has) and `dtype` (of the LLM).
	 * OK | E_CONFIG (count above what there is) | E_NOTFOUND | E_SHAPE | E_NOMEM [any-thread, may-block] */
	vita_status (*open)(const vita_host *host, const vita_device *device, const vita_llm_api *llm_api,
	                    vita_llm *llm, const vita_settings *settings, vita_head **out, vita_error *err);
	void (*close)(vita_head *head);                          /* NULL is a no-op         [one-thread] */
	void (*describe)(const vita_head *head, vita_head_info *info);                      /* [any-thread] */

	vita_status (*state_open)(vita_head *head, vita_head_state **out, vita_error *err); /* [any-thread] */
	void (*state_close)(vita_head_state *state);             /* NULL is a no-op         [one-thread] */

	/* A main pass has processed tokens first … first+n-1; hidden f32 [n, hidden_size] lies on the LLM's
	 * device and is valid for this call only. first is where the last observe ended (or truncate cut).
	 * OK | E_NOMEM | E_STATE | E_DEVICE                                                [one-thread] */
	vita_status (*observe)(vita_head_state *state, uint32_t first, uint32_t n, const vita_tensor *hidden,
	                       vita_error *err);

	/* Head `index` proposes for each of n calls of n different states. The heads are asked in order from
	 * 0 after a main pass, each with exactly one more token than the one before; else E_STATE.
	 * OK | E_STATE | E_INVALID | E_NOMEM | E_CANCELLED | E_DEVICE        [one-thread a state, may-block] */
	vita_status (*propose)(vita_head *head, vita_head_call *const *calls, uint32_t n, const vita_cancel *cancel,
	                       vita_error *err);

	/* Optional: do now what later proposals will need of tokens 0 … n_tokens-1 that are known and observed
	 * (a prompt), off the path to the first sound. Changes no result.     [one-thread, may-block] */
	vita_status (*prefill)(vita_head_state *state, const int32_t *tokens, uint32_t n_tokens,
	                       const vita_cancel *cancel, vita_error *err);

	/* Only tokens 0 … length-1 stand: forget what depends on later ones, and hidden states from row
	 * `length` on.                                                                     [one-thread] */
	vita_status (*truncate)(vita_head_state *state, uint32_t length, vita_error *err);

	const void *(*get_extension)(vita_head *head, const char *id);              /* NULL where absent [any-thread] */

	/* Optional: as vita_llm_api.ability.                                    [any-thread] */
	const void *(*ability)(const char *id);
} vita_head_api;

#ifdef __cplusplus
}
#endif
#endif
