/* SPDX-License-Identifier: MIT
 *
 * CONV1D and CONV_TRANSPOSE1D, as products of blocks of 12 output channels by 32 moments. Two steps:
 *
 * The input is spread, each channel's row with zeros around it, so that every tap of every output reads 32
 * neighbours at a fixed distance from its moment:
 *   CONV1D            moment t, tap s reads x[t · stride + s · dilation - pad]. With slot = s · dilation mod
 *                     stride there is a row for each slot, holding every stride-th value from there on.
 *   CONV_TRANSPOSE1D  output u with u + pad = v · stride + phase takes the taps with s · dilation mod stride =
 *                     phase and reads x[v - (s · dilation - phase) / stride]: one product for each phase.
 * Rows are cut into runs of RUN moments, each with the neighbours that its taps reach, and a run's rows for all channels
 * lie together: they stay in the second-level cache while one block of output channels after the other meets them.
 * Then blocks are handed out. Where there are only a few moments (a codec's first chunk), 32 lanes would be
 * wasted on them; then columns of input are laid out instead and meet weight rows as in a matrix product.
 */
#include <stdlib.h>

#include "cpu.h"

#define RUN (8 * BLOCK_COLUMNS)

struct conv {
	const vita_tensor *x, *w, *y;
	const float *bias;
	int64_t planes, c_in, c_out, in_group, out_group, kernel; /* channels of one group */
	int64_t t_in, t_out, stride, dilation, pad;
	bool transposed, by_rows;
	int64_t slots, phases, first, moments; /* a phase's moments first … first + moments - 1 */
	int64_t runs;                          /* of at most RUN moments */
	int64_t before, width;                 /* zeros before a transposed input; floats of a run's spread row */
};

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

static struct conv conv_of(const op_call *call)
{
	const vita_conv_params *p = call->params;
	struct conv c = { .x = call->in[0], .w = call->in[1], .y = call->out[0], .bias = vector_data(call->in[2]) };
	c.planes = count_of(c.x, 2);
	c.c_in = op_last(c.x, 1), c.c_out = op_last(c.y, 1);
	c.in_group = c.c_in / p->groups, c.out_group = c.c_out / p->groups;
	c.kernel = c.w->shape[2];
	c.t_in = columns_of(c.x), c.t_out = columns_of(c.y);
	c.stride = p->stride, c.dilation = p->dilation, c.pad = p->pad_left;
	c.transposed = call->code == VITA_OP_CONV_TRANSPOSE1D;
	c.by_rows = !c.transposed && c.t_out <= MAX_ROWS;
	c.slots = c.phases = 1;
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
	return c;
}

/* Larger than any sensible padding makes it: op_check allows sizes of 2^30. */
vita_status conv_check(const op_call *call)
{
	const struct conv c = conv_of(call);
	const double rows = (double)c.planes * (double)c.c_in;
	const double bytes = 4 * rows * (c.by_rows ? (double)c.t_out * (double)c.kernel : (double)c.slots * (double)c.runs * (double)c.width);
	const double tensors = 4 * (rows * (double)c.t_in + (double)c.planes * (double)c.c_out * (double)c.t_out);
	if (bytes < 1e9 || bytes < 64 * tensors) return VITA_OK;
	return op_fail(call, VITA_E_NOMEM, "padding and dilation would need %.1f GB of scratch", bytes * 1e-9);
}

void conv_spread_needs(struct step *s)
{
	const struct conv c = conv_of(s->c);
	const int64_t per_row = c.by_rows ? c.t_out * c.kernel : c.slots * c.runs * c.width;
	s->shared = (uint64_t)(c.planes * c.c_in * per_row) * sizeof(float);
}

/* to[i] = x[i · stride + shift] for 0 <= i < n, 0 outside of x. */
static void spread_row(const float *x, int64_t t, int64_t stride, int64_t shift, float *to, int64_t n)
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
		spread_row(x, c->t_in, c->dilation, t * c->stride - c->pad, to, c->kernel);
	}
}

/* A channel's rows of all runs. */
static void spread_runs(const struct conv *c, const float *x, int64_t row, float *scratch)
{
	for (int64_t run = 0; run < c->runs; run++) {
		const int64_t first = run * RUN;
		float *to = scratch + ((row / c->c_in * c->runs + run) * c->c_in + row % c->c_in) * c->slots * c->width;
		if (c->transposed) {
			spread_row(x, c->t_in, 1, c->first + first - c->before, to, c->width);
			continue;
		}
		for (int64_t slot = 0; slot < c->slots; slot++)
			spread_row(x, c->t_in, c->stride, first * c->stride + slot * c->dilation % c->stride - c->pad,
			           to + slot * c->width, c->width);
	}
}

void conv_spread_step(const struct step *s, int thread, int n_threads)
{
	const struct conv c = conv_of(s->c);
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
}

/* ---- blocks of channels by moments ------------------------------------------------------------------------ */

/* Where each thread keeps its block's weights [rows][terms], its taps and its result. */
struct own {
	float *a, *out;
	int64_t *b_at;
	int64_t phase, terms; /* that b_at is of; phase -1: none yet */
};

static struct own own_of(const struct step *s, const struct conv *c, int thread)
{
	struct own o = { .phase = -1 };
	const int64_t terms = c->in_group * c->kernel;
	o.b_at = own_scratch(s, thread);
	o.a = (float *)(void *)((char *)o.b_at + aligned((uint64_t)terms * sizeof *o.b_at));
	o.out = (float *)(void *)((char *)o.a + aligned((uint64_t)(BLOCK_ROWS * terms) * sizeof *o.a));
	return o;
}

void conv_multiply_needs(struct step *s)
{
	const struct conv c = conv_of(s->c);
	const uint64_t terms = (uint64_t)(c.in_group * c.kernel);
	s->own = aligned(terms * sizeof(int64_t)) + aligned(BLOCK_ROWS * terms * sizeof(float)) +
	         BLOCK_ROWS * BLOCK_COLUMNS * sizeof(float);
}

/* Does tap s belong to the phase, and how far from its moment does it read? */
static bool tap_of(const struct conv *c, int64_t phase, int64_t s, int64_t *slot, int64_t *distance)
{
	const int64_t shift = s * c->dilation, rest = shift % c->stride;
	*slot = c->transposed ? 0 : s % period(c);
	*distance = c->transposed ? c->before - (shift - rest) / c->stride : (shift - rest) / c->stride;
	return !c->transposed || rest == phase;
}

/* Where the terms of a block read, in the order in which take_weights lays out their weights; how many. */
static int64_t take_taps(const struct conv *c, int64_t phase, int64_t *b_at)
{
	int64_t terms = 0, slot, distance;
	for (int64_t i = 0; i < c->in_group; i++)
		for (int64_t tap = 0; tap < c->kernel; tap++)
			if (tap_of(c, phase, tap, &slot, &distance)) b_at[terms++] = (i * c->slots + slot) * c->width + distance;
	return terms;
}

/* The weights of one output channel as f32. */
static void take_weights(const struct step *s, const struct conv *c, int64_t phase, int64_t channel, float *to)
{
	const struct cpu_kernels *kernels = s->backend->kernels;
	const vita_tensor *w = c->w;
	const int64_t size = (int64_t)vita_dtype_bytes(w->dtype), group = channel / c->out_group;
	const char *row = (const char *)tensor_data(w) + channel * w->stride[0];
	if (!c->transposed && (c->in_group < 2 || w->stride[1] == c->kernel * size)) {
		kernels->to_f32(w->dtype, row, to, c->in_group * c->kernel);
		return;
	}
	for (int64_t i = 0; i < c->in_group; i++) {
		const char *taps = row + i * w->stride[1];
		if (!c->transposed) {
			kernels->to_f32(w->dtype, taps, to, c->kernel);
			to += c->kernel;
			continue;
		}
		taps = (const char *)tensor_data(w) + (group * c->in_group + i) * w->stride[0] + channel % c->out_group * w->stride[1];
		for (int64_t tap = 0; tap < c->kernel; tap++)
			if (tap * c->dilation % c->stride == phase) kernels->to_f32(w->dtype, taps + tap * size, to++, 1);
	}
}

/* Weights as they lie, where they are rows of f32 already. */
static const float *weights_in_place(const struct conv *c, int64_t first)
{
	if (c->transposed || c->w->dtype != VITA_F32) return NULL;
	if (c->in_group > 1 && c->w->stride[1] != c->kernel * 4) return NULL;
	return (const float *)(const void *)((const char *)tensor_data(c->w) + first * c->w->stride[0]);
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

/* How a group's output channels are cut into blocks. */
static void cut(const struct conv *c, int64_t *blocks, int64_t *per_block)
{
	*blocks = (c->out_group + BLOCK_ROWS - 1) / BLOCK_ROWS;
	*per_block = (c->out_group + *blocks - 1) / *blocks;
}

/* Blocks that meet the same run come one after the other. */
static void multiply_run(const struct step *s, const struct conv *c, int64_t item, struct own *o)
{
	int64_t blocks, per_block;
	cut(c, &blocks, &per_block);
	const int64_t groups = c->c_out / c->out_group, block = item % blocks, phase = item / blocks % c->phases;
	const int64_t group = item / blocks / c->phases % groups, run = item / blocks / c->phases / groups % c->runs;
	const int64_t plane = item / blocks / c->phases / groups / c->runs, in_group = block * per_block;
	const int64_t channel = group * c->out_group + in_group, left = c->out_group - in_group;
	const int n = (int)(left < per_block ? left : per_block);
	if (n <= 0) return;
	const float *x = (const float *)(const void *)s->scratch +
	                 ((plane * c->runs + run) * c->c_in + group * c->in_group) * c->slots * c->width;
	const float *a = weights_in_place(c, channel);
	if (phase != o->phase) o->terms = take_taps(c, phase, o->b_at);
	o->phase = phase;
	const int64_t terms = o->terms;
	for (int r = 0; r < n && !a; r++) take_weights(s, c, phase, channel + r, o->a + r * terms);
	const int64_t a_row = a ? c->w->stride[0] / 4 : terms, first = run * RUN;
	const int64_t count = c->moments - first < RUN ? c->moments - first : RUN;
	for (int64_t at = 0; at < count; at += BLOCK_COLUMNS) {
		const int64_t columns = count - at < BLOCK_COLUMNS ? count - at : BLOCK_COLUMNS;
		const bool direct = !c->transposed && columns == BLOCK_COLUMNS; /* the block may stand in y itself */
		float *y = row_of_plane(c->y, plane, channel), *out = direct ? y + first + at : o->out;
		const int64_t out_row = direct ? op_step(c->y, 1) / 4 : BLOCK_COLUMNS;
		for (int r = 0; r < n; r++)
			for (int i = 0; i < BLOCK_COLUMNS; i++) out[r * out_row + i] = c->bias ? c->bias[channel + r] : 0;
		s->backend->kernels->block(a ? a : o->a, a_row, 1, x + at, o->b_at, terms, n, out, out_row, true);
		if (!direct) store_block(c, plane, channel, n, phase, first + at, columns, out);
	}
}

/* ---- few moments ------------------------------------------------------------------------------------------ */

/* Four output channels of a plane at all moments. */
static void multiply_columns(const struct step *s, const struct conv *c, int64_t item, struct own *o)
{
	const int64_t groups = c->c_out / c->out_group, quads = (c->out_group + 3) / 4;
	const int64_t plane = item / quads / groups, group = item / quads % groups, first = item % quads * 4;
	const int64_t channel = group * c->out_group + first, terms = c->in_group * c->kernel;
	const int n = c->out_group - first < 4 ? (int)(c->out_group - first) : 4;
	const float *columns = (const float *)(const void *)s->scratch + plane * c->t_out * c->c_in * c->kernel;
	const float *a = weights_in_place(c, channel);
	float out[MAX_ROWS * TILE];
	for (int i = 0; i < n && !a; i++) take_weights(s, c, 0, channel + i, o->a + i * terms);
	s->backend->kernels->rows_f32(a ? a : o->a, a ? c->w->stride[0] : terms * 4, n, columns + group * terms,
	                              c->c_in * c->kernel * 4, (int)c->t_out, terms, out);
	for (int i = 0; i < n; i++) {
		float *y = row_of_plane(c->y, plane, channel + i);
		for (int64_t t = 0; t < c->t_out; t++) y[t] = out[t * TILE + i] + (c->bias ? c->bias[channel + i] : 0);
	}
}

void conv_multiply_step(const struct step *s, int thread, int n_threads)
{
	(void)n_threads;
	const struct conv c = conv_of(s->c);
	struct own o = own_of(s, &c, thread);
	const int64_t groups = c.c_out / c.out_group;
	int64_t item;
	if (c.by_rows) {
		while ((item = next_item(s, c.planes * groups * ((c.out_group + 3) / 4))) >= 0) multiply_columns(s, &c, item, &o);
		return;
	}
	int64_t blocks, per_block;
	cut(&c, &blocks, &per_block);
	while ((item = next_item(s, c.planes * groups * blocks * c.phases * c.runs)) >= 0) multiply_run(s, &c, item, &o);
}
