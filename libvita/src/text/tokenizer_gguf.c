/* SPDX-License-Identifier: MIT
 *
 * Tokenizers within GGUF files: a list of tokens by id, their types, the merges, and one word that stands for
 * the patterns that cut text into pieces.
 */
#include "text/tokenizer_gguf.h"

#include "files/json.h"
#include "text/utf8.h"

#include <inttypes.h>

#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define SPACES "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define SIGNS " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define BEFORE_WORD "[^\\r\\n\\p{L}\\p{N}]?"
#define SIGNS_SLASH " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*"
#define DIGIT "\\p{N}"

#define MAX_STEPS 4

/* A way to cut text: patterns that are applied one after the other, and then perhaps GPT-2's, which comes
 * with the ByteLevel step. */
typedef struct cutting {
	const char *names[4]; /* tokenizer.ggml.pre; the first is the one that we write */
	const char *patterns[MAX_STEPS];
	bool gpt2, nfc, ignore_merges;
} cutting;

static const cutting cuttings[] = {
	{ { "qwen2" },
	  { CONTRACTIONS "|" BEFORE_WORD "\\p{L}+|" DIGIT "|" SIGNS "|" SPACES },
	  false,
	  true,
	  false },
	{ { "deepseek-r1-qwen" },
	  { CONTRACTIONS "|" BEFORE_WORD "\\p{L}+|" DIGIT "|" SIGNS "|" SPACES },
	  false,
	  false,
	  false },
	{ { "llama-bpe", "llama3", "llama-v3" },
	  { CONTRACTIONS "|" BEFORE_WORD "\\p{L}+|\\p{N}{1,3}|" SIGNS "|" SPACES },
	  false,
	  false,
	  true },
	{ { "smollm", "starcoder", "refact", "codeshell" }, { DIGIT }, true, false, false },
	{ { "gpt-2", "phi-2" }, { NULL }, true, false, false },
	{ { "tekken" },
	  { BEFORE_WORD UPPER "*" LOWER "+|" BEFORE_WORD UPPER "+" LOWER "*|" DIGIT "|" SIGNS_SLASH
	                      "|" SPACES },
	  false,
	  false,
	  true },
	{ { "gpt-4o", "llama4" },
	  { BEFORE_WORD UPPER "*" LOWER "+" CONTRACTIONS "?|" BEFORE_WORD UPPER "+" LOWER "*" CONTRACTIONS
	                      "?|\\p{N}{1,3}|" SIGNS_SLASH "|" SPACES },
	  false,
	  false,
	  false },
	{ { "default" },
	  { "[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]" },
	  false,
	  false,
	  false },
};
#define N_CUTTINGS (sizeof cuttings / sizeof cuttings[0])

static bool is_name(const vita_gguf_text *text, const char *name)
{
	return name && strlen(name) == text->size && memcmp(text->data, name, (size_t)text->size) == 0;
}

static const cutting *find_cutting(const vita_gguf_text *name)
{
	for (size_t i = 0; i < N_CUTTINGS; i++)
		for (size_t k = 0; k < sizeof cuttings[i].names / sizeof cuttings[i].names[0]; k++)
			if (is_name(name, cuttings[i].names[k])) return &cuttings[i];
	return NULL;
}

/* ---- which way a tokenizer.json cuts -------------------------------------------------------------- */

static bool is_flag(const json_t *object, const char *key, bool fallback, bool wanted)
{
	const json_t *value = json_object_get(object, key);
	return (value ? json_is_true(value) : fallback) == wanted;
}

static bool is_text(const json_t *object, const char *key, const char *wanted)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text && strcmp(text, wanted) == 0;
}

static bool is_pattern_step(const json_t *step, const char *pattern)
{
	if (is_text(step, "type", "Digits"))
		return strcmp(pattern, DIGIT) == 0 && is_flag(step, "individual_digits", false, true);
	return is_text(step, "type", "Split") && is_text(step, "behavior", "Isolated") &&
	       is_flag(step, "invert", false, false) &&
	       is_text(json_object_get(step, "pattern"), "Regex", pattern);
}

static bool cuts_so(const json_t *document, const cutting *c)
{
	const json_t *pre = json_object_get(document, "pre_tokenizer"),
		     *normal = json_object_get(document, "normalizer");
	const json_t *list = json_object_get(pre, "pretokenizers");
	size_t n = list ? json_array_size(list) : 1, i = 0;
	for (; i < MAX_STEPS && c->patterns[i] && i < n; i++)
		if (!is_pattern_step(list ? json_array_get(list, i) : pre, c->patterns[i])) return false;
	const json_t *last = list ? json_array_get(list, i) : pre;
	bool none = !normal || json_is_null(normal) ||
	            (is_text(normal, "type", "Sequence") &&
	             json_array_size(json_object_get(normal, "normalizers")) == 0);
	return i + 1 == n && is_text(last, "type", "ByteLevel") &&
	       is_flag(last, "add_prefix_space", false, false) && is_flag(last, "use_regex", true, c->gpt2) &&
	       (c->nfc ? is_text(normal, "type", "NFC") : none) &&
	       is_flag(json_object_get(document, "model"), "ignore_merges", false, c->ignore_merges);
}

const char *vita_gguf_cutting_name(const json_t *document)
{
	for (size_t i = 0; i < N_CUTTINGS; i++)
		if (cuts_so(document, &cuttings[i])) return cuttings[i].names[0];
	return NULL;
}

/* ---- a tokenizer.json for a GGUF file ------------------------------------------------------------- */

static vita_status fail_memory(vita_error *err)
{
	return vita_fail(err, VITA_E_NOMEM, "no memory for its tokenizer");
}

static json_t *cutting_to_json(const cutting *c)
{
	json_t *steps = json_array();
	int failed = steps ? 0 : -1;
	for (size_t i = 0; i < MAX_STEPS && c->patterns[i] && !failed; i++)
		failed = json_array_append_new(steps, strcmp(c->patterns[i], DIGIT) == 0
		                                              ? json_pack("{s:s, s:b}", "type", "Digits",
		                                                          "individual_digits", 1)
		                                              : json_pack("{s:s, s:{s:s}, s:s, s:b}", "type",
		                                                          "Split", "pattern", "Regex",
		                                                          c->patterns[i], "behavior",
		                                                          "Isolated", "invert", 0));
	if (!failed)
		failed = json_array_append_new(steps, json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel",
		                                                "add_prefix_space", 0, "trim_offsets", 0,
		                                                "use_regex", (int)c->gpt2));
	if (!failed) return json_pack("{s:s, s:o}", "type", "Sequence", "pretokenizers", steps);
	json_decref(steps);
	return NULL;
}

static const vita_gguf_value *list_of(const vita_gguf *gguf, const char *key, bool texts)
{
	const vita_gguf_value *value = vita_gguf_find(gguf, key);
	if (!value || value->type != VITA_GGUF_LIST || value->item_type == VITA_GGUF_LIST) return NULL;
	return (value->item_type == VITA_GGUF_STRING) == texts ? value : NULL;
}

/* Token or merge number i. */
static vita_status take_text(const vita_gguf_value *item, const char *what, uint64_t i, vita_gguf_text *text,
                             vita_error *err)
{
	(void)vita_gguf_string(item, text);
	if (!memchr(text->data, 0, (size_t)text->size) &&
	    vita_utf8_valid((const uint8_t *)text->data, (size_t)text->size))
		return VITA_OK;
	return vita_fail(err, VITA_E_FORMAT, "its tokenizer's %s %" PRIu64 " is no UTF-8 text without NULs", what,
	                 i);
}

static json_t *added_to_json(uint64_t id, const vita_gguf_text *content, bool special)
{
	return json_pack("{s:I, s:o, s:b, s:b, s:b, s:b, s:b}", "id", (json_int_t)id, "content",
	                 json_stringn_nocheck(content->data, (size_t)content->size), "single_word", 0, "lstrip", 0,
	                 "rstrip", 0, "normalized", 0, "special", (int)special);
}

/* Of a name that comes twice the first id counts, as in GGUF's own tools. */
static vita_status list_tokens(const vita_gguf_value *tokens, const vita_gguf_value *kinds, vita_lists *lists,
                               json_t *added, vita_error *err)
{
	vita_gguf_value token, kind;
	vita_gguf_text text;
	uint64_t at = 0, kind_at = 0, i = 0;
	vita_status status = VITA_OK;
	lists->first_counts = true;
	for (; status == VITA_OK && vita_gguf_next(tokens, &at, &token); i++) {
		int64_t type = VITA_GGUF_TOKEN_NORMAL;
		if (kinds && vita_gguf_next(kinds, &kind_at, &kind)) (void)vita_gguf_int(&kind, &type);
		if (type == VITA_GGUF_TOKEN_UNUSED) continue;
		status = take_text(&token, "token", i, &text, err);
		if (status != VITA_OK) break;
		bool ok = i <= INT32_MAX &&
		          vita_lists_add_token(lists, text.data, (size_t)text.size, (int32_t)i);
		if (ok && text.size > 0 &&
		    (type == VITA_GGUF_TOKEN_CONTROL || type == VITA_GGUF_TOKEN_USER_DEFINED))
			ok = json_array_append_new(
				     added, added_to_json(i, &text, type == VITA_GGUF_TOKEN_CONTROL)) == 0;
		if (!ok) status = fail_memory(err);
	}
	return status;
}

static vita_status list_merges(const vita_gguf_value *merges, vita_lists *lists, vita_error *err)
{
	vita_gguf_value merge;
	vita_gguf_text text;
	uint64_t at = 0, i = 0;
	vita_status status = VITA_OK;
	for (; status == VITA_OK && vita_gguf_next(merges, &at, &merge); i++) {
		status = take_text(&merge, "merge", i, &text, err);
		if (status == VITA_OK && !(text.size >= 8 && memcmp(text.data, "#version", 8) == 0))
			status = vita_lists_add_joined(lists, text.data, (size_t)text.size, i, err);
	}
	return status;
}

/* A text value of the metadata, or what stands for none. */
static vita_gguf_text text_of(const vita_gguf *gguf, const char *key, const char *otherwise)
{
	const vita_gguf_value *value = vita_gguf_find(gguf, key);
	vita_gguf_text text = { otherwise, strlen(otherwise) };
	if (value && !vita_gguf_string(value, &text)) text.size = 0;
	return text;
}

static vita_status check_kind(const vita_gguf *gguf, const cutting **out, vita_error *err)
{
	vita_gguf_text kind = text_of(gguf, "tokenizer.ggml.model", ""),
		       pre = text_of(gguf, "tokenizer.ggml.pre", "default");
	vita_gguf_shown shown;
	if (!is_name(&kind, "gpt2"))
		return vita_fail(
			err, VITA_E_UNSUPPORTED,
			"its tokenizer is of the kind \"%s\" (tokenizer.ggml.model); only byte-level "
			"BPE, \"gpt2\", is known",
			vita_gguf_show(shown, vita_gguf_find(gguf, "tokenizer.ggml.model")));
	*out = find_cutting(&pre);
	if (*out) return VITA_OK;
	return vita_fail(err, VITA_E_UNSUPPORTED,
	                 "its tokenizer cuts text in the way \"%s\" (tokenizer.ggml.pre), which is not "
	                 "known; qwen2, deepseek-r1-qwen, llama-bpe, smollm, starcoder, gpt-2, tekken, "
	                 "gpt-4o and default are",
	                 vita_gguf_show(shown, vita_gguf_find(gguf, "tokenizer.ggml.pre")));
}

/* A tokenizer.json around these. */
static json_t *frame(const cutting *c, json_t *vocab, json_t *merges, json_t *added)
{
	json_t *model = json_pack("{s:s, s:n, s:n, s:n, s:n, s:b, s:b, s:b, s:O, s:O}", "type", "BPE",
	                          "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix",
	                          "fuse_unk", 0, "byte_fallback", 0, "ignore_merges", (int)c->ignore_merges,
	                          "vocab", vocab, "merges", merges);
	json_t *normalizer = c->nfc ? json_pack("{s:s}", "type", "NFC") : json_null();
	json_t *decoder = json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", 0,
	                            "trim_offsets", 0, "use_regex", 0);
	/* What could not be had is NULL, and makes the whole NULL. */
	return json_pack("{s:s, s:n, s:n, s:O, s:o, s:o, s:n, s:o, s:o}", "version", "1.0", "truncation",
	                 "padding", "added_tokens", added, "normalizer", normalizer, "pre_tokenizer",
	                 cutting_to_json(c), "post_processor", "decoder", decoder, "model", model);
}

json_t *vita_qwen2_document(json_t *vocab, json_t *merges, json_t *added)
{
	static const vita_gguf_text name = { "qwen2", 5 };
	return frame(find_cutting(&name), vocab, merges, added);
}

static vita_status assemble(const vita_gguf *gguf, const cutting *c, json_t **out, vita_lists *lists,
                            vita_error *err)
{
	const vita_gguf_value *tokens = list_of(gguf, "tokenizer.ggml.tokens", true);
	const vita_gguf_value *merges = list_of(gguf, "tokenizer.ggml.merges", true);
	const vita_gguf_value *kinds = list_of(gguf, "tokenizer.ggml.token_type", false);
	if (!tokens || !merges)
		return vita_fail(err, VITA_E_FORMAT, "its tokenizer lacks its list of %s",
		                 tokens ? "merges" : "tokens");
	if (vita_gguf_find(gguf, "tokenizer.ggml.token_type") && (!kinds || kinds->count != tokens->count))
		return vita_fail(err, VITA_E_FORMAT,
		                 "tokenizer.ggml.token_type must be a list of %" PRIu64
		                 " integers, one a token",
		                 tokens->count);
	json_t *vocab = json_object(), *list = json_array(), *added = json_array();
	vita_status status = vocab && list && added ? VITA_OK : fail_memory(err);
	if (status == VITA_OK) status = list_tokens(tokens, kinds, lists, added, err);
	if (status == VITA_OK) status = list_merges(merges, lists, err);
	if (status == VITA_OK && !(*out = frame(c, vocab, list, added))) status = fail_memory(err);
	json_decref(vocab);
	json_decref(list);
	json_decref(added);
	return status;
}

/* Does the metadata name a kind of tokenizer? Some files say that they have none. */
static bool names_kind(const vita_gguf *gguf)
{
	vita_gguf_text kind = text_of(gguf, "tokenizer.ggml.model", "none");
	return !is_name(&kind, "none") && !is_name(&kind, "no_vocab");
}

bool vita_gguf_has_tokenizer(const vita_gguf *gguf)
{
	return names_kind(gguf) || vita_gguf_find(gguf, VITA_GGUF_TOKENIZER_KEY);
}

/* The whole tokenizer.json that the file carries, if it does. */
static bool find_whole(const vita_gguf *gguf, vita_gguf_text *text)
{
	const vita_gguf_value *whole = vita_gguf_find(gguf, VITA_GGUF_TOKENIZER_KEY);
	return whole && vita_gguf_string(whole, text);
}

static vita_status parse_whole(const vita_gguf_text *text, json_t **document, vita_error *err)
{
	return vita_json_parse(text->data, (size_t)text->size, "its " VITA_GGUF_TOKENIZER_KEY, document, err);
}

vita_status vita_gguf_tokenizer_read(const vita_gguf *gguf, json_t **document, vita_lists *lists, vita_error *err)
{
	const cutting *c = NULL;
	vita_gguf_text text;
	vita_status status;
	*document = NULL;
	memset(lists, 0, sizeof *lists);
	if (find_whole(gguf, &text)) {
		if (vita_lists_skim(text.data, (size_t)text.size, document, lists)) return VITA_OK;
		status = parse_whole(&text, document, err);
		return status == VITA_OK ? vita_lists_of_model(*document, lists, err) : status;
	}
	if (!names_kind(gguf)) return vita_fail(err, VITA_E_NOTFOUND, "has no tokenizer");
	status = check_kind(gguf, &c, err);
	return status == VITA_OK ? assemble(gguf, c, document, lists, err) : status;
}

/* Added tokens whose name came before, with another id, are none. */
static void drop_repeated(json_t *added, const json_t *vocab)
{
	for (size_t i = json_array_size(added); i-- > 0;) {
		const json_t *entry = json_array_get(added, i);
		const json_t *id = json_object_get(vocab, json_string_value(json_object_get(entry, "content")));
		if (json_integer_value(id) != json_integer_value(json_object_get(entry, "id")))
			(void)json_array_remove(added, i);
	}
}

vita_status vita_gguf_tokenizer_document(const vita_gguf *gguf, json_t **out, vita_error *err)
{
	vita_lists lists;
	vita_gguf_text text;
	if (find_whole(gguf, &text)) return parse_whole(&text, out, err);
	vita_status status = vita_gguf_tokenizer_read(gguf, out, &lists, err);
	if (status == VITA_OK) status = vita_lists_to_model(&lists, *out, err);
	if (status == VITA_OK)
		drop_repeated(json_object_get(*out, "added_tokens"),
		              json_object_get(json_object_get(*out, "model"), "vocab"));
	vita_lists_clear(&lists);
	if (status != VITA_OK) {
		json_decref(*out);
		*out = NULL;
	}
	return status;
}
