/* SPDX-License-Identifier: MIT
 *
 * What the verbs share: options, errors, the engine, signals, progress, JSON.
 *
 * Results go to stdout and everything else to stderr. Exit codes: 0 done, 1 the work failed, 2 wrong
 * usage or config; a program stopped by a signal ends by that signal.
 */
#ifndef APPS_VITA_COMMON_H
#define APPS_VITA_COMMON_H

#include <vita/vita.h>

#include <getopt.h>
#include <jansson.h>

#define EXIT_DONE 0
#define EXIT_FAILED 1
#define EXIT_USAGE 2

struct cli;

struct verb {
	const char *name;
	const char *summary; /* for the list of verbs */
	const char *help;    /* for --help: from the synopsis to the example */
	int has_output;      /* takes -o */
	int (*run)(struct cli *cli, int argc, char **argv);
};

#define CLI_MAX_FILES 8
#define CLI_MAX_SETTINGS 64

/* What the command line said, and what was opened for it. */
struct cli {
	const struct verb *verb;
	const char *files[CLI_MAX_FILES];       /* -c */
	const char *settings[CLI_MAX_SETTINGS]; /* -s */
	uint32_t n_files, n_settings;
	const char *output; /* -o; NULL where not given */
	int json;
	int verbosity; /* -q: -1, -v: 1, 2 */
	int exit_code; /* after CLI_STOP */
	vita_config *config;
	vita_context *context;
	vita_engine *engine;
	vita_engine_info info; /* of engine */
	vita_error err;
};

/* ---- options ---- */

#define CLI_DONE (-1)
#define CLI_STOP (-2)

/* The next of the verb's own options (its val, with optarg set); the common ones are dealt with inside.
 * CLI_DONE: no more, optind is at the first operand. CLI_STOP: return cli->exit_code now. */
int cli_option(struct cli *cli, int argc, char **argv, const struct option *own);

/* A whole number of an option; 0 and a message where it is not one from min to max. */
int cli_integer(struct cli *cli, const char *option, const char *text, int64_t min, int64_t max,
                int64_t *out);

/* ---- errors and messages; each prints one line "vita: …" on stderr ---- */

/* text with ? for each control character, in out [size], which is returned. For what files, and not their reader,
 * say. */
const char *quotable(char *out, size_t size, const char *text);

VITA_PRINTF(2, 3) int cli_usage(struct cli *cli, const char *format, ...); /* gives EXIT_USAGE */
int cli_fail(struct cli *cli, vita_status status); /* tells cli->err, gives the exit code */
VITA_PRINTF(2, 3) void cli_note(const struct cli *cli, const char *format, ...);

/* May an output be called that? What holds tensors, and what is a folder, needs a name: "-" says standard output of sound and
 * drawings alone. EXIT_DONE or EXIT_USAGE. */
int cli_check_name(struct cli *cli, const char *what, const char *name);

/* Could a file of that name be written? What the work would find only at its end. An error in cli->err. */
vita_status cli_check_output(struct cli *cli, const char *path);

/* ---- opening ---- */

/* Each gives OK or a status with cli->err filled. cli_close closes what was opened. */
vita_status cli_read_config(struct cli *cli); /* -c and -s; once */
vita_status cli_check_config(struct cli *cli); /* for verbs that need none: is what was given right? */
vita_status cli_open_context(struct cli *cli);
vita_status cli_open_engine(struct cli *cli, uint32_t parts);
void cli_close(struct cli *cli);

/* ---- signals ---- */

/* SIGINT, SIGTERM and SIGHUP set this flag, and the verb is to come to its end; a second one, or two
 * seconds, end the process at once. Unfinished output files are removed either way. */
extern vita_cancel *cli_cancel;
int cli_start_signals(void);
/* From now on only a second signal ends the process at once: the end of the work is worth waiting for. */
void cli_wait_for_end(void);
int cli_end_by_signal(int exit_code); /* the process's exit code, unless a signal ends it */

/* ---- progress, on a terminal only ---- */

void progress_enable(const struct cli *cli);
void progress_show(const char *what, uint64_t done, uint64_t total);
void progress_clear(void);

/* ---- results ---- */

/* Print and release a document. */
int cli_print_json(struct cli *cli, json_t *document);
json_t *json_ids(const int32_t *ids, uint64_t n);
/* A string of any bytes, as a path, a model or somebody's plugin may hold them: each that is no part of UTF-8 becomes
 * U+FFFD. NULL text is the empty string. */
json_t *json_text(const char *text);
json_t *json_textn(const char *text, size_t size);
json_t *json_counts(const vita_turn_result *result); /* of tokens, and what became of the heads' */
json_t *json_ms(double ms); /* null where negative: it did not happen */

/* Show what was printed so far. E_IO where standard output takes no more: work whose result goes there may end. */
vita_status cli_flush(vita_error *err);

/* An answer that ended because the context was full, and not because it is as long as was asked for, is told; one that had
 * no room at all has failed. */
vita_status cli_check_room(struct cli *cli, const vita_turn_result *result);

/* Text as it comes. On a terminal control characters, which a model may make up, are shown as ?. */
void print_text(const char *text, uint64_t size);

/* All of standard input, NUL-terminated; free it. NULL and cli->err on failure. */
char *read_stdin(struct cli *cli, uint64_t *size);

extern const struct verb verb_run, verb_generate, verb_encode, verb_decode, verb_tokenize, verb_detokenize,
	verb_asr, verb_tts, verb_plugins, verb_info, verb_convert, verb_init, verb_bench,
	verb_probe, verb_train, verb_plot;

#endif
