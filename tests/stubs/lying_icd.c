/* SPDX-License-Identifier: MIT
 *
 * An OpenCL driver for tests: the one of the library in $VITA_STUB_DRIVER, some of whose answers are not true, as
 * $VITA_STUB_LIE says:
 *   platform-version, device-version, c-version, number   a version that is too old, or no version at all
 *   devices                                                its devices cannot be listed
 *   gpu, processor                                         its devices are of this kind
 *   sum                                                    kernels are not run, and that is called success
 *   compile                                                its compiler finds an error in all kernels but those of check.cl
 *   lost                                                   from the $VITA_STUB_LAUNCHES-th launch on nothing works any more
 * The ICD loader and all objects of the driver share one table of functions, and that is where this comes between.
 */
#include <config.h>

#define CL_TARGET_OPENCL_VERSION 300
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include <CL/cl.h>
#include <CL/cl_icd.h>

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef void *address_fn(const char *name);
typedef cl_int list_fn(cl_uint most, cl_platform_id *platforms, cl_uint *n);

void *clGetExtensionFunctionAddress(const char *name);

static cl_icd_dispatch real;
static list_fn *real_list;
static long launches;

static int lies(const char *kind)
{
	const char *lie = getenv("VITA_STUB_LIE");
	return lie && strcmp(lie, kind) == 0;
}

static int is_lost(void)
{
	const char *most = getenv("VITA_STUB_LAUNCHES");
	return lies("lost") && launches >= (most ? atol(most) : 0);
}

static cl_int text(const char *answer, size_t size, void *value, size_t *size_ret)
{
	if (size_ret) *size_ret = strlen(answer) + 1;
	if (!value) return CL_SUCCESS;
	if (size < strlen(answer) + 1) return CL_INVALID_VALUE;
	memcpy(value, answer, strlen(answer) + 1);
	return CL_SUCCESS;
}

static cl_int CL_API_CALL platform_info(cl_platform_id platform, cl_platform_info what, size_t size, void *value,
                                        size_t *size_ret)
{
	if (what == CL_PLATFORM_VERSION && lies("platform-version")) return text("OpenCL banana", size, value, size_ret);
	return real.clGetPlatformInfo(platform, what, size, value, size_ret);
}

static cl_int CL_API_CALL device_info(cl_device_id device, cl_device_info what, size_t size, void *value, size_t *size_ret)
{
	if (what == CL_DEVICE_VERSION && lies("device-version")) return text("OpenCL 1.0 old", size, value, size_ret);
	if (what == CL_DEVICE_OPENCL_C_VERSION && lies("c-version")) return text("OpenCL C 1.1", size, value, size_ret);
	if (what == CL_DEVICE_TYPE && (lies("gpu") || lies("processor")) && value && size >= sizeof(cl_device_type)) {
		*(cl_device_type *)value = lies("gpu") ? CL_DEVICE_TYPE_GPU : CL_DEVICE_TYPE_CPU;
		return CL_SUCCESS;
	}
	if (what == CL_DEVICE_NUMERIC_VERSION && lies("number") && value && size >= sizeof(cl_version)) {
		*(cl_version *)value = CL_MAKE_VERSION(1, 1, 0);
		return CL_SUCCESS;
	}
	return real.clGetDeviceInfo(device, what, size, value, size_ret);
}

static cl_int CL_API_CALL device_ids(cl_platform_id platform, cl_device_type type, cl_uint most, cl_device_id *devices,
                                     cl_uint *n)
{
	return lies("devices") ? CL_OUT_OF_HOST_MEMORY : real.clGetDeviceIDs(platform, type, most, devices, n);
}

static cl_int CL_API_CALL launch(cl_command_queue queue, cl_kernel kernel, cl_uint dimensions, const size_t *offset,
                                 const size_t *global, const size_t *local, cl_uint n, const cl_event *wait, cl_event *event)
{
	launches++;
	if (lies("sum")) return CL_SUCCESS;
	if (is_lost()) return CL_OUT_OF_RESOURCES;
	return real.clEnqueueNDRangeKernel(queue, kernel, dimensions, offset, global, local, n, wait, event);
}

static cl_int CL_API_CALL finish(cl_command_queue queue)
{
	/* What was launched before works on host memory under a driver that is a processor: it must come to its end. */
	const cl_int error = real.clFinish(queue);
	return is_lost() ? CL_OUT_OF_RESOURCES : error;
}

static cl_int CL_API_CALL read_buffer(cl_command_queue queue, cl_mem buffer, cl_bool blocking, size_t offset, size_t size,
                                      void *to, cl_uint n, const cl_event *wait, cl_event *event)
{
	if (is_lost()) return CL_OUT_OF_RESOURCES;
	return real.clEnqueueReadBuffer(queue, buffer, blocking, offset, size, to, n, wait, event);
}

static cl_program CL_API_CALL create_program(cl_context context, cl_uint n, const char **texts, const size_t *sizes,
                                             cl_int *error)
{
	const char *more[16];
	size_t lengths[16];
	int checks = 0;
	for (cl_uint i = 0; i < n && i < 15; i++) {
		more[i] = texts[i];
		lengths[i] = sizes && sizes[i] ? sizes[i] : strlen(texts[i]);
		checks = checks || memmem(texts[i], lengths[i], "self_check", 10) != NULL; /* no 0 ends them */
	}
	if (!lies("compile") || checks || n > 15) return real.clCreateProgramWithSource(context, n, texts, sizes, error);
	more[n] = "\nkernel void broken(void) { no_such_function(1); }\n";
	lengths[n] = strlen(more[n]);
	return real.clCreateProgramWithSource(context, n + 1, more, lengths, error);
}

/* Once: the table may lie in memory that is only read. */
static void come_between(cl_platform_id platform)
{
	cl_icd_dispatch *table = *(cl_icd_dispatch **)(void *)platform;
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), first = (uintptr_t)table / page * page;
	if (table->clFinish == finish) return;
	(void)mprotect((void *)first, (uintptr_t)(table + 1) - first, PROT_READ | PROT_WRITE);
	real = *table;
	table->clGetPlatformInfo = platform_info;
	table->clGetDeviceInfo = device_info;
	table->clGetDeviceIDs = device_ids;
	table->clEnqueueNDRangeKernel = launch;
	table->clFinish = finish;
	table->clCreateProgramWithSource = create_program;
	table->clEnqueueReadBuffer = read_buffer;
}

static cl_int list(cl_uint most, cl_platform_id *platforms, cl_uint *n)
{
	const cl_int error = real_list(most, platforms, n);
	for (cl_uint i = 0; error == CL_SUCCESS && platforms && i < most && (!n || i < *n); i++) come_between(platforms[i]);
	return error;
}

__attribute__((visibility("default"))) void *clGetExtensionFunctionAddress(const char *name)
{
	const char *path = getenv("VITA_STUB_DRIVER");
	void *library = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
	address_fn *address = NULL;
	list_fn *ours = list;
	void *found;
	if (library) *(void **)&address = dlsym(library, "clGetExtensionFunctionAddress");
	found = address ? address(name) : NULL;
	if (!found && library) found = dlsym(library, name); /* some drivers export what the loader asks for first */
	if (!found || strcmp(name, "clIcdGetPlatformIDsKHR") != 0) return found;
	*(void **)&real_list = found;
	memcpy(&found, &ours, sizeof found);
	return found;
}
