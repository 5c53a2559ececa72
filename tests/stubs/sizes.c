/* SPDX-License-Identifier: MIT
 *
 * Good modules of other minor versions. older.so has structs that end with the last member that ABI 1.0
 * needs; newer.so has larger ones, and a factory of an interface yet to come.
 */
#include <config.h>

#include "file_name.h"
#include "stub_codec.h"

/* ---- older ------------------------------------------------------------------------------------------ */

#define UP_TO(type, member) ((uint32_t)(offsetof(type, member) + sizeof(((type *)0)->member)))

static const vita_codec_api older_api = STUB_CODEC_API;
static const vita_factory older_factory = {
	UP_TO(vita_factory, n_keys), 0, VITA_CODEC_ID, "older", "Of its time.", &older_api, NULL, 0, 0,
};
static const vita_factory *const older_factories[] = { &older_factory };
static const vita_module older = {
	sizeof older, VITA_ABI_MAJOR, 0, 1, "older", "0.1", "MIT", older_factories,
};

/* ---- newer ------------------------------------------------------------------------------------------ */

/* Each is the struct of today and members of tomorrow. */
static const struct newer_api {
	vita_codec_api today;
	void *tomorrow[6];
} newer_api = { { sizeof(struct newer_api), 0, stub_open, stub_close, stub_describe, stub_stream_open,
	          stub_stream_close, stub_push, stub_pull, stub_get_extension },
	        { NULL } };

static const struct newer_key {
	vita_key today;
	const char *unit;
} newer_key = { { sizeof(struct newer_key), VITA_KEY_INT, "warmth", "3", "how warm", NULL, 0, 9 }, "kelvin" };
static const vita_key *const newer_keys[] = { &newer_key.today };

static const struct newer_factory {
	vita_factory today;
	uint64_t tomorrow[3];
} newer_factory = { { sizeof(struct newer_factory), 0x80u, VITA_CODEC_ID, "newer", "Ahead of its time.",
	              &newer_api.today, newer_keys, 1, 0 },
	            { 1, 2, 3 } };

static const struct newer_factory unknown_factory = {
	{ sizeof(struct newer_factory), 0, "vita.codec/2", "newer", "A later interface.", &newer_api.today,
	  NULL, 0, 0 },
	{ 0, 0, 0 },
};
static const vita_factory *const newer_factories[] = { &unknown_factory.today, &newer_factory.today };

static const struct newer_module {
	vita_module today;
	const char *homepage;
} newer = {
	{ sizeof(struct newer_module), VITA_ABI_MAJOR, VITA_ABI_MINOR + 7, 2, "newer", "3.0", "MIT",
	  newer_factories },
	"https://example.org",
};

VITA_EXPORT const vita_module *vita_module_query(uint32_t host_major, uint32_t host_minor)
{
	(void)host_minor;
	if (host_major != VITA_ABI_MAJOR) return NULL;
	return file_is("newer") ? &newer.today : &older;
}
