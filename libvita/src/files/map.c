/* SPDX-License-Identifier: MIT
 *
 * Regular files mapped read-only, memory that is given back all at once, and names fit to be shown.
 */
#include "files/map.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static vita_status map_descriptor(int fd, const char *path, vita_map *map, vita_error *err)
{
	struct stat info;
	if (fstat(fd, &info) != 0)
		return vita_fail(err, VITA_E_IO, "%s: cannot be examined: %s", path, strerror(errno));
	if (!S_ISREG(info.st_mode)) return vita_fail(err, VITA_E_FORMAT, "%s: is not a regular file", path);
	if (info.st_size == 0) return VITA_OK;
	if ((uint64_t)info.st_size > SIZE_MAX / 2)
		return vita_fail(err, VITA_E_NOMEM, "%s: is too large for this machine's address space",
		                 path);

	void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (data == MAP_FAILED)
		return vita_fail(err, errno == ENOMEM ? VITA_E_NOMEM : VITA_E_IO, "%s: cannot be mapped: %s",
		                 path, strerror(errno));
	map->data = data;
	map->size = (size_t)info.st_size;
	return VITA_OK;
}

vita_status vita_map_open(const char *path, vita_map *map, vita_error *err)
{
	static const unsigned char nothing[1];
	map->data = nothing;
	map->size = 0;
	/* O_NONBLOCK: opening a pipe must not wait for somebody to write to it. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return vita_fail(err, VITA_E_NOTFOUND, "%s: there is no such file", path);
	if (fd < 0) return vita_fail(err, VITA_E_IO, "%s: cannot be opened: %s", path, strerror(errno));
	vita_status status = map_descriptor(fd, path, map, err);
	close(fd);
	return status;
}

void vita_map_close(vita_map *map)
{
	if (map->size > 0) munmap((void *)(uintptr_t)map->data, map->size);
	map->size = 0;
}

void vita_map_release(const vita_map *map, const void *data, uint64_t size)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), end = (uintptr_t)map->data + map->size;
	uintptr_t first = ((uintptr_t)data + page - 1) / page * page, last = (uintptr_t)data + size;
	last = (last < end ? last : end) / page * page;
#ifdef MADV_DONTNEED
	/* Of a read-only mapping of a file: drops the pages from this process, loses nothing. */
	if (last > first) (void)madvise((void *)first, last - first, MADV_DONTNEED);
#endif
}

/* ---- arena --------------------------------------------------------------------------------------- */

#define BLOCK_SIZE 32768u

struct vita_arena_block {
	struct vita_arena_block *next;
	size_t used, size;
	uint64_t bytes[];
};

void *vita_arena_alloc(vita_arena *arena, size_t size)
{
	struct vita_arena_block *block = arena->blocks;
	if (size > SIZE_MAX / 2) return NULL;
	size = (size + 7) & ~(size_t)7;
	if (!block || block->size - block->used < size) {
		size_t wanted = size > BLOCK_SIZE ? size : BLOCK_SIZE;
		block = malloc(sizeof *block + wanted);
		if (!block) return NULL;
		block->next = arena->blocks;
		block->used = 0;
		block->size = wanted;
		arena->blocks = block;
	}
	void *result = (char *)block->bytes + block->used;
	block->used += size;
	return result;
}

char *vita_arena_string(vita_arena *arena, const char *string)
{
	size_t size = strlen(string) + 1;
	char *copy = vita_arena_alloc(arena, size);
	if (copy) memcpy(copy, string, size);
	return copy;
}

void vita_arena_free(vita_arena *arena)
{
	while (arena->blocks) {
		struct vita_arena_block *next = arena->blocks->next;
		free(arena->blocks);
		arena->blocks = next;
	}
}

/* ---- names --------------------------------------------------------------------------------------- */

const char *vita_show_bytes(vita_shown out, const char *name, size_t size)
{
	const size_t room = sizeof(vita_shown) - 4;
	size_t n = 0;
	for (; n < size && n < room; n++) {
		unsigned char c = (unsigned char)name[n];
		out[n] = c < 0x20 || c == 0x7f ? '?' : name[n];
	}
	if (n < size) {
		/* Cut before the character that the border splits, not in it. */
		while (n > 0 && ((unsigned char)name[n] & 0xc0) == 0x80) n--;
		memcpy(out + n, "...", 3);
		n += 3;
	}
	out[n] = '\0';
	return out;
}

const char *vita_show(vita_shown out, const char *name)
{
	return vita_show_bytes(out, name, strlen(name));
}
