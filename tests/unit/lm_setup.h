/* SPDX-License-Identifier: MIT
 *
 * A language model with its heads, opened as the engine would through libvita's context, and a driver of the
 * main/head schedule that is written from the specification alone.
 */
#ifndef LM_SETUP_H
#define LM_SETUP_H

#include "lm_trace.h"
#include "unit.h"

#include "host/context_internal.h"

#include <vita/head.h>
#include <vita/record.h>

typedef struct lm {
	vita_context *context;
	const vita_host *host;
	const vita_device *device; /* the backend's own */
	lm_trace *llm_trace;       /* devices in front of it: what the LLM and the heads compute on */
	lm_trace *head_trace;      /* the same where the heads share the LLM's */
	vita_model *model;
	const vita_llm_api *llm_api;
	const vita_head_api *head_api;
	vita_llm *llm;
	vita_head *head; /* NULL where the model has none */
	vita_llm_info info;
	vita_head_info head_info;
} lm;

/* How to open one; zeroed is the default. */
typedef struct lm_options {
	const char *const *settings; /* "section.key=value", NULL-terminated; or NULL */
	int apart;                   /* the heads get a device of their own */
	int no_heads;
} lm_options;

/* OK, or the failure of whatever failed with nothing left open. */
vita_status lm_open(lm *m, const char *path, const lm_options *options, vita_error *err);
void lm_close(lm *m);

/* A golden model by name, opened or the test fails. */
void lm_open_golden(lm *m, const char *name, const lm_options *options);

/* Fails the test with the sentence. */
void lm_ok(vita_status status, const vita_error *err);

/* ---- one conversation ------------------------------------------------------------------------------ */

#define LM_MAX_TOKENS 1024

typedef struct lm_talk {
	lm *m;
	vita_llm_state *state;
	vita_head_state *head;
	int32_t tokens[LM_MAX_TOKENS];
	uint32_t n, n_prompt;
	uint32_t next;  /* head to ask next */
	uint32_t row;   /* of the newest logits in its stage: token - 1 - stage */
	uint32_t stage; /* 0 the backbone, k + 1 module k */
	float *logits;  /* of the newest step */
} lm_talk;

void lm_talk_open(lm_talk *t, lm *m, const int32_t *prompt, uint32_t n);
void lm_talk_close(lm_talk *t);

/* 'M' or 'm' of generated token j in a mode of n entries. */
char lm_schedule(const int32_t *mode, uint32_t n, uint32_t j);

/* Compute logits for the next token; the mode says who does. The caller then adds a token. */
void lm_talk_step(lm_talk *t, const int32_t *mode, uint32_t n_mode);
int32_t lm_talk_best(const lm_talk *t);
void lm_talk_add(lm_talk *t, int32_t token);

/* Only the first `length` tokens stand, on both sides. */
void lm_talk_cut(lm_talk *t, uint32_t length);

/* Largest difference as a share of the largest magnitude of b. */
double lm_distance(const float *a, const float *b, int64_t n);
double lm_distance_double(const float *a, const double *b, int64_t n);

/* ---- golden data ----------------------------------------------------------------------------------- */

/* Path of tests/golden/llm/NAME/FILE (FILE may be ""); the caller frees. */
char *lm_golden_path(const char *name, const char *file);

/* A tensor of a safetensors file, in its mapped pages; copied floats or ids, the caller frees. */
float *lm_golden_floats(vita_model *golden, const char *name, int64_t *rows);
int32_t *lm_golden_ids(vita_model *golden, const char *name, int64_t *n);

#endif
