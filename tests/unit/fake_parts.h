/* SPDX-License-Identifier: MIT
 *
 * An engine of fakes, in this process: an LLM whose scores are a hash of everything before them (or a
 * script), heads that check how they are called, an encoder and a codec that count. What they saw lies in
 * the fake.
 */
#ifndef FAKE_PARTS_H
#define FAKE_PARTS_H

#include "engine/conversation.h"

#define FAKE_VOCAB 280u
#define FAKE_WIDTH 4u
#define FAKE_MOST 4096u

/* Ids of the fake tokenizer: the 256 bytes, "he", and then: */
#define FAKE_END_OF_TEXT 257
#define FAKE_IM_START 258
#define FAKE_IM_END 259
#define FAKE_BEGIN 260
#define FAKE_END 261
#define FAKE_CONTEXT 262
#define FAKE_AUDIO 263
#define FAKE_N_AUDIO 8
#define FAKE_SIZE 271 /* the model has a few rows more */

typedef struct fake {
	vita_engine engine;
	/* What to do; changed by tests after fake_open. */
	uint32_t n_heads;
	uint32_t agreement;          /* percent of proposals that are the LLM's choice */
	uint32_t silence;            /* where heads give tokens: percent of the places at which they give none */
	uint64_t salt;               /* of the scores */
	const int32_t *script;       /* the answer, instead of hashes, behind script_start tokens */
	uint32_t n_script, script_start;
	int fail_forward;            /* forward fails with E_DEVICE after this many more; -1: never */
	int fail_propose;            /* likewise */
	uint64_t codec_overrun;      /* samples too many that pull claims */
	int codec_endless;           /* pull always has more */
	int32_t bad_token;           /* the heads' token where they give tokens; 0: none */
	/* What was seen. */
	uint32_t n_logit_rows;
	char trace[FAKE_MOST];       /* "M5 " a pass over 5 tokens, "0 " head 0, "P " heads' prefill */
	uint32_t chunk[64], n_chunks;/* tokens of each push of the codec */
	int32_t codes[256];          /* all that the codec was given */
	uint32_t n_codes;
	int codec_ended;
	uint64_t pushed[64];         /* samples of each push of the encoder; the last stands for all further ones */
	uint32_t n_pushed;
} fake;

/* With tokenizer = 0 only ids can be continued. */
fake *fake_open(uint32_t n_heads, int tokenizer);
void fake_close(fake *f);
/* Replaces the schedule for every task. */
void fake_schedule(fake *f, const char *text);
void fake_chunks(fake *f, const uint32_t *chunk, uint32_t n);
/* heads.vocabulary = audio */
void fake_audio_heads(fake *f);

/* A tokenizer.json with the tokens above; ids from <|audio_3|> on are `gap` higher. */
void fake_write_tokenizer(const char *path, int gap);

/* The tokens that the LLM's state holds, and for each whether a row stood in for it (its first value, else
 * 0). */
const int32_t *fake_fed(const vita_conversation *c, uint32_t *n, const float **rows);
/* The id with the highest score after these tokens. */
int32_t fake_next(const fake *f, const int32_t *tokens, uint32_t n);

/* ---- a turn that is remembered ---- */

typedef struct heard {
	fake *f;
	int32_t ids[FAKE_MOST];
	uint32_t sources[FAKE_MOST];
	uint32_t n;
	char text[FAKE_MOST];
	float pcm[FAKE_MOST];
	uint64_t n_pcm, n_pcm_at_token[FAKE_MOST];
	uint32_t n_with_logits;
	uint64_t progress;
	const float *reference;       /* [tokens, vocab_size] expected scores, or NULL */
	double worst;                 /* largest difference from them */
	uint32_t n_vocab;
	uint32_t cancel_at, fail_at;  /* token of the answer, counted from 1, at which to; 0: never */
	uint32_t unscored;            /* of the turn: no logits are wanted */
	uint32_t recorded;            /* of the turn: the question lies there whole */
	vita_cancel *cancel;
	vita_turn_result result;
	vita_error err;
} heard;

vita_turn_events heard_events(heard *h);
vita_status hear_ids(vita_conversation *c, heard *h, const int32_t *ids, uint64_t n, int64_t max_tokens);
vita_status hear_text(vita_conversation *c, heard *h, uint32_t task, const char *text, int64_t max_tokens);
/* A recording of so many samples at the fake encoder's 100 Hz. */
vita_status hear_speech(vita_conversation *c, heard *h, uint32_t task, uint64_t n_samples,
                        int64_t max_tokens);

#endif
