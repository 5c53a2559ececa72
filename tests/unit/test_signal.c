/* SPDX-License-Identifier: MIT
 *
 * The signal front end of our plugins: transforms, frames, windows, overlap and add, mel filters.
 */
#include "unit.h"

#include "mel_bank.h"
#include "stft.h"

#include <math.h>
#include <stdlib.h>

#define PI 3.14159265358979323846

/* ---- a host that has nothing but memory ----------------------------------------------------------- */

static void *take(void *context, uint64_t size)
{
	(void)context;
	return malloc((size_t)size);
}

static void release(void *context, void *memory)
{
	(void)context;
	free(memory);
}

static const vita_host host = {.struct_size = sizeof host, .allocate = take, .release = release};

static uint32_t seed;

static float noise(void)
{
	seed = seed * 1664525u + 1013904223u;
	return (float)(seed >> 8) / 8388608.0f - 1.0f;
}

/* ---- transforms ------------------------------------------------------------------------------------- */

static void check_transform(uint32_t n)
{
	real_fft *forward, *inverse;
	float *x = calloc(n, sizeof *x), *y = calloc(n, sizeof *y), *bins = calloc(n + 2, sizeof *bins);
	assert_int_equal(real_fft_open(&host, n, 0, &forward, NULL), VITA_OK);
	assert_int_equal(real_fft_open(&host, n, 1, &inverse, NULL), VITA_OK);
	for (uint32_t i = 0; i < n; i++)
		x[i] = noise();
	real_fft_forward(forward, x, bins);
	for (uint32_t k = 0; k <= n / 2; k++) {
		double re = 0, im = 0;
		for (uint32_t i = 0; i < n; i++) {
			double angle = 2 * PI * (double)((uint64_t)i * k % n) / n;
			re += x[i] * cos(angle);
			im -= x[i] * sin(angle);
		}
		assert_true(fabs(bins[2 * k] - re) < 1e-5 * sqrt(n));
		assert_true(fabs(bins[2 * k + 1] - im) < 1e-5 * sqrt(n));
	}
	bins[1] = bins[n + 1] = 7; /* does not count */
	real_fft_inverse(inverse, bins, y);
	for (uint32_t i = 0; i < n; i++)
		assert_true(fabs(x[i] - y[i]) < 1e-5);
	real_fft_close(forward);
	real_fft_close(inverse);
	free(x), free(y), free(bins);
}

static void test_transforms(void **state)
{
	static const uint32_t sizes[] = {2, 4, 6, 14, 16, 22, 400, 512, 640, 1024};
	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
		check_transform(sizes[i]);
}

static void test_sizes_refused(void **state)
{
	static const uint32_t sizes[] = {0, 1, 399, (1u << 20) + 2};
	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		real_fft *fft = (real_fft *)(uintptr_t)1;
		vita_error err;
		assert_int_equal(real_fft_open(&host, sizes[i], 0, &fft, &err), VITA_E_INVALID);
		assert_null(fft);
		assert_non_null(strstr(err.message, "even number"));
	}
}

/* ---- frames ------------------------------------------------------------------------------------------ */

/* Sample i of the sound with its edges. */
static float sample_at(const float *x, int64_t n, int64_t i, uint32_t edge, uint32_t pad)
{
	if (edge == FRAMES_MIRROR && n > (int64_t)pad) {
		if (i < 0) i = -i;
		if (i >= n) i = 2 * n - 2 - i;
	} else if (edge == FRAMES_MIRROR && i < 0 && -i < n)
		i = -i;
	return i < 0 || i >= n ? 0 : x[i];
}

static void check_frames(uint32_t length, uint32_t hop, uint32_t edge, int64_t n, uint64_t chunk)
{
	float x[1000];
	sound_frames f;
	int64_t pad = edge == FRAMES_WHOLE ? 0 : length / 2, total = 0;
	assert_int_equal(sound_frames_open(&f, &host, length, hop, edge, NULL), VITA_OK);
	for (int round = 0; round < 2; round++) { /* the second is after a reset */
		for (int64_t i = 0; i < n; i++)
			x[i] = noise();
		total = 0;
		int ended = 0;
		for (uint64_t at = 0; !ended || at < (uint64_t)n;) {
			uint64_t want = (uint64_t)n - at < chunk ? (uint64_t)n - at : chunk;
			if (want == 0) sound_frames_end(&f), ended = 1;
			at += sound_frames_push(&f, x + at, want);
			for (const float *frame; (frame = sound_frames_next(&f)); total++)
				for (int64_t i = 0; i < length; i++)
					assert_true(frame[i] == sample_at(x, n, total * hop + i - pad, edge,
									  (uint32_t)pad));
		}
		int64_t room = n + 2 * pad - length;
		assert_int_equal(total, n == 0 || room < 0 ? 0 : room / hop + 1);
		sound_frames_reset(&f);
	}
	sound_frames_close(&f);
}

static void test_frames(void **state)
{
	static const struct {
		uint32_t length, hop;
	} shapes[] = {{16, 4}, {1, 1}, {2, 1}, {40, 16}, {41, 41}, {7, 3}};
	static const int64_t lengths[] = {0, 1, 2, 15, 16, 20, 21, 41, 160, 999};
	static const uint64_t chunks[] = {1, 7, 1000};
	(void)state;
	for (size_t s = 0; s < 6; s++)
		for (uint32_t edge = 0; edge <= FRAMES_MIRROR; edge++)
			for (size_t n = 0; n < 10; n++)
				for (size_t c = 0; c < 3; c++)
					check_frames(shapes[s].length, shapes[s].hop, edge, lengths[n],
						     chunks[c]);
}

/* ---- there and back ----------------------------------------------------------------------------------- */

static void check_back(uint32_t n_fft, uint32_t length, uint32_t hop, uint32_t edge)
{
	enum { N = 4000 };
	static float x[N], y[N + 4096];
	float window[1024], spectrum[1026];
	sound_frames f;
	stft there;
	istft back;
	uint32_t n = 0, whole = (N - length) / hop * hop + length;
	window_fill(WINDOW_HANN, length, window, length);
	assert_int_equal(sound_frames_open(&f, &host, length, hop, edge, NULL), VITA_OK);
	assert_int_equal(stft_open(&there, &host, n_fft, window, length, NULL), VITA_OK);
	assert_int_equal(istft_open(&back, &host, n_fft, window, length, hop,
				    edge == FRAMES_WHOLE ? 0 : length / 2, NULL),
			 VITA_OK);
	for (uint32_t i = 0; i < N; i++)
		x[i] = noise();
	for (uint64_t at = 0; at <= N;) {
		if (at == N)
			sound_frames_end(&f), at++;
		else
			at += sound_frames_push(&f, x + at, N - at);
		for (const float *frame; (frame = sound_frames_next(&f));) {
			stft_spectrum(&there, frame, spectrum);
			n += istft_push(&back, spectrum, y + n);
		}
	}
	n += istft_end(&back, y + n);
	assert_int_equal(n, edge == FRAMES_WHOLE ? whole : N / hop * hop);
	/* Without edges the first and last samples lie under next to nothing of a window. */
	uint32_t skip = edge == FRAMES_WHOLE ? length / 8 : 0;
	for (uint32_t i = skip; i < n - skip; i++)
		assert_true(fabsf(x[i] - y[i]) < 1e-5f);
	sound_frames_close(&f);
	stft_close(&there);
	istft_close(&back);
}

static void test_there_and_back(void **state)
{
	(void)state;
	check_back(16, 16, 4, FRAMES_MIRROR);
	check_back(400, 400, 160, FRAMES_MIRROR);
	check_back(512, 400, 160, FRAMES_WHOLE);
	check_back(1024, 640, 160, FRAMES_ZERO);
}

static void test_windows(void **state)
{
	float hann[400], hamming[400];
	(void)state;
	window_fill(WINDOW_HANN, 400, hann, 400);
	window_fill(WINDOW_HAMMING, 399, hamming, 400);
	assert_true(hann[0] == 0 && hann[200] == 1 && hann[100] == 0.5f && hann[1] == hann[399]);
	assert_true(fabsf(hamming[0] - 0.08f) < 1e-7f && hamming[0] == hamming[399]);
}

/* A cosine of bin 50 has nothing but that bin and, through the window, its two neighbours. */
static void test_power(void **state)
{
	float window[400], x[400], power[201];
	stft s;
	(void)state;
	window_fill(WINDOW_HANN, 400, window, 400);
	assert_int_equal(stft_open(&s, &host, 400, window, 400, NULL), VITA_OK);
	for (int i = 0; i < 400; i++)
		x[i] = (float)cos(2 * PI * 50 * i / 400);
	stft_power(&s, x, power);
	for (int k = 0; k <= 200; k++) {
		double expected = k == 50 ? 1e4 : k == 49 || k == 51 ? 2500 : 0;
		assert_true(fabs(power[k] - expected) < 1e-2);
	}
	stft_close(&s);
}

/* ---- mel filters ---------------------------------------------------------------------------------------- */

/* Whisper's bank; the figures are those of librosa.filters.mel(sr=16000, n_fft=400, n_mels=128). */
static void test_whisper_bank(void **state)
{
	const mel_bank_params params = {MEL_SLANEY, MEL_BANK_F_AREA, 128, 400, 16000, 0, 8000};
	float flat[201], mel[128];
	double sum = 0;
	uint32_t count = 0;
	mel_bank bank;
	(void)state;
	assert_int_equal(mel_bank_open(&bank, &host, &params, NULL), VITA_OK);
	for (int b = 0; b < 128; b++) {
		assert_true(bank.bands[b].count >= 1 && bank.bands[b].count <= 9);
		count += bank.bands[b].count;
		for (uint32_t i = 0; i < bank.bands[b].count; i++)
			sum += bank.bands[b].weights[i];
	}
	assert_int_equal(count, 394);
	assert_true(fabs(sum - 3.1909855285) < 1e-7);
	assert_true(bank.bands[0].first == 1 && fabsf(bank.bands[0].weights[0] - 0.01237399f) < 1e-8f);
	assert_true(bank.bands[1].first == 1 && fabsf(bank.bands[1].weights[0] - 0.03039256f) < 1e-8f);
	assert_true(bank.bands[127].first + bank.bands[127].count <= 200);
	for (int k = 0; k <= 200; k++)
		flat[k] = 2;
	mel_bank_apply(&bank, flat, mel);
	assert_true(fabsf(mel[0] - 2 * 0.01237399f) < 1e-7f);
	mel_bank_close(&bank);
}

/* Kaldi's of 80 bands from 20 Hz: sides straight over mel. */
static void test_kaldi_bank(void **state)
{
	const mel_bank_params params = {MEL_HTK, MEL_BANK_F_IN_MEL, 80, 512, 16000, 20, 8000};
	mel_bank bank;
	uint32_t count = 0;
	double low = 1127 * log(1 + 20 / 700.0), step = (1127 * log(1 + 8000 / 700.0) - low) / 81;
	(void)state;
	assert_int_equal(mel_bank_open(&bank, &host, &params, NULL), VITA_OK);
	for (int b = 0; b < 80; b++) {
		count += bank.bands[b].count;
		for (uint32_t i = 0; i < bank.bands[b].count; i++) {
			double at = (1127 * log(1 + 31.25 * (bank.bands[b].first + i) / 700) - low) / step -
				    b - 1;
			assert_true(fabs(bank.bands[b].weights[i] - (1 - fabs(at))) < 1e-6);
		}
	}
	assert_int_equal(count, 501);
	mel_bank_close(&bank);
}

static void test_banks_refused(void **state)
{
	static const mel_bank_params params[] = {
		{MEL_HTK, 0, 0, 512, 16000, 0, 8000},   {MEL_HTK, 0, 80, 512, 16000, 0, 8001},
		{MEL_HTK, 0, 80, 512, 16000, 500, 500}, {MEL_HTK, 0, 80, 1, 16000, 0, 8000},
		{MEL_HTK, 0, 80, 512, 16000, -1, 8000}, {MEL_HTK, 0, 80, 512, 16000, (double)NAN, 8000},
		{2, 0, 80, 512, 16000, 0, 8000},
	};
	(void)state;
	for (size_t i = 0; i < sizeof params / sizeof params[0]; i++) {
		mel_bank bank;
		assert_int_equal(mel_bank_open(&bank, &host, &params[i], NULL), VITA_E_INVALID);
		assert_null(bank.bands);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_transforms),    cmocka_unit_test(test_sizes_refused),
		cmocka_unit_test(test_frames),        cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_windows),       cmocka_unit_test(test_power),
		cmocka_unit_test(test_whisper_bank),  cmocka_unit_test(test_kaldi_bank),
		cmocka_unit_test(test_banks_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
