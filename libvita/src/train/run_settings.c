/* SPDX-License-Identifier: MIT
 *
 * [train], with the values that VITA-Audio's stages had where it is silent.
 */
#include <config.h>

#include "train/run.h"

#define MOST_ROW 1048576 /* tokens of a training sequence */

static double number(const vita_trainer *t, const char *key, double fallback)
{
	return vita_context_given(t->context, "train", key) ? vita_context_float(t->context, "train", key) : fallback;
}

static int64_t integer(const vita_trainer *t, const char *key, int64_t fallback)
{
	return vita_context_given(t->context, "train", key) ? vita_context_int(t->context, "train", key) : fallback;
}

static vita_status need(const vita_trainer *t, const char *key, const char *what, vita_error *err)
{
	if (vita_context_given(t->context, "train", key)) return VITA_OK;
	return vita_fail(err, VITA_E_CONFIG, "%s: is needed: %s", vita_context_origin(t->context, "train", key), what);
}

vita_status vita_run_settings_read(const vita_trainer *t, vita_run_settings *s, vita_error *err)
{
	static const double rates[] = { 6e-5, 1e-3, 1e-3, 5e-5 };
	const vita_context *c = t->context;
	const int finetune = t->stage == VITA_STAGE_FINETUNE;
	memset(s, 0, sizeof *s);
	vita_status status = need(t, "data", "JSONL files to train on", err);
	if (status == VITA_OK) status = need(t, "output", "the directory for the trained model", err);
	if (status == VITA_OK) status = need(t, "steps", "the number of optimizer steps", err);
	if (status != VITA_OK) return status;
	s->output = vita_context_string(c, "train", "output");
	s->resume = vita_context_string(c, "train", "resume");
	if (!*s->resume) s->resume = "no";
	s->data = vita_context_string(c, "train", "data");
	s->data_base = vita_context_base(c, "train", "data");
	s->eval = vita_context_string(c, "train", "eval");
	s->eval_base = vita_context_base(c, "train", "eval");
	s->steps = vita_context_int(c, "train", "steps");
	s->max_length = integer(t, "max_length", finetune ? 2048 : 8192);
	s->warmup = integer(t, "warmup", s->steps * 3 / 100);
	s->accumulate = vita_context_int(c, "train", "accumulate");
	s->save_every = vita_context_int(c, "train", "save_every");
	s->eval_every = vita_context_int(c, "train", "eval_every");
	s->log_every = vita_context_int(c, "train", "log_every");
	s->strict = vita_context_int(c, "train", "strict") != 0;
	s->optimizer = (vita_optimizer){
		.rate = number(t, "learning_rate", rates[t->stage]),
		.head_multiplier = number(t, "head_lr_multiplier", finetune ? 10 : 1),
		.beta1 = 0.9,
		.beta2 = 0.95,
		.epsilon = 1e-8,
		.decay = number(t, "weight_decay", finetune ? 0.1 : 0),
		.clip = vita_context_float(c, "train", "clip"),
	};
	if (!*s->output)
		return vita_fail(err, VITA_E_CONFIG, "%s: is empty; name the directory for the trained model",
		                 vita_context_origin(c, "train", "output"));
	if (s->max_length <= MOST_ROW) return VITA_OK;
	return vita_fail(err, VITA_E_CONFIG, "%s: %lld tokens are more than the %d that a training sequence may have",
	                 vita_context_origin(c, "train", "max_length"), (long long)s->max_length, MOST_ROW);
}
