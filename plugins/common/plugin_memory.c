/* SPDX-License-Identifier: MIT
 *
 * Memory for plugins; see plugin_memory.h.
 */
#include "plugin_memory.h"

void *host_zeroed(const vita_host *host, uint64_t n, uint64_t size)
{
	if (size != 0 && n > UINT64_MAX / size) return NULL;
	uint64_t bytes = n * size > 0 ? n * size : 1;
	if (bytes > SIZE_MAX) return NULL;
	void *memory = host->allocate(host->context, bytes);
	if (memory) memset(memory, 0, (size_t)bytes);
	return memory;
}

void host_release(const vita_host *host, void *memory)
{
	if (memory) host->release(host->context, memory);
}

vita_status device_memory_reserve(const vita_device *device, device_memory *memory, uint64_t size,
                                  vita_error *err)
{
	if (memory->buffer && memory->size >= size) return VITA_OK;
	device_memory_free(device, memory);
	vita_status status = device->api->alloc(device->self, size, &memory->buffer, err);
	if (status != VITA_OK) {
		memory->buffer = NULL;
		return status;
	}
	memory->size = size;
	return VITA_OK;
}

void device_memory_free(const vita_device *device, device_memory *memory)
{
	if (memory->buffer) device->api->free(device->self, memory->buffer);
	memory->buffer = NULL;
	memory->size = 0;
}

void device_tensor_free(const vita_device *device, vita_tensor *tensor)
{
	if (tensor->buffer) device->api->free(device->self, tensor->buffer);
	tensor->buffer = NULL;
}

void pass_pool_init(pass_pool *pool)
{
	/* With default attributes this cannot fail on any system that we know. */
	(void)pthread_mutex_init(&pool->lock, NULL);
	pool->idle = NULL;
}

pass_item *pass_pool_take(pass_pool *pool)
{
	(void)pthread_mutex_lock(&pool->lock);
	pass_item *item = pool->idle;
	if (item) pool->idle = item->next;
	(void)pthread_mutex_unlock(&pool->lock);
	return item;
}

void pass_pool_give(pass_pool *pool, pass_item *item)
{
	(void)pthread_mutex_lock(&pool->lock);
	item->next = pool->idle;
	pool->idle = item;
	(void)pthread_mutex_unlock(&pool->lock);
}

void pass_pool_destroy(pass_pool *pool)
{
	(void)pthread_mutex_destroy(&pool->lock);
}
