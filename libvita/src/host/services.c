/* SPDX-License-Identifier: MIT
 *
 * The host table: log, memory, cancelling, settings and shared model files. Copies between devices are in
 * weights.c.
 */
#include <config.h>

#include "host/services.h"

#include "files/model.h"
#include "files/synthetic.h"
#include "host/context_internal.h"
#include "host/settings.h"

#include <stdatomic.h>
#include <stdlib.h>

struct vita_shared_model {
	vita_shared_model *next;
	char *path; /* as realpath gives it */
	uint32_t want;
	uint64_t references;
	vita_model *model;
};

/* ---- log, memory, cancelling -------------------------------------------------------------------------- */

static void host_log(void *context, uint32_t level, const char *topic, const char *text)
{
	vita_services *services = context;
	vita_log_text(&services->log, level, topic, text);
}

static void *host_reallocate(void *context, void *memory, uint64_t size)
{
	(void)context;
	if (size > SIZE_MAX) return NULL;
	return realloc(memory, size ? (size_t)size : 1);
}

static void *host_allocate(void *context, uint64_t size)
{
	return host_reallocate(context, NULL, size);
}

static void host_release(void *context, void *memory)
{
	(void)context;
	free(memory);
}

void vita_free(void *memory)
{
	free(memory);
}

struct vita_cancel {
	atomic_int requested;
};

vita_cancel *vita_cancel_create(void)
{
	vita_cancel *cancel = malloc(sizeof *cancel);
	if (cancel) atomic_init(&cancel->requested, 0);
	return cancel;
}

void vita_cancel_destroy(vita_cancel *cancel)
{
	free(cancel);
}

void vita_cancel_request(vita_cancel *cancel)
{
	atomic_store(&cancel->requested, 1);
}

void vita_cancel_clear(vita_cancel *cancel)
{
	atomic_store(&cancel->requested, 0);
}

int32_t vita_cancel_requested(const vita_cancel *cancel)
{
	return cancel ? atomic_load(&cancel->requested) : 0;
}

static int32_t host_cancelled(void *context, const vita_cancel *cancel)
{
	(void)context;
	return vita_cancel_requested(cancel);
}

/* ---- settings ----------------------------------------------------------------------------------------- */

static int32_t host_setting_has(void *context, const vita_settings *settings, const char *key)
{
	(void)context;
	return vita_settings_has(settings, key);
}

static const char *host_setting_string(void *context, const vita_settings *settings, const char *key)
{
	(void)context;
	return vita_settings_string(settings, key);
}

static int64_t host_setting_int(void *context, const vita_settings *settings, const char *key)
{
	(void)context;
	return vita_settings_int(settings, key);
}

static double host_setting_float(void *context, const vita_settings *settings, const char *key)
{
	(void)context;
	return vita_settings_float(settings, key);
}

static uint32_t host_setting_list(void *context, const vita_settings *settings, const char *key,
                                  const int64_t **values)
{
	(void)context;
	return vita_settings_list(settings, key, values);
}

/* ---- model files -------------------------------------------------------------------------------------- */

static vita_shared_model *find_shared(vita_services *services, const char *path, uint32_t want)
{
	for (vita_shared_model *m = services->models; m; m = m->next)
		if (strcmp(m->path, path) == 0 && (m->want & want) == want) return m;
	return NULL;
}

/* Open path for the first time; takes real_path over. */
static vita_status open_shared(vita_services *services, const char *path, char *real_path, uint32_t want,
                               vita_model **out, vita_error *err)
{
	vita_shared_model *shared = calloc(1, sizeof *shared);
	vita_status status = VITA_E_NOMEM;
	if (shared)
		status = vita_model_open(path, want, &shared->model, err);
	else
		vita_fail(err, status, "%s: no memory to open it", path);
	if (status != VITA_OK) {
		free(shared);
		free(real_path);
		return status;
	}
	shared->model->is_blank = services->blank != 0;
	shared->path = real_path;
	shared->want = want;
	shared->references = 1;
	shared->next = services->models;
	services->models = shared;
	*out = shared->model;
	return VITA_OK;
}

static vita_status host_model_open(void *context, const char *path, uint32_t want, vita_model **out,
                                   vita_error *err)
{
	vita_services *services = context;
	vita_status status = VITA_OK;
	*out = NULL;
	/* A synthetic model is no file: its name is its path. */
	char *real_path = vita_synthetic_is_path(path) ? strdup(path) : realpath(path, NULL);
	if (!real_path) { /* opening fails too, and says why */
		status = vita_model_open(path, want, out, err);
		if (status != VITA_OK) return status;
		vita_model_close(*out);
		*out = NULL;
		return vita_fail(err, VITA_E_IO, "%s: appeared while it was being opened", path);
	}
	(void)pthread_mutex_lock(&services->lock);
	vita_shared_model *shared = find_shared(services, real_path, want);
	if (shared) {
		shared->references++;
		*out = shared->model;
		free(real_path);
	} else {
		status = open_shared(services, path, real_path, want, out, err);
	}
	(void)pthread_mutex_unlock(&services->lock);
	return status;
}

static void close_shared(vita_shared_model *shared)
{
	vita_model_close(shared->model);
	free(shared->path);
	free(shared);
}

static void host_model_close(void *context, vita_model *model)
{
	vita_services *services = context;
	if (!model) return;
	(void)pthread_mutex_lock(&services->lock);
	vita_shared_model **link = &services->models;
	while (*link && (*link)->model != model) link = &(*link)->next;
	vita_shared_model *shared = *link, *last = NULL;
	if (shared && --shared->references == 0) {
		*link = shared->next;
		last = shared;
	}
	(void)pthread_mutex_unlock(&services->lock);
	if (!shared)
		vita_log_format(&services->log, VITA_LOG_WARNING, "host",
		                "a model is closed more often than opened");
	if (last) close_shared(last);
}

void vita_services_release(vita_services *services, const void *data, uint64_t size)
{
	(void)pthread_mutex_lock(&services->lock);
	for (vita_shared_model *m = services->models; m; m = m->next)
		vita_model_release(m->model, data, size);
	(void)pthread_mutex_unlock(&services->lock);
}

static const char *host_model_path(void *context, const vita_model *model)
{
	(void)context;
	return vita_model_path(model);
}

static const char *host_model_file_path(void *context, vita_model *model, const char *name)
{
	(void)context;
	return vita_model_file_path(model, name);
}

static vita_status host_model_get_int(void *context, const vita_model *model, uint32_t file, const char *key,
                                      int64_t min, int64_t max, int64_t *out, vita_error *err)
{
	(void)context;
	return vita_model_get_int(model, file, key, min, max, out, err);
}

static vita_status host_model_get_float(void *context, const vita_model *model, uint32_t file,
                                        const char *key, double *out, vita_error *err)
{
	(void)context;
	return vita_model_get_float(model, file, key, out, err);
}

static vita_status host_model_get_bool(void *context, const vita_model *model, uint32_t file, const char *key,
                                       int32_t *out, vita_error *err)
{
	(void)context;
	return vita_model_get_bool(model, file, key, out, err);
}

static vita_status host_model_get_string(void *context, const vita_model *model, uint32_t file,
                                         const char *key, const char **out, vita_error *err)
{
	(void)context;
	return vita_model_get_string(model, file, key, out, err);
}

static vita_status host_model_get_ints(void *context, const vita_model *model, uint32_t file, const char *key,
                                       int64_t *out, uint32_t capacity, uint32_t *count, vita_error *err)
{
	(void)context;
	return vita_model_get_ints(model, file, key, out, capacity, count, err);
}

static vita_status host_model_get_list_string(void *context, const vita_model *model, uint32_t file,
                                              const char *key, uint32_t i, const char **out, vita_error *err)
{
	(void)context;
	return vita_model_get_list_string(model, file, key, i, out, err);
}

static vita_status host_model_tensor(void *context, const vita_model *model, const char *name, uint32_t rank,
                                     const int64_t *shape, vita_array *out, vita_error *err)
{
	const vita_tensor_watch *watch = &((vita_services *)context)->watch;
	if (watch->user) return watch->tensor(watch->user, model, name, rank, shape, out, err);
	return vita_model_tensor(model, name, rank, shape, out, err);
}

/* ---- the table ---------------------------------------------------------------------------------------- */

static const vita_host table = {
	.struct_size = sizeof(vita_host),
	.abi_major = VITA_ABI_MAJOR,
	.abi_minor = VITA_ABI_MINOR,
	.log = host_log,
	.allocate = host_allocate,
	.reallocate = host_reallocate,
	.release = host_release,
	.cancelled = host_cancelled,
	.setting_has = host_setting_has,
	.setting_string = host_setting_string,
	.setting_int = host_setting_int,
	.setting_float = host_setting_float,
	.setting_list = host_setting_list,
	.model_open = host_model_open,
	.model_close = host_model_close,
	.model_path = host_model_path,
	.model_file_path = host_model_file_path,
	.model_get_int = host_model_get_int,
	.model_get_float = host_model_get_float,
	.model_get_bool = host_model_get_bool,
	.model_get_string = host_model_get_string,
	.model_get_ints = host_model_get_ints,
	.model_get_list_string = host_model_get_list_string,
	.model_tensor = host_model_tensor,
	.weight_load = vita_host_weight_load,
	.tensor_copy = vita_host_tensor_copy,
};

void vita_services_init_quiet(vita_services *services)
{
	memset(services, 0, sizeof *services);
	services->host = table;
	services->host.context = services;
}

vita_status vita_services_init(vita_services *services, vita_log_fn write, void *user, uint32_t level,
                               vita_error *err)
{
	vita_services_init_quiet(services);
	services->log.write = write;
	services->log.user = user;
	services->log.level = level;
	if (pthread_mutex_init(&services->lock, NULL) != 0)
		return vita_fail(err, VITA_E_NOMEM, "no memory for a lock");
	return VITA_OK;
}

void vita_services_clear(vita_services *services)
{
	while (services->models) {
		vita_shared_model *shared = services->models;
		services->models = shared->next;
		close_shared(shared);
	}
	(void)pthread_mutex_destroy(&services->lock);
}
