/* SPDX-License-Identifier: MIT
 *
 * A training log as series of numbers: one JSON object a line, with "step". Each number, list of numbers
 * and object of numbers in it becomes a series by its name; what the name says decides where it is drawn,
 * so that logs of other trainers are understood too. A line that a crash cut off is passed over.
 */
#include "plot.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define LONGEST_LINE (UINT64_C(1) << 24)
#define DEEPEST 3      /* of objects and lists in each other */
#define MOST_VALUES 64 /* of a list */

struct reading {
	struct plot *plot;
	const char *prefix;
	double step;
	int held_out; /* the line is an evaluation */
	int failed;   /* memory ran out */
	int full;     /* there are PLOT_MOST_SERIES */
	uint64_t n_points;
};

/* ---- names ---------------------------------------------------------------------------------------- */

static int has(const char *name, const char *const *words)
{
	for (; *words; words++)
		if (strstr(name, *words)) return 1;
	return 0;
}

/* Is `word` a whole part of the name, between underscores, dots and spaces? */
static int has_part(const char *name, const char *word)
{
	size_t n = strlen(word);
	for (const char *at = name; (at = strstr(at, word)); at++)
		if ((at == name || !isalnum((unsigned char)at[-1])) && !isalnum((unsigned char)at[n]))
			return 1;
	return 0;
}

/* -1: not drawn. */
static int panel_of(const char *name)
{
	static const char *const accuracy[] = {"accuracy", "top1", "top_1", "agree", "correct", NULL};
	static const char *const speed[] = {"per_s", "per_second", "tokens/s", NULL};
	static const char *const loss[] = {"loss", "cross_entropy", "perplexity", NULL};
	if (has(name, accuracy)) return PLOT_ACCURACY;
	if (has(name, speed) || has_part(name, "tps") || has_part(name, "speed")) return PLOT_SPEED;
	if (strstr(name, "weight")) return -1;
	if (strstr(name, "norm")) return PLOT_NORM;
	if (strstr(name, "learning_rate") || has_part(name, "lr")) return PLOT_RATE;
	if (has(name, loss) || has_part(name, "ce") || has_part(name, "main") || has_part(name, "heads"))
		return PLOT_LOSS;
	return -1;
}

static int is_held_out(const char *name)
{
	static const char *const words[] = {"held", "eval", "valid", NULL};
	return has(name, words);
}

/* ---- points --------------------------------------------------------------------------------------- */

static struct plot_series *series_named(struct reading *r, const char *name, enum plot_panel panel,
					int held_out)
{
	char whole[sizeof r->plot->series[0].name];
	struct plot *plot = r->plot;
	(void)snprintf(whole, sizeof whole, "%s%s%.60s", r->prefix,
		       held_out && !is_held_out(name) ? "held-out " : "", name);
	for (char *c = whole; *c; c++)
		if (*c == '_') *c = ' ';
	for (size_t i = 0; i < plot->n_series; i++)
		if (strcmp(plot->series[i].name, whole) == 0) return &plot->series[i];
	if (plot->n_series == PLOT_MOST_SERIES) {
		r->full = 1;
		return NULL;
	}
	struct plot_series *s = &plot->series[plot->n_series++];
	(void)snprintf(s->name, sizeof s->name, "%s", whole);
	s->panel = panel;
	s->held_out = held_out;
	return s;
}

/* Differences of such numbers are numbers. */
static int drawable(double number)
{
	return fabs(number) < 1e300;
}

/* A resumed run says a step again: what it says last holds, and what came later is forgotten. */
static void add_point(struct reading *r, const char *name, double y)
{
	int panel = panel_of(name), held_out = r->held_out || is_held_out(name);
	struct plot_series *s =
		panel >= 0 && drawable(y) ? series_named(r, name, (enum plot_panel)panel, held_out) : NULL;
	if (!s) return;
	while (s->n > 0 && s->x[s->n - 1] >= r->step)
		s->n--;
	if (s->n == s->capacity) {
		size_t capacity = s->capacity ? 2 * s->capacity : 256;
		double *x = capacity < SIZE_MAX / sizeof *x ? realloc(s->x, capacity * sizeof *x) : NULL;
		if (x) s->x = x;
		double *y_moved = x ? realloc(s->y, capacity * sizeof *y_moved) : NULL;
		if (y_moved) s->y = y_moved;
		if (!y_moved) {
			r->failed = 1;
			return;
		}
		s->capacity = capacity;
	}
	s->x[s->n] = r->step;
	s->y[s->n++] = y;
	r->n_points++;
}

static void add_value(struct reading *r, const char *name, const json_t *value, int depth)
{
	char inner[128];
	const char *key;
	json_t *part;
	size_t i;
	if (json_is_number(value)) add_point(r, name, json_number_value(value));
	if (depth == DEEPEST) return;
	if (json_is_array(value))
		for (i = 0; i < json_array_size(value) && i < MOST_VALUES; i++) {
			(void)snprintf(inner, sizeof inner, "%.100s %u", name, (unsigned)i + 1);
			add_value(r, inner, json_array_get(value, i), depth + 1);
		}
	if (!json_is_object(value)) return;
	json_object_foreach((json_t *)(uintptr_t)value, key, part)
	{
		(void)snprintf(inner, sizeof inner, "%.60s%s%.60s", name, *name ? " " : "", key);
		add_value(r, inner, part, depth + 1);
	}
}

/* ---- lines ---------------------------------------------------------------------------------------- */

/* 1 where the line was one of a log. */
static int add_line(struct reading *r, const char *line)
{
	json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
	const json_t *step = json_object_get(object, "step");
	int good = json_is_number(step) && drawable(json_number_value(step));
	r->step = json_number_value(step);
	r->held_out = json_is_true(json_object_get(object, "evaluation")) ||
		      json_is_true(json_object_get(object, "held_out"));
	if (good) add_value(r, "", object, 0);
	json_decref(object);
	return good;
}

static vita_status read_lines(struct reading *r, FILE *file, const char *path, vita_error *err)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t n;
	vita_status status = VITA_OK;
	errno = 0;
	while (status == VITA_OK && (n = getline(&line, &size, file)) > 0) {
		if ((uint64_t)n > LONGEST_LINE)
			status = vita_fail(err, VITA_E_FORMAT, "%s: has a line of %lld bytes; no log has",
					   path, (long long)n);
		r->plot->n_lines++;
		if (status == VITA_OK && !add_line(r, line)) r->plot->n_skipped++;
		if (r->failed) status = vita_fail(err, VITA_E_NOMEM, "%s: no memory for its numbers", path);
	}
	if (status == VITA_OK && ferror(file))
		status = vita_fail(err, VITA_E_IO, "%s: %s", path, strerror(errno ? errno : EIO));
	free(line);
	return status;
}

vita_status plot_read(struct plot *plot, const char *path, const char *prefix, vita_error *err)
{
	struct reading r = {.plot = plot, .prefix = prefix};
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
	if (!file)
		return vita_fail(err, errno == ENOENT ? VITA_E_NOTFOUND : VITA_E_IO,
				 "%s: cannot be opened: %s", path, strerror(errno));
	vita_status status = read_lines(&r, file, path, err);
	if (file != stdin) (void)fclose(file);
	if (status == VITA_OK && r.full)
		status = vita_fail(err, VITA_E_UNSUPPORTED,
				   "%s: more than %d series are too many for one drawing; draw fewer logs at once",
				   path, PLOT_MOST_SERIES);
	if (status == VITA_OK && r.n_points == 0)
		status = vita_fail(err, VITA_E_FORMAT,
				   "%s: holds nothing to draw; a log of vita train has one JSON object a "
				   "line, with step "
				   "and loss",
				   path);
	return status;
}

void plot_free(struct plot *plot)
{
	for (size_t i = 0; i < plot->n_series; i++) {
		free(plot->series[i].x);
		free(plot->series[i].y);
	}
}
