/* SPDX-License-Identifier: MIT
 *
 * How fast the tokenizer is: bench_tokenizer TOKENIZER.JSON TEXT…
 * Loads the tokenizer, encodes and decodes each text file as a whole and in lines, and prints CPU times and
 * rates of the best of five rounds. Not a test: nothing here fails on a slow machine.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <vita/context.h>
#include <vita/tokenizer.h>

#define ROUNDS 5

static double now(void)
{
	struct timespec time;
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static char *read_file(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	char *text = NULL;
	*size = 0;
	if (!file) return NULL;
	if (fseek(file, 0, SEEK_END) == 0) {
		long end = ftell(file);
		text = end >= 0 ? malloc((size_t)end + 1) : NULL;
		rewind(file);
		if (text) *size = fread(text, 1, (size_t)end, file);
	}
	(void)fclose(file);
	return text;
}

/* Seconds to encode the text; step: bytes a call, 0 for all at once, 1 for lines. */
static double encode(const vita_tokenizer *tokenizer, const char *text, size_t size, int lines,
		     uint64_t *n_ids)
{
	double start = now();
	*n_ids = 0;
	for (size_t at = 0; at < size;) {
		const char *newline = lines ? memchr(text + at, '\n', size - at) : NULL;
		size_t length = newline ? (size_t)(newline - text) + 1 - at : size - at;
		int32_t *ids;
		uint64_t n;
		if (vita_tokenizer_encode(tokenizer, text + at, length, 0, &ids, &n, NULL) < 0) exit(1);
		vita_free(ids);
		*n_ids += n;
		at += length;
	}
	return now() - start;
}

static double decode(const vita_tokenizer *tokenizer, const char *text, size_t size)
{
	int32_t *ids;
	uint64_t n, n_bytes;
	char *decoded;
	if (vita_tokenizer_encode(tokenizer, text, size, 0, &ids, &n, NULL) < 0) exit(1);
	double start = now();
	if (vita_tokenizer_decode(tokenizer, ids, n, 0, &decoded, &n_bytes, NULL) < 0) exit(1);
	double seconds = now() - start;
	vita_free(decoded);
	vita_free(ids);
	return seconds;
}

int main(int argc, char **argv)
{
	vita_tokenizer *tokenizer = NULL;
	vita_error err;
	double load = 1e9;
	if (argc < 3) return fprintf(stderr, "usage: %s TOKENIZER.JSON TEXT...\n", argv[0]), 2;
	for (int round = 0; round < ROUNDS; round++) {
		double start = now();
		vita_tokenizer_close(tokenizer);
		if (vita_tokenizer_open(argv[1], &tokenizer, &err) < 0)
			return fprintf(stderr, "%s\n", err.message), 1;
		if (now() - start < load) load = now() - start;
	}
	printf("load %.3f s\n", load);
	for (int i = 2; i < argc; i++) {
		size_t size;
		uint64_t n = 0;
		double whole = 1e9, lines = 1e9, back = 1e9;
		char *text = read_file(argv[i], &size);
		if (!text || size == 0) return fprintf(stderr, "%s: cannot be read\n", argv[i]), 1;
		for (int round = 0; round < ROUNDS; round++) {
			double seconds = encode(tokenizer, text, size, 1, &n);
			if (seconds < lines) lines = seconds;
			if ((seconds = encode(tokenizer, text, size, 0, &n)) < whole) whole = seconds;
			if ((seconds = decode(tokenizer, text, size)) < back) back = seconds;
		}
		double mb = (double)size * 1e-6;
		printf("%s: %.2f MB, %.2f bytes/token, encode %.1f MB/s (by lines %.1f), decode %.0f MB/s\n",
		       argv[i], mb, (double)size / (double)n, mb / whole, mb / lines, mb / back);
		free(text);
	}
	vita_tokenizer_close(tokenizer);
	return 0;
}
