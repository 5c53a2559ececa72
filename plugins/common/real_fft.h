/* SPDX-License-Identifier: MIT
 *
 * Discrete Fourier transforms of real signals, of any even size, by KissFFT.
 *
 *     X[k] = Σ_i x[i] exp(-2πj·ik / n),  k = 0 … n/2;   the rest of X mirrors these.
 *
 * A spectrum is n/2 + 1 pairs (real part, imaginary part) of f32.
 */
#ifndef COMMON_REAL_FFT_H
#define COMMON_REAL_FFT_H

#include <vita/host.h>

typedef struct real_fft real_fft;

/* n: even, 2 … 1048576; quick where it has no prime factors but 2, 3 and 5. `inverse` says which of the two
 * functions below it is for. Has working memory of its own: one thread at a time.
 * OK | E_INVALID | E_NOMEM */
vita_status real_fft_open(const vita_host *host, uint32_t n, int inverse, real_fft **out, vita_error *err);
void real_fft_close(real_fft *fft); /* NULL is a no-op */

/* x [n] to spectrum [n/2 + 1][2]. */
void real_fft_forward(real_fft *fft, const float *x, float *spectrum);

/* And back, divided by n: what forward made of x gives x. The imaginary parts of the first and the last
 * pair do not count. */
void real_fft_inverse(real_fft *fft, const float *spectrum, float *x);

#endif
