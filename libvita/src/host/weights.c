/* SPDX-License-Identifier: MIT
 *
 * Elements on their way: weights of a model file to a device, tensors from one device to another.
 */
#include <config.h>

#include "files/convert_rows.h"
#include "host/fallback.h"
#include "host/services.h"
#include "host/tensor_bytes.h"

#include <stdlib.h>

#define PIECE_VALUES (INT64_C(1) << 20) /* converted at a time; a multiple of every block */
#define PIECE_BYTES (INT64_C(16) << 20) /* copied at a time */

static const char *name_of(const vita_array *source)
{
	return source->name ? source->name : "a tensor";
}

/* ---- weights --------------------------------------------------------------------------------------- */

static int64_t n_values(const vita_array *source)
{
	int64_t n = 1;
	for (uint32_t i = 0; i < source->rank; i++)
		if (source->shape[i] < 0 || __builtin_mul_overflow(n, source->shape[i], &n)) return -1;
	return n;
}

static vita_status check_source(const vita_array *source, uint32_t dtype, vita_error *err)
{
	int64_t bytes = source->rank <= VITA_MAX_RANK
	                        ? vita_dense_bytes(source->dtype, source->rank, source->shape)
	                        : -1;
	if (bytes < 0 || n_values(source) < 0 || (uint64_t)bytes != source->size_bytes ||
	    (bytes && !source->data))
		return vita_fail(err, VITA_E_SHAPE, "%s: its %llu bytes are not what its shape and type take",
		                 name_of(source), (unsigned long long)source->size_bytes);
	if (vita_dense_bytes(dtype, source->rank, source->shape) < 0)
		return vita_fail(err, VITA_E_SHAPE,
		                 "%s: rows of %lld values cannot be held as %s, whose blocks have %u",
		                 name_of(source),
		                 (long long)(source->rank ? source->shape[source->rank - 1] : 1),
		                 vita_dtype_name(dtype), vita_dtype_block(dtype));
	return VITA_OK;
}

/* A dense tensor at the start of a buffer; one element is a row of one. */
static vita_tensor dense_tensor(const vita_array *source, uint32_t dtype, vita_buffer *buffer)
{
	vita_tensor t;
	VITA_INIT(&t);
	t.dtype = dtype;
	t.rank = source->rank ? source->rank : 1;
	t.buffer = buffer;
	for (uint32_t i = 0; i < VITA_MAX_RANK; i++) t.shape[i] = i < source->rank ? source->shape[i] : 1;
	t.stride[t.rank - 1] = (int64_t)vita_dtype_bytes(dtype);
	for (uint32_t i = t.rank - 1; i-- > 0;)
		t.stride[i] = vita_dense_bytes(dtype, t.rank - 1 - i, t.shape + i + 1);
	return t;
}

/* The mapped pages themselves, where type and alignment allow it and the device takes them. */
static vita_status use_pages(const vita_device *device, const vita_array *source, uint32_t dtype,
                             vita_tensor *out, vita_error *err)
{
	size_t alignment = vita_dtype_block(dtype) > 1 ? 2 : vita_dtype_bytes(dtype);
	vita_buffer *buffer = NULL;
	if (dtype != source->dtype || (uintptr_t)source->data % alignment || !source->size_bytes)
		return VITA_E_UNSUPPORTED;
	if (!VITA_HAS(device->api, vita_backend_api, wrap)) return VITA_E_UNSUPPORTED;
	/* constant = 1: the device promises not to write there */
	vita_status status = device->api->wrap(device->self, (void *)(uintptr_t)source->data,
	                                       source->size_bytes, 1, &buffer, err);
	if (status == VITA_OK) *out = dense_tensor(source, dtype, buffer);
	return status;
}

/* Write n values from number `first` on, converted in `to` where the types differ. */
static vita_status write_piece(const vita_device *device, const vita_array *source, const vita_tensor *whole,
                               int64_t first, int64_t n, void *to, vita_error *err)
{
	vita_tensor piece = *whole;
	const char *from = (const char *)source->data + vita_row_bytes(source->dtype, first);
	const void *dense = from;
	if (whole->dtype != source->dtype) {
		vita_status status = vita_convert(source->dtype, from, whole->dtype, to, (uint64_t)n, err);
		if (status != VITA_OK) return status;
		dense = to;
	}
	piece.rank = 1;
	for (uint32_t i = 0; i < VITA_MAX_RANK; i++) piece.shape[i] = 1, piece.stride[i] = 0;
	piece.shape[0] = n;
	piece.stride[0] = (int64_t)vita_dtype_bytes(whole->dtype);
	piece.offset = (uint64_t)vita_row_bytes(whole->dtype, first);
	return device->api->write(device->self, &piece, dense, (uint64_t)vita_row_bytes(whole->dtype, n),
	                          err);
}

static vita_status write_pieces(const vita_device *device, const vita_array *source, const vita_tensor *whole,
                                vita_error *err)
{
	int64_t n = n_values(source), piece = n < PIECE_VALUES ? n : PIECE_VALUES;
	vita_status status = VITA_OK;
	void *to = NULL;
	if (whole->dtype != source->dtype) {
		to = malloc((size_t)piece * 4 + 1); /* no type takes more for a value */
		if (!to)
			status = vita_fail(err, VITA_E_NOMEM, "%s: no memory to convert it", name_of(source));
	}
	for (int64_t first = 0; first < n && status == VITA_OK; first += piece) {
		int64_t left = n - first;
		status = write_piece(device, source, whole, first, left < piece ? left : piece, to, err);
	}
	free(to);
	return status;
}

static vita_status upload(const vita_device *device, const vita_array *source, uint32_t dtype,
                          vita_tensor *out, vita_error *err)
{
	vita_buffer *buffer = NULL;
	int64_t bytes = vita_dense_bytes(dtype, source->rank, source->shape);
	vita_status status = device->api->alloc(device->self, (uint64_t)bytes, &buffer, err);
	if (status != VITA_OK) return status;
	*out = dense_tensor(source, dtype, buffer);
	status = write_pieces(device, source, out, err);
	if (status == VITA_OK) return VITA_OK;
	device->api->free(device->self, buffer);
	VITA_INIT(out);
	return status;
}

/* A device that lays weights out its own way may take only its types: convert, then offer again. */
static vita_status load_converted(const vita_services *services, const vita_device *device,
                                  const vita_array *source, uint32_t dtype, vita_tensor *out, vita_error *err)
{
	vita_array converted = *source;
	int64_t bytes = vita_dense_bytes(dtype, source->rank, source->shape);
	void *memory = malloc(bytes > 0 ? (size_t)bytes : 1);
	if (!memory) return vita_fail(err, VITA_E_NOMEM, "%s: no memory to convert it", name_of(source));
	vita_status status = vita_convert_rows(source->dtype, source->data, dtype, memory, source->shape[0],
	                                       source->shape[1], services->threads, err);
	converted.dtype = dtype;
	converted.data = memory;
	converted.size_bytes = (uint64_t)bytes;
	if (status == VITA_OK) status = device->api->load(device->self, &converted, dtype, out, err);
	free(memory);
	return status;
}

vita_status vita_host_weight_load(void *context, const vita_device *device, const vita_array *source,
                                  uint32_t dtype, vita_tensor *out, vita_error *err)
{
	vita_error declined;
	vita_services *services = context;
	VITA_INIT(out);
	if (dtype == VITA_DTYPE_NONE) dtype = source->dtype;
	vita_status status = check_source(source, dtype, err);
	if (status != VITA_OK) return status;
	int matrix = source->rank == 2 && !(source->flags & VITA_ARRAY_F_PLAIN);
	if (matrix && VITA_HAS(device->api, vita_backend_api, load)) {
		status = device->api->load(device->self, source, dtype, out, err);
		if (status == VITA_E_UNSUPPORTED && dtype != source->dtype && vita_dtype_block(dtype) > 1)
			status = load_converted(services, device, source, dtype, out, err);
		if (status == VITA_OK) vita_services_release(services, source->data, source->size_bytes);
		if (status != VITA_E_UNSUPPORTED) return status;
		VITA_INIT(out);
	}
	if (use_pages(device, source, dtype, out, &declined) == VITA_OK) return VITA_OK;
	status = upload(device, source, dtype, out, err);
	if (status == VITA_OK) vita_services_release(services, source->data, source->size_bytes);
	return status;
}

/* ---- from device to device ------------------------------------------------------------------------- */

static vita_status check_pair(const vita_tensor *from, const vita_tensor *to, vita_error *err)
{
	int same = from->rank == to->rank && from->dtype == to->dtype && vita_tensor_is_sound(from) &&
	           vita_tensor_is_sound(to);
	for (uint32_t i = 0; same && i < from->rank; i++) same = from->shape[i] == to->shape[i];
	return same ? VITA_OK
	            : vita_fail(err, VITA_E_SHAPE, "a copy wants two tensors of one type and shape");
}

/* Where a dense view's elements lie in host memory, NULL where it is not dense or not there. */
static char *dense_memory(const vita_device *device, const vita_tensor *t)
{
	int64_t row = (int64_t)vita_dtype_bytes(t->dtype);
	if (t->stride[t->rank - 1] != row) return NULL;
	for (uint32_t i = t->rank - 1; i-- > 0;)
		if (t->shape[i] > 1 &&
		    t->stride[i] != vita_dense_bytes(t->dtype, t->rank - 1 - i, t->shape + i + 1))
			return NULL;
	if (!VITA_HAS(device->api, vita_backend_api, address)) return NULL;
	char *memory = device->api->address(device->self, t->buffer);
	return memory ? memory + t->offset : NULL;
}

static vita_status copy_on_device(const vita_device *device, const vita_tensor *from, const vita_tensor *to,
                                  vita_error *err)
{
	vita_op op;
	const vita_op *one = &op;
	VITA_INIT(&op);
	op.code = VITA_OP_COPY;
	op.n_inputs = op.n_outputs = 1;
	op.input[0] = from;
	op.output[0] = to;
	vita_status status = device->api->submit(device->self, &one, 1, err);
	return status == VITA_OK ? device->api->wait(device->self, err) : status;
}

/* Through memory of the host, some of the outermost rows at a time. */
static vita_status copy_through_host(const vita_device *from_device, const vita_tensor *from,
                                     const vita_device *to_device, const vita_tensor *to, vita_error *err)
{
	int64_t block =
		from->rank == 1 ? vita_dtype_block(from->dtype) : 1; /* the least that can be cut off */
	int64_t row = from->rank == 1 ? vita_dtype_bytes(from->dtype)
	                              : vita_dense_bytes(from->dtype, from->rank - 1, from->shape + 1);
	int64_t rows = from->shape[0] / block, most = row > 0 && row < PIECE_BYTES ? PIECE_BYTES / row : 1;
	if (most > rows) most = rows;
	vita_status status = VITA_OK;
	void *memory = malloc((size_t)(most * row) + 1);
	if (!memory) return vita_fail(err, VITA_E_NOMEM, "no memory to copy from device to device");
	for (int64_t first = 0; first < rows && status == VITA_OK; first += most) {
		int64_t n = rows - first < most ? rows - first : most;
		vita_tensor a = *from, b = *to;
		a.offset += (uint64_t)(first * from->stride[0]);
		b.offset += (uint64_t)(first * to->stride[0]);
		a.shape[0] = b.shape[0] = n * block;
		status = from_device->api->read(from_device->self, &a, memory, (uint64_t)(n * row), err);
		if (status == VITA_OK)
			status = to_device->api->write(to_device->self, &b, memory, (uint64_t)(n * row), err);
	}
	free(memory);
	return status;
}

vita_status vita_host_tensor_copy(void *context, const vita_device *from_device, const vita_tensor *from,
                                  const vita_device *to_device, const vita_tensor *to, vita_error *err)
{
	(void)context;
	vita_status status = check_pair(from, to, err);
	if (status != VITA_OK) return status;
	uint64_t bytes = (uint64_t)vita_dense_bytes(from->dtype, from->rank, from->shape);
	if (bytes == 0) return VITA_OK;
	if (from_device->self == to_device->self) return copy_on_device(from_device, from, to, err);
	const char *source = dense_memory(from_device, from);
	if (source) return to_device->api->write(to_device->self, to, source, bytes, err);
	char *target = dense_memory(to_device, to);
	if (target) return from_device->api->read(from_device->self, from, target, bytes, err);
	return copy_through_host(from_device, from, to_device, to, err);
}
