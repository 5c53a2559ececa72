/* SPDX-License-Identifier: MIT
 *
 * Asking one file what it offers, telling each step as a message: to the other end of a pipe where this runs
 * in a child, straight to the results where it does not.
 */
#ifndef VITA_HOST_SCAN_EXAMINE_H
#define VITA_HOST_SCAN_EXAMINE_H

#include "host/scan.h"

#include <sys/types.h>

typedef enum vita_scan_event {
	VITA_SCAN_PHASE = 1,   /* text: what begins, "while …" */
	VITA_SCAN_REFUSED,     /* text: the reason; the file is done */
	VITA_SCAN_DEVICE,      /* probed */
	VITA_SCAN_PASSED,      /* the file is done */
	VITA_SCAN_EXIT_CALLED, /* the module ended its process */
	VITA_SCAN_DONE         /* all files are done */
} vita_scan_event;

typedef struct vita_scan_message {
	uint32_t event;
	uint32_t file;
	char text[VITA_REASON_SIZE];
	vita_probed probed;
} vita_scan_message;

typedef void (*vita_scan_emit)(void *user, const vita_scan_message *message);

/* Load the file and check what it answers; NULL with a reason. */
const vita_module *vita_scan_load(const char *path, char *reason);

/* Load, check, probe. Ends with REFUSED or PASSED. */
void vita_scan_examine(uint32_t file, const char *path, vita_scan_emit emit, void *user);

/* Examine all files that are not `asked` yet, writing the messages to pipe_end, then DONE. To be called in a
 * child of `parent`; does not return (scan_child.c). */
void vita_scan_child(const vita_scan_file *files, const unsigned char *asked, uint32_t n, pid_t parent,
                     int pipe_end);

#endif
