/* SPDX-License-Identifier: MIT
 *
 * What the files of vita bench share.
 */
#ifndef APPS_VITA_BENCH_H
#define APPS_VITA_BENCH_H

#include "common.h"

#define BENCH_MAX_RUNS 99
#define BENCH_MAX_PROMPT 32768
#define BENCH_LEAST_TURNS 20
#define BENCH_MAX_TURNS 100000

struct bench {
	struct cli *cli;
	const char *synthetic, *compare, *save, *quality, *against;
	uint32_t runs, seconds, parts;
	uint32_t n_prompt, n_tokens;     /* 0: not said */
	uint32_t n_turns;                /* 0: speeds are measured */
	char setting[128];
	int32_t *ids;                    /* of prompts */
	vita_conversation *conversation;
	vita_roof roof;                  /* the best of all measurements */
	double peak_rss_mb;              /* so far; without what measuring roofs took */
	int peak_lost;                   /* the system cannot count it anew: it is that of before roofs were measured */
	json_t *report;
};

struct bench_turn {
	double seconds;       /* from the first token to the last */
	double prefill_ms, total_ms;
	uint64_t n_tokens;
};

/* One turn of b->conversation, which begins anew. schedule NULL: the config's. */
vita_status bench_turn(struct bench *b, uint32_t n_prompt, uint32_t n_tokens, const char *schedule, struct bench_turn *out);

double bench_median(double *values, uint32_t n); /* sorts them */

/* Thirty seconds of sound through the encoder, and tokens for ten through the codec, into the report. */
vita_status bench_encoder(struct bench *b);
vita_status bench_codec(struct bench *b);

/* b->n_turns conversations of one turn, one after the other, into the report. */
vita_status bench_turns(struct bench *b);

/* The language model of the config, written to b->save. */
vita_status bench_save(struct bench *b);

/* What types of weights cost in quality on the text b->quality; prints it, gives the exit code. */
int bench_quality(struct bench *b);

#endif
