/* SPDX-License-Identifier: MIT
 *
 * Pre-tokenization: cutting text into the pieces that BPE works on, by the rules of a tokenizer file.
 */
#ifndef VITA_TEXT_SPLIT_H
#define VITA_TEXT_SPLIT_H

#include "text/pattern.h"

#define VITA_SPLIT_MAX_STAGES 16

/* What becomes of the text that a pattern matches, and of the text between. */
#define VITA_SPLIT_ISOLATED 0u /* each match and each text between is a piece */
#define VITA_SPLIT_REMOVED 1u  /* matches are dropped */
#define VITA_SPLIT_MERGED_PREVIOUS 2u
#define VITA_SPLIT_MERGED_NEXT 3u
#define VITA_SPLIT_CONTIGUOUS 4u /* as isolated, matches that touch are one piece */

typedef struct vita_split_stage {
	vita_pattern pattern; /* empty: no cutting, only the prefix */
	bool invert;          /* take matches for what lies between, and the reverse */
	bool prefix_space;    /* put a space before text that begins with none; last stage only */
	uint32_t behavior;    /* VITA_SPLIT_* */
} vita_split_stage;

typedef struct vita_split {
	vita_split_stage stages[VITA_SPLIT_MAX_STAGES];
	uint32_t n_stages;
} vita_split;

/* What a call keeps from text to text. Zero it, and clear it at the end. [one-thread] */
typedef struct vita_split_work {
	pcre2_match_data *matches;
	pcre2_match_context *quick, *counted;
	uint64_t budget;   /* steps of counted matching left to this call */
	size_t last_place; /* where counted matching stood */
	vita_bytes prefixed;
} vita_split_work;

/* Called for each piece in order; a negative status ends the split. */
typedef vita_status vita_split_piece(void *user, const uint8_t *piece, size_t size, vita_error *err);

void vita_split_clear(vita_split *split);

/* Allow matching that takes time in proportion to a text of this size. OK | E_NOMEM */
vita_status vita_split_work_init(vita_split_work *work, uint64_t text_size, vita_error *err);
void vita_split_work_clear(vita_split_work *work);

/* Cut valid UTF-8. OK | E_NOMEM | E_UNSUPPORTED (a pattern needs out of proportion many steps on this
 * text) | what piece returns */
vita_status vita_split_run(const vita_split *split, vita_split_work *work, const uint8_t *text, size_t size,
			   vita_split_piece *piece, void *user, vita_error *err);

#endif
