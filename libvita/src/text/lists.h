/* SPDX-License-Identifier: MIT
 *
 * The two long lists of a tokenizer, vocabulary and merges, as slices of the file that they came from. A tree of
 * JSON values, a small object for each, takes several times as long as all else that opening a tokenizer does.
 */
#ifndef VITA_TEXT_LISTS_H
#define VITA_TEXT_LISTS_H

#include "text/bpe.h"

#include <jansson.h>

typedef struct vita_listed_token {
	const char *name; /* UTF-8 without NULs, spelled as in the file; not terminated */
	uint32_t size;
	int32_t id; /* from 0 on */
} vita_listed_token;

typedef struct vita_listed_merge {
	const char *left, *right;
	uint32_t left_size, right_size;
} vita_listed_merge;

/* Zero it at first. Names are the file's, the JSON document's, or lie in `text`. */
typedef struct vita_lists {
	vita_listed_token *tokens;
	vita_listed_merge *merges;
	size_t n_tokens, token_capacity, n_merges, merge_capacity;
	bool first_counts; /* of a name that comes twice the first id counts; else it is an error */
	char *text;
} vita_lists;

void vita_lists_clear(vita_lists *lists);

/* Append; false when memory is out or a size is beyond 32 bits. */
bool vita_lists_add_token(vita_lists *lists, const char *name, size_t size, int32_t id);
bool vita_lists_add_merge(vita_lists *lists, const char *left, size_t left_size, const char *right,
                          size_t right_size);

/* Append the merge "LEFT RIGHT"; number is its place, for the sentence. OK | E_FORMAT (not just one space) | E_NOMEM */
vita_status vita_lists_add_joined(vita_lists *lists, const char *text, size_t size, uint64_t number,
                                  vita_error *err);

/* Those of a document's model.vocab and model.merges; the document must outlive them. Whether these are an object and
 * a list is not looked at.                                                     OK | E_FORMAT | E_NOMEM */
vita_status vita_lists_of_model(const json_t *document, vita_lists *lists, vita_error *err);

/* The reverse, into a document whose two are empty: merges as texts, for no side has a space; of a name that comes
 * twice the first.                                                             OK | E_NOMEM */
vita_status vita_lists_to_model(const vita_lists *lists, json_t *document, vita_error *err);

/* Read a tokenizer.json without building its long lists as JSON: they come into *lists, and the document has empty
 * ones in their places. False, with both empty, where anything is not as it should be (or memory is out): then
 * reading it whole, by the JSON library, has the sentence about it. */
bool vita_lists_skim(const char *text, size_t size, json_t **document, vita_lists *lists);

/* The same for a vocab.json and a merges.txt: an object of ids, and a merge a line, "LEFT RIGHT", but for comments. */
bool vita_lists_skim_files(const char *vocab, size_t vocab_size, const char *merges, size_t merges_size,
                           vita_lists *lists);

/* Enter all merges, whose tokens are in bpe's vocabulary. OK | E_FORMAT | E_NOMEM */
vita_status vita_lists_fill_merges(const vita_lists *lists, vita_bpe *bpe, vita_error *err);

#endif
