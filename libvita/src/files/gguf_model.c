/* SPDX-License-Identifier: MIT
 *
 * GGUF files as models: tensors under their Hugging Face names, metadata as the two settings documents, so
 * that nobody who uses a model has to know where it came from.
 */
#include "files/gguf.h"
#include "files/gguf_config.h"
#include "files/model.h"

#include <inttypes.h>
#include <stdlib.h>

/* Large models are sometimes cut into files, each of which is a GGUF file with a share of the tensors. */
static vita_status check_whole(const vita_gguf *gguf, vita_error *err)
{
	const vita_gguf_value *value = vita_gguf_find(gguf, "split.count");
	int64_t n = 0;
	if (!value || !vita_gguf_int(value, &n) || n <= 1) return VITA_OK;
	return vita_fail(err, VITA_E_UNSUPPORTED,
	                 "%s: is one of %" PRId64 " parts of a model; a file that holds all of it is "
	                 "needed",
	                 gguf->path, n);
}

static vita_status check_vocabulary(const vita_gguf *gguf, vita_error *err)
{
	const vita_gguf_value *tokens = vita_gguf_find(gguf, "tokenizer.ggml.tokens");
	const vita_gguf_tensor *embedding = vita_gguf_find_tensor(gguf, "token_embd.weight");
	if (!tokens || tokens->type != VITA_GGUF_LIST || !embedding || embedding->rank != 2) return VITA_OK;
	if (tokens->count <= (uint64_t)embedding->shape[0]) return VITA_OK;
	return vita_fail(err, VITA_E_FORMAT,
	                 "%s: has a vocabulary of %" PRIu64 " tokens, but token_embd.weight has rows for "
	                 "only %" PRId64,
	                 gguf->path, tokens->count, embedding->shape[0]);
}

static vita_status add_tensors(vita_model *model, uint32_t file, const vita_gguf *gguf,
                               const vita_gguf_naming *naming, vita_error *err)
{
	vita_status status = VITA_OK;
	for (uint64_t i = 0; i < gguf->n_tensors && status == VITA_OK; i++) {
		const vita_gguf_tensor *t = &gguf->tensors[i];
		const vita_gguf_type *type = vita_gguf_type_find(t->type);
		vita_gguf_name name;
		char number[32];
		(void)snprintf(number, sizeof number, "number %" PRIu32, t->type);
		const vita_model_entry entry = {
			.name = vita_gguf_name_to_hf(naming, t->name, name),
			.type = type ? type->name : number,
			.shape = t->shape,
			.data = t->data,
			.size_bytes = t->size,
			.n_values = t->n_values,
			.rank = t->rank,
			.dtype = type ? type->dtype : VITA_DTYPE_NONE,
			.file = file,
		};
		status = vita_model_add_tensor(model, &entry, err);
	}
	return status;
}

static vita_status add_metadata(vita_model *model, const vita_gguf *gguf, vita_error *err)
{
	vita_gguf_shown shown;
	vita_status status = VITA_OK;
	for (uint64_t i = 0; i < gguf->n_values && status == VITA_OK; i++)
		status = vita_model_add_metadata(model, gguf->values[i].key,
		                                 vita_gguf_show(shown, &gguf->values[i]), err);
	return status;
}

/* The settings of a directory go before the file's own, but for the order of its rows, of which they know nothing. */
static vita_status keep_row_order(vita_model *model, const vita_gguf_description *description, vita_error *err)
{
	json_t *config = model->documents[VITA_CONFIG_MODEL].root, *order = json_object_get(description->config, VITA_ROPE_KEY);
	if (config == description->config || !description->naming.known) return VITA_OK;
	(void)json_object_del(config, VITA_ROPE_KEY);
	if (!order || json_object_set(config, VITA_ROPE_KEY, order) == 0) return VITA_OK;
	return vita_fail(err, VITA_E_NOMEM, "%s: out of memory", model->path);
}

static vita_status fill(vita_model *model, uint32_t file, const vita_gguf *gguf, vita_error *err)
{
	vita_gguf_description description;
	vita_status status = check_whole(gguf, err);
	if (status == VITA_OK) status = check_vocabulary(gguf, err);
	if (status == VITA_OK) status = vita_gguf_describe(gguf, &description, err);
	if (status != VITA_OK) return status;
	status =
		vita_model_set_document(model, VITA_CONFIG_MODEL, gguf->path, description.config, false, err);
	if (status == VITA_OK) status = keep_row_order(model, &description, err);
	if (status == VITA_OK)
		status = vita_model_set_document(model, VITA_CONFIG_GENERATION, gguf->path,
		                                 description.generation, false, err);
	if (status == VITA_OK) status = add_tensors(model, file, gguf, &description.naming, err);
	if (status == VITA_OK) status = add_metadata(model, gguf, err);
	json_decref(description.config);
	json_decref(description.generation);
	return status;
}

static vita_status read_gguf(vita_model *model, uint32_t file, vita_error *err)
{
	const char *path = model->files[file].path;
	const char *slash = strrchr(path, '/');
	if (model->is_directory && strcmp(slash ? slash + 1 : path, VITA_GGUF_NAME) != 0)
		return vita_fail(
			err, VITA_E_FORMAT,
			"%s: is a GGUF file, which is a model of its own and in a directory called " VITA_GGUF_NAME
			"; name the file itself",
			path);
	vita_gguf *gguf = calloc(1, sizeof *gguf);
	if (!gguf) return vita_fail(err, VITA_E_NOMEM, "%s: out of memory while opening this model", path);
	vita_status status = vita_gguf_open(&model->files[file].map, path, gguf, err);
	if (status != VITA_OK) {
		free(gguf);
		return status;
	}
	model->gguf = gguf;
	return fill(model, file, gguf, err);
}

const vita_model_format vita_format_gguf = { "GGUF", vita_is_gguf, read_gguf };
