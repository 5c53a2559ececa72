/* SPDX-License-Identifier: MIT
 *
 * The tokenizer of a model made by vita init.
 */
#ifndef APPS_VITA_INIT_TOKENIZER_H
#define APPS_VITA_INIT_TOKENIZER_H

#include <jansson.h>
#include <stdint.h>

struct init_markers {
	int32_t endoftext, im_end;
	int32_t size; /* ids are 0 … size-1 */
};

/* A tokenizer.json in Qwen2's form: bytes, a few merges, the chat and audio markers, n_audio audio tokens.
 * NULL when memory is out. */
json_t *init_tokenizer(int32_t n_audio, struct init_markers *markers);

#endif
