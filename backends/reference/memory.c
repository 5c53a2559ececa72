/* SPDX-License-Identifier: MIT
 *
 * Buffers are plain host memory: allocated, or lent by the caller and only pointed to.
 */
#include <stdlib.h>
#include <unistd.h>

#include "reference.h"

#define ALIGNMENT 64u

static uint64_t free_memory(void)
{
#ifdef _SC_AVPHYS_PAGES
	long pages = sysconf(_SC_AVPHYS_PAGES), size = sysconf(_SC_PAGESIZE);
	if (pages > 0 && size > 0) return (uint64_t)pages * (uint64_t)size;
#endif
	return 0;
}

static vita_buffer *make_buffer(vita_error *err)
{
	vita_buffer *buffer = calloc(1, sizeof *buffer);
	if (!buffer) (void)vita_fail(err, VITA_E_NOMEM, "reference: no memory for a buffer's description");
	return buffer;
}

op_memory ref_memory(const vita_buffer *buffer)
{
	return (op_memory){ buffer->bytes, buffer->size, buffer->constant, 0 };
}

vita_status ref_alloc(vita_backend *backend, uint64_t size, vita_buffer **out, vita_error *err)
{
	vita_buffer *buffer;
	uint64_t rounded = size ? (size + (ALIGNMENT - 1)) & ~(uint64_t)(ALIGNMENT - 1) : ALIGNMENT;

	(void)backend;
	if (!out)
		return vita_fail(err, VITA_E_INVALID, "reference: alloc was given nowhere to put the buffer");
	*out = NULL;
	buffer = make_buffer(err);
	if (!buffer) return VITA_E_NOMEM;
	buffer->bytes = size <= PTRDIFF_MAX - ALIGNMENT ? aligned_alloc(ALIGNMENT, (size_t)rounded) : NULL;
	if (!buffer->bytes) {
		free(buffer);
		return vita_fail(err, VITA_E_NOMEM,
		                 "reference: no memory for a buffer of %llu bytes; about %llu MiB are free",
		                 (unsigned long long)size, (unsigned long long)(free_memory() >> 20));
	}
	buffer->size = size;
	buffer->owned = 1;
	*out = buffer;
	return VITA_OK;
}

void ref_free(vita_backend *backend, vita_buffer *buffer)
{
	(void)backend;
	if (!buffer) return;
	if (buffer->owned) free(buffer->bytes);
	free(buffer);
}

vita_status ref_wrap(vita_backend *backend, void *memory, uint64_t size, uint32_t constant, vita_buffer **out,
                     vita_error *err)
{
	static unsigned char nothing; /* what a buffer of 0 bytes points to */
	vita_buffer *buffer;

	(void)backend;
	if (!out)
		return vita_fail(err, VITA_E_INVALID, "reference: wrap was given nowhere to put the buffer");
	*out = NULL;
	if (!memory && size > 0) return vita_fail(err, VITA_E_INVALID, "reference: wrap was given no memory");
	buffer = make_buffer(err);
	if (!buffer) return VITA_E_NOMEM;
	buffer->bytes = memory ? memory : &nothing;
	buffer->size = size;
	buffer->constant = constant != 0;
	*out = buffer;
	return VITA_OK;
}

void *ref_address(vita_backend *backend, vita_buffer *buffer)
{
	(void)backend;
	return buffer ? buffer->bytes : NULL;
}

/* ---- to and from the host -------------------------------------------------------------------------- */

/* Bytes that lie together at the view's end, and how many trailing dimensions they take up. */
static uint32_t together(const vita_tensor *t, int64_t *bytes)
{
	uint32_t trailing = 0;

	*bytes = (int64_t)vita_dtype_bytes(t->dtype);
	if (vita_dtype_block(t->dtype) > 1) {
		*bytes = vita_row_bytes(t->dtype, op_last(t, 0));
		trailing = 1;
	}
	while (trailing < t->rank && (op_last(t, trailing) == 1 || op_step(t, trailing) == *bytes))
		*bytes *= op_last(t, trailing++);
	return trailing;
}

vita_status ref_write(vita_backend *backend, const vita_tensor *target, const void *source, uint64_t size,
                      vita_error *err)
{
	vita_tensor t;
	int64_t bytes, n;
	uint32_t trailing;
	vita_status status =
		op_check_transfer("reference", "write", ref_memory, target, source, size, &t, err);

	(void)backend;
	if (status != VITA_OK || size == 0) return status;
	if (t.buffer->constant)
		return vita_fail(err, VITA_E_INVALID, "reference: write: the buffer is read-only");
	trailing = together(&t, &bytes);
	n = ref_count(&t, trailing);
	for (int64_t i = 0; i < n; i++)
		memcpy(ref_at(&t, trailing, i), (const unsigned char *)source + i * bytes, (size_t)bytes);
	return VITA_OK;
}

vita_status ref_read(vita_backend *backend, const vita_tensor *source, void *target, uint64_t size,
                     vita_error *err)
{
	vita_tensor t;
	int64_t bytes, n;
	uint32_t trailing;
	vita_status status =
		op_check_transfer("reference", "read", ref_memory, source, target, size, &t, err);

	(void)backend;
	if (status != VITA_OK || size == 0) return status;
	trailing = together(&t, &bytes);
	n = ref_count(&t, trailing);
	for (int64_t i = 0; i < n; i++)
		memcpy((unsigned char *)target + i * bytes, ref_at(&t, trailing, i), (size_t)bytes);
	return VITA_OK;
}
