/* SPDX-License-Identifier: MIT
 *
 * A convolution as sizes, and its ways: sums written out (conv.c), in f16 too (conv_half.c), and minimal filtering
 * (conv_filter.c).
 */
#ifndef VITA_CPU_CONV_H
#define VITA_CPU_CONV_H

#include "cpu.h"

/* Tiles of minimal filtering: FILTER_OUTPUTS outputs each, of `taps` taps from `points` products. A longer filter is cut
 * into pieces of FILTER_OUTPUTS taps. */
#define FILTER_OUTPUTS 4
struct filter {
	int taps, points;                  /* taps 0: the sums are written out */
	int64_t pieces, terms;             /* terms: input channels of a group times pieces */
	int64_t tiles, runs;               /* of all moments, for each of `dilation` phases; runs of per_run tiles */
	int64_t per_run, lanes, padded;    /* lanes: tiles of a run times phases; padded to whole blocks */
	int64_t width;                     /* floats of a row of transformed input */
	int64_t parts;                     /* a run's output channels are cut into parts, for all threads to have work */
};

struct conv {
	const vita_tensor *x, *w, *y;
	const float *bias;
	int64_t planes, c_in, c_out, groups, in_group, out_group, kernel; /* _group: channels of one */
	int64_t blocks, per_block;             /* of BLOCK_ROWS output channels of a group at most, in f16 of HALF_ROWS */
	int64_t t_in, t_out, stride, dilation, pad;
	bool transposed, by_rows;
	bool half;                             /* sums are written out in f16 */
	struct filter filter;
	bool lays_out;                         /* weights: they do not lie as rows of f32 */
	int64_t slots, phases, first, moments; /* a phase's moments first … first + moments - 1 */
	int64_t runs;                          /* of at most RUN moments */
	int64_t before, width;                 /* zeros before a transposed input; floats of a run's spread row */
	int64_t phase_taps;                    /* of a phase, at most */
};

/* to[i] = x[i · stride + shift] for 0 <= i < n, 0 outside of x, which has t values. */
void conv_spread_row(const float *x, int64_t t, int64_t stride, int64_t shift, float *to, int64_t n);

/* The weights of one output channel, [in_group][kernel], where they lie or as f32 in `room`: always there where they are
 * laid out. */
const float *conv_weights(const struct step *s, const struct conv *c, int64_t channel, float *room);

/* A slot's values of a run, c->width of them, where they lie or in `room`; x is a channel's row. */
const float *conv_run_row(const struct conv *c, const float *x, int64_t run, int64_t slot, float *room);

/* What a phase takes of such weights w, [in_group · phase_taps]: w itself where there is one phase, or `out`. A phase that
 * has fewer taps than others ends with zeros. */
const float *conv_phase(const struct conv *c, const float *w, int64_t phase, float *out);

/* ---- in f16 ------------------------------------------------------------------------------------------------ */

/* n output channels of a group from number `channel` of all on, 32 moments from number `at` of the run on. */
struct conv_block {
	int64_t plane, group, run, phase, channel, at;
	int n;
};

/* May and should it be in f16? Then half_plan says how it is cut. */
bool half_takes(const vita_backend *backend, const struct conv *c);
void half_plan(struct conv *c);
uint64_t half_shared(const struct conv *c);
uint64_t half_own(const struct conv *c);
void half_lay_out(const struct step *s, const struct conv *c, int thread, int n_threads);

/* Adds a block's products to out[n][32], whose rows are out_row floats apart. x_at is where each of the terms finds its moments. */
void half_block(const struct step *s, const struct conv *c, const struct conv_block *b, const int64_t *x_at, int64_t terms,
                float *out, int64_t out_row);

/* ---- minimal filtering ------------------------------------------------------------------------------------- */

/* Is filtering worth it? Fills in c->filter. */
void filter_plan(struct conv *c, int n_threads);
uint64_t filter_shared(const struct conv *c);
uint64_t filter_prepare_own(const struct conv *c);
uint64_t filter_multiply_own(const struct conv *c);
void filter_prepare(const struct step *s, const struct conv *c, int thread, int n_threads);
void filter_multiply(const struct step *s, const struct conv *c, int thread);

#endif
