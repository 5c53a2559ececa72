/* SPDX-License-Identifier: MIT
 *
 * JSON documents of strangers, read with jansson behind limits.
 */
#include "files/json.h"
#include "files/map.h"

#include <inttypes.h>
#include <utf8proc.h>

/* What jansson allocates, in units of about a hundred bytes: 4 for an object, 2 for an array, 1 for any other
 * value. Weights' headers and tokenizers have 6 bytes of text or more a unit; only large documents that
 * hold next to nothing else than brackets or one-digit lists go beyond. */
#define FREE_UNITS (1u << 20)
#define BYTES_A_UNIT 4u

static vita_status fail_at(vita_error *err, const char *origin, size_t line, const char *what)
{
	return vita_fail(err, VITA_E_FORMAT, "%s:%zu: %s", origin, line, what);
}

/* One pass over the text before jansson sees it. Up to the first syntax error both agree on where
 * strings begin and end, and jansson stops there, so nothing can be hidden from this count. */
static vita_status check_extent(const char *text, size_t size, const char *origin, vita_error *err)
{
	size_t depth = 0, line = 1;
	uint64_t units = 0, allowed = FREE_UNITS + size / BYTES_A_UNIT;
	bool in_string = false;

	for (size_t i = 0; i < size; i++) {
		char c = text[i];
		if (c == '\n') line++;
		if (in_string) {
			if (c == '\\') i++;
			else if (c == '"') in_string = false;
			continue;
		}
		if (c == '"') in_string = true;
		if (c == '{' || c == '[') depth++;
		if ((c == '}' || c == ']') && depth > 0) depth--;
		units += c == '{' ? 4 : c == '[' ? 2 : c == ',';
		if (depth > VITA_JSON_MAX_DEPTH)
			return fail_at(err, origin, line, "lists and objects are nested more than 64 deep");
		if (units > allowed)
			return fail_at(err, origin, line, "there are too many values for a file of its size");
	}
	return VITA_OK;
}

static vita_status fail_json(vita_error *err, const char *origin, const json_error_t *error)
{
	vita_shown text;
	size_t line = error->line > 0 ? (size_t)error->line : 1;

	switch (json_error_code(error)) {
	case json_error_unknown: /* what jansson says when memory is out, but for a few places */
	case json_error_out_of_memory:
		return vita_fail(err, VITA_E_NOMEM, "%s: out of memory while reading JSON", origin);
	case json_error_null_character:
	case json_error_null_byte_in_key:
		return fail_at(err, origin, line,
		               "a text contains the character NUL (\\u0000), which is not allowed");
	case json_error_premature_end_of_input:
		return fail_at(err, origin, line, "the JSON ends too early; the file may be truncated");
	default:
		return vita_fail(err, VITA_E_FORMAT, "%s:%zu:%d: is not valid JSON: %s", origin, line,
		                 error->column > 0 ? error->column : 1, vita_show(text, error->text));
	}
}

vita_status vita_json_parse(const char *text, size_t size, const char *origin, json_t **out, vita_error *err)
{
	json_error_t error;
	*out = NULL;
	if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		size -= 3;
	}
	vita_status status = check_extent(text, size, origin, err);
	if (status != VITA_OK) return status;
	*out = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
	return *out ? VITA_OK : fail_json(err, origin, &error);
}

vita_status vita_json_read(const char *path, uint64_t max_bytes, json_t **out, vita_error *err)
{
	vita_map map;
	*out = NULL;
	vita_status status = vita_map_open(path, &map, err);
	if (status != VITA_OK) return status;
	if (map.size > max_bytes)
		status = vita_fail(err, VITA_E_FORMAT,
		                   "%s: has %zu bytes; a file of this kind has at most %" PRIu64, path,
		                   map.size, max_bytes);
	else if (map.size == 0)
		status = vita_fail(err, VITA_E_FORMAT, "%s: is empty; a JSON object is needed", path);
	else status = vita_json_parse((const char *)map.data, map.size, path, out, err);
	vita_map_close(&map);
	if (status == VITA_OK && !json_is_object(*out)) {
		status = vita_fail(err, VITA_E_FORMAT, "%s: must hold a JSON object, but is %s", path,
		                   vita_json_kind(*out));
		json_decref(*out);
		*out = NULL;
	}
	return status;
}

const char *vita_json_kind(const json_t *value)
{
	if (!value) return "missing";
	switch (json_typeof(value)) {
	case JSON_OBJECT: return "an object";
	case JSON_ARRAY: return "a list";
	case JSON_STRING: return "a text";
	case JSON_INTEGER: return "an integer";
	case JSON_REAL: return "a fraction";
	case JSON_TRUE:
	case JSON_FALSE: return "true or false";
	default: return "null";
	}
}

bool vita_is_utf8(const char *text, size_t size)
{
	const utf8proc_uint8_t *bytes = (const utf8proc_uint8_t *)text;
	utf8proc_int32_t code;
	utf8proc_ssize_t left = (utf8proc_ssize_t)size, n = 0;
	while (left > 0 && (n = utf8proc_iterate(bytes, left, &code)) > 0) {
		bytes += n;
		left -= n;
	}
	return left == 0;
}
