/* SPDX-License-Identifier: MIT
 *
 * Whether a config's parts fit on their devices, by opening them first on devices that only count.
 *
 * What is counted: weights as the device lays them out, the working memory of a pass, and the KV caches of one
 * conversation: as long as the config's context where it names one, else of FIRST_TOKENS, for caches grow. A part that
 * cannot be opened here is left to the opening in earnest, which says what is wrong with it.
 */
#include "engine/room.h"

#include "engine/empty_device.h"
#include "engine/fit.h"
#include "host/fallback.h"
#include "host/services.h"

#include <stdbool.h>
#include <stdlib.h>

#define FIRST_TOKENS 512

enum { LLM, HEADS, ENCODER, CODEC, N_PARTS };

static const struct {
	const char *section;
	uint32_t bit;
	vita_status (*open)(vita_engine *engine, vita_error *err);
} parts[N_PARTS] = {
	[LLM] = { "llm", VITA_PART_LLM, vita_engine_open_llm },
	[HEADS] = { "heads", VITA_PART_HEADS, vita_engine_open_heads },
	[ENCODER] = { "encoder", VITA_PART_ENCODER, vita_engine_open_encoder },
	[CODEC] = { "codec", VITA_PART_CODEC, vita_engine_open_codec },
};

/* A device of the config, and what it would have to hold. */
typedef struct place {
	vita_room room;
	vita_counting_device counter;
	uint64_t weights[N_PARTS], working, caches; /* bytes */
} place;

typedef struct survey {
	const vita_device *device[N_PARTS]; /* held open; NULL: not wanted */
	place places[N_PARTS];
	place *of[N_PARTS];                 /* the part's, NULL where its device does not tell */
	uint32_t n_places;
	vita_services quiet;                /* plugins' warnings come when they are opened in earnest */
	vita_engine *engine;                /* the one on counting devices */
} survey;

/* ---- devices -------------------------------------------------------------------------------------- */

/* The device's place, a new one where it has none yet; NULL where it does not tell how much it has. */
static place *find_place(survey *s, const vita_device *handed_out)
{
	const vita_device *device = vita_fallback_inner(handed_out);
	for (uint32_t i = 0; i < s->n_places; i++)
		if (s->places[i].counter.counted.self == device->self) return &s->places[i];
	if (!VITA_HAS(device->api, vita_backend_api, get_extension)) return NULL;
	const vita_room_api *api = device->api->get_extension(device->self, VITA_ROOM_ID);
	place *p = &s->places[s->n_places];
	VITA_INIT(&p->room);
	if (!api || !VITA_HAS(api, vita_room_api, ask) || api->ask(device->self, &p->room, NULL) != VITA_OK) return NULL;
	p->room.name[sizeof p->room.name - 1] = '\0';
	p->counter.counted = *device;
	p->counter.room = api;
	p->counter.wraps_pages = p->room.wraps_pages != 0;
	vita_counting_device_begin(&p->counter);
	s->n_places++;
	return p;
}

static vita_status find_places(survey *s, const vita_engine *engine, vita_error *err)
{
	for (int i = 0; i < N_PARTS; i++) {
		if (!(engine->parts & parts[i].bit)) continue;
		vita_status status = vita_context_device_open(engine->context, parts[i].section, &s->device[i], err);
		if (status != VITA_OK) return status;
		s->of[i] = find_place(s, s->device[i]);
	}
	return VITA_OK;
}

/* ---- counting ------------------------------------------------------------------------------------- */

/* Of a state's bytes with a full context, those of the part of it that is counted on. */
static uint64_t cache_bytes(const vita_engine *engine, uint64_t state_bytes)
{
	const double context = engine->llm_info.context;
	const bool named = vita_context_given(engine->context, "llm", "context");
	return named || context <= FIRST_TOKENS ? state_bytes : (uint64_t)((double)state_bytes / context * FIRST_TOKENS);
}

/* Bytes that a pass of FIRST_TOKENS tokens takes besides its caches. */
static uint64_t working_bytes(const vita_engine *engine, const vita_counting_device *counter)
{
	static const int32_t ids[FIRST_TOKENS];
	vita_llm_block block, *blocks = &block;
	const uint32_t context = engine->llm_info.context;
	const uint64_t before = counter->taken;
	uint64_t taken = 0;
	vita_error err = {0};
	VITA_INIT(&block);
	block.ids = ids;
	block.n_tokens = context < FIRST_TOKENS ? context : FIRST_TOKENS;
	block.n_logits = 1;
	block.logits = malloc(engine->llm_info.vocab_size * sizeof *block.logits);
	if (block.logits && engine->llm_api->state_open(engine->llm, &block.state, &err) == VITA_OK) {
		if (engine->llm_api->forward(engine->llm, &blocks, 1, NULL, &err) == VITA_OK) taken = counter->taken - before;
		engine->llm_api->state_close(block.state);
	}
	free(block.logits);
	const uint64_t caches = engine->llm_info.state_bytes / context * block.n_tokens;
	return taken > caches ? taken - caches : 0;
}

static void count_caches(survey *s, int part, uint64_t state_bytes)
{
	if (s->of[part]) s->of[part]->caches += cache_bytes(s->engine, state_bytes);
}

static vita_status count_parts(survey *s, vita_error *err)
{
	vita_engine *engine = s->engine;
	vita_error why = {0};
	if (engine->parts & VITA_PART_LLM) {
		vita_status status = vita_engine_open_model(engine, err);
		if (status != VITA_OK) return status;
	}
	for (int i = 0; i < N_PARTS; i++) {
		place *p = s->of[i];
		const uint64_t before = p ? p->counter.taken : 0;
		if (!s->device[i]) continue;
		engine->device = p ? &p->counter.device : &vita_empty_device;
		if (parts[i].open(engine, &why) != VITA_OK) return VITA_OK;
		if (p) p->weights[i] = p->counter.taken - before;
	}
	if (engine->llm) count_caches(s, LLM, engine->llm_info.state_bytes);
	if (engine->head) count_caches(s, HEADS, engine->head_info.state_bytes);
	if (engine->llm && s->of[LLM]) s->of[LLM]->working = working_bytes(engine, &s->of[LLM]->counter);
	return VITA_OK;
}

/* ---- telling -------------------------------------------------------------------------------------- */

static double mib(uint64_t bytes)
{
	return (double)bytes / 1048576;
}

static void list_parts(const place *p, char *out, size_t size)
{
	size_t used = 0;
	*out = '\0';
	for (int i = 0; i < N_PARTS && used < size; i++)
		if (p->weights[i] > 0)
			used += (size_t)snprintf(out + used, size - used, "%s %.1f, ", parts[i].section, mib(p->weights[i]));
}

/* "; llm.dtype = q4_0 would fit", where that is so */
static void propose_type(const survey *s, const place *p, uint64_t needed, uint64_t left, char *out, size_t size)
{
	const uint64_t others = needed - p->weights[LLM] - p->weights[HEADS];
	double bytes;
	*out = '\0';
	if (!s->engine->model || p->weights[LLM] == 0 || others >= left) return;
	const char *type = vita_fitting_type(s->engine->model, (double)(left - others), &bytes);
	if (type && bytes < (double)p->weights[LLM])
		(void)snprintf(out, size, "; with llm.dtype = %s the weights would take %.1f", type, bytes / 1048576);
}

static vita_status check_place(const survey *s, const place *p, vita_error *err)
{
	const vita_room *room = &p->room;
	const uint64_t besides = p->caches + p->working, left = room->total > room->taken ? room->total - room->taken : 0;
	uint64_t needed = besides;
	char each[160], instead[96];
	for (int i = 0; i < N_PARTS; i++) needed += p->weights[i];
	if (p->counter.largest > room->largest)
		return vita_fail(err, VITA_E_NOMEM, "%s does not fit on %s: a weight takes %.1f MiB in one piece, and the device "
		                 "gives at most %.1f MiB at once", s->engine->model ? vita_model_path(s->engine->model) : "a part",
		                 room->name, mib(p->counter.largest), mib(room->largest));
	if (needed <= left) return VITA_OK;
	list_parts(p, each, sizeof each);
	propose_type(s, p, needed, left, instead, sizeof instead);
	return vita_fail(err, VITA_E_NOMEM, "%s does not fit on %s: %.1f MiB are needed (%scaches and working memory %.1f) and "
	                 "%.1f of its %.1f MiB are free: %.1f MiB are missing%s",
	                 s->engine->model ? vita_model_path(s->engine->model) : "the config", room->name, mib(needed), each,
	                 mib(besides), mib(left), mib(room->total), mib(needed - left), instead);
}

/* ---- all ------------------------------------------------------------------------------------------ */

static vita_status count_and_check(survey *s, const vita_engine *engine, vita_error *err)
{
	vita_status status = vita_services_init(&s->quiet, NULL, NULL, VITA_LOG_ERROR, err);
	if (status != VITA_OK) return status;
	s->quiet.blank = 1;
	s->engine = vita_engine_create(engine->context);
	if (s->engine) {
		s->engine->host = &s->quiet.host;
		s->engine->parts = engine->parts;
		s->engine->device = &vita_empty_device;
		status = count_parts(s, err);
		for (uint32_t i = 0; i < s->n_places && status == VITA_OK; i++) status = check_place(s, &s->places[i], err);
	} else {
		status = vita_fail(err, VITA_E_NOMEM, "no memory for an engine");
	}
	vita_engine_close(s->engine);
	vita_services_clear(&s->quiet);
	return status;
}

vita_status vita_engine_check_room(vita_engine *engine, vita_error *err)
{
	survey *s = calloc(1, sizeof *s);
	if (!s) return vita_fail(err, VITA_E_NOMEM, "no memory for an engine");
	vita_status status = find_places(s, engine, err);
	if (status == VITA_OK && s->n_places > 0) status = count_and_check(s, engine, err);
	for (int i = 0; i < N_PARTS; i++) vita_context_device_close(engine->context, s->device[i]);
	free(s);
	return status;
}
