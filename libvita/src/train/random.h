/* SPDX-License-Identifier: MIT
 *
 * Random numbers that are the same everywhere.
 */
#ifndef VITA_TRAIN_RANDOM_H
#define VITA_TRAIN_RANDOM_H

#include <stdint.h>

typedef struct vita_random {
	uint64_t state;
} vita_random;

/* Steele, Lea and Flood 2014, "Fast Splittable Pseudorandom Number Generators". */
static inline uint64_t vita_random_next(vita_random *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* Numbers for one purpose: a seed and a name begin a sequence of their own. */
static inline vita_random vita_random_begin(uint64_t seed, const char *name)
{
	vita_random r = { seed };
	uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
	for (; *name; name++) hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
	r.state = vita_random_next(&r) ^ hash;
	return r;
}

/* Nearly normal with deviation 1: the sum of four even ones, which no maths library can round otherwise. */
static inline double vita_random_normal(vita_random *r)
{
	uint64_t bits = vita_random_next(r);
	int64_t sum = 0;
	for (int i = 0; i < 4; i++, bits >>= 16) sum += (int64_t)(bits & 0xffff);
	return (double)(sum - 131070) / 37837.227;
}

#endif
