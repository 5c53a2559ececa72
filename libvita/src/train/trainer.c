/* SPDX-License-Identifier: MIT
 *
 * Opening a trainer: which plugins, on which device, for which stage.
 */
#include <config.h>

#include "train/trainer.h"

#include "host/fallback.h"

#include <stdlib.h>

static const char *const stages[] = { "alignment", "one-head", "heads", "finetune" };
#define N_STAGES (sizeof stages / sizeof stages[0])

#define VITA_AUDIO_HEADS 10 /* where neither config nor checkpoint say how many to train */

/* ---- settings --------------------------------------------------------------------------------------- */

static vita_status read_stage(vita_trainer *t, vita_error *err)
{
	const char *name = vita_context_string(t->context, "train", "stage");
	for (uint32_t i = 0; i < N_STAGES; i++)
		if (strcmp(name, stages[i]) == 0) {
			t->stage = i;
			return VITA_OK;
		}
	return vita_fail(err, VITA_E_CONFIG,
	                 "%s: say what to train: alignment (the language model), one-head, heads or finetune",
	                 vita_context_origin(t->context, "train", "stage"));
}

static vita_status read_settings(vita_trainer *t, vita_error *err)
{
	vita_status status = read_stage(t, err);
	if (status != VITA_OK) return status;
	const char *detach = vita_context_string(t->context, "train", "detach");
	const char *dtype = vita_context_string(t->context, "train", "dtype");
	t->detach = strcmp(detach, "on") == 0 ||
	            (strcmp(detach, "off") != 0 && (t->stage == VITA_STAGE_ONE_HEAD || t->stage == VITA_STAGE_HEADS));
	t->mask_boundaries = vita_context_int(t->context, "train", "mask_boundaries") != 0;
	t->seed = (uint64_t)vita_context_int(t->context, "train", "seed");
	if (strcmp(dtype, "bf16") == 0) t->flags = VITA_TRAIN_F_BF16;
	return VITA_OK;
}

/* ---- model and device ------------------------------------------------------------------------------- */

/* [train] init, or without it the model that the rest of the config speaks with. */
static vita_status open_model(vita_trainer *t, vita_error *err)
{
	const char *section = vita_context_given(t->context, "train", "init") ? "train" : "llm";
	const char *key = *section == 't' ? "init" : "model";
	const char *path = vita_context_string(t->context, section, key);
	if (!*path)
		return vita_fail(err, VITA_E_CONFIG, "%s: name the model to start from, a directory with a config.json",
		                 vita_context_origin(t->context, "train", "init"));
	return t->host->model_open(t->host->context, path, VITA_MODEL_WANT_CONFIG, &t->model, err);
}

/* The backend itself, since training ops know nothing of the layer for missing ops. One that cannot train makes
 * room for the reference backend. */
static vita_status open_device(vita_trainer *t, vita_error *err)
{
	vita_status status = vita_context_device_open(t->context, "llm", &t->open_device, err);
	if (status != VITA_OK) return status;
	t->device = vita_fallback_inner(t->open_device);
	if (VITA_HAS(t->device->api, vita_backend_api, get_extension))
		t->ops = t->device->api->get_extension(t->device->self, VITA_TRAIN_ID);
	if (t->ops) return VITA_OK;
	const char *name = vita_context_device_name(t->context, t->open_device);
	vita_logf(t->host, VITA_LOG_WARNING, "train", "backend %s cannot train; the reference backend does, slowly", name);
	vita_context_device_close(t->context, t->open_device);
	t->open_device = NULL;
	status = vita_context_reference_open(t->context, &t->open_device, err);
	if (status != VITA_OK) return status;
	t->device = vita_fallback_inner(t->open_device);
	if (VITA_HAS(t->device->api, vita_backend_api, get_extension))
		t->ops = t->device->api->get_extension(t->device->self, VITA_TRAIN_ID);
	return t->ops ? VITA_OK
	              : vita_fail(err, VITA_E_UNSUPPORTED, "there is no backend that can train (vita.train/1)");
}

/* ---- plugins ---------------------------------------------------------------------------------------- */

static const void *llm_ability(const vita_factory *factory)
{
	const vita_llm_api *api = factory->api;
	return VITA_HAS(api, vita_llm_api, ability) ? api->ability(VITA_TRAINABLE_ID) : NULL;
}

static const void *head_ability(const vita_factory *factory)
{
	const vita_head_api *api = factory->api;
	return VITA_HAS(api, vita_head_api, ability) ? api->ability(VITA_TRAINABLE_ID) : NULL;
}

/* The ability of the plugin that the section names, or of the first that has it; NULL with OK where none has. */
static vita_status find_ability(const vita_trainer *t, const char *section, const char *kind,
                                const void *(*ability_of)(const vita_factory *), const void **out, vita_error *err)
{
	const vita_factory *factory;
	*out = NULL;
	vita_status status = vita_context_section_factory(t->context, section, &factory, err);
	if (status != VITA_OK) return status;
	if (factory) {
		*out = ability_of(factory);
		if (*out) return VITA_OK;
		return vita_fail(err, VITA_E_UNSUPPORTED, "%s: plugin %s cannot be trained (vita.trainable/1)",
		                 vita_context_origin(t->context, section, "plugin"), factory->name);
	}
	for (uint32_t i = 0; !*out && (factory = vita_context_factory_at(t->context, kind, i)); i++)
		*out = ability_of(factory);
	return VITA_OK;
}

/* How many heads the stage wants. */
static uint32_t count_heads(const vita_trainer *t)
{
	int64_t there = 0, asked = vita_context_int(t->context, "heads", "count");
	(void)vita_model_get_int(t->model, VITA_CONFIG_MODEL, "num_nextn_predict_layers", 0, 4096, &there, NULL);
	if (t->stage == VITA_STAGE_ALIGNMENT) return 0;
	if (t->stage == VITA_STAGE_ONE_HEAD) return 1;
	if (asked >= 0) return (uint32_t)asked;
	return t->stage == VITA_STAGE_HEADS && there < 2 ? VITA_AUDIO_HEADS : (uint32_t)there;
}

static vita_status open_plugins(vita_trainer *t, vita_error *err)
{
	const void *llm, *head;
	vita_train_setup setup;
	VITA_INIT(&setup);
	setup.flags = t->flags;
	setup.host = t->host;
	setup.device = t->device;
	setup.ops = t->ops;
	setup.model = t->model;
	vita_status status = find_ability(t, "llm", "llm", llm_ability, &llm, err);
	if (status == VITA_OK) status = find_ability(t, "heads", "head", head_ability, &head, err);
	if (status != VITA_OK) return status;
	t->n_heads = count_heads(t);
	if (t->stage == VITA_STAGE_HEADS && t->n_heads == 0)
		return vita_fail(err, VITA_E_CONFIG, "%s: is 0, and stage heads trains nothing else",
		                 vita_context_origin(t->context, "heads", "count"));
	t->llm_api = llm;
	t->head_api = head;
	if (!llm || (!head && t->n_heads > 0))
		return vita_fail(err, VITA_E_UNSUPPORTED, "there is no plugin for %s that can be trained (vita.trainable/1)",
		                 llm ? "heads" : "language models");
	status = t->llm_api->open(&setup, &t->llm, err);
	if (status != VITA_OK || !head) return status;
	VITA_INIT(&t->shared);
	t->llm_api->share(t->llm, &t->shared);
	return t->head_api->open(&setup, t->llm_api, t->llm, t->n_heads, &t->head, err);
}

/* ---- open and close --------------------------------------------------------------------------------- */

static vita_status open_all(vita_trainer *t, vita_error *err)
{
	vita_status status = read_settings(t, err);
	if (status == VITA_OK) status = open_model(t, err);
	if (status == VITA_OK) status = open_device(t, err);
	if (status == VITA_OK) status = open_plugins(t, err);
	if (status == VITA_OK) status = vita_parameters_open(t, err);
	if (status == VITA_OK) status = vita_parameters_fill(t, err);
	t->head_weight = 1;
	if (status == VITA_OK) {
		status = vita_model_get_float(t->model, VITA_CONFIG_MODEL, "mtp_loss_weight", &t->head_weight, err);
		if (status == VITA_E_NOTFOUND) status = VITA_OK;
	}
	return status;
}

vita_status vita_trainer_open(vita_context *context, vita_trainer **out, vita_error *err)
{
	*out = NULL;
	vita_trainer *t = calloc(1, sizeof *t);
	if (!t) return vita_fail(err, VITA_E_NOMEM, "no memory for a trainer");
	t->context = context;
	t->host = vita_context_host(context);
	vita_status status = open_all(t, err);
	if (status != VITA_OK) {
		vita_trainer_close(t);
		return status;
	}
	*out = t;
	return VITA_OK;
}

void vita_trainer_close(vita_trainer *t)
{
	if (!t) return;
	if (t->head) t->head_api->close(t->head);
	if (t->llm) t->llm_api->close(t->llm);
	if (t->device) {
		t->device->api->free(t->device->self, t->dhidden);
		vita_parameters_close(t);
	}
	vita_targets_free(&t->targets);
	if (t->model) t->host->model_close(t->host->context, t->model);
	vita_context_device_close(t->context, t->open_device);
	free(t);
}

void vita_trainer_describe(const vita_trainer *t, vita_trainer_info *info)
{
	info->n_heads = t->n_heads;
	info->stage = stages[t->stage];
	info->backend = vita_context_device_name(t->context, t->open_device);
	info->n_parameters = info->n_trained = 0;
	for (uint32_t i = 0; i < t->n_slots; i++) {
		info->n_parameters += t->slots[i].n;
		if (t->slots[i].trained) info->n_trained += t->slots[i].n;
	}
}
