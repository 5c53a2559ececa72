/* SPDX-License-Identifier: MIT
 *
 * Added tokens: strings that become one id wherever they stand, before any other rule. The longest one
 * that begins at a place counts, as in leftmost-longest search.
 */
#ifndef VITA_TEXT_ADDED_H
#define VITA_TEXT_ADDED_H

#include "text/buffer.h"
#include "text/normalize.h"

/* Longest content that is taken from a file: bounds the time that looking for it can take. */
#define VITA_ADDED_MAX_BYTES 1024

#define VITA_ADDED_SINGLE_WORD 1u /* only where no letter or digit stands next to it */
#define VITA_ADDED_LSTRIP 2u      /* takes the white space before it along */
#define VITA_ADDED_RSTRIP 4u      /* and after it */
#define VITA_ADDED_NORMALIZED 8u  /* looked for after normalization */
#define VITA_ADDED_SPECIAL 16u

typedef struct vita_added_edge {
	uint64_t key; /* node << 8 | byte, plus 1; 0 where free */
	uint32_t node;
} vita_added_edge;

typedef struct vita_added_node {
	int32_t id; /* -1: no token ends here */
	uint32_t flags;
} vita_added_node;

/* A trie whose edges lie in one hash table. */
typedef struct vita_added {
	vita_added_edge *edges;
	vita_added_node *nodes;
	size_t n_nodes, nodes_capacity;
	uint64_t mask, seed;
	bool first[256]; /* bytes that some token begins with */
} vita_added;

typedef struct vita_added_match {
	size_t start, end; /* with the white space taken along */
	size_t next;       /* where the token itself ends, and the search for others goes on */
	int32_t id;
} vita_added_match;

void vita_added_clear(vita_added *added);

/* Enter a token. Of a content that comes twice the first counts. OK | E_NOMEM */
vita_status vita_added_insert(vita_added *added, const char *content, size_t size, int32_t id, uint32_t flags,
			      vita_error *err);

/* Id of exactly this content, -1 where there is none. [any-thread] */
int32_t vita_added_find(const vita_added *added, const uint8_t *content, size_t size);

/* The first match behind the one before, *match (all 0 at first), that lies in one markup span; text is valid UTF-8, the
 * spans cover it. What came before serves as context but is not matched again or taken along. A token may begin with white
 * space that the one before took along, as in Hugging Face's tokenizers: then it starts before that one's end. [any-thread] */
bool vita_added_next(const vita_added *added, const uint8_t *text, size_t size, const vita_span *spans,
		     size_t n_spans, vita_added_match *match);

#endif
