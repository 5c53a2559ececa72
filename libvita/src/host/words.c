/* SPDX-License-Identifier: MIT
 *
 * Words for error sentences; see words.h.
 */
#include <config.h>

#include "host/words.h"

#include "text/utf8.h"

#include <ctype.h>

#define LONGEST_WORD 64

static unsigned char lower(char c)
{
	return (unsigned char)tolower((unsigned char)c);
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* Optimal string alignment distance (Damerau 1964 without repeated edits), letter case ignored. */
static uint32_t edit_distance(const char *a, size_t n_a, const char *b, size_t n_b)
{
	uint32_t rows[3][LONGEST_WORD + 1];
	uint32_t *before = rows[0], *last = rows[1], *now = rows[2];
	for (size_t j = 0; j <= n_b; j++) last[j] = (uint32_t)j;
	for (size_t i = 1; i <= n_a; i++) {
		now[0] = (uint32_t)i;
		for (size_t j = 1; j <= n_b; j++) {
			uint32_t cost = lower(a[i - 1]) != lower(b[j - 1]);
			now[j] = least(least(last[j] + 1, now[j - 1] + 1), last[j - 1] + cost);
			if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
			    lower(a[i - 2]) == lower(b[j - 1]))
				now[j] = least(now[j], before[j - 2] + 1);
		}
		uint32_t *free_row = before;
		before = last;
		last = now;
		now = free_row;
	}
	return last[n_b];
}

const char *vita_nearest(const char *word, const char *const *names, uint32_t n)
{
	const char *nearest = NULL;
	uint32_t nearest_distance = UINT32_MAX;
	size_t size = strlen(word);
	if (size == 0 || size > LONGEST_WORD) return NULL;
	for (uint32_t i = 0; i < n; i++) {
		size_t name_size = strlen(names[i]);
		if (name_size == 0 || name_size > LONGEST_WORD) continue;
		uint32_t distance = edit_distance(word, size, names[i], name_size);
		uint32_t longest = (uint32_t)(size > name_size ? size : name_size);
		/* "vocab" is far from "vocabulary" by letters, yet plainly meant. */
		int begins = size >= 3 && name_size > size && strncmp(word, names[i], size) == 0;
		if (begins) distance = 1;
		if (distance > (longest + 2) / 3 || distance >= longest || distance >= nearest_distance)
			continue;
		nearest = names[i];
		nearest_distance = distance;
	}
	return nearest;
}

/* Read the character at text: its bytes, and whether it can be shown. */
static size_t next_character(const char *text, int *shown)
{
	int32_t code;
	size_t size = vita_utf8_next((const uint8_t *)text, strnlen(text, 4), &code);
	*shown = code >= 0x20 && (code < 0x7f || code >= 0xa0); /* also neither BAD nor CUT */
	return size;
}

size_t vita_printable(const char *text, size_t most)
{
	size_t n = 0;
	int shown = 1;
	while (n < most && text[n]) {
		size_t size = next_character(text + n, &shown);
		if (!shown) break;
		n += size;
	}
	return n;
}

const char *vita_quotable(char *out, size_t size, const char *text)
{
	static const char dots[] = "...";
	size_t n = 0, end = 0; /* end: where dots still fit */
	for (int shown; *text;) {
		size_t character = next_character(text, &shown), taken = shown ? character : 1;
		if (n + taken >= size) {
			if (size < sizeof dots) break;
			memcpy(out + end, dots, sizeof dots);
			return out;
		}
		if (shown)
			memcpy(out + n, text, character);
		else
			out[n] = '?';
		n += taken;
		text += character;
		if (n + sizeof dots <= size) end = n;
	}
	out[n] = '\0';
	return out;
}

void vita_append(char *out, size_t size, const char *format, ...)
{
	size_t used = strlen(out);
	va_list args;
	va_start(args, format);
	(void)vsnprintf(out + used, size - used, format, args);
	va_end(args);
}

void vita_append_suggestion(char *out, size_t size, const char *word, const char *label,
                            const char *const *names, uint32_t n)
{
	const char *nearest = vita_nearest(word, names, n);
	if (nearest) {
		vita_append(out, size, "; did you mean \"%s\"?", nearest);
		return;
	}
	if (n == 0) return;
	vita_append(out, size, "; %s ", label);
	for (uint32_t i = 0; i < n; i++) vita_append(out, size, "%s%s", i ? ", " : "", names[i]);
}
