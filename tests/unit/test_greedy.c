/* SPDX-License-Identifier: MIT
 *
 * Greedy choices on the device (vita/greedy.h): chains of heads and passes that give ids say what scores that are read
 * say, and the engine's answers do not depend on who chooses.
 */
#include "fake_parts.h"
#include "lm_random.h"
#include "lm_setup.h"

#include <math.h>

/* ---- the abilities of qwen2 and mctp --------------------------------------------------------------- */

#define MOST_HEADS 4

static const vita_greedy_api *greedy_of(const lm *m)
{
	const vita_greedy_api *api = m->llm_api->get_extension(m->llm, VITA_GREEDY_ID);
	assert_non_null(api);
	return api;
}

/* The ids of the ranges, scores side by side: the one of the highest. */
static int32_t best_of(const float *scores, const vita_range *ranges, uint32_t n_ranges)
{
	int32_t id = -1;
	float best = -INFINITY;
	for (uint32_t i = 0; i < n_ranges; i++)
		for (int32_t j = 0; j < ranges[i].count; j++, scores++)
			if (*scores > best) best = *scores, id = ranges[i].first + j;
	return id;
}

static vita_head_call call_of(const lm_talk *t, uint32_t head, const vita_range *ranges, uint32_t n_ranges)
{
	vita_head_call call;
	VITA_INIT(&call);
	call.index = head;
	call.state = t->head;
	call.tokens = t->tokens;
	call.n_tokens = t->n;
	call.ranges = ranges;
	call.n_ranges = n_ranges;
	call.logits = t->logits;
	return call;
}

/* Heads `first` … one by one, each with the likeliest token of the one before; the tokens are added to the talk. */
static void propose_one_by_one(lm_talk *t, uint32_t first, uint32_t count, const vita_range *ranges, uint32_t n_ranges)
{
	vita_error err;
	for (uint32_t k = first; k < first + count; k++) {
		vita_head_call call = call_of(t, k, ranges, n_ranges), *one = &call;
		lm_ok(t->m->head_api->propose(t->m->head, &one, 1, NULL, &err), &err);
		lm_talk_add(t, best_of(t->logits, ranges, n_ranges));
	}
}

/* Feed what the LLM has not seen; its choice is added, read as scores or chosen there. */
static void main_pass(lm_talk *t, int chosen)
{
	static const int32_t all_main[2] = { 1, 0 };
	lm *m = t->m;
	vita_error err;
	t->n_prompt = t->n;
	if (!chosen) {
		lm_talk_step(t, all_main, 2);
		lm_talk_add(t, lm_talk_best(t));
		return;
	}
	uint32_t first = m->llm_api->state_length(t->state);
	int32_t id = -5;
	vita_llm_block block, *one = &block;
	vita_choice choice;
	const vita_choice *of_one = &choice;
	VITA_INIT(&block);
	VITA_INIT(&choice);
	block.state = t->state;
	block.ids = t->tokens + first;
	block.n_tokens = t->n - first;
	choice.count = 1;
	choice.limit = (int32_t)m->info.vocab_size;
	choice.ids = &id;
	lm_ok(greedy_of(m)->forward(m->llm, &one, &of_one, 1, NULL, &err), &err);
	lm_ok(m->head_api->observe(t->head, first, block.n_tokens, &block.hidden, &err), &err);
	lm_talk_add(t, id);
}

/* Two talks say the same, one with chains; they are cut back to the same place now and then. */
static void follow(lm *m, uint64_t *seed)
{
	const int32_t vocab = (int32_t)m->info.vocab_size;
	const vita_range sets[3][2] = {
		{ { 0, vocab }, { 0, 0 } }, { { 3, vocab - 9 }, { 0, 0 } }, { { 2, 5 }, { 11, vocab - 11 } },
	};
	const vita_chain_api *api = m->head_api->get_extension(m->head, VITA_CHAIN_ID);
	int32_t prompt[30], ids[MOST_HEADS];
	static lm_talk plain, chained;
	vita_error err;
	assert_non_null(api);
	uint32_t n_prompt = 1 + lm_random_below(seed, 30);
	for (uint32_t i = 0; i < n_prompt; i++) prompt[i] = (int32_t)lm_random_below(seed, (uint32_t)vocab);
	lm_talk_open(&plain, m, prompt, n_prompt);
	lm_talk_open(&chained, m, prompt, n_prompt);
	for (int round = 0; round < 12; round++) {
		for (uint32_t i = lm_random_below(seed, 3) + 1; i > 0; i--) {
			main_pass(&plain, 0);
			main_pass(&chained, 1);
		}
		uint32_t count = lm_random_below(seed, m->head_info.count + 1), set = lm_random_below(seed, 3);
		for (uint32_t first = 0; first < count;) {
			uint32_t run = 1 + lm_random_below(seed, count - first);
			vita_head_call call = call_of(&chained, first, sets[set], 1 + (set == 2));
			vita_chain chain, *one = &chain;
			VITA_INIT(&chain);
			chain.call = &call;
			chain.count = run;
			chain.ids = ids;
			m->head_trace->reads = m->head_trace->waits = 0;
			lm_ok(api->propose(m->head, &one, 1, NULL, &err), &err);
			assert_int_equal(m->head_trace->reads, 1);
			assert_int_equal(m->head_trace->waits, 1);
			for (uint32_t i = 0; i < run; i++) lm_talk_add(&chained, ids[i]);
			propose_one_by_one(&plain, first, run, sets[set], 1 + (set == 2));
			first += run;
		}
		assert_int_equal(chained.n, plain.n);
		assert_memory_equal(chained.tokens, plain.tokens, plain.n * sizeof *plain.tokens);
		uint32_t back = lm_random_below(seed, 2) ? lm_random_below(seed, 8) : 0;
		if (back >= plain.n) continue;
		lm_talk_cut(&plain, plain.n - back);
		lm_talk_cut(&chained, chained.n - back);
		if (m->llm_api->state_length(plain.state) < plain.n) continue;
		/* a main pass needs a token */
		lm_talk_add(&plain, 1);
		lm_talk_add(&chained, 1);
	}
	lm_talk_close(&plain);
	lm_talk_close(&chained);
}

static void test_chains(void **state)
{
	uint64_t seed = 11;
	(void)state;
	for (int round = 0; round < 16; round++) {
		lm_shape shape = lm_random_shape(&seed);
		vita_error err;
		lm m;
		if (shape.modules == 0) continue;
		char *path = lm_random_write(&shape, seed, NULL, NULL);
		lm_ok(lm_open(&m, path, NULL, &err), &err);
		for (int run = 0; run < 3; run++) follow(&m, &seed);
		lm_close(&m);
		lm_random_remove(path);
	}
}

/* ---- several conversations, and wrong calls -------------------------------------------------------- */

static const lm_shape usual = { "qwen2_mtp", 90, 24, 40, 6, 2, 8, 2, 4, 0, 1, 0, "" };

static void test_several_at_once(void **state)
{
	static const uint32_t counts[3] = { 4, 1, 3 };
	static lm_talk talk[3], plain;
	const vita_range ranges[2] = { { 0, 90 }, { 20, 60 } };
	int32_t ids[3][MOST_HEADS];
	uint64_t seed = 3;
	vita_error err;
	vita_head_call call[3];
	vita_chain chain[3], *chains[3];
	lm m;
	(void)state;
	char *path = lm_random_write(&usual, 5, NULL, NULL);
	lm_ok(lm_open(&m, path, NULL, &err), &err);
	const vita_chain_api *api = m.head_api->get_extension(m.head, VITA_CHAIN_ID);
	for (uint32_t i = 0; i < 3; i++) {
		int32_t prompt[20];
		for (int j = 0; j < 20; j++) prompt[j] = (int32_t)lm_random_below(&seed, 90);
		lm_talk_open(&talk[i], &m, prompt, 3 + 7 * i);
		main_pass(&talk[i], 1);
		call[i] = call_of(&talk[i], 0, &ranges[i / 2], 1);
		VITA_INIT(&chain[i]);
		chain[i].call = &call[i];
		chain[i].count = counts[i];
		chain[i].ids = ids[i];
		chains[i] = &chain[i];
	}
	lm_ok(api->propose(m.head, chains, 3, NULL, &err), &err);
	for (uint32_t i = 0; i < 3; i++) {
		lm_talk_open(&plain, &m, talk[i].tokens, talk[i].n_prompt);
		main_pass(&plain, 0);
		propose_one_by_one(&plain, 0, counts[i], &ranges[i / 2], 1);
		assert_memory_equal(plain.tokens, talk[i].tokens, talk[i].n * sizeof(int32_t));
		assert_memory_equal(plain.tokens + talk[i].n, ids[i], counts[i] * sizeof(int32_t));
		lm_talk_close(&plain);
	}
	/* all have been asked: nothing is left but to complain */
	assert_int_equal(api->propose(m.head, chains, 1, NULL, &err), VITA_E_STATE);
	chain[1].count = 4;
	call[1].index = 1;
	call[1].n_tokens++;
	lm_talk_add(&talk[1], ids[1][0]);
	assert_int_equal(api->propose(m.head, chains + 1, 1, NULL, &err), VITA_E_STATE);
	assert_non_null(strstr(err.message, "there are 4"));
	chain[1].count = 0;
	assert_int_equal(api->propose(m.head, chains + 1, 1, NULL, &err), VITA_E_INVALID);
	for (uint32_t i = 0; i < 3; i++) lm_talk_close(&talk[i]);
	lm_close(&m);
	lm_random_remove(path);
}

/* A failure leaves states as they were; heads on another device have no chains. */
static void test_failures(void **state)
{
	static const lm_options apart = { NULL, 1, 0 };
	static lm_talk talk;
	const int32_t prompt[5] = { 1, 2, 3, 4, 5 };
	const vita_range all = { 0, 90 };
	int32_t ids[2][MOST_HEADS];
	vita_error err;
	lm m;
	(void)state;
	char *path = lm_random_write(&usual, 5, NULL, NULL);
	lm_ok(lm_open(&m, path, NULL, &err), &err);
	lm_talk_open(&talk, &m, prompt, 5);
	main_pass(&talk, 1);
	vita_head_call call = call_of(&talk, 0, &all, 1);
	vita_chain chain, *one = &chain;
	VITA_INIT(&chain);
	chain.call = &call;
	chain.count = 4;
	for (int64_t after = 0; after < 10; after++) {
		chain.ids = ids[1];
		m.head_trace->fail_after = after;
		assert_int_equal(m.head_api->get_extension(m.head, VITA_CHAIN_ID) != NULL, 1);
		const vita_chain_api *api = m.head_api->get_extension(m.head, VITA_CHAIN_ID);
		assert_int_equal(api->propose(m.head, &one, 1, NULL, &err), VITA_E_DEVICE);
		m.head_trace->fail_after = -1;
		chain.ids = ids[after > 0];
		lm_ok(api->propose(m.head, &one, 1, NULL, &err), &err);
		if (after > 0) assert_memory_equal(ids[0], ids[1], sizeof ids[0]);
		lm_ok(m.head_api->truncate(talk.head, 5, &err), &err);
	}
	lm_talk_close(&talk);
	lm_close(&m);
	lm_ok(lm_open(&m, path, &apart, &err), &err);
	assert_null(m.head_api->get_extension(m.head, VITA_CHAIN_ID));
	lm_close(&m);
	lm_random_remove(path);
}

/* ---- passes ---------------------------------------------------------------------------------------- */

/* Many rows, two blocks, a limit: what the scores say; and a model of NaN has nothing to choose. */
static void test_passes(void **state)
{
	static float scores[80 * 90];
	int32_t ids[80], chosen[2][80];
	uint64_t seed = 21;
	vita_error err;
	lm m;
	(void)state;
	char *path = lm_random_write(&usual, 5, NULL, NULL);
	lm_ok(lm_open(&m, path, NULL, &err), &err);
	for (int i = 0; i < 80; i++) ids[i] = (int32_t)lm_random_below(&seed, 90);
	vita_llm_state *states[3];
	vita_llm_block block[2], *blocks[2] = { &block[0], &block[1] }, plain, *one = &plain;
	vita_choice choice[2];
	const vita_choice *choices[2] = { &choice[0], &choice[1] };
	for (int i = 0; i < 3; i++) lm_ok(m.llm_api->state_open(m.llm, &states[i], &err), &err);
	VITA_INIT(&plain);
	plain.state = states[2];
	plain.ids = ids;
	plain.n_tokens = plain.n_logits = 80;
	plain.logits = scores;
	lm_ok(m.llm_api->forward(m.llm, &one, 1, NULL, &err), &err);
	for (uint32_t i = 0; i < 2; i++) {
		VITA_INIT(&block[i]);
		VITA_INIT(&choice[i]);
		block[i].state = states[i];
		block[i].ids = ids;
		block[i].n_tokens = i ? 80 : 50;
		choice[i].count = i ? 80 : 7;
		choice[i].limit = i ? 90 : 30;
		choice[i].ids = chosen[i];
	}
	lm_ok(greedy_of(&m)->forward(m.llm, blocks, choices, 2, NULL, &err), &err);
	for (uint32_t i = 0; i < 2; i++)
		for (uint32_t j = 0; j < choice[i].count; j++) {
			const uint32_t row = block[i].n_tokens - choice[i].count + j;
			const vita_range some = { 0, choice[i].limit };
			assert_int_equal(chosen[i][j], best_of(scores + row * 90, &some, 1));
		}
	choice[0].limit = 91;
	assert_int_equal(greedy_of(&m)->forward(m.llm, blocks, choices, 1, NULL, &err), VITA_E_INVALID);
	choice[0].limit = 90;
	choice[0].count = 51;
	assert_int_equal(greedy_of(&m)->forward(m.llm, blocks, choices, 1, NULL, &err), VITA_E_INVALID);
	choices[0] = NULL;
	assert_int_equal(greedy_of(&m)->forward(m.llm, blocks, choices, 1, NULL, &err), VITA_E_INVALID);
	for (int i = 0; i < 3; i++) m.llm_api->state_close(states[i]);
	lm_close(&m);
	lm_random_remove(path);
}

/* ---- the engine's answers -------------------------------------------------------------------------- */

typedef struct stage {
	vita_context *context;
	vita_engine *engine;
} stage;

static int open_stage(stage *s, const char *path, const char *backend, const char *const *more, vita_error *err)
{
	char model[1100], name[64];
	const char *const keys[] = { model, name };
	vita_config *config;
	(void)snprintf(model, sizeof model, "llm.model=%s", path);
	(void)snprintf(name, sizeof name, "backend.name=%s", backend);
	lm_ok(vita_config_create(&config, err), err);
	for (size_t i = 0; i < 2; i++) lm_ok(vita_config_set(config, keys[i], err), err);
	for (; *more; more++) lm_ok(vita_config_set(config, *more, err), err);
	lm_ok(vita_context_create(config, NULL, NULL, &s->context, err), err);
	vita_config_destroy(config);
	if (vita_engine_open(s->context, VITA_PART_HEADS, &s->engine, err) == VITA_OK) return 1;
	print_message("skipped: %s\n", err->message);
	vita_context_destroy(s->context);
	return 0;
}

static void close_stage(stage *s)
{
	vita_engine_close(s->engine);
	vita_context_destroy(s->context);
}

/* Heads give rows in two pieces, and padding at the end. */
static void give_pieces(vita_engine *engine)
{
	vita_error err;
	free(engine->head_ranges);
	free(engine->chain_ranges);
	engine->head_ranges = calloc(2, sizeof *engine->head_ranges);
	assert_non_null(engine->head_ranges);
	engine->head_ranges[0] = (vita_range){ 4, 20 };
	engine->head_ranges[1] = (vita_range){ 30, (int32_t)engine->llm_info.vocab_size - 30 };
	engine->n_head_ranges = 2;
	engine->head_rows_full = 0;
	engine->id_limit -= 7;
	lm_ok(vita_greedy_find(engine, &err), &err);
}

/* Two turns of a conversation, the first of which an end token may end. */
static void answer(vita_engine *engine, const int32_t *prompt, uint32_t n, uint32_t unscored, heard *h)
{
	vita_conversation *c;
	vita_error err;
	lm_ok(vita_conversation_open(engine, &c, &err), &err);
	memset(h, 0, 2 * sizeof *h);
	for (int turn = 0; turn < 2; turn++) {
		h[turn].unscored = unscored;
		if (hear_ids(c, &h[turn], prompt, n, 30) != VITA_OK) fail_msg("%s", h[turn].err.message);
	}
	vita_conversation_close(c);
}

/* What the same prompt gives with scores that are read, and with choices that are made there. chooses: whether the
 * latter is possible with these settings. */
static uint32_t compare(vita_engine *engine, const int32_t *prompt, uint32_t n, int chooses)
{
	static heard read[2], chosen[2];
	answer(engine, prompt, n, 0, read);
	answer(engine, prompt, n, 1, chosen);
	for (int turn = 0; turn < 2; turn++) {
		assert_int_equal(read[turn].n, chosen[turn].n);
		assert_memory_equal(read[turn].ids, chosen[turn].ids, read[turn].n * sizeof read[turn].ids[0]);
		assert_memory_equal(read[turn].sources, chosen[turn].sources, read[turn].n * sizeof read[turn].sources[0]);
		assert_int_equal(read[turn].result.stop, chosen[turn].result.stop);
		if (chooses) assert_int_equal(chosen[turn].n_with_logits, 0);
		else assert_true(chosen[turn].n_with_logits > 0);
	}
	return read[0].result.stop == VITA_STOP_TOKEN;
}

static const struct how {
	const char *keys[4];
	int pieces, chooses;
	uint64_t min_tokens;
} hows[] = {
	{ { "heads.schedule=1,10" }, 0, 1, 0 },
	{ { "heads.schedule=1,3,2,2" }, 1, 1, 0 },
	{ { "heads.schedule=1,2,4,4", "heads.verify=exact" }, 0, 1, 0 },
	{ { "heads.schedule=1,4", "heads.verify=exact" }, 1, 1, 0 },
	{ { "heads.schedule=1,0" }, 0, 1, 0 },
	{ { "heads.schedule=1,4", "generation.temperature=0.8" }, 0, 0, 0 },
	{ { "heads.schedule=1,4", "heads.verify=exact", "generation.temperature=0.8" }, 0, 0, 0 },
	{ { "heads.schedule=1,4", "generation.repetition_penalty=1.5" }, 0, 0, 0 },
	{ { "heads.schedule=1,4" }, 0, 0, 9 },
};

static void compare_all(const char *path, const char *backend, uint64_t seed, size_t n_hows)
{
	uint32_t n_ended = 0;
	for (size_t i = 0; i < n_hows; i++) {
		stage s;
		vita_error err;
		if (!open_stage(&s, path, backend, hows[i].keys, &err)) return;
		assert_non_null(s.engine->chain);
		s.engine->heads_afar = 1; /* wherever they are */
		if (hows[i].pieces) give_pieces(s.engine);
		int32_t end[12], prompt[20];
		for (uint32_t j = 0; j < 12; j++)
			end[j] = (int32_t)lm_random_below(&seed, s.engine->llm_info.vocab_size);
		free(s.engine->generation.end_ids);
		s.engine->generation.end_ids = end;
		s.engine->generation.n_end_ids = 12;
		s.engine->generation.min_tokens = hows[i].min_tokens;
		for (int run = 0; run < 4; run++) {
			uint32_t n = 1 + lm_random_below(&seed, 20);
			for (uint32_t j = 0; j < n; j++)
				prompt[j] = (int32_t)lm_random_below(&seed, s.engine->llm_info.vocab_size);
			n_ended += compare(s.engine, prompt, n, hows[i].chooses);
		}
		s.engine->generation.end_ids = NULL;
		s.engine->generation.n_end_ids = 0;
		close_stage(&s);
	}
	assert_true(n_ended > 0);
}

static void test_answers(void **state)
{
	const size_t n = sizeof hows / sizeof hows[0];
	(void)state;
	char *path = lm_random_write(&usual, 6, NULL, NULL);
	compare_all(path, "reference", 31, n);
	compare_all(path, "cpu", 32, n);
	compare_all(path, "opencl", 33, n);
	lm_random_remove(path);
}

/* ---- tables of older or careless plugins ------------------------------------------------------------ */

static const vita_greedy_api no_forward = { sizeof no_forward, 0, NULL, NULL };
static const vita_chain_api too_short = { offsetof(vita_chain_api, propose), 0, NULL };

static const void *careless_llm(vita_llm *llm, const char *id)
{
	(void)llm;
	return strcmp(id, VITA_GREEDY_ID) == 0 ? &no_forward : NULL;
}

static const void *careless_heads(vita_head *head, const char *id)
{
	(void)head;
	return strcmp(id, VITA_CHAIN_ID) == 0 ? &too_short : NULL;
}

static void test_careless_tables(void **state)
{
	static const char *const keys[] = { "heads.schedule=1,4", NULL };
	stage s;
	vita_error err;
	(void)state;
	char *path = lm_random_write(&usual, 6, NULL, NULL);
	assert_true(open_stage(&s, path, "reference", keys, &err));
	const vita_llm_api *llm_api = s.engine->llm_api;
	const vita_head_api *head_api = s.engine->head_api;
	vita_llm_api llm = *llm_api;
	vita_head_api head = *head_api;
	llm.get_extension = careless_llm;
	head.get_extension = careless_heads;
	s.engine->llm_api = &llm;
	s.engine->head_api = &head;
	free(s.engine->chain_ranges);
	s.engine->chain_ranges = NULL;
	lm_ok(vita_greedy_find(s.engine, &err), &err);
	assert_null(s.engine->greedy);
	assert_null(s.engine->chain);
	s.engine->llm_api = llm_api;
	s.engine->head_api = head_api;
	close_stage(&s);
	lm_random_remove(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chains),
		cmocka_unit_test(test_several_at_once),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_passes),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_careless_tables),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
