/* SPDX-License-Identifier: MIT
 *
 * Normalization in pieces: text that is surely normal is passed over, and only the few characters
 * around the others go through utf8proc. Sorting of combining marks is done here, because utf8proc
 * exchanges neighbours, which takes quadratic time on a long run of marks.
 */
#include "text/normalize.h"

#include <utf8proc.h>

#include "text/utf8.h"

/* Assigned ranges with NFC_Quick_Check = Yes and combining class 0. Unassigned code points are left out
 * because a later Unicode may make marks of them. test_tokenizer checks the table against utf8proc. */
static const struct {
	int32_t first, last;
} inert_ranges[] = {
	{0x0000, 0x02ff}, {0x0388, 0x0482}, {0x048a, 0x052f}, {0x05d0, 0x05ea},   {0x0620, 0x064a},
	{0x0671, 0x06d5}, {0x0e01, 0x0e37}, {0x10a0, 0x10ff}, {0x1e00, 0x1f70},   {0x2002, 0x2064},
	{0x2190, 0x2328}, {0x232b, 0x2adb}, {0x3001, 0x3029}, {0x3030, 0x3098},   {0x309b, 0xa48c},
	{0xac00, 0xd7a3}, {0xe000, 0xf8ff}, {0xff01, 0xffef}, {0x1f000, 0x1faff}, {0x20000, 0x2a6df},
};

bool vita_nfc_inert(int32_t code)
{
	size_t low = 0, high = sizeof inert_ranges / sizeof *inert_ranges;
	if (code <= 0x02ff) return true;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (code < inert_ranges[middle].first)
			high = middle;
		else if (code > inert_ranges[middle].last)
			low = middle + 1;
		else
			return true;
	}
	return false;
}

/* The same for any form. Only ASCII is left alone by all of them. */
static bool is_inert(uint32_t form, int32_t code)
{
	return form == VITA_NORMAL_COMPOSE ? vita_nfc_inert(code) : code < 0x80;
}

typedef struct work {
	uint32_t form;
	const uint8_t *text;
	size_t size;
	vita_bytes *out;
	int32_t *codes, *sorted; /* one stretch, decomposed; room to sort it */
	size_t n_codes, capacity, sorted_capacity;
} work;

/* Move on over inert characters; returns the start of the first that is not, or size. *last is the
 * start of the inert one before it (it may compose with it), or the result where there is none. */
static size_t skip_inert(const work *w, size_t at, size_t *last)
{
	*last = at;
	while (at < w->size) {
		size_t ascii = vita_utf8_ascii_prefix(w->text + at, w->size - at);
		if (ascii) {
			at += ascii;
			*last = at - 1;
			continue;
		}
		int32_t code;
		size_t length = vita_utf8_next(w->text + at, w->size - at, &code);
		if (!is_inert(w->form, code)) break;
		*last = at;
		at += length;
	}
	return at;
}

static int combining_class(int32_t code)
{
	return utf8proc_get_property(code)->combining_class;
}

/* Stable sort of one run of marks (all classes non-zero) by class: counting for long runs. */
static bool sort_marks(work *w, int32_t *run, size_t n)
{
	if (n <= 16) {
		for (size_t i = 1; i < n; i++) {
			int32_t code = run[i];
			size_t j = i;
			for (; j > 0 && combining_class(run[j - 1]) > combining_class(code); j--)
				run[j] = run[j - 1];
			run[j] = code;
		}
		return true;
	}
	size_t starts[257] = {0};
	void *sorted = w->sorted;
	bool ok = vita_array_reserve(&sorted, &w->sorted_capacity, 0, n, sizeof *run);
	w->sorted = sorted;
	if (!ok) return false;
	for (size_t i = 0; i < n; i++)
		starts[(combining_class(run[i]) & 255) + 1]++;
	for (size_t i = 1; i < 257; i++)
		starts[i] += starts[i - 1];
	for (size_t i = 0; i < n; i++)
		w->sorted[starts[combining_class(run[i]) & 255]++] = run[i];
	memcpy(run, w->sorted, n * sizeof *run);
	return true;
}

/* Canonical ordering (UAX #15, D109). */
static bool order_marks(work *w)
{
	for (size_t i = 0; i < w->n_codes;) {
		size_t end = i;
		while (end < w->n_codes && combining_class(w->codes[end]) != 0)
			end++;
		if (end - i > 1 && !sort_marks(w, w->codes + i, end - i)) return false;
		i = end + 1;
	}
	return true;
}

/* Append the decomposition of text[at … end) to codes. */
static bool decompose(work *w, size_t at, size_t end)
{
	int options =
		UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | (w->form & VITA_NORMAL_COMPAT ? UTF8PROC_COMPAT : 0);
	w->n_codes = 0;
	while (at < end) {
		int32_t code;
		int boundary = 0;
		void *codes = w->codes;
		bool ok = vita_array_reserve(&codes, &w->capacity, w->n_codes, 32, sizeof *w->codes);
		w->codes = codes;
		if (!ok) return false;
		at += vita_utf8_next(w->text + at, end - at, &code);
		/* 32 is more than the longest decomposition (18), so the answer always fits. */
		utf8proc_ssize_t n = utf8proc_decompose_char(code, w->codes + w->n_codes, 32,
							     (utf8proc_option_t)options, &boundary);
		if (n < 0 || n > 32) {
			w->codes[w->n_codes] = code;
			n = 1;
		}
		w->n_codes += (size_t)n;
	}
	return true;
}

/* Normalize text[at … end), which nothing outside joins, onto out. */
static bool transform(work *w, size_t at, size_t end)
{
	if (!decompose(w, at, end) || !order_marks(w)) return false;
	if (w->form & VITA_NORMAL_COMPOSE) {
		utf8proc_ssize_t n = utf8proc_normalize_utf32(w->codes, (utf8proc_ssize_t)w->n_codes,
							      UTF8PROC_STABLE | UTF8PROC_COMPOSE);
		if (n >= 0) w->n_codes = (size_t)n;
	}
	if (w->n_codes > SIZE_MAX / 4 || !vita_bytes_reserve(w->out, w->n_codes * 4)) return false;
	for (size_t i = 0; i < w->n_codes; i++)
		w->out->size += vita_utf8_put(w->codes[i], w->out->data + w->out->size);
	return true;
}

/* Move the borders that lie in text[at … end) to their places in out, where this stretch begins at
 * out_at. Borders inside a transformed stretch go to the side that leaves no part of it markup. */
static void move_borders(vita_span *spans, size_t n_spans, size_t *next, size_t at, size_t end, bool verbatim,
			 size_t out_at, size_t out_end)
{
	for (; *next < n_spans && spans[*next].end < end; ++*next) {
		vita_span *span = &spans[*next];
		bool closes_markup = span->markup && *next + 1 < n_spans && !spans[*next + 1].markup;
		if (verbatim || span->end == at)
			span->end = out_at + (span->end - at);
		else
			span->end = closes_markup ? out_at : out_end;
		if (*next > 0 && span->end < spans[*next - 1].end) span->end = spans[*next - 1].end;
	}
}

vita_status vita_normalize(uint32_t form, const uint8_t *text, size_t size, vita_span *spans, size_t n_spans,
			   vita_bytes *out, bool *changed, vita_error *err)
{
	work w = {.form = form, .text = text, .size = size, .out = out};
	size_t last, next = 0, at = 0, other = form == VITA_NORMAL_NONE ? size : skip_inert(&w, 0, &last);
	bool ok = true;
	*changed = other < size;
	if (!*changed) return VITA_OK;
	out->size = 0;
	while (ok && at < size) {
		/* text[at … last) is inert, text[last … end) is a stretch that is not. */
		size_t end = other, out_at = out->size;
		if (other == size) last = size;
		ok = vita_bytes_append(out, text + at, last - at);
		move_borders(spans, n_spans, &next, at, last, true, out_at, out->size);
		while (end < size) {
			int32_t code;
			size_t length = vita_utf8_next(text + end, size - end, &code);
			if (is_inert(form, code)) break;
			end += length;
		}
		out_at = out->size;
		ok = ok && (last == end || transform(&w, last, end));
		move_borders(spans, n_spans, &next, last, end, false, out_at, out->size);
		at = end;
		if (at < size) other = skip_inert(&w, at, &last);
	}
	for (; next < n_spans; next++)
		spans[next].end = out->size;
	free(w.codes);
	free(w.sorted);
	return ok ? VITA_OK : vita_fail(err, VITA_E_NOMEM, "no memory to normalize %zu bytes of text", size);
}
