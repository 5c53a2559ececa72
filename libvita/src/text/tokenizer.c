/* SPDX-License-Identifier: MIT
 *
 * Opening a tokenizer file, and questions to an open tokenizer.
 */
#include "text/tokenizer_private.h"

#include "text/tokenizer_gguf.h"
#include "text/tokenizer_parts.h"
#include "text/utf8.h"

static vita_status open_gguf(const vita_map *map, const char *path, vita_tokenizer **out, vita_error *err)
{
	json_t *document = NULL;
	vita_lists lists = {0};
	vita_error reason;
	vita_gguf gguf;
	vita_status status = vita_gguf_open(map, path, &gguf, err);
	if (status != VITA_OK) return status;
	status = vita_gguf_tokenizer_read(&gguf, &document, &lists, &reason);
	if (status == VITA_OK) status = vita_tokenizer_build(document, &lists, NULL, NULL, out, &reason);
	if (status != VITA_OK) (void)vita_fail(err, status, "%s: %s", path, reason.message);
	json_decref(document);
	vita_lists_clear(&lists);
	vita_gguf_close(&gguf);
	return status;
}

static vita_status open_json(const char *path, vita_tokenizer **out, vita_error *err)
{
	json_t *document = NULL, *added = NULL, *config = NULL;
	vita_lists lists = {0};
	vita_error reason;
	vita_status status = vita_tokenizer_read(path, &document, &lists, err);
	if (status == VITA_OK) status = vita_tokenizer_companion(path, "added_tokens.json", &added, err);
	if (status == VITA_OK) status = vita_tokenizer_companion(path, "tokenizer_config.json", &config, err);
	if (status == VITA_OK) {
		status = vita_tokenizer_build(document, &lists, added, config, out, &reason);
		if (status < 0) (void)vita_fail(err, status, "%s: %s", path, reason.message);
	}
	json_decref(document);
	json_decref(added);
	json_decref(config);
	vita_lists_clear(&lists);
	return status;
}

vita_status vita_tokenizer_open(const char *path, vita_tokenizer **out, vita_error *err)
{
	vita_map map;
	*out = NULL;
	vita_status status = vita_map_open(path, &map, err);
	if (status == VITA_E_NOTFOUND) return open_json(path, out, err); /* other files may stand for it */
	if (status != VITA_OK) return status;
	bool is_gguf = vita_is_gguf(map.data, map.size);
	if (is_gguf) status = open_gguf(&map, path, out, err);
	vita_map_close(&map);
	return is_gguf ? status : open_json(path, out, err);
}

void vita_tokenizer_close(vita_tokenizer *tokenizer)
{
	if (!tokenizer) return;
	vita_bpe_clear(&tokenizer->bpe);
	vita_added_clear(&tokenizer->added);
	vita_added_clear(&tokenizer->added_normalized);
	vita_split_clear(&tokenizer->split);
	free(tokenizer);
}

uint32_t vita_tokenizer_size(const vita_tokenizer *tokenizer)
{
	return tokenizer->bpe.vocab.size;
}

int32_t vita_tokenizer_find_added(const vita_tokenizer *tokenizer, const char *content, size_t size)
{
	const uint8_t *bytes = (const uint8_t *)content;
	vita_bytes normalized = {0};
	bool changed = false;
	int32_t id = vita_added_find(&tokenizer->added, bytes, size);
	if (id >= 0 || tokenizer->added_normalized.n_nodes == 0 || !vita_utf8_valid(bytes, size)) return id;
	if (vita_normalize(tokenizer->normal_form, bytes, size, NULL, 0, &normalized, &changed, NULL) ==
	    VITA_OK)
		id = vita_added_find(&tokenizer->added_normalized, changed ? normalized.data : bytes,
				     changed ? normalized.size : size);
	free(normalized.data);
	return id;
}

int32_t vita_tokenizer_id(const vita_tokenizer *tokenizer, const char *token)
{
	size_t size = strlen(token);
	uint8_t small[256], *scratch = size <= sizeof small ? small : malloc(size);
	int32_t id = vita_tokenizer_find_added(tokenizer, token, size);
	if (id < 0 && scratch) id = vita_vocab_find_name(&tokenizer->bpe.vocab, token, size, scratch);
	if (scratch != small) free(scratch);
	return id;
}
