/* SPDX-License-Identifier: MIT
 *
 * A context: the modules found, for one config; what there is, and finding it by name.
 */
#include <config.h>

#include "host/context_state.h"

#include "host/words.h"

#include <stdlib.h>

const char *vita_version(void)
{
	return PACKAGE_VERSION;
}

/* [vita] log, before anything is said. */
static uint32_t log_level(const vita_config *config)
{
	static const char *const names[] = { "error", "warning", "info", "debug" };
	const char *level = vita_config_get(config, "vita", "log");
	for (uint32_t i = 0; level && i < 4; i++)
		if (strcmp(level, names[i]) == 0) return i;
	return VITA_LOG_WARNING;
}

static vita_status copy_config(vita_context *context, const vita_config *config, vita_error *err)
{
	vita_status status = vita_config_create(&context->config, err);
	return status == VITA_OK ? vita_config_merge(context->config, config, err) : status;
}

vita_status vita_context_create(const vita_config *config, vita_log_fn log, void *user, vita_context **out,
                                vita_error *err)
{
	vita_context *context = calloc(1, sizeof *context);
	*out = NULL;
	if (!context) return vita_fail(err, VITA_E_NOMEM, "no memory for a context");
	vita_status status = vita_services_init(&context->services, log, user, log_level(config), err);
	if (status != VITA_OK) goto fail_services;
	if (pthread_mutex_init(&context->device_lock, NULL) != 0) {
		status = vita_fail(err, VITA_E_NOMEM, "no memory for a lock");
		goto fail_lock;
	}
	status = copy_config(context, config, err);
	if (status == VITA_OK)
		status =
			vita_registry_build(&context->registry, context->config, &context->services.log, err);
	if (status == VITA_OK) status = vita_context_read_config(context, err);
	if (status != VITA_OK) {
		vita_context_destroy(context);
		return status;
	}
	context->services.threads = vita_context_int(context, "backend", "threads");
	*out = context;
	return VITA_OK;
fail_lock:
	vita_services_clear(&context->services);
fail_services:
	free(context);
	return status;
}

void vita_context_destroy(vita_context *context)
{
	if (!context) return;
	vita_context_clear_config(context);
	vita_registry_clear(&context->registry);
	vita_config_destroy(context->config);
	(void)pthread_mutex_destroy(&context->device_lock);
	vita_services_clear(&context->services);
	free(context);
}

const vita_host *vita_context_host(const vita_context *context)
{
	return &context->services.host;
}

/* ---- what there is --------------------------------------------------------------------------------- */

uint32_t vita_context_n_offers(const vita_context *context)
{
	return context->registry.n_entries;
}

vita_status vita_context_offer(const vita_context *context, uint32_t index, vita_offer *out)
{
	if (index >= context->registry.n_entries) return VITA_E_INVALID;
	const vita_entry *entry = &context->registry.entries[index];
	const vita_module *module = entry->file->module;
	const char *slash = strrchr(entry->file->path, '/');
	vita_offer offer = {
		.struct_size = out->struct_size,
		.available = (uint32_t)entry->available,
		.path = entry->file->path,
		.kind = entry->kind ? entry->kind->name : "",
		.name = entry->factory ? entry->factory->name
		        : slash        ? slash + 1
		                       : entry->file->path,
		.version = module ? module->version : "",
		.licence = module ? module->licence : "",
		.summary = entry->factory ? entry->factory->summary : "",
		.device = entry->details,
		.reason = entry->reason,
		.factory = entry->factory,
		.score = entry->device && entry->available ? entry->device->score : 0,
		.device_name = entry->device ? entry->device->name : "",
		.memory_bytes = entry->device ? entry->device->memory_bytes : 0,
		.device_index = entry->device_index,
	};
	memcpy(out, &offer, out->struct_size < sizeof offer ? out->struct_size : sizeof offer);
	return VITA_OK;
}

const vita_factory *vita_context_factory_at(const vita_context *context, const char *kind, uint32_t index)
{
	return vita_registry_factory(&context->registry, kind, index);
}

vita_status vita_context_factory(const vita_context *context, const char *kind, const char *name,
                                 const vita_factory **out, vita_error *err)
{
	*out = vita_registry_find(&context->registry, kind, name);
	return *out ? VITA_OK : vita_registry_not_found(&context->registry, kind, name, "", err);
}

vita_status vita_context_section_factory(const vita_context *context, const char *section,
                                         const vita_factory **out, vita_error *err)
{
	const vita_section *own = vita_section_find(section);
	*out = NULL;
	if (!own || !own->kind) return vita_fail(err, VITA_E_INVALID, "[%s] has no plugin", section);
	const char *name = vita_context_string(context, section, own->chooser);
	if (!*name || strcmp(name, "none") == 0) return VITA_OK;
	*out = vita_registry_find(&context->registry, own->kind, name);
	if (*out) return VITA_OK;
	return vita_registry_not_found(&context->registry, own->kind, name,
	                               vita_context_origin(context, section, own->chooser), err);
}
