/* SPDX-License-Identifier: MIT
 *
 * Vocabulary and merges on their way from a file into tables.
 */
#include "text/lists.h"

#include "files/json.h"
#include "files/map.h"
#include "text/utf8.h"

#include <inttypes.h>

void vita_lists_clear(vita_lists *lists)
{
	free(lists->tokens);
	free(lists->merges);
	free(lists->text);
	memset(lists, 0, sizeof *lists);
}

bool vita_lists_add_token(vita_lists *lists, const char *name, size_t size, int32_t id)
{
	void *tokens = lists->tokens;
	bool ok = size <= UINT32_MAX && vita_array_reserve(&tokens, &lists->token_capacity, lists->n_tokens, 1,
	                                                   sizeof *lists->tokens);
	lists->tokens = tokens;
	if (ok) lists->tokens[lists->n_tokens++] = (vita_listed_token){ name, (uint32_t)size, id };
	return ok;
}

bool vita_lists_add_merge(vita_lists *lists, const char *left, size_t left_size, const char *right,
                          size_t right_size)
{
	void *merges = lists->merges;
	bool ok = left_size <= UINT32_MAX && right_size <= UINT32_MAX &&
	          vita_array_reserve(&merges, &lists->merge_capacity, lists->n_merges, 1,
	                             sizeof *lists->merges);
	lists->merges = merges;
	if (ok)
		lists->merges[lists->n_merges++] =
			(vita_listed_merge){ left, right, (uint32_t)left_size, (uint32_t)right_size };
	return ok;
}

static vita_status fail_memory(vita_error *err)
{
	return vita_fail(err, VITA_E_NOMEM, "no memory for its lists of tokens and merges");
}

static vita_status fail_merge(vita_error *err, uint64_t number)
{
	return vita_fail(err, VITA_E_FORMAT,
	                 "merge %" PRIu64 " must be a pair of texts, or one text with one space", number);
}

vita_status vita_lists_add_joined(vita_lists *lists, const char *text, size_t size, uint64_t number,
                                  vita_error *err)
{
	const char *space = memchr(text, ' ', size), *right = space ? space + 1 : NULL;
	size_t left_size = space ? (size_t)(space - text) : 0, right_size = space ? size - left_size - 1 : 0;
	if (!space || memchr(right, ' ', right_size)) return fail_merge(err, number);
	return vita_lists_add_merge(lists, text, left_size, right, right_size) ? VITA_OK : fail_memory(err);
}

/* ---- JSON ------------------------------------------------------------------------------------------ */

static vita_status take_merge(const json_t *value, uint64_t number, vita_lists *lists, vita_error *err)
{
	const json_t *left = json_array_get(value, 0), *right = json_array_get(value, 1);
	if (json_is_string(value)) {
		const char *text = json_string_value(value);
		return strncmp(text, "#version", 8) == 0
		               ? VITA_OK
		               : vita_lists_add_joined(lists, text, json_string_length(value), number, err);
	}
	if (!json_is_string(left) || !json_is_string(right) || json_array_size(value) != 2)
		return fail_merge(err, number);
	return vita_lists_add_merge(lists, json_string_value(left), json_string_length(left),
	                            json_string_value(right), json_string_length(right))
	               ? VITA_OK
	               : fail_memory(err);
}

vita_status vita_lists_of_model(const json_t *document, vita_lists *lists, vita_error *err)
{
	const json_t *model = json_object_get(document, "model"), *merges = json_object_get(model, "merges");
	json_t *vocab = json_object_get(model, "vocab"), *id;
	const char *name;
	vita_shown shown;
	vita_status status = VITA_OK;
	json_object_foreach (vocab, name, id) {
		json_int_t value = json_is_integer(id) ? json_integer_value(id) : -1;
		if (value < 0 || value > INT32_MAX)
			return vita_fail(err, VITA_E_FORMAT,
			                 "the vocabulary's \"%s\" must have an id, a number from 0 on, but has "
			                 "%s out of range",
			                 vita_show(shown, name), vita_json_kind(id));
		if (!vita_lists_add_token(lists, name, strlen(name), (int32_t)value)) return fail_memory(err);
	}
	for (size_t i = 0; status == VITA_OK && i < json_array_size(merges); i++)
		status = take_merge(json_array_get(merges, i), i, lists, err);
	return status;
}

static bool put_token(const vita_listed_token *token, json_t *vocab)
{
	return json_object_getn(vocab, token->name, token->size) ||
	       json_object_setn_new_nocheck(vocab, token->name, token->size, json_integer(token->id)) == 0;
}

static bool put_merge(const vita_listed_merge *m, vita_bytes *joined, json_t *merges)
{
	joined->size = 0;
	return vita_bytes_append(joined, m->left, m->left_size) && vita_bytes_append(joined, " ", 1) &&
	       vita_bytes_append(joined, m->right, m->right_size) &&
	       json_array_append_new(merges, json_stringn_nocheck((const char *)joined->data, joined->size)) == 0;
}

vita_status vita_lists_to_model(const vita_lists *lists, json_t *document, vita_error *err)
{
	json_t *model = json_object_get(document, "model"), *vocab = json_object_get(model, "vocab");
	json_t *merges = json_object_get(model, "merges");
	vita_bytes joined = { 0 };
	bool ok = true;
	for (size_t i = 0; ok && i < lists->n_tokens; i++) ok = put_token(&lists->tokens[i], vocab);
	for (size_t i = 0; ok && i < lists->n_merges; i++) ok = put_merge(&lists->merges[i], &joined, merges);
	free(joined.data);
	return ok ? VITA_OK : fail_memory(err);
}

/* ---- merges into their table ----------------------------------------------------------------------- */

/* Tables are larger than caches, so merges are taken a block at a time: what one step of a block will look up, the
 * step before has asked memory for. */
#define BLOCK 16

typedef struct pair {
	uint8_t *bytes;     /* of both sides; behind them as much room again */
	ptrdiff_t left;     /* size of the left side's; -1: the name of a side is not in the byte alphabet */
	size_t size;        /* of both */
	uint32_t hashes[2]; /* of the sides */
} pair;

static size_t room_of(const vita_listed_merge *m)
{
	return 2 * ((size_t)m->left_size + m->right_size);
}

static void begin_pair(const vita_vocab *vocab, const vita_listed_merge *m, uint8_t *bytes, pair *p)
{
	ptrdiff_t right = -1;
	p->bytes = bytes;
	p->left = vita_byte_alphabet_decode((const uint8_t *)m->left, m->left_size, bytes);
	if (p->left >= 0)
		right = vita_byte_alphabet_decode((const uint8_t *)m->right, m->right_size, bytes + p->left);
	if (right < 0) {
		p->left = -1;
		return;
	}
	p->size = (size_t)(p->left + right);
	p->hashes[0] = vita_vocab_expect(vocab, bytes, (size_t)p->left);
	p->hashes[1] = vita_vocab_expect(vocab, bytes + p->left, (size_t)right);
}

static void find_by_name(const vita_vocab *vocab, const vita_listed_merge *m, uint8_t *bytes, int32_t ids[3])
{
	size_t size = (size_t)m->left_size + m->right_size;
	uint8_t *scratch = bytes + size;
	ids[0] = vita_vocab_find_name(vocab, m->left, m->left_size, scratch);
	ids[1] = vita_vocab_find_name(vocab, m->right, m->right_size, scratch);
	memcpy(bytes, m->left, m->left_size);
	memcpy(bytes + m->left_size, m->right, m->right_size);
	ids[2] = vita_vocab_find_name(vocab, (const char *)bytes, size, scratch);
}

/* Ids of both sides and of the two together; false where the vocabulary lacks one of them. In most files
 * each merge makes the id after the one before, which `guess` is, so that is looked at first. */
static bool find_pair(const vita_vocab *vocab, const vita_listed_merge *m, const pair *p, int32_t guess,
                      int32_t ids[3])
{
	if (p->left >= 0) {
		size_t left = (size_t)p->left;
		ids[0] = vita_vocab_find_expected(vocab, p->hashes[0], p->bytes, left);
		ids[1] = vita_vocab_find_expected(vocab, p->hashes[1], p->bytes + left, p->size - left);
		ids[2] = vita_vocab_is(vocab, guess, p->bytes, p->size)
		                 ? guess
		                 : vita_vocab_find(vocab, p->bytes, p->size);
	} else find_by_name(vocab, m, p->bytes, ids);
	return ids[0] >= 0 && ids[1] >= 0 && ids[2] >= 0;
}

static vita_status fill_block(const vita_lists *lists, size_t first, size_t n, uint8_t *bytes, int32_t *guess,
                              vita_bpe *bpe, vita_error *err)
{
	pair pairs[BLOCK];
	vita_merge found[BLOCK];
	int32_t ids[3];
	vita_shown left, right;
	for (size_t i = 0; i < n; i++) {
		const vita_listed_merge *m = &lists->merges[first + i];
		begin_pair(&bpe->vocab, m, bytes, &pairs[i]);
		bytes += room_of(m);
	}
	for (size_t i = 0; i < n; i++) {
		const vita_listed_merge *m = &lists->merges[first + i];
		if (!find_pair(&bpe->vocab, m, &pairs[i], *guess, ids))
			return vita_fail(err, VITA_E_FORMAT,
			                 "merge %zu (\"%s\" and \"%s\") uses or makes a token that the "
			                 "vocabulary lacks",
			                 first + i, vita_show_bytes(left, m->left, m->left_size),
			                 vita_show_bytes(right, m->right, m->right_size));
		*guess = ids[2] + 1;
		found[i] = (vita_merge){ (uint32_t)ids[0], (uint32_t)ids[1], (uint32_t)(first + i), ids[2] };
		vita_merges_expect(&bpe->merges, found[i].left, found[i].right);
	}
	for (size_t i = 0; i < n; i++) vita_merges_add(&bpe->merges, found[i]);
	return VITA_OK;
}

/* Of the block that takes most. */
static size_t most_room(const vita_lists *lists)
{
	size_t most = 0;
	for (size_t first = 0; first < lists->n_merges; first += BLOCK) {
		size_t room = 0;
		for (size_t i = first; i < lists->n_merges && i < first + BLOCK; i++)
			room += room_of(&lists->merges[i]);
		if (room > most) most = room;
	}
	return most;
}

vita_status vita_lists_fill_merges(const vita_lists *lists, vita_bpe *bpe, vita_error *err)
{
	size_t n = lists->n_merges;
	int32_t guess = 0;
	if (n >= UINT32_MAX / 4) return vita_fail(err, VITA_E_FORMAT, "has %zu merges, too many", n);
	uint8_t *bytes = malloc(most_room(lists) + 1);
	if (!bytes) return vita_fail(err, VITA_E_NOMEM, "no memory for its merges");
	vita_status status = vita_merges_init(&bpe->merges, (uint32_t)n, err);
	for (size_t i = 0; status == VITA_OK && i < n; i += BLOCK)
		status = fill_block(lists, i, n - i < BLOCK ? n - i : BLOCK, bytes, &guess, bpe, err);
	free(bytes);
	return status;
}
