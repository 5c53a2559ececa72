/* SPDX-License-Identifier: MIT
 *
 * For tests of the cpu backend: it beside the reference backend, once for each set of kernels that this
 * machine runs, and random numbers.
 */
#ifndef CPU_SUPPORT_H
#define CPU_SUPPORT_H

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

/* Opens cpu with these kernels (NULL: its choice) and threads. 0 where this machine does not run them. */
int cpu_open(test_device *device, const char *kernels, int64_t threads);
/* The same with oneDNN for every product of many rows that it takes. 0 also where the backend was built without it. */
int cpu_open_onednn(test_device *device, const char *kernels, int64_t threads);
void reference_open(test_device *device);
/* Does a device opened so multiply in f16, as its set of kernels and no other does? */
int cpu_multiplies_in_f16(const test_device *cpu);

/* Calls test with the device opened with each set of kernels that there is, `threads` threads. */
void with_kernels(int64_t threads, void (*test)(const test_device *cpu, const test_device *reference));
/* The same with 1, 2 and 3 threads.
 *
 * ThreadSanitizer makes all of it many times slower, finds nothing in one thread, and sees in three what it would see in
 * two. So VITA_TEST_THREADS=3 has every test that takes them from here in three threads alone, and
 * VITA_TEST_KERNELS="plain avx2" with these kernels alone: what differs between sets of kernels is arithmetic, and hardly
 * how work is split. */
void with_kernels_and_threads(void (*test)(const test_device *cpu, const test_device *reference));

/* ---- numbers ---- */

uint64_t random_bits(void);
void random_seed(uint64_t seed);
int64_t random_between(int64_t low, int64_t high);
float random_float(void); /* -1 … 1 */
void random_floats(float *x, int64_t n);
/* n values of any weight type, about -1 … 1, as plain blocks; free it. */
void *random_weights(uint32_t dtype, int64_t n);

/* ---- tensors ---- */

vita_tensor make(const test_device *device, uint32_t dtype, uint32_t rank, int64_t d0, int64_t d1, int64_t d2,
                 const void *data);
/* A weight as the host would give it: load where the backend takes it, plain memory otherwise. */
vita_tensor make_weight(const test_device *device, uint32_t dtype, int64_t rows, int64_t columns, const void *data);
void drop(const test_device *device, vita_tensor *t);
/* All values as f32; free it. */
float *values_of(const test_device *device, const vita_tensor *t);

void submit(const test_device *device, const vita_op *op);
/* largest |a - b| and largest |b| */
double difference(const float *a, const float *b, int64_t n, double *largest);

/* How far products may be off, relative to √k · 1 (values are about -1 … 1): block types round activations to
 * 8 bits, a step of 1/127, at four standard deviations; large products with half precision round both to bf16, or
 * multiply and add up 64 products in f16, which was measured to be off by 0.7 times as much. */
double product_tolerance(uint32_t dtype, int64_t rows);

#endif
