/* SPDX-License-Identifier: MIT
 *
 * The way from a module's log line to the application's callback.
 */
#include <config.h>

#include "host/log.h"

#include "host/words.h"

void vita_log_text(const vita_log *log, uint32_t level, const char *topic, const char *text)
{
	char line[2048], name[64];
	if (!log || !log->write || level > log->level) return;
	log->write(log->user, level, vita_quotable(name, sizeof name, topic ? topic : ""),
	           vita_quotable(line, sizeof line, text ? text : ""));
}

void vita_log_format(const vita_log *log, uint32_t level, const char *topic, const char *format, ...)
{
	char line[2048];
	va_list args;
	va_start(args, format);
	(void)vsnprintf(line, sizeof line, format, args);
	va_end(args);
	vita_log_text(log, level, topic, line);
}
