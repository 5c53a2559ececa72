/* SPDX-License-Identifier: MIT
 *
 * A step of several processes: their gradients and losses summed. Each divides by the labels of all sequences, which
 * all of them have read, so the sums are those of one process that ran every sequence.
 */
#include <config.h>

#include "train/run.h"

#include <vita/record.h>

#include <stdlib.h>

void vita_trainer_join(vita_trainer *trainer, const vita_train_group *group)
{
	trainer->group = group && group->size > 1 ? group : NULL;
}

static vita_status sum_gradients(vita_trainer *t, vita_error *err)
{
	const uint64_t n = t->trained_size / sizeof(float);
	const vita_tensor all = vita_view(t->gradients, 0, VITA_F32, 1, (int64_t)n, 0, 0, 0);
	float *values = malloc(t->trained_size ? (size_t)t->trained_size : 1);
	if (!values) return vita_fail(err, VITA_E_NOMEM, "no memory to exchange %llu gradients", (unsigned long long)n);
	vita_status status = vita_slot_read(t, &all, values, err);
	if (status == VITA_OK) status = t->group->sum_floats(t->group->user, values, n, err);
	if (status == VITA_OK) status = vita_slot_write(t, &all, values, err);
	if (status == VITA_OK) status = t->device->api->wait(t->device->self, err);
	free(values);
	return status;
}

static vita_status sum_losses(const vita_trainer *t, vita_losses *losses, double *cancelled, vita_error *err)
{
	const uint64_t n = (uint64_t)t->n_heads + 3;
	double *values = malloc((size_t)n * sizeof *values);
	if (!values) return vita_fail(err, VITA_E_NOMEM, "no memory to exchange losses");
	values[0] = losses->loss;
	values[1] = losses->main_sum;
	values[2] = *cancelled;
	for (uint32_t k = 0; k < t->n_heads; k++) values[3 + k] = losses->head_sums[k];
	vita_status status = t->group->sum_doubles(t->group->user, values, n, err);
	if (status == VITA_OK) {
		losses->loss = values[0];
		losses->main_sum = values[1];
		*cancelled = values[2];
		for (uint32_t k = 0; k < t->n_heads; k++) losses->head_sums[k] = values[3 + k];
	}
	free(values);
	return status;
}

vita_status vita_group_join_step(vita_trainer *t, vita_losses *losses, double *cancelled, vita_error *err)
{
	if (!t->group) return VITA_OK;
	vita_status status = sum_losses(t, losses, cancelled, err);
	return status == VITA_OK ? sum_gradients(t, err) : status;
}

void vita_group_wait(const vita_trainer *t)
{
	double nothing = 0;
	if (t->group) (void)t->group->sum_doubles(t->group->user, &nothing, 1, NULL);
}

/* A sum of squares is the square of a sum over the number of members only where all members have the same. */
vita_status vita_group_agree(const vita_trainer *t, int64_t step, vita_error *err)
{
	double values[2] = { (double)step, (double)step * (double)step };
	if (!t->group) return VITA_OK;
	vita_status status = t->group->sum_doubles(t->group->user, values, 2, err);
	if (status != VITA_OK || values[1] * t->group->size == values[0] * values[0]) return status;
	return vita_fail(err, VITA_E_STATE, "process %u of %u would go on after step %lld, and others after another: all of them "
	                 "must see the same checkpoints ([train] resume, output)", (unsigned)t->group->rank + 1,
	                 (unsigned)t->group->size, (long long)step);
}
