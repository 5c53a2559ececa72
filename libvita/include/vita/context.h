/* SPDX-License-Identifier: MIT
 *
 * vita/context.h - the modules of this machine, found and checked, for one config.
 *
 * create -> (any calls) -> destroy, after everything opened from it is closed. Creating looks for modules in
 * $VITA_PLUGIN_PATH, [vita] plugin_path and the installed directory, in that order; the first of a name
 * and kind wins. A file that cannot be used is remembered with its reason and harms nothing.
 */
#ifndef VITA_CONTEXT_H
#define VITA_CONTEXT_H

#include <vita/config.h>
#include <vita/module.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vita_context vita_context;

/* Called from any thread, one line without a newline; level VITA_LOG_* (vita/host.h). */
typedef void (*vita_log_fn)(void *user, uint32_t level, const char *topic, const char *text);

/* Check the config against the keys that the modules declare. Takes a copy of config. log may be NULL.
 * OK | E_CONFIG | E_NOMEM                                                   [any-thread, may-block] */
VITA_EXPORT vita_status vita_context_create(const vita_config *config, vita_log_fn log, void *user,
                                            vita_context **out, vita_error *err);
VITA_EXPORT void vita_context_destroy(vita_context *context);              /* NULL is a no-op [one-thread] */

/* What was found: one entry a factory (for backends one a device), and one a file that was refused. */
typedef struct vita_offer {
	uint32_t struct_size;
	uint32_t available;              /* 1: can be used */
	const char *path;                /* of the file */
	const char *kind; /* "backend" "encoder" "llm" "head" "codec", or "" for a refused file */
	const char *name;                /* as INI files call it; the file's name where refused */
	const char *version;             /* of its module, "" where refused */
	const char *licence;
	const char *summary;
	const char *device;              /* backends: the device's name and details; else "" */
	const char *reason;              /* why not available, one sentence; else "" */
	const vita_factory *factory;     /* its declared keys; NULL where refused */
	int64_t score;                   /* backends, for `auto`; else 0 */
	const char *device_name;         /* backends: as [backend] device may call it in part; else "" */
	uint64_t memory_bytes;           /* backends: of the device, 0: not known or the host's own; else 0 */
	uint32_t device_index;           /* backends: as [backend] device may call it; else 0 */
	uint32_t reserved0;
} vita_offer;

/* Fills *out as far as its struct_size (VITA_INIT) reaches; strings live as long as the context. A path is
 * what the file system says, perhaps not UTF-8.  OK | E_INVALID (index)                   [any-thread] */
VITA_EXPORT uint32_t vita_context_n_offers(const vita_context *context);
VITA_EXPORT vita_status vita_context_offer(const vita_context *context, uint32_t index, vita_offer *out);

/* Memory that a comment says is to be freed with vita_free. NULL is a no-op.         [any-thread] */
VITA_EXPORT void vita_free(void *memory);

/* A flag that asks running calls to stop. request is async-signal-safe and may be called from any
 * thread; clear makes it ready for the next turn. */
VITA_EXPORT vita_cancel *vita_cancel_create(void);                                    /* NULL: no memory */
VITA_EXPORT void vita_cancel_destroy(vita_cancel *cancel);
VITA_EXPORT void vita_cancel_request(vita_cancel *cancel);
VITA_EXPORT void vita_cancel_clear(vita_cancel *cancel);

/* "1.0.0" */
VITA_EXPORT const char *vita_version(void);

#ifdef __cplusplus
}
#endif
#endif
