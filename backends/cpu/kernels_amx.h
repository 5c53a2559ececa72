/* SPDX-License-Identifier: MIT
 *
 * Between the files of kernels and kernels_amx.c. A thread whose process may not use tile registers (detect.c asks) must not
 * call these.
 */
#ifndef VITA_CPU_KERNELS_AMX_H
#define VITA_CPU_KERNELS_AMX_H

#include "kernels.h"

#define AMX_ROWS 64 /* of a call, at most */

wide_kernel amx_wide_bf16;
double amx_spin(int64_t steps); /* in registers; the operations done */

#endif
