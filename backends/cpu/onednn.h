/* SPDX-License-Identifier: MIT
 *
 * Products through oneDNN. The only file that knows oneDNN is onednn.c; without it these functions decline.
 */
#ifndef VITA_CPU_ONEDNN_H
#define VITA_CPU_ONEDNN_H

#include "cpu.h"

/* NULL without oneDNN, or where it finds nothing to run on. */
struct onednn *onednn_open(void);
void onednn_close(struct onednn *onednn);

/* 2 or 3 with minor and patch, "" without. */
const char *onednn_version(void);

/* Is this product one for oneDNN? Then matmul.c's steps call the others. */
bool onednn_takes(const vita_backend *backend, const op_call *c);
void onednn_needs(struct step *s);
void onednn_multiply(const struct step *s, int thread, int n_threads);

#endif
