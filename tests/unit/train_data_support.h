/* SPDX-License-Identifier: MIT
 *
 * What tests of training data share: an encoder, a tokenizer, and rows as text.
 */
#ifndef TRAIN_DATA_SUPPORT_H
#define TRAIN_DATA_SUPPORT_H

#include "fake_parts.h"
#include "files_support.h"
#include "train/data_internal.h"
#include "unit.h"

#include <vita/audio.h>

#define N(array) (sizeof(array) / sizeof(array)[0])
#define MASK VITA_TRAIN_IGNORE

/* Lines of data. */
#define GOOD                                                                                                 \
	"{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", \"content\": "  \
	"\"b\"}]}\n"
#define ASKED(content, audios)                                                                               \
	"{\"messages\": [{\"role\": \"user\", \"content\": \"" content                                       \
	"\"}, {\"role\": \"assistant\", \"content\": \"b\"}], \"audios\": " audios "}\n"

/* ---- an encoder: each 10 samples at 100 Hz are a token, louder ones a larger one -------------------- */

struct vita_encoder_stream {
	int32_t ready[512];
	uint64_t n, taken, n_samples;
	double sum;
	int last;
};

VITA_UNUSED static void describe(const vita_encoder *encoder, vita_encoder_info *info)
{
	(void)encoder;
	info->output = VITA_ENCODER_TOKENS;
	info->sample_rate = 100;
	info->vocab_size = FAKE_N_AUDIO;
	info->rate = 10;
}

VITA_UNUSED static vita_status stream_open(vita_encoder *encoder, vita_encoder_stream **out, vita_error *err)
{
	(void)encoder, (void)err;
	*out = calloc(1, sizeof **out);
	return *out ? VITA_OK : VITA_E_NOMEM;
}

VITA_UNUSED static void stream_close(vita_encoder_stream *stream)
{
	free(stream);
}

VITA_UNUSED static vita_status push(vita_encoder_stream *s, const float *pcm, uint64_t n, int32_t last,
			const vita_cancel *cancel, vita_error *err)
{
	(void)cancel, (void)err;
	for (uint64_t i = 0; i < n; i++) {
		s->sum += (double)pcm[i] * FAKE_N_AUDIO;
		if (++s->n_samples % 10 != 0) continue;
		assert_true(s->n < N(s->ready));
		s->ready[s->n++] = (int32_t)(s->sum / 10 + 0.5);
		s->sum = 0;
	}
	s->last = last;
	return VITA_OK;
}

VITA_UNUSED static vita_status pull(vita_encoder_stream *s, int32_t *ids, float *rows, uint64_t capacity, uint64_t *n,
			vita_error *err)
{
	(void)rows, (void)err;
	for (*n = 0; *n < capacity && s->taken < s->n;)
		ids[(*n)++] = s->ready[s->taken++];
	return s->last && s->taken == s->n ? VITA_END : VITA_OK;
}

static const vita_encoder_api encoder = {.struct_size = sizeof encoder,
					 .describe = describe,
					 .stream_open = stream_open,
					 .stream_close = stream_close,
					 .push = push,
					 .pull = pull};

/* ---- fixtures ------------------------------------------------------------------------------------- */

static vita_tokenizer *tokenizer;

VITA_UNUSED static int setup(void **state)
{
	vita_error err = {0};
	if (setup_directory(state) != 0) return -1;
	fake_write_tokenizer(in_scratch("tokenizer.json"), 0);
	return vita_tokenizer_open(in_scratch("tokenizer.json"), &tokenizer, &err) == VITA_OK ? 0 : -1;
}

VITA_UNUSED static int teardown(void **state)
{
	(void)state;
	vita_tokenizer_close(tokenizer);
	remove_all(scratch);
	return 0;
}

VITA_UNUSED static void write_text(const char *name, const char *text)
{
	FILE *file = fopen(in_scratch(name), "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* A recording of these codes. */
VITA_UNUSED static void write_recording(const char *name, const int32_t *codes, size_t n)
{
	vita_audio_writer *out;
	assert_int_equal(vita_audio_create(in_scratch(name), 100, VITA_PCM16, &out, NULL), VITA_OK);
	for (size_t i = 0; i < n; i++)
		for (int k = 0; k < 10; k++) {
			float x = (float)codes[i] / FAKE_N_AUDIO;
			assert_int_equal(vita_audio_write(out, &x, 1, NULL), VITA_OK);
		}
	assert_int_equal(vita_audio_commit(out, NULL), VITA_OK);
}

static vita_train_data_options plain_options(const char *files)
{
	return (vita_train_data_options){.files = files,
					 .directory = scratch,
					 .max_length = 1000,
					 .seed = 7,
					 .once = true,
					 .tokenizer = tokenizer,
					 .encoder_api = &encoder};
}

static vita_train_data *open_data(const vita_train_data_options *options)
{
	vita_train_data *data;
	vita_error err = {0};
	vita_status status = vita_train_data_open(options, &data, &err);
	if (status != VITA_OK) fail_msg("%s", err.message);
	return data;
}

VITA_UNUSED static vita_status next(vita_train_data *data, vita_train_batch *batch)
{
	vita_error err = {0};
	vita_status status = vita_train_data_next(data, batch, &err);
	if (status < 0) fail_msg("%s", err.message);
	return status;
}

/* Tokens as text with A…H for audio tokens 0…7, {} around sound, <> around messages; learnt ones in the
 * second string, '.' for the others. */
VITA_UNUSED static void shown(const vita_train_batch *batch, char *text, char *learnt)
{
	for (int64_t i = 0; i < batch->n; i++) {
		int32_t id = batch->input_ids[i];
		if (id == 256)
			id = '~'; /* "he" */
		else if (id >= FAKE_AUDIO)
			id = 'A' + id - FAKE_AUDIO;
		else if (id == FAKE_IM_START)
			id = '<';
		else if (id == FAKE_IM_END)
			id = '>';
		else if (id == FAKE_BEGIN)
			id = '{';
		else if (id == FAKE_END)
			id = '}';
		else
			assert_true(id < 256);
		text[i] = (char)id;
		learnt[i] = batch->labels[i] == MASK ? '.' : (char)id;
		if (batch->labels[i] != MASK) assert_int_equal(batch->labels[i], batch->input_ids[i]);
	}
	text[batch->n] = learnt[batch->n] = '\0';
}

VITA_UNUSED static void assert_line(const char *line, const char *text, const char *learnt)
{
	vita_train_batch batch;
	char got[1024], got_learnt[1024];
	write_text("one.jsonl", line);
	vita_train_data_options options = plain_options("one.jsonl");
	vita_train_data *data = open_data(&options);
	assert_int_equal(next(data, &batch), VITA_OK);
	shown(&batch, got, got_learnt);
	assert_string_equal(got, text);
	assert_string_equal(got_learnt, learnt);
	for (int64_t i = 0; i < batch.n; i++)
		assert_int_equal(batch.position_ids[i], i);
	assert_int_equal(next(data, &batch), VITA_END);
	vita_train_data_close(data);
}

#endif
