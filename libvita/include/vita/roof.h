/* SPDX-License-Identifier: MIT
 *
 * vita/roof.h - an optional ability of backends: what the device could do at best, measured now.
 *
 * A speed says little alone. Beside the lower of two roofs, bytes that can be read and multiply-adds
 * that can be done in a second (Williams, Waterman and Patterson 2009, "Roofline"), it says what is left
 * to gain. Machines are shared, so roofs are measured in the same run as the speed.
 *
 *   const vita_roof_api *api = backend_api->get_extension(backend, VITA_ROOF_ID);
 */
#ifndef VITA_ROOF_H
#define VITA_ROOF_H

#include <vita/backend.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VITA_ROOF_ID "vita.roof/1"

/* 0: not known. A multiply-add counts as two operations. */
typedef struct vita_roof {
	uint32_t struct_size;
	uint32_t reserved;
	double read_bytes;   /* a second, from memory far larger than any cache, all threads */
	double f32_ops;      /* a second, in registers, all threads */
	double bf16_ops;     /* bf16 products added in f32 */
	double int8_ops;     /* 8-bit products added in 32 bits */
	double f16_ops;      /* f16 products added in f16 */
	double copy_bytes;   /* a second, read and written together, by the device's own copy from memory to memory */
} vita_roof;

typedef struct vita_roof_api {
	uint32_t struct_size;
	uint32_t flags;      /* 0 */

	/* Takes about half a second; gives the best of several short runs.
	 * OK | E_NOMEM | E_DEVICE                                              [any-thread, may-block] */
	vita_status (*measure)(vita_backend *backend, vita_roof *out, vita_error *err);
} vita_roof_api;

#ifdef __cplusplus
}
#endif
#endif
