/* SPDX-License-Identifier: MIT
 *
 * How an answer's text and sound take turns (VITA-Audio, Long and others 2025, arXiv 2505.03739): pieces of
 * text and of sound in a given ratio, so that speech begins while most of the text is yet to come.
 */
#include "train/data_internal.h"

#define MARKERS 2 /* begin and end of a piece of sound count as its tokens */

static const int64_t standard[] = {1, 10, 4, 10};

vita_status vita_interleaving_set(vita_interleaving *interleaving, const int64_t *ratio, uint32_t n,
				  vita_error *err)
{
	if (!ratio) ratio = standard, n = sizeof standard / sizeof standard[0];
	if (n == 0 || n % 2 != 0)
		return vita_fail(
			err, VITA_E_CONFIG,
			"interleaving of text and sound has %u numbers; pairs are needed, as in 1,10,4,10",
			(unsigned)n);
	for (uint32_t i = 0; i < n; i++)
		if (ratio[i] < (i % 2 ? MARKERS + 1 : 1))
			return vita_fail(
				err, VITA_E_CONFIG,
				"interleaving of text and sound: number %u is %lld; a piece of text has at "
				"least 1 token, one of sound 3, for its two markers are among them",
				(unsigned)i + 1, (long long)ratio[i]);
	interleaving->pair = malloc(n * sizeof *ratio);
	if (!interleaving->pair) return vita_fail(err, VITA_E_NOMEM, "no memory for the interleaving");
	memcpy(interleaving->pair, ratio, n * sizeof *ratio);
	interleaving->n = n;
	return VITA_OK;
}

/* Tokens in piece `index` of text (kind 0) or sound (kind 1). */
static uint64_t piece(const vita_interleaving *interleaving, size_t index, uint32_t kind)
{
	uint32_t pairs = interleaving->n / 2, pair = index < pairs ? (uint32_t)index : pairs - 1;
	return (uint64_t)interleaving->pair[2 * pair + kind] - (kind ? MARKERS : 0);
}

static size_t n_pieces(const vita_interleaving *interleaving, uint64_t n, uint32_t kind)
{
	size_t count = 0;
	for (uint64_t done = 0; done < n; count++) {
		uint64_t size = piece(interleaving, count, kind);
		done = size < n - done ? done + size : n;
	}
	return count;
}

/* An answer taken apart. */
typedef struct parts {
	const int32_t *text[2]; /* before and behind the sound */
	size_t n_text[2];
	const int32_t *sound;
	size_t n_sound;
} parts;

/* The one span of sound, and the text around it; false where there is none. */
static bool split(const vita_markers *markers, const int32_t *answer, size_t n, parts *out)
{
	size_t begin = 0, end;
	while (begin < n && answer[begin] != markers->begin_audio)
		begin++;
	for (end = begin; end < n && answer[end] != markers->end_audio;)
		end++;
	if (end >= n) return false;
	*out = (parts){{answer, answer + end + 1}, {begin, n - end - 1}, answer + begin + 1, end - begin - 1};
	return true;
}

/* n tokens of text from number `from` on, as if the sound were not there. */
static bool append_text(const parts *p, size_t from, size_t n, vita_ids *out)
{
	size_t before = from < p->n_text[0] ? p->n_text[0] - from : 0;
	if (before > n) before = n;
	if (before > 0 && !vita_ids_append(out, p->text[0] + from, before)) return false;
	if (before == n) return true;
	return vita_ids_append(out, p->text[1] + (from + before - p->n_text[0]), n - before);
}

bool vita_interleave(const vita_interleaving *interleaving, const vita_markers *markers,
		     const int32_t *answer, size_t n, vita_ids *out)
{
	parts p;
	if (!split(markers, answer, n, &p)) return vita_ids_append(out, answer, n);
	size_t n_text = p.n_text[0] + p.n_text[1], texts = n_pieces(interleaving, n_text, 0);
	size_t sounds = n_pieces(interleaving, p.n_sound, 1), turns = texts < sounds ? texts : sounds;
	if (turns == 0) return vita_ids_append(out, answer, n);

	size_t text = 0, sound = 0;
	for (size_t i = 0; i < turns; i++) {
		bool last = i + 1 == turns; /* it takes all that is left of either */
		size_t take = last ? n_text - text : (size_t)piece(interleaving, i, 0);
		size_t hear = last ? p.n_sound - sound : (size_t)piece(interleaving, i, 1);
		if (!append_text(&p, text, take, out) || !vita_ids_append(out, &markers->begin_audio, 1) ||
		    !vita_ids_append(out, p.sound + sound, hear) ||
		    !vita_ids_append(out, &markers->end_audio, 1))
			return false;
		text += take;
		sound += hear;
	}
	return true;
}
