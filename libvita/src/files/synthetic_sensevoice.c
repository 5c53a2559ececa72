/* SPDX-License-Identifier: MIT
 *
 * The published size of SenseVoiceSmall's encoder and VITA-Audio's projector, as a Plus checkpoint holds them.
 */
#include "files/synthetic_shapes.h"

#define PREFIX "model.audio_model.model."

enum { FEATURES = 560, WIDTH = 512, FFN = 2048, LAYERS = 49, TP_LAYERS = 20, TAPS = 11, QUERIES = 16, HIDDEN = 3584 };

static json_t *settings(void)
{
	return json_pack("{s:s}", "vita_section", "encoder");
}

static void add(vita_synthetic_builder *b, int64_t rows, int64_t columns, const char *group, const char *name)
{
	const int64_t shape[2] = { rows, columns };
	vita_synthetic_add(b, columns ? 2 : 1, shape, "%s%s", group, name);
}

static void add_layer(vita_synthetic_builder *b, int64_t features, const char *kind, int index)
{
	char group[64];
	(void)snprintf(group, sizeof group, PREFIX "encoder.%s.%d.", kind, index);
	add(b, features, 0, group, "norm1.weight");
	add(b, features, 0, group, "norm1.bias");
	add(b, 3 * WIDTH, features, group, "self_attn.linear_q_k_v.weight");
	add(b, 3 * WIDTH, 0, group, "self_attn.linear_q_k_v.bias");
	add(b, WIDTH, WIDTH, group, "self_attn.linear_out.weight");
	add(b, WIDTH, 0, group, "self_attn.linear_out.bias");
	vita_synthetic_add(b, 3, (const int64_t[]){ WIDTH, 1, TAPS }, "%sself_attn.fsmn_block.weight", group);
	add(b, WIDTH, 0, group, "norm2.weight");
	add(b, WIDTH, 0, group, "norm2.bias");
	add(b, FFN, WIDTH, group, "feed_forward.w_1.weight");
	add(b, FFN, 0, group, "feed_forward.w_1.bias");
	add(b, WIDTH, FFN, group, "feed_forward.w_2.weight");
	add(b, WIDTH, 0, group, "feed_forward.w_2.bias");
}

static void tensors(vita_synthetic_builder *b)
{
	add(b, QUERIES, FEATURES, PREFIX, "embed.weight");
	add_layer(b, FEATURES, "encoders0", 0);
	for (int i = 0; i < LAYERS; i++) add_layer(b, WIDTH, "encoders", i);
	for (int i = 0; i < TP_LAYERS; i++) add_layer(b, WIDTH, "tp_encoders", i);
	add(b, WIDTH, 0, PREFIX, "encoder.after_norm.weight");
	add(b, WIDTH, 0, PREFIX, "encoder.after_norm.bias");
	add(b, WIDTH, 0, PREFIX, "encoder.tp_norm.weight");
	add(b, WIDTH, 0, PREFIX, "encoder.tp_norm.bias");
	add(b, WIDTH, 0, "model.audio_projection.", "pre_proj_layernorm.weight");
	add(b, WIDTH, 0, "model.audio_projection.", "pre_proj_layernorm.bias");
	add(b, HIDDEN, WIDTH, "model.audio_projection.", "mlp.0.weight");
	add(b, HIDDEN, HIDDEN, "model.audio_projection.", "mlp.2.weight");
}

const vita_synthetic_shape vita_synthetic_sensevoice = { "sensevoice-small", VITA_BF16, settings, tensors };
