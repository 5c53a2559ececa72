/* SPDX-License-Identifier: MIT
 *
 * vita/module.h - what a module (a shared object with backends or plugins in it) tells its host.
 *
 * The host dlopens the file, calls vita_module_query once and checks the answer; then it may ask a
 * factory's interface table for instances as often as it likes. A module exports this one symbol,
 * never links libvita, and is never unloaded while handles of it are open.
 *
 *   #include <vita/module.h>
 *   static const vita_codec_api api = { sizeof api, … };
 *   static const vita_factory codec = { sizeof codec, 0, VITA_CODEC_ID, "mine", "What it does.", &api, … };
 *   static const vita_factory *const factories[] = { &codec };
 *   static const vita_module module = { sizeof module, VITA_ABI_MAJOR, VITA_ABI_MINOR, 1, "mine", "1.0", "MIT", factories };
 *   VITA_EXPORT const vita_module *vita_module_query(uint32_t host_major, uint32_t host_minor)
 *   {
 *           (void)host_minor;
 *           return host_major == VITA_ABI_MAJOR ? &module : NULL;
 *   }
 */
#ifndef VITA_MODULE_H
#define VITA_MODULE_H

#include <vita/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- settings that a factory takes from the INI file --------------------------------------------- */

#define VITA_KEY_STRING 0u
#define VITA_KEY_INT 1u
#define VITA_KEY_FLOAT 2u
#define VITA_KEY_BOOL 3u   /* yes/no, on/off, true/false, 1/0 */
#define VITA_KEY_PATH 4u   /* relative to the INI file that names it; "~/" is the home directory */
#define VITA_KEY_CHOICE 5u /* one of `choices` */
#define VITA_KEY_LIST 6u   /* integers separated by commas, each in min … max */
#define VITA_KEY_SEED 7u   /* a whole number of 0 or more as it is written, else a path as PATH; read as a string */

/* One key of the section of the factory's kind ([codec] for a codec). The host checks values against
 * this before open, and `vita plugins NAME` prints it. Keys that libvita itself defines for the section
 * (plugin, model, backend …) are always there and need no declaration. */
typedef struct vita_key {
	uint32_t struct_size;
	uint32_t type;          /* VITA_KEY_* */
	const char *name;       /* [a-z][a-z0-9_]* */
	const char *fallback;   /* default as it would be written; NULL: no value, `has` says so */
	const char *help;       /* one line, no full stop */
	const char *choices;    /* VITA_KEY_CHOICE: "full audio"; else NULL */
	double min, max;        /* inclusive range of INT, FLOAT and LIST entries; both 0: unlimited */
} vita_key;

/* Checked values, given to open for that call only: copy what is needed later. Read through vita_host.setting_*. */
typedef struct vita_settings vita_settings;

/* ---- factories and the module -------------------------------------------------------------------- */

/* One implementation of one interface. */
typedef struct vita_factory {
	uint32_t struct_size;
	uint32_t flags;                /* 0 */
	const char *interface_id;      /* "vita.codec/1" …; a host skips ids that it does not know */
	const char *name;              /* what INI files call it: [a-z0-9][a-z0-9_-]*, unique for its kind */
	const char *summary;           /* one sentence */
	const void *api;               /* the interface's table (vita_codec_api …), static */
	const vita_key *const *keys;   /* n_keys pointers; may be NULL when n_keys is 0 */
	uint32_t n_keys;
	uint32_t reserved;             /* 0 */
} vita_factory;

typedef struct vita_module {
	uint32_t struct_size;
	uint32_t abi_major;                    /* VITA_ABI_MAJOR and _MINOR as compiled */
	uint32_t abi_minor;
	uint32_t n_factories;
	const char *name;
	const char *version;
	const char *licence;                   /* SPDX expression */
	const vita_factory *const *factories;
} vita_module;

/* For hosts: OK, or a failure with a message, whatever was answered: statuses that ABI 1 does not have and empty
 * messages are replaced. who: "codec beep", call: "push". */
VITA_UNUSED static inline vita_status vita_answer(vita_status status, const char *who, const char *call, vita_error *err)
{
	if (status == VITA_OK) return VITA_OK;
	if (status > 0 || status < VITA_E_INTERNAL)
		return vita_fail(err, VITA_E_INTERNAL, "%s answers %s with the status %d, which ABI %d does not have", who, call,
		                 (int)status, VITA_ABI_MAJOR);
	if (!err) return status;
	err->message[sizeof err->message - 1] = '\0';
	if (!err->message[0])
		return vita_fail(err, status, "%s fails in %s with status %d and does not say why", who, call, (int)status);
	err->status = status;
	return status;
}

/* The one exported symbol. Cheap, repeatable, touches no device. The answer is static, or NULL where
 * the module cannot work with a host of this ABI.                                     [any-thread] */
VITA_EXPORT const vita_module *vita_module_query(uint32_t host_major, uint32_t host_minor);
typedef const vita_module *(*vita_module_query_fn)(uint32_t host_major, uint32_t host_minor);

#ifdef __cplusplus
}
#endif
#endif
