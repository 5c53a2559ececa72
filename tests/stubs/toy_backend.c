/* SPDX-License-Identifier: MIT
 *
 * A young third-party backend with three ops: MATMUL, RMS_NORM and BINARY (ADD, MUL). Its memory is nobody
 * else's: buffers are numbers, their bytes are stored inverted, there is neither address nor wrap nor load,
 * so everything that it lacks has to be fetched and put back by the host.
 */
#include <vita/backend.h>
#include <vita/blocks.h>
#include <vita/host.h>

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#define MOST_BUFFERS 4096u

typedef struct toy_memory {
	unsigned char *inverted; /* NULL: the number is free */
	uint64_t size;
} toy_memory;

struct vita_backend {
	const vita_host *host;
	pthread_mutex_t lock;
	toy_memory memory[MOST_BUFFERS];
};

/* ---- the device ------------------------------------------------------------------------------------- */

static vita_status toy_probe(const vita_host *host, uint32_t index, vita_backend_device *out, vita_error *err)
{
	(void)host;
	(void)err;
	if (index > 1) return VITA_END;
	out->available = index == 0;
	out->score = 0; /* a toy is never the best choice */
	(void)snprintf(out->name, sizeof out->name, "%s", index ? "broken toy" : "wooden toy");
	(void)snprintf(out->reason, sizeof out->reason, "%s", index ? "a wheel is off" : "");
	return VITA_OK;
}

static vita_status toy_open(const vita_host *host, const vita_settings *settings, vita_backend **out,
                            vita_error *err)
{
	*out = host->allocate(host->context, sizeof **out);
	if (!*out) return vita_fail(err, VITA_E_NOMEM, "toy: no memory to open it");
	memset(*out, 0, sizeof **out);
	(*out)->host = host;
	(void)pthread_mutex_init(&(*out)->lock, NULL);
	vita_logf(host, VITA_LOG_DEBUG, "toy", "device %s, %lld threads, paint %s",
	          host->setting_string(host->context, settings, "device"),
	          (long long)host->setting_int(host->context, settings, "threads"),
	          host->setting_string(host->context, settings, "paint"));
	return VITA_OK;
}

static void toy_close(vita_backend *toy)
{
	if (!toy) return;
	uint32_t left = 0;
	for (uint32_t i = 0; i < MOST_BUFFERS; i++) left += toy->memory[i].inverted != NULL;
	if (left) vita_logf(toy->host, VITA_LOG_ERROR, "toy", "%u buffers were never freed", left);
	for (uint32_t i = 0; i < MOST_BUFFERS; i++)
		toy->host->release(toy->host->context, toy->memory[i].inverted);
	(void)pthread_mutex_destroy(&toy->lock);
	toy->host->release(toy->host->context, toy);
}

/* ---- memory ----------------------------------------------------------------------------------------- */

static vita_status toy_alloc(vita_backend *toy, uint64_t size, vita_buffer **out, vita_error *err)
{
	unsigned char *memory = toy->host->allocate(toy->host->context, size + 1);
	uint32_t i = 0;
	*out = NULL;
	if (!memory)
		return vita_fail(err, VITA_E_NOMEM, "toy: no memory for %llu bytes",
		                 (unsigned long long)size);
	(void)pthread_mutex_lock(&toy->lock);
	while (i < MOST_BUFFERS && toy->memory[i].inverted) i++;
	if (i < MOST_BUFFERS) toy->memory[i] = (toy_memory){ memory, size };
	(void)pthread_mutex_unlock(&toy->lock);
	if (i == MOST_BUFFERS) {
		toy->host->release(toy->host->context, memory);
		return vita_fail(err, VITA_E_NOMEM, "toy: more than %u buffers", MOST_BUFFERS);
	}
	*out = (vita_buffer *)(uintptr_t)(i + 1u);
	return VITA_OK;
}

static toy_memory *memory_of(vita_backend *toy, const vita_buffer *buffer)
{
	uintptr_t number = (uintptr_t)buffer;
	if (number < 1 || number > MOST_BUFFERS || !toy->memory[number - 1].inverted) return NULL;
	return &toy->memory[number - 1];
}

static void toy_free(vita_backend *toy, vita_buffer *buffer)
{
	toy_memory *memory = memory_of(toy, buffer);
	if (!memory) return;
	(void)pthread_mutex_lock(&toy->lock);
	toy->host->release(toy->host->context, memory->inverted);
	memory->inverted = NULL;
	(void)pthread_mutex_unlock(&toy->lock);
}

/* Values that lie together and their bytes: one of a plain type, a row of blocks. */
static int64_t unit_values(const vita_tensor *t)
{
	return vita_dtype_block(t->dtype) > 1 ? t->shape[t->rank - 1] : 1;
}

static int64_t dense_bytes(const vita_tensor *t)
{
	int64_t n = vita_row_bytes(t->dtype, t->shape[t->rank - 1]);
	for (uint32_t i = 0; i + 1 < t->rank; i++) n *= t->shape[i];
	return n;
}

/* Move all elements of a view between the device and dense host memory. */
static vita_status transfer(vita_backend *toy, const vita_tensor *t, unsigned char *host, uint64_t size,
                            int to_host, vita_error *err)
{
	toy_memory *memory = memory_of(toy, t->buffer);
	int64_t unit = unit_values(t), bytes = vita_row_bytes(t->dtype, unit), index[VITA_MAX_RANK] = { 0 };
	if (!memory || bytes < 0)
		return vita_fail(err, VITA_E_INVALID, "toy: a tensor is not of this device");
	if ((uint64_t)dense_bytes(t) != size)
		return vita_fail(err, VITA_E_SHAPE, "toy: %llu bytes for a tensor of %lld",
		                 (unsigned long long)size, (long long)dense_bytes(t));
	for (uint64_t done = 0; done < size; done += (uint64_t)bytes) {
		uint64_t at = t->offset;
		for (uint32_t i = 0; i < t->rank; i++)
			at += (uint64_t)(index[i] / (i + 1 == t->rank ? unit : 1) * t->stride[i]);
		if (at > memory->size || memory->size - at < (uint64_t)bytes)
			return vita_fail(err, VITA_E_INVALID, "toy: a tensor reaches beyond its buffer");
		for (int64_t b = 0; b < bytes; b++) {
			if (to_host)
				host[done + (uint64_t)b] = (unsigned char)~memory->inverted[at + (uint64_t)b];
			else
				memory->inverted[at + (uint64_t)b] = (unsigned char)~host[done + (uint64_t)b];
		}
		for (uint32_t i = t->rank; i-- > 0;) {
			index[i] += i + 1 == t->rank ? unit : 1;
			if (index[i] < t->shape[i]) break;
			index[i] = 0;
		}
	}
	return VITA_OK;
}

static vita_status toy_write(vita_backend *toy, const vita_tensor *target, const void *source, uint64_t size,
                             vita_error *err)
{
	return transfer(toy, target, (unsigned char *)(uintptr_t)source, size, 0, err);
}

static vita_status toy_read(vita_backend *toy, const vita_tensor *source, void *target, uint64_t size,
                            vita_error *err)
{
	return transfer(toy, source, target, size, 1, err);
}

/* All values of a tensor as dense floats, to be released. */
static vita_status fetch(vita_backend *toy, const vita_tensor *t, float **out, vita_error *err)
{
	int64_t bytes = dense_bytes(t), n = bytes / (int64_t)vita_dtype_bytes(t->dtype);
	unsigned char *dense = toy->host->allocate(toy->host->context, (uint64_t)bytes + 1);
	float *values = toy->host->allocate(toy->host->context, ((uint64_t)n + 1) * sizeof *values);
	vita_status status = VITA_E_NOMEM;
	*out = values;
	if (dense && values)
		status = transfer(toy, t, dense, (uint64_t)bytes, 1, err);
	else
		vita_fail(err, status, "toy: no memory for an operand");
	for (int64_t i = 0; status == VITA_OK && i < n; i++) {
		uint16_t half;
		if (t->dtype == VITA_F32) {
			memcpy(&values[i], dense + 4 * i, sizeof values[i]);
			continue;
		}
		memcpy(&half, dense + 2 * i, sizeof half);
		values[i] = t->dtype == VITA_F16 ? vita_f16_to_f32(half) : vita_bf16_to_f32(half);
	}
	toy->host->release(toy->host->context, dense);
	return status;
}

/* ---- ops -------------------------------------------------------------------------------------------- */

static int is_float(const vita_tensor *t)
{
	return t->dtype == VITA_F32;
}

static int same_shape(const vita_tensor *a, const vita_tensor *b)
{
	if (a->rank != b->rank) return 0;
	for (uint32_t i = 0; i < a->rank; i++)
		if (a->shape[i] != b->shape[i]) return 0;
	return 1;
}

static int supports_matmul(const vita_op *op)
{
	const vita_matmul_params *params = op->params;
	const vita_tensor *x = op->input[0], *w = op->input[1], *y = op->output[0];
	for (uint32_t i = 2; i < op->n_inputs; i++)
		if (op->input[i]) return 0; /* neither bias nor residual */
	return params->activation == VITA_UNARY_NONE && x->rank == 2 && w->rank == 2 && y->rank == 2 &&
	       is_float(x) && is_float(y) &&
	       (w->dtype == VITA_F32 || w->dtype == VITA_F16 || w->dtype == VITA_BF16) &&
	       x->shape[1] == w->shape[1] && y->shape[0] == x->shape[0] && y->shape[1] == w->shape[0];
}

static int supports_norm(const vita_op *op)
{
	const vita_tensor *x = op->input[0], *weight = op->input[1], *y = op->output[0];
	return weight && is_float(x) && is_float(weight) && is_float(y) && same_shape(x, y) &&
	       weight->rank == 1 && weight->shape[0] == x->shape[x->rank - 1];
}

static int supports_binary(const vita_op *op)
{
	const vita_kind_params *params = op->params;
	const vita_tensor *a = op->input[0], *b = op->input[1], *y = op->output[0];
	return (params->kind == VITA_BINARY_ADD || params->kind == VITA_BINARY_MUL) && is_float(a) &&
	       is_float(b) && is_float(y) && same_shape(a, b) && same_shape(a, y);
}

static int32_t toy_supports(vita_backend *toy, const vita_op *op)
{
	(void)toy;
	switch (op->code) {
	case VITA_OP_MATMUL: return supports_matmul(op);
	case VITA_OP_RMS_NORM: return supports_norm(op);
	case VITA_OP_BINARY: return supports_binary(op);
	default: return 0;
	}
}

static void matmul(const vita_op *op, const float *x, const float *w, float *y)
{
	int64_t n = op->input[0]->shape[0], k = op->input[0]->shape[1], m = op->input[1]->shape[0];
	for (int64_t i = 0; i < n; i++)
		for (int64_t j = 0; j < m; j++) {
			double sum = 0;
			for (int64_t l = 0; l < k; l++) sum += (double)x[i * k + l] * (double)w[j * k + l];
			y[i * m + j] = (float)sum;
		}
}

static void rms_norm(const vita_op *op, const float *x, const float *weight, float *y)
{
	const vita_norm_params *params = op->params;
	const vita_tensor *t = op->input[0];
	int64_t k = t->shape[t->rank - 1], n = dense_bytes(t) / 4;
	for (int64_t row = 0; row < n; row += k) {
		double sum = 0;
		for (int64_t i = 0; i < k; i++) sum += (double)x[row + i] * (double)x[row + i];
		double scale = 1 / sqrt(sum / (double)k + params->epsilon);
		for (int64_t i = 0; i < k; i++) y[row + i] = (float)(x[row + i] * scale * (double)weight[i]);
	}
}

static void binary(const vita_op *op, const float *a, const float *b, float *y)
{
	const vita_kind_params *params = op->params;
	int64_t n = dense_bytes(op->output[0]) / 4;
	for (int64_t i = 0; i < n; i++) y[i] = params->kind == VITA_BINARY_ADD ? a[i] + b[i] : a[i] * b[i];
}

static vita_status run(vita_backend *toy, const vita_op *op, vita_error *err)
{
	const vita_tensor *out = op->output[0];
	uint64_t bytes = (uint64_t)dense_bytes(out);
	float *a = NULL, *b = NULL, *y = toy->host->allocate(toy->host->context, bytes + 1);
	vita_status status = y ? VITA_OK : vita_fail(err, VITA_E_NOMEM, "toy: no memory for a result");
	if (status == VITA_OK) status = fetch(toy, op->input[0], &a, err);
	if (status == VITA_OK) status = fetch(toy, op->input[1], &b, err);
	if (status == VITA_OK) {
		if (op->code == VITA_OP_MATMUL)
			matmul(op, a, b, y);
		else if (op->code == VITA_OP_RMS_NORM)
			rms_norm(op, a, b, y);
		else
			binary(op, a, b, y);
		status = toy_write(toy, out, y, bytes, err);
	}
	toy->host->release(toy->host->context, a);
	toy->host->release(toy->host->context, b);
	toy->host->release(toy->host->context, y);
	return status;
}

static vita_status toy_submit(vita_backend *toy, const vita_op *const *ops, uint32_t n, vita_error *err)
{
	for (uint32_t i = 0; i < n; i++) {
		if (!toy_supports(toy, ops[i]))
			return vita_fail(err, VITA_E_UNSUPPORTED, "toy: op %u was never promised",
			                 ops[i]->code);
		vita_status status = run(toy, ops[i], err);
		if (status != VITA_OK) return status;
	}
	return VITA_OK;
}

static vita_status toy_wait(vita_backend *toy, vita_error *err)
{
	(void)toy;
	(void)err;
	return VITA_OK;
}

/* ---- the module ------------------------------------------------------------------------------------- */

/* Ends before get_extension, as a backend may. */
static const vita_backend_api api = {
	.struct_size = offsetof(vita_backend_api, get_extension),
	.probe = toy_probe,
	.open = toy_open,
	.close = toy_close,
	.alloc = toy_alloc,
	.free = toy_free,
	.write = toy_write,
	.read = toy_read,
	.supports = toy_supports,
	.submit = toy_submit,
	.wait = toy_wait,
};

static const vita_key paint = {
	sizeof paint, VITA_KEY_CHOICE, "paint", "red", "its colour", "red blue", 0, 0
};
static const vita_key *const keys[] = { &paint };
static const vita_factory factory = {
	sizeof factory, 0, VITA_BACKEND_ID, "toy", "Three ops, for tests.", &api, keys, 1, 0
};
static const vita_factory *const factories[] = { &factory };
static const vita_module module = {
	sizeof module, VITA_ABI_MAJOR, VITA_ABI_MINOR, 1, "toy", "0.1", "MIT", factories,
};

VITA_EXPORT const vita_module *vita_module_query(uint32_t host_major, uint32_t host_minor)
{
	(void)host_minor;
	return host_major == VITA_ABI_MAJOR ? &module : NULL;
}
