/* SPDX-License-Identifier: MIT
 *
 * Writing safetensors. Tensors lie in the order of falling element size, then name, and the header is
 * padded so that they begin at a multiple of 64 bytes: every one of them is aligned when mapped.
 */
#include "files/safetensors_write.h"

#include "files/json.h"
#include "files/map.h"

#include <inttypes.h>
#include <stdlib.h>

#define DATA_ALIGNMENT 64u
#define MAX_HEADER_BYTES 100000000u
#define METADATA_KEY "__metadata__"

static const char *type_name(uint32_t dtype)
{
	switch (dtype) {
	case VITA_F32: return "F32";
	case VITA_F16: return "F16";
	case VITA_BF16: return "BF16";
	case VITA_I32: return "I32";
	case VITA_U8: return "U8";
	default: return NULL;
	}
}

static vita_status fail_memory(const char *path, vita_error *err)
{
	return vita_fail(err, VITA_E_NOMEM, "%s: out of memory", path);
}

static vita_status check_array(const char *path, const vita_array *array, vita_error *err)
{
	vita_shown shown;
	uint64_t n = 1;

	if (!array->name || array->name[0] == '\0' || strcmp(array->name, METADATA_KEY) == 0)
		return vita_fail(err, VITA_E_INVALID, "%s: every tensor needs a name of its own", path);
	if (!vita_is_utf8(array->name, strlen(array->name)))
		return vita_fail(err, VITA_E_INVALID, "%s: the name of a tensor is not UTF-8", path);
	vita_show(shown, array->name);
	if (!type_name(array->dtype))
		return vita_fail(err, VITA_E_UNSUPPORTED,
		                 "%s: tensor \"%s\" is of type %s, which safetensors files do not "
		                 "know; f32, f16, bf16, i32 and u8 can be written",
		                 path, shown, vita_dtype_name(array->dtype));
	if (array->rank > VITA_MAX_RANK)
		return vita_fail(err, VITA_E_SHAPE,
		                 "%s: tensor \"%s\" has %u dimensions; at most %d are possible", path, shown,
		                 (unsigned)array->rank, VITA_MAX_RANK);
	for (uint32_t i = 0; i < array->rank; i++) {
		uint64_t size = (uint64_t)array->shape[i];
		if (array->shape[i] < 0 || (size > 0 && n > (uint64_t)INT64_MAX / 4 / size))
			return vita_fail(err, VITA_E_SHAPE, "%s: tensor \"%s\" has an impossible shape", path,
			                 shown);
		n *= size;
	}
	if (n * vita_dtype_bytes(array->dtype) != array->size_bytes)
		return vita_fail(err, VITA_E_SHAPE,
		                 "%s: tensor \"%s\" has %" PRIu64
		                 " bytes, but its shape and type make %" PRIu64,
		                 path, shown, array->size_bytes, n * vita_dtype_bytes(array->dtype));
	return VITA_OK;
}

static int compare_arrays(const void *a, const void *b)
{
	const vita_array *x = *(const vita_array *const *)a, *y = *(const vita_array *const *)b;
	uint32_t bytes_x = vita_dtype_bytes(x->dtype), bytes_y = vita_dtype_bytes(y->dtype);
	if (bytes_x != bytes_y) return bytes_x > bytes_y ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* {"dtype": …, "shape": […], "data_offsets": [begin, end]}; NULL when memory is out. Not json_pack,
 * which then writes cut texts without a word. */
static json_t *describe(const vita_array *array, uint64_t begin)
{
	json_t *info = json_object(), *shape = json_array(), *offsets = json_array();
	int failed = json_object_set_new(info, "dtype", json_string(type_name(array->dtype)));

	failed |= json_object_set_new(info, "shape", shape) |
	          json_object_set_new(info, "data_offsets", offsets);
	for (uint32_t i = 0; i < array->rank && !failed; i++)
		failed = json_array_append_new(shape, json_integer(array->shape[i]));
	if (!failed) failed = json_array_append_new(offsets, json_integer((json_int_t)begin));
	if (!failed)
		failed =
			json_array_append_new(offsets, json_integer((json_int_t)(begin + array->size_bytes)));
	if (!failed) return info;
	json_decref(info);
	return NULL;
}

static vita_status put_metadata(json_t *header, const char *path, const char *const *metadata, uint32_t n,
                                vita_error *err)
{
	json_t *object = json_object();
	if (!object || json_object_set_new(header, METADATA_KEY, object) != 0) return fail_memory(path, err);
	for (uint32_t i = 0; i < n; i++) {
		const char *key = metadata[2 * i], *value = metadata[2 * i + 1];
		if (!vita_is_utf8(key, strlen(key)) || !vita_is_utf8(value, strlen(value)))
			return vita_fail(err, VITA_E_INVALID, "%s: metadata entry %u is not UTF-8", path,
			                 (unsigned)i);
		if (json_object_set_new(object, key, json_string(value)) != 0) return fail_memory(path, err);
	}
	return VITA_OK;
}

static vita_status put_tensors(json_t *header, const char *path, const vita_array *const *order, uint64_t n,
                               vita_error *err)
{
	vita_shown shown;
	uint64_t begin = 0;
	for (uint64_t i = 0; i < n; i++) {
		vita_show(shown, order[i]->name);
		if (json_object_get(header, order[i]->name))
			return vita_fail(err, VITA_E_INVALID, "%s: two tensors are named \"%s\"", path,
			                 shown);
		if (order[i]->size_bytes > (uint64_t)INT64_MAX - begin)
			return vita_fail(err, VITA_E_INVALID, "%s: the tensors are too large for one file",
			                 path);
		if (json_object_set_new(header, order[i]->name, describe(order[i], begin)) != 0)
			return fail_memory(path, err);
		begin += order[i]->size_bytes;
	}
	return VITA_OK;
}

static vita_status write_header(vita_file *file, const char *path, const char *text, vita_error *err)
{
	unsigned char prefix[8], spaces[DATA_ALIGNMENT];
	size_t length = strlen(text),
	       padding = (DATA_ALIGNMENT - (8 + length) % DATA_ALIGNMENT) % DATA_ALIGNMENT;
	uint64_t total = length + padding;

	if (total > MAX_HEADER_BYTES)
		return vita_fail(err, VITA_E_INVALID, "%s: has too many tensors for one safetensors file",
		                 path);
	memset(spaces, ' ', sizeof spaces);
	for (int i = 0; i < 8; i++) prefix[i] = (unsigned char)(total >> 8 * i);
	vita_status status = vita_file_write(file, prefix, sizeof prefix, err);
	if (status == VITA_OK) status = vita_file_write(file, text, length, err);
	if (status == VITA_OK) status = vita_file_write(file, spaces, padding, err);
	return status;
}

static vita_status begin(const char *path, const char *text, vita_file **file, vita_error *err)
{
	vita_status status = vita_file_create(path, file, err);
	if (status == VITA_OK) status = write_header(*file, path, text, err);
	if (status == VITA_OK || !*file) return status;
	vita_file_discard(*file);
	*file = NULL;
	return status;
}

vita_status vita_safetensors_begin(const char *path, const vita_array **tensors, uint64_t n_tensors,
                                   const char *const *metadata, uint32_t n_metadata, vita_file **file,
                                   vita_error *err)
{
	vita_status status = VITA_OK;
	char *text = NULL;
	json_t *header = json_object();

	*file = NULL;
	if (!header) status = fail_memory(path, err);
	for (uint64_t i = 0; i < n_tensors && status == VITA_OK; i++)
		status = check_array(path, tensors[i], err);
	if (status == VITA_OK && n_metadata > 0)
		status = put_metadata(header, path, metadata, n_metadata, err);
	if (status == VITA_OK) {
		qsort(tensors, n_tensors, sizeof *tensors, compare_arrays);
		status = put_tensors(header, path, tensors, n_tensors, err);
	}
	if (status == VITA_OK) {
		text = json_dumps(header, JSON_COMPACT);
		status = text ? begin(path, text, file, err) : fail_memory(path, err);
	}
	free(text);
	json_decref(header);
	return status;
}

static vita_status check_data(const char *path, const vita_array *array, vita_error *err)
{
	vita_shown shown;
	if (array->size_bytes == 0 || array->data) return VITA_OK;
	return vita_fail(err, VITA_E_SHAPE, "%s: tensor \"%s\" has no data", path,
	                 vita_show(shown, array->name ? array->name : ""));
}

vita_status vita_safetensors_write(const char *path, const vita_array *arrays, uint64_t n_arrays,
                                   const char *const *metadata, uint32_t n_metadata, vita_error *err)
{
	vita_status status = VITA_OK;
	vita_file *file = NULL;
	const vita_array **order = NULL;

	if (n_arrays < SIZE_MAX / sizeof *order) order = malloc((size_t)(n_arrays + 1) * sizeof *order);
	if (!order) return fail_memory(path, err);
	for (uint64_t i = 0; i < n_arrays && status == VITA_OK; i++) {
		order[i] = &arrays[i];
		status = check_data(path, order[i], err);
	}
	if (status == VITA_OK)
		status = vita_safetensors_begin(path, order, n_arrays, metadata, n_metadata, &file, err);
	for (uint64_t i = 0; i < n_arrays && status == VITA_OK; i++)
		status = vita_file_write(file, order[i]->data, order[i]->size_bytes, err);
	if (status == VITA_OK) status = vita_file_commit(file, err);
	else vita_file_discard(file);
	free(order);
	return status;
}
