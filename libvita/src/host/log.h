/* SPDX-License-Identifier: MIT
 *
 * Where log lines go: the application's callback, if it gave one and wants that level.
 */
#ifndef VITA_HOST_LOG_H
#define VITA_HOST_LOG_H

#include <vita/context.h>
#include <vita/host.h>

typedef struct vita_log {
	vita_log_fn write; /* may be NULL */
	void *user;
	uint32_t level; /* VITA_LOG_*: the least important level that is wanted */
} vita_log;

/* Pass text on, a line free of control bytes.                                              [any-thread] */
void vita_log_text(const vita_log *log, uint32_t level, const char *topic, const char *text);
VITA_PRINTF(4, 5)
void vita_log_format(const vita_log *log, uint32_t level, const char *topic, const char *format, ...);

#endif
