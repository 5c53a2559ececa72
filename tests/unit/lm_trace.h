/* SPDX-License-Identifier: MIT
 *
 * A device that stands in front of another and notes the attention of every layer: how many rows joined the cache (and,
 * all or the last of them, asked), at which positions, and how many it held before. It can also be told to fail.
 */
#ifndef LM_TRACE_H
#define LM_TRACE_H

#include <vita/backend.h>

#define LM_TRACE_MAX 4096
#define LM_TRACE_ROWS 64

typedef struct lm_trace_call {
	int64_t rows, before;
	int32_t positions[LM_TRACE_ROWS]; /* the first ones */
} lm_trace_call;

typedef struct lm_trace {
	vita_device device; /* what to hand out */
	vita_backend_api api;
	const vita_device *inner;
	uint32_t n;
	lm_trace_call call[LM_TRACE_MAX];
	int64_t rows;                     /* of the latest RoPE, which is that of keys */
	int32_t positions[LM_TRACE_ROWS]; /* of that */
	int64_t fail_after;               /* submits that still work; negative: all */
	uint64_t allocated;               /* buffers alive */
	uint64_t submits, reads, waits;
} lm_trace;

void lm_trace_init(lm_trace *trace, const vita_device *inner);

#endif
