/* SPDX-License-Identifier: MIT
 *
 * Growing arrays for the text code: overflow-safe, doubling, unchanged when memory is out.
 */
#ifndef VITA_TEXT_BUFFER_H
#define VITA_TEXT_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct vita_bytes {
	uint8_t *data;
	size_t size, capacity;
} vita_bytes;

typedef struct vita_ids {
	int32_t *data;
	size_t size, capacity;
} vita_ids;

/* Make room for `more` elements of `width` bytes after the first `used`. False when memory is out. */
static inline bool vita_array_reserve(void **data, size_t *capacity, size_t used, size_t more, size_t width)
{
	if (*capacity - used >= more) return true;
	if (more > SIZE_MAX / width - used) return false;
	size_t need = used + more, grown = *capacity < SIZE_MAX / width / 2 ? *capacity * 2 : need;
	if (grown < need) grown = need;
	void *moved = realloc(*data, grown * width);
	if (!moved) return false;
	*data = moved;
	*capacity = grown;
	return true;
}

static inline bool vita_bytes_reserve(vita_bytes *bytes, size_t more)
{
	void *data = bytes->data;
	bool ok = vita_array_reserve(&data, &bytes->capacity, bytes->size, more, 1);
	bytes->data = data;
	return ok;
}

static inline bool vita_ids_reserve(vita_ids *ids, size_t more)
{
	void *data = ids->data;
	bool ok = vita_array_reserve(&data, &ids->capacity, ids->size, more, sizeof *ids->data);
	ids->data = data;
	return ok;
}

static inline bool vita_ids_append(vita_ids *ids, const int32_t *data, size_t size)
{
	if (!vita_ids_reserve(ids, size)) return false;
	if (size) memcpy(ids->data + ids->size, data, size * sizeof *data);
	ids->size += size;
	return true;
}

static inline bool vita_bytes_append(vita_bytes *bytes, const void *data, size_t size)
{
	if (!vita_bytes_reserve(bytes, size)) return false;
	if (size) memcpy(bytes->data + bytes->size, data, size);
	bytes->size += size;
	return true;
}

#endif
