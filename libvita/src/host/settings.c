/* SPDX-License-Identifier: MIT
 *
 * Tables of typed values; see settings.h and, for the setters that the engine uses, context_internal.h.
 */
#include <config.h>

#include "host/settings.h"

#include "host/context_internal.h"

#include <stdlib.h>

struct vita_settings {
	char *topic;
	const vita_log *log;
	vita_setting *item;
	uint32_t n, capacity;
};

vita_status vita_settings_create(const char *topic, const vita_log *log, vita_settings **out, vita_error *err)
{
	vita_settings *settings = calloc(1, sizeof *settings);
	*out = NULL;
	if (settings) settings->topic = strdup(topic);
	if (!settings || !settings->topic) {
		free(settings);
		return vita_fail(err, VITA_E_NOMEM, "no memory for the settings of %s", topic);
	}
	settings->log = log;
	*out = settings;
	return VITA_OK;
}

void vita_settings_destroy(vita_settings *settings)
{
	if (!settings) return;
	for (uint32_t i = 0; i < settings->n; i++) vita_setting_clear(&settings->item[i]);
	free(settings->item);
	free(settings->topic);
	free(settings);
}

static vita_setting *find(const vita_settings *settings, const char *key)
{
	for (uint32_t i = 0; i < settings->n; i++)
		if (strcmp(settings->item[i].name, key) == 0) return &settings->item[i];
	return NULL;
}

vita_status vita_settings_take(vita_settings *settings, vita_setting *setting, vita_error *err)
{
	vita_setting *place = find(settings, setting->name);
	if (!place && settings->n == settings->capacity) {
		uint32_t capacity = settings->capacity ? 2 * settings->capacity : 8;
		vita_setting *grown = realloc(settings->item, capacity * sizeof *grown);
		if (!grown)
			return vita_fail(err, VITA_E_NOMEM, "no memory for the settings of %s",
			                 settings->topic);
		settings->item = grown;
		settings->capacity = capacity;
	}
	if (place)
		vita_setting_clear(place);
	else
		place = &settings->item[settings->n++];
	*place = *setting;
	memset(setting, 0, sizeof *setting);
	return VITA_OK;
}

/* Give a host-made value to the table; value is one of the caller's own, strings are copied. */
static vita_status set(vita_settings *settings, const char *key, vita_setting value, vita_error *err)
{
	vita_status status = VITA_E_NOMEM;
	value.name = strdup(key);
	value.has = 1;
	if (value.string) value.string = strdup(value.string);
	if (value.name && (value.string || value.type == VITA_KEY_INT))
		status = vita_settings_take(settings, &value, err);
	else
		vita_fail(err, status, "no memory for the settings of %s", settings->topic);
	vita_setting_clear(&value);
	return status;
}

vita_status vita_settings_set_string(vita_settings *settings, const char *key, const char *value,
                                     vita_error *err)
{
	vita_setting setting = { .type = VITA_KEY_STRING, .string = (char *)value }; /* set copies it */
	return set(settings, key, setting, err);
}

vita_status vita_settings_set_int(vita_settings *settings, const char *key, int64_t value, vita_error *err)
{
	vita_setting setting = { .type = VITA_KEY_INT, .integer = value };
	return set(settings, key, setting, err);
}

/* ---- reading ------------------------------------------------------------------------------------------ */

#define TYPE(type) (1u << VITA_KEY_##type)

/* The value of a key of one of these types, NULL where there is none; a wrong question is logged. */
static const vita_setting *ask(const vita_settings *settings, const char *key, uint32_t types,
                               const char *getter)
{
	const vita_setting *setting = find(settings, key);
	if (!setting) {
		vita_log_format(settings->log, VITA_LOG_WARNING, settings->topic,
		                "asks for the key \"%s\", which is not declared", key);
		return NULL;
	}
	if (!(types >> setting->type & 1)) {
		vita_log_format(settings->log, VITA_LOG_WARNING, settings->topic,
		                "asks for the key \"%s\" with %s, which is not for a key of its type", key,
		                getter);
		return NULL;
	}
	return setting->has ? setting : NULL;
}

int32_t vita_settings_has(const vita_settings *settings, const char *key)
{
	return ask(settings, key, UINT32_MAX, "setting_has") != NULL;
}

const char *vita_settings_string(const vita_settings *settings, const char *key)
{
	const vita_setting *setting =
		ask(settings, key, TYPE(STRING) | TYPE(PATH) | TYPE(CHOICE) | TYPE(SEED), "setting_string");
	return setting ? setting->string : "";
}

int64_t vita_settings_int(const vita_settings *settings, const char *key)
{
	const vita_setting *setting = ask(settings, key, TYPE(INT) | TYPE(BOOL), "setting_int");
	return setting ? setting->integer : 0;
}

double vita_settings_float(const vita_settings *settings, const char *key)
{
	const vita_setting *setting = ask(settings, key, TYPE(FLOAT), "setting_float");
	return setting ? setting->real : 0;
}

uint32_t vita_settings_list(const vita_settings *settings, const char *key, const int64_t **values)
{
	const vita_setting *setting = ask(settings, key, TYPE(LIST), "setting_list");
	*values = setting ? setting->list : NULL;
	return setting ? setting->n_list : 0;
}
