/* SPDX-License-Identifier: MIT
 *
 * Checking a config's models by opening its parts on a device that holds nothing.
 *
 * What plugins ask the host for is watched: a tensor that is missing or of another shape is told, and one of
 * zeros stands in for it, so that a check finds all that is wrong and not only the first thing.
 */
#include "engine/engine_internal.h"
#include "engine/empty_device.h"
#include "files/model.h"
#include "host/context_state.h"

#include <vita/check.h>

#include <stdlib.h>
#include <sys/mman.h>

#define MAX_ZEROS (UINT64_C(1) << 42)
#define MAX_MAPS 48
#define MAX_MODELS 8

typedef struct checker {
	vita_engine *engine;
	vita_check_events events;
	const char *part;
	unsigned char bit;              /* of the part */
	int lost_tensor;                /* a tensor was missing that nothing could stand in for */
	uint64_t n_tensors, n_problems; /* of the part */
	uint64_t n_all;                 /* problems of all parts */
	vita_error config;              /* the first that the config is at fault for; "" where it is for none */
	struct {
		const vita_model *model;
		size_t n;             /* tensors; another model may lie where one was closed */
		unsigned char *parts; /* a bit for each part that read this tensor */
	} seen[MAX_MODELS];
	struct {
		void *memory;
		size_t size;
	} zeros[MAX_MAPS]; /* the last one is the largest */
	uint32_t n_zeros;
} checker;

/* ---- telling -------------------------------------------------------------------------------------- */

static void tell_problem(checker *c, const char *tensor, const char *text)
{
	c->n_problems++;
	c->n_all++;
	if (c->events.problem) c->events.problem(c->events.user, c->part, tensor, text);
}

/* Why a part cannot be used as the config says. */
static void tell_refusal(checker *c, vita_status status, const vita_error *err)
{
	if (status == VITA_E_CONFIG && !c->config.message[0]) c->config = *err;
	tell_problem(c, "", err->message);
}

/* Why a part cannot be opened. A file that is not there may be meant to come from elsewhere. */
static void tell_failure(checker *c, vita_status status, const vita_error *err)
{
	if (status != VITA_E_NOTFOUND || c->lost_tensor || !VITA_HAS(&c->events, vita_check_events, missing)) {
		tell_refusal(c, status, err);
		return;
	}
	c->n_problems++;
	c->n_all++;
	c->events.missing(c->events.user, c->part, err->message);
}

VITA_PRINTF(2, 3)
static void tell_note(const checker *c, const char *format, ...)
{
	char text[512];
	va_list args;
	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (c->events.note) c->events.note(c->events.user, c->part, text);
}

static void begin_part(checker *c, const char *part)
{
	c->part = part;
	c->bit = (unsigned char)(c->bit ? c->bit << 1 : 1);
	c->n_tensors = c->n_problems = 0;
	c->lost_tensor = 0;
}

static void end_part(const checker *c, const vita_part *part)
{
	const char *plugin = part && part->factory ? part->factory->name : "";
	if (c->events.part) c->events.part(c->events.user, c->part, plugin, c->n_tensors, c->n_problems);
}

/* ---- tensors that plugins ask for ----------------------------------------------------------------- */

/* The marks of a model's tensors; NULL where there are too many models or there is no memory, which costs some
 * counts and nothing else. */
static unsigned char *marks_of(checker *c, const vita_model *model)
{
	uint32_t i = 0;
	while (i < MAX_MODELS && c->seen[i].model &&
	       (c->seen[i].model != model || c->seen[i].n != model->n_entries))
		i++;
	if (i == MAX_MODELS) return NULL;
	if (!c->seen[i].parts) c->seen[i].parts = calloc(model->n_entries + 1, 1);
	if (c->seen[i].parts) c->seen[i].model = model, c->seen[i].n = model->n_entries;
	return c->seen[i].parts;
}

static void mark_used(checker *c, const vita_model *model, const char *name)
{
	unsigned char *marks = marks_of(c, model);
	for (size_t first = 0, end = model->n_entries; marks && first < end;) {
		size_t middle = first + (end - first) / 2;
		int order = strcmp(name, model->entries[middle].name);
		if (order < 0) end = middle;
		if (order > 0) first = middle + 1;
		if (order != 0) continue;
		if (!(marks[middle] & c->bit)) c->n_tensors++;
		marks[middle] |= c->bit;
		return;
	}
}

/* Zeros that take no memory until somebody reads them, and little then. NULL where there is no room for them. */
static const void *zeros_of(checker *c, size_t size)
{
	if (c->n_zeros > 0 && c->zeros[c->n_zeros - 1].size >= size) return c->zeros[c->n_zeros - 1].memory;
	if (c->n_zeros == MAX_MAPS) return NULL;
	size_t room = 1u << 20;
	while (room < size)
		room *= 2;
	void *memory = mmap(NULL, room, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED) return NULL;
	c->zeros[c->n_zeros].memory = memory;
	c->zeros[c->n_zeros++].size = room;
	return memory;
}

/* An f32 tensor of the shape that was asked for; 0 where that leaves a size open. */
static int stand_in(checker *c, uint32_t rank, const int64_t *shape, vita_array *out)
{
	uint64_t n = 1;
	if (rank == 0) return 0;
	VITA_INIT(out);
	out->dtype = VITA_F32;
	out->rank = rank;
	for (uint32_t i = 0; i < VITA_MAX_RANK; i++) {
		out->shape[i] = i < rank ? shape[i] : 1;
		if (out->shape[i] < 1 || (uint64_t)out->shape[i] > MAX_ZEROS / 4 / n) return 0;
		n *= (uint64_t)out->shape[i];
	}
	out->size_bytes = 4 * n;
	out->data = zeros_of(c, (size_t)out->size_bytes);
	return out->data != NULL;
}

static vita_status watch_tensor(void *user, const vita_model *model, const char *name, uint32_t rank,
				const int64_t *shape, vita_array *out, vita_error *err)
{
	checker *c = user;
	vita_status status = vita_model_tensor(model, name, rank, shape, out, err);
	if (!err) return status; /* who wants no sentence only asks whether it is there */
	if (status == VITA_OK) mark_used(c, model, name);
	if (status == VITA_OK) return status;
	if (!stand_in(c, rank, shape, out)) {
		c->lost_tensor = 1;
		return status;
	}
	tell_problem(c, name, err->message);
	out->name = name;
	return VITA_OK;
}

/* ---- parts ---------------------------------------------------------------------------------------- */

typedef vita_status (*open_fn)(vita_engine *engine, vita_error *err);

static void check_part(checker *c, const char *part, open_fn open, const vita_part *opened)
{
	vita_error err = {0};
	begin_part(c, part);
	vita_status status = open(c->engine, &err);
	if (status != VITA_OK) tell_failure(c, status, &err);
	end_part(c, opened);
}

/* Tokens without which the stream format cannot be spoken: a problem of models that are made for speech, which have
 * heads or at least say that they have none, and worth a note of others. */
static void check_markers(checker *c)
{
	static const char *const names[] = {"<|im_start|>", "<|im_end|>", "<|begin_of_audio|>",
					    "<|end_of_audio|>", "<|audio_0|>"};
	int64_t heads;
	int for_speech = vita_model_get_int(c->engine->model, VITA_CONFIG_MODEL, "num_nextn_predict_layers",
					    0, INT32_MAX, &heads, NULL) == VITA_OK;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char text[128];
		if (vita_tokenizer_id(c->engine->tokenizer, names[i]) >= 0) continue;
		(void)snprintf(text, sizeof text,
			       "the tokenizer has no token %s, without which there is no %s", names[i],
			       i < 2 ? "conversation" : "speech");
		if (for_speech)
			tell_problem(c, "", text);
		else
			tell_note(c, "%s", text);
	}
}

static void check_tokenizer(checker *c)
{
	const vita_markers *markers = &c->engine->markers;
	vita_error err = {0};
	begin_part(c, "tokenizer");
	vita_status status = vita_engine_open_tokenizer(c->engine, &err);
	if (status != VITA_OK) {
		tell_failure(c, status, &err);
		end_part(c, NULL);
		return;
	}
	check_markers(c);
	tell_note(c, "%u tokens", (unsigned)vita_tokenizer_size(c->engine->tokenizer));
	if (markers->audio_count > 0)
		tell_note(c, "<|audio_0|> is %ld, and %ld audio tokens follow each other",
			  (long)markers->audio_first, (long)markers->audio_count);
	if (markers->context_audio >= 0)
		tell_note(c, "hears %sfeature rows, at <|context_of_audio|> (%ld)",
			  markers->audio_count > 0 ? "audio tokens or " : "", (long)markers->context_audio);
	else if (markers->audio_count > 0)
		tell_note(c, "hears audio tokens");
	end_part(c, NULL);
}

/* Rows of the output matrix against tokens; what the model is made of. */
static void note_llm(checker *c)
{
	const vita_engine *engine = c->engine;
	const vita_llm_info *info = &engine->llm_info;
	uint32_t n = engine->tokenizer ? vita_tokenizer_size(engine->tokenizer) : 0;
	tell_note(c, "%u layers, rows of %u values, context of %u tokens", (unsigned)info->n_layers,
		  (unsigned)info->hidden_size, (unsigned)info->context);
	if (n > info->vocab_size) {
		char text[160];
		(void)snprintf(text, sizeof text, "the tokenizer has %u tokens, but the model only %u",
			       (unsigned)n, (unsigned)info->vocab_size);
		tell_problem(c, "", text);
	} else if (n > 0 && n < info->vocab_size)
		tell_note(c, "%u of its %u tokens only pad the matrices", (unsigned)(info->vocab_size - n),
			  (unsigned)info->vocab_size);
}

static void check_llm(checker *c)
{
	vita_error err = {0};
	begin_part(c, "llm");
	vita_status status = vita_engine_open_llm(c->engine, &err);
	if (status != VITA_OK)
		tell_refusal(c, status, &err);
	else
		note_llm(c);
	end_part(c, &c->engine->llm_part);
}

/* "1,10,4,10" of generation_config.json. */
static void note_schedule(checker *c)
{
	int64_t step[64];
	uint32_t n = 0, used = 0;
	char text[512] = "";
	vita_error err = {0};
	vita_status status = vita_model_get_ints(c->engine->model, VITA_CONFIG_GENERATION,
						 "mtp_inference_mode", step, 64, &n, &err);
	if (status == VITA_E_FORMAT) tell_problem(c, "", err.message);
	if (status != VITA_OK) return;
	for (uint32_t i = 0; i < n && i < 64 && used < 480; i++)
		used += (uint32_t)snprintf(text + used, sizeof text - used, i ? ",%lld" : "%lld",
					   (long long)step[i]);
	tell_note(c, "the model's own schedule is %s", text);
	for (uint32_t i = 1; i < n && i < 64; i += 2)
		if (step[i] > c->engine->head_info.count && c->engine->head_info.count > 0) {
			tell_note(c, "that asks for %lld heads in a row; main passes do what is beyond %u",
				  (long long)step[i], (unsigned)c->engine->head_info.count);
			return;
		}
}

static void check_heads(checker *c)
{
	vita_engine *engine = c->engine;
	vita_error err = {0};
	int64_t said = 0;
	begin_part(c, "heads");
	(void)vita_model_get_int(engine->model, VITA_CONFIG_MODEL, "num_nextn_predict_layers", 0, INT32_MAX,
				 &said, NULL);
	vita_status status = vita_engine_open_heads(engine, &err);
	if (status != VITA_OK)
		tell_refusal(c, status, &err);
	else if (said > 0 && !engine->head_part.factory &&
		 vita_context_int(engine->context, "heads", "count") != 0)
		tell_problem(c, "",
			     "config.json says that there are heads (num_nextn_predict_layers), but no "
			     "plugin finds any");
	else if (engine->head)
		tell_note(c, "%u heads", (unsigned)engine->head_info.count);
	if (engine->head || c->n_problems > 0) {
		note_schedule(c);
		end_part(c, &engine->head_part);
	}
}

/* [generation], the schedule and the rows of heads: how the parts work together. */
static void check_together(checker *c)
{
	vita_error err = {0};
	begin_part(c, "llm");
	vita_status status = vita_engine_settle(c->engine, &err);
	if (status == VITA_OK) return;
	tell_refusal(c, status, &err);
	end_part(c, &c->engine->llm_part);
}

/* The plugin that the section names, where it names one that there is. */
static void name_plugin(const checker *c, const char *section, vita_part *part)
{
	(void)vita_context_section_factory(c->engine->context, section, &part->factory, NULL);
}

/* Heads that the config asks for lie in a language model that cannot be opened. */
static void check_hidden_heads(checker *c)
{
	const vita_engine *engine = c->engine;
	vita_part part = {0};
	name_plugin(c, "heads", &part);
	if (!part.factory || vita_context_int(engine->context, "heads", "count") == 0) return;
	begin_part(c, "heads");
	tell_problem(c, "", "they cannot be looked for in a language model that does not open");
	end_part(c, &part);
}

/* The language model cannot be opened at all; there may be a tokenizer in its directory even so. */
static void check_unopened(checker *c, vita_status status, const vita_error *err)
{
	vita_engine *engine = c->engine;
	vita_error yaml;
	begin_part(c, engine->parts & VITA_PART_LLM ? "llm" : "tokenizer");
	tell_failure(c, status, err);
	if (vita_engine_check_yaml(engine, "llm", &yaml) != VITA_OK) tell_problem(c, "", yaml.message);
	name_plugin(c, "llm", &engine->llm_part);
	end_part(c, &engine->llm_part);
	if (!(engine->parts & VITA_PART_LLM)) return;
	engine->parts &= ~VITA_PART_LLM;
	if (engine->parts & VITA_PART_TOKENIZER && vita_engine_open_model(engine, NULL) == VITA_OK)
		check_tokenizer(c);
}

static void look_at_model(checker *c, uint32_t asked)
{
	vita_engine *engine = c->engine;
	vita_error err = {0};
	vita_status status = vita_engine_open_model(engine, &err);
	if (status != VITA_OK) {
		check_unopened(c, status, &err);
	} else {
		if (engine->parts & VITA_PART_TOKENIZER) check_tokenizer(c);
		if (engine->parts & VITA_PART_LLM) check_llm(c);
	}
	if (engine->parts & VITA_PART_HEADS && engine->llm) check_heads(c);
	if (engine->parts & VITA_PART_HEADS && !engine->llm && asked & VITA_PART_LLM) check_hidden_heads(c);
	if (engine->llm) check_together(c);
}

/* ---- all ------------------------------------------------------------------------------------------ */

/* Does the section name the language model's directory? */
static int shares_model(const vita_engine *engine, const char *section)
{
	const vita_context *context = engine->context;
	return strcmp(vita_context_string(context, section, "model"), vita_context_string(context, "llm", "model")) == 0;
}

/* Is the section to be looked at? Where something is wrong with what it names, opening it will tell. */
static int is_described(const vita_engine *engine, const char *section)
{
	const vita_factory *known;
	vita_error ignored;
	if (vita_engine_known(engine, section, &known, &ignored) != VITA_OK || known) return 1;
	return *vita_context_string(engine->context, section, "model") && !shares_model(engine, section);
}

/* Which of the asked parts does the config describe? A directory may be named for several; it is only taken for a
 * language model that nobody knows where nobody knows it as something else. */
static void describe_parts(checker *c, uint32_t asked)
{
	vita_engine *engine = c->engine;
	const uint32_t of_llm = VITA_PART_TOKENIZER | VITA_PART_LLM | VITA_PART_HEADS;
	int encoder = asked & VITA_PART_ENCODER && is_described(engine, "encoder");
	int codec = asked & VITA_PART_CODEC && is_described(engine, "codec");
	int is_other = (encoder && shares_model(engine, "encoder")) || (codec && shares_model(engine, "codec"));
	if (*vita_context_string(engine->context, "llm", "model") && (is_described(engine, "llm") || !is_other))
		engine->parts |= asked & of_llm;
	if (encoder) engine->parts |= VITA_PART_ENCODER;
	if (codec) engine->parts |= VITA_PART_CODEC;
}

static void tell_unused(checker *c)
{
	const vita_model *model = c->engine->model;
	const unsigned char *marks = marks_of(c, model);
	for (size_t i = 0; marks && c->events.unused && i < model->n_entries; i++)
		if (!marks[i]) c->events.unused(c->events.user, model->entries[i].name);
}

static void look(checker *c, uint32_t asked)
{
	vita_engine *engine = c->engine;
	describe_parts(c, asked);
	if (engine->parts & (VITA_PART_TOKENIZER | VITA_PART_LLM | VITA_PART_HEADS)) look_at_model(c, asked);
	if (engine->parts & VITA_PART_ENCODER)
		check_part(c, "encoder", vita_engine_open_encoder, &engine->encoder_part);
	if (engine->parts & VITA_PART_CODEC)
		check_part(c, "codec", vita_engine_open_codec, &engine->codec_part);
	if (engine->llm) tell_unused(c);
}

vita_status vita_check_parts(vita_context *context, uint32_t parts, const vita_check_events *events,
			     uint64_t *n_problems, vita_error *err)
{
	checker c = {0};
	*n_problems = 0;
	size_t size = events->struct_size;
	memcpy(&c.events, events, size < sizeof c.events ? size : sizeof c.events);
	c.engine = vita_engine_create(context);
	if (!c.engine) return vita_fail(err, VITA_E_NOMEM, "no memory for an engine");
	c.engine->device = &vita_empty_device;
	context->services.watch = (vita_tensor_watch){&c, watch_tensor};
	look(&c, parts);
	vita_engine_close(c.engine);
	context->services.watch = (vita_tensor_watch){NULL, NULL};
	for (uint32_t i = 0; i < c.n_zeros; i++)
		(void)munmap(c.zeros[i].memory, c.zeros[i].size);
	for (uint32_t i = 0; i < MAX_MODELS; i++)
		free(c.seen[i].parts);
	*n_problems = c.n_all;
	return c.config.message[0] ? vita_fail(err, VITA_E_CONFIG, "%s", c.config.message) : VITA_OK;
}
