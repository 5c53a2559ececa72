/* SPDX-License-Identifier: MIT
 *
 * The likeliest of rows of scores; see likeliest.h.
 */
#include "likeliest.h"

#include <math.h>

vita_status likeliest_reserve(const vita_device *device, device_memory *memory, int64_t n, vita_error *err)
{
	return device_memory_reserve(device, memory, (uint64_t)n * sizeof(likeliest), err);
}

vita_tensor likeliest_view(const device_memory *memory, int64_t first, int64_t n)
{
	return vita_view(memory->buffer, (uint64_t)first * sizeof(likeliest), VITA_I32, 2, n, 2, 0, 0);
}

vita_tensor likeliest_scores(const vita_tensor *view)
{
	vita_tensor scores = vita_slice(view, 1, 0, 1);
	scores.dtype = VITA_F32;
	return scores;
}

vita_tensor likeliest_ids(const vita_tensor *view)
{
	return vita_slice(view, 1, 1, 1);
}

void likeliest_record(vita_recorder *r, const vita_tensor *scores, const vita_tensor *view)
{
	vita_tensor values = likeliest_scores(view), ids = likeliest_ids(view);
	vita_top_k(r, scores, &values, &ids);
}

vita_status likeliest_read(const vita_device *device, const vita_tensor *view, likeliest *out, vita_error *err)
{
	return device->api->read(device->self, view, out, (uint64_t)view->shape[0] * sizeof *out, err);
}

int32_t likeliest_id(const likeliest *found)
{
	return found->score > -INFINITY ? found->id : -1;
}
