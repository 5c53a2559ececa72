/* SPDX-License-Identifier: MIT
 *
 * Matrix products through oneDNN: what it is best at are many rows against f32 and bf16 weights. The only
 * file that knows oneDNN is onednn.c; without it these functions decline.
 */
#ifndef VITA_CPU_ONEDNN_H
#define VITA_CPU_ONEDNN_H

#include "cpu.h"

/* NULL without oneDNN, or where it finds nothing to run on. */
struct onednn *onednn_open(void);
void onednn_close(struct onednn *onednn);

/* 2 or 3 with minor and patch, "" without. */
const char *onednn_version(void);

bool onednn_takes(const struct onednn *onednn, const vita_op *op);

/* Run a MATMUL that onednn_takes, on all of its threads; not from inside a parallel region.
 * OK | E_UNSUPPORTED (oneDNN declined: nothing was written) | E_NOMEM | E_DEVICE */
vita_status onednn_matmul(struct onednn *onednn, const vita_backend *backend, const vita_op *op, vita_error *err);

#endif
