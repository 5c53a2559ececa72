/* SPDX-License-Identifier: MIT
 *
 * The two ways of attention: in f32 (attention.c) and in f16 (attention_half.c).
 */
#ifndef VITA_CPU_ATTENTION_H
#define VITA_CPU_ATTENTION_H

#include "cpu.h"

/* Is the step done in f16? */
bool attention_is_half(const struct step *s);
void attention_half_needs(struct step *s);
void attention_half_step(const struct step *s, int thread);

#endif
