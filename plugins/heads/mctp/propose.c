/* SPDX-License-Identifier: MIT
 *
 * Running the modules: a call catches up on all rows that its module has not done, which may be one or
 * a whole prompt, for one or several conversations at once.
 */
#include "mctp.h"

/* ---- working memory -------------------------------------------------------------------------------- */

static vita_status reserve_jobs(vita_head *head, mctp_pass *pass, uint32_t n, vita_error *err)
{
	if (n <= pass->capacity) return VITA_OK;
	host_release(head->host, pass->jobs);
	host_release(head->host, pass->tails);
	host_release(head->host, pass->blocks);
	host_release(head->host, pass->segments);
	pass->capacity = 0;
	pass->jobs = host_zeroed(head->host, n, sizeof *pass->jobs);
	pass->tails = host_zeroed(head->host, n, sizeof *pass->tails);
	pass->blocks = host_zeroed(head->host, n, sizeof *pass->blocks);
	pass->segments = host_zeroed(head->host, n, sizeof *pass->segments);
	if (!pass->jobs || !pass->tails || !pass->blocks || !pass->segments)
		return vita_fail(err, VITA_E_NOMEM, "no memory for a pass of %u conversations", n);
	pass->capacity = n;
	return VITA_OK;
}

vita_status mctp_pass_take(vita_head *head, uint32_t n_jobs, mctp_pass **out, vita_error *err)
{
	mctp_pass *pass = (mctp_pass *)pass_pool_take(&head->pool);
	if (!pass) pass = host_zeroed(head->host, 1, sizeof *pass);
	if (!pass) return vita_fail(err, VITA_E_NOMEM, "no memory for a pass");
	vita_status status = reserve_jobs(head, pass, n_jobs, err);
	if (status != VITA_OK) {
		pass_pool_give(&head->pool, &pass->item);
		return status;
	}
	*out = pass;
	return VITA_OK;
}

void mctp_pass_free(vita_head *head, mctp_pass *pass)
{
	device_memory_free(head->device, &pass->scratch.memory);
	device_memory_free(head->device, &pass->positions.memory);
	device_memory_free(head->device, &pass->embeddings);
	device_memory_free(head->device, &pass->inputs);
	device_memory_free(head->llm_device, &pass->transfer);
	device_memory_free(head->llm_device, &pass->last);
	device_memory_free(head->llm_device, &pass->logits);
	device_memory_free(head->llm_device, &pass->tokens);
	device_memory_free(head->llm_device, &pass->found);
	device_memory_free(head->llm_device, &pass->number);
	device_memory_free(head->llm_device, &pass->columns.memory);
	host_release(head->host, pass->columns.ranges);
	host_release(head->host, pass->jobs);
	host_release(head->host, pass->tails);
	host_release(head->host, pass->blocks);
	host_release(head->host, pass->segments);
	host_release(head->host, pass);
}

vita_status mctp_pass_finish(vita_head *head, mctp_pass *pass, vita_status status, vita_error *err)
{
	vita_status waited = head->device->api->wait(head->device->self, status == VITA_OK ? err : NULL);
	if (status == VITA_OK) status = waited;
	if (!head->one_device) {
		waited = head->llm_device->api->wait(head->llm_device->self, status == VITA_OK ? err : NULL);
		if (status == VITA_OK) status = waited;
	}
	pass_pool_give(&head->pool, &pass->item);
	return status;
}

static vita_status reserve_matrix(const vita_device *device, device_memory *memory, int64_t rows,
                                  int64_t columns, vita_tensor *out, vita_error *err)
{
	vita_status status = device_memory_reserve(device, memory, (uint64_t)(rows * columns) * sizeof(float),
	                                           err);
	*out = vita_view(memory->buffer, 0, VITA_F32, 2, rows, columns, 0, 0);
	return status;
}

/* Caches and the next stage's hidden states for all jobs, before anything is computed. */
static vita_status reserve(vita_head *head, mctp_pass *pass, uint32_t k, uint32_t n, vita_error *err)
{
	vita_status status = VITA_OK;
	int64_t rows = 0;
	for (uint32_t i = 0; i < n && status == VITA_OK; i++) {
		const mctp_job *job = &pass->jobs[i];
		mctp_stage *stage = &job->state->stages[k];
		status = decoder_cache_reserve(&head->decoder, &pass->recorder, &stage->cache, stage->done,
		                               job->end, err);
		if (status == VITA_OK && k + 1 < head->count)
			status = mctp_stage_reserve(job->state, pass, k + 1, job->end, err);
		pass->blocks[i] = (decoder_block){ &stage->cache, stage->done, job->end - stage->done, NULL };
		rows = rows + pass->blocks[i].count < DECODER_MAX_ROWS ? rows + pass->blocks[i].count
		                                                       : DECODER_MAX_ROWS;
	}
	return status == VITA_OK ? decoder_scratch_reserve(&head->decoder, &pass->scratch, rows, err)
	                         : status;
}

/* ---- one piece of a module's rows ------------------------------------------------------------------ */

/* Embeddings by ids that lie on the device. */
static vita_status embed_chained(vita_head *head, mctp_pass *pass, uint32_t k, const decoder_walk *walk,
                                 const vita_tensor *out, vita_error *err)
{
	vita_status status = VITA_OK;
	for (uint32_t s = 0; s < walk->n_segments && status == VITA_OK; s++) {
		const decoder_segment *segment = &walk->segments[s];
		const mctp_tail *tail = pass->jobs[segment->block].tail;
		vita_tensor ids = vita_slice(&tail->ids, 0, segment->length + (int64_t)k + 1 - tail->first,
		                             segment->count);
		vita_tensor rows = vita_slice(out, 0, segment->row, segment->count);
		status = head->greedy->embed(head->llm, &ids, &rows, err);
	}
	return status;
}

/* Embeddings of the tokens that rows of the piece are paired with, on the modules' device. */
static vita_status embed(vita_head *head, mctp_pass *pass, uint32_t k, const decoder_walk *walk, int64_t n,
                         vita_tensor *out, vita_error *err)
{
	int64_t width = head->decoder.config.hidden_size;
	int chained = pass->jobs[0].tail != NULL; /* then all are */
	for (uint32_t s = 0; s < walk->n_segments; s++) {
		const decoder_segment *segment = &walk->segments[s];
		for (int64_t i = 0; i < segment->count; i++) {
			int64_t token = segment->length + i + k + 1;
			if (!chained) pass->ids[segment->row + i] = pass->jobs[segment->block].tokens[token];
			pass->positions.host[segment->row + i] = (int32_t)token;
		}
	}
	vita_status status = reserve_matrix(head->device, &pass->embeddings, n, width, out, err);
	if (status != VITA_OK) return status;
	if (chained) return embed_chained(head, pass, k, walk, out, err);
	if (head->one_device) return head->llm_api->embed(head->llm, pass->ids, (uint32_t)n, out, err);
	vita_tensor there;
	status = reserve_matrix(head->llm_device, &pass->transfer, n, width, &there, err);
	if (status == VITA_OK) status = head->llm_api->embed(head->llm, pass->ids, (uint32_t)n, &there, err);
	if (status != VITA_OK) return status;
	return head->host->tensor_copy(head->host->context, head->llm_device, &there, head->device, out, err);
}

/* scratch.x = layer([ norm(embedding) ‖ norm(hidden) ] · projectionᵀ), as far as it is read */
static vita_status run_layer(vita_head *head, mctp_pass *pass, uint32_t k, const decoder_walk *walk,
                             int64_t n, vita_error *err)
{
	const decoder_config *c = &head->decoder.config;
	const mctp_module *m = &head->modules[k];
	vita_recorder *r = &pass->recorder;
	vita_tensor embeddings, inputs, positions;
	vita_status status = embed(head, pass, k, walk, n, &embeddings, err);
	if (status == VITA_OK)
		status = reserve_matrix(head->device, &pass->inputs, n, 2 * c->hidden_size, &inputs, err);
	if (status == VITA_OK)
		status = decoder_indices_upload(head->device, &pass->positions, n, &positions, err);
	if (status != VITA_OK) return status;
	vita_tensor left = vita_slice(&inputs, 1, 0, c->hidden_size);
	vita_tensor right = vita_slice(&inputs, 1, c->hidden_size, c->hidden_size);
	vita_tensor x = vita_slice(&pass->scratch.x, 0, 0, n);
	vita_recorder_begin(r, head->device, err);
	vita_rms_norm(r, &embeddings, &m->embed_norm, c->norm_epsilon, &left);
	for (uint32_t s = 0; s < walk->n_segments; s++) {
		const decoder_segment *segment = &walk->segments[s];
		vita_tensor h = mctp_stage_rows(pass->jobs[segment->block].state, k, segment->length,
		                                segment->count);
		vita_tensor part = vita_slice(&right, 0, segment->row, segment->count);
		vita_rms_norm(r, &h, &m->hidden_norm, c->norm_epsilon, &part);
	}
	vita_matmul(r, &inputs, &m->projection, NULL, NULL, VITA_UNARY_NONE, &x);
	/* no module reads what the last one makes: of a conversation's rows only the last is ever asked for */
	if (k + 1 == head->count && walk->n_segments == 1)
		decoder_layer_record_from(&head->decoder, r, &m->layer, 0, &pass->scratch, &positions, n - 1, walk->segments);
	else
		decoder_layer_record(&head->decoder, r, &m->layer, 0, &pass->scratch, &positions, n, walk->segments,
		                     walk->n_segments);
	return vita_recorder_end(r);
}

/* The LLM's final norm of scratch.x, into *here on the modules' device and *there on the LLM's. */
static vita_status norm(vita_head *head, mctp_pass *pass, uint32_t k, int64_t n, vita_tensor *here,
                        vita_tensor *there, vita_error *err)
{
	const vita_host *host = head->host;
	vita_tensor x = vita_slice(&pass->scratch.x, 0, 0, n);
	*here = vita_slice(&pass->scratch.a, 0, 0, n);
	if (head->one_device) {
		*there = *here;
		return head->llm_api->final_norm(head->llm, &x, here, err);
	}
	vita_status status = reserve_matrix(head->llm_device, &pass->transfer, n,
	                                    head->decoder.config.hidden_size, there, err);
	if (status == VITA_OK)
		status = host->tensor_copy(host->context, head->device, &x, head->llm_device, there, err);
	if (status == VITA_OK) status = head->llm_api->final_norm(head->llm, there, there, err);
	if (status != VITA_OK || k + 1 == head->count) return status;
	return host->tensor_copy(host->context, head->llm_device, there, head->device, here, err);
}

static vita_status run_piece(vita_head *head, mctp_pass *pass, uint32_t k, const decoder_walk *walk,
                             int64_t n, const vita_tensor *last, vita_error *err)
{
	vita_recorder *r = &pass->recorder;
	vita_tensor here, there;
	vita_status status = run_layer(head, pass, k, walk, n, err);
	if (status == VITA_OK) status = norm(head, pass, k, n, &here, &there, err);
	if (status != VITA_OK) return status;
	vita_recorder_begin(r, head->device, err);
	for (uint32_t s = 0; s < walk->n_segments && k + 1 < head->count; s++) {
		const decoder_segment *segment = &walk->segments[s];
		vita_tensor from = vita_slice(&here, 0, segment->row, segment->count);
		vita_tensor to = mctp_stage_rows(pass->jobs[segment->block].state, k + 1, segment->length,
		                                 segment->count);
		vita_copy(r, &from, &to);
	}
	status = vita_recorder_end(r);
	if (status != VITA_OK) return status;
	vita_recorder_begin(r, head->llm_device, err);
	for (uint32_t s = 0; s < walk->n_segments; s++) {
		const decoder_segment *segment = &walk->segments[s];
		if (!segment->last || !pass->jobs[segment->block].call) continue;
		vita_tensor from = vita_slice(&there, 0, segment->row + segment->count - 1, 1);
		vita_tensor to = vita_slice(last, 0, segment->block, 1);
		vita_copy(r, &from, &to);
	}
	return vita_recorder_end(r);
}

/* ---- logits ---------------------------------------------------------------------------------------- */

int64_t mctp_wanted_rows(const vita_head_call *call)
{
	int64_t n = 0;
	for (uint32_t i = 0; i < call->n_ranges; i++)
		n += call->ranges[i].count;
	return n;
}

static int same_ranges(const vita_head_call *a, const vita_head_call *b)
{
	if (a->n_ranges != b->n_ranges) return 0;
	for (uint32_t i = 0; i < a->n_ranges; i++)
		if (a->ranges[i].first != b->ranges[i].first || a->ranges[i].count != b->ranges[i].count)
			return 0;
	return 1;
}

/* How many jobs from this one on want the same rows of the output matrix. */
static uint32_t count_alike(const mctp_job *jobs, uint32_t n)
{
	uint32_t alike = 1;
	while (alike < n && jobs[0].call && jobs[alike].call && same_ranges(jobs[0].call, jobs[alike].call))
		alike++;
	return alike;
}

/* Logits of jobs first … first+n-1, who want the same rows of the output matrix, or the choice from them. */
static vita_status give_logits(vita_head *head, mctp_pass *pass, uint32_t k, const vita_tensor *last, uint32_t first,
                               uint32_t n, vita_error *err)
{
	const vita_head_call *call = pass->jobs[first].call;
	int64_t width = mctp_wanted_rows(call);
	vita_tensor logits;
	if (width == 0) return VITA_OK;
	vita_status status = reserve_matrix(head->llm_device, &pass->logits, n, width, &logits, err);
	vita_tensor hidden = vita_slice(last, 0, first, n);
	if (status == VITA_OK)
		status = head->llm_api->unembed(head->llm, &hidden, call->ranges, call->n_ranges, &logits,
		                                err);
	if (status == VITA_OK && pass->jobs[first].tail) return mctp_choose(head, pass, k, first, n, &logits, err);
	for (uint32_t i = 0; i < n && status == VITA_OK; i++) {
		vita_tensor row = vita_slice(&logits, 0, i, 1);
		status = head->llm_device->api->read(head->llm_device->self, &row,
		                                     pass->jobs[first + i].call->logits,
		                                     (uint64_t)width * sizeof(float), err);
	}
	return status;
}

vita_status mctp_run(vita_head *head, mctp_pass *pass, uint32_t k, uint32_t n, const vita_cancel *cancel,
                     vita_error *err)
{
	vita_tensor last;
	vita_status status = reserve(head, pass, k, n, err);
	if (status == VITA_OK)
		status = reserve_matrix(head->llm_device, &pass->last, n, head->decoder.config.hidden_size,
		                        &last, err);
	decoder_walk walk = { pass->blocks, pass->segments, n, 0, 0, 0 };
	for (int64_t rows; status == VITA_OK && (rows = decoder_walk_next(&walk)) > 0;) {
		if (head->host->cancelled(head->host->context, cancel))
			return vita_fail(err, VITA_E_CANCELLED, "the proposal was cancelled at head %u", k);
		status = run_piece(head, pass, k, &walk, rows, &last, err);
	}
	for (uint32_t first = 0, alike; status == VITA_OK && first < n; first += alike) {
		alike = count_alike(&pass->jobs[first], n - first);
		if (pass->jobs[first].call) status = give_logits(head, pass, k, &last, first, alike, err);
	}
	return status;
}

/* ---- proposals ------------------------------------------------------------------------------------- */

vita_status mctp_check_call(const vita_head *head, const vita_head_call *call, int wants_logits, vita_error *err)
{
	const vita_head_state *state = call->state;
	if (!state || state->head != head || !call->tokens ||
	    (call->n_ranges > 0 && (!call->ranges || (wants_logits && !call->logits))))
		return vita_fail(err, VITA_E_INVALID,
		                 "a proposal needs a state of these heads, tokens, and memory for logits");
	if (call->index >= head->count)
		return vita_fail(err, VITA_E_STATE, "head %u was asked, but there are %u", call->index,
		                 head->count);
	if ((int64_t)call->n_tokens != state->observed + 1 + (int64_t)call->index)
		return vita_fail(
			err, VITA_E_STATE,
			"head %u was asked about %u tokens, but after a main pass over %lld it takes %lld",
			call->index, call->n_tokens, (long long)state->observed,
			(long long)state->observed + 1 + (long long)call->index);
	if (mctp_stage_end(state, call->index) != state->observed)
		return vita_fail(err, VITA_E_STATE, "head %u was asked before head %u", call->index,
		                 call->index - 1);
	if (state->stages[call->index].done >= state->observed)
		return vita_fail(err, VITA_E_STATE,
		                 "head %u was asked, but no main pass came since the last time", call->index);
	for (uint32_t i = 0; i < call->n_ranges; i++) {
		const vita_range *range = &call->ranges[i];
		if (range->first < 0 || range->count < 0 ||
		    (int64_t)range->first + range->count > head->vocab_size)
			return vita_fail(err, VITA_E_INVALID,
			                 "%d rows from %d on reach outside the vocabulary of %lld",
			                 range->count, range->first, (long long)head->vocab_size);
	}
	return VITA_OK;
}

static vita_status check_calls(const vita_head *head, vita_head_call *const *calls, uint32_t n,
                               vita_error *err)
{
	for (uint32_t i = 0; i < n; i++) {
		vita_status status = mctp_check_call(head, calls[i], 1, err);
		if (status != VITA_OK) return status;
		for (uint32_t j = 0; j < i; j++)
			if (calls[j]->state == calls[i]->state)
				return vita_fail(err, VITA_E_INVALID, "calls %u and %u are of the same state",
				                 j, i);
	}
	return VITA_OK;
}

vita_status mctp_propose(vita_head *head, vita_head_call *const *calls, uint32_t n, const vita_cancel *cancel,
                         vita_error *err)
{
	mctp_pass *pass = NULL;
	vita_status status = check_calls(head, calls, n, err);
	if (status == VITA_OK) status = mctp_pass_take(head, n, &pass, err);
	if (status != VITA_OK) return status;
	for (uint32_t k = 0; k < head->count && status == VITA_OK; k++) {
		uint32_t n_jobs = 0;
		for (uint32_t i = 0; i < n; i++)
			if (calls[i]->index == k)
				pass->jobs[n_jobs++] = (mctp_job){ calls[i]->state, calls[i]->tokens,
					                           calls[i]->state->observed, calls[i], NULL };
		if (n_jobs > 0) status = mctp_run(head, pass, k, n_jobs, cancel, err);
	}
	status = mctp_pass_finish(head, pass, status, err);
	for (uint32_t i = 0; i < n && status == VITA_OK; i++)
		calls[i]->state->stages[calls[i]->index].done = calls[i]->state->observed;
	return status;
}

vita_status mctp_prefill(vita_head_state *state, const int32_t *tokens, uint32_t n_tokens,
                         const vita_cancel *cancel, vita_error *err)
{
	vita_head *head = state->head;
	mctp_pass *pass = NULL;
	for (uint32_t k = 0; k < head->count; k++) {
		int64_t end = (int64_t)n_tokens - (int64_t)k - 1, there = mctp_stage_end(state, k);
		if (end > there) end = there;
		if (end <= state->stages[k].done) continue;
		vita_status status = mctp_pass_take(head, 1, &pass, err);
		if (status != VITA_OK) return status;
		pass->jobs[0] = (mctp_job){ state, tokens, end, NULL, NULL };
		status = mctp_run(head, pass, k, 1, cancel, err);
		status = mctp_pass_finish(head, pass, status, err);
		if (status != VITA_OK) return status;
		state->stages[k].done = end;
	}
	return VITA_OK;
}
