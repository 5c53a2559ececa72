/* SPDX-License-Identifier: MIT
 *
 * The layer over a backend: every op on a device that has three, ops over a device's own memory, and answers
 * that make no sense.
 */
#include "host/context_internal.h"
#include "host/fallback.h"
#include "host/log.h"

#include "modules_support.h"

#include <vita/blocks.h>
#include <vita/record.h>

#include <math.h>

static vita_error err;
static vita_context *context;
static const vita_device *toy, *reference;

static int open_devices(void **state)
{
	if (setup_directory(state) != 0) return -1;
	put_stub("toy_backend", "toy");
	put_module("backend-reference");
	context = CONTEXT("vita.log=info", "llm.backend=toy", "heads.backend=reference");
	if (!context) return -1;
	if (vita_context_device_open(context, "llm", &toy, &err) != VITA_OK) return -1;
	return vita_context_device_open(context, "heads", &reference, &err) == VITA_OK ? 0 : -1;
}

static int close_devices(void **state)
{
	vita_context_device_close(context, toy);
	vita_context_device_close(context, reference);
	assert_int_equal(times_logged("never freed"), 0);
	vita_context_destroy(context);
	return teardown_directory(state);
}

/* ---- tensors on two devices ------------------------------------------------------------------------ */

/* The same tensor on the toy and on the reference backend. */
typedef struct twins {
	vita_tensor on[2];
	uint64_t size;
} twins;

static const vita_device *device_of(int i)
{
	return i ? reference : toy;
}

static twins make(uint32_t dtype, uint32_t rank, int64_t d0, int64_t d1, int64_t d2, int64_t d3)
{
	twins t;
	for (int i = 0; i < 2; i++) {
		vita_tensor shape = vita_view(NULL, 0, dtype, rank, d0, d1, d2, d3);
		int64_t bytes = vita_row_bytes(dtype, shape.shape[rank - 1]);
		vita_buffer *buffer;
		for (uint32_t k = 0; k + 1 < rank; k++) bytes *= shape.shape[k];
		t.size = (uint64_t)bytes;
		assert_ok(device_of(i)->api->alloc(device_of(i)->self, t.size, &buffer, &err), &err);
		t.on[i] = shape;
		t.on[i].buffer = buffer;
	}
	return t;
}

static void set(const twins *t, const void *values)
{
	for (int i = 0; i < 2; i++)
		assert_ok(device_of(i)->api->write(device_of(i)->self, &t->on[i], values, t->size, &err),
		          &err);
}

static uint32_t random_state = 1;

static float random_float(void)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (float)(random_state >> 8) / (float)(1 << 23) - 1;
}

/* Random values, the same on both, in outputs too: what an op leaves alone must still be equal. */
static twins make_random(uint32_t rank, int64_t d0, int64_t d1, int64_t d2)
{
	twins t = make(VITA_F32, rank, d0, d1, d2, 1);
	float *values = malloc(t.size + 1);
	assert_non_null(values);
	for (uint64_t i = 0; i < t.size / 4; i++) values[i] = random_float();
	set(&t, values);
	free(values);
	return t;
}

static twins make_ids(int64_t n, int32_t step, int32_t below)
{
	int32_t ids[64];
	twins t = make(VITA_I32, 1, n, 1, 1, 1);
	assert_true(n <= 64);
	for (int64_t i = 0; i < n; i++) ids[i] = (int32_t)(i * step % below);
	set(&t, ids);
	return t;
}

static void drop(twins *t)
{
	for (int i = 0; i < 2; i++) device_of(i)->api->free(device_of(i)->self, t->on[i].buffer);
}

/* What the toy holds is what the reference backend holds. */
static void assert_twins(const twins *t)
{
	unsigned char *bytes[2];
	for (int i = 0; i < 2; i++) {
		bytes[i] = malloc(t->size + 1);
		assert_non_null(bytes[i]);
		assert_ok(device_of(i)->api->read(device_of(i)->self, &t->on[i], bytes[i], t->size, &err),
		          &err);
	}
	for (uint64_t i = 0; i < t->size / 4; i++) {
		float a, b;
		memcpy(&a, bytes[0] + 4 * i, 4);
		memcpy(&b, bytes[1] + 4 * i, 4);
		if (t->on[0].dtype == VITA_F32 && !(fabsf(a - b) <= 1e-6f * (1 + fabsf(b))))
			fail_msg("value %llu: %g, expected %g", (unsigned long long)i, (double)a, (double)b);
	}
	if (t->on[0].dtype != VITA_F32) assert_memory_equal(bytes[0], bytes[1], t->size);
	free(bytes[0]);
	free(bytes[1]);
}

#define ON_BOTH(...)                                                                                         \
	for (int i = 0; i < 2; i++) {                                                                        \
		static vita_recorder recorder, *r = &recorder;                                               \
		vita_recorder_begin(r, device_of(i), &err);                                                  \
		__VA_ARGS__;                                                                                 \
		assert_ok(vita_recorder_end(r), &err);                                                       \
		assert_ok(device_of(i)->api->wait(device_of(i)->self, &err), &err);                          \
	}

/* ---- every way for an op to go --------------------------------------------------------------------- */

static void toy_runs_its_own_ops(void **state)
{
	twins x = make_random(2, 3, 8, 1), w = make_random(2, 5, 8, 1), y = make_random(2, 3, 5, 1);
	(void)state;
	ON_BOTH(vita_matmul(r, &x.on[i], &w.on[i], NULL, NULL, VITA_UNARY_NONE, &y.on[i]));
	assert_twins(&y);
	assert_int_equal(times_logged("cannot run"), 0);
	drop(&x), drop(&w), drop(&y);
}

static void missing_ops_run_elsewhere(void **state)
{
	twins x = make_random(2, 6, 32, 1), w = make_random(2, 5, 32, 1), bias = make_random(1, 5, 1, 1);
	twins y = make_random(2, 6, 5, 1), z = make_random(2, 6, 32, 1), ids = make_ids(4, 3, 6);
	twins four = make_random(2, 4, 32, 1);
	(void)state;
	ON_BOTH(vita_matmul(r, &x.on[i], &w.on[i], &bias.on[i], NULL, VITA_UNARY_SILU, &y.on[i]));
	assert_twins(&y);
	ON_BOTH(vita_gather(r, &x.on[i], &ids.on[i], &four.on[i]));
	assert_twins(&four);
	ON_BOTH(vita_scatter(r, &four.on[i], &ids.on[i], &z.on[i])); /* rows that are not named stay */
	assert_twins(&z);
	ON_BOTH(vita_softmax(r, &z.on[i], 0.5, &z.on[i])); /* in place */
	assert_twins(&z);
	ON_BOTH(vita_fill(r, 0.25, &four.on[i])); /* no input */
	assert_twins(&four);
	drop(&x), drop(&w), drop(&bias), drop(&y), drop(&z), drop(&ids), drop(&four);
}

static void views_keep_their_strides(void **state)
{
	twins x = make_random(3, 4, 6, 8), y = make_random(3, 4, 6, 8), joined = make_random(2, 10, 8, 1);
	twins row = make_random(1, 8, 1, 1);
	(void)state;
	for (int i = 0; i < 2; i++) x.on[i] = vita_transpose(&x.on[i], 0, 1); /* [6, 4, 8] */
	ON_BOTH(vita_tensor to = vita_transpose(&y.on[i], 0, 1); vita_copy(r, &x.on[i], &to));
	assert_twins(&y);
	ON_BOTH(vita_tensor to = vita_slice(&y.on[i], 1, 2, 3);
	        vita_tensor from = vita_slice(&x.on[i], 0, 1, 3); from = vita_transpose(&from, 0, 1);
	        vita_affine(r, &from, 2, 1, &to));
	assert_twins(&y); /* the rest of y is as it was */
	ON_BOTH(vita_tensor a = vita_slice(&y.on[i], 0, 0, 1); a.rank = 2; a.shape[0] = 6; a.shape[1] = 8;
	        a.stride[0] = y.on[i].stride[1]; a.stride[1] = 4; a.shape[2] = 1;
	        vita_tensor b = vita_slice(&a, 0, 1, 4); const vita_tensor *in[2] = { &a, &b };
	        vita_concat(r, in, 2, 0, &joined.on[i]));
	assert_twins(&joined);
	ON_BOTH(vita_tensor repeated = row.on[i]; repeated.rank = 2; repeated.shape[0] = 10;
	        repeated.shape[1] = 8; repeated.stride[0] = 0; repeated.stride[1] = 4;
	        vita_binary(r, VITA_BINARY_SUB, &joined.on[i], &repeated, &joined.on[i]));
	assert_twins(&joined);
	drop(&x), drop(&y), drop(&joined), drop(&row);
}

static void caches_and_indices(void **state)
{
	twins q = make_random(3, 2, 4, 8), k = make_random(3, 5, 2, 8), y = make_random(3, 2, 4, 8);
	twins cache = make(VITA_F16, 3, 16, 2, 8, 1), at = make_ids(2, 1, 9);
	twins values = make_random(2, 3, 4, 1), indices = make(VITA_I32, 2, 3, 4, 1, 1),
	      x = make_random(2, 3, 9, 1);
	vita_rope_params rope = { sizeof rope, VITA_ROPE_HALF, 8, 0, 1e4, 1 };
	static const uint16_t nothing[16 * 2 * 8];
	(void)state;
	set(&cache, nothing);
	ON_BOTH(vita_rope(r, &q.on[i], &at.on[i], NULL, &rope, &q.on[i]));
	ON_BOTH(vita_tensor to = vita_slice(&cache.on[i], 0, 3, 5); vita_copy(r, &k.on[i], &to));
	assert_twins(&cache);
	ON_BOTH(vita_tensor seen = vita_slice(&cache.on[i], 0, 0, 8);
	        vita_attention(r, &q.on[i], &seen, &seen, NULL, VITA_MASK_CAUSAL, 0, 0.3, &y.on[i]));
	assert_twins(&y);
	ON_BOTH(vita_top_k(r, &x.on[i], &values.on[i], &indices.on[i])); /* two outputs */
	assert_twins(&values);
	assert_twins(&indices);
	drop(&q), drop(&k), drop(&y), drop(&cache), drop(&at), drop(&values), drop(&indices), drop(&x);
}

static void quantised_weights(void **state)
{
	float plain[4 * 64];
	unsigned char blocks[4 * 2 * 34];
	twins x = make_random(2, 3, 64, 1), w = make(VITA_Q8_0, 2, 4, 64, 1, 1), y = make_random(2, 3, 4, 1);
	(void)state;
	for (int i = 0; i < 4 * 64; i++) plain[i] = random_float();
	assert_ok(vita_convert(VITA_F32, plain, VITA_Q8_0, blocks, 4 * 64, &err), &err);
	set(&w, blocks);
	ON_BOTH(vita_matmul(r, &x.on[i], &w.on[i], NULL, NULL, VITA_UNARY_NONE, &y.on[i]));
	assert_twins(&y);
	ON_BOTH(vita_tensor rows = vita_slice(&w.on[i], 0, 1, 2);
	        vita_tensor to = vita_slice(&y.on[i], 1, 0, 2);
	        vita_matmul(r, &x.on[i], &rows, NULL, NULL, VITA_UNARY_NONE, &to));
	assert_twins(&y);
	assert_int_equal(times_logged("MATMUL(f32, q8_0)"), 1);
	drop(&x), drop(&w), drop(&y);
}

/* In one submit, ops of both backends take turns on each other's results. */
static void order_is_kept(void **state)
{
	twins x = make_random(2, 4, 16, 1), w = make_random(2, 16, 16, 1), g = make_random(1, 16, 1, 1);
	twins a = make_random(2, 4, 16, 1), b = make_random(2, 4, 16, 1);
	(void)state;
	logged[0] = '\0';
	ON_BOTH(for (int layer = 0; layer < 30; layer++) {
		vita_rms_norm(r, &x.on[i], &g.on[i], 1e-6, &a.on[i]);
		vita_matmul(r, &a.on[i], &w.on[i], NULL, NULL, VITA_UNARY_NONE, &b.on[i]);
		vita_unary(r, VITA_UNARY_SILU, &b.on[i], NULL, 0, &b.on[i]);
		vita_glu(r, VITA_UNARY_SILU, &b.on[i], &a.on[i], &a.on[i]);
		vita_binary(r, VITA_BINARY_ADD, &x.on[i], &a.on[i], &x.on[i]);
		vita_softmax(r, &x.on[i], 1, &b.on[i]);
	});
	assert_twins(&x);
	assert_twins(&b);
	assert_int_equal(
		times_logged(
			"2 host: backend \"toy\" cannot run UNARY(f32), so backend \"reference\" runs it"),
		1);
	assert_int_equal(times_logged("cannot run GLU"), 1);
	assert_int_equal(times_logged("cannot run SOFTMAX"), 1);
	assert_int_equal(times_logged("cannot run"), 3);
	drop(&x), drop(&w), drop(&g), drop(&a), drop(&b);
}

static void nothing_is_done_to_nothing(void **state)
{
	twins x = make_random(2, 0, 16, 1), y = make_random(2, 0, 16, 1);
	(void)state;
	ON_BOTH(vita_softmax(r, &x.on[i], 1, &y.on[i]));
	drop(&x), drop(&y);
}

static void expect_no_op(const vita_op *op, vita_status status, const char *text)
{
	assert_failure(toy->api->submit(toy->self, &op, 1, &err), status, &err, text);
}

static void ops_that_make_no_sense_are_refused(void **state)
{
	twins x = make_random(2, 4, 16, 1);
	vita_affine_params scale = { sizeof scale, 0, 1, 0 };
	vita_tensor bad = x.on[0];
	vita_op op;
	(void)state;
	VITA_INIT(&op);
	op.code = VITA_OP_SOFTMAX;
	op.n_inputs = op.n_outputs = 1;
	op.input[0] = op.output[0] = &bad;
	op.params = &scale;
	bad.buffer = NULL;
	expect_no_op(&op, VITA_E_INVALID, "no tensor in memory");
	bad = x.on[0];
	bad.shape[0] = INT64_MAX / 2;
	vita_status status = toy->api->submit(toy->self, &(const vita_op *){ &op }, 1, &err);
	assert_true(status < 0 && err.message[0]);
	op.code = 4711;
	bad = x.on[0];
	expect_no_op(&op, VITA_E_UNSUPPORTED,
	             "neither backend \"toy\" nor the reference backend can run a newer op(f32)");
	assert_int_equal(toy->api->supports(toy->self, &op), 0);
	op.code = VITA_OP_SOFTMAX;
	assert_int_equal(toy->api->supports(toy->self, &op), 1);
	drop(&x);
}

static void optional_members_are_there(void **state)
{
	twins x = make_random(2, 4, 16, 1);
	float memory[4];
	vita_buffer *buffer = (vita_buffer *)1;
	vita_array array = { sizeof array, VITA_F32, 1, 0, { 4, 1, 1, 1 }, 16, memory, "x" };
	vita_tensor tensor;
	(void)state;
	assert_failure(toy->api->wrap(toy->self, memory, 16, 0, &buffer, &err), VITA_E_UNSUPPORTED, &err,
	               "\"toy\"");
	assert_null(buffer);
	assert_failure(toy->api->load(toy->self, &array, VITA_F32, &tensor, &err), VITA_E_UNSUPPORTED, &err,
	               "\"toy\"");
	assert_null(toy->api->address(toy->self, x.on[0].buffer));
	assert_null(toy->api->get_extension(toy->self, "vita.nothing/1"));
	drop(&x);
}

/* ---- a backend that passes on to the reference backend, with faults to switch on ------------------- */

static struct {
	vita_status status; /* what write, read, submit and wait answer, unless 0 */
	const char *message;
	int null_buffer, wrong_tensor, unterminated;
	int n_reads, n_writes, n_submits;
} fault;

static vita_status answer(vita_error *e)
{
	if (fault.status && fault.message && e) (void)vita_fail(e, fault.status, "%s", fault.message);
	if (fault.unterminated && e) memset(e->message, 'x', sizeof e->message);
	return fault.status;
}

static vita_status faulty_alloc(vita_backend *b, uint64_t size, vita_buffer **out, vita_error *e)
{
	(void)b;
	if (fault.status) return answer(e);
	if (fault.null_buffer) return *out = NULL, VITA_OK;
	return reference->api->alloc(reference->self, size, out, e);
}

static void faulty_free(vita_backend *b, vita_buffer *buffer)
{
	(void)b;
	reference->api->free(reference->self, buffer);
}

static vita_status faulty_wrap(vita_backend *b, void *memory, uint64_t size, uint32_t constant,
                               vita_buffer **out, vita_error *e)
{
	(void)b;
	if (fault.null_buffer) return *out = NULL, VITA_OK;
	return reference->api->wrap(reference->self, memory, size, constant, out, e);
}

static void *faulty_address(vita_backend *b, vita_buffer *buffer)
{
	(void)b;
	return reference->api->address(reference->self, buffer);
}

static vita_status faulty_load(vita_backend *b, const vita_array *source, uint32_t dtype, vita_tensor *out,
                               vita_error *e)
{
	(void)b;
	(void)e;
	*out = vita_view(fault.null_buffer ? NULL : (vita_buffer *)1, 0, dtype, source->rank,
	                 source->shape[0], source->shape[1] + fault.wrong_tensor, 1, 1);
	return VITA_OK;
}

static vita_status faulty_write(vita_backend *b, const vita_tensor *t, const void *source, uint64_t size,
                                vita_error *e)
{
	(void)b;
	fault.n_writes++;
	return fault.status ? answer(e) : reference->api->write(reference->self, t, source, size, e);
}

static vita_status faulty_read(vita_backend *b, const vita_tensor *t, void *target, uint64_t size,
                               vita_error *e)
{
	(void)b;
	fault.n_reads++;
	return fault.status ? answer(e) : reference->api->read(reference->self, t, target, size, e);
}

static int32_t faulty_supports(vita_backend *b, const vita_op *op)
{
	(void)b;
	return op->code == VITA_OP_AFFINE ? 77 : 0;
}

static vita_status faulty_submit(vita_backend *b, const vita_op *const *ops, uint32_t n, vita_error *e)
{
	(void)b;
	fault.n_submits++;
	return fault.status ? answer(e) : reference->api->submit(reference->self, ops, n, e);
}

static vita_status faulty_wait(vita_backend *b, vita_error *e)
{
	(void)b;
	return fault.status ? answer(e) : VITA_OK;
}

static const vita_backend_api faulty_api = {
	.struct_size = sizeof faulty_api,
	.alloc = faulty_alloc,
	.free = faulty_free,
	.wrap = faulty_wrap,
	.address = faulty_address,
	.load = faulty_load,
	.write = faulty_write,
	.read = faulty_read,
	.supports = faulty_supports,
	.submit = faulty_submit,
	.wait = faulty_wait,
};

static vita_fallback *layer;
static const vita_device *faulty;

static int open_faulty(void **state)
{
	static const vita_log log = { write_log, NULL, VITA_LOG_DEBUG };
	static vita_device inner = { sizeof inner, 0, &faulty_api, (vita_backend *)&fault };
	if (open_devices(state) != 0) return -1;
	memset(&fault, 0, sizeof fault);
	if (vita_fallback_create("faulty", &inner, "reference", reference, &log, &layer, &err) != VITA_OK)
		return -1;
	faulty = vita_fallback_device(layer);
	return 0;
}

static int close_faulty(void **state)
{
	vita_fallback_destroy(layer);
	return close_devices(state);
}

static vita_status run_affine(uint32_t code, vita_buffer *buffer, uint64_t offset)
{
	vita_tensor x = vita_view(buffer, offset, VITA_F32, 1, 8, 1, 1, 1);
	vita_affine_params params = { sizeof params, 0, 2, 0 };
	vita_op op;
	const vita_op *one = &op;
	VITA_INIT(&op);
	op.code = code;
	op.n_inputs = op.n_outputs = 1;
	op.input[0] = op.output[0] = &x;
	op.params = &params;
	return faulty->api->submit(faulty->self, &one, 1, &err);
}

/* Memory that the host can address is computed on where it lies; the rest of it is left alone. */
static void addressable_memory_is_used_in_place(void **state)
{
	float memory[12];
	vita_buffer *buffer;
	(void)state;
	for (int i = 0; i < 12; i++) memory[i] = 0.5f;
	assert_ok(faulty->api->wrap(faulty->self, memory, sizeof memory, 0, &buffer, &err), &err);
	assert_ok(run_affine(VITA_OP_SOFTMAX, buffer, 8), &err);
	assert_int_equal(fault.n_reads + fault.n_writes + fault.n_submits, 0);
	for (int i = 0; i < 12; i++)
		assert_true(fabsf(memory[i] - (i < 2 || i >= 10 ? 0.5f : 0.125f)) < 1e-6f);
	assert_ok(run_affine(VITA_OP_AFFINE, buffer, 8), &err);
	assert_int_equal(fault.n_submits, 1);
	assert_true(fabsf(memory[5] - 0.25f) < 1e-6f);
	faulty->api->free(faulty->self, buffer);
}

/* As in a mapped file whose header has an odd length. */
static void memory_at_odd_addresses_is_copied(void **state)
{
	unsigned char memory[80] = { 0 };
	float x[8];
	vita_tensor shape = vita_view(NULL, 0, VITA_F32, 1, 8, 1, 1, 1);
	(void)state;
	for (int i = 0; i < 8; i++) x[i] = 1;
	memcpy(memory + 13, x, sizeof x);
	assert_ok(faulty->api->wrap(faulty->self, memory + 1, 64, 0, &shape.buffer, &err), &err);
	shape.offset = 12;
	vita_status status = run_affine(VITA_OP_SOFTMAX, shape.buffer, 12);
	assert_int_equal(fault.n_reads, 1); /* and not computed on in place */
	assert_true(status == VITA_OK || err.message[0]);
	faulty->api->free(faulty->self, shape.buffer);
}

static void senseless_answers_become_errors(void **state)
{
	vita_buffer *buffer, *none = (vita_buffer *)1;
	vita_tensor t;
	float values[8] = { 0 };
	vita_array array = { sizeof array, VITA_F32, 2, 0, { 2, 4, 1, 1 }, 32, values, "weight" };
	(void)state;
	assert_ok(faulty->api->alloc(faulty->self, 64, &buffer, &err), &err);
	t = vita_view(buffer, 0, VITA_F32, 1, 8, 1, 1, 1);
	fault.null_buffer = 1;
	assert_failure(faulty->api->alloc(faulty->self, 64, &none, &err), VITA_E_INTERNAL, &err,
	               "alloc worked but gives no");
	none = (vita_buffer *)1;
	assert_failure(faulty->api->wrap(faulty->self, values, 32, 0, &none, &err), VITA_E_INTERNAL, &err,
	               "wrap worked but");
	assert_null(none);
	assert_failure(faulty->api->load(faulty->self, &array, VITA_F32, &t, &err), VITA_E_INTERNAL, &err,
	               "than \"weight\"");
	fault.null_buffer = 0;
	fault.wrong_tensor = 1;
	assert_failure(faulty->api->load(faulty->self, &array, VITA_F32, &t, &err), VITA_E_INTERNAL, &err,
	               "than \"weight\"");
	fault.wrong_tensor = 0;
	t = vita_view(buffer, 0, VITA_F32, 1, 8, 1, 1, 1);
	fault.status = 77;
	assert_failure(faulty->api->read(faulty->self, &t, values, 32, &err), VITA_E_INTERNAL, &err,
	               "read with the status 77");
	assert_failure(faulty->api->write(faulty->self, &t, values, 32, &err), VITA_E_INTERNAL, &err,
	               "write with the status");
	assert_failure(faulty->api->wait(faulty->self, &err), VITA_E_INTERNAL, &err,
	               "backend \"faulty\" answers wait");
	assert_failure(run_affine(VITA_OP_AFFINE, buffer, 0), VITA_E_INTERNAL, &err,
	               "submit with the status 77");
	fault.status = -4711;
	assert_failure(run_affine(VITA_OP_AFFINE, buffer, 0), VITA_E_INTERNAL, &err,
	               "submit with the status -4711");
	fault.status = VITA_E_DEVICE;
	assert_failure(run_affine(VITA_OP_AFFINE, buffer, 0), VITA_E_DEVICE, &err, "does not say why");
	assert_int_equal(faulty->api->wait(faulty->self, NULL), VITA_E_DEVICE);
	fault.message = "the cable is out";
	assert_failure(run_affine(VITA_OP_AFFINE, buffer, 0), VITA_E_DEVICE, &err, "the cable is out");
	fault.unterminated = 1;
	assert_int_equal(run_affine(VITA_OP_AFFINE, buffer, 0), VITA_E_DEVICE);
	assert_int_equal(strlen(err.message), sizeof err.message - 1);
	memset(&fault, 0, sizeof fault);
	faulty->api->free(faulty->self, buffer);
}

static void without_a_reference_backend_ops_are_missing(void **state)
{
	static vita_device inner = { sizeof inner, 0, &faulty_api, (vita_backend *)&fault };
	vita_buffer *buffer;
	(void)state;
	vita_fallback_destroy(layer);
	assert_ok(vita_fallback_create("faulty", &inner, NULL, NULL, NULL, &layer, &err), &err);
	faulty = vita_fallback_device(layer);
	assert_ok(faulty->api->alloc(faulty->self, 64, &buffer, &err), &err);
	assert_failure(
		run_affine(VITA_OP_SOFTMAX, buffer, 0), VITA_E_UNSUPPORTED, &err,
		"backend \"faulty\" cannot run SOFTMAX(f32), and there is no reference backend that could");
	assert_int_equal(run_affine(VITA_OP_AFFINE, buffer, 0), VITA_OK);
	faulty->api->free(faulty->self, buffer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_devices, close_devices)
#define FAULTY(name) cmocka_unit_test_setup_teardown(name, open_faulty, close_faulty)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(toy_runs_its_own_ops),
		TEST(missing_ops_run_elsewhere),
		TEST(views_keep_their_strides),
		TEST(caches_and_indices),
		TEST(quantised_weights),
		TEST(order_is_kept),
		TEST(nothing_is_done_to_nothing),
		TEST(ops_that_make_no_sense_are_refused),
		TEST(optional_members_are_there),
		FAULTY(addressable_memory_is_used_in_place),
		FAULTY(memory_at_odd_addresses_is_copied),
		FAULTY(senseless_answers_become_errors),
		FAULTY(without_a_reference_backend_ops_are_missing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
