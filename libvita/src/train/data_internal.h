/* SPDX-License-Identifier: MIT
 *
 * What the files of the data side share: lists of lines, conversations as tokens, codes of recordings.
 */
#ifndef VITA_TRAIN_DATA_INTERNAL_H
#define VITA_TRAIN_DATA_INTERNAL_H

#include "engine/engine_internal.h"
#include "text/buffer.h"
#include "train/data.h"

/* ---- interleaving (data_interleave.c) ------------------------------------------------------------- */

/* How an answer's text and sound take turns: pairs of pieces' lengths in tokens, sound with its two
 * markers. The last pair repeats. */
typedef struct vita_interleaving {
	int64_t *pair;
	uint32_t n; /* values: twice the pairs */
} vita_interleaving;

/* A copy of n values, or 1,10,4,10 where ratio is NULL. OK | E_CONFIG (odd; text below 1; sound below 3) |
 * E_NOMEM */
vita_status vita_interleaving_set(vita_interleaving *interleaving, const int64_t *ratio, uint32_t n,
				  vita_error *err);

/* Append n tokens of an answer with at most one span of sound: text, sound, text, sound …  An answer that is
 * text alone, sound alone, or has an empty span stays as it is. False: no memory. */
bool vita_interleave(const vita_interleaving *interleaving, const vita_markers *markers,
		     const int32_t *answer, size_t n, vita_ids *out);

/* ---- recordings (data_codes.c) -------------------------------------------------------------------- */

typedef struct vita_codes_source {
	const vita_encoder_api *api; /* NULL: none */
	vita_encoder *encoder;
	vita_encoder_info info;
	const char *key, *cache;
	const vita_cancel *cancel;
	int64_t n_encoded;
} vita_codes_source;

/* Append a recording's codes, from the cache where it is kept there. More than `most` tokens are E_INVALID.
 * OK | E_NOTFOUND, E_IO, E_FORMAT (the recording) | E_INVALID (too long, or too short for a token) |
 * E_NOMEM | E_CANCELLED | E_DEVICE | E_INTERNAL */
vita_status vita_codes_read(vita_codes_source *source, const char *path, int64_t most, vita_ids *codes,
			    vita_error *err);

/* ---- conversations (data_sample.c) ---------------------------------------------------------------- */

/* What came of a line. */
typedef enum vita_fate {
	VITA_FATE_GOOD,
	VITA_FATE_BROKEN,
	VITA_FATE_MISSING,
	VITA_FATE_AUDIO,
	VITA_FATE_TOO_LONG,
	VITA_FATE_FAILED, /* not the line's fault */
} vita_fate;

typedef struct vita_sample_maker {
	const vita_tokenizer *tokenizer;
	vita_markers markers;
	vita_interleaving interleaving;
	vita_codes_source codes;
	int64_t max_length;
	vita_ids newline;       /* "\n" as tokens */
	vita_ids piece, answer; /* while a message is made */
} vita_sample_maker;

vita_status vita_sample_maker_open(vita_sample_maker *maker, const vita_train_data_options *options,
				   vita_error *err);
void vita_sample_maker_close(vita_sample_maker *maker);

/* Append one line's conversation to ids, and its labels, as long, to labels; where it is not good both are
 * as they were. directory: that its recordings' paths start from. origin names the line in sentences. */
vita_fate vita_sample_make(vita_sample_maker *maker, const char *line, size_t size, const char *directory,
			   const char *origin, vita_ids *ids, vita_ids *labels, vita_error *err);

/* ---- files (data_files.c) ------------------------------------------------------------------------- */

typedef struct vita_data_file {
	char *path, *directory; /* the directory that it lies in, "" for the working one, else with its '/' */
	double ratio;
	int fd;
	uint64_t *start; /* [n_lines + 1] where each line, or object of a list, begins */
	int64_t n_lines;
} vita_data_file;

/* "a.jsonl, b.jsonl:0.5": what each names, opened, and its lines found. */
vita_status vita_data_files_open(const char *list, const char *directory, vita_data_file **out, uint32_t *n,
				 vita_error *err);
void vita_data_files_close(vita_data_file *files, uint32_t n);

/* Line `index` without what separates it from the next; *line grows as it must, *size is what was read.
 * OK | E_IO | E_NOMEM */
vita_status vita_data_file_line(const vita_data_file *file, int64_t index, vita_bytes *line, vita_error *err);

/* A line that is longer than this is not read: no sample that fits any model is. */
#define VITA_LINE_BYTES (UINT64_C(1) << 26)

#endif
