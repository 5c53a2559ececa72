/* SPDX-License-Identifier: MIT
 *
 * A device that holds nothing and does nothing: what is written to it is gone, what is read from it is 0. Plugins
 * that are opened on it look at all their tensors, and no memory is taken.
 */
#ifndef VITA_ENGINE_EMPTY_DEVICE_H
#define VITA_ENGINE_EMPTY_DEVICE_H

#include <vita/room.h>

/* One that counts what the device `counted` would have to hold. */
typedef struct vita_counting_device {
	vita_device device;      /* what plugins get */
	vita_device counted;     /* whose layout of weights is asked for */
	const vita_room_api *room;
	int wraps_pages;         /* pages that serve as they lie take nothing */
	uint64_t taken, largest; /* bytes of all buffers, and of the largest that there was */
} vita_counting_device;

extern const vita_device vita_empty_device;

/* Fill in `device`; the other members are set already. Used by one thread. */
void vita_counting_device_begin(vita_counting_device *counter);

#endif
