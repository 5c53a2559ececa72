/* SPDX-License-Identifier: MIT
 *
 * vita/host.h - what the host does for modules: log, memory, settings, model files, copies between
 * devices. Modules receive this table and link nothing.
 *
 * The table and everything reached through it live until the last handle of the module is closed.
 * Before calling a member marked "Since", test it: VITA_HAS(host, vita_host, member).
 */
#ifndef VITA_HOST_H
#define VITA_HOST_H

#include <vita/backend.h>
#include <vita/model.h>
#include <vita/module.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VITA_LOG_ERROR 0u
#define VITA_LOG_WARNING 1u
#define VITA_LOG_INFO 2u
#define VITA_LOG_DEBUG 3u

struct vita_host {
	uint32_t struct_size;
	uint32_t abi_major, abi_minor;  /* of the host */
	uint32_t reserved;
	void *context;                  /* the host's own; first argument of every member below */

	/* One line, no newline at its end; topic is the module's name. Never blocks for long.
	 *                                                                          [any-thread] */
	void (*log)(void *context, uint32_t level, const char *topic, const char *text);

	/* As malloc, realloc and free, NULL when memory is out; what crosses the ABI with "vita_free" in
	 * its comment comes from here.                                             [any-thread] */
	void *(*allocate)(void *context, uint64_t size);
	void *(*reallocate)(void *context, void *memory, uint64_t size);
	void (*release)(void *context, void *memory);

	/* 1 once the caller wants the call to end: return VITA_E_CANCELLED soon (within 50 ms or one layer).
	 * cancel may be NULL.                                                      [any-thread] */
	int32_t (*cancelled)(void *context, const vita_cancel *cancel);

	/* Values of a factory's declared keys, already checked; the fallback where the INI is silent.
	 * setting_has: 1 where there is a value at all. Asking for an undeclared key, or with the wrong type's
	 * getter, is a defect of the module: "", 0 comes back and the log says so. Strings and lists live
	 * as long as the settings.                                                 [any-thread] */
	int32_t (*setting_has)(void *context, const vita_settings *settings, const char *key);
	const char *(*setting_string)(void *context, const vita_settings *settings, const char *key); /* STRING PATH CHOICE SEED */
	int64_t (*setting_int)(void *context, const vita_settings *settings, const char *key);        /* INT BOOL */
	double (*setting_float)(void *context, const vita_settings *settings, const char *key);
	uint32_t (*setting_list)(void *context, const vita_settings *settings, const char *key, const int64_t **values);

	/* Model files; see vita/model.h for each. model_open shares: a path that is open already gives
	 * the same model again, and every open wants its close.                    [any-thread, may-block] */
	vita_status (*model_open)(void *context, const char *path, uint32_t want, vita_model **out, vita_error *err);
	void (*model_close)(void *context, vita_model *model);
	const char *(*model_path)(void *context, const vita_model *model);
	const char *(*model_file_path)(void *context, vita_model *model, const char *name);
	vita_status (*model_get_int)(void *context, const vita_model *model, uint32_t file, const char *key,
	                             int64_t min, int64_t max, int64_t *out, vita_error *err);
	vita_status (*model_get_float)(void *context, const vita_model *model, uint32_t file, const char *key,
	                               double *out, vita_error *err);
	vita_status (*model_get_bool)(void *context, const vita_model *model, uint32_t file, const char *key,
	                              int32_t *out, vita_error *err);
	vita_status (*model_get_string)(void *context, const vita_model *model, uint32_t file, const char *key,
	                                const char **out, vita_error *err);
	vita_status (*model_get_ints)(void *context, const vita_model *model, uint32_t file, const char *key,
	                              int64_t *out, uint32_t capacity, uint32_t *count, vita_error *err);
	vita_status (*model_get_list_string)(void *context, const vita_model *model, uint32_t file, const char *key,
	                                     uint32_t i, const char **out, vita_error *err);
	vita_status (*model_tensor)(void *context, const vita_model *model, const char *name, uint32_t rank,
	                            const int64_t *shape, vita_array *out, vita_error *err);

	/* Upload a tensor of a model file for use by ops: as it is (dtype VITA_DTYPE_NONE) or converted.
	 * Where the device can use the mapped pages they are used and nothing is copied; so the model must
	 * stay open until out->buffer is freed with the device's `free`. A matrix (rank 2) may be laid out anew for
	 * MATMUL and GATHER; one that other ops read too wants VITA_ARRAY_F_PLAIN in source->flags. A source of
	 * rank 0 becomes a row of one. Sharing is the caller's affair.
	 * OK | E_SHAPE | E_UNSUPPORTED (a conversion that vita_convert does not have) | E_NOMEM | E_DEVICE
	 *                                                                          [any-thread, may-block] */
	vita_status (*weight_load)(void *context, const vita_device *device, const vita_array *source, uint32_t dtype,
	                           vita_tensor *out, vita_error *err);

	/* Copy elements between tensors of equal shape and dtype on any two devices, through host memory
	 * where the two do not share any. Returns when `to` may be used by ops of its device.
	 *                                                                          [any-thread, may-block] */
	vita_status (*tensor_copy)(void *context, const vita_device *from_device, const vita_tensor *from,
	                           const vita_device *to_device, const vita_tensor *to, vita_error *err);
};

/* An ability of plugins that can tell a model of theirs by its files; see VITA_ENCODER_F_MATCH. */
#define VITA_MATCH_ID "vita.match/1"

typedef struct vita_match_api {
	uint32_t struct_size;
	uint32_t reserved;

	/* 0: not at all, 100: surely; the highest wins. Settings and tensors may be missing.      [any-thread] */
	int32_t (*match)(const vita_host *host, const vita_model *model);
} vita_match_api;

/* A formatted line to the log. */
VITA_PRINTF(4, 5)
VITA_UNUSED static inline void vita_logf(const vita_host *host, uint32_t level, const char *topic,
                                         const char *format, ...)
{
	char text[1024];
	va_list args;
	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	host->log(host->context, level, topic, text);
}

#ifdef __cplusplus
}
#endif
#endif
