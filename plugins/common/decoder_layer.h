/* SPDX-License-Identifier: MIT
 *
 * Pre-norm decoder layers on a device: KV caches that grow, working memory of a pass, and the pass of
 * several conversations' rows through one layer.
 *
 *     a = RMSNorm(x)    q, k, v = a·Wqᵀ, a·Wkᵀ, a·Wvᵀ    rotated by position; k and v join the cache
 *     x = x + softmax(q·kᵀ / √d)·v·Woᵀ     each row sees its own conversation's earlier rows
 *     b = RMSNorm(x)    x = x + (silu(b·Wgateᵀ) ⊙ b·Wupᵀ)·Wdownᵀ
 */
#ifndef COMMON_DECODER_LAYER_H
#define COMMON_DECODER_LAYER_H

#include "decoder_weights.h"
#include "plugin_memory.h"

#include <vita/record.h>

/* Longer blocks are run in pieces, so that working memory does not grow with the prompt. */
#define DECODER_MAX_ROWS 512

/* What all layers of one model on one device share. */
typedef struct decoder {
	const vita_host *host;
	const vita_device *device;
	decoder_config config;
	vita_rope_params rope;
	vita_tensor rope_factors; /* buffer NULL: all 1 */
	uint32_t cache_dtype;
	int64_t context; /* rows that a cache may get */
} decoder;

/* The `cache` key that both plugins declare, and its value checked against the shape of a head. */
#define DECODER_CACHE_KEY(section) \
	{ sizeof(vita_key), VITA_KEY_CHOICE, "cache", "f32", \
	  "type of the " section "'s KV cache; f16 halves its memory, q8_0 quarters it", \
	  "f32 f16 bf16 q8_0", 0, 0 }

/* Everything but context, from the model's config.json, the settings and the loader's device. */
vita_status decoder_open(decoder *d, decoder_loader *loader, const vita_settings *settings, vita_error *err);
void decoder_close(decoder *d);

/* ---- KV cache of one layer and one conversation ---------------------------------------------------- */

/* Keys of all rows, then values of all rows. {0} is an empty one; its owner counts the rows in use. */
typedef struct decoder_cache {
	vita_buffer *buffer;
	int64_t capacity; /* rows */
} decoder_cache;

/* Room for `needed` rows (at most d->context), the first `used` kept. Grows by half, so that a short
 * conversation takes little and a long one is seldom copied. */
vita_status decoder_cache_reserve(const decoder *d, vita_recorder *r, decoder_cache *cache, int64_t used,
                                  int64_t needed, vita_error *err);
void decoder_cache_free(const decoder *d, decoder_cache *cache);
uint64_t decoder_cache_row_bytes(const decoder *d); /* keys and values of one row */

/* ---- one pass -------------------------------------------------------------------------------------- */

/* Somebody looks on: what attention does in each layer is written down. */
typedef struct decoder_watch {
	vita_tensor hidden;  /* f32 [rows, rows] of the whole conversation: 0, or -inf where row may not see column */
	vita_tensor weights; /* f32 [n_layers, rows, rows], added to: all 0 before; buffer NULL: nobody wants them */
	vita_tensor keys;    /* f32 [rows, head_dim], working memory */
	vita_tensor scores;  /* f32 [rows, rows], working memory */
} decoder_watch;

/* Rows that one conversation adds to its caches: numbers length … length + count - 1. */
typedef struct decoder_block {
	const decoder_cache *caches; /* by the index given to decoder_layer_record */
	int64_t length, count;
	const decoder_watch *watch; /* NULL: nobody looks */
} decoder_block;

/* A block's share of one piece of a pass. */
typedef struct decoder_segment {
	const decoder_cache *caches;
	uint32_t block;
	uint32_t last; /* 1: the block ends with it */
	int64_t first; /* row of the block */
	int64_t row;   /* row of the piece */
	int64_t count;
	int64_t length; /* rows in the cache before it */
	const decoder_watch *watch;
} decoder_segment;

/* Activations of a piece, f32, and the indices that it is made of. */
typedef struct decoder_scratch {
	device_memory memory;
	int64_t capacity; /* rows */
	vita_tensor x, a, q, k, v, o, gate, up;
} decoder_scratch;

typedef struct decoder_indices {
	device_memory memory;
	int32_t host[DECODER_MAX_ROWS];
} decoder_indices;

/* Where a walk over the blocks' rows stands. */
typedef struct decoder_walk {
	const decoder_block *blocks;
	decoder_segment *segments; /* [n_blocks] of the present piece */
	uint32_t n_blocks, n_segments;
	uint32_t block;
	int64_t first;
} decoder_walk;

/* Fill segments with the next piece; its rows, 0 after the last. */
int64_t decoder_walk_next(decoder_walk *walk);

vita_status decoder_scratch_reserve(const decoder *d, decoder_scratch *scratch, int64_t rows,
                                    vita_error *err);

/* The first n of indices->host as an i32 tensor on the device, n at most DECODER_MAX_ROWS. */
vita_status decoder_indices_upload(const vita_device *device, decoder_indices *indices, int64_t n,
                                   vita_tensor *out, vita_error *err);

/* scratch->x (n rows) through a layer, in place. positions i32 [n]; room in the caches is there. */
void decoder_layer_record(const decoder *d, vita_recorder *r, const decoder_layer *layer, uint32_t index,
                          const decoder_scratch *scratch, const vita_tensor *positions, int64_t n,
                          const decoder_segment *segments, uint32_t n_segments);

/* The same for a piece that is one segment, where nobody reads on what comes of its rows before `first`, which is one of
 * them: of those it makes keys and values only, and leaves x as it is. */
void decoder_layer_record_from(const decoder *d, vita_recorder *r, const decoder_layer *layer, uint32_t index,
                               const decoder_scratch *scratch, const vita_tensor *positions, int64_t first,
                               const decoder_segment *segment);

#endif
