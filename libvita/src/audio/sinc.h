/* SPDX-License-Identifier: MIT
 *
 * The resampler that speech models were trained behind: torchaudio's default, a sinc cut off at 99 % of the
 * lower band and windowed to six zero crossings either side. Smith 2002, "Digital Audio Resampling Home Page".
 * A rest of what lies within 1 % of the band's edge is mirrored, which libsamplerate would not do; but models
 * have never heard it otherwise.
 */
#ifndef AUDIO_SINC_H
#define AUDIO_SINC_H

#include <vita/types.h>

typedef struct vita_sinc vita_sinc;

/* Rates are at least 1 and at most 256 times apart. NULL where memory is out. */
vita_sinc *vita_sinc_open(uint32_t from_hz, uint32_t to_hz);
void vita_sinc_close(vita_sinc *s); /* NULL is a no-op */

/* Take up to n samples of in, *used of them, and give up to capacity of out; returns how many. Output lies in
 * time where its input did and needs six zero crossings of input beyond, at the end silence. Makes progress
 * while there is input and room. */
uint64_t vita_sinc_process(vita_sinc *s, const float *in, uint64_t n, uint64_t *used, float *out,
			   uint64_t capacity);

/* How many samples belong to n of input: n · to / from, rounded up. */
uint64_t vita_sinc_length(const vita_sinc *s, uint64_t n);

#endif
