/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: a PyTorch checkpoint. Every tensor that the reader lets through must lie within the file or within
 * what was brought into order, which together is never larger than the file.
 */
#include "fuzz.h"

#include <vita/model.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	vita_model *model;
	vita_error err;
	const char *path = fuzz_write("model.pt", data, size);
	if (vita_model_open(path, VITA_MODEL_WANT_TENSORS, &model, &err) != VITA_OK) return 0;
	for (uint64_t i = 0; i < vita_model_n_tensors(model); i++) {
		vita_array array;
		vita_tensor_info info;
		VITA_INIT(&array);
		if (vita_model_tensor_at(model, i, &array) != VITA_OK) __builtin_trap();
		if (vita_model_tensor_describe(model, i, &info) != VITA_OK) __builtin_trap();
		fuzz_touch(info.shape, info.rank * sizeof *info.shape);
		fuzz_touch(info.type, strlen(info.type));
		if (info.size_bytes > size) __builtin_trap();
		if (array.dtype != VITA_DTYPE_NONE) fuzz_touch(array.data, array.size_bytes);
	}
	vita_model_close(model);
	return 0;
}
