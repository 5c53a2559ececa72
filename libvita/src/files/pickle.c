/* SPDX-License-Identifier: MIT
 *
 * Pickles as inert values; see pickle.h.
 */
#include "files/pickle.h"
#include "files/json.h"

#include <inttypes.h>
#include <stdlib.h>

#define MAX_PICKLE_BYTES (UINT64_C(32) << 20) /* a state dict's takes about 200 bytes a tensor */
#define PROTOCOL 2

typedef vita_pickle_value value;

typedef struct machine {
	const unsigned char *data, *at, *end;
	const char *origin;
	const char *const *allowed;
	vita_arena *arena;
	value **stack; /* NULL entries are marks */
	size_t depth, stack_capacity;
	value **memo;
	size_t memo_size;
	value *result;
	bool stopped;
	vita_error *err;
} machine;

static value none = { .kind = VITA_PICKLE_NONE }, empty_tuple = { .kind = VITA_PICKLE_TUPLE };
static value truth[2] = { { .kind = VITA_PICKLE_BOOL }, { .kind = VITA_PICKLE_BOOL, .as.number = 1 } };

static vita_status fail(const machine *m, const char *what)
{
	return vita_fail(m->err, VITA_E_FORMAT, "%s, byte %td: %s", m->origin, m->at - m->data, what);
}

static vita_status fail_memory(const machine *m)
{
	return vita_fail(m->err, VITA_E_NOMEM, "%s: out of memory", m->origin);
}

/* ---- stack and values ---------------------------------------------------------------------------- */

/* v NULL: a mark. */
static vita_status push(machine *m, value *v)
{
	if (m->depth == m->stack_capacity) {
		size_t capacity = m->stack_capacity ? 2 * m->stack_capacity : 256;
		value **grown = realloc(m->stack, capacity * sizeof *grown);
		if (!grown) return fail_memory(m);
		m->stack = grown;
		m->stack_capacity = capacity;
	}
	m->stack[m->depth++] = v;
	return VITA_OK;
}

static vita_status push_new(machine *m, value made)
{
	value *v = vita_arena_alloc(m->arena, sizeof *v);
	if (!v) return fail_memory(m);
	*v = made;
	return push(m, v);
}

/* A value of n items taken from the top of the stack. */
static vita_status push_items(machine *m, uint32_t kind, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (m->depth < n || !m->stack[m->depth - 1 - i]) return fail(m, "takes more values than there are");
	if (n > UINT32_MAX) return fail(m, "has a list that is too long");
	value **items = vita_arena_alloc(m->arena, n * sizeof *items);
	if (!items) return fail_memory(m);
	memcpy(items, m->stack + m->depth - n, n * sizeof *items);
	m->depth -= n;
	return push_new(m, (value){ .kind = kind, .n = (uint32_t)n, .as.items = items, .capacity = (uint32_t)n });
}

/* How many values lie above the last mark. */
static vita_status find_mark(machine *m, size_t *n)
{
	for (*n = 0; *n < m->depth; (*n)++)
		if (!m->stack[m->depth - 1 - *n]) return VITA_OK;
	return fail(m, "has no mark where one is needed");
}

static vita_status push_marked(machine *m, uint32_t kind)
{
	size_t n;
	vita_status status = find_mark(m, &n);
	if (status == VITA_OK) status = push_items(m, kind, n);
	if (status != VITA_OK) return status;
	m->stack[m->depth - 2] = m->stack[m->depth - 1]; /* over the mark */
	m->depth--;
	return VITA_OK;
}

/* The value below `above` others, if it is of this kind. */
static value *below(const machine *m, size_t above, uint32_t kind)
{
	value *v = m->depth > above ? m->stack[m->depth - 1 - above] : NULL;
	return v && v->kind == kind ? v : NULL;
}

/* Move the n topmost values to the end of a list or dict below them. */
static vita_status append(machine *m, value *to, size_t n)
{
	if (n > UINT32_MAX / 4 - to->n) return fail(m, "has a list that is too long");
	if (to->n + n > to->capacity) {
		uint32_t capacity = 2 * (to->n + (uint32_t)n);
		value **items = vita_arena_alloc(m->arena, capacity * sizeof *items);
		if (!items) return fail_memory(m);
		if (to->n > 0) memcpy(items, to->as.items, to->n * sizeof *items);
		to->as.items = items;
		to->capacity = capacity;
	}
	memcpy(to->as.items + to->n, m->stack + m->depth - n, n * sizeof(value *));
	to->n += (uint32_t)n;
	m->depth -= n;
	return VITA_OK;
}

/* ---- reading ------------------------------------------------------------------------------------- */

static bool take(machine *m, uint64_t n, const unsigned char **bytes)
{
	if ((uint64_t)(m->end - m->at) < n) return false;
	*bytes = m->at;
	m->at += n;
	return true;
}

/* n bytes, little-endian. */
static vita_status take_number(machine *m, int n, uint64_t *out)
{
	const unsigned char *bytes;
	if (!take(m, (uint64_t)n, &bytes)) return fail(m, "ends in the middle of a number; it may be truncated");
	*out = 0;
	while (n-- > 0) *out = *out << 8 | bytes[n];
	return VITA_OK;
}

static vita_status push_number(machine *m, int n)
{
	uint64_t number = 0;
	vita_status status = take_number(m, n, &number);
	if (status != VITA_OK) return status;
	int64_t x = n == 4 ? (int32_t)(uint32_t)number : (int64_t)number;
	return push_new(m, (value){ .kind = VITA_PICKLE_INT, .as.number = x });
}

/* LONG1: a count, and so many bytes of two's complement. */
static vita_status push_long(machine *m)
{
	uint64_t n = 0, number = 0;
	vita_status status = take_number(m, 1, &n);
	if (status == VITA_OK && n > 8) return fail(m, "has an integer of more than 64 bits");
	if (status == VITA_OK) status = take_number(m, (int)n, &number);
	if (status != VITA_OK) return status;
	if (n > 0 && n < 8 && number >> (8 * n - 1)) number |= ~UINT64_C(0) << 8 * n;
	return push_new(m, (value){ .kind = VITA_PICKLE_INT, .as.number = (int64_t)number });
}

/* BINFLOAT: big-endian. */
static vita_status push_float(machine *m)
{
	const unsigned char *bytes;
	uint64_t bits = 0;
	value v = { .kind = VITA_PICKLE_FLOAT };
	if (!take(m, 8, &bytes)) return fail(m, "ends in the middle of a number; it may be truncated");
	for (int i = 0; i < 8; i++) bits = bits << 8 | bytes[i];
	memcpy(&v.as.real, &bits, sizeof bits);
	return push_new(m, v);
}

static vita_status push_text(machine *m)
{
	uint64_t n = 0;
	const unsigned char *bytes;
	vita_status status = take_number(m, 4, &n);
	if (status != VITA_OK) return status;
	if (!take(m, n, &bytes)) return fail(m, "ends in the middle of a text; it may be truncated");
	if (memchr(bytes, '\0', n) || !vita_is_utf8((const char *)bytes, n)) return fail(m, "has a text that is no UTF-8");
	char *text = vita_arena_alloc(m->arena, n + 1);
	if (!text) return fail_memory(m);
	memcpy(text, bytes, n);
	text[n] = '\0';
	return push_new(m, (value){ .kind = VITA_PICKLE_TEXT, .n = (uint32_t)n, .as.text = text });
}

static bool is_allowed(const machine *m, const char *name)
{
	if (strcmp(name, "collections OrderedDict") == 0) return true;
	for (const char *const *allowed = m->allowed; *allowed; allowed++)
		if (strcmp(*allowed, name) == 0) return true;
	return false;
}

/* GLOBAL: module and name, each up to the end of its line. */
static vita_status push_global(machine *m)
{
	char name[160];
	vita_shown shown;
	size_t n = 0;
	for (int newlines = 0; newlines < 2;) {
		if (m->at == m->end || *m->at == '\0' || n + 1 == sizeof name) return fail(m, "has a name without an end");
		char c = (char)*m->at++;
		newlines += c == '\n';
		name[n++] = c == '\n' ? ' ' : c;
	}
	name[n - 1] = '\0';
	if (!is_allowed(m, name))
		return vita_fail(m->err, VITA_E_UNSUPPORTED,
		                 "%s: asks for \"%s\", which no state dict needs; it is refused, for a pickle may name any "
		                 "program (save model.state_dict() alone, or use safetensors)",
		                 m->origin, vita_show(shown, name));
	char *text = vita_arena_string(m->arena, name);
	if (!text) return fail_memory(m);
	return push_new(m, (value){ .kind = VITA_PICKLE_GLOBAL, .n = (uint32_t)(n - 1), .as.text = text });
}

/* ---- memo ---------------------------------------------------------------------------------------- */

/* Picklers number what they remember from 0 on, so the memo is never larger than the pickle. */
static vita_status remember(machine *m, int n)
{
	uint64_t index = 0;
	vita_status status = take_number(m, n, &index);
	if (status != VITA_OK) return status;
	if (m->depth == 0 || !m->stack[m->depth - 1]) return fail(m, "remembers a value where there is none");
	if (index >= (uint64_t)(m->end - m->data)) return fail(m, "remembers more values than it can have");
	if (index >= m->memo_size) {
		size_t size = (size_t)index + 1 > 2 * m->memo_size ? (size_t)index + 1 : 2 * m->memo_size;
		value **memo = realloc(m->memo, size * sizeof *memo);
		if (!memo) return fail_memory(m);
		memset(memo + m->memo_size, 0, (size - m->memo_size) * sizeof *memo);
		m->memo = memo;
		m->memo_size = size;
	}
	m->memo[index] = m->stack[m->depth - 1];
	return VITA_OK;
}

static vita_status recall(machine *m, int n)
{
	uint64_t index = 0;
	vita_status status = take_number(m, n, &index);
	if (status != VITA_OK) return status;
	if (index >= m->memo_size || !m->memo[index]) return fail(m, "recalls a value that it has not remembered");
	return push(m, m->memo[index]);
}

/* ---- calls and containers ------------------------------------------------------------------------ */

/* REDUCE: an OrderedDict of nothing is a dict; any other call stays what it is. */
static vita_status reduce(machine *m)
{
	const value *arguments = below(m, 0, VITA_PICKLE_TUPLE), *callee = below(m, 1, VITA_PICKLE_GLOBAL);
	if (!arguments || !callee) return fail(m, "calls something else than a name with a tuple");
	if (strcmp(callee->as.text, "collections OrderedDict") != 0) return push_items(m, VITA_PICKLE_CALL, 2);
	if (arguments->n != 0) return fail(m, "makes an OrderedDict of something");
	m->depth -= 2;
	return push_new(m, (value){ .kind = VITA_PICKLE_DICT });
}

/* BUILD: what is set on a state dict beside its entries is of no use to us. */
static vita_status build(machine *m)
{
	if (m->depth < 2 || !m->stack[m->depth - 1] || !below(m, 1, VITA_PICKLE_DICT))
		return fail(m, "sets attributes of something else than a dict");
	m->depth--;
	return VITA_OK;
}

static vita_status set_item(machine *m)
{
	value *dict = below(m, 2, VITA_PICKLE_DICT);
	if (!dict || !m->stack[m->depth - 1] || !m->stack[m->depth - 2]) return fail(m, "sets an entry of something else than a dict");
	return append(m, dict, 2);
}

static vita_status append_item(machine *m)
{
	value *list = below(m, 1, VITA_PICKLE_LIST);
	if (!list || !m->stack[m->depth - 1]) return fail(m, "appends to something else than a list");
	return append(m, list, 1);
}

/* SETITEMS, APPENDS: what lies above the last mark goes into what lies below it. */
static vita_status append_marked(machine *m, uint32_t kind)
{
	size_t n;
	vita_status status = find_mark(m, &n);
	if (status != VITA_OK) return status;
	value *to = below(m, n + 1, kind);
	if (!to) return fail(m, "adds to something else than a list or dict");
	if (kind == VITA_PICKLE_DICT && n % 2 != 0) return fail(m, "sets an entry without a value");
	status = append(m, to, n);
	m->depth--; /* the mark */
	return status;
}

static vita_status read_protocol(machine *m)
{
	uint64_t protocol = 0;
	vita_status status = take_number(m, 1, &protocol);
	if (status != VITA_OK || protocol == PROTOCOL) return status;
	return vita_fail(m->err, VITA_E_UNSUPPORTED, "%s: is of pickle protocol %" PRIu64 "; %d, PyTorch's own, is needed",
	                 m->origin, protocol, PROTOCOL);
}

static vita_status stop(machine *m)
{
	if (m->depth != 1 || !m->stack[0]) return fail(m, "ends with other than one value");
	m->result = m->stack[0];
	m->stopped = true;
	return VITA_OK;
}

static vita_status step(machine *m)
{
	const unsigned char opcode = *m->at++;
	switch (opcode) {
	case 0x80: return read_protocol(m);
	case '(': return push(m, NULL);
	case '.': return stop(m);
	case 'N': return push(m, &none);
	case 0x88: return push(m, &truth[1]);
	case 0x89: return push(m, &truth[0]);
	case 'K': return push_number(m, 1);
	case 'M': return push_number(m, 2);
	case 'J': return push_number(m, 4);
	case 0x8a: return push_long(m);
	case 'G': return push_float(m);
	case 'X': return push_text(m);
	case 'c': return push_global(m);
	case ')': return push(m, &empty_tuple);
	case 0x85: return push_items(m, VITA_PICKLE_TUPLE, 1);
	case 0x86: return push_items(m, VITA_PICKLE_TUPLE, 2);
	case 0x87: return push_items(m, VITA_PICKLE_TUPLE, 3);
	case 't': return push_marked(m, VITA_PICKLE_TUPLE);
	case ']': return push_new(m, (value){ .kind = VITA_PICKLE_LIST });
	case 'a': return append_item(m);
	case 'e': return append_marked(m, VITA_PICKLE_LIST);
	case '}': return push_new(m, (value){ .kind = VITA_PICKLE_DICT });
	case 's': return set_item(m);
	case 'u': return append_marked(m, VITA_PICKLE_DICT);
	case 'q': return remember(m, 1);
	case 'r': return remember(m, 4);
	case 'h': return recall(m, 1);
	case 'j': return recall(m, 4);
	case 'Q': return push_items(m, VITA_PICKLE_PERSISTENT, 1);
	case 'R': return reduce(m);
	case 'b': return build(m);
	default:
		return vita_fail(m->err, VITA_E_UNSUPPORTED,
		                 "%s, byte %td: has the opcode 0x%02x, which no state dict needs; it is refused", m->origin,
		                 m->at - m->data - 1, opcode);
	}
}

vita_status vita_pickle_read(const unsigned char *data, uint64_t size, const char *origin, const char *const *allowed,
                             vita_arena *arena, vita_pickle_value **out, vita_error *err)
{
	machine m = { .data = data, .at = data, .end = data, .origin = origin, .allowed = allowed, .arena = arena, .err = err };
	vita_status status = VITA_OK;
	*out = NULL;
	if (size > MAX_PICKLE_BYTES)
		return vita_fail(err, VITA_E_FORMAT, "%s: has %" PRIu64 " bytes; a state dict's pickle has at most %" PRIu64, origin,
		                 size, MAX_PICKLE_BYTES);
	m.end += size;
	while (status == VITA_OK && !m.stopped)
		status = m.at < m.end ? step(&m) : fail(&m, "ends too early; it may be truncated");
	*out = m.result;
	free(m.stack);
	free(m.memo);
	return status;
}

const vita_pickle_value *vita_pickle_get(const vita_pickle_value *dict, const char *key)
{
	for (uint32_t i = 0; dict->kind == VITA_PICKLE_DICT && i + 1 < dict->n; i += 2)
		if (dict->as.items[i]->kind == VITA_PICKLE_TEXT && strcmp(dict->as.items[i]->as.text, key) == 0)
			return dict->as.items[i + 1];
	return NULL;
}
