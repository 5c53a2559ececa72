/* SPDX-License-Identifier: MIT
 *
 * vita/config.h - INI files and overrides: which plugins, models, devices and settings to use.
 *
 * create -> (read | set)* -> vita_context_create -> destroy. Later values win, within a file too. A config
 * remembers where each value came from, so that an error can name file and line. The sections and keys are in
 * vita.ini(5); vita_config_section and vita_config_keys list them.
 *
 * A line is `[section]`, `key = value` (or `key: value`), blank, or a comment that begins with ';' or '#'. A
 * ';' after a space begins a comment too. A value ends with its line, however long that is; leading space has
 * no meaning, quotes are part of the value. Relative paths start at the INI file, "~/" at the home directory.
 */
#ifndef VITA_CONFIG_H
#define VITA_CONFIG_H

#include <vita/module.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vita_config vita_config;

VITA_EXPORT vita_status vita_config_create(vita_config **out, vita_error *err);       /* [any-thread] */
VITA_EXPORT void vita_config_destroy(vita_config *config); /* NULL is a no-op            [one-thread] */

/* Read an INI file; "-" is standard input, in which relative paths start at the working directory. Syntax errors,
 * unknown sections and libvita's own keys are checked here; plugins' keys when a context knows the plugins.  OK | E_NOTFOUND | E_IO | E_CONFIG | E_NOMEM   [one-thread, may-block] */
VITA_EXPORT vita_status vita_config_read(vita_config *config, const char *path, vita_error *err);

/* One override as given to -s: "section.key=value". Paths in it are relative to the working directory.
 * OK | E_CONFIG | E_NOMEM                                                              [one-thread] */
VITA_EXPORT vita_status vita_config_set(vita_config *config, const char *assignment, vita_error *err);

/* The value as written, NULL where absent; lives until the config changes.            [one-thread] */
VITA_EXPORT const char *vita_config_get(const vita_config *config, const char *section, const char *key);

/* ---- what can be written ---- */

/* Name of section number index, in the manual's order; NULL past the last.           [any-thread] */
VITA_EXPORT const char *vita_config_section(uint32_t index);

/* libvita's own keys of a section: *n static entries; NULL and 0 where there is no such section. Plugins add
 * their own (vita_offer.factory).                                                     [any-thread] */
VITA_EXPORT const vita_key *const *vita_config_keys(const char *section, uint32_t *n);

#ifdef __cplusplus
}
#endif
#endif
