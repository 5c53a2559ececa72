/* SPDX-License-Identifier: MIT
 *
 * Inside libvita: what writers of other libraries (libsndfile) need of a vita_file.
 */
#ifndef VITA_FILES_ATOMIC_FILE_H
#define VITA_FILES_ATOMIC_FILE_H

#include <vita/file.h>

#include <stdbool.h>

/* The descriptor that is written to; it belongs to the file, and whoever writes through it does not
 * also call vita_file_write. Errors of such writes are told with vita_file_set_failed. */
int vita_file_descriptor(const vita_file *file);

/* Whether bytes already written can be changed (a header with a length in it): not in a pipe. */
bool vita_file_is_seekable(const vita_file *file);

/* Make commit fail with this errno. */
void vita_file_set_failed(vita_file *file, int error_number);

#endif
