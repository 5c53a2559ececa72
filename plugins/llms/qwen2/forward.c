/* SPDX-License-Identifier: MIT
 *
 * Running the backbone: states, passes of several states at once, and what is lent to heads.
 *
 * A pass ends by waiting for the device. Until then it has only written cache rows beyond each state's
 * length; the lengths move on when all is done, so a failure anywhere changes no state.
 */
#include "qwen2.h"

#define LOGITS_ROWS 32 /* rows of logits held on the device at once */
#define HIDDEN_ROWS 64 /* rows of hidden states that a state keeps room for */

/* ---- states ---------------------------------------------------------------------------------------- */

vita_status qwen2_state_open(vita_llm *llm, vita_llm_state **out, vita_error *err)
{
	*out = NULL;
	vita_llm_state *state = host_zeroed(llm->host, 1, sizeof *state);
	decoder_cache *caches = host_zeroed(llm->host, (uint64_t)llm->decoder.config.n_layers,
	                                    sizeof *caches);
	if (!state || !caches) {
		host_release(llm->host, state);
		host_release(llm->host, caches);
		return vita_fail(err, VITA_E_NOMEM, "no memory for a conversation's state");
	}
	state->llm = llm;
	state->caches = caches;
	*out = state;
	return VITA_OK;
}

void qwen2_state_close(vita_llm_state *state)
{
	if (!state) return;
	vita_llm *llm = state->llm;
	for (int64_t i = 0; i < llm->decoder.config.n_layers; i++)
		decoder_cache_free(&llm->decoder, &state->caches[i]);
	device_memory_free(llm->device, &state->hidden);
	host_release(llm->host, state->caches);
	host_release(llm->host, state);
}

uint32_t qwen2_state_length(const vita_llm_state *state)
{
	return (uint32_t)state->length;
}

vita_status qwen2_state_truncate(vita_llm_state *state, uint32_t length, vita_error *err)
{
	if (length > state->length)
		return vita_fail(err, VITA_E_INVALID, "a state of %lld tokens cannot be cut back to %u",
		                 (long long)state->length, length);
	state->length = length;
	return VITA_OK;
}

/* Room for the hidden states of n rows; a long prompt's buffer does not stay for ever. */
static vita_status reserve_hidden(vita_llm_state *state, int64_t n, vita_error *err)
{
	uint64_t row = (uint64_t)state->llm->decoder.config.hidden_size * sizeof(float);
	uint64_t usual = HIDDEN_ROWS * row, needed = (uint64_t)n * row > usual ? (uint64_t)n * row : usual;
	if (state->hidden.size / 8 > needed) device_memory_free(state->llm->device, &state->hidden);
	return device_memory_reserve(state->llm->device, &state->hidden, needed, err);
}

static vita_tensor hidden_rows(const vita_llm_state *state, int64_t first, int64_t count)
{
	int64_t width = state->llm->decoder.config.hidden_size;
	return vita_view(state->hidden.buffer, (uint64_t)(first * width) * sizeof(float), VITA_F32, 2, count,
	                 width, 0, 0);
}

/* ---- working memory -------------------------------------------------------------------------------- */

static vita_status reserve_blocks(vita_llm *llm, qwen2_pass *pass, uint32_t n, vita_error *err)
{
	if (n <= pass->capacity) return VITA_OK;
	host_release(llm->host, pass->blocks);
	host_release(llm->host, pass->segments);
	host_release(llm->host, pass->pieces);
	pass->capacity = 0;
	pass->blocks = host_zeroed(llm->host, n, sizeof *pass->blocks);
	pass->segments = host_zeroed(llm->host, n, sizeof *pass->segments);
	pass->pieces = host_zeroed(llm->host, n, sizeof *pass->pieces);
	if (!pass->blocks || !pass->segments || !pass->pieces)
		return vita_fail(err, VITA_E_NOMEM, "no memory for a pass of %u conversations", n);
	pass->capacity = n;
	return VITA_OK;
}

vita_status qwen2_pass_take(vita_llm *llm, uint32_t n_blocks, qwen2_pass **out, vita_error *err)
{
	qwen2_pass *pass = (qwen2_pass *)pass_pool_take(&llm->pool);
	if (!pass) pass = host_zeroed(llm->host, 1, sizeof *pass);
	if (!pass) return vita_fail(err, VITA_E_NOMEM, "no memory for a pass");
	vita_status status = reserve_blocks(llm, pass, n_blocks, err);
	if (status != VITA_OK) {
		qwen2_pass_give(llm, pass);
		return status;
	}
	vita_recorder_begin(&pass->recorder, llm->device, err);
	*out = pass;
	return VITA_OK;
}

void qwen2_pass_give(vita_llm *llm, qwen2_pass *pass)
{
	pass_pool_give(&llm->pool, &pass->item);
}

void qwen2_pass_free(vita_llm *llm, qwen2_pass *pass)
{
	device_memory_free(llm->device, &pass->scratch.memory);
	device_memory_free(llm->device, &pass->ids.memory);
	device_memory_free(llm->device, &pass->positions.memory);
	device_memory_free(llm->device, &pass->wanted);
	device_memory_free(llm->device, &pass->logits);
	device_memory_free(llm->device, &pass->found);
	host_release(llm->host, pass->blocks);
	host_release(llm->host, pass->segments);
	host_release(llm->host, pass->pieces);
	host_release(llm->host, pass);
}

/* Wait for the device, so that the pass's buffers are idle; the first failure counts. */
static vita_status finish(vita_llm *llm, qwen2_pass *pass, vita_status status, vita_error *err)
{
	vita_status waited = llm->device->api->wait(llm->device->self, status == VITA_OK ? err : NULL);
	qwen2_pass_give(llm, pass);
	return status == VITA_OK ? waited : status;
}

/* ---- checks ---------------------------------------------------------------------------------------- */

vita_status qwen2_check_ids(const vita_llm *llm, const int32_t *ids, int64_t n, vita_error *err)
{
	int64_t vocab = llm->decoder.config.vocab_size;
	for (int64_t i = 0; i < n; i++)
		if (ids[i] < 0 || ids[i] >= vocab)
			return vita_fail(
				err, VITA_E_INVALID,
				"token id %d at place %lld of %lld is outside the vocabulary of %lld "
				"(0 to %lld)",
				ids[i], (long long)i + 1, (long long)n, (long long)vocab,
				(long long)vocab - 1);
	return VITA_OK;
}

/* choice: what is wanted in place of logits, or NULL. */
static vita_status check_wanted(const vita_llm *llm, const vita_llm_block *b, const vita_choice *choice,
                                vita_error *err)
{
	if (!choice && (b->n_logits > b->n_tokens || (b->n_logits > 0 && !b->logits)))
		return vita_fail(err, VITA_E_INVALID, "a block of %u tokens cannot give %u rows of logits%s",
		                 b->n_tokens, b->n_logits, b->logits ? "" : " without memory for them");
	if (choice && (choice->count > b->n_tokens || (choice->count > 0 && !choice->ids)))
		return vita_fail(err, VITA_E_INVALID, "a block of %u tokens cannot give %u choices%s", b->n_tokens,
		                 choice->count, choice->ids ? "" : " without memory for them");
	if (choice && (choice->limit < 1 || choice->limit > llm->decoder.config.vocab_size))
		return vita_fail(err, VITA_E_INVALID, "ids below %d are to be chosen from, but the vocabulary has %lld",
		                 choice->limit, (long long)llm->decoder.config.vocab_size);
	return VITA_OK;
}

static vita_status check_block(const vita_llm *llm, const vita_llm_block *b, vita_error *err)
{
	if (!b->state || b->state->llm != llm || !b->ids || b->n_tokens < 1)
		return vita_fail(err, VITA_E_INVALID,
		                 "a block needs a state of this model and at least one token");
	if (b->n_rows > 0 && (!b->rows || !b->row_index))
		return vita_fail(err, VITA_E_INVALID,
		                 "a block that replaces %u embeddings lacks the rows or their places",
		                 b->n_rows);
	for (uint32_t i = 0; i < b->n_rows; i++)
		if (b->row_index[i] >= b->n_tokens || (i > 0 && b->row_index[i] <= b->row_index[i - 1]))
			return vita_fail(
				err, VITA_E_INVALID,
				"row %u of %u goes to place %u, but places must rise and be below %u", i,
				b->n_rows, b->row_index[i], b->n_tokens);
	if (b->state->length + (int64_t)b->n_tokens > llm->decoder.context)
		return vita_fail(err, VITA_E_NOMEM,
		                 "the context is full: it holds %lld tokens, of which %lld are taken, and %u "
		                 "more are asked for (context in [llm] sets its size)",
		                 (long long)llm->decoder.context, (long long)b->state->length, b->n_tokens);
	return qwen2_check_ids(llm, b->ids, b->n_tokens, err);
}

static vita_status check_blocks(const vita_llm *llm, vita_llm_block *const *blocks,
                                const vita_choice *const *choices, uint32_t n, vita_error *err)
{
	for (uint32_t i = 0; i < n; i++) {
		if (choices && !choices[i]) return vita_fail(err, VITA_E_INVALID, "block %u lacks its choice", i);
		vita_status status = check_block(llm, blocks[i], err);
		if (status == VITA_OK)
			status = check_wanted(llm, blocks[i], choices ? choices[i] : NULL, err);
		if (status != VITA_OK) return status;
		for (uint32_t j = 0; j < i; j++)
			if (blocks[j]->state == blocks[i]->state)
				return vita_fail(err, VITA_E_INVALID,
				                 "blocks %u and %u of one pass are of the same state", j, i);
	}
	return VITA_OK;
}

/* ---- a pass ---------------------------------------------------------------------------------------- */

/* Caches, hidden rows and working memory, before anything is computed. */
static vita_status reserve(vita_llm *llm, qwen2_pass *pass, vita_llm_block *const *blocks, uint32_t n,
                           vita_error *err)
{
	int64_t rows = 0;
	vita_status status = VITA_OK;
	for (uint32_t i = 0; i < n; i++) {
		vita_llm_state *state = blocks[i]->state;
		int64_t count = (int64_t)blocks[i]->n_tokens;
		for (int64_t l = 0; l < llm->decoder.config.n_layers && status == VITA_OK; l++)
			status = decoder_cache_reserve(&llm->decoder, &pass->recorder, &state->caches[l],
			                               state->length, state->length + count, err);
		if (status == VITA_OK) status = reserve_hidden(state, count, err);
		if (status != VITA_OK) return status;
		pass->blocks[i].caches = state->caches;
		pass->blocks[i].length = state->length;
		pass->blocks[i].count = count;
		pass->blocks[i].watch = state->watch;
		rows = rows + count < DECODER_MAX_ROWS ? rows + count : DECODER_MAX_ROWS;
	}
	return decoder_scratch_reserve(&llm->decoder, &pass->scratch, rows, err);
}

vita_status qwen2_gather(vita_llm *llm, qwen2_pass *pass, const int32_t *ids, int64_t n, const vita_tensor *y,
                         vita_error *err)
{
	vita_tensor indices;
	if (ids != pass->ids.host) memcpy(pass->ids.host, ids, (size_t)n * sizeof *ids);
	vita_status status = decoder_indices_upload(llm->device, &pass->ids, n, &indices, err);
	if (status != VITA_OK) return status;
	vita_gather(&pass->recorder, &llm->embedding, &indices, y);
	return vita_recorder_end(&pass->recorder);
}

/* Rows of the block that replace embeddings, written over the segment's part of x, run by run. */
static vita_status splice(vita_llm *llm, qwen2_pass *pass, const vita_llm_block *block,
                          const decoder_segment *segment, vita_error *err)
{
	uint64_t width = (uint64_t)llm->decoder.config.hidden_size;
	int64_t end = segment->first + segment->count;
	for (uint32_t i = 0; i < block->n_rows;) {
		int64_t place = block->row_index[i];
		uint32_t run = 1;
		if (place < segment->first || place >= end) {
			i++;
			continue;
		}
		while (i + run < block->n_rows && block->row_index[i + run] == place + run &&
		       place + run < end)
			run++;
		vita_tensor x = vita_slice(&pass->scratch.x, 0, segment->row + place - segment->first, run);
		vita_status status = llm->device->api->write(llm->device->self, &x, block->rows + i * width,
		                                             run * width * sizeof(float), err);
		if (status != VITA_OK) return status;
		i += run;
	}
	return VITA_OK;
}

/* Embeddings of a piece into x, and its positions. */
static vita_status feed(vita_llm *llm, qwen2_pass *pass, vita_llm_block *const *blocks,
                        const decoder_walk *walk, int64_t n, vita_tensor *positions, vita_error *err)
{
	for (uint32_t s = 0; s < walk->n_segments; s++) {
		const decoder_segment *segment = &walk->segments[s];
		for (int64_t i = 0; i < segment->count; i++) {
			pass->ids.host[segment->row + i] = blocks[segment->block]->ids[segment->first + i];
			pass->positions.host[segment->row + i] = (int32_t)(segment->length + i);
		}
	}
	vita_tensor x = vita_slice(&pass->scratch.x, 0, 0, n);
	vita_status status = qwen2_gather(llm, pass, pass->ids.host, n, &x, err);
	for (uint32_t s = 0; s < walk->n_segments && status == VITA_OK; s++)
		status = splice(llm, pass, blocks[walk->segments[s].block], &walk->segments[s], err);
	if (status != VITA_OK) return status;
	return decoder_indices_upload(llm->device, &pass->positions, n, positions, err);
}

/* One piece of the pass: all layers, and the final norm into the states' hidden rows. */
static vita_status run_piece(vita_llm *llm, qwen2_pass *pass, vita_llm_block *const *blocks,
                             const decoder_walk *walk, int64_t n, const vita_cancel *cancel, vita_error *err)
{
	const decoder_config *c = &llm->decoder.config;
	vita_recorder *r = &pass->recorder;
	vita_tensor positions;
	vita_status status = feed(llm, pass, blocks, walk, n, &positions, err);
	for (int64_t l = 0; l < c->n_layers && status == VITA_OK; l++) {
		if (llm->host->cancelled(llm->host->context, cancel))
			return vita_fail(err, VITA_E_CANCELLED, "the pass was cancelled at layer %lld",
			                 (long long)l);
		decoder_layer_record(&llm->decoder, r, &llm->layers[l], (uint32_t)l, &pass->scratch,
		                     &positions, n, walk->segments, walk->n_segments);
		status = vita_recorder_end(r);
	}
	for (uint32_t s = 0; s < walk->n_segments && status == VITA_OK; s++) {
		const decoder_segment *segment = &walk->segments[s];
		vita_tensor x = vita_slice(&pass->scratch.x, 0, segment->row, segment->count);
		vita_tensor h = hidden_rows(blocks[segment->block]->state, segment->first, segment->count);
		vita_rms_norm(r, &x, &llm->norm, c->norm_epsilon, &h);
	}
	return status == VITA_OK ? vita_recorder_end(r) : status;
}

/* Hidden rows of the pieces, as one tensor: a view where there is one piece, else copied together. */
static vita_status join_pieces(vita_llm *llm, qwen2_pass *pass, vita_llm_block *const *blocks,
                               uint32_t n_pieces, int64_t rows, vita_tensor *out, vita_error *err)
{
	int64_t width = llm->decoder.config.hidden_size, row = 0;
	if (n_pieces == 1) {
		*out = hidden_rows(blocks[pass->pieces[0].block]->state, pass->pieces[0].first, rows);
		return VITA_OK;
	}
	vita_status status = device_memory_reserve(llm->device, &pass->wanted,
	                                           LOGITS_ROWS * (uint64_t)width * sizeof(float), err);
	if (status != VITA_OK) return status;
	*out = vita_view(pass->wanted.buffer, 0, VITA_F32, 2, rows, width, 0, 0);
	for (uint32_t i = 0; i < n_pieces; i++) {
		const qwen2_piece *piece = &pass->pieces[i];
		vita_tensor from = hidden_rows(blocks[piece->block]->state, piece->first, piece->count);
		vita_tensor to = vita_slice(out, 0, row, piece->count);
		vita_copy(&pass->recorder, &from, &to);
		row += piece->count;
	}
	return VITA_OK;
}

/* Rows of logits of the collected pieces, on the device. */
static vita_status make_logits(vita_llm *llm, qwen2_pass *pass, vita_llm_block *const *blocks, uint32_t n_pieces,
                               int64_t rows, vita_tensor *logits, vita_error *err)
{
	int64_t vocab = llm->decoder.config.vocab_size;
	vita_tensor hidden;
	vita_status status = device_memory_reserve(llm->device, &pass->logits,
	                                           (uint64_t)(rows * vocab) * sizeof(float), err);
	if (status == VITA_OK) status = join_pieces(llm, pass, blocks, n_pieces, rows, &hidden, err);
	if (status != VITA_OK) return status;
	*logits = vita_view(pass->logits.buffer, 0, VITA_F32, 2, rows, vocab, 0, 0);
	vita_matmul(&pass->recorder, &hidden, &llm->output, NULL, NULL, VITA_UNARY_NONE, logits);
	return VITA_OK;
}

/* Logits of the collected pieces to their blocks' memory. */
static vita_status read_logits(vita_llm *llm, qwen2_pass *pass, vita_llm_block *const *blocks,
                               uint32_t n_pieces, int64_t rows, vita_error *err)
{
	int64_t vocab = llm->decoder.config.vocab_size, row = 0;
	vita_tensor logits;
	vita_status status = make_logits(llm, pass, blocks, n_pieces, rows, &logits, err);
	if (status == VITA_OK) status = vita_recorder_end(&pass->recorder);
	for (uint32_t i = 0; i < n_pieces && status == VITA_OK; i++) {
		const qwen2_piece *piece = &pass->pieces[i];
		const vita_llm_block *block = blocks[piece->block];
		int64_t skip = piece->first - (int64_t)(block->n_tokens - block->n_logits);
		vita_tensor part = vita_slice(&logits, 0, row, piece->count);
		status = llm->device->api->read(llm->device->self, &part, block->logits + skip * vocab,
		                                (uint64_t)(piece->count * vocab) * sizeof(float), err);
		row += piece->count;
	}
	return status;
}

/* The likeliest ids of the collected pieces to where their blocks want them. */
static vita_status read_choices(vita_llm *llm, qwen2_pass *pass, vita_llm_block *const *blocks,
                                const vita_choice *const *choices, uint32_t n_pieces, int64_t rows, vita_error *err)
{
	likeliest found[LOGITS_ROWS];
	int64_t row = 0;
	vita_tensor logits, memory;
	vita_status status = make_logits(llm, pass, blocks, n_pieces, rows, &logits, err);
	if (status == VITA_OK) status = likeliest_reserve(llm->device, &pass->found, LOGITS_ROWS, err);
	if (status != VITA_OK) return status;
	memory = likeliest_view(&pass->found, 0, rows);
	for (uint32_t i = 0; i < n_pieces; i++) {
		const qwen2_piece *piece = &pass->pieces[i];
		vita_tensor scores = vita_slice(&logits, 0, row, piece->count);
		vita_tensor out = vita_slice(&memory, 0, row, piece->count);
		scores = vita_slice(&scores, 1, 0, choices[piece->block]->limit);
		likeliest_record(&pass->recorder, &scores, &out);
		row += piece->count;
	}
	status = vita_recorder_end(&pass->recorder);
	if (status == VITA_OK) status = likeliest_read(llm->device, &memory, found, err);
	row = 0;
	for (uint32_t i = 0; i < n_pieces && status == VITA_OK; i++) {
		const qwen2_piece *piece = &pass->pieces[i];
		const vita_choice *choice = choices[piece->block];
		int64_t skip = piece->first - (int64_t)(blocks[piece->block]->n_tokens - choice->count);
		for (int64_t j = 0; j < piece->count; j++) choice->ids[skip + j] = likeliest_id(&found[row++]);
	}
	return status;
}

static vita_status read_wanted(vita_llm *llm, qwen2_pass *pass, vita_llm_block *const *blocks,
                               const vita_choice *const *choices, uint32_t n_pieces, int64_t rows, vita_error *err)
{
	if (choices) return read_choices(llm, pass, blocks, choices, n_pieces, rows, err);
	return read_logits(llm, pass, blocks, n_pieces, rows, err);
}

/* Only the wanted rows meet the output matrix, a few at a time. */
static vita_status give_wanted(vita_llm *llm, qwen2_pass *pass, vita_llm_block *const *blocks,
                               const vita_choice *const *choices, uint32_t n, vita_error *err)
{
	uint32_t n_pieces = 0;
	int64_t rows = 0;
	for (uint32_t i = 0; i < n; i++) {
		int64_t end = (int64_t)blocks[i]->n_tokens;
		int64_t wanted = choices ? (int64_t)choices[i]->count : (int64_t)blocks[i]->n_logits;
		for (int64_t first = end - wanted; first < end;) {
			int64_t room = LOGITS_ROWS - rows, count = end - first < room ? end - first : room;
			pass->pieces[n_pieces++] = (qwen2_piece){ i, first, count };
			rows += count;
			first += count;
			if (rows < LOGITS_ROWS) continue;
			vita_status status = read_wanted(llm, pass, blocks, choices, n_pieces, rows, err);
			if (status != VITA_OK) return status;
			n_pieces = 0;
			rows = 0;
		}
	}
	return rows > 0 ? read_wanted(llm, pass, blocks, choices, n_pieces, rows, err) : VITA_OK;
}

/* choices: NULL, or what each block wants in place of its logits. */
static vita_status forward(vita_llm *llm, vita_llm_block *const *blocks, const vita_choice *const *choices, uint32_t n,
                           const vita_cancel *cancel, vita_error *err)
{
	qwen2_pass *pass = NULL;
	vita_status status = check_blocks(llm, blocks, choices, n, err);
	if (status == VITA_OK) status = qwen2_pass_take(llm, n, &pass, err);
	if (status != VITA_OK) return status;
	status = reserve(llm, pass, blocks, n, err);
	vita_recorder_begin(&pass->recorder, llm->device, err);
	decoder_walk walk = { pass->blocks, pass->segments, n, 0, 0, 0 };
	for (int64_t rows; status == VITA_OK && (rows = decoder_walk_next(&walk)) > 0;)
		status = run_piece(llm, pass, blocks, &walk, rows, cancel, err);
	if (status == VITA_OK) status = give_wanted(llm, pass, blocks, choices, n, err);
	status = finish(llm, pass, status, err);
	for (uint32_t i = 0; i < n && status == VITA_OK; i++) {
		vita_llm_block *block = blocks[i];
		block->hidden = hidden_rows(block->state, 0, (int64_t)block->n_tokens);
		block->state->length += (int64_t)block->n_tokens;
	}
	return status;
}

vita_status qwen2_forward(vita_llm *llm, vita_llm_block *const *blocks, uint32_t n, const vita_cancel *cancel,
                          vita_error *err)
{
	return forward(llm, blocks, NULL, n, cancel, err);
}

vita_status qwen2_choose(vita_llm *llm, vita_llm_block *const *blocks, const vita_choice *const *choices, uint32_t n,
                         const vita_cancel *cancel, vita_error *err)
{
	return forward(llm, blocks, choices, n, cancel, err);
}

/* ---- lent to heads --------------------------------------------------------------------------------- */

vita_status qwen2_embed(vita_llm *llm, const int32_t *ids, uint32_t n, const vita_tensor *y, vita_error *err)
{
	qwen2_pass *pass = NULL;
	vita_status status = qwen2_check_ids(llm, ids, n, err);
	if (status == VITA_OK) status = qwen2_pass_take(llm, 0, &pass, err);
	if (status != VITA_OK) return status;
	for (int64_t first = 0; first < n && status == VITA_OK; first += DECODER_MAX_ROWS) {
		int64_t count = n - first < DECODER_MAX_ROWS ? n - first : DECODER_MAX_ROWS;
		vita_tensor rows = vita_slice(y, 0, first, count);
		status = qwen2_gather(llm, pass, ids + first, count, &rows, err);
	}
	return finish(llm, pass, status, err);
}

vita_status qwen2_embed_there(vita_llm *llm, const vita_tensor *ids, const vita_tensor *y, vita_error *err)
{
	qwen2_pass *pass = NULL;
	vita_status status = qwen2_pass_take(llm, 0, &pass, err);
	if (status != VITA_OK) return status;
	vita_gather(&pass->recorder, &llm->embedding, ids, y);
	status = vita_recorder_end(&pass->recorder);
	qwen2_pass_give(llm, pass); /* the device uses none of its buffers */
	return status;
}

vita_status qwen2_unembed(vita_llm *llm, const vita_tensor *hidden, const vita_range *ranges,
                          uint32_t n_ranges, const vita_tensor *y, vita_error *err)
{
	int64_t vocab = llm->decoder.config.vocab_size, column = 0;
	qwen2_pass *pass = NULL;
	for (uint32_t i = 0; i < n_ranges; i++)
		if (ranges[i].first < 0 || ranges[i].count < 0 ||
		    (int64_t)ranges[i].first + ranges[i].count > vocab)
			return vita_fail(err, VITA_E_INVALID,
			                 "%d rows from %d on reach outside the vocabulary of %lld",
			                 ranges[i].count, ranges[i].first, (long long)vocab);
	vita_status status = qwen2_pass_take(llm, 0, &pass, err);
	if (status != VITA_OK) return status;
	for (uint32_t i = 0; i < n_ranges; i++) {
		vita_tensor rows = vita_slice(&llm->output, 0, ranges[i].first, ranges[i].count);
		vita_tensor part = vita_slice(y, 1, column, ranges[i].count);
		vita_matmul(&pass->recorder, hidden, &rows, NULL, NULL, VITA_UNARY_NONE, &part);
		column += ranges[i].count;
	}
	status = vita_recorder_end(&pass->recorder);
	qwen2_pass_give(llm, pass); /* the device uses none of its buffers */
	return status;
}

vita_status qwen2_final_norm(vita_llm *llm, const vita_tensor *x, const vita_tensor *y, vita_error *err)
{
	qwen2_pass *pass = NULL;
	vita_status status = qwen2_pass_take(llm, 0, &pass, err);
	if (status != VITA_OK) return status;
	vita_rms_norm(&pass->recorder, x, &llm->norm, llm->decoder.config.norm_epsilon, y);
	status = vita_recorder_end(&pass->recorder);
	qwen2_pass_give(llm, pass);
	return status;
}
