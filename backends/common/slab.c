/* SPDX-License-Identifier: MIT
 *
 * Memory for packed weights. All of a model's lie together in slabs of huge pages: where each had pages of its own, few
 * of them would be huge, and reading stumbles at the end of every small page.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "slab.h"

#define HUGE_PAGE ((size_t)2 << 20)
#define SLAB_BYTES ((size_t)32 << 20)

struct slab {
	struct slab *next;
	unsigned char *memory;
	size_t size, used;
	int users;
};

/* Address space for the slab, from a huge page's beginning on. */
static unsigned char *map_huge(size_t size)
{
	unsigned char *memory = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED) return NULL;
	const size_t before = (HUGE_PAGE - (uintptr_t)memory % HUGE_PAGE) % HUGE_PAGE;
	if (before > 0) (void)munmap(memory, before);
	(void)munmap(memory + before + size, HUGE_PAGE - before);
#ifdef MADV_HUGEPAGE
	(void)madvise(memory + before, size, MADV_HUGEPAGE);
#endif
	return memory + before;
}

static struct slab *add_slab(struct slabs *slabs, size_t least)
{
	struct slab *s = calloc(1, sizeof *s);
	if (!s) return NULL;
	s->size = least <= SLAB_BYTES ? SLAB_BYTES : (least + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
	s->memory = map_huge(s->size);
	if (!s->memory) {
		free(s);
		return NULL;
	}
	s->next = slabs->first;
	slabs->first = s;
	return s;
}

void slabs_open(struct slabs *slabs)
{
	slabs->first = NULL;
	(void)pthread_mutex_init(&slabs->lock, NULL);
}

void slabs_close(struct slabs *slabs)
{
	(void)pthread_mutex_destroy(&slabs->lock);
}

unsigned char *slab_take(struct slabs *slabs, size_t size, struct slab **from)
{
	unsigned char *memory = NULL;
	*from = NULL;
	if (size > SIZE_MAX / 2) return NULL;
	size = (size + 63) / 64 * 64;
	(void)pthread_mutex_lock(&slabs->lock);
	struct slab *s = slabs->first;
	while (s && s->size - s->used < size) s = s->next;
	if (!s) s = add_slab(slabs, size);
	if (s) {
		memory = s->memory + s->used;
		s->used += size;
		s->users++;
		*from = s;
	}
	(void)pthread_mutex_unlock(&slabs->lock);
	return memory;
}

void slab_give_back(struct slabs *slabs, struct slab *slab)
{
	(void)pthread_mutex_lock(&slabs->lock);
	if (--slab->users == 0) {
		struct slab **at = &slabs->first;
		while (*at != slab) at = &(*at)->next;
		*at = slab->next;
		(void)munmap(slab->memory, slab->size);
		free(slab);
	}
	(void)pthread_mutex_unlock(&slabs->lock);
}
