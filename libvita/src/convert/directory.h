/* SPDX-License-Identifier: MIT
 *
 * Inside libvita: a conversion's Hugging Face directory, or safetensors file.
 */
#ifndef VITA_CONVERT_DIRECTORY_H
#define VITA_CONVERT_DIRECTORY_H

#include "convert/plan.h"

vita_status vita_plan_write_directory(const vita_plan *plan, vita_error *err);

/* The tensors alone. */
vita_status vita_plan_write_safetensors(const vita_plan *plan, const char *path, vita_error *err);

#endif
