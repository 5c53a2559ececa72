/* SPDX-License-Identifier: MIT
 *
 * A context's view of its config: libvita's own keys as typed values, and the check of plugins' keys against
 * what the modules declare.
 */
#include <config.h>

#include "host/context_state.h"

#include "host/words.h"

#include <stdlib.h>

/* ---- libvita's own keys ---------------------------------------------------------------------------- */

static uint32_t n_own_keys(void)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < VITA_N_SECTIONS; i++) n += vita_sections[i].n_keys;
	return n;
}

/* "nano.ini:12: [codec] chunk", or "[codec] chunk" for what nobody wrote. */
static void origin_text(char *out, size_t size, const vita_config_entry *written, const char *section,
                        const char *key)
{
	if (written)
		(void)snprintf(out, size, "%.400s: [%s] %s", written->place, section, key);
	else
		(void)snprintf(out, size, "[%s] %s", section, key);
}

/* Value or default of one key into settings; neither: a value that is not there. */
static vita_status read_key(const vita_context *context, const char *section, const vita_key *key,
                            vita_settings *settings, vita_error *err)
{
	char where[512];
	vita_setting setting;
	vita_status status;
	const vita_config_entry *written = vita_config_find(context->config, section, key->name);
	const char *text = written ? written->value : key->fallback;
	origin_text(where, sizeof where, written, section, key->name);
	if (text) {
		status =
			vita_setting_convert(&setting, key, text, written ? written->base : NULL, where, err);
		if (status != VITA_OK) return status;
	} else {
		setting = (vita_setting){ .name = strdup(key->name), .type = key->type };
		if (!setting.name) return vita_fail(err, VITA_E_NOMEM, "no memory for %s", where);
	}
	status = vita_settings_take(settings, &setting, err);
	vita_setting_clear(&setting);
	return status;
}

static vita_status read_own(vita_context *context, vita_error *err)
{
	char text[512];
	uint32_t n = 0;
	context->origin = calloc(n_own_keys(), sizeof *context->origin);
	if (!context->origin) return vita_fail(err, VITA_E_NOMEM, "no memory for the config");
	for (uint32_t i = 0; i < VITA_N_SECTIONS; i++) {
		const vita_section *section = &vita_sections[i];
		vita_status status = vita_settings_create(section->name, &context->services.log,
		                                          &context->section[i], err);
		for (uint32_t j = 0; j < section->n_keys && status == VITA_OK; j++) {
			const char *key = section->keys[j]->name;
			status = read_key(context, section->name, section->keys[j], context->section[i], err);
			origin_text(text, sizeof text, vita_config_find(context->config, section->name, key),
			            section->name, key);
			context->origin[n] = strdup(text);
			if (!context->origin[n++] && status == VITA_OK)
				status = vita_fail(err, VITA_E_NOMEM, "no memory for the config");
		}
		if (status != VITA_OK) return status;
	}
	return VITA_OK;
}

void vita_context_clear_config(vita_context *context)
{
	for (uint32_t i = 0; i < VITA_N_SECTIONS; i++) vita_settings_destroy(context->section[i]);
	for (uint32_t i = 0, n = n_own_keys(); context->origin && i < n; i++) free(context->origin[i]);
	free(context->origin);
}

/* ---- plugins' keys --------------------------------------------------------------------------------- */

static const vita_key *declared_key(const vita_factory *factory, const char *name)
{
	for (uint32_t i = 0; i < factory->n_keys; i++)
		if (strcmp(factory->keys[i]->name, name) == 0) return factory->keys[i];
	return NULL;
}

/* NAME:DEVICE of a section is about the module NAME. */
static int is_backend(const char *value, const char *name)
{
	size_t n = strlen(name);
	return strncmp(value, name, n) == 0 && (value[n] == '\0' || value[n] == ':');
}

/* Does the config name exactly which modules a section's keys go to? For [backend] other sections do too. */
static int names_module(const vita_context *context, const vita_section *section, const char *name)
{
	const char *chosen = vita_config_get(context->config, section->name, section->chooser);
	if (chosen && strcmp(chosen, name) == 0) return 1;
	for (uint32_t i = 0; strcmp(section->name, "backend") == 0 && i < VITA_N_SECTIONS; i++) {
		const char *backend = vita_config_get(context->config, vita_sections[i].name, "backend");
		if (backend && is_backend(backend, name)) return 1;
	}
	return 0;
}

/* Is the module left to libvita to choose, so that any of the kind may come? */
static int any_module(const vita_context *context, const vita_section *section)
{
	const char *name = vita_config_get(context->config, section->name, section->chooser);
	return !name || !*name || strcmp(name, "none") == 0 || strcmp(name, "auto") == 0 ||
	       (strcmp(section->name, "backend") == 0 && names_module(context, section, "auto"));
}

typedef struct key_search {
	const vita_key *found;
	const char *names[256]; /* all keys that could have been meant */
	uint32_t n_names;
	uint32_t n_asked; /* modules that may get the section */
	int missing;      /* a named module is not there: nothing can be said */
} key_search;

static void search_declared(const vita_context *context, const vita_section *section, const char *key,
                            key_search *search)
{
	int any = any_module(context, section);
	const char *chosen = vita_config_get(context->config, section->name, section->chooser);
	const vita_factory *factory;
	search->missing = !any && !vita_registry_find(&context->registry, section->kind, chosen);
	for (uint32_t i = 0; (factory = vita_registry_factory(&context->registry, section->kind, i)); i++) {
		if (!any && !names_module(context, section, factory->name)) continue;
		search->n_asked++;
		if (!search->found) search->found = declared_key(factory, key);
		for (uint32_t k = 0; k < factory->n_keys && search->n_names < 256; k++)
			search->names[search->n_names++] = factory->keys[k]->name;
	}
}

/* A key that libvita does not define. */
static vita_status check_foreign(const vita_context *context, const vita_section *section,
                                 const vita_config_entry *written, vita_error *err)
{
	key_search search = { 0 };
	char where[512];
	vita_setting setting;
	search_declared(context, section, written->key, &search);
	if (search.missing || search.n_asked == 0) return VITA_OK; /* opening that part will tell */
	if (!search.found)
		return vita_config_unknown_key(section->name, written->key, written->place, search.names,
		                               search.n_names, err);
	if (search.n_asked > 1) return VITA_OK; /* two modules may mean two things by one name */
	origin_text(where, sizeof where, written, section->name, written->key);
	vita_status status =
		vita_setting_convert(&setting, search.found, written->value, written->base, where, err);
	if (status == VITA_OK) vita_setting_clear(&setting);
	return status;
}

vita_status vita_context_read_config(vita_context *context, vita_error *err)
{
	vita_status status = read_own(context, err);
	for (uint32_t i = 0; i < context->config->n && status == VITA_OK; i++) {
		const vita_config_entry *written = &context->config->entry[i];
		const vita_section *section = vita_section_find(written->section);
		if (!vita_section_key(section, written->key))
			status = check_foreign(context, section, written, err);
	}
	return status;
}

/* ---- settings for a module ------------------------------------------------------------------------- */

vita_status vita_context_add_declared(const vita_context *context, const vita_section *section,
                                      const vita_factory *factory, vita_settings *settings, vita_error *err)
{
	for (uint32_t i = 0; i < factory->n_keys; i++) {
		if (vita_section_key(section, factory->keys[i]->name))
			continue; /* libvita's own are given by the host */
		vita_status status = read_key(context, section->name, factory->keys[i], settings, err);
		if (status != VITA_OK) return status;
	}
	return VITA_OK;
}

/* A key of libvita's own that modules of a kind are given too, under the name `as`. */
typedef struct given_key {
	const char *kind, *section, *key, *as;
	int32_t number;
} given_key;

static const given_key given_keys[] = {
	{ "encoder", "encoder", "model", "model", 0 },     { "encoder", "llm", "model", "llm_model", 0 },
	{ "codec", "codec", "model", "model", 0 },         { "llm", "llm", "dtype", "dtype", 0 },
	{ "llm", "llm", "context", "context", 1 },         { "head", "heads", "count", "count", 1 },
	{ "head", "llm", "dtype", "dtype", 0 },            { "backend", "backend", "threads", "threads", 1 },
	{ "backend", "backend", "device", "device", 0 },
};

vita_status vita_context_settings(const vita_context *context, const char *section,
                                  const vita_factory *factory, vita_settings **out, vita_error *err)
{
	const vita_section *own = vita_section_find(section);
	const vita_kind *kind = vita_kind_of_interface(factory->interface_id);
	char topic[128];
	*out = NULL;
	if (!own || !kind || !own->kind || strcmp(own->kind, kind->name) != 0)
		return vita_fail(err, VITA_E_INVALID, "[%s] does not configure \"%s\"", section,
		                 factory->name);
	(void)snprintf(topic, sizeof topic, "%s %s", kind->name, factory->name);
	vita_settings *settings;
	vita_status status = vita_settings_create(topic, &context->services.log, &settings, err);
	if (status != VITA_OK) return status;
	for (uint32_t i = 0; i < sizeof given_keys / sizeof given_keys[0] && status == VITA_OK; i++) {
		const given_key *given = &given_keys[i];
		if (strcmp(given->kind, kind->name) != 0) continue;
		status = given->number
		                 ? vita_settings_set_int(
					   settings, given->as,
					   vita_context_int(context, given->section, given->key), err)
		                 : vita_settings_set_string(
					   settings, given->as,
					   vita_context_string(context, given->section, given->key), err);
	}
	if (status == VITA_OK) status = vita_context_add_declared(context, own, factory, settings, err);
	if (status == VITA_OK)
		*out = settings;
	else
		vita_settings_destroy(settings);
	return status;
}

/* ---- values for libvita ---------------------------------------------------------------------------- */

static const vita_settings *section_settings(const vita_context *context, const char *section)
{
	const vita_section *own = vita_section_find(section);
	if (own) return context->section[own - vita_sections];
	vita_log_format(&context->services.log, VITA_LOG_WARNING, "host",
	                "a value of [%s] is asked for, which is no section", section);
	return context->section[0];
}

int32_t vita_context_has(const vita_context *context, const char *section, const char *key)
{
	return vita_settings_has(section_settings(context, section), key);
}

const char *vita_context_string(const vita_context *context, const char *section, const char *key)
{
	return vita_settings_string(section_settings(context, section), key);
}

int64_t vita_context_int(const vita_context *context, const char *section, const char *key)
{
	return vita_settings_int(section_settings(context, section), key);
}

double vita_context_float(const vita_context *context, const char *section, const char *key)
{
	return vita_settings_float(section_settings(context, section), key);
}

uint32_t vita_context_list(const vita_context *context, const char *section, const char *key,
                           const int64_t **values)
{
	return vita_settings_list(section_settings(context, section), key, values);
}

int32_t vita_context_given(const vita_context *context, const char *section, const char *key)
{
	return vita_config_find(context->config, section, key) != NULL;
}

const char *vita_context_base(const vita_context *context, const char *section, const char *key)
{
	const vita_config_entry *written = vita_config_find(context->config, section, key);
	return written && written->base ? written->base : "";
}

const char *vita_context_origin(const vita_context *context, const char *section, const char *key)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < VITA_N_SECTIONS; i++)
		for (uint32_t j = 0; j < vita_sections[i].n_keys; j++, n++)
			if (strcmp(vita_sections[i].name, section) == 0 &&
			    strcmp(vita_sections[i].keys[j]->name, key) == 0)
				return context->origin[n];
	return "the config";
}
