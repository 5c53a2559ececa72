/* SPDX-License-Identifier: MIT
 *
 * The module `cpu`: a backend for the machine's own processors.
 */
#include <stdlib.h>
#include <strings.h>

#include "limits.h"
#include "onednn.h"
#include "roof.h"
#include "train.h"

static vita_status probe(const vita_host *host, uint32_t index, vita_backend_device *out, vita_error *err)
{
	(void)host, (void)err;
	if (index > 0) return VITA_END;
	const struct cpu_kernels *kernels = cpu_kernels_choose(out->name, sizeof out->name);
	out->available = 1;
	out->score = kernels == &cpu_kernels_plain ? 50 : 100;
	const char *version = onednn_version();
	(void)snprintf(out->details, sizeof out->details, "%d threads, %s%s%s", cpu_limit(), *version ? "oneDNN " : "no oneDNN",
	               version, !*version ? "" : onednn_least(kernels) > 0 ? " for large products" : " not used");
	return VITA_OK;
}

/* Is part found in text, whatever the case of letters? */
static bool names(const char *text, const char *part)
{
	for (size_t n = strlen(part); *text; text++)
		if (strncasecmp(text, part, n) == 0) return true;
	return false;
}

static vita_status open_device(const vita_host *host, const vita_settings *settings, vita_backend **out, vita_error *err)
{
	char name[128];
	const char *device = host->setting_string(host->context, settings, "device");
	int64_t threads = host->setting_int(host->context, settings, "threads");
	*out = NULL;
	const struct cpu_kernels *kernels = cpu_kernels_choose(name, sizeof name);
	if (device && *device && strcmp(device, "0") != 0 && !names(name, device))
		return vita_fail(err, VITA_E_NOTFOUND, "cpu: there is no device \"%s\"; there is 0: %s", device, name);
	if (threads < 0 || threads > CPU_MOST_THREADS)
		return vita_fail(err, VITA_E_INVALID, "cpu: threads is %lld, expected 0 (as many as the process may use) to %d",
		                 (long long)threads, CPU_MOST_THREADS);
	vita_backend *backend = calloc(1, sizeof *backend);
	if (!backend) return vita_fail(err, VITA_E_NOMEM, "cpu: no memory for a device");
	backend->host = host;
	backend->kernels = kernels;
	backend->threads = threads > 0 ? (int)threads : cpu_limit();
	vita_status status = planner_open(backend, err);
	if (status != VITA_OK) {
		free(backend);
		return status;
	}
	slabs_open(&backend->slabs);
	backend->onednn_least = onednn_least(kernels);
	*out = backend;
	return VITA_OK;
}

static void close_device(vita_backend *backend)
{
	if (!backend) return;
	planner_close(backend);
	rope_close(backend);
	slabs_close(&backend->slabs);
	trainer_close(backend);
	free(backend);
}

/* submit returns when the work is done. */
static vita_status wait_device(vita_backend *backend, vita_error *err)
{
	(void)backend, (void)err;
	return VITA_OK;
}

static const void *get_extension(vita_backend *backend, const char *id)
{
	(void)backend;
	if (strcmp(id, VITA_TRAIN_ID) == 0) return &cpu_train_api;
	return strcmp(id, VITA_ROOF_ID) == 0 ? (const void *)&cpu_roof_api : NULL;
}

static const vita_backend_api api = {
	.struct_size = sizeof api,
	.probe = probe,
	.open = open_device,
	.close = close_device,
	.alloc = cpu_alloc,
	.free = cpu_free,
	.wrap = cpu_wrap,
	.address = cpu_address,
	.load = cpu_load,
	.write = cpu_write,
	.read = cpu_read,
	.supports = cpu_supports,
	.submit = cpu_submit,
	.wait = wait_device,
	.get_extension = get_extension,
};

static const vita_factory factory = {
	.struct_size = sizeof factory,
	.interface_id = VITA_BACKEND_ID,
	.name = "cpu",
	.summary = "The machine's own processors, with vector kernels chosen at run time.",
	.api = &api,
};

static const vita_factory *const factories[] = { &factory };

static const vita_module module = {
	.struct_size = sizeof module,
	.abi_major = VITA_ABI_MAJOR,
	.abi_minor = VITA_ABI_MINOR,
	.n_factories = 1,
	.name = "cpu",
	.version = "1.0",
	.licence = "MIT",
	.factories = factories,
};

VITA_EXPORT const vita_module *vita_module_query(uint32_t host_major, uint32_t host_minor)
{
	(void)host_minor;
	return host_major == VITA_ABI_MAJOR ? &module : NULL;
}
