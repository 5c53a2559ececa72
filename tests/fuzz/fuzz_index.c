/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: model.safetensors.index.json, which says which shard holds which tensor.
 */
#include "fuzz.h"

#include <vita/model.h>

/* A shard with one tensor "a", f32 [1]. */
static const char shard[] = "\x36\0\0\0\0\0\0\0"
                            "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}"
                            "\0\0\x80\x3f";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int prepared;
	vita_model *model;
	vita_error err;
	if (!prepared) (void)fuzz_write("s.safetensors", shard, sizeof shard - 1);
	prepared = 1;
	(void)fuzz_write("model.safetensors.index.json", data, size);
	if (vita_model_open(fuzz_folder(), VITA_MODEL_WANT_TENSORS, &model, &err) != VITA_OK) return 0;
	for (uint64_t i = 0; i < vita_model_n_tensors(model); i++) {
		vita_array array;
		VITA_INIT(&array);
		if (vita_model_tensor_at(model, i, &array) != VITA_OK) __builtin_trap();
		fuzz_touch(array.data, array.size_bytes);
	}
	vita_model_close(model);
	return 0;
}
