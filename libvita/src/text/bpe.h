/* SPDX-License-Identifier: MIT
 *
 * Byte pair encoding of one piece of text (Sennrich, Haddow and Birch 2016): the pair of neighbours
 * with the lowest rank merges first, the leftmost where ranks are equal.
 */
#ifndef VITA_TEXT_BPE_H
#define VITA_TEXT_BPE_H

#include "text/buffer.h"
#include "text/vocab.h"

typedef struct vita_bpe {
	vita_vocab vocab;
	vita_merges merges;
	int32_t byte_id[256]; /* -1: the vocabulary lacks this byte */
	int32_t unknown;      /* id for such bytes; -1: they are dropped */
	bool fuse_unknown;    /* a run of them is one id */
	bool ignore_merges;   /* a piece that is itself in the vocabulary is not merged */
	bool merges_to_added; /* some merge makes an added token's id */
} vita_bpe;

typedef struct vita_bpe_entry {
	uint8_t size, n_ids;
	uint8_t piece[22];
	int32_t ids[10];
} vita_bpe_entry;

/* What a call keeps from piece to piece. Zero it, and clear it at the end. [one-thread] */
typedef struct vita_bpe_work {
	void *nodes;
	uint64_t *heap;
	size_t n_nodes, heap_capacity;
	vita_bpe_entry *cache;
	uint32_t cache_mask;
} vita_bpe_work;

/* Fill in what follows from vocab and merges. To be called when both are complete. */
void vita_bpe_prepare(vita_bpe *bpe);
void vita_bpe_clear(vita_bpe *bpe);

/* Let the work remember pieces: worth it for texts of some length. Without memory it goes on without. */
void vita_bpe_work_cache(vita_bpe_work *work, size_t text_size);
void vita_bpe_work_clear(vita_bpe_work *work);

/* Append the ids of a piece. plain: no added token's id may come out, however the bytes are merged.
 * OK | E_NOMEM | E_INVALID (longer than 2^31 bytes) */
vita_status vita_bpe_encode(const vita_bpe *bpe, vita_bpe_work *work, const uint8_t *piece, size_t size,
			    bool plain, vita_ids *ids, vita_error *err);

#endif
