/* SPDX-License-Identifier: MIT
 *
 * Unicode normalization forms (UAX #15), in time linear in the text whatever the text is.
 */
#ifndef VITA_TEXT_NORMALIZE_H
#define VITA_TEXT_NORMALIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vita/types.h>

#include "text/buffer.h"

#define VITA_NORMAL_NONE 0u
#define VITA_NORMAL_COMPOSE 1u   /* NFC, or NFKC with COMPAT */
#define VITA_NORMAL_DECOMPOSE 2u /* NFD, NFKD */
#define VITA_NORMAL_COMPAT 4u

/* A stretch of text, from the end of the one before (or the start of the text) to `end`. */
typedef struct vita_span {
	size_t end;
	bool markup; /* added tokens in it are meant; elsewhere they are just letters */
} vita_span;

/* Bring valid UTF-8 to a normalization form. Where that changes nothing *changed is false and out is
 * not touched; otherwise out (emptied first) holds the result and the spans, which must cover the text
 * in order, are moved along. A character composed across the border of a markup span is never markup.
 * OK | E_NOMEM */
vita_status vita_normalize(uint32_t form, const uint8_t *text, size_t size, vita_span *spans, size_t n_spans,
			   vita_bytes *out, bool *changed, vita_error *err);

/* Is this character left alone by NFC, and sure not to join with what comes before it? May be false for
 * characters where it would be true. */
bool vita_nfc_inert(int32_t code);

#endif
