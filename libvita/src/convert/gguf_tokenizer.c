/* SPDX-License-Identifier: MIT
 *
 * A tokenizer.json as metadata of a GGUF file: tokens by id, their types, merges, and the word for the way in
 * which text is cut. What these cannot say, the whole document beside them does.
 */
#include "convert/gguf.h"

#include "files/json.h"
#include "text/tokenizer_gguf.h"
#include "text/tokenizer_parts.h"
#include "text/tokenizer_private.h"

#include <inttypes.h>
#include <stdlib.h>

typedef struct tokens {
	const vita_plan *plan;
	json_t *document; /* complete: all added tokens are in its own list */
	json_t *config;   /* tokenizer_config.json, or NULL */
	const json_t *vocab, *merges, *added;
	vita_tokenizer *tokenizer;
	const char **names; /* by id; NULL: there is none */
	unsigned char *kinds;
	uint32_t n;
	vita_error *err;
} tokens;

static vita_status fail_memory(const tokens *t)
{
	return vita_fail(t->err, VITA_E_NOMEM, "%s: out of memory", t->plan->path);
}

/* ---- reading -------------------------------------------------------------------------------------- */

/* The companions' added tokens join the document's list: the tokenizer knows which of them count. */
static vita_status complete(tokens *t)
{
	const vita_vocab *vocab = &t->tokenizer->bpe.vocab;
	json_t *list = json_object_get(t->document, "added_tokens"), *entry;
	json_t *described = json_object_get(t->config, "added_tokens_decoder");
	char number[16];
	if (!json_is_array(list)) {
		list = json_array();
		if (json_object_set_new(t->document, "added_tokens", list) != 0) return fail_memory(t);
	}
	unsigned char *listed = calloc(t->n + 1, 1);
	if (!listed) return fail_memory(t);
	for (size_t i = 0; i < json_array_size(list); i++) {
		json_int_t id = json_integer_value(json_object_get(json_array_get(list, i), "id"));
		if (id >= 0 && id < (json_int_t)t->n) listed[id] = 1;
	}
	vita_status status = VITA_OK;
	for (uint32_t id = 0; id < t->n && status == VITA_OK; id++) {
		if (listed[id] || !(vocab->flags[id] & VITA_TOKEN_ADDED)) continue;
		(void)snprintf(number, sizeof number, "%" PRIu32, id);
		entry = json_copy(json_object_get(described, number));
		if (!entry)
			entry = json_pack("{s:s#, s:b}", "content",
			                  (const char *)vocab->bytes + vocab->start[id],
			                  (int)vocab->length[id], "special",
			                  (vocab->flags[id] & VITA_TOKEN_SPECIAL) != 0);
		if (!entry || json_object_set_new(entry, "id", json_integer(id)) != 0 ||
		    json_array_append(list, entry) != 0)
			status = fail_memory(t);
		json_decref(entry);
	}
	free(listed);
	return status;
}

static vita_status read_tokenizer(tokens *t)
{
	const char *path = vita_model_file_path(t->plan->model, "tokenizer.json");
	if (!path) return fail_memory(t);
	vita_status status = vita_tokenizer_document(path, &t->document, t->err);
	if (status == VITA_E_NOTFOUND) return VITA_OK;
	if (status == VITA_OK) status = vita_tokenizer_companion(path, "tokenizer_config.json", &t->config, t->err);
	if (status == VITA_OK) status = vita_tokenizer_open(path, &t->tokenizer, t->err);
	if (status != VITA_OK) return status;
	t->n = vita_tokenizer_size(t->tokenizer);
	status = complete(t);
	const json_t *model = json_object_get(t->document, "model");
	t->vocab = json_object_get(model, "vocab");
	t->merges = json_object_get(model, "merges");
	t->added = json_object_get(t->document, "added_tokens");
	return status;
}

/* ---- tokens by id --------------------------------------------------------------------------------- */

static vita_status number_tokens(tokens *t)
{
	const char *name;
	json_t *id;
	t->names = calloc((size_t)t->n + 1, sizeof *t->names);
	t->kinds = malloc((size_t)t->n + 1);
	if (!t->names || !t->kinds) return fail_memory(t);
	memset(t->kinds, VITA_GGUF_TOKEN_UNUSED, t->n);
	json_object_foreach ((json_t *)(uintptr_t)t->vocab, name, id) {
		json_int_t i = json_integer_value(id);
		if (i < 0 || i >= (json_int_t)t->n) continue;
		t->names[i] = name;
		t->kinds[i] = VITA_GGUF_TOKEN_NORMAL;
	}
	for (size_t k = 0; k < json_array_size(t->added); k++) {
		const json_t *entry = json_array_get(t->added, k);
		json_int_t i = json_integer_value(json_object_get(entry, "id"));
		const char *content = json_string_value(json_object_get(entry, "content"));
		if (i < 0 || i >= (json_int_t)t->n || !content) continue;
		t->names[i] = content;
		t->kinds[i] = json_is_true(json_object_get(entry, "special")) ? VITA_GGUF_TOKEN_CONTROL
		                                                              : VITA_GGUF_TOKEN_USER_DEFINED;
	}
	return VITA_OK;
}

/* As many as the embedding has rows, for other programs want it so; those without a name get one. */
static vita_status count_tokens(const tokens *t, uint64_t *n)
{
	vita_tensor_info info;
	*n = t->n;
	for (uint64_t i = 0; vita_model_tensor_describe(t->plan->model, i, &info) == VITA_OK; i++)
		if (strcmp(info.name, "model.embed_tokens.weight") == 0 && info.rank == 2 &&
		    info.shape[0] <= INT32_MAX)
			*n = (uint64_t)info.shape[0];
	if (*n >= t->n) return VITA_OK;
	return vita_fail(t->err, VITA_E_FORMAT,
	                 "%s: its tokenizer has %" PRIu32 " tokens, but model.embed_tokens.weight has rows "
	                 "for only %" PRIu64,
	                 vita_model_path(t->plan->model), t->n, *n);
}

static void put_tokens(const tokens *t, uint64_t n, vita_gguf_writer *w)
{
	char spare[32];
	vita_gguf_put_list(w, "tokenizer.ggml.tokens", VITA_GGUF_STRING, n);
	for (uint64_t i = 0; i < n; i++) {
		const char *name = i < t->n ? t->names[i] : NULL;
		if (!name) (void)snprintf(spare, sizeof spare, "[PAD%" PRIu64 "]", i);
		vita_gguf_put_item_text(w, name ? name : spare, strlen(name ? name : spare));
	}
	vita_gguf_put_list(w, "tokenizer.ggml.token_type", VITA_GGUF_I32, n);
	for (uint64_t i = 0; i < n; i++)
		vita_gguf_put_item_i32(w, i < t->n ? t->kinds[i] : VITA_GGUF_TOKEN_UNUSED);
}

/* A merge as "LEFT RIGHT", in a buffer that holds the longest; false: it is a comment and no merge. */
static bool join_merge(const json_t *merge, char *out)
{
	const char *whole = json_string_value(merge);
	if (whole && strncmp(whole, "#version", 8) == 0) return false;
	if (whole) (void)strcpy(out, whole);
	else
		(void)sprintf(out, "%s %s", json_string_value(json_array_get(merge, 0)),
		              json_string_value(json_array_get(merge, 1)));
	return true;
}

/* The tokenizer was built from them, so each is a text or a pair of texts. */
static size_t longest_merge(const json_t *merges)
{
	size_t longest = 0;
	for (size_t i = 0; i < json_array_size(merges); i++) {
		const json_t *merge = json_array_get(merges, i);
		size_t n = json_string_length(merge) + json_string_length(json_array_get(merge, 0)) +
		           json_string_length(json_array_get(merge, 1));
		if (n > longest) longest = n;
	}
	return longest + 2;
}

static vita_status put_merges(const tokens *t, vita_gguf_writer *w)
{
	uint64_t n = 0;
	char *text = malloc(longest_merge(t->merges));
	if (!text) return fail_memory(t);
	for (size_t i = 0; i < json_array_size(t->merges); i++)
		n += join_merge(json_array_get(t->merges, i), text);
	vita_gguf_put_list(w, "tokenizer.ggml.merges", VITA_GGUF_STRING, n);
	for (size_t i = 0; i < json_array_size(t->merges); i++)
		if (join_merge(json_array_get(t->merges, i), text))
			vita_gguf_put_item_text(w, text, strlen(text));
	free(text);
	return VITA_OK;
}

/* ---- is that all? --------------------------------------------------------------------------------- */

/* Does it match only as a whole word, take spaces along, or wait for normalized text? Metadata has no place
 * for that. */
static bool is_plain(const tokens *t, const json_t *added)
{
	static const char *const flags[] = { "single_word", "lstrip", "rstrip" };
	const json_t *normalized = json_object_get(added, "normalized");
	for (size_t i = 0; i < 3; i++)
		if (json_is_true(json_object_get(added, flags[i]))) return false;
	bool later = normalized ? json_is_true(normalized) : !json_is_true(json_object_get(added, "special"));
	return !later || t->tokenizer->normal_form == VITA_NORMAL_NONE;
}

/* Would a reader of the metadata build the same tokenizer? */
static bool is_said(const tokens *t)
{
	uint64_t n_spaces = 0, n_bytes = 0;
	for (size_t i = 0; i < json_array_size(t->added); i++)
		if (!is_plain(t, json_array_get(t->added, i))) return false;
	for (size_t i = 0; i < json_array_size(t->merges); i++) {
		const json_t *merge = json_array_get(t->merges, i);
		for (size_t side = 0; side < 2 && json_is_array(merge); side++)
			n_spaces += strchr(json_string_value(json_array_get(merge, side)), ' ') != NULL;
	}
	for (int byte = 0; byte < 256; byte++) n_bytes += t->tokenizer->bpe.byte_id[byte] >= 0;
	return n_spaces == 0 && (n_bytes == 256 || t->tokenizer->bpe.unknown < 0) &&
	       vita_gguf_cutting_name(t->document);
}

static vita_status put_document(const tokens *t, vita_gguf_writer *w)
{
	char *text = json_dumps(t->document, JSON_COMPACT | JSON_REAL_PRECISION(16));
	if (!text) return fail_memory(t);
	vita_gguf_put_text(w, VITA_GGUF_TOKENIZER_KEY, text, strlen(text));
	free(text);
	if (!vita_gguf_cutting_name(t->document))
		vita_plan_note(t->plan, "GGUF has no word for the way in which this tokenizer cuts text; the "
		                        "file carries its tokenizer.json whole, which others may not heed");
	return VITA_OK;
}

static void put_config(const tokens *t, vita_gguf_writer *w)
{
	const char *template = json_string_value(json_object_get(t->config, "chat_template"));
	const json_t *begin = json_object_get(t->config, "add_bos_token");
	if (template) vita_gguf_put_text(w, "tokenizer.chat_template", template, strlen(template));
	if (json_is_boolean(begin))
		vita_gguf_put_bool(w, "tokenizer.ggml.add_bos_token", json_is_true(begin));
}

static vita_status put_all(tokens *t, vita_gguf_writer *w)
{
	const char *cutting = vita_gguf_cutting_name(t->document);
	uint64_t n;
	vita_status status = count_tokens(t, &n);
	if (status == VITA_OK) status = number_tokens(t);
	if (status != VITA_OK) return status;
	vita_gguf_put_text(w, "tokenizer.ggml.model", "gpt2", 4);
	if (cutting) vita_gguf_put_text(w, "tokenizer.ggml.pre", cutting, strlen(cutting));
	put_tokens(t, n, w);
	status = put_merges(t, w);
	put_config(t, w);
	if (status == VITA_OK && !is_said(t)) status = put_document(t, w);
	return status;
}

vita_status vita_plan_put_tokenizer(const vita_plan *plan, vita_gguf_writer *w, vita_error *err)
{
	tokens t = { .plan = plan, .err = err };
	vita_status status = VITA_OK;
	if (plan->config) status = read_tokenizer(&t);
	if (status == VITA_OK && t.document) status = put_all(&t, w);
	if (status == VITA_OK && !t.document) {
		/* Without this word other programs refuse the file. */
		vita_gguf_put_text(w, "tokenizer.ggml.model", "none", 4);
		vita_plan_note(plan, "the model has no tokenizer.json, nor vocab.json and merges.txt, and so the file has no tokenizer");
	}
	vita_tokenizer_close(t.tokenizer);
	json_decref(t.document);
	json_decref(t.config);
	free(t.names);
	free(t.kinds);
	return status;
}
