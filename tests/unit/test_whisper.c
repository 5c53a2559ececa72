/* SPDX-License-Identifier: MIT
 *
 * Encoder whisper-vq against the reference implementation: features, every stage, tokens on every backend, in one
 * piece and as they come; and what bad sound and bad models get.
 */
#include "files_support.h"
#include "unit.h"
#include "whisper.h"

#include "host/context_internal.h"

#include <vita/audio.h>
#include <vita/context.h>

#include <math.h>
#include <sys/resource.h>

#define MAX_SAMPLES 1000000
#define MAX_IDS 2000

static float sound[MAX_SAMPLES];

/* ---- golden data ---------------------------------------------------------------------------------------- */

static const char *golden(const char *name)
{
	static char paths[4][1024];
	static unsigned next;
	char *path = paths[next++ % 4];
	(void)snprintf(path, sizeof paths[0], "%s/tests/golden/%s", unit_srcdir(), name);
	return path;
}

static vita_model *open_golden(const char *name)
{
	vita_model *model;
	vita_error err;
	assert_ok(vita_model_open(golden(name), VITA_MODEL_WANT_TENSORS, &model, &err), &err);
	return model;
}

static vita_array array_of(const vita_model *model, const char *name)
{
	vita_array array;
	vita_error err;
	VITA_INIT(&array);
	assert_ok(vita_model_tensor(model, name, 0, NULL, &array, &err), &err);
	return array;
}

static float value(const vita_array *array, int64_t i)
{
	float x;
	memcpy(&x, (const char *)array->data + 4 * i, 4);
	return x;
}

static uint64_t load(const char *name, uint64_t at)
{
	vita_audio_reader *reader;
	uint64_t n = 0;
	assert_int_equal(vita_audio_open(golden(name), 16000, VITA_MIX_FIRST, &reader, NULL), VITA_OK);
	(void)vita_audio_read(reader, sound + at, MAX_SAMPLES - at, &n, NULL);
	vita_audio_close(reader);
	return n;
}

/* ---- opening -------------------------------------------------------------------------------------------- */

static char last_warning[1024];
static int n_warnings;

static void keep_warning(void *user, uint32_t level, const char *topic, const char *text)
{
	(void)user;
	if (level != VITA_LOG_WARNING || strcmp(topic, "whisper-vq") != 0) return;
	n_warnings++;
	(void)snprintf(last_warning, sizeof last_warning, "%s", text);
}

typedef struct opened {
	vita_context *context;
	const vita_host *host;
	const vita_device *device;
	const vita_encoder_api *api;
	vita_encoder *encoder;
} opened;

static opened make_context(const char *model, const char *backend, const char *extra)
{
	char settings[3][1200];
	opened o = {0};
	vita_config *config;
	vita_error err = {0};
	(void)snprintf(settings[0], sizeof settings[0], "encoder.model=%s", model);
	(void)snprintf(settings[1], sizeof settings[1], "backend.name=%s", backend);
	(void)snprintf(settings[2], sizeof settings[2], "encoder.%s", extra ? extra : "loudest=so-far");
	assert_ok(vita_config_create(&config, &err), &err);
	assert_ok(vita_config_set(config, "encoder.plugin=whisper-vq", &err), &err);
	for (int i = 0; i < 3; i++)
		assert_ok(vita_config_set(config, settings[i], &err), &err);
	assert_ok(vita_context_create(config, keep_warning, NULL, &o.context, &err), &err);
	vita_config_destroy(config);
	o.host = vita_context_host(o.context);
	assert_ok(vita_context_device_open(o.context, "encoder", &o.device, &err), &err);
	return o;
}

static vita_status try_open(opened *o, const vita_device *device, vita_error *err)
{
	const vita_factory *factory;
	vita_settings *settings = NULL;
	assert_ok(vita_context_section_factory(o->context, "encoder", &factory, err), err);
	assert_ok(vita_context_settings(o->context, "encoder", factory, &settings, err), err);
	o->api = factory->api;
	vita_status status = o->api->open(o->host, device, settings, &o->encoder, err);
	vita_settings_destroy(settings);
	return status;
}

static opened open_encoder(const char *model, const char *backend, const char *extra)
{
	vita_error err = {0};
	opened o = make_context(model, backend, extra);
	assert_ok(try_open(&o, o.device, &err), &err);
	return o;
}

static void close_all(opened *o)
{
	if (o->api) o->api->close(o->encoder);
	vita_context_device_close(o->context, o->device);
	vita_context_destroy(o->context);
}

static vita_encoder_stream *open_stream(const opened *o)
{
	vita_encoder_stream *stream;
	vita_error err = {0};
	assert_ok(o->api->stream_open(o->encoder, &stream, &err), &err);
	return stream;
}

static uint64_t take(const opened *o, vita_encoder_stream *stream, int32_t *ids)
{
	uint64_t n, total = 0;
	while (o->api->pull(stream, ids + total, NULL, 7, &n, NULL) == VITA_OK && n > 0)
		total += n;
	return total;
}

/* The tokens of n samples that come in chunks. */
static uint64_t encode(const opened *o, const float *pcm, uint64_t n, uint64_t chunk, int32_t *ids)
{
	vita_error err = {0};
	vita_encoder_stream *stream = open_stream(o);
	uint64_t total = 0;
	for (uint64_t at = 0; at < n || at == 0; at += chunk) {
		uint64_t left = n - at, now = left < chunk ? left : chunk;
		assert_ok(o->api->push(stream, pcm + at, now, now == left, NULL, &err), &err);
		total += take(o, stream, ids + total);
	}
	uint64_t more;
	assert_int_equal(o->api->pull(stream, ids, NULL, 1, &more, NULL), VITA_END);
	assert_int_equal(o->api->push(stream, pcm, 1, 0, NULL, &err), VITA_E_STATE);
	o->api->stream_close(stream);
	return total;
}

/* ---- features ------------------------------------------------------------------------------------------- */

static void check_features(const opened *o, const vita_model *data, const char *name, uint64_t n)
{
	const whisper_config c = {
		.rate_hz = 16000, .n_fft = 400, .hop = 160, .n_mels = 128, .pool = 4, .segment = 480000};
	whisper_features f;
	vita_error err;
	char tensor[64];
	float *rows = calloc(3000 * 128, sizeof *rows);
	(void)snprintf(tensor, sizeof tensor, "%s.mel", name);
	vita_array expected = array_of(data, tensor);
	assert_ok(whisper_features_open(&f, o->host, &c, &err), &err);
	for (uint64_t at = 0; at < n; at += 777)
		whisper_features_push(&f, sound + at, n - at < 777 ? n - at : 777);
	whisper_features_end(&f, (int64_t)n, expected.shape[1] * 160);
	assert_int_equal(f.n_rows, expected.shape[1]);
	whisper_features_take(&f, 0, f.n_rows, rows);
	for (int64_t b = 0; b < 128; b++)
		for (int64_t t = 0; t < f.n_rows; t++)
			assert_true(fabsf(rows[t * 128 + b] - value(&expected, b * f.n_rows + t)) < 1e-4f);
	whisper_features_close(&f);
	free(rows);
}

static void test_features(void **state)
{
	vita_model *data = open_golden("tokenizer/features.safetensors");
	opened o = make_context(golden("tokenizer/tiny"), "reference", NULL);
	(void)state;
	check_features(&o, data, "synth", load("audio/synth.wav", 0));
	check_features(&o, data, "speech", load("audio/speech.wav", 0));
	vita_array wave = array_of(data, "short.wave");
	memcpy(sound, wave.data, wave.size_bytes);
	check_features(&o, data, "short", (uint64_t)wave.shape[0]);
	memset(sound, 0, 1600 * sizeof *sound);
	check_features(&o, data, "zeros", 1600);
	vita_model_close(data);
	close_all(&o);
}

static void test_mel_filters(void **state)
{
	const mel_bank_params params = {MEL_SLANEY, MEL_BANK_F_AREA, 128, 400, 16000, 0, 8000};
	vita_model *data = open_golden("tokenizer/features.safetensors");
	vita_array expected = array_of(data, "mel_filters");
	opened o = make_context(golden("tokenizer/tiny"), "reference", NULL);
	mel_bank bank;
	(void)state;
	assert_int_equal(mel_bank_open(&bank, o.host, &params, NULL), VITA_OK);
	for (int64_t b = 0; b < 128; b++)
		for (int64_t k = 0; k <= 200; k++) {
			int64_t i = k - bank.bands[b].first;
			float weight = i >= 0 && i < bank.bands[b].count ? bank.bands[b].weights[i] : 0;
			assert_true(fabsf(weight - value(&expected, k * 128 + b)) < 1e-8f);
		}
	mel_bank_close(&bank);
	vita_model_close(data);
	close_all(&o);
}

/* ---- every stage ---------------------------------------------------------------------------------------- */

/* A device that looks at what each op leaves behind. */
static struct {
	const vita_device *inner;
	const vita_model *data;
	const char *name;
	int64_t pool_after;
	int n_matmul, n_compared;
} watch;

/* Rows of time against a golden tensor, within 1e-4 of its largest value; columns: it lies channels first. */
static void compare(const vita_tensor *t, const char *stage, int columns)
{
	char name[64];
	int64_t rows = t->shape[0], width = t->shape[1];
	float *rows_here = calloc((size_t)(rows * width), sizeof *rows_here), largest = 0;
	(void)snprintf(name, sizeof name, "%s.%s", watch.name, stage);
	vita_array expected = array_of(watch.data, name);
	assert_int_equal(expected.shape[columns ? 1 : 0], rows + (columns ? 1 : 0));
	assert_int_equal(expected.shape[columns ? 0 : 1], width);
	vita_error err;
	assert_ok(watch.inner->api->read(watch.inner->self, t, rows_here, (uint64_t)(rows * width) * 4, &err),
		  &err);
	for (int64_t i = 0; i < rows * width; i++)
		largest = fmaxf(largest, fabsf(value(&expected, i)));
	for (int64_t i = 0; i < rows; i++)
		for (int64_t j = 0; j < width; j++) {
			float x = value(&expected, columns ? j * expected.shape[1] + i : i * width + j);
			assert_true(fabsf(rows_here[i * width + j] - x) < 1e-4f * largest);
		}
	free(rows_here);
	watch.n_compared++;
}

static vita_status watched_submit(vita_backend *self, const vita_op *const *ops, uint32_t n, vita_error *err)
{
	(void)self;
	for (uint32_t i = 0; i < n; i++) {
		vita_status status = watch.inner->api->submit(watch.inner->self, ops + i, 1, err);
		if (status != VITA_OK) return status;
		/* Two products are the convolutions, then there are six a layer; the reference's last row of conv1 is
		 * one that no frame reads. */
		if (ops[i]->code == VITA_OP_MATMUL) {
			int m = ++watch.n_matmul;
			if (m == 1) compare(ops[i]->output[0], "conv1", 1);
			if (m == 8) compare(ops[i]->output[0], "block0", 0);
			if (m == 14 && watch.pool_after != 2) compare(ops[i]->output[0], "block1", 0);
		}
		if (ops[i]->code == VITA_OP_BINARY && watch.n_matmul == 2)
			compare(ops[i]->output[0], "embed_out", 0);
		if (ops[i]->code == VITA_OP_AFFINE && watch.pool_after == 2)
			compare(ops[i]->output[0], "block1", 0);
		if (ops[i]->code == VITA_OP_NEAREST) compare(ops[i]->input[0], "prevq", 0);
	}
	return VITA_OK;
}

static void check_stages(const char *model, int64_t pool_after)
{
	char path[64], data[80];
	static const char *const names[] = {"synth", "speech"};
	(void)snprintf(path, sizeof path, "tokenizer/%s", model);
	(void)snprintf(data, sizeof data, "tokenizer/%s/golden.safetensors", model);
	opened o = make_context(golden(path), "reference", NULL);
	vita_backend_api api = *o.device->api;
	const vita_device watched = {sizeof watched, 0, &api, o.device->self};
	vita_error err = {0};
	api.submit = watched_submit;
	watch.inner = o.device;
	watch.data = open_golden(data);
	watch.pool_after = pool_after;
	assert_ok(try_open(&o, &watched, &err), &err);
	for (int i = 0; i < 2; i++) {
		int32_t ids[MAX_IDS];
		char wav[32];
		(void)snprintf(wav, sizeof wav, "audio/%s.wav", names[i]);
		watch.name = names[i];
		watch.n_matmul = watch.n_compared = 0;
		(void)encode(&o, sound, load(wav, 0), MAX_SAMPLES, ids);
		assert_int_equal(watch.n_compared, 5);
	}
	vita_model_close((vita_model *)(uintptr_t)watch.data);
	close_all(&o);
}

static void test_stages(void **state)
{
	(void)state;
	check_stages("tiny", 4);
	check_stages("tiny-midpool", 2);
}

/* ---- tokens --------------------------------------------------------------------------------------------- */

/* token_ids_all of golden.safetensors. */
static void check_tokens(const char *model, const char *backend, const char *dtype)
{
	char path[64], data[80], name[64];
	static const char *const names[] = {"synth", "speech"};
	(void)snprintf(path, sizeof path, "tokenizer/%s", model);
	(void)snprintf(data, sizeof data, "tokenizer/%s/golden.safetensors", model);
	opened o = open_encoder(golden(path), backend, dtype);
	vita_model *expected = open_golden(data);
	for (int i = 0; i < 2; i++) {
		int32_t ids[MAX_IDS];
		(void)snprintf(name, sizeof name, "audio/%s.wav", names[i]);
		uint64_t n = load(name, 0);
		(void)snprintf(name, sizeof name, "%s.token_ids_all", names[i]);
		vita_array tokens = array_of(expected, name);
		assert_int_equal(encode(&o, sound, n, MAX_SAMPLES, ids), tokens.shape[0]);
		assert_memory_equal(ids, tokens.data, tokens.size_bytes);
	}
	vita_model_close(expected);
	close_all(&o);
}

static int is_there(const char *backend)
{
	char setting[64];
	vita_config *config;
	vita_context *context;
	const vita_device *device;
	vita_error err = {0};
	(void)snprintf(setting, sizeof setting, "backend.name=%s", backend);
	assert_ok(vita_config_create(&config, &err), &err);
	assert_ok(vita_config_set(config, setting, &err), &err);
	assert_ok(vita_context_create(config, NULL, NULL, &context, &err), &err);
	vita_config_destroy(config);
	const int there = vita_context_device_open(context, "encoder", &device, &err) == VITA_OK;
	if (there) vita_context_device_close(context, device);
	else print_message("%s is left out: %s\n", backend, err.message);
	vita_context_destroy(context);
	return there;
}

static void test_tokens(void **state)
{
	static const char *const backends[] = {"reference", "cpu", "opencl", "auto"};
	(void)state;
	for (int i = 0; i < 4; i++) {
		if (!is_there(backends[i])) continue;
		check_tokens("tiny", backends[i], NULL);
		check_tokens("tiny-midpool", backends[i], NULL);
	}
	check_tokens("tiny", "auto", "dtype=f16");
}

/* synth and speech after each other, again and again. */
static uint64_t make_long(uint64_t n)
{
	uint64_t total = load("audio/synth.wav", 0);
	total += load("audio/speech.wav", total);
	for (uint64_t i = total; i < n; i++)
		sound[i] = sound[i - total];
	return n;
}

/* Two segments. In one piece, and waiting for the end of each segment, the reference's tokens; as they come, a few
 * others, and the log says so. */
static void test_long(void **state)
{
	char *json = get_file(golden("tokenizer/tiny/golden.json"), NULL);
	int32_t expected[MAX_IDS], ids[MAX_IDS];
	const uint64_t n = make_long(500800);
	(void)state;
	char *at = strstr(strstr(json, "\"long\""), "\"tokens\"");
	for (int i = 0; i < 392; i++) {
		at = strpbrk(at, "0123456789");
		expected[i] = (int32_t)strtol(at, &at, 10);
	}
	opened o = open_encoder(golden("tokenizer/tiny"), "auto", "loudest=segment");
	assert_int_equal(encode(&o, sound, n, 4096, ids), 392);
	assert_memory_equal(ids, expected, 392 * sizeof *ids);
	close_all(&o);
	o = open_encoder(golden("tokenizer/tiny"), "auto", NULL);
	assert_int_equal(encode(&o, sound, n, n, ids), 392);
	assert_memory_equal(ids, expected, 392 * sizeof *ids);
	n_warnings = 0;
	assert_int_equal(encode(&o, sound, n, 4096, ids), 392);
	assert_int_equal(n_warnings, 1);
	assert_non_null(strstr(last_warning, "louder"));
	close_all(&o);
	free(json);
}

/* Two blocks, the second louder: only the first came out too early, and by as much as its floor was too low. */
static void test_deviation(void **state)
{
	const uint64_t n = make_long(25600);
	(void)state;
	for (uint64_t i = 0; i < n; i++)
		sound[i] *= i < 12800 ? 1e-5f : 1;
	opened o = open_encoder(golden("tokenizer/tiny"), "auto", NULL);
	const vita_deviation_api *api = o.api->get_extension(o.encoder, VITA_DEVIATION_ID);
	assert_non_null(api);
	for (int whole = 0; whole <= 1; whole++) {
		int32_t ids[MAX_IDS];
		vita_deviation deviation;
		vita_encoder_stream *stream = open_stream(&o);
		for (uint64_t at = 0, now = whole ? n : 3200; at < n; at += now)
			assert_int_equal(o.api->push(stream, sound + at, now, at + now == n, NULL, NULL), VITA_OK);
		assert_int_equal(take(&o, stream, ids), n / 1280);
		VITA_INIT(&deviation);
		api->measure(stream, &deviation);
		assert_int_equal(deviation.n_tokens, whole ? 0 : 10);
		assert_int_equal(deviation.most_db > 1, !whole);
		o.api->stream_close(stream);
	}
	close_all(&o);
}

/* ---- as it comes ---------------------------------------------------------------------------------------- */

/* With the loudest sound first, blocks come as soon as they are full, and are those of the whole recording. */
static void check_streaming(const char *model, const char *extra, uint64_t n, uint64_t block)
{
	static const uint64_t chunks[] = {100, 1280, 6400, 99999};
	int32_t whole[MAX_IDS], ids[MAX_IDS];
	char path[64];
	(void)snprintf(path, sizeof path, "tokenizer/%s", model);
	opened o = open_encoder(golden(path), "auto", extra);
	n_warnings = 0;
	uint64_t n_ids = encode(&o, sound, n, n, whole);
	assert_int_equal(n_ids, (n + 1279) / 1280);
	for (size_t c = 0; c < sizeof chunks / sizeof chunks[0]; c++) {
		vita_encoder_stream *stream = open_stream(&o);
		uint64_t got = 0;
		for (uint64_t at = 0; at < n;) {
			uint64_t now = n - at < chunks[c] ? n - at : chunks[c];
			assert_int_equal(o.api->push(stream, sound + at, now, 0, NULL, NULL), VITA_OK);
			at += now;
			got += take(&o, stream, ids + got);
			assert_int_equal(got, at / block * (block / 1280));
		}
		assert_int_equal(o.api->push(stream, NULL, 0, 1, NULL, NULL), VITA_OK);
		got += take(&o, stream, ids + got);
		assert_int_equal(got, n_ids);
		assert_memory_equal(ids, whole, n_ids * sizeof *ids);
		o.api->stream_close(stream);
	}
	assert_int_equal(n_warnings, 0);
	close_all(&o);
}

static void test_streaming(void **state)
{
	const uint64_t n = make_long(70000);
	(void)state;
	for (uint64_t i = 0; i < n; i++)
		sound[i] *= i > 2000 && i < 5000 ? 1 : 0.1f;
	check_streaming("tiny", NULL, n, 12800);
	check_streaming("tiny", "dtype=f16", n, 12800); /* keeps keys and values in f16 */
	check_streaming("tiny-midpool", NULL, n, 7680);
}

static void test_counts(void **state)
{
	static const uint64_t lengths[] = {1,    2,     200,   1279,  1280,  1281,  7679, 7680,
					   7681, 94720, 94721, 95999, 96000, 96001, 97281};
	opened o = open_encoder(golden("tokenizer/tiny-midpool"), "auto", NULL); /* its segments are 6 s */
	int32_t ids[MAX_IDS];
	(void)state;
	(void)make_long(100000);
	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		assert_int_equal(encode(&o, sound, lengths[i], MAX_SAMPLES, ids), (lengths[i] + 1279) / 1280);
		assert_int_equal(encode(&o, sound, lengths[i], 5000, ids), (lengths[i] + 1279) / 1280);
	}
	assert_int_equal(encode(&o, sound, 0, 1, ids), 0);
	close_all(&o);
}

static void test_describe(void **state)
{
	opened o = open_encoder(golden("tokenizer/tiny"), "auto", NULL);
	vita_encoder_info info;
	(void)state;
	VITA_INIT(&info);
	o.api->describe(o.encoder, &info);
	assert_int_equal(info.output, VITA_ENCODER_TOKENS);
	assert_int_equal(info.sample_rate, 16000);
	assert_int_equal(info.mix, VITA_MIX_FIRST | VITA_RESAMPLE_SINC);
	assert_int_equal(info.vocab_size, 64);
	assert_true(info.rate == 12.5);
	assert_true(fabs(info.latency_s - 0.72) < 1e-9);
	assert_int_equal(info.segment, 480000);
	info.segment = 7; /* what a host that knows no segment has behind its struct stays */
	info.struct_size = offsetof(vita_encoder_info, segment);
	o.api->describe(o.encoder, &info);
	assert_int_equal(info.segment, 7);
	close_all(&o);
}

/* Ten minutes take no more memory than one. */
static void test_memory(void **state)
{
	opened o = open_encoder(golden("tokenizer/tiny"), "auto", NULL);
	vita_encoder_stream *stream = open_stream(&o);
	struct rusage before, after;
	int32_t ids[MAX_IDS];
	uint64_t n = make_long(960000), total = 0;
	(void)state;
	for (int minute = 0; minute < 5; minute++) {
		assert_int_equal(o.api->push(stream, sound, n, 0, NULL, NULL), VITA_OK);
		total += take(&o, stream, ids);
		assert_int_equal(getrusage(RUSAGE_SELF, minute == 0 ? &before : &after), 0);
	}
	assert_int_equal(total, 5 * 750);
	assert_true(after.ru_maxrss - before.ru_maxrss < 8192); /* KiB */
	o.api->stream_close(stream);
	close_all(&o);
}

/* ---- bad sound, bad models ------------------------------------------------------------------------------ */

static void test_bad_samples(void **state)
{
	static const float bad[] = {NAN, INFINITY, -INFINITY, 1e30f};
	opened o = open_encoder(golden("tokenizer/tiny"), "auto", NULL);
	(void)state;
	for (int i = 0; i < 4; i++) {
		vita_encoder_stream *stream = open_stream(&o);
		vita_error err = {0};
		memset(sound, 0, 100 * sizeof *sound);
		sound[42] = bad[i];
		assert_failure(o.api->push(stream, sound, 100, 0, NULL, &err), VITA_E_INVALID, &err,
			       "sample 42");
		assert_failure(o.api->push(stream, sound, 1, 0, NULL, &err), VITA_E_STATE, &err,
			       "after the end");
		o.api->stream_close(stream);
	}
	close_all(&o);
}

static void test_silence(void **state)
{
	opened o = open_encoder(golden("tokenizer/tiny"), "auto", NULL);
	int32_t whole[MAX_IDS], ids[MAX_IDS];
	(void)state;
	memset(sound, 0, 40000 * sizeof *sound);
	assert_int_equal(encode(&o, sound, 40000, 40000, whole), 32);
	assert_int_equal(encode(&o, sound, 40000, 999, ids), 32);
	assert_memory_equal(ids, whole, 32 * sizeof *ids);
	close_all(&o);
}

static void test_cancel(void **state)
{
	opened o = open_encoder(golden("tokenizer/tiny"), "auto", NULL);
	vita_encoder_stream *stream = open_stream(&o);
	vita_cancel *cancel = vita_cancel_create();
	vita_error err = {0};
	(void)state;
	memset(sound, 0, 40000 * sizeof *sound);
	vita_cancel_request(cancel);
	assert_int_equal(o.api->push(stream, sound, 40000, 1, cancel, &err), VITA_E_CANCELLED);
	o.api->stream_close(stream);
	vita_cancel_destroy(cancel);
	close_all(&o);
}

/* The tiny model with one member of config.json replaced by another text, or a preprocessor_config.json. */
static void expect_refused(const char *from, const char *to, const char *preprocessor, vita_status expected,
			   const char *words)
{
	opened o;
	vita_error err = {0};
	char *config = get_file(golden("tokenizer/tiny/config.json"), NULL), *changed = calloc(1, 8192);
	char *at = from ? strstr(config, from) : NULL;
	if (from) {
		assert_non_null(at);
		(void)snprintf(changed, 8192, "%.*s%s%s", (int)(at - config), config, to, at + strlen(from));
	}
	put_text(in_scratch("config.json"), from ? changed : config);
	if (preprocessor) put_text(in_scratch("preprocessor_config.json"), preprocessor);
	size_t size;
	char *weights = get_file(golden("tokenizer/tiny/model.safetensors"), &size);
	put_file(in_scratch("model.safetensors"), weights, size);
	o = make_context(scratch, "reference", NULL);
	vita_status status = try_open(&o, o.device, &err);
	assert_null(o.encoder);
	assert_failure(status, expected, &err, words);
	close_all(&o);
	(void)unlink(in_scratch("preprocessor_config.json"));
	free(config), free(changed), free(weights);
}

static void test_bad_models(void **state)
{
	static const struct {
		const char *from, *to;
		vita_status status;
		const char *words;
	} configs[] = {
		{"\"quantize_vocab_size\": 64", "\"quantize_vocab_size\": 65", VITA_E_SHAPE,
		 "codebook.weight"},
		{"\"d_model\": 64", "\"d_model\": 32", VITA_E_SHAPE, "codebook.weight"},
		{"\"d_model\": 64", "\"d_model\": 0", VITA_E_FORMAT, "d_model"},
		{"\"d_model\": 64", "\"d_model\": 1e300", VITA_E_FORMAT, "d_model"},
		{"\"d_model\": 64", "\"d\": 64", VITA_E_NOTFOUND, "d_model"},
		{"\"encoder_attention_heads\": 4", "\"encoder_attention_heads\": 5", VITA_E_FORMAT,
		 "not a multiple"},
		{"\"encoder_ffn_dim\": 128", "\"encoder_ffn_dim\": 127", VITA_E_SHAPE, "fc1"},
		{"\"quantize_position\": 4", "\"quantize_position\": 9", VITA_E_NOTFOUND, "layers."},
		{"\"pooling_position\": 4", "\"pooling_position\": 5", VITA_E_FORMAT, "pooling_position"},
		{"\"pooling_kernel_size\": 4", "\"pooling_kernel_size\": 3", VITA_E_FORMAT,
		 "pooling_kernel_size"},
		{"\"pooling_type\": \"avg\"", "\"pooling_type\": \"sum\"", VITA_E_UNSUPPORTED, "avg and max"},
		{"\"max_source_positions\": 1500", "\"max_source_positions\": 3", VITA_E_FORMAT, "no room"},
		{"\"num_mel_bins\": 128", "\"num_mel_bins\": 80", VITA_E_SHAPE, "conv1.weight"},
		{"\"encoder_causal_attention\": false", "\"encoder_causal_attention\": true",
		 VITA_E_UNSUPPORTED, "causal_attention"},
		{"\"encoder_causal_convolution\": true", "\"encoder_causal_convolution\": false",
		 VITA_E_UNSUPPORTED, "convolution"},
		{"\"activation_function\": \"gelu\"", "\"activation_function\": \"tanhshrink\"",
		 VITA_E_UNSUPPORTED, "tanhshrink"},
	};
	static const struct {
		const char *text;
		vita_status status;
		const char *words;
	} preprocessors[] = {
		{"{", VITA_E_FORMAT, "preprocessor_config.json"},
		{"{\"n_fft\": 401}", VITA_E_FORMAT, "even"},
		{"{\"n_fft\": 1e9}", VITA_E_FORMAT, "n_fft"},
		{"{\"hop_length\": 500}", VITA_E_FORMAT, "hop_length"},
		{"{\"feature_size\": 80}", VITA_E_FORMAT, "feature_size"},
		{"{\"sampling_rate\": -16000}", VITA_E_FORMAT, "sampling_rate"},
		{"{\"n_samples\": 1000}", VITA_E_FORMAT, "no room"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof configs / sizeof configs[0]; i++)
		expect_refused(configs[i].from, configs[i].to, NULL, configs[i].status, configs[i].words);
	for (size_t i = 0; i < sizeof preprocessors / sizeof preprocessors[0]; i++)
		expect_refused(NULL, NULL, preprocessors[i].text, preprocessors[i].status,
			       preprocessors[i].words);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_features),
		cmocka_unit_test(test_mel_filters),
		cmocka_unit_test(test_stages),
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_deviation),
		cmocka_unit_test(test_streaming),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_describe),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_bad_samples),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test_setup_teardown(test_bad_models, setup_directory, teardown_directory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
