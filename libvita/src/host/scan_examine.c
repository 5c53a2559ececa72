/* SPDX-License-Identifier: MIT
 *
 * Asking one file what it offers; see scan_examine.h.
 */
#include <config.h>

#include "host/scan_examine.h"

#include "host/services.h"
#include "host/words.h"

#include <dlfcn.h>

#define MOST_DEVICES 64u

VITA_PRINTF(2, 3)
static const vita_module *refuse(char *reason, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	(void)vsnprintf(reason, VITA_REASON_SIZE, format, args);
	va_end(args);
	return NULL;
}

/* dlerror's text without the path that everybody sees anyway. */
static const char *load_error(const char *path)
{
	const char *text = dlerror();
	size_t size = strlen(path);
	if (!text) return "unknown error";
	if (strncmp(text, path, size) == 0 && strncmp(text + size, ": ", 2) == 0) return text + size + 2;
	return text;
}

const vita_module *vita_scan_load(const char *path, char *reason)
{
	char text[400];
	vita_module_query_fn query;
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		return refuse(reason, "cannot be loaded: %s",
		              vita_quotable(text, sizeof text, load_error(path)));
	void *symbol = dlsym(handle, "vita_module_query");
	if (!symbol) return refuse(reason, "exports no vita_module_query, so it is no vita module");
	memcpy(&query, &symbol, sizeof query); /* ISO C has no cast from object to function pointer */
	const vita_module *module = query(VITA_ABI_MAJOR, VITA_ABI_MINOR);
	return vita_module_check(module, reason) ? module : NULL;
}

/* One call of probe. 1: there is a device (or a reason) in probed; 0: past the last. */
static int32_t probe_device(const vita_backend_api *api, const vita_host *host, vita_probed *probed)
{
	/* Room behind the struct, should a module built with a larger one not look at struct_size. */
	union {
		vita_backend_device device;
		char room[8192];
	} out;
	vita_error err;
	VITA_INIT(&err);
	memset(&out, 0, sizeof out);
	out.device.struct_size = (uint32_t)sizeof out.device;
	vita_status status = api->probe(host, probed->index, &out.device, &err);
	if (status == VITA_END) return 0;
	probed->device = out.device;
	if (status == VITA_OK) {
		(void)vita_backend_device_check(&probed->device, probed->reason);
		return 1;
	}
	char text[400];
	err.message[sizeof err.message - 1] = '\0';
	memset(&probed->device, 0, sizeof probed->device);
	(void)snprintf(probed->reason, sizeof probed->reason,
	               "its probe fails for device %u with status %d%s%s", probed->index, status,
	               err.message[0] ? ": " : "", vita_quotable(text, sizeof text, err.message));
	return 1;
}

static void probe_backend(const vita_factory *factory, const vita_host *host, vita_scan_message *message,
                          vita_scan_emit emit, void *user)
{
	for (uint32_t index = 0; index <= MOST_DEVICES; index++) {
		vita_probed *probed = &message->probed;
		message->event = VITA_SCAN_DEVICE;
		probed->index = index;
		probed->reason[0] = '\0';
		memset(&probed->device, 0, sizeof probed->device);
		if (index == MOST_DEVICES)
			(void)snprintf(probed->reason, sizeof probed->reason,
			               "its probe knows no end after %u devices", index);
		else if (!probe_device(factory->api, host, probed))
			return;
		emit(user, message);
		if (probed->reason[0]) return;
	}
}

void vita_scan_examine(uint32_t file, const char *path, vita_scan_emit emit, void *user)
{
	vita_services quiet;
	vita_scan_message message;
	memset(&message, 0, sizeof message);
	message.file = file;
	message.event = VITA_SCAN_PHASE;
	(void)snprintf(message.text, sizeof message.text, "while being loaded and asked what it offers");
	emit(user, &message);
	const vita_module *module = vita_scan_load(path, message.text);
	if (!module) {
		message.event = VITA_SCAN_REFUSED;
		emit(user, &message);
		return;
	}
	vita_services_init_quiet(&quiet);
	for (uint32_t i = 0; i < module->n_factories; i++) {
		if (strcmp(module->factories[i]->interface_id, VITA_BACKEND_ID) != 0) continue;
		message.event = VITA_SCAN_PHASE;
		(void)snprintf(message.text, sizeof message.text, "while being asked for its devices");
		emit(user, &message);
		message.probed.factory = i;
		probe_backend(module->factories[i], &quiet.host, &message, emit, user);
	}
	message.event = VITA_SCAN_PASSED;
	emit(user, &message);
}
