/* SPDX-License-Identifier: MIT
 *
 * A tokenizer.json, or a vocab.json and a merges.txt, in one pass. Of tokenizer.json vocabulary and merges are read here,
 * and what lies around them by the JSON library.
 *
 * The library sees the text with "{}" and "[]" in place of the two lists. These are read strictly here, so the whole
 * is valid JSON where that rest is, and this pass was right about where strings and brackets begin. Whatever is in
 * doubt ends the pass.
 */
#include "text/lists.h"

#include "files/json.h"
#include "text/utf8.h"

/* A place in a private copy of the text, at whose end there is a NUL: no list goes beyond it. */
typedef struct cursor {
	char *at;
} cursor;

typedef struct extent {
	const char *begin, *end;
} extent;

static void skip_space(cursor *c)
{
	while (*c->at == ' ' || *c->at == '\n' || *c->at == '\t' || *c->at == '\r') c->at++;
}

/* The next character that is no space, if it is this one, is passed. */
static bool take(cursor *c, char wanted)
{
	skip_space(c);
	if (*c->at != wanted) return false;
	c->at++;
	return true;
}

/* Four hexadecimal digits; -1 where there is something else. */
static int32_t read_hex(const char *at)
{
	int32_t value = 0;
	for (int i = 0; i < 4; i++) {
		char c = at[i];
		int digit = c >= '0' && c <= '9'   ? c - '0'
		            : c >= 'a' && c <= 'f' ? c - 'a' + 10
		            : c >= 'A' && c <= 'F' ? c - 'A' + 10
		                                   : -1;
		if (digit < 0) return -1;
		value = value << 4 | digit;
	}
	return value;
}

/* What \uXXXX, or a pair of them, stands for, with *at behind the u; -1 for NUL and halves of pairs. */
static int32_t read_code(char **at)
{
	int32_t code = read_hex(*at);
	if (code <= 0 || (code >= 0xdc00 && code <= 0xdfff)) return -1;
	*at += 4;
	if (code < 0xd800 || code > 0xdbff) return code;
	int32_t low = (*at)[0] == '\\' && (*at)[1] == 'u' ? read_hex(*at + 2) : -1;
	if (low < 0xdc00 || low > 0xdfff) return -1;
	*at += 6;
	return 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
}

/* The escape behind a backslash at *at, written to out; the bytes written, 0 where it is none. */
static size_t read_escape(char **at, char *out)
{
	static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	char c = **at;
	if (!c) return 0; /* the end is never passed */
	++*at;
	if (c == 'u') {
		uint8_t bytes[4];
		int32_t code = read_code(at);
		if (code < 0) return 0;
		size_t n = vita_utf8_put(code, bytes);
		memcpy(out, bytes, n);
		return n;
	}
	const char *name = strchr(names, c);
	if (!name) return 0;
	*out = values[name - names];
	return 1;
}

/* A string, whose escapes are taken out in its place: none is shorter than what it stands for. */
static bool take_string(cursor *c, const char **text, size_t *size)
{
	if (!take(c, '"')) return false;
	char *begin = c->at, *out = c->at;
	bool ascii = true;
	for (;;) {
		unsigned char byte = (unsigned char)*c->at;
		if (byte == '"') break;
		if (byte < 0x20) return false;
		ascii = ascii && byte < 0x80;
		c->at++;
		if (byte != '\\') {
			*out++ = (char)byte;
			continue;
		}
		size_t n = read_escape(&c->at, out);
		if (n == 0) return false;
		ascii = false;
		out += n;
	}
	c->at++;
	*text = begin;
	*size = (size_t)(out - begin);
	return ascii || vita_utf8_valid((const uint8_t *)begin, *size);
}

/* An id: no sign, no zeros in front, nine digits at most. */
static bool take_id(cursor *c, int32_t *id)
{
	size_t n = 0;
	skip_space(c);
	for (*id = 0; c->at[n] >= '0' && c->at[n] <= '9'; n++) {
		if (n == 9) return false;
		*id = *id * 10 + (c->at[n] - '0');
	}
	bool plain = n > 0 && (n == 1 || *c->at != '0') && !strchr(".eE+-", c->at[n]);
	c->at += n;
	return plain;
}

static bool take_vocab(cursor *c, vita_lists *lists)
{
	const char *name;
	size_t size;
	int32_t id;
	if (!take(c, '{')) return false;
	if (take(c, '}')) return true;
	do {
		if (!take_string(c, &name, &size) || !take(c, ':') || !take_id(c, &id) ||
		    !vita_lists_add_token(lists, name, size, id))
			return false;
	} while (take(c, ','));
	return take(c, '}');
}

static bool is_comment(const char *text, size_t size)
{
	return size >= 8 && memcmp(text, "#version", 8) == 0;
}

/* ["LEFT", "RIGHT"] or "LEFT RIGHT"; a comment is left out. */
static bool take_merge(cursor *c, vita_lists *lists)
{
	const char *left, *right;
	size_t left_size, right_size;
	vita_error ignored;
	if (take(c, '['))
		return take_string(c, &left, &left_size) && take(c, ',') &&
		       take_string(c, &right, &right_size) && take(c, ']') &&
		       vita_lists_add_merge(lists, left, left_size, right, right_size);
	if (!take_string(c, &left, &left_size)) return false;
	if (is_comment(left, left_size)) return true;
	return vita_lists_add_joined(lists, left, left_size, 0, &ignored) == VITA_OK;
}

static bool take_merges(cursor *c, vita_lists *lists)
{
	if (!take(c, '[')) return false;
	if (take(c, ']')) return true;
	do {
		if (!take_merge(c, lists)) return false;
	} while (take(c, ','));
	return take(c, ']');
}

/* ---- where the lists are --------------------------------------------------------------------------- */

/* Behind a string's opening quote; false where it does not end. */
static bool pass_string(cursor *c)
{
	for (; *c->at && *c->at != '"'; c->at++)
		if (*c->at == '\\' && c->at[1]) c->at++;
	return *c->at++ == '"';
}

static bool is_key(const extent *key, const char *name)
{
	size_t size = strlen(name);
	return key->begin && (size_t)(key->end - key->begin) == size && memcmp(key->begin, name, size) == 0;
}

/* Read "vocab" and "merges" of the outermost object's "model"; both must be there, with such values. */
static bool find_lists(cursor *c, vita_lists *lists, extent *vocab, extent *merges)
{
	extent string = { NULL, NULL };
	size_t depth = 0;
	bool in_model = false, ok = true;
	for (; ok && *c->at; ) {
		char byte = *c->at++;
		if (byte == '"') {
			string.begin = c->at;
			ok = pass_string(c);
			string.end = c->at - 1;
		} else if (byte == '{' || byte == '[') depth++;
		else if (byte == '}' || byte == ']') {
			ok = depth-- > 0;
			in_model = in_model && depth > 1;
		} else if (byte == ':' && depth == 1) {
			skip_space(c);
			in_model = is_key(&string, "model") && *c->at == '{';
		} else if (byte == ':' && depth == 2 && in_model) {
			bool is_vocab = is_key(&string, "vocab"), is_merges = is_key(&string, "merges");
			extent *found = is_vocab ? vocab : merges;
			if (!is_vocab && !is_merges) continue;
			skip_space(c);
			ok = !found->begin;
			found->begin = c->at;
			ok = ok && (is_vocab ? take_vocab(c, lists) : take_merges(c, lists));
			found->end = c->at;
		}
	}
	return ok && vocab->begin && merges->begin;
}

/* The text around the two lists, which are empty in it. */
static bool parse_rest(const char *text, const char *end, const extent *vocab, const extent *merges,
                       json_t **document)
{
	bool vocab_first = vocab->begin < merges->begin;
	const extent *first = vocab_first ? vocab : merges, *second = vocab_first ? merges : vocab;
	vita_bytes rest = { 0 };
	vita_error ignored;
	bool ok = vita_bytes_append(&rest, text, (size_t)(first->begin - text)) &&
	          vita_bytes_append(&rest, vocab_first ? "{}" : "[]", 2) &&
	          vita_bytes_append(&rest, first->end, (size_t)(second->begin - first->end)) &&
	          vita_bytes_append(&rest, vocab_first ? "[]" : "{}", 2) &&
	          vita_bytes_append(&rest, second->end, (size_t)(end - second->end)) &&
	          vita_json_parse((const char *)rest.data, rest.size, "", document, &ignored) == VITA_OK;
	free(rest.data);
	return ok;
}

bool vita_lists_skim(const char *text, size_t size, json_t **document, vita_lists *lists)
{
	extent vocab = { NULL, NULL }, merges = { NULL, NULL };
	*document = NULL;
	memset(lists, 0, sizeof *lists);
	lists->text = size < SIZE_MAX ? malloc(size + 1) : NULL;
	if (!lists->text) return false;
	memcpy(lists->text, text, size);
	lists->text[size] = '\0';
	cursor c = { lists->text };
	/* A NUL within the text ends the pass before its end. */
	if (find_lists(&c, lists, &vocab, &merges) && c.at == lists->text + size &&
	    parse_rest(lists->text, lists->text + size, &vocab, &merges, document))
		return true;
	vita_lists_clear(lists);
	return false;
}

/* ---- vocab.json and merges.txt --------------------------------------------------------------------- */

static bool take_lines(const char *at, size_t size, vita_lists *lists)
{
	const char *end = at + size;
	vita_error ignored;
	bool ok = !memchr(at, '\0', size) && vita_utf8_valid((const uint8_t *)at, size);
	while (ok && at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at)), *stop = newline ? newline : end;
		size_t length = (size_t)(stop - at);
		if (length > 0 && at[length - 1] == '\r') length--;
		ok = length == 0 || is_comment(at, length) ||
		     vita_lists_add_joined(lists, at, length, 0, &ignored) == VITA_OK;
		at = newline ? newline + 1 : end;
	}
	return ok;
}

bool vita_lists_skim_files(const char *vocab, size_t vocab_size, const char *merges, size_t merges_size,
                           vita_lists *lists)
{
	memset(lists, 0, sizeof *lists);
	bool fits = vocab_size < SIZE_MAX / 2 && merges_size < SIZE_MAX / 2;
	lists->text = fits ? malloc(vocab_size + 1 + merges_size) : NULL;
	if (!lists->text) return false;
	memcpy(lists->text, vocab, vocab_size);
	lists->text[vocab_size] = '\0';
	memcpy(lists->text + vocab_size + 1, merges, merges_size);
	cursor c = { lists->text };
	bool ok = take_vocab(&c, lists);
	skip_space(&c);
	if (ok && c.at == lists->text + vocab_size && take_lines(c.at + 1, merges_size, lists)) return true;
	vita_lists_clear(lists);
	return false;
}
