/* SPDX-License-Identifier: MIT
 *
 * GGUF files made by hand, number for number as the format describes them, so that tests of the reader do not
 * lean on the writer.
 */
#ifndef TESTS_GGUF_SUPPORT_H
#define TESTS_GGUF_SUPPORT_H

#include "files_support.h"

/* Bytes that grow. */
typedef struct sink {
	unsigned char *data;
	size_t size;
} sink;

VITA_UNUSED static void put_bytes(sink *s, const void *data, size_t size)
{
	s->data = realloc(s->data, s->size + size + 1);
	assert_non_null(s->data);
	if (size > 0) memcpy(s->data + s->size, data, size);
	s->size += size;
}

VITA_UNUSED static void put_number(sink *s, uint64_t value, int bytes)
{
	for (int i = 0; i < bytes; i++, value >>= 8) put_bytes(s, &(unsigned char){ (unsigned char)value }, 1);
}

VITA_UNUSED static void put_string(sink *s, const char *text)
{
	put_number(s, strlen(text), 8);
	put_bytes(s, text, strlen(text));
}

VITA_UNUSED static void put_head(sink *s, uint32_t version, uint64_t n_tensors, uint64_t n_values)
{
	put_bytes(s, "GGUF", 4);
	put_number(s, version, 4);
	put_number(s, n_tensors, 8);
	put_number(s, n_values, 8);
}

/* ---- metadata ------------------------------------------------------------------------------------- */

VITA_UNUSED static void put_key(sink *s, const char *key, uint32_t type)
{
	put_string(s, key);
	put_number(s, type, 4);
}

VITA_UNUSED static void put_u32(sink *s, const char *key, uint32_t value)
{
	put_key(s, key, 4);
	put_number(s, value, 4);
}

VITA_UNUSED static void put_f32(sink *s, const char *key, float value)
{
	uint32_t bits;
	memcpy(&bits, &value, sizeof bits);
	put_key(s, key, 6);
	put_number(s, bits, 4);
}

VITA_UNUSED static void put_text_value(sink *s, const char *key, const char *value)
{
	put_key(s, key, 8);
	put_string(s, value);
}

VITA_UNUSED static void put_list(sink *s, const char *key, uint32_t item_type, uint64_t count)
{
	put_key(s, key, 9);
	put_number(s, item_type, 4);
	put_number(s, count, 8);
}

VITA_UNUSED static void put_texts(sink *s, const char *key, const char *const *texts, size_t n)
{
	put_list(s, key, 8, n);
	for (size_t i = 0; i < n; i++) put_string(s, texts[i]);
}

/* ---- tensors -------------------------------------------------------------------------------------- */

/* Sizes innermost first, as in the file; 0 sizes: `rank` says how many count. */
VITA_UNUSED static void put_tensor(sink *s, const char *name, uint32_t rank, uint64_t a, uint64_t b,
                                   uint32_t type, uint64_t offset)
{
	put_string(s, name);
	put_number(s, rank, 4);
	if (rank > 0) put_number(s, a, 8);
	if (rank > 1) put_number(s, b, 8);
	for (uint32_t i = 2; i < rank && i < 16; i++) put_number(s, 1, 8);
	put_number(s, type, 4);
	put_number(s, offset, 8);
}

/* Up to the next multiple of 32, then n bytes of data (byte i is i). */
VITA_UNUSED static void put_data(sink *s, size_t n)
{
	while (s->size % 32 != 0) put_number(s, 0, 1);
	for (size_t i = 0; i < n; i++) put_number(s, i & 255, 1);
}

/* Write what is in the sink, and empty it. */
VITA_UNUSED static void put_sink(const char *path, sink *s)
{
	put_file(path, s->data ? s->data : (unsigned char *)"", s->size);
	free(s->data);
	memset(s, 0, sizeof *s);
}

#endif
