/* SPDX-License-Identifier: MIT
 *
 * The table of INI sections and keys that libvita itself defines. Error messages, vita.ini(5) and `vita
 * plugins` are made from it; keys of plugins are declared by the plugins.
 */
#include <config.h>

#include "host/config_keys.h"

#include <vita/config.h>

#define KEY(type, name, fallback, help, choices, min, max) \
	&(const vita_key) { sizeof(vita_key), VITA_KEY_##type, name, fallback, help, choices, min, max }
#define MOST_INT 2147483647.0
#define MOST_FLOAT 1e30
#define WEIGHT_TYPES "as-is f32 f16 bf16 q8_0 q4_0 q4_1 q4_k q6_k"

#define PLUGIN(what) KEY(STRING, "plugin", NULL, what, NULL, 0, 0)
#define BACKEND KEY(STRING, "backend", NULL, "backend to compute on, instead of [backend] name; NAME:DEVICE names a device of it too", NULL, 0, 0)

static const vita_key *const vita_keys[] = {
	KEY(STRING, "plugin_path", NULL,
	    "directories with modules, separated by ':', searched after $VITA_PLUGIN_PATH", NULL, 0, 0),
	KEY(CHOICE, "log", "warning", "least important messages to show", "error warning info debug", 0, 0),
};

static const vita_key *const backend_keys[] = {
	KEY(STRING, "name", "auto", "backend to compute on; auto takes the one with the best score",
	    NULL, 0, 0),
	KEY(INT, "threads", "0", "CPU threads; 0: all that the process may use", NULL, 0, 4096),
	KEY(STRING, "device", NULL, "number, or a part of the name, of the backend's device", NULL, 0, 0),
};

static const vita_key *const encoder_keys[] = {
	PLUGIN("encoder plugin, which turns speech into tokens or feature rows"),
	KEY(PATH, "model", NULL, "the encoder's model, a directory or file, where it needs one", NULL, 0, 0),
	BACKEND,
};

static const vita_key *const llm_keys[] = {
	PLUGIN("language model plugin; not given: the one that fits the model"),
	KEY(PATH, "model", NULL, "the language model, a directory or file", NULL, 0, 0),
	KEY(CHOICE, "dtype", "as-is", "type to hold the weights in", WEIGHT_TYPES, 0, 0),
	BACKEND,
	KEY(INT, "context", "0", "most tokens of one conversation; 0: what the model says",
	    NULL, 0, MOST_INT),
};

static const vita_key *const heads_keys[] = {
	PLUGIN("head plugin, which proposes tokens between main passes; none: every token takes a main pass"),
	KEY(INT, "count", "-1", "heads to use, at most what the checkpoint has; -1: all of them",
	    NULL, -1, 4096),
	KEY(STRING, "schedule", NULL,
	    "vanilla, turbo, boost, balance, or a list of main and head steps such as 1,4,3,8,4,10; "
	    "not given: the model's own", NULL, 0, 0),
	KEY(CHOICE, "vocabulary", "full", "tokens that heads may propose; audio computes only those rows",
	    "full audio", 0, 0),
	KEY(CHOICE, "verify", "off", "exact keeps only proposals that the main pass agrees with",
	    "off exact", 0, 0),
	BACKEND,
};

static const vita_key *const codec_keys[] = {
	PLUGIN("codec plugin, which turns audio tokens into speech"),
	KEY(PATH, "model", NULL, "the codec's model, a directory or file, where it needs one", NULL, 0, 0),
	BACKEND,
	KEY(LIST, "chunk", NULL,
	    "tokens of a chunk for the codec, or a growing list (the last entry repeats); 0: all at once; "
	    "not given: growing chunks from a third of a second on",
	    NULL, 0, MOST_INT),
};

static const vita_key *const generation_keys[] = {
	KEY(INT, "max_tokens", "8192", "most tokens of an answer", NULL, 1, MOST_INT),
	KEY(FLOAT, "temperature", NULL,
	    "randomness of the choice; 0: always the likeliest token; not given: as the model says", NULL, 0,
	    MOST_FLOAT),
	KEY(INT, "top_k", NULL,
	    "choose among this many likeliest tokens; 0: all; not given: as the model says", NULL, 0,
	    MOST_INT),
	KEY(FLOAT, "top_p", NULL,
	    "choose among the likeliest tokens that together reach this; not given: as the model says", NULL,
	    0, 1),
	KEY(FLOAT, "repetition_penalty", NULL,
	    "divides the scores of tokens that occurred; 1: off; not given: as the model says", NULL,
	    1e-3, 1e3),
	KEY(INT, "seed", "0", "start of the random numbers; equal seeds give equal answers", NULL, 0, 0),
	KEY(STRING, "system", NULL, "system prompt; \\n, \\t and \\\\ as in C; not given: the task's own",
	    NULL, 0, 0),
	KEY(STRING, "prompt", NULL, "instruction that goes with the question; not given: the task's own",
	    NULL, 0, 0),
};

static const vita_key *const train_keys[] = {
	KEY(CHOICE, "stage", NULL, "which part to train", "alignment one-head heads finetune", 0, 0),
	KEY(STRING, "data", NULL, "JSONL files separated by commas, each with an optional :ratio",
	    NULL, 0, 0),
	KEY(PATH, "init", NULL, "model to start from; without weights in it, from random ones; not given: [llm] model",
	    NULL, 0, 0),
	KEY(PATH, "output", NULL, "directory for the trained model, its checkpoints and log", NULL, 0, 0),
	KEY(INT, "steps", NULL, "optimiser steps", NULL, 1, MOST_INT),
	KEY(INT, "max_length", NULL, "tokens of one training sequence; not given: 8192, in finetune 2048",
	    NULL, 2, MOST_INT),
	KEY(FLOAT, "learning_rate", NULL,
	    "highest learning rate; not given: 6e-5 in alignment, 5e-5 in finetune, 1e-3 for heads alone", NULL, 0, 1),
	KEY(FLOAT, "head_lr_multiplier", NULL,
	    "learning rate of the heads as a multiple; not given: 10 in finetune, else 1", NULL, 0, MOST_FLOAT),
	KEY(INT, "warmup", NULL, "steps until the highest learning rate; not given: 3 % of all", NULL, 0, MOST_INT),
	KEY(INT, "accumulate", "1", "sequences to one optimiser step", NULL, 1, 1048576),
	KEY(FLOAT, "weight_decay", NULL,
	    "decay of the weights, but for norms and biases; not given: 0.1 in finetune, else 0", NULL, 0, 1),
	KEY(FLOAT, "clip", "1", "largest norm of the gradient; 0: any", NULL, 0, MOST_FLOAT),
	KEY(INT, "seed", "42", "start of the random numbers", NULL, 0, 0),
	KEY(CHOICE, "dtype", "f32", "type to compute products in; weights and their moments are f32", "f32 bf16", 0, 0),
	KEY(INT, "save_every", "0", "steps between checkpoints; 0: only the last", NULL, 0, MOST_INT),
	KEY(STRING, "resume", "no",
	    "go on with a run: no, yes (with the output's newest checkpoint, where there is one), or a checkpoint's path",
	    NULL, 0, 0),
	KEY(STRING, "eval", NULL, "held-out JSONL files, as data", NULL, 0, 0),
	KEY(INT, "eval_every", "0", "steps between evaluations of them; 0: only after the last", NULL, 0, MOST_INT),
	KEY(INT, "log_every", "1", "steps to one report", NULL, 1, MOST_INT),
	KEY(CHOICE, "detach", "auto", "keep the heads' gradient out of the backbone", "auto on off", 0, 0),
	KEY(BOOL, "mask_boundaries", "yes", "leave out predictions across samples", NULL, 0, 0),
	KEY(BOOL, "strict", "no", "stop at the first unusable sample", NULL, 0, 0),
};

#define KEYS(keys) keys, sizeof(keys) / sizeof(keys)[0]

const vita_section vita_sections[VITA_N_SECTIONS] = {
	{ "vita", NULL, NULL, KEYS(vita_keys) },
	{ "backend", "backend", "name", KEYS(backend_keys) },
	{ "encoder", "encoder", "plugin", KEYS(encoder_keys) },
	{ "llm", "llm", "plugin", KEYS(llm_keys) },
	{ "heads", "head", "plugin", KEYS(heads_keys) },
	{ "codec", "codec", "plugin", KEYS(codec_keys) },
	{ "generation", NULL, NULL, KEYS(generation_keys) },
	{ "train", NULL, NULL, KEYS(train_keys) },
};

const vita_section *vita_section_find(const char *name)
{
	for (uint32_t i = 0; i < VITA_N_SECTIONS; i++)
		if (strcmp(vita_sections[i].name, name) == 0) return &vita_sections[i];
	return NULL;
}

const vita_key *vita_section_key(const vita_section *section, const char *key)
{
	for (uint32_t i = 0; i < section->n_keys; i++)
		if (strcmp(section->keys[i]->name, key) == 0) return section->keys[i];
	return NULL;
}

const vita_section *vita_section_of_kind(const char *kind)
{
	for (uint32_t i = 0; i < VITA_N_SECTIONS; i++)
		if (vita_sections[i].kind && strcmp(vita_sections[i].kind, kind) == 0)
			return &vita_sections[i];
	return NULL;
}

const char *vita_config_section(uint32_t index)
{
	return index < VITA_N_SECTIONS ? vita_sections[index].name : NULL;
}

const vita_key *const *vita_config_keys(const char *section, uint32_t *n)
{
	const vita_section *found = vita_section_find(section);
	*n = found ? found->n_keys : 0;
	return found ? found->keys : NULL;
}
