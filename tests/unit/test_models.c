/* SPDX-License-Identifier: MIT
 *
 * The engine with real modules on the golden models: the reference's greedy ids for every mode, verified
 * heads, audio rows, settings from model and config.
 */
#include "fake_parts.h"

#include <vita/vita.h>

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const models[] = { "tiny", "tiny-tied", "tiny-bf16-sharded" };
#define N_MODELS (sizeof models / sizeof models[0])

/* ---- opening -------------------------------------------------------------------------------------- */

typedef struct stage {
	vita_config *config;
	vita_context *context;
	vita_engine *engine;
	vita_conversation *c;
	heard h;
} stage;

static void model_path(char *path, size_t size, const char *model)
{
	const char *root = getenv("VITA_SRCDIR");
	if (*model == '/')
		snprintf(path, size, "%s", model);
	else
		snprintf(path, size, "%s/tests/golden/llm/%s", root ? root : ".", model);
}

/* Settings as -s takes them, NULL behind the last. */
static vita_status try_open(stage *s, const char *model, const char *const *settings, uint32_t parts,
                            vita_error *err)
{
	char path[4000], assignment[4096];
	memset(s, 0, sizeof *s);
	model_path(path, sizeof path, model);
	snprintf(assignment, sizeof assignment, "llm.model=%s", path);
	vita_status status = vita_config_create(&s->config, err);
	if (status == VITA_OK) status = vita_config_set(s->config, assignment, err);
	if (status == VITA_OK) status = vita_config_set(s->config, "backend.name=reference", err);
	for (; status == VITA_OK && *settings; settings++)
		status = vita_config_set(s->config, *settings, err);
	if (status == VITA_OK) status = vita_context_create(s->config, NULL, NULL, &s->context, err);
	if (status == VITA_OK) status = vita_engine_open(s->context, parts, &s->engine, err);
	if (status == VITA_OK) status = vita_conversation_open(s->engine, &s->c, err);
	return status;
}

static void tear_down(stage *s)
{
	vita_conversation_close(s->c);
	vita_engine_close(s->engine);
	vita_context_destroy(s->context);
	vita_config_destroy(s->config);
	free(s);
}

static stage *set_up(const char *model, const char *const *settings)
{
	vita_error err = { 0 };
	stage *s = calloc(1, sizeof *s);
	assert_non_null(s);
	if (try_open(s, model, settings, VITA_PART_HEADS, &err) != VITA_OK) fail_msg("%s", err.message);
	return s;
}

static const char *const nothing[] = { NULL };

static void run_ids(stage *s, const int32_t *ids, uint64_t n, int64_t max_tokens)
{
	if (hear_ids(s->c, &s->h, ids, n, max_tokens) != VITA_OK) fail_msg("%s", s->h.err.message);
}

/* ---- golden runs ---------------------------------------------------------------------------------- */

static json_t *golden_of(const char *model)
{
	char path[4096];
	json_error_t why;
	model_path(path, sizeof path - 16, model);
	strcat(path, "/golden.json");
	json_t *golden = json_load_file(path, 0, &why);
	if (!golden) fail_msg("%s: %s", path, why.text);
	return golden;
}

static uint32_t read_ids(const json_t *object, const char *key, int32_t *ids, uint32_t capacity)
{
	const json_t *list = json_object_get(object, key);
	uint32_t n = (uint32_t)json_array_size(list);
	assert_true(n > 0 && n <= capacity);
	for (uint32_t i = 0; i < n; i++) ids[i] = (int32_t)json_integer_value(json_array_get(list, i));
	return n;
}

static void schedule_setting(const json_t *run, char *text, size_t size)
{
	int32_t mode[16];
	uint32_t n = read_ids(run, "mode", mode, 16);
	size_t used = (size_t)snprintf(text, size, "heads.schedule=");
	for (uint32_t i = 0; i < n; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%ld", i ? "," : "", (long)mode[i]);
}

static void assert_run(const char *model, const json_t *run, const int32_t *prompt, uint32_t n_prompt)
{
	char schedule[128];
	int32_t tokens[64], end;
	const char *letters = json_string_value(json_object_get(run, "schedule"));
	const json_t *eos = json_object_get(run, "eos_token_id");
	schedule_setting(run, schedule, sizeof schedule);
	uint32_t n = read_ids(run, "tokens", tokens, 64);
	stage *s = set_up(model, (const char *const[]){ schedule, NULL });
	assert_int_equal(s->engine->generation.n_end_ids, 1);
	if (eos) {
		end = (int32_t)json_integer_value(eos);
		s->engine->generation.end_ids[0] = end;
	}
	run_ids(s, prompt, n_prompt, eos ? 48 : (int64_t)n);
	assert_int_equal(s->h.n, n);
	for (uint32_t i = 0; i < n; i++) {
		if (s->h.ids[i] != tokens[i])
			fail_msg("%s, %s: token %u is %ld, expected %ld", model, schedule, (unsigned)i,
			         (long)s->h.ids[i], (long)tokens[i]);
		if (letters && letters[i] == 'M') assert_int_equal(s->h.sources[i], 0);
	}
	assert_int_equal(s->h.n_with_logits, n);
	assert_int_equal(s->h.result.stop, tokens[n - 1] == s->engine->generation.end_ids[0]
	                                           ? VITA_STOP_TOKEN
	                                           : VITA_STOP_LENGTH);
	tear_down(s);
}

static void test_golden_runs(void **state)
{
	(void)state;
	for (size_t m = 0; m < N_MODELS; m++) {
		int32_t prompt[64], one[4];
		json_t *golden = golden_of(models[m]), *runs = json_object_get(golden, "runs");
		uint32_t n = read_ids(golden, "prompt", prompt, 64);
		for (size_t i = 0; i < json_array_size(runs); i++)
			assert_run(models[m], json_array_get(runs, i), prompt, n);
		assert_run(models[m], json_object_get(golden, "eos"), prompt, n);
		assert_run(models[m], json_object_get(golden, "over"), prompt, n);
		const json_t *prompt1 = json_object_get(golden, "prompt1");
		n = read_ids(prompt1, "prompt", one, 4);
		assert_run(models[m], prompt1, one, n);
		json_decref(golden);
	}
}

/* Without any key the model's own generation_config.json rules: [1, 3], 48 tokens, end token 2. */
static void test_models_own_settings(void **state)
{
	(void)state;
	int32_t prompt[64], tokens[64];
	json_t *golden = golden_of("tiny");
	uint32_t n = read_ids(golden, "prompt", prompt, 64);
	assert_int_equal(read_ids(json_array_get(json_object_get(golden, "runs"), 1), "tokens", tokens, 64),
	                 48);
	stage *s = set_up("tiny", nothing);
	run_ids(s, prompt, n, -1);
	assert_int_equal(s->h.n, 48);
	assert_memory_equal(s->h.ids, tokens, 48 * sizeof tokens[0]);
	assert_int_equal(s->engine->generation.end_ids[0], 2);
	vita_engine_info info;
	VITA_INIT(&info);
	vita_engine_describe(s->engine, &info);
	assert_string_equal(info.llm, "qwen2");
	assert_string_equal(info.head, "mctp");
	assert_string_equal(info.codec, "");
	assert_int_equal(info.head_info->count, 3);
	assert_null(info.codec_info);
	memset(&info, 0x55, sizeof info); /* an older caller's struct is not overrun */
	info.struct_size = offsetof(vita_engine_info, llm_info);
	vita_engine_describe(s->engine, &info);
	assert_string_equal(info.llm, "qwen2");
	assert_int_equal(((unsigned char *)&info.llm_info)[0], 0x55);
	tear_down(s);
	json_decref(golden);
}

/* A turn may bring a schedule of its own; the next one is the config's again. */
static void test_schedule_of_a_turn(void **state)
{
	static const char *const schedules[] = { "vanilla", NULL, "1,2" };
	static const size_t golden_run[] = { 0, 1, 2 };
	int32_t prompt[64], tokens[64];
	json_t *golden = golden_of("tiny");
	uint32_t n = read_ids(golden, "prompt", prompt, 64);
	stage *s = set_up("tiny", (const char *const[]){ "heads.schedule=1,3", NULL });
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		const json_t *run = json_array_get(json_object_get(golden, "runs"), golden_run[i]);
		uint32_t n_tokens = read_ids(run, "tokens", tokens, 64);
		vita_turn_events events = heard_events(&s->h);
		vita_turn turn;
		memset(&s->h, 0, sizeof s->h);
		VITA_INIT(&turn);
		turn.ids = prompt;
		turn.n_ids = n;
		turn.max_tokens = (int64_t)n_tokens;
		turn.events = &events;
		turn.schedule = schedules[i];
		assert_int_equal(vita_conversation_reset(s->c, &s->h.err), VITA_OK);
		if (vita_turn_run(s->c, &turn, NULL, &s->h.err) != VITA_OK) fail_msg("%s", s->h.err.message);
		assert_int_equal(s->h.n, n_tokens);
		assert_memory_equal(s->h.ids, tokens, n_tokens * sizeof *tokens);
		turn.schedule = "0,3";
		assert_int_equal(vita_turn_run(s->c, &turn, NULL, &s->h.err), VITA_E_CONFIG);
	}
	json_decref(golden);
	tear_down(s);
}

/* ---- rows in place of embeddings ------------------------------------------------------------------ */

/* Rows of an encoder stand at the placeholders' positions for the main model; heads see the placeholder. */
static void test_spliced_rows(void **state)
{
	(void)state;
	char path[4096];
	int32_t prompt[64], tokens[64];
	vita_model *model;
	vita_array rows, scores;
	const int64_t any[2] = { -1, -1 };
	json_t *golden = golden_of("spliced");
	uint32_t n = read_ids(golden, "prompt_ids", prompt, 64),
		 n_tokens = read_ids(golden, "tokens", tokens, 64);
	uint32_t first = (uint32_t)json_integer_value(json_object_get(golden, "audio_start"));
	uint32_t count = (uint32_t)json_integer_value(json_object_get(golden, "audio_len"));
	model_path(path, sizeof path - 32, "spliced");
	strcat(path, "/golden.safetensors");
	assert_int_equal(vita_model_open(path, VITA_MODEL_WANT_TENSORS, &model, NULL), VITA_OK);
	assert_int_equal(vita_model_tensor(model, "inputs_embeds", 2, any, &rows, NULL), VITA_OK);
	assert_int_equal(vita_model_tensor(model, "step_logits", 2, any, &scores, NULL), VITA_OK);
	stage *s = set_up("spliced", (const char *const[]){ "heads.schedule=1,2", NULL });
	const float *row = (const float *)rows.data + first * rows.shape[1];
	assert_int_equal(vita_conversation_append(s->c, prompt, first, NULL), VITA_OK);
	assert_int_equal(vita_conversation_append_rows(s->c, prompt[first], row, count, NULL), VITA_OK);
	s->h.reference = scores.data;
	run_ids(s, prompt + first + count, n - first - count, n_tokens);
	assert_int_equal(s->h.n, n_tokens);
	assert_memory_equal(s->h.ids, tokens, n_tokens * sizeof tokens[0]);
	assert_true(s->h.worst < 2e-3);
	tear_down(s);
	vita_model_close(model);
	json_decref(golden);
}

/* ---- heads ---------------------------------------------------------------------------------------- */

static uint32_t hear_setting(const char *model, const char *const *settings, const int32_t *prompt,
                             uint32_t n, heard *out)
{
	stage *s = set_up(model, settings);
	run_ids(s, prompt, n, 60);
	*out = s->h;
	tear_down(s);
	return out->n;
}

static heard *listener(void)
{
	heard *h = calloc(1, sizeof *h);
	assert_non_null(h);
	return h;
}

static uint32_t random_prompt(vita_random *random, int32_t *prompt)
{
	uint32_t n = 1 + (uint32_t)(vita_random_next(random) % 20);
	for (uint32_t i = 0; i < n; i++) prompt[i] = 3 + (int32_t)(vita_random_next(random) % 297);
	return n;
}

static void test_verified_is_vanilla(void **state)
{
	(void)state;
	static const char *const schedules[] = { "heads.schedule=1,3", "heads.schedule=balance",
		                                 "heads.schedule=1,1,2,2,1,3" };
	static const char *const sampled[] = { "generation.temperature=0.9", "generation.temperature=0" };
	vita_random random = { 7 };
	heard *vanilla = listener(), *verified = listener();
	for (size_t m = 0; m < N_MODELS; m++) {
		for (int p = 0; p < 4; p++) {
			int32_t prompt[64];
			json_t *golden = golden_of(models[m]);
			uint32_t n = p == 0 ? read_ids(golden, "prompt", prompt, 64)
			                    : random_prompt(&random, prompt);
			json_decref(golden);
			const char *how = sampled[p != 3];
			hear_setting(models[m], (const char *const[]){ "heads.schedule=vanilla", how, NULL },
			             prompt, n, vanilla);
			for (size_t k = 0; k < sizeof schedules / sizeof schedules[0]; k++) {
				hear_setting(models[m],
				             (const char *const[]){ schedules[k], "heads.verify=exact", how,
				                                    NULL },
				             prompt, n, verified);
				assert_int_equal(vanilla->n, verified->n);
				assert_memory_equal(vanilla->ids, verified->ids,
				                    vanilla->n * sizeof vanilla->ids[0]);
				assert_true(verified->result.n_proposed > 0);
			}
		}
	}
	free(vanilla);
	free(verified);
}

static void test_repetition_penalty_counts(void **state)
{
	(void)state;
	int32_t prompt[64];
	vita_random random = { 3 };
	uint32_t n = random_prompt(&random, prompt);
	heard *vanilla = listener(), *verified = listener();
	const char *penalty = "generation.repetition_penalty=3";
	hear_setting("tiny", (const char *const[]){ "heads.schedule=vanilla", penalty, NULL }, prompt, n,
	             vanilla);
	for (uint32_t i = 0; i < vanilla->n; i++)
		for (uint32_t j = 0; j < i; j++) assert_int_not_equal(vanilla->ids[i], vanilla->ids[j]);
	hear_setting("tiny", (const char *const[]){ "heads.verify=exact", penalty, NULL }, prompt, n,
	             verified);
	assert_memory_equal(vanilla->ids, verified->ids, vanilla->n * sizeof vanilla->ids[0]);
	free(vanilla);
	free(verified);
}

static void test_count_and_none(void **state)
{
	(void)state;
	int32_t prompt[] = { 7, 251, 33 };
	heard *h = listener();
	hear_setting("tiny", (const char *const[]){ "heads.count=1", "heads.schedule=1,3", NULL }, prompt, 3,
	             h);
	for (uint32_t i = 0; i < h->n; i++)
		assert_int_equal(h->sources[i], i % 2); /* the surplus steps are main passes */
	hear_setting("tiny", (const char *const[]){ "heads.count=0", "heads.schedule=1,3", NULL }, prompt, 3,
	             h);
	assert_int_equal(h->result.n_proposed, 0);
	hear_setting("tiny", (const char *const[]){ "heads.plugin=none", "heads.verify=exact", NULL }, prompt,
	             3, h);
	assert_int_equal(h->result.n_proposed, 0);
	free(h);
}

/* ---- audio rows ----------------------------------------------------------------------------------- */

/* tiny in a directory of its own, with other companions: a file's content by name, NULL for none. */
static void write_file(const char *folder, const char *name, const char *content)
{
	char path[128];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *file = content ? fopen(path, "w") : NULL;
	if (!content) return;
	assert_non_null(file);
	fputs(content, file);
	assert_int_equal(fclose(file), 0);
}

static void link_file(const char *folder, const char *name)
{
	char from[4000], absolute[4096], to[128];
	model_path(from, sizeof from - 64, "tiny");
	strcat(strcat(from, "/"), name);
	assert_non_null(realpath(from, absolute));
	snprintf(to, sizeof to, "%s/%s", folder, name);
	assert_int_equal(symlink(absolute, to), 0);
}

static void make_folder(char *path, const char *generation_config)
{
	strcpy(path, "/tmp/vita-model-XXXXXX");
	assert_non_null(mkdtemp(path));
	link_file(path, "config.json");
	link_file(path, "model.safetensors");
	write_file(path, "generation_config.json", generation_config);
}

static void remove_folder(const char *path)
{
	static const char *const files[] = { "config.json", "generation_config.json", "model.safetensors",
		                             "tokenizer.json" };
	char name[128];
	for (size_t i = 0; i < 4; i++) {
		snprintf(name, sizeof name, "%s/%s", path, files[i]);
		unlink(name);
	}
	rmdir(path);
}

/* With a tokenizer that has audio tokens. */
static void make_speaking(char *path)
{
	char name[128];
	make_folder(path, "{\"eos_token_id\": [270, 2, 265]}"); /* some are audio tokens */
	snprintf(name, sizeof name, "%s/tokenizer.json", path);
	fake_write_tokenizer(name, 0);
}

static void test_audio_rows(void **state)
{
	(void)state;
	char path[64];
	const int32_t prompt[] = { 7, 251, 33, 98 };
	make_speaking(path);
	stage *s =
		set_up(path, (const char *const[]){ "heads.vocabulary=audio", "heads.schedule=1,3", NULL });
	static const vita_range ranges[] = { { 2, 1 }, { FAKE_IM_END, 3 }, { FAKE_AUDIO, FAKE_N_AUDIO } };
	assert_int_equal(s->engine->n_head_ranges, 3);
	assert_memory_equal(s->engine->head_ranges, ranges, sizeof ranges);
	s->engine->generation.min_tokens = 40; /* this model ends early */
	run_ids(s, prompt, 4, 60);
	assert_true(s->h.n > 40);
	for (uint32_t i = 0; i < s->h.n; i++) {
		int32_t id = s->h.ids[i];
		int control = id == FAKE_BEGIN || id == FAKE_END || id == FAKE_IM_END || id == 2;
		int audio = id >= FAKE_AUDIO && id < FAKE_AUDIO + FAKE_N_AUDIO;
		if (s->h.sources[i]) assert_true(control || audio);
		assert_true(id < FAKE_SIZE);
	}
	tear_down(s);
	heard *vanilla = listener(), *verified = listener();
	hear_setting(path, (const char *const[]){ "heads.vocabulary=audio", "heads.schedule=vanilla", NULL },
	             prompt, 4, vanilla);
	hear_setting(path, (const char *const[]){ "heads.vocabulary=audio", "heads.verify=exact", NULL },
	             prompt, 4, verified);
	assert_int_equal(vanilla->n, verified->n);
	assert_memory_equal(vanilla->ids, verified->ids, vanilla->n * sizeof vanilla->ids[0]);
	free(vanilla);
	free(verified);
	remove_folder(path);
}

/* ---- devices -------------------------------------------------------------------------------------- */

/* The toy backend has three ops and memory of its own; the other ops, and the heads where they live elsewhere, get
 * its tensors through the host. */
static void test_mixed_devices(void **state)
{
	(void)state;
	const char *root = getenv("VITA_BUILDDIR");
	char folder[] = "/tmp/vita-toy-XXXXXX", name[64], module[4096], absolute[4096], plugin_path[128];
	int32_t prompt[64], tokens[64];
	json_t *golden = golden_of("tiny");
	uint32_t n = read_ids(golden, "prompt", prompt, 64);
	assert_int_equal(read_ids(json_array_get(json_object_get(golden, "runs"), 1), "tokens", tokens, 64), 48);
	assert_non_null(mkdtemp(folder));
	snprintf(module, sizeof module, "%s/tests/stubs/.libs/toy_backend.so", root ? root : ".");
	snprintf(name, sizeof name, "%s/toy_backend.so", folder);
	snprintf(plugin_path, sizeof plugin_path, "vita.plugin_path=%s", folder);
	assert_non_null(realpath(module, absolute));
	assert_int_equal(symlink(absolute, name), 0);
	static const char *const homes[][2] = { { "toy", "reference" }, { "reference", "toy" }, { "toy", "toy" } };
	for (size_t i = 0; i < 3; i++) {
		char llm[64], heads[64];
		vita_engine_info info;
		snprintf(llm, sizeof llm, "llm.backend=%s", homes[i][0]);
		snprintf(heads, sizeof heads, "heads.backend=%s", homes[i][1]);
		stage *s = set_up("tiny", (const char *const[]){ plugin_path, llm, heads, NULL });
		VITA_INIT(&info);
		vita_engine_describe(s->engine, &info);
		assert_string_equal(info.llm_backend, homes[i][0]);
		assert_string_equal(info.head_backend, homes[i][1]);
		run_ids(s, prompt, n, -1);
		assert_int_equal(s->h.n, 48);
		assert_memory_equal(s->h.ids, tokens, sizeof tokens[0] * 48);
		tear_down(s);
	}
	unlink(name);
	rmdir(folder);
	json_decref(golden);
}

/* ---- where settings come from --------------------------------------------------------------------- */

static vita_generation generation_of(const char *generation_config, const char *const *settings, char *schedule)
{
	char path[64];
	make_folder(path, generation_config);
	stage *s = set_up(path, settings);
	vita_generation generation = s->engine->generation;
	for (uint32_t i = 0; i < 12; i++) schedule[i] = vita_schedule_is_main(&s->engine->schedule, i) ? 'M' : 'm';
	schedule[12] = '\0';
	generation.end_ids = calloc(generation.n_end_ids + 1, sizeof *generation.end_ids);
	assert_non_null(generation.end_ids);
	memcpy(generation.end_ids, s->engine->generation.end_ids, generation.n_end_ids * sizeof(int32_t));
	tear_down(s);
	remove_folder(path);
	return generation;
}

static void test_settings_without_a_file(void **state)
{
	(void)state;
	char schedule[16];
	vita_generation g = generation_of(NULL, nothing, schedule);
	assert_true(g.sampling.temperature == 0 && g.sampling.repetition_penalty == 1 && g.sampling.top_p == 1);
	assert_int_equal(g.sampling.top_k, 0);
	assert_int_equal(g.max_tokens, 8192);
	assert_int_equal(g.n_end_ids, 1); /* config.json's */
	assert_int_equal(g.end_ids[0], 2);
	assert_string_equal(schedule, "MmmmMmmmMmmm"); /* every head once */
	free(g.end_ids);
}

static const char template_config[] =
	"{\"do_sample\": true, \"temperature\": 0.7, \"top_p\": 0.8, \"top_k\": 20, \"repetition_penalty\": 1.05,"
	"\"eos_token_id\": [45, 43, 151645], \"max_new_tokens\": 77, \"min_new_tokens\": 3, \"min_p\": 0.1,"
	"\"mtp_inference_mode\": [1, 4, 3, 8, 4, 10]}";

static void test_settings_of_the_model(void **state)
{
	(void)state;
	char schedule[16];
	vita_generation g = generation_of(template_config, nothing, schedule);
	assert_true(g.sampling.temperature == 0.7 && g.sampling.top_p == 0.8 && g.sampling.min_p == 0.1);
	assert_true(g.sampling.repetition_penalty == 1.05);
	assert_int_equal(g.sampling.top_k, 20);
	assert_int_equal(g.max_tokens, 77);
	assert_int_equal(g.min_tokens, 3);
	assert_int_equal(g.n_end_ids, 2); /* one is outside the vocabulary */
	assert_int_equal(g.end_ids[1], 43);
	assert_string_equal(schedule, "MmmmmMMMmmmm");
	free(g.end_ids);
	g = generation_of("{\"do_sample\": false, \"temperature\": 0.7, \"eos_token_id\": 5}", nothing, schedule);
	assert_true(g.sampling.temperature == 0);
	assert_int_equal(g.end_ids[0], 5);
	free(g.end_ids);
	g = generation_of("{\"do_sample\": true}", nothing, schedule);
	assert_true(g.sampling.temperature == 1);
	assert_int_equal(g.sampling.top_k, 50); /* as transformers has it */
	free(g.end_ids);
}

static void test_settings_of_the_config(void **state)
{
	(void)state;
	static const char *const settings[] = { "generation.temperature=0", "generation.top_k=7", "generation.top_p=0.5",
		                                "generation.repetition_penalty=1", "generation.max_tokens=9",
		                                "generation.seed=-5", "heads.schedule=2,1", NULL };
	char schedule[16];
	vita_generation g = generation_of(template_config, settings, schedule);
	assert_true(g.sampling.temperature == 0 && g.sampling.top_p == 0.5 && g.sampling.repetition_penalty == 1);
	assert_int_equal(g.sampling.top_k, 7);
	assert_int_equal(g.max_tokens, 9);
	assert_true(g.seed == (uint64_t)-5);
	assert_string_equal(schedule, "MMmMMmMMmMMm");
	free(g.end_ids);
}

static void test_written_newlines(void **state)
{
	(void)state;
	stage *s = set_up("tiny", (const char *const[]){ "generation.system=Your Name: Luke\\n\\nC:\\\\new",
	                                                 "generation.prompt=\\n", NULL });
	assert_string_equal(s->engine->generation.system, "Your Name: Luke\n\nC:\\new");
	assert_string_equal(s->engine->generation.prompt, "\n");
	tear_down(s);
}

/* ---- refusals ------------------------------------------------------------------------------------- */

static void assert_refused(const char *model, const char *const *settings, uint32_t parts,
                           vita_status expected, const char *word)
{
	vita_error err = { 0 };
	stage *s = calloc(1, sizeof *s);
	assert_non_null(s);
	assert_int_equal(try_open(s, model, settings, parts, &err), expected);
	if (!strstr(err.message, word)) fail_msg("\"%s\" lacks \"%s\"", err.message, word);
	tear_down(s);
}

static void test_bad_model_settings(void **state)
{
	static const struct {
		const char *config, *word;
	} bad[] = {
		{ "{\"mtp_inference_mode\": [1, 4, 3]}", "mtp_inference_mode" },
		{ "{\"mtp_inference_mode\": [0, 4]}", "mtp_inference_mode" },
		{ "{\"mtp_inference_mode\": []}", "mtp_inference_mode" },
		{ "{\"mtp_inference_mode\": \"fast\"}", "mtp_inference_mode" },
		{ "{\"top_p\": 7}", "top_p" },
		{ "{\"repetition_penalty\": -1}", "repetition_penalty" },
		{ "{\"eos_token_id\": \"end\"}", "eos_token_id" },
		{ "{\"do_sample\": 3}", "do_sample" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		char path[64];
		make_folder(path, bad[i].config);
		assert_refused(path, nothing, VITA_PART_HEADS, VITA_E_FORMAT, bad[i].word);
		remove_folder(path);
	}
}

static void test_audio_ids_must_follow_each_other(void **state)
{
	(void)state;
	char path[64], name[128];
	make_folder(path, NULL);
	snprintf(name, sizeof name, "%s/tokenizer.json", path);
	fake_write_tokenizer(name, 1);
	assert_refused(path, (const char *const[]){ "heads.vocabulary=audio", NULL }, VITA_PART_HEADS,
	               VITA_E_FORMAT, "<|audio_3|> the id 267");
	fake_write_tokenizer(name, 50); /* above the model's 300 rows */
	assert_refused(path, nothing, VITA_PART_LLM | VITA_PART_TOKENIZER, VITA_E_FORMAT, "consecutive");
	remove_folder(path);
}

static void test_refusals(void **state)
{
	(void)state;
	const uint32_t heads = VITA_PART_HEADS;
	assert_refused("tiny", (const char *const[]){ "heads.schedule=1,2,3", NULL }, heads, VITA_E_CONFIG,
	               "[heads] schedule");
	assert_refused("tiny", (const char *const[]){ "heads.schedule=0,3", NULL }, heads, VITA_E_CONFIG,
	               "at least one main");
	assert_refused("tiny", (const char *const[]){ "heads.count=4", NULL }, heads, VITA_E_CONFIG, "3");
	assert_refused("tiny", (const char *const[]){ "heads.plugin=nosuch", NULL }, heads, VITA_E_CONFIG,
	               "mctp");
	assert_refused("tiny", (const char *const[]){ "heads.vocabulary=audio", NULL }, heads,
	               VITA_E_NOTFOUND, "tokenizer.json");
	assert_refused("nosuch", nothing, heads, VITA_E_NOTFOUND, "nosuch");
	assert_refused("tiny", nothing, VITA_PART_CODEC, VITA_E_CONFIG, "codec");
	assert_refused("tiny", nothing, VITA_PART_ENCODER, VITA_E_CONFIG, "encoder");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden_runs),
		cmocka_unit_test(test_models_own_settings),
		cmocka_unit_test(test_schedule_of_a_turn),
		cmocka_unit_test(test_spliced_rows),
		cmocka_unit_test(test_verified_is_vanilla),
		cmocka_unit_test(test_repetition_penalty_counts),
		cmocka_unit_test(test_count_and_none),
		cmocka_unit_test(test_audio_rows),
		cmocka_unit_test(test_mixed_devices),
		cmocka_unit_test(test_settings_without_a_file),
		cmocka_unit_test(test_settings_of_the_model),
		cmocka_unit_test(test_settings_of_the_config),
		cmocka_unit_test(test_written_newlines),
		cmocka_unit_test(test_bad_model_settings),
		cmocka_unit_test(test_audio_ids_must_follow_each_other),
		cmocka_unit_test(test_refusals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
