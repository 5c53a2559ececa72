/* SPDX-License-Identifier: MIT
 *
 * Products with weights laid out in tiles, alone and several in one launch; see kernels/tiles.cl.
 */
#ifndef VITA_OPENCL_TILES_H
#define VITA_OPENCL_TILES_H

#include "pack.h"

#define TILES_MOST 3       /* weights of one launch */
#define TILES_MOST_ROWS 12 /* of x that share one reading of a tile */

/* Rows that lie a fixed step apart. */
struct matrix {
	cl_mem memory;
	int64_t at, step; /* bytes */
};

/* Do all rows of t, whatever its leading dimensions, lie a fixed step apart? */
bool matrix_of(const vita_tensor *t, struct matrix *out);

/* Is x converted to 8 bits for products with this weight? */
bool tiles_quantise(const vita_backend *backend, const vita_tensor *w);
/* Bytes of a converted row of k values. */
int64_t tiles_row_bytes(int64_t k);
/* So many converted rows fit into the scratch that one launch may have. */
int64_t tiles_most_rows(int64_t k);

/* Do MATMULs a and b have the same x, and weights of one type and row length in tiles, so that one launch may do both? */
bool tiles_alike(const op_call *a, const op_call *b);

/* n MATMULs that are alike. quantised: x's rows in 8 bits if they are there already, or NULL. */
vita_status tiles_multiply(vita_backend *backend, const op_call *const *calls, uint32_t n, const struct matrix *quantised,
                           vita_error *err);
/* Two MATMULs that are alike, and then GLU: gate's output becomes silu(gate) · up. */
vita_status tiles_multiply_gated(vita_backend *backend, const op_call *gate, const op_call *up,
                                 const struct matrix *quantised, vita_error *err);
/* RMS_NORM, its result also in 8 bits in the scratch, as *quantised. */
vita_status tiles_rms_norm(vita_backend *backend, const op_call *norm, struct matrix *quantised, vita_error *err);
vita_status tiles_gather(vita_backend *backend, const op_call *c, vita_error *err);

#endif
