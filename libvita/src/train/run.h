/* SPDX-License-Identifier: MIT
 *
 * A training run: what the config says of it, how far it has come, and its checkpoints.
 */
#ifndef VITA_TRAIN_RUN_H
#define VITA_TRAIN_RUN_H

#include "train/data.h"
#include "train/trainer.h"

#include <vita/engine.h>

/* What [train] says, with the stage's own values where it is silent. */
typedef struct vita_run_settings {
	const char *output, *resume;
	const char *data, *eval;          /* eval may be "" */
	const char *data_base, *eval_base; /* what relative paths in them start at */
	int64_t steps, max_length, warmup, accumulate;
	int64_t save_every, eval_every, log_every;
	uint32_t strict;
	vita_optimizer optimizer;
} vita_run_settings;

vita_status vita_run_settings_read(const vita_trainer *t, vita_run_settings *s, vita_error *err);

/* Where a run stands between two steps. */
typedef struct vita_run_state {
	int64_t step, tokens;             /* done */
	json_t *data;                     /* place in the data; owned */
} vita_run_state;

/* ---- several processes (group.c) ---- */

static inline uint32_t vita_group_rank(const vita_trainer *t)
{
	return t->group ? t->group->rank : 0;
}

static inline uint32_t vita_group_size(const vita_trainer *t)
{
	return t->group ? t->group->size : 1;
}

/* Gradients and losses of a step become the sums over all members, and so does *cancelled. Does nothing alone. */
vita_status vita_group_join_step(vita_trainer *t, vita_losses *losses, double *cancelled, vita_error *err);

/* Return when all members have called it. */
void vita_group_wait(const vita_trainer *t);

/* Fails in every member where they are not all behind the same step. */
vita_status vita_group_agree(const vita_trainer *t, int64_t step, vita_error *err);

/* ---- checkpoints (checkpoint.c) ---- */

#define VITA_CHECKPOINT_PREFIX "checkpoint-"
#define VITA_PATH_SIZE 4096

/* Write output/checkpoint-STEP: a Hugging Face directory with what the optimizer needs besides. It appears whole or not
 * at all; then all but the newest two are removed. path [VITA_PATH_SIZE] is its name. */
vita_status vita_checkpoint_save(const vita_trainer *t, const vita_run_settings *s, const vita_run_state *state,
                                 char *path, vita_error *err);

/* Weights, moments and state of a checkpoint. state->data is a new reference. */
vita_status vita_checkpoint_load(vita_trainer *t, const char *path, vita_run_state *state, vita_error *err);

/* The newest one in output; 0 where there is none. */
int vita_checkpoint_newest(const char *output, char *path, size_t size);

/* ---- the model (model_save.c) ---- */

/* The model as a Hugging Face directory: files are put into `directory`, which is there, config.json last. */
vita_status vita_trained_save(const vita_trainer *t, const char *directory, vita_error *err);

/* One tensor of a file to be written: a slot's, or bytes that lie in memory. */
typedef struct vita_saved_tensor {
	vita_array array;                 /* first; data NULL where a device tensor is written */
	vita_tensor tensor;
	char name[112];
} vita_saved_tensor;

/* All of them as one safetensors file; f32 on the device becomes what array.dtype says. */
vita_status vita_saved_tensors_write(const vita_trainer *t, const char *path, vita_saved_tensor *list, uint64_t n,
                                     vita_error *err);

/* "directory/name" in path [VITA_PATH_SIZE].  OK | E_INVALID (too long) */
vita_status vita_path_join(char *path, const char *directory, const char *name, vita_error *err);

#endif
