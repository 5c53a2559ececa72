/* SPDX-License-Identifier: MIT
 *
 * Who makes which token of an answer: a main pass or a head. A schedule is a list of pairs, M main steps
 * and then m head steps; the last pair repeats for ever. It is asked token by token, never written out.
 */
#ifndef VITA_ENGINE_SCHEDULE_H
#define VITA_ENGINE_SCHEDULE_H

#include <vita/types.h>

typedef struct vita_schedule_pair {
	uint64_t main_steps, head_steps;
	uint64_t start; /* number of the pair's first token; stays at UINT64_MAX once there */
} vita_schedule_pair;

typedef struct vita_schedule {
	vita_schedule_pair *pair; /* NULL: not set */
	uint32_t n_pairs;
} vita_schedule;

/* "vanilla", "turbo", "boost", "balance" or a list "1,4,3,8,4,10". E_CONFIG says what is wrong with it. */
vita_status vita_schedule_parse(vita_schedule *schedule, const char *text, vita_error *err);
/* The same from numbers, as a model's mtp_inference_mode has them. */
vita_status vita_schedule_set(vita_schedule *schedule, const int64_t *numbers, uint32_t n, vita_error *err);
void vita_schedule_free(vita_schedule *schedule);

/* Is token number `index` of the answer a main step? */
int vita_schedule_is_main(const vita_schedule *schedule, uint64_t index);

/* Head steps of the same pair from token `index` on; 0 where that is a main step. */
uint64_t vita_schedule_head_run(const vita_schedule *schedule, uint64_t index);

/* Does any head step ever come? */
int vita_schedule_uses_heads(const vita_schedule *schedule);

#define VITA_STEP_MAIN (-1)

/* Who makes token `index`: a head's number or VITA_STEP_MAIN. *next_head carries the head whose turn it is
 * from step to step; its first value does not matter. Where the schedule asks for more heads than there are,
 * the surplus step is a main pass, after which the next head step starts at head 0 again. */
int64_t vita_schedule_step(const vita_schedule *schedule, uint64_t index, uint32_t n_heads,
                           int64_t *next_head);

#endif
