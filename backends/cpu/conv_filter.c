/* SPDX-License-Identifier: MIT
 *
 * CONV1D by minimal filtering (vectors_filter.h): filters of three taps and more, with stride 1 and enough channels.
 *
 * A tile is FILTER_OUTPUTS outputs that are `dilation` apart; tiles lie side by side as lanes, those of a run of moments
 * that starts anew every FILTER_OUTPUTS · dilation moments: lane tile · dilation + phase. A filter of more than four taps is
 * cut into pieces. The piece after this one reads what the next tile's does, `dilation` lanes on, so inputs are
 * transformed once for all pieces, and then for each point
 *
 *   m[point][output channel][lane] = Σ_{piece, input channel} u[point][…] · v[point][input channel][lane + piece · dilation]
 *
 * is the block kernel's. u, the weights at the points, is made at each call, by all threads: it would double a model's
 * memory. v is made for a run of lanes by the thread that needs it and stays in its second-level cache.
 *
 * How an output is rounded depends on its place in its tile, so the same input a little later does not give the same bits,
 * as it does where sums are written out.
 */
#include "conv.h"

#define FILTER_CACHE (768 * 1024)    /* bytes of a run's v */
#define MOST_LANES 256               /* of a run */
#define MOST_DILATION 32
#define MOST_CHANNELS 2048           /* of the input */
#define LEAST_CHANNELS 16
#define LEAST_MOMENTS 400            /* shorter inputs do not repay what laying out the weights costs, and among them are
                                        slow signals (a pitch, sample by sample of which a phase is summed up) that are
                                        better off with the smaller rounding of sums written out */
#define MOST_WEIGHTS 64e6            /* bytes of u */

static int64_t round_up(int64_t n, int64_t unit)
{
	return (n + unit - 1) / unit * unit;
}

static int64_t at_least(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* How lanes are cut into runs. */
static void cut_lanes(struct conv *c, int n_threads)
{
	struct filter *f = &c->filter;
	int64_t lanes = FILTER_CACHE / (4 * f->points * c->in_group) / BLOCK_COLUMNS * BLOCK_COLUMNS;
	if (lanes > MOST_LANES) lanes = MOST_LANES;
	f->per_run = at_least(at_least(lanes, BLOCK_COLUMNS) / c->dilation, 1);
	if (f->per_run > f->tiles) f->per_run = f->tiles;
	f->runs = (f->tiles + f->per_run - 1) / f->per_run;
	f->lanes = f->per_run * c->dilation;
	f->padded = round_up(f->lanes, BLOCK_COLUMNS);
	/* an odd number of cache lines: rows of different channels do not compete for the same places in the cache */
	f->width = round_up(f->padded + (f->pieces - 1) * c->dilation, 16);
	if (f->width / 16 % 2 == 0) f->width += 16;
	const int64_t items = c->planes * c->groups * f->runs;
	f->parts = (2 * n_threads + items - 1) / items;
	if (f->parts > c->blocks) f->parts = c->blocks;
}

void filter_plan(struct conv *c, int n_threads)
{
	struct filter *f = &c->filter;
	*f = (struct filter){ .taps = 0 };
	if (c->transposed || c->by_rows || c->stride != 1 || c->kernel < 3 || c->dilation > MOST_DILATION) return;
	if (c->in_group < LEAST_CHANNELS || c->out_group < BLOCK_ROWS || c->in_group > MOST_CHANNELS) return;
	if (c->moments < LEAST_MOMENTS) return;
	const int taps = c->kernel == 3 ? 3 : FILTER_OUTPUTS;
	f->points = taps + FILTER_OUTPUTS - 1;
	f->pieces = (c->kernel + taps - 1) / taps;
	f->terms = f->pieces * c->in_group;
	f->tiles = (c->moments - 1) / (FILTER_OUTPUTS * c->dilation) + 1;
	const int64_t filtered = f->points * f->pieces * round_up(f->tiles * c->dilation, BLOCK_COLUMNS);
	const int64_t written_out = c->kernel * round_up(c->moments, BLOCK_COLUMNS);
	if (5 * filtered > 4 * written_out) return; /* the transforms cost too */
	if (4.0 * f->points * (double)f->terms * (double)c->c_out > MOST_WEIGHTS) return;
	f->taps = taps;
	cut_lanes(c, n_threads);
}

/* ---- weights --------------------------------------------------------------------------------------------- */

/* u is [group][block][point][per_block][terms], a channel's terms [pieces][in_group]. */
static int64_t block_floats(const struct conv *c)
{
	return c->filter.points * c->per_block * c->filter.terms;
}

uint64_t filter_shared(const struct conv *c)
{
	return (uint64_t)(c->groups * c->blocks * block_floats(c)) * sizeof(float);
}

/* All pieces' taps, [pieces · taps][WIDE] for WIDE channels of the input at a time; behind them a channel's weights in f32. */
static int64_t all_taps(const struct conv *c)
{
	return c->filter.pieces * c->filter.taps;
}

uint64_t filter_prepare_own(const struct conv *c)
{
	return (uint64_t)(all_taps(c) * WIDE + c->in_group * c->kernel) * sizeof(float);
}

/* w [n][kernel] to [kernel][WIDE]. */
static void turn(const struct cpu_kernels *kernels, const float *w, int64_t n, int64_t kernel, float *out)
{
	if (kernels->widen_f32) {
		kernels->widen_f32(VITA_F32, w, kernel * (int64_t)sizeof *w, (int)n, kernel, out);
		return;
	}
	for (int64_t tap = 0; tap < kernel; tap++)
		for (int64_t i = 0; i < n; i++) out[tap * WIDE + i] = w[i * kernel + tap];
}

void filter_prepare(const struct step *s, const struct conv *c, int thread, int n_threads)
{
	const struct cpu_kernels *kernels = s->backend->kernels;
	const struct filter *f = &c->filter;
	float *by_tap = own_scratch(s, thread), *room = by_tap + all_taps(c) * WIDE, *u = (float *)(void *)s->scratch;
	int64_t first, end;
	share(c->c_out, thread, n_threads, &first, &end);
	memset(by_tap, 0, (size_t)(all_taps(c) * WIDE) * sizeof *by_tap);
	for (int64_t channel = first; channel < end; channel++) {
		const int64_t group = channel / c->out_group, row = channel % c->out_group;
		const float *w = conv_weights(s, c, channel, room);
		float *to = u + (group * c->blocks + row / c->per_block) * block_floats(c) + row % c->per_block * f->terms;
		for (int64_t i = 0; i < c->in_group; i += WIDE) {
			const int64_t n = c->in_group - i < WIDE ? c->in_group - i : WIDE;
			turn(kernels, w + i * c->kernel, n, c->kernel, by_tap);
			for (int64_t piece = 0; piece < f->pieces; piece++)
				kernels->filter_weights(f->taps, by_tap + piece * f->taps * WIDE, WIDE, to + piece * c->in_group + i,
				                        c->per_block * f->terms, n);
		}
	}
}

/* ---- products -------------------------------------------------------------------------------------------- */

/* A thread's scratch. */
struct room {
	int64_t *v_at;   /* [terms]: where the block kernel finds each */
	float *x;        /* the moments that a run's tiles read, of one channel */
	float *split;    /* [FILTER_OUTPUTS][split_row]: they, each tile's in a column */
	float *v;        /* [points][in_group][width] */
	float *m;        /* [points][per_block][padded] */
	float *y;        /* [FILTER_OUTPUTS][padded] */
	float *woven;    /* a row of output that is cut off */
	int64_t n_split, split_row; /* tiles that are split, and their lanes */
};

static struct room room_of(const struct conv *c, unsigned char *at, uint64_t *bytes)
{
	const struct filter *f = &c->filter;
	struct room r = { .n_split = (f->width - 1) / c->dilation + 2 }; /* one more for the inputs of the next tile */
	uint64_t used = 0;
	r.split_row = r.n_split * c->dilation;
#define TAKE(member, count) \
	r.member = (void *)(at + used); \
	used += aligned((uint64_t)(count) * sizeof *r.member)
	TAKE(v_at, f->terms);
	TAKE(x, FILTER_OUTPUTS * r.split_row);
	TAKE(split, FILTER_OUTPUTS * r.split_row);
	TAKE(v, f->points * c->in_group * f->width);
	TAKE(m, f->points * c->per_block * f->padded);
	TAKE(y, FILTER_OUTPUTS * f->padded);
	TAKE(woven, FILTER_OUTPUTS * f->lanes);
#undef TAKE
	*bytes = used;
	return r;
}

uint64_t filter_multiply_own(const struct conv *c)
{
	static unsigned char nowhere;
	uint64_t bytes;
	(void)room_of(c, &nowhere, &bytes);
	return bytes;
}

/* The run's inputs of all the group's channels. */
static void transform_input(const struct step *s, const struct conv *c, int64_t plane, int64_t group, int64_t run, const struct room *r)
{
	const struct cpu_kernels *kernels = s->backend->kernels;
	const struct filter *f = &c->filter;
	const int64_t first = run * f->lanes * FILTER_OUTPUTS - c->pad, n = FILTER_OUTPUTS * r->split_row;
	const bool inside = first >= 0 && first + n <= c->t_in;
	for (int64_t i = 0; i < c->in_group; i++) {
		const float *x = row_of_plane(c->x, plane, group * c->in_group + i);
		if (!inside) conv_spread_row(x, c->t_in, 1, first, r->x, n);
		kernels->filter_split(inside ? x + first : r->x, c->dilation, r->split, r->split_row, r->n_split);
		kernels->filter_input(f->taps, r->split, r->split_row, c->dilation, r->v + i * f->width, c->in_group * f->width,
		                      f->width);
	}
}

/* n output channels of the run. */
static void multiply_block(const struct step *s, const struct conv *c, int64_t plane, int64_t channel, int n, int64_t run,
                           const float *u, const struct room *r)
{
	const struct cpu_kernels *kernels = s->backend->kernels;
	const struct filter *f = &c->filter;
	const int64_t moment = run * f->lanes * FILTER_OUTPUTS, left = c->moments - moment;
	const bool whole = left >= FILTER_OUTPUTS * f->lanes; /* the last run may be shorter */
	const int64_t tiles = whole ? f->per_run : f->tiles - run * f->per_run, m_step = c->per_block * f->padded;
	for (int64_t p = 0; p < f->points; p++)
		for (int64_t lane = 0; lane < tiles * c->dilation; lane += BLOCK_COLUMNS)
			kernels->block(u + p * c->per_block * f->terms, f->terms, 1, r->v + p * c->in_group * f->width + lane, r->v_at,
			               f->terms, n, r->m + p * m_step + lane, f->padded, false);
	for (int i = 0; i < n; i++) {
		float *y = (float *)row_of_plane(c->y, plane, channel + i) + moment;
		kernels->filter_output(f->taps, r->m + i * f->padded, m_step, c->bias ? c->bias[channel + i] : 0, r->y, f->padded,
		                       tiles * c->dilation);
		kernels->filter_weave(r->y, f->padded, c->dilation, whole ? y : r->woven, tiles);
		if (!whole) memcpy(y, r->woven, (size_t)left * sizeof *y);
	}
}

void filter_multiply(const struct step *s, const struct conv *c, int thread)
{
	const struct filter *f = &c->filter;
	const int64_t items = c->planes * c->groups * f->runs * f->parts;
	uint64_t bytes;
	const struct room r = room_of(c, own_scratch(s, thread), &bytes);
	int64_t item;
	for (int64_t piece = 0; piece < f->pieces; piece++)
		for (int64_t i = 0; i < c->in_group; i++) r.v_at[piece * c->in_group + i] = i * f->width + piece * c->dilation;
	while ((item = next_item(s, items)) >= 0) {
		const int64_t part = item % f->parts, run = item / f->parts % f->runs;
		const int64_t group = item / f->parts / f->runs % c->groups, plane = item / f->parts / f->runs / c->groups;
		int64_t first, end;
		share(c->blocks, (int)part, (int)f->parts, &first, &end);
		transform_input(s, c, plane, group, run, &r);
		for (int64_t block = first; block < end; block++) {
			const int64_t row = block * c->per_block, left = c->out_group - row;
			const int n = (int)(left < c->per_block ? left : c->per_block);
			const float *u = (const float *)(const void *)s->scratch + (group * c->blocks + block) * block_floats(c);
			if (n > 0) multiply_block(s, c, plane, group * c->out_group + row, n, run, u, &r);
		}
	}
}
