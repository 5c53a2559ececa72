/* SPDX-License-Identifier: MIT
 *
 * Codec "flow-hift": the speech decoder of GLM-4-Voice and VITA-Audio. Codes become a mel spectrogram by flow matching
 * (flow.h), and that becomes sound in a vocoder (hift.h).
 */
#ifndef FLOW_HIFT_FLOW_HIFT_H
#define FLOW_HIFT_FLOW_HIFT_H

#include "flow.h"
#include "hift.h"
#include "noise.h"

#include <vita/codec.h>

struct vita_codec {
	const vita_host *host;
	const vita_device *device;
	vita_model *directory, *flow_model;
	vita_model *hift_model; /* NULL where its weights were copied and its file is closed */
	weight_store store;
	flow flow;
	hift hift;
	noise noise;
	int64_t context;                    /* codes before a chunk that are decoded once more with it */
	int64_t overlap;                    /* frames of a chunk that are faded into the next */
	int64_t whole_codes, piece_codes;   /* at once, and of a piece where more come; see WHOLE_CODES */
	float gain;
};

/* Each frame of a chunk sees all others. So that two hours at once do not take memory and time in proportion to
 * their square, what is longer than WHOLE_CODES (2 minutes) comes in pieces. */
#define WHOLE_CODES 1500
#define PIECE_CODES 375

/* A stream: see stream.c. */
vita_status stream_open(vita_codec *codec, vita_codec_stream **out, vita_error *err);
void stream_close(vita_codec_stream *stream);
vita_status stream_push(vita_codec_stream *stream, const int32_t *ids, uint64_t n, int32_t last, const vita_cancel *cancel,
                        vita_error *err);
vita_status stream_pull(vita_codec_stream *stream, float *pcm, uint64_t capacity, uint64_t *n, vita_error *err);

/* Codes that a stream of unknown length waits for before it decodes any, and before it gives any sound. */
#define STREAM_LEAST 5
int64_t stream_first_sound(const vita_codec *codec);

#endif
