/* SPDX-License-Identifier: MIT
 *
 * vita/file.h - output files that appear whole or not at all.
 *
 * create -> write* -> (commit | discard).
 *
 * What is written goes to a hidden file in the target's directory, which commit syncs and renames over
 * the target; until then the target stays as it was. A target that is no regular file (a pipe,
 * /dev/null) cannot be replaced and is written to directly. A symbolic link is followed.
 */
#ifndef VITA_FILE_H
#define VITA_FILE_H

#include <vita/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vita_file vita_file;

/* Begin a file that shall be called path. Its permissions are those of the file that it replaces, or
 * those that the umask leaves.
 * OK | E_NOTFOUND (no such directory) | E_IO | E_INVALID (path is a directory) | E_NOMEM
 *                                                                        [any-thread, may-block] */
VITA_EXPORT vita_status vita_file_create(const char *path, vita_file **out, vita_error *err);

/* Append size bytes. After a failure (a full disk) every further call fails, commit too.
 *                                                                        [one-thread, may-block] */
VITA_EXPORT vita_status vita_file_write(vita_file *file, const void *data, uint64_t size, vita_error *err);

/* Both end the file, whatever they return; when commit fails, the target is as it was. NULL is an
 * E_INVALID for commit and a no-op for discard.                          [one-thread, may-block] */
VITA_EXPORT vita_status vita_file_commit(vita_file *file, vita_error *err);
VITA_EXPORT void vita_file_discard(vita_file *file);

/* create, write and commit in one call.                                  [any-thread, may-block] */
VITA_EXPORT vita_status vita_file_save(const char *path, const void *data, uint64_t size, vita_error *err);

/* Remove the hidden files of all unfinished output files of this process (recordings and models that
 * libvita writes are among them); their commit, and every create, fails from now on with E_CANCELLED.
 * Only for a process that is about to end: it is async-signal-safe, so that a handler of SIGINT or
 * SIGTERM, and atexit, may call it.
 *                                                                                    [any-thread] */
VITA_EXPORT void vita_files_abandon(void);

#ifdef __cplusplus
}
#endif
#endif
