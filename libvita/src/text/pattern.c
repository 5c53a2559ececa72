/* SPDX-License-Identifier: MIT
 *
 * Oniguruma and PCRE2 write most things alike, but \s, \w, \b, \h, \v, POSIX classes and scripts mean
 * other sets of characters, {n,m}+ is another repeat, and options have other letters. What has no
 * counterpart is refused rather than matched a little differently.
 */
#include "text/pattern.h"

#include <ctype.h>
#include <stdio.h>

#include "text/utf8.h"

#define MAX_PATTERN_BYTES 65536
#define MAX_DEPTH 200
#define MAX_REPEAT 1000 /* steps within one repeat cannot be counted */

/* The property White_Space, and what is left without it. */
#define SPACE                                                                                                \
	"\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}"          \
	"\\x{205f}\\x{3000}"
#define NOT_SPACE                                                                                            \
	"\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{84}\\x{86}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}"      \
	"\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}"                       \
	"\\x{3001}-\\x{d7ff}\\x{e000}-\\x{10ffff}"
/* Oniguruma counts the superscripts and fractions of Latin-1 as word characters, and no others. */
#define WORD "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}"
#define HEX "0-9A-Fa-f"

typedef struct translator {
	const char *in;
	size_t size, at;
	vita_bytes *out;
	size_t atom;              /* where in out the last thing that can be repeated begins */
	size_t groups[MAX_DEPTH]; /* where in out the open groups begin */
	size_t depth;
	bool at_start; /* of the pattern or of a group */
	bool no_memory;
} translator;

static void put_bytes(translator *t, const char *text, size_t size)
{
	if (!vita_bytes_append(t->out, text, size)) t->no_memory = true;
}

static void put(translator *t, const char *text)
{
	put_bytes(t, text, strlen(text));
}

/* A set of characters given as the inside of a class. */
static void put_set(translator *t, const char *set, bool negated, bool in_class)
{
	if (!in_class) put(t, negated ? "[^" : "[");
	put(t, set);
	if (!in_class) put(t, "]");
}

static int peek(const translator *t, size_t ahead)
{
	return ahead < t->size - t->at ? (unsigned char)t->in[t->at + ahead] : -1;
}

static vita_status refuse(const translator *t, const char *what, vita_error *err)
{
	return vita_fail(err, VITA_E_UNSUPPORTED, "%s at byte %zu of the pattern is not supported", what,
			 t->at);
}

/* ---- properties and POSIX classes ---- */

static const struct {
	const char *name, *set;
} named_sets[] = {
	{"alpha", "\\p{Alphabetic}"},
	{"alnum", "\\p{Alphabetic}\\p{Nd}"},
	{"digit", "\\p{Nd}"},
	{"space", SPACE},
	{"punct", "\\p{P}"},
	{"upper", "\\p{Uppercase}"},
	{"lower", "\\p{Lowercase}"},
	{"word", WORD},
	{"xdigit", HEX},
	{"cntrl", "\\p{Cc}"},
	{"blank", "\\p{Zs}\\x{9}"},
	{"ascii", "\\x{0}-\\x{7f}"},
};

/* clang-format off */
static const struct { const char *name, *category; } categories[] = {
	{"letter", "L"}, {"uppercaseletter", "Lu"}, {"lowercaseletter", "Ll"}, {"titlecaseletter", "Lt"},
	{"modifierletter", "Lm"}, {"otherletter", "Lo"}, {"mark", "M"}, {"nonspacingmark", "Mn"},
	{"spacingmark", "Mc"}, {"enclosingmark", "Me"}, {"number", "N"}, {"decimalnumber", "Nd"},
	{"letternumber", "Nl"}, {"othernumber", "No"}, {"punctuation", "P"}, {"connectorpunctuation", "Pc"},
	{"dashpunctuation", "Pd"}, {"openpunctuation", "Ps"}, {"closepunctuation", "Pe"},
	{"initialpunctuation", "Pi"}, {"finalpunctuation", "Pf"}, {"otherpunctuation", "Po"}, {"symbol", "S"},
	{"mathsymbol", "Sm"}, {"currencysymbol", "Sc"}, {"modifiersymbol", "Sk"}, {"othersymbol", "So"},
	{"separator", "Z"}, {"spaceseparator", "Zs"}, {"lineseparator", "Zl"}, {"paragraphseparator", "Zp"},
	{"other", "C"}, {"control", "Cc"}, {"format", "Cf"}, {"privateuse", "Co"}, {"unassigned", "Cn"},
};
/* clang-format on */

static const char *find_set(const char *name)
{
	for (size_t i = 0; i < sizeof named_sets / sizeof *named_sets; i++)
		if (strcmp(named_sets[i].name, name) == 0) return named_sets[i].set;
	return NULL;
}

/* Newer PCRE2 takes \p{Han} as the script extensions, Oniguruma as the script. */
static bool is_script(const char *name)
{
	char pattern[80];
	int code;
	PCRE2_SIZE offset;
	(void)snprintf(pattern, sizeof pattern, "\\p{sc:%s}", name);
	pcre2_code *compiled =
		pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF, &code, &offset, NULL);
	pcre2_code_free(compiled);
	return compiled != NULL;
}

static vita_status property(translator *t, bool in_class, vita_error *err)
{
	char name[64], key[64];
	size_t length = 0, n_key = 0;
	bool negated = peek(t, 1) == 'P';
	if (peek(t, 2) != '{') return refuse(t, "a property without braces", err);
	t->at += 3;
	if (peek(t, 0) == '^') {
		negated = !negated;
		t->at++;
	}
	for (; peek(t, 0) != '}'; t->at++) {
		int c = peek(t, 0);
		if (c < 0 || c > 126 || length + 1 == sizeof name)
			return refuse(t, "a property without end", err);
		name[length++] = (char)c;
		if (isalnum(c)) key[n_key++] = (char)tolower(c);
	}
	t->at++;
	name[length] = key[n_key] = '\0';
	const char *set = find_set(key);
	if (set && negated && in_class) return refuse(t, "a negated set inside a class", err);
	if (set) {
		put_set(t, set, negated, in_class);
		return VITA_OK;
	}
	put(t, negated ? "\\P{" : "\\p{");
	for (size_t i = 0; i < sizeof categories / sizeof *categories; i++) {
		if (strcmp(categories[i].name, key) != 0) continue;
		put(t, categories[i].category);
		put(t, "}");
		return VITA_OK;
	}
	if (length > 2 && is_script(name)) put(t, "sc:");
	put(t, name);
	put(t, "}");
	return VITA_OK;
}

/* ---- escapes ---- */

/* \xHH, \x{H…} and \uHHHH. */
static vita_status code_point(translator *t, vita_error *err)
{
	bool braces = peek(t, 1) == 'x' && peek(t, 2) == '{';
	size_t limit = braces ? 8 : peek(t, 1) == 'x' ? 2 : 4, digits = 0;
	unsigned long value = 0;
	char text[24];
	t->at += braces ? 3 : 2;
	for (; digits < limit && peek(t, 0) >= 0 && isxdigit(peek(t, 0)); digits++, t->at++) {
		int c = peek(t, 0);
		value = value * 16 + (unsigned long)(isdigit(c) ? c - '0' : tolower(c) - 'a' + 10);
	}
	if (digits == 0 || (limit == 4 && digits < 4) || (braces && peek(t, 0) != '}'))
		return refuse(t, "an incomplete character code", err);
	/* Without braces Oniguruma means a byte, which may be a part of a character. */
	if (limit == 2 && value > 0x7f) return refuse(t, "a character written byte by byte", err);
	if (braces) t->at++;
	(void)snprintf(text, sizeof text, "\\x{%lx}", value);
	put(t, text);
	return VITA_OK;
}

/* Escapes that stand for a set of characters; NULL for others. */
static const char *escape_set(int letter, bool in_class, bool *negated)
{
	*negated = letter == 'S' || letter == 'W' || letter == 'H';
	switch (letter) {
	case 's': return SPACE;
	case 'S': return in_class ? NOT_SPACE : SPACE;
	case 'w': return WORD;
	case 'W': return in_class ? NULL : WORD;
	case 'h': return HEX;
	case 'H': return in_class ? NULL : HEX;
	default: return NULL;
	}
}

static vita_status escape(translator *t, bool in_class, vita_error *err)
{
	bool negated;
	int letter = peek(t, 1);
	const char *set = escape_set(letter, in_class, &negated);
	if (letter < 0) return refuse(t, "a backslash at the end", err);
	if (letter == 'p' || letter == 'P') return property(t, in_class, err);
	if (letter == 'x' || letter == 'u') return code_point(t, err);
	if (set)
		put_set(t, set, negated, in_class);
	else if (letter == 'v')
		put(t, "\\x{b}");
	else if (letter == '0' && !(peek(t, 2) >= '0' && peek(t, 2) <= '7'))
		put(t, "\\x{0}");
	else if (letter == 'b' && !in_class)
		put(t, "(?:(?<=[" WORD "])(?![" WORD "])|(?<![" WORD "])(?=[" WORD "]))");
	else if (letter == 'B' && !in_class)
		put(t, "(?:(?<=[" WORD "])(?=[" WORD "])|(?<![" WORD "])(?![" WORD "]))");
	else if (letter < 128 && !isalnum(letter))
		put_bytes(t, t->in + t->at, 2);
	else if (letter < 128 && strchr(in_class ? "dDnrtfaeb" : "dDnrtfaeAzZRX", letter))
		put_bytes(t, t->in + t->at, 2);
	else if (letter < 128)
		return refuse(t, "this escape", err);
	else
		put_bytes(t, t->in + t->at + 1, 1); /* a character outside ASCII stands for itself */
	t->at += 2;
	return VITA_OK;
}

/* ---- classes ---- */

static vita_status posix_class(translator *t, vita_error *err)
{
	char name[16];
	size_t length = 0;
	for (t->at += 2; peek(t, 0) >= 0 && islower(peek(t, 0)) && length + 1 < sizeof name; t->at++)
		name[length++] = (char)peek(t, 0);
	name[length] = '\0';
	const char *set = find_set(name);
	if (peek(t, 0) != ':' || peek(t, 1) != ']' || !set) return refuse(t, "this POSIX class", err);
	t->at += 2;
	put(t, set);
	return VITA_OK;
}

static bool is_set_ahead(const translator *t, size_t ahead)
{
	int letter = peek(t, ahead + 1);
	return peek(t, ahead) == '\\' && letter > 0 && strchr("sSwWdDhHpP", letter) != NULL;
}

/* Nested classes that are not negated only add to the one around them, so their brackets are dropped. */
static vita_status class(translator *t, vita_error *err)
{
	size_t depth = 1;
	bool after_set = false; /* a '-' after a set is no range */
	put(t, "[");
	t->at++;
	if (peek(t, 0) == '^') {
		put(t, "^");
		t->at++;
	}
	if (peek(t, 0) == ']') return refuse(t, "an empty class", err);
	while (depth > 0) {
		int c = peek(t, 0);
		vita_status status = VITA_OK;
		bool set = is_set_ahead(t, 0) || (c == '[' && peek(t, 1) == ':');
		if (c < 0) return refuse(t, "a class without end", err);
		if (c == '&' && peek(t, 1) == '&') return refuse(t, "an intersection of classes", err);
		if (c == '[' && peek(t, 1) == '^') return refuse(t, "a negated class in a class", err);
		if (c == '[' && peek(t, 1) == ':') {
			status = posix_class(t, err);
		} else if (c == '\\') {
			status = escape(t, true, err);
		} else {
			if (c == '-' && (after_set || is_set_ahead(t, 1) || peek(t, 1) == '[')) put(t, "\\");
			if (c == '[')
				depth++;
			else if (c != ']' || --depth == 0)
				put_bytes(t, t->in + t->at, 1);
			t->at++;
		}
		if (status < 0) return status;
		after_set = set || c == '[' || c == ']';
	}
	return VITA_OK;
}

/* ---- groups and repeats ---- */

/* (?i), (?i:, (?m-i: …; t->at is behind the question mark. */
static vita_status options(translator *t, vita_error *err)
{
	bool at_start = t->at_start;
	put(t, "(?");
	for (; peek(t, 0) == 'i' || peek(t, 0) == 'm' || peek(t, 0) == '-'; t->at++)
		put(t, peek(t, 0) == 'm' ? "s" : peek(t, 0) == 'i' ? "i" : "-");
	if (peek(t, 0) == ')') {
		/* In the middle Oniguruma would take the alternatives that follow into the option's scope. */
		if (!at_start) return refuse(t, "an option in the middle of a group", err);
		t->depth--;
	} else if (peek(t, 0) != ':') {
		return refuse(t, "this group or option", err);
	}
	put_bytes(t, t->in + t->at, 1);
	t->at++;
	t->at_start = true;
	return VITA_OK;
}

static vita_status group(translator *t, vita_error *err)
{
	int kind = peek(t, 2);
	if (t->depth == MAX_DEPTH) return refuse(t, "a group nested this deep", err);
	if (peek(t, 1) == '*') return refuse(t, "a verb", err);
	t->groups[t->depth++] = t->out->size;
	if (peek(t, 1) != '?') {
		put(t, "(");
		t->at++;
		t->at_start = true;
		return VITA_OK;
	}
	if (kind == '#') {
		while (peek(t, 0) >= 0 && peek(t, 0) != ')')
			t->at++;
		t->at += peek(t, 0) == ')';
		t->depth--;
		return VITA_OK;
	}
	if (kind == 'i' || kind == 'm' || kind == '-') {
		t->at += 2;
		return options(t, err);
	}
	size_t length = kind == '<' && (peek(t, 3) == '=' || peek(t, 3) == '!') ? 4 : 3;
	if (kind < 0 || !strchr(":=!><", kind)) return refuse(t, "this group", err);
	put_bytes(t, t->in + t->at, length);
	t->at += length;
	t->at_start = true;
	return VITA_OK;
}

/* Wrap what stands in out from the last atom on, so that another repeat can follow. */
static void wrap_atom(translator *t)
{
	put(t, "    ");
	if (t->no_memory) return;
	size_t length = t->out->size - 4 - t->atom;
	uint8_t *start = t->out->data + t->atom;
	memmove(start + 3, start, length);
	memcpy(start, "(?:", 3);
	start[length + 3] = ')';
}

/* The number that stands `*ahead`, -1 where none does; *ahead moves behind it. */
static long repeat_number(const translator *t, size_t *ahead)
{
	long value = -1;
	for (; peek(t, *ahead) >= '0' && peek(t, *ahead) <= '9'; ++*ahead)
		if (value <= MAX_REPEAT) value = (value < 0 ? 0 : value) * 10 + (peek(t, *ahead) - '0');
	return value;
}

/* {n}, {n,}, {n,m}, {,m}; anything else is a literal brace. A plus after an interval repeats it again
 * (in PCRE2 it would make it possessive), and a question mark after {n} makes it optional. */
static vita_status interval(translator *t, vita_error *err)
{
	size_t end = 1;
	long low = repeat_number(t, &end), high = -1;
	bool comma = peek(t, end) == ',';
	end += comma;
	if (comma) high = repeat_number(t, &end);
	if (peek(t, end) != '}' || (low < 0 && high < 0)) {
		t->atom = t->out->size;
		put(t, "\\{");
		t->at++;
		return VITA_OK;
	}
	if (low > MAX_REPEAT || high > MAX_REPEAT) return refuse(t, "a repeat of more than 1000", err);
	put(t, low < 0 ? "{0" : "{");
	put_bytes(t, t->in + t->at + 1, end);
	t->at += end + 1;
	if (peek(t, 0) == '+' || (peek(t, 0) == '?' && !comma)) wrap_atom(t);
	return VITA_OK;
}

vita_status vita_pattern_translate(const char *pattern, size_t size, vita_bytes *out, vita_error *err)
{
	translator t = {.in = pattern, .size = size, .out = out, .at_start = true};
	out->size = 0;
	t.no_memory = !vita_bytes_reserve(out, 1);
	if (size > MAX_PATTERN_BYTES)
		return vita_fail(err, VITA_E_UNSUPPORTED, "a pattern of %zu bytes is too long", size);
	while (t.at < size && !t.no_memory) {
		vita_status status = VITA_OK;
		int c = peek(&t, 0);
		bool continues = (c & 0xc0) == 0x80; /* a character that began before */
		if ((!strchr("*+?{()", c) && !continues) || c == 0) t.atom = out->size;
		if (c != '(') t.at_start = false;
		if (c == '\\') {
			status = escape(&t, false, err);
		} else if (c == '[') {
			status = class(&t, err);
		} else if (c == '(') {
			status = group(&t, err);
		} else if (c == '{') {
			status = interval(&t, err);
		} else {
			if (c == ')' && t.depth == 0)
				return refuse(&t, "a closing parenthesis too many", err);
			if (c == ')') t.atom = t.groups[--t.depth];
			put_bytes(&t, pattern + t.at, 1);
			t.at++;
		}
		if (status < 0) return status;
	}
	if (t.no_memory) return vita_fail(err, VITA_E_NOMEM, "no memory for a pattern of %zu bytes", size);
	return VITA_OK;
}

static pcre2_code *compile(const char *pattern, size_t size, uint32_t flags, vita_error *err)
{
	int code = 0;
	PCRE2_SIZE offset = 0;
	PCRE2_UCHAR reason[160] = "";
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	if (!context) {
		(void)vita_fail(err, VITA_E_NOMEM, "no memory for a regular expression");
		return NULL;
	}
	(void)pcre2_set_newline(context, PCRE2_NEWLINE_LF);
	(void)pcre2_set_bsr(context, PCRE2_BSR_UNICODE);
	pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)pattern, size, flags, &code, &offset, context);
	pcre2_compile_context_free(context);
	if (compiled) return compiled;
	(void)pcre2_get_error_message(code, reason, sizeof reason);
	(void)vita_fail(err, VITA_E_UNSUPPORTED, "the pattern is not understood at byte %zu: %s",
			(size_t)offset, (const char *)reason);
	return NULL;
}

vita_status vita_pattern_compile(const char *pattern, size_t size, bool literal, vita_pattern *out,
				 vita_error *err)
{
	vita_bytes translated = {0};
	vita_error reason = {.status = VITA_OK};
	uint32_t flags = literal ? PCRE2_UTF | PCRE2_LITERAL
				 : PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
	memset(out, 0, sizeof *out);
	if (!literal) {
		vita_status status = vita_pattern_translate(pattern, size, &translated, &reason);
		if (status < 0) goto fail;
		pattern = (const char *)translated.data;
		size = translated.size;
	}
	out->fast = compile(pattern, size, flags, &reason);
	if (out->fast) out->counted = compile(pattern, size, flags | PCRE2_AUTO_CALLOUT, &reason);
	if (!out->counted) goto fail;
	/* Where machine code cannot be made PCRE2's interpreter does the same, slower. */
	(void)pcre2_jit_compile(out->fast, PCRE2_JIT_COMPLETE | PCRE2_JIT_PARTIAL_HARD);
	free(translated.data);
	return VITA_OK;
fail:
	free(translated.data);
	vita_pattern_clear(out);
	return vita_fail(err, reason.status, "%s", reason.message);
}

void vita_pattern_clear(vita_pattern *pattern)
{
	pcre2_code_free(pattern->fast);
	pcre2_code_free(pattern->counted);
	memset(pattern, 0, sizeof *pattern);
}
