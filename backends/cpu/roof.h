/* SPDX-License-Identifier: MIT
 *
 * The backend's vita.roof/1.
 */
#ifndef VITA_CPU_ROOF_H
#define VITA_CPU_ROOF_H

#include <vita/roof.h>

extern const vita_roof_api cpu_roof_api;

#endif
