/* SPDX-License-Identifier: MIT
 *
 * Runs a fuzz target without libFuzzer, for make check: each of its seeds as it is, cut off at many lengths, and
 * with bytes changed. The changes are the same in every run.
 */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CUTS = 96, CHANGES = 160 };

static uint64_t random_state = 88172645463325252u;

/* Marsaglia 2003, "Xorshift RNGs". */
static uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* An exact copy, so that reading one byte too many is seen. */
static void run(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);
	if (!copy) exit(99);
	memcpy(copy, data, size);
	(void)LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static void run_cut(const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < CUTS && i < size; i++) run(data, i); /* headers are at the start … */
	for (size_t i = 1; i <= CUTS; i++) run(data, size * i / (CUTS + 1));
	for (size_t i = 1; i <= 16 && i <= size; i++) run(data, size - i); /* … and trailers at the end */
}

static void run_changed(uint8_t *data, size_t size)
{
	static const uint8_t favourites[] = { 0x00, 0xff, 0x7f, 0x80, '"', '{', '[', '-', '9', '\n' };
	for (size_t i = 0; i < CHANGES && size > 0; i++) {
		/* Every second change goes to the first bytes, where lengths and counts are. */
		size_t at = random_next() % (i % 2 && size > 64 ? 64 : size);
		uint8_t before = data[at];
		uint64_t how = random_next();
		data[at] = how % 3 ? favourites[how / 3 % sizeof favourites] : (uint8_t)(how >> 8);
		run(data, size);
		if (how % 5) data[at] = before; /* some changes stay and add up */
	}
}

static int replay(const char *path)
{
	FILE *file = fopen(path, "rb");
	if (!file || fseek(file, 0, SEEK_END) != 0) {
		perror(path);
		return 0;
	}
	long size = ftell(file);
	uint8_t *data = size < 0 ? NULL : malloc((size_t)size + 1);
	rewind(file);
	int whole = data && fread(data, 1, (size_t)size, file) == (size_t)size;
	fclose(file);
	if (whole) {
		run(data, (size_t)size);
		run_cut(data, (size_t)size);
		run_changed(data, (size_t)size);
	}
	free(data);
	return whole;
}

/* The seeds of a target lie in the folder of its name; libtool may put "lt-" before the program's. */
int main(int argc, char **argv)
{
	(void)argc;
	const char *seeds = getenv("VITA_FUZZ_SEEDS");
	const char *slash = strrchr(argv[0], '/');
	const char *name = strstr(slash ? slash : argv[0], "fuzz_");
	char path[4096];
	int n = 0;
	snprintf(path, sizeof path, "%s/%s", seeds ? seeds : "seeds", name ? name : "");
	DIR *dir = opendir(path);
	size_t length = strlen(path);
	for (struct dirent *entry; dir && (entry = readdir(dir));) {
		if (entry->d_name[0] == '.') continue;
		snprintf(path + length, sizeof path - length, "/%s", entry->d_name);
		if (!replay(path)) return 99;
		n++;
	}
	if (dir) closedir(dir);
	printf("%d seeds replayed\n", n);
	return n > 0 ? 0 : 99;
}
