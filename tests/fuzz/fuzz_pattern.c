/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: a tokenizer's pattern (up to the first NUL) and a text that it cuts. Nothing may be lost
 * and no pattern may take long.
 */
#include "fuzz.h"

#include <string.h>

#include "text/split.h"
#include "text/utf8.h"

typedef struct sum {
	const uint8_t *next;
} sum;

/* Isolated pieces follow each other without a gap. */
static vita_status check_piece(void *user, const uint8_t *piece, size_t size, vita_error *err)
{
	sum *s = user;
	(void)err;
	if (piece != s->next || size == 0) __builtin_trap();
	fuzz_touch(piece, size);
	s->next = piece + size;
	return VITA_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, 0, size) : NULL;
	size_t n_pattern = end ? (size_t)(end - data) : size, n_text = end ? size - n_pattern - 1 : 0;
	vita_split split = {.n_stages = 1};
	vita_split_work work;
	vita_bytes text = {0};
	vita_error err;
	if (!vita_utf8_valid(data, n_pattern)) return 0; /* JSON gives no other */
	if (vita_pattern_compile((const char *)data, n_pattern, false, &split.stages[0].pattern, &err) !=
	    VITA_OK)
		return 0;
	if (vita_bytes_reserve(&text, n_text * 3 + 1) &&
	    vita_split_work_init(&work, n_text, &err) == VITA_OK) {
		text.size = vita_utf8_repair(data + size - n_text, n_text, text.data, NULL);
		sum s = {text.data};
		vita_status status =
			vita_split_run(&split, &work, text.data, text.size, check_piece, &s, &err);
		if (status == VITA_OK && s.next != text.data + text.size) __builtin_trap();
		vita_split_work_clear(&work);
	}
	free(text.data);
	vita_split_clear(&split);
	return 0;
}
