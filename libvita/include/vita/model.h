/* SPDX-License-Identifier: MIT
 *
 * vita/model.h - model files: their settings and tensors, whatever the format.
 *
 * open -> (any number of reads from any threads) -> close.
 *
 * A model is what [llm] model, [encoder] model or [codec] model names:
 *   a Hugging Face directory   config.json, generation_config.json and preprocessor_config.json where there, and
 *                              model.safetensors, or model.safetensors.index.json with its shards, or
 *                              numbered shards, or whatever single *.safetensors file there is, or, where there
 *                              are none of these, model.gguf (whose settings count where the directory has none)
 *   "synthetic:SHAPE[:TYPE]"   no file at all: random weights of a published size ("qwen2.5-0.5b" …
 *                              "qwen2.5-72b", "vita-audio-7b" …; bf16 or TYPE), each tensor made when it is
 *                              asked for, for measuring
 *   one safetensors file       tensors only; settings come from its __metadata__ as strings
 *   one GGUF file              of version 2 or 3: tensors, settings and tokenizer in one. Models of the
 *                              architectures qwen2, qwen3 and llama have their tensors and settings under
 *                              the names of Hugging Face checkpoints (doc/formats.md has the tables),
 *                              others under their own
 *   one PyTorch checkpoint     .pt as torch.save writes it since 1.6: the tensors of a state dict, and no settings.
 *                              Its pickle is read as data; nothing in it is ever run
 * Files are mapped, not copied. They may be truncated or hostile: open checks every length, offset,
 * shape and name before anything is believed, and allocates in proportion to the file, never to a
 * number that the file claims.
 *
 * Applications call the functions below; modules call the same functions through vita_host.
 */
#ifndef VITA_MODEL_H
#define VITA_MODEL_H

#include <vita/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vita_model vita_model;

/* What a model must have to be opened; or'ed into vita_model_open's `want`. */
#define VITA_MODEL_WANT_TENSORS 1u /* weights must be there and whole */
#define VITA_MODEL_WANT_CONFIG 2u  /* config.json must be there */

/* Open path (a directory or a file) and map its files. With want = 0 the path must exist and whatever
 * is there is opened: a directory that only holds a tokenizer.json is a model without tensors.
 * OK | E_NOTFOUND | E_IO | E_FORMAT | E_NOMEM                              [any-thread, may-block] */
VITA_EXPORT vita_status vita_model_open(const char *path, uint32_t want, vita_model **out, vita_error *err);

/* Unmaps everything; pointers from this model die with it. NULL is a no-op.        [one-thread] */
VITA_EXPORT void vita_model_close(vita_model *model);

/* The path as given to open, and the path of a file beside the model's own ("tokenizer.json"), which
 * need not exist. Both live as long as the model; file_path returns NULL when memory is out or when
 * name holds a '/' or "..".                                                        [any-thread] */
VITA_EXPORT const char *vita_model_path(const vita_model *model);
VITA_EXPORT const char *vita_model_file_path(vita_model *model, const char *name);

/* ---- settings ------------------------------------------------------------------------------------
 * `file` chooses the document: VITA_CONFIG_MODEL is config.json, VITA_CONFIG_GENERATION is
 * generation_config.json, VITA_CONFIG_PREPROCESSOR preprocessor_config.json, VITA_CONFIG_YAML is config.yaml, as
 * some audio models have it; of a model that is a directory. In YAML, HyperPyYAML's "!ref <name>" of a top-level scalar
 * is its value, other tags build nothing, and the class of "!new:" and "!name:" is a member of that name. `key` is a
 * member name; a dot reaches into objects ("rope_scaling.type"), and a number into lists ("dilations.0").
 * The getters return OK and fill *out; or NOTFOUND (absent or null) and E_FORMAT (of another type or
 * out of range, with a sentence that names file, key and what was expected), both leaving *out alone:
 * set the default before the call and pass on only E_FORMAT.                       [any-thread] */
#define VITA_CONFIG_MODEL 0u
#define VITA_CONFIG_GENERATION 1u
#define VITA_CONFIG_PREPROCESSOR 2u
#define VITA_CONFIG_YAML 3u

VITA_EXPORT vita_status vita_model_get_int(const vita_model *model, uint32_t file, const char *key,
                                           int64_t min, int64_t max, int64_t *out, vita_error *err);
VITA_EXPORT vita_status vita_model_get_float(const vita_model *model, uint32_t file, const char *key,
                                             double *out, vita_error *err);
VITA_EXPORT vita_status vita_model_get_bool(const vita_model *model, uint32_t file, const char *key,
                                            int32_t *out, vita_error *err);

/* The string lives as long as the model. */
VITA_EXPORT vita_status vita_model_get_string(const vita_model *model, uint32_t file, const char *key,
                                              const char **out, vita_error *err);

/* A list of integers, or one integer as a list of one. Fills at most capacity entries and sets *count
 * to how many there are. */
VITA_EXPORT vita_status vita_model_get_ints(const vita_model *model, uint32_t file, const char *key,
                                            int64_t *out, uint32_t capacity, uint32_t *count, vita_error *err);

/* The i-th string of a list ("architectures", 0). */
VITA_EXPORT vita_status vita_model_get_list_string(const vita_model *model, uint32_t file, const char *key,
                                                   uint32_t i, const char **out, vita_error *err);

/* What the files say of themselves, for people: GGUF metadata in the order of their keys' bytes, the
 * __metadata__ of safetensors files. Long texts and lists are cut. Pointers live as long as the model.
 * metadata_at: E_INVALID where there is no such index.                             [any-thread] */
typedef struct vita_metadata {
	uint32_t struct_size;
	uint32_t reserved;
	const char *key;
	const char *text;
} vita_metadata;

VITA_EXPORT uint64_t vita_model_n_metadata(const vita_model *model);
VITA_EXPORT vita_status vita_model_metadata_at(const vita_model *model, uint64_t index, vita_metadata *out);

/* ---- tensors -------------------------------------------------------------------------------------
 * Tensors are numbered in the order of their names' bytes. array->data points into the mapped pages
 * (aligned as the file is, perhaps not to the element size) and array->name into the model; both live
 * as long as the model.                                                            [any-thread] */
VITA_EXPORT uint64_t vita_model_n_tensors(const vita_model *model);
VITA_EXPORT vita_status vita_model_tensor_at(const vita_model *model, uint64_t index, vita_array *out);

/* What the file itself says of a tensor. Files may hold types and ranks that nothing here computes with
 * (F64, I64, BOOL, F8_E4M3, five dimensions): these can be listed, are given by tensor_at with dtype
 * VITA_DTYPE_NONE, rank 0 and data NULL, and vita_model_tensor refuses them with E_UNSUPPORTED. Pointers
 * live as long as the model. E_INVALID where there is no such index. */
typedef struct vita_tensor_info {
	uint32_t struct_size;
	uint32_t rank;
	const int64_t *shape; /* rank sizes */
	const char *name;
	const char *type;     /* in the file's own words: "BF16" */
	const char *path;     /* the file that holds it */
	uint64_t n_values;
	uint64_t size_bytes;  /* 0 where the type is unknown */
	uint32_t dtype;       /* VITA_DTYPE_NONE: only listed */
	uint32_t reserved;
} vita_tensor_info;

VITA_EXPORT vita_status vita_model_tensor_describe(const vita_model *model, uint64_t index,
                                                   vita_tensor_info *out);

/* By name; rank and shape must match unless rank is 0. shape entries of -1 match any size, and are how
 * a caller reads a size it does not know. E_NOTFOUND names the tensor and the model, E_SHAPE what was
 * expected and what was found, E_UNSUPPORTED the type that cannot be used. */
VITA_EXPORT vita_status vita_model_tensor(const vita_model *model, const char *name, uint32_t rank,
                                          const int64_t *shape, vita_array *out, vita_error *err);

/* ---- writing -------------------------------------------------------------------------------------
 * Write arrays (dense, named) as one safetensors file, whole or not at all: a file beside it is
 * written, synced and renamed over path. Metadata: n_metadata pairs of key and value; may be 0. */
VITA_EXPORT vita_status vita_safetensors_write(const char *path, const vita_array *arrays, uint64_t n_arrays,
                                               const char *const *metadata, uint32_t n_metadata,
                                               vita_error *err);

/* Convert n values between f32, f16, bf16, i32 and the block types; source and target may be unaligned and
 * do not overlap. Plain types: rounded once, to nearest, ties to even; what is too large
 * becomes infinite, NaN stays NaN. To i32, what is out of range becomes the nearest end and NaN 0.
 * Block types: the scales of smallest squared error among a few; NaN becomes 0.
 * OK | E_UNSUPPORTED (other pairs) | E_INVALID (n is no whole number of blocks)    [any-thread] */
VITA_EXPORT vita_status vita_convert(uint32_t from, const void *source, uint32_t to, void *target,
                                     uint64_t n, vita_error *err);

#ifdef __cplusplus
}
#endif
#endif
