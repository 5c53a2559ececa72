/* SPDX-License-Identifier: MIT
 *
 * Random language models; see lm_random.h. A failure to write ends the test at once.
 */
#include "lm_random.h"

#include <vita/file.h>

#include <stdlib.h>
#include <unistd.h>

#define MAX_TENSORS 256

uint32_t lm_random_below(uint64_t *state, uint32_t n)
{
	/* splitmix64 (Steele, Lea and Flood 2014) */
	uint64_t z = *state += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (uint32_t)((z ^ z >> 31) >> 33) % n;
}

float lm_random_value(uint64_t *state)
{
	return (float)lm_random_below(state, 1u << 24) / (float)(1u << 23) - 1;
}

lm_shape lm_random_shape(uint64_t *state)
{
	lm_shape s = { "qwen2_mtp", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, "" };
	s.kv_heads = 1 + lm_random_below(state, 3);
	s.heads = s.kv_heads * (1 + lm_random_below(state, 3));
	s.head_dim = 4 + 2 * lm_random_below(state, 7);
	s.hidden = lm_random_below(state, 2) ? s.heads * s.head_dim : 8 + lm_random_below(state, 40);
	s.intermediate = 8 + lm_random_below(state, 60);
	s.vocab = 30 + lm_random_below(state, 100);
	s.layers = 1 + lm_random_below(state, 3);
	s.modules = lm_random_below(state, 5);
	s.tied = (int32_t)lm_random_below(state, 2);
	s.bias = (int32_t)lm_random_below(state, 2);
	if (s.modules == 0 && lm_random_below(state, 2)) {
		s.model_type = s.bias ? "qwen2" : "llama";
	} else if (lm_random_below(state, 4) == 0) {
		s.extra = ", \"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8, "
		          "\"low_freq_factor\": 1, \"high_freq_factor\": 4, "
		          "\"original_max_position_embeddings\": 16}";
		s.qk_norm = 1;
	} else if (lm_random_below(state, 4) == 0) {
		s.extra = ", \"rope_scaling\": {\"type\": \"linear\", \"factor\": 2.5}";
	}
	return s;
}

static void check(vita_status status, const vita_error *err)
{
	if (status == VITA_OK) return;
	(void)fprintf(stderr, "%s\n", err->message);
	abort();
}

static void *must(void *memory)
{
	if (!memory) abort();
	return memory;
}

/* The tensors of a checkpoint as they are made. */
typedef struct tensors {
	vita_array array[MAX_TENSORS];
	uint64_t n;
	uint64_t state;
	const char *without, *misshapen;
} tensors;

/* columns 0: a vector. Values around `centre`, as far from it as `spread`. */
static void add(tensors *t, const char *name, int64_t rows, int64_t columns, float centre, float spread)
{
	if (t->without && strcmp(name, t->without) == 0) return;
	if (t->n == MAX_TENSORS) abort();
	vita_array *a = &t->array[t->n++];
	VITA_INIT(a);
	if (t->misshapen && strcmp(name, t->misshapen) == 0) rows--;
	int64_t n = rows * (columns ? columns : 1);
	float *data = must(malloc((size_t)n * sizeof *data));
	for (int64_t i = 0; i < n; i++)
		data[i] = centre + spread * lm_random_value(&t->state);
	a->dtype = VITA_F32;
	a->rank = columns ? 2 : 1;
	a->shape[0] = rows;
	a->shape[1] = columns ? columns : 1;
	a->shape[2] = a->shape[3] = 1;
	a->size_bytes = (uint64_t)n * sizeof *data;
	a->data = data;
	a->name = must(strdup(name));
}

static void add_layer(tensors *t, const lm_shape *s, int64_t layer)
{
	int64_t q = s->heads * s->head_dim, kv = s->kv_heads * s->head_dim;
	const struct {
		const char *name;
		int64_t rows, columns;
		float centre, spread;
		int32_t wanted;
	} parts[] = {
		{ "input_layernorm.weight", s->hidden, 0, 1, 0.5f, 1 },
		{ "self_attn.q_proj.weight", q, s->hidden, 0, 0.5f, 1 },
		{ "self_attn.q_proj.bias", q, 0, 0, 0.5f, s->bias },
		{ "self_attn.k_proj.weight", kv, s->hidden, 0, 0.5f, 1 },
		{ "self_attn.k_proj.bias", kv, 0, 0, 0.5f, s->bias },
		{ "self_attn.v_proj.weight", kv, s->hidden, 0, 0.5f, 1 },
		{ "self_attn.v_proj.bias", kv, 0, 0, 0.5f, s->bias },
		{ "self_attn.q_norm.weight", s->head_dim, 0, 1, 0.5f, s->qk_norm },
		{ "self_attn.k_norm.weight", s->head_dim, 0, 1, 0.5f, s->qk_norm },
		{ "self_attn.o_proj.weight", s->hidden, q, 0, 0.5f, 1 },
		{ "post_attention_layernorm.weight", s->hidden, 0, 1, 0.5f, 1 },
		{ "mlp.gate_proj.weight", s->intermediate, s->hidden, 0, 0.5f, 1 },
		{ "mlp.up_proj.weight", s->intermediate, s->hidden, 0, 0.5f, 1 },
		{ "mlp.down_proj.weight", s->hidden, s->intermediate, 0, 0.5f, 1 },
	};
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		char name[96];
		(void)snprintf(name, sizeof name, "model.layers.%d.%s", (int)layer, parts[i].name);
		if (parts[i].wanted)
			add(t, name, parts[i].rows, parts[i].columns, parts[i].centre, parts[i].spread);
	}
}

static void add_module(tensors *t, const lm_shape *s, int64_t k)
{
	char name[64];
	add_layer(t, s, s->layers + k);
	(void)snprintf(name, sizeof name, "mtp_projs.%d.weight", (int)k);
	add(t, name, s->hidden, 2 * s->hidden, 0, 0.3f);
	(void)snprintf(name, sizeof name, "mtp_embed_norms.%d.weight", (int)k);
	add(t, name, s->hidden, 0, 1, 0.5f);
	(void)snprintf(name, sizeof name, "mtp_hidden_norms.%d.weight", (int)k);
	add(t, name, s->hidden, 0, 1, 0.5f);
}

static char *new_directory(void)
{
	const char *base = getenv("TMPDIR");
	char *path = must(malloc(1024));
	(void)snprintf(path, 1024, "%s/vita-lm-XXXXXX", base ? base : "/tmp");
	return must(mkdtemp(path));
}

static void write_file(const char *directory, const char *name, const char *text)
{
	char path[1100];
	vita_error err;
	(void)snprintf(path, sizeof path, "%s/%s", directory, name);
	check(vita_file_save(path, text, strlen(text), &err), &err);
}

static void write_config(const char *directory, const lm_shape *s)
{
	char text[2048];
	(void)snprintf(
		text, sizeof text,
		"{\"model_type\": \"%s\", \"vocab_size\": %d, \"hidden_size\": %d, "
		"\"intermediate_size\": %d, \"num_hidden_layers\": %d, \"num_nextn_predict_layers\": %d, "
		"\"num_attention_heads\": %d, \"num_key_value_heads\": %d, \"head_dim\": %d, "
		"\"rope_theta\": 10000.0, "
		"\"rms_norm_eps\": 1e-6, \"max_position_embeddings\": 4096, \"attention_bias\": %s, "
		"\"tie_word_embeddings\": %s%s}",
		s->model_type, (int)s->vocab, (int)s->hidden, (int)s->intermediate,
		(int)(s->layers + s->modules), (int)s->modules, (int)s->heads, (int)s->kv_heads,
		(int)s->head_dim, s->bias ? "true" : "false", s->tied ? "true" : "false", s->extra);
	write_file(directory, "config.json", text);
}

char *lm_random_write(const lm_shape *s, uint64_t seed, const char *without, const char *misshapen)
{
	tensors *t = must(calloc(1, sizeof *t));
	char *directory = new_directory(), path[1100];
	vita_error err;
	t->state = seed;
	t->without = without;
	t->misshapen = misshapen;
	add(t, "model.embed_tokens.weight", s->vocab, s->hidden, 0, 1);
	for (int64_t i = 0; i < s->layers; i++)
		add_layer(t, s, i);
	for (int64_t k = 0; k < s->modules; k++)
		add_module(t, s, k);
	add(t, "model.norm.weight", s->hidden, 0, 1, 0.5f);
	if (!s->tied) add(t, "lm_head.weight", s->vocab, s->hidden, 0, 1);
	(void)snprintf(path, sizeof path, "%s/model.safetensors", directory);
	check(vita_safetensors_write(path, t->array, t->n, NULL, 0, &err), &err);
	write_config(directory, s);
	for (uint64_t i = 0; i < t->n; i++) {
		free((void *)(uintptr_t)t->array[i].data);
		free((void *)(uintptr_t)t->array[i].name);
	}
	free(t);
	return directory;
}

char *lm_random_config(const char *weights_dir, const char *config)
{
	char *directory = new_directory(), from[1100], to[1100];
	(void)snprintf(from, sizeof from, "%s/model.safetensors", weights_dir);
	(void)snprintf(to, sizeof to, "%s/model.safetensors", directory);
	if (symlink(from, to) != 0) abort();
	write_file(directory, "config.json", config);
	return directory;
}

void lm_random_remove(char *path)
{
	static const char *const names[] = { "config.json", "model.safetensors" };
	for (size_t i = 0; i < 2; i++) {
		char file[1100];
		(void)snprintf(file, sizeof file, "%s/%s", path, names[i]);
		(void)unlink(file);
	}
	(void)rmdir(path);
	free(path);
}
