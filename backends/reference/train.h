/* SPDX-License-Identifier: MIT
 *
 * What the files of the reference backend's training ops share.
 */
#ifndef VITA_REFERENCE_TRAIN_H
#define VITA_REFERENCE_TRAIN_H

#include "../common/train_check.h"
#include "reference.h"

extern const vita_train_api ref_train_api;

#define REF_CALL(name, err) { "reference", name, ref_memory, (err), VITA_OK }

/* n zeroed values; NULL and the call's failure where there is no memory. The caller frees. */
float *ref_train_scratch(train_call *c, int64_t n);

/* train_attention.c, train_loss.c */
vita_status ref_train_attention(vita_backend *backend, const vita_train_attention *a, const vita_tensor *q,
                                const vita_tensor *k, const vita_tensor *v, const vita_tensor *y,
                                const vita_tensor *log_sum, vita_error *err);
vita_status ref_train_attention_backward(vita_backend *backend, const vita_train_attention *a, const vita_tensor *dy,
                                         const vita_tensor *q, const vita_tensor *k, const vita_tensor *v,
                                         const vita_tensor *y, const vita_tensor *log_sum, const vita_tensor *dq,
                                         const vita_tensor *dk, const vita_tensor *dv, vita_error *err);
vita_status ref_train_cross_entropy(vita_backend *backend, uint32_t flags, const vita_tensor *x, const vita_tensor *w,
                                    const int32_t *targets, double factor, const vita_tensor *dx,
                                    const vita_tensor *dw, double *sum, vita_error *err);
vita_status ref_train_sum_squares(vita_backend *backend, const vita_tensor *x, double *sum, vita_error *err);
vita_status ref_train_adamw(vita_backend *backend, const vita_train_adamw *a, const vita_tensor *p,
                            const vita_tensor *g, const vita_tensor *m, const vita_tensor *v, vita_error *err);

#endif
