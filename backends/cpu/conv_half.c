/* SPDX-License-Identifier: MIT
 *
 * Convolutions with large f16 and bf16 weights in f16 where the processor has that (kernels.h), sums written out: those of
 * HALF_SUM terms are kept in f16, the rest in f32, as MATMUL's are.
 *
 * It is conv.c's way with other numbers. A run of moments is brought to f16 by its own largest value, all channels alike,
 * since they are added up; each output channel's weights by theirs. Up to HALF_ROWS output channels meet 32 moments,
 * which are a register wherever a tap finds them: loads go across cache lines, of which there is one in 28 operations.
 */
#include "conv.h"

#define LEAST_WEIGHTS 65536          /* of a convolution that may be rounded, as of a product: small models stay exact */
#define LEAST_CHANNELS (HALF_ROWS / 2) /* of the output: fewer leave the multipliers idle */
#define LEAST_TERMS 32               /* of a sum: fewer would be padded to as many */
#define MOST_VALUES (1 << 23)        /* of a run */

bool half_takes(const vita_backend *backend, const struct conv *c)
{
	const uint32_t dtype = c->w->dtype;
	if (!backend || !backend->kernels->half || (dtype != VITA_F16 && dtype != VITA_BF16) || c->by_rows) return false;
	return c->out_group >= LEAST_CHANNELS && c->in_group * c->phase_taps >= LEAST_TERMS &&
	       c->c_out * c->in_group * c->kernel >= LEAST_WEIGHTS && c->in_group * c->slots * c->width <= MOST_VALUES;
}

void half_plan(struct conv *c)
{
	c->half = true;
	c->lays_out = true;
	c->blocks = (c->out_group + HALF_ROWS - 1) / HALF_ROWS;
	c->per_block = (c->out_group + c->blocks - 1) / c->blocks;
	/* an odd number of cache lines: rows of different channels do not compete for the same places in the cache */
	c->width = (c->width + 31) / 32 * 32;
	if (c->width / 32 % 2 == 0) c->width += 32;
}

/* ---- scratch ---------------------------------------------------------------------------------------------- */

static int64_t terms_of(const struct conv *c)
{
	return c->in_group * c->phase_taps;
}

static int64_t padded_terms(const struct conv *c)
{
	return (terms_of(c) + 31) / 32 * 32;
}

static int64_t run_values(const struct conv *c)
{
	return c->in_group * c->slots * c->width;
}

static int64_t runs_of(const struct conv *c)
{
	return c->planes * c->groups * c->runs;
}

/* Numbers times scales are what they stand for. */
struct half_places {
	uint16_t *x, *w;          /* [planes][groups][runs][in_group][slots][width]; [phases][c_out], as in half_rows */
	float *x_scale, *w_scale; /* [planes][groups][runs]; [phases][c_out] */
};

static struct half_places lay_places(const struct conv *c, unsigned char *at, uint64_t *bytes)
{
	const uint64_t weights = (uint64_t)(c->phases * c->c_out);
	struct half_places p;
	uint64_t used = 0;
#define TAKE(member, count) \
	p.member = at ? (void *)(at + used) : NULL; \
	used += aligned((uint64_t)(count) * sizeof *p.member)
	TAKE(x, runs_of(c) * run_values(c));
	TAKE(x_scale, runs_of(c));
	TAKE(w, weights * (uint64_t)padded_terms(c));
	TAKE(w_scale, weights);
#undef TAKE
	*bytes = used;
	return p;
}

uint64_t half_shared(const struct conv *c)
{
	uint64_t bytes;
	(void)lay_places(c, NULL, &bytes);
	return bytes;
}

/* A row of moments and an output channel's weights, all of them and those of a phase. */
uint64_t half_own(const struct conv *c)
{
	return (uint64_t)(c->width + c->in_group * c->kernel + terms_of(c)) * sizeof(float);
}

static struct half_places places_of(const struct step *s, const struct conv *c)
{
	uint64_t bytes;
	return lay_places(c, s->scratch, &bytes);
}

/* ---- laying out ---------------------------------------------------------------------------------------------- */

/* All channels of a run: their largest value first. */
static void lay_out_run(const struct step *s, const struct conv *c, int64_t number, const struct half_places *p, float *room)
{
	const struct half_kernels *kernels = s->backend->kernels->half;
	const int64_t run = number % c->runs, group = number / c->runs % c->groups, plane = number / c->runs / c->groups;
	uint16_t *to = p->x + number * run_values(c);
	float largest = 0;
	for (int64_t i = 0; i < c->in_group; i++) {
		const float *row = row_of_plane(c->x, plane, group * c->in_group + i);
		for (int64_t slot = 0; slot < c->slots; slot++)
			largest = kernels->larger(largest, conv_run_row(c, row, run, slot, room), c->width);
	}
	for (int64_t i = 0; i < c->in_group; i++) {
		const float *row = row_of_plane(c->x, plane, group * c->in_group + i);
		for (int64_t slot = 0; slot < c->slots; slot++, to += c->width)
			p->x_scale[number] =
				kernels->halve_values(largest, conv_run_row(c, row, run, slot, room), to, c->width);
	}
}

static void lay_out_weights(const struct step *s, const struct conv *c, int64_t channel, const struct half_places *p, float *room)
{
	const float *w = conv_weights(s, c, channel, room);
	for (int64_t phase = 0; phase < c->phases; phase++) {
		const int64_t first = phase * c->c_out + channel / c->out_group * c->out_group;
		const struct half_rows out = { p->w + first * padded_terms(c), p->w_scale + first, c->out_group, terms_of(c),
			                       padded_terms(c), (int32_t)c->per_block };
		s->backend->kernels->half->halve_row(conv_phase(c, w, phase, room + c->in_group * c->kernel),
		                                     channel % c->out_group, &out);
	}
}

void half_lay_out(const struct step *s, const struct conv *c, int thread, int n_threads)
{
	const struct half_places p = places_of(s, c);
	float *room = own_scratch(s, thread);
	int64_t first, end;
	share(runs_of(c), thread, n_threads, &first, &end);
	for (; first < end; first++) lay_out_run(s, c, first, &p, room);
	share(c->c_out, thread, n_threads, &first, &end);
	for (; first < end; first++) lay_out_weights(s, c, first, &p, room + c->width);
}

/* ---- products -------------------------------------------------------------------------------------------------- */

void half_block(const struct step *s, const struct conv *c, const struct conv_block *b, const int64_t *x_at, int64_t terms,
                float *out, int64_t out_row)
{
	const struct half_places p = places_of(s, c);
	const int64_t channel = b->phase * c->c_out + b->channel, run = (b->plane * c->groups + b->group) * c->runs + b->run;
	s->backend->kernels->half->block(p.w + channel * padded_terms(c), p.w_scale + channel, b->n,
	                                 p.x + run * run_values(c) + b->at, p.x_scale[run], x_at, terms, out, out_row);
}
