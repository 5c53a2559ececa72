/* SPDX-License-Identifier: MIT
 *
 * Options, errors and opening, for all verbs.
 */
#include "common.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- errors and messages -------------------------------------------------------------------------- */

static int is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

const char *quotable(char *out, size_t size, const char *text)
{
	size_t n = 0;
	for (; text[n] && n + 1 < size; n++) out[n] = is_control(text[n]) ? '?' : text[n];
	out[n] = '\0';
	return out;
}

/* A message is one line, whatever the names in it are. */
static void print_message(const char *format, va_list args)
{
	char text[2048], line[sizeof text];
	(void)vsnprintf(text, sizeof text, format, args);
	(void)fputs(quotable(line, sizeof line, text), stderr);
}

int cli_usage(struct cli *cli, const char *format, ...)
{
	va_list args;
	progress_clear();
	va_start(args, format);
	(void)fprintf(stderr, "vita %s: ", cli->verb->name);
	print_message(format, args);
	(void)fprintf(stderr, " (see: vita %s --help)\n", cli->verb->name);
	va_end(args);
	return EXIT_USAGE;
}

int cli_fail(struct cli *cli, vita_status status)
{
	progress_clear();
	if (cli->err.message[0] == '\0')
		(void)vita_fail(&cli->err, status, "the work failed with status %d", (int)status);
	char line[sizeof cli->err.message];
	(void)fprintf(stderr, "vita: %s\n", quotable(line, sizeof line, cli->err.message));
	return status == VITA_E_CONFIG ? EXIT_USAGE : EXIT_FAILED;
}

void cli_note(const struct cli *cli, const char *format, ...)
{
	va_list args;
	if (cli->verbosity < 0) return;
	progress_clear();
	va_start(args, format);
	(void)fputs("vita: ", stderr);
	print_message(format, args);
	(void)fputc('\n', stderr);
	va_end(args);
}

/* ---- options -------------------------------------------------------------------------------------- */

static const struct option common_options[] = {
	{ "config", required_argument, NULL, 'c' }, { "set", required_argument, NULL, 's' },
	{ "output", required_argument, NULL, 'o' }, { "json", no_argument, NULL, 'j' },
	{ "verbose", no_argument, NULL, 'v' },      { "quiet", no_argument, NULL, 'q' },
	{ "help", no_argument, NULL, 'h' },
};
#define N_COMMON (sizeof common_options / sizeof *common_options)
#define MAX_OWN 16

static int stop(struct cli *cli, int exit_code)
{
	cli->exit_code = exit_code;
	return CLI_STOP;
}

static int print_help(struct cli *cli)
{
	(void)printf("%s\n\n%s", cli->verb->summary, cli->verb->help);
	(void)printf("\nEvery verb takes:\n"
	             "  -c, --config FILE          read this INI file, - being standard input;\n"
	             "                             vita.ini(5) names the keys\n"
	             "  -s, --set SECTION.KEY=VAL  override one key; may be repeated\n"
	             "      --json                 print one JSON document instead of text\n"
	             "  -v, --verbose              tell more on stderr (-vv: everything); -q, --quiet: less\n"
	             "  -h, --help                 show this\n");
	return stop(cli, EXIT_DONE);
}

static int add(struct cli *cli, const char **list, uint32_t *n, uint32_t most, const char *what)
{
	if (*n == most) return stop(cli, cli_usage(cli, "more than %u times %s", (unsigned)most, what));
	list[(*n)++] = optarg;
	return 0;
}

/* One of the common options; 0 or CLI_STOP. */
static int take_common(struct cli *cli, int option)
{
	switch (option) {
	case 'c': return add(cli, cli->files, &cli->n_files, CLI_MAX_FILES, "-c");
	case 's': return add(cli, cli->settings, &cli->n_settings, CLI_MAX_SETTINGS, "-s");
	case 'o':
		if (!cli->verb->has_output) return stop(cli, cli_usage(cli, "-o means nothing here"));
		cli->output = optarg;
		return 0;
	case 'j': cli->json = 1; return 0;
	case 'v': cli->verbosity++; return 0;
	case 'q': cli->verbosity = -1; return 0;
	default: return print_help(cli);
	}
}

/* How many of these names are "-"? */
static int count_dashes(const char *const *names, uint32_t n)
{
	int count = 0;
	for (uint32_t i = 0; i < n; i++) count += strcmp(names[i], "-") == 0;
	return count;
}

/* Standard input can be read once, as a config or as what the verb works on. */
static int check_stdin(struct cli *cli, int argc, char **argv)
{
	const int configs = count_dashes(cli->files, cli->n_files);
	const int all = configs + count_dashes((const char *const *)argv + optind, (uint32_t)(argc - optind));
	if (configs == 0 || all < 2) return CLI_DONE;
	return stop(cli, cli_usage(cli, "%s", "standard input is the config after -c -, and cannot be read a second time"));
}

static const char *option_name(char **argv, char *buffer, size_t size)
{
	/* A short option in the middle of a word is only known by its letter. */
	if (optopt > 0 && optopt < 256) (void)snprintf(buffer, size, "-%c", optopt);
	else (void)snprintf(buffer, size, "%s", argv[optind - 1]);
	return buffer;
}

int cli_option(struct cli *cli, int argc, char **argv, const struct option *own)
{
	struct option all[N_COMMON + MAX_OWN + 1] = { 0 };
	char name[128];
	size_t n = N_COMMON;
	memcpy(all, common_options, sizeof common_options);
	for (; own && own->name; own++) {
		assert(n < N_COMMON + MAX_OWN);
		all[n++] = *own;
	}
	opterr = 0;
	for (;;) {
		optopt = 0;
		int option = getopt_long(argc, argv, ":c:s:o:vqh", all, NULL);
		if (option == -1) return check_stdin(cli, argc, argv);
		if (option == ':')
			return stop(cli,
			            cli_usage(cli, "%s needs a value", option_name(argv, name, sizeof name)));
		if (option == '?')
			return stop(cli, cli_usage(cli, "there is no option %s",
			                           option_name(argv, name, sizeof name)));
		if (option >= 256) return option;
		if (take_common(cli, option) == CLI_STOP) return CLI_STOP;
	}
}

int cli_integer(struct cli *cli, const char *option, const char *text, int64_t min, int64_t max, int64_t *out)
{
	char *end;
	errno = 0;
	long long value = strtoll(text, &end, 10);
	*out = value;
	if (end != text && *end == '\0' && errno == 0 && value >= min && value <= max) return 1;
	cli->exit_code = cli_usage(cli, "%s takes a whole number from %lld to %lld, not \"%s\"", option,
	                           (long long)min, (long long)max, text);
	return 0;
}

/* ---- opening -------------------------------------------------------------------------------------- */

static void log_line(void *user, uint32_t level, const char *topic, const char *text)
{
	static const char *const names[] = { "error", "warning", "info", "debug" };
	(void)user;
	progress_clear();
	(void)fprintf(stderr, "vita: %s: %s: %s\n", names[level < 4 ? level : 3], topic, text);
}

/* Whatever is wrong with a config is wrong usage, a file that is not there as well. */
static vita_status as_usage(vita_status status)
{
	return status == VITA_OK || status == VITA_E_NOMEM ? status : VITA_E_CONFIG;
}

vita_status cli_read_config(struct cli *cli)
{
	if (cli->config) return VITA_OK;
	vita_status status = vita_config_create(&cli->config, &cli->err);
	for (uint32_t i = 0; i < cli->n_files && status == VITA_OK; i++)
		status = vita_config_read(cli->config, cli->files[i], &cli->err);
	for (uint32_t i = 0; i < cli->n_settings && status == VITA_OK; i++)
		status = vita_config_set(cli->config, cli->settings[i], &cli->err);
	if (status == VITA_OK && cli->verbosity != 0) {
		const char *level = cli->verbosity < 0    ? "vita.log=error"
		                    : cli->verbosity == 1 ? "vita.log=info"
		                                          : "vita.log=debug";
		status = vita_config_set(cli->config, level, &cli->err);
	}
	return as_usage(status);
}

vita_status cli_check_config(struct cli *cli)
{
	return cli->n_files + cli->n_settings > 0 ? cli_open_context(cli) : VITA_OK;
}

vita_status cli_open_context(struct cli *cli)
{
	vita_status status = cli_read_config(cli);
	if (status == VITA_OK)
		status = vita_context_create(cli->config, log_line, NULL, &cli->context, &cli->err);
	return as_usage(status);
}

vita_status cli_open_engine(struct cli *cli, uint32_t parts)
{
	vita_status status = cli_open_context(cli);
	if (status != VITA_OK) return status;
	status = vita_engine_open(cli->context, parts, &cli->engine, &cli->err);
	if (status != VITA_OK) return status;
	VITA_INIT(&cli->info);
	vita_engine_describe(cli->engine, &cli->info);
	if (cli->info.notice[0]) cli_note(cli, "%s", cli->info.notice);
	return VITA_OK;
}

void cli_close(struct cli *cli)
{
	progress_clear();
	vita_engine_close(cli->engine);
	vita_context_destroy(cli->context);
	vita_config_destroy(cli->config);
	cli->engine = NULL;
	cli->context = NULL;
	cli->config = NULL;
}

/* ---- outputs -------------------------------------------------------------------------------------- */

int cli_check_name(struct cli *cli, const char *what, const char *name)
{
	if (strcmp(name, "-") != 0) return EXIT_DONE;
	return cli_usage(cli, "%s needs a name: only sound and drawings go to standard output (./- is a file called -)", what);
}

/* A device or pipe is left alone: who reads it would see it opened and closed. */
vita_status cli_check_output(struct cli *cli, const char *path)
{
	struct stat there;
	vita_file *file;
	if (stat(path, &there) == 0 && !S_ISREG(there.st_mode) && !S_ISDIR(there.st_mode)) return VITA_OK;
	vita_status status = vita_file_create(path, &file, &cli->err);
	if (status == VITA_OK) vita_file_discard(file);
	return status;
}

/* ---- results -------------------------------------------------------------------------------------- */

int cli_print_json(struct cli *cli, json_t *document)
{
	if (!document)
		return cli_fail(cli, vita_fail(&cli->err, VITA_E_NOMEM, "no memory for the JSON document"));
	/* What cannot be written, main finds when it flushes. */
	(void)json_dumpf(document, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
	(void)putchar('\n');
	json_decref(document);
	return EXIT_DONE;
}

json_t *json_ids(const int32_t *ids, uint64_t n)
{
	json_t *list = json_array();
	for (uint64_t i = 0; i < n; i++) (void)json_array_append_new(list, json_integer(ids[i]));
	return list;
}

vita_status cli_flush(vita_error *err)
{
	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout)) return VITA_OK;
	return vita_fail(err, VITA_E_IO, "standard output: cannot be written: %s", strerror(errno ? errno : EIO));
}

/* The length of the UTF-8 character that text begins with; 0 where it begins with none. */
static size_t character_size(const char *text, size_t size)
{
	for (size_t n = 1; n <= 4 && n <= size; n++) {
		json_t *one = json_stringn(text, n);
		json_decref(one);
		if (one) return n;
	}
	return 0;
}

json_t *json_textn(const char *text, size_t size)
{
	static const char instead[] = "\357\277\275";
	json_t *string = json_stringn(text ? text : "", text ? size : 0);
	if (string || size > SIZE_MAX / 3) return string;
	char *valid = malloc(3 * size + 1);
	size_t n = 0;
	for (size_t i = 0; valid && i < size;) {
		size_t length = character_size(text + i, size - i);
		memcpy(valid + n, length ? text + i : instead, length ? length : 3);
		n += length ? length : 3;
		i += length ? length : 1;
	}
	string = valid ? json_stringn(valid, n) : NULL;
	free(valid);
	return string;
}

json_t *json_text(const char *text)
{
	return json_textn(text, text ? strlen(text) : 0);
}

json_t *json_ms(double ms)
{
	return ms < 0 ? json_null() : json_real(ms);
}

json_t *json_counts(const vita_turn_result *result)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}",
		"prompt", (json_int_t)result->n_prompt,
		"answer", (json_int_t)result->n_tokens,
		"audio", (json_int_t)result->n_audio_tokens,
		"main_passes", (json_int_t)result->n_main,
		"proposed", (json_int_t)result->n_proposed,
		"accepted", (json_int_t)result->n_accepted);
}

vita_status cli_check_room(struct cli *cli, const vita_turn_result *result)
{
	const uint64_t context = cli->info.llm_info->context;
	if (result->stop != VITA_STOP_LENGTH || result->n_tokens >= result->max_tokens) return VITA_OK;
	if (result->n_prompt + result->n_tokens < context) return VITA_OK;
	if (result->n_tokens == 0)
		return vita_fail(&cli->err, VITA_E_NOMEM,
		                 "the prompt has all the %llu tokens that the context holds ([llm] context), which leaves "
		                 "none for an answer",
		                 (unsigned long long)context);
	cli_note(cli, "the answer ends here because the context holds %llu tokens ([llm] context)",
	         (unsigned long long)context);
	return VITA_OK;
}

void print_text(const char *text, uint64_t size)
{
	int terminal = isatty(STDOUT_FILENO);
	for (uint64_t i = 0; i < size; i++) {
		int control = is_control(text[i]) && text[i] != '\n' && text[i] != '\t';
		(void)putchar(control && terminal ? '?' : text[i]);
	}
	(void)fflush(stdout);
}

char *read_stdin(struct cli *cli, uint64_t *size)
{
	size_t capacity = 65536, n = 0;
	if (count_dashes(cli->files, cli->n_files) > 0) {
		(void)vita_fail(&cli->err, VITA_E_CONFIG,
		                "standard input is the config after -c -: write the text as an argument");
		return NULL;
	}
	char *text = malloc(capacity);
	while (text) {
		n += fread(text + n, 1, capacity - n - 1, stdin);
		if (n + 1 < capacity) break;
		char *larger = capacity <= SIZE_MAX / 2 ? realloc(text, capacity *= 2) : NULL;
		if (!larger) free(text);
		text = larger;
	}
	if (!text) (void)vita_fail(&cli->err, VITA_E_NOMEM, "standard input: out of memory");
	else if (ferror(stdin)) {
		(void)vita_fail(&cli->err, VITA_E_IO, "standard input: cannot be read: %s", strerror(errno));
		free(text);
		return NULL;
	}
	if (text) text[n] = '\0';
	*size = n;
	return text;
}
