/* SPDX-License-Identifier: MIT
 *
 * A model as a Hugging Face directory: weights first, config.json last, for a directory without it is no
 * model.
 */
#include "convert/directory.h"

#include "convert/tensors.h"
#include "files/gguf_config.h"
#include "files/json.h"
#include "files/safetensors_write.h"
#include "text/tokenizer_gguf.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static vita_status fail_memory(const vita_plan *plan, vita_error *err)
{
	return vita_fail(err, VITA_E_NOMEM, "%s: out of memory", plan->path);
}

/* Path of a file in the directory; free() it. */
static char *path_in(const vita_plan *plan, const char *name)
{
	size_t n = strlen(plan->path), m = strlen(name);
	char *path = malloc(n + m + 2);
	if (!path) return NULL;
	memcpy(path, plan->path, n);
	path[n] = '/';
	memcpy(path + n + 1, name, m + 1);
	return path;
}

vita_status vita_plan_write_safetensors(const vita_plan *plan, const char *path, vita_error *err)
{
	static const char *const metadata[] = { "format", "pt" };
	vita_file *file;
	vita_status status =
		vita_safetensors_begin(path, plan->order, plan->n_tensors, metadata, 1, &file, err);
	if (status != VITA_OK) return status;
	status = vita_plan_write_tensors(plan, file, 1, err);
	if (status == VITA_OK) return vita_file_commit(file, err);
	vita_file_discard(file);
	return status;
}

/* ---- documents ------------------------------------------------------------------------------------ */

static vita_status save_json(const vita_plan *plan, const char *name, const json_t *document, size_t flags,
                             vita_error *err)
{
	char *path = path_in(plan, name), *text = json_dumps(document, flags | JSON_REAL_PRECISION(16));
	vita_status status =
		path && text ? vita_file_save(path, text, strlen(text), err) : fail_memory(plan, err);
	free(path);
	free(text);
	return status;
}

static vita_status save_config(const vita_plan *plan, vita_error *err)
{
	int failed = 0;
	const char *type = plan->how->dtype == VITA_F32   ? "float32"
	                   : plan->how->dtype == VITA_F16 ? "float16"
	                                                  : "bfloat16";
	json_t *config = json_copy(plan->config);
	if (!config) return fail_memory(plan, err);
	if (plan->architecture)
		(void)json_object_del(config, VITA_ROPE_KEY); /* rows were put into this format's order */
	if (plan->how->dtype != VITA_DTYPE_NONE)
		failed = json_object_set_new(config, "torch_dtype", json_string(type));
	vita_status status =
		failed ? fail_memory(plan, err) : save_json(plan, "config.json", config, JSON_INDENT(2), err);
	json_decref(config);
	return status;
}

/* ---- tokenizer ------------------------------------------------------------------------------------ */

static vita_status copy_file(const vita_plan *plan, const char *name, vita_error *err)
{
	vita_map map;
	const char *from = vita_model_file_path(plan->model, name);
	char *to = path_in(plan, name);
	vita_status status = from && to ? vita_map_open(from, &map, err) : fail_memory(plan, err);
	if (status == VITA_OK) {
		status = vita_file_save(to, map.data, map.size, err);
		vita_map_close(&map);
	}
	free(to);
	return status == VITA_E_NOTFOUND ? VITA_OK : status;
}

static const char *const tokenizer_files[] = { "tokenizer.json",     "tokenizer_config.json",
	                                       "added_tokens.json",  "special_tokens_map.json",
	                                       "vocab.json",         "merges.txt",
	                                       "chat_template.jinja" };
#define N_TOKENIZER_FILES (sizeof tokenizer_files / sizeof tokenizer_files[0])

static vita_status copy_tokenizer(const vita_plan *plan, vita_error *err)
{
	vita_status status = VITA_OK;
	for (size_t i = 0; i < N_TOKENIZER_FILES && status == VITA_OK; i++)
		status = copy_file(plan, tokenizer_files[i], err);
	return status;
}

static vita_status save_tokenizer_config(const vita_plan *plan, vita_arena *arena, vita_error *err)
{
	const vita_gguf *gguf = plan->model->gguf;
	const vita_gguf_value *begin = vita_gguf_find(gguf, "tokenizer.ggml.add_bos_token");
	const char *template;
	int64_t adds;
	json_t *config = json_pack("{s:s}", "tokenizer_class", "PreTrainedTokenizerFast");
	int failed = config ? 0 : -1;
	vita_status status = vita_gguf_get_text(gguf, "tokenizer.chat_template", arena, &template, err);
	if (status == VITA_OK && *template)
		failed |= json_object_set_new(config, "chat_template", json_string(template));
	if (begin && vita_gguf_int(begin, &adds))
		failed |= json_object_set_new(config, "add_bos_token", json_boolean(adds != 0));
	if (status == VITA_OK)
		status = failed ? fail_memory(plan, err)
		                : save_json(plan, "tokenizer_config.json", config, JSON_INDENT(2), err);
	json_decref(config);
	return status;
}

/* What is in the GGUF file; one of a kind that is not known stays behind, the rest of the model does not. */
static vita_status save_tokenizer(const vita_plan *plan, vita_error *err)
{
	vita_arena arena = { NULL };
	json_t *document = NULL;
	vita_error reason;
	vita_status status = vita_gguf_tokenizer_document(plan->model->gguf, &document, &reason);
	if (status == VITA_E_NOTFOUND || status == VITA_E_UNSUPPORTED) {
		vita_plan_note(plan, "no tokenizer.json is written: the model %s", reason.message);
		return VITA_OK;
	}
	if (status != VITA_OK)
		return vita_fail(err, status, "%s: %s", plan->model->gguf->path, reason.message);
	status = save_json(plan, "tokenizer.json", document, JSON_COMPACT, err);
	if (status == VITA_OK) status = save_tokenizer_config(plan, &arena, err);
	json_decref(document);
	vita_arena_free(&arena);
	return status;
}

/* ---- the directory -------------------------------------------------------------------------------- */

static const char *const model_files[] = { "config.json", "model.safetensors", "model.safetensors.index.json",
	                                   "model.gguf", "tokenizer.json" };
#define N_MODEL_FILES (sizeof model_files / sizeof model_files[0])

/* A model that is there may have taken days to train. */
static vita_status check_empty(const vita_plan *plan, vita_error *err)
{
	struct stat there;
	for (size_t i = 0; i < N_MODEL_FILES; i++) {
		char *path = path_in(plan, model_files[i]);
		if (!path) return fail_memory(plan, err);
		int found = stat(path, &there);
		free(path);
		if (found == 0)
			return vita_fail(err, VITA_E_STATE,
			                 "%s: holds %s already, and stays as it is; name another directory",
			                 plan->path, model_files[i]);
	}
	return VITA_OK;
}

static vita_status fill(const vita_plan *plan, vita_error *err)
{
	char *weights = path_in(plan, "model.safetensors");
	if (!weights) return fail_memory(plan, err);
	vita_status status = vita_plan_write_safetensors(plan, weights, err);
	free(weights);
	if (status == VITA_OK)
		status = plan->model->gguf && vita_gguf_has_tokenizer(plan->model->gguf) ? save_tokenizer(plan, err)
		                                                                         : copy_tokenizer(plan, err);
	if (status == VITA_OK && json_object_size(plan->generation) > 0)
		status = save_json(plan, "generation_config.json", plan->generation, JSON_INDENT(2), err);
	return status == VITA_OK ? save_config(plan, err) : status;
}

static void remove_files(const vita_plan *plan, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char *path = path_in(plan, names[i]);
		if (path) (void)unlink(path);
		free(path);
	}
}

/* Leave nothing of a model that could not be written whole. */
static void clear(const vita_plan *plan, bool made)
{
	static const char *const generation[] = { "generation_config.json" };
	remove_files(plan, model_files, N_MODEL_FILES);
	if (!made) return;
	remove_files(plan, tokenizer_files, N_TOKENIZER_FILES);
	remove_files(plan, generation, 1);
	(void)rmdir(plan->path);
}

vita_status vita_plan_write_directory(const vita_plan *plan, vita_error *err)
{
	if (!plan->config)
		return vita_fail(
			err, VITA_E_NOTFOUND,
			"%s: has no settings, which a model directory needs; name a target that ends in "
			".safetensors",
			vita_model_path(plan->model));
	bool made = mkdir(plan->path, 0777) == 0;
	if (!made && errno != EEXIST)
		return vita_fail(err, errno == ENOENT || errno == ENOTDIR ? VITA_E_NOTFOUND : VITA_E_IO,
		                 "%s: cannot be made: %s", plan->path, strerror(errno));
	vita_status status = check_empty(plan, err);
	if (status != VITA_OK) return status;
	status = fill(plan, err);
	if (status != VITA_OK) clear(plan, made);
	return status;
}
