/* SPDX-License-Identifier: MIT
 *
 * Training data: JSON lines of conversations, as packed rows of tokens.
 *
 * open -> (next | save_state)* -> close, with load_state before the first next where a run goes on.
 *
 * A line is {"messages": [{"role": …, "content": …}, …], "audios": [path, …]}; "conversations" is
 * "messages" too, and a file may be one JSON array of such objects. The n-th <|audio|> in all messages
 * stands for the n-th path, which starts at the file's own directory; it becomes the audio tokens that the
 * encoder makes of the recording. A content that holds audio tokens already, in whatever order with text,
 * is taken as it is written.
 *
 * Labels: what assistants say, their <|im_end|> and the newline after it; all else is VITA_TRAIN_IGNORE.
 *
 * Lines that cannot be used (broken, a recording missing, more than one recording in a message, longer than
 * max_length) are counted by reason, once each, and passed over; with strict the first one is the error of
 * next.
 */
#ifndef VITA_TRAIN_DATA_H
#define VITA_TRAIN_DATA_H

#include "train/batch.h"

#include <vita/encoder.h>
#include <vita/engine.h>
#include <vita/tokenizer.h>

#include <jansson.h>
#include <stdbool.h>

typedef struct vita_train_data vita_train_data;

/* Strings and handles are borrowed until close, but for `files` and `ratio`, which open copies. */
typedef struct vita_train_data_options {
	const char *files; /* as [train] data says: paths, apart by commas, each with an optional :ratio (of
	                         * its lines, how many an epoch: 2 is each twice, 0.1 a tenth; 1 where absent) */
	const char *directory; /* that relative paths start from; NULL or "": the working directory */
	int64_t max_length;    /* tokens of a row, and of a sample at most */
	uint64_t seed;         /* of all shuffling: the same seed gives the same rows */
	bool shuffle;          /* off for held-out data: lines in their order */
	bool once;             /* next says END after one epoch; else epochs follow each other */
	bool strict;
	const int64_t *ratio; /* text and audio tokens a piece, "t1,a1,t2,a2…" (vita-audio's interleaving);
	                         * NULL: 1,10,4,10 */
	uint32_t n_ratio;     /* even */
	const vita_tokenizer *tokenizer;
	const vita_encoder_api *encoder_api; /* NULL: recordings cannot be read, only text and ready tokens */
	vita_encoder *encoder;
	const char *
		encoder_key; /* names encoder and weights, as vita_train_encoder_key does: codes are kept by it */
	const char
		*cache; /* directory, which is there, that keeps recordings' codes; NULL or "": none does */
	const vita_cancel *cancel; /* may be NULL */
} vita_train_data_options;

/* Reads where each line begins, not yet what it says.
 * OK | E_NOTFOUND | E_IO | E_CONFIG (files, ratio) | E_FORMAT (no usable line at all) | E_NOMEM */
vita_status vita_train_data_open(const vita_train_data_options *options, vita_train_data **out,
				 vita_error *err);
void vita_train_data_close(vita_train_data *data); /* NULL is a no-op */

/* What codes of the engine's open encoder depend on besides the recording; *out is to be freed with free.
 * OK | E_STATE (no encoder is open) | E_CONFIG | E_NOMEM */
vita_status vita_train_encoder_key(const vita_engine *engine, char **out, vita_error *err);

/* The next row: samples of one file, as many as fit into max_length, without padding. *batch points into
 * memory that lives until the next call. OK | END (once, and all told) | E_CANCELLED | E_FORMAT (strict; or
 * an epoch without a usable line) | E_IO | E_NOMEM | E_DEVICE */
vita_status vita_train_data_next(vita_train_data *data, vita_train_batch *batch, vita_error *err);

/* Where the next row begins: an object of a few numbers, for a checkpoint. A source opened with the same
 * files, seed, ratio and max_length, and loaded with it, goes on with the very rows that this one would
 * have given. save: NULL on lack of memory, else a new reference. load: OK | E_FORMAT (not ours, or of
 * other files) */
json_t *vita_train_data_save_state(const vita_train_data *data);
vita_status vita_train_data_load_state(vita_train_data *data, const json_t *state, vita_error *err);

/* So far. */
typedef struct vita_train_data_counts {
	int64_t n_lines;   /* of all files, one epoch's choice */
	int64_t epoch;     /* from 0 */
	int64_t n_samples; /* given */
	int64_t n_tokens;  /* given */
	int64_t n_skipped; /* lines, each once, of which: */
	int64_t n_broken;  /* not JSON, not a conversation */
	int64_t n_missing; /* a recording that is not there or cannot be read */
	int64_t n_audio;   /* recordings and <|audio|> do not match, or two in one message */
	int64_t n_too_long;
	int64_t n_encoded; /* recordings that went through the encoder; the others' codes were kept */
} vita_train_data_counts;

void vita_train_data_count(const vita_train_data *data, vita_train_data_counts *out);

/* Line `index` (from 0) of those that were skipped, at most the first 100: "FILE:LINE: why". NULL past the
 * last. Lives until close. */
const char *vita_train_data_skipped(const vita_train_data *data, uint32_t index);

#endif
