/* SPDX-License-Identifier: MIT
 *
 * One random case on one backend: its tensors are given memory there, weights in the way that the host gives
 * them, the op is submitted, and all memory is read back.
 */
#include "run_case.h"

#include <stdlib.h>

#include "naive.h"

typedef struct placed_case {
	const test_device *device;
	const op_case *c;
	vita_buffer *buffer[CASE_STORES];
	vita_buffer *weight_buffer; /* made by load */
	unsigned char *weight_rows; /* what it was made of; stays until that is freed */
	placed_op placed;
} placed_case;

static vita_status place_stores(placed_case *p, vita_error *err)
{
	const vita_backend_api *api = p->device->api;
	vita_status status = VITA_OK;

	for (uint32_t i = 0; i < p->c->n_stores && status == VITA_OK; i++) {
		uint64_t size = p->c->store_size[i];
		vita_tensor all;
		status = api->alloc(p->device->self, size, &p->buffer[i], err);
		if (status != VITA_OK) return status;
		all = vita_view(p->buffer[i], 0, VITA_U8, 1, (int64_t)size, 1, 1, 1);
		status = api->write(p->device->self, &all, p->c->store[i], size, err);
	}
	return status;
}

static void place_op(placed_case *p)
{
	const op_case *c = p->c;
	placed_op *placed = &p->placed;

	placed->op = c->op;
	placed->params = c->params;
	if (c->op.params) placed->op.params = &placed->params;
	for (uint32_t i = 0; i < c->op.n_inputs; i++) {
		if (!c->op.input[i]) continue;
		placed->input[i] = c->input[i];
		placed->input[i].buffer = p->buffer[c->input_store[i]];
		placed->op.input[i] = &placed->input[i];
	}
	for (uint32_t i = 0; i < c->op.n_outputs; i++) {
		placed->output[i] = c->output[i];
		placed->output[i].buffer = p->buffer[c->output_store[i]];
		placed->op.output[i] = &placed->output[i];
	}
}

/* Dense rows of input i with `before` rows of zeros ahead of them and one after. */
static unsigned char *larger_matrix(const op_case *c, uint32_t i, int64_t before, vita_array *source)
{
	const vita_tensor *w = &c->input[i];
	int64_t row = vita_row_bytes(w->dtype, w->shape[1]);
	unsigned char *rows;

	VITA_INIT(source);
	source->dtype = w->dtype;
	source->rank = 2;
	source->shape[0] = before + w->shape[0] + 1;
	source->shape[1] = w->shape[1];
	source->shape[2] = source->shape[3] = 1;
	source->size_bytes = (uint64_t)(source->shape[0] * row);
	source->data = rows = calloc((size_t)source->shape[0], (size_t)row);
	for (int64_t r = 0; rows && r < w->shape[0]; r++)
		memcpy(rows + (before + r) * row,
		       c->store[c->input_store[i]] + naive_place(w, (int64_t[]){ r, 0, 0, 0 }), (size_t)row);
	return rows;
}

/* Weights come to a device through load, where it has that, as rows of a larger matrix. A third of them stay
 * plain tensors, for those must work as well, or be declined. */
static vita_status load_weight(placed_case *p, vita_error *err)
{
	uint32_t i = p->c->op.code == VITA_OP_MATMUL ? 1 : 0;
	const vita_backend_api *api = p->device->api;
	const vita_tensor *w = &p->c->input[i];
	int64_t before = (int64_t)(p->c->seed % 5 * (p->c->seed % 7));
	vita_array source;
	vita_tensor loaded;
	vita_status status;

	if (p->c->op.code != VITA_OP_MATMUL && p->c->op.code != VITA_OP_GATHER) return VITA_OK;
	if (!VITA_HAS(api, vita_backend_api, load) || p->c->seed % 3 == 0) return VITA_OK;
	if (w->rank != 2 || w->shape[0] == 0 || w->shape[1] == 0) return VITA_OK;
	p->weight_rows = larger_matrix(p->c, i, before, &source);
	if (!p->weight_rows) return vita_fail(err, VITA_E_NOMEM, "no memory for a weight");
	status = api->load(p->device->self, &source, w->dtype, &loaded, err);
	if (status == VITA_E_UNSUPPORTED) return VITA_OK;
	if (status != VITA_OK) return status;
	p->weight_buffer = loaded.buffer;
	p->placed.input[i] = vita_slice(&loaded, 0, before, w->shape[0]);
	return VITA_OK;
}

static vita_status read_stores(const placed_case *p, unsigned char **after, vita_error *err)
{
	vita_status status = VITA_OK;

	for (uint32_t i = 0; i < p->c->n_stores && status == VITA_OK; i++) {
		uint64_t size = p->c->store_size[i];
		vita_tensor all = vita_view(p->buffer[i], 0, VITA_U8, 1, (int64_t)size, 1, 1, 1);
		after[i] = malloc((size_t)size + 1);
		if (!after[i]) return vita_fail(err, VITA_E_NOMEM, "no memory for an answer");
		status = p->device->api->read(p->device->self, &all, after[i], size, err);
	}
	return status;
}

static void free_case(placed_case *p)
{
	for (uint32_t i = 0; i < CASE_STORES; i++)
		if (p->buffer[i]) p->device->api->free(p->device->self, p->buffer[i]);
	if (p->weight_buffer) p->device->api->free(p->device->self, p->weight_buffer);
	free(p->weight_rows);
}

static vita_status place(placed_case *p, const test_device *device, const op_case *c, vita_error *err)
{
	vita_status status;

	memset(p, 0, sizeof *p);
	p->device = device;
	p->c = c;
	status = place_stores(p, err);
	if (status != VITA_OK) return status;
	place_op(p);
	return load_weight(p, err);
}

vita_status run_case(const test_device *device, const op_case *c, unsigned char **after, vita_error *err)
{
	placed_case p;
	const vita_op *op = &p.placed.op;
	vita_status status = place(&p, device, c, err);

	if (status == VITA_OK && !device->api->supports(device->self, op)) status = VITA_END;
	if (status == VITA_OK) status = device->api->submit(device->self, &op, 1, err);
	if (status == VITA_OK) status = device->api->wait(device->self, err);
	if (status == VITA_OK) status = read_stores(&p, after, err);
	free_case(&p);
	return status;
}

vita_status run_hostile_case(const test_device *device, op_case *c, case_tamper *tamper, vita_error *err)
{
	placed_case p;
	const vita_op *op = &p.placed.op;
	vita_status status = place(&p, device, c, err);

	if (status == VITA_OK) {
		tamper(&p.placed, c);
		(void)device->api->supports(device->self, op);
		status = device->api->submit(device->self, &op, 1, err);
		if (status == VITA_OK) status = device->api->wait(device->self, err);
	}
	free_case(&p);
	return status;
}
