/* SPDX-License-Identifier: MIT
 *
 * vita bench --quality: what types of weights cost in quality, on a text.
 *
 * The model reads the text in windows, once with f32 weights and once with each type, side by side. What is told of a
 * type is the Kullback-Leibler divergence of its next-token distribution from that of f32, how often both put the same
 * token first, and the perplexity of the text. Backends may use another arithmetic for many rows at once than for a
 * few; so the text goes through the model in both ways: a few rows a pass, as answers are made, and many, as prompts
 * are read.
 */
#include "bench.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW 512u      /* tokens that are read from an empty state */
#define MANY 64u         /* rows of a pass that is like a prompt's */
#define FEW 16u          /* rows of a pass that is like an answer's: as many as a cycle of heads makes */
#define TEXT_BYTES (16u << 20)

/* Sums over tokens. */
struct sums {
	double divergence, surprise; /* in nats */
	uint64_t n, n_same, n_next;  /* rows; those whose first token is the reference's; those with a next token */
};

/* The model with one type of weights, and its states for the two ways of reading. */
struct side {
	vita_context *context;
	vita_engine *engine;
	const vita_llm_api *api;
	vita_llm *llm;
	vita_llm_info info;
	vita_llm_state *many, *few;
	float *logits; /* [MANY][vocabulary] */
};

struct quality {
	struct bench *b;
	int32_t *ids;
	uint64_t n_ids;
	struct side reference;
	struct sums own;    /* of the reference */
	json_t *types;
};

/* ---- a side ------------------------------------------------------------------------------------------- */

static void close_side(struct side *s)
{
	if (s->many) s->api->state_close(s->many);
	if (s->few) s->api->state_close(s->few);
	free(s->logits);
	vita_engine_close(s->engine);
	vita_context_destroy(s->context);
	*s = (struct side){ 0 };
}

static vita_status set(struct bench *b, const char *key, const char *value)
{
	char assignment[4200];
	if (snprintf(assignment, sizeof assignment, "%s=%s", key, value) >= (int)sizeof assignment)
		return vita_fail(&b->cli->err, VITA_E_INVALID, "%s: the value is too long", key);
	return vita_config_set(b->cli->config, assignment, &b->cli->err);
}

static vita_status open_side(struct bench *b, const char *model, const char *dtype, uint32_t parts, struct side *s)
{
	vita_error *err = &b->cli->err;
	vita_status status = set(b, "llm.model", model);
	if (status == VITA_OK) status = set(b, "llm.dtype", dtype);
	if (status == VITA_OK) status = vita_context_create(b->cli->config, NULL, NULL, &s->context, err);
	if (status == VITA_OK) status = vita_engine_open(s->context, parts, &s->engine, err);
	if (status != VITA_OK) return status;
	s->api = vita_engine_llm(s->engine, &s->llm);
	VITA_INIT(&s->info);
	s->api->describe(s->llm, &s->info);
	s->logits = malloc((size_t)s->info.vocab_size * MANY * sizeof *s->logits);
	if (!s->logits) return vita_fail(err, VITA_E_NOMEM, "no memory for %u rows of scores", MANY);
	status = s->api->state_open(s->llm, &s->many, err);
	return status == VITA_OK ? s->api->state_open(s->llm, &s->few, err) : status;
}

/* Logits of n further tokens into s->logits, `rows` tokens a pass. */
static vita_status read_on(struct bench *b, const struct side *s, vita_llm_state *state, const int32_t *ids, uint32_t n,
                           uint32_t rows)
{
	for (uint32_t i = 0; i < n; i += rows) {
		vita_llm_block block, *one = &block;
		VITA_INIT(&block);
		block.n_tokens = block.n_logits = n - i < rows ? n - i : rows;
		block.state = state;
		block.ids = ids + i;
		block.logits = s->logits + (size_t)i * s->info.vocab_size;
		vita_status status = s->api->forward(s->llm, &one, 1, cli_cancel, &b->cli->err);
		if (status != VITA_OK) return status;
	}
	return VITA_OK;
}

/* ---- distributions ------------------------------------------------------------------------------------ */

static uint32_t largest(const float *x, uint32_t n)
{
	uint32_t best = 0;
	for (uint32_t i = 1; i < n; i++)
		if (x[i] > x[best]) best = i;
	return best;
}

/* log Σ exp(x) */
static double log_sum(const float *x, uint32_t n, float max)
{
	double sum = 0;
	for (uint32_t i = 0; i < n; i++) sum += (double)expf(x[i] - max);
	return (double)max + log(sum);
}

/* One row of scores x beside the reference's, followed by token `next` (-1: not known). */
static void add_row(struct quality *q, const float *reference, const float *x, int32_t next, struct sums *sums)
{
	const uint32_t n = q->reference.info.vocab_size;
	const uint32_t first = largest(reference, n), mine = largest(x, n);
	const double norm = log_sum(reference, n, reference[first]), my_norm = log_sum(x, n, x[mine]);
	double divergence = 0;
	for (uint32_t i = 0; i < n; i++)
		divergence += (double)expf((float)((double)reference[i] - norm)) * ((double)reference[i] - (double)x[i]);
	sums->divergence += divergence - norm + my_norm;
	sums->n_same += first == mine;
	sums->n++;
	if (next < 0) return;
	sums->surprise += my_norm - (double)x[next];
	sums->n_next++;
}

static vita_status add_rows(struct quality *q, const struct side *s, const int32_t *ids, uint32_t n, uint32_t n_next,
                            struct sums *sums)
{
	const size_t width = q->reference.info.vocab_size;
	for (uint32_t i = 0; i < n; i++)
		add_row(q, q->reference.logits + i * width, s->logits + i * width, i < n_next ? ids[i + 1] : -1, sums);
	if (isfinite(sums->divergence)) return VITA_OK;
	return vita_fail(&q->b->cli->err, VITA_E_DEVICE, "the scores of the model are no finite numbers");
}

static double perplexity(const struct sums *sums)
{
	return sums->n_next > 0 ? exp(sums->surprise / (double)sums->n_next) : 0;
}

static json_t *told(const struct sums *sums)
{
	const double n = sums->n > 0 ? (double)sums->n : 1;
	return json_pack("{s:f, s:f, s:f}", "kl", sums->divergence / n, "same_top", (double)sums->n_same / n, "perplexity",
	                 perplexity(sums));
}

/* ---- the text ----------------------------------------------------------------------------------------- */

static vita_status rewind_states(struct bench *b, const struct side *s)
{
	vita_status status = s->api->state_truncate(s->many, 0, &b->cli->err);
	return status == VITA_OK ? s->api->state_truncate(s->few, 0, &b->cli->err) : status;
}

/* Tokens at … at + n - 1, the reference first and then the side in both ways; s NULL: the reference alone. */
static vita_status read_piece(struct quality *q, const struct side *s, uint64_t at, uint32_t n, uint32_t n_next,
                              struct sums *many, struct sums *few)
{
	struct bench *b = q->b;
	const int32_t *ids = q->ids + at;
	vita_status status = read_on(b, &q->reference, q->reference.many, ids, n, MANY);
	if (status == VITA_OK && !s) return add_rows(q, &q->reference, ids, n, n_next, many);
	if (status == VITA_OK) status = read_on(b, s, s->many, ids, n, MANY);
	if (status == VITA_OK) status = add_rows(q, s, ids, n, n_next, many);
	if (status == VITA_OK) status = read_on(b, s, s->few, ids, n, FEW);
	return status == VITA_OK ? add_rows(q, s, ids, n, n_next, few) : status;
}

static vita_status read_text(struct quality *q, const struct side *s, const char *what, struct sums *many, struct sums *few)
{
	const uint32_t window = q->reference.info.context < WINDOW ? q->reference.info.context : WINDOW;
	vita_status status = VITA_OK;
	for (uint64_t at = 0; at < q->n_ids && status == VITA_OK;) {
		const uint64_t end = q->n_ids - at < window ? q->n_ids : at + window;
		status = rewind_states(q->b, &q->reference);
		if (status == VITA_OK && s) status = rewind_states(q->b, s);
		while (at < end && status == VITA_OK) {
			const uint32_t n = end - at < MANY ? (uint32_t)(end - at) : MANY;
			progress_show(what, at, q->n_ids);
			status = read_piece(q, s, at, n, at + n < end ? n : n - 1, many, few);
			at += n;
		}
	}
	return status;
}

/* What one type costs. */
static vita_status measure_type(struct quality *q, const char *model, const char *dtype)
{
	struct side side = { 0 };
	struct sums many = { 0 }, few = { 0 };
	vita_status status = open_side(q->b, model, dtype, VITA_PART_LLM, &side);
	if (status == VITA_OK && side.info.vocab_size != q->reference.info.vocab_size)
		status = vita_fail(&q->b->cli->err, VITA_E_INVALID, "%s has %u tokens, but the model it is compared with has %u",
		                   model, side.info.vocab_size, q->reference.info.vocab_size);
	if (status == VITA_OK) status = read_text(q, &side, dtype, &many, &few);
	if (status == VITA_OK)
		(void)json_object_set_new(q->types, dtype,
		                          json_pack("{s:f, s:o, s:o}", "weight_mb", (double)side.info.weight_bytes / 1e6, "decode",
		                                    told(&few), "prompt", told(&many)));
	close_side(&side);
	return status;
}

static char *read_file(struct bench *b, size_t *size)
{
	FILE *file = fopen(b->quality, "rb");
	char *text = file ? malloc(TEXT_BYTES) : NULL;
	*size = text ? fread(text, 1, TEXT_BYTES, file) : 0;
	if (!file || (text && ferror(file))) {
		(void)vita_fail(&b->cli->err, VITA_E_IO, "%s cannot be read: %s", b->quality, strerror(errno));
		free(text);
		text = NULL;
	} else if (!text) {
		(void)vita_fail(&b->cli->err, VITA_E_NOMEM, "no memory for the text");
	}
	if (file) (void)fclose(file);
	return text;
}

static vita_status tokenize(struct quality *q)
{
	struct bench *b = q->b;
	size_t size;
	char *text = read_file(b, &size);
	if (!text) return b->cli->err.status;
	vita_status status =
		vita_tokenizer_encode(vita_engine_tokenizer(q->reference.engine), text, size, 0, &q->ids, &q->n_ids, &b->cli->err);
	free(text);
	if (status == VITA_OK && q->n_ids < 2)
		status = vita_fail(&b->cli->err, VITA_E_INVALID, "%s is too short: it has %llu tokens", b->quality,
		                   (unsigned long long)q->n_ids);
	if (b->n_tokens > 0 && q->n_ids > b->n_tokens) q->n_ids = b->n_tokens;
	return status;
}

/* ---- the report --------------------------------------------------------------------------------------- */

static double number_of(const json_t *type, const char *way, const char *key)
{
	return json_number_value(json_object_get(json_object_get(type, way), key));
}

static void print_table(const json_t *quality)
{
	const char *name;
	json_t *type;
	(void)printf("%lld tokens, perplexity %.3f with f32 weights\n\n",
	             (long long)json_integer_value(json_object_get(quality, "tokens")),
	             json_number_value(json_object_get(quality, "perplexity")));
	(void)printf("%-8s %10s   %-30s  %-30s\n", "", "", "a few rows a pass, as answers", "many rows, as prompts");
	(void)printf("%-8s %10s   %9s %9s %10s  %9s %9s %10s\n", "weights", "MB", "KL, nats", "same top", "perplexity", "KL, nats",
	             "same top", "perplexity");
	json_object_foreach(json_object_get(quality, "types"), name, type) {
		(void)printf("%-8s %10.1f ", name, json_number_value(json_object_get(type, "weight_mb")));
		for (int i = 0; i < 2; i++) {
			const char *way = i ? "prompt" : "decode";
			(void)printf("  %9.6f %7.2f %% %10.3f", number_of(type, way, "kl"), 100 * number_of(type, way, "same_top"),
			             number_of(type, way, "perplexity"));
		}
		(void)putchar('\n');
	}
}

static vita_status measure_types(struct quality *q, const char *model, const char *against, const char *asked)
{
	static const char *const all[] = { "bf16", "f16", "q8_0", "q6_k", "q4_k", "q4_1", "q4_0" };
	const size_t n = asked ? 1 : sizeof all / sizeof *all;
	vita_status status = open_side(q->b, against, "f32", VITA_PART_LLM | VITA_PART_TOKENIZER, &q->reference);
	if (status == VITA_OK) status = tokenize(q);
	if (status == VITA_OK) status = read_text(q, NULL, "f32", &q->own, NULL);
	for (size_t i = 0; i < n && status == VITA_OK; i++) status = measure_type(q, model, asked ? asked : all[i]);
	progress_clear();
	return status;
}

static char *copy_of(const char *text)
{
	const size_t size = text ? strlen(text) + 1 : 0;
	char *copy = text ? malloc(size) : NULL;
	return copy ? memcpy(copy, text, size) : NULL;
}

int bench_quality(struct bench *b)
{
	struct quality q = { .b = b, .types = json_object() };
	/* copies: the config changes with every type */
	char *model = copy_of(vita_config_get(b->cli->config, "llm", "model"));
	char *asked = copy_of(vita_config_get(b->cli->config, "llm", "dtype"));
	vita_status status = model && q.types ? measure_types(&q, model, b->against ? b->against : model, asked)
	                                      : vita_fail(&b->cli->err, VITA_E_NOMEM, "out of memory");
	json_t *quality = json_pack("{s:o, s:I, s:f, s:o}", "model", json_text(b->against ? b->against : model), "tokens",
	                            (json_int_t)q.n_ids, "perplexity", perplexity(&q.own), "types", q.types);
	close_side(&q.reference);
	vita_free(q.ids);
	free(model);
	free(asked);
	if (status != VITA_OK || b->cli->json) {
		if (status == VITA_OK) return cli_print_json(b->cli, json_pack("{s:o}", "quality", quality));
		json_decref(quality);
		return cli_fail(b->cli, status);
	}
	print_table(quality);
	json_decref(quality);
	return EXIT_DONE;
}
