/* SPDX-License-Identifier: MIT
 *
 * Greedy answers without reading scores: where a token is the one with the highest score and nobody wants to see the
 * others, LLM and heads choose it where the scores lie (vita/greedy.h).
 *
 * A chain of heads runs as far as its tokens are likely to be wanted, and hands them out one by one. What an end token
 * leaves of it is taken back.
 */
#include "engine/running.h"
#include "host/fallback.h"

#include <stdlib.h>

/* ---- what the parts can do ------------------------------------------------------------------------- */

/* The heads' ranges without padding rows, which are never chosen. */
static vita_status limit_ranges(vita_engine *engine, vita_error *err)
{
	engine->chain_ranges = calloc(engine->n_head_ranges, sizeof *engine->chain_ranges);
	if (!engine->chain_ranges) return vita_fail(err, VITA_E_NOMEM, "no memory for the rows that heads propose");
	engine->n_chain_ranges = 0;
	for (uint32_t i = 0; i < engine->n_head_ranges; i++) {
		vita_range range = engine->head_ranges[i];
		if (range.first >= engine->id_limit) break;
		if (range.count > engine->id_limit - range.first) range.count = engine->id_limit - range.first;
		engine->chain_ranges[engine->n_chain_ranges++] = range;
	}
	return VITA_OK;
}

vita_status vita_greedy_find(vita_engine *engine, vita_error *err)
{
	if (VITA_HAS(engine->llm_api, vita_llm_api, get_extension))
		engine->greedy = engine->llm_api->get_extension(engine->llm, VITA_GREEDY_ID);
	if (engine->greedy && !VITA_HAS(engine->greedy, vita_greedy_api, forward)) engine->greedy = NULL;
	if (!engine->head || engine->head_info.gives_tokens) return VITA_OK;
	if (VITA_HAS(engine->head_api, vita_head_api, get_extension))
		engine->chain = engine->head_api->get_extension(engine->head, VITA_CHAIN_ID);
	if (engine->chain && !VITA_HAS(engine->chain, vita_chain_api, propose)) engine->chain = NULL;
	if (!engine->chain) return VITA_OK;
	const vita_device *device = vita_fallback_inner(engine->head_part.device);
	engine->heads_afar = !VITA_HAS(device->api, vita_backend_api, address);
	return limit_ranges(engine, err);
}

/* ---- may it be done? ------------------------------------------------------------------------------- */

/* Is token number `index` the one with the highest score, whatever was said before? */
static int highest_wins(const vita_running *r, int greedy, uint64_t index)
{
	const vita_generation *generation = &r->engine->generation;
	if (!greedy && generation->sampling.temperature >= VITA_LEAST_TEMPERATURE) return 0;
	if (generation->sampling.repetition_penalty != 1) return 0;
	return generation->n_end_ids == 0 || index >= generation->min_tokens;
}

static int scores_are_shown(const vita_running *r)
{
	if (!r->events.token) return 0;
	return !VITA_COVERS(r->turn, vita_turn, unscored) || !r->turn->unscored;
}

int vita_greedy_main(const vita_running *r)
{
	return r->engine->greedy && highest_wins(r, 0, r->n_answer) && !scores_are_shown(r);
}

/* A chain ends later than its first token is made, and may go further than the answer. So without drafting it is for
 * devices from which the way is long. */
static int may_chain(const vita_running *r, int draft, uint64_t index)
{
	if (!r->engine->chain || !highest_wins(r, draft, index)) return 0;
	return draft || (r->engine->heads_afar && !scores_are_shown(r));
}

vita_status vita_greedy_check(const vita_running *r, const vita_part *part, int32_t id)
{
	if (id >= 0 && id < r->engine->id_limit) return VITA_OK;
	if (id == -1) return vita_sampler_fail(r->err);
	return vita_fail(r->err, VITA_E_INTERNAL, "plugin %s chose token %ld; ids go from 0 to %ld", part->factory->name,
	                 (long)id, (long)r->engine->id_limit - 1);
}

/* ---- chains ---------------------------------------------------------------------------------------- */

uint32_t vita_greedy_run(const vita_running *r, uint32_t head)
{
	const vita_conversation *c = r->conversation;
	uint64_t n = vita_schedule_head_run(r->schedule, r->n_answer);
	const uint64_t most[] = {
		r->engine->head_info.count - head,
		r->max_tokens - r->n_answer,
		r->engine->llm_info.context - c->n_tokens,
		vita_speaker_missing(r), /* the codec is not kept waiting for more than its next chunk */
	};
	for (size_t i = 0; i < sizeof most / sizeof most[0]; i++)
		if (most[i] < n) n = most[i];
	return n > 0 ? (uint32_t)n : 1;
}

/* Ask `run` heads from this one on. E_UNSUPPORTED, should the plugin answer that, asks them one by one. */
static vita_status ask(vita_running *r, uint32_t head, uint32_t position, uint32_t run)
{
	vita_conversation *c = r->conversation;
	const vita_engine *engine = r->engine;
	vita_head_call call = vita_answer_call(r, head, position, engine->chain_ranges, engine->n_chain_ranges);
	vita_chain chain, *one = &chain;
	VITA_INIT(&chain);
	chain.call = &call;
	chain.count = run;
	chain.ids = c->ahead;
	return vita_answer(engine->chain->propose(engine->head, &one, 1, r->turn->cancel, r->err), "the plugin of heads",
	                   "propose of a chain", r->err);
}

vita_status vita_greedy_propose(vita_running *r, uint32_t head, uint32_t position, uint32_t run, int draft,
                                uint64_t index, int32_t *id)
{
	vita_conversation *c = r->conversation;
	*id = -1;
	if (r->ahead == r->n_ahead) {
		if (!may_chain(r, draft, index)) return VITA_E_UNSUPPORTED;
		r->ahead = r->n_ahead = 0;
		vita_status status = ask(r, head, position, run);
		if (status != VITA_OK) return status;
		r->n_ahead = run;
	}
	*id = c->ahead[r->ahead++];
	return vita_greedy_check(r, &r->engine->head_part, *id);
}

vita_status vita_greedy_finish(vita_running *r)
{
	vita_conversation *c = r->conversation;
	if (r->ahead == r->n_ahead) return VITA_OK;
	r->ahead = r->n_ahead = 0;
	return vita_conversation_cut_heads(c, c->n_tokens, r->err);
}
