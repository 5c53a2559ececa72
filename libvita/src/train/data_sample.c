/* SPDX-License-Identifier: MIT
 *
 * A line of training data as tokens and labels. What stands here mirrors engine/prompt.c: the model is to
 * meet the same tokens when it is asked.
 */
#include "train/data_internal.h"

#include "files/json.h"
#include "text/tokenizer_private.h"

#include <stdlib.h>

#define PLACEHOLDER "<|audio|>"
#define TTS_INSTRUCTION "Convert the text to speech."
#define MOST_MESSAGES 4096u

/* ---- a maker -------------------------------------------------------------------------------------- */

static vita_status lacks(const char *token, vita_error *err)
{
	return vita_fail(err, VITA_E_CONFIG, "the tokenizer has no token %s, which training data needs",
			 token);
}

static vita_status use_encoder(vita_sample_maker *maker, const vita_train_data_options *options,
			       vita_error *err)
{
	vita_codes_source *codes = &maker->codes;
	codes->api = options->encoder_api;
	codes->encoder = options->encoder;
	codes->key = options->encoder_key;
	codes->cache = options->cache;
	codes->cancel = options->cancel;
	if (!codes->api) return VITA_OK;
	VITA_INIT(&codes->info);
	codes->api->describe(codes->encoder, &codes->info);
	if (codes->info.output != VITA_ENCODER_TOKENS)
		return vita_fail(
			err, VITA_E_CONFIG,
			"the encoder gives feature rows; training reads recordings through an encoder that "
			"gives tokens");
	if (maker->markers.begin_audio < 0) return lacks("<|begin_of_audio|>", err);
	if (maker->markers.end_audio < 0) return lacks("<|end_of_audio|>", err);
	if (codes->info.vocab_size > (uint32_t)maker->markers.audio_count)
		return vita_fail(
			err, VITA_E_CONFIG,
			"the encoder gives %lu different tokens, but the tokenizer has %ld audio tokens "
			"(<|audio_0|> …)",
			(unsigned long)codes->info.vocab_size, (long)maker->markers.audio_count);
	return VITA_OK;
}

vita_status vita_sample_maker_open(vita_sample_maker *maker, const vita_train_data_options *options,
				   vita_error *err)
{
	const vita_segment newline = {.text = "\n", .size = 1};
	maker->tokenizer = options->tokenizer;
	maker->max_length = options->max_length;
	vita_status status = vita_markers_find(&maker->markers, maker->tokenizer, err);
	if (status != VITA_OK) return status;
	if (maker->markers.message_start < 0) return lacks("<|im_start|>", err);
	if (maker->markers.message_end < 0) return lacks("<|im_end|>", err);
	status = use_encoder(maker, options, err);
	if (status == VITA_OK)
		status = vita_interleaving_set(&maker->interleaving, options->ratio, options->n_ratio, err);
	if (status == VITA_OK)
		status = vita_segments_encode(maker->tokenizer, &newline, 1, &maker->newline, err);
	return status;
}

void vita_sample_maker_close(vita_sample_maker *maker)
{
	free(maker->interleaving.pair);
	free(maker->newline.data);
	free(maker->piece.data);
	free(maker->answer.data);
}

/* ---- one message ---------------------------------------------------------------------------------- */

typedef struct sample {
	vita_sample_maker *maker;
	const char *directory, *origin;
	const json_t *audios;
	size_t n_audio; /* of them taken */
	char *spoken;   /* what a TTS instruction asks for: put before the answers that follow */
	vita_ids *ids, *labels;
	size_t begin; /* of this sample in ids */
	bool any_answer;
	vita_error *err;
} sample;

static vita_fate broken(sample *s, vita_fate fate, const char *what)
{
	(void)vita_fail(s->err, VITA_E_FORMAT, "%s: %s", s->origin, what);
	return fate;
}

static vita_fate no_memory(sample *s)
{
	(void)vita_fail(s->err, VITA_E_NOMEM, "%s: no memory for this sample", s->origin);
	return VITA_FATE_FAILED;
}

/* err says what is wrong with the recording; whose fault is it? The line is named before it. */
static vita_fate audio_fate(sample *s, vita_status status)
{
	vita_error *err = s->err;
	char cause[sizeof err->message];
	if (status == VITA_E_NOMEM || status == VITA_E_CANCELLED || status == VITA_E_DEVICE ||
	    status == VITA_E_INTERNAL || status == VITA_E_CONFIG)
		return VITA_FATE_FAILED;
	memcpy(cause, err->message, sizeof cause);
	(void)vita_fail(err, status, "%s: %s", s->origin, cause);
	return status == VITA_E_INVALID ? VITA_FATE_TOO_LONG : VITA_FATE_MISSING;
}

static char *path_in(const char *directory, const char *path)
{
	size_t n = path[0] == '/' ? 0 : strlen(directory), m = strlen(path);
	char *out = malloc(n + m + 1);
	if (!out) return NULL;
	memcpy(out, directory, n);
	memcpy(out + n, path, m + 1);
	return out;
}

/* The next recording's tokens in their markers, into maker->piece. */
static vita_fate read_audio(sample *s)
{
	vita_sample_maker *maker = s->maker;
	const char *path = json_string_value(json_array_get(s->audios, s->n_audio));
	if (!path)
		return broken(s, VITA_FATE_AUDIO, "there are more <|audio|> in its messages than \"audios\"");
	s->n_audio++;
	char *whole = path_in(s->directory, path);
	if (!whole) return no_memory(s);
	maker->piece.size = 0;
	bool ok = vita_ids_append(&maker->piece, &maker->markers.begin_audio, 1);
	vita_status status =
		ok ? vita_codes_read(&maker->codes, whole, maker->max_length, &maker->piece, s->err)
		   : VITA_E_NOMEM;
	free(whole);
	if (!ok) return no_memory(s);
	if (status != VITA_OK) return audio_fate(s, status);
	for (size_t i = 1; i < maker->piece.size; i++)
		maker->piece.data[i] += maker->markers.audio_first;
	return vita_ids_append(&maker->piece, &maker->markers.end_audio, 1) ? VITA_FATE_GOOD : no_memory(s);
}

/* Audio tokens written out must be the tokenizer's own, or they would be learnt as letters. */
static vita_fate check_written(sample *s, const char *content)
{
	static const char *const stems[] = {"<|audio_", "<|begin_of_audio", "<|end_of_audio"};
	for (size_t k = 0; k < sizeof stems / sizeof stems[0]; k++)
		for (const char *at = content; (at = strstr(at, stems[k])); at++) {
			const char *end = strstr(at, "|>");
			if (end && end - at < 40 &&
			    vita_tokenizer_find_added(s->maker->tokenizer, at, (size_t)(end - at) + 2) >= 0)
				continue;
			(void)vita_fail(s->err, VITA_E_FORMAT,
					"%s: holds %.24s…, which is no token of the tokenizer", s->origin,
					at);
			return VITA_FATE_BROKEN;
		}
	return VITA_FATE_GOOD;
}

/* The content as tokens, into maker->answer; *spans counts the recordings in it. prefix goes before it. */
static vita_fate encode_content(sample *s, const char *content, const char *prefix, int *spans)
{
	vita_sample_maker *maker = s->maker;
	const char *tag = strstr(content, PLACEHOLDER);
	vita_segment segment[4];
	size_t n = 0;
	*spans = tag != NULL;
	if (tag && strstr(tag + 1, PLACEHOLDER))
		return broken(s, VITA_FATE_AUDIO, "a message has more than one <|audio|>");
	if (tag && strstr(content, "<|begin_of_audio|>"))
		return broken(s, VITA_FATE_AUDIO,
			      "a message has both <|audio|> and audio tokens written out");
	vita_fate fate = tag ? read_audio(s) : check_written(s, content);
	if (fate != VITA_FATE_GOOD) return fate;
	if (prefix) segment[n++] = (vita_segment){.text = prefix, .size = strlen(prefix), .markup = true};
	segment[n++] = (vita_segment){
		.text = content, .size = tag ? (uint64_t)(tag - content) : strlen(content), .markup = true};
	if (tag) {
		segment[n++] = (vita_segment){.ids = maker->piece.data, .n_ids = maker->piece.size};
		segment[n++] = (vita_segment){.text = tag + sizeof PLACEHOLDER - 1,
					      .size = strlen(tag + sizeof PLACEHOLDER - 1),
					      .markup = true};
	}
	maker->answer.size = 0;
	vita_status status = vita_segments_encode(maker->tokenizer, segment, n, &maker->answer, s->err);
	if (status == VITA_E_NOMEM) return VITA_FATE_FAILED;
	return status == VITA_OK ? VITA_FATE_GOOD
				 : broken(s, VITA_FATE_BROKEN, "its text cannot be tokenized");
}

/* Tokens up to ids' end are labels, or not to be learnt. */
static bool label(sample *s, bool learn)
{
	size_t from = s->labels->size, n = s->ids->size - from;
	if (!vita_ids_reserve(s->labels, n)) return false;
	for (size_t i = 0; i < n; i++)
		s->labels->data[from + i] = learn ? s->ids->data[from + i] : VITA_TRAIN_IGNORE;
	s->labels->size += n;
	return true;
}

/* Header, content and end are tokenized apart, as in the reference's training. */
static vita_fate append_message(sample *s, const char *role, const char *content, const char *prefix)
{
	vita_sample_maker *maker = s->maker;
	const vita_markers *markers = &maker->markers;
	const vita_segment name = {.text = role, .size = strlen(role)};
	bool learn = strcmp(role, "assistant") == 0;
	int spans;
	vita_fate fate = encode_content(s, content, prefix, &spans);
	if (fate != VITA_FATE_GOOD) return fate;
	bool ok = vita_ids_append(s->ids, &markers->message_start, 1) &&
		  vita_segments_encode(maker->tokenizer, &name, 1, s->ids, NULL) == VITA_OK &&
		  vita_ids_append(s->ids, maker->newline.data, maker->newline.size) && label(s, false);
	if (ok && learn && spans)
		ok = vita_interleave(&maker->interleaving, markers, maker->answer.data, maker->answer.size,
				     s->ids);
	else if (ok)
		ok = vita_ids_append(s->ids, maker->answer.data, maker->answer.size);
	ok = ok && vita_ids_append(s->ids, &markers->message_end, 1) &&
	     vita_ids_append(s->ids, maker->newline.data, maker->newline.size) && label(s, learn);
	s->any_answer |= learn;
	return ok ? VITA_FATE_GOOD : no_memory(s);
}

/* ---- all messages --------------------------------------------------------------------------------- */

static const char *role_of(const json_t *message)
{
	const char *role = json_string_value(json_object_get(message, "role"));
	if (!role) role = json_string_value(json_object_get(message, "from"));
	if (!role) return NULL;
	if (strcmp(role, "user") == 0 || strcmp(role, "human") == 0) return "user";
	if (strcmp(role, "assistant") == 0 || strcmp(role, "gpt") == 0) return "assistant";
	return strcmp(role, "system") == 0 ? "system" : NULL;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* What a user wants spoken: the content without the instruction and the space around what is left. It will
 * stand before every answer that follows, so that speech is learnt as text and sound together. */
static vita_fate note_spoken(sample *s, const char *content)
{
	const char *at = strstr(content, TTS_INSTRUCTION);
	if (!at) return VITA_FATE_GOOD;
	size_t before = (size_t)(at - content), n = strlen(content) - (sizeof TTS_INSTRUCTION - 1);
	char *text = malloc(n + 1);
	if (!text) return no_memory(s);
	memcpy(text, content, before);
	memcpy(text + before, at + sizeof TTS_INSTRUCTION - 1, n - before + 1);
	size_t first = 0;
	while (is_space(text[first]))
		first++;
	while (n > first && is_space(text[n - 1]))
		n--;
	memmove(text, text + first, n - first);
	text[n - first] = '\0';
	free(s->spoken);
	s->spoken = text;
	return VITA_FATE_GOOD;
}

static vita_fate take_message(sample *s, const json_t *message)
{
	const char *role = role_of(message);
	const char *content = json_string_value(json_object_get(message, "content"));
	if (!content) content = json_string_value(json_object_get(message, "value"));
	if (!role)
		return broken(s, VITA_FATE_BROKEN, "a message's role is none of system, user and assistant");
	if (!content) return broken(s, VITA_FATE_BROKEN, "a message has no \"content\"");
	vita_fate fate = strcmp(role, "user") == 0 ? note_spoken(s, content) : VITA_FATE_GOOD;
	if (fate != VITA_FATE_GOOD) return fate;
	/* audio tokens written out are in their order already */
	bool prefixed = strcmp(role, "assistant") == 0 && s->spoken && !strstr(content, "<|begin_of_audio|>");
	fate = append_message(s, role, content, prefixed ? s->spoken : NULL);
	if (fate == VITA_FATE_GOOD && s->ids->size - s->begin > (size_t)s->maker->max_length) {
		(void)vita_fail(s->err, VITA_E_INVALID, "%s: has more than the %lld tokens of max_length",
				s->origin, (long long)s->maker->max_length);
		return VITA_FATE_TOO_LONG;
	}
	return fate;
}

static vita_fate take_conversation(sample *s, const json_t *line)
{
	const json_t *messages = json_object_get(line, "messages");
	if (!messages) messages = json_object_get(line, "conversations");
	if (!json_is_array(messages) || json_array_size(messages) == 0)
		return broken(s, VITA_FATE_BROKEN, "\"messages\" must be a list of messages");
	if (json_array_size(messages) > MOST_MESSAGES)
		return broken(s, VITA_FATE_BROKEN, "there are more than 4096 messages");
	s->audios = json_object_get(line, "audios");
	if (s->audios && !json_is_array(s->audios) && !json_is_null(s->audios))
		return broken(s, VITA_FATE_BROKEN, "\"audios\" must be a list of paths");
	for (size_t i = 0; i < json_array_size(messages); i++) {
		vita_fate fate = take_message(s, json_array_get(messages, i));
		if (fate != VITA_FATE_GOOD) return fate;
	}
	if (s->n_audio < json_array_size(s->audios))
		return broken(s, VITA_FATE_AUDIO, "there are more \"audios\" than <|audio|> in its messages");
	if (!s->any_answer)
		return broken(s, VITA_FATE_BROKEN, "no message is an assistant's: nothing can be learnt");
	return VITA_FATE_GOOD;
}

vita_fate vita_sample_make(vita_sample_maker *maker, const char *line, size_t size, const char *directory,
			   const char *origin, vita_ids *ids, vita_ids *labels, vita_error *err)
{
	sample s = {.maker = maker,
		    .directory = directory,
		    .origin = origin,
		    .ids = ids,
		    .labels = labels,
		    .begin = ids->size,
		    .err = err};
	json_t *json = NULL;
	vita_fate fate = VITA_FATE_BROKEN;
	vita_status status = vita_json_parse(line, size, origin, &json, err);
	if (status == VITA_E_NOMEM)
		fate = VITA_FATE_FAILED;
	else if (status == VITA_OK)
		fate = take_conversation(&s, json);
	json_decref(json);
	free(s.spoken);
	if (fate != VITA_FATE_GOOD) ids->size = labels->size = s.begin;
	return fate;
}
