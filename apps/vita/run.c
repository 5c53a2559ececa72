/* SPDX-License-Identifier: MIT
 *
 * vita run: a spoken question in, a spoken answer out.
 */
#include "turn.h"

static int run(struct cli *cli, int argc, char **argv)
{
	int64_t max_tokens;
	if (answer_options(cli, argc, argv, &max_tokens) == CLI_STOP) return cli->exit_code;
	if (argc - optind != 1)
		return cli_usage(cli, "one recording with a question is needed, %d were named",
		                 argc - optind);
	if (!cli->output) return cli_usage(cli, "-o is missing: the file that the spoken answer goes to");
	return answer_turn(cli, VITA_TASK_SPEECH,
	                   VITA_PART_TOKENIZER | VITA_PART_ENCODER | VITA_PART_LLM | VITA_PART_HEADS,
	                   argv[optind], NULL, max_tokens);
}

const struct verb verb_run = {
	.name = "run",
	.summary = "Answer a spoken question aloud, and print the answer's text",
	.has_output = 1,
	.run = run,
	.help =
		"Usage: vita run -c CONFIG QUESTION -o ANSWER\n\n"
		"QUESTION is any recording that libsndfile reads, at any rate and with any\n"
		"number of channels; - is standard input. ANSWER becomes a WAV file, which\n"
		"appears whole or not at all; - is standard output. The text is printed as it\n"
		"comes.\n\n"
		"      --max-tokens N         end the answer after N tokens\n\n"
		"JSON: text; audio_tokens (of the codec); timing with listen_ms, to the end of\n"
		"the question, and from there on encode_ms, prefill_ms, first_audio_ms and\n"
		"total_ms, and rtf, the time taken for a second of answer; samples; tokens,\n"
		"counted as by vita generate; deviation, as by vita encode, of a question from\n"
		"a pipe.\n\n"
		"Example: let the small model answer the recording that ships with it, and hear it at once:\n"
		"  vita run -c configs/nano.ini models/nano/question.wav -o - | aplay\n",
};
