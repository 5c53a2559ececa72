/* SPDX-License-Identifier: MIT
 *
 * The ability vita.chain/1: heads in a row without the host in between. The conversation's last tokens lie on the device;
 * each head's choice is written behind them, where the next head looks up its embedding, and all are read at the end.
 */
#include "mctp.h"

#include "../../common/likeliest.h"

/* ---- from columns of logits to ids ----------------------------------------------------------------- */

/* Are column numbers the ids already? */
static int columns_are_ids(const vita_head_call *call)
{
	return call->n_ranges == 1 && call->ranges[0].first == 0;
}

static int same_columns(const mctp_columns *columns, const vita_head_call *call)
{
	return columns->n_ranges == call->n_ranges && call->n_ranges > 0 &&
	       memcmp(columns->ranges, call->ranges, call->n_ranges * sizeof *call->ranges) == 0;
}

/* Write the ids of the columns, as f32, which GATHER can look up and which holds them exactly. */
static vita_status fill_columns(vita_head *head, mctp_columns *columns, const vita_head_call *call, int64_t width,
                                vita_error *err)
{
	const vita_host *host = head->host;
	float *ids = host_zeroed(host, (uint64_t)width, sizeof *ids);
	vita_range *ranges = host_zeroed(host, call->n_ranges, sizeof *ranges);
	vita_status status = ids && ranges ? VITA_OK
	                                   : vita_fail(err, VITA_E_NOMEM, "no memory for the ids of %lld columns",
	                                               (long long)width);
	int64_t n = 0;
	for (uint32_t i = 0; i < call->n_ranges && status == VITA_OK; i++) {
		ranges[i] = call->ranges[i];
		for (int32_t j = 0; j < ranges[i].count; j++) ids[n++] = (float)(ranges[i].first + j);
	}
	columns->n_ranges = 0;
	if (status == VITA_OK)
		status = device_memory_reserve(head->llm_device, &columns->memory, (uint64_t)width * sizeof *ids, err);
	if (status == VITA_OK) {
		vita_tensor all = vita_view(columns->memory.buffer, 0, VITA_F32, 2, width, 1, 0, 0);
		status = head->llm_device->api->write(head->llm_device->self, &all, ids, (uint64_t)width * sizeof *ids,
		                                      err);
	}
	host_release(host, ids);
	host_release(host, columns->ranges);
	columns->ranges = ranges;
	if (status == VITA_OK) columns->n_ranges = call->n_ranges;
	return status;
}

/* ---- choosing -------------------------------------------------------------------------------------- */

/* The likeliest of one job's row of logits, to its place among the tokens. */
static void record_choice(vita_recorder *r, const mctp_pass *pass, const mctp_job *job, uint32_t k,
                          const vita_tensor *scores)
{
	const vita_head_call *call = job->call;
	const mctp_tail *tail = job->tail;
	vita_tensor found = vita_slice(&tail->found, 0, (int64_t)(k - call->index), 1);
	vita_tensor values = likeliest_scores(&found), column = likeliest_ids(&found);
	vita_tensor slot = vita_slice(&tail->ids, 0, job->end + (int64_t)k + 1 - tail->first, 1);
	vita_tensor id = vita_split(&slot, 1, 1);
	if (columns_are_ids(call)) {
		vita_top_k(r, scores, &values, &id);
		return;
	}
	vita_tensor table = vita_view(pass->columns.memory.buffer, 0, VITA_F32, 2, scores->shape[1], 1, 0, 0);
	vita_tensor number = vita_view(pass->number.buffer, 0, VITA_F32, 2, 1, 1, 0, 0);
	vita_tensor place = column;
	place.rank = 1;
	vita_top_k(r, scores, &values, &column);
	vita_gather(r, &table, &place, &number);
	vita_copy(r, &number, &id);
}

vita_status mctp_choose(vita_head *head, mctp_pass *pass, uint32_t k, uint32_t first, uint32_t n,
                        const vita_tensor *logits, vita_error *err)
{
	const vita_head_call *call = pass->jobs[first].call;
	vita_recorder *r = &pass->recorder;
	vita_status status = VITA_OK;
	if (!columns_are_ids(call) && !same_columns(&pass->columns, call))
		status = fill_columns(head, &pass->columns, call, logits->shape[1], err);
	if (status == VITA_OK)
		status = device_memory_reserve(head->llm_device, &pass->number, sizeof(float), err);
	if (status != VITA_OK) return status;
	vita_recorder_begin(r, head->llm_device, err);
	for (uint32_t i = 0; i < n; i++) {
		vita_tensor scores = vita_slice(logits, 0, i, 1);
		record_choice(r, pass, &pass->jobs[first + i], k, &scores);
	}
	return vita_recorder_end(r);
}

/* ---- the tokens on the device ---------------------------------------------------------------------- */

/* The first token that a head of the chain looks up: head k's first row is paired with the (k + 1)-th after it. */
static int64_t first_token(const vita_chain *chain)
{
	int64_t first = INT64_MAX;
	for (uint32_t k = chain->call->index; k < chain->call->index + chain->count; k++) {
		int64_t token = chain->call->state->stages[k].done + (int64_t)k + 1;
		if (token < first) first = token;
	}
	return first;
}

static vita_status lay_out(vita_head *head, mctp_pass *pass, vita_chain *const *chains, uint32_t n, vita_error *err)
{
	int64_t n_ids = 0, n_found = 0;
	for (uint32_t i = 0; i < n; i++) {
		pass->tails[i].first = first_token(chains[i]);
		n_ids += (int64_t)chains[i]->call->n_tokens + (int64_t)chains[i]->count - pass->tails[i].first;
		n_found += (int64_t)chains[i]->count;
	}
	vita_status status = device_memory_reserve(head->llm_device, &pass->tokens, (uint64_t)n_ids * sizeof(int32_t), err);
	if (status == VITA_OK) status = likeliest_reserve(head->llm_device, &pass->found, n_found, err);
	n_ids = n_found = 0;
	for (uint32_t i = 0; i < n && status == VITA_OK; i++) {
		const vita_head_call *call = chains[i]->call;
		mctp_tail *tail = &pass->tails[i];
		int64_t known = (int64_t)call->n_tokens - tail->first, all = known + (int64_t)chains[i]->count;
		tail->ids = vita_view(pass->tokens.buffer, (uint64_t)n_ids * sizeof(int32_t), VITA_I32, 1, all, 0, 0, 0);
		tail->found = likeliest_view(&pass->found, n_found, (int64_t)chains[i]->count);
		vita_tensor to = vita_slice(&tail->ids, 0, 0, known);
		status = head->llm_device->api->write(head->llm_device->self, &to, call->tokens + tail->first,
		                                      (uint64_t)known * sizeof(int32_t), err);
		n_ids += all;
		n_found += (int64_t)chains[i]->count;
	}
	return status;
}

/* Ids that were chosen beside their scores, and both to the host. */
static vita_status read_ids(vita_head *head, mctp_pass *pass, vita_chain *const *chains, uint32_t n, vita_error *err)
{
	vita_status status = VITA_OK;
	vita_recorder_begin(&pass->recorder, head->llm_device, err);
	for (uint32_t i = 0; i < n; i++) {
		vita_tensor ids = likeliest_ids(&pass->tails[i].found);
		vita_tensor chosen = vita_slice(&pass->tails[i].ids, 0,
		                                (int64_t)chains[i]->call->n_tokens - pass->tails[i].first,
		                                (int64_t)chains[i]->count);
		chosen = vita_split(&chosen, chosen.shape[0], 1);
		vita_copy(&pass->recorder, &chosen, &ids);
	}
	status = vita_recorder_end(&pass->recorder);
	for (uint32_t i = 0; i < n && status == VITA_OK; i++) {
		likeliest *found = host_zeroed(head->host, chains[i]->count, sizeof *found);
		if (!found) return vita_fail(err, VITA_E_NOMEM, "no memory for a chain of %u heads", chains[i]->count);
		status = likeliest_read(head->llm_device, &pass->tails[i].found, found, err);
		for (uint32_t j = 0; j < chains[i]->count && status == VITA_OK; j++)
			chains[i]->ids[j] = likeliest_id(&found[j]);
		host_release(head->host, found);
	}
	return status;
}

/* ---- the call -------------------------------------------------------------------------------------- */

static vita_status check_chains(const vita_head *head, vita_chain *const *chains, uint32_t n, vita_error *err)
{
	for (uint32_t i = 0; i < n; i++) {
		const vita_chain *chain = chains[i];
		if (!chain->call || !chain->ids || chain->count < 1 || chain->call->n_ranges < 1)
			return vita_fail(err, VITA_E_INVALID,
			                 "a chain needs a call with ranges, at least one head, and memory for ids");
		vita_status status = mctp_check_call(head, chain->call, 0, err);
		if (status != VITA_OK) return status;
		if (chain->count > head->count - chain->call->index)
			return vita_fail(err, VITA_E_STATE, "a chain of %u heads from head %u on was asked for, but there are %u",
			                 chain->count, chain->call->index, head->count);
		if (mctp_wanted_rows(chain->call) < 1)
			return vita_fail(err, VITA_E_INVALID, "a chain needs rows of the output matrix to choose from");
		for (uint32_t j = 0; j < i; j++)
			if (chains[j]->call->state == chain->call->state)
				return vita_fail(err, VITA_E_INVALID, "chains %u and %u are of the same state", j, i);
	}
	return VITA_OK;
}

static vita_status run(vita_head *head, mctp_pass *pass, vita_chain *const *chains, uint32_t n,
                       const vita_cancel *cancel, vita_error *err)
{
	vita_status status = lay_out(head, pass, chains, n, err);
	for (uint32_t k = 0; k < head->count && status == VITA_OK; k++) {
		uint32_t n_jobs = 0;
		for (uint32_t i = 0; i < n; i++) {
			const vita_head_call *call = chains[i]->call;
			if (k < call->index || k - call->index >= chains[i]->count) continue;
			pass->jobs[n_jobs++] = (mctp_job){ call->state, call->tokens, call->state->observed, call,
				                           &pass->tails[i] };
		}
		if (n_jobs > 0) status = mctp_run(head, pass, k, n_jobs, cancel, err);
	}
	return status == VITA_OK ? read_ids(head, pass, chains, n, err) : status;
}

static vita_status propose(vita_head *head, vita_chain *const *chains, uint32_t n, const vita_cancel *cancel,
                           vita_error *err)
{
	mctp_pass *pass = NULL;
	vita_status status = check_chains(head, chains, n, err);
	if (status == VITA_OK) status = mctp_pass_take(head, n, &pass, err);
	if (status != VITA_OK) return status;
	status = run(head, pass, chains, n, cancel, err);
	status = mctp_pass_finish(head, pass, status, err);
	for (uint32_t i = 0; i < n && status == VITA_OK; i++) {
		vita_head_state *state = chains[i]->call->state;
		for (uint32_t j = 0; j < chains[i]->count; j++)
			state->stages[chains[i]->call->index + j].done = state->observed;
	}
	return status;
}

const vita_chain_api *mctp_chain(const vita_head *head)
{
	static const vita_chain_api api = { sizeof api, 0, propose };
	/* Where LLM and heads are on two devices each head's rows go through the host anyway. */
	if (!head->greedy || !head->one_device || head->vocab_size > 1 << 24) return NULL;
	return &api;
}
