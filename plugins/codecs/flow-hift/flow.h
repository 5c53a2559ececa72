/* SPDX-License-Identifier: MIT
 *
 * Flow: codes to a mel spectrogram. Three parts, each in a file of its own:
 *   encoder.c     codes to mu [mel, frames], what the spectrogram should be about
 *   estimator.c   one pass of the network that says where noise should go (a U-Net of convolutions and attention)
 *   flow.c        Euler steps from noise to the spectrogram, with classifier-free guidance
 *
 * Lipman et al. 2023, "Flow Matching for Generative Modeling"; Mehta et al. 2024, "Matcha-TTS"; Du et al. 2024,
 * "CosyVoice"; Ho and Salimans 2022, "Classifier-Free Diffusion Guidance".
 */
#ifndef FLOW_HIFT_FLOW_H
#define FLOW_HIFT_FLOW_H

#include "config.h"
#include "space.h"
#include "weights.h"

#define MOST_ENCODER_BLOCKS 64
#define MOST_STAGES 64
#define MOST_TRANSFORMERS 16 /* in a stage */
#define MOST_STEPS 1000

typedef struct encoder_block {
	layer norm_mha, q, k, v, out, pos, norm_ff, w1, w2;
	vita_tensor u, v_bias; /* [heads, head_dim] */
} encoder_block;

typedef struct regulator_layer {
	layer conv, norm;
} regulator_layer;

typedef struct flow_encoder {
	vita_tensor embedding; /* [vocab, input] */
	layer embed, embed_norm, after_norm, projection;
	uint32_t n_blocks, n_regulator;
	encoder_block block[MOST_ENCODER_BLOCKS];
	regulator_layer regulator[16];
	layer regulator_out;
	int64_t vocab, input, width, inner, heads, look_ahead; /* look_ahead: codes of a block */
	int64_t mel;
} flow_encoder;

typedef struct transformer {
	layer norm1, q, k, v, out, norm3, up, down;
} transformer;

/* A residual block of convolutions and the transformers behind it. */
typedef struct stage {
	layer conv1, norm1, conv2, norm2, residual;
	vita_tensor time; /* [steps, channels]: what each step adds */
	transformer transformer[MOST_TRANSFORMERS];
	int64_t in, out;
} stage;

typedef struct estimator {
	uint32_t n_stages, n_transformers; /* down 0, down 1, mid …, up 0, up 1 */
	stage stage[MOST_STAGES];
	layer down0, down1, up0, up1;      /* what follows these stages; up0 is transposed */
	layer final_conv, final_norm, final_proj;
	int64_t mel, in, heads, head_dim, feed; /* feed: width of the feed-forward layers */
	int64_t widest;                        /* channels of a stage, at most */
	uint32_t key_dtype;                    /* of keys and values: f16 where weights are, else f32, for the range of bf16 */
} estimator;

typedef struct flow {
	flow_config config;
	flow_encoder encoder;
	estimator estimator;
	vita_tensor speaker;   /* [mel] */
	uint32_t n_steps;
	double time[MOST_STEPS + 1];
	int32_t batch;         /* 2 with guidance, else 1 */
} flow;

/* What one run needs; belongs to one thread at a time. Zeroed: empty. */
typedef struct flow_space {
	vita_recorder recorder;
	space memory;
	vita_tensor x, mu;        /* [mel, frames] */
	vita_tensor ids, sources; /* i32 [codes], [frames] */
} flow_space;

/* Read the model's tensors. n_steps: Euler steps. */
void flow_load(loader *l, const flow_config *config, uint32_t n_steps, flow *out);

/* Spectrogram frames that stand for so many codes, as the reference counts them. */
int64_t flow_frames(const flow *f, int64_t n_codes);

typedef struct flow_input {
	const int32_t *codes;    /* n_codes, each within the vocabulary */
	const int32_t *sources;  /* for each frame the number of its code */
	const float *noise;      /* [mel, frames] to begin with */
	const float *prompt;     /* [prompt_frames, mel]: what the first frames are known to be; NULL where 0 */
	int64_t n_codes, n_frames, prompt_frames;
} flow_input;

/* mel [mel, frames], in host memory. E_CANCELLED within a step.
 * OK | E_CANCELLED | E_NOMEM | E_DEVICE */
vita_status flow_run(const flow *f, const vita_host *host, const vita_device *device, flow_space *s, const flow_input *in,
                     const vita_cancel *cancel, float *mel, vita_error *err);
void flow_space_free(const vita_device *device, flow_space *s);

/* ---- between the files ----------------------------------------------------------------------------- */

void flow_encoder_load(loader *l, const flow_config *config, flow_encoder *out);

/* Record codes [n_codes] (s->ids) to mu [mel, frames] (s->mu). */
vita_status flow_encoder_run(const flow_encoder *e, const vita_host *host, const vita_device *device, flow_space *s,
                             const flow_input *in, vita_error *err);

/* time [n_steps]: when each step begins. */
void estimator_load(loader *l, const flow_config *config, const double *time, uint32_t n_steps, int64_t mel, estimator *out);

/* The estimator's tensors for so many frames, in s. Those named here are its ends. */
typedef struct estimator_space {
	vita_tensor in;          /* [batch, 4 mel, frames]: x, mu, speaker, prompt */
	vita_tensor out;         /* [batch, mel, frames] */
	vita_tensor hold, a, b;  /* [batch, widest, frames] */
	vita_tensor skip0, skip1;
	vita_tensor rows, rows_norm, q, k, v, attended, feed;
	vita_tensor halves; /* k and v in f16, one behind the other; empty where key_dtype is f32 */
} estimator_space;

void estimator_take(const estimator *e, space *s, int64_t batch, int64_t frames, estimator_space *out);
void estimator_put(const space *s, estimator_space *t);

/* Record a pass from in to out. */
void estimator_record(const estimator *e, vita_recorder *r, const estimator_space *s, int64_t batch, int64_t frames,
                      uint32_t step);

#endif
