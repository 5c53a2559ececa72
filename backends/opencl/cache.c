/* SPDX-License-Identifier: MIT
 *
 * The cache on disk: compiled programs and the table of what was found quickest, in $XDG_CACHE_HOME/vita (or
 * ~/.cache/vita), a file a key.
 *
 * A file is written beside its place and renamed, so two processes may write the same one: each reader sees a whole
 * file of one or the other. It begins with a magic word, the sizes and a check sum of key and contents; whatever does
 * not fit is taken for missing, and written anew. Programs run, so only files that nobody else could have written are
 * read: ours, in a folder of ours.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "opencl.h"

#define MAGIC UINT64_C(0x314c434154495600) /* "\0VITACL1" */
#define LARGEST (UINT64_C(256) << 20)
#define PATH 1024

struct header {
	uint64_t magic, key_size, size, sum;
};

uint64_t cache_hash(uint64_t hash, const void *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) hash = (hash ^ ((const unsigned char *)bytes)[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static uint64_t sum_of(const char *key, const unsigned char *contents, size_t size)
{
	return cache_hash(cache_hash(CACHE_HASH_BEGIN, key, strlen(key)), contents, size);
}

/* Why nothing of what s is the state of may be believed, or NULL. */
static const char *distrust(const struct stat *s)
{
	if (s->st_uid != geteuid()) return "it belongs to another user";
	return s->st_mode & (S_IWGRP | S_IWOTH) ? "others may write to it" : NULL;
}

/* The folder, made where it is missing; false where there is none, or VITA_OPENCL_CACHE=0. *why: it is there, but cannot
 * be trusted; else NULL. */
static bool find_folder(char folder[PATH], const char **why)
{
	const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME"), *wish = getenv("VITA_OPENCL_CACHE");
	struct stat s;
	*why = NULL;
	if (wish && strcmp(wish, "0") == 0) return false;
	int n = base && base[0] == '/' ? snprintf(folder, PATH, "%s", base)
	                               : home && home[0] == '/' ? snprintf(folder, PATH, "%s/.cache", home) : -1;
	if (n < 0 || n > PATH - 64) return false;
	(void)mkdir(folder, 0700);
	(void)snprintf(folder + n, (size_t)(PATH - n), "/vita");
	(void)mkdir(folder, 0700);
	if (stat(folder, &s) != 0 || !S_ISDIR(s.st_mode)) return false;
	*why = distrust(&s);
	return !*why;
}

void cache_describe_distrust(char *text, size_t size)
{
	char folder[PATH];
	const char *why;
	text[0] = '\0';
	if (!find_folder(folder, &why) && why) (void)snprintf(text, size, "%s: %s", folder, why);
}

static bool find_path(const char *key, char path[PATH])
{
	char folder[PATH];
	const char *why;
	if (!find_folder(folder, &why)) return false;
	return snprintf(path, PATH, "%s/opencl-%016llx", folder,
	                (unsigned long long)cache_hash(CACHE_HASH_BEGIN, key, strlen(key))) < PATH - 16;
}

/* ---- reading --------------------------------------------------------------------------------------- */

static bool read_all(int file, void *to, size_t size)
{
	for (size_t done = 0; done < size;) {
		const ssize_t n = read(file, (char *)to + done, size - done);
		if (n <= 0) return false;
		done += (size_t)n;
	}
	return true;
}

static unsigned char *read_file(int file, const char *key, size_t *size)
{
	struct header h;
	struct stat s;
	const size_t key_size = strlen(key);
	if (fstat(file, &s) != 0 || !S_ISREG(s.st_mode) || distrust(&s)) return NULL;
	if (!read_all(file, &h, sizeof h) || h.magic != MAGIC || h.key_size != key_size || h.size == 0 || h.size > LARGEST ||
	    (uint64_t)s.st_size != sizeof h + key_size + h.size)
		return NULL;
	unsigned char *all = malloc(key_size + (size_t)h.size);
	if (!all) return NULL;
	if (!read_all(file, all, key_size + (size_t)h.size) || memcmp(all, key, key_size) != 0 ||
	    cache_hash(CACHE_HASH_BEGIN, all, key_size + (size_t)h.size) != h.sum) {
		free(all);
		return NULL;
	}
	*size = (size_t)h.size;
	memmove(all, all + key_size, *size);
	return all;
}

unsigned char *cache_read(const char *key, size_t *size)
{
	char path[PATH];
	if (!find_path(key, path)) return NULL;
	const int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (file < 0) return NULL;
	unsigned char *contents = read_file(file, key, size);
	(void)close(file);
	return contents;
}

/* ---- writing --------------------------------------------------------------------------------------- */

static bool write_all(int file, const void *from, size_t size)
{
	for (size_t done = 0; done < size;) {
		const ssize_t n = write(file, (const char *)from + done, size - done);
		if (n <= 0) return false;
		done += (size_t)n;
	}
	return true;
}

/* A cache that cannot be written is no failure. */
void cache_write(const char *key, const unsigned char *contents, size_t size)
{
	const struct header h = { MAGIC, strlen(key), size, sum_of(key, contents, size) };
	char path[PATH], beside[PATH];
	if (size == 0 || size > LARGEST || !find_path(key, path)) return;
	(void)snprintf(beside, sizeof beside, "%.*s.XXXXXX", PATH - 16, path);
	const int file = mkstemp(beside);
	if (file < 0) return;
	bool good = write_all(file, &h, sizeof h) && write_all(file, key, strlen(key)) && write_all(file, contents, size);
	good = close(file) == 0 && good;
	if (!good || rename(beside, path) != 0) (void)unlink(beside);
}
