/* SPDX-License-Identifier: MIT
 *
 * The answer, token by token: main passes and heads as the schedule says, until an end token or a limit.
 */
#include "engine/running.h"

/* ---- choosing ------------------------------------------------------------------------------------- */

int vita_answer_ends(const vita_running *r, int32_t id)
{
	const vita_generation *generation = &r->engine->generation;
	for (uint32_t i = 0; i < generation->n_end_ids; i++)
		if (generation->end_ids[i] == id) return 1;
	/* A chat answer is over where its message is, whatever the model's files call the end. */
	return r->turn->task != VITA_TASK_IDS && id == r->engine->markers.message_end;
}

vita_status vita_answer_choose(vita_running *r, const float *logits, int heads, int greedy, uint64_t index,
                               int32_t *id)
{
	vita_conversation *c = r->conversation;
	const vita_engine *engine = r->engine;
	vita_sampling how = engine->generation.sampling;
	vita_scores row = {
		.logits = logits,
		.ranges = heads ? engine->head_ranges : &engine->all_ids,
		.n_ranges = heads ? engine->n_head_ranges : 1,
		.limit = engine->id_limit,
		.seen = &c->seen,
	};
	if (index < engine->generation.min_tokens) {
		row.banned = engine->generation.end_ids;
		row.n_banned = engine->generation.n_end_ids;
	}
	if (greedy) how.temperature = 0;
	return vita_sampler_choose(&c->sampler, &how, &row, &c->random, id, r->err);
}

vita_head_call vita_answer_call(const vita_running *r, uint32_t head, uint32_t position, const vita_range *ranges,
                                uint32_t n_ranges)
{
	vita_head_call call;
	VITA_INIT(&call);
	call.index = head;
	call.state = r->conversation->head;
	call.tokens = r->conversation->tokens;
	call.n_tokens = position;
	call.ranges = ranges;
	call.n_ranges = n_ranges;
	return call;
}

vita_status vita_answer_propose(vita_running *r, uint32_t head, uint32_t position, uint32_t run, int draft,
                                uint64_t index, int32_t *id, const float **logits)
{
	vita_conversation *c = r->conversation;
	const vita_engine *engine = r->engine;
	*logits = NULL;
	vita_status status = vita_greedy_propose(r, head, position, run, draft, index, id);
	if (status != VITA_E_UNSUPPORTED) return status;
	vita_head_call call = vita_answer_call(r, head, position, engine->head_ranges, engine->n_head_ranges), *one = &call;
	call.logits = c->logits;
	call.token = -1;
	status = vita_answer(engine->head_api->propose(engine->head, &one, 1, r->turn->cancel, r->err), "the plugin of heads",
	                     "propose", r->err);
	if (status != VITA_OK) return status;
	if (!engine->head_info.gives_tokens) {
		*logits = c->logits;
		return vita_answer_choose(r, c->logits, 1, draft, index, id);
	}
	if (call.token >= engine->id_limit)
		return vita_fail(r->err, VITA_E_INTERNAL,
		                 "plugin %s proposed token %ld; ids go from 0 to %ld",
		                 engine->head_part.factory->name, (long)call.token,
		                 (long)engine->id_limit - 1);
	if (call.token >= 0) *id = call.token;
	return VITA_OK;
}

/* ---- telling -------------------------------------------------------------------------------------- */

static vita_status tell(vita_running *r, int32_t id, uint32_t source, const float *logits)
{
	const vita_turn_events *events = &r->events;
	vita_status status = VITA_OK;
	if (events->token) status = events->token(events->user, id, source, logits, r->err);
	if (status == VITA_OK) status = vita_speaker_token(r, id);
	if (status == VITA_OK && events->progress)
		status = events->progress(events->user, r->n_answer, r->max_tokens, r->err);
	return status;
}

vita_status vita_answer_emit(vita_running *r, int32_t id, uint32_t source, const float *logits)
{
	vita_conversation *c = r->conversation;
	vita_status status = vita_conversation_reserve(c, 1, r->err);
	if (status != VITA_OK) return status;
	c->tokens[c->n_tokens++] = id;
	vita_token_set_add(&c->seen, id);
	if (r->n_answer == 0) r->result.prefill_ms = vita_clock_ms() - r->encoded;
	r->result.n_tokens = ++r->n_answer;
	if (vita_answer_ends(r, id)) {
		r->stopped = 1;
		r->result.stop = VITA_STOP_TOKEN;
	} else if (r->n_answer >= r->max_tokens || c->n_tokens >= r->engine->llm_info.context) {
		r->stopped = 1;
		r->result.stop = VITA_STOP_LENGTH;
	}
	return tell(r, id, source, logits);
}

/* ---- the loop ------------------------------------------------------------------------------------- */

static vita_status main_step(vita_running *r)
{
	vita_conversation *c = r->conversation;
	const vita_wanted wanted = vita_greedy_main(r) ? VITA_WANT_IDS : VITA_WANT_SCORES;
	int32_t id = -1;
	vita_status status = vita_conversation_feed(c, wanted, r->turn->cancel, r->err);
	if (status != VITA_OK) return status;
	if (wanted == VITA_WANT_SCORES) status = vita_answer_choose(r, c->logits, 0, 0, r->n_answer, &id);
	else status = vita_greedy_check(r, &r->engine->llm_part, id = c->chosen[0]);
	if (status != VITA_OK) return status;
	if (r->n_answer > 0) r->result.n_main++;
	return vita_answer_emit(r, id, 0, wanted == VITA_WANT_SCORES ? c->logits : NULL);
}

/* One token as the schedule says: what a head proposes is final. */
static vita_status step(vita_running *r)
{
	vita_conversation *c = r->conversation;
	uint32_t n_heads = c->head ? r->engine->head_info.count : 0;
	int64_t head = vita_schedule_step(r->schedule, r->n_answer, n_heads, &r->next_head);
	if (head == VITA_STEP_MAIN) return main_step(r);
	int32_t id;
	const float *logits;
	vita_status status = vita_answer_propose(r, (uint32_t)head, c->n_tokens, vita_greedy_run(r, (uint32_t)head), 0,
	                                         r->n_answer, &id, &logits);
	if (status != VITA_OK) return status;
	if (id < 0) { /* the head has nothing to say: a main pass has */
		r->next_head = 0;
		return main_step(r);
	}
	r->result.n_proposed++;
	r->result.n_accepted++;
	return vita_answer_emit(r, id, (uint32_t)head + 1, r->engine->head_rows_full ? logits : NULL);
}

vita_status vita_answer_run(vita_running *r)
{
	const vita_conversation *c = r->conversation;
	int verify = r->engine->verify && c->head;
	if (r->max_tokens == 0 || c->n_tokens >= r->engine->llm_info.context) {
		r->stopped = 1;
		r->result.stop = VITA_STOP_LENGTH;
	}
	while (!r->stopped) {
		vita_status status = vita_running_check(r);
		if (status == VITA_OK) status = verify ? vita_answer_verify(r) : step(r);
		if (status != VITA_OK) return status;
	}
	vita_status status = vita_greedy_finish(r);
	return status == VITA_OK ? vita_speaker_finish(r) : status;
}
