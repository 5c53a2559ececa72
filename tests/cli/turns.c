/* SPDX-License-Identifier: MIT
 *
 * Several turns of one conversation:
 *     turns RECORDING SECTION.KEY=VALUE…
 * Asks aloud, in writing, and aloud again, and interrupts a fourth answer; then all of it once more after a reset. Prints
 * a line a turn, and fails where the second time differs from the first or a turn is told to have been shorter than it was.
 */
#include <vita/vita.h>

#include <stdlib.h>

enum { MAX_TOKENS = 40, MAX_TURNS = 4 };

struct heard {
	int32_t ids[MAX_TOKENS + 1];
	uint64_t n, n_samples;
	uint64_t stop_after; /* 0: never */
	vita_cancel *cancel;
};

static vita_error err;

static void give_up(const char *what)
{
	(void)fprintf(stderr, "turns: %s: %s\n", what, err.message);
	exit(1);
}

static vita_status give_sound(void *user, float *pcm, uint64_t capacity, uint64_t *n, vita_error *e)
{
	return vita_audio_read(user, pcm, capacity, n, e);
}

static vita_status take_token(void *user, int32_t id, uint32_t source, const float *logits, vita_error *e)
{
	struct heard *h = user;
	(void)source, (void)logits, (void)e;
	if (h->n < MAX_TOKENS) h->ids[h->n++] = id;
	if (h->n == h->stop_after) vita_cancel_request(h->cancel);
	return VITA_OK;
}

static vita_status take_sound(void *user, const float *pcm, uint64_t n, vita_error *e)
{
	(void)pcm, (void)e;
	((struct heard *)user)->n_samples += n;
	return VITA_OK;
}

static void ask(vita_engine *engine, vita_conversation *conversation, const char *recording, int number,
		struct heard *h)
{
	vita_engine_info info;
	vita_audio_reader *reader = NULL;
	vita_turn_events events;
	vita_turn turn;
	vita_turn_result result;
	VITA_INIT(&info);
	vita_engine_describe(engine, &info);
	VITA_INIT(&events);
	events.user = h;
	events.token = take_token;
	events.audio = take_sound;
	VITA_INIT(&turn);
	VITA_INIT(&result);
	turn.task = number == 1 ? VITA_TASK_TEXT : VITA_TASK_SPEECH;
	turn.text = "And in writing?";
	turn.max_tokens = MAX_TOKENS;
	turn.events = &events;
	h->cancel = vita_cancel_create();
	turn.cancel = h->cancel;
	if (number == 3) h->stop_after = 5;
	if (turn.task == VITA_TASK_SPEECH) {
		if (vita_audio_open(recording, info.encoder_info->sample_rate, info.encoder_info->mix,
				    &reader, &err) != VITA_OK)
			give_up(recording);
		turn.source = give_sound;
		turn.source_user = reader;
	}
	vita_status status = vita_turn_run(conversation, &turn, &result, &err);
	if (status != (number == 3 ? VITA_E_CANCELLED : VITA_OK)) give_up("a turn");
	if (result.n_tokens != h->n || (number != 3 && result.n_samples != h->n_samples)) give_up("counts");
	(void)printf("turn %d: %llu of prompt, %llu of sound, %llu tokens, %llu samples\n", number,
		     (unsigned long long)result.n_prompt, (unsigned long long)result.n_question_tokens,
		     (unsigned long long)h->n, (unsigned long long)h->n_samples);
	vita_audio_close(reader);
	vita_cancel_destroy(h->cancel);
}

int main(int argc, char **argv)
{
	static struct heard first[MAX_TURNS], again[MAX_TURNS];
	vita_config *config;
	vita_context *context;
	vita_engine *engine;
	vita_conversation *conversation;
	if (argc < 2 || vita_config_create(&config, &err) != VITA_OK)
		give_up("usage: turns RECORDING SETTING…");
	for (int i = 2; i < argc; i++)
		if (vita_config_set(config, argv[i], &err) != VITA_OK) give_up(argv[i]);
	if (vita_context_create(config, NULL, NULL, &context, &err) != VITA_OK) give_up("context");
	if (vita_engine_open(context,
			     VITA_PART_TOKENIZER | VITA_PART_ENCODER | VITA_PART_LLM | VITA_PART_HEADS |
				     VITA_PART_CODEC,
			     &engine, &err) != VITA_OK)
		give_up("engine");
	if (vita_conversation_open(engine, &conversation, &err) != VITA_OK) give_up("conversation");
	for (int i = 0; i < MAX_TURNS; i++)
		ask(engine, conversation, argv[1], i, &first[i]);
	if (vita_conversation_reset(conversation, &err) != VITA_OK) give_up("reset");
	for (int i = 0; i < MAX_TURNS; i++)
		ask(engine, conversation, argv[1], i, &again[i]);
	for (int i = 0; i < MAX_TURNS; i++)
		if (first[i].n != again[i].n || first[i].n_samples != again[i].n_samples ||
		    memcmp(first[i].ids, again[i].ids, first[i].n * sizeof first[i].ids[0]) != 0)
			give_up("a conversation that begins again answers differently");
	vita_conversation_close(conversation);
	vita_engine_close(engine);
	vita_context_destroy(context);
	vita_config_destroy(config);
	return 0;
}
