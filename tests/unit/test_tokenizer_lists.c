/* SPDX-License-Identifier: MIT
 *
 * Vocabulary and merges read without the JSON library, against what the library reads: of texts as they should be,
 * of odd ones, and of thousands that differ from a good one in a few bytes.
 */
#include "text_support.h"

#include "files/json.h"
#include "text/lists.h"

#define VOCAB "\"vocab\":{\"a\":0,\"\\u00e9\\ud83d\\ude42\":1,\"q\\\"\\\\\\/\\b\\n\":2,\"\xc4\xa0\" : 30 ,\"\":4}"
#define MERGES "\"merges\" : [[\"a\",\"\xc4\xa0\"] , \"#version: 1\", \"a q\\\"\", [\"\",\"\\t \"]]"

static const char good[] = "{\"version\":\"1.0\",\"x\":[{\"model\":{\"vocab\":{}}},\"}\"],\n \"model\" : {\"type\":\"BPE\"," VOCAB
			   ", " MERGES ",\"last\":{\"vocab\":[1]}},\"vocab\":{},\"end\":null}\n";

static void assert_same_text(const char *text, size_t size, const char *other, size_t other_size)
{
	assert_int_equal(size, other_size);
	assert_memory_equal(text, other, size);
}

/* Every token and merge; the library keeps the order of both. */
static void assert_same_lists(const vita_lists *got, const vita_lists *expected)
{
	assert_int_equal(got->n_tokens, expected->n_tokens);
	assert_int_equal(got->n_merges, expected->n_merges);
	for (size_t i = 0; i < got->n_tokens; i++) {
		const vita_listed_token *a = &got->tokens[i], *b = &expected->tokens[i];
		assert_same_text(a->name, a->size, b->name, b->size);
		assert_int_equal(a->id, b->id);
	}
	for (size_t i = 0; i < got->n_merges; i++) {
		const vita_listed_merge *a = &got->merges[i], *b = &expected->merges[i];
		assert_same_text(a->left, a->left_size, b->left, b->left_size);
		assert_same_text(a->right, a->right_size, b->right, b->right_size);
	}
}

/* The rest is what the library reads, but for the lists. */
static void assert_same_rest(const json_t *got, json_t *whole)
{
	json_t *model = json_object_get(whole, "model");
	assert_int_equal(json_object_set_new(model, "vocab", json_object()), 0);
	assert_int_equal(json_object_set_new(model, "merges", json_array()), 0);
	assert_true(json_equal(got, whole));
}

static bool lists_twice(const vita_lists *lists)
{
	for (size_t i = 0; i < lists->n_tokens; i++)
		for (size_t k = 0; k < i; k++)
			if (lists->tokens[i].size == lists->tokens[k].size &&
			    memcmp(lists->tokens[i].name, lists->tokens[k].name, lists->tokens[i].size) == 0)
				return true;
	return false;
}

/* What the library and the walk through its tree read; false where either refuses. */
static bool read_whole(const char *text, size_t size, json_t **document, vita_lists *lists)
{
	vita_error err;
	memset(lists, 0, sizeof *lists);
	return vita_json_parse(text, size, "", document, &err) == VITA_OK &&
	       json_is_object(json_object_get(json_object_get(*document, "model"), "vocab")) &&
	       json_is_array(json_object_get(json_object_get(*document, "model"), "merges")) &&
	       vita_lists_of_model(*document, lists, &err) == VITA_OK;
}

/* Whether it is read here; if so it must be as the library reads it. */
static bool check(const char *text, size_t size)
{
	json_t *rest, *whole;
	vita_lists lists, expected;
	bool skimmed = vita_lists_skim(text, size, &rest, &lists), read = read_whole(text, size, &whole, &expected);
	if (skimmed && !lists_twice(&lists)) { /* the builder looks for names that come twice */
		assert_true(read);
		assert_same_lists(&lists, &expected);
		assert_same_rest(rest, whole);
	}
	if (!skimmed) {
		assert_null(rest);
		assert_null(lists.tokens);
		assert_null(lists.text);
	}
	vita_lists_clear(&lists);
	vita_lists_clear(&expected);
	json_decref(rest);
	json_decref(whole);
	return skimmed;
}

static void good_texts_are_read(void **state)
{
	static const char *const texts[] = {
		good,
		"{\"model\":{" MERGES "," VOCAB "}}",
		"{\"model\":{\"merges\":[],\"vocab\":{}}}",
		"\xef\xbb\xbf{\"model\":{\"merges\":[\t],\"vocab\":{\r\n}}}",
		"{\"model\":{\"merges\":[],\"vocab\":{\"a\":999999999}}}",
	};
	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (!check(texts[i], strlen(texts[i]))) fail_msg("text %zu was left to the library", i);
}

static void others_are_left_to_the_library(void **state)
{
	static const char *const vocabs[] = {
		"{\"a\":1.0}", "{\"a\":1e2}", "{\"a\":-1}",      "{\"a\":01}",      "{\"a\":9999999999}", "{\"a\":\"1\"}",
		"{\"a\":1,}",  "{\"a\" 1}",   "{\"\\u0000\":1}", "{\"\\ud800\":1}", "{\"\\udc00a\":1}",   "{\"\\x\":1}",
		"{\"\n\":1}",  "{\"\xff\":1}", "{\"a\":1",       "[]",              "null",               "{\"\\u12g4\":1}",
	};
	static const char *const merges[] = { "[[\"a\"]]", "[\"a\"]", "[\"a b c\"]", "[[\"a\",\"b\",\"c\"]]", "[1]",
					      "{}",        "[,]",     "[[\"a\",1]]", "\"a b\"",                "[\"a b\"" };
	char text[256];
	(void)state;
	for (size_t i = 0; i < sizeof vocabs / sizeof *vocabs; i++) {
		(void)snprintf(text, sizeof text, "{\"model\":{\"vocab\":%s,\"merges\":[]}}", vocabs[i]);
		if (check(text, strlen(text))) fail_msg("%s was taken", text);
	}
	for (size_t i = 0; i < sizeof merges / sizeof *merges; i++) {
		(void)snprintf(text, sizeof text, "{\"model\":{\"vocab\":{},\"merges\":%s}}", merges[i]);
		if (check(text, strlen(text))) fail_msg("%s was taken", text);
	}
	assert_false(check("{\"model\":{\"vocab\":{}}}", 22));
	assert_false(check("{\"model\":{\"vocab\":{},\"vocab\":{},\"merges\":[]}}", 46));
	assert_false(check("{\"model\":{\"vocab\":{},\"voc\\u0061b\":{},\"merges\":[]}}", 51));
	assert_false(check("[\"model\",{\"vocab\":{},\"merges\":[]}]", 34));
	assert_false(check(good, sizeof good)); /* with its NUL */
}

/* A few bytes other than in the good text: copied from elsewhere in it, or any. */
static void changed_texts_are_read_alike(void **state)
{
	char text[sizeof good];
	size_t n_taken = 0, n = sizeof good - 1;
	uint32_t random = 1;
	(void)state;
	for (int round = 0; round < 60000; round++) {
		memcpy(text, good, n);
		for (int k = 0; k < 1 + round % 3; k++) {
			random = random * 1664525u + 1013904223u;
			size_t at = (random >> 8) % n;
			random = random * 1664525u + 1013904223u;
			text[at] = random & 1 ? good[(random >> 8) % n] : (char)(random >> 9);
		}
		n_taken += check(text, round % 5 == 4 ? n - (random >> 20) % 8 : n);
	}
	assert_true(n_taken > 6000 && n_taken < 54000);
}

static void names_that_come_twice_are_refused(void **state)
{
	static const char text[] = "{\"model\":{\"vocab\":{\"a\":1,\"b\":2,\"\\u0061\":3},\"merges\":[]}}";
	vita_tokenizer *tokenizer;
	vita_error err;
	json_t *document;
	vita_lists lists;
	(void)state;
	assert_true(vita_lists_skim(text, sizeof text - 1, &document, &lists));
	json_object_set_new(document, "pre_tokenizer", json_pack("{s:s}", "type", "ByteLevel"));
	assert_int_equal(vita_tokenizer_build(document, &lists, NULL, NULL, &tokenizer, &err), VITA_E_FORMAT);
	assert_non_null(strstr(err.message, "\"a\" twice"));
	vita_lists_clear(&lists);
	json_decref(document);
}

/* The published one takes the quick way, and it is the same tokenizer. */
static void the_golden_file_is_read(void **state)
{
	json_t *document = golden_json("tokenizer.json");
	char *text = json_dumps(document, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	(void)state;
	json_t *rest, *whole;
	vita_lists lists, expected;
	assert_true(vita_lists_skim(text, strlen(text), &rest, &lists));
	assert_true(read_whole(text, strlen(text), &whole, &expected));
	assert_same_lists(&lists, &expected);
	assert_same_rest(rest, whole);
	vita_lists_clear(&lists);
	vita_lists_clear(&expected);
	json_decref(rest);
	json_decref(whole);
	json_decref(document);
	free(text);
}

/* vocab.json and merges.txt that are as they should be, and some that are not. */
static void files_are_read(void **state)
{
	static const char vocab[] = " {\"a\":0, \"\\u00e9\": 7}\r\n", merges[] = "#version: 0.2\na b\r\n\nc \xc3\xa9";
	vita_lists lists;
	(void)state;
	assert_true(vita_lists_skim_files(vocab, sizeof vocab - 1, merges, sizeof merges - 1, &lists));
	assert_int_equal(lists.n_tokens, 2);
	assert_int_equal(lists.n_merges, 2);
	assert_same_text(lists.tokens[1].name, lists.tokens[1].size, "\xc3\xa9", 2);
	assert_int_equal(lists.tokens[1].id, 7);
	assert_same_text(lists.merges[0].right, lists.merges[0].right_size, "b", 1);
	assert_same_text(lists.merges[1].right, lists.merges[1].right_size, "\xc3\xa9", 2);
	vita_lists_clear(&lists);
	assert_true(vita_lists_skim_files("{}", 2, "", 0, &lists));
	vita_lists_clear(&lists);
}

static void other_files_are_left_to_the_library(void **state)
{
	static const struct {
		const char *vocab, *merges;
		size_t merges_size;
	} files[] = {
		{ "", "", 0 },         { "[]", "", 0 },        { "{}x", "", 0 },        { "{\"a\":-1}", "", 0 },
		{ "{}", "ab", 2 },     { "{}", "a b c", 5 },   { "{}", "a \0b", 4 },    { "{}", "a \xff\n", 4 },
		{ "{}", "a b\n#", 5 }, { "{\"a\":1", "", 0 },  { "{\"a\\", "", 0 },
	};
	vita_lists lists;
	(void)state;
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		if (vita_lists_skim_files(files[i].vocab, strlen(files[i].vocab), files[i].merges,
					  files[i].merges_size, &lists))
			fail_msg("\"%s\" and \"%s\" were taken", files[i].vocab, files[i].merges);
		assert_null(lists.tokens);
		assert_null(lists.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_texts_are_read),
		cmocka_unit_test(others_are_left_to_the_library),
		cmocka_unit_test(changed_texts_are_read_alike),
		cmocka_unit_test(names_that_come_twice_are_refused),
		cmocka_unit_test(the_golden_file_is_read),
		cmocka_unit_test(files_are_read),
		cmocka_unit_test(other_files_are_left_to_the_library),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
