/* SPDX-License-Identifier: MIT
 *
 * Weights of a speech decoder on their way from model files to a device.
 */
#ifndef FLOW_HIFT_WEIGHTS_H
#define FLOW_HIFT_WEIGHTS_H

#include <vita/host.h>
#include <vita/record.h>

/* bias.buffer is NULL where a layer has none. */
typedef struct layer {
	vita_tensor weight, bias;
	int64_t in, out, kernel; /* kernel 0: a matrix */
} layer;

/* Everything that was taken for the weights: given back together. Zeroed: empty. */
typedef struct weight_store {
	const vita_host *host;
	const vita_device *device;
	vita_buffer **buffers;
	void **memory;
	uint32_t n_buffers, n_memory, buffers_capacity, memory_capacity;
} weight_store;

void weight_store_free(weight_store *store);

/* The first failure sticks: later calls do nothing. */
typedef struct loader {
	weight_store *store;
	const vita_model *model;
	const char *prefix;  /* in front of every name */
	uint32_t dtype;      /* of matrices and kernels; VITA_DTYPE_NONE: as in the file */
	int32_t copy;        /* nothing may lie in the model's pages: it will be closed */
	vita_status status;
	vita_error *err;
} loader;

/* Sizes of -1 are whatever the file has. `name` without ".weight" and ".bias". */
void load_matrix(loader *l, const char *name, int64_t out, int64_t in, int32_t bias, layer *to);
void load_conv(loader *l, const char *name, int64_t out, int64_t in, int64_t kernel, layer *to);

/* A kernel that weight norm split into a direction and a length for each entry of its first dimension (Salimans and
 * Kingma 2016): w = g v / |v|. Kernels stored whole are taken as they are. transposed: the file has [in, out, kernel]. */
void load_folded_conv(loader *l, const char *name, int64_t out, int64_t in, int64_t kernel, int32_t transposed, layer *to);

/* A norm's weight and bias. */
void load_norm(loader *l, const char *name, int64_t n, layer *to);

/* Any f32 vector or matrix by its whole name, on the device or copied to host memory of the store. */
void load_plain(loader *l, const char *name, uint32_t rank, const int64_t *shape, vita_tensor *to); /* for any op */
void load_tensor(loader *l, const char *name, uint32_t rank, const int64_t *shape, vita_tensor *to);
const float *load_values(loader *l, const char *name, uint32_t rank, const int64_t *shape, int64_t *n);

/* Values of the host's own on the device: [rows, columns], or [columns] where rows is 0. */
void load_made(loader *l, const float *values, int64_t rows, int64_t columns, vita_tensor *to);

/* 1 where the model has such a tensor. */
int32_t has_tensor(const loader *l, const char *name);

/* Zeroed memory that lives as long as the store. NULL after a failure. */
void *store_memory(loader *l, uint64_t n, uint64_t size);

/* Give back what the last calls took and nobody needs any more; NULL is a no-op. */
void store_drop(weight_store *store, const void *memory);

/* "encoder.3.norm" into a buffer of the caller. */
typedef char tensor_name[160];
VITA_PRINTF(2, 3) const char *name_of(tensor_name out, const char *format, ...);

#endif
