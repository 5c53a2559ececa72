/* SPDX-License-Identifier: MIT
 *
 * Memory of the cpu backend: plain buffers, wrapped pages, and weights packed on loading.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <vita/blocks.h>

#include "ops.h"

#define LARGE (2u << 20) /* from here on memory is mapped by itself, in huge pages where there are any */

static vita_status out_of_memory(uint64_t size, vita_error *err)
{
	long pages = sysconf(_SC_AVPHYS_PAGES), page = sysconf(_SC_PAGESIZE);
	return vita_fail(err, VITA_E_NOMEM, "cpu: %.1f MiB of memory were asked for, %.1f MiB are free",
	                 (double)size / 1048576, (double)pages * (double)page / 1048576);
}

vita_status cpu_alloc(vita_backend *backend, uint64_t size, vita_buffer **out, vita_error *err)
{
	vita_buffer *buffer = calloc(1, sizeof *buffer);
	(void)backend;
	*out = NULL;
	if (!buffer || size > SIZE_MAX - LARGE) {
		free(buffer);
		return out_of_memory(size, err);
	}
	buffer->size = size;
	buffer->packed_dtype = VITA_DTYPE_NONE;
	buffer->owned = true;
	if (size >= LARGE) {
		void *memory = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (memory != MAP_FAILED) {
			buffer->memory = memory;
			buffer->mapped = (size_t)size;
#ifdef MADV_HUGEPAGE
			(void)madvise(memory, (size_t)size, MADV_HUGEPAGE);
#endif
		}
	} else {
		void *memory = NULL;
		if (posix_memalign(&memory, 64, size ? (size_t)size : 64) == 0) buffer->memory = memory;
	}
	if (!buffer->memory) {
		free(buffer);
		return out_of_memory(size, err);
	}
	*out = buffer;
	return VITA_OK;
}

void cpu_free(vita_backend *backend, vita_buffer *buffer)
{
	(void)backend;
	if (!buffer) return;
	if (buffer->mapped) (void)munmap(buffer->memory, buffer->mapped);
	else if (buffer->owned) free(buffer->memory);
	free(buffer);
}

vita_status cpu_wrap(vita_backend *backend, void *memory, uint64_t size, uint32_t constant, vita_buffer **out,
                     vita_error *err)
{
	vita_buffer *buffer = calloc(1, sizeof *buffer);
	(void)backend;
	*out = NULL;
	if (!buffer) return out_of_memory(sizeof *buffer, err);
	buffer->memory = memory;
	buffer->size = size;
	buffer->constant = constant != 0;
	buffer->packed_dtype = VITA_DTYPE_NONE;
	*out = buffer;
	return VITA_OK;
}

void *cpu_address(vita_backend *backend, vita_buffer *buffer)
{
	(void)backend;
	return buffer->packed_dtype == VITA_DTYPE_NONE ? buffer->memory : NULL;
}

/* Weights in a block type are packed; everything else is left to the host, which wraps mapped pages. */
vita_status cpu_load(vita_backend *backend, const vita_array *source, uint32_t dtype, vita_tensor *out, vita_error *err)
{
	int64_t rows = source->shape[0], columns = source->shape[1];
	if (source->rank != 2 || source->dtype != dtype || rows < 1 || packed_tile_bytes(dtype, columns) == 0)
		return vita_fail(err, VITA_E_UNSUPPORTED, "cpu: only weight matrices in block types are packed");
	int64_t tiles = (rows + TILE - 1) / TILE, bytes = packed_tile_bytes(dtype, columns);
	int64_t row_bytes = vita_row_bytes(dtype, columns);
	vita_buffer *buffer;
	vita_status status = cpu_alloc(backend, (uint64_t)(tiles * bytes), &buffer, err);
	if (status != VITA_OK) return status;
	buffer->packed_dtype = dtype;
	buffer->rows = rows;
	buffer->columns = columns;
	PARALLEL(for num_threads(backend->threads) schedule(static))
	for (int64_t t = 0; t < tiles; t++) {
		int64_t left = rows - t * TILE;
		pack_tile(dtype, (const unsigned char *)source->data + t * TILE * row_bytes, left < TILE ? (int)left : TILE,
		          columns, buffer->memory + t * bytes);
	}
	VITA_INIT(out);
	out->dtype = dtype;
	out->rank = 2;
	out->buffer = buffer;
	out->shape[0] = rows, out->shape[1] = columns, out->shape[2] = out->shape[3] = 1;
	out->stride[0] = row_bytes, out->stride[1] = (int64_t)vita_dtype_bytes(dtype);
	return VITA_OK;
}

/* ---- host memory to and from views ------------------------------------------------------------------ */

/* One row of a view to or from dense memory. */
static void copy_row(const vita_tensor *t, unsigned char *row, unsigned char *dense, bool to_view)
{
	int64_t size = vita_dtype_bytes(t->dtype), n = t->shape[t->rank - 1], stride = t->stride[t->rank - 1];
	if (stride == size || vita_dtype_block(t->dtype) > 1) {
		memcpy(to_view ? row : dense, to_view ? dense : row, (size_t)vita_row_bytes(t->dtype, n));
		return;
	}
	for (int64_t i = 0; i < n; i++, row += stride, dense += size)
		memcpy(to_view ? row : dense, to_view ? dense : row, (size_t)size);
}

/* Bytes of the dense form; 0 with *ok = false where the shape does not make sense. */
static uint64_t dense_bytes(const vita_tensor *t, bool *ok)
{
	int64_t row = t->rank >= 1 && t->rank <= VITA_MAX_RANK ? vita_row_bytes(t->dtype, t->shape[t->rank - 1]) : -1;
	uint64_t bytes = row < 0 ? 0 : (uint64_t)row;
	*ok = row >= 0 && t->buffer;
	for (uint32_t i = 0; *ok && i + 1 < t->rank; i++) {
		if (t->shape[i] < 0 || (bytes && (uint64_t)t->shape[i] > UINT64_MAX / bytes)) *ok = false;
		else bytes *= (uint64_t)t->shape[i];
	}
	return bytes;
}

static vita_status transfer(const vita_tensor *t, void *dense, uint64_t size, bool to_view, vita_error *err)
{
	bool ok;
	uint64_t bytes = dense_bytes(t, &ok);
	if (!ok || bytes != size)
		return vita_fail(err, VITA_E_SHAPE, "cpu: %llu bytes were given for a view of %llu",
		                 (unsigned long long)size, (unsigned long long)bytes);
	if (bytes == 0) return VITA_OK;
	int64_t rows = n_rows(t), row_bytes = vita_row_bytes(t->dtype, t->shape[t->rank - 1]);
	for (int64_t i = 0; i < rows; i++) copy_row(t, row_at(t, i), (unsigned char *)dense + i * row_bytes, to_view);
	return VITA_OK;
}

vita_status cpu_write(vita_backend *backend, const vita_tensor *target, const void *source, uint64_t size,
                      vita_error *err)
{
	(void)backend;
	if (target->buffer && (target->buffer->constant || target->buffer->packed_dtype != VITA_DTYPE_NONE))
		return vita_fail(err, VITA_E_INVALID, "cpu: weights cannot be written");
	return transfer(target, (void *)(uintptr_t)source, size, true, err);
}

vita_status cpu_read(vita_backend *backend, const vita_tensor *source, void *target, uint64_t size, vita_error *err)
{
	const vita_buffer *b = source->buffer;
	(void)backend;
	if (!b || b->packed_dtype == VITA_DTYPE_NONE) return transfer(source, target, size, false, err);
	int64_t row_bytes = vita_row_bytes(source->dtype, b->columns), first = (int64_t)source->offset / row_bytes;
	if (source->rank != 2 || source->shape[1] != b->columns || source->stride[0] != row_bytes || first < 0 ||
	    source->shape[0] > b->rows - first || size != (uint64_t)(source->shape[0] * row_bytes))
		return vita_fail(err, VITA_E_SHAPE, "cpu: packed weights are read by whole rows");
	int64_t bytes = packed_tile_bytes(source->dtype, b->columns);
	for (int64_t i = 0; i < source->shape[0]; i++)
		unpack_row(source->dtype, b->memory + (first + i) / TILE * bytes, (int)((first + i) % TILE), b->columns,
		           (unsigned char *)target + i * row_bytes);
	return VITA_OK;
}
