/* SPDX-License-Identifier: MIT
 *
 * The weights of decoder layers on a device: found by their Hugging Face names, checked for shape,
 * uploaded as they are or in another type.
 */
#ifndef COMMON_DECODER_WEIGHTS_H
#define COMMON_DECODER_WEIGHTS_H

#include "decoder_config.h"

/* What all loads of one model share. */
typedef struct decoder_loader {
	const vita_host *host;
	const vita_device *device;
	const vita_model *model;
	uint32_t dtype; /* of matrices; VITA_DTYPE_NONE: as they are */
	int32_t warned; /* dtype did not fit some matrix, and the log knows */
	uint64_t bytes; /* loaded so far, as the device holds them */
	uint64_t macs;  /* multiply-adds of a row with the matrices loaded so far */
} decoder_loader;

/* y = x weightᵀ + bias; bias.buffer is NULL where there is none. */
typedef struct decoder_linear {
	vita_tensor weight, bias;
} decoder_linear;

typedef struct decoder_layer {
	vita_tensor input_norm, post_norm;
	vita_tensor q_norm, k_norm; /* buffer NULL where there is none */
	decoder_linear q, k, v, o, gate, up, down;
} decoder_layer;

/* The `dtype` key that the host adds to a section: "as-is" gives VITA_DTYPE_NONE.  OK | E_CONFIG */
vita_status decoder_dtype_setting(const vita_host *host, const vita_settings *settings, uint32_t *dtype,
                                  vita_error *err);

/* [rows, columns] in the loader's type, or where its blocks do not divide the columns in a near one.
 * rows -1: any number. */
vita_status decoder_matrix_load(decoder_loader *loader, const char *name, int64_t rows, int64_t columns,
                                vita_tensor *out, vita_error *err);

/* [n] in f32: norms and biases are small and always exact. */
vita_status decoder_vector_load(decoder_loader *loader, const char *name, int64_t n, vita_tensor *out,
                                vita_error *err);

/* Layer number `index` of the file. On failure what was loaded stays for decoder_layer_free. */
vita_status decoder_layer_load(decoder_loader *loader, const decoder_config *config, int64_t index,
                               decoder_layer *out, vita_error *err);
void decoder_layer_free(const vita_device *device, decoder_layer *layer);

/* What rope_kind LLAMA3 divides each angle by, f32 [head_dim / 2] on the device. */
vita_status decoder_rope_factors(decoder_loader *loader, const decoder_config *config, vita_tensor *out,
                                 vita_error *err);

#endif
