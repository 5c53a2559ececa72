/* SPDX-License-Identifier: MIT
 *
 * Shapes of the models around a language model, and the words that all shapes are written in.
 */
#ifndef VITA_FILES_SYNTHETIC_SHAPES_H
#define VITA_FILES_SYNTHETIC_SHAPES_H

#include "files/model.h"

typedef struct vita_synthetic_builder {
	vita_model *model;
	uint32_t dtype; /* of tensors with more than one dimension */
	vita_status status;
	vita_error *err;
} vita_synthetic_builder;

/* A tensor of rank 1 to 3, its name as printf has it; shape [rank]. Vectors are f32; what is no whole number of
 * blocks falls back to q8_0 or bf16. */
VITA_PRINTF(4, 5)
void vita_synthetic_add(vita_synthetic_builder *b, uint32_t rank, const int64_t *shape, const char *format, ...);

/* A shape that knows itself. Its settings say in "vita_section" to which section of a config it belongs. */
typedef struct vita_synthetic_shape {
	const char *name;
	uint32_t dtype;            /* where none is asked for */
	json_t *(*settings)(void); /* NULL: no memory */
	void (*tensors)(vita_synthetic_builder *b);
} vita_synthetic_shape;

extern const vita_synthetic_shape vita_synthetic_decoder;
extern const vita_synthetic_shape vita_synthetic_tokenizer;
extern const vita_synthetic_shape vita_synthetic_sensevoice;

#endif
