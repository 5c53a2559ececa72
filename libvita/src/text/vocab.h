/* SPDX-License-Identifier: MIT
 *
 * The tables of a byte-level BPE tokenizer: id -> bytes, bytes -> id, and the merges.
 */
#ifndef VITA_TEXT_VOCAB_H
#define VITA_TEXT_VOCAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vita/types.h>

#define VITA_TOKEN_PRESENT 1u
#define VITA_TOKEN_SPECIAL 2u
#define VITA_TOKEN_ADDED 4u
#define VITA_TOKEN_IN_VOCAB 8u
#define VITA_TOKEN_LITERAL 16u /* its vocabulary name has characters outside the byte alphabet */

#define VITA_RANK_NONE UINT32_MAX

typedef struct vita_vocab_slot {
	uint32_t hash; /* 0 where free; bit 31: a literal name */
	uint32_t start, length;
	int32_t id;
} vita_vocab_slot;

typedef struct vita_vocab {
	uint8_t *bytes; /* of all tokens, one after another */
	size_t n_bytes, capacity;
	uint32_t *start, *length; /* by id */
	uint8_t *flags;           /* by id, VITA_TOKEN_* */
	uint32_t size;            /* one more than the largest id */
	vita_vocab_slot *slots;   /* open addressing, names of the vocabulary only */
	uint32_t mask;
	uint64_t seed;
} vita_vocab;

typedef struct vita_merge {
	uint32_t left, right;
	uint32_t rank; /* VITA_RANK_NONE where the slot is free */
	int32_t result;
} vita_merge;

/* Open addressing, and before it a bitmap eight times finer: nearly all pairs that are asked for do not
 * merge, and the bitmap, which stays in a near cache, says so for most of them. */
typedef struct vita_merges {
	vita_merge *slots;
	uint64_t *bitmap;
	uint32_t shift, mask;
	uint64_t seed;
} vita_merges;

/* Room for ids 0 … size - 1, for n_names names in the vocabulary and for n_bytes bytes of names and
 * added tokens. OK | E_NOMEM | E_FORMAT (more bytes than a file can sensibly hold) */
vita_status vita_vocab_init(vita_vocab *vocab, uint32_t size, size_t n_names, size_t n_bytes,
			    vita_error *err);
void vita_vocab_clear(vita_vocab *vocab);

/* Enter a vocabulary name as the file spells it: in the byte alphabet, or literally where it has a
 * character outside it. *known: it was there already, and stays as it is.
 * OK | E_FORMAT (the id is taken; the sentence names both) */
vita_status vita_vocab_add(vita_vocab *vocab, int32_t id, const char *name, size_t size, bool *known,
			   vita_error *err);

/* Give an added token's id its content, in place of a vocabulary name that it may have had. */
void vita_vocab_add_content(vita_vocab *vocab, int32_t id, const char *content, size_t size, bool special);

/* Forget ids at the end that no token took. */
void vita_vocab_trim(vita_vocab *vocab);

/* Id of a run of bytes in the vocabulary, -1 where there is none. [any-thread] */
int32_t vita_vocab_find(const vita_vocab *vocab, const uint8_t *bytes, size_t size);

/* The same in two steps, for many runs of bytes: the first asks memory for the place where the second, some other
 * runs later, will look. [any-thread] */
uint32_t vita_vocab_expect(const vita_vocab *vocab, const uint8_t *bytes, size_t size);
int32_t vita_vocab_find_expected(const vita_vocab *vocab, uint32_t hash, const uint8_t *bytes, size_t size);

/* Is this the vocabulary's id for these bytes? May be false where it is, but not the reverse. */
bool vita_vocab_is(const vita_vocab *vocab, int32_t id, const uint8_t *bytes, size_t size);

/* Id of a name spelled as in the file, -1 where there is none. *scratch has room for size bytes. */
int32_t vita_vocab_find_name(const vita_vocab *vocab, const char *name, size_t size, uint8_t *scratch);

/* Room for n merges. OK | E_NOMEM */
vita_status vita_merges_init(vita_merges *merges, uint32_t n, vita_error *err);
void vita_merges_clear(vita_merges *merges);

/* Enter a merge, which is not more than n. Of a pair that comes twice the last one counts. */
void vita_merges_add(vita_merges *merges, vita_merge merge);

/* Where a pair belongs: bit of the bitmap; shifted right by 3 the slot. */
static inline uint64_t vita_merges_place(const vita_merges *merges, uint32_t left, uint32_t right)
{
	return ((((uint64_t)left << 32 | right) ^ merges->seed) * 0x9e3779b97f4a7c15u) >> merges->shift;
}

/* A merge of this pair will be entered soon. */
static inline void vita_merges_expect(const vita_merges *merges, uint32_t left, uint32_t right)
{
	uint64_t place = vita_merges_place(merges, left, right);
	__builtin_prefetch(&merges->slots[place >> 3]);
	__builtin_prefetch(&merges->bitmap[place / 64]);
}

/* The merge of a pair of ids, NULL where they do not merge. [any-thread] */
static inline const vita_merge *vita_merges_find(const vita_merges *merges, int32_t left, int32_t right)
{
	uint32_t l = (uint32_t)left, r = (uint32_t)right;
	uint64_t place = vita_merges_place(merges, l, r);
	if (!(merges->bitmap[place / 64] >> place % 64 & 1)) return NULL;
	for (uint32_t i = (uint32_t)(place >> 3);; i = (i + 1) & merges->mask) {
		const vita_merge *merge = &merges->slots[i];
		if (merge->rank == VITA_RANK_NONE) return NULL;
		if (merge->left == l && merge->right == r) return merge;
	}
}

#endif
