/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: a file of training samples, as JSON lines or one JSON list. Whatever it holds, rows are within
 * max_length, and positions and labels belong to their tokens.
 */
#include "fuzz.h"

#include "train/data.h"

#include <stdlib.h>

#define MOST 300

/* Bytes, a merge, and the markers: enough to meet every branch. */
static vita_tokenizer *open_tokenizer(void)
{
	static const char head[] = "{\"model\":{\"type\":\"BPE\",\"vocab\":{";
	static const char tail[] =
		"},\"merges\":[]},\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
		"\"use_regex\":true},\"added_tokens\":["
		"{\"id\":256,\"content\":\"<|im_start|>\",\"special\":true},{\"id\":257,\"content\":\"<|im_"
		"end|>\","
		"\"special\":true},{\"id\":258,\"content\":\"<|begin_of_audio|>\",\"special\":true},"
		"{\"id\":259,\"content\":\"<|end_of_audio|>\",\"special\":true},"
		"{\"id\":260,\"content\":\"<|audio_0|>\",\"special\":false},"
		"{\"id\":261,\"content\":\"<|audio_1|>\",\"special\":false}]}";
	static char text[8192];
	size_t used = (size_t)snprintf(text, sizeof text, "%s", head);
	for (int byte = 0, hidden = 0; byte < 256; byte++) {
		int printable =
			(byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
		used += (size_t)snprintf(text + used, sizeof text - used, "%s\"\\u%04x\":%d", byte ? "," : "",
					 printable ? (unsigned)byte : 0x100u + (unsigned)hidden++, byte);
	}
	used += (size_t)snprintf(text + used, sizeof text - used, "%s", tail);
	vita_tokenizer *tokenizer;
	if (vita_tokenizer_open(fuzz_write("tokenizer.json", (const uint8_t *)text, used), &tokenizer,
				NULL) != VITA_OK)
		abort();
	return tokenizer;
}

static void check_row(const vita_train_batch *batch)
{
	if (batch->n < 1 || batch->n > MOST || batch->position_ids[0] != 0) abort();
	for (int64_t i = 0; i < batch->n; i++) {
		int32_t id = batch->input_ids[i], position = batch->position_ids[i], label = batch->labels[i];
		if (id < 0 || id > 261 || (label != VITA_TRAIN_IGNORE && label != id)) abort();
		if (position != 0 && position != batch->position_ids[i - 1] + 1) abort();
		if (position == 0 && id != 256) abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static vita_tokenizer *tokenizer;
	if (!tokenizer) tokenizer = open_tokenizer();
	vita_train_data_options options = {.files = fuzz_write("samples.jsonl", data, size),
					   .max_length = MOST,
					   .seed = size,
					   .shuffle = true,
					   .once = true,
					   .tokenizer = tokenizer};
	vita_train_data *source;
	vita_train_data_counts counts;
	vita_train_batch batch;
	vita_error err;
	if (vita_train_data_open(&options, &source, &err) != VITA_OK) return 0;
	int64_t n = 0;
	vita_status status;
	while ((status = vita_train_data_next(source, &batch, &err)) == VITA_OK) {
		check_row(&batch);
		n += batch.n;
	}
	vita_train_data_count(source, &counts);
	if (counts.n_tokens != n || counts.n_samples + counts.n_skipped > counts.n_lines) abort();
	if (status == VITA_END && counts.n_samples == 0) abort();
	vita_train_data_close(source);
	return 0;
}
