/* SPDX-License-Identifier: MIT
 *
 * Control groups of both versions: what a container or a service may still take.
 */
#include "engine/fit.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define UNLIMITED 1e300

/* What a version calls its files, and within memory.stat the pages of files, which are given up when they are in the way:
 * those of a model that was read before must not count against it. */
static const struct version {
	const char *limit, *used, *files[2];
} versions[] = {
	{ "memory.max", "memory.current", { "inactive_file", "active_file" } },
	{ "memory.limit_in_bytes", "memory.usage_in_bytes", { "total_inactive_file", "total_active_file" } },
};

static FILE *open_in(const char *folder, const char *name)
{
	char path[PATH_MAX];
	return snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path ? fopen(path, "re") : NULL;
}

/* The number in a file; -1 where there is none ("max"). */
static double number_in(const char *folder, const char *name)
{
	FILE *f = open_in(folder, name);
	unsigned long long value;
	const int known = f && fscanf(f, "%llu", &value) == 1;
	if (f) (void)fclose(f);
	return known ? (double)value : -1;
}

static double pages_of_files(const char *folder, const struct version *v)
{
	FILE *f = open_in(folder, "memory.stat");
	char line[128], name[128];
	unsigned long long value;
	double bytes = 0;
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "%127s %llu", name, &value) == 2 &&
		    (strcmp(name, v->files[0]) == 0 || strcmp(name, v->files[1]) == 0))
			bytes += (double)value;
	if (f) (void)fclose(f);
	return bytes;
}

static double left_in(const char *folder)
{
	double least = UNLIMITED;
	for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
		const struct version *v = &versions[i];
		const double limit = number_in(folder, v->limit), used = number_in(folder, v->used);
		if (limit < 0 || used < 0) continue;
		double left = limit - used + pages_of_files(folder, v);
		if (left > limit) left = limit;
		if (left < 0) left = 0;
		if (left < least) least = left;
	}
	return least;
}

/* The least of a group and the groups that it is in, up to the root of the hierarchy. */
static double left_up_from(const char *root, const char *group)
{
	char folder[PATH_MAX];
	double least = UNLIMITED;
	if (snprintf(folder, sizeof folder, "%s%s", root, group) >= (int)sizeof folder) return least;
	for (;;) {
		const double left = left_in(folder);
		if (left < least) least = left;
		char *end = strrchr(folder, '/');
		if (!end || (size_t)(end - folder) < strlen(root)) return least;
		*end = '\0';
	}
}

/* Is memory one of the controllers, "cpu,memory"? */
static bool names_memory(const char *controllers)
{
	static const char memory[] = "memory";
	for (const char *at = controllers;; at++) {
		size_t n = strcspn(at, ",");
		if (n == sizeof memory - 1 && memcmp(at, memory, n) == 0) return true;
		at += n;
		if (*at == '\0') return false;
	}
}

double vita_group_memory_left(const char *proc_cgroup, const char *sysfs)
{
	char line[PATH_MAX], root[PATH_MAX];
	double least = UNLIMITED;
	FILE *f = fopen(proc_cgroup, "re");
	/* "0::/group" in version 2, "9:memory:/group" in version 1, whose hierarchies are mounted under their controllers */
	while (f && fgets(line, sizeof line, f)) {
		char *controller = strchr(line, ':'), *group = controller ? strchr(controller + 1, ':') : NULL;
		if (!group) continue;
		*group++ = '\0';
		controller++;
		group[strcspn(group, "\n")] = '\0';
		if (*controller && !names_memory(controller)) continue;
		if (snprintf(root, sizeof root, "%s%s%s", sysfs, *controller ? "/" : "", controller) >= (int)sizeof root) continue;
		/* in a container the path may be the host's, and what is mounted the group itself */
		const double left = left_up_from(root, group), here = left_in(root);
		if (left < least) least = left;
		if (here < least) least = here;
	}
	if (f) (void)fclose(f);
	return least;
}
