/* SPDX-License-Identifier: MIT
 *
 * A turn while it runs, and its stages: the prompt and the question, the answer's tokens, and what becomes
 * of them.
 */
#ifndef VITA_ENGINE_RUNNING_H
#define VITA_ENGINE_RUNNING_H

#include "engine/conversation.h"

/* The answer's stream split into text and sound. */
typedef struct vita_speaker {
	vita_text_stream *text;       /* NULL: no text wanted */
	vita_codec_stream *sound;     /* opened by the first audio token */
	int wants_sound;
	int32_t *waiting;             /* audio tokens of the chunk being gathered, as the codec counts them */
	uint32_t n_waiting, capacity;
	uint32_t n_chunks;            /* given to the codec so far */
} vita_speaker;

typedef struct vita_running {
	vita_conversation *conversation;
	const vita_engine *engine;
	const vita_turn *turn;
	vita_turn_events events;
	vita_turn_result result;
	vita_speaker speaker;
	const vita_schedule *schedule;
	vita_schedule own_schedule; /* of this turn, where it brings one */
	uint64_t n_answer, max_tokens;
	int64_t next_head;
	int stopped;
	double started, question_end, encoded; /* milliseconds of the clock */
	vita_error *err;
} vita_running;

double vita_clock_ms(void);

/* E_CANCELLED once the caller asked for it. */
vita_status vita_running_check(vita_running *r);

/* ---- the question: everything up to where the answer starts, appended to the conversation ---- */
vita_status vita_prompt_build(vita_running *r);
/* Take the recording in; its tokens or rows are appended between the markers of audio. */
vita_status vita_question_listen(vita_running *r);

/* ---- the answer ---- */
vita_status vita_answer_run(vita_running *r);
/* One round with heads.verify = exact: draft, check, keep. */
vita_status vita_answer_verify(vita_running *r);
/* Is this one of the tokens that end the answer? */
int vita_answer_ends(const vita_running *r, int32_t id);
/* Choose from a row of the LLM (head = 0) or of the heads, which token number `index` of the answer is.
 * greedy = 1 draws nothing. */
vita_status vita_answer_choose(vita_running *r, const float *logits, int heads, int greedy, uint64_t index,
                               int32_t *id);
/* Ask head number `head` for the token at `position`; *id is -1 where it has none. */
vita_status vita_answer_propose(vita_running *r, uint32_t head, uint32_t position, int greedy, uint64_t index,
                                int32_t *id);
/* A token of the answer is certain: append it, tell it, and speak it. */
vita_status vita_answer_emit(vita_running *r, int32_t id, uint32_t source, const float *logits);

/* ---- what becomes of the tokens ---- */
vita_status vita_speaker_open(vita_running *r);
vita_status vita_speaker_token(vita_running *r, int32_t id);
vita_status vita_speaker_finish(vita_running *r);
void vita_speaker_close(vita_running *r);

#endif
