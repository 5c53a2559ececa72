/* SPDX-License-Identifier: MIT
 *
 * A model as one GGUF file: its settings as metadata, in GGUF's words where it has some, and whole, so that
 * nothing is lost on the way back.
 */
#include "convert/gguf.h"

#include "convert/tensors.h"
#include "files/gguf_config.h"
#include "text/tokenizer_gguf.h"

#include <stdlib.h>

/* general.file_type: what most of the weights are. */
static uint32_t file_type(uint32_t dtype)
{
	switch (dtype) {
	case VITA_F32: return 0;
	case VITA_F16: return 1;
	case VITA_Q4_0: return 2;
	case VITA_Q4_1: return 3;
	case VITA_Q8_0: return 7;
	case VITA_Q4_K: return 14;
	case VITA_Q6_K: return 18;
	case VITA_BF16: return 32;
	default: return 0;
	}
}

/* The type that has the most values. */
static uint32_t main_type(const vita_plan *plan)
{
	static const uint32_t types[] = { VITA_F32,  VITA_F16,  VITA_BF16, VITA_Q8_0,
		                          VITA_Q4_0, VITA_Q4_1, VITA_Q4_K, VITA_Q6_K };
	uint64_t most = 0;
	uint32_t best = VITA_F32;
	for (size_t k = 0; k < sizeof types / sizeof types[0]; k++) {
		uint64_t n = 0;
		for (uint64_t i = 0; i < plan->n_tensors; i++) {
			const vita_array *t = plan->order[i];
			if (t->dtype == types[k])
				n += t->size_bytes / vita_dtype_bytes(t->dtype) * vita_dtype_block(t->dtype);
		}
		if (n > most) most = n, best = types[k];
	}
	return best;
}

static void put_string(vita_gguf_writer *w, const char *key, const char *text)
{
	vita_gguf_put_text(w, key, text, strlen(text));
}

/* ---- from a GGUF file ----------------------------------------------------------------------------- */

/* Those that say how this file is written, not what it holds. */
static bool is_of_the_file(const char *key)
{
	return strcmp(key, "general.alignment") == 0 || strcmp(key, "general.file_type") == 0 ||
	       strcmp(key, "general.quantization_version") == 0;
}

/* A document that the directory around the GGUF file has, whose word goes before that file's. */
static bool is_beside(const vita_plan *plan, uint32_t document)
{
	const vita_model_document *d = &plan->model->documents[document];
	return d->root && strcmp(d->path, plan->model->gguf->path) != 0;
}

/* Are settings to be put from documents, rather than to be copied? */
static bool puts_settings(const vita_plan *plan)
{
	return !plan->model->gguf || is_beside(plan, VITA_CONFIG_MODEL) || is_beside(plan, VITA_CONFIG_GENERATION);
}

static bool puts_tokenizer(const vita_plan *plan)
{
	return !plan->model->gguf || (plan->model->is_directory && !vita_gguf_has_tokenizer(plan->model->gguf));
}

/* What is said of a token or of generation, NULL where nothing is. Where generation_config.json is silent about a token,
 * config.json often is not. */
static const json_t *generation_value(const vita_plan *plan, const vita_gguf_setting *s)
{
	const json_t *value = json_object_get(plan->generation, s->name);
	return value || strncmp(s->key, "tokenizer.", 10) != 0 ? value : json_object_get(plan->config, s->name);
}

static const vita_gguf_setting *generation_setting(const char *key)
{
	for (size_t i = 0; i < vita_gguf_n_generation_settings; i++)
		if (strcmp(vita_gguf_generation_settings[i].key, key) == 0) return &vita_gguf_generation_settings[i];
	return NULL;
}

/* Will this value be put from documents, or by those who write the tokenizer? */
static bool is_replaced(const vita_plan *plan, const char *key)
{
	const vita_gguf_setting *s = generation_setting(key);
	const size_t n = plan->architecture ? strlen(plan->architecture->name) : 0;
	if (!s && puts_tokenizer(plan) && strncmp(key, "tokenizer.", 10) == 0) return true;
	if (!puts_settings(plan)) return false;
	if (s) return generation_value(plan, s) != NULL;
	if (strcmp(key, VITA_GGUF_CONFIG_KEY) == 0 || strcmp(key, VITA_GGUF_GENERATION_KEY) == 0) return true;
	return n > 0 && strncmp(key, plan->architecture->name, n) == 0 && key[n] == '.';
}

static void copy_values(const vita_plan *plan, vita_gguf_writer *w)
{
	const vita_gguf *gguf = plan->model->gguf;
	for (uint64_t i = 0; i < gguf->n_values; i++) {
		const char *key = gguf->values[i].key;
		if (!is_of_the_file(key) && !is_replaced(plan, key)) vita_gguf_put_copy(w, &gguf->values[i]);
	}
}

/* ---- from settings -------------------------------------------------------------------------------- */

/* An integer that fits u32, or the first of a list of them; what does not fit stays in the document alone. */
static void put_number(vita_gguf_writer *w, const char *key, const json_t *value, bool is_float)
{
	if (json_is_array(value)) value = json_array_get(value, 0);
	json_int_t whole = json_is_real(value) ? (json_int_t)-1 : json_integer_value(value);
	if (is_float && json_is_number(value)) vita_gguf_put_f32(w, key, (float)json_number_value(value));
	else if (json_is_integer(value) && whole >= 0 && whole <= (json_int_t)UINT32_MAX)
		vita_gguf_put_u32(w, key, (uint32_t)whole);
}

static void put_architecture_settings(const vita_plan *plan, vita_gguf_writer *w)
{
	char key[160];
	const char *name = plan->architecture->name;
	int64_t heads = vita_plan_int(plan, "num_attention_heads", 0),
		head = vita_plan_int(plan, "head_dim", 0);
	for (size_t i = 0; i < vita_gguf_n_settings; i++) {
		const vita_gguf_setting *s = &vita_gguf_settings[i];
		(void)snprintf(key, sizeof key, "%s.%s", name, s->key);
		const json_t *value = json_object_get(plan->config, s->name);
		if (strcmp(s->name, "sliding_window") == 0 &&
		    json_is_false(json_object_get(plan->config, "use_sliding_window")))
			value = NULL;
		if (strcmp(s->name, "rope_theta") == 0 && !value)
			value = json_object_get(json_object_get(plan->config, "rope_parameters"), s->name);
		if (value) put_number(w, key, value, s->is_float);
	}
	if (plan->naming.n_predict > 0 && !json_object_get(plan->config, "num_nextn_predict_layers")) {
		(void)snprintf(key, sizeof key, "%s.nextn_predict_layers", name);
		vita_gguf_put_u32(w, key, (uint32_t)plan->naming.n_predict);
	}
	if (head > 0) {
		(void)snprintf(key, sizeof key, "%s.attention.value_length", name);
		vita_gguf_put_u32(w, key, (uint32_t)head);
	} else if (heads > 0) {
		head = vita_plan_int(plan, "hidden_size", 0) / heads;
	}
	(void)snprintf(key, sizeof key, "%s.rope.dimension_count", name);
	if (head > 0) vita_gguf_put_u32(w, key, (uint32_t)head);
}

/* Llama 3's is a tensor in GGUF; kinds that GGUF does not know stay in the document alone. */
static void put_scaling(const vita_plan *plan, vita_gguf_writer *w)
{
	char key[160];
	const json_t *scaling = json_object_get(plan->config, "rope_scaling");
	if (!json_is_object(scaling)) scaling = json_object_get(plan->config, "rope_parameters");
	const json_t *type = json_object_get(scaling, "rope_type");
	const char *word = json_string_value(type ? type : json_object_get(scaling, "type"));
	if (!word || (strcmp(word, "linear") != 0 && strcmp(word, "yarn") != 0)) return;
	(void)snprintf(key, sizeof key, "%s.rope.scaling.type", plan->architecture->name);
	put_string(w, key, word);
	(void)snprintf(key, sizeof key, "%s.rope.scaling.factor", plan->architecture->name);
	put_number(w, key, json_object_get(scaling, "factor"), true);
	(void)snprintf(key, sizeof key, "%s.rope.scaling.original_context_length", plan->architecture->name);
	put_number(w, key, json_object_get(scaling, "original_max_position_embeddings"), false);
}

static void put_generation(const vita_plan *plan, vita_gguf_writer *w)
{
	for (size_t i = 0; i < vita_gguf_n_generation_settings; i++) {
		const vita_gguf_setting *s = &vita_gguf_generation_settings[i];
		const json_t *value = generation_value(plan, s);
		if (value) put_number(w, s->key, value, s->is_float);
	}
}

static vita_status put_document(const vita_plan *plan, vita_gguf_writer *w, const char *key,
                                const json_t *document, vita_error *err)
{
	if (!document || json_object_size(document) == 0) return VITA_OK;
	char *text = json_dumps(document, JSON_COMPACT | JSON_REAL_PRECISION(16));
	if (!text) return vita_fail(err, VITA_E_NOMEM, "%s: out of memory", plan->path);
	put_string(w, key, text);
	free(text);
	return VITA_OK;
}

/* The last part of the model's path, as a name for people. */
static void put_name(const vita_plan *plan, vita_gguf_writer *w)
{
	const char *path = vita_model_path(plan->model), *end = path + strlen(path);
	while (end > path && end[-1] == '/') end--;
	const char *start = end;
	while (start > path && start[-1] != '/') start--;
	if (start < end) vita_gguf_put_text(w, "general.name", start, (size_t)(end - start));
}

static vita_status put_config(const vita_plan *plan, vita_gguf_writer *w, vita_error *err)
{
	json_t *config = plan->config ? json_copy(plan->config) : NULL;
	if (plan->config && !config) return vita_fail(err, VITA_E_NOMEM, "%s: out of memory", plan->path);
	if (plan->architecture)
		(void)json_object_del(config, VITA_ROPE_KEY); /* its rows lie as GGUF has them */
	vita_status status = put_document(plan, w, VITA_GGUF_CONFIG_KEY, config, err);
	json_decref(config);
	if (status == VITA_OK)
		status = put_document(plan, w, VITA_GGUF_GENERATION_KEY, plan->generation, err);
	return status;
}

vita_status vita_plan_put_settings(const vita_plan *plan, vita_gguf_writer *w, vita_error *err)
{
	vita_status status = VITA_OK;
	const char *type = json_string_value(json_object_get(plan->config, "model_type"));
	if (plan->model->gguf) {
		copy_values(plan, w);
	} else {
		put_string(w, "general.architecture",
		           plan->architecture ? plan->architecture->name
		           : type             ? type
		                              : "unknown");
		put_name(plan, w);
	}
	if (puts_settings(plan)) {
		if (plan->architecture) put_architecture_settings(plan, w);
		if (plan->architecture) put_scaling(plan, w);
		put_generation(plan, w);
		status = put_config(plan, w, err);
	}
	vita_gguf_put_u32(w, "general.file_type", file_type(main_type(plan)));
	vita_gguf_put_u32(w, "general.quantization_version", 2);
	return status;
}

/* ---- the file ------------------------------------------------------------------------------------- */

static vita_status write_file(const vita_plan *plan, const unsigned char *head, size_t size, vita_error *err)
{
	vita_file *file;
	vita_status status = vita_file_create(plan->path, &file, err);
	if (status != VITA_OK) return status;
	status = vita_file_write(file, head, size, err);
	if (status == VITA_OK) status = vita_plan_write_tensors(plan, file, VITA_GGUF_ALIGNMENT, err);
	if (status == VITA_OK) return vita_file_commit(file, err);
	vita_file_discard(file);
	return status;
}

vita_status vita_plan_write_gguf(const vita_plan *plan, vita_error *err)
{
	vita_gguf_writer w = { 0 };
	unsigned char *head = NULL;
	size_t size;
	vita_status status = vita_plan_put_settings(plan, &w, err);
	if (status == VITA_OK && puts_tokenizer(plan)) status = vita_plan_put_tokenizer(plan, &w, err);
	if (status == VITA_OK)
		status = vita_gguf_finish(&w, plan->path, (const vita_array *const *)plan->order,
		                          plan->n_tensors, &head, &size, err);
	if (status == VITA_OK) status = write_file(plan, head, size, err);
	free(head);
	vita_gguf_writer_free(&w);
	return status;
}
