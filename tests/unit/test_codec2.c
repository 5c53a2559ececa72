/* SPDX-License-Identifier: MIT
 *
 * The modules encoder-codec2 and codec-codec2 against libcodec2 called directly, bit for bit, in every
 * mode and in chunks of any size.
 *
 * libcodec2 draws noise from one generator for the process. So decodings that are compared run in forked
 * children, where the generator stands at the same place.
 */
#include "unit.h"

#include <vita/audio.h>
#include <vita/codec.h>
#include <vita/encoder.h>

#include <codec2.h>
#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_SAMPLES 12345 /* no whole number of frames */
#define MAX_IDS 8192
#define MAX_PCM 65536

static const struct mode {
	const char *name;
	int mode;
	uint32_t vocab_size, n_fields, n_samples;
	double rate;
} modes[] = {
	{ "3200", CODEC2_MODE_3200, 5664, 7, 160, 350 }, { "2400", CODEC2_MODE_2400, 2832, 6, 160, 300 },
	{ "1600", CODEC2_MODE_1600, 2304, 8, 320, 200 }, { "1400", CODEC2_MODE_1400, 3844, 7, 320, 175 },
	{ "1300", CODEC2_MODE_1300, 1680, 7, 320, 175 }, { "1200", CODEC2_MODE_1200, 4096, 5, 320, 125 },
	{ "700C", CODEC2_MODE_700C, 2048, 3, 320, 75 },
};
#define N_MODES (sizeof modes / sizeof *modes)

/* ---- a host that knows one setting ---------------------------------------------------------------- */

static int n_warnings;
static int cancel_now;

static void host_log(void *context, uint32_t level, const char *topic, const char *text)
{
	(void)context, (void)topic, (void)text;
	if (level == VITA_LOG_WARNING) n_warnings++;
}

static void *host_allocate(void *context, uint64_t size)
{
	(void)context;
	return malloc((size_t)size);
}

static void *host_reallocate(void *context, void *memory, uint64_t size)
{
	(void)context;
	return realloc(memory, (size_t)size);
}

static void host_release(void *context, void *memory)
{
	(void)context;
	free(memory);
}

static int32_t host_cancelled(void *context, const vita_cancel *cancel)
{
	(void)context, (void)cancel;
	return cancel_now;
}

static const char *host_setting_string(void *context, const vita_settings *settings, const char *key)
{
	(void)context;
	assert_string_equal(key, "mode");
	return (const char *)settings;
}

static const vita_host host = {
	.struct_size = sizeof host,
	.abi_major = VITA_ABI_MAJOR,
	.log = host_log,
	.allocate = host_allocate,
	.reallocate = host_reallocate,
	.release = host_release,
	.cancelled = host_cancelled,
	.setting_string = host_setting_string,
};

static const void *load(const char *file, const char *interface_id)
{
	char path[1024];
	(void)snprintf(path, sizeof path, "%s/modules/%s.so", unit_builddir(), file);
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle) fail_msg("%s", dlerror());
	vita_module_query_fn query;
	*(void **)&query = dlsym(handle, "vita_module_query");
	assert_null(query(VITA_ABI_MAJOR + 1, 0));
	const vita_module *module = query(VITA_ABI_MAJOR, 0);
	assert_int_equal(module->n_factories, 1);
	assert_string_equal(module->factories[0]->interface_id, interface_id);
	assert_string_equal(module->factories[0]->name, "codec2");
	return module->factories[0]->api;
}

static const vita_encoder_api *encoder_api;
static const vita_codec_api *codec_api;

static vita_encoder *open_encoder(const char *mode)
{
	vita_encoder *encoder;
	vita_error err;
	assert_int_equal(encoder_api->open(&host, NULL, (const vita_settings *)mode, &encoder, &err),
	                 VITA_OK);
	return encoder;
}

static vita_codec *open_codec(const char *mode)
{
	vita_codec *codec;
	vita_error err;
	assert_int_equal(codec_api->open(&host, NULL, (const vita_settings *)mode, &codec, &err), VITA_OK);
	return codec;
}

/* ---- speech-like samples, and both ways through the modules ---------------------------------------- */

/* A voice of falling pitch with pauses and noise; exact 16-bit values. */
static void make_speech(float *pcm, uint32_t n)
{
	uint32_t noise = 1;
	double phase = 0;
	for (uint32_t i = 0; i < n; i++) {
		noise = noise * 1664525u + 1013904223u;
		phase += (120 - 30.0 * i / n) / 8000;
		double x = 0;
		for (int k = 1; k < 20; k++) x += sin(2 * M_PI * phase * k) / k;
		x = (i / 2000) % 3 == 2 ? 0.1 * ((double)(noise >> 16) / 32768 - 1) : 0.2 * x;
		pcm[i] = (float)(lrint(x * 32768) / 32768.0);
	}
}

/* Chunks from a seed; chunk 0: all at once. */
static uint64_t next_chunk(uint32_t *seed, uint64_t left)
{
	if (*seed == 0) return left;
	*seed = *seed * 1664525u + 1013904223u;
	uint64_t n = (*seed >> 16) % 500;
	return n < left ? n : left;
}

static uint64_t drain_ids(vita_encoder_stream *stream, uint64_t step, int32_t *ids, vita_status *end)
{
	uint64_t n, total = 0;
	while ((*end = encoder_api->pull(stream, ids + total, NULL, step, &n, NULL)) == VITA_OK && n > 0)
		total += n;
	return total;
}

static uint64_t encode(const char *mode, const float *pcm, uint64_t n, uint32_t seed, int32_t *ids)
{
	vita_encoder *encoder = open_encoder(mode);
	vita_encoder_stream *stream;
	vita_status end;
	uint64_t total = 0;
	assert_int_equal(encoder_api->stream_open(encoder, &stream, NULL), VITA_OK);
	for (uint64_t at = 0, take; at < n; at += take) {
		take = next_chunk(&seed, n - at);
		assert_int_equal(encoder_api->push(stream, pcm + at, take, 0, NULL, NULL), VITA_OK);
		total += drain_ids(stream, seed ? 5 : MAX_IDS - total, ids + total, &end);
		assert_int_equal(end, VITA_OK);
	}
	assert_int_equal(encoder_api->push(stream, NULL, 0, 1, NULL, NULL), VITA_OK);
	total += drain_ids(stream, 100, ids + total, &end);
	assert_int_equal(end, VITA_END);
	encoder_api->stream_close(stream);
	encoder_api->close(encoder);
	return total;
}

static uint64_t drain_pcm(vita_codec_stream *stream, uint64_t step, float *pcm, vita_status *end)
{
	uint64_t n, total = 0;
	while ((*end = codec_api->pull(stream, pcm + total, step, &n, NULL)) == VITA_OK && n > 0) total += n;
	return total;
}

static uint64_t decode(const char *mode, const int32_t *ids, uint64_t n, uint32_t seed, float *pcm)
{
	vita_codec *codec = open_codec(mode);
	vita_codec_stream *stream;
	vita_status end;
	uint64_t total = 0;
	assert_int_equal(codec_api->stream_open(codec, &stream, NULL), VITA_OK);
	for (uint64_t at = 0, take; at < n; at += take) {
		take = next_chunk(&seed, n - at) % (seed ? 12 : UINT64_MAX);
		assert_int_equal(codec_api->push(stream, ids + at, take, at + take == n, NULL, NULL),
		                 VITA_OK);
		total += drain_pcm(stream, seed ? 77 : MAX_PCM - total, pcm + total, &end);
		if (at + take == n) assert_int_equal(end, VITA_END);
	}
	codec_api->stream_close(stream);
	codec_api->close(codec);
	return total;
}

/* What c2enc and c2dec do. */
static uint64_t decode_by_library(int mode, const float *in, uint64_t n, float *pcm)
{
	struct CODEC2 *encoder = codec2_create(mode), *decoder = codec2_create(mode);
	int step = codec2_samples_per_frame(encoder);
	unsigned char bytes[8];
	short frame[320];
	uint64_t total = 0;
	for (uint64_t at = 0; at + (uint64_t)step <= n; at += (uint64_t)step) {
		for (int i = 0; i < step; i++) frame[i] = (short)lrintf(in[at + (uint64_t)i] * 32768.0f);
		codec2_encode(encoder, bytes, frame);
		codec2_decode(decoder, frame, bytes);
		for (int i = 0; i < step; i++) pcm[total++] = (float)frame[i] / 32768.0f;
	}
	codec2_destroy(encoder);
	codec2_destroy(decoder);
	return total;
}

struct job {
	const struct mode *mode;
	const float *pcm;   /* for the library */
	const int32_t *ids; /* for the module, where not NULL */
	uint64_t n;
	uint32_t seed;
};

static uint64_t run_job(const struct job *job, float *pcm)
{
	if (job->ids) return decode(job->mode->name, job->ids, job->n, job->seed, pcm);
	return decode_by_library(job->mode->mode, job->pcm, job->n, pcm);
}

/* Run the job in a child and give its samples. */
static uint64_t run_in_child(const struct job *job, float *pcm)
{
	int ends[2], status;
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		uint64_t n = run_job(job, pcm) * sizeof *pcm;
		for (uint64_t at = 0; at < n;) {
			ssize_t written = write(ends[1], (const char *)pcm + at, n - at);
			if (written <= 0) _exit(1);
			at += (uint64_t)written;
		}
		_exit(0);
	}
	close(ends[1]);
	uint64_t n = 0;
	for (ssize_t got; (got = read(ends[0], (char *)pcm + n, MAX_PCM * sizeof *pcm - n)) > 0;)
		n += (uint64_t)got;
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	return n / sizeof *pcm;
}

/* ---- tests ---------------------------------------------------------------------------------------- */

static float speech[N_SAMPLES], expected[MAX_PCM], actual[MAX_PCM];
static int32_t ids[MAX_IDS], more_ids[MAX_IDS];

static void test_descriptions(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_MODES; i++) {
		vita_encoder *encoder = open_encoder(modes[i].name);
		vita_codec *codec = open_codec(modes[i].name);
		vita_encoder_info in;
		vita_codec_info out;
		VITA_INIT(&in);
		VITA_INIT(&out);
		encoder_api->describe(encoder, &in);
		codec_api->describe(codec, &out);
		assert_int_equal(in.output, VITA_ENCODER_TOKENS);
		assert_int_equal(in.sample_rate, 8000);
		assert_int_equal(in.vocab_size, modes[i].vocab_size);
		assert_true(in.rate == modes[i].rate && out.rate == modes[i].rate);
		assert_int_equal(out.sample_rate, 8000);
		assert_int_equal(out.vocab_size, modes[i].vocab_size);
		assert_int_equal(out.min_chunk, modes[i].n_fields);
		encoder_api->close(encoder);
		codec_api->close(codec);
	}
}

static void test_same_as_library(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_MODES; i++) {
		uint64_t n_ids = encode(modes[i].name, speech, N_SAMPLES, 0, ids);
		assert_int_equal(n_ids, N_SAMPLES / modes[i].n_samples * modes[i].n_fields);
		uint64_t n = run_in_child(&(struct job){ &modes[i], speech, NULL, N_SAMPLES, 0 }, expected);
		assert_int_equal(n, N_SAMPLES / modes[i].n_samples * modes[i].n_samples);
		assert_int_equal(run_in_child(&(struct job){ &modes[i], NULL, ids, n_ids, 0 }, actual), n);
		assert_memory_equal(actual, expected, n * sizeof *actual);
	}
}

static void test_chunks_change_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_MODES; i++) {
		uint64_t n_ids = encode(modes[i].name, speech, N_SAMPLES, 0, ids);
		uint64_t n = run_in_child(&(struct job){ &modes[i], NULL, ids, n_ids, 0 }, expected);
		for (uint32_t seed = 1; seed < 4; seed++) {
			assert_int_equal(encode(modes[i].name, speech, N_SAMPLES, seed, more_ids), n_ids);
			assert_memory_equal(more_ids, ids, n_ids * sizeof *ids);
			assert_int_equal(
				run_in_child(&(struct job){ &modes[i], NULL, ids, n_ids, seed }, actual), n);
			assert_memory_equal(actual, expected, n * sizeof *actual);
		}
	}
}

/* The layout of mode 3200 by hand: 9, 5 × 10 and 5 bits of the frame, each range after the one before. */
static void test_layout_of_3200(void **state)
{
	(void)state;
	static const int first[] = { 0, 512, 1536, 2560, 3584, 4608, 5632 },
			 bits[] = { 9, 10, 10, 10, 10, 10, 5 };
	struct CODEC2 *codec2 = codec2_create(CODEC2_MODE_3200);
	unsigned char bytes[8];
	short frame[160];
	assert_int_equal(encode("3200", speech, 1600, 0, ids), 70);
	for (int f = 0; f < 10; f++) {
		uint64_t word = 0;
		for (int i = 0; i < 160; i++) frame[i] = (short)lrintf(speech[f * 160 + i] * 32768.0f);
		codec2_encode(codec2, bytes, frame);
		for (int i = 0; i < 8; i++) word = word << 8 | bytes[i];
		for (int k = 6; k >= 0; word >>= bits[k--])
			assert_int_equal(ids[f * 7 + k], first[k] + (int)(word & ((1u << bits[k]) - 1)));
	}
	codec2_destroy(codec2);
}

/* Each id that does not come after the one before begins a frame; holes are filled from the frame before. */
static void test_tokens_out_of_order(void **state)
{
	(void)state;
	static const int32_t gaps[] = { 5, 520, 1030, 7, 1040, 530, 8, 9 };
	static const int32_t whole[] = {
		5, 520, 1030, 7, 520, 1040, 7, 530, 1040, 8, 530, 1040, 9, 530, 1040
	};
	const struct mode *mode = &modes[N_MODES - 1];
	assert_string_equal(mode->name, "700C");
	n_warnings = 0;
	assert_int_equal(decode("700C", gaps, 8, 0, actual), 5 * 320);
	assert_int_equal(n_warnings, 1);
	assert_int_equal(decode("700C", whole, 15, 0, actual), 5 * 320);
	assert_int_equal(n_warnings, 1);

	uint64_t n = run_in_child(&(struct job){ mode, NULL, whole, 15, 0 }, expected);
	assert_int_equal(run_in_child(&(struct job){ mode, NULL, gaps, 8, 0 }, actual), n);
	assert_memory_equal(actual, expected, n * sizeof *actual);
	assert_int_equal(run_in_child(&(struct job){ mode, NULL, gaps, 8, 3 }, actual), n);
	assert_memory_equal(actual, expected, n * sizeof *actual);
}

/* No sequence of ids that a model may make up brings libcodec2 out of its bounds. */
static void test_any_tokens(void **state)
{
	(void)state;
	uint32_t noise = 7;
	for (size_t i = 0; i < N_MODES; i++) {
		for (int k = 0; k < 200; k++) {
			noise = noise * 1664525u + 1013904223u;
			ids[k] = (int32_t)((noise >> 8) % modes[i].vocab_size);
		}
		uint64_t n = decode(modes[i].name, ids, 200, 0, actual);
		assert_true(n >= 200 / modes[i].n_fields * modes[i].n_samples);
		for (uint64_t k = 0; k < n; k++) assert_true(fabsf(actual[k]) <= 1);
	}
}

static void test_nothing_in(void **state)
{
	(void)state;
	vita_codec *codec = open_codec("3200");
	vita_codec_stream *stream;
	uint64_t n;
	float pcm[4];
	assert_int_equal(encode("3200", speech, 0, 0, ids), 0);
	assert_int_equal(encode("3200", speech, 159, 0, ids), 0);
	assert_int_equal(codec_api->stream_open(codec, &stream, NULL), VITA_OK);
	assert_int_equal(codec_api->pull(stream, pcm, 4, &n, NULL), VITA_OK);
	assert_int_equal(codec_api->push(stream, NULL, 0, 1, NULL, NULL), VITA_OK);
	assert_int_equal(codec_api->pull(stream, pcm, 4, &n, NULL), VITA_END);
	codec_api->stream_close(stream);
	codec_api->close(codec);
}

static void test_refusals_of_encoder(void **state)
{
	(void)state;
	float bad[] = { 0.5f, NAN };
	vita_error err;
	vita_encoder *encoder;
	vita_encoder_stream *stream;
	assert_int_equal(encoder_api->open(&host, NULL, (const vita_settings *)"450", &encoder, &err),
	                 VITA_E_CONFIG);
	assert_null(encoder);
	encoder = open_encoder("3200");
	assert_int_equal(encoder_api->stream_open(encoder, &stream, NULL), VITA_OK);
	assert_int_equal(encoder_api->push(stream, bad, 2, 0, NULL, &err), VITA_E_INVALID);
	assert_non_null(strstr(err.message, "sample 1"));
	cancel_now = 1;
	assert_int_equal(encoder_api->push(stream, speech, 160, 0, NULL, &err), VITA_E_CANCELLED);
	cancel_now = 0;
	assert_int_equal(encoder_api->push(stream, speech, 160, 1, NULL, &err), VITA_E_STATE);
	encoder_api->stream_close(stream);
	encoder_api->stream_close(NULL);
	encoder_api->close(encoder);
	encoder_api->close(NULL);
}

static void test_refusals_of_codec(void **state)
{
	(void)state;
	static const int32_t above[] = { 1, 2048 }, below[] = { -1 };
	vita_error err;
	vita_codec *codec;
	vita_codec_stream *stream;
	uint64_t n;
	assert_int_equal(codec_api->open(&host, NULL, (const vita_settings *)"", &codec, &err),
	                 VITA_E_CONFIG);
	assert_null(codec);
	codec = open_codec("700C");
	assert_int_equal(codec_api->stream_open(codec, &stream, NULL), VITA_OK);
	assert_int_equal(codec_api->push(stream, above, 2, 0, NULL, &err), VITA_E_INVALID);
	assert_non_null(strstr(err.message, "2048"));
	assert_int_equal(codec_api->push(stream, below, 1, 0, NULL, &err), VITA_E_INVALID);
	assert_int_equal(codec_api->push(stream, NULL, 0, 1, NULL, &err), VITA_OK);
	assert_int_equal(codec_api->pull(stream, actual, 4, &n, NULL),
	                 VITA_END); /* nothing of the bad chunks */
	assert_int_equal(codec_api->push(stream, above, 1, 1, NULL, &err), VITA_E_STATE);
	codec_api->stream_close(stream);
	codec_api->stream_close(NULL);
	codec_api->close(codec);
	codec_api->close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_as_library),     cmocka_unit_test(test_chunks_change_nothing),
		cmocka_unit_test(test_descriptions),        cmocka_unit_test(test_layout_of_3200),
		cmocka_unit_test(test_tokens_out_of_order), cmocka_unit_test(test_any_tokens),
		cmocka_unit_test(test_nothing_in),          cmocka_unit_test(test_refusals_of_encoder),
		cmocka_unit_test(test_refusals_of_codec),
	};
	encoder_api = load("encoder-codec2", VITA_ENCODER_ID);
	codec_api = load("codec-codec2", VITA_CODEC_ID);
	make_speech(speech, N_SAMPLES);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
