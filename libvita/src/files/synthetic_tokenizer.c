/* SPDX-License-Identifier: MIT
 *
 * The published size of GLM-4-Voice's speech tokenizer: the first 16 layers of Whisper large, and a codebook.
 */
#include "files/synthetic_shapes.h"

enum { WIDTH = 1280, FFN = 5120, LAYERS = 16, HEADS = 20, MELS = 128, TAPS = 3, POSITIONS = 1500, CODES = 16384 };

static json_t *settings(void)
{
	return json_pack("{s:s, s:s, s:[s], s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i}", "vita_section", "encoder",
	                 "model_type", "whisper", "architectures", "WhisperVQEncoder", "d_model", WIDTH, "num_mel_bins", MELS,
	                 "encoder_attention_heads", HEADS, "encoder_ffn_dim", FFN, "max_source_positions", POSITIONS,
	                 "pooling_kernel_size", 4, "pooling_position", LAYERS, "quantize_position", LAYERS,
	                 "quantize_vocab_size", CODES, "quantize_causal_block_size", 200);
}

static void add_layer(vita_synthetic_builder *b, int layer)
{
	static const struct {
		const char *name;
		int64_t rows, columns;
	} parts[] = {
		{ "self_attn.q_proj", WIDTH, WIDTH },  { "self_attn.k_proj", WIDTH, WIDTH },
		{ "self_attn.v_proj", WIDTH, WIDTH },  { "self_attn.out_proj", WIDTH, WIDTH },
		{ "self_attn_layer_norm", WIDTH, 0 },  { "fc1", FFN, WIDTH },
		{ "fc2", WIDTH, FFN },                 { "final_layer_norm", WIDTH, 0 },
	};
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		const int64_t shape[2] = { parts[i].rows, parts[i].columns };
		vita_synthetic_add(b, parts[i].columns ? 2 : 1, shape, "layers.%d.%s.weight", layer, parts[i].name);
		if (i != 1) vita_synthetic_add(b, 1, shape, "layers.%d.%s.bias", layer, parts[i].name);
	}
}

static void tensors(vita_synthetic_builder *b)
{
	vita_synthetic_add(b, 3, (const int64_t[]){ WIDTH, MELS, TAPS }, "conv1.weight");
	vita_synthetic_add(b, 1, (const int64_t[]){ WIDTH }, "conv1.bias");
	vita_synthetic_add(b, 3, (const int64_t[]){ WIDTH, WIDTH, TAPS }, "conv2.weight");
	vita_synthetic_add(b, 1, (const int64_t[]){ WIDTH }, "conv2.bias");
	vita_synthetic_add(b, 2, (const int64_t[]){ POSITIONS, WIDTH }, "embed_positions.weight");
	vita_synthetic_add(b, 2, (const int64_t[]){ CODES, WIDTH }, "codebook.weight");
	for (int i = 0; i < LAYERS; i++) add_layer(b, i);
}

const vita_synthetic_shape vita_synthetic_tokenizer = { "glm4-voice-tokenizer", VITA_BF16, settings, tensors };
