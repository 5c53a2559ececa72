/* SPDX-License-Identifier: MIT
 *
 * Weights laid out for MATMUL; see pack.c.
 */
#ifndef VITA_OPENCL_PACK_H
#define VITA_OPENCL_PACK_H

#include "opencl.h"

struct pack_layout {
	int64_t lanes;
	int64_t block, blocks;   /* values of a block, blocks of a row */
	int64_t halves, words;   /* of a block */
	int64_t words_at;        /* bytes from a tile's beginning to its words */
	int64_t tile_bytes;      /* 0: the type or row length is not laid out */
};

struct pack_layout pack_layout_of(const vita_backend *backend, uint32_t dtype, int64_t columns);

vita_status pack_load(vita_backend *backend, const vita_array *source, uint32_t dtype, vita_tensor *out, vita_error *err);
/* Is a view of packed weights one of whole rows? */
bool pack_is_rows(const vita_tensor *t);
/* With the lock held. */
vita_status pack_read(vita_backend *backend, const vita_tensor *t, void *target, vita_error *err);

/* Build what MATMUL needs for weights of this type, so that the first pass does not wait for it. Takes the lock. */
vita_status matmul_warm(vita_backend *backend, const vita_tensor *w, vita_error *err);

/* The table of what is quickest (tune.c): from disk, and measured with the first large weight of a type. They take the
 * lock. */
void tune_open(vita_backend *backend);
void tune_weight(vita_backend *backend, const vita_tensor *w);

#endif
