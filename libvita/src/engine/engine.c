/* SPDX-License-Identifier: MIT
 *
 * Opening and closing an engine: its parts in order, then how they work together ([heads], [generation]).
 */
#include "engine/engine_internal.h"
#include "engine/room.h"
#include "files/synthetic.h"
#include "host/fallback.h"

#include <stdlib.h>

/* ---- schedule ------------------------------------------------------------------------------------- */

static vita_status model_schedule(vita_engine *engine, uint32_t n, vita_error *err)
{
	vita_error why = { 0 };
	int64_t *numbers = calloc((size_t)n + 1, sizeof *numbers);
	if (!numbers)
		return vita_fail(err, VITA_E_NOMEM, "no memory for a schedule of %u numbers", (unsigned)n);
	vita_status status = vita_model_get_ints(engine->model, VITA_CONFIG_GENERATION, "mtp_inference_mode",
	                                         numbers, n, &n, &why);
	if (status == VITA_OK) status = vita_schedule_set(&engine->schedule, numbers, n, &why);
	free(numbers);
	if (status == VITA_OK) return VITA_OK;
	return vita_fail(err, VITA_E_FORMAT, "generation_config.json of %s: mtp_inference_mode: %s",
	                 vita_model_path(engine->model), why.message);
}

/* The INI's schedule, else the model's own, else one main step and then every head once. */
static vita_status read_schedule(vita_engine *engine, vita_error *err)
{
	vita_error why = { 0 };
	const int64_t plain[2] = { 1, (int64_t)engine->head_info.count };
	uint32_t n = 0;
	vita_status status = vita_schedule_parse(&engine->vanilla, "vanilla", err);
	if (status != VITA_OK) return status;
	if (vita_context_given(engine->context, "heads", "schedule")) {
		engine->schedule_given = 1;
		status = vita_schedule_parse(&engine->schedule,
		                             vita_context_string(engine->context, "heads", "schedule"), &why);
		if (status == VITA_OK) return VITA_OK;
		return vita_fail(err, status, "%s: %s",
		                 vita_context_origin(engine->context, "heads", "schedule"), why.message);
	}
	status = vita_model_get_ints(engine->model, VITA_CONFIG_GENERATION, "mtp_inference_mode", NULL, 0, &n,
	                             &why);
	if (status == VITA_E_NOTFOUND) return vita_schedule_set(&engine->schedule, plain, 2, err);
	return model_schedule(engine, n, err);
}

/* Worth a line, because it costs speed: the schedule asks for more heads in a row than there are. */
static void note_surplus(const vita_engine *engine)
{
	uint64_t most = 0;
	for (uint32_t i = 0; i < engine->schedule.n_pairs; i++)
		if (engine->schedule.pair[i].head_steps > most) most = engine->schedule.pair[i].head_steps;
	if (engine->head && most > engine->head_info.count)
		vita_logf(engine->host, VITA_LOG_INFO, "engine",
		          "the schedule asks for %llu heads in a row; there are %u, and main passes do the rest",
		          (unsigned long long)most, (unsigned)engine->head_info.count);
}

/* ---- rows that heads are asked for ---------------------------------------------------------------- */

static int by_first(const void *a, const void *b)
{
	int32_t x = ((const vita_range *)a)->first, y = ((const vita_range *)b)->first;
	return (x > y) - (x < y);
}

/* Sort, and join ranges that touch or repeat each other; returns how many are left. */
static uint32_t join_ranges(vita_range *range, uint32_t n)
{
	uint32_t last = 0;
	qsort(range, n, sizeof *range, by_first);
	for (uint32_t i = 1; i < n; i++) {
		int32_t end = range[last].first + range[last].count, end_i = range[i].first + range[i].count;
		if (range[i].first > end)
			range[++last] = range[i];
		else if (end_i > end)
			range[last].count = end_i - range[last].first;
	}
	return last + 1;
}

/* What a model without a tokenizer, made for measuring, says in its stead. */
static void synthetic_markers(vita_engine *engine)
{
	int64_t id[4];
	uint32_t n = 0;
	if (engine->tokenizer || !vita_synthetic_is_path(vita_model_path(engine->model)) ||
	    vita_model_get_ints(engine->model, VITA_CONFIG_MODEL, VITA_SYNTHETIC_AUDIO, id, 4, &n, NULL) != VITA_OK || n != 4)
		return;
	engine->markers.audio_first = (int32_t)id[0];
	engine->markers.audio_count = (int32_t)id[1];
	engine->markers.begin_audio = (int32_t)id[2];
	engine->markers.end_audio = (int32_t)id[3];
}

/* heads.vocabulary = audio: the audio tokens and what may follow one, the end and begin of audio and of
 * the answer. */
static vita_status audio_rows(vita_engine *engine, vita_error *err)
{
	const vita_markers *markers = &engine->markers;
	synthetic_markers(engine);
	if (markers->audio_count == 0 || markers->end_audio < 0 || markers->begin_audio < 0)
		return vita_fail(err, VITA_E_CONFIG,
		                 "%s: the tokenizer of %s has no audio tokens (<|audio_0|> … with "
		                 "<|begin_of_audio|> and <|end_of_audio|>)",
		                 vita_context_origin(engine->context, "heads", "vocabulary"),
		                 vita_model_path(engine->model));
	uint32_t n = 0;
	vita_range *range = calloc((size_t)engine->generation.n_end_ids + 4, sizeof *range);
	if (!range) return vita_fail(err, VITA_E_NOMEM, "no memory for the rows that heads propose");
	range[n++] = (vita_range){ markers->audio_first, markers->audio_count };
	range[n++] = (vita_range){ markers->begin_audio, 1 };
	range[n++] = (vita_range){ markers->end_audio, 1 };
	if (markers->message_end >= 0) range[n++] = (vita_range){ markers->message_end, 1 };
	for (uint32_t i = 0; i < engine->generation.n_end_ids; i++)
		range[n++] = (vita_range){ engine->generation.end_ids[i], 1 };
	engine->head_ranges = range;
	engine->n_head_ranges = join_ranges(range, n);
	return VITA_OK;
}

static vita_status read_head_rows(vita_engine *engine, vita_error *err)
{
	if (engine->head && strcmp(vita_context_string(engine->context, "heads", "vocabulary"), "audio") == 0)
		return audio_rows(engine, err);
	engine->head_rows_full = 1;
	engine->n_head_ranges = 1;
	engine->head_ranges = malloc(sizeof *engine->head_ranges);
	if (!engine->head_ranges)
		return vita_fail(err, VITA_E_NOMEM, "no memory for the rows that heads propose");
	*engine->head_ranges = engine->all_ids;
	return VITA_OK;
}

/* ---- open and close ------------------------------------------------------------------------------- */

/* The parts that these need besides. */
static uint32_t complete(const vita_context *context, uint32_t parts)
{
	if (parts & VITA_PART_HEADS) {
		parts |= VITA_PART_LLM;
		if (strcmp(vita_context_string(context, "heads", "vocabulary"), "audio") == 0 &&
		    !vita_synthetic_is_path(vita_context_string(context, "llm", "model")))
			parts |= VITA_PART_TOKENIZER;
	}
	return parts;
}

static vita_status open_parts(vita_engine *engine, vita_error *err)
{
	vita_status status = VITA_OK;
	uint32_t parts = engine->parts;
	if (parts & VITA_PART_TOKENIZER) status = vita_engine_open_tokenizer(engine, err);
	if (status == VITA_OK && parts & VITA_PART_LLM) status = vita_engine_open_llm(engine, err);
	if (status == VITA_OK && parts & VITA_PART_HEADS) status = vita_engine_open_heads(engine, err);
	if (status == VITA_OK && parts & VITA_PART_ENCODER) status = vita_engine_open_encoder(engine, err);
	if (status == VITA_OK && parts & VITA_PART_CODEC) status = vita_engine_open_codec(engine, err);
	return status == VITA_OK && engine->llm ? vita_engine_settle(engine, err) : status;
}

vita_status vita_engine_settle(vita_engine *engine, vita_error *err)
{
	vita_status status = vita_generation_read(&engine->generation, engine->context, engine->model,
	                              engine->llm_info.vocab_size, err);
	if (status == VITA_OK) status = read_schedule(engine, err);
	if (status == VITA_OK) status = read_head_rows(engine, err);
	if (status == VITA_OK) status = vita_greedy_find(engine, err);
	if (status == VITA_OK) note_surplus(engine);
	engine->verify = strcmp(vita_context_string(engine->context, "heads", "verify"), "exact") == 0;
	return status;
}

vita_engine *vita_engine_create(vita_context *context)
{
	vita_engine *engine = calloc(1, sizeof *engine);
	if (!engine) return NULL;
	engine->context = context;
	engine->host = vita_context_host(context);
	engine->markers = (vita_markers){ -1, 0, -1, -1, -1, -1, -1 };
	return engine;
}

vita_status vita_engine_open(vita_context *context, uint32_t parts, vita_engine **out, vita_error *err)
{
	*out = NULL;
	vita_engine *engine = vita_engine_create(context);
	if (!engine) return vita_fail(err, VITA_E_NOMEM, "no memory for an engine");
	engine->parts = complete(context, parts);
	vita_status status = vita_engine_check_room(engine, err);
	if (status == VITA_OK) status = open_parts(engine, err);
	if (status == VITA_OK)
		*out = engine;
	else
		vita_engine_close(engine);
	return status;
}

static void close_device(const vita_engine *engine, const vita_part *part)
{
	if (!engine->device) vita_context_device_close(engine->context, part->device);
}

void vita_engine_close(vita_engine *engine)
{
	if (!engine) return;
	if (engine->codec_api) engine->codec_api->close(engine->codec);
	if (engine->encoder_api) engine->encoder_api->close(engine->encoder);
	if (engine->head_api) engine->head_api->close(engine->head);
	if (engine->llm_api) engine->llm_api->close(engine->llm);
	close_device(engine, &engine->codec_part);
	close_device(engine, &engine->encoder_part);
	close_device(engine, &engine->head_part);
	close_device(engine, &engine->llm_part);
	vita_tokenizer_close(engine->tokenizer);
	if (engine->model) engine->host->model_close(engine->host->context, engine->model);
	vita_generation_free(&engine->generation);
	vita_schedule_free(&engine->schedule);
	vita_schedule_free(&engine->vanilla);
	free(engine->head_ranges);
	free(engine->chain_ranges);
	free(engine->chunk);
	free(engine);
}

/* ---- description ---------------------------------------------------------------------------------- */

static const char *plugin_name(const vita_part *part)
{
	return part->factory ? part->factory->name : "";
}

static const char *backend_name(const vita_engine *engine, const vita_part *part)
{
	return part->device ? vita_context_device_name(engine->context, part->device) : "";
}

static const char *notice(const vita_engine *engine)
{
	const char *text = "";
	if (!engine->model || !engine->llm) return "";
	(void)vita_model_get_string(engine->model, VITA_CONFIG_MODEL, "vita_notice", &text, NULL);
	return text;
}

static uint64_t head_rows(const vita_engine *engine)
{
	uint64_t n = 0;
	for (uint32_t i = 0; engine->head && i < engine->n_head_ranges; i++) n += (uint64_t)engine->head_ranges[i].count;
	return n;
}

void vita_engine_describe(const vita_engine *engine, vita_engine_info *info)
{
	vita_engine_info full = {
		.parts = engine->parts,
		.encoder = plugin_name(&engine->encoder_part),
		.llm = plugin_name(&engine->llm_part),
		.head = plugin_name(&engine->head_part),
		.codec = plugin_name(&engine->codec_part),
		.encoder_backend = backend_name(engine, &engine->encoder_part),
		.llm_backend = backend_name(engine, &engine->llm_part),
		.head_backend = backend_name(engine, &engine->head_part),
		.codec_backend = backend_name(engine, &engine->codec_part),
		.audio_first = engine->markers.audio_first,
		.audio_count = engine->markers.audio_count,
		.encoder_info = engine->encoder ? &engine->encoder_info : NULL,
		.llm_info = engine->llm ? &engine->llm_info : NULL,
		.head_info = engine->head ? &engine->head_info : NULL,
		.codec_info = engine->codec ? &engine->codec_info : NULL,
		.notice = notice(engine),
		.head_rows = head_rows(engine),
	};
	uint32_t size = info->struct_size;
	full.struct_size = size;
	memcpy(info, &full, size < sizeof full ? size : sizeof full);
}

const vita_tokenizer *vita_engine_tokenizer(const vita_engine *engine)
{
	return engine->tokenizer;
}

const vita_encoder_api *vita_engine_encoder(const vita_engine *engine, vita_encoder **encoder)
{
	*encoder = engine->encoder;
	return engine->encoder ? engine->encoder_api : NULL;
}

const vita_llm_api *vita_engine_llm(const vita_engine *engine, vita_llm **llm)
{
	*llm = engine->llm;
	return engine->llm ? engine->llm_api : NULL;
}

const vita_codec_api *vita_engine_codec(const vita_engine *engine, vita_codec **codec)
{
	*codec = engine->codec;
	return engine->codec ? engine->codec_api : NULL;
}

uint32_t vita_engine_chunk(const vita_engine *engine, uint32_t number)
{
	if (engine->n_chunk == 0) return 0;
	return engine->chunk[number < engine->n_chunk ? number : engine->n_chunk - 1];
}

/* ---- roofs ---------------------------------------------------------------------------------------- */

vita_status vita_engine_roof(const vita_engine *engine, uint32_t part, vita_roof *out, vita_error *err)
{
	const vita_part *parts = part == VITA_PART_ENCODER ? &engine->encoder_part
	                         : part == VITA_PART_LLM   ? &engine->llm_part
	                         : part == VITA_PART_HEADS ? &engine->head_part
	                                                   : &engine->codec_part;
	VITA_INIT(out);
	if (!parts->device) return vita_fail(err, VITA_E_STATE, "a part whose roofs are asked for is not open");
	const vita_device *device = vita_fallback_inner(parts->device);
	if (!VITA_HAS(device->api, vita_backend_api, get_extension)) return VITA_OK;
	const vita_roof_api *api = device->api->get_extension(device->self, VITA_ROOF_ID);
	if (!api || !VITA_HAS(api, vita_roof_api, measure)) return VITA_OK;
	vita_status status = api->measure(device->self, out, err);
	out->struct_size = (uint32_t)sizeof *out;
	return status;
}
