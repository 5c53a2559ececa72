/* SPDX-License-Identifier: MIT
 *
 * Metadata values of GGUF files: found by key, read as numbers and texts, shown to people.
 */
#include "files/gguf.h"

#include "files/json.h"

#include <inttypes.h>
#include <stdlib.h>

static int compare_key(const void *key, const void *value)
{
	return strcmp(key, ((const vita_gguf_value *)value)->key);
}

const vita_gguf_value *vita_gguf_find(const vita_gguf *gguf, const char *key)
{
	return gguf->n_values == 0 ? NULL
	                           : bsearch(key, gguf->values, (size_t)gguf->n_values, sizeof *gguf->values,
	                                     compare_key);
}

static int compare_name(const void *name, const void *tensor)
{
	return strcmp(name, ((const vita_gguf_tensor *)tensor)->name);
}

const vita_gguf_tensor *vita_gguf_find_tensor(const vita_gguf *gguf, const char *name)
{
	return gguf->n_tensors == 0 ? NULL
	                            : bsearch(name, gguf->tensors, (size_t)gguf->n_tensors,
	                                      sizeof *gguf->tensors, compare_name);
}

static uint64_t bits_of(const vita_gguf_value *value, unsigned bytes)
{
	uint64_t bits = 0;
	while (bytes-- > 0) bits = bits << 8 | value->data[bytes];
	return bits;
}

bool vita_gguf_int(const vita_gguf_value *value, int64_t *out)
{
	uint64_t bits;
	switch (value->type) {
	case VITA_GGUF_BOOL: *out = value->data[0] != 0; return true;
	case VITA_GGUF_U8: *out = value->data[0]; return true;
	case VITA_GGUF_I8: *out = (int8_t)value->data[0]; return true;
	case VITA_GGUF_U16: *out = (int64_t)bits_of(value, 2); return true;
	case VITA_GGUF_I16: *out = (int16_t)bits_of(value, 2); return true;
	case VITA_GGUF_U32: *out = (int64_t)bits_of(value, 4); return true;
	case VITA_GGUF_I32: *out = (int32_t)bits_of(value, 4); return true;
	case VITA_GGUF_I64: *out = (int64_t)bits_of(value, 8); return true;
	case VITA_GGUF_U64:
		bits = bits_of(value, 8);
		*out = (int64_t)bits;
		return bits <= INT64_MAX;
	default: return false;
	}
}

double vita_gguf_decimal(float value)
{
	char text[32];
	for (int digits = 6; digits < 9; digits++) {
		(void)snprintf(text, sizeof text, "%.*g", digits, (double)value);
		if (strtof(text, NULL) == value) return strtod(text, NULL);
	}
	return (double)value;
}

bool vita_gguf_float(const vita_gguf_value *value, double *out)
{
	float narrow;
	uint64_t bits;
	if (value->type == VITA_GGUF_F32) {
		uint32_t half = (uint32_t)bits_of(value, 4);
		memcpy(&narrow, &half, sizeof narrow);
		*out = vita_gguf_decimal(narrow);
		return true;
	}
	if (value->type != VITA_GGUF_F64) return false;
	bits = bits_of(value, 8);
	memcpy(out, &bits, sizeof *out);
	return true;
}

bool vita_gguf_string(const vita_gguf_value *value, vita_gguf_text *out)
{
	if (value->type != VITA_GGUF_STRING) return false;
	out->size = bits_of(value, 8);
	out->data = (const char *)value->data + 8;
	return true;
}

bool vita_gguf_next(const vita_gguf_value *list, uint64_t *at, vita_gguf_value *item)
{
	static const unsigned char sizes[] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };
	if (list->type != VITA_GGUF_LIST || list->item_type == VITA_GGUF_LIST || *at >= list->size)
		return false;
	item->key = list->key;
	item->type = list->item_type;
	item->item_type = 0;
	item->count = 0;
	item->data = list->data + *at;
	item->size = sizes[list->item_type];
	if (list->item_type == VITA_GGUF_STRING) item->size = 8 + bits_of(item, 8);
	*at += item->size;
	return true;
}

/* ---- for people ----------------------------------------------------------------------------------- */

/* A text's bytes with a NUL, cut, ready for vita_show. */
static const char *show_text(vita_shown out, const vita_gguf_value *value)
{
	char cut[sizeof(vita_shown) + 4];
	vita_gguf_text text = { "", 0 };
	(void)vita_gguf_string(value, &text);
	size_t n = text.size < sizeof cut - 1 ? (size_t)text.size : sizeof cut - 1;
	memcpy(cut, text.data, n);
	while (n < text.size && n > 0 && ((unsigned char)text.data[n] & 0xc0) == 0x80)
		n--; /* no half character */
	cut[n] = '\0';
	for (size_t i = 0; i < n; i++)
		if (cut[i] == '\0') cut[i] = ' ';
	if (!vita_is_utf8(cut, n)) return "a text that is not UTF-8";
	return vita_show(out, cut);
}

static const char *show_scalar(vita_shown out, const vita_gguf_value *value)
{
	int64_t whole;
	double real;
	if (value->type == VITA_GGUF_STRING) return show_text(out, value);
	if (value->type == VITA_GGUF_BOOL) return value->data[0] ? "true" : "false";
	if (vita_gguf_int(value, &whole)) (void)snprintf(out, sizeof(vita_shown), "%" PRId64, whole);
	else if (vita_gguf_float(value, &real)) (void)snprintf(out, sizeof(vita_shown), "%.9g", real);
	else (void)snprintf(out, sizeof(vita_shown), "%" PRIu64, bits_of(value, 8));
	return out;
}

const char *vita_gguf_show(vita_gguf_shown out, const vita_gguf_value *value)
{
	vita_shown shown;
	vita_gguf_value item;
	uint64_t at = 0, n = 0;
	size_t used;

	if (value->type != VITA_GGUF_LIST) {
		(void)snprintf(out, sizeof(vita_gguf_shown), "%s", show_scalar(shown, value));
		return out;
	}
	if (value->item_type == VITA_GGUF_LIST) {
		(void)snprintf(out, sizeof(vita_gguf_shown), "%" PRIu64 " lists", value->count);
		return out;
	}
	used = (size_t)snprintf(out, sizeof(vita_gguf_shown), "[");
	while (n < 4 && vita_gguf_next(value, &at, &item))
		used += (size_t)snprintf(out + used, sizeof(vita_gguf_shown) - used, "%s%s", n++ ? ", " : "",
		                         show_scalar(shown, &item));
	if (n < value->count)
		(void)snprintf(out + used, sizeof(vita_gguf_shown) - used, ", ... %" PRIu64 " in all]",
		               value->count);
	else (void)snprintf(out + used, sizeof(vita_gguf_shown) - used, "]");
	return out;
}
