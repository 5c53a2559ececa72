/* SPDX-License-Identifier: MIT
 *
 * vita/llm.h - the language model. open -> (state_open -> forward* -> state_close)* -> close.
 *
 * The LLM holds weights and serves many states; a state is one conversation's KV cache. A pass takes
 * a list of blocks, one a state, so that several conversations share one reading of the weights.
 * "Hidden state" is the row after the final norm: what the output matrix and the heads read.
 *
 * A state is used by one thread at a time; different states of one LLM may be used at once. The host opens the
 * model before it asks any plugin, so it must be of a form that vita/model.h knows, with config.json and tensors.
 */
#ifndef VITA_LLM_H
#define VITA_LLM_H

#include <vita/host.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VITA_LLM_ID "vita.llm/1"

typedef struct vita_llm vita_llm;               /* the plugin defines both */
typedef struct vita_llm_state vita_llm_state;

typedef struct vita_llm_info {
	uint32_t struct_size;
	uint32_t vocab_size;      /* rows of the output matrix; ids are 0 … vocab_size-1 */
	uint32_t hidden_size;
	uint32_t n_layers;        /* of the backbone, without the heads' */
	uint32_t context;         /* most tokens a state can hold */
	uint32_t weight_dtype;    /* of the layers' matrices on the device */
	uint64_t weight_bytes;    /* on the device */
	uint64_t state_bytes;     /* of one state with a full cache */
	/* What a pass costs, for setting speeds beside the device's roofs (vita/roof.h); 0: not told. */
	uint64_t pass_bytes;      /* weights that a pass reads, whatever its rows, without the output matrix */
	uint64_t row_macs;        /* multiply-adds with them for each row */
	uint64_t output_bytes;    /* the output matrix, read once where logits are wanted */
	uint64_t output_macs;     /* for each row of logits */
} vita_llm_info;

/* Consecutive rows of the output matrix. */
typedef struct vita_range {
	int32_t first, count;
} vita_range;

/* One state's share of a pass. Members marked out are set by forward. */
typedef struct vita_llm_block {
	uint32_t struct_size;
	uint32_t n_tokens;             /* new tokens, at least 1; they take the next positions */
	vita_llm_state *state;
	const int32_t *ids;            /* [n_tokens] */
	const float *rows;             /* [n_rows, hidden_size] in place of embeddings, or NULL */
	const uint32_t *row_index;     /* [n_rows] which of the n_tokens they replace, rising */
	uint32_t n_rows;
	uint32_t n_logits;             /* logits wanted for the last n_logits tokens, 0 … n_tokens */
	float *logits;                 /* [n_logits, vocab_size] in host memory, the caller's; unused where 0 */
	vita_tensor hidden;            /* out: f32 [n_tokens, hidden_size] on the LLM's device, valid until the
	                                * state's next forward, truncate or close */
} vita_llm_block;

typedef struct vita_llm_api {
	uint32_t struct_size;
	uint32_t flags;                /* 0 */

	/* How well this plugin fits a model: 0 not at all; otherwise the highest of all wins where the INI
	 * names no plugin. Looks at config.json and names of tensors only.                [any-thread] */
	int32_t (*match)(const vita_host *host, const vita_model *model);

	/* settings: this factory's keys of [llm], and the host's `dtype` (string: "as-is" or a weight type) and
	 * `context` (int, 0: what the model says). Borrows host, device and model until close.
	 * OK | E_NOTFOUND | E_FORMAT | E_SHAPE | E_UNSUPPORTED | E_NOMEM | E_CONFIG [any-thread, may-block] */
	vita_status (*open)(const vita_host *host, const vita_device *device, vita_model *model,
	                    const vita_settings *settings, vita_llm **out, vita_error *err);
	void (*close)(vita_llm *llm);                             /* NULL is a no-op        [one-thread] */
	void (*describe)(const vita_llm *llm, vita_llm_info *info);                         /* [any-thread] */

	vita_status (*state_open)(vita_llm *llm, vita_llm_state **out, vita_error *err);    /* [any-thread] */
	void (*state_close)(vita_llm_state *state);               /* NULL is a no-op        [one-thread] */
	uint32_t (*state_length)(const vita_llm_state *state);    /* tokens held            [one-thread] */

	/* Forget all tokens from number `length` on; length > state_length is E_INVALID.   [one-thread] */
	vita_status (*state_truncate)(vita_llm_state *state, uint32_t length, vita_error *err);

	/* Run n blocks of n different states through the backbone; each row sees its own state's earlier
	 * tokens. On failure no state has changed.
	 * OK | E_INVALID (an id outside the vocabulary, named) | E_NOMEM (the context is full: says how long
	 * it is) | E_CANCELLED | E_DEVICE                                  [one-thread a state, may-block] */
	vita_status (*forward)(vita_llm *llm, vita_llm_block *const *blocks, uint32_t n, const vita_cancel *cancel,
	                       vita_error *err);

	/* ---- lent to heads; all on the device that open was given ---- */

	/* Embedding table rows: y f32 [n, hidden_size].  OK | E_INVALID | E_DEVICE         [any-thread] */
	vita_status (*embed)(vita_llm *llm, const int32_t *ids, uint32_t n, const vita_tensor *y, vita_error *err);

	/* y[n, Σ count] = hidden[n, hidden_size] times the named rows of the output matrix, the ranges side by
	 * side; y f32 on the device.  OK | E_INVALID | E_DEVICE                            [any-thread] */
	vita_status (*unembed)(vita_llm *llm, const vita_tensor *hidden, const vita_range *ranges, uint32_t n_ranges,
	                       const vita_tensor *y, vita_error *err);

	/* The final norm of hidden states: y = norm(x), f32 [n, hidden_size], may be in place. [any-thread] */
	vita_status (*final_norm)(vita_llm *llm, const vita_tensor *x, const vita_tensor *y, vita_error *err);

	/* The device, and the model file with all its tensors.                             [any-thread] */
	const vita_device *(*device)(const vita_llm *llm);
	vita_model *(*model)(const vita_llm *llm);

	const void *(*get_extension)(vita_llm *llm, const char *id);                /* NULL where absent [any-thread] */

	/* Optional: what the plugin can do without an open model, by id (vita/trainable.h); NULL where absent.
	 *                                                                                  [any-thread] */
	const void *(*ability)(const char *id);
} vita_llm_api;

#ifdef __cplusplus
}
#endif
#endif
