/* SPDX-License-Identifier: MIT
 *
 * Products of many rows with plain weights through oneDNN. The only file that knows oneDNN is onednn.c; without it
 * these functions decline.
 */
#ifndef VITA_CPU_ONEDNN_H
#define VITA_CPU_ONEDNN_H

#include "cpu.h"

/* The library's version, "2.6.3" for one; "" without it. */
const char *onednn_version(void);

/* Of how many values on shall weights go through oneDNN where there are many rows? 0: none. It is quicker on x86-64 than
 * all kernels but those for AVX-512. $VITA_CPU_ONEDNN = yes or no: all that can go there, or none. */
int64_t onednn_least(const struct cpu_kernels *kernels);

/* Is this product of many rows one for oneDNN? Then matmul.c's steps call the others. */
bool onednn_takes(const vita_backend *backend, const op_call *c);
void onednn_needs(struct step *s);
void onednn_multiply(const struct step *s, int thread);

#endif
