/* SPDX-License-Identifier: MIT
 *
 * What the model reads before it answers: the chat template around the question. A conversation that goes on
 * only gets what is new.
 */
#include "engine/running.h"
#include "text/chat.h"

#include <stdlib.h>

/* The instructions that the models were trained with. */
static const char asr_instruction[] = "Convert the speech to text.";
static const char tts_instruction[] = "Convert the text to speech.";

static int is_spoken(const vita_running *r)
{
	return r->turn->task == VITA_TASK_SPEECH || r->turn->task == VITA_TASK_ASR;
}

/* ---- does the model know the stream format? ------------------------------------------------------- */

static vita_status lacks(vita_running *r, const char *token)
{
	return vita_fail(r->err, VITA_E_CONFIG,
	                 "%s: its tokenizer has no token %s, which this task needs; token ids can be "
	                 "continued without it",
	                 vita_model_path(r->engine->model), token);
}

static vita_status check_spoken(vita_running *r)
{
	const vita_engine *engine = r->engine;
	const vita_markers *markers = &engine->markers;
	if (!engine->encoder)
		return vita_fail(r->err, VITA_E_STATE,
		                 "a spoken question needs an engine opened with VITA_PART_ENCODER");
	if (!r->turn->source)
		return vita_fail(r->err, VITA_E_INVALID, "a spoken question needs a source of sound");
	if (markers->begin_audio < 0) return lacks(r, "<|begin_of_audio|>");
	if (markers->end_audio < 0) return lacks(r, "<|end_of_audio|>");
	if (engine->encoder_info.output == VITA_ENCODER_FEATURES && markers->context_audio < 0)
		return lacks(r, "<|context_of_audio|>");
	return VITA_OK;
}

static vita_status check_task(vita_running *r)
{
	const vita_markers *markers = &r->engine->markers;
	if (r->turn->task > VITA_TASK_TTS)
		return vita_fail(r->err, VITA_E_INVALID, "there is no task number %u",
		                 (unsigned)r->turn->task);
	if (!r->engine->tokenizer)
		return vita_fail(r->err, VITA_E_STATE,
		                 "this task needs an engine opened with VITA_PART_TOKENIZER");
	if (markers->message_start < 0) return lacks(r, "<|im_start|>");
	if (markers->message_end < 0) return lacks(r, "<|im_end|>");
	if (r->turn->task == VITA_TASK_TTS && markers->audio_count == 0) return lacks(r, "<|audio_0|>");
	if (is_spoken(r)) return check_spoken(r);
	if (!r->turn->text) return vita_fail(r->err, VITA_E_INVALID, "a written question needs a text");
	return VITA_OK;
}

/* ---- the messages --------------------------------------------------------------------------------- */

/* [generation] prompt, or the task's own instruction; "" for none. */
static const char *instruction(const vita_running *r)
{
	if (r->engine->generation.prompt) return r->engine->generation.prompt;
	if (r->turn->task == VITA_TASK_ASR) return asr_instruction;
	return r->turn->task == VITA_TASK_TTS ? tts_instruction : "";
}

static vita_status append_ids(vita_running *r, vita_ids *ids)
{
	return vita_conversation_append(r->conversation, ids->data, ids->size, r->err);
}

/* The newline and the next message's header want the last message closed, however its answer ended. */
static vita_status close_last_message(vita_running *r, uint32_t *flags)
{
	vita_conversation *c = r->conversation;
	if (c->n_tokens == 0) return VITA_OK;
	*flags |= VITA_CHAT_CONTINUE;
	if (c->tokens[c->n_tokens - 1] == r->engine->markers.message_end) return VITA_OK;
	return vita_conversation_append(c, &r->engine->markers.message_end, 1, r->err);
}

/* Everything up to the answer, or for a recording up to its first token. What the config says may hold
 * markup; what the user says may not. */
static vita_status append_messages(vita_running *r)
{
	const vita_generation *generation = &r->engine->generation;
	vita_conversation *c = r->conversation;
	vita_ids ids = { 0 };
	const char *text = instruction(r);
	size_t length = strlen(text), n = 0, n_messages = 0;
	uint32_t flags = is_spoken(r) ? VITA_CHAT_OPEN : VITA_CHAT_ANSWER;
	vita_segment system, content[3];
	vita_chat_message messages[2];
	if (c->n_tokens == 0 && generation->system && *generation->system) {
		system = vita_segment_markup(generation->system);
		messages[n_messages++] = (vita_chat_message){ "system", &system, 1 };
	}
	if (length > 0) content[n++] = vita_segment_markup(text);
	if (length > 0 && text[length - 1] != '\n') content[n++] = vita_segment_plain("\n");
	content[n++] = is_spoken(r) ? vita_segment_ids(&r->engine->markers.begin_audio, 1)
	                            : vita_segment_plain(r->turn->text);
	messages[n_messages++] = (vita_chat_message){ "user", content, n };
	vita_status status = close_last_message(r, &flags);
	if (status == VITA_OK)
		status = vita_chat_encode(r->engine->tokenizer, messages, n_messages, flags, &ids, r->err);
	if (status == VITA_OK) status = append_ids(r, &ids);
	free(ids.data);
	return status;
}

/* What follows the recording. */
static vita_status append_header(vita_running *r)
{
	vita_ids ids = { 0 };
	const vita_segment segments[] = {
		vita_segment_ids(&r->engine->markers.end_audio, 1),
		vita_segment_markup("<|im_end|>\n<|im_start|>assistant\n"),
	};
	vita_status status = vita_segments_encode(r->engine->tokenizer, segments, 2, &ids, r->err);
	if (status == VITA_OK) status = append_ids(r, &ids);
	free(ids.data);
	return status;
}

static vita_status append_given_ids(vita_running *r)
{
	if (r->turn->n_ids > 0 && !r->turn->ids)
		return vita_fail(r->err, VITA_E_INVALID, "ids is NULL, n_ids is not 0");
	if (r->turn->n_ids == 0 && r->conversation->n_tokens == 0)
		return vita_fail(r->err, VITA_E_INVALID,
		                 "there is nothing to continue: give at least one token id");
	return vita_conversation_append(r->conversation, r->turn->ids, r->turn->n_ids, r->err);
}

vita_status vita_prompt_build(vita_running *r)
{
	if (r->turn->task == VITA_TASK_IDS) return append_given_ids(r);
	vita_status status = check_task(r);
	if (status == VITA_OK) status = append_messages(r);
	if (status != VITA_OK || !is_spoken(r)) return status;
	status = vita_question_listen(r);
	return status == VITA_OK ? append_header(r) : status;
}
