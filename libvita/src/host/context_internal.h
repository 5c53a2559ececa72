/* SPDX-License-Identifier: MIT
 *
 * What the rest of libvita (the engine above all) asks of a context: the config's typed values, factories,
 * shared devices, settings for a plugin, and the host table.
 *
 * Kinds are "backend" "encoder" "llm" "head" "codec"; sections are those of the INI file ("heads" is the
 * section of kind "head"). Everything given out lives as long as the context unless it has a close.
 */
#ifndef VITA_HOST_CONTEXT_INTERNAL_H
#define VITA_HOST_CONTEXT_INTERNAL_H

#include <vita/context.h>
#include <vita/host.h>

/* The services table that every module of this context gets.                               [any-thread] */
const vita_host *vita_context_host(const vita_context *context);

/* ---- the config's values -------------------------------------------------------------------------------
 * libvita's own keys of a section (config_keys.c), checked and converted when the context was made, with
 * their defaults where the INI is silent. `has` is 0 where there is neither a value nor a default; then the
 * getters give "", 0, no list. Paths are resolved. An unknown section or key, or another type's getter: the
 * same, and a line in the log.                                                                   [any-thread]
 * */
int32_t vita_context_has(const vita_context *context, const char *section, const char *key);
const char *vita_context_string(const vita_context *context, const char *section, const char *key);
int64_t vita_context_int(const vita_context *context, const char *section, const char *key); /* INT, BOOL */
double vita_context_float(const vita_context *context, const char *section, const char *key);
uint32_t vita_context_list(const vita_context *context, const char *section, const char *key,
                           const int64_t **values);

/* Was the key written in the INI file or given by -s? (has is also 1 for a default.)        [any-thread] */
int32_t vita_context_given(const vita_context *context, const char *section, const char *key);

/* Where the value came from, to begin an error with: "nano.ini:12: [codec] chunk", "-s codec.chunk=3", or
 * "[codec] chunk" where it was not written.                                                [any-thread] */
const char *vita_context_origin(const vita_context *context, const char *section, const char *key);

/* The directory that relative paths in the value start at; "" is the working directory.    [any-thread] */
const char *vita_context_base(const vita_context *context, const char *section, const char *key);

/* ---- factories ------------------------------------------------------------------------------------- */

/* The index-th usable factory of a kind, in the order of the search path; NULL past the last. [any-thread] */
const vita_factory *vita_context_factory_at(const vita_context *context, const char *kind, uint32_t index);

/* By name. E_NOTFOUND says what there is, the nearest name, and which files were refused.   [any-thread] */
vita_status vita_context_factory(const vita_context *context, const char *kind, const char *name,
                                 const vita_factory **out, vita_error *err);

/* The factory that the section's `plugin` names; OK with *out = NULL where it names none (absent, empty or
 * "none"). E_CONFIG begins with the key's origin.                                          [any-thread] */
vita_status vita_context_section_factory(const vita_context *context, const char *section,
                                         const vita_factory **out, vita_error *err);

/* ---- devices --------------------------------------------------------------------------------------- */

/* Open the device that a section computes on: its own `backend`, else [backend] name, `auto` being the best
 * score. Sections that come to the same device share it; every open wants its close. The device given runs
 * all ops: what its backend lacks goes to the reference backend.                [any-thread, may-block] */
vita_status vita_context_device_open(vita_context *context, const char *section, const vita_device **out,
                                     vita_error *err);

/* Is there a device that the section could compute on? The error is that of opening it.    [any-thread] */
vita_status vita_context_device_find(const vita_context *context, const char *section, vita_error *err);

/* The reference backend, whatever the config says. E_NOTFOUND where there is none.   [any-thread, may-block] */
vita_status vita_context_reference_open(vita_context *context, const vita_device **out, vita_error *err);

void vita_context_device_close(vita_context *context, const vita_device *device); /* NULL is a no-op */

/* Name of the backend's factory.                                                            [any-thread] */
const char *vita_context_device_name(const vita_context *context, const vita_device *device);

/* ---- settings for a plugin's open ------------------------------------------------------------------ */

/* The factory's declared keys with the section's values or their defaults, and what the host gives to the
 * kind: encoder and codec `model`; llm `dtype` and `context`; head `count` and `dtype`; backend `threads` and
 * `device`, from the config. The setters replace or add one of those before open.           [one-thread] */
vita_status vita_context_settings(const vita_context *context, const char *section,
                                  const vita_factory *factory, vita_settings **out, vita_error *err);
vita_status vita_settings_set_string(vita_settings *settings, const char *key, const char *value,
                                     vita_error *err);
vita_status vita_settings_set_int(vita_settings *settings, const char *key, int64_t value, vita_error *err);
void vita_settings_destroy(vita_settings *settings); /* NULL is a no-op */

/* ---- cancelling ------------------------------------------------------------------------------------ */

/* 1 once requested; cancel may be NULL.                                                     [any-thread] */
int32_t vita_cancel_requested(const vita_cancel *cancel);

#endif
