/* SPDX-License-Identifier: MIT
 *
 * What a vita_config holds: every value as written, with the place it was written at.
 */
#ifndef VITA_HOST_CONFIG_STORE_H
#define VITA_HOST_CONFIG_STORE_H

#include <vita/config.h>

typedef struct vita_config_entry {
	char *section, *key, *value;
	char *base;  /* directory that relative paths start at, NULL: the working directory */
	char *place; /* "nano.ini:12", or "-s" for an override */
} vita_config_entry;

struct vita_config {
	vita_config_entry *entry; /* one a section and key, in order of first writing */
	uint32_t n, capacity;
};

const vita_config_entry *vita_config_find(const vita_config *config, const char *section, const char *key);

/* Write down a value, over an earlier one. Strings are copied.  OK | E_NOMEM */
vita_status vita_config_store(vita_config *config, const char *section, const char *key, const char *value,
                              const char *base, const char *place, vita_error *err);

/* Write all that `from` holds into config. */
vita_status vita_config_merge(vita_config *config, const vita_config *from, vita_error *err);

/* Is value fit for this key of libvita's own? Keys that no table knows are fine here: a plugin may declare
 * them; but not in a section that no plugin shares.  OK | E_CONFIG | E_NOMEM */
vita_status vita_config_check(const char *section, const char *key, const char *value, const char *base,
                              const char *place, vita_error *err);

/* E_CONFIG with `PLACE: [section] has no key "x"; did you mean …`. declared: the plugins' keys beside
 * libvita's. */
vita_status vita_config_unknown_key(const char *section, const char *key, const char *place,
                                    const char *const *declared, uint32_t n_declared, vita_error *err);

/* Directory part of a path for resolving others, as a new string; "" where it has none. NULL: no memory. */
char *vita_config_base(const char *path);

#endif
