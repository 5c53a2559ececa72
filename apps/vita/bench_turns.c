/* SPDX-License-Identifier: MIT
 *
 * vita bench --turns: many short conversations in one process, as a server has them. What a turn leaves behind, in memory or
 * in speed, shows only after many.
 */
#include "bench.h"

#include <unistd.h>

#define GROUP 10 /* turns at either end that are compared */

/* What this process has in memory now; 0 where the system does not tell. */
static double resident_mb(void)
{
	long pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");
	if (!file) return 0;
	if (fscanf(file, "%*s %ld", &pages) != 1) pages = 0;
	(void)fclose(file);
	return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1048576; /* as peak_rss_mb */
}

static vita_status one_conversation(struct bench *b, double *milliseconds)
{
	struct bench_turn turn;
	vita_status status = vita_conversation_open(b->cli->engine, &b->conversation, &b->cli->err);
	if (status != VITA_OK) return status;
	status = bench_turn(b, b->n_prompt, b->n_tokens, NULL, &turn);
	vita_conversation_close(b->conversation);
	b->conversation = NULL;
	if (status == VITA_OK) *milliseconds = turn.total_ms;
	return status;
}

static json_t *describe(const struct bench *b, double first_ms, double last_ms, double first_mb, double last_mb)
{
	json_t *turns = json_pack("{s:I, s:I, s:I, s:f, s:f}", "n", (json_int_t)b->n_turns, "prompt", (json_int_t)b->n_prompt,
	                          "answer", (json_int_t)b->n_tokens, "first_ms", first_ms, "last_ms", last_ms);
	if (turns && first_mb > 0) {
		(void)json_object_set_new(turns, "first_rss_mb", json_real(first_mb));
		(void)json_object_set_new(turns, "last_rss_mb", json_real(last_mb));
	}
	return turns;
}

vita_status bench_turns(struct bench *b)
{
	double first[GROUP], last[GROUP], first_mb = 0;
	for (uint32_t i = 0; i < b->n_turns; i++) {
		double milliseconds;
		progress_show("turns", i, b->n_turns);
		vita_status status = one_conversation(b, &milliseconds);
		if (status != VITA_OK) return status;
		if (i < GROUP) first[i] = milliseconds;
		last[i % GROUP] = milliseconds;
		if (i + 1 == GROUP) first_mb = resident_mb();
	}
	json_t *turns = describe(b, bench_median(first, GROUP), bench_median(last, GROUP), first_mb, resident_mb());
	(void)json_object_set_new(b->report, "turns", turns);
	return VITA_OK;
}
