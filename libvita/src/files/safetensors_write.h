/* SPDX-License-Identifier: MIT
 *
 * Inside libvita: safetensors files whose tensors' bytes come one after the other.
 */
#ifndef VITA_FILES_SAFETENSORS_WRITE_H
#define VITA_FILES_SAFETENSORS_WRITE_H

#include <vita/file.h>
#include <vita/model.h>

/* Begin a file with these tensors, which need no data yet; they are put into the order in which their bytes
 * are then to be written. *file is the caller's to commit or to discard. As vita_safetensors_write. */
vita_status vita_safetensors_begin(const char *path, const vita_array **tensors, uint64_t n_tensors,
                                   const char *const *metadata, uint32_t n_metadata, vita_file **file,
                                   vita_error *err);

#endif
