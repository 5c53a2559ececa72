/* SPDX-License-Identifier: MIT
 *
 * The parts of the tokenizer one by one: UTF-8, the byte alphabet, normalization, byte pair encoding.
 */
#include "text_support.h"

#include <utf8proc.h>

static uint32_t random_state = 12345;

static uint32_t random_below(uint32_t n)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (random_state >> 8) % n;
}

/* ---- UTF-8 ---- */

static void repairs_as_unicode_recommends(void **state)
{
	/* The first three are tables 3-8 to 3-11 of the Unicode Standard. */
	static const struct {
		const char *bytes, *text; /* R stands for U+FFFD */
	} cases[] = {
		{"\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41", "RRRRRRRRA"},
		{"\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41", "RRRRRRRRA"},
		{"\xf4\x91\x92\x93\xff\x41\x80\xbf\x42", "RRRRRARRB"},
		{"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", "RRRRA"},
		{"\xf0\x9f\x99", "R"},
		{"a\xf0\x9f\x99z", "aRz"},
		{"\x80", "R"},
		{"plain", "plain"},
		{"", ""},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint8_t out[64];
		char text[64];
		size_t n = 0, size = vita_utf8_repair((const uint8_t *)cases[i].bytes, strlen(cases[i].bytes),
						      out, NULL);
		for (const char *c = cases[i].text; *c; c++)
			n += (size_t)sprintf(text + n, "%s", *c == 'R' ? "\xef\xbf\xbd" : (char[]){*c, 0});
		assert_int_equal(size, n);
		assert_memory_equal(out, text, n);
		bool valid = strcmp(cases[i].bytes, cases[i].text) == 0;
		assert_int_equal(vita_utf8_valid((const uint8_t *)cases[i].bytes, strlen(cases[i].bytes)),
				 valid);
	}
}

static void keeps_back_a_cut_character(void **state)
{
	static const uint8_t smile[] = "ab\xf0\x9f\x99\x82";
	uint8_t out[32];
	size_t rest;
	(void)state;
	for (size_t size = 2; size <= 6; size++) {
		size_t n = vita_utf8_repair(smile, size, out, &rest);
		assert_int_equal(rest, size < 6 ? size - 2 : 0);
		assert_int_equal(n, size < 6 ? 2 : 6);
	}
	assert_int_equal(vita_utf8_repair((const uint8_t *)"\xe1\x80\xff", 3, out, &rest), 6);
	assert_int_equal(rest, 0);
}

static void all_code_points_come_back(void **state)
{
	(void)state;
	for (int32_t code = 0; code < 0x110000; code++) {
		uint8_t bytes[4];
		int32_t back;
		size_t n = vita_utf8_put(code, bytes);
		bool surrogate = code >= 0xd800 && code < 0xe000;
		assert_int_equal(vita_utf8_next(bytes, n, &back), surrogate ? 1 : n);
		assert_int_equal(back, surrogate ? VITA_UTF8_BAD : code);
	}
}

static void byte_alphabet_is_gpt2s(void **state)
{
	static const uint8_t name[] = "\xc4\xa0"
				      "a\xc3\xa9\xc4\x8a\xc5\x83",
			     wrong[] = "a\xc5\x84";
	uint8_t bytes[16];
	int count[256] = {0};
	(void)state;
	for (int32_t code = 0; code < 0x110000; code++) {
		int byte = vita_byte_alphabet_byte(code);
		if (byte >= 0) count[byte]++;
		if (code > 32 && code < 127) assert_int_equal(byte, code);
	}
	for (int byte = 0; byte < 256; byte++)
		assert_int_equal(count[byte], 1);
	assert_int_equal(vita_byte_alphabet_decode(name, sizeof name - 1, bytes), 5);
	assert_memory_equal(bytes, " a\xe9\n\xad", 5);
	assert_int_equal(vita_byte_alphabet_decode(wrong, sizeof wrong - 1, bytes), -1);
	assert_int_equal(vita_byte_alphabet_decode((const uint8_t *)" ", 1, bytes), -1);
}

/* ---- normalization ---- */

/* Inert characters must be their own NFC, have class 0, and never be the second of a composed pair. */
static void inert_characters_are_inert(void **state)
{
	static uint8_t joins[0x110000];
	int32_t codes[32];
	size_t inert = 0;
	(void)state;
	for (int32_t code = 0; code < 0x110000; code++) {
		int boundary = 0;
		if (code >= 0xd800 && code < 0xe000) continue;
		utf8proc_ssize_t n = utf8proc_decompose_char(code, codes, 32,
							     UTF8PROC_STABLE | UTF8PROC_DECOMPOSE, &boundary);
		for (utf8proc_ssize_t i = 1; i < n; i++)
			joins[codes[i]] = 1;
	}
	for (int32_t code = 0; code < 0x110000; code++) {
		int boundary = 0;
		if (!vita_nfc_inert(code)) continue;
		inert++;
		utf8proc_ssize_t n = utf8proc_decompose_char(code, codes, 32,
							     UTF8PROC_STABLE | UTF8PROC_DECOMPOSE, &boundary);
		n = utf8proc_normalize_utf32(codes, n, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
		assert_int_equal(n, 1);
		assert_int_equal(codes[0], code);
		assert_int_equal(utf8proc_get_property(code)->combining_class, 0);
		assert_int_equal(joins[code], 0);
	}
	assert_in_range(inert, 90000, 140000);
}

static size_t random_text(uint8_t *text, size_t n_characters)
{
	static const int32_t starts[] = {
		'a',     'e',   'q',   ' ',   0xe9,  0x1e9b, 0x212b, 0x2126, 0xac00, 0x1100, 0x1161,
		0x11a8,  0x301, 0x323, 0x307, 0x345, 0x31b,  0xfb01, 0x2460, 0x4f60, 0x3099, 0x304b,
		0x1d15e, 0x958, 0x93c, 0x9c7, 0x9be, 0x344,  0xf73,  0x2adc, 0x1f80, 0xf900, 0xff21};
	size_t size = 0;
	for (size_t i = 0; i < n_characters; i++) {
		int32_t code = starts[random_below(sizeof starts / sizeof *starts)];
		if (random_below(8) == 0) code = (int32_t)random_below(0xd800);
		size += vita_utf8_put(code, text + size);
	}
	return size;
}

static void normalizes_as_utf8proc(void **state)
{
	static const struct {
		uint32_t form;
		int options;
	} forms[] = {
		{VITA_NORMAL_COMPOSE, UTF8PROC_COMPOSE},
		{VITA_NORMAL_DECOMPOSE, UTF8PROC_DECOMPOSE},
		{VITA_NORMAL_COMPOSE | VITA_NORMAL_COMPAT, UTF8PROC_COMPOSE | UTF8PROC_COMPAT},
		{VITA_NORMAL_DECOMPOSE | VITA_NORMAL_COMPAT, UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT},
	};
	vita_bytes out = {0};
	(void)state;
	for (size_t round = 0; round < 20000; round++) {
		uint8_t text[256], *expected;
		size_t size = random_text(text, 1 + random_below(40)), k = round % 4;
		bool changed;
		vita_error err;
		utf8proc_ssize_t n = utf8proc_map(text, (utf8proc_ssize_t)size, &expected,
						  (utf8proc_option_t)(forms[k].options | UTF8PROC_STABLE));
		assert_true(n >= 0);
		assert_int_equal(vita_normalize(forms[k].form, text, size, NULL, 0, &out, &changed, &err),
				 VITA_OK);
		assert_int_equal(changed ? out.size : size, n);
		assert_memory_equal(changed ? out.data : text, expected, n);
		free(expected);
	}
	free(out.data);
}

/* Sorting marks by exchanging neighbours would take minutes here. */
static void long_runs_of_marks_are_sorted(void **state)
{
	enum { N = 300000 };
	uint8_t *text = malloc(4 * N + 1);
	vita_bytes out = {0};
	vita_error err;
	bool changed;
	(void)state;
	assert_non_null(text);
	text[0] = 'a';
	for (size_t i = 0; i < N; i++)
		memcpy(text + 1 + 4 * i, "\xcc\x81\xcc\xa3", 4); /* U+0301 (class 230), U+0323 (220) */
	assert_int_equal(vita_normalize(VITA_NORMAL_COMPOSE, text, 4 * N + 1, NULL, 0, &out, &changed, &err),
			 VITA_OK);
	assert_true(changed);
	assert_int_equal(out.size, 3 + 2 * (N - 1) + 2 * N);
	assert_memory_equal(out.data, "\xe1\xba\xa1\xcc\xa3", 5);
	assert_memory_equal(out.data + 3 + 2 * (N - 1) - 2, "\xcc\xa3\xcc\x81", 4);
	free(out.data);
	free(text);
}

/* Markup never grows: what was composed across its border is not in it. */
static void spans_move_with_the_text(void **state)
{
	static const uint8_t text[] = "e\xcc\x81|x>\xcc\xb8y<e\xcc\x81z";
	/* plain "é|", markup "x>", plain "U+0338 y", markup "<e", plain "U+0301 z" */
	vita_span spans[] = {{4, false}, {6, true}, {9, false}, {11, true}, {14, false}};
	vita_bytes out = {0};
	vita_error err;
	bool changed;
	(void)state;
	assert_int_equal(
		vita_normalize(VITA_NORMAL_COMPOSE, text, sizeof text - 1, spans, 5, &out, &changed, &err),
		VITA_OK);
	assert_int_equal(out.size, 2 + 1 + 1 + 3 + 1 + 1 + 2 + 1);
	assert_memory_equal(out.data, "\xc3\xa9|x\xe2\x89\xafy<\xc3\xa9z", out.size);
	assert_int_equal(spans[0].end, 3);
	assert_int_equal(spans[1].end, 4);
	assert_int_equal(spans[2].end, 8);
	assert_int_equal(spans[3].end, 9);
	assert_int_equal(spans[4].end, out.size);
	free(out.data);
}

/* ---- byte pair encoding ---- */

#define MAX_IDS 300

/* A vocabulary of the letters a to d and of up to 200 random merges of what there is already. */
static void random_bpe(vita_bpe *bpe)
{
	char names[MAX_IDS][64];
	int32_t n = 4;
	vita_error err;
	memset(bpe, 0, sizeof *bpe);
	bpe->unknown = -1;
	assert_int_equal(vita_vocab_init(&bpe->vocab, MAX_IDS, MAX_IDS, MAX_IDS * 64, &err), VITA_OK);
	assert_int_equal(vita_merges_init(&bpe->merges, 200, &err), VITA_OK);
	for (int32_t i = 0; i < n; i++)
		(void)sprintf(names[i], "%c", (int)('a' + i));
	for (uint32_t rank = 0; rank < 200 && n < MAX_IDS; rank++) {
		uint32_t left = random_below((uint32_t)n), right = random_below((uint32_t)n);
		int32_t result = 0;
		char name[128];
		(void)sprintf(name, "%s%s", names[left], names[right]);
		if (strlen(name) > 12) continue;
		while (result < n && strcmp(names[result], name) != 0)
			result++;
		if (result == n) (void)snprintf(names[n++], sizeof names[0], "%.63s", name);
		vita_merges_add(&bpe->merges, (vita_merge){left, right, rank, result});
	}
	for (int32_t i = 0; i < n; i++) {
		bool known;
		assert_int_equal(vita_vocab_add(&bpe->vocab, i, names[i], strlen(names[i]), &known, &err), VITA_OK);
		assert_false(known);
	}
	vita_bpe_prepare(bpe);
}

/* The definition, as plainly as can be. */
static size_t merge_plainly(const vita_bpe *bpe, int32_t *ids, size_t n)
{
	for (;;) {
		const vita_merge *best = NULL;
		size_t at = 0;
		for (size_t i = 0; i + 1 < n; i++) {
			const vita_merge *merge = vita_merges_find(&bpe->merges, ids[i], ids[i + 1]);
			if (!merge || (best && merge->rank >= best->rank)) continue;
			best = merge;
			at = i;
		}
		if (!best) return n;
		ids[at] = best->result;
		memmove(ids + at + 1, ids + at + 2, (n - at - 2) * sizeof *ids);
		n--;
	}
}

static void merges_as_defined(void **state)
{
	vita_ids ids = {0};
	(void)state;
	for (int round = 0; round < 100; round++) {
		vita_bpe bpe;
		vita_bpe_work work = {0};
		random_bpe(&bpe);
		vita_bpe_work_cache(&work, 10000);
		for (int k = 0; k < 40; k++) {
			uint8_t text[500];
			int32_t expected[500];
			size_t size = 1 + random_below(k % 2 ? 20 : 400);
			vita_error err;
			for (size_t i = 0; i < size; i++) {
				text[i] = (uint8_t)('a' + random_below(k % 3 ? 4 : 2));
				expected[i] = text[i] - 'a';
			}
			size_t n = merge_plainly(&bpe, expected, size);
			ids.size = 0;
			assert_int_equal(vita_bpe_encode(&bpe, &work, text, size, false, &ids, &err),
					 VITA_OK);
			assert_int_equal(ids.size, n);
			assert_memory_equal(ids.data, expected, n * sizeof *expected);
		}
		vita_bpe_work_clear(&work);
		vita_bpe_clear(&bpe);
	}
	free(ids.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(repairs_as_unicode_recommends),
		cmocka_unit_test(keeps_back_a_cut_character),
		cmocka_unit_test(all_code_points_come_back),
		cmocka_unit_test(byte_alphabet_is_gpt2s),
		cmocka_unit_test(inert_characters_are_inert),
		cmocka_unit_test(normalizes_as_utf8proc),
		cmocka_unit_test(long_runs_of_marks_are_sorted),
		cmocka_unit_test(spans_move_with_the_text),
		cmocka_unit_test(merges_as_defined),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
