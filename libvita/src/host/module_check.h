/* SPDX-License-Identifier: MIT
 *
 * The kinds of module that this libvita knows, and the check of what a module answers to vita_module_query.
 */
#ifndef VITA_HOST_MODULE_CHECK_H
#define VITA_HOST_MODULE_CHECK_H

#include <vita/backend.h>
#include <vita/module.h>

#define VITA_REASON_SIZE 512

/* A member of an interface's table that must be there and not NULL in ABI 1.0. */
typedef struct vita_member {
	size_t offset;
	const char *name;
} vita_member;

typedef struct vita_kind {
	const char *name;         /* "codec" */
	const char *interface_id; /* "vita.codec/1" */
	const vita_member *required;
	uint32_t n_required;
} vita_kind;

#define VITA_N_KINDS 5
extern const vita_kind vita_kinds[VITA_N_KINDS];

/* NULL where the host does not know the id, or the name. */
const vita_kind *vita_kind_of_interface(const char *interface_id);
const vita_kind *vita_kind_find(const char *name);

/* Is the answer of a module whole and for our ABI? 1, or 0 with a sentence in reason[VITA_REASON_SIZE]. It
 * may be anything: call this where a crash does no harm. */
int32_t vita_module_check(const vita_module *module, char *reason);

/* Make probe's answer safe to show: strings end, hold no control bytes. 1, or 0 with a reason where the
 * answer makes no sense. */
int32_t vita_backend_device_check(vita_backend_device *device, char *reason);

#endif
