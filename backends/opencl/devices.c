/* SPDX-License-Identifier: MIT
 *
 * Which devices there are, what they say of themselves, and whether that can be believed.
 */
#include <stdlib.h>

#include "opencl.h"

#define MOST_PLATFORMS 32
#define MOST_DEVICES 64

/* ---- asking ---------------------------------------------------------------------------------------- */

static void device_text(cl_device_id id, cl_device_info what, char *text, size_t size)
{
	char all[4096] = "";
	if (clGetDeviceInfo(id, what, sizeof all - 1, all, NULL) != CL_SUCCESS) all[0] = '\0';
	all[sizeof all - 1] = '\0';
	const char *from = all + strspn(all, " ");
	(void)snprintf(text, size, "%.*s", (int)size - 1, from);
	for (size_t n = strlen(text); n > 0 && text[n - 1] == ' ';) text[--n] = '\0';
}

/* Whole word, for one extension's name may begin another's. */
static bool has_extension(cl_device_id id, const char *name)
{
	size_t size = 0, n = strlen(name);
	bool found = false;
	if (clGetDeviceInfo(id, CL_DEVICE_EXTENSIONS, 0, NULL, &size) != CL_SUCCESS || size == 0 || size > 1 << 20)
		return false;
	char *all = calloc(size + 1, 1);
	if (!all) return false;
	if (clGetDeviceInfo(id, CL_DEVICE_EXTENSIONS, size, all, NULL) == CL_SUCCESS)
		for (const char *at = all; !found && (at = strstr(at, name)) != NULL; at += n)
			found = (at == all || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0');
	free(all);
	return found;
}

/* An optional feature of OpenCL C 3.0, by the name of its macro. */
static bool has_feature(cl_device_id id, const char *name)
{
	cl_name_version features[64];
	size_t size = 0;
	if (clGetDeviceInfo(id, CL_DEVICE_OPENCL_C_FEATURES, sizeof features, features, &size) != CL_SUCCESS) return false;
	for (size_t i = 0; i < size / sizeof *features && i < 64; i++)
		if (strncmp(features[i].name, name, sizeof features[i].name) == 0) return true;
	return false;
}

/* 102 of "OpenCL 1.2 …"; 0 where the text is nothing of the kind. */
static cl_uint version_of(const char *text, const char *prefix)
{
	unsigned major, minor;
	char after;
	const size_t n = strlen(prefix);
	if (strncmp(text, prefix, n) != 0 || sscanf(text + n, "%2u.%2u%c", &major, &minor, &after) < 2) return 0;
	return major < 10 && minor < 10 ? major * 100 + minor : 0;
}

/* Is OpenCL C 3.0, in which extensions have feature macros, among the languages of the device's compiler? */
static bool compiles_c3(cl_device_id id)
{
	cl_name_version versions[32];
	size_t size = 0;
	if (clGetDeviceInfo(id, CL_DEVICE_OPENCL_C_ALL_VERSIONS, sizeof versions, versions, &size) != CL_SUCCESS) return false;
	for (size_t i = 0; i < size / sizeof *versions && i < 32; i++)
		if (CL_VERSION_MAJOR(versions[i].version) == 3) return true;
	return false;
}

/* ---- believing ------------------------------------------------------------------------------------- */

static void refuse(struct device_info *d, const char *what, const char *text)
{
	(void)snprintf(d->reason, sizeof d->reason, "%s \"%.100s\", and OpenCL 1.2 is the least that will do", what, text);
}

/* What a device says of its version must be in the form of the standard, at least 1.2, and the same in all places
 * where it says it: a driver that is wrong about that is wrong about more. */
static void check_versions(struct device_info *d)
{
	char platform[128] = "", c_text[128];
	(void)clGetPlatformInfo(d->platform, CL_PLATFORM_VERSION, sizeof platform - 1, platform, NULL);
	device_text(d->id, CL_DEVICE_OPENCL_C_VERSION, c_text, sizeof c_text);
	const cl_uint of_platform = version_of(platform, "OpenCL "), of_device = version_of(d->version, "OpenCL ");
	cl_version number = 0;
	d->c_version = version_of(c_text, "OpenCL C ");
	if (of_platform < 102) refuse(d, "its platform's version is", platform);
	else if (of_device < 102) refuse(d, "its version is", d->version);
	else if (d->c_version < 102) refuse(d, "its compiler's version is", c_text);
	else if (of_device >= 300 && clGetDeviceInfo(d->id, CL_DEVICE_NUMERIC_VERSION, sizeof number, &number, NULL) ==
	                                     CL_SUCCESS &&
	         CL_VERSION_MAJOR(number) * 100 + CL_VERSION_MINOR(number) != of_device)
		(void)snprintf(d->reason, sizeof d->reason, "it contradicts itself: version \"%.80s\", but number %u.%u", d->version,
		               (unsigned)CL_VERSION_MAJOR(number), (unsigned)CL_VERSION_MINOR(number));
}

static void check_abilities(struct device_info *d)
{
	char profile[32];
	cl_bool available = CL_FALSE, compiles = CL_FALSE, little = CL_FALSE;
	device_text(d->id, CL_DEVICE_PROFILE, profile, sizeof profile);
	(void)clGetDeviceInfo(d->id, CL_DEVICE_AVAILABLE, sizeof available, &available, NULL);
	(void)clGetDeviceInfo(d->id, CL_DEVICE_COMPILER_AVAILABLE, sizeof compiles, &compiles, NULL);
	(void)clGetDeviceInfo(d->id, CL_DEVICE_ENDIAN_LITTLE, sizeof little, &little, NULL);
	const char *why = NULL;
	if (!available) why = "it says that it is not available";
	else if (!compiles) why = "its driver has no compiler";
	else if (!little) why = "it is big-endian";
	else if (strcmp(profile, "FULL_PROFILE") != 0) why = "it has the embedded profile, with less precise arithmetic";
	else if (d->group_limit < 64 && !device_is_cpu(d)) why = "its work-groups are smaller than 64 work-items";
	else if (d->parameter_limit < 512) why = "its kernels take fewer than 512 bytes of arguments";
	else if (d->local_memory < 16384) why = "it has less than 16 KiB of local memory";
	if (why && !d->reason[0]) (void)snprintf(d->reason, sizeof d->reason, "%s", why);
}

static void fill(struct device_info *d, cl_platform_id platform, cl_device_id id)
{
	cl_bool unified = CL_FALSE;
	memset(d, 0, sizeof *d);
	d->platform = platform;
	d->id = id;
	(void)clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof d->platform_name - 1, d->platform_name, NULL);
	device_text(id, CL_DEVICE_NAME, d->name, sizeof d->name);
	device_text(id, CL_DEVICE_VERSION, d->version, sizeof d->version);
	device_text(id, CL_DRIVER_VERSION, d->driver, sizeof d->driver);
	if (!d->name[0]) (void)snprintf(d->name, sizeof d->name, "a device without a name");
	(void)clGetDeviceInfo(id, CL_DEVICE_TYPE, sizeof d->type, &d->type, NULL);
	(void)clGetDeviceInfo(id, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof d->compute_units, &d->compute_units, NULL);
	(void)clGetDeviceInfo(id, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof d->memory, &d->memory, NULL);
	(void)clGetDeviceInfo(id, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof d->largest, &d->largest, NULL);
	(void)clGetDeviceInfo(id, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof d->group_limit, &d->group_limit, NULL);
	(void)clGetDeviceInfo(id, CL_DEVICE_MAX_PARAMETER_SIZE, sizeof d->parameter_limit, &d->parameter_limit, NULL);
	(void)clGetDeviceInfo(id, CL_DEVICE_LOCAL_MEM_SIZE, sizeof d->local_memory, &d->local_memory, NULL);
	(void)clGetDeviceInfo(id, CL_DEVICE_HOST_UNIFIED_MEMORY, sizeof unified, &unified, NULL);
	d->shares_memory = unified != CL_FALSE;
	check_versions(d);
	check_abilities(d);
	d->fp64 = has_extension(id, "cl_khr_fp64");
	d->int_dot = has_extension(id, "cl_khr_integer_dot_product") && compiles_c3(id) && !device_is_cpu(d);
	d->subgroups = has_feature(id, "__opencl_c_subgroups") && compiles_c3(id) && !device_is_cpu(d);
}

/* ---- the list -------------------------------------------------------------------------------------- */

static cl_uint list_platforms(cl_platform_id platforms[MOST_PLATFORMS], cl_int *error)
{
	cl_uint n = 0;
	*error = clGetPlatformIDs(MOST_PLATFORMS, platforms, &n);
	if (*error != CL_SUCCESS) return 0;
	return n < MOST_PLATFORMS ? n : MOST_PLATFORMS;
}

bool device_find(uint32_t index, struct device_info *out)
{
	cl_platform_id platforms[MOST_PLATFORMS];
	cl_device_id ids[MOST_DEVICES];
	cl_int error;
	const cl_uint n_platforms = list_platforms(platforms, &error);
	for (cl_uint p = 0; p < n_platforms; p++) {
		cl_uint n = 0;
		error = clGetDeviceIDs(platforms[p], CL_DEVICE_TYPE_ALL, MOST_DEVICES, ids, &n);
		if (error == CL_DEVICE_NOT_FOUND) continue;
		if (n > MOST_DEVICES) n = MOST_DEVICES;
		if (error != CL_SUCCESS) n = 1; /* stands for whatever the platform has */
		if (index >= n) {
			index -= n;
			continue;
		}
		if (error == CL_SUCCESS) {
			fill(out, platforms[p], ids[index]);
			return true;
		}
		memset(out, 0, sizeof *out);
		(void)clGetPlatformInfo(platforms[p], CL_PLATFORM_NAME, sizeof out->name - 1, out->name, NULL);
		(void)snprintf(out->reason, sizeof out->reason, "the platform does not list its devices: %s (%d)",
		               cl_error_name(error), (int)error);
		return true;
	}
	return false;
}

const char *device_none(void)
{
	cl_platform_id platforms[MOST_PLATFORMS];
	cl_int error;
	if (list_platforms(platforms, &error) > 0) return "no OpenCL platform has a device";
	return "no OpenCL platform (drivers are listed in /etc/OpenCL/vendors; on Debian pocl-opencl-icd runs on any processor)";
}

void device_describe(const struct device_info *d, char *details, size_t size)
{
	(void)snprintf(details, size, "%s, driver %s, platform %s, %u compute units, %.1f GiB, %s kernels; extensions used:%s%s%s%s",
	               d->version, d->driver, d->platform_name, (unsigned)d->compute_units, (double)d->memory / 1073741824,
	               device_is_cpu(d) ? "cpu" : "gpu", d->fp64 ? " cl_khr_fp64" : "",
	               d->int_dot ? " cl_khr_integer_dot_product" : "", d->subgroups ? " __opencl_c_subgroups" : "",
	               d->fp64 || d->int_dot || d->subgroups ? "" : " none");
}

/* GPUs before the cpu backend (50 or 100), those with memory of their own before others; CPU devices after it. */
int64_t device_score(const struct device_info *d)
{
	const int64_t units = d->compute_units < 400 ? (int64_t)d->compute_units : 400;
	if (d->type & CL_DEVICE_TYPE_GPU) return (d->shares_memory ? 1000 : 1500) + units;
	return d->type & CL_DEVICE_TYPE_CPU ? 20 : 40;
}

bool device_is_cpu(const struct device_info *d)
{
	const char *wish = getenv("VITA_OPENCL_CLASS");
	if (wish && strcmp(wish, "gpu") == 0) return false;
	if (wish && strcmp(wish, "cpu") == 0) return true;
	return (d->type & CL_DEVICE_TYPE_CPU) != 0;
}
