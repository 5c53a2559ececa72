/* SPDX-License-Identifier: MIT
 *
 * Sampling; see sampling.h. Nothing here sorts a vocabulary: top-k keeps a heap of k scores, top-p finds its
 * border by partitioning, and both are linear in the vocabulary on average.
 */
#include "engine/sampling.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

/* ---- random numbers ------------------------------------------------------------------------------- */

uint64_t vita_random_next(vita_random *random)
{
	uint64_t z = random->state += 0x9e3779b97f4a7c15u;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

double vita_random_uniform(vita_random *random)
{
	return (double)(vita_random_next(random) >> 11) * 0x1p-53;
}

/* ---- token set ------------------------------------------------------------------------------------ */

vita_status vita_token_set_open(vita_token_set *set, uint32_t n_vocab, vita_error *err)
{
	set->bits = calloc((size_t)n_vocab / 64 + 1, sizeof *set->bits);
	set->ids = calloc((size_t)n_vocab + 1, sizeof *set->ids);
	set->n = 0;
	set->n_vocab = n_vocab;
	if (set->bits && set->ids) return VITA_OK;
	vita_token_set_close(set);
	return vita_fail(err, VITA_E_NOMEM, "no memory to remember which of %u tokens were said",
	                 (unsigned)n_vocab);
}

void vita_token_set_close(vita_token_set *set)
{
	free(set->bits);
	free(set->ids);
	memset(set, 0, sizeof *set);
}

void vita_token_set_add(vita_token_set *set, int32_t id)
{
	uint64_t *word = &set->bits[id / 64], bit = (uint64_t)1 << (id % 64);
	if (*word & bit) return;
	*word |= bit;
	set->ids[set->n++] = id;
}

void vita_token_set_cut(vita_token_set *set, uint32_t n)
{
	while (set->n > n) {
		int32_t id = set->ids[--set->n];
		set->bits[id / 64] &= ~((uint64_t)1 << (id % 64));
	}
}

/* ---- rows of scores ------------------------------------------------------------------------------- */

vita_status vita_sampler_open(vita_sampler *sampler, uint32_t n_vocab, vita_error *err)
{
	size_t n = (size_t)n_vocab + 1;
	sampler->n_vocab = n_vocab;
	sampler->score = calloc(n, sizeof *sampler->score);
	sampler->heap = calloc(n, sizeof *sampler->heap);
	sampler->candidate = calloc(n, sizeof *sampler->candidate);
	sampler->scratch = calloc(n, sizeof *sampler->scratch);
	if (sampler->score && sampler->heap && sampler->candidate && sampler->scratch) return VITA_OK;
	vita_sampler_close(sampler);
	return vita_fail(err, VITA_E_NOMEM, "no memory to sample from %u tokens", (unsigned)n_vocab);
}

void vita_sampler_close(vita_sampler *sampler)
{
	free(sampler->score);
	free(sampler->heap);
	free(sampler->candidate);
	free(sampler->scratch);
	memset(sampler, 0, sizeof *sampler);
}

/* Where id's score lies in the row, -1 where it is not part of it. */
static int64_t column(const vita_scores *row, int32_t id)
{
	int64_t before = 0;
	for (uint32_t i = 0; i < row->n_ranges; i++) {
		const vita_range *range = &row->ranges[i];
		if (id < range->first) return -1;
		if (id - range->first < range->count) return before + (id - range->first);
		before += range->count;
	}
	return -1;
}

/* Copy the row to sampler->score and change what penalty and ban change; returns the row's length. */
static uint32_t adjust(vita_sampler *sampler, const vita_sampling *how, const vita_scores *row)
{
	int64_t n = 0;
	for (uint32_t i = 0; i < row->n_ranges; i++) n += row->ranges[i].count;
	float *score = sampler->score;
	memcpy(score, row->logits, (size_t)n * sizeof *score);
	float penalty = (float)how->repetition_penalty;
	uint32_t n_seen = row->seen && penalty != 1 ? row->seen->n : 0;
	for (uint32_t i = 0; i < n_seen; i++) {
		int64_t at = column(row, row->seen->ids[i]);
		if (at >= 0) score[at] = score[at] < 0 ? score[at] * penalty : score[at] / penalty;
	}
	for (uint32_t i = 0; i < row->n_banned; i++) {
		int64_t at = column(row, row->banned[i]);
		if (at >= 0) score[at] = -INFINITY;
	}
	return (uint32_t)n;
}

/* How many scores of range i may be chosen. */
static int32_t usable(const vita_scores *row, uint32_t i)
{
	int32_t first = row->ranges[i].first, count = row->ranges[i].count;
	if (first >= row->limit) return 0;
	return count < row->limit - first ? count : row->limit - first;
}

void vita_sampler_greedy(vita_sampler *sampler, const vita_sampling *how, const vita_scores *row, int32_t *id)
{
	adjust(sampler, how, row);
	const float *score = sampler->score;
	float best = -INFINITY;
	*id = -1;
	for (uint32_t i = 0; i < row->n_ranges; i++) {
		int32_t n = usable(row, i);
		for (int32_t j = 0; j < n; j++)
			if (score[j] > best) best = score[j], *id = row->ranges[i].first + j;
		score += row->ranges[i].count;
	}
}

/* ---- filters -------------------------------------------------------------------------------------- */

static void sift_down(float *heap, uint32_t n, uint32_t i)
{
	for (;;) {
		uint32_t child = 2 * i + 1;
		if (child >= n) return;
		if (child + 1 < n && heap[child + 1] < heap[child]) child++;
		if (heap[i] <= heap[child]) return;
		float swap = heap[i];
		heap[i] = heap[child];
		heap[child] = swap;
		i = child;
	}
}

/* The k-th highest of n scores, 1 <= k <= n: the smallest of a heap of the k highest. */
static float kth_highest(float *heap, const float *score, uint32_t n, uint32_t k)
{
	memcpy(heap, score, k * sizeof *heap);
	for (uint32_t i = k / 2; i-- > 0;) sift_down(heap, k, i);
	for (uint32_t i = k; i < n; i++)
		if (score[i] > heap[0]) {
			heap[0] = score[i];
			sift_down(heap, k, 0);
		}
	return heap[0];
}

static void softmax(vita_candidate *candidate, uint32_t n)
{
	double sum = 0;
	float highest = -INFINITY;
	for (uint32_t i = 0; i < n; i++)
		if (candidate[i].score > highest) highest = candidate[i].score;
	for (uint32_t i = 0; i < n; i++) {
		candidate[i].probability = expf(candidate[i].score - highest);
		sum += (double)candidate[i].probability;
	}
	for (uint32_t i = 0; i < n; i++)
		candidate[i].probability = (float)((double)candidate[i].probability / sum);
}

/* Order in which top-p drops: lower scores first, and the lower id first among equals. */
static int drops_before(const vita_candidate *a, const vita_candidate *b)
{
	return a->score < b->score || (a->score == b->score && a->id < b->id);
}

static void swap_candidates(vita_candidate *a, vita_candidate *b)
{
	vita_candidate swap = *a;
	*a = *b;
	*b = swap;
}

/* Bring what drops before c[pivot] to the front of c[0..n); returns the pivot's new place. */
static uint32_t partition(vita_candidate *c, uint32_t n, uint32_t pivot)
{
	uint32_t place = 0;
	swap_candidates(&c[pivot], &c[n - 1]);
	for (uint32_t i = 0; i + 1 < n; i++)
		if (drops_before(&c[i], &c[n - 1])) swap_candidates(&c[i], &c[place++]);
	swap_candidates(&c[place], &c[n - 1]);
	return place;
}

/* The first candidate, in dropping order, up to which more than `mass` of probability lies: the lowest
 * that top-p keeps. Quickselect by weight; the sums are compared in float, as the definition has them. c
 * is shuffled. */
static vita_candidate border(vita_candidate *c, uint32_t n, float mass)
{
	vita_random random = { n };
	double below = 0;
	vita_candidate top = c[0];
	for (uint32_t i = 1; i < n; i++)
		if (drops_before(&top, &c[i])) top = c[i];
	while (n > 0) {
		uint32_t place = partition(c, n, (uint32_t)(vita_random_next(&random) % n));
		double sum = below;
		for (uint32_t i = 0; i < place; i++) sum += (double)c[i].probability;
		if (place > 0 && (float)sum > mass) {
			n = place;
			continue;
		}
		below = sum + (double)c[place].probability;
		if ((float)below > mass) return c[place];
		c += place + 1;
		n -= place + 1;
	}
	return top; /* one is always kept */
}

static uint32_t keep_top_p(vita_sampler *sampler, uint32_t n, double top_p)
{
	vita_candidate *candidate = sampler->candidate;
	softmax(candidate, n);
	memcpy(sampler->scratch, candidate, n * sizeof *candidate);
	vita_candidate lowest = border(sampler->scratch, n, (float)(1 - top_p));
	uint32_t kept = 0;
	for (uint32_t i = 0; i < n; i++)
		if (!drops_before(&candidate[i], &lowest)) candidate[kept++] = candidate[i];
	return kept;
}

static uint32_t keep_min_p(vita_candidate *candidate, uint32_t n, double min_p)
{
	softmax(candidate, n);
	float highest = 0;
	for (uint32_t i = 0; i < n; i++)
		if (candidate[i].probability > highest) highest = candidate[i].probability;
	float least = (float)min_p * highest;
	if (least > highest) least = highest;
	uint32_t kept = 0;
	for (uint32_t i = 0; i < n; i++)
		if (candidate[i].probability >= least) candidate[kept++] = candidate[i];
	return kept;
}

/* Scores of at least `least` become candidates; NaN and -infinity never do. */
static uint32_t collect(vita_sampler *sampler, const vita_scores *row, float least)
{
	const float *score = sampler->score;
	uint32_t n = 0;
	for (uint32_t i = 0; i < row->n_ranges; i++) {
		int32_t count = usable(row, i);
		for (int32_t j = 0; j < count; j++)
			if (score[j] >= least && score[j] > -INFINITY)
				sampler->candidate[n++] =
					(vita_candidate){ score[j], 0, row->ranges[i].first + j };
		score += row->ranges[i].count;
	}
	return n;
}

/* What may not be chosen becomes -infinity, and the rest is divided by the temperature. */
static void cool(float *score, const vita_scores *row, double temperature)
{
	for (uint32_t i = 0; i < row->n_ranges; i++) {
		int32_t count = usable(row, i);
		for (int32_t j = 0; j < count; j++) {
			score[j] /= (float)temperature;
			if (!(score[j] > -INFINITY)) score[j] = -INFINITY;
			if (score[j] == INFINITY) score[j] = FLT_MAX;
		}
		for (int32_t j = count; j < row->ranges[i].count; j++) score[j] = -INFINITY;
		score += row->ranges[i].count;
	}
}

uint32_t vita_sampler_distribution(vita_sampler *sampler, const vita_sampling *how, const vita_scores *row)
{
	uint32_t n = adjust(sampler, how, row);
	cool(sampler->score, row, how->temperature);
	float least = -INFINITY;
	if (how->top_k > 0 && how->top_k < n)
		least = kth_highest(sampler->heap, sampler->score, n, how->top_k);
	n = collect(sampler, row, least);
	if (n > 1 && how->top_p < 1) n = keep_top_p(sampler, n, how->top_p);
	if (n > 1 && how->min_p > 0) n = keep_min_p(sampler->candidate, n, how->min_p);
	softmax(sampler->candidate, n);
	return n;
}

vita_status vita_sampler_fail(vita_error *err)
{
	return vita_fail(err, VITA_E_INTERNAL,
	                 "none of the model's scores is a number: its weights are damaged, or the "
	                 "arithmetic of the device overflowed");
}

vita_status vita_sampler_choose(vita_sampler *sampler, const vita_sampling *how, const vita_scores *row,
                                vita_random *random, int32_t *id, vita_error *err)
{
	*id = -1;
	if (how->temperature >= VITA_LEAST_TEMPERATURE) {
		uint32_t n = vita_sampler_distribution(sampler, how, row);
		double u = vita_random_uniform(random), sum = 0;
		for (uint32_t i = 0; i < n && *id < 0; i++) {
			sum += (double)sampler->candidate[i].probability;
			if (u < sum) *id = sampler->candidate[i].id;
		}
		if (*id < 0 && n > 0) *id = sampler->candidate[n - 1].id; /* the sum was rounded below u */
	} else {
		vita_sampler_greedy(sampler, how, row, id);
	}
	return *id >= 0 ? VITA_OK : vita_sampler_fail(err);
}
