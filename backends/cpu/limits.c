/* SPDX-License-Identifier: MIT
 *
 * How many processors this process may use; see limits.h.
 */
#include <config.h> /* for sched_getaffinity */

#include "limits.h"

#include <ctype.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UNLIMITED (1 << 20)

static int whole_cpus(long long quota, long long period)
{
	if (quota <= 0 || period <= 0) return UNLIMITED;
	const long long cpus = (quota - 1) / period + 1;
	return cpus < UNLIMITED ? (int)cpus : UNLIMITED;
}

/* The first number of a file; 0 where there is none. */
static long long number_in(const char *folder, const char *name)
{
	char path[PATH_MAX];
	long long value = 0;
	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *f = fopen(path, "re");
	if (!f) return 0;
	if (fscanf(f, "%lld", &value) != 1) value = 0;
	(void)fclose(f);
	return value;
}

/* cgroup 2: cpu.max says "quota period" or "max period". cgroup 1 has a file for each. */
static int quota_in(const char *folder)
{
	char path[PATH_MAX];
	long long quota = 0, period = 0;
	(void)snprintf(path, sizeof path, "%s/cpu.max", folder);
	FILE *f = fopen(path, "re");
	if (!f) return whole_cpus(number_in(folder, "cpu.cfs_quota_us"), number_in(folder, "cpu.cfs_period_us"));
	if (fscanf(f, "%lld %lld", &quota, &period) != 2) quota = 0;
	(void)fclose(f);
	return whole_cpus(quota, period);
}

/* The least of a group and the groups that it is in, up to the root of the hierarchy. */
static int quota_of(const char *root, const char *group)
{
	char folder[PATH_MAX];
	int least = UNLIMITED;
	if (snprintf(folder, sizeof folder, "%s%s", root, group) >= (int)sizeof folder) return least;
	for (;;) {
		const int quota = quota_in(folder);
		if (quota < least) least = quota;
		char *end = strrchr(folder, '/');
		if (!end || (size_t)(end - folder) < strlen(root)) return least;
		*end = 0;
	}
}

/* Does a comma-separated list have this word? */
static int lists(const char *list, const char *word)
{
	const size_t n = strlen(word);
	for (;;) {
		const size_t length = strcspn(list, ",");
		if (length == n && strncmp(list, word, n) == 0) return 1;
		if (!list[length]) return 0;
		list += length + 1;
	}
}

int cpu_quota(const char *proc_cgroup, const char *sysfs)
{
	char line[PATH_MAX], root[PATH_MAX];
	int least = UNLIMITED;
	FILE *f = fopen(proc_cgroup, "re");
	/* "0::/group" in cgroup 2, "4:cpu,cpuacct:/group" in cgroup 1 */
	while (f && fgets(line, sizeof line, f)) {
		char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
		if (!group) continue;
		*group++ = 0;
		controllers++;
		group[strcspn(group, "\n")] = 0;
		if (*controllers && !lists(controllers, "cpu")) continue;
		if (snprintf(root, sizeof root, "%s%s", sysfs, *controllers ? "/cpu" : "") >= (int)sizeof root) continue;
		/* in a container the path may be the host's, and what is mounted the group itself */
		const int quota = quota_of(root, group), here = quota_in(root);
		if (quota < least) least = quota;
		if (here < least) least = here;
	}
	if (f) (void)fclose(f);
	return least;
}

int cpu_limit(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	const char *omp = getenv("OMP_NUM_THREADS");
#ifdef CPU_COUNT
	cpu_set_t set;
	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof set, &set) == 0) n = CPU_COUNT(&set);
#endif
	const int quota = cpu_quota("/proc/self/cgroup", "/sys/fs/cgroup");
	if (n > quota) n = quota;
	if (omp && isdigit((unsigned char)*omp)) {
		const long wanted = strtol(omp, NULL, 10);
		if (wanted > 0 && wanted < n) n = wanted;
	}
	return n < 1 ? 1 : n > CPU_MOST_THREADS ? CPU_MOST_THREADS : (int)n;
}
