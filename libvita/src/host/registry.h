/* SPDX-License-Identifier: MIT
 *
 * The modules of this machine: files of the search path, scanned, and what they offer by kind and name.
 */
#ifndef VITA_HOST_REGISTRY_H
#define VITA_HOST_REGISTRY_H

#include "host/config_store.h"
#include "host/scan.h"

/* One line of `vita plugins`: a factory, a backend's device, or a refused file. */
typedef struct vita_entry {
	const vita_scan_file *file;
	const vita_kind *kind; /* NULL: the file was refused */
	const vita_factory *factory;
	const vita_backend_device *device; /* backends; NULL where there is none */
	uint32_t device_index;
	int32_t available;
	char reason[VITA_REASON_SIZE]; /* why not available; else "" */
	char details[sizeof(((vita_backend_device *)0)->name) + sizeof(((vita_backend_device *)0)->details) +
	             3];
} vita_entry;

typedef struct vita_registry {
	vita_scan_file *files;
	uint32_t n_files;
	vita_entry *entries;
	uint32_t n_entries;
} vita_registry;

/* Look through $VITA_PLUGIN_PATH, [vita] plugin_path and the installed directory.  OK | E_NOMEM | E_CONFIG */
vita_status vita_registry_build(vita_registry *registry, const vita_config *config, const vita_log *log,
                                vita_error *err);
void vita_registry_clear(vita_registry *registry);

/* The usable factories of a kind, in order; NULL past the last. A factory shadowed by an earlier one of its
 * name is not among them; a backend is, whatever its devices. */
const vita_factory *vita_registry_factory(const vita_registry *registry, const char *kind, uint32_t index);
const vita_factory *vita_registry_find(const vita_registry *registry, const char *kind, const char *name);

/* `PLACE: there is no codec "x"; did you mean …`, with the files that were refused. E_CONFIG where the config
 * named it at PLACE, E_NOTFOUND where PLACE is "". */
vita_status vita_registry_not_found(const vita_registry *registry, const char *kind, const char *name,
                                    const char *place, vita_error *err);

/* The directories, as a list of n new strings; freed with vita_search_path_free (search_path.c). */
vita_status vita_search_path(const vita_config *config, char ***out, uint32_t *n, vita_error *err);
void vita_search_path_free(char **directories, uint32_t n);

/* The modules' files in those directories, each once, in order (search_path.c). */
vita_status vita_search_files(char *const *directories, uint32_t n, vita_scan_file **out, uint32_t *n_out,
                              vita_error *err);

#endif
