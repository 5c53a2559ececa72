/* SPDX-License-Identifier: MIT
 *
 * vita/record.h - writing ops down as calls: a recorder collects ops and submits them together.
 *
 *   vita_recorder *r;  … vita_recorder_begin(r, device, err);
 *   vita_rms_norm(r, &x, &weight, 1e-6, &a);
 *   vita_matmul(r, &a, &w, &bias, NULL, VITA_UNARY_NONE, &y);
 *   return vita_recorder_end(r);
 *
 * The first failure sticks: later calls do nothing and end returns it, so one check serves a pass.
 * Tensors and params are copied; the buffers must live until the device is done with them. A full
 * recorder submits what it has. Everything here is header code over vita_backend_api. [one-thread]
 */
#ifndef VITA_RECORD_H
#define VITA_RECORD_H

#include <vita/backend.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VITA_RECORDER_CAPACITY 48

typedef struct vita_recorder {
	const vita_device *device;
	vita_error *err;
	vita_status status;
	uint32_t n;
	vita_op op[VITA_RECORDER_CAPACITY];
	const vita_op *pointer[VITA_RECORDER_CAPACITY];
	vita_tensor input[VITA_RECORDER_CAPACITY][VITA_OP_MAX_INPUTS];
	vita_tensor output[VITA_RECORDER_CAPACITY][VITA_OP_MAX_OUTPUTS];
	union {
		vita_matmul_params matmul;
		vita_norm_params norm;
		vita_rope_params rope;
		vita_attention_params attention;
		vita_unary_params unary;
		vita_kind_params kind;
		vita_affine_params affine;
		vita_conv_params conv;
		vita_pool_params pool;
	} params[VITA_RECORDER_CAPACITY];
} vita_recorder;

/* ---- views ---------------------------------------------------------------------------------------- */

/* A dense tensor of this shape at offset bytes into buffer. */
VITA_UNUSED static inline vita_tensor vita_view(vita_buffer *buffer, uint64_t offset, uint32_t dtype, uint32_t rank,
                                                int64_t d0, int64_t d1, int64_t d2, int64_t d3)
{
	int64_t shape[VITA_MAX_RANK] = { d0, d1, d2, d3 };
	vita_tensor t;
	VITA_INIT(&t);
	t.dtype = dtype;
	t.rank = rank;
	t.buffer = buffer;
	t.offset = offset;
	for (uint32_t i = 0; i < VITA_MAX_RANK; i++) t.shape[i] = i < rank ? shape[i] : 1;
	t.stride[rank - 1] = (int64_t)vita_dtype_bytes(dtype);
	if (rank > 1) t.stride[rank - 2] = vita_row_bytes(dtype, t.shape[rank - 1]);
	for (uint32_t i = rank; i-- > 2;) t.stride[i - 2] = t.stride[i - 1] * t.shape[i - 1];
	return t;
}

/* Entries first … first+count-1 of dimension `axis`. */
VITA_UNUSED static inline vita_tensor vita_slice(const vita_tensor *t, uint32_t axis, int64_t first, int64_t count)
{
	vita_tensor s = *t;
	if (axis + 1 == t->rank) s.offset += (uint64_t)(first / (int64_t)vita_dtype_block(t->dtype) * t->stride[axis]);
	else s.offset += (uint64_t)(first * t->stride[axis]);
	s.shape[axis] = count;
	return s;
}

/* Dimensions a and b exchanged. */
VITA_UNUSED static inline vita_tensor vita_transpose(const vita_tensor *t, uint32_t a, uint32_t b)
{
	vita_tensor s = *t;
	s.shape[a] = t->shape[b], s.shape[b] = t->shape[a];
	s.stride[a] = t->stride[b], s.stride[b] = t->stride[a];
	return s;
}

/* The innermost dimension split in two: [.., n · d] becomes [.., n, d]. Rank 4 cannot be split. */
VITA_UNUSED static inline vita_tensor vita_split(const vita_tensor *t, int64_t n, int64_t d)
{
	vita_tensor s = *t;
	uint32_t last = t->rank - 1;
	s.rank = t->rank + 1;
	s.shape[last] = n;
	s.shape[last + 1] = d;
	s.stride[last + 1] = t->stride[last];
	s.stride[last] = vita_row_bytes(t->dtype, d);
	return s;
}

/* ---- recording ------------------------------------------------------------------------------------ */

VITA_UNUSED static inline void vita_recorder_begin(vita_recorder *r, const vita_device *device, vita_error *err)
{
	r->device = device;
	r->err = err;
	r->status = VITA_OK;
	r->n = 0;
}

/* Submit what is recorded; OK or the first failure since begin. The recorder may be used on. */
VITA_UNUSED static inline vita_status vita_recorder_end(vita_recorder *r)
{
	if (r->status == VITA_OK && r->n > 0)
		r->status = r->device->api->submit(r->device->self, r->pointer, r->n, r->err);
	r->n = 0;
	return r->status;
}

VITA_UNUSED static inline void vita_record(vita_recorder *r, uint32_t code, uint32_t n_inputs,
                                           const vita_tensor *const *inputs, uint32_t n_outputs,
                                           const vita_tensor *const *outputs, const void *params, size_t params_size)
{
	if (r->n == VITA_RECORDER_CAPACITY) (void)vita_recorder_end(r);
	if (r->status != VITA_OK) return;
	uint32_t slot = r->n++;
	vita_op *op = &r->op[slot];
	VITA_INIT(op);
	op->code = code;
	op->n_inputs = n_inputs;
	op->n_outputs = n_outputs;
	for (uint32_t i = 0; i < n_inputs; i++) {
		if (!inputs[i]) continue;
		r->input[slot][i] = *inputs[i];
		op->input[i] = &r->input[slot][i];
	}
	for (uint32_t i = 0; i < n_outputs; i++) {
		r->output[slot][i] = *outputs[i];
		op->output[i] = &r->output[slot][i];
	}
	if (params_size) {
		memcpy(&r->params[slot], params, params_size);
		op->params = &r->params[slot];
	}
	r->pointer[slot] = op;
}

/* ---- one function an op; see vita/ops.h for shapes and meaning ------------------------------------- */

VITA_UNUSED static inline void vita_matmul(vita_recorder *r, const vita_tensor *x, const vita_tensor *w,
                                           const vita_tensor *bias, const vita_tensor *residual, uint32_t activation,
                                           const vita_tensor *y)
{
	const vita_tensor *in[4] = { x, w, bias, residual };
	vita_matmul_params p = { (uint32_t)sizeof p, activation };
	vita_record(r, VITA_OP_MATMUL, 4, in, 1, &y, &p, sizeof p);
}

VITA_UNUSED static inline void vita_gather(vita_recorder *r, const vita_tensor *table, const vita_tensor *ids,
                                           const vita_tensor *y)
{
	const vita_tensor *in[2] = { table, ids };
	vita_record(r, VITA_OP_GATHER, 2, in, 1, &y, NULL, 0);
}

VITA_UNUSED static inline void vita_scatter(vita_recorder *r, const vita_tensor *x, const vita_tensor *ids,
                                            const vita_tensor *y)
{
	const vita_tensor *in[2] = { x, ids };
	vita_record(r, VITA_OP_SCATTER, 2, in, 1, &y, NULL, 0);
}

VITA_UNUSED static inline void vita_rms_norm(vita_recorder *r, const vita_tensor *x, const vita_tensor *weight,
                                             double epsilon, const vita_tensor *y)
{
	const vita_tensor *in[2] = { x, weight };
	vita_norm_params p = { (uint32_t)sizeof p, 1, epsilon };
	vita_record(r, VITA_OP_RMS_NORM, 2, in, 1, &y, &p, sizeof p);
}

VITA_UNUSED static inline void vita_layer_norm(vita_recorder *r, const vita_tensor *x, const vita_tensor *weight,
                                               const vita_tensor *bias, double epsilon, const vita_tensor *y)
{
	const vita_tensor *in[3] = { x, weight, bias };
	vita_norm_params p = { (uint32_t)sizeof p, 1, epsilon };
	vita_record(r, VITA_OP_LAYER_NORM, 3, in, 1, &y, &p, sizeof p);
}

VITA_UNUSED static inline void vita_group_norm(vita_recorder *r, const vita_tensor *x, const vita_tensor *weight,
                                               const vita_tensor *bias, uint32_t groups, double epsilon,
                                               const vita_tensor *y)
{
	const vita_tensor *in[3] = { x, weight, bias };
	vita_norm_params p = { (uint32_t)sizeof p, groups, epsilon };
	vita_record(r, VITA_OP_GROUP_NORM, 3, in, 1, &y, &p, sizeof p);
}

VITA_UNUSED static inline void vita_rope(vita_recorder *r, const vita_tensor *x, const vita_tensor *positions,
                                         const vita_tensor *factor, const vita_rope_params *p, const vita_tensor *y)
{
	const vita_tensor *in[3] = { x, positions, factor };
	vita_record(r, VITA_OP_ROPE, 3, in, 1, &y, p, sizeof *p);
}

VITA_UNUSED static inline void vita_attention(vita_recorder *r, const vita_tensor *q, const vita_tensor *k,
                                              const vita_tensor *v, const vita_tensor *bias, uint32_t mask,
                                              uint32_t block, double scale, const vita_tensor *y)
{
	const vita_tensor *in[4] = { q, k, v, bias };
	vita_attention_params p = { (uint32_t)sizeof p, mask, block, 0, scale };
	vita_record(r, VITA_OP_ATTENTION, 4, in, 1, &y, &p, sizeof p);
}

VITA_UNUSED static inline void vita_softmax(vita_recorder *r, const vita_tensor *x, double scale, const vita_tensor *y)
{
	vita_affine_params p = { (uint32_t)sizeof p, 0, scale, 0 };
	vita_record(r, VITA_OP_SOFTMAX, 1, &x, 1, &y, &p, sizeof p);
}

VITA_UNUSED static inline void vita_unary(vita_recorder *r, uint32_t function, const vita_tensor *x,
                                          const vita_tensor *alpha, double alpha_value, const vita_tensor *y)
{
	const vita_tensor *in[2] = { x, alpha };
	vita_unary_params p = { (uint32_t)sizeof p, function, alpha_value };
	vita_record(r, VITA_OP_UNARY, 2, in, 1, &y, &p, sizeof p);
}

VITA_UNUSED static inline void vita_binary(vita_recorder *r, uint32_t kind, const vita_tensor *a, const vita_tensor *b,
                                           const vita_tensor *y)
{
	const vita_tensor *in[2] = { a, b };
	vita_kind_params p = { (uint32_t)sizeof p, kind };
	vita_record(r, VITA_OP_BINARY, 2, in, 1, &y, &p, sizeof p);
}

VITA_UNUSED static inline void vita_glu(vita_recorder *r, uint32_t function, const vita_tensor *gate,
                                        const vita_tensor *up, const vita_tensor *y)
{
	const vita_tensor *in[2] = { gate, up };
	vita_kind_params p = { (uint32_t)sizeof p, function };
	vita_record(r, VITA_OP_GLU, 2, in, 1, &y, &p, sizeof p);
}

VITA_UNUSED static inline void vita_affine(vita_recorder *r, const vita_tensor *x, double scale, double shift,
                                           const vita_tensor *y)
{
	vita_affine_params p = { (uint32_t)sizeof p, 0, scale, shift };
	vita_record(r, VITA_OP_AFFINE, 1, &x, 1, &y, &p, sizeof p);
}

VITA_UNUSED static inline void vita_conv1d(vita_recorder *r, const vita_tensor *x, const vita_tensor *w,
                                           const vita_tensor *bias, const vita_conv_params *p, const vita_tensor *y)
{
	const vita_tensor *in[3] = { x, w, bias };
	vita_record(r, VITA_OP_CONV1D, 3, in, 1, &y, p, sizeof *p);
}

VITA_UNUSED static inline void vita_conv_transpose1d(vita_recorder *r, const vita_tensor *x, const vita_tensor *w,
                                                     const vita_tensor *bias, const vita_conv_params *p,
                                                     const vita_tensor *y)
{
	const vita_tensor *in[3] = { x, w, bias };
	vita_record(r, VITA_OP_CONV_TRANSPOSE1D, 3, in, 1, &y, p, sizeof *p);
}

VITA_UNUSED static inline void vita_pool(vita_recorder *r, uint32_t kind, const vita_tensor *x, uint32_t kernel,
                                         uint32_t stride, const vita_tensor *y)
{
	vita_pool_params p = { (uint32_t)sizeof p, kind, kernel, stride };
	vita_record(r, VITA_OP_POOL, 1, &x, 1, &y, &p, sizeof p);
}

VITA_UNUSED static inline void vita_interpolate(vita_recorder *r, uint32_t kind, const vita_tensor *x,
                                                const vita_tensor *y)
{
	vita_kind_params p = { (uint32_t)sizeof p, kind };
	vita_record(r, VITA_OP_INTERPOLATE, 1, &x, 1, &y, &p, sizeof p);
}

VITA_UNUSED static inline void vita_cumsum(vita_recorder *r, const vita_tensor *x, const vita_tensor *y)
{
	vita_record(r, VITA_OP_CUMSUM, 1, &x, 1, &y, NULL, 0);
}

VITA_UNUSED static inline void vita_argmax(vita_recorder *r, const vita_tensor *x, const vita_tensor *y)
{
	vita_record(r, VITA_OP_ARGMAX, 1, &x, 1, &y, NULL, 0);
}

VITA_UNUSED static inline void vita_top_k(vita_recorder *r, const vita_tensor *x, const vita_tensor *values,
                                          const vita_tensor *indices)
{
	const vita_tensor *out[2] = { values, indices };
	vita_record(r, VITA_OP_TOP_K, 1, &x, 2, out, NULL, 0);
}

VITA_UNUSED static inline void vita_nearest(vita_recorder *r, const vita_tensor *x, const vita_tensor *codebook,
                                            const vita_tensor *y)
{
	const vita_tensor *in[2] = { x, codebook };
	vita_record(r, VITA_OP_NEAREST, 2, in, 1, &y, NULL, 0);
}

VITA_UNUSED static inline void vita_reduce(vita_recorder *r, uint32_t kind, const vita_tensor *x, const vita_tensor *y)
{
	vita_kind_params p = { (uint32_t)sizeof p, kind };
	vita_record(r, VITA_OP_REDUCE, 1, &x, 1, &y, &p, sizeof p);
}

VITA_UNUSED static inline void vita_copy(vita_recorder *r, const vita_tensor *x, const vita_tensor *y)
{
	vita_record(r, VITA_OP_COPY, 1, &x, 1, &y, NULL, 0);
}

VITA_UNUSED static inline void vita_concat(vita_recorder *r, const vita_tensor *const *inputs, uint32_t n,
                                           uint32_t axis, const vita_tensor *y)
{
	vita_kind_params p = { (uint32_t)sizeof p, axis };
	vita_record(r, VITA_OP_CONCAT, n, inputs, 1, &y, &p, sizeof p);
}

VITA_UNUSED static inline void vita_fill(vita_recorder *r, double value, const vita_tensor *y)
{
	vita_affine_params p = { (uint32_t)sizeof p, 0, 1, value };
	vita_record(r, VITA_OP_FILL, 0, NULL, 1, &y, &p, sizeof p);
}

#ifdef __cplusplus
}
#endif
#endif
