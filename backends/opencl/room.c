/* SPDX-License-Identifier: MIT
 *
 * How much memory a device has, and what weights take of it.
 */
#include "room.h"

#include "pack.h"

uint64_t room_limit(const struct device_info *device, int64_t mib)
{
	const uint64_t wished = (uint64_t)mib << 20;
	return mib > 0 && wished < device->memory ? wished : device->memory;
}

static vita_status ask(vita_backend *backend, vita_room *out, vita_error *err)
{
	(void)pthread_mutex_lock(&backend->lock);
	const vita_status status = check_lost(backend, err);
	out->wraps_pages = memory_wraps(backend);
	out->total = backend->limit;
	out->taken = backend->taken;
	out->largest = backend->device.largest;
	(void)snprintf(out->name, sizeof out->name, "%s", backend->device.name);
	(void)pthread_mutex_unlock(&backend->lock);
	return status;
}

static uint64_t load_bytes(vita_backend *backend, int64_t rows, int64_t columns, uint32_t dtype)
{
	const struct pack_layout l = pack_layout_of(backend, dtype, columns);
	if (rows < 1 || columns < 1) return 0;
	return memory_weight_bytes(backend, (uint64_t)((rows - 1) / l.lanes + 1) * (uint64_t)l.tile_bytes);
}

const vita_room_api opencl_room_api = { .struct_size = sizeof opencl_room_api, .ask = ask, .load_bytes = load_bytes };
