/* SPDX-License-Identifier: MIT
 *
 * Short words for op tests by hand: make a tensor of literal values, record an op, compare what came out.
 * One device and one recorder a program; tensors live until the next op_test_begin.
 */
#ifndef TEST_FIXTURE_H
#define TEST_FIXTURE_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <vita/blocks.h>
#include <vita/record.h>

#include "device.h"

extern test_device device;
extern vita_recorder *r;

/* SHAPE(2, 3) is what the functions below call rank and shape; F(…) and I(…) are literal values. */
#define SHAPE(...)                                                                                           \
	(uint32_t)(sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)), (int64_t[]) { __VA_ARGS__ }
#define F(...)                                                                                               \
	(float[]) { __VA_ARGS__ }
#define I(...)                                                                                               \
	(int32_t[]) { __VA_ARGS__ }

int fixture_open(void **state); /* group setup and teardown: the backend `reference` */
int fixture_close(void **state);
int fixture_reset(void **state); /* teardown of each test: frees its tensors */

/* Dense tensors; values are written, converted from f32 where dtype is another type. */
vita_tensor empty(uint32_t dtype, uint32_t rank, const int64_t *shape);
vita_tensor dense(uint32_t dtype, uint32_t rank, const int64_t *shape, const float *values);
vita_tensor f32(uint32_t rank, const int64_t *shape, const float *values);
vita_tensor i32(uint32_t rank, const int64_t *shape, const int32_t *values);

#define TEST(function) cmocka_unit_test_teardown(function, fixture_reset)

/* A view with `gap` unused elements after each row, in a buffer full of NaN. */
vita_tensor gappy(uint32_t rank, const int64_t *shape, int64_t gap, const float *values);

/* Submit what is recorded. */
void succeed(void);
void fail_with(vita_status status, const char *part_of_message);

/* All elements of y are these, to within tolerance · max(1, |value|). */
void expect_f32(const vita_tensor *y, const float *values, double tolerance);
void expect_i32(const vita_tensor *y, const int32_t *values);
void expect_bytes(const vita_tensor *y, const void *bytes, uint64_t size);

#endif
