/* SPDX-License-Identifier: MIT
 *
 * What the scanned files offer, in the order of the search path: the first of a name and kind wins, later
 * ones and refused files are kept with their reason.
 */
#include <config.h>

#include "host/registry.h"

#include "host/words.h"

#include <stdlib.h>

/* ---- building -------------------------------------------------------------------------------------- */

static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

static uint32_t most_entries(const vita_registry *registry)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < registry->n_files; i++) {
		const vita_scan_file *file = &registry->files[i];
		n += file->module ? file->module->n_factories + file->n_probed : 1;
	}
	return n;
}

static vita_entry *add_entry(vita_registry *registry, const vita_scan_file *file, const vita_kind *kind,
                             const vita_factory *factory)
{
	vita_entry *entry = &registry->entries[registry->n_entries++];
	entry->file = file;
	entry->kind = kind;
	entry->factory = factory;
	return entry;
}

/* The earlier entry that has this kind and name, or NULL. */
static const vita_entry *shadow_of(const vita_registry *registry, const vita_entry *entry)
{
	for (const vita_entry *e = registry->entries; e < entry; e++)
		if (e->kind == entry->kind && e->factory != entry->factory &&
		    strcmp(e->factory->name, entry->factory->name) == 0)
			return e;
	return NULL;
}

static void settle_shadow(const vita_registry *registry, vita_entry *entry)
{
	const vita_entry *first = shadow_of(registry, entry);
	if (!first) return;
	entry->available = 0;
	(void)snprintf(entry->reason, sizeof entry->reason, "another %s of this name comes first: %s",
	               entry->kind->name, first->file->path);
}

static void describe_device(vita_entry *entry, const vita_probed *probed)
{
	entry->device = &probed->device;
	entry->device_index = probed->index;
	entry->available = !probed->reason[0] && probed->device.available;
	(void)snprintf(entry->details, sizeof entry->details, "%s%s%s", probed->device.name,
	               probed->device.details[0] ? ", " : "", probed->device.details);
	if (probed->reason[0])
		(void)snprintf(entry->reason, sizeof entry->reason, "%s", probed->reason);
	else if (!entry->available)
		(void)snprintf(entry->reason, sizeof entry->reason, "%s",
		               probed->device.reason[0] ? probed->device.reason
		                                        : "it says that it is not available, and not why");
}

static void add_backend(vita_registry *registry, const vita_scan_file *file, const vita_kind *kind,
                        uint32_t index)
{
	const vita_factory *factory = file->module->factories[index];
	uint32_t before = registry->n_entries;
	for (uint32_t i = 0; i < file->n_probed; i++)
		if (file->probed[i].factory == index)
			describe_device(add_entry(registry, file, kind, factory), &file->probed[i]);
	if (registry->n_entries == before)
		(void)snprintf(add_entry(registry, file, kind, factory)->reason, VITA_REASON_SIZE,
		               "it finds no device");
	for (; before < registry->n_entries; before++) settle_shadow(registry, &registry->entries[before]);
}

static void add_file(vita_registry *registry, const vita_scan_file *file, const vita_log *log)
{
	if (!file->module) {
		vita_entry *entry = add_entry(registry, file, NULL, NULL);
		(void)snprintf(entry->reason, sizeof entry->reason, "%s", file->reason);
		vita_log_format(log, VITA_LOG_WARNING, "loader", "%s: %s", file->path, file->reason);
		return;
	}
	for (uint32_t i = 0; i < file->module->n_factories; i++) {
		const vita_factory *factory = file->module->factories[i];
		const vita_kind *kind = vita_kind_of_interface(factory->interface_id);
		if (!kind) continue;
		if (strcmp(kind->interface_id, VITA_BACKEND_ID) == 0) {
			add_backend(registry, file, kind, i);
			continue;
		}
		vita_entry *entry = add_entry(registry, file, kind, factory);
		entry->available = 1;
		settle_shadow(registry, entry);
	}
}

vita_status vita_registry_build(vita_registry *registry, const vita_config *config, const vita_log *log,
                                vita_error *err)
{
	char **directories;
	uint32_t n;
	vita_status status = vita_search_path(config, &directories, &n, err);
	if (status == VITA_OK) {
		status = vita_search_files(directories, n, &registry->files, &registry->n_files, err);
		vita_search_path_free(directories, n);
	}
	if (status == VITA_OK)
		status = vita_scan(registry->files, registry->n_files, VITA_SCAN_TIME_LIMIT_MS, log, err);
	if (status != VITA_OK) return status;
	registry->entries = calloc(most_entries(registry) + 1u, sizeof *registry->entries);
	if (!registry->entries) return vita_fail(err, VITA_E_NOMEM, "no memory for the list of modules");
	for (uint32_t i = 0; i < registry->n_files; i++) add_file(registry, &registry->files[i], log);
	return VITA_OK;
}

void vita_registry_clear(vita_registry *registry)
{
	vita_scan_clear(registry->files, registry->n_files);
	free(registry->files);
	free(registry->entries);
	memset(registry, 0, sizeof *registry);
}

/* ---- finding --------------------------------------------------------------------------------------- */

const vita_factory *vita_registry_factory(const vita_registry *registry, const char *kind, uint32_t index)
{
	const vita_factory *last = NULL;
	for (uint32_t i = 0; i < registry->n_entries; i++) {
		const vita_entry *entry = &registry->entries[i];
		if (!entry->kind || entry->factory == last || strcmp(entry->kind->name, kind) != 0) continue;
		last = entry->factory; /* the devices of a backend follow each other */
		if (shadow_of(registry, entry)) continue;
		if (index-- == 0) return entry->factory;
	}
	return NULL;
}

const vita_factory *vita_registry_find(const vita_registry *registry, const char *kind, const char *name)
{
	const vita_factory *factory;
	for (uint32_t i = 0; (factory = vita_registry_factory(registry, kind, i)); i++)
		if (strcmp(factory->name, name) == 0) return factory;
	return NULL;
}

vita_status vita_registry_not_found(const vita_registry *registry, const char *kind, const char *name,
                                    const char *place, vita_error *err)
{
	const char *names[64];
	char text[1000], quoted[64];
	uint32_t n = 0, n_refused = 0;
	while (n < 64) {
		const vita_factory *factory = vita_registry_factory(registry, kind, n);
		if (!factory) break;
		names[n++] = factory->name;
	}
	(void)snprintf(text, sizeof text, "%.400s%sthere is no %s \"%s\"", place, place[0] ? ": " : "", kind,
	               vita_quotable(quoted, sizeof quoted, name));
	if (n)
		vita_append_suggestion(text, sizeof text, name, "there are", names, n);
	else
		vita_append(text, sizeof text, ", nor any other %s", kind);
	for (uint32_t i = 0; i < registry->n_files; i++) {
		const vita_scan_file *file = &registry->files[i];
		if (file->module) continue;
		vita_append(text, sizeof text, "%s %s",
		            n_refused++ ? "," : "; refused:", file_name(file->path));
		if (n_refused < 3) vita_append(text, sizeof text, " (%.150s)", file->reason);
	}
	return vita_fail(err, place[0] ? VITA_E_CONFIG : VITA_E_NOTFOUND, "%s", text);
}
