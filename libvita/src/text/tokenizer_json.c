/* SPDX-License-Identifier: MIT
 *
 * The parts of a tokenizer.json, as Hugging Face's tokenizers library writes and reads them.
 */
#include "text/tokenizer_private.h"

#include "files/json.h"
#include "files/map.h"
#include "text/utf8.h"

#define MAX_NESTED 8

/* Ids may have holes, but tables are by id: this many ids a token, and this many more, are taken. */
#define MAX_IDS_PER_TOKEN 16
#define MAX_IDS_MORE (1u << 20)

/* What ByteLevel cuts by when its use_regex is set: the pattern of GPT-2. */
#define GPT2_PATTERN "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

typedef struct added_token {
	const char *content;
	size_t size;
	int32_t id;
	uint32_t flags; /* VITA_ADDED_* */
	bool certain;   /* from tokenizer.json itself, not from a companion */
} added_token;

typedef struct builder {
	vita_tokenizer *tokenizer;
	const vita_lists *lists;
	added_token *added;
	size_t n_added, added_capacity;
	int64_t largest_id;
	size_t n_bytes;
	vita_error *err;
} builder;

/* ---- reading members ---- */

static vita_status get_flag(const json_t *object, const char *key, bool fallback, bool *out, vita_error *err)
{
	const json_t *value = json_object_get(object, key);
	*out = fallback;
	if (!value || json_is_null(value)) return VITA_OK;
	if (!json_is_boolean(value))
		return vita_fail(err, VITA_E_FORMAT, "\"%s\" must be true or false, but is %s", key,
				 vita_json_kind(value));
	*out = json_is_true(value);
	return VITA_OK;
}

/* *out is "" where the member is absent or null. */
static vita_status get_text(const json_t *object, const char *key, const char **out, vita_error *err)
{
	const json_t *value = json_object_get(object, key);
	*out = "";
	if (!value || json_is_null(value)) return VITA_OK;
	if (!json_is_string(value))
		return vita_fail(err, VITA_E_FORMAT, "\"%s\" must be a text, but is %s", key,
				 vita_json_kind(value));
	*out = json_string_value(value);
	return VITA_OK;
}

/* List the steps of a normalizer or pre-tokenizer: itself, or what its Sequences hold under `key`. */
static vita_status list_steps(const json_t *value, const char *key, const json_t **steps, size_t *n_steps,
			      vita_error *err)
{
	const json_t *lists[MAX_NESTED];
	size_t at[MAX_NESTED], depth = 0;
	*n_steps = 0;
	if (!value || json_is_null(value)) return VITA_OK;
	do {
		const char *type = "";
		if (depth > 0 && at[depth - 1] == json_array_size(lists[depth - 1])) {
			depth--;
			continue;
		}
		if (depth > 0) value = json_array_get(lists[depth - 1], at[depth - 1]++);
		if (!json_is_object(value))
			return vita_fail(err, VITA_E_FORMAT, "a step of its %s must be an object, but is %s",
					 key, vita_json_kind(value));
		vita_status status = get_text(value, "type", &type, err);
		if (status < 0) return status;
		if (strcmp(type, "Sequence") != 0) {
			if (*n_steps == VITA_SPLIT_MAX_STAGES)
				return vita_fail(err, VITA_E_UNSUPPORTED, "has more than %d %s",
						 VITA_SPLIT_MAX_STAGES, key);
			steps[(*n_steps)++] = value;
			continue;
		}
		if (depth == MAX_NESTED || !json_is_array(json_object_get(value, key)))
			return vita_fail(err, VITA_E_FORMAT,
					 "a Sequence lacks its list of %s, or is nested too deep", key);
		lists[depth] = json_object_get(value, key);
		at[depth++] = 0;
	} while (depth > 0);
	return VITA_OK;
}

/* ---- normalizer and pre-tokenizer ---- */

static vita_status read_normalizer(builder *b, const json_t *normalizer)
{
	const json_t *steps[VITA_SPLIT_MAX_STAGES];
	size_t n;
	uint32_t form = VITA_NORMAL_NONE;
	vita_status status = list_steps(normalizer, "normalizers", steps, &n, b->err);
	if (status < 0) return status;
	for (size_t i = 0; i < n; i++) {
		vita_shown shown;
		const char *type = json_string_value(json_object_get(steps[i], "type"));
		uint32_t compat = form & VITA_NORMAL_COMPAT; /* once taken apart such characters stay apart */
		if (type && (strcmp(type, "NFC") == 0 || strcmp(type, "NFKC") == 0))
			form = VITA_NORMAL_COMPOSE | compat;
		else if (type && (strcmp(type, "NFD") == 0 || strcmp(type, "NFKD") == 0))
			form = VITA_NORMAL_DECOMPOSE | compat;
		else
			return vita_fail(b->err, VITA_E_UNSUPPORTED,
					 "has a normalizer of type \"%s\"; known are NFC, NFD, NFKC, "
					 "NFKD and Sequence",
					 vita_show(shown, type ? type : ""));
		if (strchr(type, 'K')) form |= VITA_NORMAL_COMPAT;
	}
	b->tokenizer->normal_form = form;
	return VITA_OK;
}

static vita_status add_stage(builder *b, const char *pattern, size_t size, bool literal, uint32_t behavior,
			     bool invert, bool prefix_space)
{
	vita_split *split = &b->tokenizer->split;
	vita_split_stage stage = {.invert = invert, .prefix_space = prefix_space, .behavior = behavior};
	vita_error reason;
	if (split->n_stages == VITA_SPLIT_MAX_STAGES)
		return vita_fail(b->err, VITA_E_UNSUPPORTED, "has more than %d pretokenizers",
				 VITA_SPLIT_MAX_STAGES);
	if (pattern) {
		vita_status status = vita_pattern_compile(pattern, size, literal, &stage.pattern, &reason);
		if (status < 0) return vita_fail(b->err, status, "in its pre_tokenizer %s", reason.message);
	}
	split->stages[split->n_stages++] = stage;
	return VITA_OK;
}

static vita_status read_behavior(const json_t *step, uint32_t fallback, uint32_t *out, vita_error *err)
{
	static const char *const names[] = {"Isolated", "Removed", "MergedWithPrevious", "MergedWithNext",
					    "Contiguous"};
	const char *name;
	vita_shown shown;
	vita_status status = get_text(step, "behavior", &name, err);
	if (status < 0) return status;
	*out = fallback;
	if (!*name) return VITA_OK;
	for (*out = 0; *out < sizeof names / sizeof *names; ++*out)
		if (strcmp(names[*out], name) == 0) return VITA_OK;
	return vita_fail(err, VITA_E_UNSUPPORTED,
			 "has a pre_tokenizer of behavior \"%s\"; known are Isolated, Removed, "
			 "MergedWithPrevious, MergedWithNext and Contiguous",
			 vita_show(shown, name));
}

static vita_status read_split(builder *b, const json_t *step)
{
	const json_t *pattern = json_object_get(step, "pattern");
	const json_t *regex = json_object_get(pattern, "Regex"), *string = json_object_get(pattern, "String");
	const json_t *text = regex ? regex : string;
	uint32_t behavior;
	bool invert;
	vita_status status = read_behavior(step, VITA_SPLIT_ISOLATED, &behavior, b->err);
	if (status == VITA_OK) status = get_flag(step, "invert", false, &invert, b->err);
	if (status < 0) return status;
	if (!json_is_string(text) || json_string_length(text) == 0)
		return vita_fail(b->err, VITA_E_FORMAT,
				 "a Split of its pre_tokenizer lacks a pattern of kind Regex or String");
	return add_stage(b, json_string_value(text), json_string_length(text), !regex, behavior, invert,
			 false);
}

static vita_status read_byte_level(builder *b, const json_t *step)
{
	bool prefix, regex;
	vita_status status = get_flag(step, "add_prefix_space", false, &prefix, b->err);
	if (status == VITA_OK) status = get_flag(step, "use_regex", true, &regex, b->err);
	if (status < 0 || (!prefix && !regex)) return status;
	return add_stage(b, regex ? GPT2_PATTERN : NULL, sizeof GPT2_PATTERN - 1, false, VITA_SPLIT_ISOLATED,
			 false, prefix);
}

static vita_status read_digits(builder *b, const json_t *step)
{
	bool individual;
	vita_status status = get_flag(step, "individual_digits", false, &individual, b->err);
	if (status < 0) return status;
	return add_stage(b, "\\p{N}", 5, false, individual ? VITA_SPLIT_ISOLATED : VITA_SPLIT_CONTIGUOUS,
			 false, false);
}

static vita_status read_punctuation(builder *b, const json_t *step)
{
	static const char pattern[] = "[\\p{P}$+<=>^`|~]"; /* all of ASCII's, symbols too */
	uint32_t behavior;
	vita_status status = read_behavior(step, VITA_SPLIT_ISOLATED, &behavior, b->err);
	return status < 0 ? status : add_stage(b, pattern, sizeof pattern - 1, false, behavior, false, false);
}

static vita_status read_pre_tokenizer(builder *b, const json_t *pre_tokenizer)
{
	const json_t *steps[VITA_SPLIT_MAX_STAGES];
	size_t n;
	bool byte_level = false;
	vita_status status = list_steps(pre_tokenizer, "pretokenizers", steps, &n, b->err);
	for (size_t i = 0; status == VITA_OK && i < n; i++) {
		vita_shown shown;
		const char *type = json_string_value(json_object_get(steps[i], "type"));
		if (byte_level)
			return vita_fail(b->err, VITA_E_UNSUPPORTED,
					 "has a step behind ByteLevel in its pre_tokenizer");
		byte_level = type && strcmp(type, "ByteLevel") == 0;
		if (byte_level)
			status = read_byte_level(b, steps[i]);
		else if (type && strcmp(type, "Split") == 0)
			status = read_split(b, steps[i]);
		else if (type && strcmp(type, "Digits") == 0)
			status = read_digits(b, steps[i]);
		else if (type && strcmp(type, "Punctuation") == 0)
			status = read_punctuation(b, steps[i]);
		else
			return vita_fail(b->err, VITA_E_UNSUPPORTED,
					 "has a pre_tokenizer of type \"%s\"; known are Split, Digits, "
					 "Punctuation, ByteLevel and Sequence",
					 vita_show(shown, type ? type : ""));
	}
	if (status < 0 || byte_level) return status;
	return vita_fail(b->err, VITA_E_UNSUPPORTED,
			 "is no byte-level tokenizer: its pre_tokenizer lacks ByteLevel");
}

/* ---- added tokens ---- */

/* Is this id one that tables can be made for? Counted against the tokens that the files hold. */
static bool is_sensible_id(const builder *b, int64_t id)
{
	uint64_t n = (uint64_t)b->lists->n_tokens + b->n_added + 1;
	return id >= 0 && id < INT32_MAX && (uint64_t)id < n * MAX_IDS_PER_TOKEN + MAX_IDS_MORE;
}

static vita_status note_added(builder *b, const char *content, size_t size, int64_t id, uint32_t flags,
			      bool certain)
{
	vita_shown shown;
	if (size == 0 || size > VITA_ADDED_MAX_BYTES)
		return vita_fail(b->err, VITA_E_UNSUPPORTED,
				 "has an added token of %zu bytes; 1 to %d are taken", size,
				 VITA_ADDED_MAX_BYTES);
	void *added = b->added;
	bool ok = vita_array_reserve(&added, &b->added_capacity, b->n_added, 1, sizeof *b->added);
	b->added = added;
	if (!ok) return vita_fail(b->err, VITA_E_NOMEM, "no memory for its added tokens");
	if (id < 0 || id >= INT32_MAX)
		return vita_fail(b->err, VITA_E_FORMAT,
				 "gives the added token \"%s\" the id %lld, which is none",
				 vita_show(shown, content), (long long)id);
	b->added[b->n_added++] = (added_token){content, size, (int32_t)id, flags, certain};
	b->n_bytes += size;
	if (id > b->largest_id) b->largest_id = id;
	return VITA_OK;
}

/* An entry of added_tokens or of added_tokens_decoder, which has the id outside. */
static vita_status note_described(builder *b, const json_t *entry, int64_t id, bool certain)
{
	static const struct {
		const char *key;
		uint32_t flag;
	} keys[] = {
		{"single_word", VITA_ADDED_SINGLE_WORD}, {"lstrip", VITA_ADDED_LSTRIP},
		{"rstrip", VITA_ADDED_RSTRIP},           {"special", VITA_ADDED_SPECIAL},
		{"normalized", VITA_ADDED_NORMALIZED},
	};
	const json_t *content = json_object_get(entry, "content");
	uint32_t flags = 0;
	if (!json_is_string(content))
		return vita_fail(b->err, VITA_E_FORMAT,
				 "the content of an added token must be a text, but is %s",
				 vita_json_kind(content));
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		/* Special tokens are not normalized unless it is said, others are. */
		bool set, fallback = keys[i].flag == VITA_ADDED_NORMALIZED && !(flags & VITA_ADDED_SPECIAL);
		vita_status status = get_flag(entry, keys[i].key, fallback, &set, b->err);
		if (status < 0) return status;
		if (set) flags |= keys[i].flag;
	}
	return note_added(b, json_string_value(content), json_string_length(content), id, flags, certain);
}

static vita_status list_added(builder *b, const json_t *list)
{
	vita_status status = VITA_OK;
	if (!list || json_is_null(list)) return VITA_OK;
	if (!json_is_array(list))
		return vita_fail(b->err, VITA_E_FORMAT, "\"added_tokens\" must be a list, but is %s",
				 vita_json_kind(list));
	for (size_t i = 0; status == VITA_OK && i < json_array_size(list); i++) {
		const json_t *entry = json_array_get(list, i), *id = json_object_get(entry, "id");
		if (!json_is_integer(id))
			return vita_fail(b->err, VITA_E_FORMAT,
					 "the id of an added token must be an integer, but is %s",
					 vita_json_kind(id));
		status = note_described(b, entry, json_integer_value(id), true);
	}
	return status;
}

/* added_tokens_decoder of tokenizer_config.json: {"ID": {"content": …}}. */
static vita_status list_added_of_config(builder *b, const json_t *config)
{
	json_t *object = json_object_get(config, "added_tokens_decoder"), *entry;
	vita_status status = VITA_OK;
	const char *key;
	vita_shown shown;
	if (!object || json_is_null(object)) return VITA_OK;
	if (!json_is_object(object))
		return vita_fail(b->err, VITA_E_FORMAT,
				 "\"added_tokens_decoder\" of its tokenizer_config.json must be an "
				 "object, but is %s",
				 vita_json_kind(object));
	json_object_foreach(object, key, entry)
	{
		char *end;
		long long id = strtoll(key, &end, 10);
		if (end == key || *end)
			return vita_fail(b->err, VITA_E_FORMAT,
					 "\"added_tokens_decoder\" of its tokenizer_config.json has the id "
					 "\"%s\"",
					 vita_show(shown, key));
		status = note_described(b, entry, id, false);
		if (status < 0) break;
	}
	return status;
}

/* added_tokens.json: {"CONTENT": ID}. */
static vita_status list_added_of_file(builder *b, json_t *added)
{
	json_t *id;
	const char *content;
	vita_status status = VITA_OK;
	json_object_foreach(added, content, id)
	{
		if (!json_is_integer(id))
			return vita_fail(b->err, VITA_E_FORMAT,
					 "an id in its added_tokens.json must be an integer, but is %s",
					 vita_json_kind(id));
		status = note_added(b, content, strlen(content), json_integer_value(id),
				    VITA_ADDED_NORMALIZED, false);
		if (status < 0) break;
	}
	return status;
}

static vita_status insert_added(builder *b, const added_token *token)
{
	vita_tokenizer *t = b->tokenizer;
	const uint8_t *content = (const uint8_t *)token->content;
	vita_bytes normalized = {0};
	vita_shown shown;
	bool changed = false, later = token->flags & VITA_ADDED_NORMALIZED;
	bool id_taken = t->bpe.vocab.flags[token->id] & VITA_TOKEN_ADDED;
	/* Its name came before, with another id. */
	if (b->lists->first_counts && !(t->bpe.vocab.flags[token->id] & VITA_TOKEN_IN_VOCAB)) return VITA_OK;
	int32_t known = vita_tokenizer_find_added(t, token->content, token->size);
	/* Companions fill gaps; where they differ from the tokenizer itself, it is right. */
	if (known == token->id || (!token->certain && (known >= 0 || id_taken))) return VITA_OK;
	if (known >= 0 || id_taken)
		return vita_fail(b->err, VITA_E_FORMAT,
				 "gives the added token \"%s\" two ids, or its id %ld to another one too",
				 vita_show(shown, token->content), (long)token->id);
	vita_vocab_add_content(&t->bpe.vocab, token->id, token->content, token->size,
			       token->flags & VITA_ADDED_SPECIAL);
	vita_status status = VITA_OK;
	if (later)
		status = vita_normalize(t->normal_form, content, token->size, NULL, 0, &normalized, &changed,
					b->err);
	if (status == VITA_OK)
		status = vita_added_insert(later ? &t->added_normalized : &t->added,
					   changed ? (const char *)normalized.data : token->content,
					   changed ? normalized.size : token->size, token->id, token->flags,
					   b->err);
	free(normalized.data);
	return status;
}

/* ---- vocabulary ---- */

static vita_status measure_vocab(builder *b)
{
	vita_shown shown;
	for (size_t i = 0; i < b->lists->n_tokens; i++) {
		const vita_listed_token *token = &b->lists->tokens[i];
		if (!is_sensible_id(b, token->id))
			return vita_fail(b->err, VITA_E_FORMAT,
					 "the vocabulary's \"%s\" has the id %ld, far beyond its number of tokens",
					 vita_show_bytes(shown, token->name, token->size), (long)token->id);
		if (token->id > b->largest_id) b->largest_id = token->id;
		b->n_bytes += token->size;
	}
	for (size_t i = 0; i < b->n_added; i++)
		if (!is_sensible_id(b, b->added[i].id))
			return vita_fail(
				b->err, VITA_E_FORMAT,
				"gives the added token \"%s\" the id %ld, far beyond its number of tokens",
				vita_show(shown, b->added[i].content), (long)b->added[i].id);
	return VITA_OK;
}

static vita_status read_vocab(builder *b)
{
	const vita_lists *lists = b->lists;
	vita_vocab *vocab = &b->tokenizer->bpe.vocab;
	vita_shown shown;
	vita_status status = measure_vocab(b);
	if (status < 0) return status;
	status = vita_vocab_init(vocab, (uint32_t)(b->largest_id + 1), lists->n_tokens, b->n_bytes, b->err);
	for (size_t i = 0; status == VITA_OK && i < lists->n_tokens; i++) {
		const vita_listed_token *token = &lists->tokens[i];
		bool known;
		status = vita_vocab_add(vocab, token->id, token->name, token->size, &known, b->err);
		if (status == VITA_OK && known && !lists->first_counts)
			status = vita_fail(b->err, VITA_E_FORMAT, "its vocabulary has \"%s\" twice",
					   vita_show_bytes(shown, token->name, token->size));
	}
	for (size_t i = 0; status == VITA_OK && i < b->n_added; i++)
		status = insert_added(b, &b->added[i]);
	return status;
}

/* ---- the whole ---- */

static vita_status check_model(builder *b, const json_t *model)
{
	const char *type, *prefix, *suffix;
	vita_shown shown;
	bool byte_fallback, *ignore_merges = &b->tokenizer->bpe.ignore_merges,
			    *fuse = &b->tokenizer->bpe.fuse_unknown;
	if (!json_is_object(model))
		return vita_fail(b->err, VITA_E_FORMAT, "is no tokenizer.json: it has no object \"model\"");
	const json_t *vocab = json_object_get(model, "vocab"), *merges = json_object_get(model, "merges");
	vita_status status = get_text(model, "type", &type, b->err);
	if (status == VITA_OK && *type && strcmp(type, "BPE") != 0)
		return vita_fail(b->err, VITA_E_UNSUPPORTED,
				 "holds a tokenizer of type \"%s\"; only byte-level BPE is known",
				 vita_show(shown, type));
	if (status == VITA_OK && !json_is_object(vocab))
		return vita_fail(b->err, VITA_E_FORMAT, "\"model.vocab\" must be an object, but is %s",
				 vita_json_kind(vocab));
	if (status == VITA_OK && !json_is_array(merges))
		return vita_fail(b->err, VITA_E_FORMAT,
				 "\"model.merges\" must be a list, but is %s; without it there is no BPE",
				 vita_json_kind(merges));
	if (status == VITA_OK) status = get_text(model, "continuing_subword_prefix", &prefix, b->err);
	if (status == VITA_OK) status = get_text(model, "end_of_word_suffix", &suffix, b->err);
	if (status == VITA_OK) status = get_flag(model, "byte_fallback", false, &byte_fallback, b->err);
	if (status == VITA_OK) status = get_flag(model, "ignore_merges", false, ignore_merges, b->err);
	if (status == VITA_OK) status = get_flag(model, "fuse_unk", false, fuse, b->err);
	if (status < 0) return status;
	if (byte_fallback || *prefix || *suffix)
		return vita_fail(b->err, VITA_E_UNSUPPORTED,
				 "is no byte-level tokenizer: it has a byte_fallback, a "
				 "continuing_subword_prefix or an end_of_word_suffix");
	return VITA_OK;
}

/* The id for bytes that the vocabulary lacks. */
static vita_status read_unknown(builder *b, const json_t *model)
{
	vita_bpe *bpe = &b->tokenizer->bpe;
	const char *name;
	vita_shown shown;
	bool complete = true;
	vita_status status = get_text(model, "unk_token", &name, b->err);
	bpe->unknown = -1;
	if (status < 0 || !*name) return status;
	for (int byte = 0; byte < 256; byte++)
		complete = complete && bpe->byte_id[byte] >= 0;
	bpe->unknown = vita_tokenizer_id(b->tokenizer, name);
	if (bpe->unknown >= 0 || complete) return VITA_OK;
	return vita_fail(b->err, VITA_E_FORMAT, "its unk_token \"%s\" is not in the vocabulary",
			 vita_show(shown, name));
}

static vita_status build(builder *b, const json_t *document, json_t *added_tokens, const json_t *config)
{
	const json_t *model = json_object_get(document, "model");
	vita_status status = read_normalizer(b, json_object_get(document, "normalizer"));
	if (status == VITA_OK) status = read_pre_tokenizer(b, json_object_get(document, "pre_tokenizer"));
	if (status == VITA_OK) status = list_added(b, json_object_get(document, "added_tokens"));
	if (status == VITA_OK) status = list_added_of_config(b, config);
	if (status == VITA_OK) status = list_added_of_file(b, added_tokens);
	if (status == VITA_OK) status = read_vocab(b);
	if (status == VITA_OK) status = vita_lists_fill_merges(b->lists, &b->tokenizer->bpe, b->err);
	if (status < 0) return status;
	vita_vocab_trim(&b->tokenizer->bpe.vocab);
	vita_bpe_prepare(&b->tokenizer->bpe);
	return read_unknown(b, model);
}

vita_status vita_tokenizer_build(const json_t *document, const vita_lists *lists, json_t *added_tokens,
				 const json_t *config, vita_tokenizer **out, vita_error *err)
{
	vita_lists own = {0};
	builder b = {.tokenizer = calloc(1, sizeof **out), .lists = lists, .largest_id = -1, .err = err};
	*out = NULL;
	if (!b.tokenizer) return vita_fail(err, VITA_E_NOMEM, "no memory for a tokenizer");
	vita_status status = check_model(&b, json_object_get(document, "model"));
	if (!lists && status == VITA_OK) {
		status = vita_lists_of_model(document, &own, err);
		b.lists = &own;
	}
	if (status == VITA_OK) status = build(&b, document, added_tokens, config);
	free(b.added);
	vita_lists_clear(&own);
	if (status == VITA_OK)
		*out = b.tokenizer;
	else
		vita_tokenizer_close(b.tokenizer);
	return status;
}
