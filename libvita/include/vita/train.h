/* SPDX-License-Identifier: MIT
 *
 * vita/train.h - training: the loop around a model that its plugins can train (vita/trainable.h).
 *
 * open -> (run | check)* -> close. Everything comes from [train], [llm], [heads] and [backend] of the context's
 * config; vita.ini(5) describes the keys.
 *
 * Stages are those of VITA-Audio (arXiv 2505.03739): alignment trains the language model; one-head a first
 * head on the frozen model, started from the model's last layer; heads all heads, each started from the one
 * before it; finetune everything.
 */
#ifndef VITA_TRAIN_H
#define VITA_TRAIN_H

#include <vita/context.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vita_trainer vita_trainer;

/* Open the model of [train] init (or [llm] model) for [train] stage, with weights and memory for gradients.
 * OK | E_CONFIG | E_NOTFOUND | E_FORMAT | E_SHAPE | E_UNSUPPORTED | E_NOMEM | E_DEVICE [any-thread, may-block] */
VITA_EXPORT vita_status vita_trainer_open(vita_context *context, vita_trainer **out, vita_error *err);
VITA_EXPORT void vita_trainer_close(vita_trainer *trainer);            /* NULL is a no-op [one-thread] */

/* What is trained, and where. Strings live as long as the trainer. */
typedef struct vita_trainer_info {
	uint32_t struct_size;
	uint32_t n_heads;
	const char *stage;
	const char *backend;
	uint64_t n_parameters;     /* values, of the whole model */
	uint64_t n_trained;        /* of those, trained ones */
} vita_trainer_info;
VITA_EXPORT void vita_trainer_describe(const vita_trainer *trainer, vita_trainer_info *info); /* [any-thread] */

/* ---- checking -------------------------------------------------------------------------------------- */

/* One number or tensor of a file against what comes out here. error is the largest difference, relative to the
 * file's largest magnitude in that tensor; for after.NAME, to 1 where that is smaller. name lives during the call. */
typedef void (*vita_train_compared)(void *user, const char *name, double error);

typedef struct vita_train_check {
	uint32_t struct_size;
	uint32_t n_compared;       /* numbers and tensors */
	double worst;              /* largest of their errors; infinite where something is not finite */
	double tolerance;          /* what the errors should be below */
	int64_t n_items;           /* labels that the file's sums are divided by; 0: each by its own number of them */
	char worst_name[96];
} vita_train_check;

/* Compare with the safetensors file at path: input_ids, position_ids, labels, and what they give: loss, main_ce,
 * mtp_ce and grad.NAME; or, after several steps of AdamW on them, losses, grad_norms and after.NAME (the
 * trainer's weights then are not those it was opened with any more).
 * OK (also where the errors are large) | E_NOTFOUND | E_FORMAT | E_SHAPE | E_DEVICE  [one-thread, may-block] */
VITA_EXPORT vita_status vita_trainer_check(vita_trainer *trainer, const char *path, vita_train_compared compared,
                                           void *user, vita_train_check *result, vita_error *err);

/* ---- training -------------------------------------------------------------------------------------- */

/* Means over the optimizer steps since the last report, or an evaluation of the held-out set. */
typedef struct vita_train_report {
	uint32_t struct_size;
	uint32_t evaluation;       /* 1: of the held-out set; rate, norm and speed are 0 */
	int64_t step;              /* 1 … steps */
	int64_t steps;
	double loss, main_ce;
	const double *head_ce;     /* [n_heads]; during the call */
	uint32_t n_heads;
	uint32_t reserved;
	double learning_rate;      /* of the language model's group */
	double gradient_norm;      /* before clipping */
	int64_t tokens;            /* trained on so far */
	double tokens_per_second;  /* since the last report */
	double seconds;            /* since the run began */
	const char *json;          /* all this as one line, as in the output's log.jsonl; during the call */
} vita_train_report;

/* Either function may be NULL. Called on the thread that runs. */
typedef struct vita_train_events {
	uint32_t struct_size;
	uint32_t reserved;
	void *user;
	void (*report)(void *user, const vita_train_report *report);
	void (*note)(void *user, const char *text); /* one sentence worth telling: a checkpoint, a skipped sample */
} vita_train_events;

/* Several processes that train one model, each on its share of every step's sequences (MPI, say): a step then has
 * size times [train] accumulate of them. All read the same config and data; rank 0 alone writes and reports. */
typedef struct vita_train_group {
	uint32_t struct_size;
	uint32_t rank, size;       /* rank 0 … size-1 */
	uint32_t reserved;
	void *user;
	/* Replace n values by their sums over all members, bit for bit the same on each. */
	vita_status (*sum_floats)(void *user, float *values, uint64_t n, vita_error *err);
	vita_status (*sum_doubles)(void *user, double *values, uint64_t n, vita_error *err);
} vita_train_group;

/* Make the trainer a member, before it runs; group must live until close.             [one-thread] */
VITA_EXPORT void vita_trainer_join(vita_trainer *trainer, const vita_train_group *group);

/* Train for [train] steps, or go on with a run that [train] resume names. After E_CANCELLED the state has been
 * saved. After any other failure the last good checkpoint stands, and the sentence names it.
 * OK | E_CANCELLED | E_CONFIG | E_STATE (the output holds a run already) | E_IO | E_INVALID (a loss that is not
 * finite) | E_NOMEM | E_DEVICE                                                       [one-thread, may-block] */
VITA_EXPORT vita_status vita_trainer_run(vita_trainer *trainer, const vita_train_events *events,
                                         const vita_cancel *cancel, vita_error *err);

#ifdef __cplusplus
}
#endif
#endif
