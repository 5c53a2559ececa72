/* SPDX-License-Identifier: MIT
 *
 * One packed row forward and back: which row learns which token, the losses, and the plugins' passes.
 */
#include <config.h>

#include "train/trainer.h"

#include <vita/record.h>

#include <stdlib.h>

/* ---- targets ---------------------------------------------------------------------------------------- */

void vita_targets_free(vita_targets *t)
{
	free(t->targets);
	free(t->heads);
	free(t->counts);
	free(t->starts);
	memset(t, 0, sizeof *t);
}

static vita_status reserve(vita_trainer *trainer, int64_t n, vita_error *err)
{
	vita_targets *t = &trainer->targets;
	const size_t rows = (size_t)trainer->n_heads + 1;
	if (n <= t->capacity) return VITA_OK;
	vita_targets_free(t);
	t->targets = calloc((size_t)n * rows, sizeof *t->targets);
	t->heads = calloc(rows, sizeof *t->heads);
	t->counts = calloc(rows, sizeof *t->counts);
	t->starts = calloc((size_t)n + 1, sizeof *t->starts);
	if (!t->targets || !t->heads || !t->counts || !t->starts) {
		vita_targets_free(t);
		return vita_fail(err, VITA_E_NOMEM, "no memory for a training sequence of %lld tokens", (long long)n);
	}
	for (uint32_t k = 0; k < trainer->n_heads; k++) t->heads[k] = t->targets + (size_t)(k + 1) * (size_t)n;
	t->capacity = n;
	return VITA_OK;
}

/* Where samples begin, and that everything is in its range. */
static vita_status read_samples(const vita_trainer *trainer, vita_targets *t, const vita_train_batch *b, vita_error *err)
{
	if (b->n < 1 || b->n > INT32_MAX || b->position_ids[0] != 0)
		return vita_fail(err, VITA_E_INVALID, "a training sequence must begin with a position of 0");
	t->n_samples = 0;
	t->n_labels = 0;
	for (int64_t i = 0; i < b->n; i++) {
		const int32_t position = b->position_ids[i], label = b->labels[i];
		if (position == 0)
			t->starts[t->n_samples++] = (int32_t)i;
		else if (position != b->position_ids[i - 1] + 1)
			return vita_fail(err, VITA_E_INVALID, "position_ids[%lld] is %ld and follows %ld; each sample counts from 0",
			                 (long long)i, (long)position, (long)b->position_ids[i - 1]);
		if (b->input_ids[i] < 0 || b->input_ids[i] >= trainer->shared.vocab_size)
			return vita_fail(err, VITA_E_INVALID, "input_ids[%lld] is %ld; the vocabulary has ids 0 to %lld",
			                 (long long)i, (long)b->input_ids[i], (long long)trainer->shared.vocab_size - 1);
		if (label != VITA_TRAIN_IGNORE && (label < 0 || label >= trainer->shared.vocab_size))
			return vita_fail(err, VITA_E_INVALID, "labels[%lld] is %ld; it must be %d or an id from 0 to %lld",
			                 (long long)i, (long)label, VITA_TRAIN_IGNORE, (long long)trainer->shared.vocab_size - 1);
		t->n_labels += label != VITA_TRAIN_IGNORE;
	}
	t->starts[t->n_samples] = (int32_t)b->n;
	return VITA_OK;
}

/* The reference joins the samples' rows before it shifts labels, so that the last row that a sample has left
 * predicts the next sample's first label that is left. -1: there is none. */
static int64_t across(const vita_targets *t, uint32_t sample, int64_t distance)
{
	for (uint32_t s = sample + 1; s < t->n_samples; s++)
		if (t->starts[s + 1] - t->starts[s] >= distance) return t->starts[s] + distance - 1;
	return -1;
}

/* Targets `distance` tokens ahead of their rows: 1 for the main pass, k + 2 for head k. */
static int64_t fill_targets(const vita_trainer *trainer, const vita_train_batch *b, int64_t distance, int32_t *targets)
{
	const vita_targets *t = &trainer->targets;
	int64_t count = 0;
	for (uint32_t s = 0; s < t->n_samples; s++)
		for (int64_t i = t->starts[s], end = t->starts[s + 1]; i < end; i++) {
			int64_t from = i + distance < end ? i + distance : -1;
			if (i + distance == end && !trainer->mask_boundaries) from = across(t, s, distance);
			const int32_t label = from >= 0 ? b->labels[from] : VITA_TRAIN_IGNORE;
			targets[i] = label == VITA_TRAIN_IGNORE ? VITA_TRAIN_NO_TARGET : label;
			count += label != VITA_TRAIN_IGNORE;
		}
	return count;
}

vita_status vita_targets_make(vita_trainer *trainer, const vita_train_batch *batch, vita_error *err)
{
	vita_targets *t = &trainer->targets;
	vita_status status = reserve(trainer, batch->n, err);
	if (status == VITA_OK) status = read_samples(trainer, t, batch, err);
	if (status != VITA_OK) return status;
	for (uint32_t k = 0; k <= trainer->n_heads; k++)
		t->counts[k] = fill_targets(trainer, batch, (int64_t)k + 1, t->targets + (size_t)k * (size_t)t->capacity);
	return VITA_OK;
}

/* ---- the pass --------------------------------------------------------------------------------------- */

/* Memory for the gradient of the hidden states. */
static vita_status reserve_gradient(vita_trainer *t, int64_t n, vita_tensor *out, vita_error *err)
{
	const vita_backend_api *api = t->device->api;
	const int64_t width = t->shared.hidden_size;
	if (n > t->dhidden_rows) {
		api->free(t->device->self, t->dhidden);
		t->dhidden = NULL;
		t->dhidden_rows = 0;
		vita_status status = api->alloc(t->device->self, (uint64_t)(n * width) * sizeof(float), &t->dhidden, err);
		if (status != VITA_OK) return status;
		t->dhidden_rows = n;
	}
	*out = vita_view(t->dhidden, 0, VITA_F32, 2, n, width, 0, 0);
	return VITA_OK;
}

static double per_item(double weight, double items)
{
	return items > 0 ? weight / items : 0;
}

static vita_status run_heads(vita_trainer *t, const vita_train_rows *rows, uint32_t backward, const double *items,
                             const vita_tensor *hidden, const vita_tensor *dhidden, vita_losses *losses, vita_error *err)
{
	vita_train_head_pass pass;
	const uint32_t n = t->n_heads;
	double *numbers = calloc((size_t)n * 2, sizeof *numbers);
	if (!numbers) return vita_fail(err, VITA_E_NOMEM, "no memory for the losses of %u heads", (unsigned)n);
	VITA_INIT(&pass);
	for (uint32_t k = 0; k < n; k++) numbers[k] = per_item(t->head_weight / n, items[k]);
	pass.detach = t->detach;
	pass.backward = backward;
	pass.rows = rows;
	pass.hidden = hidden;
	pass.dhidden = backward && !t->detach ? dhidden : NULL;
	pass.targets = t->targets.heads;
	pass.factors = numbers;
	pass.sums = numbers + n;
	vita_status status = t->head_api->run(t->head, &pass, err);
	for (uint32_t k = 0; k < n && status == VITA_OK; k++) {
		losses->head_sums[k] += pass.sums[k];
		losses->loss += pass.factors[k] * pass.sums[k];
	}
	free(numbers);
	return status;
}

vita_status vita_train_pass(vita_trainer *t, const vita_train_batch *batch, uint32_t backward, double main_items,
                            const double *head_items, vita_losses *losses, vita_error *err)
{
	/* The frozen model's own cross-entropy is only told, never learnt from. */
	const uint32_t trains_llm = t->stage == VITA_STAGE_ALIGNMENT || t->stage == VITA_STAGE_FINETUNE;
	const uint32_t llm_back = backward && trains_llm;
	vita_train_rows rows;
	vita_tensor hidden, dhidden;
	double sum = 0;
	VITA_INIT(&rows);
	rows.n_samples = t->targets.n_samples;
	rows.n = batch->n;
	rows.ids = batch->input_ids;
	rows.positions = batch->position_ids;
	rows.starts = t->targets.starts;
	vita_status status = reserve_gradient(t, batch->n, &dhidden, err);
	if (status == VITA_OK) status = t->llm_api->forward(t->llm, &rows, llm_back, &hidden, err);
	const double factor = trains_llm ? per_item(1, main_items) : 0;
	const vita_parameter *output = t->shared.output;
	if (status == VITA_OK)
		status = t->ops->cross_entropy(t->device->self, t->flags, &hidden, &output->value, t->targets.targets, factor,
		                               llm_back ? &dhidden : NULL, llm_back ? &output->gradient : NULL, &sum, err);
	if (status != VITA_OK) return status;
	losses->main_sum += sum;
	losses->loss += factor * sum;
	if (t->n_heads > 0) status = run_heads(t, &rows, backward, head_items, &hidden, &dhidden, losses, err);
	if (status == VITA_OK && llm_back) status = t->llm_api->backward(t->llm, &rows, &dhidden, err);
	return status;
}
