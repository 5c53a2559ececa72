/* SPDX-License-Identifier: MIT
 *
 * Encoder and codec mel-vq: against PyTorch's numbers on a small random model with unusual sizes, in pieces of any
 * size, and with files that are wrong. The parts of the codec that make sound are linked in and called by themselves.
 */
#include "unit.h"

#include "files_support.h"
#include "host/context_internal.h"
#include "mel_vq.h"

#include <vita/audio.h>
#include <vita/encoder.h>
#include <vita/vita.h>

#include <jansson.h>
#include <math.h>

#define MAX_PCM 100000
#define MAX_IDS 1000

static char *golden_path(const char *name)
{
	static char path[2][4096];
	static int turn;
	turn ^= 1;
	(void)snprintf(path[turn], sizeof path[turn], "%.3900s/tests/golden/mel-vq/%s", unit_srcdir(), name);
	return path[turn];
}

static void ok(vita_status status, const vita_error *err)
{
	if (status != VITA_OK) fail_msg("status %d: %s", (int)status, err->message);
}

/* ---- the golden data ------------------------------------------------------------------------------- */

static float pcm[MAX_PCM];
static uint64_t n_pcm;
static int32_t ids[MAX_IDS];
static uint64_t n_ids;

static void read_golden(void)
{
	vita_error err;
	vita_audio_reader *reader;
	uint64_t got;
	json_error_t why;
	json_t *root = json_load_file(golden_path("golden.json"), 0, &why),
	       *tokens = json_object_get(root, "tokens");
	assert_non_null(root);
	n_ids = json_array_size(tokens);
	assert_in_range(n_ids, 1, MAX_IDS);
	for (uint64_t i = 0; i < n_ids; i++)
		ids[i] = (int32_t)json_integer_value(json_array_get(tokens, i));
	json_decref(root);
	ok(vita_audio_open(golden_path("speech.wav"), 8000, VITA_MIX_MEAN, &reader, &err), &err);
	n_pcm = 0;
	while (vita_audio_read(reader, pcm + n_pcm, MAX_PCM - n_pcm, &got, &err) == VITA_OK)
		n_pcm += got;
	vita_audio_close(reader);
}

/* ---- opening as the engine does -------------------------------------------------------------------- */

typedef struct opened {
	vita_context *context;
	const vita_host *host;
	const vita_device *device;
	const char *section;
	const vita_encoder_api *encoder_api;
	const vita_codec_api *codec_api;
	vita_encoder *encoder;
	vita_codec *codec;
} opened;

static void close_all(opened *o)
{
	if (o->encoder) o->encoder_api->close(o->encoder);
	if (o->codec) o->codec_api->close(o->codec);
	if (o->context) vita_context_device_close(o->context, o->device);
	vita_context_destroy(o->context);
	memset(o, 0, sizeof *o);
}

static void mute(void *user, uint32_t level, const char *topic, const char *text)
{
	(void)user, (void)level, (void)topic, (void)text;
}

/* section: "encoder" or "codec". more: a further setting, or NULL. */
static vita_status open_part(opened *o, const char *section, const char *backend, const char *model,
			     const char *more, vita_error *err)
{
	char settings[3][4200];
	const vita_factory *factory = NULL;
	vita_config *config = NULL;
	vita_settings *values = NULL;
	memset(o, 0, sizeof *o);
	(void)snprintf(settings[0], sizeof settings[0], "%s.plugin=mel-vq", section);
	(void)snprintf(settings[1], sizeof settings[1], "%s.model=%s", section, model);
	(void)snprintf(settings[2], sizeof settings[2], "backend.name=%s", backend);
	vita_status status = vita_config_create(&config, err);
	for (int i = 0; i < 3 && status == VITA_OK; i++)
		status = vita_config_set(config, settings[i], err);
	if (status == VITA_OK && more) status = vita_config_set(config, more, err);
	if (status == VITA_OK) status = vita_context_create(config, mute, NULL, &o->context, err);
	vita_config_destroy(config);
	if (status != VITA_OK) return status;
	o->host = vita_context_host(o->context);
	status = vita_context_device_open(o->context, section, &o->device, err);
	if (status == VITA_OK) status = vita_context_section_factory(o->context, section, &factory, err);
	if (status == VITA_OK) status = vita_context_settings(o->context, section, factory, &values, err);
	if (status == VITA_OK && strcmp(section, "encoder") == 0) {
		o->encoder_api = factory->api;
		status = o->encoder_api->open(o->host, o->device, values, &o->encoder, err);
	} else if (status == VITA_OK) {
		o->codec_api = factory->api;
		status = o->codec_api->open(o->host, o->device, values, &o->codec, err);
	}
	vita_settings_destroy(values);
	if (status != VITA_OK) close_all(o);
	return status;
}

/* ---- the encoder ----------------------------------------------------------------------------------- */

/* The golden recording in pushes of `piece` samples. Returns how many tokens there were before its end. */
static uint64_t encode(opened *o, uint64_t piece, int32_t *out, uint64_t *n)
{
	const vita_encoder_api *api = o->encoder_api;
	vita_encoder_stream *stream;
	vita_error err;
	uint64_t got, early = 0;
	ok(api->stream_open(o->encoder, &stream, &err), &err);
	*n = 0;
	for (uint64_t at = 0; at < n_pcm; at += piece) {
		uint64_t count = n_pcm - at < piece ? n_pcm - at : piece;
		early = *n;
		ok(api->push(stream, pcm + at, count, at + count == n_pcm, NULL, &err), &err);
		while (api->pull(stream, out + *n, NULL, 3, &got, &err) == VITA_OK && got > 0)
			*n += got;
	}
	assert_int_equal(api->pull(stream, out, NULL, 1, &got, &err), VITA_END);
	assert_int_equal(api->push(stream, pcm, 1, 0, NULL, &err), VITA_E_STATE);
	api->stream_close(stream);
	return early;
}

static void test_encoder_golden(void **state)
{
	(void)state;
	static const char *const backends[] = {"reference", "auto"};
	static const uint64_t pieces[] = {MAX_PCM, 1000, 777, 80, 13};
	static int32_t out[MAX_IDS + 8];
	for (size_t b = 0; b < 2; b++) {
		opened o;
		vita_error err;
		vita_encoder_info info;
		uint64_t n;
		ok(open_part(&o, "encoder", backends[b], golden_path(""), NULL, &err), &err);
		VITA_INIT(&info);
		o.encoder_api->describe(o.encoder, &info);
		assert_int_equal(info.output, VITA_ENCODER_TOKENS);
		assert_int_equal(info.sample_rate, 8000);
		assert_int_equal(info.vocab_size, 37);
		assert_true(fabs(info.rate - 8000 / 240.0) < 1e-9);
		for (size_t p = 0; p < sizeof pieces / sizeof pieces[0]; p++) {
			uint64_t early = encode(&o, pieces[p], out, &n);
			assert_int_equal(n, n_ids);
			assert_memory_equal(out, ids, n_ids * sizeof *ids);
			/* in pieces, most of it is out while the person still speaks */
			if (pieces[p] < 1000)
				assert_true((double)(n - early) <= info.latency_s * info.rate + 8 + 1);
		}
		close_all(&o);
	}
}

static void test_encoder_edges(void **state)
{
	(void)state;
	opened o;
	vita_error err;
	vita_encoder_stream *stream;
	uint64_t got;
	int32_t out[8];
	const float bad[3] = {0, NAN, 0};
	ok(open_part(&o, "encoder", "reference", golden_path(""), "encoder.chunk=1", &err), &err);
	const vita_encoder_api *api = o.encoder_api;

	/* nothing at all */
	ok(api->stream_open(o.encoder, &stream, &err), &err);
	ok(api->push(stream, NULL, 0, 1, NULL, &err), &err);
	assert_int_equal(api->pull(stream, out, NULL, 8, &got, &err), VITA_END);
	api->stream_close(stream);

	/* one sample is one frame is one token */
	ok(api->stream_open(o.encoder, &stream, &err), &err);
	ok(api->push(stream, pcm, 1, 0, NULL, &err), &err);
	assert_int_equal(api->pull(stream, out, NULL, 8, &got, &err), VITA_OK);
	assert_int_equal(got, 0);
	ok(api->push(stream, NULL, 0, 1, NULL, &err), &err);
	assert_int_equal(api->pull(stream, out, NULL, 8, &got, &err), VITA_OK);
	assert_int_equal(got, 1);
	api->stream_close(stream);

	/* what is no number is refused, and the stream is over */
	ok(api->stream_open(o.encoder, &stream, &err), &err);
	assert_int_equal(api->push(stream, bad, 3, 0, NULL, &err), VITA_E_INVALID);
	assert_non_null(strstr(err.message, "sample 1"));
	api->stream_close(stream);
	api->close(NULL);
	api->stream_close(NULL);
	close_all(&o);
}

/* ---- the codec ------------------------------------------------------------------------------------- */

/* The golden tokens in chunks. Returns the samples' number; *early gets how many there were before the end. */
static uint64_t decode(opened *o, uint64_t chunk, float *out, uint64_t *early)
{
	const vita_codec_api *api = o->codec_api;
	vita_codec_stream *stream;
	vita_error err;
	uint64_t got, n = 0;
	ok(api->stream_open(o->codec, &stream, &err), &err);
	for (uint64_t at = 0; at < n_ids; at += chunk) {
		uint64_t count = n_ids - at < chunk ? n_ids - at : chunk;
		*early = n;
		ok(api->push(stream, ids + at, count, at + count == n_ids, NULL, &err), &err);
		while (api->pull(stream, out + n, 100, &got, &err) == VITA_OK && got > 0)
			n += got;
	}
	assert_int_equal(api->pull(stream, out, 1, &got, &err), VITA_END);
	assert_int_equal(api->push(stream, ids, 1, 0, NULL, &err), VITA_E_STATE);
	api->stream_close(stream);
	return n;
}

static float worst(const float *a, const float *b, uint64_t n)
{
	float w = 0;
	for (uint64_t i = 0; i < n; i++) {
		float d = fabsf(a[i] - b[i]);
		if (!(d <= w)) w = d; /* a NaN counts */
	}
	return w;
}

/* PyTorch's rows of log mel for the golden tokens; their number. */
static uint32_t read_mel(float *rows)
{
	vita_error err;
	vita_model *golden;
	vita_array mel;
	const int64_t shape[2] = {-1, 18};
	VITA_INIT(&mel);
	ok(vita_model_open(golden_path("golden.safetensors"), VITA_MODEL_WANT_TENSORS, &golden, &err), &err);
	ok(vita_model_tensor(golden, "mel", 2, shape, &mel, &err), &err);
	memcpy(rows, mel.data, (size_t)mel.shape[0] * 18 * sizeof *rows);
	vita_model_close(golden);
	return (uint32_t)mel.shape[0];
}

/* Through the codec's own vocoder. */
static void vocode(const vita_host *host, const float *rows, uint32_t n, float *out)
{
	static const mel_vq_front front = {.sample_rate = 8000,
					   .n_fft = 256,
					   .window = 240,
					   .hop = 80,
					   .bands = 18,
					   .stack = 3,
					   .low_hz = 60,
					   .high_hz = 3900};
	const griffin_lim_params p = {
		.n_fft = 256, .length = 240, .hop = 80, .iterations = 0, .held = 4, .most = n};
	vita_error err;
	mel_bank bank;
	mel_inverse inverse;
	griffin_lim vocoder;
	float window[240], bands[18];
	ok(mel_vq_bank_open(&front, host, &bank, &err), &err);
	ok(mel_inverse_open(&inverse, host, &bank, 256, &err), &err);
	mel_vq_window(&front, window);
	ok(griffin_lim_open(&vocoder, host, &p, window, &err), &err);
	float *magnitude = calloc((size_t)n * 129, sizeof *magnitude),
	      *sound = calloc((size_t)(n + 8) * 80, sizeof *sound);
	assert_true(magnitude && sound);
	for (uint32_t t = 0; t < n; t++) {
		for (uint32_t b = 0; b < 18; b++)
			bands[b] = expf(rows[t * 18 + b]);
		mel_inverse_apply(&inverse, bands, magnitude + (size_t)t * 129);
	}
	uint32_t made = griffin_lim_push(&vocoder, magnitude, n, 1, sound);
	assert_int_equal(made, n * 80);
	assert_int_equal(griffin_lim_rest(&vocoder, sound + made), 160);
	memcpy(out, sound + 120, (size_t)n * 80 * sizeof *out);
	free(magnitude);
	free(sound);
	griffin_lim_close(&vocoder);
	mel_inverse_close(&inverse);
	mel_bank_close(&bank);
}

static void check_rows(const opened *o, const float *expected, uint32_t n)
{
	static float rows[3 * MAX_IDS * 18];
	vita_error err;
	mel_vq_network *network = calloc(1, sizeof *network);
	assert_non_null(network);
	ok(mel_vq_network_open(network, o->codec, (int64_t)n_ids, &err), &err);
	ok(mel_vq_network_run(network, ids, (int64_t)n_ids, &err), &err);
	ok(mel_vq_network_read(network, 0, n, rows, &err), &err);
	for (uint32_t i = 0; i < n * 18; i++)
		rows[i] = rows[i] * 2 - 1; /* mel_scale, mel_shift */
	assert_true(worst(rows, expected, n * 18) < 1e-4f);
	mel_vq_network_close(network);
	free(network);
}

static void test_codec_golden(void **state)
{
	(void)state;
	static const char *const backends[] = {"reference", "auto"};
	static const uint64_t chunks[] = {20, 7, 1};
	static float whole[MAX_PCM], out[MAX_PCM], expected[MAX_PCM], rows[3 * MAX_IDS * 18];
	uint32_t n_rows = read_mel(rows);
	for (size_t b = 0; b < 2; b++) {
		opened o;
		vita_error err;
		vita_codec_info info;
		uint64_t early, n = n_rows * 80;
		/* without iterations a frame's phases depend on what came before alone: chunks change nothing */
		ok(open_part(&o, "codec", backends[b], golden_path(""), "codec.iterations=0", &err), &err);
		VITA_INIT(&info);
		o.codec_api->describe(o.codec, &info);
		assert_int_equal(info.sample_rate, 8000);
		assert_int_equal(info.vocab_size, 37);
		assert_true(n == n_ids * 240);
		check_rows(&o, rows, n_rows);
		vocode(o.host, rows, n_rows, expected);
		assert_int_equal(decode(&o, MAX_IDS, whole, &early), n);
		/* phases depend on the frame before so much that the last bit of a row grows tenfold every token */
		assert_true(worst(whole, expected, 480) < 1e-3f);
		for (size_t c = 0; c < sizeof chunks / sizeof chunks[0]; c++) {
			assert_int_equal(decode(&o, chunks[c], out, &early), n);
			assert_true(worst(out, whole, b == 0 ? n : 480) < 1e-3f);
			if (chunks[c] == 1) assert_true((double)(n - early) <= info.latency_s * 8000 + 240);
		}
		close_all(&o);
	}
}

/* Chunks join without a click: no step from sample to sample is larger at the seams than elsewhere. */
static void test_codec_seams(void **state)
{
	(void)state;
	static float whole[MAX_PCM], parts[MAX_PCM];
	opened o;
	vita_error err;
	uint64_t early;
	ok(open_part(&o, "codec", "auto", golden_path(""), NULL, &err), &err);
	uint64_t n = decode(&o, MAX_IDS, whole, &early);
	float most = 0, loudest = 0;
	for (uint64_t i = 1; i < n; i++) {
		most = fmaxf(most, fabsf(whole[i] - whole[i - 1]));
		loudest = fmaxf(loudest, fabsf(whole[i]));
	}
	assert_true(loudest > 0.001f);
	assert_int_equal(decode(&o, 2, parts, &early), n);
	for (uint64_t i = 1; i < n; i++)
		assert_true(fabsf(parts[i] - parts[i - 1]) <= 1.5f * most);
	close_all(&o);
}

static void test_codec_refuses(void **state)
{
	(void)state;
	opened o;
	vita_error err;
	vita_codec_stream *stream;
	uint64_t got;
	float out[8];
	const int32_t bad[2] = {1, 37};
	ok(open_part(&o, "codec", "reference", golden_path(""), NULL, &err), &err);
	const vita_codec_api *api = o.codec_api;
	ok(api->stream_open(o.codec, &stream, &err), &err);
	assert_int_equal(api->push(stream, bad, 2, 0, NULL, &err), VITA_E_INVALID);
	assert_non_null(strstr(err.message, "37"));
	ok(api->push(stream, NULL, 0, 1, NULL, &err), &err);
	assert_int_equal(api->pull(stream, out, 8, &got, &err), VITA_END);
	api->stream_close(stream);
	api->close(NULL);
	api->stream_close(NULL);
	close_all(&o);
}

/* ---- Griffin-Lim ----------------------------------------------------------------------------------- */

/* Magnitudes of a sum of tones, in chunks: what comes out has these magnitudes again. */
static void test_griffin_lim(void **state)
{
	(void)state;
	enum { N_FFT = 256, LENGTH = 200, HOP = 50, FRAMES = 60, BINS = N_FFT / 2 + 1 };
	static float tones[(FRAMES + 8) * HOP], magnitude[FRAMES * BINS], out[(FRAMES + 40) * HOP];
	opened o;
	vita_error err;
	griffin_lim g;
	stft s;
	float window[LENGTH], spectrum[2 * BINS];
	ok(open_part(&o, "codec", "reference", golden_path(""), NULL, &err), &err);
	window_fill(WINDOW_HANN, LENGTH, window, LENGTH);
	for (uint32_t i = 0; i < sizeof tones / sizeof tones[0]; i++)
		tones[i] = 0.3f * sinf(0.11f * (float)i) + 0.2f * sinf(0.4f * (float)i + 1);
	ok(stft_open(&s, o.host, N_FFT, window, LENGTH, &err), &err);
	for (uint32_t t = 0; t < FRAMES; t++) {
		stft_spectrum(&s, tones + t * HOP, spectrum);
		for (uint32_t k = 0; k < BINS; k++)
			magnitude[t * BINS + k] = hypotf(spectrum[2 * k], spectrum[2 * k + 1]);
	}
	const griffin_lim_params p = {N_FFT, LENGTH, HOP, 30, 4, 10, 0.99};
	ok(griffin_lim_open(&g, o.host, &p, window, &err), &err);
	uint64_t n = 0;
	for (uint32_t t = 0; t < FRAMES; t += 10)
		n += griffin_lim_push(&g, magnitude + t * BINS, 10, 0, out + n);
	assert_int_equal(n, (FRAMES - 4) * HOP);
	n += griffin_lim_push(&g, NULL, 0, 1, out + n);
	n += griffin_lim_rest(&g, out + n);
	assert_int_equal(n, FRAMES * HOP + LENGTH - HOP);
	double off = 0, all = 0;
	for (uint32_t t = 8; t < FRAMES - 8; t++) {
		stft_spectrum(&s, out + t * HOP, spectrum);
		for (uint32_t k = 0; k < BINS; k++) {
			double want = magnitude[t * BINS + k],
			       d = hypot(spectrum[2 * k], spectrum[2 * k + 1]) - want;
			off += d * d;
			all += want * want;
		}
	}
	assert_true(sqrt(off / all) < 0.1);
	griffin_lim_close(&g);
	stft_close(&s);
	close_all(&o);
}

/* ---- files that are wrong -------------------------------------------------------------------------- */

static char *slurp(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	assert_non_null(file);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	*size = (size_t)ftell(file);
	rewind(file);
	char *data = calloc(*size + 1, 1);
	assert_int_equal(fread(data, 1, *size, file), *size);
	(void)fclose(file);
	return data;
}

static void test_bad_files(void **state)
{
	(void)state;
	static const struct {
		const char *from, *to; /* in config.json */
		const char *says;
		int32_t codec; /* only the codec reads it */
	} cases[] = {
		{"\"n_fft\": 256", "\"n_fft\": 255", "n_fft", 0},
		{"\"n_fft\": 256", "\"n_fft\": 100", "window", 0},
		{"\"hop\": 80", "\"hop\": 0", "hop", 0},
		{"\"hop\": 80", "\"hopp\": 80", "hop", 0},
		{"\"bands\": 18", "\"bands\": 19", "encoder.input.weight", 0},
		{"\"bands\": 18", "\"bands\": 1e9", "bands", 0},
		{"\"stack\": 3", "\"stack\": -3", "stack", 0},
		{"\"high_hz\": 3900.0", "\"high_hz\": 5000.0", "high_hz", 0},
		{"\"level_range\": 5.0", "\"level_range\": 0", "level_range", 0},
		{"\"codes\": 37", "\"codes\": 38", "codebook.weight", 0},
		{"\"code\": 10", "\"code\": 11", "encoder.output", 0},
		{"\"width\": 20", "\"width\": 10000", "encoder.width", 0},
		{"\"width\": 14", "\"width\": 15", "decoder.embed.weight", 1},
		{"\"mel_scale\": 2.0", "\"mel_scale\": \"a\"", "mel_scale", 1},
	};
	size_t n_config, n_weights;
	char *config = slurp(golden_path("config.json"), &n_config);
	char *weights = slurp(golden_path("model.safetensors"), &n_weights);
	put_file(in_scratch("model.safetensors"), weights, n_weights);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char text[4096];
		opened o;
		vita_error err;
		const char *at = strstr(config, cases[i].from);
		if (!at) fail_msg("config.json has no %s", cases[i].from);
		(void)snprintf(text, sizeof text, "%.*s%s%s", (int)(at - config), config, cases[i].to,
			       at + strlen(cases[i].from));
		put_file(in_scratch("config.json"), text, strlen(text));
		vita_status status =
			open_part(&o, cases[i].codec ? "codec" : "encoder", "reference", scratch, NULL, &err);
		if (status == VITA_OK || !strstr(err.message, cases[i].says))
			fail_msg("%s: status %d, \"%s\" does not say %s", cases[i].to, (int)status,
				 status == VITA_OK ? "" : err.message, cases[i].says);
	}
	/* a model that only hears has a sentence of its own */
	opened o;
	vita_error err;
	char *decoder = strstr(config, "\"decoder\"");
	assert_non_null(decoder);
	decoder[1] = 'x';
	put_file(in_scratch("config.json"), config, n_config);
	assert_int_equal(open_part(&o, "codec", "reference", scratch, NULL, &err), VITA_E_FORMAT);
	assert_non_null(strstr(err.message, "does not speak"));
	assert_int_equal(open_part(&o, "codec", "reference", "", NULL, &err), VITA_E_CONFIG);
	put_file(in_scratch("model.safetensors"), weights, n_weights / 2);
	assert_int_not_equal(open_part(&o, "encoder", "reference", scratch, NULL, &err), VITA_OK);
	free(config);
	free(weights);
}

static int setup(void **state)
{
	read_golden();
	return setup_directory(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_encoder_golden), cmocka_unit_test(test_encoder_edges),
		cmocka_unit_test(test_codec_golden),   cmocka_unit_test(test_codec_seams),
		cmocka_unit_test(test_codec_refuses),  cmocka_unit_test(test_griffin_lim),
		cmocka_unit_test(test_bad_files),
	};
	return cmocka_run_group_tests(tests, setup, teardown_directory);
}
