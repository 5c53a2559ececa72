/* SPDX-License-Identifier: MIT
 *
 * The stream format's markers, looked up in the tokenizer by name: ids differ from model to model.
 */
#include "engine/engine_internal.h"

static int32_t audio_id(const vita_tokenizer *tokenizer, int32_t index)
{
	char name[32];
	(void)snprintf(name, sizeof name, "<|audio_%ld|>", (long)index);
	return vita_tokenizer_id(tokenizer, name);
}

vita_status vita_markers_find(vita_markers *markers, const vita_tokenizer *tokenizer, vita_error *err)
{
	markers->begin_audio = vita_tokenizer_id(tokenizer, "<|begin_of_audio|>");
	markers->end_audio = vita_tokenizer_id(tokenizer, "<|end_of_audio|>");
	markers->context_audio = vita_tokenizer_id(tokenizer, "<|context_of_audio|>");
	markers->message_start = vita_tokenizer_id(tokenizer, "<|im_start|>");
	markers->message_end = vita_tokenizer_id(tokenizer, "<|im_end|>");
	markers->audio_first = audio_id(tokenizer, 0);
	markers->audio_count = 0;
	if (markers->audio_first < 0) return VITA_OK;
	int32_t n = 1, id;
	while ((id = audio_id(tokenizer, n)) == markers->audio_first + n) n++;
	if (id >= 0)
		return vita_fail(err, VITA_E_FORMAT,
		                 "the tokenizer gives <|audio_%ld|> the id %ld and <|audio_%ld|> the id %ld; "
		                 "audio tokens must have consecutive ids",
		                 (long)(n - 1), (long)(markers->audio_first + n - 1), (long)n, (long)id);
	markers->audio_count = n;
	return VITA_OK;
}
