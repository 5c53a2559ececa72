/* SPDX-License-Identifier: MIT
 *
 * Loading a backend for tests; see device.h.
 */
#include "device.h"

#include <dirent.h>
#include <dlfcn.h>
#include <stdlib.h>

static void host_log(void *context, uint32_t level, const char *topic, const char *text)
{
	test_device *device = context;
	(void)snprintf(device->last_log, sizeof device->last_log, "%u %s: %s", level, topic, text);
}

static void *host_allocate(void *context, uint64_t size)
{
	(void)context;
	return malloc((size_t)size);
}

static void *host_reallocate(void *context, void *memory, uint64_t size)
{
	(void)context;
	return realloc(memory, (size_t)size);
}

static void host_release(void *context, void *memory)
{
	(void)context;
	free(memory);
}

static int32_t host_cancelled(void *context, const vita_cancel *cancel)
{
	(void)context;
	(void)cancel;
	return 0;
}

static int32_t host_has(void *context, const vita_settings *settings, const char *key)
{
	(void)context;
	(void)settings;
	return strcmp(key, "device") == 0 || strcmp(key, "threads") == 0;
}

static const char *host_string(void *context, const vita_settings *settings, const char *key)
{
	const test_device *device = context;
	(void)settings;
	return strcmp(key, "device") == 0 && device->wanted_device ? device->wanted_device : "";
}

static int64_t host_int(void *context, const vita_settings *settings, const char *key)
{
	const test_device *device = context;
	(void)settings;
	return strcmp(key, "threads") == 0 ? device->threads : 0;
}

static double host_float(void *context, const vita_settings *settings, const char *key)
{
	(void)context;
	(void)settings;
	(void)key;
	return 0;
}

static uint32_t host_list(void *context, const vita_settings *settings, const char *key,
                          const int64_t **values)
{
	(void)context;
	(void)settings;
	(void)key;
	*values = NULL;
	return 0;
}

static int open_api(test_device *device, char why[1024])
{
	vita_host *host = &device->host;
	vita_error err;
	/* Settings are opaque to a backend: any address will do, for our getters do not look into it. */
	const vita_settings *settings = (const vita_settings *)(const void *)device;

	VITA_INIT(host);
	host->abi_major = VITA_ABI_MAJOR;
	host->abi_minor = VITA_ABI_MINOR;
	host->context = device;
	host->log = host_log;
	host->allocate = host_allocate;
	host->reallocate = host_reallocate;
	host->release = host_release;
	host->cancelled = host_cancelled;
	host->setting_has = host_has;
	host->setting_string = host_string;
	host->setting_int = host_int;
	host->setting_float = host_float;
	host->setting_list = host_list;
	if (device->api->open(host, settings, &device->self, &err) == VITA_OK) return 1;
	(void)snprintf(why, 1024, "%s", err.message);
	return 0;
}

/* Never closed again: a module's libraries may have left threads behind. */
static const vita_module *module_of(const char *path)
{
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	vita_module_query_fn query = NULL;

	if (library) *(void **)&query = dlsym(library, "vita_module_query");
	return query ? query(VITA_ABI_MAJOR, VITA_ABI_MINOR) : NULL;
}

/* The backend called name (any where NULL) of the module at path, or NULL. */
static const vita_backend_api *api_of(const char *path, const char *name)
{
	const vita_module *module = module_of(path);

	for (uint32_t i = 0; module && i < module->n_factories; i++) {
		const vita_factory *factory = module->factories[i];
		if (strcmp(factory->interface_id, VITA_BACKEND_ID) != 0) continue;
		if (!name || strcmp(factory->name, name) == 0) return factory->api;
	}
	return NULL;
}

/* ---- the folder of modules ------------------------------------------------------------------------- */

#define FOLDER 4096
#define PATH (FOLDER + 264)

static void modules_folder(char *folder)
{
	const char *path = getenv("VITA_PLUGIN_PATH"), *build = getenv("VITA_BUILDDIR");

	if (path) (void)snprintf(folder, FOLDER, "%.*s", (int)strcspn(path, ":"), path);
	if (!path) (void)snprintf(folder, FOLDER, "%s/modules", build ? build : ".");
}

/* The path of the next module in dir; 0 past the last. */
static int next_module(DIR *dir, const char *folder, char *path)
{
	const struct dirent *entry;

	while (dir && (entry = readdir(dir)) != NULL) {
		const char *end = strrchr(entry->d_name, '.');
		if (!end || strcmp(end, ".so") != 0) continue;
		(void)snprintf(path, PATH, "%s/%s", folder, entry->d_name);
		return 1;
	}
	return 0;
}

static void search(test_device *device, const char *folder, const char *name)
{
	DIR *dir = opendir(folder);
	char path[PATH];

	while (!device->api && next_module(dir, folder, path)) device->api = api_of(path, name);
	if (dir) (void)closedir(dir);
}

int test_device_names(char names[][64], int most)
{
	char folder[FOLDER], path[PATH];
	int n = 0;
	DIR *dir;

	modules_folder(folder);
	dir = opendir(folder);
	while (n < most && next_module(dir, folder, path)) {
		const vita_module *module = module_of(path);
		for (uint32_t i = 0; module && i < module->n_factories && n < most; i++)
			if (strcmp(module->factories[i]->interface_id, VITA_BACKEND_ID) == 0)
				(void)snprintf(names[n++], 64, "%s", module->factories[i]->name);
	}
	if (dir) (void)closedir(dir);
	return n;
}

int test_device_open(test_device *device, const char *name, const char *wanted_device, int64_t threads,
                     char why[1024])
{
	char folder[FOLDER];

	memset(device, 0, sizeof *device);
	device->wanted_device = wanted_device;
	device->threads = threads;
	modules_folder(folder);
	if (strchr(name, '/')) device->api = api_of(name, NULL);
	if (!strchr(name, '/')) search(device, folder, name);
	if (!device->api) {
		(void)snprintf(why, 1024, "no module with a backend \"%s\" (looked in %.900s)", name, folder);
		return 0;
	}
	return open_api(device, why);
}

int test_device_adopt(test_device *device, const vita_backend_api *api, char why[1024])
{
	memset(device, 0, sizeof *device);
	device->api = api;
	return open_api(device, why);
}

void test_device_close(test_device *device)
{
	if (device->self) device->api->close(device->self);
	memset(device, 0, sizeof *device);
}
