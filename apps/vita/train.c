/* SPDX-License-Identifier: MIT
 *
 * vita train: one training stage, or its losses and gradients against those in a file.
 */
#include "common.h"
#include "train_mpi.h"

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

/* ---- training --------------------------------------------------------------------------------------- */

static void take_note(void *user, const char *text)
{
	progress_clear();
	cli_note(user, "%s", text);
}

static void print_losses(const vita_train_report *r)
{
	(void)printf("step %lld%s  loss %.4f  main %.4f", (long long)r->step, r->evaluation ? " held out" : "", r->loss,
	             r->main_ce);
	if (r->n_heads > 0) (void)printf("  heads %.4f … %.4f", r->head_ce[0], r->head_ce[r->n_heads - 1]);
	if (!r->evaluation)
		(void)printf("  rate %.2e  norm %.3f  %.0f tokens/s", r->learning_rate, r->gradient_norm, r->tokens_per_second);
	(void)printf("\n");
}

static void take_report(void *user, const vita_train_report *report)
{
	const struct cli *cli = user;
	progress_clear();
	if (cli->json) (void)printf("%s\n", report->json);
	else print_losses(report);
	(void)fflush(stdout);
	progress_show("training", (uint64_t)report->step, (uint64_t)report->steps);
}

static int train(struct cli *cli, vita_trainer *trainer)
{
	vita_trainer_info info;
	vita_train_events events;
	VITA_INIT(&info);
	VITA_INIT(&events);
	events.user = cli;
	events.report = take_report;
	events.note = take_note;
	const vita_train_group *group = mpi_join();
	vita_trainer_join(trainer, group);
	vita_trainer_describe(trainer, &info);
	const uint32_t n = group ? group->size : 1;
	if (!group || group->rank == 0)
		cli_note(cli, "stage %s: %.2f M of %.2f M parameters, %u head%s, on %s, %u process%s", info.stage,
		         (double)info.n_trained / 1e6, (double)info.n_parameters / 1e6, info.n_heads,
		         info.n_heads == 1 ? "" : "s", info.backend, n, n == 1 ? "" : "es");
	progress_enable(cli);
	cli_wait_for_end();
	vita_status status = vita_trainer_run(trainer, &events, cli_cancel, &cli->err);
	progress_clear();
	int exit_code = status == VITA_OK ? EXIT_DONE : cli_fail(cli, status);
	/* Members that were cancelled end together. */
	mpi_leave(exit_code != EXIT_DONE && status != VITA_E_CANCELLED);
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
	vita_trainer *trainer = NULL;
	vita_status status = cli_open_context(cli);
	if (status == VITA_OK) status = vita_trainer_open(cli->context, &trainer, &cli->err);
	if (status != VITA_OK) return cli_fail(cli, status);
	int exit_code = file ? check(cli, trainer, file) : train(cli, trainer);
	vita_trainer_close(trainer);
	return exit_code;
}

const struct verb verb_train = {
	.name = "train",
	.summary = "Train a model: one of the four stages",
	.run = run,
	.help = "Usage: vita train -c CFG\n"
		"       vita train -c CFG --check FILE\n\n"
		"Trains the model of [train] init on [train] data, for [train] steps, and leaves\n"
		"it in [train] output: a Hugging Face directory, with a log.jsonl. [train] stage\n"
		"says what is trained:\n\n"
		"  alignment   the language model, on speech and text\n"
		"  one-head    a first head, on the frozen model, started from its last layer\n"
		"  heads       all heads ([heads] count), each started from the one before it\n"
		"  finetune    everything, heads at a learning rate of their own\n\n"
		"Where a run was stopped, -s train.resume=yes goes on with its newest checkpoint\n"
		"and ends with the same weights. Ctrl-C saves first. Under mpirun -np N each of N\n"
		"processes takes a share of every step, which then has N times [train] accumulate\n"
		"sequences. vita.ini(5) has all keys;\n"
		"configs/train-*.ini are examples.\n\n"
		"      --check FILE           instead, compare with the loss, main_ce, mtp_ce and\n"
		"                             grad.NAME in FILE, for the input_ids, position_ids\n"
		"                             and labels in it; or, where it has losses, with\n"
		"                             several steps of AdamW and after.NAME\n\n"
		"JSON: a line a report: step, loss, main_ce, mtp_ce (a number a head),\n"
		"learning_rate, grad_norm, tokens, tokens_per_second, seconds; or of held-out\n"
		"data eval_loss, eval_main_ce, eval_mtp_ce. With --check: ok; worst, the largest\n"
		"error relative to its tensor's largest value; worst_name; tolerance; tensors,\n"
		"the error of each; num_items, where FILE's sums are divided by a number of\n"
		"labels that is not their own.\n\n"
		"Example: a model from nothing, then trained\n"
		"  vita init nano model\n"
		"  vita train -s train.stage=alignment -s train.init=model -s train.data=a.jsonl \\\n"
		"    -s train.output=trained -s train.steps=1000 -s train.max_length=1024\n",
};
