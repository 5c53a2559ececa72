/* SPDX-License-Identifier: MIT
 *
 * The central directory of a zip archive; see zip.h.
 */
#include "files/zip.h"

#include <inttypes.h>
#include <stdlib.h>

#define END_SIZE 22u
#define END64_SIZE 56u
#define LOCATOR_SIZE 20u
#define ENTRY_SIZE 46u
#define LOCAL_SIZE 30u
#define MAX_COMMENT 65535u
#define MAX_MEMBERS 100000u /* a state dict has a member for each storage */

#define FLAG_ENCRYPTED 0x0001u
#define FLAG_STRONG 0x0040u /* encrypted in another way */
#define METHOD_STORED 0u
#define EXTRA_ZIP64 0x0001u

typedef struct reading {
	const unsigned char *data;
	uint64_t size;
	const char *path;
	uint64_t directory, directory_size; /* where the central directory lies */
	uint64_t n_members;
	vita_error *err;
} reading;

static uint64_t number(const unsigned char *at, int bytes)
{
	uint64_t value = 0;
	while (bytes-- > 0) value = value << 8 | at[bytes];
	return value;
}

static bool begins(const reading *r, uint64_t at, uint64_t size, const char *signature)
{
	return at <= r->size && size <= r->size - at && memcmp(r->data + at, signature, 4) == 0;
}

static vita_status fail(const reading *r, const char *what)
{
	return vita_fail(r->err, VITA_E_FORMAT, "%s: %s", r->path, what);
}

/* ---- the end records ----------------------------------------------------------------------------- */

/* The record lies at the very end, behind it only a comment whose length it gives. */
static bool find_end(const reading *r, uint64_t *end)
{
	for (uint64_t comment = 0; comment <= MAX_COMMENT && comment + END_SIZE <= r->size; comment++) {
		*end = r->size - END_SIZE - comment;
		if (begins(r, *end, END_SIZE, "PK\5\6") && number(r->data + *end + 20, 2) == comment) return true;
	}
	return false;
}

static vita_status read_end64(reading *r, uint64_t locator)
{
	const uint64_t at = number(r->data + locator + 8, 8);
	if (!begins(r, at, END64_SIZE, "PK\6\6") || at + END64_SIZE > locator)
		return fail(r, "its zip64 end record is not where the locator says; it is damaged");
	const unsigned char *end = r->data + at;
	if (number(end + 16, 4) != 0 || number(end + 20, 4) != 0 || number(end + 24, 8) != number(end + 32, 8))
		return vita_fail(r->err, VITA_E_UNSUPPORTED, "%s: is one of several parts of a zip archive", r->path);
	r->n_members = number(end + 32, 8);
	r->directory_size = number(end + 40, 8);
	r->directory = number(end + 48, 8);
	if (r->directory > at || r->directory_size > at - r->directory)
		return fail(r, "its zip directory does not lie within the file; it is damaged or truncated");
	return VITA_OK;
}

static vita_status read_end(reading *r)
{
	uint64_t at = 0;
	if (!find_end(r, &at)) return fail(r, "has no zip directory at its end; it is truncated or no PyTorch checkpoint");
	if (at >= LOCATOR_SIZE && begins(r, at - LOCATOR_SIZE, LOCATOR_SIZE, "PK\6\7"))
		return read_end64(r, at - LOCATOR_SIZE);
	const unsigned char *end = r->data + at;
	if (number(end + 4, 2) != 0 || number(end + 6, 2) != 0 || number(end + 8, 2) != number(end + 10, 2))
		return vita_fail(r->err, VITA_E_UNSUPPORTED, "%s: is one of several parts of a zip archive", r->path);
	r->n_members = number(end + 10, 2);
	r->directory_size = number(end + 12, 4);
	r->directory = number(end + 16, 4);
	if (r->directory > at || r->directory_size > at - r->directory)
		return fail(r, "its zip directory does not lie within the file; it is damaged or truncated");
	return VITA_OK;
}

/* ---- entries ------------------------------------------------------------------------------------- */

typedef struct entry {
	const unsigned char *at;
	const char *name;
	uint64_t name_size, extra_size;
	uint64_t packed_size, size, local;
	vita_shown shown; /* the name, for messages */
} entry;

static vita_status fail_entry(const reading *r, const entry *e, vita_status status, const char *what)
{
	return vita_fail(r->err, status, "%s: member \"%s\" %s", r->path, e->shown, what);
}

/* Sizes and offset that need more than 32 bits stand in an extra field, in this order, those that do not are left
 * out. */
static vita_status read_zip64(const reading *r, entry *e)
{
	uint64_t *const wide[] = { &e->size, &e->packed_size, &e->local };
	const unsigned char *extra = e->at + ENTRY_SIZE + e->name_size, *end = extra + e->extra_size;
	if (e->size != UINT32_MAX && e->packed_size != UINT32_MAX && e->local != UINT32_MAX) return VITA_OK;
	for (; end - extra >= 4; extra += 4 + number(extra + 2, 2)) {
		uint64_t left = number(extra + 2, 2);
		if (left > (uint64_t)(end - extra) - 4) break;
		if (number(extra, 2) != EXTRA_ZIP64) continue;
		const unsigned char *value = extra + 4;
		for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++) {
			if (*wide[i] != UINT32_MAX) continue;
			if (left < 8) return fail_entry(r, e, VITA_E_FORMAT, "lacks a size in its zip64 field");
			*wide[i] = number(value, 8);
			value += 8, left -= 8;
		}
		return VITA_OK;
	}
	return fail_entry(r, e, VITA_E_FORMAT, "has no zip64 field for its size");
}

static vita_status check_name(const reading *r, const entry *e)
{
	if (e->name_size == 0) return fail(r, "has a member without a name");
	for (uint64_t i = 0; i < e->name_size; i++) {
		if ((unsigned char)e->name[i] < 0x20 || e->name[i] == 0x7f)
			return fail_entry(r, e, VITA_E_FORMAT, "has a control character in its name");
		if (e->name[i] == '.' && i + 1 < e->name_size && e->name[i + 1] == '.')
			return fail_entry(r, e, VITA_E_FORMAT, "has \"..\" in its name");
	}
	return VITA_OK;
}

/* The member's bytes begin behind its local header, whose name and extra field have lengths of their own. */
static vita_status find_data(const reading *r, const entry *e, vita_zip_member *member)
{
	if (e->local > r->directory || !begins(r, e->local, LOCAL_SIZE, "PK\3\4"))
		return fail_entry(r, e, VITA_E_FORMAT, "is not where the directory says");
	const unsigned char *local = r->data + e->local;
	const uint64_t name_size = number(local + 26, 2), header = LOCAL_SIZE + name_size + number(local + 28, 2);
	const uint64_t room = r->directory - e->local; /* at most r->size */
	if (header > room || e->size > room - header)
		return fail_entry(r, e, VITA_E_FORMAT, "reaches outside the file; it is damaged or truncated");
	if (name_size != e->name_size || memcmp(local + LOCAL_SIZE, e->name, name_size) != 0)
		return fail_entry(r, e, VITA_E_FORMAT, "has another name in its own header");
	*member = (vita_zip_member){ e->name, e->name_size, local + header, e->size };
	return VITA_OK;
}

/* One entry of the directory at *at; moves *at behind it. */
static vita_status read_entry(const reading *r, uint64_t *at, uint64_t end, vita_zip_member *member)
{
	entry e = { .at = r->data + *at };
	if (end - *at < ENTRY_SIZE || memcmp(e.at, "PK\1\2", 4) != 0) return fail(r, "its zip directory is damaged");
	e.name = (const char *)e.at + ENTRY_SIZE;
	e.name_size = number(e.at + 28, 2);
	e.extra_size = number(e.at + 30, 2);
	const uint64_t whole = ENTRY_SIZE + e.name_size + e.extra_size + number(e.at + 32, 2);
	if (whole > end - *at) return fail(r, "its zip directory is damaged");
	char raw[80];
	(void)snprintf(raw, sizeof raw, "%.*s", e.name_size < 60 ? (int)e.name_size : 60, e.name);
	(void)vita_show(e.shown, raw);
	*at += whole;

	e.packed_size = number(e.at + 20, 4);
	e.size = number(e.at + 24, 4);
	e.local = number(e.at + 42, 4);
	vita_status status = check_name(r, &e);
	if (status == VITA_OK) status = read_zip64(r, &e);
	if (status != VITA_OK) return status;
	if (number(e.at + 8, 2) & (FLAG_ENCRYPTED | FLAG_STRONG))
		return fail_entry(r, &e, VITA_E_UNSUPPORTED, "is encrypted; a checkpoint as torch.save writes it is needed");
	if (number(e.at + 10, 2) != METHOD_STORED)
		return fail_entry(r, &e, VITA_E_UNSUPPORTED,
		                  "is compressed; a checkpoint as torch.save writes it, stored, is needed");
	if (e.packed_size != e.size) return fail_entry(r, &e, VITA_E_FORMAT, "is stored, but has two sizes");
	return find_data(r, &e, member);
}

static int compare_members(const void *a, const void *b)
{
	const vita_zip_member *x = a, *y = b;
	size_t n = x->name_size < y->name_size ? x->name_size : y->name_size;
	int order = memcmp(x->name, y->name, n);
	return order ? order : (x->name_size > y->name_size) - (x->name_size < y->name_size);
}

vita_status vita_zip_open(const vita_map *map, const char *path, vita_zip *out, vita_error *err)
{
	reading r = { .data = map->data, .size = map->size, .path = path, .err = err };
	*out = (vita_zip){ NULL, 0 };
	vita_status status = read_end(&r);
	if (status != VITA_OK) return status;
	if (r.n_members > MAX_MEMBERS || r.n_members > r.directory_size / ENTRY_SIZE)
		return vita_fail(err, VITA_E_FORMAT, "%s: claims %" PRIu64 " members; at most %u are possible, and no more than its "
		                 "directory has room for", path, r.n_members, MAX_MEMBERS);
	out->members = malloc((size_t)(r.n_members + 1) * sizeof *out->members);
	if (!out->members) return vita_fail(err, VITA_E_NOMEM, "%s: out of memory", path);
	uint64_t at = r.directory, end = r.directory + r.directory_size;
	for (; out->n_members < r.n_members && status == VITA_OK; out->n_members++)
		status = read_entry(&r, &at, end, &out->members[out->n_members]);
	if (status == VITA_OK && at != end) status = fail(&r, "its zip directory holds more than its members");
	if (status != VITA_OK) return status;
	qsort(out->members, out->n_members, sizeof *out->members, compare_members);
	for (size_t i = 1; i < out->n_members; i++)
		if (compare_members(&out->members[i - 1], &out->members[i]) == 0)
			return vita_fail(err, VITA_E_FORMAT, "%s: has two members \"%.*s\"", path,
			                 out->members[i].name_size < 60 ? (int)out->members[i].name_size : 60, out->members[i].name);
	return VITA_OK;
}

void vita_zip_close(vita_zip *zip)
{
	free(zip->members);
	*zip = (vita_zip){ NULL, 0 };
}

const vita_zip_member *vita_zip_find(const vita_zip *zip, const char *name, size_t name_size)
{
	const vita_zip_member wanted = { name, name_size, NULL, 0 };
	if (zip->n_members == 0) return NULL;
	return bsearch(&wanted, zip->members, zip->n_members, sizeof wanted, compare_members);
}
