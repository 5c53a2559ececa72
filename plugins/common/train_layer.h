/* SPDX-License-Identifier: MIT
 *
 * A decoder layer that learns: its parameters, and the way forward and back over packed samples, written with
 * the training ops of vita/train_ops.h.
 *
 *     a = RMSNorm(x)    q, k, v = a·Wqᵀ, a·Wkᵀ, a·Wvᵀ    q, k rotated by position
 *     mid = x + attention(q, k, v)·Woᵀ
 *     b = RMSNorm(mid)    y = mid + (silu(b·Wgateᵀ) ⊙ b·Wupᵀ)·Wdownᵀ
 *
 * What the way back needs is kept as it is made; gate and up are given up there.
 */
#ifndef COMMON_TRAIN_LAYER_H
#define COMMON_TRAIN_LAYER_H

#include "decoder_config.h"
#include "plugin_memory.h"

#include <vita/record.h>
#include <vita/trainable.h>

/* ---- a table of parameters -------------------------------------------------------------------------- */

typedef struct train_table {
	const vita_host *host;
	vita_parameter *list; /* never moved, so that pointers into it last */
	uint32_t n, capacity;
} train_table;

vita_status train_table_open(train_table *t, const vita_host *host, uint64_t capacity, vita_error *err);
void train_table_close(train_table *t);

/* The next parameter, [rows, columns] or with columns 0 [rows]. There must be room. */
vita_parameter *train_table_add(train_table *t, uint32_t start, double deviation, int64_t rows, int64_t columns,
                                const char *name);

/* ---- layers ----------------------------------------------------------------------------------------- */

/* What all layers of a model share. */
typedef struct train_graph {
	vita_train_setup setup;
	vita_backend *backend; /* of setup.device */
	decoder_config config;
	double initial; /* deviation of new weights: initializer_range of config.json */
	device_memory memory; /* for the gradients of one layer's insides */
	int64_t capacity; /* rows that it is cut for */
	vita_tensor dwide, dnarrow, dqueries, dq, dk, dv;
} train_graph;

/* OK | E_FORMAT | E_UNSUPPORTED (queries and keys with a norm, other positions than Qwen2's) */
vita_status train_graph_open(train_graph *g, const vita_train_setup *setup, vita_error *err);
void train_graph_close(train_graph *g);

typedef struct train_linear {
	vita_parameter *weight, *bias; /* bias NULL where there is none */
} train_linear;

typedef struct train_layer {
	vita_parameter *input_norm, *post_norm;
	train_linear q, k, v, o, gate, up, down;
} train_layer;

#define TRAIN_LAYER_PARAMETERS 16 /* at most */

/* Add the parameters of layer number `index`; where the checkpoint lacks them they start like those of layer number
 * `like`, unless that is -1. */
void train_layer_add(train_graph *g, train_table *t, int64_t index, int64_t like, train_layer *out);

/* A layer's activations. */
typedef struct train_kept {
	device_memory memory;
	int64_t capacity; /* rows that it is cut for */
	vita_tensor a, q, k, v, o, log_sum, mid, b, gate, up, product;
	vita_tensor inverse_a, inverse_b;
} train_kept;

vita_status train_kept_reserve(const train_graph *g, train_kept *kept, int64_t n, vita_error *err);
void train_kept_free(const train_graph *g, train_kept *kept);

/* Cut a buffer for `capacity` rows into f32 matrices of these widths; a width of 0 makes a vector [capacity]. */
typedef struct train_cut {
	vita_tensor *tensor;
	int64_t width;
} train_cut;
vita_status train_cut_reserve(const vita_device *device, device_memory *memory, int64_t *capacity, int64_t n,
                              const train_cut *cuts, uint32_t n_cuts, vita_error *err);

/* The first n rows. */
vita_tensor train_first(const vita_tensor *t, int64_t n);

/* y = layer(x), both [n, hidden_size]; kept has room for n rows. positions [n] may be shifted for all samples. */
vita_status train_layer_forward(train_graph *g, const train_layer *layer, train_kept *kept,
                                const vita_train_rows *rows, const int32_t *positions, const vita_tensor *x,
                                const vita_tensor *y, vita_error *err);

/* d is the gradient of y, and becomes that of x. */
vita_status train_layer_backward(train_graph *g, const train_layer *layer, train_kept *kept,
                                 const vita_train_rows *rows, const int32_t *positions, const vita_tensor *x,
                                 const vita_tensor *d, vita_error *err);

/* The gradient of a parameter, NULL where it has none. */
static inline const vita_tensor *train_gradient(const vita_parameter *p)
{
	return p && p->gradient.buffer ? &p->gradient : NULL;
}

#endif
