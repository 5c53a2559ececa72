/* SPDX-License-Identifier: MIT
 *
 * UTF-8 reading and repair, byte alphabet.
 */
#include "text/utf8.h"

#include <string.h>

/* Length of a character by its first byte and the range of its second one (Unicode table 3-7): this
 * is where overlong forms, surrogates and code points above 0x10ffff fall out. */
static size_t sequence_length(uint8_t first, uint8_t *low, uint8_t *high)
{
	*low = 0x80;
	*high = 0xbf;
	if (first < 0xc2 || first > 0xf4) return 0;
	if (first < 0xe0) return 2;
	if (first < 0xf0) {
		if (first == 0xe0) *low = 0xa0;
		if (first == 0xed) *high = 0x9f;
		return 3;
	}
	if (first == 0xf0) *low = 0x90;
	if (first == 0xf4) *high = 0x8f;
	return 4;
}

size_t vita_utf8_next(const uint8_t *text, size_t size, int32_t *code)
{
	uint8_t low, high, first = text[0];
	if (first < 0x80) {
		*code = first;
		return 1;
	}
	size_t length = sequence_length(first, &low, &high);
	if (length == 0) {
		*code = VITA_UTF8_BAD;
		return 1;
	}
	int32_t value = first & (0x7f >> length);
	for (size_t i = 1; i < length; i++) {
		if (i == size) {
			*code = VITA_UTF8_CUT;
			return i;
		}
		if (text[i] < low || text[i] > high) {
			*code = VITA_UTF8_BAD;
			return i;
		}
		value = value << 6 | (text[i] & 0x3f);
		low = 0x80;
		high = 0xbf;
	}
	*code = value;
	return length;
}

size_t vita_utf8_put(int32_t code, uint8_t out[4])
{
	if (code < 0x80) {
		out[0] = (uint8_t)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (uint8_t)(0xc0 | code >> 6);
		out[1] = (uint8_t)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (uint8_t)(0xe0 | code >> 12);
		out[1] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
		out[2] = (uint8_t)(0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (uint8_t)(0xf0 | code >> 18);
	out[1] = (uint8_t)(0x80 | (code >> 12 & 0x3f));
	out[2] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
	out[3] = (uint8_t)(0x80 | (code & 0x3f));
	return 4;
}

size_t vita_utf8_ascii_prefix(const uint8_t *text, size_t size)
{
	size_t i = 0;
	for (; size - i >= 8; i += 8) {
		uint64_t word;
		memcpy(&word, text + i, 8);
		if (word & 0x8080808080808080u) break;
	}
	while (i < size && text[i] < 0x80)
		i++;
	return i;
}

bool vita_utf8_valid(const uint8_t *text, size_t size)
{
	for (size_t i = 0; i < size;) {
		int32_t code;
		if (text[i] < 0x80) i += vita_utf8_ascii_prefix(text + i, size - i);
		while (i < size && text[i] >= 0x80) {
			i += vita_utf8_next(text + i, size - i, &code);
			if (code < 0) return false;
		}
	}
	return true;
}

size_t vita_utf8_repair(const uint8_t *text, size_t size, uint8_t *out, size_t *rest)
{
	size_t n = 0;
	if (rest) *rest = 0;
	for (size_t i = 0; i < size;) {
		int32_t code;
		size_t length = vita_utf8_next(text + i, size - i, &code);
		if (code >= 0) {
			memcpy(out + n, text + i, length);
			n += length;
		} else if (code == VITA_UTF8_CUT && rest) {
			*rest = length;
		} else {
			n += vita_utf8_put(VITA_UTF8_REPLACEMENT, out + n);
		}
		i += length;
	}
	return n;
}

int vita_byte_alphabet_byte(int32_t code)
{
	if ((code >= 33 && code <= 126) || (code >= 161 && code <= 255 && code != 173)) return (int)code;
	int32_t nth = code - 256; /* among 0 … 32, 127 … 160, 173 */
	if (nth < 0 || nth > 67) return -1;
	if (nth < 33) return (int)nth;
	return nth < 67 ? (int)(nth - 33 + 127) : 173;
}

ptrdiff_t vita_byte_alphabet_decode(const uint8_t *name, size_t size, uint8_t *out)
{
	ptrdiff_t n = 0;
	for (size_t i = 0; i < size; n++) {
		int32_t code = name[i];
		if (code < 0x80)
			i++;
		else
			i += vita_utf8_next(name + i, size - i, &code);
		int byte = vita_byte_alphabet_byte(code);
		if (byte < 0) return -1;
		out[n] = (uint8_t)byte;
	}
	return n;
}
