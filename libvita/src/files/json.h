/* SPDX-License-Identifier: MIT
 *
 * Inside libvita: JSON documents of strangers, read with jansson behind limits on their size, depth
 * and number of values, so that memory grows in proportion to the file and no stack with its depth.
 */
#ifndef VITA_FILES_JSON_H
#define VITA_FILES_JSON_H

#include <vita/types.h>

#include <jansson.h>
#include <stdbool.h>

/* Deeper than any model's settings, far from any thread's stack. */
#define VITA_JSON_MAX_DEPTH 64u

/* Parse size bytes of UTF-8; origin is the file's name for messages, "ORIGIN:LINE: …". Duplicate keys
 * are errors. The caller owns *out (json_decref).                OK | E_FORMAT | E_NOMEM */
vita_status vita_json_parse(const char *text, size_t size, const char *origin, json_t **out, vita_error *err);

/* Read a file of at most max_bytes whose outermost value is an object.
 * OK | E_NOTFOUND | E_IO | E_FORMAT | E_NOMEM */
vita_status vita_json_read(const char *path, uint64_t max_bytes, json_t **out, vita_error *err);

/* "a string", "an object" …: what a value is, for "…, but is %s". */
const char *vita_json_kind(const json_t *value);

/* Whether these bytes are well-formed UTF-8: what JSON, and so everything read from it, is made of. */
bool vita_is_utf8(const char *text, size_t size);

#endif
