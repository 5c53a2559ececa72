/* SPDX-License-Identifier: MIT
 *
 * One turn with its question and answer, for the verbs run, asr and tts.
 */
#include "turn.h"

#include <stdlib.h>
#include <unistd.h>

/* ---- what the engine asks and tells ----------------------------------------------------------------- */

static vita_status give_question(void *user, float *pcm, uint64_t capacity, uint64_t *n, vita_error *err)
{
	struct answer *answer = user;
	return vita_audio_read(answer->question, pcm, capacity, n, err);
}

static vita_status take_token(void *user, int32_t id, uint32_t source, const float *logits, vita_error *err)
{
	struct answer *answer = user;
	const vita_engine_info *info = &answer->cli->info;
	int32_t code = id - info->audio_first;
	(void)source, (void)logits;
	if (info->audio_first < 0 || code < 0 || code >= info->audio_count) return VITA_OK;
	return ids_add(&answer->audio_tokens, code, err);
}

static vita_status take_text(void *user, const char *text, uint64_t size, vita_error *err)
{
	struct answer *answer = user;
	if (size > SIZE_MAX / 2 - answer->text_size)
		return vita_fail(err, VITA_E_NOMEM, "the answer's text is too long");
	size_t needed = answer->text_size + (size_t)size;
	if (needed > answer->text_capacity) {
		char *larger = realloc(answer->text, 2 * needed);
		if (!larger) return vita_fail(err, VITA_E_NOMEM, "no memory for the answer's text");
		answer->text = larger;
		answer->text_capacity = 2 * needed;
	}
	if (size > 0) memcpy(answer->text + answer->text_size, text, (size_t)size);
	answer->text_size = needed;
	if (!answer->prints_text) return VITA_OK;
	print_text(text, size);
	return answer->sound ? VITA_OK : cli_flush(err); /* sound is worth having without the text */
}

static vita_status take_sound(void *user, const float *pcm, uint64_t n, vita_error *err)
{
	struct answer *answer = user;
	return answer->sound ? vita_audio_write(answer->sound, pcm, n, err) : VITA_OK;
}

static vita_status take_progress(void *user, uint64_t done, uint64_t total, vita_error *err)
{
	(void)user, (void)err;
	progress_show("answering", done, total);
	return VITA_OK;
}

/* ---- the turn --------------------------------------------------------------------------------------- */

static vita_status open_ends(struct answer *answer, const char *recording)
{
	struct cli *cli = answer->cli;
	const vita_encoder_info *encoder = cli->info.encoder_info;
	if (recording) {
		vita_status status = vita_audio_open(recording, encoder->sample_rate, encoder->mix,
		                                     &answer->question, &cli->err);
		if (status != VITA_OK) return status;
		vita_audio_describe(answer->question, NULL, NULL, &answer->n_question);
	}
	if (!cli->output) return VITA_OK;
	return vita_audio_create(cli->output, cli->info.codec_info->sample_rate, VITA_PCM16, &answer->sound,
	                         &cli->err);
}

static vita_status run_turn(struct answer *answer, uint32_t task, const char *text, int64_t max_tokens)
{
	struct cli *cli = answer->cli;
	vita_conversation *conversation;
	vita_turn_events events;
	vita_turn turn;
	vita_status status = vita_conversation_open(cli->engine, &conversation, &cli->err);
	if (status != VITA_OK) return status;
	VITA_INIT(&events);
	events.user = answer;
	events.token = take_token;
	events.text = take_text;
	events.audio = take_sound;
	events.progress = take_progress;
	VITA_INIT(&turn);
	turn.task = task;
	turn.text = text;
	turn.source = answer->question ? give_question : NULL;
	turn.source_user = answer;
	turn.recorded = answer->n_question >= 0; /* a pipe is heard as it comes */
	turn.max_tokens = max_tokens;
	turn.cancel = cli_cancel;
	turn.events = &events;
	turn.unscored = 1;
	VITA_INIT(&answer->result);
	status = vita_turn_run(conversation, &turn, &answer->result, &cli->err);
	vita_conversation_close(conversation);
	return status == VITA_OK ? cli_check_room(cli, &answer->result) : status;
}

static int print_answer(struct answer *answer)
{
	const vita_turn_result *result = &answer->result;
	struct cli *cli = answer->cli;
	if (!cli->json) {
		if (answer->prints_text) (void)putchar('\n');
		(void)fflush(stdout);
		if (result->n_samples > 0)
			cli_note(cli, "%llu tokens, %.1f s of sound; first sound after %.0f ms, end after %.0f ms",
			         (unsigned long long)result->n_tokens, result->answer_s, result->first_audio_ms,
			         result->total_ms);
		else cli_note(cli, "%llu tokens, no sound; end after %.0f ms", (unsigned long long)result->n_tokens, result->total_ms);
		return EXIT_DONE;
	}
	double rtf = result->answer_s > 0 ? result->total_ms / 1000 / result->answer_s : -1;
	json_t *timing = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}",
		"listen_ms", json_ms(result->listen_ms),
		"encode_ms", json_ms(result->encode_ms),
		"prefill_ms", json_ms(result->prefill_ms),
		"first_audio_ms", json_ms(result->first_audio_ms),
		"total_ms", json_ms(result->total_ms),
		"rtf", json_ms(rtf));
	json_t *document = json_pack("{s:o, s:o, s:o, s:I, s:o, s:{s:I, s:f}}",
		"text", json_textn(answer->text, answer->text_size),
		"audio_tokens", json_ids(answer->audio_tokens.id, answer->audio_tokens.n),
		"timing", timing,
		"samples", (json_int_t)result->n_samples,
		"tokens", json_counts(result),
		"deviation", "tokens", (json_int_t)result->n_deviating, "db", result->deviation_db);
	return cli_print_json(cli, document);
}

/* The file appears before the result is printed, so that whoever reads the result finds it. */
static vita_status keep_sound(struct answer *answer)
{
	vita_audio_writer *sound = answer->sound;
	answer->sound = NULL;
	if (!sound) return VITA_OK;
	if (answer->result.n_samples == 0)
		cli_note(answer->cli, "the answer has no sound; %s is empty", answer->cli->output);
	return vita_audio_commit(sound, &answer->cli->err);
}

int answer_turn(struct cli *cli, uint32_t task, uint32_t parts, const char *recording, const char *text,
                int64_t max_tokens)
{
	int to_stdout = cli->output && strcmp(cli->output, "-") == 0;
	struct answer answer = { .cli = cli, .prints_text = !cli->json && !to_stdout };
	if (cli->json && to_stdout)
		return cli_usage(cli, "--json and the sound of -o - cannot both go to standard output");
	if (to_stdout && isatty(STDOUT_FILENO))
		return cli_usage(cli, "a terminal is no place for sound: name a file after -o");
	vita_status status = cli_open_engine(cli, parts | (cli->output ? VITA_PART_CODEC : 0));
	if (status == VITA_OK) status = open_ends(&answer, recording);
	if (!answer.prints_text || !isatty(STDOUT_FILENO)) progress_enable(cli);
	if (status == VITA_OK) status = run_turn(&answer, task, text, max_tokens);
	progress_clear();
	if (status == VITA_OK) status = keep_sound(&answer);
	int exit_code = status == VITA_OK ? print_answer(&answer) : cli_fail(cli, status);
	vita_audio_discard(answer.sound);
	vita_audio_close(answer.question);
	ids_free(&answer.audio_tokens);
	free(answer.text);
	return exit_code;
}

int answer_options(struct cli *cli, int argc, char **argv, int64_t *max_tokens)
{
	static const struct option own[] = { { "max-tokens", required_argument, NULL, OPTION_MAX_TOKENS },
		                             { 0 } };
	int option;
	*max_tokens = -1;
	while ((option = cli_option(cli, argc, argv, own)) > 0)
		if (!cli_integer(cli, "--max-tokens", optarg, 1, INT32_MAX, max_tokens)) return CLI_STOP;
	return option;
}
