/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: a list of token ids as `vita decode` reads it. The first byte says how long the pieces are in which standard
 * input gives the rest: pieces and the whole are one list, and so is what is written from it.
 */
#include "fuzz.h"

#include "ids.h"

#include <stdlib.h>

static void require(int holds)
{
	if (!holds) abort();
}

static vita_status parse(const char *text, size_t size, size_t piece, struct ids *ids)
{
	struct ids_parser parser = { 0 };
	vita_status status = VITA_OK;
	vita_error err = { 0 };
	for (size_t at = 0; at < size && status == VITA_OK; at += piece)
		status = ids_parse(&parser, text + at, size - at < piece ? size - at : piece, ids, &err);
	if (status == VITA_OK) status = ids_parse_end(&parser, ids, &err);
	if (status != VITA_OK) require(err.message[0] && strlen(err.message) < sizeof err.message);
	return status;
}

static void same(const struct ids *a, const struct ids *b)
{
	require(a->n == b->n && (a->n == 0 || memcmp(a->id, b->id, a->n * sizeof *a->id) == 0));
}

/* Numbers of at most ten digits, each with a comma. */
static void written_and_read(const struct ids *ids)
{
	struct ids again = { 0 };
	char *text = malloc(ids->n * 11 + 1);
	size_t size = 0;
	vita_error err;
	require(text != NULL);
	text[0] = 0;
	for (uint64_t i = 0; i < ids->n; i++) {
		require(ids->id[i] >= 0);
		size += (size_t)snprintf(text + size, 12, "%d,", ids->id[i]);
	}
	require(ids_from_text(text, &again, &err) == VITA_OK);
	same(ids, &again);
	ids_free(&again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ids whole = { 0 }, pieces = { 0 };
	if (size == 0) return 0;
	const char *text = (const char *)data + 1;
	const vita_status status = parse(text, size - 1, size, &whole);
	require(parse(text, size - 1, data[0] % 64u + 1, &pieces) == status);
	same(&whole, &pieces);
	written_and_read(&whole);
	ids_free(&whole);
	ids_free(&pieces);
	return 0;
}
