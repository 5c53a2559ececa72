/* SPDX-License-Identifier: MIT
 *
 * Between the files of MATMUL: matmul.c cuts products into work, matmul_wide.c multiplies many rows with a tile that is
 * laid out anew.
 */
#ifndef VITA_CPU_MATMUL_H
#define VITA_CPU_MATMUL_H

#include "cpu.h"

enum way {
	WAY_TILES,  /* block types */
	WAY_BYTES,  /* packed weights, many rows */
	WAY_ROWS,   /* plain types, activations as they are */
	WAY_WIDE,   /* plain types, many rows */
	WAY_HALF,   /* f16 and bf16, many rows, in f16 */
	WAY_ONEDNN
};

/* A product as sizes: `planes` times n rows of k values times m weight rows. Where w serves all planes, their rows
 * are taken together. */
struct product {
	enum way way;
	int64_t planes, n, k, m;
	int32_t per_group;   /* rows that a kernel takes together */
	bool rounds;         /* WAY_WIDE: in bf16 */
	bool gathers;        /* x is not evenly spaced and is copied */
	uint32_t dtype;
};

/* Up to TILE weight rows on their way through the rows of a plane. */
struct tile {
	const struct step *step;
	const struct product *p;
	int64_t plane, column;         /* of y: the tile's first */
	int count, lane;               /* columns of y, and which row of the tile the first one is */
	const unsigned char *memory;   /* packed tile, or the first plain row */
	const unsigned char *next;     /* where the thread reads after it */
	int64_t bytes;                 /* of a whole tile */
	int64_t stride;                /* of plain rows */
};

/* The activations of one plane within the step's scratch. */
struct quantised_rows matmul_quantised(const struct product *p, unsigned char *scratch, int64_t plane);
struct half_rows matmul_halved(const struct product *p, unsigned char *scratch, int64_t plane);

/* Those of one row, converted or as they lie; *stride is the way to the next. */
const char *matmul_activations(const struct tile *t, int64_t row, int64_t *stride);

/* Rows row … row + n - 1 of the tile's result, [n][TILE], to y. */
void matmul_finish(const struct tile *t, int64_t row, int64_t n, const float *out);

/* ---- many rows (matmul_wide.c) ---------------------------------------------------------------------- */

/* Bytes that each thread needs; rows that go through a run of tiles together; how many tiles do so at a time. */
uint64_t matmul_wide_needs(const struct product *p);
int64_t matmul_wide_chunk(const struct product *p);
int matmul_wide_tiles(const struct product *p);
#define MATMUL_MOST_TILES 16

/* Rows row … end - 1 of the plane times n tiles, by the product's way. */
void matmul_wide(const struct tile *tiles, int n, int64_t row, int64_t end, int thread);

#endif
