/* SPDX-License-Identifier: MIT
 *
 * What the fuzz targets share: libFuzzer's entry point, and the input as a file, for functions that take paths.
 */
#ifndef VITA_FUZZ_H
#define VITA_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A folder of this process's own, empty but for what fuzz_write put there; gone when the process ends. */
const char *fuzz_folder(void);

/* Write the input to fuzz_folder()/name and return the whole path, valid until the next call. */
const char *fuzz_write(const char *name, const void *data, size_t size);

/* Reads every byte, so that a sanitizer sees a pointer that leads outside. */
void fuzz_touch(const void *data, size_t size);

#endif
