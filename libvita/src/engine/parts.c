/* SPDX-License-Identifier: MIT
 *
 * Opening the parts that a config describes: which plugin, on which device, with which settings, and whether
 * the parts fit each other.
 */
#include "engine/engine_internal.h"
#include "engine/fit.h"

#include "files/model.h"
#include "host/fallback.h"
#include "text/tokenizer_gguf.h"

#include <stdlib.h>

/* ---- finding a plugin ----------------------------------------------------------------------------- */

/* "codec2, flow-hift", or "none" */
static void list_factories(const vita_context *context, const char *kind, char *out, size_t size)
{
	const vita_factory *factory;
	size_t used = 0;
	(void)snprintf(out, size, "none");
	for (uint32_t i = 0; (factory = vita_context_factory_at(context, kind, i)) && used < size; i++)
		used += (size_t)snprintf(out + used, size - used, "%s%s", i ? ", " : "", factory->name);
}

/* The factory that the section names; E_CONFIG where it names none. */
static vita_status named_factory(const vita_engine *engine, const char *section, const vita_factory **out,
                                 vita_error *err)
{
	char all[512];
	vita_status status = vita_context_section_factory(engine->context, section, out, err);
	if (status != VITA_OK || *out) return status;
	list_factories(engine->context, section, all, sizeof all);
	return vita_fail(err, VITA_E_CONFIG, "%s: name the plugin to use; there is: %s",
	                 vita_context_origin(engine->context, section, "plugin"), all);
}

typedef int32_t (*match_fn)(const vita_host *host, const vita_model *model);

/* Encoders and codecs need not have one. */
static match_fn match_of(const vita_factory *factory, const char *kind)
{
	const vita_encoder_api *encoder = factory->api;
	const vita_codec_api *codec = factory->api;
	const vita_match_api *ability = NULL;
	if (strcmp(kind, "llm") == 0) return ((const vita_llm_api *)factory->api)->match;
	if (strcmp(kind, "head") == 0) return ((const vita_head_api *)factory->api)->match;
	if (strcmp(kind, "encoder") == 0) {
		if (encoder->flags & VITA_ENCODER_F_MATCH) ability = encoder->get_extension(NULL, VITA_MATCH_ID);
	} else if (codec->flags & VITA_CODEC_F_MATCH) ability = codec->get_extension(NULL, VITA_MATCH_ID);
	return ability && VITA_HAS(ability, vita_match_api, match) ? ability->match : NULL;
}

/* The factory that fits the model best; NULL where none does. */
static const vita_factory *matching_factory(const vita_engine *engine, const char *kind, const vita_model *model)
{
	const vita_factory *best = NULL, *factory;
	int32_t best_score = 0;
	for (uint32_t i = 0; (factory = vita_context_factory_at(engine->context, kind, i)); i++) {
		match_fn match = match_of(factory, kind);
		int32_t score = match ? match(engine->host, model) : 0;
		if (score > best_score) best_score = score, best = factory;
	}
	return best;
}

/* Is the section's plugin key written, whatever it says? */
static int plugin_given(const vita_engine *engine, const char *section)
{
	return vita_context_given(engine->context, section, "plugin") &&
	       *vita_context_string(engine->context, section, "plugin");
}

vita_status vita_engine_known(const vita_engine *engine, const char *section, const vita_factory **out,
                              vita_error *err)
{
	vita_model *model;
	const vita_host *host = engine->host;
	const char *path = vita_context_string(engine->context, section, "model");
	*out = NULL;
	if (plugin_given(engine, section)) return named_factory(engine, section, out, err);
	if (!path || !*path) return VITA_OK;
	vita_status status = host->model_open(host->context, path, 0, &model, err);
	if (status != VITA_OK) return status;
	*out = matching_factory(engine, section, model);
	host->model_close(host->context, model);
	return VITA_OK;
}

vita_status vita_engine_check_yaml(const vita_engine *engine, const char *section, vita_error *err)
{
	vita_model *model;
	const vita_host *host = engine->host;
	const char *path = vita_context_string(engine->context, section, "model");
	if (!path || !*path || host->model_open(host->context, path, 0, &model, NULL) != VITA_OK) return VITA_OK;
	const vita_model_document *yaml = &model->documents[VITA_CONFIG_YAML];
	vita_status status = VITA_OK;
	if (yaml->failure && !model->documents[VITA_CONFIG_MODEL].root)
		status = vita_fail(err, yaml->status, "%s", yaml->failure);
	host->model_close(host->context, model);
	return status;
}

/* The encoder or codec that the section names, or without a name the one that fits the section's model. */
static vita_status named_or_matching(const vita_engine *engine, const char *section, const vita_factory **out,
                                     vita_error *err)
{
	char all[512];
	const char *path = vita_context_string(engine->context, section, "model");
	if (plugin_given(engine, section) || !path || !*path) return named_factory(engine, section, out, err);
	vita_status status = vita_engine_known(engine, section, out, err);
	if (status == VITA_OK && !*out) status = vita_engine_check_yaml(engine, section, err);
	if (status != VITA_OK || *out) return status;
	list_factories(engine->context, section, all, sizeof all);
	return vita_fail(err, VITA_E_UNSUPPORTED, "%s: no %s plugin (there is: %s) knows this model; [%s] plugin can name one", path,
	                 section, all, section);
}

/* The part's device, and its settings for the plugin's open. */
static vita_status prepare(vita_engine *engine, const char *section, vita_part *part,
                           vita_settings **settings, vita_error *err)
{
	part->device = engine->device;
	vita_status status = engine->device ? vita_context_device_find(engine->context, section, err)
	                                    : vita_context_device_open(engine->context, section, &part->device, err);
	if (status != VITA_OK) return status;
	return vita_context_settings(engine->context, section, part->factory, settings, err);
}

/* ---- model and tokenizer -------------------------------------------------------------------------- */

/* Whole where the language model is wanted; else whatever is there, for the tokenizer beside it. */
vita_status vita_engine_open_model(vita_engine *engine, vita_error *err)
{
	uint32_t want = engine->parts & VITA_PART_LLM ? VITA_MODEL_WANT_CONFIG | VITA_MODEL_WANT_TENSORS : 0;
	const char *path = vita_context_string(engine->context, "llm", "model");
	if (engine->model) return VITA_OK;
	if (!*path)
		return vita_fail(err, VITA_E_CONFIG, "%s: name the language model's directory or file",
		                 vita_context_origin(engine->context, "llm", "model"));
	return engine->host->model_open(engine->host->context, path, want, &engine->model, err);
}

/* Within the model's own file, or beside it. */
static const char *tokenizer_path(vita_model *model)
{
	if (model->gguf && vita_gguf_has_tokenizer(model->gguf)) return model->gguf->path;
	return vita_model_file_path(model, "tokenizer.json");
}

vita_status vita_engine_open_tokenizer(vita_engine *engine, vita_error *err)
{
	vita_status status = vita_engine_open_model(engine, err);
	if (status != VITA_OK) return status;
	const char *path = tokenizer_path(engine->model);
	if (!path) return vita_fail(err, VITA_E_NOMEM, "no memory for the tokenizer's path");
	status = vita_tokenizer_open(path, &engine->tokenizer, err);
	if (status != VITA_OK) return status;
	status = vita_markers_find(&engine->markers, engine->tokenizer, err);
	if (status == VITA_OK || engine->parts & VITA_PART_LLM) return status;
	engine->markers.audio_first = -1; /* nobody will look for sound in tokens alone */
	return VITA_OK;
}

/* What a plugin's open answered, and the handle that it gave. */
static vita_status opened(const vita_part *part, vita_status status, const void *handle, vita_error *err)
{
	char who[96];
	(void)snprintf(who, sizeof who, "plugin %s", part->factory->name);
	status = vita_answer(status, who, "open", err);
	if (status != VITA_OK || handle) return status;
	return vita_fail(err, VITA_E_INTERNAL, "%s says that open worked but gives no handle", who);
}

/* ---- language model ------------------------------------------------------------------------------- */

static vita_status find_llm(vita_engine *engine, vita_error *err)
{
	char all[512];
	const char *architecture = "not given", *type = "not given";
	vita_part *part = &engine->llm_part;
	if (plugin_given(engine, "llm")) return named_factory(engine, "llm", &part->factory, err);
	part->factory = matching_factory(engine, "llm", engine->model);
	if (part->factory) return VITA_OK;
	list_factories(engine->context, "llm", all, sizeof all);
	(void)vita_model_get_list_string(engine->model, VITA_CONFIG_MODEL, "architectures", 0, &architecture,
	                                 NULL);
	(void)vita_model_get_string(engine->model, VITA_CONFIG_MODEL, "model_type", &type, NULL);
	return vita_fail(err, VITA_E_UNSUPPORTED,
	                 "%s: no plugin for language models (there is: %s) fits this one (model_type in "
	                 "config.json: %.64s; architecture: %.64s)",
	                 vita_model_path(engine->model), all, type, architecture);
}

/* What a plugin says of itself is believed only as far as memory can be asked for by it. */
static vita_status check_llm(vita_engine *engine, vita_error *err)
{
	const vita_llm_info *info = &engine->llm_info;
	if (info->vocab_size < 1 || info->vocab_size > INT32_MAX || info->hidden_size < 1 ||
	    info->context < 1)
		return vita_fail(err, VITA_E_INTERNAL,
		                 "plugin %s says that its model has %u tokens, %u values a row and room for "
		                 "%u tokens; each must be at least 1",
		                 engine->llm_part.factory->name, (unsigned)info->vocab_size,
		                 (unsigned)info->hidden_size, (unsigned)info->context);
	const vita_markers *markers = &engine->markers;
	const int64_t highest[] = { (int64_t)markers->audio_first + markers->audio_count - 1,
		                    markers->begin_audio,
		                    markers->end_audio,
		                    markers->context_audio,
		                    markers->message_start,
		                    markers->message_end };
	for (size_t i = 0; i < sizeof highest / sizeof highest[0]; i++)
		if (highest[i] >= (int64_t)info->vocab_size)
			return vita_fail(err, VITA_E_SHAPE,
			                 "%s: the tokenizer's tokens for chat and audio have ids up to %lld, "
			                 "but the "
			                 "model has only %u tokens",
			                 vita_model_path(engine->model), (long long)highest[i],
			                 (unsigned)info->vocab_size);
	return VITA_OK;
}

/* Rows above the tokenizer's last token only pad the matrix. */
static void limit_ids(vita_engine *engine)
{
	engine->all_ids = (vita_range){ 0, (int32_t)engine->llm_info.vocab_size };
	engine->id_limit = engine->all_ids.count;
	uint32_t size = engine->tokenizer ? vita_tokenizer_size(engine->tokenizer) : 0;
	if (size > 0 && size < engine->llm_info.vocab_size) engine->id_limit = (int32_t)size;
}

vita_status vita_engine_open_llm(vita_engine *engine, vita_error *err)
{
	vita_settings *settings = NULL;
	vita_part *part = &engine->llm_part;
	vita_status status = vita_engine_open_model(engine, err);
	if (status == VITA_OK) status = find_llm(engine, err);
	if (status == VITA_OK) status = prepare(engine, "llm", part, &settings, err);
	/* Is its memory the host's? */
	if (status == VITA_OK && VITA_HAS(vita_fallback_inner(part->device)->api, vita_backend_api, address))
		status = vita_check_fit(engine->model, vita_context_string(engine->context, "llm", "dtype"),
		                        vita_memory_left(), err);
	if (status != VITA_OK) {
		vita_settings_destroy(settings);
		return status;
	}
	engine->llm_api = part->factory->api;
	status =
		engine->llm_api->open(engine->host, part->device, engine->model, settings, &engine->llm, err);
	vita_settings_destroy(settings);
	status = opened(part, status, engine->llm, err);
	if (status != VITA_OK) return status;
	VITA_INIT(&engine->llm_info);
	engine->llm_api->describe(engine->llm, &engine->llm_info);
	status = check_llm(engine, err);
	if (status == VITA_OK) limit_ids(engine);
	return status;
}

/* ---- heads ---------------------------------------------------------------------------------------- */

#define MOST_HEADS 4096u

/* Which plugin, or NULL for none: the one named, or without a name the one that finds its heads in the
 * model. */
static vita_status find_heads(vita_engine *engine, vita_error *err)
{
	vita_part *part = &engine->head_part;
	if (vita_context_int(engine->context, "heads", "count") == 0) return VITA_OK;
	if (plugin_given(engine, "heads"))
		return vita_context_section_factory(engine->context, "heads", &part->factory, err);
	part->factory = matching_factory(engine, "head", engine->model);
	return VITA_OK;
}

vita_status vita_engine_open_heads(vita_engine *engine, vita_error *err)
{
	vita_settings *settings = NULL;
	vita_part *part = &engine->head_part;
	vita_status status = find_heads(engine, err);
	if (status != VITA_OK || !part->factory) return status;
	status = prepare(engine, "heads", part, &settings, err);
	if (status != VITA_OK) return status;
	engine->head_api = part->factory->api;
	status = engine->head_api->open(engine->host, part->device, engine->llm_api, engine->llm, settings,
	                                &engine->head, err);
	vita_settings_destroy(settings);
	status = opened(part, status, engine->head, err);
	if (status != VITA_OK) return status;
	VITA_INIT(&engine->head_info);
	engine->head_api->describe(engine->head, &engine->head_info);
	if (engine->head_info.count > MOST_HEADS)
		return vita_fail(err, VITA_E_INTERNAL,
		                 "plugin %s says that it has %u heads; more than %u are not believed",
		                 part->factory->name, (unsigned)engine->head_info.count, MOST_HEADS);
	return VITA_OK;
}

/* ---- encoder and codec ---------------------------------------------------------------------------- */

/* Tokens a second of sound, as far as they are believed. */
#define MOST_RATE 1e6

static vita_status check_rate(const char *kind, const char *name, double rate, vita_error *err)
{
	if (rate >= 0 && rate <= MOST_RATE) return VITA_OK;
	return vita_fail(err, VITA_E_INTERNAL, "%s %s says that a second of sound has %g tokens", kind, name, rate);
}

/* Do the encoder's answers fit into the LLM's input? */
static vita_status check_encoder(vita_engine *engine, vita_error *err)
{
	const vita_encoder_info *info = &engine->encoder_info;
	const char *name = engine->encoder_part.factory->name;
	if (info->sample_rate < 1 || info->output > VITA_ENCODER_FEATURES)
		return vita_fail(err, VITA_E_INTERNAL,
		                 "encoder %s says that it wants sound at %u Hz and gives output number %u",
		                 name, (unsigned)info->sample_rate, (unsigned)info->output);
	if (info->output == VITA_ENCODER_FEATURES && (info->width < 1 || info->width > INT32_MAX))
		return vita_fail(err, VITA_E_INTERNAL, "encoder %s says that its rows have %u values", name,
		                 (unsigned)info->width);
	vita_status status = check_rate("encoder", name, info->rate, err);
	if (status != VITA_OK || !engine->llm || !engine->tokenizer) return status;
	const char *origin = vita_context_origin(engine->context, "encoder", "plugin");
	if (info->output == VITA_ENCODER_FEATURES && info->width != engine->llm_info.hidden_size)
		return vita_fail(err, VITA_E_CONFIG,
		                 "%s: encoder %s gives rows of %u values, the language model takes rows of "
		                 "%u",
		                 origin, name, (unsigned)info->width, (unsigned)engine->llm_info.hidden_size);
	if (info->output == VITA_ENCODER_FEATURES && engine->markers.context_audio < 0)
		return vita_fail(err, VITA_E_CONFIG,
		                 "%s: encoder %s gives feature rows, but the tokenizer of %s has no token "
		                 "<|context_of_audio|> to put them at",
		                 origin, name, vita_model_path(engine->model));
	if (info->output == VITA_ENCODER_TOKENS && info->vocab_size > (uint32_t)engine->markers.audio_count)
		return vita_fail(err, VITA_E_CONFIG,
		                 "%s: encoder %s gives %u different tokens, but the tokenizer of %s has %ld "
		                 "audio "
		                 "tokens (<|audio_0|> …)",
		                 origin, name, (unsigned)info->vocab_size, vita_model_path(engine->model),
		                 (long)engine->markers.audio_count);
	return VITA_OK;
}

vita_status vita_engine_open_encoder(vita_engine *engine, vita_error *err)
{
	vita_settings *settings = NULL;
	vita_part *part = &engine->encoder_part;
	vita_status status = named_or_matching(engine, "encoder", &part->factory, err);
	if (status == VITA_OK) status = prepare(engine, "encoder", part, &settings, err);
	if (status != VITA_OK) return status;
	engine->encoder_api = part->factory->api;
	status = engine->encoder_api->open(engine->host, part->device, settings, &engine->encoder, err);
	vita_settings_destroy(settings);
	status = opened(part, status, engine->encoder, err);
	if (status != VITA_OK) return status;
	VITA_INIT(&engine->encoder_info);
	engine->encoder_api->describe(engine->encoder, &engine->encoder_info);
	return check_encoder(engine, err);
}

static vita_status check_codec(vita_engine *engine, vita_error *err)
{
	const vita_codec_info *info = &engine->codec_info;
	const char *name = engine->codec_part.factory->name;
	if (info->sample_rate < 1 || info->vocab_size < 1 || info->vocab_size > INT32_MAX)
		return vita_fail(err, VITA_E_INTERNAL,
		                 "codec %s says that it speaks %u different tokens at %u Hz", name,
		                 (unsigned)info->vocab_size, (unsigned)info->sample_rate);
	vita_status status = check_rate("codec", name, info->rate, err);
	if (status != VITA_OK || !engine->llm || !engine->tokenizer) return status;
	if (engine->markers.audio_count > (int64_t)info->vocab_size)
		return vita_fail(err, VITA_E_CONFIG,
		                 "%s: the tokenizer of %s has %ld audio tokens (<|audio_0|> …), but codec %s "
		                 "speaks "
		                 "only %u",
		                 vita_context_origin(engine->context, "codec", "plugin"),
		                 vita_model_path(engine->model), (long)engine->markers.audio_count, name,
		                 (unsigned)info->vocab_size);
	return VITA_OK;
}

/* Tokens that stand for so much sound, as far as the codec gives sound for them at all. */
static uint32_t tokens_of(const vita_codec_info *info, double seconds)
{
	double tokens = info->rate * seconds + 0.5;
	uint32_t n = tokens >= 1 && tokens < 1e6 ? (uint32_t)tokens : 1;
	return n > info->min_chunk ? n : info->min_chunk;
}

/* [codec] chunk; without it a first chunk of a third of a second, for an early start, and then longer and
 * longer ones, which cost less and still come before the sound so far has been played. */
static vita_status read_chunks(vita_engine *engine, vita_error *err)
{
	static const double seconds[] = { 0.32, 0.64, 1.28, 2.56 };
	const int64_t *values = NULL;
	uint32_t n = 0;
	if (vita_context_given(engine->context, "codec", "chunk"))
		n = vita_context_list(engine->context, "codec", "chunk", &values);
	engine->n_chunk = n ? n : sizeof seconds / sizeof seconds[0];
	engine->chunk = calloc(engine->n_chunk, sizeof *engine->chunk);
	if (!engine->chunk) return vita_fail(err, VITA_E_NOMEM, "no memory for [codec] chunk");
	for (uint32_t i = 0; i < engine->n_chunk; i++)
		engine->chunk[i] = n ? (uint32_t)values[i] : tokens_of(&engine->codec_info, seconds[i]);
	return VITA_OK;
}

vita_status vita_engine_open_codec(vita_engine *engine, vita_error *err)
{
	vita_settings *settings = NULL;
	vita_part *part = &engine->codec_part;
	vita_status status = named_or_matching(engine, "codec", &part->factory, err);
	if (status == VITA_OK) status = prepare(engine, "codec", part, &settings, err);
	if (status != VITA_OK) return status;
	engine->codec_api = part->factory->api;
	status = engine->codec_api->open(engine->host, part->device, settings, &engine->codec, err);
	vita_settings_destroy(settings);
	status = opened(part, status, engine->codec, err);
	if (status != VITA_OK) return status;
	VITA_INIT(&engine->codec_info);
	engine->codec_api->describe(engine->codec, &engine->codec_info);
	status = check_codec(engine, err);
	return status == VITA_OK ? read_chunks(engine, err) : status;
}
