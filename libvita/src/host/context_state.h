/* SPDX-License-Identifier: MIT
 *
 * The inside of a vita_context, for the files that make it up: context.c, context_config.c, device.c.
 */
#ifndef VITA_HOST_CONTEXT_STATE_H
#define VITA_HOST_CONTEXT_STATE_H

#include "host/config_keys.h"
#include "host/context_internal.h"
#include "host/registry.h"
#include "host/services.h"
#include "host/settings.h"

typedef struct vita_open_device vita_open_device;

struct vita_context {
	vita_services services;
	vita_config *config; /* a copy of the application's */
	vita_registry registry;
	vita_settings *section[VITA_N_SECTIONS]; /* libvita's own keys, typed */
	char **origin; /* of every own key, in the tables' order; see vita_context_origin */
	pthread_mutex_t device_lock;
	vita_open_device *devices;
};

/* Convert libvita's own keys, and check that every other key is declared by a plugin that may get it. */
vita_status vita_context_read_config(vita_context *context, vita_error *err);
void vita_context_clear_config(vita_context *context);

/* Declared keys of factory and their values, for a section that configures its kind. */
vita_status vita_context_add_declared(const vita_context *context, const vita_section *section,
                                      const vita_factory *factory, vita_settings *settings, vita_error *err);

#endif
