/* SPDX-License-Identifier: MIT
 *
 * Models of random weights, of the published sizes.
 */
#include <config.h>

#include "files/processors.h"
#include "files/synthetic.h"
#include "files/synthetic_shapes.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <vita/blocks.h>

#define PREFIX "synthetic:"
#define SPREAD 0.035f  /* weights lie evenly in ±SPREAD: a deviation of 0.02, as models are begun with */
#define PIECE 65536    /* values made from one seed */

struct shape {
	const char *name;
	int hidden, intermediate, layers, heads, kv_heads, head_dim, mctp, vocab;
	bool tied;
	int audio[4]; /* first audio token, how many, the markers before and after audio */
};

#define PUBLISHED { 151685, 16384, 151674, 151675 }

/* Qwen2.5's sizes, and the same with VITA-Audio's ten heads and enlarged vocabulary. */
static const struct shape shapes[] = {
	{ "qwen2.5-0.5b", 896, 4864, 24, 14, 2, 64, 0, 151936, true, { 0 } },
	{ "qwen2.5-1.5b", 1536, 8960, 28, 12, 2, 128, 0, 151936, true, { 0 } },
	{ "qwen2.5-3b", 2048, 11008, 36, 16, 2, 128, 0, 151936, true, { 0 } },
	{ "qwen2.5-7b", 3584, 18944, 28, 28, 4, 128, 0, 152064, false, { 0 } },
	{ "qwen2.5-14b", 5120, 13824, 48, 40, 8, 128, 0, 152064, false, { 0 } },
	{ "qwen2.5-32b", 5120, 27648, 64, 40, 8, 128, 0, 152064, false, { 0 } },
	{ "qwen2.5-72b", 8192, 29568, 80, 64, 8, 128, 0, 152064, false, { 0 } },
	{ "vita-audio-0.5b", 896, 4864, 24, 14, 2, 64, 10, 168072, true, PUBLISHED },
	{ "vita-audio-1.5b", 1536, 8960, 28, 12, 2, 128, 10, 168072, true, PUBLISHED },
	{ "vita-audio-7b", 3584, 18944, 28, 28, 4, 128, 10, 168072, false, PUBLISHED },
	{ "vita-audio-72b", 8192, 29568, 80, 64, 8, 128, 10, 168072, false, PUBLISHED },
	{ "nano", 256, 768, 6, 4, 2, 64, 10, 2560, true, { 2048, 512, 2046, 2047 } },
};
#define N_SHAPES (sizeof shapes / sizeof *shapes)

/* What stands around them. */
static const vita_synthetic_shape *const others[] = { &vita_synthetic_tokenizer, &vita_synthetic_decoder,
	                                              &vita_synthetic_sensevoice };
#define N_OTHERS (sizeof others / sizeof *others)

bool vita_synthetic_is_path(const char *path)
{
	return strncmp(path, PREFIX, sizeof PREFIX - 1) == 0;
}

static vita_status fail_shape(const char *path, vita_error *err)
{
	char names[512] = "";
	for (size_t i = 0; i < N_SHAPES; i++) {
		if (i > 0) strcat(names, ", ");
		strcat(names, shapes[i].name);
	}
	for (size_t i = 0; i < N_OTHERS; i++) strcat(strcat(names, ", "), others[i]->name);
	return vita_fail(err, VITA_E_NOTFOUND, "%s: there is no such shape or type of weights; shapes are %s; synthetic:SHAPE:TYPE names a type too",
	                 path, names);
}

/* What a path names: one or the other shape, and the type of its tensors. */
struct named {
	const struct shape *shape;
	const vita_synthetic_shape *other;
	uint32_t dtype;
};

static vita_status parse(const char *path, struct named *out, vita_error *err)
{
	const char *name = path + sizeof PREFIX - 1, *colon = strchr(name, ':');
	size_t n = colon ? (size_t)(colon - name) : strlen(name);
	*out = (struct named){ NULL, NULL, colon ? vita_dtype_parse(colon + 1) : VITA_BF16 };
	for (size_t i = 0; i < N_SHAPES; i++)
		if (strlen(shapes[i].name) == n && strncmp(shapes[i].name, name, n) == 0) out->shape = &shapes[i];
	for (size_t i = 0; i < N_OTHERS; i++)
		if (strlen(others[i]->name) == n && strncmp(others[i]->name, name, n) == 0) out->other = others[i];
	if (out->other && !colon) out->dtype = out->other->dtype;
	bool weights = out->dtype != VITA_DTYPE_NONE && out->dtype != VITA_I32 && out->dtype != VITA_U8;
	return (out->shape || out->other) && weights ? VITA_OK : fail_shape(path, err);
}

/* ---- tensors ------------------------------------------------------------------------------------------ */

void vita_synthetic_add(vita_synthetic_builder *b, uint32_t rank, const int64_t *shape, const char *format, ...)
{
	vita_model_entry entry = { .rank = rank, .dtype = rank > 1 ? b->dtype : VITA_F32, .n_values = 1 };
	char name[96];
	va_list args;
	if (b->status != VITA_OK) return;
	/* Blocks are laid along rows, which for convolutions would be a few taps. */
	if (rank > 1 && vita_row_bytes(entry.dtype, shape[rank - 1]) < 0)
		entry.dtype = shape[rank - 1] % 32 == 0 ? VITA_Q8_0 : VITA_BF16;
	va_start(args, format);
	(void)vsnprintf(name, sizeof name, format, args);
	va_end(args);
	for (uint32_t i = 0; i < rank; i++) entry.n_values *= (uint64_t)shape[i];
	entry.name = name;
	entry.shape = shape;
	entry.type = vita_dtype_name(entry.dtype);
	entry.size_bytes = entry.n_values / (uint64_t)shape[rank - 1] * (uint64_t)vita_row_bytes(entry.dtype, shape[rank - 1]);
	b->status = vita_model_add_tensor(b->model, &entry, b->err);
}

#define add(b, rows, columns, ...) \
	vita_synthetic_add(b, (columns) != 0 ? 2 : 1, (const int64_t[]){ rows, columns }, __VA_ARGS__)

static void add_layer(vita_synthetic_builder *b, const struct shape *s, int i)
{
	int64_t q = (int64_t)s->heads * s->head_dim, kv = (int64_t)s->kv_heads * s->head_dim;
	add(b, s->hidden, 0, "model.layers.%d.input_layernorm.weight", i);
	add(b, q, s->hidden, "model.layers.%d.self_attn.q_proj.weight", i);
	add(b, q, 0, "model.layers.%d.self_attn.q_proj.bias", i);
	add(b, kv, s->hidden, "model.layers.%d.self_attn.k_proj.weight", i);
	add(b, kv, 0, "model.layers.%d.self_attn.k_proj.bias", i);
	add(b, kv, s->hidden, "model.layers.%d.self_attn.v_proj.weight", i);
	add(b, kv, 0, "model.layers.%d.self_attn.v_proj.bias", i);
	add(b, s->hidden, q, "model.layers.%d.self_attn.o_proj.weight", i);
	add(b, s->hidden, 0, "model.layers.%d.post_attention_layernorm.weight", i);
	add(b, s->intermediate, s->hidden, "model.layers.%d.mlp.gate_proj.weight", i);
	add(b, s->intermediate, s->hidden, "model.layers.%d.mlp.up_proj.weight", i);
	add(b, s->hidden, s->intermediate, "model.layers.%d.mlp.down_proj.weight", i);
}

static void add_tensors(vita_synthetic_builder *b, const struct shape *s)
{
	add(b, s->vocab, s->hidden, "model.embed_tokens.weight");
	if (!s->tied) add(b, s->vocab, s->hidden, "lm_head.weight");
	add(b, s->hidden, 0, "model.norm.weight");
	for (int i = 0; i < s->layers + s->mctp; i++) add_layer(b, s, i);
	for (int k = 0; k < s->mctp; k++) {
		add(b, s->hidden, 2 * (int64_t)s->hidden, "mtp_projs.%d.weight", k);
		add(b, s->hidden, 0, "mtp_embed_norms.%d.weight", k);
		add(b, s->hidden, 0, "mtp_hidden_norms.%d.weight", k);
	}
}

/* No end token: what is measured shall not end early by chance. */
static json_t *settings_of(const struct shape *s)
{
	return json_pack("{s:s, s:[s], s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:f, s:f, s:b, s:i, s:[iiii]}", "model_type",
	                 "qwen2_mtp", "architectures", "Qwen2MTPForCausalLM",
	                 "vocab_size", s->vocab, "hidden_size", s->hidden, "intermediate_size", s->intermediate,
	                 "num_hidden_layers", s->layers + s->mctp, "num_nextn_predict_layers", s->mctp,
	                 "num_attention_heads", s->heads, "num_key_value_heads", s->kv_heads, "head_dim", s->head_dim,
	                 "rms_norm_eps", 1e-6, "rope_theta", 1e6, "tie_word_embeddings", (int)s->tied,
	                 "max_position_embeddings", 32768, VITA_SYNTHETIC_AUDIO, s->audio[0], s->audio[1], s->audio[2], s->audio[3]);
}

vita_status vita_synthetic_read(vita_model *model, vita_error *err)
{
	struct named named;
	vita_status status = parse(model->path, &named, err);
	if (status != VITA_OK) return status;
	json_t *settings = named.shape ? settings_of(named.shape) : named.other->settings();
	if (!settings) return vita_fail(err, VITA_E_NOMEM, "%s: out of memory while making this model", model->path);
	status = vita_model_set_document(model, VITA_CONFIG_MODEL, model->path, settings, false, err);
	if (status == VITA_OK && named.other) /* some of these have their settings in YAML */
		status = vita_model_set_document(model, VITA_CONFIG_YAML, model->path, settings, false, err);
	json_decref(settings);
	vita_synthetic_builder b = { model, named.dtype, status, err };
	if (named.shape) add_tensors(&b, named.shape);
	else named.other->tensors(&b);
	return b.status;
}

/* ---- numbers ------------------------------------------------------------------------------------------ */

/* Steele, Lea and Flood 2014, "Fast Splittable Pseudorandom Number Generators". */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* FNV-1a, so that every tensor has numbers of its own. */
static uint64_t hash_name(const char *name)
{
	uint64_t hash = 0xcbf29ce484222325u;
	for (; *name; name++) hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
	return hash;
}

static void put_half(unsigned char *at, float x)
{
	uint16_t half = vita_f32_to_f16(x);
	memcpy(at, &half, sizeof half);
}

/* Random bytes, and a scale that spreads their values as SPREAD says. */
static void make_block(uint32_t dtype, unsigned char *block, uint64_t *random)
{
	const uint32_t bytes = vita_dtype_bytes(dtype);
	for (uint32_t i = 0; i < bytes; i += 8) {
		uint64_t bits = next_random(random);
		memcpy(block + i, &bits, bytes - i < 8 ? bytes - i : 8);
	}
	switch (dtype) {
	case VITA_Q8_0: put_half(block, SPREAD / 128); break;
	case VITA_Q4_0: put_half(block, SPREAD / 8); break;
	case VITA_Q4_1:
		put_half(block, SPREAD / 7.5f);
		put_half(block + 2, -SPREAD);
		break;
	case VITA_Q4_K: /* scales and minima are about 32 of 63 */
		put_half(block, SPREAD / 7.5f / 32);
		put_half(block + 2, SPREAD / 32);
		break;
	default: /* q6_k: scales are about ±64 */
		put_half(block + 208, SPREAD / 32 / 64);
	}
}

static void make_values(uint32_t dtype, unsigned char *out, int64_t n, uint64_t seed)
{
	const uint32_t block = vita_dtype_block(dtype), bytes = vita_dtype_bytes(dtype);
	uint64_t random = seed, bits = 0;
	for (int64_t i = 0; i < n; i += block, out += bytes) {
		if (block > 1) {
			make_block(dtype, out, &random);
			continue;
		}
		bits = i % 4 ? bits >> 16 : next_random(&random);
		float x = ((float)(bits & 0xffff) - 32767.5f) * (SPREAD / 32768);
		if (dtype == VITA_F32) memcpy(out, &x, 4);
		else if (dtype == VITA_F16) put_half(out, x);
		else {
			uint16_t brain = vita_f32_to_bf16(x);
			memcpy(out, &brain, 2);
		}
	}
}

struct work {
	const vita_model_entry *entry;
	unsigned char *data;
	uint64_t seed, first, end; /* pieces */
};

static void *make_pieces(void *argument)
{
	const struct work *w = argument;
	const int64_t piece_bytes = vita_row_bytes(w->entry->dtype, PIECE);
	for (uint64_t p = w->first; p < w->end; p++) {
		uint64_t left = w->entry->n_values - p * PIECE;
		make_values(w->entry->dtype, w->data + p * (uint64_t)piece_bytes, left < PIECE ? (int64_t)left : PIECE, w->seed + p);
	}
	return NULL;
}

/* Pieces have seeds of their own, so the numbers do not depend on how many threads make them. */
static void make_matrix(const vita_model_entry *entry, unsigned char *data)
{
	struct work work[VITA_MOST_PROCESSORS];
	pthread_t threads[VITA_MOST_PROCESSORS];
	uint64_t pieces = (entry->n_values + PIECE - 1) / PIECE, seed = hash_name(entry->name);
	uint64_t n = (uint64_t)vita_processors(0), started = 0;
	if (n > pieces) n = pieces;
	for (uint64_t i = 0; i < n; i++)
		work[i] = (struct work){ entry, data, seed, pieces * i / n, pieces * (i + 1) / n };
	while (started + 1 < n && pthread_create(&threads[started], NULL, make_pieces, &work[started]) == 0) started++;
	for (uint64_t i = started; i < n; i++) (void)make_pieces(&work[i]);
	for (uint64_t i = 0; i < started; i++) (void)pthread_join(threads[i], NULL);
}

/* Norms are 1 and biases 0, as in a model that has just been begun. */
static void make_vector(const vita_model_entry *entry, unsigned char *data)
{
	size_t n = strlen(entry->name);
	float value = n > 5 && strcmp(entry->name + n - 5, ".bias") == 0 ? 0.0f : 1.0f;
	for (uint64_t i = 0; i < entry->n_values; i++) memcpy(data + 4 * i, &value, 4);
}

vita_status vita_synthetic_fill(vita_model *model, vita_model_entry *entry, vita_error *err)
{
	if (entry->data) return VITA_OK;
	void *data = mmap(NULL, entry->size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (data == MAP_FAILED)
		return vita_fail(err, VITA_E_NOMEM, "%s: no memory for the %llu bytes of %s", model->path,
		                 (unsigned long long)entry->size_bytes, entry->name);
	if (entry->rank == 1) make_vector(entry, data);
	else if (!model->is_blank) make_matrix(entry, data);
	entry->data = data;
	return VITA_OK;
}

void vita_synthetic_drop(vita_model_entry *entry)
{
	if (entry->data) (void)munmap((void *)(uintptr_t)entry->data, entry->size_bytes);
	entry->data = NULL;
}
