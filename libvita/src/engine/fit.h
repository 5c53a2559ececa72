/* SPDX-License-Identifier: MIT
 *
 * Will a model's weights fit into memory?
 */
#ifndef ENGINE_FIT_H
#define ENGINE_FIT_H

#include <vita/model.h>

/* Bytes of memory that this process may still take; very many where the system does not say. */
double vita_memory_left(void);

/* What the control groups that proc_cgroup ("/proc/self/cgroup") names may still take, pages of files being free; very many
 * where there is no limit. sysfs is where their files are mounted ("/sys/fs/cgroup"). */
double vita_group_memory_left(const char *proc_cgroup, const char *sysfs);

/* Bytes of all tensors, their matrices in this type where their rows allow it; VITA_DTYPE_NONE: as they are. */
double vita_weight_bytes(const vita_model *model, uint32_t dtype);

/* The largest of our weight types in which they take less than nine tenths of `left`, NULL where none does; *bytes: what
 * they take in it, or in the smallest. */
const char *vita_fitting_type(const vita_model *model, double left, double *bytes);

/* E_NOMEM where the model in this type ("", "as-is" and NULL: as it is) takes more than `left` bytes. The sentence has
 * the sizes and a type that would fit, if any does. */
vita_status vita_check_fit(const vita_model *model, const char *dtype_name, double left, vita_error *err);

#endif
