/* SPDX-License-Identifier: MIT
 *
 * A device that is lost in the middle of a pass: an error from then on, an orderly end, and the next device works.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <vita/record.h>

#include "device.h"

#define N 1000

static char folder[] = "/tmp/vita-test.XXXXXX", icd[sizeof folder + 16];
static vita_error err;

/* The loader finds our driver alone, and that one the first that the loader would have found. */
static int use_stub(void)
{
	char driver[1024] = "";
	const char *build = getenv("VITA_BUILDDIR");
	FILE *file = popen("cat \"${OCL_ICD_VENDORS:-/etc/OpenCL/vendors}\"/*.icd 2>/dev/null", "r");
	if (!file || !fgets(driver, sizeof driver, file)) driver[0] = '\0';
	if (file) (void)pclose(file);
	driver[strcspn(driver, "\n")] = '\0';
	if (!driver[0] || !mkdtemp(folder)) return 0;
	(void)snprintf(icd, sizeof icd, "%s/stub.icd", folder);
	file = fopen(icd, "w");
	if (!file) return 0;
	(void)fprintf(file, "%s/tests/stubs/.libs/lying_icd.so\n", build ? build : ".");
	(void)fclose(file);
	return setenv("OCL_ICD_VENDORS", folder, 1) == 0 && setenv("VITA_STUB_DRIVER", driver, 1) == 0;
}

/* One op after the other until one fails; the first status that is not OK. */
static vita_status run_until_failure(const test_device *d, int most)
{
	static vita_recorder r;
	const vita_device handle = { (uint32_t)sizeof handle, 0, d->api, d->self };
	vita_tensor x = vita_view(NULL, 0, VITA_F32, 1, N, 0, 0, 0);
	float values[N];
	vita_status status = d->api->alloc(d->self, sizeof values, &x.buffer, &err);
	if (status != VITA_OK) return status;
	vita_recorder_begin(&r, &handle, &err);
	vita_fill(&r, 1, &x);
	status = vita_recorder_end(&r);
	for (int i = 0; i < most && status == VITA_OK; i++) {
		vita_affine(&r, &x, 1, 1, &x);
		status = vita_recorder_end(&r);
	}
	if (status == VITA_OK) status = d->api->read(d->self, &x, values, sizeof values, &err);
	if (status == VITA_OK) assert_true(values[N - 1] == (float)(most + 1));
	d->api->free(d->self, x.buffer);
	return status;
}

static void lost_in_mid_pass(void **state)
{
	test_device d;
	char why[1024];
	(void)state;
	if (!use_stub() || !test_device_open(&d, "opencl", "", 0, why)) skip();
	assert_int_equal(run_until_failure(&d, 10), VITA_OK);
	assert_int_equal(setenv("VITA_STUB_LAUNCHES", "5", 1), 0); /* more have been made already */
	assert_int_equal(setenv("VITA_STUB_LIE", "lost", 1), 0);
	assert_int_equal(run_until_failure(&d, 10), VITA_E_DEVICE);
	assert_non_null(strstr(err.message, "CL_OUT_OF_RESOURCES"));

	/* whatever one asks now is answered alike, also when the driver has come to itself again */
	assert_int_equal(unsetenv("VITA_STUB_LIE"), 0);
	assert_int_equal(run_until_failure(&d, 1), VITA_E_DEVICE);
	assert_non_null(strstr(err.message, "must be opened again"));
	assert_int_equal(d.api->wait(d.self, &err), VITA_E_DEVICE);
	test_device_close(&d);

	if (!test_device_open(&d, "opencl", "", 0, why)) fail_msg("%s", why);
	assert_int_equal(run_until_failure(&d, 10), VITA_OK);
	test_device_close(&d);
}

static void unknown_device(void **state)
{
	test_device d;
	char why[1024];
	(void)state;
	if (!test_device_open(&d, "opencl", "", 0, why)) skip();
	test_device_close(&d);
	assert_int_equal(test_device_open(&d, "opencl", "banana", 0, why), 0);
	assert_non_null(strstr(why, "banana"));
	assert_non_null(strstr(why, "there is 0: "));
	test_device_close(&d);
	if (!test_device_open(&d, "opencl", "0", 1, why)) fail_msg("%s", why); /* on one thread */
	assert_int_equal(run_until_failure(&d, 3), VITA_OK);
	test_device_close(&d);
}

/* More than the device has: how much is missing. */
static void too_much_memory(void **state)
{
	test_device d;
	char why[1024];
	vita_buffer *buffer;
	(void)state;
	if (!test_device_open(&d, "opencl", "", 0, why)) skip();
	assert_int_equal(d.api->alloc(d.self, UINT64_C(1) << 50, &buffer, &err), VITA_E_NOMEM);
	assert_null(buffer);
	assert_non_null(strstr(err.message, "MiB"));
	test_device_close(&d);
}

/* Programs from the cache on disk, damaged or not, give the same as those without it. */
static void damaged_cache(void **state)
{
	char command[256], why[1024];
	test_device d;
	(void)state;
	if (!icd[0]) skip();
	assert_int_equal(setenv("XDG_CACHE_HOME", folder, 1), 0);
	for (int round = 0; round < 3; round++) {
		if (!test_device_open(&d, "opencl", "", 0, why)) fail_msg("%s", why);
		assert_int_equal(run_until_failure(&d, 3), VITA_OK);
		test_device_close(&d);
		/* first leave it alone, then cut some short and spoil the others */
		(void)snprintf(command, sizeof command, "ls %s/vita/opencl-* >%s/list && test -s %s/list", folder, folder, folder);
		assert_int_equal(system(command), 0);
		(void)snprintf(command, sizeof command,
		               "i=0; for f in %s/vita/opencl-*; do i=$((i + 1)); case $((i %% 2)) in 0) truncate -s 100 $f;; "
		               "*) printf spoilt | dd of=$f bs=1 seek=600 conv=notrunc 2>/dev/null;; esac; done", folder);
		if (round == 1) assert_int_equal(system(command), 0);
	}
	assert_int_equal(unsetenv("XDG_CACHE_HOME"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lost_in_mid_pass),
		cmocka_unit_test(unknown_device),
		cmocka_unit_test(too_much_memory),
		cmocka_unit_test(damaged_cache),
	};
	const int failed = cmocka_run_group_tests(tests, NULL, NULL);
	if (icd[0]) {
		char command[64];
		(void)snprintf(command, sizeof command, "rm -rf %s", folder);
		(void)system(command);
	}
	return failed;
}
