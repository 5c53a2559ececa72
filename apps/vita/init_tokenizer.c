/* SPDX-License-Identifier: MIT
 *
 * The tokenizer of a model made by vita init: byte-level BPE in Qwen2's form. Its merges are a few frequent
 * pairs of English, enough to show how they work; a trained model brings its own.
 */
#include "init_tokenizer.h"

#include <stdio.h>
#include <string.h>

/* Qwen2's; the backslashes are those of a C string. */
#define SPLIT_PATTERN                                                                                        \
	"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"   \
	"|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

/* In the byte alphabet, where Ġ is the space. */
static const char *const merges[][2] = {
	{ "t", "h" }, { "th", "e" }, { "i", "n" },   { "a", "n" }, { "e", "r" }, { "o", "n" },
	{ "r", "e" }, { "o", "u" },  { "Ġ", "the" }, { "Ġ", "a" }, { "Ġ", "s" }, { "Ġ", "t" },
	{ "Ġ", "w" }, { "an", "d" }, { "in", "g" },  { "Ġ", "i" },
};
#define N_MERGES ((int32_t)(sizeof merges / sizeof *merges))

/* In the order of their ids. */
static const char *const markers_of_chat[] = { "<|endoftext|>",      "<|im_start|>",     "<|im_end|>",
	                                       "<|begin_of_audio|>", "<|end_of_audio|>", "<|audio|>" };
#define N_MARKERS ((int32_t)(sizeof markers_of_chat / sizeof *markers_of_chat))

/* GPT-2's alphabet: printable bytes stand for themselves, the others for characters from U+0100 on. */
static void byte_symbol(int byte, int *n_hidden, char *symbol)
{
	int printable = (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
	int code = printable ? byte : 0x100 + (*n_hidden)++;
	if (code < 0x80) {
		symbol[0] = (char)code;
		symbol[1] = '\0';
	} else {
		symbol[0] = (char)(0xc0 | code >> 6);
		symbol[1] = (char)(0x80 | (code & 0x3f));
		symbol[2] = '\0';
	}
}

static json_t *make_vocabulary(void)
{
	json_t *vocabulary = json_object();
	char symbol[32];
	int n_hidden = 0;
	for (int byte = 0; byte < 256; byte++) {
		byte_symbol(byte, &n_hidden, symbol);
		(void)json_object_set_new(vocabulary, symbol, json_integer(byte));
	}
	for (int32_t i = 0; i < N_MERGES; i++) {
		(void)snprintf(symbol, sizeof symbol, "%s%s", merges[i][0], merges[i][1]);
		(void)json_object_set_new(vocabulary, symbol, json_integer(256 + i));
	}
	return vocabulary;
}

static json_t *make_merges(void)
{
	json_t *list = json_array();
	for (int32_t i = 0; i < N_MERGES; i++)
		(void)json_array_append_new(list, json_pack("[s, s]", merges[i][0], merges[i][1]));
	return list;
}

static json_t *added_token(int32_t id, const char *content, int special)
{
	return json_pack("{s:i, s:s, s:b, s:b, s:b, s:b, s:b}", "id", (int)id, "content", content,
	                 "single_word", 0, "lstrip", 0, "rstrip", 0, "normalized", 0, "special", special);
}

static json_t *make_added_tokens(int32_t n_audio, int32_t first)
{
	json_t *list = json_array();
	char content[32];
	for (int32_t i = 0; i < N_MARKERS; i++)
		(void)json_array_append_new(list, added_token(first + i, markers_of_chat[i], 1));
	for (int32_t i = 0; i < n_audio; i++) {
		(void)snprintf(content, sizeof content, "<|audio_%d|>", (int)i);
		(void)json_array_append_new(list, added_token(first + N_MARKERS + i, content, 0));
	}
	return list;
}

json_t *init_tokenizer(int32_t n_audio, struct init_markers *markers)
{
	int32_t first = 256 + N_MERGES;
	markers->endoftext = first;
	markers->im_end = first + 2;
	markers->size = first + N_MARKERS + n_audio;
	json_t *split = json_pack("{s:s, s:{s:s}, s:s, s:b}",
		"type", "Split",
		"pattern", "Regex", SPLIT_PATTERN,
		"behavior", "Isolated",
		"invert", 0);
	json_t *bytes = json_pack("{s:s, s:b, s:b, s:b}",
		"type", "ByteLevel",
		"add_prefix_space", 0,
		"trim_offsets", 0,
		"use_regex", 0);
	json_t *model = json_pack("{s:s, s:n, s:n, s:s, s:s, s:b, s:b, s:o, s:o}",
		"type", "BPE",
		"dropout",
		"unk_token",
		"continuing_subword_prefix", "",
		"end_of_word_suffix", "",
		"fuse_unk", 0,
		"byte_fallback", 0,
		"vocab", make_vocabulary(),
		"merges", make_merges());
	return json_pack("{s:s, s:n, s:n, s:o, s:{s:s}, s:{s:s, s:[o, o]}, s:n, s:O, s:o}",
		"version", "1.0",
		"truncation",
		"padding",
		"added_tokens", make_added_tokens(n_audio, first),
		"normalizer", "type", "NFC",
		"pre_tokenizer", "type", "Sequence", "pretokenizers", split, bytes,
		"post_processor",
		"decoder", bytes,
		"model", model);
}
