/* SPDX-License-Identifier: MIT
 *
 * vita bench: how fast every stage is, each figure beside the lower of the machine's roofs.
 *
 * Each figure is the median of several runs after one that does not count. Roofs are measured in the same
 * run, since machines are shared and their speed drifts.
 */
#include "bench.h"

#include <math.h>
#include <stdlib.h>
#include <sys/resource.h>

enum {
	OPTION_SYNTHETIC = 256,
	OPTION_RUNS,
	OPTION_PROMPT,
	OPTION_TOKENS,
	OPTION_SECONDS,
	OPTION_COMPARE,
	OPTION_SAVE,
	OPTION_QUALITY,
	OPTION_AGAINST,
	OPTION_TURNS
};
#define PROMPT_TOKENS 512
#define ANSWER_TOKENS 128
#define TURN_PROMPT 32 /* of one turn of many */
#define TURN_ANSWER 64

/* ---- numbers ------------------------------------------------------------------------------------------ */

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

double bench_median(double *values, uint32_t n)
{
	qsort(values, n, sizeof *values, compare_doubles);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static double peak_rss_mb(void)
{
	struct rusage usage;
	if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
	return (double)usage.ru_maxrss / 1024;
}

static void note_peak(struct bench *b)
{
	if (!b->peak_lost) b->peak_rss_mb = fmax(b->peak_rss_mb, peak_rss_mb());
}

/* Measuring roofs takes memory that is none of the model's: the system counts the peak anew behind it, or else what was
 * noted before stays. */
static void forget_peak(struct bench *b)
{
	FILE *file = fopen("/proc/self/clear_refs", "w");
	int done = file && fputs("5", file) >= 0; /* proc(5) */
	if (file && fclose(file) != 0) done = 0;
	if (!done) b->peak_lost = 1;
}

/* ---- roofs -------------------------------------------------------------------------------------------- */

/* Operations a second for weights of this type: what the fastest sound arithmetic for it could do. */
static double ops_of(const vita_roof *roof, uint32_t dtype)
{
	if (vita_dtype_block(dtype) > 1 && roof->int8_ops > 0) return roof->int8_ops;
	double ops = roof->f32_ops;
	if (dtype == VITA_BF16) ops = fmax(ops, roof->bf16_ops);
	if (dtype == VITA_BF16 || dtype == VITA_F16) ops = fmax(ops, roof->f16_ops);
	return ops;
}

static vita_status measure_roof(struct bench *b, uint32_t part, vita_roof *roof)
{
	VITA_INIT(roof);
	note_peak(b);
	vita_status status = vita_engine_roof(b->cli->engine, part, roof, &b->cli->err);
	forget_peak(b);
	return status;
}

/* The better of both in everything: what the machine could do while something ran between them. */
static vita_roof higher(const vita_roof *x, const vita_roof *y)
{
	vita_roof out = *x;
	out.read_bytes = fmax(x->read_bytes, y->read_bytes);
	out.copy_bytes = fmax(x->copy_bytes, y->copy_bytes);
	out.f32_ops = fmax(x->f32_ops, y->f32_ops);
	out.bf16_ops = fmax(x->bf16_ops, y->bf16_ops);
	out.f16_ops = fmax(x->f16_ops, y->f16_ops);
	out.int8_ops = fmax(x->int8_ops, y->int8_ops);
	return out;
}

static double slower(double bytes, double read_bytes, double macs, double ops)
{
	double memory = read_bytes > 0 ? bytes / read_bytes : 0, arithmetic = ops > 0 ? 2 * macs / ops : 0;
	return memory > arithmetic ? memory : arithmetic;
}

/* Least seconds for one pass of `rows` rows, with one row of logits. */
static double pass_seconds(const struct bench *b, const vita_roof *roof, double rows)
{
	const vita_llm_info *llm = b->cli->info.llm_info;
	double ops = ops_of(roof, llm->weight_dtype);
	return slower((double)llm->pass_bytes, roof->read_bytes, rows * (double)llm->row_macs, ops) +
	       slower((double)llm->output_bytes, roof->read_bytes, (double)llm->output_macs, ops);
}

/* Of the output matrix only the rows that heads may propose. */
static double head_seconds(const struct bench *b, const vita_roof *roof, double rows)
{
	const vita_llm_info *llm = b->cli->info.llm_info;
	const vita_head_info *head = b->cli->info.head_info;
	double ops = ops_of(roof, llm->weight_dtype);
	double share = llm->vocab_size > 0 ? (double)b->cli->info.head_rows / llm->vocab_size : 1;
	return slower((double)head->pass_bytes, roof->read_bytes, rows * (double)head->row_macs, ops) +
	       slower(share * (double)llm->output_bytes, roof->read_bytes, share * (double)llm->output_macs, ops);
}

static int roof_known(const struct bench *b, const vita_roof *roof)
{
	return roof->read_bytes > 0 && b->cli->info.llm_info->pass_bytes > 0;
}

/* Tokens a second at the roof of a cycle of main_steps main passes and head_steps head steps. */
static double cycle_roof(const struct bench *b, const vita_roof *roof, uint32_t main_steps, uint32_t head_steps)
{
	uint32_t n = main_steps + head_steps;
	if (!roof_known(b, roof)) return 0;
	double seconds = pass_seconds(b, roof, head_steps + 1) + (main_steps - 1) * pass_seconds(b, roof, 1);
	for (uint32_t k = 0; k < head_steps; k++) seconds += head_seconds(b, roof, n);
	return n / seconds;
}

/* ---- turns -------------------------------------------------------------------------------------------- */

/* Ids that are the same in every run and machine. */
static void fill_ids(const struct bench *b, int32_t *ids, uint32_t n)
{
	uint32_t x = 12345;
	for (uint32_t i = 0; i < n; i++) {
		x = x * 1664525u + 1013904223u;
		ids[i] = (int32_t)((x >> 8) % b->cli->info.llm_info->vocab_size);
	}
}

vita_status bench_turn(struct bench *b, uint32_t n_prompt, uint32_t n_tokens, const char *schedule, struct bench_turn *out)
{
	vita_turn turn;
	vita_turn_result result;
	vita_error *err = &b->cli->err;
	vita_status status = vita_conversation_reset(b->conversation, err);
	if (status != VITA_OK) return status;
	VITA_INIT(&turn);
	VITA_INIT(&result);
	turn.ids = b->ids;
	turn.n_ids = n_prompt;
	turn.max_tokens = n_tokens;
	turn.cancel = cli_cancel;
	turn.schedule = schedule;
	fill_ids(b, b->ids, n_prompt);
	status = vita_turn_run(b->conversation, &turn, &result, err);
	out->prefill_ms = result.prefill_ms;
	out->total_ms = result.total_ms;
	out->seconds = (result.total_ms - result.prefill_ms) / 1e3;
	out->n_tokens = result.n_tokens;
	return status;
}

/* The median over the runs of `value`, which is one of a turn's figures. */
typedef double figure_fn(const struct bench_turn *turn, uint32_t n_prompt);

static double prompt_rate(const struct bench_turn *turn, uint32_t n_prompt)
{
	return n_prompt / (turn->prefill_ms / 1e3);
}

static double token_rate(const struct bench_turn *turn, uint32_t n_prompt)
{
	(void)n_prompt;
	return turn->n_tokens > 1 && turn->seconds > 0 ? (double)(turn->n_tokens - 1) / turn->seconds : 0;
}

static double whole_ms(const struct bench_turn *turn, uint32_t n_prompt)
{
	(void)n_prompt;
	return turn->total_ms;
}

static vita_status measure(struct bench *b, const char *what, uint32_t n_prompt, uint32_t n_tokens, const char *schedule,
                           figure_fn *figure, double *out)
{
	double values[BENCH_MAX_RUNS];
	for (uint32_t i = 0; i <= b->runs; i++) { /* the first does not count */
		struct bench_turn t;
		progress_show(what, i, b->runs + 1);
		vita_status status = bench_turn(b, n_prompt, n_tokens, schedule, &t);
		if (status != VITA_OK) return status;
		if (i > 0) values[i - 1] = figure(&t, n_prompt);
	}
	*out = bench_median(values, b->runs);
	return VITA_OK;
}

/* ---- the measurements --------------------------------------------------------------------------------- */

/* The part that repeats for ever of each schedule. */
static const struct mode {
	const char *name;
	uint32_t main_steps, head_steps;
} modes[] = { { "vanilla", 1, 0 }, { "boost", 4, 10 }, { "balance", 4, 10 }, { "turbo", 1, 10 } };
#define N_MODES (sizeof modes / sizeof *modes)

/* roof_tps 0: not known. */
static json_t *beside_roof(double rate, double roof_tps, const vita_roof *roof)
{
	json_t *entry = json_pack("{s:f}", "tps", rate);
	if (roof_tps > 0 && entry) {
		(void)json_object_set_new(entry, "roof_tps", json_real(roof_tps));
		(void)json_object_set_new(entry, "of_roof", json_real(rate / roof_tps));
		(void)json_object_set_new(entry, "read_gbps", json_real(roof->read_bytes / 1e9));
	}
	return entry;
}

static uint32_t n_heads_of(const struct bench *b)
{
	return b->cli->info.head_info ? b->cli->info.head_info->count : 0;
}

/* Each schedule beside the better of the roofs before and behind it. */
static vita_status measure_schedules(struct bench *b)
{
	json_t *schedules = json_object();
	vita_roof before = b->roof, after;
	(void)json_object_set_new(b->report, "schedules", schedules);
	for (size_t i = 0; i < N_MODES; i++) {
		const struct mode *mode = &modes[i];
		double rate;
		if (mode->head_steps > n_heads_of(b)) continue;
		vita_status status = measure(b, mode->name, 32, b->n_tokens, mode->name, token_rate, &rate);
		if (status == VITA_OK) status = measure_roof(b, VITA_PART_LLM, &after);
		if (status != VITA_OK) return status;
		const vita_roof roof = higher(&before, &after);
		if (i == 0) (void)json_object_set_new(b->report, "decode_tps", json_real(rate));
		(void)json_object_set_new(schedules, mode->name,
		                          beside_roof(rate, cycle_roof(b, &roof, mode->main_steps, mode->head_steps), &roof));
		b->roof = higher(&b->roof, &after);
		before = after;
	}
	return VITA_OK;
}

/* Shared machines change their speed from one second to the next, so each figure stands between two measurements of the
 * roofs. The first two, which need most memory, come before any roof does. */
static vita_status measure_llm(struct bench *b)
{
	double prompt, first;
	char schedule[32];
	/* The first sound leaves when a main pass and all heads have spoken once. */
	(void)snprintf(schedule, sizeof schedule, "1,%u", (unsigned)n_heads_of(b));
	vita_status status = measure(b, "first audio", 32, 1 + n_heads_of(b), schedule, whole_ms, &first);
	if (status == VITA_OK) status = measure(b, "prompt", b->n_prompt, 1, "vanilla", prompt_rate, &prompt);
	if (status == VITA_OK) status = measure_roof(b, VITA_PART_LLM, &b->roof);
	if (status != VITA_OK) return status;
	(void)json_object_set_new(b->report, "prompt_tps", json_real(prompt));
	if (roof_known(b, &b->roof))
		(void)json_object_set_new(b->report, "prompt_of_roof",
		                          json_real(prompt * pass_seconds(b, &b->roof, b->n_prompt) / b->n_prompt));
	status = measure_schedules(b);
	if (status == VITA_OK) (void)json_object_set_new(b->report, "first_audio_ms", json_real(first));
	return status;
}

static vita_status measure_turns(struct bench *b)
{
	vita_status status = cli_open_engine(b->cli, VITA_PART_LLM | VITA_PART_HEADS);
	if (status == VITA_OK) status = bench_turns(b);
	progress_clear();
	vita_conversation_close(b->conversation);
	return status;
}

static vita_status measure_all(struct bench *b)
{
	vita_status status = cli_open_engine(b->cli, b->parts);
	if (status == VITA_OK && (b->parts & VITA_PART_LLM)) {
		status = vita_conversation_open(b->cli->engine, &b->conversation, &b->cli->err);
		if (status == VITA_OK) status = measure_llm(b);
	}
	if (status == VITA_OK && (b->parts & VITA_PART_ENCODER)) status = bench_encoder(b);
	if (status == VITA_OK && (b->parts & VITA_PART_CODEC)) status = bench_codec(b);
	if (status == VITA_OK && !(b->parts & VITA_PART_LLM))
		status = measure_roof(b, b->parts & VITA_PART_ENCODER ? VITA_PART_ENCODER : VITA_PART_CODEC, &b->roof);
	progress_clear();
	vita_conversation_close(b->conversation);
	return status;
}

/* ---- the report --------------------------------------------------------------------------------------- */

static void finish_report(struct bench *b)
{
	const vita_engine_info *info = &b->cli->info;
	json_t *r = b->report;
	note_peak(b);
	if (info->llm_info) {
		(void)json_object_set_new(r, "backend", json_text(info->llm_backend));
		(void)json_object_set_new(r, "weight_type", json_string(vita_dtype_name(info->llm_info->weight_dtype)));
		(void)json_object_set_new(r, "weight_mb", json_real((double)info->llm_info->weight_bytes / 1e6));
		if (info->head_info)
			(void)json_object_set_new(r, "head_weight_mb", json_real((double)info->head_info->weight_bytes / 1e6));
	}
	if (b->roof.read_bytes > 0) {
		(void)json_object_set_new(r, "read_gbps", json_real(b->roof.read_bytes / 1e9));
		if (b->roof.copy_bytes > 0) (void)json_object_set_new(r, "copy_gbps", json_real(b->roof.copy_bytes / 1e9));
		(void)json_object_set_new(r, "f32_gflops", json_real(b->roof.f32_ops / 1e9));
		(void)json_object_set_new(r, "bf16_gflops", json_real(b->roof.bf16_ops / 1e9));
		(void)json_object_set_new(r, "int8_gops", json_real(b->roof.int8_ops / 1e9));
		if (b->roof.f16_ops > 0) (void)json_object_set_new(r, "f16_gflops", json_real(b->roof.f16_ops / 1e9));
	}
	if (!b->n_turns) {
		(void)json_object_set_new(r, "runs", json_integer(b->runs));
		(void)json_object_set_new(r, "prompt_tokens", json_integer(b->n_prompt));
	}
	(void)json_object_set_new(r, "peak_rss_mb", json_real(b->peak_rss_mb));
}

static void print_number(const char *name, const json_t *value, const json_t *other)
{
	double x = json_number_value(value);
	(void)printf("  %-22s %12.*f", name, fabs(x) < 10 ? 3 : 1, x);
	if (json_is_number(other) && json_number_value(other) != 0)
		(void)printf("   %6.3f x", x / json_number_value(other));
	(void)putchar('\n');
}

static void print_object(const json_t *object, const json_t *other, const char *prefix)
{
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)(uintptr_t)object, key, value) {
		const json_t *theirs = other ? json_object_get(other, key) : NULL;
		char name[64];
		(void)snprintf(name, sizeof name, "%s%s", prefix, key);
		if (json_is_object(value)) {
			(void)snprintf(name, sizeof name, "%s%s ", prefix, key);
			print_object(value, theirs, name);
		} else if (json_is_number(value)) print_number(name, value, theirs);
		else if (json_is_string(value)) (void)printf("  %-22s %s\n", name, json_string_value(value));
	}
}

static int report(struct bench *b, const json_t *other)
{
	finish_report(b);
	if (b->cli->json) return cli_print_json(b->cli, json_incref(b->report));
	print_object(b->report, other, "");
	return EXIT_DONE;
}

/* ---- the verb ----------------------------------------------------------------------------------------- */

/* The section of the config that a shape belongs to: encoder, llm or codec. */
static vita_status find_section(struct bench *b, const char *shape, char *section, size_t size)
{
	char path[128];
	const char *name = "llm";
	vita_model *model;
	(void)snprintf(path, sizeof path, "synthetic:%s", shape);
	vita_status status = vita_model_open(path, VITA_MODEL_WANT_CONFIG, &model, &b->cli->err);
	if (status != VITA_OK) return status;
	(void)vita_model_get_string(model, VITA_CONFIG_MODEL, "vita_section", &name, NULL);
	(void)snprintf(section, size, "%s", name);
	vita_model_close(model);
	return VITA_OK;
}

/* --synthetic is a model path, in the type that the section's dtype asks for. */
static vita_status set_synthetic(struct bench *b, const char *shape)
{
	char section[16];
	vita_status status = find_section(b, shape, section, sizeof section);
	if (status != VITA_OK) return status;
	const char *dtype = vita_config_get(b->cli->config, section, "dtype");
	int typed = dtype && *dtype && strcmp(dtype, "as-is") != 0;
	(void)snprintf(b->setting, sizeof b->setting, "%s.model=synthetic:%s%s%s", section, shape, typed ? ":" : "",
	               typed ? dtype : "");
	return vita_config_set(b->cli->config, b->setting, &b->cli->err);
}

static int number(struct bench *b, const char *option, int64_t min, int64_t max, uint32_t *out)
{
	int64_t value;
	if (!cli_integer(b->cli, option, optarg, min, max, &value)) return 0;
	*out = (uint32_t)value;
	return 1;
}

static int take_options(struct bench *b, int argc, char **argv)
{
	static const struct option own[] = {
		{ "synthetic", required_argument, NULL, OPTION_SYNTHETIC },
		{ "runs", required_argument, NULL, OPTION_RUNS },
		{ "prompt-tokens", required_argument, NULL, OPTION_PROMPT },
		{ "tokens", required_argument, NULL, OPTION_TOKENS },
		{ "seconds", required_argument, NULL, OPTION_SECONDS },
		{ "compare", required_argument, NULL, OPTION_COMPARE },
		{ "save", required_argument, NULL, OPTION_SAVE },
		{ "quality", required_argument, NULL, OPTION_QUALITY },
		{ "against", required_argument, NULL, OPTION_AGAINST },
		{ "turns", required_argument, NULL, OPTION_TURNS },
		{ 0 },
	};
	int option;
	while ((option = cli_option(b->cli, argc, argv, own)) > 0) {
		if (option == OPTION_SYNTHETIC) b->synthetic = optarg;
		if (option == OPTION_COMPARE) b->compare = optarg;
		if (option == OPTION_SAVE) b->save = optarg;
		if (option == OPTION_QUALITY) b->quality = optarg;
		if (option == OPTION_AGAINST) b->against = optarg;
		if (option == OPTION_RUNS && !number(b, "--runs", 1, BENCH_MAX_RUNS, &b->runs)) return CLI_STOP;
		if (option == OPTION_PROMPT && !number(b, "--prompt-tokens", 1, BENCH_MAX_PROMPT, &b->n_prompt)) return CLI_STOP;
		if (option == OPTION_TOKENS && !number(b, "--tokens", 2, 1 << 20, &b->n_tokens)) return CLI_STOP;
		if (option == OPTION_TURNS && !number(b, "--turns", BENCH_LEAST_TURNS, BENCH_MAX_TURNS, &b->n_turns)) return CLI_STOP;
		if (option == OPTION_SECONDS && !number(b, "--seconds", 1, 3600, &b->seconds)) return CLI_STOP;
	}
	return option;
}

static int described(const vita_config *config, const char *section)
{
	return vita_config_get(config, section, "plugin") || vita_config_get(config, section, "model");
}

/* What the config describes is what is measured. */
static uint32_t described_parts(const vita_config *config)
{
	uint32_t parts = 0;
	if (vita_config_get(config, "llm", "model")) parts |= VITA_PART_LLM | VITA_PART_HEADS;
	if (described(config, "encoder")) parts |= VITA_PART_ENCODER;
	if (described(config, "codec")) parts |= VITA_PART_CODEC;
	return parts;
}

static int bench(struct bench *b, int argc, char **argv)
{
	struct cli *cli = b->cli;
	json_t *other = NULL;
	json_error_t why;
	if (take_options(b, argc, argv) == CLI_STOP) return cli->exit_code;
	if (optind < argc) return cli_usage(cli, "\"%s\" is too much; a model goes into the config", argv[optind]);
	if (b->save && cli_check_name(cli, "--save", b->save) != EXIT_DONE) return EXIT_USAGE;
	vita_status status = cli_read_config(cli);
	if (status != VITA_OK) return cli_fail(cli, status);
	if (b->synthetic && (status = set_synthetic(b, b->synthetic)) != VITA_OK)
		return status == VITA_E_NOMEM ? cli_fail(cli, status) : cli_usage(cli, "--synthetic: %s", cli->err.message);
	b->parts = described_parts(cli->config);
	if (!b->parts) return cli_usage(cli, "there is nothing to measure: give a config, -s llm.model=DIR or --synthetic SHAPE");
	if (b->compare && !(other = json_load_file(b->compare, 0, &why)))
		return cli_usage(cli, "--compare %s: %s", b->compare, why.text);
	if (b->save && !(b->parts & VITA_PART_LLM)) return cli_usage(cli, "--save: the config has no language model to write");
	if (b->quality && !(b->parts & VITA_PART_LLM)) return cli_usage(cli, "--quality: the config has no language model");
	if (b->n_turns && !(b->parts & VITA_PART_LLM)) return cli_usage(cli, "--turns: the config has no language model");
	if (b->n_turns && b->quality) return cli_usage(cli, "--turns and --quality are two runs");
	if (b->against && !b->quality) return cli_usage(cli, "--against goes with --quality");
	progress_enable(cli);
	if (b->quality) return bench_quality(b);
	if (!b->n_prompt) b->n_prompt = b->n_turns ? TURN_PROMPT : PROMPT_TOKENS;
	if (!b->n_tokens) b->n_tokens = b->n_turns ? TURN_ANSWER : ANSWER_TOKENS;
	if (b->save) status = bench_save(b);
	if (status == VITA_OK) status = b->n_turns ? measure_turns(b) : measure_all(b);
	int exit_code = status == VITA_OK ? report(b, other) : cli_fail(cli, status);
	json_decref(other);
	return exit_code;
}

static int run(struct cli *cli, int argc, char **argv)
{
	struct bench b = { .cli = cli, .runs = 5, .seconds = 2 };
	b.ids = calloc(BENCH_MAX_PROMPT, sizeof *b.ids);
	b.report = json_object();
	if (!b.ids || !b.report) return cli_fail(cli, vita_fail(&cli->err, VITA_E_NOMEM, "out of memory"));
	int exit_code = bench(&b, argc, argv);
	json_decref(b.report);
	free(b.ids);
	return exit_code;
}

const struct verb verb_bench = {
	.name = "bench",
	.summary = "Measure the speed of every stage beside what the machine could do",
	.run = run,
	.help =
		"Usage: vita bench -c CONFIG\n"
		"       vita bench --synthetic SHAPE\n"
		"       vita bench -s llm.model=DIR --quality TEXT\n"
		"       vita bench -s llm.model=DIR --turns N\n\n"
		"Measures what the config describes: prompt and answer of the language model\n"
		"under every schedule that its heads allow, the time to the first sound, encoder\n"
		"and codec. Each figure is the median of several runs; roof_tps is what reading\n"
		"the weights or the arithmetic, whichever is slower, would allow on this machine\n"
		"at this moment.\n\n"
		"      --synthetic SHAPE      random weights of a published size, made in memory:\n"
		"                             qwen2.5-0.5b, qwen2.5-1.5b, qwen2.5-3b, qwen2.5-7b,\n"
		"                             qwen2.5-14b, qwen2.5-32b, qwen2.5-72b,\n"
		"                             vita-audio-0.5b, vita-audio-1.5b, vita-audio-7b,\n"
		"                             vita-audio-72b, nano, glm4-voice-tokenizer,\n"
		"                             glm4-voice-decoder, sensevoice-small; -s llm.dtype,\n"
		"                             encoder.dtype or codec.dtype says their type\n"
		"      --runs N               runs that count (5)\n"
		"      --prompt-tokens N      length of the prompt that is timed (512)\n"
		"      --tokens N             length of the answers (128)\n"
		"      --seconds N            of sound that the codec makes at once (2)\n"
		"      --compare FILE         ratios to a report that --json wrote\n"
		"      --save DIR             also write the language model there, to measure other\n"
		"                             programs with it: DIR/model.gguf where weights are in\n"
		"                             blocks, else a directory; or a name in .gguf\n"
		"      --quality TEXT         measure no speed, but what types of weights cost: the\n"
		"                             model reads the file TEXT with each type (or that of\n"
		"                             llm.dtype) beside f32, a few rows a pass and many;\n"
		"                             --tokens N: no more than N tokens of it\n"
		"      --turns N              measure N short conversations one after the other (32\n"
		"                             tokens in, 64 out): time and resident memory of the\n"
		"                             first ten and of the last ten\n"
		"      --against MODEL        the f32 model that others are compared with; else the\n"
		"                             same\n\n"
		"JSON: prompt_tps, decode_tps (main passes only), schedules {name: {tps, roof_tps,\n"
		"of_roof, read_gbps}} (roofs as measured before and after it, the better ones),\n"
		"first_audio_ms (32 tokens of prompt, a main pass and every head once),\n"
		"encoder_rtf, codec_rtf (time to work over length of sound), read_gbps, copy_gbps\n"
		"(bytes read and written, where the device copies by itself), f32_gflops,\n"
		"bf16_gflops, f16_gflops (where the device has f16), int8_gops, weight_mb (of the\n"
		"language model), head_weight_mb, peak_rss_mb; prompt_of_roof, backend,\n"
		"weight_type, runs, prompt_tokens. Of --quality: quality {model, tokens, perplexity\n"
		"(with f32), types {type: {weight_mb, decode and prompt {kl, same_top,\n"
		"perplexity}}}}; kl in nats, the mean over tokens. Of --turns: turns {n, prompt,\n"
		"answer, first_ms and last_ms (medians of ten), first_rss_mb, last_rss_mb}.\n\n"
		"Example: what heads gain at 7B, 4 bits, on this machine:\n"
		"  vita bench --synthetic vita-audio-7b -s llm.dtype=q4_0\n",
};
