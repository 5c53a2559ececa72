/* SPDX-License-Identifier: MIT
 *
 * One stub, many parts to play: what the module's file is called says which. Tests copy it under those names.
 */
#ifndef STUB_FILE_NAME_H
#define STUB_FILE_NAME_H

#include <vita/module.h>

#include <dlfcn.h>

/* Is the file that this code was loaded from called NAME.so? */
static int file_is(const char *name)
{
	static const char here;
	Dl_info found;
	size_t size = strlen(name);
	if (!dladdr(&here, &found) || !found.dli_fname) return 0;
	const char *slash = strrchr(found.dli_fname, '/');
	const char *file = slash ? slash + 1 : found.dli_fname;
	return strncmp(file, name, size) == 0 && strcmp(file + size, ".so") == 0;
}

#endif
