/* SPDX-License-Identifier: MIT
 *
 * The metadata of a GGUF file as the config.json and generation_config.json of its model.
 *
 * Files that this project wrote carry both documents. In config.json the standard keys win over them, for
 * other tools change those; generation_config.json says more than they (several end tokens), and wins.
 */
#include "files/gguf_config.h"

#include "files/json.h"

#include <stdlib.h>

#define MAX_LIST 65536u

typedef struct translation {
	const vita_gguf *gguf;
	const vita_gguf_architecture *known; /* NULL: a foreign architecture */
	const char *name;                    /* of the architecture, "" where the file does not say */
	json_t *config, *generation;
	vita_arena arena;
	vita_error *err;
} translation;

static vita_status fail_memory(const vita_gguf *gguf, vita_error *err)
{
	return vita_fail(err, VITA_E_NOMEM, "%s: out of memory while opening this model", gguf->path);
}

vita_status vita_gguf_get_text(const vita_gguf *gguf, const char *key, vita_arena *arena, const char **out,
                               vita_error *err)
{
	const vita_gguf_value *value = vita_gguf_find(gguf, key);
	vita_gguf_text text;
	*out = "";
	if (!value) return VITA_OK;
	if (!vita_gguf_string(value, &text) || memchr(text.data, 0, (size_t)text.size) ||
	    !vita_is_utf8(text.data, (size_t)text.size))
		return vita_fail(err, VITA_E_FORMAT, "%s: metadata \"%s\" must be a UTF-8 text without NULs",
		                 gguf->path, key);
	char *copy = vita_arena_alloc(arena, (size_t)text.size + 1);
	if (!copy) return fail_memory(gguf, err);
	memcpy(copy, text.data, (size_t)text.size);
	copy[text.size] = '\0';
	*out = copy;
	return VITA_OK;
}

/* A document that the file carries, else an empty one. */
static vita_status read_document(translation *t, const char *key, json_t **out)
{
	char origin[512];
	const vita_gguf_value *value = vita_gguf_find(t->gguf, key);
	vita_gguf_text text;
	vita_status status = VITA_OK;
	if (value && !vita_gguf_string(value, &text))
		return vita_fail(t->err, VITA_E_FORMAT, "%s: metadata \"%s\" must be a text", t->gguf->path,
		                 key);
	(void)snprintf(origin, sizeof origin, "%s, metadata \"%s\"", t->gguf->path, key);
	if (value) status = vita_json_parse(text.data, (size_t)text.size, origin, out, t->err);
	else *out = json_object();
	if (status == VITA_OK && !*out) status = fail_memory(t->gguf, t->err);
	if (status == VITA_OK && !json_is_object(*out))
		status = vita_fail(t->err, VITA_E_FORMAT, "%s: must hold a JSON object, but is %s", origin,
		                   vita_json_kind(*out));
	return status;
}

/* ---- single settings ------------------------------------------------------------------------------ */

static json_t *scalar_to_json(const vita_gguf_value *value, bool is_float)
{
	int64_t whole;
	double real;
	if (vita_gguf_int(value, &whole)) return json_integer(whole);
	return is_float && vita_gguf_float(value, &real) ? json_real(real) : NULL;
}

/* A number, or a list of numbers (models whose layers differ have one entry a layer). NULL: it is none. */
static json_t *number_to_json(const vita_gguf_value *value, bool is_float)
{
	vita_gguf_value item;
	uint64_t at = 0;
	if (value->type != VITA_GGUF_LIST) return scalar_to_json(value, is_float);
	json_t *list = value->count <= MAX_LIST ? json_array() : NULL;
	while (list && vita_gguf_next(value, &at, &item))
		if (json_array_append_new(list, scalar_to_json(&item, is_float)) != 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static vita_status set(const translation *t, json_t *object, const char *name, json_t *value)
{
	return json_object_set_new(object, name, value) == 0 ? VITA_OK : fail_memory(t->gguf, t->err);
}

static vita_status take_number(translation *t, const char *key, bool is_float, json_t *object,
                               const char *name)
{
	const vita_gguf_value *value = vita_gguf_find(t->gguf, key);
	if (!value) return VITA_OK;
	json_t *number = number_to_json(value, is_float);
	if (!number)
		return vita_fail(t->err, VITA_E_FORMAT, "%s: metadata \"%s\" must be %s", t->gguf->path, key,
		                 is_float ? "a number" : "an integer");
	return set(t, object, name, number);
}

/* "ARCHITECTURE.rest"; architectures with absurd names have no keys. */
static const char *key_of(const translation *t, const char *rest, char key[160])
{
	int n = snprintf(key, 160, "%s.%s", t->name, rest);
	return n > 0 && n < 160 ? key : "";
}

static vita_status take_settings(translation *t)
{
	char key[160];
	vita_status status = VITA_OK;
	for (size_t i = 0; i < vita_gguf_n_settings && status == VITA_OK; i++)
		status = take_number(t, key_of(t, vita_gguf_settings[i].key, key),
		                     vita_gguf_settings[i].is_float, t->config, vita_gguf_settings[i].name);
	if (status == VITA_OK && t->known && json_object_get(t->config, "sliding_window") &&
	    vita_gguf_find(t->gguf, key_of(t, "attention.sliding_window", key)))
		status = set(t, t->config, "use_sliding_window", json_true());
	return status;
}

/* ---- what a checkpoint of Hugging Face's says in other ways --------------------------------------- */

static int64_t count_of(const translation *t, const char *rest)
{
	char key[160];
	int64_t count = 0;
	const vita_gguf_value *value = vita_gguf_find(t->gguf, key_of(t, rest, key));
	return value && vita_gguf_int(value, &count) && count > 0 && count <= INT32_MAX ? count : 0;
}

static vita_status take_identity(translation *t)
{
	const char *type = t->name, *class_name = NULL;
	const char *said = json_string_value(json_object_get(t->config, "model_type"));
	if (t->known && said && vita_gguf_architecture_for(said) == t->known) return VITA_OK;
	if (t->known) {
		type = t->known->model_type;
		class_name = t->known->class_name;
	}
	if (t->known && count_of(t, "expert_count") > 0) type = "mixtral", class_name = "MixtralForCausalLM";
	else if (t->known && t->known->heads_type && count_of(t, "nextn_predict_layers") > 0)
		type = t->known->heads_type, class_name = t->known->heads_class;
	vita_status status = *type ? set(t, t->config, "model_type", json_string(type)) : VITA_OK;
	if (status == VITA_OK && class_name)
		status = set(t, t->config, "architectures", json_pack("[s]", class_name));
	return status;
}

/* Tied where the file has no output matrix; where it has one, what the document says, for there are models
 * that store it although they do not use it. */
static vita_status take_tensors(translation *t)
{
	const vita_gguf_tensor *embedding = vita_gguf_find_tensor(t->gguf, "token_embd.weight");
	bool has_output = vita_gguf_find_tensor(t->gguf, "output.weight") != NULL;
	vita_status status = VITA_OK;
	if (!t->known || !embedding) return VITA_OK;
	if (!has_output || !json_object_get(t->config, "tie_word_embeddings"))
		status = set(t, t->config, "tie_word_embeddings", json_boolean(!has_output));
	if (status == VITA_OK && embedding->rank == 2 && !json_object_get(t->config, "vocab_size"))
		status = set(t, t->config, "vocab_size", json_integer(embedding->shape[0]));
	return status;
}

static vita_status take_scaling(translation *t)
{
	char key[160];
	const char *type;
	const json_t *said = json_object_get(t->config, "rope_scaling");
	vita_status status =
		vita_gguf_get_text(t->gguf, key_of(t, "rope.scaling.type", key), &t->arena, &type, t->err);
	if (status != VITA_OK || !*type || strcmp(type, "none") == 0 || (said && !json_is_null(said)) ||
	    json_object_get(t->config, "rope_parameters"))
		return status;
	json_t *scaling = json_object();
	if (!scaling) return fail_memory(t->gguf, t->err);
	status = set(t, scaling, "rope_type", json_string(type));
	if (status == VITA_OK)
		status = take_number(t, key_of(t, "rope.scaling.factor", key), true, scaling, "factor");
	if (status == VITA_OK)
		status = take_number(t, key_of(t, "rope.scaling.original_context_length", key), false,
		                     scaling, "original_max_position_embeddings");
	if (status == VITA_OK) return set(t, t->config, "rope_scaling", scaling);
	json_decref(scaling);
	return status;
}

/* Which values of a head are turned, and in which pairs. */
static vita_status take_rotation(translation *t)
{
	int64_t turned = count_of(t, "rope.dimension_count"), heads = count_of(t, "attention.head_count");
	int64_t head = count_of(t, "attention.key_length");
	if (!t->known) return VITA_OK;
	(void)json_object_del(t->config, VITA_ROPE_KEY);
	vita_status status = t->known->interleaved ? set(t, t->config, VITA_ROPE_KEY, json_true()) : VITA_OK;
	if (head == 0 && heads > 0) head = count_of(t, "embedding_length") / heads;
	if (status == VITA_OK && turned > 0 && head > 0 && turned != head)
		status = set(t, t->config, "partial_rotary_factor", json_real((double)turned / (double)head));
	return status == VITA_OK ? take_scaling(t) : status;
}

/* ---- generation ----------------------------------------------------------------------------------- */

static vita_status take_end_of_turn(translation *t)
{
	const vita_gguf_value *value = vita_gguf_find(t->gguf, "tokenizer.ggml.eot_token_id");
	const json_t *end = json_object_get(t->generation, "eos_token_id");
	int64_t id;
	if (!value || !vita_gguf_int(value, &id) || !json_is_integer(end) || json_integer_value(end) == id)
		return VITA_OK;
	return set(t, t->generation, "eos_token_id",
	           json_pack("[I, I]", json_integer_value(end), (json_int_t)id));
}

static vita_status take_generation(translation *t)
{
	vita_status status = VITA_OK;
	bool said = json_object_size(t->generation) > 0;
	for (size_t i = 0; i < vita_gguf_n_generation_settings && status == VITA_OK; i++) {
		const vita_gguf_setting *s = &vita_gguf_generation_settings[i];
		if (json_object_get(t->generation, s->name)) continue;
		status = take_number(t, s->key, s->is_float, t->generation, s->name);
	}
	if (status != VITA_OK || said) return status;
	/* Whoever gives a temperature means it to be used; config.json's kin wants that said. */
	if (json_number_value(json_object_get(t->generation, "temperature")) > 0)
		status = set(t, t->generation, "do_sample", json_true());
	return status == VITA_OK ? take_end_of_turn(t) : status;
}

/* ---- the whole ------------------------------------------------------------------------------------ */

/* Layers are counted with the heads' own; what cannot be counted keeps its GGUF names. */
static void count_layers(const translation *t, vita_gguf_naming *naming)
{
	int64_t all = count_of(t, "block_count"), heads = count_of(t, "nextn_predict_layers");
	naming->known = t->known != NULL;
	naming->n_predict = heads < all ? heads : 0;
	naming->n_layers = all - naming->n_predict;
}

vita_status vita_gguf_describe(const vita_gguf *gguf, vita_gguf_description *out, vita_error *err)
{
	translation t = { .gguf = gguf, .err = err };
	memset(out, 0, sizeof *out);
	vita_status status = vita_gguf_get_text(gguf, "general.architecture", &t.arena, &t.name, err);
	if (status == VITA_OK) t.known = vita_gguf_architecture_find(t.name);
	if (status == VITA_OK) status = read_document(&t, VITA_GGUF_CONFIG_KEY, &t.config);
	if (status == VITA_OK) status = read_document(&t, VITA_GGUF_GENERATION_KEY, &t.generation);
	if (status == VITA_OK) status = take_settings(&t);
	if (status == VITA_OK) status = take_identity(&t);
	if (status == VITA_OK) status = take_tensors(&t);
	if (status == VITA_OK) status = take_rotation(&t);
	if (status == VITA_OK) status = take_generation(&t);
	if (status == VITA_OK) {
		count_layers(&t, &out->naming);
		out->config = t.config;
		out->generation = t.generation;
	} else {
		json_decref(t.config);
		json_decref(t.generation);
	}
	vita_arena_free(&t.arena);
	return status;
}
