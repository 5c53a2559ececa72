/* SPDX-License-Identifier: MIT
 *
 * How many processors this process may use.
 */
#ifndef VITA_CPU_LIMITS_H
#define VITA_CPU_LIMITS_H

#define CPU_MOST_THREADS 4096

/* 1 to CPU_MOST_THREADS: affinity, the container's quota (cgroup 1 and 2) and OMP_NUM_THREADS, whichever is least. */
int cpu_limit(void);

/* What the groups that proc_cgroup ("/proc/self/cgroup") names may use, rounded up; a large number where there
 * is no limit. sysfs is where their files are mounted ("/sys/fs/cgroup"). */
int cpu_quota(const char *proc_cgroup, const char *sysfs);

#endif
