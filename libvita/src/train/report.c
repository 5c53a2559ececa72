/* SPDX-License-Identifier: MIT
 *
 * Means of losses, and the log; see report.h.
 */
#include <config.h>

#include "train/report.h"

#include "files/json.h"
#include "train/run.h"

#include <vita/file.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- means ------------------------------------------------------------------------------------------ */

vita_status vita_means_open(vita_means *m, uint32_t n_heads, vita_error *err)
{
	memset(m, 0, sizeof *m);
	m->n_heads = n_heads;
	m->head_ce = calloc((size_t)n_heads + 1, sizeof *m->head_ce);
	return m->head_ce ? VITA_OK : vita_fail(err, VITA_E_NOMEM, "no memory for the losses of %u heads", (unsigned)n_heads);
}

void vita_means_free(vita_means *m)
{
	free(m->head_ce);
	m->head_ce = NULL;
}

void vita_means_clear(vita_means *m)
{
	m->n = 0;
	m->loss = m->main_ce = m->norm = m->rate = 0;
	memset(m->head_ce, 0, ((size_t)m->n_heads + 1) * sizeof *m->head_ce);
}

void vita_means_add(vita_means *m, const vita_losses *losses, double items, double norm, double rate)
{
	m->n++;
	m->loss += losses->loss;
	m->norm += norm;
	m->rate = rate;
	if (!(items > 0)) return;
	m->main_ce += losses->main_sum / items;
	for (uint32_t k = 0; k < m->n_heads; k++) m->head_ce[k] += losses->head_sums[k] / items;
}

static double mean_of(double sum, int64_t count)
{
	return count > 0 ? sum / (double)count : 0;
}

void vita_means_of_sums(vita_means *m, const vita_losses *losses, const int64_t *counts, uint32_t stage, double head_weight)
{
	m->n = 1;
	m->main_ce = mean_of(losses->main_sum, counts[0]);
	m->loss = stage == VITA_STAGE_ALIGNMENT || stage == VITA_STAGE_FINETUNE ? m->main_ce : 0;
	for (uint32_t k = 0; k < m->n_heads; k++) {
		m->head_ce[k] = mean_of(losses->head_sums[k], counts[k + 1]);
		m->loss += head_weight / m->n_heads * m->head_ce[k];
	}
}

void vita_means_report(vita_means *m, vita_train_report *report)
{
	for (uint32_t k = 0; k < m->n_heads; k++) m->head_ce[k] = mean_of(m->head_ce[k], m->n);
	report->loss = mean_of(m->loss, m->n);
	report->main_ce = mean_of(m->main_ce, m->n);
	report->head_ce = m->head_ce;
	report->n_heads = m->n_heads;
	report->learning_rate = m->rate;
	report->gradient_norm = mean_of(m->norm, m->n);
}

/* ---- the log ---------------------------------------------------------------------------------------- */

struct vita_report_log {
	FILE *file;
	char *line; /* the last one, as jansson made it */
	char path[VITA_PATH_SIZE];
};

/* The step of a line of the log; -1 where it is none. */
static int64_t step_of(const char *line)
{
	json_t *object = json_loads(line, 0, NULL);
	const json_t *step = json_object_get(object, "step");
	const int64_t value = json_is_integer(step) ? (int64_t)json_integer_value(step) : -1;
	json_decref(object);
	return value;
}

/* The lines up to step stay. */
static vita_status cut(const char *path, int64_t step, vita_error *err)
{
	char *line = NULL;
	size_t size = 0;
	vita_file *kept = NULL;
	FILE *file = fopen(path, "re");
	if (!file) return VITA_OK;
	vita_status status = vita_file_create(path, &kept, err);
	while (status == VITA_OK && getline(&line, &size, file) > 0) {
		const int64_t at = step_of(line);
		if (at >= 0 && at <= step) status = vita_file_write(kept, line, strlen(line), err);
	}
	free(line);
	(void)fclose(file);
	if (status == VITA_OK) return vita_file_commit(kept, err);
	vita_file_discard(kept);
	return status;
}

vita_status vita_report_open(const char *output, int64_t step, vita_report_log **out, vita_error *err)
{
	*out = NULL;
	vita_report_log *log = calloc(1, sizeof *log);
	if (!log) return vita_fail(err, VITA_E_NOMEM, "no memory for a log");
	vita_status status = vita_path_join(log->path, output, "log.jsonl", err);
	if (status == VITA_OK) status = cut(log->path, step, err);
	if (status == VITA_OK) {
		log->file = fopen(log->path, "ae");
		if (!log->file) status = vita_fail(err, VITA_E_IO, "%s: cannot be written: %s", log->path, strerror(errno));
	}
	if (status == VITA_OK) *out = log;
	else vita_report_close(log);
	return status;
}

void vita_report_close(vita_report_log *log)
{
	if (!log) return;
	if (log->file) (void)fclose(log->file);
	free(log->line);
	free(log);
}

static json_t *number(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

/* Held-out losses have names of their own, so that a plot keeps them apart. */
static json_t *object_of(const vita_train_report *report)
{
	const char *const prefix = report->evaluation ? "eval_" : "";
	char name[3][32];
	json_t *object = json_object(), *heads = json_array();
	for (int i = 0; i < 3; i++)
		(void)snprintf(name[i], sizeof name[i], "%s%s", prefix, i == 0 ? "loss" : i == 1 ? "main_ce" : "mtp_ce");
	int failed = !object || !heads || json_object_set_new(object, "step", json_integer(report->step)) ||
	             json_object_set_new(object, name[0], number(report->loss)) ||
	             json_object_set_new(object, name[1], number(report->main_ce));
	for (uint32_t k = 0; k < report->n_heads; k++) failed |= json_array_append_new(heads, number(report->head_ce[k]));
	if (report->n_heads > 0) failed |= json_object_set(object, name[2], heads);
	json_decref(heads);
	if (!report->evaluation) {
		failed |= json_object_set_new(object, "learning_rate", number(report->learning_rate));
		failed |= json_object_set_new(object, "grad_norm", number(report->gradient_norm));
		failed |= json_object_set_new(object, "tokens_per_second", number(floor(report->tokens_per_second + 0.5)));
	}
	failed |= json_object_set_new(object, "tokens", json_integer(report->tokens));
	failed |= json_object_set_new(object, "seconds", number(floor(report->seconds * 100 + 0.5) / 100));
	if (!failed) return object;
	json_decref(object);
	return NULL;
}

vita_status vita_report_write(vita_report_log *log, vita_train_report *report, vita_error *err)
{
	json_t *object = object_of(report);
	free(log->line);
	log->line = object ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
	json_decref(object);
	if (!log->line) return vita_fail(err, VITA_E_NOMEM, "no memory for a line of the log");
	report->json = log->line;
	if (fprintf(log->file, "%s\n", log->line) > 0 && fflush(log->file) == 0) return VITA_OK;
	return vita_fail(err, VITA_E_IO, "%s: cannot be written: %s", log->path, strerror(errno));
}

vita_status vita_report_sync(vita_report_log *log, vita_error *err)
{
	if (fflush(log->file) == 0 && fsync(fileno(log->file)) == 0) return VITA_OK;
	return vita_fail(err, VITA_E_IO, "%s: cannot be written: %s", log->path, strerror(errno));
}
