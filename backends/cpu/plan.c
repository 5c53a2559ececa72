/* SPDX-License-Identifier: MIT
 *
 * From ops to a plan, and the plan run by all threads in one go: threads meet only where a step touches what
 * an earlier step since the last meeting wrote.
 */
#include <pthread.h>
#include <stdlib.h>

#include "cpu.h"

#define MAX_OPS 64
#define MAX_STEPS (2 * MAX_OPS)
#define MAX_RANGES (MAX_OPS * 4)
#define ARENA_STEP ((uint64_t)1 << 16)

/* Bytes of memory that a tensor may touch. */
struct range {
	const unsigned char *first, *end;
};

struct ranges {
	struct range range[MAX_RANGES];
	uint32_t n;
};

/* One submit at a time has it: a second thread's waits, for the processors are taken anyway. */
struct planner {
	pthread_mutex_t lock;
	team *team;
	unsigned char *arena; /* scratch of the plan's steps */
	uint64_t arena_size;
	op_call call[MAX_OPS];
	uint32_t n_calls;
	struct step step[MAX_STEPS];
	atomic_llong next[MAX_STEPS];
	uint32_t n_steps;
	uint64_t used;        /* bytes of shared scratch that steps since the last barrier have */
	uint64_t shared, own; /* bytes of scratch, at most */
	struct ranges written, read; /* since the last barrier */
	team_barrier barrier;
};

vita_status planner_open(vita_backend *backend, vita_error *err)
{
	struct planner *p = calloc(1, sizeof *p);
	if (!p) return vita_fail(err, VITA_E_NOMEM, "cpu: no memory for a planner");
	vita_status status = team_open(backend->threads, &p->team, err);
	if (status != VITA_OK) {
		free(p);
		return status;
	}
	(void)pthread_mutex_init(&p->lock, NULL);
	backend->planner = p;
	return VITA_OK;
}

void planner_close(vita_backend *backend)
{
	struct planner *p = backend->planner;
	if (!p) return;
	team_close(p->team);
	(void)pthread_mutex_destroy(&p->lock);
	free(p->arena);
	free(p);
}

void planner_run(vita_backend *backend, team_work *run, void *work)
{
	struct planner *p = backend->planner;
	(void)pthread_mutex_lock(&p->lock);
	team_run(p->team, run, work);
	(void)pthread_mutex_unlock(&p->lock);
}

/* ---- what waits for what --------------------------------------------------------------------------- */

static struct range range_of(const vita_tensor *t)
{
	const uint32_t last = t->rank - 1;
	int64_t low = 0, high = (int64_t)vita_dtype_bytes(t->dtype);
	uint32_t strided = t->rank;
	struct range r = { NULL, NULL };
	if (vita_dtype_block(t->dtype) > 1) {
		strided = last;
		high = vita_row_bytes(t->dtype, t->shape[last]);
	}
	for (uint32_t i = 0; i < strided; i++) {
		if (t->shape[i] == 0) return r;
		const int64_t far = (t->shape[i] - 1) * t->stride[i];
		if (far < 0) low += far;
		else high += far;
	}
	r.first = (unsigned char *)tensor_data(t) + low;
	r.end = (unsigned char *)tensor_data(t) + high;
	return r;
}

static bool meets(const struct ranges *set, struct range r)
{
	for (uint32_t i = 0; i < set->n; i++)
		if ((uintptr_t)set->range[i].first < (uintptr_t)r.end && (uintptr_t)r.first < (uintptr_t)set->range[i].end)
			return true;
	return false;
}

/* Remember what an op reads and writes. Nobody writes packed or wrapped constant weights. */
static void remember(struct planner *p, const op_call *c)
{
	for (uint32_t i = 0; i < c->n_in; i++)
		if (c->in[i] && !c->in[i]->buffer->constant) p->read.range[p->read.n++] = range_of(c->in[i]);
	for (uint32_t i = 0; i < c->n_out; i++) p->written.range[p->written.n++] = range_of(c->out[i]);
}

static void forget(struct planner *p)
{
	p->written.n = p->read.n = 0;
}

/* Does the op have to wait for the steps since the last barrier? They are forgotten then. */
static bool needs_barrier(struct planner *p, const op_call *c)
{
	bool wait = p->read.n + VITA_OP_MAX_INPUTS > MAX_RANGES || p->written.n + VITA_OP_MAX_OUTPUTS > MAX_RANGES;
	for (uint32_t i = 0; i < c->n_in && !wait; i++)
		wait = c->in[i] && !c->in[i]->buffer->constant && meets(&p->written, range_of(c->in[i]));
	for (uint32_t i = 0; i < c->n_out && !wait; i++) {
		const struct range r = range_of(c->out[i]);
		wait = meets(&p->written, r) || meets(&p->read, r);
	}
	if (wait) forget(p);
	remember(p, c);
	return wait;
}

/* ---- running --------------------------------------------------------------------------------------- */

static void run_steps(void *work, int thread, int n_threads)
{
	struct planner *p = work;
	for (uint32_t i = 0; i < p->n_steps; i++) {
		if (p->step[i].barrier && i > 0) team_meet(&p->barrier, n_threads);
		p->step[i].run(&p->step[i], thread, n_threads);
	}
}

static vita_status reserve_arena(struct planner *p, uint64_t bytes, vita_error *err)
{
	void *memory = NULL;
	if (bytes <= p->arena_size) return VITA_OK;
	bytes = (bytes + ARENA_STEP - 1) / ARENA_STEP * ARENA_STEP;
	free(p->arena);
	p->arena = NULL;
	p->arena_size = 0;
	if (bytes > SIZE_MAX || posix_memalign(&memory, 64, (size_t)bytes) != 0)
		return vita_fail(err, VITA_E_NOMEM, "cpu: no memory for %llu bytes of scratch", (unsigned long long)bytes);
	p->arena = memory;
	p->arena_size = bytes;
	return VITA_OK;
}

/* Run what is planned and begin anew. */
static vita_status run_plan(vita_backend *backend, vita_error *err)
{
	struct planner *p = backend->planner;
	const struct step *then = NULL;
	vita_status status = VITA_OK;
	if (p->n_steps > 0) {
		status = reserve_arena(p, p->shared + p->own * (uint64_t)backend->threads, err);
		for (uint32_t i = p->n_steps; i-- > 0 && status == VITA_OK;) {
			p->step[i].then = then;
			if (p->step[i].run == matmul_multiply_step) then = &p->step[i];
			p->step[i].scratch = p->arena + p->step[i].at;
			p->step[i].own_base = p->arena + p->shared;
			p->step[i].own_step = p->own;
		}
		team_barrier_init(&p->barrier);
		if (status == VITA_OK) team_run(p->team, run_steps, p);
	}
	p->n_calls = p->n_steps = 0;
	p->used = p->shared = p->own = 0;
	forget(p);
	return status;
}

/* ---- planning -------------------------------------------------------------------------------------- */

/* Behind a barrier nobody uses the scratch of earlier steps any more: it is given out again. */
static struct step *add_step(vita_backend *backend, step_fn *run, step_needs *needs, const op_call *c, bool barrier)
{
	struct planner *p = backend->planner;
	struct step *s = &p->step[p->n_steps];
	memset(s, 0, sizeof *s);
	s->run = run;
	s->backend = backend;
	s->c = c;
	s->barrier = barrier;
	s->next = &p->next[p->n_steps++];
	atomic_init(s->next, 0);
	if (needs) needs(s);
	if (barrier) p->used = 0;
	s->at = p->used;
	p->used += aligned(s->shared);
	if (p->used > p->shared) p->shared = p->used;
	if (aligned(s->own) > p->own) p->own = aligned(s->own);
	return s;
}

/* Two steps, the second of which reads what the first left in its scratch. Everything before is done when the
 * second begins; only its own op is open. */
static void add_pair(vita_backend *backend, step_fn *first, step_needs *first_needs, step_fn *second,
                     step_needs *second_needs, const op_call *c, bool barrier)
{
	const struct step *prepare = add_step(backend, first, first_needs, c, barrier);
	const uint64_t used = backend->planner->used;
	struct step *s = add_step(backend, second, second_needs, c, true);
	s->at = prepare->at;
	backend->planner->used = used;
	forget(backend->planner);
	remember(backend->planner, c);
}

static bool same_view(const vita_tensor *a, const vita_tensor *b)
{
	return tensor_data(a) == tensor_data(b) && a->rank == b->rank && memcmp(a->shape, b->shape, sizeof a->shape) == 0 &&
	       memcmp(a->stride, b->stride, sizeof a->stride) == 0;
}

/* A product after one of the same activations with the same kind of weight (Q, K and V; gate and up) uses what
 * that one converted: nothing has been written between them, or there would be a barrier. */
static const struct step *converted_before(const struct planner *p, const op_call *c, bool barrier)
{
	const struct step *s = p->n_steps > 0 ? &p->step[p->n_steps - 1] : NULL;
	if (barrier || !s || s->run != matmul_multiply_step || !matmul_converts(s->backend, s->c)) return NULL;
	return matmul_converts_alike(s->backend, s->c, c) && same_view(s->c->in[0], c->in[0]) ? s : NULL;
}

static void add_matmul(vita_backend *backend, const op_call *c, bool barrier)
{
	if (!matmul_converts(backend, c)) {
		(void)add_step(backend, matmul_multiply_step, matmul_multiply_needs, c, barrier);
		return;
	}
	const struct step *before = converted_before(backend->planner, c, barrier);
	if (before) add_step(backend, matmul_multiply_step, matmul_multiply_needs, c, false)->at = before->at;
	else add_pair(backend, matmul_convert_step, matmul_convert_needs, matmul_multiply_step, matmul_multiply_needs, c,
	              barrier);
}

static const struct {
	step_fn *run;
	step_needs *needs;
} simple[VITA_OP_COUNT] = {
	[VITA_OP_GATHER] = { gather_step, NULL },
	[VITA_OP_SCATTER] = { scatter_step, NULL },
	[VITA_OP_RMS_NORM] = { rms_norm_step, NULL },
	[VITA_OP_LAYER_NORM] = { layer_norm_step, NULL },
	[VITA_OP_GROUP_NORM] = { group_norm_step, NULL },
	[VITA_OP_ROPE] = { rope_step, rope_needs },
	[VITA_OP_ATTENTION] = { attention_step, attention_needs },
	[VITA_OP_SOFTMAX] = { softmax_step, NULL },
	[VITA_OP_UNARY] = { unary_step, NULL },
	[VITA_OP_BINARY] = { binary_step, NULL },
	[VITA_OP_GLU] = { glu_step, NULL },
	[VITA_OP_AFFINE] = { affine_step, NULL },
	[VITA_OP_POOL] = { pool_step, NULL },
	[VITA_OP_INTERPOLATE] = { interpolate_step, NULL },
	[VITA_OP_CUMSUM] = { cumsum_step, NULL },
	[VITA_OP_ARGMAX] = { argmax_step, NULL },
	[VITA_OP_TOP_K] = { top_k_step, NULL },
	[VITA_OP_NEAREST] = { nearest_step, nearest_needs },
	[VITA_OP_REDUCE] = { reduce_step, NULL },
	[VITA_OP_COPY] = { copy_step, copy_needs },
	[VITA_OP_CONCAT] = { concat_step, NULL },
	[VITA_OP_FILL] = { fill_step, NULL },
};

/* ---- what op_check cannot know --------------------------------------------------------------------- */

/* Ids are data, and threads must not find a wrong one. They may be the result of an op that is still planned. */
static vita_status check_ids(vita_backend *backend, const op_call *c, vita_error *err)
{
	const vita_tensor *ids = c->in[1];
	const int64_t rows = c->code == VITA_OP_GATHER ? c->in[0]->shape[0] : c->out[0]->shape[0];
	if (meets(&backend->planner->written, range_of(ids))) {
		/* c itself is in the plan's memory, and stays what it is until another op takes its place */
		vita_status status = run_plan(backend, err);
		if (status != VITA_OK) return status;
	}
	for (int64_t i = 0; i < ids->shape[0]; i++) {
		int32_t id;
		memcpy(&id, (const char *)tensor_data(ids) + i * ids->stride[0], sizeof id);
		if (id < 0 || id >= rows)
			return op_fail(c, VITA_E_INVALID, "ids[%lld] is %d, expected 0 to %lld", (long long)i, (int)id,
			               (long long)rows - 1);
	}
	return VITA_OK;
}

/* Packed weights are described as dense rows and can only be used by whole rows. */
static vita_status check_packed(const op_call *c)
{
	const uint32_t allowed = c->code == VITA_OP_MATMUL ? 1 : 0;
	const bool reads = c->code == VITA_OP_MATMUL || c->code == VITA_OP_GATHER || c->code == VITA_OP_COPY;
	for (uint32_t i = 0; i < c->n_in; i++) {
		const vita_tensor *t = c->in[i];
		if (!t || !is_packed(t)) continue;
		if (!reads || i != allowed)
			return op_fail(c, VITA_E_UNSUPPORTED, "input %u is a weight laid out for MATMUL, GATHER and COPY: "
			               "upload it in plain layout (VITA_ARRAY_F_PLAIN)", i);
		const int64_t row = vita_row_bytes(t->buffer->packed_dtype, t->buffer->columns);
		if (t->rank != 2 || t->dtype != t->buffer->packed_dtype || t->shape[1] != t->buffer->columns ||
		    (t->shape[0] > 1 && t->stride[0] != row) || t->offset % (uint64_t)row != 0)
			return op_fail(c, VITA_E_UNSUPPORTED, "input %u must be whole rows of %lld values: its buffer holds a weight "
			               "laid out for MATMUL", i, (long long)t->buffer->columns);
	}
	return VITA_OK;
}

static vita_status plan_op(vita_backend *backend, const vita_op *op, vita_error *err)
{
	struct planner *p = backend->planner;
	vita_status status = VITA_OK;
	if (p->n_calls == MAX_OPS || p->n_steps + 2 > MAX_STEPS) status = run_plan(backend, err);
	op_call *c = &p->call[p->n_calls];
	if (status == VITA_OK) status = op_check("cpu", cpu_memory, op, c, err);
	if (status == VITA_OK) status = check_packed(c);
	if (status != VITA_OK || !op_any_elements(c->out, c->n_out)) return status;
	const bool conv = c->code == VITA_OP_CONV1D || c->code == VITA_OP_CONV_TRANSPOSE1D;
	if (conv) status = conv_check(c);
	if (c->code == VITA_OP_GATHER || c->code == VITA_OP_SCATTER) status = check_ids(backend, c, err);
	if (status != VITA_OK) return status;
	if (c != &p->call[p->n_calls]) return plan_op(backend, op, err); /* the plan has begun anew: this is its first op */
	p->n_calls++;
	const bool barrier = needs_barrier(p, c);
	if (c->code == VITA_OP_MATMUL) add_matmul(backend, c, barrier);
	else if (conv)
		add_pair(backend, conv_spread_step, conv_spread_needs, conv_multiply_step, conv_multiply_needs, c, barrier);
	else (void)add_step(backend, simple[c->code].run, simple[c->code].needs, c, barrier);
	return VITA_OK;
}

/* ---- the backend's own ----------------------------------------------------------------------------- */

int32_t cpu_supports(vita_backend *backend, const vita_op *op)
{
	op_call c;
	(void)backend;
	return op_check("cpu", NULL, op, &c, NULL) == VITA_OK;
}

vita_status cpu_submit(vita_backend *backend, const vita_op *const *ops, uint32_t n, vita_error *err)
{
	vita_status status = VITA_OK;
	if (n > 0 && !ops) return vita_fail(err, VITA_E_INVALID, "cpu: submit was given no list of ops");
	(void)pthread_mutex_lock(&backend->planner->lock);
	for (uint32_t i = 0; i < n && status == VITA_OK; i++) status = plan_op(backend, ops[i], err);
	/* ops before a failed one are done all the same */
	const vita_status ran = run_plan(backend, status == VITA_OK ? err : NULL);
	(void)pthread_mutex_unlock(&backend->planner->lock);
	return status == VITA_OK ? ran : status;
}
