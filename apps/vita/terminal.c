/* SPDX-License-Identifier: MIT
 *
 * The person at the terminal: Ctrl-C, and a bar for long work.
 */
#include "common.h"

#include <vita/file.h>

#include <signal.h>
#include <time.h>
#include <unistd.h>

/* ---- signals -------------------------------------------------------------------------------------- */

#define PATIENCE_S 2

vita_cancel *cli_cancel;
static volatile sig_atomic_t caught, patient;

static void end_by(int number)
{
	(void)signal(number, SIG_DFL);
	(void)raise(number);
}

/* Everything here is async-signal-safe. */
static void on_signal(int number)
{
	if (caught == 0 && number != SIGALRM) {
		caught = number;
		vita_cancel_request(cli_cancel);
		if (!patient) (void)alarm(PATIENCE_S);
		return;
	}
	vita_files_abandon();
	end_by(caught);
}

int cli_start_signals(void)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGALRM };
	cli_cancel = vita_cancel_create();
	if (!cli_cancel) return 0;
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		struct sigaction action = { .sa_handler = on_signal }, old;
		(void)sigemptyset(&action.sa_mask);
		/* A shell's background jobs ignore SIGINT, and nohup SIGHUP: that stays. */
		if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler == SIG_IGN) continue;
		(void)sigaction(numbers[i], &action, NULL);
	}
	/* A reader that went away and a limit of file size are errors of the write, so that output files are
	 * tidied up. */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
	return 1;
}

void cli_wait_for_end(void)
{
	patient = 1;
}

int cli_end_by_signal(int exit_code)
{
	vita_cancel_destroy(cli_cancel);
	if (caught == 0 || exit_code == EXIT_DONE) return exit_code;
	vita_files_abandon();
	end_by(caught);
	return exit_code;
}

/* ---- progress ------------------------------------------------------------------------------------- */

#define BAR_WIDTH 32
#define INTERVAL_NS 100000000

static int enabled, shown;
static struct timespec last;

void progress_enable(const struct cli *cli)
{
	enabled = cli->verbosity >= 0 && isatty(STDERR_FILENO);
}

void progress_show(const char *what, uint64_t done, uint64_t total)
{
	static const char full[] = "################################",
			  empty[] = "................................";
	struct timespec now;
	if (!enabled || total == 0) return;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	int64_t since = (int64_t)(now.tv_sec - last.tv_sec) * 1000000000 + now.tv_nsec - last.tv_nsec;
	if (shown && since < INTERVAL_NS) return;
	last = now;
	shown = 1;
	if (done > total) done = total;
	int n = (int)((double)done / (double)total * BAR_WIDTH);
	(void)fprintf(stderr, "\r%s [%.*s%.*s] %3d %%", what, n, full, BAR_WIDTH - n, empty,
	              (int)((double)done / (double)total * 100));
	(void)fflush(stderr);
}

void progress_clear(void)
{
	if (!shown) return;
	shown = 0;
	(void)fputs("\r\033[K", stderr);
	(void)fflush(stderr);
}
