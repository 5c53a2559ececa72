/* SPDX-License-Identifier: MIT
 *
 * vita/backend.h - a device: memory and ops. open -> (buffers, submits, reads)* -> close.
 *
 * A backend knows ops (vita/ops.h), never a model. It may be young: supports() declines what it lacks
 * and the host runs that op on the reference backend instead (the tensors' memory is fetched and put
 * back; the log says so once an op). Only the members marked "optional" may be NULL.
 *
 * Order: the ops of one submit, and of one thread's submits, take effect in order. write, read and wait
 * keep that order too. Only read and wait (and alloc, load) block. Threads that use different buffers
 * may submit at the same time.
 */
#ifndef VITA_BACKEND_H
#define VITA_BACKEND_H

#include <vita/module.h>
#include <vita/ops.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VITA_BACKEND_ID "vita.backend/1"

typedef struct vita_host vita_host;
typedef struct vita_backend vita_backend; /* the backend defines it */

/* The backend defines what every op means and has all of them for all types on plain host memory: the
 * host runs what others lack on it. */
#define VITA_BACKEND_F_REFERENCE 1u

/* One device as probe finds it. */
typedef struct vita_backend_device {
	uint32_t struct_size;
	uint32_t available;        /* 0 or 1 */
	int64_t score;             /* for `auto`, the highest wins: reference 1, CPU kernels 100 …, GPU 1000 … */
	uint64_t memory_bytes;     /* 0: not known or the host's own */
	char name[128];            /* "AMD EPYC, AVX-512" */
	char reason[256];          /* why not available, or "" */
	char details[512];         /* driver, version, extensions used; may be "" */
} vita_backend_device;

typedef struct vita_backend_api {
	uint32_t struct_size;
	uint32_t flags;            /* VITA_BACKEND_F_* */

	/* Describe device number `index` of this machine; VITA_END past the last. Cheap; no device memory is
	 * taken. A backend without any device answers index 0 with available = 0 and a reason.
	 * OK | END                                                                 [any-thread] */
	vita_status (*probe)(const vita_host *host, uint32_t index, vita_backend_device *out, vita_error *err);

	/* Open a device. settings holds this factory's declared keys of [backend] and the host's
	 * `threads` (int, 0: all that the process may use) and `device` (string, index or part of a name, "").
	 * host stays valid until close.
	 * OK | E_NOTFOUND (lists what there is) | E_NOMEM | E_DEVICE | E_CONFIG    [any-thread, may-block] */
	vita_status (*open)(const vita_host *host, const vita_settings *settings, vita_backend **out, vita_error *err);
	void (*close)(vita_backend *backend); /* after all buffers are freed; NULL is a no-op  [one-thread] */

	/* ---- memory ---- */

	/* size bytes, aligned for any type, contents undefined; the caller frees. size 0 gives a buffer.
	 * OK | E_NOMEM (says how much was asked and how much there is)             [any-thread, may-block] */
	vita_status (*alloc)(vita_backend *backend, uint64_t size, vita_buffer **out, vita_error *err);
	void (*free)(vita_backend *backend, vita_buffer *buffer); /* waits for ops that use it  [any-thread] */

	/* Optional: a buffer over host memory, which must outlive it; read-only where `constant`. Declining
	 * (E_UNSUPPORTED) is always right: the host then allocates and writes.     [any-thread] */
	vita_status (*wrap)(vita_backend *backend, void *memory, uint64_t size, uint32_t constant, vita_buffer **out,
	                    vita_error *err);

	/* Optional: the host address of a buffer whose elements lie there in plain layout, after waiting for
	 * ops in flight on it; NULL where they do not.                             [any-thread] */
	void *(*address)(vita_backend *backend, vita_buffer *buffer);

	/* Optional: take a weight matrix [rows, columns] for use as `w` of MATMUL and GATHER, converted to dtype
	 * and in whatever layout the backend likes. *out describes it as dense rows of dtype all the same:
	 * row views (offset and shape[0] changed by whole rows) are allowed and the backend must understand
	 * them; reads give the plain layout. source->data may go when load returns: pages are used by wrap.
	 * OK | E_UNSUPPORTED (the host converts, allocates and writes) | E_NOMEM   [any-thread, may-block] */
	vita_status (*load)(vita_backend *backend, const vita_array *source, uint32_t dtype, vita_tensor *out,
	                    vita_error *err);

	/* Dense elements in host memory, outermost dimension first, to or from the view. size is that of the
	 * dense form. write may return before the device has the data but no longer needs `source`.
	 * OK | E_SHAPE (size) | E_DEVICE                                           [any-thread; read may-block] */
	vita_status (*write)(vita_backend *backend, const vita_tensor *target, const void *source, uint64_t size,
	                     vita_error *err);
	vita_status (*read)(vita_backend *backend, const vita_tensor *source, void *target, uint64_t size,
	                    vita_error *err);

	/* ---- work ---- */

	/* 1 where submit will run this op with these types, shapes and strides. Buffers are not looked into
	 * (they may be NULL).                                                      [any-thread] */
	int32_t (*supports)(vita_backend *backend, const vita_op *op);

	/* Queue n ops. The structs are borrowed for the call only. Outputs must not overlap inputs unless the
	 * op's description allows it. A failure leaves the ops after the failed one undone.
	 * OK | E_UNSUPPORTED | E_SHAPE | E_INVALID | E_NOMEM | E_DEVICE            [any-thread] */
	vita_status (*submit)(vita_backend *backend, const vita_op *const *ops, uint32_t n, vita_error *err);

	/* Until all ops queued by this thread are done; reports their first failure. [any-thread, may-block] */
	vita_status (*wait)(vita_backend *backend, vita_error *err);

	/* Optional, and so are the abilities that it gives by id: NULL where absent. [any-thread] */
	const void *(*get_extension)(vita_backend *backend, const char *id);
} vita_backend_api;

/* A backend as modules get it: the table to call and the handle to give it. The host may stand in
 * between (fallback, tracing); only these pointers may be used. Two devices are the same where `self`
 * is. Lives as long as the handle that it was given to. */
typedef struct vita_device {
	uint32_t struct_size;
	uint32_t reserved;
	const vita_backend_api *api;
	vita_backend *self;
} vita_device;

#ifdef __cplusplus
}
#endif
#endif
