/* SPDX-License-Identifier: MIT
 *
 * Ids to text, at once and as they arrive.
 */
#include "text/tokenizer_private.h"

#include "text/utf8.h"

struct vita_text_stream {
	const vita_tokenizer *tokenizer;
	uint32_t flags;
	uint8_t waiting[4]; /* a character that a token's end has cut */
	size_t n_waiting;
	vita_bytes bytes, text;
};

const char *vita_tokenizer_bytes(const vita_tokenizer *tokenizer, int32_t id, uint64_t *size,
				 int32_t *special)
{
	const vita_vocab *vocab = &tokenizer->bpe.vocab;
	bool present = id >= 0 && (uint32_t)id < vocab->size && vocab->flags[id] & VITA_TOKEN_PRESENT;
	*size = present ? vocab->length[id] : 0;
	if (special) *special = present && vocab->flags[id] & VITA_TOKEN_SPECIAL ? 1 : 0;
	return present ? (const char *)vocab->bytes + vocab->start[id] : NULL;
}

/* Append the bytes of one token. */
static vita_status append_token(const vita_tokenizer *tokenizer, int32_t id, uint32_t flags,
				vita_bytes *bytes, vita_error *err)
{
	uint64_t size;
	int32_t special;
	const char *token = vita_tokenizer_bytes(tokenizer, id, &size, &special);
	if (!token)
		return vita_fail(err, VITA_E_INVALID,
				 "token id %ld has no string in this tokenizer of %lu ids", (long)id,
				 (unsigned long)tokenizer->bpe.vocab.size);
	if (special && flags & VITA_DECODE_SKIP_SPECIAL) return VITA_OK;
	if (vita_bytes_append(bytes, token, (size_t)size)) return VITA_OK;
	return vita_fail(err, VITA_E_NOMEM, "no memory for %zu bytes of text", bytes->size);
}

vita_status vita_tokenizer_decode(const vita_tokenizer *tokenizer, const int32_t *ids, uint64_t n_ids,
				  uint32_t flags, char **text, uint64_t *size, vita_error *err)
{
	vita_bytes bytes = {0}, out = {0};
	vita_status status = VITA_OK;
	*text = NULL;
	*size = 0;
	for (uint64_t i = 0; status == VITA_OK && i < n_ids; i++)
		status = append_token(tokenizer, ids[i], flags, &bytes, err);
	if (status == VITA_OK &&
	    (bytes.size > SIZE_MAX / 3 - 1 || !vita_bytes_reserve(&out, bytes.size * 3 + 1)))
		status = vita_fail(err, VITA_E_NOMEM, "no memory for %zu bytes of text", bytes.size);
	if (status == VITA_OK) {
		out.size = vita_utf8_repair(bytes.data, bytes.size, out.data, NULL);
		out.data[out.size] = '\0';
		char *fitted = realloc(out.data, out.size + 1);
		*text = fitted ? fitted : (char *)out.data;
		*size = out.size;
	}
	free(bytes.data);
	return status;
}

vita_status vita_text_stream_open(const vita_tokenizer *tokenizer, uint32_t flags, vita_text_stream **out,
				  vita_error *err)
{
	*out = calloc(1, sizeof **out);
	if (!*out) return vita_fail(err, VITA_E_NOMEM, "no memory for a text stream");
	(*out)->tokenizer = tokenizer;
	(*out)->flags = flags;
	return VITA_OK;
}

void vita_text_stream_close(vita_text_stream *stream)
{
	if (!stream) return;
	free(stream->bytes.data);
	free(stream->text.data);
	free(stream);
}

/* Turn stream->bytes into stream->text; keep: a cut character at the end waits instead of being bad. */
static vita_status give_text(vita_text_stream *stream, bool keep, const char **text, uint64_t *size,
			     vita_error *err)
{
	vita_bytes *bytes = &stream->bytes, *out = &stream->text;
	size_t rest = 0;
	out->size = 0;
	if (bytes->size > SIZE_MAX / 3 - 1 || !vita_bytes_reserve(out, bytes->size * 3 + 1))
		return vita_fail(err, VITA_E_NOMEM, "no memory for %zu bytes of text", bytes->size);
	out->size = vita_utf8_repair(bytes->data, bytes->size, out->data, keep ? &rest : NULL);
	out->data[out->size] = '\0';
	if (rest) memcpy(stream->waiting, bytes->data + bytes->size - rest, rest);
	stream->n_waiting = rest;
	*text = (const char *)out->data;
	*size = out->size;
	return VITA_OK;
}

vita_status vita_text_stream_push(vita_text_stream *stream, int32_t id, const char **text, uint64_t *size,
				  vita_error *err)
{
	*text = NULL;
	*size = 0;
	stream->bytes.size = 0;
	if (!vita_bytes_append(&stream->bytes, stream->waiting, stream->n_waiting))
		return vita_fail(err, VITA_E_NOMEM, "no memory for a text stream");
	vita_status status = append_token(stream->tokenizer, id, stream->flags, &stream->bytes, err);
	return status < 0 ? status : give_text(stream, true, text, size, err);
}

vita_status vita_text_stream_finish(vita_text_stream *stream, const char **text, uint64_t *size,
				    vita_error *err)
{
	*text = NULL;
	*size = 0;
	stream->bytes.size = 0;
	if (!vita_bytes_append(&stream->bytes, stream->waiting, stream->n_waiting))
		return vita_fail(err, VITA_E_NOMEM, "no memory for a text stream");
	return give_text(stream, false, text, size, err);
}
