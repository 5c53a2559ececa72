/* SPDX-License-Identifier: MIT
 *
 * A bad module of every kind: the file's name says which.
 */
#include <config.h>

#include "file_name.h"
#include "stub_codec.h"

#include <vita/backend.h>

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- answers that are wrong ------------------------------------------------------------------------- */

static vita_codec_api api = STUB_CODEC_API;
static vita_key key = { sizeof key, VITA_KEY_INT, "depth", "3", "how deep", NULL, 0, 9 };
static const vita_key *keys[] = { &key, &key };
static vita_factory factory = { sizeof factory, 0, VITA_CODEC_ID, "hostile", "A summary.", &api, keys, 1, 0 };
static const vita_factory *factories[] = { &factory };
static vita_module module = {
	sizeof module, VITA_ABI_MAJOR, VITA_ABI_MINOR, 1, "hostile", "1.0", "MIT", factories,
};

static char endless[70000];

static void spoil(void)
{
	memset(endless, 'x', sizeof endless - 1);
	if (file_is("abi2")) module.abi_major = 2;
	if (file_is("small-module")) module.struct_size = 3;
	if (file_is("huge-module")) module.struct_size = 0xfffffff0u;
	if (file_is("many-factories")) module.n_factories = 0xffffffffu;
	if (file_is("no-factories")) module.n_factories = 0;
	if (file_is("null-factories")) module.factories = NULL;
	if (file_is("null-factory")) factories[0] = NULL;
	if (file_is("odd-factory")) factories[0] = (const vita_factory *)((const char *)&factory + 1);
	if (file_is("small-factory")) factory.struct_size = 8;
	if (file_is("wild-factories")) module.factories = (const vita_factory *const *)(uintptr_t)0x1000;
	if (file_is("wild-name")) module.name = (const char *)(uintptr_t)1;
	if (file_is("endless-name")) module.name = endless;
	if (file_is("control-version")) module.version = "1.0\033[2J";
	if (file_is("latin1-summary")) factory.summary = "Gr\xfc\xdf" "e";
	if (file_is("null-licence")) module.licence = NULL;
	if (file_is("wrong-id")) factory.interface_id = "vita.dance/1";
	if (file_is("bad-name")) factory.name = "Not A Name";
	if (file_is("null-api")) factory.api = NULL;
	if (file_is("small-api")) api.struct_size = 16;
	if (file_is("missing-method")) api.push = NULL;
	if (file_is("many-keys")) factory.n_keys = 0x40000000u;
	if (file_is("twice-key")) factory.n_keys = 2;
	if (file_is("key-type")) key.type = 99;
	if (file_is("key-default")) key.fallback = "12";
	if (file_is("key-range")) key.max = -1;
}

/* ---- probes ----------------------------------------------------------------------------------------- */

static vita_status probe(const vita_host *host, uint32_t index, vita_backend_device *out, vita_error *err)
{
	host->log(host->context, VITA_LOG_ERROR, "hostile", "probing");
	out->available = 1;
	out->score = 5000;
	(void)snprintf(out->name, sizeof out->name, "device %u", index);
	if (file_is("probe-crash")) raise(SIGSEGV);
	if (file_is("probe-endless")) return VITA_OK;
	if (index > 0) return VITA_END;
	if (file_is("probe-status")) return 77;
	if (file_is("probe-fails")) return vita_fail(err, VITA_E_DEVICE, "the cable\nis out");
	if (file_is("probe-nameless")) out->name[0] = '\0';
	if (file_is("probe-garbage"))
		memset((char *)out + sizeof out->struct_size, 0xee, sizeof *out - sizeof out->struct_size);
	if (file_is("probe-none")) return VITA_END;
	return VITA_OK;
}

/* Nothing of this is reached: the loader only probes. */
static vita_status backend_open(const vita_host *host, const vita_settings *settings, vita_backend **out,
                                vita_error *err)
{
	(void)host;
	(void)settings;
	*out = NULL; /* and yet … */
	(void)err;
	return VITA_OK;
}

static void backend_close(vita_backend *backend)
{
	(void)backend;
}

static vita_status alloc(vita_backend *backend, uint64_t size, vita_buffer **out, vita_error *err)
{
	(void)backend;
	(void)size;
	*out = NULL;
	return vita_fail(err, VITA_E_NOMEM, "hostile");
}

static void free_buffer(vita_backend *backend, vita_buffer *buffer)
{
	(void)backend;
	(void)buffer;
}

static vita_status write_tensor(vita_backend *backend, const vita_tensor *target, const void *source,
                                uint64_t size, vita_error *err)
{
	(void)backend;
	(void)target;
	(void)source;
	(void)size;
	return vita_fail(err, VITA_E_DEVICE, "hostile");
}

static vita_status read_tensor(vita_backend *backend, const vita_tensor *source, void *target, uint64_t size,
                               vita_error *err)
{
	(void)backend;
	(void)source;
	(void)target;
	(void)size;
	return vita_fail(err, VITA_E_DEVICE, "hostile");
}

static int32_t supports(vita_backend *backend, const vita_op *op)
{
	(void)backend;
	(void)op;
	return 0;
}

static vita_status submit(vita_backend *backend, const vita_op *const *ops, uint32_t n, vita_error *err)
{
	(void)backend;
	(void)ops;
	(void)n;
	return vita_fail(err, VITA_E_DEVICE, "hostile");
}

static vita_status wait_all(vita_backend *backend, vita_error *err)
{
	(void)backend;
	(void)err;
	return VITA_OK;
}

static const vita_backend_api backend_api = {
	.struct_size = sizeof(vita_backend_api),
	.probe = probe,
	.open = backend_open,
	.close = backend_close,
	.alloc = alloc,
	.free = free_buffer,
	.write = write_tensor,
	.read = read_tensor,
	.supports = supports,
	.submit = submit,
	.wait = wait_all,
};

static vita_backend_api false_reference;

static void become_backend(void)
{
	factory.interface_id = VITA_BACKEND_ID;
	factory.api = &backend_api;
	factory.n_keys = 0;
	false_reference = backend_api;
	false_reference.flags = VITA_BACKEND_F_REFERENCE;
	if (file_is("false-reference")) factory.api = &false_reference;
}

static int is_backend(void)
{
	static const char *const names[] = { "probe-crash",    "probe-endless",   "probe-status",
		                             "probe-fails",    "probe-garbage",   "probe-none",
		                             "probe-nameless", "false-reference", "backend" };
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (file_is(names[i])) return 1;
	return 0;
}

/* ---- ends ------------------------------------------------------------------------------------------- */

#if defined(__GNUC__)
__attribute__((constructor)) static void constructor(void)
{
	if (file_is("constructor")) raise(SIGSEGV);
}
#endif

VITA_EXPORT const vita_module *vita_module_query(uint32_t host_major, uint32_t host_minor)
{
	(void)host_major;
	(void)host_minor;
	if (file_is("segfault")) raise(SIGSEGV);
	if (file_is("abort")) abort();
	if (file_is("exit")) exit(0);
	if (file_is("quiet-exit")) _exit(0);
	while (file_is("hang")) (void)sleep(1);
	if (file_is("null")) return NULL;
	if (file_is("wild")) return (const vita_module *)(uintptr_t)0x1000;
	spoil();
	if (is_backend()) become_backend();
	return &module;
}
