/* SPDX-License-Identifier: MIT
 *
 * What a run tells: means of losses, and the lines of its log.
 */
#ifndef VITA_TRAIN_REPORT_H
#define VITA_TRAIN_REPORT_H

#include "train/trainer.h"

/* Means over steps. */
typedef struct vita_means {
	int64_t n;
	uint32_t n_heads;
	double loss, main_ce, norm, rate; /* sums over steps; the rate is the last one */
	double *head_ce;                  /* [n_heads] the same */
} vita_means;

vita_status vita_means_open(vita_means *means, uint32_t n_heads, vita_error *err);
void vita_means_free(vita_means *means);
void vita_means_clear(vita_means *means);

/* A step whose sums are over `items` labels. */
void vita_means_add(vita_means *means, const vita_losses *losses, double items, double norm, double rate);

/* Sums over a whole set, each over counts[] of its own (0 the main pass, k + 1 head k), as one step. */
void vita_means_of_sums(vita_means *means, const vita_losses *losses, const int64_t *counts, uint32_t stage,
                        double head_weight);

/* Fill in losses, norm and rate; head_ce points into means, which then holds means, not sums. */
void vita_means_report(vita_means *means, vita_train_report *report);

/* output/log.jsonl, a line a report. Lines of steps after `step` belong to a run that is gone on with from before
 * them, and are taken out. */
typedef struct vita_report_log vita_report_log;
vita_status vita_report_open(const char *output, int64_t step, vita_report_log **out, vita_error *err);
void vita_report_close(vita_report_log *log); /* NULL is a no-op */

/* Append the report; its json lives until the next one. */
vita_status vita_report_write(vita_report_log *log, vita_train_report *report, vita_error *err);
vita_status vita_report_sync(vita_report_log *log, vita_error *err);

#endif
