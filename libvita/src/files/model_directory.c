/* SPDX-License-Identifier: MIT
 *
 * Hugging Face model directories: settings, and weights in one file, in shards with an index, or in
 * numbered shards whose index was lost, or in model.gguf.
 */
#include "files/model.h"
#include "files/yaml.h"
#include "host/words.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_CONFIG_BYTES (8u << 20)
#define MAX_INDEX_BYTES (32u << 20)
#define SINGLE_NAME "model.safetensors"
#define INDEX_NAME "model.safetensors.index.json"
#define SUFFIX ".safetensors"
#define MAX_NAMED 4 /* missing files in one sentence; more are counted */

/* Files that are not there, for one sentence about all of them. */
typedef struct missing_files {
	size_t n;
	char names[512]; /* "a, b" */
} missing_files;

static void note_missing(missing_files *missing, const char *name)
{
	vita_shown shown;
	if (missing->n++ < MAX_NAMED)
		vita_append(missing->names, sizeof missing->names, "%s%.100s", missing->n > 1 ? ", " : "",
		            vita_show(shown, name));
}

/* " and 3 more" */
static const char *more_missing(const missing_files *missing, char *out, size_t size)
{
	out[0] = '\0';
	if (missing->n > MAX_NAMED) (void)snprintf(out, size, " and %zu more", missing->n - MAX_NAMED);
	return out;
}

static vita_status fail_memory(const vita_model *model, vita_error *err)
{
	return vita_fail(err, VITA_E_NOMEM, "%s: out of memory while opening this model", model->path);
}

/* ---- settings ------------------------------------------------------------------------------------ */

static vita_status read_document(vita_model *model, uint32_t document, const char *name, vita_error *err)
{
	json_t *root = NULL;
	char *path = vita_model_join(model, name);
	if (!path) return fail_memory(model, err);
	vita_status status = vita_json_read(path, MAX_CONFIG_BYTES, &root, err);
	if (status == VITA_OK) status = vita_model_set_document(model, document, path, root, false, err);
	json_decref(root);
	free(path);
	return status == VITA_E_NOTFOUND ? VITA_OK : status;
}

/* Directories of language models may hold a config.yaml of any other program: a file that cannot be read is no failure
 * before somebody asks for what is in it. */
static vita_status read_yaml(vita_model *model, vita_error *err)
{
	vita_error why;
	json_t *root = NULL;
	vita_model_document *document = &model->documents[VITA_CONFIG_YAML];
	char *path = vita_model_join(model, "config.yaml");
	if (!path) return fail_memory(model, err);
	vita_status read = vita_yaml_read(path, &root, &why), status = VITA_OK;
	if (read == VITA_OK) {
		status = vita_model_set_document(model, VITA_CONFIG_YAML, path, root, false, err);
	} else if (read != VITA_E_NOTFOUND) {
		document->status = read;
		document->failure = vita_arena_string(&model->arena, why.message);
		if (!document->failure) status = fail_memory(model, err);
	}
	json_decref(root);
	free(path);
	return status;
}

/* ---- weights with an index ----------------------------------------------------------------------- */

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static vita_status check_shard_name(const char *index, const char *tensor, const json_t *value,
                                    vita_error *err)
{
	vita_shown shown, other;
	const char *name = json_string_value(value);
	if (!name)
		return vita_fail(err, VITA_E_FORMAT,
		                 "%s: weight_map gives for tensor \"%s\" %s; the name of a file is "
		                 "needed",
		                 index, vita_show(shown, tensor), vita_json_kind(value));
	if (name[0] == '\0' || name[0] == '.' || strchr(name, '/'))
		return vita_fail(err, VITA_E_FORMAT,
		                 "%s: weight_map gives for tensor \"%s\" the file \"%s\"; it must name "
		                 "a file of the same directory",
		                 index, vita_show(shown, tensor), vita_show(other, name));
	return VITA_OK;
}

/* The distinct file names of the weight map, sorted; borrowed from it. */
static vita_status list_shards(const vita_model *model, const char *index, json_t *weight_map,
                               const char ***out, size_t *n_out, vita_error *err)
{
	const char *tensor, **names = malloc((json_object_size(weight_map) + 1) * sizeof *names);
	json_t *value;
	size_t n = 0, kept = 0;

	*out = NULL;
	if (!names) return fail_memory(model, err);
	json_object_foreach (weight_map, tensor, value) {
		vita_status status = check_shard_name(index, tensor, value, err);
		if (status != VITA_OK) {
			free(names);
			return status;
		}
		names[n++] = json_string_value(value);
	}
	qsort(names, n, sizeof *names, compare_strings);
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || strcmp(names[kept - 1], names[i]) != 0) names[kept++] = names[i];
	*out = names;
	*n_out = kept;
	return VITA_OK;
}

/* Keep of the shard just read the tensors that the index places there. */
static void keep_indexed(vita_model *model, size_t first, const json_t *weight_map, const char *shard)
{
	size_t kept = first;
	for (size_t i = first; i < model->n_entries; i++) {
		const char *placed = json_string_value(json_object_get(weight_map, model->entries[i].name));
		if (placed && strcmp(placed, shard) == 0) model->entries[kept++] = model->entries[i];
	}
	model->n_entries = kept;
}

/* After reading a shard: does it hold all that the index places there? */
static vita_status check_complete(const vita_model *model, const char *index, json_t *weight_map,
                                  vita_error *err)
{
	vita_shown shown, other;
	const char *tensor;
	json_t *value, *found;
	vita_status status = VITA_OK;

	if (model->n_entries == json_object_size(weight_map)) return VITA_OK;
	found = json_object();
	if (!found) return fail_memory(model, err);
	for (size_t i = 0; i < model->n_entries && status == VITA_OK; i++)
		if (json_object_set_new_nocheck(found, model->entries[i].name, json_true()) != 0)
			status = fail_memory(model, err);
	json_object_foreach (weight_map, tensor, value) {
		if (status != VITA_OK) break;
		if (json_object_get(found, tensor)) continue;
		status = vita_fail(err, VITA_E_FORMAT,
		                   "%s: places tensor \"%s\" in %s, which does not hold it", index,
		                   vita_show(shown, tensor), vita_show(other, json_string_value(value)));
	}
	json_decref(found);
	return status;
}

static vita_status read_shard(vita_model *model, const char *name, vita_error *err)
{
	uint32_t file;
	char *path = vita_model_join(model, name);
	if (!path) return fail_memory(model, err);
	vita_status status = vita_model_read_file(model, path, &file, err);
	free(path);
	return status;
}

/* All shards that are missing, before any is read: who fetches them wants to know of each. */
static vita_status check_shards(const vita_model *model, const char *index, const char *const *names, size_t n,
                                vita_error *err)
{
	missing_files missing = {0};
	char more[40];
	for (size_t i = 0; i < n; i++) {
		char *path = vita_model_join(model, names[i]);
		if (!path) return fail_memory(model, err);
		if (access(path, F_OK) != 0 && errno == ENOENT) note_missing(&missing, names[i]);
		free(path);
	}
	if (missing.n == 0) return VITA_OK;
	return vita_fail(err, VITA_E_NOTFOUND, "%s: names the shard%s %s%s, which %s not there", index,
	                 missing.n > 1 ? "s" : "", missing.names, more_missing(&missing, more, sizeof more),
	                 missing.n > 1 ? "are" : "is");
}

static vita_status read_weight_map(vita_model *model, const char *index, json_t *root, vita_error *err)
{
	json_t *weight_map = json_object_get(root, "weight_map");
	const char **shards;
	size_t n = 0;

	if (!json_is_object(weight_map))
		return vita_fail(err, VITA_E_FORMAT,
		                 "%s: weight_map must be an object of tensor names and files, but is %s",
		                 index, vita_json_kind(weight_map));
	vita_status status = list_shards(model, index, weight_map, &shards, &n, err);
	if (status == VITA_OK) status = check_shards(model, index, shards, n, err);
	for (size_t i = 0; i < n && status == VITA_OK; i++) {
		size_t first = model->n_entries;
		status = read_shard(model, shards[i], err);
		if (status == VITA_OK) keep_indexed(model, first, weight_map, shards[i]);
	}
	if (status == VITA_OK) status = check_complete(model, index, weight_map, err);
	free(shards);
	return status;
}

/* *found: whether there is an index at all. */
static vita_status read_index(vita_model *model, bool *found, vita_error *err)
{
	json_t *root = NULL;
	char *index = vita_model_join(model, INDEX_NAME);
	if (!index) return fail_memory(model, err);
	vita_status status = vita_json_read(index, MAX_INDEX_BYTES, &root, err);
	*found = status != VITA_E_NOTFOUND;
	if (status == VITA_E_NOTFOUND) status = VITA_OK;
	else if (status == VITA_OK) status = read_weight_map(model, index, root, err);
	json_decref(root);
	free(index);
	return status;
}

/* ---- weights without an index -------------------------------------------------------------------- */

typedef struct name_list {
	char **names;
	size_t n, capacity;
} name_list;

static void list_free(name_list *list)
{
	for (size_t i = 0; i < list->n; i++) free(list->names[i]);
	free(list->names);
}

static bool list_add(name_list *list, const char *name)
{
	if (list->n == list->capacity) {
		size_t capacity = list->capacity ? 2 * list->capacity : 16;
		char **names = realloc(list->names, capacity * sizeof *names);
		if (!names) return false;
		list->names = names;
		list->capacity = capacity;
	}
	list->names[list->n] = strdup(name);
	return list->names[list->n] && ++list->n;
}

/* The visible files NAME.safetensors of the directory, sorted. */
static vita_status list_safetensors(const vita_model *model, name_list *list, vita_error *err)
{
	const struct dirent *entry;
	DIR *directory = opendir(model->path);
	if (!directory)
		return vita_fail(err, VITA_E_IO, "%s: cannot be listed: %s", model->path, strerror(errno));
	while ((entry = readdir(directory))) {
		size_t n = strlen(entry->d_name), m = strlen(SUFFIX);
		if (entry->d_name[0] == '.' || n <= m || strcmp(entry->d_name + n - m, SUFFIX) != 0) continue;
		if (list_add(list, entry->d_name)) continue;
		closedir(directory);
		return fail_memory(model, err);
	}
	closedir(directory);
	if (list->n > 0) qsort(list->names, list->n, sizeof *list->names, compare_strings);
	return VITA_OK;
}

/* The M of "NAME-00001-of-0000M.safetensors", and the length of NAME; 0 for other names. */
static size_t shard_total(const char *name, size_t *stem)
{
	static const char pattern[] = "-#####-of-#####" SUFFIX;
	size_t n = strlen(name), m = sizeof pattern - 1, total = 0;
	*stem = n > m ? n - m : 0;
	if (n <= m) return 0;
	for (size_t i = 0; i < m; i++) {
		char c = name[n - m + i];
		if (pattern[i] == '#' ? c < '0' || c > '9' : c != pattern[i]) return 0;
		if (pattern[i] == '#' && i > 6) total = 10 * total + (size_t)(c - '0');
	}
	return total;
}

/* Do the listed files make one model: a file alone, or shards of the same name and total? */
static bool is_one_model(const name_list *list)
{
	size_t stem, other_stem, total = list->n > 0 ? shard_total(list->names[0], &stem) : 0;
	for (size_t i = 1; i < list->n; i++)
		if (total == 0 || shard_total(list->names[i], &other_stem) != total || other_stem != stem ||
		    memcmp(list->names[i], list->names[0], stem) != 0)
			return false;
	return list->n > 0;
}

/* Numbered shards are not as many as their names say. */
static vita_status fail_shards(const vita_model *model, const name_list *list, size_t total, vita_error *err)
{
	missing_files missing = {0};
	char more[40], name[NAME_MAX + 1];
	size_t stem, there = 0;
	(void)shard_total(list->names[0], &stem);
	if (list->n > total)
		return vita_fail(err, VITA_E_FORMAT, "%s: holds %zu shards, of which there should be %zu", model->path, list->n,
		                 total);
	for (size_t i = 1; i <= total; i++) {
		(void)snprintf(name, sizeof name, "%.*s-%05zu-of-%05zu" SUFFIX, (int)stem, list->names[0], i, total);
		while (there < list->n && strcmp(list->names[there], name) < 0) there++;
		if (there < list->n && strcmp(list->names[there], name) == 0) there++;
		else note_missing(&missing, name);
	}
	return vita_fail(err, VITA_E_NOTFOUND, "%s: holds %zu of %zu shards; %s%s %s missing", model->path, list->n,
	                 total, missing.names, more_missing(&missing, more, sizeof more),
	                 missing.n > 1 ? "are" : "is");
}

static vita_status check_unindexed(const vita_model *model, const name_list *list, uint32_t want,
                                   vita_error *err)
{
	vita_shown shown, other;
	size_t stem;
	if (list->n > 1 && !is_one_model(list) && (want & VITA_MODEL_WANT_TENSORS))
		return vita_fail(err, VITA_E_FORMAT,
		                 "%s: holds %s, %s and no %s, so that it is not clear which is the "
		                 "model; name one of the files",
		                 model->path, vita_show(shown, list->names[0]),
		                 vita_show(other, list->names[1]), SINGLE_NAME);
	size_t total = is_one_model(list) ? shard_total(list->names[0], &stem) : 0;
	return total > 0 && list->n != total ? fail_shards(model, list, total, err) : VITA_OK;
}

/* Several files that are no set of shards are several models (a codec's parts): their user names them. */
static vita_status read_unindexed(vita_model *model, uint32_t want, vita_error *err)
{
	name_list list = { NULL, 0, 0 };
	uint32_t file;
	vita_status status = list_safetensors(model, &list, err);
	if (status == VITA_OK) status = check_unindexed(model, &list, want, err);
	size_t n_read = is_one_model(&list) ? list.n : 0;
	for (size_t i = 0; i < n_read && status == VITA_OK; i++) {
		char *path = vita_model_join(model, list.names[i]);
		status = path ? vita_model_read_file(model, path, &file, err) : fail_memory(model, err);
		free(path);
	}
	list_free(&list);
	return status;
}

vita_status vita_model_read_directory(vita_model *model, uint32_t want, vita_error *err)
{
	uint32_t file;
	bool found = false;
	vita_status status = read_document(model, VITA_CONFIG_MODEL, "config.json", err);
	if (status == VITA_OK)
		status = read_document(model, VITA_CONFIG_GENERATION, "generation_config.json", err);
	if (status == VITA_OK)
		status = read_document(model, VITA_CONFIG_PREPROCESSOR, "preprocessor_config.json", err);
	if (status == VITA_OK) status = read_yaml(model, err);
	if (status != VITA_OK) return status;

	char *single = vita_model_join(model, SINGLE_NAME);
	if (!single) return fail_memory(model, err);
	status = vita_model_read_file(model, single, &file, err);
	free(single);
	if (status != VITA_E_NOTFOUND) return status;
	status = read_index(model, &found, err);
	if (status == VITA_OK && !found) status = read_unindexed(model, want, err);
	if (err && status == VITA_E_NOTFOUND && (want & VITA_MODEL_WANT_CONFIG) && !model->documents[VITA_CONFIG_MODEL].root)
		vita_append(err->message, sizeof err->message, "; config.json is missing too");
	if (status != VITA_OK || model->n_files > 0) return status;

	/* Smaller weights beside the settings of the directory, whose word goes before its own. */
	char *quantised = vita_model_join(model, VITA_GGUF_NAME);
	if (!quantised) return fail_memory(model, err);
	status = vita_model_read_file(model, quantised, &file, err);
	free(quantised);
	return status == VITA_E_NOTFOUND ? VITA_OK : status;
}
