/* SPDX-License-Identifier: MIT
 *
 * Drawings as SVG 1.1 text. A drawing grows in memory and is saved whole; the first failure sticks, so one
 * check at the end serves.
 */
#ifndef APPS_VITA_SVG_H
#define APPS_VITA_SVG_H

#include "common.h"

struct svg {
	char *text; /* NUL-terminated */
	size_t size, capacity;
	int failed; /* memory ran out */
};

/* Begin a drawing of this size in pixels, with a white ground and the fonts that all drawings share. */
void svg_begin(struct svg *svg, double width, double height, const char *title);

/* Markup as it is. */
VITA_PRINTF(2, 3) void svg_add(struct svg *svg, const char *format, ...);

/* A line of text at x, y. anchor: start, middle or end; class: one of svg_begin's: title, label, note. Any bytes
 * are safe: markup is escaped, what cannot be printed is shown as a middle dot. */
void svg_text(struct svg *svg, double x, double y, const char *anchor, const char *class_name, const char *text,
              size_t size);

/* End the drawing, save it under path, "-" being standard output, and free it. OK | E_NOMEM | what vita_file_save
 * gives. */
vita_status svg_save(struct svg *svg, const char *path, vita_error *err);
void svg_free(struct svg *svg);

/* Whether -o sends the drawing to standard output. */
int svg_to_stdout(const struct cli *cli);

/* EXIT_DONE, or EXIT_USAGE, which is told, where the drawing and a JSON document would both go there. */
int svg_check_output(struct cli *cli);

#endif
