/* SPDX-License-Identifier: MIT
 *
 * The drawing of vita probe: text tokens from top to bottom, audio tokens from left to right, the darker the
 * more attention; below, what becomes of the audio tokens when text is hidden from them.
 */
#include "probe.h"
#include "svg.h"

#include <math.h>

#define MARGIN 24.0
#define LABELS 130.0 /* width, of the text tokens */
#define ROW 20.0
#define TOP 84.0
#define VIEWS_LABELS 280.0
#define BARS 320.0

struct page {
	struct svg svg;
	double cell; /* width of an audio token */
	double views_top;
};

static float largest(const struct probe *probe)
{
	float most = 0;
	for (size_t i = 0; i < (size_t)probe->n_text * probe->n_audio; i++)
		if (probe->map[i] > most) most = probe->map[i];
	return most;
}

static void draw_labels(const struct probe *probe, struct page *page)
{
	for (uint32_t t = 0; t < probe->n_text; t++) {
		uint64_t size = 0;
		const char *bytes = vita_tokenizer_bytes(vita_engine_tokenizer(probe->cli->engine),
		                                         probe->ids[probe->text[t]], &size, NULL);
		svg_text(&page->svg, MARGIN + LABELS - 8, TOP + ROW * (t + 0.7), "end", "label", bytes ? bytes : "",
		         bytes && size < 40 ? (size_t)size : bytes ? 40 : 0);
	}
}

static void draw_map(const struct probe *probe, struct page *page)
{
	const float most = largest(probe);
	for (uint32_t t = 0; t < probe->n_text; t++)
		for (uint32_t a = 0; a < probe->n_audio; a++) {
			/* The square root shows faint traces too. */
			double shade = most > 0 ? sqrt((double)(probe->map[(size_t)t * probe->n_audio + a] / most)) : 0;
			if (shade < 0.02) continue;
			svg_add(&page->svg, "<rect x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%.1f\" fill=\"#1b5e9e\" "
			                    "fill-opacity=\"%.2f\"/>\n",
			        MARGIN + LABELS + page->cell * a, TOP + ROW * t, page->cell, ROW - 1, shade);
		}
}

/* A frame around the text that each stretch of audio speaks. */
static void draw_spoken(const struct probe *probe, struct page *page)
{
	for (uint32_t a = 0, end; a < probe->n_audio; a = end) {
		for (end = a + 1; end < probe->n_audio && probe->own_first[end] == probe->own_first[a]; end++) {}
		svg_add(&page->svg, "<rect x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%.1f\" fill=\"none\" "
		                    "stroke=\"#d2691e\"/>\n",
		        MARGIN + LABELS + page->cell * a, TOP + ROW * probe->own_first[a] - 0.5, page->cell * (end - a),
		        ROW * probe->own_count[a]);
	}
}

static void draw_views(const struct probe *probe, struct page *page)
{
	char text[64];
	static const char title[] = "Likeliest audio tokens that stay when audio tokens see …";
	svg_text(&page->svg, MARGIN, page->views_top, "start", "title", title, sizeof title - 1);
	for (int view = 0; view < PROBE_VIEWS; view++) {
		const struct probe_outcome *outcome = &probe->outcome[view];
		double y = page->views_top + 14 + ROW * view;
		svg_text(&page->svg, MARGIN + VIEWS_LABELS - 8, y + 14, "end", "label", probe_view_names[view],
		         strlen(probe_view_names[view]));
		svg_add(&page->svg, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"#1b5e9e\"/>\n",
		        MARGIN + VIEWS_LABELS, y + 2, BARS * outcome->same, ROW - 5);
		(void)snprintf(text, sizeof text, "%.1f %%, %.2f nats", 100 * outcome->same, outcome->nats);
		svg_text(&page->svg, MARGIN + VIEWS_LABELS + BARS * outcome->same + 6, y + 14, "start", "note", text,
		         strlen(text));
	}
}

vita_status probe_draw(const struct probe *probe, const char *path, vita_error *err)
{
	struct page page = { .cell = 960.0 / probe->n_audio };
	char note[160];
	if (page.cell > 12) page.cell = 12;
	if (page.cell < 1.5) page.cell = 1.5;
	page.views_top = TOP + ROW * probe->n_text + 44;
	double width = MARGIN + LABELS + page.cell * probe->n_audio + MARGIN;
	double least = MARGIN + VIEWS_LABELS + BARS + 110;
	svg_begin(&page.svg, width > least ? width : least, page.views_top + ROW * PROBE_VIEWS + 40,
	          "Attention of audio tokens to the answer's text");
	static const char title[] = "Which text do the audio tokens attend to?";
	svg_text(&page.svg, MARGIN, 34, "start", "title", title, sizeof title - 1);
	if (probe->layer < 0)
		(void)snprintf(note, sizeof note,
		               "Mean of %u layers and their heads; audio tokens in order of time; framed: the text being "
		               "spoken.",
		               probe->n_layers);
	else
		(void)snprintf(note, sizeof note,
		               "Layer %lld, mean of its heads; audio tokens in order of time; framed: the text being "
		               "spoken.",
		               (long long)probe->layer);
	svg_text(&page.svg, MARGIN, 54, "start", "note", note, strlen(note));
	draw_labels(probe, &page);
	draw_map(probe, &page);
	draw_spoken(probe, &page);
	draw_views(probe, &page);
	return svg_save(&page.svg, path, err);
}
