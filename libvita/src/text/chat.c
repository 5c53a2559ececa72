/* SPDX-License-Identifier: MIT
 *
 * Rendering of conversations.
 */
#include "text/chat.h"

vita_segment vita_segment_plain(const char *text)
{
	return (vita_segment){.text = text, .size = strlen(text)};
}

vita_segment vita_segment_markup(const char *text)
{
	return (vita_segment){.text = text, .size = strlen(text), .markup = true};
}

vita_segment vita_segment_ids(const int32_t *ids, uint64_t n_ids)
{
	return (vita_segment){.ids = ids, .n_ids = n_ids};
}

vita_status vita_chat_segments(const vita_chat_message *messages, size_t n_messages, uint32_t flags,
			       vita_segment **out, size_t *n_out, vita_error *err)
{
	size_t total = 2, n = 0;
	*out = NULL;
	*n_out = 0;
	for (size_t i = 0; i < n_messages; i++)
		total += messages[i].n_content + 4;
	vita_segment *segments = calloc(total, sizeof *segments);
	if (!segments) return vita_fail(err, VITA_E_NOMEM, "no memory to render %zu messages", n_messages);
	if (flags & VITA_CHAT_CONTINUE) segments[n++] = vita_segment_markup("\n");
	for (size_t i = 0; i < n_messages; i++) {
		bool open = flags & VITA_CHAT_OPEN && i + 1 == n_messages;
		segments[n++] = vita_segment_markup("<|im_start|>");
		segments[n++] = vita_segment_plain(messages[i].role);
		segments[n++] = vita_segment_markup("\n");
		for (size_t k = 0; k < messages[i].n_content; k++)
			segments[n++] = messages[i].content[k];
		if (!open) segments[n++] = vita_segment_markup("<|im_end|>\n");
	}
	if (flags & VITA_CHAT_ANSWER) segments[n++] = vita_segment_markup("<|im_start|>assistant\n");
	*out = segments;
	*n_out = n;
	return VITA_OK;
}

static vita_status render_segment(const vita_tokenizer *tokenizer, const vita_segment *segment,
				  vita_bytes *out, vita_error *err)
{
	bool ok = !segment->text || vita_bytes_append(out, segment->text, (size_t)segment->size);
	for (uint64_t i = 0; ok && !segment->text && i < segment->n_ids; i++) {
		uint64_t size;
		const char *token = vita_tokenizer_bytes(tokenizer, segment->ids[i], &size, NULL);
		if (!token)
			return vita_fail(err, VITA_E_INVALID, "token id %ld has no string",
					 (long)segment->ids[i]);
		ok = vita_bytes_append(out, token, (size_t)size);
	}
	return ok ? VITA_OK : vita_fail(err, VITA_E_NOMEM, "no memory to render a conversation");
}

vita_status vita_chat_render(const vita_tokenizer *tokenizer, const vita_chat_message *messages,
			     size_t n_messages, uint32_t flags, char **text, size_t *size, vita_error *err)
{
	vita_segment *segments;
	size_t n;
	vita_bytes out = {0};
	*text = NULL;
	*size = 0;
	vita_status status = vita_chat_segments(messages, n_messages, flags, &segments, &n, err);
	for (size_t i = 0; status == VITA_OK && i < n; i++)
		status = render_segment(tokenizer, &segments[i], &out, err);
	if (status == VITA_OK && !vita_bytes_append(&out, "", 1))
		status = vita_fail(err, VITA_E_NOMEM, "no memory to render a conversation");
	free(segments);
	if (status < 0) {
		free(out.data);
		return status;
	}
	*text = (char *)out.data;
	*size = out.size - 1;
	return VITA_OK;
}

vita_status vita_chat_encode(const vita_tokenizer *tokenizer, const vita_chat_message *messages,
			     size_t n_messages, uint32_t flags, vita_ids *ids, vita_error *err)
{
	static const char *const markers[] = {"<|im_start|>", "<|im_end|>"};
	vita_segment *segments;
	size_t n;
	for (size_t i = 0; i < 2; i++)
		if (vita_tokenizer_find_added(tokenizer, markers[i], strlen(markers[i])) < 0)
			return vita_fail(err, VITA_E_UNSUPPORTED,
					 "the tokenizer has no token %s, which conversations need",
					 markers[i]);
	vita_status status = vita_chat_segments(messages, n_messages, flags, &segments, &n, err);
	if (status == VITA_OK) status = vita_segments_encode(tokenizer, segments, n, ids, err);
	free(segments);
	return status;
}
