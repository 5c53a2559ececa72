/* SPDX-License-Identifier: MIT
 *
 * vita generate: tokens only, and where each came from.
 */
#include "common.h"
#include "ids.h"

#include <stdlib.h>

enum { OPTION_IDS = 256, OPTION_PROMPT, OPTION_MAX_TOKENS, OPTION_LOGITS };

struct generation {
	struct cli *cli;
	struct ids prompt, ids, sources;
	const char *text;         /* of --prompt */
	const char *logits_path;  /* of --logits */
	float *logits;            /* [ids.n, vocab] */
	uint64_t logits_capacity; /* rows */
	int64_t max_tokens;
	vita_turn_result result;
};

static vita_status keep_logits(struct generation *g, const float *logits, vita_error *err)
{
	uint64_t vocab = g->cli->info.llm_info->vocab_size;
	if (!logits)
		return vita_fail(err, VITA_E_UNSUPPORTED,
		                 "--logits: token %llu was chosen from a part of the vocabulary only; "
		                 "set heads.vocabulary=full",
		                 (unsigned long long)g->ids.n);
	if (g->ids.n == g->logits_capacity) {
		uint64_t rows = g->logits_capacity ? 2 * g->logits_capacity : 16;
		float *larger = rows <= SIZE_MAX / sizeof *larger / vocab
		                        ? realloc(g->logits, rows * vocab * sizeof *larger)
		                        : NULL;
		if (!larger)
			return vita_fail(err, VITA_E_NOMEM, "--logits: no memory for %llu rows",
			                 (unsigned long long)rows);
		g->logits = larger;
		g->logits_capacity = rows;
	}
	memcpy(g->logits + g->ids.n * vocab, logits, vocab * sizeof *logits);
	return VITA_OK;
}

static vita_status take_token(void *user, int32_t id, uint32_t source, const float *logits, vita_error *err)
{
	struct generation *g = user;
	vita_status status = g->logits_path ? keep_logits(g, logits, err) : VITA_OK;
	if (status == VITA_OK) status = ids_add(&g->sources, (int32_t)source, err);
	if (status == VITA_OK) status = ids_add(&g->ids, id, err);
	if (status == VITA_OK && !g->cli->json) {
		(void)printf(g->ids.n > 1 ? ",%d" : "%d", (int)id);
		status = cli_flush(err);
	}
	return status;
}

static vita_status take_progress(void *user, uint64_t done, uint64_t total, vita_error *err)
{
	(void)user, (void)err;
	progress_show("generating", done, total);
	return VITA_OK;
}

static vita_status write_logits(struct generation *g)
{
	vita_array array;
	VITA_INIT(&array);
	array.name = "logits";
	array.dtype = VITA_F32;
	array.rank = 2;
	array.shape[0] = (int64_t)g->ids.n;
	array.shape[1] = (int64_t)g->cli->info.llm_info->vocab_size;
	array.size_bytes = g->ids.n * g->cli->info.llm_info->vocab_size * sizeof *g->logits;
	array.data = g->logits;
	return vita_safetensors_write(g->logits_path, &array, 1, NULL, 0, &g->cli->err);
}

static vita_status generate(struct generation *g)
{
	struct cli *cli = g->cli;
	vita_conversation *conversation;
	vita_turn_events events;
	vita_turn turn;
	const uint32_t parts = VITA_PART_LLM | VITA_PART_HEADS | (g->text ? VITA_PART_TOKENIZER : 0);
	vita_status status = g->logits_path ? cli_check_output(cli, g->logits_path) : VITA_OK;
	if (status == VITA_OK) status = cli_open_engine(cli, parts);
	if (status == VITA_OK) status = vita_conversation_open(cli->engine, &conversation, &cli->err);
	if (status != VITA_OK) return status;
	VITA_INIT(&events);
	events.user = g;
	events.token = take_token;
	events.progress = take_progress;
	VITA_INIT(&turn);
	turn.task = g->text ? VITA_TASK_TEXT : VITA_TASK_IDS;
	turn.text = g->text;
	turn.ids = g->prompt.id;
	turn.n_ids = g->prompt.n;
	turn.max_tokens = g->max_tokens;
	turn.cancel = cli_cancel;
	turn.events = &events;
	turn.unscored = !g->logits_path;
	if (cli->json) progress_enable(cli);
	VITA_INIT(&g->result);
	status = vita_turn_run(conversation, &turn, &g->result, &cli->err);
	progress_clear();
	vita_conversation_close(conversation);
	if (status == VITA_OK) status = cli_check_room(cli, &g->result);
	if (status == VITA_OK && g->logits_path) status = write_logits(g);
	return status;
}

static int take_options(struct generation *g, int argc, char **argv)
{
	static const struct option own[] = {
		{ "ids", required_argument, NULL, OPTION_IDS },
		{ "prompt", required_argument, NULL, OPTION_PROMPT },
		{ "max-tokens", required_argument, NULL, OPTION_MAX_TOKENS },
		{ "logits", required_argument, NULL, OPTION_LOGITS },
		{ 0 },
	};
	struct cli *cli = g->cli;
	int option;
	while ((option = cli_option(cli, argc, argv, own)) > 0) {
		if (option == OPTION_PROMPT) g->text = optarg;
		if (option == OPTION_LOGITS) g->logits_path = optarg;
		if (option == OPTION_MAX_TOKENS &&
		    !cli_integer(cli, "--max-tokens", optarg, 1, INT32_MAX, &g->max_tokens))
			return CLI_STOP;
		if (option == OPTION_IDS && ids_from_text(optarg, &g->prompt, &cli->err) != VITA_OK) {
			cli->exit_code = cli_usage(cli, "--ids: %s", cli->err.message);
			return CLI_STOP;
		}
	}
	return option;
}

static int check_and_generate(struct generation *g, int argc, char **argv)
{
	struct cli *cli = g->cli;
	if (take_options(g, argc, argv) == CLI_STOP) return cli->exit_code;
	if (optind < argc)
		return cli_usage(cli, "\"%s\" is too much; a prompt goes after --prompt", argv[optind]);
	if (g->logits_path && cli_check_name(cli, "--logits", g->logits_path) != EXIT_DONE) return EXIT_USAGE;
	if (!g->text == !g->prompt.n)
		return cli_usage(cli, "either --ids with at least one id or --prompt is needed");
	vita_status status = generate(g);
	if (!cli->json && g->ids.n > 0) (void)putchar('\n');
	if (status != VITA_OK) return cli_fail(cli, status);
	if (cli->json)
		return cli_print_json(cli, json_pack("{s:o, s:o, s:o}",
			"ids", json_ids(g->ids.id, g->ids.n),
			"source", json_ids(g->sources.id, g->sources.n),
			"tokens", json_counts(&g->result)));
	(void)fflush(stdout);
	if (g->result.n_proposed > 0)
		cli_note(cli, "heads proposed %llu of the tokens, of which %llu were kept",
		         (unsigned long long)g->result.n_proposed, (unsigned long long)g->result.n_accepted);
	return EXIT_DONE;
}

static int run(struct cli *cli, int argc, char **argv)
{
	struct generation g = { .cli = cli, .max_tokens = -1 };
	int exit_code = check_and_generate(&g, argc, argv);
	ids_free(&g.prompt);
	ids_free(&g.ids);
	ids_free(&g.sources);
	free(g.logits);
	return exit_code;
}

const struct verb verb_generate = {
	.name = "generate",
	.summary = "Continue token ids, or answer a written prompt, with token ids",
	.run = run,
	.help =
		"Usage: vita generate -c CONFIG (--ids 1,2,3 | --prompt TEXT)\n\n"
		"Ids are continued as they are; TEXT becomes a question in the model's chat\n"
		"template. Prints the new ids.\n\n"
		"      --ids IDS              token ids separated by commas or white space\n"
		"      --prompt TEXT          a question as text\n"
		"      --max-tokens N         at most N new tokens\n"
		"      --logits FILE          write the scores that each token was chosen from\n"
		"                             to a safetensors file: f32 \"logits\" [tokens,\n"
		"                             vocabulary], before any penalty\n\n"
		"JSON: ids; source, for each id 0 where it came from a main pass and k where\n"
		"head k proposed it; tokens, counted: prompt, answer, audio, main_passes, and of\n"
		"the heads proposed and accepted.\n\n"
		"Example: ten tokens from a model directory, without a config:\n"
		"  vita generate -s llm.model=DIR -s heads.plugin=none --ids 1,2,3 --max-tokens 10\n",
};
