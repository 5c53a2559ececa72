/* SPDX-License-Identifier: MIT
 *
 * Codec "mel-vq": the parts of it that its files share.
 */
#ifndef MEL_VQ_CODEC_H
#define MEL_VQ_CODEC_H

#include "conv_stack.h"
#include "griffin_lim.h"
#include "mel_vq_front.h"
#include "plugin_memory.h"

#include <vita/codec.h>

struct vita_codec {
	const vita_host *host;
	const vita_device *device;
	vita_model *model;
	mel_vq_front front;
	mel_bank bank;
	float *window;
	uint32_t codes;
	double mel_shift, mel_scale; /* ln magnitude = row · scale + shift */
	/* the network: at the tokens' rate, then at the frames' */
	vita_tensor embed;
	conv_stack blocks, frame_blocks;
	conv_weights spread, output;
	int64_t before, ahead; /* tokens that a token's frames depend on */
	/* from magnitudes to sound */
	uint32_t iterations, held;
	double momentum;
};

/* A window of tokens on the device. */
typedef struct mel_vq_network {
	const vita_codec *codec;
	device_memory memory, work;
	vita_tensor ids, x, frames,
		rows; /* [most], [most, width], [most · stack, frame width], [most · stack, bands] */
	vita_recorder recorder;
} mel_vq_network;

/* For at most `most` tokens at once.  OK | E_NOMEM | E_DEVICE; to be closed in any case */
vita_status mel_vq_network_open(mel_vq_network *network, const vita_codec *codec, int64_t most,
				vita_error *err);
void mel_vq_network_close(mel_vq_network *network); /* also of a zeroed one */

/* The rows of n tokens; then `count` of them from `first` on: log mel, not yet scaled, [count, bands]. */
vita_status mel_vq_network_run(mel_vq_network *network, const int32_t *ids, int64_t n, vita_error *err);
vita_status mel_vq_network_read(mel_vq_network *network, int64_t first, int64_t count, float *rows,
				vita_error *err);

/* Magnitudes that give about these in the bands. */
typedef struct mel_inverse {
	const vita_host *host;
	const mel_bank *bank;
	uint32_t n_bins;
	float *reach; /* [n_bins]: how much all bands together weigh a bin */
	float *ratio; /* [n_bins] */
} mel_inverse;

/* Borrows the bank.  OK | E_NOMEM; to be closed in any case */
vita_status mel_inverse_open(mel_inverse *m, const vita_host *host, const mel_bank *bank, uint32_t n_fft,
			     vita_error *err);
void mel_inverse_close(mel_inverse *m); /* also of a zeroed one */

/* mel [bands], not negative, to magnitude [n_fft/2 + 1]. */
void mel_inverse_apply(mel_inverse *m, const float *mel, float *magnitude);

/* streams, in stream.c */
vita_status mel_vq_stream_open(vita_codec *codec, vita_codec_stream **out, vita_error *err);
void mel_vq_stream_close(vita_codec_stream *stream);
vita_status mel_vq_stream_push(vita_codec_stream *stream, const int32_t *ids, uint64_t n, int32_t last,
			       const vita_cancel *cancel, vita_error *err);
vita_status mel_vq_stream_pull(vita_codec_stream *stream, float *pcm, uint64_t capacity, uint64_t *n,
			       vita_error *err);

#endif
