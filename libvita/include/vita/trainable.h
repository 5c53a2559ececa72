/* SPDX-License-Identifier: MIT
 *
 * vita/trainable.h - models that can be trained: the ability "vita.trainable/1" of LLM and head plugins.
 *
 * The `ability` member of vita_llm_api and vita_head_api gives one of the two tables below. A plugin knows the
 * graph: its parameters, and the way forward and back over packed samples. The host knows the rest: data,
 * optimizer, checkpoints.
 *
 *   llm open -> head open -> the host gives every parameter its memory ->
 *   (llm forward -> loss (vita_train_api.cross_entropy), head run -> llm backward)* -> close
 *
 * All memory is f32 on the device that open was given, which is never a device with a fallback in between.
 * Everything here is [one-thread, may-block].
 */
#ifndef VITA_TRAINABLE_H
#define VITA_TRAINABLE_H

#include <vita/host.h>
#include <vita/train_ops.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VITA_TRAINABLE_ID "vita.trainable/1"

/* ---- parameters ------------------------------------------------------------------------------------ */

#define VITA_PARAMETER_F_NO_DECAY 1u /* biases and weights of norms: weight decay leaves them alone */
/* The checkpoint's matrix may have fewer rows, because the vocabulary grew: the new ones start as their mean. */
#define VITA_PARAMETER_F_GROWS 2u

/* What a parameter starts as where the checkpoint lacks it and like_name is not there either. */
#define VITA_PARAMETER_NORMAL 0u /* normal with this deviation */
#define VITA_PARAMETER_ONE 1u
#define VITA_PARAMETER_ZERO 2u

/* A tensor to learn. The plugin owns the array and fills all but the last two, which the host sets before the
 * first pass: value always; gradient where the parameter is trained, else its buffer is NULL. */
typedef struct vita_parameter {
	uint32_t struct_size;
	uint32_t flags;
	uint32_t rank;            /* 1 or 2 */
	uint32_t start;           /* VITA_PARAMETER_* */
	int64_t shape[2];         /* [n] or [rows, columns] */
	double deviation;
	char name[96];            /* in the checkpoint */
	char like_name[96];       /* parameter whose value it starts with where it is missing; "": none. One of the
	                           * same table or, for heads, of the LLM; earlier ones are filled first. */
	vita_tensor value, gradient;
} vita_parameter;

/* ---- what a pass is given -------------------------------------------------------------------------- */

/* Packed samples: sample s is rows starts[s] … starts[s + 1] - 1. */
typedef struct vita_train_rows {
	uint32_t struct_size;
	uint32_t n_samples;
	int64_t n;
	const int32_t *ids;       /* [n] */
	const int32_t *positions; /* [n] from 0 in each sample */
	const int32_t *starts;    /* [n_samples + 1] */
} vita_train_rows;

/* What open is given. */
typedef struct vita_train_setup {
	uint32_t struct_size;
	uint32_t flags;           /* VITA_TRAIN_F_BF16 for the products, or 0 */
	const vita_host *host;    /* this and the next three live until close */
	const vita_device *device;
	const vita_train_api *ops;
	const vita_model *model;  /* config.json; its tensors may be missing */
} vita_train_setup;

/* ---- the language model ---------------------------------------------------------------------------- */

typedef struct vita_train_llm vita_train_llm; /* the plugin defines it */

/* What heads share with the LLM. Pointers live until its close. */
typedef struct vita_train_shared {
	uint32_t struct_size;
	uint32_t reserved;
	int64_t hidden_size, vocab_size;
	double norm_epsilon;
	vita_parameter *embedding; /* [vocab_size, hidden_size] */
	vita_parameter *output;    /* the same; tied: the embedding itself */
	vita_parameter *norm;      /* the final norm */
} vita_train_shared;

typedef struct vita_train_llm_api {
	uint32_t struct_size;
	uint32_t flags;            /* 0 */

	/* OK | E_FORMAT | E_UNSUPPORTED (a kind of model that cannot be trained) | E_NOMEM */
	vita_status (*open)(const vita_train_setup *setup, vita_train_llm **out, vita_error *err);
	void (*close)(vita_train_llm *llm); /* NULL is a no-op */

	/* *n parameters; the array lives until close. */
	vita_parameter *(*parameters)(vita_train_llm *llm, uint32_t *n);
	void (*share)(vita_train_llm *llm, vita_train_shared *out);

	/* Hidden states after the final norm, [n, hidden_size], valid until the next forward or close. keep: the way
	 * back will follow, so keep what it needs. OK | E_INVALID (an id) | E_NOMEM | E_DEVICE */
	vita_status (*forward)(vita_train_llm *llm, const vita_train_rows *rows, uint32_t keep, vita_tensor *hidden,
	                       vita_error *err);

	/* After forward: the gradient with respect to the hidden states, in place of which it may leave anything, to
	 * all parameters that have a gradient. OK | E_STATE | E_NOMEM | E_DEVICE */
	vita_status (*backward)(vita_train_llm *llm, const vita_train_rows *rows, const vita_tensor *dhidden,
	                        vita_error *err);
} vita_train_llm_api;

/* ---- heads ----------------------------------------------------------------------------------------- */

typedef struct vita_train_head vita_train_head; /* the plugin defines it */

/* One pass of all heads. Row i of head k is about the sample's token i + k + 2. */
typedef struct vita_train_head_pass {
	uint32_t struct_size;
	uint32_t detach;               /* 1: no gradient to embedding and hidden states through the inputs */
	uint32_t backward;             /* 0: sums only */
	uint32_t reserved;
	const vita_train_rows *rows;
	const vita_tensor *hidden;     /* of the LLM */
	const vita_tensor *dhidden;    /* the heads' gradient is added here; NULL where detach or without backward */
	const int32_t *const *targets; /* [count][n] for each head and row a token or VITA_TRAIN_NO_TARGET */
	const double *factors;         /* [count] the loss is Σ factors[k] · sums[k] */
	double *sums;                  /* out: [count] cross-entropies, summed over rows */
} vita_train_head_pass;

typedef struct vita_train_head_api {
	uint32_t struct_size;
	uint32_t flags;                /* 0 */

	/* count heads, which the checkpoint may lack. llm_api and llm live until close. Returns as the LLM's. */
	vita_status (*open)(const vita_train_setup *setup, const vita_train_llm_api *llm_api, vita_train_llm *llm,
	                    uint32_t count, vita_train_head **out, vita_error *err);
	void (*close)(vita_train_head *head); /* NULL is a no-op */
	vita_parameter *(*parameters)(vita_train_head *head, uint32_t *n);

	/* After the LLM's forward over the same rows. OK | E_NOMEM | E_DEVICE */
	vita_status (*run)(vita_train_head *head, const vita_train_head_pass *pass, vita_error *err);

	/* What config.json says for a checkpoint with `count` heads: key number `index`, an integer of the top level.
	 * OK | END past the last */
	vita_status (*config)(const vita_train_head *head, uint32_t index, const char **key, int64_t *value);
} vita_train_head_api;

#ifdef __cplusplus
}
#endif
#endif
