/* SPDX-License-Identifier: MIT
 *
 * Inside libvita: regular files mapped read-only, and memory that is given back all at once.
 */
#ifndef VITA_FILES_MAP_H
#define VITA_FILES_MAP_H

#include <vita/types.h>

#include <stdbool.h>

typedef struct vita_map {
	const unsigned char *data; /* not NULL, even when size is 0 */
	size_t size;
} vita_map;

/* Map the regular file at path. E_NOTFOUND | E_IO | E_FORMAT (not a regular file) | E_NOMEM. A file
 * that somebody truncates while it is mapped kills its reader: model files are not edited in place. */
vita_status vita_map_open(const char *path, vita_map *map, vita_error *err);
void vita_map_close(vita_map *map);

/* Whole pages within these bytes need not stay in memory; they are read again when touched. */
void vita_map_release(const vita_map *map, const void *data, uint64_t size);

/* Blocks of memory that grow with what is put in; all of it is freed by vita_arena_free. */
typedef struct vita_arena {
	struct vita_arena_block *blocks;
} vita_arena;

/* NULL when memory is out; aligned to 8 bytes. */
void *vita_arena_alloc(vita_arena *arena, size_t size);
char *vita_arena_string(vita_arena *arena, const char *string);
void vita_arena_free(vita_arena *arena);

/* For messages: a name from a file, cut to a readable length and free of control characters, so that
 * a hostile name cannot flood or steer a terminal. Returns out. */
typedef char vita_shown[100];
const char *vita_show(vita_shown out, const char *name);
const char *vita_show_bytes(vita_shown out, const char *name, size_t size);

#endif
