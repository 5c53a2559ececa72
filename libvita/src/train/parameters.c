/* SPDX-License-Identifier: MIT
 *
 * Memory of a trainer's parameters, and what they start as.
 */
#include <config.h>

#include "train/trainer.h"

#include "train/random.h"

#include <vita/record.h>

#include <stdlib.h>

#define ALIGNMENT 64u /* bytes, of each parameter in its buffer */

/* ---- memory ----------------------------------------------------------------------------------------- */

vita_tensor vita_slot_tensor(const vita_slot *slot, vita_buffer *buffer, uint64_t offset)
{
	const vita_parameter *p = slot->parameter;
	return vita_view(buffer, offset, VITA_F32, p->rank, p->shape[0], p->rank == 2 ? p->shape[1] : 0, 0, 0);
}

static int is_trained(const vita_trainer *t, int is_head)
{
	switch (t->stage) {
	case VITA_STAGE_ALIGNMENT: return !is_head;
	case VITA_STAGE_FINETUNE: return 1;
	default: return is_head;
	}
}

static vita_status add_slots(vita_trainer *t, vita_parameter *list, uint32_t n, uint32_t is_head, vita_error *err)
{
	for (uint32_t i = 0; i < n; i++) {
		vita_parameter *p = &list[i];
		vita_slot *slot = &t->slots[t->n_slots++];
		const int64_t columns = p->rank == 2 ? p->shape[1] : 1;
		if (p->shape[0] < 1 || columns < 1 || p->shape[0] > INT64_MAX / 8 / columns)
			return vita_fail(err, VITA_E_SHAPE, "parameter %s has the impossible shape [%lld, %lld]", p->name,
			                 (long long)p->shape[0], (long long)columns);
		slot->parameter = p;
		slot->is_head = is_head;
		slot->trained = (uint32_t)is_trained(t, (int)is_head);
		slot->n = (uint64_t)(p->shape[0] * columns);
		const uint64_t size = (slot->n * sizeof(float) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
		slot->offset = t->values_size;
		t->values_size += size;
		slot->trained_offset = t->trained_size;
		if (slot->trained) t->trained_size += size;
		if (t->values_size > INT64_MAX / 2)
			return vita_fail(err, VITA_E_NOMEM, "no memory for a model of this size");
	}
	return VITA_OK;
}

static vita_status allocate(const vita_trainer *t, uint64_t size, vita_buffer **out, vita_error *err)
{
	vita_status status = t->device->api->alloc(t->device->self, size, out, err);
	if (status != VITA_OK || size == 0) return status;
	vita_tensor all = vita_view(*out, 0, VITA_F32, 1, (int64_t)(size / sizeof(float)), 0, 0, 0);
	vita_recorder r;
	vita_recorder_begin(&r, t->device, err);
	vita_fill(&r, 0, &all);
	return vita_recorder_end(&r);
}

vita_status vita_parameters_open(vita_trainer *t, vita_error *err)
{
	uint32_t n_llm, n_head = 0;
	vita_parameter *llm = t->llm_api->parameters(t->llm, &n_llm);
	vita_parameter *head = t->head ? t->head_api->parameters(t->head, &n_head) : NULL;
	t->slots = calloc((size_t)n_llm + n_head + 1, sizeof *t->slots);
	if (!t->slots) return vita_fail(err, VITA_E_NOMEM, "no memory for %u parameters", (unsigned)(n_llm + n_head));
	vita_status status = add_slots(t, llm, n_llm, 0, err);
	if (status == VITA_OK) status = add_slots(t, head, n_head, 1, err);
	if (status == VITA_OK) status = allocate(t, t->values_size, &t->values, err);
	if (status == VITA_OK) status = allocate(t, t->trained_size, &t->gradients, err);
	if (status == VITA_OK) status = allocate(t, t->trained_size, &t->means, err);
	if (status == VITA_OK) status = allocate(t, t->trained_size, &t->squares, err);
	for (uint32_t i = 0; i < t->n_slots && status == VITA_OK; i++) {
		vita_slot *slot = &t->slots[i];
		slot->parameter->value = vita_slot_tensor(slot, t->values, slot->offset);
		if (slot->trained) slot->parameter->gradient = vita_slot_tensor(slot, t->gradients, slot->trained_offset);
	}
	return status;
}

void vita_parameters_close(vita_trainer *t)
{
	vita_buffer *const buffers[] = { t->values, t->gradients, t->means, t->squares };
	for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++) t->device->api->free(t->device->self, buffers[i]);
	free(t->slots);
}

vita_status vita_gradients_clear(vita_trainer *t, vita_error *err)
{
	vita_tensor all = vita_view(t->gradients, 0, VITA_F32, 1, (int64_t)(t->trained_size / sizeof(float)), 0, 0, 0);
	vita_recorder r;
	vita_recorder_begin(&r, t->device, err);
	vita_fill(&r, 0, &all);
	return vita_recorder_end(&r);
}

static uint64_t bytes_of(const vita_tensor *t)
{
	return (uint64_t)(t->shape[0] * t->shape[1]) * sizeof(float);
}

vita_status vita_slot_read(const vita_trainer *t, const vita_tensor *from, float *values, vita_error *err)
{
	return t->device->api->read(t->device->self, from, values, bytes_of(from), err);
}

vita_status vita_slot_write(const vita_trainer *t, const vita_tensor *to, const float *values, vita_error *err)
{
	return t->device->api->write(t->device->self, to, values, bytes_of(to), err);
}

/* ---- values ----------------------------------------------------------------------------------------- */

static const vita_slot *find_slot(const vita_trainer *t, const char *name)
{
	for (uint32_t i = 0; i < t->n_slots; i++)
		if (strcmp(t->slots[i].parameter->name, name) == 0) return &t->slots[i];
	return NULL;
}

/* What the checkpoint has under the parameter's name, with E_NOTFOUND where it has nothing. */
static vita_status find_tensor(const vita_trainer *t, const vita_slot *slot, vita_array *array, vita_error *err)
{
	const vita_parameter *p = slot->parameter;
	const int64_t shape[2] = { p->flags & VITA_PARAMETER_F_GROWS ? -1 : p->shape[0], p->shape[1] };
	VITA_INIT(array);
	vita_status status = vita_model_tensor(t->model, p->name, p->rank, shape, array, err);
	if (status == VITA_OK && array->shape[0] > p->shape[0])
		return vita_fail(err, VITA_E_SHAPE, "%s: %s has %lld rows, config.json says that there are %lld",
		                 vita_model_path(t->model), p->name, (long long)array->shape[0], (long long)p->shape[0]);
	return status;
}

/* Rows behind the first n_old become the mean of those. */
static void grow(float *values, int64_t n_old, int64_t n, int64_t columns)
{
	for (int64_t j = 0; j < columns && n_old > 0; j++) {
		double sum = 0;
		for (int64_t i = 0; i < n_old; i++) sum += (double)values[i * columns + j];
		for (int64_t i = n_old; i < n; i++) values[i * columns + j] = (float)(sum / (double)n_old);
	}
}

/* Each parameter has random numbers of its own, so that one more or fewer does not change the others. */
static void make_values(const vita_trainer *t, const vita_slot *slot, float *values)
{
	const vita_parameter *p = slot->parameter;
	vita_random random = vita_random_begin(t->seed, p->name);
	for (uint64_t i = 0; i < slot->n; i++)
		values[i] = p->start == VITA_PARAMETER_NORMAL ? (float)(p->deviation * vita_random_normal(&random))
		            : p->start == VITA_PARAMETER_ONE ? 1.0f : 0.0f;
}

/* What the checkpoint lacks starts like another parameter where the plugin says so; else as new, which for the
 * language model's own parameters is right only where there is no checkpoint at all. */
static vita_status fill(const vita_trainer *t, const vita_slot *slot, float *values, vita_error *err)
{
	const vita_parameter *p = slot->parameter;
	vita_array array;
	vita_error why;
	VITA_INIT(&why);
	vita_status status = find_tensor(t, slot, &array, &why);
	if (status == VITA_OK) {
		status = vita_convert(array.dtype, array.data, VITA_F32, values,
		                      (uint64_t)(array.shape[0] * (p->rank == 2 ? array.shape[1] : 1)), err);
		if (status == VITA_OK && array.shape[0] < p->shape[0]) grow(values, array.shape[0], p->shape[0], p->shape[1]);
		return status;
	}
	if (status != VITA_E_NOTFOUND) return vita_fail(err, status, "%s", why.message);
	const vita_slot *like = *p->like_name ? find_slot(t, p->like_name) : NULL;
	if (like && like->n == slot->n) return vita_slot_read(t, &like->parameter->value, values, err);
	if (!slot->is_head && vita_model_n_tensors(t->model) > 0) return vita_fail(err, status, "%s", why.message);
	make_values(t, slot, values);
	return VITA_OK;
}

vita_status vita_parameters_fill(vita_trainer *t, vita_error *err)
{
	uint64_t most = 0;
	for (uint32_t i = 0; i < t->n_slots; i++)
		if (t->slots[i].n > most) most = t->slots[i].n;
	float *values = malloc((size_t)(most ? most : 1) * sizeof *values);
	if (!values) return vita_fail(err, VITA_E_NOMEM, "no memory for a parameter of %llu values", (unsigned long long)most);
	vita_status status = VITA_OK;
	for (uint32_t i = 0; i < t->n_slots && status == VITA_OK; i++) {
		status = fill(t, &t->slots[i], values, err);
		if (status == VITA_OK) status = vita_slot_write(t, &t->slots[i].parameter->value, values, err);
		if (status == VITA_OK) status = t->device->api->wait(t->device->self, err);
	}
	free(values);
	return status;
}
