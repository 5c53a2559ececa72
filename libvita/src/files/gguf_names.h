/* SPDX-License-Identifier: MIT
 *
 * Inside libvita: the two vocabularies of decoder models, that of GGUF files and that of Hugging Face
 * checkpoints: architectures, settings, tensors. doc/formats.md has the tables in prose.
 */
#ifndef VITA_FILES_GGUF_NAMES_H
#define VITA_FILES_GGUF_NAMES_H

#include <vita/types.h>

#include <stdbool.h>

typedef struct vita_gguf_architecture {
	const char *name;       /* general.architecture, and the first word of its keys */
	const char *model_type; /* what a file that says no more is called in config.json */
	const char *class_name; /* and under "architectures" */
	const char *kin; /* further model types that are written as this architecture, spaces around each */
	const char *heads_type; /* the two where it has multi-token prediction; NULL: the same */
	const char *heads_class;
	bool interleaved; /* rows of queries and keys lie so that RoPE turns neighbours (2j, 2j + 1) */
} vita_gguf_architecture;

/* NULL where it is not one whose names are known. */
const vita_gguf_architecture *vita_gguf_architecture_find(const char *name);
const vita_gguf_architecture *vita_gguf_architecture_for(const char *model_type);

/* Settings that are one number here and there. */
typedef struct vita_gguf_setting {
	const char *key;  /* behind "ARCHITECTURE." */
	const char *name; /* in config.json */
	bool is_float;
} vita_gguf_setting;

extern const vita_gguf_setting vita_gguf_settings[];
extern const size_t vita_gguf_n_settings;

/* The same for generation_config.json; keys are whole. */
extern const vita_gguf_setting vita_gguf_generation_settings[];
extern const size_t vita_gguf_n_generation_settings;

/* What the names of a model's tensors depend on. Module k of n_predict has layer number n_layers + k. */
typedef struct vita_gguf_naming {
	bool known; /* else all names stay as they are */
	int64_t n_layers, n_predict;
} vita_gguf_naming;

typedef char vita_gguf_name[128];

/* A tensor's other name, in out; where it has none, `name` itself. */
const char *vita_gguf_name_to_hf(const vita_gguf_naming *naming, const char *name, vita_gguf_name out);
const char *vita_gguf_name_from_hf(const vita_gguf_naming *naming, const char *name, vita_gguf_name out);

#endif
