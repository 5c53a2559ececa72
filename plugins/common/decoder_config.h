/* SPDX-License-Identifier: MIT
 *
 * What config.json says about a decoder-only language model with pre-norm layers (Qwen2, Llama and
 * their kin), checked, with each family's defaults filled in.
 */
#ifndef COMMON_DECODER_CONFIG_H
#define COMMON_DECODER_CONFIG_H

#include <vita/host.h>

#define DECODER_ROPE_DEFAULT 0u
#define DECODER_ROPE_LINEAR 1u /* positions divided by rope_factor */
#define DECODER_ROPE_LLAMA3 2u /* long waves stretched by rope_factor, short ones not, smooth between */

typedef struct decoder_config {
	int64_t vocab_size; /* 0: config.json does not say, the embedding's rows decide */
	int64_t hidden_size, intermediate_size;
	int64_t n_heads, n_kv_heads, head_dim;
	int64_t n_layers;                     /* of the backbone */
	int64_t n_predict;                    /* MCTP modules; module k's layer has number n_layers + k */
	int64_t context;                      /* max_position_embeddings */
	int64_t window;                       /* tokens that sliding-window layers see; 0: there are none */
	int32_t tied;                         /* the output matrix is the embedding table */
	int32_t qkv_bias, out_bias, mlp_bias; /* which projections have a bias */
	int32_t qk_norm;                      /* queries and keys are normalised per head before RoPE */
	double norm_epsilon;
	double rope_theta;
	int32_t rope_interleave; /* values 2j and 2j + 1 are turned together, not j and j + head_dim / 2 */
	int32_t rope_tensor;     /* what LLAMA3 divides angles by is in the file: rope_freqs.weight */
	uint32_t rope_kind;                                     /* DECODER_ROPE_* */
	double rope_factor, rope_low, rope_high, rope_original; /* LINEAR: the first; LLAMA3: all */
	char assumed[160];                                      /* sizes that are not given: "hidden_size (4096)" */
} decoder_config;

/* 1 where model_type names a family that decoder_config_read knows. */
int32_t decoder_config_known(const vita_host *host, const vita_model *model);

/* OK | E_FORMAT (a value is missing, absurd or contradicts another) | E_UNSUPPORTED */
vita_status decoder_config_read(const vita_host *host, const vita_model *model, decoder_config *out,
                                vita_error *err);

/* Where a tensor is missing or of another shape than it should be: add to the sentence which sizes were only
 * assumed. Returns status. */
vita_status decoder_config_explain(const decoder_config *c, vita_status status, vita_error *err);

#endif
