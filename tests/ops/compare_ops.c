/* SPDX-License-Identifier: MIT
 *
 * compare_ops [-n CASES] [-s SEED] [-o OP] [-t THREADS] [-x] [-b] [BACKEND [AGAINST]]
 *
 * Runs random cases of every op on two backends and compares what they write, and that they write nothing
 * else. BACKEND and AGAINST (default: reference) are names or paths of modules, or "naive", which is part of
 * this program. Without names: reference against naive, the same with answers broken on purpose, and every
 * other backend that there is against reference.
 *
 *   -n CASES  so many of each op [40]          -s SEED  of the first case; the next has SEED + 1 [1]
 *   -o OP     this op alone: MATMUL …          -x       hold BACKEND to what the reference is held to
 *   -t THREADS  of BACKEND [as many as it likes]
 *   -b        break each answer, and fail where that is not noticed: a test of this test
 *
 * Exit 0 where all agree, 1 where not, 77 where nothing could be compared.
 */
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "naive.h"
#include "run_case.h"

typedef struct options {
	int64_t cases;
	uint64_t seed;
	int64_t threads;
	const char *op;
	int exact, broken;
} options;

typedef struct tally {
	int64_t agreed, declined, failed;
} tally;

static int quiet; /* with -b every difference is as it should be */

/* ---- comparing ------------------------------------------------------------------------------------- */

static int is_empty(const vita_tensor *t)
{
	for (uint32_t i = 0; i < t->rank; i++)
		if (t->shape[i] == 0) return 1;
	return 0;
}

static double largest_finite(const vita_tensor *t, const unsigned char *bytes)
{
	int64_t at[VITA_MAX_RANK] = { 0 };
	double largest = 0;
	do {
		double value = fabs(naive_get(t, bytes, at));
		if (isfinite(value)) largest = fmax(largest, value);
	} while (naive_next(t, at));
	return largest;
}

static int agree(const op_case *c, uint32_t dtype, double found, double expected, double largest)
{
	double allowed = c->relative * fabs(expected) + c->absolute * (c->scale + largest);
	if (isnan(expected) || isnan(found)) return isnan(expected) && isnan(found);
	if (found == expected) return 1;
	return dtype != VITA_I32 && dtype != VITA_U8 && fabs(found - expected) <= allowed;
}

/* Elements of output o agree; else says where not. */
static int compare_output(const op_case *c, uint32_t o, const unsigned char *found,
                          const unsigned char *expected)
{
	const vita_tensor *y = &c->output[o];
	int64_t at[VITA_MAX_RANK] = { 0 };
	double largest;

	if (is_empty(y)) return 1;
	largest = largest_finite(y, expected);
	do {
		double f = naive_get(y, found, at), e = naive_get(y, expected, at);
		if (agree(c, y->dtype, f, e, largest)) continue;
		if (quiet) return 0;
		printf("  output %u at [%lld, %lld, %lld, %lld] is %.9g, expected %.9g (largest %.3g)\n", o,
		       (long long)at[0], (long long)at[1], (long long)at[2], (long long)at[3], f, e, largest);
		return 0;
	} while (naive_next(y, at));
	return 1;
}

/* Bytes of store s that the outputs do not own are as they were. */
static int compare_rest(const op_case *c, uint32_t s, const unsigned char *found)
{
	unsigned char *owned = calloc((size_t)c->store_size[s] + 1, 1);
	uint64_t i = 0;

	if (!owned) return 0;
	for (uint32_t o = 0; o < c->op.n_outputs; o++) {
		int64_t at[VITA_MAX_RANK] = { 0 };
		if (c->output_store[o] != s || is_empty(&c->output[o])) continue;
		do memset(owned + naive_place(&c->output[o], at), 1, vita_dtype_bytes(c->output[o].dtype));
		while (naive_next(&c->output[o], at));
	}
	while (i < c->store_size[s] && (owned[i] || found[i] == c->store[s][i])) i++;
	free(owned);
	if (i == c->store_size[s]) return 1;
	if (!quiet)
		printf("  byte %llu of buffer %u, outside of the output, was changed\n",
		       (unsigned long long)i, s);
	return 0;
}

static int compare_case(const op_case *c, unsigned char *const *found, unsigned char *const *expected)
{
	for (uint32_t o = 0; o < c->op.n_outputs; o++)
		if (!compare_output(c, o, found[c->output_store[o]], expected[c->output_store[o]])) return 0;
	for (uint32_t s = 0; s < c->n_stores; s++)
		if (!compare_rest(c, s, found[s])) return 0;
	return 1;
}

/* Change one element of an output, or one byte next to it; 0 where there is nothing to change. */
static int break_answer(const op_case *c, unsigned char **found, uint64_t seed)
{
	uint32_t o = (uint32_t)(seed / 2 % c->op.n_outputs);
	const vita_tensor *y = &c->output[o];
	unsigned char *bytes = found[c->output_store[o]];
	int64_t at[VITA_MAX_RANK] = { 0 };

	if (seed % 2 && y->offset > 0) {
		bytes[y->offset - 1] ^= 1;
		return 1;
	}
	if (is_empty(y)) return 0;
	for (uint32_t i = 0; i < y->rank; i++) at[i] = y->shape[i] - 1;
	bytes += naive_place(y, at);
	if (vita_dtype_block(y->dtype) > 1)
		memset(bytes, 0x55, vita_dtype_bytes(y->dtype));
	else
		bytes[vita_dtype_bytes(y->dtype) - 1] ^=
			0x40; /* the top bit of an exponent, or far up in an integer */
	return 1;
}

/* ---- all cases ------------------------------------------------------------------------------------- */

static void compare_one(const test_device *device, const test_device *against, const options *how,
                        uint32_t code, uint64_t seed, tally *t)
{
	unsigned char *found[CASE_STORES] = { NULL }, *expected[CASE_STORES] = { NULL };
	vita_error err;
	op_case c;
	vita_status status = VITA_E_NOMEM;
	int good = 0;

	(void)vita_fail(&err, VITA_E_NOMEM, "no memory for a case");
	if (case_make(&c, code, seed, how->exact ? CASE_EXACT : CASE_DEVICE))
		status = run_case(device, &c, found, &err);
	if (status == VITA_OK) status = run_case(against, &c, expected, &err);
	if (status == VITA_OK) {
		int broken = how->broken && break_answer(&c, found, seed);
		good = compare_case(&c, found, expected) != broken;
		t->agreed += good;
	}
	if (status == VITA_END)
		t->declined++;
	else if (!good) {
		if (status != VITA_OK) printf("  failed: %s\n", err.message);
		case_print(&c);
		printf("  again: compare_ops -o %s -s %llu -n 1\n", case_op_name(code),
		       (unsigned long long)seed);
		t->failed++;
	}
	for (uint32_t i = 0; i < CASE_STORES; i++) free(found[i]), free(expected[i]);
	case_free(&c);
}

/* 0 all agree, 1 not, 77 one of them is not here. */
static int compare_backends(const char *name, const char *against, const options *how)
{
	test_device pair[2];
	const char *names[2] = { name, against };
	tally all = { 0, 0, 0 };

	for (int i = 0; i < 2; i++) {
		char why[1024];
		int there = strcmp(names[i], "naive") == 0 ? test_device_adopt(&pair[i], &naive_backend, why)
		                                           : test_device_open(&pair[i], names[i], "", i == 0 ? how->threads : 0, why);
		if (there) continue;
		printf("%s cannot be compared with %s: %s\n", name, against, why);
		test_device_close(&pair[i]);
		if (i == 1) test_device_close(&pair[0]);
		return 77;
	}
	for (uint32_t code = 0; code < VITA_OP_COUNT; code++) {
		tally t = { 0, 0, 0 };
		if (!case_op_name(code) || (how->op && strcmp(how->op, case_op_name(code)) != 0)) continue;
		for (int64_t i = 0; i < how->cases && t.failed == 0; i++)
			compare_one(&pair[0], &pair[1], how, code, how->seed + (uint64_t)i, &t);
		if (t.declined)
			printf("%s declines %lld of %lld cases of %s\n", name, (long long)t.declined,
			       (long long)how->cases, case_op_name(code));
		all.agreed += t.agreed, all.declined += t.declined, all.failed += t.failed;
	}
	printf("%s against %s: %lld cases %s, %lld declined, %lld ops fail\n", name, against,
	       (long long)all.agreed, how->broken ? "broken and noticed" : "agree", (long long)all.declined,
	       (long long)all.failed);
	test_device_close(&pair[0]);
	test_device_close(&pair[1]);
	return all.failed > 0 || all.agreed == 0;
}

static int compare_everything(const options *how)
{
	options exact = *how;
	char names[32][64];
	int n = test_device_names(names, 32), result;

	exact.exact = 1;
	result = compare_backends("reference", "naive", &exact);
	if (result != 0) return result;
	exact.broken = quiet = 1;
	result = compare_backends("reference", "naive", &exact);
	quiet = 0;
	for (int i = 0; i < n; i++) {
		if (strcmp(names[i], "reference") == 0) continue;
		if (compare_backends(names[i], "reference", how) == 1) result = 1;
	}
	return result;
}

int main(int argc, char **argv)
{
	options how = { 40, 1, 0, NULL, 0, 0 };
	int option;

	while ((option = getopt(argc, argv, "n:s:o:t:xb")) != -1) {
		switch (option) {
		case 'n': how.cases = strtoll(optarg, NULL, 10); break;
		case 's': how.seed = strtoull(optarg, NULL, 10); break;
		case 'o': how.op = optarg; break;
		case 't': how.threads = strtoll(optarg, NULL, 10); break;
		case 'x': how.exact = 1; break;
		case 'b': how.broken = quiet = 1; break;
		default: return 2;
		}
	}
	if (optind == argc) return compare_everything(&how);
	return compare_backends(argv[optind], optind + 1 < argc ? argv[optind + 1] : "reference", &how);
}
