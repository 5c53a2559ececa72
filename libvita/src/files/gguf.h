/* SPDX-License-Identifier: MIT
 *
 * Inside libvita: GGUF files taken apart. Values and tensors' bytes stay in the mapping; keys and names are
 * copied, so that they end in a NUL. Everything in a vita_gguf has been checked against the file's end.
 */
#ifndef VITA_FILES_GGUF_H
#define VITA_FILES_GGUF_H

#include "files/map.h"

/* Types of values. */
#define VITA_GGUF_U8 0u
#define VITA_GGUF_I8 1u
#define VITA_GGUF_U16 2u
#define VITA_GGUF_I16 3u
#define VITA_GGUF_U32 4u
#define VITA_GGUF_I32 5u
#define VITA_GGUF_F32 6u
#define VITA_GGUF_BOOL 7u
#define VITA_GGUF_STRING 8u
#define VITA_GGUF_LIST 9u
#define VITA_GGUF_U64 10u
#define VITA_GGUF_I64 11u
#define VITA_GGUF_F64 12u

#define VITA_GGUF_MAX_RANK 8u
#define VITA_GGUF_ALIGNMENT 32u /* where the file does not say */

/* Bytes of a text in the file: may hold anything, NULs too. */
typedef struct vita_gguf_text {
	const char *data;
	uint64_t size;
} vita_gguf_text;

typedef struct vita_gguf_value {
	const char *key;
	const unsigned char
		*data; /* its bytes in the file, from behind the type on; of a list the first item */
	uint64_t size; /* bytes of that */
	uint32_t type;
	uint32_t item_type; /* of a list */
	uint64_t count;     /* of a list */
} vita_gguf_value;

typedef struct vita_gguf_tensor {
	const char *name;
	const unsigned char *data;
	const int64_t *shape; /* outermost first, the reverse of the file */
	uint64_t n_values;
	uint64_t size; /* bytes; 0 where the type is unknown */
	uint32_t rank;
	uint32_t type; /* the file's number */
} vita_gguf_tensor;

typedef struct vita_gguf {
	const char *path;          /* the caller's, for messages */
	vita_gguf_value *values;   /* by key */
	vita_gguf_tensor *tensors; /* by name */
	uint64_t n_values, n_tensors;
	uint32_t version, alignment;
	vita_arena arena;
} vita_gguf;

/* How a type of tensors is stored. */
typedef struct vita_gguf_type {
	const char *name; /* "Q4_K" */
	uint32_t number;
	uint32_t block, bytes; /* values in a block, and its bytes */
	uint32_t dtype;        /* VITA_DTYPE_NONE: nothing here computes with it */
} vita_gguf_type;

/* NULL where there is none of that number, or none that holds this dtype. */
const vita_gguf_type *vita_gguf_type_find(uint32_t number);
const vita_gguf_type *vita_gguf_type_of(uint32_t dtype);

bool vita_is_gguf(const unsigned char *head, size_t size);

/* Take a mapped file apart; path and map must live as long. OK | E_FORMAT | E_UNSUPPORTED | E_NOMEM; after a
 * failure there is nothing to close. */
vita_status vita_gguf_open(const vita_map *map, const char *path, vita_gguf *out, vita_error *err);
void vita_gguf_close(vita_gguf *gguf);

/* ---- values --------------------------------------------------------------------------------------- */

/* NULL where there is no such key or name. */
const vita_gguf_value *vita_gguf_find(const vita_gguf *gguf, const char *key);
const vita_gguf_tensor *vita_gguf_find_tensor(const vita_gguf *gguf, const char *name);

/* An integer of any width, or a bool; a float of either width; false where it is something else or (integers)
 * beyond INT64_MAX. */
bool vita_gguf_int(const vita_gguf_value *value, int64_t *out);
bool vita_gguf_float(const vita_gguf_value *value, double *out);
bool vita_gguf_string(const vita_gguf_value *value, vita_gguf_text *out);

/* One step through a list: the item at *at (0 at first, the next call's then), which has room for
 * vita_gguf_value's data and size and the list's item_type. Lists of lists are not entered. */
bool vita_gguf_next(const vita_gguf_value *list, uint64_t *at, vita_gguf_value *item);

/* A value as people read it, cut to a readable length, free of control characters. */
typedef char vita_gguf_shown[512];
const char *vita_gguf_show(vita_gguf_shown out, const vita_gguf_value *value);

/* The shortest decimal that reads back as this very float, as a double: 1e-6, not 9.99999997e-7. */
double vita_gguf_decimal(float value);

#endif
