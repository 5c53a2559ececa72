/* SPDX-License-Identifier: MIT
 *
 * Byte pair encoding: a scan over the ranks for ordinary pieces, a heap for long ones, and a small
 * cache because most pieces of a text come again.
 */
#include "text/bpe.h"

/* Up to here looking at all ranks before each merge is faster than keeping a heap. */
#define SCAN_MAX 96

#define NO_NODE UINT32_MAX

void vita_bpe_prepare(vita_bpe *bpe)
{
	for (int byte = 0; byte < 256; byte++) {
		uint8_t text = (uint8_t)byte;
		bpe->byte_id[byte] = vita_vocab_find(&bpe->vocab, &text, 1);
	}
	bpe->merges_to_added = false;
	for (size_t i = 0; i <= bpe->merges.mask; i++) {
		const vita_merge *merge = &bpe->merges.slots[i];
		if (merge->rank != VITA_RANK_NONE && bpe->vocab.flags[merge->result] & VITA_TOKEN_ADDED)
			bpe->merges_to_added = true;
	}
}

void vita_bpe_clear(vita_bpe *bpe)
{
	vita_vocab_clear(&bpe->vocab);
	vita_merges_clear(&bpe->merges);
}

void vita_bpe_work_cache(vita_bpe_work *work, size_t text_size)
{
	uint32_t n = 64;
	if (text_size < 1024) return;
	while (n < 8192 && n < text_size / 16)
		n *= 2;
	work->cache = calloc(n, sizeof *work->cache);
	work->cache_mask = n - 1;
}

void vita_bpe_work_clear(vita_bpe_work *work)
{
	free(work->nodes);
	free(work->heap);
	free(work->cache);
	memset(work, 0, sizeof *work);
}

/* Ids of the single bytes; returns their number, at most size. */
static size_t initial_symbols(const vita_bpe *bpe, const uint8_t *piece, size_t size, int32_t *ids)
{
	size_t n = 0;
	bool after_unknown = false;
	for (size_t i = 0; i < size; i++) {
		int32_t id = bpe->byte_id[piece[i]];
		bool unknown = id < 0;
		if (unknown) {
			if (bpe->unknown < 0 || (after_unknown && bpe->fuse_unknown)) continue;
			id = bpe->unknown;
		}
		after_unknown = unknown;
		ids[n++] = id;
	}
	return n;
}

/* What a pair becomes. *rank is VITA_RANK_NONE where it stays a pair. */
static inline int32_t pair_result(const vita_bpe *bpe, int32_t left, int32_t right, bool guard,
				  uint32_t *rank)
{
	const vita_merge *merge = vita_merges_find(&bpe->merges, left, right);
	*rank = VITA_RANK_NONE;
	if (!merge || (guard && bpe->vocab.flags[merge->result] & VITA_TOKEN_ADDED)) return -1;
	*rank = merge->rank;
	return merge->result;
}

static uint32_t lowest_rank(const uint32_t *ranks, size_t n)
{
	uint32_t lowest = VITA_RANK_NONE;
	for (size_t i = 0; i < n; i++)
		lowest = ranks[i] < lowest ? ranks[i] : lowest;
	return lowest;
}

/* Merge n <= SCAN_MAX symbols in place; returns how many are left. */
static size_t merge_by_scan(const vita_bpe *bpe, int32_t *ids, size_t n, bool guard)
{
	uint32_t ranks[SCAN_MAX]; /* of the pairs (i, i + 1) */
	int32_t results[SCAN_MAX];
	for (size_t i = 0; i + 1 < n; i++)
		results[i] = pair_result(bpe, ids[i], ids[i + 1], guard, &ranks[i]);
	while (n > 1) {
		size_t at = 0;
		uint32_t lowest = lowest_rank(ranks, n - 1);
		if (lowest == VITA_RANK_NONE) break;
		while (ranks[at] != lowest)
			at++;
		ids[at] = results[at];
		n--;
		for (size_t i = at + 1; i < n; i++) {
			ids[i] = ids[i + 1];
			ranks[i - 1] = ranks[i];
			results[i - 1] = results[i];
		}
		if (at + 1 < n) results[at] = pair_result(bpe, ids[at], ids[at + 1], guard, &ranks[at]);
		if (at > 0) results[at - 1] = pair_result(bpe, ids[at - 1], ids[at], guard, &ranks[at - 1]);
	}
	return n;
}

typedef struct node {
	int32_t id;
	uint32_t rank;  /* of the pair with the next node */
	int32_t result; /* of that pair */
	uint32_t previous, next;
} node;

/* The heap's keys are rank and position in one number, so equal ranks come out from left to right. */
static uint64_t heap_key(uint32_t rank, uint32_t at)
{
	return (uint64_t)rank << 32 | at;
}

static void heap_sink(uint64_t *heap, size_t n, size_t at)
{
	uint64_t key = heap[at];
	for (;;) {
		size_t child = 2 * at + 1;
		if (child >= n) break;
		if (child + 1 < n && heap[child + 1] < heap[child]) child++;
		if (heap[child] >= key) break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = key;
}

static void heap_push(uint64_t *heap, size_t *n, uint64_t key)
{
	size_t at = (*n)++;
	while (at > 0 && heap[(at - 1) / 2] > key) {
		heap[at] = heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	heap[at] = key;
}

/* Set the rank of the pair that begins at this node and put it on the heap. */
static void note_pair(const vita_bpe *bpe, node *nodes, uint32_t at, bool guard, uint64_t *heap,
		      size_t *n_heap)
{
	node *left = &nodes[at];
	left->rank = VITA_RANK_NONE;
	if (left->next != NO_NODE)
		left->result = pair_result(bpe, left->id, nodes[left->next].id, guard, &left->rank);
	if (left->rank != VITA_RANK_NONE) heap_push(heap, n_heap, heap_key(left->rank, at));
}

static size_t merge_by_heap(const vita_bpe *bpe, vita_bpe_work *work, int32_t *ids, uint32_t n, bool guard)
{
	node *nodes = work->nodes;
	uint64_t *heap = work->heap;
	size_t n_heap = 0, left_over = 0;
	for (uint32_t i = 0; i < n; i++)
		nodes[i] = (node){.id = ids[i], .previous = i - 1, .next = i + 1};
	nodes[0].previous = nodes[n - 1].next = NO_NODE;
	for (uint32_t i = 0; i + 1 < n; i++)
		note_pair(bpe, nodes, i, guard, heap, &n_heap);
	while (n_heap > 0) {
		uint32_t rank = (uint32_t)(heap[0] >> 32), at = (uint32_t)heap[0];
		heap[0] = heap[--n_heap];
		if (n_heap > 0) heap_sink(heap, n_heap, 0);
		node *left = &nodes[at];
		if (left->rank != rank) continue; /* this pair has merged with something else meanwhile */
		node *right = &nodes[left->next];
		left->id = left->result;
		left->next = right->next;
		right->rank = VITA_RANK_NONE;
		if (left->next != NO_NODE) nodes[left->next].previous = at;
		note_pair(bpe, nodes, at, guard, heap, &n_heap);
		if (left->previous != NO_NODE) note_pair(bpe, nodes, left->previous, guard, heap, &n_heap);
	}
	for (uint32_t i = 0; i != NO_NODE; i = nodes[i].next)
		ids[left_over++] = nodes[i].id;
	return left_over;
}

/* Each merge takes one pair from the heap and adds at most two: 2 n keys are enough. */
static bool reserve_heap(vita_bpe_work *work, size_t n)
{
	void *heap = work->heap;
	bool ok = vita_array_reserve(&work->nodes, &work->n_nodes, 0, n, sizeof(node)) &&
		  vita_array_reserve(&heap, &work->heap_capacity, 0, 2 * n, sizeof *work->heap);
	work->heap = heap;
	return ok;
}

static uint32_t piece_hash(const uint8_t *piece, size_t size)
{
	uint64_t low = 0, high = 0;
	if (size >= 8) {
		memcpy(&low, piece, 8);
		memcpy(&high, piece + size - 8, 8);
	} else {
		memcpy(&low, piece, size);
	}
	low = (low ^ size) * 0x9e3779b97f4a7c15u ^ high * 0xbf58476d1ce4e5b9u;
	return (uint32_t)(low >> 40) ^ (uint32_t)(low >> 20);
}

/* The entry that this piece would have, NULL where it is none for the cache. */
static vita_bpe_entry *cache_entry(const vita_bpe_work *work, const uint8_t *piece, size_t size)
{
	if (!work->cache || size > sizeof work->cache->piece) return NULL;
	return &work->cache[piece_hash(piece, size) & work->cache_mask];
}

static void cache_store(vita_bpe_entry *entry, const uint8_t *piece, size_t size, const int32_t *ids,
			size_t n)
{
	if (!entry || n > sizeof entry->ids / sizeof *entry->ids) return;
	entry->size = (uint8_t)size;
	entry->n_ids = (uint8_t)n;
	memcpy(entry->piece, piece, size);
	memcpy(entry->ids, ids, n * sizeof *ids);
}

vita_status vita_bpe_encode(const vita_bpe *bpe, vita_bpe_work *work, const uint8_t *piece, size_t size,
			    bool plain, vita_ids *ids, vita_error *err)
{
	bool guard = plain && bpe->merges_to_added;
	if (size == 0) return VITA_OK;
	if (size > INT32_MAX)
		return vita_fail(err, VITA_E_INVALID, "a piece of text is longer than 2^31 bytes");
	vita_bpe_entry *entry = cache_entry(work, piece, size);
	if (entry && entry->size == size && memcmp(entry->piece, piece, size) == 0) {
		if (vita_ids_append(ids, entry->ids, entry->n_ids)) return VITA_OK;
		return vita_fail(err, VITA_E_NOMEM, "no memory for %zu token ids", ids->size + entry->n_ids);
	}
	if (!vita_ids_reserve(ids, size) || (size > SCAN_MAX && !reserve_heap(work, size)))
		return vita_fail(err, VITA_E_NOMEM, "no memory to encode a piece of %zu bytes", size);
	int32_t *out = ids->data + ids->size;
	if (bpe->ignore_merges) {
		int32_t id = vita_vocab_find(&bpe->vocab, piece, size);
		if (id >= 0 && !(plain && bpe->vocab.flags[id] & VITA_TOKEN_ADDED)) {
			ids->data[ids->size++] = id;
			return VITA_OK;
		}
	}
	size_t n = initial_symbols(bpe, piece, size, out);
	if (n > SCAN_MAX)
		n = merge_by_heap(bpe, work, out, (uint32_t)n, guard);
	else
		n = merge_by_scan(bpe, out, n, guard);
	cache_store(entry, piece, size, out, n);
	ids->size += n;
	return VITA_OK;
}
