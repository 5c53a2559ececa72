/* SPDX-License-Identifier: MIT
 *
 * The drawing of vita plot: panels below each other over the same steps. Long series are drawn twice, as
 * they are in a faint colour and smoothed in a strong one; held-out ones are dots on a dashed line.
 */
#include "plot.h"
#include "svg.h"

#include <math.h>
#include <stdlib.h>

#define WIDTH 960.0
#define LEFT 84.0
#define RIGHT 250.0 /* for the legend */
#define TOP 56.0
#define GAP 46.0
#define BOTTOM 48.0
#define MOST_POINTS 800u /* of a line; more cannot be seen */
#define SMOOTH_FROM 120u

static const struct panel_style {
	const char *title;
	double height;
	int logarithmic; /* where values span more than a factor of 20 */
	int from_zero;
} styles[PLOT_PANELS] = {
	[PLOT_LOSS] = {"loss", 300, 1, 0},
	[PLOT_ACCURACY] = {"share that is right", 160, 0, 1},
	[PLOT_RATE] = {"learning rate", 110, 0, 1},
	[PLOT_NORM] = {"norm of the gradient", 110, 0, 1},
	[PLOT_SPEED] = {"tokens per second", 110, 0, 1},
};

/* Okabe and Ito's colours, which people of all eyesights can tell apart. */
static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
				      "#e69f00", "#56b4e9", "#333333"};
#define N_COLOURS (sizeof colours / sizeof *colours)

struct axis {
	double low, high;  /* of the values, or of their logarithms */
	double from, size; /* pixels; size < 0 upwards */
	int logarithmic;
};

static double place(const struct axis *axis, double value)
{
	double at = axis->logarithmic ? log10(value) : value;
	return axis->from + axis->size * (at - axis->low) / (axis->high - axis->low);
}

/* ---- axes ----------------------------------------------------------------------------------------- */

static void widen(double value, double *low, double *high)
{
	if (value < *low) *low = value;
	if (value > *high) *high = value;
}

static struct axis steps_axis(const struct plot *plot)
{
	struct axis axis = {INFINITY, -INFINITY, LEFT, WIDTH - LEFT - RIGHT, 0};
	for (size_t i = 0; i < plot->n_series; i++) {
		const struct plot_series *s = &plot->series[i];
		if (s->n == 0) continue;
		widen(s->x[0], &axis.low, &axis.high);
		widen(s->x[s->n - 1], &axis.low, &axis.high);
	}
	if (!(axis.high > axis.low)) axis.low -= 0.5, axis.high = axis.low + 1;
	return axis;
}

static struct axis values_axis(const struct plot *plot, int panel, double top)
{
	const struct panel_style *style = &styles[panel];
	struct axis axis = {INFINITY, -INFINITY, top + style->height, -style->height, 0};
	for (size_t i = 0; i < plot->n_series; i++)
		for (size_t k = 0; plot->series[i].panel == (enum plot_panel)panel && k < plot->series[i].n;
		     k++)
			widen(plot->series[i].y[k], &axis.low, &axis.high);
	if (style->logarithmic && axis.low > 0 && axis.high > 20 * axis.low) {
		axis.logarithmic = 1;
		axis.low = log10(axis.low);
		axis.high = log10(axis.high);
	} else if (style->from_zero && axis.low > 0)
		axis.low = 0;
	double room = 0.04 * (axis.high - axis.low);
	if (!(room > 0)) room = axis.high != 0 ? 0.1 * fabs(axis.high) : 1;
	axis.high += room;
	if (axis.low != 0 || axis.logarithmic) axis.low -= room;
	return axis;
}

/* 1, 2 or 5 times a power of ten, so that there are about n of it. */
static double nice_step(double span, int n)
{
	double raw = span / n, power = pow(10, floor(log10(raw))), digit = raw / power;
	return power * (digit < 1.5 ? 1 : digit < 3.5 ? 2 : digit < 7.5 ? 5 : 10);
}

static void draw_tick(struct svg *svg, const struct axis *axis, double value)
{
	char text[32];
	double y = place(axis, value);
	(void)snprintf(text, sizeof text, "%.6g", fabs(value) < 1e-12 ? 0 : value);
	svg_add(svg, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#e4e4e4\"/>\n", LEFT, y,
		WIDTH - RIGHT, y);
	svg_text(svg, LEFT - 8, y + 4, "end", "note", text, strlen(text));
}

static void draw_value_ticks(struct svg *svg, const struct axis *axis)
{
	static const double digits[] = {1, 2, 5};
	if (!axis->logarithmic) {
		double step = nice_step(axis->high - axis->low, axis->size < -200 ? 7 : 4);
		for (double k = ceil(axis->low / step); k * step <= axis->high; k++)
			draw_tick(svg, axis, k * step);
		return;
	}
	int few = axis->high - axis->low > 3; /* more than three powers of ten */
	for (int power = (int)floor(axis->low); power <= (int)axis->high; power++)
		for (int k = 0; k < (few ? 1 : 3); k++) {
			double value = digits[k] * pow(10, power);
			if (log10(value) >= axis->low && log10(value) <= axis->high)
				draw_tick(svg, axis, value);
		}
}

static void draw_step_ticks(struct svg *svg, const struct axis *axis, double top, double height, int label)
{
	double step = fmax(1, nice_step(axis->high - axis->low, 8));
	for (double k = ceil(axis->low / step); k * step <= axis->high; k++) {
		char text[32];
		double x = place(axis, k * step);
		svg_add(svg, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#e4e4e4\"/>\n",
			x, top, x, top + height);
		if (!label) continue;
		(void)snprintf(text, sizeof text, "%.0f", k * step);
		svg_text(svg, x, top + height + 18, "middle", "note", text, strlen(text));
	}
	if (label)
		svg_text(svg, axis->from + axis->size / 2, top + height + 38, "middle", "label", "step", 4);
}

/* ---- lines ---------------------------------------------------------------------------------------- */

/* At most MOST_POINTS: each stands for the mean of its share. */
static void draw_line(struct svg *svg, const struct plot_series *s, const double *values,
		      const struct axis *x, const struct axis *y, const char *stroke)
{
	size_t share = (s->n + MOST_POINTS - 1) / MOST_POINTS;
	svg_add(svg, "<polyline fill=\"none\" stroke-linejoin=\"round\" %s points=\"", stroke);
	for (size_t i = 0; i < s->n; i += share) {
		double sum_x = 0, sum_y = 0;
		size_t n = 0;
		for (; n < share && i + n < s->n; n++)
			sum_x += s->x[i + n], sum_y += values[i + n];
		svg_add(svg, "%.1f,%.1f ", place(x, sum_x / (double)n), place(y, sum_y / (double)n));
	}
	svg_add(svg, "\"/>\n");
}

static void draw_dots(struct svg *svg, const struct plot_series *s, const struct axis *x,
		      const struct axis *y, const char *colour)
{
	size_t share = (s->n + MOST_POINTS - 1) / MOST_POINTS;
	for (size_t i = 0; i < s->n; i += share)
		svg_add(svg, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%s\" fill=\"%s\"/>\n", place(x, s->x[i]),
			place(y, s->y[i]), s->n > 60 ? "1.8" : "3", colour);
}

/* A running mean that forgets within a fiftieth of the series, run both ways so that it does not lag
 * behind; at either end not pulled towards zero. */
static void run_mean(const double *values, double *out, size_t n, int backwards, double share)
{
	double keep = exp(-50.0 / (double)n), mean = 0, weight = 0;
	for (size_t k = 0; k < n; k++) {
		size_t i = backwards ? n - 1 - k : k;
		mean = keep * mean + (1 - keep) * values[i];
		weight = keep * weight + (1 - keep);
		out[i] += share * mean / weight;
	}
}

static double *smoothed(const struct plot_series *s)
{
	double *out = calloc(s->n, sizeof *out);
	if (!out) return NULL;
	run_mean(s->y, out, s->n, 0, 0.5);
	run_mean(s->y, out, s->n, 1, 0.5);
	return out;
}

/* "heads 3": one of a list of numbers; 0 where the name is no list's. */
static unsigned long number_in_list(const char *name)
{
	const char *space = strrchr(name, ' ');
	char *end;
	unsigned long n = space ? strtoul(space + 1, &end, 10) : 0;
	return space && *end == '\0' && space[1] != '\0' ? n : 0;
}

static void draw_series(struct svg *svg, const struct plot_series *s, const struct axis *x,
			const struct axis *y, const char *colour)
{
	char stroke[128];
	double *smooth = !s->held_out && s->n >= SMOOTH_FROM && s->panel != PLOT_RATE ? smoothed(s) : NULL;
	if (smooth && number_in_list(s->name) == 0) { /* a dozen of them would hide each other */
		(void)snprintf(stroke, sizeof stroke,
			       "stroke=\"%s\" stroke-opacity=\"0.22\" stroke-width=\"1\"", colour);
		draw_line(svg, s, s->y, x, y, stroke);
	}
	(void)snprintf(stroke, sizeof stroke, "stroke=\"%s\" stroke-width=\"1.8\"%s", colour,
		       s->held_out ? " stroke-dasharray=\"6 4\"" : "");
	if (s->n > 1) draw_line(svg, s, smooth ? smooth : s->y, x, y, stroke);
	if (s->held_out || s->n == 1) draw_dots(svg, s, x, y, colour);
	free(smooth);
}

/* ---- colours and legend --------------------------------------------------------------------------- */

/* Which of the panel's series this one is; a held-out one counts as that which it is held out of. */
static size_t number_of(const struct plot *plot, const struct plot_series *s)
{
	const char *held_out = strstr(s->name, "held-out ");
	size_t row = 0;
	for (const struct plot_series *other = plot->series; other < plot->series + plot->n_series; other++) {
		if (other->panel != s->panel || other->n == 0) continue;
		if (other == s) return row;
		if (held_out && strncmp(other->name, s->name, (size_t)(held_out - s->name)) == 0 &&
		    strcmp(other->name + (held_out - s->name), held_out + 9) == 0)
			return row;
		row++;
	}
	return row;
}

/* A list's members get shades between two colours, others a colour each. */
static void colour_of(const struct plot *plot, const struct plot_series *s, char out[32])
{
	unsigned long n = number_in_list(s->name);
	if (n == 0) {
		(void)snprintf(out, 32, "%s", colours[number_of(plot, s) % N_COLOURS]);
		return;
	}
	double t = n < 10 ? (double)(n - 1) / 9 : 1;
	(void)snprintf(out, 32, "rgb(%.0f,%.0f,%.0f)", 68 + t * (240 - 68), 1 + t * (180 - 1),
		       84 + t * (60 - 84));
}

static void draw_legend(struct svg *svg, const struct plot_series *s, double y, const char *colour)
{
	char text[128];
	double x = WIDTH - RIGHT + 14;
	svg_add(svg,
		"<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" "
		"stroke-width=\"2.4\"%s/>\n",
		x, y - 4, x + 22, y - 4, colour, s->held_out ? " stroke-dasharray=\"6 4\"" : "");
	(void)snprintf(text, sizeof text, "%.80s  %.4g", s->name, s->y[s->n - 1]);
	svg_text(svg, x + 30, y, "start", "note", text, strlen(text));
}

/* ---- panels --------------------------------------------------------------------------------------- */

static size_t n_in(const struct plot *plot, int panel)
{
	size_t n = 0;
	for (size_t i = 0; i < plot->n_series; i++)
		n += plot->series[i].panel == (enum plot_panel)panel && plot->series[i].n > 0;
	return n;
}

/* The legend may be longer than the panel. */
static double height_of(const struct plot *plot, int panel)
{
	double legend = 16.0 * (double)n_in(plot, panel);
	return styles[panel].height > legend ? styles[panel].height : legend;
}

static void draw_panel(struct svg *svg, const struct plot *plot, int panel, const struct axis *x, double top,
		       int last)
{
	const struct panel_style *style = &styles[panel];
	struct axis y = values_axis(plot, panel, top);
	size_t row = 0;
	svg_text(svg, LEFT, top - 10, "start", "label", style->title, strlen(style->title));
	draw_value_ticks(svg, &y);
	draw_step_ticks(svg, x, top, style->height, last);
	svg_add(svg,
		"<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"none\" "
		"stroke=\"#999\"/>\n",
		LEFT, top, WIDTH - LEFT - RIGHT, style->height);
	for (int held_out = 0; held_out < 2; held_out++) /* on top of the others */
		for (size_t i = 0; i < plot->n_series; i++) {
			const struct plot_series *s = &plot->series[i];
			char colour[32];
			if (s->panel != (enum plot_panel)panel || s->held_out != held_out || s->n == 0)
				continue;
			colour_of(plot, s, colour);
			draw_series(svg, s, x, &y, colour);
			draw_legend(svg, s, top + 12 + 16.0 * (double)row, colour);
			row++;
		}
}

vita_status plot_draw(const struct plot *plot, const char *title, const char *path, vita_error *err)
{
	struct svg svg = {0};
	struct axis x = steps_axis(plot);
	double height = TOP, top = TOP + 22;
	int last = 0;
	for (int panel = 0; panel < PLOT_PANELS; panel++)
		if (n_in(plot, panel) > 0) height += height_of(plot, panel) + GAP, last = panel;
	svg_begin(&svg, WIDTH, height + BOTTOM, title);
	svg_text(&svg, LEFT, 32, "start", "title", title, strlen(title));
	for (int panel = 0; panel < PLOT_PANELS; panel++) {
		if (n_in(plot, panel) == 0) continue;
		draw_panel(&svg, plot, panel, &x, top, panel == last);
		top += height_of(plot, panel) + GAP;
	}
	return svg_save(&svg, path, err);
}
