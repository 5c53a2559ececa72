/* SPDX-License-Identifier: MIT
 *
 * Working memory of one run: tensors side by side in one device buffer. First all are asked for, then the buffer is
 * made, then each is put into it:
 *
 *   space_begin(s);  a = space_take(s, 2, rows, columns, 0, 0); …  status = space_reserve(s, device, err);
 *   space_put(s, &a); …
 */
#ifndef FLOW_HIFT_SPACE_H
#define FLOW_HIFT_SPACE_H

#include "plugin_memory.h"

#include <vita/record.h>

#define SPACE_ALIGNMENT 256u

typedef struct space {
	device_memory memory;
	uint64_t size; /* asked for so far */
} space;

VITA_UNUSED static inline void space_begin(space *s)
{
	s->size = 0;
}

/* A dense f32 tensor; its buffer comes with space_put. */
VITA_UNUSED static inline vita_tensor space_take(space *s, uint32_t rank, int64_t d0, int64_t d1, int64_t d2, int64_t d3)
{
	vita_tensor t = vita_view(NULL, s->size, VITA_F32, rank, d0, d1, d2, d3);
	uint64_t bytes = sizeof(float);
	for (uint32_t i = 0; i < rank; i++) bytes *= (uint64_t)t.shape[i];
	s->size += (bytes + SPACE_ALIGNMENT - 1) / SPACE_ALIGNMENT * SPACE_ALIGNMENT;
	return t;
}

VITA_UNUSED static inline vita_status space_reserve(space *s, const vita_device *device, vita_error *err)
{
	return device_memory_reserve(device, &s->memory, s->size > 0 ? s->size : 1, err);
}

VITA_UNUSED static inline void space_put(const space *s, vita_tensor *t)
{
	t->buffer = s->memory.buffer;
}

#endif
