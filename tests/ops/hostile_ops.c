/* SPDX-License-Identifier: MIT
 *
 * hostile_ops [-n CASES] [-s SEED] [-o OP] [BACKEND]
 *
 * Takes valid cases of every op, spoils one to three of their numbers (a size, a stride, a type, a count, a
 * pointer, a parameter) and submits them. A backend answers with success or with a sentence; it never
 * crashes, hangs, or touches what is not the op's: run it under a sanitizer to see the last. BACKEND is
 * reference where it is left out.
 */
#include <stdlib.h>
#include <unistd.h>

#include "run_case.h"

static const int64_t numbers[] = { 0,
	                           1,
	                           -1,
	                           2,
	                           3,
	                           4,
	                           5,
	                           31,
	                           32,
	                           33,
	                           -4,
	                           64,
	                           255,
	                           256,
	                           INT32_MAX,
	                           INT32_MIN,
	                           UINT32_MAX,
	                           (int64_t)1 << 32,
	                           (int64_t)1 << 62,
	                           INT64_MAX,
	                           INT64_MIN,
	                           INT64_MAX - 3,
	                           INT64_MIN + 4 };

static int64_t odd_number(op_case *c) { return numbers[case_random(c) % (sizeof numbers / sizeof *numbers)]; }

/* May wrap around. */
static int64_t plus(int64_t a, uint64_t b) { return (int64_t)((uint64_t)a + b); }

static void spoil_tensor(vita_tensor *t, op_case *c)
{
	int64_t number = odd_number(c);
	uint32_t dimension = (uint32_t)(case_random(c) % VITA_MAX_RANK);

	switch (case_random(c) % 12) {
	case 0: t->struct_size = (uint32_t)number; break;
	case 1: t->dtype = (uint32_t)(case_random(c) % 14); break;
	case 2: t->rank = (uint32_t)number; break;
	case 3: t->rank = (uint32_t)(case_random(c) % 5); break;
	case 4: t->shape[dimension] = number; break;
	case 5: t->shape[dimension] = plus(t->shape[dimension], case_random(c) % 5 - 2); break;
	case 6: t->stride[dimension] = number; break;
	case 7: t->stride[dimension] = t->stride[dimension] == INT64_MIN ? 0 : -t->stride[dimension]; break;
	case 8: t->stride[dimension] = plus(t->stride[dimension], case_random(c) % 17 - 8); break;
	case 9: t->offset = (uint64_t)number; break;
	case 10: t->offset += case_random(c) % 17; break;
	default: t->buffer = NULL; break;
	}
}

/* Any 32 or 64 bits of the params, its struct_size among them. */
static void spoil_params(placed_op *placed, op_case *c)
{
	unsigned char *at = (unsigned char *)&placed->params;
	int64_t number = odd_number(c);
	uint32_t half = (uint32_t)number;

	at += case_random(c) % (sizeof placed->params / 8) * 8;
	if (case_random(c) % 2)
		memcpy(at, &number, sizeof number);
	else
		memcpy(at + case_random(c) % 2 * 4, &half, sizeof half);
}

static void spoil(placed_op *placed, op_case *c)
{
	uint32_t i = (uint32_t)(case_random(c) % VITA_OP_MAX_INPUTS),
		 o = (uint32_t)(case_random(c) % VITA_OP_MAX_OUTPUTS);

	switch (case_random(c) % 16) {
	case 0: placed->op.n_inputs = (uint32_t)odd_number(c); break;
	case 1: placed->op.n_outputs = (uint32_t)odd_number(c); break;
	case 2: placed->op.input[i] = NULL; break;
	case 3: placed->op.output[o] = NULL; break;
	case 4: placed->op.params = NULL; break;
	case 5: placed->op.struct_size = (uint32_t)odd_number(c); break;
	case 6: placed->op.input[i] = &placed->output[0]; break; /* where nothing may be shared */
	case 7:
	case 8:
	case 9: spoil_params(placed, c); break;
	case 10:
	case 11:
	case 12:
		spoil_tensor(&placed->output[o % (placed->op.n_outputs ? placed->op.n_outputs : 1) % 2], c);
		break;
	default:
		spoil_tensor(&placed->input[i % (placed->op.n_inputs ? placed->op.n_inputs : 1) % 8], c);
		break;
	}
}

static void tamper(placed_op *placed, op_case *c)
{
	for (uint64_t times = 1 + case_random(c) % 3; times > 0; times--) spoil(placed, c);
}

/* How many of the cases were refused; each with a sentence that names the backend's view of it. */
static int64_t harass(const test_device *device, uint32_t code, uint64_t seed, int64_t cases, int *failed)
{
	int64_t refused = 0;

	for (int64_t i = 0; i < cases; i++) {
		vita_error err;
		vita_status status;
		op_case c;
		memset(&err, 0, sizeof err);
		if (!case_make(&c, code, seed + (uint64_t)i, CASE_DEVICE)) {
			*failed = 1;
			case_free(&c);
			continue;
		}
		status = run_hostile_case(device, &c, tamper, &err);
		refused += status != VITA_OK;
		if (status > 0 || (status < 0 && err.message[0] == 0)) {
			printf("%s, seed %llu: status %d, \"%s\"\n", c.name, (unsigned long long)c.seed,
			       (int)status, err.message);
			*failed = 1;
		}
		case_free(&c);
	}
	return refused;
}

static int harass_backend(const char *name, const char *op, uint64_t seed, int64_t cases)
{
	test_device device;
	char why[1024];
	int64_t refused = 0, all = 0;
	int failed = 0;

	if (!test_device_open(&device, name, "", 0, why)) {
		printf("%s is left out: %s\n", name, why);
		test_device_close(&device);
		return 77;
	}
	for (uint32_t code = 0; code < VITA_OP_COUNT; code++) {
		if (!case_op_name(code) || (op && strcmp(op, case_op_name(code)) != 0)) continue;
		refused += harass(&device, code, seed, cases, &failed);
		all += cases;
	}
	printf("%s: %lld of %lld spoilt ops refused\n", name, (long long)refused, (long long)all);
	test_device_close(&device);
	return failed || refused == 0;
}

int main(int argc, char **argv)
{
	const char *op = NULL;
	uint64_t seed = 1;
	int64_t cases = 200;
	int option;

	while ((option = getopt(argc, argv, "n:s:o:")) != -1) {
		switch (option) {
		case 'n': cases = strtoll(optarg, NULL, 10); break;
		case 's': seed = strtoull(optarg, NULL, 10); break;
		case 'o': op = optarg; break;
		default: return 2;
		}
	}
	return harass_backend(optind < argc ? argv[optind] : "reference", op, seed, cases);
}
