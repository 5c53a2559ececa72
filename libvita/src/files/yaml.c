/* SPDX-License-Identifier: MIT
 *
 * YAML settings as JSON values; see yaml.h.
 */
#include <config.h>

#include "files/yaml.h"
#include "files/map.h"
#include "host/decimal.h"

#include <inttypes.h>

#define MAX_YAML_BYTES (4u << 20)

#ifdef HAVE_YAML

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <yaml.h>

/* A !ref whose value is put in once all is read. */
typedef struct reference {
	json_t *parent; /* an object, with key; or a list, with index. The document owns it */
	const char *key;
	size_t index;
	char name[64];
	size_t line;
} reference;

typedef struct parsing {
	yaml_parser_t parser;
	yaml_event_t event; /* the current one */
	bool has_event;
	const char *origin;
	reference *references;
	size_t n_references, capacity;
	char pending[64]; /* the name that the scalar just read refers to, or "" */
	vita_error *err;
} parsing;

static vita_status read_node(parsing *p, unsigned depth, json_t **out);

static size_t line_of(const parsing *p)
{
	return p->event.start_mark.line + 1;
}

static vita_status fail(const parsing *p, const char *what)
{
	return vita_fail(p->err, VITA_E_FORMAT, "%s:%zu: %s", p->origin, line_of(p), what);
}

static vita_status fail_memory(const parsing *p)
{
	return vita_fail(p->err, VITA_E_NOMEM, "%s: out of memory while reading YAML", p->origin);
}

static vita_status next(parsing *p)
{
	vita_shown shown;
	if (p->has_event) yaml_event_delete(&p->event);
	p->has_event = yaml_parser_parse(&p->parser, &p->event) != 0;
	if (p->has_event) return VITA_OK;
	if (p->parser.error == YAML_MEMORY_ERROR) return fail_memory(p);
	return vita_fail(p->err, VITA_E_FORMAT, "%s:%zu: is not valid YAML: %s", p->origin, p->parser.problem_mark.line + 1,
	                 vita_show(shown, p->parser.problem ? p->parser.problem : "it cannot be read"));
}

/* ---- scalars ------------------------------------------------------------------------------------- */

static bool is_one_of(const char *text, const char *a, const char *b, const char *c)
{
	return strcmp(text, a) == 0 || strcmp(text, b) == 0 || strcmp(text, c) == 0;
}

static json_t *number_of(const char *text)
{
	char *end;
	size_t digits = strcspn(text, "0123456789");
	if (text[0] == '\0' || text[digits] == '\0' || strspn(text, "+-.0123456789eE") != strlen(text)) return NULL;
	errno = 0;
	long long whole = strtoll(text, &end, 10);
	if (*end == '\0' && errno == 0) return json_integer(whole);
	double real = vita_decimal(text, &end);
	return *end == '\0' && isfinite(real) ? json_real(real) : NULL;
}

/* NULL: no memory. */
static json_t *plain_value(const char *text)
{
	if (text[0] == '\0' || strcmp(text, "~") == 0 || is_one_of(text, "null", "Null", "NULL")) return json_null();
	if (is_one_of(text, "true", "True", "TRUE")) return json_true();
	if (is_one_of(text, "false", "False", "FALSE")) return json_false();
	json_t *number = number_of(text);
	return number ? number : json_string(text);
}

/* "<name>" alone; arithmetic and subscripts stay text. */
static bool simple_reference(const char *text, char name[64])
{
	size_t n = strlen(text);
	if (n < 3 || n > 64 || text[0] != '<' || text[n - 1] != '>') return false;
	memcpy(name, text + 1, n - 2);
	name[n - 2] = '\0';
	if (strcspn(name, "<>[]()") == n - 2) return true;
	name[0] = '\0';
	return false;
}

static vita_status read_scalar(parsing *p, json_t **out)
{
	const char *text = (const char *)p->event.data.scalar.value, *tag = (const char *)p->event.data.scalar.tag;
	if (strlen(text) != p->event.data.scalar.length) return fail(p, "a text contains the character NUL, which is not allowed");
	p->pending[0] = '\0';
	if (tag && strcmp(tag, "!ref") == 0) {
		*out = simple_reference(text, p->pending) ? json_null() : json_string(text);
	} else if (p->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE && (!tag || strcmp(tag, YAML_STR_TAG) != 0)) {
		*out = plain_value(text);
	} else {
		*out = json_string(text);
	}
	return *out ? VITA_OK : fail_memory(p);
}

/* ---- collections --------------------------------------------------------------------------------- */

/* The value just put into parent was a reference: remember where it is wanted. */
static vita_status note_reference(parsing *p, json_t *parent, const char *key, size_t index)
{
	if (!p->pending[0]) return VITA_OK;
	if (p->n_references == p->capacity) {
		size_t capacity = p->capacity ? 2 * p->capacity : 16;
		reference *grown = realloc(p->references, capacity * sizeof *grown);
		if (!grown) return fail_memory(p);
		p->references = grown;
		p->capacity = capacity;
	}
	reference *r = &p->references[p->n_references++];
	*r = (reference){ .parent = parent, .key = key, .index = index, .line = line_of(p) };
	memcpy(r->name, p->pending, sizeof r->name);
	p->pending[0] = '\0';
	return VITA_OK;
}

/* Where the document keeps a key of an object, for it outlives our text. */
static const char *kept_key(json_t *object, const char *key)
{
	return json_object_iter_key(json_object_iter_at(object, key));
}

static vita_status read_member(parsing *p, json_t *object, unsigned depth)
{
	vita_shown shown;
	json_t *value = NULL;
	if (p->event.type != YAML_SCALAR_EVENT) return fail(p, "a key must be a text");
	if (strlen((const char *)p->event.data.scalar.value) != p->event.data.scalar.length)
		return fail(p, "a key contains the character NUL, which is not allowed");
	char *key = strdup((const char *)p->event.data.scalar.value);
	if (!key) return fail_memory(p);
	vita_status status = VITA_OK;
	if (json_object_get(object, key))
		status = vita_fail(p->err, VITA_E_FORMAT, "%s:%zu: \"%s\" is there twice", p->origin, line_of(p), vita_show(shown, key));
	if (status == VITA_OK) status = next(p);
	if (status == VITA_OK) status = read_node(p, depth + 1, &value);
	if (status != VITA_OK) json_decref(value);
	else if (json_object_set_new(object, key, value) != 0) status = fail_memory(p);
	if (status == VITA_OK) status = note_reference(p, object, kept_key(object, key), 0);
	free(key);
	return status == VITA_OK ? next(p) : status;
}

/* "!new:a.B" and "!name:a.B" are kept as a member. */
static vita_status keep_tag(parsing *p, json_t *object, const char *tag)
{
	static const char *const kept[] = { "!new", "!name" };
	for (size_t i = 0; tag && i < sizeof kept / sizeof kept[0]; i++) {
		size_t n = strlen(kept[i]);
		if (strncmp(tag, kept[i], n) != 0 || tag[n] != ':') continue;
		if (json_object_set_new(object, kept[i], json_string(tag + n + 1)) != 0) return fail_memory(p);
	}
	return VITA_OK;
}

static vita_status read_mapping(parsing *p, unsigned depth, json_t **out)
{
	json_t *object = json_object();
	if (!object) return fail_memory(p);
	vita_status status = keep_tag(p, object, (const char *)p->event.data.mapping_start.tag);
	if (status == VITA_OK) status = next(p);
	while (status == VITA_OK && p->event.type != YAML_MAPPING_END_EVENT) status = read_member(p, object, depth);
	*out = object;
	p->pending[0] = '\0';
	return status;
}

static vita_status read_sequence(parsing *p, unsigned depth, json_t **out)
{
	json_t *list = json_array();
	if (!list) return fail_memory(p);
	vita_status status = next(p);
	while (status == VITA_OK && p->event.type != YAML_SEQUENCE_END_EVENT) {
		json_t *value = NULL;
		status = read_node(p, depth + 1, &value);
		if (status != VITA_OK) {
			json_decref(value);
			break;
		}
		if (json_array_append_new(list, value) != 0) status = fail_memory(p);
		if (status == VITA_OK) status = note_reference(p, list, NULL, json_array_size(list) - 1);
		if (status == VITA_OK) status = next(p);
	}
	*out = list;
	p->pending[0] = '\0';
	return status;
}

/* The node whose first event is the current one; its last is the current one afterwards. *out may be set after a
 * failure, too. */
static vita_status read_node(parsing *p, unsigned depth, json_t **out)
{
	*out = NULL;
	if (depth > VITA_JSON_MAX_DEPTH) return fail(p, "lists and mappings are nested more than 64 deep");
	switch (p->event.type) {
	case YAML_SCALAR_EVENT: return read_scalar(p, out);
	case YAML_MAPPING_START_EVENT: return read_mapping(p, depth, out);
	case YAML_SEQUENCE_START_EVENT: return read_sequence(p, depth, out);
	case YAML_ALIAS_EVENT: return fail(p, "aliases (*name) are not known here; write the value out");
	default: return fail(p, "ends where a value is needed");
	}
}

/* ---- documents ----------------------------------------------------------------------------------- */

/* In the order of the file, so that a reference may be to an earlier one. Only scalars are put in: shared lists could
 * make a ring. */
static vita_status resolve(const parsing *p, json_t *root)
{
	vita_shown shown;
	for (size_t i = 0; i < p->n_references; i++) {
		const reference *r = &p->references[i];
		json_t *value = json_object_get(root, r->name);
		if (!json_is_string(value) && !json_is_number(value) && !json_is_boolean(value))
			return vita_fail(p->err, VITA_E_FORMAT, "%s:%zu: !ref <%s> names no number, text or truth at the top of the file",
			                 p->origin, r->line, vita_show(shown, r->name));
		int failed = r->key ? json_object_set(r->parent, r->key, value) : json_array_set(r->parent, r->index, value);
		if (failed) return fail_memory(p);
	}
	return VITA_OK;
}

static vita_status read_document(parsing *p, json_t **out)
{
	vita_status status = next(p);
	if (status == VITA_OK && p->event.type == YAML_STREAM_START_EVENT) status = next(p);
	if (status == VITA_OK && p->event.type == YAML_DOCUMENT_START_EVENT) status = next(p);
	if (status != VITA_OK) return status;
	if (p->event.type != YAML_MAPPING_START_EVENT) return fail(p, "must hold a mapping");
	status = read_node(p, 0, out);
	return status == VITA_OK ? resolve(p, *out) : status;
}

vita_status vita_yaml_parse(const char *text, size_t size, const char *origin, json_t **out, vita_error *err)
{
	parsing p = { .origin = origin, .err = err };
	*out = NULL;
	if (size > MAX_YAML_BYTES)
		return vita_fail(err, VITA_E_FORMAT, "%s: has %zu bytes; a file of this kind has at most %u", origin, size, MAX_YAML_BYTES);
	if (!yaml_parser_initialize(&p.parser)) return fail_memory(&p);
	yaml_parser_set_input_string(&p.parser, (const unsigned char *)text, size);
	vita_status status = read_document(&p, out);
	if (p.has_event) yaml_event_delete(&p.event);
	yaml_parser_delete(&p.parser);
	free(p.references);
	if (status != VITA_OK) {
		json_decref(*out);
		*out = NULL;
	}
	return status;
}

#else

vita_status vita_yaml_parse(const char *text, size_t size, const char *origin, json_t **out, vita_error *err)
{
	(void)text, (void)size;
	*out = NULL;
	return vita_fail(err, VITA_E_UNSUPPORTED, "%s: this libvita was built without libyaml, which it needs to read this file",
	                 origin);
}

#endif

vita_status vita_yaml_read(const char *path, json_t **out, vita_error *err)
{
	vita_map map;
	*out = NULL;
	vita_status status = vita_map_open(path, &map, err);
	if (status != VITA_OK) return status;
	status = vita_yaml_parse((const char *)map.data, map.size, path, out, err);
	vita_map_close(&map);
	return status;
}
