/* SPDX-License-Identifier: MIT
 *
 * A turn: question, answer, and a conversation that is whole whatever happens in between.
 */
#include "engine/running.h"

#include <time.h>

double vita_clock_ms(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

vita_status vita_running_check(vita_running *r)
{
	if (!vita_cancel_requested(r->turn->cancel)) return VITA_OK;
	return vita_fail(r->err, VITA_E_CANCELLED, "the turn was cancelled");
}

/* The schedule of the INI goes for all. The model's own is made for speech: text that heads propose is
 * worse, so answers that are only text are left to main passes. */
static const vita_schedule *schedule_of(const vita_engine *engine, uint32_t task)
{
	int only_text = task == VITA_TASK_TEXT || task == VITA_TASK_ASR;
	return only_text && !engine->schedule_given ? &engine->vanilla : &engine->schedule;
}

static vita_status choose_schedule(vita_running *r)
{
	const vita_turn *turn = r->turn;
	r->schedule = schedule_of(r->engine, turn->task);
	if (!VITA_HAS(turn, vita_turn, schedule)) return VITA_OK;
	r->schedule = &r->own_schedule;
	return vita_schedule_parse(&r->own_schedule, turn->schedule, r->err);
}

static void begin(vita_running *r, vita_conversation *c, const vita_turn *turn, vita_error *err)
{
	memset(r, 0, sizeof *r);
	r->conversation = c;
	r->engine = c->engine;
	r->turn = turn;
	r->err = err;
	if (turn->events) {
		size_t size = turn->events->struct_size;
		memcpy(&r->events, turn->events, size < sizeof r->events ? size : sizeof r->events);
	}
	r->max_tokens = turn->max_tokens < 0 ? c->engine->generation.max_tokens : (uint64_t)turn->max_tokens;
	r->result.max_tokens = r->max_tokens;
	r->result.first_audio_ms = -1;
	r->started = r->question_end = r->encoded = vita_clock_ms();
}

static vita_status run(vita_running *r)
{
	uint32_t before = r->conversation->n_tokens;
	vita_status status = choose_schedule(r);
	if (status == VITA_OK) status = vita_speaker_open(r);
	if (status == VITA_OK) status = vita_prompt_build(r);
	if (status == VITA_OK) {
		r->result.n_prompt = r->conversation->n_tokens - before;
		status = vita_answer_run(r);
	}
	vita_speaker_close(r);
	vita_schedule_free(&r->own_schedule);
	return status;
}

vita_status vita_turn_run(vita_conversation *c, const vita_turn *turn, vita_turn_result *result,
                          vita_error *err)
{
	vita_running r;
	uint32_t before = c->n_tokens;
	if (c->broken)
		return vita_fail(err, VITA_E_STATE,
		                 "the conversation was damaged by a failure before; reset it or open "
		                 "another");
	begin(&r, c, turn, err);
	vita_status status = run(&r);
	/* A question that was not answered at all is taken back; of an answer all that was told stands. */
	if (status != VITA_OK) (void)vita_conversation_cut(c, r.n_answer > 0 ? c->n_tokens : before, NULL);
	r.result.total_ms = vita_clock_ms() - r.question_end;
	if (result) {
		size_t size = result->struct_size;
		r.result.struct_size = (uint32_t)size;
		memcpy(result, &r.result, size < sizeof r.result ? size : sizeof r.result);
	}
	return status;
}
