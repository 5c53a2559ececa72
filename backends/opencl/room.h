/* SPDX-License-Identifier: MIT
 *
 * How much the device has, and what weights take of it (vita/room.h).
 */
#ifndef VITA_OPENCL_ROOM_H
#define VITA_OPENCL_ROOM_H

#include <vita/room.h>

#include "opencl.h"

extern const vita_room_api opencl_room_api;

/* Bytes that may be taken where [backend] memory is `mib`; 0: all that there are. */
uint64_t room_limit(const struct device_info *device, int64_t mib);

#endif
