/* SPDX-License-Identifier: MIT
 *
 * Words for error sentences: the nearest known name, quoting of strangers' text, lists that fit.
 */
#ifndef VITA_HOST_WORDS_H
#define VITA_HOST_WORDS_H

#include <vita/types.h>

/* The name of n that word was probably meant to be, or NULL where none is near. */
const char *vita_nearest(const char *word, const char *const *names, uint32_t n);

/* Bytes of text, at most about `most`, until the first that cannot be shown: a control character, or one that
 * is not UTF-8. */
size_t vita_printable(const char *text, size_t most);

/* text for quoting: what cannot be shown becomes '?', what does not fit "...". Returns out. */
const char *vita_quotable(char *out, size_t size, const char *text);

/* Append to the string in out; what does not fit is cut. */
VITA_PRINTF(3, 4) void vita_append(char *out, size_t size, const char *format, ...);

/* Append `, did you mean "x"?`-style help: the nearest of the names, else all of them as `label a, b, c`. */
void vita_append_suggestion(char *out, size_t size, const char *word, const char *label,
                            const char *const *names, uint32_t n);

#endif
