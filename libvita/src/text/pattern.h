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

/* Compile a pattern; literal: it is a plain string.
 * OK | E_UNSUPPORTED (with the reason) | E_NOMEM */
vita_status vita_pattern_compile(const char *pattern, size_t size, bool literal, pcre2_code **out,
				 vita_error *err);

/* Rewrite a pattern from Oniguruma's meaning to PCRE2's. OK | E_UNSUPPORTED | E_NOMEM */
vita_status vita_pattern_translate(const char *pattern, size_t size, vita_bytes *out, vita_error *err);

#endif
