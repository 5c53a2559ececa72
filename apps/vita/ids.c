/* SPDX-License-Identifier: MIT
 *
 * Lists of token ids, and reading them from arguments and standard input.
 */
#include "ids.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

vita_status ids_add(struct ids *ids, int32_t id, vita_error *err)
{
	if (ids->n == ids->capacity) {
		uint64_t capacity = ids->capacity ? 2 * ids->capacity : 256;
		int32_t *larger = capacity <= SIZE_MAX / sizeof *larger
		                          ? realloc(ids->id, capacity * sizeof *larger)
		                          : NULL;
		if (!larger)
			return vita_fail(err, VITA_E_NOMEM, "no memory for %llu token ids",
			                 (unsigned long long)capacity);
		ids->id = larger;
		ids->capacity = capacity;
	}
	ids->id[ids->n++] = id;
	return VITA_OK;
}

void ids_free(struct ids *ids)
{
	free(ids->id);
	memset(ids, 0, sizeof *ids);
}

vita_status ids_parse_end(struct ids_parser *parser, struct ids *ids, vita_error *err)
{
	int32_t id = (int32_t)parser->value;
	if (!parser->in_number) return VITA_OK;
	parser->in_number = 0;
	parser->value = 0;
	return ids_add(ids, id, err);
}

vita_status ids_parse(struct ids_parser *parser, const char *text, uint64_t size, struct ids *ids,
                      vita_error *err)
{
	for (uint64_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c >= '0' && c <= '9') {
			parser->value = parser->value * 10 + (c - '0');
			parser->in_number = 1;
			if (parser->value > INT32_MAX)
				return vita_fail(
					err, VITA_E_INVALID,
					"a token id is larger than %d; ids are whole numbers from 0 on",
					INT32_MAX);
		} else if (c == ',' || c == ' ' || (c >= '\t' && c <= '\r')) {
			vita_status status = ids_parse_end(parser, ids, err);
			if (status != VITA_OK) return status;
		} else {
			char shown[8];
			(void)snprintf(shown, sizeof shown, c > 0x20 && c < 0x7f ? "%c" : "\\x%02x", c);
			return vita_fail(
				err, VITA_E_INVALID,
				"\"%s\" does not belong in a list of token ids; they are whole numbers "
				"separated by commas or white space",
				shown);
		}
	}
	return VITA_OK;
}

vita_status ids_from_text(const char *text, struct ids *ids, vita_error *err)
{
	struct ids_parser parser = { 0 };
	vita_status status = ids_parse(&parser, text, strlen(text), ids, err);
	return status == VITA_OK ? ids_parse_end(&parser, ids, err) : status;
}

vita_status ids_from_arguments(char **arguments, int n, struct ids *ids, vita_error *err)
{
	vita_status status = VITA_OK;
	for (int i = 0; i < n && status == VITA_OK; i++) status = ids_from_text(arguments[i], ids, err);
	/* What is written on the command line is usage. */
	return status == VITA_E_INVALID ? err->status = VITA_E_CONFIG : status;
}

vita_status ids_from_stdin(struct ids_parser *parser, struct ids *ids, int *end, vita_error *err)
{
	char text[4096];
	ssize_t n = read(STDIN_FILENO, text, sizeof text);
	if (n < 0 && errno == EINTR)
		return vita_fail(err, VITA_E_CANCELLED, "reading standard input was stopped");
	if (n < 0) return vita_fail(err, VITA_E_IO, "standard input: cannot be read: %s", strerror(errno));
	*end = n == 0;
	return *end ? ids_parse_end(parser, ids, err) : ids_parse(parser, text, (uint64_t)n, ids, err);
}
