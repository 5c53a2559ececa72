/* SPDX-License-Identifier: MIT
 *
 * Inside libvita: what a GGUF file says of its model, in the words of config.json.
 */
#ifndef VITA_FILES_GGUF_CONFIG_H
#define VITA_FILES_GGUF_CONFIG_H

#include "files/gguf.h"
#include "files/gguf_names.h"

#include <jansson.h>

/* The two documents whole, as files that this project writes carry them. */
#define VITA_GGUF_CONFIG_KEY "vita.config"
#define VITA_GGUF_GENERATION_KEY "vita.generation_config"

/* In config.json: queries and keys are rotated in neighbouring pairs. */
#define VITA_ROPE_KEY "rope_interleave"

typedef struct vita_gguf_description {
	json_t *config, *generation; /* objects; the caller's */
	vita_gguf_naming naming;
} vita_gguf_description;

/* OK | E_FORMAT | E_NOMEM; after a failure both documents are NULL. */
vita_status vita_gguf_describe(const vita_gguf *gguf, vita_gguf_description *out, vita_error *err);

/* A text of the metadata, fit for a C string; *out is "" where there is none. The copy lives as long as
 * the arena. OK | E_FORMAT (no text, or with NULs or bytes that are not UTF-8) | E_NOMEM */
vita_status vita_gguf_get_text(const vita_gguf *gguf, const char *key, vita_arena *arena, const char **out,
                               vita_error *err);

#endif
