/* SPDX-License-Identifier: MIT
 *
 * From a row of scores to a token: repetition penalty, minimum length, temperature, top-k, top-p, min-p,
 * softmax, draw, in this order and with the meaning that Hugging Face transformers gives each of them.
 */
#ifndef VITA_ENGINE_SAMPLING_H
#define VITA_ENGINE_SAMPLING_H

#include <vita/llm.h>

/* ---- random numbers ---- */

/* SplitMix64 (Steele, Lea and Flood 2014, "Fast Splittable Pseudorandom Number Generators"): a seed gives
 * the same answer on every machine. */
typedef struct vita_random {
	uint64_t state;
} vita_random;

uint64_t vita_random_next(vita_random *random);
double vita_random_uniform(vita_random *random); /* 0 <= u < 1, 53 bits */

/* ---- the ids that a sequence holds ---- */

/* Each distinct id once, in order of first appearance; so what was added last can be taken back. */
typedef struct vita_token_set {
	uint64_t *bits;
	int32_t *ids;
	uint32_t n, n_vocab;
} vita_token_set;

vita_status vita_token_set_open(vita_token_set *set, uint32_t n_vocab, vita_error *err);
void vita_token_set_close(vita_token_set *set);
void vita_token_set_add(vita_token_set *set, int32_t id);    /* 0 <= id < n_vocab */
void vita_token_set_cut(vita_token_set *set, uint32_t n);    /* keep the first n distinct ids */

/* ---- choosing ---- */

/* Below it a temperature means greedy: the quotient of score and temperature would leave the range of
 * float. */
#define VITA_LEAST_TEMPERATURE 1e-4

typedef struct vita_sampling {
	double temperature;        /* 0: the highest score, the lowest id among equals */
	double top_p;              /* 1: off */
	double min_p;              /* 0: off */
	double repetition_penalty; /* 1: off */
	uint32_t top_k;            /* 0: off */
} vita_sampling;

/* Scores of the ids in ranges (rising, apart), side by side. Ids from `limit` on are never chosen. */
typedef struct vita_scores {
	const float *logits;
	const vita_range *ranges;
	uint32_t n_ranges;
	int32_t limit;
	const vita_token_set *seen;   /* for the repetition penalty; may be NULL */
	const int32_t *banned;        /* ids that may not come yet (minimum length) */
	uint32_t n_banned;
} vita_scores;

typedef struct vita_candidate {
	float score, probability;
	int32_t id;
} vita_candidate;

/* Room to work in, for rows of up to n_vocab scores. */
typedef struct vita_sampler {
	uint32_t n_vocab;
	float *score;
	float *heap;
	vita_candidate *candidate, *scratch;
} vita_sampler;

vita_status vita_sampler_open(vita_sampler *sampler, uint32_t n_vocab, vita_error *err);
void vita_sampler_close(vita_sampler *sampler);

/* The highest score after penalty and ban; *id is -1 where no score is a number above -infinity. */
void vita_sampler_greedy(vita_sampler *sampler, const vita_sampling *how, const vita_scores *row,
                         int32_t *id);

/* The whole chain without the draw: the ids that may be drawn, rising, in sampler->candidate with their
 * probabilities. Returns how many; 0 where no score is a number above -infinity. */
uint32_t vita_sampler_distribution(vita_sampler *sampler, const vita_sampling *how, const vita_scores *row);

/* E_INTERNAL: no score is usable. */
vita_status vita_sampler_fail(vita_error *err);

/* Greedy or drawn, as `how` says. Takes exactly one random number where it draws.
 * E_INTERNAL where no score is usable. */
vita_status vita_sampler_choose(vita_sampler *sampler, const vita_sampling *how, const vita_scores *row,
                                vita_random *random, int32_t *id, vita_error *err);

#endif
