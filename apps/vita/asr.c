/* SPDX-License-Identifier: MIT
 *
 * vita asr: speech to text with the same model.
 */
#include "turn.h"

static int run(struct cli *cli, int argc, char **argv)
{
	int64_t max_tokens;
	if (answer_options(cli, argc, argv, &max_tokens) == CLI_STOP) return cli->exit_code;
	if (argc - optind != 1)
		return cli_usage(cli, "one recording is needed, %d were named", argc - optind);
	return answer_turn(cli, VITA_TASK_ASR,
	                   VITA_PART_TOKENIZER | VITA_PART_ENCODER | VITA_PART_LLM | VITA_PART_HEADS,
	                   argv[optind], NULL, max_tokens);
}

const struct verb verb_asr = {
	.name = "asr",
	.summary = "Write down what a recording says",
	.run = run,
	.help =
		"Usage: vita asr -c CONFIG RECORDING\n\n"
		"RECORDING is any recording that libsndfile reads; - is standard input. The text\n"
		"is printed as it comes.\n\n"
		"      --max-tokens N         end the text after N tokens\n\n"
		"JSON: text, and the fields of vita run.\n\n"
		"Example:\n"
		"  vita asr -c configs/nano.ini models/nano/question.wav\n",
};
