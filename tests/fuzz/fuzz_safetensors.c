/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: a safetensors file. Every tensor that the reader lets through must lie within the file.
 */
#include "fuzz.h"

#include <vita/model.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	vita_model *model;
	vita_error err;
	uint64_t total = 0;
	const char *path = fuzz_write("model.safetensors", data, size);
	if (vita_model_open(path, VITA_MODEL_WANT_TENSORS, &model, &err) != VITA_OK) return 0;
	for (uint64_t i = 0; i < vita_model_n_tensors(model); i++) {
		vita_array array, again;
		vita_tensor_info info;
		VITA_INIT(&array);
		VITA_INIT(&again);
		if (vita_model_tensor_at(model, i, &array) != VITA_OK) __builtin_trap();
		if (vita_model_tensor_describe(model, i, &info) != VITA_OK) __builtin_trap();
		fuzz_touch(info.shape, info.rank * sizeof *info.shape);
		fuzz_touch(info.type, strlen(info.type));
		total += info.size_bytes;
		if (total > size) __builtin_trap(); /* tensors do not overlap, so they fit together */
		if (array.dtype == VITA_DTYPE_NONE) continue; /* listed, but nothing here computes with it */
		fuzz_touch(array.data, array.size_bytes);
		fuzz_touch(array.name, strlen(array.name));
		if (vita_model_tensor(model, array.name, 0, NULL, &again, &err) != VITA_OK) __builtin_trap();
	}
	vita_model_close(model);
	return 0;
}
