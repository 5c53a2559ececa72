/* SPDX-License-Identifier: MIT
 *
 * heads.verify = exact: what heads propose is only a draft. The next main pass reads the draft along with
 * the tokens before it and so gives, in one reading of the weights, the scores at each of its places. Each
 * place is chosen anew from these; the draft stands as far as it agrees, and states are cut back to there.
 * The answer is that of main passes alone: the same ids in greedy decoding, and draws from the same
 * distribution (and from the same random numbers, since drafts use none) otherwise.
 *
 * After Leviathan, Kalman and Matias 2023, "Fast Inference from Transformers via Speculative Decoding"; with
 * a draft that is the heads' likeliest token, their acceptance rule is the comparison made here.
 */
#include "engine/running.h"

/* How long a draft the schedule, the heads and the limits allow at this place. */
static uint32_t draft_length(const vita_running *r)
{
	const vita_conversation *c = r->conversation;
	uint64_t n = vita_schedule_head_run(r->schedule, r->n_answer);
	uint64_t left = r->max_tokens - r->n_answer, room = r->engine->llm_info.context - c->n_tokens;
	if (left < room) room = left;
	if (r->n_answer == 0) return 0; /* the prompt comes first; from then on one token is left to be fed */
	if (n > r->engine->head_info.count) n = r->engine->head_info.count;
	return (uint32_t)(n < room ? n : room - 1); /* the pass itself gives one more */
}

/* Write up to *n drafts behind the tokens; they count for the heads and for the penalty, and for nothing
 * else. */
static vita_status draft(vita_running *r, uint32_t *n)
{
	vita_conversation *c = r->conversation;
	uint32_t n_seen = c->seen.n, wanted = *n;
	vita_status status = vita_conversation_reserve(c, (uint64_t)wanted + 1, r->err);
	*n = 0;
	while (status == VITA_OK && *n < wanted) {
		int32_t id;
		const float *logits;
		status = vita_answer_propose(r, *n, c->n_tokens + *n, wanted - *n, 1, r->n_answer + *n, &id, &logits);
		if (status != VITA_OK || id < 0) break;
		c->tokens[c->n_tokens + (*n)++] = id;
		vita_token_set_add(&c->seen, id);
	}
	vita_token_set_cut(&c->seen, n_seen);
	return status;
}

/* Choose at each place until the draft is left, or take what the LLM chose. The ids go where the drafts lie; those
 * before the last are equal to them. *n_chosen is how many, *n_agreed how many of them the draft had. */
static vita_status choose(vita_running *r, vita_wanted wanted, uint32_t n_drafts, uint32_t *n_chosen,
                          uint32_t *n_agreed)
{
	vita_conversation *c = r->conversation;
	uint32_t n_seen = c->seen.n, n_vocab = r->engine->llm_info.vocab_size;
	vita_status status = VITA_OK;
	*n_chosen = *n_agreed = 0;
	for (uint32_t i = 0; i <= n_drafts; i++) {
		int32_t id = c->chosen[i], *place = &c->tokens[c->n_tokens + i];
		if (wanted == VITA_WANT_IDS) status = vita_greedy_check(r, &r->engine->llm_part, id);
		else status = vita_answer_choose(r, c->logits + (size_t)i * n_vocab, 0, 0, r->n_answer + i, &id);
		if (status != VITA_OK) break;
		int agrees = i < n_drafts && id == *place;
		*place = id;
		(*n_chosen)++;
		*n_agreed += (uint32_t)agrees;
		if (!agrees || vita_answer_ends(r, id)) break;
		vita_token_set_add(&c->seen, id);
	}
	vita_token_set_cut(&c->seen, n_seen);
	return status;
}

/* Tell the chosen tokens, which lie behind the conversation's own. */
static vita_status emit(vita_running *r, vita_wanted wanted, uint32_t n_chosen, uint32_t n_agreed)
{
	vita_conversation *c = r->conversation;
	vita_status status = VITA_OK;
	for (uint32_t i = 0; i < n_chosen && status == VITA_OK; i++) {
		if (i > 0) status = vita_running_check(r);
		if (status != VITA_OK) return status;
		if (i < n_agreed) r->result.n_accepted++;
		const float *logits = c->logits + (size_t)i * r->engine->llm_info.vocab_size;
		status = vita_answer_emit(r, c->tokens[c->n_tokens], i < n_agreed ? i + 1 : 0,
		                          wanted == VITA_WANT_SCORES ? logits : NULL);
	}
	return status;
}

vita_status vita_answer_verify(vita_running *r)
{
	vita_conversation *c = r->conversation;
	const vita_wanted wanted = vita_greedy_main(r) ? VITA_WANT_IDS : VITA_WANT_SCORES;
	uint32_t n_drafts = draft_length(r), n_chosen = 0, n_agreed = 0;
	vita_tensor hidden;
	vita_status status = draft(r, &n_drafts);
	/* A prompt may be long: all but its last token go first, in blocks. */
	if (status == VITA_OK && n_drafts == 0)
		status = vita_conversation_feed(c, wanted, r->turn->cancel, r->err);
	if (status == VITA_OK && n_drafts > 0)
		status = vita_conversation_forward(c, n_drafts + 1, wanted, n_drafts + 1, &hidden,
		                                   r->turn->cancel, r->err);
	if (status == VITA_OK) status = choose(r, wanted, n_drafts, &n_chosen, &n_agreed);
	if (status == VITA_OK && n_drafts > 0) {
		/* The token before the drafts stands, and so do drafts that agree; but the answer's last
		 * token stays to be fed by the next pass, which is a draft only where it ends the answer. */
		uint32_t stand = n_agreed < n_chosen ? n_agreed + 1 : n_agreed;
		status = vita_conversation_accept(c, stand, &hidden, n_agreed < n_drafts, r->err);
	}
	if (status != VITA_OK) return status;
	if (r->n_answer > 0) r->result.n_main++;
	r->result.n_proposed += n_drafts;
	return emit(r, wanted, n_chosen, n_agreed);
}
