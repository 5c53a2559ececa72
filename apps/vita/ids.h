/* SPDX-License-Identifier: MIT
 *
 * Lists of token ids, and reading them from arguments and standard input.
 */
#ifndef APPS_VITA_IDS_H
#define APPS_VITA_IDS_H

#include <vita/types.h>

/* A list that grows; zeroed is empty. */
struct ids {
	int32_t *id;
	uint64_t n, capacity;
};

vita_status ids_add(struct ids *ids, int32_t id, vita_error *err);
void ids_free(struct ids *ids);

/* Ids separated by commas and white space, arriving in pieces; zeroed is ready. */
struct ids_parser {
	int64_t value;
	int in_number;
};
vita_status ids_parse(struct ids_parser *parser, const char *text, uint64_t size, struct ids *ids,
                      vita_error *err);
vita_status ids_parse_end(struct ids_parser *parser, struct ids *ids, vita_error *err);

/* All of one string; all of several; all of standard input. Add to ids. */
vita_status ids_from_text(const char *text, struct ids *ids, vita_error *err);
vita_status ids_from_arguments(char **arguments, int n, struct ids *ids, vita_error *err);

/* What standard input has ready, at least one byte unless it is at its end (then *end is 1). */
vita_status ids_from_stdin(struct ids_parser *parser, struct ids *ids, int *end, vita_error *err);

#endif
