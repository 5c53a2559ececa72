/* SPDX-License-Identifier: MIT
 *
 * Memory for plugins: zeroed host memory, device buffers that grow, and a pool of working memory that
 * lets several threads run passes of one model at once.
 */
#ifndef COMMON_PLUGIN_MEMORY_H
#define COMMON_PLUGIN_MEMORY_H

#include <pthread.h>
#include <vita/host.h>

/* n zeroed elements from the host, NULL where there is no memory or n * size overflows. */
void *host_zeroed(const vita_host *host, uint64_t n, uint64_t size);

/* Does nothing for NULL. */
void host_release(const vita_host *host, void *memory);

/* A device buffer of at least `size` bytes; {0} is an empty one. */
typedef struct device_memory {
	vita_buffer *buffer;
	uint64_t size;
} device_memory;

/* Make it at least `size` bytes large; what it held is lost when it has to grow. */
vita_status device_memory_reserve(const vita_device *device, device_memory *memory, uint64_t size,
                                  vita_error *err);
void device_memory_free(const vita_device *device, device_memory *memory);

/* Free the buffer under a tensor that weight_load gave; does nothing where there is none. */
void device_tensor_free(const vita_device *device, vita_tensor *tensor);

/* Idle working memory. A plugin puts pass_item first into a struct of its own; who takes one has it to
 * himself, and gives it back when the device no longer uses its buffers. */
typedef struct pass_item {
	struct pass_item *next;
} pass_item;

typedef struct pass_pool {
	pthread_mutex_t lock;
	pass_item *idle;
} pass_pool;

void pass_pool_init(pass_pool *pool);
pass_item *pass_pool_take(pass_pool *pool); /* NULL: none is idle, make one */
void pass_pool_give(pass_pool *pool, pass_item *item);
void pass_pool_destroy(pass_pool *pool); /* after all items were taken out and freed */

#endif
