/* SPDX-License-Identifier: MIT
 *
 * The opencl backend's vita.roof/1.
 */
#ifndef VITA_OPENCL_ROOF_H
#define VITA_OPENCL_ROOF_H

#include <vita/roof.h>

#include "opencl.h"

extern const vita_roof_api opencl_roof_api;

#endif
