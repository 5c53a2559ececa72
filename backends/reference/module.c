/* SPDX-License-Identifier: MIT
 *
 * The module: one factory, the backend `reference`, which every machine has.
 */
#include <stdlib.h>
#include <strings.h>

#include "train.h"

struct vita_backend {
	const vita_host *host;
};

#define NAME "reference"
#define DEVICE "plain C, one thread"

static vita_status probe(const vita_host *host, uint32_t index, vita_backend_device *out, vita_error *err)
{
	(void)host;
	if (!out) return vita_fail(err, VITA_E_INVALID, NAME ": probe was given nowhere to put its answer");
	if (index > 0) return VITA_END;
	out->available = 1;
	out->score = 1;
	(void)snprintf(out->name, sizeof out->name, "%s", DEVICE);
	return VITA_OK;
}

/* "", an index, or part of the name, in any case of letters. */
static int is_our_device(const char *wanted)
{
	size_t length = wanted ? strlen(wanted) : 0;

	if (length == 0 || strcmp(wanted, "0") == 0) return 1;
	for (const char *at = DEVICE; strlen(at) >= length; at++)
		if (strncasecmp(at, wanted, length) == 0) return 1;
	return 0;
}

static vita_status open(const vita_host *host, const vita_settings *settings, vita_backend **out,
                        vita_error *err)
{
	vita_backend *backend;

	if (!out) return vita_fail(err, VITA_E_INVALID, NAME ": open was given nowhere to put the backend");
	*out = NULL;
	if (settings && host) {
		const char *device = host->setting_string(host->context, settings, "device");
		int64_t threads = host->setting_int(host->context, settings, "threads");
		if (!is_our_device(device))
			return vita_fail(err, VITA_E_NOTFOUND,
			                 NAME ": there is no device \"%s\", only 0: " DEVICE, device);
		if (threads > 1)
			vita_logf(host, VITA_LOG_DEBUG, NAME,
			          "threads = %lld is ignored: this backend has one thread",
			          (long long)threads);
	}
	backend = calloc(1, sizeof *backend);
	if (!backend) return vita_fail(err, VITA_E_NOMEM, NAME ": no memory to open the backend");
	backend->host = host;
	*out = backend;
	return VITA_OK;
}

static void close(vita_backend *backend) { free(backend); }

static vita_status wait(vita_backend *backend, vita_error *err)
{
	(void)backend;
	(void)err;
	return VITA_OK;
}

static const void *get_extension(vita_backend *backend, const char *id)
{
	(void)backend;
	return strcmp(id, VITA_TRAIN_ID) == 0 ? &ref_train_api : NULL;
}

static const vita_backend_api api = {
	.struct_size = sizeof api,
	.flags = VITA_BACKEND_F_REFERENCE,
	.probe = probe,
	.open = open,
	.close = close,
	.alloc = ref_alloc,
	.free = ref_free,
	.wrap = ref_wrap,
	.address = ref_address,
	.write = ref_write,
	.read = ref_read,
	.supports = ref_supports,
	.submit = ref_submit,
	.wait = wait,
	.get_extension = get_extension,
};

static const vita_factory factory = {
	.struct_size = sizeof factory,
	.interface_id = VITA_BACKEND_ID,
	.name = NAME,
	.summary = "What every op means, in plain C; slow, and everywhere.",
	.api = &api,
};

static const vita_factory *const factories[] = { &factory };

static const vita_module module = {
	.struct_size = sizeof module,
	.abi_major = VITA_ABI_MAJOR,
	.abi_minor = VITA_ABI_MINOR,
	.n_factories = 1,
	.name = NAME,
	.version = "0.1.0",
	.licence = "MIT",
	.factories = factories,
};

VITA_EXPORT const vita_module *vita_module_query(uint32_t host_major, uint32_t host_minor)
{
	(void)host_minor;
	return host_major == VITA_ABI_MAJOR ? &module : NULL;
}
