/* SPDX-License-Identifier: MIT
 *
 * What OpenCL's error codes are called, and what they mean for the device.
 */
#include "opencl.h"

const char *cl_error_name(cl_int error)
{
	static const struct {
		cl_int error;
		const char *name;
	} names[] = {
#define NAME(code) { code, #code }
		NAME(CL_DEVICE_NOT_FOUND), NAME(CL_DEVICE_NOT_AVAILABLE), NAME(CL_COMPILER_NOT_AVAILABLE),
		NAME(CL_MEM_OBJECT_ALLOCATION_FAILURE), NAME(CL_OUT_OF_RESOURCES), NAME(CL_OUT_OF_HOST_MEMORY),
		NAME(CL_MEM_COPY_OVERLAP), NAME(CL_BUILD_PROGRAM_FAILURE), NAME(CL_MISALIGNED_SUB_BUFFER_OFFSET),
		NAME(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST), NAME(CL_DEVICE_PARTITION_FAILED),
		NAME(CL_INVALID_VALUE), NAME(CL_INVALID_DEVICE_TYPE), NAME(CL_INVALID_PLATFORM), NAME(CL_INVALID_DEVICE),
		NAME(CL_INVALID_CONTEXT), NAME(CL_INVALID_QUEUE_PROPERTIES), NAME(CL_INVALID_COMMAND_QUEUE),
		NAME(CL_INVALID_HOST_PTR), NAME(CL_INVALID_MEM_OBJECT), NAME(CL_INVALID_BINARY),
		NAME(CL_INVALID_BUILD_OPTIONS), NAME(CL_INVALID_PROGRAM), NAME(CL_INVALID_PROGRAM_EXECUTABLE),
		NAME(CL_INVALID_KERNEL_NAME), NAME(CL_INVALID_KERNEL_DEFINITION), NAME(CL_INVALID_KERNEL),
		NAME(CL_INVALID_ARG_INDEX), NAME(CL_INVALID_ARG_VALUE), NAME(CL_INVALID_ARG_SIZE),
		NAME(CL_INVALID_KERNEL_ARGS), NAME(CL_INVALID_WORK_DIMENSION), NAME(CL_INVALID_WORK_GROUP_SIZE),
		NAME(CL_INVALID_WORK_ITEM_SIZE), NAME(CL_INVALID_GLOBAL_OFFSET), NAME(CL_INVALID_EVENT_WAIT_LIST),
		NAME(CL_INVALID_EVENT), NAME(CL_INVALID_OPERATION), NAME(CL_INVALID_BUFFER_SIZE),
		NAME(CL_INVALID_GLOBAL_WORK_SIZE), NAME(CL_INVALID_PROPERTY),
		{ -1001, "CL_PLATFORM_NOT_FOUND_KHR" },
#undef NAME
	};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (names[i].error == error) return names[i].name;
	return "an unknown error";
}

/* After these nothing that the device holds can be trusted. Drivers report a fault in a kernel, a reset or a device
 * that was taken away by one of them, at whatever call comes next. */
static bool is_loss(cl_int error)
{
	return error == CL_OUT_OF_RESOURCES || error == CL_DEVICE_NOT_AVAILABLE || error == CL_INVALID_COMMAND_QUEUE ||
	       error == CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST || error == CL_INVALID_CONTEXT;
}

vita_status check_lost(const vita_backend *backend, vita_error *err)
{
	if (backend->lost == CL_SUCCESS) return VITA_OK;
	return vita_fail(err, VITA_E_DEVICE, "opencl: the device %s was lost (%s %d) and must be opened again",
	                 backend->device.name, cl_error_name(backend->lost), (int)backend->lost);
}

vita_status cl_failure(vita_backend *backend, const char *call, cl_int error, vita_error *err)
{
	if (error == CL_MEM_OBJECT_ALLOCATION_FAILURE || error == CL_OUT_OF_HOST_MEMORY)
		return vita_fail(err, VITA_E_NOMEM, "opencl: %s: %s has no memory left (%s), %.1f of %.1f MiB are taken", call,
		                 backend->device.name, cl_error_name(error), (double)backend->taken / 1048576,
		                 (double)backend->limit / 1048576);
	if (is_loss(error)) backend->lost = error;
	return vita_fail(err, VITA_E_DEVICE, "opencl: %s failed on %s: %s (%d)%s", call, backend->device.name,
	                 cl_error_name(error), (int)error, is_loss(error) ? "; the device is lost" : "");
}
