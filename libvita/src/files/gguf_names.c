/* SPDX-License-Identifier: MIT
 *
 * What architectures, settings and tensors of decoder models are called in GGUF files and in Hugging Face
 * checkpoints.
 */
#include "files/gguf_names.h"

static const vita_gguf_architecture architectures[] = {
	{ "qwen2", "qwen2", "Qwen2ForCausalLM", " qwen2 qwen2_mtp qwen2_mtp_sensevoice ", "qwen2_mtp",
	  "Qwen2MTPForCausalLM", false },
	{ "qwen3", "qwen3", "Qwen3ForCausalLM", " qwen3 ", NULL, NULL, false },
	{ "llama", "llama", "LlamaForCausalLM", " llama mistral ", NULL, NULL, true },
};
#define N_ARCHITECTURES (sizeof architectures / sizeof architectures[0])

const vita_gguf_architecture *vita_gguf_architecture_find(const char *name)
{
	for (size_t i = 0; i < N_ARCHITECTURES; i++)
		if (strcmp(architectures[i].name, name) == 0) return &architectures[i];
	return NULL;
}

const vita_gguf_architecture *vita_gguf_architecture_for(const char *model_type)
{
	char word[64];
	if (strchr(model_type, ' ')) return NULL;
	int n = snprintf(word, sizeof word, " %s ", model_type);
	for (size_t i = 0; i < N_ARCHITECTURES && n > 2 && (size_t)n < sizeof word; i++)
		if (strstr(architectures[i].kin, word)) return &architectures[i];
	return NULL;
}

const vita_gguf_setting vita_gguf_settings[] = {
	{ "block_count", "num_hidden_layers", false },
	{ "nextn_predict_layers", "num_nextn_predict_layers", false },
	{ "context_length", "max_position_embeddings", false },
	{ "embedding_length", "hidden_size", false },
	{ "feed_forward_length", "intermediate_size", false },
	{ "vocab_size", "vocab_size", false },
	{ "attention.head_count", "num_attention_heads", false },
	{ "attention.head_count_kv", "num_key_value_heads", false },
	{ "attention.key_length", "head_dim", false },
	{ "attention.sliding_window", "sliding_window", false },
	{ "attention.layer_norm_rms_epsilon", "rms_norm_eps", true },
	{ "rope.freq_base", "rope_theta", true },
};
const size_t vita_gguf_n_settings = sizeof vita_gguf_settings / sizeof vita_gguf_settings[0];

const vita_gguf_setting vita_gguf_generation_settings[] = {
	{ "tokenizer.ggml.bos_token_id", "bos_token_id", false },
	{ "tokenizer.ggml.eos_token_id", "eos_token_id", false },
	{ "tokenizer.ggml.padding_token_id", "pad_token_id", false },
	{ "general.sampling.top_k", "top_k", false },
	{ "general.sampling.top_p", "top_p", true },
	{ "general.sampling.temp", "temperature", true },
	{ "general.sampling.penalty_repeat", "repetition_penalty", true },
};
const size_t vita_gguf_n_generation_settings =
	sizeof vita_gguf_generation_settings / sizeof vita_gguf_generation_settings[0];

/* ---- tensors -------------------------------------------------------------------------------------- */

typedef struct pair {
	const char *gguf, *hf;
} pair;

static const pair whole_names[] = {
	{ "token_embd.weight", "model.embed_tokens.weight" },
	{ "output_norm.weight", "model.norm.weight" },
	{ "output.weight", "lm_head.weight" },
};

/* Behind "blk.N." and "model.layers.N.", before ".weight" or ".bias". */
static const pair layer_names[] = {
	{ "attn_norm", "input_layernorm" },    { "attn_q", "self_attn.q_proj" },
	{ "attn_k", "self_attn.k_proj" },      { "attn_v", "self_attn.v_proj" },
	{ "attn_output", "self_attn.o_proj" }, { "attn_q_norm", "self_attn.q_norm" },
	{ "attn_k_norm", "self_attn.k_norm" }, { "ffn_norm", "post_attention_layernorm" },
	{ "ffn_gate", "mlp.gate_proj" },       { "ffn_up", "mlp.up_proj" },
	{ "ffn_down", "mlp.down_proj" },
};

/* "blk.(L + K).nextn.X" is "Y.K", both with ".weight". */
static const pair head_names[] = {
	{ "nextn.eh_proj", "mtp_projs" },
	{ "nextn.enorm", "mtp_embed_norms" },
	{ "nextn.hnorm", "mtp_hidden_norms" },
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* Does name begin with this word? What follows it then, else NULL. */
static const char *behind(const char *name, const char *word)
{
	size_t n = strlen(word);
	return strncmp(name, word, n) == 0 ? name + n : NULL;
}

/* A number without needless zeros and the dot behind it; what follows, else NULL. */
static const char *behind_number(const char *name, int64_t *number)
{
	size_t n = strspn(name, "0123456789");
	if (n == 0 || n > 9 || name[n] != '.' || (n > 1 && name[0] == '0')) return NULL;
	*number = 0;
	for (size_t i = 0; i < n; i++) *number = *number * 10 + (name[i] - '0');
	return name + n + 1;
}

static bool is_ending(const char *text, bool bias)
{
	return strcmp(text, ".weight") == 0 || (bias && strcmp(text, ".bias") == 0);
}

const char *vita_gguf_name_to_hf(const vita_gguf_naming *naming, const char *name, vita_gguf_name out)
{
	int64_t layer;
	const char *rest, *ending;
	if (!naming->known) return name;
	for (size_t i = 0; i < COUNT(whole_names); i++)
		if (strcmp(whole_names[i].gguf, name) == 0) return whole_names[i].hf;
	rest = behind(name, "blk.");
	rest = rest ? behind_number(rest, &layer) : NULL;
	for (size_t i = 0; rest && i < COUNT(layer_names); i++) {
		ending = behind(rest, layer_names[i].gguf);
		if (!ending || !is_ending(ending, true)) continue;
		(void)snprintf(out, sizeof(vita_gguf_name), "model.layers.%lld.%s%s", (long long)layer,
		               layer_names[i].hf, ending);
		return out;
	}
	for (size_t i = 0; rest && i < COUNT(head_names); i++) {
		ending = behind(rest, head_names[i].gguf);
		if (!ending || !is_ending(ending, false)) continue;
		layer -= naming->n_layers;
		if (layer < 0 || layer >= naming->n_predict) return name;
		(void)snprintf(out, sizeof(vita_gguf_name), "%s.%lld%s", head_names[i].hf, (long long)layer,
		               ending);
		return out;
	}
	return name;
}

const char *vita_gguf_name_from_hf(const vita_gguf_naming *naming, const char *name, vita_gguf_name out)
{
	int64_t number;
	const char *rest, *ending;
	if (!naming->known) return name;
	for (size_t i = 0; i < COUNT(whole_names); i++)
		if (strcmp(whole_names[i].hf, name) == 0) return whole_names[i].gguf;
	rest = behind(name, "model.layers.");
	rest = rest ? behind_number(rest, &number) : NULL;
	for (size_t i = 0; rest && i < COUNT(layer_names); i++) {
		ending = behind(rest, layer_names[i].hf);
		if (!ending || !is_ending(ending, true)) continue;
		(void)snprintf(out, sizeof(vita_gguf_name), "blk.%lld.%s%s", (long long)number,
		               layer_names[i].gguf, ending);
		return out;
	}
	for (size_t i = 0; i < COUNT(head_names); i++) {
		rest = behind(name, head_names[i].hf);
		ending = rest && *rest == '.' ? behind_number(rest + 1, &number) : NULL;
		if (!ending || strcmp(ending, "weight") != 0 || number >= naming->n_predict) continue;
		(void)snprintf(out, sizeof(vita_gguf_name), "blk.%lld.%s.weight",
		               (long long)(naming->n_layers + number), head_names[i].gguf);
		return out;
	}
	return name;
}
