/* SPDX-License-Identifier: MIT
 *
 * Configs in memory: values with their places, overrides, and the check against libvita's own keys.
 * Reading files is in config_read.c.
 */
#include <config.h>

#include "host/config_store.h"

#include "host/config_keys.h"
#include "host/settings.h"
#include "host/words.h"

#include <ctype.h>
#include <stdlib.h>

vita_status vita_config_create(vita_config **out, vita_error *err)
{
	*out = calloc(1, sizeof **out);
	return *out ? VITA_OK : vita_fail(err, VITA_E_NOMEM, "no memory for a config");
}

static void clear_entry(vita_config_entry *entry)
{
	free(entry->section);
	free(entry->key);
	free(entry->value);
	free(entry->base);
	free(entry->place);
}

void vita_config_destroy(vita_config *config)
{
	if (!config) return;
	for (uint32_t i = 0; i < config->n; i++) clear_entry(&config->entry[i]);
	free(config->entry);
	free(config);
}

const vita_config_entry *vita_config_find(const vita_config *config, const char *section, const char *key)
{
	for (uint32_t i = 0; i < config->n; i++)
		if (strcmp(config->entry[i].section, section) == 0 && strcmp(config->entry[i].key, key) == 0)
			return &config->entry[i];
	return NULL;
}

const char *vita_config_get(const vita_config *config, const char *section, const char *key)
{
	const vita_config_entry *entry = vita_config_find(config, section, key);
	return entry ? entry->value : NULL;
}

static vita_config_entry *place_for(vita_config *config, const char *section, const char *key)
{
	for (uint32_t i = 0; i < config->n; i++)
		if (strcmp(config->entry[i].section, section) == 0 &&
		    strcmp(config->entry[i].key, key) == 0) {
			clear_entry(&config->entry[i]);
			return &config->entry[i];
		}
	return &config->entry[config->n++];
}

vita_status vita_config_store(vita_config *config, const char *section, const char *key, const char *value,
                              const char *base, const char *place, vita_error *err)
{
	vita_config_entry entry = { strdup(section), strdup(key), strdup(value), base ? strdup(base) : NULL,
		                    strdup(place) };
	if (!entry.section || !entry.key || !entry.value || (base && !entry.base) || !entry.place) goto fail;
	if (config->n == config->capacity) {
		uint32_t capacity = config->capacity ? 2 * config->capacity : 32;
		vita_config_entry *grown = realloc(config->entry, capacity * sizeof *grown);
		if (!grown) goto fail;
		config->entry = grown;
		config->capacity = capacity;
	}
	*place_for(config, section, key) = entry;
	return VITA_OK;
fail:
	clear_entry(&entry);
	return vita_fail(err, VITA_E_NOMEM, "%s: no memory for the value of [%s] %s", place, section, key);
}

vita_status vita_config_merge(vita_config *config, const vita_config *from, vita_error *err)
{
	for (uint32_t i = 0; i < from->n; i++) {
		const vita_config_entry *e = &from->entry[i];
		vita_status status =
			vita_config_store(config, e->section, e->key, e->value, e->base, e->place, err);
		if (status != VITA_OK) return status;
	}
	return VITA_OK;
}

char *vita_config_base(const char *path)
{
	const char *slash = strrchr(path, '/');
	if (!slash) return strdup("");
	return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

/* ---- checks ---------------------------------------------------------------------------------------- */

static vita_status unknown_section(const char *section, const char *place, vita_error *err)
{
	const char *names[VITA_N_SECTIONS];
	char text[900], name[64];
	for (uint32_t i = 0; i < VITA_N_SECTIONS; i++) names[i] = vita_sections[i].name;
	(void)snprintf(text, sizeof text, "%.300s: there is no section [%s]", place,
	               vita_quotable(name, sizeof name, section));
	vita_append_suggestion(text, sizeof text, section, "the sections are", names, VITA_N_SECTIONS);
	return vita_fail(err, VITA_E_CONFIG, "%s", text);
}

/* A section other than this one that has the key, for people who put it in the wrong place. */
static const vita_section *other_section(const char *section, const char *key)
{
	for (uint32_t i = 0; i < VITA_N_SECTIONS; i++)
		if (strcmp(vita_sections[i].name, section) != 0 && vita_section_key(&vita_sections[i], key))
			return &vita_sections[i];
	return NULL;
}

vita_status vita_config_unknown_key(const char *section, const char *key, const char *place,
                                    const char *const *declared, uint32_t n_declared, vita_error *err)
{
	const vita_section *own = vita_section_find(section);
	const vita_section *other = other_section(section, key);
	char text[1000], name[64];
	uint32_t n = 0;
	const char **names = calloc((size_t)own->n_keys + n_declared, sizeof *names);
	if (!names) return vita_fail(err, VITA_E_NOMEM, "no memory to check [%s]", section);
	for (uint32_t i = 0; i < own->n_keys; i++) names[n++] = own->keys[i]->name;
	for (uint32_t i = 0; i < n_declared; i++) names[n++] = declared[i];
	(void)snprintf(text, sizeof text, "%.300s: [%s] has no key \"%s\"", place, section,
	               vita_quotable(name, sizeof name, key));
	vita_append_suggestion(text, sizeof text, key, "the keys are", names, n);
	if (!vita_nearest(key, names, n) && other)
		vita_append(text, sizeof text, "; [%s] has one of that name", other->name);
	free(names);
	return vita_fail(err, VITA_E_CONFIG, "%s", text);
}

vita_status vita_config_check(const char *section, const char *key, const char *value, const char *base,
                              const char *place, vita_error *err)
{
	const vita_section *own = vita_section_find(section);
	char where[400];
	vita_setting setting;
	if (!own) return unknown_section(section, place, err);
	const vita_key *known = vita_section_key(own, key);
	if (!known && own->kind) return VITA_OK;
	if (!known) return vita_config_unknown_key(section, key, place, NULL, 0, err);
	(void)snprintf(where, sizeof where, "%.300s: [%s] %s", place, section, key);
	vita_status status = vita_setting_convert(&setting, known, value, base, where, err);
	if (status == VITA_OK) vita_setting_clear(&setting);
	return status;
}

/* ---- overrides ------------------------------------------------------------------------------------- */

static char *trimmed(const char *text, size_t size)
{
	while (size && isspace((unsigned char)text[0])) text++, size--;
	while (size && isspace((unsigned char)text[size - 1])) size--;
	return strndup(text, size);
}

vita_status vita_config_set(vita_config *config, const char *assignment, vita_error *err)
{
	const char *equals = strchr(assignment, '=');
	const char *dot = equals ? memchr(assignment, '.', (size_t)(equals - assignment)) : NULL;
	char quoted[128];
	if (!dot || dot == assignment || dot + 1 == equals)
		return vita_fail(
			err, VITA_E_CONFIG,
			"-s \"%s\" is not of the form section.key=value, such as -s llm.context=4096",
			vita_quotable(quoted, sizeof quoted, assignment));
	char *section = trimmed(assignment, (size_t)(dot - assignment));
	char *key = trimmed(dot + 1, (size_t)(equals - dot - 1));
	char *value = trimmed(equals + 1, strlen(equals + 1));
	vita_status status = VITA_E_NOMEM;
	if (section && key && value)
		status = vita_config_check(section, key, value, NULL, "-s", err);
	else
		vita_fail(err, status, "no memory for an override");
	if (status == VITA_OK) status = vita_config_store(config, section, key, value, NULL, "-s", err);
	free(section);
	free(key);
	free(value);
	return status;
}
