/* SPDX-License-Identifier: MIT
 *
 * What a vita_tokenizer is made of, and how its parts are put together.
 */
#ifndef VITA_TEXT_TOKENIZER_PRIVATE_H
#define VITA_TEXT_TOKENIZER_PRIVATE_H

#include <vita/tokenizer.h>

#include <jansson.h>

#include "text/added.h"
#include "text/bpe.h"
#include "text/lists.h"
#include "text/normalize.h"
#include "text/split.h"

/* Never changed after open. */
struct vita_tokenizer {
	vita_bpe bpe;
	vita_added added;            /* looked for in the text as it is */
	vita_added added_normalized; /* looked for in normalized text; contents normalized */
	uint32_t normal_form;        /* VITA_NORMAL_* */
	vita_split split;
};

/* Build from the documents of a tokenizer.json and of its companions, which may be NULL. Vocabulary and
 * merges are those of the lists, or where that is NULL the document's. Sentences do not name the file. All
 * stays the caller's.                                                       [any-thread, may-block] */
vita_status vita_tokenizer_build(const json_t *document, const vita_lists *lists, json_t *added_tokens,
				 const json_t *config, vita_tokenizer **out, vita_error *err);

/* Id of the added token of exactly this content, -1 where there is none. */
int32_t vita_tokenizer_find_added(const vita_tokenizer *tokenizer, const char *content, size_t size);

/* A part of a text to encode: bytes, or ids that stand between texts as an added token would. */
typedef struct vita_segment {
	const char *text; /* UTF-8; NULL where the segment is ids */
	uint64_t size;
	const int32_t *ids;
	uint64_t n_ids;
	bool markup; /* added tokens in this text are meant; elsewhere they are just letters */
} vita_segment;

/* Encode segments as if their texts were one: pieces and merges cross their borders, only added tokens
 * do not. Appends to ids. OK | E_NOMEM | E_INVALID | E_UNSUPPORTED   [any-thread, may-block] */
vita_status vita_segments_encode(const vita_tokenizer *tokenizer, const vita_segment *segments,
				 size_t n_segments, vita_ids *ids, vita_error *err);

#endif
