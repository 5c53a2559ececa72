/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: an INI file, and its first line as an override.
 */
#include "fuzz.h"

#include <vita/config.h>

static void override(const uint8_t *data, size_t size)
{
	char assignment[256];
	vita_config *config;
	vita_error err;
	size_t n = size < sizeof assignment ? size : sizeof assignment - 1;
	memcpy(assignment, data, n);
	assignment[n] = 0;
	assignment[strcspn(assignment, "\n")] = 0;
	if (vita_config_create(&config, &err) != VITA_OK) return;
	(void)vita_config_set(config, assignment, &err);
	vita_config_destroy(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	vita_config *config;
	vita_error err;
	if (size) override(data, size);
	if (vita_config_create(&config, &err) != VITA_OK) return 0;
	if (vita_config_read(config, fuzz_write("fuzz.ini", data, size), &err) == VITA_OK) {
		const char *value = vita_config_get(config, "llm", "model");
		if (value) fuzz_touch(value, strlen(value));
	}
	vita_config_destroy(config);
	return 0;
}
