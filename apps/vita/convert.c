/* SPDX-License-Identifier: MIT
 *
 * vita convert: a model in another format, or with weights of another type.
 */
#include "common.h"

enum { OPTION_DTYPE = 256 };

struct conversion {
	struct cli *cli;
	json_t *notes;
};

static void show_progress(void *user, const char *tensor, uint64_t done, uint64_t total)
{
	(void)user;
	(void)tensor;
	progress_show("converting", done, total);
}

static void take_note(void *user, const char *text)
{
	struct conversion *c = user;
	progress_clear();
	cli_note(c->cli, "%s", text);
	(void)json_array_append_new(c->notes, json_text(text));
}

static uint64_t bytes_of(const vita_model *model)
{
	uint64_t n = 0;
	vita_tensor_info info;
	for (uint64_t i = 0; vita_model_tensor_describe(model, i, &info) == VITA_OK; i++)
		n += info.size_bytes;
	return n;
}

/* The result is opened once: what cannot be read back is no result, and its size is worth telling. */
static int print_result(struct conversion *c, const char *path, uint64_t before)
{
	struct cli *cli = c->cli;
	vita_model *made;
	vita_status status = vita_model_open(path, VITA_MODEL_WANT_TENSORS, &made, &cli->err);
	if (status != VITA_OK) return cli_fail(cli, status);
	uint64_t after = bytes_of(made), n = vita_model_n_tensors(made);
	vita_model_close(made);
	if (cli->json)
		return cli_print_json(cli, json_pack("{s:o, s:I, s:I, s:I, s:O}", "model", json_text(path), "tensors",
		                                     (json_int_t)n, "bytes", (json_int_t)after,
		                                     "bytes_before", (json_int_t)before, "notes", c->notes));
	cli_note(cli, "%s holds %llu tensors of %.1f MB, before %.1f MB", path, (unsigned long long)n,
	         (double)after / 1e6, (double)before / 1e6);
	return EXIT_DONE;
}

static int convert(struct conversion *c, const char *from, const char *to, uint32_t dtype)
{
	struct cli *cli = c->cli;
	vita_model *model;
	vita_conversion how;
	VITA_INIT(&how);
	how.dtype = dtype;
	how.cancel = cli_cancel;
	how.user = c;
	how.progress = show_progress;
	how.note = take_note;
	vita_status status = vita_model_open(from, VITA_MODEL_WANT_TENSORS, &model, &cli->err);
	if (status != VITA_OK) return cli_fail(cli, status);
	uint64_t before = bytes_of(model);
	progress_enable(cli);
	status = vita_model_convert(model, to, &how, &cli->err);
	progress_clear();
	vita_model_close(model);
	return status == VITA_OK ? print_result(c, to, before) : cli_fail(cli, status);
}

static int parse_dtype(struct cli *cli, const char *name, uint32_t *dtype)
{
	*dtype = vita_dtype_parse(name);
	if (strcmp(name, "as-is") == 0 ||
	    (*dtype != VITA_DTYPE_NONE && *dtype != VITA_I32 && *dtype != VITA_U8))
		return 1;
	cli->exit_code = cli_usage(
		cli,
		"--dtype %s is no type of weights; as-is, f32, f16, bf16, q8_0, q6_k, q4_1, q4_k and "
		"q4_0 are",
		name);
	return 0;
}

static int run(struct cli *cli, int argc, char **argv)
{
	static const struct option own[] = { { "dtype", required_argument, NULL, OPTION_DTYPE }, { 0 } };
	uint32_t dtype = VITA_DTYPE_NONE;
	int option;
	while ((option = cli_option(cli, argc, argv, own)) > 0)
		if (!parse_dtype(cli, optarg, &dtype)) return cli->exit_code;
	if (option == CLI_STOP) return cli->exit_code;
	if (argc - optind != 2)
		return cli_usage(cli, "a model and a name for the new one are needed, %d were given",
		                 argc - optind);
	if (cli_check_name(cli, "the new model", argv[optind + 1]) != EXIT_DONE) return EXIT_USAGE;
	vita_status status = cli_check_config(cli);
	if (status != VITA_OK) return cli_fail(cli, status);
	struct conversion c = { cli, json_array() };
	int exit_code = c.notes ? convert(&c, argv[optind], argv[optind + 1], dtype)
	                        : cli_fail(cli, vita_fail(&cli->err, VITA_E_NOMEM, "out of memory"));
	json_decref(c.notes);
	return exit_code;
}

const struct verb verb_convert = {
	.name = "convert",
	.summary = "Write a model in another format, or with smaller weights",
	.run = run,
	.help = "Usage: vita convert IN OUT [--dtype TYPE]\n\n"
		"IN is any model: a directory, a safetensors file, a GGUF file. OUT becomes one\n"
		"GGUF file where its name ends in .gguf, the tensors alone where it ends in\n"
		".safetensors, else a new Hugging Face directory. Settings, tokenizer and heads\n"
		"come along into GGUF files and directories.\n\n"
		"      --dtype TYPE           f32, f16, bf16, and into GGUF files q8_0, q6_k,\n"
		"                             q4_1, q4_k or q4_0; as-is, the default, keeps\n"
		"                             every type\n\n"
		"JSON: model; tensors, counted; bytes and bytes_before, of the tensors; notes,\n"
		"a list of what is not as one might have expected.\n\n"
		"Example: a third of the memory, in one file\n"
		"  vita convert models/nano nano.gguf --dtype q4_k\n",
};
