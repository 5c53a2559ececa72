/* SPDX-License-Identifier: MIT
 *
 * Training data: conversations as tokens and labels, recordings, what is passed over, packing, mixing,
 * checkpoints.
 */
#include "fake_parts.h"
#include "files_support.h"
#include "train/data_internal.h"
#include "unit.h"

#include <vita/audio.h>

#include <jansson.h>

#define N(array) (sizeof(array) / sizeof(array)[0])
#define MASK VITA_TRAIN_IGNORE

/* ---- an encoder: each 10 samples at 100 Hz are a token, louder ones a larger one -------------------- */

struct vita_encoder_stream {
	int32_t ready[512];
	uint64_t n, taken, n_samples;
	double sum;
	int last;
};

static void describe(const vita_encoder *encoder, vita_encoder_info *info)
{
	(void)encoder;
	info->output = VITA_ENCODER_TOKENS;
	info->sample_rate = 100;
	info->vocab_size = FAKE_N_AUDIO;
	info->rate = 10;
}

static vita_status stream_open(vita_encoder *encoder, vita_encoder_stream **out, vita_error *err)
{
	(void)encoder, (void)err;
	*out = calloc(1, sizeof **out);
	return *out ? VITA_OK : VITA_E_NOMEM;
}

static void stream_close(vita_encoder_stream *stream)
{
	free(stream);
}

static vita_status push(vita_encoder_stream *s, const float *pcm, uint64_t n, int32_t last,
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

static vita_status pull(vita_encoder_stream *s, int32_t *ids, float *rows, uint64_t capacity, uint64_t *n,
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

static int setup(void **state)
{
	vita_error err = {0};
	if (setup_directory(state) != 0) return -1;
	fake_write_tokenizer(in_scratch("tokenizer.json"), 0);
	return vita_tokenizer_open(in_scratch("tokenizer.json"), &tokenizer, &err) == VITA_OK ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	vita_tokenizer_close(tokenizer);
	remove_all(scratch);
	return 0;
}

static void write_text(const char *name, const char *text)
{
	FILE *file = fopen(in_scratch(name), "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* A recording of these codes. */
static void write_recording(const char *name, const int32_t *codes, size_t n)
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

static vita_status next(vita_train_data *data, vita_train_batch *batch)
{
	vita_error err = {0};
	vita_status status = vita_train_data_next(data, batch, &err);
	if (status < 0) fail_msg("%s", err.message);
	return status;
}

/* Tokens as text with A…H for audio tokens 0…7, {} around sound, <> around messages; learnt ones in the
 * second string, '.' for the others. */
static void shown(const vita_train_batch *batch, char *text, char *learnt)
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

static void assert_line(const char *line, const char *text, const char *learnt)
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

/* ---- interleaving --------------------------------------------------------------------------------- */

/* Texts 1, 2, …; sounds 101, 102, …; B and E around sound. */
static void assert_interleaved(const int64_t *ratio, uint32_t n_ratio, int n_text, int n_sound, int n_behind,
			       const char *expected)
{
	const vita_markers markers = {.begin_audio = -1, .end_audio = -2};
	vita_interleaving interleaving;
	vita_ids in = {0}, out = {0};
	char got[1024] = "";
	size_t used = 0;
	assert_int_equal(vita_interleaving_set(&interleaving, ratio, n_ratio, NULL), VITA_OK);
	for (int32_t i = 1; i <= n_text - n_behind; i++)
		assert_true(vita_ids_append(&in, &i, 1));
	if (n_sound >= 0) assert_true(vita_ids_append(&in, &markers.begin_audio, 1));
	for (int32_t i = 101; i <= 100 + n_sound; i++)
		assert_true(vita_ids_append(&in, &i, 1));
	if (n_sound >= 0) assert_true(vita_ids_append(&in, &markers.end_audio, 1));
	for (int32_t i = n_text - n_behind + 1; i <= n_text; i++)
		assert_true(vita_ids_append(&in, &i, 1));
	assert_true(vita_interleave(&interleaving, &markers, in.data, in.size, &out));
	for (size_t i = 0; i < out.size; i++) {
		int32_t id = out.data[i];
		const char *form = id == -1 ? "%sB" : id == -2 ? "%sE" : id > 100 ? "%sA%d" : "%sT%d";
		used += (size_t)snprintf(got + used, sizeof got - used, form, used ? " " : "",
					 (int)(id > 100 ? id - 100 : id));
	}
	assert_string_equal(got, expected);
	free(in.data);
	free(out.data);
	free(interleaving.pair);
}

static void test_interleaving(void **state)
{
	static const int64_t balance[] = {1, 4, 3, 8, 4, 10};
	(void)state;
	/* the worked example of the specification */
	assert_interleaved(NULL, 0, 9, 30, 0,
			   "T1 B A1 A2 A3 A4 A5 A6 A7 A8 E T2 T3 T4 T5 B A9 A10 A11 A12 A13 A14 A15 A16 E "
			   "T6 T7 T8 T9 B A17 A18 A19 A20 A21 A22 A23 A24 A25 A26 A27 A28 A29 A30 E");
	assert_interleaved(
		balance, 6, 10, 20, 0,
		"T1 B A1 A2 E T2 T3 T4 B A3 A4 A5 A6 A7 A8 E T5 T6 T7 T8 B A9 A10 A11 A12 A13 A14 A15 "
		"A16 E T9 T10 B A17 A18 A19 A20 E");
	/* text longer than sound: the last piece of text holds the rest */
	assert_interleaved(NULL, 0, 9, 9, 0, "T1 B A1 A2 A3 A4 A5 A6 A7 A8 E T2 T3 T4 T5 T6 T7 T8 T9 B A9 E");
	assert_interleaved(NULL, 0, 4, 3, 0, "T1 T2 T3 T4 B A1 A2 A3 E");
	/* sound longer than text */
	assert_interleaved(NULL, 0, 1, 10, 0, "T1 B A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 E");
	/* text behind the sound moves in front */
	assert_interleaved(NULL, 0, 2, 9, 1, "T1 B A1 A2 A3 A4 A5 A6 A7 A8 E T2 B A9 E");
	assert_interleaved(NULL, 0, 2, 2, 2, "T1 T2 B A1 A2 E");
	/* nothing to take turns with */
	assert_interleaved(NULL, 0, 3, -1, 0, "T1 T2 T3");
	assert_interleaved(NULL, 0, 0, 12, 0, "B A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 A12 E");
	assert_interleaved(NULL, 0, 2, 0, 0, "T1 T2 B E");
}

static void test_interleaving_is_checked(void **state)
{
	static const int64_t odd[] = {1, 10, 4}, small[] = {1, 2}, none[] = {0, 10};
	vita_interleaving interleaving;
	(void)state;
	assert_int_equal(vita_interleaving_set(&interleaving, odd, 3, NULL), VITA_E_CONFIG);
	assert_int_equal(vita_interleaving_set(&interleaving, small, 2, NULL), VITA_E_CONFIG);
	assert_int_equal(vita_interleaving_set(&interleaving, none, 2, NULL), VITA_E_CONFIG);
}

/* ---- conversations -------------------------------------------------------------------------------- */

static void test_text(void **state)
{
	(void)state;
	assert_line(
		"{\"messages\": [{\"role\": \"system\", \"content\": \"S\"}, {\"role\": \"user\", "
		"\"content\": \"hi\"},"
		"{\"role\": \"assistant\", \"content\": \"yo\"}, {\"role\": \"user\", \"content\": \"?\"},"
		"{\"role\": \"assistant\", \"content\": \"!\"}]}",
		"<system\nS>\n<user\nhi>\n<assistant\nyo>\n<user\n?>\n<assistant\n!>\n",
		"................................yo>\n....................!>\n");
}

static void test_other_names(void **state)
{
	(void)state;
	assert_line("{\"conversations\": [{\"from\": \"human\", \"value\": \"hi\"},"
		    "{\"from\": \"gpt\", \"value\": \"yo\"}], \"images\": []}",
		    "<user\nhi>\n<assistant\nyo>\n", ".....................yo>\n");
}

static void test_asr(void **state)
{
	static const int32_t codes[] = {1, 2, 3};
	(void)state;
	write_recording("speech.wav", codes, 3);
	assert_line("{\"messages\": [{\"role\": \"user\", \"content\": \"Convert the speech to "
		    "text.\\n<|audio|>\"},"
		    "{\"role\": \"assistant\", \"content\": \"yo\"}], \"audios\": [\"speech.wav\"]}",
		    "<user\nConvert t~ speech to text.\n{BCD}>\n<assistant\nyo>\n",
		    "...................................................yo>\n");
}

/* The text to speak goes before the sound, and both take turns. */
static void test_tts(void **state)
{
	static const int32_t codes[] = {0, 1, 2, 3, 4, 5, 6, 7, 0, 1};
	(void)state;
	write_recording("speech.wav", codes, 10);
	assert_line(
		"{\"messages\": [{\"role\": \"user\", \"content\": \"Convert the text to speech.\\n yo! \"},"
		"{\"role\": \"assistant\", \"content\": \"<|audio|>\"}], \"audios\": [\"speech.wav\"]}",
		"<user\nConvert t~ text to speech.\n yo! >\n<assistant\ny{ABCDEFGH}o!{AB}>\n",
		"...................................................y{ABCDEFGH}o!{AB}>\n");
}

static void test_speech_question(void **state)
{
	static const int32_t question[] = {7, 6}, answer[] = {0, 1, 2, 3, 4, 5, 6, 7, 0, 1};
	(void)state;
	write_recording("q.wav", question, 2);
	write_recording("a.wav", answer, 10);
	assert_line("{\"messages\": [{\"role\": \"user\", \"content\": \"<|audio|>\"},"
		    "{\"role\": \"assistant\", \"content\": \"yo\\n<|audio|>\"}], \"audios\": [\"q.wav\", "
		    "\"a.wav\"]}",
		    "<user\n{HG}>\n<assistant\ny{ABCDEFGH}o\n{AB}>\n",
		    ".......................y{ABCDEFGH}o\n{AB}>\n");
}

/* A voice prompt's sound is no answer's. */
static void test_voice_prompt(void **state)
{
	static const int32_t codes[] = {1, 1};
	(void)state;
	write_recording("p.wav", codes, 2);
	assert_line(
		"{\"messages\": [{\"role\": \"system\", \"content\": \"V:<|audio|>\"},"
		"{\"role\": \"user\", \"content\": \"Convert the text to speech.\\na\"},"
		"{\"role\": \"assistant\", \"content\": \"<|audio|>\"}], \"audios\": [\"p.wav\", \"p.wav\"]}",
		"<system\nV:{BB}>\n<user\nConvert t~ text to speech.\na>\n<assistant\na{BB}>\n",
		"...............................................................a{BB}>\n");
}

/* Word by word, as somebody wrote it: neither taken apart nor put behind the text. */
static void test_written_tokens(void **state)
{
	(void)state;
	assert_line(
		"{\"messages\": [{\"role\": \"user\", \"content\": \"Convert the text to speech.\\na b\"},"
		"{\"role\": \"assistant\", \"content\": \"a<|begin_of_audio|><|audio_1|><|end_of_audio|>"
		" b<|begin_of_audio|><|audio_2|><|audio_3|><|end_of_audio|>\"}]}",
		"<user\nConvert t~ text to speech.\na b>\n<assistant\na{B} b{CD}>\n",
		".................................................a{B} b{CD}>\n");
}

/* ---- what is passed over -------------------------------------------------------------------------- */

#define GOOD                                                                                                 \
	"{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", \"content\": "  \
	"\"b\"}]}\n"
#define ASKED(content, audios)                                                                               \
	"{\"messages\": [{\"role\": \"user\", \"content\": \"" content                                       \
	"\"}, {\"role\": \"assistant\", \"content\": \"b\"}], \"audios\": " audios "}\n"

static void test_skipped(void **state)
{
	static const int32_t codes[] = {1, 2};
	vita_train_batch batch;
	vita_train_data_counts counts;
	(void)state;
	write_recording("a.wav", codes, 2);
	write_text("empty.wav", "");
	write_text(
		"bad.jsonl",
		"{\"messages\": \n" GOOD
		"\n" ASKED("<|audio|>", "[\"none.wav\"]") ASKED("<|audio|>", "[\"empty.wav\"]") ASKED(
			"<|audio|><|audio|>",
			"[\"a.wav\", \"a.wav\"]") ASKED("<|audio|>",
							"[]") ASKED("x", "[\"a.wav\"]") ASKED("<|audio|>",
											      "[3]")
			ASKED("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "[]") ASKED(
				"<|audio_8|>",
				"[]") "[]\n{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}\n"
				      "{\"messages\": [{\"role\": \"nobody\", \"content\": \"a\"}]}\n" GOOD);
	vita_train_data_options options = plain_options("bad.jsonl");
	options.max_length = 60;
	vita_train_data *data = open_data(&options);
	assert_int_equal(next(data, &batch), VITA_OK);
	assert_int_equal(batch.n, 2 * 23);
	assert_int_equal(next(data, &batch), VITA_END);
	vita_train_data_count(data, &counts);
	assert_int_equal(counts.n_samples, 2);
	assert_int_equal(counts.n_broken, 5);
	assert_int_equal(counts.n_missing, 2);
	assert_int_equal(counts.n_audio, 4);
	assert_int_equal(counts.n_too_long, 1);
	assert_int_equal(counts.n_skipped, 12);
	assert_non_null(strstr(vita_train_data_skipped(data, 0), "bad.jsonl:1:"));
	assert_non_null(strstr(vita_train_data_skipped(data, 1), "bad.jsonl:4: "));
	assert_non_null(strstr(vita_train_data_skipped(data, 1), "none.wav"));
	assert_non_null(vita_train_data_skipped(data, 11));
	assert_null(vita_train_data_skipped(data, 12));
	vita_train_data_close(data);

	options.strict = true;
	data = open_data(&options);
	vita_error err = {0};
	assert_int_equal(vita_train_data_next(data, &batch, &err), VITA_E_FORMAT);
	assert_non_null(strstr(err.message, "bad.jsonl:1:"));
	vita_train_data_close(data);
}

/* A recording that would be too long by itself is given up early. */
static void test_long_recording(void **state)
{
	int32_t codes[80] = {0};
	vita_train_batch batch;
	vita_train_data_counts counts;
	(void)state;
	write_recording("a.wav", codes, N(codes));
	write_text("long.jsonl", ASKED("<|audio|>", "[\"a.wav\"]") GOOD);
	vita_train_data_options options = plain_options("long.jsonl");
	options.max_length = 60;
	vita_train_data *data = open_data(&options);
	assert_int_equal(next(data, &batch), VITA_OK);
	assert_int_equal(next(data, &batch), VITA_END);
	vita_train_data_count(data, &counts);
	assert_int_equal(counts.n_too_long, 1);
	vita_train_data_close(data);
}

static void test_nothing_usable(void **state)
{
	vita_train_batch batch;
	vita_train_data *data;
	vita_error err = {0};
	(void)state;
	write_text("none.jsonl", "{}\nnonsense\n");
	write_text("empty.jsonl", "");
	vita_train_data_options options = plain_options("none.jsonl");
	for (int once = 0; once < 2; once++) {
		options.once = once;
		data = open_data(&options);
		assert_int_equal(vita_train_data_next(data, &batch, &err), VITA_E_FORMAT);
		assert_non_null(strstr(err.message, "none.jsonl:1"));
		vita_train_data_close(data);
	}
	static const struct {
		const char *files;
		vita_status status;
	} wrong[] = {{"empty.jsonl", VITA_E_FORMAT},    {"", VITA_E_CONFIG},
		     {"none.jsonl:0", VITA_E_FORMAT},   {"none.jsonl:-1", VITA_E_CONFIG},
		     {"none.jsonl:nan", VITA_E_CONFIG}, {"none.jsonl:1e9", VITA_E_CONFIG},
		     {"gone.jsonl", VITA_E_NOTFOUND},   {".", VITA_E_FORMAT}};
	for (size_t i = 0; i < N(wrong); i++) {
		options.files = wrong[i].files;
		assert_int_equal(vita_train_data_open(&options, &data, &err), wrong[i].status);
		assert_null(data);
	}
}

/* ---- files, packing, order ------------------------------------------------------------------------ */

static void write_numbered(const char *name, int first, int n)
{
	FILE *file = fopen(in_scratch(name), "w");
	assert_non_null(file);
	for (int i = first; i < first + n; i++)
		(void)fprintf(file,
			      "{\"messages\": [{\"role\": \"user\", \"content\": \"%d\"}, "
			      "{\"role\": \"assistant\", \"content\": \"%c\"}]}\r\n",
			      i, 'a' + i % 26);
	assert_int_equal(fclose(file), 0);
}

/* The numbers of a row's samples. */
static int numbers(const vita_train_batch *batch, int *out, int most)
{
	int n = 0;
	for (int64_t i = 0; i < batch->n; i++) {
		if (batch->position_ids[i] != 0) {
			assert_int_equal(batch->position_ids[i], batch->position_ids[i - 1] + 1);
			continue;
		}
		assert_int_equal(batch->input_ids[i], FAKE_IM_START);
		char text[16] = "";
		for (int k = 0; batch->input_ids[i + 6 + k] < 256; k++)
			text[k] = (char)batch->input_ids[i + 6 + k];
		assert_true(n < most);
		out[n++] = atoi(text);
	}
	return n;
}

static void test_forms_of_files(void **state)
{
	static const char *const forms[] = {"[" GOOD ",\n" GOOD "]", " [ " GOOD "," GOOD " ]\n\n", GOOD GOOD,
					    "\n\n" GOOD "\r\n" GOOD, GOOD "\n" GOOD "   "};
	(void)state;
	for (size_t i = 0; i < N(forms); i++) {
		vita_train_batch batch;
		vita_train_data_counts counts;
		write_text("form.jsonl", forms[i]);
		vita_train_data_options options = plain_options(" form.jsonl ,");
		options.strict = true;
		vita_train_data *data = open_data(&options);
		assert_int_equal(next(data, &batch), VITA_OK);
		assert_int_equal(next(data, &batch), VITA_END);
		vita_train_data_count(data, &counts);
		assert_int_equal(counts.n_samples, 2);
		vita_train_data_close(data);
	}
}

static void test_packing(void **state)
{
	vita_train_batch batch;
	int got[16];
	(void)state;
	write_numbered("a.jsonl", 0, 5);
	write_numbered("b.jsonl", 5, 2);
	vita_train_data_options options = plain_options("a.jsonl, b.jsonl");
	options.max_length = 2 * 23; /* two samples fit exactly */
	vita_train_data *data = open_data(&options);
	static const int expected[][3] = {{2, 0, 1}, {2, 2, 3}, {1, 4, 0}, {2, 5, 6}};
	for (size_t i = 0; i < N(expected); i++) {
		assert_int_equal(next(data, &batch), VITA_OK);
		assert_int_equal(numbers(&batch, got, 16), expected[i][0]);
		assert_int_equal(batch.n, 23 * expected[i][0]);
		for (int k = 0; k < expected[i][0]; k++)
			assert_int_equal(got[k], expected[i][1 + k]);
	}
	assert_int_equal(next(data, &batch), VITA_END);
	assert_int_equal(next(data, &batch), VITA_END);
	vita_train_data_close(data);
}

/* How often each of 40 lines comes in n rows of one sample each. */
static void tally(const char *files, int n_rows, int *count)
{
	vita_train_batch batch;
	int got[4];
	vita_train_data_options options = plain_options(files);
	options.shuffle = true;
	options.once = false;
	options.max_length = 30;
	vita_train_data *data = open_data(&options);
	memset(count, 0, 40 * sizeof *count);
	for (int i = 0; i < n_rows; i++) {
		assert_int_equal(next(data, &batch), VITA_OK);
		assert_int_equal(numbers(&batch, got, 4), 1);
		count[got[0]]++;
	}
	vita_train_data_close(data);
}

static void test_mixing(void **state)
{
	int count[40], a = 0, b = 0;
	(void)state;
	write_numbered("a.jsonl", 0, 20);
	write_numbered("b.jsonl", 20, 20);
	/* 10 + 40 lines an epoch; one row lags behind in each file. */
	tally("a.jsonl:0.5,b.jsonl:2", 500, count);
	for (int i = 0; i < 20; i++) {
		a += count[i];
		b += count[20 + i];
		assert_in_range(count[i], 4, 6); /* ten epochs of half */
		assert_in_range(count[20 + i], 19, 21);
	}
	assert_int_equal(a + b, 500);
	assert_in_range(a, 98, 102);
	/* A tenth is another tenth each epoch: ten of them are all. */
	tally("a.jsonl:0.1", 20, count);
	for (int i = 0; i < 20; i++)
		assert_in_range(count[i], 0, 2);
	tally("a.jsonl:0.1,b.jsonl:0", 19, count);
	for (int i = 20; i < 40; i++)
		assert_int_equal(count[i], 0);
}

static void test_shuffled_by_seed(void **state)
{
	int got[3][20], in_order = 0;
	vita_train_batch batch;
	(void)state;
	write_numbered("a.jsonl", 0, 20);
	for (int run = 0; run < 3; run++) {
		vita_train_data_options options = plain_options("a.jsonl");
		options.shuffle = true;
		options.seed = run < 2 ? 3 : 4;
		vita_train_data *data = open_data(&options);
		assert_int_equal(next(data, &batch), VITA_OK);
		assert_int_equal(numbers(&batch, got[run], 20), 20);
		vita_train_data_close(data);
	}
	assert_memory_equal(got[0], got[1], sizeof got[0]);
	assert_memory_not_equal(got[0], got[2], sizeof got[0]);
	for (int i = 0; i < 20; i++)
		in_order += got[0][i] == i;
	assert_true(in_order < 8);
}

/* ---- checkpoints ---------------------------------------------------------------------------------- */

static void test_checkpoint(void **state)
{
	vita_error err = {0};
	(void)state;
	write_numbered("a.jsonl", 0, 23);
	write_numbered("b.jsonl", 23, 11);
	for (int rows = 0; rows < 40; rows += 3) {
		vita_train_batch one, other;
		vita_train_data_counts c1, c2;
		vita_train_data_options options = plain_options("a.jsonl, b.jsonl:0.7");
		options.shuffle = true;
		options.once = false;
		options.max_length = 100;
		vita_train_data *data = open_data(&options), *again = open_data(&options);
		for (int i = 0; i < rows; i++)
			assert_int_equal(next(data, &one), VITA_OK);
		json_t *saved = vita_train_data_save_state(data);
		char *text = json_dumps(saved, 0);
		json_t *loaded = json_loads(text, 0, NULL);
		assert_int_equal(vita_train_data_load_state(again, loaded, &err), VITA_OK);
		for (int i = 0; i < 20; i++) {
			assert_int_equal(next(data, &one), VITA_OK);
			assert_int_equal(next(again, &other), VITA_OK);
			assert_int_equal(one.n, other.n);
			assert_memory_equal(one.input_ids, other.input_ids, (size_t)one.n * 4);
			assert_memory_equal(one.labels, other.labels, (size_t)one.n * 4);
		}
		vita_train_data_count(data, &c1);
		vita_train_data_count(again, &c2);
		assert_memory_equal(&c1, &c2, sizeof c1);
		json_decref(saved);
		json_decref(loaded);
		free(text);
		vita_train_data_close(data);
		vita_train_data_close(again);
	}
}

/* A line that cannot be used is counted once, however many epochs there are and whoever goes on. */
static void test_skipped_once(void **state)
{
	vita_train_batch batch;
	vita_train_data_counts counts;
	vita_error err = {0};
	(void)state;
	write_text("bad.jsonl", GOOD "{}\n" GOOD "[1]\n");
	vita_train_data_options options = plain_options("bad.jsonl");
	options.once = false;
	options.max_length = 30;
	vita_train_data *data = open_data(&options), *again = open_data(&options);
	for (int i = 0; i < 9; i++)
		assert_int_equal(next(data, &batch), VITA_OK);
	json_t *saved = vita_train_data_save_state(data);
	assert_int_equal(vita_train_data_load_state(again, saved, &err), VITA_OK);
	for (int i = 0; i < 9; i++)
		assert_int_equal(next(again, &batch), VITA_OK);
	vita_train_data_count(data, &counts);
	assert_int_equal(counts.n_skipped, 2);
	assert_null(vita_train_data_skipped(data, 2));
	vita_train_data_count(again, &counts);
	assert_int_equal(counts.n_skipped, 2);
	json_decref(saved);
	vita_train_data_close(data);
	vita_train_data_close(again);
}

static void test_foreign_checkpoint(void **state)
{
	vita_error err = {0};
	(void)state;
	write_numbered("a.jsonl", 0, 9);
	vita_train_data_options options = plain_options("a.jsonl");
	options.once = false;
	vita_train_data *data = open_data(&options);
	json_t *good = vita_train_data_save_state(data);
	vita_train_data_close(data);

	options.seed++;
	data = open_data(&options);
	assert_int_equal(vita_train_data_load_state(data, good, &err), VITA_E_FORMAT);
	vita_train_data_close(data);
	options.seed--;

	static const char *const changes[] = {
		"{\"cursor\": 10}",       "{\"cursor\": -1}",     "{\"epoch\": \"x\"}",
		"{\"pending\": []}",      "{\"pending\": [[9]]}", "{\"pending\": [[-1]]}",
		"{\"pending\": [[0.5]]}", "{\"bad\": [[9]]}",     "{\"bad\": 0}",
		"{\"tokens\": null}",     "{\"files\": 1}"};
	for (size_t i = 0; i < N(changes); i++) {
		json_t *bad = json_deep_copy(good), *change = json_loads(changes[i], 0, NULL);
		assert_int_equal(json_object_update(bad, change), 0);
		data = open_data(&options);
		assert_int_equal(vita_train_data_load_state(data, bad, &err), VITA_E_FORMAT);
		vita_train_data_close(data);
		json_decref(bad);
		json_decref(change);
	}
	data = open_data(&options);
	assert_int_equal(vita_train_data_load_state(data, NULL, &err), VITA_E_FORMAT);
	assert_int_equal(vita_train_data_load_state(data, good, &err), VITA_OK);
	vita_train_data_close(data);
	json_decref(good);
}

/* ---- codes that are kept -------------------------------------------------------------------------- */

/* Recordings encoded in one pass over "c.jsonl". */
static int64_t encoded(const char *cache, const char *key, char *text)
{
	char learnt[256];
	vita_train_batch batch;
	vita_train_data_counts counts;
	vita_train_data_options options = plain_options("c.jsonl");
	options.cache = cache;
	options.encoder_key = key;
	vita_train_data *data = open_data(&options);
	assert_int_equal(next(data, &batch), VITA_OK);
	shown(&batch, text, learnt);
	vita_train_data_count(data, &counts);
	vita_train_data_close(data);
	return counts.n_encoded;
}

static const char *only_file(const char *directory)
{
	static char path[1024];
	int n = 0;
	DIR *list = opendir(directory);
	assert_non_null(list);
	for (struct dirent *entry; (entry = readdir(list));)
		if (entry->d_name[0] != '.')
			n++, snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
	(void)closedir(list);
	assert_int_equal(n, 1);
	return path;
}

static void test_cache(void **state)
{
	static const int32_t codes[] = {1, 2}, others[] = {3, 4};
	char cache[600], first[256], text[256];
	(void)state;
	(void)snprintf(cache, sizeof cache, "%s/cache", scratch);
	assert_int_equal(mkdir(cache, 0700), 0);
	write_recording("a.wav", codes, 2);
	write_text("c.jsonl", ASKED("<|audio|>", "[\"a.wav\"]"));
	assert_int_equal(encoded(cache, "one", first), 1);
	assert_non_null(strstr(first, "{BC}"));
	assert_int_equal(encoded(cache, "one", text), 0);
	assert_string_equal(text, first);
	assert_int_equal(encoded(NULL, "one", text), 1);

	/* damage in every byte, and every length */
	const char *path = only_file(cache);
	unsigned char whole[64];
	FILE *file = fopen(path, "rb");
	assert_non_null(file);
	size_t n = fread(whole, 1, sizeof whole, file);
	(void)fclose(file);
	assert_int_equal(n, 24 + 8);
	for (size_t i = 0; i < 2 * n; i++) {
		unsigned char changed[64];
		memcpy(changed, whole, n);
		if (i < n) changed[i] ^= 0x41;
		file = fopen(path, "wb");
		assert_int_equal(fwrite(changed, 1, i < n ? n : i - n, file), i < n ? n : i - n);
		(void)fclose(file);
		assert_int_equal(encoded(cache, "one", text), 1);
		assert_string_equal(text, first);
		assert_int_equal(encoded(cache, "one", text), 0);
	}

	/* another encoder, another recording under the same name, a cache that cannot be written */
	assert_int_equal(encoded(cache, "two", text), 1);
	write_recording("a.wav", others, 2);
	assert_int_equal(encoded(cache, "one", text), 1);
	assert_non_null(strstr(text, "{DE}"));
	assert_int_equal(encoded("/nowhere/at/all", "one", text), 1);
	remove_all(cache);
}

/* What names the codes: plugin and settings. */
static char *key_of(const char *mode)
{
	char setting[64], *key = NULL;
	vita_config *config;
	vita_context *context;
	vita_engine *engine = NULL;
	vita_error err = {0};
	(void)snprintf(setting, sizeof setting, "encoder.mode=%s", mode);
	assert_int_equal(vita_config_create(&config, &err), VITA_OK);
	assert_int_equal(vita_config_set(config, "encoder.plugin=codec2", &err), VITA_OK);
	assert_int_equal(vita_config_set(config, setting, &err), VITA_OK);
	if (vita_context_create(config, NULL, NULL, &context, &err) == VITA_OK) {
		if (vita_engine_open(context, VITA_PART_ENCODER, &engine, &err) == VITA_OK)
			assert_int_equal(vita_train_encoder_key(engine, &key, &err), VITA_OK);
		vita_engine_close(engine);
		vita_context_destroy(context);
	}
	vita_config_destroy(config);
	return key;
}

static void test_encoder_key(void **state)
{
	(void)state;
	char *one = key_of("700C"), *same = key_of("700C"), *other = key_of("1300");
	if (!one) skip(); /* built without codec2 */
	assert_string_equal(one, same);
	assert_string_not_equal(one, other);
	assert_non_null(strstr(one, "codec2"));
	free(one);
	free(same);
	free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_interleaving),
		cmocka_unit_test(test_interleaving_is_checked),
		cmocka_unit_test_setup_teardown(test_text, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_asr, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_speech_question, setup, teardown),
		cmocka_unit_test_setup_teardown(test_voice_prompt, setup, teardown),
		cmocka_unit_test_setup_teardown(test_written_tokens, setup, teardown),
		cmocka_unit_test_setup_teardown(test_skipped, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_recording, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing_usable, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forms_of_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_packing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mixing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shuffled_by_seed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_checkpoint, setup, teardown),
		cmocka_unit_test_setup_teardown(test_skipped_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_foreign_checkpoint, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cache, setup, teardown),
		cmocka_unit_test(test_encoder_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
