/* SPDX-License-Identifier: MIT
 *
 * A trained model as a Hugging Face directory: its weights, what came with the model that it began as, config.json.
 */
#include <config.h>

#include "train/run.h"

#include "files/json.h"
#include "files/map.h"
#include "files/safetensors_write.h"

#include <vita/file.h>

#include <errno.h>
#include <stdlib.h>

#define MOST_CONFIG ((uint64_t)1 << 24) /* bytes */

vita_status vita_path_join(char *path, const char *directory, const char *name, vita_error *err)
{
	const int n = snprintf(path, VITA_PATH_SIZE, "%s/%s", directory, name);
	return n > 0 && n < VITA_PATH_SIZE ? VITA_OK
	                                   : vita_fail(err, VITA_E_INVALID, "%.200s…: the path is too long", directory);
}

/* ---- tensors ---------------------------------------------------------------------------------------- */

/* Bytes of one device tensor in its file's type. */
static vita_status write_device(const vita_trainer *t, const vita_saved_tensor *s, vita_file *file, vita_error *err)
{
	const uint64_t n = (uint64_t)(s->tensor.shape[0] * s->tensor.shape[1]);
	float *values = malloc((size_t)n * sizeof *values);
	void *bytes = s->array.dtype == VITA_F32 ? values : malloc((size_t)s->array.size_bytes);
	vita_status status = values && bytes ? vita_slot_read(t, &s->tensor, values, err)
	                                     : vita_fail(err, VITA_E_NOMEM, "no memory to save %s", s->name);
	if (status == VITA_OK && bytes != values) status = vita_convert(VITA_F32, values, s->array.dtype, bytes, n, err);
	if (status == VITA_OK) status = vita_file_write(file, bytes, s->array.size_bytes, err);
	if (bytes != values) free(bytes);
	free(values);
	return status;
}

vita_status vita_saved_tensors_write(const vita_trainer *t, const char *path, vita_saved_tensor *list, uint64_t n,
                                     vita_error *err)
{
	static const char *const metadata[] = { "format", "pt" };
	vita_file *file;
	const vita_array **order = malloc((size_t)(n ? n : 1) * sizeof(*order));
	if (!order) return vita_fail(err, VITA_E_NOMEM, "no memory to save %s", path);
	for (uint64_t i = 0; i < n; i++) order[i] = &list[i].array;
	vita_status status = vita_safetensors_begin(path, order, n, metadata, 1, &file, err);
	if (status != VITA_OK) {
		free(order);
		return status;
	}
	for (uint64_t i = 0; i < n && status == VITA_OK; i++) {
		const vita_saved_tensor *s = (const vita_saved_tensor *)(const void *)order[i];
		status = s->array.data ? vita_file_write(file, s->array.data, s->array.size_bytes, err)
		                       : write_device(t, s, file, err);
	}
	free(order);
	if (status == VITA_OK) return vita_file_commit(file, err);
	vita_file_discard(file);
	return status;
}

/* Names of heads that the first model has and this stage does not: they are left out. */
typedef struct left_out {
	vita_train_head *head;
	const vita_parameter *list;
	uint32_t n;
} left_out;

static vita_status find_left_out(const vita_trainer *t, left_out *l, vita_error *err)
{
	int64_t there = 0;
	vita_train_setup setup;
	memset(l, 0, sizeof *l);
	(void)vita_model_get_int(t->model, VITA_CONFIG_MODEL, "num_nextn_predict_layers", 0, 4096, &there, NULL);
	if (!t->head_api || there <= (int64_t)t->n_heads) return VITA_OK;
	VITA_INIT(&setup);
	setup.host = t->host;
	setup.device = t->device;
	setup.ops = t->ops;
	setup.model = t->model;
	vita_status status = t->head_api->open(&setup, t->llm_api, t->llm, (uint32_t)there, &l->head, err);
	if (status == VITA_OK) l->list = t->head_api->parameters(l->head, &l->n);
	return status;
}

static int is_known(const vita_trainer *t, const left_out *l, const char *name)
{
	for (uint32_t i = 0; i < t->n_slots; i++)
		if (strcmp(t->slots[i].parameter->name, name) == 0) return 1;
	for (uint32_t i = 0; i < l->n; i++)
		if (strcmp(l->list[i].name, name) == 0) return 1;
	return 0;
}

/* The weights, in f32 or in what products were computed in, and tensors of the first model that are no parameters
 * (an audio encoder's). */
static vita_status save_weights(const vita_trainer *t, const char *path, vita_error *err)
{
	left_out l;
	uint64_t n = 0;
	const uint64_t n_model = vita_model_n_tensors(t->model);
	const uint32_t dtype = t->flags & VITA_TRAIN_F_BF16 ? VITA_BF16 : VITA_F32;
	vita_saved_tensor *list = calloc((size_t)(t->n_slots + n_model + 1), sizeof *list);
	if (!list) return vita_fail(err, VITA_E_NOMEM, "no memory to save %s", path);
	vita_status status = find_left_out(t, &l, err);
	for (uint32_t i = 0; i < t->n_slots; i++, n++) {
		const vita_parameter *p = t->slots[i].parameter;
		VITA_INIT(&list[n].array);
		list[n].array.name = p->name;
		list[n].array.dtype = dtype;
		list[n].array.rank = p->rank;
		list[n].array.shape[0] = p->shape[0];
		list[n].array.shape[1] = p->shape[1];
		list[n].array.size_bytes = t->slots[i].n * vita_dtype_bytes(dtype);
		list[n].tensor = p->value;
	}
	for (uint64_t i = 0; i < n_model && status == VITA_OK; i++) {
		VITA_INIT(&list[n].array);
		status = vita_model_tensor_at(t->model, i, &list[n].array);
		if (status == VITA_OK && list[n].array.data && !is_known(t, &l, list[n].array.name)) n++;
	}
	if (status == VITA_OK) status = vita_saved_tensors_write(t, path, list, n, err);
	if (l.head) t->head_api->close(l.head);
	free(list);
	return status;
}

/* ---- documents -------------------------------------------------------------------------------------- */

static vita_status copy_file(const vita_trainer *t, const char *directory, const char *name, vita_error *err)
{
	char path[VITA_PATH_SIZE];
	vita_map map;
	const char *from = vita_model_file_path(t->model, name);
	vita_status status = vita_path_join(path, directory, name, err);
	if (status == VITA_OK && !from) status = vita_fail(err, VITA_E_NOMEM, "no memory for the path of %s", name);
	if (status == VITA_OK) status = vita_map_open(from, &map, err);
	if (status != VITA_OK) return status == VITA_E_NOTFOUND ? VITA_OK : status;
	status = vita_file_save(path, map.data, map.size, err);
	vita_map_close(&map);
	return status;
}

/* The first model's config.json with what this model has of heads, and the type of its weights. */
static vita_status save_config(const vita_trainer *t, const char *directory, vita_error *err)
{
	char path[VITA_PATH_SIZE];
	const char *from = vita_model_file_path(t->model, "config.json"), *key;
	int64_t value;
	json_t *config = NULL;
	vita_status status = vita_path_join(path, directory, "config.json", err);
	if (status == VITA_OK && !from) status = vita_fail(err, VITA_E_NOMEM, "no memory for the path of config.json");
	if (status == VITA_OK) status = vita_json_read(from, MOST_CONFIG, &config, err);
	if (status != VITA_OK) return status;
	const char *type = t->flags & VITA_TRAIN_F_BF16 ? "bfloat16" : "float32";
	int failed = json_object_set_new(config, "torch_dtype", json_string(type));
	for (uint32_t i = 0; t->head && t->head_api->config(t->head, i, &key, &value) == VITA_OK; i++)
		failed |= json_object_set_new(config, key, json_integer(value));
	failed |= json_object_set_new(config, "vocab_size", json_integer(t->shared.vocab_size));
	/* What `vita init` says of random weights no longer holds. */
	if (json_is_true(json_object_get(config, "vita_untrained"))) {
		(void)json_object_del(config, "vita_untrained");
		(void)json_object_del(config, "vita_notice");
	}
	char *text = failed ? NULL : json_dumps(config, JSON_INDENT(2) | JSON_REAL_PRECISION(16));
	json_decref(config);
	status = text ? vita_file_save(path, text, strlen(text), err)
	              : vita_fail(err, VITA_E_NOMEM, "no memory to save %s", path);
	free(text);
	return status;
}

vita_status vita_trained_save(const vita_trainer *t, const char *directory, vita_error *err)
{
	static const char *const names[] = {
		"tokenizer.json", "tokenizer_config.json", "added_tokens.json", "special_tokens_map.json", "vocab.json",
		"merges.txt", "chat_template.jinja", "generation_config.json", "config.yaml", "am.mvn",
	};
	char path[VITA_PATH_SIZE];
	vita_status status = vita_path_join(path, directory, "model.safetensors", err);
	if (status == VITA_OK) status = save_weights(t, path, err);
	for (size_t i = 0; i < sizeof names / sizeof names[0] && status == VITA_OK; i++)
		status = copy_file(t, directory, names[i], err);
	return status == VITA_OK ? save_config(t, directory, err) : status;
}
