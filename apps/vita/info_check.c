/* SPDX-License-Identifier: MIT
 *
 * vita info: how models fit what is installed; see info_check.h.
 */
#include "info_check.h"

#include <stdlib.h>

#define SHOWN 12 /* sentences of a kind; --json has all */

/* ---- gathering ------------------------------------------------------------------------------------ */

static void add_text(struct findings *f, const char *list, const char *text)
{
	if (!f->part) f->part = json_pack("{s:[], s:[], s:[]}", "problems", "needs", "notes");
	if (json_array_append_new(json_object_get(f->part, list), json_text(text)) != 0) f->is_out_of_memory = 1;
}

static void take_problem(void *user, const char *part, const char *tensor, const char *text)
{
	(void)part, (void)tensor;
	add_text(user, "problems", text);
}

/* A model alone is complete without a tokenizer, since ids will do, and its encoder with a file that comes elsewhere. */
static void take_missing(void *user, const char *part, const char *text)
{
	struct findings *f = user;
	int elsewhere = f->model && (strcmp(part, "encoder") == 0 || strcmp(part, "tokenizer") == 0);
	add_text(f, elsewhere ? "needs" : "problems", text);
}

static void take_note(void *user, const char *part, const char *text)
{
	(void)part;
	add_text(user, "notes", text);
}

static void take_part(void *user, const char *part, const char *plugin, uint64_t n_tensors,
		      uint64_t n_problems)
{
	struct findings *f = user;
	(void)n_problems;
	if (!f->part) f->part = json_pack("{s:[], s:[], s:[]}", "problems", "needs", "notes");
	json_t *object = f->part;
	int fits = json_array_size(json_object_get(object, "problems")) == 0;
	f->part = NULL;
	if (!object || json_object_set_new(object, "kind", json_string(part)) != 0 ||
	    json_object_set_new(object, "plugin", json_text(plugin)) != 0 ||
	    json_object_set_new(object, "tensors", json_integer((json_int_t)n_tensors)) != 0 ||
	    json_object_set_new(object, "fits", json_boolean(fits)) != 0 ||
	    json_array_append(json_object_get(f->layout, "parts"), object) != 0)
		f->is_out_of_memory = 1;
	if (!fits) (void)json_object_set_new(f->layout, "fits", json_false());
	json_decref(object);
}

static void take_unused(void *user, const char *tensor)
{
	struct findings *f = user;
	if (json_array_append_new(json_object_get(f->layout, "unused"), json_text(tensor)) != 0)
		f->is_out_of_memory = 1;
}

/* "section.model=PATH" for every section that names no model of its own. */
static vita_status name_model(struct cli *cli, const char *path)
{
	static const char *const sections[] = {"llm", "encoder", "codec"};
	vita_status status = VITA_OK;
	size_t size = strlen(path) + 32;
	char *assignment = malloc(size);
	if (!assignment) return vita_fail(&cli->err, VITA_E_NOMEM, "no memory for a path");
	for (size_t i = 0; i < 3 && status == VITA_OK; i++) {
		if (i > 0 && vita_config_get(cli->config, sections[i], "model")) continue;
		(void)snprintf(assignment, size, "%s.model=%s", sections[i], path);
		status = vita_config_set(cli->config, assignment, &cli->err);
	}
	free(assignment);
	return status;
}

vita_status find_layout(struct cli *cli, const char *path, struct findings *out)
{
	vita_check_events events;
	uint64_t n_problems;
	out->model = path;
	out->layout = json_pack("{s:b, s:[], s:[]}", "fits", 1, "parts", "unused");
	if (!out->layout) return vita_fail(&cli->err, VITA_E_NOMEM, "no memory for what is found");
	if (path && strncmp(path, "synthetic:", 10) == 0) return VITA_OK; /* made up to fit */
	if (out->is_bare) return VITA_OK;
	vita_status status = cli_read_config(cli);
	if (status == VITA_OK && path) status = name_model(cli, path);
	if (status == VITA_OK) status = cli_open_context(cli);
	if (status != VITA_OK) return status;
	VITA_INIT(&events);
	events.user = out;
	events.problem = take_problem;
	events.missing = take_missing;
	events.note = take_note;
	events.part = take_part;
	events.unused = take_unused;
	status = vita_check_parts(cli->context,
				  VITA_PART_TOKENIZER | VITA_PART_LLM | VITA_PART_HEADS | VITA_PART_ENCODER |
					  VITA_PART_CODEC,
				  &events, &n_problems, &cli->err);
	out->config_is_wrong = status == VITA_E_CONFIG;
	if (out->config_is_wrong) status = VITA_OK;
	if (status == VITA_OK && out->is_out_of_memory)
		status = vita_fail(&cli->err, VITA_E_NOMEM, "no memory for what is found");
	return status;
}

int findings_fit(const struct findings *findings)
{
	return json_is_true(json_object_get(findings->layout, "fits"));
}

void findings_free(struct findings *findings)
{
	json_decref(findings->layout);
	json_decref(findings->part);
}

/* ---- showing -------------------------------------------------------------------------------------- */

static void print_texts(const json_t *part, const char *list, const char *mark)
{
	const json_t *texts = json_object_get(part, list);
	size_t n = json_array_size(texts);
	char line[2048];
	for (size_t i = 0; i < n && i < SHOWN; i++)
		(void)printf("  %-8s %s\n", mark, quotable(line, sizeof line, json_string_value(json_array_get(texts, i))));
	if (n > SHOWN) (void)printf("  %-8s … and %zu more; --json shows all\n", mark, n - SHOWN);
}

static void print_unused(const json_t *unused)
{
	size_t n = json_array_size(unused);
	if (n == 0) return;
	char name[256];
	(void)printf("%-13s %zu tensors: %s", "not used", n,
	             quotable(name, sizeof name, json_string_value(json_array_get(unused, 0))));
	if (n > 1)
		(void)printf(n > 2 ? " … %s" : ", %s",
		             quotable(name, sizeof name, json_string_value(json_array_get(unused, n - 1))));
	(void)putchar('\n');
}

void print_findings(const struct findings *findings)
{
	size_t i;
	const json_t *part;
	json_array_foreach(json_object_get(findings->layout, "parts"), i, part)
	{
		const char *plugin = json_string_value(json_object_get(part, "plugin"));
		json_int_t n = json_integer_value(json_object_get(part, "tensors"));
		int fits = json_is_true(json_object_get(part, "fits"));
		(void)printf("%-13s %s%s", json_string_value(json_object_get(part, "kind")), plugin,
			     *plugin ? " " : "");
		if (n > 0) (void)printf("reads %lld tensors, ", (long long)n);
		(void)printf("%s\n", fits ? "fits" : "does not fit");
		print_texts(part, "problems", "wrong:");
		print_texts(part, "needs", "needs:");
		print_texts(part, "notes", "");
	}
	print_unused(json_object_get(findings->layout, "unused"));
}
