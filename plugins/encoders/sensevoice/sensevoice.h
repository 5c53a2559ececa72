/* SPDX-License-Identifier: MIT
 *
 * Encoder sensevoice: the parts that its files share. Sound becomes feature rows (frontend.h), four learnt
 * query rows are put before them, the SenseVoice encoder makes a vector of each (encode.c), and the projector
 * of VITA-Audio makes rows for the language model of these.
 */
#ifndef SENSEVOICE_H
#define SENSEVOICE_H

#include "decoder_weights.h"
#include "frontend.h"

#include <vita/encoder.h>
#include <vita/record.h>

#define SENSEVOICE_QUERIES 4

/* How the position table is computed. */
typedef enum positions {
	POSITIONS_F32,      /* as SenseVoice was trained */
	POSITIONS_BF16,     /* as VITA-Audio ran: every step rounded to bf16, on a GPU */
	POSITIONS_BF16_CPU, /* the same on PyTorch's CPU, which rounds a divisor more */
} positions;

/* One layer of self-attention with a memory (Gao et al. 2020, "SAN-M: Memory Equipped Self-Attention for
 * End-to-End Speech Recognition"). */
typedef struct sanm_layer {
	vita_tensor norm1, norm1_bias, norm2, norm2_bias;
	decoder_linear qkv, out, up, down;
	vita_tensor memory; /* f32 [kernel, width]; each row itself is added in the centre */
} sanm_layer;

typedef struct sanm_sizes {
	int64_t width, ff, kernel; /* of all layers */
	int64_t shift;             /* of the memory's taps towards what was before */
	int64_t n_heads;
	int64_t n_layers, n_first; /* all, and those before after_norm */
	int64_t projector_wide;    /* between the projector's two matrices */
	int64_t projected;         /* values of a row that comes out */
} sanm_sizes;

/* The tap that meets a row itself. */
static inline int64_t sensevoice_centre(const sanm_sizes *sizes)
{
	return (sizes->kernel - 1) / 2 + sizes->shift;
}

struct vita_encoder {
	const vita_host *host;
	const vita_device *device;
	vita_model *model, *language_model, *checkpoint, *projector_file; /* NULL: not opened */
	sanm_sizes sizes;
	sanm_layer *layers; /* [n_layers], encoders0, encoders and tp_encoders */
	vita_tensor after_norm, after_norm_bias, tp_norm, tp_norm_bias;
	int32_t projects; /* 0: the encoder's own rows are what is wanted */
	vita_tensor projector_norm, projector_norm_bias, projector_in, projector_out;
	float queries[SENSEVOICE_QUERIES][FEATURE_WIDTH]; /* rows of embed.weight, in the sequence's order */
	frontend_config frontend;
	positions positions;
	int64_t max_seconds;
	uint64_t weight_bytes;
};

/* ---- weights.c ---- */

/* Find the encoder's and the projector's tensors and am.mvn where settings and files say, and load them. What
 * was loaded before a failure is left for sensevoice_unload. */
vita_status sensevoice_load(vita_encoder *encoder, const vita_settings *settings, vita_error *err);
void sensevoice_unload(vita_encoder *encoder);

/* As vita_match_api's. */
int32_t sensevoice_match(const vita_host *host, const vita_model *model);

/* ---- encode.c ---- */

/* features: [n, FEATURE_WIDTH]; out: [n + SENSEVOICE_QUERIES, sizes.projected]. */
vita_status sensevoice_encode(const vita_encoder *encoder, const float *features, uint64_t n, float *out,
			      const vita_cancel *cancel, vita_error *err);

/* Row `position` (from 1 on) of the position table. */
void sensevoice_position(positions how, uint64_t position, float *row);

#endif
