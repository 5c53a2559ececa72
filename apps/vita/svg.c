/* SPDX-License-Identifier: MIT
 *
 * Drawings as SVG text; see svg.h.
 */
#include "svg.h"

#include <stdlib.h>
#include <vita/file.h>

static int reserve(struct svg *svg, size_t more)
{
	if (svg->failed) return 0;
	if (more < svg->capacity - svg->size) return 1;
	size_t capacity = svg->size < SIZE_MAX / 4 ? 2 * (svg->size + more) + 4096 : 0;
	char *larger = capacity > more ? realloc(svg->text, capacity) : NULL;
	if (!larger) {
		svg->failed = 1;
		return 0;
	}
	svg->text = larger;
	svg->capacity = capacity;
	return 1;
}

void svg_add(struct svg *svg, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n < 0 || !reserve(svg, (size_t)n + 1)) {
		svg->failed = 1;
		return;
	}
	va_start(args, format);
	(void)vsnprintf(svg->text + svg->size, (size_t)n + 1, format, args);
	va_end(args);
	svg->size += (size_t)n;
}

/* Bytes of the UTF-8 sequence at s that XML may hold; 0 where there is none. */
static size_t character(const unsigned char *s, size_t size)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc2 ? 2 : 0;
	if (n == 0 || n > size || s[0] > 0xf4 || s[0] < 0x20 || s[0] == 0x7f) return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80) return 0;
	if (s[0] == 0xc2 && s[1] < 0xa0) return 0; /* C1 controls */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90)) return 0; /* overlong */
	if ((s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf4 && s[1] > 0x8f)) return 0; /* no characters */
	if (s[0] == 0xef && s[1] == 0xbf && s[2] > 0xbd) return 0; /* U+FFFE and U+FFFF, which XML forbids */
	return n;
}

static void add_escaped(struct svg *svg, const char *text, size_t size)
{
	const unsigned char *s = (const unsigned char *)text;
	for (size_t i = 0; i < size;) {
		size_t n = character(s + i, size - i);
		if (s[i] == '&') svg_add(svg, "&amp;");
		else if (s[i] == '<') svg_add(svg, "&lt;");
		else if (s[i] == '>') svg_add(svg, "&gt;");
		else if (n == 0) svg_add(svg, "\xc2\xb7");
		else svg_add(svg, "%.*s", (int)n, text + i);
		i += n > 0 ? n : 1;
	}
}

void svg_begin(struct svg *svg, double width, double height, const char *title)
{
	svg_add(svg,
	        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\">\n"
	        "<title>",
	        width, height, width, height);
	add_escaped(svg, title, strlen(title));
	svg_add(svg, "</title>\n<style>text { font-family: sans-serif; fill: #222 } .title { font-size: 16px; "
	             "font-weight: bold } .label { font-size: 12px } .note { font-size: 11px; fill: #666 }</style>\n"
	             "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n");
}

void svg_text(struct svg *svg, double x, double y, const char *anchor, const char *class_name, const char *text,
              size_t size)
{
	svg_add(svg, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" class=\"%s\" xml:space=\"preserve\">", x, y,
	        anchor, class_name);
	add_escaped(svg, text, size);
	svg_add(svg, "</text>\n");
}

vita_status svg_save(struct svg *svg, const char *path, vita_error *err)
{
	svg_add(svg, "</svg>\n");
	vita_status status = VITA_OK;
	if (svg->failed) status = vita_fail(err, VITA_E_NOMEM, "no memory for the drawing %s", path);
	else if (strcmp(path, "-") != 0) status = vita_file_save(path, svg->text, svg->size, err);
	else (void)fwrite(svg->text, 1, svg->size, stdout); /* what fails, main finds when it flushes */
	svg_free(svg);
	return status;
}

int svg_to_stdout(const struct cli *cli)
{
	return cli->output && strcmp(cli->output, "-") == 0;
}

int svg_check_output(struct cli *cli)
{
	if (!cli->json || !svg_to_stdout(cli)) return EXIT_DONE;
	return cli_usage(cli, "--json and the drawing of -o - cannot both go to standard output");
}

void svg_free(struct svg *svg)
{
	free(svg->text);
	memset(svg, 0, sizeof *svg);
}
