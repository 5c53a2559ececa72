/* SPDX-License-Identifier: MIT
 *
 * The model of the specification in double precision, from the formulas, with no caches and no schedule: one
 * teacher-forced pass over a finished sequence. What the plugins compute step by step must agree with it.
 */
#ifndef LM_ORACLE_H
#define LM_ORACLE_H

#include <vita/model.h>

typedef struct lm_oracle {
	int64_t n, vocab, modules;
	double *main;      /* [n, vocab]: row i predicts token i + 1 */
	double *module[8]; /* [n - 1 - k, vocab]: row i of module k predicts token i + k + 2 */
} lm_oracle;

/* rows (may be NULL): embeddings [n_rows, hidden] that the backbone, and only it, sees at row_index. */
void lm_oracle_run(const vita_model *model, const int32_t *ids, int64_t n, const float *rows,
                   const uint32_t *row_index, uint32_t n_rows, lm_oracle *out);
/* Logits [n, vocab] of the backbone with tokens hidden as vita/attention.h says, and in *looks [layers, n, n] where
 * each token looked. The caller frees both. */
double *lm_oracle_attention(const vita_model *model, const int32_t *ids, int64_t n, const uint8_t *hidden,
                            double **looks);
void lm_oracle_free(lm_oracle *o);

#endif
