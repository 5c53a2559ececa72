/* SPDX-License-Identifier: MIT
 *
 * The likeliest of each row of scores, chosen on the device: score and id lie side by side, so that one read brings
 * both.
 */
#ifndef COMMON_LIKELIEST_H
#define COMMON_LIKELIEST_H

#include "plugin_memory.h"

#include <vita/greedy.h>
#include <vita/record.h>

/* As it lies on the device. */
typedef struct likeliest {
	float score;
	int32_t id;
} likeliest;

/* Room for n of them. */
vita_status likeliest_reserve(const vita_device *device, device_memory *memory, int64_t n, vita_error *err);

/* Numbers first … first+n-1, as i32 [n, 2]; and of such a view the scores f32 [n, 1] and the ids i32 [n, 1]. */
vita_tensor likeliest_view(const device_memory *memory, int64_t first, int64_t n);
vita_tensor likeliest_scores(const vita_tensor *view);
vita_tensor likeliest_ids(const vita_tensor *view);

/* view = for each row of scores [n, k] the highest, and the first place where it is. */
void likeliest_record(vita_recorder *r, const vita_tensor *scores, const vita_tensor *view);

/* The view's n to host memory; waits. */
vita_status likeliest_read(const vita_device *device, const vita_tensor *view, likeliest *out, vita_error *err);

/* The id; -1 where the row had nothing but NaN and -infinity. */
int32_t likeliest_id(const likeliest *found);

#endif
