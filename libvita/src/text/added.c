/* SPDX-License-Identifier: MIT
 *
 * Matching of added tokens.
 */
#include "text/added.h"

#include <utf8proc.h>

#include "text/utf8.h"

void vita_added_clear(vita_added *added)
{
	free(added->edges);
	free(added->nodes);
	memset(added, 0, sizeof *added);
}

static uint64_t edge_index(const vita_added *added, uint64_t key)
{
	uint64_t hash = (key ^ added->seed) * 0x9e3779b97f4a7c15u;
	return (hash ^ hash >> 32) & added->mask;
}

/* Node at the end of this node's edge, 0 (the root, where no edge ends) where there is none. */
static uint32_t follow(const vita_added *added, uint32_t node, uint8_t byte)
{
	uint64_t key = ((uint64_t)node << 8 | byte) + 1;
	for (uint64_t i = edge_index(added, key);; i = (i + 1) & added->mask) {
		if (added->edges[i].key == key) return added->edges[i].node;
		if (added->edges[i].key == 0) return 0;
	}
}

static void put_edge(vita_added *added, uint64_t key, uint32_t node)
{
	uint64_t i = edge_index(added, key);
	while (added->edges[i].key != 0)
		i = (i + 1) & added->mask;
	added->edges[i] = (vita_added_edge){key, node};
}

/* Double the table of edges when half of it is used. */
static bool grow_edges(vita_added *added)
{
	vita_added_edge *old = added->edges;
	size_t n_old = old ? (size_t)added->mask + 1 : 0, n = old ? n_old * 2 : 64;
	if (old && added->n_nodes * 2 < n_old) return true;
	vita_added_edge *edges = calloc(n, sizeof *edges);
	if (!edges) return false;
	added->edges = edges;
	added->mask = n - 1;
	added->seed = (uint64_t)(uintptr_t)edges * 0xbf58476d1ce4e5b9u;
	for (size_t i = 0; i < n_old; i++)
		if (old[i].key) put_edge(added, old[i].key, old[i].node);
	free(old);
	return true;
}

static bool new_node(vita_added *added, uint32_t *node)
{
	void *nodes = added->nodes;
	bool ok = added->n_nodes < UINT32_MAX &&
		  vita_array_reserve(&nodes, &added->nodes_capacity, added->n_nodes, 1, sizeof *added->nodes);
	added->nodes = nodes;
	if (!ok) return false;
	*node = (uint32_t)added->n_nodes++;
	added->nodes[*node] = (vita_added_node){-1, 0};
	return true;
}

vita_status vita_added_insert(vita_added *added, const char *content, size_t size, int32_t id, uint32_t flags,
			      vita_error *err)
{
	uint32_t node = 0;
	bool ok = size > 0 && (added->n_nodes > 0 || (grow_edges(added) && new_node(added, &node)));
	for (size_t i = 0; ok && i < size; i++) {
		uint8_t byte = (uint8_t)content[i];
		uint32_t child = follow(added, node, byte);
		if (child == 0) {
			ok = grow_edges(added) && new_node(added, &child);
			if (ok) put_edge(added, ((uint64_t)node << 8 | byte) + 1, child);
		}
		node = child;
	}
	if (!ok) return vita_fail(err, VITA_E_NOMEM, "no memory for its added tokens");
	if (added->nodes[node].id < 0) added->nodes[node] = (vita_added_node){id, flags};
	added->first[(uint8_t)content[0]] = true;
	return VITA_OK;
}

int32_t vita_added_find(const vita_added *added, const uint8_t *content, size_t size)
{
	uint32_t node = 0;
	if (added->n_nodes == 0 || size == 0) return -1;
	for (size_t i = 0; i < size; i++) {
		node = follow(added, node, content[i]);
		if (node == 0) return -1;
	}
	return added->nodes[node].id;
}

/* Letters, marks, digits, connectors and joiners: what regular expressions call \w (UTS #18, annex C). */
static bool is_word(int32_t code)
{
	if (code == 0x200c || code == 0x200d) return true;
	if ((code >= 0x24b6 && code <= 0x24e9) || (code >= 0x1f130 && code <= 0x1f149) ||
	    (code >= 0x1f150 && code <= 0x1f169) || (code >= 0x1f170 && code <= 0x1f189))
		return true; /* circled and squared letters: symbols that are Alphabetic */
	switch (utf8proc_category(code)) {
	case UTF8PROC_CATEGORY_LU:
	case UTF8PROC_CATEGORY_LL:
	case UTF8PROC_CATEGORY_LT:
	case UTF8PROC_CATEGORY_LM:
	case UTF8PROC_CATEGORY_LO:
	case UTF8PROC_CATEGORY_MN:
	case UTF8PROC_CATEGORY_MC:
	case UTF8PROC_CATEGORY_ME:
	case UTF8PROC_CATEGORY_ND:
	case UTF8PROC_CATEGORY_NL:
	case UTF8PROC_CATEGORY_PC: return true;
	default: return false;
	}
}

/* The property White_Space. */
static bool is_space(int32_t code)
{
	return (code >= 0x09 && code <= 0x0d) || code == 0x20 || code == 0x85 || code == 0xa0 ||
	       code == 0x1680 || (code >= 0x2000 && code <= 0x200a) || code == 0x2028 || code == 0x2029 ||
	       code == 0x202f || code == 0x205f || code == 0x3000;
}

/* The character that ends at `end` > 0, and its start. */
static int32_t character_before(const uint8_t *text, size_t end, size_t *start)
{
	int32_t code;
	*start = end - 1;
	while (*start > 0 && (text[*start] & 0xc0) == 0x80)
		--*start;
	(void)vita_utf8_next(text + *start, end - *start, &code);
	return code;
}

static bool touches_word(const uint8_t *text, size_t size, size_t start, size_t end)
{
	int32_t code;
	size_t before;
	if (start > 0 && is_word(character_before(text, start, &before))) return true;
	if (end == size) return false;
	(void)vita_utf8_next(text + end, size - end, &code);
	return is_word(code);
}

static void take_spaces(const uint8_t *text, size_t size, size_t taken, uint32_t flags,
			vita_added_match *match)
{
	size_t before;
	int32_t code;
	while (flags & VITA_ADDED_LSTRIP && match->start > taken &&
	       is_space(character_before(text, match->start, &before)))
		match->start = before;
	while (flags & VITA_ADDED_RSTRIP && match->end < size) {
		size_t length = vita_utf8_next(text + match->end, size - match->end, &code);
		if (!is_space(code)) break;
		match->end += length;
	}
}

/* Node of the longest token in text[at … end), 0 where there is none. */
static uint32_t longest_at(const vita_added *added, const uint8_t *text, size_t at, size_t end,
			   size_t *match_end)
{
	uint32_t node = 0, longest = 0;
	while (at < end) {
		node = follow(added, node, text[at++]);
		if (node == 0) break;
		if (added->nodes[node].id < 0) continue;
		longest = node;
		*match_end = at;
	}
	return longest;
}

/* Index of the span that holds this place. */
static size_t span_at(const vita_span *spans, size_t n_spans, size_t at)
{
	size_t low = 0, high = n_spans;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (spans[middle].end <= at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool vita_added_next(const vita_added *added, const uint8_t *text, size_t size, const vita_span *spans,
		     size_t n_spans, vita_added_match *match)
{
	const size_t from = match->next, taken = match->end;
	size_t at = from;
	if (added->n_nodes == 0) return false;
	for (size_t i = span_at(spans, n_spans, from); i < n_spans; i++) {
		if (!spans[i].markup) at = spans[i].end;
		while (at < spans[i].end) {
			uint32_t node;
			size_t end;
			if (!added->first[text[at]] ||
			    (node = longest_at(added, text, at, spans[i].end, &end)) == 0) {
				at++;
				continue;
			}
			uint32_t flags = added->nodes[node].flags;
			if (flags & VITA_ADDED_SINGLE_WORD && touches_word(text, size, at, end)) {
				at = end; /* the search goes on behind a match that is turned down */
				continue;
			}
			*match = (vita_added_match){at, end, end, added->nodes[node].id};
			take_spaces(text, size, taken, flags, match);
			return true;
		}
	}
	return false;
}
