/* SPDX-License-Identifier: MIT
 *
 * What the files of ops share.
 */
#ifndef VITA_CPU_OPS_H
#define VITA_CPU_OPS_H

#include "cpu.h"

#define ROPE_MAX 512 /* most rotated values of a head */

int64_t n_rows(const vita_tensor *t);                /* all dimensions but the innermost, multiplied */
void *row_at(const vita_tensor *t, int64_t row);

bool attention_supports(const vita_op *op);
step_fn attention_step;

#endif
