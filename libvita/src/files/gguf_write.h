/* SPDX-License-Identifier: MIT
 *
 * Inside libvita: the part of a GGUF file that comes before its tensors' bytes, put together in memory.
 */
#ifndef VITA_FILES_GGUF_WRITE_H
#define VITA_FILES_GGUF_WRITE_H

#include "files/gguf.h"

/* Zero it to begin. Running out of memory is remembered until vita_gguf_finish. */
typedef struct vita_gguf_writer {
	unsigned char *values; /* metadata */
	size_t size, capacity;
	uint64_t n_values;
	bool failed;
} vita_gguf_writer;

void vita_gguf_put_u32(vita_gguf_writer *w, const char *key, uint32_t value);
void vita_gguf_put_f32(vita_gguf_writer *w, const char *key, float value);
void vita_gguf_put_bool(vita_gguf_writer *w, const char *key, bool value);
void vita_gguf_put_text(vita_gguf_writer *w, const char *key, const char *text, size_t size);
void vita_gguf_put_copy(vita_gguf_writer *w, const vita_gguf_value *value);

/* A list, to be followed by exactly count items. */
void vita_gguf_put_list(vita_gguf_writer *w, const char *key, uint32_t item_type, uint64_t count);
void vita_gguf_put_item_text(vita_gguf_writer *w, const char *text, size_t size);
void vita_gguf_put_item_i32(vita_gguf_writer *w, int32_t item);

/* The whole head: magic, counts, metadata, the tensors' descriptions (arrays need no data) and padding.
 * Tensors then follow in this order, each padded to VITA_GGUF_ALIGNMENT. free *head.
 * OK | E_NOMEM | E_UNSUPPORTED (a type that GGUF does not have) */
vita_status vita_gguf_finish(const vita_gguf_writer *w, const char *path, const vita_array *const *tensors,
                             uint64_t n_tensors, unsigned char **head, size_t *size, vita_error *err);

void vita_gguf_writer_free(vita_gguf_writer *w);

#endif
