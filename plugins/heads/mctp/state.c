/* SPDX-License-Identifier: MIT
 *
 * What a conversation keeps for its heads: hidden states waiting to be read, KV caches, and how both
 * are cut back.
 */
#include "mctp.h"

#define ROWS_STEP 64 /* a store of hidden states has room for a multiple of this */

vita_status mctp_state_open(vita_head *head, vita_head_state **out, vita_error *err)
{
	*out = NULL;
	vita_head_state *state = host_zeroed(head->host, 1, sizeof *state);
	mctp_stage *stages = host_zeroed(head->host, head->count, sizeof *stages);
	if (!state || !stages) {
		host_release(head->host, state);
		host_release(head->host, stages);
		return vita_fail(err, VITA_E_NOMEM, "no memory for the heads' state");
	}
	state->head = head;
	state->stages = stages;
	*out = state;
	return VITA_OK;
}

static void free_rows(const vita_device *device, mctp_rows *rows)
{
	if (rows->buffer) device->api->free(device->self, rows->buffer);
	rows->buffer = NULL;
}

void mctp_state_close(vita_head_state *state)
{
	if (!state) return;
	vita_head *head = state->head;
	for (uint32_t k = 0; k < head->count; k++) {
		decoder_cache_free(&head->decoder, &state->stages[k].cache);
		free_rows(head->device, &state->stages[k].hidden);
	}
	host_release(head->host, state->stages);
	host_release(head->host, state);
}

int64_t mctp_stage_end(const vita_head_state *state, uint32_t k)
{
	return k == 0 ? state->observed : state->stages[k - 1].done;
}

static vita_tensor rows_view(const vita_head *head, const mctp_rows *rows, int64_t first, int64_t count)
{
	int64_t width = head->decoder.config.hidden_size;
	return vita_view(rows->buffer, (uint64_t)((first - rows->first) * width) * sizeof(float), VITA_F32, 2,
	                 count, width, 0, 0);
}

vita_tensor mctp_stage_rows(const vita_head_state *state, uint32_t k, int64_t first, int64_t count)
{
	return rows_view(state->head, &state->stages[k].hidden, first, count);
}

vita_status mctp_stage_reserve(vita_head_state *state, mctp_pass *pass, uint32_t k, int64_t needed,
                               vita_error *err)
{
	vita_head *head = state->head;
	mctp_rows *rows = &state->stages[k].hidden, moved = *rows;
	if (needed - rows->first <= rows->capacity) return VITA_OK;
	if (k > 0) moved.first = state->stages[k].done;
	int64_t kept = mctp_stage_end(state, k) - moved.first, wanted = needed - moved.first;
	int grow = wanted > rows->capacity / 2 || moved.first - rows->first < kept;
	if (grow) {
		moved.capacity = (wanted + wanted / 2 + ROWS_STEP - 1) / ROWS_STEP * ROWS_STEP;
		uint64_t row = (uint64_t)head->decoder.config.hidden_size * sizeof(float);
		vita_status status = head->device->api->alloc(head->device->self,
		                                              (uint64_t)moved.capacity * row, &moved.buffer,
		                                              err);
		if (status != VITA_OK) return status;
	}
	vita_recorder_begin(&pass->recorder, head->device, err);
	if (kept > 0) {
		vita_tensor from = rows_view(head, rows, moved.first, kept),
			    to = rows_view(head, &moved, moved.first, kept);
		vita_copy(&pass->recorder, &from, &to);
	}
	vita_status status = vita_recorder_end(&pass->recorder);
	if (status != VITA_OK) {
		if (grow) free_rows(head->device, &moved);
		return status;
	}
	if (grow) free_rows(head->device, rows);
	*rows = moved;
	return VITA_OK;
}

/* Rows between tensors of the LLM's device and the modules'. */
static vita_status copy_observed(vita_head *head, mctp_pass *pass, const vita_tensor *from,
                                 const vita_tensor *to, vita_error *err)
{
	if (!head->one_device)
		return head->host->tensor_copy(head->host->context, head->llm_device, from, head->device, to,
		                               err);
	vita_recorder_begin(&pass->recorder, head->device, err);
	vita_copy(&pass->recorder, from, to);
	return vita_recorder_end(&pass->recorder);
}

vita_status mctp_observe(vita_head_state *state, uint32_t first, uint32_t n, const vita_tensor *hidden,
                         vita_error *err)
{
	vita_head *head = state->head;
	mctp_pass *pass = NULL;
	if (first != state->observed)
		return vita_fail(err, VITA_E_STATE,
		                 "the heads have seen %lld tokens, but are shown those from number %u on",
		                 (long long)state->observed, first);
	if (hidden->rank != 2 || hidden->dtype != VITA_F32 || hidden->shape[0] != (int64_t)n ||
	    hidden->shape[1] != head->decoder.config.hidden_size)
		return vita_fail(err, VITA_E_INVALID, "hidden states for the heads must be f32 [%u, %lld]", n,
		                 (long long)head->decoder.config.hidden_size);
	if (state->observed + (int64_t)n > head->decoder.context)
		return vita_fail(err, VITA_E_NOMEM, "the context of %lld tokens is full",
		                 (long long)head->decoder.context);
	if (head->count > 0 && n > 0) {
		vita_status status = mctp_pass_take(head, 0, &pass, err);
		if (status != VITA_OK) return status;
		status = mctp_stage_reserve(state, pass, 0, state->observed + (int64_t)n, err);
		if (status == VITA_OK) {
			vita_tensor rows = mctp_stage_rows(state, 0, state->observed, (int64_t)n);
			status = copy_observed(head, pass, hidden, &rows, err);
		}
		status = mctp_pass_finish(head, pass, status, err);
		if (status != VITA_OK) return status;
	}
	state->observed += (int64_t)n;
	return VITA_OK;
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

vita_status mctp_truncate(vita_head_state *state, uint32_t length, vita_error *err)
{
	(void)err;
	state->observed = least(state->observed, (int64_t)length);
	for (uint32_t k = 0; k < state->head->count; k++) {
		mctp_stage *stage = &state->stages[k];
		int64_t standing = (int64_t)length - (int64_t)k - 1; /* row i needs tokens up to i + k + 1 */
		stage->done = least(stage->done, standing > 0 ? standing : 0);
	}
	/* Where a module would go on from a row of hidden states that is no longer kept, the module before it
	 * goes back as far and makes that row again; its cache gets the same values. Stage 0 keeps all. */
	for (uint32_t k = state->head->count; k-- > 1;) {
		mctp_stage *stage = &state->stages[k];
		if (stage->hidden.first <= stage->done) continue;
		state->stages[k - 1].done = stage->done;
		stage->hidden.first = stage->done;
	}
	return VITA_OK;
}
