/* SPDX-License-Identifier: MIT
 *
 * A good module in C: a codec with a key of every type, and a factory of an interface that no host knows yet.
 */
#include "stub_codec.h"

static const vita_codec_api api = STUB_CODEC_API;

static const vita_key gain = { sizeof gain, VITA_KEY_FLOAT, "gain", "0.5", "how loud", NULL, 0, 1 };
static const vita_key voices = { sizeof voices, VITA_KEY_INT, "voices", "2", "how many", NULL, 1, 8 };
static const vita_key quick = { sizeof quick, VITA_KEY_BOOL, "quick", "no", "whether to hurry", NULL, 0, 0 };
static const vita_key voice = { sizeof voice, VITA_KEY_STRING, "voice", NULL, "who speaks", NULL, 0, 0 };
static const vita_key table = { sizeof table, VITA_KEY_PATH, "table", NULL, "file of the voice", NULL, 0, 0 };
static const vita_key mood = { sizeof mood,     VITA_KEY_CHOICE, "mood", "calm",
	                       "how it sounds", "calm merry",    0,      0 };
static const vita_key sizes = { sizeof sizes, VITA_KEY_LIST, "sizes", "1,2", "a list", NULL, 0, 99 };
static const vita_key *const keys[] = { &gain, &voices, &quick, &voice, &table, &mood, &sizes };

static const vita_factory codec = {
	sizeof codec, 0, VITA_CODEC_ID, "good-c", "A codec in C.", &api, keys, 7, 0
};
static const vita_factory dance = {
	sizeof dance, 0, "vita.dance/1", "waltz", "Not for this host.", &api, NULL, 0, 0
};
static const vita_factory *const factories[] = { &dance, &codec };
static const vita_module module = {
	sizeof module, VITA_ABI_MAJOR, VITA_ABI_MINOR, 2, "good-c", "1.0", "MIT", factories,
};

VITA_EXPORT const vita_module *vita_module_query(uint32_t host_major, uint32_t host_minor)
{
	(void)host_minor;
	return host_major == VITA_ABI_MAJOR ? &module : NULL;
}
