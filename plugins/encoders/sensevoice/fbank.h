/* SPDX-License-Identifier: MIT
 *
 * Kaldi's filter banks of one frame of 16 kHz sound: 80 triangles on the mel scale from 20 Hz to 8 kHz, power
 * spectrum, natural logarithm (Povey et al. 2011, "The Kaldi Speech Recognition Toolkit"; compute-fbank-feats
 * with a Hamming window).
 */
#ifndef SENSEVOICE_FBANK_H
#define SENSEVOICE_FBANK_H

#include <vita/host.h>

#define FBANK_RATE_HZ 16000
#define FBANK_WINDOW 400 /* samples of a frame, 25 ms */
#define FBANK_SHIFT 160  /* from one frame to the next, 10 ms */
#define FBANK_BANDS 80

typedef struct fbank fbank;

/* For frames of `window` samples, 2 … FBANK_WINDOW; shorter ones are for recordings that are shorter than a
 * frame.  OK | E_NOMEM */
vita_status fbank_create(const vita_host *host, uint32_t window, fbank **out, vita_error *err);
void fbank_destroy(fbank *bank); /* NULL is a no-op */

/* samples: [window], in steps of a 16-bit integer; bands: [FBANK_BANDS]. */
void fbank_frame(fbank *bank, const float *samples, float *bands);

#endif
