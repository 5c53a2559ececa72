/* SPDX-License-Identifier: MIT
 *
 * Settings of generation: [generation] of the INI goes before the model's generation_config.json, and that
 * before neutral values.
 */
#include "engine/engine_internal.h"

#include <stdlib.h>

#define SECTION "generation"

/* Keep those ids that the model can say at all. */
static void take_ids(vita_generation *generation, const vita_host *host, const vita_model *model,
                     const int64_t *values, uint32_t n, uint32_t n_vocab)
{
	for (uint32_t i = 0; i < n; i++) {
		if (values[i] >= 0 && values[i] < (int64_t)n_vocab)
			generation->end_ids[generation->n_end_ids++] = (int32_t)values[i];
		else
			vita_logf(host, VITA_LOG_WARNING, "engine",
			          "%s: eos_token_id %lld is not one of the %u tokens", vita_model_path(model),
			          (long long)values[i], (unsigned)n_vocab);
	}
}

/* eos_token_id of a model's document, a list or one. Leaves everything alone where it is absent. */
static vita_status read_end_ids(vita_generation *generation, const vita_host *host, const vita_model *model,
                                uint32_t file, uint32_t n_vocab, vita_error *err)
{
	uint32_t n = 0;
	vita_status status = vita_model_get_ints(model, file, "eos_token_id", NULL, 0, &n, err);
	if (status != VITA_OK || n == 0) return status == VITA_E_NOTFOUND ? VITA_OK : status;
	int64_t *values = calloc(n, sizeof *values);
	generation->end_ids = calloc(n, sizeof *generation->end_ids);
	if (values && generation->end_ids)
		status = vita_model_get_ints(model, file, "eos_token_id", values, n, &n, err);
	else
		status = vita_fail(err, VITA_E_NOMEM, "no memory for %u end tokens", (unsigned)n);
	if (status == VITA_OK) take_ids(generation, host, model, values, n, n_vocab);
	free(values);
	return status;
}

static vita_status read_float(const vita_model *model, const char *key, double min, double max, double *out,
                              vita_error *err)
{
	vita_status status = vita_model_get_float(model, VITA_CONFIG_GENERATION, key, out, err);
	if (status == VITA_E_NOTFOUND) return VITA_OK;
	if (status == VITA_OK && !(*out >= min && *out <= max))
		return vita_fail(err, VITA_E_FORMAT,
		                 "generation_config.json of %s: %s is %g; expected %g to %g",
		                 vita_model_path(model), key, *out, min, max);
	return status;
}

static vita_status read_int(const vita_model *model, const char *key, int64_t max, int64_t *out,
                            vita_error *err)
{
	vita_status status = vita_model_get_int(model, VITA_CONFIG_GENERATION, key, 0, max, out, err);
	return status == VITA_E_NOTFOUND ? VITA_OK : status;
}

/* generation_config.json, with the meaning of Hugging Face's: without do_sample the answer is greedy
 * whatever the temperature; with it top_k is 50 where nothing is said. */
static vita_status read_model(vita_generation *generation, const vita_model *model, vita_error *err)
{
	vita_sampling *sampling = &generation->sampling;
	int32_t do_sample = 0;
	vita_status status = vita_model_get_bool(model, VITA_CONFIG_GENERATION, "do_sample", &do_sample, err);
	if (status != VITA_OK && status != VITA_E_NOTFOUND) return status;
	double temperature = 1;
	int64_t top_k = do_sample ? 50 : 0, max_tokens = -1, min_tokens = 0;
	status = read_float(model, "temperature", 0, 1e30, &temperature, err);
	if (status == VITA_OK) status = read_float(model, "top_p", 0, 1, &sampling->top_p, err);
	if (status == VITA_OK) status = read_float(model, "min_p", 0, 1, &sampling->min_p, err);
	if (status == VITA_OK)
		status = read_float(model, "repetition_penalty", 1e-3, 1e3, &sampling->repetition_penalty,
		                    err);
	if (status == VITA_OK) status = read_int(model, "top_k", INT32_MAX, &top_k, err);
	if (status == VITA_OK) status = read_int(model, "max_new_tokens", INT32_MAX, &max_tokens, err);
	if (status == VITA_OK) status = read_int(model, "min_new_tokens", INT32_MAX, &min_tokens, err);
	if (status != VITA_OK) return status;
	sampling->temperature = do_sample ? temperature : 0;
	sampling->top_k = (uint32_t)top_k;
	generation->min_tokens = (uint64_t)min_tokens;
	if (max_tokens > 0) generation->max_tokens = (uint64_t)max_tokens;
	return VITA_OK;
}

/* A key's value with \n, \t and \\ undone, since an INI value is one line; NULL where not given. */
static vita_status read_text(const vita_context *context, const char *key, char **out, vita_error *err)
{
	if (!vita_context_given(context, SECTION, key)) return VITA_OK;
	const char *from = vita_context_string(context, SECTION, key);
	char *to = *out = malloc(strlen(from) + 1);
	if (!to) return vita_fail(err, VITA_E_NOMEM, "no memory for the value of [generation] %s", key);
	while (*from) {
		char c = *from++;
		if (c == '\\' && (*from == 'n' || *from == 't' || *from == '\\')) {
			c = *from == 'n' ? '\n' : *from == 't' ? '\t' : '\\';
			from++;
		}
		*to++ = c;
	}
	*to = '\0';
	return VITA_OK;
}

static void read_config(vita_generation *generation, const vita_context *context)
{
	vita_sampling *sampling = &generation->sampling;
	if (vita_context_given(context, SECTION, "temperature"))
		sampling->temperature = vita_context_float(context, SECTION, "temperature");
	if (vita_context_given(context, SECTION, "top_k"))
		sampling->top_k = (uint32_t)vita_context_int(context, SECTION, "top_k");
	if (vita_context_given(context, SECTION, "top_p"))
		sampling->top_p = vita_context_float(context, SECTION, "top_p");
	if (vita_context_given(context, SECTION, "repetition_penalty"))
		sampling->repetition_penalty = vita_context_float(context, SECTION, "repetition_penalty");
	if (vita_context_given(context, SECTION, "max_tokens"))
		generation->max_tokens = (uint64_t)vita_context_int(context, SECTION, "max_tokens");
}

vita_status vita_generation_read(vita_generation *generation, const vita_context *context,
                                 const vita_model *model, uint32_t n_vocab, vita_error *err)
{
	const vita_host *host = vita_context_host(context);
	memset(generation, 0, sizeof *generation);
	generation->sampling = (vita_sampling){ 0, 1, 0, 1, 0 };
	generation->max_tokens = (uint64_t)vita_context_int(context, SECTION, "max_tokens");
	generation->seed = (uint64_t)vita_context_int(context, SECTION, "seed");
	vita_status status = read_model(generation, model, err);
	if (status == VITA_OK)
		status = read_end_ids(generation, host, model, VITA_CONFIG_GENERATION, n_vocab, err);
	if (status == VITA_OK && !generation->end_ids)
		status = read_end_ids(generation, host, model, VITA_CONFIG_MODEL, n_vocab, err);
	if (status == VITA_OK) status = read_text(context, "system", &generation->system, err);
	if (status == VITA_OK) status = read_text(context, "prompt", &generation->prompt, err);
	if (status == VITA_OK)
		read_config(generation, context);
	else
		vita_generation_free(generation);
	return status;
}

void vita_generation_free(vita_generation *generation)
{
	free(generation->end_ids);
	free(generation->system);
	free(generation->prompt);
	memset(generation, 0, sizeof *generation);
}
