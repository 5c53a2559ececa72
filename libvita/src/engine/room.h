/* SPDX-License-Identifier: MIT
 *
 * Will all that a config's parts hold fit on their devices?
 */
#ifndef VITA_ENGINE_ROOM_H
#define VITA_ENGINE_ROOM_H

#include "engine/engine_internal.h"

/* Before anything of engine->parts is open: E_NOMEM says how much is missing where. Devices that do not tell how much
 * they have (vita/room.h) are believed to have enough. */
vita_status vita_engine_check_room(vita_engine *engine, vita_error *err);

#endif
