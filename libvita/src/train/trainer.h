/* SPDX-License-Identifier: MIT
 *
 * A trainer's inside: the opened model, the memory of its parameters, and a pass over one packed row.
 */
#ifndef VITA_TRAIN_TRAINER_H
#define VITA_TRAIN_TRAINER_H

#include "host/context_internal.h"
#include "train/batch.h"

#include <vita/head.h>
#include <vita/llm.h>
#include <vita/train.h>
#include <vita/trainable.h>

#define VITA_STAGE_ALIGNMENT 0u
#define VITA_STAGE_ONE_HEAD 1u
#define VITA_STAGE_HEADS 2u
#define VITA_STAGE_FINETUNE 3u

/* A parameter and what the host knows of it. */
typedef struct vita_slot {
	vita_parameter *parameter;
	uint32_t is_head, trained;
	uint64_t offset;   /* bytes, in the buffers of values */
	uint64_t n;        /* values */
	uint64_t trained_offset; /* bytes, in the buffers of what trained ones have besides */
} vita_slot;

/* Labels of one packed row, laid out for the losses: row 0 of targets is the main pass's, row k + 1 head k's. */
typedef struct vita_targets {
	int64_t capacity;      /* rows of tokens */
	int32_t *targets;      /* [1 + n_heads][capacity] */
	const int32_t **heads; /* [n_heads] */
	int64_t *counts;       /* [1 + n_heads] rows with a target */
	int32_t *starts;       /* [capacity + 1] */
	uint32_t n_samples;
	int64_t n_labels;      /* that are not to be ignored, wherever they are */
} vita_targets;

/* Cross-entropies of one or many passes: sums over rows, and what they were counted over. */
typedef struct vita_losses {
	double loss;           /* weighted, as the gradient sees it */
	double main_sum;
	double *head_sums;     /* [n_heads] */
} vita_losses;

struct vita_trainer {
	vita_context *context;
	const vita_host *host;
	const vita_device *open_device; /* as the context gave it; device is the backend under it */
	const vita_device *device;
	const vita_train_api *ops;
	vita_model *model;
	const vita_train_llm_api *llm_api;
	vita_train_llm *llm;
	const vita_train_head_api *head_api; /* NULL where no plugin of heads can be trained */
	vita_train_head *head;
	vita_train_shared shared;
	uint32_t stage;
	uint32_t n_heads;       /* trained or at least run */
	uint32_t flags;         /* VITA_TRAIN_F_BF16 or 0 */
	uint32_t detach, mask_boundaries;
	double head_weight;     /* mtp_loss_weight */
	uint64_t seed;

	vita_slot *slots;
	uint32_t n_slots;
	uint64_t values_size, trained_size; /* bytes */
	vita_buffer *values, *gradients, *means, *squares;

	const vita_train_group *group; /* NULL: alone */

	vita_targets targets;
	vita_buffer *dhidden;
	int64_t dhidden_rows;
};

/* ---- opening (trainer.c, parameters.c) ---- */

/* Values of all parameters: from the model's tensors, else as their plugin says. */
vita_status vita_parameters_fill(vita_trainer *trainer, vita_error *err);
vita_status vita_parameters_open(vita_trainer *trainer, vita_error *err);
void vita_parameters_close(vita_trainer *trainer);
vita_status vita_gradients_clear(vita_trainer *trainer, vita_error *err);

/* All of one parameter's value, gradient or moments as f32, to or from host memory. */
vita_status vita_slot_read(const vita_trainer *trainer, const vita_tensor *t, float *values, vita_error *err);
vita_status vita_slot_write(const vita_trainer *trainer, const vita_tensor *t, const float *values, vita_error *err);

/* A tensor like the slot's parameter in one of the buffers of trained ones. */
vita_tensor vita_slot_tensor(const vita_slot *slot, vita_buffer *buffer, uint64_t offset);

/* ---- passes (pass.c) ---- */

/* Lay out the labels of a packed row. OK | E_INVALID (positions or ids that cannot be) | E_NOMEM */
vita_status vita_targets_make(vita_trainer *trainer, const vita_train_batch *batch, vita_error *err);
void vita_targets_free(vita_targets *targets);

/* Forward, and with `backward` back, over the batch that the targets were made for. The cross-entropies of main pass
 * and heads are divided by main_items and head_items[k]; the sums are added to losses. */
vita_status vita_train_pass(vita_trainer *trainer, const vita_train_batch *batch, uint32_t backward,
                            double main_items, const double *head_items, vita_losses *losses, vita_error *err);

/* ---- optimizer (optimizer.c) ---- */

typedef struct vita_optimizer {
	double rate, head_multiplier, beta1, beta2, epsilon, decay, clip;
	uint32_t decay_all;    /* also what the plugin says is left alone */
} vita_optimizer;

/* The root of the sum of squares of all gradients. */
vita_status vita_gradient_norm(const vita_trainer *trainer, double *norm, vita_error *err);

/* Clip to o->clip and take step number `step` (1 …) with o->rate times ratio. */
vita_status vita_optimizer_step(const vita_trainer *trainer, const vita_optimizer *o, int64_t step, double ratio,
                                double norm, vita_error *err);

/* The share of the highest rate at optimizer step `step` (0 …) of `steps`: logarithmic warm-up, then a cosine down
 * to a tenth. */
double vita_learning_ratio(int64_t step, int64_t warmup, int64_t steps);

#endif
