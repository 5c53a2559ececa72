/* SPDX-License-Identifier: MIT
 *
 * Which line comes when, and samples packed into rows. Nothing is kept but a place in an order that the
 * seed decides, and the lines that wait in a row not yet full: that is what a checkpoint writes down.
 */
#include "train/data_internal.h"

#include <stdlib.h>

#define MOST_SKIPPED 100u
#define MOST_LINES (INT64_C(1) << 31)

/* A row that fills up, of the samples of one file. */
typedef struct row {
	vita_ids ids, positions, labels;
	int64_t *line; /* that it is made of, for checkpoints */
	size_t n_lines, capacity;
} row;

typedef struct place {
	uint32_t file;
	uint32_t line;
} place;

struct vita_train_data {
	uint8_t **bad; /* [n_files] a bit a line: skipped once, and not tried again */
	vita_sample_maker maker;
	vita_data_file *files;
	uint32_t n_files;
	row *rows; /* [n_files] */
	row given; /* what next gave last */
	int64_t max_length;
	uint64_t seed;
	bool shuffle, once, strict;

	place *order;            /* [n_order] of this epoch */
	int64_t n_order, cursor; /* cursor: how many of them are used up */
	int64_t good_in_epoch;
	uint32_t flushed; /* files whose last row was given (once) */

	vita_bytes line;
	vita_ids ids, labels; /* of one sample */
	vita_train_data_counts counts;
	char *skipped[MOST_SKIPPED];
	uint32_t n_skipped;
};

/* ---- order ---------------------------------------------------------------------------------------- */

/* SplitMix64 (Steele, Lea and Flood 2014). */
static uint64_t draw(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* Another stream of random numbers for each purpose. */
static uint64_t stream(uint64_t seed, uint64_t purpose, uint64_t number)
{
	uint64_t state = seed;
	state = draw(&state) ^ purpose;
	state = draw(&state) ^ number;
	return draw(&state);
}

static void shuffle(place *places, int64_t n, uint64_t state)
{
	for (int64_t i = n - 1; i > 0; i--) {
		int64_t k = (int64_t)(draw(&state) % ((uint64_t)i + 1));
		place swapped = places[i];
		places[i] = places[k];
		places[k] = swapped;
	}
}

/* How many of its lines an epoch takes. */
static int64_t used(const vita_data_file *file)
{
	double n = (double)file->n_lines * file->ratio;
	return n < (double)MOST_LINES ? (int64_t)n : MOST_LINES;
}

/* A file's lines in the order of its own shuffle, which never changes; an epoch takes the next `used` of
 * them, around and around, so that a tenth an epoch is another tenth each time. */
static bool choose(const vita_train_data *data, uint32_t index, int64_t epoch, place *out)
{
	const vita_data_file *file = &data->files[index];
	int64_t n = file->n_lines, take = used(file);
	place *all = malloc((size_t)n * sizeof *all);
	if (!all) return false;
	for (int64_t i = 0; i < n; i++)
		all[i] = (place){index, (uint32_t)i};
	if (data->shuffle) shuffle(all, n, stream(data->seed, 1, index));
	uint64_t from = (uint64_t)epoch * (uint64_t)take;
	for (int64_t i = 0; i < take; i++)
		out[i] = all[(from + (uint64_t)i) % (uint64_t)n];
	free(all);
	return true;
}

static vita_status begin_epoch(vita_train_data *data, int64_t epoch, vita_error *err)
{
	int64_t at = 0;
	for (uint32_t i = 0; i < data->n_files; i++) {
		if (used(&data->files[i]) > 0 && !choose(data, i, epoch, data->order + at))
			return vita_fail(err, VITA_E_NOMEM, "no memory for the order of training data");
		at += used(&data->files[i]);
	}
	if (data->shuffle) shuffle(data->order, data->n_order, stream(data->seed, 2, (uint64_t)epoch));
	data->counts.epoch = epoch;
	data->cursor = data->good_in_epoch = 0;
	return VITA_OK;
}

/* ---- rows ----------------------------------------------------------------------------------------- */

static void row_clear(row *r)
{
	r->ids.size = r->positions.size = r->labels.size = r->n_lines = 0;
}

static void row_free(row *r)
{
	free(r->ids.data);
	free(r->positions.data);
	free(r->labels.data);
	free(r->line);
}

static bool row_add(row *r, const vita_ids *ids, const vita_ids *labels, int64_t line)
{
	void *lines = r->line;
	bool ok = vita_array_reserve(&lines, &r->capacity, r->n_lines, 1, sizeof *r->line);
	r->line = lines;
	if (!ok || !vita_ids_reserve(&r->positions, ids->size) || !vita_ids_reserve(&r->labels, ids->size) ||
	    !vita_ids_append(&r->ids, ids->data, ids->size))
		return false;
	(void)vita_ids_append(&r->labels, labels->data, labels->size);
	for (size_t i = 0; i < ids->size; i++)
		r->positions.data[r->positions.size++] = (int32_t)i;
	r->line[r->n_lines++] = line;
	return true;
}

static void give(vita_train_data *data, uint32_t file, vita_train_batch *batch)
{
	row swapped = data->given;
	data->given = data->rows[file];
	data->rows[file] = swapped;
	row_clear(&data->rows[file]);
	*batch = (vita_train_batch){(int64_t)data->given.ids.size, data->given.ids.data,
				    data->given.positions.data, data->given.labels.data};
	data->counts.n_tokens += batch->n;
	data->counts.n_samples += (int64_t)data->given.n_lines;
}

/* ---- lines ---------------------------------------------------------------------------------------- */

static void remember(vita_train_data *data, const char *why)
{
	if (data->n_skipped == MOST_SKIPPED) return;
	size_t size = strlen(why) + 1;
	char *copy = malloc(size);
	if (!copy) return;
	memcpy(copy, why, size);
	data->skipped[data->n_skipped++] = copy;
}

static bool is_bad(const vita_train_data *data, uint32_t file, int64_t line)
{
	return data->bad[file][line / 8] >> line % 8 & 1;
}

static void note_bad(vita_train_data *data, uint32_t file, int64_t line)
{
	data->bad[file][line / 8] |= (uint8_t)(1u << line % 8);
}

static void count_skipped(vita_train_data *data, vita_fate fate)
{
	data->counts.n_skipped++;
	data->counts.n_broken += fate == VITA_FATE_BROKEN;
	data->counts.n_missing += fate == VITA_FATE_MISSING;
	data->counts.n_audio += fate == VITA_FATE_AUDIO;
	data->counts.n_too_long += fate == VITA_FATE_TOO_LONG;
}

/* The sample of a line into data->ids and labels, both empty where the line is blank or was skipped. */
static vita_status make_sample(vita_train_data *data, place at, vita_error *err)
{
	const vita_data_file *file = &data->files[at.file];
	char origin[512];
	vita_error own;
	VITA_INIT(&own);
	data->ids.size = data->labels.size = 0;
	if (is_bad(data, at.file, at.line)) return VITA_OK;
	vita_status status = vita_data_file_line(file, at.line, &data->line, err);
	if (status != VITA_OK || data->line.size == 0) return status;
	(void)snprintf(origin, sizeof origin, "%.480s:%lu", file->path, (unsigned long)at.line + 1);
	vita_fate fate = vita_sample_make(&data->maker, (const char *)data->line.data, data->line.size,
					  file->directory, origin, &data->ids, &data->labels, &own);
	if (fate == VITA_FATE_GOOD) return VITA_OK;
	if (fate == VITA_FATE_FAILED || data->strict) return vita_fail(err, own.status, "%s", own.message);
	note_bad(data, at.file, at.line);
	count_skipped(data, fate);
	remember(data, own.message);
	return VITA_OK;
}

/* The next line's sample goes into its file's row; *full where the row had no room for it and was given. */
static vita_status use_line(vita_train_data *data, vita_train_batch *batch, bool *full, vita_error *err)
{
	place at = data->order[data->cursor];
	row *r = &data->rows[at.file];
	*full = false;
	vita_status status = make_sample(data, at, err);
	if (status != VITA_OK) return status;
	data->cursor++;
	if (data->ids.size == 0) return VITA_OK;
	data->good_in_epoch++;
	*full = r->ids.size > 0 && data->ids.size > (size_t)data->max_length - r->ids.size;
	if (*full) give(data, at.file, batch);
	if (row_add(&data->rows[at.file], &data->ids, &data->labels, at.line)) return VITA_OK;
	return vita_fail(err, VITA_E_NOMEM, "no memory for a row of training data");
}

/* At the end of the only epoch: what lies in rows that did not fill. */
static bool flush(vita_train_data *data, vita_train_batch *batch)
{
	while (data->flushed < data->n_files) {
		uint32_t file = data->flushed++;
		if (data->rows[file].ids.size == 0) continue;
		give(data, file, batch);
		return true;
	}
	return false;
}

static vita_status no_usable_line(const vita_train_data *data, vita_error *err)
{
	return vita_fail(err, VITA_E_FORMAT, "of the %lld lines of training data none can be used; %s",
			 (long long)data->n_order, data->n_skipped ? data->skipped[0] : "all are blank");
}

vita_status vita_train_data_next(vita_train_data *data, vita_train_batch *batch, vita_error *err)
{
	*batch = (vita_train_batch){0};
	for (;;) {
		bool full = false;
		vita_status status = VITA_OK;
		if (data->cursor < data->n_order)
			status = use_line(data, batch, &full, err);
		else if (data->once && flush(data, batch))
			return VITA_OK;
		else if (data->good_in_epoch == 0)
			return no_usable_line(data, err);
		else if (data->once)
			return VITA_END;
		else
			status = begin_epoch(data, data->counts.epoch + 1, err);
		if (status != VITA_OK || full) return status;
	}
}

/* ---- open and close ------------------------------------------------------------------------------- */

static vita_status plan(vita_train_data *data, vita_error *err)
{
	double total = 0;
	for (uint32_t i = 0; i < data->n_files; i++) {
		if (data->files[i].n_lines > INT32_MAX)
			return vita_fail(err, VITA_E_UNSUPPORTED, "%s: has more than 2^31 lines",
					 data->files[i].path);
		total += (double)used(&data->files[i]);
	}
	if (total < 1)
		return vita_fail(
			err, VITA_E_FORMAT,
			"the training data have no line at all: %s and the others are empty, or their "
			"ratio is 0",
			data->files[0].path);
	if (total > (double)MOST_LINES)
		return vita_fail(err, VITA_E_CONFIG,
				 "an epoch of training data would have more than 2^31 lines");
	data->n_order = data->counts.n_lines = (int64_t)total;
	data->order = malloc((size_t)data->n_order * sizeof *data->order);
	data->rows = calloc(data->n_files, sizeof *data->rows);
	data->bad = calloc(data->n_files, sizeof *data->bad);
	bool ok = data->order && data->rows && data->bad;
	for (uint32_t i = 0; ok && i < data->n_files; i++) {
		data->bad[i] = calloc((size_t)data->files[i].n_lines / 8 + 1, 1);
		ok = data->bad[i] != NULL;
	}
	if (!ok)
		return vita_fail(err, VITA_E_NOMEM, "no memory for the order of %lld lines",
				 (long long)data->n_order);
	return begin_epoch(data, 0, err);
}

vita_status vita_train_data_open(const vita_train_data_options *options, vita_train_data **out,
				 vita_error *err)
{
	*out = NULL;
	if (options->max_length < 1 || options->max_length > INT32_MAX)
		return vita_fail(err, VITA_E_CONFIG, "max_length must be 1 to %ld", (long)INT32_MAX);
	vita_train_data *data = calloc(1, sizeof *data);
	if (!data) return vita_fail(err, VITA_E_NOMEM, "no memory for training data");
	data->max_length = options->max_length;
	data->seed = options->seed;
	data->shuffle = options->shuffle;
	data->once = options->once;
	data->strict = options->strict;
	vita_status status = vita_sample_maker_open(&data->maker, options, err);
	if (status == VITA_OK)
		status = vita_data_files_open(options->files ? options->files : "", options->directory,
					      &data->files, &data->n_files, err);
	if (status == VITA_OK) status = plan(data, err);
	if (status == VITA_OK)
		*out = data;
	else
		vita_train_data_close(data);
	return status;
}

void vita_train_data_close(vita_train_data *data)
{
	if (!data) return;
	vita_sample_maker_close(&data->maker);
	for (uint32_t i = 0; data->rows && i < data->n_files; i++)
		row_free(&data->rows[i]);
	for (uint32_t i = 0; data->bad && i < data->n_files; i++)
		free(data->bad[i]);
	free(data->bad);
	row_free(&data->given);
	vita_data_files_close(data->files, data->n_files);
	for (uint32_t i = 0; i < data->n_skipped; i++)
		free(data->skipped[i]);
	free(data->rows);
	free(data->order);
	free(data->line.data);
	free(data->ids.data);
	free(data->labels.data);
	free(data);
}

void vita_train_data_count(const vita_train_data *data, vita_train_data_counts *out)
{
	*out = data->counts;
	out->n_encoded = data->maker.codes.n_encoded;
}

const char *vita_train_data_skipped(const vita_train_data *data, uint32_t index)
{
	return index < data->n_skipped ? data->skipped[index] : NULL;
}

/* ---- checkpoints ---------------------------------------------------------------------------------- */

/* What the order depends on: a state of other files would go on with other lines. */
static uint64_t fingerprint(const vita_train_data *data)
{
	uint64_t sum = stream(data->seed, (uint64_t)data->max_length, data->shuffle);
	for (uint32_t i = 0; i < data->n_files; i++)
		sum = stream(sum, (uint64_t)data->files[i].n_lines, (uint64_t)used(&data->files[i]));
	return sum >> 1; /* JSON's integers are signed */
}

json_t *vita_train_data_save_state(const vita_train_data *data)
{
	const vita_train_data_counts *c = &data->counts;
	json_t *pending = json_array(), *unusable = json_array();
	for (uint32_t i = 0; i < data->n_files; i++) {
		json_t *lines = json_array(), *bad = json_array();
		for (size_t k = 0; k < data->rows[i].n_lines; k++)
			(void)json_array_append_new(lines, json_integer(data->rows[i].line[k]));
		for (int64_t line = 0; line < data->files[i].n_lines; line++)
			if (line % 8 == 0 && data->bad[i][line / 8] == 0)
				line += 7;
			else if (is_bad(data, i, line))
				(void)json_array_append_new(bad, json_integer(line));
		(void)json_array_append_new(pending, lines);
		(void)json_array_append_new(unusable, bad);
	}
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "files",
			 (json_int_t)fingerprint(data), "epoch", (json_int_t)c->epoch, "cursor",
			 (json_int_t)data->cursor, "flushed", (json_int_t)data->flushed, "good",
			 (json_int_t)data->good_in_epoch, "samples", (json_int_t)c->n_samples, "tokens",
			 (json_int_t)c->n_tokens, "broken", (json_int_t)c->n_broken, "missing",
			 (json_int_t)c->n_missing, "audio", (json_int_t)c->n_audio, "too_long",
			 (json_int_t)c->n_too_long, "skipped", (json_int_t)c->n_skipped, "pending", pending,
			 "bad", unusable);
}

/* A number of the state from 0 to most; -1 where it is none. */
static int64_t number(const json_t *state, const char *key, int64_t most)
{
	const json_t *value = json_object_get(state, key);
	json_int_t n = json_is_integer(value) ? json_integer_value(value) : -1;
	return n >= 0 && n <= most ? (int64_t)n : -1;
}

static vita_status not_ours(vita_error *err, const char *what)
{
	return vita_fail(err, VITA_E_FORMAT, "the checkpoint's place in the training data %s", what);
}

/* A line's number from a list of the state; -1 where it is none. */
static int64_t line_at(const vita_train_data *data, uint32_t file, const json_t *lines, size_t index)
{
	const json_t *value = json_array_get(lines, index);
	json_int_t line = json_is_integer(value) ? json_integer_value(value) : -1;
	return line >= 0 && line < data->files[file].n_lines ? (int64_t)line : -1;
}

static vita_status mark_bad(vita_train_data *data, uint32_t file, const json_t *lines, vita_error *err)
{
	memset(data->bad[file], 0, (size_t)data->files[file].n_lines / 8 + 1);
	for (size_t i = 0; i < json_array_size(lines); i++) {
		int64_t line = line_at(data, file, lines, i);
		if (line < 0) return not_ours(err, "names a line that is not there");
		note_bad(data, file, line);
	}
	return VITA_OK;
}

/* Make the samples again that waited in a row. */
static vita_status refill(vita_train_data *data, uint32_t file, const json_t *lines, vita_error *err)
{
	row_clear(&data->rows[file]);
	for (size_t i = 0; i < json_array_size(lines); i++) {
		int64_t line = line_at(data, file, lines, i);
		if (line < 0) return not_ours(err, "names a line that is not there");
		vita_status status = make_sample(data, (place){file, (uint32_t)line}, err);
		if (status != VITA_OK) return status;
		if (data->ids.size == 0) return not_ours(err, "names a line that cannot be used any more");
		if (data->ids.size > (size_t)data->max_length - data->rows[file].ids.size)
			return not_ours(err, "names more lines than fit into a row");
		if (!row_add(&data->rows[file], &data->ids, &data->labels, line))
			return vita_fail(err, VITA_E_NOMEM, "no memory for a row of training data");
	}
	return VITA_OK;
}

vita_status vita_train_data_load_state(vita_train_data *data, const json_t *state, vita_error *err)
{
	static const char *const keys[] = {"samples", "tokens",   "broken", "missing",
					   "audio",   "too_long", "skipped"};
	vita_train_data_counts *c = &data->counts;
	int64_t *const values[] = {&c->n_samples, &c->n_tokens,   &c->n_broken, &c->n_missing,
				   &c->n_audio,   &c->n_too_long, &c->n_skipped};
	const json_t *pending = json_object_get(state, "pending"), *bad = json_object_get(state, "bad");
	int64_t epoch = number(state, "epoch", INT32_MAX), cursor = number(state, "cursor", data->n_order);
	int64_t good = number(state, "good", data->n_order),
		flushed = number(state, "flushed", data->n_files);
	if (number(state, "files", INT64_MAX) != (int64_t)fingerprint(data))
		return not_ours(err, "is one in other files, or with another seed, ratio or max_length");
	if (epoch < 0 || cursor < 0 || good < 0 || flushed < 0 || json_array_size(pending) != data->n_files ||
	    json_array_size(bad) != data->n_files)
		return not_ours(err, "is damaged");
	vita_status status = begin_epoch(data, epoch, err);
	for (uint32_t i = 0; i < data->n_files && status == VITA_OK; i++) {
		status = mark_bad(data, i, json_array_get(bad, i), err);
		if (status == VITA_OK) status = refill(data, i, json_array_get(pending, i), err);
	}
	for (size_t i = 0; i < sizeof keys / sizeof keys[0] && status == VITA_OK; i++) {
		*values[i] = number(state, keys[i], INT64_MAX);
		if (*values[i] < 0) status = not_ours(err, "is damaged");
	}
	if (status != VITA_OK) return status;
	data->cursor = cursor;
	data->good_in_epoch = good;
	data->flushed = (uint32_t)flushed;
	return VITA_OK;
}
