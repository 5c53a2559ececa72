/* SPDX-License-Identifier: MIT
 *
 * vita plot: the log of a training run as a drawing.
 */
#include "plot.h"
#include "svg.h"

#include <stdlib.h>
#include <sys/stat.h>

/* "runs/stage1/log.jsonl" as "stage1": what tells logs apart is mostly their folder. */
static void short_name(const char *path, char *out, size_t size)
{
	const char *file = strrchr(path, '/'), *begin = file ? file + 1 : path;
	size_t n = strcspn(begin, ".");
	if (file && file > path && strncmp(begin, "log.", 4) == 0) {
		const char *end = file;
		for (begin = file; begin > path && begin[-1] != '/';)
			begin--;
		n = (size_t)(end - begin);
	}
	(void)snprintf(out, size, "%.*s ", (int)(n < 24 ? n : 24), begin);
}

static int print_result(struct cli *cli, const struct plot *plot)
{
	if (!cli->json) {
		if (plot->n_skipped > 0)
			cli_note(cli, "%llu of %llu lines were passed over: no JSON objects with a step",
				 (unsigned long long)plot->n_skipped, (unsigned long long)plot->n_lines);
		return EXIT_DONE;
	}
	json_t *list = json_array();
	for (size_t i = 0; i < plot->n_series; i++) {
		const struct plot_series *s = &plot->series[i];
		double least = s->y[0];
		for (size_t k = 1; k < s->n; k++)
			if (s->y[k] < least) least = s->y[k];
		(void)json_array_append_new(list, json_pack("{s:o, s:I, s:f, s:f}", "name", json_text(s->name), "points",
							    (json_int_t)s->n, "least", least, "last",
							    s->y[s->n - 1]));
	}
	return cli_print_json(cli,
			      json_pack("{s:o, s:I, s:I}", "series", list, "lines", (json_int_t)plot->n_lines,
					"skipped", (json_int_t)plot->n_skipped));
}

/* Logs take hours to come by. */
static int check_overwritten(struct cli *cli, char **paths, int n)
{
	struct stat output, log;
	if (strcmp(cli->output, "-") == 0 || stat(cli->output, &output) != 0) return EXIT_DONE;
	for (int i = 0; i < n; i++)
		if (strcmp(paths[i], "-") != 0 && stat(paths[i], &log) == 0 && log.st_ino == output.st_ino &&
		    log.st_dev == output.st_dev && S_ISREG(log.st_mode))
			return cli_usage(cli, "-o %s: the drawing would replace a log that it is drawn from", cli->output);
	return EXIT_DONE;
}

static int plot_logs(struct cli *cli, struct plot *plot, char **paths, int n)
{
	char title[256] = "Training", prefix[32] = "";
	vita_status status = VITA_OK;
	for (int i = 0; i < n && status == VITA_OK; i++) {
		if (n > 1) short_name(paths[i], prefix, sizeof prefix);
		status = plot_read(plot, paths[i], prefix, &cli->err);
	}
	if (n == 1 && strcmp(paths[0], "-") != 0) (void)snprintf(title, sizeof title, "%.200s", paths[0]);
	if (status == VITA_OK) status = plot_draw(plot, title, cli->output, &cli->err);
	return status == VITA_OK ? print_result(cli, plot) : cli_fail(cli, status);
}

static int run(struct cli *cli, int argc, char **argv)
{
	static const struct option own[] = {{0}};
	int option;
	while ((option = cli_option(cli, argc, argv, own)) > 0) {
	}
	if (option == CLI_STOP) return cli->exit_code;
	if (optind == argc) return cli_usage(cli, "name the log of a training run");
	if (!cli->output) return cli_usage(cli, "-o FILE.svg is needed: where the drawing goes");
	if (svg_check_output(cli) != EXIT_DONE || check_overwritten(cli, argv + optind, argc - optind) != EXIT_DONE)
		return EXIT_USAGE;
	vita_status status = cli_check_config(cli);
	if (status != VITA_OK) return cli_fail(cli, status);
	struct plot *plot = calloc(1, sizeof *plot);
	if (!plot) return cli_fail(cli, vita_fail(&cli->err, VITA_E_NOMEM, "out of memory"));
	int exit_code = plot_logs(cli, plot, argv + optind, argc - optind);
	plot_free(plot);
	free(plot);
	return exit_code;
}

const struct verb verb_plot = {
	.name = "plot",
	.summary = "Draw how training went",
	.run = run,
	.has_output = 1,
	.help = "Usage: vita plot LOG... -o FILE.svg\n\n"
		"LOG is what vita train --json prints and keeps: a JSON object a line, with step.\n"
		"- is standard input, and after -o standard output. Losses of the model and its\n"
		"heads, held-out ones (dashed), learning rate, norm of the gradient and speed are\n"
		"drawn over the steps. Several logs go into one drawing. Long lines are smoothed;\n"
		"the faint ones behind them are the numbers themselves. Beside each name stands\n"
		"its last number.\n\n"
		"JSON: series, a list of name, points, least and last; lines and skipped, those\n"
		"of the logs, and of them those that could not be read.\n\n"
		"Example: four stages in one drawing\n"
		"  vita plot runs/stage*/log.jsonl -o loss.svg\n",
};
