/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: config.json of a model, and the files beside it, read by every getter.
 */
#include "fuzz.h"

#include <vita/model.h>

static void read_settings(const vita_model *model, uint32_t file)
{
	static const char *const keys[] = {
		"hidden_size", "num_hidden_layers", "rope_theta", "rope_scaling.type", "rope_scaling.factor",
		"tie_word_embeddings", "architectures", "eos_token_id", "model_type", "a.b.c.d", "", ".", "vocab_size",
	};
	vita_error err;
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		int64_t integer, integers[8];
		double number;
		int32_t boolean;
		uint32_t count;
		const char *text;
		(void)vita_model_get_int(model, file, keys[i], 0, INT32_MAX, &integer, &err);
		(void)vita_model_get_float(model, file, keys[i], &number, &err);
		(void)vita_model_get_bool(model, file, keys[i], &boolean, &err);
		if (vita_model_get_ints(model, file, keys[i], integers, 8, &count, &err) == VITA_OK)
			fuzz_touch(integers, (count < 8 ? count : 8) * sizeof *integers);
		if (vita_model_get_string(model, file, keys[i], &text, &err) == VITA_OK) fuzz_touch(text, strlen(text));
		for (uint32_t j = 0; j < 3; j++)
			if (vita_model_get_list_string(model, file, keys[i], j, &text, &err) == VITA_OK)
				fuzz_touch(text, strlen(text));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	vita_model *model;
	vita_error err;
	(void)fuzz_write("config.json", data, size);
	(void)fuzz_write("generation_config.json", data, size);
	(void)fuzz_write("preprocessor_config.json", data, size);
	if (vita_model_open(fuzz_folder(), VITA_MODEL_WANT_CONFIG, &model, &err) != VITA_OK) return 0;
	read_settings(model, VITA_CONFIG_MODEL);
	read_settings(model, VITA_CONFIG_GENERATION);
	read_settings(model, VITA_CONFIG_PREPROCESSOR);
	vita_model_close(model);
	return 0;
}
