/* SPDX-License-Identifier: MIT
 *
 * vita/engine.h - the pipeline that a config describes, and turns of conversation through it.
 *
 * engine_open -> (conversation_open -> turn* -> conversation_close)* -> engine_close.
 *
 * A turn flows one way: recording -> encoder -> prompt -> LLM and heads -> text and audio tokens -> codec
 * -> samples, and every arrow is a stream: the first samples are handed out before the last token is made.
 */
#ifndef VITA_ENGINE_H
#define VITA_ENGINE_H

#include <vita/codec.h>
#include <vita/context.h>
#include <vita/encoder.h>
#include <vita/head.h>
#include <vita/llm.h>
#include <vita/roof.h>
#include <vita/tokenizer.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vita_engine vita_engine;
typedef struct vita_conversation vita_conversation;

/* ---- parts ---------------------------------------------------------------------------------------- */

#define VITA_PART_TOKENIZER 1u
#define VITA_PART_ENCODER 2u
#define VITA_PART_LLM 4u
#define VITA_PART_HEADS 8u   /* none is fine: then every token comes from a main pass */
#define VITA_PART_CODEC 16u

/* Open the named parts of the context's config; a config need not describe the others.
 * OK | E_CONFIG (a key is missing or does not fit, names file and line) | what the parts' open returns
 *                                                                         [any-thread, may-block] */
VITA_EXPORT vita_status vita_engine_open(vita_context *context, uint32_t parts, vita_engine **out,
                                         vita_error *err);
VITA_EXPORT void vita_engine_close(vita_engine *engine);                   /* NULL is a no-op [one-thread] */

/* Strings of parts that are not open are "", and the parts' own descriptions NULL. Everything pointed to
 * lives as long as the engine. */
typedef struct vita_engine_info {
	uint32_t struct_size;
	uint32_t parts;                       /* open ones */
	const char *encoder, *llm, *head, *codec;             /* plugins' names */
	const char *encoder_backend, *llm_backend, *head_backend, *codec_backend;
	int32_t audio_first, audio_count;     /* ids of <|audio_0|> …; -1, 0 where the tokenizer has none */
	const vita_encoder_info *encoder_info;
	const vita_llm_info *llm_info;
	const vita_head_info *head_info;
	const vita_codec_info *codec_info;
	const char *notice;                   /* what the model's makers want every user to be told ("vita_notice"
	                                       * of config.json), one sentence; else "" */
	uint64_t head_rows;                   /* rows of the output matrix that every head step computes: [heads]
	                                       * vocabulary; 0 without heads */
} vita_engine_info;
/* Fills *info as far as its struct_size (VITA_INIT) reaches.                            [any-thread] */
VITA_EXPORT void vita_engine_describe(const vita_engine *engine, vita_engine_info *info);

/* Open parts for direct use, NULL where not open; live as long as the engine.            [any-thread] */
VITA_EXPORT const vita_tokenizer *vita_engine_tokenizer(const vita_engine *engine);
VITA_EXPORT const vita_encoder_api *vita_engine_encoder(const vita_engine *engine, vita_encoder **encoder);
VITA_EXPORT const vita_llm_api *vita_engine_llm(const vita_engine *engine, vita_llm **llm);
VITA_EXPORT const vita_codec_api *vita_engine_codec(const vita_engine *engine, vita_codec **codec);

/* Tokens that the codec gets as chunk number `number`, from 0, of an answer: [codec] chunk, or what its silence means;
 * 0: all that are left. 0 where there is no codec.                                       [any-thread] */
VITA_EXPORT uint32_t vita_engine_chunk(const vita_engine *engine, uint32_t number);

/* What the device of one part (VITA_PART_*) could do at best, measured now; all 0 where its backend cannot
 * tell. E_STATE: the part is not open.                                      [any-thread, may-block] */
VITA_EXPORT vita_status vita_engine_roof(const vita_engine *engine, uint32_t part, vita_roof *out, vita_error *err);

/* ---- a turn --------------------------------------------------------------------------------------- */

/* A task needs LLM; all but IDS need TOKENIZER, SPEECH and ASR need ENCODER. HEADS and CODEC are used
 * where they are open: without a codec audio tokens are counted and not spoken.
 *
 * All but IDS speak the Qwen2 chat template. [generation] system is the first turn's system message (none
 * by default); [generation] prompt stands before the question on a line of its own, in place of what the
 * models were trained with: "Convert the speech to text." (ASR), "Convert the text to speech." (TTS),
 * nothing otherwise. In both \n is a newline, and markup such as <|audio_7|> is meant; in a user's text it
 * never is.
 *
 * [heads] schedule goes for every task. Where it is not given the model's own does (mtp_inference_mode),
 * but for TEXT and ASR, whose answers are left to main passes: heads are made for speech.
 *
 * [generation] goes before the model's generation_config.json. An answer ends with an eos_token_id of that
 * file or of config.json, and in a chat with <|im_end|>; the end token is part of it. */
#define VITA_TASK_IDS 0u    /* continue the given ids; no template */
#define VITA_TASK_TEXT 1u   /* a text question */
#define VITA_TASK_SPEECH 2u /* a spoken question, text and speech answer */
#define VITA_TASK_ASR 3u    /* speech to text */
#define VITA_TASK_TTS 4u    /* text to speech */

#define VITA_STOP_TOKEN 0u  /* an end token */
#define VITA_STOP_LENGTH 1u /* max_tokens, or the context is full */

/* Deliver up to capacity samples of the question at the encoder's rate; END with *n = 0 when it is over. */
typedef vita_status (*vita_pcm_source)(void *user, float *pcm, uint64_t capacity, uint64_t *n,
                                       vita_error *err);

/* What a turn tells as it goes. Any member may be NULL. A status other than OK ends the turn with it.
 * Called on the thread that runs the turn. */
typedef struct vita_turn_events {
	uint32_t struct_size;
	uint32_t reserved;
	void *user;
	/* A token of the answer: source 0 from a main pass, k from head k (1 …).
	 * logits: the f32 scores that it was chosen from, before any penalty: vocab_size values, or NULL
	 * where only a part of the vocabulary was computed, or nobody wants them (vita_turn.unscored). Valid during
	 * the call. */
	vita_status (*token)(void *user, int32_t id, uint32_t source, const float *logits, vita_error *err);
	/* Text that has become certain, whole characters, not NUL-terminated. */
	vita_status (*text)(void *user, const char *text, uint64_t size, vita_error *err);
	/* Samples of the answer, mono, at the codec's rate. */
	vita_status (*audio)(void *user, const float *pcm, uint64_t n, vita_error *err);
	/* Tokens so far, and the most that there will be. */
	vita_status (*progress)(void *user, uint64_t done, uint64_t total, vita_error *err);
} vita_turn_events;

typedef struct vita_turn {
	uint32_t struct_size;
	uint32_t task;                /* VITA_TASK_* */
	const char *text;             /* TEXT, TTS; UTF-8 */
	const int32_t *ids;           /* IDS */
	uint64_t n_ids;
	vita_pcm_source source;       /* SPEECH, ASR */
	void *source_user;
	int64_t max_tokens;           /* -1: as the config says */
	const vita_cancel *cancel;    /* may be NULL */
	const vita_turn_events *events;
	const char *schedule;         /* as [heads] schedule, for this turn; NULL: as the config says */
	/* 1: the question is a recording that lies there whole. An encoder then gets it in pieces of its segments
	 * (vita_encoder_info), so that its tokens are those of the whole. 0: it comes as it is spoken, and waits for
	 * nothing. */
	uint32_t recorded;
	/* 1: the token event wants no logits, so that greedy choices can be made where these lie (vita/greedy.h). */
	uint32_t unscored;
} vita_turn;

typedef struct vita_turn_result {
	uint32_t struct_size;
	uint32_t stop;                /* VITA_STOP_* */
	uint64_t n_prompt;            /* tokens */
	uint64_t n_tokens;            /* of the answer */
	uint64_t n_audio_tokens;
	uint64_t n_question_tokens;   /* encoder's tokens or rows */
	uint64_t n_main;              /* main passes after prefill that gave tokens */
	uint64_t n_proposed;          /* tokens that heads proposed */
	uint64_t n_accepted;          /* of those, kept (all, unless verify = exact) */
	uint64_t n_samples;           /* of the answer's sound */
	double encode_ms;             /* end of question to its last token */
	double prefill_ms;            /* from there to the answer's first token */
	double first_audio_ms;        /* end of question to the first sample; -1 where none came */
	double total_ms;              /* end of question to the end of the answer */
	double question_s, answer_s;  /* lengths of sound */
	/* Start of the turn to the end of the question. Encoder and LLM work while it comes in; so a turn
	 * whose question is a file, which waits for nobody, took listen_ms + total_ms in all. */
	double listen_ms;
	/* Of the question's tokens, those that came out before the encoder knew all that matters to them, and by how
	 * much they are off at most (vita_deviation of vita/encoder.h); 0, 0 where they are those of the whole. */
	uint64_t n_deviating;
	double deviation_db;
	uint64_t max_tokens;          /* that the answer might have: the turn's, or the config's */
} vita_turn_result;

/* A conversation keeps the KV cache from turn to turn.                                  [any-thread] */
VITA_EXPORT vita_status vita_conversation_open(vita_engine *engine, vita_conversation **out, vita_error *err);
VITA_EXPORT void vita_conversation_close(vita_conversation *conversation);
/* Forget all; seed and damage too. */
VITA_EXPORT vita_status vita_conversation_reset(vita_conversation *conversation, vita_error *err);

/* All tokens so far, of prompts and answers; feature rows stand as the ids that heads see in their place. Valid
 * until the conversation's next turn, reset or close.                                     [one-thread] */
VITA_EXPORT const int32_t *vita_conversation_tokens(const vita_conversation *conversation, uint64_t *n);

/* Run one turn. result (may be NULL) is filled as far as the turn came, also after a failure. After a failure
 * or E_CANCELLED the conversation holds the tokens that were told and can go on (barge-in); a question whose
 * answer had not begun is taken back.
 * OK | E_CANCELLED | E_INVALID (an id, a text, a recording too short) | E_NOMEM (the context is full)
 * | E_STATE (a part that the task needs is not open) | E_CONFIG (the tokenizer lacks what the task needs)
 * | what the parts and the events return
 *                                                                          [one-thread, may-block] */
VITA_EXPORT vita_status vita_turn_run(vita_conversation *conversation, const vita_turn *turn,
                                      vita_turn_result *result, vita_error *err);

#ifdef __cplusplus
}
#endif
#endif
