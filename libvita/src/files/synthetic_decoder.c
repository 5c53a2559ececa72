/* SPDX-License-Identifier: MIT
 *
 * The published size of GLM-4-Voice's speech decoder: its flow and its vocoder in one model.
 */
#include "files/synthetic_shapes.h"

enum { CODES = 16384, WIDTH = 512, FFN = 2048, BLOCKS = 6, HEADS = 8, MELS = 80 };
enum { CHANNELS = 256, INNER = 512, FEED = 1024, TIME = 1024, MIDDLE = 12, TRANSFORMERS = 4 };
enum { BASE = 512, SINES = 9, FFT = 16, COND = 512 };

/* What config.yaml says of it. */
static json_t *settings(void)
{
	static const char text[] =
		"{\"vita_section\":\"codec\",\"flow\":{\"!new\":\"MaskedDiffWithXvec\",\"input_frame_rate\":12.5,"
		"\"encoder\":{\"attention_heads\":8,\"block_size\":10},"
		"\"length_regulator\":{\"sampling_ratios\":[1,1,1,1]},"
		"\"decoder\":{\"!new\":\"ConditionalCFM\",\"cfm_params\":{\"content\":{\"inference_cfg_rate\":0.7}},"
		"\"estimator\":{\"num_heads\":8,\"attention_head_dim\":64}}},"
		"\"hift\":{\"!new\":\"HiFTGenerator\",\"nb_harmonics\":8,\"upsample_rates\":[8,8],"
		"\"istft_params\":{\"n_fft\":16,\"hop_len\":4},\"resblock_kernel_sizes\":[3,7,11],"
		"\"resblock_dilation_sizes\":[[1,3,5],[1,3,5],[1,3,5]],\"source_resblock_kernel_sizes\":[7,11],"
		"\"source_resblock_dilation_sizes\":[[1,3,5],[1,3,5]]}}";
	return json_loadb(text, sizeof text - 1, 0, NULL);
}

/* A layer: its weight, [out, in] or [out, in, kernel], and its bias [n_bias] where that is not 0. */
static void add_layer(vita_synthetic_builder *b, const char *name, int64_t out, int64_t in, int64_t kernel, int64_t n_bias)
{
	vita_synthetic_add(b, in == 0 ? 1 : kernel == 0 ? 2 : 3, (const int64_t[]){ out, in, kernel }, "%s.weight", name);
	if (n_bias > 0) vita_synthetic_add(b, 1, &n_bias, "%s.bias", name);
}

#define LAYER(out, in, kernel, n_bias, ...) \
	do { \
		char name_[96]; \
		(void)snprintf(name_, sizeof name_, __VA_ARGS__); \
		add_layer(b, name_, out, in, kernel, n_bias); \
	} while (0)

/* ---- flow ------------------------------------------------------------------------------------------ */

static void add_encoder(vita_synthetic_builder *b)
{
	static const char *const attention[] = { "linear_q", "linear_k", "linear_v", "linear_out", "linear_pos" };
	LAYER(CODES, WIDTH, 0, 0, "input_embedding");
	vita_synthetic_add(b, 1, (const int64_t[]){ MELS }, "spk_embed_affine_layer.bias");
	LAYER(WIDTH, WIDTH, 0, WIDTH, "encoder.embed.out.0");
	LAYER(WIDTH, 0, 0, WIDTH, "encoder.embed.out.1");
	for (int i = 0; i < BLOCKS; i++) {
		for (size_t k = 0; k < 5; k++)
			LAYER(WIDTH, WIDTH, 0, k < 4 ? WIDTH : 0, "encoder.encoders.%d.self_attn.%s", i, attention[k]);
		for (int uv = 0; uv < 2; uv++)
			vita_synthetic_add(b, 2, (const int64_t[]){ HEADS, WIDTH / HEADS }, "encoder.encoders.%d.self_attn.pos_bias_%c",
			                   i, "uv"[uv]);
		LAYER(WIDTH, 0, 0, WIDTH, "encoder.encoders.%d.norm_mha", i);
		LAYER(WIDTH, 0, 0, WIDTH, "encoder.encoders.%d.norm_ff", i);
		LAYER(FFN, WIDTH, 0, FFN, "encoder.encoders.%d.feed_forward.w_1", i);
		LAYER(WIDTH, FFN, 0, WIDTH, "encoder.encoders.%d.feed_forward.w_2", i);
	}
	LAYER(WIDTH, 0, 0, WIDTH, "encoder.after_norm");
	LAYER(MELS, WIDTH, 0, MELS, "encoder_proj");
	for (int i = 0; i < 4; i++) {
		LAYER(MELS, MELS, 3, MELS, "length_regulator.model.%d", 3 * i);
		LAYER(MELS, 0, 0, MELS, "length_regulator.model.%d", 3 * i + 1);
	}
	LAYER(MELS, MELS, 1, MELS, "length_regulator.model.12");
}

static void add_transformer(vita_synthetic_builder *b, const char *stage, int i)
{
	for (int k = 0; k < 3; k++) LAYER(INNER, CHANNELS, 0, 0, "decoder.estimator.%s.1.%d.attn1.to_%c", stage, i, "qkv"[k]);
	LAYER(CHANNELS, INNER, 0, CHANNELS, "decoder.estimator.%s.1.%d.attn1.to_out.0", stage, i);
	LAYER(CHANNELS, 0, 0, CHANNELS, "decoder.estimator.%s.1.%d.norm1", stage, i);
	LAYER(CHANNELS, 0, 0, CHANNELS, "decoder.estimator.%s.1.%d.norm3", stage, i);
	LAYER(FEED, CHANNELS, 0, FEED, "decoder.estimator.%s.1.%d.ff.net.0.proj", stage, i);
	LAYER(CHANNELS, FEED, 0, CHANNELS, "decoder.estimator.%s.1.%d.ff.net.2", stage, i);
}

static void add_stage(vita_synthetic_builder *b, const char *stage, int64_t in)
{
	LAYER(CHANNELS, TIME, 0, CHANNELS, "decoder.estimator.%s.0.mlp.1", stage);
	for (int k = 1; k <= 2; k++) {
		LAYER(CHANNELS, k == 1 ? in : CHANNELS, 3, CHANNELS, "decoder.estimator.%s.0.block%d.block.0", stage, k);
		LAYER(CHANNELS, 0, 0, CHANNELS, "decoder.estimator.%s.0.block%d.block.1", stage, k);
	}
	LAYER(CHANNELS, in, 1, CHANNELS, "decoder.estimator.%s.0.res_conv", stage);
	for (int i = 0; i < TRANSFORMERS; i++) add_transformer(b, stage, i);
}

static void add_estimator(vita_synthetic_builder *b)
{
	char stage[32];
	LAYER(TIME, 4 * MELS, 0, TIME, "decoder.estimator.time_mlp.linear_1");
	LAYER(TIME, TIME, 0, TIME, "decoder.estimator.time_mlp.linear_2");
	add_stage(b, "down_blocks.0", 4 * MELS);
	add_stage(b, "down_blocks.1", CHANNELS);
	for (int i = 0; i < MIDDLE; i++) {
		(void)snprintf(stage, sizeof stage, "mid_blocks.%d", i);
		add_stage(b, stage, CHANNELS);
	}
	add_stage(b, "up_blocks.0", 2 * CHANNELS);
	add_stage(b, "up_blocks.1", 2 * CHANNELS);
	LAYER(CHANNELS, CHANNELS, 3, CHANNELS, "decoder.estimator.down_blocks.0.2.conv");
	LAYER(CHANNELS, CHANNELS, 3, CHANNELS, "decoder.estimator.down_blocks.1.2");
	LAYER(CHANNELS, CHANNELS, 4, CHANNELS, "decoder.estimator.up_blocks.0.2.conv");
	LAYER(CHANNELS, CHANNELS, 3, CHANNELS, "decoder.estimator.up_blocks.1.2");
	LAYER(CHANNELS, CHANNELS, 3, CHANNELS, "decoder.estimator.final_block.block.0");
	LAYER(CHANNELS, 0, 0, CHANNELS, "decoder.estimator.final_block.block.1");
	LAYER(MELS, CHANNELS, 1, MELS, "decoder.estimator.final_proj");
}

/* ---- vocoder --------------------------------------------------------------------------------------- */

/* A kernel as it is once weight norm's parts are folded: the parts' file would be closed then, but this model stays. */
static void add_kernel(vita_synthetic_builder *b, const char *name, int64_t d0, int64_t d1, int64_t kernel, int64_t n_bias)
{
	vita_synthetic_add(b, 3, (const int64_t[]){ d0, d1, kernel }, "%s.weight", name);
	vita_synthetic_add(b, 1, &n_bias, "%s.bias", name);
}

static void add_resblock(vita_synthetic_builder *b, const char *block, int64_t channels, int64_t kernel)
{
	char name[96];
	for (int i = 0; i < 6; i++) {
		(void)snprintf(name, sizeof name, "%s.convs%d.%d", block, i / 3 + 1, i % 3);
		add_kernel(b, name, channels, channels, kernel, channels);
		vita_synthetic_add(b, 1, &channels, "%s.activations%d.%d.alpha", block, i / 3 + 1, i % 3);
	}
}

static void add_vocoder(vita_synthetic_builder *b)
{
	static const int64_t kernels[3] = { 3, 7, 11 }, source_kernels[2] = { 7, 11 };
	char name[96];
	LAYER(1, SINES, 0, 1, "m_source.l_linear");
	add_kernel(b, "conv_pre", BASE, MELS, 7, BASE);
	for (int i = 0; i < 2; i++) {
		const int64_t channels = BASE >> (i + 1);
		(void)snprintf(name, sizeof name, "ups.%d", i);
		add_kernel(b, name, 2 * channels, channels, 16, channels);
		LAYER(channels, FFT + 2, i == 0 ? 16 : 1, channels, "source_downs.%d", i);
		(void)snprintf(name, sizeof name, "source_resblocks.%d", i);
		add_resblock(b, name, channels, source_kernels[i]);
		for (int k = 0; k < 3; k++) {
			(void)snprintf(name, sizeof name, "resblocks.%d", 3 * i + k);
			add_resblock(b, name, channels, kernels[k]);
		}
	}
	add_kernel(b, "conv_post", FFT + 2, BASE / 4, 7, FFT + 2);
	for (int i = 0; i < 5; i++) {
		(void)snprintf(name, sizeof name, "f0_predictor.condnet.%d", 2 * i);
		add_kernel(b, name, COND, i == 0 ? MELS : COND, 3, COND);
	}
	LAYER(1, COND, 0, 1, "f0_predictor.classifier");
}

static void tensors(vita_synthetic_builder *b)
{
	add_encoder(b);
	add_estimator(b);
	add_vocoder(b);
}

const vita_synthetic_shape vita_synthetic_decoder = { "glm4-voice-decoder", VITA_F32, settings, tensors };
