/* SPDX-License-Identifier: MIT
 *
 * Typed values: text of an INI file converted by a key's declaration, and tables of such values, which is
 * what modules read through vita_host.setting_* and what a context keeps for libvita's own keys.
 */
#ifndef VITA_HOST_SETTINGS_H
#define VITA_HOST_SETTINGS_H

#include "host/log.h"

#include <vita/module.h>

typedef struct vita_setting {
	char *name;
	uint32_t type; /* VITA_KEY_* */
	int32_t has;
	char *string;    /* STRING, PATH (resolved), CHOICE */
	int64_t integer; /* INT, BOOL */
	double real;     /* FLOAT */
	int64_t *list;   /* LIST */
	uint32_t n_list;
} vita_setting;

/* Convert text as the key's type and range ask. base is the directory that relative paths start at, NULL: as
 * they are. where ("nano.ini:3: [llm] context") begins the sentence of an E_CONFIG. setting is one to fill:
 * vita_setting_clear frees what is in it. */
vita_status vita_setting_convert(vita_setting *setting, const vita_key *key, const char *text,
                                 const char *base, const char *where, vita_error *err);
void vita_setting_clear(vita_setting *setting);

/* The path with "~/" and base applied; the caller frees. E_CONFIG where the home directory is not known. */
vita_status vita_path_resolve(const char *path, const char *base, const char *where, char **out,
                              vita_error *err);

/* An empty table. topic names its user in log lines about wrong reads ("codec flow-hift"). */
vita_status vita_settings_create(const char *topic, const vita_log *log, vita_settings **out,
                                 vita_error *err);

/* Take the value over (setting is zeroed), replacing one of the same name. */
vita_status vita_settings_take(vita_settings *settings, vita_setting *setting, vita_error *err);

/* As vita_host.setting_*. */
int32_t vita_settings_has(const vita_settings *settings, const char *key);
const char *vita_settings_string(const vita_settings *settings, const char *key);
int64_t vita_settings_int(const vita_settings *settings, const char *key);
double vita_settings_float(const vita_settings *settings, const char *key);
uint32_t vita_settings_list(const vita_settings *settings, const char *key, const int64_t **values);

#endif
