/* SPDX-License-Identifier: MIT
 *
 * vita train: one training stage, or its losses and gradients against those in a file.
 */
#include "common.h"

#include <vita/train.h>

#include <math.h>

enum { OPTION_CHECK = 256 };

/* ---- checking --------------------------------------------------------------------------------------- */

static void take_error(void *user, const char *name, double error)
{
	json_t *errors = user;
	(void)json_object_set_new(errors, name, isfinite(error) ? json_real(error) : json_null());
}

static int print_check(struct cli *cli, const vita_train_check *check, json_t *errors)
{
	const int good = check->worst <= check->tolerance;
	if (!cli->json) {
		(void)printf("%u numbers and tensors, largest relative error %.2g (%s), tolerance %.0e\n", check->n_compared,
		             check->worst, check->worst_name, check->tolerance);
		return good ? EXIT_DONE : EXIT_FAILED;
	}
	json_t *document = json_pack("{s:b, s:o?, s:s, s:f, s:O}", "ok", good, "worst",
	                             isfinite(check->worst) ? json_real(check->worst) : NULL, "worst_name",
	                             check->worst_name, "tolerance", check->tolerance, "tensors", errors);
	if (document && check->n_items > 0) (void)json_object_set_new(document, "num_items", json_integer(check->n_items));
	int exit_code = cli_print_json(cli, document);
	return exit_code == EXIT_DONE && !good ? EXIT_FAILED : exit_code;
}

static int check(struct cli *cli, vita_trainer *trainer, const char *path)
{
	vita_train_check result;
	VITA_INIT(&result);
	json_t *errors = json_object();
	if (!errors) return cli_fail(cli, vita_fail(&cli->err, VITA_E_NOMEM, "out of memory"));
	vita_status status = vita_trainer_check(trainer, path, take_error, errors, &result, &cli->err);
	int exit_code = status == VITA_OK ? print_check(cli, &result, errors) : cli_fail(cli, status);
	json_decref(errors);
	return exit_code;
}

/* ---- the verb --------------------------------------------------------------------------------------- */

static int run(struct cli *cli, int argc, char **argv)
{
	static const struct option own[] = { { "check", required_argument, NULL, OPTION_CHECK }, { 0 } };
	const char *file = NULL;
	int option;
	while ((option = cli_option(cli, argc, argv, own)) > 0) file = optarg;
	if (option == CLI_STOP) return cli->exit_code;
	if (argc != optind) return cli_usage(cli, "train takes no operands, only options; \"%s\" is one", argv[optind]);
	if (!file) return cli_usage(cli, "--check FILE is needed");
	vita_trainer *trainer = NULL;
	vita_status status = cli_open_context(cli);
	if (status == VITA_OK) status = vita_trainer_open(cli->context, &trainer, &cli->err);
	if (status != VITA_OK) return cli_fail(cli, status);
	int exit_code = check(cli, trainer, file);
	vita_trainer_close(trainer);
	return exit_code;
}

const struct verb verb_train = {
	.name = "train",
	.summary = "Train a model: one of the four stages",
	.run = run,
	.help = "Usage: vita train -c CFG --check FILE\n\n"
		"Compares with what the model of [llm] model (or [train] init) gives for the\n"
		"input_ids, position_ids and labels in FILE: its loss, main_ce, mtp_ce and\n"
		"grad.NAME; or, where FILE has losses, several steps of AdamW and after.NAME.\n"
		"[train] stage, detach and mask_boundaries select the case.\n\n"
		"JSON: ok; worst, the largest error relative to its tensor's largest value;\n"
		"worst_name; tolerance; tensors, the error of each; num_items, where FILE's sums\n"
		"are divided by a number of labels that is not their own.\n\n"
		"Example: are the gradients still right?\n"
		"  vita train -s llm.model=DIR -s train.stage=finetune --check FILE.safetensors\n",
};
