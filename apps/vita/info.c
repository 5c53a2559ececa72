/* SPDX-License-Identifier: MIT
 *
 * vita info: what a model file or directory holds, and how large it is in memory by weight type.
 */
#include "common.h"
#include "info_check.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPTION_TENSORS = 256, MAX_DTYPES = 16, MAX_FILES = 16 };

/* A model, and where it is a directory of networks without a name for the whole, the files in it. */
struct holding {
	vita_model *file[MAX_FILES];
	size_t n;
};

struct summary {
	const char *architecture;
	uint64_t n_tensors, n_parameters, n_bytes;
	uint64_t bytes_of[MAX_DTYPES]; /* of the whole model, were its matrices of this type */
	uint64_t
		n_odd_of[MAX_DTYPES]; /* matrices that this type's blocks do not fit; they stay as they are */
};

/* Types that weights can be held in. */
static const uint32_t targets[] = { VITA_F32,  VITA_F16,  VITA_BF16, VITA_Q8_0,
	                            VITA_Q6_K, VITA_Q4_1, VITA_Q4_K, VITA_Q4_0 };
#define N_TARGETS (sizeof targets / sizeof *targets)

/* Matrices take the target type; norms and biases, which are vectors, and what nothing here computes with
 * stay as they are. */
static void add_tensor(struct summary *s, const vita_tensor_info *tensor)
{
	s->n_tensors++;
	s->n_parameters += tensor->n_values;
	s->n_bytes += tensor->size_bytes;
	for (size_t t = 0; t < N_TARGETS; t++) {
		uint64_t bytes = tensor->size_bytes;
		if (tensor->rank >= 2 && tensor->n_values > 0 && tensor->dtype != VITA_DTYPE_NONE) {
			int64_t columns = tensor->shape[tensor->rank - 1],
				row = vita_row_bytes(targets[t], columns);
			if (row < 0) s->n_odd_of[t]++;
			else bytes = tensor->n_values / (uint64_t)columns * (uint64_t)row;
		}
		s->bytes_of[t] += bytes;
	}
}

static int is_weights(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');
	return dot && dot != entry->d_name && (strcmp(dot, ".pt") == 0 || strcmp(dot, ".safetensors") == 0);
}

/* Speech decoders lie in flow.pt and hift.pt, SenseVoice in model.pt: whoever knows them opens them by their names.
 * What cannot be opened is told by the plugin that wants it. */
static void add_files(struct holding *h, const char *directory)
{
	struct dirent **entries;
	int n = vita_model_n_tensors(h->file[0]) > 0 ? -1 : scandir(directory, &entries, is_weights, alphasort);
	for (int i = 0; i < n; i++) {
		char path[4096];
		int length = snprintf(path, sizeof path, "%s/%s", directory, entries[i]->d_name);
		free(entries[i]);
		if (h->n == MAX_FILES || length < 0 || (size_t)length >= sizeof path) continue;
		if (vita_model_open(path, VITA_MODEL_WANT_TENSORS, &h->file[h->n], NULL) == VITA_OK) h->n++;
	}
	if (n >= 0) free(entries);
}

static void close_files(struct holding *h)
{
	for (size_t i = 0; i < h->n; i++) vita_model_close(h->file[i]);
}

/* Tensor number i of all files. */
static int tensor_at(const struct holding *h, uint64_t i, vita_tensor_info *out)
{
	for (size_t f = 0; f < h->n; f++) {
		const uint64_t n = vita_model_n_tensors(h->file[f]);
		if (i < n) return vita_model_tensor_describe(h->file[f], i, out) == VITA_OK;
		i -= n;
	}
	return 0;
}

static vita_status summarise(const struct holding *h, struct summary *s, vita_error *err)
{
	const vita_model *model = h->file[0];
	s->architecture = "";
	vita_status status = vita_model_get_list_string(model, VITA_CONFIG_MODEL, "architectures", 0,
	                                                &s->architecture, err);
	if (status == VITA_E_NOTFOUND)
		status = vita_model_get_string(model, VITA_CONFIG_MODEL, "model_type", &s->architecture, err);
	if (status != VITA_OK && status != VITA_E_NOTFOUND) return status;
	vita_tensor_info tensor;
	for (uint64_t i = 0; tensor_at(h, i, &tensor); i++)
		add_tensor(s, &tensor);
	return VITA_OK;
}

/* Bytes that a program can have here without others being pushed out; 0 where nobody says. */
static uint64_t memory_available(void)
{
	unsigned long long kib = 0;
	char line[128];
	FILE *file = fopen("/proc/meminfo", "r");
	while (file && fgets(line, sizeof line, file))
		if (sscanf(line, "MemAvailable: %llu", &kib) == 1) break;
	if (file) (void)fclose(file);
	return (uint64_t)kib * 1024;
}

/* Types that nothing here computes with, in the file's own words. */
static void print_tensor(const vita_tensor_info *tensor)
{
	const char *type = tensor->dtype == VITA_DTYPE_NONE ? tensor->type : vita_dtype_name(tensor->dtype);
	char name[256];
	(void)printf("  %-52s %-5s", quotable(name, sizeof name, tensor->name), type);
	for (uint32_t i = 0; i < tensor->rank; i++)
		(void)printf(i ? " x %lld" : " %lld", (long long)tensor->shape[i]);
	(void)putchar('\n');
}

static void print_setting(const vita_model *model, const char *key, const char *what)
{
	int64_t value;
	if (vita_model_get_int(model, VITA_CONFIG_MODEL, key, 0, INT64_MAX, &value, NULL) == VITA_OK)
		(void)printf("%-13s %lld\n", what, (long long)value);
}

static void print_summary(const vita_model *model, const struct summary *s)
{
	uint64_t available = memory_available();
	char name[256];
	(void)printf("%-13s %s\n", "architecture",
	             s->architecture[0] ? quotable(name, sizeof name, s->architecture) : "not said");
	print_setting(model, "hidden_size", "hidden size");
	print_setting(model, "num_hidden_layers", "layers");
	print_setting(model, "num_nextn_predict_layers", "of them heads");
	print_setting(model, "vocab_size", "vocabulary");
	(void)printf("%-13s %llu in %llu tensors\n", "parameters", (unsigned long long)s->n_parameters,
	             (unsigned long long)s->n_tensors);
	(void)printf("%-13s %.1f MB\n", "as stored", (double)s->n_bytes / 1e6);
	if (available > 0) (void)printf("%-13s %.1f MB free here\n", "memory", (double)available / 1e6);
	for (size_t t = 0; t < N_TARGETS && s->n_parameters > 0; t++) {
		(void)printf("  as %-8s %9.1f MB", vita_dtype_name(targets[t]), (double)s->bytes_of[t] / 1e6);
		if (available > 0) (void)printf("  %s", s->bytes_of[t] < available ? "fits" : "does not fit");
		if (s->n_odd_of[t] > 0)
			(void)printf(", %llu tensors stay as they are: their rows are no whole blocks",
			             (unsigned long long)s->n_odd_of[t]);
		(void)putchar('\n');
	}
}

static json_t *json_tensor(const vita_tensor_info *tensor)
{
	json_t *shape = json_array();
	for (uint32_t i = 0; i < tensor->rank; i++)
		(void)json_array_append_new(shape, json_integer(tensor->shape[i]));
	return json_pack("{s:o, s:s, s:o, s:o}", "name", json_text(tensor->name), "dtype",
	                 vita_dtype_name(tensor->dtype), "type", json_text(tensor->type), "shape", shape);
}

static void print_metadata(const vita_model *model)
{
	vita_metadata metadata;
	char key[256], text[4096];
	for (uint64_t i = 0; vita_model_metadata_at(model, i, &metadata) == VITA_OK; i++)
		(void)printf("%s  %-40s %s\n", i ? "" : "metadata\n", quotable(key, sizeof key, metadata.key),
		             quotable(text, sizeof text, metadata.text));
}

static json_t *json_metadata(const vita_model *model)
{
	vita_metadata metadata;
	json_t *object = json_object();
	for (uint64_t i = 0; vita_model_metadata_at(model, i, &metadata) == VITA_OK; i++)
		(void)json_object_set_new(object, metadata.key, json_text(metadata.text));
	return object;
}

static int print_document(struct cli *cli, const struct holding *h, const struct summary *s,
                          const struct findings *findings)
{
	json_t *tensors = json_array(), *sizes = json_object();
	vita_tensor_info tensor;
	for (uint64_t i = 0; tensor_at(h, i, &tensor); i++)
		(void)json_array_append_new(tensors, json_tensor(&tensor));
	(void)json_object_set_new(sizes, "as-is", json_integer((json_int_t)s->n_bytes));
	for (size_t t = 0; t < N_TARGETS; t++)
		(void)json_object_set_new(sizes, vita_dtype_name(targets[t]),
		                          json_integer((json_int_t)s->bytes_of[t]));
	return cli_print_json(cli, json_pack("{s:o, s:I, s:o, s:o, s:o, s:I, s:O}",
		"architecture", json_text(s->architecture),
		"parameters", (json_int_t)s->n_parameters,
		"tensors", tensors,
		"metadata", json_metadata(h->file[0]),
		"bytes", sizes,
		"memory", (json_int_t)memory_available(),
		"layout", findings->layout));
}

static int print_model(struct cli *cli, const struct holding *h, int with_tensors,
                       const struct findings *findings)
{
	struct summary s = { 0 };
	vita_status status = summarise(h, &s, &cli->err);
	if (status != VITA_OK) return cli_fail(cli, status);
	if (cli->json) return print_document(cli, h, &s, findings);
	print_summary(h->file[0], &s);
	print_metadata(h->file[0]);
	print_findings(findings);
	vita_tensor_info tensor;
	for (uint64_t i = 0; with_tensors && tensor_at(h, i, &tensor); i++)
		print_tensor(&tensor);
	return EXIT_DONE;
}

/* Of what is told; the config's faults are the caller's, as with every verb. */
static int exit_code_of(struct cli *cli, const struct findings *findings)
{
	if (findings->config_is_wrong) return cli_fail(cli, VITA_E_CONFIG);
	return findings_fit(findings) ? EXIT_DONE : EXIT_FAILED;
}

/* A file that is opened, but not where a config.json is asked for. */
static int is_bare(const char *path)
{
	struct stat file;
	vita_model *model;
	if (stat(path, &file) != 0 || !S_ISREG(file.st_mode)) return 0;
	vita_status status = vita_model_open(path, VITA_MODEL_WANT_CONFIG, &model, NULL);
	vita_model_close(model);
	return status != VITA_OK;
}

static int show_model(struct cli *cli, const char *path, int with_tensors)
{
	struct findings findings = { 0 };
	struct holding h = { .n = 1 };
	vita_status status = vita_model_open(path, 0, &h.file[0], &cli->err);
	if (status != VITA_OK) return cli_fail(cli, status);
	add_files(&h, path);
	findings.is_bare = is_bare(path);
	status = find_layout(cli, path, &findings);
	int exit_code = status == VITA_OK ? print_model(cli, &h, with_tensors, &findings)
	                                  : cli_fail(cli, status);
	if (exit_code == EXIT_DONE) exit_code = exit_code_of(cli, &findings);
	findings_free(&findings);
	close_files(&h);
	return exit_code;
}

/* Without a model of its own: those that the config names, and whether they fit each other. */
static int show_config(struct cli *cli)
{
	struct findings findings = { 0 };
	vita_status status = find_layout(cli, NULL, &findings);
	int exit_code = EXIT_DONE;
	if (status != VITA_OK) exit_code = cli_fail(cli, status);
	else if (json_array_size(json_object_get(findings.layout, "parts")) == 0)
		exit_code = cli_usage(cli, "the config names no model");
	else if (cli->json) exit_code = cli_print_json(cli, json_pack("{s:O}", "layout", findings.layout));
	else print_findings(&findings);
	if (exit_code == EXIT_DONE) exit_code = exit_code_of(cli, &findings);
	findings_free(&findings);
	return exit_code;
}

static int run(struct cli *cli, int argc, char **argv)
{
	static const struct option own[] = { { "tensors", no_argument, NULL, OPTION_TENSORS }, { 0 } };
	int option, with_tensors = 0;
	while ((option = cli_option(cli, argc, argv, own)) > 0) with_tensors = 1;
	if (option == CLI_STOP) return cli->exit_code;
	if (argc == optind && cli->n_files + cli->n_settings > 0) return show_config(cli);
	if (argc - optind != 1)
		return cli_usage(cli, "one model is needed, or a config that names models; %d were named",
		                 argc - optind);
	return show_model(cli, argv[optind], with_tensors);
}

const struct verb verb_info = {
	.name = "info",
	.summary = "Show what a model holds and what memory it needs",
	.run = run,
	.help =
		"Usage: vita info MODEL\n"
		"       vita info -c CONFIG\n\n"
		"MODEL is a model's directory, a GGUF file, or a file of tensors alone. For each\n"
		"weight type the size in memory is shown, and whether that fits into what is free\n"
		"here now; a conversation's cache comes on top. Then a model is opened as for use,\n"
		"but without taking memory: what plugins find in it, which tensors are missing or\n"
		"of another shape than they should be, and what the tokenizer lacks. With a config\n"
		"all models that it names are looked at, and whether they fit each other. What\n"
		"does not fit, or is named and not there, is told part by part, and exit is 1; or 2\n"
		"where the config is at fault, as with every verb.\n\n"
		"      --tensors              list them too\n\n"
		"JSON: architecture; parameters; tensors, a list of name, dtype, type (in the\n"
		"file's own words) and shape; metadata; bytes by weight type; memory, the bytes\n"
		"free here; layout with fits, parts (kind, plugin, tensors that it reads, fits,\n"
		"problems, notes, needs) and unused, the tensors that nothing reads.\n\n"
		"Example:\n"
		"  vita info models/nano\n",
};
