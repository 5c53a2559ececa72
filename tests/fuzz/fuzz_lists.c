/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: the long lists of a tokenizer, read without the JSON library, against what the library reads. The input
 * is a tokenizer.json; or, where there is a NUL in it, a vocab.json, the NUL, and a merges.txt.
 */
#include "fuzz.h"

#include "files/json.h"
#include "text/lists.h"

#include <stdlib.h>

static void require(bool holds)
{
	if (!holds) abort();
}

static void same(const char *text, size_t size, const char *other, size_t other_size)
{
	require(size == other_size && memcmp(text, other, size) == 0);
}

static void compare(const vita_lists *a, const vita_lists *b)
{
	require(a->n_tokens == b->n_tokens && a->n_merges == b->n_merges);
	for (size_t i = 0; i < a->n_tokens; i++) {
		same(a->tokens[i].name, a->tokens[i].size, b->tokens[i].name, b->tokens[i].size);
		require(a->tokens[i].id == b->tokens[i].id);
	}
	for (size_t i = 0; i < a->n_merges; i++) {
		same(a->merges[i].left, a->merges[i].left_size, b->merges[i].left, b->merges[i].left_size);
		same(a->merges[i].right, a->merges[i].right_size, b->merges[i].right, b->merges[i].right_size);
	}
}

/* What is taken here the library takes as well, but for names that come twice, which the tables refuse. */
static void read_json(const char *text, size_t size)
{
	json_t *rest, *whole = NULL;
	vita_lists lists, expected = { 0 };
	vita_error err;
	bool skimmed = vita_lists_skim(text, size, &rest, &lists);
	bool parsed = skimmed && vita_json_parse(text, size, "", &whole, &err) == VITA_OK;
	if (parsed) {
		require(vita_lists_of_model(whole, &expected, &err) == VITA_OK);
		compare(&lists, &expected);
	}
	vita_lists_clear(&lists);
	vita_lists_clear(&expected);
	json_decref(rest);
	json_decref(whole);
}

static void read_files(const char *vocab, size_t vocab_size, const char *merges, size_t merges_size)
{
	vita_lists lists;
	if (!vita_lists_skim_files(vocab, vocab_size, merges, merges_size, &lists)) return;
	for (size_t i = 0; i < lists.n_tokens; i++) {
		fuzz_touch(lists.tokens[i].name, lists.tokens[i].size);
		require(lists.tokens[i].id >= 0);
	}
	for (size_t i = 0; i < lists.n_merges; i++) {
		const vita_listed_merge *m = &lists.merges[i];
		fuzz_touch(m->left, m->left_size);
		require(m->right == m->left + m->left_size + 1 && !memchr(m->right, '\n', m->right_size));
	}
	vita_lists_clear(&lists);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *nul = size ? memchr(text, '\0', size) : NULL;
	if (nul) {
		size_t vocab_size = (size_t)(nul - text);
		read_files(text, vocab_size, nul + 1, size - vocab_size - 1);
	} else read_json(text, size);
	return 0;
}
