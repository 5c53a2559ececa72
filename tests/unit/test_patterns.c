/* SPDX-License-Identifier: MIT
 *
 * Pre-tokenization: patterns written for Oniguruma and the steps of tokenizer files. The expected pieces
 * are those of Hugging Face's tokenizers library, version 0.21.
 */
#include "text_support.h"

#include "text/split.h"

static vita_status append_piece(void *user, const uint8_t *piece, size_t size, vita_error *err)
{
	vita_bytes *out = user;
	(void)err;
	if (out->size > 0) assert_true(vita_bytes_append(out, "|", 1));
	assert_true(vita_bytes_append(out, piece, size));
	return VITA_OK;
}

/* The pieces of a text with a bar between them; free() them. */
static char *pieces_of(const vita_split *split, const char *text)
{
	vita_bytes out = {0};
	vita_split_work work;
	vita_error err;
	assert_int_equal(vita_split_work_init(&work, strlen(text), &err), VITA_OK);
	if (vita_split_run(split, &work, (const uint8_t *)text, strlen(text), append_piece, &out, &err) !=
	    VITA_OK)
		fail_msg("\"%s\": %s", text, err.message);
	vita_split_work_clear(&work);
	assert_true(vita_bytes_append(&out, "", 1));
	return (char *)out.data;
}

static void patterns_match_as_in_oniguruma(void **state)
{
	/* clang-format off */
	static const struct { const char *pattern, *text, *pieces; } cases[] = {
	{"\\s+|\\S+", "a\302\205\302\240 \341\240\216b\343\200\200c",
		 "a|\302\205\302\240 |\341\240\216b|\343\200\200|c"},
	{"[^\\s]+", "a\341\240\216b\302\205c", "a\341\240\216b|\302\205|c"},
	{"[\\S\\n]+", "a\n \343\200\200b", "a\n| \343\200\200|b"},
	{"\\w+|\\W", "na\314\210ive_1\302\262\342\221\242 \342\223\220-x",
		 "na\314\210ive_1\302\262|\342\221\242| |\342\223\220|-|x"},
	{"\\bfoo\\b", "foo a\314\201foo foo-foo", "foo| a\314\201foo |foo|-|foo"},
	{"\\Bo", "foo o", "f|o|o| o"},
	{"\\h+|\\H", "xyz1fG", "x|y|z|1f|G"},
	{"\\v", "a\013\nb", "a|\013|\nb"},
	{"^.|.$", "ab\ncd", "a|b|\n|c|d"},
	{"(?m)a.b", "a\nb", "a\nb"},
	{"(?i:'s|k)", "'S'\305\277K\342\204\252", "'S|'\305\277|K|\342\204\252"},
	{"(?i)ab|c", "ABCc", "AB|C|c"},
	{"\\p{N}{1,3}", "1234567", "123|456|7"},
	{"\\p{N}{1,3}+", "1234567", "1234567"},
	{"\\p{N}{2}?x", "12x3x", "12x|3|x"},
	{"a{,2}b", "aaab", "a|aab"},
	{"a{x", "a{x", "a{x"},
	{"[a[b-d]e]+", "xabcdex", "x|abcde|x"},
	{"[a\\-z]+", "b-a", "b|-a"},
	{"\\p{Han}+", "\344\275\240\343\200\201\345\245\275", "\344\275\240|\343\200\201|\345\245\275"},
	{"\\p{^L}+", "ab12c", "ab|12|c"},
	{"\\P{Letter}+", "ab12c", "ab|12|c"},
	{"\\p{Alpha}+|\\p{Space}", "a\315\205 b", "a\315\205| |b"},
	{"[[:punct:]]+", "a$!b", "a$|!|b"},
	{"[[:alpha:][:digit:]]+", "\303\251\331\243!x", "\303\251\331\243|!|x"},
	{"\\u4f60|\\x{597d}|\\x41", "A\344\275\240\345\245\275", "A|\344\275\240|\345\245\275"},
	{"(?<=a)b|(?<!a)c|d(?=e)|f(?!g)", "abcacdedffg", "a|b|c|ac|d|ed|f|fg"},
	{"(?>ab|a)c", "abcac", "abc|ac"},
	{"a++b|x?+x", "aabxx", "aab|xx"},
	{"(?#note)b", "abc", "a|b|c"},
	{"\\R", "a\r\nb\nc", "a|\r\n|b|\n|c"},
	{"[.*+?{}()|^$]+", "a.*b($)", "a|.*|b|($)"},
	{"x*", "axxb", "a|xx|b"},
	{"(?i-m:a)b", "ABab", "AB|ab"},
	{"\\p{Uppercase_Letter}\\p{Ll}+", "FooBar", "Foo|Bar"},
	{"\344\275\240+", "\344\275\240\344\275\240\345\245\275", "\344\275\240\344\275\240|\345\245\275"},
	{"\\\303\251", "\303\251", "\303\251"},
	{"(?:\\p{L}\\p{M}*)+", "q\314\207x 1", "q\314\207x| 1"},
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		vita_split split = {.n_stages = 1};
		vita_error err;
		if (vita_pattern_compile(cases[i].pattern, strlen(cases[i].pattern), false,
					 &split.stages[0].pattern, &err) != VITA_OK)
			fail_msg("%s: %s", cases[i].pattern, err.message);
		char *pieces = pieces_of(&split, cases[i].text);
		if (strcmp(pieces, cases[i].pieces) != 0)
			fail_msg("%s on \"%s\": got %s, expected %s", cases[i].pattern, cases[i].text, pieces,
				 cases[i].pieces);
		free(pieces);
		vita_split_clear(&split);
	}
}

static void patterns_without_counterpart_are_refused(void **state)
{
	static const char *const patterns[] = {
		"a(",
		"a)",
		"[",
		"[]",
		"[a",
		"[a&&b]",
		"[^a[^b]]",
		"[\\W]",
		"(?~a)",
		"(?(1)a)",
		"(*ACCEPT)",
		"(?x)a b",
		"a(?i)b|c",
		"\\K",
		"\\C",
		"\\G",
		"\\Q",
		"\\",
		"\\x",
		"\\xff",
		"\\x{110000}",
		"\\p{Nonsense}",
		"\\p{",
		"\\pL",
		"[[:nonsense:]]",
		"[[:alpha",
		"(?<=a+)b",
		"a{2,1}",
		"*",
		"(?R)",
		"((?1))",
		"\\g<1>",
		"(?P<n>a)",
		"[\\P{alpha}]",
		"(a)\\1",
		"(?<n>a)\\k<n>",
		"a{1001}",
		"a{0,99999999999999999999}",
		"\\u12",
	};
	(void)state;
	for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
		vita_pattern code;
		vita_error err = {0};
		if (vita_pattern_compile(patterns[i], strlen(patterns[i]), false, &code, &err) !=
		    VITA_E_UNSUPPORTED)
			fail_msg("%s is taken", patterns[i]);
		assert_null(code.fast);
		assert_null(code.counted);
		assert_true(strlen(err.message) > 10);
	}
}

static void deep_and_long_patterns_are_refused(void **state)
{
	enum { SIZE = 100000 };
	char *pattern = malloc(SIZE + 1);
	vita_pattern code;
	vita_error err;
	(void)state;
	assert_non_null(pattern);
	memset(pattern, '(', SIZE);
	pattern[SIZE] = '\0';
	assert_int_equal(vita_pattern_compile(pattern, SIZE, false, &code, &err), VITA_E_UNSUPPORTED);
	assert_int_equal(vita_pattern_compile(pattern, 1000, false, &code, &err), VITA_E_UNSUPPORTED);
	memset(pattern, '[', SIZE);
	assert_int_equal(vita_pattern_compile(pattern, 60000, false, &code, &err), VITA_E_UNSUPPORTED);
	static const char huge[] = "(?:(?:(?:a{1,999}){1,999}){1,999}){1,999}";
	assert_int_equal(vita_pattern_compile(huge, sizeof huge - 1, false, &code, &err), VITA_E_UNSUPPORTED);
	free(pattern);
}

/* ---- steps of files ---- */

#define BYTES "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":false,\"use_regex\":false}"
#define BYTES_PREFIX "{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"use_regex\":false}"
#define GPT2 "{\"type\":\"ByteLevel\",\"add_prefix_space\":false}"
#define GPT2_PREFIX                                                                                          \
	"{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,\"use_regex\":true}"
#define SEQUENCE(steps) "{\"type\":\"Sequence\",\"pretokenizers\":[" steps "]}"
#define SPLIT(pattern, behavior, invert)                                                                     \
	"{\"type\":\"Split\",\"pattern\":" pattern ",\"behavior\":\"" behavior "\",\"invert\":" invert "}"
#define DASHES(behavior, invert) SEQUENCE(SPLIT("{\"String\":\"-\"}", behavior, invert) "," BYTES)
#define DIGITS(individual) "{\"type\":\"Digits\",\"individual_digits\":" individual "}"

static void steps_cut_as_in_tokenizers(void **state)
{
	static const struct {
		const char *steps, *text, *pieces;
	} cases[] = {
		{GPT2, "I'm here, it's 2024!\n\n  ok ", "I|'m| here|,| it|'s| 2024|!|\n\n | ok| "},
		{GPT2_PREFIX, "Hello world", " Hello| world"},
		{GPT2_PREFIX, " Hello", " Hello"},
		{GPT2_PREFIX, "\nx", " |\n|x"},
		{BYTES_PREFIX, "Hello world", " Hello world"},
		{SEQUENCE(DIGITS("true") "," GPT2), "a 12\331\243 b", "a| |1|2|\331\243| b"},
		{SEQUENCE(DIGITS("false") "," GPT2), "a 12\331\243 b", "a| |12\331\243| b"},
		{SEQUENCE(DIGITS("false") "," GPT2_PREFIX), "a12b", " a| 12| b"},
		{SEQUENCE("{\"type\":\"Punctuation\",\"behavior\":\"Isolated\"}," BYTES), "a+b..c",
		 "a|+|b|.|.|c"},
		{SEQUENCE("{\"type\":\"Punctuation\",\"behavior\":\"Contiguous\"}," BYTES), "a+b..c",
		 "a|+|b|..|c"},
		{SEQUENCE(SEQUENCE("{\"type\":\"Punctuation\"}") "," SEQUENCE(SEQUENCE(BYTES))), "a,b",
		 "a|,|b"},
		{DASHES("Isolated", "false"), "--a-b--c-", "-|-|a|-|b|-|-|c|-"},
		{DASHES("Isolated", "true"), "--a-b--c-", "-|-|a|-|b|-|-|c|-"},
		{DASHES("Removed", "false"), "--a-b--c-", "a|b|c"},
		{DASHES("Removed", "true"), "--a-b--c-", "-|-|-|-|-|-"},
		{DASHES("MergedWithPrevious", "false"), "--a-b--c-", "-|-|a-|b-|-|c-"},
		{DASHES("MergedWithPrevious", "true"), "--a-b--c-", "-|-a|-b|-|-c|-"},
		{DASHES("MergedWithNext", "false"), "--a-b--c-", "-|-a|-b|-|-c|-"},
		{DASHES("MergedWithNext", "true"), "--a-b--c-", "-|-|a-|b-|-|c-"},
		{DASHES("Contiguous", "false"), "--a-b--c-", "--|a|-|b|--|c|-"},
		{DASHES("Contiguous", "true"), "--a-b--c-", "--|a|-|b|--|c|-"},
		{SEQUENCE(SPLIT("{\"String\":\".\"}", "Isolated", "false") "," BYTES), "a.b", "a|.|b"},
		{SEQUENCE(SPLIT("{\"Regex\":\"\\\\d+\"}", "Isolated", "false") "," SPLIT(
			 "{\"Regex\":\"\\\\s?[a-z]+\"}", "Isolated", "false") "," BYTES),
		 "ab 12cd e", "ab| |12|cd| e"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		vita_tokenizer *tokenizer = tokenizer_of(byte_document(cases[i].steps));
		char *pieces = pieces_of(&tokenizer->split, cases[i].text);
		if (strcmp(pieces, cases[i].pieces) != 0)
			fail_msg("%s on \"%s\": got %s, expected %s", cases[i].steps, cases[i].text, pieces,
				 cases[i].pieces);
		free(pieces);
		vita_tokenizer_close(tokenizer);
	}
}

static void unknown_steps_are_refused(void **state)
{
	static const struct {
		const char *steps;
		vita_status status;
	} cases[] = {
		{"null", VITA_E_UNSUPPORTED},
		{"7", VITA_E_FORMAT},
		{"{}", VITA_E_UNSUPPORTED},
		{"{\"type\":3}", VITA_E_FORMAT},
		{"{\"type\":\"Metaspace\"}", VITA_E_UNSUPPORTED},
		{"{\"type\":\"Sequence\"}", VITA_E_FORMAT},
		{SEQUENCE(""), VITA_E_UNSUPPORTED},
		{SEQUENCE(BYTES "," DIGITS("true")), VITA_E_UNSUPPORTED},
		{SEQUENCE("[]"), VITA_E_FORMAT},
		{"{\"type\":\"ByteLevel\",\"use_regex\":\"yes\"}", VITA_E_FORMAT},
		{SEQUENCE(SPLIT("{\"Regex\":\"(\"}", "Isolated", "false") "," BYTES), VITA_E_UNSUPPORTED},
		{SEQUENCE(SPLIT("{\"Regex\":\"\"}", "Isolated", "false") "," BYTES), VITA_E_FORMAT},
		{SEQUENCE(SPLIT("{\"Regexp\":\"a\"}", "Isolated", "false") "," BYTES), VITA_E_FORMAT},
		{SEQUENCE(SPLIT("{\"Regex\":\"a\"}", "Dropped", "false") "," BYTES), VITA_E_UNSUPPORTED},
		{SEQUENCE(SPLIT("{\"Regex\":\"a\"}", "Isolated", "1") "," BYTES), VITA_E_FORMAT},
		{SEQUENCE(SEQUENCE(
			 SEQUENCE(SEQUENCE(SEQUENCE(SEQUENCE(SEQUENCE(SEQUENCE(SEQUENCE(BYTES))))))))),
		 VITA_E_FORMAT},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		json_t *document = byte_document(cases[i].steps);
		vita_tokenizer *tokenizer;
		vita_error err = {0};
		if (vita_tokenizer_build(document, NULL, NULL, NULL, &tokenizer, &err) != cases[i].status)
			fail_msg("%s: %s", cases[i].steps, err.message);
		assert_null(tokenizer);
		json_decref(document);
	}
}

/* ---- time ---- */

static vita_status split_status(const char *pattern, const char *text, size_t size, vita_error *err)
{
	vita_split split = {.n_stages = 1};
	vita_split_work work;
	vita_bytes out = {0};
	assert_int_equal(vita_pattern_compile(pattern, strlen(pattern), false, &split.stages[0].pattern, err),
			 VITA_OK);
	assert_int_equal(vita_split_work_init(&work, size, err), VITA_OK);
	vita_status status =
		vita_split_run(&split, &work, (const uint8_t *)text, size, append_piece, &out, err);
	vita_split_work_clear(&work);
	vita_split_clear(&split);
	free(out.data);
	return status;
}

/* Each of these would take hours, or more stack than there is. */
static void exploding_patterns_end_with_an_error(void **state)
{
	static const char *const patterns[] = {"(a+)+b",       "(a|aa)+b", "a*b",        "a*a*a*a*b",
					       "(?:a?){200}b", "(a*)*b",   "(?=(a+)+b)a"};
	enum { SIZE = 200000 };
	char *text = malloc(SIZE);
	(void)state;
	assert_non_null(text);
	memset(text, 'a', SIZE);
	for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
		vita_error err = {0};
		if (split_status(patterns[i], text, SIZE, &err) != VITA_E_UNSUPPORTED)
			fail_msg("%s ends well", patterns[i]);
		assert_non_null(strstr(err.message, "pattern"));
	}
	free(text);
}

/* Windows and step limits must not show: pieces far longer than any of them come out whole. */
static void long_pieces_stay_whole(void **state)
{
	static const char pattern[] = "(?:ab)+|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+|\\S+?(?=ab|\\s|$)";
	enum { SIZE = 300000 };
	char *text = malloc(3 * SIZE + 1);
	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < SIZE; i++)
		text[i] = i % 2 ? 'b' : 'a';
	memset(text + SIZE, ' ', SIZE);
	memset(text + 2 * SIZE, 'x', SIZE);
	text[3 * SIZE] = '\0';
	vita_split split = {.n_stages = 1};
	vita_error err;
	assert_int_equal(
		vita_pattern_compile(pattern, sizeof pattern - 1, false, &split.stages[0].pattern, &err),
		VITA_OK);
	char *pieces = pieces_of(&split, text);
	assert_int_equal(strlen(pieces), 3 * SIZE + 3);
	assert_int_equal(pieces[SIZE], '|');
	assert_int_equal(pieces[2 * SIZE],
			 '|'); /* all spaces but the last, which begins a piece of its own */
	assert_int_equal(pieces[2 * SIZE + 2], '|');
	free(pieces);
	vita_split_clear(&split);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_match_as_in_oniguruma),
		cmocka_unit_test(patterns_without_counterpart_are_refused),
		cmocka_unit_test(deep_and_long_patterns_are_refused),
		cmocka_unit_test(steps_cut_as_in_tokenizers),
		cmocka_unit_test(unknown_steps_are_refused),
		cmocka_unit_test(exploding_patterns_end_with_an_error),
		cmocka_unit_test(long_pieces_stay_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
