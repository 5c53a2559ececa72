/* SPDX-License-Identifier: MIT
 *
 * Windowed sinc resampling; see sinc.h.
 *
 * With the rates reduced to o : p, output m·p + q is the dot product of filter q with the input from m·o - w on:
 *     t = clamp((i - w)/o - q/p) · 0.99 min(o, p), ±6)
 *     h[q][i] = sinc(t) cos²(πt/12) · 0.99 min(o, p) / o
 * Only where |t| < 6 is there anything; that span is what a filter keeps.
 */
#include "audio/sinc.h"

#include <math.h>
#include <stdlib.h>

#define PI 3.14159265358979323846
#define CROSSINGS 6
#define ROLL_OFF 0.99
#define MOST_WEIGHTS (1u << 22) /* kept in a table; with stranger rates each filter is made when it is used */
#define BLOCK 4096

struct vita_sinc {
	uint32_t o, p;
	double base; /* 0.99 min(o, p) */
	int64_t w;
	uint32_t span;   /* the longest filter's weights */
	float *table;    /* [p][span], or one filter */
	int64_t *first;  /* [p]: input of weight 0, against m·o; or one */
	uint32_t *count; /* [p], or one */
	int is_table;

	float *input; /* [span + BLOCK], from number `start` of the recording on */
	int64_t start;
	uint64_t n_input;
	uint64_t m, q; /* of the next output */
};

/* Filter q; phases are rounded to f32, as torchaudio has them. */
static void make_filter(const vita_sinc *s, uint32_t q, float *weights, int64_t *first, uint32_t *count)
{
	const double phase = (double)(-(float)q / (float)s->p), scale = s->base / s->o;
	const double centre = -phase * s->o, reach = CROSSINGS * s->o / s->base;
	int64_t i = (int64_t)ceil(centre - reach), end = (int64_t)floor(centre + reach);
	*first = i;
	*count = 0;
	for (; i <= end && *count < s->span; i++) {
		double t = (phase + (double)i / s->o) * s->base;
		t = fmax(-CROSSINGS, fmin(CROSSINGS, t));
		double window = cos(PI * t / (2 * CROSSINGS));
		double sinc = t == 0 ? 1 : sin(PI * t) / (PI * t);
		weights[(*count)++] = (float)(sinc * window * window * scale);
	}
}

static int make_filters(vita_sinc *s)
{
	uint64_t n = s->is_table ? s->p : 1;
	s->table = calloc(n * s->span, sizeof *s->table);
	s->first = calloc(n, sizeof *s->first);
	s->count = calloc(n, sizeof *s->count);
	s->input = calloc((uint64_t)s->span + BLOCK, sizeof *s->input);
	if (!s->table || !s->first || !s->count || !s->input) return 0;
	for (uint32_t q = 0; s->is_table && q < s->p; q++)
		make_filter(s, q, s->table + (uint64_t)q * s->span, &s->first[q], &s->count[q]);
	return 1;
}

static uint32_t common_divisor(uint32_t a, uint32_t b)
{
	while (b) {
		uint32_t rest = a % b;
		a = b;
		b = rest;
	}
	return a;
}

vita_sinc *vita_sinc_open(uint32_t from_hz, uint32_t to_hz)
{
	vita_sinc *s = calloc(1, sizeof *s);
	if (!s) return NULL;
	const uint32_t divisor = common_divisor(from_hz, to_hz);
	s->o = from_hz / divisor;
	s->p = to_hz / divisor;
	s->base = ROLL_OFF * (s->o < s->p ? s->o : s->p);
	s->w = (int64_t)ceil(CROSSINGS * s->o / s->base);
	s->span = (uint32_t)(2 * s->w + 2);
	s->is_table = (uint64_t)s->p * s->span <= MOST_WEIGHTS;
	s->start = -s->w;
	s->n_input = (uint64_t)s->w; /* silence lies before the recording */
	if (make_filters(s)) return s;
	vita_sinc_close(s);
	return NULL;
}

void vita_sinc_close(vita_sinc *s)
{
	if (!s) return;
	free(s->table);
	free(s->first);
	free(s->count);
	free(s->input);
	free(s);
}

uint64_t vita_sinc_length(const vita_sinc *s, uint64_t n)
{
	return n / s->o * s->p + (n % s->o * s->p + s->o - 1) / s->o;
}

/* Drop what lies before number `from`, and take in what there is room for. */
static uint64_t take_in(vita_sinc *s, int64_t from, const float *in, uint64_t n)
{
	uint64_t drop = from > s->start ? (uint64_t)(from - s->start) : 0;
	if (drop > s->n_input) drop = s->n_input;
	memmove(s->input, s->input + drop, (size_t)(s->n_input - drop) * sizeof *s->input);
	s->start += (int64_t)drop;
	s->n_input -= drop;
	uint64_t room = (uint64_t)s->span + BLOCK - s->n_input, taken = n < room ? n : room;
	memcpy(s->input + s->n_input, in, (size_t)taken * sizeof *in);
	s->n_input += taken;
	return taken;
}

static float product(const float *a, const float *b, uint32_t n)
{
	double sum = 0;
	for (uint32_t i = 0; i < n; i++)
		sum += (double)a[i] * b[i];
	return (float)sum;
}

uint64_t vita_sinc_process(vita_sinc *s, const float *in, uint64_t n, uint64_t *used, float *out,
			   uint64_t capacity)
{
	uint64_t given = 0;
	*used = 0;
	while (given < capacity) {
		uint64_t row = s->is_table ? s->q : 0;
		if (!s->is_table) make_filter(s, (uint32_t)s->q, s->table, s->first, s->count);
		int64_t first = (int64_t)(s->m * s->o) + s->first[row];
		if (first + s->count[row] > s->start + (int64_t)s->n_input) {
			if (*used == n) break;
			*used += take_in(s, first, in + *used, n - *used);
			continue;
		}
		out[given++] =
			product(s->input + (first - s->start), s->table + row * s->span, s->count[row]);
		if (++s->q == s->p) s->q = 0, s->m++;
	}
	return given;
}
