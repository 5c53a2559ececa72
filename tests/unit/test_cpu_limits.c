/* SPDX-License-Identifier: MIT
 *
 * How many threads the cpu backend takes by itself: cgroups of both versions, affinity and OMP_NUM_THREADS.
 */
#include <config.h> /* for sched_setaffinity */

#include <sched.h>

#include "files_support.h"
#include "backends/cpu/limits.h"

static const int unlimited = 1 << 20;

static int quota(const char *proc_cgroup)
{
	const char *path = in_scratch("proc-self-cgroup");
	put_text(path, proc_cgroup);
	return cpu_quota(path, scratch);
}

static void test_cgroup_2(void **state)
{
	(void)state;
	assert_int_equal(quota("0::/a/b\n"), unlimited);
	put_in_group("/a/b", "cpu.max", "max 100000\n");
	assert_int_equal(quota("0::/a/b\n"), unlimited);
	put_in_group("/a/b", "cpu.max", "300000 100000\n");
	assert_int_equal(quota("0::/a/b\n"), 3);
	put_in_group("/a/b", "cpu.max", "50000 100000\n"); /* half a processor is one thread */
	assert_int_equal(quota("0::/a/b\n"), 1);
	put_in_group("/a/b", "cpu.max", "250000 100000\n");
	assert_int_equal(quota("0::/a/b\n"), 3);
	put_in_group("/a", "cpu.max", "200000 100000\n"); /* the group around it has less */
	assert_int_equal(quota("0::/a/b\n"), 2);
	assert_int_equal(quota("0::/\n"), unlimited);
}

/* In a container the group's path is the host's, but what is mounted is the group. */
static void test_group_of_a_container(void **state)
{
	(void)state;
	put_in_group("", "cpu.max", "400000 100000\n");
	assert_int_equal(quota("0::/system.slice/docker-1234.scope\n"), 4);
}

static void test_cgroup_1(void **state)
{
	(void)state;
	put_in_group("/cpu/job", "cpu.cfs_quota_us", "-1\n");
	put_in_group("/cpu/job", "cpu.cfs_period_us", "100000\n");
	assert_int_equal(quota("5:memory:/job\n4:cpuacct,cpu:/job\n"), unlimited);
	put_in_group("/cpu/job", "cpu.cfs_quota_us", "150000\n");
	assert_int_equal(quota("5:memory:/job\n4:cpuacct,cpu:/job\n"), 2);
	assert_int_equal(quota("5:memory:/job\n4:cpuset:/job\n"), unlimited);
}

static void test_odd_files(void **state)
{
	static const char *const odd[] = { "", "\n", "x y\n", "0 0\n", "-5 100000\n", "100000\n", "100000 0\n", "100000 -1\n" };
	(void)state;
	assert_int_equal(cpu_quota(in_scratch("nowhere"), scratch), unlimited);
	assert_int_equal(quota(""), unlimited);
	assert_int_equal(quota("nonsense\n:\n::\n"), unlimited);
	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
		put_in_group("/a", "cpu.max", odd[i]);
		assert_int_equal(quota("0::/a\n"), unlimited);
	}
	put_in_group("/a", "cpu.max", "9223372036854775807 1\n");
	assert_int_equal(quota("0::/a\n"), unlimited);
}

/* Whatever this machine has, one processor is one thread, and OMP_NUM_THREADS only ever lowers the number. */
static void test_affinity_and_environment(void **state)
{
	cpu_set_t before, one;
	int first = 0;
	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
	assert_int_equal(unsetenv("OMP_NUM_THREADS"), 0);
	const int all = cpu_limit();
	assert_in_range(all, 1, CPU_COUNT(&before));
	while (!CPU_ISSET(first, &before)) first++;
	CPU_ZERO(&one);
	CPU_SET(first, &one);
	assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
	assert_int_equal(cpu_limit(), 1);
	assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
	assert_int_equal(cpu_limit(), all);
	static const char *const ignored[] = { "", "0", "-1", "many", "100000" };
	for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) {
		assert_int_equal(setenv("OMP_NUM_THREADS", ignored[i], 1), 0);
		assert_int_equal(cpu_limit(), all);
	}
	assert_int_equal(setenv("OMP_NUM_THREADS", "1,2", 1), 0); /* nested levels; the first is what counts here */
	assert_int_equal(cpu_limit(), 1);
}

int main(void)
{
#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, setup_directory, teardown_directory)
	const struct CMUnitTest tests[] = {
		IN_DIRECTORY(test_cgroup_2),
		IN_DIRECTORY(test_group_of_a_container),
		IN_DIRECTORY(test_cgroup_1),
		IN_DIRECTORY(test_odd_files),
		cmocka_unit_test(test_affinity_and_environment),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
