/* SPDX-License-Identifier: MIT
 *
 * The structural check of a module's answer: sizes first, then pointers, strings and tables, so that a later
 * reader need not look twice. Structs may be larger than ours (a newer minor), never smaller than ABI 1.0.
 */
#include <config.h>

#include "host/module_check.h"
#include "host/settings.h"
#include "host/words.h"

#include <vita/codec.h>
#include <vita/encoder.h>
#include <vita/head.h>
#include <vita/llm.h>

#define LARGEST_STRUCT 65536u
#define MOST_FACTORIES 256u
#define MOST_KEYS 256u
#define LONGEST_NAME 63u
#define LONGEST_TEXT 4095u

/* Bytes that a struct must have to hold everything up to this member. */
#define UP_TO(type, member) ((uint32_t)(offsetof(type, member) + sizeof(((type *)0)->member)))

/* ---- the kinds ------------------------------------------------------------------------------------- */

#define M(member)                                                                                            \
	{                                                                                                    \
		offsetof(API, member), #member                                                               \
	}

#define API vita_backend_api
static const vita_member backend_members[] = { M(probe), M(open), M(close),    M(alloc),  M(free),
	                                       M(write), M(read), M(supports), M(submit), M(wait) };
#undef API
#define API vita_encoder_api
static const vita_member encoder_members[] = { M(open),         M(close), M(describe), M(stream_open),
	                                       M(stream_close), M(push),  M(pull),     M(get_extension) };
#undef API
#define API vita_llm_api
static const vita_member llm_members[] = { M(match),      M(open),        M(close),        M(describe),
	                                   M(state_open), M(state_close), M(state_length), M(state_truncate),
	                                   M(forward),    M(embed),       M(unembed),      M(final_norm),
	                                   M(device),     M(model),       M(get_extension) };
#undef API
#define API vita_head_api
static const vita_member head_members[] = { M(match),      M(open),         M(close),   M(describe),
	                                    M(state_open), M(state_close),  M(observe), M(propose),
	                                    M(truncate),   M(get_extension) };
#undef API
#define API vita_codec_api
static const vita_member codec_members[] = { M(open),         M(close), M(describe), M(stream_open),
	                                     M(stream_close), M(push),  M(pull),     M(get_extension) };
#undef API

#define MEMBERS(members) members, sizeof(members) / sizeof(members)[0]

const vita_kind vita_kinds[VITA_N_KINDS] = {
	{ "backend", VITA_BACKEND_ID, MEMBERS(backend_members) },
	{ "encoder", VITA_ENCODER_ID, MEMBERS(encoder_members) },
	{ "llm", VITA_LLM_ID, MEMBERS(llm_members) },
	{ "head", VITA_HEAD_ID, MEMBERS(head_members) },
	{ "codec", VITA_CODEC_ID, MEMBERS(codec_members) },
};

const vita_kind *vita_kind_of_interface(const char *interface_id)
{
	for (uint32_t i = 0; i < VITA_N_KINDS; i++)
		if (strcmp(vita_kinds[i].interface_id, interface_id) == 0) return &vita_kinds[i];
	return NULL;
}

const vita_kind *vita_kind_find(const char *name)
{
	for (uint32_t i = 0; i < VITA_N_KINDS; i++)
		if (strcmp(vita_kinds[i].name, name) == 0) return &vita_kinds[i];
	return NULL;
}

/* ---- parts of the check ---------------------------------------------------------------------------- */

VITA_PRINTF(2, 3)
static int32_t refuse(char *reason, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	(void)vsnprintf(reason, VITA_REASON_SIZE, format, args);
	va_end(args);
	return 0;
}

/* A pointer to a struct that begins with struct_size: there, aligned, and of a size that makes sense. */
static int32_t check_struct(const void *pointer, uint32_t least, const char *what, char *reason)
{
	uint32_t size;
	if (!pointer) return refuse(reason, "%s is NULL", what);
	if ((uintptr_t)pointer % _Alignof(void *))
		return refuse(reason, "%s lies at an address that no struct has", what);
	memcpy(&size, pointer, sizeof size);
	if (size < least || size > LARGEST_STRUCT)
		return refuse(reason,
		              "%s has a struct_size of %u bytes, where ABI %d.0 needs at least %u and %u is "
		              "the most",
		              what, size, VITA_ABI_MAJOR, least, LARGEST_STRUCT);
	return 1;
}

static int32_t check_text(const char *text, uint32_t longest, const char *what, char *reason)
{
	if (!text) return refuse(reason, "%s is NULL", what);
	size_t n = vita_printable(text, longest + 1u);
	if (n > longest) return refuse(reason, "%s is longer than %u bytes", what, longest);
	return text[n] ? refuse(reason, "%s holds a control character or is not UTF-8", what) : 1;
}

/* What INI files write: [a-z0-9] first, then also _ and - (names) or _ (keys, which begin with a letter). */
static int32_t check_name(const char *name, int is_key, const char *what, char *reason)
{
	if (!check_text(name, LONGEST_NAME, what, reason)) return 0;
	int ok = (name[0] >= 'a' && name[0] <= 'z') || (!is_key && name[0] >= '0' && name[0] <= '9');
	for (const char *c = name; ok && *c; c++)
		ok = (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '_' ||
		     (*c == '-' && !is_key);
	if (!ok) return refuse(reason, "%s is \"%s\", which an INI file cannot write", what, name);
	return 1;
}

static int32_t check_key(const vita_key *key, const char *factory, uint32_t index, char *reason)
{
	char what[128];
	vita_error err;
	vita_setting setting;
	(void)snprintf(what, sizeof what, "key %u of \"%s\"", index, factory);
	if (!check_struct(key, UP_TO(vita_key, max), what, reason)) return 0;
	if (!check_name(key->name, 1, what, reason)) return 0;
	(void)snprintf(what, sizeof what, "key \"%s\" of \"%s\"", key->name, factory);
	if (key->type > VITA_KEY_SEED)
		return refuse(reason, "%s is of type %u, which ABI 1 does not have", what, key->type);
	if (!(key->min <= key->max))
		return refuse(reason, "%s has the range %g to %g", what, key->min, key->max);
	if (!check_text(key->help, LONGEST_TEXT, what, reason)) return 0;
	if (key->type == VITA_KEY_CHOICE && !check_text(key->choices, LONGEST_TEXT, what, reason)) return 0;
	if (!key->fallback) return 1;
	if (!check_text(key->fallback, LONGEST_TEXT, what, reason)) return 0;
	if (vita_setting_convert(&setting, key, key->fallback, NULL, what, &err) != VITA_OK)
		return refuse(reason, "the default of %.480s", err.message);
	vita_setting_clear(&setting);
	return 1;
}

static int32_t check_keys(const vita_factory *factory, char *reason)
{
	if (factory->n_keys > MOST_KEYS)
		return refuse(reason, "\"%s\" claims %u keys, where %u are the most", factory->name,
		              factory->n_keys, MOST_KEYS);
	if (factory->n_keys && !factory->keys)
		return refuse(reason, "\"%s\" has keys at NULL", factory->name);
	for (uint32_t i = 0; i < factory->n_keys; i++) {
		if (!check_key(factory->keys[i], factory->name, i, reason)) return 0;
		for (uint32_t j = 0; j < i; j++)
			if (strcmp(factory->keys[i]->name, factory->keys[j]->name) == 0)
				return refuse(reason, "\"%s\" declares the key \"%s\" twice", factory->name,
				              factory->keys[i]->name);
	}
	return 1;
}

static int32_t check_api(const vita_factory *factory, const vita_kind *kind, char *reason)
{
	char what[128];
	uint32_t least = 0;
	for (uint32_t i = 0; i < kind->n_required; i++) {
		uint32_t end = (uint32_t)(kind->required[i].offset + sizeof(void (*)(void)));
		if (end > least) least = end;
	}
	(void)snprintf(what, sizeof what, "the %s table of \"%s\"", kind->interface_id, factory->name);
	if (!check_struct(factory->api, least, what, reason)) return 0;
	for (uint32_t i = 0; i < kind->n_required; i++) {
		void (*method)(void);
		memcpy(&method, (const char *)factory->api + kind->required[i].offset, sizeof method);
		if (!method) return refuse(reason, "%s lacks %s", what, kind->required[i].name);
	}
	return 1;
}

/* A backend that calls itself the reference runs what others lack, on their memory. */
static int32_t check_reference(const vita_factory *factory, char *reason)
{
	const vita_backend_api *api = factory->api;
	if (!(api->flags & VITA_BACKEND_F_REFERENCE)) return 1;
	if (VITA_HAS(api, vita_backend_api, wrap) && VITA_HAS(api, vita_backend_api, address)) return 1;
	return refuse(reason, "\"%s\" calls itself the reference backend but lacks wrap or address",
	              factory->name);
}

static int32_t check_factory(const vita_factory *factory, uint32_t index, uint32_t *known, char *reason)
{
	char what[64];
	(void)snprintf(what, sizeof what, "factory %u", index);
	if (!check_struct(factory, UP_TO(vita_factory, n_keys), what, reason)) return 0;
	if (!check_text(factory->interface_id, LONGEST_NAME, "an interface id", reason)) return 0;
	const vita_kind *kind = vita_kind_of_interface(factory->interface_id);
	if (!kind) return 1;
	*known += 1;
	if (!check_name(factory->name, 0, "a factory's name", reason)) return 0;
	if (!check_text(factory->summary, LONGEST_TEXT, "a factory's summary", reason)) return 0;
	if (!check_api(factory, kind, reason)) return 0;
	if (strcmp(kind->interface_id, VITA_BACKEND_ID) == 0 && !check_reference(factory, reason)) return 0;
	return check_keys(factory, reason);
}

/* ---- the whole ------------------------------------------------------------------------------------- */

int32_t vita_module_check(const vita_module *module, char *reason)
{
	uint32_t known = 0;
	if (!module)
		return refuse(reason, "says that it cannot work with ABI %d.%d", VITA_ABI_MAJOR,
		              VITA_ABI_MINOR);
	if (!check_struct(module, UP_TO(vita_module, abi_minor), "its description", reason)) return 0;
	if (module->abi_major != VITA_ABI_MAJOR)
		return refuse(reason, "was built for ABI %u.%u, and this is ABI %d.%d", module->abi_major,
		              module->abi_minor, VITA_ABI_MAJOR, VITA_ABI_MINOR);
	if (!check_struct(module, UP_TO(vita_module, factories), "its description", reason)) return 0;
	if (!check_text(module->name, LONGEST_NAME, "its name", reason)) return 0;
	if (!check_text(module->version, LONGEST_NAME, "its version", reason)) return 0;
	if (!check_text(module->licence, LONGEST_TEXT, "its licence", reason)) return 0;
	if (module->n_factories == 0) return refuse(reason, "offers nothing");
	if (module->n_factories > MOST_FACTORIES)
		return refuse(reason, "claims %u factories, where %u are the most", module->n_factories,
		              MOST_FACTORIES);
	if (!module->factories) return refuse(reason, "has its factories at NULL");
	for (uint32_t i = 0; i < module->n_factories; i++)
		if (!check_factory(module->factories[i], i, &known, reason)) return 0;
	if (!known)
		return refuse(reason, "offers only %s, which this host does not know",
		              module->factories[0]->interface_id);
	return 1;
}

static void make_printable(char *text, size_t size)
{
	char raw[512];
	text[size - 1] = '\0';
	(void)snprintf(raw, sizeof raw, "%s", text);
	(void)vita_quotable(text, size, raw);
}

int32_t vita_backend_device_check(vita_backend_device *device, char *reason)
{
	make_printable(device->name, sizeof device->name);
	make_printable(device->reason, sizeof device->reason);
	make_printable(device->details, sizeof device->details);
	if (device->available > 1)
		return refuse(reason,
		              "its probe describes a device with available = %u, which is neither 0 nor 1",
		              device->available);
	if (!device->name[0] && device->available)
		return refuse(reason, "its probe describes a device without a name");
	return 1;
}
