/* SPDX-License-Identifier: MIT
 *
 * Model files: opening, closing, and finding tensors by name, whatever the format.
 */
#include "files/model.h"
#include "files/synthetic.h"

#include "files/gguf.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

static const vita_model_format *const formats[] = { &vita_format_safetensors, &vita_format_gguf,
                                                    &vita_format_checkpoint };

struct vita_model_beside {
	struct vita_model_beside *next;
	const char *name, *path;
};

static vita_status fail_memory(const vita_model *model, vita_error *err)
{
	return vita_fail(err, VITA_E_NOMEM, "%s: out of memory while opening this model", model->path);
}

/* ---- for readers --------------------------------------------------------------------------------- */

bool vita_shape_count(const int64_t *shape, size_t rank, uint64_t *count)
{
	uint64_t product = 1;
	for (size_t i = 0; i < rank; i++) {
		if (shape[i] < 0) return false;
		if (shape[i] > 0 && product > (uint64_t)INT64_MAX / (uint64_t)shape[i]) return false;
		product *= (uint64_t)shape[i];
	}
	*count = product;
	return true;
}

vita_status vita_model_add_tensor(vita_model *model, const vita_model_entry *entry, vita_error *err)
{
	if (model->n_entries == model->entries_capacity) {
		size_t capacity = model->entries_capacity ? 2 * model->entries_capacity : 256;
		vita_model_entry *entries = realloc(model->entries, capacity * sizeof *entries);
		if (!entries) return fail_memory(model, err);
		model->entries = entries;
		model->entries_capacity = capacity;
	}
	vita_model_entry *copy = &model->entries[model->n_entries];
	*copy = *entry;
	copy->name = vita_arena_string(&model->arena, entry->name);
	copy->type = vita_arena_string(&model->arena, entry->type);
	int64_t *shape = vita_arena_alloc(&model->arena, entry->rank * sizeof *shape);
	if (!copy->name || !copy->type || !shape) return fail_memory(model, err);
	if (entry->rank > 0) memcpy(shape, entry->shape, entry->rank * sizeof *shape);
	copy->shape = shape;
	model->n_entries++;
	return VITA_OK;
}

vita_status vita_model_set_document(vita_model *model, uint32_t document, const char *path, json_t *root,
                                    bool is_text, vita_error *err)
{
	vita_model_document *slot = &model->documents[document];
	if (slot->root) return VITA_OK;
	slot->path = vita_arena_string(&model->arena, path);
	if (!slot->path) return fail_memory(model, err);
	slot->root = json_incref(root);
	slot->is_text = is_text;
	return VITA_OK;
}

vita_status vita_model_add_metadata(vita_model *model, const char *key, const char *text, vita_error *err)
{
	if (model->n_metadata == model->metadata_capacity) {
		size_t capacity = model->metadata_capacity ? 2 * model->metadata_capacity : 64;
		vita_metadata *grown = realloc(model->metadata, capacity * sizeof *grown);
		if (!grown) return fail_memory(model, err);
		model->metadata = grown;
		model->metadata_capacity = capacity;
	}
	vita_metadata *added = &model->metadata[model->n_metadata];
	VITA_INIT(added);
	added->key = vita_arena_string(&model->arena, key);
	added->text = vita_arena_string(&model->arena, text);
	if (!added->key || !added->text) return fail_memory(model, err);
	model->n_metadata++;
	return VITA_OK;
}

/* ---- open ---------------------------------------------------------------------------------------- */

static vita_status add_file(vita_model *model, const char *path, uint32_t *file, vita_error *err)
{
	if (model->n_files == model->files_capacity) {
		uint32_t capacity = model->files_capacity ? 2 * model->files_capacity : 8;
		vita_model_file *files = realloc(model->files, capacity * sizeof *files);
		if (!files) return fail_memory(model, err);
		model->files = files;
		model->files_capacity = capacity;
	}
	vita_model_file *added = &model->files[model->n_files];
	added->path = vita_arena_string(&model->arena, path);
	if (!added->path) return fail_memory(model, err);
	vita_status status = vita_map_open(path, &added->map, err);
	if (status == VITA_OK) *file = model->n_files++;
	return status;
}

static bool has_suffix(const char *path, const char *suffix)
{
	size_t n = strlen(path), m = strlen(suffix);
	return n >= m && strcmp(path + n - m, suffix) == 0;
}

vita_status vita_model_read_file(vita_model *model, const char *path, uint32_t *file, vita_error *err)
{
	vita_status status = add_file(model, path, file, err);
	if (status != VITA_OK) return status;

	const vita_map *map = &model->files[*file].map;
	for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
		if (formats[i]->matches(map->data, map->size < 16 ? map->size : 16))
			return formats[i]->read(model, *file, err);
	/* A damaged file is best explained by the reader of what it claims to be. */
	if (has_suffix(path, ".safetensors")) return vita_format_safetensors.read(model, *file, err);
	if (has_suffix(path, ".gguf")) return vita_format_gguf.read(model, *file, err);
	if (has_suffix(path, ".pt") || has_suffix(path, ".pth")) return vita_format_checkpoint.read(model, *file, err);
	return vita_fail(err, VITA_E_FORMAT,
	                 "%s: is not a model file of a known format; a safetensors file, "
	                 "a GGUF file, a PyTorch checkpoint or a Hugging Face directory is needed",
	                 path);
}

static int compare_entries(const void *a, const void *b)
{
	return strcmp(((const vita_model_entry *)a)->name, ((const vita_model_entry *)b)->name);
}

static vita_status sort_entries(vita_model *model, vita_error *err)
{
	vita_shown name;
	if (model->n_entries == 0) return VITA_OK;
	qsort(model->entries, model->n_entries, sizeof *model->entries, compare_entries);
	for (size_t i = 1; i < model->n_entries; i++) {
		const vita_model_entry *a = &model->entries[i - 1], *b = &model->entries[i];
		if (strcmp(a->name, b->name) == 0 && a->file == b->file)
			return vita_fail(err, VITA_E_FORMAT, "%s: has two tensors \"%s\"",
			                 model->files[a->file].path, vita_show(name, a->name));
		if (strcmp(a->name, b->name) == 0)
			return vita_fail(err, VITA_E_FORMAT, "tensor \"%s\" is both in %s and in %s",
			                 vita_show(name, a->name), model->files[a->file].path,
			                 model->files[b->file].path);
	}
	return VITA_OK;
}

static vita_status model_create(const char *path, bool is_directory, vita_model **out, vita_error *err)
{
	size_t length = strlen(path);
	vita_model *model = calloc(1, sizeof *model);
	if (!model) return vita_fail(err, VITA_E_NOMEM, "%s: out of memory while opening this model", path);
	if (pthread_mutex_init(&model->lock, NULL) != 0) {
		free(model);
		return vita_fail(err, VITA_E_NOMEM, "%s: out of memory while opening this model", path);
	}
	model->is_directory = is_directory;
	model->path = vita_arena_string(&model->arena, path);
	model->directory = vita_arena_alloc(&model->arena, length + 2);
	if (!model->path || !model->directory) {
		vita_model_close(model);
		return vita_fail(err, VITA_E_NOMEM, "%s: out of memory while opening this model", path);
	}
	const char *slash = strrchr(path, '/');
	size_t kept = is_directory ? length : slash ? (size_t)(slash - path) + 1 : 0;
	memcpy(model->directory, path, kept);
	if (kept > 0 && model->directory[kept - 1] != '/') model->directory[kept++] = '/';
	model->directory[kept] = '\0';
	*out = model;
	return VITA_OK;
}

vita_status vita_model_require(const vita_model *model, uint32_t want, vita_error *err)
{
	const vita_model_document *config = &model->documents[VITA_CONFIG_MODEL];
	if ((want & VITA_MODEL_WANT_CONFIG) && !model->is_directory && (!config->root || config->is_text))
		return vita_fail(err, VITA_E_NOTFOUND,
		                 "%s: is a file of tensors alone; a directory that also has a "
		                 "config.json is needed, or a GGUF file",
		                 model->path);
	const bool no_config = (want & VITA_MODEL_WANT_CONFIG) && !config->root;
	const bool no_weights = (want & VITA_MODEL_WANT_TENSORS) && model->n_entries == 0 && model->is_directory &&
	                        model->n_files == 0;
	if (no_weights)
		return vita_fail(err, VITA_E_NOTFOUND,
		                 "%s: has no %sweights; model.safetensors, or "
		                 "model.safetensors.index.json and its shards, are needed%s",
		                 model->path, no_config ? "config.json and no " : "",
		                 no_config ? " beside config.json" : "");
	if (no_config)
		return vita_fail(err, VITA_E_NOTFOUND,
		                 "%s: has no config.json, which a model directory needs", model->path);
	if ((want & VITA_MODEL_WANT_TENSORS) && model->n_entries == 0)
		return vita_fail(err, VITA_E_FORMAT, "%s: holds no tensors", model->path);
	return VITA_OK;
}

vita_status vita_model_open(const char *path, uint32_t want, vita_model **out, vita_error *err)
{
	struct stat info;
	vita_model *model = NULL;
	uint32_t file;

	*out = NULL;
	bool synthetic = vita_synthetic_is_path(path);
	if (!synthetic && stat(path, &info) != 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			return vita_fail(err, VITA_E_NOTFOUND, "%s: there is no such model file or directory",
			                 path);
		return vita_fail(err, VITA_E_IO, "%s: cannot be opened: %s", path, strerror(errno));
	}
	vita_status status = model_create(path, synthetic || S_ISDIR(info.st_mode), &model, err);
	if (status != VITA_OK) return status;

	model->is_synthetic = synthetic;
	if (synthetic) status = vita_synthetic_read(model, err);
	else if (model->is_directory) status = vita_model_read_directory(model, want, err);
	else status = vita_model_read_file(model, path, &file, err);
	if (status == VITA_OK) status = sort_entries(model, err);
	if (status == VITA_OK) status = vita_model_require(model, want, err);
	if (status != VITA_OK) {
		vita_model_close(model);
		return status;
	}
	*out = model;
	return VITA_OK;
}

void vita_model_close(vita_model *model)
{
	if (!model) return;
	for (size_t i = 0; model->is_synthetic && i < model->n_entries; i++) vita_synthetic_drop(&model->entries[i]);
	for (uint32_t i = 0; i < model->n_files; i++) vita_map_close(&model->files[i].map);
	for (uint32_t i = 0; i < VITA_N_DOCUMENTS; i++) json_decref(model->documents[i].root);
	if (model->gguf) vita_gguf_close(model->gguf);
	free(model->gguf);
	free(model->files);
	free(model->entries);
	free(model->metadata);
	vita_arena_free(&model->arena);
	pthread_mutex_destroy(&model->lock);
	free(model);
}

/* ---- paths --------------------------------------------------------------------------------------- */

const char *vita_model_path(const vita_model *model)
{
	return model->path;
}

char *vita_model_join(const vita_model *model, const char *name)
{
	size_t n = strlen(model->directory), m = strlen(name) + 1;
	char *path = malloc(n + m);
	if (!path) return NULL;
	memcpy(path, model->directory, n);
	memcpy(path + n, name, m);
	return path;
}

static const char *beside_add(vita_model *model, const char *name)
{
	struct vita_model_beside *entry = vita_arena_alloc(&model->arena, sizeof *entry);
	char *path = vita_arena_alloc(&model->arena, strlen(model->directory) + strlen(name) + 1);
	if (!entry || !path) return NULL;
	entry->name = vita_arena_string(&model->arena, name);
	if (!entry->name) return NULL;
	strcpy(path, model->directory);
	strcat(path, name);
	entry->path = path;
	entry->next = model->beside;
	model->beside = entry;
	return path;
}

const char *vita_model_file_path(vita_model *model, const char *name)
{
	const char *path = NULL;
	if (strchr(name, '/') || strstr(name, "..")) return NULL;
	pthread_mutex_lock(&model->lock);
	for (const struct vita_model_beside *entry = model->beside; entry && !path; entry = entry->next)
		if (strcmp(entry->name, name) == 0) path = entry->path;
	if (!path) path = beside_add(model, name);
	pthread_mutex_unlock(&model->lock);
	return path;
}

/* ---- tensors ------------------------------------------------------------------------------------- */

static const char *path_of(const vita_model *model, const vita_model_entry *entry)
{
	return model->is_synthetic ? model->path : model->files[entry->file].path;
}

/* Where a model's numbers are made when they are asked for, make them. */
static vita_status want_data(const vita_model *model, const vita_model_entry *entry, vita_error *err)
{
	vita_model *maker = (vita_model *)(uintptr_t)model;
	if (!model->is_synthetic) return VITA_OK;
	pthread_mutex_lock(&maker->lock);
	vita_status status = vita_synthetic_fill(maker, (vita_model_entry *)(uintptr_t)entry, err);
	pthread_mutex_unlock(&maker->lock);
	return status;
}

void vita_model_release(vita_model *model, const void *data, uint64_t size)
{
	const unsigned char *first = data;
	if (size == 0) return;
	if (model->is_synthetic) {
		pthread_mutex_lock(&model->lock);
		for (size_t i = 0; i < model->n_entries; i++)
			if (model->entries[i].data == first) vita_synthetic_drop(&model->entries[i]);
		pthread_mutex_unlock(&model->lock);
		return;
	}
	for (uint32_t i = 0; i < model->n_files; i++) {
		const vita_map *map = &model->files[i].map;
		if (first >= map->data && (size_t)(first - map->data) < map->size) vita_map_release(map, first, size);
	}
}

static bool is_usable(const vita_model_entry *entry)
{
	return entry->dtype != VITA_DTYPE_NONE && entry->rank <= VITA_MAX_RANK;
}

static void fill_array(const vita_model_entry *entry, vita_array *out)
{
	VITA_INIT(out);
	out->name = entry->name;
	out->size_bytes = entry->size_bytes;
	for (uint32_t i = 0; i < VITA_MAX_RANK; i++) out->shape[i] = 1;
	if (!is_usable(entry)) {
		out->dtype = VITA_DTYPE_NONE;
		return;
	}
	out->dtype = entry->dtype;
	out->rank = entry->rank;
	for (uint32_t i = 0; i < entry->rank; i++) out->shape[i] = entry->shape[i];
	out->data = entry->data;
}

uint64_t vita_model_n_metadata(const vita_model *model)
{
	return model->n_metadata;
}

vita_status vita_model_metadata_at(const vita_model *model, uint64_t index, vita_metadata *out)
{
	VITA_INIT(out);
	if (index >= model->n_metadata) return VITA_E_INVALID;
	*out = model->metadata[index];
	return VITA_OK;
}

uint64_t vita_model_n_tensors(const vita_model *model)
{
	return model->n_entries;
}

vita_status vita_model_tensor_at(const vita_model *model, uint64_t index, vita_array *out)
{
	if (index >= model->n_entries) return VITA_E_INVALID;
	vita_status status = want_data(model, &model->entries[index], NULL);
	if (status == VITA_OK) fill_array(&model->entries[index], out);
	return status;
}

vita_status vita_model_tensor_describe(const vita_model *model, uint64_t index, vita_tensor_info *out)
{
	VITA_INIT(out);
	if (index >= model->n_entries) return VITA_E_INVALID;
	const vita_model_entry *entry = &model->entries[index];
	out->rank = entry->rank;
	out->shape = entry->shape;
	out->name = entry->name;
	out->type = entry->type;
	out->path = path_of(model, entry);
	out->n_values = entry->n_values;
	out->size_bytes = entry->size_bytes;
	out->dtype = is_usable(entry) ? entry->dtype : VITA_DTYPE_NONE;
	return VITA_OK;
}

/* "[300, 64]"; sizes that may be any are "*". */
static void show_shape(char *out, size_t size, const int64_t *shape, uint32_t rank)
{
	size_t used = 0;
	for (uint32_t i = 0; i < rank && used + 32 < size; i++) {
		const char *lead = i == 0 ? "[" : ", ";
		int n = shape[i] < 0 ? snprintf(out + used, size - used, "%s*", lead)
		                     : snprintf(out + used, size - used, "%s%" PRId64, lead, shape[i]);
		used += (size_t)n;
	}
	(void)snprintf(out + used, size - used, used > 0 ? "]" : "[]");
}

static const vita_model_entry *find_entry(const vita_model *model, const char *name)
{
	size_t low = 0, high = model->n_entries;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(model->entries[middle].name, name);
		if (order == 0) return &model->entries[middle];
		if (order < 0) low = middle + 1;
		else high = middle;
	}
	return NULL;
}

static bool shape_fits(const vita_model_entry *entry, uint32_t rank, const int64_t *shape)
{
	if (entry->rank != rank) return false;
	for (uint32_t i = 0; i < rank; i++)
		if (shape[i] >= 0 && shape[i] != entry->shape[i]) return false;
	return true;
}

vita_status vita_model_tensor(const vita_model *model, const char *name, uint32_t rank, const int64_t *shape,
                              vita_array *out, vita_error *err)
{
	char wanted[160], found[160];
	vita_shown shown, type;

	VITA_INIT(out);
	if (rank > VITA_MAX_RANK)
		return vita_fail(err, VITA_E_INVALID,
		                 "tensor \"%s\": rank %u was asked for; at most %d is possible",
		                 vita_show(shown, name), (unsigned)rank, VITA_MAX_RANK);
	const vita_model_entry *entry = find_entry(model, name);
	if (!entry)
		return vita_fail(err, VITA_E_NOTFOUND, "%s: has no tensor \"%s\"", model->path,
		                 vita_show(shown, name));
	const char *path = path_of(model, entry);
	show_shape(found, sizeof found, entry->shape, entry->rank);
	if (rank > 0 && !shape_fits(entry, rank, shape)) {
		show_shape(wanted, sizeof wanted, shape, rank);
		return vita_fail(err, VITA_E_SHAPE, "%s: tensor \"%s\" must have the shape %s, but has %s",
		                 path, vita_show(shown, name), wanted, found);
	}
	if (entry->rank > VITA_MAX_RANK)
		return vita_fail(err, VITA_E_UNSUPPORTED,
		                 "%s: tensor \"%s\" has %u dimensions; at most %d can be used", path,
		                 vita_show(shown, name), (unsigned)entry->rank, VITA_MAX_RANK);
	if (!is_usable(entry))
		return vita_fail(err, VITA_E_UNSUPPORTED,
		                 "%s: tensor \"%s\" is of type %s, which cannot be used; "
		                 "F32, F16, BF16, I32, U8, Q8_0, Q4_0, Q4_1, Q4_K and Q6_K can",
		                 path, vita_show(shown, name), vita_show(type, entry->type));
	vita_status status = want_data(model, entry, err);
	if (status == VITA_OK) fill_array(entry, out);
	return status;
}
