/* SPDX-License-Identifier: MIT
 *
 * One random case on one backend.
 */
#ifndef TEST_RUN_CASE_H
#define TEST_RUN_CASE_H

#include "cases.h"
#include "device.h"

/* An op as it will be submitted: what a tamper function may spoil. */
typedef struct placed_op {
	vita_op op;
	vita_tensor input[VITA_OP_MAX_INPUTS], output[VITA_OP_MAX_OUTPUTS];
	case_params params;
} placed_op;

typedef void case_tamper(placed_op *placed, op_case *c);

/* Runs the case and leaves what its buffers hold afterwards in after[] (malloc), one for each store.
 * VITA_END: the backend declines it. */
vita_status run_case(const test_device *device, const op_case *c, unsigned char **after, vita_error *err);

/* Places the case, lets tamper spoil it, asks supports, submits and waits. What comes of it is returned; that
 * the process lives and no memory but the op's own was touched is for the caller and its tools to see. */
vita_status run_hostile_case(const test_device *device, op_case *c, case_tamper *tamper, vita_error *err);

#endif
