/* SPDX-License-Identifier: MIT
 *
 * Taking GGUF files apart: "GGUF", version, number of tensors and of metadata values, the values, the
 * tensors' descriptions, and, from the next multiple of the alignment on, the tensors' bytes.
 *
 * Files of strangers: no number is believed before it is held against the bytes that are left, so that memory
 * grows with the file and not with what it claims.
 */
#include "files/gguf.h"

#include "files/json.h"

#include <inttypes.h>
#include <stdlib.h>

#define MAX_NESTED 8u
#define MAX_ALIGNMENT (1u << 20)
#define LEAST_VALUE_BYTES 13u  /* an empty key, a type, one byte */
#define LEAST_TENSOR_BYTES 24u /* an empty name, no dimensions, type and offset */

static const vita_gguf_type types[] = {
	{ "F32", 0, 1, 4, VITA_F32 },
	{ "F16", 1, 1, 2, VITA_F16 },
	{ "Q4_0", 2, 32, 18, VITA_Q4_0 },
	{ "Q4_1", 3, 32, 20, VITA_Q4_1 },
	{ "Q5_0", 6, 32, 22, VITA_DTYPE_NONE },
	{ "Q5_1", 7, 32, 24, VITA_DTYPE_NONE },
	{ "Q8_0", 8, 32, 34, VITA_Q8_0 },
	{ "Q8_1", 9, 32, 36, VITA_DTYPE_NONE },
	{ "Q2_K", 10, 256, 84, VITA_DTYPE_NONE },
	{ "Q3_K", 11, 256, 110, VITA_DTYPE_NONE },
	{ "Q4_K", 12, 256, 144, VITA_Q4_K },
	{ "Q5_K", 13, 256, 176, VITA_DTYPE_NONE },
	{ "Q6_K", 14, 256, 210, VITA_Q6_K },
	{ "Q8_K", 15, 256, 292, VITA_DTYPE_NONE },
	{ "IQ2_XXS", 16, 256, 66, VITA_DTYPE_NONE },
	{ "IQ2_XS", 17, 256, 74, VITA_DTYPE_NONE },
	{ "IQ3_XXS", 18, 256, 98, VITA_DTYPE_NONE },
	{ "IQ1_S", 19, 256, 50, VITA_DTYPE_NONE },
	{ "IQ4_NL", 20, 32, 18, VITA_DTYPE_NONE },
	{ "IQ3_S", 21, 256, 110, VITA_DTYPE_NONE },
	{ "IQ2_S", 22, 256, 82, VITA_DTYPE_NONE },
	{ "IQ4_XS", 23, 256, 136, VITA_DTYPE_NONE },
	{ "I8", 24, 1, 1, VITA_DTYPE_NONE },
	{ "I16", 25, 1, 2, VITA_DTYPE_NONE },
	{ "I32", 26, 1, 4, VITA_I32 },
	{ "I64", 27, 1, 8, VITA_DTYPE_NONE },
	{ "F64", 28, 1, 8, VITA_DTYPE_NONE },
	{ "IQ1_M", 29, 256, 56, VITA_DTYPE_NONE },
	{ "BF16", 30, 1, 2, VITA_BF16 },
	{ "TQ1_0", 34, 256, 54, VITA_DTYPE_NONE },
	{ "TQ2_0", 35, 256, 66, VITA_DTYPE_NONE },
	{ "MXFP4", 39, 32, 17, VITA_DTYPE_NONE },
};
#define N_TYPES (sizeof types / sizeof types[0])

const vita_gguf_type *vita_gguf_type_find(uint32_t number)
{
	for (size_t i = 0; i < N_TYPES; i++)
		if (types[i].number == number) return &types[i];
	return NULL;
}

const vita_gguf_type *vita_gguf_type_of(uint32_t dtype)
{
	for (size_t i = 0; i < N_TYPES; i++)
		if (types[i].dtype == dtype && dtype != VITA_DTYPE_NONE) return &types[i];
	return NULL;
}

bool vita_is_gguf(const unsigned char *head, size_t size)
{
	return size >= 4 && memcmp(head, "GGUF", 4) == 0;
}

/* ---- reading forward ------------------------------------------------------------------------------ */

/* One file being taken apart. `left` bytes follow `at`. */
typedef struct reading {
	vita_gguf *gguf;
	const char *path;
	const unsigned char *start, *at;
	uint64_t left;
	vita_error *err;
} reading;

VITA_PRINTF(2, 3)
static vita_status refuse(const reading *r, const char *format, ...)
{
	char text[400];
	va_list args;
	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	return vita_fail(r->err, VITA_E_FORMAT, "%s: %s", r->path, text);
}

static vita_status fail_memory(const reading *r)
{
	return vita_fail(r->err, VITA_E_NOMEM, "%s: out of memory while opening this model", r->path);
}

static vita_status truncated(const reading *r, const char *where)
{
	return refuse(r, "ends within %s; it is truncated or damaged", where);
}

static bool skip(reading *r, uint64_t size)
{
	if (size > r->left) return false;
	r->at += size;
	r->left -= size;
	return true;
}

static uint64_t little_endian(const unsigned char *bytes, unsigned n)
{
	uint64_t value = 0;
	while (n-- > 0) value = value << 8 | bytes[n];
	return value;
}

static bool take_u32(reading *r, uint32_t *out)
{
	const unsigned char *bytes = r->at;
	if (!skip(r, 4)) return false;
	*out = (uint32_t)little_endian(bytes, 4);
	return true;
}

static bool take_u64(reading *r, uint64_t *out)
{
	const unsigned char *bytes = r->at;
	if (!skip(r, 8)) return false;
	*out = little_endian(bytes, 8);
	return true;
}

static bool take_text(reading *r, vita_gguf_text *out)
{
	if (!take_u64(r, &out->size)) return false;
	out->data = (const char *)r->at;
	return skip(r, out->size);
}

/* Copied, with a NUL behind it: a key or the name of a tensor. */
static vita_status take_name(reading *r, const char *what, const char **out)
{
	vita_gguf_text text;
	if (!take_text(r, &text)) return truncated(r, what);
	if (memchr(text.data, 0, (size_t)text.size) || !vita_is_utf8(text.data, (size_t)text.size))
		return refuse(r, "%s is no UTF-8 text without NULs", what);
	char *copy = vita_arena_alloc(&r->gguf->arena, (size_t)text.size + 1);
	if (!copy) return fail_memory(r);
	memcpy(copy, text.data, (size_t)text.size);
	copy[text.size] = '\0';
	*out = copy;
	return VITA_OK;
}

/* ---- values --------------------------------------------------------------------------------------- */

/* Bytes of a value of fixed size; 0 for texts, lists and unknown types. */
static unsigned fixed_size(uint32_t type)
{
	static const unsigned char sizes[] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };
	return type < sizeof sizes ? sizes[type] : 0;
}

/* Pass over the items of a list, lists in it too. NULL, or what is wrong. */
static const char *skip_list(reading *r, uint32_t type, uint64_t count)
{
	struct {
		uint32_t type;
		uint64_t left;
	} open[MAX_NESTED] = { { type, count } };
	size_t depth = 1;
	vita_gguf_text text;

	while (depth > 0) {
		uint32_t item = open[depth - 1].type;
		uint64_t left = open[depth - 1].left;
		unsigned size = fixed_size(item);
		if (size == 0 && item != VITA_GGUF_STRING && item != VITA_GGUF_LIST)
			return "holds items of a type that is not known";
		if (left == 0 || size > 0) {
			if (left > UINT64_MAX / 8 || !skip(r, left * size))
				return "goes on beyond the end of the file";
			depth--;
			continue;
		}
		open[depth - 1].left--;
		if (item == VITA_GGUF_STRING) {
			if (!take_text(r, &text)) return "goes on beyond the end of the file";
			continue;
		}
		if (depth == MAX_NESTED) return "holds lists in lists in lists, too deep";
		if (!take_u32(r, &open[depth].type) || !take_u64(r, &open[depth].left))
			return "goes on beyond the end of the file";
		depth++;
	}
	return NULL;
}

static vita_status read_value(reading *r, vita_gguf_value *value)
{
	vita_shown shown;
	vita_gguf_text text;
	const char *wrong = NULL;
	vita_status status = take_name(r, "the key of a metadata value", &value->key);
	if (status != VITA_OK) return status;
	if (!take_u32(r, &value->type)) return truncated(r, "its metadata");
	if (value->type == VITA_GGUF_LIST && (!take_u32(r, &value->item_type) || !take_u64(r, &value->count)))
		return truncated(r, "its metadata");
	value->data = r->at;
	unsigned size = fixed_size(value->type);
	if (value->type == VITA_GGUF_LIST) wrong = skip_list(r, value->item_type, value->count);
	else if (value->type == VITA_GGUF_STRING)
		wrong = take_text(r, &text) ? NULL : "goes on beyond the end of the file";
	else if (size == 0) wrong = "is of a type that is not known";
	else if (!skip(r, size)) wrong = "goes on beyond the end of the file";
	if (wrong) return refuse(r, "metadata \"%s\" %s", vita_show(shown, value->key), wrong);
	value->size = (uint64_t)(r->at - value->data);
	return VITA_OK;
}

static int compare_values(const void *a, const void *b)
{
	return strcmp(((const vita_gguf_value *)a)->key, ((const vita_gguf_value *)b)->key);
}

static vita_status read_values(reading *r, uint64_t n)
{
	vita_shown shown;
	vita_gguf *g = r->gguf;
	if (n > r->left / LEAST_VALUE_BYTES)
		return refuse(r,
		              "claims %" PRIu64 " metadata values, more than its %" PRIu64 " bytes can hold",
		              n, r->left);
	g->values = calloc((size_t)n + 1, sizeof *g->values);
	if (!g->values) return fail_memory(r);
	for (uint64_t i = 0; i < n; i++) {
		vita_status status = read_value(r, &g->values[i]);
		if (status != VITA_OK) return status;
	}
	g->n_values = n;
	qsort(g->values, (size_t)n, sizeof *g->values, compare_values);
	for (uint64_t i = 1; i < n; i++)
		if (strcmp(g->values[i - 1].key, g->values[i].key) == 0)
			return refuse(r, "gives metadata \"%s\" twice", vita_show(shown, g->values[i].key));
	return VITA_OK;
}

static vita_status read_alignment(reading *r)
{
	const vita_gguf_value *value = vita_gguf_find(r->gguf, "general.alignment");
	int64_t alignment = VITA_GGUF_ALIGNMENT;
	if (value && (!vita_gguf_int(value, &alignment) || alignment < 1 || alignment > MAX_ALIGNMENT ||
	              (alignment & (alignment - 1)) != 0))
		return refuse(r, "general.alignment must be a power of two up to %u", MAX_ALIGNMENT);
	r->gguf->alignment = (uint32_t)alignment;
	return VITA_OK;
}

/* ---- tensors -------------------------------------------------------------------------------------- */

static vita_status refuse_tensor(const reading *r, const vita_gguf_tensor *t, const char *what)
{
	vita_shown shown;
	return refuse(r, "tensor \"%s\": %s", vita_show(shown, t->name), what);
}

/* The file gives the sizes innermost first. */
static vita_status read_shape(reading *r, vita_gguf_tensor *t)
{
	uint64_t size = 0, product = 1;
	if (!take_u32(r, &t->rank)) return truncated(r, "its list of tensors");
	if (t->rank > VITA_GGUF_MAX_RANK)
		return refuse_tensor(r, t, "has more dimensions than any tensor has");
	int64_t *shape = vita_arena_alloc(&r->gguf->arena, t->rank * sizeof *shape);
	if (!shape) return fail_memory(r);
	t->shape = shape;
	for (uint32_t i = t->rank; i-- > 0;) {
		if (!take_u64(r, &size)) return truncated(r, "its list of tensors");
		if (size > INT64_MAX || (size > 0 && product > (uint64_t)INT64_MAX / size))
			return refuse_tensor(r, t, "the product of its shape is too large");
		shape[i] = (int64_t)size;
		product *= size;
	}
	t->n_values = product;
	return VITA_OK;
}

static vita_status measure(const reading *r, vita_gguf_tensor *t)
{
	const vita_gguf_type *type = vita_gguf_type_find(t->type);
	if (!type) return VITA_OK;
	int64_t row = t->rank > 0 ? t->shape[t->rank - 1] : 1;
	if (row % type->block != 0)
		return refuse_tensor(r, t, "its rows are no whole number of its type's blocks");
	if (t->n_values / type->block > (uint64_t)INT64_MAX / type->bytes)
		return refuse_tensor(r, t, "the product of its shape is too large");
	t->size = t->n_values / type->block * type->bytes;
	return VITA_OK;
}

/* data holds the offset until the place of the data is known. */
static vita_status read_tensor(reading *r, vita_gguf_tensor *t, uint64_t *offset)
{
	vita_status status = take_name(r, "the name of a tensor", &t->name);
	if (status == VITA_OK) status = read_shape(r, t);
	if (status != VITA_OK) return status;
	if (!take_u32(r, &t->type) || !take_u64(r, offset)) return truncated(r, "its list of tensors");
	return measure(r, t);
}

static vita_status place_tensors(reading *r, const uint64_t *offsets)
{
	vita_shown shown;
	vita_gguf *g = r->gguf;
	uint64_t padding = (uint64_t)(r->at - r->start) % g->alignment;
	if (padding > 0 && !skip(r, g->alignment - padding) && g->n_tensors > 0)
		return truncated(r, "the padding before its tensors' data");
	for (uint64_t i = 0; i < g->n_tensors; i++) {
		vita_gguf_tensor *t = &g->tensors[i];
		if (offsets[i] % g->alignment != 0)
			return refuse(r,
			              "tensor \"%s\" begins at byte %" PRIu64
			              " of the data, which is no multiple of the "
			              "alignment %u",
			              vita_show(shown, t->name), offsets[i], (unsigned)g->alignment);
		if (offsets[i] > r->left || t->size > r->left - offsets[i])
			return refuse(r,
			              "tensor \"%s\" has %" PRIu64 " bytes from byte %" PRIu64
			              " of the data on, but the file has "
			              "only %" PRIu64 " bytes of data; it may be truncated",
			              vita_show(shown, t->name), t->size, offsets[i], r->left);
		t->data = r->at + offsets[i];
	}
	return VITA_OK;
}

static int compare_places(const void *a, const void *b)
{
	const vita_gguf_tensor *x = a, *y = b;
	if (x->data != y->data) return x->data < y->data ? -1 : 1;
	return x->size < y->size ? -1 : x->size > y->size;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const vita_gguf_tensor *)a)->name, ((const vita_gguf_tensor *)b)->name);
}

/* Gaps are allowed, as padding is; overlaps and names that come twice are not. */
static vita_status check_tensors(const reading *r)
{
	vita_shown first, second;
	vita_gguf *g = r->gguf;
	if (g->n_tensors == 0) return VITA_OK;
	qsort(g->tensors, (size_t)g->n_tensors, sizeof *g->tensors, compare_places);
	for (uint64_t i = 1; i < g->n_tensors; i++) {
		const vita_gguf_tensor *a = &g->tensors[i - 1], *b = &g->tensors[i];
		if (a->size > 0 && b->size > 0 && (uint64_t)(b->data - a->data) < a->size)
			return refuse(r, "tensors \"%s\" and \"%s\" lie over each other",
			              vita_show(first, a->name), vita_show(second, b->name));
	}
	qsort(g->tensors, (size_t)g->n_tensors, sizeof *g->tensors, compare_names);
	for (uint64_t i = 1; i < g->n_tensors; i++)
		if (strcmp(g->tensors[i - 1].name, g->tensors[i].name) == 0)
			return refuse(r, "has two tensors named \"%s\"",
			              vita_show(first, g->tensors[i].name));
	return VITA_OK;
}

static vita_status read_tensors(reading *r, uint64_t n)
{
	vita_status status = VITA_OK;
	vita_gguf *g = r->gguf;
	if (n > r->left / LEAST_TENSOR_BYTES)
		return refuse(r, "claims %" PRIu64 " tensors, more than its %" PRIu64 " bytes can hold", n,
		              r->left);
	uint64_t *offsets = calloc((size_t)n + 1, sizeof *offsets);
	g->tensors = calloc((size_t)n + 1, sizeof *g->tensors);
	if (!offsets || !g->tensors) status = fail_memory(r);
	for (uint64_t i = 0; i < n && status == VITA_OK; i++)
		status = read_tensor(r, &g->tensors[i], &offsets[i]);
	g->n_tensors = n;
	if (status == VITA_OK) status = place_tensors(r, offsets);
	if (status == VITA_OK) status = check_tensors(r);
	free(offsets);
	return status;
}

/* ---- the whole ------------------------------------------------------------------------------------ */

static vita_status read_head(reading *r, uint64_t *n_tensors, uint64_t *n_values)
{
	uint32_t magic = 0, version = 0;
	if (!vita_is_gguf(r->at, (size_t)r->left))
		return refuse(r, "does not begin with \"GGUF\"; it is no GGUF file");
	if (!take_u32(r, &magic) || !take_u32(r, &version)) return truncated(r, "its first 8 bytes");
	if ((version & 0xffffu) == 0 && version != 0)
		return vita_fail(r->err, VITA_E_UNSUPPORTED,
		                 "%s: is a GGUF file of big-endian numbers, which cannot be read", r->path);
	if (version != 2 && version != 3)
		return vita_fail(r->err, VITA_E_UNSUPPORTED,
		                 "%s: is a GGUF file of version %" PRIu32 "; versions 2 and 3 can be "
		                 "read",
		                 r->path, version);
	r->gguf->version = version;
	if (!take_u64(r, n_tensors) || !take_u64(r, n_values)) return truncated(r, "its first 24 bytes");
	return VITA_OK;
}

vita_status vita_gguf_open(const vita_map *map, const char *path, vita_gguf *out, vita_error *err)
{
	reading r = { out, path, map->data, map->data, map->size, err };
	uint64_t n_tensors = 0, n_values = 0;
	memset(out, 0, sizeof *out);
	out->path = path;
	vita_status status = read_head(&r, &n_tensors, &n_values);
	if (status == VITA_OK) status = read_values(&r, n_values);
	if (status == VITA_OK) status = read_alignment(&r);
	if (status == VITA_OK) status = read_tensors(&r, n_tensors);
	if (status != VITA_OK) vita_gguf_close(out);
	return status;
}

void vita_gguf_close(vita_gguf *gguf)
{
	free(gguf->values);
	free(gguf->tensors);
	vita_arena_free(&gguf->arena);
	memset(gguf, 0, sizeof *gguf);
}
