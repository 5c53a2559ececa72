/* SPDX-License-Identifier: MIT
 *
 * One random case on one backend.
 */
#ifndef TEST_RUN_CASE_H
#define TEST_RUN_CASE_H

#include "cases.h"
#include "device.h"

/* Runs the case and leaves what its buffers hold afterwards in after[] (malloc), one for each store.
 * VITA_END: the backend declines it. */
vita_status run_case(const test_device *device, const op_case *c, unsigned char **after, vita_error *err);

#endif
