/* SPDX-License-Identifier: MIT
 *
 * Encoder sensevoice up to its first layer: am.mvn, filter banks, stacked frames and positions, against the reference's
 * numbers and against written-out definitions.
 */
#include "sensevoice_support.h"

#include "cmvn.h"
#include "frontend.h"
#include "sensevoice.h"

#include <vita/blocks.h>

#include <jansson.h>

/* ---- a host for the parts ------------------------------------------------------------------------- */

static void *allocate(void *context, uint64_t size)
{
	(void)context;
	return malloc((size_t)size);
}

static void *reallocate(void *context, void *memory, uint64_t size)
{
	(void)context;
	return realloc(memory, (size_t)size);
}

static void release(void *context, void *memory)
{
	(void)context;
	free(memory);
}

static const vita_host host = {
	.struct_size = sizeof host,
	.abi_major = VITA_ABI_MAJOR,
	.allocate = allocate,
	.reallocate = reallocate,
	.release = release,
};

/* ---- am.mvn --------------------------------------------------------------------------------------- */

static void test_cmvn_golden(void **state)
{
	(void)state;
	vita_error err;
	static float shift[FEATURE_WIDTH], scale[FEATURE_WIDTH];
	ok(cmvn_read(&host, golden_path("am.mvn"), FEATURE_WIDTH, shift, scale, &err), &err);
	assert_true(shift[0] == -10.0157f && shift[1] == -11.0399f);
	assert_true(scale[0] == 0.14236f && scale[1] == 0.136312f);
	assert_int_equal(cmvn_read(&host, golden_path("none"), FEATURE_WIDTH, shift, scale, &err),
			 VITA_E_NOTFOUND);
	assert_int_equal(cmvn_read(&host, golden_path("."), FEATURE_WIDTH, shift, scale, &err), VITA_E_IO);
	assert_non_null(strstr(err.message, "is not a regular file"));
}

static void test_cmvn_any_locale(void **state)
{
	(void)state;
	vita_error err;
	static float shift[FEATURE_WIDTH], scale[FEATURE_WIDTH];
	unit_comma_locale();
	vita_status status = cmvn_read(&host, golden_path("am.mvn"), FEATURE_WIDTH, shift, scale, &err);
	(void)setlocale(LC_ALL, "C");
	ok(status, &err);
	assert_true(shift[0] == -10.0157f && scale[1] == 0.136312f);
}

/* The text in memory of exactly its size, so that a sanitizer sees who reads on. */
static vita_status parse(const char *text, uint32_t n, float *shift, float *scale, vita_error *err)
{
	size_t size = strlen(text);
	char *copy = malloc(size + 1);
	assert_non_null(copy);
	char *exact = realloc(copy, size ? size : 1);
	assert_non_null(exact);
	memcpy(exact, text, size);
	vita_status status = cmvn_parse("am.mvn", exact, size, n, shift, scale, err);
	free(exact);
	return status;
}

static void test_cmvn_text(void **state)
{
	(void)state;
	vita_error err;
	float shift[2], scale[2];
	static const char *const good[] = {
		"<Nnet> \n<Splice> 2 2\n[ 0 ]\n<AddShift> 2 2 \n<LearnRateCoef> 0 [ 1 -2.5e0 ]\n<Rescale> 2 "
		"2 \n"
		"<LearnRateCoef> 0 [ .5 4 ]\n</Nnet> \n",
		"<AddShift> 2 2\r\n<LearnRateCoef> 0 [\t1\r\n  -2.5   ]\r\n<Rescale> 2 2\r\n[ 0.5 4 ]",
	};
	static const struct {
		const char *text, *says;
	} bad[] = {
		{"", "<AddShift>"},
		{"<AddShift>", "["},
		{"<AddShift> [ 1 2 ]", "<Rescale>"},
		{"<AddShift> <Rescale> [ 1 2 ]", "["},
		{"<AddShift> [ 1 ] <Rescale> [ 1 2 ]", "1 numbers"},
		{"<AddShift> [ 1 2 3 ] <Rescale> [ 1 2 ]", "3 numbers"},
		{"<AddShift> [ 1 2 ] <Rescale> [ 1 2", "]"},
		{"<AddShift> [ 1 nan ] <Rescale> [ 1 2 ]", "nan"},
		{"<AddShift> [ 1 2x ] <Rescale> [ 1 2 ]", "2x"},
		{"<AddShift> [ 1 1e999 ] <Rescale> [ 1 2 ]", "1e999"},
	};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		ok(parse(good[i], 2, shift, scale, &err), &err);
		assert_true(shift[0] == 1 && shift[1] == -2.5f && scale[0] == 0.5f && scale[1] == 4);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(parse(bad[i].text, 2, shift, scale, &err), VITA_E_FORMAT);
		assert_non_null(strstr(err.message, bad[i].says));
	}
}

/* ---- filter banks and rows ------------------------------------------------------------------------ */

/* All rows of a recording that comes in chunks of this size; the caller frees. */
static float *rows_of(const frontend_config *config, const float *pcm, uint64_t n, uint64_t chunk,
		      uint64_t *n_rows)
{
	vita_error err;
	frontend f;
	ok(frontend_open(&f, &host, config, &err), &err);
	for (uint64_t at = 0; at < n; at += chunk)
		ok(frontend_push(&f, pcm + at, n - at < chunk ? n - at : chunk, at + chunk >= n, &err), &err);
	float *rows = f.rows;
	*n_rows = f.n_rows;
	f.rows = NULL;
	frontend_close(&f);
	return rows;
}

static frontend_config *plain_config(void)
{
	frontend_config *config = calloc(1, sizeof *config);
	assert_non_null(config);
	for (int i = 0; i < FEATURE_WIDTH; i++)
		config->scale[i] = 1;
	return config;
}

static void test_features_golden(void **state)
{
	(void)state;
	static const char *const names[] = {"speech", "synth"};
	static float pcm[MAX_SAMPLES];
	vita_error err;
	vita_model *golden = open_golden("features.safetensors");
	frontend_config *plain = plain_config(), *trained = plain_config();
	ok(cmvn_read(&host, golden_path("am.mvn"), FEATURE_WIDTH, trained->shift, trained->scale, &err),
	   &err);
	for (int i = 0; i < 2; i++) {
		char name[32];
		uint64_t n_rows;
		(void)snprintf(name, sizeof name, "%s.wav", names[i]);
		uint64_t n = read_wav(name, pcm);
		(void)snprintf(name, sizeof name, "%s.lfr", names[i]);
		vita_array lfr = tensor(golden, name);
		float *rows = rows_of(plain, pcm, n, n, &n_rows);
		assert_int_equal(n_rows, lfr.shape[0]);
		assert_true(worst(rows, lfr.data, n_rows * FEATURE_WIDTH) < 5e-4f);
		free(rows);
		(void)snprintf(name, sizeof name, "%s.feats", names[i]);
		vita_array feats = tensor(golden, name);
		rows = rows_of(trained, pcm, n, n, &n_rows);
		assert_true(worst(rows, feats.data, n_rows * FEATURE_WIDTH) < 2e-4f);
		for (uint64_t chunk = 1; chunk < 2000; chunk = chunk * 3 + 1) {
			uint64_t n_chunked;
			float *chunked = rows_of(trained, pcm, n, chunk, &n_chunked);
			assert_int_equal(n_chunked, n_rows);
			assert_memory_equal(chunked, rows, n_rows * FEATURE_WIDTH * sizeof *rows);
			free(chunked);
		}
		free(rows);
	}
	free(plain);
	free(trained);
	vita_model_close(golden);
}

/* Shorter than a frame: the reference shortens the frame. */
static void test_short_golden(void **state)
{
	(void)state;
	vita_error err;
	uint64_t n_rows;
	vita_model *golden = open_golden("features.safetensors");
	vita_array wave = tensor(golden, "short.wave"), feats = tensor(golden, "short.feats");
	frontend_config *trained = plain_config();
	ok(cmvn_read(&host, golden_path("am.mvn"), FEATURE_WIDTH, trained->shift, trained->scale, &err),
	   &err);
	float *rows = rows_of(trained, wave.data, (uint64_t)wave.shape[0], 100, &n_rows);
	assert_int_equal(n_rows, 1);
	assert_true(worst(rows, feats.data, FEATURE_WIDTH) < 2e-4f);
	free(rows);
	/* The shortest are odd, but defined. */
	for (uint64_t n = 2; n < 400; n += 7) {
		rows = rows_of(trained, wave.data, n < 300 ? n : 300, 1, &n_rows);
		assert_int_equal(n_rows, 1);
		for (int i = 0; i < FEATURE_WIDTH; i++)
			assert_true(isfinite(rows[i]));
		free(rows);
	}
	frontend f;
	float one = 1;
	ok(frontend_open(&f, &host, trained, &err), &err);
	assert_int_equal(frontend_push(&f, &one, 1, 1, &err), VITA_E_INVALID);
	frontend_close(&f);
	ok(frontend_open(&f, &host, trained, &err), &err);
	ok(frontend_push(&f, NULL, 0, 1, &err), &err);
	assert_int_equal(f.n_rows, 0);
	frontend_close(&f);
	free(trained);
	vita_model_close(golden);
}

/* Numbers of the specification: two tones of 440 Hz and 3 kHz. */
static void test_two_tones(void **state)
{
	(void)state;
	static const struct {
		int frame, band;
		float value;
	} expected[] = {
		{0, 0, 12.5967f},   {0, 1, 13.4553f},   {0, 40, 12.9946f},  {50, 10, 12.4496f},
		{50, 12, 21.1632f}, {50, 13, 24.4044f}, {50, 79, 13.7262f}, {97, 79, 13.0261f},
	};
	static float pcm[16000];
	vita_error err;
	fbank *bank;
	for (int i = 0; i < 16000; i++)
		pcm[i] = (float)(0.5 * sin(6.283185307179586 * 440 * i / 16000) +
				 0.1 * sin(6.283185307179586 * 3000 * i / 16000)) *
			 32768;
	ok(fbank_create(&host, FBANK_WINDOW, &bank, &err), &err);
	for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
		float bands[FBANK_BANDS];
		fbank_frame(bank, pcm + expected[i].frame * FBANK_SHIFT, bands);
		assert_true(fabsf(bands[expected[i].band] - expected[i].value) < 1e-3f);
	}
	fbank_destroy(bank);
}

/* Which frame each place of a row takes, for recordings of 1 … 32 frames. */
static void test_stacking(void **state)
{
	(void)state;
	vita_error err;
	static float pcm[MAX_SAMPLES], frames[32][FBANK_BANDS];
	json_error_t why;
	json_t *golden = json_load_file(golden_path("golden.json"), 0, &why);
	json_t *table = json_object_get(golden, "lfr_frame_index_for_T_1_to_32");
	frontend_config *plain = plain_config();
	fbank *bank;
	assert_int_equal(json_object_size(table), 32);
	uint32_t x = 1;
	for (int i = 0; i < MAX_SAMPLES; i++) {
		x = x * 1664525u + 1013904223u;
		pcm[i] = (float)(int32_t)x / 2147483648.0f;
	}
	ok(fbank_create(&host, FBANK_WINDOW, &bank, &err), &err);
	for (int t = 0; t < 32; t++) {
		float samples[FBANK_WINDOW];
		for (int i = 0; i < FBANK_WINDOW; i++)
			samples[i] = pcm[t * FBANK_SHIFT + i] * 32768;
		fbank_frame(bank, samples, frames[t]);
	}
	fbank_destroy(bank);
	for (int n = 1; n <= 32; n++) {
		char key[8];
		uint64_t n_rows, n_samples = (uint64_t)(FBANK_WINDOW + (n - 1) * FBANK_SHIFT + n % 160);
		(void)snprintf(key, sizeof key, "%d", n);
		json_t *wanted = json_object_get(table, key);
		float *rows = rows_of(plain, pcm, n_samples, 333, &n_rows);
		assert_int_equal(n_rows, json_array_size(wanted));
		for (uint64_t i = 0; i < n_rows; i++)
			for (size_t j = 0; j < LFR_FRAMES; j++) {
				json_t *index = json_array_get(json_array_get(wanted, i), j);
				assert_memory_equal(rows + i * FEATURE_WIDTH + j * FBANK_BANDS,
						    frames[json_integer_value(index)], sizeof frames[0]);
			}
		free(rows);
	}
	free(plain);
	json_decref(golden);
}

static void test_dither(void **state)
{
	(void)state;
	static float silence[8000], sound[8000];
	frontend_config *config = plain_config();
	uint64_t n;
	for (int i = 0; i < 8000; i++)
		sound[i] = i < 4000 ? 0 : 0.25f * sinf((float)i);
	float *off = rows_of(config, silence, 8000, 8000, &n);
	for (uint64_t i = 0; i < n * FEATURE_WIDTH; i++)
		assert_true(fabsf(off[i] + 15.9424f) < 1e-3f);
	config->dither = DITHER_SILENCE;
	float *quiet = rows_of(config, silence, 8000, 8000, &n),
	      *again = rows_of(config, silence, 8000, 37, &n);
	double mean = 0;
	for (uint64_t i = 0; i < n * FEATURE_WIDTH; i++)
		mean += quiet[i] / (double)(n * FEATURE_WIDTH);
	assert_true(mean > 3.5 && mean < 5.5); /* about 4.4, says the specification */
	assert_memory_equal(quiet, again, n * FEATURE_WIDTH * sizeof *quiet);
	config->seed = 1;
	float *other = rows_of(config, silence, 8000, 8000, &n);
	assert_true(worst(quiet, other, n * FEATURE_WIDTH) > 0.5f);
	/* Sound stays as it is unless all frames are meant. */
	float *touched = rows_of(config, sound, 8000, 8000, &n);
	config->dither = DITHER_OFF;
	float *untouched = rows_of(config, sound, 8000, 8000, &n);
	assert_memory_equal(touched + (n - 2) * FEATURE_WIDTH, untouched + (n - 2) * FEATURE_WIDTH,
			    FEATURE_WIDTH * sizeof *touched);
	assert_true(worst(touched, untouched, FEATURE_WIDTH) > 5);
	config->dither = DITHER_ALL;
	float *all = rows_of(config, sound, 8000, 8000, &n);
	float apart =
		worst(all + (n - 2) * FEATURE_WIDTH, untouched + (n - 2) * FEATURE_WIDTH, FEATURE_WIDTH);
	assert_true(apart > 0 && apart < 1);
	free(off), free(quiet), free(again), free(other), free(touched), free(untouched), free(all);
	free(config);
}

/* ---- positions ------------------------------------------------------------------------------------ */

static void test_positions(void **state)
{
	(void)state;
	static const struct {
		uint64_t position;
		int column;
		float value;
	} expected[] = {
		{1, 0, 0.8414710f},   {1, 1, 0.8234852f},   {1, 2, 0.8052568f},    {1, 280, 0.5403023f},
		{1, 281, 0.5673378f}, {1, 282, 0.5929262f}, {17, 100, 0.5861215f},
	};
	float row[FEATURE_WIDTH], gpu[FEATURE_WIDTH], cpu[FEATURE_WIDTH];
	for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
		sensevoice_position(POSITIONS_F32, expected[i].position, row);
		assert_true(fabsf(row[expected[i].column] - expected[i].value) < 1e-6f);
	}
	/* The recipe, with its two increments spelled out. */
	static const struct {
		positions how;
		float increment;
	} modes[] = {{POSITIONS_BF16, 0.032958984375f}, {POSITIONS_BF16_CPU, 0.03271484375f}};
	for (int m = 0; m < 2; m++) {
		sensevoice_position(modes[m].how, 50, row);
		for (int c = 0; c < 280; c++) {
			float exponent = vita_bf16_to_f32(vita_f32_to_bf16(
				vita_bf16_to_f32(vita_f32_to_bf16((float)c)) * -modes[m].increment));
			float w = vita_bf16_to_f32(vita_f32_to_bf16((float)exp(exponent)));
			float angle = vita_bf16_to_f32(vita_f32_to_bf16(50 * w));
			assert_true(row[c] == vita_bf16_to_f32(vita_f32_to_bf16((float)sin(angle))));
			assert_true(row[280 + c] == vita_bf16_to_f32(vita_f32_to_bf16((float)cos(angle))));
		}
	}
	/* Mean error of the CPU's table: 0.03, 0.07, 0.16 and 0.35. */
	static const struct {
		uint64_t position;
		double error;
	} errors[] = {{50, 0.03}, {100, 0.07}, {256, 0.16}, {600, 0.35}};
	for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
		double error = 0;
		sensevoice_position(POSITIONS_F32, errors[i].position, row);
		sensevoice_position(POSITIONS_BF16_CPU, errors[i].position, cpu);
		for (int c = 0; c < FEATURE_WIDTH; c++)
			error += fabs(row[c] - cpu[c]) / FEATURE_WIDTH;
		assert_true(fabs(error - errors[i].error) < 0.2 * errors[i].error);
	}
	/* Beyond 256 bf16 knows even numbers only, and rounds ties to the even one. */
	sensevoice_position(POSITIONS_BF16, 260, gpu);
	sensevoice_position(POSITIONS_BF16, 259, cpu);
	assert_memory_equal(gpu, cpu, sizeof gpu);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cmvn_golden), cmocka_unit_test(test_cmvn_any_locale),
		cmocka_unit_test(test_cmvn_text), cmocka_unit_test(test_features_golden),
		cmocka_unit_test(test_short_golden), cmocka_unit_test(test_two_tones), cmocka_unit_test(test_stacking),
		cmocka_unit_test(test_dither), cmocka_unit_test(test_positions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
