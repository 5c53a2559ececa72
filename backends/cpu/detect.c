/* SPDX-License-Identifier: MIT
 *
 * Which kernels this processor and operating system can run. Compiled without any instruction set
 * options: everything here runs everywhere.
 */
#include <config.h> /* for syscall */

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "kernels.h"

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

struct features {
	bool avx2, avx512, avx512_vnni, avx512_bf16, avx512_fp16, amx_bf16;
	char brand[49];
};

/* Which registers the operating system saves on a context switch: bit 1 XMM, 2 YMM, 5-7 ZMM and masks. */
static uint64_t saved_registers(void)
{
	uint32_t low, high;
	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

static void read_brand(char brand[49])
{
	uint32_t words[12];
	memset(words, 0, sizeof words);
	for (uint32_t i = 0; i < 3; i++)
		if (!__get_cpuid(0x80000002u + i, &words[4 * i], &words[4 * i + 1], &words[4 * i + 2], &words[4 * i + 3])) break;
	memcpy(brand, words, 48);
	brand[48] = 0;
	for (size_t n = strlen(brand); n > 0 && brand[n - 1] == ' ';) brand[--n] = 0;
}

static struct features detect(void)
{
	struct features f;
	uint32_t a, b, c, d, c1 = 0;
	memset(&f, 0, sizeof f);
	read_brand(f.brand);
	if (!__get_cpuid(1, &a, &b, &c1, &d) || !(c1 & bit_OSXSAVE)) return f;
	uint64_t saved = saved_registers();
	if ((saved & 6) != 6 || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return f;
	f.avx2 = (b & bit_AVX2) && (c1 & bit_FMA) && (c1 & bit_F16C);
	if ((saved & 0xe6) != 0xe6) return f;
	f.avx512 = f.avx2 && (b & bit_AVX512F) && (b & bit_AVX512BW) && (b & bit_AVX512DQ) && (b & bit_AVX512VL);
	f.avx512_vnni = f.avx512 && (c & bit_AVX512VNNI);
	f.avx512_fp16 = f.avx512 && (d & 1u << 23);
	f.amx_bf16 = f.avx512_fp16 && (saved & 0x60000) == 0x60000 && (d & 1u << 22) && (d & 1u << 24);
	f.avx512_bf16 = f.avx512 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1u << 5);
	return f;
}

#ifdef HAVE_KERNELS_AVX512
/* Least nanoseconds for the same number of operations. */
static double spin_time(const struct cpu_kernels *kernels, uint32_t dtype)
{
	double least = 1e300;
	for (int i = 0; i < 7; i++) {
		struct timespec start, end;
		(void)clock_gettime(CLOCK_MONOTONIC, &start);
		const double ops = kernels->spin(dtype, 500);
		(void)clock_gettime(CLOCK_MONOTONIC, &end);
		const double ns = 1e9 * (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec);
		if (ns / ops < least) least = ns / ops;
	}
	return least;
}

#ifdef HAVE_KERNELS_AMX
/* Tile registers make what a signal saves on the stack several times as large, so Linux has a process ask for them, and
 * refuses where an alternate stack is too small for that. */
static bool tiles_are_allowed(void)
{
#if defined(__linux__) && defined(SYS_arch_prctl)
	const long request_permission = 0x1023, tile_data = 18;
	return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
	return false;
#endif
}
#endif

/* Is multiplying in bf16 worth its rounding? Processors say that they can, but not how quickly. Asked once. */
static bool bf16_is_quicker(void)
{
	static int answer = -1;
	if (answer < 0)
		answer = spin_time(&cpu_kernels_avx512, VITA_BF16) < 0.75 * spin_time(&cpu_kernels_avx512, VITA_F32);
	return answer == 1;
}
#endif
#endif

const struct cpu_kernels *cpu_kernels_choose(char *description, size_t size)
{
	const struct cpu_kernels *tables[6], *best;
	const char *brand = "CPU", *wish = getenv("VITA_CPU_KERNELS");
	int n = 0;
	if (wish && !*wish) wish = NULL;
	tables[n++] = &cpu_kernels_plain;
#if defined(__x86_64__)
	static struct features f;
	f = detect();
	if (f.brand[0]) brand = f.brand;
#ifdef HAVE_KERNELS_AVX2
	if (f.avx2) tables[n++] = &cpu_kernels_avx2;
#endif
#ifdef HAVE_KERNELS_AVX512
	if (f.avx512_vnni && f.avx512_bf16) {
		const bool quicker = bf16_is_quicker();
		tables[n++] = quicker ? &cpu_kernels_avx512 : &cpu_kernels_avx512_bf16;
		tables[n++] = quicker ? &cpu_kernels_avx512_bf16 : &cpu_kernels_avx512;
#ifdef HAVE_KERNELS_AVX512FP16
		/* products in f16 are as quick as in bf16 where that is quick, and have three more bits */
		if (f.avx512_fp16) tables[n++] = &cpu_kernels_avx512_fp16[quicker];
#ifdef HAVE_KERNELS_AMX
		if (f.amx_bf16 && (!wish || strcmp(wish, "avx512_amx") == 0) && tiles_are_allowed()) tables[n++] = &cpu_kernels_amx;
#endif
#endif
	}
#endif
#endif
	best = tables[n - 1];
	for (int i = 0; wish && i < n; i++)
		if (strcmp(tables[i]->name, wish) == 0) best = tables[i];
	(void)snprintf(description, size, "%s, %s kernels", brand, best->name);
	return best;
}
