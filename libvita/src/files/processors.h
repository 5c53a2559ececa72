/* SPDX-License-Identifier: MIT
 *
 * How many threads libvita's own work with large matrices may use: converting and making weights.
 */
#ifndef VITA_FILES_PROCESSORS_H
#define VITA_FILES_PROCESSORS_H

#include <stdint.h>

#define VITA_MOST_PROCESSORS 64

/* 1 to VITA_MOST_PROCESSORS: affinity, OMP_NUM_THREADS and most, whichever is least; a most of 0 is no limit. */
int64_t vita_processors(int64_t most);

#endif
