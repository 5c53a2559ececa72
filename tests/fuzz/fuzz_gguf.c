/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: a GGUF file. Every tensor that the reader lets through must lie within the file, settings can
 * be asked for, and its tokenizer, where it has one, can be used.
 */
#include "fuzz.h"

#include <vita/context.h>
#include <vita/model.h>
#include <vita/tokenizer.h>

static void use_tensors(const vita_model *model, size_t size)
{
	uint64_t total = 0;
	vita_error err;
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
		if (array.dtype == VITA_DTYPE_NONE) continue;
		fuzz_touch(array.data, array.size_bytes);
		if (vita_model_tensor(model, array.name, 0, NULL, &again, &err) != VITA_OK) __builtin_trap();
	}
}

static void use_settings(const vita_model *model)
{
	static const char *const keys[] = {
		"model_type",          "num_hidden_layers", "rms_norm_eps",
		"rope_scaling.factor", "eos_token_id",      "tie_word_embeddings"
	};
	vita_error err;
	vita_metadata metadata;
	for (uint64_t i = 0; vita_model_metadata_at(model, i, &metadata) == VITA_OK; i++) {
		fuzz_touch(metadata.key, strlen(metadata.key));
		fuzz_touch(metadata.text, strlen(metadata.text));
	}
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		const char *text;
		int64_t whole;
		double real;
		for (uint32_t file = 0; file < 2; file++) {
			(void)vita_model_get_string(model, file, keys[i], &text, &err);
			(void)vita_model_get_int(model, file, keys[i], 0, 100, &whole, &err);
			(void)vita_model_get_float(model, file, keys[i], &real, &err);
		}
	}
}

static void use_tokenizer(const char *path)
{
	static const char text[] = "Hello  it's <|a|> 12\n\303\251";
	vita_tokenizer *tokenizer;
	vita_error err;
	int32_t *ids;
	uint64_t n;
	if (vita_tokenizer_open(path, &tokenizer, &err) != VITA_OK) return;
	for (uint32_t plain = 0; plain < 2; plain++) {
		if (vita_tokenizer_encode(tokenizer, text, sizeof text - 1, plain, &ids, &n, &err) != VITA_OK)
			continue;
		for (uint64_t i = 0; i < n; i++)
			if (ids[i] < 0 || (uint32_t)ids[i] >= vita_tokenizer_size(tokenizer))
				__builtin_trap();
		vita_free(ids);
	}
	vita_tokenizer_close(tokenizer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	vita_model *model;
	vita_error err;
	const char *path = fuzz_write("model.gguf", data, size);
	if (vita_model_open(path, 0, &model, &err) != VITA_OK) return 0;
	use_tensors(model, size);
	use_settings(model);
	use_tokenizer(path);
	vita_model_close(model);
	return 0;
}
