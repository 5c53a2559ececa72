/* SPDX-License-Identifier: MIT
 *
 * Short-time spectra: sound that comes in chunks cut into frames that overlap, windows, power spectra, and
 * the way back by overlapping and adding.
 *
 *     sound_frames_push, sound_frames_next  →  stft_spectrum or stft_power  →  …  →  istft_push
 *
 * A frame is as long as the window; where the transform is longer, zeros follow it. Moving a shorter window
 * within the transform, as libraries do that centre it, changes phases only.
 *
 * Everything here works in memory that its open took, and belongs to one thread at a time.
 */
#ifndef COMMON_STFT_H
#define COMMON_STFT_H

#include "real_fft.h"

/* ---- windows --------------------------------------------------------------------------------------- */

/* w[i] = a - (1 - a) cos(2π i / period), i = 0 … n-1; period n: periodic, n - 1: symmetric. */
#define WINDOW_HANN 0.5
#define WINDOW_HAMMING 0.54
void window_fill(double a, uint32_t period, float *window, uint32_t n);

/* ---- frames ---------------------------------------------------------------------------------------- */

/* What lies before the first sample and behind the last. */
#define FRAMES_WHOLE 0u  /* nothing: frame t is samples t·hop … t·hop + length - 1, whole frames only */
#define FRAMES_ZERO 1u   /* silence: frame t begins length/2 earlier, around sample t·hop */
#define FRAMES_MIRROR 2u /* likewise, the sound mirrored at its first and its last sample (not repeated) */

typedef struct sound_frames {
	const vita_host *host;
	float *samples;                /* [capacity] */
	uint64_t capacity, start, end; /* of the next frame, of what is there */
	uint32_t length, hop, edge;
	uint32_t lead; /* samples that wait for the first frame, to be mirrored; then 0 */
	int32_t begun, ended;
} sound_frames;

/* length, hop: at least 1, at most 1048576.  OK | E_INVALID | E_NOMEM */
vita_status sound_frames_open(sound_frames *f, const vita_host *host, uint32_t length, uint32_t hop,
			      uint32_t edge, vita_error *err);
void sound_frames_close(sound_frames *f); /* also of a zeroed one */
void sound_frames_reset(sound_frames *f); /* a new sound begins */

/* Takes in as many of the n samples as there is room for, and returns how many: take out the frames that
 * are ready, then push the rest. At least one is taken when no frame is ready. */
uint64_t sound_frames_push(sound_frames *f, const float *pcm, uint64_t n);

/* The sound has ended; what can still be had of it comes from sound_frames_next. A sound of n samples has
 * floor((n - length) / hop) + 1 frames, FRAMES_WHOLE (none where n < length), and else
 * floor((n + 2 floor(length / 2) - length) / hop) + 1 (none where n = 0). To be mirrored it must be longer than length/2;
 * silence follows where it is not. Call it when no frame is ready. */
void sound_frames_end(sound_frames *f);

/* The next frame, [length], or NULL where none is ready. Valid until the next push, end or reset. */
const float *sound_frames_next(sound_frames *f);

/* ---- there ----------------------------------------------------------------------------------------- */

typedef struct stft {
	const vita_host *host;
	real_fft *fft;
	float *window;   /* [length] */
	float *frame;    /* [n_fft] */
	float *spectrum; /* [n_fft/2 + 1][2] */
	uint32_t n_fft, length;
} stft;

/* window [length], length at most n_fft; copied.  OK | E_INVALID | E_NOMEM */
vita_status stft_open(stft *s, const vita_host *host, uint32_t n_fft, const float *window, uint32_t length,
		      vita_error *err);
void stft_close(stft *s); /* also of a zeroed one */

/* frame [length] to spectrum [n_fft/2 + 1][2], or to its |.|² [n_fft/2 + 1]. */
void stft_spectrum(stft *s, const float *frame, float *spectrum);
void stft_power(stft *s, const float *frame, float *power);

/* ---- and back -------------------------------------------------------------------------------------- */

/* The signal whose windowed frames come nearest to given ones, in the sense of least squares:
 * y[i] = Σ_t w[i - t·hop] x_t[i - t·hop] / Σ_t w²[i - t·hop].
 * Griffin and Lim 1984, "Signal Estimation from Modified Short-Time Fourier Transform". */
typedef struct istft {
	const vita_host *host;
	real_fft *fft;
	float *window;        /* [length] */
	float *frame;         /* [n_fft] */
	double *sum, *weight; /* [length]: of the samples that the next frame begins with */
	uint32_t n_fft, length, hop;
	uint32_t trim, to_skip;
	uint64_t n_frames;
} istft;

/* trim: samples to leave away at the beginning and at the end; length/2 undoes FRAMES_ZERO and FRAMES_MIRROR. hop is at
 * most length, trim too.  OK | E_INVALID | E_NOMEM */
vita_status istft_open(istft *s, const vita_host *host, uint32_t n_fft, const float *window, uint32_t length,
		       uint32_t hop, uint32_t trim, vita_error *err);
void istft_close(istft *s); /* also of a zeroed one */
void istft_reset(istft *s); /* a new signal begins */

/* Adds a frame's spectrum [n_fft/2 + 1][2]. Returns how many samples are complete by that, at most hop, and
 * writes them to pcm. */
uint32_t istft_push(istft *s, const float *spectrum, float *pcm);

/* What is left after the last frame, at most `length` samples. T frames give (T - 1) hop + length - 2 trim
 * samples in all. Resets. */
uint32_t istft_end(istft *s, float *pcm);

#endif
