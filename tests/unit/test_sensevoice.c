/* SPDX-License-Identifier: MIT
 *
 * Encoder sensevoice as a whole, through an engine, against the reference's numbers, on every backend that is built.
 */
#include "sensevoice_support.h"

typedef struct stage {
	vita_config *config;
	vita_context *context;
	vita_engine *engine;
	vita_engine_info info;
	const vita_encoder_api *api;
	vita_encoder *encoder;
} stage;

static vita_status set_up(stage *s, const char *const *settings, vita_error *err)
{
	memset(s, 0, sizeof *s);
	vita_status status = vita_config_create(&s->config, err);
	if (status == VITA_OK) status = vita_config_set(s->config, "encoder.plugin=sensevoice", err);
	for (; status == VITA_OK && *settings; settings++)
		status = vita_config_set(s->config, *settings, err);
	if (status == VITA_OK) status = vita_context_create(s->config, NULL, NULL, &s->context, err);
	if (status == VITA_OK) status = vita_engine_open(s->context, VITA_PART_ENCODER, &s->engine, err);
	if (status != VITA_OK) return status;
	VITA_INIT(&s->info);
	vita_engine_describe(s->engine, &s->info);
	s->api = vita_engine_encoder(s->engine, &s->encoder);
	return status;
}

static void tear_down(stage *s)
{
	vita_engine_close(s->engine);
	vita_context_destroy(s->context);
	vita_config_destroy(s->config);
}

/* "section.key=" and the path of a golden file. */
static const char *setting(char *out, size_t size, const char *key, const char *name)
{
	(void)snprintf(out, size, "%.32s=%.4096s", key, golden_path(name));
	return out;
}

static float *encode(stage *s, const float *pcm, uint64_t n, uint64_t chunk, uint64_t *n_rows)
{
	vita_error err;
	vita_encoder_stream *stream;
	uint64_t width = s->info.encoder_info->width, got;
	float *rows = malloc(1000 * width * sizeof *rows);
	assert_non_null(rows);
	ok(s->api->stream_open(s->encoder, &stream, &err), &err);
	for (uint64_t at = 0; at < n; at += chunk) {
		ok(s->api->pull(stream, NULL, rows, 1000, &got, &err), &err);
		assert_int_equal(got, 0); /* every row waits for the end */
		ok(s->api->push(stream, pcm + at, n - at < chunk ? n - at : chunk, at + chunk >= n, NULL,
				&err),
		   &err);
	}
	*n_rows = 0;
	vita_status status = VITA_OK;
	while (status == VITA_OK) {
		status = s->api->pull(stream, NULL, rows + *n_rows * width, 7, &got, &err);
		*n_rows += got;
		assert_true(*n_rows < 900);
	}
	assert_int_equal(status, VITA_END);
	assert_int_equal(s->api->push(stream, pcm, 1, 0, NULL, &err), VITA_E_STATE);
	s->api->stream_close(stream);
	return rows;
}

/* model_name: what holds the tensors, in the golden folder; "" is that folder itself, with model.pt. */
static void check_golden(const char *model_name, const char *backend, const char *rows_of,
			 const char *tensor_name)
{
	static const char *const names[] = {"speech", "synth"};
	static float pcm[MAX_SAMPLES];
	char model[4200], cmvn[4200], projector[4200], device[64], rows[64], name[64];
	vita_error err;
	vita_model *golden = open_golden("golden.safetensors");
	stage s;
	(void)snprintf(device, sizeof device, "backend.name=%s", backend);
	(void)snprintf(rows, sizeof rows, "encoder.rows=%s", rows_of);
	const char *settings[] = {
		device,
		rows,
		setting(model, sizeof model, "encoder.model", model_name),
		setting(cmvn, sizeof cmvn, "encoder.cmvn", "am.mvn"),
		setting(projector, sizeof projector, "encoder.projector", "projector.safetensors"),
		NULL,
	};
	ok(set_up(&s, settings, &err), &err);
	assert_int_equal(s.info.encoder_info->output, VITA_ENCODER_FEATURES);
	assert_int_equal(s.info.encoder_info->width, 48);
	for (int i = 0; i < 2; i++) {
		uint64_t n_rows, n_again;
		(void)snprintf(name, sizeof name, "%s.wav", names[i]);
		uint64_t n = read_wav(name, pcm);
		(void)snprintf(name, sizeof name, "%s.%s", names[i], tensor_name);
		vita_array expected = tensor(golden, name);
		float *got = encode(&s, pcm, n, n, &n_rows);
		assert_int_equal(n_rows, expected.shape[0]);
		assert_true(worst(got, expected.data, n_rows * 48) < 1e-3f);
		float *again = encode(&s, pcm, n, 777, &n_again);
		assert_int_equal(n_again, n_rows);
		assert_memory_equal(again, got, n_rows * 48 * sizeof *got);
		free(got);
		free(again);
	}
	tear_down(&s);
	vita_model_close(golden);
}

static void test_encoder_golden(void **state)
{
	(void)state;
	static const char *const backends[] = {"reference", "auto"};
	for (int i = 0; i < 2; i++) {
		check_golden("llm", backends[i], "encoder", "out");
		check_golden("llm", backends[i], "projected", "projected");
	}
	check_golden("", "auto", "encoder", "out");
	check_golden("model.pt", "auto", "projected", "projected");
}

/* Whose model is it, where no plugin is named? */
static void test_match(void **state)
{
	(void)state;
	static const char *const models[] = {"llm", "model.pt"};
	for (int i = 0; i < 2; i++) {
		char model[4200], cmvn[4200];
		vita_error err;
		stage s;
		const char *settings[] = {
			"encoder.plugin=", setting(model, sizeof model, "encoder.model", models[i]),
			setting(cmvn, sizeof cmvn, "encoder.cmvn", "am.mvn"), NULL};
		ok(set_up(&s, settings, &err), &err);
		assert_string_equal(s.info.encoder, "sensevoice");
		tear_down(&s);
	}
}

/* bf16 positions move the rows, but not far at these lengths. */
static void test_bf16_positions(void **state)
{
	(void)state;
	static float pcm[MAX_SAMPLES];
	static const char *const modes[] = {"encoder.positions=f32", "encoder.positions=bf16",
					    "encoder.positions=bf16-cpu"};
	char model[4200], cmvn[4200];
	float *rows[3];
	uint64_t n_rows, n = read_wav("speech.wav", pcm);
	vita_error err;
	for (int i = 0; i < 3; i++) {
		stage s;
		const char *settings[] = {setting(model, sizeof model, "encoder.model", "llm"),
					  setting(cmvn, sizeof cmvn, "encoder.cmvn", "am.mvn"), modes[i],
					  NULL};
		ok(set_up(&s, settings, &err), &err);
		rows[i] = encode(&s, pcm, n, n, &n_rows);
		tear_down(&s);
	}
	for (int i = 1; i < 3; i++) {
		double difference = 0, size = 0;
		for (uint64_t k = 0; k < n_rows * 48; k++) {
			difference += pow(rows[i][k] - rows[0][k], 2);
			size += pow(rows[0][k], 2);
		}
		assert_true(difference > 1e-8 * size && difference < 0.01 * size);
	}
	assert_true(worst(rows[1], rows[2], n_rows * 48) > 0);
	for (int i = 0; i < 3; i++)
		free(rows[i]);
}

static void test_bad_sound(void **state)
{
	(void)state;
	static float pcm[MAX_SAMPLES];
	char model[4200], cmvn[4200];
	vita_error err;
	vita_encoder_stream *stream;
	vita_cancel *cancel = vita_cancel_create();
	uint64_t n = read_wav("synth.wav", pcm), got;
	stage s;
	const char *settings[] = {setting(model, sizeof model, "encoder.model", "llm"),
				  setting(cmvn, sizeof cmvn, "encoder.cmvn", "am.mvn"),
				  "encoder.max_seconds=1", NULL};
	ok(set_up(&s, settings, &err), &err);
	/* Not a number. */
	float bad = NAN, row[48];
	ok(s.api->stream_open(s.encoder, &stream, &err), &err);
	assert_int_equal(s.api->push(stream, &bad, 1, 0, NULL, &err), VITA_E_INVALID);
	assert_int_equal(s.api->push(stream, pcm, 1, 0, NULL, &err), VITA_E_STATE);
	assert_int_equal(s.api->pull(stream, NULL, row, 1, &got, &err), VITA_END);
	s.api->stream_close(stream);
	/* So loud that its spectrum would be none, which was heard as silence. */
	bad = 3e38f;
	ok(s.api->stream_open(s.encoder, &stream, &err), &err);
	assert_int_equal(s.api->push(stream, &bad, 1, 0, NULL, &err), VITA_E_INVALID);
	assert_non_null(strstr(err.message, "full scale"));
	s.api->stream_close(stream);
	/* Too long, at once and in pieces. */
	assert_true(n > 16000);
	ok(s.api->stream_open(s.encoder, &stream, &err), &err);
	assert_int_equal(s.api->push(stream, pcm, 16001, 0, NULL, &err), VITA_E_INVALID);
	assert_non_null(strstr(err.message, "max_seconds"));
	s.api->stream_close(stream);
	ok(s.api->stream_open(s.encoder, &stream, &err), &err);
	ok(s.api->push(stream, pcm, 16000, 0, NULL, &err), &err);
	assert_int_equal(s.api->push(stream, pcm, 1, 0, NULL, &err), VITA_E_INVALID);
	s.api->stream_close(stream);
	/* Nothing at all. */
	ok(s.api->stream_open(s.encoder, &stream, &err), &err);
	ok(s.api->push(stream, NULL, 0, 1, NULL, &err), &err);
	assert_int_equal(s.api->pull(stream, NULL, row, 1, &got, &err), VITA_END);
	s.api->stream_close(stream);
	/* Cancelled. */
	vita_cancel_request(cancel);
	ok(s.api->stream_open(s.encoder, &stream, &err), &err);
	assert_int_equal(s.api->push(stream, pcm, 16000, 1, cancel, &err), VITA_E_CANCELLED);
	assert_int_equal(s.api->pull(stream, NULL, row, 1, &got, &err), VITA_END);
	s.api->stream_close(stream);
	vita_cancel_destroy(cancel);
	tear_down(&s);
}

/* What is missing, and where it was looked for. */
static void test_missing_files(void **state)
{
	(void)state;
	char model[4200], cmvn[4200], spliced[4200];
	vita_error err;
	stage s;
	const char *no_model[] = {NULL};
	assert_int_equal(set_up(&s, no_model, &err), VITA_E_CONFIG);
	assert_non_null(strstr(err.message, "[encoder] model"));
	tear_down(&s);
	const char *no_cmvn[] = {setting(model, sizeof model, "encoder.model", "llm"), NULL};
	assert_int_equal(set_up(&s, no_cmvn, &err), VITA_E_NOTFOUND);
	assert_non_null(strstr(err.message, "am.mvn"));
	tear_down(&s);
	(void)snprintf(spliced, sizeof spliced, "encoder.model=%.4000s/tests/golden/llm/spliced",
		       unit_srcdir());
	const char *no_encoder[] = {spliced, setting(cmvn, sizeof cmvn, "encoder.cmvn", "am.mvn"), NULL};
	assert_int_equal(set_up(&s, no_encoder, &err), VITA_E_NOTFOUND);
	assert_non_null(strstr(err.message, "encoder.after_norm.weight"));
	tear_down(&s);
	const char *nothing[] = {spliced, NULL}; /* all in one sentence */
	assert_int_equal(set_up(&s, nothing, &err), VITA_E_NOTFOUND);
	assert_non_null(strstr(err.message, "encoder.after_norm.weight"));
	assert_non_null(strstr(err.message, "projector"));
	assert_non_null(strstr(err.message, "am.mvn"));
	tear_down(&s);
	const char *odd_heads[] = {setting(model, sizeof model, "encoder.model", "llm"),
				   setting(cmvn, sizeof cmvn, "encoder.cmvn", "am.mvn"),
				   "encoder.attention_heads=5", NULL};
	assert_int_equal(set_up(&s, odd_heads, &err), VITA_E_CONFIG);
	assert_non_null(strstr(err.message, "[encoder] attention_heads, or config.yaml's"));
	tear_down(&s);
	/* The language model's checkpoint will do, with am.mvn beside [encoder] model or named. */
	const char *checkpoint[] = {setting(model, sizeof model, "llm.model", "llm"),
				    setting(cmvn, sizeof cmvn, "encoder.cmvn", "am.mvn"), NULL};
	ok(set_up(&s, checkpoint, &err), &err);
	tear_down(&s);
	(void)snprintf(spliced, sizeof spliced, "encoder.model=%.4000s/tests/golden/sensevoice",
		       unit_srcdir());
	const char *beside[] = {model, spliced, NULL};
	ok(set_up(&s, beside, &err), &err);
	tear_down(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_encoder_golden), cmocka_unit_test(test_match),    cmocka_unit_test(test_bf16_positions),
		cmocka_unit_test(test_bad_sound),      cmocka_unit_test(test_missing_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
