/* SPDX-License-Identifier: MIT
 *
 * Opening devices for the sections of a config: choosing (by name, by score, by part of the device's name),
 * sharing one handle among all who come to the same device, and putting the fallback layer over it.
 */
#include <config.h>

#include "host/context_state.h"

#include "host/fallback.h"
#include "host/words.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

struct vita_open_device {
	vita_open_device *next;
	const vita_entry *entry;
	uint64_t references;
	vita_settings *settings;     /* what open was given; it may keep strings of it */
	vita_device real;            /* the backend's own */
	vita_fallback *layer;        /* NULL: the backend needs none */
	vita_open_device *reference; /* what the layer falls back on; counted as one of its references */
};

/* What a section asks for. */
typedef struct choice {
	char name[64];      /* a backend's, or "auto" */
	const char *device; /* index, part of a name, or "" and "auto": any */
	int strict;         /* the device must match */
	const char *name_origin, *device_origin;
} choice;

/* ---- choosing -------------------------------------------------------------------------------------- */

/* NAME or NAME:DEVICE of a section: a backend, and a device of its own. */
static void take_section(choice *c, const char *text)
{
	const size_t n = strcspn(text, ":");
	(void)snprintf(c->name, sizeof c->name, "%.*s", (int)n, text);
	if (text[n] == '\0') return;
	c->device = text + n + 1;
	c->device_origin = c->name_origin;
}

static choice read_choice(const vita_context *context, const char *section)
{
	choice c = { .name = "", .strict = 1 };
	const vita_section *own = vita_section_find(section);
	const char *common = vita_context_string(context, "backend", "name"), *text = "";
	c.device = vita_context_string(context, "backend", "device");
	c.device_origin = vita_context_origin(context, "backend", "device");
	if (own && own->kind && strcmp(section, "backend") != 0) text = vita_context_string(context, section, "backend");
	if (!*text) {
		(void)snprintf(c.name, sizeof c.name, "%s", *common ? common : "auto");
		c.name_origin = vita_context_origin(context, "backend", "name");
		return c;
	}
	c.name_origin = vita_context_origin(context, section, "backend");
	take_section(&c, text);
	/* [backend] device is about [backend] name; a section's other backend takes it where it fits. */
	if (!strchr(text, ':') && strcmp(c.name, "auto") != 0 && strcmp(c.name, common) != 0) c.strict = 0;
	return c;
}

static int contains(const char *text, const char *part)
{
	size_t size = strlen(part);
	for (; *text; text++)
		if (strncasecmp(text, part, size) == 0) return 1;
	return 0;
}

static int device_fits(const vita_entry *entry, const char *wanted)
{
	if (!*wanted || strcmp(wanted, "auto") == 0) return 1;
	int is_number = 1;
	for (const char *c = wanted; *c; c++) is_number = is_number && isdigit((unsigned char)*c);
	if (is_number && strlen(wanted) < 10)
		return (uint32_t)strtoul(wanted, NULL, 10) == entry->device_index;
	return contains(entry->device->name, wanted);
}

/* The best usable device below `below` in the order of score, then of the search path; NULL: no other one. */
static const vita_entry *next_best(const vita_registry *registry, const choice *c, const char *device,
                                   const vita_entry *below)
{
	const vita_entry *best = NULL;
	for (uint32_t i = 0; i < registry->n_entries; i++) {
		const vita_entry *e = &registry->entries[i];
		if (!e->available || !e->device) continue;
		if (strcmp(c->name, "auto") != 0 && strcmp(e->factory->name, c->name) != 0) continue;
		if (!device_fits(e, device)) continue;
		if (below && (e->device->score > below->device->score ||
		              (e->device->score == below->device->score && e <= below)))
			continue;
		if (!best || e->device->score > best->device->score) best = e;
	}
	return best;
}

/* The first to try, and what is wanted of the device. */
static const vita_entry *best_of(const vita_registry *registry, const choice *c, const char **wanted)
{
	*wanted = c->device;
	const vita_entry *best = next_best(registry, c, *wanted, NULL);
	if (best || c->strict) return best;
	*wanted = "";
	return next_best(registry, c, *wanted, NULL);
}

/* Nothing fits: say what there is. */
static vita_status nothing_fits(const vita_context *context, const choice *c, vita_error *err)
{
	const vita_registry *registry = &context->registry;
	int is_auto = strcmp(c->name, "auto") == 0, n = 0;
	char text[1000], quoted[64];
	if (!is_auto && !vita_registry_find(registry, "backend", c->name))
		return vita_registry_not_found(registry, "backend", c->name, c->name_origin, err);
	if (*c->device)
		(void)snprintf(text, sizeof text, "%.300s: there is no usable device \"%s\"",
		               c->device_origin, vita_quotable(quoted, sizeof quoted, c->device));
	else
		(void)snprintf(text, sizeof text, "%.300s: there is no usable device", c->name_origin);
	if (!is_auto) vita_append(text, sizeof text, " of backend \"%s\"", c->name);
	for (uint32_t i = 0; i < registry->n_entries; i++) {
		const vita_entry *e = &registry->entries[i];
		if (!e->kind || strcmp(e->kind->name, "backend") != 0) continue;
		if (!is_auto && strcmp(e->factory->name, c->name) != 0) continue;
		const int named = e->device && e->device->name[0];
		if (!e->available && !named) { /* what stands for no device at all */
			vita_append(text, sizeof text, "%s %.160s", n++ ? "," : ";", e->reason);
			continue;
		}
		vita_append(text, sizeof text, "%s %s %u", n++ ? "," : "; found", e->factory->name,
		            e->device_index);
		if (named) vita_append(text, sizeof text, " (%.80s)", e->device->name);
		if (!e->available) vita_append(text, sizeof text, " unusable: %.160s", e->reason);
	}
	if (!n) vita_append(text, sizeof text, "; no backend was found in the plugin path");
	return vita_fail(err, is_auto && !*c->device ? VITA_E_NOTFOUND : VITA_E_CONFIG, "%s", text);
}

/* ---- opening --------------------------------------------------------------------------------------- */

static const vita_backend_api *api_of(const vita_entry *entry)
{
	return entry->factory->api;
}

static vita_status open_real(vita_context *context, vita_open_device *device, vita_error *err)
{
	const vita_entry *entry = device->entry;
	vita_error answer;
	char index[16], who[96];
	vita_status status =
		vita_context_settings(context, "backend", entry->factory, &device->settings, err);
	(void)snprintf(index, sizeof index, "%u", entry->device_index);
	if (status == VITA_OK) status = vita_settings_set_string(device->settings, "device", index, err);
	if (status != VITA_OK) return status;
	VITA_INIT(&answer);
	VITA_INIT(&device->real);
	device->real.api = api_of(entry);
	(void)snprintf(who, sizeof who, "backend \"%s\"", entry->factory->name);
	status = device->real.api->open(&context->services.host, device->settings, &device->real.self,
	                                &answer);
	status = vita_answer(status, who, "open", &answer);
	if (status == VITA_OK && !device->real.self)
		status = vita_fail(&answer, VITA_E_INTERNAL, "%s says that open worked but gives no handle",
		                   who);
	if (status == VITA_OK) return VITA_OK;
	device->real.self = NULL;
	return vita_fail(err, status, "%s", answer.message);
}

static void close_device(vita_context *context, vita_open_device *device);
static vita_status share_device(vita_context *context, const vita_entry *entry, vita_open_device **out,
                                vita_error *err);

static int is_reference(const vita_entry *entry)
{
	return entry->kind && strcmp(entry->kind->name, "backend") == 0 &&
	       (api_of(entry)->flags & VITA_BACKEND_F_REFERENCE);
}

/* The reference backend for a layer; none is no failure, ops that are missing will be. */
static vita_status open_reference(vita_context *context, vita_open_device *device, vita_error *err)
{
	const vita_registry *registry = &context->registry;
	for (uint32_t i = 0; i < registry->n_entries; i++)
		if (registry->entries[i].available && is_reference(&registry->entries[i]))
			return share_device(context, &registry->entries[i], &device->reference, err);
	return VITA_OK;
}

static vita_status open_layer(vita_context *context, vita_open_device *device, vita_error *err)
{
	if (is_reference(device->entry)) return VITA_OK;
	vita_status status = open_reference(context, device, err);
	if (status != VITA_OK) return status;
	const vita_open_device *reference = device->reference;
	return vita_fallback_create(device->entry->factory->name, &device->real,
	                            reference ? reference->entry->factory->name : NULL,
	                            reference ? &reference->real : NULL, &context->services.log,
	                            &device->layer, err);
}

/* The open device of an entry, opened where it is not. The lock is held. */
static vita_status share_device(vita_context *context, const vita_entry *entry, vita_open_device **out,
                                vita_error *err)
{
	*out = NULL;
	for (vita_open_device *d = context->devices; d; d = d->next) {
		if (d->entry != entry) continue;
		d->references++;
		*out = d;
		return VITA_OK;
	}
	vita_open_device *device = calloc(1, sizeof *device);
	if (!device) return vita_fail(err, VITA_E_NOMEM, "no memory for a device");
	device->entry = entry;
	device->references = 1;
	vita_status status = open_real(context, device, err);
	if (status == VITA_OK) status = open_layer(context, device, err);
	if (status != VITA_OK) {
		close_device(context, device);
		return status;
	}
	device->next = context->devices;
	context->devices = device;
	*out = device;
	return VITA_OK;
}

static void release_device(vita_context *context, vita_open_device *device)
{
	vita_open_device **link = &context->devices;
	if (!device || --device->references) return;
	while (*link && *link != device) link = &(*link)->next;
	if (*link) *link = device->next;
	close_device(context, device);
}

/* Layers rest on the reference backend only, which has none: this goes one level deep. */
static void close_device(vita_context *context, vita_open_device *device)
{
	vita_fallback_destroy(device->layer);
	if (device->real.self) device->real.api->close(device->real.self);
	release_device(context, device->reference);
	vita_settings_destroy(device->settings);
	free(device);
}

/* ---- for the engine -------------------------------------------------------------------------------- */

static const vita_device *handed_out(const vita_open_device *device)
{
	return device->layer ? vita_fallback_device(device->layer) : &device->real;
}

/* With "auto", a device that fails to open makes room for the next best. */
static vita_status open_best(vita_context *context, const choice *c, vita_open_device **out, vita_error *err)
{
	const vita_registry *registry = &context->registry;
	const char *wanted;
	const vita_entry *entry = best_of(registry, c, &wanted);
	if (!entry) return nothing_fits(context, c, err);
	for (;;) {
		vita_error why;
		VITA_INIT(&why);
		vita_status status = share_device(context, entry, out, &why);
		if (status == VITA_OK) return status;
		const vita_entry *next =
			strcmp(c->name, "auto") == 0 ? next_best(registry, c, wanted, entry) : NULL;
		if (!next) return vita_fail(err, status, "%s", why.message);
		vita_log_format(&context->services.log, VITA_LOG_WARNING, "host",
		                "backend \"%s\" cannot be used: %s", entry->factory->name, why.message);
		entry = next;
	}
}

vita_status vita_context_device_open(vita_context *context, const char *section, const vita_device **out,
                                     vita_error *err)
{
	choice c = read_choice(context, section);
	vita_open_device *device;
	*out = NULL;
	(void)pthread_mutex_lock(&context->device_lock);
	vita_status status = open_best(context, &c, &device, err);
	if (status == VITA_OK) *out = handed_out(device);
	(void)pthread_mutex_unlock(&context->device_lock);
	return status;
}

vita_status vita_context_device_find(const vita_context *context, const char *section, vita_error *err)
{
	choice c = read_choice(context, section);
	const char *wanted;
	return best_of(&context->registry, &c, &wanted) ? VITA_OK : nothing_fits(context, &c, err);
}

vita_status vita_context_reference_open(vita_context *context, const vita_device **out, vita_error *err)
{
	const vita_registry *registry = &context->registry;
	const vita_entry *entry = NULL;
	vita_open_device *device;
	*out = NULL;
	for (uint32_t i = 0; i < registry->n_entries && !entry; i++)
		if (registry->entries[i].available && is_reference(&registry->entries[i])) entry = &registry->entries[i];
	if (!entry) return vita_fail(err, VITA_E_NOTFOUND, "there is no reference backend in the plugin path");
	(void)pthread_mutex_lock(&context->device_lock);
	vita_status status = share_device(context, entry, &device, err);
	if (status == VITA_OK) *out = handed_out(device);
	(void)pthread_mutex_unlock(&context->device_lock);
	return status;
}

static vita_open_device *find_open(const vita_context *context, const vita_device *device)
{
	for (vita_open_device *d = context->devices; d; d = d->next)
		if (handed_out(d) == device) return d;
	return NULL;
}

void vita_context_device_close(vita_context *context, const vita_device *device)
{
	if (!device) return;
	(void)pthread_mutex_lock(&context->device_lock);
	release_device(context, find_open(context, device));
	(void)pthread_mutex_unlock(&context->device_lock);
}

const char *vita_context_device_name(const vita_context *context, const vita_device *device)
{
	vita_context *open = (vita_context *)context; /* for its lock */
	(void)pthread_mutex_lock(&open->device_lock);
	const vita_open_device *found = find_open(context, device);
	const char *name = found ? found->entry->factory->name : "";
	(void)pthread_mutex_unlock(&open->device_lock);
	return name;
}
