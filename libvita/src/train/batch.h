/* SPDX-License-Identifier: MIT
 *
 * A row of packed training samples, as the data side makes and the training loop eats it.
 *
 * Samples lie one behind the other without padding. A sample begins where position_ids is 0, and attention, heads
 * and labels keep within it. labels[i] is the token that row i holds, or VITA_TRAIN_IGNORE where nothing is to be
 * learnt from predicting it: the loss pairs row i with labels[i + 1].
 */
#ifndef VITA_TRAIN_BATCH_H
#define VITA_TRAIN_BATCH_H

#include <stdint.h>

#define VITA_TRAIN_IGNORE (-100)

typedef struct vita_train_batch {
	int64_t n;              /* tokens, of all samples together */
	int32_t *input_ids;     /* [n] */
	int32_t *position_ids;  /* [n] 0, 1, 2 … in each sample; the first is 0 */
	int32_t *labels;        /* [n] */
} vita_train_batch;

#endif
