/* SPDX-License-Identifier: MIT
 *
 * The parts of codec flow-hift against the numbers of the reference implementation, on every backend: noise, frame
 * counts, spectrogram, vocoder, and streams against the same speech at once.
 */
#include "flow_hift.h"

#include "files_support.h"
#include "unit.h"

#include "host/context_internal.h"

#include <math.h>
#include <stdbool.h>
#include <jansson.h>
#include <vita/config.h>

static const char *const backends[] = { "reference", "cpu", "opencl" };
#define N_BACKENDS (sizeof backends / sizeof backends[0])

static vita_error err;

static void ok(vita_status status)
{
	assert_ok(status, &err);
}

static const char *golden(const char *name)
{
	static char path[4][1024];
	static int next;
	char *p = path[next++ % 4];
	(void)snprintf(p, sizeof path[0], "%s/tests/golden/decoder/%s", unit_srcdir(), name);
	return p;
}

/* ---- golden numbers -------------------------------------------------------------------------------- */

typedef struct numbers {
	vita_model *model;
} numbers;

static numbers open_numbers(const char *file)
{
	numbers n = { NULL };
	ok(vita_model_open(golden(file), VITA_MODEL_WANT_TENSORS, &n.model, &err));
	return n;
}

static const float *values(const numbers *n, const char *name, int64_t *size)
{
	vita_array array;
	VITA_INIT(&array);
	ok(vita_model_tensor(n->model, name, 0, NULL, &array, &err));
	if (size) *size = (int64_t)(array.size_bytes / 4);
	return array.data;
}

static void assert_near(const char *what, const float *found, const float *expected, int64_t n, double most)
{
	double worst = 0;
	for (int64_t i = 0; i < n; i++) {
		double d = fabs((double)found[i] - expected[i]);
		if (!(d <= worst)) worst = d; /* NaN too */
	}
	if (!(worst <= most)) fail_msg("%s is off by %g, at most %g is allowed", what, worst, most);
}

/* ---- a decoder on one backend ---------------------------------------------------------------------- */

typedef struct decoder {
	vita_context *context;
	const vita_host *host;
	const vita_device *device;
	vita_codec codec;
} decoder;

static bool open_device(decoder *d, const char *backend)
{
	char setting[64];
	vita_config *config;
	memset(d, 0, sizeof *d);
	(void)snprintf(setting, sizeof setting, "backend.name=%s", backend);
	ok(vita_config_create(&config, &err));
	ok(vita_config_set(config, setting, &err));
	ok(vita_config_set(config, "backend.threads=1", &err)); /* of so small a model more would only wait for each other */
	ok(vita_context_create(config, NULL, NULL, &d->context, &err));
	vita_config_destroy(config);
	d->host = vita_context_host(d->context);
	if (vita_context_device_open(d->context, "codec", &d->device, &err) == VITA_OK) return true;
	vita_context_destroy(d->context);
	return false;
}

static bool open_decoder_as(decoder *d, const char *backend, uint32_t steps, uint32_t dtype)
{
	flow_config flow;
	hift_config hift;
	vita_model *hift_model;
	vita_codec *c = &d->codec;
	if (!open_device(d, backend)) return false;
	c->host = d->host;
	c->device = d->device;
	c->store = (weight_store){ .host = d->host, .device = d->device };
	c->gain = 1;
	c->whole_codes = WHOLE_CODES, c->piece_codes = PIECE_CODES;
	ok(d->host->model_open(d->host->context, golden("."), 0, &c->directory, &err));
	ok(d->host->model_open(d->host->context, golden("flow.pt"), 0, &c->flow_model, &err));
	ok(d->host->model_open(d->host->context, golden("hift.pt"), 0, &hift_model, &err));
	ok(flow_config_read(d->host, c->directory, &flow, &err));
	ok(hift_config_read(d->host, c->directory, &hift, &err));
	loader l = { .store = &c->store, .model = c->flow_model, .prefix = "", .dtype = dtype, .err = &err };
	flow_load(&l, &flow, steps, &c->flow);
	ok(l.status);
	l.model = hift_model;
	l.copy = 1;
	hift_load(&l, &hift, c->flow.encoder.mel, &c->hift);
	ok(l.status);
	d->host->model_close(d->host->context, hift_model);
	c->noise.mel = c->flow.encoder.mel;
	c->noise.n_sines = hift.harmonics + 1;
	c->noise.frame_samples = hift.frame_samples;
	return true;
}

static bool open_decoder(decoder *d, const char *backend, uint32_t steps)
{
	return open_decoder_as(d, backend, steps, VITA_F32);
}

static void close_decoder(decoder *d)
{
	vita_codec *c = &d->codec;
	hift_close(&c->hift);
	weight_store_free(&c->store);
	d->host->model_close(d->host->context, c->flow_model);
	d->host->model_close(d->host->context, c->directory);
	vita_context_device_close(d->context, d->device);
	vita_context_destroy(d->context);
}

/* ---- frames and noise ------------------------------------------------------------------------------ */

static void test_frames(void **state)
{
	json_t *g = json_load_file(golden("golden.json"), 0, NULL), *list;
	flow f = { .config = { .frame_rate = 12.5 } };
	(void)state;
	assert_non_null(g);
	list = json_object_get(g, "feat_len_for_tokens_1_to_600");
	assert_int_equal(json_array_size(list), 600);
	for (size_t i = 0; i < 600; i++)
		assert_int_equal(flow_frames(&f, (int64_t)i + 1), json_integer_value(json_array_get(list, i)));
	assert_int_equal(flow_frames(&f, 3392), 441 * 3392 / 64 - 1); /* where f32 loses a frame */
	json_decref(g);
}

/* Numbers that PyTorch draws for seed 42 and 172 frames. */
static void test_noise(void **state)
{
	static const float first[] = { 1.9269153f, 1.4872841f, 0.9007172f, -2.1055210f, 0.6784185f, -1.2345449f };
	static const float last[] = { 2.3401425f, -0.0484793f, -0.7687067f };
	static const float phases[] = { 0, 0.0221229f, 1.3015735f, -1.6872557f };
	static const float alone[] = { 0, 2.6075470f, -0.7359886f, 2.8859026f };
	static const float sines[] = { -0.5825293f, -1.1421244f, 0.4945800f };
	const noise n = { .mel = 80, .n_sines = 9, .frame_samples = 256, .seed = 42 };
	float *z = calloc(80 * 172, sizeof *z), *g = calloc(9 * 512, sizeof *g), *again = calloc(9 * 512, sizeof *g);
	noise_stream *s = calloc(1, sizeof *s);
	(void)state;
	assert_true(z && g && again && s);
	noise_begin(s, &n, 172, z);
	assert_near("z", z, first, 6, 1e-6);
	assert_near("z", z + 80 * 172 - 3, last, 3, 1e-6);
	assert_near("phases", s->phase, phases, 4, 1e-6);
	noise_samples(s, 512, g);
	assert_near("source noise", g, sines, 3, 1e-6);

	/* A stream's numbers depend on their place alone, and spread as a normal distribution does. */
	noise_begin(s, &n, -1, NULL);
	assert_near("phases", s->phase, alone, 4, 1e-6);
	noise_frames(s, 0, 172, z);
	noise_frames(s, 100, 20, g);
	for (int c = 0; c < 80; c++) assert_memory_equal(g + c * 20, z + c * 172 + 100, 20 * sizeof *g);
	double sum = 0, squares = 0;
	for (int i = 0; i < 80 * 172; i++) sum += z[i], squares += (double)z[i] * z[i];
	assert_true(fabs(sum / (80 * 172)) < 0.03 && fabs(squares / (80 * 172) - 1) < 0.05);
	/* And seeds that follow each other have nothing in common. */
	const noise next = { .mel = 80, .n_sines = 9, .frame_samples = 256, .seed = 43 };
	noise_begin(s, &next, -1, NULL);
	noise_frames(s, 0, 20, g);
	for (int c = 0; c < 80; c++)
		for (int i = 0; i < 80; i++) assert_memory_not_equal(g + c * 20, z + i * 172, 20 * sizeof *g);
	noise_begin(s, &n, -1, NULL);
	noise_samples(s, 512, g);
	noise_begin(s, &n, -1, NULL);
	noise_samples(s, 256, again);
	noise_samples(s, 256, again + 9 * 256);
	for (int k = 0; k < 9; k++) {
		assert_memory_equal(g + k * 512, again + k * 256, 256 * sizeof *g);
		assert_memory_equal(g + k * 512 + 256, again + 9 * 256 + k * 256, 256 * sizeof *g);
	}
	free(z), free(g), free(again), free(s);
}

/* ---- the spectrogram ------------------------------------------------------------------------------- */

static void run_flow(const decoder *d, const int32_t *codes, int64_t n, const float *z, const float *prompt, int64_t known,
                     int64_t frames, float *mel)
{
	const flow *f = &d->codec.flow;
	int32_t *sources = calloc((size_t)frames, sizeof *sources);
	flow_space *s = calloc(1, sizeof *s);
	const int64_t prompt_codes = known ? 8 : 0;
	assert_true(sources && s);
	/* The reference stretches prompt and rest apart. */
	for (int64_t i = 0; i < frames; i++) {
		const int64_t first = i < known ? 0 : prompt_codes, end = i < known ? prompt_codes : n, t = i < known ? i : i - known;
		const int64_t m = i < known ? known : frames - known;
		const int64_t code = (int64_t)((float)t * ((float)(end - first) / (float)m));
		sources[i] = (int32_t)(first + (code < end - first ? code : end - first - 1));
	}
	const flow_input in = { .codes = codes, .sources = sources, .noise = z, .prompt = prompt, .n_codes = n, .n_frames = frames,
		                .prompt_frames = known };
	ok(flow_run(f, d->host, d->device, s, &in, NULL, mel, &err));
	flow_space_free(d->device, s);
	free(sources);
	free(s);
}

static void check_flow(const char *backend, uint32_t steps, uint32_t dtype, const char *name, double most)
{
	decoder *d = calloc(1, sizeof *d);
	numbers n = open_numbers("golden_flow.safetensors");
	int64_t size;
	char what[64];
	assert_non_null(d);
	if (open_decoder_as(d, backend, steps, dtype)) {
		const float *expected = values(&n, name, &size);
		float *mel = calloc((size_t)size, sizeof *mel);
		assert_non_null(mel);
		assert_int_equal(d->codec.flow.estimator.stage[0].transformer[0].k.weight.dtype, dtype);
		run_flow(d, (const int32_t *)(const void *)values(&n, "tokens", NULL), 25, values(&n, "flow10.z", NULL), NULL, 0, 172,
		         mel);
		(void)snprintf(what, sizeof what, "%s on %s, type %u", name, backend, (unsigned)dtype);
		assert_near(what, mel, expected, size, most);
		free(mel);
		close_decoder(d);
	}
	vita_model_close(n.model);
	free(d);
}

static void test_flow(void **state)
{
	(void)state;
	for (size_t b = 0; b < N_BACKENDS; b++) {
		check_flow(backends[b], 1, VITA_F32, "flow1.mel", 1e-4);
		check_flow(backends[b], 5, VITA_F32, "flow5.mel", 1e-4);
		check_flow(backends[b], 10, VITA_F32, "flow10.mel", 1e-4);
	}
}

/* Matrices in fewer bits, what is no matrix in f16. */
static void test_dtypes(void **state)
{
	(void)state;
	for (size_t b = 0; b < N_BACKENDS; b++) {
		check_flow(backends[b], 5, VITA_F16, "flow5.mel", 0.02);
		check_flow(backends[b], 5, VITA_Q8_0, "flow5.mel", 0.2);
	}
}

static void check_sound(const char *backend, const char *file, double most_source, double most_wav)
{
	decoder *d = calloc(1, sizeof *d);
	numbers n = open_numbers(file);
	hift_space *s = calloc(1, sizeof *s);
	int64_t frames, samples;
	assert_true(d && s);
	if (open_decoder(d, backend, 1)) {
		const hift *h = &d->codec.hift;
		vita_array phase, noise;
		source_state source = { { 0 } };
		float zero_phase[MOST_SINES] = { 0 };
		const float *f0 = values(&n, "f0", &frames), *wav = values(&n, "wav", &samples);
		float *found = calloc((size_t)samples * 3, sizeof *found), *g = calloc((size_t)samples * 9, sizeof *g);
		assert_true(found && g);
		VITA_INIT(&phase);
		VITA_INIT(&noise);
		if (vita_model_tensor(n.model, "phase_uniform", 0, NULL, &phase, &err) == VITA_OK)
			memcpy(zero_phase + 1, (const float *)phase.data + 1, 8 * sizeof(float));
		if (vita_model_tensor(n.model, "sine_noise_randn", 0, NULL, &noise, &err) == VITA_OK)
			memcpy(g, noise.data, (size_t)noise.size_bytes);
		ok(hift_f0(h, d->device, s, values(&n, "mel", NULL), frames, found, &err));
		assert_near("f0", found, f0, frames, 1e-2);
		source_make(&h->config, &h->mix, &source, zero_phase, found, g, frames, found + samples);
		assert_near("source", found + samples, values(&n, "source", NULL), samples, most_source);
		ok(hift_wave(h, d->host, d->device, s, found + samples, found + 2 * samples, &err));
		assert_near("wav", found + 2 * samples, wav, samples, most_wav);
		/* With the reference's own source nothing is left of the phase's rounding. */
		ok(hift_f0(h, d->device, s, values(&n, "mel", NULL), frames, found, &err));
		ok(hift_wave(h, d->host, d->device, s, values(&n, "source", NULL), found + 2 * samples, &err));
		assert_near("wav of the golden source", found + 2 * samples, wav, samples, 1e-5);
		hift_space_free(d->device, s);
		free(found);
		free(g);
		close_decoder(d);
	}
	vita_model_close(n.model);
	free(d);
	free(s);
}

static void test_sound(void **state)
{
	(void)state;
	for (size_t b = 0; b < N_BACKENDS; b++) {
		check_sound(backends[b], "golden_hift_zero.safetensors", 2e-3, 1e-3);
		check_sound(backends[b], "golden_hift_random.safetensors", 2e-3, 1e-3);
	}
}

/* ---- windows and streams --------------------------------------------------------------------------- */

/* The vocoder gives in a window what it gives in the whole, away from the window's ends. */
static void test_window(void **state)
{
	decoder *d = calloc(1, sizeof *d);
	hift_space *s = calloc(1, sizeof *s);
	const int64_t all = 70, first = 20, n = 45, samples = 256; /* the window's frames, HIFT_REACH of them at each end */
	float *mel = calloc(80 * 70, sizeof *mel), *part = calloc(80 * 45, sizeof *part), *f0 = calloc(70, sizeof *f0);
	float *part_f0 = calloc(45, sizeof *f0), *source = calloc(70 * 256, sizeof *source);
	float *whole = calloc(70 * 256, sizeof *whole), *window = calloc(45 * 256, sizeof *window);
	numbers golden_flow = open_numbers("golden_flow.safetensors");
	const float *from = values(&golden_flow, "flow10.mel", NULL);
	(void)state;
	assert_true(d && s && mel && part && f0 && part_f0 && source && whole && window);
	assert_true(open_decoder(d, "reference", 1));
	for (int64_t c = 0; c < 80; c++) {
		memcpy(mel + c * all, from + c * 172, (size_t)all * sizeof *mel);
		memcpy(part + c * n, mel + c * all + first, (size_t)n * sizeof *mel);
	}
	for (int64_t i = 0; i < all * samples; i++) source[i] = (float)(0.1 * sin(0.05 * (double)i));
	ok(hift_f0(&d->codec.hift, d->device, s, mel, all, f0, &err));
	ok(hift_wave(&d->codec.hift, d->host, d->device, s, source, whole, &err));
	ok(hift_f0(&d->codec.hift, d->device, s, part, n, part_f0, &err));
	ok(hift_wave(&d->codec.hift, d->host, d->device, s, source + first * samples, window, &err));
	assert_near("f0 in a window", part_f0 + 5, f0 + first + 5, n - 10, 1e-4);
	assert_near("sound in a window", window + HIFT_REACH * samples, whole + (first + HIFT_REACH) * samples,
	            (n - 2 * HIFT_REACH) * samples, 1e-6);
	hift_space_free(d->device, s);
	close_decoder(d);
	vita_model_close(golden_flow.model);
	free(mel), free(part), free(f0), free(part_f0), free(source), free(whole), free(window), free(d), free(s);
}

/* Everything that a stream gives until it ends. */
static uint64_t pull_all(vita_codec_stream *s, float *pcm, uint64_t at, uint64_t capacity)
{
	uint64_t n = 0;
	while (stream_pull(s, pcm + at, capacity - at, &n, &err) == VITA_OK && n > 0) at += n;
	return at;
}

/* Chunks of these sizes (the last repeats) of 60 codes; how many samples came before the last chunk. */
static uint64_t stream_chunks(decoder *d, const int64_t *sizes, int n_sizes, float *pcm)
{
	const uint64_t total = (uint64_t)flow_frames(&d->codec.flow, 60) * 256;
	vita_codec_stream *s;
	int32_t codes[60];
	uint64_t got = 0, before = 0;
	for (int i = 0; i < 60; i++) codes[i] = (i * 37 + 11) % 128;
	ok(stream_open(&d->codec, &s, &err));
	for (int64_t at = 0, k = 0; at < 60; k++) {
		const int64_t size = sizes[k < n_sizes ? k : n_sizes - 1], n = size < 60 - at ? size : 60 - at;
		before = got;
		ok(stream_push(s, codes + at, (uint64_t)n, at + n == 60, NULL, &err));
		got = pull_all(s, pcm, got, total);
		at += n;
	}
	uint64_t n;
	assert_int_equal(stream_pull(s, pcm, 1, &n, &err), VITA_END);
	assert_int_equal(stream_push(s, codes, 1, 0, NULL, &err), VITA_E_STATE);
	assert_int_equal(got, total);
	stream_close(s);
	return before;
}

static void test_stream(void **state)
{
	static const int64_t whole[] = { 60 }, small[] = { 1 }, growing[] = { 8, 16, 32 }, late[] = { 59, 1 };
	static const int64_t contexts[] = { 0, 3, 30 }, overlaps[] = { 0, 2, 5 };
	decoder *d = calloc(1, sizeof *d);
	const uint64_t total = 413 * 256;
	float *pcm = calloc(total, sizeof *pcm);
	vita_codec_stream *s;
	int32_t bad[3] = { 1, 128, 2 };
	uint64_t n;
	(void)state;
	assert_true(d && pcm && open_decoder(d, "cpu", 1));
	d->codec.noise.seed = 7;
	for (int i = 0; i < 3; i++) {
		d->codec.context = contexts[i];
		d->codec.overlap = flow_frames(&d->codec.flow, overlaps[i]);
		assert_int_equal(stream_chunks(d, whole, 1, pcm), 0);
		assert_true(stream_chunks(d, small, 1, pcm) > 200 * 256);
		assert_true(stream_chunks(d, growing, 3, pcm) > 200 * 256);
		assert_true(stream_chunks(d, late, 2, pcm) > 200 * 256);
	}
	ok(stream_open(&d->codec, &s, &err));
	assert_int_equal(stream_push(s, bad, 3, 1, NULL, &err), VITA_E_INVALID);
	stream_close(s);
	ok(stream_open(&d->codec, &s, &err)); /* a speech of nothing */
	ok(stream_push(s, NULL, 0, 1, NULL, &err));
	assert_int_equal(stream_pull(s, pcm, 1, &n, &err), VITA_END);
	stream_close(s);
	close_decoder(d);
	free(pcm);
	free(d);
}

/* What is pushed at once and is too long gives, bit for bit, what its pieces give; what is just not too long is one chunk. */
static void test_pieces(void **state)
{
	static const int64_t whole[] = { 60 }, pieces[] = { 8 };
	decoder *d = calloc(1, sizeof *d);
	const size_t total = 413 * 256;
	float *pcm[4];
	(void)state;
	for (int i = 0; i < 4; i++) assert_non_null(pcm[i] = calloc(total, sizeof *pcm[i]));
	assert_true(d && open_decoder(d, "cpu", 1));
	d->codec.noise.seed = 7;
	d->codec.context = 3;
	d->codec.overlap = flow_frames(&d->codec.flow, 2);
	(void)stream_chunks(d, whole, 1, pcm[0]);
	(void)stream_chunks(d, pieces, 1, pcm[1]);
	d->codec.piece_codes = 8;
	d->codec.whole_codes = 60;
	(void)stream_chunks(d, whole, 1, pcm[2]);
	d->codec.whole_codes = 59;
	(void)stream_chunks(d, whole, 1, pcm[3]);
	assert_memory_equal(pcm[2], pcm[0], total * sizeof *pcm[0]);
	assert_memory_equal(pcm[3], pcm[1], total * sizeof *pcm[1]);
	assert_true(memcmp(pcm[0], pcm[1], total * sizeof *pcm[0]) != 0);
	close_decoder(d);
	for (int i = 0; i < 4; i++) free(pcm[i]);
	free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_flow),
		cmocka_unit_test(test_dtypes),
		cmocka_unit_test(test_sound),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_pieces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
