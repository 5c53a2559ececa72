/* SPDX-License-Identifier: MIT
 *
 * The check before loading: how much a model takes in each type, and what is said where it is too much.
 */
#include "engine/fit.h"

#include "files_support.h"

static vita_model *open_shape(const char *shape)
{
	vita_model *model;
	vita_error err;
	assert_ok(vita_model_open(shape, VITA_MODEL_WANT_CONFIG | VITA_MODEL_WANT_TENSORS, &model, &err), &err);
	return model;
}

/* 7.6 billion parameters are 15 GB in bf16; blocks take 8.5 and 4.5 bits a value. */
static void test_sizes(void **state)
{
	vita_model *model = open_shape("synthetic:qwen2.5-7b:bf16");
	(void)state;
	const double bf16 = vita_weight_bytes(model, VITA_DTYPE_NONE);
	assert_true(bf16 > 15.2e9 && bf16 < 15.3e9);
	assert_true(vita_weight_bytes(model, VITA_BF16) == bf16);
	const double q8_0 = vita_weight_bytes(model, VITA_Q8_0) / bf16, q4_0 = vita_weight_bytes(model, VITA_Q4_0) / bf16;
	assert_true(q8_0 > 8.5 / 16 && q8_0 < 8.52 / 16);
	assert_true(q4_0 > 4.5 / 16 && q4_0 < 4.52 / 16);
	vita_model_close(model);
}

static void test_what_fits(void **state)
{
	vita_model *model = open_shape("synthetic:qwen2.5-7b:bf16");
	vita_error err;
	(void)state;
	assert_ok(vita_check_fit(model, NULL, 16e9, &err), &err);
	assert_ok(vita_check_fit(model, "", 16e9, &err), &err);
	assert_ok(vita_check_fit(model, "as-is", 16e9, &err), &err);
	assert_ok(vita_check_fit(model, "q4_0", 5e9, &err), &err);
	assert_failure(vita_check_fit(model, "f32", 16e9, &err), VITA_E_NOMEM, &err,
	               "synthetic:qwen2.5-7b:bf16: its weights take 30.5 GB and 16.0 GB of memory are free; with llm.dtype = q8_0 "
	               "they would take 8.1 GB");
	vita_model_close(model);
}

/* The largest type that leaves some room is the one that is named. */
static void test_what_would_fit(void **state)
{
	static const struct {
		double left;
		const char *said;
	} cases[] = {
		{ 15e9, "with llm.dtype = q8_0 they would take 8.1 GB" },
		{ 8e9, "with llm.dtype = q6_k they would take 6.2 GB" },
		{ 6e9, "with llm.dtype = q4_1 they would take 4.8 GB" },
		{ 5e9, "with llm.dtype = q4_k they would take 4.3 GB" },
		{ 4.5e9, "even as q4_0 they would take 4.3 GB, which leaves too little for caches" },
		{ 4e9, "even as q4_0 they would take 4.3 GB" },
		{ 0, "even as q4_0" },
	};
	vita_model *model = open_shape("synthetic:qwen2.5-7b:bf16");
	vita_error err;
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_failure(vita_check_fit(model, "as-is", cases[i].left, &err), VITA_E_NOMEM, &err, cases[i].said);
	vita_model_close(model);
}

/* What the system says is between what a test takes and what machines have. */
static void test_memory_left(void **state)
{
	(void)state;
	const double left = vita_memory_left();
	assert_true(left > 1e6);
}

static double group_left(const char *proc_cgroup)
{
	const char *path = in_scratch("proc-self-cgroup");
	put_text(path, proc_cgroup);
	return vita_group_memory_left(path, scratch);
}

static void test_cgroup_2(void **state)
{
	(void)state;
	assert_true(group_left("0::/a/b\n") > 1e299);
	put_in_group("/a/b", "memory.max", "max\n");
	put_in_group("/a/b", "memory.current", "70000000\n");
	assert_true(group_left("0::/a/b\n") > 1e299);
	put_in_group("/a/b", "memory.max", "100000000\n");
	assert_true(group_left("0::/a/b\n") == 30e6);
	/* pages of files are given up, but no more than the limit can be had */
	put_in_group("/a/b", "memory.stat", "anon 5\ninactive_file 20000000\nactive_file 1000000\ntotal_active_file 7\n");
	assert_true(group_left("0::/a/b\n") == 51e6);
	put_in_group("/a/b", "memory.stat", "inactive_file 90000000\n");
	assert_true(group_left("0::/a/b\n") == 100e6);
	put_in_group("/a/b", "memory.stat", "");
	put_in_group("/a/b", "memory.current", "170000000\n");
	assert_true(group_left("0::/a/b\n") == 0);
	put_in_group("/a/b", "memory.current", "0\n");
	put_in_group("/a", "memory.max", "50000000\n"); /* the group around it has less */
	put_in_group("/a", "memory.current", "10000000\n");
	assert_true(group_left("0::/a/b\n") == 40e6);
	assert_true(group_left("0::/\n") > 1e299);
}

/* In a container the group's path is the host's, but what is mounted is the group. */
static void test_group_of_a_container(void **state)
{
	(void)state;
	put_in_group("", "memory.max", "100000000\n");
	put_in_group("", "memory.current", "1000000\n");
	assert_true(group_left("0::/system.slice/docker-1234.scope\n") == 99e6);
}

static void test_cgroup_1(void **state)
{
	(void)state;
	put_in_group("/memory/job", "memory.limit_in_bytes", "9223372036854771712\n"); /* none */
	put_in_group("/memory/job", "memory.usage_in_bytes", "30000000\n");
	assert_true(group_left("5:cpu:/job\n9:memory:/job\n") > 9e18);
	put_in_group("/memory/job", "memory.limit_in_bytes", "150000000\n");
	assert_true(group_left("5:cpu:/job\n9:memory:/job\n") == 120e6);
	put_in_group("/memory/job", "memory.stat", "inactive_file 1\ntotal_inactive_file 8000000\n");
	assert_true(group_left("9:memory:/job\n") == 128e6);
	assert_true(group_left("9:cpu:/job\n") > 1e299);
	put_in_group("/cpu,memory/job", "memory.limit_in_bytes", "70000000\n");
	put_in_group("/cpu,memory/job", "memory.usage_in_bytes", "20000000\n");
	assert_true(group_left("5:cpu,memory:/job\n") == 50e6);
	assert_true(group_left("5:cpu,memory2:/job\n") > 1e299);
}

static void test_odd_groups(void **state)
{
	static const char *const odd[] = { "", "\n", "x\n" };
	(void)state;
	assert_true(vita_group_memory_left(in_scratch("nowhere"), scratch) > 1e299);
	assert_true(group_left("") > 1e299);
	assert_true(group_left("nonsense\n:\n::\n") > 1e299);
	put_in_group("/a", "memory.current", "1\n");
	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
		put_in_group("/a", "memory.max", odd[i]);
		assert_true(group_left("0::/a\n") > 1e299);
	}
}

int main(void)
{
#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, setup_directory, teardown_directory)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_what_fits),
		cmocka_unit_test(test_what_would_fit),
		cmocka_unit_test(test_memory_left),
		IN_DIRECTORY(test_cgroup_2),
		IN_DIRECTORY(test_group_of_a_container),
		IN_DIRECTORY(test_cgroup_1),
		IN_DIRECTORY(test_odd_groups),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
