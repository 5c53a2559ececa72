/* SPDX-License-Identifier: MIT
 *
 * Inside libvita: the bytes of a conversion's tensors.
 */
#ifndef VITA_CONVERT_TENSORS_H
#define VITA_CONVERT_TENSORS_H

#include "convert/plan.h"

#include <vita/file.h>

/* Write all tensors in the plan's order, each padded to a multiple of `alignment`. Memory does not grow with
 * them, and all processors are used.
 * OK | E_CANCELLED | E_IO | E_NOMEM | what vita_convert returns */
vita_status vita_plan_write_tensors(const vita_plan *plan, vita_file *file, uint64_t alignment,
                                    vita_error *err);

#endif
