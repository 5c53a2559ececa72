/* SPDX-License-Identifier: MIT
 *
 * Whole models on devices by others: the toy backend of tests/stubs, which has three ops and memory of its
 * own, runs the golden models, alone and mixed with the reference backend, and the ids stay the golden ones.
 */
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

static const char *in_models(const char *model, const char *file)
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

static vita_context *open_context(const char *model, const char *schedule, const char *llm, const char *heads)
{
	char path[2100], model_key[1100], llm_key[64], heads_key[64];
	const char *const keys[] = { model_key, schedule, llm_key, heads_key, "vita.log=info" };
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
		assert_ok(vita_config_set(config, keys[i], &err), &err);
	assert_ok(vita_context_create(config, write_log, NULL, &context, &err), &err);
	vita_config_destroy(config);
	return context;
}

static void run_on(const char *model, const char *llm, const char *heads, uint32_t most)
{
	json_error_t why;
	json_t *golden = json_load_file(in_models(model, "/golden.json"), 0, &why);
	if (!golden) fail_msg("%s: %s", model, why.text);
	const json_t *runs = json_object_get(golden, "runs");
	for (size_t i = 0; i < json_array_size(runs); i++) {
		const json_t *golden_run = json_array_get(runs, i),
			     *mode = json_object_get(golden_run, "mode");
		char schedule[128] = "heads.schedule=";
		for (size_t k = 0; k < json_array_size(mode); k++) {
			size_t used = strlen(schedule);
			(void)snprintf(schedule + used, sizeof schedule - used, "%s%d", k ? "," : "",
			               (int)json_integer_value(json_array_get(mode, k)));
		}
		vita_context *context = open_context(model, schedule, llm, heads);
		vita_engine *engine;
		vita_engine_info info;
		assert_ok(vita_engine_open(context, VITA_PART_HEADS, &engine, &err), &err);
		VITA_INIT(&info);
		vita_engine_describe(engine, &info);
		assert_string_equal(info.llm_backend, llm);
		assert_string_equal(info.head_backend, heads);
		run(engine, golden, golden_run, most);
		vita_engine_close(engine);
		vita_context_destroy(context);
		assert_int_equal(times_logged("never freed"), 0);
		assert_int_equal(times_logged("cannot run ATTENTION"),
		                 strcmp(llm, "toy") == 0 || json_integer_value(json_array_get(mode, 1)) > 0);
		assert_int_equal(times_logged("cannot run MATMUL(f32, f32)"), 0);
	}
	json_decref(golden);
}

static void llm_on_the_toy_heads_on_the_reference(void **state)
{
	(void)state;
	put_stub("toy_backend", "toy");
	run_on("tiny", "toy", "reference", 48);
	run_on("tiny-tied", "toy", "reference", 12);
	run_on("tiny-bf16-sharded", "toy", "reference", 12);
}

static void llm_on_the_reference_heads_on_the_toy(void **state)
{
	(void)state;
	put_stub("toy_backend", "toy");
	run_on("tiny", "reference", "toy", 24);
}

static void everything_on_the_toy(void **state)
{
	(void)state;
	put_stub("toy_backend", "toy");
	run_on("tiny", "toy", "toy", 24);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_directory, teardown_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(llm_on_the_toy_heads_on_the_reference),
		TEST(llm_on_the_reference_heads_on_the_toy),
		TEST(everything_on_the_toy),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
