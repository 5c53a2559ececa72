/* SPDX-License-Identifier: MIT
 *
 * vita/convert.h - models written in another format, or with weights of another type.
 */
#ifndef VITA_CONVERT_H
#define VITA_CONVERT_H

#include <vita/model.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vita_conversion {
	uint32_t struct_size;
	uint32_t dtype;            /* of the weights; VITA_DTYPE_NONE: as they are */
	const vita_cancel *cancel; /* may be NULL */
	void *user;                /* first argument of both functions, either of which may be NULL */

	/* After each piece of work: done of total bytes, and the tensor at hand. */
	void (*progress)(void *user, const char *tensor, uint64_t done, uint64_t total);

	/* Something that is not as one might have expected, in one sentence. */
	void (*note)(void *user, const char *text);
} vita_conversion;

/* Write the model to path: one GGUF file where path ends in ".gguf", the tensors alone where it ends in
 * ".safetensors", else a Hugging Face directory, which is made where there is none. Settings, tokenizer and
 * heads come along into GGUF files and directories.
 *
 * With a dtype of f32, f16 or bf16, all tensors of numbers with a fraction take it, but in GGUF files
 * vectors (norms, biases) are f32. A block type goes into GGUF files only, and is taken by the matrices of
 * language models and their heads; where rows are no whole number of its blocks, q8_0 stands in for q6_k,
 * q4_1 for q4_k, and f16 for those of 32 values. What vita_convert makes of a row is what is written.
 *
 * Each file appears whole or not at all, a directory's config.json last; a directory that holds a model
 * already stays as it is (E_STATE). Memory does not grow with the model.
 * OK | E_INVALID | E_UNSUPPORTED (a type that the format or vita_convert does not have) | E_FORMAT |
 * E_STATE | E_IO | E_NOTFOUND | E_NOMEM | E_CANCELLED                  [one-thread, may-block] */
VITA_EXPORT vita_status vita_model_convert(vita_model *model, const char *path, const vita_conversion *how,
                                           vita_error *err);

#ifdef __cplusplus
}
#endif
#endif
