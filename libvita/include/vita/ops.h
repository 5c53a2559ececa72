/* SPDX-License-Identifier: MIT
 *
 * vita/ops.h - the ops that a backend runs. vita/record.h has a function for each.
 *
 * An op reads input tensors and writes output tensors; what it does beyond that is in its params
 * struct. The reference backend (backends/reference) is the definition in code; the text below is the
 * contract. Unless an op says otherwise:
 *   - inputs and outputs are f32, each with strides of its own, the innermost dimension contiguous;
 *   - leading dimensions written "…" are any number of dimensions that all tensors of the op share;
 *   - an output does not overlap an input; "in place" means that it may be exactly that input;
 *   - optional inputs are NULL; sums run in at least f32;
 *   - sizes of 0 are allowed and do nothing.
 * W marks weights: f32, f16, bf16 or a block type.
 */
#ifndef VITA_OPS_H
#define VITA_OPS_H

#include <vita/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VITA_OP_MAX_INPUTS 8
#define VITA_OP_MAX_OUTPUTS 2

typedef struct vita_op {
	uint32_t struct_size;
	uint32_t code;                                     /* VITA_OP_* */
	uint32_t n_inputs, n_outputs;                      /* entries beyond are NULL */
	const vita_tensor *input[VITA_OP_MAX_INPUTS];
	const vita_tensor *output[VITA_OP_MAX_OUTPUTS];
	const void *params;                                /* the op's params struct, or NULL where it has none */
} vita_op;

/* ---- matrix products and rows --------------------------------------------------------------------- */

/* y[…, n, m] = act(x[…, n, k] · w[…, m, k]ᵀ + bias[m]) + residual[…, n, m]
 * inputs x, w (W), bias (optional), residual (optional; in place with y). w may lack the leading
 * dimensions: it then serves all. params vita_matmul_params. */
#define VITA_OP_MATMUL 1u
typedef struct vita_matmul_params {
	uint32_t struct_size;
	uint32_t activation; /* VITA_UNARY_NONE, or a VITA_UNARY_* without alpha */
} vita_matmul_params;

/* y[n, k] = table[ids[n], k]; inputs table (W) [rows, k], ids i32 [n]. An id outside 0 … rows-1: E_INVALID. */
#define VITA_OP_GATHER 2u

/* y[ids[i], k] = x[i, k], rows not named keep their values; inputs x [n, k], ids i32 [n]; the last of
 * equal ids wins. y may be f16 or bf16. */
#define VITA_OP_SCATTER 3u

/* ---- normalisation over the innermost dimension --------------------------------------------------- */

/* y = x / sqrt(mean(x²) + epsilon) · weight; inputs x […, k], weight [k] (optional). In place.
 * Zhang and Sennrich 2019, "Root Mean Square Layer Normalization". params vita_norm_params. */
#define VITA_OP_RMS_NORM 4u

/* y = (x - mean) / sqrt(variance + epsilon) · weight + bias, biased variance; inputs x […, k],
 * weight [k] (optional), bias [k] (optional). In place. Ba, Kiros and Hinton 2016. */
#define VITA_OP_LAYER_NORM 5u

/* As LAYER_NORM, over (channels / groups) × time together, weight and bias a channel; x […, c, t],
 * c divisible by groups. In place. Wu and He 2018, "Group Normalization". */
#define VITA_OP_GROUP_NORM 6u
typedef struct vita_norm_params {
	uint32_t struct_size;
	uint32_t groups; /* GROUP_NORM */
	double epsilon;
} vita_norm_params;

/* ---- attention ------------------------------------------------------------------------------------ */

/* Rotary position embedding (Su et al. 2021, "RoFormer") of the first n_rotated values of each head;
 * the rest is copied. angle(p, j) = p · scale · theta^(-2j / n_rotated) / factor[j].
 * VITA_ROPE_HALF:        y[j] = x[j] cos - x[j+n/2] sin,   y[j+n/2] = x[j+n/2] cos + x[j] sin
 * VITA_ROPE_INTERLEAVED: the same with pairs (2j, 2j+1).
 * inputs x [n, heads, d], positions i32 [n], factor [n_rotated / 2] (optional, 1). In place.
 * params vita_rope_params. */
#define VITA_OP_ROPE 7u
#define VITA_ROPE_HALF 0u
#define VITA_ROPE_INTERLEAVED 1u
typedef struct vita_rope_params {
	uint32_t struct_size;
	uint32_t style;
	uint32_t n_rotated; /* even, at most d */
	uint32_t reserved;
	double theta;
	double scale;       /* 1; linear position interpolation otherwise */
} vita_rope_params;

/* y[i, h] = Σ_j softmax_j(scale · q[i, h] · k[j, g(h)] + bias[h, i, j]) v[j, g(h)],
 * g(h) = h / (heads / kv_heads), over those j that the mask lets i see:
 *   FULL          all;
 *   CAUSAL        j <= i + n_k - n_q: the rows of q are the last n_q of k (bottom-right aligned);
 *   BLOCK_CAUSAL  (j / block) <= ((i + n_k - n_q) / block).
 * inputs q [n_q, heads, d], k and v [n_k, kv_heads, d] (f32, f16, bf16 or q8_0: a cache),
 * bias (optional) [heads or 1, n_q, n_k]. -inf in bias hides a key; a row that sees none is 0.
 * Vaswani et al. 2017; grouped queries: Ainslie et al. 2023. params vita_attention_params. */
#define VITA_OP_ATTENTION 8u
#define VITA_MASK_FULL 0u
#define VITA_MASK_CAUSAL 1u
#define VITA_MASK_BLOCK_CAUSAL 2u
typedef struct vita_attention_params {
	uint32_t struct_size;
	uint32_t mask;
	uint32_t block;    /* BLOCK_CAUSAL: at least 1 */
	uint32_t reserved;
	double scale;
} vita_attention_params;

/* y = softmax(scale · x) over the innermost dimension; a row of nothing but -inf is 0. In place.
 * params vita_affine_params (shift unused). */
#define VITA_OP_SOFTMAX 9u

/* ---- elementwise ---------------------------------------------------------------------------------- */

/* y = f(x). In place. inputs x, and for SNAKE alpha [c] with x […, c, t]. params vita_unary_params. */
#define VITA_OP_UNARY 10u
#define VITA_UNARY_NONE 0u
#define VITA_UNARY_SILU 1u       /* x / (1 + exp(-x)) */
#define VITA_UNARY_GELU 2u       /* x (1 + erf(x / √2)) / 2 */
#define VITA_UNARY_GELU_TANH 3u  /* x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2 */
#define VITA_UNARY_RELU 4u
#define VITA_UNARY_LEAKY_RELU 5u /* x < 0: alpha · x */
#define VITA_UNARY_ELU 6u        /* x < 0: alpha · (exp(x) - 1) */
#define VITA_UNARY_TANH 7u
#define VITA_UNARY_SIGMOID 8u
#define VITA_UNARY_MISH 9u       /* x tanh(ln(1 + exp(x))) */
#define VITA_UNARY_SNAKE 10u     /* x + sin²(alpha_c x) / (alpha_c + 1e-9) */
#define VITA_UNARY_EXP 11u
#define VITA_UNARY_LOG 12u
#define VITA_UNARY_SIN 13u
#define VITA_UNARY_COS 14u
#define VITA_UNARY_SQRT 15u
#define VITA_UNARY_ABS 16u
#define VITA_UNARY_SQUARE 17u
typedef struct vita_unary_params {
	uint32_t struct_size;
	uint32_t function;
	double alpha;
} vita_unary_params;

/* y = a ∘ b; b is repeated along dimensions where its size is 1, and along leading dimensions that it
 * lacks. In place with a. params vita_kind_params. */
#define VITA_OP_BINARY 11u
#define VITA_BINARY_ADD 0u
#define VITA_BINARY_SUB 1u
#define VITA_BINARY_MUL 2u
#define VITA_BINARY_DIV 3u
#define VITA_BINARY_MAX 4u
#define VITA_BINARY_MIN 5u

/* y = f(gate) · up, all of one shape; f = SILU, GELU, GELU_TANH or SIGMOID. In place with either.
 * Shazeer 2020, "GLU Variants Improve Transformer". params vita_kind_params (VITA_UNARY_*). */
#define VITA_OP_GLU 12u
typedef struct vita_kind_params {
	uint32_t struct_size;
	uint32_t kind;
} vita_kind_params;

/* y = scale · x + shift. In place. params vita_affine_params. */
#define VITA_OP_AFFINE 13u
typedef struct vita_affine_params {
	uint32_t struct_size;
	uint32_t reserved;
	double scale, shift;
} vita_affine_params;

/* ---- along time ----------------------------------------------------------------------------------- */

/* Cross-correlation: y[…, o, t] = bias[o] + Σ_{i, s} w[o, i, s] · x[…, i', t · stride + s · dilation - pad_left],
 * zeros outside, i' the i-th channel of o's group. inputs x […, c_in, t], w (W but block types)
 * [c_out, c_in / groups, kernel], bias [c_out] (optional).
 * t_out = (t + pad_left + pad_right - dilation (kernel - 1) - 1) / stride + 1, rounded down; 0 where x is
 * too short. Negative padding cuts. params vita_conv_params. */
#define VITA_OP_CONV1D 14u

/* Its transpose: each x[i, t] adds x · w[i, o, s] to y[o, t · stride + s · dilation - pad_left].
 * w [c_in, c_out / groups, kernel]; t_out = (t - 1) stride + dilation (kernel - 1) + 1 + output_pad
 * - pad_left - pad_right. params vita_conv_params. */
#define VITA_OP_CONV_TRANSPOSE1D 15u
typedef struct vita_conv_params {
	uint32_t struct_size;
	uint32_t stride, dilation, groups;  /* at least 1 */
	int64_t pad_left, pad_right;        /* causal: kernel - 1 and 0 */
	int64_t output_pad;                 /* CONV_TRANSPOSE1D only */
} vita_conv_params;

/* Mean or maximum of `kernel` neighbours every `stride` steps, no padding; x […, t],
 * y […, (t - kernel) / stride + 1], rounded down; 0 where x is too short. params vita_pool_params. */
#define VITA_OP_POOL 16u
#define VITA_POOL_MEAN 0u
#define VITA_POOL_MAX 1u
typedef struct vita_pool_params {
	uint32_t struct_size;
	uint32_t kind;
	uint32_t kernel, stride;            /* at least 1 */
} vita_pool_params;

/* x […, t] resampled to y's t'. NEAREST: y[i] = x[floor(i · t / t')], the ratio in f32.
 * LINEAR: half-pixel centres, edges held. params vita_kind_params. */
#define VITA_OP_INTERPOLATE 17u
#define VITA_INTERPOLATE_NEAREST 0u
#define VITA_INTERPOLATE_LINEAR 1u

/* y[…, i] = Σ_{j <= i} x[…, j], in double, each sum rounded once. In place. */
#define VITA_OP_CUMSUM 18u

/* ---- choosing and reducing ------------------------------------------------------------------------ */

/* y i32 […] = index of the largest of x […, k]; the lowest index wins among equals; NaN never wins. k is
 * at least 1; x has two dimensions at least. */
#define VITA_OP_ARGMAX 19u

/* outputs values […, n] and indices i32 […, n] of the n largest of x […, k], in falling order, the
 * lower index first among equals, NaN last of all; n = the outputs' innermost size <= k. */
#define VITA_OP_TOP_K 20u

/* y i32 [n] = index of the row of codebook (W but block types) [c, d] nearest to x [n, d] in Euclidean
 * distance; the lowest index wins. */
#define VITA_OP_NEAREST 21u

/* y […, 1] = sum, mean or maximum over the innermost dimension. params vita_kind_params. */
#define VITA_OP_REDUCE 22u
#define VITA_REDUCE_SUM 0u
#define VITA_REDUCE_MEAN 1u
#define VITA_REDUCE_MAX 2u

/* ---- moving --------------------------------------------------------------------------------------- */

/* y = x for any two views of one shape with any strides (a permutation is a view), converting between
 * f32, f16, bf16, i32, u8 (round to nearest even; to integers toward zero, clipped, NaN to 0); from any
 * block type to f32, from f32 to q8_0 where rows are contiguous; and between equal types of any kind.
 * Overlap only where the views are identical. */
#define VITA_OP_COPY 23u

/* y = inputs 0 … n_inputs-1 joined along `axis`; types (any) and other dimensions are equal.
 * params vita_kind_params (axis). */
#define VITA_OP_CONCAT 24u

/* y = value, in any plain type and strides. No inputs. params vita_affine_params: shift. */
#define VITA_OP_FILL 25u

#define VITA_OP_COUNT 26u /* codes are below this in ABI 1.0 */

#ifdef __cplusplus
}
#endif
#endif
