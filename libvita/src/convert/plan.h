/* SPDX-License-Identifier: MIT
 *
 * Inside libvita: what a conversion is going to write, tensor by tensor.
 */
#ifndef VITA_CONVERT_PLAN_H
#define VITA_CONVERT_PLAN_H

#include "files/gguf_names.h"
#include "files/model.h"

#include <vita/convert.h>

#define VITA_TO_GGUF 0u
#define VITA_TO_SAFETENSORS 1u /* tensors alone */
#define VITA_TO_DIRECTORY 2u

/* How the rows of each head are to change places for RoPE: see vita/ops.h for the two orders. */
#define VITA_TURN_NONE 0u
#define VITA_TURN_TO_PAIRS 1u  /* j and j + half become 2j and 2j + 1 */
#define VITA_TURN_TO_HALVES 2u /* the way back */

typedef struct vita_plan_tensor {
	vita_array target;  /* as it will be; data only where it is made here and not in the model */
	const char *source; /* name in the model; NULL: target.data */
	int64_t head_rows;  /* where rows change places */
	uint32_t turn;
	uint32_t from;  /* type in the model */
	uint32_t place; /* in the file: the lower the earlier */
} vita_plan_tensor;

typedef struct vita_plan {
	vita_model *model;
	const char *path; /* of the target */
	const vita_conversion *how;
	uint32_t form;                              /* VITA_TO_* */
	json_t *config;                             /* borrowed from the model; NULL where it has none */
	json_t *generation;                         /* likewise */
	const vita_gguf_architecture *architecture; /* NULL: foreign, all names stay */
	vita_gguf_naming naming;
	vita_plan_tensor *tensors;
	const vita_array **order; /* the tensors' targets in the order of the file */
	uint64_t n_tensors;
	uint64_t n_bytes;
	vita_arena arena;
} vita_plan;

/* OK | E_INVALID | E_UNSUPPORTED | E_FORMAT | E_NOMEM; free it either way. */
vita_status vita_plan_make(vita_plan *plan, vita_model *model, const char *path, const vita_conversion *how,
                           vita_error *err);
void vita_plan_free(vita_plan *plan);

VITA_PRINTF(2, 3) void vita_plan_note(const vita_plan *plan, const char *format, ...);

/* An integer of config.json, `fallback` where there is none. */
int64_t vita_plan_int(const vita_plan *plan, const char *key, int64_t fallback);

#endif
