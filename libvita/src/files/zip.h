/* SPDX-License-Identifier: MIT
 *
 * Inside libvita: where the members of a zip archive lie, for archives whose members are stored as they are
 * (PyTorch's checkpoints), so that a mapped file can be used in place.
 *
 * PKWARE, "APPNOTE.TXT - .ZIP File Format Specification", 6.3: sizes and offsets come from the central directory,
 * local headers may hold zeros. Zip64 records are read; encryption, compression and several disks are refused.
 */
#ifndef VITA_FILES_ZIP_H
#define VITA_FILES_ZIP_H

#include "files/map.h"

/* A name that its file gives: size bytes without '\0', none of them a control character. */
typedef struct vita_zip_member {
	const char *name;
	size_t name_size;
	const unsigned char *data;
	uint64_t size;
} vita_zip_member;

typedef struct vita_zip {
	vita_zip_member *members; /* by name, no two alike */
	size_t n_members;
} vita_zip;

/* Members point into the map. What was opened is closed with vita_zip_close, and so is what failed to open.
 * OK | E_FORMAT | E_UNSUPPORTED (compressed, encrypted, in several parts) | E_NOMEM */
vita_status vita_zip_open(const vita_map *map, const char *path, vita_zip *out, vita_error *err);
void vita_zip_close(vita_zip *zip);

/* NULL where there is none. */
const vita_zip_member *vita_zip_find(const vita_zip *zip, const char *name, size_t name_size);

#endif
