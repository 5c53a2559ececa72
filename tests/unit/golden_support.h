/* SPDX-License-Identifier: MIT
 *
 * What tests that run the golden models share: their prompts and answers, and an engine on named backends.
 */
#ifndef TESTS_GOLDEN_SUPPORT_H
#define TESTS_GOLDEN_SUPPORT_H

#include "modules_support.h"

#include <vita/vita.h>

#include <jansson.h>

#define MOST_IDS 64

static vita_error err;

typedef struct answer {
	int32_t ids[MOST_IDS];
	uint32_t n;
} answer;

static vita_status take_token(void *user, int32_t id, uint32_t source, const float *logits, vita_error *e)
{
	answer *a = user;
	(void)source;
	(void)logits;
	if (a->n == MOST_IDS) return vita_fail(e, VITA_E_INVALID, "more tokens than asked for");
	a->ids[a->n++] = id;
	return VITA_OK;
}

VITA_UNUSED static const char *in_models(const char *model, const char *file)
{
	static char path[1024];
	const char *root = getenv("VITA_SRCDIR");
	(void)snprintf(path, sizeof path, "%s/tests/golden/llm/%s%s", root && root[0] ? root : ".", model,
	               file);
	return path;
}

static uint32_t read_ids(const json_t *object, const char *key, int32_t *ids)
{
	const json_t *list = json_object_get(object, key);
	uint32_t n = (uint32_t)json_array_size(list);
	assert_true(n > 0 && n <= MOST_IDS);
	for (uint32_t i = 0; i < n; i++) ids[i] = (int32_t)json_integer_value(json_array_get(list, i));
	return n;
}

/* One greedy run with this schedule. */
static void run(vita_engine *engine, const json_t *golden, const json_t *golden_run, uint32_t most)
{
	int32_t prompt[MOST_IDS], expected[MOST_IDS];
	uint32_t n_prompt = read_ids(golden, "prompt", prompt), n = read_ids(golden_run, "tokens", expected);
	vita_conversation *conversation;
	vita_turn_events events;
	vita_turn turn;
	answer a = { .n = 0 };
	if (n > most) n = most;
	VITA_INIT(&events);
	VITA_INIT(&turn);
	events.user = &a;
	events.token = take_token;
	turn.task = VITA_TASK_IDS;
	turn.ids = prompt;
	turn.n_ids = n_prompt;
	turn.max_tokens = n;
	turn.events = &events;
	assert_ok(vita_conversation_open(engine, &conversation, &err), &err);
	assert_ok(vita_turn_run(conversation, &turn, NULL, &err), &err);
	vita_conversation_close(conversation);
	assert_int_equal(a.n, n);
	assert_memory_equal(a.ids, expected, n * sizeof *expected);
}

/* more: one key beside those, or NULL */
static vita_context *open_context_with(const char *model, const char *schedule, const char *llm, const char *heads,
                                       const char *more)
{
	char path[2100], model_key[1100], llm_key[64], heads_key[64];
	const char *const keys[] = { model_key, schedule, llm_key, heads_key, "vita.log=info", more };
	vita_config *config;
	vita_context *context;
	logged[0] = '\0';
	(void)snprintf(path, sizeof path, "%s:%s/modules", scratch, builddir());
	assert_int_equal(setenv("VITA_PLUGIN_PATH", path, 1), 0);
	(void)snprintf(model_key, sizeof model_key, "llm.model=%s", in_models(model, ""));
	(void)snprintf(llm_key, sizeof llm_key, "llm.backend=%s", llm);
	(void)snprintf(heads_key, sizeof heads_key, "heads.backend=%s", heads);
	assert_ok(vita_config_create(&config, &err), &err);
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		if (keys[i]) assert_ok(vita_config_set(config, keys[i], &err), &err);
	assert_ok(vita_context_create(config, write_log, NULL, &context, &err), &err);
	vita_config_destroy(config);
	return context;
}

static vita_context *open_context(const char *model, const char *schedule, const char *llm, const char *heads)
{
	return open_context_with(model, schedule, llm, heads, NULL);
}

static json_t *golden_of(const char *model)
{
	json_error_t why;
	json_t *golden = json_load_file(in_models(model, "/golden.json"), 0, &why);
	if (!golden) fail_msg("%s: %s", model, why.text);
	return golden;
}

/* "heads.schedule=1,4" */
static void schedule_of(const json_t *golden_run, char *schedule, size_t size)
{
	const json_t *mode = json_object_get(golden_run, "mode");
	(void)snprintf(schedule, size, "heads.schedule=");
	for (size_t k = 0; k < json_array_size(mode); k++) {
		size_t used = strlen(schedule);
		(void)snprintf(schedule + used, size - used, "%s%d", k ? "," : "",
		               (int)json_integer_value(json_array_get(mode, k)));
	}
}

#endif
