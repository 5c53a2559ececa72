/* SPDX-License-Identifier: MIT
 *
 * A device that holds nothing and does nothing: what is written to it is gone, what is read from it is 0. Plugins
 * that are opened on it look at all their tensors, and no memory is taken.
 */
#ifndef VITA_ENGINE_EMPTY_DEVICE_H
#define VITA_ENGINE_EMPTY_DEVICE_H

#include <vita/backend.h>

extern const vita_device vita_empty_device;

#endif
