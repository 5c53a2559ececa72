/* SPDX-License-Identifier: MIT
 *
 * Random numbers of a speech decoder; see noise.h.
 */
#include "noise.h"

#include <math.h>

#define PI 3.14159265358979323846

/* ---- as PyTorch draws them ------------------------------------------------------------------------- */

void twister_seed(twister *t, uint32_t seed)
{
	t->state[0] = seed;
	for (uint32_t i = 1; i < 624; i++) t->state[i] = 1812433253u * (t->state[i - 1] ^ t->state[i - 1] >> 30) + i;
	t->at = 624;
}

static void turn(twister *t)
{
	uint32_t *s = t->state;
	for (uint32_t i = 0; i < 624; i++) {
		const uint32_t y = (s[i] & 0x80000000u) | (s[(i + 1) % 624] & 0x7fffffffu);
		s[i] = s[(i + 397) % 624] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
	}
	t->at = 0;
}

uint32_t twister_next(twister *t)
{
	if (t->at == 624) turn(t);
	uint32_t y = t->state[t->at++];
	y ^= y >> 11;
	y ^= y << 7 & 0x9d2c5680u;
	y ^= y << 15 & 0xefc60000u;
	return y ^ y >> 18;
}

static void skip(twister *t, uint64_t n)
{
	while (n > 0) {
		if (t->at == 624) turn(t);
		uint64_t left = 624 - t->at, step = n < left ? n : left;
		t->at += (uint32_t)step;
		n -= step;
	}
}

static float uniform(twister *t)
{
	return (float)(twister_next(t) & 0xffffff) * (1.0f / 16777216.0f);
}

/* Box and Muller 1958, in groups of 16: eight radii, then eight angles. n is a multiple of 16. */
static void normals(twister *t, int64_t n, float *out)
{
	for (int64_t i = 0; i < n; i += 16) {
		float *a = out + i;
		for (int j = 0; j < 16; j++) a[j] = uniform(t);
		for (int j = 0; j < 8; j++) {
			const float radius = sqrtf(-2 * logf(1 - a[j])), angle = (float)(2 * PI) * a[j + 8];
			a[j] = radius * cosf(angle);
			a[j + 8] = radius * sinf(angle);
		}
	}
}

/* PyTorch fills a size that is no multiple of 16 in whole groups and draws the last 16 values once more. */
static void fill_normals(twister *t, int64_t n, float *out)
{
	const int64_t whole = n / 16 * 16;
	float last[16];
	normals(t, whole, out);
	if (whole == n) return;
	skip(t, (uint64_t)(n - whole));
	normals(t, 16, last);
	memcpy(out + n - (n < 16 ? n : 16), last + (n < 16 ? 16 - n : 0), (size_t)(n < 16 ? n : 16) * sizeof *out);
}

static void draw_phases(twister *t, noise_stream *s)
{
	for (int64_t k = 0; k < s->noise->n_sines; k++) s->phase[k] = (2 * uniform(t) - 1) * (float)PI;
	s->phase[0] = 0; /* the fundamental begins at 0 */
}

static void begin_as_reference(noise_stream *s, int64_t n_frames, float *z)
{
	const noise *n = s->noise;
	const uint64_t per_sine = (uint64_t)(n_frames * n->frame_samples);
	twister t;
	twister_seed(&t, n->seed);
	fill_normals(&t, n->mel * n_frames, z);
	draw_phases(&t, s);
	s->as_reference = per_sine % 16 == 0;
	for (int64_t k = 0; k < n->n_sines && s->as_reference; k++) {
		s->sine[k] = t;
		skip(&t, per_sine);
	}
}

/* ---- by their place alone -------------------------------------------------------------------------- */

/* Steele, Lea and Flood 2014, "Fast Splittable Pseudorandom Number Generators": the finalizer, as a hash. */
static uint64_t hash(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* Number `index` of row `row`; neighbours of an even and an odd index are a pair of Box and Muller's. */
static float placed_normal(uint64_t key, uint64_t row, int64_t index)
{
	const uint64_t bits = hash(hash(hash(key) + row) ^ (uint64_t)(index >> 1));
	const float u1 = ((float)(bits >> 40) + 1) * (1.0f / 16777216.0f), u2 = (float)(bits & 0xffffff) * (1.0f / 16777216.0f);
	const float radius = sqrtf(-2 * logf(u1)), angle = (float)(2 * PI) * u2;
	return radius * (index & 1 ? sinf(angle) : cosf(angle));
}

/* ---- both ------------------------------------------------------------------------------------------ */

/* Row `row` of a file's [rows, size]; zero where the file ends or has none. */
static float filed(const float *values, int64_t size, int64_t row, int64_t index)
{
	return values && index < size ? values[row * size + index] : 0;
}

void noise_begin(noise_stream *s, const noise *n, int64_t n_frames, float *z)
{
	memset(s->phase, 0, sizeof s->phase);
	s->noise = n;
	s->sample = 0;
	s->as_reference = 0;
	if (n->from_file) {
		for (int64_t k = 1; k < n->n_sines && n->phase; k++) s->phase[k] = n->phase[k];
		if (n_frames >= 0) noise_frames(s, 0, n_frames, z);
	} else if (n_frames >= 0) {
		begin_as_reference(s, n_frames, z);
	} else {
		twister_seed(&s->sine[0], n->seed);
		draw_phases(&s->sine[0], s);
	}
}

void noise_frames(const noise_stream *s, int64_t first, int64_t n, float *z)
{
	const noise *noise = s->noise;
	for (int64_t c = 0; c < noise->mel; c++)
		for (int64_t i = 0; i < n; i++)
			z[c * n + i] = noise->from_file ? filed(noise->z, noise->z_frames, c, first + i)
			                                : placed_normal(noise->seed, (uint64_t)c, first + i);
}

void noise_samples(noise_stream *s, int64_t n, float *g)
{
	const noise *noise = s->noise;
	for (int64_t k = 0; k < noise->n_sines; k++) {
		float *row = g + k * n;
		if (s->as_reference) {
			normals(&s->sine[k], n, row);
			continue;
		}
		for (int64_t i = 0; i < n; i++)
			row[i] = noise->from_file ? filed(noise->sine, noise->n_samples, k, s->sample + i)
			                          : placed_normal(noise->seed + UINT64_C(0x100000000), (uint64_t)k, s->sample + i);
	}
	s->sample += n;
}
