/* SPDX-License-Identifier: MIT
 *
 * A backend for tests without libvita around it: found by name among the modules, opened with a host
 * table that has a log, memory and two settings, and no more.
 */
#ifndef TEST_DEVICE_H
#define TEST_DEVICE_H

#include <vita/backend.h>
#include <vita/host.h>

typedef struct test_device {
	const vita_backend_api *api;
	vita_backend *self;
	vita_host host;
	char last_log[256];
	const char *wanted_device; /* what settings answer */
	int64_t threads;
} test_device;

/* name: that of a backend's factory, looked for in every .so of VITA_PLUGIN_PATH's first directory (or
 * VITA_BUILDDIR/modules); or the path of a module, its first backend then. Returns 0 and says why in
 * `why` where there is none or it does not open. wanted_device and threads go to open. */
int test_device_open(test_device *device, const char *name, const char *wanted_device, int64_t threads,
                     char why[1024]);

/* The names of all backends there, each once; returns how many, at most `most`. */
int test_device_names(char names[][64], int most);

/* The same for a backend within the test program. */
int test_device_adopt(test_device *device, const vita_backend_api *api, char why[1024]);
void test_device_close(test_device *device);

#endif
