/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: a recording, read as it is and resampled.
 */
#include "fuzz.h"

#include <vita/audio.h>

/* A header may claim hours of sound in few bytes (compressed formats): hear the first minute. */
enum { RATE = 16000, CHUNK = 4096, MOST = 60 * RATE };

static void hear(const char *path, uint32_t rate, uint32_t mix)
{
	float pcm[CHUNK];
	vita_audio_reader *reader;
	vita_error err;
	uint64_t n, total = 0;
	if (vita_audio_open(path, rate, mix, &reader, &err) != VITA_OK) return;
	while (total < MOST && vita_audio_read(reader, pcm, CHUNK, &n, &err) == VITA_OK) {
		if (n > CHUNK) __builtin_trap();
		fuzz_touch(pcm, n * sizeof *pcm);
		total += n;
	}
	vita_audio_close(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *path = fuzz_write("fuzz.wav", data, size);
	hear(path, RATE, VITA_MIX_MEAN);
	hear(path, 8000, VITA_MIX_FIRST);
	return 0;
}
