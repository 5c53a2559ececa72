/* SPDX-License-Identifier: MIT
 *
 * Conversations; see conversation.h.
 */
#include "engine/conversation.h"

#include <vita/record.h>

#include <stdlib.h>

/* Longest block of one pass: bounds the memory of a long prompt's activations. */
#define BLOCK_TOKENS 512u

/* ---- open and close ------------------------------------------------------------------------------- */

static vita_status open_states(vita_conversation *c, vita_error *err)
{
	const vita_engine *engine = c->engine;
	vita_status status = vita_answer(engine->llm_api->state_open(engine->llm, &c->llm, err), "the language model",
	                                 "state_open", err);
	if (status == VITA_OK && engine->head)
		status = vita_answer(engine->head_api->state_open(engine->head, &c->head, err), "the plugin of heads",
		                     "state_open", err);
	if (status != VITA_OK || (c->llm && (c->head || !engine->head))) return status;
	return vita_fail(err, VITA_E_INTERNAL, "a plugin says that state_open worked but gives no state");
}

static void close_states(vita_conversation *c)
{
	if (c->head) c->engine->head_api->state_close(c->head);
	if (c->llm) c->engine->llm_api->state_close(c->llm);
	c->head = NULL;
	c->llm = NULL;
}

vita_status vita_conversation_cut_heads(vita_conversation *c, uint32_t length, vita_error *err)
{
	return vita_answer(c->engine->head_api->truncate(c->head, length, err), "the plugin of heads", "truncate", err);
}

static vita_status cut_llm(vita_conversation *c, uint32_t length, vita_error *err)
{
	const vita_engine *engine = c->engine;
	if (engine->llm_api->state_length(c->llm) <= length) return VITA_OK;
	return vita_answer(engine->llm_api->state_truncate(c->llm, length, err), "the language model", "state_truncate", err);
}

/* One row of scores or its choice, and where heads are verified one more for each that can be asked. */
static vita_status open_logits(vita_conversation *c, vita_error *err)
{
	size_t n_rows = 1, n_vocab = c->engine->llm_info.vocab_size;
	if (c->engine->verify) n_rows += c->engine->head_info.count;
	c->logits =
		n_rows > SIZE_MAX / sizeof(float) / n_vocab ? NULL : malloc(n_rows * n_vocab * sizeof(float));
	c->chosen = calloc(n_rows, sizeof *c->chosen);
	c->ahead = calloc((size_t)c->engine->head_info.count + 1, sizeof *c->ahead);
	if (c->logits && c->chosen && c->ahead) return VITA_OK;
	return vita_fail(err, VITA_E_NOMEM, "no memory for %zu rows of %zu scores", n_rows, n_vocab);
}

vita_status vita_conversation_open(vita_engine *engine, vita_conversation **out, vita_error *err)
{
	*out = NULL;
	if (!engine->llm)
		return vita_fail(err, VITA_E_STATE,
		                 "a conversation needs an engine opened with VITA_PART_LLM");
	vita_conversation *c = calloc(1, sizeof *c);
	if (!c) return vita_fail(err, VITA_E_NOMEM, "no memory for a conversation");
	c->engine = engine;
	c->random.state = engine->generation.seed;
	vita_status status = open_states(c, err);
	if (status == VITA_OK) status = vita_token_set_open(&c->seen, engine->llm_info.vocab_size, err);
	if (status == VITA_OK) status = vita_sampler_open(&c->sampler, engine->llm_info.vocab_size, err);
	if (status == VITA_OK) status = open_logits(c, err);
	if (status == VITA_OK)
		*out = c;
	else
		vita_conversation_close(c);
	return status;
}

void vita_conversation_close(vita_conversation *c)
{
	if (!c) return;
	close_states(c);
	vita_token_set_close(&c->seen);
	vita_sampler_close(&c->sampler);
	free(c->logits);
	free(c->chosen);
	free(c->ahead);
	free(c->tokens);
	free(c->rows);
	free(c->row_token);
	free(c->row_index);
	free(c);
}

vita_status vita_conversation_reset(vita_conversation *c, vita_error *err)
{
	close_states(c);
	vita_token_set_cut(&c->seen, 0);
	c->n_tokens = c->n_fed = c->n_rows = 0;
	c->random.state = c->engine->generation.seed;
	vita_status status = open_states(c, err);
	if (status != VITA_OK) close_states(c);
	c->broken = status != VITA_OK;
	return status;
}

const int32_t *vita_conversation_tokens(const vita_conversation *c, uint64_t *n)
{
	*n = c->n_tokens;
	return c->tokens;
}

/* ---- tokens --------------------------------------------------------------------------------------- */

vita_status vita_conversation_reserve(vita_conversation *c, uint64_t n, vita_error *err)
{
	uint64_t need = (uint64_t)c->n_tokens + n;
	if (need <= c->capacity) return VITA_OK;
	uint64_t capacity = need + need / 2 + 64;
	int32_t *tokens =
		capacity < UINT32_MAX ? realloc(c->tokens, (size_t)capacity * sizeof *tokens) : NULL;
	if (!tokens)
		return vita_fail(err, VITA_E_NOMEM, "no memory for a conversation of %llu tokens",
		                 (unsigned long long)need);
	c->tokens = tokens;
	c->capacity = (uint32_t)capacity;
	return VITA_OK;
}

/* Is there room in the context for n more tokens? */
static vita_status check_room(const vita_conversation *c, uint64_t n, vita_error *err)
{
	uint64_t context = c->engine->llm_info.context;
	if (n <= context && c->n_tokens <= context - n) return VITA_OK;
	return vita_fail(err, VITA_E_NOMEM,
	                 "the conversation would have more than the %llu tokens that the context holds "
	                 "([llm] context): %u and %llu more",
	                 (unsigned long long)context, (unsigned)c->n_tokens, (unsigned long long)n);
}

vita_status vita_conversation_append(vita_conversation *c, const int32_t *ids, uint64_t n, vita_error *err)
{
	uint32_t n_vocab = c->engine->llm_info.vocab_size;
	for (uint64_t i = 0; i < n; i++)
		if (ids[i] < 0 || (uint32_t)ids[i] >= n_vocab)
			return vita_fail(err, VITA_E_INVALID,
			                 "token number %llu is %ld, but ids go from 0 to %lu",
			                 (unsigned long long)i, (long)ids[i], (unsigned long)n_vocab - 1);
	vita_status status = check_room(c, n, err);
	if (status == VITA_OK) status = vita_conversation_reserve(c, n, err);
	if (status != VITA_OK) return status;
	for (uint64_t i = 0; i < n; i++) {
		c->tokens[c->n_tokens++] = ids[i];
		vita_token_set_add(&c->seen, ids[i]);
	}
	return VITA_OK;
}

static vita_status reserve_rows(vita_conversation *c, uint64_t n, vita_error *err)
{
	uint64_t need = (uint64_t)c->n_rows + n, width = c->engine->llm_info.hidden_size;
	if (need <= c->rows_capacity) return VITA_OK;
	uint64_t capacity = need + need / 2 + 64;
	int fits = capacity < UINT32_MAX && capacity <= SIZE_MAX / sizeof(float) / width;
	float *rows = fits ? realloc(c->rows, (size_t)(capacity * width) * sizeof *rows) : NULL;
	if (rows) c->rows = rows;
	uint32_t *row_token = rows ? realloc(c->row_token, (size_t)capacity * sizeof *row_token) : NULL;
	if (row_token) c->row_token = row_token;
	uint32_t *row_index = row_token ? realloc(c->row_index, (size_t)capacity * sizeof *row_index) : NULL;
	if (!row_index)
		return vita_fail(err, VITA_E_NOMEM, "no memory for %llu rows of sound",
		                 (unsigned long long)need);
	c->row_index = row_index;
	c->rows_capacity = (uint32_t)capacity;
	return VITA_OK;
}

vita_status vita_conversation_append_rows(vita_conversation *c, int32_t id, const float *rows, uint64_t n,
                                          vita_error *err)
{
	size_t width = c->engine->llm_info.hidden_size;
	vita_status status = check_room(c, n, err);
	if (status == VITA_OK) status = reserve_rows(c, n, err);
	for (uint64_t i = 0; i < n && status == VITA_OK; i++) {
		status = vita_conversation_append(c, &id, 1, err);
		if (status != VITA_OK) break;
		memcpy(c->rows + c->n_rows * width, rows + i * width, width * sizeof *rows);
		c->row_token[c->n_rows++] = c->n_tokens - 1;
	}
	return status;
}

/* Rows before token number `first` have been fed. */
static void drop_rows(vita_conversation *c, uint32_t first)
{
	size_t width = c->engine->llm_info.hidden_size;
	uint32_t n = 0;
	while (n < c->n_rows && c->row_token[n] < first) n++;
	if (n == 0) return;
	c->n_rows -= n;
	memmove(c->rows, c->rows + n * width, c->n_rows * width * sizeof *c->rows);
	memmove(c->row_token, c->row_token + n, c->n_rows * sizeof *c->row_token);
}

/* ---- passes --------------------------------------------------------------------------------------- */

/* Rows of this block, counted from its first token. */
static void place_rows(vita_conversation *c, vita_llm_block *block)
{
	uint32_t n = 0;
	while (n < c->n_rows && c->row_token[n] < c->n_fed + block->n_tokens) {
		c->row_index[n] = c->row_token[n] - c->n_fed;
		n++;
	}
	block->n_rows = n;
	block->rows = n ? c->rows : NULL;
	block->row_index = n ? c->row_index : NULL;
}

vita_status vita_conversation_forward(vita_conversation *c, uint32_t n, vita_wanted wanted, uint32_t n_wanted,
                                      vita_tensor *hidden, const vita_cancel *cancel, vita_error *err)
{
	const vita_engine *engine = c->engine;
	vita_llm_block block, *one = &block;
	vita_choice choice;
	const vita_choice *of_one = &choice;
	VITA_INIT(&block);
	VITA_INIT(&choice);
	block.n_tokens = n;
	block.state = c->llm;
	block.ids = c->tokens + c->n_fed;
	place_rows(c, &block);
	if (wanted == VITA_WANT_SCORES) block.n_logits = n_wanted, block.logits = c->logits;
	choice.count = n_wanted;
	choice.limit = engine->id_limit;
	choice.ids = c->chosen;
	vita_status status = wanted == VITA_WANT_IDS
	                             ? engine->greedy->forward(engine->llm, &one, &of_one, 1, cancel, err)
	                             : engine->llm_api->forward(engine->llm, &one, 1, cancel, err);
	status = vita_answer(status, "the language model", "forward", err);
	if (status != VITA_OK) return status;
	*hidden = block.hidden;
	if (c->head &&
	    (hidden->rank != 2 || hidden->shape[0] != (int64_t)n ||
	     hidden->shape[1] != (int64_t)engine->llm_info.hidden_size || hidden->dtype != VITA_F32))
		return vita_fail(err, VITA_E_INTERNAL,
		                 "plugin %s gave hidden states that are not f32 [%u, %u]",
		                 engine->llm_part.factory->name, (unsigned)n,
		                 (unsigned)engine->llm_info.hidden_size);
	return VITA_OK;
}

vita_status vita_conversation_accept(vita_conversation *c, uint32_t n, const vita_tensor *hidden,
                                     int rejected, vita_error *err)
{
	const vita_engine *engine = c->engine;
	uint32_t length = c->n_fed + n;
	vita_status status = VITA_OK;
	if (c->head && rejected) status = vita_conversation_cut_heads(c, length, err);
	if (c->head && status == VITA_OK) {
		vita_tensor rows = vita_slice(hidden, 0, 0, n);
		status = vita_answer(engine->head_api->observe(c->head, c->n_fed, n, &rows, err), "the plugin of heads",
		                     "observe", err);
	}
	if (status == VITA_OK) status = cut_llm(c, length, err);
	if (status != VITA_OK) return status;
	c->n_fed = length;
	drop_rows(c, length);
	return VITA_OK;
}

vita_status vita_conversation_feed(vita_conversation *c, vita_wanted wanted, const vita_cancel *cancel,
                                   vita_error *err)
{
	vita_status status = VITA_OK;
	while (c->n_fed < c->n_tokens && status == VITA_OK) {
		vita_tensor hidden;
		uint32_t left = c->n_tokens - c->n_fed, n = left < BLOCK_TOKENS ? left : BLOCK_TOKENS;
		status = vita_conversation_forward(c, n, n == left ? wanted : VITA_WANT_NOTHING, 1, &hidden, cancel,
		                                   err);
		if (status == VITA_OK) status = vita_conversation_accept(c, n, &hidden, 0, err);
	}
	return status;
}

/* ---- going back ----------------------------------------------------------------------------------- */

vita_status vita_conversation_cut(vita_conversation *c, uint32_t n, vita_error *err)
{
	if (n < c->n_tokens) c->n_tokens = n;
	vita_token_set_cut(&c->seen, 0); /* it may hold drafts as well */
	for (uint32_t i = 0; i < n; i++) vita_token_set_add(&c->seen, c->tokens[i]);
	while (c->n_rows > 0 && c->row_token[c->n_rows - 1] >= n) c->n_rows--;
	uint32_t fed = n == 0 ? 0 : n - 1; /* one token is always left to be fed: the next pass needs a row */
	if (c->n_fed < fed) fed = c->n_fed;
	c->n_fed = fed;
	vita_status status = VITA_OK;
	if (c->head) status = vita_conversation_cut_heads(c, fed, err);
	if (status == VITA_OK) status = cut_llm(c, fed, err);
	if (status != VITA_OK) c->broken = 1;
	return status;
}
