/* SPDX-License-Identifier: MIT
 *
 * What tests of text share: golden files of JSON lines, ids in JSON, tokenizers from strings.
 */
#ifndef TEXT_SUPPORT_H
#define TEXT_SUPPORT_H

#include "unit.h"

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include <vita/context.h>
#include <vita/tokenizer.h>

#include "text/tokenizer_private.h"
#include "text/utf8.h"

VITA_UNUSED static const char *golden_path(const char *name)
{
	static char path[1024];
	(void)snprintf(path, sizeof path, "%s/tests/golden/text-tokenizer/%s", unit_srcdir(), name);
	return path;
}

/* The lines of a golden file as a list. */
VITA_UNUSED static json_t *golden_lines(const char *name)
{
	json_t *lines = json_array(), *line;
	FILE *file = fopen(golden_path(name), "rb");
	assert_non_null(file);
	while ((line = json_loadf(file, JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, NULL)) != NULL)
		json_array_append_new(lines, line);
	(void)fclose(file);
	assert_true(json_array_size(lines) > 0);
	return lines;
}

VITA_UNUSED static json_t *golden_json(const char *name)
{
	json_t *value = json_load_file(golden_path(name), 0, NULL);
	assert_non_null(value);
	return value;
}

VITA_UNUSED static json_t *ids_to_json(const int32_t *ids, uint64_t n)
{
	json_t *list = json_array();
	for (uint64_t i = 0; i < n; i++)
		json_array_append_new(list, json_integer(ids[i]));
	return list;
}

/* Ids of a JSON list; free() them. */
VITA_UNUSED static int32_t *ids_of_json(const json_t *list, size_t *n)
{
	*n = json_array_size(list);
	int32_t *ids = malloc((*n + 1) * sizeof *ids);
	assert_non_null(ids);
	for (size_t i = 0; i < *n; i++)
		ids[i] = (int32_t)json_integer_value(json_array_get(list, i));
	return ids;
}

VITA_UNUSED static void assert_ids(const char *what, const int32_t *ids, uint64_t n, const json_t *expected)
{
	json_t *got = ids_to_json(ids, n);
	if (!json_equal(got, expected))
		fail_msg("%s: got %s, expected %s", what, json_dumps(got, JSON_COMPACT),
			 json_dumps(expected, JSON_COMPACT));
	json_decref(got);
}

VITA_UNUSED static void assert_encodes(const vita_tokenizer *tokenizer, const char *text, size_t size,
				       uint32_t flags, const json_t *expected)
{
	vita_error err;
	int32_t *ids;
	uint64_t n;
	if (vita_tokenizer_encode(tokenizer, text, size, flags, &ids, &n, &err) != VITA_OK)
		fail_msg("\"%s\": %s", text, err.message);
	assert_ids(text, ids, n, expected);
	vita_free(ids);
}

/* The same with the ids written as JSON. */
VITA_UNUSED static void assert_encodes_to(const vita_tokenizer *tokenizer, const char *text, uint32_t flags,
					  const char *expected)
{
	json_t *ids = json_loads(expected, 0, NULL);
	assert_non_null(ids);
	assert_encodes(tokenizer, text, strlen(text), flags, ids);
	json_decref(ids);
}

VITA_UNUSED static vita_tokenizer *golden_tokenizer(void)
{
	vita_error err;
	vita_tokenizer *tokenizer;
	if (vita_tokenizer_open(golden_path("tokenizer.json"), &tokenizer, &err) != VITA_OK)
		fail_msg("%s", err.message);
	return tokenizer;
}

static inline json_t *describe_added(const char *content, json_int_t id, bool special, bool normalized)
{
	return json_pack("{s:I,s:s,s:b,s:b}", "id", id, "content", content, "special", special, "normalized",
			 normalized);
}

/* The golden tokenizer with the added tokens of one of VITA-Audio's layouts instead of its own. */
VITA_UNUSED static json_t *vita_document(const char *layout, bool normalized)
{
	json_t *document = golden_json("tokenizer.json"), *all = golden_json("vita_added_tokens.json");
	json_t *source = json_object_get(all, layout), *list = json_array(), *token;
	const char *lists[] = {"qwen2.5_added", "vita_added_special"};
	size_t i;
	for (size_t k = 0; k < 2; k++) {
		json_array_foreach(json_object_get(source, lists[k]), i, token)
		{
			const json_t *special = json_object_get(token, "special");
			json_array_append_new(
				list, describe_added(json_string_value(json_object_get(token, "content")),
						     json_integer_value(json_object_get(token, "id")),
						     !json_is_false(special), false));
		}
	}
	const json_t *audio = json_object_get(source, "audio");
	json_int_t first = json_integer_value(json_object_get(audio, "first_id"));
	json_int_t count = json_integer_value(json_object_get(audio, "count"));
	for (json_int_t k = 0; k < count; k++) {
		char content[32];
		(void)snprintf(content, sizeof content, "<|audio_%d|>", (int)k);
		json_array_append_new(list, describe_added(content, first + k, false, normalized));
	}
	json_object_set_new(document, "added_tokens", list);
	json_decref(all);
	return document;
}

VITA_UNUSED static vita_tokenizer *vita_layout_tokenizer(const char *layout, bool normalized)
{
	json_t *document = vita_document(layout, normalized);
	vita_tokenizer *tokenizer;
	vita_error err;
	if (vita_tokenizer_build(document, NULL, NULL, NULL, &tokenizer, &err) != VITA_OK)
		fail_msg("%s", err.message);
	json_decref(document);
	return tokenizer;
}

/* A document whose vocabulary is the 256 bytes, each with its value as id, without merges, with these
 * steps of pre-tokenization (JSON). */
VITA_UNUSED static json_t *byte_document(const char *steps)
{
	json_t *vocab = json_object(), *pre_tokenizer = json_loads(steps, JSON_DECODE_ANY, NULL);
	assert_non_null(pre_tokenizer);
	for (int32_t code = 0; code < 0x150; code++) {
		uint8_t name[5] = {0};
		int byte = vita_byte_alphabet_byte(code);
		if (byte < 0) continue;
		(void)vita_utf8_put(code, name);
		json_object_set_new(vocab, (const char *)name, json_integer(byte));
	}
	assert_int_equal(json_object_size(vocab), 256);
	return json_pack("{s:o,s:{s:s,s:o,s:[]}}", "pre_tokenizer", pre_tokenizer, "model", "type", "BPE",
			 "vocab", vocab, "merges");
}

/* Build from a document and drop it. */
VITA_UNUSED static vita_tokenizer *tokenizer_of(json_t *document)
{
	vita_tokenizer *tokenizer;
	vita_error err;
	assert_non_null(document);
	if (vita_tokenizer_build(document, NULL, NULL, NULL, &tokenizer, &err) != VITA_OK)
		fail_msg("%s", err.message);
	json_decref(document);
	return tokenizer;
}

#endif
