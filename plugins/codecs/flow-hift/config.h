/* SPDX-License-Identifier: MIT
 *
 * What config.yaml says of a speech decoder. Sizes of layers are read from the tensors; this is the rest.
 */
#ifndef FLOW_HIFT_CONFIG_H
#define FLOW_HIFT_CONFIG_H

#include <vita/host.h>

#define MOST_UPS 4      /* stages of the vocoder */
#define MOST_KERNELS 4  /* residual blocks side by side in a stage */
#define MOST_DILATIONS 8

/* The spectrogram between the two networks, fixed in the reference's code. */
#define MEL_RATE_HZ 22050
#define MEL_HOP 256

typedef struct flow_config {
	double frame_rate;   /* codes a second */
	double guidance;     /* inference_cfg_rate */
	int64_t block;       /* codes that see each other both ways */
	int64_t heads;       /* of the encoder */
	int64_t n_regulator; /* convolutions with norm in the length regulator */
	int64_t est_heads, est_head_dim;
	int32_t cosine;      /* the schedule of time steps; else even steps */
} flow_config;

typedef struct resblock_config {
	int64_t kernel;
	uint32_t n;
	int64_t dilation[MOST_DILATIONS];
} resblock_config;

typedef struct hift_config {
	int64_t sample_rate, harmonics; /* above the fundamental */
	double alpha, sigma, threshold_hz, slope, limit;
	uint32_t n_ups, n_kernels;
	int64_t rate[MOST_UPS];
	resblock_config resblock[MOST_KERNELS], source[MOST_UPS];
	int64_t n_fft, hop;
	int64_t frame_samples; /* of sound for a mel frame: the product of rates and hop */
} hift_config;

/* Read and check; the sentence names the key and what is known here.
 * OK | E_NOTFOUND (no config.yaml) | E_FORMAT | E_UNSUPPORTED */
vita_status flow_config_read(const vita_host *host, const vita_model *model, flow_config *out, vita_error *err);
vita_status hift_config_read(const vita_host *host, const vita_model *model, hift_config *out, vita_error *err);

#endif
