/* SPDX-License-Identifier: MIT
 *
 * Whole models on the opencl backend, alone and mixed with others: greedy ids are the golden ones.
 */
#include "golden_support.h"

#include <math.h>

/* 0 where there is no device (the build machine has no driver). */
static int there_is_a_device(void)
{
	vita_context *context = open_context("tiny", "heads.schedule=1,0", "opencl", "opencl");
	vita_engine *engine;
	const int there = vita_engine_open(context, VITA_PART_HEADS, &engine, &err) == VITA_OK;
	if (there) vita_engine_close(engine);
	else print_message("skipped: %s\n", err.message);
	vita_context_destroy(context);
	return there;
}

#define ALL 0xffffffffu
#define MOST_VARIED 8u /* the run with the schedule 1,3,2,3, in which blocks of all sizes come */

/* The schedules of the golden file that have a bit in `which`, and not an op elsewhere. Each size of blocks and type of
 * weights is another program, and a second of its compiler. */
static void run_on(const char *model, const char *llm, const char *heads, const char *more, uint32_t most, uint32_t which)
{
	json_t *golden = golden_of(model);
	const json_t *runs = json_object_get(golden, "runs");
	assert_true(json_array_size(runs) > 3);
	for (size_t i = 0; i < json_array_size(runs); i++) {
		if (!(which >> i & 1)) continue;
		const json_t *golden_run = json_array_get(runs, i);
		char schedule[128];
		schedule_of(golden_run, schedule, sizeof schedule);
		vita_context *context = open_context_with(model, schedule, llm, heads, more);
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
		assert_int_equal(times_logged("cannot run"), 0);
		assert_int_equal(times_logged("never freed"), 0);
	}
	json_decref(golden);
}

static void everything_on_opencl(void **state)
{
	(void)state;
	if (!there_is_a_device()) skip();
	run_on("tiny", "opencl", "opencl", NULL, 48, ALL);
	run_on("tiny-tied", "opencl", "opencl", NULL, 24, ALL);
	run_on("tiny-bf16-sharded", "opencl", "opencl", NULL, 24, MOST_VARIED);
}

static void caches_of_other_types(void **state)
{
	(void)state;
	if (!there_is_a_device()) skip();
	run_on("tiny", "opencl", "opencl", "llm.cache=f16", 8, MOST_VARIED);
}

static void mixed_with_others(void **state)
{
	(void)state;
	if (!there_is_a_device()) skip();
	run_on("tiny", "opencl", "reference", NULL, 16, MOST_VARIED);
	run_on("tiny", "reference", "opencl", NULL, 16, MOST_VARIED);
}

/* The kernels for GPUs, on whatever device there is. */
static void kernels_for_gpus(void **state)
{
	(void)state;
	assert_int_equal(setenv("VITA_OPENCL_CLASS", "gpu", 1), 0);
	if (there_is_a_device()) run_on("tiny", "opencl", "opencl", NULL, 16, MOST_VARIED);
	assert_int_equal(unsetenv("VITA_OPENCL_CLASS"), 0);
}

/* ---- recordings ------------------------------------------------------------------------------------ */

#define MOST_CODES 1024
#define ANSWER 32

/* An answer, and for each token of a main pass by how much it won. */
typedef struct scored {
	int32_t ids[ANSWER];
	float margin[ANSWER], largest[ANSWER];
	uint32_t n, n_vocab;
} scored;

static vita_status take_scored(void *user, int32_t id, uint32_t source, const float *logits, vita_error *e)
{
	scored *s = user;
	float first = -INFINITY, second = -INFINITY;
	(void)source;
	if (s->n == ANSWER) return vita_fail(e, VITA_E_INVALID, "more tokens than asked for");
	for (uint32_t i = 0; logits && i < s->n_vocab; i++) {
		if (logits[i] > first) second = first, first = logits[i];
		else if (logits[i] > second) second = logits[i];
	}
	s->ids[s->n] = id;
	s->margin[s->n] = first - second;
	s->largest[s->n++] = fabsf(first);
	return VITA_OK;
}

static vita_engine *open_small(const char *backend, vita_context **context)
{
	char name[64], model[1100];
	const char *root = getenv("VITA_SRCDIR");
	const char *const keys[] = { name, model, "encoder.plugin=mel-vq", "llm.model=synthetic:nano", "heads.schedule=1,4" };
	vita_config *config;
	vita_engine *engine = NULL;
	(void)snprintf(name, sizeof name, "backend.name=%s", backend);
	(void)snprintf(model, sizeof model, "encoder.model=%s/models/nano/mel-vq", root && root[0] ? root : ".");
	assert_ok(vita_config_create(&config, &err), &err);
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) assert_ok(vita_config_set(config, keys[i], &err), &err);
	assert_ok(vita_context_create(config, write_log, NULL, context, &err), &err);
	vita_config_destroy(config);
	if (vita_engine_open(*context, VITA_PART_ENCODER | VITA_PART_HEADS, &engine, &err) == VITA_OK) return engine;
	print_message("skipped: %s\n", err.message);
	vita_context_destroy(*context);
	return NULL;
}

/* The first tokens of a recording's sound; how many. */
static uint32_t encode(const vita_engine *engine, const char *recording, int32_t *codes)
{
	static float pcm[16000 * 16];
	vita_encoder *encoder;
	vita_encoder_stream *stream;
	vita_encoder_info info;
	vita_audio_reader *reader;
	char path[1100];
	const char *root = getenv("VITA_SRCDIR");
	const vita_encoder_api *api = vita_engine_encoder(engine, &encoder);
	uint64_t n_samples = 0, n = 0, n_codes = 0;
	(void)snprintf(path, sizeof path, "%s/%s", root && root[0] ? root : ".", recording);
	VITA_INIT(&info);
	api->describe(encoder, &info);
	assert_ok(vita_audio_open(path, info.sample_rate, info.mix, &reader, &err), &err);
	while (n_samples < sizeof pcm / sizeof *pcm &&
	       vita_audio_read(reader, pcm + n_samples, sizeof pcm / sizeof *pcm - n_samples, &n, &err) == VITA_OK)
		n_samples += n;
	vita_audio_close(reader);
	assert_ok(api->stream_open(encoder, &stream, &err), &err);
	assert_ok(api->push(stream, pcm, n_samples, 1, NULL, &err), &err);
	while (n_codes < MOST_CODES && api->pull(stream, codes + n_codes, NULL, MOST_CODES - n_codes, &n, &err) == VITA_OK)
		n_codes += n;
	api->stream_close(stream);
	assert_true(n_codes > 20);
	return (uint32_t)n_codes;
}

static void answer_with(vita_engine *engine, const int32_t *codes, uint32_t n, scored *out)
{
	vita_conversation *conversation;
	vita_turn_events events;
	vita_turn turn;
	vita_engine_info info;
	VITA_INIT(&info);
	vita_engine_describe(engine, &info);
	VITA_INIT(&events);
	VITA_INIT(&turn);
	*out = (scored){ .n_vocab = info.llm_info->vocab_size };
	events.user = out;
	events.token = take_scored;
	turn.task = VITA_TASK_IDS;
	turn.ids = codes;
	turn.n_ids = n;
	turn.max_tokens = ANSWER;
	turn.events = &events;
	assert_ok(vita_conversation_open(engine, &conversation, &err), &err);
	assert_ok(vita_turn_run(conversation, &turn, NULL, &err), &err);
	vita_conversation_close(conversation);
	assert_true(out->n > 1);
}

/* The same sounds make the same codes, and these the same answer as on cpu. Sums in another order may turn a choice only
 * where the two likeliest tokens are as close as such sums are, a thousandth. */
static void answers_to_recordings(void **state)
{
	static const char *const recordings[] = { "models/nano/question.wav", "tests/data/reading.wav" };
	(void)state;
	if (!there_is_a_device()) skip();
	vita_context *contexts[2];
	vita_engine *cpu = open_small("cpu", &contexts[0]), *opencl = cpu ? open_small("opencl", &contexts[1]) : NULL;
	if (!cpu) skip();
	assert_non_null(opencl);
	for (size_t i = 0; i < sizeof recordings / sizeof *recordings; i++) {
		int32_t codes[2][MOST_CODES];
		scored a, b;
		uint32_t n = encode(cpu, recordings[i], codes[0]), same = 0;
		assert_int_equal(encode(opencl, recordings[i], codes[1]), n);
		assert_memory_equal(codes[0], codes[1], n * sizeof(int32_t));
		answer_with(cpu, codes[0], n, &a);
		answer_with(opencl, codes[0], n, &b);
		while (same < a.n && same < b.n && a.ids[same] == b.ids[same]) same++;
		if (same == a.n && same == b.n) continue;
		print_message("%s: token %u differs, where cpu's margin is %g of %g\n", recordings[i], same, (double)a.margin[same],
		              (double)a.largest[same]);
		assert_true(same < a.n && a.margin[same] <= 1e-3f * fmaxf(1, a.largest[same]));
	}
	vita_engine_close(opencl);
	vita_context_destroy(contexts[1]);
	vita_engine_close(cpu);
	vita_context_destroy(contexts[0]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_directory, teardown_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(everything_on_opencl),
		TEST(caches_of_other_types),
		TEST(mixed_with_others),
		TEST(kernels_for_gpus),
		TEST(answers_to_recordings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
