/* SPDX-License-Identifier: MIT
 *
 * vita/audio.h: every kind of recording in, WAV out, and what damaged files and full disks get.
 */
#include "unit.h"

#include <vita/audio.h>
#include <vita/model.h>

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <sndfile.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_SAMPLES 400000

static char folder[] = "test_audio.XXXXXX";
static float samples[MAX_SAMPLES], again[MAX_SAMPLES], wide[6 * 4096];

static const char *path_of(const char *name)
{
	static char path[512];
	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}

static uint32_t n_files(void)
{
	uint32_t n = 0;
	DIR *directory = opendir(folder);
	assert_non_null(directory);
	for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) n++;
	closedir(directory);
	return n;
}

static int is_integer(int format)
{
	int subtype = format & SF_FORMAT_SUBMASK;
	return subtype <= SF_FORMAT_PCM_32 || subtype == SF_FORMAT_PCM_U8;
}

/* Interleaved frames to a file, through libsndfile; as integers where the format has them, because
 * libsndfile's own way from float to integers is not the inverse of its way back. */
static void store(const char *name, int format, int rate, int channels, const float *frames,
                  uint64_t n_frames)
{
	SF_INFO info = { .samplerate = rate, .channels = channels, .format = format };
	SNDFILE *file = sf_open(path_of(name), SFM_WRITE, &info);
	if (!file) fail_msg("%s: %s", name, sf_strerror(NULL));
	for (uint64_t i = 0; i < n_frames; i++) {
		const float *frame = frames + i * (uint64_t)channels;
		int whole[6];
		for (int c = 0; c < channels; c++) whole[c] = (int)(frame[c] * 2147483648.0);
		if (is_integer(format)) assert_int_equal(sf_writef_int(file, whole, 1), 1);
		else assert_int_equal(sf_writef_float(file, frame, 1), 1);
	}
	sf_close(file);
}

static void store_bytes(const char *name, const void *bytes, size_t n)
{
	FILE *file = fopen(path_of(name), "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, n, file), n);
	fclose(file);
}

static size_t load_bytes(const char *name, unsigned char *bytes, size_t capacity)
{
	FILE *file = fopen(path_of(name), "rb");
	assert_non_null(file);
	size_t n = fread(bytes, 1, capacity, file);
	fclose(file);
	return n;
}

/* All samples of a recording, read `step` at a time. */
static vita_status load(const char *path, uint32_t rate, uint32_t mix, uint64_t step, float *pcm,
                        uint64_t *total, vita_error *err)
{
	vita_audio_reader *reader;
	vita_status status = vita_audio_open(path, rate, mix, &reader, err);
	*total = 0;
	if (status != VITA_OK) {
		assert_null(reader);
		return status;
	}
	for (uint64_t n;; *total += n) {
		status = vita_audio_read(reader, pcm + *total,
		                         step < MAX_SAMPLES - *total ? step : MAX_SAMPLES - *total, &n, err);
		if (status != VITA_OK) break;
		assert_true(n > 0);
	}
	vita_audio_close(reader);
	return status;
}

static uint64_t load_all(const char *name, uint32_t rate)
{
	uint64_t n;
	vita_error err = { 0 };
	if (load(path_of(name), rate, VITA_MIX_MEAN, 1000, samples, &n, &err) != VITA_END)
		fail_msg("%s", err.message);
	return n;
}

static void make_sine(float *pcm, uint64_t n, double hz, double rate)
{
	for (uint64_t i = 0; i < n; i++) pcm[i] = (float)(0.5 * sin(2 * M_PI * hz * (double)i / rate));
}

/* ---- formats -------------------------------------------------------------------------------------- */

/* At the file's own rate the samples are the file's integers divided by full scale. */
static void test_integers_are_exact(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		int format;
		int bits;
	} kinds[] = {
		{ "u8.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_U8, 8 },
		{ "s16.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 16 },
		{ "s24.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_24, 24 },
		{ "s16.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 16 },
		{ "s24.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_24, 24 },
		{ "s16.aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_16, 16 },
		{ "s8.au", SF_FORMAT_AU | SF_FORMAT_PCM_S8, 8 },
		{ "s16.caf", SF_FORMAT_CAF | SF_FORMAT_PCM_16, 16 },
		{ "float.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 24 },
		{ "s16.w64", SF_FORMAT_W64 | SF_FORMAT_PCM_16, 16 },
	};
	for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
		double full = ldexp(1, kinds[k].bits - 1);
		uint32_t noise = 1;
		for (int i = 0; i < 3000; i++) {
			noise = noise * 1664525u + 1013904223u;
			again[i] = (float)(floor(((double)noise / 4294967296.0 * 2 - 1) * full) / full);
		}
		again[0] = -1;
		again[1] = (float)((full - 1) / full);
		store(kinds[k].name, kinds[k].format, 11025, 1, again, 3000);
		assert_int_equal(load_all(kinds[k].name, 11025), 3000);
		assert_memory_equal(samples, again, 3000 * sizeof *samples);
	}
}

static void test_ogg_and_other_lossy(void **state)
{
	(void)state;
	static const int formats[] = { SF_FORMAT_OGG | SF_FORMAT_VORBIS, SF_FORMAT_WAV | SF_FORMAT_ULAW,
		                       SF_FORMAT_WAV | SF_FORMAT_IMA_ADPCM };
	make_sine(again, 32000, 440, 16000);
	for (size_t k = 0; k < sizeof formats / sizeof *formats; k++) {
		double error = 0;
		store("lossy", formats[k], 16000, 1, again, 32000);
		assert_true(load_all("lossy", 16000) >= 32000);
		for (int i = 0; i < 32000; i++) error += fabs(samples[i] - again[i]);
		assert_true(error / 32000 < 0.02);
	}
}

static void test_channels(void **state)
{
	(void)state;
	uint64_t n;
	for (int i = 0; i < 4096; i++)
		for (int c = 0; c < 6; c++) wide[i * 6 + c] = (float)((i % 100) * (c + 1)) / 1024.0f;
	store("six.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 96000, 6, wide, 4096);
	assert_int_equal(load(path_of("six.wav"), 96000, VITA_MIX_MEAN, 777, samples, &n, NULL), VITA_END);
	assert_int_equal(n, 4096);
	for (int i = 0; i < 4096; i++) assert_true(samples[i] == (float)((i % 100) * 21 / 6.0 / 1024.0));
	assert_int_equal(load(path_of("six.wav"), 96000, VITA_MIX_FIRST, 777, samples, &n, NULL), VITA_END);
	for (int i = 0; i < 4096; i++) assert_true(samples[i] == wide[i * 6]);
	assert_int_equal(load_all("six.wav", 16000), 683); /* round(4096 / 6) */

	vita_audio_reader *reader;
	uint32_t rate, channels;
	int64_t length;
	assert_int_equal(vita_audio_open(path_of("six.wav"), 8000, VITA_MIX_MEAN, &reader, NULL), VITA_OK);
	vita_audio_describe(reader, &rate, &channels, &length);
	assert_int_equal(rate, 96000);
	assert_int_equal(channels, 6);
	assert_int_equal(length, 4096);
	vita_audio_close(reader);
	vita_audio_close(NULL);
}

/* ---- resampling ----------------------------------------------------------------------------------- */

static void test_resampled_length(void **state)
{
	(void)state;
	static const int rates[] = { 8000, 11025, 22050, 24000, 44100, 48000, 96000, 15999 };
	static const int lengths[] = { 1, 2, 3, 100, 4095, 4096, 4097, 20011 };
	make_sine(again, 20011, 300, 16000);
	for (size_t r = 0; r < sizeof rates / sizeof *rates; r++) {
		for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
			store("length.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, rates[r], 1, again,
			      (uint64_t)lengths[l]);
			assert_int_equal(load_all("length.wav", 16000),
			                 lround(lengths[l] * 16000.0 / rates[r]));
		}
	}
}

/* A sine stays where it is in time, from its first sample to its last. */
static void test_resampling_has_no_delay(void **state)
{
	(void)state;
	static const struct {
		int from;
		uint32_t to;
	} pairs[] = { { 8000, 16000 }, { 48000, 16000 }, { 44100, 8000 }, { 16000, 22050 }, { 96000, 8000 } };
	for (size_t p = 0; p < sizeof pairs / sizeof *pairs; p++) {
		uint64_t n_in = (uint64_t)pairs[p].from * 3;
		make_sine(again, n_in, 440, pairs[p].from);
		store("sine.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, pairs[p].from, 1, again, n_in);
		uint64_t n = load_all("sine.wav", pairs[p].to);
		assert_int_equal(n, pairs[p].to * 3);
		make_sine(again, n, 440, pairs[p].to);
		/* The signal begins and ends sharply; a hundredth of a second of ringing is its due. */
		for (uint64_t i = pairs[p].to / 100; i < n - pairs[p].to / 100; i++)
			assert_true(fabsf(samples[i] - again[i]) < 1e-3f);
		for (uint64_t i = 0; i < n; i++) assert_true(fabsf(samples[i] - again[i]) < 0.3f);
	}
}

static void test_step_changes_nothing(void **state)
{
	(void)state;
	static const uint64_t steps[] = { 1, 160, 4096, 4097, MAX_SAMPLES };
	uint64_t n, n_once;
	make_sine(again, 30000, 700, 22050);
	store("steps.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 22050, 1, again, 30000);
	for (uint32_t rate = 16000; rate <= 22050; rate += 6050) {
		assert_int_equal(load(path_of("steps.wav"), rate, VITA_MIX_MEAN, 100, again, &n_once, NULL),
		                 VITA_END);
		for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
			assert_int_equal(
				load(path_of("steps.wav"), rate, VITA_MIX_MEAN, steps[s], samples, &n, NULL),
				VITA_END);
			assert_int_equal(n, n_once);
			assert_memory_equal(samples, again, n * sizeof *samples);
		}
	}
}

/* What torchaudio's resampler makes of noise at the rates that recordings have. */
static void test_sinc_as_torchaudio(void **state)
{
	(void)state;
	static const int rates[] = { 8000, 11025, 22050, 24000, 32000, 44100, 48000, 96000 };
	static const uint64_t steps[] = { 1, 100, MAX_SAMPLES };
	char path[512], name[64];
	vita_model *golden;
	(void)snprintf(path, sizeof path, "%s/tests/golden/audio/resample.safetensors", unit_srcdir());
	assert_int_equal(vita_model_open(path, VITA_MODEL_WANT_TENSORS, &golden, NULL), VITA_OK);
	for (size_t r = 0; r < sizeof rates / sizeof *rates; r++) {
		vita_array in, out;
		VITA_INIT(&in);
		VITA_INIT(&out);
		(void)snprintf(name, sizeof name, "in_%d", rates[r]);
		assert_int_equal(vita_model_tensor(golden, name, 0, NULL, &in, NULL), VITA_OK);
		(void)snprintf(name, sizeof name, "out_%d_to_16000", rates[r]);
		assert_int_equal(vita_model_tensor(golden, name, 0, NULL, &out, NULL), VITA_OK);
		memcpy(again, in.data, in.size_bytes);
		store("sinc.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, rates[r], 1, again, (uint64_t)in.shape[0]);
		memcpy(again, out.data, out.size_bytes);
		for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
			uint64_t n;
			assert_int_equal(load(path_of("sinc.wav"), 16000, VITA_MIX_FIRST | VITA_RESAMPLE_SINC,
			                      steps[s], samples, &n, NULL),
			                 VITA_END);
			assert_int_equal(n, out.shape[0]);
			for (uint64_t i = 0; i < n; i++) assert_true(fabsf(samples[i] - again[i]) < 1e-5f);
		}
	}
	vita_model_close(golden);
}

/* Rates for which there can be no table of filters, and far apart ones. */
static void test_sinc_of_any_rate(void **state)
{
	(void)state;
	static const int rates[] = { 63, 1000, 15999, 44056, 192001, 768001, 4000000 };
	for (size_t r = 0; r < sizeof rates / sizeof *rates; r++) {
		uint64_t n, n_in = rates[r] < 100000 ? 2000 : 200000;
		double hz = rates[r] < 16000 ? rates[r] / 20.0 : 800;
		make_sine(again, n_in, hz, rates[r]);
		store("sinc.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, rates[r], 1, again, n_in);
		uint32_t to = rates[r] == 63 ? 1000 : 16000;
		assert_int_equal(load(path_of("sinc.wav"), to, VITA_RESAMPLE_SINC, 999, samples, &n, NULL), VITA_END);
		assert_int_equal(n, (n_in * to + (uint64_t)rates[r] - 1) / (uint64_t)rates[r]);
		make_sine(again, n, hz, to);
		for (uint64_t i = n / 8; i < n - n / 8; i++) assert_true(fabsf(samples[i] - again[i]) < 5e-3f);
	}
}

/* ---- what bad recordings get ---------------------------------------------------------------------- */

static void expect_open_failure(const char *name, vita_status expected, const char *words)
{
	uint64_t n;
	vita_error err = { 0 };
	assert_int_equal(load(path_of(name), 16000, VITA_MIX_MEAN, 1000, samples, &n, &err), expected);
	if (!strstr(err.message, name) || !strstr(err.message, words)) fail_msg("unclear: %s", err.message);
}

static void test_what_is_no_recording(void **state)
{
	(void)state;
	store_bytes("text.wav", "This is not a recording.\n", 25);
	store_bytes("empty.wav", "", 0);
	expect_open_failure("text.wav", VITA_E_FORMAT, "not a recording");
	expect_open_failure("empty.wav", VITA_E_FORMAT, "empty");
	expect_open_failure("missing.wav", VITA_E_NOTFOUND, "No such file");
	expect_open_failure("text.wav/below.wav", VITA_E_NOTFOUND, "Not a directory");
	expect_open_failure("", VITA_E_INVALID, "directory");
	vita_audio_reader *reader;
	assert_int_equal(vita_audio_open(path_of("text.wav"), 0, VITA_MIX_MEAN, &reader, NULL),
	                 VITA_E_INVALID);
	assert_int_equal(vita_audio_open(path_of("text.wav"), 8000, 2, &reader, NULL), VITA_E_INVALID);
}

static void test_no_samples(void **state)
{
	(void)state;
	store("none.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 16000, 1, again, 0);
	assert_int_equal(load_all("none.wav", 16000), 0);
	assert_int_equal(load_all("none.wav", 8000), 0);
}

static void test_not_finite(void **state)
{
	(void)state;
	static const float bad[] = { NAN, INFINITY, -INFINITY };
	uint64_t n;
	for (int k = 0; k < 3; k++) {
		vita_error err = { 0 };
		make_sine(again, 30000, 440, 16000);
		again[24000] = bad[k];
		store("nan.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 16000, 1, again, 30000);
		for (uint32_t rate = 8000; rate <= 16000; rate *= 2) {
			assert_int_equal(
				load(path_of("nan.wav"), rate, VITA_MIX_MEAN, 512, samples, &n, &err),
				VITA_E_FORMAT);
			assert_true(n < 24000);
			assert_non_null(strstr(err.message, "1.500000 s"));
		}
	}
}

/* The failure stays: nothing is read behind it. */
static void test_failure_stays(void **state)
{
	(void)state;
	vita_audio_reader *reader;
	uint64_t n = 1;
	assert_int_equal(vita_audio_open(path_of("nan.wav"), 16000, VITA_MIX_MEAN, &reader, NULL), VITA_OK);
	while (vita_audio_read(reader, samples, 5000, &n, NULL) == VITA_OK) continue;
	assert_int_equal(n, 0);
	assert_int_equal(vita_audio_read(reader, samples, 5000, &n, NULL), VITA_E_FORMAT);
	vita_audio_close(reader);
}

static void put32(unsigned char *bytes, uint32_t value)
{
	for (int i = 0; i < 4; i++) bytes[i] = (unsigned char)(value >> 8 * i);
}

/* The header of a plain WAV: RIFF length at 4, rate at 24, data length at 40. */
static void test_header_lies(void **state)
{
	(void)state;
	static const uint32_t lengths[] = { 0xffffffff, 0xfffffffe, 0x7ffff000, 0x80000000, 2001, 5000 };
	unsigned char bytes[44 + 2000];
	make_sine(again, 1000, 440, 16000);
	store("truth.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 16000, 1, again, 1000);
	assert_int_equal(load_bytes("truth.wav", bytes, sizeof bytes), sizeof bytes);
	for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
		put32(bytes + 40, lengths[k]);
		store_bytes("lie.wav", bytes, sizeof bytes);
		assert_int_equal(load_all("lie.wav", 16000), 1000);
		put32(bytes + 4, lengths[k]);
		store_bytes("lie.wav", bytes, sizeof bytes);
		assert_int_equal(load_all("lie.wav", 16000), 1000);
	}
	put32(bytes + 40, 1000); /* less than there is: what follows is not sound */
	store_bytes("lie.wav", bytes, sizeof bytes);
	assert_int_equal(load_all("lie.wav", 16000), 500);
	put32(bytes + 24, 0);
	store_bytes("lie.wav", bytes, sizeof bytes);
	expect_open_failure("lie.wav", VITA_E_FORMAT, "lie.wav");
	put32(bytes + 24, 1);
	store_bytes("lie.wav", bytes, sizeof bytes);
	expect_open_failure("lie.wav", VITA_E_FORMAT, "1 Hz");
}

static void test_cut_off_anywhere(void **state)
{
	(void)state;
	static const int formats[] = { SF_FORMAT_WAV | SF_FORMAT_PCM_16, SF_FORMAT_FLAC | SF_FORMAT_PCM_16,
		                       SF_FORMAT_OGG | SF_FORMAT_VORBIS };
	unsigned char bytes[8192];
	uint64_t n;
	make_sine(again, 1000, 440, 16000);
	for (size_t k = 0; k < 3; k++) {
		store("whole", formats[k], 16000, 1, again, 1000);
		size_t size = load_bytes("whole", bytes, sizeof bytes);
		for (size_t cut = 0; cut < size; cut += cut < 200 ? 1 : 37) {
			vita_error err = { 0 };
			store_bytes("cut", bytes, cut);
			vita_status status =
				load(path_of("cut"), 16000, VITA_MIX_MEAN, 1000, samples, &n, &err);
			assert_true(status == VITA_END ? n <= 1000
			                               : status == VITA_E_FORMAT && err.message[0] != '\0');
		}
	}
}

/* An hour of sound (a sparse file) takes no more memory than a block. */
static void test_memory_is_constant(void **state)
{
	(void)state;
	unsigned char header[44];
	struct rusage before, after;
	vita_audio_reader *reader;
	uint64_t n, total = 0;
	store("hour.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 8000, 1, again, 0);
	assert_int_equal(load_bytes("hour.wav", header, 44), 44);
	put32(header + 4, 57600000 + 36);
	put32(header + 40, 57600000);
	store_bytes("hour.wav", header, 44);
	assert_int_equal(truncate(path_of("hour.wav"), 57600044), 0);
	assert_int_equal(getrusage(RUSAGE_SELF, &before), 0);
	assert_int_equal(vita_audio_open(path_of("hour.wav"), 8000, VITA_MIX_MEAN, &reader, NULL), VITA_OK);
	while (vita_audio_read(reader, samples, 8000, &n, NULL) == VITA_OK) total += n;
	vita_audio_close(reader);
	assert_int_equal(getrusage(RUSAGE_SELF, &after), 0);
	assert_int_equal(total, 28800000);
	assert_true(after.ru_maxrss - before.ru_maxrss < 8192); /* KiB */
}

/* ---- pipes ---------------------------------------------------------------------------------------- */

/* Run in a child with standard input from, or standard output to, the file's bytes through a pipe. */
static void test_standard_input(void **state)
{
	(void)state;
	int ends[2], status;
	unsigned char bytes[44 + 2000];
	make_sine(again, 1000, 440, 16000);
	store("pipe.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 16000, 1, again, 1000);
	assert_int_equal(load_bytes("pipe.wav", bytes, sizeof bytes), sizeof bytes);
	put32(bytes + 4, 0xffffffff);
	put32(bytes + 40, 0xffffffff);
	assert_int_equal(load_all("pipe.wav", 16000), 1000);
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	if (child == 0) {
		uint64_t n;
		vita_error err = { 0 };
		dup2(ends[0], STDIN_FILENO);
		close(ends[1]);
		if (load("-", 16000, VITA_MIX_MEAN, 333, again, &n, &err) != VITA_END) _exit(1);
		_exit(n == 1000 && memcmp(again, samples, 1000 * sizeof *again) == 0 ? 0 : 2);
	}
	assert_int_equal(write(ends[1], bytes, sizeof bytes), sizeof bytes);
	close(ends[1]);
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void test_standard_output(void **state)
{
	(void)state;
	int status;
	make_sine(again, 9000, 440, 16000);
	pid_t child = fork();
	if (child == 0) {
		vita_audio_writer *writer;
		int fd = open(path_of("stdout.wav"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
		dup2(fd, STDOUT_FILENO);
		if (vita_audio_create("-", 16000, VITA_PCM16, &writer, NULL) != VITA_OK) _exit(1);
		if (vita_audio_write(writer, again, 9000, NULL) != VITA_OK) _exit(2);
		_exit(vita_audio_commit(writer, NULL) == VITA_OK ? 0 : 3);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(load_all("stdout.wav", 16000), 9000);
	for (int i = 0; i < 9000; i++) assert_true(fabsf(samples[i] - again[i]) <= 0.5f / 32768);
}

/* ---- writing -------------------------------------------------------------------------------------- */

static void write_all(const char *name, uint32_t format, const float *pcm, uint64_t n)
{
	vita_audio_writer *writer;
	vita_error err = { 0 };
	if (vita_audio_create(path_of(name), 22050, format, &writer, &err) != VITA_OK)
		fail_msg("%s", err.message);
	for (uint64_t at = 0; at < n; at += 1234)
		assert_int_equal(vita_audio_write(writer, pcm + at, n - at < 1234 ? n - at : 1234, NULL),
		                 VITA_OK);
	if (vita_audio_commit(writer, &err) != VITA_OK) fail_msg("%s", err.message);
}

static void test_written_bit_for_bit(void **state)
{
	(void)state;
	unsigned char first[44 + 131072], second[44 + 131072];
	for (int i = 0; i < 65536; i++) again[i] = (float)(i - 32768) / 32768.0f;
	write_all("all.wav", VITA_PCM16, again, 65536);
	assert_int_equal(load_all("all.wav", 22050), 65536);
	assert_memory_equal(samples, again, 65536 * sizeof *samples);
	/* and the bytes are those that libsndfile writes */
	store("sndfile.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 22050, 1, again, 65536);
	assert_int_equal(load_bytes("all.wav", first, sizeof first), sizeof first);
	assert_int_equal(load_bytes("sndfile.wav", second, sizeof second), sizeof second);
	assert_memory_equal(first, second, sizeof first);
}

static void test_written_float(void **state)
{
	(void)state;
	SF_INFO info = { 0 };
	make_sine(again, 5000, 440, 22050);
	write_all("float.wav", VITA_PCM_FLOAT, again, 5000);
	assert_int_equal(load_all("float.wav", 22050), 5000);
	assert_memory_equal(samples, again, 5000 * sizeof *samples);
	SNDFILE *file = sf_open(path_of("float.wav"), SFM_READ, &info);
	assert_non_null(file);
	assert_int_equal(info.format, SF_FORMAT_WAV | SF_FORMAT_FLOAT);
	assert_int_equal(info.frames, 5000);
	sf_close(file);
}

static void test_clipping(void **state)
{
	(void)state;
	static const float in[] = { 1.5f, -1.5f, INFINITY, 0.6f / 32768, -0.6f / 32768, 0.4f / 32768 };
	static const float out[] = { 32767.0f / 32768, -1, 32767.0f / 32768, 1.0f / 32768, -1.0f / 32768, 0 };
	write_all("clip.wav", VITA_PCM16, in, 6);
	assert_int_equal(load_all("clip.wav", 22050), 6);
	assert_memory_equal(samples, out, sizeof out);
}

static void test_appears_whole_or_not_at_all(void **state)
{
	(void)state;
	vita_audio_writer *writer;
	vita_error err = { 0 };
	float nan = NAN;
	make_sine(again, 9000, 440, 22050);
	write_all("keep.wav", VITA_PCM16, again, 100);
	uint32_t n = n_files();

	assert_int_equal(vita_audio_create(path_of("keep.wav"), 22050, VITA_PCM16, &writer, &err), VITA_OK);
	assert_int_equal(vita_audio_write(writer, again, 9000, &err), VITA_OK);
	assert_int_equal(load_all("keep.wav", 22050), 100);
	vita_audio_discard(writer);
	vita_audio_discard(NULL);
	assert_int_equal(load_all("keep.wav", 22050), 100);

	assert_int_equal(vita_audio_create(path_of("new.wav"), 22050, VITA_PCM16, &writer, &err), VITA_OK);
	assert_int_equal(vita_audio_write(writer, again, 10, &err), VITA_OK);
	assert_int_equal(vita_audio_write(writer, &nan, 1, &err), VITA_E_INVALID);
	assert_non_null(strstr(err.message, "sample 10"));
	assert_int_equal(vita_audio_write(writer, again, 1, &err), VITA_E_STATE);
	assert_int_equal(vita_audio_commit(writer, &err), VITA_E_INVALID);
	assert_int_equal(n_files(), n);
}

static void expect_create_failure(const char *path, vita_status expected)
{
	vita_audio_writer *writer;
	vita_error err = { 0 };
	uint32_t n = n_files();
	assert_int_equal(vita_audio_create(path, 22050, VITA_PCM16, &writer, &err), expected);
	assert_null(writer);
	assert_non_null(strstr(err.message, path));
	assert_int_equal(n_files(), n);
}

static void test_where_nothing_can_be_written(void **state)
{
	(void)state;
	vita_audio_writer *writer;
	vita_error err = { 0 };
	expect_create_failure(path_of("no/such/directory.wav"), VITA_E_NOTFOUND);
	expect_create_failure(path_of("."), VITA_E_INVALID);
	assert_int_equal(vita_audio_create(path_of("rate.wav"), 0, VITA_PCM16, &writer, &err),
	                 VITA_E_INVALID);
	assert_int_equal(vita_audio_create(path_of("rate.wav"), 8000, 2, &writer, &err), VITA_E_INVALID);
	assert_int_equal(vita_audio_commit(NULL, &err), VITA_E_INVALID);
	if (access("/dev/full", W_OK) != 0) return;
	expect_create_failure("/dev/full", VITA_E_IO);
}

/* A file may grow to 100,000 bytes: what a full disk does, without a disk. */
static void test_full_disk(void **state)
{
	(void)state;
	int status;
	uint32_t n = n_files();
	make_sine(again, 200000, 440, 22050);
	pid_t child = fork();
	if (child == 0) {
		struct rlimit limit = { 100000, 100000 };
		vita_audio_writer *writer;
		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &limit);
		if (vita_audio_create(path_of("full.wav"), 22050, VITA_PCM16, &writer, NULL) != VITA_OK)
			_exit(1);
		if (vita_audio_write(writer, again, 200000, NULL) != VITA_E_IO) _exit(2);
		_exit(vita_audio_commit(writer, NULL) == VITA_E_IO ? 0 : 3);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(n_files(), n);
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	DIR *directory = opendir(folder);
	for (struct dirent *entry; directory && (entry = readdir(directory)) != NULL;)
		(void)unlink(path_of(entry->d_name));
	if (directory) closedir(directory);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory_is_constant), /* first, while the process is small */
		cmocka_unit_test(test_integers_are_exact),
		cmocka_unit_test(test_ogg_and_other_lossy),
		cmocka_unit_test(test_channels),
		cmocka_unit_test(test_resampled_length),
		cmocka_unit_test(test_resampling_has_no_delay),
		cmocka_unit_test(test_step_changes_nothing),
		cmocka_unit_test(test_sinc_as_torchaudio),
		cmocka_unit_test(test_sinc_of_any_rate),
		cmocka_unit_test(test_what_is_no_recording),
		cmocka_unit_test(test_no_samples),
		cmocka_unit_test(test_not_finite),
		cmocka_unit_test(test_failure_stays),
		cmocka_unit_test(test_header_lies),
		cmocka_unit_test(test_cut_off_anywhere),
		cmocka_unit_test(test_standard_input),
		cmocka_unit_test(test_standard_output),
		cmocka_unit_test(test_written_bit_for_bit),
		cmocka_unit_test(test_written_float),
		cmocka_unit_test(test_clipping),
		cmocka_unit_test(test_appears_whole_or_not_at_all),
		cmocka_unit_test(test_where_nothing_can_be_written),
		cmocka_unit_test(test_full_disk),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
