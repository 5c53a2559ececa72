/* SPDX-License-Identifier: MIT
 *
 * What the files of the engine share: the open parts, what a model and a config say about generation, and the
 * ids of the stream format's markers.
 */
#ifndef VITA_ENGINE_INTERNAL_H
#define VITA_ENGINE_INTERNAL_H

#include "engine/sampling.h"
#include "engine/schedule.h"
#include "host/context_internal.h"

#include <vita/engine.h>
#include <vita/greedy.h>

/* Token ids by name in the tokenizer; -1 where it has none. */
typedef struct vita_markers {
	int32_t audio_first, audio_count;   /* <|audio_0|> …, consecutive; -1 and 0 */
	int32_t begin_audio, end_audio, context_audio;
	int32_t message_start, message_end; /* <|im_start|> <|im_end|> */
} vita_markers;

/* Look the markers up. E_FORMAT where the audio tokens' ids are not consecutive. */
vita_status vita_markers_find(vita_markers *markers, const vita_tokenizer *tokenizer, vita_error *err);

/* How answers are made: the INI's [generation] where it says so, else the model's generation_config.json,
 * else greedy without penalty. */
typedef struct vita_generation {
	vita_sampling sampling;
	uint64_t max_tokens, min_tokens, seed;
	int32_t *end_ids;                   /* a token of these ends an answer; may be NULL */
	uint32_t n_end_ids;
	char *system, *prompt;              /* as written with \n and \\ undone; NULL where not given */
} vita_generation;

/* n_vocab: end ids from there on are left out. */
vita_status vita_generation_read(vita_generation *generation, const vita_context *context,
                                 const vita_model *model, uint32_t n_vocab, vita_error *err);
void vita_generation_free(vita_generation *generation);

/* An opened plugin: where it came from and what it computes on. */
typedef struct vita_part {
	const vita_factory *factory;        /* NULL: not open */
	const vita_device *device;
} vita_part;

struct vita_engine {
	vita_context *context;
	const vita_host *host;
	const vita_device *device;          /* for all parts, instead of what the config says; or NULL */
	uint32_t parts;
	vita_model *model;                  /* [llm] model; NULL where no part needs it */
	vita_tokenizer *tokenizer;
	vita_markers markers;

	vita_part encoder_part, llm_part, head_part, codec_part;
	const vita_encoder_api *encoder_api;
	vita_encoder *encoder;
	vita_encoder_info encoder_info;
	const vita_llm_api *llm_api;
	vita_llm *llm;
	vita_llm_info llm_info;
	const vita_head_api *head_api;      /* NULL: no heads */
	vita_head *head;
	vita_head_info head_info;           /* count 0: no heads */
	const vita_greedy_api *greedy;      /* of the LLM, NULL where it cannot */
	const vita_chain_api *chain;        /* of the heads */
	int heads_afar;                     /* their device's memory is not the host's */
	const vita_codec_api *codec_api;
	vita_codec *codec;
	vita_codec_info codec_info;

	vita_generation generation;
	vita_schedule schedule, vanilla;
	int schedule_given;                 /* by the INI, for every task */
	int verify;                         /* heads.verify = exact */
	vita_range all_ids;                 /* rows of the output matrix that a main pass gives */
	vita_range *head_ranges;            /* rows that heads are asked for, rising, apart */
	uint32_t n_head_ranges;
	int head_rows_full;                 /* those are all rows */
	vita_range *chain_ranges;           /* of them what can be chosen at all */
	uint32_t n_chain_ranges;
	int32_t id_limit;                   /* ids from here on are padding rows and never chosen */
	uint32_t *chunk;                    /* tokens of the codec's chunks; the last repeats; 0: all */
	uint32_t n_chunk;
};

/* An engine without parts, for this context. NULL when memory is out. */
vita_engine *vita_engine_create(vita_context *context);

/* [llm] model, once. */
vita_status vita_engine_open_model(vita_engine *engine, vita_error *err);

/* The plugin of [encoder] or [codec]: the one named, or that knows the model named; *out is NULL where the section
 * names neither, or nobody knows its model. */
vita_status vita_engine_known(const vita_engine *engine, const char *section, const vita_factory **out,
                              vita_error *err);

/* Why nobody could know the model of this section: its config.yaml, the only settings it has, cannot be read.
 * OK where that is not so. */
vita_status vita_engine_check_yaml(const vita_engine *engine, const char *section, vita_error *err);

/* With the language model and its heads open: generation, schedule, and the rows that heads are asked for. */
vita_status vita_engine_settle(vita_engine *engine, vita_error *err);

/* Can LLM and heads choose greedily by themselves? */
vita_status vita_greedy_find(vita_engine *engine, vita_error *err);

/* The parts, each from its section of the config; what was opened is closed by vita_engine_close. */
vita_status vita_engine_open_tokenizer(vita_engine *engine, vita_error *err);
vita_status vita_engine_open_llm(vita_engine *engine, vita_error *err);
vita_status vita_engine_open_heads(vita_engine *engine, vita_error *err);
vita_status vita_engine_open_encoder(vita_engine *engine, vita_error *err);
vita_status vita_engine_open_codec(vita_engine *engine, vita_error *err);

#endif
