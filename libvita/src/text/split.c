/* SPDX-License-Identifier: MIT
 *
 * Pre-tokenization stages, and matching that cannot be made to hang: patterns come from files, and
 * texts from anybody.
 *
 * A match is first looked for by machine code within a small window and with few steps allowed. Nearly
 * all end there. The others are repeated by PCRE2's interpreter in growing windows, where each step and
 * each character passed over is counted against a budget in proportion to the text. Partial matching
 * tells whether the end of a window had any influence, so that windows never change a result.
 */
#include "text/split.h"

#include "text/utf8.h"

#define QUICK_WINDOW 512
#define QUICK_STEPS 64
#define COUNTED_WINDOW 4096
#define COUNTED_HEAP_KIB 262144

/* Steps for each byte of the text, and more for short texts. */
#define STEPS_PER_BYTE 64
#define STEPS_MORE 1000000

void vita_split_clear(vita_split *split)
{
	for (uint32_t i = 0; i < split->n_stages; i++)
		vita_pattern_clear(&split->stages[i].pattern);
	memset(split, 0, sizeof *split);
}

/* Called before each item of a pattern, with the place reached in the text. */
static int count_step(pcre2_callout_block *block, void *user)
{
	vita_split_work *work = user;
	size_t place = block->current_position, last = work->last_place;
	uint64_t cost = 1 + (place > last ? place - last : last - place);
	work->last_place = place;
	if (cost > work->budget) return PCRE2_ERROR_MATCHLIMIT;
	work->budget -= cost;
	return 0;
}

vita_status vita_split_work_init(vita_split_work *work, uint64_t text_size, vita_error *err)
{
	memset(work, 0, sizeof *work);
	work->matches = pcre2_match_data_create(1, NULL);
	work->quick = pcre2_match_context_create(NULL);
	work->counted = pcre2_match_context_create(NULL);
	work->budget = (text_size < UINT32_MAX ? text_size : UINT32_MAX) * STEPS_PER_BYTE + STEPS_MORE;
	if (!work->matches || !work->quick || !work->counted) {
		vita_split_work_clear(work);
		return vita_fail(err, VITA_E_NOMEM, "no memory for regular expression matching");
	}
	(void)pcre2_set_match_limit(work->quick, QUICK_STEPS);
	(void)pcre2_set_match_limit(work->counted, UINT32_MAX);
	(void)pcre2_set_depth_limit(work->counted, UINT32_MAX);
	(void)pcre2_set_heap_limit(work->counted, COUNTED_HEAP_KIB);
	(void)pcre2_set_callout(work->counted, count_step, work);
	return VITA_OK;
}

void vita_split_work_clear(vita_split_work *work)
{
	pcre2_match_data_free(work->matches);
	pcre2_match_context_free(work->quick);
	pcre2_match_context_free(work->counted);
	free(work->prefixed.data);
	memset(work, 0, sizeof *work);
}

/* ---- one match ---- */

typedef struct subject {
	const vita_split_stage *stage;
	vita_split_work *work;
	const uint8_t *text;
	size_t size;
} subject;

/* End of a window of about this size that begins at `at`, on a character border. */
static size_t window_end(const subject *s, size_t at, size_t window)
{
	if (s->size - at <= window) return s->size;
	size_t end = at + window;
	while (end > at && (s->text[end] & 0xc0) == 0x80)
		end--;
	return end;
}

static int match_in(const subject *s, const pcre2_code *code, size_t at, size_t end, uint32_t options,
		    pcre2_match_context *context)
{
	options |= PCRE2_NO_UTF_CHECK;
	if (end < s->size) options |= PCRE2_PARTIAL_HARD;
	return pcre2_match(code, (PCRE2_SPTR)s->text, end, at, options, s->work->matches, context);
}

/* Did the work ask for more than it may have? Then a longer attempt may still succeed. */
static bool is_limit(int result)
{
	return result == PCRE2_ERROR_MATCHLIMIT || result == PCRE2_ERROR_JIT_STACKLIMIT ||
	       result == PCRE2_ERROR_PARTIAL;
}

/* Match at exactly `at`, counting steps, in wider and wider windows. */
static int match_counted(const subject *s, size_t at)
{
	for (size_t window = COUNTED_WINDOW;; window *= 8) {
		size_t end = window < SIZE_MAX / 8 ? window_end(s, at, window) : s->size;
		s->work->last_place = at;
		int result = match_in(s, s->stage->pattern.counted, at, end, PCRE2_NO_JIT | PCRE2_ANCHORED,
				      s->work->counted);
		if (result != PCRE2_ERROR_PARTIAL) return result;
	}
}

static vita_status fail_match(int result, vita_error *err)
{
	if (result == PCRE2_ERROR_NOMEMORY)
		return vita_fail(err, VITA_E_NOMEM, "no memory to match a pattern");
	if (result == PCRE2_ERROR_MATCHLIMIT || result == PCRE2_ERROR_HEAPLIMIT)
		return vita_fail(err, VITA_E_UNSUPPORTED,
				 "the tokenizer's pattern takes too long on this text");
	return vita_fail(err, VITA_E_UNSUPPORTED,
			 "the tokenizer's pattern fails on this text (PCRE2 error %d)", result);
}

/* Find the first match at or after `at`. *found is false where there is none up to *end; a search may
 * stop short of the text's end and is then to be continued from *end. */
static vita_status find_match(const subject *s, size_t at, bool *found, size_t *start, size_t *end,
			      vita_error *err)
{
	size_t limit = window_end(s, at, QUICK_WINDOW);
	const PCRE2_SIZE *span = pcre2_get_ovector_pointer(s->work->matches);
	int result = match_in(s, s->stage->pattern.fast, at, limit, 0, s->work->quick);
	*found = false;
	*end = limit;
	if (result == PCRE2_ERROR_NOMATCH) return VITA_OK;
	if (result == PCRE2_ERROR_PARTIAL && span[0] > at && span[0] <= limit) {
		*end = span[0]; /* no match begins before here */
		return VITA_OK;
	}
	if (is_limit(result)) {
		int32_t code;
		result = match_counted(s, at);
		*end = at + vita_utf8_next(s->text + at, s->size - at, &code);
		if (result == PCRE2_ERROR_NOMATCH) return VITA_OK;
	}
	if (result < 0) return fail_match(result, err);
	*found = true;
	*start = span[0];
	*end = span[1];
	if (*start < at || *end < *start || *end > s->size)
		return vita_fail(err, VITA_E_UNSUPPORTED,
				 "the tokenizer's pattern matches outside its place in the text");
	return VITA_OK;
}

/* ---- stages ---- */

typedef struct run {
	const vita_split *split;
	vita_split_work *work;
	vita_split_piece *piece;
	void *user;
} run;

/* Pieces of one stage on their way to the next, with the last one kept back where it may still grow. */
typedef struct joiner {
	const run *run;
	uint32_t stage;
	const uint8_t *text;
	size_t start, end; /* kept back: text[start … end); empty where nothing is */
	bool after_match;  /* what was taken last is a match */
} joiner;

static vita_status run_stage(const run *r, uint32_t stage, const uint8_t *text, size_t size, vita_error *err);

static vita_status release(joiner *j, vita_error *err)
{
	size_t start = j->start, size = j->end - j->start;
	j->start = j->end;
	return size ? run_stage(j->run, j->stage + 1, j->text + start, size, err) : VITA_OK;
}

/* Does text[… ] of this kind belong to the piece that is kept back? */
static bool joins(const joiner *j, uint32_t behavior, bool match)
{
	if (j->start == j->end) return false;
	switch (behavior) {
	case VITA_SPLIT_CONTIGUOUS: return match == j->after_match;
	case VITA_SPLIT_MERGED_PREVIOUS: return match && !j->after_match;
	case VITA_SPLIT_MERGED_NEXT: return !match && j->after_match;
	default: return false;
	}
}

static vita_status take(joiner *j, bool match, size_t start, size_t end, vita_error *err)
{
	const vita_split_stage *stage = &j->run->split->stages[j->stage];
	vita_status status = VITA_OK;
	match = match != stage->invert;
	if (!joins(j, stage->behavior, match)) {
		status = release(j, err);
		j->start = start;
	}
	j->end = end;
	j->after_match = match;
	if (match && stage->behavior == VITA_SPLIT_REMOVED) j->start = end;
	if (status == VITA_OK && stage->behavior <= VITA_SPLIT_REMOVED) status = release(j, err);
	return status;
}

static vita_status cut(const run *r, uint32_t stage, const uint8_t *text, size_t size, vita_error *err)
{
	subject s = {&r->split->stages[stage], r->work, text, size};
	joiner j = {.run = r, .stage = stage, .text = text};
	size_t done = 0, at = 0; /* handed on; searched */
	bool any = false;
	while (at < size) {
		bool found;
		size_t start = 0, end = at;
		int32_t code;
		vita_status status = find_match(&s, at, &found, &start, &end, err);
		bool empty = found && start == end;
		if (found && status == VITA_OK && start > done) status = take(&j, false, done, start, err);
		/* A match of nothing cuts text, but right behind another match it is none. */
		if (found && status == VITA_OK && !(empty && any && end == done))
			status = take(&j, true, start, end, err);
		if (status < 0) return status;
		if (found) done = end;
		any = any || found;
		at = end;
		if (empty && end < size) at += vita_utf8_next(text + end, size - end, &code);
	}
	vita_status status = done < size ? take(&j, false, done, size, err) : VITA_OK;
	return status < 0 ? status : release(&j, err);
}

/* Give text to this stage, whose pieces go to the next; the recursion is as deep as the stages are many. */
static vita_status run_stage(const run *r, uint32_t stage, const uint8_t *text, size_t size, vita_error *err)
{
	if (stage == r->split->n_stages) return r->piece(r->user, text, size, err);
	const vita_split_stage *s = &r->split->stages[stage];
	if (s->prefix_space && text[0] != ' ') {
		vita_bytes *prefixed = &r->work->prefixed;
		prefixed->size = 0;
		if (!vita_bytes_append(prefixed, " ", 1) || !vita_bytes_append(prefixed, text, size))
			return vita_fail(err, VITA_E_NOMEM,
					 "no memory to put a space before %zu bytes of text", size);
		text = prefixed->data;
		size = prefixed->size;
	}
	return s->pattern.fast ? cut(r, stage, text, size, err) : run_stage(r, stage + 1, text, size, err);
}

vita_status vita_split_run(const vita_split *split, vita_split_work *work, const uint8_t *text, size_t size,
			   vita_split_piece *piece, void *user, vita_error *err)
{
	run r = {split, work, piece, user};
	return size ? run_stage(&r, 0, text, size, err) : VITA_OK;
}
