/* SPDX-License-Identifier: MIT
 *
 * The LLM plugin's ability vita.trainable/1.
 */
#ifndef QWEN2_TRAIN_H
#define QWEN2_TRAIN_H

#include <vita/trainable.h>

extern const vita_train_llm_api qwen2_train_api;

#endif
