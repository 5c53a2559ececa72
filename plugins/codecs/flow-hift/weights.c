/* SPDX-License-Identifier: MIT
 *
 * Loading a speech decoder's weights; see weights.h.
 */
#include "weights.h"

#include "plugin_memory.h"

#include <math.h>
#include <vita/blocks.h>

const char *name_of(tensor_name out, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	(void)vsnprintf(out, sizeof(tensor_name), format, args);
	va_end(args);
	return out;
}

/* ---- what was taken ------------------------------------------------------------------------------- */

void weight_store_free(weight_store *store)
{
	const vita_host *host = store->host;
	if (!host) return;
	for (uint32_t i = 0; i < store->n_buffers; i++) store->device->api->free(store->device->self, store->buffers[i]);
	for (uint32_t i = 0; i < store->n_memory; i++) host_release(host, store->memory[i]);
	host_release(host, store->buffers);
	host_release(host, store->memory);
	*store = (weight_store){ .host = host, .device = store->device };
}

/* Room for one more entry of a list of pointers. */
static int32_t make_room(const vita_host *host, void **list, uint32_t n, uint32_t *capacity)
{
	if (n < *capacity) return 1;
	uint32_t wanted = *capacity ? 2 * *capacity : 256;
	void *grown = host->reallocate(host->context, *list, wanted * sizeof(void *));
	if (!grown) return 0;
	*list = grown;
	*capacity = wanted;
	return 1;
}

static void fail_memory(loader *l)
{
	l->status = vita_fail(l->err, VITA_E_NOMEM, "flow-hift: no memory for the model's weights");
}

static int32_t room_for_buffer(loader *l)
{
	weight_store *s = l->store;
	void *list = s->buffers;
	int32_t ok = make_room(s->host, &list, s->n_buffers, &s->buffers_capacity);
	s->buffers = list;
	if (!ok) fail_memory(l);
	return ok;
}

void *store_memory(loader *l, uint64_t n, uint64_t size)
{
	weight_store *s = l->store;
	void *list = s->memory, *memory;
	if (l->status != VITA_OK) return NULL;
	int32_t ok = make_room(s->host, &list, s->n_memory, &s->memory_capacity);
	s->memory = list;
	memory = ok ? host_zeroed(s->host, n, size) : NULL;
	if (memory) s->memory[s->n_memory++] = memory;
	else fail_memory(l);
	return memory;
}

void store_drop(weight_store *store, const void *memory)
{
	for (uint32_t i = store->n_memory; memory && i-- > 0;) {
		if (store->memory[i] != memory) continue;
		host_release(store->host, store->memory[i]);
		store->memory[i] = store->memory[--store->n_memory];
		return;
	}
}

/* ---- one tensor ------------------------------------------------------------------------------------ */

static vita_status find(const loader *l, const char *name, uint32_t rank, const int64_t *shape, vita_array *out,
                        vita_error *err)
{
	tensor_name whole;
	const vita_host *host = l->store->host;
	VITA_INIT(out);
	return host->model_tensor(host->context, l->model, name_of(whole, "%s%s", l->prefix, name), rank, shape, out, err);
}

int32_t has_tensor(const loader *l, const char *name)
{
	vita_array array;
	vita_error ignored;
	return l->status == VITA_OK && find(l, name, 0, NULL, &array, &ignored) != VITA_E_NOTFOUND;
}

/* Quantised are matrices whose rows are whole blocks. Blocks of kernels would mix taps; these and the rest are f16, which
 * reaches as far as a block's scale. */
static uint32_t fitting_dtype(const vita_array *array, uint32_t dtype)
{
	const int64_t block = dtype == VITA_DTYPE_NONE ? 1 : vita_dtype_block(dtype);
	return block > 1 && (array->rank != 2 || array->shape[1] % block != 0) ? VITA_F16 : dtype;
}

static void upload(loader *l, const vita_array *array, uint32_t dtype, vita_tensor *to)
{
	const vita_host *host = l->store->host;
	dtype = fitting_dtype(array, dtype);
	if (l->status != VITA_OK || !room_for_buffer(l)) return;
	l->status = host->weight_load(host->context, l->store->device, array, dtype, to, l->err);
	if (l->status == VITA_OK) l->store->buffers[l->store->n_buffers++] = to->buffer;
	else to->buffer = NULL;
}

static int64_t count(const vita_array *array)
{
	int64_t n = 1;
	for (uint32_t i = 0; i < array->rank; i++) n *= array->shape[i];
	return n;
}

/* The array as f32 in memory of the store. */
static float *floats(loader *l, const vita_array *array)
{
	float *values = store_memory(l, (uint64_t)count(array), sizeof *values);
	if (!values) return NULL;
	if (vita_row_to_f32(array->dtype, array->data, count(array), values) != VITA_OK)
		l->status = vita_fail(l->err, VITA_E_UNSUPPORTED, "tensor \"%s\" is of type %s; f32, f16 or bf16 is needed",
		                      array->name, vita_dtype_name(array->dtype));
	return values;
}

static void to_floats(loader *l, vita_array *array)
{
	array->data = floats(l, array);
	array->size_bytes = (uint64_t)count(array) * sizeof(float);
	array->dtype = VITA_F32;
}

/* A tensor of the file to the device, from pages of the file or from memory of ours. */
static void load(loader *l, const char *name, uint32_t rank, const int64_t *shape, uint32_t dtype, uint32_t flags,
                 vita_array *array, vita_tensor *to)
{
	VITA_INIT(to);
	if (l->status != VITA_OK) return;
	l->status = find(l, name, rank, shape, array, l->err);
	if (l->status == VITA_OK && l->copy) to_floats(l, array);
	array->flags |= flags;
	upload(l, array, dtype, to);
}

void load_tensor(loader *l, const char *name, uint32_t rank, const int64_t *shape, vita_tensor *to)
{
	vita_array array;
	load(l, name, rank, shape, VITA_F32, 0, &array, to);
}

void load_plain(loader *l, const char *name, uint32_t rank, const int64_t *shape, vita_tensor *to)
{
	vita_array array;
	load(l, name, rank, shape, VITA_F32, VITA_ARRAY_F_PLAIN, &array, to);
}

const float *load_values(loader *l, const char *name, uint32_t rank, const int64_t *shape, int64_t *n)
{
	vita_array array;
	if (l->status != VITA_OK) return NULL;
	l->status = find(l, name, rank, shape, &array, l->err);
	if (l->status != VITA_OK) return NULL;
	*n = count(&array);
	return floats(l, &array);
}

void load_made(loader *l, const float *values, int64_t rows, int64_t columns, vita_tensor *to)
{
	vita_array array;
	VITA_INIT(&array);
	VITA_INIT(to);
	array.dtype = VITA_F32;
	array.rank = rows ? 2 : 1;
	array.flags = VITA_ARRAY_F_PLAIN;
	array.shape[0] = rows ? rows : columns;
	array.shape[1] = rows ? columns : 1;
	array.size_bytes = (uint64_t)((rows ? rows : 1) * columns) * sizeof *values;
	array.data = values;
	upload(l, &array, VITA_F32, to);
}

/* ---- layers ---------------------------------------------------------------------------------------- */

static void load_bias(loader *l, const char *name, int64_t n, vita_tensor *to)
{
	tensor_name bias;
	load_tensor(l, name_of(bias, "%s.bias", name), 1, &n, to);
}

void load_matrix(loader *l, const char *name, int64_t out, int64_t in, int32_t bias, layer *to)
{
	const int64_t shape[2] = { out, in };
	tensor_name weight;
	vita_array array;
	VITA_INIT(&to->bias);
	load(l, name_of(weight, "%s.weight", name), 2, shape, l->dtype, 0, &array, &to->weight);
	if (l->status != VITA_OK) return;
	*to = (layer){ .weight = to->weight, .bias = to->bias, .in = array.shape[1], .out = array.shape[0] };
	if (bias) load_bias(l, name, to->out, &to->bias);
}

void load_conv(loader *l, const char *name, int64_t out, int64_t in, int64_t kernel, layer *to)
{
	const int64_t shape[3] = { out, in, kernel };
	tensor_name weight;
	vita_array array;
	VITA_INIT(&to->bias);
	load(l, name_of(weight, "%s.weight", name), 3, shape, l->dtype, 0, &array, &to->weight);
	if (l->status != VITA_OK) return;
	*to = (layer){ .weight = to->weight, .in = array.shape[1], .out = array.shape[0], .kernel = array.shape[2] };
	load_bias(l, name, to->out, &to->bias);
}

void load_norm(loader *l, const char *name, int64_t n, layer *to)
{
	tensor_name weight;
	*to = (layer){ .out = n };
	load_tensor(l, name_of(weight, "%s.weight", name), 1, &n, &to->weight);
	load_bias(l, name, n, &to->bias);
}

/* The spelling of PyTorch's old and new weight norm, or none. */
static const char *const spellings[][2] = {
	{ ".weight_g", ".weight_v" },
	{ ".parametrizations.weight.original0", ".parametrizations.weight.original1" },
	{ NULL, ".weight" },
};

static void fold(float *v, const float *g, int64_t rows, int64_t columns)
{
	for (int64_t i = 0; i < rows; i++, v += columns) {
		double squares = 0;
		for (int64_t j = 0; j < columns; j++) squares += (double)v[j] * v[j];
		const float scale = (float)(g[i] / sqrt(squares));
		for (int64_t j = 0; j < columns; j++) v[j] *= scale;
	}
}

void load_folded_conv(loader *l, const char *name, int64_t out, int64_t in, int64_t kernel, int32_t transposed, layer *to)
{
	const int64_t shape[3] = { transposed ? in : out, transposed ? out : in, kernel }, lengths[3] = { shape[0], 1, 1 };
	tensor_name part;
	vita_array v;
	int64_t n = 0;
	uint32_t s = 0;
	VITA_INIT(&to->weight);
	VITA_INIT(&to->bias);
	if (l->status != VITA_OK) return;
	while (s < 2 && !has_tensor(l, name_of(part, "%s%s", name, spellings[s][1]))) s++;
	l->status = find(l, name_of(part, "%s%s", name, spellings[s][1]), 3, shape, &v, l->err);
	if (l->status != VITA_OK) return;
	if (spellings[s][0] || l->copy) to_floats(l, &v);
	if (spellings[s][0]) {
		const int64_t rows = v.shape[0], wanted[3] = { rows, lengths[1], lengths[2] };
		const float *g = load_values(l, name_of(part, "%s%s", name, spellings[s][0]), 3, wanted, &n);
		if (l->status == VITA_OK) fold((float *)(uintptr_t)v.data, g, rows, v.shape[1] * v.shape[2]);
		store_drop(l->store, g);
	}
	upload(l, &v, l->dtype, &to->weight);
	if (l->status != VITA_OK) return;
	*to = (layer){ .weight = to->weight, .in = v.shape[transposed ? 0 : 1], .out = v.shape[transposed ? 1 : 0],
		       .kernel = v.shape[2] };
	load_bias(l, name, to->out, &to->bias);
}
