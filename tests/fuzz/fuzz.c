/* SPDX-License-Identifier: MIT
 *
 * Temporary files for the fuzz targets. Trouble with them is trouble of the machine, not of what is tested, and
 * ends the program.
 */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[64];

static void give_up(const char *what)
{
	perror(what);
	exit(99);
}

static void remove_folder(void)
{
	DIR *dir = opendir(folder);
	char path[512];
	for (struct dirent *entry; dir && (entry = readdir(dir));) {
		snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
		(void)unlink(path);
	}
	if (dir) closedir(dir);
	(void)rmdir(folder);
}

const char *fuzz_folder(void)
{
	if (folder[0]) return folder;
	/* Memory where there is some: a fuzzer writes thousands of files a second. */
	snprintf(folder, sizeof folder, "%s/vita-fuzz.XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(folder)) give_up(folder);
	atexit(remove_folder);
	return folder;
}

const char *fuzz_write(const char *name, const void *data, size_t size)
{
	static char path[512];
	snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
	FILE *file = fopen(path, "wb");
	if (!file || (size && fwrite(data, 1, size, file) != size) || fclose(file) != 0) give_up(path);
	return path;
}

void fuzz_touch(const void *data, size_t size)
{
	static volatile uint8_t sink;
	const uint8_t *bytes = data;
	for (size_t i = 0; i < size; i++) sink = bytes[i];
	(void)sink;
}
