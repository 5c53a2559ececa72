/* SPDX-License-Identifier: MIT
 *
 * Tokenizer files of other people: their variants, their companions, and broken or hostile ones.
 */
#include "files_support.h"
#include "text_support.h"

#define BYTES "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}"

static json_t *added_token(const char *content, int id, const char *flags)
{
	return json_pack("{s:i,s:s,s:b,s:b,s:b,s:b,s:b}", "id", id, "content", content, "single_word",
			 strchr(flags, 'w') != NULL, "lstrip", strchr(flags, 'l') != NULL, "rstrip",
			 strchr(flags, 'r') != NULL, "normalized", strchr(flags, 'n') != NULL, "special",
			 strchr(flags, 's') != NULL);
}

/* byte_document with further vocabulary, merges, added tokens and members (JSON, NULL for none). */
static json_t *document_with(const char *vocab, const char *merges, json_t *added, const char *model)
{
	json_t *document = byte_document(BYTES), *into = json_object_get(document, "model");
	if (vocab) {
		json_t *more = json_loads(vocab, 0, NULL);
		assert_int_equal(json_object_update(json_object_get(into, "vocab"), more), 0);
		json_decref(more);
	}
	if (merges) json_object_set_new(into, "merges", json_loads(merges, 0, NULL));
	if (added) json_object_set_new(document, "added_tokens", added);
	if (model) {
		json_t *more = json_loads(model, 0, NULL);
		assert_int_equal(json_object_update(into, more), 0);
		json_decref(more);
	}
	return document;
}

static void assert_refused(json_t *document, vita_status expected, const char *text)
{
	vita_tokenizer *tokenizer = (vita_tokenizer *)&tokenizer;
	vita_error err;
	assert_non_null(document);
	vita_status status = vita_tokenizer_build(document, NULL, NULL, NULL, &tokenizer, &err);
	assert_failure(status, expected, &err, text);
	assert_null(tokenizer);
	json_decref(document);
}

/* ---- variants ---- */

static void merges_may_be_pairs_or_text(void **state)
{
	static const char vocab[] = "{\"ab\":256,\"abc\":257,\"\xc4\xa0"
				    "a\":300}";
	(void)state;
	vita_tokenizer *pairs = tokenizer_of(
		document_with(vocab, "[[\"a\",\"b\"],[\"ab\",\"c\"],[\"\xc4\xa0\",\"a\"]]", NULL, NULL));
	vita_tokenizer *texts = tokenizer_of(
		document_with(vocab, "[\"#version: 0.2\",\"a b\",\"ab c\",\"\xc4\xa0 a\"]", NULL, NULL));
	for (int k = 0; k < 2; k++) {
		const vita_tokenizer *tokenizer = k ? texts : pairs;
		assert_encodes_to(tokenizer, "abc aab", 0, "[257,300,256]");
		assert_int_equal(vita_tokenizer_size(tokenizer), 301);
	}
	vita_tokenizer_close(pairs);
	vita_tokenizer_close(texts);
}

/* Of a merge that comes twice the last rank counts, as in the library that writes these files. */
static void last_of_two_equal_merges_counts(void **state)
{
	(void)state;
	vita_tokenizer *tokenizer = tokenizer_of(document_with(
		"{\"ab\":256,\"bc\":257}", "[[\"a\",\"b\"],[\"b\",\"c\"],[\"a\",\"b\"]]", NULL, NULL));
	assert_encodes_to(tokenizer, "abc", 0, "[97,257]");
	vita_tokenizer_close(tokenizer);
}

static void whole_pieces_may_go_before_merges(void **state)
{
	static const char vocab[] = "{\"ab\":256,\"abc\":257,\"bc\":258}",
			  merges[] = "[[\"b\",\"c\"],[\"a\",\"b\"]]";
	(void)state;
	vita_tokenizer *merging = tokenizer_of(document_with(vocab, merges, NULL, NULL));
	vita_tokenizer *ignoring =
		tokenizer_of(document_with(vocab, merges, NULL, "{\"ignore_merges\":true}"));
	assert_encodes_to(merging, "abc", 0, "[97,258]");
	assert_encodes_to(ignoring, "abc", 0, "[257]");
	assert_encodes_to(ignoring, "abcb", 0, "[97,258,98]");
	vita_tokenizer_close(merging);
	vita_tokenizer_close(ignoring);
}

static json_t *without_bytes(const char *model)
{
	json_t *document = document_with("{\"<unk>\":300}", NULL, NULL, model);
	json_t *vocab = json_object_get(json_object_get(document, "model"), "vocab");
	json_object_del(vocab, "x");
	json_object_del(vocab, "y");
	return document;
}

static void missing_bytes_are_unknown_or_dropped(void **state)
{
	(void)state;
	vita_tokenizer *dropping = tokenizer_of(without_bytes(NULL));
	vita_tokenizer *marking = tokenizer_of(without_bytes("{\"unk_token\":\"<unk>\"}"));
	vita_tokenizer *fusing = tokenizer_of(without_bytes("{\"unk_token\":\"<unk>\",\"fuse_unk\":true}"));
	assert_encodes_to(dropping, "axyb", 0, "[97,98]");
	assert_encodes_to(marking, "axyb", 0, "[97,300,300,98]");
	assert_encodes_to(fusing, "axyb", 0, "[97,300,98]");
	vita_tokenizer_close(dropping);
	vita_tokenizer_close(marking);
	vita_tokenizer_close(fusing);
	assert_refused(without_bytes("{\"unk_token\":\"<none>\"}"), VITA_E_FORMAT, "<none>");
}

/* Names with characters outside the byte alphabet are literal: they are kept, but no text merges to them. */
static void literal_names_are_kept_apart(void **state)
{
	(void)state;
	vita_tokenizer *tokenizer =
		tokenizer_of(document_with("{\"\xe4\xbd\xa0\":256,\"\xe4\xbd\xa0x\":257}",
					   "[[\"\xe4\xbd\xa0\",\"x\"]]", NULL, "{\"ignore_merges\":true}"));
	uint64_t size;
	assert_int_equal(vita_tokenizer_id(tokenizer, "\xe4\xbd\xa0"), 256);
	assert_memory_equal(vita_tokenizer_bytes(tokenizer, 256, &size, NULL), "\xe4\xbd\xa0", 3);
	assert_encodes_to(tokenizer, "\xe4\xbd\xa0", 0, "[228,189,160]");
	vita_tokenizer_close(tokenizer);
}

static void added_tokens_keep_their_flags(void **state)
{
	json_t *added = json_array();
	(void)state;
	json_array_append_new(added, added_token("<s>", 256, "s"));
	json_array_append_new(added, added_token("<l>", 257, "l"));
	json_array_append_new(added, added_token("<r>", 258, "r"));
	json_array_append_new(added, added_token("word", 259, "w"));
	json_array_append_new(added, added_token("<s>>", 260, ""));
	json_array_append_new(added, added_token("e\xcc\x81!", 261, "n"));
	json_array_append_new(added, added_token(" <t>", 262, ""));
	json_array_append_new(added, added_token("\t\t", 263, ""));
	json_t *document = document_with(NULL, NULL, added, NULL);
	json_object_set_new(document, "normalizer", json_pack("{s:s}", "type", "NFC"));
	vita_tokenizer *tokenizer = tokenizer_of(document);
	assert_encodes_to(tokenizer, "a <s> b", 0, "[97,32,256,32,98]");
	assert_encodes_to(tokenizer, "a \xe3\x80\x80<l> b", 0, "[97,257,32,98]");
	assert_encodes_to(tokenizer, "a <r> \n b", 0, "[97,32,258,98]");
	assert_encodes_to(tokenizer, "<r> <l>", 0, "[258,257]");
	/* what begins with white space that another took along is found all the same, as Hugging Face's tokenizers do */
	assert_encodes_to(tokenizer, "<r> <t> a", 0, "[258,262,32,97]");
	assert_encodes_to(tokenizer, "<r>\n  <t>", 0, "[258,262]");
	assert_encodes_to(tokenizer, "<r>\t\t\t a", 0, "[258,263,9,32,97]");
	assert_encodes_to(tokenizer, "<r>\t\t\t <l>", 0, "[258,263,257]");
	assert_encodes_to(tokenizer, "word,word", 0, "[259,44,259]");
	assert_encodes_to(tokenizer, "aword", 0, "[97,119,111,114,100]");
	assert_encodes_to(tokenizer, "word_", 0, "[119,111,114,100,95]");
	assert_encodes_to(tokenizer, "word\xcc\x81", 0, "[119,111,114,100,204,129]");
	assert_encodes_to(tokenizer, "<s>><s>", 0, "[260,256]"); /* the longest counts */
	assert_encodes_to(tokenizer, "e\xcc\x81!", 0, "[261]");
	assert_encodes_to(tokenizer, "\xc3\xa9!", 0, "[261]");
	assert_encodes_to(tokenizer, "a <s> b", VITA_ENCODE_PLAIN, "[97,32,60,115,62,32,98]");
	assert_int_equal(vita_tokenizer_id(tokenizer, "e\xcc\x81!"), 261);
	vita_tokenizer_close(tokenizer);
}

/* Neither a whole piece nor a merge may make an added token of a stranger's text. */
static void plain_text_does_not_merge_to_added_tokens(void **state)
{
	static const char vocab[] = "{\"<\":60,\"<s\":256,\"<s>\":257}",
			  merges[] = "[[\"<\",\"s\"],[\"<s\",\">\"]]";
	(void)state;
	for (int k = 0; k < 2; k++) {
		json_t *added = json_pack("[o]", added_token("<s>", 257, "s"));
		vita_tokenizer *tokenizer = tokenizer_of(
			document_with(vocab, merges, added, k ? "{\"ignore_merges\":true}" : NULL));
		assert_encodes_to(tokenizer, "<s>", 0, "[257]");
		assert_encodes_to(tokenizer, "<s>", VITA_ENCODE_PLAIN, "[256,62]");
		vita_tokenizer_close(tokenizer);
	}
}

/* An added token may take the id of a vocabulary entry of another name; decoding follows it. */
static void added_tokens_win_over_the_vocabulary(void **state)
{
	json_t *added = json_pack("[o]", added_token("<mark>", 256, "s"));
	uint64_t size;
	(void)state;
	vita_tokenizer *tokenizer =
		tokenizer_of(document_with("{\"unused\":256,\"un\":257}", "[[\"u\",\"n\"]]", added, NULL));
	assert_memory_equal(vita_tokenizer_bytes(tokenizer, 256, &size, NULL), "<mark>", 6);
	assert_int_equal(size, 6);
	assert_int_equal(vita_tokenizer_id(tokenizer, "<mark>"), 256);
	assert_encodes_to(tokenizer, "<mark>un", 0, "[256,257]");
	vita_tokenizer_close(tokenizer);
}

/* ---- files and companions ---- */

static void put_json(const char *name, json_t *value)
{
	assert_non_null(value);
	assert_int_equal(json_dump_file(value, in_scratch(name), 0), 0);
	json_decref(value);
}

static void companions_fill_gaps(void **state)
{
	vita_tokenizer *tokenizer;
	vita_error err;
	int32_t special;
	uint64_t size;
	(void)state;
	put_json("tokenizer.json",
		 document_with(NULL, NULL, json_pack("[o]", added_token("<a>", 256, "s")), NULL));
	put_text(in_scratch("added_tokens.json"), "{\"<a>\": 300, \"<b>\": 256, \"<c>\": 257, \"<d>\": 258}");
	put_text(in_scratch("tokenizer_config.json"),
		 "{\"added_tokens_decoder\": {\"258\": {\"content\": \"<d>\", \"special\": "
		 "true, \"lstrip\": true}, \"259\": {\"content\": \"<e>\"}}}");
	assert_ok(vita_tokenizer_open(in_scratch("tokenizer.json"), &tokenizer, &err), &err);
	assert_int_equal(vita_tokenizer_size(tokenizer), 260);
	assert_encodes_to(tokenizer, "<a><b><c> <d><e>", 0, "[256,60,98,62,257,258,259]");
	assert_non_null(vita_tokenizer_bytes(tokenizer, 258, &size, &special));
	assert_int_equal(special, 1);
	assert_non_null(vita_tokenizer_bytes(tokenizer, 257, &size, &special));
	assert_int_equal(special, 0);
	vita_tokenizer_close(tokenizer);
}

static void broken_companions_are_errors(void **state)
{
	static const struct {
		const char *name, *text, *sentence;
	} cases[] = {
		{"added_tokens.json", "[]", "added_tokens.json"},
		{"added_tokens.json", "{\"<a>\": \"1\"}", "added_tokens.json"},
		{"added_tokens.json", "{\"<a>\": -1}", "<a>"},
		{"added_tokens.json", "{\"<a>\": 99999999999}", "<a>"},
		{"added_tokens.json", "{\"<a>\"", "added_tokens.json"},
		{"tokenizer_config.json", "{\"added_tokens_decoder\": []}", "tokenizer_config.json"},
		{"tokenizer_config.json", "{\"added_tokens_decoder\": {\"x\": {}}}", "tokenizer_config.json"},
		{"tokenizer_config.json", "{\"added_tokens_decoder\": {\"300\": {}}}", "content"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		vita_tokenizer *tokenizer;
		vita_error err;
		put_json("tokenizer.json", byte_document(BYTES));
		put_text(in_scratch(cases[i].name), cases[i].text);
		vita_status status = vita_tokenizer_open(in_scratch("tokenizer.json"), &tokenizer, &err);
		assert_failure(status, VITA_E_FORMAT, &err, cases[i].sentence);
		assert_null(tokenizer);
		assert_int_equal(unlink(in_scratch(cases[i].name)), 0);
	}
}

/* vocab.json, merges.txt and added_tokens.json of a tokenizer.json, as Qwen2's Python tokenizer writes them. */
static void put_older_files(void)
{
	json_t *document = golden_json("tokenizer.json"), *model = json_object_get(document, "model"), *entry;
	json_t *added = json_object();
	size_t i;
	FILE *file = fopen(in_scratch("merges.txt"), "wb");
	assert_non_null(file);
	(void)fputs("#version: 0.2\n", file);
	json_array_foreach(json_object_get(model, "merges"), i, entry)
		(void)fprintf(file, "%s %s\n", json_string_value(json_array_get(entry, 0)),
			      json_string_value(json_array_get(entry, 1)));
	assert_int_equal(fclose(file), 0);
	json_array_foreach(json_object_get(document, "added_tokens"), i, entry)
		json_object_set(added, json_string_value(json_object_get(entry, "content")),
				json_object_get(entry, "id"));
	put_json("vocab.json", json_incref(json_object_get(model, "vocab")));
	put_json("added_tokens.json", added);
	json_decref(document);
}

static void older_files_say_the_same(void **state)
{
	static const char *const names[] = {"encode.jsonl", "encode_edge.jsonl"};
	vita_tokenizer *tokenizer;
	vita_error err;
	(void)state;
	put_older_files();
	assert_ok(vita_tokenizer_open(in_scratch("tokenizer.json"), &tokenizer, &err), &err);
	for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
		json_t *lines = golden_lines(names[k]), *line;
		size_t i;
		json_array_foreach(lines, i, line)
		{
			const json_t *text = json_object_get(line, "text");
			if (!json_is_false(json_object_get(line, "unanimous")))
				assert_encodes(tokenizer, json_string_value(text), json_string_length(text), 0,
					       json_object_get(line, "ids"));
		}
		json_decref(lines);
	}
	assert_encodes_to(tokenizer, "<|im_end|>", 0, "[151645]");
	vita_tokenizer_close(tokenizer);
}

static void assert_older_refused(vita_status expected, const char *text)
{
	vita_tokenizer *tokenizer;
	vita_error err;
	assert_failure(vita_tokenizer_open(in_scratch("tokenizer.json"), &tokenizer, &err), expected, &err, text);
	assert_null(tokenizer);
}

static void broken_older_files_are_errors(void **state)
{
	json_t *document = byte_document(BYTES);
	(void)state;
	put_json("vocab.json", json_incref(json_object_get(json_object_get(document, "model"), "vocab")));
	json_decref(document);
	assert_older_refused(VITA_E_NOTFOUND, "merges.txt");
	put_text(in_scratch("merges.txt"), "#version: 0.2\r\na\r\n");
	assert_older_refused(VITA_E_FORMAT, "merge 0");
	put_text(in_scratch("merges.txt"), "a \xff\n");
	assert_older_refused(VITA_E_FORMAT, "merges.txt:1");
	put_text(in_scratch("merges.txt"), "");
	put_text(in_scratch("tokenizer_config.json"), "{\"tokenizer_class\": \"GPT2Tokenizer\"}");
	assert_older_refused(VITA_E_UNSUPPORTED, "GPT2Tokenizer");
	put_text(in_scratch("tokenizer_config.json"), "{\"tokenizer_class\": \"Qwen2TokenizerFast\"}");
	put_text(in_scratch("vocab.json"), "{\"a\": \"b\"}");
	assert_older_refused(VITA_E_FORMAT, "\"a\"");
	put_text(in_scratch("vocab.json"), "{");
	assert_older_refused(VITA_E_FORMAT, "vocab.json");
}

static void unreadable_files_are_errors(void **state)
{
	vita_tokenizer *tokenizer;
	vita_error err;
	(void)state;
	assert_failure(vita_tokenizer_open(in_scratch("none.json"), &tokenizer, &err), VITA_E_NOTFOUND, &err,
		       "none.json");
	put_text(in_scratch("empty.json"), "");
	assert_failure(vita_tokenizer_open(in_scratch("empty.json"), &tokenizer, &err), VITA_E_FORMAT, &err,
		       "empty.json");
	put_text(in_scratch("list.json"), "[1, 2]");
	assert_failure(vita_tokenizer_open(in_scratch("list.json"), &tokenizer, &err), VITA_E_FORMAT, &err,
		       "list.json");
	put_text(in_scratch("object.json"), "{}");
	assert_failure(vita_tokenizer_open(in_scratch("object.json"), &tokenizer, &err), VITA_E_FORMAT, &err,
		       "model");
	char *deep = malloc(60001);
	assert_non_null(deep);
	for (size_t i = 0; i < 10000; i++)
		memcpy(deep + 5 * i, "{\"a\":", 5);
	memset(deep + 50000, '}', 10000);
	put_file(in_scratch("deep.json"), deep, 60000);
	free(deep);
	assert_failure(vita_tokenizer_open(in_scratch("deep.json"), &tokenizer, &err), VITA_E_FORMAT, &err,
		       "deep");
}

/* Cut anywhere, the real file is an error and never a crash. */
static void truncated_files_are_errors(void **state)
{
	json_t *document = document_with("{\"ab\":256}", "[[\"a\",\"b\"]]",
					 json_pack("[o]", added_token("<a>", 300, "s")), NULL);
	char *text = json_dumps(document, JSON_COMPACT);
	size_t size = strlen(text);
	(void)state;
	for (size_t length = 0; length < size; length += 37) {
		vita_tokenizer *tokenizer;
		vita_error err;
		put_file(in_scratch("tokenizer.json"), text, length);
		vita_status status = vita_tokenizer_open(in_scratch("tokenizer.json"), &tokenizer, &err);
		assert_failure(status, VITA_E_FORMAT, &err, "tokenizer.json");
	}
	free(text);
	json_decref(document);
}

/* ---- hostile contents ---- */

static void other_kinds_are_refused_by_name(void **state)
{
	(void)state;
	assert_refused(document_with(NULL, NULL, NULL, "{\"type\":\"Unigram\\u0007\"}"), VITA_E_UNSUPPORTED,
		       "Unigram");
	assert_refused(document_with(NULL, NULL, NULL, "{\"type\":7}"), VITA_E_FORMAT, "type");
	assert_refused(document_with(NULL, NULL, NULL, "{\"byte_fallback\":true}"), VITA_E_UNSUPPORTED,
		       "byte_fallback");
	assert_refused(document_with(NULL, NULL, NULL, "{\"end_of_word_suffix\":\"</w>\"}"),
		       VITA_E_UNSUPPORTED, "suffix");
	assert_refused(document_with(NULL, NULL, NULL, "{\"merges\":null}"), VITA_E_FORMAT, "merges");
	assert_refused(document_with(NULL, NULL, NULL, "{\"vocab\":[]}"), VITA_E_FORMAT, "vocab");
	json_t *document = byte_document(BYTES);
	json_object_del(json_object_get(document, "model"), "merges");
	assert_refused(document, VITA_E_FORMAT, "merges");
	document = byte_document(BYTES);
	json_object_set_new(document, "normalizer", json_pack("{s:s}", "type", "Lowercase"));
	assert_refused(document, VITA_E_UNSUPPORTED, "Lowercase");
}

static void impossible_ids_are_refused(void **state)
{
	static const char *const ids[] = {"-1",  "2147483647", "4294967296", "9223372036854775807",
					  "1.5", "\"7\"",      "null",       "2000000000"};
	(void)state;
	for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
		char vocab[64];
		(void)snprintf(vocab, sizeof vocab, "{\"zz\":%s}", ids[i]);
		assert_refused(document_with(vocab, NULL, NULL, NULL), VITA_E_FORMAT, "zz");
	}
	assert_refused(document_with("{\"zz\":97}", NULL, NULL, NULL), VITA_E_FORMAT, "97");
	assert_refused(document_with(NULL, NULL, json_pack("[o]", added_token("<a>", 2000000000, "")), NULL),
		       VITA_E_FORMAT, "<a>");
	assert_refused(document_with(NULL, NULL, json_pack("[o]", added_token("<a>", -5, "")), NULL),
		       VITA_E_FORMAT, "<a>");
	assert_refused(
		document_with(NULL, NULL,
			      json_pack("[o,o]", added_token("<a>", 300, ""), added_token("<a>", 301, "")),
			      NULL),
		VITA_E_FORMAT, "<a>");
	assert_refused(
		document_with(NULL, NULL,
			      json_pack("[o,o]", added_token("<a>", 300, ""), added_token("<b>", 300, "")),
			      NULL),
		VITA_E_FORMAT, "300");
	assert_refused(document_with(NULL, NULL, json_pack("[o]", added_token("", 300, "")), NULL),
		       VITA_E_UNSUPPORTED, "0 bytes");
	assert_refused(document_with(NULL, NULL, json_pack("[{s:i}]", "id", 300), NULL), VITA_E_FORMAT,
		       "content");
	assert_refused(document_with(NULL, NULL, json_pack("[{s:s}]", "content", "<a>"), NULL), VITA_E_FORMAT,
		       "id");
	assert_refused(document_with(NULL, NULL, json_pack("{}"), NULL), VITA_E_FORMAT, "added_tokens");
	assert_refused(document_with(NULL, NULL, json_pack("[i]", 3), NULL), VITA_E_FORMAT, "id");
}

static void holes_are_fine(void **state)
{
	vita_error err;
	char *text;
	uint64_t size;
	int32_t hole = 500;
	(void)state;
	vita_tokenizer *tokenizer = tokenizer_of(document_with("{\"zz\":1000}", NULL, NULL, NULL));
	assert_int_equal(vita_tokenizer_size(tokenizer), 1001);
	assert_null(vita_tokenizer_bytes(tokenizer, hole, &size, NULL));
	assert_failure(vita_tokenizer_decode(tokenizer, &hole, 1, 0, &text, &size, &err), VITA_E_INVALID,
		       &err, "500");
	vita_tokenizer_close(tokenizer);
}

static void impossible_merges_are_refused(void **state)
{
	static const char *const merges[] = {"[[\"a\",\"b\"]]",
					     "[\"a b\"]",
					     "[[\"\xe4\xbd\xa0\",\"b\"]]",
					     "[[\"a\"]]",
					     "[[\"a\",\"b\",\"c\"]]",
					     "[\"a  b\"]",
					     "[\"ab\"]",
					     "[7]",
					     "[[1,2]]",
					     "[null]"};
	(void)state;
	for (size_t i = 0; i < sizeof merges / sizeof *merges; i++)
		assert_refused(document_with(NULL, merges[i], NULL, NULL), VITA_E_FORMAT, "merge 0");
}

/* ---- size ---- */

/* A million equal letters are one piece, on which merging by search would take hours. */
static void long_pieces_are_fast(void **state)
{
	enum { SIZE = 1 << 20 };
	char *text = malloc(SIZE);
	int32_t *ids;
	uint64_t n;
	vita_error err;
	(void)state;
	assert_non_null(text);
	memset(text, 'a', SIZE);
	vita_tokenizer *tokenizer = tokenizer_of(
		document_with("{\"aa\":256,\"aaaa\":257,\"aaaaaaaa\":258}",
			      "[[\"a\",\"a\"],[\"aa\",\"aa\"],[\"aaaa\",\"aaaa\"]]", NULL, NULL));
	text[SIZE - 1] = 'b';
	assert_ok(vita_tokenizer_encode(tokenizer, text, SIZE, 0, &ids, &n, &err), &err);
	assert_int_equal(n, SIZE / 8 - 1 + 4);
	assert_int_equal(ids[0], 258);
	assert_int_equal(ids[n - 4], 257);
	assert_int_equal(ids[n - 3], 256);
	assert_int_equal(ids[n - 2], 'a');
	assert_int_equal(ids[n - 1], 'b');
	vita_free(ids);
	vita_tokenizer_close(tokenizer);
	tokenizer = golden_tokenizer();
	for (const char *letter = "a \n.1\xff"; *letter; letter++) {
		memset(text, *letter, SIZE);
		assert_ok(vita_tokenizer_encode(tokenizer, text, SIZE, 0, &ids, &n, &err), &err);
		assert_true(n > 0);
		vita_free(ids);
	}
	vita_tokenizer_close(tokenizer);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(merges_may_be_pairs_or_text),
		cmocka_unit_test(last_of_two_equal_merges_counts),
		cmocka_unit_test(whole_pieces_may_go_before_merges),
		cmocka_unit_test(missing_bytes_are_unknown_or_dropped),
		cmocka_unit_test(literal_names_are_kept_apart),
		cmocka_unit_test(added_tokens_keep_their_flags),
		cmocka_unit_test(plain_text_does_not_merge_to_added_tokens),
		cmocka_unit_test(added_tokens_win_over_the_vocabulary),
		cmocka_unit_test_setup_teardown(companions_fill_gaps, setup_directory, teardown_directory),
		cmocka_unit_test_setup_teardown(broken_companions_are_errors, setup_directory,
						teardown_directory),
		cmocka_unit_test_setup_teardown(older_files_say_the_same, setup_directory, teardown_directory),
		cmocka_unit_test_setup_teardown(broken_older_files_are_errors, setup_directory,
						teardown_directory),
		cmocka_unit_test_setup_teardown(unreadable_files_are_errors, setup_directory,
						teardown_directory),
		cmocka_unit_test_setup_teardown(truncated_files_are_errors, setup_directory,
						teardown_directory),
		cmocka_unit_test(other_kinds_are_refused_by_name),
		cmocka_unit_test(impossible_ids_are_refused),
		cmocka_unit_test(holes_are_fine),
		cmocka_unit_test(impossible_merges_are_refused),
		cmocka_unit_test(long_pieces_are_fast),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
