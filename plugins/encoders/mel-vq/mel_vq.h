/* SPDX-License-Identifier: MIT
 *
 * Encoder "mel-vq": the parts of it that its files share.
 */
#ifndef MEL_VQ_ENCODER_H
#define MEL_VQ_ENCODER_H

#include "conv_stack.h"
#include "mel_vq_front.h"
#include "plugin_memory.h"
#include "stft.h"

#include <vita/encoder.h>

#define MEL_VQ_FLOOR 1e-5f  /* of a band's magnitude, before its logarithm */
#define MEL_VQ_EDGE (-2.0f) /* the input's value for silence: fills up the last token */
#define MEL_VQ_MOST_KERNEL 63

struct vita_encoder {
	const vita_host *host;
	const vita_device *device;
	vita_model *model;
	mel_vq_front front;
	mel_bank bank;
	float *window;
	uint32_t codes, width; /* of the codebook */
	uint32_t chunk;        /* tokens that are worth a pass */
	/* the level that rows are measured against */
	uint32_t level_ahead;
	double level_decay, level_least, level_range;
	/* the network */
	conv_weights input, output;
	int64_t input_before, input_ahead; /* taps of the input convolution */
	conv_stack blocks;
	vita_tensor codebook;
	int64_t before, ahead; /* tokens that a token depends on */
};

/* streams, in stream.c */
vita_status mel_vq_stream_open(vita_encoder *encoder, vita_encoder_stream **out, vita_error *err);
void mel_vq_stream_close(vita_encoder_stream *stream);
vita_status mel_vq_stream_push(vita_encoder_stream *stream, const float *pcm, uint64_t n, int32_t last,
			       const vita_cancel *cancel, vita_error *err);
vita_status mel_vq_stream_pull(vita_encoder_stream *stream, int32_t *ids, float *rows, uint64_t capacity,
			       uint64_t *n, vita_error *err);

#endif
