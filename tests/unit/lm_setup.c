/* SPDX-License-Identifier: MIT
 *
 * Opening a model with its heads, and talking to it; see lm_setup.h.
 */
#include "lm_setup.h"

#include <math.h>

void lm_ok(vita_status status, const vita_error *err)
{
	if (status != VITA_OK) print_error("status %d: %s\n", status, err->message);
	assert_int_equal(status, VITA_OK);
}

/* ---- opening --------------------------------------------------------------------------------------- */

static void quiet(void *user, uint32_t level, const char *topic, const char *text)
{
	(void)user;
	(void)level;
	(void)topic;
	(void)text;
}

static vita_status make_context(lm *m, const lm_options *options, vita_error *err)
{
	static const char *const always[] = {
		"llm.plugin=qwen2", "heads.plugin=mctp", "backend.name=reference", NULL,
	};
	vita_config *config = NULL;
	vita_status status = vita_config_create(&config, err);
	for (uint32_t i = 0; always[i] && status == VITA_OK; i++)
		status = vita_config_set(config, always[i], err);
	for (uint32_t i = 0; options->settings && options->settings[i] && status == VITA_OK; i++)
		status = vita_config_set(config, options->settings[i], err);
	if (status == VITA_OK) status = vita_context_create(config, quiet, NULL, &m->context, err);
	vita_config_destroy(config);
	return status;
}

static vita_status open_llm(lm *m, vita_error *err)
{
	const vita_factory *factory = NULL;
	vita_settings *settings = NULL;
	vita_status status = vita_context_section_factory(m->context, "llm", &factory, err);
	if (status == VITA_OK) status = vita_context_settings(m->context, "llm", factory, &settings, err);
	if (status == VITA_OK) {
		m->llm_api = factory->api;
		status = m->llm_api->open(m->host, &m->llm_trace->device, m->model, settings, &m->llm, err);
	}
	vita_settings_destroy(settings);
	if (status != VITA_OK) return status;
	VITA_INIT(&m->info);
	m->llm_api->describe(m->llm, &m->info);
	return VITA_OK;
}

static vita_status open_head(lm *m, vita_error *err)
{
	const vita_factory *factory = NULL;
	vita_settings *settings = NULL;
	vita_status status = vita_context_section_factory(m->context, "heads", &factory, err);
	if (status == VITA_OK) status = vita_context_settings(m->context, "heads", factory, &settings, err);
	if (status == VITA_OK) {
		m->head_api = factory->api;
		status = m->head_api->open(m->host, &m->head_trace->device, m->llm_api, m->llm, settings,
		                           &m->head, err);
	}
	vita_settings_destroy(settings);
	if (status != VITA_OK) return status;
	VITA_INIT(&m->head_info);
	m->head_api->describe(m->head, &m->head_info);
	return VITA_OK;
}

vita_status lm_open(lm *m, const char *path, const lm_options *options, vita_error *err)
{
	static const lm_options defaults = { NULL, 0, 0 };
	if (!options) options = &defaults;
	memset(m, 0, sizeof *m);
	vita_status status = make_context(m, options, err);
	if (status == VITA_OK) {
		m->host = vita_context_host(m->context);
		status = vita_context_device_open(m->context, "llm", &m->device, err);
	}
	if (status == VITA_OK) {
		m->llm_trace = malloc(sizeof *m->llm_trace);
		m->head_trace = options->apart ? malloc(sizeof *m->head_trace) : m->llm_trace;
		assert_true(m->llm_trace && m->head_trace);
		lm_trace_init(m->llm_trace, m->device);
		if (options->apart) lm_trace_init(m->head_trace, m->device);
		status = vita_model_open(path, VITA_MODEL_WANT_CONFIG | VITA_MODEL_WANT_TENSORS, &m->model,
		                         err);
	}
	if (status == VITA_OK) status = open_llm(m, err);
	if (status == VITA_OK && !options->no_heads) status = open_head(m, err);
	if (status != VITA_OK) lm_close(m);
	return status;
}

void lm_close(lm *m)
{
	if (m->head_api) m->head_api->close(m->head);
	if (m->llm_api) m->llm_api->close(m->llm);
	vita_model_close(m->model);
	if (m->llm_trace) {
		assert_int_equal(m->llm_trace->allocated, 0);
		assert_int_equal(m->head_trace->allocated, 0);
		if (m->head_trace != m->llm_trace) free(m->head_trace);
		free(m->llm_trace);
	}
	if (m->context) vita_context_device_close(m->context, m->device);
	vita_context_destroy(m->context);
	memset(m, 0, sizeof *m);
}

void lm_open_golden(lm *m, const char *name, const lm_options *options)
{
	vita_error err;
	char *path = lm_golden_path(name, "");
	lm_ok(lm_open(m, path, options, &err), &err);
	free(path);
}

/* ---- one conversation ------------------------------------------------------------------------------ */

void lm_talk_open(lm_talk *t, lm *m, const int32_t *prompt, uint32_t n)
{
	vita_error err;
	memset(t, 0, sizeof *t);
	t->m = m;
	t->logits = calloc(m->info.vocab_size, sizeof *t->logits);
	assert_non_null(t->logits);
	assert_true(n <= LM_MAX_TOKENS);
	memcpy(t->tokens, prompt, n * sizeof *prompt);
	t->n = t->n_prompt = n;
	t->next = UINT32_MAX;
	lm_ok(m->llm_api->state_open(m->llm, &t->state, &err), &err);
	if (m->head) lm_ok(m->head_api->state_open(m->head, &t->head, &err), &err);
}

void lm_talk_close(lm_talk *t)
{
	t->m->llm_api->state_close(t->state);
	if (t->head) t->m->head_api->state_close(t->head);
	free(t->logits);
}

char lm_schedule(const int32_t *mode, uint32_t n, uint32_t j)
{
	for (uint32_t i = 0;; i = i + 2 < n ? i + 2 : i) {
		if (j < (uint32_t)mode[i]) return 'M';
		j -= (uint32_t)mode[i];
		if (j < (uint32_t)mode[i + 1]) return 'm';
		j -= (uint32_t)mode[i + 1];
	}
}

static void main_step(lm_talk *t)
{
	lm *m = t->m;
	vita_error err;
	uint32_t first = m->llm_api->state_length(t->state);
	vita_llm_block block, *blocks[1] = { &block };
	VITA_INIT(&block);
	block.state = t->state;
	block.ids = t->tokens + first;
	block.n_tokens = t->n - first;
	block.n_logits = 1;
	block.logits = t->logits;
	lm_ok(m->llm_api->forward(m->llm, blocks, 1, NULL, &err), &err);
	if (t->head) lm_ok(m->head_api->observe(t->head, first, block.n_tokens, &block.hidden, &err), &err);
	t->next = 0;
	t->stage = 0;
	t->row = t->n - 1;
}

static void head_step(lm_talk *t)
{
	lm *m = t->m;
	vita_error err;
	vita_range all = { 0, (int32_t)m->info.vocab_size };
	vita_head_call call, *calls[1] = { &call };
	VITA_INIT(&call);
	call.index = t->next;
	call.state = t->head;
	call.tokens = t->tokens;
	call.n_tokens = t->n;
	call.ranges = &all;
	call.n_ranges = 1;
	call.logits = t->logits;
	lm_ok(m->head_api->propose(m->head, calls, 1, NULL, &err), &err);
	t->stage = t->next + 1;
	t->row = t->n - 1 - t->stage;
	t->next++;
}

void lm_talk_step(lm_talk *t, const int32_t *mode, uint32_t n_mode)
{
	uint32_t j = t->n - t->n_prompt;
	if (lm_schedule(mode, n_mode, j) == 'M')
		t->next = UINT32_MAX;
	else if (lm_schedule(mode, n_mode, j - 1) == 'M')
		t->next = 0;
	if (t->next < t->m->head_info.count && j > 0)
		head_step(t);
	else
		main_step(t);
}

int32_t lm_talk_best(const lm_talk *t)
{
	int32_t best = 0;
	for (int32_t i = 1; i < (int32_t)t->m->info.vocab_size; i++)
		if (t->logits[i] > t->logits[best]) best = i;
	return best;
}

void lm_talk_add(lm_talk *t, int32_t token)
{
	assert_true(t->n < LM_MAX_TOKENS);
	t->tokens[t->n++] = token;
}

void lm_talk_cut(lm_talk *t, uint32_t length)
{
	lm *m = t->m;
	vita_error err;
	t->n = length;
	if (m->llm_api->state_length(t->state) > length)
		lm_ok(m->llm_api->state_truncate(t->state, length, &err), &err);
	if (t->head) lm_ok(m->head_api->truncate(t->head, length, &err), &err);
}

double lm_distance(const float *a, const float *b, int64_t n)
{
	double worst = 0, largest = 0;
	for (int64_t i = 0; i < n; i++) {
		double apart = fabs((double)a[i] - (double)b[i]);
		if (!(apart <= worst)) worst = apart; /* a NaN counts */
		if (fabs((double)b[i]) > largest) largest = fabs((double)b[i]);
	}
	return worst / largest;
}

double lm_distance_double(const float *a, const double *b, int64_t n)
{
	double worst = 0, largest = 0;
	for (int64_t i = 0; i < n; i++) {
		double apart = fabs((double)a[i] - b[i]);
		if (!(apart <= worst)) worst = apart;
		if (fabs(b[i]) > largest) largest = fabs(b[i]);
	}
	return worst / largest;
}

/* ---- golden data ----------------------------------------------------------------------------------- */

char *lm_golden_path(const char *name, const char *file)
{
	char *path = malloc(1024);
	assert_non_null(path);
	(void)snprintf(path, 1024, "%s/tests/golden/llm/%s%s%s", unit_srcdir(), name, file[0] ? "/" : "",
	               file);
	return path;
}

static void *copy_tensor(vita_model *golden, const char *name, uint32_t dtype, vita_array *a)
{
	vita_error err;
	VITA_INIT(a);
	lm_ok(vita_model_tensor(golden, name, 0, NULL, a, &err), &err);
	assert_int_equal(a->dtype, dtype);
	void *copy = malloc((size_t)a->size_bytes);
	assert_non_null(copy);
	memcpy(copy, a->data, (size_t)a->size_bytes);
	return copy;
}

float *lm_golden_floats(vita_model *golden, const char *name, int64_t *rows)
{
	vita_array a;
	float *data = copy_tensor(golden, name, VITA_F32, &a);
	if (rows) *rows = a.shape[0];
	return data;
}

int32_t *lm_golden_ids(vita_model *golden, const char *name, int64_t *n)
{
	vita_array a;
	int32_t *data = copy_tensor(golden, name, VITA_I32, &a);
	if (n) *n = a.shape[0];
	return data;
}
