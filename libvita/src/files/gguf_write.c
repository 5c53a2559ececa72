/* SPDX-License-Identifier: MIT
 *
 * Putting GGUF files together, version 3.
 */
#include "files/gguf_write.h"

#include <stdlib.h>

static void put(vita_gguf_writer *w, const void *data, size_t size)
{
	if (w->failed) return;
	if (w->capacity - w->size < size) {
		size_t capacity = w->capacity ? w->capacity : 4096;
		while (capacity - w->size < size && capacity < SIZE_MAX / 2) capacity *= 2;
		unsigned char *grown = capacity - w->size < size ? NULL : realloc(w->values, capacity);
		if (!grown) {
			w->failed = true;
			return;
		}
		w->values = grown;
		w->capacity = capacity;
	}
	if (size > 0) memcpy(w->values + w->size, data, size);
	w->size += size;
}

static void put_number(vita_gguf_writer *w, uint64_t number, unsigned bytes)
{
	unsigned char little[8];
	for (unsigned i = 0; i < bytes; i++) little[i] = (unsigned char)(number >> 8 * i);
	put(w, little, bytes);
}

void vita_gguf_put_item_text(vita_gguf_writer *w, const char *text, size_t size)
{
	put_number(w, size, 8);
	put(w, text, size);
}

void vita_gguf_put_item_i32(vita_gguf_writer *w, int32_t item)
{
	put_number(w, (uint32_t)item, 4);
}

static void put_key(vita_gguf_writer *w, const char *key, uint32_t type)
{
	vita_gguf_put_item_text(w, key, strlen(key));
	put_number(w, type, 4);
	w->n_values++;
}

void vita_gguf_put_u32(vita_gguf_writer *w, const char *key, uint32_t value)
{
	put_key(w, key, VITA_GGUF_U32);
	put_number(w, value, 4);
}

void vita_gguf_put_f32(vita_gguf_writer *w, const char *key, float value)
{
	uint32_t bits;
	memcpy(&bits, &value, sizeof bits);
	put_key(w, key, VITA_GGUF_F32);
	put_number(w, bits, 4);
}

void vita_gguf_put_bool(vita_gguf_writer *w, const char *key, bool value)
{
	put_key(w, key, VITA_GGUF_BOOL);
	put_number(w, value, 1);
}

void vita_gguf_put_text(vita_gguf_writer *w, const char *key, const char *text, size_t size)
{
	put_key(w, key, VITA_GGUF_STRING);
	vita_gguf_put_item_text(w, text, size);
}

void vita_gguf_put_list(vita_gguf_writer *w, const char *key, uint32_t item_type, uint64_t count)
{
	put_key(w, key, VITA_GGUF_LIST);
	put_number(w, item_type, 4);
	put_number(w, count, 8);
}

void vita_gguf_put_copy(vita_gguf_writer *w, const vita_gguf_value *value)
{
	if (value->type == VITA_GGUF_LIST) vita_gguf_put_list(w, value->key, value->item_type, value->count);
	else put_key(w, value->key, value->type);
	put(w, value->data, (size_t)value->size);
}

/* ---- the head ------------------------------------------------------------------------------------- */

static uint64_t padded(uint64_t size)
{
	return (size + VITA_GGUF_ALIGNMENT - 1) / VITA_GGUF_ALIGNMENT * VITA_GGUF_ALIGNMENT;
}

/* Sizes innermost first; what has no dimensions is a row of one. */
static void describe(vita_gguf_writer *w, const vita_array *tensor, uint32_t type, uint64_t offset)
{
	uint32_t rank = tensor->rank > 0 ? tensor->rank : 1;
	vita_gguf_put_item_text(w, tensor->name, strlen(tensor->name));
	put_number(w, rank, 4);
	for (uint32_t i = rank; i-- > 0;) put_number(w, tensor->rank > 0 ? (uint64_t)tensor->shape[i] : 1, 8);
	put_number(w, type, 4);
	put_number(w, offset, 8);
}

vita_status vita_gguf_finish(const vita_gguf_writer *values, const char *path,
                             const vita_array *const *tensors, uint64_t n_tensors, unsigned char **head,
                             size_t *size, vita_error *err)
{
	vita_gguf_writer w = { .failed = values->failed };
	uint64_t offset = 0;
	vita_shown shown;
	vita_status status = VITA_OK;

	*head = NULL;
	*size = 0;
	put(&w, "GGUF", 4);
	put_number(&w, 3, 4);
	put_number(&w, n_tensors, 8);
	put_number(&w, values->n_values, 8);
	put(&w, values->values, values->size);
	for (uint64_t i = 0; i < n_tensors && status == VITA_OK; i++) {
		const vita_gguf_type *type = vita_gguf_type_of(tensors[i]->dtype);
		if (type) describe(&w, tensors[i], type->number, offset);
		else
			status = vita_fail(err, VITA_E_UNSUPPORTED,
			                   "%s: tensor \"%s\" is of type %s, which GGUF files do not have",
			                   path, vita_show(shown, tensors[i]->name),
			                   vita_dtype_name(tensors[i]->dtype));
		offset += padded(tensors[i]->size_bytes);
	}
	while (status == VITA_OK && !w.failed && w.size % VITA_GGUF_ALIGNMENT != 0) put_number(&w, 0, 1);
	if (status == VITA_OK && w.failed) status = vita_fail(err, VITA_E_NOMEM, "%s: out of memory", path);
	if (status != VITA_OK) {
		free(w.values);
		return status;
	}
	*head = w.values;
	*size = w.size;
	return VITA_OK;
}

void vita_gguf_writer_free(vita_gguf_writer *w)
{
	free(w->values);
	memset(w, 0, sizeof *w);
}
