/* SPDX-License-Identifier: MIT
 *
 * CONV1D and CONV_TRANSPOSE1D, as products of blocks of 12 output channels by 32 moments. Long enough filters with stride
 * 1 go another way, see conv_filter.c. Two steps:
 *
 * The input is spread, each channel's row with zeros around it, so that every tap of every output reads 32
 * neighbours at a fixed distance from its moment:
 *   CONV1D            moment t, tap s reads x[t · stride + s · dilation - pad]. With slot = s · dilation mod
 *                     stride there is a row for each slot, holding every stride-th value from there on.
 *   CONV_TRANSPOSE1D  output u with u + pad = v · stride + phase takes the taps with s · dilation mod stride =
 *                     phase and reads x[v - (s · dilation - phase) / stride]: one product for each phase.
 * Rows are cut into runs of RUN moments, each with the neighbours that its taps reach, and a run's rows for all channels
 * lie together: they stay in the second-level cache while one block of output channels after the other meets them.
 * Weights that are not rows of f32 as they lie become that, for each phase. Where the processor multiplies in f16, large
 * f16 and bf16 weights and what they meet become that instead, see conv_half.c.
 * Then blocks are handed out. Where there are only a few moments (a codec's first chunk), 32 lanes would be
 * wasted on them; then columns of input are laid out instead and meet weight rows as in a matrix product.
 */
#include <stdlib.h>

#include "conv.h"

#define RUN (8 * BLOCK_COLUMNS)

static int64_t floor_divide(int64_t a, int64_t b)
{
	return a >= 0 ? a / b : -((-a + b - 1) / b);
}

static int64_t greatest_divisor(int64_t a, int64_t b)
{
	while (b != 0) {
		const int64_t rest = a % b;
		a = b;
		b = rest;
	}
	return a;
}

/* How many different values s · dilation mod stride takes; they repeat after that. */
static int64_t period(const struct conv *c)
{
	return c->stride / greatest_divisor(c->dilation, c->stride);
}

/* A phase takes every phase_step-th tap from the first on. */
static int64_t phase_step(const struct conv *c)
{
	return c->transposed ? period(c) : 1;
}

static int64_t first_tap(const struct conv *c, int64_t phase)
{
	int64_t tap = 0;
	while (c->transposed && tap < c->kernel && tap * c->dilation % c->stride != phase) tap++;
	return tap;
}

/* Do a channel's weights lie as a row of f32? */
static bool lie_as_rows(const struct conv *c)
{
	return !c->transposed && c->w->dtype == VITA_F32 && (c->in_group < 2 || c->w->stride[1] == c->kernel * 4);
}

static struct conv conv_of(const vita_backend *backend, const op_call *call, int n_threads)
{
	const vita_conv_params *p = call->params;
	struct conv c = { .x = call->in[0], .w = call->in[1], .y = call->out[0], .bias = vector_data(call->in[2]) };
	c.planes = count_of(c.x, 2);
	c.c_in = op_last(c.x, 1), c.c_out = op_last(c.y, 1);
	c.groups = p->groups, c.in_group = c.c_in / c.groups, c.out_group = c.c_out / c.groups;
	c.blocks = (c.out_group + BLOCK_ROWS - 1) / BLOCK_ROWS;
	c.per_block = (c.out_group + c.blocks - 1) / c.blocks;
	c.kernel = c.w->shape[2];
	c.t_in = columns_of(c.x), c.t_out = columns_of(c.y);
	c.stride = p->stride, c.dilation = p->dilation, c.pad = p->pad_left;
	c.transposed = call->code == VITA_OP_CONV_TRANSPOSE1D;
	c.by_rows = !c.transposed && c.t_out <= MAX_ROWS;
	c.slots = c.phases = 1;
	c.phase_taps = (c.kernel - 1) / phase_step(&c) + 1;
	c.lays_out = !lie_as_rows(&c);
	if (c.transposed) {
		c.phases = c.stride;
		c.first = floor_divide(c.pad, c.stride);
		c.moments = floor_divide(c.t_out - 1 + c.pad, c.stride) - c.first + 1;
		c.before = (c.kernel - 1) * c.dilation / c.stride;
		c.width = c.before;
	} else {
		c.slots = period(&c) < c.kernel ? period(&c) : c.kernel;
		c.moments = c.t_out;
		c.width = (c.kernel - 1) * c.dilation / c.stride;
	}
	c.runs = (c.moments + RUN - 1) / RUN;
	c.width += (c.runs > 1 ? RUN : c.moments) + BLOCK_COLUMNS;
	filter_plan(&c, n_threads);
	if (!c.filter.taps && half_takes(backend, &c)) half_plan(&c);
	return c;
}

/* Larger than any sensible padding or stride makes it: op_check allows sizes of 2^30. */
vita_status conv_check(const op_call *call)
{
	const struct conv c = conv_of(NULL, call, 1);
	const double rows = (double)c.planes * (double)c.c_in;
	const double spread = rows * (c.by_rows ? (double)c.t_out * (double)c.kernel : (double)c.slots * (double)c.runs * (double)c.width);
	const double weights = (double)c.c_out * (double)c.in_group * (double)(c.lays_out ? c.phases : 0) * (double)c.phase_taps;
	const double bytes = 4 * (spread + weights);
	const double tensors = 4 * (rows * (double)c.t_in + (double)c.planes * (double)c.c_out * (double)c.t_out);
	if (bytes < 1e9 || bytes < 64 * tensors) return VITA_OK;
	return op_fail(call, VITA_E_NOMEM, "padding, stride and dilation would need %.1f GB of scratch", bytes * 1e-9);
}

/* The spread input of all planes, in floats. */
static int64_t spread_floats(const struct conv *c)
{
	return c->planes * c->c_in * (c->by_rows ? c->t_out * c->kernel : c->slots * c->runs * c->width);
}

/* Weights follow it, [phases][c_out][in_group · phase_taps]. */
static float *laid_out(const struct step *s, const struct conv *c)
{
	return (float *)(void *)(s->scratch + aligned((uint64_t)spread_floats(c) * sizeof(float)));
}

static int64_t phase_terms(const struct conv *c)
{
	return c->in_group * c->phase_taps;
}

void conv_spread_needs(struct step *s)
{
	const struct conv c = conv_of(s->backend, s->c, s->backend->threads);
	if (c.filter.taps) {
		s->shared = filter_shared(&c);
		s->own = filter_prepare_own(&c);
		return;
	}
	if (c.half) {
		s->shared = half_shared(&c);
		s->own = half_own(&c);
		return;
	}
	s->shared = aligned((uint64_t)spread_floats(&c) * sizeof(float));
	if (c.lays_out) s->shared += (uint64_t)(c.phases * c.c_out * phase_terms(&c)) * sizeof(float);
	s->own = (uint64_t)(c.transposed ? c.in_group * c.kernel : 0) * sizeof(float);
}

void conv_spread_row(const float *x, int64_t t, int64_t stride, int64_t shift, float *to, int64_t n)
{
	int64_t first = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
	int64_t end = t - 1 - shift < 0 ? 0 : (t - 1 - shift) / stride + 1;
	if (first > n) first = n;
	if (end > n) end = n;
	if (end < first) end = first;
	memset(to, 0, (size_t)first * sizeof *to);
	if (stride == 1 && end > first) memcpy(to + first, x + first + shift, (size_t)(end - first) * sizeof *to);
	else
		for (int64_t i = first; i < end; i++) to[i] = x[i * stride + shift];
	memset(to + end, 0, (size_t)(n - end) * sizeof *to);
}

/* Channel i of all columns: column t of a plane is [c_in][kernel]. */
static void spread_columns(const struct conv *c, const float *x, int64_t channel, float *plane)
{
	for (int64_t t = 0; t < c->t_out; t++) {
		float *to = plane + (t * c->c_in + channel) * c->kernel;
		conv_spread_row(x, c->t_in, c->dilation, t * c->stride - c->pad, to, c->kernel);
	}
}

/* Where a slot's row of a run begins in x, whose values are `stride` apart. */
static int64_t run_shift(const struct conv *c, int64_t run, int64_t slot)
{
	const int64_t first = run * RUN;
	return c->transposed ? c->first + first - c->before : first * c->stride + slot * c->dilation % c->stride - c->pad;
}

static int64_t run_stride(const struct conv *c)
{
	return c->transposed ? 1 : c->stride;
}

const float *conv_run_row(const struct conv *c, const float *x, int64_t run, int64_t slot, float *room)
{
	const int64_t shift = run_shift(c, run, slot), stride = run_stride(c);
	if (stride == 1 && shift >= 0 && shift + c->width <= c->t_in) return x + shift;
	conv_spread_row(x, c->t_in, stride, shift, room, c->width);
	return room;
}

/* A channel's rows of all runs. */
static void spread_runs(const struct conv *c, const float *x, int64_t row, float *scratch)
{
	for (int64_t run = 0; run < c->runs; run++) {
		float *to = scratch + ((row / c->c_in * c->runs + run) * c->c_in + row % c->c_in) * c->slots * c->width;
		for (int64_t slot = 0; slot < c->slots; slot++)
			conv_spread_row(x, c->t_in, run_stride(c), run_shift(c, run, slot), to + slot * c->width, c->width);
	}
}

/* Rows of weights, one for each channel of a group, `distance` bytes apart, to where they belong. */
static void take_rows(const struct step *s, const struct conv *c, const char *row, int64_t distance, float *to)
{
	for (int64_t i = 0; i < c->in_group; i++)
		s->backend->kernels->to_f32(c->w->dtype, row + i * distance, to + i * c->kernel, c->kernel);
}

const float *conv_weights(const struct step *s, const struct conv *c, int64_t channel, float *room)
{
	const vita_tensor *w = c->w;
	const char *data = tensor_data(w);
	if (c->transposed) {
		const int64_t first = channel / c->out_group * c->in_group;
		take_rows(s, c, data + first * w->stride[0] + channel % c->out_group * w->stride[1], w->stride[0], room);
		return room;
	}
	const char *row = data + channel * w->stride[0];
	if (!c->lays_out) return (const float *)(const void *)row;
	if (c->in_group < 2 || w->stride[1] == c->kernel * (int64_t)vita_dtype_bytes(w->dtype))
		s->backend->kernels->to_f32(w->dtype, row, room, c->in_group * c->kernel);
	else take_rows(s, c, row, w->stride[1], room);
	return room;
}

const float *conv_phase(const struct conv *c, const float *w, int64_t phase, float *out)
{
	const int64_t first = first_tap(c, phase), step = phase_step(c);
	float *at = out, *end = out + phase_terms(c);
	if (!c->transposed) return w;
	for (int64_t i = 0; i < c->in_group; i++, w += c->kernel)
		for (int64_t tap = first; tap < c->kernel; tap += step) *at++ = w[tap];
	while (at < end) *at++ = 0;
	return out;
}

/* An output channel's weights to their places. */
static void lay_out(const struct step *s, const struct conv *c, int64_t channel, float *room)
{
	float *to = laid_out(s, c) + channel * phase_terms(c);
	const float *w = conv_weights(s, c, channel, c->transposed ? room : to);
	for (int64_t phase = 0; phase < c->phases; phase++, to += c->c_out * phase_terms(c)) (void)conv_phase(c, w, phase, to);
}

void conv_spread_step(const struct step *s, int thread, int n_threads)
{
	const struct conv c = conv_of(s->backend, s->c, n_threads);
	if (c.filter.taps) {
		filter_prepare(s, &c, thread, n_threads);
		return;
	}
	if (c.half) {
		half_lay_out(s, &c, thread, n_threads);
		return;
	}
	float *scratch = (float *)(void *)s->scratch;
	int64_t first, end;
	share(c.planes * c.c_in, thread, n_threads, &first, &end);
	for (int64_t row = first; row < end; row++) {
		const float *x = row_at(c.x, row);
		if (c.by_rows)
			spread_columns(&c, x, row % c.c_in, scratch + row / c.c_in * c.t_out * c.c_in * c.kernel);
		else
			spread_runs(&c, x, row, scratch);
	}
	share(c.lays_out ? c.c_out : 0, thread, n_threads, &first, &end);
	for (int64_t channel = first; channel < end; channel++) lay_out(s, &c, channel, own_scratch(s, thread));
}

/* ---- blocks of channels by moments ------------------------------------------------------------------------ */

/* Where each thread keeps its taps and a block's result. */
struct own {
	float *out;
	int64_t *b_at;
	int64_t phase, terms; /* that b_at is of; phase -1: none yet */
};

static struct own own_of(const struct step *s, const struct conv *c, int thread)
{
	struct own o = { .phase = -1 };
	o.b_at = own_scratch(s, thread);
	o.out = (float *)(void *)((char *)o.b_at + aligned((uint64_t)phase_terms(c) * sizeof *o.b_at));
	return o;
}

void conv_multiply_needs(struct step *s)
{
	const struct conv c = conv_of(s->backend, s->c, s->backend->threads);
	s->own = c.filter.taps ? filter_multiply_own(&c)
	                       : aligned((uint64_t)phase_terms(&c) * sizeof(int64_t)) + HALF_ROWS * BLOCK_COLUMNS * sizeof(float);
}

/* Where the terms of a block read, in the order of their weights; how many. */
static int64_t take_taps(const struct conv *c, int64_t phase, int64_t *b_at)
{
	int64_t n = 0;
	for (int64_t tap = first_tap(c, phase); tap < c->kernel; tap += phase_step(c)) {
		const int64_t distance = tap * c->dilation / c->stride;
		b_at[n++] = c->transposed ? c->before - distance : tap % period(c) * c->width + distance;
	}
	for (int64_t i = 1; i < c->in_group; i++)
		for (int64_t k = 0; k < n; k++) b_at[i * n + k] = b_at[k] + i * c->slots * c->width;
	return n * c->in_group;
}

/* An output channel's weights for a phase; *step is the way to the next channel's. */
static const float *weights_of(const struct step *s, const struct conv *c, int64_t phase, int64_t channel, int64_t *step)
{
	*step = c->lays_out ? phase_terms(c) : c->w->stride[0] / 4;
	return c->lays_out ? laid_out(s, c) + (phase * c->c_out + channel) * *step
	                   : (const float *)(const void *)((const char *)tensor_data(c->w) + channel * c->w->stride[0]);
}

static void store_block(const struct conv *c, int64_t plane, int64_t channel, int n, int64_t phase, int64_t moment,
                        int64_t count, const float *out)
{
	for (int r = 0; r < n; r++) {
		float *y = row_of_plane(c->y, plane, channel + r);
		const float *from = out + r * BLOCK_COLUMNS;
		if (!c->transposed) {
			memcpy(y + moment, from, (size_t)count * sizeof *y);
			continue;
		}
		int64_t u = (c->first + moment) * c->stride + phase - c->pad;
		for (int64_t i = 0; i < count; i++, u += c->stride)
			if (u >= 0 && u < c->t_out) y[u] = from[i];
	}
}

/* Adds a block's products to out. */
static void add_products(const struct step *s, const struct conv *c, const struct conv_block *b, const struct own *o, float *out,
                         int64_t out_row)
{
	if (c->half) {
		half_block(s, c, b, o->b_at, o->terms, out, out_row);
		return;
	}
	const float *x = (const float *)(const void *)s->scratch +
	                 ((b->plane * c->runs + b->run) * c->c_in + b->group * c->in_group) * c->slots * c->width;
	int64_t a_row;
	const float *a = weights_of(s, c, b->phase, b->channel, &a_row);
	s->backend->kernels->block(a, a_row, 1, x + b->at, o->b_at, o->terms, b->n, out, out_row, true);
}

/* Blocks that meet the same run come one after the other. */
static void multiply_run(const struct step *s, const struct conv *c, int64_t item, struct own *o)
{
	const int64_t in_group = item % c->blocks * c->per_block, left = c->out_group - in_group;
	struct conv_block b = { .n = (int)(left < c->per_block ? left : c->per_block) };
	item /= c->blocks, b.phase = item % c->phases;
	item /= c->phases, b.group = item % c->groups;
	item /= c->groups, b.run = item % c->runs;
	b.plane = item / c->runs;
	b.channel = b.group * c->out_group + in_group;
	if (b.n <= 0) return;
	if (b.phase != o->phase) o->terms = take_taps(c, b.phase, o->b_at);
	o->phase = b.phase;
	const int64_t first = b.run * RUN, count = c->moments - first < RUN ? c->moments - first : RUN;
	for (b.at = 0; b.at < count; b.at += BLOCK_COLUMNS) {
		const int64_t columns = count - b.at < BLOCK_COLUMNS ? count - b.at : BLOCK_COLUMNS;
		const bool direct = !c->transposed && columns == BLOCK_COLUMNS; /* the block may stand in y itself */
		float *y = row_of_plane(c->y, b.plane, b.channel), *out = direct ? y + first + b.at : o->out;
		const int64_t out_row = direct ? op_step(c->y, 1) / 4 : BLOCK_COLUMNS;
		for (int r = 0; r < b.n; r++) {
			const float bias = c->bias ? c->bias[b.channel + r] : 0;
			for (int i = 0; i < BLOCK_COLUMNS; i++) out[r * out_row + i] = bias;
		}
		add_products(s, c, &b, o, out, out_row);
		if (!direct) store_block(c, b.plane, b.channel, b.n, b.phase, first + b.at, columns, out);
	}
}

/* ---- few moments ------------------------------------------------------------------------------------------ */

/* Four output channels of a plane at all moments. */
static void multiply_columns(const struct step *s, const struct conv *c, int64_t item)
{
	const int64_t quads = (c->out_group + 3) / 4, terms = phase_terms(c);
	const int64_t plane = item / quads / c->groups, group = item / quads % c->groups, first = item % quads * 4;
	const int64_t channel = group * c->out_group + first;
	const int n = c->out_group - first < 4 ? (int)(c->out_group - first) : 4;
	const float *columns = (const float *)(const void *)s->scratch + plane * c->t_out * c->c_in * c->kernel;
	int64_t a_row;
	const float *a = weights_of(s, c, 0, channel, &a_row);
	float out[MAX_ROWS * TILE];
	s->backend->kernels->rows_f32(a, a_row * 4, n, columns + group * terms, c->c_in * c->kernel * 4, (int)c->t_out, terms, out);
	for (int i = 0; i < n; i++) {
		float *y = row_of_plane(c->y, plane, channel + i);
		for (int64_t t = 0; t < c->t_out; t++) y[t] = out[t * TILE + i] + (c->bias ? c->bias[channel + i] : 0);
	}
}

void conv_multiply_step(const struct step *s, int thread, int n_threads)
{
	const struct conv c = conv_of(s->backend, s->c, n_threads);
	int64_t item;
	if (c.filter.taps) {
		filter_multiply(s, &c, thread);
	} else if (c.by_rows) {
		while ((item = next_item(s, c.planes * c.groups * ((c.out_group + 3) / 4))) >= 0) multiply_columns(s, &c, item);
	} else {
		struct own o = own_of(s, &c, thread);
		while ((item = next_item(s, c.planes * c.groups * c.blocks * c.phases * c.runs)) >= 0) multiply_run(s, &c, item, &o);
	}
}
