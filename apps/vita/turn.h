/* SPDX-License-Identifier: MIT
 *
 * One turn with its question and answer, for the verbs run, asr and tts.
 */
#ifndef APPS_VITA_TURN_H
#define APPS_VITA_TURN_H

#include "common.h"
#include "ids.h"

struct answer {
	struct cli *cli;
	vita_audio_reader *question;
	int64_t n_question;       /* its samples; -1: not known before its end */
	vita_audio_writer *sound; /* NULL: nobody wants to hear it */
	int prints_text;          /* to stdout as it comes */
	struct ids audio_tokens;  /* of the codec's codebook */
	char *text;
	size_t text_size, text_capacity;
	vita_turn_result result;
};

/* Open the parts, run a turn of this task and print what came of it. recording: the question's path, or NULL;
 * text: for TTS. Gives the exit code. */
int answer_turn(struct cli *cli, uint32_t task, uint32_t parts, const char *recording, const char *text,
                int64_t max_tokens);

/* The options of the three verbs. */
#define OPTION_MAX_TOKENS 256

/* Read them: CLI_DONE, or CLI_STOP with cli->exit_code. max_tokens is -1 where not given. */
int answer_options(struct cli *cli, int argc, char **argv, int64_t *max_tokens);

#endif
