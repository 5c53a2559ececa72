/* SPDX-License-Identifier: MIT
 *
 * The training loop: rows of data to one optimizer step, reports, evaluation, checkpoints, and going on after
 * an end that came too early.
 */
#include <config.h>

#include "train/run.h"

#include "train/report.h"

#include <vita/file.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

typedef struct run {
	vita_trainer *t;
	const vita_train_events *events;
	const vita_cancel *cancel;
	vita_error *err;
	vita_run_settings settings;
	vita_run_state state;
	vita_tokenizer *tokenizer;
	vita_engine *encoder_engine;       /* has the encoder open; NULL without one */
	char *encoder_key;                 /* what its codes are kept by; likewise */
	char cache[VITA_PATH_SIZE];        /* directory of recordings' codes; "": none */
	vita_train_data *data;
	vita_train_data *held_out;         /* of the last evaluation: it knows which lines were skipped */
	vita_train_batch *window;          /* [n_window] rows of one step, this process's and others' */
	int64_t n_window;
	int32_t stop;                      /* some process was cancelled */
	int64_t n_labels;                  /* in them */
	double *items;                     /* [n_heads] divisors of the heads' sums */
	vita_losses losses;                /* of a step */
	vita_means means;                  /* since the last report */
	char saved[VITA_PATH_SIZE];        /* the newest checkpoint; "": none */
	char good[VITA_PATH_SIZE];         /* the newest whose weights have given a finite step since; likewise */
	struct timespec begun, reported;
	int64_t reported_tokens;
	vita_report_log *log;
} run;

VITA_PRINTF(2, 3)
static void note(const run *r, const char *format, ...)
{
	char text[1200];
	va_list args;
	if (!r->events || !r->events->note || vita_group_rank(r->t) > 0) return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	r->events->note(r->events->user, text);
}

static double since(const struct timespec *then)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - then->tv_sec) + 1e-9 * (double)(now.tv_nsec - then->tv_nsec);
}

/* ---- data ------------------------------------------------------------------------------------------- */

static vita_status open_tokenizer(run *r)
{
	const char *path = vita_model_file_path(r->t->model, "tokenizer.json");
	if (!path) return vita_fail(r->err, VITA_E_NOMEM, "no memory for the tokenizer's path");
	return vita_tokenizer_open(path, &r->tokenizer, r->err);
}

/* The encoder that [encoder] names, where it names one: recordings in the data need it, text and codes do not. */
static vita_status open_encoder(run *r)
{
	vita_context *c = r->t->context;
	if (!vita_context_given(c, "encoder", "plugin") && !vita_context_given(c, "encoder", "model")) return VITA_OK;
	vita_status status = vita_engine_open(c, VITA_PART_ENCODER, &r->encoder_engine, r->err);
	return status == VITA_OK ? vita_train_encoder_key(r->encoder_engine, &r->encoder_key, r->err) : status;
}

/* Codes of recordings are kept beside the output, so that later stages find them. */
static void choose_cache(run *r)
{
	if (snprintf(r->cache, sizeof r->cache, "%s/../codes", r->settings.output) >= (int)sizeof r->cache) r->cache[0] = '\0';
	if (*r->cache && mkdir(r->cache, 0777) != 0 && errno != EEXIST) r->cache[0] = '\0';
}

/* What may stop a member of a group on its own: nothing. The others wait for its share of a step, in which all of them
 * agree on the end. */
static const vita_cancel *own_cancel(const run *r)
{
	return r->t->group ? NULL : r->cancel;
}

static vita_status open_data(run *r, const char *files, const char *base, bool held_out, vita_train_data **out)
{
	const int64_t *ratio = NULL;
	vita_train_data_options o = {
		.files = files, .directory = base, .max_length = r->settings.max_length, .seed = r->t->seed,
		.shuffle = !held_out, .once = held_out, .strict = r->settings.strict, .ratio = ratio,
		.tokenizer = r->tokenizer, .encoder_key = r->encoder_key,
		.cancel = own_cancel(r),
	};
	if (r->encoder_engine) {
		o.encoder_api = vita_engine_encoder(r->encoder_engine, &o.encoder);
		o.cache = r->cache;
	}
	return vita_train_data_open(&o, out, r->err);
}

static void tell_skipped(const run *r, const vita_train_data *data, const char *what)
{
	vita_train_data_counts n;
	const char *line;
	if (!data) return;
	vita_train_data_count(data, &n);
	if (n.n_skipped == 0) return;
	note(r, "%lld %s could not be used: %lld broken, %lld without a recording that is named, %lld whose <|audio|> and "
	     "recordings do not match, %lld too long", (long long)n.n_skipped, what, (long long)n.n_broken,
	     (long long)n.n_missing, (long long)n.n_audio, (long long)n.n_too_long);
	uint32_t i = 0;
	for (; (line = vita_train_data_skipped(data, i)) != NULL; i++) note(r, "skipped %s", line);
	if (n.n_skipped > i) note(r, "skipped %lld more", (long long)n.n_skipped - i);
}

/* ---- one step --------------------------------------------------------------------------------------- */

static void free_batch(vita_train_batch *b)
{
	free(b->input_ids); /* the others lie behind it */
	memset(b, 0, sizeof *b);
}

static vita_status copy_batch(const vita_train_batch *from, vita_train_batch *to, vita_error *err)
{
	const size_t n = (size_t)from->n;
	free_batch(to);
	to->input_ids = malloc(3 * n * sizeof *to->input_ids);
	if (!to->input_ids) return vita_fail(err, VITA_E_NOMEM, "no memory for a training sequence");
	to->n = from->n;
	to->position_ids = to->input_ids + n;
	to->labels = to->position_ids + n;
	memcpy(to->input_ids, from->input_ids, n * sizeof *to->input_ids);
	memcpy(to->position_ids, from->position_ids, n * sizeof *to->position_ids);
	memcpy(to->labels, from->labels, n * sizeof *to->labels);
	return VITA_OK;
}

/* The rows of the next step; the number of labels in all of them is what its losses are divided by. */
static vita_status fill_window(run *r)
{
	r->n_labels = 0;
	for (int64_t i = 0; i < r->n_window; i++) {
		vita_train_batch next;
		vita_status status = vita_train_data_next(r->data, &next, r->err);
		if (status == VITA_END) status = vita_fail(r->err, VITA_E_INTERNAL, "the data ended, which it never should");
		if (status == VITA_OK) status = copy_batch(&next, &r->window[i], r->err);
		if (status != VITA_OK) return status;
		for (int64_t j = 0; j < next.n; j++) r->n_labels += next.labels[j] != VITA_TRAIN_IGNORE;
	}
	return VITA_OK;
}

static void clear_losses(run *r)
{
	r->losses.loss = r->losses.main_sum = 0;
	memset(r->losses.head_sums, 0, ((size_t)r->t->n_heads + 1) * sizeof *r->losses.head_sums);
}

static vita_status run_window(run *r)
{
	vita_status status = vita_gradients_clear(r->t, r->err);
	clear_losses(r);
	for (uint32_t k = 0; k < r->t->n_heads; k++) r->items[k] = (double)r->n_labels;
	for (int64_t i = vita_group_rank(r->t); i < r->n_window && status == VITA_OK; i += vita_group_size(r->t)) {
		if (vita_cancel_requested(own_cancel(r))) return vita_fail(r->err, VITA_E_CANCELLED, "cancelled");
		status = vita_targets_make(r->t, &r->window[i], r->err);
		if (status == VITA_OK)
			status = vita_train_pass(r->t, &r->window[i], 1, (double)r->n_labels, r->items, &r->losses, r->err);
	}
	return status;
}

/* Where a step breaks down right behind a checkpoint, that checkpoint's weights are what is broken. */
static vita_status not_finite(const run *r, const char *what)
{
	const long long at = (long long)r->state.step + 1;
	if (!*r->saved)
		return vita_fail(r->err, VITA_E_INVALID, "step %lld: the %s is not finite; there is no checkpoint yet; try a lower "
		                 "learning rate", at, what);
	if (!*r->good)
		return vita_fail(r->err, VITA_E_INVALID, "step %lld: the %s is not finite with the weights of %s, and this run has no "
		                 "good checkpoint before it; try a lower learning rate", at, what, r->saved);
	if (strcmp(r->good, r->saved) == 0)
		return vita_fail(r->err, VITA_E_INVALID, "step %lld: the %s is not finite; the last good checkpoint is %s; a lower "
		                 "learning rate may help", at, what, r->good);
	return vita_fail(r->err, VITA_E_INVALID, "step %lld: the %s is not finite; the last good checkpoint is %s, for the weights "
	                 "of %s give this; a lower learning rate may help", at, what, r->good, r->saved);
}

static vita_status step(run *r)
{
	double norm = 0;
	vita_status status = fill_window(r);
	if (status == VITA_OK) status = run_window(r);
	double cancelled = vita_cancel_requested(r->cancel);
	if (status == VITA_OK) status = vita_group_join_step(r->t, &r->losses, &cancelled, r->err);
	if (status != VITA_OK) return status;
	r->stop = cancelled > 0;
	if (!isfinite(r->losses.loss) || !isfinite(r->losses.main_sum)) return not_finite(r, "loss");
	status = vita_gradient_norm(r->t, &norm, r->err);
	if (status != VITA_OK) return status;
	if (!isfinite(norm)) return not_finite(r, "gradient");
	if (strcmp(r->good, r->saved) != 0) (void)snprintf(r->good, sizeof r->good, "%s", r->saved);
	const double ratio = vita_learning_ratio(r->state.step, r->settings.warmup, r->settings.steps);
	status = vita_optimizer_step(r->t, &r->settings.optimizer, r->state.step + 1, ratio, norm, r->err);
	if (status != VITA_OK) return status;
	r->state.step++;
	for (int64_t i = 0; i < r->n_window; i++) r->state.tokens += r->window[i].n;
	json_decref(r->state.data);
	r->state.data = vita_train_data_save_state(r->data);
	if (!r->state.data) return vita_fail(r->err, VITA_E_NOMEM, "no memory for the place in the data");
	vita_means_add(&r->means, &r->losses, (double)r->n_labels, norm, r->settings.optimizer.rate * ratio);
	return VITA_OK;
}

/* ---- reports ---------------------------------------------------------------------------------------- */

static vita_status send(run *r, vita_train_report *report)
{
	if (vita_group_rank(r->t) > 0) return VITA_OK;
	report->step = r->state.step;
	report->steps = r->settings.steps;
	report->tokens = r->state.tokens;
	report->seconds = since(&r->begun);
	vita_status status = vita_report_write(r->log, report, r->err);
	if (status == VITA_OK && r->events && r->events->report) r->events->report(r->events->user, report);
	return status;
}

static vita_status report_steps(run *r)
{
	vita_train_report report;
	VITA_INIT(&report);
	vita_means_report(&r->means, &report);
	const double seconds = since(&r->reported);
	report.tokens_per_second = seconds > 0 ? (double)(r->state.tokens - r->reported_tokens) / seconds : 0;
	vita_status status = send(r, &report);
	vita_means_clear(&r->means);
	(void)clock_gettime(CLOCK_MONOTONIC, &r->reported);
	r->reported_tokens = r->state.tokens;
	return status;
}

static vita_status open_held_out(run *r)
{
	vita_train_data_close(r->held_out);
	r->held_out = NULL;
	return open_data(r, r->settings.eval, r->settings.eval_base, true, &r->held_out);
}

/* Each cross-entropy is a mean over its own targets of the whole held-out set. */
static vita_status evaluate(run *r)
{
	vita_train_batch batch;
	vita_means means;
	if (vita_group_rank(r->t) > 0) return VITA_OK;
	const uint32_t n = r->t->n_heads;
	int64_t *counts = calloc((size_t)n + 1, sizeof *counts);
	vita_status status = counts ? vita_means_open(&means, n, r->err)
	                            : vita_fail(r->err, VITA_E_NOMEM, "no memory for an evaluation");
	if (status != VITA_OK) {
		free(counts);
		return status;
	}
	clear_losses(r);
	for (uint32_t k = 0; k < n; k++) r->items[k] = 1;
	status = open_held_out(r);
	while (status == VITA_OK && (status = vita_train_data_next(r->held_out, &batch, r->err)) == VITA_OK) {
		status = vita_targets_make(r->t, &batch, r->err);
		for (uint32_t k = 0; k <= n && status == VITA_OK; k++) counts[k] += r->t->targets.counts[k];
		if (status == VITA_OK) status = vita_train_pass(r->t, &batch, 0, 1, r->items, &r->losses, r->err);
		if (status == VITA_OK && vita_cancel_requested(own_cancel(r)))
			status = vita_fail(r->err, VITA_E_CANCELLED, "cancelled");
	}
	if (status == VITA_END) {
		vita_train_report report;
		VITA_INIT(&report);
		report.evaluation = 1;
		vita_means_of_sums(&means, &r->losses, counts, r->t->stage, r->t->head_weight);
		vita_means_report(&means, &report);
		status = send(r, &report);
	}
	vita_means_free(&means);
	free(counts);
	return status;
}

static vita_status save(run *r)
{
	char path[VITA_PATH_SIZE];
	if (vita_group_rank(r->t) > 0) return VITA_OK;
	vita_status status = vita_report_sync(r->log, r->err);
	if (status == VITA_OK) status = vita_checkpoint_save(r->t, &r->settings, &r->state, path, r->err);
	if (status == VITA_OK) {
		(void)snprintf(r->saved, sizeof r->saved, "%s", path);
		note(r, "saved %s", path);
		return VITA_OK;
	}
	char why[900];
	(void)snprintf(why, sizeof why, "%.899s", r->err ? r->err->message : "");
	return vita_fail(r->err, status, "%s; %s%s", why, *r->saved ? "the last good checkpoint is " : "there is no checkpoint yet",
	                 r->saved);
}

/* What was learnt since the last checkpoint is not lost to a Ctrl-C. Who ends while another member writes may take that one
 * along, so all of them end together. */
static vita_status save_cancelled(run *r)
{
	vita_status status = save(r);
	if (status == VITA_OK && r->t->group && vita_group_rank(r->t) > 0)
		status = vita_fail(r->err, VITA_E_CANCELLED, "cancelled after step %lld", (long long)r->state.step);
	else if (status == VITA_OK)
		status = vita_fail(r->err, VITA_E_CANCELLED, "cancelled after step %lld; [train] resume = yes goes on with %s",
		                   (long long)r->state.step, r->saved);
	vita_group_wait(r->t);
	return status;
}

/* ---- beginning and end ------------------------------------------------------------------------------ */

/* Trained models took long to make: a run that is there is gone on with, or left alone. */
static vita_status check_output(const run *r)
{
	char path[VITA_PATH_SIZE];
	struct stat there;
	const char *output = r->settings.output;
	const int made = mkdir(output, 0777) == 0 || errno == EEXIST;
	if (vita_group_rank(r->t) > 0) return VITA_OK; /* codes of recordings are kept beside it on each machine */
	if (!made)
		return vita_fail(r->err, errno == ENOENT ? VITA_E_NOTFOUND : VITA_E_IO, "%s: cannot be made: %s", output,
		                 strerror(errno));
	if (strcmp(r->settings.resume, "no") != 0) return VITA_OK;
	vita_status status = vita_path_join(path, output, "config.json", r->err);
	if (status != VITA_OK) return status;
	if (stat(path, &there) != 0 && !vita_checkpoint_newest(output, path, sizeof path)) return VITA_OK;
	return vita_fail(r->err, VITA_E_STATE, "%s: holds a run already, which stays as it is; go on with it ([train] resume = "
	                 "yes) or name another output", output);
}

/* Held-out files that an evaluation would fail with stop a run at its beginning, not when hours of it are lost. Where a
 * line of them is an error, all are read for that. */
static vita_status check_held_out(run *r)
{
	vita_train_batch batch;
	if (!*r->settings.eval || vita_group_rank(r->t) > 0) return VITA_OK;
	vita_status status = open_held_out(r);
	if (status == VITA_OK) status = vita_train_data_next(r->held_out, &batch, r->err);
	while (status == VITA_OK && r->settings.strict) status = vita_train_data_next(r->held_out, &batch, r->err);
	return status == VITA_END ? VITA_OK : status;
}

/* What [train] resume names: nothing, the output's newest checkpoint, a directory of checkpoints, or one. */
static vita_status resume(run *r)
{
	char path[VITA_PATH_SIZE];
	const char *from = r->settings.resume;
	if (strcmp(from, "no") == 0) return VITA_OK;
	if (strcmp(from, "yes") == 0 || strcmp(from, "auto") == 0 || strcmp(from, "latest") == 0) {
		if (!vita_checkpoint_newest(r->settings.output, path, sizeof path)) return VITA_OK;
	} else {
		const char *base = vita_context_base(r->t->context, "train", "resume");
		char given[VITA_PATH_SIZE];
		vita_status status = *from == '/' || !*base ? VITA_OK : vita_path_join(given, base, from, r->err);
		if (status != VITA_OK) return status;
		if (*from == '/' || !*base) (void)snprintf(given, sizeof given, "%s", from);
		if (!vita_checkpoint_newest(given, path, sizeof path)) (void)snprintf(path, sizeof path, "%s", given);
	}
	vita_status status = vita_checkpoint_load(r->t, path, &r->state, r->err);
	if (status == VITA_OK) status = vita_train_data_load_state(r->data, r->state.data, r->err);
	if (status != VITA_OK) return status;
	(void)snprintf(r->saved, sizeof r->saved, "%s", path);
	note(r, "going on after step %lld with %s", (long long)r->state.step, path);
	return VITA_OK;
}

static vita_status open_run(run *r)
{
	const uint32_t n = r->t->n_heads;
	vita_status status = vita_run_settings_read(r->t, &r->settings, r->err);
	if (status == VITA_OK) status = check_output(r);
	if (status == VITA_OK) status = open_tokenizer(r);
	if (status == VITA_OK) status = open_encoder(r);
	if (status != VITA_OK) return status;
	if (r->encoder_engine) choose_cache(r);
	status = open_data(r, r->settings.data, r->settings.data_base, false, &r->data);
	if (status == VITA_OK) status = check_held_out(r);
	if (status == VITA_OK) status = vita_means_open(&r->means, n, r->err);
	if (status != VITA_OK) return status;
	r->n_window = r->settings.accumulate * vita_group_size(r->t);
	r->window = calloc((size_t)r->n_window, sizeof *r->window);
	r->items = calloc((size_t)n + 1, sizeof *r->items);
	r->losses.head_sums = calloc((size_t)n + 1, sizeof *r->losses.head_sums);
	if (!r->window || !r->items || !r->losses.head_sums) return vita_fail(r->err, VITA_E_NOMEM, "no memory for a run");
	status = resume(r);
	if (status == VITA_OK) status = vita_group_agree(r->t, r->state.step, r->err);
	if (vita_group_rank(r->t) > 0) return status;
	return status == VITA_OK ? vita_report_open(r->settings.output, r->state.step, &r->log, r->err) : status;
}

static void close_run(run *r)
{
	vita_report_close(r->log);
	vita_train_data_close(r->data);
	vita_train_data_close(r->held_out);
	vita_engine_close(r->encoder_engine);
	free(r->encoder_key);
	vita_tokenizer_close(r->tokenizer);
	for (int64_t i = 0; r->window && i < r->n_window; i++) free_batch(&r->window[i]);
	vita_means_free(&r->means);
	free(r->window);
	free(r->items);
	free(r->losses.head_sums);
	json_decref(r->state.data);
}

static bool due(int64_t step, int64_t every, int64_t steps)
{
	return step == steps || (every > 0 && step % every == 0);
}

static vita_status steps(run *r)
{
	const vita_run_settings *s = &r->settings;
	vita_status status = VITA_OK;
	(void)clock_gettime(CLOCK_MONOTONIC, &r->begun);
	r->reported = r->begun;
	r->reported_tokens = r->state.tokens;
	while (r->state.step < s->steps && status == VITA_OK) {
		if (r->stop || vita_cancel_requested(own_cancel(r)))
			return vita_fail(r->err, VITA_E_CANCELLED, "cancelled");
		status = step(r);
		const int64_t now = r->state.step;
		if (status == VITA_OK && due(now, s->log_every, s->steps)) status = report_steps(r);
		if (status == VITA_OK && *s->eval && due(now, s->eval_every, s->steps)) status = evaluate(r);
		if (status == VITA_OK && due(now, s->save_every, s->steps)) status = save(r);
	}
	return status;
}

vita_status vita_trainer_run(vita_trainer *trainer, const vita_train_events *events, const vita_cancel *cancel,
                             vita_error *err)
{
	vita_error own;
	run r = { .t = trainer, .events = events, .cancel = cancel, .err = err ? err : &own };
	VITA_INIT(&own);
	vita_status status = open_run(&r);
	if (status == VITA_OK) {
		status = steps(&r);
		if (status == VITA_E_CANCELLED && r.state.data) status = save_cancelled(&r);
		if (status == VITA_OK && vita_group_rank(trainer) == 0)
			status = vita_trained_save(trainer, r.settings.output, err);
		tell_skipped(&r, r.data, "lines");
		tell_skipped(&r, r.held_out, "held-out lines");
	}
	close_run(&r);
	return status;
}
