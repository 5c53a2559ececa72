/* SPDX-License-Identifier: MIT
 *
 * FLAC, W64, CAF and others from a pipe; see pipe.h.
 */
#if HAVE_CONFIG_H
#include <config.h>
#endif

#include "audio/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC_BYTES 4

/* A copy of the first bytes into a pipe of our own: tee leaves them where they are. */
static int peek(int descriptor, char magic[MAGIC_BYTES])
{
	ssize_t n = -1;
#if HAVE_TEE
	int ends[2];
	if (pipe(ends) != 0) return 0;
	n = tee(descriptor, ends[1], MAGIC_BYTES, 0);
	if (n > 0) n = read(ends[0], magic, MAGIC_BYTES);
	(void)close(ends[0]);
	(void)close(ends[1]);
#else
	(void)descriptor, (void)magic;
#endif
	return n == MAGIC_BYTES;
}

static int is_stream(const char magic[MAGIC_BYTES])
{
	static const char known[][MAGIC_BYTES + 1] = { "RIFF", "RIFX", ".snd", "dns.", "FORM", "OggS" };
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (memcmp(magic, known[i], MAGIC_BYTES) == 0) return 1;
	return 0;
}

static int copy_all(int from, FILE *to)
{
	char block[65536];
	for (;;) {
		ssize_t n = read(from, block, sizeof block);
		if (n == 0) return fflush(to) == 0;
		if (n < 0 || fwrite(block, 1, (size_t)n, to) != (size_t)n) return 0;
	}
}

vita_status vita_pipe_spool(int descriptor, FILE **file, vita_error *err)
{
	char magic[MAGIC_BYTES];
	struct stat there;
	*file = NULL;
	if (fstat(descriptor, &there) != 0 || !S_ISFIFO(there.st_mode)) return VITA_OK;
	if (!peek(descriptor, magic) || is_stream(magic)) return VITA_OK;
	*file = tmpfile();
	if (*file && copy_all(descriptor, *file) && fseek(*file, 0, SEEK_SET) == 0) return VITA_OK;
	int number = errno;
	if (*file) (void)fclose(*file);
	*file = NULL;
	return vita_fail(err, VITA_E_IO,
	                 "standard input: recordings of this kind are read from a file, and the pipe cannot be copied "
	                 "to one: %s",
	                 strerror(number));
}
