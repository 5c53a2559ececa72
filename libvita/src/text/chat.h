/* SPDX-License-Identifier: MIT
 *
 * The chat template of Qwen2 without a default system message, as VITA-Audio uses it:
 *
 *     <|im_start|>ROLE newline CONTENT <|im_end|> newline      for each message, and then
 *     <|im_start|>assistant newline                            where an answer is wanted
 *
 * A message's content is a list of segments: text from strangers, in which markers are just letters;
 * text with markup, in which they are meant; and ids, for audio tokens and markers that never were text.
 * Everything between two markers is encoded as one text, as the models know it: a content that begins
 * with a newline joins the newline before it.
 */
#ifndef VITA_TEXT_CHAT_H
#define VITA_TEXT_CHAT_H

#include "text/tokenizer_private.h"

typedef struct vita_chat_message {
	const char *role; /* "system", "user", "assistant"; never read as markup */
	const vita_segment *content;
	size_t n_content;
} vita_chat_message;

#define VITA_CHAT_ANSWER 1u /* end with the header of an answer */
/* Go on behind an assistant message that ended with <|im_end|>: begin with the newline that follows it. */
#define VITA_CHAT_CONTINUE 2u
#define VITA_CHAT_OPEN 4u /* leave the last message open: no <|im_end|>, more content will follow */

/* A segment of text. */
vita_segment vita_segment_plain(const char *text);
vita_segment vita_segment_markup(const char *text);
vita_segment vita_segment_ids(const int32_t *ids, uint64_t n_ids);

/* Render to segments, which point into messages and stay valid as long as these do. *out is to be
 * freed with free. OK | E_NOMEM */
vita_status vita_chat_segments(const vita_chat_message *messages, size_t n_messages, uint32_t flags,
			       vita_segment **out, size_t *n_out, vita_error *err);

/* Render to text: ids appear as the strings of their tokens. *text is to be freed with free.
 * OK | E_NOMEM | E_INVALID (an id without string) */
vita_status vita_chat_render(const vita_tokenizer *tokenizer, const vita_chat_message *messages,
			     size_t n_messages, uint32_t flags, char **text, size_t *size, vita_error *err);

/* Render and encode; appends to ids. OK | E_NOMEM | E_UNSUPPORTED (the tokenizer lacks <|im_start|> or
 * <|im_end|>) | what vita_segments_encode returns */
vita_status vita_chat_encode(const vita_tokenizer *tokenizer, const vita_chat_message *messages,
			     size_t n_messages, uint32_t flags, vita_ids *ids, vita_error *err);

#endif
