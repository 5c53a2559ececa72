/* SPDX-License-Identifier: MIT
 *
 * Inside libvita: Python's pickles as inert values. A pickle is a program that may call anything; this interpreter
 * calls nothing. It knows the opcodes that state dicts are written with, and the few names that its caller allows;
 * "call this with that" becomes a value that says so. Everything else is refused: that is the security boundary.
 *
 * Opcodes: Python's Lib/pickletools.py, protocol 2.
 */
#ifndef VITA_FILES_PICKLE_H
#define VITA_FILES_PICKLE_H

#include "files/map.h"

typedef enum vita_pickle_kind {
	VITA_PICKLE_NONE,
	VITA_PICKLE_BOOL,
	VITA_PICKLE_INT,
	VITA_PICKLE_FLOAT,
	VITA_PICKLE_TEXT,       /* UTF-8 without '\0', ends in '\0' */
	VITA_PICKLE_GLOBAL,     /* text: "module name", one of those allowed */
	VITA_PICKLE_TUPLE,
	VITA_PICKLE_LIST,
	VITA_PICKLE_DICT,       /* items: key, value, key, value …; an OrderedDict too */
	VITA_PICKLE_PERSISTENT, /* items[0]: the id */
	VITA_PICKLE_CALL,       /* items[0]: a GLOBAL, items[1]: a TUPLE of arguments */
} vita_pickle_kind;

/* Values may be shared, and a list may hold itself: do not walk them without a limit. */
typedef struct vita_pickle_value {
	uint32_t kind;
	uint32_t n; /* items, or bytes of text */
	union {
		int64_t number; /* BOOL, INT */
		double real;
		const char *text;
		struct vita_pickle_value **items;
	} as;
	uint32_t capacity; /* of items that may grow */
	uint32_t reserved;
} vita_pickle_value;

/* The one value that the pickle makes. Memory comes from the arena and is in proportion to size. allowed: "module
 * name" texts, NULL at the end; "collections OrderedDict" needs no mention. origin names the pickle in messages.
 * OK | E_FORMAT | E_UNSUPPORTED (an opcode or a name that is not allowed) | E_NOMEM */
vita_status vita_pickle_read(const unsigned char *data, uint64_t size, const char *origin, const char *const *allowed,
                             vita_arena *arena, vita_pickle_value **out, vita_error *err);

/* The value of a dict's entry with this text as key; NULL where there is none. */
const vita_pickle_value *vita_pickle_get(const vita_pickle_value *dict, const char *key);

#endif
