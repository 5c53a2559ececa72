/* SPDX-License-Identifier: MIT
 *
 * Regular expressions of tokenizer files, which are written for Oniguruma (Ruby syntax), compiled with
 * PCRE2 so that they match the same text.
 */
#ifndef VITA_TEXT_PATTERN_H
#define VITA_TEXT_PATTERN_H

#ifndef PCRE2_CODE_UNIT_WIDTH
#define PCRE2_CODE_UNIT_WIDTH 8
#endif
#include <pcre2.h>

#include <stdbool.h>

#include <vita/types.h>

#include "text/buffer.h"

/* One pattern in two forms that match the same: machine code where it can be made, which is fast, and
 * byte code that calls out before each of its items, so that its steps can be counted. */
typedef struct vita_pattern {
	pcre2_code *fast, *counted;
} vita_pattern;

/* Compile a pattern; literal: it is a plain string. OK | E_UNSUPPORTED (with the reason) | E_NOMEM */
vita_status vita_pattern_compile(const char *pattern, size_t size, bool literal, vita_pattern *out,
				 vita_error *err);
void vita_pattern_clear(vita_pattern *pattern);

/* Rewrite a pattern from Oniguruma's meaning to PCRE2's. OK | E_UNSUPPORTED | E_NOMEM */
vita_status vita_pattern_translate(const char *pattern, size_t size, vita_bytes *out, vita_error *err);

#endif
