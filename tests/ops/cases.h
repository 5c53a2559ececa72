/* SPDX-License-Identifier: MIT
 *
 * Random cases of ops: shapes, types, strides, optional inputs, in place or not. The same seed always gives
 * the same case.
 */
#ifndef TEST_CASES_H
#define TEST_CASES_H

#include <vita/record.h>

#define CASE_STORES (VITA_OP_MAX_INPUTS + VITA_OP_MAX_OUTPUTS)

/* How far apart two right answers may be. Sums in another order differ more than single values do, and a
 * backend may multiply in the weights' own precision; the definition itself is held to much less. */
typedef enum case_strictness { CASE_DEVICE, CASE_EXACT } case_strictness;

typedef union case_params {
	vita_matmul_params matmul;
	vita_norm_params norm;
	vita_rope_params rope;
	vita_attention_params attention;
	vita_unary_params unary;
	vita_kind_params kind;
	vita_affine_params affine;
	vita_conv_params conv;
	vita_pool_params pool;
} case_params;

typedef struct op_case {
	uint64_t seed;   /* that of this case */
	uint64_t random; /* state of the generator */
	case_strictness strictness;
	int contiguous_rows; /* layouts leave no gaps within rows even where the op takes any strides */
	const char *name;    /* "MATMUL" */
	char params_text[160];
	vita_op op; /* points to the members below; buffers are NULL */
	vita_tensor input[VITA_OP_MAX_INPUTS];
	vita_tensor output[VITA_OP_MAX_OUTPUTS];
	uint32_t input_store[VITA_OP_MAX_INPUTS], output_store[VITA_OP_MAX_OUTPUTS];
	case_params params;
	uint32_t n_stores;
	unsigned char *store[CASE_STORES]; /* what a buffer holds before the op; gaps are full of 0xff, NaN */
	uint64_t store_size[CASE_STORES];
	/* |found - expected| <= relative · |expected| + absolute · (scale + largest |expected|) */
	double relative, absolute, scale;
} op_case;

/* 0 where memory is out or there is no such op; free it in any case. */
int case_make(op_case *c, uint32_t code, uint64_t seed, case_strictness strictness);
void case_free(op_case *c);
uint64_t case_random(op_case *c); /* the next number of the case's own generator */
const char *case_op_name(uint32_t code);
void case_print(const op_case *c);

#endif
