/* SPDX-License-Identifier: MIT
 *
 * PyTorch checkpoints (.pt): a zip archive of stored members, one of which, data.pkl, is a pickled state dict, and the
 * others the bytes of its storages. The pickle is read as inert values (pickle.h); tensors are used where they lie.
 *
 * A tensor is a view of a storage: offset, sizes and strides. Those whose elements do not lie in row-major order are
 * copied into order; all copies together are never larger than the file.
 */
#include "files/model.h"
#include "files/pickle.h"
#include "files/zip.h"

#include <inttypes.h>
#include <stdlib.h>

#define MAX_RANK 8u
#define PICKLE_NAME "/data.pkl"
#define STORED "torch.save (PyTorch 1.6 or later)"

static const char *const allowed[] = {
	"torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_parameter",
	"torch FloatStorage", "torch HalfStorage", "torch BFloat16Storage", "torch DoubleStorage", "torch LongStorage",
	"torch IntStorage", "torch ShortStorage", "torch CharStorage", "torch ByteStorage", "torch BoolStorage",
	NULL,
};

/* Types have the names that safetensors gives them. */
static const struct storage_type {
	const char *global, *name;
	uint32_t bytes, dtype;
} storage_types[] = {
	{ "torch FloatStorage", "F32", 4, VITA_F32 },
	{ "torch HalfStorage", "F16", 2, VITA_F16 },
	{ "torch BFloat16Storage", "BF16", 2, VITA_BF16 },
	{ "torch DoubleStorage", "F64", 8, VITA_DTYPE_NONE },
	{ "torch LongStorage", "I64", 8, VITA_DTYPE_NONE },
	{ "torch IntStorage", "I32", 4, VITA_I32 },
	{ "torch ShortStorage", "I16", 2, VITA_DTYPE_NONE },
	{ "torch CharStorage", "I8", 1, VITA_DTYPE_NONE },
	{ "torch ByteStorage", "U8", 1, VITA_U8 },
	{ "torch BoolStorage", "BOOL", 1, VITA_DTYPE_NONE },
};

/* As torch.save wrote it before 1.6: no archive, but pickles one behind the other. */
static const unsigned char legacy_magic[] = { 0x80, 2, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19 };

typedef struct reading {
	vita_model *model;
	uint32_t file;
	const char *path;
	const vita_zip *zip;
	const char *root; /* the archive's one folder */
	size_t root_size;
	uint64_t copied, copy_limit; /* bytes of tensors brought into order */
	vita_error *err;
} reading;

static bool matches(const unsigned char *head, size_t size)
{
	if (size >= sizeof legacy_magic && memcmp(head, legacy_magic, sizeof legacy_magic) == 0) return true;
	return size >= 4 && (memcmp(head, "PK\3\4", 4) == 0 || memcmp(head, "PK\5\6", 4) == 0);
}

static vita_status fail_tensor(const reading *r, const char *name, const char *what)
{
	vita_shown shown;
	return vita_fail(r->err, VITA_E_FORMAT, "%s: tensor \"%s\": %s", r->path, vita_show(shown, name), what);
}

/* ---- storages ------------------------------------------------------------------------------------ */

typedef struct storage {
	const struct storage_type *type;
	const unsigned char *data;
	uint64_t n; /* elements */
} storage;

static const vita_zip_member *find_member(const reading *r, const char *rest)
{
	char name[400];
	int n = snprintf(name, sizeof name, "%.*s%s", (int)r->root_size, r->root, rest);
	return n > 0 && (size_t)n < sizeof name ? vita_zip_find(r->zip, name, (size_t)n) : NULL;
}

/* ("storage", a storage type, its key, the device it was on, its elements). */
static vita_status find_storage(const reading *r, const char *name, const vita_pickle_value *value, storage *out)
{
	static const uint32_t kinds[] = { VITA_PICKLE_TEXT, VITA_PICKLE_GLOBAL, VITA_PICKLE_TEXT, VITA_PICKLE_TEXT, VITA_PICKLE_INT };
	char rest[160];
	if (value->kind != VITA_PICKLE_PERSISTENT) return fail_tensor(r, name, "has no storage");
	const vita_pickle_value *id = value->as.items[0];
	bool is_sound = id->kind == VITA_PICKLE_TUPLE && id->n == 5;
	for (uint32_t i = 0; is_sound && i < 5; i++) is_sound = id->as.items[i]->kind == kinds[i];
	if (!is_sound || strcmp(id->as.items[0]->as.text, "storage") != 0)
		return fail_tensor(r, name, "its storage is not described as PyTorch does it");
	out->type = NULL;
	for (size_t i = 0; i < sizeof storage_types / sizeof storage_types[0]; i++)
		if (strcmp(id->as.items[1]->as.text, storage_types[i].global) == 0) out->type = &storage_types[i];
	if (!out->type) return fail_tensor(r, name, "its storage is of no known type");
	if (id->as.items[2]->n > 100) return fail_tensor(r, name, "its storage has too long a name");
	(void)snprintf(rest, sizeof rest, "/data/%s", id->as.items[2]->as.text);
	const vita_zip_member *member = find_member(r, rest);
	if (!member) return fail_tensor(r, name, "its storage is not in the archive");
	if (id->as.items[4]->as.number < 0 || (uint64_t)id->as.items[4]->as.number > member->size / out->type->bytes)
		return fail_tensor(r, name, "its storage claims more elements than the archive holds; it may be truncated");
	out->data = member->data;
	out->n = (uint64_t)id->as.items[4]->as.number;
	return VITA_OK;
}

/* ---- views --------------------------------------------------------------------------------------- */

typedef struct view {
	uint32_t rank;
	int64_t shape[MAX_RANK], stride[MAX_RANK]; /* in elements */
	int64_t offset;
	uint64_t n_values;
} view;

static bool read_sizes(const vita_pickle_value *tuple, uint32_t rank, int64_t *out)
{
	if (tuple->kind != VITA_PICKLE_TUPLE || tuple->n != rank) return false;
	for (uint32_t i = 0; i < rank; i++) {
		if (tuple->as.items[i]->kind != VITA_PICKLE_INT || tuple->as.items[i]->as.number < 0) return false;
		out[i] = tuple->as.items[i]->as.number;
	}
	return true;
}

/* The last element must lie within the storage. */
static bool fits(const view *v, uint64_t n)
{
	uint64_t last = (uint64_t)v->offset;
	if (v->n_values == 0) return last <= n;
	for (uint32_t i = 0; i < v->rank; i++) {
		uint64_t reach;
		if (__builtin_mul_overflow((uint64_t)v->shape[i] - 1, (uint64_t)v->stride[i], &reach)) return false;
		if (__builtin_add_overflow(last, reach, &last)) return false;
	}
	return last < n;
}

static bool is_row_major(const view *v)
{
	int64_t step = 1;
	if (v->n_values == 0) return true;
	for (uint32_t i = v->rank; i-- > 0; step *= v->shape[i])
		if (v->shape[i] > 1 && v->stride[i] != step) return false;
	return true;
}

/* Arguments of _rebuild_tensor_v2: storage, offset, sizes, strides, requires_grad, hooks[, metadata]. */
static vita_status read_view(const reading *r, const char *name, const vita_pickle_value *arguments, const storage *s, view *v)
{
	vita_pickle_value *const *item = arguments->as.items;
	v->rank = item[2]->n;
	if (item[1]->kind != VITA_PICKLE_INT || item[1]->as.number < 0 || item[2]->kind != VITA_PICKLE_TUPLE)
		return fail_tensor(r, name, "its offset and shape are not described as PyTorch does it");
	if (v->rank > MAX_RANK) return fail_tensor(r, name, "has more than 8 dimensions");
	v->offset = item[1]->as.number;
	if (!read_sizes(item[2], v->rank, v->shape)) return fail_tensor(r, name, "its shape must be integers of 0 or more");
	if (!read_sizes(item[3], v->rank, v->stride))
		return fail_tensor(r, name, "its strides must be as many integers of 0 or more as it has dimensions");
	for (uint32_t i = 0; i < v->rank; i++) /* never taken, and so it may be any number */
		if (v->shape[i] == 1) v->stride[i] = 0;
	if (!vita_shape_count(v->shape, v->rank, &v->n_values)) return fail_tensor(r, name, "the product of its shape is too large");
	if (!fits(v, s->n)) return fail_tensor(r, name, "reaches outside its storage");
	if (v->n_values > s->n) return fail_tensor(r, name, "has more elements than its storage");
	return VITA_OK;
}

/* The elements one after the other in row-major order. */
static void gather(const view *v, const unsigned char *from, unsigned char *to, uint32_t bytes)
{
	int64_t index[MAX_RANK] = { 0 }, at = v->offset;
	for (uint64_t n = 0; n < v->n_values; n++, to += bytes) {
		memcpy(to, from + (uint64_t)at * bytes, bytes);
		for (uint32_t i = v->rank; i-- > 0;) {
			at += v->stride[i];
			if (++index[i] < v->shape[i]) break;
			at -= v->stride[i] * v->shape[i];
			index[i] = 0;
		}
	}
}

static vita_status place(reading *r, const char *name, const view *v, const storage *s, vita_model_entry *entry)
{
	entry->data = s->data + (uint64_t)v->offset * s->type->bytes;
	if (is_row_major(v)) return VITA_OK;
	if (entry->size_bytes > r->copy_limit - r->copied)
		return fail_tensor(r, name, "tensors that are not in order take more room than the whole file");
	unsigned char *copy = vita_arena_alloc(&r->model->arena, entry->size_bytes);
	if (!copy) return vita_fail(r->err, VITA_E_NOMEM, "%s: out of memory", r->path);
	r->copied += entry->size_bytes;
	gather(v, s->data, copy, s->type->bytes);
	entry->data = copy;
	return VITA_OK;
}

/* ---- the state dict ------------------------------------------------------------------------------ */

static bool is_call(const vita_pickle_value *value, const char *callee, uint32_t least, uint32_t most)
{
	if (value->kind != VITA_PICKLE_CALL || strcmp(value->as.items[0]->as.text, callee) != 0) return false;
	return value->as.items[1]->n >= least && value->as.items[1]->n <= most;
}

/* The arguments of the call that makes a tensor, be it wrapped as a parameter; NULL for other values. */
static const vita_pickle_value *tensor_arguments(const vita_pickle_value *value)
{
	if (is_call(value, "torch._utils _rebuild_parameter", 3, 3)) value = value->as.items[1]->as.items[0];
	return is_call(value, "torch._utils _rebuild_tensor_v2", 6, 7) ? value->as.items[1] : NULL;
}

static vita_status add_tensor(reading *r, const char *name, const vita_pickle_value *arguments)
{
	storage s = { NULL, NULL, 0 };
	view v = { .rank = 0 };
	vita_status status = find_storage(r, name, arguments->as.items[0], &s);
	if (status == VITA_OK) status = read_view(r, name, arguments, &s, &v);
	if (status != VITA_OK) return status;
	vita_model_entry entry = { .name = name, .type = s.type->name, .shape = v.shape, .rank = v.rank, .dtype = s.type->dtype,
		                   .n_values = v.n_values, .size_bytes = v.n_values * s.type->bytes, .file = r->file };
	status = place(r, name, &v, &s, &entry);
	return status == VITA_OK ? vita_model_add_tensor(r->model, &entry, r->err) : status;
}

/* Some trainers put the state dict beside other things. */
static const vita_pickle_value *unwrap(const vita_pickle_value *top)
{
	static const char *const wrappers[] = { "state_dict", "model" };
	for (size_t i = 0; i < sizeof wrappers / sizeof wrappers[0]; i++) {
		const vita_pickle_value *inner = vita_pickle_get(top, wrappers[i]);
		if (inner && inner->kind == VITA_PICKLE_DICT) return inner;
	}
	return top;
}

static vita_status add_tensors(reading *r, const vita_pickle_value *top)
{
	vita_status status = VITA_OK;
	size_t first = r->model->n_entries;
	if (top->kind != VITA_PICKLE_DICT)
		return vita_fail(r->err, VITA_E_FORMAT, "%s: holds no state dict, but something else", r->path);
	top = unwrap(top);
	for (uint32_t i = 0; i < top->n && status == VITA_OK; i += 2) {
		const vita_pickle_value *key = top->as.items[i], *arguments = tensor_arguments(top->as.items[i + 1]);
		if (!arguments) continue; /* a step count, an optimizer's settings */
		if (key->kind != VITA_PICKLE_TEXT)
			return vita_fail(r->err, VITA_E_FORMAT, "%s: has a tensor whose name is no text", r->path);
		status = add_tensor(r, key->as.text, arguments);
	}
	if (status == VITA_OK && r->model->n_entries == first)
		return vita_fail(r->err, VITA_E_FORMAT, "%s: its state dict holds no tensors", r->path);
	return status;
}

/* ---- the archive --------------------------------------------------------------------------------- */

/* The pickle lies in the archive's one folder, whatever that is called. */
static vita_status find_root(reading *r, const vita_zip_member **pickle)
{
	const size_t tail = sizeof PICKLE_NAME - 1;
	*pickle = NULL;
	for (size_t i = 0; i < r->zip->n_members; i++) {
		const vita_zip_member *m = &r->zip->members[i];
		if (m->name_size <= tail || memcmp(m->name + m->name_size - tail, PICKLE_NAME, tail) != 0) continue;
		if (memchr(m->name, '/', m->name_size - tail)) continue;
		if (*pickle) return vita_fail(r->err, VITA_E_FORMAT, "%s: has more than one folder with a data.pkl", r->path);
		*pickle = m;
		r->root = m->name;
		r->root_size = m->name_size - tail;
	}
	if (!*pickle)
		return vita_fail(r->err, VITA_E_FORMAT, "%s: is a zip archive without a data.pkl in its folder, and so no "
		                 "checkpoint of " STORED, r->path);
	if (find_member(r, "/constants.pkl"))
		return vita_fail(r->err, VITA_E_UNSUPPORTED, "%s: is a TorchScript program; the state dict alone is needed", r->path);
	const vita_zip_member *order = find_member(r, "/byteorder");
	if (order && (order->size < 6 || memcmp(order->data, "little", 6) != 0))
		return vita_fail(r->err, VITA_E_UNSUPPORTED, "%s: was written on a big-endian machine; a little-endian one's is needed",
		                 r->path);
	return VITA_OK;
}

static vita_status read_pickle(reading *r, const vita_zip_member *pickle)
{
	char origin[512];
	vita_arena arena = { NULL };
	vita_pickle_value *top;
	(void)snprintf(origin, sizeof origin, "%s, data.pkl", r->path);
	vita_status status = vita_pickle_read(pickle->data, pickle->size, origin, allowed, &arena, &top, r->err);
	if (status == VITA_OK) status = add_tensors(r, top);
	vita_arena_free(&arena);
	return status;
}

static vita_status read_checkpoint(vita_model *model, uint32_t file, vita_error *err)
{
	const vita_map *map = &model->files[file].map;
	const vita_zip_member *pickle;
	vita_zip zip = { NULL, 0 };
	reading r = { .model = model, .file = file, .path = model->files[file].path, .zip = &zip, .copy_limit = map->size,
		      .err = err };
	if (map->size >= sizeof legacy_magic && memcmp(map->data, legacy_magic, sizeof legacy_magic) == 0)
		return vita_fail(err, VITA_E_UNSUPPORTED, "%s: is a legacy PyTorch file, a pickle without an archive; load it in "
		                 "PyTorch and save it again, as " STORED " does", r.path);
	vita_status status = vita_zip_open(map, r.path, &zip, err);
	if (status == VITA_OK) status = find_root(&r, &pickle);
	if (status == VITA_OK) status = read_pickle(&r, pickle);
	vita_zip_close(&zip);
	return status;
}

const vita_model_format vita_format_checkpoint = { "PyTorch checkpoint", matches, read_checkpoint };
