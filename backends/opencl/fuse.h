/* SPDX-License-Identifier: MIT
 *
 * Ops that are done together: each launch costs microseconds, and a layer has fifteen ops.
 */
#ifndef VITA_OPENCL_FUSE_H
#define VITA_OPENCL_FUSE_H

#include "opencl.h"

/* Do the first ops of a list in fewer launches, if they are of a kind that this knows: *done says how many. 0: do the
 * first by itself. */
vita_status fuse(vita_backend *backend, const op_call *calls, uint32_t n, uint32_t *done, vita_error *err);

#endif
