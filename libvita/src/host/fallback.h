/* SPDX-License-Identifier: MIT
 *
 * A backend as modules see it: one that has every op and every optional member, whatever the real one has.
 */
#ifndef VITA_HOST_FALLBACK_H
#define VITA_HOST_FALLBACK_H

#include "host/log.h"

typedef struct vita_fallback vita_fallback;

/* name and inner: the real backend, open. reference: the backend that has all ops, or NULL where there is
 * none; its name is for the log. All are borrowed until destroy. */
vita_status vita_fallback_create(const char *name, const vita_device *inner, const char *reference_name,
                                 const vita_device *reference, const vita_log *log, vita_fallback **out,
                                 vita_error *err);

/* Does not close the real backend. NULL is a no-op. */
void vita_fallback_destroy(vita_fallback *fallback);

/* The device to hand out; lives as long as the fallback. */
const vita_device *vita_fallback_device(const vita_fallback *fallback);

/* The real device behind one that was handed out, for its extensions; the device itself where there is none. */
const vita_device *vita_fallback_inner(const vita_device *device);

/* Run one op, which inner lacks, on the reference backend (fallback_op.c). */
vita_status vita_fallback_op(const vita_device *inner, const vita_device *reference, const char *name,
                             const vita_op *op, vita_error *err);

#endif
