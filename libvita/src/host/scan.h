/* SPDX-License-Identifier: MIT
 *
 * Finding out which files are usable modules, without trusting any: each is loaded, asked and probed in a
 * forked child first, and only what came through that is loaded here.
 */
#ifndef VITA_HOST_SCAN_H
#define VITA_HOST_SCAN_H

#include "host/log.h"
#include "host/module_check.h"

#define VITA_SCAN_TIME_LIMIT_MS                                                                              \
	10000 /* for one file's load, query or probes; a GPU's driver may take seconds */

/* One device as a backend's probe described it, or a reason why that went wrong. */
typedef struct vita_probed {
	uint32_t factory; /* index in the module */
	uint32_t index;   /* of the device */
	vita_backend_device device;
	char reason[VITA_REASON_SIZE]; /* "": fine */
} vita_probed;

typedef struct vita_scan_file {
	char *path;
	const vita_module *module; /* NULL: refused, and why is in reason */
	char reason[VITA_REASON_SIZE];
	vita_probed *probed; /* devices of the module's backends */
	uint32_t n_probed;
} vita_scan_file;

/* Scan n files with a path each, and load those that pass; they are never unloaded. Everything else about a
 * file that goes wrong is its reason.  OK | E_NOMEM */
vita_status vita_scan(vita_scan_file *files, uint32_t n, int time_limit_ms, const vita_log *log,
                      vita_error *err);
void vita_scan_clear(vita_scan_file *files, uint32_t n); /* frees what the files hold, not files */

#endif
