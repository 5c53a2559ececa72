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
	uint64_t n_given;             /* tokens in them */
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
	uint32_t ahead, n_ahead;    /* of conversation->ahead: handed out, and all */
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
/* A call of head number `head` for the token at `position`; its logits are for the caller to set. */
vita_head_call vita_answer_call(const vita_running *r, uint32_t head, uint32_t position, const vita_range *ranges,
                                uint32_t n_ranges);
/* Ask head number `head` for the token at `position`; *id is -1 where it has none. run: how many heads in a row, from
 * this one on, will be asked. draft = 1: the token is chosen greedily, and shown to nobody. *logits is what it was chosen
 * from, NULL where that stayed on the device. */
vita_status vita_answer_propose(vita_running *r, uint32_t head, uint32_t position, uint32_t run, int draft,
                                uint64_t index, int32_t *id, const float **logits);
/* A token of the answer is certain: append it, tell it, and speak it. */
vita_status vita_answer_emit(vita_running *r, int32_t id, uint32_t source, const float *logits);

/* ---- choosing where the scores lie ---- */
/* Does the next main pass give ids in place of scores? */
int vita_greedy_main(const vita_running *r);
/* Is what a plugin chose an id? */
vita_status vita_greedy_check(const vita_running *r, const vita_part *part, int32_t id);
/* How many heads in a row, from this one on, the answer's next tokens come from, as far as is known now; at least 1. */
uint32_t vita_greedy_run(const vita_running *r, uint32_t head);
/* As vita_answer_propose. E_UNSUPPORTED without a word: ask the heads one by one. */
vita_status vita_greedy_propose(vita_running *r, uint32_t head, uint32_t position, uint32_t run, int draft,
                                uint64_t index, int32_t *id);
/* The answer is over: heads forget what they were asked ahead of it. */
vita_status vita_greedy_finish(vita_running *r);

/* ---- what becomes of the tokens ---- */
vita_status vita_speaker_open(vita_running *r);
vita_status vita_speaker_token(vita_running *r, int32_t id);
/* Audio tokens that the codec waits for; UINT64_MAX where it does not. */
uint64_t vita_speaker_missing(const vita_running *r);
vita_status vita_speaker_finish(vita_running *r);
void vita_speaker_close(vita_running *r);

#endif
