/* SPDX-License-Identifier: MIT
 *
 * Memory of the cpu backend: plain buffers, wrapped pages, and weights packed on loading.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cpu.h"

#define LARGE (2u << 20) /* from here on memory is mapped by itself, in huge pages where there are any */

op_memory cpu_memory(const vita_buffer *buffer)
{
	const bool plain = buffer->packed_dtype == VITA_DTYPE_NONE;
	return (op_memory){ plain ? buffer->memory : NULL, buffer->size, buffer->constant, 0 };
}

static vita_status out_of_memory(uint64_t size, vita_error *err)
{
	const long pages = sysconf(_SC_AVPHYS_PAGES), page = sysconf(_SC_PAGESIZE);
	return vita_fail(err, VITA_E_NOMEM, "cpu: %.1f MiB of memory were asked for, %.1f MiB are free",
	                 (double)size / 1048576, (double)pages * (double)page / 1048576);
}

static void *map_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED) return NULL;
#ifdef MADV_HUGEPAGE
	(void)madvise(memory, size, MADV_HUGEPAGE);
#endif
	return memory;
}

vita_status cpu_alloc(vita_backend *backend, uint64_t size, vita_buffer **out, vita_error *err)
{
	vita_buffer *buffer = calloc(1, sizeof *buffer);
	(void)backend;
	*out = NULL;
	if (!buffer || size > PTRDIFF_MAX) {
		free(buffer);
		return out_of_memory(size, err);
	}
	buffer->size = size;
	buffer->packed_dtype = VITA_DTYPE_NONE;
	buffer->owned = true;
	if (size >= LARGE) {
		buffer->memory = map_memory((size_t)size);
		buffer->mapped = (size_t)size;
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
	if (!buffer) return;
	if (buffer->slab) slab_give_back(&backend->slabs, buffer->slab);
	else if (buffer->mapped) (void)munmap(buffer->memory, buffer->mapped);
	else if (buffer->owned) free(buffer->memory);
	free(buffer);
}

vita_status cpu_wrap(vita_backend *backend, void *memory, uint64_t size, uint32_t constant, vita_buffer **out,
                     vita_error *err)
{
	static unsigned char nothing; /* what a buffer of 0 bytes points to */
	(void)backend;
	*out = NULL;
	if (!memory && size > 0) return vita_fail(err, VITA_E_INVALID, "cpu: wrap was given no memory");
	vita_buffer *buffer = calloc(1, sizeof *buffer);
	if (!buffer) return out_of_memory(sizeof *buffer, err);
	buffer->memory = memory ? memory : &nothing;
	buffer->size = size;
	buffer->constant = constant != 0;
	buffer->packed_dtype = VITA_DTYPE_NONE;
	*out = buffer;
	return VITA_OK;
}

void *cpu_address(vita_backend *backend, vita_buffer *buffer)
{
	(void)backend;
	return buffer && buffer->packed_dtype == VITA_DTYPE_NONE ? buffer->memory : NULL;
}

/* ---- packing ------------------------------------------------------------------------------------------- */

struct packing {
	const unsigned char *from;
	unsigned char *to;
	uint32_t dtype;
	int64_t rows, columns;
};

static void pack_tiles(void *work, int thread, int n_threads)
{
	const struct packing *p = work;
	const int64_t tiles = (p->rows + TILE - 1) / TILE, row_bytes = vita_row_bytes(p->dtype, p->columns);
	const int64_t tile_bytes = packed_tile_bytes(p->dtype, p->columns);
	int64_t first, end;
	share(tiles, thread, n_threads, &first, &end);
	for (int64_t t = first; t < end; t++) {
		const int64_t left = p->rows - t * TILE;
		pack_tile(p->dtype, p->from + t * TILE * row_bytes, row_bytes, left < TILE ? (int)left : TILE, p->columns,
		          p->to + t * tile_bytes);
	}
}

/* Weights in a block type are packed; everything else is left to the host, which wraps mapped pages. */
vita_status cpu_load(vita_backend *backend, const vita_array *source, uint32_t dtype, vita_tensor *out, vita_error *err)
{
	VITA_INIT(out);
	if (source->rank != 2 || source->dtype != dtype || source->shape[0] < 1 || source->shape[1] < 1 ||
	    packed_tile_bytes(dtype, source->shape[1]) == 0)
		return vita_fail(err, VITA_E_UNSUPPORTED, "cpu: only weight matrices in block types are packed");
	struct packing p = { source->data, NULL, dtype, source->shape[0], source->shape[1] };
	const int64_t row_bytes = vita_row_bytes(dtype, p.columns), bytes = packed_tile_bytes(dtype, p.columns);
	const int64_t tiles = (p.rows - 1) / TILE + 1;
	if (tiles > INT64_MAX / bytes || p.rows > INT64_MAX / row_bytes ||
	    source->size_bytes < (uint64_t)(p.rows * row_bytes))
		return vita_fail(err, VITA_E_SHAPE, "cpu: a weight of %lld by %lld values is not in %llu bytes",
		                 (long long)p.rows, (long long)p.columns, (unsigned long long)source->size_bytes);
	vita_buffer *buffer = calloc(1, sizeof *buffer);
	if (buffer) p.to = slab_take(&backend->slabs, (size_t)(tiles * bytes), &buffer->slab);
	if (!p.to) {
		free(buffer);
		return out_of_memory((uint64_t)(tiles * bytes), err);
	}
	buffer->memory = p.to;
	planner_run(backend, pack_tiles, &p);
	buffer->size = (uint64_t)(p.rows * row_bytes);
	buffer->packed_dtype = dtype;
	buffer->rows = p.rows;
	buffer->columns = p.columns;
	buffer->constant = true;
	out->dtype = dtype;
	out->rank = 2;
	out->buffer = buffer;
	out->shape[0] = p.rows, out->shape[1] = p.columns, out->shape[2] = out->shape[3] = 1;
	out->stride[0] = row_bytes, out->stride[1] = (int64_t)vita_dtype_bytes(dtype);
	return VITA_OK;
}

/* ---- to and from the host ------------------------------------------------------------------------------ */

/* Bytes that lie together at the view's end, and how many trailing dimensions they take up. */
static uint32_t together(const vita_tensor *t, int64_t *bytes)
{
	uint32_t trailing = 0;
	*bytes = (int64_t)vita_dtype_bytes(t->dtype);
	if (vita_dtype_block(t->dtype) > 1) {
		*bytes = vita_row_bytes(t->dtype, columns_of(t));
		trailing = 1;
	}
	while (trailing < t->rank && (op_last(t, trailing) == 1 || op_step(t, trailing) == *bytes))
		*bytes *= op_last(t, trailing++);
	return trailing;
}

vita_status cpu_write(vita_backend *backend, const vita_tensor *target, const void *source, uint64_t size,
                      vita_error *err)
{
	vita_tensor t;
	int64_t bytes;
	vita_status status = op_check_transfer("cpu", "write", cpu_memory, target, source, size, &t, err);
	(void)backend;
	if (status != VITA_OK || size == 0) return status;
	if (t.buffer->constant) return vita_fail(err, VITA_E_INVALID, "cpu: write: the buffer is read-only");
	const uint32_t trailing = together(&t, &bytes);
	const int64_t n = count_of(&t, trailing);
	for (int64_t i = 0; i < n; i++)
		memcpy(view_at(&t, trailing, i), (const unsigned char *)source + i * bytes, (size_t)bytes);
	return VITA_OK;
}

static vita_status read_packed(const vita_tensor *t, unsigned char *target, vita_error *err)
{
	const vita_buffer *b = t->buffer;
	const int64_t row_bytes = vita_row_bytes(b->packed_dtype, b->columns);
	if (t->rank != 2 || t->dtype != b->packed_dtype || t->shape[1] != b->columns || t->offset % (uint64_t)row_bytes != 0 ||
	    (t->shape[0] > 1 && t->stride[0] != row_bytes))
		return vita_fail(err, VITA_E_SHAPE, "cpu: read: a weight laid out for MATMUL is read by whole rows of %lld values",
		                 (long long)b->columns);
	for (int64_t i = 0; i < t->shape[0]; i++) {
		int in_tile;
		const unsigned char *tile = packed_row(t, i, &in_tile);
		unpack_row(t->dtype, tile, in_tile, b->columns, target + i * row_bytes);
	}
	return VITA_OK;
}

vita_status cpu_read(vita_backend *backend, const vita_tensor *source, void *target, uint64_t size, vita_error *err)
{
	vita_tensor t;
	int64_t bytes;
	vita_status status = op_check_transfer("cpu", "read", cpu_memory, source, target, size, &t, err);
	(void)backend;
	if (status != VITA_OK || size == 0) return status;
	if (is_packed(&t)) return read_packed(&t, target, err);
	const uint32_t trailing = together(&t, &bytes);
	const int64_t n = count_of(&t, trailing);
	for (int64_t i = 0; i < n; i++)
		memcpy((unsigned char *)target + i * bytes, view_at(&t, trailing, i), (size_t)bytes);
	return VITA_OK;
}
