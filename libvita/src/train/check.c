/* SPDX-License-Identifier: MIT
 *
 * Losses, gradients and optimizer steps against those in a file.
 */
#include <config.h>

#include "train/trainer.h"

#include <math.h>
#include <stdlib.h>

#define TOLERANCE 1e-4
#define MOST_STEPS 1000
/* Sums divided by another number of labels than their own differ by more than this from what comes out here. */
#define OTHER_DIVISOR 1e-3

typedef struct check {
	vita_trainer *t;
	vita_model *file;
	const char *path;
	vita_train_batch batch;
	vita_losses losses;
	double *items;        /* [1 + n_heads] what each sum is divided by */
	float *ours, *theirs; /* one tensor */
	uint64_t capacity;
	vita_train_compared compared;
	void *user;
	vita_train_check *result;
	vita_error *err;
} check;

/* ---- reading ---------------------------------------------------------------------------------------- */

/* [n] or [1, n] int32. */
static vita_status read_ids(check *c, const char *name, int64_t *n, int32_t **out)
{
	vita_array array;
	VITA_INIT(&array);
	vita_status status = vita_model_tensor(c->file, name, 0, NULL, &array, c->err);
	if (status != VITA_OK) return status;
	const int64_t count = array.rank == 1 ? array.shape[0] : array.rank == 2 && array.shape[0] == 1 ? array.shape[1] : -1;
	if (array.dtype != VITA_I32 || count < 1 || (*n >= 0 && count != *n))
		return vita_fail(c->err, VITA_E_SHAPE, "%s: %s must be int32 values, one a token, as many as input_ids", c->path,
		                 name);
	*n = count;
	*out = malloc(array.size_bytes);
	if (!*out) return vita_fail(c->err, VITA_E_NOMEM, "no memory for %s of %s", name, c->path);
	memcpy(*out, array.data, array.size_bytes);
	return VITA_OK;
}

static vita_status read_batch(check *c)
{
	c->batch.n = -1;
	vita_status status = read_ids(c, "input_ids", &c->batch.n, &c->batch.input_ids);
	if (status == VITA_OK) status = read_ids(c, "position_ids", &c->batch.n, &c->batch.position_ids);
	if (status == VITA_OK) status = read_ids(c, "labels", &c->batch.n, &c->batch.labels);
	return status == VITA_OK ? vita_targets_make(c->t, &c->batch, c->err) : status;
}

static int has(const check *c, const char *name, vita_array *array)
{
	VITA_INIT(array);
	return vita_model_tensor(c->file, name, 0, NULL, array, NULL) == VITA_OK;
}

/* n values as f32 into c->theirs. */
static vita_status read_values(check *c, const vita_array *array, const char *name, uint64_t n)
{
	uint64_t count = 1;
	for (uint32_t i = 0; i < array->rank; i++) count *= (uint64_t)array->shape[i];
	if (count != n)
		return vita_fail(c->err, VITA_E_SHAPE, "%s: %s has %llu values, here there are %llu", c->path, name,
		                 (unsigned long long)count, (unsigned long long)n);
	if (n > c->capacity) {
		free(c->ours);
		free(c->theirs);
		c->ours = malloc(n * sizeof *c->ours);
		c->theirs = malloc(n * sizeof *c->theirs);
		c->capacity = c->ours && c->theirs ? n : 0;
		if (!c->capacity) return vita_fail(c->err, VITA_E_NOMEM, "no memory for %s of %s", name, c->path);
	}
	return vita_convert(array->dtype, array->data, VITA_F32, c->theirs, n, c->err);
}

/* ---- comparing -------------------------------------------------------------------------------------- */

/* c->ours against c->theirs, relative to the largest magnitude of theirs and of `least`. */
static void compare(check *c, const char *name, uint64_t n, double least)
{
	double largest = least, difference = 0;
	for (uint64_t i = 0; i < n; i++) {
		const double d = fabs((double)c->ours[i] - (double)c->theirs[i]), m = fabs((double)c->theirs[i]);
		if (m > largest) largest = m;
		if (!(d <= difference)) difference = isnan(d) ? INFINITY : d;
	}
	const double error = difference == 0 ? 0 : largest > 0 ? difference / largest : INFINITY;
	vita_train_check *r = c->result;
	if (r->n_compared++ == 0 || error > r->worst) {
		r->worst = error;
		(void)snprintf(r->worst_name, sizeof r->worst_name, "%s", name);
	}
	if (c->compared) c->compared(c->user, name, error);
}

static vita_status compare_numbers(check *c, const char *name, const double *values, uint64_t n)
{
	vita_array array;
	if (!has(c, name, &array)) return VITA_OK;
	vita_status status = read_values(c, &array, name, n);
	if (status != VITA_OK) return status;
	for (uint64_t i = 0; i < n; i++) c->ours[i] = (float)values[i];
	compare(c, name, n, 0);
	return VITA_OK;
}

static const vita_slot *find_slot(const vita_trainer *t, const char *name)
{
	for (uint32_t i = 0; i < t->n_slots; i++)
		if (strcmp(t->slots[i].parameter->name, name) == 0) return &t->slots[i];
	return NULL;
}

/* All tensors of the file whose names begin with prefix; a frozen parameter has a gradient of 0. */
static vita_status compare_parameters(check *c, const char *prefix)
{
	const size_t size = strlen(prefix);
	vita_status status = VITA_OK;
	for (uint64_t i = 0; i < vita_model_n_tensors(c->file) && status == VITA_OK; i++) {
		vita_array array;
		VITA_INIT(&array);
		status = vita_model_tensor_at(c->file, i, &array);
		if (status != VITA_OK || strncmp(array.name, prefix, size) != 0) continue;
		const vita_slot *slot = find_slot(c->t, array.name + size);
		if (!slot)
			return vita_fail(c->err, VITA_E_NOTFOUND, "%s: there is no parameter %s in stage %s of this model", c->path,
			                 array.name + size, vita_context_string(c->t->context, "train", "stage"));
		status = read_values(c, &array, array.name, slot->n);
		if (status != VITA_OK) return status;
		const vita_tensor *t = *prefix == 'a' ? &slot->parameter->value : &slot->parameter->gradient;
		memset(c->ours, 0, slot->n * sizeof *c->ours);
		if (t->buffer) status = vita_slot_read(c->t, t, c->ours, c->err);
		/* AdamW divides by the gradient's own size, and so blows up the rounding of what is nearly 0. */
		if (status == VITA_OK) compare(c, array.name, slot->n, *prefix == 'a' ? 1 : 0);
	}
	return status;
}

/* ---- the pass --------------------------------------------------------------------------------------- */

static vita_status pass(check *c, uint32_t backward)
{
	c->losses.loss = c->losses.main_sum = 0;
	memset(c->losses.head_sums, 0, ((size_t)c->t->n_heads + 1) * sizeof *c->losses.head_sums);
	vita_status status = backward ? vita_gradients_clear(c->t, c->err) : VITA_OK;
	if (status != VITA_OK) return status;
	return vita_train_pass(c->t, &c->batch, backward, c->items[0], c->items + 1, &c->losses, c->err);
}

/* Each cross-entropy is a mean over its own rows, unless the file names a number of items, or its main_ce shows
 * that the sums were divided by another one: it must be whole. */
static vita_status choose_items(check *c)
{
	vita_array array;
	double items = 0;
	for (uint32_t k = 0; k <= c->t->n_heads; k++) c->items[k] = (double)c->t->targets.counts[k];
	if (has(c, "num_items_in_batch", &array)) {
		vita_status status = read_values(c, &array, "num_items_in_batch", 1);
		if (status != VITA_OK) return status;
		items = (double)c->theirs[0];
	} else if (has(c, "main_ce", &array) && c->t->targets.counts[0] > 0) {
		vita_status status = read_values(c, &array, "main_ce", 1);
		const double theirs = status == VITA_OK ? (double)c->theirs[0] : 0;
		if (status == VITA_OK) status = pass(c, 0);
		if (status != VITA_OK) return status;
		const double ratio = theirs > 0 ? c->losses.main_sum / theirs : 0;
		if (ratio >= 0.5 && ratio < 1e9 && fabs(ratio / c->items[0] - 1) > OTHER_DIVISOR) items = round(ratio);
	}
	if (!(items >= 1)) return VITA_OK;
	c->result->n_items = (int64_t)items;
	for (uint32_t k = 0; k <= c->t->n_heads; k++) c->items[k] = items;
	return VITA_OK;
}

static double divided(double sum, double items)
{
	return items > 0 ? sum / items : 0;
}

static vita_status check_gradients(check *c)
{
	const double main_ce = divided(c->losses.main_sum, c->items[0]);
	vita_status status = compare_numbers(c, "loss", &c->losses.loss, 1);
	if (status == VITA_OK) status = compare_numbers(c, "main_ce", &main_ce, 1);
	for (uint32_t k = 0; k < c->t->n_heads; k++)
		c->losses.head_sums[k] = divided(c->losses.head_sums[k], c->items[k + 1]);
	if (status == VITA_OK && c->t->n_heads > 0)
		status = compare_numbers(c, "mtp_ce", c->losses.head_sums, c->t->n_heads);
	return status == VITA_OK ? compare_parameters(c, "grad.") : status;
}

/* ---- several steps ---------------------------------------------------------------------------------- */

/* As the steps in the file are taken: at one learning rate, with weight decay of everything. */
static vita_optimizer optimizer_of(const vita_context *context)
{
	vita_optimizer o = { 1e-3, 1, 0.9, 0.95, 1e-8, 0.1, 1, 1 };
	if (vita_context_given(context, "train", "learning_rate")) o.rate = vita_context_float(context, "train", "learning_rate");
	if (vita_context_given(context, "train", "weight_decay")) o.decay = vita_context_float(context, "train", "weight_decay");
	if (vita_context_given(context, "train", "clip")) o.clip = vita_context_float(context, "train", "clip");
	if (vita_context_given(context, "train", "head_lr_multiplier"))
		o.head_multiplier = vita_context_float(context, "train", "head_lr_multiplier");
	return o;
}

static vita_status check_steps(check *c, const vita_array *expected)
{
	const vita_optimizer o = optimizer_of(c->t->context);
	const int64_t steps = expected->rank == 1 ? expected->shape[0] : 0;
	if (steps < 1 || steps > MOST_STEPS)
		return vita_fail(c->err, VITA_E_SHAPE, "%s: losses must be 1 to %d values, one a step", c->path, MOST_STEPS);
	double *losses = calloc((size_t)steps * 2, sizeof *losses), *norms = losses + steps;
	if (!losses) return vita_fail(c->err, VITA_E_NOMEM, "no memory for the losses of %s", c->path);
	vita_status status = VITA_OK;
	for (int64_t i = 0; i < steps && status == VITA_OK; i++) {
		status = pass(c, 1);
		losses[i] = c->losses.loss;
		if (status == VITA_OK) status = vita_gradient_norm(c->t, &norms[i], c->err);
		if (status == VITA_OK) status = vita_optimizer_step(c->t, &o, i + 1, 1, norms[i], c->err);
	}
	if (status == VITA_OK) status = compare_numbers(c, "losses", losses, (uint64_t)steps);
	if (status == VITA_OK) status = compare_numbers(c, "grad_norms", norms, (uint64_t)steps);
	free(losses);
	return status == VITA_OK ? compare_parameters(c, "after.") : status;
}

static vita_status run(check *c)
{
	vita_array losses;
	vita_status status = read_batch(c);
	if (status == VITA_OK) status = choose_items(c);
	if (status != VITA_OK) return status;
	if (has(c, "losses", &losses)) return check_steps(c, &losses);
	status = pass(c, 1);
	return status == VITA_OK ? check_gradients(c) : status;
}

vita_status vita_trainer_check(vita_trainer *trainer, const char *path, vita_train_compared compared, void *user,
                               vita_train_check *result, vita_error *err)
{
	const size_t n = (size_t)trainer->n_heads + 1;
	check c = { .t = trainer, .path = path, .compared = compared, .user = user, .result = result, .err = err };
	c.items = calloc(n, sizeof *c.items);
	c.losses.head_sums = calloc(n, sizeof *c.losses.head_sums);
	result->tolerance = TOLERANCE;
	vita_status status = c.items && c.losses.head_sums
	                             ? vita_model_open(path, VITA_MODEL_WANT_TENSORS, &c.file, err)
	                             : vita_fail(err, VITA_E_NOMEM, "no memory for a check");
	if (status == VITA_OK) status = run(&c);
	if (status == VITA_OK && result->n_compared == 0)
		status = vita_fail(err, VITA_E_NOTFOUND, "%s holds nothing to compare with: no loss, main_ce, mtp_ce, grad.NAME, "
		                   "losses or after.NAME", path);
	vita_model_close(c.file);
	free(c.batch.input_ids);
	free(c.batch.position_ids);
	free(c.batch.labels);
	free(c.ours);
	free(c.theirs);
	free(c.items);
	free(c.losses.head_sums);
	return status;
}
