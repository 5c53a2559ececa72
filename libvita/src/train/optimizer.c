/* SPDX-License-Identifier: MIT
 *
 * AdamW over the trained parameters, clipping, and the learning rate's way.
 */
#include <config.h>

#include "train/trainer.h"

#include <vita/record.h>

#include <math.h>

double vita_learning_ratio(int64_t step, int64_t warmup, int64_t steps)
{
	const double pi = 3.14159265358979323846;
	if (step < warmup) return log((double)step + 1) / log((double)(warmup > 2 ? warmup : 2));
	const double left = steps > warmup ? (double)(steps - warmup) : 1;
	return 0.1 + 0.9 * (1 + cos(pi * (double)(step - warmup + 1) / left)) / 2;
}

vita_status vita_gradient_norm(const vita_trainer *t, double *norm, vita_error *err)
{
	double sum;
	vita_tensor all = vita_view(t->gradients, 0, VITA_F32, 1, (int64_t)(t->trained_size / sizeof(float)), 0, 0, 0);
	vita_status status = t->ops->sum_squares(t->device->self, &all, &sum, err);
	*norm = status == VITA_OK ? sqrt(sum) : 0;
	return status;
}

vita_status vita_optimizer_step(const vita_trainer *t, const vita_optimizer *o, int64_t step, double ratio, double norm,
                                vita_error *err)
{
	vita_train_adamw a;
	VITA_INIT(&a);
	a.step = step;
	a.beta1 = o->beta1;
	a.beta2 = o->beta2;
	a.epsilon = o->epsilon;
	a.scale = o->clip > 0 && norm > o->clip ? o->clip / norm : 1;
	for (uint32_t i = 0; i < t->n_slots; i++) {
		const vita_slot *slot = &t->slots[i];
		if (!slot->trained) continue;
		const uint32_t decays = o->decay_all || !(slot->parameter->flags & VITA_PARAMETER_F_NO_DECAY);
		const vita_tensor mean = vita_slot_tensor(slot, t->means, slot->trained_offset);
		const vita_tensor square = vita_slot_tensor(slot, t->squares, slot->trained_offset);
		a.rate = o->rate * ratio * (slot->is_head ? o->head_multiplier : 1);
		a.decay = decays ? o->decay : 0;
		vita_status status = t->ops->adamw(t->device->self, &a, &slot->parameter->value, &slot->parameter->gradient,
		                                   &mean, &square, err);
		if (status != VITA_OK) return status;
	}
	return VITA_OK;
}
