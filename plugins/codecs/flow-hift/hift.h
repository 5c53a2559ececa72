/* SPDX-License-Identifier: MIT
 *
 * HiFT: a mel spectrogram to sound. Only convolutions: what lies further than HIFT_REACH frames away does not matter, so
 * that a long speech can be made window by window and is the same as made at once.
 */
#ifndef FLOW_HIFT_HIFT_H
#define FLOW_HIFT_HIFT_H

#include "config.h"
#include "source.h"
#include "space.h"
#include "weights.h"

#define HIFT_REACH 20   /* frames on either side; 15 are enough, and f0 wants 5 more */
#define MOST_F0_LAYERS 8

/* Residual blocks of dilated convolutions with snake activations (Ziyin, Hartwig and Ueda 2020). */
typedef struct resblock {
	uint32_t n;
	layer conv1[MOST_DILATIONS], conv2[MOST_DILATIONS];
	vita_tensor alpha1[MOST_DILATIONS], alpha2[MOST_DILATIONS];
	int64_t dilation[MOST_DILATIONS];
} resblock;

typedef struct hift_stage {
	layer up, source_down;
	resblock source, block[MOST_KERNELS];
	int64_t rate, source_stride;
} hift_stage;

typedef struct hift {
	hift_config config;
	int64_t mel;
	uint32_t n_f0_layers;
	layer f0_layer[MOST_F0_LAYERS], f0_out, pre, post;
	hift_stage stage[MOST_UPS];
	source_mix mix;
	short_fourier fourier;
} hift;

/* Working memory of one run. Zeroed: empty. */
typedef struct hift_space {
	vita_recorder recorder;
	space memory;
	vita_tensor mel, f0, spectrum, out, buffer[5];
	int64_t frames;
} hift_space;

void hift_load(loader *l, const hift_config *config, int64_t mel, hift *out);
void hift_close(hift *h);

/* The fundamental of each frame in Hz. mel [mel, n] and f0 [n] in host memory; mel stays for hift_wave.
 * OK | E_NOMEM | E_DEVICE */
vita_status hift_f0(const hift *h, const vita_device *device, hift_space *s, const float *mel, int64_t n, float *f0,
                    vita_error *err);

/* Sound of the frames that hift_f0 was given: source and pcm [n · frame_samples].
 * OK | E_NOMEM | E_DEVICE */
vita_status hift_wave(const hift *h, const vita_host *host, const vita_device *device, hift_space *s, const float *source,
                      float *pcm, vita_error *err);
void hift_space_free(const vita_device *device, hift_space *s);

#endif
