/* SPDX-License-Identifier: MIT
 *
 * Encoder whisper-vq: the speech tokenizer of GLM-4-Voice, which VITA-Audio uses. A Whisper encoder with causal
 * convolutions and block-causal attention, pooled to 12.5 vectors a second, each named by the nearest row of a
 * codebook. Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak Supervision"; Zeng et al. 2024,
 * "GLM-4-Voice".
 *
 *     samples → log-mel rows (100/s) → two convolutions → frames (50/s) → layers → pooled → codes (12.5/s)
 *
 * A recording is cut into segments of 30 s that know nothing of each other. Within one, blocks of 4 s see
 * themselves and what came before, so a block is final as soon as it is full.
 */
#ifndef WHISPER_H
#define WHISPER_H

#include "decoder_weights.h"
#include "mel_bank.h"
#include "plugin_memory.h"
#include "stft.h"

#include <vita/encoder.h>

/* ---- config.c: what config.json and preprocessor_config.json say, checked ----------------------------- */

typedef struct whisper_config {
	int64_t width, n_heads, ffn, n_layers; /* layers up to the quantizer */
	int64_t n_positions, n_codes;
	int64_t pool, pool_after; /* frames made one, after this many layers */
	int64_t block;            /* frames that see each other; divides by pool */
	uint32_t pool_kind;       /* VITA_BINARY_ADD (mean) or VITA_BINARY_MAX */
	uint32_t activation;      /* VITA_UNARY_* */
	int64_t rate_hz, n_fft, hop, n_mels;
	int64_t segment; /* samples, whole codes */
} whisper_config;

#define WHISPER_STRIDE 2 /* mel rows a frame, by the second convolution */
#define WHISPER_TAPS 3   /* of both convolutions */

/* Samples that a frame and a code stand for. */
static inline int64_t whisper_frame_samples(const whisper_config *c)
{
	return c->hop * WHISPER_STRIDE;
}

static inline int64_t whisper_code_samples(const whisper_config *c)
{
	return whisper_frame_samples(c) * c->pool;
}

vita_status whisper_config_read(const vita_host *host, const vita_model *model, whisper_config *out,
				vita_error *err);

/* ---- features.c: log-mel rows of a segment ------------------------------------------------------------ */

typedef struct whisper_features {
	const vita_host *host;
	const whisper_config *config;
	sound_frames frames;
	stft stft;
	mel_bank bank;
	float *power; /* [n_fft/2 + 1] */
	float *rows;  /* [n_capacity, n_mels], log10 of power, without the floor that the loudest sets */
	int64_t n_rows, capacity;
	float loudest; /* of all rows so far */
} whisper_features;

vita_status whisper_features_open(whisper_features *f, const vita_host *host, const whisper_config *config,
				  vita_error *err);
void whisper_features_close(whisper_features *f);
void whisper_features_reset(whisper_features *f); /* a new segment begins */
void whisper_features_push(whisper_features *f, const float *pcm, uint64_t n);

/* The segment ends n samples after its beginning: pad it with silence to n_padded, a whole number of rows. */
void whisper_features_end(whisper_features *f, int64_t n, int64_t n_padded);

/* 8 below the loudest: what is below counts as that. */
float whisper_features_floor(const whisper_features *f);

/* Rows first … first + n - 1 as the model sees them, [n, n_mels]; those before the beginning are 0. */
void whisper_features_take(const whisper_features *f, int64_t first, int64_t n, float *out);

/* How many values of rows first … first + n - 1 are other with the present floor than with `then`, and by how
 * much at most. */
uint64_t whisper_features_changed(const whisper_features *f, int64_t first, int64_t n, float then,
				  float *most);

/* ---- weights.c ---------------------------------------------------------------------------------------- */

typedef struct whisper_layer {
	vita_tensor attention_norm, attention_norm_bias, ffn_norm, ffn_norm_bias;
	decoder_linear q, k, v, out, up, down;
} whisper_layer;

/* A convolution as a product: [outputs, taps · inputs] meets rows that lie one after the other. */
typedef struct whisper_conv {
	decoder_linear linear;
	float *memory; /* what linear.weight may lie in */
} whisper_conv;

typedef struct whisper_weights {
	whisper_conv conv[2];
	vita_tensor positions, codebook;
	whisper_layer *layers;
	int64_t n_layers;
	uint64_t bytes;
	uint32_t dtype; /* of the matrices */
} whisper_weights;

/* "" or what stands before every tensor's name; NULL where this is no such model. */
const char *whisper_prefix(const vita_host *host, const vita_model *model);

vita_status whisper_weights_load(whisper_weights *w, decoder_loader *loader, const whisper_config *c,
				 vita_error *err);
void whisper_weights_free(whisper_weights *w, const vita_host *host, const vita_device *device);

/* ---- pass.c: frames through the model ----------------------------------------------------------------- */

struct vita_encoder {
	const vita_host *host;
	const vita_device *device;
	vita_model *model;
	whisper_config config;
	whisper_weights weights;
	uint32_t cache_dtype;
	int32_t exact; /* wait for the whole segment */
};

/* Keys and values of a segment's finished blocks, and working memory. */
typedef struct whisper_pass {
	device_memory *caches; /* [n_layers], taken when a segment comes in more than one piece */
	device_memory scratch;
	float *mel; /* host, [mel_capacity] */
	int64_t mel_capacity;
} whisper_pass;

/* Frames first … first + n - 1 of the segment, of which those before `valid` (of the segment) lie in the
 * recording, to n / pool codes. first is a whole number of blocks, n of codes. `whole`: the segment ends with them, so
 * that nothing needs to be kept.  OK | E_NOMEM | E_DEVICE | E_CANCELLED */
typedef struct whisper_span {
	int64_t first, n, valid;
	int32_t whole;
} whisper_span;

vita_status whisper_pass_run(const vita_encoder *encoder, whisper_pass *pass,
			     const whisper_features *features, const whisper_span *span, int32_t *codes,
			     const vita_cancel *cancel, vita_error *err);
void whisper_pass_free(const vita_encoder *encoder, whisper_pass *pass);

/* ---- stream.c ----------------------------------------------------------------------------------------- */

vita_status whisper_stream_open(vita_encoder *encoder, vita_encoder_stream **out, vita_error *err);
void whisper_stream_close(vita_encoder_stream *stream);
vita_status whisper_push(vita_encoder_stream *stream, const float *pcm, uint64_t n, int32_t last,
			 const vita_cancel *cancel, vita_error *err);
vita_status whisper_pull(vita_encoder_stream *stream, int32_t *ids, float *rows, uint64_t capacity,
			 uint64_t *n, vita_error *err);
void whisper_deviation(const vita_encoder_stream *stream, vita_deviation *out);

#endif
