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

/* Bytes a second over the whole buffer, by all threads at once. */
static double read_round(const vita_backend *backend, const unsigned char *memory)
{
	uint64_t sum = 0;
	double start = now();
	PARALLEL(for num_threads(backend->threads) schedule(static) reduction(^ : sum))
	for (int64_t i = 0; i < READ_BYTES / PIECE_BYTES; i++)
		sum ^= backend->kernels->read(memory + i * PIECE_BYTES, PIECE_BYTES);
	double rate = (double)READ_BYTES / (now() - start);
	return sum == 1 ? 0 : rate; /* the sum is used, so the reads are done */
}

static double spin_round(const vita_backend *backend, uint32_t dtype)
{
	double ops = 0, start = now();
	PARALLEL(for num_threads(backend->threads) schedule(static) reduction(+ : ops))
	for (int i = 0; i < backend->threads; i++) ops += backend->kernels->spin(dtype, SPIN_STEPS);
	return ops / (now() - start);
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
		if (read > out->read_bytes) out->read_bytes = read;
		if (f32 > out->f32_ops) out->f32_ops = f32;
		if (bf16 > out->bf16_ops) out->bf16_ops = bf16;
		if (int8 > out->int8_ops) out->int8_ops = int8;
	}
	cpu_free(backend, buffer);
	return VITA_OK;
}

const vita_roof_api cpu_roof_api = { .struct_size = sizeof cpu_roof_api, .measure = measure };
