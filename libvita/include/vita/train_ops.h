/* SPDX-License-Identifier: MIT
 *
 * vita/train_ops.h - "vita.train/1": what a backend does for training. get_extension gives the table.
 *
 * These are ops in the spirit of vita/ops.h, forward and backward, on the memory of the backend that gives them;
 * a model's graph is written with them by its plugin (vita/trainable.h). A backend without the table trains on
 * the reference backend instead, whose code says what each of them means.
 *
 * All tensors are f32: matrices [rows, columns] whose rows may lie further apart than they are long, and
 * vectors. An integer array is in host memory. "dX" is the gradient of the loss with respect to X. Gradients
 * of weights are added to what is there, those of activations are written over what is there or, with
 * VITA_TRAIN_F_ADD, added. Outputs do not overlap inputs unless that is said. Sums run in an order that depends
 * on the shapes alone, so that the same numbers give the same result however many threads there are.
 *
 * Work is queued and ordered as vita_backend_api.submit is; functions that give a number wait for it.
 */
#ifndef VITA_TRAIN_OPS_H
#define VITA_TRAIN_OPS_H

#include <vita/backend.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VITA_TRAIN_ID "vita.train/1"

/* Factors of products may be rounded to bf16 (their sums are f32): faster where the device can do it. */
#define VITA_TRAIN_F_BF16 1u
/* Add to the gradient of the activations. */
#define VITA_TRAIN_F_ADD 2u

/* A target that is no token: nothing is learnt from its row. */
#define VITA_TRAIN_NO_TARGET (-1)

/* How heads lie in the rows of queries [n, heads · size], keys and values [n, kv_heads · size]; heads is a multiple
 * of kv_heads. Samples are packed: sample s is rows starts[s] … starts[s + 1] - 1, starts[0] is 0, starts[n_samples]
 * is n; a row sees itself and the rows before it in its own sample. */
typedef struct vita_train_attention {
	uint32_t struct_size;
	uint32_t n_samples;
	const int32_t *starts; /* [n_samples + 1] */
	int64_t heads, kv_heads, size;
	double scale;          /* of the products q · k; usually 1 / √size */
} vita_train_attention;

/* One step of AdamW (Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization"):
 *   g' = scale · g    m = beta1 m + (1 - beta1) g'    v = beta2 v + (1 - beta2) g'²
 *   p -= rate · decay · p    p -= rate · (m / (1 - beta1^step)) / (√(v / (1 - beta2^step)) + epsilon) */
typedef struct vita_train_adamw {
	uint32_t struct_size;
	uint32_t reserved;
	int64_t step;          /* 1, 2, … */
	double rate, beta1, beta2, epsilon, decay;
	double scale;          /* of the gradient: clipping */
} vita_train_adamw;

typedef struct vita_train_api {
	uint32_t struct_size;
	uint32_t flags;        /* 0 */

	/* Each returns OK | E_SHAPE | E_INVALID (an id, a size) | E_NOMEM | E_DEVICE.          [any-thread] */

	/* y[n, m] = x[n, k] · w[m, k]ᵀ + bias[m] + residual[n, m]; bias and residual may be NULL, residual may be y. */
	vita_status (*matmul)(vita_backend *backend, uint32_t flags, const vita_tensor *x, const vita_tensor *w,
	                      const vita_tensor *bias, const vita_tensor *residual, const vita_tensor *y,
	                      vita_error *err);

	/* dx = dy · w, dw += dyᵀ · x, dbias += Σ over rows of dy. dx, dw and dbias may each be NULL. */
	vita_status (*matmul_backward)(vita_backend *backend, uint32_t flags, const vita_tensor *dy,
	                               const vita_tensor *x, const vita_tensor *w, const vita_tensor *dx,
	                               const vita_tensor *dw, const vita_tensor *dbias, vita_error *err);

	/* y = x · inverse · weight, a row's inverse being 1 / √(mean(x²) + epsilon); inverse [n] is kept for
	 * the way back. */
	vita_status (*rms_norm)(vita_backend *backend, const vita_tensor *x, const vita_tensor *weight, double epsilon,
	                        const vita_tensor *y, const vita_tensor *inverse, vita_error *err);
	/* dx (dx may be dy) and dweight, which may be NULL. */
	vita_status (*rms_norm_backward)(vita_backend *backend, uint32_t flags, const vita_tensor *dy,
	                                 const vita_tensor *x, const vita_tensor *weight, const vita_tensor *inverse,
	                                 const vita_tensor *dx, const vita_tensor *dweight, vita_error *err);

	/* Rotary positions in place: x [n, heads · size] with VITA_ROPE_HALF and angles scale · position · theta^(-2j /
	 * size); the other way round where `back`, which is the gradient too. positions [n]. */
	vita_status (*rope)(vita_backend *backend, uint32_t back, const vita_tensor *x, const int32_t *positions,
	                    int64_t size, double theta, double scale, vita_error *err);

	/* y = softmax(scale · q · kᵀ) · v, and log_sum [n, heads], each row's logarithm of the softmax's denominator,
	 * for the way back. */
	vita_status (*attention)(vita_backend *backend, const vita_train_attention *a, const vita_tensor *q,
	                         const vita_tensor *k, const vita_tensor *v, const vita_tensor *y,
	                         const vita_tensor *log_sum, vita_error *err);
	/* dq, dk and dv, all overwritten. */
	vita_status (*attention_backward)(vita_backend *backend, const vita_train_attention *a, const vita_tensor *dy,
	                                  const vita_tensor *q, const vita_tensor *k, const vita_tensor *v,
	                                  const vita_tensor *y, const vita_tensor *log_sum, const vita_tensor *dq,
	                                  const vita_tensor *dk, const vita_tensor *dv, vita_error *err);

	/* y = silu(gate) · up, and its gradients; dgate may be gate and dup may be up. */
	vita_status (*glu)(vita_backend *backend, const vita_tensor *gate, const vita_tensor *up, const vita_tensor *y,
	                   vita_error *err);
	vita_status (*glu_backward)(vita_backend *backend, const vita_tensor *dy, const vita_tensor *gate,
	                            const vita_tensor *up, const vita_tensor *dgate, const vita_tensor *dup,
	                            vita_error *err);

	/* y[i] = table[ids[i]], and dtable[ids[i]] += dy[i], an id as often as it comes. */
	vita_status (*gather)(vita_backend *backend, const vita_tensor *table, const int32_t *ids, const vita_tensor *y,
	                      vita_error *err);
	vita_status (*gather_backward)(vita_backend *backend, const vita_tensor *dy, const int32_t *ids,
	                               const vita_tensor *dtable, vita_error *err);

	/* Cross-entropy of logits = x[n, k] · w[vocabulary, k]ᵀ against targets[n], forward and backward at once, in
	 * blocks of rows, so that the logits never exist as a whole. *sum is Σ over rows with a target of
	 * -log softmax(logits)[target]; dx and dw (each may be NULL) are gradients of factor · sum. */
	vita_status (*cross_entropy)(vita_backend *backend, uint32_t flags, const vita_tensor *x, const vita_tensor *w,
	                             const int32_t *targets, double factor, const vita_tensor *dx,
	                             const vita_tensor *dw, double *sum, vita_error *err);

	/* *sum = Σ x², in double. */
	vita_status (*sum_squares)(vita_backend *backend, const vita_tensor *x, double *sum, vita_error *err);

	/* Parameters p, their gradient g, and the two moments, all of one shape. */
	vita_status (*adamw)(vita_backend *backend, const vita_train_adamw *a, const vita_tensor *p,
	                     const vita_tensor *g, const vita_tensor *m, const vita_tensor *v, vita_error *err);
} vita_train_api;

#ifdef __cplusplus
}
#endif
#endif
