/* SPDX-License-Identifier: MIT
 *
 * Training data: from a conversation to tokens and labels, and which conversations are passed over.
 */
#include "train_data_support.h"

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
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
