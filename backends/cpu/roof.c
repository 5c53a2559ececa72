/* SPDX-License-Identifier: MIT
 *
 * What this machine could do at best: all threads read memory, or multiply and add in registers.
 */
#include "roof.h"

#include <stdlib.h>
#include <time.h>

#include "cpu.h"

#define READ_BYTES (INT64_C(512) << 20)
#define PIECE_BYTES (INT64_C(1) << 20)
#define ROUNDS 4
#define SPIN_STEPS 2000000

static double now(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* One round of all threads: what each adds up ends here. */
struct round {
	const struct cpu_kernels *kernels;
	const unsigned char *memory;
	uint32_t dtype;
	_Atomic uint64_t bits;   /* that were read: a use of them, so that the reads are done */
	_Atomic uint64_t ops;
};

static void read_share(void *work, int thread, int n_threads)
{
	struct round *r = work;
	int64_t first, end;
	uint64_t bits = 0;
	share(READ_BYTES / PIECE_BYTES, thread, n_threads, &first, &end);
	for (int64_t i = first; i < end; i++) bits ^= r->kernels->read(r->memory + i * PIECE_BYTES, PIECE_BYTES);
	(void)atomic_fetch_xor(&r->bits, bits);
}

static void spin_share(void *work, int thread, int n_threads)
{
	struct round *r = work;
	(void)thread, (void)n_threads;
	(void)atomic_fetch_add(&r->ops, (uint64_t)(r->dtype == VITA_F16 ? r->kernels->half->spin(SPIN_STEPS)
	                                                                 : r->kernels->spin(r->dtype, SPIN_STEPS)));
}

/* Bytes a second over the whole buffer. */
static double read_round(vita_backend *backend, const unsigned char *memory)
{
	struct round r = { .kernels = backend->kernels, .memory = memory };
	const double start = now();
	planner_run(backend, read_share, &r);
	return (double)READ_BYTES / (now() - start);
}

static double spin_round(vita_backend *backend, uint32_t dtype)
{
	struct round r = { .kernels = backend->kernels, .dtype = dtype };
	const double start = now();
	planner_run(backend, spin_share, &r);
	return (double)r.ops / (now() - start);
}

static vita_status measure(vita_backend *backend, vita_roof *out, vita_error *err)
{
	vita_buffer *buffer;
	vita_status status = cpu_alloc(backend, (uint64_t)READ_BYTES, &buffer, err);
	if (status != VITA_OK) return status;
	memset(buffer->memory, 7, (size_t)READ_BYTES);
	for (int i = 0; i < ROUNDS; i++) {
		double read = read_round(backend, buffer->memory), f32 = spin_round(backend, VITA_F32);
		double bf16 = spin_round(backend, VITA_BF16), int8 = spin_round(backend, VITA_Q8_0);
		double f16 = backend->kernels->half && VITA_COVERS(out, vita_roof, f16_ops) ? spin_round(backend, VITA_F16) : 0;
		if (read > out->read_bytes) out->read_bytes = read;
		if (f32 > out->f32_ops) out->f32_ops = f32;
		if (bf16 > out->bf16_ops) out->bf16_ops = bf16;
		if (int8 > out->int8_ops) out->int8_ops = int8;
		if (f16 > 0 && f16 > out->f16_ops) out->f16_ops = f16;
	}
	cpu_free(backend, buffer);
	return VITA_OK;
}

const vita_roof_api cpu_roof_api = { .struct_size = sizeof cpu_roof_api, .measure = measure };
