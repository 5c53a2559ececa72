/* SPDX-License-Identifier: MIT
 *
 * What the files of vita plot share: numbers that belong together by name, and how they are drawn.
 */
#ifndef APPS_VITA_PLOT_H
#define APPS_VITA_PLOT_H

#include "common.h"

/* Drawn one below the other; a panel without series is left out. */
enum plot_panel { PLOT_LOSS, PLOT_ACCURACY, PLOT_RATE, PLOT_NORM, PLOT_SPEED, PLOT_PANELS };

struct plot_series {
	char name[96];
	enum plot_panel panel;
	int held_out;
	double *x, *y; /* by rising x */
	size_t n, capacity;
};

#define PLOT_MOST_SERIES 512

struct plot {
	struct plot_series series[PLOT_MOST_SERIES];
	size_t n_series;
	uint64_t n_lines, n_skipped; /* lines that were no objects with a step */
};

/* Add what a log says; prefix goes before the names of its series, where there are several logs.
 * OK | E_NOTFOUND | E_IO | E_NOMEM | E_FORMAT (nothing to be drawn in it) */
vita_status plot_read(struct plot *plot, const char *path, const char *prefix, vita_error *err);
void plot_free(struct plot *plot);

/* OK | E_NOMEM | what vita_file_save gives */
vita_status plot_draw(const struct plot *plot, const char *title, const char *path, vita_error *err);

#endif
