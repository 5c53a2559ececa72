/* SPDX-License-Identifier: MIT
 *
 * Reading safetensors: 8 bytes of header length (little-endian), a JSON header that gives for each
 * tensor its dtype, shape and data_offsets [begin, end), then the tensors' bytes.
 *
 * As the published format has it, tensors cover the bytes after the header completely and once: files
 * with overlaps, holes or bytes at the end are refused, for what they hide may be anything.
 */
#include "files/model.h"

#include <inttypes.h>
#include <stdlib.h>

#define MAX_HEADER_BYTES 100000000u /* the format's own limit */
#define METADATA_KEY "__metadata__"

static const struct stored_type {
	const char *name;
	uint32_t bits;
	uint32_t dtype;
} stored_types[] = {
	{ "F32", 32, VITA_F32 },
	{ "BF16", 16, VITA_BF16 },
	{ "F16", 16, VITA_F16 },
	{ "I32", 32, VITA_I32 },
	{ "U8", 8, VITA_U8 },
	{ "BOOL", 8, VITA_DTYPE_NONE },
	{ "I8", 8, VITA_DTYPE_NONE },
	{ "I16", 16, VITA_DTYPE_NONE },
	{ "U16", 16, VITA_DTYPE_NONE },
	{ "U32", 32, VITA_DTYPE_NONE },
	{ "I64", 64, VITA_DTYPE_NONE },
	{ "U64", 64, VITA_DTYPE_NONE },
	{ "F64", 64, VITA_DTYPE_NONE },
	{ "C64", 64, VITA_DTYPE_NONE },
	{ "F8_E4M3", 8, VITA_DTYPE_NONE },
	{ "F8_E5M2", 8, VITA_DTYPE_NONE },
	{ "F8_E8M0", 8, VITA_DTYPE_NONE },
	{ "F6_E2M3", 6, VITA_DTYPE_NONE },
	{ "F6_E3M2", 6, VITA_DTYPE_NONE },
	{ "F4", 4, VITA_DTYPE_NONE },
};

/* One file being read. */
typedef struct reading {
	vita_model *model;
	uint32_t file;
	const char *path;
	const unsigned char *data; /* after the header */
	uint64_t data_size;
	int64_t *shape; /* of the tensor at hand */
	size_t shape_capacity;
	vita_error *err;
} reading;

static bool matches(const unsigned char *head, size_t size)
{
	return size >= 9 && head[7] == 0 && head[6] == 0 && head[5] == 0 && head[8] == '{';
}

/* ---- header -------------------------------------------------------------------------------------- */

static vita_status read_header(const vita_map *map, const char *path, json_t **header, uint64_t *end,
                               vita_error *err)
{
	uint64_t length = 0;
	char origin[512];

	if (map->size < 8)
		return vita_fail(err, VITA_E_FORMAT,
		                 "%s: has %zu bytes; a safetensors file begins with 8 bytes of header "
		                 "length",
		                 path, map->size);
	for (int i = 7; i >= 0; i--) length = length << 8 | map->data[i];
	if (length > map->size - 8)
		return vita_fail(err, VITA_E_FORMAT,
		                 "%s: claims a header of %" PRIu64 " bytes, but only %zu follow; it is "
		                 "truncated or no safetensors file",
		                 path, length, map->size - 8);
	if (length > MAX_HEADER_BYTES)
		return vita_fail(err, VITA_E_FORMAT,
		                 "%s: has a header of %" PRIu64 " bytes; at most %u are allowed", path,
		                 length, MAX_HEADER_BYTES);
	if (length < 2 || map->data[8] != '{')
		return vita_fail(err, VITA_E_FORMAT,
		                 "%s: its header does not begin with '{'; it is no safetensors file", path);
	(void)snprintf(origin, sizeof origin, "%s, header", path);
	*end = 8 + length;
	return vita_json_parse((const char *)map->data + 8, (size_t)length, origin, header, err);
}

static vita_status read_metadata(reading *r, json_t *metadata)
{
	const char *key;
	json_t *value;
	vita_shown shown;

	if (!json_is_object(metadata))
		return vita_fail(r->err, VITA_E_FORMAT, "%s: " METADATA_KEY " must be an object, but is %s",
		                 r->path, vita_json_kind(metadata));
	json_object_foreach (metadata, key, value) {
		if (json_is_string(value)) {
			vita_status status = vita_model_add_metadata(r->model, key, json_string_value(value), r->err);
			if (status != VITA_OK) return status;
			continue;
		}
		return vita_fail(r->err, VITA_E_FORMAT,
		                 "%s: " METADATA_KEY " entry \"%s\" must be a text, but is %s", r->path,
		                 vita_show(shown, key), vita_json_kind(value));
	}
	if (r->model->is_directory) return VITA_OK;
	return vita_model_set_document(r->model, VITA_CONFIG_MODEL, r->path, metadata, true, r->err);
}

/* ---- tensors ------------------------------------------------------------------------------------- */

static vita_status fail_tensor(const reading *r, const char *name, const char *what)
{
	vita_shown shown;
	return vita_fail(r->err, VITA_E_FORMAT, "%s: tensor \"%s\": %s", r->path, vita_show(shown, name),
	                 what);
}

static vita_status read_shape(reading *r, const char *name, const json_t *shape, vita_model_entry *entry)
{
	size_t rank = json_array_size(shape);
	if (!json_is_array(shape) || rank > UINT32_MAX / 2)
		return fail_tensor(r, name, "its shape must be a list of integers");
	if (rank > r->shape_capacity) {
		int64_t *grown = realloc(r->shape, 2 * rank * sizeof *grown);
		if (!grown) return vita_fail(r->err, VITA_E_NOMEM, "%s: out of memory", r->path);
		r->shape = grown;
		r->shape_capacity = 2 * rank;
	}
	for (size_t i = 0; i < rank; i++) {
		const json_t *size = json_array_get(shape, i);
		if (!json_is_integer(size) || json_integer_value(size) < 0)
			return fail_tensor(r, name,
			                   "its shape holds something else than integers of 0 or more");
		r->shape[i] = json_integer_value(size);
	}
	entry->shape = r->shape;
	entry->rank = (uint32_t)rank;
	if (!vita_shape_count(entry->shape, rank, &entry->n_values))
		return fail_tensor(r, name, "the product of its shape is too large");
	return VITA_OK;
}

static vita_status read_offsets(reading *r, const char *name, const json_t *offsets, vita_model_entry *entry)
{
	vita_shown shown;
	const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);

	if (!json_is_array(offsets) || json_array_size(offsets) != 2 || !json_is_integer(begin) ||
	    !json_is_integer(end))
		return fail_tensor(r, name, "its data_offsets must be a list of two integers");
	int64_t first = json_integer_value(begin), last = json_integer_value(end);
	if (first < 0 || last < first)
		return fail_tensor(r, name, "its data_offsets must be 0 or more and rise");
	if ((uint64_t)last > r->data_size)
		return vita_fail(r->err, VITA_E_FORMAT,
		                 "%s: tensor \"%s\": its data ends at byte %" PRId64 ", but the file "
		                 "has only %" PRIu64 " bytes of data; it may be truncated",
		                 r->path, vita_show(shown, name), last, r->data_size);
	entry->data = r->data + first;
	entry->size_bytes = (uint64_t)(last - first);
	return VITA_OK;
}

/* Types that are not known are listed: what they mean may be decided by a later format. */
static vita_status check_type(const reading *r, vita_model_entry *entry)
{
	vita_shown shown;
	uint32_t bits = 0;

	entry->dtype = VITA_DTYPE_NONE;
	for (size_t i = 0; i < sizeof stored_types / sizeof stored_types[0]; i++) {
		if (strcmp(stored_types[i].name, entry->type) != 0) continue;
		bits = stored_types[i].bits;
		entry->dtype = stored_types[i].dtype;
	}
	if (bits == 0) return VITA_OK;
	if (entry->n_values > UINT64_MAX / bits || entry->n_values * bits % 8 != 0)
		return fail_tensor(r, entry->name, "its shape makes no possible number of bytes");
	uint64_t needed = entry->n_values * bits / 8;
	if (needed == entry->size_bytes) return VITA_OK;
	return vita_fail(r->err, VITA_E_FORMAT,
	                 "%s: tensor \"%s\": its shape and type %s make %" PRIu64 " bytes, but its "
	                 "data_offsets span %" PRIu64,
	                 r->path, vita_show(shown, entry->name), entry->type, needed, entry->size_bytes);
}

static vita_status read_tensor(reading *r, const char *name, json_t *info)
{
	vita_model_entry entry = { .name = name, .file = r->file };
	if (!json_is_object(info))
		return fail_tensor(r, name,
		                   "its description must be an object with dtype, shape and data_offsets");
	entry.type = json_string_value(json_object_get(info, "dtype"));
	if (!entry.type) return fail_tensor(r, name, "its dtype must be a text");
	vita_status status = read_shape(r, name, json_object_get(info, "shape"), &entry);
	if (status == VITA_OK) status = read_offsets(r, name, json_object_get(info, "data_offsets"), &entry);
	if (status == VITA_OK) status = check_type(r, &entry);
	if (status == VITA_OK) status = vita_model_add_tensor(r->model, &entry, r->err);
	return status;
}

/* ---- coverage ------------------------------------------------------------------------------------ */

static int compare_places(const void *a, const void *b)
{
	const vita_model_entry *x = *(const vita_model_entry *const *)a,
			       *y = *(const vita_model_entry *const *)b;
	if (x->data != y->data) return x->data < y->data ? -1 : 1;
	return x->size_bytes < y->size_bytes ? -1 : x->size_bytes > y->size_bytes;
}

static vita_status check_coverage(const reading *r, size_t first_entry)
{
	size_t n = r->model->n_entries - first_entry;
	const unsigned char *covered = r->data;
	vita_status status = VITA_OK;
	vita_shown shown;

	const vita_model_entry **places = malloc((n + 1) * sizeof *places);
	if (!places) return vita_fail(r->err, VITA_E_NOMEM, "%s: out of memory", r->path);
	for (size_t i = 0; i < n; i++) places[i] = &r->model->entries[first_entry + i];
	qsort(places, n, sizeof *places, compare_places);
	for (size_t i = 0; i < n && status == VITA_OK; i++) {
		if (places[i]->data != covered)
			status = vita_fail(
				r->err, VITA_E_FORMAT,
				"%s: tensor \"%s\" begins at byte %td of the data, but the "
				"tensors before it end at byte %td; overlaps and gaps are not allowed",
				r->path, vita_show(shown, places[i]->name), places[i]->data - r->data,
				covered - r->data);
		covered = places[i]->data + places[i]->size_bytes;
	}
	free(places);
	if (status == VITA_OK && (uint64_t)(covered - r->data) != r->data_size)
		status = vita_fail(r->err, VITA_E_FORMAT,
		                   "%s: its tensors cover %td of %" PRIu64 " bytes of data; the rest "
		                   "belongs to none",
		                   r->path, covered - r->data, r->data_size);
	return status;
}

static vita_status read_safetensors(vita_model *model, uint32_t file, vita_error *err)
{
	reading r = { .model = model, .file = file, .path = model->files[file].path, .err = err };
	const vita_map *map = &model->files[file].map;
	size_t first_entry = model->n_entries;
	uint64_t end = 0;
	json_t *header = NULL, *value;
	const char *key;

	vita_status status = read_header(map, r.path, &header, &end, err);
	if (status != VITA_OK) return status;
	r.data = map->data + end;
	r.data_size = map->size - end;
	json_object_foreach (header, key, value) {
		bool is_metadata = strcmp(key, METADATA_KEY) == 0;
		status = is_metadata ? read_metadata(&r, value) : read_tensor(&r, key, value);
		if (status != VITA_OK) break;
	}
	if (status == VITA_OK) status = check_coverage(&r, first_entry);
	free(r.shape);
	json_decref(header);
	return status;
}

const vita_model_format vita_format_safetensors = { "safetensors", matches, read_safetensors };
