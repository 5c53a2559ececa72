/* SPDX-License-Identifier: MIT
 *
 * Processors that may be used; see processors.h.
 */
#include <config.h> /* for sched_getaffinity */

#include "files/processors.h"

#include <ctype.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

int64_t vita_processors(int64_t most)
{
	int64_t n = sysconf(_SC_NPROCESSORS_ONLN);
	const char *omp = getenv("OMP_NUM_THREADS");
#ifdef CPU_COUNT
	cpu_set_t set;
	if (sched_getaffinity(0, sizeof set, &set) == 0) n = CPU_COUNT(&set);
#endif
	if (omp && isdigit((unsigned char)*omp)) {
		const long wanted = strtol(omp, NULL, 10);
		if (wanted > 0 && wanted < n) n = wanted;
	}
	if (most > 0 && most < n) n = most;
	return n < 1 ? 1 : n > VITA_MOST_PROCESSORS ? VITA_MOST_PROCESSORS : n;
}
