/* SPDX-License-Identifier: MIT
 *
 * The services that modules get as a vita_host table, and what stands behind it.
 */
#ifndef VITA_HOST_SERVICES_H
#define VITA_HOST_SERVICES_H

#include "host/log.h"

#include <pthread.h>

typedef struct vita_shared_model vita_shared_model;

/* Who is asked instead for tensors of model files, with vita_model_tensor's arguments; see engine/check.c. */
typedef struct vita_tensor_watch {
	void *user; /* NULL: nobody */
	vita_status (*tensor)(void *user, const vita_model *model, const char *name, uint32_t rank,
	                      const int64_t *shape, vita_array *out, vita_error *err);
} vita_tensor_watch;

typedef struct vita_services {
	vita_host host; /* its context is this struct */
	vita_log log;
	pthread_mutex_t lock;      /* of models */
	vita_shared_model *models; /* open ones */
	vita_tensor_watch watch;
	int64_t threads; /* that converting weights may use, [backend] threads; 0: as many as there are */
	int blank; /* synthetic models are opened with zeros in their matrices, which take no memory */
} vita_services;

vita_status vita_services_init(vita_services *services, vita_log_fn write, void *user, uint32_t level,
                               vita_error *err);
void vita_services_clear(vita_services *services);

/* Without log and lock, for asking modules in a forked child; needs no clear and opens no models. */
void vita_services_init_quiet(vita_services *services);

/* A device has copied these bytes, of whichever open model they are: see vita_model_release. */
void vita_services_release(vita_services *services, const void *data, uint64_t size);

/* vita_host.weight_load and .tensor_copy (weights.c). */
vita_status vita_host_weight_load(void *context, const vita_device *device, const vita_array *source,
                                  uint32_t dtype, vita_tensor *out, vita_error *err);
vita_status vita_host_tensor_copy(void *context, const vita_device *from_device, const vita_tensor *from,
                                  const vita_device *to_device, const vita_tensor *to, vita_error *err);

#endif
