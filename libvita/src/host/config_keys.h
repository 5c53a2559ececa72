/* SPDX-License-Identifier: MIT
 *
 * The INI file's sections, libvita's own keys in each, and the kind of module that may add more.
 */
#ifndef VITA_HOST_CONFIG_KEYS_H
#define VITA_HOST_CONFIG_KEYS_H

#include <vita/module.h>

typedef struct vita_section {
	const char *name;
	const char *kind;    /* modules of this kind declare further keys; NULL: none do */
	const char *chooser; /* the key that names the module: "plugin", "name"; NULL without kind */
	const vita_key *const *keys;
	uint32_t n_keys;
} vita_section;

#define VITA_N_SECTIONS 8
extern const vita_section vita_sections[VITA_N_SECTIONS];

/* NULL where there is no such section or key. */
const vita_section *vita_section_find(const char *name);
const vita_key *vita_section_key(const vita_section *section, const char *key);

/* The section that configures a kind of module; NULL for an unknown kind. */
const vita_section *vita_section_of_kind(const char *kind);

#endif
