/* SPDX-License-Identifier: MIT
 *
 * vita tokenize and vita detokenize: text to token ids and back.
 */
#include "common.h"
#include "ids.h"

#include <stdlib.h>
#include <unistd.h>

/* ---- tokenize --------------------------------------------------------------------------------------- */

static int print_ids(struct cli *cli, const int32_t *ids, uint64_t n)
{
	if (cli->json) return cli_print_json(cli, json_pack("{s:o}", "ids", json_ids(ids, n)));
	for (uint64_t i = 0; i < n; i++) (void)printf(i ? ",%d" : "%d", (int)ids[i]);
	(void)putchar('\n');
	return EXIT_DONE;
}

static int tokenize(struct cli *cli, const char *text, uint64_t size)
{
	int32_t *ids = NULL;
	uint64_t n;
	vita_status status = cli_open_engine(cli, VITA_PART_TOKENIZER);
	if (status == VITA_OK)
		status = vita_tokenizer_encode(vita_engine_tokenizer(cli->engine), text, size, 0, &ids, &n,
		                               &cli->err);
	int exit_code = status == VITA_OK ? print_ids(cli, ids, n) : cli_fail(cli, status);
	vita_free(ids);
	return exit_code;
}

static int run_tokenize(struct cli *cli, int argc, char **argv)
{
	if (cli_option(cli, argc, argv, NULL) == CLI_STOP) return cli->exit_code;
	int n = argc - optind;
	if (n > 1) return cli_usage(cli, "one text is needed, %d were given; put it in quotes", n);
	if (n == 0 && isatty(STDIN_FILENO))
		return cli_usage(cli, "a text is missing; - reads it from standard input");
	if (n == 1 && strcmp(argv[optind], "-") != 0)
		return tokenize(cli, argv[optind], strlen(argv[optind]));

	uint64_t size;
	char *text = read_stdin(cli, &size);
	if (!text) return cli_fail(cli, cli->err.status);
	int exit_code = tokenize(cli, text, size);
	free(text);
	return exit_code;
}

const struct verb verb_tokenize = {
	.name = "tokenize",
	.summary = "Turn text into token ids",
	.run = run_tokenize,
	.help =
		"Usage: vita tokenize -c CONFIG TEXT\n\n"
		"TEXT - is all of standard input, its last newline included. Markers such as\n"
		"<|im_start|> become one token. Only llm.model is needed, and of that only\n"
		"tokenizer.json, or vocab.json and merges.txt as Qwen2 has them.\n\n"
		"JSON: ids.\n\n"
		"Example:\n"
		"  vita tokenize -s llm.model=DIR \"Hello world\"\n",
};

/* ---- detokenize ------------------------------------------------------------------------------------- */

static vita_status read_ids(struct cli *cli, char **arguments, int n, struct ids *ids)
{
	struct ids_parser parser = { 0 };
	vita_status status = VITA_OK;
	if (n != 1 || strcmp(arguments[0], "-") != 0) return ids_from_arguments(arguments, n, ids, &cli->err);
	for (int end = 0; !end && status == VITA_OK;) status = ids_from_stdin(&parser, ids, &end, &cli->err);
	return status;
}

static int print_decoded(struct cli *cli, const char *text, uint64_t size)
{
	if (cli->json) return cli_print_json(cli, json_pack("{s:o}", "text", json_textn(text, size)));
	print_text(text, size);
	if (size == 0 || text[size - 1] != '\n') (void)putchar('\n');
	return EXIT_DONE;
}

static int run_detokenize(struct cli *cli, int argc, char **argv)
{
	struct ids ids = { 0 };
	char *text = NULL;
	uint64_t size;
	if (cli_option(cli, argc, argv, NULL) == CLI_STOP) return cli->exit_code;
	if (optind == argc) return cli_usage(cli, "token ids are missing; - reads them from standard input");
	vita_status status = read_ids(cli, argv + optind, argc - optind, &ids);
	if (status == VITA_OK) status = cli_open_engine(cli, VITA_PART_TOKENIZER);
	if (status == VITA_OK)
		status = vita_tokenizer_decode(vita_engine_tokenizer(cli->engine), ids.id, ids.n, 0, &text,
		                               &size, &cli->err);
	int exit_code = status == VITA_OK ? print_decoded(cli, text, size) : cli_fail(cli, status);
	vita_free(text);
	ids_free(&ids);
	return exit_code;
}

const struct verb verb_detokenize = {
	.name = "detokenize",
	.summary = "Turn token ids into text",
	.run = run_detokenize,
	.help =
		"Usage: vita detokenize -c CONFIG IDS\n\n"
		"IDS are separated by commas or white space; - is standard input.\n\n"
		"JSON: text.\n\n"
		"Example:\n"
		"  vita tokenize -s llm.model=DIR \"Hello world\" | vita detokenize -s llm.model=DIR -\n",
};
