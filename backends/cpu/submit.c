/* SPDX-License-Identifier: MIT
 *
 * From ops to a plan, and the plan run by all threads in one parallel region: threads meet only where a
 * step touches what an earlier step since the last meeting wrote.
 */
#include <sched.h>
#include <stdlib.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "onednn.h"

#define MAX_STEPS 128
#define ALONE_MACS 4e6 /* less work than this is done before a second thread is awake, more so on a busy machine */

/* Bytes of a buffer that a tensor may touch. */
struct range {
	const vita_buffer *buffer;
	uint64_t first, end;
};

struct plan {
	struct step step[MAX_STEPS];
	atomic_int next[MAX_STEPS];
	uint32_t n;
	struct range written[MAX_STEPS * 2], read[MAX_STEPS * 4]; /* since the last barrier */
	uint32_t n_written, n_read;
	void *scratch[MAX_STEPS];
	uint32_t n_scratch;
	double macs; /* multiply-adds of all steps, about */
};

/* Threads that wait spin for a while, because the next step is microseconds away, then give way. */
struct barrier {
	atomic_int arrived, generation;
};

static void barrier_wait(struct barrier *b, int n_threads)
{
	int generation = atomic_load_explicit(&b->generation, memory_order_acquire);
	if (atomic_fetch_add_explicit(&b->arrived, 1, memory_order_acq_rel) == n_threads - 1) {
		atomic_store_explicit(&b->arrived, 0, memory_order_relaxed);
		atomic_store_explicit(&b->generation, generation + 1, memory_order_release);
		return;
	}
	for (int spins = 0; atomic_load_explicit(&b->generation, memory_order_acquire) == generation; spins++) {
		if (spins > 2000) (void)sched_yield();
#if defined(__x86_64__) || defined(__i386__)
		else __builtin_ia32_pause();
#endif
	}
}

static struct range range_of(const vita_tensor *t)
{
	struct range r = { t->buffer, t->offset, t->offset };
	int64_t last = 0;
	for (uint32_t i = 0; i < t->rank; i++) {
		if (t->shape[i] <= 0) return r;
		if (i + 1 == t->rank && vita_dtype_block(t->dtype) > 1) last += vita_row_bytes(t->dtype, t->shape[i]);
		else last += (t->shape[i] - 1) * t->stride[i];
	}
	r.end = t->offset + (uint64_t)last + vita_dtype_bytes(t->dtype);
	return r;
}

static bool meets(const struct range *set, uint32_t n, struct range r)
{
	for (uint32_t i = 0; i < n; i++)
		if (set[i].buffer == r.buffer && set[i].first < r.end && r.first < set[i].end) return true;
	return false;
}

/* Does op have to wait for the steps since the last barrier? Then they are forgotten; op is remembered. */
static bool needs_barrier(struct plan *p, const vita_op *op)
{
	struct range in[VITA_OP_MAX_INPUTS], out[VITA_OP_MAX_OUTPUTS];
	uint32_t n_in = 0, n_out = 0;
	bool wait = false;
	for (uint32_t i = 0; i < op->n_inputs; i++)
		if (op->input[i]) in[n_in++] = range_of(op->input[i]);
	for (uint32_t i = 0; i < op->n_outputs; i++)
		if (op->output[i]) out[n_out++] = range_of(op->output[i]);
	for (uint32_t i = 0; i < n_in; i++) wait |= meets(p->written, p->n_written, in[i]);
	for (uint32_t i = 0; i < n_out; i++)
		wait |= meets(p->written, p->n_written, out[i]) || meets(p->read, p->n_read, out[i]);
	wait |= p->n_written + n_out > MAX_STEPS * 2 || p->n_read + n_in > MAX_STEPS * 4;
	if (wait) p->n_written = p->n_read = 0;
	for (uint32_t i = 0; i < n_in; i++) p->read[p->n_read++] = in[i];
	for (uint32_t i = 0; i < n_out; i++) p->written[p->n_written++] = out[i];
	return wait;
}

static struct step *add_step(struct plan *p, step_fn *run, const vita_op *op, bool barrier)
{
	struct step *s = &p->step[p->n];
	memset(s, 0, sizeof *s);
	s->run = run;
	s->op = op;
	s->barrier = barrier;
	s->next = &p->next[p->n];
	atomic_init(s->next, 0);
	p->n++;
	return s;
}

static bool same_view(const vita_tensor *a, const vita_tensor *b)
{
	return a->buffer == b->buffer && a->offset == b->offset && a->shape[0] == b->shape[0] &&
	       a->shape[1] == b->shape[1] && a->stride[0] == b->stride[0];
}

/* A product right after one of the same activations with the same kind of weight (Q, K and V; gate and up)
 * uses what that one converted: nothing has been written between them. */
static const struct step *converted_before(const struct plan *p, const vita_op *op)
{
	if (p->n == 0 || p->step[p->n - 1].run != matmul_multiply_step) return NULL;
	const struct step *s = &p->step[p->n - 1];
	const vita_tensor *y = s->op->output[0];
	struct range x = range_of(op->input[0]), written = range_of(y);
	return s->scratch && s->op->input[1]->dtype == op->input[1]->dtype && same_view(s->op->input[0], op->input[0]) &&
	       !meets(&written, 1, x) ? s : NULL;
}

static vita_status add_matmul(struct plan *p, const vita_op *op, bool barrier, vita_error *err)
{
	if (!matmul_converts(op)) {
		struct step *s = add_step(p, matmul_multiply_step, op, barrier);
		matmul_prepare(op, NULL, s);
		return VITA_OK;
	}
	const struct step *before = converted_before(p, op);
	if (before) {
		struct step *s = add_step(p, matmul_multiply_step, op, barrier);
		s->scratch = before->scratch;
		s->rows = before->rows;
		return VITA_OK;
	}
	void *scratch = NULL;
	uint64_t bytes = matmul_scratch(op);
	if (posix_memalign(&scratch, 64, bytes ? bytes : 64) != 0)
		return vita_fail(err, VITA_E_NOMEM, "cpu: no memory for %llu bytes of activations", (unsigned long long)bytes);
	p->scratch[p->n_scratch++] = scratch;
	matmul_prepare(op, scratch, add_step(p, matmul_convert_step, op, barrier));
	matmul_prepare(op, scratch, add_step(p, matmul_multiply_step, op, true));
	/* Everything before the barrier between the two is done; only this product is open. */
	p->n_written = p->n_read = 0;
	(void)needs_barrier(p, op);
	return VITA_OK;
}

static double macs_of(const vita_op *op)
{
	const vita_tensor *x = op->input[0], *y = op->output[0];
	double values = y->shape[0];
	for (uint32_t i = 1; i < y->rank; i++) values *= (double)y->shape[i];
	if (op->code == VITA_OP_MATMUL) return values * (double)x->shape[x->rank - 1];
	if (op->code == VITA_OP_ATTENTION) return 2 * values * (double)op->input[1]->shape[0];
	return values;
}

static void run_plan(const vita_backend *backend, struct plan *p)
{
	int wanted = p->macs < ALONE_MACS ? 1 : backend->threads;
	if (p->n == 0) return;
	struct barrier barrier;
	atomic_init(&barrier.arrived, 0);
	atomic_init(&barrier.generation, 0);
#ifdef _OPENMP
	PARALLEL(num_threads(wanted))
	{
		int thread = omp_get_thread_num(), n_threads = omp_get_num_threads();
#else
	{
		int thread = 0, n_threads = 1;
		(void)wanted;
#endif
		for (uint32_t i = 0; i < p->n; i++) {
			if (p->step[i].barrier && i > 0 && n_threads > 1) barrier_wait(&barrier, n_threads);
			p->step[i].run(&p->step[i], backend, thread, n_threads);
		}
	}
}

static void plan_clear(struct plan *p)
{
	for (uint32_t i = 0; i < p->n_scratch; i++) free(p->scratch[i]);
	p->n = p->n_scratch = p->n_written = p->n_read = 0;
	p->macs = 0;
}

/* An id out of range must be found before threads run. */
static vita_status check_ids(const vita_op *op, vita_error *err)
{
	const vita_tensor *ids = op->input[1], *table = op->code == VITA_OP_GATHER ? op->input[0] : op->output[0];
	for (int64_t i = 0; i < ids->shape[0]; i++) {
		int32_t id;
		memcpy(&id, (const char *)tensor_data(ids) + i * ids->stride[0], sizeof id);
		if (id < 0 || id >= table->shape[0])
			return vita_fail(err, VITA_E_INVALID, "cpu: id %d is outside the table's 0 … %lld", (int)id,
			                 (long long)table->shape[0] - 1);
	}
	return VITA_OK;
}

vita_status cpu_submit(vita_backend *backend, const vita_op *const *ops, uint32_t n, vita_error *err)
{
	struct plan *p = calloc(1, sizeof *p);
	vita_status status = VITA_OK;
	if (!p) return vita_fail(err, VITA_E_NOMEM, "cpu: no memory for a plan of %u ops", n);
	for (uint32_t i = 0; i < n && status == VITA_OK; i++) {
		const vita_op *op = ops[i];
		if (!cpu_supports(backend, op)) {
			status = vita_fail(err, VITA_E_UNSUPPORTED, "cpu: op %u with these types and shapes is not supported",
			                   op->code);
			break;
		}
		if (op->code == VITA_OP_GATHER || op->code == VITA_OP_SCATTER) {
			/* Ids may be the result of an op that is still in the plan. */
			struct range r = range_of(op->input[1]);
			if (meets(p->written, p->n_written, r)) run_plan(backend, p), plan_clear(p);
			if ((status = check_ids(op, err)) != VITA_OK) break;
		}
		if (op->code == VITA_OP_MATMUL && onednn_takes(backend->onednn, op)) {
			run_plan(backend, p), plan_clear(p);
			status = onednn_matmul(backend->onednn, backend, op, err);
			if (status == VITA_OK) continue;
			if (status != VITA_E_UNSUPPORTED) break;
			status = VITA_OK;
		}
		if (p->n + 2 > MAX_STEPS) run_plan(backend, p), plan_clear(p);
		bool barrier = needs_barrier(p, op);
		p->macs += macs_of(op);
		if (op->code == VITA_OP_MATMUL) status = add_matmul(p, op, barrier, err);
		else (void)add_step(p, simple_step(op), op, barrier);
	}
	run_plan(backend, p);
	plan_clear(p);
	free(p);
	return status;
}
