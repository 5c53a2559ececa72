/* SPDX-License-Identifier: MIT
 *
 * f32 values to the 4- and 6-bit block types.
 */
#ifndef VITA_QUANTISE_H
#define VITA_QUANTISE_H

#include <stdbool.h>
#include <stdint.h>

/* Is this a type that vita_quantise_row writes? (q8_0 is in vita/blocks.h: it needs no search.) */
bool vita_quantises(uint32_t dtype);

/* n values, a whole number of blocks, as q4_0, q4_1, q4_k or q6_k. NaN becomes 0, what a half precision scale
 * cannot reach is clipped. The same input gives the same bytes on every machine. */
void vita_quantise_row(uint32_t dtype, const float *in, int64_t n, void *out);

#endif
