/* SPDX-License-Identifier: MIT
 *
 * vita tts: text to speech with the same model.
 */
#include "turn.h"

#include <stdlib.h>

static int run(struct cli *cli, int argc, char **argv)
{
	int64_t max_tokens;
	if (answer_options(cli, argc, argv, &max_tokens) == CLI_STOP) return cli->exit_code;
	if (argc - optind != 1)
		return cli_usage(cli, "one text is needed, %d were given; put it in quotes", argc - optind);
	if (!cli->output) return cli_usage(cli, "-o is missing: the file that the speech goes to");

	char *from_stdin = NULL;
	uint64_t size;
	if (strcmp(argv[optind], "-") == 0 && !(from_stdin = read_stdin(cli, &size)))
		return cli_fail(cli, cli->err.status);
	int exit_code = answer_turn(cli, VITA_TASK_TTS, VITA_PART_TOKENIZER | VITA_PART_LLM | VITA_PART_HEADS,
	                            NULL, from_stdin ? from_stdin : argv[optind], max_tokens);
	free(from_stdin);
	return exit_code;
}

const struct verb verb_tts = {
	.name = "tts",
	.summary = "Read a text aloud",
	.has_output = 1,
	.run = run,
	.help =
		"Usage: vita tts -c CONFIG TEXT -o SPEECH\n\n"
		"TEXT - is standard input. SPEECH becomes a WAV file, which appears whole or not\n"
		"at all; - is standard output.\n\n"
		"      --max-tokens N         end the speech after N tokens\n\n"
		"JSON: the fields of vita run.\n\n"
		"Example:\n"
		"  vita tts -c configs/nano.ini \"good morning\" -o morning.wav\n",
};
