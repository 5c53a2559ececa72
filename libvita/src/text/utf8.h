/* SPDX-License-Identifier: MIT
 *
 * UTF-8 as chapter 3 of the Unicode Standard defines it, and the byte alphabet of GPT-2.
 */
#ifndef VITA_TEXT_UTF8_H
#define VITA_TEXT_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VITA_UTF8_BAD (-1) /* no character begins like this */
#define VITA_UTF8_CUT (-2) /* well-formed so far, but the text ends inside the character */

#define VITA_UTF8_REPLACEMENT 0xfffd

/* Read the character at text[0 … size), size > 0. Returns its length in bytes and its code point; for
 * BAD and CUT the length of the maximal ill-formed part, which stands for one U+FFFD. */
size_t vita_utf8_next(const uint8_t *text, size_t size, int32_t *code);

/* Write a code point (0 … 0x10ffff); returns the bytes written, 1 … 4. */
size_t vita_utf8_put(int32_t code, uint8_t out[4]);

bool vita_utf8_valid(const uint8_t *text, size_t size);

/* Copy text to out with each ill-formed part as U+FFFD; out has room for 3 * size bytes. Where `rest`
 * is not NULL a character that the end cuts is left out and *rest is its length, otherwise it too
 * becomes U+FFFD. Returns the bytes written. */
size_t vita_utf8_repair(const uint8_t *text, size_t size, uint8_t *out, size_t *rest);

/* How many bytes from the start of text are ASCII (counted in steps of 8 where it is long). */
size_t vita_utf8_ascii_prefix(const uint8_t *text, size_t size);

/* The byte that a character of the byte alphabet stands for; -1 for other characters. In it printable
 * Latin-1 characters stand for themselves, the other 68 bytes for U+0100 … U+0143 in order. */
int vita_byte_alphabet_byte(int32_t code);

/* Turn a name written in the byte alphabet into its bytes (out has room for size bytes). Returns their
 * number, or -1 where a character is none of the alphabet; then out is of no use. */
ptrdiff_t vita_byte_alphabet_decode(const uint8_t *name, size_t size, uint8_t *out);

#endif
