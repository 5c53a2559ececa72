/* SPDX-License-Identifier: MIT
 *
 * Memory of the host for packed weights, in large pieces of huge pages. Any thread may call.
 */
#ifndef VITA_SLAB_H
#define VITA_SLAB_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

struct slab;

struct slabs {
	pthread_mutex_t lock;
	struct slab *first;
};

void slabs_open(struct slabs *slabs);
/* When all has been given back. */
void slabs_close(struct slabs *slabs);

/* size bytes on a boundary of 64, zero where nobody had them before; NULL where there is no memory. */
unsigned char *slab_take(struct slabs *slabs, size_t size, struct slab **from);
/* One of those that came from this slab is not used any more; the last one takes the slab with it. */
void slab_give_back(struct slabs *slabs, struct slab *slab);

#endif
