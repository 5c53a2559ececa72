/* SPDX-License-Identifier: MIT
 *
 * Vocabulary and merge tables.
 */
#include "text/vocab.h"

#include <stdlib.h>
#include <string.h>

#include "files/map.h"
#include "text/utf8.h"

#define LITERAL 0x80000000u

/* Files are hostile; where the table happens to lie in memory keeps them from choosing names that all
 * land in one slot. */
static uint64_t hash_seed(const void *memory)
{
	uint64_t seed = (uint64_t)(uintptr_t)memory;
	return (seed ^ seed >> 17) * 0x9e3779b97f4a7c15u;
}

static uint32_t hash_bytes(uint64_t seed, const uint8_t *bytes, size_t size, uint32_t literal)
{
	uint64_t hash = seed ^ size * 0x9e3779b97f4a7c15u, word;
	for (; size >= 8; bytes += 8, size -= 8) {
		memcpy(&word, bytes, 8);
		hash = (hash ^ word) * 0xbf58476d1ce4e5b9u;
		hash ^= hash >> 32;
	}
	word = 0;
	memcpy(&word, bytes, size);
	hash = (hash ^ word) * 0xbf58476d1ce4e5b9u;
	hash ^= hash >> 32;
	hash *= 0x94d049bb133111ebu;
	return (uint32_t)(hash >> 34) | 1u << 30 | literal;
}

/* A power of two, at least 2 n. */
static uint32_t table_bits(size_t n)
{
	uint32_t bits = 4;
	while (bits < 31 && (size_t)1 << bits < n * 2)
		bits++;
	return bits;
}

vita_status vita_vocab_init(vita_vocab *vocab, uint32_t size, size_t n_names, size_t n_bytes, vita_error *err)
{
	size_t n_slots = (size_t)1 << table_bits(n_names * 3 / 4);
	memset(vocab, 0, sizeof *vocab);
	if (n_bytes >= UINT32_MAX || n_names >= UINT32_MAX / 4)
		return vita_fail(err, VITA_E_FORMAT,
				 "a vocabulary of %zu tokens in %zu bytes is larger than supported", n_names,
				 n_bytes);
	vocab->size = size;
	vocab->capacity = n_bytes;
	vocab->mask = (uint32_t)(n_slots - 1);
	vocab->bytes = malloc(n_bytes + 1);
	vocab->start = calloc((size_t)size + 1, sizeof *vocab->start);
	vocab->length = calloc((size_t)size + 1, sizeof *vocab->length);
	vocab->flags = calloc((size_t)size + 1, 1);
	vocab->slots = calloc(n_slots, sizeof *vocab->slots);
	vocab->seed = hash_seed(vocab->slots);
	if (vocab->bytes && vocab->start && vocab->length && vocab->flags && vocab->slots) return VITA_OK;
	vita_vocab_clear(vocab);
	return vita_fail(err, VITA_E_NOMEM, "no memory for a vocabulary of %zu tokens", n_names);
}

void vita_vocab_clear(vita_vocab *vocab)
{
	free(vocab->bytes);
	free(vocab->start);
	free(vocab->length);
	free(vocab->flags);
	free(vocab->slots);
	memset(vocab, 0, sizeof *vocab);
}

/* The slot of these bytes, or the free one where they belong. */
static vita_vocab_slot *find_hashed(const vita_vocab *vocab, uint32_t hash, const uint8_t *bytes, size_t size)
{
	for (uint32_t i = hash & vocab->mask;; i = (i + 1) & vocab->mask) {
		vita_vocab_slot *slot = &vocab->slots[i];
		if (slot->hash == 0) return slot;
		if (slot->hash == hash && slot->length == size &&
		    memcmp(vocab->bytes + slot->start, bytes, size) == 0)
			return slot;
	}
}

static vita_vocab_slot *find_slot(const vita_vocab *vocab, const uint8_t *bytes, size_t size, uint32_t literal)
{
	return find_hashed(vocab, hash_bytes(vocab->seed, bytes, size, literal), bytes, size);
}

vita_status vita_vocab_add(vita_vocab *vocab, int32_t id, const char *name, size_t size, bool *known,
			   vita_error *err)
{
	uint8_t *bytes = vocab->bytes + vocab->n_bytes;
	vita_shown shown;
	*known = false;
	if (id < 0 || (uint32_t)id >= vocab->size || size > vocab->capacity - vocab->n_bytes)
		return vita_fail(err, VITA_E_INTERNAL, "token \"%s\" does not fit the tables made for it",
				 vita_show_bytes(shown, name, size));
	if (vocab->flags[id] & VITA_TOKEN_IN_VOCAB)
		return vita_fail(err, VITA_E_FORMAT,
				 "the vocabulary gives id %d to \"%s\" and to another token", (int)id,
				 vita_show_bytes(shown, name, size));
	ptrdiff_t decoded = vita_byte_alphabet_decode((const uint8_t *)name, size, bytes);
	uint32_t literal = decoded < 0 ? LITERAL : 0;
	size_t length = literal ? size : (size_t)decoded;
	if (literal) memcpy(bytes, name, size);
	uint32_t hash = hash_bytes(vocab->seed, bytes, length, literal);
	vita_vocab_slot *slot = find_hashed(vocab, hash, bytes, length);
	if (slot->hash != 0) {
		*known = true;
		return VITA_OK;
	}
	slot->hash = hash;
	slot->id = id;
	slot->start = vocab->start[id] = (uint32_t)vocab->n_bytes;
	slot->length = vocab->length[id] = (uint32_t)length;
	vocab->flags[id] |= VITA_TOKEN_PRESENT | VITA_TOKEN_IN_VOCAB | (literal ? VITA_TOKEN_LITERAL : 0u);
	vocab->n_bytes += length;
	return VITA_OK;
}

void vita_vocab_add_content(vita_vocab *vocab, int32_t id, const char *content, size_t size, bool special)
{
	if (id < 0 || (uint32_t)id >= vocab->size || size > vocab->capacity - vocab->n_bytes) return;
	if (size) memcpy(vocab->bytes + vocab->n_bytes, content, size);
	vocab->start[id] = (uint32_t)vocab->n_bytes;
	vocab->length[id] = (uint32_t)size;
	vocab->flags[id] |= VITA_TOKEN_PRESENT | VITA_TOKEN_ADDED | (special ? VITA_TOKEN_SPECIAL : 0u);
	vocab->n_bytes += size;
}

void vita_vocab_trim(vita_vocab *vocab)
{
	while (vocab->size > 0 && !(vocab->flags[vocab->size - 1] & VITA_TOKEN_PRESENT))
		vocab->size--;
}

int32_t vita_vocab_find(const vita_vocab *vocab, const uint8_t *bytes, size_t size)
{
	const vita_vocab_slot *slot = find_slot(vocab, bytes, size, 0);
	return slot->hash ? slot->id : -1;
}

uint32_t vita_vocab_expect(const vita_vocab *vocab, const uint8_t *bytes, size_t size)
{
	uint32_t hash = hash_bytes(vocab->seed, bytes, size, 0);
	__builtin_prefetch(&vocab->slots[hash & vocab->mask]);
	return hash;
}

int32_t vita_vocab_find_expected(const vita_vocab *vocab, uint32_t hash, const uint8_t *bytes, size_t size)
{
	const vita_vocab_slot *slot = find_hashed(vocab, hash, bytes, size);
	return slot->hash ? slot->id : -1;
}

bool vita_vocab_is(const vita_vocab *vocab, int32_t id, const uint8_t *bytes, size_t size)
{
	if (id < 0 || (uint32_t)id >= vocab->size || vocab->length[id] != size) return false;
	return vocab->flags[id] == (VITA_TOKEN_PRESENT | VITA_TOKEN_IN_VOCAB) &&
	       memcmp(vocab->bytes + vocab->start[id], bytes, size) == 0;
}

int32_t vita_vocab_find_name(const vita_vocab *vocab, const char *name, size_t size, uint8_t *scratch)
{
	ptrdiff_t decoded = vita_byte_alphabet_decode((const uint8_t *)name, size, scratch);
	const vita_vocab_slot *slot = decoded < 0 ? find_slot(vocab, (const uint8_t *)name, size, LITERAL)
						  : find_slot(vocab, scratch, (size_t)decoded, 0);
	return slot->hash ? slot->id : -1;
}

vita_status vita_merges_init(vita_merges *merges, uint32_t n, vita_error *err)
{
	uint32_t bits = table_bits((size_t)n * 3 / 4);
	size_t n_slots = (size_t)1 << bits;
	memset(merges, 0, sizeof *merges);
	merges->shift = 64 - bits - 3;
	merges->mask = (uint32_t)(n_slots - 1);
	merges->slots = malloc(n_slots * sizeof *merges->slots);
	merges->bitmap = calloc(n_slots / 8, sizeof *merges->bitmap);
	merges->seed = hash_seed(merges->slots);
	if (!merges->slots || !merges->bitmap || bits == 31) {
		vita_merges_clear(merges);
		return vita_fail(err, VITA_E_NOMEM, "no memory for a table of %u merges", (unsigned)n);
	}
	for (size_t i = 0; i < n_slots; i++)
		merges->slots[i].rank = VITA_RANK_NONE;
	return VITA_OK;
}

void vita_merges_clear(vita_merges *merges)
{
	free(merges->slots);
	free(merges->bitmap);
	memset(merges, 0, sizeof *merges);
}

void vita_merges_add(vita_merges *merges, vita_merge merge)
{
	uint64_t place = vita_merges_place(merges, merge.left, merge.right);
	uint32_t i = (uint32_t)(place >> 3);
	while (merges->slots[i].rank != VITA_RANK_NONE &&
	       (merges->slots[i].left != merge.left || merges->slots[i].right != merge.right))
		i = (i + 1) & merges->mask;
	merges->slots[i] = merge;
	merges->bitmap[place / 64] |= (uint64_t)1 << place % 64;
}
