/* SPDX-License-Identifier: MIT
 *
 * vita init: an untrained model of a given shape, to try the whole way from speech to speech before there are
 * weights, and to start training from. The same shape and seed give the same bytes everywhere.
 */
#include "common.h"
#include "init_tokenizer.h"

#include <vita/file.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPTION_SEED = 256, OPTION_AUDIO_TOKENS };

static const struct shape {
	const char *name;
	int64_t hidden, intermediate, n_layers, n_heads, n_attention_heads, n_key_value_heads;
} shapes[] = {
	{ "nano", 256, 768, 6, 10, 4, 2 },
	{ "tiny", 64, 160, 2, 10, 4, 2 },
};
#define N_SHAPES (sizeof shapes / sizeof *shapes)

#define MAX_TENSORS 512
#define NAME_SIZE 64

struct untrained {
	const struct shape *shape;
	int64_t vocab_size;
	int64_t seed;
	uint64_t random;
	vita_status status;
	vita_error *err;
	uint32_t n_tensors;
	vita_array tensors[MAX_TENSORS];
	char names[MAX_TENSORS][NAME_SIZE];
};

/* ---- weights ---------------------------------------------------------------------------------------- */

/* Steele, Lea and Flood 2014, "Fast Splittable Pseudorandom Number Generators". */
static uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* Nearly normal with deviation 1: the sum of four even ones, which no maths library can round otherwise. */
static float random_normal(uint64_t *state)
{
	uint64_t bits = random_next(state);
	int64_t sum = 0;
	for (int i = 0; i < 4; i++, bits >>= 16) sum += (int64_t)(bits & 0xffff);
	return (float)((double)(sum - 131070) / 37837.227);
}

/* A bf16 tensor: of value 1 where deviation is 0 (a norm's weights), else random. columns 0: a vector. The
 * first failure sticks, so that one check serves a whole model. */
VITA_PRINTF(5, 6)
static void add(struct untrained *u, int64_t rows, int64_t columns, float deviation, const char *format, ...)
{
	va_list args;
	uint64_t n = (uint64_t)(rows * (columns ? columns : 1));
	if (u->status != VITA_OK) return;
	if (u->n_tensors == MAX_TENSORS) {
		u->status = vita_fail(u->err, VITA_E_INTERNAL, "shape %s has more than %d tensors",
		                      u->shape->name, MAX_TENSORS);
		return;
	}
	float *values = malloc(n * sizeof *values);
	uint16_t *halves = malloc(n * sizeof *halves);
	vita_array *array = &u->tensors[u->n_tensors];
	VITA_INIT(array);
	va_start(args, format);
	(void)vsnprintf(u->names[u->n_tensors], NAME_SIZE, format, args);
	va_end(args);
	array->name = u->names[u->n_tensors++];
	array->dtype = VITA_BF16;
	array->rank = columns ? 2 : 1;
	array->shape[0] = rows;
	array->shape[1] = columns;
	array->size_bytes = n * sizeof *halves;
	array->data = halves;
	for (uint64_t i = 0; i < n && values; i++)
		values[i] = deviation > 0 ? deviation * random_normal(&u->random) : 1;
	u->status = values && halves ? vita_convert(VITA_F32, values, VITA_BF16, halves, n, u->err)
	                             : vita_fail(u->err, VITA_E_NOMEM, "no memory for the weights");
	free(values);
}

#define DEVIATION 0.02f

static void add_layer(struct untrained *u, int layer)
{
	const struct shape *s = u->shape;
	int64_t hidden = s->hidden, key = hidden / s->n_attention_heads * s->n_key_value_heads;
	add(u, hidden, 0, 0, "model.layers.%d.input_layernorm.weight", layer);
	add(u, hidden, hidden, DEVIATION, "model.layers.%d.self_attn.q_proj.weight", layer);
	add(u, hidden, 0, DEVIATION, "model.layers.%d.self_attn.q_proj.bias", layer);
	add(u, key, hidden, DEVIATION, "model.layers.%d.self_attn.k_proj.weight", layer);
	add(u, key, 0, DEVIATION, "model.layers.%d.self_attn.k_proj.bias", layer);
	add(u, key, hidden, DEVIATION, "model.layers.%d.self_attn.v_proj.weight", layer);
	add(u, key, 0, DEVIATION, "model.layers.%d.self_attn.v_proj.bias", layer);
	add(u, hidden, hidden, DEVIATION, "model.layers.%d.self_attn.o_proj.weight", layer);
	add(u, hidden, 0, 0, "model.layers.%d.post_attention_layernorm.weight", layer);
	add(u, s->intermediate, hidden, DEVIATION, "model.layers.%d.mlp.gate_proj.weight", layer);
	add(u, s->intermediate, hidden, DEVIATION, "model.layers.%d.mlp.up_proj.weight", layer);
	add(u, hidden, s->intermediate, DEVIATION, "model.layers.%d.mlp.down_proj.weight", layer);
}

static vita_status add_weights(struct untrained *u)
{
	const struct shape *s = u->shape;
	add(u, u->vocab_size, s->hidden, DEVIATION, "model.embed_tokens.weight");
	add(u, s->hidden, 0, 0, "model.norm.weight");
	for (int i = 0; i < (int)(s->n_layers + s->n_heads); i++) add_layer(u, i);
	for (int k = 0; k < (int)s->n_heads; k++) {
		add(u, s->hidden, 2 * s->hidden, DEVIATION, "mtp_projs.%d.weight", k);
		add(u, s->hidden, 0, 0, "mtp_embed_norms.%d.weight", k);
		add(u, s->hidden, 0, 0, "mtp_hidden_norms.%d.weight", k);
	}
	return u->status;
}

/* ---- files ------------------------------------------------------------------------------------------ */

static void set(json_t *object, const char *key, int64_t value)
{
	(void)json_object_set_new(object, key, json_integer(value));
}

static json_t *make_config(const struct untrained *u, const struct init_markers *markers)
{
	const struct shape *s = u->shape;
	json_t *config = json_pack("{s:[s], s:s, s:s, s:b, s:s, s:s, s:f, s:f, s:b}",
		"architectures", "Qwen2MTPForCausalLM",
		"model_type", "qwen2_mtp",
		"vita_notice", "This model is untrained: its weights are random, and it answers with noise.",
		"vita_untrained", 1, /* so that training takes both away */
		"hidden_act", "silu",
		"torch_dtype", "bfloat16",
		"rms_norm_eps", 1e-6,
		"rope_theta", 10000.0,
		"tie_word_embeddings", 1);
	set(config, "vocab_size", u->vocab_size);
	set(config, "hidden_size", s->hidden);
	set(config, "intermediate_size", s->intermediate);
	set(config, "num_hidden_layers", s->n_layers + s->n_heads);
	set(config, "num_nextn_predict_layers", s->n_heads);
	set(config, "num_attention_heads", s->n_attention_heads);
	set(config, "num_key_value_heads", s->n_key_value_heads);
	set(config, "max_position_embeddings", 4096);
	set(config, "eos_token_id", markers->im_end);
	return config;
}

static json_t *make_generation_config(const struct init_markers *markers)
{
	json_t *config = json_pack("{s:[i, i], s:f, s:[i, i, i, i]}",
		"eos_token_id", (int)markers->im_end, (int)markers->endoftext,
		"repetition_penalty", 1.0,
		"mtp_inference_mode", 1, 10, 4, 10);
	set(config, "bos_token_id", markers->endoftext);
	set(config, "pad_token_id", markers->endoftext);
	return config;
}

static vita_status save_json(json_t *document, const char *folder, const char *name, vita_error *err)
{
	char path[4096];
	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	char *text = document ? json_dumps(document, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) : NULL;
	json_decref(document);
	if (!text) return vita_fail(err, VITA_E_NOMEM, "%s: out of memory", path);
	vita_status status = vita_file_save(path, text, strlen(text), err);
	free(text);
	return status;
}

static const char *const model_files[] = { "model.safetensors", "config.json", "tokenizer.json",
	                                   "generation_config.json" };
#define N_MODEL_FILES (sizeof model_files / sizeof *model_files)

/* The folder may be there; a model in it must not be, since it may have taken days to train. */
static vita_status make_folder(const char *folder, int *made, vita_error *err)
{
	char path[4096];
	struct stat there;
	if (strlen(folder) > sizeof path - 64)
		return vita_fail(err, VITA_E_INVALID, "the folder's name is too long");
	*made = mkdir(folder, 0777) == 0;
	if (!*made && errno != EEXIST)
		return vita_fail(err, VITA_E_IO, "%s: cannot be made: %s", folder, strerror(errno));
	for (size_t i = 0; i < N_MODEL_FILES; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", folder, model_files[i]);
		if (stat(path, &there) == 0)
			return vita_fail(
				err, VITA_E_STATE,
				"%s is there already and stays as it is; name another folder, or remove it",
				path);
	}
	return VITA_OK;
}

/* The weights first, and config.json last: a folder without it is no model. */
static vita_status fill_folder(struct untrained *u, const char *folder, int64_t n_audio, vita_error *err)
{
	struct init_markers markers;
	char path[4096];
	json_t *tokenizer = init_tokenizer((int32_t)n_audio, &markers);
	u->vocab_size = ((int64_t)markers.size + 7) / 8 * 8;
	u->random = (uint64_t)u->seed;
	u->err = err;
	vita_status status = add_weights(u);
	(void)snprintf(path, sizeof path, "%s/model.safetensors", folder);
	if (status == VITA_OK) status = vita_safetensors_write(path, u->tensors, u->n_tensors, NULL, 0, err);
	if (status != VITA_OK) {
		json_decref(tokenizer);
		return status;
	}
	status = save_json(tokenizer, folder, "tokenizer.json", err);
	if (status == VITA_OK)
		status = save_json(make_generation_config(&markers), folder, "generation_config.json", err);
	if (status == VITA_OK) status = save_json(make_config(u, &markers), folder, "config.json", err);
	return status;
}

/* A whole model or nothing. */
static vita_status save_all(struct untrained *u, const char *folder, int64_t n_audio, vita_error *err)
{
	char path[4096];
	int made = 0;
	vita_status status = make_folder(folder, &made, err);
	if (status != VITA_OK) return status;
	status = fill_folder(u, folder, n_audio, err);
	if (status == VITA_OK) return status;
	for (size_t i = 0; i < N_MODEL_FILES; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", folder, model_files[i]);
		(void)unlink(path);
	}
	if (made) (void)rmdir(folder);
	return status;
}

/* ---- the verb --------------------------------------------------------------------------------------- */

static const struct shape *find_shape(const char *name)
{
	for (size_t i = 0; i < N_SHAPES; i++)
		if (strcmp(shapes[i].name, name) == 0) return &shapes[i];
	return NULL;
}

static int print_made(struct cli *cli, const struct untrained *u, const char *folder)
{
	json_int_t n = 0;
	cli_note(cli, "%s holds an untrained model of shape %s: random weights, which answer with noise",
	         folder, u->shape->name);
	for (uint32_t i = 0; i < u->n_tensors; i++)
		n += (json_int_t)(u->tensors[i].size_bytes / sizeof(uint16_t));
	if (!cli->json) return EXIT_DONE;
	return cli_print_json(
		cli, json_pack("{s:o, s:s, s:I}", "model", json_text(folder), "shape", u->shape->name, "parameters", n));
}

static int make_model(struct cli *cli, const struct shape *shape, const char *folder, int64_t seed,
                      int64_t n_audio)
{
	struct untrained *u = calloc(1, sizeof *u);
	if (!u) return cli_fail(cli, vita_fail(&cli->err, VITA_E_NOMEM, "out of memory"));
	u->shape = shape;
	u->seed = seed;
	vita_status status = save_all(u, folder, n_audio, &cli->err);
	int exit_code = status == VITA_OK ? print_made(cli, u, folder) : cli_fail(cli, status);
	for (uint32_t i = 0; i < u->n_tensors; i++) free((void *)(uintptr_t)u->tensors[i].data);
	free(u);
	return exit_code;
}

static int run(struct cli *cli, int argc, char **argv)
{
	static const struct option own[] = {
		{ "seed", required_argument, NULL, OPTION_SEED },
		{ "audio-tokens", required_argument, NULL, OPTION_AUDIO_TOKENS },
		{ 0 },
	};
	int64_t seed = 1, n_audio = 2048;
	int option;
	while ((option = cli_option(cli, argc, argv, own)) > 0) {
		if (option == OPTION_SEED && !cli_integer(cli, "--seed", optarg, 0, INT64_MAX, &seed))
			return cli->exit_code;
		if (option == OPTION_AUDIO_TOKENS &&
		    !cli_integer(cli, "--audio-tokens", optarg, 1, 65536, &n_audio))
			return cli->exit_code;
	}
	if (option == CLI_STOP) return cli->exit_code;
	if (argc - optind != 2) return cli_usage(cli, "a shape and a folder are needed");
	const struct shape *shape = find_shape(argv[optind]);
	if (!shape) return cli_usage(cli, "there is no shape \"%s\", only nano and tiny", argv[optind]);
	if (cli_check_name(cli, "the folder", argv[optind + 1]) != EXIT_DONE) return EXIT_USAGE;
	vita_status status = cli_check_config(cli);
	if (status != VITA_OK) return cli_fail(cli, status);
	return make_model(cli, shape, argv[optind + 1], seed, n_audio);
}

const struct verb verb_init = {
	.name = "init",
	.summary = "Make an untrained model, which answers with noise",
	.run = run,
	.help =
		"Usage: vita init SHAPE FOLDER\n\n"
		"Writes config.json, generation_config.json, tokenizer.json and\n"
		"model.safetensors with random weights into FOLDER, which must not hold a model\n"
		"yet. SHAPE is nano (hidden size 256, 6 layers, 10 heads) or tiny (64, 2 layers,\n"
		"10 heads). The model knows the chat and audio markers, but no language: it\n"
		"shows that everything is in place, and is what training starts from.\n\n"
		"      --seed N               start of the random numbers [1]; equal seeds give\n"
		"                             equal files\n"
		"      --audio-tokens N       size of the codec's codebook [2048, as codec2 in\n"
		"                             mode 700C]\n\n"
		"JSON: model; shape; parameters.\n\n"
		"Example: a model of the shape of models/nano, untrained\n"
		"  vita init --audio-tokens 512 nano untrained\n",
};
