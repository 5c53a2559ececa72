/* SPDX-License-Identifier: MIT
 *
 * vita/room.h - an optional ability of backends: how much memory a device has, and what weights take of it.
 *
 * The host asks before it loads a model, so that one that is too large is refused in a sentence that says how much is
 * missing, and not half-way through its upload. Backends whose memory is the host's need not have it.
 *
 *   const vita_room_api *api = backend_api->get_extension(backend, VITA_ROOM_ID);
 */
#ifndef VITA_ROOM_H
#define VITA_ROOM_H

#include <vita/backend.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VITA_ROOM_ID "vita.room/1"

typedef struct vita_room {
	uint32_t struct_size;
	uint32_t wraps_pages;   /* 1: host pages serve as they lie (vita_backend_api.wrap) and take nothing */
	uint64_t total;         /* bytes that this process may have of the device */
	uint64_t taken;         /* of these, by buffers that are there now */
	uint64_t largest;       /* bytes of one buffer */
	char name[128];         /* of the device */
} vita_room;

typedef struct vita_room_api {
	uint32_t struct_size;
	uint32_t flags;         /* 0 */

	/* OK | E_DEVICE                                                        [any-thread] */
	vita_status (*ask)(vita_backend *backend, vita_room *out, vita_error *err);

	/* Bytes that a matrix [rows, columns] of this type takes once vita_backend_api.load has laid it out; 0: load
	 * would decline, so that it takes its dense rows.                      [any-thread] */
	uint64_t (*load_bytes)(vita_backend *backend, int64_t rows, int64_t columns, uint32_t dtype);
} vita_room_api;

#ifdef __cplusplus
}
#endif
#endif
