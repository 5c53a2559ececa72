/* SPDX-License-Identifier: MIT
 *
 * The cache of compiled programs on disk.
 */
#include "opencl.h"

uint64_t cache_hash(uint64_t hash, const void *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) hash = (hash ^ ((const unsigned char *)bytes)[i]) * UINT64_C(0x100000001b3);
	return hash;
}
