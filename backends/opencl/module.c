/* SPDX-License-Identifier: MIT
 *
 * The module `opencl`: a backend for any device that has an OpenCL driver.
 */
#include <stdlib.h>
#include <strings.h>

#include "pack.h"
#include "roof.h"
#include "room.h"

static vita_status probe(const vita_host *host, uint32_t index, vita_backend_device *out, vita_error *err)
{
	struct device_info d;
	(void)host, (void)err;
	if (!device_find(index, &d)) {
		if (index > 0) return VITA_END;
		(void)snprintf(out->reason, sizeof out->reason, "opencl: %s", device_none());
		return VITA_OK;
	}
	(void)snprintf(out->name, sizeof out->name, "%s", d.name);
	(void)snprintf(out->reason, sizeof out->reason, "%s", d.reason);
	device_describe(&d, out->details, sizeof out->details);
	out->memory_bytes = d.memory;
	out->available = d.reason[0] == '\0';
	out->score = out->available ? device_score(&d) : 0;
	return VITA_OK;
}

/* ---- choosing -------------------------------------------------------------------------------------- */

/* Is part found in text, whatever the case of letters? */
static bool names(const char *text, const char *part)
{
	for (size_t n = strlen(part); *text; text++)
		if (strncasecmp(text, part, n) == 0) return true;
	return false;
}

static bool is_number(const char *text)
{
	return *text && strspn(text, "0123456789") == strlen(text) && strlen(text) < 10;
}

static vita_status nothing_fits(const char *wanted, vita_error *err)
{
	struct device_info d;
	char text[960];
	size_t used = (size_t)snprintf(text, sizeof text, "opencl: there is no usable device \"%.64s\"; ", wanted);
	if (!device_find(0, &d)) return vita_fail(err, VITA_E_NOTFOUND, "%s%s", text, device_none());
	used += (size_t)snprintf(text + used, sizeof text - used, "there is");
	for (uint32_t i = 0; device_find(i, &d) && used < sizeof text; i++)
		used += (size_t)snprintf(text + used, sizeof text - used, "%s %u: %s%s%s%s", i ? "," : "", i, d.name,
		                         d.reason[0] ? " (unusable: " : "", d.reason, d.reason[0] ? ")" : "");
	return vita_fail(err, VITA_E_NOTFOUND, "%s", text);
}

/* By index, by part of its name, or (wanted is "" or "auto") the one with the highest score. */
static vita_status choose(const char *wanted, struct device_info *out, vita_error *err)
{
	const bool any = !*wanted || strcasecmp(wanted, "auto") == 0, by_index = is_number(wanted);
	struct device_info d;
	int64_t best = -1;
	for (uint32_t i = 0; device_find(i, &d); i++) {
		const bool fits = any || (by_index ? strtoul(wanted, NULL, 10) == i : names(d.name, wanted));
		if (fits && by_index && d.reason[0])
			return vita_fail(err, VITA_E_DEVICE, "opencl: device %u, %s, cannot be used: %s", i, d.name, d.reason);
		if (!fits || d.reason[0] || device_score(&d) <= best) continue;
		best = device_score(&d);
		*out = d;
	}
	return best >= 0 ? VITA_OK : nothing_fits(wanted, err);
}

/* ---- opening --------------------------------------------------------------------------------------- */

#define MOST_PARTS 64 /* more than anybody opens */

/* Parts of devices, which live as long as the process. PoCL 3.1 moves buffers by queues of its own, which do not keep
 * their context: their last command may end after clFinish and the release of the context, and its thread then looks at
 * a device that must not be gone (clReleaseEvent.c: event->queue->device). */
static struct part {
	cl_device_id whole, part;
	int64_t threads;
} parts[MOST_PARTS];
static pthread_mutex_t parts_lock = PTHREAD_MUTEX_INITIALIZER;

static cl_device_id find_part(cl_device_id whole, int64_t threads)
{
	const cl_device_partition_property wish[] = { CL_DEVICE_PARTITION_BY_COUNTS, (intptr_t)threads,
		                                      CL_DEVICE_PARTITION_BY_COUNTS_LIST_END, 0 };
	cl_device_id part;
	cl_uint n = 0;
	size_t i = 0;
	while (i < MOST_PARTS && parts[i].whole && (parts[i].whole != whole || parts[i].threads != threads)) i++;
	if (i == MOST_PARTS) return whole;
	if (parts[i].whole) return parts[i].part;
	if (clCreateSubDevices(whole, wish, 1, &part, &n) != CL_SUCCESS || n != 1) return whole;
	parts[i] = (struct part){ whole, part, threads };
	return part;
}

/* Some of a CPU device's processors, where [backend] threads asks for fewer than all. */
static void take_part(vita_backend *backend, int64_t threads)
{
	if (threads < 1 || threads >= backend->device.compute_units || !(backend->device.type & CL_DEVICE_TYPE_CPU)) return;
	(void)pthread_mutex_lock(&parts_lock);
	backend->id = find_part(backend->id, threads);
	(void)pthread_mutex_unlock(&parts_lock);
}

static vita_status open_queue(vita_backend *backend, vita_error *err)
{
	const cl_context_properties properties[] = { CL_CONTEXT_PLATFORM, (cl_context_properties)backend->device.platform,
		                                     0 };
	const cl_int zeros[FAULT_SLOTS * 4] = { 0 };
	cl_int error;
	backend->context = clCreateContext(properties, 1, &backend->id, NULL, NULL, &error);
	if (error != CL_SUCCESS) return cl_failure(backend, "clCreateContext", error, err);
	backend->queue = clCreateCommandQueue(backend->context, backend->id, 0, &error);
	if (error != CL_SUCCESS) return cl_failure(backend, "clCreateCommandQueue", error, err);
	backend->faults = clCreateBuffer(backend->context, CL_MEM_COPY_HOST_PTR, sizeof zeros, (void *)(uintptr_t)zeros,
	                                 &error);
	if (error != CL_SUCCESS) return cl_failure(backend, "clCreateBuffer", error, err);
	return VITA_OK;
}

/* The device does a sum of known result before it is trusted with more, and says what its compiler has. */
static vita_status self_check(vita_backend *backend, vita_error *err)
{
	static const struct kernel_source source = { "check.cl", "self_check", NULL };
	const char *wish = getenv("VITA_OPENCL_DOT"); /* 0 or 1: for tests of either kind of products */
	cl_int result[2] = { 0, 0 };
	struct launch l = launch_begin(backend, NULL, &source, 0, err);
	launch_buffer(&l, backend->faults); /* its first words, which are put back to 0 */
	if (launch_run(&l, 64, (const int64_t[]){ 64, 1, 1 }) != VITA_OK) return l.status;
	cl_int error = clEnqueueReadBuffer(backend->queue, backend->faults, CL_TRUE, 0, sizeof result, result, 0, NULL, NULL);
	if (error == CL_SUCCESS)
		error = clEnqueueWriteBuffer(backend->queue, backend->faults, CL_TRUE, 0, sizeof(cl_int[2]),
		                             (const cl_int[2]){ 0, 0 }, 0, NULL, NULL);
	if (error != CL_SUCCESS) return cl_failure(backend, "its first kernel", error, err);
	if (result[0] != 64 * 65 / 2)
		return vita_fail(err, VITA_E_DEVICE, "opencl: %s adds 1 to 64 up to %d, which is %d: it cannot be used",
		                 backend->device.name, (int)result[0], 64 * 65 / 2);
	backend->dot = wish && *wish ? *wish == '1' : result[1] == 1;
	return VITA_OK;
}

static void close_device(vita_backend *backend)
{
	if (!backend) return;
	if (backend->queue) (void)clFinish(backend->queue);
	rope_close(backend);
	memory_close(backend);
	programs_close(backend);
	if (backend->faults) (void)clReleaseMemObject(backend->faults);
	if (backend->queue) (void)clReleaseCommandQueue(backend->queue);
	if (backend->context) (void)clReleaseContext(backend->context);
	slabs_close(&backend->slabs);
	(void)pthread_mutex_destroy(&backend->lock);
	free(backend->calls);
	free(backend);
}

static vita_status open_device(const vita_host *host, const vita_settings *settings, vita_backend **out, vita_error *err)
{
	const char *wanted = host->setting_string(host->context, settings, "device");
	struct device_info device;
	*out = NULL;
	vita_status status = choose(wanted ? wanted : "", &device, err);
	if (status != VITA_OK) return status;
	vita_backend *backend = calloc(1, sizeof *backend);
	if (!backend) return vita_fail(err, VITA_E_NOMEM, "opencl: no memory for a device");
	backend->calls = calloc(SUBMIT_MOST, sizeof *backend->calls);
	if (!backend->calls) {
		free(backend);
		return vita_fail(err, VITA_E_NOMEM, "opencl: no memory for a device");
	}
	backend->host = host;
	backend->device = device;
	backend->id = device.id;
	backend->limit = room_limit(&device, host->setting_int(host->context, settings, "memory"));
	backend->is_cpu = device_is_cpu(&device);
	backend->lanes = backend->is_cpu ? 16 : 32;
	backend->group = backend->is_cpu ? 1 : device.group_limit >= 256 ? 256 : 64;
	(void)pthread_mutex_init(&backend->lock, NULL);
	slabs_open(&backend->slabs);
	take_part(backend, host->setting_int(host->context, settings, "threads"));
	status = open_queue(backend, err);
	if (status == VITA_OK) status = programs_open(backend, err);
	if (status == VITA_OK) status = self_check(backend, err);
	if (status != VITA_OK) {
		close_device(backend);
		return status;
	}
	tune_open(backend);
	*out = backend;
	return VITA_OK;
}

static const void *get_extension(vita_backend *backend, const char *id)
{
	(void)backend;
	if (strcmp(id, VITA_ROOF_ID) == 0) return &opencl_roof_api;
	return strcmp(id, VITA_ROOM_ID) == 0 ? &opencl_room_api : NULL;
}

static const vita_backend_api api = {
	.struct_size = sizeof api,
	.probe = probe,
	.open = open_device,
	.close = close_device,
	.alloc = memory_alloc,
	.free = memory_free,
	.wrap = memory_wrap,
	.load = pack_load,
	.write = memory_write,
	.read = memory_read,
	.supports = ops_supports,
	.submit = ops_submit,
	.wait = memory_wait,
	.get_extension = get_extension,
};

static const vita_key memory_key = {
	.struct_size = sizeof memory_key,
	.type = VITA_KEY_INT,
	.name = "memory",
	.fallback = "0",
	.help = "MiB of the device's memory that may be taken; 0: all that it has",
	.min = 0,
	.max = 1 << 30,
};

static const vita_key *const keys[] = { &memory_key };

static const vita_factory factory = {
	.struct_size = sizeof factory,
	.interface_id = VITA_BACKEND_ID,
	.name = "opencl",
	.summary = "Any device with an OpenCL 1.2 driver: GPUs of every brand, and processors through PoCL.",
	.api = &api,
	.keys = keys,
	.n_keys = sizeof keys / sizeof *keys,
};

static const vita_factory *const factories[] = { &factory };

static const vita_module module = {
	.struct_size = sizeof module,
	.abi_major = VITA_ABI_MAJOR,
	.abi_minor = VITA_ABI_MINOR,
	.n_factories = 1,
	.name = "opencl",
	.version = "1.0",
	.licence = "MIT",
	.factories = factories,
};

VITA_EXPORT const vita_module *vita_module_query(uint32_t host_major, uint32_t host_minor)
{
	(void)host_minor;
	return host_major == VITA_ABI_MAJOR ? &module : NULL;
}
