/* SPDX-License-Identifier: MIT
 *
 * Programs: a kernel file behind kernels/common.cl and kernels/values.cl, compiled by the driver with -D options,
 * or taken from the cache on disk.
 */
#include <stdlib.h>

#include "opencl.h"

#define OPTIONS 512
#define LOG_SHOWN 700

struct kernel_entry {
	const struct kernel_source *source;
	uint64_t variant;
	cl_kernel kernel;
	struct kernel_entry *next;
};

struct program_entry {
	const struct kernel_file *file;
	char options[OPTIONS];
	cl_program program;
	struct program_entry *next;
};

#define BUCKETS 256

struct programs {
	struct kernel_entry *kernels[BUCKETS];
	struct program_entry *programs;
};

vita_status programs_open(vita_backend *backend, vita_error *err)
{
	char distrust[1100];
	backend->programs = calloc(1, sizeof *backend->programs);
	if (!backend->programs) return vita_fail(err, VITA_E_NOMEM, "opencl: no memory for programs");
	cache_describe_distrust(distrust, sizeof distrust);
	if (distrust[0])
		vita_logf(backend->host, VITA_LOG_WARNING, "opencl", "compiled programs are not kept in %s; every start compiles them",
		          distrust);
	return VITA_OK;
}

void programs_close(vita_backend *backend)
{
	struct programs *all = backend->programs;
	if (!all) return;
	for (size_t i = 0; i < BUCKETS; i++)
		while (all->kernels[i]) {
			struct kernel_entry *next = all->kernels[i]->next;
			(void)clReleaseKernel(all->kernels[i]->kernel);
			free(all->kernels[i]);
			all->kernels[i] = next;
		}
	while (all->programs) {
		struct program_entry *next = all->programs->next;
		(void)clReleaseProgram(all->programs->program);
		free(all->programs);
		all->programs = next;
	}
	free(all);
}

/* ---- building -------------------------------------------------------------------------------------- */

/* The first error of a build log, with the place in our file that the driver names; failing that, its beginning.
 * Drivers differ, but all say "error" in the line that matters. */
static void first_error(const char *log, char *text, size_t size)
{
	const char *at = log;
	for (const char *line = log; *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (memchr(line, ':', strcspn(line, "\n"))) {
			const char *error = strstr(line, "error");
			if (error && error < line + strcspn(line, "\n")) {
				at = line;
				break;
			}
		}
	at += strspn(at, " \t\n");
	(void)snprintf(text, size, "%.*s", (int)strcspn(at, "\n"), at);
}

static vita_status build_failed(vita_backend *backend, cl_program program, const struct kernel_file *file,
                                const char *options, cl_int error, vita_error *err)
{
	size_t size = 0;
	char text[LOG_SHOWN] = "", *log = NULL;
	if (clGetProgramBuildInfo(program, backend->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &size) == CL_SUCCESS && size < 1 << 24)
		log = calloc(size + 1, 1);
	if (log && clGetProgramBuildInfo(program, backend->id, CL_PROGRAM_BUILD_LOG, size, log, NULL) == CL_SUCCESS) {
		first_error(log, text, sizeof text);
		vita_logf(backend->host, VITA_LOG_DEBUG, "opencl", "build log of %s (%s): %.900s", file->name, options, log);
	}
	free(log);
	return vita_fail(err, VITA_E_DEVICE, "opencl: %s does not compile for %s (%s)%s%s", file->name, backend->device.name,
	                 cl_error_name(error), text[0] ? ": " : "", text);
}

/* Each file under its own name and line numbers. */
static cl_program from_source(vita_backend *backend, const struct kernel_file *file, cl_int *error)
{
	const struct kernel_file *parts[] = { &kernel_files[0], &kernel_files[1], file };
	char lines[3][64];
	const char *texts[6];
	size_t sizes[6];
	for (int i = 0; i < 3; i++) {
		sizes[2 * i] = (size_t)snprintf(lines[i], sizeof lines[i], "#line 1 \"%s\"\n", parts[i]->name);
		texts[2 * i] = lines[i];
		texts[2 * i + 1] = (const char *)parts[i]->text;
		sizes[2 * i + 1] = parts[i]->size;
	}
	return clCreateProgramWithSource(backend->context, 6, texts, sizes, error);
}

static vita_status compile(vita_backend *backend, const struct kernel_file *file, const char *options, cl_program *out,
                           vita_error *err)
{
	cl_int error;
	*out = from_source(backend, file, &error);
	if (error != CL_SUCCESS) return cl_failure(backend, "clCreateProgramWithSource", error, err);
	error = clBuildProgram(*out, 1, &backend->id, options, NULL, NULL);
	if (error == CL_SUCCESS) return VITA_OK;
	const vita_status status = build_failed(backend, *out, file, options, error, err);
	(void)clReleaseProgram(*out);
	*out = NULL;
	return status;
}

/* ---- the cache ------------------------------------------------------------------------------------- */

/* Everything that a compiled program depends on. */
static void key_of(const vita_backend *backend, const struct kernel_file *file, const char *options, char *key, size_t size)
{
	const struct kernel_file *parts[] = { &kernel_files[0], &kernel_files[1], file };
	uint64_t hash = CACHE_HASH_BEGIN;
	for (int i = 0; i < 3; i++) hash = cache_hash(hash, parts[i]->text, parts[i]->size);
	(void)snprintf(key, size, "%s|%s|%s|%s|%s|%016llx|%s", backend->device.platform_name, backend->device.name,
	               backend->device.version, backend->device.driver, file->name, (unsigned long long)hash, options);
}

/* NULL where the cache has none, or the driver does not take it (any more). */
static cl_program from_cache(vita_backend *backend, const char *key, const char *options)
{
	size_t size;
	cl_int error, taken;
	unsigned char *binary = cache_read(key, &size);
	if (!binary) return NULL;
	cl_program program = clCreateProgramWithBinary(backend->context, 1, &backend->id, &size,
	                                               (const unsigned char **)&binary, &taken, &error);
	free(binary);
	if (error != CL_SUCCESS) return NULL;
	if (taken == CL_SUCCESS && clBuildProgram(program, 1, &backend->id, options, NULL, NULL) == CL_SUCCESS) return program;
	(void)clReleaseProgram(program);
	return NULL;
}

static void to_cache(cl_program program, const char *key)
{
	size_t size = 0;
	if (clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof size, &size, NULL) != CL_SUCCESS || size == 0) return;
	unsigned char *binary = malloc(size);
	if (binary && clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL) == CL_SUCCESS)
		cache_write(key, binary, size);
	free(binary);
}

static vita_status build(vita_backend *backend, const struct kernel_file *file, const char *options, cl_program *out,
                         vita_error *err)
{
	char key[1024 + OPTIONS];
	key_of(backend, file, options, key, sizeof key);
	*out = from_cache(backend, key, options);
	if (*out) return VITA_OK;
	const vita_status status = compile(backend, file, options, out, err);
	if (status == VITA_OK) to_cache(*out, key);
	return status;
}

/* What every program is told: the class of the device, and what it can do. */
static void common_options(const vita_backend *backend, char *text, size_t size)
{
	(void)snprintf(text, size, "-cl-std=%s -DLANES=%u -DGROUP=%u%s%s%s",
	               backend->device.int_dot || backend->device.subgroups ? "CL3.0" : "CL1.2",
	               (unsigned)backend->lanes, (unsigned)backend->group, backend->is_cpu ? " -DCPU=1" : " -DCPU=0",
	               backend->device.fp64 ? " -DFP64=1" : " -DFP64=0", backend->device.subgroups ? " -DSUBGROUPS=1" : "");
}

static const struct kernel_file *find_file(const char *name)
{
	const struct kernel_file *file = kernel_files;
	while (file->name && strcmp(file->name, name) != 0) file++;
	return file;
}

static vita_status find_program(vita_backend *backend, const struct kernel_file *file, const char *options,
                                cl_program *out, vita_error *err)
{
	for (struct program_entry *p = backend->programs->programs; p; p = p->next)
		if (p->file == file && strcmp(p->options, options) == 0) {
			*out = p->program;
			return VITA_OK;
		}
	struct program_entry *p = calloc(1, sizeof *p);
	if (!p) return vita_fail(err, VITA_E_NOMEM, "opencl: no memory for a program");
	const vita_status status = build(backend, file, options, out, err);
	if (status != VITA_OK) {
		free(p);
		return status;
	}
	p->file = file;
	(void)snprintf(p->options, sizeof p->options, "%s", options);
	p->program = *out;
	p->next = backend->programs->programs;
	backend->programs->programs = p;
	return VITA_OK;
}

static vita_status add_kernel(vita_backend *backend, struct kernel_entry *k, vita_error *err)
{
	char options[OPTIONS];
	cl_program program = NULL;
	cl_int error;
	common_options(backend, options, sizeof options);
	if (k->source->options) {
		const size_t used = strlen(options);
		options[used] = ' ';
		k->source->options(backend, k->variant, options + used + 1, sizeof options - used - 1);
	}
	const vita_status status = find_program(backend, find_file(k->source->file), options, &program, err);
	if (status != VITA_OK) return status;
	k->kernel = clCreateKernel(program, k->source->name, &error);
	if (error == CL_SUCCESS) return VITA_OK;
	return vita_fail(err, VITA_E_DEVICE, "opencl: %s: there is no kernel %s on %s (%s)", k->source->file, k->source->name,
	                 backend->device.name, cl_error_name(error));
}

vita_status program_kernel(vita_backend *backend, const struct kernel_source *source, uint64_t variant,
                           cl_kernel *out, vita_error *err)
{
	struct kernel_entry **bucket =
		&backend->programs->kernels[((uintptr_t)source / sizeof *source + variant * 31) % BUCKETS];
	*out = NULL;
	for (struct kernel_entry *k = *bucket; k; k = k->next)
		if (k->source == source && k->variant == variant) {
			*out = k->kernel;
			return VITA_OK;
		}
	struct kernel_entry *k = calloc(1, sizeof *k);
	if (!k) return vita_fail(err, VITA_E_NOMEM, "opencl: no memory for a kernel");
	k->source = source;
	k->variant = variant;
	const vita_status status = add_kernel(backend, k, err);
	if (status != VITA_OK) {
		free(k);
		return status;
	}
	k->next = *bucket;
	*bucket = k;
	*out = k->kernel;
	return VITA_OK;
}
