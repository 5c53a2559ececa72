/* SPDX-License-Identifier: MIT
 *
 * vita/audio.h: a recording of any kind that comes through a pipe is heard as the file would be.
 */
#include "unit.h"

#include <vita/audio.h>

#include <math.h>
#include <signal.h>
#include <sndfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_FRAMES 30000
#define MAX_BYTES (1 << 18)

static char folder[] = "test_audio_pipes.XXXXXX";
static float from_file[N_FRAMES + 1], from_pipe[N_FRAMES + 1];
static unsigned char bytes[MAX_BYTES];

static void store(const char *path, int format)
{
	SF_INFO info = { .samplerate = 16000, .channels = 1, .format = format };
	SNDFILE *file = sf_open(path, SFM_WRITE, &info);
	if (!file) fail_msg("%s: %s", path, sf_strerror(NULL));
	for (int i = 0; i < N_FRAMES; i++) from_file[i] = 0.5f * (float)sin(i * (0.1 + 1e-5 * i));
	assert_int_equal(sf_writef_float(file, from_file, N_FRAMES), N_FRAMES);
	sf_close(file);
}

static uint64_t load(const char *path, float *pcm, vita_error *err)
{
	vita_audio_reader *reader;
	uint64_t total = 0, n = 1;
	vita_status status = vita_audio_open(path, 16000, VITA_MIX_MEAN, &reader, err);
	while (status == VITA_OK) {
		status = vita_audio_read(reader, pcm + total, N_FRAMES + 1 - total, &n, err);
		total += n;
	}
	vita_audio_close(reader);
	return status == VITA_END ? total : UINT64_MAX;
}

/* Write to a pipe piece by piece, as programs do that make sound while it is heard. */
static void feed(int descriptor, size_t size)
{
	for (size_t at = 0; at < size;) {
		ssize_t n = write(descriptor, bytes + at, size - at < 5000 ? size - at : 5000);
		assert_true(n > 0);
		at += (size_t)n;
	}
}

/* Exit status of a child whose standard input is a pipe with these bytes: 0 where it hears what the file holds. */
static int hear(size_t size, uint64_t expected)
{
	int ends[2], status;
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		vita_error err = { 0 };
		(void)dup2(ends[0], STDIN_FILENO);
		(void)close(ends[1]);
		uint64_t n = load("-", from_pipe, &err);
		if (n != expected) (void)fprintf(stderr, "%llu samples; %s\n", (unsigned long long)n, err.message);
		_exit(n != expected ? 1 : memcmp(from_pipe, from_file, n * sizeof *from_file) != 0 ? 2 : 0);
	}
	(void)close(ends[0]);
	feed(ends[1], size);
	(void)close(ends[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void pipes_say_what_files_say(void **state)
{
	static const struct {
		const char *name;
		int format;
	} kinds[] = {
		{ "wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16 },   { "float wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT },
		{ "aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_16 }, { "au", SF_FORMAT_AU | SF_FORMAT_PCM_16 },
		{ "flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16 }, { "ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS },
		{ "w64", SF_FORMAT_W64 | SF_FORMAT_PCM_16 },   { "caf", SF_FORMAT_CAF | SF_FORMAT_PCM_16 },
		{ "rf64", SF_FORMAT_RF64 | SF_FORMAT_PCM_16 },
	};
	char path[256];
	(void)state;
	(void)snprintf(path, sizeof path, "%s/sound", folder);
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		vita_error err = { 0 };
		store(path, kinds[i].format);
		FILE *file = fopen(path, "rb");
		assert_non_null(file);
		size_t size = fread(bytes, 1, sizeof bytes, file);
		(void)fclose(file);
		assert_in_range(size, 1, sizeof bytes - 1);
		uint64_t n = load(path, from_file, &err);
		if (n != N_FRAMES) fail_msg("%s: %s", kinds[i].name, err.message);
		int status = hear(size, n);
		if (status != 0) fail_msg("%s: the child ends with %d", kinds[i].name, status);
	}
	assert_int_equal(unlink(path), 0);
}

static int make_folder(void **state)
{
	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pipes_say_what_files_say),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
