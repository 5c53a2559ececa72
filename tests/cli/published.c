/* SPDX-License-Identifier: MIT
 *
 * Writes a model directory in the layout of a published VITA-Audio model, small and with random weights:
 *     published KIND DIRECTORY [GOLDEN] [--without TENSOR] [--narrow TENSOR] [--plain-tokenizer] [--rows N]
 * KIND is boost, balance, plus-vanilla or plus-boost. The plus models get encoder and projector from GOLDEN, the
 * model.safetensors of tests/golden/sensevoice/llm. Names, configuration keys, the order of added tokens, schedules and
 * types are those of the published files; sizes are not, and answers have fifty tokens at least. The options do damage.
 */
#include <vita/vita.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { HIDDEN = 48, WIDE = 96, HEADS = 4, KV_HEADS = 2, HEAD_DIM = 12, LAYERS = 2, AUDIO = 128, MAX = 1024 };

static const struct kind {
	const char *name;
	int plus, heads;
	const char *schedule;
} kinds[] = {
	{"boost", 0, 10, "[1,10,4,10]"},
	{"balance", 0, 10, "[1,4,3,8,4,10]"},
	{"plus-vanilla", 1, 0, "[1,10,4,10]"},
	{"plus-boost", 1, 10, "[1,10,4,10]"},
};

/* Qwen2.5's added tokens, then VITA-Audio's; the plus tokenizer has <|context_of_audio|> as well. */
static const char *const added[] = {
	"<|endoftext|>",
	"<|im_start|>",
	"<|im_end|>",
	"<|object_ref_start|>",
	"<|object_ref_end|>",
	"<|box_start|>",
	"<|box_end|>",
	"<|quad_start|>",
	"<|quad_end|>",
	"<|vision_start|>",
	"<|vision_end|>",
	"<|vision_pad|>",
	"<|image_pad|>",
	"<|video_pad|>",
	"<tool_call>",
	"</tool_call>",
	"<|fim_prefix|>",
	"<|fim_middle|>",
	"<|fim_suffix|>",
	"<|fim_pad|>",
	"<|repo_name|>",
	"<|file_sep|>",
	"<|begin_of_image|>",
	"<|end_of_image|>",
	"<|context_of_image|>",
	"<|begin_of_video|>",
	"<|end_of_video|>",
	"<|context_of_video|>",
	"<|begin_of_patch|>",
	"<|end_of_patch|>",
	"<|context_of_patch|>",
	"<|begin_of_audio|>",
	"<|end_of_audio|>",
	"<|context_of_audio|>",
	"<|begin_of_quad|>",
	"<|end_of_quad|>",
	"<|begin_of_ref|>",
	"<|end_of_ref|>",
	"<|begin_of_box|>",
	"<|end_of_box|>",
	"<|image|>",
	"<|video|>",
	"<|audio|>",
};
#define N_ADDED ((int)(sizeof added / sizeof *added))

static const char *directory, *without = "", *narrow = "";
static vita_array arrays[MAX];
static char names[MAX][128];
static int n_arrays;
static uint32_t state = 1;

static void give_up(const char *what)
{
	(void)fprintf(stderr, "published: %s\n", what);
	exit(1);
}

static float next_random(void)
{
	state = state * 1664525u + 1013904223u;
	return (float)(int32_t)state / 2147483648.0f;
}

/* A bf16 tensor; norms are near 1. columns 0: a vector. */
static void add(const char *name, int64_t rows, int64_t columns)
{
	if (strcmp(name, without) == 0) return;
	if (strcmp(name, narrow) == 0) rows--;
	int is_norm = strstr(name, "norm") != NULL && strstr(name, "bias") == NULL;
	size_t n = (size_t)(rows * (columns ? columns : 1));
	uint16_t *data = malloc(n * sizeof *data + 1);
	if (!data || n_arrays == MAX) give_up("out of memory");
	for (size_t i = 0; i < n; i++) {
		float x = is_norm ? 1 + 0.1f * next_random() : 0.3f * next_random();
		uint32_t bits;
		memcpy(&bits, &x, sizeof bits);
		data[i] = (uint16_t)(bits >> 16);
	}
	vita_array *a = &arrays[n_arrays];
	VITA_INIT(a);
	(void)snprintf(names[n_arrays], sizeof names[0], "%s", name);
	a->name = names[n_arrays++];
	a->dtype = VITA_BF16;
	a->rank = columns ? 2 : 1;
	a->shape[0] = rows;
	a->shape[1] = columns ? columns : 1;
	a->size_bytes = n * sizeof *data;
	a->data = data;
}

VITA_PRINTF(3, 4) static void addf(int64_t rows, int64_t columns, const char *format, ...)
{
	char name[128];
	va_list args;
	va_start(args, format);
	(void)vsnprintf(name, sizeof name, format, args);
	va_end(args);
	add(name, rows, columns);
}

static void add_language_model(const struct kind *kind, int64_t vocab)
{
	add("model.embed_tokens.weight", vocab, HIDDEN);
	for (int i = 0; i < LAYERS + kind->heads; i++) {
		addf(HIDDEN, 0, "model.layers.%d.input_layernorm.weight", i);
		addf(HEADS * HEAD_DIM, HIDDEN, "model.layers.%d.self_attn.q_proj.weight", i);
		addf(HEADS * HEAD_DIM, 0, "model.layers.%d.self_attn.q_proj.bias", i);
		addf(KV_HEADS * HEAD_DIM, HIDDEN, "model.layers.%d.self_attn.k_proj.weight", i);
		addf(KV_HEADS * HEAD_DIM, 0, "model.layers.%d.self_attn.k_proj.bias", i);
		addf(KV_HEADS * HEAD_DIM, HIDDEN, "model.layers.%d.self_attn.v_proj.weight", i);
		addf(KV_HEADS * HEAD_DIM, 0, "model.layers.%d.self_attn.v_proj.bias", i);
		addf(HIDDEN, HEADS * HEAD_DIM, "model.layers.%d.self_attn.o_proj.weight", i);
		addf(HIDDEN, 0, "model.layers.%d.post_attention_layernorm.weight", i);
		addf(WIDE, HIDDEN, "model.layers.%d.mlp.gate_proj.weight", i);
		addf(WIDE, HIDDEN, "model.layers.%d.mlp.up_proj.weight", i);
		addf(HIDDEN, WIDE, "model.layers.%d.mlp.down_proj.weight", i);
	}
	add("model.norm.weight", HIDDEN, 0);
	add("lm_head.weight", vocab, HIDDEN);
	for (int k = 0; k < kind->heads; k++) {
		addf(HIDDEN, 2 * HIDDEN, "mtp_projs.%d.weight", k);
		addf(HIDDEN, 0, "mtp_embed_norms.%d.weight", k);
		addf(HIDDEN, 0, "mtp_hidden_norms.%d.weight", k);
	}
}

/* The golden encoder's tensors as they are; the model stays open until the program ends. */
static void add_ears(const char *golden)
{
	vita_error err;
	vita_model *model;
	vita_array array;
	if (vita_model_open(golden, VITA_MODEL_WANT_TENSORS, &model, &err) != VITA_OK) give_up(err.message);
	for (uint64_t i = 0; vita_model_tensor_at(model, i, &array) == VITA_OK; i++) {
		if (strncmp(array.name, "model.audio_", 12) != 0 || strcmp(array.name, without) == 0)
			continue;
		if (n_arrays == MAX) give_up("too many tensors");
		arrays[n_arrays++] = array;
	}
}

/* ---- JSON files ------------------------------------------------------------------------------------- */

static void write_json(const char *name, json_t *document)
{
	char path[4096];
	(void)snprintf(path, sizeof path, "%.4000s/%s", directory, name);
	if (!document || json_dump_file(document, path, JSON_COMPACT) != 0) give_up(path);
	json_decref(document);
}

static void byte_symbol(int byte, int *n_hidden, char *symbol)
{
	int printable = (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
	int code = printable ? byte : 0x100 + (*n_hidden)++;
	symbol[0] = (char)(code < 0x80 ? code : 0xc0 | code >> 6);
	symbol[1] = (char)(code < 0x80 ? 0 : 0x80 | (code & 0x3f));
	symbol[2] = '\0';
}

static void add_token(json_t *list, int id, const char *content, int special)
{
	(void)json_array_append_new(list, json_pack("{s:i, s:s, s:b, s:b, s:b, s:b, s:b}", "id", id,
						    "content", content, "single_word", 0, "lstrip", 0,
						    "rstrip", 0, "normalized", 0, "special", special));
}

/* Bytes as the vocabulary, then the added tokens; returns their number. */
static int write_tokenizer(int plus, int plain)
{
	json_t *vocab = json_object(), *list = json_array();
	char symbol[32];
	int n_hidden = 0, id = 256;
	for (int byte = 0; byte < 256; byte++) {
		byte_symbol(byte, &n_hidden, symbol);
		(void)json_object_set_new(vocab, symbol, json_integer(byte));
	}
	for (int i = 0; i < (plain ? 22 : N_ADDED); i++)
		if (plus || strcmp(added[i], "<|context_of_audio|>") != 0)
			add_token(list, id++, added[i], i < 14 || i > 15);
	for (int i = 0; i < AUDIO && !plain; i++) {
		(void)snprintf(symbol, sizeof symbol, "<|audio_%d|>", i);
		add_token(list, id++, symbol, 0);
	}
	json_t *split = json_pack("{s:s, s:{s:s}, s:s, s:b}", "type", "Split", "pattern", "Regex",
				  "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s+",
				  "behavior", "Isolated", "invert", 0);
	json_t *bytes = json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", 0,
				  "trim_offsets", 0, "use_regex", 0);
	write_json("tokenizer.json",
		   json_pack("{s:s, s:o, s:{s:s}, s:{s:s, s:[o, O]}, s:o, s:{s:s, s:o, s:[]}}", "version",
			     "1.0", "added_tokens", list, "normalizer", "type", "NFC", "pre_tokenizer",
			     "type", "Sequence", "pretokenizers", split, bytes, "decoder", bytes, "model",
			     "type", "BPE", "vocab", vocab, "merges"));
	return id;
}

static void write_settings(const struct kind *kind, int64_t vocab)
{
	write_json("config.json",
		   json_pack("{s:[s], s:s, s:I, s:i, s:i, s:i, s:i, s:i, s:i, s:s, s:i, s:f, s:f, s:n, s:b, "
			     "s:b, s:f, "
			     "s:i, s:i, s:s}",
			     "architectures",
			     kind->plus ? "Qwen2MTPSenseVoiceForCausalLM" : "Qwen2MTPForCausalLM",
			     "model_type", kind->plus ? "qwen2_mtp_sensevoice" : "qwen2_mtp", "vocab_size",
			     (json_int_t)vocab, "hidden_size", HIDDEN, "intermediate_size", WIDE,
			     "num_hidden_layers", LAYERS + kind->heads, "num_nextn_predict_layers",
			     kind->heads, "num_attention_heads", HEADS, "num_key_value_heads", KV_HEADS,
			     "hidden_act", "silu", "max_position_embeddings", 32768, "rms_norm_eps", 1e-6,
			     "rope_theta", 1000000.0, "rope_scaling", "use_sliding_window", 0,
			     "tie_word_embeddings", 0, "mtp_loss_weight", 1.0, "bos_token_id", 256,
			     "eos_token_id", 258, "torch_dtype", "bfloat16"));
	write_json("generation_config.json",
		   json_pack("{s:i, s:[i, i], s:i, s:b, s:f, s:i, s:f, s:f, s:i, s:o}", "bos_token_id", 256,
			     "eos_token_id", 258, 256, "pad_token_id", 256, "do_sample", 1, "temperature",
			     0.7, "top_k", 20, "top_p", 0.8, "repetition_penalty", 1.05, "min_new_tokens", 50,
			     "mtp_inference_mode", json_loads(kind->schedule, 0, NULL)));
}

int main(int argc, char **argv)
{
	const struct kind *kind = NULL;
	const char *golden = NULL;
	char path[4096];
	vita_error err;
	int plain = 0;
	int64_t vocab = 0;
	for (size_t i = 0; argc > 2 && i < sizeof kinds / sizeof *kinds; i++)
		if (strcmp(argv[1], kinds[i].name) == 0) kind = &kinds[i];
	if (!kind) give_up("usage: published KIND DIRECTORY [GOLDEN] [option]…");
	directory = argv[2];
	for (int i = 3; i < argc; i++) {
		if (strcmp(argv[i], "--plain-tokenizer") == 0)
			plain = 1;
		else if (strcmp(argv[i], "--without") == 0 && i + 1 < argc)
			without = argv[++i];
		else if (strcmp(argv[i], "--narrow") == 0 && i + 1 < argc)
			narrow = argv[++i];
		else if (strcmp(argv[i], "--rows") == 0 && i + 1 < argc)
			vocab = atoll(argv[++i]);
		else
			golden = argv[i];
	}
	(void)mkdir(directory, 0777);
	int n_tokens = write_tokenizer(kind->plus, plain);
	if (vocab == 0) vocab = (n_tokens + 7) / 8 * 8;
	write_settings(kind, vocab);
	add_language_model(kind, vocab);
	if (kind->plus && golden) add_ears(golden);
	(void)snprintf(path, sizeof path, "%.4000s/model.safetensors", directory);
	if (vita_safetensors_write(path, arrays, (uint64_t)n_arrays, NULL, 0, &err) != VITA_OK)
		give_up(err.message);
	return 0;
}
