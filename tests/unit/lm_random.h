/* SPDX-License-Identifier: MIT
 *
 * Checkpoints of random language models, written for a test and taken away again.
 */
#ifndef LM_RANDOM_H
#define LM_RANDOM_H

#include <vita/model.h>

typedef struct lm_shape {
	const char *model_type;
	int64_t vocab, hidden, intermediate, heads, kv_heads, head_dim;
	int64_t layers, modules; /* of the backbone; MCTP modules */
	int32_t tied, bias, qk_norm;
	const char *extra; /* more of config.json, each member with a comma before it; may be "" */
} lm_shape;

/* Uniform in 0 … n-1, and in -1 … 1; the state is any number. */
uint32_t lm_random_below(uint64_t *state, uint32_t n);
float lm_random_value(uint64_t *state);

/* A shape drawn at random: small, valid, with 0 … 4 modules. */
lm_shape lm_random_shape(uint64_t *state);

/* Write config.json and model.safetensors into a new directory; its path, to be given to lm_random_remove.
 * Tensors named in `without` (may be NULL) are left out; the one named in `misshapen` lacks its last row. */
char *lm_random_write(const lm_shape *shape, uint64_t seed, const char *without, const char *misshapen);

/* A directory with this config.json and the weights of another, for settings that the file gets wrong. */
char *lm_random_config(const char *weights_dir, const char *config);

void lm_random_remove(char *path);

#endif
