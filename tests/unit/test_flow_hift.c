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

static const char *const backends[] = { "reference", "cpu" };
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
	ok(vita_context_create(config, NULL, NULL, &d->context, &err));
	vita_config_destroy(config);
	d->host = vita_context_host(d->context);
	if (vita_context_device_open(d->context, "codec", &d->device, &err) == VITA_OK) return true;
	vita_context_destroy(d->context);
	return false;
}

static bool open_decoder(decoder *d, const char *backend, uint32_t steps)
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
	ok(d->host->model_open(d->host->context, golden("."), 0, &c->directory, &err));
	ok(d->host->model_open(d->host->context, golden("flow.pt"), 0, &c->flow_model, &err));
	ok(d->host->model_open(d->host->context, golden("hift.pt"), 0, &hift_model, &err));
	ok(flow_config_read(d->host, c->directory, &flow, &err));
	ok(hift_config_read(d->host, c->directory, &hift, &err));
	loader l = { .store = &c->store, .model = c->flow_model, .prefix = "", .dtype = VITA_F32, .err = &err };
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

static void check_flow(const char *backend, uint32_t steps, const char *name)
{
	decoder *d = calloc(1, sizeof *d);
	numbers n = open_numbers("golden_flow.safetensors");
	int64_t size;
	char what[64];
	assert_non_null(d);
	if (open_decoder(d, backend, steps)) {
		const float *expected = values(&n, name, &size);
		float *mel = calloc((size_t)size, sizeof *mel);
		assert_non_null(mel);
		run_flow(d, (const int32_t *)(const void *)values(&n, "tokens", NULL), 25, values(&n, "flow10.z", NULL), NULL, 0, 172,
		         mel);
		(void)snprintf(what, sizeof what, "%s on %s", name, backend);
		assert_near(what, mel, expected, size, 1e-4);
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
		check_flow(backends[b], 1, "flow1.mel");
		check_flow(backends[b], 5, "flow5.mel");
		check_flow(backends[b], 10, "flow10.mel");
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_flow),
		cmocka_unit_test(test_sound),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
