/* SPDX-License-Identifier: MIT
 *
 * vita - speech language models on the command line. One file a verb; this one finds the verb.
 */
#include "common.h"

static const struct verb *const verbs[] = {
	&verb_run,      &verb_asr,        &verb_tts,     &verb_generate, &verb_encode, &verb_decode,
	&verb_tokenize, &verb_detokenize, &verb_plugins, &verb_info, &verb_convert, &verb_init,
	&verb_bench,    &verb_probe,      &verb_train,    &verb_plot,
};
#define N_VERBS (sizeof verbs / sizeof *verbs)

static void print_verbs(FILE *to)
{
	(void)fprintf(
		to,
		"vita - speech language models that answer at once\n\nUsage: vita VERB [options] ...\n\n");
	for (size_t i = 0; i < N_VERBS; i++)
		(void)fprintf(to, "  %-11s %s\n", verbs[i]->name, verbs[i]->summary);
	(void)fprintf(to, "\n  vita VERB --help explains one; vita --version says which vita this is.\n\n"
	                  "Example: vita run -c configs/nano.ini question.wav -o answer.wav\n");
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < N_VERBS; i++)
		if (strcmp(verbs[i]->name, name) == 0) return verbs[i];
	return NULL;
}

static int run_verb(const struct verb *verb, int argc, char **argv)
{
	struct cli cli = { .verb = verb };
	vita_error flushed;
	VITA_INIT(&cli.err);
	VITA_INIT(&flushed);
	if (!cli_start_signals()) return cli_fail(&cli, vita_fail(&cli.err, VITA_E_NOMEM, "out of memory"));
	int exit_code = verb->run(&cli, argc, argv);
	cli_close(&cli);
	if (cli_flush(&flushed) != VITA_OK && exit_code == EXIT_DONE) {
		cli.err = flushed;
		exit_code = cli_fail(&cli, VITA_E_IO);
	}
	return cli_end_by_signal(exit_code);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	const struct verb *verb = find_verb(name);
	if (verb) return run_verb(verb, argc - 1, argv + 1);
	if (strcmp(name, "--version") == 0) {
		(void)printf("vita %s\n", vita_version());
		return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
	}
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
		static char help[] = "--help";
		verb = argc > 2 ? find_verb(argv[2]) : NULL;
		if (verb) return run_verb(verb, 2, (char *[]) { argv[2], help, NULL });
		print_verbs(stdout);
		return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
	}
	char quoted[80];
	if (argc > 1)
		(void)fprintf(stderr, "vita: there is no verb \"%s\" (see: vita --help)\n",
		              quotable(quoted, sizeof quoted, name));
	else print_verbs(stderr);
	return EXIT_USAGE;
}
