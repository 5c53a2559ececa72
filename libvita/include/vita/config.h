/* SPDX-License-Identifier: MIT
 *
 * vita/config.h - INI files and overrides: which plugins, models, devices and settings to use.
 *
 * create -> (read | set)* -> vita_context_create -> destroy. Later values win. A config remembers where
 * each value came from, so that an error can name file and line. The sections and keys are in vita.ini(5).
 */
#ifndef VITA_CONFIG_H
#define VITA_CONFIG_H

#include <vita/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vita_config vita_config;

VITA_EXPORT vita_status vita_config_create(vita_config **out, vita_error *err);       /* [any-thread] */
VITA_EXPORT void vita_config_destroy(vita_config *config); /* NULL is a no-op            [one-thread] */

/* Read an INI file. Syntax errors, unknown sections and libvita's own keys are checked here; plugins' keys when
 * a context knows the plugins.  OK | E_NOTFOUND | E_IO | E_CONFIG | E_NOMEM   [one-thread, may-block] */
VITA_EXPORT vita_status vita_config_read(vita_config *config, const char *path, vita_error *err);

/* One override as given to -s: "section.key=value". Paths in it are relative to the working directory.
 * OK | E_CONFIG | E_NOMEM                                                              [one-thread] */
VITA_EXPORT vita_status vita_config_set(vita_config *config, const char *assignment, vita_error *err);

/* The value as written, NULL where absent; lives until the config changes.            [one-thread] */
VITA_EXPORT const char *vita_config_get(const vita_config *config, const char *section, const char *key);

#ifdef __cplusplus
}
#endif
#endif
