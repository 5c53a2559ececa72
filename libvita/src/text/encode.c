/* SPDX-License-Identifier: MIT
 *
 * Text to ids: added tokens are cut out, what lies between is normalized, cut into pieces and merged.
 */
#include "text/tokenizer_private.h"

#include "text/utf8.h"

#define MAX_TEXT_BYTES ((uint64_t)1 << 31)

typedef struct encoder {
	const vita_tokenizer *tokenizer;
	vita_bpe_work bpe;
	vita_split_work split;
	vita_bytes joined;     /* texts of neighbouring segments, repaired */
	vita_bytes normalized; /* the section at hand, where normalization changes it */
	vita_span *spans, *section_spans;
	size_t spans_capacity, section_capacity;
	bool plain; /* some of the text is from strangers */
	vita_ids *ids;
} encoder;

static void encoder_clear(encoder *e)
{
	vita_bpe_work_clear(&e->bpe);
	vita_split_work_clear(&e->split);
	free(e->joined.data);
	free(e->normalized.data);
	free(e->spans);
	free(e->section_spans);
}

static bool spans_reserve(vita_span **spans, size_t *capacity, size_t n)
{
	void *data = *spans;
	bool ok = vita_array_reserve(&data, capacity, 0, n, sizeof **spans);
	*spans = data;
	return ok;
}

static vita_status encode_piece(void *user, const uint8_t *piece, size_t size, vita_error *err)
{
	encoder *e = user;
	return vita_bpe_encode(&e->tokenizer->bpe, &e->bpe, piece, size, e->plain, e->ids, err);
}

static vita_status append_id(encoder *e, int32_t id, vita_error *err)
{
	if (vita_ids_append(e->ids, &id, 1)) return VITA_OK;
	return vita_fail(err, VITA_E_NOMEM, "no memory for %zu token ids", e->ids->size + 1);
}

/* Encode normalized text between which the added tokens that are looked for in such text may lie. */
static vita_status encode_normalized(encoder *e, const uint8_t *text, size_t size, const vita_span *spans,
				     size_t n_spans, vita_error *err)
{
	const vita_tokenizer *t = e->tokenizer;
	vita_added_match match = {0};
	vita_status status = VITA_OK;
	size_t at = 0;
	while (status == VITA_OK && vita_added_next(&t->added_normalized, text, size, spans, n_spans, &match)) {
		if (match.start > at)
			status = vita_split_run(&t->split, &e->split, text + at, match.start - at, encode_piece, e, err);
		if (status == VITA_OK) status = append_id(e, match.id, err);
		at = match.end;
	}
	if (status < 0) return status;
	return vita_split_run(&t->split, &e->split, text + at, size - at, encode_piece, e, err);
}

/* Encode text[start … end), in which no added token was found before normalization. */
static vita_status encode_section(encoder *e, const uint8_t *text, size_t start, size_t end,
				  const vita_span *spans, size_t n_spans, vita_error *err)
{
	const vita_tokenizer *t = e->tokenizer;
	size_t n = 0;
	bool changed;
	if (start >= end) return VITA_OK;
	if (t->added_normalized.n_nodes > 0) {
		if (!spans_reserve(&e->section_spans, &e->section_capacity, n_spans))
			return vita_fail(err, VITA_E_NOMEM, "no memory to encode %zu bytes", end - start);
		for (size_t i = 0; i < n_spans && (i == 0 || spans[i - 1].end < end); i++) {
			if (spans[i].end <= start) continue;
			size_t span_end = spans[i].end < end ? spans[i].end : end;
			e->section_spans[n++] = (vita_span){span_end - start, spans[i].markup};
		}
	}
	vita_status status = vita_normalize(t->normal_form, text + start, end - start, e->section_spans, n,
					    &e->normalized, &changed, err);
	if (status < 0) return status;
	if (changed)
		return encode_normalized(e, e->normalized.data, e->normalized.size, e->section_spans, n, err);
	return encode_normalized(e, text + start, end - start, e->section_spans, n, err);
}

static vita_status encode_text(encoder *e, const uint8_t *text, size_t size, const vita_span *spans,
			       size_t n_spans, vita_error *err)
{
	vita_added_match match = {0};
	vita_status status = VITA_OK;
	size_t at = 0;
	while (status == VITA_OK && vita_added_next(&e->tokenizer->added, text, size, spans, n_spans, &match)) {
		status = encode_section(e, text, at, match.start, spans, n_spans, err);
		if (status == VITA_OK) status = append_id(e, match.id, err);
		at = match.end;
	}
	return status < 0 ? status : encode_section(e, text, at, size, spans, n_spans, err);
}

/* Encode n neighbouring text segments as one text. */
static vita_status encode_run(encoder *e, const vita_segment *segments, size_t n, vita_error *err)
{
	const uint8_t *first = (const uint8_t *)segments[0].text;
	if (!spans_reserve(&e->spans, &e->spans_capacity, n)) goto no_memory;
	if (n == 1 && vita_utf8_valid(first, (size_t)segments[0].size)) {
		e->spans[0] = (vita_span){(size_t)segments[0].size, segments[0].markup};
		return encode_text(e, first, (size_t)segments[0].size, e->spans, 1, err);
	}
	e->joined.size = 0;
	for (size_t i = 0; i < n; i++) {
		size_t size = (size_t)segments[i].size;
		if (size > SIZE_MAX / 3 || !vita_bytes_reserve(&e->joined, size * 3)) goto no_memory;
		e->joined.size += vita_utf8_repair((const uint8_t *)segments[i].text, size,
						   e->joined.data + e->joined.size, NULL);
		e->spans[i] = (vita_span){e->joined.size, segments[i].markup};
	}
	return encode_text(e, e->joined.data, e->joined.size, e->spans, n, err);
no_memory:
	return vita_fail(err, VITA_E_NOMEM, "no memory to encode %zu pieces of text", n);
}

vita_status vita_segments_encode(const vita_tokenizer *tokenizer, const vita_segment *segments,
				 size_t n_segments, vita_ids *ids, vita_error *err)
{
	encoder e = {.tokenizer = tokenizer, .ids = ids};
	uint64_t total = 0;
	for (size_t i = 0; i < n_segments; i++) {
		if (!segments[i].text) continue;
		if (segments[i].size > MAX_TEXT_BYTES - total)
			return vita_fail(err, VITA_E_INVALID,
					 "a text of more than 2^31 bytes cannot be encoded at once");
		total += segments[i].size;
		if (!segments[i].markup) e.plain = true;
	}
	vita_status status = vita_split_work_init(&e.split, total, err);
	if (status == VITA_OK) vita_bpe_work_cache(&e.bpe, (size_t)total);
	for (size_t i = 0; status == VITA_OK && i < n_segments;) {
		size_t end = i;
		while (end < n_segments && segments[end].text)
			end++;
		if (end > i) {
			status = encode_run(&e, segments + i, end - i, err);
			i = end;
		} else {
			if (!vita_ids_append(ids, segments[i].ids, (size_t)segments[i].n_ids))
				status = vita_fail(err, VITA_E_NOMEM, "no memory for %zu token ids",
						   ids->size);
			i++;
		}
	}
	encoder_clear(&e);
	return status;
}

vita_status vita_tokenizer_encode(const vita_tokenizer *tokenizer, const char *text, uint64_t size,
				  uint32_t flags, int32_t **ids, uint64_t *n_ids, vita_error *err)
{
	vita_segment segment = {
		.text = text ? text : "", .size = size, .markup = !(flags & VITA_ENCODE_PLAIN)};
	vita_ids out = {0};
	*ids = NULL;
	*n_ids = 0;
	vita_status status = vita_segments_encode(tokenizer, &segment, 1, &out, err);
	if (status < 0 || out.size == 0) {
		free(out.data);
		return status;
	}
	*ids = out.data;
	*n_ids = out.size;
	return VITA_OK;
}
