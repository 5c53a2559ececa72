/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: config.yaml. What comes out must be a finite tree, which is walked.
 */
#include "fuzz.h"

#include "files/yaml.h"

static void walk(const json_t *value, unsigned depth)
{
	const char *key;
	json_t *member;
	if (depth > VITA_JSON_MAX_DEPTH + 1) __builtin_trap();
	if (json_is_string(value)) fuzz_touch(json_string_value(value), json_string_length(value));
	for (size_t i = 0; i < json_array_size(value); i++) walk(json_array_get(value, i), depth + 1);
	json_object_foreach((json_t *)(uintptr_t)value, key, member) {
		fuzz_touch(key, strlen(key));
		walk(member, depth + 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *root;
	vita_error err;
	vita_status status = vita_yaml_parse((const char *)data, size, "config.yaml", &root, &err);
	if ((status == VITA_OK) != (root != NULL)) __builtin_trap();
	walk(root, 0);
	json_decref(root);
	return 0;
}
