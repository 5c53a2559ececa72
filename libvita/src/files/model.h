/* SPDX-License-Identifier: MIT
 *
 * Inside libvita: what a vita_model is made of, and what a reader of one file format needs to fill it.
 *
 * A reader recognises a file by its first bytes, gets it mapped, and calls vita_model_add_tensor for
 * each tensor and vita_model_set_document for the settings. It checks what is its format's own (offsets,
 * sizes); names and shapes are copied, data stays where it is mapped. Another format is another reader
 * in the table of model.c.
 */
#ifndef VITA_FILES_MODEL_H
#define VITA_FILES_MODEL_H

#include "files/json.h"
#include "files/map.h"

#include <vita/model.h>

#include <pthread.h>

#define VITA_N_DOCUMENTS 4

typedef struct vita_model_entry {
	const char *name;     /* in the model's arena, as type and shape */
	const char *type;     /* the file's own word: "BF16" */
	const int64_t *shape; /* outermost first */
	const unsigned char *data;
	uint64_t size_bytes;
	uint64_t n_values; /* 0 where the type is unknown and the shape too large to count */
	uint32_t rank;
	uint32_t dtype; /* VITA_DTYPE_NONE: listed only */
	uint32_t file;  /* index into the model's files */
} vita_model_entry;

typedef struct vita_model_file {
	char *path;
	vita_map map;
} vita_model_file;

typedef struct vita_model_document {
	char *path;   /* for messages; NULL where the model has no such document */
	json_t *root; /* an object */
	bool is_text; /* flat, all values texts that may spell numbers; keys may have dots */
	const char *failure; /* why it could not be read, told to who asks for a value; in the arena */
	vita_status status;
} vita_model_document;

struct vita_model {
	char *path;      /* as given to open */
	char *directory; /* with a '/' at its end, or "" */
	bool is_directory;
	bool is_synthetic; /* numbers are made when asked for: synthetic.h */
	bool is_blank;     /* … and are all 0: who asks wants shapes only */
	vita_arena arena;
	vita_model_document documents[VITA_N_DOCUMENTS];
	vita_model_file *files;
	uint32_t n_files, files_capacity;
	vita_model_entry *entries; /* by name once open */
	size_t n_entries, entries_capacity;
	pthread_mutex_t lock; /* of beside and, once open, the arena */
	struct vita_model_beside *beside;
	vita_metadata *metadata;
	size_t n_metadata, metadata_capacity;
	struct vita_gguf *gguf; /* NULL: not such a file */
};

typedef struct vita_model_format {
	const char *name;
	/* Do these first bytes (up to 16) of a file begin one of this format? */
	bool (*matches)(const unsigned char *head, size_t size);
	vita_status (*read)(vita_model *model, uint32_t file, vita_error *err);
} vita_model_format;

extern const vita_model_format vita_format_safetensors;
extern const vita_model_format vita_format_gguf;
extern const vita_model_format vita_format_checkpoint;

/* ---- for readers --------------------------------------------------------------------------------- */

/* Copies name, type and shape of *entry; the rest as it is. E_NOMEM. */
vita_status vita_model_add_tensor(vita_model *model, const vita_model_entry *entry, vita_error *err);

/* Takes a reference to root. Does nothing where there is such a document already. */
vita_status vita_model_set_document(vita_model *model, uint32_t document, const char *path, json_t *root,
                                    bool is_text, vita_error *err);

/* Copies both. E_NOMEM. */
vita_status vita_model_add_metadata(vita_model *model, const char *key, const char *text, vita_error *err);

/* Product of the dimensions; false where it exceeds INT64_MAX or one is negative. */
bool vita_shape_count(const int64_t *shape, size_t rank, uint64_t *count);

/* ---- within files/ ------------------------------------------------------------------------------- */

/* Map path and hand it to the reader that knows it; *file is its index. */
vita_status vita_model_read_file(vita_model *model, const char *path, uint32_t *file, vita_error *err);

/* What a directory whose weights are in GGUF calls them. */
#define VITA_GGUF_NAME "model.gguf"

/* Open config.json, generation_config.json and the weights of the model's directory. */
vita_status vita_model_read_directory(vita_model *model, uint32_t want, vita_error *err);

/* directory + name, NULL when memory is out; free() it. */
char *vita_model_join(const vita_model *model, const char *name);

/* ---- for the rest of libvita --------------------------------------------------------------------- */

/* Whether an open model has what `want` asks for, with vita_model_open's sentences. */
vita_status vita_model_require(const vita_model *model, uint32_t want, vita_error *err);

/* A device has a copy of this tensor's data: the memory may go back to the system until somebody asks again. The
 * data of a synthetic model must be asked for again before it is read. */
void vita_model_release(vita_model *model, const void *data, uint64_t size);

#endif
